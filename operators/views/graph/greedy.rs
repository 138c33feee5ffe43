//! Communities by joining, again and again, the two whose union gains most modularity (Clauset, Newman and Moore 2004).

use super::snapshot::{Graph, by_smallest, index};
use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};

/// For each node the smallest one of its community; of pairs with equal gain the smallest is joined first.
pub fn greedy(graph: &Graph) -> Vec<u32> {
    let nodes = graph.nodes();
    // weights between communities, and the sum of the weights at each
    let mut between: Vec<BTreeMap<u32, u64>> = (0..nodes)
        .map(|node| graph.around.of(node).iter().copied().collect())
        .collect();
    let mut sums: Vec<u64> = between.iter().map(|others| others.values().sum()).collect();
    let total: u64 = sums.iter().sum();
    let mut label: Vec<u32> = (0..index(nodes)).collect();
    // twice the gain, in units of 1/total²: exact
    let gain = |weight: u64, a: u64, b: u64| {
        i128::from(weight) * i128::from(total) - i128::from(a) * i128::from(b)
    };
    let mut best: BinaryHeap<(i128, Reverse<(u32, u32)>)> = BinaryHeap::new();
    for (node, others) in (0..).zip(&between) {
        for (other, weight) in others.range(node + 1..) {
            let gain = gain(*weight, sums[node as usize], sums[*other as usize]);
            best.push((gain, Reverse((node, *other))));
        }
    }
    while let Some((gained, Reverse((a, b)))) = best.pop() {
        if gained <= 0 {
            break;
        }
        let (at, gone) = (a as usize, b as usize);
        // what has changed since was pushed again with its new gain
        let is_current = label[at] == a
            && label[gone] == b
            && between[at]
                .get(&b)
                .is_some_and(|weight| gain(*weight, sums[at], sums[gone]) == gained);
        if !is_current {
            continue;
        }
        label[gone] = a;
        sums[at] += std::mem::take(&mut sums[gone]);
        for (other, weight) in std::mem::take(&mut between[gone]) {
            between[other as usize].remove(&b);
            if other != a {
                *between[at].entry(other).or_default() += weight;
                *between[other as usize].entry(a).or_default() += weight;
            }
        }
        for (other, weight) in &between[at] {
            let gain = gain(*weight, sums[at], sums[*other as usize]);
            best.push((gain, Reverse((a.min(*other), a.max(*other)))));
        }
    }
    // a label points to what its community was joined to
    for node in 0..nodes {
        let mut root = label[node];
        while label[root as usize] != root {
            root = label[root as usize];
        }
        label[node] = root;
    }
    by_smallest(&label)
}
