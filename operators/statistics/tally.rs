//! Counters side by side in a narrow form that grows into a wide one: most flows are short, and none may be miscounted.

/// `N` sums of whole numbers, each below 2^16 kept in 16 bits.
#[derive(Clone, Debug)]
pub struct Tally<const N: usize> {
    narrow: [u16; N],
    /// What `narrow` had no room for.
    wide: Option<Box<[u64; N]>>,
}

impl<const N: usize> Default for Tally<N> {
    fn default() -> Self {
        Self {
            narrow: [0; N],
            wide: None,
        }
    }
}

impl<const N: usize> Tally<N> {
    /// Adds to a sum.
    ///
    /// # Panics
    /// If `at` is not below `N`.
    #[inline]
    pub fn add(&mut self, at: usize, value: u64) {
        let narrow = u16::try_from(value).ok();
        match narrow.and_then(|value| self.narrow[at].checked_add(value)) {
            Some(sum) => self.narrow[at] = sum,
            None => self.widen(at, value),
        }
    }

    /// Counts one where `is_so`.
    ///
    /// # Panics
    /// If `at` is not below `N`.
    #[inline]
    pub fn count(&mut self, at: usize, is_so: bool) {
        self.add(at, is_so.into());
    }

    #[cold]
    fn widen(&mut self, at: usize, value: u64) {
        let wide = self.wide.get_or_insert_with(|| Box::new([0; N]));
        let narrow = std::mem::take(&mut self.narrow[at]);
        wide[at] = wide[at].wrapping_add(u64::from(narrow).wrapping_add(value));
    }

    /// A sum.
    ///
    /// # Panics
    /// If `at` is not below `N`.
    pub fn of(&self, at: usize) -> u64 {
        let wide = self.wide.as_ref().map_or(0, |wide| wide[at]);
        wide.wrapping_add(self.narrow[at].into())
    }

    /// Heap bytes held.
    pub fn heap_bytes(&self) -> usize {
        self.wide.as_ref().map_or(0, |wide| size_of_val(&**wide))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_grow_beyond_16_bits() {
        let mut sums = Tally::<3>::default();
        sums.add(0, 65_535);
        assert_eq!(sums.heap_bytes(), 0);
        sums.count(0, false);
        assert_eq!((sums.of(0), sums.heap_bytes()), (65_535, 0));
        for _ in 0..70_000 {
            sums.count(0, true);
        }
        sums.add(1, 1 << 40);
        sums.add(1, 7);
        let all = [0, 1, 2].map(|at| sums.of(at));
        assert_eq!(all, [135_535, (1 << 40) + 7, 0]);
        assert_eq!(sums.heap_bytes(), 24);
    }
}
