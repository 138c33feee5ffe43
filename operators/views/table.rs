//! A relation of a view as rows for sinks: the whole table at each tick, or what changed.
//!
//! Rows are in the order of their values, whatever the numbers of texts and addresses are.

use super::feed::SharedBetween;
use super::graph::Emit;
use super::options::Window;
use super::rules::{Made, MadeColumn, NULL, Numbers, Row, Rows, is_named, write, write_list};
use crate::columns::{Address, Columns, Values};
use crate::expressions::{Constant, Type};
use crate::schema::{DataType, Feature, Private, Profile, Schema, Scope, Split};
use std::collections::BTreeMap;
use timely::container::NoopBuilder;
use timely::dataflow::Stream;
use timely::dataflow::channels::pact::Exchange;
use timely::dataflow::operators::generic::OutputBuilder;
use timely::dataflow::operators::generic::builder_rc::OperatorBuilder;

/// What a sink takes of a view.
#[derive(Clone, Debug)]
pub struct Shown {
    /// The relation.
    pub made: Made,
    /// Its place among those of the view.
    pub relation: usize,
    /// When its rows are written.
    pub emit: Emit,
    /// Which rows are in the view together.
    pub window: Window,
}

impl Shown {
    /// The columns: `at` where there are windows, `diff` where changes are written, and those of the relation.
    pub fn schema(&self) -> Schema {
        let mut schema = Vec::new();
        if self.window != Window::All {
            schema.push(feature(
                "at",
                DataType::Time,
                "s",
                "When the window ended that the row is of.",
            ));
        }
        if self.emit == Emit::Changes {
            let definition = "1 = the row holds from `at` on, -1 = it no longer does.";
            schema.push(feature("diff", DataType::I8, "", definition));
        }
        for MadeColumn {
            name, kind, null, ..
        } in &self.made.columns
        {
            let (data_type, unit) = kind.column().unwrap_or((DataType::I64, ""));
            let definition = format!("Column `{name}` of `{}`.", self.made.name);
            let mut column = feature(name, data_type, unit, &definition);
            let item = match kind {
                Type::List(item) => item,
                plain => plain,
            };
            // a text of a view may be any name, and a rule does not tell which
            column.private = (*item == Type::Text).then_some(Private::Name);
            column.null = null.then(|| "no row of the group has a value".into());
            schema.push(column);
        }
        schema
    }
}

fn feature(name: &str, data_type: DataType, unit: &str, definition: &str) -> Feature {
    Feature {
        name: name.to_owned().into(),
        group: "view".into(),
        data_type,
        unit: unit.to_owned().into(),
        null: None,
        private: None,
        default: "".into(),
        profile: Profile::Extra,
        scope: Scope::Flow,
        split: Split::No,
        sequence: false,
        when: None,
        definition: definition.to_owned().into(),
        element: None,
        source: None,
        differs: None,
    }
}

/// Operator `table`: the changes of a relation come from all workers to the first. `place` is that of its ticks in `between`.
pub fn table<'scope, R: Row>(
    changes: Rows<'scope, u64, R>,
    shown: Shown,
    place: usize,
    between: SharedBetween,
) -> Stream<'scope, u64, Columns> {
    let changes = changes.consolidate().inner;
    let scope = changes.scope();
    let is_first = scope.index() == 0;
    let mut builder = OperatorBuilder::new("table".to_owned(), scope);
    let mut changes = builder.new_input(changes, Exchange::new(|_: &(R, u64, isize)| 0));
    let (output, rows) = builder.new_output();
    let mut output: OutputBuilder<u64, NoopBuilder<Columns>> = OutputBuilder::from(output);
    builder.build(move |mut capabilities| {
        let mut held = capabilities.pop().filter(|_| is_first);
        let mut stash: BTreeMap<u64, Vec<(R, isize)>> = BTreeMap::new();
        let mut written = Written {
            schema: shown.schema(),
            shown,
            rows: BTreeMap::new(),
        };
        move |frontiers| {
            changes.for_each(|_, changes| {
                for (row, time, diff) in changes.drain(..) {
                    stash.entry(time).or_default().push((row, diff));
                }
            });
            let Some(capability) = &mut held else { return };
            let open = frontiers[0].frontier().first().copied();
            let mut output = output.activate();
            loop {
                let between = &mut between.borrow_mut();
                let next = between.ticks[place].front().copied();
                let Some(time) = next.filter(|time| open.is_none_or(|open| *time < open)) else {
                    break;
                };
                between.ticks[place].pop_front();
                let later = stash.split_off(&time.saturating_add(1));
                let changes = std::mem::replace(&mut stash, later);
                let changes = changes.into_values().flatten().collect();
                let mut batch = written.tick(time, changes, &between.numbers);
                if batch.rows() > 0 {
                    capability.downgrade(&time.max(*capability.time()));
                    output
                        .session_with_builder(&*capability)
                        .give_container(&mut batch);
                }
            }
            match open {
                // what is shown up to here is no longer waited for
                Some(open) if open > *capability.time() => capability.downgrade(&open),
                Some(_) => {}
                None => held = None,
            }
        }
    });
    rows
}

/// A table tick by tick.
struct Written<R: Row> {
    shown: Shown,
    schema: Schema,
    rows: BTreeMap<R, isize>,
}

/// A value in the order of its type.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Value {
    Plain(i64),
    Float(i64),
    Text(String),
    Ip(Address),
    /// Behind all others.
    Null,
}

impl<R: Row> Written<R> {
    fn tick(&mut self, time: u64, changes: Vec<(R, isize)>, numbers: &Numbers) -> Columns {
        let mut rows: Vec<(R, i8)> = Vec::new();
        let mut differs: BTreeMap<R, isize> = BTreeMap::new();
        for (row, diff) in changes {
            *differs.entry(row).or_default() += diff;
        }
        for (row, diff) in differs.into_iter().filter(|(_, diff)| *diff != 0) {
            let times = self.rows.entry(row).or_default();
            let before = *times > 0;
            *times += diff;
            let after = *times > 0;
            if *times == 0 {
                self.rows.remove(&row);
            }
            match (before, after) {
                (false, true) => rows.push((row, 1)),
                (true, false) => rows.push((row, -1)),
                _ => {}
            }
        }
        if self.shown.emit != Emit::Changes {
            rows = self.rows.keys().map(|row| (*row, 1)).collect();
        }
        // rows that go stand before those that come, as in other tables
        rows.sort_by_cached_key(|(row, diff)| (*diff, self.values(row, numbers)));
        let at = match self.shown.window {
            Window::All => 0,
            Window::Sliding { step, .. } => {
                Window::of_time(time).saturating_add(1).saturating_mul(step)
            }
        };
        let mut columns = Columns::with_room(&self.schema, rows.len());
        for ((row, diff), place) in rows.iter().zip(0..) {
            columns.keys.push((at, place));
            let mut next = 0;
            if self.shown.window != Window::All {
                if let Values::Time(times) = &mut columns.columns[next].values {
                    times.push(at);
                }
                next += 1;
            }
            if self.shown.emit == Emit::Changes {
                if let Values::I8(diffs) = &mut columns.columns[next].values {
                    diffs.push(*diff);
                }
                next += 1;
            }
            let made = self.shown.made.columns.iter();
            for (one, column) in made.zip(&mut columns.columns[next..]) {
                let spell = |number| numbers.spell(number);
                match &one.kind {
                    Type::List(item) => {
                        let words = one.word..one.word + one.words;
                        write_list(words.map(|at| row.word(at)), item, column, spell);
                    }
                    kind => write(row.word(one.word), kind, column, spell),
                }
            }
        }
        columns
    }

    fn values(&self, row: &R, numbers: &Numbers) -> Vec<Value> {
        let columns = self.shown.made.columns.iter();
        let words = columns.flat_map(|one| {
            let kind = match &one.kind {
                Type::List(item) => item,
                plain => plain,
            };
            (one.word..one.word + one.words).map(move |at| (at, kind))
        });
        words
            .map(|(at, kind)| {
                let word = row.word(at);
                match kind {
                    _ if word == NULL => Value::Null,
                    kind if is_named(kind) => match numbers.spell(word) {
                        Constant::Text(text) => Value::Text(text),
                        Constant::Ip(address) => Value::Ip(address),
                        _ => Value::Null,
                    },
                    // the order of the bits of floats, negative ones turned around
                    Type::Float => {
                        let bits = word.cast_signed();
                        Value::Float(bits ^ ((bits >> 63).cast_unsigned() >> 1).cast_signed())
                    }
                    _ => Value::Plain(word.cast_signed()),
                }
            })
            .collect()
    }
}
