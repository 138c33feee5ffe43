//! The plan as a drawing: Mermaid for documents, DOT for Graphviz. Neither draws by itself.

use super::{Edge, Kind, Plan};
use crate::spec::diagnostic::visible;
use petgraph::visit::EdgeRef as _;
use std::fmt::Write as _;

/// The lines of a node's box.
fn lines(plan: &Plan, kind: &Kind, name: &str) -> [String; 2] {
    let detail = match kind {
        Kind::Source(options) => options.path.join(", "),
        Kind::Decode(options) if options.decap.is_none() => "tunnels stay on".to_owned(),
        Kind::Decode(_) => "tunnels come off".to_owned(),
        Kind::Flows(options) => {
            let parts: Vec<&str> = options.key.iter().map(|part| part.name()).collect();
            parts.join(" + ")
        }
        Kind::Features(features) => format!("{} columns", features.plan.schema.len()),
        Kind::Sink(sink) => {
            format!("{}, {} columns", sink.label, plan.columns_of(sink).count())
        }
    };
    [visible(name), visible(&detail)]
}

/// Packets cross between workers on their way to the flow table.
fn label(edge: Edge) -> String {
    match edge {
        Edge::Packets => format!("{}, by flow key", edge.name()),
        other => other.name().to_owned(),
    }
}

/// As a Mermaid flowchart.
pub fn mermaid(plan: &Plan) -> String {
    let mut out = "flowchart LR\n".to_owned();
    let escape = |text: &str| {
        text.replace('&', "&amp;")
            .replace('"', "&quot;")
            .replace('<', "&lt;")
            .replace('>', "&gt;")
    };
    for node in plan.graph.node_indices() {
        let one = &plan.graph[node];
        let [name, detail] = lines(plan, &one.kind, &one.name);
        let (open, close) = match one.kind {
            Kind::Source(_) | Kind::Sink(_) => ("([", "])"),
            _ => ("[", "]"),
        };
        let _ = writeln!(
            out,
            "    n{}{open}\"{}<br/>{}\"{close}",
            node.index() + 1,
            escape(&name),
            escape(&detail)
        );
    }
    for edge in plan.graph.edge_references() {
        let (from, to) = (edge.source().index() + 1, edge.target().index() + 1);
        let _ = writeln!(out, "    n{from} -->|{}| n{to}", label(*edge.weight()));
    }
    out
}

/// As a graph in the DOT language.
pub fn dot(plan: &Plan) -> String {
    let mut out = "digraph jayflow {\n    rankdir=LR;\n    node [shape=box];\n".to_owned();
    let escape = |text: &str| text.replace('\\', "\\\\").replace('"', "\\\"");
    for node in plan.graph.node_indices() {
        let one = &plan.graph[node];
        let [name, detail] = lines(plan, &one.kind, &one.name);
        let shape = match one.kind {
            Kind::Source(_) | Kind::Sink(_) => ", style=rounded",
            _ => "",
        };
        let _ = writeln!(
            out,
            "    n{} [label=\"{}\\n{}\"{shape}];",
            node.index() + 1,
            escape(&name),
            escape(&detail)
        );
    }
    for edge in plan.graph.edge_references() {
        let (from, to) = (edge.source().index() + 1, edge.target().index() + 1);
        let _ = writeln!(
            out,
            "    n{from} -> n{to} [label=\"{}\"];",
            label(*edge.weight())
        );
    }
    out.push_str("}\n");
    out
}
