//! Rules to steps. What concerns one row of a relation that is read is computed over its columns, before anything is joined;
//! the rest over the words of what is bound.

use super::body::Body;
use super::check::{self, Relation, names_of};
use super::named::{Named, fits_a_word};
use super::parser::parse;
use super::plan::{MAX_WIDTH, Made, MadeColumn, Outer, Plan, Source, Steps, Strata};
use super::strata::{makes_values, strata};
use super::syntax::{Bound, Fold, HeadColumn, HeadValue, Literal, Rule};
use crate::expressions::syntax::Expr;
use crate::expressions::{Checker, Context, Fault, Field, Known, Type, Typed};
use std::collections::BTreeMap;

/// Settings of a view of rules.
#[derive(Clone, Copy, Debug, Default)]
pub struct RuleOptions {
    /// Whether relations may be joined that share no variable.
    pub allow_cross: bool,
    /// Whether the turns of recursions are bounded by the spec itself.
    pub is_bounded: bool,
}

/// The plan of rules over `inputs`, and what may be meant otherwise.
///
/// # Errors
/// All that is wrong with them.
pub fn compile(
    text: &str,
    inputs: &[Relation],
    options: RuleOptions,
) -> Result<(Plan, Vec<Fault>), Vec<Fault>> {
    let names: Vec<&str> = inputs.iter().map(|input| input.name.as_str()).collect();
    let rules = parse(text, &names).map_err(|fault| vec![*fault])?;
    let faults = check::faults(&rules, inputs, options.allow_cross);
    if !faults.is_empty() {
        return Err(faults);
    }
    let order = strata(&rules)?;
    let warnings = match options.is_bounded {
        true => Vec::new(),
        false => makes_values(&rules, &order),
    };
    let mut compiler = Compiler {
        text,
        inputs,
        rules: &rules,
        relations: Vec::new(),
        sources: Vec::new(),
        outer: Vec::new(),
        named: Named::new("put the condition into a rule of its own that reads `flows` alone"),
        width: 1,
    };
    compiler.find_types()?;
    let (mut steps, mut faults) = (Vec::new(), Vec::new());
    for rule in &rules {
        match compiler.rule(rule) {
            Ok(made) => steps.push(made),
            Err(fault) => faults.push(*fault),
        }
    }
    if !faults.is_empty() {
        return Err(faults);
    }
    let place = |name: &String| {
        compiler
            .relations
            .iter()
            .position(|made| made.name == *name)
    };
    let strata = order.iter().map(|stratum| Strata {
        relations: stratum.relations.iter().filter_map(place).collect(),
        is_recursive: stratum.is_recursive,
    });
    let plan = Plan {
        width: compiler.width,
        constants: compiler.named.constants().to_vec(),
        strata: strata.collect(),
        sources: compiler.sources.clone(),
        outer: compiler.outer.clone(),
        relations: compiler.relations.clone(),
        rules: steps,
    };
    Ok((plan, warnings))
}

/// A result, or the first fault.
pub(super) type Found<T> = Result<T, Box<Fault>>;

/// What is known while rules are compiled.
pub(super) struct Compiler<'a> {
    text: &'a str,
    pub inputs: &'a [Relation],
    rules: &'a [Rule],
    pub relations: Vec<Made>,
    sources: Vec<Source>,
    outer: Vec<Outer>,
    pub named: Named,
    width: usize,
}

/// The types of the variables of a rule.
pub(super) type Types<'a> = BTreeMap<&'a str, Type>;

/// The variables of a rule, at these places.
pub(super) fn context(types: &Types<'_>, places: &[&str]) -> Context {
    let mut context = Context::new("a rule knows the variables that its relations bind");
    for (name, kind) in types {
        let place = places.iter().position(|one| one == name).unwrap_or(0);
        let field = Field {
            place: u32::try_from(place).unwrap_or(u32::MAX),
            kind: kind.clone(),
            null: false,
        };
        context.add(name, Known::Field(field));
    }
    context
}

impl Compiler<'_> {
    /// The type of a column of a relation, once it is known.
    pub(super) fn column_type(&self, relation: &str, column: &str) -> Option<Type> {
        if let Some(input) = self.inputs.iter().find(|input| input.name == relation) {
            let found = input.columns.iter().find(|one| one.name == column);
            return found.map(|column| column.kind.clone());
        }
        let made = self.relations.iter().find(|made| made.name == relation)?;
        let found = made.columns.iter().find(|one| one.name == column);
        found
            .map(|column| column.kind.clone())
            .filter(|kind| *kind != Type::Null)
    }

    /// An expression over these names; `truth` = a condition.
    pub(super) fn typed(&self, expr: &Expr, context: &Context, truth: bool) -> Found<Typed> {
        let mut none = Vec::new();
        let mut checker = Checker::rows(context, self.text, &mut none);
        if truth {
            checker.truth(expr, "a condition of a rule")
        } else {
            checker.check(expr)
        }
    }

    /// The types of the variables of a rule, as far as they are known.
    fn types<'r>(&self, rule: &'r Rule) -> Found<Types<'r>> {
        let mut types: Types<'r> = BTreeMap::new();
        for atom in rule.atoms().filter(|atom| !atom.negated) {
            for argument in &atom.arguments {
                let Bound::Variable(name, at) = &argument.value else {
                    continue;
                };
                let Some(kind) = self.column_type(&atom.name, &argument.column) else {
                    continue;
                };
                if !fits_a_word(&kind) {
                    let message = format!("`{}` is {kind}: a rule cannot bind it", argument.column);
                    let help = "bind a column of a plain type; derive one from it before";
                    return Err(Box::new(Fault::new("E0207", *at, message).help(help)));
                }
                if let Some(known) = types.get(name.as_str())
                    && *known != kind
                {
                    let message =
                        format!("`{name}` is {known} in one relation and {kind} in another");
                    return Err(Box::new(Fault::new("E0207", *at, message)));
                }
                types.insert(name, kind);
            }
        }
        loop {
            let before = types.len();
            for literal in &rule.body {
                if let Literal::Let(name, _, expr) = literal
                    && !types.contains_key(name.as_str())
                    && names_of(expr)
                        .iter()
                        .all(|(name, _)| types.contains_key(name))
                {
                    let typed = self.typed(expr, &context(&types, &[]), false)?;
                    types.insert(name, typed.kind);
                }
            }
            if types.len() == before {
                return Ok(types);
            }
        }
    }

    /// Finds the types of all relations that are made: each turn may tell some that the one before did not know.
    fn find_types(&mut self) -> Result<(), Vec<Fault>> {
        for rule in self.rules {
            if self
                .relations
                .iter()
                .all(|made| made.name != rule.head.name)
            {
                let columns = rule.head.columns.iter().enumerate();
                let made = columns
                    .clone()
                    .map(|(at, one)| MadeColumn::new(&one.name, Type::Null, at));
                let is_key = |one: &HeadColumn| matches!(one.value, HeadValue::Each(_));
                let keys = columns.clone().filter(|(_, one)| is_key(one));
                self.relations.push(Made {
                    name: rule.head.name.clone(),
                    columns: made.collect(),
                    keys: keys.map(|(at, _)| at).collect(),
                });
            }
        }
        loop {
            let before = self.relations.clone();
            let mut faults = Vec::new();
            for rule in self.rules {
                if let Err(fault) = self.head_types(rule) {
                    faults.push(*fault);
                }
            }
            if !faults.is_empty() {
                return Err(faults);
            }
            if before == self.relations {
                break;
            }
        }
        for rule in self.rules {
            self.width = self.width.max(rule.head.columns.len());
            for column in &rule.head.columns {
                if self.column_type(&rule.head.name, &column.name).is_none() {
                    let message = format!("no rule tells the type of `{}`", column.name);
                    let help = "each recursion needs a rule that reads something else";
                    return Err(vec![Fault::new("E0607", column.at, message).help(help)]);
                }
            }
            if rule.head.columns.len() > MAX_WIDTH {
                let message = format!("a relation has at most {MAX_WIDTH} columns");
                return Err(vec![Fault::new("E0607", rule.head.at, message)]);
            }
        }
        Ok(())
    }

    fn head_types(&mut self, rule: &Rule) -> Found<()> {
        let types = self.types(rule)?;
        for column in &rule.head.columns {
            let expr = match &column.value {
                HeadValue::Each(expr) | HeadValue::Over(_, _, Some(expr)) => Some(expr),
                HeadValue::Over(..) => None,
            };
            let known = |expr: &Expr| {
                names_of(expr)
                    .iter()
                    .all(|(name, _)| types.contains_key(name))
            };
            if expr.is_some_and(|expr| !known(expr)) {
                continue;
            }
            let typed = expr
                .map(|expr| self.typed(expr, &context(&types, &[]), false))
                .transpose()?;
            let kind = typed.map(|typed| typed.kind);
            let kind = match (&column.value, kind) {
                (HeadValue::Each(_), Some(kind)) => kind,
                (HeadValue::Over(Fold::Count, ..), _) => Type::Int,
                (HeadValue::Over(fold, at, _), kind) => {
                    let wants = match fold {
                        Fold::Sum => [Type::Int, Type::Float, Type::Duration].as_slice(),
                        _ => &[Type::Int, Type::Float, Type::Duration, Type::Time],
                    };
                    match kind {
                        Some(kind) if wants.contains(&kind) => kind,
                        found => {
                            let found = found.map_or("nothing".to_owned(), |kind| kind.to_string());
                            let wanted = match fold {
                                Fold::Sum => "a number or a duration",
                                _ => "a number, a time or a duration",
                            };
                            let message =
                                format!("`{}` needs {wanted}, found {found}", fold.name());
                            return Err(Box::new(Fault::new("E0207", *at, message)));
                        }
                    }
                }
                (HeadValue::Each(_), None) => continue,
            };
            if !fits_a_word(&kind) {
                let message = format!("`{}` is {kind}: a relation cannot hold it", column.name);
                return Err(Box::new(Fault::new("E0207", column.at, message)));
            }
            let made = self
                .relations
                .iter_mut()
                .find(|made| made.name == rule.head.name);
            let columns = made.into_iter().flat_map(|made| &mut made.columns);
            for made in columns.filter(|made| made.name == column.name) {
                let (name, known) = (&made.name, &mut made.kind);
                match (&*known, &kind) {
                    (known, kind) if known == kind => {}
                    (Type::Null, _) => *known = kind.clone(),
                    (Type::Float, Type::Int) => {}
                    (Type::Int, Type::Float) => *known = Type::Float,
                    (known, kind) => {
                        let message =
                            format!("`{name}` is {known} in one rule and {kind} in another");
                        return Err(Box::new(Fault::new("E0207", column.at, message)));
                    }
                }
            }
        }
        Ok(())
    }

    fn rule(&mut self, rule: &Rule) -> Found<Steps> {
        let types = self.types(rule)?;
        let body = Body::of(rule, self, &types)?;
        let kept = body.places.len();
        if kept > MAX_WIDTH {
            let message =
                format!("the rule has to keep {kept} values at once, and can keep {MAX_WIDTH}");
            let help = "take it apart: a relation of its own for a part of the body";
            return Err(Box::new(Fault::new("E0607", rule.at, message).help(help)));
        }
        self.width = self.width.max(kept);
        let head = self
            .relations
            .iter()
            .position(|made| made.name == rule.head.name);
        Ok(Steps {
            head: head.unwrap_or(0),
            gives: body.gives,
            steps: body.steps,
        })
    }

    /// The place of a relation of another view among those that are read; its rows have so many words.
    pub(super) fn outer(&mut self, outer: &Outer, words: usize) -> usize {
        self.width = self.width.max(words);
        let found = self.outer.iter().position(|one| one == outer);
        found.unwrap_or_else(|| {
            self.outer.push(outer.clone());
            self.outer.len() - 1
        })
    }

    /// The source of this description, which may be there already.
    pub(super) fn source(&mut self, source: Source) -> usize {
        let found = self.sources.iter().position(|one| one.key == source.key);
        found.unwrap_or_else(|| {
            self.width = self.width.max(source.kinds.len());
            self.sources.push(source);
            self.sources.len() - 1
        })
    }
}
