//! DTLS 1.0 to 1.3: datagrams to handshake messages (RFC 4347, RFC 6347, RFC 9147).
//!
//! Reads messages of epoch 0, joined over fragments by their number; datagrams come in any order, and of a byte that comes twice the
//! first counts. What is encrypted is not looked into, nor is the short header that records of 1.3 have then.

use super::prefix::Prefix;
use super::reader::Reader;
use super::sum;
use super::tls::{self, ClientHello, ServerHello, content, handshake};
use crate::packet::Direction;

/// Versions that a record may have; the last is that of OpenSSL before the RFC.
const VERSIONS: [u16; 4] = [0xFEFF, 0xFEFD, 0xFEFC, 0x0100];
/// Content types of records.
const KINDS: std::ops::RangeInclusive<u8> = content::CHANGE_CIPHER_SPEC..=25;
/// Messages of a direction that are told apart: more than an honest handshake has.
const MESSAGES: usize = 32;

/// What one direction says.
#[derive(Clone, Copy, Debug)]
pub struct Message<'a> {
    /// The message.
    pub message: tls::Message<'a>,
    /// Whether it takes the place of one of its kind that was told: it came later and stands before it.
    pub is_earlier: bool,
}

/// A record in clear, or the header of an encrypted one and what is behind it.
struct Record<'a> {
    kind: u8,
    epoch: u16,
    body: &'a [u8],
}

/// The whole records that a datagram starts with.
fn records(datagram: &[u8]) -> impl Iterator<Item = Record<'_>> {
    let mut reader = Reader::new(datagram);
    std::iter::from_fn(move || {
        let kind = reader.u8().filter(|kind| KINDS.contains(kind))?;
        let version = reader.u16()?;
        let epoch = reader.u16()?;
        // its number
        reader.take(6)?;
        let body = reader.vector16()?;
        let record = Record { kind, epoch, body };
        VERSIONS.contains(&version).then_some(record)
    })
}

/// Whether a datagram may be of a handshake: what most datagrams of other protocols fail with their first byte.
#[inline]
pub fn may_open(datagram: &[u8]) -> bool {
    let is_known = datagram.first().is_some_and(|kind| KINDS.contains(kind));
    is_known
        && records(datagram).any(|record| match record.kind {
            content::CHANGE_CIPHER_SPEC => true,
            content::HANDSHAKE => record.epoch == 0,
            _ => false,
        })
}

/// A flow in which a handshake was seen.
#[derive(Debug, Default)]
pub struct Connection {
    sides: [Side; 2],
}

impl Connection {
    /// Takes a datagram; messages of more than `limit` bytes are not read.
    pub fn datagram(
        &mut self,
        datagram: &[u8],
        from: Direction,
        limit: u32,
        tell: &mut impl FnMut(Message<'_>),
    ) {
        let side = from.of_mut(&mut self.sides);
        for record in records(datagram) {
            match record.kind {
                content::CHANGE_CIPHER_SPEC if !side.is_changed => {
                    side.is_changed = true;
                    tell(first(tls::Message::ChangeCipherSpec));
                }
                content::HANDSHAKE if record.epoch == 0 => {
                    side.fragments(record.body, limit, tell);
                }
                content::APPLICATION_DATA if side.has_hello() && !side.has_data => {
                    side.has_data = true;
                    tell(first(tls::Message::ApplicationData));
                }
                _ => {}
            }
        }
    }

    /// Heap bytes held.
    pub fn heap_bytes(&self) -> usize {
        let [forward, backward] = &self.sides;
        sum([forward.heap_bytes(), backward.heap_bytes()])
    }
}

const fn first(message: tls::Message<'_>) -> Message<'_> {
    Message {
        message,
        is_earlier: false,
    }
}

#[derive(Debug, Default)]
struct Side {
    /// The messages of which something was seen.
    parts: Vec<Part>,
    /// Numbers of the messages told: ClientHello, ServerHello, Certificate, ServerKeyExchange.
    told: [Option<u16>; 4],
    /// A ServerKeyExchange that waits for the ServerHello, without which it cannot be read.
    exchange: Option<Box<[u8]>>,
    is_changed: bool,
    has_data: bool,
}

/// A message as far as it has come.
#[derive(Debug)]
struct Part {
    number: u16,
    kind: u8,
    size: u32,
    is_whole: bool,
    waiting: Prefix,
    bytes: Vec<u8>,
}

impl Side {
    fn has_hello(&self) -> bool {
        let [client, server, ..] = self.told;
        client.or(server).is_some()
    }

    /// Takes the fragments of a record.
    fn fragments(&mut self, body: &[u8], limit: u32, tell: &mut impl FnMut(Message<'_>)) {
        let mut reader = Reader::new(body);
        while let Some((kind, size)) = reader.u8().zip(reader.u24()) {
            let place = reader.u16().zip(reader.u24()).zip(reader.vector24());
            let Some(((number, start), piece)) = place else {
                return;
            };
            let length = u32::try_from(piece.len()).unwrap_or(u32::MAX);
            if start.saturating_add(length) > size || size > limit {
                continue;
            }
            if length == size && self.whole(number, kind, piece, tell) {
                continue;
            }
            self.join((number, kind, size), start, piece, (limit, tell));
        }
    }

    /// Tells a message that comes in one piece; nothing is kept of it but that it came. False = something of it came before.
    fn whole(
        &mut self,
        number: u16,
        kind: u8,
        body: &[u8],
        tell: &mut impl FnMut(Message<'_>),
    ) -> bool {
        let is_new = self.parts.iter().all(|part| part.number != number);
        if is_new && self.parts.len() < MESSAGES {
            self.parts.push(Part {
                number,
                kind,
                size: u32::try_from(body.len()).unwrap_or(u32::MAX),
                is_whole: true,
                waiting: Prefix::default(),
                bytes: Vec::new(),
            });
            self.tell(number, kind, body, tell);
        }
        is_new
    }

    /// Joins a piece to what has come of its message, and tells that once it is whole.
    fn join(
        &mut self,
        (number, kind, size): (u16, u8, u32),
        start: u32,
        piece: &[u8],
        (limit, tell): (u32, &mut impl FnMut(Message<'_>)),
    ) {
        let open = self.parts.iter().filter(|part| !part.is_whole);
        let promised = open.map(|part| part.size).fold(size, u32::saturating_add);
        let place = self.parts.iter().position(|part| part.number == number);
        let place = place.unwrap_or(self.parts.len());
        // what is not whole may be no more than one message of the greatest size
        if place == self.parts.len() && place < MESSAGES && promised <= limit {
            self.parts.push(Part {
                number,
                kind,
                size,
                is_whole: false,
                waiting: Prefix::default(),
                bytes: Vec::new(),
            });
        }
        let Some(part) = self.parts.get_mut(place) else {
            return;
        };
        if part.is_whole || (part.kind, part.size) != (kind, size) {
            return;
        }
        let Part { waiting, bytes, .. } = part;
        waiting.push(start.into(), piece, limit, |piece| {
            bytes.extend_from_slice(piece.bytes);
        });
        if bytes.len() == size as usize {
            let body = std::mem::take(bytes);
            (part.is_whole, part.waiting) = (true, Prefix::default());
            self.tell(number, kind, &body, tell);
        }
    }

    /// Tells a message, unless one of its kind was told that stands before it.
    fn tell(&mut self, number: u16, kind: u8, body: &[u8], tell: &mut impl FnMut(Message<'_>)) {
        let (place, message) = match kind {
            handshake::CLIENT_HELLO => match ClientHello::read_datagram(body) {
                Some(hello) => (0, tls::Message::ClientHello(hello)),
                None => return,
            },
            handshake::SERVER_HELLO if ServerHello::is_retry(body) => return,
            handshake::SERVER_HELLO => match ServerHello::read(body) {
                Some(hello) => (1, tls::Message::ServerHello(hello)),
                None => return,
            },
            handshake::CERTIFICATE => (2, tls::Message::Certificate(body)),
            handshake::SERVER_KEY_EXCHANGE => (3, tls::Message::ServerKeyExchange(body)),
            handshake::SERVER_HELLO_DONE => return tell(first(tls::Message::ServerHelloDone)),
            _ => return,
        };
        let is_answered = self.told.get(1).is_some_and(Option::is_some);
        let Some(told) = self.told.get_mut(place) else {
            return;
        };
        let is_earlier = told.is_some_and(|told| number < told);
        if told.is_some() && !is_earlier {
            return;
        }
        *told = Some(number);
        if place == 3 && !is_answered {
            self.exchange = Some(body.into());
            return;
        }
        tell(Message {
            message,
            is_earlier,
        });
        if place == 1
            && let Some(exchange) = self.exchange.take()
        {
            tell(first(tls::Message::ServerKeyExchange(&exchange)));
        }
    }

    fn heap_bytes(&self) -> usize {
        let of_parts = self.parts.iter().map(|part| {
            let bytes = part.bytes.capacity();
            sum([bytes, part.waiting.heap_bytes()])
        });
        let parts = self.parts.capacity().saturating_mul(size_of::<Part>());
        let exchange = self.exchange.as_deref().map_or(0, <[u8]>::len);
        of_parts.fold(sum([parts, exchange]), usize::saturating_add)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use Direction::{Backward, Forward};

    /// A record of DTLS 1.2 in epoch 0.
    fn record(kind: u8, body: &[u8]) -> Vec<u8> {
        let length = (body.len() as u16).to_be_bytes();
        let start = [kind, 0xFE, 0xFD, 0, 0, 0, 0, 0, 0, 0, 7];
        [&start[..], &length, body].concat()
    }

    /// A fragment of a message.
    fn fragment(kind: u8, number: u16, body: &[u8], range: std::ops::Range<usize>) -> Vec<u8> {
        let three = |number: usize| (number as u32).to_be_bytes()[1..].to_vec();
        let part = &body[range.clone()];
        let head = [three(body.len()), number.to_be_bytes().to_vec()].concat();
        let place = [three(range.start), three(part.len())].concat();
        [&[kind][..], &head, &place, part].concat()
    }

    fn message(kind: u8, number: u16, body: &[u8]) -> Vec<u8> {
        record(22, &fragment(kind, number, body, 0..body.len()))
    }

    /// The body of a ClientHello (RFC 6347 section 4.2.1) with a cookie and a name.
    fn hello(cookie: &[u8], name: &[u8]) -> Vec<u8> {
        let short = |length: usize| (length as u16).to_be_bytes();
        let list = [&[0][..], &short(name.len()), name].concat();
        let body = [&short(list.len())[..], &list].concat();
        let extension = [&[0, 0][..], &short(body.len()), &body].concat();
        let start = [
            &[0xFE, 0xFD][..],
            &[7; 32],
            &[0, cookie.len() as u8],
            cookie,
        ]
        .concat();
        let suites = [0, 2, 0xC0, 0x2B, 1, 0];
        [&start, &suites[..], &short(extension.len()), &extension].concat()
    }

    fn answer(suite: u8) -> Vec<u8> {
        [&[0xFE, 0xFD][..], &[9; 32], &[0, 0xC0, suite, 0]].concat()
    }

    /// What datagrams say.
    fn said(datagrams: &[(Direction, Vec<u8>)]) -> Vec<String> {
        let (mut connection, mut said) = (Connection::default(), Vec::new());
        for (from, datagram) in datagrams {
            connection.datagram(datagram, *from, 1 << 14, &mut |message| {
                let text = match message.message {
                    tls::Message::ClientHello(hello) => {
                        let name = hello.server_name().unwrap_or_default();
                        format!("client {}", String::from_utf8_lossy(name))
                    }
                    tls::Message::ServerHello(hello) => format!("server {:04x}", hello.cipher),
                    tls::Message::ServerKeyExchange(body) => format!("exchange {}", body.len()),
                    other => format!("{other:?}"),
                };
                let again = if message.is_earlier { " instead" } else { "" };
                said.push(format!("{text}{again}"));
            });
        }
        said
    }

    #[test]
    fn the_first_hello_is_that_without_a_cookie() {
        let one = (Forward, message(1, 0, &hello(&[], b"a")));
        let verify = (Backward, message(3, 0, &[0xFE, 0xFF, 1, 5]));
        let two = (Forward, message(1, 1, &hello(&[5], b"b")));
        let reply = (Backward, message(2, 1, &answer(0x2B)));
        let all = [one.clone(), verify, two.clone(), reply];
        assert_eq!(said(&all), ["client a", "server c02b"]);
        assert_eq!(said(&[two, one]), ["client b", "client a instead"]);
    }

    #[test]
    fn fragments_in_any_order_are_a_message() {
        let body = hello(&[1; 20], b"some.example");
        let part = |range| (Forward, record(22, &fragment(1, 0, &body, range)));
        let parts = [part(0..30), part(20..50), part(50..body.len())];
        for order in [[0, 1, 2], [2, 1, 0], [1, 2, 0]] {
            let datagrams = order.map(|at| parts[at].clone());
            assert_eq!(said(&datagrams), ["client some.example"], "{order:?}");
        }
        // another length is another message: the first claim counts
        let mut other = body.clone();
        other.push(0);
        let other = (Forward, record(22, &fragment(1, 0, &other, 30..50)));
        assert_eq!(said(&[parts[0].clone(), other, parts[2].clone()]), [""; 0]);
        let twice = [parts[0].clone(), parts[1].clone(), parts[2].clone()];
        assert_eq!(said(&[&twice[..], &twice].concat()).len(), 1);
    }

    #[test]
    fn a_key_exchange_waits_for_its_hello() {
        let exchange = (Backward, message(12, 3, &[3, 0, 23, 1, 4]));
        let reply = (Backward, message(2, 1, &answer(0x2B)));
        let done = (Backward, message(14, 4, &[]));
        assert_eq!(
            said(&[done, exchange, reply]),
            ["ServerHelloDone", "server c02b", "exchange 5"]
        );
    }

    #[test]
    fn what_is_encrypted_or_cut_is_not_read() {
        let hello = message(1, 0, &hello(&[], b"a"));
        assert!(may_open(&hello) && may_open(&[&hello[..], &[1]].concat()));
        let cut = hello[..hello.len() - 1].to_vec();
        assert!(!may_open(&cut) && !may_open(&[]) && !may_open(&hello[1..]));
        let mut later = hello.clone();
        later[4] = 1;
        assert!(!may_open(&later), "epoch 1");
        let mut other = hello.clone();
        other[1] = 3;
        assert!(!may_open(&other), "a record of TLS");
        let change = record(20, &[1]);
        let data = record(23, &[1, 2, 3]);
        let sent = [data.clone(), change.clone(), hello, change, data];
        let sent = sent.map(|datagram| (Forward, datagram));
        assert_eq!(
            said(&sent),
            ["ChangeCipherSpec", "client a", "ApplicationData"],
            "data before the hello does not count"
        );
    }

    #[test]
    fn what_is_held_is_bounded() {
        let mut connection = Connection::default();
        let body = vec![0; 1 << 14];
        for number in 0..u16::MAX {
            let piece = record(22, &fragment(1, number, &body, 1..1000));
            connection.datagram(&piece, Forward, 1 << 14, &mut |_| {});
            let whole = message(9, number, &[1]);
            connection.datagram(&whole, Backward, 1 << 14, &mut |_| {});
        }
        assert!(
            connection.heap_bytes() < 8192,
            "{}",
            connection.heap_bytes()
        );
    }
}
