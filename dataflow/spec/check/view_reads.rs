//! Views over other views: which relations a view reads, and what it knows of them.

use super::{Check, Inputs, Raw};
use crate::spec::View;
use crate::spec::diagnostic::{Diagnostic, Span};
use crate::spec::load::{Kind, Value};
use crate::spec::suggest::{did_you_mean, list};
use operators::expressions::{Context, Field, Known, Type};
use operators::views::rules::{Made, Outer, OverView, ReadFrom, Relation, RelationColumn};
use operators::views::{ViewOptions, Window};

/// The relations of other views that a view reads.
#[derive(Default)]
pub(super) struct Reads<'v> {
    /// As `input` names them.
    pub names: Vec<String>,
    /// The relations, with the views that they are of.
    pub relations: Vec<(&'v str, &'v View, usize)>,
    /// Where the first one is named.
    pub at: Option<(Span, String)>,
    /// Whether one of the views has faults of its own.
    pub has_faulty: bool,
}

impl Reads<'_> {
    /// As rules name them: `view.relation`, and `view` alone where it has one.
    pub fn of_rules(&self) -> Vec<Relation> {
        let mut all: Vec<Relation> = Vec::new();
        for (view, settings, at) in &self.relations {
            let relations = &settings.rules.relations;
            let Some(made) = relations.get(*at) else {
                continue;
            };
            let mut names = vec![format!("{view}.{}", made.name)];
            names.extend((relations.len() == 1).then(|| (*view).to_owned()));
            for name in names {
                if all.iter().all(|known| known.name != name) {
                    all.push(Relation {
                        name,
                        columns: made.columns.iter().map(RelationColumn::of).collect(),
                        from: ReadFrom::View(outer(view, *at)),
                    });
                }
            }
        }
        all
    }

    /// The one relation that groups are made of.
    pub fn of_groups(&self) -> Option<(OverView, &Made)> {
        let [(view, settings, at)] = self.relations[..] else {
            return None;
        };
        let made = settings.rules.relations.get(at)?;
        let words = made.columns.iter().map(|one| one.word + one.words).max();
        let over = OverView {
            outer: outer(view, at),
            words: words.unwrap_or(1),
        };
        Some((over, made))
    }
}

fn outer(view: &str, relation: usize) -> Outer {
    Outer {
        view: view.to_owned(),
        relation,
    }
}

/// The columns of a relation of a view, as words; `variables` has those of the spec.
pub(super) fn context_of(made: &Made, variables: &Context) -> Context {
    let mut context = Context::new("a view over a view knows the columns of what it reads");
    for column in &made.columns {
        let known = match &column.kind {
            Type::List(_) => {
                let message = format!(
                    "`{}` is {}: no view over it can read it",
                    column.name, column.kind
                );
                let help =
                    "select a single value in the view that is read, such as `mode` or `min`";
                Known::Fault("E0207", message, Some(help.to_owned()))
            }
            kind => Known::Field(Field {
                place: u32::try_from(column.word).unwrap_or(u32::MAX),
                kind: kind.clone(),
                null: column.null,
            }),
        };
        context.add(&column.name, known);
    }
    context.borrow_variables(variables);
    context
}

/// What stands before the first point of a name.
fn head(name: &str) -> &str {
    name.split('.').next().unwrap_or_default()
}

/// The names in the `input` of a view, as far as they are texts.
fn named<'r>(raw: &Raw<'r>) -> Vec<&'r str> {
    match raw.entry("input").map(|entry| &entry.value.kind) {
        Some(Kind::List(items)) => items.iter().filter_map(Value::text).collect(),
        Some(_) => raw
            .entry("input")
            .and_then(|entry| entry.value.text())
            .into_iter()
            .collect(),
        None => Vec::new(),
    }
}

/// The views that read flow records and nothing else, themselves or by other views, and the others; those that are read stand
/// before those that read them.
pub(super) fn in_order<'a>(raws: Vec<Raw<'a>>, flows: &str) -> (Vec<Raw<'a>>, Vec<Raw<'a>>) {
    let mut of_flows: Vec<String> = Vec::new();
    loop {
        let more = raws.iter().find(|raw| {
            let reads =
                |name: &&str| **name == *flows || of_flows.iter().any(|one| one == head(name));
            let is_text = raw.entry("input").is_none_or(|_| !named(raw).is_empty());
            !of_flows.contains(&raw.name) && is_text && named(raw).iter().all(reads)
        });
        let Some(more) = more else { break };
        of_flows.push(more.name.clone());
    }
    let mut left = raws;
    let mut ordered: Vec<Raw<'a>> = Vec::new();
    // what is left reads itself, which is told elsewhere
    while let Some(at) = left.iter().position(|raw| {
        let mut others = left.iter().filter(|other| other.name != raw.name);
        others.all(|other| named(raw).iter().all(|name| head(name) != other.name))
    }) {
        ordered.push(left.remove(at));
    }
    ordered.append(&mut left);
    let is_of_flows = |raw: &Raw<'a>| of_flows.contains(&raw.name);
    ordered.into_iter().partition(is_of_flows)
}

impl<'a> Check<'a> {
    /// Takes the relations of other views out of what a view reads; `known` are the views without faults.
    pub(super) fn reads_of_views<'v>(
        &mut self,
        raw: &Raw<'_>,
        inputs: &mut Inputs,
        known: &'v [(Raw<'a>, View)],
    ) -> Reads<'v> {
        let mut reads = Reads::default();
        for (name, at, path) in std::mem::take(inputs) {
            if !self.is_view(head(&name)) {
                inputs.push((name, at, path));
                continue;
            }
            reads.at.get_or_insert_with(|| (at, path.clone()));
            let view = known.iter().find(|(view, _)| view.name == head(&name));
            let Some((view, settings)) = view else {
                reads.has_faulty = true;
                continue;
            };
            let is_whole = raw.entry("rules").is_some() && !name.contains('.');
            let places = match is_whole {
                true => (0..settings.rules.relations.len()).collect(),
                false => {
                    let found = self.relation_of((&view.name, settings), &name, (at, &path));
                    found.into_iter().collect::<Vec<_>>()
                }
            };
            reads.has_faulty |= places.is_empty();
            for place in places {
                let known =
                    |one: &(&str, &View, usize)| (one.0, one.2) == (view.name.as_str(), place);
                if !reads.relations.iter().any(known) {
                    reads.relations.push((&view.name, settings, place));
                }
            }
            if !reads.names.contains(&name) {
                reads.names.push(name);
            }
        }
        reads
    }

    /// The place of the relation that a name means.
    pub(super) fn relation_of(
        &mut self,
        (view, settings): (&str, &View),
        name: &str,
        (at, path): (Span, &str),
    ) -> Option<usize> {
        let made = &settings.rules.relations;
        let all = || list(made.iter().map(|made| made.name.as_str()));
        match name.split_once('.') {
            Some((_, tail)) => {
                let found = made.iter().position(|made| made.name == tail);
                if found.is_none() {
                    let message = format!("`{view}` has no relation `{tail}`");
                    let known = made.iter().map(|made| made.name.as_str());
                    let help =
                        did_you_mean(tail, known).unwrap_or_else(|| format!("it has {}", all()));
                    self.found
                        .push(Diagnostic::new("E0302", at, path, message).help(help));
                }
                found
            }
            None if made.len() == 1 => Some(0),
            None => {
                let message = format!("`{view}` has several relations");
                self.found.push(
                    Diagnostic::new("E0303", at, path, message)
                        .help(format!("name one, as `{view}.NAME`: {}", all())),
                );
                None
            }
        }
    }

    /// A view has the window of those that it reads: written, or by default.
    pub(super) fn same_window(
        &mut self,
        raw: &Raw<'_>,
        options: &mut ViewOptions,
        reads: &Reads<'_>,
    ) {
        let Some((first, settings, _)) = reads.relations.first() else {
            return;
        };
        let window = settings.options.window;
        let text = |window: Window| match window {
            Window::All => "no window".to_owned(),
            window => format!("the window `{}`", window.text()),
        };
        match raw.entry("window") {
            None => options.window = window,
            Some(entry) if options.window != window => {
                let own = text(options.window);
                let message = format!(
                    "`{}` has {own}, and `{first}`, which it reads, {}",
                    raw.name,
                    text(window)
                );
                let help = "a view has the window of the view that it reads: leave `window` out, or give both the same";
                let path = format!("{}.window", raw.path);
                self.found
                    .push(Diagnostic::new("E0607", entry.value.at, path, message).help(help));
            }
            Some(_) => {}
        }
        let other = reads
            .relations
            .iter()
            .find(|one| one.1.options.window != window);
        if let (Some((other, settings, _)), Some((at, path))) = (other, &reads.at) {
            let message = format!(
                "`{first}` has {}, and `{other}` {}",
                text(window),
                text(settings.options.window)
            );
            self.found.push(
                Diagnostic::new("E0607", *at, path, message)
                    .help("views that are read together have one window"),
            );
        }
    }

    /// Groups are made of rows, or of one relation of a view.
    pub(super) fn one_relation(&mut self, reads: &Reads<'_>, rows: usize) -> bool {
        let Some((at, path)) = &reads.at else {
            return true;
        };
        let is_one = reads.relations.len() == 1 && rows == 0;
        if !is_one {
            let message = "groups are made of rows, or of one relation of a view, and of nothing else with it";
            let help = "write the view as rules, which may read several relations";
            self.found
                .push(Diagnostic::new("E0304", *at, path, message).help(help));
        }
        is_one
    }
}
