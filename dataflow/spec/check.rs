//! A tree to a spec: every key against the `Options` of its node, names, inputs, columns. All faults of a stage at once.
//!
//! Pure: no file is opened (`files.rs` does that). Stages: sections and keys; the graph; what is read and written.

use super::diagnostic::{Diagnostic, Diagnostics, Span};
use super::load::{Entry, Kind, Loaded, Value};
use super::sections::{SECTIONS, Section, section_keys, sink_keys, sink_types, source_types};
use super::suggest::{did_you_mean, list, nearest};
use super::{Node, RunOptions, Sink, SinkOptions, Spec, format};
use crate::plan::features;
use operators::decode::DecodeOptions;
use operators::flows::FlowOptions;
use operators::options::{Key, OptionError, Options, Setting, Wrong};
use operators::schema::Schema;
use operators::sinks::Compression;
use operators::sources::PcapOptions;
use std::path::{Component, Path, PathBuf};

/// The version of the language.
const VERSION: i64 = 1;

/// Words of the expression language, which cannot be names.
const KEYWORDS: [&str; 16] = [
    "and", "or", "not", "in", "is", "null", "true", "false", "if", "then", "else", "case", "when",
    "end", "where", "pkt",
];

/// Sections and keys of the language that this version does not have.
const LATER: [&str; 7] = [
    "vars", "filters", "views", "joins", "tests", "extends", "include",
];

impl Loaded {
    /// Checks everything that can be checked without opening a file.
    ///
    /// # Errors
    /// All faults of the first stage that has any.
    pub fn check(&self) -> Result<Spec, Diagnostics> {
        let mut check = Check {
            loaded: self,
            found: Diagnostics::default(),
        };
        let spec = check.spec();
        let mut found = check.found;
        found.sources.clone_from(&self.sources);
        match spec {
            Some(mut spec) if !found.has_errors() => {
                spec.warnings = found;
                Ok(spec)
            }
            _ => Err(found),
        }
    }
}

/// A node as it was found: its keys, not yet read.
struct Raw<'a> {
    name: String,
    /// Where its name is, or that of its section.
    at: Span,
    /// `sinks.out`, or `sinks` without a name.
    path: String,
    entries: &'a [Entry],
}

impl<'a> Raw<'a> {
    fn entry(&self, name: &str) -> Option<&'a Entry> {
        self.entries.iter().find(|entry| entry.name == name)
    }
}

/// The inputs a node names, and where.
type Inputs = Vec<(String, Span, String)>;

struct Check<'a> {
    loaded: &'a Loaded,
    found: Diagnostics,
}

impl<'a> Check<'a> {
    /// The spec; `None` where a stage found errors.
    fn spec(&mut self) -> Option<Spec> {
        let loaded = self.loaded;
        let (name, description) = self.top();
        let sources: Vec<_> = self
            .nodes("sources")
            .into_iter()
            .map(|raw| {
                let options = self.source(&raw);
                (raw, options)
            })
            .collect();
        let decode_raw = self.nodes("decode").pop();
        let decode: DecodeOptions = self.optional("decode", decode_raw.as_ref());
        let flows_raw = self.only("flows");
        let flows: FlowOptions = self.optional("flows", flows_raw.as_ref());
        let features_raw = self.only("features");
        let settings: features::Settings = self.optional("features", features_raw.as_ref());
        let schema = self.select(&settings, features_raw.as_ref());
        let sinks: Vec<_> = self
            .nodes("sinks")
            .into_iter()
            .filter_map(|raw| {
                let options = self.sink(&raw)?;
                Some((raw, options))
            })
            .collect();
        let run_raw = self.nodes("run").pop();
        let run: RunOptions = self.optional("run", run_raw.as_ref());
        if let Some(raw) = &run_raw {
            self.run(raw, &run);
        }
        let sources_in: Vec<Inputs> = [&flows_raw, &features_raw]
            .into_iter()
            .map(|raw| raw.as_ref().map_or_else(Vec::new, |raw| self.inputs(raw)))
            .collect();
        let sinks_in: Vec<Inputs> = sinks.iter().map(|(raw, _)| self.inputs(raw)).collect();
        if self.found.has_errors() {
            return None;
        }

        let flows_name = flows_raw
            .as_ref()
            .map_or("flows", |raw| &raw.name)
            .to_owned();
        let features_name = features_raw
            .as_ref()
            .map_or("features", |raw| &raw.name)
            .to_owned();
        let raws = sources
            .iter()
            .map(|(raw, _)| raw)
            .chain(&flows_raw)
            .chain(&features_raw)
            .chain(sinks.iter().map(|(raw, _)| raw));
        self.unique(raws, &[&flows_name, &features_name]);
        let start = loaded
            .root
            .iter()
            .find(|entry| entry.name == "spec")
            .map_or_else(Span::default, |entry| entry.at);
        if sources.is_empty() {
            self.found.push(
                Diagnostic::new("E0306", start, "sources", "the spec has no source")
                    .help("add `[sources]` with `path = \"capture.pcap\"`"),
            );
        }
        if sinks.is_empty() {
            self.found.push(
                Diagnostic::new("E0307", start, "sinks", "the spec has no sink")
                    .help("add `[sinks.out]` with `path = \"flows.csv\"`"),
            );
        }
        let graph = Graph {
            sources: sources.iter().map(|(raw, _)| raw.name.clone()).collect(),
            flows: flows_name.clone(),
            features: features_name.clone(),
            sinks: sinks.iter().map(|(raw, _)| raw.name.clone()).collect(),
        };
        let mut inputs = sources_in.iter();
        let flows_from = self.resolve(&graph, "flows", inputs.next());
        let features_from = self.resolve(&graph, "features", inputs.next());
        let sinks_from: Vec<_> = sinks_in
            .iter()
            .map(|inputs| self.resolve(&graph, "sinks", Some(inputs)))
            .collect();
        if self.found.has_errors() {
            return None;
        }

        for (raw, _) in &sources {
            if !flows_from.contains(&raw.name) {
                self.found.push(
                    Diagnostic::new(
                        "W0401",
                        raw.at,
                        &raw.path,
                        format!("nothing reads `{}`", raw.name),
                    )
                    .help(format!("add it to the `input` of `{flows_name}`")),
                );
            }
        }
        self.paths(&sinks);
        let sinks: Vec<Node<Sink>> = sinks
            .into_iter()
            .zip(sinks_from)
            .map(|((raw, options), inputs)| {
                let columns = self.columns(&raw, &schema);
                let path = raw.entry("path").and_then(|entry| entry.value.text());
                let label = path.unwrap_or(options.type_name()).to_owned();
                let sink = Sink {
                    label,
                    options,
                    columns,
                };
                self.node(&raw, inputs, sink)
            })
            .collect();
        Some(Spec {
            name,
            description,
            sources: sources
                .into_iter()
                .map(|(raw, options)| self.node(&raw, Vec::new(), options))
                .collect(),
            decode,
            flows: Node {
                name: flows_name,
                inputs: flows_from,
                options: flows,
            },
            features: Node {
                name: features_name,
                inputs: features_from,
                options: settings,
            },
            schema,
            sinks,
            run,
            text: match loaded.sources.first() {
                Some(source) if !loaded.changed => source.text.clone(),
                _ => format::text(&loaded.root),
            },
            warnings: Diagnostics::default(),
        })
    }

    fn node<T>(&self, raw: &Raw<'_>, inputs: Vec<String>, options: T) -> Node<T> {
        Node {
            name: raw.name.clone(),
            inputs,
            options,
        }
    }

    /// The top-level keys, and whether there are others.
    fn top(&mut self) -> (Option<String>, Option<String>) {
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

    fn unknown_top(&mut self, entry: &Entry, name: &str) {
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
        let known = ["spec", "name", "description"]
            .into_iter()
            .chain(SECTIONS.iter().map(|section| section.name));
        let help = if LATER.contains(&name) {
            format!("this version of jayflow does not have `{name}`")
        } else {
            did_you_mean(name, known.clone())
                .unwrap_or_else(|| format!("a spec has {}", list(known.clone())))
        };
        let mut fault =
            Diagnostic::new("E0005", entry.at, name, format!("unknown {what} `{name}`")).help(help);
        if let ([one], false) = (&nearest(name, known)[..], LATER.contains(&name)) {
            fault = fault.edit(*one);
        }
        self.found.push(fault);
    }

    fn wrong_type(&mut self, value: &Value, path: &str, expected: &str, help: &str) {
        let found = value.setting().kind();
        self.found.push(
            Diagnostic::new(
                "E0007",
                value.at,
                path,
                format!("expected {expected}, found {found}"),
            )
            .help(help),
        );
    }

    /// The nodes of a section: one without a name, or several with.
    fn nodes(&mut self, section: &str) -> Vec<Raw<'a>> {
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
        let Some(single) = section.single else {
            return vec![whole(title)];
        };
        let keys = section_keys(section);
        let key_of = |entry: &Entry| keys.iter().find(|key| key.name == entry.name);
        let is_header =
            |entry: &Entry| matches!(entry.value.kind, Kind::Table { inline: false, .. });
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
        let mut nodes = Vec::new();
        for inner in named {
            let path = format!("{title}.{}", inner.name);
            self.name(inner, &path);
            nodes.push(Raw {
                name: inner.name.clone(),
                at: inner.at,
                path,
                entries: inner.value.entries().unwrap_or_default(),
            });
        }
        nodes
    }

    /// The only node of a section that has at most one.
    fn only(&mut self, section: &str) -> Option<Raw<'a>> {
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
    fn name(&mut self, entry: &Entry, path: &str) {
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
                format!("`{name}` cannot be the name of a node"),
            )
            .help(fault),
        );
    }

    /// The settings of a section that may be absent.
    fn optional<O: Options>(&mut self, section: &str, raw: Option<&Raw<'a>>) -> O {
        let common: &[&str] = match section {
            "decode" | "run" => &[],
            _ => &["input"],
        };
        raw.map_or_else(O::default, |raw| {
            let keys = Section::named(section)
                .map(section_keys)
                .unwrap_or_default();
            self.options(raw, common, &keys)
        })
    }

    /// Reads every key of a node that is not in `common` into its settings.
    fn options<O: Options>(&mut self, raw: &Raw<'_>, common: &[&str], keys: &[Key]) -> O {
        let mut options = O::default();
        let own = O::keys();
        for entry in raw.entries {
            if common.contains(&entry.name.as_str()) {
                continue;
            }
            let Some(key) = own.iter().find(|key| key.name == entry.name) else {
                let title = format!("`[{}]`", raw.path);
                self.unknown_key(entry, &raw.path, &title, keys);
                continue;
            };
            if let Err(error) = options.set(key.name, &entry.value.setting()) {
                self.wrong(&raw.path, entry, key, error);
            }
        }
        for key in own {
            if key.required && raw.entry(key.name).is_none() {
                self.missing(raw, key.name);
            }
        }
        options
    }

    fn missing(&mut self, raw: &Raw<'_>, key: &str) {
        self.found.push(
            Diagnostic::new(
                "E0006",
                raw.at,
                format!("{}.{key}", raw.path),
                format!("`[{}]` needs the key `{key}`", raw.path),
            )
            .help(format!("`jayflow new` shows what `{key}` may be")),
        );
    }

    fn unknown_key(&mut self, entry: &Entry, path: &str, title: &str, keys: &[Key]) {
        let known = || keys.iter().map(|key| key.name);
        let help = did_you_mean(&entry.name, known())
            .unwrap_or_else(|| format!("its keys are {}", list(known())));
        let mut fault = Diagnostic::new(
            "E0005",
            entry.at,
            format!("{path}.{}", entry.name),
            format!("unknown key `{}` in {title}", entry.name),
        )
        .help(help);
        if let [one] = nearest(&entry.name, known())[..] {
            fault = fault.edit(one);
        }
        self.found.push(fault);
    }

    /// A setting that its node does not take.
    fn wrong(&mut self, path: &str, entry: &Entry, key: &Key, error: OptionError) {
        let (value, inner_key) = entry.value.inner(&error.at);
        let mut path = format!("{path}.{}", entry.name);
        for step in &error.at {
            match step {
                operators::options::Step::Key(name) => {
                    path.push('.');
                    path.push_str(name);
                }
                operators::options::Step::Index(index) => {
                    path.push_str(&format!("[{index}]"));
                }
            }
        }
        let at = value.at;
        let quoted: Vec<String> = key.choices.iter().map(|one| format!("\"{one}\"")).collect();
        let one_of = format!("one of {}", list(quoted.iter().map(String::as_str)));
        let fault = match error.wrong {
            Wrong::Type(expected, found) => {
                let expected = if expected.starts_with("one of ") {
                    "text"
                } else {
                    &expected
                };
                let fault = Diagnostic::new(
                    "E0007",
                    at,
                    path,
                    format!("expected {expected}, found {found}"),
                );
                if key.choices.is_empty() {
                    fault.help(first_sentence(key.doc))
                } else {
                    fault.help(one_of)
                }
            }
            Wrong::Choice(what, choices) => {
                let written = value.text().unwrap_or_default().to_owned();
                let known = || choices.iter().map(String::as_str);
                let one_of = format!("one of {}", list(known()));
                let help = did_you_mean(&written, known())
                    .map_or_else(|| one_of.clone(), |near| format!("{near} {one_of}"));
                let article = if what.starts_with(['a', 'e', 'i', 'o', 'u']) {
                    "an"
                } else {
                    "a"
                };
                let fault = Diagnostic::new(
                    "E0008",
                    at,
                    path,
                    format!("`{written}` is not {article} {what}"),
                )
                .help(help);
                match nearest(&written, known())[..] {
                    [one] => fault.edit(format!("\"{one}\"")),
                    _ => fault,
                }
            }
            Wrong::Unit(meant) => unit(at, path, &meant),
            Wrong::UnknownKey(name, known) => {
                let known = || known.iter().map(String::as_str);
                let help = did_you_mean(&name, known())
                    .unwrap_or_else(|| format!("its keys are {}", list(known())));
                let at = inner_key.unwrap_or(at);
                let fault =
                    Diagnostic::new("E0005", at, path, format!("unknown key `{name}`")).help(help);
                match nearest(&name, known())[..] {
                    [one] => fault.edit(one),
                    _ => fault,
                }
            }
            Wrong::Other(sentence) => {
                let digits = value.text().filter(|text| {
                    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
                });
                match digits {
                    Some(digits) if sentence.contains("a duration such as") => {
                        unit(at, path, &format!("\"{digits}s\""))
                    }
                    Some(digits) if sentence.contains("a size such as") => {
                        unit(at, path, &format!("\"{digits}B\""))
                    }
                    _ => Diagnostic::new("E0008", at, path, sentence).help(first_sentence(key.doc)),
                }
            }
        };
        self.found.push(fault);
    }

    fn not_allowed(&mut self, raw: &Raw<'_>, key: &str, message: &str, help: &str) {
        let at = raw.entry(key).map_or(raw.at, |entry| entry.value.at);
        self.found
            .push(Diagnostic::new("E0008", at, format!("{}.{key}", raw.path), message).help(help));
    }

    /// `type` of a node: what is written there, if it is one of `known`.
    fn type_of(
        &mut self,
        raw: &Raw<'_>,
        what: &str,
        known: &[&'static str],
    ) -> Result<Option<&'static str>, ()> {
        let Some(entry) = raw.entry("type") else {
            return Ok(None);
        };
        let path = format!("{}.type", raw.path);
        let one_of = format!("one of {}", list(known.iter().copied()));
        let Some(text) = entry.value.text() else {
            self.wrong_type(&entry.value, &path, "text", &one_of);
            return Err(());
        };
        if let Some(name) = known.iter().find(|name| **name == text) {
            return Ok(Some(name));
        }
        let help = did_you_mean(text, known.iter().copied())
            .map_or_else(|| one_of.clone(), |near| format!("{near} {one_of}"));
        let mut fault = Diagnostic::new(
            "E0008",
            entry.value.at,
            path,
            format!("`{text}` is not a type of {what}"),
        )
        .help(help);
        if let [one] = nearest(text, known.iter().copied())[..] {
            fault = fault.edit(format!("\"{one}\""));
        }
        self.found.push(fault);
        Err(())
    }

    fn source(&mut self, raw: &Raw<'_>) -> PcapOptions {
        if self.type_of(raw, "source", &source_types()).is_err() {
            return PcapOptions::default();
        }
        let keys = Section::named("sources")
            .map(section_keys)
            .unwrap_or_default();
        let mut options: PcapOptions = self.options(raw, &["type"], &keys);
        let Some(entry) = raw.entry("path") else {
            return options;
        };
        if options.path.is_empty() && matches!(entry.value.kind, Kind::List(_)) {
            self.not_allowed(raw, "path", "the list is empty", "name at least one input");
        }
        for path in &mut options.path {
            *path = self.absolute(entry.value.at, path);
        }
        options
    }

    /// A path that was written at `at`, as seen from the working directory.
    fn absolute(&self, at: Span, path: &str) -> String {
        let base = self
            .loaded
            .sources
            .get(at.source)
            .map(|source| &source.base);
        match base {
            Some(base) if path != "-" && !base.as_os_str().is_empty() => {
                let is_glob = path.contains(['*', '?', '[']);
                let base = base.display().to_string();
                let base = if is_glob {
                    glob::Pattern::escape(&base)
                } else {
                    base
                };
                Path::new(&base).join(path).display().to_string()
            }
            _ => path.to_owned(),
        }
    }

    fn sink(&mut self, raw: &Raw<'_>) -> Option<SinkOptions> {
        let written = self.type_of(raw, "sink", &sink_types()).ok()?;
        let path = raw.entry("path");
        let ending = path
            .and_then(|entry| entry.value.text())
            .and_then(|path| Path::new(path).extension()?.to_str())
            .and_then(|ending| {
                sink_types()
                    .into_iter()
                    .find(|name| *name == ending && *name != "stdout")
            });
        let Some(kind) = written.or(ending) else {
            self.no_type(raw, path);
            return None;
        };
        let keys = sink_keys(Some(kind));
        let common = ["type", "input", "columns"];
        let mut options = match kind {
            "csv" => SinkOptions::Csv(self.options(raw, &common, &keys)),
            "jsonl" => SinkOptions::Jsonl(self.options(raw, &common, &keys)),
            "parquet" => SinkOptions::Parquet(self.options(raw, &common, &keys)),
            "arrow" => SinkOptions::Arrow(self.options(raw, &common, &keys)),
            _ => SinkOptions::Stdout(self.options(raw, &common, &keys)),
        };
        match &options {
            SinkOptions::Csv(csv) if raw.entry("delimiter").is_some() => {
                let one = matches!(csv.delimiter.as_bytes(), [byte] if !b"\"\r\n".contains(byte));
                if !one {
                    self.not_allowed(
                        raw,
                        "delimiter",
                        "expected one ASCII character other than a quote or a line end",
                        "for a tab write `\"\\t\"`",
                    );
                }
            }
            SinkOptions::Arrow(arrow) if arrow.compression == Compression::Snappy => {
                self.not_allowed(
                    raw,
                    "compression",
                    "an Arrow file cannot be compressed with `snappy`",
                    "one of `none`, `zstd`, `lz4`",
                );
            }
            SinkOptions::Parquet(parquet) if parquet.row_group == 0 => {
                self.not_allowed(
                    raw,
                    "row_group",
                    "a row group has at least one row",
                    "leave it out for 131072",
                );
            }
            _ => {}
        }
        if let (Some(entry), Some(path)) = (path, options.path_mut()) {
            *path = self.absolute(entry.value.at, path);
        }
        Some(options)
    }

    fn no_type(&mut self, raw: &Raw<'_>, path: Option<&Entry>) {
        let endings: Vec<String> = sink_types()
            .iter()
            .filter(|name| **name != "stdout")
            .map(|name| format!(".{name}"))
            .collect();
        let (at, message) = match path.map(|entry| (entry.value.at, entry.value.text())) {
            Some((at, Some(text))) => (
                at,
                format!("the sink has no `type` and none follows from the path `{text}`"),
            ),
            Some((at, None)) => (
                at,
                "the sink has no `type`, and its path is no text".to_owned(),
            ),
            None => (raw.at, "the sink has neither `path` nor `type`".to_owned()),
        };
        self.found.push(
            Diagnostic::new("E0006", at, format!("{}.type", raw.path), message).help(format!(
                "give the file an ending ({}) or set `type`",
                endings.join(" ")
            )),
        );
    }

    fn run(&mut self, raw: &Raw<'_>, run: &RunOptions) {
        for (key, value) in [
            ("workers", run.workers),
            ("processes", Some(run.processes)),
            ("chunk", Some(run.chunk)),
            ("epoch", Some(run.epoch)),
        ] {
            if value == Some(0) {
                self.not_allowed(
                    raw,
                    key,
                    "expected 1 or more, found 0",
                    "leave it out for the default",
                );
            }
        }
        if run.hosts.is_some() && run.processes > 1 {
            self.not_allowed(
                raw,
                "processes",
                "`processes` starts processes here, `hosts` names processes elsewhere",
                "keep one of the two",
            );
        }
    }

    /// What the settings of `[features]` select.
    fn select(&mut self, settings: &features::Settings, raw: Option<&Raw<'_>>) -> Schema {
        let faults = match features::select(settings) {
            Ok(schema) => return schema,
            Err(faults) => faults,
        };
        for fault in faults {
            let entry = raw.and_then(|raw| raw.entry(fault.key));
            let step = [operators::options::Step::Index(fault.index)];
            let at = entry.map_or_else(Span::default, |entry| entry.value.inner(&step).0.at);
            let is_list = entry.is_some_and(|entry| matches!(entry.value.kind, Kind::List(_)));
            let index = if is_list {
                format!("[{}]", fault.index)
            } else {
                String::new()
            };
            let path = format!(
                "{}.{}{index}",
                raw.map_or("features", |raw| &raw.path),
                fault.key
            );
            let known = || fault.known.iter().map(String::as_str);
            let name = fault.name.trim_start_matches('-');
            let (code, message, more) = match fault.key {
                "groups" => (
                    "E0008",
                    format!("unknown feature group `{name}`"),
                    format!("`jayflow schema --groups` lists all {}", fault.known.len()),
                ),
                "profile" => (
                    "E0008",
                    format!("unknown profile `{name}`"),
                    format!("one of {}", list(known())),
                ),
                _ if name.contains(['*', '?', '[']) => (
                    "E0201",
                    format!("no feature matches `{name}`"),
                    "`jayflow features` lists them".to_owned(),
                ),
                _ => (
                    "E0201",
                    format!("no feature is named `{name}`"),
                    "`jayflow features` lists them".to_owned(),
                ),
            };
            let help = match (did_you_mean(name, known()), code) {
                (Some(near), "E0008") => format!("{near} {more}"),
                (Some(near), _) => near,
                (None, _) => more,
            };
            let minus = if fault.name.starts_with('-') { "-" } else { "" };
            let mut diagnostic = Diagnostic::new(code, at, path, message).help(help);
            if let ([one], Some(_)) = (&nearest(name, known())[..], entry) {
                diagnostic = diagnostic.edit(format!("\"{minus}{one}\""));
            }
            self.found.push(diagnostic);
        }
        Schema::new()
    }

    /// The names in `input`.
    fn inputs(&mut self, raw: &Raw<'_>) -> Inputs {
        let Some(entry) = raw.entry("input") else {
            return Vec::new();
        };
        let path = format!("{}.input", raw.path);
        let help = "name a node, or a list of nodes";
        let mut names = Vec::new();
        let mut take = |check: &mut Self, value: &Value, path: String| match value.text() {
            Some(text) => names.push((text.to_owned(), value.at, path)),
            None => check.wrong_type(value, &path, "text", help),
        };
        match &entry.value.kind {
            Kind::List(items) if items.is_empty() => {
                self.not_allowed(raw, "input", "the list is empty", help);
            }
            Kind::List(items) => {
                for (index, item) in items.iter().enumerate() {
                    take(self, item, format!("{path}[{index}]"));
                }
            }
            _ => take(self, &entry.value, path),
        }
        names
    }

    /// All nodes share one name space, also those that are there without being written.
    fn unique<'r>(&mut self, raws: impl Iterator<Item = &'r Raw<'r>>, implied: &[&str])
    where
        'a: 'r,
    {
        let mut seen: Vec<(&str, Option<&Raw<'_>>)> = Vec::new();
        let raws: Vec<&Raw<'_>> = raws.collect();
        for name in implied {
            if !raws.iter().any(|raw| {
                raw.name == *name
                    && (raw.path.starts_with("flows") || raw.path.starts_with("features"))
            }) {
                seen.push((name, None));
            }
        }
        for raw in raws {
            match seen.iter().find(|(name, _)| *name == raw.name) {
                None => seen.push((&raw.name, Some(raw))),
                Some((_, other)) => {
                    let message = match other {
                        Some(other) => {
                            let (file, line) = self.place(other.at);
                            format!(
                                "two nodes are named `{}`; the other is `[{}]` at {file}:{line}",
                                raw.name, other.path
                            )
                        }
                        None => format!(
                            "two nodes are named `{0}`; the other is `[{0}]` without a name of its own",
                            raw.name
                        ),
                    };
                    self.found
                        .push(Diagnostic::new("E0301", raw.at, &raw.path, message).help(
                            "the nodes of all sections share one name space: choose another name",
                        ));
                }
            }
        }
    }

    /// File and line of a span.
    fn place(&self, at: Span) -> (&str, usize) {
        self.loaded
            .sources
            .get(at.source)
            .map_or(("", 0), |source| {
                let before = &source.text.as_bytes()[..at.start.min(source.text.len())];
                let line = before.iter().filter(|byte| **byte == b'\n').count() + 1;
                (source.name.as_str(), line)
            })
    }

    /// The inputs of a node of `section`, by name.
    fn resolve(&mut self, graph: &Graph, section: &str, inputs: Option<&Inputs>) -> Vec<String> {
        let (allowed, what): (Vec<&String>, &str) = match section {
            "flows" => (graph.sources.iter().collect(), "a flow table reads packets"),
            "features" => (vec![&graph.flows], "features are computed of flow records"),
            _ => (vec![&graph.features], "a sink writes rows"),
        };
        let Some(inputs) = inputs.filter(|inputs| !inputs.is_empty()) else {
            return allowed.into_iter().cloned().collect();
        };
        let mut names = Vec::new();
        for (name, at, path) in inputs {
            if allowed.contains(&name) {
                if !names.contains(name) {
                    names.push(name.clone());
                }
                continue;
            }
            let may = list(allowed.iter().map(|name| name.as_str()));
            let fault = match graph.gives(name) {
                Some(gives) => Diagnostic::new(
                    "E0304",
                    *at,
                    path,
                    format!("{what}, and `{name}` gives {gives}"),
                )
                .help(format!("read {may} here")),
                None => {
                    let known = || graph.names();
                    let fault =
                        Diagnostic::new("E0302", *at, path, format!("no node is named `{name}`"))
                            .help(
                                did_you_mean(name, known())
                                    .unwrap_or_else(|| format!("read {may} here")),
                            );
                    match nearest(name, known())[..] {
                        [one] => fault.edit(format!("\"{one}\"")),
                        _ => fault,
                    }
                }
            };
            self.found.push(fault);
        }
        names
    }

    /// One path, one sink.
    fn paths(&mut self, sinks: &[(Raw<'_>, SinkOptions)]) {
        let mut seen: Vec<(PathBuf, &str)> = Vec::new();
        for (raw, options) in sinks {
            // A table on the terminal and `-` are the same place.
            let path = clean(Path::new(options.path().unwrap_or("-")));
            let other = seen.iter().find(|(known, _)| *known == path);
            let Some((_, other)) = other else {
                seen.push((path, &raw.name));
                continue;
            };
            let key = if options.path().is_some() {
                "path"
            } else {
                "type"
            };
            let at = raw.entry(key).map_or(raw.at, |entry| entry.value.at);
            let place = options.path().filter(|path| *path != "-");
            let message = match place {
                Some(path) => format!("the sink `{other}` writes `{path}` too"),
                None => format!("the sink `{other}` writes standard output too"),
            };
            self.found.push(
                Diagnostic::new("E0412", at, format!("{}.{key}", raw.path), message)
                    .help("give each sink a file of its own"),
            );
        }
    }

    /// Positions of the columns of a sink in the schema of the features.
    fn columns(&mut self, raw: &Raw<'_>, schema: &Schema) -> Vec<usize> {
        let all = 0..schema.len();
        let Some(entry) = raw.entry("columns") else {
            return all.collect();
        };
        let path = format!("{}.columns", raw.path);
        let items: Vec<(&Value, String)> = match &entry.value.kind {
            Kind::List(items) => items
                .iter()
                .enumerate()
                .map(|(index, item)| (item, format!("{path}[{index}]")))
                .collect(),
            _ => vec![(&entry.value, path)],
        };
        let mut columns = Vec::new();
        for (item, path) in items {
            let Some(name) = item.text() else {
                self.wrong_type(
                    item,
                    &path,
                    "text",
                    "name a column, or write a glob such as `iat_*`",
                );
                continue;
            };
            match matching(name, schema) {
                found if !found.is_empty() => {
                    columns.extend(
                        found
                            .into_iter()
                            .filter(|at| !columns.contains(at))
                            .collect::<Vec<_>>(),
                    );
                }
                _ => self.no_column(item.at, path, name, schema),
            }
        }
        columns
    }

    fn no_column(&mut self, at: Span, path: String, name: &str, schema: &Schema) {
        let known = || schema.iter().map(|feature| feature.name.as_str());
        let is_glob = name.contains(['*', '?', '[']);
        let message = if is_glob {
            format!("no column of the rows matches `{name}`")
        } else {
            format!("the rows have no column `{name}`")
        };
        let help = did_you_mean(name, known()).unwrap_or_else(|| {
            "`[features]` decides which columns there are; `jayflow explain` lists them".to_owned()
        });
        let mut fault = Diagnostic::new("E0411", at, path, message).help(help);
        if let [one] = nearest(name, known())[..] {
            fault = fault.edit(format!("\"{one}\""));
        }
        self.found.push(fault);
    }
}

/// The columns that a name or glob means, in the order of the schema.
pub fn matching(name: &str, schema: &Schema) -> Vec<usize> {
    let glob = name
        .contains(['*', '?', '['])
        .then(|| glob::Pattern::new(name).ok())
        .flatten();
    (0..schema.len())
        .filter(|at| match &glob {
            Some(glob) => glob.matches(&schema[*at].name),
            None => schema[*at].name == name,
        })
        .collect()
}

/// The names of the nodes, by what they give.
struct Graph {
    sources: Vec<String>,
    flows: String,
    features: String,
    sinks: Vec<String>,
}

impl Graph {
    fn gives(&self, name: &str) -> Option<&'static str> {
        if self.sources.iter().any(|source| source == name) {
            Some("packets")
        } else if self.flows == name {
            Some("flow records")
        } else if self.features == name {
            Some("rows")
        } else if self.sinks.iter().any(|sink| sink == name) {
            Some("nothing")
        } else {
            None
        }
    }

    fn names(&self) -> impl Iterator<Item = &str> {
        let middle = [&self.flows, &self.features];
        self.sources.iter().chain(middle).map(String::as_str)
    }
}

/// `E0212`, for a number whose unit is missing; `meant` is the value with its smallest usual unit.
fn unit(at: Span, path: String, meant: &str) -> Diagnostic {
    let number = meant.trim_matches(|c: char| !c.is_ascii_digit() && c != '.' && c != '-');
    let (what, help) = if meant.ends_with("s\"") {
        let minutes = number
            .parse::<u64>()
            .ok()
            .filter(|n| *n > 60 && n % 60 == 0);
        let help = match minutes {
            Some(seconds) => format!("write `\"{number}s\"` or `\"{}m\"`", seconds / 60),
            None => format!("write `\"{number}s\"` (seconds) or `\"{number}ms\"`"),
        };
        ("a duration", help)
    } else {
        let help = format!("write `\"{number}B\"` (bytes) or `\"{number}MiB\"`");
        ("a size", help)
    };
    Diagnostic::new("E0212", at, path, format!("{what} needs a unit"))
        .help(help)
        .edit(meant)
}

/// The first sentence of a key's definition, as advice.
fn first_sentence(doc: &str) -> String {
    let end = doc.find(". ").map_or(doc.len(), |at| at + 1);
    doc[..end].to_owned()
}

/// A path without `.` and inner `..`, to compare: `a/./b` is `a/b`.
fn clean(path: &Path) -> PathBuf {
    let mut out = PathBuf::new();
    for part in path.components() {
        match part {
            Component::CurDir => {}
            Component::ParentDir
                if matches!(out.components().next_back(), Some(Component::Normal(_))) =>
            {
                out.pop();
            }
            other => out.push(other),
        }
    }
    out
}
