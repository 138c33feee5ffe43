//! A spec to start from, made of the table of keys: each with its default and what it does.

use super::sections::{SECTIONS, section_keys};
use operators::options::Key;
use std::fmt::Write as _;

/// Keys that are set in the example, so that it can run.
const SET: [(&str, &str, &str); 2] = [
    ("sources", "path", "\"capture.pcap\""),
    ("sinks", "path", "\"flows.parquet\""),
];

/// The text of the example.
pub fn text() -> String {
    let mut out =
        "# A spec of jayflow. Lines that begin with `#` show keys with their defaults.\nspec = 1\n"
            .to_owned();
    for section in &SECTIONS {
        let header = match section.named {
            true => format!("# [{}.name]", section.name),
            false => format!("[{}]", section.name),
        };
        let _ = writeln!(out, "\n# {}\n{header}", section.doc);
        for key in section_keys(section) {
            let set = SET
                .iter()
                .find(|(name, of, _)| *name == section.name && *of == key.name);
            comment(&mut out, &key);
            let _ = match (set, key.default) {
                (Some((_, _, value)), _) => writeln!(out, "{} = {value}", key.name),
                (None, Some(default)) => writeln!(out, "# {} = {}", key.name, written(default)),
                (None, None) => writeln!(out, "# {} =", key.name),
            };
        }
    }
    out
}

/// What a key does, in lines of at most 100 characters.
fn comment(out: &mut String, key: &Key) {
    let mut doc = key.doc.to_owned();
    if !key.choices.is_empty() && !key.choices.iter().all(|choice| doc.contains(choice)) {
        let _ = write!(doc, " One of {}.", key.choices.join(", "));
    }
    let mut line = "#".to_owned();
    for word in doc.split_whitespace() {
        if line.chars().count() + 1 + word.chars().count() > 100 {
            let _ = writeln!(out, "{line}");
            line = "#".to_owned();
        }
        line.push(' ');
        line.push_str(word);
    }
    let _ = writeln!(out, "{line}");
}

/// A default as TOML.
pub fn written(default: &str) -> String {
    let is_list = default.starts_with('[');
    let plain = matches!(default, "true" | "false") || default.parse::<f64>().is_ok() || is_list;
    if plain {
        default.to_owned()
    } else {
        format!("\"{default}\"")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spec::Loaded;
    use std::path::PathBuf;

    fn check(text: &str) {
        let loaded = Loaded::text("example", text, PathBuf::new());
        let found = loaded.and_then(|loaded| loaded.check());
        if let Err(found) = found {
            panic!("{}\n{text}", found.text(false));
        }
    }

    #[test]
    fn the_example_can_run_also_with_every_default_written_out() {
        let text = text();
        check(&text);
        let mut there = true;
        // A second `type` would be needed for the keys of other types of sinks.
        let uncommented: Vec<String> = text
            .split("\n[sinks]")
            .next()
            .unwrap_or_default()
            .lines()
            .map(|line| {
                // nodes that have to be named are not in the example
                if line.starts_with('[') || line.starts_with("# [") {
                    there = line.starts_with('[');
                }
                match line.strip_prefix("# ").filter(|_| there) {
                    Some(rest) if rest.split(' ').nth(1) == Some("=") && !rest.ends_with('=') => {
                        rest.to_owned()
                    }
                    _ => line.to_owned(),
                }
            })
            .collect();
        check(&format!(
            "{}\n[sinks]\npath = \"flows.parquet\"\n",
            uncommented.join("\n")
        ));
    }
}
