//! Reads any bytes as each protocol and asserts what must hold: the bodies of the tests, and of fuzz targets, that no bytes hurt a
//! parser and that a stream says the same in any pieces.
#![cfg_attr(
    not(test),
    expect(
        clippy::arithmetic_side_effects,
        reason = "a sum that overflows is a finding"
    )
)]

use super::tcp_options::{Options, Timestamps, kind};
use super::tls::{ClientHello, ServerHello};
use super::{dhcp, dns, dtls, greeting, http, icmp, mptcp, quic, ssh, text, tls, x509};
use crate::packet::Direction;

/// Bytes of a stream that are read at most.
const LIMIT: u32 = 1 << 14;

/// What a message says, as a number.
type Said = usize;

/// The pieces of a stream.
fn pieces(bytes: &[u8], size: usize) -> impl Iterator<Item = &[u8]> {
    let read = bytes.get(..LIMIT as usize).unwrap_or(bytes);
    read.chunks(size.max(1))
}

/// Pieces that come from both directions in turn.
fn both_ways(bytes: &[u8], size: usize) -> impl Iterator<Item = (&[u8], Direction)> {
    let directions = [Direction::Forward, Direction::Backward];
    pieces(bytes, size).zip(directions.into_iter().cycle())
}

/// What a parser holds is bounded by what it was given: a vector that doubles, and notes about packets.
fn bounded(held: usize, bytes: &[u8]) {
    let given = bytes.len().min(LIMIT as usize);
    assert!(
        held <= 4096 + 32 * given,
        "{held} bytes held of {given} bytes"
    );
}

/// As every protocol.
pub fn read(bytes: &[u8], size: usize) {
    for target in [dhcp, dns, dtls, greeting, http, quic, ssh, tcp_options, tls] {
        target(bytes, size);
    }
}

/// As a DHCP message.
pub fn dhcp(bytes: &[u8], _: usize) {
    if let Some(message) = dhcp::Message::read(bytes) {
        for code in 0..=u8::MAX {
            let value = message.option(code).unwrap_or_default();
            assert!(value.len() <= bytes.len(), "{} bytes", value.len());
        }
    }
}

/// As a DNS message, and as a stream of them.
pub fn dns(bytes: &[u8], size: usize) {
    let say = |message: &dns::Message<'_>| -> Said {
        let name = message.question.map_or(0, |question| question.name().len());
        // 255 bytes of which each may be written as four
        assert!(name <= 4 * 255, "a name of {name} characters");
        let question = message.question.as_ref();
        assert!(question.is_none_or(|question| usize::from(question.length()) <= name));
        let answers = message.answers().take(32).map(|answer| {
            // each byte may be written as four, and a short pointer stands for a name of 255
            assert!(
                answer.len() <= 4 * (bytes.len() + 255) + 64,
                "{} characters",
                answer.len()
            );
            answer.len()
        });
        let answers: usize = answers.sum();
        name + usize::from(message.code(&message.records())) + (answers << 16)
    };
    dns::Message::read(bytes).as_ref().map(say);
    let stream = |size: usize| {
        let (mut side, mut said) = (dns::Side::default(), Vec::new());
        for piece in pieces(bytes, size) {
            let goes_on = side.push(piece, |message| said.push(say(message)));
            bounded(side.heap_bytes(), bytes);
            if !goes_on {
                break;
            }
        }
        said
    };
    assert_eq!(stream(size), stream(usize::MAX));
}

/// As how a protocol begins.
pub fn greeting(bytes: &[u8], size: usize) {
    greeting::datagram(bytes);
    let stream = |size: usize| {
        let (mut connection, mut said) = (greeting::Connection::default(), None);
        for piece in pieces(bytes, size) {
            let goes_on = connection.push(piece, Direction::Forward, &mut |message| {
                assert!(said.replace(message).is_none(), "told twice");
            });
            if !goes_on {
                break;
            }
        }
        said
    };
    assert_eq!(stream(size), stream(usize::MAX));
}

/// As the stream of one side of SSH.
pub fn ssh(bytes: &[u8], size: usize) {
    let say = |message: ssh::Message<'_>| -> Said {
        match message {
            ssh::Message::Line(line) => ssh::text(line.software).len() + line.version.len(),
            ssh::Message::Kexinit(lists) => {
                usize::from(lists.hassh()[0] ^ lists.hassh_server()[0]) << 16
            }
            ssh::Message::KeyExchange => 1 << 24,
            ssh::Message::Encrypted => 1 << 25,
        }
    };
    let stream = |size: usize| {
        let (mut side, mut said) = (ssh::Side::default(), Vec::new());
        for piece in pieces(bytes, size) {
            let goes_on = side.push(piece, &mut |message| said.push(say(message)));
            bounded(side.heap_bytes(), bytes);
            if !goes_on {
                break;
            }
        }
        (said, side.encrypted_from())
    };
    let whole = stream(usize::MAX);
    assert!(whole.1.is_none_or(|from| from as usize <= bytes.len()));
    assert_eq!(stream(size), whole);
}

/// As the stream of one side of TLS, and as the body of each of its messages.
pub fn tls(bytes: &[u8], size: usize) {
    let say = |message: tls::Message<'_>| -> Option<Said> {
        Some(match message {
            tls::Message::ClientHello(hello) => client(&hello),
            tls::Message::ServerHello(hello) => server(&hello),
            tls::Message::Certificate(body) => chain(body),
            tls::Message::ServerKeyExchange(body) => exchange(body),
            tls::Message::ServerHelloDone => 1 << 24,
            tls::Message::ChangeCipherSpec => 1 << 25,
            tls::Message::ApplicationData => 1 << 26,
            tls::Message::HandshakePacket => return None,
            tls::Message::Record(kind, length) => {
                1 << 26 | Said::from(kind) << 16 | Said::from(length)
            }
        })
    };
    let stream = |size: usize| {
        let (mut side, mut said) = (tls::Side::default(), Vec::new());
        let mut is_found = false;
        for (packet, piece) in (0..).zip(pieces(bytes, size)) {
            let goes_on = side.push(piece, packet, &mut |message| {
                is_found = true;
                said.extend(say(message));
            });
            bounded(side.heap_bytes(), bytes);
            if !goes_on {
                break;
            }
        }
        (said, is_found)
    };
    let (whole, is_found) = stream(usize::MAX);
    let (parts, _) = stream(size);
    // a stream that does not open with a hello may have one at the start of a later packet
    assert!(!is_found || parts == whole, "{parts:?} and {whole:?}");
    ClientHello::read(bytes).as_ref().map(client);
    ServerHello::read(bytes).as_ref().map(server);
    chain(bytes);
    certificate(bytes);
    exchange(bytes);
}

fn client(hello: &ClientHello<'_>) -> Said {
    let name = hello
        .server_name()
        .map_or(0, |name| text::visible(name).len());
    let protocols = hello.extensions.protocols().count();
    let ja4 = tls::ja4(hello, 't');
    assert!(ja4.is_ascii() && ja4.len() == 36, "{ja4}");
    let hashes = usize::from(tls::ja3(hello)[0]) << 16;
    name + protocols + hashes + usize::from(hello.highest_version())
}

fn server(hello: &ServerHello<'_>) -> Said {
    let share = hello.key_share().map_or(0, |(_, bytes)| bytes);
    share + (usize::from(tls::ja3s(hello)[0]) << 16) + usize::from(hello.negotiated_version())
}

fn chain(body: &[u8]) -> Said {
    let Some(found) = tls::certificates(body) else {
        return 0;
    };
    tls::certificate_list(body).for_each(certificate);
    let bytes = found.bytes as usize;
    assert!(bytes + 3 * usize::from(found.count) <= body.len());
    bytes
}

/// As a certificate.
fn certificate(der: &[u8]) {
    let Some(certificate) = x509::Certificate::read(der) else {
        return;
    };
    for text in [certificate.key(), certificate.signature_algorithm()] {
        assert!(text.is_none_or(|text| text.is_ascii() && text.len() <= 256));
    }
    let names = [certificate.subject, certificate.issuer].map(|name| {
        let values = [name.common_name(), name.organization()];
        values.into_iter().flatten().map(<[u8]>::len).sum::<usize>()
    });
    let others: usize = certificate.dns_names().map(<[u8]>::len).sum();
    assert!(names[0] + names[1] + others <= 2 * der.len());
    let [before, after] = certificate.validity();
    assert!(before.is_none_or(|time| time >= 0) && after.is_none_or(|time| time >= 0));
}

fn exchange(body: &[u8]) -> Said {
    let ciphers = [0xC02F, 0xC035, 0x0033, 0x0090].into_iter();
    ciphers
        .filter_map(|cipher| tls::key_exchange(body, cipher))
        .count()
}

/// As datagrams of a QUIC connection.
pub fn quic(bytes: &[u8], size: usize) {
    for size in [size, usize::MAX] {
        let mut connection = quic::Connection::default();
        for (datagram, from) in both_ways(bytes, size) {
            let _ = quic::may_open(datagram);
            connection.datagram(datagram, from, LIMIT, &mut |message| match message {
                quic::Message::Packet(header) => {
                    assert!(header.start <= header.number && header.number <= header.end);
                    assert!(header.start < header.end && header.end <= datagram.len());
                    assert!(!quic::version_name(header.version).is_empty());
                }
                quic::Message::ClientHello(hello) => {
                    client(&hello);
                }
                quic::Message::NumberLength(length) => assert!((1..=4).contains(&length)),
                quic::Message::Spin => {}
            });
        }
        bounded(connection.heap_bytes(), bytes);
    }
    // as what Initial packets hold, which no bytes but honest ones come to through their seal
    let mut connection = quic::Connection::default();
    for frames in pieces(bytes, size) {
        let mut is_told = false;
        connection.frames(frames, 1, LIMIT, &mut |message| {
            if let quic::Message::ClientHello(hello) = message {
                client(&hello);
                is_told = true;
            }
        });
        bounded(connection.heap_bytes(), bytes);
        if is_told {
            break;
        }
    }
}

/// As datagrams of a DTLS connection: two bytes each that say how long it is, the first bit who sent it. However the messages are cut and
/// whatever their order, a hello is one that some datagrams hold.
pub fn dtls(bytes: &[u8], _: usize) {
    let mut connection = dtls::Connection::default();
    let (mut rest, mut hellos) = (bytes, 0);
    while let Some((length, behind)) = rest.split_first_chunk() {
        let length = u16::from_be_bytes(*length);
        let (datagram, behind) = behind.split_at(behind.len().min(usize::from(length & 0x7FFF)));
        rest = behind;
        let from = if length & 0x8000 == 0 {
            Direction::Forward
        } else {
            Direction::Backward
        };
        let _ = dtls::may_open(datagram);
        connection.datagram(datagram, from, LIMIT, &mut |message| {
            hellos += usize::from(message.is_earlier);
            match message.message {
                tls::Message::ClientHello(hello) => {
                    client(&hello);
                    assert!(tls::ja4(&hello, 'd').starts_with('d'));
                    assert!(hello.highest_datagram_version() <= hello.version.max(0xFEFF));
                }
                tls::Message::ServerHello(hello) => {
                    server(&hello);
                }
                tls::Message::Certificate(body) => {
                    chain(body);
                }
                tls::Message::ServerKeyExchange(body) => {
                    exchange(body);
                }
                _ => {}
            }
        });
        bounded(connection.heap_bytes(), bytes);
    }
    assert!(
        hellos <= bytes.len() / 12,
        "{hellos} messages instead of others"
    );
}

/// As one side of an HTTP connection, and as both in turn.
pub fn http(bytes: &[u8], size: usize) {
    let stream = |size: usize, from: Direction| {
        let (mut connection, mut said) = (http::Connection::default(), Vec::new());
        for piece in pieces(bytes, size) {
            let goes_on = connection.push(piece, from, &mut |message, from| {
                said.push((message, from as u8));
            });
            bounded(connection.heap_bytes(), bytes);
            if !goes_on {
                break;
            }
        }
        said
    };
    for from in [Direction::Forward, Direction::Backward] {
        assert_eq!(stream(size, from), stream(usize::MAX, from));
    }
    let messages = |size: usize| {
        let (mut side, mut said) = (http::Messages::default(), Vec::new());
        for piece in pieces(bytes, size) {
            let goes_on = side.push(piece, &mut |part| {
                said.push(match part {
                    http::Part::Request { method, target, .. } => {
                        method.len() + (target.len() << 16)
                    }
                    http::Part::Response(status) => status.into(),
                    http::Part::Field { name, value } => {
                        (1 << 32) + name.len() + (value.len() << 16)
                    }
                    http::Part::Folded(value) => 1 << 33 | value.len(),
                    http::Part::Body => 1 << 34,
                });
            });
            bounded(side.heap_bytes(), bytes);
            if !goes_on {
                break;
            }
        }
        said
    };
    assert_eq!(messages(size), messages(usize::MAX));
    let mut connection = http::Connection::default();
    for (piece, from) in both_ways(bytes, size) {
        connection.push(piece, from, &mut |_, _| {});
        bounded(connection.heap_bytes(), bytes);
    }
    connection.end(Direction::Forward);
    connection.end(Direction::Backward);
    assert!(connection.is_over());
}

/// As a TCP header, and as an ICMP message.
pub fn tcp_options(bytes: &[u8], _: usize) {
    for protocol in [1, 58] {
        let message = icmp::Message::read(protocol, bytes);
        assert_eq!(message.is_some(), bytes.len() >= 2);
    }
    let options = Options::of(bytes);
    let length: usize = options.map(|option| 2 + option.value.len()).sum();
    assert!(length <= options.bytes().len() && options.bytes().len() <= 40);
    let listed = options.map(|option| option.kind);
    let kinds = options
        .kinds()
        .filter(|kind| *kind > kind::NO_OPERATION)
        .collect::<Vec<_>>();
    assert!(listed.eq(kinds));
    let of_eight = |option: super::tcp_options::TcpOption<'_>| {
        let [a, b, c, d, e, f, g, h] = *option.value_of(kind::TIMESTAMPS)?;
        Some(Timestamps {
            value: u32::from_be_bytes([a, b, c, d]),
            echo: u32::from_be_bytes([e, f, g, h]),
        })
    };
    assert_eq!(options.timestamps(), { options }.find_map(of_eight));
    for option in options {
        assert!(mptcp::subtype(option).is_none_or(|subtype| subtype < 16));
    }
    options.maximum_segment_size();
    options.window_scale();
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Starts of messages, so that bytes get further than to the first test of them.
    const STARTS: [&[u8]; 13] = [
        b"\x01\x00\x16\xfe\xfd\0\0\0\0\0\0\0\0\0\x80\x01\0\0\x74\0\0\0\0\0\0\0\x74\xfe\xfd",
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
