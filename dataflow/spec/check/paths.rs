//! Where sinks write: one path, one sink; and paths that hold values of the rows.

use super::{Check, Raw};
use crate::spec::diagnostic::{Diagnostic, Span};
use crate::spec::extend::clean;
use crate::spec::load::{Entry, Value};
use crate::spec::suggest::did_you_mean;
use crate::spec::{SinkParts, Table};
use operators::schema::{DataType, Schema};
use operators::sinks::{PATTERN_NAMES, Parts, Pattern, SinkOptions, is_value};
use std::ops::Range;
use std::path::{Path, PathBuf};

impl Check<'_> {
    /// The path of a sink as seen from the working directory; what is wrong with the places for values in it is told.
    pub(super) fn output_path(
        &mut self,
        raw: &Raw<'_>,
        entry: &Entry,
        path: &str,
        kind: &str,
    ) -> String {
        let place = format!("{}.path", raw.path);
        let at = entry.value.at;
        let pattern = match Pattern::parse(path, &raw.name) {
            Ok(pattern) => pattern,
            Err(fault) => {
                let at = self.within(&entry.value, path, fault.at);
                let told = Diagnostic::new("E0008", at, place, fault.message);
                self.found.push(told.help(fault.help));
                return path.to_owned();
            }
        };
        if let Some(file) = pattern.one_file() {
            return self.absolute(at, file);
        }
        let told = if !pattern.stays_inside() {
            Some((
                "below its fixed beginning a path has names, and no `.`, `..` or empty one",
                "write such names before the first `{`",
            ))
        } else if kind == "graph" {
            Some((
                "a graph sink writes one file: its path holds no values",
                "write the name of one file",
            ))
        } else {
            None
        };
        if let Some((message, help)) = told {
            self.found
                .push(Diagnostic::new("E0008", at, place, message).help(help));
        }
        self.absolute(at, path)
    }

    /// Where a part of a text is in the file.
    fn within(&self, value: &Value, text: &str, part: Range<usize>) -> Span {
        let span = operators::expressions::syntax::Span {
            start: part.start,
            end: part.end,
        };
        self.inner(value, text, span)
    }

    /// The path of a sink that holds values, if it is one.
    fn pattern<'r>(&self, raw: &'r Raw<'_>) -> Option<(&'r Entry, Pattern)> {
        let entry = raw.entry("path")?;
        let pattern = Pattern::parse(entry.value.text()?, &raw.name).ok()?;
        pattern.one_file().is_none().then_some((entry, pattern))
    }

    /// One path, one sink.
    pub(super) fn paths(&mut self, sinks: &[(Raw<'_>, SinkOptions)]) {
        let mut seen: Vec<(Pattern, Option<&str>, &str)> = Vec::new();
        for (raw, options) in sinks {
            // A table on the terminal and `-` are the same place.
            let place = options.path().filter(|path| *path != "-");
            let path = match self.pattern(raw) {
                Some((entry, pattern)) => {
                    let (folder, below) = pattern.split();
                    let folder = clean(Path::new(&self.absolute(entry.value.at, &folder)));
                    below.below(&folder.display().to_string())
                }
                None => {
                    Pattern::file(&clean(Path::new(place.unwrap_or("-"))).display().to_string())
                }
            };
            let other = seen.iter().find(|(known, ..)| known.meets(&path));
            let Some((known, written, other)) = other else {
                seen.push((path, place, &raw.name));
                continue;
            };
            let key = if options.path().is_some() {
                "path"
            } else {
                "type"
            };
            let at = raw.entry(key).map_or(raw.at, |entry| entry.value.at);
            let (message, help) = match (place, written) {
                (Some(_), Some(written)) if *known != path => (
                    format!("the sink `{other}` can write the same file: its path is `{written}`"),
                    "let the names of their files begin differently",
                ),
                (Some(path), _) => (
                    format!("the sink `{other}` writes `{path}` too"),
                    "give each sink a file of its own",
                ),
                (None, _) => (
                    format!("the sink `{other}` writes standard output too"),
                    "give each sink a file of its own",
                ),
            };
            self.found.push(
                Diagnostic::new("E0412", at, format!("{}.{key}", raw.path), message).help(help),
            );
        }
    }

    /// How the rows of a sink are shared between files, where its path says so; `all` are the columns as the sink sees them, `columns` the
    /// positions of those that it writes.
    pub(super) fn parts(
        &mut self,
        raw: &Raw<'_>,
        options: &SinkOptions,
        (all, columns): (&Schema, &[usize]),
        table: Option<&Table>,
    ) -> Option<SinkParts> {
        let (entry, pattern) = self.pattern(raw)?;
        let (value, at) = (&entry.value, entry.value.at);
        let text = value.text()?;
        let place = format!("{}.path", raw.path);
        if let (true, Some(what)) = (pattern.has_start(), self.no_start(table)) {
            let from = text.find("{start:").unwrap_or(0);
            let end = text[from..].find('}').map_or(text.len(), |end| from + end);
            let at = self.within(value, text, from + 1..end);
            self.found.push(
                Diagnostic::new(
                    "E0201",
                    at,
                    &place,
                    format!("`start` is the start of a flow, and {what}"),
                )
                .help("name a column of the rows"),
            );
        }
        let mut found = SinkParts {
            columns: Vec::new(),
            schema: Schema::new(),
            parts: Parts {
                folder: PathBuf::new(),
                pattern: pattern.clone(),
                places: Vec::new(),
                written: columns.len(),
                name: raw.name.clone(),
            },
        };
        for (name, part) in pattern.columns() {
            let Some(position) = all.iter().position(|one| one.name == *name) else {
                if !self.is_open() {
                    let at = self.within(value, text, part.clone());
                    let known = || all.iter().map(|one| &*one.name).chain(PATTERN_NAMES);
                    let message = format!(
                        "the rows have no column `{name}`, whose value would be in the path"
                    );
                    let help = did_you_mean(name, known()).unwrap_or_else(|| {
                        "`jayflow explain` lists the columns; `{name}` and `{start:%Y-%m-%d}` are always there".to_owned()
                    });
                    self.found
                        .push(Diagnostic::new("E0201", at, &place, message).help(help));
                }
                continue;
            };
            let anonymise = options.anonymise();
            let mut feature = all[position].clone();
            if let Some(anonymise) = anonymise {
                feature.data_type = anonymise.schema(vec![feature.clone()])[0].data_type.clone();
            }
            let told = if anonymise.is_some_and(|anonymise| !anonymise.keeps(&feature)) {
                let message =
                    format!("`anonymise` leaves `{name}` out, and the path would tell it");
                Some(("E0411", message, "leave it out of the path too"))
            } else if !is_value(&feature.data_type) {
                let message = format!(
                    "a path holds whole numbers, texts and addresses, and `{name}` is {}",
                    told_type(&feature.data_type)
                );
                let help = match feature.data_type {
                    DataType::Time => "for the start of a flow write `{start:%Y-%m-%d}`",
                    _ => "derive a column that has few values: `derive = { class = '...' }`",
                };
                Some(("E0207", message, help))
            } else {
                None
            };
            if let Some((code, message, help)) = told {
                let at = self.within(value, text, part.clone());
                self.found
                    .push(Diagnostic::new(code, at, &place, message).help(help));
                continue;
            }
            let written = columns.iter().position(|at| *at == position);
            found.parts.places.push(written.unwrap_or_else(|| {
                found.columns.push(position);
                found.schema.push(all[position].clone());
                columns.len() + found.columns.len() - 1
            }));
        }
        let (folder, below) = pattern.split();
        let folder = self.absolute(at, &folder);
        found.parts.folder = match folder.is_empty() {
            true => PathBuf::from("."),
            false => PathBuf::from(folder),
        };
        found.parts.pattern = below;
        Some(found)
    }

    /// What the rows are, if they have no start.
    fn no_start(&self, table: Option<&Table>) -> Option<&'static str> {
        let is_start = |schema: &Schema| {
            let mut columns = schema.iter();
            columns.any(|one| one.name == "start_time" && one.data_type == DataType::Time)
        };
        match table {
            Some(_) => Some("these rows are those of a table"),
            None => {
                let written = self.written()?;
                (!self.is_open() && !is_start(&written))
                    .then_some("the rows that are read have no column `start_time`")
            }
        }
    }
}

/// A type as people call it.
fn told_type(data_type: &DataType) -> &'static str {
    match data_type {
        DataType::F64 => "a number with a fraction",
        DataType::Time => "a time",
        _ => "a list",
    }
}
