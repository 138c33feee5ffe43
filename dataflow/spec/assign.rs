//! What is set from outside of the spec file: keys and variables on the command line, variables in the environment.

use super::diagnostic::{Diagnostic, Diagnostics, Source, Span};
use super::load::{Entry, Kind, Loaded, MAX_NESTING, Value, parse, too_deep};
use super::sections::{Section, TOP};
use operators::options::Setting;
use std::path::PathBuf;

/// A variable that was set from outside.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Given {
    /// Its name.
    pub name: String,
    /// Where the name is.
    pub at: Span,
    /// Where the value is.
    pub value: Span,
    /// The value.
    pub text: String,
}

impl Loaded {
    /// Sets one key, `flows.idle_timeout=30s`, or one variable, `day=monday`. The value is TOML, or text as it stands.
    ///
    /// # Errors
    /// There is no `=`, or no key before it.
    pub fn set(&mut self, assignment: &str) -> Result<(), Diagnostics> {
        let source = Source {
            name: "--set".to_owned(),
            text: assignment.to_owned(),
            base: PathBuf::new(),
        };
        if let Some((name, text)) = variable(assignment) {
            self.give(source, name, text);
            return Ok(());
        }
        let number = self.sources.len();
        let entries = parse(number, assignment).or_else(|_| bare(number, assignment));
        for entry in entries.iter().flatten() {
            if ["extends", "include"].contains(&entry.name.as_str()) {
                let message = format!("`{}` cannot be set from outside", entry.name);
                let fault = Diagnostic::new("E0008", entry.at, &entry.name, message);
                let fault = fault.help("write a spec file that has it");
                return self.lay(source, Err(Box::new(fault)));
            }
        }
        self.lay(source, entries)
    }

    /// Gives variables the values that the environment has for them: `JAYFLOW_VAR_NAME`, the name as it is or in capitals.
    pub fn environment(&mut self, get: impl Fn(&str) -> Option<String>) {
        let section = self.root.iter().find(|entry| entry.name == "vars");
        let entries = section.and_then(|entry| entry.value.entries());
        let names = entries.unwrap_or_default().iter().map(|one| &one.name);
        let names: Vec<String> = names.cloned().collect();
        for name in names {
            let keys =
                [name.clone(), name.to_uppercase()].map(|name| format!("JAYFLOW_VAR_{name}"));
            let found = keys.into_iter().find_map(|key| Some((get(&key)?, key)));
            if let Some((text, key)) = found {
                let source = Source {
                    name: key,
                    text: text.clone(),
                    base: PathBuf::new(),
                };
                self.give(source, &name, &text);
            }
        }
    }

    /// Gives a variable another default.
    pub(super) fn set_default(&mut self, name: &str, value: &Setting) {
        let vars = self.root.iter_mut().find(|entry| entry.name == "vars");
        let Some(Kind::Table { entries, .. }) = vars.map(|entry| &mut entry.value.kind) else {
            return;
        };
        let Some(Entry {
            at, value: node, ..
        }) = entries.iter_mut().find(|one| one.name == name)
        else {
            return;
        };
        let entry = Entry {
            name: "default".to_owned(),
            at: *at,
            value: Value {
                at: *at,
                kind: Kind::Leaf(value.clone()),
            },
        };
        if let Kind::Table { entries, .. } = &mut node.kind {
            entries.retain(|entry| entry.name != "default");
            entries.push(entry);
        }
    }

    fn give(&mut self, source: Source, name: &str, text: &str) {
        let number = self.sources.len();
        let end = source.text.len();
        let start = end - text.len();
        let place = |start, end| Span {
            source: number,
            start,
            end,
        };
        self.given.push(Given {
            name: name.to_owned(),
            at: place(0, start.saturating_sub(1).max(name.len().min(end))),
            value: place(start, end),
            text: unquoted(text),
        });
        self.sources.push(source);
        self.changed = true;
    }
}

/// The name and the text of an assignment to a variable.
fn variable(assignment: &str) -> Option<(&str, &str)> {
    let (name, text) = assignment.split_once('=')?;
    let letter = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let is_name = !name.is_empty() && name.chars().all(letter);
    let is_key = TOP.iter().any(|key| key.name == name) || Section::named(name).is_some();
    (is_name && !is_key).then_some((name, text))
}

/// Text without the quotes that TOML would have around it.
fn unquoted(text: &str) -> String {
    let quoted = text.trim().starts_with(['"', '\'']);
    let value = quoted.then(|| text.trim().parse::<toml_edit::Value>().ok());
    match value.flatten() {
        Some(toml_edit::Value::String(text)) => text.into_value(),
        _ => text.to_owned(),
    }
}

/// `a.b=text` where the text is no TOML value.
fn bare(source: usize, assignment: &str) -> Result<Vec<Entry>, Box<Diagnostic>> {
    let whole = Span {
        source,
        start: 0,
        end: assignment.len(),
    };
    let wrong = || {
        let fault = Diagnostic::new("E0001", whole, "", "not an assignment to a key");
        Box::new(fault.help("write KEY=VALUE, e.g. `--set flows.idle_timeout=30s`"))
    };
    let (keys, text) = assignment.split_once('=').ok_or_else(wrong)?;
    let mut value = Value {
        at: Span {
            start: keys.len() + 1,
            ..whole
        },
        kind: Kind::Leaf(Setting::Text(text.trim().to_owned())),
    };
    let mut end = keys.len();
    let names: Vec<&str> = keys.split('.').collect();
    if names.len() > MAX_NESTING {
        return Err(too_deep(whole));
    }
    for name in names.into_iter().rev() {
        let at = Span {
            source,
            start: end - name.len(),
            end,
        };
        let bare = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
        if name.trim().is_empty() || !name.trim().chars().all(bare) {
            return Err(wrong());
        }
        end = at.start.saturating_sub(1);
        let entry = Entry {
            name: name.trim().to_owned(),
            at,
            value,
        };
        value = Value {
            at,
            kind: Kind::Table {
                entries: vec![entry],
                inline: false,
            },
        };
    }
    match value.kind {
        Kind::Table { entries, .. } => Ok(entries),
        _ => Err(wrong()),
    }
}
