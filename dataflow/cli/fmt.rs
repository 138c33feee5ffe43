//! `jayflow fmt`.

use super::{Failure, Global, Outcome, print, say};
use crate::Error;
use crate::spec::layout::{Layout, lay_out};
use clap::Args;
use operators::sinks::WholeFile;
use std::io::Read as _;
use std::path::{Path, PathBuf};

/// Lays out specs: spaces, quotes, blank lines and commas. Comments and the order of everything stay.
///
/// Exit code 1 with `--check` where something would change.
/// Example: `jayflow fmt --check specs/*.toml`
#[derive(Args, Debug)]
pub struct Fmt {
    /// The specs; `-` is standard input, laid out on standard output.
    #[arg(default_value = "jayflow.toml")]
    specs: Vec<PathBuf>,
    /// Writes nothing, but names the specs that would change.
    #[arg(long)]
    check: bool,
    /// For older readers of TOML: inline tables on one line.
    #[arg(long)]
    toml_1_0: bool,
}

impl Fmt {
    /// Lays out the specs.
    pub(super) fn run(&self, global: &Global) -> Outcome {
        let layout = Layout {
            toml_1_0: self.toml_1_0,
        };
        let (mut changed, mut wrong) = (false, false);
        for path in &self.specs {
            let (name, text) = read(path)?;
            let out = match lay_out(&name, &text, layout) {
                Ok(out) => out,
                Err(found) => {
                    say(&found.text(global.colour()));
                    wrong = true;
                    continue;
                }
            };
            if self.check {
                if out != text {
                    changed = true;
                    say(&format!("{name} would change\n"));
                }
            } else if path.as_os_str() == "-" {
                print(&out)?;
            } else if out != text {
                write(path, out)?;
            }
        }
        Ok(match (wrong, changed) {
            (true, _) => 2,
            (false, true) => 1,
            (false, false) => 0,
        })
    }
}

/// A file's name in messages, and its text.
fn read(path: &Path) -> Result<(String, String), Failure> {
    if path.as_os_str() == "-" {
        let mut text = String::new();
        let read = std::io::stdin().read_to_string(&mut text);
        read.map_err(|error| {
            Failure::Usage(Error::new(format!("cannot read standard input: {error}")))
        })?;
        return Ok(("standard input".to_owned(), text));
    }
    let text = std::fs::read_to_string(path)
        .map_err(|error| Failure::Usage(Error::file("read the spec", path, error)))?;
    Ok((path.display().to_string(), text))
}

/// Replaces a file, whole or not at all.
fn write(path: &Path, text: String) -> Result<(), Failure> {
    let run = format!("{}-fmt", std::process::id());
    WholeFile::create(path, true, &run)
        .and_then(|mut file| {
            file.put(&mut text.into_bytes())?;
            file.commit()
        })
        .map_err(Failure::Run)
}
