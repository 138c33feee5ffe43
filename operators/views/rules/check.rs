//! What is wrong with rules, found before anything runs: names, variables that nothing binds, relations that nothing joins.
//!
//! Recursion is checked in `strata.rs`, types in `compile.rs`.

use super::plan::{MadeColumn, Outer};
use super::syntax::{Atom, Bound, HeadValue, Literal, Rule};
use crate::expressions::syntax::{Expr, Span};
use crate::expressions::{Fault, Type};
use std::collections::BTreeSet;

/// A relation that rules may read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Relation {
    /// Its name.
    pub name: String,
    /// Its columns.
    pub columns: Vec<RelationColumn>,
    /// Where its rows come from.
    pub from: ReadFrom,
}

/// Where the rows of a relation come from that rules may read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ReadFrom {
    /// The input of this place.
    Input(usize),
    /// Another view: their columns are words.
    View(Outer),
}

/// A column of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RelationColumn {
    /// Its name.
    pub name: String,
    /// Its type.
    pub kind: Type,
    /// Whether it can be null: a row with a null in a column that a rule names is none to that rule.
    pub null: bool,
    /// Its place in the rows; of a relation of a view its word.
    pub place: u32,
}

impl RelationColumn {
    /// Of a relation that is made.
    pub fn of(made: &MadeColumn) -> Self {
        Self {
            name: made.name.clone(),
            kind: made.kind.clone(),
            null: made.null,
            place: u32::try_from(made.word).unwrap_or(u32::MAX),
        }
    }
}

impl Rule {
    /// The atoms of its body.
    pub fn atoms(&self) -> impl Iterator<Item = &Atom> {
        self.body.iter().filter_map(|literal| match literal {
            Literal::Atom(atom) => Some(atom),
            _ => None,
        })
    }
}

impl Atom {
    /// The variables that it names, with their places.
    pub fn variables(&self) -> impl Iterator<Item = (&str, Span)> {
        self.arguments
            .iter()
            .filter_map(|argument| match &argument.value {
                Bound::Variable(name, at) => Some((name.as_str(), *at)),
                _ => None,
            })
    }
}

/// The names in an expression, with their places.
pub fn names_of(expr: &Expr) -> Vec<(&str, Span)> {
    let mut found = Vec::new();
    expr.names(&mut |name, at| found.push((name, at)));
    found
}

/// All that is wrong with names and variables.
pub fn faults(rules: &[Rule], inputs: &[Relation], allow_cross: bool) -> Vec<Fault> {
    let mut faults = Vec::new();
    for (at, rule) in rules.iter().enumerate() {
        heads(rule, &rules[..at], inputs, &mut faults);
        let before = faults.len();
        for atom in rule.atoms() {
            relations(atom, rules, inputs, &mut faults);
        }
        unbound(rule, &mut faults);
        if faults.len() == before && !allow_cross {
            faults.extend(crossed(rule));
        }
    }
    faults
}

/// The columns of a relation by its name.
fn columns_of<'a>(name: &str, rules: &'a [Rule], inputs: &'a [Relation]) -> Option<Vec<&'a str>> {
    let input = inputs.iter().find(|input| input.name == name);
    if let Some(input) = input {
        return Some(input.columns.iter().map(|one| one.name.as_str()).collect());
    }
    let head = rules
        .iter()
        .map(|rule| &rule.head)
        .find(|head| head.name == name)?;
    Some(head.columns.iter().map(|one| one.name.as_str()).collect())
}

fn heads(rule: &Rule, before: &[Rule], inputs: &[Relation], faults: &mut Vec<Fault>) {
    let head = &rule.head;
    let name = &head.name;
    if inputs.iter().any(|input| input.name == *name) {
        let message = format!("`{name}` is read: no rule can make it");
        faults.push(Fault::new("E0301", head.at, message).help("give the relation another name"));
    }
    for (at, column) in head.columns.iter().enumerate() {
        if head.columns[..at].iter().any(|one| one.name == column.name) {
            let message = format!("`{name}` has the column `{}` twice", column.name);
            faults.push(Fault::new("E0301", column.at, message));
        }
    }
    if head.columns.is_empty() {
        let message = format!("`{name}` has no column");
        faults.push(Fault::new("E0607", head.at, message).help("give it at least one"));
    }
    let Some(first) = before
        .iter()
        .map(|rule| &rule.head)
        .find(|head| head.name == *name)
    else {
        return;
    };
    let listed = |head: &super::syntax::Head| -> BTreeSet<String> {
        head.columns
            .iter()
            .map(|column| column.name.clone())
            .collect()
    };
    if listed(first) != listed(head) {
        let message = format!("the rules of `{name}` have different columns");
        let columns: Vec<&str> = first.columns.iter().map(|one| one.name.as_str()).collect();
        let help = format!("the first one has `{name}({})`", columns.join(", "));
        faults.push(Fault::new("E0607", head.at, message).help(help));
        return;
    }
    for column in &head.columns {
        let same = first.columns.iter().find(|one| one.name == column.name);
        let kind = |value: &HeadValue| match value {
            HeadValue::Each(_) => None,
            HeadValue::Over(fold, ..) => Some(*fold),
        };
        if same.is_some_and(|same| kind(&same.value) != kind(&column.value)) {
            let message = format!(
                "`{}` of `{name}` is aggregated in one rule and not in the same way in another",
                column.name
            );
            let help = "gather the rows in a relation of their own, and aggregate that one";
            faults.push(Fault::new("E0606", column.at, message).help(help));
        }
    }
}

fn relations(atom: &Atom, rules: &[Rule], inputs: &[Relation], faults: &mut Vec<Fault>) {
    let name = &atom.name;
    let Some(columns) = columns_of(name, rules, inputs) else {
        let mut known: Vec<String> = inputs.iter().map(|input| input.name.clone()).collect();
        known.extend(rules.iter().map(|rule| rule.head.name.clone()));
        known.sort_unstable();
        known.dedup();
        let message = format!("no relation is named `{name}`");
        faults.push(Fault::new("E0302", atom.name_at, message).known(known));
        return;
    };
    for (at, argument) in atom.arguments.iter().enumerate() {
        let column = &argument.column;
        if !columns.contains(&column.as_str()) {
            let message = format!("`{name}` has no column `{column}`");
            let known = columns.iter().map(|column| (*column).to_owned()).collect();
            faults.push(Fault::new("E0201", argument.at, message).known(known));
        }
        if atom.arguments[..at].iter().any(|one| one.column == *column) {
            let message = format!("`{column}` is named twice");
            faults.push(Fault::new("E0214", argument.at, message));
        }
        if let Bound::Constant(value) = &argument.value
            && !value.parts().is_empty()
        {
            let message = "a column is bound to a variable or to a value that is written out";
            let help = format!("bind it to a variable, and compare that: `{column}: x, x == ...`");
            faults.push(Fault::new("E0214", value.at, message).help(help));
        }
    }
}

/// The variables that have a value, in the order in which they get it.
pub fn bound(rule: &Rule) -> Vec<&str> {
    let positive = rule.atoms().filter(|atom| !atom.negated);
    let mut bound: Vec<&str> = Vec::new();
    for (name, _) in positive.flat_map(Atom::variables) {
        if !bound.contains(&name) {
            bound.push(name);
        }
    }
    loop {
        let before = bound.len();
        for literal in &rule.body {
            if let Literal::Let(name, _, expr) = literal
                && !bound.contains(&name.as_str())
                && names_of(expr).iter().all(|(name, _)| bound.contains(name))
            {
                bound.push(name);
            }
        }
        if bound.len() == before {
            return bound;
        }
    }
}

fn unbound(rule: &Rule, faults: &mut Vec<Fault>) {
    let bound = bound(rule);
    let mut used: Vec<(&str, Span)> = Vec::new();
    for literal in &rule.body {
        match literal {
            Literal::Atom(atom) if atom.negated => used.extend(atom.variables()),
            Literal::Atom(_) => {}
            Literal::Let(_, _, expr) | Literal::If(expr) => used.extend(names_of(expr)),
        }
    }
    for column in &rule.head.columns {
        match &column.value {
            HeadValue::Each(expr) | HeadValue::Over(_, _, Some(expr)) => {
                used.extend(names_of(expr))
            }
            HeadValue::Over(..) => {}
        }
    }
    used.sort_unstable_by_key(|(_, at)| *at);
    let mut told: Vec<&str> = Vec::new();
    for (name, at) in used {
        if bound.contains(&name) || told.contains(&name) {
            continue;
        }
        told.push(name);
        let message = format!("`{name}` is not bound by any relation in this rule");
        let known = bound.iter().map(|name| (*name).to_owned()).collect();
        faults.push(Fault::new("E0601", at, message).known(known));
    }
}

/// The first atom that no variable ties to those before it, however they are put in order.
fn crossed(rule: &Rule) -> Option<Fault> {
    let atoms: Vec<&Atom> = rule.atoms().filter(|atom| !atom.negated).collect();
    let first = *atoms.first()?;
    let mut tied: Vec<&Atom> = vec![first];
    loop {
        let names: BTreeSet<&str> = tied
            .iter()
            .flat_map(|atom| atom.variables())
            .map(|(name, _)| name)
            .collect();
        let next = atoms.iter().find(|atom| {
            !tied.contains(atom) && atom.variables().any(|(name, _)| names.contains(name))
        });
        match next {
            Some(atom) => tied.push(atom),
            None => break,
        }
    }
    let loose = *atoms.iter().find(|atom| !tied.contains(atom))?;
    let message = format!(
        "nothing joins `{}(...)` and `{}(...)`: every row would meet every row",
        first.name, loose.name
    );
    // a variable that is used nowhere else was meant to tie them, most likely
    let uses = |name: &str| {
        let mut all: Vec<&str> = rule
            .atoms()
            .flat_map(Atom::variables)
            .map(|(name, _)| name)
            .collect();
        for literal in &rule.body {
            if let Literal::Let(_, _, expr) | Literal::If(expr) = literal {
                all.extend(names_of(expr).iter().map(|(name, _)| *name));
            }
        }
        for column in &rule.head.columns {
            if let HeadValue::Each(expr) | HeadValue::Over(_, _, Some(expr)) = &column.value {
                all.extend(names_of(expr).iter().map(|(name, _)| *name));
            }
        }
        all.iter().filter(|one| **one == name).count()
    };
    let own: Vec<&str> = first.variables().map(|(name, _)| name).collect();
    let tie = own
        .iter()
        .find(|name| uses(name) == 1)
        .or_else(|| own.first());
    let column = loose
        .arguments
        .first()
        .map(|argument| argument.column.as_str());
    let help = match (tie, column) {
        (Some(tie), Some(column)) => format!(
            "share a variable, e.g. `{}({column}: {tie}, ...)`, or set `allow_cross = true`",
            loose.name
        ),
        _ => "share a variable, or set `allow_cross = true`".to_owned(),
    };
    Some(Fault::new("E0603", loose.at, message).help(help))
}
