//! Views: their settings and rules, and which sinks write which of their relations.

use super::expressions::Rows;
use super::{Check, Inputs, Raw};
use crate::spec::diagnostic::Diagnostic;
use crate::spec::load::Entry;
use crate::spec::sections::{Section, section_keys, sink_keys};
use crate::spec::suggest::{did_you_mean, list};
use crate::spec::{TableOf, View};
use operators::options::OptionValue as _;
use operators::sinks::SinkOptions;
use operators::views::look_ups::LookUps;
use operators::views::rules::{Relation, RuleOptions, compile};
use operators::views::{Emit, Shown, ViewOptions};
use std::sync::Arc;

impl<'a> Check<'a> {
    /// The views of the spec. Their rules read the flow table, which is named `flows`.
    pub(super) fn views(&mut self, rows: &mut Rows, flows: &str) -> Vec<(Raw<'a>, View)> {
        let keys = Section::named("views")
            .map(section_keys)
            .unwrap_or_default();
        let mut views = Vec::new();
        for raw in self.nodes("views") {
            let options: ViewOptions = self.options(&raw, &["input"], &keys);
            let Some(entry) = raw.entry("rules") else {
                continue;
            };
            for (name, at, path) in self.inputs(&raw) {
                if name != flows {
                    let message = format!("rules read flow records, and `{name}` gives none");
                    self.found.push(
                        Diagnostic::new("E0304", at, path, message)
                            .help(format!("read `{flows}` here")),
                    );
                }
            }
            self.as_of(&raw, &options);
            let path = format!("{}.rules", raw.path);
            let input = Relation {
                name: flows.to_owned(),
                columns: rows.flow_columns(),
            };
            let told = RuleOptions {
                allow_cross: options.allow_cross,
                is_bounded: raw.entry("max_iterations").is_some(),
            };
            match compile(entry.value.text().unwrap_or_default(), &[input], told) {
                Ok((plan, warnings)) => {
                    for warning in &warnings {
                        self.expression_fault(warning, &entry.value, &path);
                    }
                    for source in &plan.sources {
                        rows.reads.extend(source.program.loads());
                    }
                    let rules = Arc::new(plan);
                    views.push((raw, View { options, rules }));
                }
                Err(faults) => {
                    for fault in &faults {
                        self.expression_fault(fault, &entry.value, &path);
                    }
                }
            }
        }
        views
    }

    /// Whether there is a view of this name, right or wrong.
    fn is_view(&self, name: &str) -> bool {
        let mut root = self.loaded.root.iter();
        let section = root.find(|entry| entry.name == "views");
        let views = section.and_then(|section| section.value.entries());
        views.into_iter().flatten().any(|view| view.name == name)
    }

    /// Whether a sink names a view as its input.
    pub(super) fn reads_view(&mut self, raw: &Raw<'_>, views: &[(Raw<'a>, View)]) -> bool {
        let Some(input) = raw.entry("input").and_then(|entry| entry.value.text()) else {
            return false;
        };
        let head = input.split('.').next().unwrap_or_default();
        let reads = views.iter().any(|(view, _)| view.name == head);
        if let (true, Some(entry)) = (reads, raw.entry("where")) {
            let message = "a sink over a view has no `where`";
            self.found.push(
                Diagnostic::new("E0607", entry.at, format!("{}.where", raw.path), message)
                    .help("put the condition into a rule of the view"),
            );
        }
        reads
    }

    /// What a sink writes of a view; `None` where it reads something else.
    pub(super) fn shown(
        &mut self,
        raw: &Raw<'_>,
        options: &SinkOptions,
        inputs: &Inputs,
        views: &[(Raw<'a>, View)],
    ) -> Option<TableOf> {
        let emit = raw.entry("emit");
        let is_graph = matches!(options, SinkOptions::Graph(_));
        let head = |name: &str| name.split('.').next().unwrap_or_default().to_owned();
        let found = inputs.iter().find_map(|(name, at, path)| {
            let view = views.iter().find(|(view, _)| view.name == head(name))?;
            Some((view, name, *at, path))
        });
        let Some(((view, settings), name, at, path)) = found else {
            // a view with faults of its own is no view here
            let faulty = inputs.iter().any(|(name, ..)| self.is_view(&head(name)));
            if let (Some(entry), false) = (emit, is_graph || faulty) {
                let message = "`emit` is for sinks over a view or over the graph";
                self.found.push(
                    Diagnostic::new("E0410", entry.at, format!("{}.emit", raw.path), message)
                        .help("leave it out: each row of flows is written once"),
                );
            }
            return None;
        };
        if inputs.len() > 1 || is_graph {
            let message =
                format!("a sink writes one relation of a view, and nothing else with it: `{name}`");
            self.found.push(
                Diagnostic::new("E0304", at, path, message)
                    .help("give each relation a sink of its own"),
            );
        }
        let made = &settings.rules.relations;
        let all = || list(made.iter().map(|made| made.name.as_str()));
        let relation = match name.split_once('.') {
            Some((_, tail)) => {
                let found = made.iter().position(|made| made.name == tail);
                if found.is_none() {
                    let message = format!("`{}` has no relation `{tail}`", view.name);
                    let known = made.iter().map(|made| made.name.as_str());
                    let help =
                        did_you_mean(tail, known).unwrap_or_else(|| format!("it has {}", all()));
                    self.found
                        .push(Diagnostic::new("E0302", at, path, message).help(help));
                }
                found
            }
            None if made.len() == 1 => Some(0),
            None => {
                let message = format!("`{}` has several relations", view.name);
                self.found
                    .push(Diagnostic::new("E0303", at, path, message).help(format!(
                        "name one, as `{}.NAME`: {}",
                        view.name,
                        all()
                    )));
                None
            }
        };
        let emit = emit.map_or(Emit::Final, |entry| self.emit(raw, entry));
        let relation = relation.unwrap_or(0);
        Some(TableOf::View(
            view.name.clone(),
            Shown {
                made: made.get(relation)?.clone(),
                relation,
                emit,
                window: settings.options.window,
            },
        ))
    }

    fn emit(&mut self, raw: &Raw<'_>, entry: &Entry) -> Emit {
        let keys = sink_keys(None);
        let key = keys.iter().find(|key| key.name == entry.name);
        Emit::read(&entry.value.setting()).unwrap_or_else(|error| {
            if let Some(key) = key {
                self.wrong(&raw.path, entry, key, error);
            }
            Emit::Final
        })
    }

    /// Warns of views that no sink writes: they are not kept.
    pub(super) fn unread(
        &mut self,
        views: &[(Raw<'a>, View)],
        shown: &[Option<TableOf>],
        look_ups: &LookUps,
    ) {
        for (raw, _) in views {
            let is_it = |of: &TableOf| matches!(of, TableOf::View(name, _) if *name == raw.name);
            let is_asked = look_ups.questions().any(|one| one.view == raw.name);
            if !is_asked && !shown.iter().flatten().any(is_it) {
                let message = format!("nothing reads `{}`", raw.name);
                self.found.push(
                    Diagnostic::new("W0401", raw.at, &raw.path, message)
                        .help("let a sink write one of its relations, or rows look it up"),
                );
            }
        }
    }
}
