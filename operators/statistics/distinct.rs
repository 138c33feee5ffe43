//! How many distinct values there were, of values that are few as a rule.

/// Values that are told apart; later new ones do not count.
const MOST: usize = 4096;

/// A set of values: the first `HERE` in place and in order of arrival, more in a sorted list.
#[derive(Clone, Debug)]
pub struct Distinct<T, const HERE: usize> {
    here: [T; HERE],
    used: u8,
    more: Option<Box<More<T>>>,
}

/// A list behind a single word.
#[derive(Clone, Debug)]
struct More<T>(Vec<T>);

impl<T: Copy + Default, const HERE: usize> Default for Distinct<T, HERE> {
    fn default() -> Self {
        Self {
            here: [T::default(); HERE],
            used: 0,
            more: None,
        }
    }
}

impl<T: Copy + Ord, const HERE: usize> Distinct<T, HERE> {
    /// Adds a value.
    #[inline]
    pub fn insert(&mut self, value: T) {
        if self.in_place().contains(&value) {
            return;
        }
        match self.here.get_mut(usize::from(self.used)) {
            Some(place) => {
                *place = value;
                self.used += 1;
            }
            None => self.insert_more(value),
        }
    }

    fn insert_more(&mut self, value: T) {
        let more = self
            .more
            .get_or_insert_with(|| Box::new(More(Vec::with_capacity(1))));
        if let Err(at) = more.0.binary_search(&value)
            && more.0.len() < MOST - HERE
        {
            more.0.insert(at, value);
        }
    }

    fn in_place(&self) -> &[T] {
        self.here.get(..self.used.into()).unwrap_or(&[])
    }

    /// The values, the first ones in order of arrival.
    pub fn iter(&self) -> impl Iterator<Item = T> {
        let more = self.more.iter().flat_map(|more| &more.0);
        self.in_place().iter().chain(more).copied()
    }

    /// How many there are, 4,096 at most.
    pub fn count(&self) -> u16 {
        let more = self.more.as_ref().map_or(0, |more| more.0.len());
        u16::from(self.used) + u16::try_from(more).unwrap_or(u16::MAX)
    }

    /// Heap bytes held.
    pub fn heap_bytes(&self) -> usize {
        let bytes = |more: &More<T>| size_of_val(more) + more.0.capacity() * size_of::<T>();
        self.more.as_deref().map_or(0, bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    #[test]
    fn memory_is_bounded() {
        let mut set = Distinct::<u16, 2>::default();
        assert_eq!((set.count(), set.iter().next()), (0, None));
        (0..=u16::MAX).for_each(|value| set.insert(value.wrapping_mul(7)));
        assert_eq!(
            (usize::from(set.count()), set.iter().next()),
            (MOST, Some(0))
        );
        assert!(set.heap_bytes() < 16 << 10, "{}", set.heap_bytes());
    }

    proptest! {
        #[test]
        fn it_is_a_set(values in prop::collection::vec(0u32..20, 0..60)) {
            let mut set = Distinct::<u32, 3>::default();
            values.iter().for_each(|value| set.insert(*value));
            prop_assert_eq!(set.iter().next(), values.first().copied());
            let found: BTreeSet<u32> = set.iter().collect();
            prop_assert_eq!(usize::from(set.count()), found.len());
            prop_assert_eq!(found, values.into_iter().collect::<BTreeSet<_>>());
        }
    }
}
