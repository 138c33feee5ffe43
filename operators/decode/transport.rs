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
