//! Cuts the records of a worker's inputs into chunks and epochs, in the order of the clock.
//!
//! An epoch is a slice of the input: with `merge = "none"` a number of packets of one input, with `merge = "all"` a stretch of
//! the clock that is the same for all inputs and processes. No row depends on its length.

use super::record::Chunk;
use crate::books::Books;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::sync::Arc;

/// An input that gives its records block by block.
pub trait Blocks {
    /// The next records, in file order, without waiting for who writes them.
    fn next(&mut self, books: &mut Books) -> Next;

    /// Counts the fate of the input: after its end, or before that if the run was stopped by a signal.
    /// Gives the clock after its last record; `None` = it had none.
    fn close(self: Box<Self>, books: &mut Books) -> Option<i64>;
}

/// What an input has at the moment.
#[derive(Debug)]
pub enum Next {
    /// Records.
    Chunk(Chunk),
    /// Nothing yet.
    Waits,
    /// Nothing any more: it has ended, well or not.
    Ended,
}

/// An input that is not open yet.
pub trait Input {
    /// Position in the sorted list of all inputs of the run.
    fn source(&self) -> u32;

    /// Opens it. What cannot be opened gives no records and counts itself as refused.
    fn open(&self) -> Box<dyn Blocks>;

    /// Counts it as not read because the run was stopped.
    fn stopped(&self, books: &mut Books);

    /// Time of its first record, for merging by time: it is opened when the clock comes there.
    fn first_time(&self) -> i64;
}

/// How the input is cut into epochs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Slicing {
    /// Inputs one after the other; an epoch ends after this many packets, and with its input.
    Packets(u64),
    /// Inputs merged by time; epoch = (clock - `start`) / `quantum`, in ns.
    Time {
        /// Clock at which epoch 0 starts: the earliest first record of all inputs.
        start: i64,
        /// Length of an epoch.
        quantum: i64,
    },
}

impl Slicing {
    /// Epoch of a clock, where epochs are slices of time.
    fn epoch(self, clock: i64) -> u64 {
        match self {
            Self::Packets(_) => 0,
            Self::Time { start, quantum } => {
                let offset = i128::from(clock) - i128::from(start);
                u64::try_from(offset / i128::from(quantum.max(1))).unwrap_or(0)
            }
        }
    }

    /// A clock that no record of `epoch` or later is below, where epochs are slices of time.
    pub fn clock(self, epoch: u64) -> Option<i64> {
        match self {
            Self::Packets(_) => None,
            Self::Time { start, quantum } => {
                let clock = i128::from(start) + i128::from(quantum.max(1)) * i128::from(epoch);
                Some(i64::try_from(clock).unwrap_or(i64::MAX))
            }
        }
    }
}

/// What a reader tells about one of its inputs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mark {
    /// The input.
    pub source: u32,
    /// Its clock; `None` = it had no record.
    pub clock: Option<i64>,
    /// Whether it has ended.
    pub ended: bool,
}

/// What a splitter gives next.
#[derive(Debug)]
pub enum Step {
    /// Records of this epoch.
    Chunk(u64, Chunk),
    /// A mark that belongs at the end of this epoch.
    Mark(u64, Mark),
    /// The input whose turn it is has nothing yet.
    Waits,
    /// All inputs have ended.
    Done,
}

/// The inputs of one worker, cut into chunks.
pub struct Splitter {
    slicing: Slicing,
    chunk: usize,
    /// By the epoch of the next record (or one not after it), then by source.
    inputs: BTreeMap<(u64, u32), State>,
    /// Current epoch, where epochs are counted in packets, and the packets in it.
    epoch: u64,
    packets: u64,
}

enum State {
    Waiting(Box<dyn Input>),
    Reading(Reading),
}

struct Reading {
    blocks: Box<dyn Blocks>,
    /// What the input gave last, and how many of its records are gone.
    chunk: Chunk,
    next: usize,
    sequence: u64,
    clock: i64,
}

impl Splitter {
    /// A splitter of these inputs into chunks of at most `chunk` records.
    pub fn new(inputs: Vec<Box<dyn Input>>, slicing: Slicing, chunk: usize) -> Self {
        let inputs = inputs
            .into_iter()
            .map(|input| {
                let epoch = match slicing {
                    Slicing::Packets(_) => 0,
                    Slicing::Time { .. } => slicing.epoch(input.first_time()),
                };
                ((epoch, input.source()), State::Waiting(input))
            })
            .collect();
        Self {
            slicing,
            chunk: chunk.max(1),
            inputs,
            epoch: 0,
            packets: 0,
        }
    }

    /// The epoch of everything still to come, or an earlier one; `None` = nothing comes.
    pub fn epoch(&self) -> Option<u64> {
        let ((epoch, _), _) = self.inputs.first_key_value()?;
        Some((*epoch).max(self.epoch))
    }

    /// The next chunk or mark.
    pub fn next(&mut self, books: &mut Books) -> Step {
        loop {
            let Some(((bound, source), state)) = self.inputs.pop_first() else {
                return Step::Done;
            };
            let mut reading = match state {
                State::Reading(reading) => reading,
                State::Waiting(input) => Reading {
                    blocks: input.open(),
                    chunk: Chunk::default(),
                    next: 0,
                    sequence: 0,
                    clock: input.first_time(),
                },
            };
            if reading.next == reading.chunk.records.len() {
                match reading.blocks.next(books) {
                    Next::Ended => {
                        let clock = reading.blocks.close(books);
                        return self.ended(bound, source, clock);
                    }
                    Next::Waits => {
                        self.inputs.insert((bound, source), State::Reading(reading));
                        return Step::Waits;
                    }
                    Next::Chunk(chunk) => (reading.chunk, reading.next) = (chunk, 0),
                }
                // the first record may lie in a later epoch than was known, and another input's turn come first
                let bound = reading
                    .chunk
                    .records
                    .first()
                    .map_or(bound, |record| self.slicing.epoch(record.clock));
                self.inputs.insert((bound, source), State::Reading(reading));
                continue;
            }
            let epoch = bound.max(self.epoch);
            let chunk = self.cut(source, bound, &mut reading);
            reading.clock = chunk
                .records
                .last()
                .map_or(reading.clock, |record| record.clock);
            let next = reading
                .chunk
                .records
                .get(reading.next)
                .map_or(bound, |record| self.slicing.epoch(record.clock));
            self.inputs.insert((next, source), State::Reading(reading));
            self.packets += chunk.records.len() as u64;
            return Step::Chunk(epoch, chunk);
        }
    }

    /// Takes the next records of one epoch, at most a chunk.
    fn cut(&self, source: u32, bound: u64, reading: &mut Reading) -> Chunk {
        let rest = reading.chunk.records.get(reading.next..).unwrap_or(&[]);
        let mut length = rest.len().min(self.chunk);
        if let Slicing::Packets(limit) = self.slicing {
            let room = limit.max(1).saturating_sub(self.packets).max(1);
            length = length.min(usize::try_from(room).unwrap_or(usize::MAX));
        } else {
            length = rest
                .iter()
                .take(length)
                .take_while(|record| self.slicing.epoch(record.clock) <= bound)
                .count()
                .max(1);
        }
        let mut chunk = Chunk {
            source,
            first_record: reading.chunk.first_record + reading.next as u64,
            sequence: reading.sequence,
            block: Arc::clone(&reading.chunk.block),
            records: Vec::new(),
        };
        if length == reading.chunk.records.len() {
            chunk.records = std::mem::take(&mut reading.chunk).records;
        } else {
            chunk.records.extend(rest.iter().take(length));
            reading.next += length;
        }
        reading.sequence += 1;
        chunk
    }

    fn ended(&mut self, bound: u64, source: u32, clock: Option<i64>) -> Step {
        let epoch = bound.max(self.epoch);
        Step::Mark(
            epoch,
            Mark {
                source,
                clock,
                ended: true,
            },
        )
    }

    /// Closes the current epoch if it is full, and gives the mark that ends it: only where epochs are counted in packets.
    pub fn close_epoch(&mut self) -> Option<Mark> {
        let Slicing::Packets(limit) = self.slicing else {
            return None;
        };
        if self.packets < limit.max(1) {
            return None;
        }
        self.end_epoch()
    }

    /// The same for an epoch that has any packets: rows need not wait for packets that have not come.
    pub fn pause(&mut self) -> Option<Mark> {
        let is_open = matches!(self.slicing, Slicing::Packets(_)) && self.packets > 0;
        if is_open { self.end_epoch() } else { None }
    }

    fn end_epoch(&mut self) -> Option<Mark> {
        self.advance();
        let ((_, source), state) = self.inputs.first_key_value()?;
        match state {
            State::Reading(reading) => Some(Mark {
                source: *source,
                clock: Some(reading.clock),
                ended: false,
            }),
            State::Waiting(_) => None,
        }
    }

    /// Starts the next epoch, where epochs are counted in packets.
    pub fn advance(&mut self) {
        if matches!(self.slicing, Slicing::Packets(_)) {
            self.epoch += 1;
            self.packets = 0;
        }
    }

    /// Stops reading: every input that has not ended is counted as stopped, and gives its last mark.
    pub fn stop(&mut self, books: &mut Books) -> Vec<Mark> {
        std::mem::take(&mut self.inputs)
            .into_iter()
            .map(|((_, source), state)| {
                let clock = match state {
                    State::Waiting(input) => {
                        input.stopped(books);
                        None
                    }
                    State::Reading(reading) => {
                        reading.blocks.close(books);
                        Some(reading.clock)
                    }
                };
                Mark {
                    source,
                    clock,
                    ended: true,
                }
            })
            .collect()
    }
}
