//! Rows that were written before, read back as edges of the connection graph: CSV, JSON Lines, Parquet, Arrow IPC.
//!
//! Taken are addresses, ports, packets, bytes and times; all else in a row is passed over. A file that cannot be read, lacks a
//! column or holds a value that is none fails the run: rows are ours, so nothing in them may be damaged.

use super::Bounds;
use crate::books::Books;
use crate::columns::{Address, Columns, FlowEdge};
use crate::error::Error;
use crate::packet::Header;
use crate::stored::{self, Format};
use crate::views::Shared;
use arrow::array::{
    Array, RecordBatch, StringArray, TimestampNanosecondArray, UInt16Array, UInt64Array,
};
use serde::Deserialize;
use serde_json::value::RawValue;
use std::cell::RefCell;
use std::collections::VecDeque;
use std::fs::File;
use std::io::{BufRead as _, BufReader};
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use timely::container::NoopBuilder;
use timely::dataflow::operators::generic::OutputBuilder;
use timely::dataflow::operators::generic::builder_rc::OperatorBuilder;
use timely::dataflow::{Scope, Stream};

/// Rows of a batch.
const BATCH: usize = 8_192;
/// The columns that are taken, in this order.
const COLUMNS: [&str; 8] = [
    "src_ip",
    "dst_ip",
    "src_port",
    "dst_port",
    "total_packets",
    "total_bytes",
    "start_time",
    "end_time",
];

/// Whether a file of this name holds rows.
pub fn is_rows(path: &str) -> bool {
    Format::of_path(Path::new(path)).is_some()
}

/// Operator `rows`: gives the edges of files, a batch an activation. Records that ended outside of `bounds` are left out.
pub fn read_rows<'scope>(
    scope: Scope<'scope, u64>,
    paths: Vec<(u32, PathBuf, Bounds)>,
    handover: Shared,
    books: Rc<RefCell<Books>>,
) -> Stream<'scope, u64, Columns> {
    let mut builder = OperatorBuilder::new("rows".to_owned(), scope);
    let (rows, stream) = builder.new_output();
    let mut rows: OutputBuilder<u64, NoopBuilder<Columns>> = OutputBuilder::from(rows);
    let activator = scope.activator_for(builder.operator_info().address);
    builder.build(move |mut capabilities| {
        let mut held = capabilities.pop();
        let mut paths: VecDeque<_> = paths.into();
        let mut open: Option<(u32, Bounds, Edges)> = None;
        let mut row = 0u64;
        move |_| {
            let Some(capability) = &held else { return };
            let mut step = || -> Result<Option<Columns>, Error> {
                if open.is_none() {
                    let Some((source, path, bounds)) = paths.pop_front() else {
                        return Ok(None);
                    };
                    open = Some((source, bounds, edges(&path)?));
                    row = 0;
                }
                let mut batch = Columns::default();
                let Some((source, bounds, edges)) = &mut open else {
                    return Ok(None);
                };
                for edge in edges.by_ref().take(BATCH) {
                    let edge = edge?;
                    row += 1;
                    if bounds.holds(edge.end) {
                        batch.keys.push((edge.start, Header::order(*source, row)));
                        batch.edges.push(edge);
                    }
                }
                if batch.rows() == 0 && edges.peek().is_none() {
                    open = None;
                    books.borrow_mut().inputs.whole += 1;
                }
                Ok(Some(batch))
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
                    handover.borrow_mut().fail(error);
                    held = None;
                }
            }
        }
    });
    stream
}

/// The edges of a file.
pub(super) type Edges = std::iter::Peekable<Box<dyn Iterator<Item = Result<FlowEdge, Error>>>>;

/// Opens a file of rows.
///
/// # Errors
/// It cannot be read, or lacks a column.
pub(super) fn edges(path: &Path) -> Result<Edges, Error> {
    let format = Format::of_path(path);
    let all: Box<dyn Iterator<Item = Result<FlowEdge, Error>>> = match format {
        Some(Format::Jsonl) => lines(path)?,
        Some(format @ (Format::Parquet | Format::Arrow)) => {
            let file = File::open(path).map_err(|error| Error::file("read", path, error))?;
            batches(file, path, format)?
        }
        _ => cells(path)?,
    };
    Ok(all.peekable())
}

fn unreadable(path: &Path, why: &dyn std::fmt::Display) -> Error {
    Error::new(format!("cannot read rows of {}: {why}", path.display()))
}

fn missing(path: &Path, name: &str) -> Error {
    unreadable(path, &format!("there is no column `{name}`"))
        .help(format!("the graph needs {}", COLUMNS.join(", ")))
}

/// A value of a row: text, or what it means already.
enum Cell<'a> {
    Text(&'a str),
    Number(u64),
    Ns(i64),
    None,
}

/// One edge of the cells of a row, in the order of `COLUMNS`.
fn edge(cells: [Cell<'_>; 8]) -> Result<FlowEdge, String> {
    let [from, to, from_port, to_port, packets, bytes, start, end] = cells;
    let end = time(&end)?;
    Ok(FlowEdge {
        from: address(&from)?,
        to: address(&to)?,
        from_port: port(&from_port)?,
        to_port: port(&to_port)?,
        protocol: 0,
        packets: number(&packets)?,
        bytes: number(&bytes)?,
        start: time(&start)?,
        end,
        clock: end,
    })
}

fn address(cell: &Cell<'_>) -> Result<Address, String> {
    let Cell::Text(text) = cell else {
        return Err("an address is missing".to_owned());
    };
    let mut bytes = [0; 16];
    match text.parse() {
        Ok(IpAddr::V4(address)) => {
            bytes[..4].copy_from_slice(&address.octets());
            Ok(Address { family: 4, bytes })
        }
        Ok(IpAddr::V6(address)) => Ok(Address {
            family: 6,
            bytes: address.octets(),
        }),
        Err(_) => Err(format!("`{text}` is no address")),
    }
}

fn number(cell: &Cell<'_>) -> Result<u64, String> {
    match cell {
        Cell::Number(number) => Ok(*number),
        Cell::Text(text) => text.parse().map_err(|_| format!("`{text}` is no count")),
        Cell::Ns(_) | Cell::None => Err("a count is missing".to_owned()),
    }
}

fn port(cell: &Cell<'_>) -> Result<u16, String> {
    let number = number(cell)?;
    u16::try_from(number).map_err(|_| format!("{number} is no port"))
}

fn time(cell: &Cell<'_>) -> Result<i64, String> {
    match cell {
        Cell::Ns(ns) => Ok(*ns),
        Cell::Text(text) => match text.parse() {
            Ok(super::Moment(ns)) => Ok(ns),
            Err(()) => Err(format!("`{text}` is no time")),
        },
        Cell::Number(seconds) => i64::try_from(*seconds)
            .ok()
            .and_then(|seconds| seconds.checked_mul(1_000_000_000))
            .ok_or_else(|| format!("{seconds} is no time")),
        Cell::None => Err("a time is missing".to_owned()),
    }
}

fn cells(path: &Path) -> Result<Box<dyn Iterator<Item = Result<FlowEdge, Error>>>, Error> {
    let mut reader = csv::Reader::from_reader(stored::open_lines(path)?);
    let head = reader.headers().map_err(|error| unreadable(path, &error))?;
    let mut places = [0; 8];
    for (place, name) in places.iter_mut().zip(COLUMNS) {
        let found = head.iter().position(|head| head == name);
        *place = found.ok_or_else(|| missing(path, name))?;
    }
    let path = path.to_owned();
    Ok(Box::new(reader.into_records().zip(2u64..).map(
        move |(record, line)| {
            let record = record.map_err(|error| unreadable(&path, &error))?;
            let cells = places.map(|place| match record.get(place) {
                Some(text) if !text.is_empty() => Cell::Text(text),
                _ => Cell::None,
            });
            edge(cells).map_err(|why| unreadable(&path, &format!("row at line {line}: {why}")))
        },
    )))
}

fn lines(path: &Path) -> Result<Box<dyn Iterator<Item = Result<FlowEdge, Error>>>, Error> {
    let file = stored::open_lines(path)?;
    let path = path.to_owned();
    Ok(Box::new(BufReader::new(file).lines().zip(1u64..).map(
        move |(line, number)| {
            let line = line.map_err(|error| Error::file("read", &path, error))?;
            let at = |why: String| unreadable(&path, &format!("line {number}: {why}"));
            let row: Line<'_> =
                serde_json::from_str(&line).map_err(|error| at(error.to_string()))?;
            let cells = row.texts().map(|text| text.map_or(Cell::None, Cell::Text));
            edge(cells).map_err(at)
        },
    )))
}

/// What is taken of a line, as it is written: a time must not pass through a float.
#[derive(Deserialize)]
struct Line<'a> {
    #[serde(borrow)]
    src_ip: Option<&'a RawValue>,
    #[serde(borrow)]
    dst_ip: Option<&'a RawValue>,
    #[serde(borrow)]
    src_port: Option<&'a RawValue>,
    #[serde(borrow)]
    dst_port: Option<&'a RawValue>,
    #[serde(borrow)]
    total_packets: Option<&'a RawValue>,
    #[serde(borrow)]
    total_bytes: Option<&'a RawValue>,
    #[serde(borrow)]
    start_time: Option<&'a RawValue>,
    #[serde(borrow)]
    end_time: Option<&'a RawValue>,
}

impl<'a> Line<'a> {
    /// The values in the order of `COLUMNS`, without quotes: no address, count or time needs an escape.
    fn texts(&self) -> [Option<&'a str>; 8] {
        [
            self.src_ip,
            self.dst_ip,
            self.src_port,
            self.dst_port,
            self.total_packets,
            self.total_bytes,
            self.start_time,
            self.end_time,
        ]
        .map(|value| value.map(|value| value.get().trim_matches('"')))
    }
}

fn batches(
    file: File,
    path: &Path,
    format: Format,
) -> Result<Box<dyn Iterator<Item = Result<FlowEdge, Error>>>, Error> {
    let (_, batches) = stored::batches(file, path, format)?;
    let path = path.to_owned();
    Ok(Box::new(batches.flat_map(move |batch| {
        let edges = batch
            .map_err(|error| unreadable(&path, &error))
            .and_then(|batch| of_batch(&batch, &path));
        match edges {
            Ok(edges) => edges.into_iter().map(Ok).collect::<Vec<_>>(),
            Err(error) => vec![Err(error)],
        }
    })))
}

fn of_batch(batch: &RecordBatch, path: &Path) -> Result<Vec<FlowEdge>, Error> {
    let mut arrays = Vec::with_capacity(COLUMNS.len());
    for name in COLUMNS {
        let array = batch.column_by_name(name);
        arrays.push(array.ok_or_else(|| missing(path, name))?.as_any());
    }
    let cell = |column: usize, row: usize| -> Cell<'_> {
        let array = arrays[column];
        if let Some(texts) = array.downcast_ref::<StringArray>() {
            (!texts.is_null(row)).then(|| Cell::Text(texts.value(row)))
        } else if let Some(numbers) = array.downcast_ref::<UInt64Array>() {
            Some(Cell::Number(numbers.value(row)))
        } else if let Some(numbers) = array.downcast_ref::<UInt16Array>() {
            Some(Cell::Number(u64::from(numbers.value(row))))
        } else {
            array
                .downcast_ref::<TimestampNanosecondArray>()
                .map(|times| Cell::Ns(times.value(row)))
        }
        .unwrap_or(Cell::None)
    };
    (0..batch.num_rows())
        .map(|row| {
            edge(std::array::from_fn(|column| cell(column, row)))
                .map_err(|why| unreadable(path, &format!("row {row} of a batch: {why}")))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    const CSV: &str = "dst_ip,src_ip,src_port,dst_port,total_packets,total_bytes,start_time,end_time,more\n\
        10.0.0.2,10.0.0.1,1025,80,3,180,1.5,2.000000001,x\n\
        2001:db8::1,10.0.0.1,0,0,1,60,1700000000.123456789,1700000001,\n";

    fn read(name: &str, text: &str) -> Result<Vec<FlowEdge>, Error> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(name);
        fs::write(&path, text).unwrap();
        edges(&path)?.collect()
    }

    #[test]
    fn rows_of_text_are_edges() {
        let found = read("a.csv", CSV).unwrap();
        assert_eq!(found.len(), 2);
        assert_eq!(
            (found[0].start, found[0].end, found[0].clock),
            (1_500_000_000, 2_000_000_001, 2_000_000_001)
        );
        assert_eq!(
            (found[0].from.octets(), found[0].from_port, found[0].to_port),
            (&[10, 0, 0, 1][..], 1025, 80)
        );
        assert_eq!(
            (found[1].start, found[1].to.family),
            (1_700_000_000_123_456_789, 6)
        );
        // more digits than a float has
        let json = r#"{"src_ip":"10.0.0.1","dst_ip":"2001:db8::1","src_port":0,"dst_port":0,"total_packets":1,"total_bytes":60,"more":[{"a":"}"}],"start_time":1700000000.123456789,"end_time":1700000001}"#;
        assert_eq!(read("a.jsonl", json).unwrap(), found[1..]);
        let json = r#"{"src_ip":"10.0.0.1","dst_ip":"10.0.0.2","src_port":1025,"dst_port":80,"total_packets":3,"total_bytes":180,"start_time":1.5,"end_time":2.000000001}"#;
        assert_eq!(read("a.jsonl", json).unwrap(), found[..1]);
    }

    #[test]
    fn what_is_wrong_is_said_with_its_place() {
        let without = CSV.replace("total_bytes", "bytes");
        let error = read("a.csv", &without).unwrap_err();
        assert!(
            error.to_string().contains("no column `total_bytes`"),
            "{error}"
        );
        let error = read("a.csv", &CSV.replace("10.0.0.2", "10.0.0")).unwrap_err();
        assert!(
            error
                .to_string()
                .ends_with("row at line 2: `10.0.0` is no address"),
            "{error}"
        );
        let error = read("a.csv", &CSV.replace(",80,", ",70000,")).unwrap_err();
        assert!(error.to_string().ends_with("70000 is no port"), "{error}");
        assert!(read("a.parquet", "PAR1").is_err() && read("a.arrow", "").is_err());
    }
}
