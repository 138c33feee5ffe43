//! The command line: one file a command, whose doc comment is its help.
//!
//! Data goes to standard output, talk to standard error. Nothing here decides what a spec means or what a run does.

mod check;
mod completions;
mod diff;
mod docs;
mod explain;
mod extract;
mod features;
mod fmt;
mod graph;
mod help;
mod info;
mod label;
mod new;
mod profiles;
mod progress;
mod provenance;
mod rerun;
mod run;
mod schema;
mod signals;
mod test;
mod topology;
mod validate;

pub use help::manual;

use crate::spec::{Diagnostics, Loaded, Spec};
use crate::{Error, Plan};
use clap::{Args, CommandFactory as _, Parser, Subcommand, ValueEnum};
use std::io::{IsTerminal as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// Network flows and their features from packet captures, as a declarative dataflow.
#[derive(Debug, Parser)]
#[command(name = "jayflow", version, disable_help_subcommand = true)]
struct Arguments {
    #[command(flatten)]
    global: Global,
    #[command(subcommand)]
    command: Command,
}

/// Options of every command.
#[derive(Args, Clone, Debug)]
struct Global {
    /// Say less: only warnings and errors.
    #[arg(short, long, global = true)]
    quiet: bool,
    /// Say more.
    #[arg(short, long, global = true, action = clap::ArgAction::Count)]
    verbose: u8,
    /// When to use colour; `NO_COLOR` in the environment turns `auto` off.
    #[arg(long, global = true, value_enum, default_value_t = Colour::Auto, value_name = "WHEN")]
    color: Colour,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Colour {
    /// On a terminal.
    Auto,
    /// Always.
    Always,
    /// Never.
    Never,
}

impl Global {
    /// Whether what goes to standard error is coloured.
    fn colour(&self) -> bool {
        match self.color {
            Colour::Always => true,
            Colour::Never => false,
            Colour::Auto => {
                std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
                    && std::io::stderr().is_terminal()
            }
        }
    }
}

#[derive(Debug, Subcommand)]
enum Command {
    Extract(Box<extract::Extract>),
    Run(run::Run),
    Check(check::Check),
    Explain(explain::Explain),
    Topology(topology::Topology),
    Test(test::Test),
    Docs(docs::Docs),
    Fmt(fmt::Fmt),
    New(new::New),
    Info(info::Info),
    Diff(diff::Diff),
    Validate(validate::Validate),
    Provenance(provenance::ProvenanceOf),
    Rerun(rerun::Rerun),
    Graph(Box<graph::Graph>),
    Label(Box<label::Label>),
    Features(features::Features),
    Profiles(profiles::Profiles),
    Schema(schema::Schema),
    Help(help::Help),
    Completions(completions::Completions),
}

/// Why a command did not do its work.
enum Failure {
    /// The arguments, or a file they name: exit code 2.
    Usage(Error),
    /// The spec: exit code 2.
    Spec(Diagnostics),
    /// The run: exit code 1.
    Run(Error),
    /// The reader of standard output went away: exit code 141, as SIGPIPE would give.
    Closed,
}

/// The exit code of a command that did its work.
type Outcome = Result<u8, Failure>;

impl From<Diagnostics> for Failure {
    fn from(found: Diagnostics) -> Self {
        Self::Spec(found)
    }
}

/// A spec that a command reads.
#[derive(Args, Clone, Debug)]
struct SpecArguments {
    /// The spec.
    #[arg(default_value = "jayflow.toml")]
    spec: PathBuf,
    #[command(flatten)]
    set: Set,
}

/// Keys of a spec, set on the command line.
#[derive(Args, Clone, Debug, Default)]
struct Set {
    /// Sets a key of the spec, e.g. `--set flows.idle_timeout=30s`, or a variable, `--set day=monday`; may be given several times.
    #[arg(long, value_name = "KEY=VALUE")]
    set: Vec<String>,
    /// A directory with a file for each secret that the spec names; those that are not there are looked for in the environment.
    #[arg(long, value_name = "DIR")]
    secrets: Option<PathBuf>,
    /// Somebody else wrote the spec: it gets no secrets and stays in its directory.
    #[arg(long)]
    untrusted_spec: bool,
}

impl SpecArguments {
    fn load(&self) -> Result<Loaded, Failure> {
        let mut loaded = self.set.file(&self.spec).map_err(|error| {
            Failure::Usage(error.help("`jayflow new SPEC` writes an example to start from"))
        })??;
        self.set.apply(&mut loaded)?;
        Ok(loaded)
    }

    /// The spec and its plan; warnings are shown.
    fn plan(&self, global: &Global) -> Result<(Loaded, Plan), Failure> {
        let mut loaded = self.load()?;
        let spec = loaded.settled()?;
        warn(&spec, global);
        let plan = Plan::new(&spec);
        Ok((loaded, plan))
    }
}

impl Set {
    /// Reads a spec file, trusted or not.
    fn file(&self, path: &Path) -> Result<Result<Loaded, Diagnostics>, Error> {
        if self.untrusted_spec {
            Loaded::untrusted_file(path)
        } else {
            Loaded::file(path)
        }
    }

    /// Looks up the secrets of a spec without other faults.
    fn find_secrets(&self, loaded: &mut Loaded) -> Result<(), Failure> {
        let get = |name: &str| std::env::var(name).ok();
        Ok(loaded.find_secrets(self.secrets.as_deref(), get)?)
    }

    fn apply(&self, loaded: &mut Loaded) -> Result<(), Failure> {
        loaded.environment(|name| std::env::var(name).ok());
        for assignment in &self.set {
            loaded.set(assignment)?;
        }
        Ok(())
    }
}

/// Shows the warnings of a spec.
fn warn(spec: &Spec, global: &Global) {
    say(&spec.warnings.text(global.colour()));
}

/// Writes talk to standard error. Where nobody can listen there is nothing to tell, and no reason to fail.
fn say(text: &str) {
    let _ = std::io::stderr().lock().write_all(text.as_bytes());
}

/// Writes data to standard output.
fn print(text: &str) -> Outcome {
    let mut out = std::io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Ok(()) => Ok(0),
        Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => Err(Failure::Closed),
        Err(error) => Err(Failure::Run(
            Error::new(format!("cannot write to standard output: {error}")).because(error),
        )),
    }
}

impl Command {
    fn run(&self, global: &Global) -> Outcome {
        match self {
            Self::Extract(command) => command.run(global),
            Self::Run(command) => command.run(global),
            Self::Check(command) => command.run(global),
            Self::Explain(command) => command.run(global),
            Self::Topology(command) => command.run(global),
            Self::Test(command) => command.run(global),
            Self::Docs(command) => command.run(global),
            Self::Fmt(command) => command.run(global),
            Self::New(command) => command.run(),
            Self::Info(command) => command.run(),
            Self::Diff(command) => command.run(),
            Self::Validate(command) => command.run(global),
            Self::Provenance(command) => command.run(),
            Self::Rerun(command) => command.run(global),
            Self::Graph(command) => command.run(global),
            Self::Label(command) => command.run(global),
            Self::Features(command) => command.run(),
            Self::Profiles(command) => command.run(),
            Self::Schema(command) => command.run(global),
            Self::Help(command) => command.run(),
            Self::Completions(command) => command.run(),
        }
    }
}

/// The program: reads its arguments, does one thing, ends with an exit code.
pub fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let global = arguments.global.clone();
    // A defect inside is exit code 1 like any other failure, never Rust's 101; its message was printed when it happened.
    let outcome = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        arguments.command.run(&global)
    }));
    let Ok(outcome) = outcome else {
        say("error: this is a defect of jayflow; please report it with the lines above\n");
        return ExitCode::from(1);
    };
    ExitCode::from(outcome.unwrap_or_else(|failure| failure.tell(&global)))
}

impl Failure {
    /// Says what went wrong; gives the exit code.
    fn tell(&self, global: &Global) -> u8 {
        let (error, code) = match self {
            Self::Closed => return 141,
            Self::Spec(found) => {
                say(&found.text(global.colour()));
                return 2;
            }
            Self::Usage(error) => (error, 2),
            Self::Run(error) => (error, 1),
        };
        let visible = crate::spec::diagnostic::visible;
        let (on, off) = if global.colour() {
            ("\x1b[1;31m", "\x1b[0m")
        } else {
            ("", "")
        };
        let mut text = format!("{on}error{off}: {}\n", visible(&error.to_string()));
        if let Some(help) = error.hint() {
            text.push_str(&format!("  help: {}\n", visible(help)));
        }
        say(&text);
        code
    }
}

/// The command line as clap sees it: for help and completions.
fn command() -> clap::Command {
    Arguments::command()
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_command_line_is_consistent() {
        super::command().debug_assert();
    }
}
