//! Tests of QUIC: the examples of RFC 9001 appendix A and RFC 9369 appendix A, and headers written out by hand.

use super::*;
use header::V2;

fn bytes(hex: &str) -> Vec<u8> {
    let digits: Vec<u8> = hex.bytes().filter(u8::is_ascii_hexdigit).collect();
    let pairs = digits
        .chunks(2)
        .map(|pair| std::str::from_utf8(pair).expect("ASCII"));
    pairs
        .map(|pair| u8::from_str_radix(pair, 16).expect("digits"))
        .collect()
}

const DCID: [u8; 8] = [0x83, 0x94, 0xc8, 0xf0, 0x3e, 0x51, 0x57, 0x08];

/// The ClientHello of RFC 9001 appendix A.2, in its CRYPTO frame.
const CRYPTO: &str = "060040f1010000ed0303ebf8fa56f12939b9584a3896472ec40bb863cfd3e868
    04fe3a47f06a2b69484c00000413011302010000c000000010000e00000b6578
    616d706c652e636f6dff01000100000a00080006001d00170018001000070005
    04616c706e000500050100000000003300260024001d00209370b2c9caa47fba
    baf4559fedba753de171fa71f50f1ce15d43e994ec74d748002b000302030400
    0d0010000e0403050306030203080408050806002d00020101001c0002400100
    3900320408ffffffffffffffff05048000ffff07048000ffff08011001048000
    75300901100f088394c8f03e51570806048000ffff";

/// What the datagrams of the initiator say.
fn said(datagrams: &[Vec<u8>]) -> Vec<String> {
    let (mut connection, mut said) = (Connection::default(), Vec::new());
    for datagram in datagrams {
        connection.datagram(datagram, Direction::Forward, 1 << 14, &mut |message| {
            said.push(match message {
                Message::Packet(header) => {
                    let ids = (header.dcid.len(), header.scid.len());
                    format!("{:?} {} {ids:?}", header.kind, version_name(header.version))
                }
                Message::ClientHello(hello) => {
                    let name = hello.server_name().map(crate::protocols::text::visible);
                    format!("hello {}", name.unwrap_or_default())
                }
                other => format!("{other:?}"),
            });
        });
    }
    said
}

/// The Initial packet of RFC 9001 appendix A.2 in any version, sealed from its parts; `frames` are padded.
fn initial(version: u32, number: u32, frames: &[u8]) -> Vec<u8> {
    let first = if header::is_v2(version) { 0xd3 } else { 0xc3 };
    let mut packet = vec![first];
    packet.extend(version.to_be_bytes());
    packet.extend([8]);
    packet.extend(DCID);
    packet.extend(bytes("0000449e"));
    packet.extend(number.to_be_bytes());
    let mut payload = frames.to_vec();
    payload.resize(1162, 0);
    let keys = Keys::client(version, &DCID).expect("a known version");
    keys.seal(&packet, 18, &payload)
}

#[test]
fn keys_of_the_examples() {
    let keys = |version| Keys::client(version, &DCID).expect("a known version").hex();
    assert_eq!(
        keys(1),
        [
            "1f369613dd76d5467730efcbe3b1a22d",
            "fa044b2f42a3fd3b46fb255c",
            "9f50449e04a0e810283a1e9933adedd2"
        ]
    );
    assert_eq!(
        keys(V2[0]),
        [
            "8b1a0bc121284290a29e0971b5cd045d",
            "91f73e2351d8fa91660e909f",
            "45b95e15235d6f45a6b19cbcb0294ba9"
        ]
    );
    assert_eq!(
        keys(0xff00_0021),
        keys(1),
        "draft 33 has the salt of version 1"
    );
    assert!(Keys::client(0x1a2a_3a4a, &DCID).is_none(), "reserved");
}

#[test]
fn the_client_initial_of_rfc_9001() {
    let packet = initial(1, 2, &bytes(CRYPTO));
    // what the appendix prints of it
    assert!(packet.starts_with(&bytes(
        "c000000001088394c8f03e5157080000449e7b9aec34d1b1c98dd7689fb8ec11"
    )));
    assert!(packet.ends_with(&bytes("e221af44860018ab0856972e194cd934")));
    assert_eq!(
        said(&[packet]),
        ["Initial v1 (8, 0)", "NumberLength(4)", "hello example.com"]
    );
}

#[test]
fn the_client_initial_of_rfc_9369() {
    let packet = initial(V2[0], 2, &bytes(CRYPTO));
    assert!(packet.starts_with(&bytes(
        "d76b3343cf088394c8f03e5157080000449ea0c95e82ffe67b6abcdb4298b485"
    )));
    assert_eq!(
        said(&[packet]),
        ["Initial v2 (8, 0)", "NumberLength(4)", "hello example.com"]
    );
}

#[test]
fn a_hello_over_packets_in_any_order_is_the_same() {
    let crypto = bytes(CRYPTO);
    let hello = &crypto[4..];
    let frame = |start: usize, end: usize| {
        let part = &hello[start..end];
        let lengths = [
            0x40 | (start >> 8) as u8,
            start as u8,
            0x40,
            part.len() as u8,
        ];
        [&[1, 6][..], &lengths, part].concat()
    };
    let parts = [frame(0, 90), frame(80, 200), frame(200, hello.len())];
    for order in [[0, 1, 2], [2, 0, 1], [1, 2, 0]] {
        let packets: Vec<Vec<u8>> = (0..)
            .zip(order)
            .map(|(number, part)| initial(1, number, &parts[part]))
            .collect();
        let said = said(&packets);
        assert_eq!(
            said.last().map(String::as_str),
            Some("hello example.com"),
            "{order:?}"
        );
        assert_eq!(said.len(), 5, "{said:?}");
    }
}

#[test]
fn packets_that_were_changed_do_not_open() {
    let mut packet = initial(1, 2, &bytes(CRYPTO));
    packet[100] ^= 1;
    assert_eq!(said(&[packet]), ["Initial v1 (8, 0)"]);
}

#[test]
fn headers() {
    let zeros = "00".repeat(20);
    let kinds = |datagram: &str| -> Vec<Kind> {
        packets(&bytes(datagram), &[])
            .map(|header| header.kind)
            .collect()
    };
    assert_eq!(
        kinds("8000000000 01aa 00 0000000100000002"),
        [Kind::Negotiation]
    );
    assert_eq!(
        kinds("8000000000 01aa 00 00000001000000"),
        [],
        "half a version"
    );
    assert_eq!(
        kinds(&format!("c012345678 00 00 00 4014 {zeros}")),
        [],
        "unknown"
    );
    assert_eq!(
        kinds(&format!("c01a2a3a4a 00 00 00 4014 {zeros}")),
        [Kind::Initial]
    );
    assert_eq!(
        kinds(&format!("c000000001 00 00 00 4015 {zeros}")),
        [],
        "too long"
    );
    assert_eq!(
        kinds(&format!("c000000001 15 {zeros}00 00 00 4014 {zeros}")),
        []
    );
    assert_eq!(
        kinds(&format!(
            "c000000001 00 00 00 4014 {zeros} e000000001 00 00 4014 {zeros} 40 {zeros}"
        )),
        [Kind::Initial, Kind::Handshake, Kind::Short]
    );
    assert_eq!(
        kinds(&format!("d06b3343cf 00 00 00 4014 {zeros}")),
        [Kind::Initial]
    );
    assert_eq!(
        kinds("f000000001 00 00 aa bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"),
        [Kind::Retry]
    );
    let cleared = bytes(&format!("8000000001 00 00 00 4014 {zeros}"));
    assert_eq!(packets(&cleared, &[]).count(), 0);
    assert_eq!(packets(&cleared, &[0, 1]).count(), 1, "RFC 9287");
    assert_eq!(
        kinds("ff51303436 50 0102030405060708 c1"),
        [Kind::Retry],
        "Q046"
    );
    let names = [1, V2[1], 0xff00_001d, 0x5130_3530, 0xface_b002].map(version_name);
    assert_eq!(names, ["v1", "v2", "draft-29", "gQUIC Q050", "0xfaceb002"]);
}

#[test]
fn the_spin_bit_is_one_of_each_direction() {
    let long = bytes(&format!("e000000001 00 00 4014 {}", "00".repeat(20)));
    let (mut connection, mut spins) = (Connection::default(), 0);
    let mut feed = |datagram: &[u8], from| {
        connection.datagram(datagram, from, 0, &mut |message| {
            spins += u32::from(matches!(message, Message::Spin));
        });
    };
    feed(&long, Direction::Forward);
    feed(&[0x40], Direction::Forward);
    feed(&[0x60], Direction::Backward);
    feed(&[0x41], Direction::Forward);
    feed(&[0x40], Direction::Backward);
    assert_eq!(spins, 1);
}

#[test]
fn a_version_negotiation_names_versions() {
    // an LLMNR query (RFC 4795) with id a000: first bit set, "version" 0, and as many bytes behind it as whole versions have
    let query =
        bytes("a000 0000 0001 0000 0000 0000 0f 6465736b746f702d61626364656667 00 0001 0001");
    assert_eq!(said(std::slice::from_ref(&query)), [""; 0]);
    assert!(!may_open(&query));
    // version 0 stands for version negotiation: no server offers it (RFC 9000 section 15)
    for list in ["", "00", "00000001 0000", "00000000", "00000001 00000000"] {
        let packet = bytes(&format!("8000000000 01aa 00 {list}"));
        assert!(!may_open(&packet), "{list}");
    }
    assert!(may_open(&bytes("8000000000 01aa 00 1a2a3a4a 6b3343cf")));
}
