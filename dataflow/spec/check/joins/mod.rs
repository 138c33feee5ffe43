//! Joins: what they say, which columns rows have behind them, and what is looked up of rows.
//!
//! No file is opened. The columns of a join have the types that were found in its files, where somebody has looked at these
//! (`spec/tables.rs`); before that they have names and no types, and expressions that read them wait.

mod written;

use super::expressions::Rows;
use super::{Check, Inputs, Raw};
use crate::spec::diagnostic::Diagnostic;
use crate::spec::load::{Kind, Value};
use crate::spec::sections::{Section, section_keys};
use crate::spec::suggest::list;
use crate::spec::{Behind, Join};
use operators::expressions::{Context, Field, Known, Type};
use std::collections::{BTreeMap, BTreeSet};

/// The place of the first column of a join at check: behind those of derived columns, before those of aggregates.
const JOINED: u32 = 1 << 22;

/// A node that rows go through.
struct Way {
    is_join: bool,
    /// The nodes that it reads, without their outputs.
    inputs: Vec<String>,
}

/// The joins of a spec, and which of them rows have passed.
#[derive(Default)]
pub(super) struct Joins<'a> {
    ways: BTreeMap<String, Way>,
    /// The node that a sink reads that names none, if it is certain.
    open: Option<String>,
    pub list: Vec<(Raw<'a>, Join)>,
}

/// The nodes that `input` names, without their outputs.
fn heads(raw: &Raw<'_>) -> Vec<String> {
    let Some(entry) = raw.entry("input") else {
        return Vec::new();
    };
    let items = match &entry.value.kind {
        Kind::List(items) => items.iter().collect(),
        _ => vec![&entry.value],
    };
    let texts = items.into_iter().filter_map(Value::text);
    let head = |text: &str| text.split('.').next().unwrap_or_default().to_owned();
    texts.map(head).collect()
}

impl<'a> Joins<'a> {
    fn new(filters: &[Raw<'a>], joins: &[Raw<'a>]) -> Self {
        let mut ways = BTreeMap::new();
        let mut outputs = Vec::new();
        for (raw, is_join) in
            (filters.iter().map(|raw| (raw, false))).chain(joins.iter().map(|raw| (raw, true)))
        {
            let inputs = heads(raw);
            ways.insert(raw.name.clone(), Way { is_join, inputs });
            let routes = raw.entry("routes").and_then(|entry| entry.value.entries());
            match routes {
                Some(routes) if !is_join => {
                    outputs.extend(
                        routes
                            .iter()
                            .map(|route| format!("{}.{}", raw.name, route.name)),
                    );
                }
                _ => outputs.push(raw.name.clone()),
            }
        }
        let read: Vec<&str> = filters
            .iter()
            .chain(joins)
            .filter_map(|raw| raw.entry("input"))
            .flat_map(|entry| match &entry.value.kind {
                Kind::List(items) => items.iter().filter_map(Value::text).collect(),
                _ => entry.value.text().into_iter().collect::<Vec<_>>(),
            })
            .collect();
        let mut open = outputs.iter().filter(|name| !read.contains(&name.as_str()));
        let open = match (open.next(), open.next()) {
            (Some(one), None) => one.split('.').next().map(str::to_owned),
            _ => None,
        };
        Self {
            ways,
            open,
            list: Vec::new(),
        }
    }

    /// The names of the joins that rows have passed which come out of a node, the first one first.
    fn passed(&self, node: &str, seen: &mut BTreeSet<String>) -> Vec<String> {
        let Some(way) = self.ways.get(node) else {
            return Vec::new();
        };
        if !seen.insert(node.to_owned()) {
            return Vec::new();
        }
        let mut names = Vec::new();
        for input in &way.inputs {
            for name in self.passed(input, seen) {
                if !names.contains(&name) {
                    names.push(name);
                }
            }
        }
        seen.remove(node);
        if way.is_join {
            names.push(node.to_owned());
        }
        names
    }

    /// The same of the rows that a node reads.
    fn before(&self, raw: &Raw<'_>) -> Vec<String> {
        let mut inputs = heads(raw);
        if inputs.is_empty() && raw.path.starts_with("sinks") {
            inputs.extend(self.open.clone());
        }
        let mut names = Vec::new();
        for input in inputs {
            for name in self.passed(&input, &mut BTreeSet::new()) {
                if !names.contains(&name) {
                    names.push(name);
                }
            }
        }
        names
    }

    /// The columns that rows have behind the others which come out of a node.
    pub(super) fn after(&self, node: &str) -> Behind {
        let head = node.split('.').next().unwrap_or_default();
        self.columns(&self.passed(head, &mut BTreeSet::new()))
    }

    /// The same of the rows that a node reads.
    pub(super) fn behind(&self, raw: &Raw<'_>) -> Behind {
        self.columns(&self.before(raw))
    }

    fn columns(&self, names: &[String]) -> Behind {
        let mut all = Behind::default();
        for name in names {
            if let Some((_, join)) = self.list.iter().find(|(raw, _)| raw.name == *name) {
                all.schema.extend(join.gives.schema.iter().cloned());
                all.places.extend(&join.gives.places);
            }
        }
        all
    }

    /// The columns that are there but have no type yet: nobody has looked at their files.
    fn is_open(&self, place: u32) -> bool {
        let gives = |join: &Join| join.joined.is_none() && join.gives.places.contains(&place);
        self.list.iter().any(|(_, join)| gives(join))
    }
}

impl Rows {
    /// Lets expressions read what joins have put behind the rows; gives what they could read before.
    pub(super) fn enter(&mut self, joins: &Joins<'_>, behind: &Behind) -> Option<Context> {
        if behind.schema.is_empty() {
            return None;
        }
        let mut context = self.context.clone();
        for (feature, place) in behind.schema.iter().zip(&behind.places) {
            let known = match Type::of_feature(feature) {
                Some((kind, null)) if !joins.is_open(*place) => Known::Field(Field {
                    place: *place,
                    kind,
                    null,
                }),
                // told when its type is known
                _ => Known::Fault("", format!("`{}` has no type yet", feature.name), None),
            };
            context.add(&feature.name, known);
        }
        Some(std::mem::replace(&mut self.context, context))
    }

    /// Undoes [`Rows::enter`].
    pub(super) fn leave(&mut self, before: Option<Context>) {
        if let Some(before) = before {
            self.context = before;
        }
    }
}

impl<'a> Check<'a> {
    /// The joins of a spec. Those that others read come first.
    pub(super) fn joins(
        &mut self,
        rows: &mut Rows,
        filters: &[Raw<'a>],
        raws: Vec<Raw<'a>>,
    ) -> Joins<'a> {
        let mut joins = Joins::new(filters, &raws);
        let keys = Section::named("joins")
            .map(section_keys)
            .unwrap_or_default();
        let mut next = JOINED;
        let mut raws: Vec<(usize, Raw<'a>)> = raws.into_iter().enumerate().collect();
        raws.sort_by_key(|(_, raw)| joins.before(raw).len());
        let mut order = Vec::new();
        for (at, raw) in raws {
            let behind = joins.behind(&raw);
            let outer = rows.enter(&joins, &behind);
            let join = self.join(rows, &raw, &keys, behind, &mut next);
            rows.leave(outer);
            joins.list.push((raw, join));
            order.push(at);
        }
        // as they are written
        let mut list: Vec<(usize, (Raw<'a>, Join))> = order
            .into_iter()
            .zip(std::mem::take(&mut joins.list))
            .collect();
        list.sort_by_key(|(at, _)| *at);
        joins.list = list.into_iter().map(|(_, join)| join).collect();
        joins
    }

    /// Rows that come together have the same columns.
    pub(super) fn same_columns(&mut self, joins: &Joins<'_>, inputs: &Inputs) {
        let Some(((first, ..), others)) = inputs.split_first() else {
            return;
        };
        let names = |node: &str| -> Vec<String> {
            let head = node.split('.').next().unwrap_or_default();
            joins.passed(head, &mut BTreeSet::new())
        };
        let known = names(first);
        for (name, at, path) in others {
            let own = names(name);
            if own != known {
                let told = |names: &[String]| match names {
                    [] => "no join".to_owned(),
                    names => list(names.iter().map(String::as_str)),
                };
                let message = format!(
                    "rows of `{first}` have passed {}, those of `{name}` {}",
                    told(&known),
                    told(&own)
                );
                self.found.push(
                    Diagnostic::new("E0304", *at, path, message)
                        .help("rows that come together have the same columns: join them together, or read each by itself"),
                );
                return;
            }
        }
    }
}
