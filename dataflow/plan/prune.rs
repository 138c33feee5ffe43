//! What no sink wants is not done: nodes first, then columns.

use super::{Edge, Features, Kind, Node};
use crate::spec::FLOW_ID;
use operators::expressions::lookups::LOOK_UPS;
use petgraph::Direction;
use petgraph::graph::{DiGraph, NodeIndex};
use petgraph::visit::{Dfs, EdgeRef as _, Reversed, Walker as _};
use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

/// The nodes from which one of these sinks can be reached.
pub fn reaching(
    graph: &DiGraph<Node, Edge>,
    is_one: impl Fn(&Node) -> bool,
) -> BTreeSet<NodeIndex> {
    let mut wanted = BTreeSet::new();
    for node in graph.node_indices() {
        if matches!(graph[node].kind, Kind::Sink(_)) && is_one(&graph[node]) {
            wanted.extend(Dfs::new(Reversed(graph), node).iter(Reversed(graph)));
        }
    }
    wanted
}

/// Removes every node from which no sink can be reached.
pub fn nodes(graph: &mut DiGraph<Node, Edge>) {
    let wanted = reaching(graph, |_| true);
    // `retain_nodes` would move the last node into the gap: the order of the spec is kept.
    *graph = graph.filter_map(
        |node, one| wanted.contains(&node).then(|| one.clone()),
        |_, edge| Some(*edge),
    );
}

/// What filters and sinks take of the rows: positions that are written, places that expressions read.
fn wanted(graph: &DiGraph<Node, Edge>) -> (BTreeSet<usize>, BTreeSet<u32>) {
    let mut written: BTreeSet<usize> = BTreeSet::new();
    let mut read: BTreeSet<u32> = BTreeSet::new();
    for node in graph.node_weights() {
        let conditions = match &node.kind {
            Kind::Sink(sink) if sink.table.is_none() => {
                written.extend(sink.places());
                sink.condition.as_slice()
            }
            Kind::View(view) => {
                let sources = view.rules.sources.iter();
                read.extend(sources.flat_map(|source| source.program.loads()));
                &[]
            }
            Kind::Filter(filter) => {
                read.extend(filter.sample.map(|_| FLOW_ID));
                read.extend(&filter.dedup);
                &filter.conditions
            }
            Kind::Join(join) => {
                read.extend(join.on.iter().map(|(_, place)| place));
                read.extend(join.time);
                &[]
            }
            _ => &[],
        };
        for condition in conditions {
            condition.loads(&mut |place| {
                read.insert(place);
            });
        }
    }
    (written, read)
}

/// Removes what ties the rows to views that nothing wanted is looked up in.
pub fn look_ups(graph: &mut DiGraph<Node, Edge>) {
    let (written, read) = wanted(graph);
    let mut nodes = graph.node_indices();
    let look_up = nodes.find(|node| matches!(graph[*node].kind, Kind::LookUp));
    let features = graph
        .node_indices()
        .find_map(|node| match &graph[node].kind {
            Kind::Features(features) => Some((node, features)),
            _ => None,
        });
    let (Some(look_up), Some((at, features))) = (look_up, features) else {
        return;
    };
    let asked = features.asked(&features.read(&written, &read));
    let questions = features.look_ups.questions();
    let questions = questions.filter(|question| {
        question
            .values
            .iter()
            .any(|value| asked.contains(&value.place))
    });
    let views: BTreeSet<String> = questions.map(|question| question.view.clone()).collect();
    if views.is_empty() {
        let out = graph.edges_directed(look_up, Direction::Outgoing);
        let out: Vec<_> = out.map(|edge| (edge.target(), *edge.weight())).collect();
        for (to, edge) in out {
            graph.add_edge(at, to, edge);
        }
    }
    graph.retain_edges(|graph, edge| match graph.edge_endpoints(edge) {
        Some((from, to)) if to == look_up => {
            let is_asked =
                !matches!(graph[from].kind, Kind::View(_)) || views.contains(&graph[from].name);
            is_asked && !views.is_empty()
        }
        Some((from, _)) if from == look_up => !views.is_empty(),
        _ => true,
    });
}

/// Leaves in the features the columns that a sink writes or an expression reads, and numbers those of the sinks anew.
pub fn columns(graph: &mut DiGraph<Node, Edge>) {
    let (written, read) = wanted(graph);
    let features = graph
        .node_weights_mut()
        .find_map(|node| match &mut node.kind {
            Kind::Features(features) => Some(features),
            _ => None,
        });
    let Some(features) = features else { return };
    let before = features.columns().len();
    let moved = features.keep(&written, &read);
    let after = features.columns().len();
    for node in graph.node_weights_mut() {
        if let Kind::Sink(sink) = &mut node.kind
            && sink.table.is_none()
        {
            let hidden = sink.parts.iter_mut().flat_map(|of| &mut of.columns);
            for column in sink.columns.iter_mut().chain(hidden) {
                *column = match column.checked_sub(before) {
                    // what joins have put behind the others stays there
                    Some(joined) => after + joined,
                    None => moved.get(column).copied().unwrap_or(*column),
                };
            }
        }
    }
}

impl Features {
    /// Position of the first derived column.
    fn behind(&self) -> usize {
        self.plan.schema.len() + self.look_ups.values().count()
    }

    /// What is read, with the derived columns that are written.
    fn read(&self, written: &BTreeSet<usize>, read: &BTreeSet<u32>) -> BTreeSet<u32> {
        let (behind, places) = (self.behind(), self.derived.places());
        let derived = written.range(behind..);
        let derived = derived.filter_map(|at| places.get(at - behind));
        read.iter().chain(derived).copied().collect()
    }

    /// The values that are looked up for these places: by them, by what they are derived of, by keys.
    fn asked(&self, read: &BTreeSet<u32>) -> BTreeSet<u32> {
        let mut seen = read.clone();
        let mut open: Vec<u32> = read.iter().copied().collect();
        let mut asked = BTreeSet::new();
        while let Some(place) = open.pop() {
            let mut needs = Vec::new();
            if place >= LOOK_UPS {
                asked.insert(place);
                needs.extend(self.look_ups.reads(place));
            } else if let Some(typed) = self.derived.expression(place) {
                typed.loads(&mut |load| needs.push(load));
            }
            open.extend(needs.into_iter().filter(|need| seen.insert(*need)));
        }
        asked
    }

    /// Keeps only columns that are written, or that expressions read; gives where each of them is now.
    fn keep(&mut self, written: &BTreeSet<usize>, read: &BTreeSet<u32>) -> HashMap<usize, usize> {
        let base = self.plan.schema.len();
        let mut read = self.read(written, read);
        let asked = self.asked(&read);
        read.extend(&asked);
        // what is behind the features, in order
        let values = self.look_ups.values().map(|value| value.place);
        let places = values.chain(self.derived.places().iter().copied());
        let stay = (base..).zip(places);
        let stay = stay.filter(|(_, place)| read.contains(place));
        let stay: Vec<usize> = stay.map(|(at, _)| at).collect();
        for place in &asked {
            read.extend(self.look_ups.reads(*place));
        }
        self.look_ups.keep(&asked);
        let wanted = read.clone();
        self.derived.keep(&wanted, &mut read);
        let of_expressions = read.iter().filter_map(|place| self.places.get(place));
        let kept: BTreeSet<usize> = of_expressions
            .copied()
            .chain(written.iter().copied())
            .filter(|at| *at < base)
            .collect();
        self.plan.keep(&kept);
        let moved: HashMap<usize, usize> = kept.into_iter().chain(stay).zip(0..).collect();
        let places = self.places.iter();
        let places = places.filter_map(|(place, at)| Some((*place, *moved.get(at)?)));
        self.places = Arc::new(places.collect());
        moved
    }
}
