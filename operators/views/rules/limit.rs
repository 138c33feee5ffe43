//! How many rows relations have, so that a view that grows beyond all bounds ends in an error and not in lack of memory.

use super::build::Rows;
use super::words::Row;
use differential_dataflow::AsCollection as _;
use differential_dataflow::operators::CountTotal as _;
use std::collections::BTreeMap;
use timely::container::CapacityContainerBuilder;
use timely::dataflow::channels::pact::Pipeline;
use timely::dataflow::operators::generic::Operator as _;

/// Calls `full` when a relation has more than `most` rows after a tick, on one of the workers.
pub fn at_most<'scope, R: Row>(rows: &Rows<'scope, u64, R>, most: u64, full: impl Fn() + 'static) {
    let changes = rows
        .inner
        .clone()
        .unary::<CapacityContainerBuilder<Vec<_>>, _, _, _>(Pipeline, "rows", |_, _| {
            |input, output| {
                input.for_each(|capability, rows| {
                    let mut changes: BTreeMap<u64, i64> = BTreeMap::new();
                    for (_, time, diff) in rows.drain(..) {
                        *changes.entry(time).or_default() += diff as i64;
                    }
                    let changes = changes.into_iter().map(|(time, change)| ((), time, change));
                    output.session(&capability).give_iterator(changes);
                });
            }
        });
    let most = i64::try_from(most).unwrap_or(i64::MAX);
    changes
        .as_collection()
        .count_total()
        .inspect(move |(((), count), _, diff)| {
            if *diff > 0 && *count > most {
                full();
            }
        });
}
