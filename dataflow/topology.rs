//! The whole topology: a plan as timely operators. Whoever reads this file has seen every operator and every exchange.
//!
//! Every worker builds the same operators in the same order, as timely's channels are positional: nothing here depends on the
//! index of a worker but which inputs it reads.

use crate::plan::{Edge, Kind, Node, Placed, Plan, Region};
use crate::spec::{Table, TableOf};
use differential_dataflow::input::Input as _;
use operators::books::{Books, Skip};
use operators::columns::Columns;
use operators::container::{ByShard, Deal, Owners};
use operators::decode::{Choice, DecodePlan, FragmentBatch, decode, join_fragments};
use operators::features::ConnectionPlan;
use operators::filters::{derive, filter};
use operators::flows::{KeyRule, TrackPlan, track, track_apart};
use operators::joins;
use operators::packet::PacketBatch;
use operators::sinks::{Collector, collect};
use operators::sources::{
    Bounds, Chunk, Mark, ReadControl, Slicing, Splitter, read, read_rows, read_written,
};
use operators::views::graph::{Spell, maintain};
use operators::views::look_ups::{LookUpPlan, SharedAnswers, look_up, tell};
use operators::views::rules::{self, Row};
use operators::views::{
    FeedPlan, GatePlan, Inflow, Inlet, Session, Shared, SharedBetween, feed, gate, join, table,
};
use petgraph::Direction;
use petgraph::algo::toposort;
use petgraph::graph::NodeIndex;
use petgraph::visit::EdgeRef as _;
use std::cell::RefCell;
use std::collections::HashMap;
use std::path::PathBuf;
use std::rc::Rc;
use std::sync::Arc;
use timely::dataflow::channels::pact::{DistributorPact, Pipeline};
use timely::dataflow::operators::generic::operator::empty;
use timely::dataflow::operators::vec::Broadcast;
use timely::dataflow::operators::{Concat, Probe};
use timely::dataflow::{ProbeHandle, Scope, Stream, StreamVec};

/// How the work is shared between workers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sharing {
    /// Each worker has whole inputs to itself: no exchange. With one worker, or with enough inputs that share no flows.
    Inputs,
    /// Chunks are dealt to the workers of a process, packets exchanged by the shard of their flow.
    Packets,
}

/// What a worker builds its part of a plan from.
pub struct Context<'a> {
    /// The plan.
    pub plan: &'a Plan,
    /// How the work is shared.
    pub sharing: Sharing,
    /// How the input is cut into epochs.
    pub slicing: Slicing,
    /// Number of inputs of the whole run.
    pub inputs: usize,
    /// Whether a row leaves as soon as it is there, as somebody may wait for it.
    pub prompt: bool,
    /// Workers of each process.
    pub workers: usize,
    /// The worker of each shard of flows, where packets are exchanged.
    pub owners: Arc<Owners>,
    /// The inputs this worker reads.
    pub splitter: Splitter,
    /// What its reader shares with the run loop.
    pub control: ReadControl,
    /// The sinks, in the order of the plan; empty on all workers but the first.
    pub collectors: Vec<Rc<RefCell<Collector>>>,
    /// The books of this worker.
    pub books: Rc<RefCell<Books>>,
    /// The way into the connection graph, where its columns are wanted.
    pub graph: Option<Entrance>,
    /// The ways into views.
    pub views: Vec<ViewEntrance>,
    /// What rows look up, if they do.
    pub look_ups: Option<LookUpEntrance>,
    /// The files of rows that this worker reads, where the sources are such.
    pub rows: Vec<(u32, PathBuf, Bounds)>,
    /// What is told where rows cannot be read.
    pub failed: Shared,
}

/// The way into the connection graph.
pub struct Entrance {
    /// What the gate is told.
    pub plan: GatePlan,
    /// Where edges go; `None` on all workers but the first.
    pub session: Option<Session>,
    /// Between gate and join.
    pub handover: Shared,
}

/// Where rows look things up in views.
#[derive(Clone)]
pub struct LookUpEntrance {
    /// What the operator is told.
    pub plan: LookUpPlan,
    /// Between views and rows.
    pub answers: SharedAnswers,
}

/// What the rows go into that have to wait for the connection graph.
pub struct Beyond<'v> {
    /// Those of the sinks.
    pub collectors: Vec<Rc<RefCell<Collector>>>,
    /// Between gate and join.
    pub handover: Shared,
    /// The views: those that read rows are taken.
    pub views: &'v mut Vec<ViewEntrance>,
    /// Where rows look things up, if they do.
    pub look_ups: Option<LookUpEntrance>,
}

/// Builds the operators behind the rows that have to wait for the connection graph: a dataflow of its own, whose times are ticks.
/// Gives where edges go in, on the first worker. Of `views` it takes those that read rows.
pub fn build_graph(
    scope: Scope<'_, u64>,
    plan: &Plan,
    connection: &ConnectionPlan,
    beyond: Beyond<'_>,
    books: &Rc<RefCell<Books>>,
) -> Option<Session> {
    let Beyond {
        collectors,
        handover,
        views,
        look_ups,
    } = beyond;
    let (session, records) = scope.new_collection();
    let facts = maintain(records, connection.measures);
    let relations = plan.relations().cloned().collect();
    let (mut behind, of_flows): (Vec<_>, Vec<_>) =
        views.drain(..).partition(ViewEntrance::reads_rows);
    *views = of_flows;
    for view in &mut behind {
        view.wait_for_all();
    }
    let keeps_edges = look_ups.is_some() || !behind.is_empty();
    let joined = join(facts, connection.clone(), relations, handover, keeps_edges);
    let rows = looked_up(joined.rows, empty(scope), look_ups, books);
    let behind = Behind {
        tables: joined.tables,
        marks: empty(scope),
        views: behind,
        collectors,
    };
    behind_features(plan, rows, behind, books);
    // an open input would keep the dataflow alive
    (scope.index() == 0).then_some(session)
}

/// What views that run together are built of.
pub struct ViewPlan<'a> {
    /// The views.
    pub region: &'a Region,
    /// What their feed is told.
    pub feed: FeedPlan,
    /// Between feed and tables.
    pub between: &'a SharedBetween,
    /// What rows look up, if they do.
    pub look_ups: Option<&'a LookUpEntrance>,
}

/// The way into views that run together, by the width of their rows.
pub enum ViewEntrance {
    /// Up to four words.
    Four(Inlets<[u64; 4]>),
    /// Up to eight.
    Eight(Inlets<[u64; 8]>),
}

/// The way into views that run together.
pub struct Inlets<R: Row> {
    /// What comes in: a node, and which of its outputs.
    inputs: Vec<(NodeIndex, Edge)>,
    /// Whether rows come in, and not flow records alone.
    reads_rows: bool,
    /// What they go into.
    to: Inflow<R>,
}

impl ViewEntrance {
    /// Builds the operators of views: a dataflow of its own, whose times are ticks.
    pub fn build(
        scope: Scope<'_, u64>,
        plan: &Plan,
        view: ViewPlan<'_>,
        collectors: &[Rc<RefCell<Collector>>],
        books: &Rc<RefCell<Books>>,
    ) -> Self {
        match view.feed.rules.row_words() {
            4 => Self::Four(Inlets::build(scope, plan, view, collectors, books)),
            _ => Self::Eight(Inlets::build(scope, plan, view, collectors, books)),
        }
    }

    fn told(&mut self) -> &mut FeedPlan {
        match self {
            Self::Four(inlets) => &mut inlets.to.plan,
            Self::Eight(inlets) => &mut inlets.to.plan,
        }
    }

    /// What comes in: a node, and which of its outputs.
    fn inputs(&self) -> &[(NodeIndex, Edge)] {
        match self {
            Self::Four(inlets) => &inlets.inputs,
            Self::Eight(inlets) => &inlets.inputs,
        }
    }

    fn is_prompt(&self) -> bool {
        match self {
            Self::Four(inlets) => inlets.to.plan.is_prompt(),
            Self::Eight(inlets) => inlets.to.plan.is_prompt(),
        }
    }

    /// Lets its windows close at the end: rows behind the connection graph have another time.
    fn wait_for_all(&mut self) {
        self.told().open.idle = None;
    }

    /// Whether it reads rows with all their columns, or parts of them, and not flow records alone.
    const fn reads_rows(&self) -> bool {
        match self {
            Self::Four(inlets) => inlets.reads_rows,
            Self::Eight(inlets) => inlets.reads_rows,
        }
    }

    fn feed<'scope>(
        self,
        inputs: Vec<Stream<'scope, u64, Columns>>,
        marks: StreamVec<'scope, u64, Mark>,
        books: &Rc<RefCell<Books>>,
    ) {
        match self {
            Self::Four(inlets) => feed(inputs, marks, inlets.to, Rc::clone(books)),
            Self::Eight(inlets) => feed(inputs, marks, inlets.to, Rc::clone(books)),
        }
    }
}

impl<R: Row> Inlets<R> {
    fn build(
        scope: Scope<'_, u64>,
        plan: &Plan,
        view: ViewPlan<'_>,
        collectors: &[Rc<RefCell<Collector>>],
        books: &Rc<RefCell<Books>>,
    ) -> Self {
        let ViewPlan {
            region,
            feed: told,
            between,
            look_ups,
        } = view;
        let (inlets, sources): (Vec<Inlet<R>>, Vec<_>) = told
            .rules
            .sources
            .iter()
            .map(|_| scope.new_collection())
            .unzip();
        let options = |at: Option<&Placed>| at.map(|one| one.view.options.clone());
        let turns = |at| options(region.of_stratum(at)).map_or(0, |one| one.max_iterations);
        let spelled = Rc::clone(between);
        let spell: Spell = Rc::new(move |number| spelled.borrow().numbers.spell(number));
        let built = rules::build(scope, &told.rules, &sources, turns, &spell);
        for (at, rows) in built.beyond {
            let beyond = Rc::clone(between);
            rows.inspect(move |_| beyond.borrow_mut().beyond = Some(at));
        }
        for (at, relation) in built.relations.iter().enumerate() {
            let full = Rc::clone(between);
            let most = options(region.of_relation(at)).map_or(u64::MAX, |one| one.max_rows);
            rules::at_most(relation, most, move || full.borrow_mut().overflow(at));
        }
        let probe = ProbeHandle::new();
        for (at, (_, sink)) in plan.sinks().enumerate() {
            let Some(Table {
                of: TableOf::View(of, shown),
                ..
            }) = &sink.table
            else {
                continue;
            };
            if let Some(view) = region.shown(of) {
                let place = between.borrow_mut().table();
                let changes = built.relations[view.relations + shown.relation].clone();
                let edges = shown.drawn.as_ref().map_or_else(
                    || rules::none(scope),
                    |drawn| built.relations[view.relations + drawn.relation].clone(),
                );
                let changes = [changes, edges];
                let rows =
                    table(changes, (**shown).clone(), place, Rc::clone(between)).probe_with(&probe);
                let collector = collectors.get(at).cloned();
                collect(
                    rows,
                    sink.places(),
                    plan.condition(sink),
                    collector,
                    Rc::clone(books),
                );
            }
        }
        if let Some(LookUpEntrance { plan, answers }) = look_ups {
            for (place, (_, asked)) in plan.look_ups.asked().enumerate() {
                if let Some(view) = region.shown(&asked.view) {
                    let changes = built.relations[view.relations + asked.relation].clone();
                    let (between, answers) = (Rc::clone(between), Rc::clone(answers));
                    tell(changes, asked.made.clone(), place, between, answers).probe_with(&probe);
                }
            }
        }
        Self {
            inputs: region.inputs.clone(),
            reads_rows: region.reads_rows,
            to: Inflow {
                plan: told,
                // an open input would keep the dataflow alive
                inlets: (scope.index() == 0).then_some(inlets),
                between: Rc::clone(between),
                shown: probe,
            },
        }
    }
}

/// What flows between nodes, with the marks of the inputs where they matter.
enum AnyStream<'scope> {
    Chunks(Stream<'scope, u64, Chunk>, StreamVec<'scope, u64, Mark>),
    Packets(
        Stream<'scope, u64, PacketBatch>,
        StreamVec<'scope, u64, Mark>,
    ),
}

/// Builds the operators of a plan.
///
/// # Panics
/// If the plan has a cycle or an edge between nodes that do not fit: the check of a spec allows neither.
pub fn build(scope: Scope<'_, u64>, context: Context<'_>) {
    let Context {
        plan,
        sharing,
        slicing,
        inputs,
        prompt,
        workers,
        owners,
        splitter,
        control,
        mut collectors,
        books,
        mut graph,
        mut views,
        look_ups,
        rows,
        failed,
    } = context;
    if let (true, Some(all)) = (plan.is_rows, &plan.written) {
        let features = plan.features().expect("a plan has features");
        let schema = features.plan.schema.clone();
        let rows = read_written(scope, rows, (schema, all), failed, Rc::clone(&books));
        let rows = rows.probe_with(&control.probe);
        let behind = Behind {
            tables: Vec::new(),
            marks: empty(scope),
            views: Vec::new(),
            collectors,
        };
        behind_features(plan, rows, behind, &books);
        return;
    }
    if plan.is_rows {
        if let Some(Entrance {
            plan,
            session,
            handover,
        }) = graph
        {
            let edges = read_rows(scope, rows, Rc::clone(&handover), books);
            let marks = empty(scope);
            gate(
                edges.probe_with(&control.probe),
                marks,
                plan,
                session,
                handover,
            );
        }
        return;
    }
    let is_whole = sharing == Sharing::Inputs;
    // batches come in order where nothing is exchanged, unless inputs are merged by time
    let in_order = is_whole && (inputs <= 1 || matches!(slicing, Slicing::Packets(_)));
    let first_of_process = scope.index() - scope.index() % workers;
    let mut splitter = Some(splitter);
    let mut streams: HashMap<NodeIndex, AnyStream<'_>> = HashMap::new();
    let flows = plan.flows().expect("a plan has flows");
    for node in toposort(&plan.graph, None).expect("a plan has no cycle") {
        let stream = match &plan.graph[node].kind {
            // one reader serves all sources, as they have one clock where they are merged
            Kind::Source(_) => match splitter.take() {
                None => continue,
                Some(splitter) => {
                    let (chunks, marks) = read(scope, splitter, control.clone());
                    AnyStream::Chunks(chunks, marks)
                }
            },
            Kind::Decode(options) => {
                let Some(AnyStream::Chunks(chunks, marks)) = take(plan, node, &mut streams) else {
                    continue;
                };
                let decode_plan = DecodePlan {
                    options: options.clone(),
                    key: KeyRule::new(flows).named(&plan.names),
                    needs: plan.needs(),
                    in_order: is_whole,
                    choices: choices(plan),
                };
                let books = || Rc::clone(&books);
                if is_whole {
                    let (packets, _) = decode(chunks, Pipeline, decode_plan, books());
                    AnyStream::Packets(packets, marks)
                } else {
                    let mut turn = 0;
                    let deal = move |_: &Chunk| {
                        turn += 1;
                        first_of_process + turn % workers
                    };
                    let deal = DistributorPact(move |_| Deal::new(deal));
                    let (packets, fragments) = decode(chunks, deal, decode_plan.clone(), books());
                    // all fragments of a source go to one worker of the process that reads it
                    let by_source = move |batch: &FragmentBatch| {
                        first_of_process + batch.source() as usize % workers
                    };
                    let by_source = DistributorPact(move |_| Deal::new(by_source));
                    let fragments = join_fragments(fragments, by_source, decode_plan, books());
                    AnyStream::Packets(packets.concat(fragments), marks.broadcast())
                }
            }
            // fused with the features, which keep their state in the flow table
            Kind::Flows(_) => match take(plan, node, &mut streams) {
                Some(stream) => stream,
                None => continue,
            },
            Kind::Features(features) => {
                let Some(AnyStream::Packets(packets, marks)) = take(plan, node, &mut streams)
                else {
                    continue;
                };
                let track_plan = TrackPlan {
                    options: flows.clone(),
                    features: features.plan.clone(),
                    names: Arc::clone(&plan.names),
                    slicing,
                    inputs,
                    in_order,
                    rule: plan.rule.clone(),
                    prompt: prompt
                        || graph.as_ref().is_some_and(|graph| graph.plan.is_prompt())
                        || views.iter().any(ViewEntrance::is_prompt),
                };
                let seen = marks.clone();
                let own = Rc::clone(&books);
                let owners = Arc::clone(&owners);
                let by_shard =
                    DistributorPact(move |peers| ByShard::new(peers, Arc::clone(&owners)));
                let is_fused = plan.run.fused || features.plan.groups().len() == 0;
                let rows = match (is_whole, is_fused) {
                    (true, true) => track(packets, Pipeline, marks, &track_plan, own),
                    (false, true) => track(packets, by_shard, marks, &track_plan, own),
                    (true, false) => track_apart(packets, Pipeline, marks, &track_plan, own),
                    (false, false) => track_apart(packets, by_shard, marks, &track_plan, own),
                };
                let rows = rows.probe_with(&control.probe);
                let (of_rows, of_flows): (Vec<_>, Vec<_>) =
                    views.drain(..).partition(ViewEntrance::reads_rows);
                for view in of_flows {
                    view.feed(vec![rows.clone()], seen.clone(), &books);
                }
                if let Some(Entrance {
                    plan,
                    session,
                    handover,
                }) = graph.take()
                {
                    // the sinks are behind the graph
                    gate(rows, seen, plan, session, handover);
                    continue;
                }
                let mut behind = Behind {
                    tables: Vec::new(),
                    marks: seen.clone(),
                    views: of_rows,
                    collectors: std::mem::take(&mut collectors),
                };
                if look_ups.is_some() {
                    // rows that have waited have other times
                    behind.views.iter_mut().for_each(ViewEntrance::wait_for_all);
                }
                let rows = looked_up(rows, seen, look_ups.clone(), &books);
                behind_features(plan, rows, behind, &books);
                continue;
            }
            // behind the features, or behind the graph
            Kind::Filter(_) | Kind::View(_) | Kind::LookUp | Kind::Join(_) | Kind::Sink(_) => {
                continue;
            }
        };
        streams.insert(node, stream);
    }
}

/// Lets rows wait for what they look up, if anything.
fn looked_up<'scope>(
    rows: Stream<'scope, u64, Columns>,
    marks: StreamVec<'scope, u64, Mark>,
    look_ups: Option<LookUpEntrance>,
    books: &Rc<RefCell<Books>>,
) -> Stream<'scope, u64, Columns> {
    match look_ups {
        Some(LookUpEntrance { plan, answers }) => {
            look_up(rows, marks, &plan, answers, Rc::clone(books))
        }
        None => rows,
    }
}

/// What is behind the features, beside derived columns and filters.
struct Behind<'scope> {
    /// Those of graph sinks, in their order.
    tables: Vec<Stream<'scope, u64, Columns>>,
    /// How far the inputs are.
    marks: StreamVec<'scope, u64, Mark>,
    /// Views that read rows.
    views: Vec<ViewEntrance>,
    /// Those of the sinks.
    collectors: Vec<Rc<RefCell<Collector>>>,
}

/// Builds what rows go through: derived columns, filters, sinks.
fn behind_features<'scope>(
    plan: &Plan,
    records: Stream<'scope, u64, Columns>,
    behind: Behind<'scope>,
    books: &Rc<RefCell<Books>>,
) {
    let Behind {
        tables,
        marks,
        views,
        collectors,
    } = behind;
    let features = plan.features().expect("a plan has features");
    let rows = records.clone();
    let rows = match features.computer() {
        Some(computer) => derive(rows, computer, Rc::clone(books)),
        None => rows,
    };
    let (mut tables, mut collectors) = (tables.into_iter(), collectors.into_iter());
    // the outputs of each node
    let mut outputs: HashMap<NodeIndex, Vec<Stream<'scope, u64, Columns>>> = HashMap::new();
    let order = toposort(&plan.graph, None).expect("a plan has no cycle");
    let sinks = |node: &NodeIndex| matches!(plan.graph[*node].kind, Kind::Sink(_));
    // sinks in the order of the spec, as their collectors are
    let (inner, _): (Vec<NodeIndex>, Vec<NodeIndex>) =
        order.into_iter().partition(|node| !sinks(node));
    let last = plan.graph.node_indices().filter(sinks);
    for node in inner.into_iter().chain(last) {
        let mut inputs: Vec<_> = plan
            .graph
            .edges_directed(node, Direction::Incoming)
            .collect();
        inputs.sort_by_key(|edge| edge.id());
        let read = inputs
            .into_iter()
            .filter_map(|edge| given(&records, &outputs, edge.source(), edge.weight()));
        let Node { name, kind } = &plan.graph[node];
        let read = read.reduce(|one, other| one.concat(other));
        match (kind, read) {
            (Kind::Features(_) | Kind::LookUp, _) => {
                outputs.insert(node, vec![rows.clone()]);
            }
            (Kind::Filter(options), Some(read)) => {
                let streams = filter(read, plan.filter(name, options), Rc::clone(books));
                outputs.insert(node, streams);
            }
            (Kind::Join(options), Some(read)) => {
                // a run without the files of its joins does not get here
                let rows = match plan.join(name, options) {
                    Some(plan) => joins::join(read, plan, Rc::clone(books)),
                    None => read,
                };
                outputs.insert(node, vec![rows]);
            }
            (Kind::Sink(sink), read) => {
                let (collector, books) = (collectors.next(), Rc::clone(books));
                let read = match &sink.table {
                    Some(table) => match table.of {
                        TableOf::Graph(_) => tables.next(),
                        TableOf::View(..) => None,
                    },
                    None => read,
                };
                if let Some(read) = read {
                    let condition = plan.condition(sink);
                    collect(read, plan.projection(sink), condition, collector, books);
                }
            }
            _ => {}
        }
    }
    for view in views {
        let inputs = view.inputs().iter();
        let read = inputs.filter_map(|(node, edge)| given(&records, &outputs, *node, edge));
        let read = read.collect();
        view.feed(read, marks.clone(), books);
    }
}

/// What a node gives, by the edge that it goes.
fn given<'scope>(
    records: &Stream<'scope, u64, Columns>,
    outputs: &HashMap<NodeIndex, Vec<Stream<'scope, u64, Columns>>>,
    node: NodeIndex,
    edge: &Edge,
) -> Option<Stream<'scope, u64, Columns>> {
    let output = match edge {
        Edge::Flows => return Some(records.clone()),
        Edge::Route(output) => *output,
        _ => 0,
    };
    outputs.get(&node)?.get(output).cloned()
}

/// Which packets enter the flow table.
fn choices(plan: &Plan) -> Vec<Choice> {
    let condition = plan.condition.as_ref();
    let condition = condition.map(|one| Choice::new(one, Skip::Filtered));
    let pushed = plan.pushed.as_ref();
    let pushed = pushed.map(|pushed| Choice::new(&pushed.condition, Skip::Unwanted));
    condition.into_iter().chain(pushed).collect()
}

/// Takes the stream that a node reads.
fn take<'scope>(
    plan: &Plan,
    node: NodeIndex,
    streams: &mut HashMap<NodeIndex, AnyStream<'scope>>,
) -> Option<AnyStream<'scope>> {
    let mut inputs = plan.graph.neighbors_directed(node, Direction::Incoming);
    inputs.find_map(|input| streams.remove(&input))
}
