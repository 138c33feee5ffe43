//! A sink whose path holds values: one file for each path that comes up, each written by the sink of its type.
//!
//! Rows are given the number of their file before they are sorted, so that they come file by file and one file is open at a time. Files
//! are made in a hidden directory (`staged.rs`) and appear together at the commit, with what stands beside them. What a path is made of is
//! `pattern.rs`'s; a file of this kind is like one of its own, but says its path as the fact `file`.

use super::pattern::{self, Pattern};
use super::provenance::{PREFIX, Sidecar, beside};
use super::staged::{OnItsWay, Staged};
use super::{Description, Fact, FileCount, Sink, SinkOptions, Sorted};
use crate::columns::{Column, Columns, Values};
use crate::error::Error;
use crate::expressions::aggregates::declared;
use crate::options::Setting;
use crate::schema::{DataType, Schema};
use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};

/// Files of one sink at most.
pub const MOST_FILES: usize = 10_000;
/// Bytes of a name in a path at most: file systems take 255, and what stands beside a file and is on its way has a longer one.
const LONGEST_NAME: usize = 200;
/// Rows of one file that are written at once.
const BATCH: usize = 8_192;

/// The files of a sink.
#[derive(Clone, Debug)]
pub struct Parts {
    /// The directory that its path begins with.
    pub folder: PathBuf,
    /// What is below it.
    pub pattern: Pattern,
    /// Where the columns of the pattern are among those that the sink gets.
    pub places: Vec<usize>,
    /// How many of these are written: the first ones.
    pub written: usize,
    /// The name of the sink.
    pub name: String,
}

impl Parts {
    /// What the hidden directory of its files is called, without the run.
    pub fn marker(&self) -> PathBuf {
        self.folder.join(format!(".{}", self.name))
    }
}

/// What the sorter orders by: the columns that are written, then the number of the file.
pub fn numbered(written: &Schema) -> Schema {
    let number = declared(String::new(), "", "", (DataType::U32, ""), None);
    written.iter().cloned().chain([number]).collect()
}

struct Several {
    parts: Parts,
    options: SinkOptions,
    description: Description,
    run: String,
    staged: Staged,
    /// The number of each path.
    numbers: HashMap<String, u32>,
    /// The paths, by number.
    paths: Vec<String>,
    facts: Vec<Fact>,
    open: Option<Open>,
    done: Vec<OnItsWay>,
    rows: u64,
    count: FileCount,
}

/// The file that is being written.
struct Open {
    number: u32,
    sink: Box<dyn Sink>,
    sidecar: Option<Sidecar>,
}

/// Opens a sink of several files; `description` is that of each of them. `run` is as that of [`super::open`].
///
/// # Errors
/// There is no folder for them.
pub fn open(
    parts: &Parts,
    options: &SinkOptions,
    description: &Description,
    run: &str,
) -> Result<Box<dyn Sink>, Error> {
    Ok(Box::new(Several {
        staged: Staged::create(&parts.folder, &parts.name, run)?,
        parts: parts.clone(),
        options: options.clone(),
        description: description.clone(),
        run: run.to_owned(),
        numbers: HashMap::new(),
        paths: Vec::new(),
        facts: Vec::new(),
        open: None,
        done: Vec::new(),
        rows: 0,
        count: FileCount::default(),
    }))
}

impl Several {
    /// The number of a path. One that is taken already is refused as soon as it comes up.
    fn number(&mut self, path: &str) -> Result<u32, Error> {
        if let Some(number) = self.numbers.get(path) {
            return Ok(*number);
        }
        let number = self.paths.len();
        if number >= MOST_FILES {
            let name = &self.parts.name;
            return Err(Error::new(format!(
                "the sink `{name}` would write more than {MOST_FILES} files, the next one {}",
                self.staged.place_of(path).display()
            ))
            .help("name in its path what has fewer values, such as `{start:%Y-%m-%d}`, and leave the rest to the columns"));
        }
        if let Some(name) = path.split('/').find(|name| name.len() > LONGEST_NAME) {
            let bytes = name.len();
            return Err(Error::new(format!(
                "the sink `{}` would write a file with {bytes} bytes in one name, and {LONGEST_NAME} are the most: {name}",
                self.parts.name
            ))
            .help("give each of the values in its path a directory of its own: `{one}/{other}.parquet`"));
        }
        if !self.options.overwrites() {
            self.staged.free(path)?;
        }
        let number = u32::try_from(number).unwrap_or(u32::MAX);
        self.numbers.insert(path.to_owned(), number);
        self.paths.push(path.to_owned());
        Ok(number)
    }

    fn begin(&self, number: u32) -> Result<Open, Error> {
        let path = self.paths.get(number as usize).map_or("", String::as_str);
        let made = self.staged.path(path)?;
        let mut options = self.options.clone();
        let text = Setting::Text(made.display().to_string());
        // every sink with a path takes one
        let _ = options.set("path", &text);
        let mut description = self.description.clone();
        let fact = (format!("{PREFIX}file"), path.to_owned());
        description.metadata.push(fact);
        let sink = super::open(&options, &description, &self.run)?;
        let sidecar = options.sidecar();
        let sidecar = sidecar.map(|path| Sidecar::create(path, description.metadata, &self.run));
        Ok(Open {
            number,
            sink,
            sidecar: sidecar.transpose()?,
        })
    }

    /// Ends the file that is being written: it is whole, and waits for the others.
    fn end(&mut self) -> Result<(), Error> {
        let Some(Open {
            number,
            mut sink,
            sidecar,
        }) = self.open.take()
        else {
            return Ok(());
        };
        sink.tell(&self.facts)?;
        let path = self.paths.get(number as usize).cloned().unwrap_or_default();
        let made = self.staged.path(&path)?;
        let mut all = Vec::new();
        let rows = match sidecar {
            Some(sidecar) => {
                let beside = beside(Path::new(&path));
                all.push(OnItsWay {
                    path: beside.display().to_string(),
                    replaces: true,
                });
                sidecar.with(&self.facts, || sink.commit())?
            }
            None => sink.commit()?,
        };
        all.push(OnItsWay {
            path,
            replaces: self.options.overwrites(),
        });
        self.rows += rows;
        self.count.files += 1;
        self.count.bytes += fs::metadata(made).map_or(0, |about| about.len());
        self.done.extend(all);
        Ok(())
    }
}

impl Sink for Several {
    fn place(&mut self, mut rows: Columns) -> Result<Columns, Error> {
        let mut numbers = Vec::with_capacity(rows.rows());
        let mut path = String::new();
        for row in 0..rows.rows() {
            path.clear();
            let start = rows.keys.get(row).map_or(0, |key| key.0);
            self.parts.pattern.write(&mut path, start, |place, out| {
                let column = self.parts.places.get(place);
                let column = column.and_then(|at| rows.columns.get(*at));
                column.is_some_and(|column| pattern::value(column, row, out))
            });
            numbers.push(self.number(&path)?);
        }
        rows.columns.truncate(self.parts.written);
        rows.columns.push(Column {
            values: Values::U32(numbers),
            valid: None,
        });
        Ok(rows)
    }

    /// Takes rows of one file, with its number behind the columns that are written.
    fn write(&mut self, mut rows: Columns) -> Result<(), Error> {
        let number = match rows.columns.pop().map(|column| column.values) {
            Some(Values::U32(numbers)) => numbers.first().copied(),
            _ => None,
        };
        let Some(number) = number else { return Ok(()) };
        if self.open.as_ref().is_none_or(|open| open.number != number) {
            self.end()?;
            self.open = Some(self.begin(number)?);
        }
        match &mut self.open {
            Some(open) => open.sink.write(rows),
            None => Ok(()),
        }
    }

    fn write_sorted(&mut self, mut rows: Sorted) -> Result<(), Error> {
        while let Some(batch) = rows.next_of_file(BATCH)? {
            self.write(batch)?;
        }
        self.end()
    }

    /// Each file says what is known of the run when it ends: this comes before the rows.
    fn tell(&mut self, facts: &[Fact]) -> Result<(), Error> {
        self.facts = facts.to_vec();
        Ok(())
    }

    fn count(&self) -> Option<FileCount> {
        Some(self.count)
    }

    fn commit(mut self: Box<Self>) -> Result<u64, Error> {
        self.end()?;
        self.staged.commit(&self.done)?;
        Ok(self.rows)
    }

    fn abort(self: Box<Self>) {}
}

#[cfg(test)]
mod tests;
