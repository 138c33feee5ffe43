//! `jayflow rerun`.

use super::diff::{How, read};
use super::validate::{folder, rows};
use super::{Failure, Global, Outcome, Set, say};
use crate::inputs::digest;
use crate::provenance::Provenance;
use crate::{Error, Loaded};
use clap::Args;
use std::fmt::Write as _;
use std::path::PathBuf;

/// Makes an output again, from what it says of how it was made, and compares.
///
/// The spec and the names of the inputs are taken out of FILE; paths start from where they did then. Exit code 0 where the rows are
/// the same, 1 where not. Example: `jayflow rerun flows.parquet`
#[derive(Args, Debug)]
pub struct Rerun {
    /// The output: .parquet .arrow .csv .jsonl.
    file: PathBuf,
    /// The working directory of then, where that is not the one of now.
    #[arg(long, value_name = "DIR")]
    base: Option<PathBuf>,
    #[command(flatten)]
    set: Set,
}

impl Rerun {
    /// Runs and compares.
    pub(super) fn run(&self, global: &Global) -> Outcome {
        let made = Provenance::read(&self.file).map_err(Failure::Usage)?;
        let text = made.get("spec").ok_or_else(|| {
            let file = self.file.display();
            Failure::Usage(Error::new(format!(
                "{file} does not say which spec it was made by"
            )))
        })?;
        let before = read(&self.file)?;
        let mut loaded = Loaded::text(
            format!("the spec of {}", self.file.display()),
            text.to_owned(),
            self.base().join(made.get("base").unwrap_or_default()),
        )?;
        self.set.apply(&mut loaded)?;
        self.set.find_secrets(&mut loaded)?;
        say(&self.changed(&made)?);
        let folder = folder()?;
        let which = (made.get("sink"), made.get("file"));
        let again = rows(&mut loaded, which, folder.path(), global)?;
        let names = [
            self.file.display().to_string(),
            "the rows of now".to_owned(),
        ];
        How::exact().compare([&before, &read(&again)?], &names, [true, true])
    }

    fn base(&self) -> PathBuf {
        self.base.clone().unwrap_or_default()
    }

    /// What is not as it was: the version, the inputs. A random key gives other rows each time, so there is nothing to compare.
    fn changed(&self, made: &Provenance) -> Result<String, Failure> {
        let mut out = String::new();
        let version = env!("CARGO_PKG_VERSION");
        let then = made.get("version").unwrap_or_default();
        if then != version {
            let _ = writeln!(out, "warning: made by version {then}, this is {version}");
        }
        if made
            .get("privacy")
            .is_some_and(|privacy| privacy.contains("\"random\""))
        {
            return Err(Failure::Usage(
                Error::new("its addresses were hidden with a random key that nobody has")
                    .help("with `key_file` the same rows come again"),
            ));
        }
        for (name, bytes, sum) in made.inputs() {
            let path = self.base().join(&name);
            let Some(bytes) = bytes else {
                let error = Error::new(format!(
                    "the input `{name}` was no file and cannot be read again"
                ));
                return Err(Failure::Usage(error));
            };
            let now = std::fs::metadata(&path)
                .map_err(|error| Failure::Usage(Error::file("read", &path, error)))?
                .len();
            let is_changed = match (now == bytes, sum) {
                (true, Some(sum)) => digest(&path).map_err(Failure::Usage)? != sum,
                (same, _) => !same,
            };
            if is_changed {
                let _ = writeln!(out, "warning: `{}` is not what it was", path.display());
            }
        }
        Ok(crate::spec::diagnostic::visible_lines(&out))
    }
}
