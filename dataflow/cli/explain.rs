//! `jayflow explain`.

use super::{Global, Outcome, SpecArguments, print};
use crate::plan;
use clap::Args;

/// Shows the plan of a spec: what each operator reads, keeps and gives.
///
/// Example: `jayflow explain flows.toml --memory`
#[derive(Args, Debug)]
pub struct Explain {
    #[command(flatten)]
    spec: SpecArguments,
    /// As JSON.
    #[arg(long, conflicts_with = "memory")]
    json: bool,
    /// Bytes kept of each open flow.
    #[arg(long)]
    memory: bool,
}

impl Explain {
    /// Prints the plan.
    pub(super) fn run(&self, global: &Global) -> Outcome {
        let (_, plan) = self.spec.plan(global)?;
        print(&if self.json {
            format!("{:#}\n", plan::json(&plan))
        } else if self.memory {
            plan::memory(&plan)
        } else {
            plan::explain(&plan)
        })
    }
}
