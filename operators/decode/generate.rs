//! Frames for tests: every layer written by hand, in any combination, then cut and damaged.

use super::reference::record;
use super::{DecodeOptions, Decoder, describe, linktype};
use crate::books::{Anomaly, Books, Skip};
use crate::packet::Header;
use proptest::prelude::*;
use proptest::sample::Index;

pub(super) const MACS: [u8; 12] = [2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2];

/// The parts one after the other.
pub(super) fn join(parts: &[&[u8]]) -> Vec<u8> {
    parts.concat()
}

/// An Ethernet frame.
pub(super) fn ethernet(kind: u16, inside: &[u8]) -> Vec<u8> {
    join(&[&MACS, &kind.to_be_bytes(), inside])
}

/// A tag in front of what has this EtherType.
pub(super) fn tagged(id: u16, kind: u16, inside: &[u8]) -> Vec<u8> {
    join(&[&id.to_be_bytes(), &kind.to_be_bytes(), inside])
}

/// An IPv4 packet from 10.0.0.1 to 10.0.0.2 with a right total length. `options` are whole words, `fragment` is that field.
pub(super) fn ipv4(protocol: u8, options: &[u8], fragment: u16, inside: &[u8]) -> Vec<u8> {
    let header = 20 + options.len();
    let first = 0x40 | (header / 4) as u8;
    let total = ((header + inside.len()) as u16).to_be_bytes();
    let [high, low] = fragment.to_be_bytes();
    let fixed = [
        first, 0xB8, total[0], total[1], 0xAB, 0xCD, high, low, 64, protocol, 0, 0,
    ];
    join(&[&fixed, &[10, 0, 0, 1, 10, 0, 0, 2], options, inside])
}

/// An IPv6 packet from fd00::1 to fd00::2 with a right payload length.
pub(super) fn ipv6(next: u8, inside: &[u8]) -> Vec<u8> {
    let length = (inside.len() as u16).to_be_bytes();
    let fixed = [0x61, 0x2A, 0xBC, 0xDE, length[0], length[1], next, 63];
    let mut ends = [[0u8; 16]; 2];
    for (end, last) in ends.iter_mut().zip(1..) {
        (end[0], end[15]) = (0xFD, last);
    }
    join(&[&fixed, &ends[0], &ends[1], inside])
}

/// An extension header of `kind` of the smallest size, in front of `next`. A fragment header has offset 0 and no more fragments.
pub(super) fn extension(kind: u8, next: u8, inside: &[u8]) -> Vec<u8> {
    match kind {
        44 => join(&[&[next, 0, 0, 0, 1, 2, 3, 4], inside]),
        51 => join(&[&[next, 1, 0, 0, 0, 0, 0, 9, 0, 0, 0, 1], inside]),
        _ => join(&[&[next, 0, 1, 4, 0, 0, 0, 0], inside]),
    }
}

/// A TCP segment from port 4000 to port 80.
pub(super) fn tcp(flags: u8, options: &[u8], payload: &[u8]) -> Vec<u8> {
    let offset = ((20 + options.len()) / 4 * 16) as u8;
    let fixed = [
        0x0F, 0xA0, 0, 80, 1, 2, 3, 4, 5, 6, 7, 8, offset, flags, 0x72, 0x10, 0, 0, 0, 0,
    ];
    join(&[&fixed, options, payload])
}

/// A UDP datagram with a right length.
pub(super) fn udp(src: u16, dst: u16, payload: &[u8]) -> Vec<u8> {
    let length = (8 + payload.len()) as u16;
    let fields = [src, dst, length, 0].map(u16::to_be_bytes);
    join(&[fields.as_flattened(), payload])
}

/// One IP header and what is between it and the next one.
#[derive(Clone, Debug)]
struct Network {
    is_ipv6: bool,
    extensions: Vec<u8>,
    options: usize,
    fragment: u16,
    length_error: i16,
    tunnel: u8,
}

fn network() -> impl Strategy<Value = Network> {
    let kinds = prop::sample::select(vec![0u8, 43, 44, 51, 60, 60, 135, 139, 140]);
    let fragment =
        prop_oneof![9 => Just(0u16), 1 => any::<u16>(), 2 => Just(0x2000), 2 => Just(0x4000)];
    let length_error = prop_oneof![12 => Just(0i16), 1 => -60..60i16, 1 => Just(i16::MIN)];
    (
        any::<bool>(),
        prop::collection::vec(kinds, 0..3),
        prop_oneof![4 => Just(0usize), 1 => 0..11usize],
        fragment,
        length_error,
        0..9u8,
    )
        .prop_map(
            |(is_ipv6, extensions, options, fragment, length_error, tunnel)| Network {
                is_ipv6,
                extensions,
                options,
                fragment,
                length_error,
                tunnel,
            },
        )
}

impl Network {
    /// The packet with this header around `inside`.
    fn around(&self, protocol: u8, inside: Vec<u8>) -> Vec<u8> {
        let mut packet = if self.is_ipv6 {
            let (mut next, mut inside) = (protocol, inside);
            for kind in self.extensions.iter().rev() {
                inside = extension(*kind, next, &inside);
                if *kind == 44 {
                    inside[2..4].copy_from_slice(&(self.fragment & 0xFFF9).to_be_bytes());
                }
                next = *kind;
            }
            ipv6(next, &inside)
        } else {
            ipv4(protocol, &vec![1; self.options * 4], self.fragment, &inside)
        };
        let field = if self.is_ipv6 { 4..6 } else { 2..4 };
        let right = i16::from_be_bytes([packet[field.start], packet[field.start + 1]]);
        let written = match self.length_error {
            i16::MIN => 0, // segmentation offload
            error => right.wrapping_add(error),
        };
        packet[field].copy_from_slice(&written.to_be_bytes());
        packet
    }

    /// What carries an IP packet inside this one: its protocol number and bytes.
    fn carry(&self, inside: Vec<u8>) -> (u8, Vec<u8>) {
        let is_ipv6 = inside[0] >> 4 == 6;
        let kind: u16 = if is_ipv6 { 0x86DD } else { 0x0800 };
        let [high, low] = kind.to_be_bytes();
        match self.tunnel {
            0 => (47, join(&[&[0x30, 0, high, low], &[0; 8], &inside])),
            1 => (47, join(&[&[0, 0, 0x65, 0x58], &ethernet(kind, &inside)])),
            2 => (
                47,
                join(&[
                    &[
                        0x30, 1, 0x88, 0x0B, 0, 0, 0, 0, 0, 0, 0, 0, 0xFF, 3, 0, 0x21,
                    ],
                    &inside,
                ]),
            ),
            3 => (
                17,
                udp(
                    9,
                    4789,
                    &join(&[&[8, 0, 0, 0, 0, 0, 1, 0], &ethernet(kind, &inside)]),
                ),
            ),
            4 => (
                17,
                udp(
                    9,
                    6081,
                    &join(&[&[1, 0, high, low, 0, 0, 1, 0, 0, 0, 0, 0], &inside]),
                ),
            ),
            5 => (
                17,
                udp(
                    9,
                    2152,
                    &join(&[
                        &[0x34, 255, 0, 8, 0, 0, 0, 1, 0, 0, 0, 0x85, 1, 0, 0, 0],
                        &inside,
                    ]),
                ),
            ),
            6 => (17, udp(3544, 9, &join(&[&[0; 8], &inside]))),
            _ => (if is_ipv6 { 41 } else { 4 }, inside),
        }
    }
}

fn transport() -> impl Strategy<Value = (u8, Vec<u8>)> {
    let payload = prop::collection::vec(any::<u8>(), 0..60);
    let options = prop_oneof![
        Just(vec![]),
        Just(vec![1, 1, 8, 10, 0, 0, 0, 1, 0, 0, 0, 2]),
        Just(vec![2, 4, 5, 0xB4, 3, 3, 7, 0]),
        prop::collection::vec(0..6u8, 40).prop_map(|bytes| bytes[..bytes[0] as usize * 8].to_vec()),
    ];
    (0..10u8, any::<u8>(), options, payload).prop_map(
        |(kind, flags, options, payload)| match kind {
            0..4 => (6, tcp(flags, &options, &payload)),
            4..7 => (17, udp(5000, 53, &payload)),
            7 => (1, join(&[&[flags & 31, 0, 0, 0, 0, 7, 0, 1], &payload])),
            8 => (
                58,
                join(&[&[128 | flags & 3, 0, 0, 0, 0, 7, 0, 1], &payload]),
            ),
            _ => (flags, payload),
        },
    )
}

/// The IP packet `inside` as a frame: its link type and bytes.
fn framed(link: u8, between: &[u8], inside: Vec<u8>) -> (u16, Vec<u8>) {
    let mut kind = if inside[0] >> 4 == 6 { 0x86DD } else { 0x0800 };
    let mut inside = inside;
    for layer in between {
        (kind, inside) = match layer {
            0 => (0x8100, tagged(0x2007, kind, &inside)),
            1 => (0x88A8, tagged(0x0FFF, kind, &inside)),
            2 if kind != 0x8847 => (0x8847, join(&[&[0, 1, 0, 0xFF, 0, 2, 1, 0xFF], &inside])),
            3 => (
                0x8864,
                join(&[
                    &[
                        0x11,
                        0,
                        0,
                        1,
                        0,
                        0,
                        0,
                        if kind == 0x86DD { 0x57 } else { 0x21 },
                    ],
                    &inside,
                ]),
            ),
            4 => (
                20,
                join(&[&[0xAA, 0xAA, 3, 0, 0, 0], &u16::to_be_bytes(kind), &inside]),
            ),
            _ => (kind, inside),
        };
    }
    let [high, low] = kind.to_be_bytes();
    let snap = [0xAA, 0xAA, 3, 0, 0, 0, high, low];
    match link {
        0 => (linktype::RAW[2], inside),
        1 => (linktype::NULL, join(&[&[2, 0, 0, 0], &inside])),
        2 => (linktype::LOOP, join(&[&[0, 0, 0, 24], &inside])),
        3 => (
            linktype::LINUX_SLL,
            join(&[
                &[0, 0, 0, 1, 0, 6, 2, 0, 0, 0, 0, 1, 0, 0, high, low],
                &inside,
            ]),
        ),
        4 => (
            linktype::LINUX_SLL2,
            join(&[&[high, low], &[0; 18], &inside]),
        ),
        5 => (linktype::PPP, join(&[&[0xFF, 3, 0, 0x21], &inside])),
        6 => (linktype::PPP_HDLC, join(&[&[0x0F, 0, high, low], &inside])),
        7 => (
            linktype::IEEE802_11,
            join(&[&[8, 1], &[0; 22], &snap, &inside]),
        ),
        8 => (
            linktype::RADIOTAP,
            join(&[
                &[0, 0, 9, 0, 2, 0, 0, 0, 0x20, 0x88, 0],
                &[0; 24],
                &[0; 2],
                &snap,
                &inside,
            ]),
        ),
        9 => (linktype::IPV4, inside),
        _ => (linktype::ETHERNET, ethernet(kind, &inside)),
    }
}

/// A frame as captured: link type, bytes, length on the wire.
#[derive(Clone, Debug)]
pub(super) struct Frame {
    pub link: u16,
    pub bytes: Vec<u8>,
    pub original: u32,
}

/// Frames of all layers with at most `depth` IP headers, some with padding, cut or damaged.
pub(super) fn frames(depth: usize) -> impl Strategy<Value = Frame> {
    let damage = prop::collection::vec((any::<Index>(), any::<u8>()), 0..4);
    (
        0..24u8,
        prop::collection::vec(0..6u8, 0..3),
        prop::collection::vec(network(), 1..=depth),
        transport(),
        prop_oneof![2 => Just(0usize), 1 => 0..20usize],
        prop_oneof![2 => Just(Vec::new()), 1 => damage],
        prop::option::weighted(0.3, any::<Index>()),
        any::<bool>(),
    )
        .prop_map(
            |(link, between, networks, transport, padding, damage, cut, known)| {
                let (mut protocol, mut bytes) = transport;
                for (index, network) in networks.iter().rev().enumerate() {
                    if index > 0 {
                        (protocol, bytes) = network.carry(bytes);
                    }
                    bytes = network.around(protocol, bytes);
                }
                let (link, mut bytes) = framed(link, &between, bytes);
                bytes.extend(vec![0; padding]);
                for (place, mask) in damage {
                    let place = place.index(bytes.len());
                    bytes[place] ^= mask;
                }
                let original = bytes.len() as u32;
                if let Some(cut) = cut {
                    bytes.truncate(cut.index(bytes.len()));
                }
                let original = if known { original } else { bytes.len() as u32 };
                Frame {
                    link,
                    bytes,
                    original,
                }
            },
        )
}

/// What is read of one frame with these settings: the header, its stack as text, and the books.
pub(super) fn read_with(
    options: &DecodeOptions,
    link: u16,
    frame: &[u8],
) -> (Option<Header>, String, Books) {
    let mut books = Books::default();
    let header = Decoder::new(options).decode(&record(link, frame), 0, frame, &mut books);
    let (text, _) = describe(frame, link, frame.len() as u32, options);
    (header, text, books)
}

/// The header and the stack of a frame that is a packet.
pub(super) fn packet(link: u16, frame: &[u8]) -> (Header, String) {
    let (header, text, books) = read_with(&DecodeOptions::default(), link, frame);
    (
        header.unwrap_or_else(|| panic!("skipped: {:?}", books.packets)),
        text,
    )
}

/// Why a frame is no packet.
pub(super) fn skipped(link: u16, frame: &[u8]) -> Skip {
    let (_, _, books) = read_with(&DecodeOptions::default(), link, frame);
    let reasons: Vec<_> = books.packets.skipped.nonzero().collect();
    match reasons[..] {
        [(reason, 1)] => reason,
        _ => panic!("one reason, not {reasons:?}"),
    }
}

/// The anomalies of a frame.
pub(super) fn anomalies(link: u16, frame: &[u8]) -> Vec<Anomaly> {
    let (_, _, books) = read_with(&DecodeOptions::default(), link, frame);
    books
        .anomalies
        .nonzero()
        .map(|(anomaly, _)| anomaly)
        .collect()
}
