//! What sinks write: paths and columns.

use super::{Check, Raw};
use crate::spec::diagnostic::{Diagnostic, Span};
use crate::spec::extend::clean;
use crate::spec::load::{Kind, Value};
use crate::spec::suggest::{did_you_mean, nearest};
use operators::schema::Schema;
use operators::sinks::SinkOptions;
use std::path::{Path, PathBuf};

impl Check<'_> {
    /// One path, one sink.
    pub(super) fn paths(&mut self, sinks: &[(Raw<'_>, SinkOptions)]) {
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

    /// Whether the sources are rows; they give edges of the connection graph and nothing else.
    pub(super) fn rows<'r>(
        &mut self,
        sources: impl Iterator<Item = &'r Raw<'r>>,
        sinks: &[(Raw<'_>, SinkOptions)],
    ) -> bool {
        let is_rows = |raw: &&Raw<'_>| {
            let kind = raw.entry("type").and_then(|entry| entry.value.text());
            kind == Some("rows")
        };
        let (rows, captures): (Vec<_>, Vec<_>) = sources.partition(is_rows);
        let Some(first) = rows.first() else {
            return false;
        };
        if !captures.is_empty() {
            let message = format!("`{}` gives rows, other sources packets", first.name);
            self.found.push(
                Diagnostic::new("E0304", first.at, &first.path, message)
                    .help("read captures and rows in two specs"),
            );
        }
        for (raw, options) in sinks {
            if !matches!(options, SinkOptions::Graph(_)) {
                let message = format!("`{}` writes flow rows, and there are no flows", raw.name);
                self.found.push(
                    Diagnostic::new("E0304", raw.at, &raw.path, message)
                        .help("over rows, sinks have `type = \"graph\"`"),
                );
            }
        }
        true
    }

    /// Positions of the columns of a sink in the schema of the features.
    pub(super) fn columns(
        &mut self,
        raw: &Raw<'_>,
        options: &SinkOptions,
        schema: &Schema,
    ) -> Vec<usize> {
        let Some(entry) = raw.entry("columns") else {
            let usual = options.usual_columns(schema);
            return usual.unwrap_or_else(|| (0..schema.len()).collect());
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

    pub(super) fn no_column(&mut self, at: Span, path: String, name: &str, schema: &Schema) {
        let known = || schema.iter().map(|feature| feature.name.as_str());
        let is_glob = name.contains(['*', '?']);
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
fn matching(name: &str, schema: &Schema) -> Vec<usize> {
    let glob = name
        .contains(['*', '?'])
        .then(|| glob::Pattern::new(name).ok())
        .flatten();
    (0..schema.len())
        .filter(|at| match &glob {
            Some(glob) => glob.matches(&schema[*at].name),
            None => schema[*at].name == name,
        })
        .collect()
}
