//! The start of a direction: which protocol opens it, and whether its first message asks for HTTP/2 or agrees to it.
//!
//! Each byte is looked at once, in however many pieces it comes. Fields are read only as far as they say that HTTP/2 follows.

use super::super::joiner::line_end;
use super::{FRAME, PREFACE, Version, frame};

/// What may be the first line is refused by its first bytes: so many of a stream that comes in small pieces are looked at.
pub const OPENS: usize = 64;

/// What the start of a stream is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Opening {
    /// Too few bytes to tell.
    #[default]
    Unknown,
    /// The preface of HTTP/2.
    Preface,
    /// A SETTINGS frame, or the start of one: how a server opens HTTP/2.
    Settings,
    /// Where the head ends, once it has.
    Request(Version, Option<usize>),
    /// The same, and what it says.
    Response(Version, Answer),
    /// Something else.
    Other,
}

/// What a response says of a change of protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// Too few bytes to tell.
    Unknown,
    /// To HTTP/2, behind so many bytes.
    Http2(usize),
    /// To none.
    No,
}

/// The bytes of a stream from its start, and what they say.
#[derive(Debug, Default)]
pub struct Start {
    /// The bytes.
    pub bytes: Vec<u8>,
    /// What they are.
    pub opening: Opening,
    /// Where the first line starts that was not whole, and how far it holds no line end.
    line: usize,
    searched: usize,
    /// Of a response: the first field `Upgrade`, and whether a line that continues it may follow.
    upgrade: Option<bool>,
    is_upgrade: bool,
}

impl Start {
    /// What these bytes say, which are not kept.
    pub fn new(bytes: &[u8]) -> Self {
        let mut start = Self::default();
        start.read(bytes);
        start
    }

    /// The same with its bytes.
    pub fn kept(self, bytes: &[u8]) -> Self {
        let bytes = bytes.to_vec();
        Self { bytes, ..self }
    }

    /// Adds the next bytes.
    pub fn push(&mut self, bytes: &[u8]) {
        let mut held = std::mem::take(&mut self.bytes);
        held.extend_from_slice(bytes);
        self.read(&held);
        self.bytes = held;
    }

    /// Reads on in the bytes from the start.
    fn read(&mut self, bytes: &[u8]) {
        if self.opening == Opening::Unknown {
            self.opening = self.first(bytes);
        }
        while let Opening::Request(_, None) | Opening::Response(_, Answer::Unknown) = self.opening
            && let Some(line) = self.next_line(bytes)
        {
            self.field(line);
        }
    }

    /// The next line without its end, if it is whole.
    fn next_line<'a>(&mut self, bytes: &'a [u8]) -> Option<&'a [u8]> {
        let Some(end) = line_end(bytes, self.searched) else {
            self.searched = bytes.len();
            return None;
        };
        let line = bytes.get(self.line..end.saturating_sub(1));
        (self.line, self.searched) = (end, end);
        line.map(trimmed)
    }

    fn first(&mut self, bytes: &[u8]) -> Opening {
        if bytes.is_empty() || agree(bytes, PREFACE) {
            return if bytes.len() < PREFACE.len() {
                Opening::Unknown
            } else {
                Opening::Preface
            };
        }
        let may_be_settings = match bytes.first_chunk::<FRAME>() {
            Some(header) => is_settings(*header),
            None => bytes.get(3).is_none_or(|kind| *kind == frame::SETTINGS),
        };
        // below 64 KiB: a line of text does not start so
        if bytes.starts_with(&[0]) && may_be_settings {
            return Opening::Settings;
        }
        if self.searched < OPENS && !may_be_line(bytes) {
            return Opening::Other;
        }
        match self.next_line(bytes) {
            Some(line) => first_line(line),
            None => Opening::Unknown,
        }
    }

    /// Takes a line of the head behind the first.
    fn field(&mut self, line: &[u8]) {
        let end = self.line;
        match &mut self.opening {
            Opening::Request(_, head) if line.is_empty() => *head = Some(end),
            Opening::Response(_, answer) if line.is_empty() => {
                *answer = match self.upgrade {
                    Some(true) => Answer::Http2(end),
                    _ => Answer::No,
                };
            }
            Opening::Response(..) => self.upgrade(line),
            _ => {}
        }
    }

    fn upgrade(&mut self, line: &[u8]) {
        if line.starts_with(b" ") || line.starts_with(b"\t") {
            if self.is_upgrade {
                self.upgrade = Some(false);
            }
            return;
        }
        let mut parts = line.splitn(2, |byte| *byte == b':');
        let (name, value) = (parts.next().unwrap_or(&[]), parts.next());
        self.is_upgrade = false;
        if let (None, Some(value)) = (self.upgrade, value)
            && name.eq_ignore_ascii_case(b"upgrade")
        {
            self.is_upgrade = true;
            self.upgrade = Some(value.trim_ascii().eq_ignore_ascii_case(b"h2c"));
        }
    }
}

/// What a stream is that has this first line.
fn first_line(line: &[u8]) -> Opening {
    let mut parts = line.splitn(3, |byte| *byte == b' ');
    let [first, second, third] = [(); 3].map(|()| parts.next().unwrap_or(&[]));
    if let Some(version) = Version::read(first) {
        let is_status = second.len() == 3 && second.iter().all(u8::is_ascii_digit);
        return match second {
            _ if !is_status => Opening::Other,
            b"101" => Opening::Response(version, Answer::Unknown),
            _ => Opening::Response(version, Answer::No),
        };
    }
    let is_method = !first.is_empty() && first.iter().all(|byte| is_token(*byte));
    match Version::read(third).filter(|_| is_method) {
        Some(version) => Opening::Request(version, None),
        None => Opening::Other,
    }
}

/// Whether this is the header of a SETTINGS frame: stream 0, a multiple of 6 bytes (RFC 9113 section 6.5).
pub fn is_settings(header: [u8; FRAME]) -> bool {
    let [a, b, c, kind, _, stream @ ..] = header;
    let length = u32::from_be_bytes([0, a, b, c]);
    kind == frame::SETTINGS
        && u32::from_be_bytes(stream) & 0x7FFF_FFFF == 0
        && length.is_multiple_of(6)
}

/// Whether one is the start of the other.
fn agree(bytes: &[u8], with: &[u8]) -> bool {
    bytes.iter().zip(with).all(|(a, b)| a == b)
}

/// Whether these bytes may start the first line of a message: a version, or a method.
pub fn may_be_line(bytes: &[u8]) -> bool {
    let method = bytes.split(|byte| *byte == b' ').next().unwrap_or(&[]);
    let is_method = method.iter().all(|byte| is_token(*byte)) && !method.is_empty();
    is_method || agree(bytes, b"HTTP/1.0 ") || agree(bytes, b"HTTP/1.1 ")
}

/// A character of a token (RFC 9110 section 5.6.2).
pub fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

/// The line without the CR at its end.
pub fn trimmed(line: &[u8]) -> &[u8] {
    let end = line.iter().rposition(|byte| *byte != b'\r');
    line.get(..end.map_or(0, |end| end.saturating_add(1)))
        .unwrap_or(&[])
}
