//! `jayflow check`.

use super::{Global, Outcome, SpecArguments, print, say};
use crate::spec::Diagnostics;
use clap::{Args, ValueEnum};

/// Checks a spec and shows everything that is wrong with it.
///
/// Exit code 0 where it can run, 2 where it cannot. No file is opened without `--deep`.
/// Example: `jayflow check flows.toml --format json`
#[derive(Args, Debug)]
pub struct Check {
    #[command(flatten)]
    spec: SpecArguments,
    /// How faults are told.
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
    /// Also looks whether the inputs are there, the outputs can be written, and what keys and tests read is there, and reads the files
    /// that rows are joined with.
    #[arg(long)]
    deep: bool,
    /// Warnings are errors.
    #[arg(long)]
    deny_warnings: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Format {
    /// For people, on standard error.
    Text,
    /// For editors: a list of objects.
    Json,
    /// For GitHub's runners.
    Github,
}

impl Check {
    /// Checks the spec.
    pub(super) fn run(&self, global: &Global) -> Outcome {
        let found = match self.spec.load() {
            Ok(mut loaded) => match loaded.check() {
                Ok(spec) if self.deep => {
                    // what is in the files that rows are joined with may show more
                    let looked = loaded.check_deep(&spec);
                    match looked.and_then(|()| loaded.check()) {
                        Ok(spec) => spec.warnings,
                        Err(found) => found,
                    }
                }
                Ok(spec) => spec.warnings,
                Err(found) => found,
            },
            Err(super::Failure::Spec(found)) => found,
            Err(failure) => return Err(failure),
        };
        self.show(&found, global)?;
        let failed = found.has_errors() || self.deny_warnings && !found.list.is_empty();
        if !failed && !global.quiet && self.format == Format::Text {
            say(&format!("{} can run\n", self.spec.spec.display()));
        }
        Ok(if failed { 2 } else { 0 })
    }

    fn show(&self, found: &Diagnostics, global: &Global) -> Outcome {
        match self.format {
            Format::Text => {
                say(&found.text(global.colour()));
                Ok(0)
            }
            Format::Json => print(&format!("{:#}\n", found.json())),
            Format::Github => print(&found.github()),
        }
    }
}
