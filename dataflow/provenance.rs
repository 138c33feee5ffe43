//! How an output was made, read back: out of the metadata of Parquet and Arrow files, or of what is beside others.

use operators::Error;
use operators::sinks::{self, Fact, PREFIX};
use serde_json::Value;
use std::path::Path;

/// What an output says of how it was made.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Provenance {
    /// Names and texts.
    pub facts: Vec<Fact>,
}

impl Provenance {
    /// That of a file.
    ///
    /// # Errors
    /// It cannot be read, or says nothing.
    pub fn read(path: &Path) -> Result<Self, Error> {
        let mut facts = sinks::facts(path)?;
        facts.retain(|(name, _)| name.starts_with(PREFIX));
        if facts.is_empty() {
            return Err(Error::new(format!(
                "{} does not say how it was made",
                path.display()
            )));
        }
        facts.sort_by_key(|(name, _)| order(name));
        Ok(Self { facts })
    }

    /// A fact by its name, without what all names begin with.
    pub fn get(&self, name: &str) -> Option<&str> {
        let mut facts = self.facts.iter();
        let found = facts.find(|(known, _)| known.strip_prefix(PREFIX) == Some(name));
        found.map(|(_, text)| text.as_str())
    }

    /// The inputs: name, bytes and digest of each, as far as they are known.
    pub fn inputs(&self) -> Vec<(String, Option<u64>, Option<String>)> {
        let inputs = self.get("inputs");
        let inputs: Value = inputs
            .and_then(|text| serde_json::from_str(text).ok())
            .unwrap_or_default();
        let inputs = inputs.as_array().into_iter().flatten();
        let inputs = inputs.filter_map(|input| {
            let text = |key: &str| input.get(key).and_then(Value::as_str).map(str::to_owned);
            Some((
                text("name")?,
                input.get("bytes").and_then(Value::as_u64),
                text("sha256"),
            ))
        });
        inputs.collect()
    }

    /// For people and programs: JSON.
    pub fn json(&self) -> String {
        sinks::to_json(&self.facts)
    }
}

/// Facts in the order of the run: the spec, what it read, what became of it. Files keep them in other orders.
fn order(name: &str) -> (usize, String) {
    const ORDER: [&str; 12] = [
        "version",
        "spec_sha256",
        "base",
        "sink",
        "file",
        "columns_sha256",
        "flow_key",
        sinks::DURATION_UNIT,
        "privacy",
        "inputs",
        "books",
        "spec",
    ];
    let name = name.strip_prefix(PREFIX).unwrap_or(name);
    let place = ORDER.iter().position(|known| *known == name);
    (place.unwrap_or(ORDER.len()), name.to_owned())
}
