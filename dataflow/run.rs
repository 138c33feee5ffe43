//! A plan, run: opens what it writes, starts the workers, gathers their books, and lets the rows appear.

use crate::analysis::{SharedAnalysis, Watch};
use crate::cluster::{Cluster, Failure, Place, Started};
use crate::inputs::Inputs;
use crate::matched;
use crate::memory::{self, Guard, Needs, Over};
use crate::plan::{Edge, Kind, Placed, Plan, Region};
use crate::report::{Output, Report};
use crate::spec::{Table, TableOf};
use crate::topology::{
    Beyond, Context, Entrance, LookUpEntrance, ViewEntrance, ViewPlan, build, build_graph,
};
use operators::Error;
use operators::books::{Books, FileBooks, Partial};
use operators::features::ConnectionPlan;
use operators::flows::{FlowOptions, Open};
use operators::joins::Joined;
use operators::privacy::Anonymiser;
use operators::sinks::{self, Collector, Description, Fact, Sidecar, Sorter};
use operators::sources::{Bell, Credit, Progress, ReadControl, Splitter};
use operators::views::look_ups::{Answers, Come, LookUpPlan};
use operators::views::{Between, FeedPlan, GatePlan, Handover, SharedBetween, Window};
use petgraph::Direction;
use petgraph::graph::NodeIndex;
use petgraph::visit::EdgeRef as _;
use rayon::{ThreadPool, ThreadPoolBuilder};
use std::cell::RefCell;
use std::collections::HashMap;
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
    /// What operators do is added to this, and no sink writes anything.
    pub analysis: Option<SharedAnalysis>,
}

/// What a worker has at the end.
struct Finished {
    books: Books,
    sinks: Vec<Collector>,
    /// Why rows were lost on their way, if they were.
    failed: Option<Error>,
}

/// Runs a plan to its end.
///
/// # Errors
/// The run failed; nothing half-written is left.
pub fn run(plan: &Plan, control: &Control) -> Result<Report, Error> {
    let start = Instant::now();
    let inputs = Inputs::of(plan)?;
    let tables = tables(plan)?;
    let cluster = Cluster::of(plan, control, |place| {
        format!("{} {tables:?}", inputs.agreement(plan, place))
    })?;
    let place = cluster.place();
    let open = if cluster.is_first() {
        open_sinks(plan, control, &writers(place.workers)?)?
    } else {
        Vec::new()
    };
    let open = Mutex::new(Some(open));
    let limit = plan.run.memory.map(|limit| limit.0);
    let guard = Guard::start(
        limit,
        place.processes,
        needs(plan, place.workers),
        plan.has_arrangements(),
    );
    let mut named = plan.clone();
    named.name_sources(inputs.names());
    let shared = (named, control.clone(), inputs.clone(), guard.over());
    let finished = cluster.execute(inputs.files(), move |worker, failure| {
        let (plan, control, inputs, over) = &shared;
        let sinks = if worker.index() == 0 {
            open.lock()
                .unwrap_or_else(PoisonError::into_inner)
                .take()
                .unwrap_or_default()
        } else {
            Vec::new()
        };
        let limits = Limits { failure, over };
        work(worker, plan, control, inputs, place, &limits, sinks)
    });
    let finished = finished.map_err(|error| guard.error().unwrap_or(error))?;
    let mut report = Report {
        workers: place.workers * place.processes,
        strict: inputs.strict,
        endless: inputs.is_endless(),
        spec: plan.digest.clone(),
        ..Report::default()
    };
    if place.process == 0 {
        report.books.inputs.listed = inputs.count() as u64;
    }
    let mut collectors = Vec::new();
    let mut failed = None;
    for worker in finished {
        report.books.merge(&worker.books);
        collectors.extend(worker.sinks);
        failed = failed.or(worker.failed);
    }
    report.rows = report.books.flows.rows() + report.books.inputs.rows;
    for (name, table) in &tables {
        let books = report.books.joins.entry(name.clone()).or_default();
        books.file = Some(table.clone());
    }
    // a signal that came when all was read has stopped nothing
    if place.process > 0 || report.books.inputs.partial.get(Partial::Stopped) > 0 {
        report.stopped = signal_name(control.signal.load(Ordering::Relaxed));
    }
    if place.process == 0 {
        commit(plan, &inputs, &mut report, collectors, failed)?;
    }
    report.elapsed = start.elapsed();
    Ok(report)
}

/// How the files that rows are joined with were read.
fn tables(plan: &Plan) -> Result<Vec<(String, FileBooks)>, Error> {
    let tables = plan.joins().map(|(name, join)| match &join.joined {
        Some(joined) => Ok((name.to_owned(), joined.books())),
        None => Err(Error::new(format!(
            "nobody has looked at the files of the join `{name}`"
        ))
        .help("`Loaded::settled` reads them")),
    });
    tables.collect()
}

/// What the run needs beside the state of open flows: a row is about a word a column, once as it is made, once for each sink.
fn needs(plan: &Plan, workers: usize) -> Needs {
    let made = plan
        .features()
        .map_or(0, |features| features.columns().len());
    let written: usize = plan.sinks().map(|(_, sink)| sink.columns.len()).sum();
    let sorters = plan.sinks().filter(|(_, sink)| sink.is_sorted()).count();
    // rows that wait for the connection graph or for views are sorted too
    let graph = plan
        .features()
        .and_then(|features| features.plan.connection());
    let stages = plan
        .features()
        .map_or(0, |features| features.look_ups.stages.len());
    let sorters = sorters + usize::from(graph.is_some()) + stages;
    // rows are copied once when they are sorted
    let sorted = (sorters as u64).saturating_mul(2 * plan.run.sort_memory.0.min(1 << 48));
    let tables = plan.joins().filter_map(|(_, join)| join.joined.as_ref());
    let tables: usize = tables.map(Joined::memory).sum();
    let fixed = sorted.saturating_add((workers * Credit::default().bytes + tables) as u64);
    Needs {
        fixed,
        row: ((made + written) * size_of::<f64>()) as u64,
    }
}

/// Bytes of rows that wait in memory for their place, a sorted sink.
fn sort_memory(plan: &Plan) -> usize {
    usize::try_from(plan.run.sort_memory.0).unwrap_or(usize::MAX / 4)
}

/// Where rows wait for the connection graph that have no room in memory.
fn spool_folder(plan: &Plan) -> PathBuf {
    let first = plan.sinks().next();
    first.map_or_else(std::env::temp_dir, |(_, sink)| sink.spill_folder())
}

/// Opens every sink of the plan before a packet is read.
fn open_sinks(
    plan: &Plan,
    control: &Control,
    pool: &Arc<ThreadPool>,
) -> Result<Vec<Collector>, Error> {
    let run = format!("{}-{}", std::process::id(), run_number());
    let mut open: Vec<Collector> = Vec::new();
    for (name, sink) in plan.sinks() {
        if control.analysis.is_some() {
            let (pool, stop) = (Arc::clone(pool), Arc::clone(&control.stop));
            let label = sink.label.clone();
            open.push(Collector::new(
                label,
                sinks::nothing(),
                None,
                None,
                pool,
                stop,
            ));
            continue;
        }
        match &sink.parts {
            Some(of) => sinks::sweep_staged(&of.parts.folder, name),
            None => {
                if let Some(path) = sink.options.path().filter(|path| *path != "-") {
                    sinks::sweep(Path::new(path));
                }
                if let Some(path) = sink.options.sidecar() {
                    sinks::sweep(&sinks::beside(path));
                }
            }
        }
        let seen = plan.columns_of(sink).cloned().collect();
        let anonymise = sink.options.anonymise();
        let anonymiser = match anonymise.map(|options| Anonymiser::new(options, &sink.taken())) {
            Some(Err(error)) => {
                open.into_iter().for_each(Collector::abort);
                return Err(error);
            }
            made => made.and_then(Result::ok),
        };
        let description = Description {
            schema: match anonymise {
                Some(anonymise) => anonymise.schema(seen),
                None => seen,
            },
            metadata: plan.metadata(name, sink),
            is_undirected: matches!(
                &sink.table,
                Some(Table { of: TableOf::View(_, shown), .. }) if shown.is_undirected()
            ),
        };
        let opened = match &sink.parts {
            Some(of) => sinks::open_parts(&of.parts, &sink.options, &description, &run)
                .map(|opened| (opened, None)),
            None => sinks::open(&sink.options, &description, &run).and_then(|opened| {
                let path = sink.options.sidecar();
                let facts = description.metadata.clone();
                let sidecar = path.map(|path| Sidecar::create(path, facts, &run));
                Ok((opened, sidecar.transpose()?))
            }),
        };
        let (opened, sidecar) = match opened {
            Ok(opened) => opened,
            Err(error) => {
                open.into_iter().for_each(Collector::abort);
                return Err(error);
            }
        };
        let sorter = sink.is_sorted().then(|| {
            let (folder, schema) = (sink.spill_folder(), &description.schema);
            let sorter = |schema| Sorter::new(schema, sort_memory(plan), &folder);
            match sink.parts {
                Some(_) => sorter(&sinks::numbered(schema)).by_file(),
                None => sorter(schema),
            }
        });
        let collector = Collector::new(
            sink.label.clone(),
            opened,
            anonymiser,
            sorter,
            Arc::clone(pool),
            Arc::clone(&control.stop),
        );
        open.push(collector.limited(sink.limit).beside(sidecar));
    }
    Ok(open)
}

/// The threads that sort, encode and compress rows: as many as there are workers, which are done when most of that is left to do.
fn writers(workers: usize) -> Result<Arc<ThreadPool>, Error> {
    ThreadPoolBuilder::new()
        .num_threads(workers)
        .thread_name(|thread| format!("writer-{thread}"))
        .build()
        .map(Arc::new)
        .map_err(|error| {
            Error::new(format!("cannot start {workers} threads: {error}")).because(error)
        })
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
    limits: &Limits<'_>,
    sinks: Vec<Collector>,
) -> Finished {
    let books = Rc::new(RefCell::new(Books::default()));
    let mut watch = control.analysis.as_ref().map(|_| Watch::new(worker));
    let mut building = |worker: &Worker, name: String| {
        if let Some(watch) = &mut watch {
            watch.next(worker, name);
        }
    };
    let collectors: Vec<Rc<RefCell<Collector>>> = sinks
        .into_iter()
        .map(|collector| {
            let name = collector.name().to_owned();
            books.borrow_mut().sinks.entry(name).or_default();
            Rc::new(RefCell::new(collector))
        })
        .collect();
    let read = ReadControl {
        credit: Credit::default(),
        probe: ProbeHandle::new(),
        bell: Bell::default(),
        stop: Arc::clone(&control.stop),
        books: Rc::clone(&books),
    };
    let handover = Handover::new(Arc::clone(&control.stop));
    let connection = plan
        .features()
        .and_then(|features| features.plan.connection());
    let look_ups = look_ups(plan, control, inputs, connection.as_ref());
    let regions = plan.regions();
    let betweens: Vec<SharedBetween> = regions
        .iter()
        .map(|region| Between::new(&region.rules, Arc::clone(&control.stop)))
        .collect();
    let views = regions.iter().zip(&betweens).map(|(region, between)| {
        let first = region.members.first();
        let feed = FeedPlan {
            rules: Arc::clone(&region.rules),
            places: first.map_or_else(Default::default, |one| plan.places(&one.view.behind)),
            // checked: those that read each other have the same
            window: first.map_or(Window::All, |one| one.view.options.window),
            slicing: inputs.slicing,
            inputs: inputs.count(),
            open: stay_open(plan),
        };
        building(worker, format!("view {}", region.name()));
        worker.dataflow::<u64, _, _>(|scope| {
            let view = ViewPlan {
                region,
                feed,
                between,
                look_ups: look_ups.as_ref(),
            };
            ViewEntrance::build(scope, plan, view, &collectors, &books)
        })
    });
    let mut views: Vec<ViewEntrance> = views.collect();
    let graph = connection.map(|connection| {
        building(worker, "graph".to_owned());
        let session = worker.dataflow::<u64, _, _>(|scope| {
            let beyond = Beyond {
                collectors: collectors.clone(),
                handover: Rc::clone(&handover),
                views: &mut views,
                look_ups: look_ups.clone(),
            };
            build_graph(scope, plan, &connection, beyond, &books)
        });
        Entrance {
            plan: GatePlan {
                connection,
                slicing: inputs.slicing,
                inputs: inputs.count(),
                open: stay_open(plan),
                budget: sort_memory(plan),
                folder: spool_folder(plan),
            },
            session,
            handover: Rc::clone(&handover),
        }
    });
    let (index, peers) = (worker.index(), worker.peers());
    let (mine, rows) = match plan.is_rows {
        true => (Vec::new(), inputs.paths_of_worker(index, peers)),
        false => (inputs.of_worker(index, peers, control), Vec::new()),
    };
    let context = Context {
        plan,
        sharing: inputs.sharing(worker.peers()),
        slicing: inputs.slicing,
        inputs: inputs.count(),
        prompt: inputs.is_live() && plan.sinks().any(|(_, sink)| sink.options.is_prompt()),
        workers: place.workers,
        owners: Arc::new(inputs.owners(plan, peers)),
        splitter: Splitter::new(mine, inputs.slicing, plan.run.chunk),
        control: read.clone(),
        collectors: collectors.clone(),
        books: Rc::clone(&books),
        graph,
        views,
        look_ups: look_ups.clone(),
        rows,
        failed: Rc::clone(&handover),
    };
    building(worker, "rows".to_owned());
    worker.dataflow::<u64, _, _>(|scope| build(scope, context));
    let mut told = tell_stop(worker, control);
    while worker.has_dataflows() {
        read.bell.ring();
        limits.step(worker, &books);
        if read.probe.done() {
            told = None; // nothing is left to stop
        } else if control.stop.load(Ordering::Relaxed)
            && let Some(mut input) = told.take()
        {
            input.send(control.signal.load(Ordering::Relaxed));
        }
    }
    if let (Some(watch), Some(analysis)) = (watch, &control.analysis) {
        watch.end(worker, analysis);
    }
    let books = gather(worker, books.take(), limits.failure);
    let sinks = collectors
        .into_iter()
        .filter_map(|collector| Some(Rc::into_inner(collector)?.into_inner()))
        .collect();
    let lost = |looked: LookUpEntrance| looked.answers.borrow_mut().take_error();
    let failed = handover.borrow_mut().take_error();
    let failed = failed.or_else(|| look_ups.and_then(lost));
    let failed = failed.or_else(|| {
        let mut regions = regions.iter().zip(&betweens);
        regions.find_map(|(region, between)| failed_view(region, &between.borrow()))
    });
    Finished {
        books,
        sinks,
        failed,
    }
}

/// Why the result of a view is not whole, if it is not.
fn failed_view(region: &Region, between: &Between) -> Option<Error> {
    if let Some(Placed { name, view, .. }) = between.beyond.and_then(|at| region.of_stratum(at)) {
        let turns = view.options.max_iterations;
        let text =
            format!("[E0690] the recursion of the view `{name}` had no end after {turns} turns");
        let help = "set `max_iterations` higher, or let the rules make fewer new values";
        return Some(Error::new(text).help(help));
    }
    let full = between.full?;
    let Placed { name, view, .. } = region.of_relation(full)?;
    let made = region.rules.relations.get(full)?;
    let most = view.options.max_rows;
    let text = match made.name == *name {
        true => format!("[E0691] the view `{name}` has more than {most} rows"),
        false => format!(
            "[E0691] the relation `{}` of the view `{name}` has more than {most} rows",
            made.name
        ),
    };
    let help = "set `max_rows` higher, or give the view a window or a narrower condition";
    Some(Error::new(text).help(help))
}

/// How long records stay open.
fn stay_open(plan: &Plan) -> Open {
    plan.flows().map_or_else(Open::default, FlowOptions::open)
}

/// What rows look up in views, if they do.
fn look_ups(
    plan: &Plan,
    control: &Control,
    inputs: &Inputs,
    connection: Option<&ConnectionPlan>,
) -> Option<LookUpEntrance> {
    let features = plan.features()?;
    let look_ups = &features.look_ups;
    let come = match connection {
        Some(connection) => Come::ByTick(connection.options.window),
        None => Come::ByClock {
            slicing: inputs.slicing,
            inputs: inputs.count(),
            lag: stay_open(plan).idle,
        },
    };
    (!look_ups.is_empty()).then(|| LookUpEntrance {
        answers: Answers::new(look_ups, Arc::clone(&control.stop)),
        plan: LookUpPlan {
            look_ups: look_ups.clone(),
            schema: features.plan.schema.clone(),
            places: Arc::clone(&features.places),
            come,
            keeps_edges: plan.regions().iter().any(|region| region.reads_rows),
            budget: sort_memory(plan),
            folder: spool_folder(plan),
        },
    })
}

/// What ends a worker before its work is done.
struct Limits<'a> {
    failure: &'a Failure,
    over: &'a Over,
}

impl Limits<'_> {
    /// A step of a worker, unless memory ran out.
    fn step(&self, worker: &mut Worker, books: &RefCell<Books>) {
        if self.over.is_set() {
            self.over.end(books.borrow().flows.open);
        }
        step(worker, self.failure);
    }
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

/// What is wrong if a sink, a filter or a join was not offered every row: a file that lacks some must not appear.
fn missing(plan: &Plan, report: &Report) -> Option<Error> {
    let books = &report.books;
    // rows that come out of a node: of the features, of an output of a filter
    let given = |from: NodeIndex, edge: &Edge| match (&plan.graph[from].kind, edge) {
        (Kind::Filter(filter), edge) => {
            let route = match edge {
                Edge::Route(output) => filter.routes.get(*output).map(|route| route.name.as_str()),
                _ => None,
            };
            let passed = books
                .filters
                .get(&plan.graph[from].name)
                .map(|filter| &filter.passed);
            passed
                .and_then(|passed| passed.get(route.unwrap_or_default()))
                .copied()
                .unwrap_or(0)
        }
        (Kind::Join(_), _) => {
            let name = &plan.graph[from].name;
            books.joins.get(name).map_or(0, |join| join.passed)
        }
        _ => books.flows.rows() + books.inputs.rows,
    };
    plan.graph.node_indices().find_map(|node| {
        let (label, offered) = match &plan.graph[node].kind {
            Kind::Sink(sink) if sink.table.is_none() => {
                (&sink.label, books.sinks.get(&sink.label)?.offered)
            }
            Kind::Filter(_) => {
                let name = &plan.graph[node].name;
                let books = books.filters.get(name);
                (name, books.map_or(0, |filter| filter.offered))
            }
            Kind::Join(_) => {
                let name = &plan.graph[node].name;
                let books = books.joins.get(name);
                (name, books.map_or(0, |join| join.offered))
            }
            _ => return None,
        };
        let edges = plan.graph.edges_directed(node, Direction::Incoming);
        let rows: u64 = edges.map(|edge| given(edge.source(), edge.weight())).sum();
        (offered != rows).then(|| {
            Error::new(format!(
                "{label} was offered {offered} of {rows} rows: this is a defect of jayflow"
            ))
        })
    })
}

/// What outputs say of the run: what was read, and the books.
fn facts(plan: &Plan, inputs: &Inputs, report: &Report) -> Result<Vec<Fact>, Error> {
    let inputs = inputs.facts(plan.run.hash_inputs)?;
    let facts = [
        ("inputs", inputs.to_string()),
        ("books", report.books_json()),
    ];
    Ok(facts
        .map(|(key, value)| (format!("{}{key}", sinks::PREFIX), value))
        .to_vec())
}

/// Ends the sinks: all appear, or none.
fn commit(
    plan: &Plan,
    inputs: &Inputs,
    report: &mut Report,
    mut collectors: Vec<Collector>,
    lost: Option<Error>,
) -> Result<(), Error> {
    let faults = report.books.inputs.partial.total() + report.books.inputs.refused.total();
    let strict = (report.strict && faults > 0 && report.stopped.is_none()).then(|| {
        Error::new(format!(
            "{faults} of {} inputs were not read whole",
            report.books.inputs.listed
        ))
        .help("without `--strict` (`errors = \"skip\"`) the rows of what could be read are written")
    });
    let mut failed = lost
        .or(strict)
        .or_else(|| missing(plan, report))
        .or_else(|| matched::fault(plan, &report.books));
    // the workers are done; it costs more than it gives where all rows are in memory
    if collectors.iter().any(Collector::has_spilled) {
        memory::give_back();
    }
    let facts = match failed {
        None => facts(plan, inputs, report)?,
        Some(_) => Vec::new(),
    };
    for collector in &mut collectors {
        if failed.is_none() {
            failed = collector.finish(&facts).err();
        }
    }
    let mut counts = HashMap::new();
    for collector in collectors {
        if failed.is_some() {
            collector.abort();
            continue;
        }
        let label = collector.name().to_owned();
        if let Some(count) = collector.count() {
            counts.insert(label.clone(), count);
        }
        match collector.commit(&facts) {
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
                    files: counts.get(&sink.label).map(|count| count.files),
                    bytes: match (counts.get(&sink.label), sink.options.path()) {
                        (Some(count), _) => Some(count.bytes),
                        (None, Some(path)) => std::fs::metadata(path).ok().map(|about| about.len()),
                        (None, None) => None,
                    },
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
