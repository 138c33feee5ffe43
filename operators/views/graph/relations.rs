//! The graph as tables: nodes, edges and communities. Which rows of them are written when is the matter of `written.rs`.

use super::edge::Node;
use super::maintain::{Measures, Sums, count};
use super::measured::Measured;
use super::tables::Tables;
use crate::columns::{Address, RowWriter, Time};
use crate::schema::{Feature, Features, Schema};
use crate::views::options::Communities;
use std::collections::BTreeMap;

/// Which table is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, crate::options::Options)]
pub enum Table {
    /// One row a node.
    Nodes,
    /// One row a pair of initiator and responder.
    Edges,
    /// One row a community.
    Communities,
}

/// When rows of a table are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, crate::options::Options)]
pub enum Emit {
    /// The table of each window when it closes; of all records, at the end.
    Final,
    /// The whole table at every tick.
    Snapshot,
    /// What changed at a tick: rows that hold no longer (-1), rows that now hold (+1).
    Changes,
}

/// A measure of nodes beyond counts and degrees.
#[derive(Clone, Copy, Debug, PartialEq, Eq, crate::options::Options)]
pub enum Metric {
    /// Distinct neighbours, the node itself not counted.
    Degree,
    /// Distinct nodes that connect to it.
    #[option(name = "in_degree")]
    InDegree,
    /// Distinct nodes that it connects to.
    #[option(name = "out_degree")]
    OutDegree,
    /// Triangles through it in the undirected simple graph.
    Triangles,
    /// Triangles, and local clustering in the undirected simple graph.
    Clustering,
    /// Weakly connected components.
    Components,
    /// Core numbers.
    Kcore,
    /// Communities by label propagation.
    #[option(name = "label_propagation")]
    LabelPropagation,
    /// Communities of large modularity, by moving nodes.
    Louvain,
    /// Communities of large modularity, by joining.
    Greedy,
    /// PageRank.
    Pagerank,
    /// Betweenness centrality.
    Betweenness,
}

impl Metric {
    /// Whether it depends on the neighbours of a node alone: it is kept by differences then.
    pub const fn is_local(self) -> bool {
        use Metric::{Clustering, Degree, InDegree, OutDegree, Triangles};
        matches!(self, Degree | InDegree | OutDegree | Triangles | Clustering)
    }
}

/// A node or an edge.
#[derive(Clone, Debug, Default, PartialEq, Features)]
#[features(group = "graph", profile = "OPTIONAL")]
pub struct Element {
    /// When the window ended that the row is of.
    #[column(unit = "s", scope = "flow", null = "all records are looked at")]
    pub at: Option<Time>,
    /// 1 = the row holds from `at` on, -1 = it no longer does.
    #[column(scope = "flow")]
    pub diff: i8,
    /// The node; of an edge the initiator.
    #[column(scope = "src", null = "never")]
    pub node: Option<Address>,
    /// Its port.
    #[column(scope = "src")]
    pub port: u16,
    /// The responder of an edge.
    #[column(scope = "dst", null = "the row is a node")]
    pub to: Option<Address>,
    /// Its port.
    #[column(scope = "dst", null = "the row is a node")]
    pub to_port: Option<u16>,
    /// Flows that the node initiated, or of the edge.
    #[column(unit = "flows", scope = "src")]
    pub flows: u64,
    /// Packets of these flows.
    #[column(unit = "packets", scope = "src")]
    pub packets: u64,
    /// Bytes of these flows.
    #[column(unit = "bytes", scope = "src")]
    pub bytes: u64,
    /// Flows towards the node.
    #[column(unit = "flows", scope = "src", null = "the row is an edge")]
    pub flows_in: Option<u64>,
    /// Packets of these flows.
    #[column(unit = "packets", scope = "src", null = "the row is an edge")]
    pub packets_in: Option<u64>,
    /// Bytes of these flows.
    #[column(unit = "bytes", scope = "src", null = "the row is an edge")]
    pub bytes_in: Option<u64>,
    /// Distinct nodes that it connects to.
    #[column(unit = "count", scope = "src", null = "the row is an edge")]
    pub out_degree: Option<u64>,
    /// Distinct nodes that connect to it.
    #[column(unit = "count", scope = "src", null = "the row is an edge")]
    pub in_degree: Option<u64>,
    /// Distinct neighbours, itself not counted.
    #[column(unit = "count", scope = "src", null = "the row is an edge")]
    pub degree: Option<u64>,
    /// Distinct ports that it connects to.
    #[column(unit = "count", scope = "src", null = "the row is an edge")]
    pub ports: Option<u64>,
    /// Triangles through it in the undirected simple graph.
    #[column(unit = "count", scope = "src", null = "the row is an edge")]
    pub triangles: Option<u64>,
    /// Local clustering: 2*triangles/(deg*(deg-1)), 0 if deg < 2.
    #[column(scope = "src", null = "the row is an edge")]
    pub clustering: Option<f64>,
    /// Rank of the smallest node of its weakly connected component.
    #[column(scope = "src", null = "the row is an edge")]
    pub component: Option<u32>,
    /// Core number.
    #[column(scope = "src", null = "the row is an edge")]
    pub kcore: Option<u32>,
    /// Rank of the smallest node of its community by label propagation.
    #[column(scope = "src", null = "the row is an edge")]
    pub label_propagation: Option<u32>,
    /// Rank of the smallest node of its community by Louvain's method.
    #[column(scope = "src", null = "the row is an edge")]
    pub louvain: Option<u32>,
    /// Rank of the smallest node of its community by greedy joining.
    #[column(scope = "src", null = "the row is an edge")]
    pub greedy: Option<u32>,
    /// PageRank of the directed simple graph.
    #[column(scope = "src", null = "the row is an edge")]
    pub pagerank: Option<f64>,
    /// Betweenness centrality of the directed simple graph.
    #[column(scope = "src", null = "the row is an edge")]
    pub betweenness: Option<f64>,
    /// Whether it is exact (1) or an estimate (0).
    #[column(scope = "src", null = "the row is an edge")]
    pub betweenness_exact: Option<u8>,
}

/// A community.
#[derive(Clone, Debug, Default, PartialEq, Features)]
#[features(group = "graph", profile = "OPTIONAL")]
pub struct Community {
    /// When the window ended that the row is of.
    #[column(unit = "s", scope = "flow", null = "all records are looked at")]
    pub at: Option<Time>,
    /// 1 = the row holds from `at` on, -1 = it no longer does.
    #[column(scope = "flow")]
    pub diff: i8,
    /// The community: the rank of its smallest node.
    #[column(scope = "flow")]
    pub community: u32,
    /// Its smallest node.
    #[column(scope = "flow", null = "never")]
    pub node: Option<Address>,
    /// The port of that node.
    #[column(scope = "flow")]
    pub port: u16,
    /// Its nodes.
    #[column(unit = "count", scope = "flow")]
    pub nodes: u64,
    /// Flows between its nodes.
    #[column(unit = "flows", scope = "flow")]
    pub flows_inside: u64,
    /// Flows from or to its nodes.
    #[column(unit = "flows", scope = "flow")]
    pub flows_all: u64,
}

/// A row of any of the tables.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Row {
    Element(Box<Element>),
    Community(Community),
}

impl Row {
    /// The same row at a tick, coming or going.
    pub(super) fn at(&self, at: Option<Time>, diff: i8) -> Self {
        let mut row = self.clone();
        match &mut row {
            Self::Element(element) => (element.at, element.diff) = (at, diff),
            Self::Community(community) => (community.at, community.diff) = (at, diff),
        }
        row
    }

    pub(super) fn write(&self, writer: &mut RowWriter<'_>) {
        match self {
            Self::Element(element) => element.write(writer),
            Self::Community(community) => community.write(writer),
        }
    }
}

/// What names a row in its table: a node and, of an edge, the other one. Nodes come before edges.
pub(super) type Key = (Option<Node>, Node);

/// What a graph sink writes.
#[derive(Clone, Debug)]
pub struct Relation {
    /// Which table; `None` = nodes, then edges.
    pub table: Option<Table>,
    /// When.
    pub emit: Emit,
    /// Measures of nodes.
    pub metrics: Vec<Metric>,
    /// What makes a community in the table of communities.
    pub communities: Communities,
    /// Whether nodes have ports.
    pub use_ports: bool,
    /// Whether only the last tick is written.
    pub only_last: bool,
    /// Whether there are ticks at all.
    pub is_windowed: bool,
}

impl Relation {
    /// What it needs of what is maintained.
    pub fn measures(&self) -> Measures {
        let nodes = self.table.is_none_or(|table| table == Table::Nodes);
        Measures {
            edge_ports: false,
            ports: nodes,
            degrees: nodes,
            neighbours: nodes && self.metrics.contains(&Metric::Degree),
            triangles: nodes
                && [Metric::Clustering, Metric::Triangles]
                    .iter()
                    .any(|metric| self.metrics.contains(metric)),
            times: false,
        }
    }

    pub(super) fn all(&self) -> Schema {
        match self.table {
            Some(Table::Communities) => Community::schema(),
            _ => Element::schema(),
        }
    }

    pub(super) fn has(&self, name: &str) -> bool {
        let metric = |metric| self.metrics.contains(&metric);
        let is_node = self.table == Some(Table::Nodes);
        let is_edge = self.table == Some(Table::Edges);
        match name {
            "at" => self.is_windowed && !self.only_last,
            "diff" => self.emit == Emit::Changes,
            "port" => self.use_ports,
            "to" => !is_node,
            "to_port" => !is_node && self.use_ports,
            "node" | "flows" | "packets" | "bytes" => true,
            "community" | "nodes" | "flows_inside" | "flows_all" => true,
            _ if is_edge => false,
            "degree" => metric(Metric::Degree),
            "triangles" => metric(Metric::Clustering) || metric(Metric::Triangles),
            "clustering" => metric(Metric::Clustering),
            "component" => metric(Metric::Components),
            "kcore" => metric(Metric::Kcore),
            "label_propagation" => metric(Metric::LabelPropagation),
            "louvain" => metric(Metric::Louvain),
            "greedy" => metric(Metric::Greedy),
            "pagerank" => metric(Metric::Pagerank),
            "betweenness" | "betweenness_exact" => metric(Metric::Betweenness),
            _ => true,
        }
    }

    /// The columns.
    pub fn schema(&self) -> Schema {
        let mut schema = self.all();
        schema.retain(|feature: &Feature| self.has(&feature.name));
        if self.table == Some(Table::Edges) {
            for feature in &mut schema {
                match feature.name.as_ref() {
                    "node" => feature.name = "from".into(),
                    "port" => feature.name = "from_port".into(),
                    _ => {}
                }
            }
        }
        schema
    }

    /// Whether a row depends on nothing but the counts of its own node or edge.
    pub(super) fn is_local(&self) -> bool {
        match self.table {
            Some(Table::Edges) => true,
            Some(Table::Nodes) => self.metrics.iter().all(|metric| metric.is_local()),
            Some(Table::Communities) | None => false,
        }
    }

    /// The row of one node or edge, if there is such; where rows are local.
    pub(super) fn row(&self, key: &Key, tables: &Tables) -> Option<Row> {
        let to = tables.number(&key.1)?;
        let row = match key.0 {
            None => self.node(key.1, to, tables, None),
            Some(from) => edge(from, key.1, tables.edge_of(tables.number(&from)?, to)?),
        };
        Some(Row::Element(Box::new(row)))
    }

    /// The rows of one tick, by what names them.
    pub(super) fn rows(&self, tables: &Tables, measured: &Measured) -> BTreeMap<Key, Row> {
        let mut rows = BTreeMap::new();
        if self.table == Some(Table::Communities) {
            return self.communities(measured);
        }
        if self.table != Some(Table::Edges) {
            for (rank, (node, number)) in measured.snapshot.nodes.iter().enumerate() {
                let row = self.node(*node, *number, tables, Some((rank, measured)));
                rows.insert((None, *node), Row::Element(Box::new(row)));
            }
        }
        if self.table != Some(Table::Nodes) {
            let name = |number| {
                let rank = measured.snapshot.rank(number)?;
                measured.snapshot.nodes.get(rank).map(|(node, _)| *node)
            };
            for ((from, to), sums) in tables.edges() {
                if let (Some(from), Some(to)) = (name(from), name(to)) {
                    let row = Row::Element(Box::new(edge(from, to, sums)));
                    rows.insert((Some(from), to), row);
                }
            }
        }
        rows
    }

    /// `whole`: its rank and what is computed of the whole graph, where that is wanted.
    fn node(
        &self,
        node: Node,
        number: u32,
        tables: &Tables,
        whole: Option<(usize, &Measured)>,
    ) -> Element {
        let facts = tables.facts(number);
        let degrees = facts.degrees;
        let on = |metric| self.metrics.contains(&metric);
        let of = |metric| whole.filter(|_| on(metric));
        let community = |metric, method: Communities| {
            of(metric).map(|(rank, measured)| measured.communities(method)[rank])
        };
        let betweenness =
            of(Metric::Betweenness).map(|(rank, measured)| (rank, measured.betweenness()));
        Element {
            node: Some(node.address),
            port: node.port.unwrap_or(0),
            flows_in: Some(count(facts.to.0)),
            packets_in: Some(count(facts.to.1)),
            bytes_in: Some(count(facts.to.2)),
            out_degree: Some(count(degrees.out_degree.into())),
            in_degree: Some(count(degrees.in_degree.into())),
            ports: Some(count(degrees.ports.into())),
            degree: on(Metric::Degree).then(|| count(degrees.degree.into())),
            triangles: (on(Metric::Clustering) || on(Metric::Triangles))
                .then(|| count(degrees.triangles)),
            clustering: on(Metric::Clustering).then(|| facts.clustering()),
            component: community(Metric::Components, Communities::Components),
            kcore: of(Metric::Kcore).map(|(rank, measured)| measured.cores()[rank]),
            label_propagation: community(Metric::LabelPropagation, Communities::LabelPropagation),
            louvain: community(Metric::Louvain, Communities::Louvain),
            greedy: community(Metric::Greedy, Communities::Greedy),
            pagerank: of(Metric::Pagerank).map(|(rank, measured)| measured.pagerank()[rank]),
            betweenness: betweenness.map(|(rank, found)| found.values[rank]),
            betweenness_exact: betweenness.map(|(_, found)| u8::from(found.is_exact)),
            ..with_sums(facts.from)
        }
    }

    fn communities(&self, measured: &Measured) -> BTreeMap<Key, Row> {
        let labels = measured.communities(self.communities);
        let mut found: BTreeMap<u32, Community> = BTreeMap::new();
        for label in labels {
            let community = found.entry(*label).or_default();
            community.community = *label;
            community.nodes += 1;
        }
        let graph = &measured.snapshot.graph;
        for (node, label) in labels.iter().enumerate() {
            for (other, flows) in graph.out.of(node) {
                let other = labels[*other as usize];
                for at in [Some(*label), Some(other).filter(|other| other != label)] {
                    if let Some(community) = at.and_then(|at| found.get_mut(&at)) {
                        community.flows_all += flows;
                        community.flows_inside += if *label == other { *flows } else { 0 };
                    }
                }
            }
        }
        let rows = found.into_iter().filter_map(|(label, mut community)| {
            let (node, _) = measured.snapshot.nodes.get(label as usize)?;
            community.node = Some(node.address);
            community.port = node.port.unwrap_or(0);
            Some(((None, *node), Row::Community(community)))
        });
        rows.collect()
    }
}

fn edge(from: Node, to: Node, sums: Sums) -> Element {
    Element {
        node: Some(from.address),
        port: from.port.unwrap_or(0),
        to: Some(to.address),
        to_port: to.port,
        ..with_sums(sums)
    }
}

fn with_sums((flows, packets, bytes): Sums) -> Element {
    Element {
        flows: count(flows),
        packets: count(packets),
        bytes: count(bytes),
        ..Element::default()
    }
}
