//! Tests of HTTP with messages written out by hand.

use super::*;
use Direction::{Backward, Forward};

fn said(pieces: &[(Direction, &[u8])]) -> Vec<(Message, Direction)> {
    let (mut connection, mut said) = (Connection::default(), Vec::new());
    for (from, piece) in pieces {
        connection.push(piece, *from, &mut |message, from| {
            said.push((message, from))
        });
    }
    said
}

const SETTINGS: &[u8] = &[0, 0, 0, 4, 0, 0, 0, 0, 0];
const HEADERS: &[u8] = &[0, 0, 1, 1, 5, 0, 0, 0, 1, 0x82];

#[test]
fn the_preface_opens_both_directions() {
    let forward = [PREFACE, SETTINGS, HEADERS].concat();
    let backward = [SETTINGS, HEADERS, HEADERS].concat();
    for size in 1..=forward.len() {
        // the server speaks before the preface is whole
        let mut pieces: Vec<(Direction, &[u8])> = vec![(Forward, &forward[..10])];
        pieces.extend(backward.chunks(size).map(|piece| (Backward, piece)));
        pieces.extend(forward[10..].chunks(size).map(|piece| (Forward, piece)));
        let said = said(&pieces);
        assert_eq!(said[0], (Message::Preface, Forward));
        let frames = |from| {
            said.iter()
                .filter(move |said| **said == (Message::Frame(1, 1), from))
        };
        assert_eq!((frames(Forward).count(), frames(Backward).count()), (1, 2));
        assert_eq!(said.len(), 6);
    }
}

#[test]
fn an_upgrade_opens_both_directions() {
    let ask = b"GET / HTTP/1.1\r\nHost: a\r\nUpgrade: h2c\r\n\r\n";
    let answer = b"HTTP/1.1 101 Switching Protocols\r\nUPGRADE:  h2c\r\n\r\n";
    let forward = [&ask[..], PREFACE, SETTINGS].concat();
    let backward = [&answer[..], SETTINGS].concat();
    for order in [[Forward, Backward], [Backward, Forward]] {
        for size in 1..40 {
            let pieces = order.iter().flat_map(|from| {
                let stream = if *from == Forward {
                    &forward
                } else {
                    &backward
                };
                stream.chunks(size).map(|piece| (*from, piece))
            });
            let said = said(&pieces.collect::<Vec<_>>());
            for wanted in [
                (Message::Request(Version::Http11), Forward),
                (Message::Response(Version::Http11), Backward),
                (Message::Upgrade, Backward),
                (Message::Frame(4, 0), Forward),
                (Message::Frame(4, 0), Backward),
            ] {
                assert!(said.contains(&wanted), "{order:?} {size}: {said:?}");
            }
            assert_eq!(said.len(), 5);
        }
    }
}

#[test]
fn what_does_not_open_http2() {
    let ask = b"POST / HTTP/1.0\n\n";
    let no = b"HTTP/1.1 200 OK\r\n\r\n";
    let other = b"HTTP/1.1 101 x\r\nUpgrade: websocket\r\nUpgrade: h2c\r\n\r\n";
    let folded = b"HTTP/1.1 101 x\r\nUpgrade: h2c\r\n ,x\r\n\r\n";
    for answer in [&no[..], other, folded] {
        let said = said(&[(Forward, ask), (Backward, answer), (Backward, SETTINGS)]);
        let lines = [
            (Message::Request(Version::Http10), Forward),
            (Message::Response(Version::Http11), Backward),
        ];
        assert_eq!(said, lines);
    }
    for other in [
        &b"220 hello\r\n"[..],
        b"GET /\r\n",
        b"\x16\x03\x01",
        b"GET / HTTP/2.0\r\n",
    ] {
        assert_eq!(said(&[(Forward, other), (Backward, other)]), []);
    }
    assert_eq!(
        said(&[(Backward, b"HTTP/1.0 404\r\n")]),
        [(Message::Response(Version::Http10), Backward)]
    );
}
