//! Properties of the columns that stand on application messages: neither the way in which a stream was cut into segments nor their
//! order nor what was sent twice changes them, and no bytes hurt.

use super::testing::{Built, Packets, back, forth};
use super::*;
use crate::columns::{Column, Values};
use crate::packet::{Direction, Packet, tcp};
use crate::slots::Slots;
use proptest::prelude::*;

/// Columns that count packets, and those about which side was first: they depend on it.
const OF_PACKETS: [&str; 4] = [
    "tls_handshake_packets",
    "ssh_encrypted_packets",
    "dns_rtt",
    "dns_unanswered",
];

/// Every column there is.
fn everything() -> FeaturePlan {
    let mut settings = FeatureSettings::default();
    settings.shared.profile = Some("JF-EXTRA".to_owned());
    settings.plan().expect("a profile")
}

fn plan() -> FeaturePlan {
    let groups = ["tls", "quic", "http2", "ssh", "dns", "http"];
    let mut plan = everything();
    plan.restrict(|feature| {
        groups.contains(&&*feature.group) && !OF_PACKETS.contains(&&*feature.name)
    });
    plan
}

fn row(plan: &FeaturePlan, packets: &Packets) -> Vec<Column> {
    let mut extractors = plan.extractors();
    extractors.open(0);
    let run: Vec<Packet<'_>> = packets.packets.iter().map(Built::packet).collect();
    let flows = Slots::from_iter([packets.flow.clone()]);
    extractors.packets(&run, &vec![0; run.len()], &flows);
    let mut rows = plan.batch(0);
    extractors.finish(0, &flows[0], &mut rows);
    extractors.close(0);
    assert_eq!(extractors.heap_bytes_by_group().sum::<usize>(), 0, "closed");
    rows.columns
}

fn record(kind: u8, body: &[u8]) -> Vec<u8> {
    [&[kind, 3, 3][..], &(body.len() as u16).to_be_bytes(), body].concat()
}

fn message(kind: u8, body: &[u8]) -> Vec<u8> {
    let length = (body.len() as u32).to_be_bytes();
    [&[kind][..], &length[1..], body].concat()
}

/// What finds each of them.
const DETECTED: [&str; 5] = [
    "tls_detected",
    "ssh_detected",
    "http2_preface_seen",
    "http2_detected",
    "dns_detected",
];

/// A connection of each protocol: port of the responder, and the bytes of both directions.
fn conversations() -> Vec<(u16, [Vec<u8>; 2])> {
    let hello = [
        &[3, 3][..],
        &[1; 32],
        &[0, 0, 2, 0xc0, 0x2f, 1, 0, 0, 5, 0, 35, 0, 1, 9],
    ]
    .concat();
    let hello = message(1, &hello);
    let answer = message(2, &[&[3, 3][..], &[2; 32], &[0, 0xc0, 0x2f, 0]].concat());
    let chain = message(11, &[&[0, 1, 0x2f, 0, 1, 0x2c][..], &[5; 300]].concat());
    let exchange = message(12, &[&[3, 0, 29, 32][..], &[6; 32]].concat());
    let flight = [answer, chain, exchange, message(14, &[])].concat();
    let (one, two) = flight.split_at(100);
    let finished = [record(20, &[1]), record(22, &[8; 40])].concat();
    let tls = [
        [
            record(22, &hello[..30]),
            record(22, &hello[30..]),
            finished.clone(),
        ]
        .concat(),
        [record(22, one), record(22, two), finished].concat(),
    ];
    let mut lists = vec![0; 16];
    for name in 0..10u8 {
        lists.extend([0, 0, 0, 3, b'a', b',', b'0' + name]);
    }
    lists.extend([0; 5]);
    let packet = |number: u8, body: &[u8]| {
        let length = (body.len() as u32 + 2).to_be_bytes();
        [&length[..], &[0, number], body].concat()
    };
    let ssh = |line: &[u8]| [line, &packet(20, &lists), &packet(21, &[0; 6]), &[9; 30]].concat();
    let ssh = [
        ssh(b"SSH-2.0-client a\r\n"),
        ssh(b"hello\nSSH-2.0-server\r\n"),
    ];
    let settings = [0, 0, 0, 4, 0, 0, 0, 0, 0];
    let headers = [0, 0, 2, 1, 5, 0, 0, 0, 1, 0x82, 0x84];
    let preface = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
    let http2 = [
        [&preface[..], &settings, &headers, &headers].concat(),
        [&settings[..], &headers].concat(),
    ];
    let upgrade = [
        [
            &b"GET / HTTP/1.1\r\nUpgrade: h2c\r\n\r\n"[..],
            preface,
            &settings,
        ]
        .concat(),
        [
            &b"HTTP/1.1 101 a\r\nUpgrade: h2c\r\n\r\n"[..],
            &settings,
            &headers,
        ]
        .concat(),
    ];
    let dns = |flags: &[u8], rest: &[u8]| {
        let start = [&[0x12, 0x34][..], flags, b"\x01a\x00\x00\x01\x00\x01", rest].concat();
        [&(start.len() as u16).to_be_bytes()[..], &start].concat()
    };
    let answer = b"\xc0\x0c\x00\x01\x00\x01\x00\x00\x00\x3c\x00\x04\xc0\x00\x02\x01";
    let dns = [
        dns(&[1, 0, 0, 1, 0, 0, 0, 0, 0, 0], b""),
        dns(&[0x81, 0x80, 0, 1, 0, 1, 0, 0, 0, 0], answer),
    ];
    vec![(443, tls), (22, ssh), (80, http2), (80, upgrade), (53, dns)]
}

/// Segments of one direction that bring every byte: `cuts` says where they end, `again` which are sent twice.
fn segments(from: Direction, stream: &[u8], cuts: &[usize], base: u32) -> Vec<Built> {
    let packet = || match from {
        Direction::Forward => forth(),
        Direction::Backward => back(),
    };
    let mut segments = vec![packet().flags(tcp::SYN).seq(base, 0)];
    let (mut at, mut cuts) = (0, cuts.iter().cycle());
    while at < stream.len() {
        let size = cuts.next().map_or(1, |cut| 1 + cut % 255);
        let end = stream.len().min(at + size);
        // some overlap what was sent before
        let start = at - at.min(size % 3);
        let bytes = &stream[start..end];
        let bytes = &bytes[bytes.len().saturating_sub(255)..];
        let sequence = base.wrapping_add(1 + (end - bytes.len()) as u32);
        segments.push(packet().flags(tcp::ACK).seq(sequence, 0).payload(bytes));
        at = end;
    }
    segments
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn segments_change_nothing(
        which in 0usize..5, cuts in prop::collection::vec(0usize..300, 1..20), bases: [u32; 2],
        order in prop::collection::vec(any::<u32>(), 64), again in prop::collection::vec(any::<prop::sample::Index>(), 0..8),
    ) {
        let plan = plan();
        let (port, streams) = conversations().swap_remove(which);
        let mut whole = Packets::tcp();
        whole.flow.key.port_b = port;
        let (mut cut, mut rest) = (whole.clone(), Vec::new());
        for (from, (stream, base)) in [Direction::Forward, Direction::Backward].into_iter().zip(streams.iter().zip(bases)) {
            for segment in segments(from, stream, &[254], base) {
                whole = whole.push(segment);
            }
            // the first packet of a direction says where it starts
            let mut segments = segments(from, stream, &cuts, base).into_iter();
            cut = segments.by_ref().take(1).fold(cut, Packets::push);
            // a TLS hello is looked for at the start of packets: the first one comes first
            cut = segments.by_ref().take(1).fold(cut, Packets::push);
            rest.extend(segments);
        }
        for index in &again {
            if !rest.is_empty() {
                rest.push(rest[index.index(rest.len())]);
            }
        }
        let mut keyed: Vec<(u32, Built)> = order.into_iter().cycle().zip(rest).collect();
        keyed.sort_by_key(|(key, _)| *key);
        let cut = keyed.into_iter().fold(cut, |cut, (_, segment)| cut.push(segment));
        let rows = [whole, cut].map(|packets| row(&plan, &packets));
        prop_assert_eq!(&rows[0], &rows[1]);
        let found = plan.schema.iter().zip(&rows[0]).find(|(feature, _)| feature.name == DETECTED[which]);
        prop_assert_eq!(found.map(|(_, column)| &column.values), Some(&Values::Bool(vec![true])));
    }

    #[test]
    fn any_packets_are_survived(
        is_tcp: bool, port in prop::sample::select(vec![22u16, 53, 80, 443]),
        packets in prop::collection::vec((any::<bool>(), 0u32..400, any::<u8>(), 0usize..5, 0usize..600, prop::collection::vec(any::<u8>(), 0..60)), 0..20),
    ) {
        let conversations = conversations();
        let mut flow = if is_tcp { Packets::tcp() } else { Packets::udp() };
        flow.flow.key.port_b = port;
        for (is_forward, sequence, flags, which, at, noise) in packets {
            let stream = &conversations[which].1[usize::from(!is_forward)];
            let part = stream.get(at..).unwrap_or(&[]);
            let bytes = [&part[..part.len().min(180)], &noise].concat();
            let packet = if is_forward { forth() } else { back() };
            flow = flow.push(packet.flags(flags.into()).seq(sequence, 0).payload(&bytes));
        }
        row(&everything(), &flow);
    }
}

/// What an open flow costs: a record that has no application, one whose streams are looked at, and one of QUIC.
#[test]
fn states_are_small() {
    assert_eq!(crate::flows::Applications::BYTES_PER_FLOW, 16);
    let bytes: std::collections::BTreeMap<_, _> = plan().bytes_per_flow().into_iter().collect();
    for group in ["tls", "quic", "http2", "ssh", "dns", "http"] {
        let is_more = cfg!(feature = "ja4plus") && group == "ssh";
        assert_eq!(bytes[group], if is_more { 24 } else { 8 }, "{group}");
    }
}
