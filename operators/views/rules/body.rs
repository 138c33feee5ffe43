//! The body of a rule as steps: each atom is joined to those before it, conditions are computed as soon as their variables are
//! bound. What concerns one row of a relation that is read is computed over its columns, before anything is joined.

use super::check::{ReadFrom, Relation, RelationColumn, names_of};
use super::compile::{Compiler, Found, Types, context};
use super::plan::{Gives, MadeColumn, Read, Reading, Source, Step};
use super::syntax::{Atom, Bound, Fold, HeadValue, Literal, Rule};
use crate::expressions::syntax::{Binary, Expr, Kind, Span};
use crate::expressions::{Context, Field, Known, Program, Typed};

/// Stands for a place that is free, and for one that has no variable: no variable has such a name.
const FREE: &str = "-";
const COMPUTED: &str = "=";

/// A body in the making.
pub(super) struct Body<'r> {
    pub steps: Vec<Step>,
    /// What is kept, in the order of its places: variables, then values of the head, which have no name.
    pub places: Vec<&'r str>,
    pub gives: Gives,
    rule: &'r Rule,
    /// Conditions and bindings that are still to be computed.
    left: Vec<&'r Literal>,
    /// Whether every variable counts: bindings that differ in any are several.
    keeps_all: bool,
}

/// An atom with the variables that are taken of it.
struct Taken<'r> {
    reading: Reading,
    /// (word, variable)
    variables: Vec<(usize, &'r str)>,
}

fn name(name: &str, at: Span) -> Expr {
    Expr {
        at,
        kind: Kind::Name(name.to_owned()),
    }
}

fn equal(a: Expr, b: Expr) -> Expr {
    Expr {
        at: a.at.to(b.at),
        kind: Kind::Binary(Binary::Equal, Box::new(a), Box::new(b)),
    }
}

impl<'r> Body<'r> {
    pub fn of(rule: &'r Rule, compiler: &mut Compiler<'_>, types: &Types<'r>) -> Found<Self> {
        let computed = rule.body.iter();
        let mut body = Self {
            steps: Vec::new(),
            places: Vec::new(),
            gives: Gives::Rows(Vec::new()),
            rule,
            left: computed
                .filter(|literal| !matches!(literal, Literal::Atom(_)))
                .collect(),
            keeps_all: rule.head.columns.iter().any(|column| {
                matches!(
                    column.value,
                    HeadValue::Over(Fold::Sum, ..) | HeadValue::Over(Fold::Count, _, None)
                )
            }),
        };
        let mut atoms: Vec<&Atom> = rule.atoms().filter(|atom| !atom.negated).collect();
        if atoms.is_empty() {
            body.steps.push(Step::Once);
        }
        while !atoms.is_empty() {
            // the next one in the text that shares a variable with what is bound: nothing is crossed that need not be
            let joins = |atom: &&Atom| {
                atom.variables()
                    .any(|(name, _)| body.places.contains(&name))
            };
            let next = atoms.iter().position(joins).unwrap_or(0);
            let atom = atoms.remove(next);
            body.join(atom, &atoms, compiler, types)?;
            body.compute(compiler, types)?;
        }
        body.compute(compiler, types)?;
        for atom in rule.atoms().filter(|atom| atom.negated) {
            let taken = body.read(atom, compiler, types)?;
            let key = taken.variables.iter();
            let key = key.map(|(word, name)| (*word, body.place(name))).collect();
            body.steps.push(Step::Without(taken.reading, key));
        }
        body.head(compiler, types)?;
        Ok(body)
    }

    fn place(&self, name: &str) -> usize {
        self.places.iter().position(|one| *one == name).unwrap_or(0)
    }

    /// A place for a value.
    fn take(&mut self, name: &'r str) -> usize {
        match self.places.iter().position(|one| *one == FREE) {
            Some(at) => {
                self.places[at] = name;
                at
            }
            None => {
                self.places.push(name);
                self.places.len() - 1
            }
        }
    }

    /// Gives up the places of variables that nothing needs but `atoms` and what is to be computed.
    fn free(&mut self, atoms: &[&'r Atom]) {
        let negated = self.rule.atoms().filter(|atom| atom.negated);
        let ahead: Vec<&Atom> = atoms.iter().copied().chain(negated).collect();
        let mut places = std::mem::take(&mut self.places);
        for name in &mut places {
            if !self.is_needed(name, &ahead) {
                *name = FREE;
            }
        }
        self.places = places;
    }

    fn join(
        &mut self,
        atom: &'r Atom,
        ahead: &[&'r Atom],
        compiler: &mut Compiler<'_>,
        types: &Types<'r>,
    ) -> Found<()> {
        let is_first = self.steps.is_empty();
        let Taken {
            mut reading,
            variables,
        } = self.read(atom, compiler, types)?;
        let (known, fresh): (Vec<_>, Vec<_>) = variables
            .into_iter()
            .partition(|(_, name)| self.places.contains(name));
        let key = known
            .iter()
            .map(|(word, name)| (*word, self.place(name)))
            .collect();
        self.free(ahead);
        for (word, name) in fresh {
            reading.takes.push((word, self.take(name)));
        }
        self.steps.push(match is_first {
            true => Step::Scan(reading),
            false => Step::Join(reading, key),
        });
        Ok(())
    }

    /// All atoms but one.
    fn others(&self, than: &Atom) -> Vec<&'r Atom> {
        let all = self.rule.atoms();
        all.filter(|atom| !std::ptr::eq(*atom, than)).collect()
    }

    /// Whether some atoms, the head, or what is still to be computed need a variable.
    fn is_needed(&self, variable: &str, atoms: &[&Atom]) -> bool {
        let mut atoms = atoms.iter().flat_map(|atom| atom.variables());
        let mut left = self.left.iter().flat_map(|literal| match literal {
            Literal::Let(bound, at, expr) => {
                let mut names = names_of(expr);
                names.push((bound, *at));
                names
            }
            Literal::If(expr) => names_of(expr),
            Literal::Atom(_) => Vec::new(),
        });
        let mut head = self
            .rule
            .head
            .columns
            .iter()
            .flat_map(|column| match &column.value {
                HeadValue::Each(expr) | HeadValue::Over(_, _, Some(expr)) => names_of(expr),
                HeadValue::Over(..) => Vec::new(),
            });
        self.keeps_all
            || atoms.any(|(name, _)| name == variable)
            || left.any(|(name, _)| name == variable)
            || head.any(|(name, _)| name == variable)
    }

    /// The rows of an atom, and what is taken of them.
    fn read(
        &mut self,
        atom: &'r Atom,
        compiler: &mut Compiler<'_>,
        types: &Types<'r>,
    ) -> Found<Taken<'r>> {
        let inputs = compiler.inputs;
        let Some(input) = inputs.iter().find(|input| input.name == atom.name) else {
            let mut relations = compiler.relations.iter();
            let at = relations.position(|made| made.name == atom.name);
            let at = at.unwrap_or(0);
            let made = compiler.relations[at].columns.iter();
            let columns: Vec<RelationColumn> = made.map(RelationColumn::of).collect();
            return self.words(atom, (Read::Made(at), &columns), compiler, types);
        };
        match &input.from {
            ReadFrom::Input(at) => self.source(atom, *at, input, compiler),
            ReadFrom::View(outer) => {
                let words = input.columns.iter().map(|one| one.place as usize + 1).max();
                let at = compiler.outer(outer, words.unwrap_or(1));
                self.words(atom, (Read::Outer(at), &input.columns), compiler, types)
            }
        }
    }

    /// Of a relation that this view or another makes: its columns are words.
    fn words(
        &self,
        atom: &'r Atom,
        (read, columns): (Read, &[RelationColumn]),
        compiler: &mut Compiler<'_>,
        types: &Types<'r>,
    ) -> Found<Taken<'r>> {
        let mut reading = Reading::all(read);
        let mut variables: Vec<(usize, &str)> = Vec::new();
        for argument in &atom.arguments {
            let Some(column) = columns.iter().find(|one| one.name == argument.column) else {
                continue;
            };
            let word = column.place as usize;
            if column.null {
                reading.there.push(word);
            }
            match &argument.value {
                Bound::Any => {}
                Bound::Variable(name, _) => {
                    match variables.iter().find(|(_, known)| known == name) {
                        Some((other, _)) => reading.same.push((*other, word)),
                        None => variables.push((word, name)),
                    }
                }
                Bound::Constant(expr) => {
                    let named = name(&argument.column, argument.at);
                    let mut all = types.clone();
                    all.insert(&argument.column, column.kind.clone());
                    // checked as a comparison, so that the value has the type of the column
                    compiler.typed(&equal(named, expr.clone()), &context(&all, &[]), true)?;
                    let value = compiler.typed(expr, &context(&all, &[]), false)?;
                    let (value, _) = compiler
                        .named
                        .value(value.promoted(&column.kind), expr.at)?;
                    if let Some(value) = super::words::constant(&value) {
                        reading.constants.push((word, value));
                    }
                }
            }
        }
        if !atom.negated {
            let others = self.others(atom);
            variables.retain(|(_, name)| self.is_needed(name, &others));
        }
        Ok(Taken { reading, variables })
    }

    /// Of a relation that is read: a row with a null in a column that is named is none.
    fn source(
        &mut self,
        atom: &'r Atom,
        at: usize,
        input: &Relation,
        compiler: &mut Compiler<'_>,
    ) -> Found<Taken<'r>> {
        let mut context = Context::new("a rule knows the variables that its relations bind");
        let (mut conditions, mut variables): (Vec<Expr>, Vec<(&str, Expr)>) = Default::default();
        for argument in &atom.arguments {
            let Some(column) = input.columns.iter().find(|one| one.name == argument.column) else {
                continue;
            };
            let field = Known::Field(Field {
                place: column.place,
                kind: column.kind.clone(),
                null: column.null,
            });
            // no variable has a point in its name
            let own = format!("{}.{}", input.name, column.name);
            context.add(&own, field.clone());
            let own = name(&own, argument.at);
            if column.null && argument.value != Bound::Any {
                conditions.push(Expr {
                    at: argument.at,
                    kind: Kind::IsNull(Box::new(own.clone()), true),
                });
            }
            match &argument.value {
                Bound::Any => {}
                Bound::Constant(expr) => conditions.push(equal(own, expr.clone())),
                Bound::Variable(name, _) => {
                    match variables.iter().find(|(known, _)| known == name) {
                        Some((_, other)) => conditions.push(equal(other.clone(), own)),
                        None => {
                            context.add(name, field);
                            variables.push((name, own));
                        }
                    }
                }
            }
        }
        if !atom.negated {
            // what needs this row alone is computed here, over the columns
            let own: Vec<&str> = variables.iter().map(|(name, _)| *name).collect();
            let knows = |expr: &Expr| {
                let names = names_of(expr);
                !names.is_empty() && names.iter().all(|(name, _)| own.contains(name))
            };
            let elsewhere: Vec<&str> = self
                .rule
                .atoms()
                .flat_map(Atom::variables)
                .map(|(name, _)| name)
                .collect();
            for literal in std::mem::take(&mut self.left) {
                match literal {
                    Literal::If(expr) if knows(expr) => conditions.push(expr.clone()),
                    Literal::Let(bound, _, expr)
                        if knows(expr)
                            && !elsewhere.contains(&bound.as_str())
                            && variables.iter().all(|(known, _)| known != bound) =>
                    {
                        variables.push((bound, expr.clone()));
                    }
                    other => self.left.push(other),
                }
            }
            let others = self.others(atom);
            variables.retain(|(name, _)| self.is_needed(name, &others));
        }
        let conditions: Vec<Typed> = conditions
            .iter()
            .map(|expr| compiler.typed(expr, &context, true))
            .collect::<Result<_, _>>()?;
        let values: Vec<Typed> = variables
            .iter()
            .map(|(_, expr)| compiler.typed(expr, &context, false))
            .collect::<Result<_, _>>()?;
        let source = Source {
            inputs: vec![at],
            key: format!("{at} {conditions:?} {values:?}"),
            program: Program::new(conditions.iter().chain(&values)),
            conditions: conditions.len(),
            kinds: values.iter().map(|value| value.kind.clone()).collect(),
            keeps_nulls: false,
            in_order: false,
            summed: Vec::new(),
        };
        Ok(Taken {
            reading: Reading::all(Read::Source(compiler.source(source))),
            variables: (0..)
                .zip(variables)
                .map(|(word, (name, _))| (word, name))
                .collect(),
        })
    }

    /// Computes what can be: all its variables are bound.
    fn compute(&mut self, compiler: &mut Compiler<'_>, types: &Types<'r>) -> Found<()> {
        loop {
            let places = self.places.clone();
            let knows = |expr: &Expr| names_of(expr).iter().all(|(name, _)| places.contains(name));
            let left = std::mem::take(&mut self.left);
            let (ready, left): (Vec<&Literal>, Vec<&Literal>) =
                left.into_iter().partition(|literal| match literal {
                    Literal::If(expr) | Literal::Let(_, _, expr) => knows(expr),
                    Literal::Atom(_) => false,
                });
            self.left = left;
            if ready.is_empty() {
                return Ok(());
            }
            let context = context(types, &places);
            let (mut conditions, mut values, mut lets) = (Vec::new(), Vec::new(), Vec::new());
            for literal in ready {
                match literal {
                    Literal::If(expr) => {
                        let typed = compiler.typed(expr, &context, true)?;
                        conditions.push(compiler.named.numbered(typed, expr.at)?);
                    }
                    // a variable that is bound already: both have to be the same
                    Literal::Let(bound, at, expr) if self.places.contains(&bound.as_str()) => {
                        if !places.contains(&bound.as_str()) {
                            self.left.push(literal); // bound in this very step
                            continue;
                        }
                        let same = equal(name(bound, *at), expr.clone());
                        let typed = compiler.typed(&same, &context, true)?;
                        conditions.push(compiler.named.numbered(typed, same.at)?);
                    }
                    Literal::Let(bound, _, expr) => {
                        let typed = compiler.typed(expr, &context, false)?;
                        let (value, kind) = compiler.named.value(typed, expr.at)?;
                        lets.push((self.take(bound), kind));
                        values.push(value);
                    }
                    Literal::Atom(_) => {}
                }
            }
            self.steps.push(Step::Compute {
                program: Program::new(conditions.iter().chain(&values)),
                conditions: conditions.len(),
                lets,
                keeps_nulls: false,
            });
        }
    }

    /// What the rule gives, and the values of its head that are computed.
    fn head(&mut self, compiler: &mut Compiler<'_>, types: &Types<'r>) -> Found<()> {
        let context = context(types, &self.places);
        let bindings = self.places.len();
        let made = compiler
            .relations
            .iter()
            .find(|made| made.name == self.rule.head.name);
        let columns = made.map(|made| made.columns.clone()).unwrap_or_default();
        let (mut values, mut lets) = (Vec::new(), Vec::new());
        let (mut by, mut folds) = (Vec::new(), Vec::new());
        for (
            word,
            MadeColumn {
                name: column, kind, ..
            },
        ) in columns.iter().enumerate()
        {
            let found = self
                .rule
                .head
                .columns
                .iter()
                .find(|one| one.name == *column);
            let Some(found) = found else { continue };
            let mut place = |body: &mut Self, expr: &Expr| -> Found<usize> {
                let typed = compiler.typed(expr, &context, false)?;
                let wanted = match found.value {
                    HeadValue::Over(Fold::Count, ..) => typed.kind.clone(),
                    _ => kind.clone(),
                };
                if let Kind::Name(name) = &expr.kind
                    && typed.kind == wanted
                {
                    return Ok(body.place(name));
                }
                let (value, kind) = compiler.named.value(typed.promoted(&wanted), expr.at)?;
                let at = body.take(COMPUTED);
                lets.push((at, kind));
                values.push(value);
                Ok(at)
            };
            match &found.value {
                HeadValue::Each(expr) => by.push((word, place(self, expr)?)),
                HeadValue::Over(fold, _, expr) => {
                    let of = expr.as_ref().map(|expr| place(self, expr)).transpose()?;
                    folds.push((word, *fold, of, kind.clone()));
                }
            }
        }
        if !values.is_empty() {
            self.steps.push(Step::Compute {
                program: Program::new(&values),
                conditions: 0,
                lets,
                keeps_nulls: false,
            });
        }
        self.gives = match folds.is_empty() {
            true => Gives::Rows(by.into_iter().map(|(_, place)| place).collect()),
            false => Gives::Groups {
                by,
                folds,
                bindings: bindings.max(self.places.len()),
            },
        };
        Ok(())
    }
}
