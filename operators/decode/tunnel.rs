//! Tunnels, where `decap` names them: from the body of an IP packet to the IP header inside. What looks like a tunnel and holds no
//! readable IP header is none: the packet around it decides then. Decrypts and reassembles nothing.

use super::bytes::{Bytes, Cut, Skipped};
use super::decoder::Walk;
use super::link;
use super::network::Body;
use super::options::{Decap, Tunnel};
use super::stack::{Label, Labels};
use super::transport::protocol;
use crate::books::Skip;

/// UDP ports by which tunnels are told (RFC 7348, RFC 8926, 3GPP TS 29.281, RFC 4380).
mod port {
    pub const VXLAN: u16 = 4789;
    pub const VXLAN_GPE: u16 = 4790;
    pub const GENEVE: u16 = 6081;
    pub const GTPU: u16 = 2152;
    pub const TEREDO: u16 = 3544;
}

/// Transparent Ethernet bridging, as GRE and Geneve name it.
const ETHERNET: u16 = 0x6558;

type Entered<'a> = Result<Bytes<'a>, Skipped>;

const NO_TUNNEL: Skipped = Skipped {
    reason: Skip::NotIp,
    ethertype: None,
};

/// The IP header inside the tunnel that starts at `body`, with the labels of everything between.
pub(super) fn enter<'a, L: Labels>(
    walk: &mut Walk<L>,
    body: &Body<'a>,
    decap: Decap,
) -> Entered<'a> {
    let bytes = body.bytes;
    match walk.header.protocol {
        protocol::IPV4 if decap.has(Tunnel::Ipip) => {
            walk.tunnel(Tunnel::Ipip, None);
            version(bytes, 4)
        }
        protocol::IPV6 if decap.has(Tunnel::SixInFour) => {
            walk.tunnel(Tunnel::SixInFour, None);
            version(bytes, 6)
        }
        protocol::GRE if decap.has(Tunnel::Gre) => gre(walk, bytes),
        protocol::UDP => {
            let [a, b, c, d] = bytes.array(0)?;
            let src = u16::from_be_bytes([a, b]);
            let dst = u16::from_be_bytes([c, d]);
            let inside = bytes.skip(8)?;
            walk.push(Label::Udp);
            if matches!(dst, port::VXLAN | port::VXLAN_GPE) && decap.has(Tunnel::Vxlan) {
                vxlan(walk, inside, dst == port::VXLAN_GPE)
            } else if dst == port::GENEVE && decap.has(Tunnel::Geneve) {
                geneve(walk, inside)
            } else if (dst == port::GTPU || src == port::GTPU) && decap.has(Tunnel::Gtpu) {
                gtpu(walk, inside)
            } else if (dst == port::TEREDO || src == port::TEREDO) && decap.has(Tunnel::Teredo) {
                walk.tunnel(Tunnel::Teredo, None);
                teredo(inside)
            } else {
                Err(NO_TUNNEL)
            }
        }
        _ => Err(NO_TUNNEL),
    }
}

/// An IP header of one version.
fn version(bytes: Bytes<'_>, version: u8) -> Entered<'_> {
    if bytes.u8(0)? >> 4 == version {
        Ok(bytes)
    } else {
        Err(NO_TUNNEL)
    }
}

/// What follows a protocol type.
fn ether<'a, L: Labels>(walk: &mut Walk<L>, bytes: Bytes<'a>, kind: u16) -> Entered<'a> {
    match kind {
        ETHERNET => link::ethernet(walk, bytes),
        0x0600.. => link::ether(walk, bytes, kind),
        _ => Err(NO_TUNNEL),
    }
}

/// GRE (RFC 2784, RFC 2890), that of PPTP (RFC 2637), and ERSPAN inside it. Source routes (RFC 1701) are not read.
fn gre<'a, L: Labels>(walk: &mut Walk<L>, bytes: Bytes<'a>) -> Entered<'a> {
    const CHECKSUM: u16 = 0x8000;
    const ROUTING: u16 = 0x4000;
    const KEY: u16 = 0x2000;
    const SEQUENCE: u16 = 0x1000;
    const ACKNOWLEDGEMENT: u16 = 0x0080;
    let flags = bytes.u16(0)?;
    let kind = bytes.u16(2)?;
    let words = match flags & 7 {
        0 if flags & ROUTING == 0 => CHECKSUM | KEY | SEQUENCE,
        1 => KEY | SEQUENCE | ACKNOWLEDGEMENT,
        _ => return Err(NO_TUNNEL),
    };
    let mut inside = bytes.skip(4)?;
    let mut key = None;
    for word in [CHECKSUM, KEY, SEQUENCE, ACKNOWLEDGEMENT] {
        if flags & words & word != 0 {
            if word == KEY {
                key = Some(inside.u32(0)?);
            }
            inside = inside.skip(4)?;
        }
    }
    walk.tunnel(Tunnel::Gre, key);
    walk.push(Label::Gre);
    match (flags & 7, kind) {
        (_, 0x880B) => {
            walk.push(Label::Ppp);
            let address_and_control = inside.rest().starts_with(&[0xFF, 3]);
            link::ppp(walk, inside.skip(if address_and_control { 2 } else { 0 })?)
        }
        (0, 0x88BE) if flags & SEQUENCE == 0 => link::ethernet(walk, inside), // ERSPAN type I
        (0, 0x88BE) => link::ethernet(walk, inside.skip(8)?),                 // type II
        (0, 0x22EB) => {
            let more = inside.u8(11)? & 1 != 0; // type III, with an optional part
            link::ethernet(walk, inside.skip(if more { 20 } else { 12 })?)
        }
        (0, _) => ether(walk, inside, kind),
        _ => Err(NO_TUNNEL),
    }
}

/// VXLAN, or its generic protocol extension (draft-ietf-nvo3-vxlan-gpe) where the header says what it carries.
fn vxlan<'a, L: Labels>(walk: &mut Walk<L>, bytes: Bytes<'a>, generic: bool) -> Entered<'a> {
    const NETWORK: u8 = 8;
    const NEXT_PROTOCOL: u8 = 4;
    let [flags, _, _, next] = bytes.array(0)?;
    let inside = bytes.skip(8)?;
    if flags & NETWORK == 0 {
        return Err(NO_TUNNEL);
    }
    walk.tunnel(Tunnel::Vxlan, Some(bytes.u32(4)? >> 8));
    walk.push(Label::Vxlan);
    match next {
        _ if !generic || flags & NEXT_PROTOCOL == 0 => link::ethernet(walk, inside),
        1 => version(inside, 4),
        2 => version(inside, 6),
        3 => link::ethernet(walk, inside),
        _ => Err(NO_TUNNEL),
    }
}

fn geneve<'a, L: Labels>(walk: &mut Walk<L>, bytes: Bytes<'a>) -> Entered<'a> {
    let first = bytes.u8(0)?;
    if first >> 6 != 0 {
        return Err(NO_TUNNEL);
    }
    let options = usize::from(first & 63) << 2;
    walk.tunnel(Tunnel::Geneve, Some(bytes.u32(4)? >> 8));
    walk.push(Label::Geneve);
    let inside = bytes.skip(8)?.skip(options)?;
    ether(walk, inside, bytes.u16(2)?)
}

/// A G-PDU of version 1 (3GPP TS 29.281 section 5).
fn gtpu<'a, L: Labels>(walk: &mut Walk<L>, bytes: Bytes<'a>) -> Entered<'a> {
    const EXTENSION: u8 = 4;
    let [flags, kind] = bytes.array(0)?;
    if flags >> 4 != 3 || kind != 255 {
        return Err(NO_TUNNEL);
    }
    let mut inside = bytes.skip(8)?;
    if flags & 7 != 0 {
        let mut next = inside.u8(3)?;
        inside = inside.skip(4)?;
        while flags & EXTENSION != 0 && next != 0 {
            let size = usize::from(inside.u8(0)?) << 2;
            next = inside.u8(size.checked_sub(1).ok_or(Cut)?)?;
            inside = inside.skip(size)?;
        }
    }
    walk.tunnel(Tunnel::Gtpu, Some(bytes.u32(4)?));
    walk.push(Label::Gtp);
    Ok(inside)
}

/// An IPv6 packet, behind an authentication and an origin (RFC 4380 section 5.1.1).
fn teredo(bytes: Bytes<'_>) -> Entered<'_> {
    let mut inside = bytes;
    if inside.u16(0)? == 1 {
        let [id, value] = inside.array(2)?;
        inside = inside.skip(13)?.skip(id.into())?.skip(value.into())?;
    }
    if inside.u16(0)? == 0 {
        inside = inside.skip(8)?;
    }
    version(inside, 6)
}

#[cfg(test)]
mod tests {
    use super::super::DecodeOptions;
    use super::super::generate::{ethernet, ipv4, ipv6, join, read_with, tagged, tcp, udp};
    use super::*;
    use crate::books::Anomaly;
    use crate::options::{Options, Setting};
    use crate::packet::{Header, marks};

    const RAW: u16 = 101;

    fn decap(tunnels: &str) -> DecodeOptions {
        let mut options = DecodeOptions::default();
        let setting = match tunnels {
            "all" => Setting::Text("all".to_owned()),
            one => Setting::List(vec![Setting::Text(one.to_owned())]),
        };
        options.set("decap", &setting).expect("a tunnel");
        options
    }

    fn inner() -> Vec<u8> {
        ipv4(6, &[], 0, &tcp(2, &[], b"abc"))
    }

    fn packet(options: &DecodeOptions, frame: &[u8]) -> (Header, String) {
        let (header, text, _) = read_with(options, RAW, frame);
        (header.expect("a packet"), text)
    }

    /// `before`, inside an IP packet of `protocol`, leads to an inner packet, if `name` and nothing else is taken off.
    fn is_taken_off(name: &str, protocol: u8, before: &[u8], inner: &[u8], stack: &str) {
        let mut carried = join(&[before, inner]);
        if protocol == 17 {
            let length = (carried.len() as u16).to_be_bytes();
            carried[4..6].copy_from_slice(&length);
        }
        let frame = ipv4(protocol, &[], 0, &carried);
        for options in [decap("all"), decap(name)] {
            let (header, text) = packet(&options, &frame);
            assert_eq!(text, format!("RAW-IP-{stack}"));
            assert!(header.is(marks::TUNNEL));
            assert_eq!((header.depth, header.outer), (1, 0));
            assert_eq!(header.network as usize, 20 + before.len());
            assert_eq!(
                (header.protocol, header.dst_port, header.payload_len),
                (6, 80, 3)
            );
            assert_eq!(header.ip_len as usize, inner.len());
            // wherever it is cut, it is a packet: of the tunnel, until the inner header is there
            for cut in 20..frame.len() {
                let (header, _) = packet(&options, &frame[..cut]);
                let size = if inner[0] >> 4 == 6 { 40 } else { 20 };
                let inside = cut >= 20 + before.len() + size;
                assert_eq!(header.is(marks::TUNNEL), inside);
                assert_eq!(header.protocol, if inside { 6 } else { protocol });
            }
        }
        for other in Tunnel::ALL.map(Tunnel::name) {
            if other != name {
                assert_eq!(packet(&decap(other), &frame).0.depth, 0);
            }
        }
        assert_eq!(packet(&DecodeOptions::default(), &frame).0.depth, 0);
    }

    #[test]
    fn every_tunnel_is_taken_off_where_it_is_named() {
        let inner6 = ipv6(6, &tcp(2, &[], b"abc"));
        let eth = ethernet(0x0800, &[]);
        let vlan = ethernet(0x8100, &tagged(7, 0x0800, &[]));
        let to = |src: u16, dst: u16, more: &[u8]| join(&[&udp(src, dst, b""), more]);
        is_taken_off("ipip", 4, &[], &inner(), "IP-TCP");
        is_taken_off("6in4", 41, &[], &inner6, "IP6-TCP");
        is_taken_off("gre", 47, &[0, 0, 8, 0], &inner(), "GRE-IP-TCP");
        is_taken_off(
            "gre",
            47,
            &[0xB0, 0, 0x86, 0xDD, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 2],
            &inner6,
            "GRE-IP6-TCP",
        );
        is_taken_off(
            "gre",
            47,
            &join(&[&[0, 0, 0x65, 0x58], &vlan]),
            &inner(),
            "GRE-ETH-VLAN-IP-TCP",
        );
        is_taken_off(
            "gre",
            47,
            &[0, 0, 0x88, 0x47, 0, 1, 1, 9],
            &inner(),
            "GRE-MPLS-IP-TCP",
        );
        is_taken_off(
            "gre",
            47,
            &[0x20, 1, 0x88, 0x0B, 0, 0, 0, 1, 0xFF, 3, 0, 0x21],
            &inner(),
            "GRE-PPP-IP-TCP",
        );
        is_taken_off(
            "gre",
            47,
            &[
                0x30, 0x81, 0x88, 0x0B, 0, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0, 3, 0x21,
            ],
            &inner(),
            "GRE-PPP-IP-TCP",
        );
        is_taken_off(
            "gre",
            47,
            &join(&[&[0, 0, 0x88, 0xBE], &eth]),
            &inner(),
            "GRE-ETH-IP-TCP",
        );
        is_taken_off(
            "gre",
            47,
            &join(&[&[0x10, 0, 0x88, 0xBE], &[0; 12], &eth]),
            &inner(),
            "GRE-ETH-IP-TCP",
        );
        is_taken_off(
            "gre",
            47,
            &join(&[&[0x10, 0, 0x22, 0xEB], &[0; 16], &eth]),
            &inner(),
            "GRE-ETH-IP-TCP",
        );
        is_taken_off(
            "gre",
            47,
            &join(&[&[0x10, 0, 0x22, 0xEB], &[0; 15], &[1], &[0; 8], &eth]),
            &inner(),
            "GRE-ETH-IP-TCP",
        );
        is_taken_off(
            "vxlan",
            17,
            &to(9, 4789, &join(&[&[8, 0, 0, 0, 0, 0, 1, 0], &eth])),
            &inner(),
            "UDP-VXLAN-ETH-IP-TCP",
        );
        for (next, inside, inner, stack) in [
            (1, &[][..], inner(), "UDP-VXLAN-IP-TCP"),
            (2, &[], inner6.clone(), "UDP-VXLAN-IP6-TCP"),
            (3, &eth, inner(), "UDP-VXLAN-ETH-IP-TCP"),
        ] {
            let header = [0x0C, 0, 0, next, 0, 0, 1, 0];
            let before = to(9, 4790, &join(&[&header, inside]));
            is_taken_off("vxlan", 17, &before, &inner, stack);
        }
        is_taken_off(
            "geneve",
            17,
            &to(9, 6081, &join(&[&[0, 0, 0x65, 0x58, 0, 0, 1, 0], &eth])),
            &inner(),
            "UDP-GENEVE-ETH-IP-TCP",
        );
        is_taken_off(
            "geneve",
            17,
            &to(9, 6081, &join(&[&[2, 0, 8, 0, 0, 0, 1, 0], &[0; 8]])),
            &inner(),
            "UDP-GENEVE-IP-TCP",
        );
        is_taken_off(
            "gtpu",
            17,
            &to(2152, 9, &[0x30, 255, 0, 0, 0, 0, 0, 1]),
            &inner(),
            "UDP-GTP-IP-TCP",
        );
        is_taken_off(
            "gtpu",
            17,
            &to(9, 2152, &[0x32, 255, 0, 0, 0, 0, 0, 1, 0, 1, 0, 0x85]),
            &inner(),
            "UDP-GTP-IP-TCP",
        );
        is_taken_off(
            "gtpu",
            17,
            &to(
                9,
                2152,
                &[
                    0x34, 255, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0x85, 2, 0, 0, 0, 0, 0, 0, 0xC0, 1, 0, 0,
                    0,
                ],
            ),
            &inner6,
            "UDP-GTP-IP6-TCP",
        );
        is_taken_off("teredo", 17, &to(9, 3544, &[]), &inner6, "UDP-IP6-TCP");
        is_taken_off("teredo", 17, &to(3544, 9, &[0; 8]), &inner6, "UDP-IP6-TCP");
        is_taken_off(
            "teredo",
            17,
            &to(9, 3544, &join(&[&[0, 1, 2, 3], &[7; 14], &[0; 8]])),
            &inner6,
            "UDP-IP6-TCP",
        );
    }

    #[test]
    fn what_holds_no_ip_header_is_no_tunnel() {
        let arp = ethernet(0x0806, &[0; 28]);
        let frames = [
            ipv4(4, &[], 0, &ipv6(59, &[])),
            ipv4(41, &[], 0, &inner()),
            ipv4(47, &[], 0, &join(&[&[0x40, 0, 8, 0, 0, 0, 0, 0], &inner()])),
            ipv4(47, &[], 0, &join(&[&[0, 2, 8, 0], &inner()])),
            ipv4(47, &[], 0, &join(&[&[0, 0, 0, 60], &inner()])),
            ipv4(
                17,
                &[],
                0,
                &udp(9, 4789, &join(&[&[8, 0, 0, 0, 0, 0, 1, 0], &arp])),
            ),
            ipv4(
                17,
                &[],
                0,
                &udp(9, 4789, &join(&[&[0; 8], &ethernet(0x0800, &inner())])),
            ),
            ipv4(
                17,
                &[],
                0,
                &udp(9, 2152, &join(&[&[0x30, 1, 0, 0, 0, 0, 0, 1], &inner()])),
            ),
            ipv4(
                17,
                &[],
                0,
                &udp(9, 2152, &[0x34, 255, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0x85, 0, 0]),
            ),
            ipv4(17, &[], 0, &udp(9, 3544, &inner())),
            ipv4(
                17,
                &[],
                0,
                &udp(9, 6081, &join(&[&[0x40, 0, 8, 0, 0, 0, 1, 0], &inner()])),
            ),
        ];
        for frame in frames {
            let (with, text, books) = read_with(&decap("all"), RAW, &frame);
            let (without, plain, _) = read_with(&DecodeOptions::default(), RAW, &frame);
            assert!(with.is_some() && with == without, "{frame:02x?}");
            assert_eq!(text, plain);
            assert_eq!(books.anomalies.total(), 0);
        }
    }

    #[test]
    fn the_innermost_header_decides_within_the_depth() {
        let mut frame = inner();
        for _ in 0..15 {
            frame = ipv4(4, &[], 0, &frame);
        }
        let (header, _) = packet(&decap("all"), &frame);
        assert_eq!((header.depth, header.network, header.outer), (15, 300, 0));
        assert_eq!(header.stack, super::super::stack::UNPACKED);
        frame = ipv4(4, &[], 0, &frame);
        let (header, _, books) = read_with(&decap("all"), RAW, &frame);
        assert_eq!(
            (header, books.packets.skipped.get(Skip::TooDeep)),
            (None, 1)
        );
        assert_eq!(packet(&DecodeOptions::default(), &frame).0.protocol, 4);
    }

    #[test]
    fn a_packet_ends_with_the_one_around_it() {
        let mut claims_more = inner();
        claims_more[3] += 10;
        let frame = join(&[&ipv4(4, &[], 0, &claims_more), b"padding"]);
        let (header, _, books) = read_with(&decap("all"), RAW, &frame);
        let header = header.expect("a packet");
        assert_eq!((header.payload_len, header.payload_captured), (13, 3));
        assert_eq!(books.anomalies.get(Anomaly::IpLenOverrun), 1);
        let mut unknown = inner();
        unknown[2..4].fill(0);
        let frame = join(&[&ipv4(4, &[], 0, &unknown), b"padding"]);
        assert_eq!(packet(&decap("all"), &frame).0.ip_len, 43);
    }

    #[test]
    fn fragments_of_a_tunnel_follow_what_is_in_the_first() {
        use super::super::{Decoder, reference::record};
        let mut decoder = Decoder::new(&decap("all"));
        let mut books = crate::books::Books::default();
        let mut next = |frame: &[u8]| {
            let header = decoder.decode(&record(RAW, frame), 0, frame, &mut books);
            header.expect("a packet")
        };
        let first = next(&ipv4(4, &[], 0x2000, &inner()));
        assert_eq!((first.depth, first.protocol, first.src_port), (1, 6, 4000));
        assert!(!first.is(marks::FRAGMENT), "the inner packet is whole");
        let later = next(&ipv4(4, &[], 8, b"more"));
        assert_eq!((later.depth, later.protocol, later.src_port), (1, 6, 4000));
        assert!(later.is(marks::TUNNEL | marks::LATER_FRAGMENT));
        assert_eq!((later.outer, later.payload_len), (0, 4));
    }
}
