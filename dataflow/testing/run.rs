//! One test: the spec with the source of the test and a sink that is read back.

use super::verdict::{self, Row, Table};
use super::{Test, TestOptions, capture};
use crate::spec::{Node, RunOptions, Sink, Spec};
use crate::{Control, Plan};
use operators::Error;
use operators::options::Setting;
use operators::sinks::SinkOptions;
use operators::sources::{self, PcapOptions};
use std::path::Path;

/// The rows of a run: as values, and as text.
struct Rows {
    values: Vec<Row>,
    text: Table,
}

/// Runs a test; gives what is wrong. With `bless` its golden file is written instead of compared.
///
/// # Errors
/// The run itself failed.
pub fn run(spec: &Spec, test: &Node<Test>, bless: bool) -> Result<Vec<String>, Error> {
    let folder = tempfile::tempdir()
        .map_err(|error| Error::new("cannot make a temporary folder").because(error))?;
    let options = &test.options.options;
    let source = source(spec, options, folder.path())?;
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
    for (index, columns) in test.options.expect.iter().enumerate() {
        faults.extend(verdict::expect(index, columns, &rows.values));
    }
    if let Some(path) = &options.golden {
        faults.extend(golden(Path::new(path), &rows.text, bless)?);
    }
    Ok(faults)
}

/// What a test reads, in the way the spec reads its sources.
fn source(spec: &Spec, options: &TestOptions, folder: &Path) -> Result<PcapOptions, Error> {
    let mut source = PcapOptions {
        path: options.input.clone(),
        ..PcapOptions::default()
    };
    if let Some(first) = spec.sources.first() {
        source.merge = first.options.merge;
        source.recursive = first.options.recursive;
    }
    if !options.packets.is_empty() {
        let path = folder.join("packets.pcap");
        let bytes = capture(&options.packets)
            .map_err(|(index, why)| Error::new(format!("packets[{index}]: {why}")))?;
        std::fs::write(&path, bytes).map_err(|error| Error::file("write", &path, error))?;
        source.path = vec![glob::Pattern::escape(&path.display().to_string())];
    }
    Ok(source)
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
    let all =
        spec.columns.schema.len() + spec.look_ups.values().count() + spec.derived.schema.len();
    let mut columns = spec.visible();
    columns.extend(all..all + behind.schema.len());
    let files = ["rows.jsonl", "rows.csv"].map(|name| folder.join(name));
    let mut spec = spec.clone();
    spec.run = RunOptions {
        workers: Some(workers),
        chunk: spec.run.chunk,
        epoch: spec.run.epoch,
        fused: spec.run.fused,
        memory: spec.run.memory,
        ..RunOptions::default()
    };
    spec.flows.inputs = vec!["test".to_owned()];
    spec.sources = vec![Node {
        name: "test".to_owned(),
        inputs: Vec::new(),
        options: source.clone(),
    }];
    spec.sinks = Vec::new();
    for (kind, path) in ["jsonl", "csv"].into_iter().zip(&files) {
        let text = path.display().to_string();
        let mut options = SinkOptions::of_kind(kind)
            .ok_or_else(|| Error::new(format!("there is no sink `{kind}`")))?;
        // Both take a text and a boolean.
        let _ = options.set("path", &Setting::Text(text.clone()));
        let _ = options.set("overwrite", &Setting::Bool(true));
        spec.sinks.push(Node {
            name: kind.to_owned(),
            inputs: test.inputs.clone(),
            options: Sink {
                label: text,
                options,
                columns: columns.clone(),
                condition: None,
                limit: None,
                table: None,
                behind: behind.clone(),
            },
        });
    }
    let report = crate::run(&Plan::new(&spec), &Control::default())?;
    // A damaged capture is a capture too: what it holds is what counts.
    if ![0, 3].contains(&report.exit_code()) {
        return Err(Error::new(report.text(false)));
    }
    let [lines, table] = files;
    let read = |path: &Path| {
        std::fs::read(path).map_err(|error| Error::file("read the rows in", path, error))
    };
    let values = read(&lines)?
        .split(|byte| *byte == b'\n')
        .filter(|line| !line.is_empty())
        .map(serde_json::from_slice)
        .collect::<Result<_, _>>()
        .map_err(|error| Error::new("rows that are no JSON").because(error))?;
    let text = Table::read(&read(&table)?)
        .map_err(|error| Error::new("rows that are no CSV").because(error))?;
    Ok(Rows { values, text })
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
