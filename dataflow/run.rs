//! A plan, run: opens what it writes, starts the workers, gathers their books, and lets the rows appear.

use crate::cluster::{Cluster, Failure, Place, Started};
use crate::plan::Plan;
use crate::report::{Output, Report};
use crate::topology::{Context, Sharing, build};
use operators::Error;
use operators::books::{Books, Partial};
use operators::packet::BlockPool;
use operators::sinks::{self, Collector, Description, Sink, Sort, Sorter};
use operators::sources::{
    self, Bell, Bounds, CaptureInput, Credit, Faulty, Glance, Input, Merge, Progress, ReadControl,
    Slicing, Splitter,
};
use std::cell::RefCell;
use std::cmp::Reverse;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::sync::atomic::{AtomicBool, AtomicI32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use timely::container::CapacityContainerBuilder;
use timely::dataflow::InputHandle;
use timely::dataflow::channels::pact::Exchange;
use timely::dataflow::operators::generic::Operator;
use timely::dataflow::operators::probe::Handle as ProbeHandle;
use timely::dataflow::operators::vec::{Broadcast, Input as _, ToStream};
use timely::dataflow::operators::{Inspect, Probe};
use timely::worker::Worker;

/// What surrounds a run and is no part of its spec.
#[derive(Clone, Debug, Default)]
pub struct Control {
    /// Which line of the hosts file this process is.
    pub process: Option<usize>,
    /// Where this process stands, if another one started it.
    pub started: Option<Started>,
    /// Set to stop reading: open flows then end, and the files are whole.
    pub stop: Arc<AtomicBool>,
    /// The signal that set `stop`; 0 = none.
    pub signal: Arc<AtomicI32>,
    /// Bytes read so far.
    pub progress: Arc<Progress>,
}

/// Rows of a sorted sink that wait in memory for their place, bytes; more are spilled.
const SORT_BUDGET: usize = 256 << 20;
/// Shortest and longest slice of a merged input, ns: a burst behind quiet first records must not make one epoch of everything.
const QUANTUM: (i64, i64) = (1_000, 1_000_000_000);

/// The inputs of a run, in the order that fixes their ordinals.
#[derive(Clone, Debug)]
struct Inputs {
    paths: Vec<(PathBuf, Bounds)>,
    /// Bytes of each when the run began, as far as they are known. Looked at once: a file may grow.
    sizes: Vec<u64>,
    first_times: Vec<i64>,
    slicing: Slicing,
    strict: bool,
}

impl Inputs {
    fn of(plan: &Plan) -> Result<Self, Error> {
        let mut paths = Vec::new();
        let (mut is_merged, mut strict) = (false, false);
        for (_, options) in plan.sources() {
            let listed = sources::list(options, Path::new("")).map_err(|errors| {
                let errors: Vec<String> = errors.iter().map(ToString::to_string).collect();
                Error::new(errors.join("; "))
                    .help("`jayflow check --deep` shows each place in the spec")
            })?;
            paths.extend(listed.into_iter().map(|path| (path, Bounds::from(options))));
            is_merged |= options.merge == Merge::All;
            strict |= options.errors == Faulty::Fail;
        }
        let size =
            |(path, _): &(PathBuf, Bounds)| std::fs::metadata(path).map_or(0, |about| about.len());
        let mut inputs = Self {
            sizes: paths.iter().map(size).collect(),
            first_times: vec![0; paths.len()],
            slicing: Slicing::Packets(plan.run.epoch as u64),
            paths,
            strict,
        };
        if is_merged {
            inputs.merge(plan.run.epoch);
        }
        Ok(inputs)
    }

    /// Slices the input by time. Every process comes to the same slices, as all see the same files.
    fn merge(&mut self, epoch: usize) {
        let known: Vec<Option<Glance>> = self
            .paths
            .iter()
            .map(|(path, _)| sources::glance(path))
            .collect();
        let start = known.iter().flatten().map(|glance| glance.first).min();
        let start = start.unwrap_or(0);
        let first = |glance: &Option<Glance>| glance.map_or(start, |glance| glance.first);
        self.first_times = known.iter().map(first).collect();
        // the time that holds an epoch of packets in the busiest input
        let times = known.iter().flatten().map(|glance| {
            let epoch = u128::from(epoch as u64) * u128::from(glance.span.unsigned_abs());
            i64::try_from(epoch / u128::from(glance.records.max(1))).unwrap_or(i64::MAX)
        });
        let quantum = times.filter(|time| *time > 0).min().unwrap_or(0);
        self.slicing = Slicing::Time {
            start,
            quantum: quantum.clamp(QUANTUM.0, QUANTUM.1),
        };
    }

    /// How the work is shared: whole inputs where they have flows of their own and there are enough of them.
    fn sharing(&self, peers: usize) -> Sharing {
        let have_own_flows = matches!(self.slicing, Slicing::Packets(_));
        if peers == 1 || (have_own_flows && self.paths.len() >= peers) {
            Sharing::Inputs
        } else {
            Sharing::Packets
        }
    }

    /// The worker that reads each input: the largest first, each to the one with the least to read so far. Only the first has
    /// the standard input of the user.
    fn readers(&self, peers: usize) -> Vec<usize> {
        let mut order: Vec<usize> = (0..self.sizes.len()).collect();
        order.sort_by_key(|ordinal| (Reverse(self.sizes[*ordinal]), *ordinal));
        let mut load = vec![(0u64, 0usize); peers];
        let mut readers = vec![0; self.sizes.len()];
        for ordinal in order {
            let least = (0..peers)
                .filter(|worker| *worker == 0 || self.paths[ordinal].0 != Path::new("-"))
                .min_by_key(|worker| (load[*worker], *worker))
                .unwrap_or(0);
            readers[ordinal] = least;
            load[least] = (load[least].0 + self.sizes[ordinal], load[least].1 + 1);
        }
        readers
    }

    /// What the processes of a run must agree on, as each looks at the files itself.
    fn agreement(&self, place: Place) -> String {
        let readers = self.readers(place.workers * place.processes);
        let Self {
            paths,
            first_times,
            slicing,
            ..
        } = self;
        format!("{paths:?} {first_times:?} {slicing:?} {readers:?}")
    }

    /// The inputs that a worker reads.
    fn of_worker(&self, index: usize, peers: usize, control: &Control) -> Vec<Box<dyn Input>> {
        let pool = BlockPool::default();
        let readers = self.readers(peers);
        let all = self.paths.iter().zip(&self.first_times).enumerate();
        all.filter(|(ordinal, _)| readers[*ordinal] == index)
            .map(|(ordinal, ((path, bounds), first_time))| {
                Box::new(CaptureInput {
                    path: path.clone(),
                    source: u32::try_from(ordinal).unwrap_or(u32::MAX),
                    first_time: *first_time,
                    bounds: *bounds,
                    pool: pool.clone(),
                    progress: Arc::clone(&control.progress),
                    stop: Arc::clone(&control.stop),
                }) as Box<dyn Input>
            })
            .collect()
    }
}

/// A sink that is open and waits for the first worker to take it.
type OpenSink = (String, Box<dyn Sink>, Option<Sorter>);

/// What a worker has at the end.
struct Finished {
    books: Books,
    sinks: Vec<Collector>,
}

/// Runs a plan to its end.
///
/// # Errors
/// The run failed; nothing half-written is left.
pub fn run(plan: &Plan, control: &Control) -> Result<Report, Error> {
    let start = Instant::now();
    let inputs = Inputs::of(plan)?;
    let cluster = Cluster::of(plan, control, |place| inputs.agreement(place))?;
    let open = if cluster.is_first() {
        open_sinks(plan)?
    } else {
        Vec::new()
    };
    let place = cluster.place();
    let open = Mutex::new(Some(open));
    let shared = (plan.clone(), control.clone(), inputs.clone());
    let names = inputs.paths.iter();
    let names = names.map(|(path, _)| path.display().to_string()).collect();
    let finished = cluster.execute(names, move |worker, failure| {
        let (plan, control, inputs) = &shared;
        let sinks = if worker.index() == 0 {
            open.lock()
                .unwrap_or_else(PoisonError::into_inner)
                .take()
                .unwrap_or_default()
        } else {
            Vec::new()
        };
        work(worker, plan, control, inputs, place, failure, sinks)
    })?;
    let mut report = Report {
        workers: place.workers * place.processes,
        strict: inputs.strict,
        spec: plan.digest.clone(),
        ..Report::default()
    };
    if place.process == 0 {
        report.books.inputs.listed = inputs.paths.len() as u64;
    }
    let mut collectors = Vec::new();
    for worker in finished {
        report.books.merge(&worker.books);
        collectors.extend(worker.sinks);
    }
    report.rows = report.books.flows.emitted.total();
    // a signal that came when all was read has stopped nothing
    if place.process > 0 || report.books.inputs.partial.get(Partial::Stopped) > 0 {
        report.stopped = signal_name(control.signal.load(Ordering::Relaxed));
    }
    if place.process == 0 {
        commit(plan, &mut report, collectors)?;
    }
    report.elapsed = start.elapsed();
    Ok(report)
}

/// Opens every sink of the plan before a packet is read.
fn open_sinks(plan: &Plan) -> Result<Vec<OpenSink>, Error> {
    let run = format!("{}-{}", std::process::id(), run_number());
    let mut open: Vec<OpenSink> = Vec::new();
    for (_, sink) in plan.sinks() {
        if let Some(path) = sink.options.path().filter(|path| *path != "-") {
            sinks::sweep(Path::new(path));
        }
        let schema = plan.columns_of(sink).cloned().collect();
        let description = Description {
            schema,
            metadata: plan.metadata(),
        };
        match sinks::open(&sink.options, &description, &run) {
            Ok(opened) => {
                let sorter = (sink.options.sort() == Sort::Start).then(|| {
                    Sorter::new(
                        &description.schema,
                        SORT_BUDGET,
                        &sink.options.spill_folder(),
                    )
                });
                open.push((sink.label.clone(), opened, sorter));
            }
            Err(error) => {
                open.into_iter().for_each(|(_, sink, _)| sink.abort());
                return Err(error);
            }
        }
    }
    Ok(open)
}

/// Tells the runs of one process apart.
fn run_number() -> u64 {
    static RUNS: std::sync::atomic::AtomicU64 = std::sync::atomic::AtomicU64::new(0);
    RUNS.fetch_add(1, Ordering::Relaxed)
}

/// What one worker does from its start to its end.
fn work(
    worker: &mut Worker,
    plan: &Plan,
    control: &Control,
    inputs: &Inputs,
    place: Place,
    failure: &Failure,
    sinks: Vec<OpenSink>,
) -> Finished {
    let books = Rc::new(RefCell::new(Books::default()));
    let collectors: Vec<Rc<RefCell<Collector>>> = sinks
        .into_iter()
        .map(|(name, sink, sorter)| {
            books.borrow_mut().sinks.entry(name.clone()).or_default();
            Rc::new(RefCell::new(Collector::new(
                name,
                sink,
                sorter,
                Arc::clone(&control.stop),
            )))
        })
        .collect();
    let read = ReadControl {
        credit: Credit::default(),
        probe: ProbeHandle::new(),
        bell: Bell::default(),
        stop: Arc::clone(&control.stop),
        books: Rc::clone(&books),
    };
    let mine = inputs.of_worker(worker.index(), worker.peers(), control);
    let context = Context {
        plan,
        sharing: inputs.sharing(worker.peers()),
        slicing: inputs.slicing,
        inputs: inputs.paths.len(),
        workers: place.workers,
        splitter: Splitter::new(mine, inputs.slicing, plan.run.chunk),
        control: read.clone(),
        collectors: collectors.clone(),
        books: Rc::clone(&books),
    };
    worker.dataflow::<u64, _, _>(|scope| build(scope, context));
    let mut told = tell_stop(worker, control);
    while worker.has_dataflows() {
        read.bell.ring();
        step(worker, failure);
        if read.probe.done() {
            told = None; // nothing is left to stop
        } else if control.stop.load(Ordering::Relaxed)
            && let Some(mut input) = told.take()
        {
            input.send(control.signal.load(Ordering::Relaxed));
        }
    }
    let books = gather(worker, books.take(), failure);
    let sinks = collectors
        .into_iter()
        .filter_map(|collector| Some(Rc::into_inner(collector)?.into_inner()))
        .collect();
    Finished { books, sinks }
}

/// A step of a worker, which may wait a little.
fn step(worker: &mut Worker, failure: &Failure) {
    worker.step_or_park(Some(Duration::from_millis(100)));
    failure.check();
}

/// What one process is told to stop by, a signal or a sink that failed, all are told: the input takes the signal, or 0.
fn tell_stop(
    worker: &mut Worker,
    control: &Control,
) -> Option<InputHandle<u64, CapacityContainerBuilder<Vec<i32>>>> {
    let (stop, signal) = (Arc::clone(&control.stop), Arc::clone(&control.signal));
    Some(worker.dataflow::<u64, _, _>(|scope| {
        let (input, told) = scope.new_input();
        told.broadcast().inspect(move |number: &i32| {
            // the first one counts
            let _ = signal.compare_exchange(0, *number, Ordering::Relaxed, Ordering::Relaxed);
            stop.store(true, Ordering::Relaxed);
        });
        input
    }))
}

/// Brings the books of all workers to the first, of whatever process; the others keep none.
fn gather(worker: &mut Worker, books: Books, failure: &Failure) -> Books {
    let gathered = Rc::new(RefCell::new(Books::default()));
    let sum = Rc::clone(&gathered);
    let probe = worker.dataflow::<u64, _, _>(|scope| {
        [books]
            .to_stream(scope)
            .unary_frontier::<CapacityContainerBuilder<Vec<()>>, _, _, _>(
                Exchange::new(|_: &Books| 0),
                "books",
                |_, _| {
                    move |(input, _), _| {
                        input.for_each(|_, books| {
                            books
                                .drain(..)
                                .for_each(|books| sum.borrow_mut().merge(&books))
                        });
                    }
                },
            )
            .probe()
            .0
    });
    while !probe.done() {
        step(worker, failure);
    }
    gathered.take()
}

/// Ends the sinks: all appear, or none.
fn commit(plan: &Plan, report: &mut Report, mut collectors: Vec<Collector>) -> Result<(), Error> {
    let faults = report.books.inputs.partial.total() + report.books.inputs.refused.total();
    let mut failed = (report.strict && faults > 0 && report.stopped.is_none()).then(|| {
        Error::new(format!(
            "{faults} of {} inputs were not read whole",
            report.books.inputs.listed
        ))
        .help("without `--strict` (`errors = \"skip\"`) the rows of what could be read are written")
    });
    for collector in &mut collectors {
        if failed.is_none() {
            failed = collector.finish().err();
        }
    }
    for collector in collectors {
        if failed.is_some() {
            collector.abort();
            continue;
        }
        let label = collector.name().to_owned();
        match collector.commit() {
            Ok(rows) => report.books.sinks.entry(label).or_default().written = rows,
            Err(error) => failed = Some(error),
        }
    }
    match failed {
        Some(error) if sinks::is_closed_pipe(&error) => {
            report.stopped = Some("SIGPIPE");
            Ok(())
        }
        Some(error) => Err(error),
        None => {
            report.outputs = plan
                .sinks()
                .map(|(_, sink)| Output {
                    label: sink.label.clone(),
                    columns: sink.columns.len(),
                    bytes: sink
                        .options
                        .path()
                        .and_then(|path| std::fs::metadata(path).ok())
                        .map(|about| about.len()),
                })
                .collect();
            Ok(())
        }
    }
}

/// The name of a signal that stops a run.
const fn signal_name(signal: i32) -> Option<&'static str> {
    match signal {
        signal_hook::consts::SIGINT => Some("SIGINT"),
        signal_hook::consts::SIGTERM => Some("SIGTERM"),
        _ => None,
    }
}
