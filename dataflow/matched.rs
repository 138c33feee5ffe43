//! What a run says of its joins: whether as much matched as was expected, and what the files were like.

use crate::plan::Plan;
use crate::report::{counted, thousands};
use operators::Error;
use operators::books::{Books, Counts, JoinBooks, LineSkip};
use operators::joins::Many;
use serde::Serialize;
use std::collections::BTreeMap;
use std::fmt::Write as _;

/// Why a run must not end well: too little matched, or several lines did where that is an error.
pub fn fault(plan: &Plan, books: &Books) -> Option<Error> {
    plan.joins().find_map(|(name, join)| {
        let found = books.joins.get(name)?;
        if let (Many::Error, Some((start, _, lines))) = (join.options.many, &found.first) {
            let (seconds, ns) = (start.div_euclid(1_000_000_000), start.rem_euclid(1_000_000_000));
            let message = format!(
                "join {name}: {} of {} rows match several lines; the first, of {seconds}.{ns:09}, {lines}",
                thousands(found.several),
                thousands(found.offered),
            );
            return Some(Error::new(message).help(
                "`many` can take the `first`, the `last` or `all` of them; `time` makes them fewer",
            ));
        }
        let expected = join.options.expect_matched?.0;
        #[expect(clippy::cast_precision_loss, reason = "a share for people")]
        let share = found.matched as f64 / found.offered.max(1) as f64;
        // of no rows nothing can be expected
        if found.offered == 0 || share >= expected {
            return None;
        }
        let message = format!(
            "[E0701] join {name}: {} of {} rows matched, {:.1} %, and {} % are expected\n{}",
            thousands(found.matched),
            thousands(found.offered),
            share * 100.0,
            expected * 100.0,
            text(name, found).trim_end()
        );
        Some(Error::new(message).help(
            "look at `zone`, `format`, `tolerance` and `either_direction`, or lower `expect_matched`; nothing was written",
        ))
    })
}

/// What was found by a join, for people.
pub fn text(name: &str, books: &JoinBooks) -> String {
    let mut out = format!(
        "  join      {name}: {} matched, {} not",
        thousands(books.matched),
        thousands(books.unmatched)
    );
    let parts = [
        ("by several lines", books.several),
        ("in the other direction", books.reversed),
        ("left out", books.left_out),
        ("more rows", books.copies),
    ];
    let told = parts.iter().filter(|(_, count)| *count > 0);
    let told: Vec<String> = told
        .map(|(what, count)| format!("{} {what}", thousands(*count)))
        .collect();
    if !told.is_empty() {
        let _ = write!(out, " ({})", told.join(", "));
    }
    if let Some(file) = &books.file {
        let _ = write!(
            out,
            "; {} lines, {} used",
            thousands(file.lines),
            thousands(file.used)
        );
        if file.repeated > 0 {
            let _ = write!(out, ", {} repeated", thousands(file.repeated));
        }
        let skipped = counted(&file.skipped, ", ");
        if !skipped.is_empty() {
            let _ = write!(out, ", {skipped}");
        }
    }
    out.push('\n');
    out
}

/// What is odd about the files, for people.
pub fn warnings(books: &Books) -> String {
    let mut out = String::new();
    for (name, join) in &books.joins {
        let Some(file) = &join.file else { continue };
        let times: u64 = (LineSkip::ALL.iter())
            .filter(|reason| **reason != LineSkip::NoKey)
            .map(|reason| file.skipped.get(*reason))
            .sum();
        if times > 0 {
            let _ = writeln!(
                out,
                "warning: join {name}: {} lines have no certain time and match nothing",
                thousands(times)
            );
            for line in &file.shown {
                let _ = writeln!(out, "  {}", crate::spec::diagnostic::visible(line));
            }
        }
    }
    out
}

/// The books of a join, for programs.
#[derive(Serialize)]
pub struct Summary<'a> {
    offered: u64,
    matched: u64,
    unmatched: u64,
    several: u64,
    reversed: u64,
    copies: u64,
    left_out: u64,
    passed: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    file: Option<File<'a>>,
}

#[derive(Serialize)]
struct File<'a> {
    lines: u64,
    used: u64,
    repeated: u64,
    skipped: BTreeMap<&'static str, u64>,
    shown: &'a [String],
}

impl<'a> Summary<'a> {
    /// That of a join.
    pub fn of(books: &'a JoinBooks) -> Self {
        let named = |counts: &Counts<LineSkip>| {
            let counts = counts.nonzero();
            counts
                .map(|(reason, count)| (reason.name(), count))
                .collect()
        };
        Self {
            offered: books.offered,
            matched: books.matched,
            unmatched: books.unmatched,
            several: books.several,
            reversed: books.reversed,
            copies: books.copies,
            left_out: books.left_out,
            passed: books.passed,
            file: books.file.as_ref().map(|file| File {
                lines: file.lines,
                used: file.used,
                repeated: file.repeated,
                skipped: named(&file.skipped),
                shown: &file.shown,
            }),
        }
    }
}
