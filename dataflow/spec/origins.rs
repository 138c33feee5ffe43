//! Every setting of a spec with its value and where that came from: a line of a file, the command line, the environment, a default.
//!
//! Values are those of the tree after variables were put in; a secret is its reference.

use super::Spec;
use super::diagnostic::{Diagnostics, Span};
use super::format;
use super::load::{Entry, Kind, Loaded};
use super::sections::{SECTIONS, Section, section_keys, sink_keys};
use operators::options::{Key, Setting};

/// A setting of a spec.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Origin {
    /// Its path: `flows.idle_timeout`.
    pub path: String,
    /// Its value as TOML.
    pub value: String,
    /// Where that came from: `flows.toml:7`, `--set flows.idle_timeout=30s`, `default`.
    pub from: String,
}

impl Loaded {
    /// The settings of a spec that was checked: those of every node, in the order of the sections, given ones and defaults.
    ///
    /// # Errors
    /// The variables cannot be put in.
    pub fn origins(&self, spec: &Spec) -> Result<Vec<Origin>, Diagnostics> {
        let (filled, ..) = self.filled()?;
        let mut found = Vec::new();
        for section in SECTIONS
            .iter()
            .filter(|one| !["vars", "tests"].contains(&one.name))
        {
            let root = filled.root.iter().find(|entry| entry.name == section.name);
            let entries = root
                .and_then(|entry| entry.value.entries())
                .unwrap_or_default();
            for (name, kind) in nodes(spec, section) {
                let own = entries.iter().find(|entry| entry.name == name);
                let is_header =
                    |entry: &&Entry| matches!(entry.value.kind, Kind::Table { inline: false, .. });
                let (entries, path) = match own.filter(is_header) {
                    Some(own) => (
                        own.value.entries().unwrap_or_default(),
                        format!("{}.{name}", section.name),
                    ),
                    None => (entries, section.name.to_owned()),
                };
                let keys = match section.name {
                    "sinks" => sink_keys(kind),
                    _ => section_keys(section),
                };
                filled.settings(entries, &path, &keys, &mut found);
            }
        }
        Ok(found)
    }

    fn settings(&self, entries: &[Entry], path: &str, keys: &[Key], found: &mut Vec<Origin>) {
        for key in keys {
            let path = format!("{path}.{}", key.name);
            let given = entries.iter().find(|entry| entry.name == key.name);
            let default = || {
                let text = Setting::Text(key.default?.to_owned());
                // numbers, booleans and lists are written as they are, all else is text
                let plain = key.default?.parse::<toml_edit::Value>();
                let is_text =
                    key.kind.starts_with("text") || !key.choices.is_empty() || plain.is_err();
                Some(match is_text {
                    true => format::setting(&text),
                    false => key.default?.to_owned(),
                })
            };
            let (value, from) = match given {
                Some(entry) => (
                    Some(format::setting(&entry.value.setting())),
                    self.place(entry.value.at),
                ),
                None => (default(), "default".to_owned()),
            };
            found.extend(value.map(|value| Origin { path, value, from }));
        }
    }

    /// Where a value was written, for people.
    fn place(&self, at: Span) -> String {
        let Some(source) = self.sources.get(at.source) else {
            return String::new();
        };
        if at.source >= self.files {
            return match source.name.as_str() {
                "--set" => format!("--set {}", source.text),
                name => name.to_owned(),
            };
        }
        let before = source.text.get(..at.start).unwrap_or_default();
        format!("{}:{}", source.name, before.matches('\n').count() + 1)
    }
}

/// The nodes of a section, and of sinks their types.
fn nodes<'s>(spec: &'s Spec, section: &Section) -> Vec<(&'s str, Option<&'static str>)> {
    fn names<T>(nodes: &[super::Node<T>]) -> Vec<(&str, Option<&'static str>)> {
        nodes
            .iter()
            .map(|node| (node.name.as_str(), None))
            .collect()
    }
    match section.name {
        "sources" => names(&spec.sources),
        "flows" => vec![(&spec.flows.name, None)],
        "features" => vec![(&spec.features.name, None)],
        "filters" => names(&spec.filters),
        "views" => names(&spec.views),
        "sinks" => spec
            .sinks
            .iter()
            .map(|sink| (sink.name.as_str(), Some(sink.options.options.kind())))
            .collect(),
        "decode" | "run" => vec![("", None)],
        _ => Vec::new(),
    }
}
