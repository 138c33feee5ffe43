//! The aggregates of a run at work: values and conditions of a run of packets in columns, then scattered into accumulators.

use super::fields::{self, FLOW, PREVIOUS, STATE, Seen};
use super::scalar::Scalar;
use super::store::Store;
use super::{Aggregate, Measure};
use crate::columns::Column;
use crate::expressions::check::{Node, Typed};
use crate::expressions::program::{Fields, Program};
use crate::expressions::types::{Constant, Type};
use crate::expressions::vector::{Data, Vector};
use crate::flows::Flow;
use crate::packet::Packet;
use crate::slots::Slots;
use std::cell::Cell;
use std::sync::Arc;

/// Aggregates with what computes them; one a run, shared by all workers.
#[derive(Clone, Debug)]
pub struct HeldPlan {
    /// The aggregates that are wanted.
    aggregates: Arc<[Aggregate]>,
    /// Conditions, values, and what is known of the packet before, of all aggregates.
    program: Program,
    parts: Arc<[Part]>,
    reads_payload: bool,
    counts_packets: bool,
}

/// Where the results for an aggregate are.
#[derive(Debug)]
struct Part {
    filter: Option<usize>,
    values: Vec<usize>,
    previous: Vec<usize>,
    /// Of values that look back, or of a `fold`: its own program.
    step: Option<Program>,
}

/// The start of a `fold`.
pub(super) fn start(aggregate: &Aggregate) -> Option<Scalar> {
    match &aggregate.values.first()?.node {
        Node::Constant(Constant::Bool(value)) => Some(Scalar::Bool(*value)),
        Node::Constant(Constant::Int(value) | Constant::Duration(value)) => {
            Some(Scalar::Int(*value))
        }
        Node::Constant(Constant::Float(value)) => Some(Scalar::Float(*value)),
        _ => None,
    }
}

impl HeldPlan {
    /// The plan of these aggregates.
    pub fn new(aggregates: Vec<Aggregate>) -> Self {
        let mut all: Vec<Typed> = Vec::new();
        let mut add = |typed: &Typed| {
            all.push(typed.clone());
            all.len() - 1
        };
        let parts = aggregates.iter().map(|aggregate| {
            let filter = aggregate.filter.as_ref().map(&mut add);
            let previous: Vec<usize> = aggregate.previous.iter().map(&mut add).collect();
            let steps = !previous.is_empty() || aggregate.measure == Measure::Fold;
            let step = steps.then(|| match aggregate.measure {
                Measure::Fold => Program::new(&aggregate.values[1..]),
                _ => Program::new(&aggregate.values),
            });
            let values = match steps {
                true => Vec::new(),
                false => aggregate.values.iter().map(&mut add).collect(),
            };
            Part {
                filter,
                values,
                previous,
                step,
            }
        });
        let parts: Arc<[Part]> = parts.collect();
        let program = Program::new(&all);
        let steps = parts.iter().filter_map(|part| part.step.as_ref());
        let loads: Vec<u32> = steps.chain([&program]).flat_map(Program::loads).collect();
        Self {
            aggregates: aggregates.into(),
            parts,
            reads_payload: loads.iter().any(|place| fields::is_payload(*place)),
            counts_packets: loads.iter().any(|place| fields::is_seen(*place)),
            program,
        }
    }

    /// Whether payload is read.
    pub const fn reads_payload(&self) -> bool {
        self.reads_payload
    }

    /// Room for the accumulators of open records.
    pub fn held(&self) -> Held {
        Held {
            stores: self.aggregates.iter().map(Store::new).collect(),
            before: self.parts.iter().map(|_| Slots::default()).collect(),
            seen: Slots::default(),
            plan: self.clone(),
            overflows: Cell::new(0),
        }
    }

    /// Bytes of the accumulators of one open record, without their heap parts.
    pub fn state_bytes(&self) -> usize {
        let each = self.aggregates.iter().map(|one| Store::new(one).bytes().0);
        let seen = if self.counts_packets {
            size_of::<Last>()
        } else {
            0
        };
        let before = self.parts.iter().filter(|part| !part.previous.is_empty());
        each.sum::<usize>() + seen + before.count() * size_of::<Option<Box<[Option<Scalar>]>>>()
    }
}

/// The packets of a flow so far: their number, the time of the last one, and of the last one of each direction.
#[derive(Clone, Copy, Debug, Default)]
struct Last {
    packets: i64,
    time: i64,
    times: [Option<i64>; 2],
}

/// The values of the last chosen packet.
type Before = Option<Box<[Option<Scalar>]>>;

/// The accumulators of all open records of a worker, by slot.
pub struct Held {
    plan: HeldPlan,
    stores: Vec<Store>,
    before: Vec<Slots<Before>>,
    seen: Slots<Last>,
    overflows: Cell<u64>,
}

/// A run of packets as fields.
struct Run<'a, 'r> {
    packets: &'r [Packet<'a>],
    slots: &'r [u32],
    flows: &'r Slots<Flow>,
    seen: &'r [Seen],
    /// [`fields::PREVIOUS`] and following, or the state of a `fold`.
    extra: &'r [Vector<'static>],
}

impl<'a> Fields<'a> for Run<'a, '_> {
    fn load(&self, place: u32, kind: &Type) -> Vector<'a> {
        let extra = |at: u32| {
            let found = usize::try_from(at).ok().and_then(|at| self.extra.get(at));
            found.map_or_else(|| Vector::nulls(kind, self.packets.len()), Clone::clone)
        };
        match place {
            PREVIOUS.. => extra(place - PREVIOUS),
            STATE => extra(0),
            FLOW..STATE => self.of_flow(place - FLOW),
            _ => fields::read(place, self.packets, self.seen),
        }
    }
}

impl Run<'_, '_> {
    fn of_flow(&self, place: u32) -> Vector<'static> {
        let flows = self.slots.iter().map(|slot| self.flows.get(*slot as usize));
        let int = |read: fn(&Flow) -> i64| {
            let values = flows.clone().map(|flow| flow.map_or(0, read));
            Vector::ints(values.collect())
        };
        let ip = |read: fn(&Flow) -> crate::columns::Address| {
            let zero = crate::expressions::vector::ZERO;
            let values = flows.clone().map(|flow| flow.map_or(zero, read));
            Vector::new(Data::Ip(values.collect()))
        };
        match place {
            0 => ip(|flow| flow.initiator().address),
            1 => ip(|flow| flow.responder().address),
            2 => int(|flow| i64::from(flow.initiator().port)),
            3 => int(|flow| i64::from(flow.responder().port)),
            4 => int(|flow| i64::from(flow.key.protocol)),
            _ => int(|flow| flow.start),
        }
    }
}

impl Held {
    /// Starts a record in a slot.
    pub fn open(&mut self, slot: u32) {
        let slot = slot as usize;
        for store in &mut self.stores {
            store.reset(slot);
        }
        let parts = self.plan.parts.iter();
        for (before, _) in self
            .before
            .iter_mut()
            .zip(parts)
            .filter(|(_, part)| !part.previous.is_empty())
        {
            while before.len() <= slot {
                before.push(None);
            }
            if let Some(before) = before.get_mut(slot) {
                *before = None;
            }
        }
        if self.plan.counts_packets {
            while self.seen.len() <= slot {
                self.seen.push(Last::default());
            }
            if let Some(last) = self.seen.get_mut(slot) {
                *last = Last::default();
            }
        }
    }

    /// What is known of each packet of a run in its flow.
    fn seen(&mut self, packets: &[Packet<'_>], slots: &[u32]) -> Vec<Seen> {
        if !self.plan.counts_packets {
            return Vec::new();
        }
        let pairs = packets.iter().zip(slots);
        pairs
            .map(|(packet, slot)| {
                let Some(last) = self.seen.get_mut(*slot as usize) else {
                    return Seen::default();
                };
                let time = packet.time;
                let of_direction = &mut last.times[packet.direction as usize];
                let seen = Seen {
                    index: last.packets + 1,
                    gap: if last.packets == 0 {
                        -1
                    } else {
                        time.saturating_sub(last.time)
                    },
                    gap_of_direction: of_direction.map_or(-1, |before| time.saturating_sub(before)),
                };
                *of_direction = Some(time);
                (last.packets, last.time) = (last.packets + 1, time);
                seen
            })
            .collect()
    }

    /// Takes packets in processing order: `slots` has one entry a packet.
    pub fn packets(&mut self, packets: &[Packet<'_>], slots: &[u32], flows: &Slots<Flow>) {
        let seen = self.seen(packets, slots);
        let run = Run {
            packets,
            slots,
            flows,
            seen: &seen,
            extra: &[],
        };
        let plan = self.plan.clone();
        let results = plan.program.compute(&run, packets.len(), &self.overflows);
        let times: Vec<i64> = packets.iter().map(|packet| packet.time).collect();
        for (at, (part, aggregate)) in plan.parts.iter().zip(plan.aggregates.iter()).enumerate() {
            let chosen = part.filter.map(|filter| results.of(filter).truths());
            if chosen
                .as_ref()
                .is_some_and(|chosen| !chosen.contains(&true))
            {
                continue;
            }
            let measure = &aggregate.measure;
            match &part.step {
                None => {
                    let values: Vec<&Vector<'_>> =
                        part.values.iter().map(|value| results.of(*value)).collect();
                    self.stores[at].add(measure, slots, chosen.as_deref(), &values, &times);
                }
                Some(step) if *measure == Measure::Fold => {
                    self.fold(at, aggregate, step, &run, chosen.as_deref());
                }
                Some(step) => {
                    let now: Vec<&Vector<'_>> = part
                        .previous
                        .iter()
                        .map(|value| results.of(*value))
                        .collect();
                    let extra = self.look_back(at, aggregate, &now, slots, chosen.as_deref());
                    let run = Run {
                        extra: &extra,
                        ..run
                    };
                    let results = step.compute(&run, packets.len(), &self.overflows);
                    let values: Vec<&Vector<'_>> = (0..aggregate.values.len())
                        .map(|value| results.of(value))
                        .collect();
                    self.stores[at].add(measure, slots, chosen.as_deref(), &values, &times);
                }
            }
        }
    }

    /// For each value that is looked back at: that of the chosen packet before.
    fn look_back(
        &mut self,
        at: usize,
        aggregate: &Aggregate,
        now: &[&Vector<'_>],
        slots: &[u32],
        chosen: Option<&[bool]>,
    ) -> Vec<Vector<'static>> {
        let mut earlier: Vec<Vec<Option<Scalar>>> =
            vec![Vec::with_capacity(slots.len()); now.len()];
        for (row, slot) in slots.iter().enumerate() {
            let is_chosen = chosen.is_none_or(|chosen| chosen[row]);
            let before = self.before[at].get_mut(*slot as usize);
            let Some(before) = before.filter(|_| is_chosen) else {
                earlier.iter_mut().for_each(|values| values.push(None));
                continue;
            };
            let values = now.iter().map(|values| Scalar::of(values, row));
            let last = before.replace(values.collect());
            for (place, values) in earlier.iter_mut().enumerate() {
                values.push(
                    last.as_ref()
                        .and_then(|last| last.get(place).cloned().flatten()),
                );
            }
        }
        let kinds = aggregate.previous.iter().map(|value| &value.kind);
        let vectors = earlier
            .iter()
            .zip(kinds)
            .map(|(values, kind)| column(values, kind));
        vectors.collect()
    }

    /// Goes from packet to packet, as each state needs the one before.
    fn fold(
        &mut self,
        at: usize,
        aggregate: &Aggregate,
        step: &Program,
        run: &Run<'_, '_>,
        chosen: Option<&[bool]>,
    ) {
        for (row, slot) in run.slots.iter().map(|slot| *slot as usize).enumerate() {
            if chosen.is_some_and(|chosen| !chosen[row]) {
                continue;
            }
            let store = &mut self.stores[at];
            let state = match store.has_begun(slot) {
                true => store.state(slot).cloned(),
                false => start(aggregate),
            };
            let one = Run {
                packets: &run.packets[row..=row],
                slots: &run.slots[row..=row],
                flows: run.flows,
                seen: run.seen.get(row..=row).unwrap_or_default(),
                extra: &[Scalar::vector(state.as_ref(), &aggregate.kind)],
            };
            let next = step.compute(&one, 1, &self.overflows);
            let next = Scalar::of(next.of(0), 0);
            self.stores[at].set_state(slot, next);
        }
    }

    /// Adds the results for a slot to the columns: `targets` has one entry an aggregate.
    pub fn finish(&self, slot: u32, targets: &[Option<u32>], columns: &mut [Column]) {
        let all = self
            .stores
            .iter()
            .zip(self.plan.aggregates.iter())
            .zip(targets);
        for ((store, aggregate), target) in all {
            let column = target.and_then(|target| columns.get_mut(target as usize));
            if let Some(column) = column {
                store.finish(aggregate, slot as usize, column);
            }
        }
    }

    /// Frees what a slot holds.
    pub fn close(&mut self, slot: u32) {
        self.open(slot);
    }

    /// Heap bytes held beyond the accumulators.
    pub fn heap_bytes(&self) -> usize {
        self.stores.iter().map(|store| store.bytes().1).sum()
    }
}

/// Values as a column.
fn column(values: &[Option<Scalar>], kind: &Type) -> Vector<'static> {
    let parts: Vec<Vector<'_>> = values
        .iter()
        .map(|value| Scalar::vector(value.as_ref(), kind))
        .collect();
    let empty = Vector::nulls(kind, 0);
    crate::expressions::eval::concat(empty, &parts)
}
