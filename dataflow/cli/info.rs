//! `jayflow info`.

use super::{Failure, Outcome, print};
use crate::Error;
use crate::facts::Facts;
use crate::report::{counted, size, thousands, told};
use crate::spec::diagnostic::visible;
use clap::Args;
use operators::books::{Counts, Reason};
use operators::sources::{self, Moment, PcapOptions, Streams};
use serde_json::{Value, json};
use std::fmt::Write as _;
use std::path::Path;

/// Tells what captures hold: packets, times, link types, protocols, what was cut off and what is damaged, and where.
///
/// Exit code 0 where all could be read whole, 3 where some could not, 4 where none could. Example: `jayflow info day1/*.pcap --json`
#[derive(Args, Debug)]
pub struct Info {
    /// Captures: files, globs, directories; `-` is standard input.
    #[arg(required = true)]
    input: Vec<String>,
    /// Reads directories with all their subdirectories.
    #[arg(short, long)]
    recursive: bool,
    /// As JSON.
    #[arg(long)]
    json: bool,
}

impl Info {
    /// Reads the inputs and prints what is in them.
    pub(super) fn run(&self) -> Outcome {
        let options = PcapOptions {
            path: self.input.clone(),
            recursive: self.recursive,
            ..PcapOptions::default()
        };
        let inputs = sources::list(&options, Path::new("")).map_err(|errors| {
            let errors: Vec<String> = errors.iter().map(ToString::to_string).collect();
            Failure::Usage(Error::new(errors.join("; ")).help("name files, directories or globs"))
        })?;
        let (inputs, streams) = (sources::in_archives(inputs), Streams::default());
        let (mut all, mut list) = (Facts::default(), Vec::new());
        for (at, capture) in inputs.iter().enumerate() {
            let (name, facts) = (capture.name(), Facts::of(capture, &streams));
            all.merge(&facts);
            if self.json {
                list.push(json(Some(&name), &facts));
            } else {
                let gap = if at == 0 { "" } else { "\n" };
                print(&format!("{gap}{}\n{}", visible(&name), text(&facts)))?;
            }
        }
        if self.json {
            let value = json!({"inputs": list, "all": json(None, &all)});
            print(&format!("{value:#}\n"))?;
        } else if inputs.len() > 1 {
            let inputs = thousands(inputs.len() as u64);
            print(&format!("\n{inputs} inputs together\n{}", text(&all)))?;
        }
        let books = &all.books.inputs;
        Ok(match books.partial.total() + books.refused.total() {
            0 => 0,
            _ if books.whole + books.partial.total() == 0 => 4,
            _ => 3,
        })
    }
}

fn text(facts: &Facts) -> String {
    let mut out = String::new();
    let mut line = |what: &str, text: &str| {
        if !text.is_empty() {
            let _ = writeln!(out, "  {what:<11} {text}");
        }
    };
    let books = &facts.books;
    let formats: Vec<&str> = facts.formats.iter().map(String::as_str).collect();
    let format = if formats.is_empty() {
        "none that can be read".to_owned()
    } else {
        formats.join(", ")
    };
    line("format", &format!("{format}, {}", size(facts.bytes)));
    let (captured, original) = (size(facts.captured), size(facts.original));
    let of_original = if facts.cut > 0 {
        format!(" of {original}")
    } else {
        String::new()
    };
    let packets = thousands(books.packets.read);
    line("packets", &format!("{packets}, {captured}{of_original}"));
    if let Some((first, last)) = facts.times {
        let (from, to, span) = (Moment(first), Moment(last), span(first, last));
        line("time", &format!("{from} to {to}, {span:.3} s"));
    }
    line("link types", &pairs(&facts.link_names()));
    let limits: Vec<String> = facts.snap_lengths.iter().map(|one| limit(*one)).collect();
    let cut = match facts.cut {
        0 => "no packet cut".to_owned(),
        cut => format!("{} packets cut", thousands(cut)),
    };
    if !limits.is_empty() {
        line("snap length", &format!("{}; {cut}", limits.join(", ")));
    }
    let versions: Vec<String> = facts
        .versions
        .iter()
        .map(|(version, count)| format!("ip{version} {}", thousands(*count)))
        .collect();
    line("ip", &versions.join(" · "));
    line("protocols", &pairs(&facts.protocol_names()));
    let mut skipped = counted(&books.packets.skipped, " · ");
    if !books.packets.ethertypes.is_empty() {
        let types: Vec<String> = ethertypes(facts)
            .map(|(name, count)| format!("{name} {}", thousands(count)))
            .collect();
        let _ = write!(skipped, " (EtherTypes {})", types.join(", "));
    }
    line("in no flow", &skipped);
    line("anomalies", &counted(&books.anomalies, " · "));
    for fault in facts.faults() {
        line("damage", &told(fault));
    }
    out
}

fn json(name: Option<&str>, facts: &Facts) -> Value {
    let books = &facts.books;
    let time = |ns: i64| Moment(ns).to_string();
    let mut value = json!({
        "formats": facts.formats,
        "bytes": facts.bytes,
        "packets": books.packets.read,
        "captured_bytes": facts.captured,
        "original_bytes": facts.original,
        "cut_packets": facts.cut,
        "snap_lengths": facts.snap_lengths,
        "first": facts.times.map(|(first, _)| time(first)),
        "last": facts.times.map(|(_, last)| time(last)),
        "seconds": facts.times.map(|(first, last)| span(first, last)),
        "link_types": facts.link_names(),
        "ip": facts.versions,
        "protocols": facts.protocol_names(),
        "skipped": counts(&books.packets.skipped),
        "ethertypes": ethertypes(facts).collect::<std::collections::BTreeMap<_, _>>(),
        "anomalies": counts(&books.anomalies),
        "whole": books.inputs.whole,
        "partial": counts(&books.inputs.partial),
        "refused": counts(&books.inputs.refused),
        "faults": facts.faults(),
    });
    if let (Some(name), Value::Object(map)) = (name, &mut value) {
        map.insert("input".to_owned(), json!(name));
    }
    value
}

/// Seconds between two times.
fn span(first: i64, last: i64) -> f64 {
    operators::statistics::seconds(last.abs_diff(first))
}

fn limit(snap_length: u32) -> String {
    match snap_length {
        0 => "no limit".to_owned(),
        bytes => thousands(bytes.into()),
    }
}

/// Names with their counts, the most frequent first.
fn pairs(counts: &std::collections::BTreeMap<String, u64>) -> String {
    let mut pairs: Vec<(&String, &u64)> = counts.iter().collect();
    pairs.sort_by_key(|(_, count)| std::cmp::Reverse(**count));
    let texts = pairs
        .iter()
        .map(|(name, count)| format!("{name} {}", thousands(**count)));
    texts.collect::<Vec<_>>().join(" · ")
}

fn counts<R: Reason>(counts: &Counts<R>) -> Value {
    counts
        .nonzero()
        .map(|(reason, count)| (reason.name().to_owned(), json!(count)))
        .collect::<serde_json::Map<_, _>>()
        .into()
}

fn ethertypes(facts: &Facts) -> impl Iterator<Item = (String, u64)> + '_ {
    let types = facts.books.packets.ethertypes.iter();
    types.map(|(kind, count)| (format!("0x{kind:04x}"), *count))
}
