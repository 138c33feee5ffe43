//! Files of rows as columns of text: CSV, JSON Lines, Parquet, Arrow IPC. Joins read tables through it.
//!
//! Files of lines may be compressed with gzip or Zstandard, whatever they are called. Every format comes to the same cells: text, with a mark that says whether it was written as text. What a column means is said by the
//! file (Parquet, Arrow) or found out over all of it ([`kind`]); nothing here knows what the rows are for.

mod arrow;
mod cells;
mod claims;
mod csv;
mod guard;
mod jsonl;
pub mod kind;
#[doc(hidden)]
pub mod total;
mod unpack;

pub(crate) use arrow::batches;
pub use cells::{Cells, Mark};
pub use guard::guarded;
pub(crate) use unpack::{inner, open as open_lines};

use crate::error::Error;
use crate::schema::DataType;
use std::fmt;
use std::fs::File;
use std::path::Path;

/// How the rows of a file are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// Comma-separated values, or such with another delimiter; the first line names the columns.
    Csv {
        /// What is between two values.
        delimiter: u8,
    },
    /// One JSON object a line.
    Jsonl,
    /// A Parquet file.
    Parquet,
    /// An Arrow IPC file.
    Arrow,
}

impl Format {
    /// Whether it is text, which may be compressed.
    pub const fn has_lines(self) -> bool {
        matches!(self, Self::Csv { .. } | Self::Jsonl)
    }

    /// That which the name of a file implies.
    pub fn of_path(path: &Path) -> Option<Self> {
        let name = path.file_name()?.to_str()?;
        let is_packed = inner(name).len() < name.len();
        let extension = Path::new(inner(name)).extension()?.to_str()?;
        [
            ("csv", Self::Csv { delimiter: b',' }),
            ("jsonl", Self::Jsonl),
            ("parquet", Self::Parquet),
            ("arrow", Self::Arrow),
        ]
        .into_iter()
        .find(|(name, _)| extension.eq_ignore_ascii_case(name))
        .map(|(_, format)| format)
        .filter(|format| !is_packed || format.has_lines())
    }
}

/// A column of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Heading {
    /// Its name, without blanks around it.
    pub name: String,
    /// Its type, where the file says it.
    pub kind: Option<DataType>,
}

/// Some rows of a file.
#[derive(Clone, Debug, Default)]
pub struct Part {
    /// The line of each row, from 1; of files without lines the number of the row.
    pub lines: Vec<u64>,
    /// The columns that were chosen, in their order.
    pub columns: Vec<Cells>,
}

/// Where the rows of a format come from.
trait Rows {
    /// Adds about as many rows to a part with a column for each of `chosen`; `false` = there are no more.
    ///
    /// # Errors
    /// The file cannot be read, or is not of its format.
    fn fill(&mut self, chosen: &[usize], rows: usize, part: &mut Part) -> Result<bool, Error>;
}

/// A file of rows that is being read.
pub struct Reader {
    headings: Vec<Heading>,
    chosen: Vec<usize>,
    rows: Box<dyn Rows>,
}

impl Reader {
    /// Opens a file and finds out which columns it has. Of JSON Lines they are all keys of all lines, so the file is read for it.
    ///
    /// # Errors
    /// It cannot be read, or is not of this format.
    pub fn open(path: &Path, format: Format) -> Result<Self, Error> {
        let (headings, rows): (Vec<Heading>, Box<dyn Rows>) = match format {
            Format::Csv { delimiter } => csv::open(path, delimiter)?,
            Format::Jsonl => jsonl::open(path)?,
            Format::Parquet | Format::Arrow => {
                let file = File::open(path).map_err(|error| Error::file("read", path, error))?;
                arrow::open(file, path, format)?
            }
        };
        Ok(Self {
            chosen: (0..headings.len()).collect(),
            headings,
            rows,
        })
    }

    /// Its columns.
    pub fn headings(&self) -> &[Heading] {
        &self.headings
    }

    /// Reads only these columns from now on, by their places.
    pub fn choose(&mut self, places: Vec<usize>) {
        self.chosen = places;
    }

    /// About as many more rows; `None` = there are no more.
    ///
    /// # Errors
    /// The file cannot be read on, or is not of its format.
    pub fn next(&mut self, rows: usize) -> Result<Option<Part>, Error> {
        let mut part = Part {
            lines: Vec::new(),
            columns: vec![Cells::default(); self.chosen.len()],
        };
        while part.lines.is_empty() {
            if !self.rows.fill(&self.chosen, rows, &mut part)? && part.lines.is_empty() {
                return Ok(None);
            }
        }
        Ok(Some(part))
    }
}

fn unreadable(path: &Path, why: impl fmt::Display) -> Error {
    Error::new(format!("cannot read rows of {}: {why}", path.display()))
}

#[cfg(test)]
mod tests;
