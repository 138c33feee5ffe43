//! The tree of a program of rules, each part with its place in the text.

use crate::expressions::syntax::{Expr, Span};

/// `head :- body.`
#[derive(Clone, Debug, PartialEq)]
pub struct Rule {
    /// Where it is, without the point.
    pub at: Span,
    /// What holds.
    pub head: Head,
    /// If all of these hold; none = always.
    pub body: Vec<Literal>,
}

/// `name(column, ...)`.
#[derive(Clone, Debug, PartialEq)]
pub struct Head {
    /// Name of the relation.
    pub name: String,
    /// Where it is named.
    pub at: Span,
    /// Its columns.
    pub columns: Vec<HeadColumn>,
}

/// `name`, `name: expression`, `name: aggregate(expression)`.
#[derive(Clone, Debug, PartialEq)]
pub struct HeadColumn {
    /// Name of the column.
    pub name: String,
    /// Where it is named.
    pub at: Span,
    /// Its value.
    pub value: HeadValue,
}

/// The value of a column of a head.
#[derive(Clone, Debug, PartialEq)]
pub enum HeadValue {
    /// Of a binding of the body.
    Each(Expr),
    /// Of all bindings that agree in the other columns.
    Over(Fold, Span, Option<Expr>),
}

/// What is made of many values.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Fold {
    /// How many bindings, or distinct values.
    Count,
    /// Their sum.
    Sum,
    /// The least.
    Min,
    /// The greatest.
    Max,
}

impl Fold {
    /// All of them, by name.
    pub const ALL: [(&'static str, Self); 4] = [
        ("count", Self::Count),
        ("sum", Self::Sum),
        ("min", Self::Min),
        ("max", Self::Max),
    ];

    /// The one of this name.
    pub fn named(name: &str) -> Option<Self> {
        let found = Self::ALL.iter().find(|(known, _)| *known == name);
        found.map(|(_, fold)| *fold)
    }

    /// As it is written.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Count => "count",
            Self::Sum => "sum",
            Self::Min => "min",
            Self::Max => "max",
        }
    }
}

/// One condition of a body.
#[derive(Clone, Debug, PartialEq)]
pub enum Literal {
    /// A row of a relation is there, or with `not`, none is.
    Atom(Atom),
    /// `name = expression`.
    Let(String, Span, Expr),
    /// An expression is true.
    If(Expr),
}

/// `name(column: value, ...)`.
#[derive(Clone, Debug, PartialEq)]
pub struct Atom {
    /// Where it is, with `not`.
    pub at: Span,
    /// Whether no row may be there.
    pub negated: bool,
    /// The relation.
    pub name: String,
    /// Where it is named.
    pub name_at: Span,
    /// What is bound of it.
    pub arguments: Vec<Argument>,
}

/// `column`, short for `column: column`; `column: name`, `column: 5`, `column: _`.
#[derive(Clone, Debug, PartialEq)]
pub struct Argument {
    /// The column.
    pub column: String,
    /// Where it is named.
    pub at: Span,
    /// What it is bound to.
    pub value: Bound,
}

/// What a column is bound to.
#[derive(Clone, Debug, PartialEq)]
pub enum Bound {
    /// A variable.
    Variable(String, Span),
    /// A value that is written out.
    Constant(Expr),
    /// Anything.
    Any,
}
