//! `jayflow docs`.

use super::schema::markdown;
use super::{Global, Outcome, SpecArguments, print};
use crate::plan;
use crate::plan::type_name;
use crate::spec::variables::written;
use clap::Args;
use std::fmt::Write as _;

/// Describes a spec for people, as Markdown: its variables, its plan, and every column of its sinks with its definition.
///
/// Example: `jayflow docs flows.toml > flows.md`
#[derive(Args, Debug)]
pub struct Docs {
    #[command(flatten)]
    spec: SpecArguments,
}

impl Docs {
    /// Prints the description.
    pub(super) fn run(&self, global: &Global) -> Outcome {
        let (loaded, plan) = self.spec.plan(global)?;
        let spec = loaded.check()?;
        let file = self.spec.spec.display().to_string();
        let mut out = format!("# {}\n", spec.name.as_deref().unwrap_or(&file));
        if let Some(description) = &spec.description {
            let _ = write!(out, "\n{description}\n");
        }
        if !spec.variables.is_empty() {
            let rows: Vec<Vec<String>> = spec
                .variables
                .iter()
                .map(|one| {
                    let value = one.value.as_ref().map(written);
                    vec![
                        format!("`{}`", one.name),
                        one.kind.name().to_owned(),
                        value.unwrap_or_default(),
                        one.doc.clone().unwrap_or_default(),
                    ]
                })
                .collect();
            let table = markdown(&["variable", "type", "value", "what"], &rows);
            let _ = write!(out, "\n## Variables\n\n{table}");
        }
        let _ = write!(out, "\n## Plan\n\n```text\n{}```\n", plan::explain(&plan));
        for (name, sink) in plan.sinks() {
            let rows: Vec<Vec<String>> = plan
                .columns_of(sink)
                .map(|feature| {
                    vec![
                        format!("`{}`", feature.name),
                        type_name(&feature.data_type),
                        feature.unit.to_string(),
                        feature.null.as_deref().unwrap_or_default().to_owned(),
                        feature.definition.to_string(),
                    ]
                })
                .collect();
            let header = ["column", "type", "unit", "null", "definition"];
            let _ = write!(
                out,
                "\n## Columns of `{name}` ({})\n\n{}",
                sink.label,
                markdown(&header, &rows)
            );
        }
        if !spec.tests.is_empty() {
            let names: Vec<String> = spec
                .tests
                .iter()
                .map(|test| format!("`{}`", test.name))
                .collect();
            let _ = write!(out, "\n## Tests\n\n{}\n", names.join(", "));
        }
        print(&out)
    }
}
