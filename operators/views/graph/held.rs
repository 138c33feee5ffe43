//! How much the arrangements of a worker hold, and how they are kept small.

use differential_dataflow::logging::{DifferentialEvent, DifferentialEventBuilder};
use std::cell::Cell;
use std::rc::Rc;
use timely::WorkerConfig;
use timely::worker::Worker;

/// Updates that an arrangement looks at for a merge each time its worker has nothing else to do.
const IDLE: isize = 1_000;

/// Lets arrangements of a worker merge on while nothing comes in, so that what left a window is forgotten.
pub fn merge_when_idle(config: &mut WorkerConfig) {
    let options = differential_dataflow::Config::default().idle_merge_effort(Some(IDLE));
    differential_dataflow::configure(config, &options);
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
