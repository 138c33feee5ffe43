//! A tree to a spec: every key against the `Options` of its node, names, inputs, columns. All faults of a stage at once.
//!
//! Pure: no file is opened (`files.rs` does that). Stages: sections and keys; the graph; what is read and written.

mod dropped;
mod expressions;
mod filters;
mod graph;
mod joins;
mod keys;
mod look_ups;
mod nodes;
mod outputs;
mod paths;
mod sections;
mod shown;
mod tests;
mod variables;
mod view_reads;
mod views;

pub(crate) use expressions::FLOW_ID;

use crate::spec::diagnostic::{Diagnostic, Diagnostics, Span};
use crate::spec::load::{Entry, Loaded};
use crate::spec::variables::Variable;
use crate::spec::{
    Behind, Filter, Join, Node, RunOptions, Sink, Spec, TAP, Table, TableOf, format,
};
use filters::RowNode;
use graph::Graph;
use look_ups::look_ups;
use operators::decode::DecodeOptions;
use operators::features::FeatureSettings;
use operators::flows::FlowOptions;
use operators::sinks::SinkOptions;
use view_reads::in_order;
use views::Readable;

impl Loaded {
    /// Checks everything that can be checked without opening a file.
    ///
    /// # Errors
    /// All faults of the first stage that has any.
    pub fn check(&self) -> Result<Spec, Diagnostics> {
        let (filled, variables, missing) = self.filled()?;
        let mut check = Check {
            loaded: &filled,
            variables: &variables,
            found: Diagnostics::default(),
        };
        let spec = check.spec();
        let mut found = check.found;
        if spec.is_some() && !found.has_errors() {
            missing.into_iter().for_each(|fault| found.push(fault));
        }
        if let (Some(spec), false) = (&spec, found.has_errors()) {
            filled
                .dropped(spec)
                .into_iter()
                .for_each(|one| found.push(one));
        }
        let found = self.sorted(found);
        match spec {
            Some(mut spec) if !found.has_errors() => {
                spec.text = self.written(&variables);
                let first = self.sources.first().map(|source| &source.base);
                spec.base = first.map_or(String::new(), |base| base.display().to_string());
                spec.variables = variables;
                spec.warnings = found;
                Ok(spec)
            }
            _ => Err(found),
        }
    }

    /// The same with variables put in, the variables, and what lacks a value.
    pub(super) fn filled(&self) -> Result<(Self, Vec<Variable>, Vec<Diagnostic>), Diagnostics> {
        let mut check = Check {
            loaded: self,
            variables: &[],
            found: Diagnostics::default(),
        };
        let filled = check.fill();
        if check.found.has_errors() {
            return Err(self.sorted(check.found));
        }
        let loaded = Self {
            root: filled.root,
            ..self.clone()
        };
        Ok((loaded, filled.variables, filled.missing))
    }

    fn sorted(&self, mut found: Diagnostics) -> Diagnostics {
        found.sources.clone_from(&self.sources);
        found.list.sort_by_key(|one| (one.at.source, one.at.start));
        found
    }

    /// The text that gives this spec: that of the file, or of everything laid over it, with what was given for variables.
    fn written(&self, variables: &[Variable]) -> String {
        match self.sources.first() {
            Some(source) if !self.changed => return source.text.clone(),
            _ => {}
        }
        let mut loaded = self.clone();
        for variable in variables {
            let given = self.given.iter().any(|given| given.name == variable.name);
            if let (true, Some(value)) = (given, &variable.value) {
                loaded.set_default(&variable.name, value);
            }
        }
        format::text(&loaded.root)
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

/// What rows go through between the features and the sinks.
enum Middle {
    Filter(Filter),
    Join(Box<Join>),
}

/// The inputs a node names, and where.
type Inputs = Vec<(String, Span, String)>;

/// The sinks, the inputs that they name, and which of them write tables.
type SinksRead<'s, 'a> = (
    &'s [(Raw<'a>, SinkOptions)],
    &'s [Inputs],
    &'s [Option<TableOf>],
);

struct Check<'a> {
    loaded: &'a Loaded,
    /// Those that are put in: expressions name them.
    variables: &'a [Variable],
    found: Diagnostics,
}

impl<'a> Check<'a> {
    /// The spec; `None` where a stage found errors.
    fn spec(&mut self) -> Option<Spec> {
        let loaded = self.loaded;
        let (name, description) = self.top();
        self.count();
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
        let mut settings: FeatureSettings = self.optional("features", features_raw.as_ref());
        settings.decode = decode.clone();
        settings.stages = flows.stages().into();
        // what is wrong with one is told already
        settings.has_sensor = sources.iter().any(|(raw, _)| raw.entry("sensor").is_some());
        self.flows(&flows, flows_raw.as_ref(), settings.has_sensor);
        settings.written = self.written();
        if settings.written.is_some() {
            self.of_rows(&[&decode_raw, &flows_raw], features_raw.as_ref());
        }
        let mut rows = self.known(&settings, features_raw.as_ref());
        let flow_table = flows_raw.as_ref().map_or("flows", |raw| &raw.name);
        self.no_loops(flow_table, features_raw.as_ref());
        let feature_set = features_raw.as_ref().map_or("features", |raw| &raw.name);
        // derived columns may look up what these show; what reads rows comes behind them
        let (of_flows, of_rows) = in_order(self.nodes("views"), flow_table);
        let mut readable = Readable {
            flows: flow_table,
            features: feature_set,
            filters: &[],
            sources: sources.iter().map(|(raw, _)| raw.name.clone()).collect(),
        };
        let (mut views, mut views_from) = (Vec::new(), Vec::new());
        self.views(
            of_flows,
            &mut rows,
            &readable,
            (&mut views, &mut views_from),
        );
        self.show_views(&mut rows, &views, &of_rows);
        self.derived(&mut rows, features_raw.as_ref());
        let condition = self.of_packets(&rows, flows_raw.as_ref());
        let rule = self.end_when(&rows, flows_raw.as_ref());
        let (filter_raws, join_raws) = (self.nodes("filters"), self.nodes("joins"));
        let mut joins = self.joins(&mut rows, &filter_raws, join_raws);
        let filters = self.filters(&mut rows, filter_raws, &joins);
        let follows = sources.iter().find(|(_, options)| options.follow);
        self.no_end(&filters, follows.map(|(raw, _)| raw.name.as_str()));
        readable.filters = &filters;
        self.views(of_rows, &mut rows, &readable, (&mut views, &mut views_from));
        let tap = (!loaded.tap.is_empty()).then(|| Raw {
            name: TAP.to_owned(),
            at: Span::default(),
            path: TAP.to_owned(),
            entries: &loaded.tap,
        });
        let sinks: Vec<_> = self
            .nodes("sinks")
            .into_iter()
            .chain(tap)
            .filter_map(|raw| {
                let options = self.sink(&raw)?;
                Some((raw, options))
            })
            .collect();
        let conditions: Vec<_> = sinks
            .iter()
            .map(|(raw, options)| {
                let entry = raw.entry("where")?;
                // what a table has is not known yet
                if options.kind() == "graph" || self.reads_view(raw, &views) {
                    return None;
                }
                let path = format!("{}.where", raw.path);
                let outer = rows.enter(&joins, &joins.behind(raw));
                let condition = self.condition(&mut rows, &entry.value, &path, "`where`");
                rows.leave(outer);
                condition
            })
            .collect();
        // tests that do not say otherwise look at what the sinks read
        let of_rows = |(raw, options): &&(Raw<'a>, SinkOptions)| {
            options.kind() != "graph" && !self.reads_view(raw, &views)
        };
        let usual = sinks.iter().find(of_rows);
        let usual = usual.map_or_else(Behind::default, |(raw, _)| joins.behind(raw));
        let tests = self.test_options(&mut rows, &joins, &usual);
        rows.note_keys();
        let look_ups = look_ups(&rows, &views);
        rows.tell(&mut settings);
        self.identity(&rows, &settings, &filters);
        let derived = (look_ups.values().count(), &rows.derived.schema);
        let columns = self.select(&settings, derived, features_raw.as_ref());
        let run_raw = self.nodes("run").pop();
        let run: RunOptions = self.optional("run", run_raw.as_ref());
        if let Some(raw) = &run_raw {
            self.run(raw, &run);
        }
        let sources_in: Vec<Inputs> = [&flows_raw, &features_raw]
            .into_iter()
            .map(|raw| raw.as_ref().map_or_else(Vec::new, |raw| self.inputs(raw)))
            .collect();
        let middle: Vec<&Raw<'a>> = (filters.iter().map(|(raw, _)| raw))
            .chain(joins.list.iter().map(|(raw, _)| raw))
            .collect();
        let filters_in: Vec<Inputs> = middle.iter().map(|raw| self.inputs(raw)).collect();
        let sinks_in: Vec<Inputs> = sinks.iter().map(|(raw, _)| self.inputs(raw)).collect();
        let shown: Vec<Option<TableOf>> = sinks
            .iter()
            .zip(&sinks_in)
            .map(|((raw, options), inputs)| self.shown(raw, options, inputs, &views))
            .collect();
        let has_graph = sinks.iter().any(|(_, options)| options.kind() == "graph");
        let twice = match &columns {
            _ if !views.is_empty() => Some("a view"),
            _ if has_graph => Some("the connection graph"),
            Some((columns, _)) if columns.connection().is_some() => Some("the connection graph"),
            _ => None,
        };
        self.early(&flows, flows_raw.as_ref(), twice);
        if let (Some((columns, _)), Some(raw)) = (&columns, &features_raw) {
            self.order_of_records(raw, columns.connection().as_ref());
        }
        let (columns, seen) = columns.filter(|_| !self.found.has_errors())?;

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
            .chain(filters.iter().map(|(raw, _)| raw))
            .chain(views.iter().map(|(raw, _)| raw))
            .chain(joins.list.iter().map(|(raw, _)| raw))
            .chain(sinks.iter().map(|(raw, _)| raw))
            .chain(tests.iter().map(tests::Written::raw));
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
        for inputs in filters_in.iter().chain(&sinks_in) {
            self.same_columns(&joins, inputs);
        }
        let passed: Vec<Behind> = sinks.iter().map(|(raw, _)| joins.behind(raw)).collect();
        // the nodes that give rows, with what is behind these: what tests look at
        let mut points = vec![(features_name.clone(), Behind::default())];
        for (raw, filter) in &filters {
            let behind = || joins.after(&raw.name);
            let routes = filter.routes.iter();
            let outputs = routes.map(|route| format!("{}.{}", raw.name, route.name));
            points.extend(outputs.map(|name| (name, behind())));
            if filter.routes.is_empty() {
                points.push((raw.name.clone(), behind()));
            }
        }
        let names = joins.list.iter().map(|(raw, _)| raw.name.clone());
        points.extend(names.map(|name| (name.clone(), joins.after(&name))));
        let middle: Vec<(Raw<'a>, Middle)> = filters
            .into_iter()
            .map(|(raw, filter)| (raw, Middle::Filter(filter)))
            .chain(
                (std::mem::take(&mut joins.list).into_iter())
                    .map(|(raw, join)| (raw, Middle::Join(Box::new(join)))),
            )
            .collect();
        let (middle, sinks_from) = match middle.is_empty() {
            true => {
                let resolve = |(inputs, shown): (&Inputs, &Option<TableOf>)| match shown {
                    Some(_) => inputs.iter().map(|(name, ..)| name.clone()).collect(),
                    None => self.resolve(&graph, "sinks", Some(inputs)),
                };
                (
                    Vec::new(),
                    sinks_in.iter().zip(&shown).map(resolve).collect(),
                )
            }
            false => self.behind_features(
                &graph,
                middle,
                &filters_in,
                (&sinks, &sinks_in, &shown),
                &views_from,
            ),
        };
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
        self.unread(&views, &views_from, &shown, &look_ups);
        self.endless(sources.iter().map(|(_, source)| source), &flows, &views);
        if self.found.has_errors() {
            return None;
        }
        self.paths(&sinks);
        let is_rows = self.rows(sources.iter().map(|(raw, _)| raw), &sinks);
        let places = rows.places(&columns, &look_ups);
        let views = views.into_iter().zip(views_from);
        let views = views.map(|((raw, view), inputs)| self.node(&raw, inputs, view));
        let views = views.collect();
        // places of the rows before what joins put behind them
        let width = columns.schema.len() + look_ups.values().count() + rows.derived.schema.len();
        let sinks: Vec<Node<Sink>> = sinks
            .into_iter()
            .zip(sinks_from)
            .zip(conditions)
            .zip(shown.into_iter().zip(passed))
            .map(
                |((((raw, options), inputs), condition), (of_view, passed))| {
                    let seen = seen.with(width, &passed.schema);
                    let connection = settings.shared.connection.clone().unwrap_or_default();
                    let of_graph = options.relation(&connection).map(TableOf::Graph);
                    let table = of_view.or(of_graph).map(|of| Table {
                        schema: match &of {
                            TableOf::Graph(relation) => relation.schema(),
                            TableOf::View(_, shown) => shown.schema(),
                        },
                        of,
                    });
                    let of_table = table.as_ref();
                    let condition = match of_table {
                        Some(table) => self.of_table(&raw, &options, &table.schema),
                        None => condition,
                    };
                    // a table for people has titles and units of its own
                    let rows = match &options {
                        SinkOptions::Stdout(_) if raw.entry("columns").is_none() => &seen.plain,
                        _ => &seen.schema,
                    };
                    let schema = table.as_ref().map_or(rows, |table| &table.schema);
                    let mut columns = self.columns(&raw, &options, schema);
                    if let Some(anonymise) = options.anonymise() {
                        columns.retain(|at| schema.get(*at).is_none_or(|one| anonymise.keeps(one)));
                    }
                    let rows = match &options {
                        SinkOptions::Stdout(_) => &seen.plain,
                        _ => &seen.schema,
                    };
                    let schema = table.as_ref().map_or(rows, |table| &table.schema);
                    let mut parts = self.parts(&raw, &options, (schema, &columns), table.as_ref());
                    let schema = columns.iter().map(|at| schema[*at].clone()).collect();
                    if table.is_none() {
                        let hidden = parts.iter_mut().flat_map(|of| &mut of.columns);
                        let all = columns.iter_mut().chain(hidden);
                        all.for_each(|at| *at = seen.places[*at]);
                    }
                    let path = raw.entry("path").and_then(|entry| entry.value.text());
                    let label = path.unwrap_or(options.kind()).to_owned();
                    let sink = Sink {
                        label,
                        options,
                        columns,
                        schema,
                        condition,
                        limit: None,
                        parts,
                        table,
                        behind: passed,
                    };
                    self.node(&raw, inputs, sink)
                },
            )
            .collect();
        let usual = tests::before_sinks(&sinks, &features_name);
        let tests = self.tests(tests, (&seen, width), &points, &usual);
        let (mut filters, mut joins) = (Vec::new(), Vec::new());
        for Node {
            name,
            inputs,
            options,
        } in middle
        {
            match options {
                Middle::Filter(options) => filters.push(Node {
                    name,
                    inputs,
                    options,
                }),
                Middle::Join(join) => joins.push(Node {
                    name,
                    inputs,
                    options: *join,
                }),
            }
        }
        Some(Spec {
            name,
            description,
            sources: sources
                .into_iter()
                .map(|(raw, options)| self.node(&raw, Vec::new(), options))
                .collect(),
            is_rows,
            decode,
            flows: Node {
                name: flows_name,
                inputs: flows_from,
                options: flows,
            },
            condition,
            rule,
            features: Node {
                name: features_name,
                inputs: features_from,
                options: settings,
            },
            columns,
            seen,
            look_ups,
            derived: rows.derived,
            places,
            filters,
            views,
            joins,
            sinks,
            tests,
            run,
            variables: Vec::new(),
            text: String::new(),
            base: String::new(),
            warnings: Diagnostics::default(),
        })
    }

    /// Filters, joins and sinks with what they read.
    fn behind_features(
        &mut self,
        graph: &Graph,
        filters: Vec<(Raw<'a>, Middle)>,
        filters_in: &[Inputs],
        (sinks, sinks_in, shown): SinksRead<'_, 'a>,
        views_from: &[Vec<String>],
    ) -> (Vec<Node<Middle>>, Vec<Vec<String>>) {
        let outputs = |raw: &Raw<'_>, middle: &Middle| -> Vec<String> {
            match middle {
                Middle::Filter(filter) => {
                    let routes = filter.routes.iter();
                    routes
                        .map(|route| format!("{}.{}", raw.name, route.name))
                        .collect()
                }
                Middle::Join(_) => Vec::new(),
            }
        };
        let mut nodes = vec![RowNode {
            name: graph.features.clone(),
            outputs: Vec::new(),
        }];
        nodes.extend(filters.iter().map(|(raw, filter)| RowNode {
            name: raw.name.clone(),
            outputs: outputs(raw, filter),
        }));
        let mut others: Vec<(String, &'static str)> = Vec::new();
        others.extend(graph.sources.iter().map(|name| (name.clone(), "packets")));
        others.push((graph.flows.clone(), "flow records"));
        others.extend(graph.sinks.iter().map(|name| (name.clone(), "nothing")));
        let features = std::slice::from_ref(&graph.features);
        let read: Vec<Vec<String>> = filters
            .iter()
            .zip(filters_in)
            .map(|((raw, _), inputs)| {
                let own = (raw.name.as_str(), raw.at, raw.path.as_str());
                self.resolve_rows(own, inputs, &nodes, &others, features)
            })
            .collect();
        // what no filter reads
        let all = nodes.iter().flat_map(|node| match node.outputs.is_empty() {
            true => vec![node.name.clone()],
            false => node.outputs.clone(),
        });
        let open: Vec<String> = all
            .filter(|name| !read.iter().flatten().any(|input| input == name))
            .collect();
        let sinks_from: Vec<Vec<String>> = sinks
            .iter()
            .zip(sinks_in.iter().zip(shown))
            .map(|((raw, options), (inputs, shown))| {
                if shown.is_some() {
                    return inputs.iter().map(|(name, ..)| name.clone()).collect();
                }
                if matches!(options, SinkOptions::Graph(_)) {
                    return self.resolve(graph, "sinks", Some(inputs));
                }
                let own = (raw.name.as_str(), raw.at, raw.path.as_str());
                self.resolve_rows(own, inputs, &nodes, &others, &open)
            })
            .collect();
        let mut named: Vec<(Raw<'a>, Vec<String>)> = Vec::new();
        let mut kinds = Vec::new();
        for ((raw, filter), inputs) in filters.into_iter().zip(read) {
            named.push((raw, inputs));
            kinds.push(filter);
        }
        self.no_circles(&named);
        // an output that somebody reads and that is not there: with it, the routes take all rows
        for (raw, middle) in named.iter().zip(&kinds).map(|((raw, _), kind)| (raw, kind)) {
            let outputs = outputs(raw, middle);
            let mut inputs = filters_in.iter().chain(sinks_in).flatten();
            let lacks = inputs.any(|(name, ..)| {
                let head = name.split_once('.').filter(|(head, _)| *head == raw.name);
                head.is_some() && !outputs.contains(name)
            });
            let path = format!("{}.routes", raw.path);
            let list = &mut self.found.list;
            list.retain(|one| !(lacks && one.code == "W0402" && one.path == path));
        }
        let used = |name: &str| {
            let inputs = named.iter().flat_map(|(_, inputs)| inputs);
            let inputs = inputs.chain(sinks_from.iter().flatten());
            let mut inputs = inputs.chain(views_from.iter().flatten());
            inputs.any(|input| input.split('.').next() == Some(name))
        };
        // what reads a node that is not there may have meant this one
        let is_right = !self.found.has_errors();
        for (raw, _) in named.iter().filter(|_| is_right) {
            if !used(&raw.name) {
                let message = format!("nothing reads `{}`", raw.name);
                self.found.push(
                    Diagnostic::new("W0401", raw.at, &raw.path, message)
                        .help("let a sink, a view or another filter read it"),
                );
            }
        }
        let filters = named
            .into_iter()
            .zip(kinds)
            .map(|((raw, inputs), filter)| self.node(&raw, inputs, filter))
            .collect();
        (filters, sinks_from)
    }

    fn node<T>(&self, raw: &Raw<'_>, inputs: Vec<String>, options: T) -> Node<T> {
        Node {
            name: raw.name.clone(),
            inputs,
            options,
        }
    }
}
