//! What the cells of a column are, found out over all of them: whole numbers, numbers, truths, addresses, else text.

use super::{Cells, Mark};
use crate::columns::{Address, Column, Values};
use crate::schema::DataType;
use serde_json::Value;
use std::net::IpAddr;

/// What was seen in a column so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Seen {
    int: bool,
    float: bool,
    /// `NaN`, `Infinity`: numbers that are none, null in a column of numbers.
    undefined: bool,
    truth: bool,
    address: bool,
    text: bool,
}

impl Seen {
    /// Looks at more cells.
    pub fn look(&mut self, cells: &Cells) {
        for (mark, text) in cells.iter() {
            let Some(text) = text else { continue };
            // what is text here is text everywhere
            if self.text {
                return;
            }
            if address(text).is_some() {
                self.address = true;
            } else if mark == Mark::Text {
                self.text = true;
            } else if is_int(text) {
                self.int = true;
            } else if is_undefined(text) {
                self.undefined = true;
            } else if is_float(text) {
                self.float = true;
            } else if truth(text).is_some() {
                self.truth = true;
            } else {
                self.text = true;
            }
        }
    }

    /// The type that holds all of it.
    pub fn data_type(self) -> DataType {
        let Self {
            int,
            float,
            undefined,
            truth,
            address,
            text,
        } = self;
        let numbers = int || float;
        match (text, numbers, truth, address) {
            (false, true, false, false) if float || undefined => DataType::F64,
            (false, true, false, false) => DataType::I64,
            (false, false, true, false) if !undefined => DataType::Bool,
            (false, false, false, true) if !undefined => DataType::Address,
            _ => DataType::Text,
        }
    }
}

/// A whole number as programs write it: one with zeros in front is a code, and text.
fn is_int(text: &str) -> bool {
    let digits = text.strip_prefix('-').unwrap_or(text);
    let is_plain = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    is_plain && (digits == "0" || !digits.starts_with('0')) && text.parse::<i64>().is_ok()
}

fn is_float(text: &str) -> bool {
    let digits = text.strip_prefix('-').unwrap_or(text);
    let is_code = digits.len() > 1
        && digits.starts_with('0')
        && digits.as_bytes().get(1).is_some_and(u8::is_ascii_digit);
    let starts = digits.starts_with(|c: char| c.is_ascii_digit() || c == '.');
    starts && !is_code && text.parse::<f64>().is_ok_and(f64::is_finite)
}

fn is_undefined(text: &str) -> bool {
    let word = text.trim_start_matches(['-', '+']);
    ["nan", "inf", "infinity"]
        .iter()
        .any(|known| word.eq_ignore_ascii_case(known))
}

fn truth(text: &str) -> Option<bool> {
    match text {
        _ if text.eq_ignore_ascii_case("true") => Some(true),
        _ if text.eq_ignore_ascii_case("false") => Some(false),
        _ => None,
    }
}

/// The address that a text is.
pub fn address(text: &str) -> Option<Address> {
    // most texts are none, and parsing is dear
    if !text.starts_with(|c: char| c.is_ascii_hexdigit() || c == ':') {
        return None;
    }
    let mut bytes = [0; 16];
    Some(match text.parse().ok()? {
        IpAddr::V4(address) => {
            bytes[..4].copy_from_slice(&address.octets());
            Address { family: 4, bytes }
        }
        IpAddr::V6(address) => Address {
            family: 6,
            bytes: address.octets(),
        },
    })
}

/// 128 bits as 32 hexadecimal digits.
pub fn id(text: &str) -> Option<[u8; 16]> {
    let is_hex = text.len() == 32 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    let number = is_hex.then(|| u128::from_str_radix(text, 16).ok())?;
    Some(number?.to_be_bytes())
}

/// Adds a cell to a column; one that is not of its type gives `false` and adds nothing.
pub fn push(column: &mut Column, text: &str) -> bool {
    let number = |text: &str| text.parse::<f64>().ok().filter(|value| value.is_finite());
    let added = match &mut column.values {
        Values::Bool(to) => truth(text).map(|value| to.push(value)),
        Values::F64(to) => number(text).map(|value| to.push(value)),
        Values::Address(to) => address(text).map(|value| to.push(value)),
        Values::Id(to) => id(text).map(|value| to.push(value)),
        Values::Time(to) => {
            let moment = text.parse::<crate::sources::Moment>();
            moment.ok().map(|moment| to.push(moment.0))
        }
        _ => return column.push_text(text),
    };
    if let (Some(()), Some(valid)) = (added, &mut column.valid) {
        valid.push(true);
    }
    added.is_some()
}

/// Adds a cell to a column of any type: lists and structures are JSON. One that is not of its type gives `false`.
pub fn push_value(column: &mut Column, text: &str) -> bool {
    match column.values {
        Values::List { .. } | Values::Struct(_) => {
            let value = serde_json::from_str::<Value>(text);
            value.is_ok_and(|value| push_json(column, &value))
        }
        _ => push(column, text),
    }
}

fn push_json(column: &mut Column, value: &Value) -> bool {
    let added = match (&mut column.values, value) {
        (Values::List { ends, items }, Value::Array(values)) => {
            let added = values.iter().all(|value| push_json(items, value));
            ends.push(u32::try_from(items.len()).unwrap_or(u32::MAX));
            added
        }
        (Values::Struct(parts), Value::Object(values)) => parts
            .iter_mut()
            .all(|(name, part)| values.get(name).is_some_and(|value| push_json(part, value))),
        // as CSV has them
        (Values::Struct(parts), Value::Array(values)) => {
            let mut pairs = parts.iter_mut().zip(values);
            pairs.all(|((_, part), value)| push_json(part, value))
        }
        (Values::List { .. } | Values::Struct(_), _) | (_, Value::Null) => false,
        (_, Value::String(text)) => return push(column, text),
        (_, other) => return push(column, &other.to_string()),
    };
    if let (true, Some(valid)) = (added, &mut column.valid) {
        valid.push(true);
    }
    added
}

/// Adds a null to a column that may have some.
pub fn push_null(column: &mut Column) {
    column.push_zero();
    if let Some(valid) = &mut column.valid {
        valid.push(false);
    }
}

/// The cells of some rows as a column of this type; what is not of the type is null.
pub fn column(cells: &Cells, rows: &[u32], data_type: &DataType) -> Column {
    let mut column = Column::new(data_type, true);
    for row in rows {
        let text = cells.get(*row as usize);
        if !text.is_some_and(|text| push(&mut column, text)) {
            push_null(&mut column);
        }
    }
    column
}
