//! What a check can only say by looking at the file system: whether the inputs of a spec are there, and with `--deep` whether its outputs
//! can be written, and what keys and tests read is there.
//!
//! Opens no file but those that rows are joined with (`tables.rs`). Every run asks for the inputs and reads these; `jayflow check` without
//! `--deep` asks for nothing.

use super::Spec;
use super::diagnostic::{Diagnostic, Diagnostics, Span};
use super::load::{Entry, Kind, Loaded, Value};
use super::suggest::nearest;
use operators::options::Step;
use operators::sources::{self, ListError};
use std::path::{Component, Path, PathBuf};

impl Loaded {
    /// Checks that every input is there, then reads the files that rows are joined with: the types of their columns are known from then
    /// on.
    ///
    /// # Errors
    /// All faults of the first of these that has any.
    pub fn check_files(&mut self, spec: &Spec) -> Result<(), Diagnostics> {
        let (filled, ..) = self.filled()?;
        let mut found = Diagnostics {
            sources: self.sources.clone(),
            ..Diagnostics::default()
        };
        inputs(&filled, spec, &mut found);
        if found.has_errors() {
            return Err(found);
        }
        self.look(spec)
    }

    /// The same, and all that a run would find out when it starts: outputs, key files, what tests read.
    ///
    /// # Errors
    /// As `check_files`, then all other faults.
    pub fn check_deep(&mut self, spec: &Spec) -> Result<(), Diagnostics> {
        self.check_files(spec)?;
        let (filled, ..) = self.filled()?;
        let mut found = Diagnostics {
            sources: self.sources.clone(),
            ..Diagnostics::default()
        };
        for stage in [outputs, keys, tests] {
            stage(&filled, spec, &mut found);
        }
        match found.has_errors() {
            true => Err(found),
            false => Ok(()),
        }
    }

    /// The `path` of the node `name` of a section, and its place in the spec: `sources.a.path`.
    fn path_of(&self, section: &str, name: &str) -> Option<(&Entry, String)> {
        self.key_of(section, name, "path")
    }

    /// A key of the node `name` of a section, and its place in the spec.
    fn key_of(&self, section: &str, name: &str, key: &str) -> Option<(&Entry, String)> {
        let find = |entries: &'_ [Entry], name: &str| entries.iter().position(|e| e.name == name);
        let root = &self.root[find(&self.root, section)?];
        let keys = root.value.entries()?;
        let node = find(keys, name).and_then(|at| keys[at].value.entries());
        let (entries, place) = match node {
            Some(entries) => (entries, format!("{section}.{name}.{key}")),
            None => (keys, format!("{section}.{key}")),
        };
        Some((&entries[find(entries, key)?], place))
    }
}

fn inputs(loaded: &Loaded, spec: &Spec, found: &mut Diagnostics) {
    for node in &spec.sources {
        let Some((entry, place)) = loaded.path_of("sources", &node.name) else {
            continue;
        };
        let items: Vec<(&Value, String)> = match &entry.value.kind {
            Kind::List(items) => items
                .iter()
                .enumerate()
                .map(|(index, item)| (item, format!("{place}[{index}]")))
                .collect(),
            _ => vec![(&entry.value, place)],
        };
        for error in sources::list(&node.options, Path::new(""))
            .err()
            .unwrap_or_default()
        {
            let (ListError::NoMatch { entry, .. } | ListError::Pattern { entry, .. }) = &error;
            let Some(((item, place), path)) = items.get(*entry).zip(node.options.path.get(*entry))
            else {
                continue;
            };
            let written = item.text().unwrap_or(path);
            found.push(match &error {
                ListError::NoMatch { .. } => {
                    Diagnostic::new("E0703", item.at, place, no_match(path, written))
                        .help(advice(loaded, item.at, path, written))
                }
                ListError::Pattern { why, .. } => Diagnostic::new(
                    "E0008",
                    item.at,
                    place,
                    format!("`{written}` is not a glob: {why}"),
                )
                .help("`*` is any name, `**` any directories, `[ab]` one of some letters"),
            });
        }
    }
}

pub(super) fn no_match(path: &str, written: &str) -> String {
    if Path::new(path).is_dir() {
        format!("no file in the directory `{written}`")
    } else if path.contains(['*', '?', '[']) {
        format!("no file matches `{written}`")
    } else {
        format!("there is no file `{written}`")
    }
}

/// What is there instead, in the first directory where the path goes wrong.
pub(super) fn advice(loaded: &Loaded, at: Span, path: &str, written: &str) -> String {
    let base = loaded.sources.get(at.source).map(|source| &source.base);
    let relative = match base {
        _ if Path::new(written).is_absolute() => "",
        Some(base) if at.source == 0 && base.as_os_str().is_empty() && loaded.sources.len() > 1 => {
            ""
        }
        _ => "; paths are relative to the spec file",
    };
    let mut directory = PathBuf::new();
    for part in Path::new(path).components() {
        let next = directory.join(part);
        let name = part.as_os_str().to_string_lossy().into_owned();
        if matches!(part, Component::Normal(_)) && !next.exists() {
            let shown = if directory.as_os_str().is_empty() {
                Path::new(".")
            } else {
                &directory
            };
            if name.contains(['*', '?', '[']) {
                return format!("look into the directory `{}`{relative}", shown.display());
            }
            let mut names: Vec<String> = std::fs::read_dir(shown)
                .into_iter()
                .flatten()
                .flatten()
                .map(|entry| entry.file_name().to_string_lossy().into_owned())
                .collect();
            names.sort();
            let near = nearest(&name, names.iter().map(String::as_str));
            return match near.first() {
                Some(near) => {
                    let what = if shown.join(near).is_dir() {
                        "directory"
                    } else {
                        "file"
                    };
                    // Named as the spec would name it.
                    let there = directory.join(near);
                    let base = base.cloned().unwrap_or_default();
                    let there = there.strip_prefix(&base).unwrap_or(&there);
                    format!("the {what} `{}` exists{relative}", there.display())
                }
                None => format!("`{}` has no `{name}`{relative}", shown.display()),
            };
        }
        directory = next;
    }
    let help = "`recursive = true` also looks into the directories in it";
    format!("{help}{relative}")
}

/// Outputs that are there already, or have no folder.
fn outputs(loaded: &Loaded, spec: &Spec, found: &mut Diagnostics) {
    for node in &spec.sinks {
        let options = &node.options.options;
        let written = options.path().filter(|path| *path != "-").map(Path::new);
        let Some((path, (entry, place))) = written.zip(loaded.path_of("sinks", &node.name)) else {
            continue;
        };
        let parts = node.options.parts.as_ref();
        let folder = parts.map_or_else(|| operators::sinks::folder(path), |of| &of.parts.folder);
        let (message, help) = if !folder.is_dir() {
            let folder = folder.display();
            (
                format!("there is no folder `{folder}`"),
                format!("`mkdir -p {folder}`, or choose another path"),
            )
        } else if parts.is_none() && path.is_file() && !options.overwrites() {
            (
                format!("`{}` exists", path.display()),
                "`overwrite = true` replaces it at the end, at once".to_owned(),
            )
        } else {
            continue;
        };
        found.push(Diagnostic::new("E0414", entry.value.at, place, message).help(help));
    }
}

/// Key files that are not there.
fn keys(loaded: &Loaded, spec: &Spec, found: &mut Diagnostics) {
    for node in &spec.sinks {
        let file = node
            .options
            .options
            .anonymise()
            .and_then(|one| one.key_file.as_ref());
        let Some(file) = file.filter(|file| !Path::new(file).is_file()) else {
            continue;
        };
        if let Some((entry, place)) = loaded.key_of("sinks", &node.name, "anonymise") {
            let steps = [Step::Key("key_file".to_owned())];
            let value = entry.value.inner(&steps).0;
            let written = value.text().unwrap_or(file);
            found.push(
                Diagnostic::new(
                    "E0703",
                    value.at,
                    format!("{place}.key_file"),
                    no_match(file, written),
                )
                .help(advice(loaded, value.at, file, written)),
            );
        }
    }
}

/// Captures of tests that are not there. Golden files are written by `--bless`.
fn tests(loaded: &Loaded, spec: &Spec, found: &mut Diagnostics) {
    for node in &spec.tests {
        let Some((entry, place)) = loaded.key_of("tests", &node.name, "input") else {
            continue;
        };
        for (index, path) in node.options.options.input.iter().enumerate() {
            let is_there = glob::glob(path).is_ok_and(|mut found| found.next().is_some());
            if is_there {
                continue;
            }
            let (value, place) = match &entry.value.kind {
                Kind::List(items) => match items.get(index) {
                    Some(item) => (item, format!("{place}[{index}]")),
                    None => continue,
                },
                _ => (&entry.value, place.clone()),
            };
            let written = value.text().unwrap_or(path);
            found.push(
                Diagnostic::new("E0703", value.at, place, no_match(path, written))
                    .help(advice(loaded, value.at, path, written)),
            );
        }
    }
}
