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
use timely::dataflow::operators::Capability;
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
    /// Of snapshots: from one to the next, ns, a multiple of the step; `None` = at every tick.
    pub every: Option<i64>,
    /// Which rows are in the view together.
    pub window: Window,
    /// Of the nodes of a graph its edges, where a sink draws both.
    pub drawn: Option<Drawn>,
}

/// The other half of a graph that is drawn.
#[derive(Clone, Debug)]
pub struct Drawn {
    /// The edges.
    pub made: Made,
    /// Their place among the relations of the view.
    pub relation: usize,
    /// Whether they have a direction.
    pub directed: bool,
}

impl Drawn {
    /// The columns of edges that nodes do not have: `to` stands behind the name of a node, these at the end.
    fn sums(&self) -> &[MadeColumn] {
        self.made.columns.get(2..).unwrap_or_default()
    }

    /// The columns of nodes and edges together.
    fn schema(&self, nodes: &Made) -> Schema {
        let column = |one: &MadeColumn, null: Option<&'static str>| {
            let mut column = of_made(one, &self.made.name);
            column.null = null.map(Into::into);
            column
        };
        let of_nodes = nodes.columns.iter().map(|one| {
            let is_name = one.word == 0;
            column(one, (!is_name).then_some("the row is an edge"))
        });
        let mut schema: Schema = of_nodes.collect();
        let to = self.made.columns.get(1);
        schema.splice(1..1, to.map(|one| column(one, Some("the row is a node"))));
        let sums = self.sums().iter();
        schema.extend(sums.map(|one| column(one, Some("the row is a node"))));
        schema
    }

    /// Of each column of nodes and edges together the word that a row has for it.
    fn words(&self, nodes: &Made, is_edge: bool) -> Vec<Option<usize>> {
        let of_node = |word: usize| (!is_edge).then_some(word);
        let of_edge = |one: &MadeColumn| is_edge.then_some(one.word);
        let measured = nodes.columns.iter().skip(1);
        let ends = [Some(0), is_edge.then_some(1)];
        ends.into_iter()
            .chain(measured.map(|one| of_node(one.word)))
            .chain(self.sums().iter().map(of_edge))
            .collect()
    }
}

/// A column of a relation, for sinks.
fn of_made(one: &MadeColumn, relation: &str) -> Feature {
    let (data_type, unit) = one.kind.column().unwrap_or((DataType::I64, ""));
    let definition = format!("Column `{}` of `{relation}`.", one.name);
    let mut column = feature(&one.name, data_type, unit, &definition);
    let item = match &one.kind {
        Type::List(item) => item,
        plain => plain,
    };
    // a text of a view may be any name, and a rule does not tell which
    column.private = (*item == Type::Text).then_some(Private::Name);
    column.null = one.null.then(|| "no row of the group has a value".into());
    column
}

impl Shown {
    /// Whether it shows a relation of the view.
    pub fn shows(&self, relation: usize) -> bool {
        let is_drawn = |drawn: &Drawn| drawn.relation == relation;
        self.relation == relation || self.drawn.as_ref().is_some_and(is_drawn)
    }

    /// Whether it is a graph whose edges have no direction.
    pub fn is_undirected(&self) -> bool {
        self.drawn.as_ref().is_some_and(|drawn| !drawn.directed)
    }

    /// The columns: `at` where there are windows, `diff` where changes are written, and those of the relation.
    pub fn schema(&self) -> Schema {
        if let Some(drawn) = &self.drawn {
            return drawn.schema(&self.made);
        }
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
        let columns = self.made.columns.iter();
        schema.extend(columns.map(|one| of_made(one, &self.made.name)));
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

/// Operator `table`: the changes of a relation come from all workers to the first, those of the edges that are drawn with it too.
/// `place` is that of its ticks in `between`.
pub fn table<'scope, R: Row>(
    [changes, edges]: [Rows<'scope, u64, R>; 2],
    shown: Shown,
    place: usize,
    between: SharedBetween,
) -> Stream<'scope, u64, Columns> {
    // nodes stand before edges
    let changes = changes.map(|row| (false, row));
    let changes = changes.concat(edges.map(|row| (true, row)));
    let changes = changes.consolidate().inner;
    let scope = changes.scope();
    let is_first = scope.index() == 0;
    let mut builder = OperatorBuilder::new("table".to_owned(), scope);
    let mut changes = builder.new_input(changes, Exchange::new(|_: &((bool, R), u64, isize)| 0));
    let (output, rows) = builder.new_output();
    let mut output: OutputBuilder<u64, NoopBuilder<Columns>> = OutputBuilder::from(output);
    builder.build(move |mut capabilities| {
        let mut held = capabilities.pop().filter(|_| is_first);
        let mut stash: BTreeMap<u64, Vec<(Part<R>, isize)>> = BTreeMap::new();
        let mut written = Written {
            schema: shown.schema(),
            shown,
            rows: BTreeMap::new(),
            due: None,
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
            let between = &mut between.borrow_mut();
            let mut give = |capability: &Capability<u64>, mut batch: Columns| {
                if batch.rows() > 0 {
                    output
                        .session_with_builder(capability)
                        .give_container(&mut batch);
                }
            };
            loop {
                let next = between.ticks[place].front().copied();
                let Some(time) = next.filter(|time| open.is_none_or(|open| *time < open)) else {
                    break;
                };
                between.ticks[place].pop_front();
                if let Some(batch) = written.due_before(Some(time), &between.numbers) {
                    give(capability, batch);
                }
                let later = stash.split_off(&time.saturating_add(1));
                let changes = std::mem::replace(&mut stash, later);
                let changes = changes.into_values().flatten().collect();
                let batch = written.tick(time, changes, &between.numbers);
                capability.downgrade(&time.max(*capability.time()));
                give(capability, batch);
            }
            if let Some(batch) = written.due_before(open, &between.numbers) {
                give(capability, batch);
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

/// A row, and whether it is an edge of a graph that is drawn.
type Part<R> = (bool, R);

/// A table tick by tick.
struct Written<R: Row> {
    shown: Shown,
    schema: Schema,
    rows: BTreeMap<Part<R>, isize>,
    /// When the snapshot is of that is still to be shown, ns.
    due: Option<i64>,
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
    fn tick(&mut self, time: u64, changes: Vec<(Part<R>, isize)>, numbers: &Numbers) -> Columns {
        let mut rows: Vec<(Part<R>, i8)> = Vec::new();
        let mut differs: BTreeMap<Part<R>, isize> = BTreeMap::new();
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
        let at = match self.shown.window {
            Window::All => 0,
            Window::Sliding { step, .. } => {
                Window::of_time(time).saturating_add(1).saturating_mul(step)
            }
        };
        match self.shown.every {
            Some(every) => {
                let over = at.saturating_sub(1).div_euclid(every).saturating_add(1);
                self.due = Some(over.saturating_mul(every));
                Columns::new(&self.schema)
            }
            None if self.shown.emit == Emit::Changes => self.show(at, rows, numbers),
            None => self.show(at, self.all(), numbers),
        }
    }

    fn all(&self) -> Vec<(Part<R>, i8)> {
        self.rows.keys().map(|row| (*row, 1)).collect()
    }

    /// The snapshot that is due, if no tick of its time is left before this one.
    fn due_before(&mut self, tick: Option<u64>, numbers: &Numbers) -> Option<Columns> {
        let at = self.due?;
        if let (Some(tick), Window::Sliding { step, .. }) = (tick, self.shown.window)
            && Window::of_time(tick).saturating_mul(step) < at
        {
            return None;
        }
        self.due = None;
        Some(self.show(at, self.all(), numbers))
    }

    /// Rows for sinks, of the table as it is at a time.
    fn show(&self, at: i64, mut rows: Vec<(Part<R>, i8)>, numbers: &Numbers) -> Columns {
        // rows that go stand before those that come, as in other tables
        rows.sort_by_cached_key(|(row, diff)| (*diff, row.0, self.values(row, numbers)));
        let mut columns = Columns::with_room(&self.schema, rows.len());
        for (((is_edge, row), diff), place) in rows.iter().zip(0..) {
            columns.keys.push((at, place));
            if let Some(drawn) = &self.shown.drawn {
                self.draw(
                    row,
                    &drawn.words(&self.shown.made, *is_edge),
                    &mut columns,
                    numbers,
                );
                continue;
            }
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

    /// Writes a node or an edge, of whose words these are the columns; null where it has none.
    fn draw(&self, row: &R, words: &[Option<usize>], columns: &mut Columns, numbers: &Numbers) {
        let features = self.schema.iter().zip(words).zip(&mut columns.columns);
        for ((feature, word), column) in features {
            let kind = Type::of_feature(feature).map_or(Type::Int, |(kind, _)| kind);
            let word = word.map_or(NULL, |at| row.word(at));
            write(word, &kind, column, |number| numbers.spell(number));
        }
    }

    fn values(&self, (is_edge, row): &Part<R>, numbers: &Numbers) -> Vec<Value> {
        let made = match &self.shown.drawn {
            Some(drawn) if *is_edge => &drawn.made,
            _ => &self.shown.made,
        };
        let columns = made.columns.iter();
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
