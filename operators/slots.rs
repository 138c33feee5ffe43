//! Values by slot: the small numbers that the flow table hands out for open records and takes back.
//!
//! They lie in pages that never move: growing copies nothing and never holds two copies, as a `Vec` that doubles does. Pages are
//! kept until the end.

use std::ops::{Index, IndexMut};

/// Values of a page: a power of two, so that a place is a shift and a mask away.
const PAGE: usize = 1024;

/// Values by slot.
#[derive(Clone, Debug)]
pub struct Slots<T> {
    /// All full but the last.
    pages: Vec<Vec<T>>,
}

impl<T> Default for Slots<T> {
    fn default() -> Self {
        Self { pages: Vec::new() }
    }
}

impl<T> Slots<T> {
    /// Slots in use so far.
    pub fn len(&self) -> usize {
        let last = self.pages.last().map_or(0, Vec::len);
        self.pages.len().saturating_sub(1) * PAGE + last
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.pages.is_empty()
    }

    /// The value of a slot.
    #[inline]
    pub fn get(&self, slot: usize) -> Option<&T> {
        self.pages.get(slot / PAGE)?.get(slot % PAGE)
    }

    /// The value of a slot.
    #[inline]
    pub fn get_mut(&mut self, slot: usize) -> Option<&mut T> {
        self.pages.get_mut(slot / PAGE)?.get_mut(slot % PAGE)
    }

    /// Adds a value in the next slot.
    pub fn push(&mut self, value: T) {
        match self.pages.last_mut().filter(|page| page.len() < PAGE) {
            Some(page) => page.push(value),
            None => {
                let mut page = Vec::with_capacity(PAGE);
                page.push(value);
                self.pages.push(page);
            }
        }
    }

    /// The values, by slot.
    pub fn iter(&self) -> impl Iterator<Item = &T> {
        self.pages.iter().flatten()
    }
}

impl<T> Index<usize> for Slots<T> {
    type Output = T;

    /// # Panics
    /// If the slot was never in use.
    #[inline]
    fn index(&self, slot: usize) -> &T {
        &self.pages[slot / PAGE][slot % PAGE]
    }
}

impl<T> IndexMut<usize> for Slots<T> {
    #[inline]
    fn index_mut(&mut self, slot: usize) -> &mut T {
        &mut self.pages[slot / PAGE][slot % PAGE]
    }
}

impl<T> FromIterator<T> for Slots<T> {
    fn from_iter<I: IntoIterator<Item = T>>(values: I) -> Self {
        let mut slots = Self::default();
        values.into_iter().for_each(|value| slots.push(value));
        slots
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_stay_where_they_are() {
        let mut slots: Slots<usize> = Slots::default();
        assert!(slots.is_empty() && slots.get(0).is_none());
        slots.push(0);
        let first: *const usize = &raw const slots[0];
        for value in 1..3 * PAGE + 1 {
            assert_eq!(slots.len(), value);
            slots.push(value);
        }
        assert_eq!(first, &raw const slots[0]);
        assert_eq!(slots.get(3 * PAGE), Some(&(3 * PAGE)));
        assert_eq!(slots.get(3 * PAGE + 1), None);
        slots[PAGE] = 7;
        assert!(
            slots
                .iter()
                .enumerate()
                .all(|(at, value)| { at == *value || (at, *value) == (PAGE, 7) })
        );
    }
}
