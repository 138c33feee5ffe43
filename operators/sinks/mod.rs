//! Rows to files.

mod options;
mod sink;

pub use options::{
    ArrowOptions, Compression, CsvOptions, JsonlOptions, ParquetOptions, Sort, StdoutOptions,
};
pub use sink::{Description, Sink};
