//! What rules become: steps over rows of words. Data only; `build.rs` makes differential operators of it.

use super::syntax::Fold;
use super::top::Top;
use super::totals::{Groups, What};
use crate::expressions::{Constant, Program, Type};
use crate::views::graph::GraphPlan;

/// Words of a row at most.
pub const MAX_WIDTH: usize = 8;

/// The word of a null, of any type: no value has it. It is -2^63 as a whole number, and the negative zero of floats.
pub const NULL: u64 = 1 << 63;

/// Rules, ready to run.
#[derive(Clone, Debug)]
pub struct Plan {
    /// Words of the widest row: of relations and of what is bound on the way.
    pub width: usize,
    /// Texts and addresses that are written out: the first ones that have numbers, in this order.
    pub constants: Vec<Constant>,
    /// What is taken of the relations that are read, each once.
    pub sources: Vec<Source>,
    /// The relations of other views that are read.
    pub outer: Vec<Outer>,
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

    /// What is made of a graph, if the view is one.
    pub fn graph(&self) -> Option<&GraphPlan> {
        self.rules.iter().find_map(|rule| match &rule.gives {
            Gives::Graph(graph) => Some(graph),
            _ => None,
        })
    }

    /// Of a view of groups: what is kept of them, for people to read.
    pub fn text_of_groups(&self) -> Option<String> {
        let steps = || self.rules.iter().flat_map(|rule| &rule.steps);
        let groups = steps().find_map(|step| match step {
            Step::Groups(groups) => Some(groups),
            _ => None,
        })?;
        let (mut counts, mut different, mut kept) = (1, 0, 0);
        for fold in &groups.folds {
            match fold.what {
                What::Distinct => different += 1,
                what if what.is_summed() => counts += 1,
                _ => kept += 1,
            }
        }
        let mut text = format!("incremental: {counts} sums");
        if different > 0 {
            text.push_str(&format!(
                ", {different} of different values, each kept once"
            ));
        }
        if kept > 0 {
            text.push_str(&format!(
                "; by the rows of a group: {kept}, of which {} values are kept",
                groups.kept_words()
            ));
        }
        for step in steps() {
            if let Step::Top(top) = step {
                text.push_str(&format!("; the first {}", top.n));
                if !top.per.is_empty() {
                    text.push_str(" of each");
                }
            }
        }
        Some(text)
    }
}

/// Rows of a relation that is read: those that pass, as words.
#[derive(Clone, Debug)]
pub struct Source {
    /// The places of the inputs whose rows it takes.
    pub inputs: Vec<usize>,
    /// Over the columns of the input: first the conditions, `conditions` of them, then a value for each word.
    pub program: Program,
    /// How many of the results are conditions.
    pub conditions: usize,
    /// Types of the words.
    pub kinds: Vec<Type>,
    /// Whether a value may be null; else a row with a null is left out.
    pub keeps_nulls: bool,
    /// Whether two more words say where a row stands among the others: its start, and its place among those of that start.
    pub in_order: bool,
    /// Words of floats that are added up: one of 2^80 or more has no place in a sum, and is null.
    pub summed: Vec<usize>,
    /// What tells it from others: the text of its parts.
    pub key: String,
}

/// A relation that is made.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Made {
    /// Its name.
    pub name: String,
    /// Its columns, in the order of its first rule.
    pub columns: Vec<MadeColumn>,
    /// Places of the columns that tell its rows apart: those that are not aggregated.
    pub keys: Vec<usize>,
}

/// A column of a relation that is made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MadeColumn {
    /// Its name.
    pub name: String,
    /// Its type.
    pub kind: Type,
    /// Whether it can be null: its word is [`NULL`] then.
    pub null: bool,
    /// Its word; of a list its first one.
    pub word: usize,
    /// How many words it has: one, but for a list, which ends with the first null.
    pub words: usize,
}

impl MadeColumn {
    /// A column of one word.
    pub fn new(name: &str, kind: Type, word: usize) -> Self {
        Self {
            name: name.to_owned(),
            kind,
            null: false,
            word,
            words: 1,
        }
    }
}

/// Relations that are made together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Strata {
    /// Their places in the relations.
    pub relations: Vec<usize>,
    /// Whether one of them depends on itself.
    pub is_recursive: bool,
}

/// A relation of another view.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outer {
    /// The view.
    pub view: String,
    /// The place of the relation among those of that view.
    pub relation: usize,
}

/// Where rows come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Read {
    /// A source.
    Source(usize),
    /// A relation that is made.
    Made(usize),
    /// A relation of another view: of [`Plan::outer`]. There is none in a plan that runs.
    Outer(usize),
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
    /// Words that must not be null.
    pub there: Vec<usize>,
    /// What is bound: a word of the row, and its place among the bindings.
    pub takes: Vec<(usize, usize)>,
}

impl Reading {
    /// All rows; nothing is bound yet.
    pub const fn all(read: Read) -> Self {
        Self {
            read,
            constants: Vec::new(),
            same: Vec::new(),
            there: Vec::new(),
            takes: Vec::new(),
        }
    }
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
        /// Whether a value may be null; else a row with a null goes no further.
        keeps_nulls: bool,
    },
    /// A row for all bindings that agree in some. Not in a recursion.
    Groups(Groups),
    /// The rows that are first by one of their words. Not in a recursion.
    Top(Top),
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
    /// The same of bindings of which no two give one row.
    Unique(Vec<usize>),
    /// The nodes of a graph; its edges are the relation behind this one. The first bindings are the ends of an edge and its weight.
    Graph(GraphPlan),
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
