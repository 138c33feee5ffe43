//! Rows that were written before, read back as rows: CSV, JSON Lines, Parquet, Arrow IPC.
//!
//! A column of a name that a feature has is that feature, with its type and definition; others have the type that the file says, or that
//! is found in all of it. Rows are ours: one that lacks a value it must have, or has one of another type, fails the run. For graph sinks
//! `rows.rs` takes edges alone.

use super::Bounds;
use crate::books::Books;
use crate::columns::{Column, Columns, Values};
use crate::error::Error;
use crate::expressions::aggregates::declared;
use crate::features::catalogue;
use crate::packet::Header;
use crate::schema::{DataType, Feature, Schema};
use crate::stored::kind::{Seen, push_null, push_value};
use crate::stored::{Format, Reader};
use crate::views::Shared;
use std::cell::RefCell;
use std::collections::VecDeque;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use timely::container::NoopBuilder;
use timely::dataflow::operators::generic::OutputBuilder;
use timely::dataflow::operators::generic::builder_rc::OperatorBuilder;
use timely::dataflow::{Scope, Stream};

/// Rows of a batch.
const BATCH: usize = 8_192;
/// The group of columns that are no features.
const GROUP: &str = "rows";
const START: &str = "start_time";
const END: &str = "end_time";

fn open(path: &Path) -> Result<Reader, Error> {
    let format = Format::of_path(path).ok_or_else(|| {
        Error::new(format!(
            "the name of {} does not say what is in it",
            path.display()
        ))
        .help("files of rows end in .csv, .jsonl (also .csv.gz and the like), .parquet or .arrow")
    })?;
    Reader::open(path, format)
}

/// The columns of files, which all have the same.
///
/// # Errors
/// A file cannot be read, or has other columns than the first.
pub fn schema_of(paths: &[PathBuf]) -> Result<Schema, Error> {
    let known = catalogue();
    let mut schema: Vec<(String, Option<DataType>)> = Vec::new();
    for (at, path) in paths.iter().enumerate() {
        let reader = open(path)?;
        let headings = reader.headings().iter();
        let found: Vec<_> = headings
            .map(|one| (one.name.clone(), one.kind.clone()))
            .collect();
        if at == 0 {
            schema = found;
            continue;
        }
        let mut names = schema.iter().map(|(name, _)| name);
        let lacks = names.find(|name| !found.iter().any(|(other, _)| other == *name));
        let more = found.iter().map(|(name, _)| name);
        let more = more
            .into_iter()
            .find(|name| !schema.iter().any(|(other, _)| other == *name));
        if let Some(name) = lacks.or(more) {
            let (has, not) = if lacks.is_some() {
                (&paths[0], path)
            } else {
                (path, &paths[0])
            };
            let message = format!(
                "{} has a column `{name}`, {} has not",
                has.display(),
                not.display()
            );
            return Err(
                Error::new(message).help("files that are read together have the same columns")
            );
        }
        for (name, kind) in &mut schema {
            let other = found.iter().find(|(other, _)| other == name);
            // files that do not agree say nothing
            if other.is_none_or(|(_, other)| other != kind) {
                *kind = None;
            }
        }
    }
    let open: Vec<String> = (schema.iter())
        .filter(|(name, kind)| kind.is_none() && !known.iter().any(|one| one.name == *name))
        .map(|(name, _)| name.clone())
        .collect();
    let mut seen = vec![Seen::default(); open.len()];
    for path in paths.iter().filter(|_| !open.is_empty()) {
        let mut reader = open_at(path, &open)?;
        while let Some(part) = reader.next(BATCH)? {
            for (seen, cells) in seen.iter_mut().zip(&part.columns) {
                seen.look(cells);
            }
        }
    }
    let of = |(name, kind): (String, Option<DataType>)| -> Feature {
        if let Some(feature) = known.iter().find(|one| one.name == name) {
            return feature.clone();
        }
        let found = open.iter().position(|other| *other == name);
        let data_type = kind.or_else(|| Some(seen.get(found?)?.data_type()));
        let data_type = data_type.unwrap_or(DataType::Text);
        let text = format!("Column `{name}` of the rows that are read.");
        let null = Some("nothing stands there".to_owned());
        declared(name, GROUP, &text, (data_type, ""), null)
    };
    Ok(schema.into_iter().map(of).collect())
}

/// A file of which only these columns are read, in this order.
fn open_at(path: &Path, names: &[String]) -> Result<Reader, Error> {
    let mut reader = open(path)?;
    let places = names.iter().map(|name| {
        let found = reader.headings().iter().position(|one| one.name == *name);
        found.ok_or_else(|| {
            Error::new(format!(
                "{} has no column `{name}` any more",
                path.display()
            ))
        })
    });
    let places = places.collect::<Result<_, _>>()?;
    reader.choose(places);
    Ok(reader)
}

/// A file that is being read, with what it is read for.
struct Open {
    source: u32,
    path: PathBuf,
    bounds: Bounds,
    reader: Reader,
    /// Rows so far.
    row: u64,
}

/// What is read of each file.
struct Reading {
    schema: Schema,
    /// The columns of the schema, then those that only order and bounds need.
    names: Vec<String>,
    start: Option<usize>,
    end: Option<usize>,
}

impl Reading {
    fn new(schema: Schema, all: &Schema) -> Self {
        let mut names: Vec<String> = schema.iter().map(|one| one.name.to_string()).collect();
        let mut place = |name: &str| {
            let is_time = |one: &Feature| one.name == name && one.data_type == DataType::Time;
            all.iter().find(|one| is_time(one))?;
            Some(
                names
                    .iter()
                    .position(|other| other == name)
                    .unwrap_or_else(|| {
                        names.push(name.to_owned());
                        names.len() - 1
                    }),
            )
        };
        let (start, end) = (place(START), place(END));
        Self {
            schema,
            names,
            start,
            end,
        }
    }

    /// The next rows of a file; `None` = there are no more.
    fn next(&self, open: &mut Open) -> Result<Option<Columns>, Error> {
        let Some(part) = open.reader.next(BATCH)? else {
            return Ok(None);
        };
        let mut rows = Columns::new(&self.schema);
        let time = |place: Option<usize>, row: usize| {
            let text = place.and_then(|place| part.columns.get(place)?.get(row));
            text.and_then(|text| text.parse::<super::Moment>().ok())
                .map(|moment| moment.0)
        };
        for (row, line) in part.lines.iter().enumerate() {
            open.row += 1;
            let end = time(self.end, row);
            if end.is_some_and(|end| !open.bounds.holds(end)) {
                continue;
            }
            for ((column, feature), cells) in
                rows.columns.iter_mut().zip(&self.schema).zip(&part.columns)
            {
                let added = match cells.get(row) {
                    Some(text) => push_value(column, text),
                    None => push_absent(column),
                };
                if !added {
                    let found = cells
                        .get(row)
                        .map_or("nothing".to_owned(), |text| format!("`{text}`"));
                    return Err(Error::new(format!(
                        "cannot read rows of {}: line {line}: `{}` is {found}",
                        open.path.display(),
                        feature.name
                    ))
                    .help(format!("it is: {}", feature.definition)));
                }
            }
            let start = time(self.start, row).unwrap_or(0);
            rows.keys
                .push((start, Header::order(open.source, open.row)));
        }
        Ok(Some(rows))
    }
}

/// Adds what stands for nothing: a null, or the empty text or list that CSV does not tell from it.
fn push_absent(column: &mut Column) -> bool {
    let is_empty = matches!(column.values, Values::Text { .. } | Values::List { .. });
    if column.valid.is_some() || is_empty {
        push_null(column);
        return true;
    }
    false
}

/// Operator `rows`: gives the rows of files, a batch an activation; `schema` are the columns that are wanted of `all`. Records that ended
/// outside of the bounds of their source are left out.
pub fn read_written<'scope>(
    scope: Scope<'scope, u64>,
    paths: Vec<(u32, PathBuf, Bounds)>,
    (schema, all): (Schema, &Schema),
    failed: Shared,
    books: Rc<RefCell<Books>>,
) -> Stream<'scope, u64, Columns> {
    let mut builder = OperatorBuilder::new("rows".to_owned(), scope);
    let (rows, stream) = builder.new_output();
    let mut rows: OutputBuilder<u64, NoopBuilder<Columns>> = OutputBuilder::from(rows);
    let activator = scope.activator_for(builder.operator_info().address);
    let reading = Reading::new(schema, all);
    builder.build(move |mut capabilities| {
        let mut held = capabilities.pop();
        let mut paths: VecDeque<_> = paths.into();
        let mut open: Option<Open> = None;
        move |_| {
            let Some(capability) = &held else { return };
            let mut step = || -> Result<Option<Columns>, Error> {
                if open.is_none() {
                    let Some((source, path, bounds)) = paths.pop_front() else {
                        return Ok(None);
                    };
                    open = Some(Open {
                        reader: open_at(&path, &reading.names)?,
                        source,
                        path,
                        bounds,
                        row: 0,
                    });
                }
                let Some(file) = &mut open else {
                    return Ok(None);
                };
                let batch = reading.next(file)?;
                let mut books = books.borrow_mut();
                match batch {
                    Some(batch) => {
                        books.inputs.rows += batch.rows() as u64;
                        Ok(Some(batch))
                    }
                    None => {
                        open = None;
                        books.inputs.whole += 1;
                        Ok(Some(Columns::default()))
                    }
                }
            };
            match step() {
                Ok(Some(mut batch)) => {
                    if batch.rows() > 0 {
                        let mut rows = rows.activate();
                        rows.session_with_builder(capability)
                            .give_container(&mut batch);
                    }
                    activator.activate();
                }
                Ok(None) => held = None,
                Err(error) => {
                    failed.borrow_mut().fail(error);
                    held = None;
                }
            }
        }
    });
    stream
}

/// Reads a file, up to so many rows, and asserts what must hold of each batch: for [`super::total`].
pub(super) fn total(path: &Path, most: usize) {
    let Ok(schema) = schema_of(&[path.to_owned()]) else {
        return;
    };
    let reading = Reading::new(schema.clone(), &schema);
    let Ok(reader) = open_at(path, &reading.names) else {
        return;
    };
    let mut open = Open {
        source: 0,
        path: path.to_owned(),
        bounds: Bounds::default(),
        reader,
        row: 0,
    };
    while (open.row as usize) < most {
        let Ok(Some(rows)) = reading.next(&mut open) else {
            return;
        };
        for (column, feature) in rows.columns.iter().zip(&schema) {
            assert_eq!(column.len(), rows.keys.len(), "{}", feature.name);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sinks::{Description, SinkOptions, open as open_sink};

    /// Rows with features and other columns, written in every format, come back as they were.
    #[test]
    fn rows_come_back() {
        let all = catalogue();
        let names = [
            "src_ip",
            "src_port",
            "start_time",
            "end_time",
            "duration",
            "tcp_flags_fwd_seq",
            "tls_sni",
            "bytes_ratio",
        ];
        let mut schema: Schema = names
            .iter()
            .filter_map(|name| all.iter().find(|one| one.name == *name).cloned())
            .collect();
        schema.push(declared(
            "label".to_owned(),
            "x",
            "x",
            (DataType::Text, ""),
            Some("x".to_owned()),
        ));
        schema.push(declared(
            "score".to_owned(),
            "x",
            "x",
            (DataType::I64, ""),
            Some("x".to_owned()),
        ));
        let mut rows = Columns::new(&schema);
        for row in 0..3_i64 {
            rows.keys.push((row, 0));
            for (column, feature) in rows.columns.iter_mut().zip(&schema) {
                let text = match &*feature.name {
                    "src_ip" => "10.0.0.1".to_owned(),
                    "start_time" | "end_time" => format!("{row}.5"),
                    "label" => "a".to_owned(),
                    "tls_sni" => "b".to_owned(),
                    "duration" | "bytes_ratio" => "0.25".to_owned(),
                    _ => row.to_string(),
                };
                let is_null = row == 2 && feature.null.is_some();
                let added = !is_null && push_value(column, &text);
                if !added {
                    push_null(column);
                }
            }
        }
        for kind in ["csv", "jsonl", "parquet", "arrow"] {
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join(format!("a.{kind}"));
            let mut options = SinkOptions::of_kind(kind).unwrap();
            let text = crate::options::Setting::Text(path.display().to_string());
            options.set("path", &text).unwrap();
            let description = Description {
                schema: schema.clone(),
                ..Description::default()
            };
            let mut sink = open_sink(&options, &description, "1-0").unwrap();
            sink.write(rows.clone()).unwrap();
            sink.commit().unwrap();
            let found = schema_of(std::slice::from_ref(&path)).unwrap();
            let types = |schema: &Schema| -> Vec<(String, DataType)> {
                schema
                    .iter()
                    .map(|one| (one.name.to_string(), one.data_type.clone()))
                    .collect()
            };
            assert_eq!(types(&found), types(&schema), "{kind}");
            let reading = Reading::new(found.clone(), &found);
            let mut open = Open {
                source: 0,
                reader: open_at(&path, &reading.names).unwrap(),
                path,
                bounds: Bounds::default(),
                row: 0,
            };
            let back = reading.next(&mut open).unwrap().unwrap();
            assert_eq!(back.columns, rows.columns, "{kind}");
            assert_eq!(back.keys[1].0, 1_500_000_000);
            assert!(reading.next(&mut open).unwrap().is_none());
        }
    }

    #[test]
    fn what_is_wrong_is_said_with_its_line() {
        let folder = tempfile::tempdir().unwrap();
        let read = |text: &str| {
            let path = folder.path().join("a.csv");
            std::fs::write(&path, text).unwrap();
            let schema = schema_of(std::slice::from_ref(&path)).unwrap();
            let reading = Reading::new(schema.clone(), &schema);
            let mut open = Open {
                source: 0,
                reader: open_at(&path, &reading.names).unwrap(),
                path,
                bounds: Bounds::default(),
                row: 0,
            };
            reading.next(&mut open).unwrap_err().to_string()
        };
        let told = read("src_ip,src_port\n10.0.0.1,80\n10.0.0.1,http\n");
        assert!(told.ends_with("line 3: `src_port` is `http`"), "{told}");
        let told = read("src_ip,src_port\n,80\n");
        assert!(told.ends_with("line 2: `src_ip` is nothing"), "{told}");
        let (one, other) = (folder.path().join("b.csv"), folder.path().join("c.csv"));
        std::fs::write(&one, "a,b\n").unwrap();
        std::fs::write(&other, "a\n").unwrap();
        let told = schema_of(&[one, other]).unwrap_err().to_string();
        assert!(told.contains("b.csv has a column `b`"), "{told}");
    }
}
