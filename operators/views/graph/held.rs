//! How much the arrangements of a worker hold, and how they are kept small.

use differential_dataflow::logging::{DifferentialEvent, DifferentialEventBuilder};
use differential_dataflow::trace::ExertionLogic;
use std::cell::Cell;
use std::rc::Rc;
use std::sync::Arc;
use timely::WorkerConfig;
use timely::worker::Worker;

/// Updates that an arrangement looks at for a merge each time its worker has nothing else to do.
const IDLE: usize = 1_000;

/// How many times the updates beside it the largest batch of an arrangement may have without being merged with them.
const SHARE: usize = 4;

/// Lets arrangements of a worker merge on while nothing comes in, so that what left a window is forgotten.
///
/// Merging until one batch is left, as `differential_dataflow::configure` has it, would write all that a window holds anew at
/// every tick. What left is forgotten also if the rest is merged once it has grown: as long as something is held that has left,
/// the rest has what takes it back.
pub fn merge_when_idle(config: &mut WorkerConfig) {
    let worth = |batches: &[(usize, usize, usize)]| (!is_compact(batches)).then_some(IDLE);
    let logic: ExertionLogic = Arc::new(worth);
    config.set("differential/default_exert_logic".to_owned(), logic);
}

/// Whether the layers of an arrangement (index, batches, updates) are one batch and little else.
fn is_compact(layers: &[(usize, usize, usize)]) -> bool {
    let single = layers.iter().filter(|(_, batches, _)| *batches == 1);
    let largest = single.map(|(.., updates)| *updates).max().unwrap_or(0);
    let all: usize = layers.iter().map(|(.., updates)| updates).sum();
    (all - largest) * SHARE < largest || all == largest
}

/// Counts the updates in the arrangements that a worker builds from now on.
pub fn updates_held(worker: &Worker) -> Rc<Cell<i64>> {
    let held = Rc::new(Cell::new(0));
    let count = Rc::clone(&held);
    let wide = |length: usize| i64::try_from(length).unwrap_or(i64::MAX);
    if let Some(mut register) = worker.log_register() {
        register.insert::<DifferentialEventBuilder, _>("differential/arrange", move |_, events| {
            for (_, event) in events.iter().flatten() {
                let change = match event {
                    DifferentialEvent::Batch(batch) => wide(batch.length),
                    DifferentialEvent::Merge(merge) => merge.complete.map_or(0, |length| {
                        wide(length) - wide(merge.length1) - wide(merge.length2)
                    }),
                    DifferentialEvent::Drop(gone) => -wide(gone.length),
                    _ => 0,
                };
                count.set(count.get() + change);
            }
        });
    }
    held
}

#[cfg(test)]
mod tests {
    use super::is_compact;

    #[test]
    fn a_large_batch_waits_for_others_that_are_worth_a_merge() {
        assert!(is_compact(&[]));
        assert!(is_compact(&[(0, 0, 0), (5, 1, 30)]));
        assert!(is_compact(&[(10, 1, 1000), (7, 1, 100), (6, 2, 100)]));
        assert!(!is_compact(&[(10, 1, 1000), (7, 1, 100), (6, 2, 150)]));
        // the largest is being merged
        assert!(!is_compact(&[(10, 2, 1000), (7, 1, 100)]));
        assert!(!is_compact(&[(1, 1, 1), (0, 1, 1)]));
    }
}
