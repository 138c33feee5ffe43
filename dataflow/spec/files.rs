//! What a check can only say by looking at the file system: whether the inputs of a spec are there.
//!
//! Opens no file but those that rows are joined with (`tables.rs`). `jayflow check --deep` and every run ask it, `jayflow check` does not.

use super::Spec;
use super::diagnostic::{Diagnostic, Diagnostics, Span};
use super::load::{Entry, Kind, Loaded, Value};
use super::suggest::nearest;
use operators::sources::{self, ListError};
use std::path::{Component, Path, PathBuf};

impl Loaded {
    /// Checks that every input is there, then that every output can be named as it is written, then reads the files that rows are
    /// joined with: the types of their columns are known from then on.
    ///
    /// # Errors
    /// All faults of the first of these that has any.
    pub fn check_files(&mut self, spec: &Spec) -> Result<(), Diagnostics> {
        let (filled, ..) = self.filled()?;
        for stage in [inputs, templates] {
            let mut found = Diagnostics {
                sources: self.sources.clone(),
                ..Diagnostics::default()
            };
            stage(&filled, spec, &mut found);
            if found.has_errors() {
                return Err(found);
            }
        }
        self.look(spec)
    }

    /// The `path` of the node `name` of a section, and its place in the spec: `sources.a.path`.
    fn path_of(&self, section: &str, name: &str) -> Option<(&Entry, String)> {
        let find = |entries: &'_ [Entry], name: &str| entries.iter().position(|e| e.name == name);
        let root = &self.root[find(&self.root, section)?];
        let keys = root.value.entries()?;
        let node = find(keys, name).and_then(|at| keys[at].value.entries());
        let (entries, place) = match node {
            Some(entries) => (entries, format!("{section}.{name}.path")),
            None => (keys, format!("{section}.path")),
        };
        Some((&entries[find(entries, "path")?], place))
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

/// Templates in paths of outputs belong to partitioned outputs, which do not exist yet: a file of that name would be a surprise.
fn templates(loaded: &Loaded, spec: &Spec, found: &mut Diagnostics) {
    for node in &spec.sinks {
        let path = node
            .options
            .options
            .path()
            .filter(|path| path.contains('{'));
        let Some((path, (entry, place))) = path.zip(loaded.path_of("sinks", &node.name)) else {
            continue;
        };
        let template = path
            .split_once('{')
            .and_then(|(_, rest)| rest.split_once('}'))
            .map_or(path.to_owned(), |(inner, _)| format!("{{{inner}}}"));
        found.push(
            Diagnostic::new(
                "E0008",
                entry.value.at,
                place,
                format!(
                    "this version of jayflow does not fill in `{template}` in the path of an output"
                ),
            )
            .help("write the name of one file"),
        );
    }
}
