//! The connection graph to files: tables of nodes, edges or communities in the formats of rows, or the graph itself as GraphML,
//! DOT or node-link JSON, for networkx, Gephi, Graphviz and the like.
//!
//! What is written comes from `views/graph/relations.rs`; here are the formats.

use super::file::WholeFile;
use super::lines::Lines;
use super::{Description, Sink, SinkOptions, TextCompression, text};
use crate::columns::{Column, Columns, Values};
use crate::error::Error;
use crate::options::{Options, Setting};
use crate::privacy::Anonymise;
use crate::schema::{DataType, Feature, Schema};
use crate::views::ConnectionOptions;
use crate::views::graph::{Emit, Metric, Relation, Table};
use std::path::Path;

/// Settings of a sink of type `graph`: the connection graph as tables, or as a graph; the graph of a view as a graph.
#[derive(Clone, Debug, Options)]
pub struct GraphOptions {
    /// The file.
    #[option(required)]
    pub path: String,
    /// Its format; by default that of its ending: .csv .jsonl .parquet .arrow (tables), .graphml .dot .json (the graph).
    #[option]
    pub format: Option<GraphFormat>,
    /// Which table is written.
    #[option(default = "nodes")]
    pub table: Table,
    /// When rows are written: `final`, `snapshot`, `changes`. The ticks are those of the window of `[features] connection`.
    #[option(default = "final")]
    pub emit: Emit,
    /// Measures of nodes beyond flows, packets, bytes, ports and degrees.
    #[option(default = "[]")]
    pub metrics: Vec<Metric>,
    /// How its rows are made anonymous: a table `{ addresses, names, key_file, key }`. By default they are not.
    #[option]
    pub anonymise: Option<Anonymise>,
    /// Whether `OUT.provenance.json` beside the file says how it was made; Parquet and Arrow files say it themselves.
    #[option(default = "true")]
    pub provenance: bool,
    /// Whether an existing file is replaced, at the end and at once.
    #[option(default = "false")]
    pub overwrite: bool,
}

/// The format of a graph sink.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Options)]
pub enum GraphFormat {
    /// A table: comma-separated values.
    Csv,
    /// A table: one JSON object a line.
    Jsonl,
    /// A table: Parquet.
    Parquet,
    /// A table: Arrow IPC.
    Arrow,
    /// The graph: GraphML, an XML format.
    Graphml,
    /// The graph: the language of Graphviz.
    Dot,
    /// The graph: node-link JSON, as networkx reads it.
    Nodelink,
}

impl GraphFormat {
    /// The format that the name of a file implies.
    fn of_path(path: &str) -> Option<Self> {
        let inner = crate::stored::inner(path);
        let extension = Path::new(inner).extension()?.to_str()?.to_ascii_lowercase();
        if inner.len() < path.len() && !["csv", "jsonl"].contains(&&*extension) {
            return None;
        }
        Some(match extension.as_str() {
            "csv" => Self::Csv,
            "jsonl" => Self::Jsonl,
            "parquet" => Self::Parquet,
            "arrow" => Self::Arrow,
            "graphml" => Self::Graphml,
            "dot" | "gv" => Self::Dot,
            "json" => Self::Nodelink,
            _ => return None,
        })
    }

    /// Whether files of it have metadata.
    pub const fn has_metadata(self) -> bool {
        matches!(self, Self::Parquet | Self::Arrow)
    }

    /// Whether it is the graph itself, and not a table of it.
    pub const fn is_graph(self) -> bool {
        matches!(self, Self::Graphml | Self::Dot | Self::Nodelink)
    }
}

impl GraphOptions {
    /// What is written.
    pub fn format(&self) -> GraphFormat {
        let implied = GraphFormat::of_path(&self.path);
        self.format.or(implied).unwrap_or(GraphFormat::Csv)
    }

    /// What it takes of the graph.
    pub fn relation(&self, connection: &ConnectionOptions) -> Relation {
        let is_graph = self.format().is_graph();
        Relation {
            table: (!is_graph).then_some(self.table),
            emit: if is_graph { Emit::Final } else { self.emit },
            metrics: self.metrics.clone(),
            communities: connection.communities,
            use_ports: connection.use_ports,
            only_last: is_graph || connection.asof,
            is_windowed: connection.window != crate::views::Window::All,
        }
    }
}

/// A file of a graph.
///
/// # Errors
/// The file cannot be made.
pub fn open(
    options: &GraphOptions,
    description: &Description,
    run: &str,
) -> Result<Box<dyn Sink>, Error> {
    let format = options.format();
    if !format.is_graph() {
        let mut table = SinkOptions::of_kind(format.name())
            .ok_or_else(|| Error::new(format!("there are no tables in {}", format.name())))?;
        let wrong = |_| Error::new("a table has a path".to_owned());
        let path = Setting::Text(options.path.clone());
        table.set("path", &path).map_err(wrong)?;
        let overwrite = Setting::Bool(options.overwrite);
        table.set("overwrite", &overwrite).map_err(wrong)?;
        return super::open(&table, description, run);
    }
    let file = WholeFile::create(&options.path, options.overwrite, run)?;
    let (head, tail) = frame(format, description);
    Ok(Box::new(Drawing {
        lines: Lines::new(file, TextCompression::None, head.into_bytes())?,
        schema: description.schema.clone(),
        is_undirected: description.is_undirected,
        format,
        tail,
        is_edges: false,
        is_first: true,
    }))
}

/// A graph on its way to a file: all nodes, then all edges.
struct Drawing {
    lines: Lines,
    schema: Schema,
    format: GraphFormat,
    is_undirected: bool,
    tail: &'static str,
    /// Whether edges have begun.
    is_edges: bool,
    /// Whether the next element is the first of its kind.
    is_first: bool,
}

/// What stands before and behind the elements.
fn frame(format: GraphFormat, description: &Description) -> (String, &'static str) {
    let directed = !description.is_undirected;
    let schema = description.schema.iter();
    match format {
        GraphFormat::Graphml => {
            let mut head = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n\
                <graphml xmlns=\"http://graphml.graphdrawing.org/xmlns\">\n"
                .to_owned();
            for feature in schema.filter(|feature| is_attribute(feature)) {
                let kind = match feature.data_type {
                    DataType::F64 => "double",
                    DataType::Bool => "boolean",
                    DataType::Text | DataType::Address | DataType::Id => "string",
                    _ => "long",
                };
                for (prefix, on) in [("n", "node"), ("e", "edge")] {
                    head.push_str(&format!(
                        "  <key id=\"{prefix}_{0}\" for=\"{on}\" attr.name=\"{0}\" attr.type=\"{kind}\"/>\n",
                        feature.name
                    ));
                }
            }
            let edges = if directed { "directed" } else { "undirected" };
            head.push_str(&format!("  <graph edgedefault=\"{edges}\">\n"));
            (head, "  </graph>\n</graphml>\n")
        }
        GraphFormat::Dot => {
            let graph = if directed { "digraph" } else { "graph" };
            (format!("{graph} connections {{\n"), "}\n")
        }
        _ => (
            format!("{{\"directed\":{directed},\"multigraph\":false,\"graph\":{{}},\"nodes\":["),
            "\n]}\n",
        ),
    }
}

/// Whether a column says something of an element, and is not its name.
fn is_attribute(feature: &Feature) -> bool {
    !matches!(&*feature.name, "node" | "port" | "to" | "to_port")
}

impl Drawing {
    /// A name of a node: its address, and its port where there is one.
    fn name(&self, columns: &[Column], row: usize, address: &str, port: &str) -> Option<Vec<u8>> {
        let place = |name: &str| self.schema.iter().position(|feature| feature.name == name);
        let column = &columns[place(address)?];
        if column.is_null(row) {
            return None;
        }
        let mut name = Vec::new();
        if let Values::Text { .. } = column.values {
            let mut plain = Vec::new();
            text::plain(&mut plain, column, row);
            escaped(&mut name, &plain, self.format);
            return Some(name);
        }
        text::plain(&mut name, column, row);
        if let Some(port) = place(port) {
            if matches!(&column.values, Values::Address(all) if all[row].family == 6) {
                name.insert(0, b'[');
                name.push(b']');
            }
            name.push(b':');
            text::plain(&mut name, &columns[port], row);
        }
        Some(name)
    }

    /// One element, as a piece of the file.
    fn element(&mut self, columns: &[Column], row: usize) -> Vec<u8> {
        let mut out = Vec::new();
        let Some(from) = self.name(columns, row, "node", "port") else {
            return out;
        };
        let to = self.name(columns, row, "to", "to_port");
        if to.is_some() && !self.is_edges {
            self.is_edges = true;
            self.is_first = true;
            if self.format == GraphFormat::Nodelink {
                out.extend_from_slice(b"\n],\"edges\":[");
            }
        }
        let attributes: Vec<(&str, Vec<u8>)> = self
            .schema
            .iter()
            .zip(columns)
            .filter(|(feature, column)| is_attribute(feature) && !column.is_null(row))
            .map(|(feature, column)| {
                let mut value = Vec::new();
                match self.format {
                    GraphFormat::Nodelink => text::json(&mut value, column, row),
                    _ => text::plain(&mut value, column, row),
                }
                (&*feature.name, value)
            })
            .collect();
        match self.format {
            GraphFormat::Graphml => graphml(&mut out, &from, to.as_deref(), &attributes),
            GraphFormat::Dot => {
                let arrow = if self.is_undirected { "--" } else { "->" };
                dot(&mut out, &from, to.as_deref(), arrow, &attributes);
            }
            _ => {
                let comma: &[u8] = if self.is_first { b"" } else { b"," };
                out.extend_from_slice(comma);
                nodelink(&mut out, &from, to.as_deref(), &attributes);
            }
        }
        self.is_first = false;
        out
    }
}

/// A text within quotes of a format. Of an address or a pseudonym nothing has to be escaped, a name that was in a packet may be anything.
fn escaped(out: &mut Vec<u8>, text: &[u8], format: GraphFormat) {
    let text = String::from_utf8_lossy(text);
    let mut put = |text: &str| out.extend_from_slice(text.as_bytes());
    for letter in text.chars() {
        match (format, letter) {
            (GraphFormat::Graphml, '&') => put("&amp;"),
            (GraphFormat::Graphml, '<') => put("&lt;"),
            (GraphFormat::Graphml, '>') => put("&gt;"),
            (GraphFormat::Graphml, '"') => put("&quot;"),
            // what XML has no place for at all
            (GraphFormat::Graphml, letter) if letter.is_control() => put("\u{fffd}"),
            (GraphFormat::Graphml, '\u{fffe}' | '\u{ffff}') => put("\u{fffd}"),
            (GraphFormat::Dot | GraphFormat::Nodelink, '"') => put("\\\""),
            (GraphFormat::Dot | GraphFormat::Nodelink, '\\') => put("\\\\"),
            (GraphFormat::Dot, letter) if letter.is_control() => put("\u{fffd}"),
            (GraphFormat::Nodelink, letter) if letter < ' ' => {
                put(&format!("\\u{:04x}", u32::from(letter)));
            }
            (_, letter) => put(letter.encode_utf8(&mut [0; 4])),
        }
    }
}

/// Values are numbers and truths, names are escaped: nothing in them has to be.
fn graphml(out: &mut Vec<u8>, from: &[u8], to: Option<&[u8]>, attributes: &[(&str, Vec<u8>)]) {
    let kind = if to.is_some() { "edge" } else { "node" };
    let first = if to.is_some() { "source" } else { "id" };
    out.extend_from_slice(format!("    <{kind} {first}=\"").as_bytes());
    out.extend_from_slice(from);
    if let Some(to) = to {
        out.extend_from_slice(b"\" target=\"");
        out.extend_from_slice(to);
    }
    out.extend_from_slice(b"\">");
    let prefix = &kind[..1];
    for (name, value) in attributes {
        out.extend_from_slice(format!("<data key=\"{prefix}_{name}\">").as_bytes());
        out.extend_from_slice(value);
        out.extend_from_slice(b"</data>");
    }
    out.extend_from_slice(format!("</{kind}>\n").as_bytes());
}

fn dot(
    out: &mut Vec<u8>,
    from: &[u8],
    to: Option<&[u8]>,
    arrow: &str,
    attributes: &[(&str, Vec<u8>)],
) {
    out.extend_from_slice(b"  \"");
    out.extend_from_slice(from);
    if let Some(to) = to {
        out.extend_from_slice(format!("\" {arrow} \"").as_bytes());
        out.extend_from_slice(to);
    }
    out.extend_from_slice(b"\"");
    for (at, (name, value)) in attributes.iter().enumerate() {
        out.extend_from_slice(if at == 0 { b" [" } else { b", " });
        out.extend_from_slice(name.as_bytes());
        out.extend_from_slice(b"=\"");
        out.extend_from_slice(value);
        out.push(b'"');
    }
    out.extend_from_slice(if attributes.is_empty() {
        b";\n"
    } else {
        b"];\n"
    });
}

fn nodelink(out: &mut Vec<u8>, from: &[u8], to: Option<&[u8]>, attributes: &[(&str, Vec<u8>)]) {
    let key = if to.is_some() { "source" } else { "id" };
    out.extend_from_slice(format!("\n{{\"{key}\":\"").as_bytes());
    out.extend_from_slice(from);
    if let Some(to) = to {
        out.extend_from_slice(b"\",\"target\":\"");
        out.extend_from_slice(to);
    }
    out.push(b'"');
    for (name, value) in attributes {
        out.extend_from_slice(format!(",\"{name}\":").as_bytes());
        out.extend_from_slice(value);
    }
    out.push(b'}');
}

impl Sink for Drawing {
    fn write(&mut self, rows: Columns) -> Result<(), Error> {
        for row in 0..rows.rows() {
            let element = self.element(&rows.columns, row);
            self.lines.put(&element)?;
        }
        Ok(())
    }

    fn commit(mut self: Box<Self>) -> Result<u64, Error> {
        if self.format == GraphFormat::Nodelink && !self.is_edges {
            self.lines.tail(b"\n],\"edges\":[")?;
        }
        self.lines.tail(self.tail.as_bytes())?;
        self.lines.commit()
    }

    fn abort(self: Box<Self>) {}
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::columns::Address;
    use crate::views::graph::{Measured, Names, Tables, Written};

    /// Two hosts of which one connects to the other and to itself.
    fn drawn(name: &str) -> String {
        let folder = tempfile::tempdir().unwrap();
        let options = GraphOptions {
            path: folder.path().join(name).display().to_string(),
            ..GraphOptions::default()
        };
        let relation = options.relation(&ConnectionOptions::default());
        let description = Description {
            schema: relation.schema(),
            ..Description::default()
        };
        let mut sink = open(&options, &description, "1-0").unwrap();
        let address = |last| Address {
            family: 4,
            bytes: [10, 0, 0, last, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0],
        };
        let edge = |from, to| crate::columns::FlowEdge {
            from: address(from),
            to: address(to),
            from_port: 1,
            to_port: 2,
            protocol: 6,
            packets: 3,
            bytes: 180,
            start: 0,
            end: 0,
            clock: 0,
        };
        let (mut names, mut named, mut tables) = (Names::default(), Vec::new(), Tables::default());
        use crate::views::graph::{Degrees, Fact};
        for edge in [edge(2, 1), edge(2, 2)] {
            let record = names.enter(&edge, false, &mut named);
            tables.change(vec![(Fact::Edge(record.from, record.to, (1, 3, 180)), 1)]);
        }
        let degrees = Degrees {
            out_degree: 2,
            ..Degrees::default()
        };
        let flows = Fact::Flows(0, (2, 6, 360), (0, 0, 0));
        tables.change(vec![(flows, 1), (Fact::Degrees(0, degrees), 1)]);
        tables.name(&named);
        let measured = Measured::new(&tables, &ConnectionOptions::default());
        let rows = Written::new(relation).tick(&tables, &measured, 0);
        sink.write(rows).unwrap();
        assert_eq!(sink.commit().unwrap(), 4);
        std::fs::read_to_string(folder.path().join(name)).unwrap()
    }

    #[test]
    fn formats_are_chosen_by_the_ending() {
        for (path, format) in [
            ("a.csv", GraphFormat::Csv),
            ("a.GraphML", GraphFormat::Graphml),
            ("a.gv", GraphFormat::Dot),
            ("a.json", GraphFormat::Nodelink),
            ("a", GraphFormat::Csv),
        ] {
            let options = GraphOptions {
                path: path.to_owned(),
                ..GraphOptions::default()
            };
            assert_eq!(options.format(), format, "{path}");
        }
    }

    #[test]
    fn names_may_be_anything() {
        let name = "a \"b\" <c> & \\ \n\u{1}\u{ffff}é";
        let escaped = |format| {
            let mut out = Vec::new();
            escaped(&mut out, name.as_bytes(), format);
            String::from_utf8(out).unwrap()
        };
        assert_eq!(
            escaped(GraphFormat::Graphml),
            "a &quot;b&quot; &lt;c&gt; &amp; \\ \u{fffd}\u{fffd}\u{fffd}é"
        );
        assert_eq!(
            escaped(GraphFormat::Dot),
            "a \\\"b\\\" <c> & \\\\ \u{fffd}\u{fffd}\u{ffff}é"
        );
        let json = format!("\"{}\"", escaped(GraphFormat::Nodelink));
        assert_eq!(serde_json::from_str::<String>(&json).unwrap(), name);
    }

    #[test]
    fn nodes_come_before_edges_in_each_format() {
        let dot = drawn("a.dot");
        let lines: Vec<&str> = dot.lines().collect();
        assert_eq!(lines[0], "digraph connections {");
        assert!(
            lines[1].starts_with("  \"10.0.0.1\" [flows=\"0\", packets=\"0\""),
            "{dot}"
        );
        assert!(lines[2].contains("out_degree=\"2\""), "{dot}");
        assert_eq!(
            lines[3],
            "  \"10.0.0.2\" -> \"10.0.0.1\" [flows=\"1\", packets=\"3\", bytes=\"180\"];"
        );
        assert_eq!(lines[5..], ["}"]);
        let value: serde_json::Value = serde_json::from_str(&drawn("a.json")).unwrap();
        assert_eq!(value["nodes"][1]["id"], "10.0.0.2");
        assert_eq!(value["edges"][1]["target"], "10.0.0.2");
        assert_eq!(value["edges"][0]["bytes"], 180);
        let xml = drawn("a.graphml");
        assert!(
            xml.contains("<edge source=\"10.0.0.2\" target=\"10.0.0.1\"><data key=\"e_flows\">1<"),
            "{xml}"
        );
        assert!(xml.contains("<key id=\"n_out_degree\" for=\"node\" attr.name=\"out_degree\" attr.type=\"long\"/>"), "{xml}");
        assert!(xml.ends_with("</graphml>\n"));
    }
}
