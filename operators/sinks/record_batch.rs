//! Columns to Arrow: what Parquet and Arrow IPC share.
//!
//! Numbers and texts are moved as whole buffers; addresses and ids become text, times `timestamp[ns, UTC]`.

use super::{Description, text};
use crate::columns::{Column, Columns, Values};
use crate::schema::{DataType, Feature};
use arrow::array::{
    ArrayRef, BooleanArray, ListArray, PrimitiveArray, RecordBatch, RecordBatchOptions,
    StringArray, StructArray, TimestampNanosecondArray,
};
use arrow::buffer::{Buffer, NullBuffer, OffsetBuffer, ScalarBuffer};
use arrow::datatypes::{
    ArrowPrimitiveType, DataType as ArrowType, Field, Fields, Float64Type, Int8Type, Int16Type,
    Int32Type, Int64Type, Schema as ArrowSchema, SchemaRef, TimeUnit, UInt8Type, UInt16Type,
    UInt32Type, UInt64Type,
};
use arrow::error::ArrowError;
use rayon::iter::{
    IndexedParallelIterator as _, IntoParallelIterator as _, IntoParallelRefIterator as _,
    ParallelIterator as _,
};
use std::sync::Arc;

/// The Arrow schema of a sink: `unit`, `definition`, `null` (when) and `group` of each column where it has them, and the
/// metadata of the file.
pub fn schema(description: &Description) -> SchemaRef {
    let fields: Vec<Field> = description.schema.iter().map(field).collect();
    let metadata = description.metadata.iter().cloned();
    Arc::new(ArrowSchema::new_with_metadata(
        fields,
        metadata.collect::<arrow::datatypes::Metadata>(),
    ))
}

fn field(feature: &Feature) -> Field {
    let facts = [
        ("unit", &*feature.unit),
        ("definition", &feature.definition),
        ("null", feature.null.as_deref().unwrap_or_default()),
        ("group", &feature.group),
    ];
    let known = facts.into_iter().filter(|(_, fact)| !fact.is_empty());
    Field::new(
        &*feature.name,
        data_type(&feature.data_type),
        feature.null.is_some(),
    )
    .with_metadata(known.collect::<arrow::datatypes::Metadata>())
}

fn data_type(data_type: &DataType) -> ArrowType {
    match data_type {
        DataType::Bool => ArrowType::Boolean,
        DataType::U8 => ArrowType::UInt8,
        DataType::U16 => ArrowType::UInt16,
        DataType::U32 => ArrowType::UInt32,
        DataType::U64 => ArrowType::UInt64,
        DataType::I8 => ArrowType::Int8,
        DataType::I16 => ArrowType::Int16,
        DataType::I32 => ArrowType::Int32,
        DataType::I64 => ArrowType::Int64,
        DataType::F64 => ArrowType::Float64,
        DataType::Text | DataType::Address | DataType::Id => ArrowType::Utf8,
        DataType::Time => ArrowType::Timestamp(TimeUnit::Nanosecond, Some("UTC".into())),
        DataType::List(item) => {
            ArrowType::List(Arc::new(Field::new("item", self::data_type(item), false)))
        }
        DataType::Struct(parts) => ArrowType::Struct(
            parts
                .iter()
                .map(|(name, part)| Field::new(name, self::data_type(part), false))
                .collect(),
        ),
    }
}

/// The rows as a batch of `schema`.
///
/// # Errors
/// A column is not of the schema, or holds more than 2 GiB of text.
pub fn record_batch(rows: Columns, schema: &SchemaRef) -> Result<RecordBatch, ArrowError> {
    let options = RecordBatchOptions::new().with_row_count(Some(rows.rows()));
    RecordBatch::try_new_with_options(Arc::clone(schema), arrays(rows, schema)?, &options)
}

/// The columns as arrays of `schema`, each made by whichever thread is free.
///
/// # Errors
/// As [`record_batch`].
pub fn arrays(rows: Columns, schema: &SchemaRef) -> Result<Vec<ArrayRef>, ArrowError> {
    let columns = rows.columns.into_par_iter().zip(schema.fields().par_iter());
    columns
        .map(|(column, field)| array(column, field.data_type()))
        .collect()
}

/// A column as an array of this type.
///
/// # Errors
/// As [`record_batch`].
pub fn array(column: Column, data_type: &ArrowType) -> Result<ArrayRef, ArrowError> {
    let rows = column.len();
    let valid = column.valid.filter(|valid| valid.contains(&false));
    let nulls = valid.map(NullBuffer::from);
    Ok(match column.values {
        Values::Bool(v) => Arc::new(BooleanArray::new(v.into(), nulls)),
        Values::U8(v) => numbers::<UInt8Type>(v, nulls)?,
        Values::U16(v) => numbers::<UInt16Type>(v, nulls)?,
        Values::U32(v) => numbers::<UInt32Type>(v, nulls)?,
        Values::U64(v) => numbers::<UInt64Type>(v, nulls)?,
        Values::I8(v) => numbers::<Int8Type>(v, nulls)?,
        Values::I16(v) => numbers::<Int16Type>(v, nulls)?,
        Values::I32(v) => numbers::<Int32Type>(v, nulls)?,
        Values::I64(v) => numbers::<Int64Type>(v, nulls)?,
        Values::F64(v) => numbers::<Float64Type>(v, nulls)?,
        Values::Time(v) => {
            Arc::new(TimestampNanosecondArray::try_new(v.into(), nulls)?.with_timezone("UTC"))
        }
        Values::Text { ends, bytes } => Arc::new(StringArray::try_new(
            offsets(&ends)?,
            Buffer::from_vec(bytes),
            nulls,
        )?),
        Values::Address(v) => written(&v, nulls, text::address)?,
        Values::Id(v) => written(&v, nulls, text::id)?,
        Values::List { ends, items } => {
            let ArrowType::List(item) = data_type else {
                return Err(mismatch(data_type));
            };
            let values = array(*items, item.data_type())?;
            Arc::new(ListArray::try_new(
                Arc::clone(item),
                offsets(&ends)?,
                values,
                nulls,
            )?)
        }
        Values::Struct(parts) => {
            let ArrowType::Struct(fields) = data_type else {
                return Err(mismatch(data_type));
            };
            structs(parts, fields, rows, nulls)?
        }
    })
}

fn mismatch(data_type: &ArrowType) -> ArrowError {
    ArrowError::SchemaError(format!(
        "a column is not the {data_type} that its schema says"
    ))
}

fn numbers<T: ArrowPrimitiveType>(
    values: Vec<T::Native>,
    nulls: Option<NullBuffer>,
) -> Result<ArrayRef, ArrowError> {
    let values = ScalarBuffer::from(values);
    Ok(Arc::new(PrimitiveArray::<T>::try_new(values, nulls)?))
}

fn structs(
    parts: Vec<(String, Column)>,
    fields: &Fields,
    rows: usize,
    nulls: Option<NullBuffer>,
) -> Result<ArrayRef, ArrowError> {
    let arrays = parts
        .into_iter()
        .zip(fields)
        .map(|((_, part), field)| array(part, field.data_type()))
        .collect::<Result<Vec<_>, _>>()?;
    Ok(Arc::new(StructArray::try_new_with_length(
        fields.clone(),
        arrays,
        nulls,
        rows,
    )?))
}

/// Values that become text; that of a null is empty.
fn written<T>(
    values: &[T],
    nulls: Option<NullBuffer>,
    write: impl Fn(&mut Vec<u8>, &T),
) -> Result<ArrayRef, ArrowError> {
    let (mut bytes, mut ends) = (Vec::new(), Vec::with_capacity(values.len()));
    for (row, value) in values.iter().enumerate() {
        if nulls.as_ref().is_none_or(|nulls| nulls.is_valid(row)) {
            write(&mut bytes, value);
        }
        ends.push(u32::try_from(bytes.len()).map_err(|_| too_long())?);
    }
    Ok(Arc::new(StringArray::try_new(
        offsets(&ends)?,
        Buffer::from_vec(bytes),
        nulls,
    )?))
}

/// Arrow's offsets have the 0 in front that ours leave out.
fn offsets(ends: &[u32]) -> Result<OffsetBuffer<i32>, ArrowError> {
    let mut offsets = Vec::with_capacity(ends.len() + 1);
    offsets.push(0);
    for end in ends {
        offsets.push(i32::try_from(*end).map_err(|_| too_long())?);
    }
    Ok(OffsetBuffer::new(offsets.into()))
}

fn too_long() -> ArrowError {
    ArrowError::OffsetOverflowError(i32::MAX as usize)
}
