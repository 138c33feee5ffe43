//! The connection graph: hosts as nodes, flow records as edges, and what is measured of them.

mod betweenness;
mod changes;
mod components;
mod edge;
mod form;
mod greedy;
mod held;
mod kcore;
mod label_propagation;
mod louvain;
mod maintain;
mod measured;
mod pagerank;
mod pair;
#[cfg(test)]
mod plain;
mod relations;
mod snapshot;
mod tables;
#[cfg(test)]
mod tests;
mod triangles;
mod written;

pub use betweenness::{Betweenness, betweenness};
pub use components::components;
pub use edge::{Named, Names, Node, Record, edge_of, nodes_of};
pub use form::{GraphPlan, Spell, graph};
pub use greedy::greedy;
pub use held::{merge_when_idle, updates_held};
pub use kcore::core_numbers;
pub use label_propagation::label_propagation;
pub use louvain::{louvain, modularity};
pub use maintain::{Degrees, Fact, Measures, Sums, Times, count, maintain};
pub use measured::{How, Measured};
pub use pagerank::pagerank;
pub use relations::{Emit, Metric, Relation, Table};
pub use snapshot::{Graph, Lists, Snapshot};
pub use tables::{NodeFacts, Tables};
pub use written::Written;
