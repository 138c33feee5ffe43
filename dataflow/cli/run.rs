//! `jayflow run`.

use super::progress::Shown;
use super::{Failure, Global, Outcome, SpecArguments, signals, warn};
use crate::spec::Progress;
use crate::{Control, Error, Loaded, Plan, cluster};
use clap::Args;
use operators::options::{OptionValue as _, Setting};
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
        if let Some(hosts) = &self.hosts {
            let hosts = Setting::Text(hosts.clone());
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
        let mut plan = Plan::new(&spec);
        if dry {
            return Ok(0);
        }
        let started =
            started(&mut plan, |name| std::env::var(name).ok()).map_err(Failure::Usage)?;
        let control = Control {
            process: started.or(process),
            ..Control::default()
        };
        signals::watch(&plan, &control).map_err(Failure::Run)?;
        let when = self.progress.clone().map(Setting::Text);
        let when = when.and_then(|when| Progress::read(&when).ok());
        // Processes that another one started have nobody to show it to.
        let shown = Shown::start(
            when.unwrap_or(plan.run.progress),
            global.quiet || started.is_some(),
            &control.progress,
        );
        let report = crate::run(&plan, &control);
        drop(shown);
        let report = report.map_err(Failure::Run)?;
        // The books of all processes are with the first.
        if control.process.is_some_and(|process| process > 0) {
            return Ok(report.exit_code());
        }
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

/// Which process of its run this is, where another process started it: the same command line, told by the environment where the
/// others are. It joins them, and starts none itself: else each would start the next, without end.
fn started(
    plan: &mut Plan,
    variable: impl Fn(&str) -> Option<String>,
) -> Result<Option<usize>, Error> {
    let Some(process) = variable(cluster::PROCESS) else {
        return Ok(None);
    };
    let number = |name: &str| -> Option<usize> { variable(name)?.parse().ok() };
    let (Some(hosts), Some(process), Some(workers)) = (
        variable(cluster::HOSTS),
        process.parse().ok(),
        number(cluster::WORKERS),
    ) else {
        let message = format!(
            "{} is set, but not the whole place of a process",
            cluster::PROCESS
        );
        return Err(Error::new(message)
            .help("the environment of a started process is not for use by hand: unset it"));
    };
    plan.run.hosts = Some(hosts);
    plan.run.processes = 1;
    plan.run.workers = Some(workers);
    Ok(Some(process))
}

/// A file that appears whole.
fn write_whole(path: &Path, text: &str) -> std::io::Result<()> {
    let mut partial = path.as_os_str().to_owned();
    partial.push(".partial");
    std::fs::write(&partial, text)?;
    std::fs::rename(&partial, path)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan() -> Plan {
        let text =
            "spec = 1\n[sources]\npath = \"a\"\n[sinks]\npath = \"a.csv\"\n[run]\nprocesses = 3\n";
        let loaded = Loaded::text("spec.toml", text, PathBuf::new()).ok();
        let spec = loaded.and_then(|loaded| loaded.check().ok());
        Plan::new(&spec.expect("a right spec"))
    }

    #[test]
    fn a_started_process_starts_none() {
        let mut first = plan();
        assert_eq!(started(&mut first, |_| None).unwrap(), None);
        assert_eq!((first.run.processes, &first.run.hosts), (3, &None));
        let place = |name: &str| match name {
            cluster::HOSTS => Some("/tmp/hosts".to_owned()),
            cluster::PROCESS => Some("2".to_owned()),
            cluster::WORKERS => Some("4".to_owned()),
            _ => None,
        };
        let mut third = plan();
        assert_eq!(started(&mut third, place).unwrap(), Some(2));
        assert_eq!((third.run.processes, third.run.workers), (1, Some(4)));
        assert_eq!(third.run.hosts.as_deref(), Some("/tmp/hosts"));
        assert_eq!(third.digest, first.digest, "they run the same");
        let half = |name: &str| (name == cluster::PROCESS).then(|| "2".to_owned());
        assert!(started(&mut plan(), half).is_err());
    }
}
