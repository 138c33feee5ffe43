//! `jayflow explain`.

use super::{Global, Outcome, SpecArguments, print};
use crate::Layout;
use crate::plan;
use crate::spec::diagnostic::visible;
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
        // a plan can be explained also where its inputs are not
        let layout = Layout::of(&plan);
        print(&if self.json {
            format!("{:#}\n", plan::json(&plan, layout.ok().as_ref()))
        } else if self.memory {
            plan::memory(&plan)
        } else {
            let here = match &layout {
                Ok(layout) => plan::layout(layout),
                Err(error) => format!("here: {}\n", visible(&error.to_string())),
            };
            plan::explain(&plan) + &here
        })
    }
}
