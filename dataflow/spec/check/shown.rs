//! Sinks over views: which relation a sink writes, when its rows are written, and graphs that are drawn.

use super::expressions::constant;
use super::{Check, Inputs, Raw};
use crate::spec::diagnostic::{Diagnostic, Span};
use crate::spec::load::Entry;
use crate::spec::sections::sink_keys;
use crate::spec::{TableOf, View};
use operators::expressions::{Checker, Context, Fault, Field, Known, Type, Typed, parse};
use operators::options::{Duration, OptionValue};
use operators::schema::Schema;
use operators::sinks::{GraphOptions, SinkOptions};
use operators::views::{Drawn, Emit, Shown, Window};

impl<'a> Check<'a> {
    /// Whether a sink names a view as its input.
    pub(super) fn reads_view(&mut self, raw: &Raw<'_>, views: &[(Raw<'a>, View)]) -> bool {
        let Some(input) = raw.entry("input").and_then(|entry| entry.value.text()) else {
            return false;
        };
        let head = input.split('.').next().unwrap_or_default();
        views.iter().any(|(view, _)| view.name == head)
    }

    /// `where` of a sink that writes a table, over the columns of that: their places are those in the table.
    pub(super) fn of_table(
        &mut self,
        raw: &Raw<'_>,
        options: &SinkOptions,
        schema: &Schema,
    ) -> Option<Typed> {
        let entry = raw.entry("where")?;
        let path = format!("{}.where", raw.path);
        if matches!(options, SinkOptions::Graph(options) if options.format().is_graph()) {
            let help = "put it into `where` of the view, or write the tables of the graph";
            let message = "a graph is drawn whole: its sink has no `where`";
            self.found
                .push(Diagnostic::new("E0410", entry.at, path, message).help(help));
            return None;
        }
        let Some(text) = entry.value.text() else {
            self.wrong_type(&entry.value, &path, "text", "write an expression in quotes");
            return None;
        };
        let mut context = Context::new("the columns here are those of the table");
        for (place, column) in (0..).zip(schema) {
            if let Some((kind, null)) = Type::of_feature(column) {
                context.add(&column.name, Known::Field(Field { place, kind, null }));
            }
        }
        for variable in self.variables {
            context.set(&variable.name, constant(variable));
        }
        let mut packets = Vec::new();
        let checked = parse(text).and_then(|tree| {
            let typed = Checker::rows(&context, text, &mut packets).truth(&tree, "`where`")?;
            match packets.is_empty() {
                true => Ok(typed),
                false => Err(Box::new(Fault::new(
                    "E0210",
                    tree.at,
                    "the rows of a table have no packets",
                ))),
            }
        });
        checked
            .map_err(|fault| self.expression_fault(&fault, &entry.value, &path))
            .ok()
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
            for entry in [emit, raw.entry("every")].into_iter().flatten() {
                if is_graph || faulty {
                    continue;
                }
                let of = match entry.name.as_str() {
                    "emit" => "a view or over the graph",
                    _ => "a view",
                };
                let message = format!("`{}` is for sinks over {of}", entry.name);
                let path = format!("{}.{}", raw.path, entry.name);
                self.found.push(
                    Diagnostic::new("E0410", entry.at, path, message)
                        .help("leave it out: each row of flows is written once"),
                );
            }
            return None;
        };
        if inputs.len() > 1 {
            let message =
                format!("a sink writes one relation of a view, and nothing else with it: `{name}`");
            self.found.push(
                Diagnostic::new("E0304", at, path, message)
                    .help("give each relation a sink of its own"),
            );
        }
        if let SinkOptions::Graph(options) = options {
            return self.drawn(raw, options, (view, settings), (name, at, path));
        }
        let made = &settings.rules.relations;
        let relation = self.relation_of((&view.name, settings), name, (at, path));
        let emit = emit.map_or(Emit::Final, |entry| self.emit(raw, entry));
        let every = raw.entry("every");
        let every = every.and_then(|entry| self.every(raw, entry, emit, settings.options.window));
        let relation = relation.unwrap_or(0);
        Some(TableOf::View(
            view.name.clone(),
            Box::new(Shown {
                made: made.get(relation)?.clone(),
                relation,
                emit,
                every,
                window: settings.options.window,
                drawn: None,
            }),
        ))
    }

    /// The graph of a view as a graph sink draws it.
    fn drawn(
        &mut self,
        raw: &Raw<'_>,
        options: &GraphOptions,
        (view, settings): (&Raw<'a>, &View),
        (name, at, path): (&str, Span, &str),
    ) -> Option<TableOf> {
        let mut fault = |code, at, path: &str, message: String, help: String| {
            self.found
                .push(Diagnostic::new(code, at, path, message).help(help));
        };
        let view = &view.name;
        let graph = settings.rules.graph();
        if graph.is_none() {
            let message = format!("a graph sink draws graphs, and the view `{view}` is a table");
            let help = "write it with a sink of another type, or make the view a graph: `graph = { from = \"src_ip\", to = \"dst_ip\" }`";
            fault("E0304", at, path, message, help.to_owned());
        } else if name != view {
            let message =
                format!("a graph sink draws all of a graph, and `{name}` is a part of it");
            let help = format!("read `{view}` here, or write the part with a sink of another type");
            fault("E0304", at, path, message, help);
        }
        if settings.options.window != Window::All {
            let message =
                format!("`{view}` is a graph for each window, and a graph sink draws one");
            let help = format!(
                "write `{view}.nodes` and `{view}.edges` with sinks of another type, or leave out the window"
            );
            fault("E0304", at, path, message, help);
        }
        if !options.format().is_graph() {
            let entry = ["format", "path"].iter().find_map(|key| raw.entry(key));
            let (at, key) = entry.map_or((raw.at, "path"), |entry| (entry.value.at, &entry.name));
            let message = format!("`{view}` is drawn as a graph, and this is a format of tables");
            let help = format!(
                "choose `format = \"graphml\"`, `dot` or `nodelink`; its tables are `{view}.nodes` and `{view}.edges`, for sinks of another type"
            );
            fault("E0410", at, &format!("{}.{key}", raw.path), message, help);
        }
        for key in ["table", "emit", "metrics"] {
            if let Some(entry) = raw.entry(key) {
                let message = format!("`{key}` is for sinks over the connection graph");
                let help = match key {
                    "metrics" => format!("leave it out: nodes have the metrics of `{view}`"),
                    _ => "leave it out: the graph is drawn once, with nodes and edges".to_owned(),
                };
                fault(
                    "E0410",
                    entry.at,
                    &format!("{}.{key}", raw.path),
                    message,
                    help,
                );
            }
        }
        let mut made = settings.rules.relations.iter().cloned();
        let nodes = made.next()?;
        let drawn = made.next().zip(graph).map(|(edges, graph)| Drawn {
            made: edges,
            relation: 1,
            directed: graph.directed,
        });
        let shown = Shown {
            made: nodes,
            relation: 0,
            emit: Emit::Final,
            every: None,
            window: Window::All,
            drawn,
        };
        Some(TableOf::View(view.clone(), Box::new(shown)))
    }

    fn emit(&mut self, raw: &Raw<'_>, entry: &Entry) -> Emit {
        self.of_view(raw, entry).unwrap_or(Emit::Final)
    }

    /// A key of a sink over a view.
    fn of_view<T: OptionValue>(&mut self, raw: &Raw<'_>, entry: &Entry) -> Option<T> {
        let keys = sink_keys(None);
        let key = keys.iter().find(|key| key.name == entry.name);
        T::read(&entry.value.setting())
            .map_err(|error| {
                if let Some(key) = key {
                    self.wrong(&raw.path, entry, key, error);
                }
            })
            .ok()
    }

    /// From one snapshot to the next.
    fn every(&mut self, raw: &Raw<'_>, entry: &Entry, emit: Emit, window: Window) -> Option<i64> {
        let Duration(every) = self.of_view(raw, entry)?;
        let message = match window {
            _ if emit != Emit::Snapshot => {
                "`every` is for `emit = \"snapshot\"`: from one table to the next".to_owned()
            }
            Window::All => {
                "`every` is for views with windows: this one has one table, at the end".to_owned()
            }
            Window::Sliding { step, .. } if every <= 0 || every % step != 0 => {
                format!(
                    "`every` must be a multiple of the step of the window, {}",
                    Duration(step)
                )
            }
            Window::Sliding { .. } => return Some(every),
        };
        let path = format!("{}.every", raw.path);
        self.found
            .push(Diagnostic::new("E0410", entry.value.at, path, message));
        None
    }
}
