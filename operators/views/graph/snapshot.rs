//! The graph of one tick in arrays: what measures that need all of it are computed on.
//!
//! Nodes are numbered anew, in canonical order, so that no result depends on who was seen first. Deterministic throughout: no
//! order of a hash map, no random number but those of a fixed sequence.

use super::edge::Node;
use super::tables::Tables;

/// A graph of `nodes` nodes, numbered from 0.
#[derive(Clone, Debug, Default)]
pub struct Graph {
    /// For each node those it connects to, in order; an edge to itself is kept.
    pub out: Lists,
    /// For each node its neighbours in either direction, in order, itself left out, with the weight of the pair.
    pub around: Lists,
}

/// A list of (node, weight) for each node.
#[derive(Clone, Debug, Default)]
pub struct Lists {
    ends: Vec<usize>,
    items: Vec<(u32, u64)>,
}

impl Lists {
    /// From (node, other, weight), which are gone through twice; equal pairs are added up.
    ///
    /// Sorted by counting: most lists are short, and a graph is made of all of them at every tick.
    fn new(nodes: usize, pairs: impl Iterator<Item = (u32, u32, u64)> + Clone) -> Self {
        // first where each list starts, then, as it is filled, where it ends
        let mut ends = vec![0_usize; nodes];
        pairs
            .clone()
            .for_each(|(node, ..)| ends[node as usize] += 1);
        let mut count = 0;
        for end in &mut ends {
            count += std::mem::replace(end, count);
        }
        let mut items = vec![(0, 0); count];
        for (node, other, weight) in pairs {
            let end = &mut ends[node as usize];
            items[*end] = (other, weight);
            *end += 1;
        }
        let (mut start, mut kept) = (0, 0);
        for end in &mut ends {
            items[start..*end].sort_unstable();
            let first = kept;
            for at in start..*end {
                let (other, weight) = items[at];
                match items[first..kept].last_mut() {
                    Some(last) if last.0 == other => last.1 += weight,
                    _ => {
                        items[kept] = (other, weight);
                        kept += 1;
                    }
                }
            }
            start = std::mem::replace(end, kept);
        }
        items.truncate(kept);
        Self { ends, items }
    }

    /// That of a node.
    pub fn of(&self, node: usize) -> &[(u32, u64)] {
        let start = if node == 0 { 0 } else { self.ends[node - 1] };
        &self.items[start..self.ends[node]]
    }

    /// How many nodes there are.
    pub fn nodes(&self) -> usize {
        self.ends.len()
    }

    /// How many entries all lists have.
    pub fn entries(&self) -> usize {
        self.items.len()
    }
}

impl Graph {
    /// Bytes of an edge: once as it is, and for each of its ends.
    pub const BYTES_PER_EDGE: usize = 3 * size_of::<(u32, u64)>();

    /// From directed edges with the number of their flows.
    pub fn new(nodes: usize, edges: impl Iterator<Item = (u32, u32, u64)>) -> Self {
        let edges: Vec<(u32, u32, u64)> = edges.collect();
        let around = edges
            .iter()
            .filter(|(from, to, _)| from != to)
            .flat_map(|&(from, to, weight)| [(from, to, weight), (to, from, weight)]);
        Self {
            out: Lists::new(nodes, edges.iter().copied()),
            around: Lists::new(nodes, around),
        }
    }

    /// From edges without a direction, each told once: they lead both ways.
    pub fn undirected(nodes: usize, edges: impl Iterator<Item = (u32, u32, u64)>) -> Self {
        let graph = Self::new(nodes, edges);
        let own = (0..).zip(0..nodes).filter_map(|(node, at)| {
            let own = graph.out.of(at).iter().find(|(other, _)| *other == node)?;
            Some((node, node, own.1))
        });
        let around = (0..).zip(0..nodes);
        let around = around.flat_map(|(node, at): (u32, usize)| {
            let around = graph.around.of(at).iter();
            around.map(move |(other, weight)| (node, *other, *weight))
        });
        Self {
            out: Lists::new(nodes, own.chain(around)),
            around: graph.around.clone(),
        }
    }

    /// How many nodes there are.
    pub fn nodes(&self) -> usize {
        self.out.nodes()
    }
}

/// The graph of a tick and the names of its nodes.
#[derive(Debug, Default)]
pub struct Snapshot {
    /// The graph.
    pub graph: Graph,
    /// Its nodes, in canonical order, each with its number in the tables.
    pub nodes: Vec<(Node, u32)>,
    /// By number in the tables: the place in `nodes`.
    ranks: Vec<u32>,
}

impl Snapshot {
    /// The snapshot of the tables as they are.
    pub fn new(tables: &Tables, directed: bool, weighted: bool) -> Self {
        let mut nodes: Vec<(Node, u32)> = tables.nodes().collect();
        nodes.sort_unstable();
        let most = nodes.iter().map(|(_, number)| *number as usize + 1).max();
        let mut ranks = vec![u32::MAX; most.unwrap_or(0)];
        for (rank, (_, number)) in (0..).zip(&nodes) {
            ranks[*number as usize] = rank;
        }
        let rank = |number: u32| ranks.get(number as usize).copied();
        let edges = tables
            .edges()
            .filter_map(|((from, to), (flows, _, bytes))| {
                let weight = if weighted { bytes } else { flows };
                Some((rank(from)?, rank(to)?, u64::try_from(weight).unwrap_or(0)))
            });
        Self {
            graph: match directed {
                true => Graph::new(nodes.len(), edges),
                false => Graph::undirected(nodes.len(), edges),
            },
            nodes,
            ranks,
        }
    }

    /// The place of a node, by its number in the tables.
    pub fn rank(&self, number: u32) -> Option<usize> {
        let rank = *self.ranks.get(number as usize)?;
        (rank != u32::MAX).then_some(rank as usize)
    }
}

/// The communities that labels mean: nodes with one label are one community, which is called by its smallest node.
pub fn by_smallest(labels: &[u32]) -> Vec<u32> {
    let most = labels.iter().map(|label| *label as usize + 1).max();
    let mut smallest = vec![u32::MAX; most.unwrap_or(0)];
    for (node, label) in (0..).zip(labels) {
        let first = &mut smallest[*label as usize];
        *first = node.min(*first);
    }
    labels
        .iter()
        .map(|label| smallest[*label as usize])
        .collect()
}

/// A count of nodes as a number of a node.
pub fn index(nodes: usize) -> u32 {
    u32::try_from(nodes).expect("fewer than 2^32 nodes")
}

/// Sets that only grow together; the smallest member stands for a set.
#[derive(Debug)]
pub struct Sets(Vec<u32>);

impl Sets {
    /// Each node by itself.
    pub fn new(nodes: usize) -> Self {
        Self((0..index(nodes)).collect())
    }

    /// What stands for the set of a node.
    pub fn root(&mut self, node: u32) -> u32 {
        let mut node = node;
        while self.0[node as usize] != node {
            let above = self.0[self.0[node as usize] as usize];
            self.0[node as usize] = above;
            node = above;
        }
        node
    }

    /// Makes one set of two.
    pub fn join(&mut self, a: u32, b: u32) {
        let (a, b) = (self.root(a), self.root(b));
        self.0[a.max(b) as usize] = a.min(b);
    }

    /// What stands for the set of each node.
    pub fn roots(mut self) -> Vec<u32> {
        (0..index(self.0.len()))
            .map(|node| self.root(node))
            .collect()
    }
}
