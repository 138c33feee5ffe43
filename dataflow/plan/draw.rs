//! The plan as a drawing: Mermaid for documents, DOT for Graphviz, neither of which draws by itself, and lines of text.

use super::{Edge, Kind, Node, Plan};
use crate::Layout;
use crate::spec::diagnostic::visible;
use petgraph::Direction;
use petgraph::visit::EdgeRef as _;
use std::collections::BTreeMap;
use std::fmt::Write as _;

/// Boxes and arrows.
#[derive(Clone, Debug, Default)]
pub struct Drawing {
    pub(super) boxes: Vec<Shape>,
    /// From box, to box (places in `boxes`), label.
    pub(super) arrows: Vec<(usize, usize, String)>,
}

#[derive(Clone, Debug)]
pub(super) struct Shape {
    pub lines: [String; 2],
    /// Whether it stands at the border, to the outside world.
    pub is_round: bool,
}

impl Drawing {
    /// The nodes of the spec that are left in the plan.
    pub fn logical(plan: &Plan) -> Self {
        let mut drawing = Self::default();
        for node in plan.graph.node_weights() {
            let is_round = matches!(node.kind, Kind::Source(_) | Kind::Sink(_));
            drawing.add(&node.name, &detail(plan, &node.kind), is_round);
        }
        for edge in plan.graph.edge_references() {
            let label = match edge.weight() {
                Edge::Packets => "packets, by flow key",
                other => other.name(),
            };
            drawing.arrow(edge.source().index(), edge.target().index(), label);
        }
        drawing
    }

    /// The timely operators that each worker runs, and what goes from worker to worker.
    pub fn physical(plan: &Plan, layout: &Layout) -> Self {
        let mut drawing = Self::default();
        let inputs = match layout.inputs {
            1 => "1 input".to_owned(),
            inputs => format!("{inputs} inputs"),
        };
        let [read, fed, rows] = match plan.written {
            Some(_) => [drawing.add("rows", &inputs, true); 3],
            None => drawing.flow_rows(plan, layout, &inputs),
        };
        let looked = plan.graph.node_weights();
        let mut looked = looked.filter(|node| matches!(node.kind, Kind::LookUp));
        let rows = match looked.next() {
            None => rows,
            Some(_) => {
                let values = plan
                    .features()
                    .map_or(0, |features| features.look_ups.values().count());
                let look_up = drawing.add(
                    "look up",
                    &count(values, "value of views", "values of views"),
                    false,
                );
                drawing.arrow(rows, look_up, "rows, to worker 0");
                if rows == fed {
                    drawing.arrow(read, look_up, "marks");
                }
                look_up
            }
        };
        let look_up = rows;
        let derived = plan
            .features()
            .map_or(0, |features| features.derived.schema.len());
        let rows = match derived {
            0 => rows,
            derived => {
                let derive = drawing.add("derive", &format!("{derived} columns"), false);
                drawing.arrow(rows, derive, "rows");
                derive
            }
        };
        let all = layout.processes * layout.workers;
        let to_one = if all > 1 { "rows, to worker 0" } else { "rows" };
        // where rows come in and where they come out
        let mut boxes = BTreeMap::new();
        for node in plan.graph.node_indices() {
            let Node { name, kind } = &plan.graph[node];
            let places = match kind {
                Kind::Features(_) | Kind::LookUp => (rows, rows),
                Kind::Filter(filter) => {
                    let place = drawing.add("filter", name, false);
                    match plan.filter(name, filter).first {
                        Some(_) => {
                            let first = drawing.add("first", name, false);
                            drawing.arrow(place, first, to_one);
                            (place, first)
                        }
                        None => (place, place),
                    }
                }
                Kind::Join(_) => {
                    let place = drawing.add("join", name, false);
                    (place, place)
                }
                Kind::View(_) => {
                    let place = drawing.add("view", name, false);
                    (place, place)
                }
                _ => continue,
            };
            boxes.insert(node, places);
        }
        for edge in plan.graph.edge_references() {
            let ends = (boxes.get(&edge.source()), boxes.get(&edge.target()));
            let kinds = [edge.source(), edge.target()].map(|node| &plan.graph[node].kind);
            match (ends, kinds) {
                (_, [Kind::Features(_), Kind::LookUp]) => {}
                ((_, Some((to, _))), [Kind::Features(_), Kind::View(_)]) => {
                    drawing.arrow(fed, *to, "rows, to worker 0");
                }
                ((Some((_, from)), Some((to, _))), [Kind::View(_), Kind::View(_)]) => {
                    drawing.arrow(*from, *to, "what changes");
                }
                ((Some((_, from)), _), [_, Kind::LookUp]) => {
                    drawing.arrow(*from, look_up, "what changes, to worker 0");
                }
                ((Some((_, from)), Some((to, _))), _) => drawing.arrow(*from, *to, "rows"),
                _ => {}
            }
        }
        for node in plan.graph.node_indices() {
            let Node {
                name,
                kind: Kind::Sink(sink),
            } = &plan.graph[node]
            else {
                continue;
            };
            let columns = plan.columns_of(sink).count();
            let project = drawing.add("project", &format!("{columns} columns"), false);
            let sink = drawing.add("sink", &format!("{name}: {}", sink.label), true);
            for from in plan.graph.neighbors_directed(node, Direction::Incoming) {
                let from = boxes.get(&from).map_or(rows, |(_, from)| *from);
                drawing.arrow(from, project, "rows");
            }
            drawing.arrow(project, sink, to_one);
        }
        drawing
    }

    /// From captures to rows; gives the boxes that read, that rows come out of, and behind the connection graph.
    fn flow_rows(&mut self, plan: &Plan, layout: &Layout, inputs: &str) -> [usize; 3] {
        let drawing = self;
        let exchanged = |text: &str, how: &str| match layout.is_exchanged {
            true => format!("{text}, {how}"),
            false => text.to_owned(),
        };
        let read = drawing.add("read", inputs, true);
        let kept_out = plan
            .pushed
            .as_ref()
            .map_or("", |_| ", without unwanted flows");
        let decode = drawing.add("decode", &format!("headers and flow keys{kept_out}"), false);
        let groups: Vec<&str> = plan
            .features()
            .map_or_else(Vec::new, |features| features.plan.groups().collect());
        let table = if plan.run.fused && !groups.is_empty() {
            format!("flow table, {}", groups.join(", "))
        } else {
            "flow table".to_owned()
        };
        let flows = drawing.add("flows", &table, false);
        drawing.arrow(read, decode, &exchanged("chunks", "dealt in turn"));
        drawing.arrow(read, flows, &exchanged("marks", "to all"));
        drawing.arrow(decode, flows, &exchanged("packets", "by shard"));
        if layout.is_exchanged {
            let fragments = drawing.add("fragments", "get the flow of the first", false);
            drawing.arrow(decode, fragments, "fragments, by source");
            drawing.arrow(fragments, flows, "packets, by shard");
        }
        let rows = if plan.run.fused {
            flows
        } else {
            let groups: Vec<usize> = groups
                .into_iter()
                .map(|group| drawing.add(group, "a group of features", false))
                .collect();
            let assemble = drawing.add("assemble", "columns side by side", false);
            for group in groups {
                drawing.arrow(flows, group, "packets of flows");
                drawing.arrow(group, assemble, "columns");
            }
            assemble
        };
        let connection = plan
            .features()
            .and_then(|features| features.plan.connection());
        let fed = rows;
        let rows = match connection {
            None => rows,
            Some(connection) => {
                let gate = drawing.add("gate", "rows wait for their window", false);
                let window = connection.options.window.text();
                let maintain = drawing.add("maintain", &format!("graph of {window}"), false);
                let join = drawing.add("join", "columns of the graph, tables", false);
                drawing.arrow(rows, gate, "rows, to worker 0");
                drawing.arrow(read, gate, "marks");
                drawing.arrow(gate, maintain, "edges, by node");
                drawing.arrow(maintain, join, "facts, to worker 0");
                drawing.arrow(gate, join, "rows");
                join
            }
        };
        [read, fed, rows]
    }

    fn add(&mut self, name: &str, detail: &str, is_round: bool) -> usize {
        let lines = [visible(name), visible(detail)];
        self.boxes.push(Shape { lines, is_round });
        self.boxes.len() - 1
    }

    fn arrow(&mut self, from: usize, to: usize, label: &str) {
        self.arrows.push((from, to, label.to_owned()));
    }

    /// One box a line, with what comes in.
    pub fn text(&self) -> String {
        let width = |line: usize| {
            self.boxes
                .iter()
                .map(|one| one.lines[line].chars().count())
                .max()
        };
        let widths = [width(0).unwrap_or(0), width(1).unwrap_or(0)];
        let mut out = String::new();
        for (at, Shape { lines, .. }) in self.boxes.iter().enumerate() {
            let into = self.arrows.iter().filter(|(_, to, _)| *to == at);
            let into: Vec<String> = into
                .map(|(from, _, label)| format!("{label} of {}", from + 1))
                .collect();
            let _ = writeln!(
                out,
                "{}",
                format!(
                    "{:>2} {:<w0$}  {:<w1$}  {}",
                    at + 1,
                    lines[0],
                    lines[1],
                    match into.is_empty() {
                        true => String::new(),
                        false => format!("<- {}", into.join("; ")),
                    },
                    w0 = widths[0],
                    w1 = widths[1]
                )
                .trim_end()
            );
        }
        out
    }

    /// As a Mermaid flowchart.
    pub fn mermaid(&self) -> String {
        let mut out = "flowchart LR\n".to_owned();
        let escape = |text: &str| {
            text.replace('&', "&amp;")
                .replace('"', "&quot;")
                .replace('<', "&lt;")
                .replace('>', "&gt;")
        };
        for (number, Shape { lines, is_round }) in (1..).zip(&self.boxes) {
            let (open, close) = if *is_round { ("([", "])") } else { ("[", "]") };
            let [name, detail] = lines.each_ref().map(|line| escape(line));
            let _ = writeln!(out, "    n{number}{open}\"{name}<br/>{detail}\"{close}");
        }
        for (from, to, label) in &self.arrows {
            let _ = writeln!(out, "    n{} -->|{label}| n{}", from + 1, to + 1);
        }
        out
    }

    /// As a graph in the DOT language.
    pub fn dot(&self) -> String {
        let mut out = "digraph jayflow {\n    rankdir=LR;\n    node [shape=box];\n".to_owned();
        let escape = |text: &str| text.replace('\\', "\\\\").replace('"', "\\\"");
        for (number, Shape { lines, is_round }) in (1..).zip(&self.boxes) {
            let shape = if *is_round { ", style=rounded" } else { "" };
            let [name, detail] = lines.each_ref().map(|line| escape(line));
            let _ = writeln!(out, "    n{number} [label=\"{name}\\n{detail}\"{shape}];");
        }
        for (from, to, label) in &self.arrows {
            let _ = writeln!(out, "    n{} -> n{} [label=\"{label}\"];", from + 1, to + 1);
        }
        out.push_str("}\n");
        out
    }
}

/// The second line of a node's box.
fn detail(plan: &Plan, kind: &Kind) -> String {
    match kind {
        Kind::Source(options) => options.path.join(", "),
        Kind::Decode(options) if options.decap.is_none() => "tunnels stay on".to_owned(),
        Kind::Decode(_) => "tunnels come off".to_owned(),
        Kind::Flows(options) => {
            let parts: Vec<&str> = options.key.iter().map(|part| part.name()).collect();
            parts.join(" + ")
        }
        Kind::Features(features) => format!("{} columns", features.columns().len()),
        Kind::View(view) => count(view.rules.relations.len(), "relation", "relations"),
        Kind::LookUp => {
            let features = plan.features();
            let values = features.map_or(0, |features| features.look_ups.values().count());
            count(values, "value of views", "values of views")
        }
        Kind::Join(join) => {
            let columns = count(join.gives.schema.len(), "column", "columns");
            format!("{}, {columns}", join.options.with.name())
        }
        Kind::Filter(filter) if filter.routes.is_empty() => "one output".to_owned(),
        Kind::Filter(filter) => format!("{} routes", filter.routes.len()),
        Kind::Sink(sink) => {
            format!("{}, {} columns", sink.label, plan.columns_of(sink).count())
        }
    }
}

fn count(number: usize, one: &str, several: &str) -> String {
    match number {
        1 => format!("1 {one}"),
        number => format!("{number} {several}"),
    }
}
