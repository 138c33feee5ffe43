//! What is maintained against what is computed from scratch, on any number of workers and processes.

use super::held::{merge_when_idle, updates_held};
use super::*;
use differential_dataflow::input::Input as _;
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};
use timely::dataflow::operators::{Inspect as _, Probe as _};

/// Records that come (+1) or go (-1), a tick each.
type Steps = Vec<Vec<(Record, isize)>>;

/// All facts that changed, with their tick; and the updates that all workers held before the first tick and at the end.
type Run = (Vec<(u64, Fact, isize)>, i64);

fn run(communication: timely::CommunicationConfig, steps: &Steps) -> Run {
    let mut worker = timely::WorkerConfig::default();
    merge_when_idle(&mut worker);
    let config = timely::Config {
        communication,
        worker,
    };
    let steps = steps.clone();
    let told = Arc::new(Mutex::new(Vec::new()));
    let tell = Arc::clone(&told);
    let held = timely::execute(config, move |worker| {
        let held = updates_held(worker);
        let tell = Arc::clone(&tell);
        let (mut input, probe) = worker.dataflow::<u64, _, _>(|scope| {
            let (input, records) = scope.new_collection();
            let facts = maintain(records, Measures::ALL);
            let facts = facts.inspect(move |(fact, tick, diff)| {
                tell.lock().unwrap().push((*tick, *fact, *diff));
            });
            (input, facts.probe().0)
        });
        for (tick, step) in (0..).zip(&steps) {
            input.advance_to(tick);
            for (at, (record, diff)) in step.iter().enumerate() {
                if at % worker.peers() == worker.index() {
                    input.update(*record, *diff);
                }
            }
            input.advance_to(tick + 1);
            input.flush();
            worker.step_while(|| probe.less_than(&(tick + 1)));
        }
        // a few ticks without a change: what is left to merge is merged
        for tick in (steps.len() as u64..).take(20) {
            input.advance_to(tick + 1);
            input.flush();
            worker.step_while(|| probe.less_than(&(tick + 1)));
            for _ in 0..20 {
                worker.step();
            }
        }
        if let Some(logger) = worker
            .logger_for::<differential_dataflow::logging::DifferentialEventBuilder>(
                "differential/arrange",
            )
        {
            logger.flush();
        }
        held.get()
    })
    .unwrap();
    let held = held.join().into_iter().map(Result::unwrap).sum();
    let mut told = std::mem::take(&mut *told.lock().unwrap());
    told.sort_unstable();
    (told, held)
}

fn processes(count: usize) -> Vec<timely::CommunicationConfig> {
    let listeners: Vec<_> = (0..count)
        .map(|_| std::net::TcpListener::bind("127.0.0.1:0").unwrap())
        .collect();
    let addresses: Vec<String> = listeners
        .iter()
        .map(|listener| listener.local_addr().unwrap().to_string())
        .collect();
    (0..count)
        .map(|process| timely::CommunicationConfig::Cluster {
            threads: 1,
            process,
            addresses: addresses.clone(),
            report: false,
            zerocopy: false,
        })
        .collect()
}

/// Holds the facts of every tick against those from scratch.
fn compare(steps: &Steps, told: &[(u64, Fact, isize)]) -> Result<(), TestCaseError> {
    let mut facts: BTreeMap<Fact, isize> = BTreeMap::new();
    let mut records: BTreeMap<Record, isize> = BTreeMap::new();
    let mut told = told.iter().peekable();
    for (tick, step) in (0..).zip(steps) {
        for (record, diff) in step {
            *records.entry(*record).or_default() += diff;
        }
        while let Some((_, fact, diff)) = told.next_if(|(at, ..)| *at == tick) {
            *facts.entry(*fact).or_default() += diff;
        }
        facts.retain(|_, count| *count != 0);
        let all: Vec<Record> = records
            .iter()
            .flat_map(|(record, count)| std::iter::repeat_n(*record, count.unsigned_abs()))
            .collect();
        prop_assert!(facts.values().all(|count| *count == 1), "{facts:?}");
        let maintained: BTreeSet<Fact> = facts.keys().copied().collect();
        prop_assert_eq!(maintained, plain::facts(&all), "tick {}", tick);
    }
    Ok(())
}

fn record() -> impl Strategy<Value = Record> {
    // few nodes, and half of the flows at the first one: edges repeat, close triangles, and there is a hub
    let node = || prop_oneof![Just(0u32), 0u32..9];
    let seconds = 1_000_000_000;
    (node(), node(), 0u16..3, 1u64..9, -20i64..20, 0i64..5).prop_map(
        move |(from, to, port, packets, start, length)| Record {
            from,
            to,
            port,
            packets,
            bytes: packets * 100,
            start: start * seconds / 2,
            end: (start + length) * seconds / 2,
        },
    )
}

/// Random steps: each brings records and takes away some of those that are there; the last takes away all that is left.
fn steps() -> impl Strategy<Value = Steps> {
    let step = (
        proptest::collection::vec(record(), 0..20),
        proptest::collection::vec(any::<prop::sample::Index>(), 0..12),
    );
    proptest::collection::vec(step, 1..8).prop_map(|parts| {
        let mut there: Vec<Record> = Vec::new();
        let mut steps: Steps = Vec::new();
        for (come, go) in parts {
            let mut step: Vec<(Record, isize)> = Vec::new();
            for at in go {
                if !there.is_empty() {
                    step.push((there.swap_remove(at.index(there.len())), -1));
                }
            }
            step.extend(come.iter().map(|record| (*record, 1)));
            there.extend(come);
            steps.push(step);
        }
        steps.push(there.into_iter().map(|record| (record, -1)).collect());
        steps
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    #[test]
    fn what_is_maintained_is_what_is_computed_from_scratch(steps in steps()) {
        for workers in 1..=3 {
            let (told, held) = run(timely::CommunicationConfig::Process(workers), &steps);
            compare(&steps, &told)?;
            prop_assert_eq!(held, 0, "updates are left on {} workers", workers);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2, ..ProptestConfig::default() })]

    #[test]
    fn two_processes_maintain_the_same(steps in steps()) {
        let running: Vec<_> = processes(2)
            .into_iter()
            .map(|process| {
                let steps = steps.clone();
                std::thread::spawn(move || run(process, &steps))
            })
            .collect();
        let mut told = Vec::new();
        for process in running {
            told.extend(process.join().unwrap().0);
        }
        told.sort_unstable();
        compare(&steps, &told)?;
    }
}

#[test]
fn a_number_is_used_again_when_its_node_has_left() {
    let edge = |last: u8| crate::columns::FlowEdge {
        from: crate::columns::Address {
            family: 4,
            bytes: [0; 16],
        },
        to: crate::columns::Address {
            family: 4,
            bytes: [last; 16],
        },
        from_port: 1,
        to_port: 2,
        packets: 1,
        bytes: 60,
        start: 0,
        end: 0,
        clock: 0,
    };
    let (mut names, mut named) = (Names::default(), Vec::new());
    let first = names.enter(&edge(1), false, &mut named);
    let second = names.enter(&edge(2), false, &mut named);
    assert_eq!((first.from, first.to, second.from, second.to), (0, 1, 0, 2));
    names.leave(&first, &mut named);
    assert_eq!((names.len(), named.last()), (2, Some(&(1, None))));
    assert_eq!(names.enter(&edge(3), false, &mut named).to, 1);
    // with ports the ends of one address are nodes of their own
    assert_eq!(names.enter(&edge(0), true, &mut named).to, 4);
}
