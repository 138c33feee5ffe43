//! The extractors of each group alone, over packets that have found their records; and all groups together.

use crate::trace;
use divan::Bencher;
use divan::counter::ItemsCount;
use jayflow_operators::columns::Columns;
use jayflow_operators::features::FeaturePlan;
use jayflow_operators::flows::{Flow, Fused, Meter};
use jayflow_operators::packet::{Direction, Header, Packet, PacketBatch};
use jayflow_operators::slots::Slots;
use std::sync::OnceLock;

/// What the flow table tells a meter.
enum Event {
    Open(u32, Flow),
    Packets(Run),
    Finish(u32, Flow),
}

/// A run of packets of one batch.
struct Run {
    arena: &'static [u8],
    headers: Vec<Header>,
    times: Vec<(i64, Direction)>,
    slots: Vec<u32>,
}

/// A meter that writes down what it is told.
#[derive(Default)]
struct Recorder {
    arena: &'static [u8],
    events: Vec<Event>,
}

impl Meter for Recorder {
    fn open(&mut self, slot: u32, flow: &Flow) {
        self.events.push(Event::Open(slot, flow.clone()));
    }
    fn packets(&mut self, packets: &[Packet<'_>], slots: &[u32], _: &Slots<Flow>) {
        self.events.push(Event::Packets(Run {
            arena: self.arena,
            headers: packets.iter().map(|packet| **packet).collect(),
            times: packets.iter().map(|p| (p.time, p.direction)).collect(),
            slots: slots.to_vec(),
        }));
    }
    fn early(&mut self, _: u32, _: &Flow) {}
    fn finish(&mut self, slot: u32, flow: &Flow) {
        self.events.push(Event::Finish(slot, flow.clone()));
    }
}

fn events() -> &'static [Event] {
    static EVENTS: OnceLock<Vec<Event>> = OnceLock::new();
    EVENTS.get_or_init(|| {
        let mut recorder = Recorder::default();
        let next = |recorder: &mut Recorder, batch: &'static PacketBatch| {
            recorder.arena = &batch.arena.bytes;
        };
        trace::track(&mut recorder, next);
        recorder.events
    })
}

/// Each group alone, and all together.
fn groups() -> Vec<&'static str> {
    let mut names = jayflow_operators::features::group_names();
    names.push("all");
    names
}

#[divan::bench(sample_size = 1, sample_count = 20, args = groups())]
fn group(bencher: Bencher<'_, '_>, group: &str) {
    let plan = trace::plan(group);
    let count = ItemsCount::new(trace::packets());
    events();
    bencher.counter(count).bench(|| events_through(&plan));
}

/// The rows of a plan over all packets.
pub fn events_through(plan: &FeaturePlan) -> Columns {
    let mut meter = Fused::new(plan);
    told(&mut meter);
    meter.rows.even();
    meter.rows
}

/// Tells a meter what the flow table tells of all packets.
pub fn told(meter: &mut impl Meter) {
    let (mut flows, mut packets): (Slots<Flow>, Vec<Packet<'_>>) = Default::default();
    for event in events() {
        match event {
            Event::Open(slot, flow) => {
                match flows.get_mut(*slot as usize) {
                    Some(used) => used.clone_from(flow),
                    None => flows.push(flow.clone()),
                }
                meter.open(*slot, flow);
            }
            Event::Packets(run) => {
                packets.clear();
                let times = run.headers.iter().zip(&run.times);
                packets.extend(times.map(|(header, (time, direction))| {
                    Packet::new(header, run.arena, *time, *direction)
                }));
                meter.packets(&packets, &run.slots, &flows);
            }
            Event::Finish(slot, flow) => meter.finish(*slot, flow),
        }
    }
}
