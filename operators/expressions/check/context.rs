//! Which names there are, and what they are: the difference between a row of flows, a view and a test.

use crate::expressions::lookups::Viewed;
use crate::expressions::types::{Constant, Type};
use std::collections::HashMap;

/// A value that rows have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Field {
    /// Where programs find it.
    pub place: u32,
    /// Its type.
    pub kind: Type,
    /// Whether it can be null.
    pub null: bool,
}

/// What a name stands for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Known {
    /// A value.
    Field(Field),
    /// Something that cannot be used: code, message, help.
    Fault(&'static str, String, Option<String>),
}

/// The names that an expression may use.
#[derive(Clone, Debug, Default)]
pub struct Context {
    known: Vec<(String, Known)>,
    places: HashMap<String, usize>,
    variables: HashMap<String, Constant>,
    /// The views whose rows can be looked up.
    views: Vec<Viewed>,
    /// Whether packets can be aggregated.
    has_packets: bool,
    /// Whether there are names that nobody knows yet.
    is_open: bool,
    advice: String,
}

impl Context {
    /// A context without names; `advice` is told where a name is not known and none is like it.
    pub fn new(advice: &str) -> Self {
        Self {
            advice: advice.to_owned(),
            ..Self::default()
        }
    }

    /// The same, with aggregates over packets.
    #[must_use]
    pub const fn with_packets(mut self) -> Self {
        self.has_packets = true;
        self
    }

    /// The same, with names that nobody knows yet: one that is not known is no fault.
    #[must_use]
    pub const fn open(mut self) -> Self {
        self.is_open = true;
        self
    }

    /// Adds a name, or gives it another meaning.
    pub fn add(&mut self, name: &str, known: Known) {
        match self.places.get(name) {
            Some(at) => self.known[*at].1 = known,
            None => {
                self.places.insert(name.to_owned(), self.known.len());
                self.known.push((name.to_owned(), known));
            }
        }
    }

    /// Adds a variable of the spec: `$name`.
    pub fn set(&mut self, name: &str, value: Constant) {
        self.variables.insert(name.to_owned(), value);
    }

    /// Takes the variables of another context.
    pub fn borrow_variables(&mut self, other: &Self) {
        self.variables.clone_from(&other.variables);
    }

    /// Adds a view whose rows can be looked up.
    pub fn show(&mut self, view: Viewed) {
        self.views.push(view);
    }

    pub(super) fn views(&self) -> &[Viewed] {
        &self.views
    }

    /// What a name stands for.
    pub fn find(&self, name: &str) -> Option<&Known> {
        self.places.get(name).map(|at| &self.known[*at].1)
    }

    /// The names of all values.
    pub fn names(&self) -> Vec<String> {
        let values = self.known.iter().filter_map(|(name, known)| match known {
            Known::Field(_) => Some(name.clone()),
            Known::Fault(..) => None,
        });
        values.collect()
    }

    pub(super) fn variable(&self, name: &str) -> Option<&Constant> {
        self.variables.get(name)
    }

    pub(super) fn variables(&self) -> impl Iterator<Item = &str> {
        self.variables.keys().map(String::as_str)
    }

    /// Whether there are names that nobody knows yet.
    pub const fn is_open(&self) -> bool {
        self.is_open
    }

    pub(super) const fn has_packets(&self) -> bool {
        self.has_packets
    }

    pub(super) fn advice(&self) -> &str {
        &self.advice
    }
}
