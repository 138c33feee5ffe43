//! Filters: their settings, conditions and routes, and which node reads which rows.

use super::expressions::{FLOW_ID, Rows};
use super::joins::Joins;
use super::{Check, Inputs, Raw};
use crate::spec::diagnostic::{Diagnostic, Span};
use crate::spec::load::Kind;
use crate::spec::sections::{Section, section_keys};
use crate::spec::suggest::{did_you_mean, list, nearest};
use crate::spec::{Behind, Filter};
use operators::filters::{FilterOptions, Route};
use operators::options::Step;

/// What gives rows: `features`, a filter, or an output of a filter.
pub(super) struct RowNode {
    /// As `input` names it.
    pub name: String,
    /// Its outputs by their whole names, where it has several.
    pub outputs: Vec<String>,
}

/// The features and filters, with their outputs.
pub(super) fn row_nodes(features: &str, filters: &[(Raw<'_>, Filter)]) -> Vec<RowNode> {
    let filters = filters.iter().map(|(raw, filter)| {
        let routes = filter.routes.iter();
        let outputs = routes.map(|route| format!("{}.{}", raw.name, route.name));
        RowNode {
            name: raw.name.clone(),
            outputs: outputs.collect(),
        }
    });
    let features = RowNode {
        name: features.to_owned(),
        outputs: Vec::new(),
    };
    [features].into_iter().chain(filters).collect()
}

impl<'a> Check<'a> {
    /// The filters of the spec with what they say.
    pub(super) fn filters(
        &mut self,
        rows: &mut Rows,
        raws: Vec<Raw<'a>>,
        joins: &Joins<'a>,
    ) -> Vec<(Raw<'a>, Filter)> {
        let keys = Section::named("filters")
            .map(section_keys)
            .unwrap_or_default();
        raws.into_iter()
            .map(|raw| {
                let options: FilterOptions = self.options(&raw, &["input"], &keys);
                let behind = joins.behind(&raw);
                let outer = rows.enter(joins, &behind);
                let mut filter = self.filter(rows, &raw, options);
                rows.leave(outer);
                filter.behind = behind;
                (raw, filter)
            })
            .collect()
    }

    fn filter(&mut self, rows: &mut Rows, raw: &Raw<'a>, options: FilterOptions) -> Filter {
        let mut filter = Filter {
            conditions: Vec::new(),
            has_where: false,
            sample: options.sample.map(|share| share.0),
            dedup: self.dedup(rows, raw, &options.dedup),
            limit: options.limit,
            routes: Vec::new(),
            mode: options.mode,
            behind: Behind::default(),
        };
        if filter.sample.is_some() {
            rows.reads.insert(FLOW_ID);
        }
        if let Some(entry) = raw.entry("where") {
            let path = format!("{}.where", raw.path);
            let condition = self.condition(rows, &entry.value, &path, "`where`");
            filter.has_where = condition.is_some();
            filter.conditions.extend(condition);
        }
        let routes = raw.entry("routes").and_then(|entry| entry.value.entries());
        let mut has_else = false;
        for entry in routes.unwrap_or_default() {
            let path = format!("{}.routes.{}", raw.path, entry.name);
            self.name(entry, &path, "route");
            let mut route = Route {
                name: entry.name.clone(),
                condition: None,
            };
            match entry.value.text() {
                Some(text) if text.trim() == "else" => {
                    if std::mem::replace(&mut has_else, true) {
                        let message = "a second `else`";
                        self.found.push(
                            Diagnostic::new("E0008", entry.value.at, &path, message)
                                .help("the rows of no other route go one way"),
                        );
                    }
                }
                _ => {
                    let condition = self.condition(rows, &entry.value, &path, "a route");
                    let before = usize::from(filter.has_where);
                    let at = filter.conditions.len() - before;
                    route.condition = condition.is_some().then_some(at);
                    filter.conditions.extend(condition);
                }
            }
            filter.routes.push(route);
        }
        if !filter.routes.is_empty() && !has_else {
            let at = raw.entry("routes").map_or(raw.at, |entry| entry.at);
            let message = format!("rows that no route of `{}` takes are left out", raw.name);
            self.found.push(
                Diagnostic::new("W0402", at, format!("{}.routes", raw.path), message)
                    .help("add a route with `else`, or let this be so: they are counted"),
            );
        }
        filter
    }

    /// The places of the columns that `dedup` names.
    fn dedup(&mut self, rows: &mut Rows, raw: &Raw<'a>, names: &[String]) -> Vec<u32> {
        let Some(entry) = raw.entry("dedup") else {
            return Vec::new();
        };
        let several = matches!(entry.value.kind, Kind::List(_));
        let mut places = Vec::new();
        for (index, name) in names.iter().enumerate() {
            let steps: &[Step] = if several { &[Step::Index(index)] } else { &[] };
            let value = entry.value.inner(steps).0;
            let path = match several {
                true => format!("{}.dedup[{index}]", raw.path),
                false => format!("{}.dedup", raw.path),
            };
            match rows.column(name) {
                Ok(place) => places.push(place),
                Err(fault) => self.expression_fault(&fault, value, &path),
            }
        }
        places
    }

    /// Reports filters that wait for the end of an input that has none.
    pub(super) fn no_end(&mut self, filters: &[(Raw<'a>, Filter)], follows: Option<&str>) {
        let Some(source) = follows else { return };
        for (raw, _) in filters {
            for key in ["dedup", "limit"] {
                if let Some(entry) = raw.entry(key) {
                    let message =
                        format!("`{key}` takes the first rows, and `{source}` has no end");
                    self.found.push(
                        Diagnostic::new("E0413", entry.at, format!("{}.{key}", raw.path), message)
                            .help("read a file that is whole, or leave it out"),
                    );
                }
            }
        }
    }

    /// The nodes that a node of rows reads, by name, with the outputs of filters. `own` is its name; `after` are the nodes that
    /// nobody reads, which it reads where it names none.
    pub(super) fn resolve_rows(
        &mut self,
        (own, at, path): (&str, Span, &str),
        inputs: &Inputs,
        nodes: &[RowNode],
        others: &[(String, &'static str)],
        after: &[String],
    ) -> Vec<String> {
        if inputs.is_empty() {
            return match after {
                [one] => vec![one.clone()],
                several => {
                    let message = format!(
                        "`{own}` could read {}",
                        list(several.iter().map(String::as_str))
                    );
                    self.found.push(
                        Diagnostic::new("E0303", at, format!("{path}.input"), message)
                            .help("name one, or a list of them: `input = \"...\"`"),
                    );
                    Vec::new()
                }
            };
        }
        let outputs = || {
            nodes.iter().flat_map(|node| {
                let plain = node.outputs.is_empty().then_some(&node.name);
                plain.into_iter().chain(&node.outputs).map(String::as_str)
            })
        };
        let mut names: Vec<String> = Vec::new();
        for (name, at, path) in inputs {
            if outputs().any(|known| known == name) && name != own {
                if !names.contains(name) {
                    names.push(name.clone());
                }
                continue;
            }
            let fault = |code, message: String| Diagnostic::new(code, *at, path, message);
            let (head, tail) = name.split_once('.').unwrap_or((name, ""));
            let node = nodes.iter().find(|node| node.name == head);
            let told = match node {
                Some(node) if node.outputs.is_empty() && tail.is_empty() => {
                    let message = format!("`{own}` reads itself: {own} -> {own}");
                    fault("E0305", message).help("read another node")
                }
                Some(node) if node.outputs.is_empty() => {
                    let message = format!("`{head}` has no output `{tail}`");
                    fault("E0302", message)
                        .help(format!("it has one output: read `{head}`"))
                        .edit(format!("\"{head}\""))
                }
                Some(node) if tail.is_empty() => {
                    let message = format!("`{head}` has several outputs");
                    let all = list(node.outputs.iter().map(String::as_str));
                    fault("E0303", message).help(format!("name one: {all}"))
                }
                Some(node) => {
                    let message = format!("`{head}` has no output `{tail}`");
                    let all = list(node.outputs.iter().map(String::as_str));
                    fault("E0302", message)
                        .help(format!("its outputs are {all}; add `{tail} = 'else'`"))
                }
                None => match others.iter().find(|(other, _)| other == name) {
                    Some((_, gives)) => {
                        let what = match path.split('.').next() {
                            Some("filters") => "a filter reads rows",
                            Some("views") => "a view reads flow records or rows",
                            Some("joins") => "a join reads rows",
                            _ => "a sink writes rows",
                        };
                        let may = list(outputs().filter(|known| *known != own));
                        fault("E0304", format!("{what}, and `{name}` gives {gives}"))
                            .help(format!("read {may} here"))
                    }
                    None => {
                        let known =
                            || outputs().chain(others.iter().map(|(name, _)| name.as_str()));
                        let may = list(outputs().filter(|known| *known != own));
                        let told = fault("E0302", format!("no node is named `{name}`")).help(
                            did_you_mean(name, known())
                                .unwrap_or_else(|| format!("read {may} here")),
                        );
                        match nearest(name, known())[..] {
                            [one] => told.edit(format!("\"{one}\"")),
                            _ => told,
                        }
                    }
                },
            };
            self.found.push(told);
        }
        names
    }

    /// Reports filters that read each other in a circle.
    pub(super) fn no_circles(&mut self, filters: &[(Raw<'a>, Vec<String>)]) {
        let reads = |at: usize| {
            let inputs = filters[at].1.iter();
            inputs.filter_map(|input| {
                let head = input.split('.').next().unwrap_or_default();
                filters.iter().position(|(raw, _)| raw.name == head)
            })
        };
        for start in 0..filters.len() {
            // the way back to the start, breadth first
            let mut ways = vec![vec![start]];
            let mut seen = vec![false; filters.len()];
            let mut found = None;
            while let (Some(way), None) = (ways.pop(), &found) {
                let last = way[way.len() - 1];
                for next in reads(last) {
                    let mut longer = way.clone();
                    longer.push(next);
                    if next == start {
                        found = Some(longer);
                    } else if !std::mem::replace(&mut seen[next], true) {
                        ways.push(longer);
                    }
                }
            }
            let Some(way) = found else { continue };
            let raw = &filters[start].0;
            let names: Vec<&str> = way.iter().map(|at| filters[*at].0.name.as_str()).collect();
            let at = raw.entry("input").map_or(raw.at, |entry| entry.value.at);
            let message = format!("`{}` reads itself: {}", raw.name, names.join(" <- "));
            self.found.push(
                Diagnostic::new("E0305", at, format!("{}.input", raw.path), message)
                    .help("let one of them read `features`"),
            );
            return;
        }
    }
}
