//! One test: the spec with the source of the test and a sink that is read back.

use super::verdict::{self, Row, Table};
use super::{Assertion, Condition, Test, capture};
use crate::spec::{Behind, Node, RunOptions, Sink, Spec, Table as SinkTable, TableOf, View};
use crate::{Control, Plan};
use operators::Error;
use operators::options::Setting;
use operators::sinks::SinkOptions;
use operators::sources::{self, PcapOptions};
use operators::views::{Emit, Shown, ViewOptions, Window};
use std::path::Path;
use std::sync::Arc;

/// The rows of a run: as values, and as text.
struct Rows {
    values: Vec<Row>,
    text: Table,
    /// Those for which each of the conditions of the test is true.
    chosen: Vec<Vec<Row>>,
    /// What each of the assertions of the test says.
    asserted: Vec<Row>,
}

/// Runs a test; gives what is wrong. With `bless` its golden file is written instead of compared.
///
/// # Errors
/// The run itself failed.
pub fn run(spec: &Spec, test: &Node<Test>, bless: bool) -> Result<Vec<String>, Error> {
    let folder = tempfile::tempdir()
        .map_err(|error| Error::new("cannot make a temporary folder").because(error))?;
    let options = &test.options.options;
    let source = source(spec, test, folder.path())?;
    if sources::list(&source, Path::new("")).is_err() {
        let paths = options.input.join("`, `");
        return Ok(vec![format!("input: there is no file `{paths}`")]);
    }
    let mut faults = Vec::new();
    let mut first: Option<(usize, Rows)> = None;
    for workers in &options.workers {
        let rows = rows(spec, test, &source, *workers, folder.path())?;
        match &first {
            None => first = Some((*workers, rows)),
            Some((one, known)) => {
                let differing = verdict::differ(&known.values, &rows.values);
                faults.extend(differing.map(|text| {
                    format!("workers: the rows of {one} and of {workers} workers differ\n{text}")
                }));
            }
        }
    }
    let Some((_, rows)) = first else {
        return Ok(faults);
    };
    faults.extend(verdict::count(options.rows, rows.values.len()));
    let mut chosen = rows.chosen.iter();
    for (index, expected) in test.options.expect.iter().enumerate() {
        let columns = &expected.columns;
        faults.extend(match &expected.condition {
            None => verdict::expect(index, columns, &rows.values),
            Some(_) => verdict::every(index, columns, chosen.next().map_or(&[], Vec::as_slice)),
        });
    }
    for (index, condition) in test.options.none.iter().enumerate() {
        let rows = chosen.next().map_or(&[][..], Vec::as_slice);
        faults.extend(verdict::none(index, condition, rows));
    }
    let asserted = test.options.assert.iter().zip(&rows.asserted);
    for (index, (assertion, row)) in asserted.enumerate() {
        faults.extend(verdict::assert(index, assertion, row));
    }
    if let Some(path) = &options.golden {
        faults.extend(golden(Path::new(path), &rows.text, bless)?);
    }
    Ok(faults)
}

/// What a test reads, in the way the spec reads its sources.
fn source(spec: &Spec, test: &Node<Test>, folder: &Path) -> Result<PcapOptions, Error> {
    let options = &test.options.options;
    let mut source = PcapOptions {
        path: options.input.clone(),
        ..PcapOptions::default()
    };
    if let Some(first) = spec.sources.first() {
        source.merge = first.options.merge;
        source.recursive = first.options.recursive;
        source.sensor.clone_from(&first.options.sensor);
    }
    if !options.packets.is_empty() {
        let path = folder.join("packets.pcap");
        let bytes = capture(&options.packets)
            .map_err(|(index, why)| Error::new(format!("packets[{index}]: {why}")))?;
        std::fs::write(&path, bytes).map_err(|error| Error::file("write", &path, error))?;
        source.path = vec![glob::Pattern::escape(&path.display().to_string())];
        // where they lie says nothing
        let sensor = source.sensor.take();
        source.sensor = sensor.map(|sensor| sensor.without_path(&test.name));
    }
    Ok(source)
}

impl Test {
    /// The conditions of the test, in the order in which they are looked at.
    fn conditions(&self) -> impl Iterator<Item = &Condition> {
        let expect = self.expect.iter();
        let expect = expect.filter_map(|expected| expected.condition.as_ref());
        expect.chain(&self.none)
    }
}

/// The rows that the spec gives for this source.
fn rows(
    spec: &Spec,
    test: &Node<Test>,
    source: &PcapOptions,
    workers: usize,
    folder: &Path,
) -> Result<Rows, Error> {
    let behind = &test.options.behind;
    let seen = spec.seen.with(spec.width(), &behind.schema);
    let all = ["rows.jsonl", "rows.csv"].map(|name| (name.to_owned(), None));
    let chosen = test.options.conditions().enumerate();
    let chosen = chosen.map(|(at, one)| (format!("chosen-{at}.jsonl"), Some(one.typed.clone())));
    let files: Vec<_> = all.into_iter().chain(chosen).collect();
    let mut spec = spec.clone();
    spec.run = RunOptions {
        workers: Some(workers),
        chunk: spec.run.chunk,
        epoch: spec.run.epoch,
        fused: spec.run.fused,
        memory: spec.run.memory,
        ..RunOptions::default()
    };
    let first = spec.sources.first();
    let name = first.map_or_else(|| "test".to_owned(), |first| first.name.clone());
    spec.flows.inputs = vec![name.clone()];
    spec.sources = vec![Node {
        name,
        inputs: Vec::new(),
        options: source.clone(),
    }];
    spec.sinks = Vec::new();
    for (at, (name, condition)) in files.iter().enumerate() {
        let text = folder.join(name).display().to_string();
        let kind = if at == 1 { "csv" } else { "jsonl" };
        let options = file(kind, &text)?;
        spec.sinks.push(Node {
            name: name.clone(),
            inputs: test.inputs.clone(),
            options: Sink {
                label: text,
                options,
                columns: seen.places.clone(),
                schema: seen.schema.clone(),
                condition: condition.clone(),
                limit: None,
                parts: None,
                table: None,
                behind: behind.clone(),
            },
        });
    }
    for (at, assertion) in test.options.assert.iter().enumerate() {
        asserted(&mut spec, test, (at, assertion), folder)?;
    }
    let report = crate::run(&Plan::new(&spec), &Control::default())?;
    // A damaged capture is a capture too: what it holds is what counts.
    if ![0, 3].contains(&report.exit_code()) {
        return Err(Error::new(report.text(false)));
    }
    let read = |name: &str| {
        let path = folder.join(name);
        std::fs::read(&path).map_err(|error| Error::file("read the rows in", &path, error))
    };
    let values = |name: &str| -> Result<Vec<Row>, Error> {
        read(name)?
            .split(|byte| *byte == b'\n')
            .filter(|line| !line.is_empty())
            .map(serde_json::from_slice)
            .collect::<Result<_, _>>()
            .map_err(|error| Error::new("rows that are no JSON").because(error))
    };
    let mut lines = Vec::new();
    for (_, (name, _)) in files.iter().enumerate().filter(|(at, _)| *at != 1) {
        lines.push(values(name)?);
    }
    let mut told = Vec::new();
    for (at, assertion) in test.options.assert.iter().enumerate() {
        let row = values(&assert_file(at))?.pop();
        told.push(row.unwrap_or_else(|| verdict::of_nothing(assertion)));
    }
    let text = Table::read(&read("rows.csv")?)
        .map_err(|error| Error::new("rows that are no CSV").because(error))?;
    Ok(Rows {
        asserted: told,
        chosen: lines.split_off(1),
        values: lines.pop().unwrap_or_default(),
        text,
    })
}

fn assert_file(at: usize) -> String {
    format!("assert-{at}.jsonl")
}

/// Adds the view of an assertion, and a sink that writes what it says.
fn asserted(
    spec: &mut Spec,
    test: &Node<Test>,
    (at, assertion): (usize, &Assertion),
    folder: &Path,
) -> Result<(), Error> {
    let mut rules = assertion.rules.clone();
    for source in &mut rules.sources {
        source.inputs = (0..test.inputs.len()).collect();
    }
    let name = format!("assert {at}");
    let shown = Shown {
        made: rules.relations.first().cloned().unwrap_or_default(),
        relation: 0,
        emit: Emit::Final,
        every: None,
        window: Window::All,
        drawn: None,
    };
    spec.views.push(Node {
        name: name.clone(),
        inputs: test.inputs.clone(),
        options: View {
            options: ViewOptions::default(),
            rules: Arc::new(rules),
            behind: test.options.behind.clone(),
        },
    });
    let label = folder.join(assert_file(at)).display().to_string();
    let schema = shown.schema();
    spec.sinks.push(Node {
        name: assert_file(at),
        inputs: vec![name.clone()],
        options: Sink {
            options: file("jsonl", &label)?,
            label,
            columns: (0..schema.len()).collect(),
            condition: None,
            limit: None,
            parts: None,
            table: Some(SinkTable {
                of: TableOf::View(name, Box::new(shown)),
                schema: schema.clone(),
            }),
            schema,
            behind: Behind::default(),
        },
    });
    Ok(())
}

/// A sink of a type whose files have a path and may be overwritten.
fn file(kind: &str, path: &str) -> Result<SinkOptions, Error> {
    let mut options = SinkOptions::of_kind(kind)
        .ok_or_else(|| Error::new(format!("there is no sink `{kind}`")))?;
    // All take a text and booleans.
    let _ = options.set("path", &Setting::Text(path.to_owned()));
    let _ = options.set("overwrite", &Setting::Bool(true));
    let _ = options.set("provenance", &Setting::Bool(false));
    Ok(options)
}

/// Compares with a golden file, or writes it: the columns that it has, all where there is none yet.
fn golden(path: &Path, ours: &Table, bless: bool) -> Result<Option<String>, Error> {
    let kept =
        match std::fs::read(path) {
            Ok(bytes) => Some(Table::read(&bytes).map_err(|error| {
                Error::new(format!("{} is no CSV file: {error}", path.display()))
            })?),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => None,
            Err(error) => return Err(Error::file("read the golden file", path, error)),
        };
    if bless {
        let header = kept.as_ref().map_or(&ours.header, |kept| &kept.header);
        let bytes = ours.part(header);
        std::fs::write(path, bytes).map_err(|error| Error::file("write", path, error))?;
        return Ok(None);
    }
    Ok(match kept {
        Some(kept) => verdict::golden(&kept, ours).map(|text| format!("golden: {text}")),
        None => Some(format!(
            "golden: there is no file `{}`; `--bless` writes it",
            path.display()
        )),
    })
}
