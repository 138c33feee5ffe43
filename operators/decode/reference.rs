//! The reference path, for tests: the same fields as sliced by etherparse, for what etherparse reads as we do.
//!
//! It does not read: lengths beyond the captured bytes, MPLS, PPP, 802.11, extension headers 135, 139 and 140, jumbograms. It reads
//! differently, and is not asked: AH under IPv4 (a protocol here), MACsec, what follows the fragment header of a later fragment.

use super::{linktype, total};
use crate::books::{Anomaly, Books};
use crate::packet::{Header, marks};
use crate::sources::Record;
use etherparse::{LinkExtSlice, NetSlice, SlicedPacket, TransportSlice};

/// A record that is the whole of its block.
pub(super) fn record(link: u16, frame: &[u8]) -> Record {
    let captured = u32::try_from(frame.len()).expect("a short frame");
    Record {
        offset: 0,
        captured,
        original: captured,
        link,
        time: 5,
        clock: 7,
    }
}

/// Panics unless fast path and reference agree with the general path on this frame.
pub(super) fn agree(record: &Record, frame: &[u8]) {
    let (header, books) = total::agree(record, frame);
    let sliced = match record.link {
        linktype::ETHERNET => SlicedPacket::from_ethernet(frame),
        linktype::LINUX_SLL => SlicedPacket::from_linux_sll(frame),
        link if linktype::RAW.contains(&link) => SlicedPacket::from_ip(frame),
        _ => return,
    };
    if let Ok(sliced) = sliced {
        compare(&sliced, header.as_ref(), &books, frame);
    }
}

fn compare(sliced: &SlicedPacket<'_>, header: Option<&Header>, books: &Books, frame: &[u8]) {
    let is_tag = |extension: &LinkExtSlice<'_>| matches!(extension, LinkExtSlice::Vlan(_));
    if !sliced.link_exts.iter().all(is_tag) {
        return;
    }
    let (family, ttl, tos, length, payload, (src, dst)) = match &sliced.net {
        Some(NetSlice::Ipv4(ip)) if ip.header().protocol().0 != 51 => {
            let ip4 = ip.header();
            let length = u32::from(ip4.total_len());
            let mut ends = ([0; 16], [0; 16]);
            ends.0[..4].copy_from_slice(&ip4.source());
            ends.1[..4].copy_from_slice(&ip4.destination());
            let tos = ip4.dcp().value() << 2 | ip4.ecn().value();
            (4, ip4.ttl(), tos, length, ip.payload(), ends)
        }
        Some(NetSlice::Ipv6(ip)) if ip.header().payload_length() != 0 => {
            let ip6 = ip.header();
            let length = 40 + u32::from(ip6.payload_length());
            let ends = (ip6.source(), ip6.destination());
            (
                6,
                ip6.hop_limit(),
                ip6.traffic_class(),
                length,
                ip.payload(),
                ends,
            )
        }
        _ => return,
    };
    let next = payload.ip_number.0;
    if family == 6 && matches!(next, 0 | 43 | 44 | 51 | 60 | 135 | 139 | 140) {
        return;
    }
    let Some(header) = header else {
        panic!("only the reference reads {frame:02x?}");
    };
    let ip = (header.family, header.ttl, header.tos, header.ip_len);
    assert_eq!(ip, (family, ttl, tos, length), "{frame:02x?}");
    assert_eq!((header.src, header.dst), (src, dst), "{frame:02x?}");
    assert_eq!(books.anomalies.get(Anomaly::IpLenOverrun), 0);
    let tag = sliced.link_exts.first().and_then(|tag| match tag {
        LinkExtSlice::Vlan(tag) => Some(tag.vlan_identifier().value()),
        LinkExtSlice::Macsec(_) => None,
    });
    assert_eq!(
        header.is(marks::VLAN).then_some(header.vlan),
        tag,
        "{frame:02x?}"
    );
    if header.is(marks::LATER_FRAGMENT) {
        return;
    }
    assert_eq!(header.protocol, next, "{frame:02x?}");
    assert_eq!(
        header.is(marks::FRAGMENT),
        payload.fragmented,
        "{frame:02x?}"
    );
    let at = payload.payload.as_ptr() as usize - frame.as_ptr() as usize;
    assert_eq!(header.transport as usize, at, "{frame:02x?}");
    let Some(transport) = &sliced.transport else {
        return;
    };
    let start = header.payload as usize - header.frame as usize;
    let bytes = &frame[start..start + header.payload_captured as usize];
    let whole = header.payload_captured == header.payload_len;
    let ports = (header.src_port, header.dst_port);
    match transport {
        TransportSlice::Tcp(tcp) => {
            assert!(header.is(marks::TCP_KNOWN | marks::WINDOW_KNOWN));
            assert_eq!(ports, (tcp.source_port(), tcp.destination_port()));
            let numbers = (tcp.sequence_number(), tcp.acknowledgment_number());
            assert_eq!((header.seq, header.ack), numbers, "{frame:02x?}");
            assert_eq!(header.window, tcp.window_size());
            let flags = [tcp.fin(), tcp.syn(), tcp.rst(), tcp.psh(), tcp.ack()];
            for (bit, set) in flags.into_iter().enumerate() {
                assert_eq!(header.has(1 << bit), set, "{frame:02x?}");
            }
            assert_eq!(header.tcp_flags >> 8 & 1 != 0, tcp.ns());
            assert_eq!((bytes, whole), (tcp.payload(), true), "{frame:02x?}");
            let good = tcp.options_iterator().all(|option| option.is_ok());
            let bad = books.anomalies.get(Anomaly::TcpOptions) > 0;
            assert!(
                !(good && bad),
                "etherparse asks more of options: {frame:02x?}"
            );
        }
        TransportSlice::Udp(udp) => {
            assert_eq!(ports, (udp.source_port(), udp.destination_port()));
            if books.anomalies.get(Anomaly::UdpLength) == 0 {
                assert_eq!((bytes, whole), (udp.payload(), true), "{frame:02x?}");
            }
        }
        TransportSlice::Icmpv4(icmp) => {
            let [high, low, ..] = icmp.bytes5to8();
            let id = u16::from_be_bytes([high, low]);
            assert!(!header.is(marks::ICMP_ID) || header.icmp_id == id);
            assert_eq!(bytes, &icmp.slice()[8..], "{frame:02x?}");
        }
        TransportSlice::Icmpv6(icmp) => {
            let [high, low, ..] = icmp.bytes5to8();
            let id = u16::from_be_bytes([high, low]);
            assert!(!header.is(marks::ICMP_ID) || header.icmp_id == id);
            assert_eq!(bytes, &icmp.slice()[8..], "{frame:02x?}");
        }
        TransportSlice::Igmp(_) => {}
    }
}
