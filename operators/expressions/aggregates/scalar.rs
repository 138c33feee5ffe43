//! One value, as it is kept of a flow.

use crate::columns::{Address, Column, Values};
use crate::expressions::eval::TextBuilder;
use crate::expressions::types::Type;
use crate::expressions::vector::{Data, Texts, Vector, ZERO, seconds};
use std::cmp::Ordering;
use std::hash::{Hash, Hasher};

/// A value that is not null.
#[derive(Clone, Debug)]
pub(super) enum Scalar {
    Bool(bool),
    /// Times and durations too.
    Int(i64),
    Float(f64),
    /// Bytes too.
    Text(Box<[u8]>),
    Ip(Address),
}

impl Scalar {
    /// The value of a row; `None` where it is null.
    pub fn of(values: &Vector<'_>, row: usize) -> Option<Self> {
        if !values.is_valid(row) {
            return None;
        }
        Some(match &values.data {
            Data::Bool(v) => Self::Bool(*v.get(row)?),
            Data::Int(v) => Self::Int(*v.get(row)?),
            // 0 and -0 are one value
            Data::Float(v) => Self::Float(*v.get(row)? + 0.0),
            Data::Ip(v) => Self::Ip(*v.get(row)?),
            Data::Text(v) => Self::Text(v.get(row).into()),
            Data::List(_) => return None,
        })
    }

    /// The value as a number; 0 of what is none.
    pub const fn number(&self) -> f64 {
        match self {
            Self::Int(value) => *value as f64,
            Self::Float(value) => *value,
            Self::Bool(value) => *value as u8 as f64,
            _ => 0.0,
        }
    }

    /// Bytes that it holds beyond itself.
    pub fn heap_bytes(&self) -> usize {
        match self {
            Self::Text(text) => text.len(),
            _ => 0,
        }
    }

    /// A vector of one row.
    pub fn vector(value: Option<&Self>, kind: &Type) -> Vector<'static> {
        let data = match value {
            None => return Vector::nulls(kind, 1),
            Some(Self::Bool(value)) => Data::Bool(vec![*value].into()),
            Some(Self::Int(value)) => Data::Int(vec![*value].into()),
            Some(Self::Float(value)) => Data::Float(vec![*value].into()),
            Some(Self::Ip(value)) => Data::Ip(vec![*value].into()),
            Some(Self::Text(value)) => Data::Text(Texts {
                first: 0,
                is_one: true,
                ends: vec![u32::try_from(value.len()).unwrap_or(0)].into(),
                bytes: value.to_vec().into(),
            }),
        };
        Vector::new(data)
    }

    /// Values of a type, one a row.
    pub fn vectors(values: &[Option<Self>], kind: &Type) -> Vector<'static> {
        macro_rules! plain {
            ($variant:ident, $zero:expr) => {
                values
                    .iter()
                    .map(|value| match value {
                        Some(Self::$variant(value)) => *value,
                        _ => $zero,
                    })
                    .collect()
            };
        }
        let data = match kind {
            Type::Bool => Data::Bool(plain!(Bool, false)),
            Type::Int | Type::Time | Type::Duration => Data::Int(plain!(Int, 0)),
            Type::Float => Data::Float(plain!(Float, 0.0)),
            Type::Ip => Data::Ip(plain!(Ip, ZERO)),
            Type::Text | Type::Bytes => {
                let mut texts = TextBuilder::default();
                for value in values {
                    match value {
                        Some(Self::Text(text)) => texts.push(text),
                        _ => texts.push(&[]),
                    }
                }
                texts.data()
            }
            _ => return Vector::nulls(kind, values.len()),
        };
        let valid: Vec<bool> = values.iter().map(Option::is_some).collect();
        Vector::new(data).with(valid.contains(&false).then_some(valid))
    }

    /// Adds a value to a column.
    pub fn push(value: Option<&Self>, column: &mut Column) {
        let there = match (value, &mut column.values) {
            (Some(Self::Bool(value)), Values::Bool(to)) => {
                to.push(*value);
                true
            }
            (Some(Self::Int(value)), Values::I64(to) | Values::Time(to)) => {
                to.push(*value);
                true
            }
            (Some(Self::Int(value)), Values::F64(to)) => {
                to.push(seconds(*value));
                true
            }
            (Some(Self::Float(value)), Values::F64(to)) => {
                to.push(if value.is_finite() { *value } else { 0.0 });
                value.is_finite()
            }
            (Some(Self::Ip(value)), Values::Address(to)) => {
                to.push(*value);
                true
            }
            (Some(Self::Text(value)), Values::Text { ends, bytes }) => {
                // bytes are text in a column only where they are such
                bytes.extend_from_slice(String::from_utf8_lossy(value).as_bytes());
                ends.push(u32::try_from(bytes.len()).unwrap_or(u32::MAX));
                true
            }
            _ => {
                column.push_zero();
                false
            }
        };
        if let Some(valid) = &mut column.valid {
            valid.push(there);
        }
    }
}

impl PartialEq for Scalar {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Scalar {}

impl PartialOrd for Scalar {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Scalar {
    /// Of values of one type.
    fn cmp(&self, other: &Self) -> Ordering {
        match (self, other) {
            (Self::Bool(a), Self::Bool(b)) => a.cmp(b),
            (Self::Int(a), Self::Int(b)) => a.cmp(b),
            // no value is NaN
            (Self::Float(a), Self::Float(b)) => a.total_cmp(b),
            (Self::Text(a), Self::Text(b)) => a.cmp(b),
            (Self::Ip(a), Self::Ip(b)) => a.cmp(b),
            _ => Ordering::Equal,
        }
    }
}

impl Hash for Scalar {
    fn hash<H: Hasher>(&self, state: &mut H) {
        match self {
            Self::Bool(value) => value.hash(state),
            Self::Int(value) => value.hash(state),
            Self::Float(value) => value.to_bits().hash(state),
            Self::Text(value) => value.hash(state),
            Self::Ip(value) => value.hash(state),
        }
    }
}
