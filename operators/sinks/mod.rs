//! Rows to files.

mod file;
mod options;
mod sink;
mod text;

pub use options::{
    ArrowOptions, Compression, CsvOptions, JsonlOptions, ParquetOptions, Sort, StdoutOptions,
};
pub use sink::{Description, Sink};
