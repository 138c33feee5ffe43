//! Link layers, down to the IP header: semantics 2.2 to 2.4. Looks at nothing behind it.
//!
//! IEEE 802.3, 802.1Q, 802.1ad, 802.2 with SNAP (RFC 1042), 802.11; PPP (RFC 1661), PPPoE (RFC 2516), MPLS (RFC 3032);
//! <https://www.tcpdump.org/linktypes.html> for the rest.

use super::bytes::{Bytes, Cut, Skipped};
use super::decoder::Walk;
use super::stack::{Label, Labels};
use crate::books::Skip;
use crate::packet::marks;

/// LINKTYPE_ numbers (the older numbers of RAW are those of two BSDs).
pub mod linktype {
    #![expect(missing_docs, reason = "the names are the definition")]
    pub const NULL: u16 = 0;
    pub const ETHERNET: u16 = 1;
    pub const PPP: u16 = 9;
    pub const RAW: [u16; 3] = [12, 14, 101];
    pub const PPP_HDLC: u16 = 50;
    pub const IEEE802_11: u16 = 105;
    pub const LOOP: u16 = 108;
    pub const LINUX_SLL: u16 = 113;
    pub const RADIOTAP: u16 = 127;
    pub const IPV4: u16 = 228;
    pub const IPV6: u16 = 229;
    pub const LINUX_SLL2: u16 = 276;

    /// Those that are read.
    pub const ALL: [u16; 14] = [
        NULL, ETHERNET, PPP, RAW[0], RAW[1], RAW[2], PPP_HDLC, IEEE802_11, LOOP, LINUX_SLL,
        RADIOTAP, IPV4, IPV6, LINUX_SLL2,
    ];

    /// The name of a link type in the registry of tcpdump; `None` = it goes by its number.
    pub const fn name(link: u16) -> Option<&'static str> {
        Some(match link {
            NULL => "NULL",
            ETHERNET => "ETHERNET",
            PPP => "PPP",
            link if link == RAW[0] || link == RAW[1] || link == RAW[2] => "RAW",
            PPP_HDLC => "PPP_HDLC",
            IEEE802_11 => "IEEE802_11",
            LOOP => "LOOP",
            LINUX_SLL => "LINUX_SLL",
            RADIOTAP => "IEEE802_11_RADIOTAP",
            IPV4 => "IPV4",
            IPV6 => "IPV6",
            LINUX_SLL2 => "LINUX_SLL2",
            _ => return None,
        })
    }
}

/// EtherTypes that lead to IP.
pub mod ethertype {
    #![expect(missing_docs, reason = "the names are the definition")]
    pub const IPV4: u16 = 0x0800;
    pub const IPV6: u16 = 0x86DD;
    pub const VLAN: [u16; 3] = [0x8100, 0x88A8, 0x9100];
    pub const MPLS: [u16; 2] = [0x8847, 0x8848];
    pub const PPPOE: u16 = 0x8864;
}

/// Largest value of the field that is a length (IEEE 802.3), not an EtherType.
const LONGEST_FRAME: u16 = 1500;

/// LLC with SNAP and organisation 0: an EtherType follows.
const SNAP: [u8; 6] = [0xAA, 0xAA, 3, 0, 0, 0];

/// AF_INET, and AF_INET6 as the systems number it.
const FAMILIES: [u32; 6] = [2, 10, 23, 24, 28, 30];

type Peeled<'a> = Result<Bytes<'a>, Skipped>;

const NOT_IP: Skipped = Skipped {
    reason: Skip::NotIp,
    ethertype: None,
};

/// The IP header of a frame of the walk's link type.
pub(super) fn peel<'a, L: Labels>(walk: &mut Walk<L>, frame: Bytes<'a>) -> Peeled<'a> {
    match walk.header.link {
        linktype::ETHERNET => ethernet(walk, frame),
        link if linktype::RAW.contains(&link) => raw(walk, frame),
        linktype::IPV4 | linktype::IPV6 => raw(walk, frame),
        linktype::NULL | linktype::LOOP => loopback(walk, frame),
        linktype::LINUX_SLL => {
            walk.push(Label::Sll);
            ether(walk, frame.skip(16)?, frame.u16(14)?)
        }
        linktype::LINUX_SLL2 => {
            walk.push(Label::Sll2);
            ether(walk, frame.skip(20)?, frame.u16(0)?)
        }
        linktype::PPP | linktype::PPP_HDLC => ppp_or_hdlc(walk, frame),
        linktype::IEEE802_11 => wifi(walk, frame, false),
        linktype::RADIOTAP => radiotap(walk, frame),
        _ => Err(Skip::UnsupportedLinktype.into()),
    }
}

fn raw<'a, L: Labels>(walk: &mut Walk<L>, frame: Bytes<'a>) -> Peeled<'a> {
    walk.push(Label::Raw);
    Ok(frame)
}

/// An address family in the byte order of the capturing machine; LOOP always big-endian.
fn loopback<'a, L: Labels>(walk: &mut Walk<L>, frame: Bytes<'a>) -> Peeled<'a> {
    walk.push(Label::Null);
    let family = frame.u32(0)?;
    let swapped = walk.header.link == linktype::NULL && FAMILIES.contains(&family.swap_bytes());
    if swapped || FAMILIES.contains(&family) {
        return Ok(frame.skip(4)?);
    }
    Err(NOT_IP)
}

/// An Ethernet header.
pub(super) fn ethernet<'a, L: Labels>(walk: &mut Walk<L>, frame: Bytes<'a>) -> Peeled<'a> {
    let behind = frame.skip(14)?;
    walk.push(Label::Eth);
    walk.header.ethernet = frame.at();
    walk.header.marks |= marks::ETHERNET;
    ether(walk, behind, frame.u16(12)?)
}

/// The EtherType of a captured frame that starts with an Ethernet header: behind all VLAN tags, and that of SNAP where LLC with
/// SNAP and organisation 0 follows a length. `None` if it was not captured.
pub fn ethertype_of(frame: &[u8]) -> Option<u16> {
    let frame = Bytes::new(frame);
    let (mut kind, mut bytes) = (frame.u16(12).ok()?, frame.skip(14).ok()?);
    loop {
        let behind = if ethertype::VLAN.contains(&kind) {
            2
        } else if kind <= LONGEST_FRAME && bytes.rest().starts_with(&SNAP) {
            6
        } else {
            return Some(kind);
        };
        kind = bytes.u16(behind).ok()?;
        bytes = bytes.skip(behind.saturating_add(2)).ok()?;
    }
}

/// What follows an EtherType or length field: VLAN tags, MPLS, PPPoE, LLC, then IP.
pub(super) fn ether<'a, L: Labels>(
    walk: &mut Walk<L>,
    mut bytes: Bytes<'a>,
    mut kind: u16,
) -> Peeled<'a> {
    while ethertype::VLAN.contains(&kind) {
        let tag = bytes.u16(0)?;
        if walk.header.marks & marks::VLAN == 0 {
            walk.header.vlan = tag & 0x0FFF;
            walk.header.marks |= marks::VLAN;
        }
        walk.push(Label::Vlan);
        kind = bytes.u16(2)?;
        bytes = bytes.skip(4)?;
    }
    match kind {
        ethertype::IPV4 | ethertype::IPV6 => Ok(bytes),
        kind if ethertype::MPLS.contains(&kind) => mpls(walk, bytes),
        ethertype::PPPOE => {
            let behind = bytes.skip(6)?;
            walk.push(Label::Pppoe);
            ppp(walk, behind)
        }
        0..=LONGEST_FRAME => llc(walk, bytes),
        _ => Err(Skipped {
            reason: Skip::NotIp,
            ethertype: Some(kind),
        }),
    }
}

/// LLC with SNAP and organisation 0: an EtherType follows.
fn llc<'a, L: Labels>(walk: &mut Walk<L>, bytes: Bytes<'a>) -> Peeled<'a> {
    if !bytes.rest().starts_with(&SNAP) {
        return Err(NOT_IP);
    }
    ether(walk, bytes.skip(8)?, bytes.u16(6)?)
}

/// A label stack says nothing about what it carries: the IP version has to.
fn mpls<'a, L: Labels>(walk: &mut Walk<L>, mut bytes: Bytes<'a>) -> Peeled<'a> {
    loop {
        let bottom = bytes.u8(2)? & 1 != 0;
        bytes = bytes.skip(4)?;
        walk.push(Label::Mpls);
        if bottom {
            break;
        }
    }
    match bytes.u8(0)? >> 4 {
        4 | 6 => Ok(bytes),
        _ => Err(NOT_IP),
    }
}

fn ppp_or_hdlc<'a, L: Labels>(walk: &mut Walk<L>, frame: Bytes<'a>) -> Peeled<'a> {
    walk.push(Label::Ppp);
    match frame.array(0)? {
        [0x0F | 0x8F, _] => ether(walk, frame.skip(4)?, frame.u16(2)?), // Cisco HDLC
        [0xFF, 0x03] => ppp(walk, frame.skip(2)?),
        _ => ppp(walk, frame),
    }
}

/// A PPP protocol field, of one byte if that is odd (RFC 1661 section 6.5).
pub(super) fn ppp<'a, L: Labels>(walk: &mut Walk<L>, bytes: Bytes<'a>) -> Peeled<'a> {
    let first = bytes.u8(0)?;
    let (kind, behind) = if first & 1 != 0 {
        (u16::from(first), bytes.skip(1)?)
    } else {
        (bytes.u16(0)?, bytes.skip(2)?)
    };
    match kind {
        0x0021 | 0x0057 => Ok(behind),
        0x0281 | 0x0283 => mpls(walk, behind),
        _ => Err(NOT_IP),
    }
}

fn radiotap<'a, L: Labels>(walk: &mut Walk<L>, frame: Bytes<'a>) -> Peeled<'a> {
    let [_, _, low, high] = frame.array(0)?;
    let behind = frame.skip(usize::from(u16::from_le_bytes([low, high])))?;
    wifi(walk, behind, radiotap_pads(frame).unwrap_or(false))
}

/// Whether the Flags field says that the 802.11 header is padded to 32 bits.
fn radiotap_pads(frame: Bytes<'_>) -> Result<bool, Cut> {
    let present = |bytes: Bytes<'_>| bytes.array(0).map(u32::from_le_bytes);
    let fields = present(frame.skip(4)?)?;
    let mut bytes = frame.skip(8)?;
    let mut word = fields;
    while word & 1 << 31 != 0 {
        word = present(bytes)?;
        bytes = bytes.skip(4)?;
    }
    if fields & 2 == 0 {
        return Ok(false);
    }
    if fields & 1 != 0 {
        // the time comes first, 8 bytes aligned to 8
        let odd = bytes.at() & 7;
        bytes = bytes.skip(if odd == 0 { 8 } else { 12 })?;
    }
    Ok(bytes.u8(0)? & 0x20 != 0)
}

/// A data frame in clear. `pads`: its header is padded to 32 bits.
fn wifi<'a, L: Labels>(walk: &mut Walk<L>, frame: Bytes<'a>, pads: bool) -> Peeled<'a> {
    let [control, flags] = frame.array(0)?;
    walk.push(Label::Wifi);
    let is_data = control >> 2 & 3 == 2 && control & 0x40 == 0;
    let encrypted = flags & 0x40 != 0;
    if !is_data || encrypted {
        return Err(NOT_IP);
    }
    // four addresses between two distribution systems; then QoS control, then HT control
    let addresses = if flags & 3 == 3 { 30 } else { 24 };
    let mut behind = frame.skip(addresses)?;
    if control & 0x80 != 0 {
        let [qos, _] = behind.array(0)?;
        if qos & 0x80 != 0 {
            return Err(NOT_IP); // several frames in one (A-MSDU)
        }
        behind = behind.skip(if flags & 0x80 != 0 { 6 } else { 2 })?;
    }
    if pads {
        let odd = frame.len().saturating_sub(behind.len()) & 3;
        behind = behind.skip(if odd == 0 { 0 } else { 2 })?; // every length is even
    }
    behind.need(1)?;
    llc(walk, behind)
}

#[cfg(test)]
mod tests {
    use super::super::generate::{
        ethernet, ipv4, ipv6, join, packet, read_with, skipped, tagged, udp,
    };
    use super::*;

    #[test]
    fn ethertypes_are_found_behind_tags_and_snap() {
        let of = |behind: &[u8]| ethertype_of(&join(&[&[0; 12], behind]));
        assert_eq!(of(&[8, 0]), Some(0x0800));
        assert_eq!(
            of(&[0x81, 0, 0, 7, 0x88, 0xA8, 0, 8, 0x86, 0xDD]),
            Some(0x86DD)
        );
        assert_eq!(of(&[0, 50, 0xAA, 0xAA, 3, 0, 0, 0, 8, 0]), Some(0x0800));
        assert_eq!(of(&[0, 50, 0x42, 0x42, 3, 0, 0]), Some(50));
        assert_eq!(of(&[0x81, 0, 0, 7]), None);
        assert_eq!(of(&[8]), None);
    }

    fn ip() -> Vec<u8> {
        ipv4(17, &[], 0, &udp(1, 2, b"x"))
    }

    /// A frame with this link-layer header is a packet with this stack, and truncated wherever it is cut before the IP header.
    fn leads_to_ip(link: u16, before: &[u8], stack: &str) {
        let frame = join(&[before, &ip()]);
        let (header, text) = packet(link, &frame);
        assert_eq!(text, format!("{stack}-IP-UDP"));
        assert_eq!(header.network as usize, before.len());
        assert_eq!((header.src_port, header.dst_port), (1, 2));
        for cut in 1..before.len() + 20 {
            let reason = skipped(link, &frame[..cut]);
            assert!(
                matches!(reason, Skip::Truncated | Skip::NotIp),
                "{reason:?} at {cut}"
            );
        }
        assert_eq!(skipped(link, &frame[..before.len() + 1]), Skip::Truncated);
    }

    #[test]
    fn every_link_type_leads_to_ip() {
        let zeros = [0; 40];
        let snap = [0xAA, 0xAA, 3, 0, 0, 0, 8, 0];
        for link in [12, 14, 101, 228] {
            leads_to_ip(link, &[], "RAW");
        }
        leads_to_ip(0, &[2, 0, 0, 0], "NULL");
        leads_to_ip(0, &[0, 0, 0, 30], "NULL");
        leads_to_ip(108, &[0, 0, 0, 2], "NULL");
        leads_to_ip(113, &join(&[&zeros[..14], &[8, 0]]), "SLL");
        leads_to_ip(276, &join(&[&[8, 0], &zeros[..18]]), "SLL2");
        for link in [9, 50] {
            leads_to_ip(link, &[0xFF, 3, 0, 0x21], "PPP");
            leads_to_ip(link, &[0x21], "PPP");
            leads_to_ip(link, &[0x0F, 0, 8, 0], "PPP"); // Cisco HDLC
            leads_to_ip(link, &[0x8F, 0, 0x81, 0, 0, 7, 8, 0], "PPP-VLAN");
            leads_to_ip(link, &[2, 0x81, 0, 0, 1, 0], "PPP-MPLS");
        }
        let data = |control, flags, length: usize| join(&[&[control, flags], &zeros[..length - 2]]);
        leads_to_ip(105, &join(&[&data(0x08, 1, 24), &snap]), "WIFI");
        leads_to_ip(105, &join(&[&data(0x08, 3, 30), &snap]), "WIFI");
        leads_to_ip(105, &join(&[&data(0x88, 1, 26), &snap]), "WIFI");
        leads_to_ip(105, &join(&[&data(0x88, 0x81, 30), &snap]), "WIFI");
        // radiotap: no field; flags that tell padding, alone, behind a time, behind two words of bits and a time
        leads_to_ip(
            127,
            &join(&[&[0, 0, 8, 0, 0, 0, 0, 0], &data(0x88, 1, 26), &snap]),
            "WIFI",
        );
        let flags = [0, 0, 9, 0, 2, 0, 0, 0, 0x20];
        leads_to_ip(127, &join(&[&flags, &data(0x88, 1, 28), &snap]), "WIFI");
        leads_to_ip(127, &join(&[&flags, &data(0x08, 1, 24), &snap]), "WIFI");
        let time = join(&[&[0, 0, 17, 0, 3, 0, 0, 0], &zeros[..8], &[0x20]]);
        leads_to_ip(127, &join(&[&time, &data(0x88, 1, 28), &snap]), "WIFI");
        let words = join(&[
            &[0, 0, 25, 0, 3, 0, 0, 0x80],
            &zeros[..4],
            &zeros[..12],
            &[0x20],
        ]);
        leads_to_ip(127, &join(&[&words, &data(0x88, 1, 28), &snap]), "WIFI");
    }

    #[test]
    fn layers_between_ethernet_and_ip_are_peeled() {
        let before = |kind, inside: &[u8]| ethernet(kind, inside);
        leads_to_ip(1, &before(0x0800, &[]), "ETH");
        leads_to_ip(1, &before(0x8100, &tagged(7, 0x0800, &[])), "ETH-VLAN");
        let three = tagged(7, 0x9100, &tagged(8, 0x8100, &tagged(9, 0x0800, &[])));
        leads_to_ip(1, &before(0x88A8, &three), "ETH-VLAN-VLAN-VLAN");
        leads_to_ip(
            1,
            &before(0x8847, &[0, 1, 0, 9, 0, 2, 1, 9]),
            "ETH-MPLS-MPLS",
        );
        leads_to_ip(
            1,
            &before(0x8864, &[0x11, 0, 0, 1, 0, 0, 0, 0x21]),
            "ETH-PPPOE",
        );
        let snap = [0xAA, 0xAA, 3, 0, 0, 0, 8, 0];
        leads_to_ip(1, &before(60, &snap), "ETH");
        leads_to_ip(1, &before(0x8100, &tagged(7, 60, &snap)), "ETH-VLAN");
    }

    #[test]
    fn the_outermost_vlan_id_is_kept() {
        let inside = tagged(0xF123, 0x8100, &tagged(9, 0x0800, &ip()));
        let (header, text) = packet(1, &ethernet(0x88A8, &inside));
        assert_eq!((header.vlan, header.ethernet), (0x123, 0));
        assert!(header.is(marks::VLAN | marks::ETHERNET));
        assert_eq!(text, "ETH-VLAN-VLAN-IP-UDP");
        let (header, _) = packet(101, &ip());
        assert!(!header.is(marks::VLAN) && !header.is(marks::ETHERNET));
    }

    #[test]
    fn a_long_stack_is_described_from_the_frame() {
        let mut inside = tagged(1, 0x86DD, &ipv6(58, &[128, 0, 0, 0, 0, 1, 0, 2]));
        for _ in 0..299 {
            inside = tagged(1, 0x8100, &inside);
        }
        let frame = ethernet(0x8100, &inside);
        let (header, text) = packet(1, &frame);
        assert_eq!(header.stack, super::super::stack::UNPACKED);
        assert_eq!(text, format!("ETH-{}IP6-ICMP6", "VLAN-".repeat(300)));
    }

    #[test]
    fn other_frames_are_not_ip() {
        let mut arp = ethernet(0x0806, &[0; 28]);
        let options = super::super::DecodeOptions::default();
        let (header, _, books) = read_with(&options, 1, &arp);
        assert_eq!(header, None);
        assert_eq!(books.packets.ethertypes.get(&0x0806), Some(&1));
        arp[13] = 5; // 0x0805
        assert_eq!(skipped(1, &arp), Skip::NotIp);
        let spanning_tree = ethernet(38, &[0x42; 38]);
        let (_, _, books) = read_with(&options, 1, &spanning_tree);
        assert_eq!(books.packets.skipped.get(Skip::NotIp), 1);
        assert!(
            books.packets.ethertypes.is_empty(),
            "a length is no EtherType"
        );
        assert_eq!(
            skipped(1, &ethernet(0x8847, &[0, 1, 1, 9, 0x50])),
            Skip::NotIp
        );
        assert_eq!(skipped(9, &[0xFF, 3, 0xC0, 0x21, 0]), Skip::NotIp);
        assert_eq!(skipped(0, &[3, 0, 0, 0, 0x45]), Skip::NotIp);
        assert_eq!(skipped(108, &[2, 0, 0, 0, 0x45]), Skip::NotIp);
        for (control, flags) in [(0x80, 0), (0x48, 0), (0x08, 0x40)] {
            let frame = join(&[&[control, flags], &[0; 60]]);
            assert_eq!(skipped(105, &frame), Skip::NotIp);
        }
        let several_in_one = join(&[&[0x88, 1], &[0; 22], &[0x80], &[0; 60]]);
        assert_eq!(skipped(105, &several_in_one), Skip::NotIp);
        assert_eq!(skipped(160, &ip()), Skip::UnsupportedLinktype);
        assert_eq!(skipped(1, &[]), Skip::Empty);
    }
}
