//! What views tell of their relations to the operator that looks them up: changes, tick by tick, with texts and addresses spelled
//! out, so that a view may forget them. Both are on one worker, each in a dataflow of its own.

use super::plan::LookUps;
use crate::columns::Address;
use crate::error::Error;
use crate::expressions::vector::{Data, Vector};
use crate::expressions::{Constant, Type};
use crate::views::feed::SharedBetween;
use crate::views::handover::Lost;
use crate::views::rules::{Made, MadeColumn, NULL, Numbers, Row, Rows, is_named};
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use timely::container::CapacityContainerBuilder;
use timely::dataflow::StreamVec;
use timely::dataflow::channels::pact::Exchange;
use timely::dataflow::operators::generic::Operator as _;
use timely::scheduling::Activator;

/// A value of a relation.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Cell {
    /// Of a type that is a word.
    Word(u64),
    /// Text.
    Text(Box<[u8]>),
    /// An address.
    Ip(Address),
    /// Values in order.
    List(Box<[Cell]>),
}

/// Some values of a row.
pub type Cells = Box<[Cell]>;

impl Cell {
    fn of_column<R: Row>(row: &R, column: &MadeColumn, numbers: &Numbers) -> Self {
        let Type::List(item) = &column.kind else {
            return Self::of_word(row.word(column.word), &column.kind, numbers);
        };
        let words = column.word..column.word + column.words;
        let words = words
            .map(|at| row.word(at))
            .take_while(|word| *word != NULL);
        Self::List(
            words
                .map(|word| Self::of_word(word, item, numbers))
                .collect(),
        )
    }

    fn of_word(word: u64, kind: &Type, numbers: &Numbers) -> Self {
        if !is_named(kind) {
            return Self::Word(word);
        }
        match numbers.spell(word) {
            Constant::Text(text) => Self::Text(text.into_bytes().into()),
            Constant::Ip(address) => Self::Ip(address),
            _ => Self::Word(word),
        }
    }

    /// The values of a vector; `None` = null.
    pub fn of_vector(vector: &Vector<'_>) -> Vec<Option<Self>> {
        let cells: Vec<Self> = match &vector.data {
            Data::Bool(values) => values.iter().map(|is| Self::Word(u64::from(*is))).collect(),
            Data::Int(values) => {
                let words = values.iter().map(|value| value.cast_unsigned());
                words.map(Self::Word).collect()
            }
            Data::Float(values) => {
                let words = values.iter().map(|value| (value + 0.0).to_bits());
                words.map(Self::Word).collect()
            }
            Data::Text(texts) => texts.iter().map(|text| Self::Text(text.into())).collect(),
            Data::Ip(addresses) => addresses.iter().copied().map(Self::Ip).collect(),
            // checked: no key is a list
            Data::List(_) => Vec::new(),
        };
        let valid = |at: usize| vector.is_valid(at);
        cells
            .into_iter()
            .enumerate()
            .map(|(at, cell)| valid(at).then_some(cell))
            .collect()
    }
}

/// What is told of one relation and not yet taken.
#[derive(Debug)]
pub struct Told {
    /// What comes and goes, by time.
    pub changes: BTreeMap<u64, Vec<(Cells, isize)>>,
    /// Nothing before this time comes any more; `None` = nothing at all.
    pub open: Option<u64>,
}

/// Between views and look-ups.
pub struct Answers {
    /// For each relation that is asked, in the order of [`LookUps::asked`].
    pub told: Vec<Told>,
    /// Wakes who waits for it.
    pub reader: Option<Activator>,
    lost: Lost,
}

/// As all hold it.
pub type SharedAnswers = Rc<RefCell<Answers>>;

impl Answers {
    /// With nothing told; `stop` is set when rows are lost, so that readers stop.
    pub fn new(look_ups: &LookUps, stop: Arc<AtomicBool>) -> SharedAnswers {
        let fresh = |_| Told {
            changes: BTreeMap::new(),
            open: Some(0),
        };
        Rc::new(RefCell::new(Self {
            told: look_ups.asked().map(fresh).collect(),
            reader: None,
            lost: Lost::new(stop),
        }))
    }

    /// Tells that rows are lost: the run fails.
    pub fn fail(&mut self, error: Error) {
        self.lost.fail(error);
    }

    /// What failed, if anything.
    pub const fn take_error(&mut self) -> Option<Error> {
        self.lost.take_error()
    }
}

/// Operator `tell`: the changes of a relation come from all workers to the first. `place` is that of the relation among those that
/// are asked. Nothing comes out but how far it is.
pub fn tell<'scope, R: Row>(
    changes: Rows<'scope, u64, R>,
    made: Made,
    place: usize,
    between: SharedBetween,
    answers: SharedAnswers,
) -> StreamVec<'scope, u64, ()> {
    let changes = changes.consolidate().inner;
    let pact = Exchange::new(|_: &(R, u64, isize)| 0);
    changes.unary_frontier::<CapacityContainerBuilder<Vec<()>>, _, _, _>(pact, "tell", |_, _| {
        move |(input, frontier), _| {
            let answers = &mut *answers.borrow_mut();
            let Some(told) = answers.told.get_mut(place) else {
                return;
            };
            let mut is_new = false;
            input.for_each(|_, changes| {
                let between = between.borrow();
                for (row, time, diff) in changes.drain(..) {
                    let columns = made.columns.iter();
                    let cells = columns.map(|one| Cell::of_column(&row, one, &between.numbers));
                    let changes = told.changes.entry(time).or_default();
                    changes.push((cells.collect(), diff));
                    is_new = true;
                }
            });
            let open = frontier.frontier().first().copied();
            is_new |= std::mem::replace(&mut told.open, open) != open;
            if let (true, Some(reader)) = (is_new, &answers.reader) {
                reader.activate();
            }
        }
    })
}
