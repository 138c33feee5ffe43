//! Values of one column in a chunk of rows, as kernels see them: an array, and which of them are null.

use super::types::{Constant, Type};
use crate::columns::{Address, Column, Values, span};
use std::borrow::Cow;
use std::cell::Cell;

/// Rows that are computed in one go: a few columns of them fit into the first cache.
pub const CHUNK: usize = 1024;

/// The values of a chunk. Under a null stands any value of the type.
#[derive(Clone, Debug)]
pub struct Vector<'a> {
    /// The values.
    pub data: Data<'a>,
    /// One entry a row, `false` = null; `None` = no row is null.
    pub valid: Option<Cow<'a, [bool]>>,
}

/// Values of one type. Durations and times are whole numbers of ns, bytes are kept as texts are.
#[derive(Clone, Debug)]
pub enum Data<'a> {
    /// Truths.
    Bool(Cow<'a, [bool]>),
    /// Whole numbers.
    Int(Cow<'a, [i64]>),
    /// Other numbers.
    Float(Cow<'a, [f64]>),
    /// Texts or bytes.
    Text(Texts<'a>),
    /// Addresses.
    Ip(Cow<'a, [Address]>),
    /// Lists.
    List(Lists<'a>),
}

/// Texts one behind the other.
#[derive(Clone, Debug)]
pub struct Texts<'a> {
    /// Where the first begins.
    pub first: usize,
    /// Whether all begin there: one text, many times.
    pub is_one: bool,
    /// Where each ends.
    pub ends: Cow<'a, [u32]>,
    /// All of them.
    pub bytes: Cow<'a, [u8]>,
}

impl Texts<'_> {
    /// The bytes of one; none where there is no such row.
    pub fn get(&self, row: usize) -> &[u8] {
        let start = match row.checked_sub(1) {
            None => Some(self.first),
            Some(_) if self.is_one => Some(self.first),
            Some(before) => self.ends.get(before).map(|end| *end as usize),
        };
        let end = self.ends.get(row).map(|end| *end as usize);
        let range = start.zip(end).map(|(start, end)| start..end);
        range
            .and_then(|range| self.bytes.get(range))
            .unwrap_or_default()
    }

    /// The bytes of each, in order.
    pub fn iter(&self) -> impl Iterator<Item = &[u8]> {
        let mut start = self.first;
        self.ends.iter().map(move |end| {
            let from = start;
            if !self.is_one {
                start = *end as usize;
            }
            self.bytes.get(from..*end as usize).unwrap_or_default()
        })
    }
}

/// Lists one behind the other.
#[derive(Clone, Debug)]
pub struct Lists<'a> {
    /// Where each ends in `items`; the first begins at 0.
    pub ends: Cow<'a, [u32]>,
    /// The entries of all.
    pub items: Box<Vector<'a>>,
}

impl Lists<'_> {
    /// The range of each in the items.
    pub fn ranges(&self) -> impl Iterator<Item = std::ops::Range<usize>> + '_ {
        (0..self.ends.len()).map(|row| span(&self.ends, row))
    }
}

impl<'a> Vector<'a> {
    /// Values of which none is null.
    pub const fn new(data: Data<'a>) -> Self {
        Self { data, valid: None }
    }

    /// Whole numbers, none of them null.
    pub fn ints(values: Vec<i64>) -> Self {
        Self::new(Data::Int(values.into()))
    }

    /// Truths, none of them null.
    pub fn bools(values: Vec<bool>) -> Self {
        Self::new(Data::Bool(values.into()))
    }

    /// The same values with nulls.
    #[must_use]
    pub fn with(mut self, valid: Option<Vec<bool>>) -> Self {
        self.valid = valid.map(Cow::Owned);
        self
    }

    /// Number of rows.
    pub fn len(&self) -> usize {
        match &self.data {
            Data::Bool(v) => v.len(),
            Data::Int(v) => v.len(),
            Data::Float(v) => v.len(),
            Data::Text(v) => v.ends.len(),
            Data::Ip(v) => v.len(),
            Data::List(v) => v.ends.len(),
        }
    }

    /// Whether there is no row.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Whether a row has a value.
    pub fn is_valid(&self, row: usize) -> bool {
        let valid = self.valid.as_ref();
        valid.is_none_or(|valid| valid.get(row).copied().unwrap_or(false))
    }

    /// Which rows are there and true.
    pub fn truths(&self) -> Vec<bool> {
        match (&self.data, &self.valid) {
            (Data::Bool(values), None) => values.to_vec(),
            (Data::Bool(values), Some(valid)) => {
                let both = values.iter().zip(valid.iter());
                both.map(|(value, valid)| *value & *valid).collect()
            }
            _ => vec![false; self.len()],
        }
    }

    /// The same, all its own.
    pub fn into_owned(self) -> Vector<'static> {
        let data = match self.data {
            Data::Bool(v) => Data::Bool(v.into_owned().into()),
            Data::Int(v) => Data::Int(v.into_owned().into()),
            Data::Float(v) => Data::Float(v.into_owned().into()),
            Data::Ip(v) => Data::Ip(v.into_owned().into()),
            Data::Text(v) => Data::Text(Texts {
                first: v.first,
                is_one: v.is_one,
                ends: v.ends.into_owned().into(),
                bytes: v.bytes.into_owned().into(),
            }),
            Data::List(v) => Data::List(Lists {
                ends: v.ends.into_owned().into(),
                items: Box::new(v.items.into_owned()),
            }),
        };
        Vector {
            data,
            valid: self.valid.map(|valid| valid.into_owned().into()),
        }
    }

    /// The first rows, borrowed.
    pub fn head(&self, rows: usize) -> Vector<'_> {
        fn head<T: Clone>(values: &[T], rows: usize) -> Cow<'_, [T]> {
            Cow::Borrowed(&values[..rows.min(values.len())])
        }
        let data = match &self.data {
            Data::Bool(v) => Data::Bool(head(v, rows)),
            Data::Int(v) => Data::Int(head(v, rows)),
            Data::Float(v) => Data::Float(head(v, rows)),
            Data::Ip(v) => Data::Ip(head(v, rows)),
            Data::Text(v) => Data::Text(Texts {
                first: v.first,
                is_one: v.is_one,
                ends: head(&v.ends, rows),
                bytes: Cow::Borrowed(&v.bytes),
            }),
            Data::List(v) => Data::List(Lists {
                ends: head(&v.ends, rows),
                items: Box::new(v.items.head(v.items.len())),
            }),
        };
        let valid = self.valid.as_ref().map(|valid| head(valid, rows));
        Vector { data, valid }
    }

    /// `rows` times the same value; that under a null is the zero of the type.
    pub fn constant(value: &Constant, kind: &Type, rows: usize) -> Vector<'static> {
        // a long one is not written down a thousand times
        let text = |text: &str| {
            let length = u32::try_from(text.len()).unwrap_or(0);
            Data::Text(Texts {
                first: 0,
                is_one: true,
                ends: vec![length; rows].into(),
                bytes: text.as_bytes().to_vec().into(),
            })
        };
        let data = match value {
            Constant::Bool(value) => Data::Bool(vec![*value; rows].into()),
            Constant::Int(value) | Constant::Duration(value) | Constant::Time(value) => {
                Data::Int(vec![*value; rows].into())
            }
            Constant::Float(value) => Data::Float(vec![*value; rows].into()),
            Constant::Text(value) => text(value),
            Constant::Ip(address) => Data::Ip(vec![*address; rows].into()),
            Constant::Null | Constant::Net(_) => return Self::nulls(kind, rows),
        };
        Vector::new(data)
    }

    /// `rows` nulls of a type.
    pub fn nulls(kind: &Type, rows: usize) -> Vector<'static> {
        let data = match kind {
            Type::Bool | Type::Null => Data::Bool(vec![false; rows].into()),
            Type::Int | Type::Time | Type::Duration => Data::Int(vec![0; rows].into()),
            Type::Float => Data::Float(vec![0.0; rows].into()),
            Type::Text | Type::Bytes => Data::Text(Texts {
                first: 0,
                is_one: true,
                ends: vec![0; rows].into(),
                bytes: Vec::new().into(),
            }),
            Type::Ip | Type::Net => Data::Ip(vec![ZERO; rows].into()),
            Type::List(item) => Data::List(Lists {
                ends: vec![0; rows].into(),
                items: Box::new(Self::nulls(item, 0)),
            }),
        };
        Vector {
            data,
            valid: Some(vec![false; rows].into()),
        }
    }

    /// Rows of a column of the rows that the flow operator makes; `overflows` counts numbers that are too large for the type.
    pub fn of_column(
        column: &'a Column,
        kind: &Type,
        rows: std::ops::Range<usize>,
        overflows: &Cell<u64>,
    ) -> Self {
        let mut valid = column.valid.as_ref();
        let mut narrowed = None;
        let mut narrow = |values: &mut dyn Iterator<Item = Option<i64>>| {
            let mut fits = Vec::new();
            let values: Vec<i64> = values
                .map(|value| {
                    fits.push(value.is_some());
                    value.unwrap_or(0)
                })
                .collect();
            if fits.contains(&false) {
                let valid = valid.and_then(|valid| valid.get(rows.clone()));
                for (row, fit) in fits.iter_mut().enumerate() {
                    let is = valid.is_none_or(|valid| valid.get(row).copied().unwrap_or(false));
                    overflows.set(overflows.get() + u64::from(is && !*fit));
                    *fit &= is;
                }
                narrowed = Some(fits);
            }
            Data::Int(values.into())
        };
        macro_rules! widen {
            ($values:ident) => {{
                let values = $values[rows.clone()].iter();
                Data::Int(values.map(|value| i64::from(*value)).collect())
            }};
        }
        let data = match &column.values {
            Values::Bool(v) => Data::Bool(Cow::Borrowed(&v[rows.clone()])),
            Values::U8(v) => widen!(v),
            Values::U16(v) => widen!(v),
            Values::U32(v) => widen!(v),
            Values::I8(v) => widen!(v),
            Values::I16(v) => widen!(v),
            Values::I32(v) => widen!(v),
            Values::U64(v) => {
                let values = &v[rows.clone()];
                if values.iter().fold(0, |all, value| all | value) >> 63 == 0 {
                    Data::Int(values.iter().map(|value| value.cast_signed()).collect())
                } else {
                    narrow(&mut values.iter().map(|value| i64::try_from(*value).ok()))
                }
            }
            Values::I64(v) | Values::Time(v) => Data::Int(Cow::Borrowed(&v[rows.clone()])),
            Values::F64(v) if *kind == Type::Duration => {
                let values = &v[rows.clone()];
                if values.iter().all(|seconds| seconds.abs() < 9.2e9) {
                    let ns = values.iter().map(|seconds| (seconds * 1e9).round() as i64);
                    Data::Int(ns.collect())
                } else {
                    narrow(&mut values.iter().map(|seconds| nanoseconds(*seconds)))
                }
            }
            Values::F64(v) => Data::Float(Cow::Borrowed(&v[rows.clone()])),
            Values::Text { ends, bytes } => Data::Text(Texts {
                first: first(ends, rows.start),
                is_one: false,
                ends: Cow::Borrowed(&ends[rows.clone()]),
                bytes: Cow::Borrowed(bytes),
            }),
            Values::Address(v) => Data::Ip(Cow::Borrowed(&v[rows.clone()])),
            Values::Id(v) => {
                let ids = &v[rows.clone()];
                Data::Text(Texts {
                    first: 0,
                    is_one: false,
                    ends: (1..=u32::try_from(ids.len()).unwrap_or(0))
                        .map(|row| row * 16)
                        .collect(),
                    bytes: ids.iter().flatten().copied().collect(),
                })
            }
            Values::List { ends, items } => {
                let start = first(ends, rows.start);
                let own = &ends[rows.clone()];
                let end = own.last().map_or(start, |end| *end as usize);
                let item = match kind {
                    Type::List(item) => item,
                    other => other,
                };
                let base = u32::try_from(start).unwrap_or(u32::MAX);
                Data::List(Lists {
                    ends: own.iter().map(|end| end.saturating_sub(base)).collect(),
                    items: Box::new(Self::of_column(items, item, start..end, overflows)),
                })
            }
            Values::Struct(_) => return Self::nulls(kind, rows.len()),
        };
        if narrowed.is_some() {
            valid = None;
        }
        let valid = match narrowed {
            Some(fits) => Some(Cow::Owned(fits)),
            None => valid
                .and_then(|valid| valid.get(rows))
                .filter(|valid| valid.contains(&false))
                .map(Cow::Borrowed),
        };
        Self { data, valid }
    }

    /// Adds these values behind those of a column of the type that [`Type::column`] gives.
    pub fn append_to(&self, column: &mut Column) {
        let rows = self.len();
        let valid = |row: usize| self.is_valid(row);
        macro_rules! append {
            ($to:ident, $from:expr, $zero:expr, $map:expr) => {{
                let map = $map;
                match &self.valid {
                    None => $to.extend($from.iter().map(|value| map(*value))),
                    Some(valid) => {
                        let both = $from.iter().zip(valid.iter());
                        $to.extend(
                            both.map(|(value, valid)| if *valid { map(*value) } else { $zero }),
                        );
                    }
                }
            }};
        }
        match (&mut column.values, &self.data) {
            (Values::Bool(to), Data::Bool(from)) => append!(to, from, false, |value| value),
            (Values::I64(to) | Values::Time(to), Data::Int(from)) => {
                append!(to, from, 0, |value| value);
            }
            (Values::F64(to), Data::Float(from)) => append!(to, from, 0.0, |value| value),
            (Values::F64(to), Data::Int(from)) => append!(to, from, 0.0, seconds),
            (Values::Address(to), Data::Ip(from)) => append!(to, from, ZERO, |value| value),
            (Values::Text { ends, bytes }, Data::Text(from)) => {
                for (row, text) in from.iter().enumerate() {
                    if valid(row) {
                        bytes.extend_from_slice(text);
                    }
                    ends.push(u32::try_from(bytes.len()).unwrap_or(u32::MAX));
                }
            }
            (Values::List { ends, items }, Data::List(from)) => {
                for (row, range) in from.ranges().enumerate() {
                    if valid(row) {
                        from.items.slice(range).append_to(items);
                    }
                    ends.push(u32::try_from(items.len()).unwrap_or(u32::MAX));
                }
            }
            // a null without a type of its own
            _ => {
                for _ in 0..rows {
                    column.push_zero();
                }
            }
        }
        if let Some(to) = &mut column.valid {
            match &self.valid {
                None => to.resize(to.len() + rows, true),
                Some(valid) => to.extend_from_slice(valid),
            }
        }
    }

    /// Some of the rows.
    #[must_use]
    pub fn slice(&self, rows: std::ops::Range<usize>) -> Vector<'_> {
        fn part<T: Clone>(values: &[T], rows: &std::ops::Range<usize>) -> Cow<'static, [T]> {
            Cow::Owned(values.get(rows.clone()).unwrap_or_default().to_vec())
        }
        let data = match &self.data {
            Data::Bool(v) => Data::Bool(part(v, &rows)),
            Data::Int(v) => Data::Int(part(v, &rows)),
            Data::Float(v) => Data::Float(part(v, &rows)),
            Data::Ip(v) => Data::Ip(part(v, &rows)),
            Data::Text(v) => Data::Text(Texts {
                first: if rows.start == 0 || v.is_one {
                    v.first
                } else {
                    v.ends.get(rows.start - 1).map_or(0, |end| *end as usize)
                },
                is_one: v.is_one,
                ends: part(&v.ends, &rows),
                bytes: Cow::Borrowed(&v.bytes),
            }),
            Data::List(v) => {
                let start = first(&v.ends, rows.start);
                let end = v
                    .ends
                    .get(rows.end.saturating_sub(1))
                    .map_or(start, |end| *end as usize);
                let base = u32::try_from(start).unwrap_or(u32::MAX);
                let ends = v.ends.get(rows.clone()).unwrap_or_default();
                Data::List(Lists {
                    ends: ends.iter().map(|end| end.saturating_sub(base)).collect(),
                    items: Box::new(v.items.slice(start..end.max(start))),
                })
            }
        };
        let valid = self.valid.as_ref().map(|valid| part(valid, &rows));
        Vector { data, valid }
    }
}

/// The value under a null address.
pub const ZERO: Address = Address {
    family: 4,
    bytes: [0; 16],
};

fn first(ends: &[u32], row: usize) -> usize {
    match row {
        0 => 0,
        row => ends.get(row - 1).map_or(0, |end| *end as usize),
    }
}

/// A duration as columns hold it, in seconds.
pub fn seconds(ns: i64) -> f64 {
    let magnitude = crate::statistics::seconds(ns.unsigned_abs());
    if ns < 0 { -magnitude } else { magnitude }
}

/// Seconds as a duration, if it has that many ns.
pub fn nanoseconds(seconds: f64) -> Option<i64> {
    let ns = (seconds * 1e9).round();
    // 2^63 is the first float beyond
    (ns.abs() < 9_223_372_036_854_775_808.0).then_some(ns as i64)
}
