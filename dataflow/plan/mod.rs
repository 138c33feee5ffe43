//! The plan of a run: a spec as a graph of typed nodes, without what no sink wants.
//!
//! Data only: `topology.rs` turns it into timely operators, `explain` and `draw` into text. It can be printed, compared and sent.

mod draw;
mod explain;
mod prune;

pub use draw::Drawing;
pub use explain::{explain, json, layout, memory};

use crate::spec::{RunOptions, Sink, Spec};
use operators::decode::DecodeOptions;
use operators::features::FeaturePlan;
use operators::flows::{FlowOptions, IcmpKey};
use operators::schema::Feature;
use operators::sources::PcapOptions;
use petgraph::Direction;
use petgraph::graph::{DiGraph, NodeIndex};
use sha2::{Digest as _, Sha256};
use std::collections::BTreeMap;

/// What a node does.
#[derive(Clone, Debug)]
pub enum Kind {
    /// Reads captures.
    Source(PcapOptions),
    /// Frames to packets.
    Decode(DecodeOptions),
    /// Packets to flow records.
    Flows(FlowOptions),
    /// Flow records to rows.
    Features(Features),
    /// Rows to a destination.
    Sink(Sink),
}

/// The columns of a run.
#[derive(Clone, Debug)]
pub struct Features {
    /// The columns that some sink wants, and what it takes to compute them.
    pub plan: FeaturePlan,
    /// How many columns the settings alone would give.
    pub selected: usize,
}

/// A node of the plan.
#[derive(Clone, Debug)]
pub struct Node {
    /// Its name in the spec, or that of its section.
    pub name: String,
    /// What it does.
    pub kind: Kind,
}

/// What flows from one node to the next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Edge {
    /// Records of captures.
    Records,
    /// Packets; to the flow table they are exchanged by the hash of their flow key.
    Packets,
    /// Flow records.
    Flows,
    /// Rows.
    Rows,
}

impl Edge {
    /// As drawings label it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Records => "records",
            Self::Packets => "packets",
            Self::Flows => "flow records",
            Self::Rows => "rows",
        }
    }
}

/// The plan of a run.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The nodes, and what flows between them.
    pub graph: DiGraph<Node, Edge>,
    /// How the work is done.
    pub run: RunOptions,
    /// The name of the spec, if it has one.
    pub name: Option<String>,
    /// The text that gives this plan.
    pub text: String,
    /// SHA-256 of the text, 64 hexadecimal digits.
    pub digest: String,
}

impl Plan {
    /// The plan of a spec, pruned.
    pub fn new(spec: &Spec) -> Self {
        let mut plan = Self::whole(spec);
        prune::nodes(&mut plan.graph);
        prune::columns(&mut plan.graph);
        plan
    }

    /// The plan with everything the spec names.
    fn whole(spec: &Spec) -> Self {
        let mut graph = DiGraph::new();
        let mut nodes: BTreeMap<&str, NodeIndex> = BTreeMap::new();
        let node = |name: &str, kind| Node {
            name: name.to_owned(),
            kind,
        };
        for source in &spec.sources {
            let kind = Kind::Source(source.options.clone());
            nodes.insert(&source.name, graph.add_node(node(&source.name, kind)));
        }
        let decode = graph.add_node(node("decode", Kind::Decode(spec.decode.clone())));
        let flows = graph.add_node(node(
            &spec.flows.name,
            Kind::Flows(spec.flows.options.clone()),
        ));
        let features = graph.add_node(node(
            &spec.features.name,
            Kind::Features(Features {
                plan: spec.columns.clone(),
                selected: spec.columns.schema.len(),
            }),
        ));
        let inputs = spec.flows.inputs.iter();
        for source in inputs.filter_map(|name| nodes.get(name.as_str())) {
            graph.add_edge(*source, decode, Edge::Records);
        }
        graph.add_edge(decode, flows, Edge::Packets);
        graph.add_edge(flows, features, Edge::Flows);
        for sink in &spec.sinks {
            let sink = graph.add_node(node(&sink.name, Kind::Sink(sink.options.clone())));
            graph.add_edge(features, sink, Edge::Rows);
        }
        Self {
            graph,
            run: spec.run.clone(),
            name: spec.name.clone(),
            text: spec.text.clone(),
            digest: hex(&Sha256::digest(spec.text.as_bytes())),
        }
    }

    /// The sources, in the order of the spec.
    pub fn sources(&self) -> impl Iterator<Item = (&str, &PcapOptions)> {
        self.graph
            .node_weights()
            .filter_map(|node| match &node.kind {
                Kind::Source(options) => Some((node.name.as_str(), options)),
                _ => None,
            })
    }

    /// The settings of the decoder.
    pub fn decode(&self) -> Option<&DecodeOptions> {
        self.graph.node_weights().find_map(|node| match &node.kind {
            Kind::Decode(options) => Some(options),
            _ => None,
        })
    }

    /// The settings of the flow table.
    pub fn flows(&self) -> Option<&FlowOptions> {
        self.graph.node_weights().find_map(|node| match &node.kind {
            Kind::Flows(options) => Some(options),
            _ => None,
        })
    }

    /// The columns that are computed.
    pub fn features(&self) -> Option<&Features> {
        self.graph.node_weights().find_map(|node| match &node.kind {
            Kind::Features(features) => Some(features),
            _ => None,
        })
    }

    /// Tells the features what the inputs are called, by ordinal.
    pub fn name_sources(&mut self, names: &[String]) {
        for node in self.graph.node_weights_mut() {
            if let Kind::Features(features) = &mut node.kind {
                features.plan.name_sources(names.to_vec());
            }
        }
    }

    /// The sinks, in the order of the spec; their columns are positions in the schema of [`Plan::features`].
    pub fn sinks(&self) -> impl Iterator<Item = (&str, &Sink)> {
        self.graph
            .node_weights()
            .filter_map(|node| match &node.kind {
                Kind::Sink(sink) => Some((node.name.as_str(), sink)),
                _ => None,
            })
    }

    /// The columns of a sink.
    pub fn columns_of<'a>(&'a self, sink: &'a Sink) -> impl Iterator<Item = &'a Feature> {
        let schema = self
            .features()
            .map_or(&[][..], |features| &features.plan.schema);
        sink.columns.iter().filter_map(|at| schema.get(*at))
    }

    /// What the file of a sink says about how it was made: (key, value), in this order. The same for every run of the spec.
    pub fn metadata(&self, sink: &Sink) -> Vec<(String, String)> {
        [
            ("jayflow.version", env!("CARGO_PKG_VERSION")),
            ("jayflow.spec", &self.text),
            ("jayflow.spec_sha256", &self.digest),
            ("jayflow.columns_sha256", &self.columns_digest(sink)),
            ("jayflow.flow_key", &self.flow_key()),
        ]
        .map(|(key, value)| (key.to_owned(), value.to_owned()))
        .to_vec()
    }

    /// SHA-256 of what the columns of a sink are declared to be: equal digests, equal meaning.
    fn columns_digest(&self, sink: &Sink) -> String {
        let schema: Vec<&Feature> = self.columns_of(sink).collect();
        // a struct of texts and numbers always is JSON
        hex(&Sha256::digest(
            serde_json::to_vec(&schema).unwrap_or_default(),
        ))
    }

    /// What makes a flow: the parts of the key, each with what it means.
    fn flow_key(&self) -> String {
        let Some(options) = self.flows() else {
            return String::new();
        };
        let parts = options
            .key
            .iter()
            .map(|part| format!("{}: {}", part.name(), part.doc()));
        let mut text = parts.collect::<Vec<_>>().join(" ");
        if options.icmp_key == IcmpKey::Id {
            text.push_str(" icmp_id: The identifier of ICMP.");
        }
        text
    }

    /// The nodes in data order, numbered from 1 as `explain` shows them.
    fn numbered(&self) -> Vec<(usize, NodeIndex)> {
        (1..).zip(self.graph.node_indices()).collect()
    }

    /// Numbers of the nodes that a node reads.
    fn inputs(&self, node: NodeIndex) -> Vec<usize> {
        let mut inputs: Vec<usize> = self
            .graph
            .neighbors_directed(node, Direction::Incoming)
            .map(|input| input.index() + 1)
            .collect();
        inputs.sort_unstable();
        inputs
    }
}

/// Bytes as lower-case hexadecimal digits.
fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
