//! TCP (RFC 9293), UDP, ICMP and the ports of others: semantics 2.8. The TCP option list is only checked for its form.

use super::decoder::Walk;
use super::network::Body;
use super::stack::{Label, Labels};
use crate::books::Anomaly;
use crate::packet::marks;

/// IP protocol numbers.
pub mod protocol {
    #![expect(missing_docs, reason = "the names are the definition")]
    pub const ICMP: u8 = 1;
    pub const IGMP: u8 = 2;
    pub const IPV4: u8 = 4;
    pub const TCP: u8 = 6;
    pub const UDP: u8 = 17;
    pub const DCCP: u8 = 33;
    pub const IPV6: u8 = 41;
    pub const GRE: u8 = 47;
    pub const ESP: u8 = 50;
    pub const AH: u8 = 51;
    pub const ICMPV6: u8 = 58;
    pub const SCTP: u8 = 132;
    pub const UDP_LITE: u8 = 136;

    /// The short name of a protocol; `None` = it goes by its number.
    pub const fn name(protocol: u8) -> Option<&'static str> {
        Some(match protocol {
            ICMP => "icmp",
            IGMP => "igmp",
            IPV4 => "ipip",
            TCP => "tcp",
            UDP => "udp",
            DCCP => "dccp",
            IPV6 => "6in4",
            GRE => "gre",
            ESP => "esp",
            AH => "ah",
            ICMPV6 => "icmp6",
            SCTP => "sctp",
            UDP_LITE => "udplite",
            _ => return None,
        })
    }
}
use protocol::{AH, DCCP, ESP, GRE, ICMP, ICMPV6, IGMP, SCTP, TCP, UDP, UDP_LITE};

/// Whether the protocol starts with source and destination port.
pub(super) const fn has_ports(protocol: u8) -> bool {
    matches!(protocol, TCP | UDP | DCCP | SCTP | UDP_LITE)
}

/// Bytes of a whole transport header: a first fragment with fewer names no flow.
const fn header_length(protocol: u8) -> u64 {
    match protocol {
        TCP => 20,
        DCCP | SCTP => 12,
        UDP | UDP_LITE | ICMP | ICMPV6 => 8,
        _ => 0,
    }
}

pub(super) const fn label(protocol: u8) -> Label {
    match protocol {
        ICMP => Label::Icmp,
        IGMP => Label::Igmp,
        TCP => Label::Tcp,
        UDP => Label::Udp,
        GRE => Label::Gre,
        ESP => Label::Esp,
        AH => Label::Ah,
        ICMPV6 => Label::Icmp6,
        SCTP => Label::Sctp,
        _ => Label::Proto,
    }
}

/// Reads the transport header of the packet that decides.
pub(super) fn parse<L: Labels>(walk: &mut Walk<L>, body: &Body<'_>) {
    let protocol = walk.header.protocol;
    let later = walk.header.is(marks::LATER_FRAGMENT);
    let mut header = 0;
    if !later {
        walk.push(label(protocol));
        if has_ports(protocol)
            && let Ok([a, b, c, d]) = body.bytes.array(0)
        {
            walk.header.src_port = u16::from_be_bytes([a, b]);
            walk.header.dst_port = u16::from_be_bytes([c, d]);
        }
        header = match protocol {
            TCP => tcp(walk, body),
            UDP => udp(walk, body),
            ICMP | ICMPV6 => icmp(walk, body),
            _ => 0,
        };
    }
    let length = body.length.saturating_sub(header);
    let payload = usize::try_from(header).map_or(body.bytes, |header| {
        let end = body.bytes.len();
        body.bytes.skip(header.min(end)).unwrap_or(body.bytes)
    });
    let captured = u32::try_from(payload.len()).unwrap_or(u32::MAX);
    walk.header.payload_len = u32::try_from(length).unwrap_or(u32::MAX);
    walk.header.payload = walk.header.frame.saturating_add(payload.at());
    walk.header.payload_captured = captured;
    if !later && captured < walk.header.payload_len {
        walk.anomaly(Anomaly::PayloadTruncated);
    }
    if let Some(fragment) = &mut walk.fragment {
        let ports = !has_ports(protocol) || body.bytes.len() >= 4;
        fragment.whole = ports && body.length >= header_length(protocol);
    }
}

/// Reads a TCP header and gives its length.
fn tcp<L: Labels>(walk: &mut Walk<L>, body: &Body<'_>) -> u64 {
    let bytes = body.bytes;
    let (Ok(seq), Ok(ack), Ok(flags)) = (bytes.u32(4), bytes.u32(8), bytes.u16(12)) else {
        walk.anomaly(Anomaly::TcpHeader);
        return 20;
    };
    walk.header.seq = seq;
    walk.header.ack = ack;
    walk.header.tcp_flags = flags & 0x0FFF;
    walk.header.marks |= marks::TCP_KNOWN;
    if let Ok(window) = bytes.u16(14) {
        walk.header.window = window;
        walk.header.marks |= marks::WINDOW_KNOWN;
    }
    let header = u64::from(flags >> 12) << 2;
    if header < 20 || header > body.length {
        walk.anomaly(Anomaly::TcpHeader);
        return body.length; // neither payload nor options can be told from such a header
    }
    let options = usize::try_from(header)
        .ok()
        .and_then(|header| bytes.rest().get(20..header));
    if options.is_some_and(|options| !options_are_whole(options)) {
        walk.anomaly(Anomaly::TcpOptions);
    }
    header
}

/// Whether no option is cut or claims less than 2 bytes, up to the end-of-list option.
pub(super) fn options_are_whole(mut options: &[u8]) -> bool {
    loop {
        options = match options {
            [] | [0, ..] => return true,
            [1, rest @ ..] => rest,
            [_, length, ..] if *length >= 2 => match options.get(usize::from(*length)..) {
                Some(rest) => rest,
                None => return false,
            },
            _ => return false,
        }
    }
}

/// Looks at the length field, which decides nothing, and gives the length of the header.
fn udp<L: Labels>(walk: &mut Walk<L>, body: &Body<'_>) -> u64 {
    if let Ok(claim) = body.bytes.u16(4)
        && claim != 0
        && u64::from(claim) != body.length
        && !walk.header.is(marks::FRAGMENT)
    {
        walk.anomaly(Anomaly::UdpLength);
    }
    8
}

/// Reads the identifier of queries and replies (RFC 792, RFC 950, RFC 4443) and gives the length of the header.
fn icmp<L: Labels>(walk: &mut Walk<L>, body: &Body<'_>) -> u64 {
    if let Ok(message) = body.bytes.array::<8>(0) {
        let [kind, _, _, _, high, low, _, _] = message;
        let has_id = match walk.header.protocol {
            ICMP => matches!(kind, 0 | 8 | 13..=18),
            _ => matches!(kind, 128 | 129),
        };
        if has_id {
            walk.header.icmp_id = u16::from_be_bytes([high, low]);
            walk.header.marks |= marks::ICMP_ID;
        }
    }
    8
}

#[cfg(test)]
mod tests {
    use super::super::generate::{anomalies, ipv4, ipv6, join, packet, tcp, udp};
    use super::super::options::DecodeOptions;
    use super::*;

    const RAW: u16 = 101;

    #[test]
    fn fields_of_tcp() {
        let mut segment = tcp(0x12, &[2, 4, 5, 0xB4], b"abc");
        segment[12] |= 1; // AE
        let (header, text) = packet(RAW, &ipv4(6, &[], 0, &segment));
        assert_eq!((header.src_port, header.dst_port), (4000, 80));
        assert_eq!((header.seq, header.ack), (0x0102_0304, 0x0506_0708));
        assert_eq!((header.tcp_flags, header.window), (0x112, 0x7210));
        assert_eq!(
            (header.payload_len, header.payload, header.payload_captured),
            (3, 44, 3)
        );
        assert!(header.is(marks::TCP_KNOWN | marks::WINDOW_KNOWN));
        assert_eq!(text, "RAW-IP-TCP");
    }

    #[test]
    fn a_cut_tcp_header_is_read_as_far_as_it_goes() {
        let whole = ipv4(6, &[], 0, &tcp(0x12, &[2, 4, 5, 0xB4], b"abc"));
        for cut in 20..=whole.len() {
            let record = crate::sources::Record {
                original: whole.len() as u32,
                ..super::super::reference::record(RAW, &whole[..cut])
            };
            let mut books = crate::books::Books::default();
            let header = super::super::Decoder::new(&DecodeOptions::default())
                .decode(&record, 0, &whole[..cut], &mut books)
                .expect("a packet");
            let behind = cut - 20;
            assert_eq!(header.src_port, if behind >= 4 { 4000 } else { 0 });
            assert_eq!(header.dst_port, if behind >= 4 { 80 } else { 0 });
            assert_eq!(header.is(marks::TCP_KNOWN), behind >= 14);
            assert_eq!(header.is(marks::WINDOW_KNOWN), behind >= 16);
            // without the data offset, 20 is assumed
            assert_eq!(header.payload_len, if behind >= 14 { 3 } else { 7 });
            assert_eq!(header.payload_captured as usize, behind.saturating_sub(24));
            let counted = |anomaly| books.anomalies.get(anomaly) == 1;
            assert_eq!(counted(Anomaly::TcpHeader), behind < 14);
            assert_eq!(counted(Anomaly::PayloadTruncated), cut < whole.len());
            assert!(
                !counted(Anomaly::TcpOptions),
                "options that are cut off are not damaged"
            );
        }
    }

    #[test]
    fn a_wrong_data_offset_leaves_no_payload() {
        for offset in [0x40, 0xF0] {
            let mut segment = tcp(0x12, &[], b"abc");
            segment[12] = offset;
            let frame = ipv4(6, &[], 0, &segment);
            let (header, _) = packet(RAW, &frame);
            assert_eq!((header.payload_len, header.payload_captured), (0, 0));
            assert!(header.is(marks::TCP_KNOWN));
            assert_eq!(anomalies(RAW, &frame), [Anomaly::TcpHeader]);
        }
    }

    #[test]
    fn option_lists_are_whole_or_not() {
        let stamps = [1, 1, 8, 10, 0, 0, 0, 1, 0, 0, 0, 2];
        let good: [&[u8]; 6] = [
            &[],
            &stamps,
            &[0, 9, 9, 9],
            &[2, 4, 5, 0xB4],
            &[253, 2],
            &[1],
        ];
        let bad: [&[u8]; 5] = [&[8, 10, 0, 0], &[2, 0, 0, 0], &[2, 1], &[1, 1, 1, 2], &[4]];
        for options in good {
            assert!(options_are_whole(options), "{options:?}");
        }
        for options in bad {
            assert!(!options_are_whole(options), "{options:?}");
        }
        let frame = ipv4(6, &[], 0, &tcp(2, &[8, 10, 0, 0], b""));
        assert_eq!(anomalies(RAW, &frame), [Anomaly::TcpOptions]);
    }

    #[test]
    fn the_udp_length_decides_nothing() {
        let mut datagram = udp(5, 6, b"abc");
        for (claim, found) in [(11, vec![]), (0, vec![]), (10, vec![Anomaly::UdpLength])] {
            datagram[5] = claim;
            let frame = ipv4(17, &[], 0, &datagram);
            assert_eq!(packet(RAW, &frame).0.payload_len, 3);
            assert_eq!(anomalies(RAW, &frame), found);
        }
        let first_fragment = ipv4(17, &[], 0x2000, &datagram);
        assert_eq!(anomalies(RAW, &first_fragment), []);
    }

    #[test]
    fn identifiers_of_icmp() {
        let message = |kind| [kind, 0, 0, 0, 0x12, 0x34, 0, 1];
        for kind in 0..=255 {
            let (v4, text) = packet(RAW, &ipv4(1, &[], 0, &message(kind)));
            let known = [0, 8, 13, 14, 15, 16, 17, 18].contains(&kind);
            assert_eq!(
                (v4.is(marks::ICMP_ID), text.as_str()),
                (known, "RAW-IP-ICMP")
            );
            assert_eq!(v4.icmp_id, if known { 0x1234 } else { 0 });
            let (v6, text) = packet(RAW, &ipv6(58, &message(kind)));
            let known = [128, 129].contains(&kind);
            assert_eq!(
                (v6.is(marks::ICMP_ID), text.as_str()),
                (known, "RAW-IP6-ICMP6")
            );
            assert_eq!((v6.src_port, v6.dst_port, v6.payload_len), (0, 0, 0));
        }
        let (short, _) = packet(RAW, &ipv4(1, &[], 0, &message(8)[..7]));
        assert!(!short.is(marks::ICMP_ID));
    }

    #[test]
    fn protocols_with_and_without_ports() {
        let names = [
            (132, "SCTP"),
            (33, "PROTO33"),
            (136, "PROTO136"),
            (2, "IGMP"),
            (47, "GRE"),
            (50, "ESP"),
            (89, "PROTO89"),
            (135, "PROTO135"),
        ];
        for (protocol, name) in names {
            let frame = ipv4(protocol, &[], 0, &[0, 5, 0, 6, 9, 9]);
            let (header, text) = packet(RAW, &frame);
            let ports = if has_ports(protocol) { (5, 6) } else { (0, 0) };
            assert_eq!((header.src_port, header.dst_port), ports);
            assert_eq!((header.payload_len, header.payload_captured), (6, 6));
            assert_eq!(text, format!("RAW-IP-{name}"));
        }
        let (header, _) = packet(RAW, &join(&[&ipv4(132, &[], 0, &[0, 5, 0]), &[6]]));
        assert_eq!(header.src_port, 0, "ports inside the IP packet only");
    }
}
