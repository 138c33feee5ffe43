//! Parquet and Arrow IPC: columns with types of their own. Values are written as text, exactly: numbers with the digits that read back
//! as themselves, times as decimal seconds since 1970, lists and structures as JSON.

use super::{Cells, Format, Heading, Mark, Part, Rows, claims, guarded, unreadable};
use crate::error::Error;
use crate::schema::DataType;
use arrow::array::{Array, ArrayRef, AsArray as _, RecordBatch};
use arrow::datatypes::{
    DataType as ArrowType, Field, Float32Type, Float64Type, Int8Type, Int16Type, Int32Type,
    Int64Type, SchemaRef, TimeUnit, TimestampMicrosecondType, TimestampMillisecondType,
    TimestampNanosecondType, TimestampSecondType, UInt8Type, UInt16Type, UInt32Type, UInt64Type,
};
use arrow::ipc::reader::FileReader;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use serde_json::{Map, Number, Value};
use std::fmt::{Display, Write as _};
use std::fs::File;
use std::path::{Path, PathBuf};

/// Batches of rows, or why one cannot be read.
pub(crate) type Batches = Box<dyn Iterator<Item = Result<RecordBatch, String>>>;

struct Columns {
    batches: Batches,
    row: u64,
    path: PathBuf,
}

/// The schema and the batches of a Parquet or Arrow IPC file.
///
/// # Errors
/// It cannot be read, or is not of this format.
pub(crate) fn batches(
    mut file: File,
    path: &Path,
    format: Format,
) -> Result<(SchemaRef, Batches), Error> {
    let opened = guarded(|| -> Result<(SchemaRef, Batches), String> {
        Ok(if format == Format::Parquet {
            let builder = ParquetRecordBatchReaderBuilder::try_new(file).map_err(text)?;
            let schema = SchemaRef::clone(builder.schema());
            (schema, told(builder.build().map_err(text)?))
        } else {
            let claim = claims::greatest(&mut file).unwrap_or(0);
            if claim > claims::MOST {
                return Err(format!("one of its buffers claims {claim} bytes"));
            }
            let reader = FileReader::try_new_buffered(file, None).map_err(text)?;
            (reader.schema(), told(reader))
        })
    });
    opened.flatten().map_err(|why| unreadable(path, why))
}

fn text(error: impl Display) -> String {
    error.to_string()
}

/// The batches, up to the first that cannot be read.
fn told<E: Display>(
    mut batches: impl Iterator<Item = Result<RecordBatch, E>> + 'static,
) -> Batches {
    let mut is_over = false;
    Box::new(std::iter::from_fn(move || {
        if is_over {
            return None;
        }
        let batch = guarded(|| batches.next().map(|batch| batch.map_err(text)));
        let batch = batch.transpose()?.flatten();
        is_over = batch.is_err();
        Some(batch)
    }))
}

/// The columns and rows of such a file.
pub(super) fn open(
    file: File,
    path: &Path,
    format: Format,
) -> Result<(Vec<Heading>, Box<dyn Rows>), Error> {
    let (schema, batches) = batches(file, path, format)?;
    let headings = schema.fields().iter().map(|field| Heading {
        name: field.name().clone(),
        kind: kind(field.data_type()),
    });
    let columns = Columns {
        batches,
        row: 0,
        path: path.to_owned(),
    };
    Ok((headings.collect(), Box::new(columns)))
}

/// The type of a column with such values; text says nothing of what is in it.
fn kind(arrow: &ArrowType) -> Option<DataType> {
    Some(match arrow {
        ArrowType::Boolean => DataType::Bool,
        ArrowType::UInt8 => DataType::U8,
        ArrowType::UInt16 => DataType::U16,
        ArrowType::UInt32 => DataType::U32,
        ArrowType::UInt64 => DataType::U64,
        ArrowType::Int8 => DataType::I8,
        ArrowType::Int16 => DataType::I16,
        ArrowType::Int32 => DataType::I32,
        ArrowType::Int64 => DataType::I64,
        ArrowType::Float32 | ArrowType::Float64 => DataType::F64,
        ArrowType::Timestamp(..) => DataType::Time,
        ArrowType::List(item) => {
            DataType::List(Box::new(kind(item.data_type()).unwrap_or(DataType::Text)))
        }
        ArrowType::Struct(fields) => {
            let part = |field: &std::sync::Arc<Field>| {
                let kind = kind(field.data_type()).unwrap_or(DataType::Text);
                (field.name().clone(), kind)
            };
            DataType::Struct(fields.iter().map(part).collect())
        }
        _ => return None,
    })
}

impl Rows for Columns {
    fn fill(&mut self, chosen: &[usize], _: usize, part: &mut Part) -> Result<bool, Error> {
        let Some(batch) = self.batches.next() else {
            return Ok(false);
        };
        let batch = batch.map_err(|error| unreadable(&self.path, error))?;
        for (cells, place) in part.columns.iter_mut().zip(chosen) {
            let array = batch.columns().get(*place);
            let array = array.ok_or_else(|| unreadable(&self.path, "a batch lacks a column"))?;
            for row in 0..array.len() {
                write(array, row, cells).ok_or_else(|| {
                    let kind = array.data_type();
                    unreadable(
                        &self.path,
                        format!("a column of type {kind} is not understood"),
                    )
                })?;
            }
        }
        let rows = batch.num_rows() as u64;
        part.lines.extend(self.row + 1..=self.row + rows);
        self.row += rows;
        Ok(true)
    }
}

/// Adds a value to cells; `None` = there are no such values.
fn write(array: &ArrayRef, row: usize, cells: &mut Cells) -> Option<()> {
    if array.is_null(row) {
        cells.push(Mark::None, "");
        return Some(());
    }
    if let Some(ns) = time(array, row) {
        let mut text = String::new();
        let (sign, ns) = (if ns < 0 { "-" } else { "" }, ns.unsigned_abs());
        // into memory
        let _ = write!(
            text,
            "{sign}{}.{:09}",
            ns / 1_000_000_000,
            ns % 1_000_000_000
        );
        cells.push(Mark::Plain, &text);
        return Some(());
    }
    match value(array, row)? {
        Value::String(text) => cells.push(Mark::Text, &text),
        Value::Null => cells.push(Mark::None, ""),
        other => cells.push(Mark::Plain, &other.to_string()),
    }
    Some(())
}

/// A time in ns since 1970; `None` = it is none, or beyond what 64 bits hold.
fn time(array: &ArrayRef, row: usize) -> Option<i64> {
    let ArrowType::Timestamp(unit, _) = array.data_type() else {
        return None;
    };
    let (value, size) = match unit {
        TimeUnit::Second => (
            array.as_primitive::<TimestampSecondType>().value(row),
            1_000_000_000,
        ),
        TimeUnit::Millisecond => (
            array.as_primitive::<TimestampMillisecondType>().value(row),
            1_000_000,
        ),
        TimeUnit::Microsecond => (
            array.as_primitive::<TimestampMicrosecondType>().value(row),
            1_000,
        ),
        TimeUnit::Nanosecond => (
            array.as_primitive::<TimestampNanosecondType>().value(row),
            1,
        ),
    };
    value.checked_mul(size)
}

/// A value as JSON; a float that is no number is null. `None` = there are no such values.
fn value(array: &ArrayRef, row: usize) -> Option<Value> {
    if array.is_null(row) {
        return Some(Value::Null);
    }
    macro_rules! number {
        ($type:ty) => {
            Value::from(array.as_primitive::<$type>().value(row))
        };
    }
    let float = |value: f64| Number::from_f64(value).map_or(Value::Null, Value::Number);
    Some(match array.data_type() {
        ArrowType::Boolean => Value::Bool(array.as_boolean().value(row)),
        ArrowType::UInt8 => number!(UInt8Type),
        ArrowType::UInt16 => number!(UInt16Type),
        ArrowType::UInt32 => number!(UInt32Type),
        ArrowType::UInt64 => number!(UInt64Type),
        ArrowType::Int8 => number!(Int8Type),
        ArrowType::Int16 => number!(Int16Type),
        ArrowType::Int32 => number!(Int32Type),
        ArrowType::Int64 => number!(Int64Type),
        ArrowType::Float32 => float(f64::from(array.as_primitive::<Float32Type>().value(row))),
        ArrowType::Float64 => float(array.as_primitive::<Float64Type>().value(row)),
        ArrowType::Utf8 => Value::from(array.as_string::<i32>().value(row)),
        ArrowType::LargeUtf8 => Value::from(array.as_string::<i64>().value(row)),
        ArrowType::Utf8View => Value::from(array.as_string_view().value(row)),
        ArrowType::Dictionary(..) => {
            let dictionary = array.as_any_dictionary();
            let key = *dictionary.normalized_keys().get(row)?;
            value(dictionary.values(), key)?
        }
        ArrowType::Timestamp(..) => Value::from(time(array, row)?),
        ArrowType::List(_) => {
            let items = array.as_list::<i32>().value(row);
            let items = (0..items.len()).map(|at| value(&items, at));
            Value::Array(items.collect::<Option<_>>()?)
        }
        ArrowType::Struct(fields) => {
            let parts = array.as_struct().columns().iter().zip(fields);
            let parts = parts.map(|(part, field)| Some((field.name().clone(), value(part, row)?)));
            Value::Object(parts.collect::<Option<Map<_, _>>>()?)
        }
        _ => return None,
    })
}
