//! `jayflow new`.

use super::{Failure, Outcome};
use crate::Error;
use clap::Args;
use std::io::Write as _;
use std::path::PathBuf;

/// Writes a spec to start from: every key with its default and what it does.
///
/// Example: `jayflow new flows.toml`
#[derive(Args, Debug)]
pub struct New {
    /// The file; `-` is standard output. An existing file is not touched.
    spec: PathBuf,
}

impl New {
    /// Writes the spec.
    pub(super) fn run(&self) -> Outcome {
        let text = crate::spec::example::text();
        if self.spec.as_os_str() == "-" {
            return super::print(&text);
        }
        let wrong = |error: std::io::Error| {
            Failure::Usage(if error.kind() == std::io::ErrorKind::AlreadyExists {
                Error::new(format!(
                    "{} exists and was not touched",
                    self.spec.display()
                ))
                .help("choose another name")
            } else {
                Error::file("write", &self.spec, error)
            })
        };
        let mut file = std::fs::File::create_new(&self.spec).map_err(wrong)?;
        file.write_all(text.as_bytes()).map_err(wrong)?;
        Ok(0)
    }
}
