//! Text to a tree in which every key and value has its place.
//!
//! Knows TOML, not what a spec means. `toml_edit::Document` keeps byte spans; serde's derives would lose them.

use super::assign::Given;
use super::diagnostic::{Diagnostic, Diagnostics, Source, Span};
use super::merge;
use super::secrets::Secrets;
use operators::joins::Joined;
use operators::options::{Setting, Step};
use operators::schema::Schema;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use toml_edit::{Document, Item, TableLike};

/// Bytes of a spec at most.
pub const MAX_BYTES: usize = 1 << 20;
/// Tables and lists inside each other at most.
pub const MAX_NESTING: usize = 64;

/// A key with its value.
#[derive(Clone, Debug, PartialEq)]
pub struct Entry {
    /// The key.
    pub name: String,
    /// Where the key is.
    pub at: Span,
    /// What it is set to.
    pub value: Value,
}

/// A value in its place.
#[derive(Clone, Debug, PartialEq)]
pub struct Value {
    /// Where it is.
    pub at: Span,
    /// What it is.
    pub kind: Kind,
}

/// What a value is.
#[derive(Clone, Debug, PartialEq)]
pub enum Kind {
    /// A boolean, number or text.
    Leaf(Setting),
    /// Values in order.
    List(Vec<Value>),
    /// A table; `inline` where it is written `{ .. }`.
    Table {
        /// In the order of the text.
        entries: Vec<Entry>,
        /// Written `{ .. }`.
        inline: bool,
    },
}

impl Value {
    /// Without places, as [`operators::options`] reads it.
    pub fn setting(&self) -> Setting {
        match &self.kind {
            Kind::Leaf(setting) => setting.clone(),
            Kind::List(items) => Setting::List(items.iter().map(Self::setting).collect()),
            Kind::Table { entries, .. } => Setting::Table(
                entries
                    .iter()
                    .map(|entry| (entry.name.clone(), entry.value.setting()))
                    .collect(),
            ),
        }
    }

    /// The entries, if it is a table.
    pub fn entries(&self) -> Option<&[Entry]> {
        match &self.kind {
            Kind::Table { entries, .. } => Some(entries),
            _ => None,
        }
    }

    /// The text, if it is text.
    pub fn text(&self) -> Option<&str> {
        match &self.kind {
            Kind::Leaf(Setting::Text(text)) => Some(text),
            _ => None,
        }
    }

    /// The value that `steps` lead to, and where its key is; the innermost one there is.
    pub fn inner(&self, steps: &[Step]) -> (&Self, Option<Span>) {
        let mut value = self;
        let mut key = None;
        for step in steps {
            match (&value.kind, step) {
                (Kind::List(items), Step::Index(index)) if *index < items.len() => {
                    value = &items[*index];
                    key = None;
                }
                (Kind::Table { entries, .. }, Step::Key(name)) => {
                    let Some(entry) = entries.iter().find(|entry| entry.name == *name) else {
                        break;
                    };
                    value = &entry.value;
                    key = Some(entry.at);
                }
                _ => break,
            }
        }
        (value, key)
    }
}

/// A spec as it was written: the texts and the tree they make together.
#[derive(Clone, Debug, Default)]
pub struct Loaded {
    /// What spans point into; the spec itself is the first.
    pub sources: Vec<Source>,
    /// The top-level entries.
    pub root: Vec<Entry>,
    /// How many of the texts are spec files; those behind them come from who runs the spec.
    pub files: usize,
    /// Whether the tree is more than the first text.
    pub changed: bool,
    /// Variables that were set from outside; the last counts.
    pub given: Vec<Given>,
    /// Whether who wrote the spec is somebody else than who runs it: no secrets, no paths out of its directory.
    pub untrusted: bool,
    /// What the sink says that `run --tap` adds.
    pub tap: Vec<Entry>,
    /// What was looked up for the secrets that the spec names.
    pub secrets: Secrets,
    /// The files that rows are joined with, by join, as far as they were looked at.
    pub tables: BTreeMap<String, Joined>,
    /// The columns of the rows that are read, where such are read and somebody has looked.
    pub written: Option<Arc<Schema>>,
}

impl Loaded {
    /// Reads a spec from its text; no other file is opened, so it extends presets only.
    ///
    /// # Errors
    /// It is not TOML, or beyond a limit, or extends or includes what is not there.
    pub fn text(
        name: impl Into<String>,
        text: impl Into<String>,
        base: PathBuf,
    ) -> Result<Self, Diagnostics> {
        let source = Source {
            name: name.into(),
            text: text.into(),
            base,
        };
        Self::with_files(source, false, &|_| Err(std::io::ErrorKind::NotFound.into()))
    }

    /// Lays another text over this one: tables key by key, anything else is replaced.
    ///
    /// # Errors
    /// It is not TOML, or beyond a limit.
    pub fn add(&mut self, source: Source) -> Result<(), Diagnostics> {
        let entries = parse(self.sources.len(), &source.text);
        self.lay(source, entries)
    }

    pub(super) fn lay(
        &mut self,
        source: Source,
        entries: Result<Vec<Entry>, Box<Diagnostic>>,
    ) -> Result<(), Diagnostics> {
        self.sources.push(source);
        self.changed = true;
        let mut found = Vec::new();
        match entries {
            Ok(entries) => {
                merge::lay(&mut self.root, entries);
                merge::lists(&mut self.root, &mut found);
            }
            Err(fault) => found.push(*fault),
        }
        if found.is_empty() {
            return Ok(());
        }
        Err(Diagnostics {
            sources: self.sources.clone(),
            list: found,
            more: 0,
        })
    }
}

pub(super) fn too_deep(at: Span) -> Box<Diagnostic> {
    let message = format!("tables and lists are nested more than {MAX_NESTING} deep");
    Box::new(Diagnostic::new("E0003", at, "", message).help("no setting of a spec needs it"))
}

/// The entries of a TOML text.
pub(super) fn parse(source: usize, text: &str) -> Result<Vec<Entry>, Box<Diagnostic>> {
    let span = |range: Option<std::ops::Range<usize>>| {
        let range = range.unwrap_or(text.len()..text.len());
        Span {
            source,
            start: range.start,
            end: range.end,
        }
    };
    let fault = |code, at, message: String| Diagnostic::new(code, at, "", message);
    if text.len() > MAX_BYTES {
        let message = format!(
            "the spec has {} bytes, more than {MAX_BYTES} (1 MiB)",
            text.len()
        );
        let fault = fault("E0003", span(Some(0..0)), message);
        return Err(Box::new(
            fault.help("lists of files are better given as globs or directories"),
        ));
    }
    let document = Document::parse(text).map_err(|error| {
        let at = span(error.span());
        match error.message() {
            message if message.contains("recursion") => too_deep(at),
            "duplicate key" => {
                let key = text.get(at.start..at.end).unwrap_or_default();
                let fault = fault("E0012", at, format!("`{key}` is there twice"));
                Box::new(fault.help("keep one of the two"))
            }
            message => Box::new(fault("E0001", at, format!("not valid TOML: {message}"))),
        }
    })?;
    let tree = Tree { source };
    tree.table(document.as_table(), 0)
}

/// Turns toml_edit's tree into ours.
struct Tree {
    source: usize,
}

impl Tree {
    fn span(&self, range: Option<std::ops::Range<usize>>) -> Option<Span> {
        range.map(|range| Span {
            source: self.source,
            start: range.start,
            end: range.end,
        })
    }

    fn table(&self, table: &dyn TableLike, depth: usize) -> Result<Vec<Entry>, Box<Diagnostic>> {
        let mut entries = Vec::new();
        for (name, item) in table.iter() {
            let at = self
                .span(table.key(name).and_then(toml_edit::Key::span))
                .unwrap_or_default();
            entries.push(Entry {
                name: name.to_owned(),
                at,
                value: self.item(item, at, depth + 1)?,
            });
        }
        Ok(entries)
    }

    fn item(&self, item: &Item, key: Span, depth: usize) -> Result<Value, Box<Diagnostic>> {
        let at = self.span(item.span()).unwrap_or(key);
        if depth > MAX_NESTING {
            return Err(too_deep(at));
        }
        let kind = match item {
            Item::Table(table) => Kind::Table {
                entries: self.table(table, depth)?,
                inline: false,
            },
            Item::ArrayOfTables(tables) => {
                let mut items = Vec::new();
                for table in tables {
                    items.push(Value {
                        at: self.span(table.span()).unwrap_or(key),
                        kind: Kind::Table {
                            entries: self.table(table, depth + 1)?,
                            inline: false,
                        },
                    });
                }
                Kind::List(items)
            }
            Item::Value(value) => return self.value(value, key, depth),
            Item::None => Kind::Leaf(Setting::Text(String::new())),
        };
        Ok(Value { at, kind })
    }

    fn value(
        &self,
        value: &toml_edit::Value,
        key: Span,
        depth: usize,
    ) -> Result<Value, Box<Diagnostic>> {
        let at = self.span(value.span()).unwrap_or(key);
        if depth > MAX_NESTING {
            return Err(too_deep(at));
        }
        let leaf = |setting| Kind::Leaf(setting);
        let kind = match value {
            toml_edit::Value::String(text) => leaf(Setting::Text(text.value().clone())),
            toml_edit::Value::Integer(number) => leaf(Setting::Int(*number.value())),
            toml_edit::Value::Float(number) => leaf(Setting::Float(*number.value())),
            toml_edit::Value::Boolean(truth) => leaf(Setting::Bool(*truth.value())),
            // A date is text of a form that settings with a time take.
            toml_edit::Value::Datetime(time) => leaf(Setting::Text(time.value().to_string())),
            toml_edit::Value::Array(items) => Kind::List(
                items
                    .iter()
                    .map(|item| self.value(item, key, depth + 1))
                    .collect::<Result<_, _>>()?,
            ),
            toml_edit::Value::InlineTable(table) => Kind::Table {
                entries: self.table(table, depth)?,
                inline: !table.is_dotted(),
            },
        };
        Ok(Value { at, kind })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn load(text: &str) -> Loaded {
        Loaded::text("t", text, PathBuf::new()).expect("TOML")
    }

    fn marked(text: &str, at: Span) -> &str {
        &text[at.start..at.end]
    }

    #[test]
    fn keys_and_values_have_places() {
        let text = "[sources.a]\npath = [\"x\", \"y\"]\nb.c = 1\n";
        let loaded = load(text);
        let sources = &loaded.root[0];
        assert_eq!(marked(text, sources.at), "sources");
        let node = &sources.value.entries().expect("table")[0];
        assert_eq!(marked(text, node.at), "a");
        let entries = node.value.entries().expect("table");
        let (item, _) = entries[0].value.inner(&[Step::Index(1)]);
        assert_eq!(marked(text, item.at), "\"y\"");
        let (item, key) = entries[1].value.inner(&[Step::Key("c".to_owned())]);
        assert_eq!(
            (marked(text, item.at), marked(text, key.expect("a key"))),
            ("1", "c")
        );
    }

    #[test]
    fn settings_are_laid_over() {
        let mut loaded = load("[flows]\nidle_timeout = \"1s\"\n");
        for assignment in [
            "flows.idle_timeout=30s",
            "flows.key=[\"5tuple\", \"vlan\"]",
            "run.workers=4",
        ] {
            loaded.set(assignment).expect("an assignment");
        }
        let flows = loaded.root[0].value.setting();
        assert_eq!(
            flows,
            Setting::Table(vec![
                ("idle_timeout".to_owned(), Setting::Text("30s".to_owned())),
                (
                    "key".to_owned(),
                    Setting::List(vec![
                        Setting::Text("5tuple".to_owned()),
                        Setting::Text("vlan".to_owned())
                    ])
                ),
            ])
        );
        assert_eq!(loaded.root[1].name, "run");
        for wrong in ["flows", "=1", "a..b=x", "a b=c d"] {
            assert!(loaded.set(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn limits_hold_without_a_deep_stack() {
        let code = |text: &str| {
            Loaded::text("t", text, PathBuf::new())
                .expect_err("beyond a limit")
                .list[0]
                .code
        };
        assert_eq!(code(&"#".repeat(MAX_BYTES + 1)), "E0003");
        assert_eq!(code(&format!("a = {}", "[".repeat(100_000))), "E0003");
        assert_eq!(code(&format!("{}b = 1", "a.".repeat(100_000))), "E0003");
        let nested = |n: usize| format!("a = {}{}", "[".repeat(n), "]".repeat(n));
        assert_eq!(code(&nested(65)), "E0003");
        load(&nested(63));
        assert_eq!(code("a = 1\na = 2"), "E0012");
        assert_eq!(code("a = "), "E0001");
    }
}
