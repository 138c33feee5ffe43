//! Which packets enter the flow table, by an expression over what is known of a packet alone: `flows.where`, and what every reader of the
//! rows leaves out.

use crate::books::{Anomaly, Books, Skip};
use crate::expressions::aggregates::fields::{self, Sight};
use crate::expressions::vector::{CHUNK, Vector};
use crate::expressions::{Fields, Program, Type, Typed};
use crate::packet::{Direction, Packet, PacketBatch};
use std::cell::Cell;

/// A condition of a run.
#[derive(Clone, Debug)]
pub struct Choice {
    condition: Program,
    reason: Skip,
}

struct Run<'a, 'r>(&'r [Packet<'a>]);

impl<'a> Fields<'a> for Run<'a, '_> {
    fn load(&self, place: u32, _: &Type) -> Vector<'a> {
        fields::read(
            place,
            Sight {
                packets: self.0,
                seen: &[],
                notes: None,
            },
        )
    }
}

impl Choice {
    /// The packets for which this is true; the others are skipped for this reason.
    pub fn new(condition: &Typed, reason: Skip) -> Self {
        Self {
            condition: Program::new([condition]),
            reason,
        }
    }

    /// Takes the other packets out of a batch, and counts them.
    pub fn apply(&self, batch: &mut PacketBatch, books: &mut Books) {
        let overflows = Cell::new(0);
        let mut chosen: Vec<bool> = Vec::with_capacity(batch.headers.len());
        for headers in batch.headers.chunks(CHUNK) {
            // whose flow it is, and which way it runs, is not known yet
            let packet = |header| Packet::new(header, &batch.arena.bytes, 0, Direction::Forward);
            let packets: Vec<Packet<'_>> = headers.iter().map(packet).collect();
            let each = |_: usize, truths: &Vector<'_>| chosen.extend(truths.truths());
            self.condition
                .run(&Run(&packets), packets.len(), &overflows, each);
        }
        // what is asked of rows again is counted there
        if self.reason == Skip::Filtered {
            let overflow = Anomaly::ExpressionOverflow;
            books.anomalies.add_many(overflow, overflows.get());
        }
        if !chosen.contains(&false) {
            return;
        }
        let stride = batch.stride as usize;
        if stride > 0 {
            let parts = batch.extra.chunks(stride).zip(&chosen);
            let parts = parts.filter(|(_, is)| **is).flat_map(|(part, _)| part);
            batch.extra = parts.copied().collect();
        }
        let mut keep = chosen.iter();
        batch
            .headers
            .retain(|_| keep.next().copied().unwrap_or(false));
        let out = chosen.iter().filter(|is| !**is).count();
        books.packets.skipped.add_many(self.reason, out as u64);
    }
}
