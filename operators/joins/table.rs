//! A table of lines that rows are compared with: what must be equal is an index, times are in order within each key, the columns that
//! rows get have one type each. Built once from its files; every worker of a process reads the same one.

use super::equality::{Index, Part};
use super::options::TimeOptions;
use super::time::Clock;
use crate::books::{FileBooks, LineSkip};
use crate::columns::Column;
use crate::error::Error;
use crate::schema::DataType;
use crate::stored::kind::{Seen, column};
use crate::stored::{Cells, Format, Mark, Reader};
use foldhash::fast::FixedState;
use hashbrown::HashTable;
use std::hash::{BuildHasher as _, Hash as _, Hasher as _};
use std::path::{Path, PathBuf};

/// Lines of a batch.
const BATCH: usize = 8_192;
/// Lines whose times are looked at before a form is called wrong.
const LOOKED: u64 = 1_000;
/// Lines without a certain time that are shown.
const SHOWN: usize = 5;

/// What a table is made of.
#[derive(Clone, Debug)]
pub struct TableOptions {
    /// Its files.
    pub paths: Vec<PathBuf>,
    /// How they are written.
    pub format: Format,
    /// The columns that must be equal, and how they are compared.
    pub on: Vec<(Part, String)>,
    /// When a line is true.
    pub time: Option<TimeOptions>,
    /// The columns that rows get.
    pub columns: Vec<String>,
}

/// Which setting names a column of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// An entry of `on`.
    On(usize),
    /// An entry of `columns`.
    Column(usize),
    /// `time.from`.
    From,
    /// `time.to`.
    To,
}

/// Why there is no table.
#[derive(Debug)]
pub enum LoadFault {
    /// A file cannot be read.
    Unreadable(Error),
    /// A file has no column of this name, or several.
    NoColumn {
        /// What names it.
        place: Place,
        /// The name.
        name: String,
        /// How many there are.
        found: usize,
        /// The columns of the file.
        header: Vec<String>,
    },
    /// No record of a database has this path.
    NoPath {
        /// What names it.
        place: Place,
        /// The path.
        path: String,
        /// The first record.
        shown: String,
    },
    /// No line has a time of the form that is given.
    TimeForm {
        /// The first time of the file.
        first: String,
        /// A form that would fit.
        fitting: Option<String>,
    },
}

/// Times of lines, by their place in the index.
#[derive(Clone, Debug, Default)]
struct Times {
    from: Vec<i64>,
    /// None where the nearest line is taken.
    to: Vec<i64>,
    /// The last end of this line and those before it that have the same key.
    reach: Vec<i64>,
    tolerance: i64,
}

/// A table.
#[derive(Clone, Debug)]
pub struct Table {
    index: Index,
    times: Option<Times>,
    columns: Vec<Column>,
    types: Vec<DataType>,
    /// How its lines were read.
    pub books: FileBooks,
    /// Where each line is, where somebody may be told: file, line.
    places: Vec<(u32, u64)>,
    paths: Vec<PathBuf>,
}

/// What a table is being made of.
struct Builder<'a> {
    options: &'a TableOptions,
    clock: Option<Clock>,
    index: Index,
    numbers: Vec<u32>,
    from: Vec<i64>,
    to: Vec<i64>,
    cells: Vec<Cells>,
    places: Vec<(u32, u64)>,
    same: HashTable<u32>,
    books: FileBooks,
    /// Times seen, times understood, and the first one.
    times: (u64, u64, Option<String>),
}

impl Table {
    /// Reads the files of a table.
    ///
    /// # Errors
    /// Everything that keeps it from being one.
    pub fn load(options: &TableOptions) -> Result<Self, Vec<LoadFault>> {
        let mut builder = Builder {
            options,
            clock: options.time.as_ref().map(Clock::new),
            index: Index::default(),
            numbers: Vec::new(),
            from: Vec::new(),
            to: Vec::new(),
            cells: vec![Cells::default(); options.columns.len()],
            places: Vec::new(),
            same: HashTable::new(),
            books: FileBooks::default(),
            times: (0, 0, None),
        };
        let mut told: Vec<Option<DataType>> = Vec::new();
        for (file, path) in (0..).zip(&options.paths) {
            let types = builder.file(file, path)?;
            told = match file {
                0 => types,
                // files that do not agree say nothing
                _ => (told.into_iter().zip(types))
                    .map(|(one, other)| one.filter(|one| Some(one) == other.as_ref()))
                    .collect(),
            };
        }
        builder.form()?;
        Ok(builder.table(told))
    }

    /// The type of each column that rows get.
    pub fn types(&self) -> &[DataType] {
        &self.types
    }

    /// The columns that rows get.
    pub fn columns(&self) -> &[Column] {
        &self.columns
    }

    /// Bytes held, roughly.
    pub fn memory(&self) -> usize {
        let times = self.times.as_ref().map_or(0, |times| {
            size_of::<i64>() * (times.from.len() + times.to.len() + times.reach.len())
        });
        let columns: usize = self.columns.iter().map(Column::bytes).sum();
        self.index.memory() + times + columns + self.places.len() * size_of::<(u32, u64)>()
    }

    /// Where a line is, in words.
    pub fn place(&self, line: u32) -> String {
        let place = self.places.get(line as usize);
        place.map_or(String::new(), |(file, line)| {
            let path = self.paths.get(*file as usize);
            let name = path.and_then(|path| path.file_name()).unwrap_or_default();
            format!("{}:{line}", name.to_string_lossy())
        })
    }

    /// Puts the lines of a key that are true at a time into `found`, in the order of the file; gives how far the time is from theirs.
    pub fn find(&self, key: &[u8], time: Option<i64>, found: &mut Vec<u32>) -> u64 {
        found.clear();
        let Some(places) = self.index.find(key) else {
            return 0;
        };
        let lines = &self.index.lines()[places.clone()];
        let Some(times) = &self.times else {
            found.extend_from_slice(lines);
            return 0;
        };
        let Some(time) = time else { return 0 };
        let from = &times.from[places.clone()];
        if times.to.is_empty() {
            return nearest(from, lines, time, times.tolerance, found);
        }
        let (to, reach) = (&times.to[places.clone()], &times.reach[places]);
        let (early, late) = (
            time.saturating_sub(times.tolerance),
            time.saturating_add(times.tolerance),
        );
        let started = from.partition_point(|from| *from <= late);
        for at in (0..started).rev() {
            if reach[at] < early {
                break;
            }
            if to[at] >= early {
                found.push(lines[at]);
            }
        }
        found.sort_unstable();
        0
    }
}

/// The lines whose times are nearest.
fn nearest(from: &[i64], lines: &[u32], time: i64, tolerance: i64, found: &mut Vec<u32>) -> u64 {
    let after = from.partition_point(|from| *from < time);
    let before = after.checked_sub(1).and_then(|at| from.get(at));
    let far = |other: Option<&i64>| other.map_or(u64::MAX, |other| other.abs_diff(time));
    let distance = far(before).min(far(from.get(after)));
    if distance == u64::MAX || distance > tolerance.unsigned_abs() {
        return 0;
    }
    let is_near = |at: &usize| from[*at].abs_diff(time) == distance;
    found.extend((0..after).rev().take_while(is_near).map(|at| lines[at]));
    found.extend((after..from.len()).take_while(is_near).map(|at| lines[at]));
    found.sort_unstable();
    distance
}

impl Builder<'_> {
    /// Reads a file; gives the types that it says of the columns that rows get.
    fn file(&mut self, file: u32, path: &Path) -> Result<Vec<Option<DataType>>, Vec<LoadFault>> {
        let unreadable = |error| vec![LoadFault::Unreadable(error)];
        let mut reader = Reader::open(path, self.options.format).map_err(unreadable)?;
        let header: Vec<String> = reader
            .headings()
            .iter()
            .map(|one| one.name.clone())
            .collect();
        let on = (0..)
            .zip(&self.options.on)
            .map(|(at, (_, name))| (Place::On(at), name));
        let time = self.options.time.iter().flat_map(|time| {
            let to = time.to.iter().map(|to| (Place::To, to));
            std::iter::once((Place::From, &time.from)).chain(to)
        });
        let columns = (0..)
            .zip(&self.options.columns)
            .map(|(at, name)| (Place::Column(at), name));
        let (mut chosen, mut faults) = (Vec::new(), Vec::new());
        for (place, name) in on.chain(time).chain(columns) {
            let mut found = (0..header.len()).filter(|at| header[*at] == *name.trim());
            match (found.next(), found.count()) {
                (Some(at), 0) => chosen.push(at),
                (first, more) => faults.push(LoadFault::NoColumn {
                    place,
                    name: name.clone(),
                    found: more + usize::from(first.is_some()),
                    header: header.clone(),
                }),
            }
        }
        if !faults.is_empty() {
            return Err(faults);
        }
        let start = chosen.len() - self.options.columns.len();
        let types = chosen[start..]
            .iter()
            .map(|at| reader.headings()[*at].kind.clone());
        let types = types.collect();
        reader.choose(chosen);
        while let Some(part) = reader.next(BATCH).map_err(unreadable)? {
            for (row, line) in part.lines.iter().enumerate() {
                self.books.lines += 1;
                if let Err((reason, text)) = self.line(file, *line, &part.columns, row, start) {
                    self.books.skipped.add(reason);
                    if let Some(text) = text.filter(|_| self.books.shown.len() < SHOWN) {
                        let name = path.file_name().unwrap_or_default().to_string_lossy();
                        let reason = reason.name();
                        self.books
                            .shown
                            .push(format!("{name}:{line}: `{text}` ({reason})"));
                    }
                }
            }
            if self.times.0 >= LOOKED {
                self.form()?;
            }
        }
        Ok(types)
    }

    /// Whether some of the times had a form that is given.
    fn form(&self) -> Result<(), Vec<LoadFault>> {
        match (&self.times, &self.clock) {
            ((1.., 0, Some(first)), Some(clock)) => Err(vec![LoadFault::TimeForm {
                first: first.clone(),
                fitting: clock.fitting(first),
            }]),
            _ => Ok(()),
        }
    }

    /// Takes a line; else why it matches no row, with the time that is to blame.
    fn line(
        &mut self,
        file: u32,
        line: u64,
        cells: &[Cells],
        row: usize,
        start: usize,
    ) -> Result<(), (LineSkip, Option<String>)> {
        let mut key = Vec::with_capacity(64);
        for ((part, _), cells) in self.options.on.iter().zip(cells) {
            let text = cells.get(row);
            if !text.is_some_and(|text| part.read(text, &mut key)) {
                return Err((LineSkip::NoKey, None));
            }
        }
        let mut times = [0; 2];
        let of_time = cells.get(self.options.on.len()..start).unwrap_or_default();
        for (time, cells) in times.iter_mut().zip(of_time) {
            let Some(clock) = &self.clock else { break };
            let text = cells.get(row).ok_or((LineSkip::TimeMissing, None))?;
            let (seen, known, first) = &mut self.times;
            *seen += 1;
            if first.is_none() {
                *first = Some(text.to_owned());
            }
            let read = clock.read(text);
            *known += u64::from(read != Err(LineSkip::TimeForm));
            *time = read.map_err(|reason| (reason, Some(text.to_owned())))?;
        }
        let [from, to] = times;
        if of_time.len() == 2 && to < from {
            return Err((LineSkip::TimeOrder, None));
        }
        let number = self.index.number(&key);
        let values = cells.get(start..).unwrap_or_default();
        let mut hasher = FixedState::default().build_hasher();
        (number, from, to).hash(&mut hasher);
        values
            .iter()
            .for_each(|cells| cells.get(row).hash(&mut hasher));
        let hash = hasher.finish();
        let (numbers, froms, tos, kept) = (&self.numbers, &self.from, &self.to, &self.cells);
        let is_same = |other: &u32| {
            let other = *other as usize;
            let mut pairs = kept.iter().zip(values);
            (numbers[other], froms[other], tos[other]) == (number, from, to)
                && pairs.all(|(kept, cells)| {
                    (kept.mark(other), kept.get(other)) == (cells.mark(row), cells.get(row))
                })
        };
        if self.same.find(hash, is_same).is_some() {
            self.books.repeated += 1;
            return Ok(());
        }
        let at = u32::try_from(self.numbers.len()).unwrap_or(u32::MAX);
        // the table of what is the same grows by hashing again: it keeps no hashes
        let again = |other: &u32| {
            let other = *other as usize;
            let mut hasher = FixedState::default().build_hasher();
            (numbers[other], froms[other], tos[other]).hash(&mut hasher);
            kept.iter()
                .for_each(|kept| kept.get(other).hash(&mut hasher));
            hasher.finish()
        };
        self.same.insert_unique(hash, at, again);
        self.books.used += 1;
        self.numbers.push(number);
        self.from.push(from);
        self.to.push(to);
        self.places.push((file, line));
        for (kept, cells) in self.cells.iter_mut().zip(values) {
            match cells.get(row) {
                Some(text) => kept.push(cells.mark(row), text),
                None => kept.push(Mark::None, ""),
            }
        }
        Ok(())
    }

    fn table(mut self, told: Vec<Option<DataType>>) -> Table {
        let froms = std::mem::take(&mut self.from);
        self.index.fill(&self.numbers, |one, other| {
            (froms[*one as usize], one).cmp(&(froms[*other as usize], other))
        });
        let types: Vec<DataType> = self
            .cells
            .iter()
            .enumerate()
            .map(|(at, cells)| match told.get(at).cloned().flatten() {
                // as JSON
                Some(DataType::List(_) | DataType::Struct(_)) => DataType::Text,
                Some(known) => known,
                None => {
                    let mut seen = Seen::default();
                    seen.look(cells);
                    seen.data_type()
                }
            })
            .collect();
        let all: Vec<u32> = (0..).take(self.numbers.len()).collect();
        let columns = self.cells.iter().zip(&types);
        let columns = columns.map(|(cells, data_type)| column(cells, &all, data_type));
        let lines = self.index.lines();
        let times = self.options.time.as_ref().map(|time| {
            let in_order = |times: &[i64]| lines.iter().map(|line| times[*line as usize]).collect();
            let to: Vec<i64> = match &time.to {
                Some(_) => in_order(&self.to),
                None => Vec::new(),
            };
            // a line of another key starts anew
            let mut reach = to.clone();
            for at in 1..reach.len() {
                let same = |at: usize| self.numbers[lines[at] as usize];
                if same(at) == same(at - 1) {
                    reach[at] = reach[at].max(reach[at - 1]);
                }
            }
            Times {
                from: in_order(&froms),
                to,
                reach,
                tolerance: time.tolerance.map_or(0, |tolerance| tolerance.0),
            }
        });
        Table {
            columns: columns.collect(),
            times,
            types,
            books: self.books,
            places: self.places,
            paths: self.options.paths.clone(),
            index: self.index,
        }
    }
}
