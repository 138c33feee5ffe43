//! `jayflow run`.

use super::progress::Shown;
use super::{Failure, Global, Outcome, Set, SpecArguments, say, signals, warn};
use crate::cluster::{self, Ended, Started};
use crate::spec::Progress;
use crate::{Control, Error, Loaded, Plan};
use clap::Args;
use operators::options::{OptionValue as _, Setting};
use operators::sinks::{self, WholeFile};
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;

/// Runs a spec: reads its captures, writes its rows, ends with the books.
///
/// Example: `jayflow run flows.toml --set flows.idle_timeout=30s --summary books.json`
#[derive(Args, Debug)]
pub struct Run {
    #[command(flatten)]
    spec: SpecArguments,
    /// Workers of each process; by default one a core.
    #[arg(short, long, value_name = "N")]
    workers: Option<u64>,
    /// Processes on this machine.
    #[arg(long, value_name = "N", conflicts_with = "hosts")]
    processes: Option<u64>,
    /// A file with one address a line, HOST:PORT: the processes of this run.
    #[arg(long, value_name = "FILE", requires = "process")]
    hosts: Option<String>,
    /// Which line of the hosts file this process is, from 0.
    #[arg(long, value_name = "I")]
    process: Option<usize>,
    /// Checks and plans, but reads nothing.
    #[arg(long)]
    dry: bool,
    /// Outputs also say the SHA-256 of each input.
    #[arg(long)]
    hash_inputs: bool,
    /// Writes the rows that come out of a node (`features`, `FILTER.ROUTE`, `VIEW.RELATION`) to standard output too, as CSV, as they
    /// come.
    #[arg(long, value_name = "NODE")]
    tap: Option<String>,
    /// Of these only those for which an expression is true.
    #[arg(long = "where", value_name = "EXPRESSION", requires = "tap")]
    condition: Option<String>,
    /// Of these only the first so many.
    #[arg(long, value_name = "N", requires = "tap")]
    limit: Option<u64>,
    #[command(flatten)]
    ending: Ending,
}

/// What surrounds a run and is no part of its spec.
#[derive(Debug, Default)]
pub(super) struct Around {
    /// Which line of the hosts file this process is.
    pub process: Option<usize>,
    /// Checks and plans, but reads nothing.
    pub dry: bool,
    /// Rows of the tap.
    pub limit: Option<u64>,
}

/// What happens around a run.
#[derive(Args, Debug)]
#[command(next_help_heading = "Report")]
pub struct Ending {
    /// Writes the books of the run to a file, as JSON.
    #[arg(long, value_name = "FILE")]
    summary: Option<PathBuf>,
    /// When to show how far the run is: `auto` is on a terminal.
    #[arg(long, value_name = "WHEN", value_parser = ["auto", "always", "never"])]
    progress: Option<String>,
}

impl Run {
    /// Runs the spec.
    pub(super) fn run(&self, global: &Global) -> Outcome {
        let mut loaded = self.spec.load()?;
        let numbers = [("workers", self.workers), ("processes", self.processes)];
        for (key, number) in numbers {
            if let Some(number) = number {
                loaded.set(&format!("run.{key}={number}"))?;
            }
        }
        if self.hash_inputs {
            loaded.set("run.hash_inputs=true")?;
        }
        if let Some(hosts) = &self.hosts {
            let hosts = Setting::Text(hosts.clone());
            let hosts = crate::spec::format::setting(&hosts);
            loaded.set(&format!("run.hosts={hosts}"))?;
        }
        if let Some(node) = &self.tap {
            loaded.tap(node, self.condition.as_deref())?;
        }
        let around = Around {
            process: self.process,
            dry: self.dry,
            limit: self.limit,
        };
        self.ending.run(loaded, &self.spec.set, &around, global)
    }
}

impl Ending {
    /// Checks a spec, runs it, tells how it ended.
    pub(super) fn run(
        &self,
        mut loaded: Loaded,
        set: &Set,
        around: &Around,
        global: &Global,
    ) -> Outcome {
        let Around {
            process,
            dry,
            limit,
        } = *around;
        let started = Started::from_environment().map_err(Failure::Usage)?;
        let spec = loaded.check()?;
        if started.is_none() {
            warn(&spec, global);
        }
        loaded.check_files(&spec)?;
        set.find_secrets(&mut loaded)?;
        // with the secrets, which `check` alone does not ask for
        let mut plan = Plan::new(&loaded.check()?);
        if let Some(rows) = limit {
            plan.limit_tap(rows);
        }
        if dry {
            return Ok(0);
        }
        let control = Control {
            process,
            started,
            ..Control::default()
        };
        if control.started.is_none() {
            cluster::by_hand(&plan, &control, 1).map_err(Failure::Usage)?;
        }
        // the books of all processes are with the first
        let is_first = control
            .started
            .as_ref()
            .map_or(process, |started| Some(started.process));
        let summary = self.summary.as_ref().filter(|_| is_first.unwrap_or(0) == 0);
        let outputs = plan.sinks().flat_map(|(_, sink)| {
            if let Some(of) = &sink.parts {
                return vec![of.parts.marker()];
            }
            let beside = sink.options.sidecar().map(sinks::beside);
            let path = sink.options.path().map(PathBuf::from);
            path.into_iter().chain(beside).collect()
        });
        let outputs = outputs.chain(summary.cloned());
        signals::watch(outputs.collect(), &control).map_err(Failure::Run)?;
        let summary = summary.map(|path| open_summary(path)).transpose()?;
        let when = self.progress.clone().map(Setting::Text);
        let when = when.and_then(|when| Progress::read(&when).ok());
        // processes that another one started have nobody to show it to
        let shown = Shown::start(
            when.unwrap_or(plan.run.progress),
            global.quiet || control.started.is_some(),
            &control.progress,
        );
        let report = crate::run(&plan, &control);
        drop(shown);
        let report = match report {
            Ok(report) => report,
            Err(error) => return ended(error, &control, global),
        };
        let code = report.exit_code();
        if is_first.unwrap_or(0) > 0 {
            return Ok(code);
        }
        if let Some(mut summary) = summary {
            summary
                .put(&mut report.json().into_bytes())
                .and_then(|()| summary.commit())
                .map_err(Failure::Run)?;
        }
        // Whoever closed standard output does not want to hear about it.
        if code != 141 && (!global.quiet || code != 0) {
            say(&report.text(global.verbose > 0));
        }
        Ok(code)
    }
}

/// The end of a run that failed. Where another process is the cause, only one that was started by hand says so: what happened is
/// told once, by the process to which it happened or by the one that started both.
fn ended(error: Error, control: &Control, global: &Global) -> Outcome {
    let failure = match Ended::of(&error) {
        Some(Ended::Lost) if control.started.is_some() => return Ok(1),
        Some(Ended::Stopped) => {
            let signal = control.signal.load(Ordering::Relaxed);
            if control.started.is_none() {
                Failure::Run(error).tell(global);
            }
            return Ok(u8::try_from(128 + signal).unwrap_or(1));
        }
        _ => Failure::Run(error),
    };
    Err(failure)
}

/// Opens the summary before the run starts: a path that cannot be written is known then.
fn open_summary(path: &Path) -> Result<WholeFile, Failure> {
    sinks::sweep(path);
    let run = format!("{}-summary", std::process::id());
    WholeFile::create(path, true, &run).map_err(Failure::Usage)
}
