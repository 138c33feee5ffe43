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
    /// Lists of these lengths, to be filled: `ends` is where each starts first, then, as it is filled, where it ends.
    fn of_lengths(mut lengths: Vec<usize>) -> Self {
        let mut count = 0;
        for length in &mut lengths {
            count += std::mem::replace(length, count);
        }
        Self {
            items: vec![(0, 0); count],
            ends: lengths,
        }
    }

    /// Puts an entry behind those of a list that is being filled.
    fn put(&mut self, node: u32, other: u32, weight: u64) {
        let end = &mut self.ends[node as usize];
        self.items[*end] = (other, weight);
        *end += 1;
    }

    /// The other way round, with lists of these lengths: those of a node are then in order. A list that is in order itself, which
    /// it is once it was turned, has equal entries side by side.
    fn turned(&self, lengths: Vec<usize>) -> Self {
        let mut lists = Self::of_lengths(lengths);
        let mut start = 0;
        for (node, end) in (0..).zip(&self.ends) {
            for (other, weight) in &self.items[start..*end] {
                lists.put(*other, node, *weight);
            }
            start = *end;
        }
        lists
    }

    /// With room for so much.
    fn with_room(nodes: usize, entries: usize) -> Self {
        Self {
            ends: Vec::with_capacity(nodes),
            items: Vec::with_capacity(entries),
        }
    }

    /// The same with equal entries, which stand side by side, added up; `None` where there are none.
    fn added_up(&self) -> Option<Self> {
        let lists = || (0..self.nodes()).map(|node| self.of(node));
        let is_equal = |pair: &[(u32, u64)]| pair[0].0 == pair[1].0;
        if !lists().any(|list| list.windows(2).any(is_equal)) {
            return None;
        }
        let mut sums = Self::with_room(self.nodes(), self.entries());
        for list in lists() {
            for equal in list.chunk_by(|one, other| one.0 == other.0) {
                let weight = equal.iter().map(|(_, weight)| weight).sum();
                sums.items.push((equal[0].0, weight));
            }
            sums.ends.push(sums.items.len());
        }
        Some(sums)
    }

    /// How many entries name each node.
    fn named(&self) -> Vec<usize> {
        let mut named = vec![0; self.nodes()];
        for (other, _) in &self.items {
            named[*other as usize] += 1;
        }
        named
    }

    /// What is in either, weights added up, nodes themselves left out.
    fn united(&self, others: &Self) -> Self {
        let mut all = Self::with_room(self.nodes(), self.entries() + others.entries());
        for (node, at) in (0u32..).zip(0..self.nodes()) {
            let (mut left, mut right) = (self.of(at), others.of(at));
            loop {
                let (other, weight) = match (left, right) {
                    ([a, rest @ ..], [b, more @ ..]) if a.0 == b.0 => {
                        (left, right) = (rest, more);
                        (a.0, a.1 + b.1)
                    }
                    ([a, rest @ ..], []) => {
                        left = rest;
                        *a
                    }
                    ([a, rest @ ..], [b, ..]) if a.0 < b.0 => {
                        left = rest;
                        *a
                    }
                    (_, [b, more @ ..]) => {
                        right = more;
                        *b
                    }
                    ([], []) => break,
                };
                if other != node {
                    all.items.push((other, weight));
                }
            }
            all.ends.push(all.items.len());
        }
        all
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

    /// From directed edges with the number of their flows, in any order; equal ones are added up.
    ///
    /// Nothing is sorted: lists that are turned twice, so that each is filled in the order of nodes, are in order. A graph is made
    /// of all its edges at every tick.
    pub fn new(nodes: usize, edges: impl Iterator<Item = (u32, u32, u64)>) -> Self {
        let edges: Vec<(u32, u32, u64)> = edges.collect();
        let (mut leaving, mut coming) = (vec![0; nodes], vec![0; nodes]);
        for (from, to, _) in &edges {
            leaving[*from as usize] += 1;
            coming[*to as usize] += 1;
        }
        let mut into = Lists::of_lengths(coming.clone());
        for (from, to, weight) in &edges {
            into.put(*to, *from, *weight);
        }
        drop(edges);
        let mut out = into.turned(leaving);
        if let Some(sums) = out.added_up() {
            coming = sums.named();
            out = sums;
        }
        into = out.turned(coming);
        Self {
            around: out.united(&into),
            out,
        }
    }

    /// From edges without a direction, each told once: they lead both ways.
    pub fn undirected(nodes: usize, edges: impl Iterator<Item = (u32, u32, u64)>) -> Self {
        let Self { out, around } = Self::new(nodes, edges);
        let mut both = Lists::with_room(nodes, around.entries() + nodes);
        for (node, at) in (0u32..).zip(0..nodes) {
            let list = around.of(at);
            let (before, behind) = list.split_at(list.partition_point(|(other, _)| *other < node));
            let own = out.of(at).iter().filter(|(other, _)| *other == node);
            both.items.extend(before.iter().chain(own).chain(behind));
            both.ends.push(both.items.len());
        }
        Self { out: both, around }
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
        Self::after(Vec::new(), tables, directed, weighted)
    }

    /// The same, where the nodes of an earlier one are known: those that are still there are in order.
    pub fn after(
        mut nodes: Vec<(Node, u32)>,
        tables: &Tables,
        directed: bool,
        weighted: bool,
    ) -> Self {
        let mut ranks = vec![u32::MAX; tables.names().len()];
        nodes.retain(|(node, number)| {
            let stays = tables.name_of(*number) == Some(*node);
            if stays {
                ranks[*number as usize] = 0;
            }
            stays
        });
        let others = (0..).zip(tables.names().iter().zip(&ranks));
        let fresh = others.filter(|(_, (_, rank))| **rank == u32::MAX);
        nodes.extend(fresh.filter_map(|(number, (node, _))| Some(((*node)?, number))));
        // two runs, of which one is in order: a stable sort sees that
        nodes.sort();
        for (rank, (_, number)) in (0..).zip(&nodes) {
            ranks[*number as usize] = rank;
        }
        let rank = |number: u32| {
            let rank = ranks.get(number as usize).copied();
            rank.filter(|rank| *rank != u32::MAX)
        };
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
