//! The settings of `[sinks.N]`, one struct a type.

use crate::options::Options;

/// Order of the rows of a sink.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Options)]
pub enum Sort {
    /// By start time, then source and record of the first packet: the same order in every run.
    Start,
    /// As they end: the same rows in any order.
    None,
}

/// Compression of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Options)]
pub enum Compression {
    /// None.
    None,
    /// Zstandard.
    Zstd,
    /// Snappy (Parquet only).
    Snappy,
    /// LZ4 (Parquet: LZ4_RAW; Arrow: LZ4 frame).
    Lz4,
}

/// Settings of a sink of type `csv` (RFC 4180).
#[derive(Clone, Debug, Options)]
pub struct CsvOptions {
    /// The file; `-` is standard output.
    #[option(required)]
    pub path: String,
    /// Whether the first line has the names of the columns.
    #[option(default = "true")]
    pub header: bool,
    /// One character between cells.
    #[option(default = ",")]
    pub delimiter: String,
    /// Order of the rows.
    #[option(default = "start")]
    pub sort: Sort,
    /// Whether an existing file is replaced, at the end and at once.
    #[option(default = "false")]
    pub overwrite: bool,
}

/// Settings of a sink of type `jsonl`: one JSON object a line.
#[derive(Clone, Debug, Options)]
pub struct JsonlOptions {
    /// The file; `-` is standard output.
    #[option(required)]
    pub path: String,
    /// Order of the rows.
    #[option(default = "start")]
    pub sort: Sort,
    /// Whether an existing file is replaced, at the end and at once.
    #[option(default = "false")]
    pub overwrite: bool,
}

/// Settings of a sink of type `parquet`.
#[derive(Clone, Debug, Options)]
pub struct ParquetOptions {
    /// The file.
    #[option(required)]
    pub path: String,
    /// Compression of the pages.
    #[option(default = "zstd")]
    pub compression: Compression,
    /// Rows of a row group.
    #[option(default = "131072")]
    pub row_group: usize,
    /// Order of the rows.
    #[option(default = "start")]
    pub sort: Sort,
    /// Whether an existing file is replaced, at the end and at once.
    #[option(default = "false")]
    pub overwrite: bool,
}

/// Settings of a sink of type `arrow`: an Arrow IPC file.
#[derive(Clone, Debug, Options)]
pub struct ArrowOptions {
    /// The file.
    #[option(required)]
    pub path: String,
    /// Compression of the buffers: `none`, `zstd` or `lz4`.
    #[option(default = "none")]
    pub compression: Compression,
    /// Order of the rows.
    #[option(default = "start")]
    pub sort: Sort,
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
}
