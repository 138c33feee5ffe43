//! The connection graph: records loaded, changes absorbed, and what is computed of a snapshot.
//!
//! A million flow records between 50,000 hosts whose degrees follow a power law, and one scanner with 40,000 destinations.

use differential_dataflow::input::{Input as _, InputSession};
use divan::Bencher;
use divan::counter::ItemsCount;
use jayflow_operators::views::graph::{
    Graph, Measures, Record, betweenness, components, core_numbers, label_propagation, louvain,
    maintain, merge_when_idle, pagerank, updates_held,
};
use std::cell::Cell;
use std::collections::VecDeque;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};
use timely::dataflow::operators::Probe as _;
use timely::dataflow::operators::probe::Handle;

const HOSTS: u32 = 50_000;
const RECORDS: u32 = 1_000_000;
const SCANNED: u32 = 40_000;
/// Records that come at a tick, and how many ticks are looked at.
const CHANGE: usize = 1_000;
const CHANGES: usize = 21;
/// Ticks of a window.
const TICKS: usize = 30;

/// A fixed sequence of numbers (SplitMix64).
struct Sequence(u64);

impl Sequence {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A host: the k-th has a share of about 1 / k^0.7.
    fn host(&mut self) -> u32 {
        let share = (self.next() >> 11) as f64 / (1u64 << 53) as f64;
        (share.powf(1.0 / 0.3) * f64::from(HOSTS)) as u32 % HOSTS
    }

    fn record(&mut self) -> Record {
        let start = self.next().cast_signed() >> 20;
        Record {
            from: self.host(),
            to: self.host(),
            port: [53, 80, 443, 22][(self.next() % 4) as usize],
            packets: self.next() % 100,
            bytes: self.next() % 100_000,
            start,
            end: start + 1_000_000,
        }
    }
}

fn records() -> Vec<Record> {
    let mut sequence = Sequence(1);
    let records: Vec<Record> = (0..RECORDS)
        .map(|at| match at < SCANNED {
            true => Record {
                from: HOSTS,
                to: at,
                port: 22,
                ..sequence.record()
            },
            false => sequence.record(),
        })
        .collect();
    tell(
        "records",
        records.iter().map(|record| (record.from, record.to)),
    );
    records
}

/// Writes edges to a file in the folder that `JAYFLOW_EDGES` names, for programs to be compared with: two u32 each.
fn tell(name: &str, edges: impl Iterator<Item = (u32, u32)>) {
    if let Some(folder) = std::env::var_os("JAYFLOW_EDGES") {
        let ends = edges.flat_map(|(from, to)| [from, to]);
        let bytes: Vec<u8> = ends.flat_map(u32::to_le_bytes).collect();
        std::fs::write(std::path::Path::new(&folder).join(name), bytes).unwrap();
    }
}

const COUNTS: Measures = Measures {
    edge_ports: false,
    ports: false,
    degrees: true,
    neighbours: false,
    triangles: false,
    times: false,
};
const CLUSTERING: Measures = Measures {
    triangles: true,
    ..COUNTS
};

const MEASURES: [&str; 3] = ["counts and degrees", "and clustering", "all"];

fn named(measures: &str) -> Measures {
    match measures {
        "counts and degrees" => COUNTS,
        "and clustering" => CLUSTERING,
        _ => Measures::ALL,
    }
}

/// One worker with a graph that is maintained.
struct Kept<'w> {
    worker: &'w mut timely::worker::Worker,
    input: InputSession<u64, Record, isize>,
    probe: Handle<u64>,
    held: Rc<Cell<i64>>,
}

impl Kept<'_> {
    /// Lets the next tick come and be counted.
    fn tick(&mut self) {
        let next = *self.input.time() + 1;
        self.input.advance_to(next);
        self.input.flush();
        let probe = &self.probe;
        self.worker.step_while(|| probe.less_than(&next));
    }

    /// Merges what is left to merge: that is not the work of the next change.
    fn settle(&mut self) {
        for _ in 0..2_000 {
            self.worker.step();
        }
    }
}

/// Runs `body` with a graph of `measures` on one worker.
fn with_graph<T: Send + 'static>(
    measures: Measures,
    body: impl Fn(&mut Kept<'_>) -> T + Send + Sync + 'static,
) -> T {
    let mut worker = timely::WorkerConfig::default();
    merge_when_idle(&mut worker);
    let config = timely::Config {
        communication: timely::CommunicationConfig::Thread,
        worker,
    };
    let done = timely::execute(config, move |worker| {
        let held = updates_held(worker);
        let (input, probe) = worker.dataflow::<u64, _, _>(|scope| {
            let (input, records) = scope.new_collection();
            (input, maintain(records, measures).probe().0)
        });
        body(&mut Kept {
            worker,
            input,
            probe,
            held,
        })
    });
    let mut done = done.unwrap().join().into_iter().map(Result::unwrap);
    done.next().unwrap()
}

/// Bytes of this process that are in memory; 0 where the system does not tell.
fn resident() -> usize {
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    let pages = statm.split(' ').nth(1).and_then(|pages| pages.parse().ok());
    pages.unwrap_or(0usize) * 4096
}

fn median(mut times: Vec<Duration>) -> (Duration, Duration) {
    times.sort_unstable();
    (times[times.len() / 2], times[times.len() - 1])
}

#[divan::bench(sample_size = 1, sample_count = 3, args = MEASURES)]
fn load(bencher: Bencher<'_, '_>, measures: &str) {
    let all = Arc::new(records());
    bencher.counter(ItemsCount::new(RECORDS)).bench(|| {
        let all = Arc::clone(&all);
        with_graph(named(measures), move |kept| {
            all.iter().for_each(|record| kept.input.insert(*record));
            kept.tick();
        });
    });
}

/// Prints what it costs when 1,000 flows come, and when 1,000 come and as many go: medians, beside the load of all from
/// scratch.
#[divan::bench(sample_size = 1, sample_count = 1, args = MEASURES)]
fn change(bencher: Bencher<'_, '_>, measures: &str) {
    let all = Arc::new(records());
    bencher.bench(|| {
        let all = Arc::clone(&all);
        let (loaded, come, turn) = with_graph(named(measures), move |kept| {
            let start = Instant::now();
            all.iter().for_each(|record| kept.input.insert(*record));
            kept.tick();
            let loaded = start.elapsed();
            let mut sequence = Sequence(2);
            let mut changes = |goes: usize| -> Vec<Duration> {
                let change = |at: usize| {
                    kept.settle();
                    let start = Instant::now();
                    for _ in 0..CHANGE {
                        kept.input.insert(sequence.record());
                    }
                    for gone in all.iter().skip(SCANNED as usize + at * goes).take(goes) {
                        kept.input.remove(*gone);
                    }
                    kept.tick();
                    start.elapsed()
                };
                (0..CHANGES).map(change).collect()
            };
            let (come, turn) = (changes(0), changes(CHANGE));
            (loaded, median(come), median(turn))
        });
        println!(
            "{measures}: {RECORDS} records loaded in {:.1} ms; {CHANGE} come in {:.2} ms (worst {:.2}), {:.0} times faster; \
             {CHANGE} come and {CHANGE} go in {:.2} ms (worst {:.2})",
            ms(loaded),
            ms(come.0),
            ms(come.1),
            ms(loaded) / ms(come.0),
            ms(turn.0),
            ms(turn.1),
        );
    });
}

/// Prints what is held of each record when they come in ticks of ten thousand. In a process of its own (one of the measures) the
/// bytes are those of the graph alone.
#[divan::bench(sample_size = 1, sample_count = 1, args = MEASURES)]
fn held(bencher: Bencher<'_, '_>, measures: &str) {
    let all = Arc::new(records());
    bencher.bench(|| {
        let all = Arc::clone(&all);
        let before = resident();
        let (loaded, held, bytes) = with_graph(named(measures), move |kept| {
            let start = Instant::now();
            for records in all.chunks(10 * CHANGE) {
                records.iter().for_each(|record| kept.input.insert(*record));
                kept.tick();
            }
            let loaded = start.elapsed();
            for _ in 0..20 {
                kept.settle();
            }
            // as a run does that grows
            jayflow::memory::give_back();
            (
                loaded,
                kept.held.get(),
                resident().saturating_sub(before),
            )
        });
        println!(
            "{measures}: {RECORDS} records loaded in ticks of {} in {:.1} ms; {:.1} bytes and {:.2} updates a record",
            10 * CHANGE,
            ms(loaded),
            bytes as f64 / f64::from(RECORDS),
            held as f64 / f64::from(RECORDS),
        );
    });
}

fn ms(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}

/// Prints what is held while a window of 30 ticks slides by 20 times its length, a thousand records a tick.
#[divan::bench(sample_size = 1, sample_count = 1, args = MEASURES)]
fn slide(bencher: Bencher<'_, '_>, measures: &str) {
    bencher.bench(|| {
        let (full, end, most) = with_graph(named(measures), move |kept| {
            let (mut sequence, mut window) = (Sequence(4), VecDeque::new());
            let (mut full, mut most) = ((0, 0), (0, 0));
            let mut now = (0, 0);
            for tick in 0..21 * TICKS {
                let come: Vec<Record> = (0..CHANGE).map(|_| sequence.record()).collect();
                come.iter().for_each(|record| kept.input.insert(*record));
                window.push_back(come);
                if window.len() > TICKS {
                    let gone = window.pop_front().unwrap();
                    gone.into_iter().for_each(|record| kept.input.remove(record));
                }
                kept.tick();
                kept.settle();
                now = (kept.held.get(), resident() >> 10);
                if tick + 1 == TICKS {
                    full = now;
                } else if tick >= TICKS {
                    most = (now.0.max(most.0), now.1.max(most.1));
                }
            }
            (full, now, most)
        });
        println!(
            "{measures}: a window of {} records; {} updates and {} KiB resident when it is full, {} and {} after 20 windows, \
             {} and {} at most",
            TICKS * CHANGE,
            full.0,
            full.1,
            end.0,
            end.1,
            most.0,
            most.1
        );
    });
}

/// A graph of 100,000 nodes and a million edges.
fn large() -> Graph {
    let mut sequence = Sequence(3);
    let mut node = || (sequence.next() % 100_000) as u32;
    let edges: Vec<(u32, u32)> = (0..1_000_000).map(|_| (node(), node())).collect();
    tell("large", edges.iter().copied());
    Graph::new(100_000, edges.into_iter().map(|(from, to)| (from, to, 1)))
}

#[divan::bench(sample_size = 1, sample_count = 3, args = ["components", "kcore", "label_propagation", "pagerank", "betweenness of 256 pivots", "louvain"])]
fn snapshot(bencher: Bencher<'_, '_>, measure: &str) {
    let graph = large();
    bencher.bench(|| match measure {
        "components" => components(&graph).len(),
        "kcore" => core_numbers(&graph).len(),
        "label_propagation" => label_propagation(&graph).len(),
        "pagerank" => pagerank(&graph).len(),
        "louvain" => louvain(&graph).len(),
        _ => betweenness(&graph, 5_000, 256).values.len(),
    });
}
