//! Rows that go on: conditions, samples and routes, and the first of them. An operator of its own behind the features, on every worker;
//! what is first is known on one.

mod first;
mod options;

pub use first::FirstPlan;
pub use options::{FilterOptions, Mode, Share};

use crate::books::{Anomaly, Books};
use crate::columns::{Columns, Values};
use crate::container::each_batch;
use crate::expressions::{Computer, RowProgram};
use std::cell::RefCell;
use std::rc::Rc;
use timely::container::NoopBuilder;
use timely::dataflow::Stream;
use timely::dataflow::channels::pact::Pipeline;
use timely::dataflow::operators::generic::OutputBuilder;
use timely::dataflow::operators::generic::builder_rc::OperatorBuilder;

/// What a filter does.
#[derive(Clone, Debug)]
pub struct FilterPlan {
    /// Its name in the books.
    pub name: String,
    /// Only the rows for which this is true go on.
    pub condition: Option<RowProgram>,
    /// The share of the rows that go on, and the place of `flow_id`.
    pub sample: Option<(f64, usize)>,
    /// Which of these are the first ones, if only these go on.
    pub first: Option<FirstPlan>,
    /// The conditions of the routes, and how many there are.
    pub conditions: (RowProgram, usize),
    /// The names of the routes; none = one output.
    pub routes: Vec<Route>,
    /// Which routes a row takes.
    pub mode: Mode,
}

/// An output of a filter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Route {
    /// Its name.
    pub name: String,
    /// Which of the conditions; `None` = the rows of no other route.
    pub condition: Option<usize>,
}

impl FilterPlan {
    /// Number of outputs.
    pub fn outputs(&self) -> usize {
        self.routes.len().max(1)
    }

    /// Whether each row goes on.
    fn passes(&self, rows: &Columns, books: &mut Books) -> Vec<bool> {
        let (mut passes, overflows) = match &self.condition {
            Some(condition) => condition.truths(rows, 1),
            None => (Vec::new(), 0),
        };
        books
            .anomalies
            .add_many(Anomaly::ExpressionOverflow, overflows);
        let mut passes = passes.pop().unwrap_or_else(|| vec![true; rows.rows()]);
        if let Some((rate, place)) = self.sample
            && let Some(Values::Id(ids)) = rows.columns.get(place).map(|column| &column.values)
        {
            passes
                .iter_mut()
                .zip(ids)
                .for_each(|(passes, id)| *passes &= is_chosen(id, rate));
        }
        let filter = books.filters.entry(self.name.clone()).or_default();
        filter.offered += rows.rows() as u64;
        filter.filtered += rows.rows() as u64 - count(&passes);
        passes
    }

    /// For each output, whether each of the rows that go on goes there.
    fn masks(&self, rows: &Columns, passes: Vec<bool>, books: &mut Books) -> Vec<Vec<bool>> {
        let (truths, overflows) = match self.routes.is_empty() {
            true => (Vec::new(), 0),
            false => self.conditions.0.truths(rows, self.conditions.1),
        };
        books
            .anomalies
            .add_many(Anomaly::ExpressionOverflow, overflows);
        let filter = books.filters.entry(self.name.clone()).or_default();
        if self.routes.is_empty() {
            *filter.passed.entry(String::new()).or_default() += count(&passes);
            return vec![passes];
        }
        // the rows that no route has taken yet
        let mut left = passes.clone();
        let mut masks: Vec<Vec<bool>> = Vec::new();
        for route in &self.routes {
            let mask: Vec<bool> = match route.condition.and_then(|at| truths.get(at)) {
                None => vec![false; rows.rows()],
                Some(truths) => {
                    let open = if self.mode == Mode::First {
                        &left
                    } else {
                        &passes
                    };
                    truths
                        .iter()
                        .zip(open)
                        .map(|(is, open)| is & open)
                        .collect()
                }
            };
            left.iter_mut()
                .zip(&mask)
                .for_each(|(left, is)| *left &= !is);
            masks.push(mask);
        }
        for (route, mask) in self.routes.iter().zip(&mut masks) {
            if route.condition.is_none() {
                *mask = std::mem::take(&mut left);
            }
            *filter.passed.entry(route.name.clone()).or_default() += count(mask);
        }
        filter.unrouted += count(&left);
        let taken: u64 = masks.iter().map(|mask| count(mask)).sum();
        filter.copies += taken + count(&left) - count(&passes);
        masks
    }
}

fn count(mask: &[bool]) -> u64 {
    mask.iter().filter(|is| **is).count() as u64
}

/// Whether a row is in the sample: by the first bits of its id, which is a hash.
fn is_chosen(id: &[u8; 16], rate: f64) -> bool {
    let mut first = [0; 8];
    first.copy_from_slice(&id[..8]);
    // the largest ones are rounded up to 2^64, which has no place in a u64
    rate >= 1.0 || (u64::from_be_bytes(first) as f64) < rate * 18_446_744_073_709_551_616.0
}

/// Operator of a filter: rows to its outputs.
pub fn filter<'scope>(
    rows: Stream<'scope, u64, Columns>,
    plan: FilterPlan,
    books: Rc<RefCell<Books>>,
) -> Vec<Stream<'scope, u64, Columns>> {
    let Some(first) = plan.first.clone() else {
        return routes(rows, plan, true, books);
    };
    let (choice, own) = (plan.clone(), Rc::clone(&books));
    let rows = each_batch(&format!("filter {}", plan.name), rows, move |rows| {
        let mask = choice.passes(&rows, &mut own.borrow_mut());
        rows.filtered(&mask)
    });
    let rows = first::first(rows, &plan.name, &first, &books);
    routes(rows, plan, false, books)
}

/// Operator of the routes, and of the condition before them if `is_choosing`.
fn routes<'scope>(
    rows: Stream<'scope, u64, Columns>,
    plan: FilterPlan,
    is_choosing: bool,
    books: Rc<RefCell<Books>>,
) -> Vec<Stream<'scope, u64, Columns>> {
    let mut builder = OperatorBuilder::new(format!("filter {}", plan.name), rows.scope());
    let mut input = builder.new_input(rows, Pipeline);
    let (mut outputs, mut streams) = (Vec::new(), Vec::new());
    for _ in 0..plan.outputs() {
        let (output, stream) = builder.new_output();
        let output: OutputBuilder<u64, NoopBuilder<Columns>> = OutputBuilder::from(output);
        outputs.push(output);
        streams.push(stream);
    }
    builder.build(move |_| {
        move |_| {
            input.for_each(|capability, rows| {
                let rows = std::mem::take(rows);
                let mut books = books.borrow_mut();
                let passes = match is_choosing {
                    true => plan.passes(&rows, &mut books),
                    false => vec![true; rows.rows()],
                };
                let masks = plan.masks(&rows, passes, &mut books);
                for (at, (output, mask)) in outputs.iter_mut().zip(masks).enumerate() {
                    let Some(held) = capability.retain_least(at) else {
                        continue;
                    };
                    let mut taken = rows.filtered(&mask);
                    if taken.rows() > 0 {
                        let mut output = output.activate();
                        output
                            .session_with_builder(&held)
                            .give_container(&mut taken);
                    }
                }
            });
        }
    });
    streams
}

/// Operator `derive`: puts the derived columns behind the others.
pub fn derive<'scope>(
    rows: Stream<'scope, u64, Columns>,
    computer: Computer,
    books: Rc<RefCell<Books>>,
) -> Stream<'scope, u64, Columns> {
    each_batch("derive", rows, move |mut rows| {
        let overflows = computer.apply(&mut rows);
        let anomalies = &mut books.borrow_mut().anomalies;
        anomalies.add_many(Anomaly::ExpressionOverflow, overflows);
        rows
    })
}

#[cfg(test)]
mod tests {
    use super::is_chosen;

    #[test]
    fn a_sample_has_its_share() {
        let ids = (0..=255_u8).map(|first| [first; 16]);
        assert_eq!(ids.clone().filter(|id| is_chosen(id, 0.25)).count(), 64);
        assert_eq!(ids.clone().filter(|id| is_chosen(id, 1.0)).count(), 256);
        assert_eq!(ids.filter(|id| is_chosen(id, 0.0)).count(), 0);
    }
}
