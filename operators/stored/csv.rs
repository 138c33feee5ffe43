//! Comma-separated values (RFC 4180), as published tables have them: blanks around names and numbers, lines that are too short or too
//! long, bytes that are no UTF-8.

use super::{Heading, Part, Rows, open_lines, unreadable};
use crate::error::Error;
use csv::{ByteRecord, ReaderBuilder};
use std::io::Read;
use std::path::{Path, PathBuf};

struct Lines {
    reader: csv::Reader<Box<dyn Read>>,
    record: ByteRecord,
    path: PathBuf,
}

/// The columns and rows of a file.
pub(super) fn open(path: &Path, delimiter: u8) -> Result<(Vec<Heading>, Box<dyn Rows>), Error> {
    let mut reader = ReaderBuilder::new()
        .delimiter(delimiter)
        .flexible(true)
        .from_reader(open_lines(path)?);
    let head = reader
        .byte_headers()
        .map_err(|error| unreadable(path, error))?;
    let headings = head.iter().map(|name| {
        let name = String::from_utf8_lossy(name);
        Heading {
            name: name.trim_start_matches('\u{feff}').trim().to_owned(),
            kind: None,
        }
    });
    let headings = headings.collect();
    let lines = Lines {
        reader,
        record: ByteRecord::new(),
        path: path.to_owned(),
    };
    Ok((headings, Box::new(lines)))
}

impl Rows for Lines {
    fn fill(&mut self, chosen: &[usize], rows: usize, part: &mut Part) -> Result<bool, Error> {
        for _ in 0..rows {
            let read = self.reader.read_byte_record(&mut self.record);
            if !read.map_err(|error| unreadable(&self.path, error))? {
                return Ok(false);
            }
            // where its reading starts: behind an empty line, that line
            let line = self.record.position().map_or(0, csv::Position::line);
            part.lines.push(line);
            for (cells, place) in part.columns.iter_mut().zip(chosen) {
                cells.push_plain(self.record.get(*place).unwrap_or_default());
            }
        }
        Ok(true)
    }
}
