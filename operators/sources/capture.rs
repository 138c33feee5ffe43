//! Capture files as the inputs of a splitter.

use super::splitter::{Blocks, Input, Next};
use super::{Bounds, CapturePath, Ending, Reader, Streams};
use crate::Books;
use crate::books::{Fault, Partial, Refused};
use crate::packet::BlockPool;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

/// How far the inputs are read, over all workers of a process: for a progress bar.
#[derive(Debug, Default)]
pub struct Progress {
    expected: AtomicU64,
    bytes: AtomicU64,
    packets: AtomicU64,
}

impl Progress {
    /// Adds the size of a file that will be read.
    pub fn expect(&self, bytes: u64) {
        self.expected.fetch_add(bytes, Ordering::Relaxed);
    }

    /// Bytes of all files that are or will be read; pipes have none.
    pub fn expected(&self) -> u64 {
        self.expected.load(Ordering::Relaxed)
    }

    /// Bytes read so far.
    pub fn bytes(&self) -> u64 {
        self.bytes.load(Ordering::Relaxed)
    }

    /// Packets read so far.
    pub fn packets(&self) -> u64 {
        self.packets.load(Ordering::Relaxed)
    }
}

/// A capture file that is opened when its turn comes.
#[derive(Clone, Debug)]
pub struct CaptureInput {
    /// Where it is.
    pub path: CapturePath,
    /// The archives that are open.
    pub streams: Streams,
    /// Position in the list of inputs.
    pub source: u32,
    /// Time of its first record, where inputs are merged by time.
    pub first_time: i64,
    /// Which packets of it are wanted.
    pub bounds: Bounds,
    /// Where its blocks come from.
    pub pool: BlockPool,
    /// Told how much is read.
    pub progress: Arc<Progress>,
    /// Ends the wait for bytes.
    pub stop: Arc<AtomicBool>,
    /// Why nothing is read of it: it has no sensor, and its source says that inputs have one.
    pub nameless: Option<String>,
}

impl Input for CaptureInput {
    fn source(&self) -> u32 {
        self.source
    }

    fn open(&self) -> Box<dyn Blocks> {
        let pool = self.pool.clone();
        let reader = match &self.nameless {
            None => Reader::open_in(
                &self.path,
                &self.streams,
                self.source,
                pool,
                self.bounds,
                &self.stop,
            ),
            Some(why) => Reader::refused(self.path.name(), self.source, Refused::NoSensor, why),
        };
        Box::new(Open {
            reader,
            progress: Arc::clone(&self.progress),
            told: 0,
        })
    }

    fn stopped(&self, books: &mut Books) {
        let fault = Fault {
            file: self.path.name(),
            offset: 0,
            record: 0,
            reason: Partial::Stopped.name().to_owned(),
            bytes_unread: self.path.bytes(),
            hint: "the run was stopped before this file; run again to read it".to_owned(),
        };
        Ending::Partial(Partial::Stopped, fault).count(&mut books.inputs);
    }

    fn first_time(&self) -> i64 {
        self.first_time
    }
}

struct Open {
    reader: Reader,
    progress: Arc<Progress>,
    told: u64,
}

impl Blocks for Open {
    fn next(&mut self, books: &mut Books) -> Next {
        let next = self.reader.poll(books);
        let (read, _) = self.reader.progress();
        let progress = &self.progress;
        progress
            .bytes
            .fetch_add(read.saturating_sub(self.told), Ordering::Relaxed);
        self.told = read;
        if let Next::Chunk(chunk) = &next {
            let packets = chunk.records.len() as u64;
            progress.packets.fetch_add(packets, Ordering::Relaxed);
        }
        next
    }

    fn close(self: Box<Self>, books: &mut Books) -> Option<i64> {
        let clock = self.reader.clock();
        self.reader.end().count(&mut books.inputs);
        clock
    }
}
