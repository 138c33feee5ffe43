//! The layout of a spec's text: spaces, quotes, blank lines, commas. Comments and the order of everything stay, and so do the line breaks
//! inside of lists and inline tables, which people choose.
//!
//! Works on the letters of the text and knows no keys. What comes out is read again and must mean the same.

use super::diagnostic::{Diagnostics, Source};
use super::load::{Entry, Kind, Value, parse};
use operators::options::Setting;
use std::path::PathBuf;

/// How it is laid out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Layout {
    /// For readers of TOML 1.0: inline tables on one line.
    pub toml_1_0: bool,
}

/// A piece of a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Token<'a> {
    /// Spaces: how many.
    Space(usize),
    Newline,
    Comment(&'a str),
    /// Text in quotes, with them.
    Quoted(&'a str),
    /// A name, number, truth or time.
    Bare(&'a str),
    /// One of `[ ] { } = ,`.
    Sign(char),
}

/// A line of the outermost level; one with a value may be several in the text.
#[derive(Debug, PartialEq)]
enum Line {
    Blank,
    Comment(String),
    Header(String),
    Pair(String),
}

/// The same spec, laid out.
///
/// # Errors
/// It is not TOML.
pub fn lay_out(name: &str, text: &str, layout: Layout) -> Result<String, Diagnostics> {
    let read = |text: &str| {
        parse(0, text).map_err(|fault| Diagnostics {
            sources: vec![Source {
                name: name.to_owned(),
                text: text.to_owned(),
                base: PathBuf::new(),
            }],
            list: vec![*fault],
            more: 0,
        })
    };
    let before = read(text)?;
    let tokens = commas(tokens(text), layout);
    let out = joined(&lines(&tokens, layout));
    // No layout is worth another meaning.
    let same = read(&out).is_ok_and(|after| same(&before, &after));
    Ok(if same { out } else { text.to_owned() })
}

/// Whether two trees mean the same, to the last bit of a float.
fn same(one: &[Entry], other: &[Entry]) -> bool {
    let pairs = one.iter().zip(other);
    one.len() == other.len()
        && pairs.fold(true, |fine, (one, other)| {
            fine && one.name == other.name && equal(&one.value, &other.value)
        })
}

fn equal(one: &Value, other: &Value) -> bool {
    match (&one.kind, &other.kind) {
        (Kind::Leaf(Setting::Float(one)), Kind::Leaf(Setting::Float(other))) => {
            one.to_bits() == other.to_bits()
        }
        (Kind::Leaf(one), Kind::Leaf(other)) => one == other,
        (Kind::List(one), Kind::List(other)) => {
            one.len() == other.len() && one.iter().zip(other).all(|(one, other)| equal(one, other))
        }
        (Kind::Table { entries: one, .. }, Kind::Table { entries: other, .. }) => same(one, other),
        _ => false,
    }
}

/// The pieces of a text that is TOML.
fn tokens(text: &str) -> Vec<Token<'_>> {
    let mut out = Vec::new();
    let mut rest = text.strip_prefix('\u{feff}').unwrap_or(text);
    while let Some(first) = rest.chars().next() {
        let length_while = |fits: fn(char) -> bool| {
            rest.find(|c| !fits(c))
                .unwrap_or(rest.len())
                .max(first.len_utf8())
        };
        let (token, length) = match first {
            ' ' | '\t' | '\r' => {
                let length = length_while(|c| matches!(c, ' ' | '\t' | '\r'));
                (Token::Space(length), length)
            }
            '\n' => (Token::Newline, 1),
            '#' => {
                let length = length_while(|c| c != '\n');
                (Token::Comment(rest[..length].trim_end()), length)
            }
            '"' | '\'' => {
                let length = quoted(rest, first);
                (Token::Quoted(&rest[..length]), length)
            }
            '[' | ']' | '{' | '}' | '=' | ',' => (Token::Sign(first), 1),
            _ => {
                let length = length_while(|c| {
                    !matches!(
                        c,
                        ' ' | '\t'
                            | '\r'
                            | '\n'
                            | '#'
                            | '"'
                            | '\''
                            | '['
                            | ']'
                            | '{'
                            | '}'
                            | '='
                            | ','
                    )
                });
                (Token::Bare(&rest[..length]), length)
            }
        };
        out.push(token);
        rest = &rest[length..];
    }
    out
}

/// Bytes of the quoted text at the start of `text`.
fn quoted(text: &str, quote: char) -> usize {
    let three: String = std::iter::repeat_n(quote, 3).collect();
    let long = text.starts_with(&three);
    let mut at = if long { 3 } else { 1 };
    let bytes = text.as_bytes();
    while let Some(byte) = bytes.get(at) {
        let here = text.get(at..).unwrap_or_default();
        if *byte == b'\\' && quote == '"' {
            at += 2;
        } else if long && here.starts_with(&three) {
            // Up to two more quotes belong to the text.
            let more = here[3..].chars().take_while(|c| *c == quote).count();
            return at + 3 + more.min(2);
        } else if !long && *byte == quote as u8 {
            return at + 1;
        } else {
            at += 1;
        }
    }
    text.len()
}

/// A comma behind the last item where the bracket closes on a line of its own, none where it does not.
fn commas<'a>(tokens: Vec<Token<'a>>, layout: Layout) -> Vec<Token<'a>> {
    let mut out: Vec<Token<'a>> = Vec::new();
    // What is open: whether it is an inline table; `None` = a header.
    let mut open: Vec<char> = Vec::new();
    let mut in_value = false;
    let mut skip = false;
    let is_said =
        |token: &Token<'_>| !matches!(token, Token::Space(_) | Token::Newline | Token::Comment(_));
    for token in tokens {
        if std::mem::take(&mut skip) && token == Token::Newline {
            continue;
        }
        match token {
            Token::Sign(',') => {
                // A comma of a later line belongs to the item before it.
                let last = out.iter().rposition(is_said).map_or(0, |last| last + 1);
                skip = out[last..].contains(&Token::Newline);
                out.insert(last, token);
                continue;
            }
            Token::Sign('=') => in_value = true,
            Token::Newline if open.is_empty() => in_value = false,
            Token::Sign(sign @ ('[' | '{')) if in_value => open.push(sign),
            Token::Sign(']' | '}') if in_value => {
                let opened = open.pop();
                let last = out.iter().rposition(is_said);
                let flat = layout.toml_1_0 && (opened == Some('{') || open.contains(&'{'));
                if let Some(last) = last {
                    let own_line = !flat && out[last..].contains(&Token::Newline);
                    match out[last] {
                        Token::Sign(',') if !own_line => {
                            out.remove(last);
                        }
                        Token::Sign(',' | '[' | '{') => {}
                        _ if own_line => out.insert(last + 1, Token::Sign(',')),
                        _ => {}
                    }
                }
            }
            _ => {}
        }
        out.push(token);
    }
    out
}

/// The lines of the outermost level.
fn lines(tokens: &[Token<'_>], layout: Layout) -> Vec<Line> {
    let mut out = Vec::new();
    let mut rest = tokens;
    while let Some((first, tail)) = rest.split_first() {
        match first {
            Token::Newline => {
                out.push(Line::Blank);
                rest = tail;
            }
            Token::Space(_) => rest = tail,
            Token::Comment(text) => {
                out.push(Line::Comment((*text).to_owned()));
                rest = tail.strip_prefix(&[Token::Newline]).unwrap_or(tail);
            }
            Token::Sign('[') => {
                let (text, tail) = header(rest);
                out.push(Line::Header(text));
                rest = tail;
            }
            _ => {
                let mut pair = Pair {
                    layout,
                    ..Pair::default()
                };
                rest = pair.read(rest);
                out.extend(pair.comments.into_iter().map(Line::Comment));
                out.push(Line::Pair(pair.text));
            }
        }
    }
    out
}

/// A comment behind something, as far away as it was.
fn behind(text: &mut String, space: usize, comment: &str) {
    text.push_str(&" ".repeat(space.max(1)));
    text.push_str(comment);
}

/// A header and its comment.
fn header<'a, 'b>(tokens: &'b [Token<'a>]) -> (String, &'b [Token<'a>]) {
    let mut text = String::new();
    let mut space = 0;
    for (at, token) in tokens.iter().enumerate() {
        match token {
            Token::Newline => return (text, &tokens[at + 1..]),
            Token::Space(count) => {
                space = *count;
                continue;
            }
            Token::Comment(comment) => behind(&mut text, space, comment),
            Token::Quoted(key) => text.push_str(&bare_key(key)),
            Token::Bare(key) => text.push_str(key),
            Token::Sign(sign) => text.push(*sign),
        }
        space = 0;
    }
    (text, &[])
}

/// A key and its value.
#[derive(Default)]
struct Pair {
    layout: Layout,
    text: String,
    /// Those that have no place in a value on one line.
    comments: Vec<String>,
    /// What is open.
    open: Vec<char>,
    /// Whether a key is being read.
    in_value: bool,
    /// What came last, but for spaces.
    last: Last,
    space: usize,
    blank_lines: usize,
    after_bracket: bool,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Last {
    #[default]
    Start,
    Key,
    Item,
    Open,
    Comma,
    Equals,
    Newline,
}

impl Pair {
    /// Reads up to the end of the line that the value ends in.
    fn read<'a, 'b>(&mut self, tokens: &'b [Token<'a>]) -> &'b [Token<'a>] {
        for (at, token) in tokens.iter().enumerate() {
            match token {
                Token::Space(count) => {
                    self.space = *count;
                    continue;
                }
                Token::Newline if self.open.is_empty() => return &tokens[at + 1..],
                Token::Newline => self.newline(),
                Token::Comment(comment) if self.is_flat() => {
                    self.comments.push((*comment).to_owned());
                }
                Token::Comment(comment) => self.comment(comment),
                Token::Quoted(text) if self.in_value => self.item(&requoted(text, self.layout)),
                Token::Quoted(text) => self.key(&bare_key(text)),
                Token::Bare(text) if self.in_value => self.item(text),
                Token::Bare(text) => self.key(text),
                Token::Sign(sign) => self.sign(*sign),
            }
            self.space = 0;
        }
        &[]
    }

    /// Whether line breaks are not kept here.
    fn is_flat(&self) -> bool {
        self.layout.toml_1_0 && self.open.contains(&'{')
    }

    fn newline(&mut self) {
        if self.is_flat() {
            return;
        }
        if self.last == Last::Newline {
            self.blank_lines += 1;
        } else {
            self.blank_lines = 0;
            // no blank line behind a bracket
            self.after_bracket = self.last == Last::Open;
            self.last = Last::Newline;
        }
    }

    /// Starts a new line, if one is due; says whether it did.
    fn line(&mut self, closes: bool) -> bool {
        if self.last != Last::Newline {
            return false;
        }
        let blank = self.blank_lines > 0 && !closes && !self.after_bracket;
        self.text.push_str(if blank { "\n\n" } else { "\n" });
        let depth = self.open.len().saturating_sub(usize::from(closes));
        self.text.push_str(&"  ".repeat(depth));
        true
    }

    fn comment(&mut self, comment: &str) {
        if self.line(false) {
            self.text.push_str(comment);
        } else {
            let space = self.space;
            behind(&mut self.text, space, comment);
        }
        self.last = Last::Item;
    }

    fn key(&mut self, key: &str) {
        let new = !matches!(self.last, Last::Key | Last::Start);
        if new && !self.line(false) && self.last != Last::Start {
            self.text.push(' ');
        }
        self.text.push_str(key);
        self.last = Last::Key;
    }

    fn item(&mut self, item: &str) {
        let in_list = self.open.last() == Some(&'[');
        let tight = self.last == Last::Open && in_list;
        if !self.line(false) && !tight {
            self.text.push(' ');
        }
        self.text.push_str(item);
        self.last = Last::Item;
    }

    fn sign(&mut self, sign: char) {
        match sign {
            '=' => {
                self.text.push_str(" =");
                self.in_value = true;
                self.last = Last::Equals;
            }
            ',' => {
                self.text.push(',');
                self.in_value = self.open.last() != Some(&'{');
                self.last = Last::Comma;
            }
            '[' | '{' => {
                self.item(sign.encode_utf8(&mut [0; 4]));
                self.open.push(sign);
                self.in_value = sign == '[';
                self.last = Last::Open;
            }
            _ => {
                let empty = self.text.ends_with(['[', '{']) && self.last == Last::Open;
                if !self.line(true) && sign == '}' && !empty {
                    self.text.push(' ');
                }
                self.text.push(sign);
                self.open.pop();
                self.in_value = true;
                self.last = Last::Item;
            }
        }
    }
}

/// A quoted key without quotes, where it needs none.
fn bare_key(quoted: &str) -> String {
    let inner = quoted
        .get(1..quoted.len().saturating_sub(1))
        .unwrap_or_default();
    let bare = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
    if !inner.is_empty() && inner.chars().all(bare) {
        inner.to_owned()
    } else {
        quoted.to_owned()
    }
}

/// A text in the quotes that need no escapes: `"say \"a\""` is `'say "a"'`.
fn requoted(quoted: &str, layout: Layout) -> String {
    let is_plain = quoted.starts_with('"') && !quoted.starts_with("\"\"\"");
    let text = match quoted.parse::<toml_edit::Value>() {
        Ok(toml_edit::Value::String(text)) if is_plain && quoted.contains('\\') => {
            text.into_value()
        }
        _ => return quoted.to_owned(),
    };
    let control = |c: char| c.is_control() && c != '\t';
    if text.contains(['"', '\\']) && !text.contains(['\'', '\n']) && !text.contains(control) {
        return format!("'{text}'");
    }
    if layout.toml_1_0 && (quoted.contains("\\x") || quoted.contains("\\e")) {
        return toml_edit::Value::from(text).to_string();
    }
    quoted.to_owned()
}

/// The lines as one text: a blank line before each header and what is said about it, never two in a row, none at the ends.
fn joined(lines: &[Line]) -> String {
    let mut out: Vec<&str> = Vec::new();
    for (at, line) in lines.iter().enumerate() {
        match line {
            Line::Blank => {
                if out.last().is_some_and(|last| !last.is_empty()) {
                    out.push("");
                }
                continue;
            }
            Line::Header(text) => {
                let about = lines[..at].iter().rev();
                let about = about
                    .take_while(|line| matches!(line, Line::Comment(_)))
                    .count();
                let place = out.len() - about;
                if place > 0 && !out[place - 1].is_empty() {
                    out.insert(place, "");
                }
                out.push(text);
            }
            Line::Comment(text) | Line::Pair(text) => out.push(text),
        }
    }
    while out.last().is_some_and(|last| last.is_empty()) {
        out.pop();
    }
    let mut text = out.join("\n");
    if !text.is_empty() {
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn laid(text: &str) -> String {
        lay_out("t", text, Layout::default()).expect("TOML")
    }

    fn old(text: &str) -> String {
        lay_out("t", text, Layout { toml_1_0: true }).expect("TOML")
    }

    #[test]
    fn spaces_quotes_and_lines() {
        let text = "\r\n\r\n# top\r\nspec=1\n\n\n\n'name'   =  \"a \\\"b\\\"\"#c\n[ a . \"b\" ]   # said\n  x= [1,2 , ]\n[c] \n\n# about d\n[[d]]\ny.z = {a=1,b . c =[ ],d={ } }\nt = 1979-05-27 07:32:00\nq = 'it''";
        let text = text.replace("'it''", "'it'");
        assert_eq!(
            laid(&text),
            "# top\nspec = 1\n\nname = 'a \"b\"' #c\n\n[a.b]   # said\nx = [1, 2]\n\n[c]\n\n# about d\n[[d]]\ny.z = { a = 1, b.c = [], d = {} }\nt = 1979-05-27 07:32:00\nq = 'it'\n"
        );
    }

    #[test]
    fn line_breaks_in_values_stay() {
        let text = "a = [ # first\n\n1,2, # two\n    3 # three\n\n\n # last\n,\n4\n]\nb = {\nx = 1, y = [\n1\n]\n}\nc = '''\n  x\n'''\nd = [\n]\n";
        let out = "a = [ # first\n\n  1, 2, # two\n  3, # three\n\n  # last\n  4,\n]\nb = {\n  x = 1, y = [\n    1,\n  ],\n}\nc = '''\n  x\n'''\nd = [\n]\n";
        assert_eq!(laid(text), out);
        assert_eq!(laid(out), out);
    }

    #[test]
    fn older_readers_get_one_line() {
        let text = "[v]\ns = {\n  a = \"x\", # why\n  b = [\n    1,\n  ],\n}\nl = [\n  1,\n]\n";
        assert_eq!(
            old(text),
            "[v]\n# why\ns = { a = \"x\", b = [1] }\nl = [\n  1,\n]\n"
        );
        assert_eq!(old("a = \"\\x41\\e\"\n"), "a = \"A\\u001B\"\n");
    }

    #[test]
    fn what_is_laid_out_stays_as_it_is() {
        for code in crate::spec::codes::CODES {
            for text in [code.wrong, code.right] {
                if let Ok(out) = lay_out("t", text, Layout::default()) {
                    assert_eq!(out, text, "{}", code.code);
                }
            }
        }
        let example = crate::spec::example::text();
        assert_eq!(laid(&example), example);
    }
}
