//! What stands in a text for something else: `${name}`, `${secret:NAME}`, `${env:NAME}`; `$${` is the two letters `${`.
//!
//! Only the syntax: which variables there are and where secrets may be is not known here.

use super::diagnostic::{Source, Span};

/// A piece of a text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Piece<'a> {
    /// As it stands.
    Plain(&'a str),
    /// `${name}`.
    Variable(&'a str),
    /// `${secret:NAME}`.
    Secret(&'a str),
    /// `${env:NAME}`.
    Environment(&'a str),
    /// `${` without its end.
    Open(&'a str),
}

/// The pieces of a text, in order.
pub fn pieces(text: &str) -> Vec<Piece<'_>> {
    let mut out = Vec::new();
    let mut rest = text;
    while let Some(at) = rest.find("${") {
        if at > 0 && rest.as_bytes().get(at - 1) == Some(&b'$') {
            out.push(Piece::Plain(&rest[..at - 1]));
            out.push(Piece::Plain("${"));
            rest = &rest[at + 2..];
            continue;
        }
        out.push(Piece::Plain(&rest[..at]));
        let inside = &rest[at + 2..];
        let Some(end) = inside.find('}') else {
            out.push(Piece::Open(&rest[at..]));
            rest = "";
            break;
        };
        let name = &inside[..end];
        out.push(match name.split_once(':') {
            Some(("secret", name)) => Piece::Secret(name),
            Some(("env", name)) => Piece::Environment(name),
            _ => Piece::Variable(name),
        });
        rest = &inside[end + 1..];
    }
    out.push(Piece::Plain(rest));
    out.retain(|piece| *piece != Piece::Plain(""));
    out
}

/// A text that stands for itself.
pub fn escaped(text: &str) -> String {
    text.replace("${", "$${")
}

/// Where in the sources the reference `written` is, the one after `before` others in the value at `at`; the whole value where the text is
/// written in another way.
pub fn place(sources: &[Source], at: Span, written: &str, before: usize) -> Span {
    let raw = sources
        .get(at.source)
        .and_then(|source| source.text.get(at.start..at.end));
    let found = raw.and_then(|raw| raw.match_indices(written).nth(before));
    found.map_or(at, |(offset, _)| Span {
        start: at.start + offset,
        end: at.start + offset + written.len(),
        ..at
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_of_texts() {
        assert_eq!(pieces("plain $N }"), [Piece::Plain("plain $N }")]);
        assert_eq!(
            pieces("a/${day}/${secret:K}${env:E}"),
            [
                Piece::Plain("a/"),
                Piece::Variable("day"),
                Piece::Plain("/"),
                Piece::Secret("K"),
                Piece::Environment("E")
            ]
        );
        assert_eq!(
            pieces("$${day}"),
            [Piece::Plain("${"), Piece::Plain("day}")]
        );
        assert_eq!(pieces("x${day"), [Piece::Plain("x"), Piece::Open("${day")]);
        assert_eq!(pieces(""), []);
    }

    #[test]
    fn what_is_escaped_stands_for_itself() {
        for text in ["${a}", "$${a}", "$$$${", "$", "${", "a$"] {
            let escaped = escaped(text);
            let again: String = pieces(&escaped)
                .into_iter()
                .map(|piece| match piece {
                    Piece::Plain(text) => text,
                    other => panic!("{other:?}"),
                })
                .collect();
            assert_eq!(again, text);
        }
    }
}
