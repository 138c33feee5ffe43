//! What a view of groups says of no rows at all, where all rows are one group: a view has no row for it.

use super::plan::{Gives, NULL, Plan, Step};
use super::totals::What;
use super::words::{Row, compute};
use std::cell::Cell;

/// The words of the one row: counts and sums are 0, `all` is true, what needs a value is null.
pub fn of_nothing(plan: &Plan) -> Vec<u64> {
    let mut rows = vec![(<[u64; 8]>::default(), ())];
    let overflows = Cell::new(0);
    let mut words = Vec::new();
    for rule in &plan.rules {
        for step in &rule.steps {
            match step {
                Step::Groups(groups) => {
                    let mut at = groups.by.len();
                    for fold in &groups.folds {
                        let word = match fold.what {
                            What::Count | What::Distinct | What::Sum | What::Any => 0,
                            What::All => 1,
                            _ => NULL,
                        };
                        for (row, ()) in &mut rows {
                            (at..at + fold.words()).for_each(|at| row.set(at, word));
                        }
                        at += fold.words();
                    }
                }
                Step::Compute {
                    program,
                    conditions,
                    lets,
                    keeps_nulls,
                } => {
                    let places: Vec<usize> = lets.iter().map(|(place, _)| *place).collect();
                    let lets = (&places[..], *keeps_nulls);
                    compute(program, *conditions, lets, &mut rows, &overflows);
                }
                _ => {}
            }
        }
        if let (Gives::Unique(places), Some((row, ()))) = (&rule.gives, rows.first()) {
            words = places.iter().map(|at| row.word(*at)).collect();
        }
    }
    words
}
