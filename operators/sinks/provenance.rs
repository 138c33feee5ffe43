//! How an output was made, with the output: in the metadata of Parquet and Arrow files, beside others as `OUT.provenance.json`.
//!
//! Facts are pairs of texts. What they say is not known here; no wall clock is among them, so that two runs give the same bytes.

use super::file::WholeFile;
use crate::error::Error;
use arrow::error::ArrowError;
use arrow::ipc::reader::FileReader as IpcReader;
use parquet::errors::ParquetError;
use parquet::file::reader::{FileReader as _, SerializedFileReader};
use serde_json::{Map, Value};
use std::fs::{self, File};
use std::path::{Path, PathBuf};

/// What the name of every fact begins with in files that hold others too.
pub const PREFIX: &str = "jayflow.";
/// The fact that says in which unit durations are, where they are not in seconds.
pub const DURATION_UNIT: &str = "duration_unit";

/// A fact of how an output was made: name and text.
pub type Fact = (String, String);

/// The facts that are JSON; all others are plain text.
const STRUCTURED: [&str; 3] = ["inputs", "books", "privacy"];

/// The path of what is beside a file.
pub fn beside(path: &Path) -> PathBuf {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(".provenance.json");
    path.with_file_name(name)
}

/// Facts as JSON, in their order.
pub fn to_json(facts: &[Fact]) -> String {
    let mut out = String::from("{");
    for (at, (name, text)) in facts.iter().enumerate() {
        let name = name.strip_prefix(PREFIX).unwrap_or(name);
        let value = match STRUCTURED.contains(&name) {
            true => serde_json::from_str(text).unwrap_or_else(|_| Value::String(text.clone())),
            false => Value::String(text.clone()),
        };
        let separator = if at == 0 { "" } else { "," };
        // a text and a value always are JSON
        let name = serde_json::to_string(name).unwrap_or_default();
        let value = serde_json::to_string_pretty(&value).unwrap_or_default();
        let value = value.replace('\n', "\n  ");
        out.push_str(&format!("{separator}\n  {name}: {value}"));
    }
    out.push_str("\n}\n");
    out
}

/// Facts out of such JSON.
///
/// # Errors
/// It is none, or no object.
pub fn of_json(text: &str) -> Result<Vec<Fact>, serde_json::Error> {
    let facts: Map<String, Value> = serde_json::from_str(text)?;
    let facts = facts.into_iter().map(|(name, value)| {
        let text = match value {
            Value::String(text) => text,
            other => other.to_string(),
        };
        (format!("{PREFIX}{name}"), text)
    });
    Ok(facts.collect())
}

/// The facts beside an output, on their way to their file.
pub struct Sidecar {
    path: PathBuf,
    file: WholeFile,
    facts: Vec<Fact>,
}

impl Sidecar {
    /// Opens what is beside `path`. What is there already goes with the file that it was of.
    ///
    /// # Errors
    /// It cannot be made.
    pub fn create(path: &Path, facts: Vec<Fact>, run: &str) -> Result<Self, Error> {
        let path = beside(path);
        let file = WholeFile::create(&path, true, run)?;
        Ok(Self { path, file, facts })
    }

    /// Lets it appear, then the output by `commit`; neither is there if that fails.
    ///
    /// # Errors
    /// It cannot be written, or as `commit`.
    pub fn with<T>(
        mut self,
        facts: &[Fact],
        commit: impl FnOnce() -> Result<T, Error>,
    ) -> Result<T, Error> {
        self.facts.extend_from_slice(facts);
        self.file.put(&mut to_json(&self.facts).into_bytes())?;
        self.file.commit()?;
        commit().inspect_err(|_| {
            // the next run replaces what cannot be removed
            let _ = fs::remove_file(&self.path);
        })
    }
}

/// The facts that a file says of how it was made: in its metadata, or beside it.
///
/// # Errors
/// It cannot be read.
pub fn facts(path: &Path) -> Result<Vec<Fact>, Error> {
    let wrong =
        |why: &dyn std::fmt::Display| Error::new(format!("cannot read {}: {why}", path.display()));
    let open = || File::open(path).map_err(|error| Error::file("read", path, error));
    let extension = path.extension().and_then(|end| end.to_str());
    let ends = |end: &str| extension.is_some_and(|own| own.eq_ignore_ascii_case(end));
    let facts = if ends("parquet") {
        of_parquet(open()?).map_err(|error| wrong(&error))?
    } else if ends("arrow") {
        of_arrow(open()?).map_err(|error| wrong(&error))?
    } else {
        let sidecar = match path.to_string_lossy().ends_with(".provenance.json") {
            true => path.to_owned(),
            false => beside(path),
        };
        if !sidecar.is_file() {
            // a missing file is told before what is beside it
            open()?;
        }
        let text = std::fs::read_to_string(&sidecar)
                .map_err(|error| Error::file("read", &sidecar, error).help(
                    "an output that was made with `provenance = false`, or moved alone, does not say how it was made",
                ))?;
        of_json(&text).map_err(|error| wrong(&error))?
    };
    Ok(facts)
}

fn of_parquet(file: File) -> Result<Vec<Fact>, ParquetError> {
    let reader = SerializedFileReader::new(file)?;
    let facts = reader.metadata().file_metadata().key_value_metadata();
    let facts = facts.into_iter().flatten();
    Ok(facts
        .map(|fact| (fact.key.clone(), fact.value.clone().unwrap_or_default()))
        .collect())
}

fn of_arrow(file: File) -> Result<Vec<Fact>, ArrowError> {
    let reader = IpcReader::try_new_buffered(file, None)?;
    let schema = reader.schema();
    let facts = schema.metadata().iter().chain(reader.custom_metadata());
    Ok(facts
        .map(|(name, text)| (name.clone(), text.clone()))
        .collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn facts() -> Vec<Fact> {
        [
            ("jayflow.version", "1.0"),
            ("jayflow.spec", "spec = 1\n# \"x\"\n"),
            ("jayflow.books", "{\"rows\":3,\"faults\":[]}"),
        ]
        .map(|(name, text)| (name.to_owned(), text.to_owned()))
        .to_vec()
    }

    #[test]
    fn facts_are_json_and_come_back() {
        let json = to_json(&facts());
        assert!(
            json.contains("\n  \"spec\": \"spec = 1\\n# \\\"x\\\"\\n\",\n"),
            "{json}"
        );
        assert!(json.contains("\n    \"rows\": 3\n  }\n}\n"), "{json}");
        let mut back = of_json(&json).unwrap();
        let mut all = facts();
        back.sort();
        all.sort();
        let value = |text: &str| serde_json::from_str::<Value>(text).ok();
        for (back, all) in back.iter().zip(&all) {
            assert_eq!(back.0, all.0);
            assert!(
                back.1 == all.1 || value(&back.1) == value(&all.1),
                "{back:?}"
            );
        }
        assert!(of_json("[]").is_err());
    }

    #[test]
    fn neither_is_there_without_the_other() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.csv");
        let sidecar = beside(&path);
        fs::write(&sidecar, "of an older file").unwrap();
        let open = || Sidecar::create(&path, facts(), "1-0").unwrap();
        drop(open());
        assert_eq!(fs::read_to_string(&sidecar).unwrap(), "of an older file");
        let failed = open().with(&[], || -> Result<u64, Error> { Err(Error::new("full")) });
        assert!(failed.is_err() && !sidecar.exists());
        let made = open().with(&[("jayflow.rows".to_owned(), "3".to_owned())], || Ok(3));
        assert_eq!(made.unwrap(), 3);
        assert!(
            fs::read_to_string(&sidecar)
                .unwrap()
                .ends_with(",\n  \"rows\": \"3\"\n}\n")
        );
        let names = crate::sinks::file::tests::names(folder.path());
        assert_eq!(names, ["a.csv.provenance.json"]);
    }
}
