//! The flow table alone: which record a packet joins, and when records end.

use crate::trace;
use divan::Bencher;
use divan::counter::ItemsCount;
use jayflow_operators::flows::{Flow, Meter};
use jayflow_operators::packet::Packet;
use jayflow_operators::slots::Slots;

/// A meter of no groups.
struct Nothing;

impl Meter for Nothing {
    fn open(&mut self, _: u32, _: &Flow) {}
    fn packets(&mut self, packets: &[Packet<'_>], slots: &[u32], _: &Slots<Flow>) {
        divan::black_box((packets, slots));
    }
    fn early(&mut self, _: u32, _: &Flow) {}
    fn finish(&mut self, _: u32, flow: &Flow) {
        divan::black_box(flow);
    }
}

#[divan::bench(sample_size = 1, sample_count = 20)]
fn flows(bencher: Bencher<'_, '_>) {
    let count = ItemsCount::new(trace::packets());
    bencher
        .counter(count)
        .bench(|| trace::track(&mut Nothing, |_, _| ()));
}
