//! TLS 1.0 to 1.3 over TCP: records to handshake messages (RFC 5246, RFC 8446).
//!
//! Reads what is in clear. Certificates are found and not looked into (`x509` does that); drafts of TLS 1.3 before 22 and SSL 2 are not read.

mod ciphers;
mod fingerprint;
mod hello;
mod key_exchange;
mod names;

pub use ciphers::cipher_name;
#[cfg(any(test, feature = "ja4plus"))]
pub(crate) use fingerprint::{ends, version_digits};
pub use fingerprint::{ja3, ja3_text, ja3s, ja3s_text, ja4, ja4_r};
pub use hello::{ClientHello, Extensions, Hellos, ServerHello, is_grease};
pub use key_exchange::{KeyExchange, key_exchange};
pub use names::{group_name, version_name};

use super::reader::Reader;
use super::sum;

/// TLS 1.3.
pub const TLS13: u16 = 0x0304;
/// DTLS 1.3.
pub const DTLS13: u16 = 0xFEFC;

/// Content types of records.
pub(super) mod content {
    pub const CHANGE_CIPHER_SPEC: u8 = 20;
    pub const ALERT: u8 = 21;
    pub const HANDSHAKE: u8 = 22;
    pub const APPLICATION_DATA: u8 = 23;
    pub const HEARTBEAT: u8 = 24;
}

/// Types of handshake messages.
pub(super) mod handshake {
    pub const CLIENT_HELLO: u8 = 1;
    pub const SERVER_HELLO: u8 = 2;
    pub const CERTIFICATE: u8 = 11;
    pub const SERVER_KEY_EXCHANGE: u8 = 12;
    pub const SERVER_HELLO_DONE: u8 = 14;
}

/// Bytes of a record at most, encrypted ones too (RFC 5246 section 6.2.3).
const RECORD: u16 = 16_384 + 2_048;

/// What one direction of a connection says.
#[derive(Clone, Copy, Debug)]
pub enum Message<'a> {
    /// A ClientHello that can be read wholly.
    ClientHello(ClientHello<'a>),
    /// A ServerHello that can be read wholly and is no HelloRetryRequest.
    ServerHello(ServerHello<'a>),
    /// The body of a Certificate message, in the form of TLS 1.2 and before.
    Certificate(&'a [u8]),
    /// The body of a ServerKeyExchange message.
    ServerKeyExchange(&'a [u8]),
    /// A ServerHelloDone message.
    ServerHelloDone,
    /// The ChangeCipherSpec that ends the part in clear.
    ChangeCipherSpec,
    /// Another packet that brought the first byte of a handshake record.
    HandshakePacket,
    /// The header of a record: content type and length of what follows.
    Record(u8, u16),
    /// The first record of application data.
    ApplicationData,
}

/// Reads the body of a ClientHello message.
pub fn client_hello(body: &[u8]) -> Option<ClientHello<'_>> {
    ClientHello::read(body)
}

/// The certificates of a Certificate message up to TLS 1.2: how many, the bytes of all and of the first. `None` = malformed.
pub fn certificates(body: &[u8]) -> Option<Certificates> {
    let mut reader = Reader::new(body);
    let mut chain = Reader::new(reader.vector24()?);
    let mut found = Certificates::default();
    while !chain.is_empty() {
        let length = u32::try_from(chain.vector24()?.len()).ok()?;
        found.first.get_or_insert(length);
        found.count = found.count.saturating_add(1);
        found.bytes = found.bytes.saturating_add(length);
    }
    reader.is_empty().then_some(found)
}

/// The certificates of a Certificate message up to TLS 1.2, in DER, as far as they can be read.
pub fn certificate_list(body: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut chain = Reader::new(Reader::new(body).vector24().unwrap_or(&[]));
    std::iter::from_fn(move || chain.vector24())
}

/// Lengths of a chain of certificates.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Certificates {
    /// Certificates.
    pub count: u16,
    /// Bytes of all of them.
    pub bytes: u32,
    /// Bytes of the first.
    pub first: Option<u32>,
}

/// One direction of a connection: pieces of its stream to messages.
#[derive(Debug, Default)]
pub struct Side {
    state: State,
    is_encrypted: bool,
    has_application_data: bool,
    /// The last message is a HelloRetryRequest: the ChangeCipherSpec behind it is a dummy (RFC 8446 appendix D.4).
    is_retry: bool,
    /// Only a stream of TLS has it, as most are of something else.
    kept: Option<Box<Kept>>,
}

#[derive(Debug, Default)]
struct Kept {
    /// Before the first hello: the bytes in which it may start. In a record: the start of a message.
    held: Vec<u8>,
    /// Before the first hello: where in `held` a packet's bytes start, and which packet it is.
    starts: Vec<(usize, u32)>,
    /// Before the first hello: bytes of alert records that `held` opens with.
    alerts: usize,
    /// Packets that brought the first byte of a handshake record, in order.
    packets: Vec<u32>,
}

#[derive(Clone, Copy, Debug, Default)]
enum State {
    /// No hello yet.
    #[default]
    Search,
    /// In the header of a record: the bytes of it that are there, and the packet that brought the first.
    Header([u8; 5], u8, u32),
    /// In a record, with so many bytes to come; those of a handshake in clear are looked at.
    Record(u16, bool),
    /// What follows is no TLS.
    Over,
}

impl Side {
    /// Takes the next bytes of the stream and the number of the packet that brought them; false = the stream holds no more TLS.
    pub fn push(&mut self, bytes: &[u8], packet: u32, tell: &mut impl FnMut(Message<'_>)) -> bool {
        if !matches!(self.state, State::Search) {
            self.records(bytes, packet, tell);
        } else if let Some(kept) = &mut self.kept {
            kept.starts.push((kept.held.len(), packet));
            kept.held.extend_from_slice(bytes);
            self.search(tell);
        } else {
            // most streams hold no TLS: then nothing is kept
            match opens_hello(bytes.get(alert_bytes(bytes)..).unwrap_or(&[])) {
                Some(true) => {
                    self.state = State::Header([0; 5], 0, packet);
                    self.records(bytes, packet, tell);
                }
                Some(false) => {}
                None => {
                    let kept = self.kept.get_or_insert_default();
                    kept.held.extend_from_slice(bytes);
                    kept.starts.push((0, packet));
                }
            }
        }
        !matches!(self.state, State::Over)
    }

    /// Looks for the first start of a packet that opens a hello.
    fn search(&mut self, tell: &mut impl FnMut(Message<'_>)) {
        let Some(kept) = self.kept.as_deref_mut() else {
            return;
        };
        let Kept { held, starts, .. } = kept;
        let opens = |start: usize, alerts: usize| {
            let bytes = held.get(start..).unwrap_or(&[]);
            let alerts = alerts.saturating_add(alert_bytes(bytes.get(alerts..).unwrap_or(&[])));
            (opens_hello(bytes.get(alerts..).unwrap_or(&[])), alerts)
        };
        // alerts that were passed are not looked at again
        let mut known = std::mem::take(&mut kept.alerts);
        let mut places = starts.iter().enumerate().map(|(place, (start, _))| {
            let (opens, alerts) = opens(*start, std::mem::take(&mut known));
            (place, *start, opens, alerts)
        });
        let Some((place, start, found, alerts)) =
            places.find(|(_, _, opens, _)| *opens != Some(false))
        else {
            self.kept = None;
            return;
        };
        kept.alerts = alerts;
        let is_found = found.is_some();
        held.drain(..start);
        starts.drain(..place);
        for (at, _) in &mut *starts {
            *at = at.saturating_sub(start);
        }
        if !is_found {
            return;
        }
        let (held, starts) = (std::mem::take(held), std::mem::take(starts));
        self.state = State::Header([0; 5], 0, 0);
        let ends = starts.iter().skip(1).map(|(next, _)| *next);
        for ((start, packet), end) in starts.iter().zip(ends.chain([held.len()])) {
            self.records(held.get(*start..end).unwrap_or(&[]), *packet, tell);
        }
    }

    fn records(&mut self, mut bytes: &[u8], packet: u32, tell: &mut impl FnMut(Message<'_>)) {
        loop {
            match &mut self.state {
                State::Search | State::Over => return,
                State::Header(header, have, first) => {
                    let wanted = header.get_mut(usize::from(*have)..).unwrap_or(&mut []);
                    let taken = wanted.len().min(bytes.len());
                    if taken == 0 {
                        return;
                    }
                    if *have == 0 {
                        *first = packet;
                    }
                    let (now, rest) = bytes.split_at(taken);
                    for (to, from) in wanted.iter_mut().zip(now) {
                        *to = *from;
                        *have = have.saturating_add(1);
                    }
                    bytes = rest;
                    if usize::from(*have) == header.len() {
                        let (header, first) = (*header, *first);
                        self.record(header, first, tell);
                    }
                }
                State::Record(left, is_clear) => {
                    let length = u16::try_from(bytes.len()).unwrap_or(u16::MAX);
                    let taken = length.min(*left);
                    let (body, rest) = bytes.split_at(taken.into());
                    let is_clear = *is_clear;
                    *left = left.saturating_sub(taken);
                    bytes = rest;
                    if *left == 0 {
                        self.state = State::Header([0; 5], 0, 0);
                    }
                    if is_clear {
                        self.messages(body, tell);
                    }
                    if bytes.is_empty() {
                        return;
                    }
                }
            }
        }
    }

    /// Takes the header of a record, whose first byte `packet` brought.
    fn record(&mut self, header: [u8; 5], packet: u32, tell: &mut impl FnMut(Message<'_>)) {
        let [kind, major, minor, length @ ..] = header;
        let length = u16::from_be_bytes(length);
        let is_known = (content::CHANGE_CIPHER_SPEC..=content::HEARTBEAT).contains(&kind);
        if !is_known || major != 3 || minor > 4 || length > RECORD {
            self.kept = None;
            self.state = State::Over;
            return;
        }
        tell(Message::Record(kind, length));
        let kept = self.kept.get_or_insert_default();
        if kind == content::HANDSHAKE
            && let Err(place) = kept.packets.binary_search(&packet)
        {
            kept.packets.insert(place, packet);
            tell(Message::HandshakePacket);
        }
        if kind == content::CHANGE_CIPHER_SPEC && !self.is_retry && !self.is_encrypted {
            self.is_encrypted = true;
            kept.held = Vec::new();
            tell(Message::ChangeCipherSpec);
        }
        if kind == content::APPLICATION_DATA && !self.has_application_data {
            self.has_application_data = true;
            tell(Message::ApplicationData);
        }
        let is_clear = kind == content::HANDSHAKE && !self.is_encrypted;
        self.state = match length {
            0 => State::Header([0; 5], 0, 0),
            length => State::Record(length, is_clear),
        };
    }

    /// Takes the next bytes of the handshake; messages may span records.
    fn messages(&mut self, bytes: &[u8], tell: &mut impl FnMut(Message<'_>)) {
        let kept = self.kept.get_or_insert_default();
        let mut held = std::mem::take(&mut kept.held);
        if !held.is_empty() {
            held.extend_from_slice(bytes);
        }
        let all = if held.is_empty() { bytes } else { &held };
        let mut rest = Reader::new(all);
        loop {
            let mut reader = rest;
            let (Some(kind), Some(body)) = (reader.u8(), reader.vector24()) else {
                break;
            };
            rest = reader;
            self.is_retry = kind == handshake::SERVER_HELLO && ServerHello::is_retry(body);
            let message = match kind {
                handshake::CLIENT_HELLO => ClientHello::read(body).map(Message::ClientHello),
                handshake::SERVER_HELLO if self.is_retry => None,
                handshake::SERVER_HELLO => ServerHello::read(body).map(Message::ServerHello),
                handshake::CERTIFICATE => Some(Message::Certificate(body)),
                handshake::SERVER_KEY_EXCHANGE => Some(Message::ServerKeyExchange(body)),
                handshake::SERVER_HELLO_DONE => Some(Message::ServerHelloDone),
                _ => None,
            };
            message.into_iter().for_each(&mut *tell);
        }
        // the start of a message stays where it is: a long one may come in many small pieces
        kept.held = match rest.read_of(all) {
            0 if !held.is_empty() => held,
            _ => rest.rest().to_vec(),
        };
    }

    /// Heap bytes held.
    pub fn heap_bytes(&self) -> usize {
        self.kept.as_ref().map_or(0, |kept| {
            let starts = kept.starts.capacity();
            sum([
                size_of::<Kept>(),
                kept.held.capacity(),
                starts.saturating_mul(size_of::<(usize, u32)>()),
                kept.packets.capacity().saturating_mul(size_of::<u32>()),
            ])
        })
    }
}

/// Bytes of the whole alert records that these bytes open with.
fn alert_bytes(bytes: &[u8]) -> usize {
    let (records, _) = bytes.as_chunks::<7>();
    let is_alert = |record: &&[u8; 7]| matches!(record, [content::ALERT, 3, _, 0, 2, _, _]);
    records
        .iter()
        .take_while(is_alert)
        .count()
        .saturating_mul(7)
}

/// Whether these bytes open a record that opens a ClientHello or ServerHello, or may yet after an alert whose end has not come;
/// `None` = too few to tell. Eleven bytes decide.
fn opens_hello(bytes: &[u8]) -> Option<bool> {
    if let [content::ALERT, rest @ ..] = bytes {
        let is_alert = |at: usize, byte: u8| rest.get(at).map(|found| *found == byte);
        for (at, byte) in [(0, 3), (2, 0), (3, 2)] {
            if !is_alert(at, byte)? {
                return Some(false);
            }
        }
        return None;
    }
    let byte = |at: usize| bytes.get(at).copied();
    if byte(0)? != content::HANDSHAKE || byte(1)? != 3 || byte(2)? > 4 {
        return Some(false);
    }
    let length = u16::from_be_bytes([byte(3)?, byte(4)?]);
    let kind = byte(5)?;
    let is_hello = matches!(kind, handshake::CLIENT_HELLO | handshake::SERVER_HELLO);
    if !(4..=RECORD).contains(&length) || !is_hello {
        return Some(false);
    }
    let inner = u32::from_be_bytes([0, byte(6)?, byte(7)?, byte(8)?]);
    Some((38..=65_535).contains(&inner) && byte(9)? == 3 && byte(10)? <= 4)
}

#[cfg(test)]
mod tests;
