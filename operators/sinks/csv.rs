//! Rows to CSV (RFC 4180), lines ending in LF: numbers plain, lists as a JSON array in one cell, null an empty cell.
//!
//! Cells are written by hand, numbers without a look for quotes; tests hold the bytes equal to those of the `csv` crate. Two
//! things differ from it on purpose: empty text is `""`, so that it is not null, and text that a spreadsheet would take for a
//! formula (`= + - @`) has its first character escaped as `\xNN`. Rows come in order; sorting is not done here.

use super::file::WholeFile;
use super::lines::Lines;
use super::{CsvOptions, Description, Sink, TextCompression, text};
use crate::columns::{Column, Columns, Values};
use crate::error::Error;
use crate::schema::Schema;

struct Csv {
    lines: Lines,
    delimiter: u8,
}

/// A CSV file.
///
/// # Errors
/// The file cannot be made.
pub fn open(
    options: &CsvOptions,
    description: &Description,
    run: &str,
) -> Result<Box<dyn Sink>, Error> {
    let file = WholeFile::create(&options.path, options.overwrite, run)?;
    let delimiter = options.delimiter.0;
    let head = if options.header {
        header(&description.schema, delimiter)
    } else {
        Vec::new()
    };
    let compression = options.compression;
    let compression = compression.unwrap_or_else(|| TextCompression::of_path(&options.path));
    Ok(Box::new(Csv {
        lines: Lines::new(file, compression, head)?,
        delimiter,
    }))
}

fn header(schema: &Schema, delimiter: u8) -> Vec<u8> {
    let mut out = Vec::new();
    for (at, feature) in schema.iter().enumerate() {
        if at > 0 {
            out.push(delimiter);
        }
        quoted(&mut out, delimiter, feature.name.as_bytes());
    }
    out.push(b'\n');
    out
}

fn line(out: &mut Vec<u8>, delimiter: u8, columns: &[Column], row: usize) {
    let start = out.len();
    for (at, column) in columns.iter().enumerate() {
        if at > 0 {
            out.push(delimiter);
        }
        cell(out, delimiter, column, row);
    }
    if out.len() == start {
        out.extend_from_slice(b"\"\""); // a lone empty cell would be an empty line, which readers pass over
    }
    out.push(b'\n');
}

impl Sink for Csv {
    fn write(&mut self, rows: Columns) -> Result<(), Error> {
        let delimiter = self.delimiter;
        self.lines.write(&rows, |out, columns, row| {
            line(out, delimiter, columns, row);
        })
    }

    fn commit(self: Box<Self>) -> Result<u64, Error> {
        self.lines.commit()
    }

    fn abort(self: Box<Self>) {}
}

#[inline]
fn cell(out: &mut Vec<u8>, delimiter: u8, column: &Column, row: usize) {
    if text::is_absent(column, row) {
        return;
    }
    match &column.values {
        Values::Text { ends, bytes } => {
            let bytes = &bytes[crate::columns::span(ends, row)];
            match bytes.split_first() {
                Some((first @ (b'=' | b'+' | b'-' | b'@'), rest)) => {
                    let mut escaped = format!("\\x{first:02x}").into_bytes();
                    escaped.extend_from_slice(rest);
                    quoted(out, delimiter, &escaped);
                }
                _ => quoted(out, delimiter, bytes),
            }
        }
        Values::Address(_) | Values::List { .. } | Values::Struct(_) => {
            let start = out.len();
            text::plain(out, column, row);
            if needs_quotes(&out[start..], delimiter) {
                let plain = out.split_off(start);
                quoted(out, delimiter, &plain);
            }
        }
        _ => text::plain(out, column, row), // no delimiter is part of a number
    }
}

fn needs_quotes(cell: &[u8], delimiter: u8) -> bool {
    cell.is_empty()
        || cell
            .iter()
            .any(|byte| matches!(byte, b'"' | b'\n' | b'\r') || *byte == delimiter)
}

fn quoted(out: &mut Vec<u8>, delimiter: u8, cell: &[u8]) {
    if !needs_quotes(cell, delimiter) {
        return out.extend_from_slice(cell);
    }
    out.push(b'"');
    for byte in cell {
        if *byte == b'"' {
            out.push(b'"');
        }
        out.push(*byte);
    }
    out.push(b'"');
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sinks::sample;
    use proptest::prelude::*;

    fn written(options: CsvOptions, description: &Description, rows: &Columns) -> Vec<u8> {
        sample::written(|path| {
            let options = CsvOptions {
                path,
                ..options.clone()
            };
            let mut sink = open(&options, description, "1-0")?;
            sink.write(rows.clone())?;
            sink.commit()
        })
    }

    #[test]
    fn every_type_reads_back() {
        let (description, rows) = sample::rows();
        let bytes = written(CsvOptions::default(), &description, &rows);
        let mut reader = csv::Reader::from_reader(bytes.as_slice());
        assert_eq!(reader.headers().unwrap(), &sample::names(&description)[..]);
        let records: Vec<csv::StringRecord> = reader.records().map(Result::unwrap).collect();
        assert_eq!(records.len(), rows.rows());
        for (row, record) in records.iter().enumerate() {
            for (cell, expected) in record.iter().zip(&sample::CELLS[row]) {
                assert_eq!(cell, *expected, "row {row}");
            }
        }
    }

    #[test]
    fn null_and_empty_text_differ() {
        let (description, rows) = sample::texts(&[None, Some("")]);
        let options = CsvOptions {
            header: false,
            ..CsvOptions::default()
        };
        assert_eq!(written(options, &description, &rows), b"0,\n1,\"\"\n");
    }

    #[test]
    fn formulas_are_escaped_and_numbers_are_not() {
        let (description, rows) = sample::texts(&[
            Some("=1+1"),
            Some("+1"),
            Some("-1,2"),
            Some("@a"),
            Some("a=b"),
        ]);
        let options = CsvOptions {
            header: false,
            ..CsvOptions::default()
        };
        assert_eq!(
            String::from_utf8(written(options, &description, &rows)).unwrap(),
            "0,\\x3d1+1\n1,\\x2b1\n2,\"\\x2d1,2\"\n3,\\x40a\n4,a=b\n"
        );
    }

    proptest! {
        /// The `csv` crate writes the same bytes, for any text and delimiter.
        #[test]
        fn cells_are_those_of_the_csv_crate(
            cells in proptest::collection::vec("[^=+@-]\\PC*|[a\",;\n\r\t \u{202e}]+", 1..6),
            delimiter in prop_oneof![Just(b','), Just(b';'), Just(b'\t')],
        ) {
            let texts: Vec<Option<&str>> = cells.iter().map(|cell| Some(cell.as_str())).collect();
            let (description, rows) = sample::texts(&texts);
            let options = CsvOptions { delimiter: super::super::Delimiter(delimiter), ..CsvOptions::default() };
            let mut expected = csv::WriterBuilder::new().delimiter(delimiter).from_writer(Vec::new());
            expected.write_record(["row", "text"]).unwrap();
            for (row, cell) in cells.iter().enumerate() {
                expected.write_record([row.to_string().as_str(), cell]).unwrap();
            }
            prop_assert_eq!(written(options, &description, &rows), expected.into_inner().unwrap());
        }
    }
}
