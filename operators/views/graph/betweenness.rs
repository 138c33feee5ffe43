//! Betweenness centrality (Brandes 2001): directed, unweighted, end points left out, divided by (n-1)(n-2).
//!
//! Exact costs a search from every node. In larger graphs searches start at some nodes only, the same in every run, and the sums
//! are scaled: an estimate, and marked as one.

use super::snapshot::{Graph, index};

/// Of each node; and whether it is exact.
#[derive(Clone, Debug, PartialEq)]
pub struct Betweenness {
    /// One entry a node.
    pub values: Vec<f64>,
    /// Whether a search was made from every node.
    pub is_exact: bool,
}

impl Betweenness {
    /// Bytes of a node while it is computed, the value included.
    pub const BYTES_PER_NODE: usize = size_of::<[u32; 3]>() + size_of::<[f64; 3]>();
}

/// Searches from every node if there are no more than `most`, else from `pivots`.
#[expect(clippy::cast_precision_loss, reason = "counts of a graph in memory")]
pub fn betweenness(graph: &Graph, most: usize, pivots: usize) -> Betweenness {
    let nodes = graph.nodes();
    let is_exact = nodes <= most || nodes <= pivots;
    let mut search = Search::new(nodes);
    let mut values = vec![0.0; nodes];
    let starts = if is_exact {
        (0..index(nodes)).collect()
    } else {
        chosen(nodes, pivots)
    };
    for start in &starts {
        search.from(graph, *start, &mut values);
    }
    if nodes > 2 {
        let scale = nodes as f64 / starts.len() as f64 / ((nodes - 1) as f64 * (nodes - 2) as f64);
        values.iter_mut().for_each(|value| *value *= scale);
    }
    Betweenness { values, is_exact }
}

/// The nodes whose number comes first when all are mixed, so that no range of addresses is preferred.
fn chosen(nodes: usize, pivots: usize) -> Vec<u32> {
    let mut order: Vec<u32> = (0..index(nodes)).collect();
    if pivots < nodes {
        order.select_nth_unstable_by_key(pivots, |node| (mix(u64::from(*node)), *node));
    }
    order.truncate(pivots);
    order.sort_unstable();
    order
}

/// SplitMix64 (Steele, Lea and Flood 2014).
pub(super) const fn mix(number: u64) -> u64 {
    let mut z = number.wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// What one search needs, kept for the next.
struct Search {
    /// Nodes in the order in which they were reached.
    order: Vec<u32>,
    /// 0 = not reached, else 1 + distance.
    depth: Vec<u32>,
    /// Shortest paths from the start.
    paths: Vec<f64>,
    /// Share of the shortest paths that go through a node.
    through: Vec<f64>,
}

impl Search {
    fn new(nodes: usize) -> Self {
        Self {
            order: Vec::with_capacity(nodes),
            depth: vec![0; nodes],
            paths: vec![0.0; nodes],
            through: vec![0.0; nodes],
        }
    }

    fn from(&mut self, graph: &Graph, start: u32, values: &mut [f64]) {
        self.order.push(start);
        self.depth[start as usize] = 1;
        self.paths[start as usize] = 1.0;
        let mut at = 0;
        while let Some(node) = self.order.get(at).copied() {
            at += 1;
            let (depth, paths) = (self.depth[node as usize], self.paths[node as usize]);
            for (other, _) in graph.out.of(node as usize) {
                let other = *other as usize;
                if self.depth[other] == 0 {
                    self.depth[other] = depth + 1;
                    self.order.push(index(other));
                }
                if self.depth[other] == depth + 1 {
                    self.paths[other] += paths;
                }
            }
        }
        // from the farthest back: a node takes from those one step further
        for node in self.order.iter().rev() {
            let node = *node as usize;
            let next = self.depth[node] + 1;
            let mut through = 0.0;
            for (other, _) in graph.out.of(node) {
                let other = *other as usize;
                if self.depth[other] == next {
                    through += self.paths[node] / self.paths[other] * (1.0 + self.through[other]);
                }
            }
            self.through[node] = through;
            if node != start as usize {
                values[node] += through;
            }
        }
        for node in self.order.drain(..) {
            let node = node as usize;
            self.depth[node] = 0;
            self.paths[node] = 0.0;
            self.through[node] = 0.0;
        }
    }
}
