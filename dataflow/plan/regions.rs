//! Which views run together: those that read each other share a dataflow, so that each tick shows all of them as of the same rows.
//!
//! A view over rows is fed behind the features and what they look up, one over flow records before. Where the first reads the
//! second, it has a copy of it: the other one may be looked up by the very rows that the first reads.

use super::{Edge, Kind, Plan};
use crate::spec::{Table, TableOf, View};
use operators::views::rules::{self, Member, merged};
use petgraph::Direction;
use petgraph::algo::toposort;
use petgraph::graph::NodeIndex;
use petgraph::visit::EdgeRef as _;
use std::collections::BTreeSet;
use std::sync::Arc;

/// Views that run in one dataflow.
#[derive(Clone, Debug)]
pub struct Region {
    /// Those that are read stand before those that read them.
    pub members: Vec<Placed>,
    /// What all of them do.
    pub rules: Arc<rules::Plan>,
    /// What comes in: a node, and which of its outputs.
    pub inputs: Vec<(NodeIndex, Edge)>,
    /// Whether rows come in, and not flow records alone.
    pub reads_rows: bool,
}

/// A view of a region.
#[derive(Clone, Debug)]
pub struct Placed {
    /// Its name.
    pub name: String,
    /// What it is.
    pub view: View,
    /// Whether its relations go to sinks and to look-ups from here.
    pub is_shown: bool,
    /// Where its relations begin among those of all.
    pub relations: usize,
    /// Where its strata begin.
    strata: usize,
}

impl Region {
    /// The view that a stratum is of.
    pub fn of_stratum(&self, at: usize) -> Option<&Placed> {
        self.members.iter().rfind(|one| one.strata <= at)
    }

    /// The view that a relation is of.
    pub fn of_relation(&self, at: usize) -> Option<&Placed> {
        self.members.iter().rfind(|one| one.relations <= at)
    }

    /// The view of this name, if its relations go out from here.
    pub fn shown(&self, name: &str) -> Option<&Placed> {
        let mut shown = self.members.iter().filter(|one| one.is_shown);
        shown.find(|one| one.name == name)
    }

    /// The names of those that are shown.
    pub fn name(&self) -> String {
        let shown = self.members.iter().filter(|one| one.is_shown);
        let names: Vec<&str> = shown.map(|one| one.name.as_str()).collect();
        names.join(", ")
    }
}

impl Plan {
    /// The views, by what runs together.
    pub fn regions(&self) -> Vec<Region> {
        let is_view = |node: &NodeIndex| matches!(self.graph[*node].kind, Kind::View(_));
        let order = toposort(&self.graph, None).expect("a plan has no cycle");
        let order: Vec<NodeIndex> = order.into_iter().filter(is_view).collect();
        let reads = |node: NodeIndex| {
            let read = self.graph.neighbors_directed(node, Direction::Incoming);
            read.filter(is_view)
        };
        let mut of_rows: BTreeSet<NodeIndex> = BTreeSet::new();
        for node in &order {
            let mut edges = self.graph.edges_directed(*node, Direction::Incoming);
            let takes_rows =
                edges.any(|edge| !is_view(&edge.source()) && *edge.weight() != Edge::Flows);
            if takes_rows || reads(*node).any(|read| of_rows.contains(&read)) {
                of_rows.insert(*node);
            }
        }
        // views that read each other and take the same
        let mut parts: Vec<BTreeSet<NodeIndex>> = Vec::new();
        for node in &order {
            let mut part = BTreeSet::from([*node]);
            for read in reads(*node) {
                if of_rows.contains(&read) != of_rows.contains(node) {
                    continue;
                }
                let found = parts.iter().position(|part| part.contains(&read));
                part.extend(found.map(|at| parts.remove(at)).into_iter().flatten());
            }
            parts.push(part);
        }
        // in the order of the spec
        parts.sort_unstable_by_key(|part| part.first().copied());
        let mut regions = Vec::new();
        for own in parts {
            if !own.iter().any(|node| self.is_shown(*node)) {
                continue;
            }
            let mut all = own.clone();
            let mut open: Vec<NodeIndex> = own.iter().copied().collect();
            while let Some(node) = open.pop() {
                open.extend(reads(node).filter(|read| all.insert(*read)));
            }
            let reads_rows = own.iter().any(|node| of_rows.contains(node));
            let all = order.iter().filter(|node| all.contains(node));
            regions.push(self.region(all.copied(), &own, reads_rows));
        }
        regions
    }

    /// Whether a sink writes a relation of a view, or rows look one up.
    fn is_shown(&self, node: NodeIndex) -> bool {
        let name = &self.graph[node].name;
        let is_it = |of: &TableOf| matches!(of, TableOf::View(view, _) if view == name);
        let tables = self.sinks().filter_map(|(_, sink)| sink.table.as_ref());
        let asked = self
            .features()
            .map(|features| features.look_ups.questions());
        tables.into_iter().any(|Table { of, .. }| is_it(of))
            || asked.into_iter().flatten().any(|one| one.view == *name)
    }

    fn region(
        &self,
        nodes: impl Iterator<Item = NodeIndex>,
        own: &BTreeSet<NodeIndex>,
        reads_rows: bool,
    ) -> Region {
        let mut inputs: Vec<(NodeIndex, Edge)> = Vec::new();
        let (mut members, mut placed): (Vec<Member<'_>>, Vec<Placed>) = Default::default();
        let (mut relations, mut strata) = (0, 0);
        for node in nodes {
            let Kind::View(view) = &self.graph[node].kind else {
                continue;
            };
            let name = self.graph[node].name.as_str();
            let mut edges: Vec<_> = self
                .graph
                .edges_directed(node, Direction::Incoming)
                .filter(|edge| !matches!(self.graph[edge.source()].kind, Kind::View(_)))
                .collect();
            edges.sort_by_key(|edge| edge.id());
            let places = edges.into_iter().map(|edge| {
                let input = (edge.source(), *edge.weight());
                let found = inputs.iter().position(|known| *known == input);
                found.unwrap_or_else(|| {
                    inputs.push(input);
                    inputs.len() - 1
                })
            });
            members.push(Member {
                name,
                plan: &view.rules,
                inputs: places.collect(),
            });
            placed.push(Placed {
                name: name.to_owned(),
                view: view.clone(),
                is_shown: own.contains(&node),
                relations,
                strata,
            });
            relations += view.rules.relations.len();
            strata += view.rules.strata.len();
        }
        Region {
            rules: Arc::new(merged(&members)),
            members: placed,
            inputs,
            reads_rows,
        }
    }
}
