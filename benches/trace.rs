//! The trace of the benches as each stage needs it; made once, at the first use.

use jayflow_operators::Books;
use jayflow_operators::columns::Columns;
use jayflow_operators::decode::{DecodeOptions, Decoder};
use jayflow_operators::features::{FeaturePlan, FeatureSettings};
use jayflow_operators::flows::{FlowOptions, FlowTable, Fused, KeyRule, Meter};
use jayflow_operators::packet::{BlockPool, Header, PacketBatch};
use jayflow_operators::sources::{Bounds, Chunk, Reader};
use std::io::Cursor;
use std::sync::{Arc, OnceLock};

/// Packets of the trace that is made of the sample capture, about.
const PACKETS: usize = 50_000;

/// The bytes of the capture file.
pub fn capture() -> &'static [u8] {
    static CAPTURE: OnceLock<Vec<u8>> = OnceLock::new();
    CAPTURE.get_or_init(|| match std::env::var_os("JAYFLOW_TRACE") {
        Some(path) => std::fs::read(path).expect("JAYFLOW_TRACE names a capture"),
        None => repeated(include_bytes!("../examples/sample.pcap")),
    })
}

/// The capture again and again, each time an hour later, so that the flows are others.
fn repeated(sample: &[u8]) -> Vec<u8> {
    let word = |at: usize| u32::from_le_bytes(sample[at..at + 4].try_into().unwrap());
    let (mut records, mut at) = (Vec::new(), 24);
    while at < sample.len() {
        let end = at + 16 + word(at + 8) as usize;
        records.push(at..end);
        at = end;
    }
    let mut bytes = sample[..24].to_vec();
    for turn in 0..PACKETS.div_ceil(records.len()) as u32 {
        for record in &records {
            bytes.extend((word(record.start) + turn * 3600).to_le_bytes());
            bytes.extend(&sample[record.start + 4..record.end]);
        }
    }
    bytes
}

/// A reader of the capture.
pub fn reader() -> Reader {
    let bytes = Box::new(Cursor::new(capture()));
    let pool = BlockPool::default();
    Reader::over("trace".to_owned(), bytes, None, 0, pool, Bounds::default())
}

/// The records, in the chunks that the reader gives.
pub fn chunks() -> &'static [Chunk] {
    static CHUNKS: OnceLock<Vec<Chunk>> = OnceLock::new();
    CHUNKS.get_or_init(|| {
        let (mut reader, mut books) = (reader(), Books::default());
        std::iter::from_fn(|| reader.next(&mut books)).collect()
    })
}

/// Number of records.
pub fn records() -> usize {
    chunks().iter().map(|chunk| chunk.records.len()).sum()
}

/// A chunk, decoded; `decoder` has seen the chunks before it.
pub fn decoded(
    chunk: &Chunk,
    decoder: &mut Decoder,
    rule: &KeyRule,
    books: &mut Books,
) -> PacketBatch {
    let block = &chunk.block.bytes;
    let mut batch = PacketBatch {
        arena: Arc::clone(&chunk.block),
        keep_payload: 256,
        ..PacketBatch::default()
    };
    batch.headers.reserve(chunk.records.len());
    for (number, record) in (chunk.first_record..).zip(&chunk.records) {
        let ord = Header::order(chunk.source, number);
        if let Some(mut header) = decoder.decode(record, ord, block, books) {
            let frame = &block[header.frame as usize..];
            rule.apply(&mut header, frame, &mut batch.extra);
            batch.headers.push(header);
        }
    }
    batch
}

/// The packets, with their flow keys.
pub fn batches() -> &'static [PacketBatch] {
    static BATCHES: OnceLock<Vec<PacketBatch>> = OnceLock::new();
    BATCHES.get_or_init(|| {
        let mut decoder = Decoder::new(&DecodeOptions::default());
        let rule = KeyRule::new(&FlowOptions::default());
        let mut books = Books::default();
        let chunks = chunks().iter();
        chunks
            .map(|chunk| decoded(chunk, &mut decoder, &rule, &mut books))
            .collect()
    })
}

/// Number of packets.
pub fn packets() -> usize {
    batches().iter().map(|batch| batch.headers.len()).sum()
}

/// Takes all packets through a flow table; `meter` is told what happens, after `next` was told the batch.
pub fn track<M: Meter>(meter: &mut M, mut next: impl FnMut(&mut M, &'static PacketBatch)) -> Books {
    let mut table = FlowTable::new(&FlowOptions::default());
    let mut books = Books::default();
    for batch in batches() {
        next(meter, batch);
        let arena = &batch.arena.bytes[..];
        let packets = batch.headers.iter().map(|header| (header, &[][..], arena));
        table.packets(0, packets, meter, &mut books);
    }
    let last = batches()
        .iter()
        .rev()
        .find_map(|batch| batch.headers.last());
    table.exhausted(0, last.map_or(0, |header| header.clock));
    while table.leave(meter, &mut books) {}
    books
}

/// The columns of these groups, `all` among them.
pub fn plan(groups: &str) -> FeaturePlan {
    let mut settings = FeatureSettings::default();
    settings.shared.groups = vec![groups.to_owned()];
    settings.plan().expect("groups that there are")
}

/// The rows of all groups.
pub fn rows() -> &'static Columns {
    static ROWS: OnceLock<Columns> = OnceLock::new();
    ROWS.get_or_init(|| {
        let mut meter = Fused::new(&plan("all"));
        track(&mut meter, |_, _| ());
        meter.rows.even();
        meter.rows
    })
}
