//! `jayflow provenance`.

use super::{Failure, Outcome, print};
use crate::provenance::Provenance;
use clap::Args;
use std::path::PathBuf;

/// Prints how an output was made: version, spec, inputs, books, privacy settings, as JSON.
///
/// Parquet and Arrow files say it in their metadata, others in FILE.provenance.json. Example: `jayflow provenance flows.parquet --spec > flows.toml`
#[derive(Args, Debug)]
pub struct ProvenanceOf {
    /// The output: .parquet .arrow .csv .jsonl, or a graph.
    file: PathBuf,
    /// Prints the spec alone, as it was.
    #[arg(long)]
    spec: bool,
}

impl ProvenanceOf {
    /// Prints it.
    pub(super) fn run(&self) -> Outcome {
        let provenance = Provenance::read(&self.file).map_err(Failure::Usage)?;
        match self.spec {
            true => print(provenance.get("spec").unwrap_or_default()),
            false => print(&provenance.json()),
        }
    }
}
