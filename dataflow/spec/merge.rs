//! One tree over another: tables key by key, anything else is replaced; `"none"` removes a node; `groups_add` and the like change a list.

use super::diagnostic::Diagnostic;
use super::load::{Entry, Kind, Value};
use super::suggest::did_you_mean;
use operators::options::Setting;

/// Lists of `[features]` that have forms `NAME_add` and `NAME_drop`, with what such a list is where it is not set.
pub const LISTS: [(&str, Option<&[&str]>); 3] = [
    ("groups", Some(&["all"])),
    ("only", None),
    ("drop", Some(&[])),
];

/// Lays `over` over `base`.
pub fn lay(base: &mut Vec<Entry>, over: Vec<Entry>) {
    for entry in over {
        let Some(at) = base.iter().position(|old| old.name == entry.name) else {
            base.push(entry);
            continue;
        };
        let old = &mut base[at];
        let is_header = matches!(old.value.kind, Kind::Table { inline: false, .. });
        if is_header && entry.value.text() == Some("none") {
            base.remove(at);
            continue;
        }
        match (&mut old.value.kind, entry.value.kind) {
            (Kind::Table { entries, .. }, Kind::Table { entries: new, .. }) => lay(entries, new),
            (_, kind) => {
                old.at = entry.at;
                old.value = Value {
                    at: entry.value.at,
                    kind,
                };
            }
        }
    }
}

/// Applies the forms `NAME_add` and `NAME_drop` of lists to the lists; says whether there were any.
pub fn lists(root: &mut [Entry], found: &mut Vec<Diagnostic>) -> bool {
    let Some(section) = root.iter_mut().find(|entry| entry.name == "features") else {
        return false;
    };
    let Kind::Table { entries, .. } = &mut section.value.kind else {
        return false;
    };
    let mut changed = set(entries, "features", found);
    for node in entries {
        let path = format!("features.{}", node.name);
        if let Kind::Table {
            entries,
            inline: false,
        } = &mut node.value.kind
        {
            changed |= set(entries, &path, found);
        }
    }
    changed
}

/// Applies the forms in the keys of one set of features; says whether there were any.
fn set(entries: &mut Vec<Entry>, path: &str, found: &mut Vec<Diagnostic>) -> bool {
    let mut changed = false;
    for (name, default) in LISTS {
        for adds in [true, false] {
            let form = format!("{name}_{}", if adds { "add" } else { "drop" });
            let Some(at) = entries.iter().position(|entry| entry.name == form) else {
                continue;
            };
            let entry = entries.remove(at);
            changed = true;
            let path = format!("{path}.{form}");
            let Some(items) = texts(&entry.value, &path, found) else {
                continue;
            };
            let old = entries.iter().find(|entry| entry.name == name);
            let mut list = match (old.map(|old| &old.value), default) {
                (Some(value), _) => match &value.kind {
                    Kind::List(items) => items.clone(),
                    _ => vec![value.clone()],
                },
                (None, Some(default)) => default
                    .iter()
                    .map(|name| Value {
                        at: entry.value.at,
                        kind: Kind::Leaf(Setting::Text((*name).to_owned())),
                    })
                    .collect(),
                (None, None) => {
                    let message = format!("`{form}` changes the list `{name}`, which is not set");
                    found.push(
                        Diagnostic::new("E0008", entry.at, path, message)
                            .help(format!("write `{name}`")),
                    );
                    continue;
                }
            };
            for item in items {
                change(&mut list, item, (name, adds), &path, found);
            }
            let value = Value {
                at: entry.value.at,
                kind: Kind::List(list),
            };
            match entries.iter_mut().find(|entry| entry.name == name) {
                Some(old) => old.value = value,
                None => entries.push(Entry {
                    name: name.to_owned(),
                    at: entry.at,
                    value,
                }),
            }
        }
    }
    changed
}

/// Adds an item to a list, or takes it out.
fn change(
    list: &mut Vec<Value>,
    item: Value,
    (name, adds): (&str, bool),
    path: &str,
    found: &mut Vec<Diagnostic>,
) {
    let at = list.iter().position(|old| old.text() == item.text());
    match (at, adds) {
        (None, true) => list.push(item),
        (Some(_), true) => {}
        (Some(at), false) => {
            list.remove(at);
        }
        (None, false) => {
            let text = item.text().unwrap_or_default();
            let known = || list.iter().filter_map(Value::text);
            let help = did_you_mean(text, known()).unwrap_or_else(|| {
                if name == "groups" && known().any(|one| one == "all") {
                    format!("to take a group out of `all` write `groups_add = [\"-{text}\"]`")
                } else {
                    let known: Vec<&str> = known().collect();
                    format!("it has {}", super::suggest::list(known))
                }
            });
            let message = format!("`{text}` is not in the list `{name}`");
            found.push(Diagnostic::new("E0008", item.at, path, message).help(help));
        }
    }
}

/// The texts of a text or a list of such; `None` where it is something else, which is told.
pub fn texts(value: &Value, path: &str, found: &mut Vec<Diagnostic>) -> Option<Vec<Value>> {
    let items = match &value.kind {
        Kind::List(items) => items.clone(),
        _ => vec![value.clone()],
    };
    let mut fine = true;
    for (index, item) in items.iter().enumerate() {
        if item.text().is_none() {
            let place = match &value.kind {
                Kind::List(_) => format!("{path}[{index}]"),
                _ => path.to_owned(),
            };
            let message = format!("expected text, found {}", item.setting().kind());
            found.push(
                Diagnostic::new("E0007", item.at, place, message)
                    .help("write a text, or a list of such"),
            );
            fine = false;
        }
    }
    fine.then_some(items)
}
