//! The tunnel that a flow runs through: columns that other flow meters have and the reference lacks.
//!
//! The first packet decides, and of several tunnels inside each other the outermost. `decap` says whether the flow is that of the
//! inner or of the outer packets.

use super::extractor::{Extractor, Needs, NoOptions, Wanted};
use crate::columns::Address;
use crate::decode::{Outermost, outermost_tunnel};
use crate::flows::Flow;
use crate::packet::Packet;
use crate::schema::Features;

/// Columns of group `tunnel`, in output order.
#[derive(Features)]
#[features(
    profile = "JF-EXTRA",
    source = "RFC 2890, RFC 7348, RFC 8926, 3GPP TS 29.281, RFC 4380"
)]
pub struct Tunnel {
    /// The outermost tunnel of the first packet, whether it is taken off or not: "gre", "ipip", "6in4", "vxlan", "geneve", "gtpu",
    /// "teredo", each told as `decap` tells it: an IP header that can be read must be inside.
    #[column(scope = "flow", null = "no tunnel in the first packet")]
    pub tunnel_type: Option<&'static str>,
    /// Number in its header: VNI of VXLAN and Geneve, TEID of GTP-U, key of GRE.
    #[column(
        scope = "flow",
        null = "no tunnel in the first packet, or no number in its header"
    )]
    pub tunnel_id: Option<u32>,
    /// Source of the packet around it.
    #[column(scope = "flow", null = "no tunnel in the first packet")]
    pub tunnel_src_ip: Option<Address>,
    /// Destination of the packet around it.
    #[column(scope = "flow", null = "no tunnel in the first packet")]
    pub tunnel_dst_ip: Option<Address>,
}

/// Bytes of the payload that are looked at, where tunnels are not taken off: the headers of the tunnel and those inside.
const LOOKED_AT: u32 = 512;

/// What is kept of an open record.
#[derive(Default)]
pub struct State {
    is_first_seen: bool,
    outermost: Option<Box<Outermost>>,
}

impl Extractor for State {
    type Features = Tunnel;
    type Options = NoOptions;
    /// `max_depth`.
    type Plan = u8;

    fn needs(_: &u8) -> Needs {
        Needs {
            payload: LOOKED_AT,
            headers: true,
            ..Needs::NONE
        }
    }

    fn plan(_: &NoOptions, wanted: &Wanted) -> u8 {
        wanted.decode.max_depth
    }

    fn packet(&mut self, packet: &Packet<'_>, _: &Flow, max_depth: &u8) {
        if !self.is_first_seen {
            self.is_first_seen = true;
            let found = outermost_tunnel(packet.frame(), packet.link, packet.wire_len, *max_depth);
            self.outermost = found.map(Box::new);
        }
    }

    fn finish(&self, _: &Flow, _: &u8) -> Tunnel {
        let found = self.outermost.as_deref();
        Tunnel {
            tunnel_type: found.map(|found| found.tunnel.name()),
            tunnel_id: found.and_then(|found| found.id),
            tunnel_src_ip: found.map(|found| found.source),
            tunnel_dst_ip: found.map(|found| found.destination),
        }
    }

    fn heap_bytes(&self) -> usize {
        self.outermost.as_deref().map_or(0, size_of_val)
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{Packets, forth};
    use super::*;

    /// An IPv4 header of 20 bytes: protocol, bytes behind it, last byte of its addresses.
    fn ipv4(protocol: u8, behind: &[u8], from: u8, to: u8) -> Vec<u8> {
        let length = (20 + behind.len()) as u16;
        let [high, low] = length.to_be_bytes();
        let start = [0x45, 0, high, low, 0, 0, 0, 0, 64, protocol, 0, 0];
        [&start[..], &[192, 0, 2, from, 192, 0, 2, to], behind].concat()
    }

    fn udp(port: u16, behind: &[u8]) -> Vec<u8> {
        let length = (8 + behind.len()) as u16;
        let fields = [50_000, port, length, 0].map(u16::to_be_bytes).concat();
        [&fields, behind].concat()
    }

    fn row(packet: &[u8]) -> Tunnel {
        // raw IP
        let mut packet = forth().frame(packet);
        packet.header.link = 101;
        Packets::udp().push(packet).finish::<State>(&NoOptions)
    }

    fn says(packet: &[u8], kind: &str, id: Option<u32>) {
        let row = row(packet);
        assert_eq!((row.tunnel_type, row.tunnel_id), (Some(kind), id));
        let shown = row.tunnel_src_ip.zip(row.tunnel_dst_ip);
        let shown = shown.map(|(source, destination)| format!("{source} {destination}"));
        assert_eq!(shown.as_deref(), Some("192.0.2.1 192.0.2.2"));
    }

    #[test]
    fn numbers_of_every_tunnel() {
        let inner = ipv4(17, &udp(53, b"x"), 8, 9);
        let ethernet = [&[2; 12][..], &[8, 0], &inner].concat();
        says(&ipv4(4, &inner, 1, 2), "ipip", None);
        // RFC 7348: flags, reserved, VNI, reserved
        let vxlan = [&[8, 0, 0, 0, 0x12, 0x34, 0x56, 0][..], &ethernet].concat();
        says(
            &ipv4(17, &udp(4789, &vxlan), 1, 2),
            "vxlan",
            Some(0x12_3456),
        );
        // RFC 8926: version and options, flags, protocol, VNI, reserved
        let geneve = [&[0, 0, 0x65, 0x58, 0, 0, 7, 0][..], &ethernet].concat();
        says(&ipv4(17, &udp(6081, &geneve), 1, 2), "geneve", Some(7));
        // 3GPP TS 29.281: flags, G-PDU, length, TEID
        let length = (inner.len() as u16).to_be_bytes();
        let gtp = [&[0x30, 255][..], &length, &[0, 0, 1, 2], &inner].concat();
        says(&ipv4(17, &udp(2152, &gtp), 1, 2), "gtpu", Some(0x102));
        // RFC 2890: checksum and key
        let gre = [&[0xA0, 0, 8, 0, 1, 1, 0, 0, 0, 0, 0, 9][..], &inner].concat();
        says(&ipv4(47, &gre, 1, 2), "gre", Some(9));
        let bare = [&[0, 0, 8, 0][..], &inner].concat();
        says(&ipv4(47, &bare, 1, 2), "gre", None);
        // one inside the other
        says(&ipv4(4, &ipv4(47, &bare, 5, 6), 1, 2), "ipip", None);
    }

    #[test]
    fn what_holds_no_packet_is_no_tunnel() {
        let vxlan = ipv4(17, &udp(4789, &[8, 0, 0, 0, 0, 0, 1, 0, 1, 2, 3]), 1, 2);
        for packet in [vxlan, ipv4(17, &udp(53, b"x"), 1, 2)] {
            let row = row(&packet);
            assert_eq!((row.tunnel_type, row.tunnel_id), (None, None));
            assert_eq!((row.tunnel_src_ip, row.tunnel_dst_ip), (None, None));
        }
    }
}
