//! The aggregates of a run at work: values and conditions of a run of packets in columns, then scattered into accumulators.

use super::fields::{self, FLOW, PREVIOUS, STATE, Seen, Sight};
use super::notes::Notes;
use super::scalar::Scalar;
use super::store::Store;
use super::{Aggregate, Measure};
use crate::books::{Anomaly, Books};
use crate::columns::Column;
use crate::expressions::check::{Node, Typed};
use crate::expressions::program::{Fields, Program};
use crate::expressions::types::{Constant, Type};
use crate::expressions::vector::{Data, Vector};
use crate::flows::Flow;
use crate::packet::{Direction, Packet};
use crate::protocols::{Message, Protocols};
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
    counts_packets: bool,
    /// The fields that are read of packets.
    loads: Arc<[u32]>,
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
        Self::reading(aggregates, Vec::new())
    }

    /// The same, where these fields are read of packets besides.
    pub(super) fn reading(aggregates: Vec<Aggregate>, besides: Vec<u32>) -> Self {
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
        let loads = steps.chain([&program]).flat_map(Program::loads);
        let loads: Vec<u32> = loads.chain(besides).collect();
        Self {
            aggregates: aggregates.into(),
            parts,
            counts_packets: loads.iter().any(|place| fields::is_seen(*place)),
            program,
            loads: loads.into(),
        }
    }

    /// Whether payload is read.
    pub fn reads_payload(&self) -> bool {
        self.loads.iter().any(|place| fields::is_payload(*place))
    }

    /// Whether captured headers are read.
    pub fn reads_headers(&self) -> bool {
        self.loads.iter().any(|place| fields::is_bytes(*place))
    }

    /// The protocols whose messages are read.
    pub fn protocols(&self) -> Protocols {
        let all = self.loads.iter().map(|place| fields::protocol(*place));
        all.fold(Protocols::NONE, Protocols::union)
    }

    /// Room for the accumulators of open records.
    pub fn held(&self) -> Held {
        Held {
            stores: self.aggregates.iter().map(Store::new).collect(),
            before: self.parts.iter().map(|_| Slots::default()).collect(),
            seen: Slots::default(),
            notes: (!self.protocols().is_empty()).then(|| Notes::new(self.loads.iter().copied())),
            plan: self.clone(),
            overflows: Cell::new(0),
            capped: 0,
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

impl Last {
    /// What is known of the packet that comes next.
    fn seen(&self, packet: &Packet<'_>) -> Seen {
        let since = |before: i64| packet.time.saturating_sub(before);
        let of_direction = *packet.direction.of(&self.times);
        Seen {
            index: self.packets + 1,
            gap: if self.packets == 0 {
                -1
            } else {
                since(self.time)
            },
            gap_of_direction: of_direction.map_or(-1, since),
        }
    }

    fn push(&mut self, packet: &Packet<'_>) {
        *packet.direction.of_mut(&mut self.times) = Some(packet.time);
        (self.packets, self.time) = (self.packets + 1, packet.time);
    }
}

/// The values of the last chosen packet.
type Before = Option<Box<[Option<Scalar>]>>;

/// The accumulators of all open records of a worker, by slot.
pub struct Held {
    plan: HeldPlan,
    stores: Vec<Store>,
    before: Vec<Slots<Before>>,
    seen: Slots<Last>,
    /// What messages say of the packets that come next.
    notes: Option<Notes>,
    overflows: Cell<u64>,
    /// Aggregates of flows that had more values than are kept.
    capped: u64,
}

/// A run of packets as fields.
#[derive(Clone, Copy)]
pub(super) struct Run<'a, 'r> {
    sight: Sight<'a, 'r>,
    slots: &'r [u32],
    /// The record of each packet.
    flows: &'r [&'r Flow],
    /// [`fields::PREVIOUS`] and following, or the state of a `fold`.
    extra: &'r [Vector<'static>],
}

impl<'a> Fields<'a> for Run<'a, '_> {
    fn load(&self, place: u32, kind: &Type) -> Vector<'a> {
        let extra = |at: u32| {
            let found = usize::try_from(at).ok().and_then(|at| self.extra.get(at));
            found.map_or_else(|| Vector::nulls(kind, self.slots.len()), Clone::clone)
        };
        match place {
            PREVIOUS.. => extra(place - PREVIOUS),
            STATE => extra(0),
            FLOW..STATE => self.of_flow(place - FLOW),
            _ => fields::read(place, self.sight),
        }
    }
}

/// A packet of a run, of which the fields are there, and the state of a `fold`.
struct Step<'v> {
    loaded: &'v [(u32, Vector<'v>)],
    row: usize,
    state: Vector<'static>,
}

impl<'v> Fields<'v> for Step<'v> {
    fn load(&self, place: u32, kind: &Type) -> Vector<'v> {
        if place == STATE {
            return self.state.clone();
        }
        let known = self.loaded.iter().find(|(known, _)| *known == place);
        known.map_or_else(
            || Vector::nulls(kind, 1),
            |(_, values)| values.slice(self.row..self.row + 1),
        )
    }
}

impl<'a, 'r> Run<'a, 'r> {
    /// Packets, each with the slot of its record.
    pub const fn new(sight: Sight<'a, 'r>, slots: &'r [u32], flows: &'r [&'r Flow]) -> Self {
        Self {
            sight,
            slots,
            flows,
            extra: &[],
        }
    }

    fn of_flow(&self, place: u32) -> Vector<'static> {
        let flows = self.flows.iter().copied();
        let int = |read: fn(&Flow) -> i64| {
            let values = flows.clone().map(read);
            Vector::ints(values.collect())
        };
        let ip = |read: fn(&Flow) -> crate::columns::Address| {
            let values = flows.clone().map(read);
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
        let seen = pairs.map(|(packet, slot)| {
            let last = self.seen.get_mut(*slot as usize);
            last.map_or_else(Seen::default, |last| {
                let seen = last.seen(packet);
                last.push(packet);
                seen
            })
        });
        seen.collect()
    }

    /// What is known of a packet that comes next.
    pub(super) fn peek(&self, packet: &Packet<'_>, slot: u32) -> Seen {
        let last = self.seen.get(slot as usize);
        last.map_or_else(Seen::default, |last| last.seen(packet))
    }

    /// What an aggregate says of a record as of now.
    pub(super) fn value(&self, at: usize, slot: u32, kind: &Type) -> Vector<'static> {
        let store = self.stores.get(at).zip(self.plan.aggregates.get(at));
        let Some(((store, aggregate), (data_type, _))) = store.zip(kind.column()) else {
            return Vector::nulls(kind, 1);
        };
        let mut column = Column::new(&data_type, true);
        store.finish(aggregate, slot as usize, &mut column, &self.overflows);
        Vector::of_column(&column, kind, 0..1, &self.overflows).into_owned()
    }

    /// Takes a message that became whole with packet `row` of those that come next.
    pub fn message(&mut self, row: usize, message: &Message<'_>, from: Direction) {
        if let Some(notes) = &mut self.notes {
            notes.take(row, message, from);
        }
    }

    /// Takes packets in processing order: `slots` and `flows` have one entry a packet.
    pub fn packets(&mut self, packets: &[Packet<'_>], slots: &[u32], flows: &[&Flow]) {
        let seen = self.seen(packets, slots);
        let notes = self.notes.take();
        let sight = Sight {
            packets,
            seen: &seen,
            notes: notes.as_ref(),
        };
        let run = Run::new(sight, slots, flows);
        let plan = self.plan.clone();
        let results = plan.program.compute(&run, packets.len(), &self.overflows);
        let times: Vec<i64> = packets.iter().map(|packet| packet.time).collect();
        for (at, (part, aggregate)) in plan.parts.iter().zip(plan.aggregates.iter()).enumerate() {
            let chosen = part.filter.map(|filter| results.of(filter).truths());
            // what looks back is computed of all packets all the same: its overflows must not depend on where a run ends
            let is_empty = |chosen: &Vec<bool>| !chosen.contains(&true);
            if part.previous.is_empty() && chosen.as_ref().is_some_and(is_empty) {
                continue;
            }
            let measure = &aggregate.measure;
            match &part.step {
                None => {
                    let values: Vec<&Vector<'_>> =
                        part.values.iter().map(|value| results.of(*value)).collect();
                    self.capped +=
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
                    self.capped +=
                        self.stores[at].add(measure, slots, chosen.as_deref(), &values, &times);
                }
            }
        }
        self.notes = notes.map(|mut notes| {
            notes.clear();
            notes
        });
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
            let last = before.get_or_insert_with(|| vec![None; now.len()].into());
            for ((earlier, last), now) in earlier.iter_mut().zip(last.iter_mut()).zip(now) {
                earlier.push(std::mem::replace(last, Scalar::of(now, row)));
            }
        }
        let kinds = aggregate.previous.iter().map(|value| &value.kind);
        let vectors = earlier
            .iter()
            .zip(kinds)
            .map(|(values, kind)| Scalar::vectors(values, kind));
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
        let loads = step.fields().filter(|(place, _)| *place != STATE);
        let loaded: Vec<(u32, Vector<'_>)> = loads
            .map(|(place, kind)| (place, run.load(place, kind)))
            .collect();
        for (row, slot) in run.slots.iter().map(|slot| *slot as usize).enumerate() {
            if chosen.is_some_and(|chosen| !chosen[row]) {
                continue;
            }
            let store = &self.stores[at];
            let state = match store.state(slot) {
                Some(state) => state.cloned(),
                None => start(aggregate),
            };
            let one = Step {
                loaded: &loaded,
                row,
                state: Scalar::vector(state.as_ref(), &aggregate.kind),
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
                store.finish(aggregate, slot as usize, column, &self.overflows);
            }
        }
    }

    /// Puts down what went wrong since it was asked last.
    pub fn note(&mut self, books: &mut Books) {
        self.note_more(0, books);
    }

    /// The same with more overflows.
    pub(super) fn note_more(&mut self, more: u64, books: &mut Books) {
        let overflows = self.overflows.take() + more;
        books
            .anomalies
            .add_many(Anomaly::ExpressionOverflow, overflows);
        let capped = std::mem::take(&mut self.capped);
        books.anomalies.add_many(Anomaly::AggregateLimit, capped);
    }

    /// Frees what a slot holds.
    pub fn close(&mut self, slot: u32) {
        self.open(slot);
    }

    /// Heap bytes held beyond the accumulators.
    pub fn heap_bytes(&self) -> usize {
        let before = self.before.iter().flat_map(Slots::iter).flatten();
        let before = before.map(|values| {
            let texts = values.iter().flatten().map(Scalar::heap_bytes);
            size_of_val(&values[..]) + texts.sum::<usize>()
        });
        let stores = self.stores.iter().map(|store| store.bytes().1);
        stores.chain(before).sum()
    }
}
