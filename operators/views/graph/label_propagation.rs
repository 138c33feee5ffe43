//! Communities by label propagation, in synchronous rounds.
//!
//! Traffic is nearly bipartite, so rounds end in a cycle of two almost always: the labels that a node had in the last two rounds
//! are then united.

use super::snapshot::{Graph, Sets, by_smallest, index};
use std::cmp::Ordering;

/// Rounds at most.
const ROUNDS: usize = 32;

/// For each node the smallest one of its community.
pub fn label_propagation(graph: &Graph) -> Vec<u32> {
    let nodes = graph.nodes();
    let mut votes = Votes::new(nodes);
    let mut vote = |node: usize, labels: &[u32]| match graph.around.of(node) {
        [] => labels[node],
        [(only, _)] => labels[*only as usize],
        [(one, weight), (other, more)] => {
            // where both have one label it does not matter which
            let (one, other) = (labels[*one as usize], labels[*other as usize]);
            match weight.cmp(more).then(other.cmp(&one)) {
                Ordering::Less => other,
                _ => one,
            }
        }
        around => votes.winner(around, labels),
    };
    let mut labels: Vec<u32> = (0..index(nodes)).collect();
    // no two labels are equal yet, so the heaviest pair decides, of equals the first
    let heaviest = |node: u32| {
        let (first, others) = graph.around.of(node as usize).split_first()?;
        let heavier = |best: (u32, u64), other: &(u32, u64)| match other.1 > best.1 {
            true => *other,
            false => best,
        };
        Some(others.iter().fold(*first, heavier).0)
    };
    let mut before: Vec<u32> = (0..index(nodes))
        .map(|node| heaviest(node).unwrap_or(node))
        .collect();
    std::mem::swap(&mut labels, &mut before);
    let mut is_over = labels == before;
    // nodes whose label is another one than two rounds ago, as far as that is known; who has none around votes as two rounds ago
    let mut changed: Option<Vec<u32>> = None;
    let mut asked = vec![0; nodes];
    for round in 1..ROUNDS {
        if is_over {
            break;
        }
        let next: Vec<u32> = match &changed {
            None => (0..nodes).map(|node| vote(node, &labels)).collect(),
            Some(changed) => {
                let mut next = before.clone();
                for node in changed {
                    for (other, _) in graph.around.of(*node as usize) {
                        let other = *other as usize;
                        if std::mem::replace(&mut asked[other], round) != round {
                            next[other] = vote(other, &labels);
                        }
                    }
                }
                next
            }
        };
        let differ = (0..).zip(next.iter().zip(&before));
        let differ = differ.filter(|(_, (next, before))| next != before);
        let differ: Vec<u32> = differ.map(|(node, _)| node).collect();
        is_over = next == labels || differ.is_empty();
        changed = Some(differ);
        before = std::mem::replace(&mut labels, next);
    }
    let mut sets = Sets::new(nodes);
    for (a, b) in before.iter().zip(&labels) {
        sets.join(*a, *b);
    }
    let roots = sets.roots();
    let labels: Vec<u32> = labels.iter().map(|label| roots[*label as usize]).collect();
    by_smallest(&labels)
}

/// The weight of each label around one node.
struct Votes(Vec<u64>);

impl Votes {
    fn new(nodes: usize) -> Self {
        Self(vec![0; nodes])
    }

    /// The label with the largest weight around a node, of equals the smallest.
    fn winner(&mut self, around: &[(u32, u64)], labels: &[u32]) -> u32 {
        let label = |other: u32| labels[other as usize];
        for (other, weight) in around {
            self.0[label(*other) as usize] += weight;
        }
        let (mut most, mut winner) = (0, u32::MAX);
        for (other, _) in around {
            let label = label(*other);
            // each label counts once: its weight is forgotten as it is read
            let weight = std::mem::take(&mut self.0[label as usize]);
            if weight > most || weight == most && label < winner {
                (most, winner) = (weight, label);
            }
        }
        winner
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// The same, every node in every round.
    fn plainly(graph: &Graph) -> Vec<u32> {
        let nodes = graph.nodes();
        let mut rounds: Vec<Vec<u32>> = vec![(0..index(nodes)).collect()];
        while rounds.len() <= ROUNDS {
            let labels = &rounds[rounds.len() - 1];
            let next = (0..nodes).map(|node| {
                let around = graph.around.of(node);
                let weight = |label: u32| -> u64 {
                    let with = around.iter();
                    let with = with.filter(|(other, _)| labels[*other as usize] == label);
                    with.map(|(_, weight)| weight).sum()
                };
                let found = around.iter().map(|(other, _)| labels[*other as usize]);
                let best = found.max_by_key(|label| (weight(*label), std::cmp::Reverse(*label)));
                best.unwrap_or(labels[node])
            });
            rounds.push(next.collect());
            let [.., before, labels, next] = &rounds[..] else {
                continue;
            };
            if next == labels || next == before {
                break;
            }
        }
        let [.., before, labels] = &rounds[..] else {
            unreachable!("there are two rounds at least");
        };
        let mut sets = Sets::new(nodes);
        for (a, b) in before.iter().zip(labels) {
            sets.join(*a, *b);
        }
        let roots = sets.roots();
        let labels: Vec<u32> = labels.iter().map(|label| roots[*label as usize]).collect();
        by_smallest(&labels)
    }

    proptest! {
        #[test]
        fn nodes_that_need_no_vote_are_passed_over(
            nodes in 1usize..40,
            edges in proptest::collection::vec((0u32..40, 0u32..40, 1u64..4), 0..120),
        ) {
            let within = |(from, to, weight): &(u32, u32, u64)| {
                let nodes = index(nodes);
                (from % nodes, to % nodes, *weight)
            };
            let graph = Graph::new(nodes, edges.iter().map(within));
            prop_assert_eq!(label_propagation(&graph), plainly(&graph));
        }
    }
}
