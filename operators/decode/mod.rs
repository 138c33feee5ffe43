//! Frames to header fields: link layers, IP, transport headers, tunnels and fragments, by section 2 of the semantics.
//!
//! Nothing here panics or overflows on any bytes: no unchecked index, no unchecked arithmetic, no cast that cuts.
#![cfg_attr(
    not(test),
    warn(
        clippy::indexing_slicing,
        clippy::arithmetic_side_effects,
        clippy::cast_possible_truncation,
        clippy::expect_used,
        clippy::panic
    )
)]

mod bytes;
#[cfg(test)]
mod captures;
mod checksum;
mod choose;
mod decoder;
mod fast;
mod fragment;
#[cfg(test)]
mod generate;
mod link;
mod network;
mod options;
#[cfg(test)]
mod properties;
mod reassemble;
#[cfg(test)]
mod reference;
pub mod stack;
#[doc(hidden)]
pub mod total;
mod transport;
mod tunnel;

pub use choose::Choice;
use decoder::blank;
pub use decoder::{Decoder, Outermost, describe, outermost_tunnel};
pub use fragment::{FragmentInfo, FragmentTable};
pub use link::{ethertype, ethertype_of, linktype};
pub use options::{Checksum, Decap, DecodeOptions, Fragments, LinkTypes, Tunnel};
pub use reassemble::Reassembly;
pub use transport::protocol;

use crate::books::{Books, Skip};
use crate::doing::Doing;
use crate::features::Needs;
use crate::flows::KeyRule;
use crate::packet::{Header, PacketBatch};
use crate::sources::Chunk;
use std::cell::RefCell;
use std::collections::{BTreeMap, HashMap};
use std::io::Write;
use std::rc::Rc;
use std::sync::Arc;
use timely::Accountable;
use timely::bytes::arc::Bytes as WireBytes;
use timely::container::NoopBuilder;
use timely::dataflow::Stream;
use timely::dataflow::channels::ContainerBytes;
use timely::dataflow::channels::pact::ParallelizationContract;
use timely::dataflow::operators::Capability;
use timely::dataflow::operators::generic::OutputBuilder;
use timely::dataflow::operators::generic::builder_rc::OperatorBuilder;

/// What the decode operators are told.
#[derive(Clone, Debug)]
pub struct DecodePlan {
    /// Settings of `[decode]`.
    pub options: DecodeOptions,
    /// What makes a flow.
    pub key: KeyRule,
    /// What later operators read beyond header fields.
    pub needs: Needs,
    /// Whether a worker sees all chunks of its inputs in order, so that fragments can join their flows at once.
    pub in_order: bool,
    /// Which packets enter the flow table: those that each of these takes.
    pub choices: Vec<Choice>,
}

impl DecodePlan {
    fn batch(&self, chunk: &Chunk) -> PacketBatch {
        PacketBatch {
            arena: Arc::clone(&chunk.block),
            sequence: chunk.sequence,
            stride: u32::try_from(self.key.stride()).unwrap_or(0),
            keep_payload: self.needs.payload,
            keep_headers: self.needs.headers,
            ..PacketBatch::default()
        }
    }

    /// What is kept of a source from chunk to chunk, before the first one.
    fn fragments(&self) -> Fragmented {
        let is_read = !self.needs.protocols.is_empty();
        let joins = self.options.fragments == Fragments::Reassemble && is_read;
        Fragmented {
            named: FragmentTable::default(),
            reassembly: joins.then(Reassembly::default),
        }
    }
}

/// What is kept of the fragments of a source.
struct Fragmented {
    named: FragmentTable,
    /// Where somebody wants the whole.
    reassembly: Option<Reassembly>,
}

impl Fragmented {
    /// Gives a fragment its flow, and the payload that it makes whole, if it does.
    fn apply(
        &mut self,
        header: &mut Header,
        fragment: &FragmentInfo,
        block: &[u8],
        books: &mut Books,
    ) -> Option<Vec<u8>> {
        let is_known = self.named.apply(header, fragment, books);
        let reassembly = self.reassembly.as_mut()?;
        let frame = frame_of(header, block)?;
        let whole = reassembly.push(header, fragment, is_known, frame, books);
        whole.filter(|whole| !whole.is_empty())
    }

    /// The source has no more of them.
    fn end(&mut self, books: &mut Books) {
        if let Some(reassembly) = &mut self.reassembly {
            reassembly.end(books);
        }
    }
}

/// The captured bytes of a packet whose header points into `block`.
fn frame_of<'a>(header: &Header, block: &'a [u8]) -> Option<&'a [u8]> {
    let [start, length] = [header.frame, header.captured].map(usize::try_from);
    block.get(start.ok()?..)?.get(..length.ok()?)
}

/// The payloads that were put together of fragments, by the place of the packet that made each whole.
type Wholes = Vec<(u64, Vec<u8>)>;

/// A batch in parts, such that each packet with a payload of fragments has bytes of its own: its frame, and that behind.
fn parted(mut batch: PacketBatch, wholes: Wholes) -> Vec<PacketBatch> {
    let stride = usize::try_from(batch.stride).unwrap_or(0);
    let mut parts = Vec::new();
    for (ord, whole) in wholes {
        // one that was left out brings nothing
        let Ok(at) = batch
            .headers
            .binary_search_by_key(&ord, |header| header.ord)
        else {
            continue;
        };
        let mut own = batch.empty_like();
        let mut behind = batch.empty_like();
        behind.headers = batch.headers.split_off(at.saturating_add(1));
        own.headers = batch.headers.split_off(at);
        let bytes = batch.extra.len();
        let place = |packets: usize| packets.saturating_mul(stride).min(bytes);
        behind.extra = batch.extra.split_off(place(at.saturating_add(1)));
        own.extra = batch.extra.split_off(place(at));
        let before = std::mem::replace(&mut batch, behind);
        for header in &mut own.headers {
            let frame = frame_of(header, &before.arena.bytes).unwrap_or(&[]);
            let inside = header.payload.saturating_sub(header.frame);
            (header.frame, header.payload) = (0, inside);
            own.arena = Arc::new([frame, &whole].concat().into());
        }
        parts.extend(
            [before, own]
                .into_iter()
                .filter(|part| !part.headers.is_empty()),
        );
    }
    parts.push(batch);
    parts
}

/// Fragments of one source that wait for their turn, with what the fragment table needs of each.
#[derive(Clone, Debug, Default)]
pub struct FragmentBatch {
    packets: PacketBatch,
    fragments: Vec<FragmentInfo>,
}

impl FragmentBatch {
    /// The source of the fragments.
    pub fn source(&self) -> u32 {
        self.packets.source()
    }
}

impl Accountable for FragmentBatch {
    fn record_count(&self) -> i64 {
        self.packets.record_count()
    }
}

/// Fragments stay in their process: they go to the worker that reads their source.
impl ContainerBytes for FragmentBatch {
    fn from_bytes(_: WireBytes) -> Self {
        unreachable!("fragments never leave their process before they have a flow")
    }
    fn length_in_bytes(&self) -> usize {
        unreachable!("fragments never leave their process before they have a flow")
    }
    fn into_bytes<W: Write>(&self, _: &mut W) {
        unreachable!("fragments never leave their process before they have a flow")
    }
}

/// Operator `decode`: chunks to packets with their flow key. The second stream has the fragments where chunks of a source come
/// to several workers: their order is put right by [`join_fragments`].
pub fn decode<'scope, P>(
    chunks: Stream<'scope, u64, Chunk>,
    pact: P,
    plan: DecodePlan,
    books: Rc<RefCell<Books>>,
) -> (
    Stream<'scope, u64, PacketBatch>,
    Stream<'scope, u64, FragmentBatch>,
)
where
    P: ParallelizationContract<u64, Chunk>,
{
    let mut builder = OperatorBuilder::new("decode".to_owned(), chunks.scope());
    let mut chunks = builder.new_input(chunks, pact);
    let (packets, packet_stream) = builder.new_output();
    let (fragments, fragment_stream) = builder.new_output();
    let mut packets: OutputBuilder<u64, NoopBuilder<PacketBatch>> = OutputBuilder::from(packets);
    let mut fragments: OutputBuilder<u64, NoopBuilder<FragmentBatch>> =
        OutputBuilder::from(fragments);
    builder.build(move |_| {
        let mut sources: HashMap<u32, SourceState> = HashMap::new();
        move |frontiers| {
            let books = &mut *books.borrow_mut();
            let (mut packets, mut fragments) = (packets.activate(), fragments.activate());
            chunks.for_each(|capability, chunk| {
                let state = sources.entry(chunk.source).or_insert_with(|| SourceState {
                    decoder: Decoder::new(&plan.options),
                    fragments: plan.fragments(),
                });
                let (batch, wholes, mut apart) = decode_chunk(chunk, state, &plan, books);
                if let Some(held) = capability.retain_least(0) {
                    let mut session = packets.session_with_builder(&held);
                    for mut part in parted(batch, wholes) {
                        session.give_container(&mut part);
                    }
                }
                if let Some(held) = capability
                    .retain_least(1)
                    .filter(|_| !apart.fragments.is_empty())
                {
                    fragments
                        .session_with_builder(&held)
                        .give_container(&mut apart);
                }
                // the block goes back to its pool as soon as its packets are done with
                *chunk = Chunk::default();
            });
            if frontiers.iter().all(|frontier| frontier.is_empty()) {
                let all = sources.values_mut();
                all.for_each(|source| source.fragments.end(books));
            }
        }
    });
    (packet_stream, fragment_stream)
}

fn decode_chunk(
    chunk: &Chunk,
    state: &mut SourceState,
    plan: &DecodePlan,
    books: &mut Books,
) -> (PacketBatch, Wholes, FragmentBatch) {
    let last = chunk
        .first_record
        .saturating_add(chunk.records.len() as u64)
        .saturating_sub(1);
    Doing::begin("decode", Some((chunk.source, chunk.first_record, last)));
    let mut batch = plan.batch(chunk);
    batch.headers.reserve(chunk.records.len());
    let (mut wholes, mut apart) = (Wholes::new(), FragmentBatch::default());
    let block = &chunk.block.bytes;
    let mut fragment = None;
    for (index, record) in (0u64..).zip(&chunk.records) {
        let ord = Header::order(chunk.source, chunk.first_record.saturating_add(index));
        // decoded in its place: copying a header costs as much as decoding one
        batch.headers.push(blank(record, ord));
        let Some(header) = batch.headers.last_mut() else {
            continue;
        };
        let is_packet = state
            .decoder
            .decode_into(header, &mut fragment, record, ord, block, books);
        let mut is_kept = is_packet;
        if let Some(fragment) = fragment.take().filter(|_| is_packet) {
            if plan.in_order {
                let whole = state.fragments.apply(header, &fragment, block, books);
                wholes.extend(whole.map(|whole| (ord, whole)));
            } else {
                if apart.fragments.is_empty() {
                    apart.packets = plan.batch(chunk);
                }
                apart.packets.headers.push(*header);
                apart.fragments.push(fragment);
                is_kept = false;
            }
        }
        if !is_kept || !key(header, block, &mut batch.extra, plan, books) {
            batch.headers.pop();
        }
    }
    for choice in &plan.choices {
        choice.apply(&mut batch, books);
    }
    (batch, wholes, apart)
}

/// What is kept of a source from chunk to chunk.
struct SourceState {
    decoder: Decoder,
    fragments: Fragmented,
}

/// Gives a packet its flow key; false = the sample leaves it out.
#[inline]
fn key(
    header: &mut Header,
    block: &[u8],
    extra: &mut Vec<u8>,
    plan: &DecodePlan,
    books: &mut Books,
) -> bool {
    let start = usize::try_from(header.frame).unwrap_or(usize::MAX);
    let is_kept = plan
        .key
        .apply(header, block.get(start..).unwrap_or(&[]), extra);
    if !is_kept {
        books.packets.skipped.add(Skip::SampledOut);
    }
    is_kept
}

/// Operator `fragments`: puts the fragments of each source into order, epoch by epoch, and gives later ones the flow of their
/// first. `pact` brings all fragments of a source to one worker.
pub fn join_fragments<'scope, P>(
    fragments: Stream<'scope, u64, FragmentBatch>,
    pact: P,
    plan: DecodePlan,
    books: Rc<RefCell<Books>>,
) -> Stream<'scope, u64, PacketBatch>
where
    P: ParallelizationContract<u64, FragmentBatch>,
{
    let mut builder = OperatorBuilder::new("fragments".to_owned(), fragments.scope());
    let mut fragments = builder.new_input(fragments, pact);
    let (packets, stream) = builder.new_output();
    let mut packets: OutputBuilder<u64, NoopBuilder<PacketBatch>> = OutputBuilder::from(packets);
    builder.build(move |_| {
        let mut tables: HashMap<u32, Fragmented> = HashMap::new();
        let mut stash: BTreeMap<u64, (Capability<u64>, Vec<FragmentBatch>)> = BTreeMap::new();
        move |frontiers| {
            let books = &mut *books.borrow_mut();
            fragments.for_each(|capability, batch| {
                if let Some(held) = capability.retain_least(0) {
                    stash
                        .entry(*held.time())
                        .or_insert_with(|| (held, Vec::new()))
                        .1
                        .push(std::mem::take(batch));
                }
            });
            let open = frontiers
                .first()
                .and_then(|frontier| frontier.frontier().first().copied());
            while let Some(first) = stash.first_entry()
                && open.is_none_or(|open| *first.key() < open)
            {
                let (capability, mut batches) = first.remove();
                // chunks of a source do not overlap, so whole batches can be put into order
                batches.sort_by_key(|batch| batch.packets.headers.first().map(|header| header.ord));
                for FragmentBatch {
                    packets: waiting,
                    fragments,
                } in batches
                {
                    let table = tables.entry(waiting.source());
                    let table = table.or_insert_with(|| plan.fragments());
                    let (mut batch, mut wholes) = (waiting.empty_like(), Wholes::new());
                    for (mut header, fragment) in waiting.headers.into_iter().zip(fragments) {
                        let block = &batch.arena.bytes;
                        let whole = table.apply(&mut header, &fragment, block, books);
                        wholes.extend(whole.map(|whole| (header.ord, whole)));
                        if key(
                            &mut header,
                            &batch.arena.bytes,
                            &mut batch.extra,
                            &plan,
                            books,
                        ) {
                            batch.headers.push(header);
                        }
                    }
                    for choice in &plan.choices {
                        choice.apply(&mut batch, books);
                    }
                    let mut packets = packets.activate();
                    let mut session = packets.session_with_builder(&capability);
                    for mut part in parted(batch, wholes) {
                        session.give_container(&mut part);
                    }
                }
            }
            if open.is_none() {
                tables.values_mut().for_each(|table| table.end(books));
            }
        }
    });
    stream
}
