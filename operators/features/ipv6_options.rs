//! Flow labels and traffic classes of IPv6 flows (RFC 8200, RFC 6437).

use super::extractor::{Extractor, Needs, NoOptions, Wanted};
use crate::flows::Flow;
use crate::packet::Packet;
use crate::schema::Features;
use crate::statistics::Distinct;

/// Columns of group `ipv6_options`, in output order.
#[derive(Features)]
#[features(profile = "JJ-EXPERIMENTAL", source = "RFC 8200")]
pub struct Ipv6Options {
    /// Packets of an IPv6 flow, else 0.
    #[column(unit = "packets", scope = "flow", split = "yes")]
    pub ipv6_packet_count: u64,
    /// Packets of an IPv4 flow, else 0.
    #[column(unit = "packets", scope = "flow", split = "yes")]
    pub ipv4_packet_count: u64,
    /// Flow label of the first packet.
    #[column(scope = "flow", null = "not IPv6", differs = "least-value")]
    pub ipv6_flow_label: Option<u32>,
    /// Distinct flow labels, 4,096 at most; 0 for IPv4.
    #[column(unit = "count", scope = "flow", split = "yes")]
    pub ipv6_flow_label_unique_count: u32,
    /// Consecutive packets of a direction with different flow labels, both directions summed.
    #[column(unit = "count", scope = "flow", split = "yes", differs = "least-value")]
    pub ipv6_flow_label_changes: u32,
    /// Traffic class of the first packet.
    #[column(scope = "flow", null = "not IPv6", differs = "least-value")]
    pub ipv6_traffic_class: Option<u8>,
    /// Distinct traffic classes; 0 for IPv4.
    #[column(unit = "count", scope = "flow", split = "yes")]
    pub ipv6_traffic_class_unique_count: u16,
    /// DSCP of the first packet: ipv6_traffic_class >> 2.
    #[column(scope = "flow", null = "not IPv6", differs = "least-value")]
    pub ipv6_dscp: Option<u8>,
    /// OR of the ECN bits of all packets.
    #[column(scope = "flow", null = "not IPv6", differs = "least-value")]
    pub ipv6_ecn: Option<u8>,
    /// ipv6_packet_count / (ipv6_packet_count + ipv4_packet_count): 1 or 0.
    #[column(scope = "flow")]
    pub ipv6_ratio: f64,
    /// 1 if all packets are IPv6.
    #[column(scope = "flow")]
    pub is_ipv6_only: u8,
}

/// What is kept of an open record.
#[derive(Default)]
pub struct State {
    packets: u64,
    /// Of an IPv6 flow.
    six: Option<Box<Six>>,
}

#[derive(Default)]
struct Six {
    labels: Distinct<u32, 2>,
    /// Of the last packet, by direction.
    last: [Option<u32>; 2],
    changes: u32,
    classes: Distinct<u8, 3>,
    /// OR of the traffic classes.
    union: u8,
}

/// What the plan fixes.
pub struct Plan {
    labels: bool,
    /// Whether anything beyond numbers of packets is wanted.
    fields: bool,
}

impl Extractor for State {
    type Features = Ipv6Options;
    type Options = NoOptions;
    type Plan = Plan;

    fn needs(plan: &Plan) -> Needs {
        Needs {
            headers: plan.labels,
            ..Needs::NONE
        }
    }

    fn plan(_: &NoOptions, wanted: &Wanted) -> Plan {
        let fields = ["ipv6_traffic_class", "ipv6_dscp", "ipv6_ecn"];
        let labels = wanted.any(|name| name.starts_with("ipv6_flow_label"));
        Plan {
            labels,
            fields: labels || wanted.any(|name| fields.iter().any(|field| name.starts_with(field))),
        }
    }

    fn packet(&mut self, packet: &Packet<'_>, _: &Flow, plan: &Plan) {
        self.packets += 1;
        if packet.family != 6 || !plan.fields {
            return;
        }
        let six = self.six.get_or_insert_default();
        six.classes.insert(packet.tos);
        six.union |= packet.tos;
        if plan.labels
            && let Some(word) = packet.network_header().first_chunk()
        {
            let label = u32::from_be_bytes(*word) & 0x000F_FFFF;
            six.labels.insert(label);
            let before = six.last[packet.direction as usize].replace(label);
            let changed = before.is_some_and(|before| before != label);
            six.changes = six.changes.saturating_add(changed.into());
        }
    }

    fn finish(&self, flow: &Flow, _: &Plan) -> Ipv6Options {
        let is_6 = flow.key.family == 6;
        let six = self.six.as_deref();
        let class = six.map(|six| six.classes.iter().next().unwrap_or(0));
        let label = six.map(|six| six.labels.iter().next().unwrap_or(0));
        Ipv6Options {
            ipv6_packet_count: if is_6 { self.packets } else { 0 },
            ipv4_packet_count: if is_6 { 0 } else { self.packets },
            ipv6_flow_label: label,
            ipv6_flow_label_unique_count: six.map_or(0, |six| six.labels.count().into()),
            ipv6_flow_label_changes: six.map_or(0, |six| six.changes),
            ipv6_traffic_class: class,
            ipv6_traffic_class_unique_count: six.map_or(0, |six| six.classes.count()),
            ipv6_dscp: class.map(|class| class >> 2),
            ipv6_ecn: six.map(|six| six.union & 3),
            ipv6_ratio: if is_6 { 1.0 } else { 0.0 },
            is_ipv6_only: is_6.into(),
        }
    }

    fn heap_bytes(&self) -> usize {
        let six = |six: &Six| size_of_val(six) + six.labels.heap_bytes() + six.classes.heap_bytes();
        self.six.as_deref().map_or(0, six)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::features::testing::{Built, Packets, back, forth};

    /// A header with this traffic class and flow label (RFC 8200 section 3).
    fn ipv6(packet: Built, class: u8, label: u32) -> Built {
        let mut packet = packet.tos(class);
        packet.header.family = 6;
        let mut header = [0; 40];
        let word = 6 << 28 | u32::from(class) << 20 | label;
        header[..4].copy_from_slice(&word.to_be_bytes());
        packet.headers(&[], &header, &[])
    }

    #[test]
    fn labels_are_those_of_each_direction() {
        let row = Packets::udp()
            .ipv6()
            .push(ipv6(forth(), 0xB9, 0x12345))
            .push(ipv6(back(), 2, 0xFFFFF))
            .push(ipv6(forth(), 0xB9, 0x12345))
            .push(ipv6(forth(), 0xB9, 0))
            .finish::<State>(&NoOptions);
        assert_eq!((row.ipv6_packet_count, row.ipv4_packet_count), (4, 0));
        assert_eq!(row.ipv6_flow_label, Some(0x12345));
        assert_eq!(
            (
                row.ipv6_flow_label_unique_count,
                row.ipv6_flow_label_changes
            ),
            (3, 1)
        );
        assert_eq!(
            (row.ipv6_traffic_class, row.ipv6_dscp),
            (Some(0xB9), Some(46))
        );
        assert_eq!(
            (row.ipv6_traffic_class_unique_count, row.ipv6_ecn),
            (2, Some(3))
        );
        assert_eq!((row.ipv6_ratio, row.is_ipv6_only), (1.0, 1));
    }

    #[test]
    fn ipv4_has_none_of_it() {
        let flow = Packets::udp().push(forth().tos(7)).push(back());
        assert_eq!(flow.state::<State>(&NoOptions).heap_bytes(), 0);
        let row = flow.finish::<State>(&NoOptions);
        assert_eq!((row.ipv6_packet_count, row.ipv4_packet_count), (0, 2));
        assert_eq!(
            (row.ipv6_flow_label, row.ipv6_traffic_class, row.ipv6_ecn),
            (None, None, None)
        );
        assert_eq!((row.ipv6_ratio, row.is_ipv6_only), (0.0, 0));
    }
}
