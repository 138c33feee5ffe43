//! Rows to Parquet: one file, row groups of a stated number of rows, definitions and units in the metadata.
//!
//! Rows come in order; sorting is not done here.

use super::file::WholeFile;
use super::record_batch::{record_batch, schema};
use super::{Compression, Description, ParquetOptions, Sink};
use crate::columns::Columns;
use crate::error::Error;
use arrow::datatypes::SchemaRef;
use parquet::arrow::ArrowWriter;
use parquet::basic::Compression as Codec;
use parquet::errors::ParquetError;
use parquet::file::metadata::KeyValue;
use parquet::file::properties::WriterProperties;

struct Parquet {
    writer: ArrowWriter<WholeFile>,
    schema: SchemaRef,
    rows: u64,
}

/// A Parquet file.
///
/// # Errors
/// The file cannot be made.
pub fn open(
    options: &ParquetOptions,
    description: &Description,
    run: &str,
) -> Result<Box<dyn Sink>, Error> {
    let file = WholeFile::create(&options.path, options.overwrite, run)?;
    let schema = schema(description);
    let pairs = description.metadata.iter();
    let properties = WriterProperties::builder()
        .set_compression(match options.compression {
            Compression::None => Codec::UNCOMPRESSED,
            Compression::Zstd => Codec::ZSTD(Default::default()),
            Compression::Snappy => Codec::SNAPPY,
            Compression::Lz4 => Codec::LZ4_RAW,
        })
        .set_max_row_group_row_count(Some(options.row_group.0.get()))
        .set_key_value_metadata(Some(
            pairs
                .map(|(key, value)| KeyValue::new(key.clone(), value.clone()))
                .collect(),
        ))
        .build();
    let path = &options.path;
    let writer = ArrowWriter::try_new(file, schema.clone(), Some(properties))
        .map_err(|error| Error::new(format!("cannot write {path}: {error}")).because(error))?;
    Ok(Box::new(Parquet {
        writer,
        schema,
        rows: 0,
    }))
}

impl Parquet {
    fn failed(&self, error: ParquetError) -> Error {
        self.writer.inner().failed(error)
    }
}

impl Sink for Parquet {
    fn write(&mut self, rows: &Columns) -> Result<(), Error> {
        record_batch(rows, &self.schema)
            .map_err(ParquetError::from)
            .and_then(|batch| self.writer.write(&batch))
            .map_err(|error| self.failed(error))?;
        self.rows += rows.rows() as u64;
        Ok(())
    }

    fn commit(mut self: Box<Self>) -> Result<u64, Error> {
        self.writer.finish().map_err(|error| self.failed(error))?;
        self.writer.inner_mut().commit()?; // `finish` flushed everything into it
        Ok(self.rows)
    }

    fn abort(self: Box<Self>) {}
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sinks::sample;
    use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
    use parquet::basic::{ConvertedType, LogicalType, TimeUnit};

    fn bytes(options: &ParquetOptions) -> Vec<u8> {
        let (description, rows) = sample::rows();
        sample::written(|path| {
            let options = ParquetOptions { path, ..options.clone() };
            let mut sink = open(&options, &description, "1-0")?;
            sink.write(&rows)?;
            sink.write(&rows)?;
            sink.commit()
        })
    }

    #[test]
    fn every_type_and_codec_reads_back() {
        let (description, rows) = sample::rows();
        for compression in [Compression::None, Compression::Zstd, Compression::Snappy, Compression::Lz4] {
            let options = ParquetOptions { compression, ..ParquetOptions::default() };
            let builder = ParquetRecordBatchReaderBuilder::try_new(bytes::Bytes::from(bytes(&options))).unwrap();
            let batches: Vec<_> = builder.build().unwrap().map(Result::unwrap).collect();
            let read = arrow::compute::concat_batches(&batches[0].schema(), &batches).unwrap();
            let expected = record_batch(&rows, &schema(&description)).unwrap();
            assert_eq!(read.columns(), arrow::compute::concat_batches(&expected.schema(), [&expected, &expected]).unwrap().columns());
        }
    }
}
