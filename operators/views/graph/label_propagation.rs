//! Communities by label propagation, in synchronous rounds.
//!
//! Traffic is nearly bipartite, so rounds end in a cycle of two almost always: the labels that a node had in the last two rounds
//! are then united.

use super::snapshot::{Graph, Sets, by_smallest, index};

/// Rounds at most.
const ROUNDS: usize = 32;

/// For each node the smallest one of its community.
pub fn label_propagation(graph: &Graph) -> Vec<u32> {
    let nodes = graph.nodes();
    let mut labels: Vec<u32> = (0..index(nodes)).collect();
    let mut before: Option<Vec<u32>> = None;
    let mut votes = Votes::new(nodes);
    for _ in 0..ROUNDS {
        let next: Vec<u32> = (0..nodes)
            .map(|node| match graph.around.of(node) {
                [] => labels[node],
                [(only, _)] => labels[*only as usize],
                around => {
                    for (other, weight) in around {
                        votes.add(labels[*other as usize], *weight);
                    }
                    votes.winner().unwrap_or(labels[node])
                }
            })
            .collect();
        let is_over = next == labels || before.as_ref() == Some(&next);
        before = Some(std::mem::replace(&mut labels, next));
        if is_over {
            break;
        }
    }
    let mut sets = Sets::new(nodes);
    if let Some(before) = before {
        for (a, b) in before.iter().zip(&labels) {
            sets.join(*a, *b);
        }
    }
    let roots = sets.roots();
    let labels: Vec<u32> = labels.iter().map(|label| roots[*label as usize]).collect();
    by_smallest(&labels)
}

/// The weight of each label around one node.
struct Votes {
    weights: Vec<u64>,
    seen: Vec<u32>,
}

impl Votes {
    fn new(nodes: usize) -> Self {
        Self {
            weights: vec![0; nodes],
            seen: Vec::new(),
        }
    }

    fn add(&mut self, label: u32, weight: u64) {
        let sum = &mut self.weights[label as usize];
        if *sum == 0 {
            self.seen.push(label);
        }
        *sum += weight;
    }

    /// The label with the largest weight, of equals the smallest; all are then forgotten.
    fn winner(&mut self) -> Option<u32> {
        let mut best: Option<(u64, u32)> = None;
        for label in self.seen.drain(..) {
            let weight = std::mem::take(&mut self.weights[label as usize]);
            if best.is_none_or(|(most, least)| weight > most || weight == most && label < least) {
                best = Some((weight, label));
            }
        }
        best.map(|(_, label)| label)
    }
}
