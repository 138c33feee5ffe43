//! Settings that are not written into a spec: a key, a token, an address with a password in it.
//!
//! A spec names them, `"${secret:NAME}"`; the value is looked up before a run and lives only here. It is in no debug output, no
//! text of a spec and no digest. Where values come from is not known here.

use crate::options::{OptionError, OptionValue, Setting, wrong_kind};
use std::fmt;

/// A piece of a secret text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Part {
    /// Written in the spec.
    Plain(String),
    /// `${secret:NAME}`: a file of the directory of secrets, or else the environment.
    Secret(String),
    /// `${env:NAME}`: the environment.
    Environment(String),
}

/// A text with secrets in it, and its value where it was looked up.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret {
    /// The text as it was written.
    pub parts: Vec<Part>,
    value: Option<String>,
}

impl Secret {
    /// A text whose value is not known yet.
    pub const fn new(parts: Vec<Part>) -> Self {
        Self { parts, value: None }
    }

    /// The same with the value that `find` gives for each secret; `None` where it gives none.
    pub fn filled(mut self, mut find: impl FnMut(&Part) -> Option<String>) -> Self {
        let parts = self.parts.iter().map(|part| match part {
            Part::Plain(text) => Some(text.clone()),
            named => find(named),
        });
        self.value = parts.collect();
        self
    }

    /// The value, if it was looked up.
    pub fn value(&self) -> Option<&str> {
        self.value.as_deref()
    }
}

/// As it was written in the spec, never its value.
impl fmt::Display for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.parts.iter().try_for_each(|part| match part {
            Part::Plain(text) => f.write_str(&text.replace("${", "$${")),
            Part::Secret(name) => write!(f, "${{secret:{name}}}"),
            Part::Environment(name) => write!(f, "${{env:{name}}}"),
        })
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Secret({self})")
    }
}

impl OptionValue for Secret {
    fn kind() -> String {
        "a secret such as \"${secret:NAME}\"".to_owned()
    }

    fn read(setting: &Setting) -> Result<Self, OptionError> {
        match setting {
            Setting::Secret(secret) => Ok(secret.clone()),
            other => wrong_kind(&Self::kind(), other),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_value_is_in_no_text() {
        let parts = vec![
            Part::Plain("db://u:".to_owned()),
            Part::Secret("PW".to_owned()),
            Part::Plain("@h".to_owned()),
        ];
        let secret = Secret::new(parts).filled(|_| Some("hunter2".to_owned()));
        assert_eq!(secret.value(), Some("db://u:hunter2@h"));
        assert_eq!(secret.to_string(), "db://u:${secret:PW}@h");
        let setting = Setting::Secret(secret);
        assert!(!format!("{setting:?}").contains("hunter2"));
        let none = Secret::new(vec![Part::Environment("X".to_owned())]).filled(|_| None);
        assert_eq!((none.value(), none.to_string()), (None, "${env:X}".into()));
        assert!(Secret::read(&Setting::Text("hunter2".to_owned())).is_err());
    }
}
