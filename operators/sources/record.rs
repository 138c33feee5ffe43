//! What readers give: blocks of captured bytes with an index of the records in them.

use crate::packet::Block;
use std::sync::Arc;

/// One record of a capture.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Record {
    /// Start of the frame in the block.
    pub offset: u32,
    /// Captured bytes.
    pub captured: u32,
    /// Original length, never below `captured`.
    pub original: u32,
    /// Link type (LINKTYPE_ number of pcap).
    pub link: u16,
    /// Time of the record, ns since 1970; that of the record before it where it has none, 0 if there is none before.
    pub time: i64,
    /// Largest time of the source so far, this record included.
    pub clock: i64,
}

/// Consecutive records of one source, all of one epoch.
#[derive(Clone, Debug, Default)]
pub struct Chunk {
    /// Position of the source in the sorted list of inputs.
    pub source: u32,
    /// Ordinal of the first record in its source.
    pub first_record: u64,
    /// Place of the chunk among those of its source.
    pub sequence: u64,
    /// The bytes that the records lie in.
    pub block: Arc<Block>,
    /// The records, in file order.
    pub records: Vec<Record>,
}
