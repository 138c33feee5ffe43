//! Views in the form of groups: `where`, `group_by`, `select`, `having` and `top` become one rule of a plan, like any other.
//!
//! Conditions, keys and the arguments of aggregates are computed over the columns of the rows, before anything becomes a word. An
//! argument with a `where` is null where that does not hold.

use super::aggregate::{argument, can_be_null, what};
use super::compile::Found;
use super::named::{Named, fits_a_word, is_named};
use super::plan::{
    Gives, MAX_WIDTH, Made, MadeColumn, Outer, Plan, Read, Reading, Source, Step, Steps, Strata,
};
use super::top::Top;
use super::totals::{Fold, Groups};
use crate::expressions::aggregates::{AGGREGATES, Aggregate};
use crate::expressions::syntax::{Expr, Span};
use crate::expressions::{
    Checker, Constant, Context, Fault, Field, Known, Node, Program, Type, Typed, eval, parse,
};

/// A view as it is written, part by part.
#[derive(Clone, Debug, Default)]
pub struct GroupForm<'a> {
    /// Its name.
    pub name: &'a str,
    /// How many inputs it reads, all with the same columns.
    pub inputs: usize,
    /// The relation of another view that it reads instead.
    pub view: Option<OverView>,
    /// Which rows count.
    pub condition: Option<&'a str>,
    /// The columns that the rows of a group agree in.
    pub by: Vec<&'a str>,
    /// Names and expressions of the columns behind these.
    pub select: Vec<(&'a str, &'a str)>,
    /// Which groups are in the view.
    pub having: Option<&'a str>,
    /// Of these only the first, by a column: how many, and the columns for each of whose values there are as many.
    pub top: Option<(&'a str, usize, Vec<&'a str>)>,
}

/// A relation of another view: its columns are words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OverView {
    /// Which.
    pub outer: Outer,
    /// Words of its rows.
    pub words: usize,
}

/// A part of it: where a fault is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// `where`.
    Where,
    /// One of `group_by`.
    By(usize),
    /// One of `select`.
    Select(usize),
    /// `having`.
    Having,
    /// `from` of `graph`.
    From,
    /// `to` of `graph`.
    To,
    /// `weight` of `graph`.
    Weight,
    /// `metrics`.
    Metrics,
    /// One of them.
    Metric(usize),
    /// `by` of `top`.
    TopBy,
    /// One of `per` of `top`.
    TopPer(usize),
    /// All of it.
    Whole,
}

/// What is wrong, and where.
type Faults = Vec<(Part, Fault)>;

/// The plan of a view over rows that have the names of `rows`; `packets` are the aggregates over packets that they have.
///
/// # Errors
/// All that is wrong with it.
pub fn compile_group(
    form: &GroupForm<'_>,
    rows: &Context,
    packets: &mut Vec<Aggregate>,
) -> Result<Plan, Faults> {
    let mut faults = Vec::new();
    let advice = match form.view {
        Some(_) => "compare it in the view that is read, where its rows come in",
        None => "compare it in `where`, before rows are grouped",
    };
    let mut named = Named::new(advice);
    let condition = form.condition.and_then(|text| {
        let checked = match form.view {
            Some(_) => over_words(text, rows, &mut named),
            None => parse(text)
                .and_then(|tree| Checker::rows(rows, text, packets).truth(&tree, "`where`")),
        };
        told(checked, Part::Where, &mut faults)
    });
    let keys: Vec<Option<Typed>> = (0..)
        .zip(&form.by)
        .map(|(at, name)| told(key(name, rows), Part::By(at), &mut faults))
        .collect();
    let mut compiler = Compiler {
        rows,
        groups: over(form, &keys, rows),
        aggregates: Vec::new(),
        named,
        is_over_view: form.view.is_some(),
    };
    let mut selected = Vec::new();
    for (at, (name, text)) in (0..).zip(&form.select) {
        let found = compiler.select(text);
        let found = told(found, Part::Select(at), &mut faults);
        selected.extend(found.map(|(typed, span)| (*name, text, typed, span)));
    }
    let having = form.having.and_then(|text| {
        let found = compiler.having(text, form, &keys, &selected);
        told(found, Part::Having, &mut faults)
    });
    let columns: Vec<&str> = form
        .by
        .iter()
        .copied()
        .chain(form.select.iter().map(|(name, _)| *name))
        .collect();
    if let Some((by, _, per)) = &form.top {
        let parts = (0..).zip(per).map(|(at, name)| (Part::TopPer(at), name));
        for (part, name) in [(Part::TopBy, by)].into_iter().chain(parts) {
            if !columns.contains(name) {
                let at = Span {
                    start: 0,
                    end: name.len(),
                };
                let message = format!("`{name}` is neither grouped by nor selected");
                let known = columns.iter().map(|name| (*name).to_owned()).collect();
                let fault = Fault::new("E0201", at, message).known(known);
                faults.push((part, fault.help(listed(&columns))));
            }
        }
    }
    if !faults.is_empty() {
        return Err(faults);
    }
    let keys: Vec<Typed> = keys.into_iter().flatten().collect();
    compiler
        .plan(form, condition, &keys, selected, having)
        .map_err(|(part, fault)| vec![(part, *fault)])
}

/// A condition over the rows of another view.
pub(super) fn over_words(text: &str, rows: &Context, named: &mut Named) -> Found<Typed> {
    let tree = parse(text)?;
    let mut packets = Vec::new();
    let typed = Checker::rows(rows, text, &mut packets).truth(&tree, "`where`")?;
    if !packets.is_empty() {
        let message = "the rows of a view have no packets";
        let help = "derive a column, and let the view that is read have it";
        return Err(Box::new(Fault::new("E0210", tree.at, message).help(help)));
    }
    named.numbered(typed, tree.at)
}

/// A value of a row of another view, as a word.
pub(super) fn word(typed: &Typed, named: &mut Named, at: Span) -> Found<Typed> {
    // an argument with a `where` has a value or null
    if let (Node::Call(operation, payload, args), true) = (&typed.node, is_named(&typed.kind))
        && let ([filter, value, _], true) = (&args[..], *operation == &eval::IF)
    {
        let filter = named.numbered(filter.clone(), at)?;
        let (value, _) = named.value(value.clone(), at)?;
        let null = Typed::constant(Constant::Null).promoted(&Type::Int);
        let node = Node::Call(operation, payload.clone(), vec![filter, value, null]);
        return Ok(Typed {
            node,
            kind: Type::Int,
            null: true,
        });
    }
    named.value(typed.clone(), at).map(|(value, _)| value)
}

/// A result; a fault is kept with its part.
pub(super) fn told<T>(found: Found<T>, part: Part, faults: &mut Faults) -> Option<T> {
    found.map_err(|fault| faults.push((part, *fault))).ok()
}

fn listed(columns: &[&str]) -> String {
    let names: Vec<String> = columns.iter().map(|name| format!("`{name}`")).collect();
    format!("columns here are {}", names.join(", "))
}

/// A column that is grouped by.
pub(super) fn key(name: &str, rows: &Context) -> Found<Typed> {
    let at = Span {
        start: 0,
        end: name.len(),
    };
    match rows.find(name) {
        Some(Known::Field(field)) if fits_a_word(&field.kind) => Ok(Typed {
            node: Node::Load(field.place),
            kind: field.kind.clone(),
            null: field.null,
        }),
        Some(Known::Field(field)) => {
            let message = format!("`{name}` is {}: rows cannot be grouped by it", field.kind);
            let fault = Fault::new("E0207", at, message);
            Err(Box::new(match field.kind {
                Type::Bytes => fault.help(format!("derive a text: `hex({name})`")),
                _ => fault,
            }))
        }
        Some(Known::Fault(code, message, help)) => {
            let mut fault = Fault::new(code, at, message);
            fault.help.clone_from(help);
            Err(Box::new(fault))
        }
        None => {
            let message = format!("unknown field `{name}`");
            let fault = Fault::new("E0201", at, message).known(rows.names());
            Err(Box::new(fault.help(
                "`group_by` names columns of the rows that the view reads",
            )))
        }
    }
}

/// What groups have: the columns that they are grouped by; of the others it is told that they are not.
fn over(form: &GroupForm<'_>, keys: &[Option<Typed>], rows: &Context) -> Context {
    let mut context = Context::new("a group has the columns that it is grouped by, and aggregates");
    for name in rows.names() {
        let message = format!("`{name}` is not grouped by: a group has many values of it");
        let help =
            format!("aggregate it, e.g. `max({name})`, `distinct({name})` or `first({name})`");
        context.add(&name, Known::Fault("E0201", message, Some(help)));
    }
    context.borrow_variables(rows);
    add_keys(&mut context, form, keys);
    context
}

fn add_keys(context: &mut Context, form: &GroupForm<'_>, keys: &[Option<Typed>]) {
    for (place, (name, typed)) in (0..).zip(form.by.iter().zip(keys)) {
        if let Some(typed) = typed {
            let field = Field {
                place,
                kind: typed.kind.clone(),
                null: typed.null,
            };
            context.add(name, Known::Field(field));
        }
    }
}

/// A selected column: its name, its text, what it is, and where.
type Selected<'a> = (&'a str, &'a &'a str, Typed, Span);

struct Compiler<'a> {
    rows: &'a Context,
    groups: Context,
    /// Over the rows of a group.
    aggregates: Vec<Aggregate>,
    named: Named,
    is_over_view: bool,
}

/// A place of a word of a group, while it is not known where aggregates stand.
const SELECTED: u32 = 1 << 16;

impl Compiler<'_> {
    fn select(&mut self, text: &str) -> Found<(Typed, Span)> {
        let tree = parse(text)?;
        let before = self.aggregates.len();
        let typed =
            Checker::groups(&self.groups, self.rows, text, &mut self.aggregates).check(&tree)?;
        self.measures(before, &tree)?;
        let typed = self.exact(typed);
        let is_list = matches!(
            (&typed.node, &typed.kind),
            (Node::Load(AGGREGATES..), Type::List(_))
        );
        if !is_list && !fits_a_word(&typed.kind) {
            let message = format!("a column of a view cannot be {}", typed.kind);
            return Err(Box::new(Fault::new("E0206", tree.at, message)));
        }
        Ok((typed, tree.at))
    }

    /// Whether views have the aggregates from `first` on.
    fn measures(&mut self, first: usize, tree: &Expr) -> Found<()> {
        for aggregate in self.aggregates.iter().skip(first) {
            let what = what(aggregate, tree.at)?;
            if !self.is_over_view {
                continue;
            }
            if what.is_ordered() {
                let name = aggregate.text.split('(').next().unwrap_or_default().trim();
                let message = format!("`{name}` needs an order, and the rows of a view have none");
                let help = "take `min` or `max` of a time, or `mode`";
                return Err(Box::new(Fault::new("E0214", tree.at, message).help(help)));
            }
            if let Some(value) = argument(aggregate) {
                word(&value, &mut self.named, tree.at)?;
            }
        }
        Ok(())
    }

    /// The same with what is known of aggregates over groups: whether they can be null.
    fn exact(&self, typed: Typed) -> Typed {
        let Typed { node, kind, null } = typed;
        match node {
            Node::Load(place @ AGGREGATES..) => {
                let found = self.aggregates.get((place - AGGREGATES) as usize);
                let null = found.is_none_or(can_be_null);
                Typed { node, kind, null }
            }
            Node::Call(operation, payload, args) => {
                let args = args.into_iter().map(|arg| self.exact(arg)).collect();
                Typed::carrying(operation, payload, args, kind)
            }
            node => Typed { node, kind, null },
        }
    }

    fn having(
        &mut self,
        text: &str,
        form: &GroupForm<'_>,
        keys: &[Option<Typed>],
        selected: &[Selected<'_>],
    ) -> Found<Typed> {
        let mut context = Context::new("`having` knows the columns of the view");
        let columns: Vec<&str> = form
            .by
            .iter()
            .copied()
            .chain(form.select.iter().map(|(name, _)| *name))
            .collect();
        for name in self.rows.names() {
            let message = format!("`{name}` is neither grouped by nor selected");
            context.add(
                &name,
                Known::Fault("E0201", message, Some(listed(&columns))),
            );
        }
        // what has a fault of its own is told there
        for (name, _) in &form.select {
            context.add(name, Known::Fault("", String::new(), None));
        }
        context.borrow_variables(self.rows);
        add_keys(&mut context, form, keys);
        for (name, _, typed, _) in selected {
            let place = form.select.iter().position(|(known, _)| known == name);
            let place = SELECTED + u32::try_from(place.unwrap_or(0)).unwrap_or(0);
            let field = Field {
                place,
                kind: typed.kind.clone(),
                null: typed.null,
            };
            context.add(name, Known::Field(field));
        }
        let tree = parse(text)?;
        let before = self.aggregates.len();
        let typed = Checker::groups(&context, self.rows, text, &mut self.aggregates)
            .truth(&tree, "`having`")?;
        self.measures(before, &tree)?;
        Ok(self.exact(typed))
    }

    /// The rows of another view, with what is taken of them in place of their words.
    fn scan(
        &mut self,
        view: &OverView,
        condition: Option<Typed>,
        values: &[Typed],
    ) -> Found<Vec<Step>> {
        let mut scan = Reading::all(Read::Outer(0));
        scan.takes = (0..view.words).map(|word| (word, word)).collect();
        let words: Vec<Typed> = values
            .iter()
            .map(|value| word(value, &mut self.named, Span::default()))
            .collect::<Result<_, _>>()?;
        let lets = (0..).zip(values.iter().map(|value| value.kind.clone()));
        let compute = Step::Compute {
            program: Program::new(condition.iter().chain(&words)),
            conditions: usize::from(condition.is_some()),
            lets: lets.collect(),
            keeps_nulls: true,
        };
        Ok(vec![Step::Scan(scan), compute])
    }

    /// All of it as steps.
    fn plan(
        mut self,
        form: &GroupForm<'_>,
        condition: Option<Typed>,
        keys: &[Typed],
        selected: Vec<Selected<'_>>,
        having: Option<Typed>,
    ) -> Result<Plan, (Part, Box<Fault>)> {
        let whole = |fault: Box<Fault>| (Part::Whole, fault);
        // what is taken of a row: keys, then each argument once
        let mut values: Vec<Typed> = keys.to_vec();
        let mut summed = Vec::new();
        let mut folds = Vec::new();
        for aggregate in &self.aggregates {
            let what = what(aggregate, Span::default()).map_err(whole)?;
            let of = argument(aggregate).map(|value| {
                let adds = what.adds() && value.kind == Type::Float;
                let known = values.iter().enumerate().skip(keys.len());
                let mut known = known.filter(|(at, _)| summed.contains(at) == adds);
                let at = known.find(|(_, known)| **known == value).map(|(at, _)| at);
                at.unwrap_or_else(|| {
                    values.push(value.clone());
                    if adds {
                        summed.push(values.len() - 1);
                    }
                    values.len() - 1
                })
            });
            folds.push(Fold {
                what,
                of,
                kind: of.map_or(Type::Int, |at| values[at].kind.clone()),
            });
        }
        let in_order = folds.iter().any(|fold| fold.what.is_ordered());
        let taken = values.len() + if in_order { 2 } else { 0 };
        wide(taken, "values of a row").map_err(whole)?;
        let kinds = values.iter().map(|value| value.kind.clone()).collect();
        let (scan, source) = match &form.view {
            Some(view) => (self.scan(view, condition, &values).map_err(whole)?, None),
            None => {
                let mut scan = Reading::all(Read::Source(0));
                scan.takes = (0..taken).map(|word| (word, word)).collect();
                (vec![Step::Scan(scan)], Some(condition))
            }
        };
        let source = source.map(|condition| Source {
            inputs: (0..form.inputs).collect(),
            key: String::new(),
            program: Program::new(condition.iter().chain(&values)),
            conditions: usize::from(condition.is_some()),
            kinds,
            keeps_nulls: true,
            in_order,
            summed,
        });
        let starts: Vec<usize> = folds
            .iter()
            .scan(keys.len(), |at, fold| {
                *at += fold.words();
                Some(*at - fold.words())
            })
            .collect();
        let mut bound = keys.len() + folds.iter().map(Fold::words).sum::<usize>();
        let mut steps = scan;
        steps.push(Step::Groups(Groups {
            by: (0..keys.len()).collect(),
            folds: folds.clone(),
            order: in_order.then_some(values.len()),
        }));
        // where the words of each selected column are, and what is to be computed
        let mut places: Vec<(usize, usize)> = Vec::new();
        let (mut lets, mut programs) = (Vec::new(), Vec::new());
        for (at, (_, _, typed, span)) in selected.iter().enumerate() {
            let part = |fault| (Part::Select(at), fault);
            let found = match typed.node {
                Node::Load(place @ AGGREGATES..) => {
                    let at = (place - AGGREGATES) as usize;
                    (starts[at], folds[at].words())
                }
                Node::Load(place) => (place as usize, 1),
                _ => {
                    let placed = placed(typed.clone(), &starts, &[]);
                    let (value, kind) = self.named.value(placed, *span).map_err(part)?;
                    programs.push(value);
                    lets.push((bound, kind));
                    bound += 1;
                    (bound - 1, 1)
                }
            };
            places.push(found);
        }
        wide(bound, "values of a group").map_err(whole)?;
        if !programs.is_empty() {
            steps.push(Step::Compute {
                program: Program::new(&programs),
                conditions: 0,
                lets,
                keeps_nulls: true,
            });
        }
        if let Some(having) = having {
            let having = placed(having, &starts, &places);
            let span = Span {
                start: 0,
                end: form.having.map_or(0, str::len),
            };
            let numbered = self.named.numbered(having, span);
            let numbered = numbered.map_err(|fault| (Part::Having, fault))?;
            steps.push(Step::Compute {
                program: Program::new([&numbered]),
                conditions: 1,
                lets: Vec::new(),
                keeps_nulls: true,
            });
        }
        let place_of = |name: &str| {
            let key = form.by.iter().position(|known| *known == name);
            let own = selected.iter().position(|(known, ..)| *known == name);
            key.or_else(|| own.map(|at| places[at].0)).unwrap_or(0)
        };
        if let Some((by, n, per)) = &form.top {
            let kinds = form.by.iter().zip(keys.iter().map(|key| &key.kind));
            let own = selected
                .iter()
                .map(|(name, _, typed, _)| (name, &typed.kind));
            let kind = kinds.chain(own).find(|(name, _)| *name == by);
            let kind = kind.map_or(Type::Int, |(_, kind)| kind.clone());
            if !matches!(
                kind,
                Type::Bool | Type::Int | Type::Float | Type::Time | Type::Duration
            ) {
                let message = format!("`top` needs a number, a time or a duration, found {kind}");
                let span = Span {
                    start: 0,
                    end: by.len(),
                };
                return Err((Part::TopBy, Box::new(Fault::new("E0207", span, message))));
            }
            steps.push(Step::Top(Top {
                by: place_of(by),
                kind,
                n: *n,
                per: per.iter().map(|name| place_of(name)).collect(),
            }));
        }
        let mut columns: Vec<MadeColumn> = Vec::new();
        let mut gives: Vec<usize> = Vec::new();
        for (name, typed) in form.by.iter().zip(keys) {
            let column = MadeColumn::new(name, typed.kind.clone(), gives.len());
            columns.push(MadeColumn {
                null: typed.null,
                ..column
            });
            gives.push(gives.len());
        }
        for ((name, _, typed, _), (place, words)) in selected.iter().zip(&places) {
            let column = MadeColumn::new(name, typed.kind.clone(), gives.len());
            columns.push(MadeColumn {
                null: typed.null,
                words: *words,
                ..column
            });
            gives.extend(*place..place + words);
        }
        wide(gives.len(), "values of a group").map_err(whole)?;
        Ok(Plan {
            width: taken
                .max(bound)
                .max(gives.len())
                .max(form.view.as_ref().map_or(0, |view| view.words)),
            constants: self.named.constants().to_vec(),
            sources: source.into_iter().collect(),
            outer: form.view.iter().map(|view| view.outer.clone()).collect(),
            relations: vec![Made {
                name: form.name.to_owned(),
                columns,
                keys: (0..keys.len()).collect(),
            }],
            strata: vec![Strata {
                relations: vec![0],
                is_recursive: false,
            }],
            rules: vec![Steps {
                head: 0,
                steps,
                gives: Gives::Unique(gives),
            }],
        })
    }
}

/// Whether so many words fit into a row.
fn wide(words: usize, what: &str) -> Found<()> {
    if words <= MAX_WIDTH {
        return Ok(());
    }
    let message = format!("the view has to keep {words} {what}, and can keep {MAX_WIDTH}");
    let help = "take it apart: two views with the same `group_by`, each with some of the columns; `first`, `last` and `list` \
        together need two values for their order, and a list as many as its `limit`";
    Err(Box::new(
        Fault::new("E0607", Span::default(), message).help(help),
    ))
}

/// An expression over the words of a group: aggregates start at `starts`, selected columns are at `places`.
fn placed(typed: Typed, starts: &[usize], places: &[(usize, usize)]) -> Typed {
    let at = |place: Option<&usize>| place.map_or(u32::MAX, |at| u32::try_from(*at).unwrap_or(0));
    let node = match typed.node {
        Node::Load(place @ AGGREGATES..) => {
            Node::Load(at(starts.get((place - AGGREGATES) as usize)))
        }
        Node::Load(place @ SELECTED..) => {
            let found = places.get((place - SELECTED) as usize);
            Node::Load(at(found.map(|(at, _)| at)))
        }
        Node::Call(operation, payload, args) => {
            let args = args.into_iter().map(|arg| placed(arg, starts, places));
            Node::Call(operation, payload, args.collect())
        }
        node => node,
    };
    Typed { node, ..typed }
}
