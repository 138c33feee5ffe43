//! The keys of specs and the words of expressions as Markdown, made of their tables: the reference part of the manual.

use super::example::written;
use super::sections::{SECTIONS, TOP, section_keys, sink_keys};
use operators::expressions::aggregates::{MEASURES, fields};
use operators::expressions::functions::FUNCTIONS;
use operators::options::Key;
use operators::sinks::SinkOptions;
use std::fmt::Write as _;

/// A table for each section; for sinks one for each type.
pub fn keys() -> String {
    let mut out = "### At the top\n\n| key | what |\n|---|---|\n".to_owned();
    for top in TOP {
        let _ = writeln!(out, "| `{}` | {} |", top.name, top.doc);
    }
    for section in &SECTIONS {
        let name = match section.single {
            None if section.named => format!("[{}.NAME]", section.name),
            None => format!("[{}]", section.name),
            Some(_) => format!("[{}] or [{0}.NAME]", section.name),
        };
        let _ = writeln!(out, "\n### `{name}`\n{}", section.doc);
        if section.name == "sinks" {
            for kind in SinkOptions::KINDS {
                let _ = writeln!(out, "\n#### `type = \"{kind}\"`");
                table(&mut out, &sink_keys(Some(kind)));
            }
        } else {
            table(&mut out, &section_keys(section));
        }
    }
    out + &language()
}

/// The words of expressions: functions, aggregates, fields of packets.
fn language() -> String {
    let mut out = "\n### Functions\n\n| function | what | example |\n|---|---|---|\n".to_owned();
    let mut row = |cells: [String; 3]| {
        let cells = cells.map(|cell| cell.replace('|', "\\|"));
        let _ = writeln!(out, "| {} |", cells.join(" | "));
    };
    for function in FUNCTIONS {
        let forms = function.forms.iter().map(|form| {
            let takes: Vec<&str> = form.takes.iter().map(|one| one.name()).collect();
            format!("{}({})", function.name, takes.join(", "))
        });
        let mut forms: Vec<String> = forms.collect();
        forms.dedup();
        let (example, gives) = function.example;
        row([
            format!("`{}`", forms.join("`, `")),
            function.doc.to_owned(),
            format!("`{example}` is `{gives}`"),
        ]);
    }
    out.push_str("\n### Aggregates of packets\n\n| aggregate | what | options |\n|---|---|---|\n");
    let mut row = |cells: [String; 3]| {
        let _ = writeln!(out, "| {} |", cells.join(" | "));
    };
    for measure in MEASURES {
        let options: Vec<String> = measure
            .options
            .iter()
            .map(|one| format!("`{one}`"))
            .collect();
        row([
            format!("`{}`", measure.name),
            measure.doc.to_owned(),
            options.join(", "),
        ]);
    }
    out.push_str("\n### Fields of packets\n\n| field | type | what |\n|---|---|---|\n");
    for (name, kind, doc) in fields::described() {
        let _ = writeln!(out, "| `pkt.{name}` | {kind} | {doc} |");
    }
    out
}

fn table(out: &mut String, keys: &[Key]) {
    let _ = writeln!(out, "\n| key | value | default | what |\n|---|---|---|---|");
    for key in keys {
        let value = match &key.choices[..] {
            [] => key.kind.clone(),
            choices if key.kind.ends_with("of such") => format!("any of {}", coded(choices)),
            choices => coded(choices),
        };
        let default = match key.default {
            Some(default) => format!("`{}`", written(default)),
            None if key.required => "required".to_owned(),
            None => String::new(),
        };
        let cells = [
            format!("`{}`", key.name),
            value,
            default,
            key.doc.to_owned(),
        ];
        let cells = cells.map(|cell| cell.replace('|', "\\|"));
        let _ = writeln!(out, "| {} |", cells.join(" | "));
    }
}

fn coded(choices: &[&str]) -> String {
    let choices: Vec<String> = choices.iter().map(|one| format!("`\"{one}\"`")).collect();
    choices.join(", ")
}
