//! `jayflow validate`.

use super::diff::{How, read};
use super::{Failure, Global, Outcome, Set, warn};
use crate::spec::diagnostic::Source;
use crate::spec::format;
use crate::{Control, Error, Loaded, Plan};
use clap::Args;
use operators::options::Setting;
use std::path::{Path, PathBuf};

/// Makes rows of a capture and compares them with rows that are expected.
///
/// Every column and row of the expected file must be there and be the same; further columns do not matter. Exit code 0 where they are, 1 where not.
/// Example: `jayflow validate day.pcap --expected day.csv --tolerance 1e-6`
#[derive(Args, Debug)]
pub struct Validate {
    /// The capture: a file, a glob, a directory.
    #[arg(required = true)]
    input: Vec<String>,
    /// The rows that are expected: .parquet .arrow .csv .jsonl.
    #[arg(long, value_name = "FILE")]
    expected: PathBuf,
    /// The spec that gives the rows: INPUT takes the place of its sources. By default all features there are, with their usual settings.
    #[arg(short, long, value_name = "SPEC")]
    spec: Option<PathBuf>,
    /// Which sink of the spec, if it has several.
    #[arg(long, value_name = "NAME", requires = "spec")]
    sink: Option<String>,
    #[command(flatten)]
    set: Set,
    #[command(flatten)]
    how: How,
}

impl Validate {
    /// Runs and compares.
    pub(super) fn run(&self, global: &Global) -> Outcome {
        let expected = read(&self.expected)?;
        let folder = folder()?;
        let items = self.input.iter().cloned().map(Setting::Text).collect();
        let input = format::setting(&Setting::List(items));
        let source = |text: String| Source {
            name: "options".to_owned(),
            text,
            base: PathBuf::new(),
        };
        let sources = format!("[sources]\npath = {input}\n");
        let mut loaded = match &self.spec {
            Some(path) => {
                let mut loaded = self.set.file(path).map_err(Failure::Usage)??;
                loaded.root.retain(|entry| entry.name != "sources");
                loaded.add(source(sources))?;
                loaded
            }
            None => {
                // all that anybody may have asked for; what is not expected is not compared
                let text = format!(
                    "spec = 1\n{sources}[features]\nflow_id = true\nsplit = true\nraw_sequences = true\nsplt = true\n\
                     [sinks.rows]\npath = \"rows.jsonl\"\n"
                );
                let Source { name, text, base } = source(text);
                Loaded::text(name, text, base)?
            }
        };
        self.set.apply(&mut loaded)?;
        self.set.find_secrets(&mut loaded)?;
        let which = (self.sink.as_deref(), None);
        let rows = rows(&mut loaded, which, folder.path(), global)?;
        let ours = read(&rows)?;
        let names = [
            "the rows of the capture".to_owned(),
            self.expected.display().to_string(),
        ];
        self.how.compare([&ours, &expected], &names, [false, true])
    }
}

/// A folder for rows that nobody keeps.
pub(super) fn folder() -> Result<tempfile::TempDir, Failure> {
    tempfile::tempdir()
        .map_err(|error| Failure::Run(Error::new("cannot make a temporary folder").because(error)))
}

/// Runs a spec with one of its sinks alone, which writes into a folder; gives the file. `sink` may be left out where there is one; `file`
/// is that which is wanted of several, else all rows are in one.
pub(super) fn rows(
    loaded: &mut Loaded,
    (sink, file): (Option<&str>, Option<&str>),
    folder: &Path,
    global: &Global,
) -> Result<PathBuf, Failure> {
    let spec = loaded.check()?;
    warn(&spec, global);
    loaded.check_files(&spec)?;
    // with what the files that rows are joined with say
    let mut spec = loaded.check()?;
    match sink {
        Some(name) => spec.sinks.retain(|sink| sink.name == name),
        None => spec
            .sinks
            .retain(|sink| sink.options.options.path().is_some()),
    }
    let [only] = &mut spec.sinks[..] else {
        let error = match sink {
            Some(name) => Error::new(format!("the spec has no sink `{name}`")),
            None => Error::new("the spec has several sinks, or none that writes a file")
                .help("say which with `--sink NAME`"),
        };
        return Err(Failure::Usage(error));
    };
    let name = only.options.options.path().and_then(|path| {
        let name = Path::new(path).file_name()?.to_str()?;
        (name != "-").then(|| name.to_owned())
    });
    let name = name.unwrap_or_else(|| format!("rows.{}", only.options.options.kind()));
    let mut path = folder.join(name);
    match (file, &mut only.options.parts) {
        (Some(file), Some(of)) => {
            path = folder.join(file);
            of.parts.folder = folder.to_owned();
        }
        (_, parts) => *parts = None,
    }
    let text = Setting::Text(path.display().to_string());
    // every sink with a path takes one
    let _ = only.options.options.set("path", &text);
    let report = crate::run(&Plan::new(&spec), &Control::default()).map_err(Failure::Run)?;
    match report.exit_code() {
        // a damaged capture is one too: what it holds is compared
        0 | 3 if path.is_file() => Ok(path),
        0 | 3 => Err(Failure::Run(Error::new(format!(
            "no row goes to the file `{}` any more",
            file.unwrap_or_default()
        )))),
        _ => Err(Failure::Run(Error::new(report.text(false)))),
    }
}
