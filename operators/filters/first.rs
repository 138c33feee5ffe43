//! The first rows: one of those that agree in some columns (`dedup`), or as many as are asked for (`limit`). First is who started
//! first, so the rows are the same for any number of workers.
//!
//! Nothing is known before the input has ended, so the rows that may go on wait in memory: one for each combination of values, or
//! as many as the limit. Each worker drops what cannot be among them, then one worker has the rest.

use crate::books::Books;
use crate::columns::{Column, Columns, RowKey, Values, span};
use crate::container::Deal;
use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;
use timely::container::NoopBuilder;
use timely::dataflow::Stream;
use timely::dataflow::channels::pact::{DistributorPact, ParallelizationContract, Pipeline};
use timely::dataflow::operators::generic::OutputBuilder;
use timely::dataflow::operators::generic::builder_rc::OperatorBuilder;

/// Rows that go on together.
const BATCH: usize = 8_192;

/// Which rows are first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FirstPlan {
    /// Places of the columns of which no two rows have the same values; none = rows may be alike.
    pub dedup: Vec<usize>,
    /// How many rows at most.
    pub limit: Option<usize>,
}

impl FirstPlan {
    /// What a worker can say of its own rows: a limit behind `dedup` is for all of them.
    fn of_worker(&self) -> Self {
        Self {
            dedup: self.dedup.clone(),
            limit: self.limit.filter(|_| self.dedup.is_empty()),
        }
    }
}

/// What became of rows that are not among the first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Left {
    dedup: u64,
    limit: u64,
}

/// The rows that may be among the first.
#[derive(Debug)]
struct Held {
    plan: FirstPlan,
    rows: Columns,
    /// Which of these still may be; the others were beaten by an earlier one.
    alive: Vec<bool>,
    dead: usize,
    /// Where the row with these values is.
    places: HashMap<Vec<u8>, usize>,
    left: Left,
}

impl Held {
    fn new(plan: FirstPlan) -> Self {
        Self {
            plan,
            rows: Columns::default(),
            alive: Vec::new(),
            dead: 0,
            places: HashMap::new(),
            left: Left::default(),
        }
    }

    fn push(&mut self, rows: &Columns) {
        if self.rows.columns.is_empty() {
            self.rows.columns = rows.columns.iter().map(Column::emptied).collect();
        }
        let mut values = Vec::new();
        for row in 0..rows.rows() {
            if !self.plan.dedup.is_empty() {
                values.clear();
                for column in self.plan.dedup.iter().map(|at| rows.columns.get(*at)) {
                    column
                        .into_iter()
                        .for_each(|column| write(column, row, &mut values));
                }
                match self.places.get_mut(&values) {
                    Some(place) => {
                        self.left.dedup += 1;
                        if self.rows.keys[*place] <= rows.keys[row] {
                            continue;
                        }
                        self.alive[*place] = false;
                        self.dead += 1;
                        *place = self.rows.rows();
                    }
                    None => {
                        self.places.insert(values.clone(), self.rows.rows());
                    }
                }
            }
            self.rows.push_from(rows, row);
            self.alive.push(true);
        }
        let most = match self.plan.limit {
            Some(limit) if self.plan.dedup.is_empty() => limit.saturating_mul(2),
            _ => 2 * (self.alive.len() - self.dead),
        };
        if self.alive.len() > most.saturating_add(BATCH) {
            self.settle(self.plan.dedup.is_empty());
        }
    }

    /// Lets go of what is not among the first, and puts the rest in order; the limit counts if `is_limited`.
    fn settle(&mut self, is_limited: bool) {
        let mut picks: Vec<(RowKey, u32)> = (self.rows.keys.iter().zip(0..))
            .zip(&self.alive)
            .filter(|(_, alive)| **alive)
            .map(|((key, row), _)| (*key, row))
            .collect();
        picks.sort_unstable();
        if let Some(limit) = self.plan.limit.filter(|_| is_limited) {
            self.left.limit += picks.len().saturating_sub(limit) as u64;
            picks.truncate(limit);
        }
        let moved: HashMap<usize, usize> = picks
            .iter()
            .zip(0..)
            .map(|((_, from), to)| (*from as usize, to))
            .collect();
        for place in self.places.values_mut() {
            *place = moved.get(place).copied().unwrap_or(*place);
        }
        let picks: Vec<(u32, u32)> = picks.into_iter().map(|(_, row)| (0, row)).collect();
        let mut rows = Columns {
            columns: self.rows.columns.iter().map(Column::emptied).collect(),
            ..Columns::default()
        };
        rows.gather(&[&self.rows], &picks);
        self.alive = vec![true; rows.rows()];
        self.dead = 0;
        self.rows = rows;
    }

    /// The first rows, in order, a batch at a time.
    fn finish(mut self) -> (Vec<Columns>, Left) {
        self.settle(true);
        let rows = 0..u32::try_from(self.rows.rows()).unwrap_or(u32::MAX);
        let picks: Vec<(u32, u32)> = rows.map(|row| (0, row)).collect();
        let batches = picks.chunks(BATCH).map(|picks| {
            let mut batch = Columns {
                columns: self.rows.columns.iter().map(Column::emptied).collect(),
                ..Columns::default()
            };
            batch.gather(&[&self.rows], picks);
            batch
        });
        (batches.collect(), self.left)
    }
}

/// Adds the value of a row to a key: different values, different bytes.
fn write(column: &Column, row: usize, out: &mut Vec<u8>) {
    if column.valid.as_ref().is_some_and(|valid| !valid[row]) {
        return out.push(0);
    }
    out.push(1);
    let sized = |out: &mut Vec<u8>, length: usize| out.extend((length as u64).to_le_bytes());
    match &column.values {
        Values::Bool(v) => out.push(u8::from(v[row])),
        Values::U8(v) => out.push(v[row]),
        Values::U16(v) => out.extend(v[row].to_le_bytes()),
        Values::U32(v) => out.extend(v[row].to_le_bytes()),
        Values::U64(v) => out.extend(v[row].to_le_bytes()),
        Values::I8(v) => out.extend(v[row].to_le_bytes()),
        Values::I16(v) => out.extend(v[row].to_le_bytes()),
        Values::I32(v) => out.extend(v[row].to_le_bytes()),
        Values::I64(v) | Values::Time(v) => out.extend(v[row].to_le_bytes()),
        // 0 and -0 are one value
        Values::F64(v) => out.extend((v[row] + 0.0).to_bits().to_le_bytes()),
        Values::Text { ends, bytes } => {
            let range = span(ends, row);
            sized(out, range.len());
            out.extend_from_slice(&bytes[range]);
        }
        Values::Address(v) => {
            out.push(v[row].family);
            out.extend_from_slice(&v[row].bytes);
        }
        Values::Id(v) => out.extend_from_slice(&v[row]),
        Values::List { ends, items } => {
            let range = span(ends, row);
            sized(out, range.len());
            range.for_each(|item| write(items, item, out));
        }
        Values::Struct(parts) => parts.iter().for_each(|(_, part)| write(part, row, out)),
    }
}

/// Operator `first`: the first rows of all workers, on one of them.
pub(super) fn first<'scope>(
    rows: Stream<'scope, u64, Columns>,
    name: &str,
    plan: &FirstPlan,
    books: &Rc<RefCell<Books>>,
) -> Stream<'scope, u64, Columns> {
    let mut rows = rows;
    if rows.scope().peers() > 1 {
        rows = stage(rows, Pipeline, name, plan.of_worker(), Rc::clone(books));
    }
    let gathered = DistributorPact(|_| Deal::new(|_: &Columns| 0));
    stage(rows, gathered, name, plan.clone(), Rc::clone(books))
}

fn stage<'scope>(
    rows: Stream<'scope, u64, Columns>,
    pact: impl ParallelizationContract<u64, Columns>,
    name: &str,
    plan: FirstPlan,
    books: Rc<RefCell<Books>>,
) -> Stream<'scope, u64, Columns> {
    let mut builder = OperatorBuilder::new(format!("first {name}"), rows.scope());
    let mut input = builder.new_input(rows, pact);
    let (output, stream) = builder.new_output();
    let mut output: OutputBuilder<u64, NoopBuilder<Columns>> = OutputBuilder::from(output);
    let name = name.to_owned();
    builder.build(move |mut capabilities| {
        let mut open = capabilities.pop().map(|held| (held, Held::new(plan)));
        move |frontiers| {
            input.for_each(|_, rows| {
                if let Some((_, held)) = &mut open {
                    held.push(&std::mem::take(rows));
                }
            });
            if !frontiers.iter().all(|frontier| frontier.is_empty()) {
                return;
            }
            let Some((capability, held)) = open.take() else {
                return;
            };
            let (batches, left) = held.finish();
            let mut books = books.borrow_mut();
            let filter = books.filters.entry(name.clone()).or_default();
            filter.dedup += left.dedup;
            filter.limit += left.limit;
            let mut output = output.activate();
            for mut batch in batches {
                let mut session = output.session_with_builder(&capability);
                session.give_container(&mut batch);
            }
        }
    });
    stream
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Rows of a nullable number and a text; the number of the row is its start.
    fn rows(cells: &[(i64, Option<u16>, &str)]) -> Columns {
        let mut texts = (Vec::new(), Vec::new());
        for (_, _, text) in cells {
            texts.1.extend_from_slice(text.as_bytes());
            texts.0.push(u32::try_from(texts.1.len()).unwrap());
        }
        let numbers = cells.iter().map(|(_, number, _)| number.unwrap_or(0));
        Columns {
            keys: cells.iter().map(|(start, ..)| (*start, 7)).collect(),
            edges: Vec::new(),
            columns: vec![
                Column {
                    values: Values::U16(numbers.collect()),
                    valid: Some(
                        cells
                            .iter()
                            .map(|(_, number, _)| number.is_some())
                            .collect(),
                    ),
                },
                Column {
                    values: Values::Text {
                        ends: texts.0,
                        bytes: texts.1,
                    },
                    valid: None,
                },
            ],
        }
    }

    fn starts(batches: &[Columns]) -> Vec<i64> {
        let keys = batches.iter().flat_map(|batch| &batch.keys);
        keys.map(|(start, _)| *start).collect()
    }

    #[test]
    fn of_equal_rows_the_first_stays() {
        let cells = [
            (5, Some(1), "a"),
            (3, Some(1), "a"),
            (4, None, "a"),
            (1, Some(0), "a"),
            (2, Some(1), "ab"),
            (9, None, "a"),
        ];
        let plan = |dedup: &[usize], limit| FirstPlan {
            dedup: dedup.to_vec(),
            limit,
        };
        let first = |plan: FirstPlan| {
            let mut held = Held::new(plan);
            held.push(&rows(&cells[..2]));
            held.push(&rows(&cells[2..]));
            let (batches, left) = held.finish();
            (starts(&batches), left.dedup, left.limit)
        };
        // a null is a value of its own
        assert_eq!(first(plan(&[0, 1], None)), (vec![1, 2, 3, 4], 2, 0));
        assert_eq!(first(plan(&[1], None)), (vec![1, 2], 4, 0));
        assert_eq!(first(plan(&[0, 1], Some(2))), (vec![1, 2], 2, 2));
        assert_eq!(first(plan(&[], Some(3))), (vec![1, 2, 3], 0, 3));
        assert_eq!(first(plan(&[], Some(0))), (vec![], 0, 6));
        assert_eq!(first(plan(&[], None)), (vec![1, 2, 3, 4, 5, 9], 0, 0));
    }

    #[test]
    fn memory_is_that_of_what_may_go_on() {
        let text = |number: i64| if number % 2 == 0 { "even" } else { "odd" };
        let all: Vec<_> = (0..40_000_i64)
            .rev()
            .map(|at| (at, None, text(at)))
            .collect();
        for plan in [
            FirstPlan {
                dedup: vec![1],
                limit: None,
            },
            FirstPlan {
                dedup: Vec::new(),
                limit: Some(2),
            },
        ] {
            let mut held = Held::new(plan);
            let mut most = 0;
            for batch in all.chunks(1_000) {
                held.push(&rows(batch));
                most = most.max(held.rows.rows());
            }
            assert!(most <= BATCH + 2_000, "{most}");
            let (batches, left) = held.finish();
            assert_eq!(starts(&batches), [0, 1]);
            assert_eq!(left.dedup + left.limit, 39_998);
        }
    }

    proptest! {
        #[test]
        fn it_makes_no_difference_who_sees_the_rows_first(
            cells in prop::collection::vec((0..5_u16, 0..3_usize, 0..3_usize), 0..60), limit in prop::option::of(0..8_usize), dedup: bool,
        ) {
            let texts = ["", "a", "b"];
            let cells: Vec<_> = (0..).zip(&cells).map(|(at, (number, text, worker))| {
                // unique starts in no order
                let start = (at * 37) % 61;
                (*worker, (start, Some(*number).filter(|number| *number > 0), texts[*text]))
            }).collect();
            let plan = FirstPlan { dedup: if dedup { vec![0, 1] } else { Vec::new() }, limit };
            let of = |which: &dyn Fn(usize) -> bool| -> Vec<_> {
                cells.iter().filter(|(worker, _)| which(*worker)).map(|(_, cell)| *cell).collect()
            };
            let mut whole = Held::new(plan.clone());
            whole.push(&rows(&of(&|_| true)));
            let (whole, left) = whole.finish();
            let mut sum = Left::default();
            let mut joined = Held::new(plan.clone());
            for worker in 0..3 {
                let mut own = Held::new(plan.of_worker());
                own.push(&rows(&of(&|of| of == worker)));
                let (batches, left) = own.finish();
                sum = Left { dedup: sum.dedup + left.dedup, limit: sum.limit + left.limit };
                batches.iter().for_each(|batch| joined.push(batch));
            }
            let (joined, last) = joined.finish();
            prop_assert_eq!(whole, joined);
            prop_assert_eq!((left.dedup, left.limit), (sum.dedup + last.dedup, sum.limit + last.limit));
        }
    }
}
