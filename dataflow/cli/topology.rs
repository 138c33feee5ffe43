//! `jayflow topology`.

use super::{Global, Outcome, SpecArguments, print};
use crate::plan;
use clap::{Args, ValueEnum};

/// Draws the dataflow of a spec.
///
/// Example: `jayflow topology flows.toml --format dot | dot -Tsvg > flows.svg`
#[derive(Args, Debug)]
pub struct Topology {
    #[command(flatten)]
    spec: SpecArguments,
    /// The language of the drawing.
    #[arg(long, value_enum, default_value_t = Format::Mermaid)]
    format: Format,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Format {
    /// For Markdown.
    Mermaid,
    /// For Graphviz.
    Dot,
}

impl Topology {
    /// Prints the drawing.
    pub(super) fn run(&self, global: &Global) -> Outcome {
        let (_, plan) = self.spec.plan(global)?;
        print(&match self.format {
            Format::Mermaid => plan::mermaid(&plan),
            Format::Dot => plan::dot(&plan),
        })
    }
}
