//! A tree back to the text of a spec: one table a section or node, deeper settings inline.
//!
//! Comments are not kept: this writes specs that a command line made.

use super::load::{Entry, Kind, Value};
use operators::options::Setting;
use std::fmt::Write as _;

/// The spec as text; loading it gives the same tree, places apart.
pub fn text(root: &[Entry]) -> String {
    let mut out = String::new();
    let is_table = |entry: &&Entry| matches!(entry.value.kind, Kind::Table { inline: false, .. });
    for entry in root.iter().filter(|entry| !is_table(entry)) {
        assign(&mut out, entry);
    }
    for section in root.iter().filter(is_table) {
        let entries = section.value.entries().unwrap_or_default();
        let (nodes, keys): (Vec<_>, Vec<_>) = entries.iter().partition(is_table);
        if !keys.is_empty() || nodes.is_empty() {
            header(&mut out, &[&section.name]);
            keys.into_iter().for_each(|entry| assign(&mut out, entry));
        }
        for node in nodes {
            header(&mut out, &[&section.name, &node.name]);
            for entry in node.value.entries().unwrap_or_default() {
                assign(&mut out, entry);
            }
        }
    }
    out
}

fn header(out: &mut String, names: &[&str]) {
    let names: Vec<String> = names.iter().map(|name| key(name)).collect();
    let gap = if out.is_empty() { "" } else { "\n" };
    let _ = writeln!(out, "{gap}[{}]", names.join("."));
}

fn assign(out: &mut String, entry: &Entry) {
    let _ = writeln!(out, "{} = {}", key(&entry.name), value(&entry.value));
}

fn key(name: &str) -> String {
    toml_edit::Key::new(name).display_repr().into_owned()
}

fn value(value: &Value) -> String {
    setting(&value.setting())
}

/// A setting as TOML.
pub fn setting(setting: &Setting) -> String {
    match setting {
        Setting::Bool(truth) => truth.to_string(),
        Setting::Int(number) => number.to_string(),
        Setting::Float(number) => toml_edit::Value::from(*number).to_string(),
        Setting::Text(text) => toml_edit::Value::from(text.as_str()).to_string(),
        Setting::Secret(secret) => toml_edit::Value::from(secret.to_string()).to_string(),
        Setting::List(items) => {
            let items: Vec<String> = items.iter().map(self::setting).collect();
            format!("[{}]", items.join(", "))
        }
        Setting::Table(parts) => {
            let parts: Vec<String> = parts
                .iter()
                .map(|(name, part)| format!("{} = {}", key(name), self::setting(part)))
                .collect();
            format!("{{ {} }}", parts.join(", "))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::load::Loaded;
    use std::path::PathBuf;

    #[test]
    fn round_trip() {
        let text = "spec = 1\nname = \"a \\\"b\\\" \\u0001\"\n\n[sources]\npath = [\"a\", '''b\nc''']\n\n[flows]\nidle_timeout = { tcp = \"5m\", other = \"off\" }\nx.y = 0.5\n\n[sinks.\"o ut\"]\npath = \"o.csv\"\n\n[sinks.b]\n";
        let load = |text: &str| Loaded::text("t", text, PathBuf::new()).expect("TOML").root;
        let tree = load(text);
        let again = super::text(&tree);
        let bare = |root: Vec<super::Entry>| -> Vec<_> {
            root.into_iter()
                .map(|entry| (entry.name.clone(), entry.value.setting()))
                .collect()
        };
        assert_eq!(bare(load(&again)), bare(tree), "{again}");
        assert_eq!(super::text(&load(&again)), again);
    }
}
