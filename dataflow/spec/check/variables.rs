//! Variables: what is declared, what they stand for, and a tree with them put in. Runs before anything else looks at the tree.

use super::{Check, Raw};
use crate::spec::assign::Given;
use crate::spec::diagnostic::{Diagnostic, Span};
use crate::spec::load::{Entry, Kind, Value};
use crate::spec::reference::{self, Piece};
use crate::spec::secrets::is_name;
use crate::spec::sections::{Section, TOP, section_keys};
use crate::spec::suggest::{did_you_mean, list};
use crate::spec::variables::{Variable, VariableOptions, VariableType, written};
use operators::options::{OptionError, Setting, Wrong};
use operators::secret::{Part, Secret};

/// A variable with the place of what was given for it from outside.
struct Known {
    variable: Variable,
    given: Option<Span>,
}

/// What a stage of variables gives.
pub(super) struct Filled {
    /// The tree with values in the place of variables.
    pub root: Vec<Entry>,
    /// The variables.
    pub variables: Vec<Variable>,
    /// Uses of variables without a value.
    pub missing: Vec<Diagnostic>,
}

/// A tree while its variables are put in.
struct Filling {
    known: Vec<Known>,
    /// Names that are not known and were told.
    told: Vec<String>,
    missing: Vec<Diagnostic>,
}

impl Check<'_> {
    /// The tree with every variable put in. Faults are told; with some, the tree is not to be used.
    pub(super) fn fill(&mut self) -> Filled {
        let known = self.variables();
        let mut filling = Filling {
            known,
            told: Vec::new(),
            missing: Vec::new(),
        };
        let loaded = self.loaded;
        let root = loaded
            .root
            .iter()
            .map(|entry| {
                if entry.name == "vars" {
                    return entry.clone();
                }
                Entry {
                    value: self.put(&mut filling, &entry.value, &entry.name),
                    ..entry.clone()
                }
            })
            .collect();
        Filled {
            root,
            variables: filling.known.into_iter().map(|one| one.variable).collect(),
            missing: filling.missing,
        }
    }

    /// The variables that are declared, with their values.
    fn variables(&mut self) -> Vec<Known> {
        let loaded = self.loaded;
        let keys = Section::named("vars").map(section_keys).unwrap_or_default();
        let mut known = Vec::new();
        for raw in self.nodes("vars") {
            let options: VariableOptions = self.options(&raw, &[], &keys);
            let is_top = TOP.iter().any(|key| key.name == raw.name);
            if is_top || Section::named(&raw.name).is_some() {
                let message = format!("`{}` cannot be the name of a variable", raw.name);
                let fault = Diagnostic::new("E0011", raw.at, &raw.path, message);
                self.found
                    .push(fault.help("it is a key or section of specs, which `--set` would mean"));
            }
            // Without a type it is told already; its name is known all the same.
            let kind = options.kind.unwrap_or(VariableType::Text);
            for limit in ["min", "max"] {
                self.limit(&raw, kind, limit, &options);
            }
            let given = loaded.given.iter().rfind(|given| given.name == raw.name);
            let value = match given {
                Some(given) => self.given(&options, kind, given),
                None if options.kind.is_none() => None,
                None => self.default(&raw, &options, kind),
            };
            known.push(Known {
                variable: Variable {
                    name: raw.name,
                    kind,
                    value,
                    doc: options.doc,
                },
                given: given.map(|given| given.value),
            });
        }
        for given in &loaded.given {
            if known.iter().all(|one| one.variable.name != given.name) {
                let names = || known.iter().map(|one| one.variable.name.as_str());
                let tops = TOP.iter().map(|key| key.name);
                let help = did_you_mean(&given.name, names().chain(tops)).unwrap_or_else(|| {
                    if known.is_empty() {
                        "to set a key write its section too: `SECTION.KEY=VALUE`".to_owned()
                    } else {
                        format!("the variables are {}", list(names()))
                    }
                });
                let message = format!("no variable `{}` is declared", given.name);
                self.found
                    .push(Diagnostic::new("E0501", given.at, &given.name, message).help(help));
            }
        }
        known
    }

    /// `min`, `max`: of the type of the variable, which has an order.
    fn limit(&mut self, raw: &Raw<'_>, kind: VariableType, key: &str, options: &VariableOptions) {
        let limit = if key == "min" {
            &options.min
        } else {
            &options.max
        };
        let Some(limit) = limit else { return };
        if kind.compare(&limit.0, &limit.0).is_none() {
            let message = format!("`{key}` does not fit a variable of type `{}`", kind.name());
            let help = "it is for numbers, durations, sizes and times, and written as they are";
            self.not_allowed(raw, key, &message, help);
        }
    }

    /// What was given from outside, if it fits.
    fn given(
        &mut self,
        options: &VariableOptions,
        kind: VariableType,
        given: &Given,
    ) -> Option<Setting> {
        let value = kind.of_text(&given.text);
        let wrong = match kind.check(&value) {
            Err(error) => Some(told(&error)),
            Ok(()) => options
                .refuses(&value)
                .map(|should| format!("expected {should}, found {}", written(&value))),
        };
        let Some(wrong) = wrong else {
            return Some(value);
        };
        let message = format!("`{}`: {wrong}", given.name);
        let fault = Diagnostic::new(
            "E0502",
            given.value,
            format!("vars.{}", given.name),
            message,
        );
        let help = match &options.doc {
            Some(doc) => format!("`{}`: {doc}", given.name),
            None => format!("it has the type `{}`", kind.name()),
        };
        self.found.push(fault.help(help));
        None
    }

    /// The default, if there is one and it fits.
    fn default(
        &mut self,
        raw: &Raw<'_>,
        options: &VariableOptions,
        kind: VariableType,
    ) -> Option<Setting> {
        let value = &options.default.as_ref()?.0;
        let entry = raw.entry("default")?;
        if let Err(error) = kind.check(value) {
            let keys = Section::named("vars").map(section_keys).unwrap_or_default();
            if let Some(key) = keys.iter().find(|key| key.name == "default") {
                self.wrong(&raw.path, entry, key, error);
            }
            return None;
        }
        if let Some(should) = options.refuses(value) {
            let message = format!("expected {should}, found {}", written(value));
            self.found.push(
                Diagnostic::new(
                    "E0502",
                    entry.value.at,
                    format!("{}.default", raw.path),
                    message,
                )
                .help("the default is a value that the variable may have"),
            );
        }
        Some(value.clone())
    }

    /// A value with the variables in it put in.
    fn put(&mut self, filling: &mut Filling, value: &Value, path: &str) -> Value {
        let (at, kind) = match &value.kind {
            Kind::Leaf(Setting::Text(text)) if text.contains("${") => {
                self.text(filling, value.at, text, path)
            }
            Kind::Leaf(leaf) => (value.at, Kind::Leaf(leaf.clone())),
            Kind::List(items) => {
                let items = items.iter().enumerate();
                let items =
                    items.map(|(index, item)| self.put(filling, item, &format!("{path}[{index}]")));
                (value.at, Kind::List(items.collect()))
            }
            Kind::Table { entries, inline } => {
                let entries = entries.iter().map(|entry| Entry {
                    value: self.put(filling, &entry.value, &format!("{path}.{}", entry.name)),
                    ..entry.clone()
                });
                let kind = Kind::Table {
                    entries: entries.collect(),
                    inline: *inline,
                };
                (value.at, kind)
            }
        };
        Value { at, kind }
    }

    /// A text with the variables in it put in. A path that was given on the command line keeps the place it was given at: it starts
    /// from there.
    fn text(&mut self, filling: &mut Filling, at: Span, text: &str, path: &str) -> (Span, Kind) {
        let pieces = reference::pieces(text);
        let mut parts: Vec<Part> = Vec::new();
        let mut place = at;
        for (index, piece) in pieces.iter().enumerate() {
            let written_as = match piece {
                Piece::Plain(text) => {
                    add(&mut parts, text);
                    continue;
                }
                Piece::Variable(name) => format!("${{{name}}}"),
                Piece::Secret(name) => format!("${{secret:{name}}}"),
                Piece::Environment(name) => format!("${{env:{name}}}"),
                Piece::Open(text) => (*text).to_owned(),
            };
            let before = pieces[..index].iter().filter(|one| *one == piece).count();
            let here = reference::place(&self.loaded.sources, at, &written_as, before);
            match piece {
                Piece::Plain(_) => {}
                Piece::Open(_) => self.found.push(
                    Diagnostic::new("E0501", here, path, "`${` without its `}`")
                        .help("for the two letters themselves write `$${`"),
                ),
                Piece::Secret(name) | Piece::Environment(name) => {
                    if self.loaded.untrusted {
                        let message = format!("an untrusted spec asks for `{written_as}`");
                        self.found.push(
                            Diagnostic::new("E0505", here, path, message)
                                .help("run it without `--untrusted-spec` if you trust it"),
                        );
                    } else if !is_name(name) {
                        let message = format!("`{name}` cannot be the name of a secret");
                        self.found.push(
                            Diagnostic::new("E0506", here, path, message)
                                .help("names have letters, digits, `_`, `-` and `.`"),
                        );
                    }
                    parts.push(match piece {
                        Piece::Secret(_) => Part::Secret((*name).to_owned()),
                        _ => Part::Environment((*name).to_owned()),
                    });
                }
                Piece::Variable(name) => {
                    let Some((value, given)) = self.value(filling, name, here, path) else {
                        continue;
                    };
                    if index == 0 {
                        place = given.unwrap_or(at);
                    }
                    if pieces.len() == 1 {
                        return (place, Kind::Leaf(value));
                    }
                    add(&mut parts, &written(&value));
                }
            }
        }
        let is_secret = parts.iter().any(|part| !matches!(part, Part::Plain(_)));
        let setting = if is_secret {
            let secrets = &self.loaded.secrets;
            Setting::Secret(Secret::new(parts).filled(|part| secrets.get(part)))
        } else {
            let texts = parts.into_iter().map(|part| match part {
                Part::Plain(text) => text,
                Part::Secret(_) | Part::Environment(_) => String::new(),
            });
            Setting::Text(texts.collect())
        };
        (place, Kind::Leaf(setting))
    }

    /// The value of a variable, and where a path comes from that was given from outside. `None` where it is not known, which is told.
    fn value(
        &mut self,
        filling: &mut Filling,
        name: &str,
        here: Span,
        path: &str,
    ) -> Option<(Setting, Option<Span>)> {
        let Some(known) = filling.known.iter().find(|one| one.variable.name == name) else {
            if !filling.told.iter().any(|told| told == name) {
                filling.told.push(name.to_owned());
                let names = filling.known.iter().map(|one| one.variable.name.as_str());
                let help = did_you_mean(name, names).unwrap_or_else(|| {
                    if is_name(name) && name.contains(|c: char| c.is_ascii_uppercase()) {
                        format!(
                            "for the environment write `${{env:{name}}}`, for a secret `${{secret:{name}}}`"
                        )
                    } else {
                        "declare it: `[vars.NAME]` with a `type`".to_owned()
                    }
                });
                let message = format!("no variable `{name}` is declared");
                self.found
                    .push(Diagnostic::new("E0501", here, path, message).help(help));
            }
            return None;
        };
        let variable = &known.variable;
        let given = known.given.filter(|_| variable.kind == VariableType::Path);
        let value = variable.value.clone().unwrap_or_else(|| {
            let message = format!("the variable `{name}` has no value");
            let help = format!("set it: `--set {name}=...`, or give it a `default`");
            if filling.missing.iter().all(|one| one.message != message) {
                filling
                    .missing
                    .push(Diagnostic::new("E0501", here, path, message).help(help));
            }
            variable.kind.any(name)
        });
        Some((value, given))
    }
}

fn add(parts: &mut Vec<Part>, text: &str) {
    match parts.last_mut() {
        Some(Part::Plain(last)) => last.push_str(text),
        _ => parts.push(Part::Plain(text.to_owned())),
    }
}

/// A value that does not fit, in words.
fn told(error: &OptionError) -> String {
    match &error.wrong {
        Wrong::Type(expected, found) => format!("expected {expected}, found {found}"),
        Wrong::Choice(what, _) => format!("it is not a {what}"),
        Wrong::Unit(meant) => format!("a unit is missing, such as {meant}"),
        Wrong::UnknownKey(name, _) => format!("unknown key `{name}`"),
        Wrong::Other(sentence) => sentence.clone(),
    }
}
