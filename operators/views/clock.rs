//! How far time has come on the worker that has all rows: which windows may close.

use crate::sources::{Mark, Slicing};
use std::collections::BTreeMap;

/// The clock of the inputs, of the epochs that are complete.
#[derive(Debug)]
pub(super) struct Clock {
    slicing: Slicing,
    /// Number of inputs of the whole run.
    inputs: usize,
    /// The clocks at the ends of epochs that are not complete.
    ends: BTreeMap<u64, i64>,
    /// The largest of those that are.
    passed: Option<i64>,
}

impl Clock {
    pub const fn new(slicing: Slicing, inputs: usize) -> Self {
        Self {
            slicing,
            inputs,
            ends: BTreeMap::new(),
            passed: None,
        }
    }

    /// Takes the marks of an epoch.
    pub fn marks(&mut self, epoch: Option<u64>, marks: impl Iterator<Item = Mark>) {
        let clock = marks.filter_map(|mark| mark.clock).max();
        if let (Some(epoch), Some(clock)) = (epoch, clock) {
            self.ends.insert(epoch, clock);
        }
    }

    /// The clock at the end of the input; `None` = none is known.
    pub fn last(&self) -> Option<i64> {
        match self.slicing {
            Slicing::Packets(_) if self.inputs > 1 => None,
            _ => self.ends.values().max().copied().max(self.passed),
        }
    }

    /// A clock that no record to come is below, as `open` is the first epoch that is not complete; `None` = none is known.
    pub fn at(&mut self, open: u64) -> Option<i64> {
        match self.slicing {
            Slicing::Time { .. } => {
                self.pass(open);
                self.slicing.clock(open)
            }
            // inputs that are not merged have clocks of their own
            Slicing::Packets(_) if self.inputs > 1 => None,
            Slicing::Packets(_) => {
                self.pass(open);
                self.passed
            }
        }
    }

    fn pass(&mut self, open: u64) {
        let later = self.ends.split_off(&open);
        let passed = std::mem::replace(&mut self.ends, later);
        self.passed = self.passed.max(passed.into_values().max());
    }
}
