//! Rows to an Arrow IPC file: one record batch a batch of rows.
//!
//! Rows come in order; sorting is not done here.

use super::file::WholeFile;
use super::record_batch::{record_batch, schema};
use super::{ArrowCompression, ArrowOptions, Description, Sink};
use crate::columns::Columns;
use crate::error::Error;
use arrow::datatypes::SchemaRef;
use arrow::error::ArrowError;
use arrow::ipc::CompressionType;
use arrow::ipc::writer::{FileWriter, IpcWriteOptions};
use std::io::BufWriter;

/// Bytes handed to the file at once; larger buffers pass by.
const PIECE: usize = 1 << 18;

struct Arrow {
    writer: FileWriter<BufWriter<WholeFile>>,
    schema: SchemaRef,
    rows: u64,
}

/// An Arrow IPC file.
///
/// # Errors
/// The file cannot be made.
pub fn open(
    options: &ArrowOptions,
    description: &Description,
    run: &str,
) -> Result<Box<dyn Sink>, Error> {
    let file = WholeFile::create(&options.path, options.overwrite, run)?;
    let schema = schema(description);
    let path = &options.path;
    let writer = IpcWriteOptions::default()
        .try_with_compression(match options.compression {
            ArrowCompression::None => None,
            ArrowCompression::Zstd => Some(CompressionType::ZSTD),
            ArrowCompression::Lz4 => Some(CompressionType::LZ4_FRAME),
        })
        .and_then(|settings| {
            let out = BufWriter::with_capacity(PIECE, file);
            FileWriter::try_new_with_options(out, &schema, settings)
        })
        .map_err(|error| Error::new(format!("cannot write {path}: {error}")).because(error))?;
    Ok(Box::new(Arrow {
        writer,
        schema,
        rows: 0,
    }))
}

impl Arrow {
    fn failed(&self, error: ArrowError) -> Error {
        self.writer.get_ref().get_ref().failed(error)
    }
}

impl Sink for Arrow {
    fn write(&mut self, rows: &Columns) -> Result<(), Error> {
        record_batch(rows, &self.schema)
            .and_then(|batch| self.writer.write(&batch))
            .map_err(|error| self.failed(error))?;
        self.rows += rows.rows() as u64;
        Ok(())
    }

    fn commit(mut self: Box<Self>) -> Result<u64, Error> {
        self.writer
            .finish()
            .and_then(|()| self.writer.flush())
            .map_err(|error| self.failed(error))?;
        self.writer.get_mut().get_mut().commit()?;
        Ok(self.rows)
    }

    fn abort(self: Box<Self>) {}
}
