//! `jayflow explain`.

use super::{Failure, Global, Outcome, SpecArguments, print, warn};
use crate::analysis::SharedAnalysis;
use crate::plan::{self, Drawing};
use crate::spec::diagnostic::visible;
use crate::{Control, Layout, Plan};
use clap::Args;
use std::sync::{Arc, PoisonError};

/// Shows the plan of a spec: what each operator reads, keeps and gives.
///
/// Example: `jayflow explain flows.toml --memory`
#[derive(Args, Debug)]
pub struct Explain {
    #[command(flatten)]
    spec: SpecArguments,
    /// As JSON.
    #[arg(long, conflicts_with_all = ["memory", "physical"])]
    json: bool,
    /// Bytes kept of each open flow.
    #[arg(long, conflicts_with_all = ["types", "physical", "analyze"])]
    memory: bool,
    /// Every setting with its value and where that came from: a line of a file, the command line, the environment, the default.
    #[arg(long, conflicts_with_all = ["json", "memory"])]
    settings: bool,
    /// The columns of each node: type, unit, when they are null, who reads them.
    #[arg(long, conflicts_with_all = ["physical", "analyze"])]
    types: bool,
    /// The operators that each worker runs, and what goes from worker to worker.
    #[arg(long, conflicts_with = "analyze")]
    physical: bool,
    /// Runs the spec over a capture, without its sinks, and shows what each operator took and gave, how long it worked, and what it
    /// held. Rows, time and updates are told by the logs of timely and differential, open flows are counted by the flow table.
    #[arg(long, value_name = "CAPTURE")]
    analyze: Option<String>,
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
        if let Some(capture) = &self.analyze {
            return self.analyzed(capture, global);
        }
        let (_, plan) = self.spec.plan(global)?;
        // a plan can be explained also where its inputs are not
        let layout = Layout::of(&plan);
        print(&if self.types && self.json {
            format!("{:#}\n", plan::types_json(&plan))
        } else if self.types {
            plan::types(&plan)
        } else if self.json {
            format!("{:#}\n", plan::json(&plan, layout.ok().as_ref()))
        } else if self.memory {
            plan::memory(&plan)
        } else if self.physical {
            Drawing::physical(&plan, &layout.map_err(Failure::Usage)?).text()
        } else {
            let here = match &layout {
                Ok(layout) => plan::layout(layout),
                Err(error) => format!("here: {}\n", visible(&error.to_string())),
            };
            plan::explain(&plan) + &here
        })
    }

    fn analyzed(&self, capture: &str, global: &Global) -> Outcome {
        let mut loaded = self.spec.load()?;
        let mut spec = loaded.settled()?;
        warn(&spec, global);
        // one source, which reads the capture instead of its own
        spec.sources.truncate(1);
        for source in &mut spec.sources {
            source.options.path = vec![capture.to_owned()];
            source.options.follow = false;
            spec.flows.inputs = vec![source.name.clone()];
        }
        spec.run.processes = 1;
        spec.run.hosts = None;
        let plan = Plan::new(&spec);
        let analysis = SharedAnalysis::default();
        let control = Control {
            analysis: Some(Arc::clone(&analysis)),
            ..Control::default()
        };
        let report = crate::run(&plan, &control).map_err(Failure::Run)?;
        let analysis = analysis.lock().unwrap_or_else(PoisonError::into_inner);
        print(&if self.json {
            format!("{:#}\n", plan::analyzed_json(&plan, &analysis, &report))
        } else {
            plan::analyzed(&plan, &analysis, &report)
        })
    }
}
