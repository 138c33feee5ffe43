//! `explain --types`: the columns of each node, what they are, and who reads them.

use super::{Edge, Features, Kind, Plan};
use crate::spec::diagnostic::visible;
use crate::spec::{Table, TableOf};
use operators::expressions::{Program, Type, Typed};
use operators::schema::{DataType, Feature};
use operators::views::rules::Outer;
use petgraph::Direction;
use petgraph::graph::NodeIndex;
use petgraph::visit::EdgeRef as _;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::fmt::Write as _;

/// A column of a node.
struct Column {
    name: String,
    data_type: String,
    unit: String,
    /// When it is null; `None` = never.
    null: Option<String>,
    readers: Vec<String>,
}

impl Column {
    fn of(feature: &Feature) -> Self {
        Self {
            name: feature.name.to_string(),
            data_type: type_name(&feature.data_type),
            unit: feature.unit.to_string(),
            null: feature.null.as_deref().map(str::to_owned),
            readers: Vec::new(),
        }
    }

    fn of_view(name: &str, kind: &Type, null: bool) -> Self {
        let (data_type, unit) = kind.column().unwrap_or((DataType::I64, ""));
        Self {
            name: name.to_owned(),
            data_type: type_name(&data_type),
            unit: unit.to_owned(),
            null: null.then(|| "no row of the group has a value".to_owned()),
            readers: Vec::new(),
        }
    }
}

/// The type of a column as documents name it.
pub fn type_name(data_type: &DataType) -> String {
    match data_type {
        DataType::List(item) => format!("list<{}>", type_name(item)),
        DataType::Struct(parts) => {
            let parts: Vec<String> = parts
                .iter()
                .map(|(name, part)| format!("{name}: {}", type_name(part)))
                .collect();
            format!("struct<{}>", parts.join(", "))
        }
        DataType::Address => "ip".to_owned(),
        plain => format!("{plain:?}").to_lowercase(),
    }
}

/// Who reads each column of the rows, by its position.
fn readers(plan: &Plan, features: &Features) -> BTreeMap<usize, Vec<String>> {
    let mut readers: BTreeMap<usize, Vec<String>> = BTreeMap::new();
    let mut read = |places: Vec<u32>, who: &str| {
        for at in places.iter().filter_map(|place| features.places.get(place)) {
            let all = readers.entry(*at).or_default();
            if !all.iter().any(|one| one == who) {
                all.push(who.to_owned());
            }
        }
    };
    let of_typed = |typed: &Typed| {
        let mut places = Vec::new();
        typed.loads(&mut |place| places.push(place));
        places
    };
    let of_program = |program: &Program| program.loads().collect::<Vec<u32>>();
    for question in features.look_ups.questions() {
        read(
            of_program(&question.program),
            &format!("look-ups of {}", question.view),
        );
    }
    for (place, feature) in features
        .derived
        .places()
        .iter()
        .zip(&features.derived.schema)
    {
        if let Some(typed) = features.derived.expression(*place) {
            read(of_typed(typed), &feature.name);
        }
    }
    for node in plan.graph.node_weights() {
        match &node.kind {
            Kind::View(view) => {
                for source in &view.rules.sources {
                    read(of_program(&source.program), &format!("view {}", node.name));
                }
            }
            Kind::Filter(filter) => {
                for condition in &filter.conditions {
                    read(of_typed(condition), &format!("filter {}", node.name));
                }
            }
            Kind::Join(join) => {
                let places = join.on.iter().map(|(_, place)| *place).chain(join.time);
                read(places.collect(), &format!("join {}", node.name));
            }
            Kind::Sink(sink) => {
                if let Some(condition) = &sink.condition {
                    read(of_typed(condition), &format!("where of {}", node.name));
                }
            }
            _ => {}
        }
    }
    for (name, sink) in plan.sinks().filter(|(_, sink)| sink.table.is_none()) {
        for at in &sink.columns {
            readers.entry(*at).or_default().push(format!("sink {name}"));
        }
    }
    readers
}

/// Who reads a relation of a view.
fn readers_of_relation(plan: &Plan, view: &str, relation: usize, column: usize) -> Vec<String> {
    let mut readers = Vec::new();
    for (name, sink) in plan.sinks() {
        if let Some(Table {
            of: TableOf::View(of, shown),
            ..
        }) = &sink.table
            && of == view
            && shown.shows(relation)
        {
            readers.push(format!("sink {name}"));
        }
    }
    for (name, reader) in plan.views() {
        let is_it = |one: &Outer| (one.view.as_str(), one.relation) == (view, relation);
        if reader.rules.outer.iter().any(is_it) {
            readers.push(format!("view {name}"));
        }
    }
    let questions = plan
        .features()
        .map(|features| features.look_ups.questions());
    let asks = questions.into_iter().flatten().any(|one| {
        let is_read = one.made.keys.contains(&column)
            || one.values.iter().any(|value| value.column == column);
        (one.view.as_str(), one.relation) == (view, relation) && is_read
    });
    readers.extend(asks.then(|| "look-ups".to_owned()));
    readers
}

/// The columns of a node, under a title where it has several tables.
fn columns(plan: &Plan, node: NodeIndex) -> Vec<(String, Vec<Column>)> {
    let one = &plan.graph[node];
    let known = plan
        .features()
        .map(|features| (features, readers(plan, features)));
    let of_rows = |at: usize, feature: &Feature| {
        let readers = known.as_ref().and_then(|(_, readers)| readers.get(&at));
        Column {
            readers: readers.cloned().unwrap_or_default(),
            ..Column::of(feature)
        }
    };
    match &one.kind {
        Kind::Source(_) | Kind::Decode(_) | Kind::Flows(_) | Kind::Filter(_) => Vec::new(),
        Kind::Features(features) => {
            let values = features.plan.schema.len();
            let values = values..values + features.look_ups.values().count();
            let all = features.columns().enumerate();
            let own = all.filter(|(at, _)| !values.contains(at));
            vec![(
                String::new(),
                own.map(|(at, one)| of_rows(at, one)).collect(),
            )]
        }
        Kind::LookUp => {
            let Some((features, _)) = &known else {
                return Vec::new();
            };
            let first = features.plan.schema.len();
            let values = features.look_ups.values().map(|value| &value.feature);
            let values = (first..).zip(values);
            vec![(
                String::new(),
                values.map(|(at, one)| of_rows(at, one)).collect(),
            )]
        }
        Kind::View(view) => {
            let relations = view.rules.relations.iter().enumerate();
            let table = relations.map(|(at, made)| {
                let columns = made.columns.iter().enumerate();
                let columns = columns.map(|(column, made)| Column {
                    readers: readers_of_relation(plan, &one.name, at, column),
                    ..Column::of_view(&made.name, &made.kind, made.null)
                });
                (made.name.clone(), columns.collect())
            });
            table.collect()
        }
        Kind::Join(join) => {
            let columns = join.gives.schema.iter().map(Column::of);
            vec![(String::new(), columns.collect())]
        }
        Kind::Sink(sink) => {
            let columns = plan.columns_of(sink).map(Column::of);
            vec![(String::new(), columns.collect())]
        }
    }
}

/// Where the rows of a filter come from.
fn inputs(plan: &Plan, node: NodeIndex) -> String {
    let edges = plan.graph.edges_directed(node, Direction::Incoming);
    let rows = edges.filter(|edge| *edge.weight() != Edge::Values);
    let mut numbers: Vec<usize> = rows.map(|edge| edge.source().index() + 1).collect();
    numbers.sort_unstable();
    let numbers: Vec<String> = numbers.iter().map(usize::to_string).collect();
    numbers.join(", ")
}

/// The columns of each node: type, unit, when it is null, who reads it.
pub fn types(plan: &Plan) -> String {
    let mut out = String::new();
    for (number, node) in plan.numbered() {
        let one = &plan.graph[node];
        let _ = write!(
            out,
            "{number} {} {}",
            super::explain::kind(&one.kind),
            visible(&one.name)
        );
        let gives = match &one.kind {
            Kind::Source(_) if !plan.is_rows => "records of captures".to_owned(),
            Kind::Source(_) => "edges of the connection graph".to_owned(),
            Kind::Decode(_) => "packets".to_owned(),
            Kind::Flows(_) => "flow records".to_owned(),
            Kind::Filter(_) => format!("the columns of {}", inputs(plan, node)),
            _ => String::new(),
        };
        out.push_str(if gives.is_empty() { "\n" } else { ": " });
        if !gives.is_empty() {
            out.push_str(&gives);
            out.push('\n');
        }
        for (title, columns) in columns(plan, node) {
            if !title.is_empty() {
                let _ = writeln!(out, "  {}", visible(&title));
            }
            table(&mut out, &columns);
        }
    }
    out
}

fn table(out: &mut String, columns: &[Column]) {
    let rows: Vec<[String; 5]> = columns
        .iter()
        .map(|column| {
            let dash = |text: &str| {
                if text.is_empty() {
                    "-".to_owned()
                } else {
                    text.to_owned()
                }
            };
            [
                visible(&column.name),
                column.data_type.clone(),
                dash(&column.unit),
                match &column.null {
                    Some(null) => format!("null: {null}"),
                    None => "never null".to_owned(),
                },
                match column.readers.is_empty() {
                    true => String::new(),
                    false => format!("-> {}", column.readers.join(", ")),
                },
            ]
        })
        .collect();
    let width = |at: usize| {
        rows.iter()
            .map(|row| row[at].chars().count())
            .max()
            .unwrap_or(0)
    };
    let widths: Vec<usize> = (0..4).map(width).collect();
    for [name, kind, unit, null, readers] in &rows {
        let line = format!(
            "    {name:<0$}  {kind:<1$}  {unit:<2$}  {null:<3$}  {readers}",
            widths[0],
            widths[1],
            widths[2],
            widths[3].min(60)
        );
        out.push_str(line.trim_end());
        out.push('\n');
    }
}

/// The same, for programs.
pub fn types_json(plan: &Plan) -> Value {
    let nodes = plan.numbered().into_iter().map(|(number, node)| {
        let one = &plan.graph[node];
        let tables = columns(plan, node).into_iter().map(|(title, columns)| {
            let columns = columns.iter().map(|column| {
                json!({
                    "name": column.name,
                    "type": column.data_type,
                    "unit": column.unit,
                    "null": column.null,
                    "readers": column.readers,
                })
            });
            json!({ "relation": (!title.is_empty()).then_some(title), "columns": columns.collect::<Vec<_>>() })
        });
        json!({
            "number": number,
            "kind": super::explain::kind(&one.kind),
            "name": one.name,
            "tables": tables.collect::<Vec<_>>(),
        })
    });
    json!({ "spec": plan.digest, "nodes": nodes.collect::<Vec<_>>() })
}
