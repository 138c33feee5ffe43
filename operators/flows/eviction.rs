//! Which record of a full shard goes first.

use super::flow::Flow;
use super::options::Evict;
use std::collections::{BTreeMap, BTreeSet, HashMap};

/// The records of one shard in the two orders that eviction asks for. Built when the shard is full for the first time, as
/// keeping it costs a third of the table.
#[derive(Debug, Default)]
pub(super) struct Queue {
    /// By the packet that counts for eviction.
    pub order: BTreeMap<(i64, u64), u32>,
    /// By a deadline that may have moved on since.
    pub deadlines: BTreeSet<(i64, u32)>,
    /// The deadline under which each record stands there.
    noted: HashMap<u32, i64>,
}

impl Queue {
    pub fn insert(&mut self, slot: u32, rank: (i64, u64), deadline: Option<i64>) {
        self.order.insert(rank, slot);
        self.note(slot, deadline);
    }

    /// Puts a record under this deadline instead of the one it stands under.
    pub fn note(&mut self, slot: u32, deadline: Option<i64>) {
        let before = match deadline {
            Some(deadline) => {
                self.deadlines.insert((deadline, slot));
                self.noted.insert(slot, deadline)
            }
            None => self.noted.remove(&slot),
        };
        if let Some(before) = before.filter(|before| Some(*before) != deadline) {
            self.deadlines.remove(&(before, slot));
        }
    }
}

impl Evict {
    /// Place of a record in the order of eviction of its shard: processing order of its last or first packet.
    pub(super) fn rank(self, flow: &Flow) -> (i64, u64) {
        match self {
            Self::Oldest | Self::Refuse => (flow.start_clock, flow.first),
            Self::Lru => (flow.last_clock, flow.last),
        }
    }
}
