//! What sinks write: their columns, and what rows that are read have of them.

use super::expressions::Rows;
use super::{Check, Raw};
use crate::spec::Filter;
use crate::spec::diagnostic::{Diagnostic, Span};
use crate::spec::load::{Entry, Kind, Value};
use crate::spec::suggest::{did_you_mean, list, nearest};
use operators::features::FeatureSettings;
use operators::schema::Schema;
use operators::sinks::SinkOptions;
use std::sync::Arc;

impl Check<'_> {
    /// Whether the sources are rows: all that is in them, or, for graph sinks, the edges of the connection graph.
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
        let is_graph = |options: &SinkOptions| matches!(options, SinkOptions::Graph(_));
        let has_graph = sinks.iter().any(|(_, options)| is_graph(options));
        for (raw, options) in sinks {
            if has_graph && !is_graph(options) {
                let message = format!("`{}` writes rows, other sinks the graph", raw.name);
                self.found.push(
                    Diagnostic::new("E0304", raw.at, &raw.path, message)
                        .help("read the rows for the graph in a spec of its own"),
                );
            }
        }
        true
    }

    /// The nodes of a section as they are written.
    fn written_nodes(&self, section: &str) -> Vec<&[Entry]> {
        let root = self.loaded.root.iter();
        let section = root.into_iter().find(|entry| entry.name == section);
        let Some(entries) = section.and_then(|section| section.value.entries()) else {
            return Vec::new();
        };
        let inner = entries.iter().filter_map(|entry| entry.value.entries());
        std::iter::once(entries).chain(inner).collect()
    }

    /// Whether rows that were written before are read as rows.
    fn reads_rows(&self) -> bool {
        let text = |entries: &[Entry], key: &str| {
            let found = entries.iter().find(|entry| entry.name == key);
            found
                .and_then(|entry| entry.value.text())
                .map(str::to_owned)
        };
        let is_rows = |entries: &&[Entry]| text(entries, "type").as_deref() == Some("rows");
        let is_graph = |entries: &&[Entry]| {
            let kind = text(entries, "type");
            let path = text(entries, "path");
            let of_path = || path.as_deref().and_then(operators::sinks::kind_of_path);
            kind.as_deref().or_else(of_path) == Some("graph")
        };
        self.written_nodes("sources").iter().any(is_rows)
            && !self.written_nodes("sinks").iter().any(is_graph)
    }

    /// The columns of the rows that are read, where such are read; none where nobody has looked yet.
    pub(super) fn written(&self) -> Option<Arc<Schema>> {
        self.reads_rows()
            .then(|| self.loaded.written.clone().unwrap_or_default())
    }

    /// Whether rows are read of which nobody has looked yet which columns they have.
    pub(super) fn is_open(&self) -> bool {
        self.loaded.written.is_none() && self.reads_rows()
    }

    /// What has no meaning where rows are read.
    pub(super) fn of_rows(&mut self, packets: &[&Option<Raw<'_>>], features: Option<&Raw<'_>>) {
        for raw in packets.iter().filter_map(|raw| raw.as_ref()) {
            let message = format!(
                "`[{}]` is about packets, and the sources are rows",
                raw.path
            );
            self.found
                .push(Diagnostic::new("E0304", raw.at, &raw.path, message).help("leave it out"));
        }
        let entries = features.map_or(&[][..], |raw| raw.entries);
        for entry in entries.iter().filter(|entry| entry.name != "derive") {
            let path = features.map_or("features", |raw| raw.path.as_str());
            let message = format!(
                "`{}` chooses features, and the sources are rows",
                entry.name
            );
            self.found.push(
                Diagnostic::new("E0304", entry.at, format!("{path}.{}", entry.name), message).help(
                    "rows have the columns of their files; `columns` of a sink chooses among them",
                ),
            );
        }
        for section in ["views", "tests"] {
            let root = self.loaded.root.iter();
            let section = root.into_iter().find(|entry| entry.name == section);
            if let Some(entry) = section {
                let message = format!("`{}` need packets, and the sources are rows", entry.name);
                self.found.push(
                    Diagnostic::new("E0304", entry.at, &entry.name, message)
                        .help("read captures in this spec"),
                );
            }
        }
    }

    /// A sample is by `flow_id`, which rows may not have.
    pub(super) fn identity(
        &mut self,
        rows: &Rows,
        settings: &FeatureSettings,
        filters: &[(Raw<'_>, Filter)],
    ) {
        let Some(written) = settings.written.as_ref().filter(|_| !self.is_open()) else {
            return;
        };
        let has_id = written.iter().any(|one| one.name == "flow_id");
        for (raw, _) in filters
            .iter()
            .filter(|(_, one)| one.sample.is_some() && !has_id)
        {
            let at = raw.entry("sample").map_or(raw.at, |entry| entry.at);
            let message = "the rows have no column `flow_id`, by which they are chosen";
            let known = rows.context.names();
            let known = list(known.iter().take(5).map(String::as_str));
            self.found.push(
                Diagnostic::new("E0411", at, format!("{}.sample", raw.path), message)
                    .help(format!("their columns are {known} and so on")),
            );
        }
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
        if self.is_open() {
            return;
        }
        let known = || schema.iter().map(|feature| &*feature.name);
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
