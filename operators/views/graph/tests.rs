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

fn run(communication: timely::CommunicationConfig, measures: Measures, steps: &Steps) -> Run {
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
            let facts = maintain(records, measures);
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

/// A node of this number.
fn node(number: u32) -> Node {
    let [.., last] = number.to_be_bytes();
    Node {
        // not in the order of the numbers
        address: crate::columns::Address {
            family: 4,
            bytes: [last.reverse_bits(); 16],
        },
        port: None,
    }
}

/// The tables that go on from tick to tick, and are told what changes.
struct Going {
    tables: Tables,
    named: BTreeSet<u32>,
    written: Written,
    replayed: BTreeMap<String, i64>,
}

impl Going {
    /// Goes on to a tick, and holds all tables and measures against those of the same records from scratch.
    fn compare(
        &mut self,
        changes: Vec<(Fact, isize)>,
        all: &[Record],
    ) -> Result<(), TestCaseError> {
        let nodes: BTreeSet<u32> = all
            .iter()
            .flat_map(|record| [record.from, record.to])
            .collect();
        let come = nodes
            .difference(&self.named)
            .map(|number| (*number, Some(node(*number))));
        let gone = self.named.difference(&nodes).map(|number| (*number, None));
        let named: Vec<Named> = come.chain(gone).collect();
        self.tables.come(&named, changes);
        self.named = nodes;
        let mut fresh = Tables::default();
        let names: Vec<Named> = self
            .named
            .iter()
            .map(|number| (*number, Some(node(*number))))
            .collect();
        fresh.come(
            &names,
            plain::facts(all)
                .into_iter()
                .map(|fact| (fact, 1))
                .collect(),
        );
        let options = crate::views::ConnectionOptions::default();
        let (ours, theirs) = (
            Measured::new(&self.tables, &options),
            Measured::new(&fresh, &options),
        );
        for number in &self.named {
            prop_assert_eq!(self.tables.facts(*number), fresh.facts(*number));
        }
        let edges = |tables: &Tables| tables.edges().collect::<BTreeMap<_, _>>();
        prop_assert_eq!(edges(&self.tables), edges(&fresh));
        use crate::views::Communities;
        for method in [
            Communities::LabelPropagation,
            Communities::Components,
            Communities::Louvain,
            Communities::Greedy,
        ] {
            prop_assert_eq!(
                ours.communities(method),
                theirs.communities(method),
                "{:?}",
                method
            );
        }
        prop_assert_eq!(ours.cores(), theirs.cores());
        prop_assert_eq!(ours.pagerank(), theirs.pagerank());
        prop_assert_eq!(ours.betweenness(), theirs.betweenness());
        // what is written as changes comes to what a table from scratch is
        let changes = self.written.changes(&self.tables, 0);
        for row in rows(&changes) {
            let (diff, row) = row.split_once(' ').unwrap();
            *self.replayed.entry(row.to_owned()).or_default() += diff.parse::<i64>().unwrap();
        }
        self.replayed.retain(|_, count| *count != 0);
        let mut whole = Written::new(nodes_as(Emit::Changes));
        let whole: BTreeMap<String, i64> = rows(&whole.tick(&fresh, &theirs, 0))
            .iter()
            .map(|row| (row.split_once(' ').unwrap().1.to_owned(), 1))
            .collect();
        prop_assert_eq!(&self.replayed, &whole);
        Ok(())
    }
}

/// Nodes, with what is maintained of them.
fn nodes_as(emit: Emit) -> Relation {
    Relation {
        table: Some(Table::Nodes),
        emit,
        metrics: vec![Metric::Clustering],
        communities: crate::views::Communities::Components,
        use_ports: false,
        only_last: false,
        is_windowed: false,
    }
}

/// The rows of a table as text, `diff` first.
fn rows(table: &crate::columns::Columns) -> Vec<String> {
    let row = |row: usize| {
        let cells = table.columns.iter().map(|column| {
            let mut text = Vec::new();
            crate::sinks::plain_text(&mut text, column, row);
            String::from_utf8(text).unwrap()
        });
        cells.collect::<Vec<_>>().join(" ")
    };
    (0..table.rows()).map(row).collect()
}

/// What a fact is told of: in its place comes what is told later.
fn what(fact: &Fact) -> (u8, u32, u32, u16) {
    match *fact {
        Fact::Flows(node, ..) => (0, node, 0, 0),
        Fact::Edge(from, to, _) => (1, from, to, 0),
        Fact::Port(from, to, port, _) => (2, from, to, port),
        Fact::Degrees(node, _) => (3, node, 0, 0),
        Fact::Times(node, _) => (4, node, 0, 0),
    }
}

/// Holds the facts of every tick, and all that is made of them, against those from scratch.
fn compare(steps: &Steps, told: &[(u64, Fact, isize)]) -> Result<(), TestCaseError> {
    let mut facts: BTreeMap<_, Fact> = BTreeMap::new();
    let mut records: BTreeMap<Record, isize> = BTreeMap::new();
    let mut told = told.iter().peekable();
    let mut going = Going {
        tables: Tables::default(),
        named: BTreeSet::new(),
        written: Written::new(nodes_as(Emit::Changes)),
        replayed: BTreeMap::new(),
    };
    going.tables.track();
    for (tick, step) in (0..).zip(steps) {
        for (record, diff) in step {
            *records.entry(*record).or_default() += diff;
        }
        let mut changes = Vec::new();
        let mut once = BTreeSet::new();
        while let Some((_, fact, diff)) = told.next_if(|(at, ..)| *at == tick) {
            let key = what(fact);
            match diff {
                1 => drop(facts.insert(key, *fact)),
                -1 if facts.get(&key) == Some(fact) => drop(facts.remove(&key)),
                // other times have taken their place
                -1 => prop_assert!(matches!(fact, Fact::Times(..)), "{:?} goes", fact),
                _ => prop_assert!(false, "{:?} is told {} times", fact, diff),
            }
            let is_new = once.insert(key) || matches!(fact, Fact::Times(..));
            prop_assert!(is_new, "{:?} is told again", fact);
            changes.push((*fact, *diff));
        }
        let all: Vec<Record> = records
            .iter()
            .flat_map(|(record, count)| std::iter::repeat_n(*record, count.unsigned_abs()))
            .collect();
        let maintained: BTreeSet<Fact> = facts.values().copied().collect();
        prop_assert_eq!(maintained, plain::facts(&all), "tick {}", tick);
        going.compare(changes, &all)?;
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
            let process = timely::CommunicationConfig::Process(workers);
            let (told, held) = run(process, Measures::ALL, &steps);
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
                std::thread::spawn(move || run(process, Measures::ALL, &steps))
            })
            .collect();
        let mut told = Vec::new();
        for process in running {
            let (facts, held) = process.join().unwrap();
            prop_assert_eq!(held, 0, "updates are left");
            told.extend(facts);
        }
        told.sort_unstable();
        compare(&steps, &told)?;
    }
}

/// Three dozen nodes, many edges, triangles, times.
fn some() -> Vec<Record> {
    let record = |at: u32| Record {
        from: at * at % 31,
        to: at * 7 % 36,
        port: u16::try_from(at % 5).unwrap(),
        packets: 1,
        bytes: 60,
        start: i64::from(at % 50),
        end: i64::from(at % 50),
    };
    (0..400).map(record).collect()
}

#[test]
fn as_many_updates_are_held_as_explain_says() {
    let (records, none) = (some(), Measures::default());
    let facts = plain::facts(&records);
    let how_many = |is: fn(&Fact) -> bool| {
        i64::try_from(facts.iter().filter(|fact| is(fact)).count()).unwrap()
    };
    let sum = |of: fn(&Degrees) -> i32| {
        let degrees = facts.iter().map(|fact| match fact {
            Fact::Degrees(_, degrees) => i64::from(of(degrees)),
            _ => 0,
        });
        degrees.sum::<i64>()
    };
    let nodes = how_many(|fact| matches!(fact, Fact::Flows(..)));
    let edges = how_many(|fact| matches!(fact, Fact::Edge(..)));
    let ends = records
        .iter()
        .flat_map(|record| [record.from, record.to].map(|node| (node, record.start)));
    let ends = i64::try_from(ends.collect::<BTreeSet<_>>().len()).unwrap();
    for (measures, more) in [
        (none, 0),
        (
            Measures {
                edge_ports: true,
                ..none
            },
            how_many(|fact| matches!(fact, Fact::Port(..))),
        ),
        (
            Measures {
                ports: true,
                ..none
            },
            sum(|degrees| degrees.ports) + sum(|degrees| i32::from(degrees.ports > 0)),
        ),
        (
            Measures {
                degrees: true,
                ..none
            },
            nodes,
        ),
        (
            Measures {
                triangles: true,
                ..none
            },
            sum(|degrees| i32::from(degrees.degree > 0)),
        ),
        (
            Measures {
                times: true,
                ..none
            },
            ends + how_many(|fact| matches!(fact, Fact::Times(..))),
        ),
    ] {
        let steps = vec![records.iter().map(|record| (*record, 1)).collect()];
        let (_, held) = run(timely::CommunicationConfig::Process(2), measures, &steps);
        assert_eq!(held, nodes + edges + more, "{measures:?}");
    }
}

#[test]
fn arrays_are_as_large_as_explain_says() {
    let (nodes, most) = (2_000u32, 20_000u32);
    let edges: Vec<(u32, u32, u64)> = (0..most)
        .map(|at| (at % nodes, (at + 1 + at / nodes) % nodes, 1))
        .collect();
    let mut graph = None;
    let made =
        allocation_counter::measure(|| graph = Some(Graph::new(2_000, edges.iter().copied())));
    let bytes = |count: u32, each: usize| u64::from(count) * each as u64;
    let ends = bytes(2 * nodes, size_of::<usize>());
    assert_eq!(
        u64::try_from(made.bytes_current).unwrap(),
        bytes(most, Graph::BYTES_PER_EDGE) + ends
    );
    let graph = graph.unwrap();
    let computed = allocation_counter::measure(|| drop(betweenness(&graph, 0, 4)));
    let room = bytes(nodes, Betweenness::BYTES_PER_NODE);
    assert!(
        (room..room + room / 10).contains(&computed.bytes_max),
        "{computed:?} for {room}"
    );
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
        protocol: 6,
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
