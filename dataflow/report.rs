//! How a run ended: its books as text and as JSON, and the exit code. Pure functions of the [`Report`].

use crate::matched;
use crate::spec::diagnostic::visible;
use operators::Books;
use operators::books::{Counts, Fault, FilterBooks, Partial, Reason, SinkBooks};
use serde::{Serialize, Serializer};
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::time::Duration;

/// How a run ended.
#[derive(Clone, Debug, Default)]
pub struct Report {
    /// The fates of inputs, packets, flows and rows, over all workers. Sinks are named by their labels.
    pub books: Books,
    /// The signal that stopped the run before the end of its inputs: `SIGINT`, `SIGTERM`, or `SIGPIPE` where the reader of standard
    /// output went away.
    pub stopped: Option<&'static str>,
    /// Whether an input has no end of its own: it is read until a signal comes, which is then no fault.
    pub endless: bool,
    /// Rows made by the flow table.
    pub rows: u64,
    /// What was written, one entry a sink, in the order of the spec.
    pub outputs: Vec<Output>,
    /// Wall clock from start to end.
    pub elapsed: Duration,
    /// Workers of all processes.
    pub workers: usize,
    /// Whether partial and refused inputs are errors.
    pub strict: bool,
    /// SHA-256 of the spec.
    pub spec: String,
}

/// What one sink wrote.
#[derive(Clone, Debug, Default)]
pub struct Output {
    /// Its label: the name of its books.
    pub label: String,
    /// Columns of its rows.
    pub columns: usize,
    /// How many files, where there may be several.
    pub files: Option<u64>,
    /// Size of the file, or of all of them.
    pub bytes: Option<u64>,
}

/// Messages of one kind that are shown; the rest is counted.
const SHOWN: usize = 10;

impl Report {
    /// The books for who reads an output later: without what the outputs themselves add, and the same for every run over these inputs.
    pub fn books_json(&self) -> String {
        let mut books = serde_json::to_value(Summary::of(self)).unwrap_or_default();
        if let Some(all) = books.as_object_mut() {
            all.retain(|key, _| {
                !["version", "spec", "elapsed", "workers", "balanced", "live"]
                    .contains(&key.as_str())
            });
            let sinks = all.get_mut("sinks").and_then(|sinks| sinks.as_object_mut());
            for sink in sinks.into_iter().flatten() {
                if let Some(sink) = sink.1.as_object_mut() {
                    sink.remove("written");
                }
            }
        }
        books.to_string()
    }

    /// The exit code of the program.
    pub fn exit_code(&self) -> u8 {
        let inputs = &self.books.inputs;
        let is_ended = self.endless && self.stopped.is_some();
        let ended = if is_ended {
            inputs.partial.get(Partial::Stopped)
        } else {
            0
        };
        let faults = inputs.partial.total() + inputs.refused.total() - ended;
        // a damaged input of which no record was read is of no use either
        let is_useless = inputs.whole + inputs.skipped == 0 && self.books.packets.read == 0;
        match self.stopped {
            Some("SIGPIPE") => 141,
            _ if self.strict && faults > 0 => 1,
            _ if !self.books.imbalances().is_empty() => 5,
            Some("SIGTERM") if !is_ended => 143,
            Some(_) if !is_ended => 130,
            None if inputs.listed > 0 && is_useless => 4,
            _ if faults > 0 => 3,
            _ => 0,
        }
    }

    /// The summary for people. `verbose` adds anomalies and every fault.
    pub fn text(&self, verbose: bool) -> String {
        let mut out = String::new();
        let books = &self.books;
        for output in &self.outputs {
            let written = books
                .sinks
                .get(&output.label)
                .map_or(0, |sink| sink.written);
            let _ = write!(
                out,
                "{}  {} flows  {} features",
                visible(&output.label),
                thousands(written),
                output.columns
            );
            if let Some(files) = output.files {
                let _ = write!(out, "  {} files", thousands(files));
            }
            if let Some(bytes) = output.bytes {
                let _ = write!(out, "  {}", size(bytes));
            }
            out.push('\n');
        }
        if books.inputs.rows > 0 {
            let rows = thousands(books.inputs.rows);
            let _ = writeln!(out, "  rows      {rows} read");
        }
        // files of rows have no packets
        if books.inputs.rows == 0 || books.packets.read > 0 {
            let _ = writeln!(
                out,
                "  packets   {} read = {} in flows + {} skipped{}",
                thousands(books.packets.read),
                thousands(books.packets.used),
                thousands(books.packets.skipped.total()),
                bracketed(&counted(&books.packets.skipped, ", "))
            );
            let emitted = counted(&books.flows.emitted, " · ");
            let _ = writeln!(
                out,
                "  flows     {}",
                if emitted.is_empty() { "none" } else { &emitted }
            );
        }
        if books.flows.early > 0 {
            let early = thousands(books.flows.early);
            let _ = writeln!(out, "  early     {early} rows before the end");
        }
        for (name, join) in &books.joins {
            out.push_str(&matched::text(&visible(name), join));
        }
        let discarded = counted(&books.flows.discarded, " · ");
        if !discarded.is_empty() {
            let _ = writeln!(out, "  discarded {discarded}");
        }
        if verbose {
            let anomalies = counted(&books.anomalies, " · ");
            if !anomalies.is_empty() {
                let _ = writeln!(out, "  anomalies {anomalies}");
            }
        }
        let workers = if self.workers == 1 {
            "worker"
        } else {
            "workers"
        };
        let _ = writeln!(
            out,
            "  time      {:.1} s on {} {workers}",
            self.elapsed.as_secs_f64(),
            self.workers
        );
        self.warnings(&mut out, verbose);
        out
    }

    fn warnings(&self, out: &mut String, verbose: bool) {
        let books = &self.books;
        if let Some(signal) = self.stopped.filter(|signal| *signal != "SIGPIPE") {
            let _ = writeln!(
                out,
                "warning: stopped by {signal}: the rows are those of what was read until then"
            );
        }
        if books.max_flows_hit > 0 {
            let _ = writeln!(
                out,
                "warning: the limit on open flows was hit {} times\n  help: raise `max_flows`, or lower `idle_timeout`",
                thousands(books.max_flows_hit)
            );
        }
        for (name, filter) in books.filters.iter().filter(|(_, one)| one.unrouted > 0) {
            let rows = thousands(filter.unrouted);
            let _ = writeln!(out, "warning: {}: {rows} rows took no route", visible(name));
        }
        out.push_str(&matched::warnings(books));
        for (label, sink) in &books.sinks {
            let lost = [counted(&sink.rejected, ", "), counted(&sink.dropped, ", ")].concat();
            if !lost.is_empty() {
                let _ = writeln!(out, "warning: {}: rows not written: {lost}", visible(label));
            }
        }
        let severity = if self.strict { "error" } else { "warning" };
        let mut shown: BTreeMap<&str, usize> = BTreeMap::new();
        for fault in &books.inputs.faults {
            let seen = shown.entry(&fault.reason).or_default();
            *seen += 1;
            if verbose || *seen <= SHOWN {
                let _ = writeln!(out, "{severity}: {}", told(fault));
            }
        }
        for (reason, count) in shown {
            if !verbose && count > SHOWN {
                let _ = writeln!(
                    out,
                    "{severity}: {} more inputs are {reason}; `-v` or `--summary FILE` lists them",
                    count - SHOWN
                );
            }
        }
        if !self.strict && !books.inputs.faults.is_empty() {
            let _ = writeln!(
                out,
                "  help: everything before the fault is in the rows; `--strict` makes it an error"
            );
        }
        for sentence in books.imbalances() {
            let _ = writeln!(
                out,
                "error: the books do not balance: {sentence}\n  help: this is a defect of jayflow; please report it with this summary"
            );
        }
    }

    /// The summary for programs, in the shape that is documented with the books.
    pub fn json(&self) -> String {
        let summary = Summary::of(self);
        // Maps with text keys and numbers always are JSON.
        let mut text = serde_json::to_string_pretty(&summary).unwrap_or_default();
        text.push('\n');
        text
    }
}

/// One fault, in a line.
pub(crate) fn told(fault: &Fault) -> String {
    let mut text = format!("{}: {}", visible(&fault.file), fault.reason);
    if operators::books::Partial::ALL
        .iter()
        .any(|reason| reason.name() == fault.reason)
    {
        let _ = write!(
            text,
            " at byte {} (record {}), {} not read",
            thousands(fault.offset),
            thousands(fault.record),
            size(fault.bytes_unread)
        );
    }
    if !fault.hint.is_empty() {
        let _ = write!(text, ": {}", visible(&fault.hint));
    }
    text
}

/// "not_ip 70,324, truncated 7,014".
pub(crate) fn counted<R: Reason>(counts: &Counts<R>, between: &str) -> String {
    let parts: Vec<String> = counts
        .nonzero()
        .map(|(reason, count)| format!("{} {}", reason.name(), thousands(count)))
        .collect();
    parts.join(between)
}

fn bracketed(text: &str) -> String {
    if text.is_empty() {
        String::new()
    } else {
        format!(" ({text})")
    }
}

/// A number with a comma between thousands.
pub fn thousands(number: u64) -> String {
    let digits = number.to_string();
    let mut out = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// A number of bytes in the unit that reads best, powers of 1000.
pub fn size(bytes: u64) -> String {
    let units = ["kB", "MB", "GB", "TB", "PB", "EB"];
    if bytes < 1_000 {
        return format!("{bytes} B");
    }
    let mut number = bytes as f64 / 1_000.0;
    let mut unit = 0;
    while number >= 999.95 && unit + 1 < units.len() {
        number /= 1_000.0;
        unit += 1;
    }
    format!("{number:.1} {}", units[unit])
}

/// The shape of `--summary`.
#[derive(Serialize)]
struct Summary<'a> {
    version: &'static str,
    spec: &'a str,
    inputs: Inputs<'a>,
    packets: Packets<'a>,
    flows: Flows<'a>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    filters: &'a BTreeMap<String, FilterBooks>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    joins: BTreeMap<&'a str, matched::Summary<'a>>,
    sinks: BTreeMap<&'a str, Sink<'a>>,
    #[serde(serialize_with = "map")]
    anomalies: &'a Counts<operators::books::Anomaly>,
    live: BTreeMap<&'a str, u64>,
    limits_hit: BTreeMap<&'a str, u64>,
    ethertypes: BTreeMap<String, u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    stopped: Option<&'static str>,
    rows: u64,
    elapsed: f64,
    workers: usize,
    balanced: bool,
}

#[derive(Serialize)]
struct Inputs<'a> {
    listed: u64,
    whole: u64,
    #[serde(serialize_with = "map")]
    partial: &'a Counts<operators::books::Partial>,
    #[serde(serialize_with = "map")]
    refused: &'a Counts<operators::books::Refused>,
    skipped: u64,
    faults: &'a [Fault],
}

#[derive(Serialize)]
struct Packets<'a> {
    read: u64,
    used: u64,
    #[serde(serialize_with = "map")]
    skipped: &'a Counts<operators::books::Skip>,
}

#[derive(Serialize)]
struct Flows<'a> {
    opened: u64,
    #[serde(serialize_with = "map")]
    emitted: &'a Counts<operators::books::EndReason>,
    #[serde(serialize_with = "map")]
    discarded: &'a Counts<operators::books::Discard>,
    open: u64,
    /// There only where rows were given early.
    #[serde(skip_serializing_if = "Option::is_none")]
    early: Option<u64>,
    packets: u64,
    bytes: u64,
}

#[derive(Serialize)]
struct Sink<'a> {
    offered: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    filtered: Option<u64>,
    written: u64,
    #[serde(serialize_with = "map")]
    rejected: &'a Counts<operators::books::Reject>,
    #[serde(serialize_with = "map")]
    dropped: &'a Counts<operators::books::Drop>,
}

/// Reasons that were counted, by name, in the order of their list.
fn map<R: Reason, S: Serializer>(counts: &&Counts<R>, to: S) -> Result<S::Ok, S::Error> {
    to.collect_map(
        counts
            .nonzero()
            .map(|(reason, count)| (reason.name(), count)),
    )
}

impl<'a> Summary<'a> {
    fn of(report: &'a Report) -> Self {
        let books = &report.books;
        let sink = |sink: &'a SinkBooks| Sink {
            offered: sink.offered,
            filtered: Some(sink.filtered).filter(|rows| *rows > 0),
            written: sink.written,
            rejected: &sink.rejected,
            dropped: &sink.dropped,
        };
        Self {
            version: env!("CARGO_PKG_VERSION"),
            spec: &report.spec,
            inputs: Inputs {
                listed: books.inputs.listed,
                whole: books.inputs.whole,
                partial: &books.inputs.partial,
                refused: &books.inputs.refused,
                skipped: books.inputs.skipped,
                faults: &books.inputs.faults,
            },
            packets: Packets {
                read: books.packets.read,
                used: books.packets.used,
                skipped: &books.packets.skipped,
            },
            flows: Flows {
                opened: books.flows.opened,
                emitted: &books.flows.emitted,
                discarded: &books.flows.discarded,
                open: books.flows.open,
                early: Some(books.flows.early).filter(|early| *early > 0),
                packets: books.flows.packets,
                bytes: books.flows.bytes,
            },
            filters: &books.filters,
            joins: books
                .joins
                .iter()
                .map(|(name, join)| (name.as_str(), matched::Summary::of(join)))
                .collect(),
            sinks: books
                .sinks
                .iter()
                .map(|(name, books)| (name.as_str(), sink(books)))
                .collect(),
            anomalies: &books.anomalies,
            live: BTreeMap::new(),
            limits_hit: BTreeMap::from([("max_flows", books.max_flows_hit)]),
            ethertypes: books
                .packets
                .ethertypes
                .iter()
                .map(|(kind, count)| (format!("0x{kind:04x}"), *count))
                .collect(),
            stopped: report.stopped,
            rows: report.rows,
            elapsed: report.elapsed.as_secs_f64(),
            workers: report.workers,
            balanced: books.imbalances().is_empty(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use operators::books::{Anomaly, EndReason, Refused, Skip};

    /// The run that documents the shape: one capture cut in its 13th record.
    fn sample() -> Report {
        let mut books = Books::default();
        books.inputs.listed = 1;
        books.inputs.partial.add(Partial::Truncated);
        books.inputs.faults.push(Fault {
            file: "a.pcap".to_owned(),
            offset: 91,
            record: 12,
            reason: "truncated".to_owned(),
            bytes_unread: 17,
            hint: "...".to_owned(),
        });
        books.packets.read = 12;
        books.packets.used = 10;
        books.packets.skipped.add_many(Skip::NotIp, 2);
        books.packets.ethertypes.insert(0x0806, 2);
        books.flows.opened = 3;
        books.flows.emitted.add(EndReason::Idle);
        books.flows.emitted.add_many(EndReason::Eof, 2);
        books.flows.packets = 10;
        books.flows.bytes = 812;
        books.bytes_used = 812;
        let sink = books.sinks.entry("flows.parquet".to_owned()).or_default();
        (sink.offered, sink.written) = (3, 3);
        books.anomalies.add(Anomaly::Tls);
        Report {
            books,
            rows: 3,
            outputs: vec![Output {
                label: "flows.parquet".to_owned(),
                columns: 387,
                files: None,
                bytes: Some(61_000_000),
            }],
            elapsed: Duration::from_millis(5_600),
            workers: 16,
            ..Report::default()
        }
    }

    #[test]
    fn the_documented_shape() {
        let documented = serde_json::json!({
            "inputs": {"listed": 1, "whole": 0, "partial": {"truncated": 1}, "refused": {}, "skipped": 0,
                "faults": [{"file": "a.pcap", "offset": 91, "record": 12, "reason": "truncated", "bytes_unread": 17, "hint": "..."}]},
            "packets": {"read": 12, "used": 10, "skipped": {"not_ip": 2}},
            "flows": {"opened": 3, "emitted": {"idle": 1, "eof": 2}, "discarded": {}, "open": 0, "packets": 10, "bytes": 812},
            "sinks": {"flows.parquet": {"offered": 3, "written": 3, "rejected": {}, "dropped": {}}},
            "anomalies": {"tls": 1}, "live": {}, "limits_hit": {"max_flows": 0}, "balanced": true
        });
        let written: serde_json::Value =
            serde_json::from_str(&sample().json()).expect("the summary is JSON");
        for (key, value) in documented.as_object().expect("an object") {
            assert_eq!(&written[key], value, "{key}");
        }
        assert_eq!(written["ethertypes"]["0x0806"], 2);
        assert_eq!(written["workers"], 16);
        assert!(written.get("stopped").is_none());
    }

    #[test]
    fn text() {
        assert_eq!(
            sample().text(false),
            "flows.parquet  3 flows  387 features  61.0 MB
  packets   12 read = 10 in flows + 2 skipped (not_ip 2)
  flows     idle 1 · eof 2
  time      5.6 s on 16 workers
warning: a.pcap: truncated at byte 91 (record 12), 17 B not read: ...
  help: everything before the fault is in the rows; `--strict` makes it an error
"
        );
        let mut many = sample();
        for _ in 0..30 {
            let fault = many.books.inputs.faults[0].clone();
            many.books.inputs.faults.push(fault);
        }
        let text = many.text(false);
        assert_eq!(text.matches("at byte").count(), SHOWN);
        assert!(text.contains("21 more inputs are truncated"), "{text}");
    }

    #[test]
    fn exit_codes() {
        let mut whole = sample();
        whole.books.inputs.partial = Counts::default();
        whole.books.inputs.whole = 1;
        assert_eq!(whole.exit_code(), 0);
        assert_eq!(sample().exit_code(), 3);
        let mut strict = sample();
        strict.strict = true;
        assert_eq!(strict.exit_code(), 1);
        strict.books.inputs = whole.books.inputs.clone();
        assert_eq!(strict.exit_code(), 0);
        let mut refused = sample();
        refused.books.inputs.partial = Counts::default();
        refused.books.inputs.refused.add(Refused::NotACapture);
        assert_eq!(refused.exit_code(), 3, "records were read of another one");
        (refused.books.packets.read, refused.books.packets.used) = (0, 0);
        refused.books.packets.skipped = Counts::default();
        (refused.books.flows.packets, refused.books.flows.bytes) = (0, 0);
        refused.books.bytes_used = 0;
        assert_eq!(refused.exit_code(), 4);
        refused.books.inputs.refused = Counts::default();
        refused.books.inputs.partial.add(Partial::Damaged);
        assert_eq!(refused.exit_code(), 4);
        let mut wrong = sample();
        wrong.books.packets.used = 9;
        assert_eq!(wrong.exit_code(), 5);
        assert!(wrong.json().contains("\"balanced\": false"));
        for (signal, code) in [("SIGINT", 130), ("SIGTERM", 143), ("SIGPIPE", 141)] {
            let mut stopped = sample();
            stopped.books.inputs = whole.books.inputs.clone();
            stopped.stopped = Some(signal);
            assert_eq!(stopped.exit_code(), code);
            stopped.books.inputs.whole = 0;
            stopped.books.inputs.partial.add(Partial::Stopped);
            stopped.endless = true;
            let code = if signal == "SIGPIPE" { code } else { 0 };
            assert_eq!(stopped.exit_code(), code, "how it ends");
            stopped.books.inputs.listed += 1;
            stopped.books.inputs.partial.add(Partial::Damaged);
            let code = if signal == "SIGPIPE" { code } else { 3 };
            assert_eq!(stopped.exit_code(), code);
        }
    }

    #[test]
    fn numbers() {
        assert_eq!(thousands(0), "0");
        assert_eq!(thousands(412_907), "412,907");
        assert_eq!(thousands(1_000), "1,000");
        assert_eq!(
            (size(999), size(1_000), size(999_950)),
            ("999 B".into(), "1.0 kB".into(), "1.0 MB".into())
        );
        assert_eq!(size(u64::MAX), "18.4 EB");
    }
}
