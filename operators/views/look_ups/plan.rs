//! Which values of views rows look up, and the order in which they wait for them. Data only.

use crate::expressions::aggregates::declared;
use crate::expressions::lookups::{LOOK_UPS, LookUp};
use crate::expressions::{Derived, Program, Type};
use crate::schema::{DataType, Feature, Private, Schema};
use crate::views::Window;
use crate::views::rules::Made;
use std::collections::BTreeSet;

/// All look-ups of a spec.
#[derive(Clone, Debug, Default)]
pub struct LookUps {
    /// One after the other: a row that has waited for one goes on to the next.
    pub stages: Vec<Stage>,
}

/// Look-ups that rows wait for together.
#[derive(Clone, Debug)]
pub struct Stage {
    /// A row sees its views as they are at the end of the step in which its last packet came, ns; `None` = at the end of the input.
    pub step: Option<i64>,
    /// What is asked, in an order in which none needs a later one.
    pub questions: Vec<Question>,
}

/// A key that is looked up in a relation of a view.
#[derive(Clone, Debug)]
pub struct Question {
    /// The view.
    pub view: String,
    /// The place of its relation.
    pub relation: usize,
    /// The relation.
    pub made: Made,
    /// The key, in the order of the key columns: over columns of rows and values that were looked up before.
    pub program: Program,
    /// What is taken of the row that has this key.
    pub values: Vec<Value>,
}

/// A value that is taken.
#[derive(Clone, Debug)]
pub struct Value {
    /// Where programs find it.
    pub place: u32,
    /// Its column in the relation.
    pub column: usize,
    /// Its type.
    pub kind: Type,
    /// The column that rows get.
    pub feature: Feature,
}

/// What a look-up has to know of its view.
#[derive(Clone, Debug)]
pub struct Seen {
    /// Its window.
    pub window: Window,
    /// Whether rows see it as it is at the end of the input.
    pub at_end: bool,
    /// The relation.
    pub made: Made,
}

impl LookUps {
    /// The look-ups of expressions, `seen` of each its view. None before those that its key needs.
    pub fn new(asked: &[LookUp], derived: &Derived, seen: impl Fn(&LookUp) -> Seen) -> Self {
        let mut all = Self::default();
        for (place, one) in (LOOK_UPS..).zip(asked) {
            let Seen {
                window,
                at_end,
                made,
            } = seen(one);
            let step = match window {
                Window::Sliding { step, .. } if !at_end => Some(step),
                _ => None,
            };
            let null = "the view has no row with this key, or the key is null".to_owned();
            let kind = one.kind.column().unwrap_or((DataType::I64, ""));
            let mut feature = declared(one.text.clone(), "views", &one.text, kind, Some(null));
            // a text of a view may be any name
            feature.private = (one.kind == Type::Text).then_some(Private::Name);
            let value = Value {
                place,
                column: one.column,
                kind: one.kind.clone(),
                feature,
            };
            let program = derived.program(&one.keys);
            let needs = program.loads().filter(|load| *load >= LOOK_UPS);
            let first = needs.filter_map(|need| {
                let at = all.stages.iter().position(|stage| stage.has(need))?;
                Some(at + usize::from(all.stages[at].step != step))
            });
            let first = first.max().unwrap_or(0);
            let is_beside = |question: &&mut Question| {
                let first = question.values.first();
                let other = first.and_then(|first| asked.get((first.place - LOOK_UPS) as usize));
                other.is_some_and(|other| other.is_beside(one))
            };
            let mut stages = all.stages.iter_mut();
            let known = stages.find_map(|stage| stage.questions.iter_mut().find(is_beside));
            if let Some(question) = known {
                question.values.push(value);
                continue;
            }
            let question = Question {
                view: one.view.clone(),
                relation: one.relation,
                made,
                program,
                values: vec![value],
            };
            let mut later = all.stages.iter_mut().skip(first);
            match later.find(|stage| stage.step == step) {
                Some(stage) => stage.questions.push(question),
                None => all.stages.push(Stage {
                    step,
                    questions: vec![question],
                }),
            }
        }
        all
    }

    /// For each stage the relations that are asked, each once.
    pub fn asked(&self) -> impl Iterator<Item = (usize, &Question)> {
        self.stages.iter().enumerate().flat_map(|(at, stage)| {
            let mut seen = BTreeSet::new();
            let mut questions = stage.questions.iter();
            std::iter::from_fn(move || {
                questions.find(|one| seen.insert((one.view.as_str(), one.relation)))
            })
            .map(move |question| (at, question))
        })
    }

    /// What is asked, in order.
    pub fn questions(&self) -> impl Iterator<Item = &Question> {
        self.stages.iter().flat_map(|stage| &stage.questions)
    }

    /// The values in the order of their columns.
    pub fn values(&self) -> impl Iterator<Item = &Value> {
        self.questions().flat_map(|question| &question.values)
    }

    /// The columns that rows get.
    pub fn schema(&self) -> Schema {
        self.values().map(|value| value.feature.clone()).collect()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.stages.is_empty()
    }

    /// What the key of a value reads.
    pub fn reads(&self, place: u32) -> impl Iterator<Item = u32> {
        let asks = move |question: &&Question| question.has(place);
        let question = self.questions().find(asks);
        question
            .into_iter()
            .flat_map(|question| question.program.loads())
    }

    /// Leaves only these values.
    pub fn keep(&mut self, wanted: &BTreeSet<u32>) {
        for stage in &mut self.stages {
            for question in &mut stage.questions {
                question
                    .values
                    .retain(|value| wanted.contains(&value.place));
            }
            stage
                .questions
                .retain(|question| !question.values.is_empty());
        }
        self.stages.retain(|stage| !stage.questions.is_empty());
    }
}

impl Stage {
    fn has(&self, place: u32) -> bool {
        self.questions.iter().any(|question| question.has(place))
    }
}

impl Question {
    fn has(&self, place: u32) -> bool {
        self.values.iter().any(|value| value.place == place)
    }
}
