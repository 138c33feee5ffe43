//! The variables of a spec: typed values that are put in after parsing.
//!
//! What a declaration says and which values fit it. Where they are put in is `check/variables.rs`.

use operators::options::{
    Duration, OptionError, OptionValue, Options, Setting, Size, Wrong, wrong_kind,
};
use operators::sources::Moment;
use std::cmp::Ordering;
use std::net::IpAddr;

/// A variable: `[vars.NAME]`.
#[derive(Clone, Debug, Options)]
pub struct VariableOptions {
    /// What its value is.
    #[option(name = "type", required)]
    pub kind: Option<VariableType>,
    /// Its value where nothing else is given; without one, it must be set.
    #[option]
    pub default: Option<Literal>,
    /// What it is for.
    #[option]
    pub doc: Option<String>,
    /// The values that it may have.
    #[option]
    pub choices: Option<Vec<Literal>>,
    /// The smallest value that it may have; not for text.
    #[option]
    pub min: Option<Literal>,
    /// The largest value that it may have; not for text.
    #[option]
    pub max: Option<Literal>,
}

/// What the value of a variable is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Options)]
pub enum VariableType {
    /// Text.
    Text,
    /// A path; one that is given on the command line starts from the working directory.
    Path,
    /// A whole number.
    Int,
    /// A number.
    Float,
    /// `true` or `false`.
    Bool,
    /// A duration such as `"60s"`.
    Duration,
    /// A size such as `"64KiB"`.
    Size,
    /// A time such as `"2026-01-31T08:00:00Z"`.
    Time,
    /// An IP address.
    Ip,
    /// A network such as `"10.0.0.0/8"`.
    Cidr,
}

/// A boolean, number or text.
#[derive(Clone, Debug, PartialEq)]
pub struct Literal(pub Setting);

impl OptionValue for Literal {
    fn kind() -> String {
        "a boolean, number or text".to_owned()
    }

    fn read(setting: &Setting) -> Result<Self, OptionError> {
        match setting {
            Setting::Bool(_) | Setting::Int(_) | Setting::Float(_) | Setting::Text(_) => {
                Ok(Self(setting.clone()))
            }
            other => wrong_kind(&Self::kind(), other),
        }
    }
}

/// A variable of a spec, with what it stands for.
#[derive(Clone, Debug, PartialEq)]
pub struct Variable {
    /// Its name.
    pub name: String,
    /// What its value is.
    pub kind: VariableType,
    /// Its value; durations, times and the like as they are written. `None` where it has none yet.
    pub value: Option<Setting>,
    /// What it is for, if it says so.
    pub doc: Option<String>,
}

impl VariableType {
    /// Whether a value is of this type.
    ///
    /// # Errors
    /// It is not.
    pub fn check(self, value: &Setting) -> Result<(), OptionError> {
        match self {
            Self::Text | Self::Path => String::read(value).map(drop),
            Self::Int => i64::read(value).map(drop),
            Self::Float => f64::read(value).map(drop),
            Self::Bool => bool::read(value).map(drop),
            Self::Duration => Duration::read(value).map(drop),
            Self::Size => Size::read(value).map(drop),
            Self::Time => Moment::read(value).map(drop),
            Self::Ip => address(value, |text| text.parse::<IpAddr>().is_ok(), "10.0.0.1"),
            Self::Cidr => address(value, is_network, "10.0.0.0/8"),
        }
    }

    /// The value that a text on the command line means.
    pub fn of_text(self, text: &str) -> Setting {
        let whole = || text.parse().map(Setting::Int).ok();
        let value = match self {
            Self::Int => whole(),
            Self::Float => whole().or_else(|| text.parse().map(Setting::Float).ok()),
            Self::Bool => text.parse().map(Setting::Bool).ok(),
            _ => None,
        };
        value.unwrap_or_else(|| Setting::Text(text.to_owned()))
    }

    /// How two values of this type compare; `None` where the type has no order or they are not of it.
    pub fn compare(self, one: &Setting, other: &Setting) -> Option<Ordering> {
        let size = |value| Size::read(value).ok();
        let time = |value| Moment::read(value).ok();
        match self {
            Self::Int => Some(i64::read(one).ok()?.cmp(&i64::read(other).ok()?)),
            Self::Float => f64::read(one).ok()?.partial_cmp(&f64::read(other).ok()?),
            Self::Duration => Some(Duration::read(one).ok()?.cmp(&Duration::read(other).ok()?)),
            Self::Size => Some(size(one)?.cmp(&size(other)?)),
            Self::Time => Some(time(one)?.cmp(&time(other)?)),
            Self::Text | Self::Path | Self::Bool | Self::Ip | Self::Cidr => None,
        }
    }

    /// Some value of this type, to check the rest of a spec with before the variable has one.
    pub fn any(self, name: &str) -> Setting {
        match self {
            Self::Text | Self::Path => Setting::Text(format!("${{{name}}}")),
            Self::Int => Setting::Int(1),
            Self::Float => Setting::Float(1.0),
            Self::Bool => Setting::Bool(false),
            Self::Duration => Setting::Text("1s".to_owned()),
            Self::Size => Setting::Text("1MiB".to_owned()),
            Self::Time => Setting::Text("1970-01-01T00:00:00Z".to_owned()),
            Self::Ip => Setting::Text("127.0.0.1".to_owned()),
            Self::Cidr => Setting::Text("127.0.0.0/8".to_owned()),
        }
    }
}

impl VariableOptions {
    /// What is wrong with a value that is of the right type; `None` = nothing.
    pub fn refuses(&self, value: &Setting) -> Option<String> {
        let kind = self.kind?;
        let choices = self.choices.as_deref().unwrap_or_default();
        if !choices.is_empty() && !choices.iter().any(|choice| choice.0 == *value) {
            let choices: Vec<String> = choices.iter().map(|choice| written(&choice.0)).collect();
            return Some(format!("one of {}", choices.join(", ")));
        }
        let beyond = |limit: &Option<Literal>, order, word| {
            let limit = &limit.as_ref()?.0;
            (kind.compare(value, limit) == Some(order))
                .then(|| format!("{} {word}", written(limit)))
        };
        beyond(&self.min, Ordering::Less, "or more")
            .or_else(|| beyond(&self.max, Ordering::Greater, "or less"))
    }
}

/// A value as text.
pub fn written(value: &Setting) -> String {
    match value {
        Setting::Text(text) => text.clone(),
        other => super::format::setting(other),
    }
}

fn address(value: &Setting, fits: impl Fn(&str) -> bool, like: &str) -> Result<(), OptionError> {
    let text = String::read(value)?;
    if fits(&text) {
        return Ok(());
    }
    Err(Wrong::Other(format!(
        "expected something like \"{like}\", found \"{text}\""
    ))
    .into())
}

fn is_network(text: &str) -> bool {
    let Some((address, length)) = text.split_once('/') else {
        return false;
    };
    let most = match address.parse() {
        Ok(IpAddr::V4(_)) => 32,
        Ok(IpAddr::V6(_)) => 128,
        Err(_) => return false,
    };
    length.parse::<u8>().is_ok_and(|length| length <= most)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(text: &str) -> Setting {
        Setting::Text(text.to_owned())
    }

    #[test]
    fn every_type_has_values_and_refuses_others() {
        let wrong = [
            (VariableType::Text, Setting::Int(1)),
            (VariableType::Int, text("one")),
            (VariableType::Float, Setting::Bool(true)),
            (VariableType::Bool, text("yes")),
            (VariableType::Duration, Setting::Int(60)),
            (VariableType::Size, text("64")),
            (VariableType::Time, text("yesterday")),
            (VariableType::Ip, text("10.0.0")),
            (VariableType::Cidr, text("10.0.0.0/33")),
            (VariableType::Cidr, text("10.0.0.1")),
        ];
        for (kind, value) in wrong {
            assert!(kind.check(&value).is_err(), "{value:?}");
            assert!(kind.check(&kind.any("x")).is_ok(), "{kind:?}");
        }
        assert_eq!(VariableType::Int.of_text("5"), Setting::Int(5));
        assert_eq!(VariableType::Float.of_text("0.5"), Setting::Float(0.5));
        assert_eq!(VariableType::Text.of_text("5"), text("5"));
    }

    #[test]
    fn limits_compare_by_meaning() {
        let options = VariableOptions {
            kind: Some(VariableType::Duration),
            min: Some(Literal(text("1s"))),
            max: Some(Literal(text("2m"))),
            ..VariableOptions::default()
        };
        assert_eq!(options.refuses(&text("90s")), None);
        assert_eq!(
            options.refuses(&text("999ms")).as_deref(),
            Some("1s or more")
        );
        assert_eq!(options.refuses(&text("1h")).as_deref(), Some("2m or less"));
    }
}
