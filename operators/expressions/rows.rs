//! Expressions over the rows that operators hand on: derived columns and conditions.
//!
//! At check a column has a place among all that the spec names; what pruning leaves of these has other places in the rows. A
//! program keeps the first ones, and beside it stands where they are now.

use super::aggregates::AGGREGATES;
use super::check::Typed;
use super::program::{Builder, Fields, Program};
use super::types::Type;
use super::vector::Vector;
use crate::columns::{Column, Columns};
use crate::schema::Schema;
use std::cell::Cell;
use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

/// Where columns are in the rows, by their place at check.
pub type Places = Arc<HashMap<u32, usize>>;

/// A program over rows.
#[derive(Clone, Debug)]
pub struct RowProgram {
    program: Program,
    places: Places,
}

struct Chunk<'a, 'o> {
    rows: &'a Columns,
    places: &'a Places,
    range: std::ops::Range<usize>,
    overflows: &'o Cell<u64>,
}

impl<'a> Fields<'a> for Chunk<'a, '_> {
    fn load(&self, place: u32, kind: &Type) -> Vector<'a> {
        let column = self.places.get(&place);
        match column.and_then(|at| self.rows.columns.get(*at)) {
            Some(column) => Vector::of_column(column, kind, self.range.clone(), self.overflows),
            None => Vector::nulls(kind, self.range.len()),
        }
    }
}

impl RowProgram {
    /// A program over rows whose columns are at these places.
    pub const fn of(program: Program, places: Places) -> Self {
        Self { program, places }
    }

    /// The program of conditions over rows whose columns are at these places.
    pub fn new<'t>(expressions: impl IntoIterator<Item = &'t Typed>, places: Places) -> Self {
        Self {
            program: Program::new(expressions),
            places,
        }
    }

    /// Computes all expressions over all rows, a chunk at a time; gives how many numbers were too large for their type.
    pub fn run(&self, rows: &Columns, mut each: impl FnMut(usize, &Vector<'_>)) -> u64 {
        let overflows = Cell::new(0);
        let mut start = 0;
        while start < rows.rows() {
            let end = rows.rows().min(start + self.program.chunk());
            let chunk = Chunk {
                rows,
                places: &self.places,
                range: start..end,
                overflows: &overflows,
            };
            self.program.run(&chunk, end - start, &overflows, &mut each);
            start = end;
        }
        overflows.get()
    }

    /// One entry a row: whether the condition `of` the expressions holds; a null does not.
    pub fn truths(&self, rows: &Columns, count: usize) -> (Vec<Vec<bool>>, u64) {
        let mut truths = vec![Vec::with_capacity(rows.rows()); count];
        let overflows = self.run(rows, |at, values| {
            if let Some(truths) = truths.get_mut(at) {
                truths.extend(values.truths());
            }
        });
        (truths, overflows)
    }
}

/// The columns of a spec that are computed from others.
#[derive(Clone, Debug, Default)]
pub struct Derived {
    /// Their declarations, in the order in which they are behind the others.
    pub schema: Schema,
    /// The place of the first of them at check; the others follow.
    first: u32,
    /// Place and expression of each, in an order in which none needs a later one.
    order: Vec<(u32, Typed)>,
    /// Those that are written into rows, in their order.
    wanted: Vec<u32>,
}

impl Derived {
    /// Columns from `first` on; `order` has place and expression of each, none before those that it needs.
    pub fn new(schema: Schema, first: u32, order: Vec<(u32, Typed)>) -> Self {
        let wanted = (first..).zip(&schema).map(|(place, _)| place).collect();
        Self {
            schema,
            first,
            order,
            wanted,
        }
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.wanted.is_empty()
    }

    /// The expression of a column.
    pub fn expression(&self, place: u32) -> Option<&Typed> {
        let mut all = self.order.iter();
        all.find(|(at, _)| *at == place).map(|(_, typed)| typed)
    }

    /// The place at check of each column of the schema.
    pub fn places(&self) -> &[u32] {
        &self.wanted
    }

    /// Leaves only these columns in the rows, and adds what they read of others to `reads`.
    pub fn keep(&mut self, wanted: &BTreeSet<u32>, reads: &mut BTreeSet<u32>) {
        let kept = self.wanted.iter().map(|place| wanted.contains(place));
        let kept: Vec<bool> = kept.collect();
        let mut keep = kept.iter();
        self.schema
            .retain(|_| keep.next().copied().unwrap_or(false));
        let mut keep = kept.iter();
        self.wanted
            .retain(|_| keep.next().copied().unwrap_or(false));
        let mut needed: BTreeSet<u32> = self.wanted.iter().copied().collect();
        for (place, typed) in self.order.iter().rev() {
            if needed.contains(place) {
                typed.loads(&mut |load| {
                    // aggregates over packets have places behind those of derived columns
                    if (self.first..AGGREGATES).contains(&load) {
                        needed.insert(load);
                    } else {
                        reads.insert(load);
                    }
                });
            }
        }
        self.order.retain(|(place, _)| needed.contains(place));
    }

    /// The program of expressions that may read these columns, whether or not rows have them.
    pub fn program<'t>(&self, expressions: impl IntoIterator<Item = &'t Typed>) -> Program {
        let expressions: Vec<&Typed> = expressions.into_iter().collect();
        let mut needed = BTreeSet::new();
        let need = |typed: &Typed, needed: &mut BTreeSet<u32>| {
            typed.loads(&mut |place| {
                needed.insert(place);
            });
        };
        for typed in &expressions {
            need(typed, &mut needed);
        }
        for (place, typed) in self.order.iter().rev() {
            if needed.contains(place) {
                need(typed, &mut needed);
            }
        }
        let mut builder = Builder::default();
        for (place, typed) in self.order.iter().filter(|(at, _)| needed.contains(at)) {
            let result = builder.add(typed);
            builder.define(*place, result);
        }
        let outputs = expressions.into_iter().map(|typed| builder.add(typed));
        let outputs = outputs.collect();
        builder.build(outputs)
    }

    /// What computes them of rows whose columns are at these places.
    pub fn computer(&self, places: Places) -> Computer {
        let mut builder = Builder::default();
        let mut results = HashMap::new();
        for (place, typed) in &self.order {
            let result = builder.add(typed);
            builder.define(*place, result);
            results.insert(*place, result);
        }
        let outputs = self.wanted.iter().filter_map(|place| results.get(place));
        let outputs = outputs.copied().collect();
        Computer {
            program: RowProgram {
                program: builder.build(outputs),
                places,
            },
            schema: self.schema.clone(),
        }
    }
}

/// What adds derived columns to rows.
#[derive(Clone, Debug)]
pub struct Computer {
    program: RowProgram,
    schema: Schema,
}

impl Computer {
    /// Puts the derived columns behind the others; gives how many numbers were too large for their type.
    pub fn apply(&self, rows: &mut Columns) -> u64 {
        let mut columns: Vec<Column> = self
            .schema
            .iter()
            .map(|feature| Column::new(&feature.data_type, feature.null.is_some()))
            .collect();
        let overflows = self.program.run(rows, |at, values| {
            if let Some(column) = columns.get_mut(at) {
                values.append_to(column);
            }
        });
        rows.columns.append(&mut columns);
        overflows
    }
}
