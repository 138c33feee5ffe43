//! `jayflow run`.

use super::{Failure, Global, Outcome, SpecArguments, signals, warn};
use crate::{Control, Error, Loaded, Plan};
use clap::Args;
use std::path::{Path, PathBuf};

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
    #[command(flatten)]
    ending: Ending,
}

/// What happens around a run.
#[derive(Args, Debug)]
pub struct Ending {
    /// Writes the books of the run to a file, as JSON.
    #[arg(long, value_name = "FILE")]
    summary: Option<PathBuf>,
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
        if let Some(hosts) = &self.hosts {
            let hosts = operators::options::Setting::Text(hosts.clone());
            let hosts = crate::spec::format::setting(&hosts);
            loaded.set(&format!("run.hosts={hosts}"))?;
        }
        self.ending.run(&loaded, self.process, self.dry, global)
    }
}

impl Ending {
    /// Checks a spec, runs it, tells how it ended.
    pub(super) fn run(
        &self,
        loaded: &Loaded,
        process: Option<usize>,
        dry: bool,
        global: &Global,
    ) -> Outcome {
        let spec = loaded.check()?;
        warn(&spec, global);
        loaded.check_files(&spec)?;
        let plan = Plan::new(&spec);
        if dry {
            return Ok(0);
        }
        let control = Control {
            process,
            ..Control::default()
        };
        signals::watch(&plan, &control).map_err(Failure::Run)?;
        let report = crate::run(&plan, &control).map_err(Failure::Run)?;
        if let Some(path) = &self.summary {
            write_whole(path, &report.json())
                .map_err(|error| Failure::Run(Error::file("write the summary", path, error)))?;
        }
        let code = report.exit_code();
        // Whoever closed standard output does not want to hear about it.
        if code != 141 && (!global.quiet || code != 0) {
            eprint!("{}", report.text(global.verbose > 0));
        }
        Ok(code)
    }
}

/// A file that appears whole.
fn write_whole(path: &Path, text: &str) -> std::io::Result<()> {
    let mut partial = path.as_os_str().to_owned();
    partial.push(".partial");
    std::fs::write(&partial, text)?;
    std::fs::rename(&partial, path)
}
