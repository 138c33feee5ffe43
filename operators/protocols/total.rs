//! Reads any bytes as every protocol: the body of the tests, and of fuzz targets, that no bytes hurt a parser.

use super::tls::{ClientHello, ServerHello};
use super::{dns, http, quic, ssh, text, tls};
use crate::packet::Direction;

/// Bytes of a stream that are read at most.
const LIMIT: u32 = 1 << 14;

/// Reads `bytes` as datagrams and as streams of every protocol, in pieces of this size, and asks each message for all it can say.
/// Gives the number of messages.
pub fn read(bytes: &[u8], size: usize) -> usize {
    let pieces = || {
        bytes
            .chunks(size.max(1))
            .zip([true, false].into_iter().cycle())
    };
    let mut messages = 0;
    // what a message says is asked for and not looked at
    let mut said = |_: usize| messages += 1;

    let mut query = |message: &dns::Message<'_>| {
        let name = message.question.map_or(0, |question| question.name().len());
        said(name + usize::from(message.code(&message.records())));
    };
    dns::Message::read(bytes).iter().for_each(&mut query);
    let mut side = dns::Side::default();
    for (piece, _) in pieces() {
        if !side.push(piece, &mut query) {
            break;
        }
    }

    let mut side = ssh::Side::default();
    for (piece, _) in pieces() {
        let goes_on = side.push(piece, &mut |message| {
            said(match message {
                ssh::Message::Line(line) => ssh::text(line.software).len(),
                ssh::Message::Kexinit(lists) => {
                    usize::from(lists.hassh()[0] ^ lists.hassh_server()[0])
                }
                ssh::Message::KeyExchange | ssh::Message::Encrypted => 0,
            });
        });
        if !goes_on {
            break;
        }
    }

    let mut side = tls::Side::default();
    for (packet, (piece, _)) in (0..).zip(pieces()) {
        let goes_on = side.push(piece, packet, &mut |message| {
            said(match message {
                tls::Message::ClientHello(hello) => client(&hello),
                tls::Message::ServerHello(hello) => server(&hello),
                tls::Message::Certificate(body) => tls::certificates(body).is_some().into(),
                tls::Message::ServerKeyExchange(body) => [0xC02F, 0xC035, 0x0033, 0x0090]
                    .into_iter()
                    .filter_map(|cipher| tls::key_exchange(body, cipher))
                    .count(),
                _ => 0,
            });
        });
        if !goes_on {
            break;
        }
    }
    said(ClientHello::read(bytes).map_or(0, |hello| client(&hello)));
    said(ServerHello::read(bytes).map_or(0, |hello| server(&hello)));

    let mut connection = quic::Connection::default();
    for (piece, is_forward) in pieces() {
        let from = if is_forward {
            Direction::Forward
        } else {
            Direction::Backward
        };
        connection.datagram(piece, from, LIMIT, &mut |message| {
            said(match message {
                quic::Message::Packet(header) => quic::version_name(header.version).len(),
                quic::Message::ClientHello(hello) => client(&hello),
                quic::Message::NumberLength(_) | quic::Message::Spin => 0,
            });
        });
    }

    let mut connection = http::Connection::default();
    for (piece, is_forward) in pieces() {
        let from = if is_forward {
            Direction::Forward
        } else {
            Direction::Backward
        };
        connection.push(piece, from, &mut |_, _| said(0));
    }
    messages
}

fn client(hello: &ClientHello<'_>) -> usize {
    let name = hello
        .server_name()
        .map_or(0, |name| text::visible(name).len());
    let protocols = hello.extensions.protocols().count();
    let hashes = usize::from(tls::ja3(hello)[0]) + tls::ja4(hello, 't').len();
    name + protocols + hashes + usize::from(hello.highest_version())
}

fn server(hello: &ServerHello<'_>) -> usize {
    let share = hello.key_share().map_or(0, |(_, bytes)| bytes);
    share + usize::from(tls::ja3s(hello)[0]) + usize::from(hello.negotiated_version())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Starts of messages, so that bytes get further than to the first test of them.
    const STARTS: [&[u8]; 12] = [
        b"",
        b"\x16\x03\x01\x00\x80\x01\x00\x00\x7c\x03\x03",
        b"\x16\x03\x03\x00\x80\x02\x00\x00\x7c\x03\x03",
        b"\x15\x03\x01\x00\x02\x01\x70\x16\x03\x01",
        b"SSH-2.0-x\r\n\x00\x00\x00\x40\x04\x14",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"GET / HTTP/1.1\r\n",
        b"HTTP/1.1 101 x\r\nUpgrade: h2c\r\n\r\n",
        b"\xc0\x00\x00\x00\x01\x08\x01\x02\x03\x04\x05\x06\x07\x08\x00\x00\x40\x40",
        b"\xc0Q046\x50",
        b"\x12\x34\x81\x80\x00\x01\x00\x02\x00\x00\x00\x01\x01a\xc0\x0c",
        b"\x00\x40\x12\x34\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00",
    ];

    proptest! {
        #![proptest_config(ProptestConfig { cases: 4096, failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn no_bytes_hurt_a_parser(
            start in prop::sample::select(STARTS.to_vec()), rest in prop::collection::vec(any::<u8>(), 0..300),
            small in prop::collection::vec(0u8..4, 0..100), size in 1usize..200,
            flips in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..4),
        ) {
            let mut bytes = [start, &small, &rest].concat();
            for (place, byte) in flips {
                if !bytes.is_empty() {
                    let place = place.index(bytes.len());
                    bytes[place] = byte;
                }
            }
            read(&bytes, size);
        }
    }
}
