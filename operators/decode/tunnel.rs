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
        protocol::IPV4 if decap.has(Tunnel::Ipip) => version(bytes, 4),
        protocol::IPV6 if decap.has(Tunnel::SixInFour) => version(bytes, 6),
        protocol::GRE if decap.has(Tunnel::Gre) => gre(walk, bytes),
        protocol::UDP => {
            let [a, b, c, d] = bytes.array(0)?;
            let src = u16::from_be_bytes([a, b]);
            let dst = u16::from_be_bytes([c, d]);
            let inside = bytes.skip(8)?;
            walk.push(Label::Udp);
            if dst == port::VXLAN && decap.has(Tunnel::Vxlan) {
                vxlan(walk, inside)
            } else if dst == port::GENEVE && decap.has(Tunnel::Geneve) {
                geneve(walk, inside)
            } else if (dst == port::GTPU || src == port::GTPU) && decap.has(Tunnel::Gtpu) {
                gtpu(walk, inside)
            } else if (dst == port::TEREDO || src == port::TEREDO) && decap.has(Tunnel::Teredo) {
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
    for _ in 0..(flags & words).count_ones() {
        inside = inside.skip(4)?;
    }
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

fn vxlan<'a, L: Labels>(walk: &mut Walk<L>, bytes: Bytes<'a>) -> Entered<'a> {
    let network_known = bytes.u8(0)? & 8 != 0;
    if !network_known {
        return Err(NO_TUNNEL);
    }
    walk.push(Label::Vxlan);
    link::ethernet(walk, bytes.skip(8)?)
}

fn geneve<'a, L: Labels>(walk: &mut Walk<L>, bytes: Bytes<'a>) -> Entered<'a> {
    let first = bytes.u8(0)?;
    if first >> 6 != 0 {
        return Err(NO_TUNNEL);
    }
    let options = usize::from(first & 63) << 2;
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
