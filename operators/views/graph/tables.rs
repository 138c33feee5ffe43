//! The facts of the graph as they are at one tick, gathered on one worker: what rows are joined with and snapshots are made of.

use super::edge::{Named, Node};
use super::maintain::{Degrees, Fact, Sums, Times};
use super::relations::{Key, Table};
use hashbrown::HashMap;
use std::collections::BTreeSet;

type Map<K, V> = HashMap<K, V, foldhash::fast::FixedState>;

/// What is known of a node.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct NodeFacts {
    /// Flows that it initiated.
    pub from: Sums,
    /// Flows towards it.
    pub to: Sums,
    /// What else is counted.
    pub degrees: Degrees,
    /// The times of its flows.
    pub times: Option<Times>,
}

impl NodeFacts {
    /// Local clustering in the undirected simple graph; 0 with fewer than two neighbours.
    #[expect(clippy::cast_precision_loss, reason = "counts of a graph in memory")]
    pub fn clustering(&self) -> f64 {
        let Degrees {
            degree, triangles, ..
        } = self.degrees;
        if degree < 2 {
            return 0.0;
        }
        let pairs = i64::from(degree) * i64::from(degree - 1);
        2.0 * triangles as f64 / pairs as f64
    }
}

/// The graph at one tick.
#[derive(Debug, Default)]
pub struct Tables {
    nodes: Vec<NodeFacts>,
    /// What is known of a node that is not there.
    none: NodeFacts,
    names: Vec<Option<Node>>,
    numbers: Map<Node, u32>,
    edges: Map<(u32, u32), Sums>,
    ports: Map<(u32, u32, u16), i64>,
    /// The nodes and edges that changed at the last tick; `None` = nobody asks.
    changed: Option<BTreeSet<Key>>,
}

impl Tables {
    /// Keeps track of what changes from now on.
    pub fn track(&mut self) {
        self.changed = Some(BTreeSet::new());
    }

    /// What changed at the last tick of one of the tables, in order. What is there may be as it was.
    pub fn changed(&self, table: Option<Table>) -> impl Iterator<Item = Key> + '_ {
        let changed = self.changed.iter().flatten().copied();
        changed.filter(move |(from, _)| from.is_some() == (table == Some(Table::Edges)))
    }

    /// Goes on to a tick: takes the names and the facts that change at it.
    pub fn come(&mut self, named: &[Named], facts: Vec<(Fact, isize)>) {
        if let Some(changed) = &mut self.changed {
            changed.clear();
        }
        // what goes is known by the names that were, what comes by those that are
        self.touch(&facts, false);
        self.name(named);
        self.touch(&facts, true);
        self.change(facts);
    }

    fn touch(&mut self, facts: &[(Fact, isize)], holds: bool) {
        let Some(mut changed) = self.changed.take() else {
            return;
        };
        for (fact, _) in facts.iter().filter(|(_, diff)| (*diff > 0) == holds) {
            let name = |number: u32| self.names.get(number as usize).copied().flatten();
            match fact.of() {
                (node, None) => changed.extend(name(node).map(|node| (None, node))),
                (from, Some(to)) => {
                    changed.extend(name(from).zip(name(to)).map(|(from, to)| (Some(from), to)));
                }
            }
        }
        self.changed = Some(changed);
    }

    /// Takes the names that change at a tick.
    pub fn name(&mut self, named: &[Named]) {
        for (number, node) in named {
            let at = *number as usize;
            if self.names.len() <= at {
                self.names.resize(at + 1, None);
            }
            let old = std::mem::replace(&mut self.names[at], *node);
            if let Some(changed) = &mut self.changed {
                changed.extend([old, *node].into_iter().flatten().map(|node| (None, node)));
            }
            if let Some(old) = old
                && self.numbers.get(&old) == Some(number)
            {
                self.numbers.remove(&old);
            }
            if let Some(node) = node {
                self.numbers.insert(*node, *number);
            }
        }
    }

    /// Takes the facts that change at a tick, in any order.
    pub fn change(&mut self, facts: Vec<(Fact, isize)>) {
        for (fact, diff) in facts {
            self.set(fact, diff > 0);
        }
    }

    fn set(&mut self, fact: Fact, holds: bool) {
        fn of<T: Default>(value: T, holds: bool) -> T {
            if holds { value } else { T::default() }
        }
        match fact {
            Fact::Flows(node, from, to) => {
                let node = self.node(node);
                (node.from, node.to) = of((from, to), holds);
            }
            Fact::Degrees(node, degrees) => self.node(node).degrees = of(degrees, holds),
            Fact::Times(node, times) => {
                let held = &mut self.node(node).times;
                if holds {
                    *held = Some(times);
                } else if *held == Some(times) {
                    // else others have taken their place
                    *held = None;
                }
            }
            Fact::Edge(from, to, sums) if holds => drop(self.edges.insert((from, to), sums)),
            Fact::Edge(from, to, _) => drop(self.edges.remove(&(from, to))),
            Fact::Port(from, to, port, flows) if holds => {
                self.ports.insert((from, to, port), flows);
            }
            Fact::Port(from, to, port, _) => drop(self.ports.remove(&(from, to, port))),
        }
    }

    fn node(&mut self, node: u32) -> &mut NodeFacts {
        let at = node as usize;
        if self.nodes.len() <= at {
            self.nodes.resize(at + 1, NodeFacts::default());
        }
        &mut self.nodes[at]
    }

    /// What is known of a node; nothing of one without records.
    pub fn facts(&self, node: u32) -> &NodeFacts {
        self.nodes.get(node as usize).unwrap_or(&self.none)
    }

    /// The node that a number stands for.
    pub fn name_of(&self, number: u32) -> Option<Node> {
        self.names.get(number as usize).copied().flatten()
    }

    /// The number of a node.
    pub fn number(&self, node: &Node) -> Option<u32> {
        self.numbers.get(node).copied()
    }

    /// By number: the node that it stands for.
    pub fn names(&self) -> &[Option<Node>] {
        &self.names
    }

    /// Flows, packets and bytes of an edge.
    pub fn edge(&self, from: u32, to: u32) -> Sums {
        self.edges.get(&(from, to)).copied().unwrap_or_default()
    }

    /// The same, if there is such an edge.
    pub fn edge_of(&self, from: u32, to: u32) -> Option<Sums> {
        self.edges.get(&(from, to)).copied()
    }

    /// The edges, in any order.
    pub fn edges(&self) -> impl Iterator<Item = ((u32, u32), Sums)> + '_ {
        self.edges.iter().map(|(ends, sums)| (*ends, *sums))
    }

    /// Flows of an edge to one port.
    pub fn edge_port(&self, from: u32, to: u32, port: u16) -> i64 {
        self.ports.get(&(from, to, port)).copied().unwrap_or(0)
    }
}
