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
}

impl Clock {
    pub const fn new(slicing: Slicing, inputs: usize) -> Self {
        Self {
            slicing,
            inputs,
            ends: BTreeMap::new(),
        }
    }

    /// Takes the marks of an epoch.
    pub fn marks(&mut self, epoch: Option<u64>, marks: impl Iterator<Item = Mark>) {
        let clock = marks.filter_map(|mark| mark.clock).max();
        if let (Some(epoch), Some(clock)) = (epoch, clock) {
            self.ends.insert(epoch, clock);
        }
    }

    /// A clock that no record to come is below, as `open` is the first epoch that is not complete; `None` = none is known.
    pub fn at(&mut self, open: u64) -> Option<i64> {
        match self.slicing {
            Slicing::Time { .. } => self.slicing.clock(open),
            // inputs that are not merged have clocks of their own
            Slicing::Packets(_) if self.inputs > 1 => None,
            Slicing::Packets(_) => {
                let later = self.ends.split_off(&open);
                let passed = std::mem::replace(&mut self.ends, later);
                passed.into_values().max()
            }
        }
    }
}
