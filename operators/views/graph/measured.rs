//! What is computed of the whole graph at one tick: each measure when it is first asked for.

use super::edge::Node;
use super::snapshot::Snapshot;
use super::tables::Tables;
use super::{
    Betweenness, betweenness, components, core_numbers, greedy, label_propagation, louvain,
    pagerank,
};
use crate::views::options::{BetweennessOptions, Communities, ConnectionOptions};
use std::cell::OnceCell;

/// The whole graph at one tick; measures have one entry a node of the snapshot.
#[derive(Debug)]
pub struct Measured {
    /// The graph.
    pub snapshot: Snapshot,
    how: BetweennessOptions,
    betweenness: OnceCell<Betweenness>,
    components: OnceCell<Vec<u32>>,
    sizes: OnceCell<Vec<u64>>,
    cores: OnceCell<Vec<u32>>,
    labels: OnceCell<Vec<u32>>,
    louvain: OnceCell<Vec<u32>>,
    greedy: OnceCell<Vec<u32>>,
    pagerank: OnceCell<Vec<f64>>,
}

/// How a graph is measured.
#[derive(Clone, Copy, Debug)]
pub struct How {
    /// Whether edges have a direction; else each is one of both.
    pub directed: bool,
    /// Whether edges weigh their bytes, which stand for weights in a graph of a view; else their flows.
    pub weighted: bool,
    /// How betweenness is computed.
    pub betweenness: BetweennessOptions,
}

impl Default for How {
    fn default() -> Self {
        Self::from(&ConnectionOptions::default())
    }
}

impl From<&ConnectionOptions> for How {
    fn from(options: &ConnectionOptions) -> Self {
        Self {
            directed: true,
            weighted: false,
            betweenness: BetweennessOptions {
                max_nodes: options.max_nodes,
                pivots: options.pivots,
            },
        }
    }
}

impl Measured {
    /// Of the tables as they are.
    pub fn new(tables: &Tables, how: impl Into<How>) -> Self {
        Self::after(Vec::new(), tables, how)
    }

    /// The same, where the nodes of an earlier snapshot are known, which makes it cheaper.
    pub fn after(nodes: Vec<(Node, u32)>, tables: &Tables, how: impl Into<How>) -> Self {
        let how = how.into();
        Self {
            snapshot: Snapshot::after(nodes, tables, how.directed, how.weighted),
            how: how.betweenness,
            betweenness: OnceCell::new(),
            components: OnceCell::new(),
            sizes: OnceCell::new(),
            cores: OnceCell::new(),
            labels: OnceCell::new(),
            louvain: OnceCell::new(),
            greedy: OnceCell::new(),
            pagerank: OnceCell::new(),
        }
    }

    /// Betweenness centrality.
    pub fn betweenness(&self) -> &Betweenness {
        let graph = &self.snapshot.graph;
        self.betweenness
            .get_or_init(|| betweenness(graph, self.how.max_nodes, self.how.pivots))
    }

    /// PageRank.
    pub fn pagerank(&self) -> &[f64] {
        self.pagerank.get_or_init(|| pagerank(&self.snapshot.graph))
    }

    /// Core numbers.
    pub fn cores(&self) -> &[u32] {
        self.cores
            .get_or_init(|| core_numbers(&self.snapshot.graph))
    }

    /// The component of a node: its smallest node, and how many it has.
    pub fn component(&self, rank: usize) -> (u32, u64) {
        let labels = self.communities(Communities::Components);
        let sizes = self.sizes.get_or_init(|| {
            let mut sizes = vec![0; labels.len()];
            labels.iter().for_each(|label| sizes[*label as usize] += 1);
            sizes
        });
        let label = labels[rank];
        (label, sizes[label as usize])
    }

    /// Communities: for each node the smallest one of its own.
    pub fn communities(&self, method: Communities) -> &[u32] {
        let graph = &self.snapshot.graph;
        match method {
            Communities::LabelPropagation => self.labels.get_or_init(|| label_propagation(graph)),
            Communities::Components => self.components.get_or_init(|| components(graph)),
            Communities::Louvain => self.louvain.get_or_init(|| louvain(graph)),
            Communities::Greedy => self.greedy.get_or_init(|| greedy(graph)),
        }
    }
}
