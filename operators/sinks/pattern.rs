//! The path of a sink that writes a file for each value: `out/day={start:%Y-%m-%d}/{service}.parquet`.
//!
//! Text to parts, parts and a row to the path of its file, and whether two paths can be the same file. What a name means is not known
//! here, and no file is touched. Values are escaped as Hive does it, so that none leads out of its directory, and other readers of such
//! trees find them.

use super::text;
use crate::columns::Column;
use crate::schema::DataType;
use jiff::Timestamp;
use jiff::fmt::strtime;
use jiff::tz::TimeZone;
use sha2::{Digest as _, Sha256};
use std::collections::HashSet;
use std::fmt::Write as _;
use std::ops::Range;

/// What stands in a path for null and for the empty text.
pub const NULL: &str = "__HIVE_DEFAULT_PARTITION__";
/// Bytes of a value in a path; of a longer one there are the first `SHORT` and a digest.
const LONG: usize = 120;
const SHORT: usize = 90;

/// A path with places for values.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pattern {
    parts: Vec<Part>,
    /// The columns whose values it holds, each once, and where each is named first.
    columns: Vec<(String, Range<usize>)>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Part {
    /// As it stands there.
    Literal(String),
    /// The start of the row, in this form of `strftime`.
    Start(String),
    /// The value of a column, by its place in `columns`.
    Column(usize),
}

/// What is wrong with a path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PatternFault {
    /// Where, in bytes of the path.
    pub at: Range<usize>,
    /// What.
    pub message: String,
    /// What to do about it.
    pub help: &'static str,
}

/// Names in a path that are no columns.
pub const NAMES: [&str; 2] = ["name", "start"];

impl Pattern {
    /// The parts of a path; `{name}` is the name of the sink. `{{` and `}}` are braces.
    ///
    /// # Errors
    /// A place for a value has no end, no name, or a form that is none.
    pub fn parse(path: &str, sink: &str) -> Result<Self, PatternFault> {
        let mut pattern = Self {
            parts: Vec::new(),
            columns: Vec::new(),
        };
        let mut rest = path;
        while let Some(brace) = rest.find(['{', '}']) {
            let at = path.len() - rest.len() + brace;
            let (before, from) = rest.split_at(brace);
            pattern.literal(before);
            if let Some(behind) = from.strip_prefix("{{").or(from.strip_prefix("}}")) {
                pattern.literal(&from[..1]);
                rest = behind;
            } else if let Some(behind) = from.strip_prefix('}') {
                pattern.literal("}");
                rest = behind;
            } else {
                let Some(end) = from.find('}') else {
                    return Err(PatternFault {
                        at: at..path.len(),
                        message: "`{` has no `}`".to_owned(),
                        help: "`{name}` is the place of a value; a brace in the name of a file is written `{{`",
                    });
                };
                pattern.place(&from[1..end], at..at + end + 1, sink)?;
                rest = &from[end + 1..];
            }
        }
        pattern.literal(rest);
        Ok(pattern)
    }

    fn literal(&mut self, text: &str) {
        match self.parts.last_mut() {
            _ if text.is_empty() => {}
            Some(Part::Literal(last)) => last.push_str(text),
            _ => self.parts.push(Part::Literal(text.to_owned())),
        }
    }

    /// Adds what stands between braces.
    fn place(&mut self, inner: &str, at: Range<usize>, sink: &str) -> Result<(), PatternFault> {
        let fault = |message: String, help| {
            let at = at.clone();
            Err(PatternFault { at, message, help })
        };
        let (name, form) = match inner.split_once(':') {
            Some((name, form)) => (name, Some(form)),
            None => (inner, None),
        };
        match (name, form) {
            ("", _) => fault(
                "nothing is named here".to_owned(),
                "write `{name}`, `{start:%Y-%m-%d}` or the name of a column",
            ),
            ("name", None) => {
                self.literal(sink);
                Ok(())
            }
            ("worker", None) => fault(
                "the rows of a sink are written by one worker, whatever the number of them"
                    .to_owned(),
                "leave `{worker}` out, or name a column: `{protocol}`",
            ),
            ("start", None) => fault(
                "`{start}` has no form".to_owned(),
                "say which part of the time: `{start:%Y-%m-%d}`",
            ),
            ("start", Some(form)) => {
                // any time shows what is wrong with a form
                if let Err(why) = time(0, form) {
                    let message = format!("`{form}` is no form of a time: {why}");
                    return fault(
                        message,
                        "`%Y-%m-%d` is a day, `%H` an hour, as `strftime` has them",
                    );
                }
                self.parts.push(Part::Start(form.to_owned()));
                Ok(())
            }
            (name, Some(_)) => fault(
                format!("only `start` takes a form, and this is `{name}`"),
                "write `{start:%Y-%m-%d}`, or the name of a column alone",
            ),
            (name, None) => {
                let known = self.columns.iter().position(|(known, _)| known == name);
                let place = known.unwrap_or(self.columns.len());
                if known.is_none() {
                    let within = at.start + 1..at.end - 1;
                    self.columns.push((name.to_owned(), within));
                }
                self.parts.push(Part::Column(place));
                Ok(())
            }
        }
    }

    /// The same below a directory; empty = as it is.
    #[must_use]
    pub fn below(mut self, folder: &str) -> Self {
        if !folder.is_empty() {
            let folder = format!("{}/", folder.trim_end_matches('/'));
            match self.parts.first_mut() {
                Some(Part::Literal(first)) => first.insert_str(0, &folder),
                _ => self.parts.insert(0, Part::Literal(folder)),
            }
        }
        self
    }

    /// That of one file.
    pub fn file(path: &str) -> Self {
        Self {
            parts: vec![Part::Literal(path.to_owned())],
            columns: Vec::new(),
        }
    }

    /// The whole path, where it holds no value: one file.
    pub fn one_file(&self) -> Option<&str> {
        match &self.parts[..] {
            [] => Some(""),
            [Part::Literal(path)] => Some(path),
            _ => None,
        }
    }

    /// The columns whose values it holds, and where each is named first.
    pub fn columns(&self) -> &[(String, Range<usize>)] {
        &self.columns
    }

    /// Whether it holds times.
    pub fn has_start(&self) -> bool {
        self.parts.iter().any(|part| matches!(part, Part::Start(_)))
    }

    /// The directory that it begins with and never leaves, and what is below it.
    pub fn split(mut self) -> (String, Self) {
        let Some(Part::Literal(first)) = self.parts.first_mut() else {
            return (String::new(), self);
        };
        let end = first.rfind('/').map_or(0, |slash| slash + 1);
        let folder = first[..end].to_owned();
        first.replace_range(..end, "");
        if first.is_empty() {
            self.parts.remove(0);
        }
        (folder, self)
    }

    /// Whether each directory and the file below the fixed beginning have a name, and none is `.` or `..`.
    pub fn stays_inside(&self) -> bool {
        let (_, below) = self.clone().split();
        let mut path = String::new();
        for part in &below.parts {
            match part {
                Part::Literal(text) => path.push_str(text),
                Part::Start(_) | Part::Column(_) => path.push('x'),
            }
        }
        let mut names = path.split('/');
        names.all(|name| !matches!(name, "" | "." | ".."))
    }

    /// Adds the path of the file of a row that starts at `start`; `value` adds the text of a column by its place, or says that it is null.
    pub fn write(
        &self,
        out: &mut String,
        start: i64,
        mut value: impl FnMut(usize, &mut Vec<u8>) -> bool,
    ) {
        let mut bytes = Vec::new();
        for part in &self.parts {
            match part {
                Part::Literal(text) => out.push_str(text),
                Part::Start(form) => {
                    // the form was tried, and every time of a packet has all its parts
                    let text = time(start, form).unwrap_or_default();
                    for (at, name) in text.split('/').enumerate() {
                        if at > 0 {
                            out.push('/');
                        }
                        escape(out, name, char::is_control);
                    }
                }
                Part::Column(place) => {
                    bytes.clear();
                    match value(*place, &mut bytes) {
                        true => escape(out, &String::from_utf8_lossy(&bytes), is_special),
                        false => out.push_str(NULL),
                    }
                }
            }
        }
    }

    /// Whether it can be the same path as another one.
    pub fn meets(&self, other: &Self) -> bool {
        let (one, other) = (self.steps(), other.steps());
        let mut seen = HashSet::new();
        let mut open = vec![(0, 0)];
        while let Some((a, b)) = open.pop() {
            if !seen.insert((a, b)) {
                continue;
            }
            if a == one.len() && b == other.len() {
                return true;
            }
            let (left, right) = (one.get(a), other.get(b));
            if left.is_some_and(|step| step.any) {
                open.push((a + 1, b));
            }
            if right.is_some_and(|step| step.any) {
                open.push((a, b + 1));
            }
            if let (Some(left), Some(right)) = (left, right)
                && left.of.meets(right.of)
            {
                open.push((a + usize::from(!left.any), b + usize::from(!right.any)));
            }
        }
        false
    }

    fn steps(&self) -> Vec<Step> {
        let mut steps = Vec::new();
        for part in &self.parts {
            match part {
                Part::Literal(text) => steps.extend(text.chars().map(Step::one)),
                Part::Start(form) => of_form(form, &mut steps),
                Part::Column(_) => Step::some(Of::Name, &mut steps),
            }
        }
        steps
    }
}

/// The value of a column of a row for a path; `false` = it is null.
pub(super) fn value(column: &Column, row: usize, out: &mut Vec<u8>) -> bool {
    if column.is_null(row) {
        return false;
    }
    text::plain(out, column, row);
    true
}

/// Whether the values of such a column can be in a path.
pub fn is_value(data_type: &DataType) -> bool {
    !matches!(
        data_type,
        DataType::F64 | DataType::Time | DataType::List(_) | DataType::Struct(_)
    )
}

/// A time in a form.
fn time(ns: i64, form: &str) -> Result<String, String> {
    let time = Timestamp::from_nanosecond(ns.into()).map_err(|error| error.to_string())?;
    let told = strtime::format(form, &time.to_zoned_datetime(TimeZone::UTC));
    told.map_err(|error| {
        let error = error.to_string();
        let prefix = "strftime formatting failed: ";
        error.strip_prefix(prefix).unwrap_or(&error).to_owned()
    })
}

/// What Hive escapes in the names of directories, and what a terminal obeys.
fn is_special(c: char) -> bool {
    "\"#%'*/:=?\\{[]}^<>|".contains(c)
        || c.is_control()
        || matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
}

/// Adds a value as part of the name of a directory or file.
fn escape(out: &mut String, value: &str, is_special: impl Fn(char) -> bool) {
    let from = out.len();
    for c in value.chars() {
        match is_special(c) {
            true => {
                for byte in c.encode_utf8(&mut [0; 4]).bytes() {
                    let _ = write!(out, "%{byte:02X}");
                }
            }
            false => out.push(c),
        }
    }
    match value {
        "" => out.push_str(NULL),
        "." | ".." => out.replace_range(from.., &"%2E".repeat(value.len())),
        _ if out.len() - from > LONG => {
            let written = &out[from..];
            let is_end = |at: &usize| {
                let before = &written.as_bytes()[at.saturating_sub(2)..*at];
                written.is_char_boundary(*at) && !before.contains(&b'%')
            };
            let end = (0..=SHORT).rev().find(is_end).unwrap_or(0);
            let digest = Sha256::digest(value.as_bytes());
            out.truncate(from + end);
            out.push('~');
            for byte in digest.iter().take(8) {
                let _ = write!(out, "{byte:02x}");
            }
        }
        _ => {}
    }
}

/// What may stand at a place of a path.
#[derive(Clone, Copy)]
enum Of {
    Char(char),
    Digit,
    /// Anything within one name.
    Name,
    Any,
}

impl Of {
    fn meets(self, other: Self) -> bool {
        match (self, other) {
            (Self::Char(a), Self::Char(b)) => a == b,
            (Self::Char(c), Self::Digit) | (Self::Digit, Self::Char(c)) => c.is_ascii_digit(),
            (Self::Char(c), Self::Name) | (Self::Name, Self::Char(c)) => c != '/',
            _ => true,
        }
    }
}

/// One character, or any number of them.
#[derive(Clone, Copy)]
struct Step {
    of: Of,
    any: bool,
}

impl Step {
    const fn one(c: char) -> Self {
        Self {
            of: Of::Char(c),
            any: false,
        }
    }

    /// One or more.
    fn some(of: Of, steps: &mut Vec<Self>) {
        steps.extend([false, true].map(|any| Self { of, any }));
    }
}

/// What a form of a time can give.
fn of_form(form: &str, steps: &mut Vec<Step>) {
    let mut chars = form.chars();
    while let Some(c) = chars.next() {
        if c != '%' {
            steps.push(Step::one(c));
            continue;
        }
        match chars.next() {
            Some('%') => steps.push(Step::one('%')),
            Some('F') => of_form("%Y-%m-%d", steps),
            Some('R') => of_form("%H:%M", steps),
            Some('T') => of_form("%H:%M:%S", steps),
            Some(
                'C' | 'd' | 'G' | 'g' | 'H' | 'I' | 'j' | 'M' | 'm' | 'S' | 'U' | 'u' | 'V' | 'W'
                | 'w' | 'Y' | 'y',
            ) => {
                Step::some(Of::Digit, steps);
            }
            Some(c) => {
                // flags and widths may stand before the letter
                if !c.is_ascii_alphabetic() {
                    chars.find(char::is_ascii_alphabetic);
                }
                steps.push(Step {
                    of: Of::Any,
                    any: true,
                });
            }
            None => {}
        }
    }
}

#[cfg(test)]
mod tests;
