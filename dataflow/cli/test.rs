//! `jayflow test`.

use super::{Failure, Global, Outcome, Set, print, warn};
use crate::testing;
use crate::{Error, Loaded};
use clap::Args;
use std::path::{Path, PathBuf};

/// Runs the tests of specs: `[tests.*]`, also those of `NAME_test.toml` beside `NAME.toml`.
///
/// Sinks never run. Exit code 0 where every test holds, 1 where one does not or there is none, 2 where a spec is wrong.
/// Example: `jayflow test flows.toml --bless`
#[derive(Args, Debug)]
pub struct Test {
    /// The specs.
    #[arg(default_value = "jayflow.toml")]
    specs: Vec<PathBuf>,
    /// Only tests whose name has this in it.
    #[arg(long, value_name = "TEXT")]
    only: Option<String>,
    /// Writes the golden files instead of comparing with them.
    #[arg(long)]
    bless: bool,
    #[command(flatten)]
    set: Set,
}

impl Test {
    /// Runs the tests.
    pub(super) fn run(&self, global: &Global) -> Outcome {
        let (mut run, mut failed) = (0, 0);
        for path in &self.specs {
            let mut loaded = self.load(path)?;
            loaded.check()?;
            self.set.find_secrets(&mut loaded)?;
            let spec = loaded.settled()?;
            warn(&spec, global);
            for test in &spec.tests {
                let wanted = self.only.as_ref();
                if wanted.is_some_and(|only| !test.name.contains(only)) {
                    continue;
                }
                run += 1;
                let faults = testing::run(&spec, test, self.bless)
                    .unwrap_or_else(|error| vec![error.to_string()]);
                failed += usize::from(!faults.is_empty());
                if faults.is_empty() && global.quiet {
                    continue;
                }
                let verdict = if faults.is_empty() { "ok  " } else { "FAIL" };
                let mut text = format!("{verdict} {} {}\n", path.display(), test.name);
                for line in faults.iter().flat_map(|fault| fault.lines()) {
                    text.push_str(&format!("     {line}\n"));
                }
                print(&crate::spec::diagnostic::visible_lines(&text))?;
            }
        }
        if run == 0 {
            return Err(Failure::Run(
                Error::new("there is no test")
                    .help("write `[tests.NAME]`; `jayflow help E0802` shows one"),
            ));
        }
        let tests = if run == 1 { "test" } else { "tests" };
        print(&format!("{run} {tests}, {failed} failed\n"))?;
        Ok(u8::from(failed > 0))
    }

    /// A spec with the tests beside it.
    fn load(&self, path: &Path) -> Result<Loaded, Failure> {
        let mut loaded = self.set.file(path).map_err(Failure::Usage)??;
        let stem = path.file_stem().unwrap_or_default().to_string_lossy();
        let beside = path.with_file_name(format!("{stem}_test.toml"));
        if beside.is_file() {
            loaded.include_file(&beside).map_err(Failure::Usage)??;
        }
        self.set.apply(&mut loaded)?;
        Ok(loaded)
    }
}
