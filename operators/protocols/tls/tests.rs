//! Tests of TLS with records written out by hand.

use super::*;

fn record(kind: u8, body: &[u8]) -> Vec<u8> {
    let length = (body.len() as u16).to_be_bytes();
    [&[kind, 3, 3][..], &length, body].concat()
}

fn message(kind: u8, body: &[u8]) -> Vec<u8> {
    let length = (body.len() as u32).to_be_bytes();
    [&[kind][..], &length[1..], body].concat()
}

/// A ClientHello with a GREASE cipher, TLS_AES_128_GCM_SHA256 and the host name `A.Test\xff`.
fn client() -> Vec<u8> {
    let extension = b"\x00\x00\x00\x0c\x00\x0a\x00\x00\x07A.Test\xff";
    let length = (extension.len() as u16).to_be_bytes();
    let start = [&[3, 3][..], &[0; 32], &[0, 0, 4, 0x1a, 0x1a, 0x13, 1, 1, 0]].concat();
    message(1, &[&start[..], &length, extension].concat())
}

fn server(random: [u8; 32], cipher: u8) -> Vec<u8> {
    message(2, &[&[3, 3][..], &random, &[0, 0x13, cipher, 0]].concat())
}

/// What the pieces of a stream say, one packet each.
fn said(pieces: &[&[u8]]) -> Vec<String> {
    let (mut side, mut said) = (Side::default(), Vec::new());
    for (packet, piece) in (0..).zip(pieces) {
        side.push(piece, packet, &mut |message| {
            said.push(match message {
                Message::ClientHello(hello) => {
                    let name = hello.server_name().map(super::super::text::visible);
                    format!("client {:x?} {name:?}", hello.ciphers().collect::<Vec<_>>())
                }
                Message::ServerHello(hello) => format!("server {:x}", hello.cipher),
                Message::HandshakePacket => format!("packet {packet}"),
                Message::Record(..) => return,
                other => format!("{other:?}"),
            });
        });
    }
    said
}

#[test]
fn headers_of_records_are_told() {
    let stream = [
        record(22, &client()),
        record(20, &[1]),
        record(23, &[7; 300]),
    ]
    .concat();
    for size in [1, 7, stream.len()] {
        let (mut side, mut records) = (Side::default(), Vec::new());
        for (packet, piece) in (0..).zip(stream.chunks(size)) {
            side.push(piece, packet, &mut |message| {
                if let Message::Record(kind, length) = message {
                    records.push((kind, length));
                }
            });
        }
        assert_eq!(records, [(22, client().len() as u16), (20, 1), (23, 300)]);
    }
}

#[test]
fn a_hello_is_the_same_in_any_number_of_records_and_segments() {
    let hello = client();
    let two = [record(22, &hello[..20]), record(22, &hello[20..])].concat();
    let found = r#"client [1a1a, 1301] Some("A.Test%FF")"#.to_owned();
    for stream in [record(22, &hello), two.clone()] {
        for size in 1..=stream.len() {
            let pieces: Vec<&[u8]> = stream.chunks(size).collect();
            let said = said(&pieces);
            assert!(said.contains(&found), "pieces of {size}: {said:?}");
        }
    }
    let alert = record(21, b"\x01\x70");
    assert!(said(&[&[&alert[..], &two].concat()]).contains(&found));
    assert!(said(&[b"220 ready\r\n", &two]).contains(&found), "STARTTLS");
    assert!(!said(&[&[&b"220 ready\r\n"[..], &two].concat()]).contains(&found));
    assert_eq!(
        said(&[&two[..two.len() - 1]]),
        ["packet 0"],
        "a part is nothing"
    );
}

#[test]
fn the_part_in_clear_ends_at_change_cipher_spec_but_for_a_retry() {
    let retry = [
        0xcf, 0x21, 0xad, 0x74, 0xe5, 0x9a, 0x61, 0x11, 0xbe, 0x1d, 0x8c, 0x02, 0x1e, 0x65, 0xb8,
        0x91, 0xc2, 0xa2, 0x11, 0x16, 0x7a, 0xbb, 0x8c, 0x5e, 0x07, 0x9e, 0x09, 0xe2, 0xc8, 0xa8,
        0x33, 0x9c,
    ];
    let change = record(20, &[1]);
    let stream = [
        record(22, &server(retry, 1)),
        change.clone(),
        record(22, &server([0; 32], 2)),
        change,
        record(22, &server([0; 32], 3)),
    ];
    assert_eq!(
        said(&[&stream.concat()]),
        ["packet 0", "server 1302", "ChangeCipherSpec"]
    );
}

#[test]
fn packets_of_a_handshake_count_once() {
    let hello = client();
    let stream = [
        record(22, &hello),
        record(23, &[0; 9]),
        record(22, &[0; 30]),
    ]
    .concat();
    let end = stream.len() - 20;
    let counted = said(&[&stream[..end], &stream[end..]]);
    assert_eq!(
        counted
            .iter()
            .filter(|said| said.starts_with("packet"))
            .count(),
        1
    );
    let split = said(&[&stream[..50], &stream[50..]]);
    assert_eq!(
        split
            .iter()
            .filter(|said| said.starts_with("packet"))
            .count(),
        2
    );
}

#[test]
fn chains_of_certificates() {
    let body = [0, 0, 11, 0, 0, 2, 9, 9, 0, 0, 3, 9, 9, 9];
    let found = Certificates {
        count: 2,
        bytes: 5,
        first: Some(2),
    };
    assert_eq!(certificates(&body), Some(found));
    assert_eq!(certificates(&[0, 0, 0]), Some(Certificates::default()));
    assert_eq!(certificates(&[0, 0, 1, 0]), None);
    assert_eq!(certificates(&[0, 0, 0, 0]), None, "more behind the chain");
}

#[test]
fn grease_has_equal_bytes() {
    let found = [0x0A0A, 0x1A1A, 0xFAFA, 0x1A0A, 0x0A1A].map(is_grease);
    assert_eq!(found, [true, true, true, false, false]);
}

/// Fields of a hello, extensions as type and body.
fn hello(version: u16, ciphers: &[u16], extensions: &[(u16, Vec<u8>)]) -> Vec<u8> {
    let bytes = |numbers: &[u16]| {
        numbers
            .iter()
            .flat_map(|n| n.to_be_bytes())
            .collect::<Vec<_>>()
    };
    let block = extensions
        .iter()
        .flat_map(|(kind, body)| [&bytes(&[*kind, body.len() as u16])[..], body].concat());
    let block: Vec<u8> = block.collect();
    let ciphers = bytes(ciphers);
    [
        &version.to_be_bytes()[..],
        &[0; 33],
        &bytes(&[ciphers.len() as u16]),
        &ciphers,
        &[1, 0],
        &bytes(&[block.len() as u16]),
        &block,
    ]
    .concat()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[test]
fn ja3_of_the_published_example() {
    // 769,47-53-5-10-49161-49162-49171-49172-50-56-19-4,0-10-11,23-24-25,0 of the README of JA3
    let ciphers = [47, 53, 5, 10, 49161, 49162, 49171, 49172, 50, 56, 19, 4];
    let extensions = [
        (0, Vec::new()),
        (10, vec![0, 6, 0, 23, 0, 24, 0, 25]),
        (11, vec![1, 0]),
    ];
    let body = hello(769, &ciphers, &extensions);
    let hello = ClientHello::read(&body).expect("a hello");
    assert_eq!(hex(&ja3(&hello)), "ada70206e40642a3e4461f35503241d5");
    // 769,4-5-10-9-100-98-3-6-19-18-99,,, of the same
    let body = self::hello(769, &[4, 5, 10, 9, 100, 98, 3, 6, 19, 18, 99], &[]);
    let hello = ClientHello::read(&body).expect("a hello");
    assert_eq!(hex(&ja3(&hello)), "de350869b8c85de67a350c8d186f11e6");
}

#[test]
fn ja4_of_the_published_example() {
    // t13d1516h2_8daaf6152771_e5627efa2ab1 of the technical details of JA4
    let ciphers = [
        0x1a1a, 0x1301, 0x1302, 0x1303, 0xc02b, 0xc02f, 0xc02c, 0xc030, 0xcca9, 0xcca8, 0xc013,
        0xc014, 0x009c, 0x009d, 0x002f, 0x0035,
    ];
    let signatures = [0, 16, 4, 3, 8, 4, 4, 1, 5, 3, 8, 5, 5, 1, 8, 6, 6, 1];
    let kinds = [
        0x0a0a, 0x001b, 0x0000, 0x0033, 0x0010, 0x4469, 0x0017, 0x002d, 0x000d, 0x0005, 0x0023,
        0x0012, 0x002b, 0xff01, 0x000b, 0x000a, 0x0015,
    ];
    let extensions = kinds.map(|kind| {
        let body = match kind {
            0x0010 => vec![0, 3, 2, b'h', b'2'],
            0x000d => signatures.to_vec(),
            0x002b => vec![4, 3, 4, 3, 3],
            _ => Vec::new(),
        };
        (kind, body)
    });
    let body = hello(0x0303, &ciphers, &extensions);
    let hello = ClientHello::read(&body).expect("a hello");
    assert_eq!(ja4(&hello, 't'), "t13d1516h2_8daaf6152771_e5627efa2ab1");
}

#[test]
fn ja4_of_names_that_are_no_text() {
    let start = |names: &[&[u8]]| {
        let names: Vec<u8> = names
            .iter()
            .flat_map(|name| [&[name.len() as u8][..], name].concat())
            .collect();
        let list = [&(names.len() as u16).to_be_bytes()[..], &names].concat();
        let body = hello(0x0303, &[0x1301], &[(16, list)]);
        let text = ja4(&ClientHello::read(&body).expect("a hello"), 'q');
        text[8..10].to_owned()
    };
    assert_eq!(start(&[b"h2"]), "h2");
    assert_eq!(start(&[b"http/1.1", b"h2"]), "h1");
    assert_eq!(start(&[b"x"]), "xx");
    assert_eq!(start(&[b"\xab"]), "ab");
    assert_eq!(start(&[b"\xab\xcd"]), "ad");
    assert_eq!(start(&[b"\x30\xab"]), "3b");
    assert_eq!(start(&[b"\x30\x31\xab\xcd"]), "3d");
    assert_eq!(start(&[]), "00");
}
