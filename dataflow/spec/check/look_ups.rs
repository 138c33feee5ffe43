//! Look-ups: which views expressions may ask, and when rows see them.

use super::expressions::Rows;
use super::{Check, Raw};
use crate::spec::diagnostic::Diagnostic;
use crate::spec::load::{Entry, Kind, Value};
use crate::spec::{Loaded, View};
use operators::expressions::lookups::{LookUp, Viewed, ViewedRelation};
use operators::expressions::parse;
use operators::expressions::syntax::{self, Expr};
use operators::options::Setting;
use operators::views::look_ups::{LookUps, Seen};
use operators::views::{AsOf, ViewOptions, Window};

impl<'a> Check<'a> {
    /// Lets expressions over rows look things up in views.
    pub(super) fn show_views(
        &self,
        rows: &mut Rows,
        views: &[(Raw<'a>, View)],
        of_rows: &[Raw<'a>],
    ) {
        for (raw, view) in views {
            let relations = view.rules.relations.iter().map(|made| ViewedRelation {
                name: made.name.clone(),
                columns: made
                    .columns
                    .iter()
                    .map(|one| (one.name.clone(), one.kind.clone()))
                    .collect(),
                keys: made.keys.clone(),
            });
            rows.context.show(Viewed {
                name: raw.name.clone(),
                relations: relations.collect(),
                reads_rows: false,
            });
        }
        // what looks up a view with faults of its own has no other fault
        let written = self.loaded.root.iter().find(|entry| entry.name == "views");
        let written = written.and_then(|entry| entry.value.entries());
        for entry in written.into_iter().flatten() {
            if views.iter().all(|(raw, _)| raw.name != entry.name) {
                rows.context.show(Viewed {
                    name: entry.name.clone(),
                    relations: Vec::new(),
                    reads_rows: of_rows.iter().any(|raw| raw.name == entry.name),
                });
            }
        }
    }

    /// A view without windows has no ends but that of the input.
    pub(super) fn as_of(&mut self, raw: &Raw<'_>, options: &ViewOptions) {
        let Some(entry) = raw.entry("asof") else {
            return;
        };
        if options.asof == Some(AsOf::End) && options.window == Window::All {
            let message = "`asof = \"end\"` is the end of a window, and the view has none";
            let path = format!("{}.asof", raw.path);
            self.found.push(
                Diagnostic::new("E0008", entry.value.at, path, message).help(
                    "add `window = { sliding = \"300s\", step = \"10s\" }`, or leave `asof` out",
                ),
            );
        }
    }
}

/// A node that rows go through, and what it reads.
struct Through<'a> {
    name: &'a str,
    /// Where `input` is, if it is written.
    input: Option<&'a Entry>,
    /// The nodes that it reads, and the views that it looks up.
    reads: Vec<&'a str>,
}

impl<'a> Check<'a> {
    /// Reports views over rows that look the same views up.
    pub(super) fn no_loops<'s>(&mut self, flows: &'s str, features: Option<&'s Raw<'a>>)
    where
        'a: 's,
    {
        let loaded: &'s Loaded = self.loaded;
        let section = |name: &str| {
            let found = loaded.root.iter().find(|entry| entry.name == name);
            let found = found.and_then(|entry| entry.value.entries());
            found.into_iter().flatten()
        };
        let features_name = section("features").find_map(|entry| {
            // `[features.NAME]`, where it is no key of the section
            let is_it = features.is_some_and(|raw| raw.at == entry.at);
            is_it.then_some(entry.name.as_str())
        });
        let features_name = features_name.unwrap_or("features");
        let mut nodes = vec![Through {
            name: features_name,
            input: None,
            reads: features
                .into_iter()
                .filter_map(|raw| raw.entries.iter().find(|entry| entry.name == "derive"))
                .flat_map(|entry| looked(&entry.value))
                .collect(),
        }];
        for (kind, usual) in [("filters", features_name), ("views", flows)] {
            for node in section(kind) {
                let entries = node.value.entries().unwrap_or_default();
                let input = entries.iter().find(|entry| entry.name == "input");
                let mut reads = match input.map(|entry| &entry.value) {
                    Some(value) => texts(value),
                    None => vec![usual],
                };
                for name in &mut reads {
                    *name = name.split('.').next().unwrap_or_default();
                }
                if kind == "filters" {
                    reads.extend(looked(&node.value));
                }
                nodes.push(Through {
                    name: &node.name,
                    input,
                    reads,
                });
            }
        }
        let is_view = |name: &str| section("views").any(|view| view.name == name);
        let mut told: Vec<&str> = Vec::new();
        for node in nodes.iter().filter(|node| is_view(node.name)) {
            let (Some(input), Some(way)) = (node.input, way_back(node, &nodes)) else {
                continue;
            };
            // each loop once
            if way.iter().any(|name| told.contains(name)) {
                continue;
            }
            told.push(node.name);
            let (name, next) = (node.name, way.get(1).copied().unwrap_or_default());
            let path = format!("views.{name}.input");
            let message = match way.len() {
                3 => format!(
                    "`{name}` reads `{next}`, and `{next}` reads `{name}`: {}",
                    way.join(" -> ")
                ),
                _ => format!("`{name}` reads itself: {}", way.join(" -> ")),
            };
            let help = match self.needs_derived(name, features) {
                false => format!("read `{flows}` here: the view needs no derived column"),
                true => "look up a view that reads none of these rows".to_owned(),
            };
            self.found
                .push(Diagnostic::new("E0305", input.value.at, path, message).help(help));
        }
    }

    /// Whether a view names a derived column.
    fn needs_derived(&self, view: &str, features: Option<&Raw<'a>>) -> bool {
        let derive = features.and_then(|raw| raw.entry("derive")?.value.entries());
        let derived = derive.unwrap_or_default();
        let views = self.loaded.root.iter().find(|entry| entry.name == "views");
        let views = views.and_then(|entry| entry.value.entries());
        let mut views = views.into_iter().flatten();
        let Some(view) = views.find(|one| one.name == view) else {
            return false;
        };
        texts(&view.value).into_iter().any(|text| {
            let words = text.split(|c: char| !c.is_alphanumeric() && c != '_');
            let mut words = words.filter(|word| !word.is_empty());
            words.any(|word| derived.iter().any(|entry| entry.name == word))
        })
    }
}

/// The shortest way from a node to itself, both ends included.
fn way_back<'a>(start: &Through<'a>, nodes: &[Through<'a>]) -> Option<Vec<&'a str>> {
    let mut ways = vec![vec![start.name]];
    let mut seen: Vec<&str> = Vec::new();
    while !ways.is_empty() {
        let mut longer = Vec::new();
        for way in ways {
            let last = way.last().copied().unwrap_or_default();
            let reads = nodes.iter().filter(|node| node.name == last);
            for next in reads.flat_map(|node| &node.reads) {
                let way: Vec<&str> = way.iter().copied().chain([*next]).collect();
                if *next == start.name {
                    return Some(way);
                }
                if !seen.contains(next) {
                    seen.push(next);
                    longer.push(way);
                }
            }
        }
        ways = longer;
    }
    None
}

/// All texts in a value.
fn texts(value: &Value) -> Vec<&str> {
    match &value.kind {
        Kind::Leaf(Setting::Text(text)) => vec![text],
        Kind::Leaf(_) => Vec::new(),
        Kind::List(items) => items.iter().flat_map(texts).collect(),
        Kind::Table { entries, .. } => {
            let values = entries.iter().map(|entry| &entry.value);
            values.flat_map(texts).collect()
        }
    }
}

/// The views that the expressions in a value look up.
fn looked(value: &Value) -> Vec<&str> {
    let mut found = Vec::new();
    for text in texts(value) {
        if let (true, Ok(tree)) = (text.contains("view"), parse(text)) {
            asked(&tree, &mut |at| found.push(at.of(text)));
        }
    }
    let quotes = ['"', '\''];
    let names = found.into_iter().map(|name| name.trim_matches(quotes));
    names
        .map(|name| name.split('.').next().unwrap_or_default())
        .collect()
}

/// Where the names are of the views that an expression looks up.
fn asked(tree: &Expr, each: &mut impl FnMut(syntax::Span)) {
    if let syntax::Kind::Call(name, _, arguments) = &tree.kind
        && name == "view"
        && let Some(first) = arguments.first().and_then(|first| first.value.as_ref())
    {
        each(first.at);
    }
    for part in tree.parts() {
        asked(part, each);
    }
}

/// All that expressions look up.
pub(super) fn look_ups(rows: &Rows, views: &[(Raw<'_>, View)]) -> LookUps {
    let view = |asked: &LookUp| views.iter().find(|(raw, _)| raw.name == asked.view);
    let known = rows.asked.iter().all(|asked| view(asked).is_some());
    // else there are faults, and nothing is run
    if !known {
        return LookUps::default();
    }
    LookUps::new(&rows.asked, &rows.derived, |asked| {
        let view = view(asked).map(|(_, view)| view);
        let made = view.and_then(|view| view.rules.relations.get(asked.relation));
        let options = view.map(|view| &view.options);
        Seen {
            window: options.map_or(Window::All, |options| options.window),
            at_end: options.is_some_and(|options| options.asof == Some(AsOf::Input)),
            made: made.cloned().unwrap_or_default(),
        }
    })
}
