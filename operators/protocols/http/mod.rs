//! HTTP in clear: the first line of HTTP/1 messages (RFC 9112), the opening of HTTP/2 and its frames (RFC 9113).
//!
//! A connection looks for HTTP/2 and reads fields only as far as they say that it follows (`Upgrade: h2c`, RFC 7540 section 3.2);
//! `messages` reads all of HTTP/1. Header blocks are not decompressed.

mod messages;

pub use messages::{Messages, Part};

use crate::packet::Direction;

/// What opens HTTP/2 on the client's side (RFC 9113 section 3.4).
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
/// Bytes of the header of a frame.
const FRAME: usize = 9;

const DIRECTIONS: [Direction; 2] = [Direction::Forward, Direction::Backward];

/// Types of frames (RFC 9113 section 6).
#[expect(missing_docs, reason = "the names are the definition")]
pub mod frame {
    pub const DATA: u8 = 0;
    pub const HEADERS: u8 = 1;
    pub const SETTINGS: u8 = 4;
    pub const PUSH_PROMISE: u8 = 5;
    pub const GOAWAY: u8 = 7;
    pub const WINDOW_UPDATE: u8 = 8;
}

/// What one direction of a connection says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Message {
    /// Its first line is that of a request.
    Request(Version),
    /// Its first line is that of a response.
    Response(Version),
    /// The initiator opens HTTP/2 with the preface.
    Preface,
    /// The responder changes to HTTP/2 because the initiator asked for it.
    Upgrade,
    /// The header of an HTTP/2 frame: type and stream identifier.
    Frame(u8, u32),
}

/// Version of an HTTP/1 message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Version {
    /// HTTP/1.0.
    Http10,
    /// HTTP/1.1.
    Http11,
}

impl Version {
    fn read(text: &[u8]) -> Option<Self> {
        match text {
            b"HTTP/1.0" => Some(Self::Http10),
            b"HTTP/1.1" => Some(Self::Http11),
            _ => None,
        }
    }

    /// "1.0" or "1.1".
    pub const fn name(self) -> &'static str {
        match self {
            Self::Http10 => "1.0",
            Self::Http11 => "1.1",
        }
    }
}

/// Both directions of a connection.
#[derive(Debug, Default)]
pub struct Connection {
    sides: [Side; 2],
    stage: Stage,
}

#[derive(Debug, Default)]
struct Side {
    /// The stream from its start, while it decides something.
    held: Vec<u8>,
    /// Whether its first line was told, or it has none.
    is_told: bool,
    /// Whether it has been ruled out that HTTP/2 follows.
    is_closed: bool,
    /// Whether no more bytes come. What is held may still decide something.
    is_ended: bool,
    /// Once HTTP/2 is open.
    frames: Option<Box<Frames>>,
}

/// How far the opening of HTTP/2 has come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Stage {
    #[default]
    Undecided,
    /// Only first lines are wanted.
    Never,
    /// After `Upgrade`, the preface of the initiator has not come yet.
    Upgraded,
    /// Frames both ways.
    Open,
}

/// A stream of frames. That of the server opens with SETTINGS, or it is none.
#[derive(Debug, Default)]
struct Frames {
    /// Whether a frame was read, or need not be SETTINGS.
    is_open: bool,
    is_over: bool,
    header: [u8; FRAME],
    have: usize,
    /// Bytes of the payload that are still to come.
    payload: u32,
}

/// What the start of a stream is.
enum Opening {
    /// Too few bytes to tell.
    Unknown,
    Preface,
    /// A SETTINGS frame, or the start of one: how a server opens HTTP/2.
    Settings,
    /// Where the head ends, once it has.
    Request(Version, Option<usize>),
    /// The same, and what it says.
    Response(Version, Answer),
    Other,
}

/// What a response says of a change of protocol.
enum Answer {
    Unknown,
    /// To HTTP/2, behind so many bytes.
    Http2(usize),
    No,
}

impl Connection {
    /// Takes the next bytes of a stream; false = nothing more is read of that direction.
    pub fn push(
        &mut self,
        bytes: &[u8],
        from: Direction,
        tell: &mut impl FnMut(Message, Direction),
    ) -> bool {
        if !self.is_read(from) {
            return false;
        }
        let side = from.of_mut(&mut self.sides);
        match (self.stage, from) {
            (Stage::Open, _) | (Stage::Upgraded, Direction::Backward) => {
                side.frames
                    .get_or_insert_default()
                    .push(bytes, &mut |message| tell(message, from));
            }
            (Stage::Upgraded, Direction::Forward) => {
                side.held.extend_from_slice(bytes);
                self.preface(tell);
            }
            (Stage::Undecided | Stage::Never, _) => {
                side.held.extend_from_slice(bytes);
                self.first_line(from, tell);
                if self.stage == Stage::Undecided {
                    self.decide(tell);
                }
                for from in DIRECTIONS {
                    if !self.wants(from) {
                        from.of_mut(&mut self.sides).held = Vec::new();
                    }
                }
            }
        }
        self.is_read(from)
    }

    /// Whether anything more is read of a direction.
    pub fn is_read(&self, from: Direction) -> bool {
        self.wants(from) && !from.of(&self.sides).is_ended
    }

    /// Whether more of a direction could say something.
    fn wants(&self, from: Direction) -> bool {
        let side = from.of(&self.sides);
        match self.stage {
            Stage::Undecided => !(side.is_closed && side.is_told),
            Stage::Never => !side.is_told,
            Stage::Upgraded | Stage::Open => {
                !side.is_closed && !side.frames.as_ref().is_some_and(|frames| frames.is_over)
            }
        }
    }

    /// Says that no more bytes of a direction come.
    pub fn end(&mut self, from: Direction) {
        from.of_mut(&mut self.sides).is_ended = true;
    }

    /// Whether nothing more is read of either direction.
    pub fn is_over(&self) -> bool {
        !DIRECTIONS.into_iter().any(|from| self.is_read(from))
    }

    /// Tells the first line of a direction once it is whole.
    fn first_line(&mut self, from: Direction, tell: &mut impl FnMut(Message, Direction)) {
        let side = from.of_mut(&mut self.sides);
        if side.is_told {
            return;
        }
        match opening(&side.held) {
            Opening::Unknown => return,
            Opening::Request(version, _) => tell(Message::Request(version), from),
            Opening::Response(version, _) => tell(Message::Response(version), from),
            Opening::Preface | Opening::Settings | Opening::Other => {}
        }
        side.is_told = true;
    }

    /// Finds out whether HTTP/2 follows.
    fn decide(&mut self, tell: &mut impl FnMut(Message, Direction)) {
        let [forward, backward] = &mut self.sides;
        let (ask, answer) = (opening(&forward.held), opening(&backward.held));
        // what each may still become
        let (may_preface, may_ask) = match ask {
            Opening::Preface => {
                self.stage = Stage::Open;
                tell(Message::Preface, Direction::Forward);
                self.open(PREFACE.len(), 0, tell);
                return;
            }
            Opening::Unknown | Opening::Request(_, None) if forward.is_ended => (false, false),
            Opening::Unknown => (PREFACE.starts_with(&forward.held), true),
            Opening::Request(..) => (false, true),
            Opening::Settings | Opening::Response(..) | Opening::Other => (false, false),
        };
        let (may_settings, may_answer) = match answer {
            _ if backward.is_closed => (false, false),
            Opening::Unknown if backward.is_ended => (false, false),
            Opening::Unknown => (true, true),
            Opening::Settings => (true, false),
            Opening::Response(_, Answer::Http2(end)) => {
                if let Opening::Request(_, Some(asked)) = ask {
                    self.stage = Stage::Upgraded;
                    tell(Message::Upgrade, Direction::Backward);
                    forward.held.drain(..asked);
                    let held = std::mem::take(&mut backward.held);
                    let rest = held.get(end..).unwrap_or(&[]);
                    let mut tell_back = |message| tell(message, Direction::Backward);
                    backward
                        .frames
                        .get_or_insert_default()
                        .push(rest, &mut tell_back);
                    self.preface(tell);
                    return;
                }
                (false, true)
            }
            Opening::Response(_, Answer::Unknown) => (false, !backward.is_ended),
            _ => (false, false),
        };
        forward.is_closed = !(may_preface || may_ask && may_answer);
        backward.is_closed = !(may_preface && may_settings || may_ask && may_answer);
        if forward.is_closed {
            self.stage = Stage::Never;
        }
    }

    /// Reads the frames behind so many bytes of each direction.
    fn open(&mut self, forward: usize, backward: usize, tell: &mut impl FnMut(Message, Direction)) {
        let client = Direction::Forward.of_mut(&mut self.sides);
        client.frames.get_or_insert_default().is_open = true;
        let sides = self.sides.iter_mut().zip(DIRECTIONS);
        for ((side, from), start) in sides.zip([forward, backward]) {
            let held = std::mem::take(&mut side.held);
            let rest = held.get(start..).unwrap_or(&[]);
            side.frames
                .get_or_insert_default()
                .push(rest, &mut |message| tell(message, from));
        }
    }

    /// After an upgrade: looks for the preface behind the request and its body.
    fn preface(&mut self, tell: &mut impl FnMut(Message, Direction)) {
        let [Side { held, .. }, _] = &mut self.sides;
        let mut places = held.windows(PREFACE.len());
        if let Some(start) = places.position(|window| window == PREFACE) {
            self.stage = Stage::Open;
            self.open(start.saturating_add(PREFACE.len()), 0, tell);
        } else {
            // its start may be at the end
            const START: usize = PREFACE.len() - 1;
            let passed = held.len().saturating_sub(START);
            held.drain(..passed);
        }
    }

    /// Heap bytes held.
    pub fn heap_bytes(&self) -> usize {
        let frames = |side: &Side| side.frames.as_ref().map_or(0, |_| size_of::<Frames>());
        let bytes = |side: &Side| side.held.capacity().saturating_add(frames(side));
        self.sides.iter().map(bytes).sum()
    }
}

impl Frames {
    fn push(&mut self, mut bytes: &[u8], tell: &mut impl FnMut(Message)) {
        while !bytes.is_empty() && !self.is_over {
            let length = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
            let skipped = length.min(self.payload);
            self.payload = self.payload.saturating_sub(skipped);
            bytes = bytes.get(skipped as usize..).unwrap_or(&[]);
            let wanted = self.header.get_mut(self.have..).unwrap_or(&mut []);
            let taken = wanted.len().min(bytes.len());
            let (now, rest) = bytes.split_at(taken);
            wanted
                .iter_mut()
                .zip(now)
                .for_each(|(to, from)| *to = *from);
            (self.have, bytes) = (self.have.saturating_add(taken), rest);
            if self.have == FRAME {
                let [a, b, c, kind, _, stream @ ..] = self.header;
                self.is_over = !self.is_open && !is_settings(self.header);
                self.is_open = true;
                (self.have, self.payload) = (0, u32::from_be_bytes([0, a, b, c]));
                if !self.is_over {
                    let stream = u32::from_be_bytes(stream) & 0x7FFF_FFFF;
                    tell(Message::Frame(kind, stream));
                }
            }
        }
    }
}

/// Whether this is the header of a SETTINGS frame: stream 0, a multiple of 6 bytes (RFC 9113 section 6.5).
fn is_settings(header: [u8; FRAME]) -> bool {
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

fn opening(bytes: &[u8]) -> Opening {
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
    let Some(end) = bytes.iter().position(|byte| *byte == b'\n') else {
        return if may_be_line(bytes) {
            Opening::Unknown
        } else {
            Opening::Other
        };
    };
    let line = trimmed(bytes.get(..end).unwrap_or(&[]));
    let parts: [&[u8]; 3] = {
        let mut parts = line.splitn(3, |byte| *byte == b' ');
        [(); 3].map(|()| parts.next().unwrap_or(&[]))
    };
    let [first, second, third] = parts;
    if let Some(version) = Version::read(first) {
        let is_status = second.len() == 3 && second.iter().all(u8::is_ascii_digit);
        return match second {
            _ if !is_status => Opening::Other,
            b"101" => Opening::Response(version, answer(bytes)),
            _ => Opening::Response(version, Answer::No),
        };
    }
    let is_method = !first.is_empty() && first.iter().all(|byte| is_token(*byte));
    match Version::read(third).filter(|_| is_method) {
        Some(version) => Opening::Request(version, head_end(bytes)),
        None => Opening::Other,
    }
}

/// Whether these bytes may start the first line of a message: a version, or a method.
fn may_be_line(bytes: &[u8]) -> bool {
    let method = bytes.split(|byte| *byte == b' ').next().unwrap_or(&[]);
    let is_method = method.iter().all(|byte| is_token(*byte)) && !method.is_empty();
    is_method || agree(bytes, b"HTTP/1.0 ") || agree(bytes, b"HTTP/1.1 ")
}

/// A character of a token (RFC 9110 section 5.6.2).
fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

/// The line without the CR at its end.
fn trimmed(line: &[u8]) -> &[u8] {
    let end = line.iter().rposition(|byte| *byte != b'\r');
    line.get(..end.map_or(0, |end| end.saturating_add(1)))
        .unwrap_or(&[])
}

/// Lines of a head behind the first, each with the offset behind it; the last is the blank one, if it is there.
fn lines(bytes: &[u8]) -> impl Iterator<Item = (&[u8], usize)> {
    let mut at = 0;
    let all = bytes.split_inclusive(|byte| *byte == b'\n');
    let whole = all.take_while(|line| line.ends_with(b"\n"));
    let lines = whole.map(move |line| {
        at = line.len().saturating_add(at);
        (trimmed(line.strip_suffix(b"\n").unwrap_or(line)), at)
    });
    lines.skip(1)
}

/// Where the head of a message ends: behind the blank line.
fn head_end(bytes: &[u8]) -> Option<usize> {
    let mut lines = lines(bytes);
    lines.find_map(|(line, end)| line.is_empty().then_some(end))
}

/// What a response with status 101 says.
fn answer(bytes: &[u8]) -> Answer {
    // the first field `Upgrade`, and whether a line that continues it follows
    let mut upgrade: Option<bool> = None;
    let mut is_last = false;
    for (line, end) in lines(bytes) {
        if line.is_empty() {
            return if upgrade == Some(true) {
                Answer::Http2(end)
            } else {
                Answer::No
            };
        }
        if line.starts_with(b" ") || line.starts_with(b"\t") {
            if is_last {
                upgrade = Some(false);
            }
            continue;
        }
        let mut parts = line.splitn(2, |byte| *byte == b':');
        let (name, value) = (parts.next().unwrap_or(&[]), parts.next());
        is_last = false;
        if let (None, Some(value)) = (upgrade, value)
            && name.eq_ignore_ascii_case(b"upgrade")
        {
            is_last = true;
            upgrade = Some(value.trim_ascii().eq_ignore_ascii_case(b"h2c"));
        }
    }
    Answer::Unknown
}

#[cfg(test)]
mod tests;
