//! The settings of a node: typed, documented and defaulted in one declaration.
//!
//! `#[derive(Options)]` on a struct makes its fields the keys of a section of a spec; on an enum without fields, its variants the
//! values (in kebab-case) a key may have. The check of a spec, defaults, documents, editor schema and did-you-mean read
//! [`Options::keys`]. Nothing here knows a spec file: a loader turns its syntax into [`Setting`]s.

use crate::secret::Secret;
pub use jayflow_derive::Options;
use std::fmt;

/// A value as it was written, without its place.
#[derive(Clone, Debug, PartialEq)]
pub enum Setting {
    /// `true` or `false`.
    Bool(bool),
    /// A whole number.
    Int(i64),
    /// A number with a fraction.
    Float(f64),
    /// Text.
    Text(String),
    /// Values in order.
    List(Vec<Setting>),
    /// Named values in the order they were written.
    Table(Vec<(String, Setting)>),
    /// Text that names secrets.
    Secret(Secret),
}

impl Setting {
    /// The kind of the value, as messages name it.
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Bool(_) => "a boolean",
            Self::Int(_) => "an integer",
            Self::Float(_) => "a float",
            Self::Text(_) => "text",
            Self::List(_) => "a list",
            Self::Table(_) => "a table",
            Self::Secret(_) => "a secret",
        }
    }
}

/// Where inside a setting something is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// A key of a table.
    Key(String),
    /// A place in a list.
    Index(usize),
}

/// What is wrong with a setting.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Wrong {
    /// Another kind of value is needed: what, and what was found.
    Type(String, &'static str),
    /// The value is not one of these (with a word for what it is: "compression").
    Choice(String, Vec<String>),
    /// A duration or size without its unit; the text that is meant.
    Unit(String),
    /// No such key; the keys there are.
    UnknownKey(String, Vec<String>),
    /// A sentence.
    Other(String),
}

/// A setting that cannot be taken, and where inside it the fault lies.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OptionError {
    /// From the outside in; empty = the whole value.
    pub at: Vec<Step>,
    /// The fault.
    pub wrong: Wrong,
}

impl OptionError {
    /// The whole value is wrong.
    pub fn new(wrong: Wrong) -> Self {
        Self {
            at: Vec::new(),
            wrong,
        }
    }

    /// The same fault, seen from one level further out.
    #[must_use]
    pub fn inside(mut self, step: Step) -> Self {
        self.at.insert(0, step);
        self
    }
}

impl From<Wrong> for OptionError {
    fn from(wrong: Wrong) -> Self {
        Self::new(wrong)
    }
}

/// One key of a section: what the check, the documents and the editor schema need.
#[derive(Clone, Debug)]
pub struct Key {
    /// As written in a spec.
    pub name: &'static str,
    /// What the value is: "a duration", "text", "a list of text".
    pub kind: String,
    /// The default as it would be written; `None` = required or absent.
    pub default: Option<&'static str>,
    /// The values it may have; empty = any of its kind.
    pub choices: Vec<&'static str>,
    /// What it does, from the doc comment.
    pub doc: &'static str,
    /// Whether the spec must have it.
    pub required: bool,
}

/// The settings of a node. Implemented by `#[derive(Options)]` on a struct.
pub trait Options: Default {
    /// Every key, in the order of the declaration.
    fn keys() -> Vec<Key>;
    /// Sets `key`, which is one of `keys`.
    ///
    /// # Errors
    /// The value is of another kind or not allowed; an unknown key is [`Wrong::UnknownKey`].
    fn set(&mut self, key: &str, value: &Setting) -> Result<(), OptionError>;
}

/// A type that a setting can have.
pub trait OptionValue: Sized {
    /// What it is, as messages name it.
    fn kind() -> String;
    /// The values it may have; empty = any of its kind.
    fn choices() -> Vec<&'static str> {
        Vec::new()
    }
    /// Reads it.
    ///
    /// # Errors
    /// The value is of another kind or not allowed.
    fn read(setting: &Setting) -> Result<Self, OptionError>;
}

/// Settings in a table of their own, such as `{ rate = 0.1, by = "flow" }`.
///
/// # Errors
/// It is no table, or one of its keys or values is wrong.
pub fn read_table<T: Options>(setting: &Setting) -> Result<T, OptionError> {
    let Setting::Table(parts) = setting else {
        return wrong_kind(&table_kind::<T>(), setting);
    };
    let mut table = T::default();
    for (name, value) in parts {
        table
            .set(name, value)
            .map_err(|error| error.inside(Step::Key(name.clone())))?;
    }
    Ok(table)
}

/// What [`read_table`] reads, as messages name it.
pub fn table_kind<T: Options>() -> String {
    let names: Vec<&str> = T::keys().iter().map(|key| key.name).collect();
    format!("a table {{ {} }}", names.join(", "))
}

/// The fault of a value of the wrong kind.
pub fn wrong_kind<T>(expected: &str, found: &Setting) -> Result<T, OptionError> {
    Err(Wrong::Type(expected.to_owned(), found.kind()).into())
}

macro_rules! option_value {
    ($($type:ty, $kind:literal, $pattern:pat => $value:expr;)+) => { $(
        impl OptionValue for $type {
            fn kind() -> String { $kind.to_owned() }
            fn read(setting: &Setting) -> Result<Self, OptionError> {
                match setting { $pattern => Ok($value), other => wrong_kind($kind, other) }
            }
        }
    )+ };
}
option_value! {
    bool, "a boolean", Setting::Bool(value) => *value;
    String, "text", Setting::Text(value) => value.clone();
    i64, "an integer", Setting::Int(value) => *value;
}

impl OptionValue for f64 {
    fn kind() -> String {
        "a number".to_owned()
    }
    fn read(setting: &Setting) -> Result<Self, OptionError> {
        match setting {
            Setting::Float(value) => Ok(*value),
            #[expect(clippy::cast_precision_loss, reason = "settings are small")]
            Setting::Int(value) => Ok(*value as f64),
            other => wrong_kind("a number", other),
        }
    }
}

macro_rules! unsigned {
    ($($type:ty)+) => { $(
        impl OptionValue for $type {
            fn kind() -> String { "a whole number, 0 or more".to_owned() }
            fn read(setting: &Setting) -> Result<Self, OptionError> {
                match setting {
                    Setting::Int(value) => Self::try_from(*value).map_err(|_| {
                        Wrong::Other(format!("expected a whole number from 0 to {}, found {value}", Self::MAX)).into()
                    }),
                    other => wrong_kind("a whole number, 0 or more", other),
                }
            }
        }
    )+ };
}
unsigned! { u8 u16 u32 u64 usize }

impl<T: OptionValue> OptionValue for Option<T> {
    fn kind() -> String {
        T::kind()
    }
    fn choices() -> Vec<&'static str> {
        T::choices()
    }
    fn read(setting: &Setting) -> Result<Self, OptionError> {
        T::read(setting).map(Some)
    }
}

/// One value or a list of values.
impl<T: OptionValue> OptionValue for Vec<T> {
    fn kind() -> String {
        format!("{} or a list of such", T::kind())
    }
    fn choices() -> Vec<&'static str> {
        T::choices()
    }
    fn read(setting: &Setting) -> Result<Self, OptionError> {
        match setting {
            Setting::List(items) => items
                .iter()
                .enumerate()
                .map(|(index, item)| {
                    T::read(item).map_err(|error| error.inside(Step::Index(index)))
                })
                .collect(),
            one => Ok(vec![T::read(one)?]),
        }
    }
}

/// A length of time in ns; written `"250ms"`, `"60s"`, `"5m"`, `"2h"`, `"1d"`, also `us` and `ns`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Duration(pub i64);

impl fmt::Display for Duration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (unit, size) = TIME_UNITS
            .iter()
            .find(|(_, size)| self.0 % size == 0 && self.0 >= *size)
            .unwrap_or(&("ns", 1));
        write!(f, "{}{unit}", self.0 / size)
    }
}

/// Longest first.
pub(crate) const TIME_UNITS: [(&str, i64); 7] = [
    ("d", 86_400_000_000_000),
    ("h", 3_600_000_000_000),
    ("m", 60_000_000_000),
    ("s", 1_000_000_000),
    ("ms", 1_000_000),
    ("us", 1_000),
    ("ns", 1),
];

pub(crate) const SIZE_UNITS: [(&str, i64); 7] = [
    ("GiB", 1 << 30),
    ("MiB", 1 << 20),
    ("KiB", 1 << 10),
    ("GB", 1_000_000_000),
    ("MB", 1_000_000),
    ("KB", 1_000),
    ("B", 1),
];

/// `text` as a number with one of `units`, in the smallest unit. Exact: the number has at most nine decimals.
pub(crate) fn quantity(text: &str, units: &[(&str, i64)]) -> Option<i64> {
    let digits = text.find(|c: char| !c.is_ascii_digit() && c != '.' && c != '_')?;
    let (number, unit) = text.split_at(digits);
    let size = units
        .iter()
        .find(|(name, _)| *name == unit.trim())
        .map(|(_, size)| *size)?;
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    if fraction.len() > 9 || whole.is_empty() {
        return None;
    }
    let whole: i64 = whole.replace('_', "").parse().ok()?;
    let fraction: i128 = format!("{fraction:0<9}").parse().ok()?;
    let part = i64::try_from(fraction * i128::from(size) / 1_000_000_000).ok()?;
    whole.checked_mul(size)?.checked_add(part)
}

impl OptionValue for Duration {
    fn kind() -> String {
        "a duration such as \"60s\"".to_owned()
    }
    fn read(setting: &Setting) -> Result<Self, OptionError> {
        match setting {
            Setting::Text(text) => quantity(text, &TIME_UNITS).map(Self).ok_or_else(|| {
                Wrong::Other(format!("expected {}, found \"{text}\"", Self::kind())).into()
            }),
            Setting::Int(number) => Err(Wrong::Unit(format!("\"{number}s\"")).into()),
            Setting::Float(number) => Err(Wrong::Unit(format!("\"{number}s\"")).into()),
            other => wrong_kind(&Self::kind(), other),
        }
    }
}

/// A length of time, or `"off"`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Timeout(pub Option<Duration>);

impl OptionValue for Timeout {
    fn kind() -> String {
        "a duration such as \"60s\", or \"off\"".to_owned()
    }
    fn read(setting: &Setting) -> Result<Self, OptionError> {
        match setting {
            Setting::Text(text) if text == "off" => Ok(Self(None)),
            Setting::Text(text) => quantity(text, &TIME_UNITS)
                .map(|ns| Self(Some(Duration(ns))))
                .ok_or_else(|| {
                    Wrong::Other(format!("expected {}, found \"{text}\"", Self::kind())).into()
                }),
            other => Duration::read(other).map(|duration| Self(Some(duration))),
        }
    }
}

/// A number of bytes; written `"64KiB"`, `"1MB"`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Size(pub u64);

impl OptionValue for Size {
    fn kind() -> String {
        "a size such as \"64KiB\"".to_owned()
    }
    fn read(setting: &Setting) -> Result<Self, OptionError> {
        match setting {
            Setting::Text(text) => quantity(text, &SIZE_UNITS)
                .and_then(|bytes| u64::try_from(bytes).ok())
                .map(Self)
                .ok_or_else(|| {
                    Wrong::Other(format!("expected {}, found \"{text}\"", Self::kind())).into()
                }),
            Setting::Int(number) => Err(Wrong::Unit(format!("\"{number}B\"")).into()),
            other => wrong_kind(&Self::kind(), other),
        }
    }
}

/// Reads a default as it is written in a declaration: the text of a TOML value, with the quotes left out for text.
///
/// # Panics
/// If the declaration is wrong: a test reads every default once.
pub fn read_default<T: OptionValue>(key: &str, text: &str) -> T {
    T::read(&setting(text)).unwrap_or_else(|error| panic!("default of `{key}`: {error:?}"))
}

fn setting(text: &str) -> Setting {
    let list = text
        .strip_prefix('[')
        .and_then(|text| text.strip_suffix(']'));
    match (text, list) {
        ("true", _) => Setting::Bool(true),
        ("false", _) => Setting::Bool(false),
        (_, Some("")) => Setting::List(Vec::new()),
        (_, Some(items)) => Setting::List(items.split(", ").map(setting).collect()),
        _ => text
            .parse()
            .map(Setting::Int)
            .or_else(|_| text.parse().map(Setting::Float))
            .unwrap_or_else(|_| Setting::Text(text.to_owned())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantities_are_exact() {
        assert_eq!(quantity("250ms", &TIME_UNITS), Some(250_000_000));
        assert_eq!(quantity("1.5s", &TIME_UNITS), Some(1_500_000_000));
        assert_eq!(quantity("0.000000001s", &TIME_UNITS), Some(1));
        assert_eq!(quantity("64KiB", &SIZE_UNITS), Some(65_536));
        for wrong in [
            "s",
            "60",
            "60 fortnights",
            "-5s",
            "",
            ".s",
            "99999999999999d",
        ] {
            assert_eq!(quantity(wrong, &TIME_UNITS), None, "{wrong}");
        }
        assert_eq!(Duration(90_000_000_000).to_string(), "90s");
    }
}
