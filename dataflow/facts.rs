//! What captures hold, counted record by record: packets, times, link types, protocols, what was cut and what is damaged.
//!
//! No flows are made and nothing is written; one thread, without timely.

use operators::Books;
use operators::books::Fault;
use operators::decode::{DecodeOptions, Decoder, linktype, protocol};
use operators::packet::{BlockPool, Header};
use operators::sources::{Bounds, CapturePath, Chunk, Reader, Streams};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// What one capture holds, or several together.
#[derive(Clone, Debug, Default)]
pub struct Facts {
    /// What the bytes are, as [`Reader::format`] says it.
    pub formats: BTreeSet<String>,
    /// Size of the files.
    pub bytes: u64,
    /// Captured bytes of all packets.
    pub captured: u64,
    /// Original bytes of all packets.
    pub original: u64,
    /// Packets of which fewer bytes were captured than there were.
    pub cut: u64,
    /// Captured bytes of a packet at most, as the files say; 0 = no limit.
    pub snap_lengths: BTreeSet<u32>,
    /// Earliest and latest time of a packet, ns since 1970.
    pub times: Option<(i64, i64)>,
    /// Packets by link type.
    pub links: BTreeMap<u16, u64>,
    /// Packets by version of IP, outermost header.
    pub versions: BTreeMap<u8, u64>,
    /// Packets by upper-layer protocol.
    pub protocols: BTreeMap<u8, u64>,
    /// Fates of the inputs and of packets that no flow would take, and anomalies. Nothing is used: there are no flows.
    pub books: Books,
}

impl Facts {
    /// Reads one input to its end, which may be in an archive, of which `streams` are open; `-` is standard input.
    pub fn of(capture: &CapturePath, streams: &Streams) -> Self {
        let mut facts = Self::default();
        let (pool, bounds) = (BlockPool::default(), Bounds::default());
        let mut reader = Reader::open_in(capture, streams, 0, pool, bounds, &Arc::default());
        let mut decoder = Decoder::new(&DecodeOptions::default());
        while let Some(chunk) = reader.next(&mut facts.books) {
            facts.take(&chunk, &mut decoder);
            facts.snap_lengths.extend(reader.snap_lengths());
            reader.recycle(chunk.records);
        }
        facts.formats.extend(reader.format());
        facts.snap_lengths.extend(reader.snap_lengths());
        facts.bytes = reader.progress().1;
        facts.books.inputs.listed = 1;
        reader.end().count(&mut facts.books.inputs);
        facts
    }

    fn take(&mut self, chunk: &Chunk, decoder: &mut Decoder) {
        for (record, number) in chunk.records.iter().zip(chunk.first_record..) {
            self.captured += u64::from(record.captured);
            self.original += u64::from(record.original);
            self.cut += u64::from(record.captured < record.original);
            let (first, last) = self.times.unwrap_or((record.time, record.time));
            self.times = Some((first.min(record.time), last.max(record.time)));
            *self.links.entry(record.link).or_default() += 1;
            let ord = Header::order(chunk.source, number);
            let block = &chunk.block.bytes;
            if let Some(header) = decoder.decode(record, ord, block, &mut self.books) {
                *self.versions.entry(header.family).or_default() += 1;
                *self.protocols.entry(header.protocol).or_default() += 1;
            }
        }
    }

    /// Adds what another capture holds.
    pub fn merge(&mut self, other: &Self) {
        self.formats.extend(other.formats.iter().cloned());
        self.bytes += other.bytes;
        self.captured += other.captured;
        self.original += other.original;
        self.cut += other.cut;
        self.snap_lengths.extend(&other.snap_lengths);
        self.times = match (self.times, other.times) {
            (Some((first, last)), Some((from, to))) => Some((first.min(from), last.max(to))),
            (times, others) => times.or(others),
        };
        add(&mut self.links, &other.links);
        add(&mut self.versions, &other.versions);
        add(&mut self.protocols, &other.protocols);
        self.books.merge(&other.books);
    }

    /// Packets by the name of their link type.
    pub fn link_names(&self) -> BTreeMap<String, u64> {
        named(&self.links, |link| linktype::name(*link))
    }

    /// Packets by the name of their upper-layer protocol.
    pub fn protocol_names(&self) -> BTreeMap<String, u64> {
        named(&self.protocols, |number| protocol::name(*number))
    }

    /// What went wrong while reading, and where.
    pub fn faults(&self) -> &[Fault] {
        &self.books.inputs.faults
    }
}

fn add<K: Copy + Ord>(counts: &mut BTreeMap<K, u64>, others: &BTreeMap<K, u64>) {
    for (key, count) in others {
        *counts.entry(*key).or_default() += count;
    }
}

/// Counts under the names of their keys, or under their numbers; names of several keys are added up.
fn named<K: ToString>(
    counts: &BTreeMap<K, u64>,
    name: impl Fn(&K) -> Option<&'static str>,
) -> BTreeMap<String, u64> {
    let mut names = BTreeMap::new();
    for (key, count) in counts {
        let name = name(key).map_or_else(|| key.to_string(), str::to_owned);
        *names.entry(name).or_default() += count;
    }
    names
}
