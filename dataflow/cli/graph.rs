//! `jayflow graph`.

use super::run::{Around, Ending};
use super::{Failure, Global, Outcome, Set, print};
use crate::Error;
use crate::spec::{Loaded, format, reference};
use clap::Args;
use operators::options::{Duration, OptionValue as _, Setting};
use operators::sources::{Moment, is_rows};
use std::fmt::Write as _;
use std::path::PathBuf;

/// The connection graph of captures, or of rows that were written before: nodes, edges, communities, or the graph itself.
///
/// The options are keys of a spec: `--print-spec` shows it. The ending of OUT says the format: .csv .jsonl .parquet .arrow for tables,
/// .graphml .dot .json for the graph. Example: `jayflow graph day1.pcap -m pagerank,louvain -o hosts.csv`
#[derive(Args, Debug)]
pub struct Graph {
    /// Captures, or files of rows (.csv .jsonl .parquet .arrow): files, globs, directories; `-` is a capture from standard input.
    #[arg(required = true)]
    input: Vec<String>,
    /// The file; `-` is standard output, as CSV where `--format` says nothing else.
    #[arg(short, long = "output", value_name = "OUT", default_value = "-")]
    out: String,
    /// The format, where the ending does not say it: csv, jsonl, parquet, arrow, graphml, dot, nodelink.
    #[arg(long, value_name = "FORMAT")]
    format: Option<String>,
    /// Which table: `nodes`, `edges` or `communities`.
    #[arg(short, long, value_name = "TABLE")]
    table: Option<String>,
    /// Measures of nodes: clustering, components, kcore, label_propagation, louvain, greedy, pagerank, betweenness.
    #[arg(short, long, value_name = "LIST", value_delimiter = ',')]
    metrics: Vec<String>,
    /// What makes a community in the table of communities: `label_propagation`, `components`, `louvain` or `greedy`.
    #[arg(long, value_name = "METHOD")]
    communities: Option<String>,
    /// Reads one file on as it grows, until the run is stopped; with `--window`, rows come out meanwhile.
    #[arg(long)]
    follow: bool,
    /// Nodes are addresses with ports.
    #[arg(long)]
    use_ports: bool,
    /// The graph as it was known at this time: what came later is left out. RFC 3339, or seconds since 1970.
    #[arg(long, value_name = "TIME")]
    as_of: Option<String>,
    /// Looks only so far back: from `--as-of`, or, without it, at each window of this length, e.g. `5m`.
    #[arg(long, value_name = "TIME")]
    window: Option<String>,
    /// Looks this often at the last `--window`.
    #[arg(
        long,
        value_name = "TIME",
        requires = "window",
        conflicts_with = "as_of"
    )]
    step: Option<String>,
    /// When rows are written: `final`, `snapshot` or `changes`.
    #[arg(long, value_name = "WHEN")]
    emit: Option<String>,
    /// Replaces an existing file, at the end and at once.
    #[arg(long)]
    overwrite: bool,
    /// Workers of each process; by default one a core.
    #[arg(short, long, value_name = "N")]
    workers: Option<i64>,
    /// Shows the spec that the options mean, and runs nothing.
    #[arg(long)]
    print_spec: bool,
    #[command(flatten)]
    set: Set,
    #[command(flatten)]
    ending: Ending,
}

impl Graph {
    /// Makes the spec and runs it.
    pub(super) fn run(&self, global: &Global) -> Outcome {
        let mut loaded = Loaded::text("options".to_owned(), self.text()?, PathBuf::new())?;
        self.set.apply(&mut loaded)?;
        if self.print_spec {
            loaded.check()?;
            return print(&format::text(&loaded.root));
        }
        self.ending
            .run(loaded, &self.set, &Around::default(), global)
    }

    fn text(&self) -> Result<String, Failure> {
        let mut out = "spec = 1\n".to_owned();
        let mut section = |name: &str, keys: Vec<(&str, Setting)>| {
            if !keys.is_empty() {
                let _ = writeln!(out, "\n[{name}]");
            }
            for (key, value) in keys {
                let value = reference::escaped(&format::setting(&value));
                let _ = writeln!(out, "{key} = {value}");
            }
        };
        section("sources", self.source()?);
        let connection = self.connection();
        let table = (!connection.is_empty()).then(|| {
            let parts = connection
                .into_iter()
                .map(|(key, value)| (key.to_owned(), value));
            ("connection", Setting::Table(parts.collect()))
        });
        section("features", table.into_iter().collect());
        section("sinks.out", self.sink());
        let workers = self
            .workers
            .map(|workers| ("workers", Setting::Int(workers)));
        section("run", workers.into_iter().collect());
        Ok(out)
    }

    fn source(&self) -> Result<Vec<(&'static str, Setting)>, Failure> {
        let rows = self.input.iter().filter(|path| is_rows(path)).count();
        if rows > 0 && rows < self.input.len() {
            let error = Error::new("captures and rows are named together");
            return Err(Failure::Usage(error.help("name the one or the other")));
        }
        let paths = self.input.iter().cloned().map(Setting::Text).collect();
        let mut keys = vec![("path", Setting::List(paths))];
        if rows > 0 {
            keys.insert(0, ("type", text("rows")));
        }
        if self.follow {
            keys.push(("follow", Setting::Bool(true)));
        }
        if let Some(to) = &self.as_of {
            let wrong = |what: &str| {
                let error = Error::new(format!("`--as-of {to}` is no time"));
                Failure::Usage(error.help(what.to_owned()))
            };
            let Moment(end) = to
                .parse()
                .map_err(|()| wrong("write 2026-01-31T12:00:00Z, or seconds since 1970"))?;
            if let Some(window) = &self.window {
                let Duration(length) = Duration::read(&text(window))
                    .map_err(|_| wrong("the window is written `5m`, `60s`, `1h`"))?;
                let from = end.saturating_sub(length);
                keys.push(("from", text(&seconds(from))));
            }
            keys.push(("to", text(&seconds(end))));
        }
        Ok(keys)
    }

    fn connection(&self) -> Vec<(&'static str, Setting)> {
        let mut keys = Vec::new();
        if let (Some(window), None) = (&self.window, &self.as_of) {
            let window = match &self.step {
                Some(step) => vec![("sliding", text(window)), ("step", text(step))],
                None => vec![("tumbling", text(window))],
            };
            let parts = window
                .into_iter()
                .map(|(key, value)| (key.to_owned(), value));
            keys.push(("window", Setting::Table(parts.collect())));
        }
        if self.use_ports {
            keys.push(("use_ports", Setting::Bool(true)));
        }
        if let Some(method) = &self.communities {
            keys.push(("communities", text(method)));
        }
        keys
    }

    fn sink(&self) -> Vec<(&'static str, Setting)> {
        let mut keys = vec![("type", text("graph")), ("path", text(&self.out))];
        for (key, value) in [
            ("format", &self.format),
            ("table", &self.table),
            ("emit", &self.emit),
        ] {
            keys.extend(value.as_ref().map(|value| (key, text(value))));
        }
        if !self.metrics.is_empty() {
            let metrics = self.metrics.iter().cloned().map(Setting::Text).collect();
            keys.push(("metrics", Setting::List(metrics)));
        }
        if self.overwrite {
            keys.push(("overwrite", Setting::Bool(true)));
        }
        keys
    }
}

fn text(text: &str) -> Setting {
    Setting::Text(text.to_owned())
}

/// Ns since 1970 as decimal seconds.
fn seconds(ns: i64) -> String {
    let (sign, ns) = (if ns < 0 { "-" } else { "" }, ns.unsigned_abs());
    format!("{sign}{}.{:09}", ns / 1_000_000_000, ns % 1_000_000_000)
}
