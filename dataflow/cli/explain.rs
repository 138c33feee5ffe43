//! `jayflow explain`.

use super::{Global, Outcome, SpecArguments, print, warn};
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
    /// Every setting with its value and where that came from: a line of a file, the command line, the environment, the default.
    #[arg(long, conflicts_with_all = ["json", "memory"])]
    settings: bool,
}

impl Explain {
    /// Prints the plan.
    pub(super) fn run(&self, global: &Global) -> Outcome {
        if self.settings {
            let loaded = self.spec.load()?;
            let spec = loaded.check()?;
            warn(&spec, global);
            let settings = loaded.origins(&spec)?;
            let lines = settings.iter().map(|one| {
                let (path, value, from) = (&one.path, &one.value, &one.from);
                visible(&format!("{path} = {value}  # {from}")) + "\n"
            });
            return print(&lines.collect::<String>());
        }
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
