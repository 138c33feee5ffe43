//! Keys to settings: every one through the `Options` of its node, every fault in its place.

use super::{Check, Raw};
use crate::spec::diagnostic::{Diagnostic, Span};
use crate::spec::load::{Entry, Kind, Value};
use crate::spec::sections::{Section, section_keys};
use crate::spec::suggest::{did_you_mean, list, nearest};
use operators::options::{Key, OptionError, Options, Setting, Step, Wrong};

impl<'a> Check<'a> {
    pub(super) fn wrong_type(&mut self, value: &Value, path: &str, expected: &str, help: &str) {
        if self.misplaced(value, path) {
            return;
        }
        let found = value.setting().kind();
        self.found.push(
            Diagnostic::new(
                "E0007",
                value.at,
                path,
                format!("expected {expected}, found {found}"),
            )
            .help(help),
        );
    }

    /// Whether a value is a secret, which is told: it was meant for a key that is none.
    pub(super) fn misplaced(&mut self, value: &Value, path: &str) -> bool {
        let Kind::Leaf(Setting::Secret(secret)) = &value.kind else {
            return false;
        };
        let message = format!("`{secret}` is a secret, and this is no key for secrets");
        let fault = Diagnostic::new("E0506", value.at, path, message);
        self.found
            .push(fault.help("for a value that everybody may see use a variable: `${NAME}`"));
        true
    }

    /// The settings of a section that may be absent.
    pub(super) fn optional<O: Options>(&mut self, section: &str, raw: Option<&Raw<'a>>) -> O {
        let common: &[&str] = match section {
            "decode" | "run" => &[],
            _ => &["input"],
        };
        raw.map_or_else(O::default, |raw| {
            let keys = Section::named(section)
                .map(section_keys)
                .unwrap_or_default();
            self.options(raw, common, &keys)
        })
    }

    /// Reads every key of a node that is not in `common` into its settings.
    pub(super) fn options<O: Options>(
        &mut self,
        raw: &Raw<'_>,
        common: &[&str],
        keys: &[Key],
    ) -> O {
        let mut options = O::default();
        self.read(raw, common, &O::keys(), keys, |key, value| {
            options.set(key, value)
        });
        options
    }

    /// Reads every key of a node that is not in `common`. `own` are the keys that `set` takes, `keys` all that may be there.
    pub(super) fn read(
        &mut self,
        raw: &Raw<'_>,
        common: &[&str],
        own: &[Key],
        keys: &[Key],
        mut set: impl FnMut(&str, &Setting) -> Result<(), OptionError>,
    ) {
        for entry in raw.entries {
            if common.contains(&entry.name.as_str()) {
                continue;
            }
            let Some(key) = own.iter().find(|key| key.name == entry.name) else {
                let title = format!("`[{}]`", raw.path);
                self.unknown_key(entry, &raw.path, &title, keys);
                continue;
            };
            if let Err(error) = set(key.name, &entry.value.setting()) {
                self.wrong(&raw.path, entry, key, error);
            }
        }
        for key in own {
            if key.required && raw.entry(key.name).is_none() {
                self.missing(raw, key.name);
            }
        }
    }

    pub(super) fn missing(&mut self, raw: &Raw<'_>, key: &str) {
        self.found.push(
            Diagnostic::new(
                "E0006",
                raw.at,
                format!("{}.{key}", raw.path),
                format!("`[{}]` needs the key `{key}`", raw.path),
            )
            .help(format!("`jayflow new` shows what `{key}` may be")),
        );
    }

    pub(super) fn unknown_key(&mut self, entry: &Entry, path: &str, title: &str, keys: &[Key]) {
        let known = || keys.iter().map(|key| key.name);
        let help = did_you_mean(&entry.name, known())
            .unwrap_or_else(|| format!("its keys are {}", list(known())));
        let mut fault = Diagnostic::new(
            "E0005",
            entry.at,
            format!("{path}.{}", entry.name),
            format!("unknown key `{}` in {title}", entry.name),
        )
        .help(help);
        if let [one] = nearest(&entry.name, known())[..] {
            fault = fault.edit(one);
        }
        self.found.push(fault);
    }

    /// A setting that its node does not take.
    pub(super) fn wrong(&mut self, path: &str, entry: &Entry, key: &Key, error: OptionError) {
        let (value, inner_key) = entry.value.inner(&error.at);
        let mut path = format!("{path}.{}", entry.name);
        for step in &error.at {
            match step {
                Step::Key(name) => {
                    path.push('.');
                    path.push_str(name);
                }
                Step::Index(index) => {
                    path.push_str(&format!("[{index}]"));
                }
            }
        }
        let at = value.at;
        if self.misplaced(value, &path) {
            return;
        }
        let quoted: Vec<String> = key.choices.iter().map(|one| format!("\"{one}\"")).collect();
        let one_of = format!("one of {}", list(quoted.iter().map(String::as_str)));
        let fault = match error.wrong {
            Wrong::Type(expected, found) => {
                let expected = if expected.starts_with("one of ") {
                    "text"
                } else {
                    &expected
                };
                let fault = Diagnostic::new(
                    "E0007",
                    at,
                    path,
                    format!("expected {expected}, found {found}"),
                );
                if key.choices.is_empty() {
                    fault.help(what_it_is(key))
                } else {
                    fault.help(one_of)
                }
            }
            Wrong::Choice(what, choices) => {
                let written = value.text().unwrap_or_default().to_owned();
                let known = || choices.iter().map(String::as_str);
                let one_of = format!("one of {}", list(known()));
                let help = did_you_mean(&written, known())
                    .map_or_else(|| one_of.clone(), |near| format!("{near} {one_of}"));
                let article = if what.starts_with(['a', 'e', 'i', 'o', 'u']) {
                    "an"
                } else {
                    "a"
                };
                let fault = Diagnostic::new(
                    "E0008",
                    at,
                    path,
                    format!("`{written}` is not {article} {what}"),
                )
                .help(help);
                match nearest(&written, known())[..] {
                    [one] => fault.edit(format!("\"{one}\"")),
                    _ => fault,
                }
            }
            Wrong::Unit(meant) => unit(at, path, &meant),
            Wrong::UnknownKey(name, known) => {
                let known = || known.iter().map(String::as_str);
                let help = did_you_mean(&name, known())
                    .unwrap_or_else(|| format!("its keys are {}", list(known())));
                let at = inner_key.unwrap_or(at);
                let fault =
                    Diagnostic::new("E0005", at, path, format!("unknown key `{name}`")).help(help);
                match nearest(&name, known())[..] {
                    [one] => fault.edit(one),
                    _ => fault,
                }
            }
            Wrong::Other(sentence) => {
                let digits = value.text().filter(|text| {
                    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
                });
                match digits {
                    Some(digits) if sentence.contains("a duration such as") => {
                        unit(at, path, &format!("\"{digits}s\""))
                    }
                    Some(digits) if sentence.contains("a size such as") => {
                        unit(at, path, &format!("\"{digits}B\""))
                    }
                    _ => Diagnostic::new("E0008", at, path, sentence).help(what_it_is(key)),
                }
            }
        };
        self.found.push(fault);
    }

    pub(super) fn not_allowed(&mut self, raw: &Raw<'_>, key: &str, message: &str, help: &str) {
        let at = raw.entry(key).map_or(raw.at, |entry| entry.value.at);
        self.found
            .push(Diagnostic::new("E0008", at, format!("{}.{key}", raw.path), message).help(help));
    }

    /// `type` of a node: what is written there, if it is one of `known`.
    pub(super) fn type_of(
        &mut self,
        raw: &Raw<'_>,
        what: &str,
        known: &[&'static str],
    ) -> Result<Option<&'static str>, ()> {
        let Some(entry) = raw.entry("type") else {
            return Ok(None);
        };
        let path = format!("{}.type", raw.path);
        let one_of = format!("one of {}", list(known.iter().copied()));
        let Some(text) = entry.value.text() else {
            self.wrong_type(&entry.value, &path, "text", &one_of);
            return Err(());
        };
        if let Some(name) = known.iter().find(|name| **name == text) {
            return Ok(Some(name));
        }
        let help = did_you_mean(text, known.iter().copied())
            .map_or_else(|| one_of.clone(), |near| format!("{near} {one_of}"));
        let mut fault = Diagnostic::new(
            "E0008",
            entry.value.at,
            path,
            format!("`{text}` is not a type of {what}"),
        )
        .help(help);
        if let [one] = nearest(text, known.iter().copied())[..] {
            fault = fault.edit(format!("\"{one}\""));
        }
        self.found.push(fault);
        Err(())
    }
}

/// `E0212`, for a number whose unit is missing; `meant` is the value with its smallest usual unit.
fn unit(at: Span, path: String, meant: &str) -> Diagnostic {
    let number = meant.trim_matches(|c: char| !c.is_ascii_digit() && c != '.' && c != '-');
    let (what, help) = if meant.ends_with("s\"") {
        let minutes = number
            .parse::<u64>()
            .ok()
            .filter(|n| *n > 60 && n % 60 == 0);
        let help = match minutes {
            Some(seconds) => format!("write `\"{number}s\"` or `\"{}m\"`", seconds / 60),
            None => format!("write `\"{number}s\"` (seconds) or `\"{number}ms\"`"),
        };
        ("a duration", help)
    } else {
        let help = format!("write `\"{number}B\"` (bytes) or `\"{number}MiB\"`");
        ("a size", help)
    };
    Diagnostic::new("E0212", at, path, format!("{what} needs a unit"))
        .help(help)
        .edit(meant)
}

/// The first sentence of a key's definition, as advice.
fn what_it_is(key: &Key) -> String {
    let end = key.doc.find(". ").unwrap_or(key.doc.len());
    let sentence = key.doc[..end].trim_end_matches('.');
    format!("`{}`: {sentence}", key.name)
}
