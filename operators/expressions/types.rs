//! What a value can be, and constants.

use super::syntax::Net;
use crate::columns::Address;
use crate::schema::{DataType, Feature};
use std::fmt;

/// The type of a value. Whether it can be null is said beside it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Type {
    /// `true` or `false`.
    Bool,
    /// A whole number, 64 bits.
    Int,
    /// IEEE 754 double, never NaN, never infinite.
    Float,
    /// UTF-8.
    Text,
    /// Bytes: of a payload, or an id.
    Bytes,
    /// An address.
    Ip,
    /// A network; only written out, behind `in`.
    Net,
    /// A moment, ns since 1970.
    Time,
    /// A length of time, ns.
    Duration,
    /// Values of one type.
    List(Box<Self>),
    /// That of `null`, which is of every type.
    Null,
}

impl fmt::Display for Type {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::List(item) => write!(f, "list<{item}>"),
            plain => f.write_str(match plain {
                Self::Bool => "bool",
                Self::Int => "int",
                Self::Float => "float",
                Self::Text => "text",
                Self::Bytes => "bytes",
                Self::Ip => "ip",
                Self::Net => "cidr",
                Self::Time => "time",
                Self::Duration => "duration",
                _ => "null",
            }),
        }
    }
}

impl Type {
    /// A list of these.
    #[must_use]
    pub fn list(self) -> Self {
        Self::List(Box::new(self))
    }

    /// Whether it is an int or a float.
    pub const fn is_number(&self) -> bool {
        matches!(self, Self::Int | Self::Float)
    }

    /// The type that the values of a column have in expressions; `None` where they have no place there.
    pub fn of_column(data_type: &DataType, unit: &str) -> Option<Self> {
        Some(match data_type {
            DataType::Bool => Self::Bool,
            DataType::U8
            | DataType::U16
            | DataType::U32
            | DataType::U64
            | DataType::I8
            | DataType::I16
            | DataType::I32
            | DataType::I64 => Self::Int,
            DataType::F64 if unit == "s" => Self::Duration,
            DataType::F64 => Self::Float,
            DataType::Text => Self::Text,
            DataType::Address => Self::Ip,
            DataType::Id => Self::Bytes,
            DataType::Time => Self::Time,
            DataType::List(item) => Self::of_column(item, unit)?.list(),
            DataType::Struct(_) => return None,
        })
    }

    /// The type that a feature has in expressions, and whether it can be null.
    pub fn of_feature(feature: &Feature) -> Option<(Self, bool)> {
        let found = Self::of_column(&feature.data_type, &feature.unit)?;
        Some((found, feature.null.is_some()))
    }

    /// The type and unit of a column with such values; `None` where there is no such column.
    pub fn column(&self) -> Option<(DataType, &'static str)> {
        Some(match self {
            Self::Bool => (DataType::Bool, ""),
            Self::Int => (DataType::I64, ""),
            Self::Float => (DataType::F64, ""),
            Self::Duration => (DataType::F64, "s"),
            Self::Text => (DataType::Text, ""),
            Self::Ip => (DataType::Address, ""),
            Self::Time => (DataType::Time, ""),
            Self::List(item) => {
                let (item, unit) = item.column()?;
                (DataType::List(Box::new(item)), unit)
            }
            Self::Bytes | Self::Net | Self::Null => return None,
        })
    }

    /// The type of a value that is of one or the other type.
    pub fn either(&self, other: &Self) -> Option<Self> {
        Some(match (self, other) {
            (one, other) if one == other => one.clone(),
            (Self::Null, other) | (other, Self::Null) => other.clone(),
            (Self::Int, Self::Float) | (Self::Float, Self::Int) => Self::Float,
            (Self::List(one), Self::List(other)) => one.either(other)?.list(),
            _ => return None,
        })
    }
}

/// A value that is written out, or that of a variable.
#[derive(Clone, Debug, PartialEq)]
pub enum Constant {
    /// `null`.
    Null,
    /// A truth.
    Bool(bool),
    /// A whole number.
    Int(i64),
    /// Another number.
    Float(f64),
    /// Text.
    Text(String),
    /// A length of time, ns.
    Duration(i64),
    /// A moment, ns since 1970.
    Time(i64),
    /// An address.
    Ip(Address),
    /// A network.
    Net(Net),
}

impl Constant {
    /// Its type.
    pub const fn kind(&self) -> Type {
        match self {
            Self::Null => Type::Null,
            Self::Bool(_) => Type::Bool,
            Self::Int(_) => Type::Int,
            Self::Float(_) => Type::Float,
            Self::Text(_) => Type::Text,
            Self::Duration(_) => Type::Duration,
            Self::Time(_) => Type::Time,
            Self::Ip(_) => Type::Ip,
            Self::Net(_) => Type::Net,
        }
    }
}
