//! Reads any text as a spec and asserts what must hold: the body of a fuzz target, and of tests.

use super::layout::{Layout, lay_out};
use super::{Diagnostics, Loaded, Spec, format};
use crate::plan::{Drawing, Plan};
use std::path::PathBuf;

/// As the text of a spec, and as an assignment on the command line where a zero byte is between them.
pub fn bytes(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let (text, set) = text.split_once('\0').unwrap_or((&text, ""));
    read(text, set);
}

/// A text that is laid out means the same and is laid out the same again.
fn laid_out(text: &str) {
    for toml_1_0 in [false, true] {
        let layout = Layout { toml_1_0 };
        if let Ok(out) = lay_out("spec.toml", text, layout) {
            let again = lay_out("spec.toml", &out, layout);
            assert_eq!(again.ok().as_ref(), Some(&out), "laid out, and again");
        }
    }
}

/// The text of a right spec is a right spec that does the same; what is wrong with a wrong one can be told in every form.
pub fn read(text: &str, set: &str) {
    laid_out(text);
    let checked = loaded(text).and_then(|mut loaded| {
        let written = format::text(&loaded.root);
        let again = self::loaded(&written).map(|loaded| format::text(&loaded.root));
        assert_eq!(
            again.ok().as_ref(),
            Some(&written),
            "written, and read again"
        );
        let _ = loaded.clone().set(set);
        let _ = loaded.set(&format!("flows.{set}"));
        loaded.check()
    });
    match checked {
        Ok(spec) => right(&spec),
        Err(found) => {
            assert!(found.has_errors());
            told(&found);
        }
    }
}

fn loaded(text: &str) -> Result<Loaded, Diagnostics> {
    Loaded::text("spec.toml", text, PathBuf::new())
}

fn right(spec: &Spec) {
    told(&spec.warnings);
    let plan = Plan::new(spec);
    Drawing::logical(&plan).mermaid();
    let again = loaded(&plan.text).and_then(|loaded| loaded.check());
    let again = again.map(|again| Drawing::logical(&Plan::new(&again)).dot());
    assert_eq!(
        again.ok(),
        Some(Drawing::logical(&plan).dot()),
        "the text of a right spec is right"
    );
}

fn told(found: &Diagnostics) {
    let acts = |c: char| c.is_control() && c != '\n' && c != '\t';
    assert!(!found.text(false).contains(acts));
    found.text(true);
    found.github();
    found.json();
}
