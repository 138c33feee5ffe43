//! Weakly connected components.

use super::snapshot::{Graph, Sets};

/// For each node the smallest one that it is connected to, whichever way the edges run.
pub fn components(graph: &Graph) -> Vec<u32> {
    let mut sets = Sets::new(graph.nodes());
    for (node, from) in (0..).zip(0..graph.nodes()) {
        for (other, _) in graph.out.of(from) {
            sets.join(node, *other);
        }
    }
    sets.roots()
}
