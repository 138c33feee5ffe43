//! The fast path: Ethernet with at most one VLAN tag, IPv4 without options or IPv6 without extension headers, TCP or UDP, no
//! fragment, lengths that agree, headers captured whole. Gives up on anything else, without having counted anything.
//!
//! A property test holds it equal to the general path.

use super::link::{ethertype, linktype};
use super::network::widen;
use super::stack::{Label, Labels, pack};
use super::transport::{options_are_whole, protocol};
use crate::books::{Anomaly, Books};
use crate::packet::{Header, marks};

/// Fills in the blank header of a common packet. `None` where it is not one; the header is of no use then.
#[inline]
pub(super) fn decode(header: &mut Header, frame: &[u8], books: &mut Books) -> Option<()> {
    if header.link != linktype::ETHERNET {
        return None;
    }
    header.marks = marks::ETHERNET;
    header.network = 14;
    header.stack = const { pack(&[Label::Eth]) };
    let (ethernet, mut rest) = frame.split_first_chunk::<14>()?;
    let mut kind = u16::from_be_bytes([ethernet[12], ethernet[13]]);
    if ethertype::VLAN.contains(&kind) {
        let ([a, b, c, d], inside) = rest.split_first_chunk()?;
        (kind, rest) = (u16::from_be_bytes([*c, *d]), inside);
        header.vlan = u16::from_be_bytes([*a, *b]) & 0x0FFF;
        header.marks |= marks::VLAN;
        header.network = 18;
        header.stack = const { pack(&[Label::Eth, Label::Vlan]) };
    }
    let room = header.wire_len.saturating_sub(header.network);
    let (body, length) = match kind {
        ethertype::IPV4 => ipv4(header, rest, room),
        ethertype::IPV6 => ipv6(header, rest, room),
        _ => None,
    }?;
    let captured = usize::try_from(length)
        .ok()
        .and_then(|length| body.get(..length));
    let body = captured.unwrap_or(body);
    let size = match header.protocol {
        protocol::TCP => tcp(header, body),
        protocol::UDP => udp(header, body, length),
        _ => None,
    }?;
    header.payload_len = length.checked_sub(size)?;
    header.payload_captured = u32::try_from(body.len()).ok()?.checked_sub(size)?;
    let offset = header.transport.saturating_add(size);
    header.payload = header.frame.saturating_add(offset);
    if header.payload_captured < header.payload_len {
        books.anomalies.add(Anomaly::PayloadTruncated);
    }
    Some(())
}

/// What follows the IP header, and its length on the wire.
fn ipv4<'a>(header: &mut Header, bytes: &'a [u8], room: u32) -> Option<(&'a [u8], u32)> {
    let (ip, body) = bytes.split_first_chunk::<20>()?;
    let total = u32::from(u16::from_be_bytes([ip[2], ip[3]]));
    let fragment = u16::from_be_bytes([ip[6], ip[7]]) & 0x3FFF != 0;
    if ip[0] != 0x45 || fragment || total > room {
        return None;
    }
    let length = total.checked_sub(20)?;
    header.family = 4;
    header.ip_len = total;
    header.tos = ip[1];
    header.ttl = ip[8];
    header.protocol = ip[9];
    header.src = widen([ip[12], ip[13], ip[14], ip[15]]);
    header.dst = widen([ip[16], ip[17], ip[18], ip[19]]);
    header.transport = header.network.saturating_add(20);
    header.stack.push(Label::Ip, 0);
    Some((body, length))
}

/// What follows the IPv6 header, and its length on the wire.
fn ipv6<'a>(header: &mut Header, bytes: &'a [u8], room: u32) -> Option<(&'a [u8], u32)> {
    let (ip, body) = bytes.split_first_chunk::<40>()?;
    let length = u32::from(u16::from_be_bytes([ip[4], ip[5]]));
    let total = length.saturating_add(40);
    if ip[0] >> 4 != 6 || length == 0 || total > room {
        return None;
    }
    header.family = 6;
    header.ip_len = total;
    header.tos = ip[0] << 4 | ip[1] >> 4;
    header.protocol = ip[6];
    header.ttl = ip[7];
    let (src, rest) = bytes.get(8..)?.split_first_chunk()?;
    header.src = *src;
    header.dst = *rest.first_chunk()?;
    header.transport = header.network.saturating_add(40);
    header.stack.push(Label::Ip6, 0);
    Some((body, length))
}

/// Reads a whole TCP header and gives its length.
fn tcp(header: &mut Header, body: &[u8]) -> Option<u32> {
    let tcp = body.first_chunk::<20>()?;
    let size = tcp[12] >> 4 << 2;
    let options = body.get(20..size.into())?;
    if !options_are_whole(options) {
        return None;
    }
    header.src_port = u16::from_be_bytes([tcp[0], tcp[1]]);
    header.dst_port = u16::from_be_bytes([tcp[2], tcp[3]]);
    header.seq = u32::from_be_bytes([tcp[4], tcp[5], tcp[6], tcp[7]]);
    header.ack = u32::from_be_bytes([tcp[8], tcp[9], tcp[10], tcp[11]]);
    header.tcp_flags = u16::from_be_bytes([tcp[12], tcp[13]]) & 0x0FFF;
    header.window = u16::from_be_bytes([tcp[14], tcp[15]]);
    header.marks |= marks::TCP_KNOWN | marks::WINDOW_KNOWN;
    header.stack.push(Label::Tcp, 0);
    Some(size.into())
}

/// Reads a UDP header whose length field agrees and gives its length.
fn udp(header: &mut Header, body: &[u8], length: u32) -> Option<u32> {
    let udp = body.first_chunk::<8>()?;
    let claim = u32::from(u16::from_be_bytes([udp[4], udp[5]]));
    if claim != 0 && claim != length {
        return None;
    }
    header.src_port = u16::from_be_bytes([udp[0], udp[1]]);
    header.dst_port = u16::from_be_bytes([udp[2], udp[3]]);
    header.stack.push(Label::Udp, 0);
    Some(8)
}
