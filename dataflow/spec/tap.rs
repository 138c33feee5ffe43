//! `run --tap`: a sink on standard output that is no part of the spec, so that its text and what other sinks write stay as they are.

use super::diagnostic::{Diagnostics, Source};
use super::format;
use super::load::{Loaded, parse};
use operators::options::Setting;
use std::fmt::Write as _;
use std::path::PathBuf;

/// The name of that sink: no node of a spec can have it.
pub const TAP: &str = "--tap";

impl Loaded {
    /// Adds a sink that writes the rows of a node as CSV while the run goes on; of a view, what changes.
    ///
    /// # Errors
    /// Never, unless the text that is made of this is no TOML.
    pub fn tap(&mut self, node: &str, condition: Option<&str>) -> Result<(), Diagnostics> {
        let head = node.split('.').next().unwrap_or_default();
        let views = self.root.iter().find(|entry| entry.name == "views");
        let views = views.and_then(|entry| entry.value.entries());
        let is_view = views.into_iter().flatten().any(|view| view.name == head);
        let written = |text: &str| format::setting(&Setting::Text(text.to_owned()));
        let mut text = format!(
            "input = {}\ntype = \"csv\"\npath = \"-\"\nsort = \"none\"\n",
            written(node)
        );
        if let Some(condition) = condition {
            let _ = writeln!(text, "where = {}", written(condition));
        }
        if is_view {
            text.push_str("emit = \"changes\"\n");
        }
        let entries = parse(self.sources.len(), &text);
        self.sources.push(Source {
            name: TAP.to_owned(),
            text,
            base: PathBuf::new(),
        });
        match entries {
            Ok(entries) => self.tap = entries,
            Err(fault) => {
                return Err(Diagnostics {
                    sources: self.sources.clone(),
                    list: vec![*fault],
                    more: 0,
                });
            }
        }
        Ok(())
    }
}
