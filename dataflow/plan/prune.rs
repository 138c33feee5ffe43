//! What no sink wants is not done: nodes first, then columns.

use super::{Edge, Kind, Node};
use petgraph::Direction;
use petgraph::graph::DiGraph;
use petgraph::visit::{Dfs, Reversed, Walker as _};
use std::collections::BTreeSet;

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

/// Leaves in the features the columns that a sink reads, and numbers those of the sinks anew.
pub fn columns(graph: &mut DiGraph<Node, Edge>) {
    for features in graph.node_indices() {
        if !matches!(graph[features].kind, Kind::Features(_)) {
            continue;
        }
        let readers: Vec<_> = graph
            .neighbors_directed(features, Direction::Outgoing)
            .collect();
        let wanted: BTreeSet<usize> = readers
            .iter()
            .filter_map(|reader| match &graph[*reader].kind {
                Kind::Sink(sink) if sink.table.is_none() => Some(&sink.columns),
                _ => None,
            })
            .flatten()
            .copied()
            .collect();
        for reader in readers {
            if let Kind::Sink(sink) = &mut graph[reader].kind
                && sink.table.is_none()
            {
                for column in &mut sink.columns {
                    *column = wanted.range(..*column).count();
                }
            }
        }
        if let Kind::Features(features) = &mut graph[features].kind {
            let names: BTreeSet<String> = (0..)
                .zip(&features.plan.schema)
                .filter(|(at, _)| wanted.contains(at))
                .map(|(_, feature)| feature.name.clone())
                .collect();
            features
                .plan
                .restrict(|feature| names.contains(&feature.name));
        }
    }
}
