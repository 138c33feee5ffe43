//! What a run did, operator by operator: batches and rows, time, and what arrangements hold. Told by the logs of timely and
//! differential; how many flows are open is in the books. Without an analysis nothing is logged.

use differential_dataflow::logging::{DifferentialEvent, DifferentialEventBuilder};
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use timely::logging::{StartStop, TimelyEvent, TimelyEventBuilder};
use timely::worker::Worker;

/// What one operator did, on all workers of this process.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Measured {
    /// What its dataflow is for.
    pub dataflow: String,
    /// Its name.
    pub name: String,
    /// Records of what it read: packets, rows, updates.
    pub taken: i64,
    /// Records of what it gave, to all who read it once.
    pub given: i64,
    /// Time at work, the sum over workers.
    pub active: Duration,
    /// How often it was called.
    pub calls: u64,
    /// Updates in its arrangements, the most there were at once.
    pub held: i64,
}

/// What all operators did.
#[derive(Clone, Debug, Default)]
pub struct Analysis {
    /// By dataflow and place in it: operators that work, in the order in which they were built.
    operators: BTreeMap<(usize, usize), Measured>,
}

/// As the workers of a process share it.
pub type SharedAnalysis = Arc<Mutex<Analysis>>;

impl Analysis {
    /// The operators, in order.
    pub fn operators(&self) -> impl Iterator<Item = &Measured> {
        self.operators.values()
    }
}

/// What a worker has seen so far.
#[derive(Default)]
struct Seen {
    /// Place and name, by id.
    operators: BTreeMap<usize, (Vec<usize>, String)>,
    /// For each channel: its dataflow, the place and port that it comes from, the place that it goes to.
    channels: BTreeMap<usize, Channel>,
    sent: BTreeMap<usize, i64>,
    received: BTreeMap<usize, i64>,
    starts: BTreeMap<usize, Duration>,
    active: BTreeMap<usize, (Duration, u64)>,
    /// Now, and the most.
    held: BTreeMap<usize, (i64, i64)>,
}

struct Channel {
    scope: Vec<usize>,
    source: (usize, usize),
    target: usize,
}

impl Seen {
    fn timely(&mut self, at: Duration, event: &TimelyEvent) {
        match event {
            TimelyEvent::Operates(event) => {
                let operator = (event.addr.clone(), event.name.clone());
                self.operators.insert(event.id, operator);
            }
            TimelyEvent::Channels(event) => {
                let channel = Channel {
                    scope: event.scope_addr.clone(),
                    source: event.source,
                    target: event.target.0,
                };
                self.channels.insert(event.id, channel);
            }
            TimelyEvent::Messages(event) => {
                let counts = match event.is_send {
                    true => &mut self.sent,
                    false => &mut self.received,
                };
                *counts.entry(event.channel).or_default() += event.record_count;
            }
            TimelyEvent::Schedule(event) => match event.start_stop {
                StartStop::Start => {
                    self.starts.insert(event.id, at);
                }
                StartStop::Stop => {
                    if let Some(start) = self.starts.remove(&event.id) {
                        let (active, calls) = self.active.entry(event.id).or_default();
                        *active += at.saturating_sub(start);
                        *calls += 1;
                    }
                }
            },
            _ => {}
        }
    }

    fn differential(&mut self, event: &DifferentialEvent) {
        let wide = |length: usize| i64::try_from(length).unwrap_or(i64::MAX);
        let (operator, change) = match event {
            DifferentialEvent::Batch(batch) => (batch.operator, wide(batch.length)),
            DifferentialEvent::Merge(merge) => {
                let before = wide(merge.length1) + wide(merge.length2);
                let change = merge.complete.map_or(0, |after| wide(after) - before);
                (merge.operator, change)
            }
            DifferentialEvent::Drop(gone) => (gone.operator, -wide(gone.length)),
            _ => return,
        };
        let (now, most) = self.held.entry(operator).or_default();
        *now += change;
        *most = (*most).max(*now);
    }
}

/// The eyes of a worker.
pub struct Watch {
    seen: Rc<RefCell<Seen>>,
    /// What the dataflows are for, by number.
    names: BTreeMap<usize, String>,
}

impl Watch {
    /// Watches what a worker builds from now on.
    pub fn new(worker: &Worker) -> Self {
        let seen = Rc::new(RefCell::new(Seen::default()));
        if let Some(mut register) = worker.log_register() {
            let to = Rc::clone(&seen);
            register.insert::<TimelyEventBuilder, _>("timely", move |_, events| {
                let seen = &mut *to.borrow_mut();
                for (at, event) in events.iter().flatten() {
                    seen.timely(*at, event);
                }
            });
            let to = Rc::clone(&seen);
            register.insert::<DifferentialEventBuilder, _>(
                "differential/arrange",
                move |_, events| {
                    let seen = &mut *to.borrow_mut();
                    for (_, event) in events.iter().flatten() {
                        seen.differential(event);
                    }
                },
            );
        }
        Self {
            seen,
            names: BTreeMap::new(),
        }
    }

    /// Says what the next dataflow is for.
    pub fn next(&mut self, worker: &Worker, name: impl Into<String>) {
        self.names.insert(worker.next_dataflow_index(), name.into());
    }

    /// Adds what was seen to that of the other workers.
    pub fn end(self, worker: &Worker, all: &Mutex<Analysis>) {
        if let Some(logger) = worker.logger_for::<TimelyEventBuilder>("timely") {
            logger.flush();
        }
        if let Some(logger) = worker.logger_for::<DifferentialEventBuilder>("differential/arrange")
        {
            logger.flush();
        }
        let seen = self.seen.borrow();
        let mut all = all.lock().unwrap_or_else(PoisonError::into_inner);
        for (id, (place, name)) in &seen.operators {
            let [dataflow, rest @ ..] = &place[..] else {
                continue;
            };
            let (Some(label), Some(at)) = (self.names.get(dataflow), rest.first()) else {
                continue;
            };
            let measured = all.operators.entry((*dataflow, *at)).or_default();
            let held = seen.held.get(id).map_or(0, |(_, most)| *most);
            measured.held += held;
            // what is inside of a loop is part of it
            if rest.len() > 1 {
                continue;
            }
            measured.dataflow.clone_from(label);
            measured.name.clone_from(name);
            let (active, calls) = seen.active.get(id).copied().unwrap_or_default();
            measured.active += active;
            measured.calls += calls;
            let mut ports: BTreeMap<usize, i64> = BTreeMap::new();
            for (channel, of) in &seen.channels {
                if of.scope[..] != [*dataflow] {
                    continue;
                }
                let count =
                    |counts: &BTreeMap<usize, i64>| counts.get(channel).copied().unwrap_or(0);
                if of.target == *at {
                    measured.taken += count(&seen.received);
                }
                if of.source.0 == *at {
                    let sent = ports.entry(of.source.1).or_default();
                    *sent = (*sent).max(count(&seen.sent));
                }
            }
            measured.given += ports.values().sum::<i64>();
        }
    }
}
