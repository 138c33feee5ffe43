//! Names and inputs: which node reads which.

use super::{Check, Inputs, Raw};
use crate::spec::diagnostic::{Diagnostic, Span};
use crate::spec::extend::place;
use crate::spec::load::{Kind, Value};
use crate::spec::suggest::{did_you_mean, list, nearest};

/// The names of the nodes, by what they give.
pub(super) struct Graph {
    pub sources: Vec<String>,
    pub flows: String,
    pub features: String,
    pub sinks: Vec<String>,
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

impl<'a> Check<'a> {
    /// The names in `input`.
    pub(super) fn inputs(&mut self, raw: &Raw<'_>) -> Inputs {
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
    pub(super) fn unique<'r>(&mut self, raws: impl Iterator<Item = &'r Raw<'r>>, implied: &[&str])
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
            // nobody reads a sink: it may be called like a node that the file does not write
            let is_sink = raw.path.starts_with("sinks");
            match seen
                .iter()
                .find(|(name, other)| *name == raw.name && !(is_sink && other.is_none()))
            {
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
    pub(super) fn place(&self, at: Span) -> (&str, usize) {
        place(&self.loaded.sources, at)
    }

    /// The inputs of a node of `section`, by name.
    pub(super) fn resolve(
        &mut self,
        graph: &Graph,
        section: &str,
        inputs: Option<&Inputs>,
    ) -> Vec<String> {
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
}
