//! The order in which relations are made: those that depend on each other together, after all that they depend on.

use super::check::names_of;
use super::syntax::{Fold, HeadValue, Literal, Rule};
use crate::expressions::Fault;
use crate::expressions::syntax::{Binary, Expr, Kind};
use std::collections::BTreeMap;

/// Relations that are made together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stratum {
    /// Their names.
    pub relations: Vec<String>,
    /// Whether one of them depends on itself.
    pub is_recursive: bool,
}

/// What each relation that rules make depends on, of those that rules make.
struct Depends<'a>(BTreeMap<&'a str, Vec<&'a str>>);

impl<'a> Depends<'a> {
    fn of(rules: &'a [Rule]) -> Self {
        let mut on: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
        for rule in rules {
            on.entry(&rule.head.name).or_default();
        }
        for rule in rules {
            let atoms = rule.atoms().map(|atom| atom.name.as_str());
            let made: Vec<&str> = atoms.filter(|name| on.contains_key(name)).collect();
            if let Some(all) = on.get_mut(rule.head.name.as_str()) {
                all.extend(made);
            }
        }
        Self(on)
    }

    /// The shortest way from one to another, both included.
    fn way(&self, from: &'a str, to: &'a str) -> Option<Vec<&'a str>> {
        let mut ways = vec![vec![from]];
        let mut seen = vec![];
        while !ways.is_empty() {
            let mut longer = Vec::new();
            for way in ways {
                let Some(last) = way.last() else { continue };
                for next in self.0.get(last).into_iter().flatten() {
                    let way: Vec<&str> = way.iter().copied().chain([*next]).collect();
                    if *next == to {
                        return Some(way);
                    }
                    if !seen.contains(next) {
                        seen.push(*next);
                        longer.push(way);
                    }
                }
            }
            ways = longer;
        }
        None
    }
}

/// The strata in order, or what cannot be put in order.
///
/// # Errors
/// All recursions through something that is not monotone.
pub fn strata(rules: &[Rule]) -> Result<Vec<Stratum>, Vec<Fault>> {
    let depends = Depends::of(rules);
    let together =
        |a: &str, b: &str| a == b || (depends.way(a, b).is_some() && depends.way(b, a).is_some());
    let mut faults = Vec::new();
    for rule in rules {
        recursion(rule, rules, &depends, &mut faults);
    }
    if !faults.is_empty() {
        return Err(faults);
    }
    let mut left: Vec<&str> = Vec::new();
    for rule in rules {
        if !left.contains(&rule.head.name.as_str()) {
            left.push(&rule.head.name);
        }
    }
    let mut strata: Vec<Stratum> = Vec::new();
    while let Some(first) = left.iter().copied().find(|name| {
        // nothing that is left but what is made together with it
        let on = left
            .iter()
            .filter(|other| depends.way(name, other).is_some());
        on.into_iter().all(|other| together(name, other))
    }) {
        let (these, others) = left.iter().copied().partition(|name| together(first, name));
        let these: Vec<&str> = these;
        strata.push(Stratum {
            is_recursive: depends.way(first, first).is_some(),
            relations: these.iter().map(|name| (*name).to_owned()).collect(),
        });
        left = others;
    }
    Ok(strata)
}

fn recursion(rule: &Rule, rules: &[Rule], depends: &Depends<'_>, faults: &mut Vec<Fault>) {
    let head = rule.head.name.as_str();
    for atom in rule.atoms() {
        let Some(mut back) = depends
            .way(&atom.name, head)
            .or_else(|| (atom.name == head).then(|| vec![head]))
        else {
            continue;
        };
        if atom.negated {
            back.dedup();
            let back = back.join(" -> ");
            let message = format!("negation inside a recursion: {head} -> not {back}");
            let help = format!("negate a relation that does not depend on `{head}`");
            faults.push(Fault::new("E0602", atom.at, message).help(help));
            continue;
        }
        let mut folds = rule
            .head
            .columns
            .iter()
            .filter_map(|column| match column.value {
                HeadValue::Over(fold, at, _) => Some((fold, at)),
                HeadValue::Each(_) => None,
            });
        if let Some((fold, at)) = folds.find(|(fold, _)| matches!(fold, Fold::Count | Fold::Sum)) {
            let (back, name) = (back.join(" -> "), fold.name());
            let message = format!("`{name}` inside a recursion: {head} -> {back}");
            let help = format!("`{name}` a relation that does not depend on `{head}`");
            faults.push(Fault::new("E0602", at, message).help(help));
            continue;
        }
        let made = rules.iter().find(|rule| rule.head.name == atom.name);
        for column in made.into_iter().flat_map(|rule| &rule.head.columns) {
            let HeadValue::Over(fold @ (Fold::Min | Fold::Max), ..) = column.value else {
                continue;
            };
            let argument = atom.arguments.iter().find(|one| one.column == column.name);
            if let Some(super::syntax::Bound::Variable(name, _)) =
                argument.map(|argument| &argument.value)
            {
                faults.extend(monotone(rule, name, fold));
            }
        }
    }
}

/// Whether a smaller (or greater) value of a variable gives no fewer rows and no greater (smaller) values: else the recursion
/// through its `min` (`max`) has no one end.
fn monotone(rule: &Rule, name: &str, fold: Fold) -> Option<Fault> {
    let uses = |expr: &Expr| names_of(expr).iter().any(|(used, _)| *used == name);
    let is_it = |expr: &Expr| matches!(&expr.kind, Kind::Name(found) if found == name);
    let adds = |expr: &Expr| match &expr.kind {
        Kind::Name(_) => true,
        Kind::Binary(Binary::Add, a, b) => (is_it(a) && !uses(b)) || (is_it(b) && !uses(a)),
        _ => false,
    };
    let broken = |expr: &Expr| {
        let (word, fold) = match fold {
            Fold::Max => ("greater", "max"),
            _ => ("smaller", "min"),
        };
        let message = format!(
            "a {word} `{name}` can break this, so the recursion through `{fold}` has no one end"
        );
        let help =
            format!("keep the whole set in the recursion, and take the `{fold}` outside of it");
        Some(Fault::new("E0604", expr.at, message).help(help))
    };
    for literal in &rule.body {
        match literal {
            Literal::If(expr) if uses(expr) => {
                let fits = match &expr.kind {
                    Kind::Binary(Binary::Less | Binary::LessEqual, a, b) => match fold {
                        Fold::Max => is_it(b) && !uses(a),
                        _ => is_it(a) && !uses(b),
                    },
                    Kind::Binary(Binary::Greater | Binary::GreaterEqual, a, b) => match fold {
                        Fold::Max => is_it(a) && !uses(b),
                        _ => is_it(b) && !uses(a),
                    },
                    _ => false,
                };
                if !fits {
                    return broken(expr);
                }
            }
            Literal::Let(_, _, expr) if uses(expr) => return broken(expr),
            _ => {}
        }
    }
    for column in &rule.head.columns {
        match &column.value {
            HeadValue::Over(found, _, Some(expr)) if uses(expr) && *found == fold && adds(expr) => {
            }
            HeadValue::Over(_, _, Some(expr)) if uses(expr) => return broken(expr),
            HeadValue::Each(expr) if uses(expr) => return broken(expr),
            _ => {}
        }
    }
    None
}

/// Recursive heads that make new values: they end by `max_iterations` alone.
pub fn makes_values(rules: &[Rule], strata: &[Stratum]) -> Vec<Fault> {
    let recursive = |name: &str| {
        let mut of = strata.iter().filter(|stratum| stratum.is_recursive);
        of.find(|stratum| stratum.relations.iter().any(|one| one == name))
    };
    let mut found = Vec::new();
    for rule in rules {
        let Some(stratum) = recursive(&rule.head.name) else {
            continue;
        };
        let lets = rule.body.iter().filter_map(|literal| match literal {
            Literal::Let(name, _, expr) if !expr.parts().is_empty() => Some(name.as_str()),
            _ => None,
        });
        let lets: Vec<&str> = lets.collect();
        let turns = rule
            .atoms()
            .any(|atom| stratum.relations.contains(&atom.name));
        for column in rule.head.columns.iter().filter(|_| turns) {
            if let HeadValue::Each(expr) | HeadValue::Over(_, _, Some(expr)) = &column.value
                && (!expr.parts().is_empty()
                    || names_of(expr).iter().any(|(name, _)| lets.contains(name)))
            {
                let message = format!(
                    "`{}` is computed anew in each turn of the recursion: it may never end",
                    column.name
                );
                let help = "set `max_iterations` to as many turns as can be needed";
                found.push(Fault::new("W0608", expr.at, message).help(help));
            }
        }
    }
    found
}
