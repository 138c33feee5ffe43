//! The flow operator taken apart: one operator joins packets to records, one operator a group runs its extractor, one puts the
//! rows together. The rows are those of the fused operator; this form exists to prove that, and to time each group.

use super::{Flow, Meter, TrackPlan, Tracker, track_with};
use crate::books::Books;
use crate::columns::Columns;
use crate::features::FeaturePlan;
use crate::packet::{Direction, Header, Packet, PacketBatch};
use crate::slots::Slots;
use crate::sources::Mark;
use std::cell::RefCell;
use std::collections::VecDeque;
use std::rc::Rc;
use timely::Accountable;
use timely::container::NoopBuilder;
use timely::dataflow::channels::pact::{ParallelizationContract, Pipeline};
use timely::dataflow::operators::Capability;
use timely::dataflow::operators::generic::OutputBuilder;
use timely::dataflow::operators::generic::builder_rc::OperatorBuilder;
use timely::dataflow::{Stream, StreamVec};

/// What happened to the flow table since the last message, in order.
#[derive(Clone, Debug, Default)]
pub struct Events(Rc<Vec<Event>>);

/// Packets and records, as the extractors of all groups see them.
#[derive(Clone, Debug)]
enum Event {
    Open(u32, Box<Flow>),
    Packets(Run),
    Early(u32, Box<Flow>),
    Finish(u32, Box<Flow>),
}

/// A run of packets with a copy of their bytes.
#[derive(Clone, Debug, Default)]
struct Run {
    headers: Vec<Header>,
    slots: Vec<u32>,
    times: Vec<(i64, Direction)>,
    arena: Vec<u8>,
}

impl Accountable for Events {
    fn record_count(&self) -> i64 {
        i64::try_from(self.0.len()).unwrap_or(i64::MAX)
    }
}

/// A meter that writes down what it is told.
#[derive(Default)]
pub struct Recorder(Vec<Event>);

impl Recorder {
    fn take(&mut self, _: bool) -> Option<Events> {
        Some(Events(Rc::new(std::mem::take(&mut self.0))))
    }
}

impl Meter for Recorder {
    fn open(&mut self, slot: u32, flow: &Flow) {
        self.0.push(Event::Open(slot, Box::new(flow.clone())));
    }

    fn packets(&mut self, packets: &[Packet<'_>], slots: &[u32], _: &Slots<Flow>) {
        let mut run = Run {
            slots: slots.to_vec(),
            ..Run::default()
        };
        let place = |at: usize| u32::try_from(at).unwrap_or(u32::MAX);
        for packet in packets {
            let mut header = **packet;
            let frame = packet.frame();
            header.frame = place(run.arena.len());
            header.captured = place(frame.len());
            if frame.is_empty() {
                header.payload = header.frame;
                run.arena.extend_from_slice(packet.payload());
            } else {
                // the payload is a part of the frame, and what lies before it is found by the distance
                let before = packet.payload.saturating_sub(packet.frame);
                header.payload = header.frame.saturating_add(before);
                run.arena.extend_from_slice(frame);
                run.arena.extend_from_slice(packet.whole());
            }
            run.headers.push(header);
            run.times.push((packet.time, packet.direction));
        }
        self.0.push(Event::Packets(run));
    }

    fn early(&mut self, slot: u32, flow: &Flow) {
        self.0.push(Event::Early(slot, Box::new(flow.clone())));
    }

    fn finish(&mut self, slot: u32, flow: &Flow) {
        self.0.push(Event::Finish(slot, Box::new(flow.clone())));
    }
}

/// The unfused form of [`super::track`].
pub fn track_apart<'scope, P>(
    packets: Stream<'scope, u64, PacketBatch>,
    pact: P,
    marks: StreamVec<'scope, u64, Mark>,
    plan: &TrackPlan,
    books: Rc<RefCell<Books>>,
) -> Stream<'scope, u64, Columns>
where
    P: ParallelizationContract<u64, PacketBatch>,
{
    let tracker = Tracker::new(plan, Recorder::default());
    let own = Rc::clone(&books);
    let events = track_with(packets, pact, marks, tracker, Recorder::take, own);
    let pieces = plan.features.groups().enumerate().map(|(group, name)| {
        let plan = plan.features.group(group);
        extract(events.clone(), name, plan, Rc::clone(&books))
    });
    assemble(pieces.collect(), &plan.features)
}

/// Operator of one group: events to the columns of that group, one piece for each message in which a record ended.
fn extract<'scope>(
    events: Stream<'scope, u64, Events>,
    name: &str,
    plan: FeaturePlan,
    books: Rc<RefCell<Books>>,
) -> Stream<'scope, u64, Columns> {
    let mut builder = OperatorBuilder::new(name.to_owned(), events.scope());
    let mut events = builder.new_input(events, Pipeline);
    let (rows, stream) = builder.new_output();
    let mut rows: OutputBuilder<u64, NoopBuilder<Columns>> = OutputBuilder::from(rows);
    builder.build(move |_| {
        let mut extractors = plan.extractors();
        let mut flows: Slots<Flow> = Slots::default();
        move |_| {
            let mut rows = rows.activate();
            events.for_each(|capability, events| {
                let mut piece = plan.batch(0);
                for event in events.0.iter() {
                    match event {
                        Event::Open(slot, flow) => {
                            let flow = (**flow).clone();
                            match flows.get_mut(*slot as usize) {
                                Some(used) => *used = flow,
                                None => flows.push(flow),
                            }
                            extractors.open(*slot);
                        }
                        Event::Packets(run) => {
                            let packets = run.headers.iter().zip(&run.times);
                            let packets: Vec<Packet<'_>> = packets
                                .map(|(header, (time, direction))| {
                                    Packet::new(header, &run.arena, *time, *direction)
                                })
                                .collect();
                            extractors.packets(&packets, &run.slots, &flows);
                        }
                        Event::Early(slot, flow) => extractors.finish(*slot, flow, &mut piece),
                        Event::Finish(slot, flow) => {
                            extractors.finish(*slot, flow, &mut piece);
                            extractors.close(*slot);
                        }
                    }
                }
                extractors.note(&mut books.borrow_mut());
                if let Some(held) = capability.retain_least(0) {
                    rows.session_with_builder(&held).give_container(&mut piece);
                }
            });
        }
    });
    stream
}

/// Operator `assemble`: puts the pieces of all groups side by side. Each group gives its pieces in the same order, so the first
/// of each belong together.
fn assemble<'scope>(
    pieces: Vec<Stream<'scope, u64, Columns>>,
    plan: &FeaturePlan,
) -> Stream<'scope, u64, Columns> {
    let scope = pieces
        .first()
        .map(Stream::scope)
        .expect("a plan has a group");
    let mut builder = OperatorBuilder::new("assemble".to_owned(), scope);
    let mut inputs: Vec<_> = pieces
        .into_iter()
        .map(|pieces| builder.new_input(pieces, Pipeline))
        .collect();
    let (rows, stream) = builder.new_output();
    let mut rows: OutputBuilder<u64, NoopBuilder<Columns>> = OutputBuilder::from(rows);
    let shape = plan.shape();
    builder.build(move |_| {
        let mut waiting: Vec<VecDeque<(Capability<u64>, Columns)>> =
            inputs.iter().map(|_| VecDeque::new()).collect();
        move |_| {
            for (input, waiting) in inputs.iter_mut().zip(&mut waiting) {
                input.for_each(|capability, piece| {
                    if let Some(held) = capability.retain_least(0).filter(|_| piece.rows() > 0) {
                        waiting.push_back((held, std::mem::take(piece)));
                    }
                });
            }
            let mut rows = rows.activate();
            while waiting.iter().all(|waiting| !waiting.is_empty()) {
                let mut row = Columns::default();
                let mut held = None;
                for (capability, piece) in waiting.iter_mut().filter_map(VecDeque::pop_front) {
                    debug_assert!(
                        row.keys.is_empty() || row.keys == piece.keys,
                        "pieces of the same records"
                    );
                    row.keys = piece.keys;
                    // the first group has those that views and graph want
                    if row.edges.is_empty() {
                        row.edges = piece.edges;
                    }
                    row.columns.extend(piece.columns);
                    held = Some(capability);
                }
                let mut row = shape.apply(row);
                if let Some(held) = held {
                    rows.session_with_builder(&held).give_container(&mut row);
                }
            }
        }
    });
    stream
}
