//! What is wrong with a spec, as a value, and its three renderings: text, JSON and GitHub annotations.
//!
//! A handler of our own: the form is fixed by the language, and no crate prints it. Nothing here knows what a spec means.

use serde_json::{Value, json};
use std::fmt::Write as _;
use std::path::PathBuf;

/// A text that settings come from: a spec file, or one `--set`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Source {
    /// Its name in messages.
    pub name: String,
    /// What is in it.
    pub text: String,
    /// What relative paths in it start from; empty = the working directory.
    pub base: PathBuf,
}

/// A place in one of the sources, in bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Span {
    /// Which source.
    pub source: usize,
    /// First byte.
    pub start: usize,
    /// The byte after the last.
    pub end: usize,
}

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Severity {
    /// The spec cannot run.
    Error,
    /// It can, but probably does not do what is meant.
    Warning,
}

impl Severity {
    const fn name(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warning => "warning",
        }
    }
}

/// A change of the text that would help.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Edit {
    /// What is replaced.
    pub at: Span,
    /// By what.
    pub text: String,
}

/// One thing that is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagnostic {
    /// Stable: `jayflow help CODE` explains it. The first letter is the severity.
    pub code: &'static str,
    /// Where.
    pub at: Span,
    /// The key it is about, from the outside in: `sinks.out.path`.
    pub path: String,
    /// What, in one line.
    pub message: String,
    /// What to do about it.
    pub help: Option<String>,
    /// The changes that do it, where they are certain.
    pub edits: Vec<Edit>,
}

impl Diagnostic {
    /// A fault without advice.
    pub fn new(
        code: &'static str,
        at: Span,
        path: impl Into<String>,
        message: impl Into<String>,
    ) -> Self {
        Self {
            code,
            at,
            path: path.into(),
            message: message.into(),
            help: None,
            edits: Vec::new(),
        }
    }

    /// The same with advice.
    #[must_use]
    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    /// The same with a change of the marked text.
    #[must_use]
    pub fn edit(mut self, text: impl Into<String>) -> Self {
        self.edits.push(Edit {
            at: self.at,
            text: text.into(),
        });
        self
    }

    /// How bad it is.
    pub fn severity(&self) -> Severity {
        if self.code.starts_with('W') {
            Severity::Warning
        } else {
            Severity::Error
        }
    }
}

/// All that was found at one stage of the check, with the texts it was found in.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Diagnostics {
    /// What the spans point into.
    pub sources: Vec<Source>,
    /// In the order in which they were found, at most [`Diagnostics::MOST`].
    pub list: Vec<Diagnostic>,
    /// How many more there were.
    pub more: usize,
}

/// A line of a source with the marked part.
struct Line<'a> {
    number: usize,
    /// In characters, from 1.
    column: usize,
    text: &'a str,
    /// Bytes before the mark, in `text`.
    before: usize,
    /// Bytes of the mark, in `text`.
    length: usize,
}

impl Diagnostics {
    /// More are counted, not kept.
    pub const MOST: usize = 50;

    /// Whether one of them is an error.
    pub fn has_errors(&self) -> bool {
        self.list
            .iter()
            .any(|one| one.severity() == Severity::Error)
    }

    /// Adds one.
    pub fn push(&mut self, diagnostic: Diagnostic) {
        if self.list.len() < Self::MOST {
            self.list.push(diagnostic);
        } else {
            self.more += 1;
        }
    }

    /// Name of the source of `at`, and the line it starts in.
    fn line(&self, at: Span) -> (&str, Line<'_>) {
        let Some(source) = self.sources.get(at.source) else {
            return (
                "",
                Line {
                    number: 1,
                    column: 1,
                    text: "",
                    before: 0,
                    length: 0,
                },
            );
        };
        let text = source.text.as_str();
        let start = text.floor_char_boundary(at.start);
        let first = text[..start].rfind('\n').map_or(0, |end| end + 1);
        let last = text[start..].find('\n').map_or(text.len(), |n| start + n);
        let line = text[first..last].trim_end_matches('\r');
        let end = text
            .floor_char_boundary(at.end)
            .clamp(start, (first + line.len()).max(start));
        let line = Line {
            number: text[..first].matches('\n').count() + 1,
            column: text[first..start].chars().count() + 1,
            text: line,
            before: (start - first).min(line.len()),
            length: end - start,
        };
        (&source.name, line)
    }

    /// For people: every one with its line, the marked part underlined. Colour is for terminals.
    pub fn text(&self, colour: bool) -> String {
        let paint = |code: &str, text: &str| {
            if colour {
                format!("\x1b[{code}m{text}\x1b[0m")
            } else {
                text.to_owned()
            }
        };
        let mut out = String::new();
        for one in &self.list {
            let (name, line) = self.line(one.at);
            let (shade, severity) = match one.severity() {
                Severity::Error => ("1;31", "error"),
                Severity::Warning => ("1;33", "warning"),
            };
            if !out.is_empty() {
                out.push('\n');
            }
            let gutter = line.number.to_string();
            let pad = " ".repeat(gutter.len());
            let bar = paint("1;34", "|");
            let (shown, before, mark) = line.window();
            let path = if one.path.is_empty() {
                String::new()
            } else {
                format!(" ({})", visible(&one.path))
            };
            let _ = writeln!(
                out,
                "{}: {}",
                paint(shade, &format!("{severity}[{}]", one.code)),
                paint("1", &visible(&one.message))
            );
            let _ = writeln!(
                out,
                "{pad}{} {}:{}:{}{path}",
                paint("1;34", "-->"),
                visible(name),
                line.number,
                line.column
            );
            let _ = writeln!(out, "{pad} {bar}");
            let _ = writeln!(out, "{} {bar} {shown}", paint("1;34", &gutter));
            let _ = writeln!(out, "{pad} {bar} {before}{}", paint(shade, &mark));
            if let Some(help) = &one.help {
                let _ = writeln!(out, "{pad} {} help: {}", paint("1;34", "="), visible(help));
            }
            let _ = writeln!(
                out,
                "{pad} {} see `jayflow help {}`",
                paint("1;34", "="),
                one.code
            );
        }
        if self.more > 0 {
            let _ = writeln!(out, "\nand {} more", self.more);
        }
        out
    }

    /// For editors: a list of objects.
    pub fn json(&self) -> Value {
        let span = |at: Span| json!({"start": at.start, "end": at.end});
        self.list
            .iter()
            .map(|one| {
                let (file, line) = self.line(one.at);
                json!({
                    "code": one.code,
                    "severity": one.severity().name(),
                    "file": file,
                    "span": span(one.at),
                    "line": line.number,
                    "column": line.column,
                    "path": one.path,
                    "message": one.message,
                    "help": one.help,
                    "edits": one.edits.iter()
                        .map(|edit| json!({"span": span(edit.at), "text": edit.text}))
                        .collect::<Vec<_>>(),
                })
            })
            .collect()
    }

    /// For GitHub's runners: one workflow command a line.
    pub fn github(&self) -> String {
        let data = |text: &str| {
            text.replace('%', "%25")
                .replace('\r', "%0D")
                .replace('\n', "%0A")
        };
        let property = |text: &str| data(text).replace(':', "%3A").replace(',', "%2C");
        let mut out = String::new();
        for one in &self.list {
            let (file, line) = self.line(one.at);
            let mut message = one.message.clone();
            if let Some(help) = &one.help {
                let _ = write!(message, "\nhelp: {help}");
            }
            let _ = writeln!(
                out,
                "::{} file={},line={},col={},title={}::{}",
                one.severity().name(),
                property(file),
                line.number,
                line.column,
                one.code,
                data(&message)
            );
        }
        out
    }
}

impl Line<'_> {
    /// Characters of a line that are shown at most.
    const WIDEST: usize = 160;

    /// The line (a part of it where it is very long), what stands before the mark below it, and the mark.
    fn window(&self) -> (String, String, String) {
        let before: Vec<char> = self.text[..self.before].chars().collect();
        let marked = self.text[self.before..self.before + self.length]
            .chars()
            .count();
        let cut = before
            .len()
            .saturating_sub(Self::WIDEST / 2)
            .min(self.text.chars().count().saturating_sub(Self::WIDEST));
        let dots = if cut > 0 { "…" } else { "" };
        let shown: String = self.text.chars().skip(cut).take(Self::WIDEST).collect();
        let indent: String = before[cut..]
            .iter()
            .flat_map(|c| {
                let (with, width) = if *c == '\t' {
                    ('\t', 1)
                } else {
                    (' ', visible(&c.to_string()).chars().count())
                };
                std::iter::repeat_n(with, width)
            })
            .collect();
        let room = Self::WIDEST.saturating_sub(before.len() - cut).max(1);
        let pad = " ".repeat(dots.chars().count());
        (
            format!("{dots}{}", visible(&shown)).trim_end().to_owned(),
            format!("{pad}{indent}"),
            "^".repeat(marked.clamp(1, room)),
        )
    }
}

/// Text without anything that a terminal obeys; tabs stay.
pub fn visible(text: &str) -> String {
    let parts: Vec<String> = text.split('\t').map(operators::sinks::printable).collect();
    parts.join("\t")
}

/// The same of several lines.
pub fn visible_lines(text: &str) -> String {
    let lines: Vec<String> = text.split('\n').map(visible).collect();
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(text: &str, start: usize, end: usize) -> Diagnostics {
        let at = Span {
            source: 0,
            start,
            end,
        };
        Diagnostics {
            sources: vec![Source {
                name: "a.toml".to_owned(),
                text: text.to_owned(),
                base: PathBuf::new(),
            }],
            list: vec![Diagnostic::new("E0005", at, "x", "unknown key `x`").help("drop it")],
            more: 0,
        }
    }

    #[test]
    fn text_marks_the_span() {
        let text = found("spec = 1\nx = 2\n", 9, 10).text(false);
        assert_eq!(
            text,
            "error[E0005]: unknown key `x`\n --> a.toml:2:1 (x)\n  |\n2 | x = 2\n  | ^\n  = help: drop it\n  = see `jayflow help E0005`\n"
        );
    }

    #[test]
    fn columns_count_characters_and_spans_may_lie_anywhere() {
        let one = found("é = \"ü\"\n", 5, 9);
        assert_eq!(one.json()[0]["column"], 5);
        for start in 0..20 {
            for end in start..20 {
                let one = found("é\u{1b}[2J = [\r\n \"ü\"]", start, end);
                assert!(!one.text(false).contains('\x1b'));
                one.github();
                one.json();
            }
        }
    }

    #[test]
    fn long_lines_are_cut() {
        let text = format!("{}{}", "a".repeat(1_000), "b".repeat(1_000));
        let shown = found(&text, 1_000, 1_001).text(false);
        let lines: Vec<&str> = shown.lines().collect();
        assert_eq!(lines[3].find('b'), lines[4].find('^').map(|n| n + 2));
    }

    #[test]
    fn github_escapes() {
        assert_eq!(
            found("x", 0, 1).github(),
            "::error file=a.toml,line=1,col=1,title=E0005::unknown key `x`%0Ahelp: drop it\n"
        );
    }
}
