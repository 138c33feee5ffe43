//! Where the values of secrets come from: files of a directory, and the environment. Never the spec or the command line.

use super::diagnostic::{Diagnostic, Diagnostics};
use super::load::{Kind, Loaded, Value};
use super::reference::{self, Piece};
use operators::options::Setting;
use operators::secret::Part;
use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;

/// Bytes of a secret at most.
const MOST: u64 = 65_536;

/// Values by reference: `secret:NAME`, `env:NAME`.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Secrets(BTreeMap<String, String>);

/// The names, never the values.
impl fmt::Debug for Secrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

impl Secrets {
    /// The value of a part that names one.
    pub fn get(&self, part: &Part) -> Option<String> {
        let key = match part {
            Part::Plain(_) => return None,
            Part::Secret(name) => format!("secret:{name}"),
            Part::Environment(name) => format!("env:{name}"),
        };
        self.0.get(&key).cloned()
    }
}

impl Loaded {
    /// Looks up every secret that the spec names: in files of `directory`, else in the environment, which `get` reads.
    ///
    /// # Errors
    /// One is in neither, or cannot be read.
    pub fn find_secrets(
        &mut self,
        directory: Option<&Path>,
        get: impl Fn(&str) -> Option<String>,
    ) -> Result<(), Diagnostics> {
        let mut found = Vec::new();
        let mut secrets = Secrets::default();
        for entry in self.root.iter().filter(|entry| entry.name != "vars") {
            each(&entry.value, &entry.name, &mut |value, path, text| {
                for piece in reference::pieces(text) {
                    let (key, name, file) = match piece {
                        Piece::Secret(name) => (format!("secret:{name}"), name, directory),
                        Piece::Environment(name) => (format!("env:{name}"), name, None),
                        _ => continue,
                    };
                    let value_of = file
                        .and_then(|directory| read(directory, name).transpose())
                        .or_else(|| get(name).map(Ok));
                    match value_of {
                        Some(Ok(text)) => {
                            secrets.0.insert(key, text);
                        }
                        missing => {
                            let written = format!("${{{key}}}");
                            let at = reference::place(&self.sources, value.at, &written, 0);
                            let place = match file {
                                Some(directory) => {
                                    format!(
                                        "`{}` has no file of that name, and",
                                        directory.display()
                                    )
                                }
                                None => String::new(),
                            };
                            let message = match missing {
                                Some(Err(error)) => {
                                    format!("cannot read the secret `{name}`: {error}")
                                }
                                _ if place.is_empty() => {
                                    format!("the environment has no `{name}`")
                                }
                                _ => format!("{place} the environment has no `{name}`"),
                            };
                            found.push(Diagnostic::new("E0507", at, path, message).help(
                                "put it into a file of that name and name the directory: `--secrets DIR`",
                            ));
                        }
                    }
                }
            });
        }
        if !found.is_empty() {
            return Err(Diagnostics {
                sources: self.sources.clone(),
                list: found,
                more: 0,
            });
        }
        self.secrets = secrets;
        Ok(())
    }
}

/// The text of a secret's file without the end of its last line; `None` where there is none.
fn read(directory: &Path, name: &str) -> std::io::Result<Option<String>> {
    if !is_name(name) {
        return Ok(None);
    }
    let path = directory.join(name);
    let meta = match std::fs::metadata(&path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        meta => meta?,
    };
    if meta.len() > MOST {
        let long = format!("it has {} bytes, more than {MOST}", meta.len());
        return Err(std::io::Error::other(long));
    }
    let text = std::fs::read_to_string(&path)?;
    let text = text.strip_suffix('\n').unwrap_or(&text);
    Ok(Some(text.strip_suffix('\r').unwrap_or(text).to_owned()))
}

/// Whether this can be the name of a secret: a plain name of a file.
pub fn is_name(name: &str) -> bool {
    let letter = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.');
    !name.is_empty() && name.len() <= 128 && !name.starts_with('.') && name.chars().all(letter)
}

/// Calls `with` for each text in a value, with its path.
fn each(value: &Value, path: &str, with: &mut impl FnMut(&Value, &str, &str)) {
    match &value.kind {
        Kind::Leaf(Setting::Text(text)) => with(value, path, text),
        Kind::Leaf(_) => {}
        Kind::List(items) => {
            for (index, item) in items.iter().enumerate() {
                each(item, &format!("{path}[{index}]"), with);
            }
        }
        Kind::Table { entries, .. } => {
            for entry in entries {
                each(&entry.value, &format!("{path}.{}", entry.name), with);
            }
        }
    }
}
