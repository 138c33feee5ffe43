//! What rules become: steps over rows of words. Data only; `build.rs` makes differential operators of it.

use super::syntax::Fold;
use crate::expressions::{Constant, Program, Type};

/// Words of a row at most.
pub const MAX_WIDTH: usize = 8;

/// Rules, ready to run.
#[derive(Clone, Debug)]
pub struct Plan {
    /// Words of the widest row: of relations and of what is bound on the way.
    pub width: usize,
    /// Texts and addresses that are written out: the first ones that have numbers, in this order.
    pub constants: Vec<Constant>,
    /// What is taken of the relations that are read, each once.
    pub sources: Vec<Source>,
    /// The relations that are made.
    pub relations: Vec<Made>,
    /// The order in which they are made.
    pub strata: Vec<Strata>,
    /// The rules.
    pub rules: Vec<Steps>,
}

impl Plan {
    /// Words of the rows that it runs on: 4 or 8.
    pub const fn row_words(&self) -> usize {
        if self.width <= 4 { 4 } else { MAX_WIDTH }
    }
}

/// Rows of a relation that is read: those that pass, as words.
#[derive(Clone, Debug)]
pub struct Source {
    /// Its place among the inputs.
    pub input: usize,
    /// Over the columns of the input: first the conditions, `conditions` of them, then a value for each word.
    pub program: Program,
    /// How many of the results are conditions.
    pub conditions: usize,
    /// Types of the words.
    pub kinds: Vec<Type>,
    /// What tells it from others: the text of its parts.
    pub key: String,
}

/// A relation that is made.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Made {
    /// Its name.
    pub name: String,
    /// Its columns, in the order of its first rule: a word each.
    pub columns: Vec<(String, Type)>,
    /// Places of the columns that tell its rows apart: those that are not aggregated.
    pub keys: Vec<usize>,
}

/// Relations that are made together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Strata {
    /// Their places in the relations.
    pub relations: Vec<usize>,
    /// Whether one of them depends on itself.
    pub is_recursive: bool,
}

/// Where rows come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Read {
    /// A source.
    Source(usize),
    /// A relation that is made.
    Made(usize),
}

/// An atom: the rows that it means.
#[derive(Clone, Debug, PartialEq)]
pub struct Reading {
    /// Where they come from.
    pub read: Read,
    /// Words that have to be this value.
    pub constants: Vec<(usize, u64)>,
    /// Words that have to be the same.
    pub same: Vec<(usize, usize)>,
    /// What is bound: a word of the row, and its place among the bindings.
    pub takes: Vec<(usize, usize)>,
}

/// One step of a rule.
#[derive(Clone, Debug)]
pub enum Step {
    /// Binds what a row has: the first step.
    Scan(Reading),
    /// Nothing is bound yet, and holds once: the first step of a rule without atoms.
    Once,
    /// Goes on with each row of another relation whose words are the bindings at these places.
    Join(Reading, Vec<(usize, usize)>),
    /// Goes on where no row has these words: (word, binding).
    Without(Reading, Vec<(usize, usize)>),
    /// Goes on where the conditions are true, with new bindings.
    Compute {
        /// Over the bindings: first the conditions, then the values.
        program: Program,
        /// How many of the results are conditions.
        conditions: usize,
        /// Where the values go, and their types.
        lets: Vec<(usize, Type)>,
    },
}

/// A rule.
#[derive(Clone, Debug)]
pub struct Steps {
    /// Its head: place in the relations.
    pub head: usize,
    /// What is done.
    pub steps: Vec<Step>,
    /// What comes out.
    pub gives: Gives,
}

/// What a rule gives.
#[derive(Clone, Debug, PartialEq)]
pub enum Gives {
    /// A row for each binding: for each word, the place of the binding.
    Rows(Vec<usize>),
    /// A row for all bindings that agree in some.
    Groups {
        /// (word, binding) that they agree in.
        by: Vec<(usize, usize)>,
        /// (word, what, of which binding, its type).
        folds: Vec<(usize, Fold, Option<usize>, Type)>,
        /// Number of bindings.
        bindings: usize,
    },
}
