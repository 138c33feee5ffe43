//! Packets to two workers by the shard of their flow, and as bytes to another process.

use crate::trace;
use divan::Bencher;
use divan::counter::ItemsCount;
use jayflow_operators::container::{ByShard, owners};
use jayflow_operators::packet::PacketBatch;
use timely::bytes::arc::BytesMut;
use timely::communication::Push;
use timely::dataflow::channels::pushers::exchange::Distributor;
use timely::dataflow::channels::{ContainerBytes, Message, Stamp};

/// The end of a channel.
struct End;

impl Push<Message<u64, PacketBatch>> for End {
    fn push(&mut self, message: &mut Option<Message<u64, PacketBatch>>) {
        divan::black_box(message.take());
    }
}

#[divan::bench(sample_size = 1, sample_count = 20)]
fn by_shard(bencher: Bencher<'_, '_>) {
    let stamp: Stamp<u64> = std::iter::once(0).collect();
    let count = ItemsCount::new(trace::packets());
    bencher
        .counter(count)
        .with_inputs(|| trace::batches().to_vec())
        .bench_values(|batches| {
            let mut exchange = ByShard::new(2, owners(&[1.0; 2]).into());
            for mut batch in batches {
                exchange.partition(&mut batch, &stamp, &mut [End, End]);
            }
        });
}

/// `payload`: how many bytes of the payload of each packet somebody reads.
#[divan::bench(sample_size = 1, sample_count = 20, args = [0, 256])]
fn between_processes(bencher: Bencher<'_, '_>, payload: u32) {
    let count = ItemsCount::new(trace::packets());
    bencher.counter(count).bench(|| {
        for batch in trace::batches() {
            let mut batch = batch.clone();
            batch.keep_payload = payload;
            let length = batch.length_in_bytes();
            let mut bytes = Vec::with_capacity(length);
            batch.into_bytes(&mut bytes);
            let received = BytesMut::from(bytes).extract_to(length);
            divan::black_box(PacketBatch::from_bytes(received));
        }
    });
}
