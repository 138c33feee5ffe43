//! `jayflow label`.

use super::run::{Around, Ending};
use super::{Failure, Global, Outcome, Set, print};
use crate::Error;
use crate::spec::{Loaded, format, reference};
use clap::Args;
use operators::options::Setting;
use operators::sources::is_rows;
use operators::stored::{Format, Reader};
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

/// What the columns of published label tables are called, by what they are: ours, then those of CIC, UNSW, CTU, Zeek, Suricata.
const NAMES: [(&str, &[&str]); 5] = [
    (
        "src_ip",
        &[
            "src_ip",
            "Source IP",
            "Src IP",
            "srcip",
            "SrcAddr",
            "id.orig_h",
        ],
    ),
    (
        "dst_ip",
        &[
            "dst_ip",
            "dest_ip",
            "Destination IP",
            "Dst IP",
            "dstip",
            "DstAddr",
            "id.resp_h",
        ],
    ),
    (
        "src_port",
        &[
            "src_port",
            "Source Port",
            "Src Port",
            "sport",
            "Sport",
            "id.orig_p",
        ],
    ),
    (
        "dst_port",
        &[
            "dst_port",
            "dest_port",
            "Destination Port",
            "Dst Port",
            "dsport",
            "Dport",
            "id.resp_p",
        ],
    ),
    (
        "protocol",
        &["protocol", "Protocol", "proto", "Proto", "ip_proto"],
    ),
];
/// The same of the time of a line.
const TIMES: [&str; 8] = [
    "start_time",
    "Timestamp",
    "timestamp",
    "Stime",
    "StartTime",
    "ts",
    "flow_start",
    "time",
];
/// The same of what it says.
const LABELS: [&str; 6] = [
    "label",
    "Label",
    "class",
    "attack_cat",
    "attack",
    "category",
];

/// Puts the labels of a table beside flows: by Community ID, or by 5-tuple in either direction and time.
///
/// What the columns of the table are is guessed from usual names where no option says it; the options are keys of a spec, and
/// `--print-spec` shows it. Example: `jayflow label day1.pcap --labels day1.csv --zone America/Halifax -o labelled.parquet`
#[derive(Args, Debug)]
pub struct Label {
    /// Captures, or files of rows that were written before (.csv .jsonl .parquet .arrow): files, globs, directories.
    #[arg(required = true)]
    input: Vec<String>,
    /// The table: a .csv, .jsonl, .parquet or .arrow file.
    #[arg(long, value_name = "FILE")]
    labels: String,
    /// The file; `-` is standard output.
    #[arg(short, long = "output", value_name = "OUT", default_value = "-")]
    out: String,
    /// Columns of the table that rows get, as NAME or NAME=COLUMN.
    #[arg(short, long, value_name = "LIST", value_delimiter = ',')]
    columns: Vec<String>,
    /// What must be equal, as NAME or NAME=COLUMN: `community_id`, or the 5-tuple.
    #[arg(long, value_name = "LIST", value_delimiter = ',')]
    on: Vec<String>,
    /// The column of the table with the time of a line, or with its start; `none` leaves time out.
    #[arg(long, value_name = "COLUMN")]
    time: Option<String>,
    /// The column of the table with the end of a line.
    #[arg(long, value_name = "COLUMN")]
    end: Option<String>,
    /// How times are written, as of strptime; may be given several times.
    #[arg(long, value_name = "FORM")]
    time_format: Vec<String>,
    /// The zone of times that do not say theirs.
    #[arg(long, value_name = "ZONE")]
    zone: Option<String>,
    /// How far a flow may be from the time of its line.
    #[arg(long, value_name = "TIME", default_value = "1s")]
    tolerance: String,
    /// What a flow gets that several lines match: `first`, `last`, `error` or `all`.
    #[arg(long, value_name = "WHICH")]
    many: Option<String>,
    /// Which rows are written: `left` (all), `inner` (those with a label) or `anti` (the others).
    #[arg(long, value_name = "MODE")]
    mode: Option<String>,
    /// Fails where a smaller share of the flows has a label, e.g. 0.9.
    #[arg(long, value_name = "SHARE")]
    expect_matched: Option<f64>,
    /// Groups of features, of captures.
    #[arg(short, long, value_name = "LIST", value_delimiter = ',')]
    features: Vec<String>,
    /// Replaces an existing file, at the end and at once.
    #[arg(long)]
    overwrite: bool,
    /// Shows the spec that the options mean, and runs nothing.
    #[arg(long)]
    print_spec: bool,
    #[command(flatten)]
    set: Set,
    #[command(flatten)]
    ending: Ending,
}

type Keys = Vec<(&'static str, Setting)>;

impl Label {
    /// Makes the spec and runs it.
    pub(super) fn run(&self, global: &Global) -> Outcome {
        let mut loaded = Loaded::text("options".to_owned(), self.text()?, PathBuf::new())?;
        self.set.apply(&mut loaded)?;
        if self.print_spec {
            loaded.settled()?;
            return print(&format::text(&loaded.root));
        }
        self.ending
            .run(loaded, &self.set, &Around::default(), global)
    }

    fn text(&self) -> Result<String, Failure> {
        let rows = self.input.iter().filter(|path| is_rows(path)).count();
        if rows > 0 && rows < self.input.len() {
            let error = Error::new("captures and rows are named together");
            return Err(Failure::Usage(error.help("name the one or the other")));
        }
        let is_rows = rows > 0;
        let join = self.join()?;
        let by_id = |(key, value): &(&str, Setting)| {
            let Setting::Table(parts) = value else {
                return false;
            };
            *key == "on" && parts.iter().any(|(name, _)| name == "community_id")
        };
        let mut features: Keys = Vec::new();
        if !is_rows {
            if !self.features.is_empty() {
                let groups = self.features.iter().map(|group| text(group)).collect();
                features.push(("groups", Setting::List(groups)));
            }
            if join.iter().any(by_id) {
                features.push(("add", text("community_id")));
            }
        }
        let paths = self.input.iter().map(|path| text(path)).collect();
        let mut source = vec![("path", Setting::List(paths))];
        if is_rows {
            source.insert(0, ("type", text("rows")));
        }
        let mut sink = vec![("path", text(&self.out))];
        if self.out == "-" {
            sink.insert(0, ("type", text("csv")));
        }
        if self.overwrite {
            sink.push(("overwrite", Setting::Bool(true)));
        }
        let mut out = "spec = 1\n".to_owned();
        for (name, keys) in [
            ("sources", source),
            ("features", features),
            ("joins.labels", join),
            ("sinks.out", sink),
        ] {
            if !keys.is_empty() {
                let _ = writeln!(out, "\n[{name}]");
            }
            for (key, value) in keys {
                let value = reference::escaped(&format::setting(&value));
                let _ = writeln!(out, "{key} = {value}");
            }
        }
        Ok(out)
    }

    fn join(&self) -> Result<Keys, Failure> {
        let path = Path::new(&self.labels);
        let usage = |message: String, help: &str| Failure::Usage(Error::new(message).help(help));
        let format = Format::of_path(path).ok_or_else(|| {
            let message = format!("the name of {} does not say what is in it", self.labels);
            usage(message, "a table ends in .csv, .jsonl, .parquet or .arrow")
        })?;
        let with = match format {
            Format::Csv { .. } => "csv",
            Format::Jsonl => "jsonl",
            Format::Parquet => "parquet",
            Format::Arrow => "arrow",
        };
        let header: Vec<String> = Reader::open(path, format)
            .map_err(Failure::Usage)?
            .headings()
            .iter()
            .map(|one| one.name.clone())
            .collect();
        let known = |names: &[&str]| {
            let mut names = names.iter();
            names
                .find(|name| header.iter().any(|column| column == **name))
                .map(|name| (*name).to_owned())
        };
        let on = if !self.on.is_empty() {
            self.on.iter().map(|pair| split(pair)).collect()
        } else if let Some(id) = known(&["community_id"]) {
            vec![("community_id".to_owned(), id)]
        } else {
            let pairs = NAMES.iter().map(|(ours, names)| {
                known(names)
                    .map(|theirs| ((*ours).to_owned(), theirs))
                    .ok_or_else(|| {
                        let message =
                            format!("{} has no column that looks like `{ours}`", self.labels);
                        let help = format!(
                            "say what is equal: `--on {ours}=COLUMN,...`; its columns are {}",
                            header.join(", ")
                        );
                        usage(message, &help)
                    })
            });
            pairs.collect::<Result<Vec<_>, _>>()?
        };
        let columns: Vec<(String, String)> = if self.mode.as_deref() == Some("anti") {
            Vec::new()
        } else if self.columns.is_empty() {
            let label = known(&LABELS).ok_or_else(|| {
                let message = format!("{} has no column that looks like a label", self.labels);
                usage(
                    message,
                    &format!(
                        "name it: `--columns label=COLUMN`; its columns are {}",
                        header.join(", ")
                    ),
                )
            })?;
            vec![("label".to_owned(), label)]
        } else {
            self.columns.iter().map(|pair| split(pair)).collect()
        };
        let has_direction = on.iter().any(|(name, _)| name.starts_with("src_"));
        let time = match self.time.as_deref() {
            Some("none") => None,
            Some(time) => Some(time.to_owned()),
            None => known(&TIMES),
        };
        let table = |pairs: Vec<(String, String)>| {
            let pairs = pairs
                .into_iter()
                .map(|(name, of)| (name, Setting::Text(of)));
            Setting::Table(pairs.collect())
        };
        let mut keys = vec![
            ("with", text(with)),
            ("path", text(&glob::Pattern::escape(&self.labels))),
            ("on", table(on)),
        ];
        if has_direction {
            keys.push(("either_direction", Setting::Bool(true)));
        }
        if let Some(from) = time {
            let mut parts = vec![("from".to_owned(), Setting::Text(from))];
            let mut add = |key: &str, value: Option<Setting>| {
                parts.extend(value.map(|value| (key.to_owned(), value)));
            };
            add("to", self.end.as_deref().map(text));
            let forms: Vec<Setting> = self.time_format.iter().map(|form| text(form)).collect();
            add(
                "format",
                (!forms.is_empty()).then_some(Setting::List(forms)),
            );
            add("zone", self.zone.as_deref().map(text));
            add("tolerance", Some(text(&self.tolerance)));
            keys.push(("time", Setting::Table(parts)));
        }
        if !columns.is_empty() {
            keys.push(("columns", table(columns)));
        }
        keys.extend(self.mode.as_deref().map(|mode| ("mode", text(mode))));
        keys.extend(self.many.as_deref().map(|many| ("many", text(many))));
        keys.extend(
            self.expect_matched
                .map(|share| ("expect_matched", Setting::Float(share))),
        );
        Ok(keys)
    }
}

/// `NAME=COLUMN`, or a name that both have.
fn split(pair: &str) -> (String, String) {
    let (name, column) = pair.split_once('=').unwrap_or((pair, pair));
    (name.to_owned(), column.to_owned())
}

fn text(text: &str) -> Setting {
    Setting::Text(text.to_owned())
}
