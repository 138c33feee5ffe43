//! Columns to take rows from, whether something is held under their nulls or not.

use super::{Address, Column, FlowEdge, Ranks, RowKey, Values, offset, span};
use std::borrow::Cow;

/// The place of no value. No batch has so many rows.
const NULL: u32 = u32::MAX;

/// A batch to take rows from.
pub trait Batch: Sync {
    /// One entry a row.
    fn keys(&self) -> &[RowKey];
    /// One entry a row where the connection graph is wanted, else none.
    fn edges(&self) -> &[FlowEdge];
    /// The column at this place of the schema.
    fn view(&self, column: usize) -> View<'_>;
}

/// A column to take rows from.
#[derive(Clone, Copy, Debug)]
pub struct View<'a> {
    values: &'a Values,
    valid: Valid<'a>,
}

/// Which rows are not null, and where their values are.
#[derive(Clone, Copy, Debug)]
pub(super) enum Valid<'a> {
    /// All; a value a row.
    All,
    /// Those that are `true`; a value a row.
    Mask(&'a [bool]),
    /// Those that have a rank, which is the place of their value.
    Ranks(&'a Ranks),
}

impl<'a> View<'a> {
    pub(super) const fn new(values: &'a Values, valid: Valid<'a>) -> Self {
        Self { values, valid }
    }

    /// Whether there is no row.
    pub(super) fn is_empty(&self) -> bool {
        match self.valid {
            Valid::All => self.values.len() == 0,
            Valid::Mask(mask) => mask.is_empty(),
            // there is a row that is null
            Valid::Ranks(_) => false,
        }
    }

    /// The number in a row of a column of U32 without nulls; 0 where there is none.
    pub(crate) fn small(&self, row: u32) -> u32 {
        match self.values {
            Values::U32(values) => values.get(row as usize).copied().unwrap_or(0),
            _ => 0,
        }
    }

    /// Where the value of a row is, or [`NULL`].
    #[inline]
    fn place(&self, row: u32) -> u32 {
        match self.valid {
            Valid::All => row,
            Valid::Mask(mask) if mask[row as usize] => row,
            Valid::Mask(_) => NULL,
            Valid::Ranks(ranks) => ranks.of(row).unwrap_or(NULL),
        }
    }

    /// A part of a column of structs: it is null where the whole is.
    fn part(&self, at: usize) -> Self {
        match self.values {
            Values::Struct(parts) => Self::new(&parts[at].1.values, self.valid),
            other => differ(other),
        }
    }
}

fn differ(values: &Values) -> ! {
    unreachable!("columns of one schema have one type: {values:?}")
}

impl Column {
    /// Adds rows of several columns of the same type, each as (place in `sources`, row there): one match a column, not one a value.
    /// A column of numbers may come in a narrower type.
    ///
    /// # Panics
    /// If the types differ: all columns come from one schema.
    pub fn gather(&mut self, sources: &[View<'_>], picks: &[(u32, u32)]) {
        let is_whole = |source: &View<'_>| matches!(source.valid, Valid::All);
        let places: Cow<'_, [(u32, u32)]> = match sources.iter().all(is_whole) {
            true => picks.into(),
            false => {
                let places = picks.iter();
                let places = places.map(|&(from, row)| (from, sources[from as usize].place(row)));
                places.collect()
            }
        };
        if let Some(valid) = &mut self.valid {
            valid.extend(places.iter().map(|(_, at)| *at != NULL));
        }
        macro_rules! gather {
            ($($variant:ident($zero:expr)),+) => {
                match &mut self.values {
                    $(Values::$variant(to) => {
                        let slices = sources.iter().map(|source| match source.values {
                            Values::$variant(values) => values.as_slice(),
                            other => differ(other),
                        });
                        let slices: Vec<&[_]> = slices.collect();
                        to.extend(places.iter().map(|&(from, at)| match at {
                            NULL => $zero,
                            at => slices[from as usize][at as usize],
                        }));
                    })+
                    Values::U64(to) => {
                        to.extend(places.iter().map(|&(from, at)| match (at, sources[from as usize].values) {
                            (NULL, _) => 0,
                            (at, Values::U64(from)) => from[at as usize],
                            (at, Values::U32(from)) => from[at as usize].into(),
                            (at, Values::U16(from)) => from[at as usize].into(),
                            (_, other) => differ(other),
                        }));
                    }
                    Values::Text { ends, bytes } => {
                        ends.reserve(places.len());
                        for &(from, at) in &*places {
                            match (at, sources[from as usize].values) {
                                (NULL, _) => {}
                                (at, Values::Text { ends, bytes: from }) => {
                                    bytes.extend_from_slice(&from[span(ends, at as usize)]);
                                }
                                (_, other) => differ(other),
                            }
                            ends.push(offset(bytes.len()));
                        }
                    }
                    Values::List { ends, items } => {
                        ends.reserve(places.len());
                        for &(from, at) in &*places {
                            match (at, sources[from as usize].values) {
                                (NULL, _) => {}
                                (at, Values::List { ends, items: from }) => {
                                    span(ends, at as usize).for_each(|item| items.push_from(from, item));
                                }
                                (_, other) => differ(other),
                            }
                            ends.push(offset(items.len()));
                        }
                    }
                    Values::Struct(parts) => {
                        for (at, (_, part)) in parts.iter_mut().enumerate() {
                            let sources: Vec<View<'_>> = sources.iter().map(|source| source.part(at)).collect();
                            part.gather(&sources, picks);
                        }
                    }
                }
            };
        }
        gather!(
            Bool(false),
            U8(0),
            U16(0),
            U32(0),
            I8(0),
            I16(0),
            I32(0),
            I64(0),
            F64(0.0),
            Address(Address::ZERO),
            Id([0; 16]),
            Time(0)
        );
    }
}
