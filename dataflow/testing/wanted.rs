//! What a value of a row must be, and whether it is.

use super::options::Comparison;
use operators::options::Setting;
use operators::schema::DataType;
use serde_json::{Number, Value};
use std::fmt;

/// Floats are equal within this share of the larger.
const RELATIVE: f64 = 1e-9;

/// What a value must be.
#[derive(Clone, Debug, PartialEq)]
pub enum Wanted {
    /// Nothing.
    Null,
    /// A number that compares so.
    Compare(Comparison, f64),
    /// A number within this of another.
    Near(f64, f64),
    /// This.
    Is(Value),
}

impl fmt::Display for Wanted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Null => f.write_str("null"),
            Self::Compare(comparison, number) => write!(f, "{} {number}", comparison.sign()),
            Self::Near(number, abs) => write!(f, "{number} within {abs}"),
            Self::Is(value) => write!(f, "{value}"),
        }
    }
}

/// What a setting says of a column of this type.
///
/// # Errors
/// It does not fit: what would.
pub fn wanted(data_type: &DataType, setting: &Setting) -> Result<Wanted, String> {
    if let Setting::Text(text) = setting
        && text == "null"
    {
        return Ok(Wanted::Null);
    }
    if let Setting::Table(parts) = setting {
        return table(data_type, parts);
    }
    let is_number = !matches!(
        data_type,
        DataType::Bool
            | DataType::Text
            | DataType::Address
            | DataType::Id
            | DataType::List(_)
            | DataType::Struct(_)
    );
    match (data_type, setting) {
        (DataType::Bool, Setting::Bool(truth)) => Ok(Wanted::Is(Value::Bool(*truth))),
        (DataType::Bool, _) => Err("`true`, `false` or \"null\"".to_owned()),
        (DataType::Text | DataType::Address | DataType::Id, Setting::Text(text)) => {
            Ok(Wanted::Is(Value::String(text.clone())))
        }
        (DataType::Text | DataType::Address | DataType::Id, _) => {
            Err("text, \"null\", or `{ value = \"null\" }` for that word".to_owned())
        }
        (DataType::List(_) | DataType::Struct(_), Setting::List(_)) => {
            Ok(Wanted::Is(json(setting)))
        }
        (_, Setting::Int(_) | Setting::Float(_)) if is_number => Ok(Wanted::Is(json(setting))),
        (_, Setting::Text(text)) if is_number => {
            let compared = Comparison::read(text)
                .and_then(|(sign, number)| Some((sign, number.parse::<f64>().ok()?)));
            match compared.filter(|(_, number)| number.is_finite()) {
                Some((sign, number)) => Ok(Wanted::Compare(sign, number)),
                None => Err("a number, a comparison such as \">= 20\", or \"null\"".to_owned()),
            }
        }
        _ if is_number => Err("a number, a comparison such as \">= 20\", or \"null\"".to_owned()),
        _ => Err("a list, or \"null\"".to_owned()),
    }
}

/// `{ value = 1.5, abs = 1e-6 }`.
fn table(data_type: &DataType, parts: &[(String, Setting)]) -> Result<Wanted, String> {
    let form = || "a value, or a table `{ value, abs }`".to_owned();
    let part = |name: &str| {
        parts
            .iter()
            .find(|(key, _)| key == name)
            .map(|(_, value)| value)
    };
    if parts
        .iter()
        .any(|(name, _)| name != "value" && name != "abs")
    {
        return Err(form());
    }
    match (part("value"), part("abs")) {
        (Some(Setting::Text(text)), None) => Ok(Wanted::Is(Value::String(text.clone()))),
        (Some(value), None) => wanted(data_type, value),
        (Some(value), Some(abs)) => match (number(value), number(abs)) {
            (Some(value), Some(abs)) => Ok(Wanted::Near(value, abs)),
            _ => Err(form()),
        },
        (None, _) => Err(form()),
    }
}

#[expect(clippy::cast_precision_loss, reason = "compared as floats")]
fn number(setting: &Setting) -> Option<f64> {
    match setting {
        Setting::Int(number) => Some(*number as f64),
        Setting::Float(number) => Some(*number),
        _ => None,
    }
}

fn json(setting: &Setting) -> Value {
    match setting {
        Setting::Bool(truth) => Value::Bool(*truth),
        Setting::Int(number) => Value::Number((*number).into()),
        Setting::Float(number) => Number::from_f64(*number).map_or(Value::Null, Value::Number),
        Setting::Text(text) => Value::String(text.clone()),
        Setting::List(items) => Value::Array(items.iter().map(json).collect()),
        Setting::Table(_) | Setting::Secret(_) => Value::Null,
    }
}

impl Wanted {
    /// Whether a value is what is wanted.
    pub fn fits(&self, value: &Value) -> bool {
        match self {
            Self::Null => value.is_null(),
            Self::Compare(comparison, limit) => value
                .as_f64()
                .is_some_and(|value| comparison.holds(value, *limit)),
            Self::Near(near, abs) => value
                .as_f64()
                .is_some_and(|value| (value - near).abs() <= *abs),
            Self::Is(wanted) => equal(wanted, value),
        }
    }
}

/// Whether two values are equal: whole numbers exactly, others within 1e-9 of the larger.
pub fn equal(one: &Value, other: &Value) -> bool {
    match (one, other) {
        (Value::Number(a), Value::Number(b)) => {
            if let (Some(a), Some(b)) = (a.as_i128(), b.as_i128()) {
                return a == b;
            }
            let (Some(a), Some(b)) = (a.as_f64(), b.as_f64()) else {
                return false;
            };
            a == b || (a - b).abs() <= RELATIVE * a.abs().max(b.abs())
        }
        (Value::Array(a), Value::Array(b)) => {
            a.len() == b.len() && a.iter().zip(b).all(|(a, b)| equal(a, b))
        }
        _ => one == other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn fits(data_type: &DataType, setting: &Setting, value: &Value) -> Option<bool> {
        wanted(data_type, setting).ok().map(|one| one.fits(value))
    }

    #[test]
    fn values_of_every_kind() {
        let text = |text: &str| Setting::Text(text.to_owned());
        let cases = [
            (DataType::U64, Setting::Int(1), json!(1), Some(true)),
            (DataType::U64, Setting::Int(1), json!(u64::MAX), Some(false)),
            (
                DataType::F64,
                Setting::Float(0.1),
                json!(0.1 + 1e-12),
                Some(true),
            ),
            (
                DataType::F64,
                Setting::Float(0.1),
                json!(0.100_001),
                Some(false),
            ),
            (DataType::F64, Setting::Int(2), json!(2.0), Some(true)),
            (DataType::U16, text(">= 20"), json!(20), Some(true)),
            (DataType::U16, text("< 20"), json!(20), Some(false)),
            (DataType::U16, text("< 20"), Value::Null, Some(false)),
            (DataType::U16, text("null"), Value::Null, Some(true)),
            (DataType::U16, text("20"), json!(20), None),
            (DataType::U16, Setting::Bool(true), json!(20), None),
            (DataType::Bool, Setting::Bool(true), json!(true), Some(true)),
            (DataType::Bool, Setting::Int(1), json!(true), None),
            (DataType::Text, text("null"), json!("null"), Some(false)),
            (
                DataType::Address,
                text("10.0.0.1"),
                json!("10.0.0.1"),
                Some(true),
            ),
            (DataType::Address, Setting::Int(1), json!("10.0.0.1"), None),
        ];
        for (data_type, setting, value, expected) in cases {
            assert_eq!(
                fits(&data_type, &setting, &value),
                expected,
                "{setting:?} of {value}"
            );
        }
        let table = |parts: &[(&str, Setting)]| {
            let parts = parts.iter().cloned();
            Setting::Table(
                parts
                    .map(|(name, value)| (name.to_owned(), value))
                    .collect(),
            )
        };
        let near = table(&[("value", Setting::Float(1.5)), ("abs", Setting::Float(0.1))]);
        assert_eq!(fits(&DataType::F64, &near, &json!(1.55)), Some(true));
        assert_eq!(fits(&DataType::F64, &near, &json!(1.7)), Some(false));
        let word = table(&[("value", text("null"))]);
        assert_eq!(fits(&DataType::Text, &word, &json!("null")), Some(true));
        let list = DataType::List(Box::new(DataType::F64));
        let items = Setting::List(vec![Setting::Int(1), Setting::Float(0.5)]);
        assert_eq!(fits(&list, &items, &json!([1.0, 0.5])), Some(true));
        assert_eq!(fits(&list, &items, &json!([1.0])), Some(false));
    }
}
