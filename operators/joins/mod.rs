//! Rows with what a file says of them: labels, lists, databases of addresses.
//!
//! A join is a function of one row and the file: it runs where the rows are, on any worker, and keeps their order. A row that several
//! lines match comes as often as there are lines where the spec wants that, in the order of the file. The file is read whole before the
//! first packet, once a process, and does not change under a run.

mod books;
mod equality;
mod list;
mod mmdb;
mod options;
mod table;
mod time;
#[doc(hidden)]
pub mod total;

pub use books::{FileBooks, JoinBooks};
pub use equality::Part;
pub use list::List;
pub use mmdb::Mmdb;
pub use options::{Hours, JoinMode, JoinOptions, Many, Pairs, TimeOptions, With};
pub use table::{LoadFault, Place, Table, TableOptions};
pub use time::{is_form, is_zone, zone_names};

use crate::books::Books;
use crate::columns::{Column, Columns, Values};
use crate::container::each_batch;
use crate::error::Error;
use crate::schema::{DataType, Feature, Schema};
use crate::stored::Format;
use crate::stored::kind::push_null;
use std::cell::RefCell;
use std::path::PathBuf;
use std::rc::Rc;
use std::sync::Arc;
use timely::dataflow::Stream;

/// A file that rows are joined with, in memory.
#[derive(Clone, Debug)]
pub enum Joined {
    /// A table of lines.
    Table(Arc<Table>),
    /// A list of addresses or texts.
    List(Arc<List>),
    /// A database of addresses.
    Mmdb(Arc<Mmdb>),
}

/// Reads the files of a join; `parts` say how each of `on` is compared.
///
/// # Errors
/// Everything that is wrong with the files.
pub fn load(
    options: &JoinOptions,
    parts: &[Part],
    paths: Vec<PathBuf>,
) -> Result<Joined, Vec<LoadFault>> {
    let format = match options.with {
        With::Csv => Format::Csv {
            delimiter: options.delimiter.0,
        },
        With::Jsonl => Format::Jsonl,
        With::Parquet => Format::Parquet,
        With::Arrow => Format::Arrow,
        With::List => {
            let list = List::load(&paths, parts.first() == Some(&Part::Address));
            let list = list.map_err(|error| vec![LoadFault::Unreadable(error)])?;
            return Ok(Joined::List(Arc::new(list)));
        }
        With::Mmdb => {
            let columns: Vec<String> = of_file(&options.columns).collect();
            let [path] = &paths[..] else {
                let error = Error::new(format!("a database is one file, not {}", paths.len()));
                return Err(vec![LoadFault::Unreadable(error)]);
            };
            return Ok(Joined::Mmdb(Arc::new(Mmdb::load(path, &columns)?)));
        }
    };
    let table = Table::load(&TableOptions {
        paths,
        format,
        on: parts.iter().copied().zip(of_file(&options.on)).collect(),
        time: options.time.clone(),
        columns: of_file(&options.columns).collect(),
    })?;
    Ok(Joined::Table(Arc::new(table)))
}

fn of_file(pairs: &Pairs) -> impl Iterator<Item = String> {
    pairs.0.iter().map(|(_, name)| name.clone())
}

impl Joined {
    /// The type of each column that the settings name.
    pub fn types(&self) -> Vec<DataType> {
        match self {
            Self::Table(table) => table.types().to_vec(),
            Self::Mmdb(database) => database.types().to_vec(),
            Self::List(_) => Vec::new(),
        }
    }

    /// Lines, entries or records.
    pub fn entries(&self) -> u64 {
        match self {
            Self::Mmdb(database) => database.entries(),
            other => other.books().used,
        }
    }

    /// Bytes held, roughly.
    pub fn memory(&self) -> usize {
        match self {
            Self::Table(table) => table.memory(),
            Self::List(list) => list.memory(),
            Self::Mmdb(database) => database.memory(),
        }
    }

    /// How its lines were read; a database has none.
    pub fn books(&self) -> FileBooks {
        match self {
            Self::Table(table) => table.books.clone(),
            Self::List(list) => list.books.clone(),
            Self::Mmdb(_) => FileBooks::default(),
        }
    }
}

/// What a join does.
#[derive(Clone, Debug)]
pub struct JoinPlan {
    /// Its name in the books.
    pub name: String,
    /// What rows are joined with.
    pub joined: Joined,
    /// The columns that rows get.
    pub schema: Schema,
    /// Where the columns that must be equal are in the rows, and how they are compared.
    pub on: Vec<(Part, usize)>,
    /// For each of `on`, that which it changes places with where a line has the ends the other way round; none = they may not.
    pub reversed: Vec<usize>,
    /// Where the time of a row is.
    pub time: Option<usize>,
    /// Which rows go on.
    pub mode: JoinMode,
    /// What a row gets that several lines match.
    pub many: Many,
}

/// The rows of a batch with what was found for them.
#[derive(Default)]
struct Found {
    /// Rows, each as often as it goes on.
    rows: Vec<(u32, u32)>,
    /// For each of these: whether something matches.
    matched: Vec<bool>,
    /// For each of these: the line.
    lines: Vec<Option<u32>>,
    /// For each of these: whether the line has the ends the other way round.
    turned: Vec<bool>,
}

impl Found {
    /// Each row once.
    fn plain(matched: Vec<bool>, books: &mut JoinBooks) -> Self {
        let count = matched.iter().filter(|is| **is).count() as u64;
        books.matched += count;
        books.unmatched += matched.len() as u64 - count;
        Self {
            rows: (0..).take(matched.len()).map(|row| (0, row)).collect(),
            matched,
            ..Self::default()
        }
    }
}

impl JoinPlan {
    /// The rows of a batch that go on, with the columns of the join.
    pub fn apply(&self, rows: Columns, books: &mut JoinBooks) -> Columns {
        let count = rows.rows() as u64;
        books.offered += count;
        let (found, mut columns) = match &self.joined {
            Joined::Table(table) => {
                let found = self.find(table, &rows, books);
                let columns = self.of_table(table, &found);
                (found, columns)
            }
            Joined::List(list) => self.of_list(list, &rows, books),
            Joined::Mmdb(database) => self.of_database(database, &rows, books),
        };
        books.copies += found.rows.len() as u64 - count;
        let is_same = found.rows.len() as u64 == count;
        let mut out = if is_same {
            rows
        } else {
            rows.picked(&found.rows)
        };
        out.columns.append(&mut columns);
        let out = match self.mode {
            JoinMode::Left => out,
            JoinMode::Inner => out.filtered(&found.matched),
            JoinMode::Anti => {
                let unmatched: Vec<bool> = found.matched.iter().map(|is| !is).collect();
                out.filtered(&unmatched)
            }
        };
        books.left_out += (found.rows.len() - out.rows()) as u64;
        books.passed += out.rows() as u64;
        out
    }

    /// The lines of a table for each row.
    fn find(&self, table: &Table, rows: &Columns, books: &mut JoinBooks) -> Found {
        let mut found = Found::default();
        let columns: Vec<Option<&Column>> = self
            .on
            .iter()
            .map(|(_, at)| rows.columns.get(*at))
            .collect();
        let times = self
            .time
            .and_then(|at| match &rows.columns.get(at)?.values {
                Values::Time(times) => Some(times),
                _ => None,
            });
        let (mut key, mut other_key) = (Vec::new(), Vec::new());
        let (mut lines, mut others) = (Vec::new(), Vec::new());
        for row in 0..rows.rows() {
            let time = times.and_then(|times| times.get(row).copied());
            lines.clear();
            let mut turned = false;
            if self.key(&columns, None, row, &mut key) {
                let distance = table.find(&key, time, &mut lines);
                if !self.reversed.is_empty()
                    && self.key(&columns, Some(&self.reversed), row, &mut other_key)
                    && key != other_key
                {
                    let other = table.find(&other_key, time, &mut others);
                    // the nearer one; where both are as near, that which has the ends as the row has them
                    turned = !others.is_empty() && (lines.is_empty() || other < distance);
                    if turned {
                        std::mem::swap(&mut lines, &mut others);
                    }
                }
            }
            self.note(table, rows, row, &lines, turned, books);
            let taken = match self.many {
                Many::First | Many::Error => lines.get(..1).unwrap_or_default(),
                Many::Last => &lines[lines.len().saturating_sub(1)..],
                Many::All => &lines,
            };
            let row = u32::try_from(row).unwrap_or(u32::MAX);
            for at in 0..taken.len().max(1) {
                found.rows.push((0, row));
                found.matched.push(!taken.is_empty());
                found.lines.push(taken.get(at).copied());
                found.turned.push(turned);
            }
        }
        found
    }

    /// The key of a row, with the columns in this order; `false` = it has none.
    fn key(
        &self,
        columns: &[Option<&Column>],
        order: Option<&[usize]>,
        row: usize,
        key: &mut Vec<u8>,
    ) -> bool {
        key.clear();
        (0..columns.len()).all(|at| {
            let from = order.and_then(|order| order.get(at)).copied().unwrap_or(at);
            match (columns.get(from).copied().flatten(), self.on.get(at)) {
                (Some(column), Some((part, _))) => part.take(column, row, key),
                _ => false,
            }
        })
    }

    /// Counts what was found for a row.
    fn note(
        &self,
        table: &Table,
        rows: &Columns,
        row: usize,
        lines: &[u32],
        turned: bool,
        books: &mut JoinBooks,
    ) {
        books.matched += u64::from(!lines.is_empty());
        books.unmatched += u64::from(lines.is_empty());
        books.reversed += u64::from(turned);
        books.several += u64::from(lines.len() > 1);
        if let (Many::Error, [first, second, ..], Some((start, number))) =
            (self.many, lines, rows.keys.get(row))
        {
            let is_first = books
                .first
                .as_ref()
                .is_none_or(|known| (known.0, known.1) > (*start, *number));
            if is_first {
                let text = format!("{} and {}", table.place(*first), table.place(*second));
                books.first = Some((*start, *number, text));
            }
        }
    }

    /// Whether a list has each row.
    fn of_list(&self, list: &List, rows: &Columns, books: &mut JoinBooks) -> (Found, Vec<Column>) {
        let column = self.on.first().and_then(|(_, at)| rows.columns.get(*at));
        let has = (0..rows.rows()).map(|row| column.is_some_and(|column| list.has(column, row)));
        let found = Found::plain(has.collect(), books);
        let is_in = Column {
            values: Values::Bool(found.matched.clone()),
            valid: None,
        };
        let columns = self.schema.iter().map(|_| is_in.clone()).collect();
        (found, columns)
    }

    /// What a database says of each row.
    fn of_database(
        &self,
        database: &Mmdb,
        rows: &Columns,
        books: &mut JoinBooks,
    ) -> (Found, Vec<Column>) {
        let new = |feature: &Feature| Column::new(&feature.data_type, true);
        let mut columns: Vec<Column> = self.schema.iter().map(new).collect();
        let each = columns.len() / self.on.len().max(1);
        let mut has = Vec::new();
        for row in 0..rows.rows() {
            let mut is_known = false;
            for (end, (_, at)) in self.on.iter().enumerate() {
                let column = rows.columns.get(*at).filter(|column| !column.is_null(row));
                let address = column.and_then(|column| match &column.values {
                    Values::Address(values) => values.get(row).copied(),
                    _ => None,
                });
                let to = columns.get_mut(end * each..(end + 1) * each);
                is_known |= database.add(address, to.unwrap_or_default());
            }
            has.push(is_known);
        }
        (Found::plain(has, books), columns)
    }

    /// The columns of a table for what was found.
    fn of_table(&self, table: &Table, found: &Found) -> Vec<Column> {
        let of_file = table.columns();
        let columns = self.schema.iter().enumerate().map(|(at, feature)| {
            let mut to = Column::new(&feature.data_type, true);
            for (line, turned) in found.lines.iter().zip(&found.turned) {
                match (line, of_file.get(at), &mut to.values) {
                    (Some(line), Some(from), _) => to.push_from(from, *line as usize),
                    // the one behind those of the file says which way round the line is
                    (Some(_), None, Values::Bool(values)) => {
                        values.push(*turned);
                        if let Some(valid) = &mut to.valid {
                            valid.push(true);
                        }
                    }
                    _ => push_null(&mut to),
                }
            }
            to
        });
        columns.collect()
    }
}

/// Operator of a join: rows with the columns of a file.
pub fn join<'scope>(
    rows: Stream<'scope, u64, Columns>,
    plan: JoinPlan,
    books: Rc<RefCell<Books>>,
) -> Stream<'scope, u64, Columns> {
    each_batch(&format!("join {}", plan.name), rows, move |rows| {
        let mut books = books.borrow_mut();
        plan.apply(rows, books.joins.entry(plan.name.clone()).or_default())
    })
}

#[cfg(test)]
mod tests;
