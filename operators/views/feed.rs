//! Rows on their way into a view: on one worker they become words, and come and go with their window.

use super::clock::Clock;
use super::options::Window;
use super::rules::{Numbers, Plan, Row, take};
use super::windowed::{Tick, Windowed};
use crate::books::{Anomaly, Books};
use crate::columns::Columns;
use crate::container::Deal;
use crate::expressions::Places;
use crate::flows::Open;
use crate::sources::{Mark, Slicing};
use differential_dataflow::input::InputSession;
use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use timely::dataflow::channels::pact::{DistributorPact, Pipeline};
use timely::dataflow::operators::generic::builder_rc::OperatorBuilder;
use timely::dataflow::operators::probe::Handle;
use timely::dataflow::{Stream, StreamVec};

/// Where the rows of a source go.
pub type Inlet<R> = InputSession<u64, R, isize>;

/// What is told of a view on its way in.
#[derive(Clone, Debug)]
pub struct FeedPlan {
    /// The rules.
    pub rules: Arc<Plan>,
    /// Where the columns that they read are in the rows.
    pub places: Places,
    /// Which rows are in the view together.
    pub window: Window,
    /// How the input is cut into epochs.
    pub slicing: Slicing,
    /// Number of inputs of the whole run.
    pub inputs: usize,
    /// How long records stay open.
    pub open: Open,
}

impl FeedPlan {
    /// Whether windows close while the input is read.
    pub fn is_prompt(&self) -> bool {
        self.window != Window::All && self.window.lag(self.open).is_some()
    }
}

/// What feed and table of a view share, on the worker that has both.
#[derive(Debug, Default)]
pub struct Between {
    /// What the words stand for.
    pub numbers: Numbers,
    /// For each table, the times of ticks that it has to show.
    pub ticks: Vec<VecDeque<u64>>,
    /// A stratum whose recursion had no end in as many turns as it may take: its place.
    pub beyond: Option<usize>,
    /// A relation that has more rows than it may: its place.
    pub full: Option<usize>,
    /// Set when the view fails, so that readers stop.
    stop: Arc<AtomicBool>,
}

impl Between {
    /// Of a view of these rules, for all of its tables; `stop` is set when it fails.
    pub fn new(rules: &Plan, stop: Arc<AtomicBool>) -> SharedBetween {
        Rc::new(RefCell::new(Self {
            numbers: Numbers::new(&rules.constants),
            stop,
            ..Self::default()
        }))
    }

    /// Takes note of a relation that has more rows than it may.
    pub fn overflow(&mut self, relation: usize) {
        self.full.get_or_insert(relation);
        self.stop.store(true, Ordering::Relaxed);
    }

    /// The place of another table.
    pub fn table(&mut self) -> usize {
        self.ticks.push(VecDeque::new());
        self.ticks.len() - 1
    }
}

/// As both hold it.
pub type SharedBetween = Rc<RefCell<Between>>;

/// Ticks on their way at once.
const AHEAD: usize = 4;

/// What a feed goes into. `inlets`, one a source, is `None` on all workers but the first; `shown` is where the tables of the view
/// have got to.
pub struct Inflow<R: Row> {
    /// The view.
    pub plan: FeedPlan,
    /// Where rows go.
    pub inlets: Option<Vec<Inlet<R>>>,
    /// Between feed and tables.
    pub between: SharedBetween,
    /// Where the tables are.
    pub shown: Handle<u64>,
}

/// Operator `feed`: takes the rows of each input of the view from all workers.
pub fn feed<'scope, R: Row>(
    inputs: Vec<Stream<'scope, u64, Columns>>,
    marks: StreamVec<'scope, u64, Mark>,
    to: Inflow<R>,
    books: Rc<RefCell<Books>>,
) {
    let Inflow {
        plan,
        inlets,
        between,
        shown,
    } = to;
    let scope = marks.scope();
    let mut builder = OperatorBuilder::new("feed".to_owned(), scope);
    let activator = scope.activator_for(builder.operator_info().address);
    let to_first = || DistributorPact(|_| Deal::new(|_: &Columns| 0));
    let inputs = inputs.into_iter();
    let mut inputs: Vec<_> = inputs
        .map(|rows| builder.new_input(rows, to_first()))
        .collect();
    let mut marks = builder.new_input(marks, Pipeline);
    // nothing goes out here, but a dataflow ends when all its operators have given up their outputs
    let (_, _) = builder.new_output::<Vec<()>>();
    builder.build(move |capabilities| {
        let mut feed =
            inlets.map(|inlets| (Feed::new(&plan, inlets, between, shown), capabilities));
        let mut clock = Clock::new(plan.slicing, plan.inputs);
        move |frontiers| {
            for (input, rows) in inputs.iter_mut().enumerate() {
                rows.for_each(|_, rows| {
                    if let Some((feed, _)) = &mut feed {
                        feed.push(input, &std::mem::take(rows));
                    }
                });
            }
            marks.for_each(|stamp, marks| {
                clock.marks(stamp.least().copied(), marks.drain(..));
            });
            let open = frontiers
                .iter()
                .filter_map(|frontier| frontier.frontier().first().copied())
                .min();
            let Some((here, _)) = &mut feed else { return };
            let overflows = here.overflows.take();
            let anomalies = &mut books.borrow_mut().anomalies;
            anomalies.add_many(Anomaly::ExpressionOverflow, overflows);
            match open {
                None => here.end(clock.last()),
                Some(open) => {
                    here.until(clock.at(open));
                }
            }
            match (here.go_on(), open) {
                (true, None) => feed = None,
                (true, Some(_)) => {}
                (false, _) => activator.activate(),
            }
        }
    });
}

/// A row of a source.
type Sourced<R> = (usize, R);

struct Feed<R: Row> {
    plan: FeedPlan,
    inlets: Vec<Inlet<R>>,
    between: SharedBetween,
    shown: Handle<u64>,
    /// With windows: what is in them.
    window: Option<Windowed<Sourced<R>>>,
    /// Times of ticks that the view works on.
    working: VecDeque<u64>,
    /// Numbers that no row names any more, once their time is shown.
    leaving: VecDeque<(u64, Vec<u64>)>,
    overflows: Cell<u64>,
    /// The largest clock of a row, in the view or not.
    last: Option<i64>,
    is_over: bool,
}

impl<R: Row> Feed<R> {
    fn new(
        plan: &FeedPlan,
        inlets: Vec<Inlet<R>>,
        between: SharedBetween,
        shown: Handle<u64>,
    ) -> Self {
        Self {
            window: match plan.window {
                Window::All => None,
                Window::Sliding { size, step, .. } => Some(Windowed::new(size, step)),
            },
            plan: plan.clone(),
            inlets,
            between,
            shown,
            working: VecDeque::new(),
            leaving: VecDeque::new(),
            overflows: Cell::new(0),
            last: None,
            is_over: false,
        }
    }

    fn push(&mut self, input: usize, batch: &Columns) {
        self.last = self
            .last
            .max(batch.edges.iter().map(|edge| edge.clock).max());
        let numbers = &mut self.between.borrow_mut().numbers;
        let sources = self.plan.rules.sources.iter().enumerate();
        for (at, source) in sources.filter(|(_, source)| source.inputs.contains(&input)) {
            let taken = take::<R>(source, batch, &self.plan.places, numbers, &self.overflows);
            for (row, place) in taken {
                match (&mut self.window, batch.edges.get(place)) {
                    (Some(window), Some(edge)) => {
                        window.push(self.plan.window.clock(edge, self.plan.open), (at, row));
                    }
                    _ => self.inlets[at].insert(row),
                }
            }
        }
    }

    fn until(&mut self, clock: Option<i64>) {
        let lag = self.plan.window.lag(self.plan.open);
        if let (Some(window), Some(clock), Some(lag)) = (&mut self.window, clock, lag) {
            window.until(clock.saturating_sub(lag));
        }
    }

    fn end(&mut self, clock: Option<i64>) {
        if std::mem::replace(&mut self.is_over, true) {
            return;
        }
        match &mut self.window {
            Some(window) => {
                // as far as it would have come without an end, so that no row depends on where epochs end
                let lag = self.plan.window.lag(self.plan.open);
                let open = clock.zip(lag).map(|(clock, lag)| clock.saturating_sub(lag));
                if let Some(open) = open {
                    window.until(open);
                }
                window.end(self.last);
            }
            None => self.tick(0, Vec::new(), Vec::new()),
        }
    }

    /// Lets the ticks come that may; `false` = there is more to do when the view has got on.
    fn go_on(&mut self) -> bool {
        self.forget();
        loop {
            if self.working.len() >= AHEAD {
                return false;
            }
            let Some(tick) = self.window.as_mut().and_then(Windowed::next) else {
                self.pass();
                return true;
            };
            let Tick { tick, comes, goes } = tick;
            self.tick(Window::time(tick), comes, goes);
        }
    }

    /// Tells the view that it has come to a tick at which nothing happened.
    fn pass(&mut self) {
        let passed = self.window.as_ref().and_then(Windowed::passed);
        let Some(passed) = passed else { return };
        let time = Window::time(passed).saturating_add(1);
        for inlet in &mut self.inlets {
            if *inlet.time() < time {
                inlet.advance_to(time);
                inlet.flush();
            }
        }
    }

    fn tick(&mut self, time: u64, comes: Vec<Sourced<R>>, goes: Vec<Sourced<R>>) {
        self.inlets
            .iter_mut()
            .for_each(|inlet| inlet.advance_to(time));
        for (source, row) in comes {
            self.inlets[source].insert(row);
        }
        let mut left = Vec::new();
        for (source, row) in goes {
            self.inlets[source].remove(row);
            let kinds = self.plan.rules.sources[source].kinds.iter().enumerate();
            let named = kinds.filter(|(_, kind)| super::rules::is_named(kind));
            left.extend(named.map(|(at, _)| row.word(at)));
        }
        for inlet in &mut self.inlets {
            inlet.advance_to(time.saturating_add(1));
            inlet.flush();
        }
        for ticks in &mut self.between.borrow_mut().ticks {
            ticks.push_back(time);
        }
        self.working.push_back(time);
        if !left.is_empty() {
            self.leaving.push_back((time, left));
        }
    }

    /// Forgets what is shown.
    fn forget(&mut self) {
        while self
            .working
            .front()
            .is_some_and(|time| !self.shown.less_equal(time))
        {
            self.working.pop_front();
        }
        while self
            .leaving
            .front()
            .is_some_and(|(time, _)| !self.shown.less_equal(time))
        {
            let numbers = self
                .leaving
                .pop_front()
                .map(|(_, numbers)| numbers)
                .unwrap_or_default();
            let between = &mut self.between.borrow_mut();
            numbers
                .into_iter()
                .for_each(|number| between.numbers.leave(number));
        }
    }
}
