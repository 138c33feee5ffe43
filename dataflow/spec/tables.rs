//! The files that rows are joined with: read once a process, before the first packet, and told in their place where they are not there
//! (`E0703`), lack a column (`E0704`) or have times of another form (`E0705`).
//!
//! `jayflow check` reads none of them. `check --deep`, `run`, `test` and whatever shows the plan do: the types of the columns that rows get
//! are in the files.

use super::diagnostic::{Diagnostic, Diagnostics, Span};
use super::files::{advice, no_match};
use super::load::{Entry, Kind, Loaded, Value};
use super::suggest::did_you_mean;
use super::{Join, Node, Spec};
use operators::Error;
use operators::joins::{Joined, LoadFault, Place, load};
use operators::options::Step;
use operators::schema::Schema;
use operators::sinks;
use operators::sources::{self, PcapOptions, schema_of};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Columns of a file that a message names.
const NAMED: usize = 3;

impl Loaded {
    /// The spec with all that is in the files that rows are joined with.
    ///
    /// # Errors
    /// All faults of the first stage that has any: the spec itself, the files, expressions over their columns.
    pub fn settled(&mut self) -> Result<Spec, Diagnostics> {
        let spec = self.check()?;
        if spec.joins.is_empty() && spec.features.options.written.is_none() {
            return Ok(spec);
        }
        self.look(&spec)?;
        self.check()
    }

    /// Reads the files that rows are joined with, those that were not read before.
    ///
    /// # Errors
    /// All that is wrong with them.
    pub fn look(&mut self, spec: &Spec) -> Result<(), Diagnostics> {
        let mut found = Diagnostics {
            sources: self.sources.clone(),
            ..Diagnostics::default()
        };
        let (filled, ..) = self.filled()?;
        if spec.features.options.written.is_some() && self.written.is_none() {
            match rows(spec) {
                Ok(schema) => {
                    self.written = Some(Arc::new(schema));
                    // which columns are looked up is known from now on
                    let again = self.check()?;
                    return self.look(&again);
                }
                Err(error) => {
                    let root = filled.root.iter().find(|entry| entry.name == "sources");
                    let at = root.map_or_else(Span::default, |entry| entry.at);
                    let told = Diagnostic::new("E0703", at, "sources", error.to_string());
                    found.push(match error.hint() {
                        Some(hint) => told.help(hint),
                        None => told,
                    });
                }
            }
        }
        let (before, mut waits) = (self.tables.len(), false);
        for node in &spec.joins {
            if self.tables.contains_key(&node.name) {
                continue;
            }
            // a column of another join is looked up: its type comes first
            if node.options.on.len() < node.options.options.on.0.len() {
                waits = true;
                continue;
            }
            let Some(entries) = filled.join(&node.name) else {
                continue;
            };
            let told = Told {
                loaded: &filled,
                entries,
                path: format!("joins.{}", node.name),
            };
            if let Some(joined) = told.look(node, &mut found) {
                self.tables.insert(node.name.clone(), joined);
            }
        }
        if found.has_errors() {
            return Err(found);
        }
        if waits && self.tables.len() > before {
            let again = self.check()?;
            return self.look(&again);
        }
        Ok(())
    }

    /// The keys of a join.
    fn join(&self, name: &str) -> Option<&[Entry]> {
        let section = self.root.iter().find(|entry| entry.name == "joins")?;
        let mut nodes = section.value.entries()?.iter();
        nodes.find(|node| node.name == name)?.value.entries()
    }
}

/// The columns of the rows that are read.
fn rows(spec: &Spec) -> Result<Schema, Error> {
    let mut paths = Vec::new();
    for source in &spec.sources {
        // what is not there was told by who looked before
        paths.extend(
            sources::list(&source.options, Path::new("")).map_err(|errors| {
                let errors: Vec<String> = errors.iter().map(ToString::to_string).collect();
                Error::new(errors.join("; "))
            })?,
        );
    }
    for path in &paths {
        // what the file does not say is as the catalogue has it
        let facts = sinks::facts(path).unwrap_or_default();
        let is_unit = |name: &str| name.strip_prefix(sinks::PREFIX) == Some(sinks::DURATION_UNIT);
        if let Some((_, unit)) = facts.iter().find(|(name, _)| is_unit(name)) {
            return Err(Error::new(format!(
                "the durations of {} are in {unit}, and rows are read with seconds",
                path.display()
            ))
            .help("write the file without `duration_unit`; the sinks of this spec can have it"));
        }
    }
    schema_of(&paths)
}

/// A join and where its settings are.
struct Told<'a> {
    loaded: &'a Loaded,
    entries: &'a [Entry],
    path: String,
}

impl Told<'_> {
    fn entry(&self, name: &str) -> Option<&Entry> {
        self.entries.iter().find(|entry| entry.name == name)
    }

    /// Reads the files of a join; `None` where something is wrong with them.
    fn look(&self, node: &Node<Join>, found: &mut Diagnostics) -> Option<Joined> {
        let paths = self.paths(&node.options, found)?;
        let parts: Vec<_> = node.options.on.iter().map(|(part, _)| *part).collect();
        match load(&node.options.options, &parts, paths) {
            Ok(joined) => Some(joined),
            Err(faults) => {
                for fault in faults {
                    found.push(self.fault(&node.options, fault));
                }
                None
            }
        }
    }

    fn paths(&self, join: &Join, found: &mut Diagnostics) -> Option<Vec<PathBuf>> {
        let options = PcapOptions {
            path: join.options.path.clone(),
            ..PcapOptions::default()
        };
        let errors = match sources::list(&options, Path::new("")) {
            Ok(paths) => return Some(paths),
            Err(errors) => errors,
        };
        for error in errors {
            let (index, why) = match &error {
                sources::ListError::NoMatch { entry, .. } => (*entry, None),
                sources::ListError::Pattern { entry, why, .. } => (*entry, Some(why)),
            };
            let path = join.options.path.get(index).map_or("", String::as_str);
            let (value, place) = self.item("path", index);
            let written = value.and_then(Value::text).unwrap_or(path);
            let at = value.map_or_else(Span::default, |value| value.at);
            found.push(match why {
                None => Diagnostic::new("E0703", at, place, no_match(path, written)).help(advice(
                    self.loaded,
                    at,
                    path,
                    written,
                )),
                Some(why) => {
                    let message = format!("`{written}` is not a glob: {why}");
                    Diagnostic::new("E0008", at, place, message)
                        .help("`*` is any name, `**` any directories, `[ab]` one of some letters")
                }
            });
        }
        None
    }

    /// An entry of a key that has one value or a list of them, and its path.
    fn item(&self, key: &str, index: usize) -> (Option<&Value>, String) {
        let value = self.entry(key).map(|entry| &entry.value);
        match value.map(|value| &value.kind) {
            Some(Kind::List(items)) => (items.get(index), format!("{}.{key}[{index}]", self.path)),
            _ => (value, format!("{}.{key}", self.path)),
        }
    }

    /// The value that names a column of a file, and its path.
    fn naming(&self, join: &Join, place: Place) -> (Option<&Value>, String) {
        let named = |key: &str, index: usize, name: Option<&String>| {
            let value = self.entry(key).map(|entry| &entry.value);
            match (value.map(|value| &value.kind), name) {
                (Some(Kind::Table { .. }), Some(name)) => {
                    let inner = value.map(|value| value.inner(&[Step::Key(name.clone())]).0);
                    (inner, format!("{}.{key}.{name}", self.path))
                }
                _ => self.item(key, index),
            }
        };
        let options = &join.options;
        match place {
            Place::On(at) => named("on", at, options.on.0.get(at).map(|(name, _)| name)),
            Place::Column(at) => named(
                "columns",
                at,
                options.columns.0.get(at).map(|(name, _)| name),
            ),
            Place::From | Place::To => {
                let key = if place == Place::From { "from" } else { "to" };
                let value = self.entry("time").map(|entry| &entry.value);
                let value = value.map(|value| value.inner(&[Step::Key(key.to_owned())]).0);
                (value, format!("{}.time.{key}", self.path))
            }
        }
    }

    fn fault(&self, join: &Join, fault: LoadFault) -> Diagnostic {
        let at = |value: Option<&Value>| value.map_or_else(Span::default, |value| value.at);
        match fault {
            LoadFault::Unreadable(error) => {
                let (value, place) = self.item("path", usize::MAX);
                let value = value.or_else(|| self.entry("path").map(|entry| &entry.value));
                let place = place.split('[').next().unwrap_or_default().to_owned();
                let told = Diagnostic::new("E0703", at(value), place, error.to_string());
                match error.hint() {
                    Some(hint) => told.help(hint),
                    None => told,
                }
            }
            LoadFault::NoColumn {
                place,
                name,
                found,
                header,
            } => {
                let (value, place) = self.naming(join, place);
                let message = match found {
                    0 => format!("the file has no column `{name}`"),
                    found => format!("the file has {found} columns `{name}`"),
                };
                let near = did_you_mean(&name, header.iter().map(String::as_str));
                let near = near.filter(|_| found == 0);
                let first = header[..header.len().min(NAMED)].join(", ");
                let more = if header.len() > NAMED { ", ..." } else { "" };
                let header = format!("header: {first}{more} ({} columns)", header.len());
                let help = match near {
                    Some(near) => format!("{near} {header}"),
                    None => header,
                };
                Diagnostic::new("E0704", at(value), place, message).help(help)
            }
            LoadFault::NoPath { place, path, shown } => {
                let (value, place) = self.naming(join, place);
                let message = format!("no record of the database has `{path}`");
                Diagnostic::new("E0704", at(value), place, message)
                    .help(format!("the first record is {shown}"))
            }
            LoadFault::TimeForm { first, fitting } => {
                let value = self.entry("time").map(|entry| &entry.value);
                let (value, key) = match value {
                    Some(value)
                        if !join
                            .options
                            .time
                            .as_ref()
                            .is_none_or(|time| time.format.is_empty()) =>
                    {
                        (
                            Some(value.inner(&[Step::Key("format".to_owned())]).0),
                            "format",
                        )
                    }
                    Some(value) => (Some(value.inner(&[Step::Key("from".to_owned())]).0), "from"),
                    None => (None, "format"),
                };
                let message = format!(
                    "no row of the first 1,000 has a time of this form; the first is `{first}`"
                );
                let help = match fitting {
                    Some(form) if form.contains("%Y") && written_with(join, "%y") => {
                        format!("`%Y` is the four-digit year: `{form}`")
                    }
                    Some(form) => format!("`{form}` would fit"),
                    None => "say how times are written, as of strptime: `format = \"%d/%m/%Y %H:%M:%S\"`".to_owned(),
                };
                Diagnostic::new(
                    "E0705",
                    at(value),
                    format!("{}.time.{key}", self.path),
                    message,
                )
                .help(help)
            }
        }
    }
}

/// Whether a form that is given has this part.
fn written_with(join: &Join, part: &str) -> bool {
    let forms = join.options.time.iter().flat_map(|time| &time.format);
    forms.into_iter().any(|form| form.contains(part))
}
