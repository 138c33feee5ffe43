//! What the walks over the records of a block share: byte order, clock, limits, times to leave out, and what the reader counts.
//!
//! A walk goes over one block of captured bytes and stops at the first record that is not whole in it. Nothing here looks into
//! a frame.

use super::input::Follow;
use super::{Moment, PcapOptions, Record};
use crate::Books;
use crate::books::{Anomaly, Refused, Skip};
use crate::options::Duration;
use std::collections::VecDeque;

/// Captured bytes of a record at most; more is damage, as in libpcap.
pub(super) const MAX_RECORD: u32 = 262_144;

/// Nanoseconds of a second.
pub(super) const SECOND: i64 = 1_000_000_000;

/// Why a walk ended.
#[derive(Debug)]
pub(super) enum Stop {
    /// The record at the position needs this many bytes in all from its start.
    More(usize),
    /// An impossible record or block: what was found.
    Damaged(String),
    /// Not a capture of a kind that can be read: what was found and what to do.
    Refused(Refused, String),
    /// As many packets as were asked for.
    Limit,
}

/// Byte order of a capture.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Order {
    Little,
    Big,
}

impl Order {
    #[inline]
    pub(super) const fn u16(self, bytes: [u8; 2]) -> u16 {
        match self {
            Self::Little => u16::from_le_bytes(bytes),
            Self::Big => u16::from_be_bytes(bytes),
        }
    }

    #[inline]
    pub(super) const fn u32(self, bytes: [u8; 4]) -> u32 {
        match self {
            Self::Little => u32::from_le_bytes(bytes),
            Self::Big => u32::from_be_bytes(bytes),
        }
    }

    /// The `N` words at the start of `bytes`, `None` where it is shorter.
    #[inline]
    pub(super) fn words<const N: usize>(self, bytes: &[u8]) -> Option<[u32; N]> {
        let (words, _) = bytes.as_chunks::<4>();
        words
            .first_chunk::<N>()
            .map(|words| words.map(|word| self.u32(word)))
    }
}

/// Which packets of an input are wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounds {
    /// Packets to read at most.
    pub limit: u64,
    /// Packets before this time (ns since 1970) are skipped as `filtered`.
    pub from: i64,
    /// Packets from this time on are skipped as `filtered`.
    pub to: Option<i64>,
    /// Whether those are wanted too that are written while it is read.
    pub follow: Option<Follow>,
}

impl Default for Bounds {
    fn default() -> Self {
        Self {
            limit: u64::MAX,
            from: i64::MIN,
            to: None,
            follow: None,
        }
    }
}

impl Bounds {
    /// Whether a time is one that is wanted.
    pub fn holds(&self, time: i64) -> bool {
        self.from <= time && self.to.is_none_or(|to| time < to)
    }
}

impl From<&PcapOptions> for Bounds {
    fn from(options: &PcapOptions) -> Self {
        Self {
            limit: options.limit.unwrap_or(u64::MAX),
            from: options.from.map_or(i64::MIN, |Moment(time)| time),
            to: options.to.map(|Moment(time)| time),
            follow: options.follow.then(|| Follow {
                patience: options
                    .patience
                    .map(|Duration(ns)| std::time::Duration::from_nanos(ns.unsigned_abs())),
            }),
        }
    }
}

/// Records with consecutive ordinals, all of one block.
#[derive(Debug, Default)]
pub(super) struct Run {
    /// Ordinal of the first.
    pub first: u64,
    pub records: Vec<Record>,
}

/// What the walk over an input keeps from one record to the next.
#[derive(Debug, Default)]
pub(super) struct Intake {
    bounds: Bounds,
    /// Largest time so far.
    clock: Option<i64>,
    /// Time of the record before.
    time: i64,
    /// Records so far: the ordinal of the next one.
    pub records: u64,
    counted: u64,
    filtered: u64,
    time_missing: u64,
    time_regressions: u64,
    original_length: u64,
    option_damaged: u64,
    run: Run,
    runs: VecDeque<Run>,
    spare: Vec<Vec<Record>>,
}

impl Intake {
    pub(super) fn new(bounds: Bounds) -> Self {
        Self {
            bounds,
            ..Self::default()
        }
    }

    /// Largest time so far.
    pub(super) const fn clock(&self) -> Option<i64> {
        self.clock
    }

    /// Whether no more packets are wanted.
    #[inline]
    pub(super) const fn is_full(&self) -> bool {
        self.records >= self.bounds.limit
    }

    /// Takes the record whose frame is at `offset` of the block; `time` is `None` where it has no valid one.
    #[inline]
    pub(super) fn push(
        &mut self,
        offset: usize,
        captured: u32,
        original: u32,
        link: u16,
        time: Option<i64>,
    ) {
        match time {
            Some(time) => self.time = time,
            None => self.time_missing += 1,
        }
        let time = self.time;
        let clock = match self.clock {
            Some(clock) if time < clock => {
                self.time_regressions += 1;
                clock
            }
            _ => time,
        };
        self.clock = Some(clock);
        if original < captured {
            self.original_length += 1;
        }
        let ordinal = self.records;
        self.records += 1;
        // `empty` comes before `filtered` among the reasons, and the decoder counts it.
        if captured > 0 && (time < self.bounds.from || self.bounds.to.is_some_and(|to| time >= to))
        {
            self.filtered += 1;
            self.close_run();
            return;
        }
        if self.run.records.is_empty() {
            self.run.first = ordinal;
        }
        self.run.records.push(Record {
            // A block is far below 4 GiB.
            offset: offset as u32,
            captured,
            original: original.max(captured),
            link,
            time,
            clock,
        });
    }

    /// Counts a damaged option.
    pub(super) fn option_damaged(&mut self) {
        self.option_damaged += 1;
    }

    /// Ends the current run: the next record lies in another block or behind a gap.
    pub(super) fn close_run(&mut self) {
        if !self.run.records.is_empty() {
            let records = self.spare.pop().unwrap_or_default();
            let next = Run { first: 0, records };
            self.runs.push_back(std::mem::replace(&mut self.run, next));
        }
    }

    /// The next run of the block, in file order.
    pub(super) fn take_run(&mut self) -> Option<Run> {
        self.runs.pop_front()
    }

    /// Whether the block has runs that were not taken.
    pub(super) fn has_runs(&self) -> bool {
        !self.runs.is_empty()
    }

    /// Takes back a list of records to use it again.
    pub(super) fn recycle(&mut self, mut records: Vec<Record>) {
        if self.spare.len() < 8 {
            records.clear();
            self.spare.push(records);
        }
    }

    /// Moves what was counted since the last time into the books.
    pub(super) fn count(&mut self, books: &mut Books) {
        books.packets.read += self.records - self.counted;
        self.counted = self.records;
        let mut anomaly = |kind, count: &mut u64| {
            books.anomalies.add_many(kind, std::mem::take(count));
        };
        anomaly(Anomaly::TimeMissing, &mut self.time_missing);
        anomaly(Anomaly::TimeRegressions, &mut self.time_regressions);
        anomaly(Anomaly::OriginalLength, &mut self.original_length);
        anomaly(Anomaly::OptionDamaged, &mut self.option_damaged);
        books
            .packets
            .skipped
            .add_many(Skip::Filtered, std::mem::take(&mut self.filtered));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn times(intake: &mut Intake) -> Vec<(u64, Vec<(i64, i64)>)> {
        intake.close_run();
        std::iter::from_fn(|| intake.take_run())
            .map(|run| {
                let times = run.records.iter().map(|r| (r.time, r.clock)).collect();
                (run.first, times)
            })
            .collect()
    }

    #[test]
    fn the_clock_never_runs_back_and_starts_with_the_first_record() {
        let mut intake = Intake::default();
        for time in [Some(-5), None, Some(-9), Some(3), Some(1), None] {
            intake.push(0, 1, 1, 1, time);
        }
        assert_eq!(
            times(&mut intake),
            [(
                0,
                vec![(-5, -5), (-5, -5), (-9, -5), (3, 3), (1, 3), (1, 3)]
            )]
        );
        let mut books = Books::default();
        intake.count(&mut books);
        intake.count(&mut books);
        assert_eq!(books.packets.read, 6);
        assert_eq!(books.anomalies.get(Anomaly::TimeMissing), 2);
        assert_eq!(books.anomalies.get(Anomaly::TimeRegressions), 3);
    }

    #[test]
    fn a_first_record_without_time_is_at_zero() {
        let mut intake = Intake::default();
        intake.push(0, 1, 1, 1, None);
        intake.push(0, 1, 1, 1, Some(-1));
        assert_eq!(times(&mut intake), [(0, vec![(0, 0), (-1, 0)])]);
    }

    #[test]
    fn records_outside_the_bounds_part_runs_and_move_the_clock() {
        let mut intake = Intake::new(Bounds {
            from: 10,
            to: Some(20),
            ..Bounds::default()
        });
        for (time, captured) in [(9, 1), (10, 1), (19, 1), (20, 1), (15, 1), (30, 0)] {
            intake.push(0, captured, 1, 1, Some(time));
        }
        assert_eq!(
            times(&mut intake),
            [
                (1, vec![(10, 10), (19, 19)]),
                // The empty record is listed: the decoder skips it as `empty`, which comes first.
                (4, vec![(15, 20), (30, 30)])
            ]
        );
        let mut books = Books::default();
        intake.count(&mut books);
        assert_eq!(books.packets.read, 6);
        assert_eq!(books.packets.skipped.get(Skip::Filtered), 2);
    }
}
