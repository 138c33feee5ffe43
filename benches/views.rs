//! The connection graph: records loaded, changes absorbed, and what is computed of a snapshot.
//!
//! A million flow records between 50,000 hosts whose degrees follow a power law, and one scanner with 40,000 destinations.

use divan::Bencher;
use divan::counter::ItemsCount;
use jayflow_operators::views::graph::{
    Graph, Measures, Record, betweenness, components, core_numbers, label_propagation, louvain,
    maintain, merge_when_idle, pagerank, updates_held,
};
use std::cell::RefCell;
use std::time::{Duration, Instant};
use timely::dataflow::operators::Probe as _;

const HOSTS: u32 = 50_000;
const RECORDS: u32 = 1_000_000;
const SCANNED: u32 = 40_000;
const CHANGE: u32 = 1_000;

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
    (0..RECORDS)
        .map(|at| match at < SCANNED {
            true => Record {
                from: HOSTS,
                to: at,
                port: 22,
                ..sequence.record()
            },
            false => sequence.record(),
        })
        .collect()
}

const COUNTS: Measures = Measures {
    edge_ports: false,
    ports: false,
    degrees: true,
    triangles: false,
    times: false,
};
const CLUSTERING: Measures = Measures {
    triangles: true,
    ..COUNTS
};

fn named(measures: &str) -> Measures {
    match measures {
        "counts and degrees" => COUNTS,
        "and clustering" => CLUSTERING,
        _ => Measures::ALL,
    }
}

/// Loads all records, then changes `changes` times; gives the time of the load, of each change, and the updates held.
fn run(measures: Measures, changes: u32) -> (Duration, Vec<Duration>, i64) {
    let mut worker = timely::WorkerConfig::default();
    merge_when_idle(&mut worker);
    let config = timely::Config {
        communication: timely::CommunicationConfig::Thread,
        worker,
    };
    let all = records();
    let done = timely::execute(config, move |worker| {
        let held = updates_held(worker);
        let (input, probe) = worker.dataflow::<u64, _, _>(|scope| {
            use differential_dataflow::input::Input as _;
            let (input, records) = scope.new_collection();
            (input, maintain(records, measures).probe().0)
        });
        let input = RefCell::new(input);
        let tick = |worker: &mut timely::worker::Worker| {
            let next = *input.borrow().time() + 1;
            input.borrow_mut().advance_to(next);
            input.borrow_mut().flush();
            worker.step_while(|| probe.less_than(&next));
        };
        let start = Instant::now();
        all.iter()
            .for_each(|record| input.borrow_mut().insert(*record));
        tick(worker);
        let loaded = start.elapsed();
        let mut sequence = Sequence(2);
        let mut times = Vec::new();
        for change in 0..changes {
            // what is left to merge is not the work of the next change
            for _ in 0..2_000 {
                worker.step();
            }
            let start = Instant::now();
            for at in 0..CHANGE {
                let gone = all[(change * CHANGE + at) as usize + SCANNED as usize];
                let mut input = input.borrow_mut();
                input.insert(sequence.record());
                input.remove(gone);
            }
            tick(worker);
            times.push(start.elapsed());
        }
        (loaded, times, held.get())
    });
    let mut done: Vec<_> = done
        .unwrap()
        .join()
        .into_iter()
        .map(Result::unwrap)
        .collect();
    done.pop().unwrap()
}

#[divan::bench(sample_size = 1, sample_count = 3, args = ["counts and degrees", "and clustering", "all"])]
fn load(bencher: Bencher<'_, '_>, measures: &str) {
    bencher
        .counter(ItemsCount::new(RECORDS))
        .bench(|| run(named(measures), 0));
}

/// Prints what 1,000 flows that come and 1,000 that go cost: the median, beside the load, and the updates held for each record.
#[divan::bench(sample_size = 1, sample_count = 1, args = ["counts and degrees", "and clustering", "all"])]
fn change(bencher: Bencher<'_, '_>, measures: &str) {
    bencher.bench(|| {
        let (loaded, mut times, held) = run(named(measures), 21);
        times.sort_unstable();
        let median = times[times.len() / 2];
        println!(
            "{measures}: loaded in {loaded:?}, {CHANGE} come and {CHANGE} go in {median:?} (worst {:?}), {:.0} times faster; {:.2} updates held a record",
            times[times.len() - 1],
            loaded.as_secs_f64() / median.as_secs_f64(),
            held as f64 / f64::from(RECORDS)
        );
    });
}

/// A graph of 100,000 nodes and a million edges.
fn large() -> Graph {
    let mut sequence = Sequence(3);
    let mut node = || (sequence.next() % 100_000) as u32;
    Graph::new(100_000, (0..1_000_000).map(|_| (node(), node(), 1)))
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
