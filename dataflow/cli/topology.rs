//! `jayflow topology`.

use super::{Failure, Global, Outcome, SpecArguments, print};
use crate::Layout;
use crate::plan::Drawing;
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
    /// The operators that each worker runs, and what goes from worker to worker.
    #[arg(long)]
    physical: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Format {
    /// For Markdown.
    Mermaid,
    /// For Graphviz.
    Dot,
    /// A picture, drawn by this program.
    Svg,
}

impl Topology {
    /// Prints the drawing.
    pub(super) fn run(&self, global: &Global) -> Outcome {
        let (_, plan) = self.spec.plan(global)?;
        let drawing = if self.physical {
            Drawing::physical(&plan, &Layout::of(&plan).map_err(Failure::Usage)?)
        } else {
            Drawing::logical(&plan)
        };
        print(&match self.format {
            Format::Mermaid => drawing.mermaid(),
            Format::Dot => drawing.dot(),
            Format::Svg => drawing.svg(),
        })
    }
}
