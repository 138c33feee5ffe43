//! One row, written column by column: what extractors see of the columns.

use super::{Address, Column, Values, offset};
use crate::schema::{DataType, Value};
use std::borrow::Cow;

/// Writes one row, column by column in the order of a group's schema; columns nobody asked for are passed over.
#[derive(Debug)]
pub struct RowWriter<'a> {
    columns: &'a mut [Column],
    /// For each column of the group: its place in `columns`, or `None` if nobody asked for it.
    targets: &'a [Option<u32>],
    /// For each of `columns`: one row with what stands for a null.
    nulls: &'a [Column],
    /// The row is that of a direction without packets.
    empty: bool,
    /// The place of the row where nulls are left to [`Columns::even`](super::Columns::even).
    row: Option<usize>,
    next: usize,
}

macro_rules! push {
    ($(#[$doc:meta] $name:ident($type:ty) = $variant:ident $($counts:ident)?;)+) => { $(
        #[$doc]
        #[inline]
        pub fn $name(&mut self, value: $type) {
            if self.empty && !push!(@counts $($counts)?) {
                return self.null();
            }
            if let Some(column) = self.advance() {
                if let Values::$variant(values) = &mut column.values { values.push(value); }
                if let Some(valid) = &mut column.valid { valid.push(true); }
            }
        }
    )+ };
    (@counts) => { false };
    (@counts counts) => { true };
}

impl<'a> RowWriter<'a> {
    /// A writer of one row of a group; `targets` has one entry for each column of the group.
    pub fn new(columns: &'a mut [Column], targets: &'a [Option<u32>]) -> Self {
        Self {
            columns,
            targets,
            nulls: &[],
            empty: false,
            row: None,
            next: 0,
        }
    }

    /// The same writer with what stands for a null: one row for each of the columns.
    #[must_use]
    pub fn nulls(mut self, nulls: &'a [Column]) -> Self {
        self.nulls = nulls;
        self
    }

    /// The same writer for a direction without packets, if `empty`: counts and sums (`u64`) and booleans are written, everything
    /// else is null whatever it is.
    #[must_use]
    pub fn empty(mut self, empty: bool) -> Self {
        self.empty = empty;
        self
    }

    /// The same writer for the row at this place, which does nothing for a null: the column is shorter until a value comes, or until
    /// [`Columns::even`](super::Columns::even). Most columns of a wide table are null in most rows.
    #[must_use]
    pub fn at(mut self, row: usize) -> Self {
        self.row = Some(row);
        self
    }

    /// The place of the next column, or `None` where nobody asked for it.
    #[inline]
    fn advance_place(&mut self) -> Option<usize> {
        let target = self.targets.get(self.next).copied().flatten();
        self.next += 1;
        target.map(|at| at as usize)
    }

    /// The next column, or `None` where nobody asked for it.
    #[inline]
    fn advance(&mut self) -> Option<&mut Column> {
        let at = self.advance_place()?;
        let column = self.columns.get_mut(at)?;
        if let (Some(valid), Some(row)) = (&column.valid, self.row)
            && valid.len() < row
        {
            column.pad(row);
        }
        Some(column)
    }

    push! {
        /// Writes a boolean.
        bool(bool) = Bool counts;
        /// Writes an unsigned number.
        u8(u8) = U8;
        /// Writes an unsigned number.
        u16(u16) = U16;
        /// Writes an unsigned number.
        u32(u32) = U32;
        /// Writes an unsigned number.
        u64(u64) = U64 counts;
        /// Writes a signed number.
        i8(i8) = I8;
        /// Writes a signed number.
        i16(i16) = I16;
        /// Writes a signed number.
        i32(i32) = I32;
        /// Writes a signed number.
        i64(i64) = I64;
        /// Writes an address.
        address(Address) = Address;
        /// Writes 128 bits.
        id([u8; 16]) = Id;
        /// Writes a time in ns since 1970.
        time(i64) = Time;
    }

    /// Writes a finite float. A value that is not a finite number has no place in a row: debug builds stop, others write 0.
    #[inline]
    pub fn f64(&mut self, value: f64) {
        if self.empty {
            return self.null();
        }
        if let Some(column) = self.advance() {
            debug_assert!(value.is_finite(), "a column of features is {value}");
            if let Values::F64(values) = &mut column.values {
                values.push(if value.is_finite() { value } else { 0.0 });
            }
            if let Some(valid) = &mut column.valid {
                valid.push(true);
            }
        }
    }

    /// Writes text.
    pub fn text(&mut self, value: &str) {
        if self.empty {
            return self.null();
        }
        if let Some(column) = self.advance() {
            if let Values::Text { ends, bytes } = &mut column.values {
                bytes.extend_from_slice(value.as_bytes());
                ends.push(offset(bytes.len()));
            }
            if let Some(valid) = &mut column.valid {
                valid.push(true);
            }
        }
    }

    /// Writes a null, or what stands for it.
    #[inline]
    pub fn null(&mut self) {
        let Some(at) = self.advance_place() else {
            return;
        };
        let Some(column) = self.columns.get_mut(at) else {
            return;
        };
        if let Some(valid) = &mut column.valid {
            if self.row.is_some() {
                return;
            }
            valid.push(false);
        } else if let Some(null) = self.nulls.get(at) {
            // a column without nulls has the value that stands for them
            column.push_from(null, 0);
            return;
        }
        column.push_zero();
    }

    /// Writes a value of named parts; `fill` adds one to each part of the column.
    pub fn structure(&mut self, fill: impl FnOnce(&mut Column)) {
        if self.empty {
            return self.null();
        }
        if let Some(column) = self.advance() {
            fill(column);
            if let Some(valid) = &mut column.valid {
                valid.push(true);
            }
        }
    }

    /// Writes a list; `fill` adds its items to the item column.
    pub fn list(&mut self, fill: impl FnOnce(&mut Column)) {
        if self.empty {
            return self.null();
        }
        if let Some(column) = self.advance() {
            if let Values::List { ends, items } = &mut column.values {
                fill(items);
                ends.push(offset(items.len()));
            }
            if let Some(valid) = &mut column.valid {
                valid.push(true);
            }
        }
    }
}

macro_rules! value {
    ($($type:ty, $data_type:ident, $write:ident;)+) => { $(
        impl Value for $type {
            fn data_type() -> DataType { DataType::$data_type }
            #[inline]
            fn write(&self, out: &mut RowWriter<'_>) { out.$write(*self) }
        }
        impl Item for $type {
            fn push(&self, items: &mut Column) {
                if let Values::$data_type(values) = &mut items.values { values.push(*self) }
            }
        }
    )+ };
}
value! {
    bool, Bool, bool; u8, U8, u8; u16, U16, u16; u32, U32, u32; u64, U64, u64; i8, I8, i8; i16, I16, i16; i32, I32, i32; i64, I64, i64; f64, F64, f64;
    Address, Address, address;
}

/// A value that a list can hold.
pub trait Item: Value {
    /// Adds it to the item column of a list.
    fn push(&self, items: &mut Column);
}

impl Item for String {
    fn push(&self, items: &mut Column) {
        items.push_text(self);
    }
}

/// A time in ns since 1970, as a column value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Time(pub i64);

impl Value for Time {
    fn data_type() -> DataType {
        DataType::Time
    }
    fn write(&self, out: &mut RowWriter<'_>) {
        out.time(self.0);
    }
}

/// 128 bits, as a column value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Id(pub [u8; 16]);

impl Value for Id {
    fn data_type() -> DataType {
        DataType::Id
    }
    fn write(&self, out: &mut RowWriter<'_>) {
        out.id(self.0);
    }
}

impl Value for Cow<'static, str> {
    fn data_type() -> DataType {
        DataType::Text
    }
    fn write(&self, out: &mut RowWriter<'_>) {
        out.text(self);
    }
}

impl Value for &'static str {
    fn data_type() -> DataType {
        DataType::Text
    }
    fn write(&self, out: &mut RowWriter<'_>) {
        out.text(self);
    }
}

impl Value for String {
    fn data_type() -> DataType {
        DataType::Text
    }
    fn write(&self, out: &mut RowWriter<'_>) {
        out.text(self);
    }
}

impl<T: Value> Value for Option<T> {
    fn data_type() -> DataType {
        T::data_type()
    }
    const NULLABLE: bool = true;
    #[inline]
    fn write(&self, out: &mut RowWriter<'_>) {
        match self {
            Some(value) => value.write(out),
            None => out.null(),
        }
    }
}

impl<T: Item> Value for Vec<T> {
    fn data_type() -> DataType {
        DataType::List(Box::new(T::data_type()))
    }
    fn write(&self, out: &mut RowWriter<'_>) {
        out.list(|items| self.iter().for_each(|item| item.push(items)));
    }
}
