//! `jayflow extract`.

use super::run::{Around, Ending};
use super::{Failure, Global, Outcome, Set, print};
use crate::Error;
use crate::spec::diagnostic::Source;
use crate::spec::{Loaded, format, reference};
use clap::{Args, ValueEnum};
use operators::features::catalogue;
use operators::options::Setting;
use std::fmt::Write as _;
use std::io::IsTerminal as _;
use std::path::{Path, PathBuf};

/// Captures to rows of flow features, without a spec file.
///
/// The options are keys of a spec: `--print-spec` shows it. On a terminal and without `-o`, a short table is shown; into a pipe go all
/// columns as CSV. Example: `jayflow extract day1/ -o flows.parquet -f timing,tcp`
#[derive(Args, Debug)]
pub struct Extract {
    /// Captures: files, globs, directories; `-` is standard input.
    #[arg(required = true)]
    input: Vec<String>,
    /// A spec to start from: INPUT takes the place of its sources, OUT of its sinks.
    #[arg(short, long, value_name = "SPEC")]
    spec: Option<PathBuf>,
    /// Shows the spec that the options mean, and runs nothing.
    #[arg(long)]
    print_spec: bool,
    #[command(flatten)]
    set: Set,
    #[command(flatten)]
    reading: Reading,
    #[command(flatten)]
    flows: Flows,
    #[command(flatten)]
    features: Features,
    #[command(flatten)]
    output: Output,
    #[command(flatten)]
    privacy: Privacy,
    #[command(flatten)]
    running: Running,
    #[command(flatten)]
    ending: Ending,
}

#[derive(Args, Debug)]
#[command(next_help_heading = "Input")]
struct Reading {
    /// Reads directories with all their subdirectories.
    #[arg(short, long)]
    recursive: bool,
    /// What observed the packets, for the column `sensor`: a text, which may hold `{path[0]}`, `{path[1]}`.
    #[arg(long, value_name = "TEXT")]
    sensor: Option<String>,
    /// `all` merges the inputs by time, so that flows span them; `none` keeps them apart.
    #[arg(long, value_name = "HOW")]
    merge: Option<String>,
    /// Takes tunnels off: `all`, or any of gre, ipip, 6in4, vxlan, geneve, gtpu, teredo.
    #[arg(long, value_name = "TUNNELS", value_delimiter = ',')]
    decap: Vec<String>,
    /// Reads one file on as it grows, until the run is stopped.
    #[arg(long)]
    follow: bool,
    /// Packets to read of each input at most.
    #[arg(long, value_name = "N")]
    limit: Option<i64>,
    /// Damaged inputs are errors: nothing is written then.
    #[arg(long)]
    strict: bool,
}

#[derive(Args, Debug)]
#[command(next_help_heading = "Flows")]
struct Flows {
    /// A flow ends when no packet comes for this long, e.g. `60s`, or `off`.
    #[arg(long, value_name = "TIME")]
    idle_timeout: Option<String>,
    /// A flow is cut when it has lived this long, e.g. `30m`, or `off`.
    #[arg(long, value_name = "TIME")]
    active_timeout: Option<String>,
    /// How TCP ends a flow: `tcp`, `fin-rst` or `never`.
    #[arg(long, value_name = "RULE")]
    terminate: Option<String>,
    /// Open flows at most.
    #[arg(long, value_name = "N")]
    max_flows: Option<i64>,
    /// What makes a flow: `5tuple`, `3tuple` or `2tuple`, with any of `vlan`, `tunnel`, `mac`, `sensor`, `source`.
    #[arg(long, value_name = "PARTS", value_delimiter = ',')]
    key: Vec<String>,
}

#[derive(Args, Debug)]
#[command(next_help_heading = "Features")]
struct Features {
    /// Groups, features and globs; `-NAME` takes one out: `-f tcp,iat_*,-burst_count`.
    #[arg(
        short,
        long,
        value_name = "LIST",
        value_delimiter = ',',
        allow_hyphen_values = true
    )]
    features: Vec<String>,
    /// Adds a column that is computed of others: `--derive 'up=bytes_fwd/total_bytes'`; may be given again.
    #[arg(long, value_name = "NAME=EXPRESSION")]
    derive: Vec<String>,
    /// Only rows for which an expression is true: `--where 'dst_port == 443'`.
    #[arg(long = "where", value_name = "EXPRESSION")]
    condition: Option<String>,
    /// Only the features of a profile: JJ-CORE, JJ-EXTENDED, JJ-EXPERIMENTAL or JF-EXTRA.
    #[arg(long, value_name = "NAME")]
    profile: Option<String>,
    /// Adds each feature for both directions alone.
    #[arg(long)]
    split: bool,
    /// Adds lists of times and lengths.
    #[arg(long)]
    raw_sequences: bool,
    /// Adds the sequence of packet lengths and times.
    #[arg(long)]
    splt: bool,
    /// Entries of a list at most.
    #[arg(long, value_name = "N")]
    max_sequence_length: Option<i64>,
}

#[derive(Args, Debug)]
#[command(next_help_heading = "Output")]
struct Output {
    /// The file; its ending says the format: .parquet .csv .jsonl .arrow, .csv.gz and the like; `{COLUMN}` and `{start:%Y-%m-%d}` in it
    /// make a file for each value. A directory gets `flows.EXT`; `-` is standard output.
    #[arg(short, long = "output", value_name = "OUT")]
    out: Option<String>,
    /// The format, where the ending does not say it.
    #[arg(long, value_name = "FORMAT")]
    format: Option<String>,
    /// Replaces an existing file, at the end and at once.
    #[arg(long)]
    overwrite: bool,
    /// Order of the rows: by start of the flow, or as they end.
    #[arg(long, value_enum)]
    sort: Option<Sort>,
    /// Whether `OUT.provenance.json` says how a CSV or JSON Lines file was made; by default it does.
    #[arg(long, value_name = "BOOL")]
    provenance: Option<bool>,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Sort {
    /// By start.
    Start,
    /// As they end.
    None,
}

#[derive(Args, Debug)]
#[command(next_help_heading = "Privacy")]
struct Privacy {
    /// What becomes of IP and MAC addresses: `prefix` (others, which share prefixes where these do), `pseudonym`, `truncate`, `drop`.
    #[arg(long, value_name = "METHOD")]
    anonymise: Option<String>,
    /// What becomes of server names, DNS names, names in certificates: `keep`, `pseudonym`, `drop`.
    #[arg(long, value_name = "METHOD", requires = "anonymise")]
    names: Option<String>,
    /// The key, 32 bytes or 64 hexadecimal digits: the same key gives the same rows. Without one it is random.
    #[arg(long, value_name = "FILE", requires = "anonymise")]
    key_file: Option<String>,
}

impl Privacy {
    fn setting(&self) -> Option<Setting> {
        let parts = [
            ("addresses", &self.anonymise),
            ("names", &self.names),
            ("key_file", &self.key_file),
        ];
        let given = parts
            .into_iter()
            .filter_map(|(key, value)| Some((key.to_owned(), Setting::Text(value.clone()?))));
        self.anonymise.as_ref()?;
        Some(Setting::Table(given.collect()))
    }
}

#[derive(Args, Debug)]
#[command(next_help_heading = "Cluster")]
struct Running {
    /// Workers of each process; by default one a core.
    #[arg(short, long, value_name = "N")]
    workers: Option<i64>,
    /// Processes on this machine.
    #[arg(long, value_name = "N", conflicts_with = "hosts")]
    processes: Option<i64>,
    /// A file with one address a line, HOST:PORT: the processes of this run.
    #[arg(long, value_name = "FILE", requires = "process")]
    hosts: Option<String>,
    /// Which line of the hosts file this process is, from 0.
    #[arg(long, value_name = "I")]
    process: Option<usize>,
    /// Runs each group of features as an operator of its own; the rows are the same.
    #[arg(long)]
    unfused: bool,
    /// Outputs also say the SHA-256 of each input.
    #[arg(long)]
    hash_inputs: bool,
}

/// Keys of one section, in order.
#[derive(Default)]
struct Keys(Vec<(&'static str, Setting)>);

impl Keys {
    fn text(&mut self, key: &'static str, value: Option<&str>) {
        self.0
            .extend(value.map(|text| (key, Setting::Text(text.to_owned()))));
    }

    fn list(&mut self, key: &'static str, values: &[String]) {
        if !values.is_empty() {
            let items = values.iter().cloned().map(Setting::Text).collect();
            self.0.push((key, Setting::List(items)));
        }
    }

    fn number(&mut self, key: &'static str, value: Option<i64>) {
        self.0
            .extend(value.map(|number| (key, Setting::Int(number))));
    }

    fn flag(&mut self, key: &'static str, given: bool, value: bool) {
        self.0.extend(given.then_some((key, Setting::Bool(value))));
    }
}

impl Extract {
    /// Makes the spec and runs it.
    pub(super) fn run(&self, global: &Global) -> Outcome {
        let terminal = std::io::stdout().is_terminal();
        let loaded = self.load(terminal && !self.print_spec)?;
        if self.print_spec {
            loaded.check()?;
            return print(&format::text(&loaded.root));
        }
        let around = Around {
            process: self.running.process,
            ..Around::default()
        };
        self.ending.run(loaded, &self.set, &around, global)
    }

    /// The spec that the options mean.
    fn load(&self, terminal: bool) -> Result<Loaded, Failure> {
        let source = Source {
            name: "options".to_owned(),
            text: self.text(terminal)?,
            base: PathBuf::new(),
        };
        let mut loaded = match &self.spec {
            Some(path) => {
                let mut loaded = self.set.file(path).map_err(Failure::Usage)??;
                let writes = self.output.out.is_some();
                loaded
                    .root
                    .retain(|entry| entry.name != "sources" && !(writes && entry.name == "sinks"));
                loaded.add(source)?;
                loaded
            }
            None => Loaded::text(source.name, source.text, source.base)?,
        };
        self.set.apply(&mut loaded)?;
        Ok(loaded)
    }

    fn text(&self, terminal: bool) -> Result<String, Failure> {
        let sections = [
            ("sources", self.sources()),
            ("decode", self.decode()),
            ("flows", self.flows()),
            ("features", self.features.keys()?),
            ("filters.cli", self.filter()),
            ("sinks.out", self.sink(terminal)?),
            ("run", self.run_keys()),
        ];
        let mut out = String::new();
        if self.spec.is_none() {
            out.push_str("spec = 1\n");
        }
        for (name, Keys(keys)) in sections {
            if keys.is_empty() {
                continue;
            }
            let gap = if out.is_empty() { "" } else { "\n" };
            let _ = writeln!(out, "{gap}[{name}]");
            for (key, value) in keys {
                // what is on the command line stands for itself
                let value = reference::escaped(&format::setting(&value));
                let _ = writeln!(out, "{key} = {value}");
            }
        }
        Ok(out)
    }

    fn sources(&self) -> Keys {
        let mut keys = Keys::default();
        match &self.input[..] {
            [one] => keys.text("path", Some(one)),
            several => keys.list("path", several),
        }
        keys.flag("recursive", self.reading.recursive, true);
        keys.flag("follow", self.reading.follow, true);
        keys.text("sensor", self.reading.sensor.as_deref());
        keys.text("merge", self.reading.merge.as_deref());
        keys.number("limit", self.reading.limit);
        keys.text("errors", self.reading.strict.then_some("fail"));
        keys
    }

    fn decode(&self) -> Keys {
        let mut keys = Keys::default();
        match &self.reading.decap[..] {
            [one] if one == "all" || one == "none" => keys.text("decap", Some(one)),
            several => keys.list("decap", several),
        }
        keys
    }

    fn flows(&self) -> Keys {
        let mut keys = Keys::default();
        keys.list("key", &self.flows.key);
        keys.text("idle_timeout", self.flows.idle_timeout.as_deref());
        keys.text("active_timeout", self.flows.active_timeout.as_deref());
        keys.text("terminate", self.flows.terminate.as_deref());
        keys.number("max_flows", self.flows.max_flows);
        keys
    }

    fn filter(&self) -> Keys {
        let mut keys = Keys::default();
        keys.text("where", self.features.condition.as_deref());
        keys
    }

    fn sink(&self, terminal: bool) -> Result<Keys, Failure> {
        let mut keys = Keys::default();
        let output = &self.output;
        let anonymise = self.privacy.setting();
        let options = output.format.is_some()
            || output.overwrite
            || output.sort.is_some()
            || output.provenance.is_some()
            || anonymise.is_some();
        match &output.out {
            Some(out) if Path::new(out).is_dir() => {
                let format = output.format.as_deref().unwrap_or("parquet");
                let file = Path::new(out).join(format!("flows.{format}"));
                keys.text("path", Some(&file.display().to_string()));
            }
            Some(out) => {
                let format = output.format.as_deref();
                keys.text("type", format.or((out == "-").then_some("csv")));
                keys.text("path", Some(out));
            }
            None if self.spec.is_some() && options => {
                return Err(Failure::Usage(
                    Error::new(
                        "`--format`, `--overwrite`, `--sort`, `--provenance` and `--anonymise` belong to `-o`",
                    )
                    .help("for the sinks of the spec write `--set sinks.NAME.KEY=VALUE`"),
                ));
            }
            None if self.spec.is_some() => return Ok(keys),
            None if terminal && output.format.is_none() => keys.text("type", Some("stdout")),
            None => {
                let format = output.format.as_deref().unwrap_or("csv");
                keys.text("type", Some(format));
                keys.text("path", Some("-").filter(|_| format != "stdout"));
            }
        }
        keys.text(
            "sort",
            output.sort.map(|sort| match sort {
                Sort::Start => "start",
                Sort::None => "none",
            }),
        );
        keys.flag("overwrite", output.overwrite, true);
        let provenance = output.provenance;
        keys.flag("provenance", provenance.is_some(), provenance == Some(true));
        keys.0.extend(anonymise.map(|table| ("anonymise", table)));
        Ok(keys)
    }

    fn run_keys(&self) -> Keys {
        let mut keys = Keys::default();
        keys.number("workers", self.running.workers);
        keys.number("processes", self.running.processes);
        keys.text("hosts", self.running.hosts.as_deref());
        keys.flag("fused", self.running.unfused, false);
        keys.flag("hash_inputs", self.running.hash_inputs, true);
        keys
    }
}

impl Features {
    fn keys(&self) -> Result<Keys, Failure> {
        let mut keys = Keys::default();
        self.selection(&mut keys);
        keys.text("profile", self.profile.as_deref());
        keys.flag("split", self.split, true);
        keys.flag("raw_sequences", self.raw_sequences, true);
        keys.flag("splt", self.splt, true);
        keys.number("max_sequence_length", self.max_sequence_length);
        let derived = self.derive.iter().map(|one| match one.split_once('=') {
            Some((name, text)) => {
                let text = Setting::Text(text.trim().to_owned());
                Ok((name.trim().to_owned(), text))
            }
            None => Err(Failure::Usage(
                Error::new(format!("`--derive {one}` has no name"))
                    .help("write `--derive 'NAME=EXPRESSION'`"),
            )),
        });
        let derived = derived.collect::<Result<Vec<_>, _>>()?;
        if !derived.is_empty() {
            keys.0.push(("derive", Setting::Table(derived)));
        }
        Ok(keys)
    }

    /// One list on the command line is several in a spec: groups, features to keep or, beside groups, to add, features to drop.
    fn selection(&self, keys: &mut Keys) {
        let all = catalogue();
        let is_group = |name: &str| name == "all" || all.iter().any(|one| one.group == name);
        let (mut groups, mut named, mut drop) = (Vec::new(), Vec::new(), Vec::new());
        for item in &self.features {
            match item.strip_prefix('-') {
                Some(name) if is_group(name) => groups.push(item.clone()),
                Some(name) => drop.push(name.to_owned()),
                None if is_group(item) => groups.push(item.clone()),
                None => named.push(item.clone()),
            }
        }
        let beside = groups.iter().any(|name| !name.starts_with('-'));
        keys.list("groups", &groups);
        keys.list(if beside { "add" } else { "only" }, &named);
        keys.list("drop", &drop);
    }
}
