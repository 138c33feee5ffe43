//! A readable table of few columns for a terminal.
//!
//! It keeps the first rows by start time and prints them at the end; the rest is counted. Nothing a terminal would obey gets
//! through: control and bidirectional characters become `\xNN`. Not for machines: they read CSV or JSON Lines from `-`.

use super::file::WholeFile;
use super::{Description, Sink, StdoutOptions, text};
use crate::columns::{Columns, RowKey, Values, span};
use crate::error::Error;
use crate::schema::Schema;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::io::Write as _;

/// Longest cell, in characters.
const WIDTH: usize = 40;
/// Columns shown of rows that have none of a flow's.
const OTHERS: usize = 8;

struct Stdout {
    out: WholeFile,
    shown: Vec<Shown>,
    limit: usize,
    /// The first rows by key; the number keeps rows of one key apart.
    first: BTreeMap<(RowKey, u64), Vec<String>>,
    rows: u64,
}

/// One column of the table.
struct Shown {
    title: String,
    /// Numbers stand to the right.
    right: bool,
    /// The columns of the rows it is made of.
    from: Vec<usize>,
    cell: fn(&Columns, &[usize], usize) -> String,
}

/// A table on standard output.
///
/// # Errors
/// None today: standard output is always there.
pub fn open(options: &StdoutOptions, description: &Description) -> Result<Box<dyn Sink>, Error> {
    let out = WholeFile::create("-", false, "")?;
    Ok(Box::new(Stdout::new(options, description, out)))
}

impl Stdout {
    fn new(options: &StdoutOptions, description: &Description, out: WholeFile) -> Self {
        Self {
            out,
            shown: shown(&description.schema),
            limit: options.rows,
            first: BTreeMap::new(),
            rows: 0,
        }
    }

    fn table(&self) -> String {
        let titles: Vec<String> = self.shown.iter().map(|shown| shown.title.clone()).collect();
        let lines: Vec<&Vec<String>> = std::iter::once(&titles)
            .chain(self.first.values())
            .collect();
        let widths: Vec<usize> = (0..titles.len())
            .map(|at| {
                lines
                    .iter()
                    .map(|line| line[at].chars().count())
                    .max()
                    .unwrap_or(0)
            })
            .collect();
        let mut table = String::new();
        for line in lines {
            let start = table.len();
            for ((cell, width), shown) in line.iter().zip(&widths).zip(&self.shown) {
                let _ = if shown.right {
                    write!(table, "{cell:>width$}  ")
                } else {
                    write!(table, "{cell:<width$}  ")
                };
            }
            let end = table[start..].trim_end().len();
            table.truncate(start + end);
            table.push('\n');
        }
        match self.rows - self.first.len() as u64 {
            0 => {}
            more => {
                let _ = writeln!(
                    table,
                    "…  {more} more; a file (`-o FILE`) has all rows and columns"
                );
            }
        }
        table
    }
}

impl Sink for Stdout {
    fn write(&mut self, rows: Columns) -> Result<(), Error> {
        for (row, key) in rows.keys.iter().enumerate() {
            let place = (*key, self.rows);
            self.rows += 1;
            if self.first.len() >= self.limit {
                if self
                    .first
                    .last_key_value()
                    .is_none_or(|(last, _)| place > *last)
                {
                    continue;
                }
                self.first.pop_last();
            }
            let cells = self
                .shown
                .iter()
                .map(|shown| fit(&(shown.cell)(&rows, &shown.from, row)));
            self.first.insert(place, cells.collect());
        }
        Ok(())
    }

    fn commit(mut self: Box<Self>) -> Result<u64, Error> {
        let table = self.table();
        self.out
            .write_all(table.as_bytes())
            .map_err(|error| self.out.failed(error))?;
        self.out.commit()?;
        Ok(self.rows)
    }

    fn abort(self: Box<Self>) {}
}

/// The columns that the table is made of, as places in the schema.
pub fn columns(schema: &Schema) -> Vec<usize> {
    let from = shown(schema).into_iter().flat_map(|shown| shown.from);
    from.collect::<BTreeSet<_>>().into_iter().collect()
}

/// The columns of a flow that the schema has, else its first columns.
fn shown(schema: &Schema) -> Vec<Shown> {
    let place = |name: &str| schema.iter().position(|feature| feature.name == name);
    let mut shown = Vec::new();
    let mut show = |title: &str, right, names: &[&str], cell| {
        if let Some(from) = names.iter().map(|name| place(name)).collect() {
            let title = title.to_owned();
            shown.push(Shown {
                title,
                right,
                from,
                cell,
            });
            return true;
        }
        false
    };
    show("start", false, &["start_time"], clock);
    show("proto", false, &["protocol"], protocol);
    let _ = show("src", false, &["src_ip", "src_port"], endpoint)
        || show("src", false, &["src_ip"], plain);
    show("", false, &["src_ip", "dst_ip"], |_, _, _| "→".to_owned());
    let _ = show("dst", false, &["dst_ip", "dst_port"], endpoint)
        || show("dst", false, &["dst_ip"], plain);
    let _ = show("pkts", true, &["packets_fwd", "packets_bwd"], pair)
        || show("pkts", true, &["total_packets"], plain);
    show("bytes", true, &["total_bytes"], size);
    show("dur", true, &["duration"], duration);
    show("end", false, &["flow_end_reason"], plain);
    if shown.is_empty() {
        let first = schema.iter().enumerate().take(OTHERS);
        shown.extend(first.map(|(at, feature)| Shown {
            title: text::printable(&feature.name),
            right: false,
            from: vec![at],
            cell: plain,
        }));
    }
    shown
}

fn plain(rows: &Columns, from: &[usize], row: usize) -> String {
    let Some(column) = from.first().and_then(|at| rows.columns.get(*at)) else {
        return String::new();
    };
    if text::is_absent(column, row) {
        return String::new();
    }
    if let Values::Text { ends, bytes } = &column.values {
        return text::printable(&String::from_utf8_lossy(&bytes[span(ends, row)]));
    }
    let mut out = Vec::new();
    text::plain(&mut out, column, row);
    text::printable(&String::from_utf8_lossy(&out))
}

fn pair(rows: &Columns, from: &[usize], row: usize) -> String {
    format!(
        "{}/{}",
        plain(rows, &from[..1], row),
        plain(rows, &from[1..], row)
    )
}

fn endpoint(rows: &Columns, from: &[usize], row: usize) -> String {
    let (address, port) = (plain(rows, &from[..1], row), plain(rows, &from[1..], row));
    match port.as_str() {
        "" | "0" => address,
        _ if address.contains(':') => format!("[{address}]:{port}"), // RFC 3986, section 3.2.2
        _ => format!("{address}:{port}"),
    }
}

/// The time of the day, UTC, in ms.
fn clock(rows: &Columns, from: &[usize], row: usize) -> String {
    match rows.columns.get(from[0]).map(|column| &column.values) {
        Some(Values::Time(times)) => {
            let ms = times[row].div_euclid(1_000_000).rem_euclid(86_400_000);
            let (hours, minutes, seconds) = (ms / 3_600_000, ms / 60_000 % 60, ms / 1000 % 60);
            format!("{hours:02}:{minutes:02}:{seconds:02}.{:03}", ms % 1000)
        }
        _ => plain(rows, from, row),
    }
}

fn protocol(rows: &Columns, from: &[usize], row: usize) -> String {
    let number = plain(rows, from, row);
    let name = number.parse().ok().and_then(crate::decode::protocol::name);
    name.map_or(number, str::to_owned)
}

fn size(rows: &Columns, from: &[usize], row: usize) -> String {
    let text = plain(rows, from, row);
    match text.parse::<f64>() {
        Ok(bytes) if bytes >= 1e9 => format!("{:.1} GB", bytes / 1e9),
        Ok(bytes) if bytes >= 1e6 => format!("{:.1} MB", bytes / 1e6),
        Ok(bytes) if bytes >= 1e3 => format!("{:.1} kB", bytes / 1e3),
        Ok(bytes) => format!("{bytes} B"),
        Err(_) => text,
    }
}

fn duration(rows: &Columns, from: &[usize], row: usize) -> String {
    let text = plain(rows, from, row);
    match text.parse::<f64>() {
        Ok(seconds) if seconds >= 1.0 => format!("{seconds:.1} s"),
        Ok(seconds) if seconds >= 1e-3 => format!("{:.1} ms", seconds * 1e3),
        Ok(0.0) => "0 s".to_owned(),
        Ok(seconds) if seconds > 0.0 => format!("{:.1} us", seconds * 1e6),
        _ => text,
    }
}

fn fit(cell: &str) -> String {
    if cell.chars().count() <= WIDTH {
        return cell.to_owned();
    }
    cell.chars().take(WIDTH - 1).chain(['…']).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::columns::{Address, RowWriter};
    use crate::schema::DataType;
    use crate::sinks::sample;

    /// What is printed of `batches`.
    fn printed(description: &Description, limit: usize, batches: &[Columns]) -> String {
        let bytes = sample::written(|path| {
            let out = WholeFile::create(path, false, "1-0")?;
            let options = StdoutOptions {
                rows: limit,
                anonymise: None,
            };
            let mut sink = Box::new(Stdout::new(&options, description, out));
            batches
                .iter()
                .try_for_each(|rows| sink.write(rows.clone()))?;
            sink.commit()
        });
        String::from_utf8(bytes).unwrap()
    }

    fn flows() -> (Description, Columns) {
        let types = [
            ("src_ip", DataType::Address),
            ("dst_ip", DataType::Address),
            ("src_port", DataType::U16),
            ("dst_port", DataType::U16),
            ("protocol", DataType::U8),
            ("start_time", DataType::Time),
            ("duration", DataType::F64),
            ("packets_fwd", DataType::U64),
            ("packets_bwd", DataType::U64),
            ("total_bytes", DataType::U64),
            ("flow_end_reason", DataType::Text),
        ];
        let schema: Schema = types
            .into_iter()
            .map(|(name, data_type)| sample::feature(name, data_type, false))
            .collect();
        let mut rows = Columns::new(&schema);
        let targets: Vec<Option<u32>> = (0..11).map(Some).collect();
        let mut row =
            |family, ports: [u16; 2], protocol, start: i64, duration, bytes, end: &str| {
                rows.keys.push((start, 0));
                let mut out = RowWriter::new(&mut rows.columns, &targets);
                for last in 1..=2 {
                    let mut bytes = [0; 16];
                    bytes[if family == 4 { 3 } else { 15 }] = last;
                    out.address(Address { family, bytes });
                }
                out.u16(ports[0]);
                out.u16(ports[1]);
                out.u8(protocol);
                out.time(start);
                out.f64(duration);
                out.u64(12);
                out.u64(4);
                out.u64(bytes);
                out.text(end);
            };
        row(6, [51432, 443], 6, 43_201_023_000_000, 1.24, 9_100, "fin");
        row(4, [0, 0], 1, 43_200_000_000_000, 0.0, 84, "idle");
        row(
            4,
            [5, 53],
            17,
            86_399_999_999_999,
            0.0125,
            1_500_000,
            "a\u{1b}[2J\u{202e}b\n",
        );
        let metadata = Vec::new();
        (
            Description {
                schema,
                metadata,
                is_undirected: false,
            },
            rows,
        )
    }

    #[test]
    fn a_table_of_flows_by_start() {
        let (description, rows) = flows();
        let expected = "\
start         proto  src             dst         pkts   bytes      dur  end
12:00:00.000  icmp   0.0.0.1      →  0.0.0.2     12/4    84 B      0 s  idle
12:00:01.023  tcp    [::1]:51432  →  [::2]:443   12/4  9.1 kB    1.2 s  fin
23:59:59.999  udp    0.0.0.1:5    →  0.0.0.2:53  12/4  1.5 MB  12.5 ms  a\\x1b[2J\\xe2\\x80\\xaeb\\x0a
";
        assert_eq!(printed(&description, 40, &[rows]), expected);
    }

    #[test]
    fn the_first_rows_are_shown_and_the_others_counted() {
        let (description, rows) = flows();
        let table = printed(&description, 1, &[rows.clone(), rows]);
        assert_eq!(table.lines().count(), 3, "{table}");
        assert!(table.contains("12:00:00.000"));
        assert!(
            table.ends_with("…  5 more; a file (`-o FILE`) has all rows and columns\n"),
            "{table}"
        );
        assert_eq!(printed(&description, 0, &[]).lines().count(), 1);
    }

    #[test]
    fn it_asks_for_the_columns_it_shows() {
        let (description, _) = flows();
        let mut schema = description.schema.clone();
        let mut other = schema[0].clone();
        other.name = "other".into();
        schema.insert(0, other);
        let all: Vec<usize> = (1..schema.len()).collect();
        assert_eq!(columns(&schema), all);
        assert_eq!(columns(&schema[..1].to_vec()), [0]);
    }

    #[test]
    fn other_rows_show_their_first_columns_and_no_control_byte() {
        let (description, rows) = sample::rows();
        let table = printed(&description, 40, &[rows]);
        assert!(table.starts_with("bool"), "{table}");
        assert_eq!(table.lines().count(), 4);
        let (description, rows) = sample::texts(&[
            Some("\u{7}\u{9b}31m\r\n\u{2066}\u{2028}x"),
            Some(&"é".repeat(50)),
        ]);
        let table = printed(&description, 40, &[rows]);
        assert!(
            !table.chars().any(|c| c != '\n' && c.is_control()),
            "{table:?}"
        );
        assert!(table.contains(&format!("{}…", "é".repeat(39))), "{table}");
    }
}
