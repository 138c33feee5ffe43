//! How the two ends of a flow are connected to all others: counts, degrees, centrality and communities in the connection graph.
//!
//! The values are not those of one flow: a row leaves its place empty here, and the graph of `views/graph` fills it when its window
//! closes. This file declares the columns and says what of the graph they need.

use super::extractor::{Extractor, NoOptions, Wanted};
use crate::columns::{Column, Columns, RowWriter};
use crate::flows::Flow;
use crate::packet::Packet;
use crate::schema::{Features, Schema};
use crate::views::ConnectionOptions;
use crate::views::graph::Measures;
use std::sync::Arc;

/// Columns of group `connection`, in output order.
#[derive(Clone, Copy, Debug, Default, PartialEq, Features)]
#[features(profile = "JJ-EXPERIMENTAL")]
pub struct Connection {
    /// Distinct destination nodes over all flows of the window that the source node initiated.
    #[column(unit = "count", scope = "src")]
    pub conn_src_unique_dsts: u64,
    /// Distinct source nodes over all flows of the window towards the destination node.
    #[column(unit = "count", scope = "dst")]
    pub conn_dst_unique_srcs: u64,
    /// Flows of the window on the directed edge (source node, destination node).
    #[column(unit = "flows", scope = "src")]
    pub conn_src_dst_flows: u64,
    /// Flows on that edge with the same dst_port.
    #[column(unit = "flows", scope = "src")]
    pub conn_src_port_flows: u64,
    /// Flows initiated by the source node.
    #[column(unit = "flows", scope = "src")]
    pub conn_src_total_flows: u64,
    /// Flows towards the destination node.
    #[column(unit = "flows", scope = "dst")]
    pub conn_dst_total_flows: u64,
    /// Sum of total_packets over flows initiated by the source node (both directions of those flows).
    #[column(unit = "packets", scope = "src")]
    pub conn_src_total_packets: u64,
    /// Sum of total_bytes over flows initiated by the source node.
    #[column(unit = "bytes", scope = "src")]
    pub conn_src_total_bytes: u64,
    /// Sum of total_packets over flows towards the destination node.
    #[column(unit = "packets", scope = "dst")]
    pub conn_dst_total_packets: u64,
    /// Sum of total_bytes over flows towards the destination node.
    #[column(unit = "bytes", scope = "dst")]
    pub conn_dst_total_bytes: u64,
    /// Distinct dst_port values over flows initiated by the source node.
    #[column(unit = "count", scope = "src")]
    pub conn_src_unique_ports: u64,
    /// Out-degree of the source node in the simple directed graph (equals conn_src_unique_dsts).
    #[column(unit = "count", scope = "src", null = "metrics = false", default = "0")]
    pub conn_src_out_degree: Option<u64>,
    /// In-degree of the destination node in the simple directed graph (equals conn_dst_unique_srcs).
    #[column(unit = "count", scope = "dst", null = "metrics = false", default = "0")]
    pub conn_dst_in_degree: Option<u64>,
    /// Betweenness centrality of the source node: directed, unweighted, end points excluded, divided by (n-1)(n-2) for n > 2
    /// nodes (Brandes); exact up to `max_nodes` nodes, above that estimated from `pivots` nodes.
    #[column(scope = "src", null = "metrics = false", default = "0")]
    pub conn_src_betweenness: Option<f64>,
    /// Betweenness centrality of the destination node, as conn_src_betweenness.
    #[column(scope = "dst", null = "metrics = false", default = "0")]
    pub conn_dst_betweenness: Option<f64>,
    /// Community of the source node: the rank (from 0) of its smallest member among all nodes of the window in canonical order
    /// (family, address, port).
    #[column(
        scope = "src",
        null = "metrics = false",
        default = "-1",
        differs = "random-communities"
    )]
    pub conn_src_community: Option<i64>,
    /// Community of the destination node, as conn_src_community.
    #[column(
        scope = "dst",
        null = "metrics = false",
        default = "-1",
        differs = "random-communities"
    )]
    pub conn_dst_community: Option<i64>,
    /// 1 if both nodes are in the same community.
    #[column(
        scope = "flow",
        null = "metrics = false",
        default = "0",
        differs = "random-communities"
    )]
    pub conn_same_community: Option<u8>,
    /// Local clustering of the source node in the undirected simple graph: 2*triangles/(deg*(deg-1)), self-loops ignored, 0 if
    /// deg < 2.
    #[column(scope = "src", null = "metrics = false", default = "0")]
    pub conn_src_clustering: Option<f64>,
    /// Local clustering of the destination node, as conn_src_clustering.
    #[column(scope = "dst", null = "metrics = false", default = "0")]
    pub conn_dst_clustering: Option<f64>,
    /// Whether the betweenness of this row is exact (1) or an estimate (0).
    #[column(scope = "flow", null = "metrics = false", default = "0")]
    pub conn_betweenness_exact: Option<u8>,
    /// Flows initiated by the source node / (latest end - earliest start over flows in which it is source or destination); 0 if
    /// that span is 0.
    #[column(
        unit = "flows/s",
        scope = "src",
        profile = "OPTIONAL",
        when = "connection.temporal",
        null = "temporal = false",
        default = "0"
    )]
    pub conn_src_flow_rate: Option<f64>,
    /// Population standard deviation of the start times of all flows in which the source node is source or destination, each flow
    /// once.
    #[column(
        unit = "s",
        scope = "src",
        profile = "OPTIONAL",
        when = "connection.temporal",
        null = "temporal = false",
        default = "0",
        differs = "flows-to-itself"
    )]
    pub conn_temporal_spread: Option<f64>,
    /// Longest chain of start times (same flows, sorted, each flow once) whose neighbours are <= 1.0 s apart.
    #[column(
        unit = "flows",
        scope = "src",
        profile = "OPTIONAL",
        when = "connection.temporal",
        null = "temporal = false",
        default = "0",
        differs = "flows-to-itself"
    )]
    pub conn_burst_connections: Option<u64>,
    /// Of the 100 records that ended last, this one included, those with the same destination address (UNSW-NB15). Records end in
    /// the order of the clock at their last packet, then of their start and place in the input.
    #[column(unit = "flows", scope = "dst", profile = "JF-EXTRA")]
    pub ct_dst_ltm: u32,
    /// Of the 100 records that ended last, those with the same source address.
    #[column(unit = "flows", scope = "src", profile = "JF-EXTRA")]
    pub ct_src_ltm: u32,
    /// Of the 100 records that ended last, those with the same source address, protocol and dst_port.
    #[column(unit = "flows", scope = "src", profile = "JF-EXTRA")]
    pub ct_srv_src: u32,
    /// Of the 100 records that ended last, those with the same destination address, protocol and dst_port.
    #[column(unit = "flows", scope = "dst", profile = "JF-EXTRA")]
    pub ct_srv_dst: u32,
    /// Of the 100 records that ended last, those with the same destination address and src_port.
    #[column(unit = "flows", scope = "dst", profile = "JF-EXTRA")]
    pub ct_dst_sport_ltm: u32,
    /// Of the 100 records that ended last, those with the same source address and dst_port.
    #[column(unit = "flows", scope = "src", profile = "JF-EXTRA")]
    pub ct_src_dport_ltm: u32,
    /// Of the 100 records that ended last, those with the same source and destination address.
    #[column(unit = "flows", scope = "flow", profile = "JF-EXTRA")]
    pub ct_dst_src_ltm: u32,
    /// conn_src_unique_dsts / (latest end - earliest start over flows in which the source node is source or destination); 0 if
    /// that span is 0.
    #[column(unit = "1/s", scope = "src", profile = "JF-EXTRA")]
    pub fan_out_rate: f64,
    /// conn_dst_unique_srcs / (latest end - earliest start over flows in which the destination node is source or destination); 0
    /// if that span is 0.
    #[column(unit = "1/s", scope = "dst", profile = "JF-EXTRA")]
    pub fan_in_rate: f64,
    /// Weakly connected component of both nodes: the rank (from 0) of its smallest node among all nodes of the window in
    /// canonical order.
    #[column(scope = "flow", profile = "JF-EXTRA")]
    pub component_id: u64,
    /// Nodes of that component.
    #[column(unit = "count", scope = "flow", profile = "JF-EXTRA")]
    pub component_size: u64,
    /// 1 if no record from the source node to the destination node ended before this one, whatever the window.
    #[column(scope = "flow", profile = "JF-EXTRA")]
    pub new_edge: u8,
}

/// Nothing is kept of an open record.
#[derive(Debug, Default)]
pub struct State;

impl Extractor for State {
    type Features = Connection;
    type Options = NoOptions;
    type Plan = ();

    const NAMED_ONLY: bool = true;

    fn plan(_: &NoOptions, _: &Wanted) {}

    fn packet(&mut self, _: &Packet<'_>, _: &Flow, (): &()) {}

    fn finish(&self, _: &Flow, (): &()) -> Connection {
        Connection::default()
    }
}

/// What the graph has to give, and where it goes.
#[derive(Clone, Debug)]
pub struct ConnectionPlan {
    /// Settings of the graph.
    pub options: ConnectionOptions,
    /// What is maintained.
    pub measures: Measures,
    /// Whether a column of betweenness is wanted.
    pub betweenness: bool,
    /// Whether a column of communities is wanted.
    pub communities: bool,
    /// Whether a column of components is wanted.
    pub components: bool,
    /// Whether a column is wanted that compares a record with those that ended before.
    pub past: bool,
    schema: Schema,
    targets: Vec<Option<u32>>,
    nulls: Arc<[Column]>,
}

impl ConnectionPlan {
    /// `targets` are the places of the columns of the group in `schema`.
    pub(super) fn new(
        options: ConnectionOptions,
        schema: &Schema,
        targets: Vec<Option<u32>>,
        nulls: Arc<[Column]>,
    ) -> Self {
        let columns = Connection::schema();
        let names = columns.iter().map(|feature| &*feature.name);
        let wanted: Vec<&str> = names
            .zip(&targets)
            .filter_map(|(name, target)| target.map(|_| name))
            .collect();
        let any = |parts: &[&str]| {
            let has = |name: &&str| parts.iter().any(|part| name.contains(part));
            wanted.iter().any(has)
        };
        let metrics = options.metrics;
        Self {
            measures: Measures {
                edge_ports: any(&["port_flows"]),
                ports: any(&["unique_ports"]),
                degrees: any(&["unique_dsts", "unique_srcs", "degree", "fan_"]),
                neighbours: false,
                triangles: metrics && any(&["clustering"]),
                times: options.temporal && any(&["flow_rate", "spread", "burst"]) || any(&["fan_"]),
            },
            betweenness: metrics && any(&["betweenness"]),
            communities: metrics && any(&["community"]),
            components: any(&["component_"]),
            past: any(&["ct_", "new_edge"]),
            options,
            schema: schema.clone(),
            targets,
            nulls,
        }
    }

    /// The columns that rows have, with those of the graph.
    pub const fn schema(&self) -> &Schema {
        &self.schema
    }

    /// The columns of the graph, by their places.
    fn places(&self) -> impl Iterator<Item = usize> + '_ {
        self.targets.iter().flatten().map(|at| *at as usize)
    }

    /// Takes the columns of the graph out of rows that wait for them: they would be kept, and copied, as zeros.
    pub fn empty(&self, rows: &mut Columns) {
        for at in self.places() {
            if let Some(column) = rows.columns.get_mut(at) {
                *column = column.emptied();
            }
        }
    }

    /// Writes the columns of the graph into rows that have none, one entry a row.
    pub fn fill(&self, rows: &mut Columns, values: impl Iterator<Item = Connection>) {
        debug_assert!(self.places().all(|at| rows.columns[at].is_empty()));
        for value in values {
            let mut writer = RowWriter::new(&mut rows.columns, &self.targets).nulls(&self.nulls);
            value.write(&mut writer);
        }
    }
}
