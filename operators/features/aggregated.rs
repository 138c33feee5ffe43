//! What expressions measure of packets, as a group beside the others: its columns are those of a spec.

use super::extractor::Needs;
use super::group::{Planned, Row, States};
use crate::books::Books;
use crate::expressions::aggregates::{Aggregate, Held, HeldPlan};
use crate::flows::{Flow, Told};
use crate::packet::{Direction, Packet};
use crate::protocols::Message;

/// The aggregates of a run.
pub(super) struct Aggregated(HeldPlan);

impl Aggregated {
    pub fn new(aggregates: Vec<Aggregate>) -> Self {
        Self(HeldPlan::new(aggregates))
    }
}

impl Planned for Aggregated {
    fn needs(&self) -> Needs {
        Needs {
            payload: if self.0.reads_payload() { u32::MAX } else { 0 },
            headers: self.0.reads_headers(),
            ..Needs::NONE
        }
        .union(Needs::messages(self.0.protocols()))
    }

    fn state_bytes(&self) -> usize {
        self.0.state_bytes()
    }

    fn states(&self, _: bool) -> Box<dyn States> {
        Box::new(self.0.held())
    }
}

impl States for Held {
    fn open(&mut self, slot: u32) {
        Self::open(self, slot);
    }

    fn packets(&mut self, packets: &[Packet<'_>], slots: &[u32], flows: &[&Flow]) {
        Self::packets(self, packets, slots, flows);
    }

    fn message(&mut self, told: Told, message: &Message<'_>, from: Direction) {
        Self::message(self, told.row, message, from);
    }

    fn finish(&self, slot: u32, _: &Flow, out: &mut Row<'_>) {
        Self::finish(self, slot, &out.targets[0], out.columns);
    }

    fn close(&mut self, slot: u32) {
        Self::close(self, slot);
    }

    fn heap_bytes(&self) -> usize {
        Self::heap_bytes(self)
    }

    fn note(&mut self, books: &mut Books) {
        Self::note(self, books);
    }
}
