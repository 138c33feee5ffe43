//! Whether the checksums of a packet are right: of the IPv4 header (RFC 791), TCP (RFC 9293), UDP (RFC 768, 8200), ICMP (RFC 792) and
//! ICMPv6 (RFC 4443).
//!
//! Only of the IP header that decides and what it carries: nothing is said of headers around a tunnel, of UDP-Lite, SCTP and DCCP. What
//! cannot be judged is right: fragments, packets that were not captured whole or do not say how long they are (segmentation offload,
//! jumbograms), and those that go on to another address than the one in their header, which the sum is made of.

use super::transport::protocol::{ICMP, ICMPV6, TCP, UDP};
use crate::packet::{Header, marks};
use etherparse::checksum::Sum16BitWords;

/// Whether nothing is wrong with the checksums of a packet, of which these are the captured bytes.
#[inline(never)]
pub(super) fn is_right(header: &Header, frame: &[u8]) -> bool {
    header_is_right(header, frame) && !body_is_wrong(header, frame).unwrap_or(false)
}

/// The bytes of a frame between two offsets.
fn between(frame: &[u8], from: u32, to: u32) -> Option<&[u8]> {
    let [from, to] = [from, to].map(usize::try_from);
    frame.get(from.ok()?..to.ok()?)
}

fn header_is_right(header: &Header, frame: &[u8]) -> bool {
    let ip = between(frame, header.network, header.transport);
    match ip {
        Some(ip) if header.family == 4 => Sum16BitWords::new().add_slice(ip).ones_complement() == 0,
        _ => true,
    }
}

/// Whether the checksum of what the IP header carries is wrong; `None` where it cannot be judged.
fn body_is_wrong(header: &Header, frame: &[u8]) -> Option<bool> {
    if header.is(marks::FRAGMENT) {
        return None;
    }
    let network = between(frame, header.network, header.transport)?;
    let before = header.transport.checked_sub(header.network)?;
    let end = header.network.checked_add(header.ip_len)?;
    let mut body = between(frame, header.transport, end)?;
    let mut length = header.ip_len.checked_sub(before)?;
    let is_ipv4 = header.family == 4;
    let field = if is_ipv4 { 2..4 } else { 4..6 };
    if network.get(field)? == [0; 2] {
        return None;
    }
    match header.protocol {
        TCP => _ = body.first_chunk::<18>()?,
        UDP => {
            let [_, _, _, _, high, low, sum @ ..] = body.first_chunk::<8>()?;
            if is_ipv4 && *sum == [0; 2] {
                return None; // there is none
            }
            let claim = u16::from_be_bytes([*high, *low]);
            match u32::from(claim) {
                0 => {}
                claim if claim > length => return None,
                claim => {
                    body = body.get(..usize::try_from(claim).ok()?)?;
                    length = claim;
                }
            }
        }
        ICMP if is_ipv4 => {
            let sum = Sum16BitWords::new().add_slice(body);
            return Some(sum.ones_complement() != 0);
        }
        ICMPV6 if !is_ipv4 => _ = body.first_chunk::<4>()?,
        _ => return None,
    }
    let goes_on = if is_ipv4 { goes_on_4 } else { goes_on_6 };
    if goes_on(network) {
        return None;
    }
    // the pseudo-header: both addresses, protocol and length, of which IPv4 has half as many bits
    let mut sum = Sum16BitWords::new();
    for address in [header.src, header.dst] {
        // the bytes behind an IPv4 address are 0
        sum = sum.add_16bytes(address);
    }
    let sum = sum
        .add_4bytes(length.to_be_bytes())
        .add_2bytes([0, header.protocol])
        .add_slice(body);
    Some(sum.ones_complement() != 0)
}

/// Whether an IPv4 header has a source route (options 131 and 137) that is not at its end.
fn goes_on_4(network: &[u8]) -> bool {
    let mut options = network.get(20..).unwrap_or(&[]);
    loop {
        options = match options {
            [] | [0, ..] => return false,
            [1, rest @ ..] => rest,
            [131 | 137, length, place, ..] if place <= length => return true,
            [_, length, ..] if *length >= 2 => options.get(usize::from(*length)..).unwrap_or(&[]),
            _ => return false,
        };
    }
}

/// Whether an IPv6 packet has a routing header with segments left (RFC 8200), or the home address of its sender in an option (RFC 6275).
fn goes_on_6(network: &[u8]) -> bool {
    let (mut kind, mut headers) = match network.get(6).zip(network.get(40..)) {
        Some((kind, headers)) => (*kind, headers),
        None => return false,
    };
    loop {
        let [next, units, _, left, ..] = headers else {
            return false;
        };
        let size = match kind {
            44 => 8,
            51 => (usize::from(*units).saturating_add(2)).saturating_mul(4),
            _ => (usize::from(*units).saturating_add(1)).saturating_mul(8),
        };
        let goes_on = match kind {
            43 => *left > 0,
            60 => has_home_address(headers.get(2..size).unwrap_or(&[])),
            _ => false,
        };
        if goes_on {
            return true;
        }
        kind = *next;
        headers = headers.get(size..).unwrap_or(&[]);
    }
}

fn has_home_address(mut options: &[u8]) -> bool {
    loop {
        options = match options {
            [0, rest @ ..] => rest,
            [201, ..] => return true,
            [_, length, rest @ ..] => rest.get(usize::from(*length)..).unwrap_or(&[]),
            _ => return false,
        };
    }
}

#[cfg(test)]
mod tests {
    use super::super::generate::{ethernet, extension, ipv4, ipv6, join, tcp, udp};
    use super::super::reference::record;
    use super::super::{Checksum, DecodeOptions, Decoder};
    use crate::Books;
    use crate::books::Skip;
    use etherparse::{Icmpv4Type, Icmpv6Type, PacketBuilder};
    use proptest::prelude::*;

    /// Whether a frame is a packet where checksums are looked at; where they are not it is.
    fn passes_of(captured: usize, frame: &[u8]) -> bool {
        let mut books = Books::default();
        let mut decode = |checksum| {
            let options = DecodeOptions {
                checksum,
                ..DecodeOptions::default()
            };
            let mut record = record(1, frame);
            record.captured = captured as u32;
            let found = Decoder::new(&options).decode(&record, 0, frame, &mut books);
            found.is_some()
        };
        assert!(decode(Checksum::Ignore), "{frame:02x?}");
        let passes = decode(Checksum::DropBad);
        let malformed = books.packets.skipped.get(Skip::Malformed);
        assert_eq!(malformed, u64::from(!passes));
        passes
    }

    fn passes(frame: &[u8]) -> bool {
        passes_of(frame.len(), frame)
    }

    /// Frames with right checksums, and where in each the transport header starts: one of each kind, with a payload of odd length.
    fn right(payload: &[u8]) -> Vec<(Vec<u8>, usize)> {
        let four =
            || PacketBuilder::ethernet2([2; 6], [4; 6]).ipv4([10, 0, 0, 1], [10, 0, 0, 2], 9);
        let six = || PacketBuilder::ethernet2([2; 6], [4; 6]).ipv6([1; 16], [7; 16], 9);
        let mut all = Vec::new();
        let mut add = |at: usize, write: &dyn Fn(&mut Vec<u8>)| {
            let mut frame = Vec::new();
            write(&mut frame);
            all.push((frame, at));
        };
        add(34, &|out| {
            four().tcp(1, 2, 3, 4).write(out, payload).unwrap()
        });
        add(34, &|out| four().udp(1, 2).write(out, payload).unwrap());
        let echo = etherparse::IcmpEchoHeader { id: 1, seq: 2 };
        add(34, &|out| {
            let icmp = four().icmpv4(Icmpv4Type::EchoRequest(echo));
            icmp.write(out, payload).unwrap();
        });
        add(54, &|out| {
            six().tcp(1, 2, 3, 4).write(out, payload).unwrap()
        });
        add(54, &|out| six().udp(1, 2).write(out, payload).unwrap());
        add(54, &|out| {
            let icmp = six().icmpv6(Icmpv6Type::EchoRequest(echo));
            icmp.write(out, payload).unwrap();
        });
        all
    }

    #[test]
    fn right_ones_pass_and_any_wrong_bit_is_seen() {
        for payload in [&b"odd"[..], b"even", b""] {
            for (frame, at) in right(payload) {
                assert!(passes(&frame), "{frame:02x?}");
                let padded = [&frame[..], &[0xAA; 5]].concat();
                assert!(
                    passes(&padded),
                    "padding of the link layer has no part in it"
                );
                // the identification, TTL; the source address; payload or transport header
                let addresses = if at == 34 { 26..34 } else { 22..54 };
                let header = if at == 34 { vec![18, 22] } else { Vec::new() };
                let body = at..at + 4;
                for place in header.into_iter().chain(addresses).chain(body) {
                    // lengths, ports and types still lead to the same kind of packet
                    for bit in [1, 0x10] {
                        let mut wrong = frame.clone();
                        wrong[place] ^= bit;
                        assert!(!passes(&wrong), "{place} of {frame:02x?}");
                    }
                }
                if let (Some(last), false) = (frame.len().checked_sub(1), payload.is_empty()) {
                    let mut wrong = frame.clone();
                    wrong[last] ^= 0x80;
                    assert!(!passes(&wrong));
                    // the frame was longer than what was captured: only the header can be judged
                    assert!(passes_of(last, &wrong));
                    let mut header = frame.clone();
                    header[18] ^= 1;
                    assert_eq!(passes_of(last, &header), at == 54);
                }
            }
        }
    }

    /// The frame with a right checksum in the IPv4 header.
    fn with_header_sum(mut packet: Vec<u8>) -> Vec<u8> {
        let header = usize::from(packet[0] & 15) * 4;
        packet[10..12].fill(0);
        let sum = etherparse::checksum::Sum16BitWords::new().add_slice(&packet[..header]);
        packet[10..12].copy_from_slice(&sum.ones_complement().to_ne_bytes());
        ethernet(0x0800, &packet)
    }

    #[test]
    fn what_cannot_be_judged_passes() {
        let wrong = udp(1, 2, b"abc"); // its checksum is 0: there is none
        assert!(passes(&with_header_sum(ipv4(17, &[], 0, &wrong))));
        assert!(
            !passes(&ethernet(0x86DD, &ipv6(17, &wrong))),
            "IPv6 always has one"
        );
        let mut wrong = tcp(2, &[], b"abc");
        let judged = |packet: Vec<u8>| !passes(&with_header_sum(packet));
        assert!(judged(ipv4(6, &[], 0, &wrong)));
        assert!(!judged(ipv4(6, &[], 0x2000, &wrong)), "a first fragment");
        assert!(!judged(ipv4(6, &[], 1, &wrong)), "a later one");
        assert!(judged(ipv4(6, &[], 0x4000, &wrong)), "not to be fragmented");
        let mut offloaded = ipv4(6, &[], 0, &wrong);
        offloaded[2..4].fill(0);
        assert!(!judged(offloaded), "segmentation is left to the card");
        let route = |place: u8| [7, 3, 4, 1, 131, 7, place, 10, 0, 0, 9, 0];
        assert!(!judged(ipv4(6, &route(4), 0, &wrong)), "a source route");
        assert!(judged(ipv4(6, &route(8), 0, &wrong)), "at its end");
        assert!(!judged(ipv4(253, &[], 0, &wrong)), "an unknown protocol");
        let judged = |packet: Vec<u8>| !passes(&ethernet(0x86DD, &packet));
        let through = |kind: u8, place: usize, value: u8| {
            let mut inside = extension(60, kind, &extension(kind, 6, &wrong));
            inside[8 + place] = value;
            ipv6(60, &inside)
        };
        assert!(judged(through(43, 3, 0)));
        assert!(!judged(through(43, 3, 1)), "segments are left");
        assert!(judged(through(60, 2, 1)));
        assert!(!judged(through(60, 2, 201)), "a home address");
        wrong = udp(1, 2, b"abc");
        (wrong[5], wrong[6]) = (200, 1);
        assert!(
            !judged(ipv6(17, &wrong)),
            "a length beyond the packet: an anomaly of its own"
        );
        let padded = join(&[&ipv6(17, &udp(1, 2, b"abc")), &[9; 4]]);
        assert!(judged(padded));
    }

    #[test]
    fn a_datagram_ends_where_its_own_length_says() {
        for (frame, at) in right(b"abcd") {
            if frame[if at == 34 { 23 } else { 20 }] != 17 {
                continue;
            }
            // bytes between its end and that of the IP packet
            let mut longer = [&frame[..], &[7, 7, 7]].concat();
            if at == 34 {
                longer[17] += 3;
                let packet = longer.split_off(14);
                longer = with_header_sum(packet);
            } else {
                longer[19] += 3;
            }
            assert!(passes(&longer), "{longer:02x?}");
        }
    }

    proptest! {
        #[test]
        fn nothing_panics(bytes in prop::collection::vec(any::<u8>(), 0..120), link in prop::sample::select(vec![1u16, 101])) {
            let options = DecodeOptions { checksum: Checksum::DropBad, ..DecodeOptions::default() };
            let _ = Decoder::new(&options).decode(&record(link, &bytes), 0, &bytes, &mut Books::default());
        }
    }
}
