//! Generated traffic: few hosts and ports, so that keys repeat, with fragments, resets, pauses and clocks that run backward.

use proptest::prelude::*;
use proptest::strategy::ValueTree as _;
use proptest::test_runner::TestRunner;

/// A record of a capture: time in ns, frame.
pub type Record = (i64, Vec<u8>);

/// What a generated packet is made of.
#[derive(Clone, Debug)]
struct Shape {
    step: i64,
    ends: (u8, u8, u16, u16),
    kind: u8,
    flags: u8,
    sequence: u8,
    payload: Vec<u8>,
}

fn shape() -> impl Strategy<Value = Shape> {
    let step = prop_oneof![
        12 => 0i64..20_000_000, 4 => 20_000_000i64..3_000_000_000, 1 => 3_000_000_000i64..90_000_000_000, 1 => -2_000_000_000i64..0
    ];
    let ends = (1u8..4, 1u8..4, 0u16..3, 0u16..3);
    let flags = prop_oneof![4 => Just(0x10u8), 2 => Just(2), 2 => Just(0x12), 2 => Just(0x11), 1 => Just(4), 2 => Just(0x18)];
    let payload = proptest::collection::vec(any::<u8>(), 0..40);
    (step, ends, 0u8..11, flags, 0u8..4, payload).prop_map(
        |(step, ends, kind, flags, sequence, payload)| Shape {
            step,
            ends,
            kind,
            flags,
            sequence,
            payload,
        },
    )
}

/// Up to `most` records, in file order.
pub fn records(most: usize) -> impl Strategy<Value = Vec<Record>> {
    proptest::collection::vec(shape(), 1..most).prop_map(|shapes| {
        let mut time = 1_700_000_000_000_000_000;
        shapes
            .iter()
            .map(|shape| {
                time += shape.step;
                (time, frame(shape))
            })
            .collect()
    })
}

/// The same in the order of time, so that the clock of a packet is its time, in whole milliseconds, which are written exactly.
pub fn in_order(mut traffic: Vec<Record>) -> Vec<Record> {
    traffic.sort_by_key(|(time, _)| *time);
    traffic
        .iter_mut()
        .for_each(|(time, _)| *time -= *time % 1_000_000);
    traffic
}

/// Ten times up to 120 records, one after the other, always the same.
pub fn fixed() -> Vec<Record> {
    let mut runner = TestRunner::deterministic();
    let some = (0..10).flat_map(|_| records(120).new_tree(&mut runner).unwrap().current());
    some.collect()
}

/// A UDP packet between two hosts of 192.0.2.0/24.
pub fn udp_frame(from: u8, to: u8) -> Vec<u8> {
    frame(&Shape {
        step: 0,
        ends: (from, to, 0, 1),
        kind: 5,
        flags: 0,
        sequence: 0,
        payload: vec![1, 2, 3],
    })
}

fn frame(shape: &Shape) -> Vec<u8> {
    let (from, to, port_a, port_b) = shape.ends;
    let mut frame = vec![2, 0, 0, 0, 0, to, 2, 0, 0, 0, 0, from];
    let ports = [(1000 + port_a).to_be_bytes(), (1000 + port_b).to_be_bytes()].concat();
    let (protocol, fragment, mut body) = match shape.kind {
        0..=4 => (6, 0u16, tcp(&ports, shape)),
        5 | 6 => (17, 0, udp(&ports, shape.payload.len() + 8)),
        7 => {
            // echo request, echo reply, unreachable
            let kind = [8, 0, 8, 3][usize::from(shape.flags) % 4];
            (1, 0x4000, vec![kind, 0, 0, 0, 0, 1, 0, shape.sequence])
        }
        10 => return ipv6(frame, &ports, shape),
        // a first fragment, and a later one of the same datagram
        8 => (17, 0x2000, udp(&ports, 4000)),
        _ => (17, 1 + u16::from(shape.flags), Vec::new()),
    };
    body.extend(&shape.payload);
    if shape.kind == 3 {
        frame.extend([0x81, 0, 0, 7]);
    }
    frame.extend([8, 0]);
    let length = u16::try_from(20 + body.len()).unwrap().to_be_bytes();
    frame.extend([0x45, shape.flags, length[0], length[1], 0, shape.sequence]);
    frame.extend(fragment.to_be_bytes());
    frame.extend([
        64 - shape.sequence,
        protocol,
        0,
        0,
        192,
        0,
        2,
        from,
        192,
        0,
        2,
        to,
    ]);
    frame.extend(body);
    frame
}

/// A UDP packet over IPv6, with a flow label.
fn ipv6(mut frame: Vec<u8>, ports: &[u8], shape: &Shape) -> Vec<u8> {
    let (from, to, ..) = shape.ends;
    let body = [&udp(ports, shape.payload.len() + 8), &shape.payload[..]].concat();
    let length = u8::try_from(body.len()).unwrap();
    frame.extend([
        0x86,
        0xDD,
        0x60,
        shape.flags,
        0,
        shape.sequence,
        0,
        length,
        17,
        64,
    ]);
    for host in [from, to] {
        frame.extend([0xFD, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, host]);
    }
    frame.extend(body);
    frame
}

/// A TCP header; a SYN has MSS, window scale and sometimes MP_CAPABLE, other segments timestamps or SACK blocks.
fn tcp(ports: &[u8], shape: &Shape) -> Vec<u8> {
    let number = [0, 0, 0, shape.sequence];
    let options = match (shape.kind, shape.flags & 2) {
        (0, 2) => vec![2, 4, 5, 0xB4, 3, 3, shape.sequence, 1, 30, 4, 1, 0x81],
        (_, 2) => vec![2, 4, 5, 0xB4, 3, 3, 20, 0],
        (1 | 2, _) => [&[1, 1, 8, 10], &number[..], &number].concat(),
        (3, _) => [&[1, 1, 5, 10], &number[..], &number].concat(),
        _ => Vec::new(),
    };
    let offset = u8::try_from((20 + options.len()) / 4).unwrap() << 4;
    let window = shape.sequence;
    let rest = [offset, shape.flags, window, 0, 0, 0, 0, 0];
    [ports, &number, &number, &rest, &options].concat()
}

fn udp(ports: &[u8], length: usize) -> Vec<u8> {
    let length = u16::try_from(length).unwrap().to_be_bytes();
    [ports, &length, &[0, 0]].concat()
}

/// A capture file with times in ns, Ethernet.
pub fn pcap(records: &[Record]) -> Vec<u8> {
    let mut file = Vec::new();
    for word in [0xa1b2_3c4d_u32, 0x0004_0002, 0, 0, 262_144, 1] {
        file.extend(word.to_le_bytes());
    }
    for (time, frame) in records {
        let length = u32::try_from(frame.len()).unwrap();
        let seconds = u32::try_from(time.div_euclid(1_000_000_000)).unwrap();
        let rest = u32::try_from(time.rem_euclid(1_000_000_000)).unwrap();
        for word in [seconds, rest, length, length] {
            file.extend(word.to_le_bytes());
        }
        file.extend(frame);
    }
    file
}
