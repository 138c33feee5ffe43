//! The plan of a run: a spec as a graph of typed nodes, without what no sink wants.
//!
//! Data only: `topology.rs` turns it into timely operators, `explain` and `draw` into text. It can be printed, compared and sent.

mod analyzed;
mod draw;
mod explain;
mod graph;
mod prune;
mod push;
mod regions;
mod svg;
mod types;

pub use analyzed::{analyzed, analyzed_json};
pub use draw::Drawing;
pub use explain::{explain, json, layout, memory};
pub use push::Pushed;
pub use regions::{Placed, Region};
pub use types::{type_name, types, types_json};

use crate::spec::{
    Behind, FLOW_ID, Filter, Join, RunOptions, Sink, Spec, TAP, Table, TableOf, View,
};
use operators::decode::DecodeOptions;
use operators::expressions::aggregates::RulePlan;
use operators::expressions::{Computer, Derived, Places, RowProgram, Typed};
use operators::features::{DurationUnit, FeaturePlan, Needs, Projection};
use operators::filters::{FilterPlan, FirstPlan};
use operators::flows::{FlowOptions, IcmpKey};
use operators::joins::JoinPlan;
use operators::schema::{Feature, Schema};
use operators::sinks::{self, Fact};
use operators::sources::{InputName, PcapOptions};
use operators::views::graph::{Measures, Relation};
use operators::views::look_ups::LookUps;
use petgraph::Direction;
use petgraph::graph::{DiGraph, NodeIndex};
use sha2::{Digest as _, Sha256};
use std::collections::BTreeMap;
use std::sync::Arc;

/// What a node does.
#[derive(Clone, Debug)]
pub enum Kind {
    /// Reads captures.
    Source(PcapOptions),
    /// Frames to packets.
    Decode(DecodeOptions),
    /// Packets to flow records.
    Flows(FlowOptions),
    /// Flow records to rows.
    Features(Features),
    /// Which rows go on, and where to.
    Filter(Filter),
    /// Tables over flow records.
    View(View),
    /// What a file says of rows.
    Join(Box<Join>),
    /// Rows with values of views.
    LookUp,
    /// Rows to a destination.
    Sink(Box<Sink>),
}

/// The columns of a run.
#[derive(Clone, Debug)]
pub struct Features {
    /// The columns that some sink wants, and what it takes to compute them.
    pub plan: FeaturePlan,
    /// The unit of durations in sinks.
    pub duration_unit: DurationUnit,
    /// How many columns the settings alone would give.
    pub selected: usize,
    /// The values of views that rows look up, behind them.
    pub look_ups: LookUps,
    /// The columns that are computed of all these, behind them.
    pub derived: Derived,
    /// Where each column is in the rows, by the place that expressions know it by.
    pub places: Places,
}

impl Features {
    /// The columns of the rows: features, values of views, then derived ones.
    pub fn columns(&self) -> impl ExactSizeIterator<Item = &Feature> + Clone {
        let values = self.look_ups.values().map(|value| &value.feature);
        let features = self.plan.schema.iter().chain(values);
        let all: Vec<&Feature> = features.chain(&self.derived.schema).collect();
        all.into_iter()
    }

    /// What computes the derived columns, if there are any.
    pub fn computer(&self) -> Option<Computer> {
        let is_needed = !self.derived.is_empty();
        is_needed.then(|| self.derived.computer(Arc::clone(&self.places)))
    }
}

/// A node of the plan.
#[derive(Clone, Debug)]
pub struct Node {
    /// Its name in the spec, or that of its section.
    pub name: String,
    /// What it does.
    pub kind: Kind,
}

/// What flows from one node to the next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Edge {
    /// Records of captures.
    Records,
    /// Packets; to the flow table they are exchanged by the hash of their flow key.
    Packets,
    /// Flow records.
    Flows,
    /// Rows.
    Rows,
    /// Rows of an output of a filter, counted from 0.
    Route(usize),
    /// Values of a view.
    Values,
}

impl Edge {
    /// As drawings label it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Records => "records",
            Self::Packets => "packets",
            Self::Flows => "flow records",
            Self::Rows | Self::Route(_) => "rows",
            Self::Values => "values",
        }
    }
}

/// The plan of a run.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The nodes, and what flows between them.
    pub graph: DiGraph<Node, Edge>,
    /// Whether the sources are rows that were written before: nothing is decoded then.
    pub is_rows: bool,
    /// The columns of these rows, where they go on as rows; `None` = they give edges of the connection graph.
    pub written: Option<Arc<Schema>>,
    /// Which packets enter the flow table; `None` = all.
    pub condition: Option<Typed>,
    /// What of the conditions behind the features is asked of packets already; `None` = nothing.
    pub pushed: Option<Pushed>,
    /// What ends flow records beside the timeouts.
    pub rule: Option<RulePlan>,
    /// What the inputs are called, by ordinal; none before it is known which there are.
    pub names: Arc<[InputName]>,
    /// How the work is done.
    pub run: RunOptions,
    /// The name of the spec, if it has one.
    pub name: Option<String>,
    /// The text that gives this plan.
    pub text: String,
    /// SHA-256 of the text, 64 hexadecimal digits.
    pub digest: String,
    /// The folder that its paths start from, as seen from the working directory; empty = that one.
    pub base: String,
}

impl Plan {
    /// The plan of a spec, pruned.
    pub fn new(spec: &Spec) -> Self {
        let mut plan = Self::whole(spec);
        prune::nodes(&mut plan.graph);
        prune::look_ups(&mut plan.graph);
        prune::nodes(&mut plan.graph);
        prune::columns(&mut plan.graph);
        plan.pushed = push::down(&plan);
        plan.want_graph();
        plan
    }

    /// Lets the features hand on what graph sinks need.
    fn want_graph(&mut self) {
        let measures = self
            .relations()
            .map(Relation::measures)
            .reduce(Measures::union);
        let has_views = self.views().next().is_some();
        for node in self.graph.node_weights_mut() {
            if let (Kind::Features(features), Some(measures)) = (&mut node.kind, measures) {
                features.plan.want_graph(measures);
            }
            if let (Kind::Features(features), true) = (&mut node.kind, has_views) {
                features.plan.want_edges();
            }
        }
    }

    /// The tables of the connection graph that sinks write, in their order.
    pub fn relations(&self) -> impl Iterator<Item = &Relation> {
        self.sinks().filter_map(|(_, sink)| match &sink.table {
            Some(Table {
                of: TableOf::Graph(relation),
                ..
            }) => Some(relation),
            _ => None,
        })
    }

    /// Whether something is maintained beside the rows: views, or the connection graph.
    pub fn has_arrangements(&self) -> bool {
        let graph = self
            .features()
            .and_then(|features| features.plan.connection());
        graph.is_some() || self.views().next().is_some()
    }

    /// The views, in the order of the spec.
    pub fn views(&self) -> impl Iterator<Item = (&str, &View)> {
        self.graph
            .node_weights()
            .filter_map(|node| match &node.kind {
                Kind::View(view) => Some((node.name.as_str(), view)),
                _ => None,
            })
    }

    /// The plan with everything the spec names.
    fn whole(spec: &Spec) -> Self {
        let mut graph = DiGraph::new();
        let mut nodes: BTreeMap<&str, NodeIndex> = BTreeMap::new();
        let node = |name: &str, kind| Node {
            name: name.to_owned(),
            kind,
        };
        for source in &spec.sources {
            let kind = Kind::Source(source.options.clone());
            nodes.insert(&source.name, graph.add_node(node(&source.name, kind)));
        }
        let decode = graph.add_node(node("decode", Kind::Decode(spec.decode.clone())));
        let flows = graph.add_node(node(
            &spec.flows.name,
            Kind::Flows(spec.flows.options.clone()),
        ));
        let features = graph.add_node(node(
            &spec.features.name,
            Kind::Features(Features {
                plan: spec.columns.clone(),
                duration_unit: spec.features.options.shared.duration_unit,
                selected: spec.columns.visible,
                look_ups: spec.look_ups.clone(),
                derived: spec.derived.clone(),
                places: Arc::new(spec.places.clone()),
            }),
        ));
        let inputs = spec.flows.inputs.iter();
        for source in inputs.filter_map(|name| nodes.get(name.as_str())) {
            match spec.features.options.written {
                // nothing is decoded: what no sink can be reached from is gone
                Some(_) => graph.add_edge(*source, features, Edge::Rows),
                None => graph.add_edge(*source, decode, Edge::Records),
            };
        }
        graph.add_edge(decode, flows, Edge::Packets);
        if spec.features.options.written.is_none() {
            graph.add_edge(flows, features, Edge::Flows);
        }
        let mut rows: BTreeMap<String, (NodeIndex, Edge)> = BTreeMap::new();
        rows.insert(spec.flows.name.clone(), (features, Edge::Flows));
        rows.insert(spec.features.name.clone(), (features, Edge::Rows));
        let mut filters = Vec::new();
        for filter in &spec.filters {
            let at = graph.add_node(node(&filter.name, Kind::Filter(filter.options.clone())));
            filters.push((at, &filter.inputs));
            rows.insert(filter.name.clone(), (at, Edge::Rows));
            for (output, route) in filter.options.routes.iter().enumerate() {
                let name = format!("{}.{}", filter.name, route.name);
                rows.insert(name, (at, Edge::Route(output)));
            }
        }
        for view in &spec.views {
            let at = graph.add_node(node(&view.name, Kind::View(view.options.clone())));
            filters.push((at, &view.inputs));
            rows.insert(view.name.clone(), (at, Edge::Rows));
            for (place, made) in view.options.rules.relations.iter().enumerate() {
                rows.insert(
                    format!("{}.{}", view.name, made.name),
                    (at, Edge::Route(place)),
                );
            }
        }
        for join in &spec.joins {
            let kind = Kind::Join(Box::new(join.options.clone()));
            let at = graph.add_node(node(&join.name, kind));
            filters.push((at, &join.inputs));
            rows.insert(join.name.clone(), (at, Edge::Rows));
        }
        if !spec.look_ups.is_empty() {
            let at = graph.add_node(node(&spec.features.name, Kind::LookUp));
            graph.add_edge(features, at, Edge::Rows);
            let mut asked: Vec<&str> = spec
                .look_ups
                .questions()
                .map(|one| one.view.as_str())
                .collect();
            asked.sort_unstable();
            asked.dedup();
            for view in asked {
                if let Some((view, _)) = rows.get(view) {
                    graph.add_edge(*view, at, Edge::Values);
                }
            }
            rows.insert(spec.features.name.clone(), (at, Edge::Rows));
        }
        for sink in &spec.sinks {
            let at = graph.add_node(node(&sink.name, Kind::Sink(Box::new(sink.options.clone()))));
            filters.push((at, &sink.inputs));
        }
        for (to, inputs) in filters {
            for input in inputs {
                // views are fed before anything is looked up in them
                let is_view = matches!(graph[to].kind, Kind::View(_));
                match rows.get(input) {
                    Some(_) if is_view && *input == spec.features.name => {
                        graph.add_edge(features, to, Edge::Rows);
                    }
                    Some((from, edge)) => {
                        graph.add_edge(*from, to, *edge);
                    }
                    None => {}
                }
            }
        }
        Self {
            graph,
            is_rows: spec.is_rows,
            written: spec.features.options.written.clone(),
            condition: spec.condition.clone(),
            pushed: None,
            rule: spec.rule.clone(),
            names: [].into(),
            run: spec.run.clone(),
            name: spec.name.clone(),
            text: spec.text.clone(),
            base: spec.base.clone(),
            digest: hex(&Sha256::digest(spec.text.as_bytes())),
        }
    }

    /// The sources, in the order of the spec.
    pub fn sources(&self) -> impl Iterator<Item = (&str, &PcapOptions)> {
        self.graph
            .node_weights()
            .filter_map(|node| match &node.kind {
                Kind::Source(options) => Some((node.name.as_str(), options)),
                _ => None,
            })
    }

    /// The settings of the decoder.
    pub fn decode(&self) -> Option<&DecodeOptions> {
        self.graph.node_weights().find_map(|node| match &node.kind {
            Kind::Decode(options) => Some(options),
            _ => None,
        })
    }

    /// The settings of the flow table.
    pub fn flows(&self) -> Option<&FlowOptions> {
        self.graph.node_weights().find_map(|node| match &node.kind {
            Kind::Flows(options) => Some(options),
            _ => None,
        })
    }

    /// The columns that are computed.
    pub fn features(&self) -> Option<&Features> {
        self.graph.node_weights().find_map(|node| match &node.kind {
            Kind::Features(features) => Some(features),
            _ => None,
        })
    }

    /// Lets the sink of `run --tap` take only so many rows.
    pub fn limit_tap(&mut self, rows: u64) {
        for node in self.graph.node_weights_mut() {
            if let (Kind::Sink(sink), true) = (&mut node.kind, node.name == TAP) {
                sink.limit = Some(rows);
            }
        }
    }

    /// What is read of packets beyond their header fields.
    pub fn needs(&self) -> Needs {
        let features = self.features().map(|features| features.plan.needs());
        let rule = self.rule.as_ref().map(|rule| Needs {
            payload: if rule.reads_payload() { u32::MAX } else { 0 },
            headers: rule.reads_headers(),
            ..Needs::NONE
        });
        let all = features.into_iter().chain(rule);
        all.fold(Needs::NONE, Needs::union)
    }

    /// Tells flows and features what the inputs are called, by ordinal.
    pub fn name_sources(&mut self, names: &[InputName]) {
        self.names = names.into();
        for node in self.graph.node_weights_mut() {
            if let Kind::Features(features) = &mut node.kind {
                features.plan.name_sources(Arc::clone(&self.names));
            }
        }
    }

    /// Where columns are in rows that have these columns of joins behind the others, by the place that expressions know them by.
    pub fn places(&self, behind: &Behind) -> Places {
        let Some(features) = self.features() else {
            return Places::default();
        };
        if behind.places.is_empty() {
            return Arc::clone(&features.places);
        }
        let mut places = (*features.places).clone();
        places.extend(
            behind
                .places
                .iter()
                .copied()
                .zip(features.columns().len()..),
        );
        Arc::new(places)
    }

    /// Conditions over rows that have these columns of joins behind the others.
    pub fn conditions<'t>(
        &self,
        conditions: impl IntoIterator<Item = &'t Typed>,
        behind: &Behind,
    ) -> RowProgram {
        RowProgram::new(conditions, self.places(behind))
    }

    /// `where` of a sink, with the name that it is counted under.
    pub fn condition(&self, sink: &Sink) -> Option<(String, RowProgram)> {
        let condition = sink.condition.as_ref()?;
        let program = match &sink.table {
            None => self.conditions([condition], &sink.behind),
            Some(table) => {
                let places = (0..).zip(0..table.schema.len()).collect();
                RowProgram::new([condition], Arc::new(places))
            }
        };
        Some((sink.label.clone(), program))
    }

    /// What a join is told; `None` where nobody has looked at its files.
    pub fn join(&self, name: &str, join: &Join) -> Option<JoinPlan> {
        let places = self.places(&join.behind);
        let place = |place: &u32| places.get(place).copied().unwrap_or(usize::MAX);
        Some(JoinPlan {
            name: name.to_owned(),
            joined: join.joined.clone()?,
            schema: join.gives.schema.clone(),
            on: join
                .on
                .iter()
                .map(|(part, at)| (*part, place(at)))
                .collect(),
            reversed: join.reversed.clone(),
            time: join.time.as_ref().map(place),
            mode: join.options.mode,
            many: join.options.many,
        })
    }

    /// The joins, in the order of the spec.
    pub fn joins(&self) -> impl Iterator<Item = (&str, &Join)> {
        self.graph
            .node_weights()
            .filter_map(|node| match &node.kind {
                Kind::Join(join) => Some((node.name.as_str(), &**join)),
                _ => None,
            })
    }

    /// What a filter is told.
    pub fn filter(&self, name: &str, filter: &Filter) -> FilterPlan {
        let features = self.features();
        let id = features.and_then(|features| features.places.get(&FLOW_ID).copied());
        let places = self.places(&filter.behind);
        let place = |place: &u32| places.get(place).copied();
        let first = FirstPlan {
            dedup: filter.dedup.iter().filter_map(place).collect(),
            limit: filter.limit,
        };
        let (condition, routes) = filter.conditions.split_at(usize::from(filter.has_where));
        FilterPlan {
            name: name.to_owned(),
            condition: filter
                .has_where
                .then(|| self.conditions(condition, &filter.behind)),
            sample: filter.sample.zip(id),
            first: (first != FirstPlan::default()).then_some(first),
            conditions: (self.conditions(routes, &filter.behind), routes.len()),
            routes: filter.routes.clone(),
            mode: filter.mode,
        }
    }

    /// The filters, in the order of the spec.
    pub fn filters(&self) -> impl Iterator<Item = (&str, &Filter)> {
        self.graph
            .node_weights()
            .filter_map(|node| match &node.kind {
                Kind::Filter(filter) => Some((node.name.as_str(), filter)),
                _ => None,
            })
    }

    /// The sinks, in the order of the spec; their columns are positions in [`Features::columns`].
    pub fn sinks(&self) -> impl Iterator<Item = (&str, &Sink)> {
        self.graph
            .node_weights()
            .filter_map(|node| match &node.kind {
                Kind::Sink(sink) => Some((node.name.as_str(), &**sink)),
                _ => None,
            })
    }

    /// The columns of a sink, as it sees them.
    pub fn columns_of<'a>(&'a self, sink: &'a Sink) -> impl Iterator<Item = &'a Feature> {
        sink.schema.iter()
    }

    /// What a sink takes of the rows.
    pub fn projection(&self, sink: &Sink) -> Projection {
        Projection::new(sink.places(), &sink.taken(), self.duration_unit(sink))
    }

    fn duration_unit(&self, sink: &Sink) -> DurationUnit {
        let of_rows = self.features().filter(|_| sink.table.is_none());
        of_rows.map_or(DurationUnit::S, |features| features.duration_unit)
    }

    /// What the file of a sink says about how it was made, as far as the spec tells: (key, value), in this order. The same for every
    /// run of the spec.
    pub fn metadata(&self, name: &str, sink: &Sink) -> Vec<Fact> {
        let mut facts = vec![
            ("version", env!("CARGO_PKG_VERSION").to_owned()),
            ("spec", self.text.clone()),
            ("spec_sha256", self.digest.clone()),
            ("sink", name.to_owned()),
            ("columns_sha256", self.columns_digest(sink)),
            ("flow_key", self.flow_key()),
        ];
        let unit = self.duration_unit(sink);
        if unit != DurationUnit::S {
            facts.push((sinks::DURATION_UNIT, unit.name().to_owned()));
        }
        if !self.base.is_empty() {
            facts.push(("base", self.base.clone()));
        }
        if let Some(anonymise) = sink.options.anonymise() {
            facts.push(("privacy", anonymise.facts().to_string()));
        }
        let facts = facts.into_iter();
        facts
            .map(|(key, value)| (format!("{}{key}", sinks::PREFIX), value))
            .collect()
    }

    /// SHA-256 of what the columns of a sink are declared to be: equal digests, equal meaning.
    fn columns_digest(&self, sink: &Sink) -> String {
        let schema: Vec<&Feature> = self.columns_of(sink).collect();
        // a struct of texts and numbers always is JSON
        hex(&Sha256::digest(
            serde_json::to_vec(&schema).unwrap_or_default(),
        ))
    }

    /// What makes a flow: the parts of the key, each with what it means.
    fn flow_key(&self) -> String {
        let Some(options) = self.flows() else {
            return String::new();
        };
        let parts = options
            .key
            .iter()
            .map(|part| format!("{}: {}", part.name(), part.doc()));
        let mut text = parts.collect::<Vec<_>>().join(" ");
        if options.icmp_key == IcmpKey::Id {
            text.push_str(" icmp_id: The identifier of ICMP.");
        }
        text
    }

    /// The nodes in data order, numbered from 1 as `explain` shows them.
    fn numbered(&self) -> Vec<(usize, NodeIndex)> {
        (1..).zip(self.graph.node_indices()).collect()
    }

    /// Numbers of the nodes that a node reads.
    fn inputs(&self, node: NodeIndex) -> Vec<usize> {
        let mut inputs: Vec<usize> = self
            .graph
            .neighbors_directed(node, Direction::Incoming)
            .map(|input| input.index() + 1)
            .collect();
        inputs.sort_unstable();
        inputs
    }
}

/// Bytes as lower-case hexadecimal digits.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
