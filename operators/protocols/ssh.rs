//! SSH: identification line, packets up to NEWKEYS, KEXINIT and HASSH (RFC 4253).
//!
//! What is encrypted is not read.

use super::joiner::{Joiner, Length, line_end};
use super::reader::Reader;
use md5::{Digest, Md5};
use std::cell::Cell;

/// Bytes of a packet at most (RFC 4253 section 6.1).
const PACKET: u32 = 35_000;
/// Message numbers of transport and key exchange.
const KEY_EXCHANGE: std::ops::RangeInclusive<u8> = 20..=49;
const KEXINIT: u8 = 20;
const NEWKEYS: u8 = 21;

/// What one direction of a connection says.
#[derive(Clone, Copy, Debug)]
pub enum Message<'a> {
    /// The identification line.
    Line(Line<'a>),
    /// A packet of the key exchange.
    KeyExchange,
    /// The name-lists of a KEXINIT packet that can be read.
    Kexinit(NameLists<'a>),
    /// A packet of the connection that carries a byte behind NEWKEYS.
    Encrypted,
}

/// `SSH-protoversion-softwareversion comments`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Line<'a> {
    /// Protocol version.
    pub version: &'a [u8],
    /// Software version, up to the first space.
    pub software: &'a [u8],
}

impl<'a> Line<'a> {
    /// Reads a line that starts with `SSH-`.
    fn read(line: &'a [u8]) -> Option<Self> {
        let end = line.iter().rposition(|byte| !b"\r\n".contains(byte))?;
        let line = line.get(..=end)?.strip_prefix(MARK)?;
        let dash = line.iter().position(|byte| *byte == b'-')?;
        let (version, rest) = line.split_at_checked(dash)?;
        let software = rest.get(1..)?.split(|byte| *byte == b' ').next()?;
        Some(Self { version, software })
    }
}

/// The ten name-lists of a KEXINIT packet, in order: key exchange, host key, then encryption, MAC, compression and languages,
/// each to the server and to the client.
#[derive(Clone, Copy, Debug)]
pub struct NameLists<'a>([&'a [u8]; 10]);

impl<'a> NameLists<'a> {
    /// Reads what is behind the message number.
    pub(crate) fn read(body: &'a [u8]) -> Option<Self> {
        let mut reader = Reader::new(body);
        reader.take(16)?;
        let mut lists = [&[][..]; 10];
        for list in &mut lists {
            *list = reader.vector32()?;
        }
        reader.take(5)?;
        Some(Self(lists))
    }

    /// All but the languages, in order.
    pub const fn first_eight(&self) -> [&'a [u8]; 8] {
        let [a, b, c, d, e, f, g, h, ..] = self.0;
        [a, b, c, d, e, f, g, h]
    }

    /// HASSH, of the lists that the client offers for what it sends.
    pub fn hassh(&self) -> [u8; 16] {
        let [kex, _, encryption, _, mac, _, compression, ..] = self.0;
        hash([kex, encryption, mac, compression])
    }

    /// HASSH server, of the lists that the server offers for what it sends.
    pub fn hassh_server(&self) -> [u8; 16] {
        let [kex, _, _, encryption, _, mac, _, compression, ..] = self.0;
        hash([kex, encryption, mac, compression])
    }
}

fn hash(lists: [&[u8]; 4]) -> [u8; 16] {
    Md5::digest(hassh_text(lists)).into()
}

/// The text of HASSH: key exchange, encryption, MAC and compression of one direction.
pub fn hassh_text(lists: [&[u8]; 4]) -> String {
    lists.map(text).join(";")
}

/// Printable ASCII as it is, other bytes as `%XX`.
pub fn text(bytes: &[u8]) -> String {
    super::text::percent(bytes, |byte| matches!(byte, b' '..=b'~'))
}

/// How an identification line starts.
const MARK: &[u8] = b"SSH-";

/// One direction of a connection.
#[derive(Debug, Default)]
pub struct Side {
    state: State,
    held: Joiner,
    /// Bytes of the stream up to the end of what was read.
    read: u32,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum State {
    /// At the start of a line.
    #[default]
    Line,
    /// In a line that is no identification line.
    OtherLine,
    /// At the start of a packet.
    Packet,
    /// Behind NEWKEYS.
    Encrypted,
    /// What follows is not read.
    Over,
}

impl Side {
    /// Takes the next bytes of the stream; false = no more of them are read.
    pub fn push(&mut self, bytes: &[u8], tell: &mut impl FnMut(Message<'_>)) -> bool {
        if matches!(self.state, State::Encrypted | State::Over) {
            return false;
        }
        let state = Cell::new(self.state);
        let length = |bytes: &[u8], searched: usize| match state.get() {
            State::Packet => packet_length(bytes),
            state => line_length(bytes, searched, state == State::Line),
        };
        let is_open = self.held.push(bytes, length, |item| {
            self.read =
                u32::try_from(item.len()).map_or(u32::MAX, |read| self.read.saturating_add(read));
            state.set(match state.get() {
                State::Packet => packet(item, tell),
                State::Line if item.starts_with(MARK) => line(item, tell),
                _ if item.ends_with(b"\n") => State::Line,
                _ => State::OtherLine,
            });
            !matches!(state.get(), State::Encrypted | State::Over)
        });
        self.state = match state.get() {
            State::Encrypted => State::Encrypted,
            state if is_open => state,
            _ => State::Over,
        };
        is_open
    }

    /// Where in the stream NEWKEYS ends, once it was read.
    pub fn encrypted_from(&self) -> Option<u32> {
        (self.state == State::Encrypted).then_some(self.read)
    }

    /// Heap bytes held.
    pub fn heap_bytes(&self) -> usize {
        self.held.heap_bytes()
    }
}

/// Only what may be an identification line waits for its end: others may come first (RFC 4253 section 4.2), and they may be long.
fn line_length(bytes: &[u8], searched: usize, is_start: bool) -> Length {
    let may_be_mark = is_start && bytes.iter().zip(MARK).all(|(a, b)| a == b);
    match line_end(bytes, searched) {
        Some(end) => Length::Known(end),
        None if may_be_mark => Length::Unknown,
        None => Length::Known(bytes.len()),
    }
}

/// Takes a whole line that starts with `MARK`.
fn line(line: &[u8], tell: &mut impl FnMut(Message<'_>)) -> State {
    let Some(line) = Line::read(line) else {
        return State::Over;
    };
    tell(Message::Line(line));
    match line.version {
        b"2.0" | b"1.99" => State::Packet,
        _ => State::Over,
    }
}

/// Of the length field, at least one byte of padding and the message number.
fn packet_length(bytes: &[u8]) -> Length {
    let mut reader = Reader::new(bytes);
    let (Some(length), Some(padding), Some(_)) = (reader.u32(), reader.u8(), reader.u8()) else {
        return Length::Unknown;
    };
    let least = u32::from(padding).saturating_add(2);
    if (6..=PACKET).contains(&length) && least <= length {
        Length::Known((length as usize).saturating_add(4))
    } else {
        Length::Wrong
    }
}

/// Takes a whole packet.
fn packet(packet: &[u8], tell: &mut impl FnMut(Message<'_>)) -> State {
    let [_, _, _, _, padding, number, body @ ..] = packet else {
        return State::Over;
    };
    if KEY_EXCHANGE.contains(number) {
        tell(Message::KeyExchange);
    }
    let body = body.get(..body.len().saturating_sub((*padding).into()));
    if *number == KEXINIT
        && let Some(lists) = body.and_then(NameLists::read)
    {
        tell(Message::Kexinit(lists));
    }
    match *number {
        NEWKEYS => State::Encrypted,
        _ => State::Packet,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hex(bytes: [u8; 16]) -> String {
        bytes.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    /// What pieces of a stream say, and where NEWKEYS ends.
    fn said(pieces: &[&[u8]]) -> (Vec<String>, Option<u32>) {
        let (mut side, mut said) = (Side::default(), Vec::new());
        for piece in pieces {
            side.push(piece, &mut |message| {
                said.push(match message {
                    Message::Line(line) => {
                        format!("{} {}", text(line.version), text(line.software))
                    }
                    Message::Kexinit(lists) => hex(lists.hassh()),
                    other => format!("{other:?}"),
                });
            });
        }
        (said, side.encrypted_from())
    }

    fn packet(number: u8, body: &[u8]) -> Vec<u8> {
        let length = (body.len() + 2 + 4) as u32;
        [&length.to_be_bytes()[..], &[4, number], body, &[0; 4]].concat()
    }

    fn kexinit() -> Vec<u8> {
        let lists = [
            "curve25519-sha256,diffie-hellman-group1-sha1",
            "ssh-ed25519",
            "aes128-ctr",
            "aes256-ctr",
            "hmac-sha1",
            "hmac-sha2-256",
            "none",
            "zlib",
            "",
            "",
        ];
        let mut body = vec![0; 16];
        for list in lists {
            body.extend((list.len() as u32).to_be_bytes());
            body.extend(list.as_bytes());
        }
        body.extend([0; 5]);
        packet(20, &body)
    }

    #[test]
    fn a_stream_is_the_same_in_any_pieces() {
        let start = b"welcome\r\nSSHello\nSSH-2.0-Open-SSH_9 a comment\r\n";
        let stream = [
            &start[..],
            &kexinit(),
            &packet(30, &[7; 9]),
            &packet(21, &[]),
        ]
        .concat();
        let end = stream.len() as u32;
        let stream = [&stream[..], &[9; 40]].concat();
        // MD5 of "curve25519-sha256,diffie-hellman-group1-sha1;aes128-ctr;hmac-sha1;none"
        let wanted = [
            "2.0 Open-SSH_9",
            "KeyExchange",
            "70f21445c531dcb45a5b89e373f8fe74",
            "KeyExchange",
            "KeyExchange",
        ];
        for size in 1..=stream.len() {
            let pieces: Vec<&[u8]> = stream.chunks(size).collect();
            let (found, newkeys) = said(&pieces);
            assert_eq!(found, wanted, "pieces of {size}");
            assert_eq!(newkeys, Some(end));
        }
    }

    #[test]
    fn lines_that_are_none() {
        assert_eq!(
            said(&[b"SSH-2.0\r\n"]).0,
            Vec::<String>::new(),
            "no second dash"
        );
        assert_eq!(said(&[b"x SSH-2.0-a\r\n"]).0, Vec::<String>::new());
        assert_eq!(said(&[b"SSH-2.0-a"]).0, Vec::<String>::new(), "no end");
        let old = [&b"SSH-1.5-a%\xff b\n"[..], &packet(21, &[])].concat();
        assert_eq!(said(&[&old]), (vec!["1.5 a%%FF".to_owned()], None));
        let wrong = [&b"SSH-2.0-a\n"[..], &[0, 0, 0, 5, 3, 20]].concat();
        assert_eq!(said(&[&wrong, &packet(20, &[])]).0, ["2.0 a"]);
    }
}
