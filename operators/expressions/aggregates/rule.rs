//! `flows.end_when`: a condition over the packets of an open record, that ends it.
//!
//! It is asked of each packet by itself, as what comes next depends on the answer. There are no messages yet where it is asked.

use super::fields::{self, Seen, Sight};
use super::held::{Held, HeldPlan, Run};
use super::{AGGREGATES, Aggregate};
use crate::books::Books;
use crate::expressions::check::Typed;
use crate::expressions::program::{Fields, Program};
use crate::expressions::types::Type;
use crate::expressions::vector::Vector;
use crate::flows::Flow;
use crate::packet::Packet;
use crate::slots::Slots;
use std::cell::Cell;
use std::fmt;

/// A rule of a run.
#[derive(Clone, Debug)]
pub struct RulePlan {
    held: HeldPlan,
    /// Over the next packet and those before it: the record ends before that packet.
    before: Option<Program>,
    /// Over all packets with the last one: the record ends with it.
    with: Option<Program>,
}

impl RulePlan {
    /// The rule of these conditions. A record ends before a packet for which one of them holds that reads the time since the packet
    /// before; its aggregates are then over the packets before. For the others it ends with the packet, which they have seen.
    pub fn new(conditions: &[Typed], aggregates: Vec<Aggregate>) -> Self {
        let is_gap = |typed: &&Typed| {
            let mut found = false;
            typed.loads(&mut |place| found |= fields::is_gap(place));
            found
        };
        let (before, with): (Vec<&Typed>, Vec<&Typed>) = conditions.iter().partition(is_gap);
        let program =
            |conditions: Vec<&Typed>| (!conditions.is_empty()).then(|| Program::new(conditions));
        let (before, with) = (program(before), program(with));
        let loads = before.iter().chain(&with).flat_map(Program::loads);
        let loads: Vec<u32> = loads.collect();
        Self {
            held: HeldPlan::reading(aggregates, loads),
            before,
            with,
        }
    }

    /// Whether payload is read.
    pub fn reads_payload(&self) -> bool {
        self.held.reads_payload()
    }

    /// Whether captured headers are read.
    pub fn reads_headers(&self) -> bool {
        self.held.reads_headers()
    }

    /// Bytes kept of an open record, without what is allocated.
    pub fn state_bytes(&self) -> usize {
        self.held.state_bytes()
    }

    /// The rule at work, without records.
    pub fn rule(&self) -> Rule {
        Rule {
            held: self.held.held(),
            plan: self.clone(),
            overflows: Cell::new(0),
        }
    }
}

/// A rule and what it keeps of open records, by slot.
pub struct Rule {
    plan: RulePlan,
    held: Held,
    overflows: Cell<u64>,
}

impl fmt::Debug for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.plan.fmt(f)
    }
}

/// A packet, and what aggregates say of its record.
struct One<'a, 'r> {
    run: Run<'a, 'r>,
    held: &'r Held,
    slot: u32,
}

impl<'a> Fields<'a> for One<'a, '_> {
    fn load(&self, place: u32, kind: &Type) -> Vector<'a> {
        match place.checked_sub(AGGREGATES) {
            Some(at) => self.held.value(at as usize, self.slot, kind),
            None => self.run.load(place, kind),
        }
    }
}

impl Rule {
    /// Starts a record in a slot.
    pub fn open(&mut self, slot: u32) {
        self.held.open(slot);
    }

    /// Whether the record in a slot ends before this packet.
    pub fn ends_before(&self, packet: &Packet<'_>, slot: u32, flows: &Slots<Flow>) -> bool {
        let seen = self.held.peek(packet, slot);
        self.holds(self.plan.before.as_ref(), packet, slot, seen, flows)
    }

    /// Takes a packet of the record in a slot, and tells whether the record ends with it.
    pub fn ends_with(&mut self, packet: &Packet<'_>, slot: u32, flows: &Slots<Flow>) -> bool {
        let seen = self.held.peek(packet, slot);
        self.held.packets(
            std::slice::from_ref(packet),
            &[slot],
            &[&flows[slot as usize]],
        );
        self.holds(self.plan.with.as_ref(), packet, slot, seen, flows)
    }

    fn holds(
        &self,
        conditions: Option<&Program>,
        packet: &Packet<'_>,
        slot: u32,
        seen: Seen,
        flows: &Slots<Flow>,
    ) -> bool {
        let Some(program) = conditions else {
            return false;
        };
        let (seen, slots, flows) = ([seen], [slot], [&flows[slot as usize]]);
        let sight = Sight {
            packets: std::slice::from_ref(packet),
            seen: &seen,
            notes: None,
        };
        let one = One {
            run: Run::new(sight, &slots, &flows),
            held: &self.held,
            slot,
        };
        let mut holds = false;
        program.run(&one, 1, &self.overflows, |_, truths| {
            holds |= truths.truths().contains(&true);
        });
        holds
    }

    /// Frees what a slot holds.
    pub fn close(&mut self, slot: u32) {
        self.held.close(slot);
    }

    /// Puts down what went wrong since it was asked last.
    pub fn note(&mut self, books: &mut Books) {
        let overflows = self.overflows.take();
        self.held.note_more(overflows, books);
    }
}
