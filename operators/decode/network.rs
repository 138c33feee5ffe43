//! IPv4 (RFC 791) and IPv6 (RFC 8200) with extension headers, jumbograms (RFC 2675) and fragment headers: semantics 2.6 to 2.9.
//! Reads no IPv4 options and verifies no checksum (`checksum.rs` does).

use super::bytes::{Bytes, Cut, Skipped};
use super::decoder::Walk;
use super::fragment::FragmentInfo;
use super::link::linktype;
use super::stack::{Label, Labels};
use crate::books::{Anomaly, Skip};
use crate::packet::marks;

/// What an IP packet carries.
#[derive(Clone, Copy, Debug)]
pub(super) struct Body<'a> {
    /// Captured bytes behind the network headers, without link-layer padding.
    pub bytes: Bytes<'a>,
    /// How many there were on the wire, by the headers.
    pub length: u64,
}

impl<'a> Body<'a> {
    fn new(behind: Bytes<'a>, length: u64) -> Self {
        let bytes = behind.first(length);
        Self { bytes, length }
    }
}

const MALFORMED: Skipped = Skipped {
    reason: Skip::Malformed,
    ethertype: None,
};

/// Next header: nothing follows.
const NO_NEXT_HEADER: u8 = 59;
const HOP_BY_HOP: u8 = 0;
const FRAGMENT: u8 = 44;
const AUTHENTICATION: u8 = 51;

/// Reads the IP header at `bytes`; `room` = wire bytes from there to the end of the frame (or of the packet around it).
pub(super) fn parse<'a, L: Labels>(
    walk: &mut Walk<L>,
    bytes: Bytes<'a>,
    room: u64,
) -> Result<Body<'a>, Skipped> {
    let family = bytes.u8(0)? >> 4;
    let link = walk.header.link;
    walk.header.network = bytes.at();
    walk.header.marks &= !(marks::FRAGMENT | marks::LATER_FRAGMENT);
    let body = match family {
        4 if link != linktype::IPV6 || walk.header.is(marks::TUNNEL) => ipv4(walk, bytes, room),
        6 if link != linktype::IPV4 || walk.header.is(marks::TUNNEL) => ipv6(walk, bytes, room),
        _ => Err(MALFORMED),
    }?;
    walk.header.family = family;
    walk.header.transport = body.bytes.at();
    Ok(body)
}

fn ipv4<'a, L: Labels>(
    walk: &mut Walk<L>,
    bytes: Bytes<'a>,
    room: u64,
) -> Result<Body<'a>, Skipped> {
    let header = bytes.u8(0)? & 15;
    if header < 5 {
        return Err(MALFORMED);
    }
    let header = u16::from(header) << 2;
    bytes.need(20)?;
    let total = bytes.u16(2)?;
    if total != 0 && total < header {
        return Err(MALFORMED);
    }
    let behind = bytes.skip(header.into())?;
    walk.push(Label::Ip);
    // segmentation offload writes 0
    let length = if total == 0 { room } else { total.into() };
    set_length(walk, length, room);
    walk.header.tos = bytes.u8(1)?;
    walk.header.ttl = bytes.u8(8)?;
    walk.header.protocol = bytes.u8(9)?;
    walk.header.src = widen(bytes.array(12)?);
    walk.header.dst = widen(bytes.array(16)?);
    let fragment = bytes.u16(6)?;
    let (offset, more) = (fragment & 0x1FFF, fragment & 0x2000 != 0);
    let length = length.saturating_sub(header.into());
    if offset != 0 || more {
        let info = FragmentInfo {
            id: bytes.u16(4)?.into(),
            protocol: walk.header.protocol,
            family: 4,
            offset: u32::from(offset) << 3,
            more,
            ..of_fragment(walk, behind, length)
        };
        set_fragment(walk, info);
    }
    Ok(Body::new(behind, length))
}

/// An IPv4 address in the form of [`Header`](crate::packet::Header).
pub(super) const fn widen([a, b, c, d]: [u8; 4]) -> [u8; 16] {
    [a, b, c, d, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]
}

fn ipv6<'a, L: Labels>(
    walk: &mut Walk<L>,
    bytes: Bytes<'a>,
    room: u64,
) -> Result<Body<'a>, Skipped> {
    let mut here = bytes.skip(40)?;
    let payload = bytes.u16(4)?;
    let [mut next, ttl] = bytes.array(6)?;
    walk.header.tos = bytes.u8(0)? << 4 | bytes.u8(1)? >> 4;
    walk.header.ttl = ttl;
    walk.header.src = bytes.array(8)?;
    walk.header.dst = bytes.array(24)?;
    walk.push(Label::Ip6);
    let length = if payload != 0 || next == NO_NEXT_HEADER {
        u64::from(payload).saturating_add(40)
    } else {
        let jumbo = (next == HOP_BY_HOP).then(|| jumbo_length(here).ok());
        let jumbo = jumbo.flatten().filter(|jumbo| *jumbo != 0);
        jumbo.map_or(room, |jumbo| u64::from(jumbo).saturating_add(40))
    };
    set_length(walk, length, room);
    let mut left = length.saturating_sub(40);
    while let Some(label) = extension(next) {
        let size = extension_size(next, here, left)?;
        let behind = here.skip(size.into())?;
        walk.push(label);
        let kind = next;
        next = here.u8(0)?;
        left = left.saturating_sub(size.into());
        if kind == FRAGMENT {
            let field = here.u16(2)?;
            let (offset, more) = (field & 0xFFF8, field & 1 != 0);
            if offset != 0 || more {
                let info = FragmentInfo {
                    id: here.u32(4)?,
                    protocol: next,
                    family: 6,
                    offset: offset.into(),
                    more,
                    ..of_fragment(walk, behind, left)
                };
                set_fragment(walk, info);
            }
        }
        here = behind;
        if walk.header.is(marks::LATER_FRAGMENT) {
            break; // what follows is data of the whole packet, not a header
        }
    }
    walk.header.protocol = next;
    Ok(Body::new(here, left))
}

/// The label of an extension header; `None` for what ends the walk.
const fn extension(next: u8) -> Option<Label> {
    Some(match next {
        HOP_BY_HOP => Label::HopByHop,
        43 => Label::Routing,
        FRAGMENT => Label::Fragment,
        AUTHENTICATION => Label::Ah,
        60 => Label::Destination,
        135 => Label::Mobility,
        139 => Label::Hip,
        140 => Label::Shim6,
        _ => return None,
    })
}

/// Bytes of the extension header at `here`, `left` bytes before the end of the packet.
fn extension_size(kind: u8, here: Bytes<'_>, left: u64) -> Result<u16, Skipped> {
    if left < 8 {
        return Err(MALFORMED);
    }
    here.need(8)?;
    let claim = u16::from(here.u8(1)?);
    let size = match kind {
        FRAGMENT => 8,
        AUTHENTICATION => claim.saturating_add(2) << 2,
        _ => claim.saturating_add(1) << 3,
    };
    if left < size.into() {
        return Err(MALFORMED);
    }
    Ok(size)
}

/// The value of the Jumbo Payload option of the hop-by-hop header at `here`.
fn jumbo_length(here: Bytes<'_>) -> Result<u32, Cut> {
    let size = u64::from(here.u8(1)?).saturating_add(1) << 3;
    let mut options = here.first(size).skip(2)?;
    loop {
        let skipped = match (options.u8(0)?, options.u8(1)) {
            (0, _) => 1,
            (0xC2, Ok(4)) if options.len() >= 6 => return options.u32(2),
            (_, length) => usize::from(length?).saturating_add(2),
        };
        options = options.skip(skipped)?;
    }
}

/// Sets the IP length, which stands even where it is beyond the end of the frame.
fn set_length<L: Labels>(walk: &mut Walk<L>, length: u64, room: u64) {
    if length > room {
        walk.anomaly(Anomaly::IpLenOverrun);
    }
    walk.header.ip_len = u32::try_from(length).unwrap_or(u32::MAX);
}

/// What a fragment with these bytes, and so many on the wire, has of the header before them.
fn of_fragment<L: Labels>(walk: &Walk<L>, bytes: Bytes<'_>, length: u64) -> FragmentInfo {
    FragmentInfo {
        src: walk.header.src,
        dst: walk.header.dst,
        id: 0,
        protocol: 0,
        family: 0,
        offset: 0,
        more: false,
        start: bytes.at(),
        length: u32::try_from(length).unwrap_or(u32::MAX),
        whole: false,
    }
}

/// Marks a fragment and keeps what the fragment table needs. The last fragment header counts.
fn set_fragment<L: Labels>(walk: &mut Walk<L>, info: FragmentInfo) {
    walk.header.marks |= marks::FRAGMENT;
    if info.offset != 0 {
        walk.header.marks |= marks::LATER_FRAGMENT;
    }
    walk.fragment = Some(info);
}

#[cfg(test)]
mod tests {
    use super::super::generate::{
        anomalies, ethernet, extension, ipv4, ipv6, join, packet, skipped, tcp, udp,
    };
    use super::*;

    const RAW: u16 = 101;

    #[test]
    fn fields_of_ipv4() {
        let packed = ipv4(17, &[1, 1, 1, 0], 0x4000, &udp(5, 6, b"abc"));
        let (header, text) = packet(RAW, &packed);
        assert_eq!((header.family, header.protocol), (4, 17));
        assert_eq!((header.ttl, header.tos, header.ip_len), (64, 0xB8, 35));
        assert_eq!(header.src, widen([10, 0, 0, 1]));
        assert_eq!(header.dst, widen([10, 0, 0, 2]));
        assert_eq!((header.transport, header.payload_len), (24, 3));
        assert_eq!(text, "RAW-IP-UDP");
        assert!(!header.is(marks::FRAGMENT), "only told not to fragment");
    }

    #[test]
    fn fields_of_ipv6() {
        let (header, text) = packet(RAW, &ipv6(6, &tcp(2, &[], b"abc")));
        assert_eq!((header.family, header.protocol), (6, 6));
        assert_eq!((header.ttl, header.tos, header.ip_len), (63, 0x12, 63));
        assert_eq!(
            (header.src[0], header.src[15], header.dst[15]),
            (0xFD, 1, 2)
        );
        assert_eq!(text, "RAW-IP6-TCP");
    }

    #[test]
    fn impossible_headers_are_malformed() {
        let good = ipv4(17, &[], 0, &udp(5, 6, b""));
        for (place, value) in [(0, 0x44), (0, 0x75), (0, 0x05), (3, 19)] {
            let mut bad = good.clone();
            bad[place] = value;
            assert_eq!(skipped(RAW, &bad), Skip::Malformed);
        }
        let mut cut = good[..19].to_vec();
        cut[3] = 19;
        assert_eq!(skipped(RAW, &cut), Skip::Truncated, "not enough to judge");
        assert_eq!(skipped(229, &good), Skip::Malformed);
        assert_eq!(skipped(228, &ipv6(59, &[])), Skip::Malformed);
    }

    #[test]
    fn the_length_is_that_of_the_header() {
        // no length: to the end of the frame
        let mut packed = ipv4(17, &[], 0, &udp(5, 6, b"abc"));
        packed[2..4].fill(0);
        let (header, _) = packet(1, &ethernet(0x0800, &packed));
        assert_eq!((header.ip_len, header.payload_len), (31, 3));
        let mut packed = ipv6(17, &udp(5, 6, b"abc"));
        packed[4..6].fill(0);
        assert_eq!(packet(RAW, &packed).0.ip_len, 51);
        assert_eq!(
            packet(RAW, &join(&[&ipv6(59, &[]), b"padding"])).0.ip_len,
            40
        );
        // beyond the frame: stands
        let mut packed = ipv4(17, &[], 0, &udp(0, 6, b"abc"));
        packed[2..4].copy_from_slice(&[0xFF, 0xFF]);
        let (header, _) = packet(RAW, &packed);
        assert_eq!(
            (header.ip_len, header.payload_len, header.payload_captured),
            (65_535, 65_507, 3)
        );
        let found = anomalies(RAW, &packed);
        assert_eq!(
            found,
            [
                Anomaly::PayloadTruncated,
                Anomaly::UdpLength,
                Anomaly::IpLenOverrun
            ]
        );
        // padding of the link layer is no payload
        let padded = join(&[
            &ethernet(0x0800, &ipv4(17, &[], 0, &udp(5, 6, b"abc"))),
            &[0; 18],
        ]);
        let (header, _) = packet(1, &padded);
        assert_eq!((header.payload_len, header.payload_captured), (3, 3));
    }

    #[test]
    fn a_jumbo_option_gives_the_length() {
        let jumbo = |value: u32, before: &[u8]| {
            let options = join(&[before, &[0xC2, 4], &value.to_be_bytes()]);
            let size = ((2 + options.len()) / 8 - 1) as u8;
            let mut packed = ipv6(0, &join(&[&[17, size], &options, &udp(5, 6, b"abc")]));
            packed[4..6].fill(0);
            packet(RAW, &packed).0
        };
        assert_eq!(jumbo(100_000, &[]).ip_len, 100_040);
        assert_eq!(jumbo(100_000, &[]).payload_len, 100_040 - 48 - 8);
        assert_eq!(jumbo(100_000, &[0, 0, 1, 4, 0, 0, 0, 0]).ip_len, 100_040);
        assert_eq!(jumbo(u32::MAX, &[]).ip_len, u32::MAX);
        assert_eq!(jumbo(0, &[]).ip_len, 59);
    }

    #[test]
    fn extension_headers_are_walked() {
        let mut inside = udp(5, 6, b"abc");
        let (mut next, mut stack) = (17, String::from("UDP"));
        let kinds = [
            (60, "DST"),
            (140, "PROTO140"),
            (139, "PROTO139"),
            (135, "PROTO135"),
            (51, "AH"),
            (44, "FRAG"),
            (43, "RT"),
            (0, "HBH"),
        ];
        for (kind, label) in kinds {
            inside = extension(kind, next, &inside);
            (next, stack) = (kind, format!("{label}-{stack}"));
            let packed = ipv6(kind, &inside);
            let (header, text) = packet(RAW, &packed);
            assert_eq!(text, format!("RAW-IP6-{stack}"));
            assert_eq!(
                (header.protocol, header.payload_len, header.src_port),
                (17, 3, 5)
            );
            assert!(
                !header.is(marks::FRAGMENT),
                "offset 0 and no more fragments is no fragment"
            );
            let start = header.transport as usize;
            for cut in 1..start {
                assert_eq!(skipped(RAW, &packed[..cut]), Skip::Truncated);
            }
            packet(RAW, &packed[..start]);
        }
        for last in [50, 59, 4, 253] {
            let (header, _) = packet(RAW, &ipv6(60, &extension(60, last, b"abc")));
            assert_eq!((header.protocol, header.payload_len), (last, 3));
        }
    }

    #[test]
    fn an_extension_header_beyond_the_packet_is_malformed() {
        let mut packed = ipv6(60, &extension(60, 17, &udp(5, 6, b"abc")));
        packed[41] = 3;
        assert_eq!(skipped(RAW, &packed), Skip::Malformed);
        packed[41] = 1; // over the UDP header, which is inside
        assert_eq!(packet(RAW, &packed).0.payload_len, 0);
        packed[5] = 7; // the first 8 bytes are not inside
        assert_eq!(skipped(RAW, &packed), Skip::Malformed);
    }

    #[test]
    fn authentication_headers_of_ipv4_are_not_walked() {
        let (header, text) = packet(RAW, &ipv4(51, &[], 0, &extension(51, 6, &tcp(2, &[], b""))));
        assert_eq!((header.protocol, header.payload_len), (51, 32));
        assert_eq!(text, "RAW-IP-AH");
    }

    #[test]
    fn a_later_fragment_ends_the_walk() {
        let mut inside = extension(44, 60, &extension(60, 17, &udp(5, 6, b"abc")));
        inside[3] = 9; // offset 8, more
        let (header, text) = packet(RAW, &ipv6(44, &inside));
        assert_eq!(text, "RAW-IP6-FRAG");
        assert_eq!((header.protocol, header.payload_len), (60, 19));
        assert!(header.is(marks::FRAGMENT | marks::LATER_FRAGMENT));
        inside[3] = 1; // the first
        let (header, text) = packet(RAW, &ipv6(44, &inside));
        assert_eq!(text, "RAW-IP6-FRAG-DST-UDP");
        assert!(header.is(marks::FRAGMENT) && !header.is(marks::LATER_FRAGMENT));
        let (header, text) = packet(RAW, &ipv4(17, &[], 0x1000, b"abc"));
        assert_eq!((text.as_str(), header.payload_len), ("RAW-IP", 3));
        assert!(header.is(marks::LATER_FRAGMENT));
        let cut = ipv4(17, &[], 0x1000, b"abc");
        let found = anomalies(RAW, &cut[..22]);
        assert_eq!(found, [Anomaly::FragmentOrphan, Anomaly::IpLenOverrun]);
    }
}
