//! Look-ups: rows wait until the views that they ask have come to their tick, and go on with the values.
//!
//! A row sees the table as it is when the window closes that the row itself comes in: at the end of the step in which its last packet
//! came, or at the end of the input. It is given once, and what happens to the table later changes nothing. All rows come to one
//! worker, where views tell of theirs (`told.rs`); they wait in columns, on disk above a budget, for one stage after the other
//! (`plan.rs`): look-ups of one step wait together. A table goes on only when all rows of a tick have been answered, so rows may
//! come long after their tick, as they do behind the connection graph; what a view tells meanwhile is kept.

mod plan;
mod table;
mod told;

pub use plan::{LookUps, Question, Seen, Stage, Value};
pub use told::{Answers, SharedAnswers, tell};

use super::clock::Clock;
use super::options::Window;
use super::waiting::Waiting;
use crate::books::{Anomaly, Books};
use crate::columns::{Column, Columns};
use crate::container::Deal;
use crate::error::Error;
use crate::expressions::{Places, RowProgram};
use crate::schema::Schema;
use crate::sinks::Sorted;
use crate::sources::{Mark, Slicing};
use std::cell::RefCell;
use std::path::PathBuf;
use std::rc::Rc;
use std::sync::Arc;
use table::Table;
use timely::container::NoopBuilder;
use timely::dataflow::channels::pact::{DistributorPact, Pipeline};
use timely::dataflow::operators::generic::OutputBuilder;
use timely::dataflow::operators::generic::builder_rc::OperatorBuilder;
use timely::dataflow::{Stream, StreamVec};
use told::Cell;

/// What the operator is told.
#[derive(Clone, Debug)]
pub struct LookUpPlan {
    /// What is looked up.
    pub look_ups: LookUps,
    /// The columns that rows have before.
    pub schema: Schema,
    /// Where the columns are that keys read, those of values included.
    pub places: Places,
    /// How it is known which rows have come.
    pub come: Come,
    /// Whether rows go on with their edges: views that read them have to know their ticks.
    pub keeps_edges: bool,
    /// Bytes of rows that wait in memory, a stage.
    pub budget: usize,
    /// Where the others wait.
    pub folder: PathBuf,
}

/// How it is known that all rows up to some clock have come.
#[derive(Clone, Copy, Debug)]
pub enum Come {
    /// By the clocks of the inputs.
    ByClock {
        /// How the input is cut into epochs.
        slicing: Slicing,
        /// Number of inputs of the whole run.
        inputs: usize,
        /// How long after its last packet a record is known at the latest, ns; `None` = at the end of the input.
        lag: Option<i64>,
    },
    /// They come in the order of the ticks of the connection graph, which has this window.
    ByTick(Window),
}

/// How far rows have come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Until {
    /// Nothing is known.
    Unknown,
    /// All that are before this.
    Before(i64),
    /// All.
    End,
}

/// Batches that are given in one go.
const BATCHES: usize = 4;

/// Operator `look up`: rows come from all workers to the first, and go on from there.
pub fn look_up<'scope>(
    rows: Stream<'scope, u64, Columns>,
    marks: StreamVec<'scope, u64, Mark>,
    plan: &LookUpPlan,
    answers: SharedAnswers,
    books: Rc<RefCell<Books>>,
) -> Stream<'scope, u64, Columns> {
    let scope = rows.scope();
    let is_first = scope.index() == 0;
    let mut builder = OperatorBuilder::new("look up".to_owned(), scope);
    let address = builder.operator_info().address;
    let activator = scope.activator_for(Rc::clone(&address));
    answers.borrow_mut().reader = Some(scope.activator_for(address));
    let mut rows = builder.new_input(rows, DistributorPact(|_| Deal::new(|_: &Columns| 0)));
    let mut marks = builder.new_input(marks, Pipeline);
    let (output, stream) = builder.new_output();
    let mut output: OutputBuilder<u64, NoopBuilder<Columns>> = OutputBuilder::from(output);
    let mut arrival = Arrival::new(plan.come);
    let stages = stages(plan);
    let keeps_edges = plan.keeps_edges;
    builder.build(move |mut capabilities| {
        let mut here = capabilities
            .pop()
            .filter(|_| is_first)
            .map(|held| (held, stages));
        move |frontiers| {
            let mut taken = Ok(());
            rows.for_each(|_, rows| {
                if let (Some((_, stages)), Ok(())) = (&mut here, &taken) {
                    taken = stages[0].push(std::mem::take(rows));
                }
            });
            marks.for_each(|stamp, marks| {
                arrival.marks(stamp.least().copied(), marks.drain(..));
            });
            let Some((held, stages)) = &mut here else {
                return;
            };
            let open = frontiers
                .iter()
                .filter_map(|frontier| frontier.frontier().first().copied())
                .min();
            let come = arrival.until(open);
            let mut output = output.activate();
            let answers = &mut *answers.borrow_mut();
            let mut give = |mut rows: Columns| {
                output
                    .session_with_builder(&*held)
                    .give_container(&mut rows);
            };
            let went =
                taken.and_then(|()| go(stages, come, answers, (&books, keeps_edges), &mut give));
            match went {
                Ok(Went::Waits) => {}
                Ok(Went::On) => activator.activate(),
                Ok(Went::Over) => here = None,
                Err(error) => {
                    answers.fail(error);
                    here = None;
                }
            }
        }
    });
    stream
}

/// Which rows have come.
enum Arrival {
    ByClock(Clock, Option<i64>, Until),
    ByTick(Window),
}

impl Arrival {
    const fn new(come: Come) -> Self {
        match come {
            Come::ByClock {
                slicing,
                inputs,
                lag,
            } => Self::ByClock(Clock::new(slicing, inputs), lag, Until::Unknown),
            Come::ByTick(window) => Self::ByTick(window),
        }
    }

    fn marks(&mut self, epoch: Option<u64>, marks: impl Iterator<Item = Mark>) {
        if let Self::ByClock(clock, ..) = self {
            clock.marks(epoch, marks);
        }
    }

    /// The clock before which all have come, as `open` is the first time that is not complete.
    fn until(&mut self, open: Option<u64>) -> Until {
        let Some(open) = open else { return Until::End };
        match self {
            Self::ByClock(clock, lag, known) => {
                if let (Some(clock), Some(lag)) = (clock.at(open), *lag) {
                    *known = (*known).max(Until::Before(clock.saturating_sub(lag)));
                }
                *known
            }
            Self::ByTick(Window::Sliding { step, .. }) if open > 0 => {
                Until::Before(Window::of_time(open).saturating_mul(*step))
            }
            Self::ByTick(_) => Until::Unknown,
        }
    }
}

/// A stage at work.
struct Running {
    step: Option<i64>,
    waiting: Waiting,
    /// Of the tick whose turn it is.
    current: Option<Sorted>,
    tables: Vec<Table>,
    asking: Vec<Asking>,
}

/// A question at work.
struct Asking {
    question: Question,
    program: RowProgram,
    /// Which of the tables.
    table: usize,
}

fn stages(plan: &LookUpPlan) -> Vec<Running> {
    let mut schema = plan.schema.clone();
    let mut running = Vec::new();
    for (at, stage) in plan.look_ups.stages.iter().enumerate() {
        let asked = || plan.look_ups.asked().enumerate();
        let own = || asked().filter(|(_, (of, _))| *of == at);
        let asking = stage.questions.iter().map(|question| {
            let is_it = |(_, (_, one)): &(usize, (usize, &Question))| {
                (&one.view, one.relation) == (&question.view, question.relation)
            };
            Asking {
                program: RowProgram::of(question.program.clone(), Arc::clone(&plan.places)),
                table: own().position(|one| is_it(&one)).unwrap_or(0),
                question: question.clone(),
            }
        });
        running.push(Running {
            step: stage.step,
            waiting: Waiting::new(&schema, plan.budget, &plan.folder),
            current: None,
            tables: own()
                .map(|(place, (_, one))| Table::new(place, &one.made))
                .collect(),
            asking: asking.collect(),
        });
        let values = stage.questions.iter().flat_map(|question| &question.values);
        schema.extend(values.map(|value| value.feature.clone()));
    }
    running
}

/// What is left to do.
enum Went {
    /// Nothing, until something comes.
    Waits,
    /// More.
    On,
    /// Nothing at all.
    Over,
}

/// Lets rows go on that may, as all before `come` have come.
fn go(
    stages: &mut [Running],
    come: Until,
    answers: &mut Answers,
    (books, keeps_edges): (&RefCell<Books>, bool),
    give: &mut impl FnMut(Columns),
) -> Result<Went, Error> {
    let mut come = come;
    let mut given = 0;
    for at in 0..stages.len() {
        let (before, after) = stages.split_at_mut(at + 1);
        let (Some(stage), mut next) = (before.last_mut(), after.first_mut()) else {
            break;
        };
        let until = stage.until(come, answers);
        while let Some(rows) = stage.next(until, answers)? {
            let (mut rows, overflows) = stage.answered(rows);
            let anomalies = &mut books.borrow_mut().anomalies;
            anomalies.add_many(Anomaly::ExpressionOverflow, overflows);
            match &mut next {
                Some(next) => next.push(rows)?,
                None => {
                    if !keeps_edges {
                        rows.edges = Vec::new();
                    }
                    give(rows);
                }
            }
            given += 1;
            if given >= BATCHES {
                return Ok(Went::On);
            }
        }
        stage.take(until, answers);
        come = match (until, stage.step) {
            (Until::Before(tick), Some(step)) => Until::Before(tick.saturating_mul(step)),
            (Until::End, _) => Until::End,
            _ => Until::Unknown,
        };
    }
    Ok(match come {
        Until::End => Went::Over,
        _ => Went::Waits,
    })
}

impl Running {
    fn push(&mut self, rows: Columns) -> Result<(), Error> {
        let step = self.step;
        let tick = move |clock| step.map_or(0, |step| Window::tick(step, clock));
        self.waiting
            .push(rows, |edge| tick(edge.clock), |_, _, _| {})
    }

    /// The ticks whose rows have come, and which all tables have come to.
    fn until(&self, come: Until, answers: &Answers) -> Until {
        let Some(step) = self.step else {
            let is_over =
                |table: &Table| table.told(answers).is_none_or(|told| told.open.is_none());
            return match come {
                Until::End if self.tables.iter().all(is_over) => Until::End,
                _ => Until::Unknown,
            };
        };
        let come = match come {
            Until::Before(clock) => Until::Before(Window::tick(step, clock)),
            other => other,
        };
        let open = |table: &Table| match table.told(answers).map(|told| told.open) {
            Some(Some(0)) => Until::Unknown,
            Some(Some(time)) => Until::Before(Window::of_time(time)),
            _ => Until::End,
        };
        self.tables.iter().map(open).fold(come, Until::min)
    }

    /// The next rows that may be answered; the tables are at their tick.
    fn next(&mut self, until: Until, answers: &mut Answers) -> Result<Option<Columns>, Error> {
        loop {
            if let Some(sorted) = &mut self.current {
                match sorted.next().transpose()? {
                    Some(rows) => return Ok(Some(rows)),
                    None => self.current = None,
                }
            }
            let Some(tick) = self.waiting.first() else {
                return Ok(None);
            };
            if until != Until::End && until <= Until::Before(tick) {
                return Ok(None);
            }
            match self.step {
                Some(_) => self.take(Until::Before(tick.saturating_add(1)), answers),
                None => self.take(Until::End, answers),
            }
            self.current = self.waiting.take(tick)?;
        }
    }

    /// Lets the tables go on to all that is before a tick.
    fn take(&mut self, until: Until, answers: &mut Answers) {
        for table in &mut self.tables {
            match until {
                Until::Unknown => {}
                Until::Before(tick) => table.take(Some(Window::time(tick)), answers),
                Until::End => table.take(None, answers),
            }
        }
    }

    /// Rows with what they ask; also how many numbers of keys were too large for their type.
    fn answered(&self, mut rows: Columns) -> (Columns, u64) {
        let mut overflows = 0;
        for asking in &self.asking {
            let mut keys: Vec<Option<Vec<Cell>>> = vec![Some(Vec::new()); rows.rows()];
            let mut filled = vec![0; asking.question.made.keys.len()];
            overflows += asking.program.run(&rows, |at, vector| {
                let cells = Cell::of_vector(vector).into_iter();
                let Some(start) = filled.get_mut(at) else {
                    return;
                };
                for (key, cell) in keys.iter_mut().skip(*start).zip(cells) {
                    match (key.as_mut(), cell) {
                        (Some(key), Some(cell)) => key.push(cell),
                        _ => *key = None,
                    }
                }
                *start += vector.len();
            });
            let values = &asking.question.values;
            let mut columns: Vec<Column> = values
                .iter()
                .map(|value| Column::new(&value.feature.data_type, true))
                .collect();
            let table = &self.tables[asking.table];
            for key in keys {
                let found = key.and_then(|key| table.find(&key));
                for (value, column) in values.iter().zip(&mut columns) {
                    table::write(
                        found.and_then(|row| row.get(value.column)),
                        &value.kind,
                        column,
                    );
                }
            }
            rows.columns.append(&mut columns);
        }
        (rows, overflows)
    }
}
