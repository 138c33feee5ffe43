//! Rows of views: a few words of 64 bits each, the same width for all, so that they are compared, hashed and sent as they are.
//!
//! Texts and addresses are numbers here, given by whoever turns rows into words; floats are their bits.

use super::numbers::Numbers;
use super::plan::{NULL, Source};
use crate::columns::{Column, Columns, Values};
use crate::expressions::vector::{CHUNK, Data, Vector};
use crate::expressions::{Constant, Fields, Node, Places, Program, Type, Typed};
use differential_dataflow::ExchangeData;
use std::cell::Cell;
use std::cmp::Ordering;
use std::fmt::Debug;
use std::hash::Hash;
use std::ops::Range;

/// A row of words.
pub trait Row: ExchangeData + Send + Sync + Hash + Copy + Debug + Default + Ord {
    /// How many there are.
    const WIDTH: usize;

    /// The words.
    fn words(&self) -> &[u64];

    /// The words, to be set.
    fn words_mut(&mut self) -> &mut [u64];

    /// A word; 0 beyond the last.
    fn word(&self, at: usize) -> u64 {
        self.words().get(at).copied().unwrap_or(0)
    }

    /// Sets a word.
    fn set(&mut self, at: usize, value: u64) {
        if let Some(word) = self.words_mut().get_mut(at) {
            *word = value;
        }
    }
}

macro_rules! rows {
    ($($width:literal)+) => { $(
        impl Row for [u64; $width] {
            const WIDTH: usize = $width;

            fn words(&self) -> &[u64] {
                self
            }

            fn words_mut(&mut self) -> &mut [u64] {
                self
            }
        }
    )+ };
}
rows!(4 8);

/// The order of two words of a type. That of texts and addresses is not the order of what they stand for.
pub fn order(a: u64, b: u64, kind: &Type) -> Ordering {
    match kind {
        Type::Float => f64::from_bits(a).total_cmp(&f64::from_bits(b)),
        _ => a.cast_signed().cmp(&b.cast_signed()),
    }
}

/// The word of a value that is written out; `None` where it is computed, or null.
pub fn constant(value: &Typed) -> Option<u64> {
    match &value.node {
        Node::Constant(
            Constant::Int(value) | Constant::Duration(value) | Constant::Time(value),
        ) => Some(value.cast_unsigned()),
        Node::Constant(Constant::Bool(value)) => Some(u64::from(*value)),
        Node::Constant(Constant::Float(value)) => Some((value + 0.0).to_bits()),
        _ => None,
    }
}

/// Words as fields of programs, and whether some may be null.
struct Words<'r, R, X>(&'r [(R, X)], bool);

impl<'a, R: Row, X> Fields<'a> for Words<'_, R, X> {
    fn load(&self, place: u32, kind: &Type) -> Vector<'a> {
        let words = || self.0.iter().map(|(row, _)| row.word(place as usize));
        let values = Vector::new(match kind {
            Type::Float => Data::Float(words().map(f64::from_bits).collect()),
            Type::Bool => Data::Bool(words().map(|word| word != 0).collect()),
            _ => Data::Int(words().map(u64::cast_signed).collect()),
        });
        let has_nulls = self.1 && words().any(|word| word == NULL);
        values.with(has_nulls.then(|| words().map(|word| word != NULL).collect()))
    }
}

/// Puts the values of a vector into a word of each row.
fn put<R: Row, X>(vector: &Vector<'_>, at: usize, rows: &mut [(R, X)]) {
    match &vector.data {
        Data::Bool(values) => {
            for ((row, _), value) in rows.iter_mut().zip(values.iter()) {
                row.set(at, u64::from(*value));
            }
        }
        Data::Int(values) => {
            for ((row, _), value) in rows.iter_mut().zip(values.iter()) {
                row.set(at, value.cast_unsigned());
            }
        }
        Data::Float(values) => {
            for ((row, _), value) in rows.iter_mut().zip(values.iter()) {
                row.set(at, (value + 0.0).to_bits());
            }
        }
        // checked: what a word cannot hold does not get here
        Data::Text(_) | Data::Ip(_) | Data::List(_) => {}
    }
    if vector.valid.is_some() {
        for (place, (row, _)) in rows.iter_mut().enumerate().take(vector.len()) {
            if !vector.is_valid(place) {
                row.set(at, NULL);
            }
        }
    }
}

/// Runs a program over rows: those whose conditions are true stay, with the values in their words. Unless it `keeps_nulls`, a row
/// with a null among its values goes too.
pub fn compute<R: Row, X>(
    program: &Program,
    conditions: usize,
    (lets, keeps_nulls): (&[usize], bool),
    rows: &mut Vec<(R, X)>,
    overflows: &Cell<u64>,
) {
    let mut passes = vec![true; rows.len()];
    let mut values: Vec<(usize, usize, Vector<'static>)> = Vec::new();
    for (part, start) in rows.chunks(CHUNK).zip((0..).step_by(CHUNK)) {
        let passes = &mut passes[start..start + part.len()];
        program.run(
            &Words(part, keeps_nulls),
            part.len(),
            overflows,
            |at, vector| {
                let fits = if at < conditions {
                    vector.truths()
                } else {
                    let place = lets.get(at - conditions).copied().unwrap_or(usize::MAX);
                    let is_there = |row| keeps_nulls || vector.is_valid(row);
                    let fits = (0..part.len()).map(is_there).collect();
                    values.push((start, place, vector.clone().into_owned()));
                    fits
                };
                passes
                    .iter_mut()
                    .zip(fits)
                    .for_each(|(pass, fit)| *pass &= fit);
            },
        );
    }
    for (start, place, vector) in values {
        put(&vector, place, &mut rows[start..]);
    }
    let mut passes = passes.into_iter();
    rows.retain(|_| passes.next().unwrap_or(false));
}

/// Columns as fields of programs.
struct OfColumns<'a> {
    columns: &'a [Column],
    places: &'a Places,
    rows: Range<usize>,
    overflows: &'a Cell<u64>,
}

impl<'a> Fields<'a> for OfColumns<'a> {
    fn load(&self, place: u32, kind: &Type) -> Vector<'a> {
        let column = self.places.get(&place);
        match column.and_then(|at| self.columns.get(*at)) {
            Some(column) => Vector::of_column(column, kind, self.rows.clone(), self.overflows),
            None => Vector::nulls(kind, self.rows.len()),
        }
    }
}

/// The rows of a batch that a source takes, each as its words and its place in the batch; `places` is where its columns are.
pub fn take<R: Row>(
    source: &Source,
    batch: &Columns,
    places: &Places,
    numbers: &mut Numbers,
    overflows: &Cell<u64>,
) -> Vec<(R, usize)> {
    let mut taken = Vec::new();
    for start in (0..batch.rows()).step_by(CHUNK) {
        let end = batch.rows().min(start + CHUNK);
        let fields = OfColumns {
            columns: &batch.columns,
            places,
            rows: start..end,
            overflows,
        };
        let mut passes = vec![true; end - start];
        let mut values: Vec<Vector<'static>> = Vec::with_capacity(source.kinds.len());
        source
            .program
            .run(&fields, end - start, overflows, |at, vector| {
                let is_there = |row| source.keeps_nulls || vector.is_valid(row);
                let fits = match at < source.conditions {
                    true => vector.truths(),
                    false => (0..vector.len()).map(is_there).collect(),
                };
                passes
                    .iter_mut()
                    .zip(fits)
                    .for_each(|(pass, fit)| *pass &= fit);
                if at >= source.conditions {
                    values.push(vector.clone().into_owned());
                }
            });
        let mut rows: Vec<(R, usize)> = (start..end).map(|row| (R::default(), row)).collect();
        for (at, vector) in values.iter().enumerate() {
            match &vector.data {
                Data::Text(texts) => {
                    let texts = texts.iter().zip(&passes).zip(&mut rows).enumerate();
                    for (place, ((text, _), (row, _))) in texts.filter(|(_, ((_, pass), _))| **pass)
                    {
                        row.set(
                            at,
                            match vector.is_valid(place) {
                                true => numbers.text(text),
                                false => NULL,
                            },
                        );
                    }
                }
                Data::Ip(addresses) => {
                    let addresses = addresses.iter().zip(&passes).zip(&mut rows).enumerate();
                    for (place, ((address, _), (row, _))) in
                        addresses.filter(|(_, ((_, pass), _))| **pass)
                    {
                        row.set(
                            at,
                            match vector.is_valid(place) {
                                true => numbers.ip(*address),
                                false => NULL,
                            },
                        );
                    }
                }
                _ => put(vector, at, &mut rows),
            }
        }
        let width = source.kinds.len();
        for ((row, place), _) in rows.iter_mut().zip(&passes).filter(|(_, pass)| **pass) {
            if let (true, Some((start, nth))) = (source.in_order, batch.keys.get(*place)) {
                row.set(width, start.cast_unsigned());
                row.set(width + 1, *nth);
            }
            for at in &source.summed {
                let value = f64::from_bits(row.word(*at));
                if row.word(*at) != NULL && super::weights::fixed(value).is_none() {
                    row.set(*at, NULL);
                    overflows.set(overflows.get() + 1);
                }
            }
        }
        let rows = rows.into_iter().zip(passes);
        taken.extend(rows.filter(|(_, pass)| *pass).map(|(row, _)| row));
    }
    taken
}

/// Adds a word to a column of its type; `spell` writes the texts and addresses that numbers stand for.
pub fn write(word: u64, kind: &Type, column: &mut Column, spell: impl FnOnce(u64) -> Constant) {
    if let (NULL, Some(valid)) = (word, &mut column.valid) {
        valid.push(false);
        return column.push_zero();
    }
    match (&mut column.values, kind) {
        (Values::Bool(values), _) => values.push(word != 0),
        (Values::I64(values) | Values::Time(values), _) => values.push(word.cast_signed()),
        (Values::F64(values), Type::Duration) => {
            values.push(crate::expressions::vector::seconds(word.cast_signed()));
        }
        (Values::F64(values), _) => values.push(f64::from_bits(word)),
        (Values::Text { ends, bytes }, _) => {
            if let Constant::Text(text) = spell(word) {
                bytes.extend_from_slice(text.as_bytes());
            }
            ends.push(u32::try_from(bytes.len()).unwrap_or(u32::MAX));
        }
        (Values::Address(values), _) => values.push(match spell(word) {
            Constant::Ip(address) => address,
            _ => crate::expressions::vector::ZERO,
        }),
        _ => column.push_zero(),
    }
    if let Some(valid) = &mut column.valid {
        valid.push(true);
    }
}

/// Adds a list of words, up to the first null, to a column of lists of this type.
pub fn write_list(
    words: impl Iterator<Item = u64>,
    kind: &Type,
    column: &mut Column,
    spell: impl Fn(u64) -> Constant,
) {
    if let Values::List { ends, items } = &mut column.values {
        words
            .take_while(|word| *word != NULL)
            .for_each(|word| write(word, kind, items, &spell));
        ends.push(u32::try_from(items.len()).unwrap_or(u32::MAX));
    }
    if let Some(valid) = &mut column.valid {
        valid.push(true);
    }
}
