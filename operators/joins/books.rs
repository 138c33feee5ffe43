//! Fates of rows and of lines, by join.

use crate::books::{Counts, LineSkip};
use serde::{Deserialize, Serialize};

/// Fates of the rows of one join: `offered = matched + unmatched`, `offered + copies = passed + left_out`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct JoinBooks {
    /// Rows that reached the join.
    pub offered: u64,
    /// Rows that something matches.
    pub matched: u64,
    /// Rows that nothing matches.
    pub unmatched: u64,
    /// Of the matched, those that several lines match.
    pub several: u64,
    /// Of the matched, those whose line has the ends the other way round.
    pub reversed: u64,
    /// Rows that several lines made more of, once for each further one.
    pub copies: u64,
    /// Rows that the mode of the join left out.
    pub left_out: u64,
    /// Rows that went on.
    pub passed: u64,
    /// The first row that several lines match, by its place in the order: start, number, and its lines in words. Kept where it is an error.
    pub first: Option<(i64, u64, String)>,
    /// Fates of the lines of the file, which every process reads: those of the first.
    pub file: Option<FileBooks>,
}

/// Fates of the lines of a file: `lines = used + repeated + skipped`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileBooks {
    /// Lines that were read.
    pub lines: u64,
    /// Lines that rows are compared with.
    pub used: u64,
    /// Lines that say the same as another one.
    pub repeated: u64,
    /// Lines that no row can match.
    pub skipped: Counts<LineSkip>,
    /// The first lines whose time is none, or none that is certain: file, line, what stands there and why.
    pub shown: Vec<String>,
}

impl JoinBooks {
    /// Adds the books of another worker.
    pub fn merge(&mut self, other: &Self) {
        self.offered += other.offered;
        self.matched += other.matched;
        self.unmatched += other.unmatched;
        self.several += other.several;
        self.reversed += other.reversed;
        self.copies += other.copies;
        self.left_out += other.left_out;
        self.passed += other.passed;
        self.note(other.first.clone());
        if self.file.is_none() {
            self.file.clone_from(&other.file);
        }
    }

    /// Keeps the first of two rows.
    pub fn note(&mut self, row: Option<(i64, u64, String)>) {
        let mine = self.first.take();
        self.first = match (mine, row) {
            (Some(one), Some(other)) => Some(one.min(other)),
            (one, other) => one.or(other),
        };
    }

    /// What must be equal: in words, left, right.
    pub fn sums(&self) -> Vec<(&'static str, u64, u64)> {
        let mut sums = vec![
            (
                "rows: offered = matched + unmatched,",
                self.offered,
                self.matched + self.unmatched,
            ),
            (
                "rows: offered + copies = passed + left_out,",
                self.offered + self.copies,
                self.passed + self.left_out,
            ),
        ];
        if let Some(file) = &self.file {
            sums.push((
                "lines: read = used + repeated + skipped,",
                file.lines,
                file.used + file.repeated + file.skipped.total(),
            ));
        }
        sums
    }
}
