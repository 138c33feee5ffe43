//! Rows to lines of text: what CSV and JSON Lines share.
//!
//! Lines are put together in pieces, each by whichever thread is free, and written in the order of the rows: to a stream as soon
//! as they come, to a file when there are many.

use super::TextCompression;
use super::file::{PIECE, WholeFile};
use super::packer::Packer;
use crate::columns::{Column, Columns};
use crate::error::Error;
use rayon::iter::{IntoParallelIterator as _, ParallelIterator as _};

/// Rows that a thread puts together at a time.
const ROWS: usize = 512;

/// A file of lines.
pub struct Lines {
    file: Packer,
    out: Vec<u8>,
    rows: u64,
}

impl Lines {
    /// Lines for `file`, which starts with `head`.
    ///
    /// # Errors
    /// There is no memory to compress them.
    pub fn new(
        file: WholeFile,
        compression: TextCompression,
        head: Vec<u8>,
    ) -> Result<Self, Error> {
        Ok(Self {
            file: Packer::new(file, compression)?,
            out: head,
            rows: 0,
        })
    }

    /// Writes rows; `line` adds that of one.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn write(
        &mut self,
        rows: &Columns,
        line: impl Fn(&mut Vec<u8>, &[Column], usize) + Sync,
    ) -> Result<(), Error> {
        let count = rows.rows();
        self.rows += count as u64;
        let pieces: Vec<Vec<u8>> = (0..count.div_ceil(ROWS))
            .into_par_iter()
            .map(|piece| {
                let mut out = Vec::new();
                for row in piece * ROWS..count.min((piece + 1) * ROWS) {
                    line(&mut out, &rows.columns, row);
                }
                out
            })
            .collect();
        for piece in pieces {
            self.out.extend_from_slice(&piece);
            if self.out.len() >= PIECE {
                self.file.put(&mut self.out)?;
            }
        }
        // who reads a stream need not wait for more
        if self.file.file().is_stream() && count > 0 {
            self.file.put(&mut self.out)?;
            self.file.flush()?;
        }
        Ok(())
    }

    /// Writes the line of a row that is put together already.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn put(&mut self, line: &[u8]) -> Result<(), Error> {
        self.rows += 1;
        self.tail(line)
    }

    /// Writes what is no row.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn tail(&mut self, text: &[u8]) -> Result<(), Error> {
        self.out.extend_from_slice(text);
        if self.out.len() >= PIECE {
            self.file.put(&mut self.out)?;
        }
        Ok(())
    }

    /// Makes the file appear, and gives the number of its rows.
    ///
    /// # Errors
    /// The file cannot be written; nothing was left behind.
    pub fn commit(mut self) -> Result<u64, Error> {
        self.file.put(&mut self.out)?;
        self.file.commit()?;
        Ok(self.rows)
    }
}
