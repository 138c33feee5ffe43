//! Link-layer addresses and VLAN tags of a flow (IEEE 802.3, 802.1Q).
//!
//! Only Ethernet headers have addresses here: the innermost one, where tunnels are taken off.

use super::extractor::{Extractor, Needs, NoOptions, Wanted};
use crate::decode::ethertype_of;
use crate::flows::Flow;
use crate::packet::{Packet, marks};
use crate::protocols::text::mac as text;
use crate::schema::{Features, bitmap};
use crate::statistics::{Distinct, Tally};

/// Columns of group `mac`, in output order.
#[derive(Features)]
#[features(profile = "JJ-EXPERIMENTAL", source = "IEEE 802.3, IEEE 802.1Q")]
pub struct Mac {
    /// Source MAC of the first packet, lower-case hex with colons.
    #[column(
        scope = "fwd",
        split = "no",
        private = "mac",
        null = "no Ethernet header"
    )]
    pub mac_src: Option<String>,
    /// Destination MAC of the first packet.
    #[column(
        scope = "bwd",
        split = "no",
        private = "mac",
        null = "no Ethernet header"
    )]
    pub mac_dst: Option<String>,
    /// EtherType of the first packet behind all VLAN tags (the SNAP type where LLC/SNAP follows a length field).
    #[column(scope = "flow", null = "no Ethernet header", differs = "tag-type")]
    pub mac_eth_type: Option<u16>,
    /// Smallest VLAN id seen (outer tag).
    #[column(scope = "flow", null = "no VLAN tag")]
    pub mac_vlan_id: Option<u16>,
    /// Distinct outer VLAN ids seen, 4,096 at most.
    #[column(unit = "count", scope = "flow")]
    pub mac_vlan_count: u16,
    /// Distinct source MACs of both directions (2 is normal), 4,096 at most.
    #[column(unit = "count", scope = "flow")]
    pub mac_unique_src_count: u16,
    /// Distinct destination MACs of both directions, 4,096 at most.
    #[column(unit = "count", scope = "flow")]
    pub mac_unique_dst_count: u16,
    /// 1 first packet has a source MAC; 2 it has a destination MAC; 4 more than one source MAC; 8 more than one destination MAC; 16
    /// VLAN seen.
    #[column(unit = "bitmap", scope = "flow")]
    pub mac_stat: u8,
    /// Packets with destination ff:ff:ff:ff:ff:ff.
    #[column(unit = "packets", scope = "flow")]
    pub mac_broadcast_count: u64,
    /// Packets with the group bit of the destination MAC set, broadcast excluded.
    #[column(unit = "packets", scope = "flow")]
    pub mac_multicast_count: u64,
}

type Address = [u8; 6];

const BROADCAST: Address = [0xFF; 6];

/// What is kept of an open record.
#[derive(Default)]
pub struct State {
    sources: Distinct<Address, 2>,
    destinations: Distinct<Address, 2>,
    vlans: Distinct<u16, 1>,
    counts: Tally<COUNTS>,
    first: First,
}

/// What is counted: places in a [`Tally`].
enum Count {
    Broadcast,
    Multicast,
}

const COUNTS: usize = Count::Multicast as usize + 1;

/// The first packet.
#[derive(Clone, Copy, Default)]
enum First {
    #[default]
    Unseen,
    /// It has no Ethernet header.
    Plain,
    /// The EtherType of the first packet; its addresses are the first ones of the sets.
    Ethernet(Option<u16>),
}

/// What the plan fixes.
pub struct Plan {
    /// Whether addresses or the EtherType are wanted.
    ethernet: bool,
}

impl Extractor for State {
    type Features = Mac;
    type Options = NoOptions;
    type Plan = Plan;

    fn needs(plan: &Plan) -> Needs {
        Needs {
            headers: plan.ethernet,
            ..Needs::NONE
        }
    }

    fn plan(_: &NoOptions, wanted: &Wanted) -> Plan {
        Plan {
            ethernet: wanted.any(|name| !name.starts_with("mac_vlan")),
        }
    }

    fn packet(&mut self, packet: &Packet<'_>, _: &Flow, plan: &Plan) {
        if packet.is(marks::VLAN) {
            self.vlans.insert(packet.vlan);
        }
        if !plan.ethernet {
            return;
        }
        let ethernet = packet
            .is(marks::ETHERNET)
            .then(|| packet.frame().get(packet.ethernet as usize..))
            .flatten();
        if matches!(self.first, First::Unseen) {
            self.first =
                ethernet.map_or(First::Plain, |frame| First::Ethernet(ethertype_of(frame)));
        }
        let addresses = ethernet.and_then(|frame| frame.split_first_chunk::<6>());
        let Some((destination, rest)) = addresses else {
            return;
        };
        self.destinations.insert(*destination);
        if let Some(source) = rest.first_chunk() {
            self.sources.insert(*source);
        }
        let group = destination[0] & 1 != 0;
        let broadcast = *destination == BROADCAST;
        self.counts.count(Count::Broadcast as usize, broadcast);
        self.counts
            .count(Count::Multicast as usize, group && !broadcast);
    }

    fn finish(&self, _: &Flow, _: &Plan) -> Mac {
        let (is_ethernet, kind) = match self.first {
            First::Ethernet(kind) => (true, kind),
            First::Unseen | First::Plain => (false, None),
        };
        let first = |set: &Distinct<Address, 2>| set.iter().next().filter(|_| is_ethernet);
        let [source, destination] = [&self.sources, &self.destinations].map(first);
        let stat = [
            source.is_some(),
            destination.is_some(),
            self.sources.count() > 1,
            self.destinations.count() > 1,
            self.vlans.count() > 0,
        ];
        Mac {
            mac_src: source.map(text),
            mac_dst: destination.map(text),
            mac_eth_type: kind,
            mac_vlan_id: self.vlans.iter().min(),
            mac_vlan_count: self.vlans.count(),
            mac_unique_src_count: self.sources.count(),
            mac_unique_dst_count: self.destinations.count(),
            mac_stat: bitmap(stat),
            mac_broadcast_count: self.counts.of(Count::Broadcast as usize),
            mac_multicast_count: self.counts.of(Count::Multicast as usize),
        }
    }

    fn heap_bytes(&self) -> usize {
        self.sources.heap_bytes()
            + self.destinations.heap_bytes()
            + self.vlans.heap_bytes()
            + self.counts.heap_bytes()
    }
}

/// Lower-case hexadecimal digits with colons.
#[cfg(test)]
mod tests {
    use super::*;
    use crate::features::testing::{Built, Packets, back, forth};

    const A: Address = [2, 0, 0, 0, 0, 0xA];
    const B: Address = [2, 0, 0, 0, 0, 0xB];

    fn from_to(packet: Built, source: Address, destination: Address, behind: &[u8]) -> Built {
        packet.headers(&[&destination[..], &source, behind].concat(), &[], &[])
    }

    #[test]
    fn addresses_of_both_directions() {
        let row = Packets::udp()
            .push(from_to(forth(), A, B, &[8, 0]))
            .push(from_to(back(), B, A, &[8, 0]))
            .push(from_to(forth(), A, BROADCAST, &[8, 0]))
            .push(from_to(forth(), A, [1, 0, 0x5E, 0, 0, 1], &[8, 0]))
            .finish::<State>(&NoOptions);
        assert_eq!(row.mac_src.as_deref(), Some("02:00:00:00:00:0a"));
        assert_eq!(row.mac_dst.as_deref(), Some("02:00:00:00:00:0b"));
        assert_eq!((row.mac_unique_src_count, row.mac_unique_dst_count), (2, 4));
        assert_eq!((row.mac_broadcast_count, row.mac_multicast_count), (1, 1));
        assert_eq!((row.mac_eth_type, row.mac_stat), (Some(0x0800), 15));
        assert_eq!((row.mac_vlan_id, row.mac_vlan_count), (None, 0));
    }

    #[test]
    fn the_smallest_outer_vlan_and_the_type_behind_tags() {
        let tagged = [0x81, 0, 0, 7, 0x81, 0, 0, 1, 0x86, 0xDD];
        let row = Packets::udp()
            .push(from_to(forth(), A, B, &tagged).vlan(7))
            .push(from_to(forth(), A, B, &tagged).vlan(3))
            .finish::<State>(&NoOptions);
        assert_eq!((row.mac_vlan_id, row.mac_vlan_count), (Some(3), 2));
        assert_eq!((row.mac_eth_type, row.mac_stat), (Some(0x86DD), 1 | 2 | 16));
    }

    #[test]
    fn a_first_packet_without_ethernet_has_no_address() {
        let row = Packets::udp()
            .push(forth())
            .push(from_to(forth(), A, B, &[8, 0]))
            .finish::<State>(&NoOptions);
        assert_eq!(
            (row.mac_src, row.mac_dst, row.mac_eth_type),
            (None, None, None)
        );
        assert_eq!((row.mac_unique_src_count, row.mac_stat), (1, 0));
    }
}
