//! Rows to an Arrow IPC file: one record batch a batch of rows.
//!
//! Rows come in order; sorting is not done here.

use super::file::{PIECE, WholeFile};
use super::record_batch::{record_batch, schema};
use super::{ArrowCompression, ArrowOptions, Description, Fact, Sink};
use crate::columns::Columns;
use crate::error::Error;
use arrow::datatypes::SchemaRef;
use arrow::error::ArrowError;
use arrow::ipc::CompressionType;
use arrow::ipc::writer::{FileWriter, IpcWriteOptions};
use std::io::BufWriter;

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
    fn write(&mut self, rows: Columns) -> Result<(), Error> {
        self.rows += rows.rows() as u64;
        record_batch(rows, &self.schema)
            .and_then(|batch| self.writer.write(&batch))
            .map_err(|error| self.failed(error))
    }

    fn tell(&mut self, facts: &[Fact]) -> Result<(), Error> {
        // the schema is written already, the footer is not
        for (key, value) in facts {
            self.writer.write_metadata(key, value);
        }
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sinks::sample;
    use arrow::ipc::reader::FileReader;

    fn file(compression: ArrowCompression) -> std::fs::File {
        let (description, rows) = sample::rows();
        sample::file(|path| {
            let options = ArrowOptions {
                path,
                compression,
                ..ArrowOptions::default()
            };
            let mut sink = open(&options, &description, "1-0")?;
            sink.write(rows.clone())?;
            sink.write(Columns::new(&description.schema))?;
            sink.write(rows)?;
            sink.commit()
        })
    }

    #[test]
    fn every_type_and_codec_reads_back() {
        let (description, rows) = sample::rows();
        let expected = record_batch(rows, &schema(&description)).unwrap();
        for compression in [
            ArrowCompression::None,
            ArrowCompression::Zstd,
            ArrowCompression::Lz4,
        ] {
            let reader = FileReader::try_new(file(compression), None).unwrap();
            assert_eq!(reader.schema(), schema(&description), "metadata and all");
            let batches: Vec<_> = reader.map(Result::unwrap).collect();
            assert_eq!(batches.len(), 3);
            assert_eq!(batches[0], expected);
            assert_eq!(batches[1].num_rows(), 0);
            assert_eq!(batches[2], expected);
        }
    }
}
