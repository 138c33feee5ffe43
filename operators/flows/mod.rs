//! Packets to flow records.

mod application;
mod close;
mod eviction;
mod expiry;
mod flow;
mod key;
#[cfg(test)]
mod model;
mod options;
mod stages;
mod stream;
mod table;
#[doc(hidden)]
pub mod total;
mod typical;
mod unfused;

pub use application::{Applications, Rules, Told};
pub use close::{CloseState, FirstSeen};
pub use expiry::Timeouts;
pub use flow::{Endpoint, ExtraKey, Flow, FlowKey};
pub use key::KeyRule;
pub use options::{
    Evict, FlowOptions, IcmpKey, IdleTimeout, InitiatorRule, KeyPart, Open, Sampling, Terminate,
};
pub use stages::{MOST as MOST_STAGES, Stage};
pub(crate) use stream::Stream as TcpStream;
pub use table::{FlowTable, Meter, RUN, SHARDS};
pub use typical::{Kept, typical};
pub use unfused::track_apart;

use crate::books::Books;
use crate::columns::Columns;
use crate::doing::Doing;
use crate::expressions::aggregates::RulePlan;
use crate::features::{Extractors, FeaturePlan};
use crate::packet::{Header, Packet, PacketBatch};
use crate::slots::Slots;
use crate::sources::{InputName, Mark, Slicing};
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::Arc;
use timely::Accountable;
use timely::container::NoopBuilder;
use timely::dataflow::channels::pact::{ParallelizationContract, Pipeline};
use timely::dataflow::operators::Capability;
use timely::dataflow::operators::generic::OutputBuilder;
use timely::dataflow::operators::generic::builder_rc::OperatorBuilder;
use timely::dataflow::{Stream, StreamVec};

/// What the flow operator is told.
#[derive(Clone, Debug)]
pub struct TrackPlan {
    /// Settings of `[flows]`.
    pub options: FlowOptions,
    /// The columns.
    pub features: FeaturePlan,
    /// What the inputs are called, by ordinal.
    pub names: Arc<[InputName]>,
    /// How the input is cut into epochs: by time where flows span inputs.
    pub slicing: Slicing,
    /// Number of inputs of the whole run.
    pub inputs: usize,
    /// Whether batches come in processing order, so that none has to wait for its epoch to close.
    pub in_order: bool,
    /// What ends records beside the timeouts.
    pub rule: Option<RulePlan>,
    /// Whether a row leaves at once: windows close when the frontier says that nothing more comes.
    pub prompt: bool,
}

/// Operator `flows`: packets to rows. `packets` are exchanged by shard unless each worker has whole inputs to itself; `marks` of
/// every input reach every worker.
pub fn track<'scope, P>(
    packets: Stream<'scope, u64, PacketBatch>,
    pact: P,
    marks: StreamVec<'scope, u64, Mark>,
    plan: &TrackPlan,
    books: Rc<RefCell<Books>>,
) -> Stream<'scope, u64, Columns>
where
    P: ParallelizationContract<u64, PacketBatch>,
{
    let meter = Fused::new(&plan.features);
    let (features, shape) = (plan.features.clone(), plan.features.shape());
    let worthwhile = if plan.prompt { 1 } else { ROWS };
    let take = move |meter: &mut Fused, all: bool| {
        let room = match meter.rows.rows() {
            0 => return Some(Columns::default()),
            // the next batch gets room for as many rows, as growing hundreds of columns step by step costs more
            rows if rows >= worthwhile => rows,
            _ if all => 0,
            _ => return None,
        };
        let rows = std::mem::replace(&mut meter.rows, features.batch(room));
        Some(shape.apply(rows))
    };
    track_with(packets, pact, marks, Tracker::new(plan, meter), take, books)
}

/// Rows that are worth a message of their own: below, what is done once a batch and column costs more than what is done a row.
const ROWS: usize = 1024;

/// The flow operator with any meter. `take` gives what the meter has made so far, or `None` if that is little and need not be
/// `all`.
fn track_with<'scope, P, M, C>(
    packets: Stream<'scope, u64, PacketBatch>,
    pact: P,
    marks: StreamVec<'scope, u64, Mark>,
    mut tracker: Tracker<M>,
    take: impl Fn(&mut M, bool) -> Option<C> + 'static,
    books: Rc<RefCell<Books>>,
) -> Stream<'scope, u64, C>
where
    P: ParallelizationContract<u64, PacketBatch>,
    M: Meter + 'static,
    C: Accountable + Clone + Default + 'static,
{
    let scope = packets.scope();
    let mut builder = OperatorBuilder::new("flows".to_owned(), scope);
    let activator = scope.activator_for(builder.operator_info().address);
    let mut packets = builder.new_input(packets, pact);
    let mut marks = builder.new_input(marks, Pipeline);
    let (rows, stream) = builder.new_output();
    let mut rows: OutputBuilder<u64, NoopBuilder<C>> = OutputBuilder::from(rows);
    builder.build(move |_| {
        let mut stash: BTreeMap<u64, Epoch> = BTreeMap::new();
        // the epoch whose inputs are exhausted, while their records end
        let mut leaving: Option<Capability<u64>> = None;
        // rows that are few wait for more
        let mut waiting: Option<Capability<u64>> = None;
        move |frontiers| {
            let books = &mut *books.borrow_mut();
            let mut rows = rows.activate();
            let is_prompt = tracker.plan.prompt;
            // who is prompt gives rows at the earliest time that it holds: the clock has yet to get on from there
            let earliest =
                |held: &mut Option<Capability<u64>>, new: Capability<u64>| match held.take() {
                    Some(held) if is_prompt && held.time() < new.time() => held,
                    _ => new,
                };
            let mut give = |meter: &mut M, capability: Capability<u64>, all: bool| {
                let Some(mut made) = take(meter, all) else {
                    return Some(capability);
                };
                let mut session = rows.session_with_builder(&capability);
                session.give_container(&mut made);
                drop(session);
                // who is prompt can give rows whenever the clock gets on, without a packet
                (is_prompt && !all).then_some(capability)
            };
            if let Some(capability) = leaving.take() {
                if tracker.leave(books) {
                    activator.activate();
                    leaving = Some(capability.clone());
                }
                let at = earliest(&mut waiting, capability);
                waiting = give(&mut tracker.meter, at, false);
            }
            packets.for_each(|capability, batch| {
                let Some(held) = capability.retain_least(0) else {
                    return;
                };
                let batch = std::mem::take(batch);
                if tracker.plan.in_order {
                    tracker.batches(vec![batch], books);
                    let at = earliest(&mut waiting, held);
                    waiting = give(&mut tracker.meter, at, false);
                } else {
                    stash
                        .entry(*held.time())
                        .or_insert_with(|| Epoch::new(held))
                        .batches
                        .push(batch);
                }
            });
            marks.for_each(|capability, batch| {
                let Some(held) = capability.retain_least(0) else {
                    return;
                };
                stash
                    .entry(*held.time())
                    .or_insert_with(|| Epoch::new(held))
                    .marks
                    .append(batch);
            });
            let open = frontiers
                .iter()
                .filter_map(|frontier| frontier.frontier().first().copied())
                .min();
            let mut last = None;
            while leaving.is_none()
                && let Some(first) = stash.first_entry()
                && open.is_none_or(|open| *first.key() < open)
            {
                let epoch = first.remove();
                tracker.batches(epoch.batches, books);
                tracker.marks(&epoch.marks, books);
                if tracker.leave(books) {
                    activator.activate();
                    leaving = Some(epoch.capability.clone());
                }
                let at = earliest(&mut waiting, epoch.capability.clone());
                waiting = give(&mut tracker.meter, at, false);
                last = Some(epoch.capability);
            }
            if is_prompt && last.is_none() && leaving.is_none() {
                last = waiting.take_if(|waiting| open.is_some_and(|open| *waiting.time() < open));
            }
            if let (Some(capability), Some(open)) = (last, open)
                && leaving.is_none()
                && let Some(clock) = tracker.plan.slicing.clock(open)
            {
                tracker.advance(0, clock, books);
                if tracker.leave(books) {
                    activator.activate();
                    leaving = Some(capability.clone());
                }
                let at = earliest(&mut waiting, capability);
                waiting = give(&mut tracker.meter, at, false);
            }
            // where no packet comes any more, others must not wait for what waits here
            waiting = match (waiting.take(), open) {
                (Some(mut capability), Some(open)) => {
                    if *capability.time() < open {
                        capability.downgrade(&open);
                    }
                    Some(capability)
                }
                (Some(capability), None) if leaving.is_none() => {
                    give(&mut tracker.meter, capability, true)
                }
                (waiting, _) => waiting,
            };
        }
    });
    stream
}

/// What arrived of an epoch that is not closed.
struct Epoch {
    capability: Capability<u64>,
    batches: Vec<PacketBatch>,
    marks: Vec<Mark>,
}

impl Epoch {
    fn new(capability: Capability<u64>) -> Self {
        Self {
            capability,
            batches: Vec::new(),
            marks: Vec::new(),
        }
    }
}

/// Table and meter of a worker.
struct Tracker<M> {
    plan: TrackPlan,
    table: FlowTable,
    meter: M,
    /// Inputs that have ended, and the clock after the last record of them all.
    ended: usize,
    clock: Option<i64>,
}

impl<M: Meter> Tracker<M> {
    fn new(plan: &TrackPlan, meter: M) -> Self {
        Self {
            plan: plan.clone(),
            table: FlowTable::new(&plan.options)
                .naming(&plan.names)
                .ending(plan.rule.as_ref()),
            meter,
            ended: 0,
            clock: None,
        }
    }

    const fn is_merged(&self) -> bool {
        matches!(self.plan.slicing, Slicing::Time { .. })
    }

    /// Takes the packets of an epoch, in any order of batches.
    fn batches(&mut self, mut batches: Vec<PacketBatch>, books: &mut Books) {
        batches.retain(|batch| !batch.headers.is_empty());
        let is_merged = self.is_merged();
        let group = |batch: &PacketBatch| if is_merged { 0 } else { batch.source() };
        batches.sort_by_key(|batch| (group(batch), batch.headers[0].clock, batch.headers[0].ord));
        for batches in batches.chunk_by(|a, b| group(a) == group(b)) {
            let (first, last) = (&batches[0], batches.last().unwrap_or(&batches[0]));
            let end = last.headers.last().map_or(0, Header::record);
            let records = (first.source(), first.headers[0].record(), end);
            let is_one = first.source() == last.source();
            Doing::begin("flows", is_one.then_some(records));
            let place = |header: &Header| (header.clock, header.ord);
            let follows = |pair: &[PacketBatch]| {
                let (end, start) = (pair[0].headers.last(), pair[1].headers.first());
                end.zip(start)
                    .is_none_or(|(end, start)| place(end) < place(start))
            };
            if batches.windows(2).all(follows) {
                let packets = batches.iter().flat_map(|batch| {
                    (0..batch.headers.len()).map(move |index| packet(batch, index))
                });
                self.table
                    .packets(group(&batches[0]), packets, &mut self.meter, books);
            } else {
                let mut order: Vec<(usize, usize)> = batches
                    .iter()
                    .enumerate()
                    .flat_map(|(at, batch)| (0..batch.headers.len()).map(move |index| (at, index)))
                    .collect();
                order.sort_unstable_by_key(|(at, index)| place(&batches[*at].headers[*index]));
                let packets = order
                    .iter()
                    .map(|(at, index)| packet(&batches[*at], *index));
                self.table
                    .packets(group(&batches[0]), packets, &mut self.meter, books);
            }
        }
    }

    fn marks(&mut self, marks: &[Mark], books: &mut Books) {
        for mark in marks {
            self.clock = self.clock.max(mark.clock);
            self.ended += usize::from(mark.ended);
            if self.is_merged() {
                continue;
            }
            let Some(clock) = mark.clock else { continue };
            if mark.ended {
                self.table.exhausted(mark.source, clock);
            } else {
                self.advance(mark.source, clock, books);
            }
        }
        if self.is_merged() && self.ended == self.plan.inputs {
            self.table.exhausted(0, self.clock.unwrap_or(0));
        }
    }

    /// Ends some of the records whose inputs are exhausted; true = there are more.
    fn leave(&mut self, books: &mut Books) -> bool {
        self.table.leave(&mut self.meter, books)
    }

    fn advance(&mut self, group: u32, clock: i64, books: &mut Books) {
        self.table.advance(group, clock, &mut self.meter, books);
    }
}

fn packet(batch: &PacketBatch, index: usize) -> (&Header, &[u8], &[u8]) {
    (
        &batch.headers[index],
        batch.extra_of(index),
        &batch.arena.bytes,
    )
}

/// All extractors in one operator.
#[derive(Debug)]
pub struct Fused {
    extractors: Extractors,
    /// The rows of the records that have ended.
    pub rows: Columns,
}

impl Fused {
    /// The extractors of these columns.
    pub fn new(plan: &FeaturePlan) -> Self {
        Self {
            extractors: plan.extractors(),
            rows: plan.batch(0),
        }
    }
}

impl Meter for Fused {
    fn open(&mut self, slot: u32, _: &Flow) {
        self.extractors.open(slot);
    }
    fn packets(&mut self, packets: &[Packet<'_>], slots: &[u32], flows: &Slots<Flow>) {
        self.extractors.packets(packets, slots, flows);
    }
    fn early(&mut self, slot: u32, flow: &Flow) {
        self.extractors.finish(slot, flow, &mut self.rows);
    }
    fn finish(&mut self, slot: u32, flow: &Flow) {
        self.extractors.finish(slot, flow, &mut self.rows);
        self.extractors.close(slot);
    }
    fn note(&mut self, books: &mut Books) {
        self.extractors.note(books);
    }
}
