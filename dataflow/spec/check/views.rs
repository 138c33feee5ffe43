//! Views: their settings and inputs, as groups, graphs and rules.

use super::expressions::Rows;
use super::filters::{RowNode, row_nodes};
use super::view_reads::context_of;
use super::{Check, Inputs, Raw};
use crate::spec::diagnostic::Diagnostic;
use crate::spec::load::{Entry, Kind, Value};
use crate::spec::sections::{Section, section_keys};
use crate::spec::{Behind, Filter, TableOf, View};
use operators::expressions::{Context, Fault, Known};
use operators::features::ConnectionPlan;
use operators::flows::FlowOptions;
use operators::sources::PcapOptions;
use operators::views::look_ups::LookUps;
use operators::views::rules::{
    GraphForm, GroupForm, OverView, Part, Plan, ReadFrom, Relation, RelationColumn, RuleOptions,
    compile, compile_graph, compile_group,
};
use operators::views::{By, ViewOptions, Window};
use std::sync::Arc;

/// What views may read.
pub(super) struct Readable<'r, 'a> {
    /// The flow table.
    pub flows: &'r str,
    /// The features.
    pub features: &'r str,
    /// Filters; none while derived columns are not known.
    pub filters: &'r [(Raw<'a>, Filter)],
    /// The sources, which they may not read.
    pub sources: Vec<String>,
}

/// Views without faults, and what each of them reads.
pub(super) type Found<'f, 'a> = (&'f mut Vec<(Raw<'a>, View)>, &'f mut Vec<Vec<String>>);

impl<'a> Check<'a> {
    /// Views of the spec, and what each of them reads: they may read those that are there already.
    pub(super) fn views(
        &mut self,
        raws: Vec<Raw<'a>>,
        rows: &mut Rows,
        of: &Readable<'_, 'a>,
        (views, reads): Found<'_, 'a>,
    ) {
        let keys = Section::named("views")
            .map(section_keys)
            .unwrap_or_default();
        let (flows, features) = (of.flows, of.features);
        for raw in raws {
            let before = self.found.list.len();
            let mut options: ViewOptions = self.options(&raw, &["input"], &keys);
            let mut inputs = self.inputs(&raw);
            let of_views = self.reads_of_views(&raw, &mut inputs, views);
            let mut from = match inputs.is_empty() && of_views.at.is_some() {
                true => Vec::new(),
                false => self.view_inputs(&raw, inputs, of),
            };
            if !self.has_one_form(&raw) || self.found.list.len() > before || of_views.has_faulty {
                continue;
            }
            self.same_window(&raw, &mut options, &of_views);
            self.as_of(&raw, &options);
            let contexts: Vec<Context> = from
                .iter()
                .map(|name| match name == flows {
                    true => rows.of_flows(flows, features),
                    false => rows.context.clone(),
                })
                .collect();
            let plan = match raw.entry("rules") {
                Some(entry) => {
                    let inputs = (from.iter().zip(&contexts).zip(0..)).map(input_of);
                    let inputs: Vec<Relation> = inputs.chain(of_views.of_rules()).collect();
                    self.rules(&raw, entry, &options, &inputs)
                }
                None if !self.one_relation(&of_views, from.len()) => None,
                None => match of_views.of_groups() {
                    Some((over, made)) => {
                        let context = context_of(made, &rows.context);
                        self.one_form(&raw, &options, (0, Some(over)), &context, rows)
                    }
                    None => {
                        // what all of them have
                        let fewest = contexts.iter().min_by_key(|context| context.names().len());
                        fewest.and_then(|context| {
                            self.one_form(&raw, &options, (from.len(), None), context, rows)
                        })
                    }
                },
            };
            from.extend(of_views.names);
            if let Some(plan) = plan {
                for source in &plan.sources {
                    rows.read(source.program.loads());
                }
                let rules = Arc::new(plan);
                let behind = Behind::default();
                let view = View {
                    options,
                    rules,
                    behind,
                };
                views.push((raw, view));
                reads.push(from);
            }
        }
    }

    /// What a view reads; the flow table where it names nothing.
    fn view_inputs(&mut self, raw: &Raw<'a>, inputs: Inputs, of: &Readable<'_, 'a>) -> Vec<String> {
        let flows = of.flows;
        let mut nodes = row_nodes(of.features, of.filters);
        // those that are named rightly are taken out already
        let others = self.names_of_views().filter(|name| *name != raw.name);
        nodes.extend(others.map(|name| RowNode {
            name: name.to_owned(),
            outputs: Vec::new(),
        }));
        nodes.push(RowNode {
            name: flows.to_owned(),
            outputs: Vec::new(),
        });
        let others: Vec<(String, &'static str)> = of
            .sources
            .iter()
            .map(|name| (name.clone(), "packets"))
            .collect();
        let own = (raw.name.as_str(), raw.at, raw.path.as_str());
        self.resolve_rows(own, &inputs, &nodes, &others, &[flows.to_owned()])
    }

    /// Whether a view is written as groups, or as rules.
    fn has_one_form(&mut self, raw: &Raw<'a>) -> bool {
        let rules = raw.entry("rules");
        if raw.entry("graph").is_some() {
            return self.is_graph_alone(raw);
        }
        let groups = ["group_by", "select", "where", "having", "top", "metrics"];
        let mut groups = groups.iter().filter_map(|key| raw.entry(key));
        match (rules, groups.next()) {
            (Some(_), None) => true,
            (None, Some(_)) if raw.entry("group_by").is_some() => match raw.entry("metrics") {
                None => true,
                Some(entry) => {
                    let message = "`metrics` are of the nodes of a graph";
                    let path = format!("{}.metrics", raw.path);
                    let help = "write the view as a graph, `graph = { from = \"src_ip\", to = \"dst_ip\" }`";
                    self.found
                        .push(Diagnostic::new("E0607", entry.at, path, message).help(help));
                    false
                }
            },
            (None, Some(_)) => {
                self.missing(raw, "group_by");
                false
            }
            (None, None) => {
                let message = format!(
                    "`[{}]` has neither `group_by` nor `rules` nor `graph`",
                    raw.path
                );
                self.found.push(
                    Diagnostic::new("E0006", raw.at, format!("{}.group_by", raw.path), message)
                        .help("write groups (`group_by`, `select`), a `graph`, or `rules`"),
                );
                false
            }
            (Some(_), Some(entry)) => {
                let message = format!("a view of rules has no `{}`", entry.name);
                let path = format!("{}.{}", raw.path, entry.name);
                self.found
                    .push(Diagnostic::new("E0607", entry.at, path, message).help(
                        "put it into the rules, or write the view as groups without `rules`",
                    ));
                false
            }
        }
    }

    fn rules(
        &mut self,
        raw: &Raw<'a>,
        entry: &Entry,
        options: &ViewOptions,
        inputs: &[Relation],
    ) -> Option<Plan> {
        let path = format!("{}.rules", raw.path);
        let told = RuleOptions {
            allow_cross: options.allow_cross,
            is_bounded: raw.entry("max_iterations").is_some(),
        };
        let faults = match compile(entry.value.text().unwrap_or_default(), inputs, told) {
            Ok((plan, warnings)) => {
                for warning in &warnings {
                    self.expression_fault(warning, &entry.value, &path);
                }
                return Some(plan);
            }
            Err(faults) => faults,
        };
        for mut fault in faults {
            // a view that is there, and not among what is read
            let text = entry.value.text().unwrap_or_default();
            let view = fault.at.of(text).split('.').next().unwrap_or_default();
            if fault.code == "E0302" && self.is_view(view) && view != raw.name {
                let is_read = inputs
                    .iter()
                    .any(|one| one.name.split('.').next() == Some(view));
                if !is_read {
                    fault.known.clear();
                    fault.help = Some(format!("add `{view}` to the `input` of the view"));
                }
            }
            self.expression_fault(&fault, &entry.value, &path);
        }
        None
    }

    /// Whether a view of a graph has nothing of the other forms.
    fn is_graph_alone(&mut self, raw: &Raw<'a>) -> bool {
        let others = ["rules", "group_by", "select", "having", "top"];
        let mut others = others.iter().filter_map(|key| raw.entry(key));
        let Some(entry) = others.next() else {
            return true;
        };
        let message = format!("a view of a graph has no `{}`", entry.name);
        let path = format!("{}.{}", raw.path, entry.name);
        let help = format!(
            "let another view read `{}.nodes` or `{}.edges`",
            raw.name, raw.name
        );
        self.found
            .push(Diagnostic::new("E0607", entry.at, path, message).help(help));
        false
    }

    /// The plan of groups, or of a graph.
    fn one_form(
        &mut self,
        raw: &Raw<'a>,
        options: &ViewOptions,
        (inputs, view): (usize, Option<OverView>),
        context: &Context,
        rows: &mut Rows,
    ) -> Option<Plan> {
        let Some(graph) = &options.graph else {
            return self.groups(raw, options, (inputs, view), context, rows);
        };
        let form = GraphForm {
            inputs,
            view,
            condition: options.condition.as_deref(),
            from: &graph.from,
            to: &graph.to,
            weight: graph.weight.as_deref().unwrap_or("1"),
            directed: graph.directed,
            metrics: &options.metrics,
        };
        match compile_graph(&form, context, &mut rows.aggregates) {
            Ok(plan) => Some(plan),
            Err(faults) => {
                self.faults_of_parts(raw, &faults);
                None
            }
        }
    }

    /// Reports faults where the parts of a view are written.
    fn faults_of_parts(&mut self, raw: &Raw<'a>, faults: &[(Part, Fault)]) {
        for (part, fault) in faults {
            let (value, path) = place_of(raw, *part);
            match value {
                // a fault of a part that is no text has the whole of it as its place
                Some(value) if value.text().is_some() => {
                    self.expression_fault(fault, value, &path);
                }
                value => {
                    let at = value.map_or(raw.at, |value| value.at);
                    let mut told = Diagnostic::new(fault.code, at, path, &fault.message);
                    told.help.clone_from(&fault.help);
                    self.found.push(told);
                }
            }
        }
    }

    fn groups(
        &mut self,
        raw: &Raw<'a>,
        options: &ViewOptions,
        (inputs, view): (usize, Option<OverView>),
        context: &Context,
        rows: &mut Rows,
    ) -> Option<Plan> {
        let by = options.group_by.iter().flatten().map(String::as_str);
        let by: Vec<&str> = by.collect();
        let selected = raw.entry("select").and_then(|entry| entry.value.entries());
        let selected = selected.unwrap_or_default();
        let before = self.found.list.len();
        for entry in selected {
            let path = format!("{}.select.{}", raw.path, entry.name);
            self.name(entry, &path, "column");
            if by.contains(&entry.name.as_str()) {
                let message = format!(
                    "`{}` is grouped by, and selected under this name",
                    entry.name
                );
                self.found.push(
                    Diagnostic::new("E0301", entry.at, path, message).help("choose another name"),
                );
            }
        }
        for (at, name) in by.iter().enumerate() {
            if by[..at].contains(name) {
                let (value, path) = place_of(raw, Part::By(at));
                let message = format!("`{name}` is grouped by twice");
                let place = value.map_or(raw.at, |value| value.at);
                self.found
                    .push(Diagnostic::new("E0301", place, path, message));
            }
        }
        let select = options.select.0.iter();
        let form = GroupForm {
            name: &raw.name,
            inputs,
            view,
            condition: options.condition.as_deref(),
            by,
            select: select
                .map(|(name, text)| (name.as_str(), text.as_str()))
                .collect(),
            having: options.having.as_deref(),
            top: options.top.as_ref().map(|top| {
                let per = top.per.iter().flatten().map(String::as_str);
                (top.by.as_str(), top.n, per.collect())
            }),
        };
        let faults = match compile_group(&form, context, &mut rows.aggregates) {
            Ok(plan) => return (self.found.list.len() == before).then_some(plan),
            Err(faults) => faults,
        };
        self.faults_of_parts(raw, &faults);
        None
    }

    /// Whether there is a view of this name, right or wrong.
    pub(super) fn is_view(&self, name: &str) -> bool {
        self.names_of_views().any(|view| view == name)
    }

    fn names_of_views(&self) -> impl Iterator<Item = &'a str> + use<'a> {
        let mut root = self.loaded.root.iter();
        let section = root.find(|entry| entry.name == "views");
        let views = section.and_then(|section| section.value.entries());
        views.into_iter().flatten().map(|view| view.name.as_str())
    }

    /// Reports views that keep all that comes of an input without an end.
    pub(super) fn endless<'o>(
        &mut self,
        mut sources: impl Iterator<Item = &'o PcapOptions>,
        flows: &FlowOptions,
        views: &[(Raw<'a>, View)],
    ) {
        let is_endless = |source: &PcapOptions| {
            let has_end =
                source.patience.is_some() || source.limit.is_some() || source.to.is_some();
            source.follow && !has_end
        };
        if !sources.any(is_endless) {
            return;
        }
        for (raw, view) in views {
            let name = &raw.name;
            let (message, help) = match view.options.window {
                Window::All if raw.entry("max_rows").is_none() => (
                    format!("`{name}` keeps all that comes, and the input has no end"),
                    "give it a window, `window = { sliding = \"5m\", step = \"10s\" }`, or set `max_rows`",
                ),
                Window::Sliding { by: By::Start, .. } if flows.active_timeout.0.is_none() => (
                    format!(
                        "the windows of `{name}` never close: a record may have started at any time before"
                    ),
                    "set `active_timeout` of `[flows]`, or leave out `by`: records count when they end",
                ),
                _ => continue,
            };
            let at = raw.entry("window").map_or(raw.at, |entry| entry.value.at);
            let path = format!("{}.window", raw.path);
            self.found
                .push(Diagnostic::new("E0605", at, path, message).help(help));
        }
    }

    /// Reports columns over records in the order of their ends, where they come in that of their starts.
    pub(super) fn order_of_records(&mut self, raw: &Raw<'_>, connection: Option<&ConnectionPlan>) {
        let Some(connection) = connection.filter(|plan| plan.past) else {
            return;
        };
        if matches!(
            connection.options.window,
            Window::Sliding { by: By::Start, .. }
        ) {
            let at = raw
                .entry("connection")
                .map_or(raw.at, |entry| entry.value.at);
            let message = "`ct_*` and `new_edge` compare a record with those that ended before it, and windows by start close in another order";
            let path = format!("{}.connection", raw.path);
            let help = "leave these columns out, or `by`: records then count when they end";
            self.found
                .push(Diagnostic::new("E0008", at, path, message).help(help));
        }
    }

    /// Warns of views that no sink writes: they are not kept.
    pub(super) fn unread(
        &mut self,
        views: &[(Raw<'a>, View)],
        reads: &[Vec<String>],
        shown: &[Option<TableOf>],
        look_ups: &LookUps,
    ) {
        for (raw, _) in views {
            let is_it = |of: &TableOf| matches!(of, TableOf::View(name, _) if *name == raw.name);
            let is_asked = look_ups.questions().any(|one| one.view == raw.name)
                || (reads.iter().flatten())
                    .any(|name| name.split('.').next() == Some(raw.name.as_str()));
            if !is_asked && !shown.iter().flatten().any(is_it) {
                let message = format!("nothing reads `{}`", raw.name);
                self.found
                    .push(Diagnostic::new("W0401", raw.at, &raw.path, message).help(
                        "let a sink write one of its relations, a view read it, or rows look it up",
                    ));
            }
        }
    }
}

/// What rules read of an input: its name, and its columns.
fn input_of(((name, context), place): ((&String, &Context), usize)) -> Relation {
    Relation {
        // of an output of a filter its own name
        name: name.rsplit('.').next().unwrap_or(name).to_owned(),
        columns: columns_of(context),
        from: ReadFrom::Input(place),
    }
}

/// The columns that a relation has under the names of a context.
fn columns_of(context: &Context) -> Vec<RelationColumn> {
    let names = context.names().into_iter();
    let columns = names.filter_map(|name| match context.find(&name)? {
        Known::Field(field) => Some(RelationColumn {
            kind: field.kind.clone(),
            null: field.null,
            place: field.place,
            name,
        }),
        Known::Fault(..) => None,
    });
    columns.collect()
}

/// Where a part of a view is written, and its path.
fn place_of<'r>(raw: &'r Raw<'_>, part: Part) -> (Option<&'r Value>, String) {
    let key = match part {
        Part::Where => "where",
        Part::By(_) => "group_by",
        Part::Select(_) => "select",
        Part::Having => "having",
        Part::TopBy | Part::TopPer(_) => "top",
        Part::From | Part::To | Part::Weight => "graph",
        Part::Metrics | Part::Metric(_) => "metrics",
        Part::Whole => return (None, raw.path.clone()),
    };
    let path = format!("{}.{key}", raw.path);
    let Some(entry) = raw.entry(key) else {
        return (None, path);
    };
    let item = |value: &'r Value, at: usize, path: String| match &value.kind {
        Kind::List(items) => (items.get(at), format!("{path}[{at}]")),
        _ => (Some(value), path),
    };
    let entries = entry.value.entries().unwrap_or_default();
    let named = |name: &str| entries.iter().find(|entry| entry.name == name);
    match part {
        Part::By(at) | Part::Metric(at) => item(&entry.value, at, path),
        Part::From => (named("from").map(|one| &one.value), format!("{path}.from")),
        Part::To => (named("to").map(|one| &one.value), format!("{path}.to")),
        Part::Weight => (
            named("weight").map(|one| &one.value),
            format!("{path}.weight"),
        ),
        Part::Select(at) => match entries.get(at) {
            Some(one) => (Some(&one.value), format!("{path}.{}", one.name)),
            None => (None, path),
        },
        Part::TopBy => (named("by").map(|by| &by.value), format!("{path}.by")),
        Part::TopPer(at) => match named("per") {
            Some(per) => item(&per.value, at, format!("{path}.per")),
            None => (None, path),
        },
        _ => (Some(&entry.value), path),
    }
}
