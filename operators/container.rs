//! How chunks, packets and rows travel between timely operators, workers and processes.
//!
//! Inside a process a batch moves by reference. Between processes packets are two copies of memory: headers and the bytes that
//! somebody downstream needs. The layout is that of [`Header`] on a little-endian machine; all processes of a run are one build.

use crate::columns::Columns;
use crate::decode::stack;
use crate::flows::SHARDS;
use crate::packet::{Block, Header, PacketBatch};
use crate::sources::Chunk;
use std::io::Write;
use std::sync::Arc;
use timely::Accountable;
use timely::bytes::arc::Bytes;
use timely::communication::Push;
use timely::container::NoopBuilder;
use timely::dataflow::Stream;
use timely::dataflow::channels::pact::Pipeline;
use timely::dataflow::channels::pushers::exchange::Distributor;
use timely::dataflow::channels::{ContainerBytes, Message, Stamp};
use timely::dataflow::operators::generic::OutputBuilder;
use timely::dataflow::operators::generic::builder_rc::OperatorBuilder;

/// Progress tracking counts records in `i64`; a container never holds more than memory does.
fn count(records: usize) -> i64 {
    i64::try_from(records).unwrap_or(i64::MAX)
}

/// An operator without a state: `change` makes each batch of rows into another one.
pub fn each_batch<'scope>(
    name: &str,
    rows: Stream<'scope, u64, Columns>,
    mut change: impl FnMut(Columns) -> Columns + 'static,
) -> Stream<'scope, u64, Columns> {
    let mut builder = OperatorBuilder::new(name.to_owned(), rows.scope());
    let mut input = builder.new_input(rows, Pipeline);
    let (output, stream) = builder.new_output();
    let mut output: OutputBuilder<u64, NoopBuilder<Columns>> = OutputBuilder::from(output);
    builder.build(move |_| {
        move |_| {
            let mut output = output.activate();
            input.for_each(|capability, rows| {
                let mut rows = change(std::mem::take(rows));
                if let Some(held) = capability.retain_least(0) {
                    output.session_with_builder(&held).give_container(&mut rows);
                }
            });
        }
    });
    stream
}

impl Accountable for Chunk {
    fn record_count(&self) -> i64 {
        count(self.records.len())
    }
}

impl Accountable for PacketBatch {
    fn record_count(&self) -> i64 {
        count(self.headers.len())
    }
}

impl Accountable for Columns {
    fn record_count(&self) -> i64 {
        count(self.rows())
    }
}

/// Chunks stay in their process: the reader deals them to the workers beside it.
impl ContainerBytes for Chunk {
    fn from_bytes(_: Bytes) -> Self {
        unreachable!("a chunk never leaves its process")
    }
    fn length_in_bytes(&self) -> usize {
        unreachable!("a chunk never leaves its process")
    }
    fn into_bytes<W: Write>(&self, _: &mut W) {
        unreachable!("a chunk never leaves its process")
    }
}

/// Eight-byte words of the head of a packet batch on the wire: headers, extra bytes, stride, arena bytes, sequence.
const HEAD: usize = 5;

/// Lengths are multiples of 8, as timely's framing asks for.
const fn padded(bytes: usize) -> usize {
    match bytes.checked_next_multiple_of(8) {
        Some(padded) => padded,
        None => usize::MAX,
    }
}

impl PacketBatch {
    /// Whether the bytes before the payload cross too: also those of a header stack that its number cannot tell.
    fn keeps_headers(&self, header: &Header) -> bool {
        self.keep_headers || header.stack == stack::UNPACKED
    }

    /// Whether a payload made of fragments stands behind the frame, which crosses with it.
    fn keeps_whole(&self, header: &Header) -> bool {
        header.whole > 0 && self.keep_payload > 0
    }

    /// Where the bytes of a packet that cross to another process begin and end in the arena: headers if kept, payload up to
    /// what is kept.
    fn kept(&self, header: &Header) -> std::ops::Range<usize> {
        let limit = self.arena.bytes.len();
        if self.keeps_whole(header) {
            let frame = header.frame as usize;
            let end = frame + header.captured as usize + header.whole as usize;
            return frame.min(limit)..end.min(limit);
        }
        let payload = header.payload as usize;
        let end = payload + header.payload_captured.min(self.keep_payload) as usize;
        let start = if self.keeps_headers(header) {
            (header.frame as usize).min(payload)
        } else {
            payload
        };
        start.min(limit)..end.min(limit)
    }
}

impl ContainerBytes for PacketBatch {
    fn from_bytes(bytes: Bytes) -> Self {
        let word = |at: usize| {
            bytes
                .get(at * 8..at * 8 + 8)
                .and_then(|word| word.try_into().ok())
                .map_or(0, u64::from_le_bytes)
        };
        let size = |at: usize| usize::try_from(word(at)).unwrap_or(usize::MAX);
        let (headers, extra, arena) = (size(0), size(1), size(3));
        let mut at = HEAD * 8;
        let mut part = |length: usize| {
            let part = bytes.get(at..at.saturating_add(length)).unwrap_or(&[]);
            at = at.saturating_add(padded(length));
            part
        };
        let headers = bytemuck::allocation::pod_collect_to_vec(part(
            headers.saturating_mul(size_of::<Header>()),
        ));
        let extra = part(extra).to_vec();
        let arena = Arc::new(Block::from(part(arena).to_vec()));
        let stride = u32::try_from(word(2)).unwrap_or(0);
        Self {
            headers,
            extra,
            stride,
            arena,
            sequence: word(4),
            keep_payload: u32::MAX,
            keep_headers: true,
        }
    }

    fn length_in_bytes(&self) -> usize {
        let arena = self
            .headers
            .iter()
            .map(|header| self.kept(header).len())
            .sum();
        HEAD * 8
            + padded(self.headers.len() * size_of::<Header>())
            + padded(self.extra.len())
            + padded(arena)
    }

    fn into_bytes<W: Write>(&self, writer: &mut W) {
        let arena: usize = self
            .headers
            .iter()
            .map(|header| self.kept(header).len())
            .sum();
        let head = [
            self.headers.len() as u64,
            self.extra.len() as u64,
            u64::from(self.stride),
            arena as u64,
            self.sequence,
        ];
        let mut put = |bytes: &[u8]| {
            writer
                .write_all(bytes)
                .expect("timely gives a buffer of `length_in_bytes`")
        };
        for word in head {
            put(&word.to_le_bytes());
        }
        let mut at = 0usize;
        for header in &self.headers {
            let kept = self.kept(header);
            let mut moved = *header;
            let place = |offset: usize| {
                u32::try_from(at + offset.saturating_sub(kept.start)).unwrap_or(u32::MAX)
            };
            moved.payload = place(header.payload as usize);
            moved.payload_captured = header.payload_captured.min(self.keep_payload);
            moved.frame = place(header.frame as usize);
            moved.captured = if self.keeps_whole(header) {
                header.captured
            } else if self.keeps_headers(header) {
                u32::try_from(kept.len()).unwrap_or(u32::MAX)
            } else {
                0
            };
            put(bytemuck::bytes_of(&moved));
            at += kept.len();
        }
        let slop = |length: usize| &[0u8; 8][..padded(length) - length];
        put(slop(self.headers.len() * size_of::<Header>()));
        put(&self.extra);
        put(slop(self.extra.len()));
        for header in &self.headers {
            put(self.arena.bytes.get(self.kept(header)).unwrap_or(&[]));
        }
        put(slop(arena));
    }
}

impl ContainerBytes for Columns {
    fn from_bytes(bytes: Bytes) -> Self {
        bincode::deserialize(&bytes).expect("rows come from a process of the same build")
    }
    fn length_in_bytes(&self) -> usize {
        let length = bincode::serialized_size(self).expect("rows are plain data");
        padded(usize::try_from(length).expect("rows fit into memory"))
    }
    fn into_bytes<W: Write>(&self, writer: &mut W) {
        let bytes = bincode::serialize(self).expect("rows are plain data");
        let slop = padded(bytes.len()) - bytes.len();
        writer
            .write_all(&bytes)
            .and_then(|()| writer.write_all(&[0; 8][..slop]))
            .expect("timely gives a buffer of `length_in_bytes`");
    }
}

/// Deals whole containers: each goes to one worker, chosen by `target`.
#[derive(Debug)]
pub struct Deal<F> {
    target: F,
}

impl<F> Deal<F> {
    /// A distributor that asks `target` for the worker of each container.
    pub const fn new(target: F) -> Self {
        Self { target }
    }
}

impl<C: Default, F: FnMut(&C) -> usize> Distributor<C> for Deal<F> {
    fn partition<T: Clone, P: Push<Message<T, C>>>(
        &mut self,
        container: &mut C,
        stamp: &Stamp<T>,
        pushers: &mut [P],
    ) {
        let target = (self.target)(container);
        Message::push_at(container, stamp.clone(), &mut pushers[target]);
    }

    fn flush<T: Clone, P: Push<Message<T, C>>>(&mut self, _: &Stamp<T>, _: &mut [P]) {}
}

/// The worker of each shard.
pub type Owners = [usize; SHARDS];

/// The workers of the shards where each worker shall have such a part of them: any numbers, one a worker.
pub fn owners(parts: &[f64]) -> Owners {
    let all: f64 = parts.iter().sum();
    let mut ends = parts.iter().scan(0.0, |end, part| {
        *end += part / all * SHARDS as f64;
        Some(*end)
    });
    let (mut owner, mut end) = (0, ends.next().unwrap_or(f64::MAX));
    std::array::from_fn(|shard| {
        while shard as f64 + 0.5 > end && owner + 1 < parts.len() {
            owner += 1;
            end = ends.next().unwrap_or(f64::MAX);
        }
        owner
    })
}

/// Sends each packet to the worker of its shard. Every batch that comes in gives at most one batch a worker, so that a batch keeps
/// its place in the order of its source.
#[derive(Debug)]
pub struct ByShard {
    owners: Arc<Owners>,
    parts: Vec<PacketBatch>,
}

impl ByShard {
    /// A distributor for this many workers, of whom these own the shards.
    pub fn new(peers: usize, owners: Arc<Owners>) -> Self {
        Self {
            owners,
            parts: (0..peers).map(|_| PacketBatch::default()).collect(),
        }
    }
}

impl Distributor<PacketBatch> for ByShard {
    fn partition<T: Clone, P: Push<Message<T, PacketBatch>>>(
        &mut self,
        batch: &mut PacketBatch,
        stamp: &Stamp<T>,
        pushers: &mut [P],
    ) {
        let peers = self.parts.len();
        for part in &mut self.parts {
            *part = batch.empty_like();
            part.headers
                .reserve(batch.headers.len() / peers + batch.headers.len() / 8 + 1);
        }
        for (index, header) in batch.headers.iter().enumerate() {
            let part = &mut self.parts[self.owners[usize::from(header.shard())]];
            part.headers.push(*header);
            part.extra.extend_from_slice(batch.extra_of(index));
        }
        for (part, pusher) in self.parts.iter_mut().zip(pushers) {
            if !part.headers.is_empty() {
                Message::push_at(part, stamp.clone(), pusher);
            }
            // the arena must not be held until the next batch comes
            *part = PacketBatch::default();
        }
    }

    fn flush<T: Clone, P: Push<Message<T, PacketBatch>>>(&mut self, _: &Stamp<T>, _: &mut [P]) {}
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytemuck::Zeroable;
    use proptest::prelude::*;

    #[test]
    fn shards_are_parted_as_asked() {
        let count = |parts: &[f64]| {
            let owners = owners(parts);
            assert!(owners.is_sorted());
            let of = |worker: usize| owners.iter().filter(|owner| **owner == worker).count();
            (0..parts.len()).map(of).collect::<Vec<_>>()
        };
        assert_eq!(count(&[3.0]), [256]);
        assert_eq!(count(&[1.0, 1.0]), [128, 128]);
        assert_eq!(count(&[1.0, 1.0, 1.0]), [85, 86, 85]);
        assert_eq!(count(&[0.3, 0.5]), [96, 160]);
        assert_eq!(count(&[0.0, 2.0, 2.0]), [0, 128, 128]);
        assert_eq!(count(&[1.0; 300]).iter().sum::<usize>(), 256);
    }

    fn over_the_wire(batch: &PacketBatch) -> PacketBatch {
        let mut bytes = Vec::new();
        batch.into_bytes(&mut bytes);
        assert_eq!(bytes.len(), batch.length_in_bytes());
        assert_eq!(bytes.len() % 8, 0);
        let length = bytes.len();
        let mut owned = timely::bytes::arc::BytesMut::from(bytes);
        PacketBatch::from_bytes(owned.extract_to(length))
    }

    proptest! {
        #[test]
        fn a_packet_batch_crosses_processes(
            frames in proptest::collection::vec((0u32..60, 0u32..300, prop_oneof![3 => Just(0u32), 1 => 1u32..500]), 0..40), keep_payload in 0u32..400, keep_headers: bool,
            stride in 0u32..9,
        ) {
            let mut arena = Vec::new();
            let mut headers = Vec::new();
            for (head, payload, whole) in frames {
                let frame = arena.len() as u32;
                arena.extend((0..head + payload).map(|byte| byte as u8));
                arena.extend((0..whole).map(|byte| 255 - byte as u8));
                headers.push(Header {
                    whole, frame, captured: head + payload, payload: frame + head, payload_captured: payload, ..Header::zeroed()
                });
            }
            let extra: Vec<u8> = (0..headers.len() * stride as usize).map(|byte| byte as u8).collect();
            let batch = PacketBatch {
                headers, extra, stride, arena: Arc::new(arena.into()), sequence: 7, keep_payload, keep_headers,
            };
            let back = over_the_wire(&batch);
            prop_assert_eq!((back.headers.len(), &back.extra, back.stride, back.sequence), (batch.headers.len(), &batch.extra, stride, 7));
            for (before, after) in batch.headers.iter().zip(&back.headers) {
                let payload = |batch: &PacketBatch, header: &Header| {
                    let start = header.payload as usize;
                    batch.arena.bytes[start..start + header.payload_captured as usize].to_vec()
                };
                let mut expected = payload(&batch, before);
                expected.truncate(keep_payload as usize);
                prop_assert_eq!(payload(&back, after), expected);
                let whole = |batch: &PacketBatch, header: &Header| {
                    let packet = crate::packet::Packet::new(header, &batch.arena.bytes, 0, crate::packet::Direction::Forward);
                    packet.whole().to_vec()
                };
                if keep_payload > 0 {
                    prop_assert_eq!(whole(&back, after), whole(&batch, before));
                }
                if keep_headers {
                    let head = (before.payload - before.frame) as usize;
                    let (from, to) = (before.frame as usize, after.frame as usize);
                    prop_assert_eq!(&batch.arena.bytes[from..from + head], &back.arena.bytes[to..to + head]);
                }
            }
        }

        #[test]
        fn damaged_bytes_give_a_batch_or_less(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
            let length = bytes.len();
            let mut owned = timely::bytes::arc::BytesMut::from(bytes);
            PacketBatch::from_bytes(owned.extract_to(length));
        }
    }
}
