//! The flow key of a packet: canonical endpoints, shard hash and sample.
//!
//! The bytes that are hashed are those of `flow_id`: family, address a, port a, address b, port b, protocol, extra parts; all
//! integers big-endian. Addresses have 4 or 16 bytes; those of an outer IP header always 16. Names of inputs (sensor, source) are the
//! last extra parts: in a packet one number stands for them, which is that of the first input with the same names.

use super::flow::{ExtraKey, FlowKey};
use super::options::{FlowOptions, IcmpKey, KeyPart, Sampling};
use crate::packet::{Header, marks};
use crate::sources::InputName;
use siphasher::sip::SipHasher13;
use std::collections::HashMap;
use std::hash::Hasher as _;
use std::sync::Arc;

/// Bytes of a key without extra parts: IPv6.
const BASE: usize = 1 + 2 * (16 + 2) + 1;
/// Bytes of all extra parts but names.
const EXTRA: usize = 4 + 4 + 12 + 33;
/// What stands for "the packet has none" in an extra part.
const NONE: u32 = u32::MAX;

/// What makes a flow: the settings `key` and `icmp_key`, and the sample.
#[derive(Clone, Debug)]
pub struct KeyRule {
    /// Whether the directions of a pair of endpoints are two flows: the source is then endpoint a, whichever is smaller.
    one_way: bool,
    ports: bool,
    protocol: bool,
    vlan: bool,
    icmp_id: bool,
    mac: bool,
    tunnel: bool,
    sensor: bool,
    source: bool,
    /// The names of each input, where they are part of the key.
    names: Arc<[Names]>,
    sampling: Option<Sampling>,
}

/// The names of an input that belong to the key.
#[derive(Clone, Debug)]
struct Names {
    number: [u8; ExtraKey::NUMBER],
    /// Of each its length, 4 bytes, and its text; of none the length 0.
    bytes: Arc<[u8]>,
}

impl KeyRule {
    /// The rule that these settings state.
    pub fn new(options: &FlowOptions) -> Self {
        let has = |part| options.key.contains(&part);
        Self {
            one_way: !options.bidirectional,
            ports: options.has_ports(),
            protocol: options.has_protocol(),
            vlan: has(KeyPart::Vlan),
            icmp_id: options.icmp_key == IcmpKey::Id,
            mac: has(KeyPart::Mac),
            tunnel: has(KeyPart::Tunnel),
            sensor: has(KeyPart::Sensor),
            source: has(KeyPart::Source),
            names: [].into(),
            sampling: options.sampling,
        }
    }

    /// The same, where the inputs are called so, by ordinal.
    #[must_use]
    pub fn named(mut self, inputs: &[InputName]) -> Self {
        if !self.has_names() {
            return self;
        }
        let mut names: Vec<Names> = Vec::new();
        let mut known: HashMap<Vec<u8>, usize> = HashMap::new();
        for (number, input) in (0u32..).zip(inputs) {
            let sensor = input.sensor.as_deref().unwrap_or_default();
            let mut bytes = Vec::new();
            for (is_part, text) in [(self.sensor, sensor), (self.source, &input.source)] {
                if is_part {
                    let length = u32::try_from(text.len()).unwrap_or(u32::MAX);
                    bytes.extend_from_slice(&length.to_be_bytes());
                    bytes.extend_from_slice(text.as_bytes());
                }
            }
            let same = known.get(&bytes).and_then(|at| names.get(*at)).cloned();
            names.push(same.unwrap_or_else(|| Names {
                number: number.to_be_bytes(),
                bytes: bytes.as_slice().into(),
            }));
            known.entry(bytes).or_insert(names.len() - 1);
        }
        self.names = names.into();
        self
    }

    /// Whether names of inputs are part of the key.
    const fn has_names(&self) -> bool {
        self.sensor || self.source
    }

    /// The names of the input that a packet comes from, where they are part of the key.
    #[inline]
    fn names(&self, header: &Header) -> Option<&Names> {
        if self.names.is_empty() {
            return None;
        }
        self.names.get(header.source() as usize)
    }

    /// What a record keeps of the extra key parts of its packets, of which this is one.
    pub(super) fn extra(&self, parts: &[u8], header: &Header) -> ExtraKey {
        match self.names(header) {
            None => parts.into(),
            Some(names) => ExtraKey::named(parts, Arc::clone(&names.bytes)),
        }
    }

    /// Bytes of the extra key parts of one packet.
    pub fn stride(&self) -> usize {
        let parts = [
            (self.vlan, 4),
            (self.icmp_id, 4),
            (self.mac, 12),
            (self.tunnel, 33),
            (self.has_names(), ExtraKey::NUMBER),
        ];
        parts
            .iter()
            .filter(|(used, _)| *used)
            .map(|(_, bytes)| bytes)
            .sum()
    }

    /// The key of a packet whose direction marks are set.
    #[inline]
    pub fn key(&self, header: &Header) -> FlowKey {
        // picked by place: which way a packet runs is a coin toss, and a branch on it is guessed wrong half the time
        let a = usize::from(header.is(marks::FROM_B));
        let b = 1 - a;
        let addresses = [header.src, header.dst];
        let ports = self.ports(header);
        FlowKey {
            address_a: addresses[a],
            address_b: addresses[b],
            port_a: ports[a],
            port_b: ports[b],
            protocol: if self.protocol { header.protocol } else { 0 },
            family: header.family,
        }
    }

    /// Source and destination port, as far as they belong to the key.
    #[inline]
    fn ports(&self, header: &Header) -> [u16; 2] {
        if self.ports {
            [header.src_port, header.dst_port]
        } else {
            [0; 2]
        }
    }

    /// Sets the direction marks and the hash of a packet, appends its extra key parts to `extra`, and tells whether the sample
    /// keeps it. `frame` is the captured frame.
    pub fn apply(&self, header: &mut Header, frame: &[u8], extra: &mut Vec<u8>) -> bool {
        let ports = self.ports(header);
        // as numbers: arrays of bytes are compared by a call
        let place = |address, port| (u128::from_be_bytes(address), port);
        let order = place(header.src, ports[0]).cmp(&place(header.dst, ports[1]));
        header.marks |= match order {
            std::cmp::Ordering::Greater if !self.one_way => marks::FROM_B,
            std::cmp::Ordering::Equal => marks::LOOP,
            std::cmp::Ordering::Greater | std::cmp::Ordering::Less => 0,
        };
        let from = extra.len();
        self.push_extra(header, frame, extra);
        let mut bytes = [0; BASE + EXTRA];
        let length = key_bytes(
            &self.key(header),
            extra.get(from..).unwrap_or(&[]),
            &mut bytes,
        );
        let names = self.names(header);
        let key = [
            bytes.get(..length).unwrap_or(&bytes),
            names.map_or(&[][..], |names| &names.bytes),
        ];
        header.hash = hash(0, 0, key);
        if self.has_names() {
            let none = [0; ExtraKey::NUMBER];
            extra.extend_from_slice(names.map_or(&none, |names| &names.number));
        }
        let kept = match self.sampling {
            None => true,
            Some(sampling) if sampling.by_packet => {
                let mut place = [0; 12];
                place[..4].copy_from_slice(&header.source().to_be_bytes());
                place[4..].copy_from_slice(&header.record().to_be_bytes());
                is_sampled(sampling, [&place, &[]])
            }
            Some(sampling) => is_sampled(sampling, key),
        };
        if !kept {
            extra.truncate(from);
        }
        kept
    }

    fn push_extra(&self, header: &Header, frame: &[u8], extra: &mut Vec<u8>) {
        if self.vlan {
            let id = if header.is(marks::VLAN) {
                u32::from(header.vlan)
            } else {
                NONE
            };
            extra.extend_from_slice(&id.to_be_bytes());
        }
        if self.icmp_id {
            let id = if header.is(marks::ICMP_ID) {
                u32::from(header.icmp_id)
            } else {
                NONE
            };
            extra.extend_from_slice(&id.to_be_bytes());
        }
        let from_b = header.is(marks::FROM_B);
        if self.mac {
            let at = header.ethernet as usize;
            let known = header.is(marks::ETHERNET);
            let part = |from: usize| {
                frame
                    .get(from..from + 6)
                    .filter(|_| known)
                    .unwrap_or(&[0; 6])
            };
            let (destination, source) = (part(at), part(at + 6));
            extra.extend_from_slice(if from_b { destination } else { source });
            extra.extend_from_slice(if from_b { source } else { destination });
        }
        if self.tunnel {
            let (protocol, source, destination) =
                outer_addresses(header, frame).unwrap_or_default();
            extra.push(protocol);
            extra.extend_from_slice(if from_b { &destination } else { &source });
            extra.extend_from_slice(if from_b { &source } else { &destination });
        }
    }
}

/// Protocol, source and destination of the outermost IP header of a packet that was inside a tunnel.
fn outer_addresses(header: &Header, frame: &[u8]) -> Option<(u8, [u8; 16], [u8; 16])> {
    if !header.is(marks::TUNNEL) {
        return None;
    }
    let outer = frame.get(header.outer as usize..)?;
    let mut addresses = ([0; 16], [0; 16]);
    let (protocol, length, at) = if outer.first()? >> 4 == 4 {
        (*outer.get(9)?, 4, 12)
    } else {
        (*outer.get(6)?, 16, 8)
    };
    addresses
        .0
        .get_mut(..length)?
        .copy_from_slice(outer.get(at..at + length)?);
    addresses
        .1
        .get_mut(..length)?
        .copy_from_slice(outer.get(at + length..at + 2 * length)?);
    Some((protocol, addresses.0, addresses.1))
}

/// The SipHash-1-3 of two parts one behind the other.
#[inline]
fn hash(key0: u64, key1: u64, [fixed, names]: [&[u8]; 2]) -> u64 {
    let mut hasher = SipHasher13::new_with_keys(key0, key1);
    if names.is_empty() {
        return hasher.hash(fixed);
    }
    hasher.write(fixed);
    hasher.write(names);
    hasher.finish()
}

/// Whether the SipHash-1-3 of a key, keyed by the seed, falls into the share that is kept.
fn is_sampled(sampling: Sampling, key: [&[u8]; 2]) -> bool {
    let hash = hash(sampling.seed, 1, key);
    // 2^64 times the rate is exact in u128 but for the rounding of the rate itself; a rate of 1 keeps everything
    #[expect(
        clippy::cast_sign_loss,
        clippy::cast_possible_truncation,
        reason = "the rate is checked to lie from 0 to 1"
    )]
    let limit = (sampling.rate * 18_446_744_073_709_551_616.0) as u128;
    u128::from(hash) < limit
}

/// Writes the key as bytes into `out` and gives their number.
#[inline]
pub fn key_bytes(key: &FlowKey, extra: &[u8], out: &mut [u8; BASE + EXTRA]) -> usize {
    if key.family == 4 {
        let (
            FlowKey {
                address_a: a,
                address_b: b,
                ..
            },
            pa,
            pb,
        ) = (key, key.port_a.to_be_bytes(), key.port_b.to_be_bytes());
        let bytes: [u8; 14] = [
            4,
            a[0],
            a[1],
            a[2],
            a[3],
            pa[0],
            pa[1],
            b[0],
            b[1],
            b[2],
            b[3],
            pb[0],
            pb[1],
            key.protocol,
        ];
        put(&bytes, extra, out)
    } else {
        let mut bytes = [0; BASE];
        bytes[0] = key.family;
        bytes[1..17].copy_from_slice(&key.address_a);
        bytes[17..19].copy_from_slice(&key.port_a.to_be_bytes());
        bytes[19..35].copy_from_slice(&key.address_b);
        bytes[35..37].copy_from_slice(&key.port_b.to_be_bytes());
        bytes[37] = key.protocol;
        put(&bytes, extra, out)
    }
}

/// Writes two parts one behind the other; the second ends where there is no more room.
#[inline]
fn put<const N: usize>(fixed: &[u8; N], extra: &[u8], out: &mut [u8; BASE + EXTRA]) -> usize {
    let (start, rest) = out.split_at_mut(N);
    start.copy_from_slice(fixed);
    if extra.is_empty() {
        return N; // nearly always: a copy of no bytes is a call all the same
    }
    let length = extra.len().min(rest.len());
    rest[..length].copy_from_slice(&extra[..length]);
    N + length
}

/// `flow_id`: the first 128 bits of SHA-256 over an empty salt, key, start, segment and record ordinal of the first packet. The extra
/// key parts are those of packets, and the names of their input.
pub fn flow_id(
    key: &FlowKey,
    [extra, names]: [&[u8]; 2],
    start: i64,
    segment: u32,
    record: u64,
) -> [u8; 16] {
    use sha2::{Digest, Sha256};
    let mut bytes = [0; BASE + EXTRA];
    let length = key_bytes(key, extra, &mut bytes);
    let mut hash = Sha256::new();
    hash.update(0_u32.to_be_bytes()); // the length of the salt
    hash.update(bytes.get(..length).unwrap_or(&bytes));
    hash.update(names);
    hash.update(start.to_be_bytes());
    hash.update(segment.to_be_bytes());
    hash.update(record.to_be_bytes());
    let digest = hash.finalize();
    let mut id = [0; 16];
    id.copy_from_slice(&digest[..16]);
    id
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytemuck::Zeroable;

    fn packet(src: u8, src_port: u16, dst: u8, dst_port: u16) -> Header {
        let mut header = Header {
            family: 4,
            protocol: 6,
            src_port,
            dst_port,
            ..Header::zeroed()
        };
        header.src[3] = src;
        header.dst[3] = dst;
        header
    }

    #[test]
    fn both_directions_have_one_key_and_one_hash() {
        let rule = KeyRule::new(&FlowOptions::default());
        let (mut there, mut back) = (packet(1, 80, 2, 4000), packet(2, 4000, 1, 80));
        assert!(
            rule.apply(&mut there, &[], &mut Vec::new())
                && rule.apply(&mut back, &[], &mut Vec::new())
        );
        assert_eq!(rule.key(&there), rule.key(&back));
        assert_eq!(there.hash, back.hash);
        assert!(!there.is(marks::FROM_B) && back.is(marks::FROM_B));
        let mut own = packet(1, 80, 1, 80);
        rule.apply(&mut own, &[], &mut Vec::new());
        assert!(own.is(marks::LOOP));
    }

    #[test]
    fn one_way_flows_have_a_key_for_each_direction() {
        let options = FlowOptions {
            bidirectional: false,
            key: vec![KeyPart::FiveTuple, KeyPart::Mac],
            ..FlowOptions::default()
        };
        let rule = KeyRule::new(&options);
        let frame = |to: u8, from: u8| [[to; 6], [from; 6]].concat();
        let (mut there, mut back) = (packet(1, 80, 2, 4000), packet(2, 4000, 1, 80));
        let mut extra = Vec::new();
        for (packet, frame) in [(&mut there, frame(2, 1)), (&mut back, frame(1, 2))] {
            packet.marks |= marks::ETHERNET;
            assert!(rule.apply(packet, &frame, &mut extra));
            assert!(!packet.is(marks::FROM_B));
            let key = rule.key(packet);
            let source = (key.address_a, key.port_a);
            assert_eq!(source, (packet.src, packet.src_port), "a is the source");
        }
        assert_ne!(rule.key(&there), rule.key(&back));
        assert_ne!(there.hash, back.hash);
        let of = |byte: u8| [byte; 6];
        assert_eq!(extra, [of(1), of(2), of(2), of(1)].concat());
        let mut own = packet(1, 80, 1, 80);
        rule.apply(&mut own, &[], &mut Vec::new());
        assert!(own.is(marks::LOOP));
    }

    #[test]
    fn extra_parts_separate_flows_and_follow_the_endpoints() {
        let options = FlowOptions {
            key: vec![KeyPart::FiveTuple, KeyPart::Vlan, KeyPart::Mac],
            ..FlowOptions::default()
        };
        let rule = KeyRule::new(&options);
        assert_eq!(rule.stride(), 16);
        let mut there = packet(1, 80, 2, 4000);
        there.marks |= marks::ETHERNET | marks::VLAN;
        there.vlan = 7;
        let frame = [2, 2, 2, 2, 2, 2, 1, 1, 1, 1, 1, 1];
        let mut extra = Vec::new();
        rule.apply(&mut there, &frame, &mut extra);
        assert_eq!(extra, [0, 0, 0, 7, 1, 1, 1, 1, 1, 1, 2, 2, 2, 2, 2, 2]);
    }

    /// Inputs of these sources and sensors.
    fn inputs(names: &[(&str, Option<&str>)]) -> Vec<InputName> {
        let input = |(source, sensor): &(&str, Option<&str>)| InputName {
            file: String::new(),
            source: (*source).to_owned(),
            sensor: sensor.map(str::to_owned),
        };
        names.iter().map(input).collect()
    }

    #[test]
    fn names_of_inputs_separate_flows_whatever_other_inputs_there_are() {
        let options = FlowOptions {
            key: vec![KeyPart::Vlan, KeyPart::Sensor, KeyPart::Source],
            ..FlowOptions::default()
        };
        let rule = KeyRule::new(&options);
        assert_eq!(rule.stride(), 8);
        // what a packet of an input has: its hash and extra parts; and what its record has
        let seen = |names: &[(&str, Option<&str>)], source: u32| {
            let rule = rule.clone().named(&inputs(names));
            let mut header = packet(1, 80, 2, 4000);
            header.ord = Header::order(source, 5);
            let mut extra = Vec::new();
            assert!(rule.apply(&mut header, &[], &mut extra));
            let written = rule.extra(&extra, &header).written().concat();
            (header.hash, extra, written)
        };
        let three = [("a", Some("x")), ("a", Some("y")), ("a", Some("x"))];
        let (first, other, again) = (seen(&three, 0), seen(&three, 1), seen(&three, 2));
        assert_eq!(first, again);
        assert_eq!(first.1, [255, 255, 255, 255, 0, 0, 0, 0]);
        assert_eq!(other.1, [255, 255, 255, 255, 0, 0, 0, 1]);
        let expected = [255, 255, 255, 255, 0, 0, 0, 1, b'x', 0, 0, 0, 1, b'a'];
        assert_eq!(first.2, expected);
        assert_ne!(first.0, other.0);
        // its number is another one behind others, and nothing that is written is
        let behind = seen(&[("b", None), ("a", Some("x"))], 1);
        assert_eq!((behind.0, behind.2), (first.0, first.2));
        assert_eq!(
            seen(&[("b", None)], 0).2[4..],
            [0, 0, 0, 0, 0, 0, 0, 1, b'b']
        );
        // the hash is that of all of it in one piece
        let mut header = packet(1, 80, 2, 4000);
        let mut bytes = [0; BASE + EXTRA];
        let length = key_bytes(&rule.key(&header), &[255; 4], &mut bytes);
        let whole = [&bytes[..length], &expected[4..]].concat();
        header.hash = SipHasher13::new_with_keys(0, 0).hash(&whole);
        assert_eq!(first.0, header.hash);
    }

    #[test]
    fn a_sample_keeps_about_its_share_and_whole_flows() {
        let options = FlowOptions {
            sampling: Some(Sampling {
                rate: 0.25,
                by_packet: false,
                seed: 3,
            }),
            ..FlowOptions::default()
        };
        let rule = KeyRule::new(&options);
        let kept = (0..4000u16)
            .filter(|port| {
                let there = rule.apply(&mut packet(1, *port, 2, 80), &[], &mut Vec::new());
                let back = rule.apply(&mut packet(2, 80, 1, *port), &[], &mut Vec::new());
                assert_eq!(there, back);
                there
            })
            .count();
        assert!((900..1100).contains(&kept), "{kept}");
    }
}
