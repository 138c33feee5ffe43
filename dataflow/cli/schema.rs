//! `jayflow schema`.

use super::{Failure, Global, Outcome, Set, SpecArguments, print};
use crate::plan::type_name;
use clap::{Args, ValueEnum};
use operators::features::{Cost, catalogue, costs, difference};
use operators::schema::{Feature, Text};
use serde_json::{Value, json};
use std::fmt::Write as _;
use std::path::PathBuf;

/// Prints the JSON Schema of specs, the catalogue of features, or the columns of a spec's sinks.
///
/// With `--format md`, the keys of specs and the catalogue as they stand in the manual. Example: `jayflow schema --features --format csv`
#[derive(Args, Debug)]
pub struct Schema {
    /// The catalogue of features.
    #[arg(long, group = "what")]
    features: bool,
    /// The groups of features.
    #[arg(long, group = "what")]
    groups: bool,
    /// The features whose values differ from those of JoyfulJay, and why.
    #[arg(long, group = "what")]
    differences: bool,
    /// The columns of every sink of a spec.
    #[arg(long, group = "what", value_name = "SPEC")]
    output: Option<PathBuf>,
    /// The form of the catalogue and of columns.
    #[arg(long, value_enum, default_value_t = Format::Json)]
    format: Format,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Format {
    /// A list of objects.
    Json,
    /// RFC 4180.
    Csv,
    /// A Markdown table.
    Md,
}

/// Names of the columns of the catalogue.
const HEADER: [&str; 14] = [
    "group",
    "name",
    "type",
    "unit",
    "null",
    "default",
    "profile",
    "scope",
    "split",
    "when",
    "element",
    "definition",
    "source",
    "differs",
];

impl Schema {
    /// Prints what was asked for.
    pub(super) fn run(&self, global: &Global) -> Outcome {
        if let Some(spec) = &self.output {
            return self.columns(spec, global);
        }
        if self.features {
            let all = catalogue();
            if self.format == Format::Md {
                return print(&groups(&all, &costs()));
            }
            let rows: Vec<Vec<String>> = all.iter().map(row).collect();
            return print(&self.table(&HEADER, &rows));
        }
        if self.differences {
            return print(&self.differences());
        }
        if self.groups {
            let mut names: Vec<String> = catalogue()
                .into_iter()
                .map(|one| one.group.into())
                .collect();
            names.dedup();
            let rows: Vec<Vec<String>> = names.into_iter().map(|name| vec![name]).collect();
            return print(&self.table(&["group"], &rows));
        }
        match self.format {
            Format::Json => print(&format!("{:#}\n", crate::spec::schema::schema())),
            Format::Md => print(&crate::spec::manual::keys()),
            Format::Csv => Err(Failure::Usage(
                crate::Error::new("the schema of specs is no table")
                    .help("`--format csv` goes with `--features`, `--groups` or `--output`"),
            )),
        }
    }

    /// A line for each column that differs from the one of its name in the reference.
    fn differences(&self) -> String {
        let all = catalogue();
        let differing = all.iter().filter_map(|feature| {
            let why = difference(feature.differs.as_deref()?)?;
            let name = match self.format {
                Format::Md => format!("`{}`", feature.name),
                _ => feature.name.to_string(),
            };
            Some(vec![feature.group.to_string(), name, why.to_owned()])
        });
        let rows: Vec<Vec<String>> = differing.collect();
        self.table(&["group", "name", "why"], &rows)
    }

    fn columns(&self, spec: &std::path::Path, global: &Global) -> Outcome {
        let spec = SpecArguments {
            spec: spec.to_owned(),
            set: Set::default(),
        };
        let (_, plan) = spec.plan(global)?;
        let mut rows = Vec::new();
        for (name, sink) in plan.sinks() {
            for feature in plan.columns_of(sink) {
                let mut cells = vec![name.to_owned()];
                cells.extend(row(feature));
                rows.push(cells);
            }
        }
        let mut header = vec!["sink"];
        header.extend(HEADER);
        print(&self.table(&header, &rows))
    }

    fn table(&self, header: &[&str], rows: &[Vec<String>]) -> String {
        match self.format {
            Format::Json => {
                let rows: Vec<Value> = rows
                    .iter()
                    .map(|row| {
                        header
                            .iter()
                            .zip(row)
                            .map(|(k, v)| ((*k).to_owned(), json!(v)))
                            .collect::<serde_json::Map<_, _>>()
                            .into()
                    })
                    .collect();
                format!("{:#}\n", Value::from(rows))
            }
            Format::Csv => lines(header, rows, "", ",", "", |cell| {
                if cell.contains([',', '"', '\n']) {
                    format!("\"{}\"", cell.replace('"', "\"\""))
                } else {
                    cell.to_owned()
                }
            }),
            Format::Md => markdown(header, rows),
        }
    }
}

/// The catalogue, a table for each group.
fn groups(features: &[Feature], costs: &[Cost]) -> String {
    let mut costs = costs.iter();
    let header = [
        "name",
        "type",
        "unit",
        "null",
        "profile",
        "split",
        "cost",
        "definition",
        "source",
    ];
    let mut out = String::new();
    for group in features.chunk_by(|a, b| a.group == b.group) {
        let rows: Vec<Vec<String>> = group
            .iter()
            .map(|feature| {
                let [
                    _,
                    name,
                    data_type,
                    unit,
                    null,
                    _,
                    profile,
                    _,
                    split,
                    when,
                    _,
                    definition,
                    source,
                    _,
                ] = cells(feature);
                let cost = costs.next().map_or("", |cost| cost.needs.class());
                let when = match when.as_str() {
                    "" => profile,
                    when => format!("with `{when}`"),
                };
                vec![
                    format!("`{name}`"),
                    data_type,
                    unit,
                    null,
                    when,
                    split,
                    cost.to_owned(),
                    definition,
                    source,
                ]
            })
            .collect();
        let gap = if out.is_empty() { "" } else { "\n" };
        let name = group.first().map_or("", |feature| &feature.group);
        let _ = write!(out, "{gap}## {name}\n\n{}", markdown(&header, &rows));
    }
    out
}

pub(super) fn markdown(header: &[&str], rows: &[Vec<String>]) -> String {
    let escape = |cell: &str| cell.replace('|', "\\|");
    let text = lines(header, rows, "| ", " | ", " |", escape);
    let rule = format!("|{}\n", "---|".repeat(header.len()));
    match text.split_once('\n') {
        Some((first, rest)) => format!("{first}\n{rule}{rest}"),
        None => text,
    }
}

fn lines(
    header: &[&str],
    rows: &[Vec<String>],
    before: &str,
    between: &str,
    after: &str,
    cell: impl Fn(&str) -> String,
) -> String {
    let mut out = String::new();
    let mut line = |cells: Vec<String>| {
        let _ = writeln!(out, "{before}{}{after}", cells.join(between));
    };
    line(header.iter().map(|name| cell(name)).collect());
    for row in rows {
        line(row.iter().map(|text| cell(text)).collect());
    }
    out
}

fn row(feature: &Feature) -> Vec<String> {
    cells(feature).into()
}

/// One cell a name of [`HEADER`].
fn cells(feature: &Feature) -> [String; HEADER.len()] {
    let element = feature.element.map(|number| number.to_string());
    let text = |text: &Option<Text>| text.as_deref().unwrap_or_default().to_owned();
    [
        feature.group.to_string(),
        feature.name.to_string(),
        type_name(&feature.data_type),
        feature.unit.to_string(),
        text(&feature.null),
        feature.default.to_string(),
        feature.profile.name().to_owned(),
        format!("{:?}", feature.scope).to_lowercase(),
        format!("{:?}", feature.split).to_lowercase(),
        text(&feature.when),
        element.unwrap_or_default(),
        feature.definition.to_string(),
        text(&feature.source),
        text(&feature.differs),
    ]
}
