//! The settings of `[sinks.N]`, one struct a type.

use crate::options::{OptionError, OptionValue, Options, Setting, Wrong, wrong_kind};
use crate::privacy::Anonymise;

/// Order of the rows of a sink.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Options)]
pub enum Sort {
    /// By start time, then source and record of the first packet: the same order in every run.
    Start,
    /// As they end: the same rows in any order.
    None,
}

/// Compression of a Parquet file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Options)]
pub enum Compression {
    /// None.
    None,
    /// Snappy.
    Snappy,
    /// LZ4 (`LZ4_RAW`).
    Lz4,
    /// Zstandard.
    Zstd,
}

/// Compression of a file of lines.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Options)]
pub enum TextCompression {
    /// None.
    None,
    /// Gzip.
    Gzip,
    /// Zstandard.
    Zstd,
}

impl TextCompression {
    /// That which the ending of a path means.
    pub fn of_path(path: &str) -> Self {
        let ends = |ending: &str| {
            let end = path
                .len()
                .checked_sub(ending.len())
                .and_then(|at| path.get(at..));
            end.is_some_and(|end| end.eq_ignore_ascii_case(ending))
        };
        match (ends(".gz"), ends(".zst")) {
            (true, _) => Self::Gzip,
            (_, true) => Self::Zstd,
            _ => Self::None,
        }
    }
}

/// Compression of an Arrow file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Options)]
pub enum ArrowCompression {
    /// None.
    None,
    /// Zstandard.
    Zstd,
    /// LZ4 frames.
    Lz4,
}

/// What stands between two cells: an ASCII character that no number, quoted cell or line end has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Delimiter(pub u8);

impl OptionValue for Delimiter {
    fn kind() -> String {
        "one character such as \",\", \";\" or a tab".to_owned()
    }

    fn read(setting: &Setting) -> Result<Self, OptionError> {
        let Setting::Text(text) = setting else {
            return wrong_kind(&Self::kind(), setting);
        };
        match text.as_bytes() {
            [byte]
                if byte.is_ascii()
                    && !byte.is_ascii_alphanumeric()
                    && !b"\"\r\n\0.+-".contains(byte) =>
            {
                Ok(Self(*byte))
            }
            _ => Err(Wrong::Other(format!("expected {}, found {text:?}", Self::kind())).into()),
        }
    }
}

/// Rows of a row group, 1 or more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RowGroup(pub std::num::NonZeroUsize);

impl OptionValue for RowGroup {
    fn kind() -> String {
        "a whole number, 1 or more".to_owned()
    }

    fn read(setting: &Setting) -> Result<Self, OptionError> {
        let Setting::Int(number) = setting else {
            return wrong_kind(&Self::kind(), setting);
        };
        usize::try_from(*number)
            .ok()
            .and_then(std::num::NonZeroUsize::new)
            .map(Self)
            .ok_or_else(|| {
                Wrong::Other(format!("expected {}, found {number}", Self::kind())).into()
            })
    }
}

/// Settings of a sink of type `csv` (RFC 4180).
#[derive(Clone, Debug, Options)]
pub struct CsvOptions {
    /// The file; `-` is standard output. With `{COLUMN}` or `{start:%Y-%m-%d}` in it there is a file for each value.
    #[option(required)]
    pub path: String,
    /// Whether the first line has the names of the columns.
    #[option(default = "true")]
    pub header: bool,
    /// One character between cells.
    #[option(default = ",")]
    pub delimiter: Delimiter,
    /// Compression; by default what the ending of the path says: `.gz` or `.zst`, else none.
    #[option]
    pub compression: Option<TextCompression>,
    /// Order of the rows.
    #[option(default = "start")]
    pub sort: Sort,
    /// How its rows are made anonymous: a table `{ addresses, names, key_file, key }`. By default they are not.
    #[option]
    pub anonymise: Option<Anonymise>,
    /// Whether `OUT.provenance.json` beside the file says how it was made.
    #[option(default = "true")]
    pub provenance: bool,
    /// Whether an existing file is replaced, at the end and at once.
    #[option(default = "false")]
    pub overwrite: bool,
}

/// Settings of a sink of type `jsonl`: one JSON object a line.
#[derive(Clone, Debug, Options)]
pub struct JsonlOptions {
    /// The file; `-` is standard output. With `{COLUMN}` or `{start:%Y-%m-%d}` in it there is a file for each value.
    #[option(required)]
    pub path: String,
    /// Compression; by default what the ending of the path says: `.gz` or `.zst`, else none.
    #[option]
    pub compression: Option<TextCompression>,
    /// Order of the rows.
    #[option(default = "start")]
    pub sort: Sort,
    /// How its rows are made anonymous: a table `{ addresses, names, key_file, key }`. By default they are not.
    #[option]
    pub anonymise: Option<Anonymise>,
    /// Whether `OUT.provenance.json` beside the file says how it was made.
    #[option(default = "true")]
    pub provenance: bool,
    /// Whether an existing file is replaced, at the end and at once.
    #[option(default = "false")]
    pub overwrite: bool,
}

/// Settings of a sink of type `parquet`.
#[derive(Clone, Debug, Options)]
pub struct ParquetOptions {
    /// The file. With `{COLUMN}` or `{start:%Y-%m-%d}` in it there is a file for each value.
    #[option(required)]
    pub path: String,
    /// Compression of the pages.
    #[option(default = "zstd")]
    pub compression: Compression,
    /// Rows of a row group, at most; of wide tables as many as take about 32 MiB before they are encoded.
    #[option(default = "131072")]
    pub row_group: RowGroup,
    /// Order of the rows.
    #[option(default = "start")]
    pub sort: Sort,
    /// How its rows are made anonymous: a table `{ addresses, names, key_file, key }`. By default they are not.
    #[option]
    pub anonymise: Option<Anonymise>,
    /// Whether an existing file is replaced, at the end and at once.
    #[option(default = "false")]
    pub overwrite: bool,
}

/// Settings of a sink of type `arrow`: an Arrow IPC file.
#[derive(Clone, Debug, Options)]
pub struct ArrowOptions {
    /// The file. With `{COLUMN}` or `{start:%Y-%m-%d}` in it there is a file for each value.
    #[option(required)]
    pub path: String,
    /// Compression of the buffers.
    #[option(default = "none")]
    pub compression: ArrowCompression,
    /// Order of the rows.
    #[option(default = "start")]
    pub sort: Sort,
    /// How its rows are made anonymous: a table `{ addresses, names, key_file, key }`. By default they are not.
    #[option]
    pub anonymise: Option<Anonymise>,
    /// Whether an existing file is replaced, at the end and at once.
    #[option(default = "false")]
    pub overwrite: bool,
}

/// Settings of a sink of type `stdout`: a readable table of few columns for a terminal.
#[derive(Clone, Debug, Options)]
pub struct StdoutOptions {
    /// Rows to show at most; the rest is counted.
    #[option(default = "40")]
    pub rows: usize,
    /// How its rows are made anonymous: a table `{ addresses, names, key_file, key }`. By default they are not.
    #[option]
    pub anonymise: Option<Anonymise>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_delimiter_is_one_character_that_cells_can_be_told_by() {
        let read = |text: &str| Delimiter::read(&Setting::Text(text.to_owned()));
        for good in [",", ";", "\t", "|", " "] {
            assert_eq!(read(good), Ok(Delimiter(good.as_bytes()[0])));
        }
        for bad in ["", ",,", "\"", "\n", "-", ".", "5", "e", "\u{e9}"] {
            assert!(read(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn defaults_can_be_read() {
        assert_eq!(CsvOptions::default().delimiter, Delimiter(b','));
        assert_eq!(ParquetOptions::default().row_group.0.get(), 131_072);
        assert_eq!(ArrowOptions::default().compression, ArrowCompression::None);
        assert!(JsonlOptions::default().path.is_empty());
        assert_eq!(StdoutOptions::default().rows, 40);
        assert!(RowGroup::read(&Setting::Int(0)).is_err());
    }
}
