//! Which numbers of a direction its segments have covered, and which are missing (RFC 9293 section 3.4).
//!
//! Decides by numbers alone, never by times: what fills a hole is late or sent again, which are not told apart.

use super::sequence::{Numbering, Segment, Step, distance};
use std::ops::Range;

/// The numbers of one direction. Positions count from where its numbering started.
#[derive(Debug, Default)]
pub struct Coverage {
    numbering: Numbering,
    /// The highest end of a segment, as a position.
    top: i64,
    /// What is missing below it, in ascending order: the first is the oldest.
    holes: Vec<Hole>,
}

/// Positions that no segment has covered: from `start` to before `end`.
#[derive(Debug)]
struct Hole {
    start: i64,
    end: i64,
}

/// Holes that are remembered.
pub const HOLES: usize = 16;

/// What a segment was to the numbers of its direction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Covered {
    /// Whether it left a hole.
    pub gap: bool,
    /// What it brought.
    pub brought: Brought,
    /// Payload bytes that were new: above all others, or missing.
    pub bytes: u64,
    /// Payload bytes that were there already; 0 for a keep-alive.
    pub again: u64,
}

/// What a segment brought.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Brought {
    /// Numbers above all others, or nothing worth counting.
    Other,
    /// Numbers that were missing.
    Missing,
    /// Payload that was there already.
    Again,
}

impl Coverage {
    /// The highest end of a segment so far; `None` before the first.
    #[inline]
    pub fn top(&self) -> Option<u32> {
        self.numbering.top()
    }

    /// Takes the next segment.
    pub fn segment(&mut self, segment: &Segment) -> Covered {
        let start = match self.numbering.take(segment) {
            Step::Next(top) => ahead(self.top, distance(segment.start, top)),
            Step::First | Step::Restart => {
                self.top = 0;
                self.holes = Vec::new();
                0
            }
        };
        let payload = ahead(start, segment.syn);
        let payload = payload..ahead(payload, segment.payload);
        let end = ahead(payload.end, segment.fin);
        let mut covered = Covered {
            gap: start > self.top,
            brought: Brought::Other,
            bytes: 0,
            again: 0,
        };
        if covered.gap {
            self.remember(Hole {
                start: self.top,
                end: start,
            });
            self.top = start;
        }
        if end == start {
            return covered;
        }
        if !self.holes.is_empty()
            && let Some(bytes) = self.fill(start..end, &payload)
        {
            covered.bytes = bytes;
            covered.brought = Brought::Missing;
        }
        let above = length(&(payload.start.max(self.top)..payload.end));
        covered.bytes = covered.bytes.saturating_add(above);
        let keeps_alive =
            segment.payload <= 1 && ahead(start, true) == self.top && !segment.syn && !segment.fin;
        if !keeps_alive {
            covered.again = u64::from(segment.payload).saturating_sub(covered.bytes);
        }
        let is_old = end <= self.top;
        if covered.brought == Brought::Other && is_old && segment.payload > 0 && !keeps_alive {
            covered.brought = Brought::Again;
        }
        self.top = self.top.max(end);
        covered
    }

    /// Whether numbers below this one are missing, as the other side says that it has them all. They are missing no more then.
    pub fn skip_missing(&mut self, acknowledged: u32) -> bool {
        let Some(top) = self.numbering.top() else {
            return false;
        };
        let position = ahead(self.top, distance(acknowledged, top));
        let mut is_missing = position > self.top;
        if is_missing {
            self.numbering.reach(acknowledged);
            self.top = position;
        }
        self.holes.retain_mut(|hole| {
            is_missing |= hole.start < position;
            hole.start = hole.start.max(position.min(hole.end));
            hole.start < hole.end
        });
        is_missing
    }

    /// Adds a hole above all others.
    fn remember(&mut self, hole: Hole) {
        if self.holes.len() == HOLES {
            self.holes.remove(0);
        }
        self.holes.push(hole);
    }

    /// Takes numbers out of the holes: how many of them were payload, `None` if nothing was missing.
    fn fill(&mut self, numbers: Range<i64>, payload: &Range<i64>) -> Option<u64> {
        let mut filled: Option<u64> = None;
        let mut upper = None;
        self.holes.retain_mut(|hole| {
            let (low, high) = (hole.start.max(numbers.start), hole.end.min(numbers.end));
            if low >= high {
                return true;
            }
            let bytes = length(&(low.max(payload.start)..high.min(payload.end)));
            filled = Some(filled.unwrap_or(0).saturating_add(bytes));
            if low == hole.start {
                hole.start = high;
            } else {
                if high < hole.end {
                    upper = Some(Hole {
                        start: high,
                        end: hole.end,
                    });
                }
                hole.end = low;
            }
            hole.start < hole.end
        });
        if let Some(upper) = upper {
            // it was one hole: what is left of it below stands before the place of what is left above
            let mut at = self.holes.partition_point(|hole| hole.start < upper.start);
            if self.holes.len() == HOLES {
                self.holes.remove(0);
                at = at.saturating_sub(1);
            }
            self.holes.insert(at, upper);
        }
        if self.holes.is_empty() {
            self.holes = Vec::new();
        }
        filled
    }

    /// Heap bytes held.
    pub fn heap_bytes(&self) -> usize {
        self.holes.capacity().saturating_mul(size_of::<Hole>())
    }
}

/// A position so many numbers further on. Positions are sums of 32-bit steps, one a packet: far from the limits of 64 bits.
fn ahead(position: i64, step: impl Into<i64>) -> i64 {
    position.wrapping_add(step.into())
}

/// How many positions a range has; none if it ends before it starts.
fn length(range: &Range<i64>) -> u64 {
    u64::try_from(range.end.wrapping_sub(range.start)).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn data(start: u32, payload: u32) -> Segment {
        Segment {
            start,
            syn: false,
            payload,
            fin: false,
        }
    }

    #[test]
    fn what_the_other_side_has_is_not_missing() {
        let mut coverage = Coverage::default();
        assert!(!coverage.skip_missing(50), "nothing was sent");
        coverage.segment(&data(u32::MAX - 9, 10));
        coverage.segment(&data(20, 10));
        assert!(!coverage.skip_missing(0));
        assert!(coverage.skip_missing(5), "of 0 to 19, five are missing");
        assert_eq!(coverage.segment(&data(0, 20)).bytes, 15);
        assert!(!coverage.skip_missing(30));
        // more than was seen
        assert!(coverage.skip_missing(40));
        assert_eq!(coverage.top(), Some(40));
        assert_eq!(coverage.segment(&data(30, 20)).again, 10);
    }
}
