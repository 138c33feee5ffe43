//! Groups without their types: what the list, the settings and the plan hold, so that nothing else is generic over groups.

use super::extractor::{Extractor, Needs, Wanted};
use crate::books::Books;
use crate::columns::{Column, RowWriter};
use crate::flows::{Flow, Told};
use crate::options::{Key, OptionError, Options, Setting};
use crate::packet::{Direction, Packet};
use crate::protocols::Message;
use crate::schema::{Features, Schema};
use crate::slots::Slots;
use std::fmt::{self, Debug, Formatter};
use std::sync::Arc;

/// A group with its settings.
pub(super) trait Group: Debug + Send + Sync {
    fn name(&self) -> &'static str;
    fn is_named_only(&self) -> bool;
    fn schema(&self) -> Schema;
    fn keys(&self) -> Vec<Key>;
    fn set(&mut self, key: &str, value: &Setting) -> Result<(), OptionError>;
    fn plan(&self, wanted: &Wanted) -> Arc<dyn Planned>;
    fn boxed(&self) -> Box<dyn Group>;
}

/// A group whose settings and wanted columns are fixed for a run.
pub(super) trait Planned: Send + Sync {
    fn needs(&self) -> Needs;
    /// Bytes of the state of one open record, without heap parts and splitting.
    fn state_bytes(&self) -> usize;
    /// Room for the states of open records; with `split`, also of each direction alone.
    fn states(&self, split: bool) -> Box<dyn States>;
}

/// The states of a group for all open records of a worker, by slot.
pub(super) trait States {
    fn open(&mut self, slot: u32);
    /// One entry a packet: its slot and its record.
    fn packets(&mut self, packets: &[Packet<'_>], slots: &[u32], flows: &[&Flow]);
    fn message(&mut self, told: Told, message: &Message<'_>, from: Direction);
    fn finish(&self, slot: u32, flow: &Flow, out: &mut Row<'_>);
    fn close(&mut self, slot: u32);
    fn heap_bytes(&self) -> usize;
    /// Puts down what went wrong since it was asked last.
    fn note(&mut self, _: &mut Books) {}
}

/// For each column of a group, its place among the columns of the plan: of all packets, forward and backward.
pub(super) type Targets = [Vec<Option<u32>>; 3];

/// Where a row of a group goes.
pub(super) struct Row<'a> {
    pub columns: &'a mut [Column],
    pub targets: &'a Targets,
    pub nulls: &'a [Column],
    /// Its place in the batch.
    pub row: usize,
}

impl Row<'_> {
    fn writer(&mut self, part: usize) -> RowWriter<'_> {
        let writer = RowWriter::new(self.columns, &self.targets[part]);
        writer.nulls(self.nulls).at(self.row)
    }
}

/// A group of a known type with its settings.
pub(super) struct Settled<T: Extractor> {
    options: T::Options,
}

impl<T: Extractor> Debug for Settled<T> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {:?}", T::Features::GROUP, self.options)
    }
}

impl<T: Extractor> Default for Settled<T> {
    fn default() -> Self {
        Self {
            options: T::Options::default(),
        }
    }
}

impl<T: Extractor> Group for Settled<T> {
    fn name(&self) -> &'static str {
        T::Features::GROUP
    }

    fn is_named_only(&self) -> bool {
        T::NAMED_ONLY
    }

    fn schema(&self) -> Schema {
        T::Features::schema()
    }

    fn keys(&self) -> Vec<Key> {
        T::Options::keys()
    }

    fn set(&mut self, key: &str, value: &Setting) -> Result<(), OptionError> {
        self.options.set(key, value)
    }

    fn plan(&self, wanted: &Wanted) -> Arc<dyn Planned> {
        Arc::new(Fixed::<T> {
            plan: Arc::new(T::plan(&self.options, wanted)),
        })
    }

    fn boxed(&self) -> Box<dyn Group> {
        Box::new(Self {
            options: self.options.clone(),
        })
    }
}

struct Fixed<T: Extractor> {
    plan: Arc<T::Plan>,
}

impl<T: Extractor> Planned for Fixed<T> {
    fn needs(&self) -> Needs {
        T::needs(&self.plan)
    }

    fn state_bytes(&self) -> usize {
        size_of::<T>()
    }

    fn states(&self, split: bool) -> Box<dyn States> {
        Box::new(Kept::<T> {
            plan: Arc::clone(&self.plan),
            states: Slots::default(),
            split,
            sides: Slots::default(),
        })
    }
}

/// What a group keeps of open records.
struct Kept<T: Extractor> {
    plan: Arc<T::Plan>,
    states: Slots<T>,
    split: bool,
    /// With `split`: the states of the packets forward and backward alone.
    sides: Slots<[T; 2]>,
}

impl<T: Extractor> Kept<T> {
    fn reset(&mut self, slot: u32) {
        if let Some(state) = self.states.get_mut(slot as usize) {
            *state = T::default();
        }
        if let Some(sides) = self.sides.get_mut(slot as usize) {
            *sides = Default::default();
        }
    }
}

impl<T: Extractor> States for Kept<T> {
    fn open(&mut self, slot: u32) {
        // a slot that was in use is empty since its close
        while self.states.len() <= slot as usize {
            self.states.push(T::default());
            if self.split {
                self.sides.push(Default::default());
            }
        }
    }

    fn packets(&mut self, packets: &[Packet<'_>], slots: &[u32], flows: &[&Flow]) {
        let plan = &*self.plan;
        for ((packet, slot), flow) in packets.iter().zip(slots).zip(flows) {
            if let Some(state) = self.states.get_mut(*slot as usize) {
                state.packet(packet, flow, plan);
            }
        }
        if !self.split {
            return;
        }
        for ((packet, slot), flow) in packets.iter().zip(slots).zip(flows) {
            if let Some(sides) = self.sides.get_mut(*slot as usize) {
                sides[packet.direction as usize].packet(packet, flow, plan);
            }
        }
    }

    fn message(&mut self, told: Told, message: &Message<'_>, from: Direction) {
        // with `split` too: a message is of the record as a whole
        if let Some(state) = self.states.get_mut(told.slot as usize) {
            state.message(message, from, told.time, &self.plan);
        }
    }

    fn finish(&self, slot: u32, flow: &Flow, out: &mut Row<'_>) {
        let Some(state) = self.states.get(slot as usize) else {
            debug_assert!(false, "slot {slot} is not open");
            return;
        };
        state.finish(flow, &self.plan).write(&mut out.writer(0));
        if let Some(sides) = self.sides.get(slot as usize) {
            for (at, side) in sides.iter().enumerate() {
                let row = side.finish(flow, &self.plan);
                row.write(&mut out.writer(at + 1).empty(flow.packets[at] == 0));
            }
        }
    }

    fn close(&mut self, slot: u32) {
        self.reset(slot);
    }

    fn heap_bytes(&self) -> usize {
        let sides = self.sides.iter().flatten();
        self.states.iter().chain(sides).map(T::heap_bytes).sum()
    }
}
