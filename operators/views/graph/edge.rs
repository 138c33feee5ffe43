//! What the connection graph takes of a flow record, and the nodes that it joins.
//!
//! Addresses end here: what is maintained knows nodes by small numbers, handed out in order of appearance and used again once a
//! node has left the window.

use crate::columns::{Address, FlowEdge};
use crate::flows::Flow;
use hashbrown::HashMap;
use serde::{Deserialize, Serialize};

/// The edge of a record as of now.
pub fn edge_of(flow: &Flow) -> FlowEdge {
    let (from, to) = (flow.initiator(), flow.responder());
    FlowEdge {
        from: from.address,
        to: to.address,
        from_port: from.port,
        to_port: to.port,
        protocol: flow.key.protocol,
        packets: flow.packets[0] + flow.packets[1],
        bytes: flow.bytes[0] + flow.bytes[1],
        start: flow.start,
        end: flow.end,
        clock: flow.last_clock,
    }
}

/// The two nodes of an edge, initiator first.
pub fn nodes_of(edge: &FlowEdge, use_ports: bool) -> (Node, Node) {
    let node = |address, port| Node {
        address,
        port: use_ports.then_some(port),
    };
    (node(edge.from, edge.from_port), node(edge.to, edge.to_port))
}

/// A node of the graph. The order is the canonical one: family, address, port.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Node {
    /// Its address.
    pub address: Address,
    /// Its port, where ports make nodes.
    pub port: Option<u16>,
}

impl std::fmt::Display for Node {
    /// As text: `192.0.2.1`, `192.0.2.1:443`, `[2001:db8::1]:443`.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.port {
            None => self.address.fmt(f),
            Some(port) if self.address.family == 4 => write!(f, "{}:{port}", self.address),
            Some(port) => write!(f, "[{}]:{port}", self.address),
        }
    }
}

/// A flow record between numbered nodes: what is maintained.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Record {
    /// The initiator.
    pub from: u32,
    /// The responder.
    pub to: u32,
    /// Port of the responder.
    pub port: u16,
    /// Packets, both directions.
    pub packets: u64,
    /// Bytes, both directions.
    pub bytes: u64,
    /// Time of the first packet, ns since 1970.
    pub start: i64,
    /// Time of the last packet, ns since 1970.
    pub end: i64,
}

/// The numbers of the nodes that have a record in the window.
#[derive(Debug, Default)]
pub struct Names {
    numbers: HashMap<Node, u32, foldhash::fast::FixedState>,
    /// By number: the node and its records.
    nodes: Vec<(Option<Node>, u64)>,
    free: Vec<u32>,
}

/// A number that stands for another node from a tick on; `None` = for none.
pub type Named = (u32, Option<Node>);

impl Names {
    /// The record of an edge that comes into the window; new names go to `named`.
    pub fn enter(&mut self, edge: &FlowEdge, use_ports: bool, named: &mut Vec<Named>) -> Record {
        let (from, to) = nodes_of(edge, use_ports);
        let (from, to) = (self.hold(from, 1, named), self.hold(to, 1, named));
        Record {
            from,
            to,
            port: edge.to_port,
            packets: edge.packets,
            bytes: edge.bytes,
            start: edge.start,
            end: edge.end,
        }
    }

    /// Forgets a record that leaves the window; names that stand for nothing any more go to `named`.
    pub fn leave(&mut self, record: &Record, named: &mut Vec<Named>) {
        for number in [record.from, record.to] {
            self.release(number, 1, named);
        }
    }

    /// Forgets so many records of a node; its name, once it stands for nothing any more, goes to `named`.
    pub fn release(&mut self, number: u32, times: u64, named: &mut Vec<Named>) {
        let Some((node, records)) = self.nodes.get_mut(number as usize) else {
            return;
        };
        *records = records.saturating_sub(times);
        if *records == 0 {
            if let Some(node) = node.take() {
                self.numbers.remove(&node);
            }
            self.free.push(number);
            named.push((number, None));
        }
    }

    /// The number of a node that has a record.
    pub fn number(&self, node: &Node) -> Option<u32> {
        self.numbers.get(node).copied()
    }

    /// The number of a node that has so many records more; a new name goes to `named`.
    pub fn hold(&mut self, node: Node, times: u64, named: &mut Vec<Named>) -> u32 {
        let number = match self.numbers.get(&node) {
            Some(number) => *number,
            None => {
                let number = self.free.pop().unwrap_or_else(|| {
                    self.nodes.push((None, 0));
                    // 4,294,967,296 nodes would need more memory than a machine has
                    u32::try_from(self.nodes.len() - 1).expect("fewer than 2^32 nodes")
                });
                self.numbers.insert(node, number);
                self.nodes[number as usize] = (Some(node), 0);
                named.push((number, Some(node)));
                number
            }
        };
        self.nodes[number as usize].1 += times;
        number
    }

    /// How many nodes have a number.
    pub fn len(&self) -> usize {
        self.numbers.len()
    }

    /// Whether there is no node.
    pub fn is_empty(&self) -> bool {
        self.numbers.is_empty()
    }
}
