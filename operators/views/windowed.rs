//! What is in a window, tick by tick: what comes stays for the length of the window and leaves.

use super::options::Window;
use std::collections::BTreeMap;

/// What happens at one tick.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tick<X> {
    /// Which.
    pub tick: i64,
    /// What comes.
    pub comes: Vec<X>,
    /// What came before, and goes.
    pub goes: Vec<X>,
}

/// What waits for its tick.
#[derive(Debug)]
pub struct Windowed<X> {
    /// Ticks that something stays.
    stays: i64,
    step: i64,
    comes: BTreeMap<i64, Vec<X>>,
    goes: BTreeMap<i64, Vec<X>>,
    /// Ticks up to this one may come.
    limit: Option<i64>,
}

impl<X: Clone> Windowed<X> {
    /// An empty window of this size, looked at every `step`, ns.
    pub const fn new(size: i64, step: i64) -> Self {
        Self {
            stays: size / step,
            step,
            comes: BTreeMap::new(),
            goes: BTreeMap::new(),
            limit: None,
        }
    }

    /// Takes what was known at this clock.
    pub fn push(&mut self, clock: i64, what: X) {
        let tick = Window::tick(self.step, clock);
        self.comes.entry(tick).or_default().push(what);
    }

    /// Nothing comes any more that was known before this clock.
    pub fn until(&mut self, clock: i64) {
        let tick = Window::tick(self.step, clock).saturating_sub(1);
        self.limit = self.limit.max(Some(tick));
    }

    /// Nothing comes any more, and nobody looks behind this clock: what would leave later stays.
    pub fn end(&mut self, last: Option<i64>) {
        let last = last.map(|clock| Window::tick(self.step, clock));
        self.limit = self.limit.max(last);
        let limit = self.limit;
        self.goes.retain(|tick, _| Some(*tick) <= limit);
    }

    /// The last tick that nothing happens at any more, nor at any before.
    pub fn passed(&self) -> Option<i64> {
        let first = [self.comes.keys().next(), self.goes.keys().next()];
        let first = first.into_iter().flatten().min();
        let limit = self.limit?;
        Some(first.map_or(limit, |first| limit.min(first.saturating_sub(1))))
    }

    /// The next tick that may come and at which something happens.
    pub fn next(&mut self) -> Option<Tick<X>> {
        let first = [self.comes.keys().next(), self.goes.keys().next()];
        let tick = first.into_iter().flatten().min().copied()?;
        if self.limit.is_none_or(|limit| limit < tick) {
            return None;
        }
        let comes = self.comes.remove(&tick).unwrap_or_default();
        let goes = self.goes.remove(&tick).unwrap_or_default();
        if !comes.is_empty() {
            let gone = tick.saturating_add(self.stays);
            self.goes.insert(gone, comes.clone());
        }
        Some(Tick { tick, comes, goes })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_comes_stays_as_long_as_the_window_is() {
        let mut window = Windowed::new(30, 10);
        window.push(5, 'a');
        window.push(27, 'b');
        assert_eq!(window.next(), None);
        window.until(27);
        let tick = |tick, comes: &[char], goes: &[char]| Tick {
            tick,
            comes: comes.to_vec(),
            goes: goes.to_vec(),
        };
        assert_eq!(window.next(), Some(tick(0, &['a'], &[])));
        assert_eq!(window.next(), None);
        assert_eq!(window.passed(), Some(1));
        window.push(64, 'c');
        window.end(Some(64));
        assert_eq!(window.next(), Some(tick(2, &['b'], &[])));
        assert_eq!(window.next(), Some(tick(3, &[], &['a'])));
        assert_eq!(window.next(), Some(tick(5, &[], &['b'])));
        assert_eq!(window.next(), Some(tick(6, &['c'], &[])));
        assert_eq!((window.next(), window.passed()), (None, Some(6)));
        window.end(Some(95));
        assert_eq!(window.next(), Some(tick(9, &[], &['c'])));
        assert_eq!((window.next(), window.passed()), (None, Some(9)));
    }
}
