//! What a sink is.

use crate::columns::Columns;
use crate::error::Error;
use crate::schema::Schema;
use crate::sinks::{Fact, Sorted};

/// What a sink is told about its rows.
#[derive(Clone, Debug, Default)]
pub struct Description {
    /// The columns it gets.
    pub schema: Schema,
    /// What goes into the metadata of files that have such: (key, value), in this order.
    pub metadata: Vec<(String, String)>,
    /// Whether the rows are a graph whose edges have no direction.
    pub is_undirected: bool,
}

/// What a sink of several files has made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FileCount {
    /// Files.
    pub files: u64,
    /// Bytes of all of them.
    pub bytes: u64,
}

/// A destination of rows: they appear whole at `commit` or not at all.
///
/// Its methods run in a pool of threads: what is worth it uses all of them (`rayon`), with the same bytes for any number.
///
/// Made by an `open` function of each sink's file, which refuses an existing path before a packet is read.
pub trait Sink: Send {
    /// Rows as they go into the sorter: a sink of several files says to which one each goes.
    ///
    /// # Errors
    /// There are too many files, or one is there already.
    fn place(&mut self, rows: Columns) -> Result<Columns, Error> {
        Ok(rows)
    }

    /// Takes rows in output order.
    ///
    /// # Errors
    /// The destination failed; the run fails, and `abort` follows.
    fn write(&mut self, rows: Columns) -> Result<(), Error>;

    /// Takes all rows at once, in output order.
    ///
    /// # Errors
    /// As `write`, or a temporary file cannot be read.
    fn write_sorted(&mut self, rows: Sorted) -> Result<(), Error> {
        for batch in rows {
            self.write(batch?)?;
        }
        Ok(())
    }

    /// Takes what is known when all rows have come, before those that were sorted are written; only formats with metadata have a
    /// place for it.
    ///
    /// # Errors
    /// The destination failed.
    fn tell(&mut self, _: &[Fact]) -> Result<(), Error> {
        Ok(())
    }

    /// The files that it has made, when all rows are written; `None` = it makes one.
    fn count(&self) -> Option<FileCount> {
        None
    }

    /// Makes everything written appear under its final name, and gives the number of rows that the destination confirmed.
    ///
    /// # Errors
    /// The destination failed; nothing was left behind.
    fn commit(self: Box<Self>) -> Result<u64, Error>;

    /// Removes what was written.
    fn abort(self: Box<Self>);
}
