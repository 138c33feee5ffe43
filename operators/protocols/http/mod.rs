//! HTTP in clear: the first line of HTTP/1 messages (RFC 9112), the opening of HTTP/2 and its frames (RFC 9113).
//!
//! A connection looks for HTTP/2 and reads fields only as far as they say that it follows (`Upgrade: h2c`, RFC 7540 section 3.2);
//! `messages` reads all of HTTP/1. Header blocks are not decompressed.

mod messages;
mod start;

pub use messages::{Messages, Part};

use super::sum;
use crate::packet::Direction;
use start::{Answer, Opening, Start, is_settings};

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
    /// The stream from its start, while it decides something; most streams hold something else and are not kept.
    start: Option<Box<Start>>,
    is_other: bool,
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
                let start = side.start.get_or_insert_default();
                start.bytes.extend_from_slice(bytes);
                self.preface(tell);
            }
            (Stage::Undecided | Stage::Never, _) => {
                side.push(bytes);
                self.first_line(from, tell);
                if self.stage == Stage::Undecided {
                    self.decide(tell);
                }
                for from in DIRECTIONS {
                    if !self.wants(from) {
                        from.of_mut(&mut self.sides).start = None;
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
        match side.opening() {
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
        let (ask, answer) = (forward.opening(), backward.opening());
        // what each may still become
        let (may_preface, may_ask) = match ask {
            Opening::Preface => {
                self.stage = Stage::Open;
                tell(Message::Preface, Direction::Forward);
                self.open(PREFACE.len(), 0, tell);
                return;
            }
            Opening::Unknown | Opening::Request(_, None) if forward.is_ended => (false, false),
            Opening::Unknown => (PREFACE.starts_with(forward.held()), true),
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
                    if let Some(start) = &mut forward.start {
                        start.bytes.drain(..asked);
                    }
                    let start = backward.start.take();
                    let rest = start.as_deref().and_then(|start| start.bytes.get(end..));
                    let mut tell_back = |message| tell(message, Direction::Backward);
                    backward
                        .frames
                        .get_or_insert_default()
                        .push(rest.unwrap_or(&[]), &mut tell_back);
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
            let held = side.start.take();
            let rest = held.as_deref().and_then(|held| held.bytes.get(start..));
            side.frames
                .get_or_insert_default()
                .push(rest.unwrap_or(&[]), &mut |message| tell(message, from));
        }
    }

    /// After an upgrade: looks for the preface behind the request and its body.
    fn preface(&mut self, tell: &mut impl FnMut(Message, Direction)) {
        let [Side { start, .. }, _] = &mut self.sides;
        let held = &mut start.get_or_insert_default().bytes;
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
        let start = |side: &Side| {
            let start = side.start.as_deref();
            start.map_or(0, |start| sum([size_of_val(start), start.bytes.capacity()]))
        };
        let bytes = |side: &Side| start(side).saturating_add(frames(side));
        self.sides.iter().map(bytes).sum()
    }
}

impl Side {
    /// Adds bytes to the start of the stream.
    fn push(&mut self, bytes: &[u8]) {
        if self.is_other {
            return;
        }
        if let Some(start) = &mut self.start {
            start.push(bytes);
            return;
        }
        let start = Start::new(bytes);
        match start.opening {
            Opening::Other => self.is_other = true,
            _ => self.start = Some(Box::new(start.kept(bytes))),
        }
    }

    fn opening(&self) -> Opening {
        match &self.start {
            _ if self.is_other => Opening::Other,
            Some(start) => start.opening,
            None => Opening::Unknown,
        }
    }

    fn held(&self) -> &[u8] {
        self.start.as_deref().map_or(&[], |start| &start.bytes)
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

#[cfg(test)]
mod tests;
