//! Communities by moving nodes to where they gain most modularity, level by level (Blondel and others 2008), with the refinement
//! of Leiden between levels (Traag, Waltman and van Eck 2019).
//!
//! One pass depends on the order of its nodes. So several are made: the first in canonical order, the others in orders of a fixed
//! sequence, each from where the one before ended; and the whole from several starts. What is best is kept, of equals the first.

use super::betweenness::mix;
use super::snapshot::{Graph, by_smallest, index};

/// Starts, and passes from each; fewer in graphs with more than `LARGE` edges.
const STARTS: u64 = 8;
const PASSES: u64 = 4;
const LARGE: usize = 200_000;
/// Gains of modularity below this are none.
const GAIN: f64 = 1e-7;

/// For each node the smallest one of its community.
pub fn louvain(graph: &Graph) -> Vec<u32> {
    let level = Level::of(graph);
    let starts = if graph.around.entries() > LARGE {
        1
    } else {
        STARTS
    };
    let mut best: (f64, Vec<u32>) = (f64::NEG_INFINITY, (0..index(graph.nodes())).collect());
    for start in 0..starts {
        let mut labels: Vec<u32> = (0..index(graph.nodes())).collect();
        let mut reached = f64::NEG_INFINITY;
        for pass in 0..PASSES {
            let next = level.pass(&labels, start * PASSES + pass);
            let value = level.modularity(&next);
            if value <= reached + GAIN {
                break;
            }
            (labels, reached) = (next, value);
        }
        if reached > best.0 + 1e-12 {
            best = (reached, labels);
        }
    }
    by_smallest(&best.1)
}

/// The modularity of a partition of the undirected graph, by the weight of its pairs; 0 without any.
pub fn modularity(graph: &Graph, labels: &[u32]) -> f64 {
    Level::of(graph).modularity(labels)
}

/// A weighted graph whose nodes are communities of the level below.
struct Level {
    ends: Vec<usize>,
    items: Vec<(u32, u64)>,
    /// Twice the weight inside each node.
    inner: Vec<u64>,
    /// Sum of the weights at each node, `inner` included.
    sums: Vec<u64>,
    total: u64,
}

impl Level {
    fn of(graph: &Graph) -> Self {
        let nodes = graph.nodes();
        let mut level = Self {
            ends: Vec::with_capacity(nodes),
            items: Vec::with_capacity(graph.around.entries()),
            inner: vec![0; nodes],
            sums: Vec::new(),
            total: 0,
        };
        for node in 0..nodes {
            level.items.extend_from_slice(graph.around.of(node));
            level.ends.push(level.items.len());
        }
        level.add_up();
        level
    }

    fn add_up(&mut self) {
        let sum = |node| {
            self.around(node)
                .iter()
                .map(|(_, weight)| weight)
                .sum::<u64>()
        };
        self.sums = (0..self.nodes())
            .map(|node| self.inner[node] + sum(node))
            .collect();
        self.total = self.sums.iter().sum();
    }

    fn nodes(&self) -> usize {
        self.inner.len()
    }

    fn around(&self, node: usize) -> &[(u32, u64)] {
        let start = if node == 0 { 0 } else { self.ends[node - 1] };
        &self.items[start..self.ends[node]]
    }

    #[expect(clippy::cast_precision_loss, reason = "weights are far below 2^53")]
    fn modularity(&self, labels: &[u32]) -> f64 {
        if self.total == 0 {
            return 0.0;
        }
        let most = labels.iter().map(|label| *label as usize + 1).max();
        let mut within = vec![0u64; most.unwrap_or(0)];
        let mut sums = within.clone();
        for (node, label) in labels.iter().enumerate() {
            let label = *label as usize;
            sums[label] += self.sums[node];
            within[label] += self.inner[node];
            for (other, weight) in self.around(node) {
                if labels[*other as usize] as usize == label {
                    within[label] += weight;
                }
            }
        }
        let total = self.total as f64;
        let parts = within.iter().zip(&sums);
        parts
            .map(|(within, sum)| *within as f64 / total - (*sum as f64 / total).powi(2))
            .sum()
    }

    /// One pass over all levels, from these communities; `seed` 0 is the canonical order.
    fn pass(&self, start: &[u32], seed: u64) -> Vec<u32> {
        let mut labels = dense(start);
        self.settle(&mut labels, None, seed);
        let parts = self.refined(&labels, seed);
        let count = parts
            .iter()
            .map(|part| *part as usize + 1)
            .max()
            .unwrap_or(0);
        if count == self.nodes() {
            return labels;
        }
        let above = self.folded(&parts, count);
        let mut start = vec![0; count];
        for (part, label) in parts.iter().zip(&labels) {
            start[*part as usize] = *label;
        }
        let merged = above.pass(&start, seed);
        parts.iter().map(|part| merged[*part as usize]).collect()
    }

    /// Communities inside those of `labels`, grown from single nodes, so that what is badly connected can part again above.
    fn refined(&self, labels: &[u32], seed: u64) -> Vec<u32> {
        let mut parts: Vec<u32> = (0..index(self.nodes())).collect();
        self.settle(&mut parts, Some(labels), seed ^ 0x5eed);
        dense(&parts)
    }

    /// Moves nodes to where they gain most until none does. Within `bounds`, only nodes that are still alone move, and only to
    /// nodes of the same bounds.
    #[expect(clippy::cast_precision_loss, reason = "weights are far below 2^53")]
    fn settle(&self, labels: &mut [u32], bounds: Option<&[u32]>, seed: u64) {
        let nodes = self.nodes();
        if self.total == 0 {
            return;
        }
        let total = self.total as f64;
        let mut sums = vec![0u64; nodes];
        let mut sizes = vec![0u32; nodes];
        for (node, label) in labels.iter().enumerate() {
            sums[*label as usize] += self.sums[node];
            sizes[*label as usize] += 1;
        }
        let mut order: Vec<u32> = (0..index(nodes)).collect();
        if seed != 0 {
            order.sort_unstable_by_key(|node| (mix(mix(seed) ^ u64::from(*node)), *node));
        }
        let mut queue: std::collections::VecDeque<u32> = order.into();
        let mut is_waiting = vec![true; nodes];
        let mut weights = vec![0u64; nodes];
        let mut seen: Vec<u32> = Vec::new();
        while let Some(node) = queue.pop_front() {
            let at = node as usize;
            is_waiting[at] = false;
            let own = labels[at];
            if bounds.is_some() && sizes[own as usize] > 1 {
                continue;
            }
            for (other, weight) in self.around(at) {
                if bounds.is_some_and(|bounds| bounds[*other as usize] != bounds[at]) {
                    continue;
                }
                let label = labels[*other as usize];
                if weights[label as usize] == 0 {
                    seen.push(label);
                }
                weights[label as usize] += weight;
            }
            let mine = self.sums[at] as f64;
            sums[own as usize] -= self.sums[at];
            let value = |label: u32, weight: u64| {
                weight as f64 - mine * sums[label as usize] as f64 / total
            };
            let stay = value(own, weights[own as usize]);
            let mut best = (stay, own);
            for label in &seen {
                let value = value(*label, weights[*label as usize]);
                // twice the gain of modularity, times the weight of all pairs
                let is_gain = value > stay + GAIN.min(1e-9) * total;
                if is_gain && (value > best.0 || value == best.0 && *label < best.1) {
                    best = (value, *label);
                }
            }
            let (_, label) = best;
            sums[label as usize] += self.sums[at];
            for label in seen.drain(..) {
                weights[label as usize] = 0;
            }
            if label == own {
                continue;
            }
            labels[at] = label;
            sizes[own as usize] -= 1;
            sizes[label as usize] += 1;
            for (other, _) in self.around(at) {
                let other_at = *other as usize;
                if labels[other_at] != label && !is_waiting[other_at] {
                    is_waiting[other_at] = true;
                    queue.push_back(*other);
                }
            }
        }
    }

    /// The graph whose nodes are these parts.
    fn folded(&self, parts: &[u32], count: usize) -> Self {
        let mut inner = vec![0u64; count];
        let mut pairs: Vec<(u32, u32, u64)> = Vec::new();
        for (node, part) in parts.iter().enumerate() {
            inner[*part as usize] += self.inner[node];
            for (other, weight) in self.around(node) {
                let other = parts[*other as usize];
                if other == *part {
                    inner[other as usize] += weight;
                } else {
                    pairs.push((*part, other, *weight));
                }
            }
        }
        pairs.sort_unstable();
        let mut level = Self {
            ends: Vec::with_capacity(count),
            items: Vec::new(),
            inner,
            sums: Vec::new(),
            total: 0,
        };
        let mut pairs = pairs.into_iter().peekable();
        for part in 0..index(count) {
            let start = level.items.len();
            while let Some((_, other, weight)) = pairs.next_if(|pair| pair.0 == part) {
                match level.items[start..].last_mut() {
                    Some((last, sum)) if *last == other => *sum += weight,
                    _ => level.items.push((other, weight)),
                }
            }
            level.ends.push(level.items.len());
        }
        level.add_up();
        level
    }
}

/// The same partition with labels from 0 without gaps, in order of appearance.
fn dense(labels: &[u32]) -> Vec<u32> {
    let most = labels.iter().map(|label| *label as usize + 1).max();
    let mut numbers = vec![u32::MAX; most.unwrap_or(0)];
    let mut next = 0;
    labels
        .iter()
        .map(|label| {
            let number = &mut numbers[*label as usize];
            if *number == u32::MAX {
                *number = next;
                next += 1;
            }
            *number
        })
        .collect()
}
