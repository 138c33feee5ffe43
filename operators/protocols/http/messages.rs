//! The messages of one direction of HTTP/1 (RFC 9112): first lines, fields, and where bodies end.
//!
//! Each direction is read by itself, so that it says the same whenever the other one comes. A response to HEAD has no body whatever its
//! fields say, and HEAD is on the other side: where a version opens what should be a body, it is the next message. What follows a
//! change of protocol is not read.

use super::super::joiner::{Joiner, Length, line_end};
use super::Version;
use super::start::{OPENS, is_token, may_be_line, trimmed};
use std::cell::Cell;

/// What is in a stream of HTTP/1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part<'a> {
    /// The first line of a request.
    Request {
        /// Its method.
        method: &'a [u8],
        /// What it is for.
        target: &'a [u8],
        /// Its version.
        version: Version,
    },
    /// The first line of a response: its status.
    Response(u16),
    /// A field of the message, white space around the value removed.
    Field {
        /// Its name.
        name: &'a [u8],
        /// Its value.
        value: &'a [u8],
    },
    /// The value of the field before goes on in a line of its own.
    Folded(&'a [u8]),
    /// The head of the message is whole.
    Body,
}

/// One direction of a connection.
#[derive(Debug, Default)]
pub struct Messages {
    stage: Stage,
    framing: Framing,
    held: Joiner,
}

/// What comes next.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Stage {
    /// The first line of the first message: if it is none, this is not HTTP.
    #[default]
    Start,
    /// The first line of another message; blank lines may come before it.
    Next,
    /// A line of the head.
    Head,
    /// The bytes of a body, or a version that shows that there is none.
    BodyStart(u64),
    /// So many bytes of a body.
    Body(u64),
    /// The line in front of a chunk.
    ChunkSize,
    /// So many bytes of a chunk, and the line end behind them.
    Chunk(u64),
    /// A line behind the last chunk.
    Trailer,
    /// Nothing more is read.
    Over,
}

/// What the head says of the body.
#[derive(Clone, Copy, Debug, Default)]
struct Framing {
    length: Option<u64>,
    is_chunked: bool,
    /// Of a response.
    status: Option<u16>,
}

const VERSION: &[u8] = b"HTTP/1.";

impl Messages {
    /// Takes the next bytes of the stream; false = no more of them are read.
    pub fn push(&mut self, bytes: &[u8], tell: &mut impl FnMut(Part<'_>)) -> bool {
        if self.stage == Stage::Over {
            return false;
        }
        let stage = Cell::new(self.stage);
        let framing = &mut self.framing;
        let is_open = self.held.push(
            bytes,
            |bytes, searched| length(stage.get(), bytes, searched),
            |item| {
                stage.set(step(stage.get(), item, framing, tell));
                stage.get() != Stage::Over
            },
        );
        self.stage = if is_open { stage.get() } else { Stage::Over };
        is_open
    }

    /// Heap bytes held.
    pub fn heap_bytes(&self) -> usize {
        self.held.heap_bytes()
    }
}

/// Length of the next line, or of what is there of a body.
fn length(stage: Stage, bytes: &[u8], searched: usize) -> Length {
    let some =
        |left: u64| Length::Known(usize::try_from(left).unwrap_or(usize::MAX).min(bytes.len()));
    match stage {
        Stage::BodyStart(_) if bytes.len() < VERSION.len() && VERSION.starts_with(bytes) => {
            Length::Unknown
        }
        Stage::BodyStart(left) if !bytes.starts_with(VERSION) => some(left),
        Stage::Body(left) | Stage::Chunk(left) => some(left),
        // most streams are none of HTTP: they do not wait for a line end
        Stage::Start if searched < OPENS && !may_be_line(bytes) => Length::Wrong,
        _ => match line_end(bytes, searched) {
            Some(end) => Length::Known(end),
            None => Length::Unknown,
        },
    }
}

/// Takes a line with its end, or bytes of a body.
fn step(
    stage: Stage,
    item: &[u8],
    framing: &mut Framing,
    tell: &mut impl FnMut(Part<'_>),
) -> Stage {
    let line = trimmed(item.strip_suffix(b"\n").unwrap_or(item));
    let left = |left: u64| left.saturating_sub(item.len() as u64);
    match stage {
        Stage::Next if line.is_empty() => Stage::Next,
        Stage::Start | Stage::Next => first_line(line, framing, tell),
        Stage::BodyStart(_) if item.starts_with(VERSION) => first_line(line, framing, tell),
        Stage::Head if line.is_empty() => {
            tell(Part::Body);
            framing.body()
        }
        Stage::Head => {
            field(line, framing, tell);
            Stage::Head
        }
        Stage::BodyStart(length) | Stage::Body(length) => match left(length) {
            0 => Stage::Next,
            left => Stage::Body(left),
        },
        Stage::ChunkSize => match chunk_size(line) {
            None => Stage::Over,
            Some(0) => Stage::Trailer,
            // and the line end behind it
            Some(size) => Stage::Chunk(size.saturating_add(2)),
        },
        Stage::Chunk(length) => match left(length) {
            0 => Stage::ChunkSize,
            left => Stage::Chunk(left),
        },
        Stage::Trailer if line.is_empty() => Stage::Next,
        Stage::Trailer => Stage::Trailer,
        Stage::Over => Stage::Over,
    }
}

fn first_line(line: &[u8], framing: &mut Framing, tell: &mut impl FnMut(Part<'_>)) -> Stage {
    *framing = Framing::default();
    let mut parts = line.splitn(3, |byte| *byte == b' ');
    let [first, second, third] = [(); 3].map(|()| parts.next().unwrap_or(&[]));
    if Version::read(first).is_some() {
        let Some(status) = status(second) else {
            return Stage::Over;
        };
        framing.status = Some(status);
        tell(Part::Response(status));
        return Stage::Head;
    }
    let is_method = !first.is_empty() && first.iter().all(|byte| is_token(*byte));
    let Some(version) = Version::read(third).filter(|_| is_method) else {
        return Stage::Over;
    };
    let (method, target) = (first, second);
    tell(Part::Request {
        method,
        target,
        version,
    });
    Stage::Head
}

/// Three digits.
fn status(text: &[u8]) -> Option<u16> {
    let digits: &[u8; 3] = text.try_into().ok()?;
    digits.iter().try_fold(0, |number: u16, digit| {
        let digit = digit.is_ascii_digit().then(|| digit & 15)?;
        Some(number.saturating_mul(10).saturating_add(digit.into()))
    })
}

fn field(line: &[u8], framing: &mut Framing, tell: &mut impl FnMut(Part<'_>)) {
    let is_blank = |byte: &u8| matches!(byte, b' ' | b'\t');
    let bare = |text: &'_ [u8]| {
        let start = text
            .iter()
            .position(|byte| !is_blank(byte))
            .unwrap_or(text.len());
        let end = text
            .iter()
            .rposition(|byte| !is_blank(byte))
            .map_or(start, |end| end.saturating_add(1));
        start..end
    };
    if line.first().is_some_and(is_blank) {
        return tell(Part::Folded(line.get(bare(line)).unwrap_or(&[])));
    }
    let Some(colon) = line.iter().position(|byte| *byte == b':') else {
        return;
    };
    let (name, value) = line.split_at(colon);
    let value = value.get(1..).unwrap_or(&[]);
    let value = value.get(bare(value)).unwrap_or(&[]);
    if name.eq_ignore_ascii_case(b"content-length") && framing.length.is_none() {
        framing.length = number(value);
    } else if name.eq_ignore_ascii_case(b"transfer-encoding") {
        // the last coding frames the body (RFC 9112 section 6.1)
        let last = value.rsplit(|byte| *byte == b',').next().unwrap_or(&[]);
        framing.is_chunked = last.trim_ascii().eq_ignore_ascii_case(b"chunked");
    }
    tell(Part::Field { name, value });
}

fn number(text: &[u8]) -> Option<u64> {
    std::str::from_utf8(text).ok()?.parse().ok()
}

/// The hexadecimal number that opens the line of a chunk.
fn chunk_size(line: &[u8]) -> Option<u64> {
    let digits = line
        .iter()
        .take_while(|byte| byte.is_ascii_hexdigit())
        .count();
    let text = std::str::from_utf8(line.get(..digits)?).ok()?;
    u64::from_str_radix(text, 16).ok()
}

impl Framing {
    /// What follows the head (RFC 9112 section 6.3).
    fn body(&self) -> Stage {
        match (self.status, self.length) {
            // another protocol
            (Some(101), _) => Stage::Over,
            (Some(100..200 | 204 | 304), _) => Stage::Next,
            _ if self.is_chunked => Stage::ChunkSize,
            (_, Some(0)) | (None, None) => Stage::Next,
            (Some(_), Some(length)) => Stage::BodyStart(length),
            (None, Some(length)) => Stage::Body(length),
            // up to the end of the connection
            (Some(_), None) => Stage::BodyStart(u64::MAX),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What the pieces of a stream say.
    fn said(stream: &[u8], size: usize) -> Vec<String> {
        let (mut messages, mut said) = (Messages::default(), Vec::new());
        for piece in stream.chunks(size) {
            messages.push(piece, &mut |part| {
                let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
                said.push(match part {
                    Part::Request { method, target, .. } => {
                        format!("{} {}", text(method), text(target))
                    }
                    Part::Response(status) => status.to_string(),
                    Part::Field { name, value } => format!("{}={}", text(name), text(value)),
                    Part::Folded(value) => format!("+{}", text(value)),
                    Part::Body => "body".to_owned(),
                });
            });
        }
        said
    }

    fn says(stream: &[u8], expected: &[&str]) {
        for size in 1..=stream.len() {
            assert_eq!(said(stream, size), expected, "pieces of {size}");
        }
    }

    #[test]
    fn requests_follow_each_other() {
        says(
            b"POST /a HTTP/1.1\r\nHost:  x \r\ncontent-length: 5\r\n\r\nGET /\r\nGET /b HTTP/1.0\nA: b\n c\n\nGET c\n",
            &[
                "POST /a", "Host=x", "content-length=5", "body", "GET /b", "A=b", "+c", "body",
            ],
        );
    }

    #[test]
    fn bodies_end_where_they_say() {
        says(
            b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, Chunked\r\n\r\n3;x=y\r\nabc\r\n0\r\nT: u\r\n\r\nHTTP/1.1 404 \r\nContent-Length: 2\r\n\r\nHTHTTP/1.0 304 Not\r\nContent-Length: 9\r\n\r\nHTTP/1.1 500 x\r\n\r\nup to the end HTTP/1.1 200 OK\r\n",
            &[
                "100", "body", "200", "Transfer-Encoding=gzip, Chunked", "body", "404", "Content-Length=2", "body", "304",
                "Content-Length=9", "body", "500", "body",
            ],
        );
        // an answer to HEAD
        says(
            b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\nHTTP/1.1 204 x\r\n\r\n",
            &["200", "Content-Length=99", "body", "204", "body"],
        );
        says(
            b"HTTP/1.1 101 x\r\n\r\nHTTP/1.1 200 OK\r\n",
            &["101", "body"],
        );
    }

    #[test]
    fn what_is_none_is_not_held() {
        for stream in [
            &b"\x16\x03\x01"[..],
            b"SSH-2.0-x\r\n",
            b"GET /  HTTP/1.1\r\n\r\n",
            b"GET / HTTP/2.0\n",
        ] {
            let mut messages = Messages::default();
            let goes_on = messages.push(stream, &mut |part| panic!("{part:?}"));
            assert!(!goes_on && messages.heap_bytes() == 0);
        }
    }
}
