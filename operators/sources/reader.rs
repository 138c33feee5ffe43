//! One input from its first byte to its fate: opened, told by its magic bytes, read in large blocks, cut into records.
//!
//! A reader decides the fate of its input and counts it with what it sees on the way: records read, those outside of the times
//! asked for, and anomalies of records. It decodes nothing, and never guesses where a record might start behind damage.

use super::archive::{Archive, Broken, Packing};
use super::ending::{Ending, foreign};
use super::input::Input;
use super::members::{CapturePath, Closed, Streams};
use super::pcap::Pcap;
use super::pcapng::Pcapng;
use super::splitter::Next;
use super::walk::{Bounds, Intake, Stop};
use super::{Chunk, Record};
use crate::Books;
use crate::books::{Fault, Partial, Refused};
use crate::packet::{Block, BlockPool};
use std::io::Read;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

/// Bytes read at a time.
const BLOCK: usize = 256 << 10;
/// Bytes that tell the format.
const MAGIC: usize = Packing::MAGIC;

/// How long bytes are waited for by who has nothing else to do, and by who has: they are often there a moment later.
const PATIENT: Duration = Duration::from_millis(50);
const HASTY: Duration = Duration::from_millis(1);

/// How the filling of a block ended.
enum Filled {
    /// It is full, or no more bytes are there yet.
    Part,
    /// No byte is there yet.
    Nothing,
    /// The input has ended.
    End(Result<(), Broken>),
}

/// Where the bytes come from.
enum Source {
    Plain(Input),
    Packed(Box<Archive>),
    /// Only where opening failed.
    Nothing,
}

/// What the bytes are.
enum Format {
    /// Not told yet.
    Unknown,
    Pcap(Pcap),
    Pcapng(Pcapng),
}

/// Reads one input.
pub struct Reader {
    name: String,
    /// What a stream is that needs no decoder of its own, in messages.
    stream: &'static str,
    source: Source,
    format: Format,
    intake: Intake,
    pool: BlockPool,
    block_size: usize,
    /// Position of the source in the list of inputs.
    ordinal: u32,
    sequence: u64,
    /// Bytes of a record that was not whole in the block before.
    carried: Vec<u8>,
    /// Bytes that the record needs in all.
    needed: usize,
    /// Place of `carried` in the uncompressed capture.
    offset: u64,
    /// The block that the runs of the intake lie in.
    block: Arc<Block>,
    ending: Option<Ending>,
}

impl Reader {
    /// Opens a file, or standard input for `-`. What cannot be opened gives no chunk and ends as refused.
    pub fn open(path: &Path, source: u32, pool: BlockPool, bounds: Bounds) -> Self {
        Self::open_until(path, source, pool, bounds, &Arc::default())
    }

    /// The same, where `stop` ends the wait for bytes.
    pub fn open_until(
        path: &Path,
        source: u32,
        pool: BlockPool,
        bounds: Bounds,
        stop: &Arc<AtomicBool>,
    ) -> Self {
        let input = Input::open(path, bounds.follow, stop);
        let mut reader = Self::new(path.display().to_string(), source, pool, bounds);
        match input {
            Ok(input) => reader.source = Source::Plain(input),
            Err(error) => {
                let hint = format!("cannot open: {error}; check the path and its permissions");
                reader.refuse(Refused::Unreadable, hint);
            }
        }
        reader
    }

    /// Nothing is read of this file, for a reason that is not in it.
    pub fn refused(name: String, source: u32, reason: Refused, why: &str) -> Self {
        let bounds = Bounds::default();
        let pool = BlockPool::default();
        let mut reader = Self::new(name, source, pool, bounds);
        reader.refuse(reason, why.to_owned());
        reader
    }

    /// The same of a capture that may be in an archive, of which `streams` are open.
    pub fn open_in(
        capture: &CapturePath,
        streams: &Streams,
        source: u32,
        pool: BlockPool,
        bounds: Bounds,
        stop: &Arc<AtomicBool>,
    ) -> Self {
        let Some(member) = &capture.member else {
            return Self::open_until(&capture.file, source, pool, bounds, stop);
        };
        let mut reader = Self::new(capture.name(), source, pool, bounds);
        reader.stream = "archive";
        match member.open(&capture.file, streams) {
            Ok(bytes) => reader.source = Source::Plain(Input::expecting(bytes, capture.bytes())),
            Err(Closed::Refused(reason, hint)) => reader.refuse(reason, hint),
            Err(Closed::Partial(reason, hint)) => reader.part(reason, &hint),
        }
        reader
    }

    /// Reads bytes that come from elsewhere under this name; `size` is how many there should be, where that is known.
    pub fn over(
        name: String,
        bytes: Box<dyn Read + Send>,
        size: Option<u64>,
        source: u32,
        pool: BlockPool,
        bounds: Bounds,
    ) -> Self {
        let mut reader = Self::new(name, source, pool, bounds);
        reader.source = Source::Plain(Input::new(bytes, size));
        reader
    }

    fn new(name: String, ordinal: u32, pool: BlockPool, bounds: Bounds) -> Self {
        Self {
            name,
            stream: "compressed",
            source: Source::Nothing,
            format: Format::Unknown,
            intake: Intake::new(bounds),
            pool,
            block_size: BLOCK,
            ordinal,
            sequence: 0,
            carried: Vec::new(),
            needed: 0,
            offset: 0,
            block: Arc::default(),
            ending: None,
        }
    }

    /// The same reader with another size of its blocks.
    #[must_use]
    pub fn with_block_size(mut self, bytes: usize) -> Self {
        self.block_size = bytes.max(1);
        self
    }

    /// The next records, in file order, waiting for them; `None` at the end. Counts them in `books`.
    pub fn next(&mut self, books: &mut Books) -> Option<Chunk> {
        loop {
            match self.next_within(PATIENT, books) {
                Next::Chunk(chunk) => return Some(chunk),
                Next::Ended => return None,
                Next::Waits => {}
            }
        }
    }

    /// The same without waiting for a pipe or a file that grows.
    pub fn poll(&mut self, books: &mut Books) -> Next {
        self.next_within(HASTY, books)
    }

    fn next_within(&mut self, patience: Duration, books: &mut Books) -> Next {
        loop {
            if let Some(run) = self.intake.take_run() {
                let sequence = self.sequence;
                self.sequence += 1;
                let block = Arc::clone(&self.block);
                if !self.intake.has_runs() {
                    self.block = Arc::default();
                }
                return Next::Chunk(Chunk {
                    source: self.ordinal,
                    first_record: run.first,
                    sequence,
                    block,
                    records: run.records,
                });
            }
            if self.ending.is_some() {
                return Next::Ended;
            }
            let came = self.read_block(patience);
            self.intake.count(books);
            if !came {
                return Next::Waits;
            }
        }
    }

    /// Takes back the list of a chunk to use it again.
    pub fn recycle(&mut self, records: Vec<Record>) {
        self.intake.recycle(records);
    }

    /// Largest time of a record so far, ns since 1970; `None` before the first record.
    pub const fn clock(&self) -> Option<i64> {
        self.intake.clock()
    }

    /// Bytes of the file read so far, and of the whole file as far as they are known: for progress.
    pub fn progress(&self) -> (u64, u64) {
        self.input().map_or((0, 0), |(input, left)| {
            (input.position() - left, input.size())
        })
    }

    /// What the bytes are: `pcap`, `pcapng in zstd`; `None` as long as they have not told.
    pub fn format(&self) -> Option<String> {
        let name = match &self.format {
            Format::Unknown => return None,
            Format::Pcap(_) => "pcap",
            Format::Pcapng(_) => "pcapng",
        };
        Some(match &self.source {
            Source::Packed(archive) => format!("{name} in {}", archive.packing().name()),
            _ => name.to_owned(),
        })
    }

    /// Captured bytes of a packet at most, as the file says, 0 = no limit: of each interface that the section has so far.
    pub fn snap_lengths(&self) -> Vec<u32> {
        match &self.format {
            Format::Unknown => Vec::new(),
            Format::Pcap(pcap) => vec![pcap.snap_length()],
            Format::Pcapng(pcapng) => pcapng.snap_lengths().collect(),
        }
    }

    /// How the reading ended; `stopped` where it has not.
    pub fn end(mut self) -> Ending {
        if self.ending.is_none() {
            self.part(Partial::Stopped, "the run was stopped here");
        }
        self.ending.unwrap_or(Ending::Whole)
    }

    /// Fills a block, walks over its records, and keeps what is left of it; false = no byte came for `patience`.
    fn read_block(&mut self, patience: Duration) -> bool {
        let start = self.carried.len();
        // A record that is larger than a block gets room by the bytes seen, not by what it claims.
        let size = self.block_size.max(self.needed.min(2 * start));
        let mut bytes = self.pool.take_to_fill(size);
        if let Some(front) = bytes.get_mut(..start) {
            front.copy_from_slice(&self.carried);
        }
        let (filled, end) = self.fill(&mut bytes, start, patience);
        let end = match end {
            Filled::Nothing => {
                drop(self.pool.block(bytes));
                return false;
            }
            Filled::Part => None,
            Filled::End(end) => Some(end),
        };
        bytes.truncate(filled);
        if self.unpack(&bytes, end.is_some()) {
            return true;
        }
        let (at, stop) = self.walk(&bytes);
        self.intake.close_run();
        self.carried.clear();
        self.carried
            .extend_from_slice(bytes.get(at..).unwrap_or_default());
        self.offset += at as u64;
        match (stop, end) {
            (Stop::More(needed), None) => self.needed = needed,
            (Stop::More(_), Some(Ok(()))) => self.finish(),
            (Stop::More(_), Some(Err(broken))) => self.break_off(broken),
            (Stop::Limit, _) => self.ending = Some(Ending::Whole),
            (Stop::Damaged(what), _) => self.part(Partial::Damaged, &what),
            (Stop::Refused(reason, hint), _) => self.refuse(reason, hint),
        }
        if size > 2 * self.block_size {
            self.block = Arc::new(Block::from(bytes)); // a rare giant is not kept
        } else {
            self.block = self.pool.block(bytes);
        }
        true
    }

    /// Reads until the block is full or there is no more; gives the bytes in it, and how that ended.
    fn fill(
        &mut self,
        bytes: &mut [u8],
        mut filled: usize,
        mut patience: Duration,
    ) -> (usize, Filled) {
        while let Some(room) = bytes.get_mut(filled..).filter(|room| !room.is_empty()) {
            let read = match &mut self.source {
                Source::Plain(input) => match input.read_within(room, patience) {
                    Ok(None) if patience.is_zero() => break,
                    Ok(None) => return (filled, Filled::Nothing),
                    Ok(Some(n)) => Ok(n),
                    Err(error) => Err(Broken::of(error)),
                },
                Source::Packed(archive) => archive.read(room),
                Source::Nothing => Ok(0),
            };
            match read {
                Ok(0) => return (filled, Filled::End(Ok(()))),
                Ok(n) => filled += n,
                Err(broken) => return (filled, Filled::End(Err(broken))),
            }
            patience = Duration::ZERO; // what has come is looked at before there is more
        }
        (filled, Filled::Part)
    }

    /// Puts a decoder between the file and the walk if its first bytes say so; they are read again through it.
    fn unpack(&mut self, bytes: &[u8], is_all: bool) -> bool {
        let is_start = matches!(self.format, Format::Unknown) && (is_all || bytes.len() >= MAGIC);
        let packing = Packing::of(bytes).filter(|_| is_start);
        let (Some(packing), Source::Plain(_)) = (packing, &self.source) else {
            return false;
        };
        if let Source::Plain(input) = std::mem::replace(&mut self.source, Source::Nothing) {
            match Archive::new(packing, input, bytes) {
                Ok(archive) => self.source = Source::Packed(Box::new(archive)),
                Err(broken) => self.break_off(broken),
            }
        }
        self.carried.clear();
        self.needed = 0;
        true
    }

    /// Walks over what is whole in `bytes`.
    fn walk(&mut self, bytes: &[u8]) -> (usize, Stop) {
        let mut at = 0;
        if matches!(self.format, Format::Unknown) {
            match self.tell(bytes) {
                Ok((format, start)) => (self.format, at) = (format, start),
                Err(stop) => return (0, stop),
            }
        }
        match &mut self.format {
            Format::Pcap(pcap) => pcap.walk(bytes, at, &mut self.intake),
            Format::Pcapng(pcapng) => pcapng.walk(bytes, at, &mut self.intake),
            Format::Unknown => (0, Stop::More(MAGIC)),
        }
    }

    /// Tells the format by the first bytes, and where its first record or block is.
    fn tell(&self, bytes: &[u8]) -> Result<(Format, usize), Stop> {
        let Some(start) = bytes.first_chunk().filter(|_| bytes.len() >= MAGIC) else {
            return Err(Stop::More(MAGIC));
        };
        if *start == Pcapng::MAGIC {
            return Ok((Format::Pcapng(Pcapng::new()), 0));
        }
        if Pcap::is(*start) {
            if bytes.len() < Pcap::HEADER {
                return Err(Stop::More(Pcap::HEADER));
            }
            return Ok((Format::Pcap(Pcap::open(bytes)?), Pcap::HEADER));
        }
        Err(match (Packing::of(bytes), &self.source) {
            (Some(inner), Source::Packed(outer)) => Stop::Refused(
                Refused::UnsupportedFormat,
                format!(
                    "{} inside {}: decompress it once and name the result",
                    inner.name(),
                    outer.packing().name()
                ),
            ),
            _ => foreign(bytes),
        })
    }

    /// The input ended behind the bytes that were carried.
    fn finish(&mut self) {
        if self.input().is_some_and(|(input, _)| input.shrank()) {
            return self.part(
                Partial::Changed,
                "the file is shorter than when it was opened",
            );
        }
        let left = self.carried.len();
        let cut = format!("the file ends {left} bytes into a record");
        match &self.format {
            Format::Unknown if left == 0 => self.refuse(
                Refused::Empty,
                "no bytes: was the capture stopped before its first packet?".to_owned(),
            ),
            Format::Unknown => self.refuse(
                Refused::NotACapture,
                format!("{left} bytes are too few for the header of a capture"),
            ),
            Format::Pcapng(pcapng) => match pcapng.unfinished() {
                Some(Partial::Damaged) => {
                    self.part(Partial::Damaged, "a block that ends behind the file")
                }
                Some(reason) => self.part(reason, "the file ends inside a block"),
                None if left == 0 => self.ending = Some(Ending::Whole),
                None => self.part(Partial::Truncated, &cut),
            },
            Format::Pcap(_) if left == 0 => self.ending = Some(Ending::Whole),
            Format::Pcap(_) => self.part(Partial::Truncated, &cut),
        }
    }

    /// The input ended with a fault behind the bytes that were carried.
    fn break_off(&mut self, broken: Broken) {
        if self.input().is_some_and(|(input, _)| input.stopped()) {
            return self.part(Partial::Stopped, "the run was stopped here");
        }
        let packing = match &self.source {
            Source::Packed(archive) => archive.packing().name(),
            _ => self.stream,
        };
        match broken {
            Broken::Cut if self.input().is_some_and(|(input, _)| input.shrank()) => {
                self.part(
                    Partial::Changed,
                    "the file is shorter than when it was opened",
                );
            }
            Broken::Cut => self.part(
                Partial::Truncated,
                &format!("the {packing} stream ends early"),
            ),
            Broken::Damaged(what) => self.part(
                Partial::Damaged,
                &format!("the {packing} stream is damaged ({what})"),
            ),
            Broken::Unsupported(what) => self.refuse(
                Refused::UnsupportedFormat,
                format!("this {packing} stream cannot be read here ({what}): decompress it first"),
            ),
            Broken::Failed(error) if matches!(self.format, Format::Unknown) => self.refuse(
                Refused::Unreadable,
                format!("cannot read: {error}; check the path, its permissions and the disk"),
            ),
            Broken::Failed(error) => {
                self.part(Partial::ReadError, &format!("cannot read on: {error}"));
            }
        }
    }

    /// Ends as partial: `found` is what is at the place.
    fn part(&mut self, reason: Partial, found: &str) {
        let advice = match reason {
            Partial::Truncated => "copy it again if the original is longer",
            Partial::Damaged => "look at it with `capinfos`, and copy or capture it again",
            Partial::ReadError => "check the disk, and copy what can be read",
            Partial::Changed => "read it again when nothing writes to it",
            Partial::Stopped => "run again to read the rest",
        };
        let hint = format!("{found}; the records before it were read: {advice}");
        self.ending = Some(Ending::Partial(reason, self.fault(reason.name(), hint)));
    }

    /// Ends as refused; as damaged if records were read before.
    fn refuse(&mut self, reason: Refused, hint: String) {
        if self.intake.records > 0 {
            return self.part(Partial::Damaged, &hint);
        }
        let mut fault = self.fault(reason.name(), hint);
        fault.bytes_unread = self.input().map_or(0, |(input, _)| input.size());
        self.ending = Some(Ending::Refused(reason, fault));
    }

    fn fault(&self, reason: &str, hint: String) -> Fault {
        let inside = match &self.format {
            Format::Pcapng(pcapng) => pcapng.inside(),
            _ => 0,
        };
        let offset = self.offset.saturating_sub(inside);
        let bytes_unread = match &self.source {
            Source::Plain(input) => input.size().saturating_sub(offset),
            _ => {
                let (read, size) = self.progress();
                size.saturating_sub(read)
            }
        };
        Fault {
            file: self.name.clone(),
            offset,
            record: self.intake.records,
            reason: reason.to_owned(),
            bytes_unread,
            hint,
        }
    }

    /// The file, and its bytes that were read but not looked at yet.
    fn input(&self) -> Option<(&Input, u64)> {
        match &self.source {
            Source::Plain(input) => Some((input, 0)),
            Source::Packed(archive) => archive.input(),
            Source::Nothing => None,
        }
    }
}

#[cfg(test)]
mod tests;
