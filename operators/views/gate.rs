//! Rows on their way into the connection graph: they wait here until their window closes, and their edges go on to be counted.
//!
//! All rows come to one worker, which also has the names of the nodes. Rows wait in columns, in memory up to a budget and beyond it
//! on disk. Ticks are told to the graph one after the other, so nothing in it ever belongs to the future.

use super::clock::Clock;
use super::graph::{Named, Names, Record};
use super::handover::{Handover, Ready, Rows, Shared};
use super::options::Window;
use super::past::{Pasts, Recent};
use super::waiting::Waiting;
use crate::columns::{Columns, FlowEdge, RowKey};
use crate::container::Deal;
use crate::error::Error;
use crate::features::ConnectionPlan;
use crate::flows::Open;
use crate::sinks::{Sorted, Sorter};
use crate::sources::{Mark, Slicing};
use differential_dataflow::input::InputSession;
use std::collections::BTreeMap;
use std::path::PathBuf;
use timely::dataflow::channels::pact::{DistributorPact, Pipeline};
use timely::dataflow::operators::generic::builder_rc::OperatorBuilder;
use timely::dataflow::{Stream, StreamVec};

/// Where records go that are to be counted.
pub type Session = InputSession<u64, Record, isize>;

/// What the gate is told.
#[derive(Clone, Debug)]
pub struct GatePlan {
    /// What the graph has to give.
    pub connection: ConnectionPlan,
    /// How the input is cut into epochs.
    pub slicing: Slicing,
    /// Number of inputs of the whole run.
    pub inputs: usize,
    /// How long records stay open.
    pub open: Open,
    /// Bytes of rows that wait in memory.
    pub budget: usize,
    /// Where the others wait.
    pub folder: PathBuf,
}

impl GatePlan {
    const fn window(&self) -> Window {
        self.connection.options.window
    }

    /// Whether windows close while the input is read.
    pub fn is_prompt(&self) -> bool {
        self.window() != Window::All && self.window().lag(self.open).is_some()
    }
}

/// Ticks on their way at once: what is ready waits in the graph instead of here.
const AHEAD: usize = 4;

/// Operator `gate`: takes rows from all workers. `session` is `None` on all workers but the first.
pub fn gate<'scope>(
    rows: Stream<'scope, u64, Columns>,
    marks: StreamVec<'scope, u64, Mark>,
    plan: GatePlan,
    session: Option<Session>,
    handover: Shared,
) {
    let scope = rows.scope();
    let mut builder = OperatorBuilder::new("gate".to_owned(), scope);
    let activator = scope.activator_for(builder.operator_info().address);
    let mut rows = builder.new_input(rows, DistributorPact(|_| Deal::new(|_: &Columns| 0)));
    let mut marks = builder.new_input(marks, Pipeline);
    // nothing goes out here, but a dataflow ends when all its operators have given up their outputs
    let (_, _) = builder.new_output::<Vec<()>>();
    builder.build(move |capabilities| {
        let mut gate = session.map(|session| (Gate::new(&plan, session), capabilities));
        let mut clock = Clock::new(plan.slicing, plan.inputs);
        move |frontiers| {
            let mut taken = Ok(());
            rows.for_each(|_, rows| {
                if let Some((gate, _)) = &mut gate
                    && taken.is_ok()
                {
                    taken = gate.push(std::mem::take(rows));
                }
            });
            marks.for_each(|stamp, marks| {
                clock.marks(stamp.least().copied(), marks.drain(..));
            });
            let open = frontiers
                .iter()
                .filter_map(|frontier| frontier.frontier().first().copied())
                .min();
            let Some((here, _)) = &mut gate else { return };
            let moved = taken.and_then(|()| match open {
                None => here.end(clock.last(), &mut handover.borrow_mut()),
                Some(open) => here.advance(clock.at(open), &mut handover.borrow_mut()),
            });
            match moved {
                Ok(State::Waits) => {}
                Ok(State::Busy) => activator.activate(),
                Ok(State::Done) => gate = None,
                Err(error) => {
                    handover.borrow_mut().fail(error);
                    gate = None;
                }
            }
        }
    });
}

/// Whether there is more to do.
enum State {
    /// When more comes in.
    Waits,
    /// When the graph has got on.
    Busy,
    /// No.
    Done,
}

/// Records of a tick.
type Edges = Vec<(RowKey, FlowEdge)>;

/// What waits on one worker.
struct Gate {
    plan: GatePlan,
    session: Session,
    names: Names,
    named: Vec<Named>,
    /// Rows whose tick is the only one, or comes with the end of the input.
    all: Option<Sorter>,
    /// With `asof`: the rows in the order of their starts, once all are there.
    sorted: Option<Sorted>,
    /// What is compared with records that ended before, if anything: of those whose tick has not come, and of all others.
    ended: Edges,
    recent: Option<Recent>,
    /// With `asof`: what is known of all rows.
    past: Pasts,
    /// The start of the last of them that was counted, and its tick.
    last: Option<(i64, u64)>,
    /// With windows: what has come, by tick.
    open: BTreeMap<i64, Edges>,
    waiting: Waiting,
    /// With windows: the records that go, by tick.
    leaving: BTreeMap<i64, Vec<Record>>,
    /// Ticks up to this one may come.
    limit: Option<i64>,
}

impl Gate {
    fn new(plan: &GatePlan, session: Session) -> Self {
        let schema = plan.connection.schema();
        let sorter = Sorter::new(schema, plan.budget, &plan.folder);
        Self {
            plan: plan.clone(),
            session,
            names: Names::default(),
            named: Vec::new(),
            all: Some(sorter),
            sorted: None,
            ended: Vec::new(),
            recent: plan.connection.past.then(Recent::default),
            past: Pasts::default(),
            last: None,
            open: BTreeMap::new(),
            waiting: Waiting::new(schema, plan.budget, &plan.folder),
            leaving: BTreeMap::new(),
            limit: None,
        }
    }

    fn push(&mut self, mut rows: Columns) -> Result<(), Error> {
        self.plan.connection.empty(&mut rows);
        let options = &self.plan.connection.options;
        match options.window {
            Window::All => {
                if !options.asof {
                    for edge in &rows.edges {
                        let use_ports = options.use_ports;
                        let record = self.names.enter(edge, use_ports, &mut self.named);
                        self.session.insert(record);
                    }
                }
                if self.recent.is_some() {
                    let records = rows.keys.iter().copied().zip(rows.edges.iter().copied());
                    self.ended.extend(records);
                }
                let Some(all) = &mut self.all else {
                    return Ok(());
                };
                all.push(rows);
                if all.is_full() { all.spill() } else { Ok(()) }
            }
            Window::Sliding { step, .. } => self.sort_into(rows, step),
        }
    }

    /// Puts rows to their ticks.
    fn sort_into(&mut self, rows: Columns, step: i64) -> Result<(), Error> {
        let open = &mut self.open;
        let (window, known) = (self.plan.window(), self.plan.open);
        let tick = |edge: &FlowEdge| Window::tick(step, window.clock(edge, known));
        self.waiting.push(rows, tick, |tick, batch, rows| {
            let edges = rows.iter().map(|row| {
                let row = *row as usize;
                (batch.keys[row], batch.edges[row])
            });
            open.entry(tick).or_default().extend(edges);
        })
    }

    /// The records that ended, each compared with those before it.
    fn compared(&mut self) -> Pasts {
        let ended = std::mem::take(&mut self.ended);
        let use_ports = self.plan.connection.options.use_ports;
        self.recent
            .as_mut()
            .map_or_else(Pasts::default, |recent| recent.take(ended, use_ports))
    }

    /// Lets the ticks come whose records are all known at this clock.
    fn advance(&mut self, clock: Option<i64>, to: &mut Handover) -> Result<State, Error> {
        let Window::Sliding { step, .. } = self.plan.window() else {
            self.session.flush();
            return Ok(State::Waits);
        };
        let lag = self.plan.window().lag(self.plan.open);
        if let (Some(clock), Some(lag)) = (clock, lag) {
            let tick = Window::tick(step, clock.saturating_sub(lag)).saturating_sub(1);
            self.limit = self.limit.max(Some(tick));
        }
        self.come(to)
    }

    /// Lets all come that is there.
    fn end(&mut self, clock: Option<i64>, to: &mut Handover) -> Result<State, Error> {
        let options = &self.plan.connection.options;
        match (options.window, options.asof) {
            (Window::All, false) => {
                self.session.advance_to(1);
                self.session.flush();
                let past = self.compared();
                if let Some(all) = self.all.take() {
                    to.ready.push_back(Ready {
                        past,
                        named: vec![(0, std::mem::take(&mut self.named))],
                        last: 0,
                        rows: Rows::Of(all.finish()?),
                    });
                }
                Ok(State::Done)
            }
            (Window::All, true) => self.in_order(to),
            (Window::Sliding { .. }, _) => {
                // at least as far as it would have come without an end, so that nothing depends on where epochs end; what leaves
                // later is seen by no row
                self.limit = self.limit.max(self.open.keys().next_back().copied());
                match self.advance(clock, to)? {
                    State::Waits => Ok(State::Done),
                    other => Ok(other),
                }
            }
        }
    }

    /// The next ticks of windows, up to the limit.
    fn come(&mut self, to: &mut Handover) -> Result<State, Error> {
        let Window::Sliding { size, step, .. } = self.plan.window() else {
            return Ok(State::Done);
        };
        loop {
            let first = [self.open.keys().next(), self.leaving.keys().next()];
            let Some(tick) = first.into_iter().flatten().min().copied() else {
                return Ok(State::Waits);
            };
            if self.limit.is_none_or(|limit| limit < tick) {
                return Ok(State::Waits);
            }
            if to.ready.len() >= AHEAD {
                return Ok(State::Busy);
            }
            let time = Window::time(tick);
            self.session.advance_to(time);
            let open = self.open.remove(&tick);
            let mut staying = Vec::new();
            for (_, edge) in open.iter().flatten() {
                let use_ports = self.plan.connection.options.use_ports;
                let record = self.names.enter(edge, use_ports, &mut self.named);
                self.session.insert(record);
                staying.push(record);
            }
            for record in self.leaving.remove(&tick).into_iter().flatten() {
                self.names.leave(&record, &mut self.named);
                self.session.remove(record);
            }
            if !staying.is_empty() {
                self.leaving
                    .insert(tick.saturating_add(size / step), staying);
            }
            self.session.advance_to(time.saturating_add(1));
            self.session.flush();
            self.ended = open.unwrap_or_default();
            let rows = self.waiting.take(tick)?.map_or(Rows::None, Rows::Of);
            to.ready.push_back(Ready {
                past: self.compared(),
                named: vec![(time, std::mem::take(&mut self.named))],
                last: time,
                rows,
            });
        }
    }

    /// With `asof`: the next rows in the order of their starts, a tick for each start.
    fn in_order(&mut self, to: &mut Handover) -> Result<State, Error> {
        if let Some(all) = self.all.take() {
            self.past = self.compared();
            self.sorted = Some(all.finish()?);
        }
        let Some(sorted) = &mut self.sorted else {
            return Ok(State::Done);
        };
        if to.ready.len() >= AHEAD {
            return Ok(State::Busy);
        }
        let Some(rows) = sorted.next().transpose()? else {
            return Ok(State::Done);
        };
        let (mut ticks, mut named) = (Vec::with_capacity(rows.rows()), Vec::new());
        for edge in &rows.edges {
            let tick = match self.last {
                Some((start, tick)) if start == edge.start => tick,
                Some((_, tick)) => tick + 1,
                None => 0,
            };
            self.last = Some((edge.start, tick));
            self.session.advance_to(tick);
            let use_ports = self.plan.connection.options.use_ports;
            let record = self.names.enter(edge, use_ports, &mut self.named);
            self.session.insert(record);
            if !self.named.is_empty() {
                named.push((tick, std::mem::take(&mut self.named)));
            }
            ticks.push(tick);
        }
        self.session.flush();
        to.ready.push_back(Ready {
            named,
            past: self.past.part(&rows.keys),
            last: ticks.last().copied().unwrap_or(0),
            rows: Rows::Each(rows, ticks),
        });
        Ok(State::Busy)
    }
}
