//! Rows to Parquet: one file, row groups of a stated number of rows, definitions and units in the metadata.
//!
//! Columns are encoded and compressed side by side, each by whichever thread is free, and put into the file in their order.
//! Rows come in order; sorting is not done here.

use super::file::WholeFile;
use super::record_batch::{array, arrays, schema};
use super::{Compression, Description, Fact, ParquetOptions, Sink, Sorted, SortedColumns};
use crate::columns::{Column, Columns};
use crate::error::Error;
use arrow::array::{Array, ArrayRef};
use arrow::datatypes::{DataType as ArrowType, FieldRef, SchemaRef};
use parquet::arrow::ArrowWriter;
use parquet::arrow::arrow_writer::{
    ArrowColumnChunk, ArrowColumnWriter, ArrowRowGroupWriterFactory, compute_leaves,
};
use parquet::basic::Compression as Codec;
use parquet::errors::ParquetError;
use parquet::file::metadata::KeyValue;
use parquet::file::properties::WriterProperties;
use parquet::file::writer::SerializedFileWriter;
use parquet::schema::types::ColumnPath;
use rayon::iter::{
    IndexedParallelIterator as _, IntoParallelIterator as _, IntoParallelRefIterator as _,
    IntoParallelRefMutIterator as _, ParallelIterator as _,
};
use std::sync::Arc;

/// Bytes of the rows of a row group before they are encoded, about.
const GROUP_BYTES: usize = 32 << 20;

struct Parquet {
    writer: SerializedFileWriter<WholeFile>,
    schema: SchemaRef,
    groups: ArrowRowGroupWriterFactory,
    /// Rows of a row group.
    group_rows: usize,
    /// The columns of the row group that is being filled; empty between two of them.
    columns: Vec<Encoder>,
    /// Rows in it.
    filled: usize,
    rows: u64,
}

/// A column of the row group that is being filled.
struct Encoder {
    field: FieldRef,
    /// One for each of its parts that hold values: a list of structs has several.
    leaves: Vec<ArrowColumnWriter>,
}

impl Encoder {
    /// Takes its leaves from those of all columns.
    fn new(field: &FieldRef, leaves: &mut impl Iterator<Item = ArrowColumnWriter>) -> Self {
        let count = leaf_count(field.data_type());
        Self {
            field: Arc::clone(field),
            leaves: leaves.by_ref().take(count).collect(),
        }
    }

    fn write(&mut self, values: &ArrayRef) -> Result<(), ParquetError> {
        let parts = compute_leaves(&self.field, values)?;
        let mut pairs = self.leaves.iter_mut().zip(&parts);
        pairs.try_for_each(|(leaf, part)| leaf.write(part))
    }

    /// A column of a row group, all at once.
    fn whole(mut self, column: Column) -> Result<Vec<ArrowColumnChunk>, ParquetError> {
        self.write(&array(column, self.field.data_type())?)?;
        self.close()
    }

    fn close(self) -> Result<Vec<ArrowColumnChunk>, ParquetError> {
        let leaves = self.leaves.into_iter();
        leaves.map(ArrowColumnWriter::close).collect()
    }
}

/// Rows that take so many bytes where texts and lists are empty: the same whatever is in them.
fn rows_of(bytes: usize, description: &Description) -> usize {
    let mut row = Columns::new(&description.schema);
    row.columns.iter_mut().for_each(Column::push_zero);
    (bytes / row.bytes().max(1)).max(1)
}

fn leaf_count(data_type: &ArrowType) -> usize {
    match data_type {
        ArrowType::List(item) => leaf_count(item.data_type()),
        ArrowType::Struct(parts) => parts.iter().map(|part| leaf_count(part.data_type())).sum(),
        _ => 1,
    }
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
    let mut properties = WriterProperties::builder();
    for field in schema.fields() {
        // floats and times hardly repeat: without a dictionary the file is smaller and sooner written
        if field.data_type().is_floating() || field.data_type().is_temporal() {
            let column = ColumnPath::from(field.name().as_str());
            properties = properties.set_column_dictionary_enabled(column, false);
        }
    }
    let properties = properties
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
    let (writer, groups) = ArrowWriter::try_new(file, Arc::clone(&schema), Some(properties))
        .and_then(ArrowWriter::into_serialized_writer)
        .map_err(|error| Error::new(format!("cannot write {path}: {error}")).because(error))?;
    Ok(Box::new(Parquet {
        writer,
        schema,
        groups,
        group_rows: options
            .row_group
            .0
            .get()
            .min(rows_of(GROUP_BYTES, description)),
        columns: Vec::new(),
        filled: 0,
        rows: 0,
    }))
}

impl Parquet {
    /// Encodes rows into the row group, and starts another whenever it is full.
    fn encode(&mut self, rows: Columns) -> Result<(), ParquetError> {
        let count = rows.rows();
        let arrays = arrays(rows, &self.schema)?;
        let mut from = 0;
        while from < count {
            if self.columns.is_empty() {
                self.columns = self.encoders()?;
            }
            let taken = (count - from).min(self.group_rows - self.filled);
            let columns = self.columns.par_iter_mut().zip(arrays.par_iter());
            columns.try_for_each(|(column, values)| column.write(&values.slice(from, taken)))?;
            from += taken;
            self.filled += taken;
            if self.filled == self.group_rows {
                self.end_group()?;
            }
        }
        Ok(())
    }

    /// Encodes rows that are all in memory, one column after the other: what a column takes while it is made serves the next one.
    fn encode_columns(&mut self, mut rows: SortedColumns) -> Result<(), ParquetError> {
        let mut from = 0;
        while from < rows.rows() {
            let to = rows.rows().min(from + self.group_rows);
            let encoders = self.encoders()?;
            let chunks = rows.take(from..to, encoders, Encoder::whole)?;
            self.write_group(chunks)?;
            from = to;
        }
        Ok(())
    }

    /// Encodes a whole row group, one column after the other.
    fn encode_group(&mut self, rows: Columns) -> Result<(), ParquetError> {
        let columns = self.encoders()?.into_par_iter().zip(rows.columns);
        let chunks = columns.map(|(encoder, column)| encoder.whole(column));
        let chunks = chunks.collect::<Result<_, _>>()?;
        self.write_group(chunks)
    }

    /// Those of the columns of the next row group.
    fn encoders(&self) -> Result<Vec<Encoder>, ParquetError> {
        let place = self.writer.flushed_row_groups().len();
        let mut leaves = self.groups.create_column_writers(place)?.into_iter();
        let fields = self.schema.fields().iter();
        Ok(fields
            .map(|field| Encoder::new(field, &mut leaves))
            .collect())
    }

    /// Writes the row group, if there is one.
    fn end_group(&mut self) -> Result<(), ParquetError> {
        if self.columns.is_empty() {
            return Ok(());
        }
        let columns = std::mem::take(&mut self.columns);
        let chunks: Vec<Vec<ArrowColumnChunk>> = columns
            .into_par_iter()
            .map(Encoder::close)
            .collect::<Result<_, _>>()?;
        self.filled = 0;
        self.write_group(chunks)
    }

    fn write_group(&mut self, chunks: Vec<Vec<ArrowColumnChunk>>) -> Result<(), ParquetError> {
        let mut group = self.writer.next_row_group()?;
        for chunk in chunks.into_iter().flatten() {
            chunk.append_to_row_group(&mut group)?;
        }
        group.close().map(|_| ())
    }

    fn end(&mut self) -> Result<(), ParquetError> {
        self.end_group()?;
        self.writer.finish().map(|_| ())
    }

    fn failed(&self, error: ParquetError) -> Error {
        self.writer.inner().failed(error)
    }
}

impl Sink for Parquet {
    fn write(&mut self, rows: Columns) -> Result<(), Error> {
        self.rows += rows.rows() as u64;
        self.encode(rows).map_err(|error| self.failed(error))
    }

    fn write_sorted(&mut self, rows: Sorted) -> Result<(), Error> {
        match rows.by_column() {
            Ok(rows) => {
                self.rows += rows.rows() as u64;
                self.encode_columns(rows)
                    .map_err(|error| self.failed(error))
            }
            Err(mut rows) => {
                while let Some(rows) = rows.next_rows(self.group_rows)? {
                    self.rows += rows.rows() as u64;
                    self.encode_group(rows)
                        .map_err(|error| self.failed(error))?;
                }
                Ok(())
            }
        }
    }

    fn tell(&mut self, facts: &[Fact]) -> Result<(), Error> {
        for (key, value) in facts {
            let fact = KeyValue::new(key.clone(), value.clone());
            self.writer.append_key_value_metadata(fact);
        }
        Ok(())
    }

    fn commit(mut self: Box<Self>) -> Result<u64, Error> {
        self.end().map_err(|error| self.failed(error))?;
        self.writer.inner_mut().commit()?; // `finish` flushed everything into it
        Ok(self.rows)
    }

    fn abort(self: Box<Self>) {}
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sinks::record_batch::record_batch;
    use crate::sinks::{RowGroup, Sorter, sample};
    use arrow::compute::concat_batches;
    use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
    use parquet::basic::{LogicalType, TimeUnit};
    use std::fs::File;
    use std::io::Read;
    use std::num::NonZeroUsize;

    fn file(options: &ParquetOptions) -> File {
        let (description, rows) = sample::rows();
        sample::file(|path| {
            let options = ParquetOptions {
                path,
                ..options.clone()
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
            Compression::None,
            Compression::Zstd,
            Compression::Snappy,
            Compression::Lz4,
        ] {
            let options = ParquetOptions {
                compression,
                ..ParquetOptions::default()
            };
            let reader = ParquetRecordBatchReaderBuilder::try_new(file(&options)).unwrap();
            assert_eq!(reader.schema(), &schema(&description), "metadata and all");
            let batches: Vec<_> = reader.build().unwrap().map(Result::unwrap).collect();
            let read = concat_batches(&expected.schema(), &batches).unwrap();
            let twice = concat_batches(&expected.schema(), [&expected, &expected]).unwrap();
            assert_eq!(read, twice);
        }
    }

    #[test]
    fn rows_are_grouped_and_facts_are_in_the_footer() {
        let options = ParquetOptions {
            row_group: RowGroup(NonZeroUsize::new(4).unwrap()),
            ..ParquetOptions::default()
        };
        let reader = ParquetRecordBatchReaderBuilder::try_new(file(&options)).unwrap();
        let metadata = reader.metadata();
        let groups: Vec<i64> = metadata
            .row_groups()
            .iter()
            .map(|group| group.num_rows())
            .collect();
        assert_eq!(groups, [4, 2]);
        let facts = metadata.file_metadata().key_value_metadata().unwrap();
        let version = facts
            .iter()
            .find(|fact| fact.key == "jayflow.version")
            .unwrap();
        assert_eq!(version.value.as_deref(), Some("0.1.0"));
        let field = reader.schema().field_with_name("u64").unwrap();
        assert_eq!(
            field.metadata().get("unit").map(String::as_str),
            Some("bytes")
        );
        assert_eq!(
            field.metadata().get("null").map(String::as_str),
            Some("row 2")
        );
        let columns = metadata.file_metadata().schema_descr();
        let logical = |name: &str| {
            let column = columns
                .columns()
                .iter()
                .find(|column| column.name() == name);
            column.and_then(|column| column.logical_type_ref().cloned())
        };
        let Some(LogicalType::Timestamp(time)) = logical("time") else {
            panic!("{:?}", logical("time"));
        };
        assert!(time.is_adjusted_to_u_t_c && time.unit == TimeUnit::NANOS);
        let Some(LogicalType::Integer(number)) = logical("u16") else {
            panic!("{:?}", logical("u16"));
        };
        assert!(number.bit_width == 16 && !number.is_signed);
    }

    #[test]
    fn rows_in_memory_and_rows_in_files_give_the_same_bytes() {
        let (description, rows) = sample::rows();
        let options = ParquetOptions {
            row_group: RowGroup(NonZeroUsize::new(4).unwrap()),
            ..ParquetOptions::default()
        };
        let bytes = |budget| {
            let mut file = sample::file(|path| {
                let folder = tempfile::tempdir().unwrap();
                let mut sorter = Sorter::new(&description.schema, budget, folder.path());
                for batch in 0..7 {
                    let mut rows = rows.clone();
                    (0_u64..)
                        .zip(&mut rows.keys)
                        .for_each(|(row, key)| *key = (7 - batch, row));
                    sorter.push(rows);
                    if sorter.is_full() {
                        sorter.spill()?;
                    }
                }
                assert_eq!(sorter.has_spilled(), budget == 0);
                let options = ParquetOptions {
                    path,
                    ..options.clone()
                };
                let mut sink = open(&options, &description, "1-0")?;
                sink.write_sorted(sorter.finish()?)?;
                let rows = sink.commit()?;
                assert_eq!(rows, 21);
                Ok(rows)
            });
            let mut bytes = Vec::new();
            file.read_to_end(&mut bytes).unwrap();
            bytes
        };
        assert!(bytes(0) == bytes(usize::MAX));
    }

    #[test]
    fn wide_tables_have_small_row_groups() {
        let (description, _) = sample::rows();
        let width = rows_of(1 << 20, &description);
        assert!((4_000..20_000).contains(&width), "{width} rows of a MiB");
        assert_eq!(rows_of(1, &description), 1);
    }

    #[test]
    fn two_runs_give_the_same_bytes() {
        let bytes = || {
            let mut bytes = Vec::new();
            file(&ParquetOptions::default())
                .read_to_end(&mut bytes)
                .unwrap();
            bytes
        };
        assert!(bytes() == bytes());
    }
}
