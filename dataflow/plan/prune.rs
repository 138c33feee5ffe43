//! What no sink wants is not done: nodes first, then columns.

use super::{Edge, Features, Kind, Node};
use crate::spec::FLOW_ID;
use petgraph::graph::DiGraph;
use petgraph::visit::{Dfs, Reversed, Walker as _};
use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

/// Removes every node from which no sink can be reached.
pub fn nodes(graph: &mut DiGraph<Node, Edge>) {
    let mut wanted = BTreeSet::new();
    for node in graph.node_indices() {
        if matches!(graph[node].kind, Kind::Sink(_)) {
            wanted.extend(Dfs::new(Reversed(&*graph), node).iter(Reversed(&*graph)));
        }
    }
    // `retain_nodes` would move the last node into the gap: the order of the spec is kept.
    *graph = graph.filter_map(
        |node, one| wanted.contains(&node).then(|| one.clone()),
        |_, edge| Some(*edge),
    );
}

/// Leaves in the features the columns that a sink writes or an expression reads, and numbers those of the sinks anew.
pub fn columns(graph: &mut DiGraph<Node, Edge>) {
    let mut written: BTreeSet<usize> = BTreeSet::new();
    let mut read: BTreeSet<u32> = BTreeSet::new();
    for node in graph.node_weights() {
        let conditions = match &node.kind {
            Kind::Sink(sink) if sink.table.is_none() => {
                written.extend(&sink.columns);
                sink.condition.as_slice()
            }
            Kind::Filter(filter) => {
                read.extend(filter.sample.map(|_| FLOW_ID));
                &filter.conditions
            }
            Kind::View(view) => {
                for source in &view.rules.sources {
                    read.extend(source.program.loads());
                }
                &[]
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
    let features = graph
        .node_weights_mut()
        .find_map(|node| match &mut node.kind {
            Kind::Features(features) => Some(features),
            _ => None,
        });
    let Some(features) = features else { return };
    let before = features.columns().len();
    let moved = features.keep(&mut written, &mut read);
    let after = features.columns().len();
    for node in graph.node_weights_mut() {
        if let Kind::Sink(sink) = &mut node.kind
            && sink.table.is_none()
        {
            for column in &mut sink.columns {
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
    /// Keeps only columns that are written, or that expressions read; gives where each of them is now.
    fn keep(
        &mut self,
        written: &mut BTreeSet<usize>,
        read: &mut BTreeSet<u32>,
    ) -> HashMap<usize, usize> {
        let base = self.plan.schema.len();
        let places = self.derived.places();
        let derived = written.range(base..).filter_map(|at| places.get(at - base));
        read.extend(derived.copied().collect::<Vec<_>>());
        // where the derived columns that stay were, in order
        let stay = (base..)
            .zip(places)
            .filter(|(_, place)| read.contains(place));
        let stay: Vec<usize> = stay.map(|(at, _)| at).collect();
        let wanted = read.clone();
        self.derived.keep(&wanted, read);
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
