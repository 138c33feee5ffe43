//! Sections to nodes: which there are, what they are called, and what does not belong in a spec.

use super::{Check, Raw};
use crate::spec::diagnostic::{Diagnostic, Span};
use crate::spec::load::{Entry, Kind};
use crate::spec::sections::{SECTIONS, Section, TOP, reserved_keys, section_keys};
use crate::spec::suggest::{did_you_mean, list, nearest};
use operators::options::Setting;

/// The version of the language.
const VERSION: i64 = 1;

/// Words of the expression language, which cannot be names.
const KEYWORDS: [&str; 16] = [
    "and", "or", "not", "in", "is", "null", "true", "false", "if", "then", "else", "case", "when",
    "end", "where", "pkt",
];

/// Nodes and computed columns of a spec at most.
const MAX_NODES: usize = 10_000;

impl<'a> Check<'a> {
    /// The top-level keys, and whether there are others.
    pub(super) fn top(&mut self) -> (Option<String>, Option<String>) {
        let root = &self.loaded.root;
        let (mut name, mut description) = (None, None);
        for entry in root {
            match entry.name.as_str() {
                "spec" => match &entry.value.kind {
                    Kind::Leaf(Setting::Int(VERSION)) => {}
                    Kind::Leaf(Setting::Int(other)) => self.found.push(
                        Diagnostic::new(
                            "E0002",
                            entry.value.at,
                            "spec",
                            format!("version {other} of the language is not known"),
                        )
                        .help(format!("this program reads `spec = {VERSION}`")),
                    ),
                    _ => self.wrong_type(&entry.value, "spec", "an integer", "write `spec = 1`"),
                },
                "name" | "description" => match entry.value.text() {
                    Some(text) if entry.name == "name" => name = Some(text.to_owned()),
                    Some(text) => description = Some(text.to_owned()),
                    None => self.wrong_type(
                        &entry.value,
                        &entry.name,
                        "text",
                        &format!("write `{} = \"...\"`", entry.name),
                    ),
                },
                other if Section::named(other).is_some() => {}
                other => self.unknown_top(entry, other),
            }
        }
        if !root.iter().any(|entry| entry.name == "spec") {
            let at = Span::default();
            self.found.push(
                Diagnostic::new("E0006", at, "spec", "the key `spec` is missing")
                    .help(format!("begin the file with `spec = {VERSION}`")),
            );
        }
        (name, description)
    }

    pub(super) fn unknown_top(&mut self, entry: &Entry, name: &str) {
        let table = |kind: &Kind| match kind {
            Kind::Table { .. } => true,
            Kind::List(items) => items
                .iter()
                .any(|item| matches!(item.kind, Kind::Table { .. })),
            Kind::Leaf(_) => false,
        };
        let what = if table(&entry.value.kind) {
            "section"
        } else {
            "key"
        };
        let known = TOP
            .iter()
            .map(|key| key.name)
            .chain(SECTIONS.iter().map(|section| section.name));
        let help = did_you_mean(name, known.clone())
            .unwrap_or_else(|| format!("a spec has {}", list(known.clone())));
        let mut fault =
            Diagnostic::new("E0005", entry.at, name, format!("unknown {what} `{name}`")).help(help);
        if let [one] = nearest(name, known)[..] {
            fault = fault.edit(one);
        }
        self.found.push(fault);
    }

    /// The nodes of a section: one without a name, or several with.
    pub(super) fn nodes(&mut self, section: &str) -> Vec<Raw<'a>> {
        let loaded = self.loaded;
        let (Some(section), Some(entry)) = (
            Section::named(section),
            loaded.root.iter().find(|entry| entry.name == section),
        ) else {
            return Vec::new();
        };
        let title = section.name;
        let Some(entries) = entry.value.entries() else {
            let help = match entry.value.kind {
                Kind::List(_) => {
                    format!("write `[{title}.NAME]` for each instead of `[[{title}]]`")
                }
                Kind::Leaf(_) => format!("write `[{title}]` and its keys below"),
                _ => String::new(),
            };
            self.wrong_type(&entry.value, title, "a table", &help);
            return Vec::new();
        };
        let whole = |name: &str| Raw {
            name: name.to_owned(),
            at: entry.at,
            path: title.to_owned(),
            entries,
        };
        let keys = section_keys(section);
        let single = match section.single {
            Some(single) => single,
            None if section.named => return self.named(entry, entries, section.node),
            None => return vec![whole(title)],
        };
        let is_header =
            |entry: &Entry| matches!(entry.value.kind, Kind::Table { inline: false, .. });
        let is_key = |entry: &Entry| keys.iter().any(|key| key.name == entry.name);
        let is_plain = entries
            .iter()
            .any(|entry| !is_header(entry) && is_key(entry));
        // A key of some types only is no key before the type is known: `[sinks.metrics]` is a sink.
        let reserved = reserved_keys(section);
        let key_of = |entry: &Entry| {
            let mut known = keys.iter();
            known
                .find(|key| key.name == entry.name)
                .filter(|key| is_plain || !is_header(entry) || reserved.contains(&key.name))
        };
        let named: Vec<&Entry> = entries
            .iter()
            .filter(|entry| is_header(entry) && key_of(entry).is_none())
            .collect();
        let mut mixed = false;
        for inner in entries {
            let Some(key) = key_of(inner) else { continue };
            if is_header(inner) && !key.kind.contains("table") {
                mixed = true;
                self.found.push(
                    Diagnostic::new(
                        "E0010",
                        inner.at,
                        format!("{title}.{}", inner.name),
                        format!(
                            "`{}` is a key of `[{title}]` and cannot name a {}",
                            inner.name, section.node
                        ),
                    )
                    .help("choose another name"),
                );
            } else if let (Some(node), false) = (named.first(), mixed) {
                mixed = true;
                self.found.push(
                    Diagnostic::new(
                        "E0009",
                        inner.at,
                        format!("{title}.{}", inner.name),
                        format!(
                            "`[{title}]` has the key `{}` beside the {} `{}`",
                            inner.name, section.node, node.name
                        ),
                    )
                    .help(format!(
                        "give this {} a name too: move the key below `[{title}.NAME]`",
                        section.node
                    )),
                );
            }
        }
        if named.is_empty() || mixed {
            return if mixed {
                Vec::new()
            } else {
                vec![whole(single)]
            };
        }
        for inner in entries.iter().filter(|inner| !is_header(inner)) {
            self.unknown_key(inner, title, &format!("`[{title}]`"), &keys);
        }
        let nodes = named.into_iter();
        nodes
            .map(|inner| self.raw(title, inner, section.node))
            .collect()
    }

    /// The nodes of a section in which every node has a name.
    fn named(&mut self, section: &Entry, entries: &'a [Entry], what: &str) -> Vec<Raw<'a>> {
        let title = &section.name;
        let mut nodes = Vec::new();
        for inner in entries {
            if inner.value.entries().is_some() {
                nodes.push(self.raw(title, inner, what));
            } else {
                let path = format!("{title}.{}", inner.name);
                let help = format!("write `[{path}]` and its keys below");
                self.wrong_type(&inner.value, &path, "a table", &help);
            }
        }
        nodes
    }

    fn raw(&mut self, title: &str, inner: &'a Entry, what: &str) -> Raw<'a> {
        let path = format!("{title}.{}", inner.name);
        self.name(inner, &path, what);
        Raw {
            name: inner.name.clone(),
            at: inner.at,
            path,
            entries: inner.value.entries().unwrap_or_default(),
        }
    }

    /// Whether the spec is within the limit of nodes and computed columns.
    pub(super) fn count(&mut self) {
        let loaded = self.loaded;
        let mut count = 0;
        for section in &loaded.root {
            for entry in section.value.entries().unwrap_or_default() {
                let inside = entry.value.entries().unwrap_or_default();
                let derived = inside.iter().find(|entry| entry.name == "derive");
                let derived = derived.and_then(|entry| entry.value.entries());
                count += match entry.name.as_str() {
                    "derive" => inside.len(),
                    _ => 1 + derived.map_or(0, <[Entry]>::len),
                };
                if count > MAX_NODES {
                    let message = format!("more than {MAX_NODES} nodes, keys and computed columns");
                    self.found.push(
                        Diagnostic::new("E0003", entry.at, &section.name, message)
                            .help("split the spec into several runs"),
                    );
                    return;
                }
            }
        }
    }

    /// The only node of a section that has at most one.
    pub(super) fn only(&mut self, section: &str) -> Option<Raw<'a>> {
        let mut nodes = self.nodes(section).into_iter();
        let first = nodes.next();
        for other in nodes {
            self.found.push(
                Diagnostic::new(
                    "E0003",
                    other.at,
                    &other.path,
                    format!("a second node in `[{section}]`"),
                )
                .help(format!(
                    "this version of jayflow has one; it is `{}`",
                    first.as_ref().map_or("", |raw| &raw.name)
                )),
            );
        }
        first
    }

    /// Whether a node may have this name.
    pub(super) fn name(&mut self, entry: &Entry, path: &str, what: &str) {
        let name = &entry.name;
        let mut letters = name.chars();
        let plain = letters.next().is_some_and(|c| c.is_ascii_lowercase())
            && letters.all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_')
            && name.len() <= 63;
        let fault = if !plain {
            "a name has lower-case letters, digits and `_`, begins with a letter and has at most 63 characters"
        } else if KEYWORDS.contains(&name.as_str()) {
            "it is a word of the expression language"
        } else {
            return;
        };
        self.found.push(
            Diagnostic::new(
                "E0011",
                entry.at,
                path,
                format!("`{name}` cannot be the name of a {what}"),
            )
            .help(fault),
        );
    }
}
