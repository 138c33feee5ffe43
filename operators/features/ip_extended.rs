//! Fields of the IP header over a flow: TTL, TOS and traffic class, flags, identification (RFC 791, RFC 2474, RFC 3168, RFC 6864).

use super::extractor::{Extractor, Needs, NoOptions, Wanted};
use crate::flows::Flow;
use crate::packet::Packet;
use crate::schema::Features;
use crate::statistics::{Distinct, Tally, ratio};

/// Columns of group `ip_extended`, in output order.
#[derive(Features)]
#[features(profile = "JJ-EXTENDED", source = "RFC 791, RFC 2474, RFC 3168")]
pub struct IpExtended {
    /// Minimum TTL (IPv6 hop limit) over the packets of the initiator.
    #[column(unit = "hops", scope = "fwd", null = "no packet forward")]
    pub ip_ttl_fwd_min: Option<u8>,
    /// Maximum TTL over the packets of the initiator.
    #[column(unit = "hops", scope = "fwd", null = "no packet forward")]
    pub ip_ttl_fwd_max: Option<u8>,
    /// Mean TTL over the packets of the initiator.
    #[column(unit = "hops", scope = "fwd", null = "no packet forward")]
    pub ip_ttl_fwd_mean: Option<f64>,
    /// Number of consecutive packets of the initiator whose TTL differs from the one before.
    #[column(
        unit = "count",
        scope = "fwd",
        null = "no packet forward",
        differs = "distinct-values"
    )]
    pub ip_ttl_fwd_changes: Option<u16>,
    /// Minimum TTL (IPv6 hop limit) over the packets of the responder.
    #[column(unit = "hops", scope = "bwd", null = "no packet backward")]
    pub ip_ttl_bwd_min: Option<u8>,
    /// Maximum TTL over the packets of the responder.
    #[column(unit = "hops", scope = "bwd", null = "no packet backward")]
    pub ip_ttl_bwd_max: Option<u8>,
    /// Mean TTL over the packets of the responder.
    #[column(unit = "hops", scope = "bwd", null = "no packet backward")]
    pub ip_ttl_bwd_mean: Option<f64>,
    /// Number of consecutive packets of the responder whose TTL differs from the one before.
    #[column(
        unit = "count",
        scope = "bwd",
        null = "no packet backward",
        differs = "distinct-values"
    )]
    pub ip_ttl_bwd_changes: Option<u16>,
    /// Smallest of 32, 64, 128 and 255 that is not below the TTL of the first packet of the initiator.
    #[column(
        unit = "hops",
        scope = "fwd",
        null = "no packet forward",
        default = "",
        differs = "ttl-32"
    )]
    pub ip_ttl_fwd_initial_est: Option<u8>,
    /// ip_ttl_fwd_initial_est - TTL of the first packet of the initiator.
    #[column(
        unit = "hops",
        scope = "fwd",
        null = "no packet forward",
        default = "",
        differs = "ttl-32"
    )]
    pub ip_ttl_fwd_hops_est: Option<u8>,
    /// TOS byte of the first packet.
    #[column(
        scope = "flow",
        split = "yes",
        null = "not IPv4",
        differs = "least-value"
    )]
    pub ip_tos_value: Option<u8>,
    /// Distinct TOS bytes; 0 for IPv6.
    #[column(unit = "count", scope = "flow", split = "yes")]
    pub ip_tos_unique_count: u16,
    /// DSCP of the first packet: the upper 6 bits of TOS or traffic class.
    #[column(scope = "flow", split = "yes", differs = "least-value")]
    pub ip_dscp: u8,
    /// OR of the ECN bits of all packets.
    #[column(scope = "flow", split = "yes", differs = "least-value")]
    pub ip_ecn: u8,
    /// OR over all packets of the 3-bit flags field (1 MF, 2 DF, 4 reserved).
    #[column(unit = "bitmap", scope = "flow", split = "yes", null = "not IPv4")]
    pub ip_flags: Option<u8>,
    /// Packets with DF (none for IPv6).
    #[column(unit = "packets", scope = "flow", split = "yes")]
    pub ip_df_count: u64,
    /// ip_df_count / total_packets.
    #[column(scope = "flow", split = "yes")]
    pub ip_df_ratio: f64,
    /// IP version of the flow (4 or 6).
    #[column(scope = "flow")]
    pub ip_version: u8,
    /// Steps of more than 1 and less than 2^15 (mod 2^16) between the identifications of consecutive packets of a direction, both
    /// directions summed; packets with DF and identification 0 are left out, and a step back is no gap.
    #[column(
        unit = "count",
        scope = "flow",
        split = "yes",
        null = "not IPv4",
        differs = "mixed-ids"
    )]
    pub ip_id_gaps: Option<u64>,
}

/// What is kept of an open record.
#[derive(Default)]
pub struct State {
    counts: Tally<COUNTS>,
    sides: [Side; 2],
    /// TOS or traffic class, that of the first packet first.
    tos: Distinct<u8, 3>,
    /// OR of TOS or traffic class.
    union: u8,
    /// OR of the IPv4 flags.
    flags: u8,
}

/// What is counted: places in a [`Tally`]. Those of the responder come right behind those of the initiator.
#[derive(Clone, Copy)]
enum Count {
    Packets,
    Ttl = 2,
    Df = 4,
    Gaps,
}

const COUNTS: usize = Count::Gaps as usize + 1;

/// The packets of one direction.
struct Side {
    first: u8,
    last: u8,
    min: u8,
    max: u8,
    changes: u16,
    /// Identification of its last packet that has one.
    id: Option<u16>,
}

impl Default for Side {
    fn default() -> Self {
        Self {
            first: 0,
            last: 0,
            min: u8::MAX,
            max: 0,
            changes: 0,
            id: None,
        }
    }
}

/// What the plan fixes.
pub struct Plan {
    /// Whether flags or identification are wanted.
    headers: bool,
}

const DF: u8 = 2;

impl Extractor for State {
    type Features = IpExtended;
    type Options = NoOptions;
    type Plan = Plan;

    fn needs(plan: &Plan) -> Needs {
        Needs {
            headers: plan.headers,
            ..Needs::NONE
        }
    }

    fn plan(_: &NoOptions, wanted: &Wanted) -> Plan {
        let of_header = |name: &str| {
            let columns = ["ip_flags", "ip_df_count", "ip_df_ratio", "ip_id_gaps"];
            columns.contains(&name)
        };
        Plan {
            headers: wanted.any(of_header),
        }
    }

    fn packet(&mut self, packet: &Packet<'_>, _: &Flow, plan: &Plan) {
        let at = packet.direction as usize;
        let (side, ttl) = (&mut self.sides[at], packet.ttl);
        if self.counts.of(Count::Packets as usize + at) == 0 {
            (side.first, side.last) = (ttl, ttl);
        }
        side.min = side.min.min(ttl);
        side.max = side.max.max(ttl);
        let before = std::mem::replace(&mut side.last, ttl);
        side.changes = side.changes.saturating_add((before != ttl).into());
        self.counts.count(Count::Packets as usize + at, true);
        self.counts.add(Count::Ttl as usize + at, ttl.into());
        self.tos.insert(packet.tos);
        self.union |= packet.tos;
        if plan.headers
            && packet.family == 4
            && let Some([_, _, _, _, high, low, fragment, _]) =
                packet.network_header().first_chunk()
        {
            // MF is the lowest of the three bits, the reserved one the highest
            let flags = fragment >> 5;
            let id = u16::from_be_bytes([*high, *low]);
            self.flags |= flags;
            self.counts.count(Count::Df as usize, flags & DF != 0);
            if flags & DF == 0 || id != 0 {
                let step = side.id.replace(id).map(|before| id.wrapping_sub(before));
                let is_gap = step.is_some_and(|step| step > 1 && step < 1 << 15);
                self.counts.count(Count::Gaps as usize, is_gap);
            }
        }
    }

    fn finish(&self, flow: &Flow, _: &Plan) -> IpExtended {
        let is_4 = flow.key.family == 4;
        let packets = [0, 1].map(|at| self.counts.of(Count::Packets as usize + at));
        let [forward, backward] = [0, 1].map(|at| (packets[at] > 0).then_some(&self.sides[at]));
        let mean = |at: usize| {
            let sum = self.counts.of(Count::Ttl as usize + at);
            ratio(sum.into(), packets[at].into())
        };
        let df = self.counts.of(Count::Df as usize);
        let tos = self.tos.iter().next().unwrap_or(0);
        let initial = forward.map(|side| initial_ttl(side.first));
        IpExtended {
            ip_ttl_fwd_min: forward.map(|side| side.min),
            ip_ttl_fwd_max: forward.map(|side| side.max),
            ip_ttl_fwd_mean: mean(0),
            ip_ttl_fwd_changes: forward.map(|side| side.changes),
            ip_ttl_bwd_min: backward.map(|side| side.min),
            ip_ttl_bwd_max: backward.map(|side| side.max),
            ip_ttl_bwd_mean: mean(1),
            ip_ttl_bwd_changes: backward.map(|side| side.changes),
            ip_ttl_fwd_initial_est: initial,
            ip_ttl_fwd_hops_est: forward
                .zip(initial)
                .map(|(side, initial)| initial - side.first),
            ip_tos_value: is_4.then_some(tos),
            ip_tos_unique_count: if is_4 { self.tos.count() } else { 0 },
            ip_dscp: tos >> 2,
            ip_ecn: self.union & 3,
            ip_flags: is_4.then_some(self.flags),
            ip_df_count: df,
            ip_df_ratio: ratio(df.into(), u128::from(packets[0] + packets[1])).unwrap_or_default(),
            ip_version: flow.key.family,
            ip_id_gaps: is_4.then(|| self.counts.of(Count::Gaps as usize)),
        }
    }

    fn heap_bytes(&self) -> usize {
        self.counts.heap_bytes() + self.tos.heap_bytes()
    }
}

/// The TTL that a sender most likely started with: the smallest usual one that is not below what is left of it.
const fn initial_ttl(ttl: u8) -> u8 {
    match ttl {
        0..=32 => 32,
        33..=64 => 64,
        65..=128 => 128,
        _ => 255,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::features::testing::{Built, Packets, back, forth};

    /// A header with this identification and flags field (RFC 791 section 3.1).
    fn ipv4(packet: Built, id: u16, flags: u8) -> Built {
        let mut packet = packet;
        packet.header.family = 4;
        let [high, low] = id.to_be_bytes();
        let mut header = [0; 20];
        header[..8].copy_from_slice(&[0x45, 0, 0, 20, high, low, flags << 5 | 0x1F, 0xFF]);
        packet.headers(&[], &header, &[])
    }

    #[test]
    fn ttls_of_each_direction() {
        let row = [60u8, 60, 59, 60]
            .into_iter()
            .fold(Packets::udp(), |flow, ttl| flow.push(forth().ttl(ttl)))
            .push(back().ttl(128))
            .finish::<State>(&NoOptions);
        assert_eq!(
            (row.ip_ttl_fwd_min, row.ip_ttl_fwd_max),
            (Some(59), Some(60))
        );
        assert_eq!(
            (row.ip_ttl_fwd_mean, row.ip_ttl_fwd_changes),
            (Some(59.75), Some(2))
        );
        assert_eq!(
            (row.ip_ttl_fwd_initial_est, row.ip_ttl_fwd_hops_est),
            (Some(64), Some(4))
        );
        assert_eq!(
            (row.ip_ttl_bwd_min, row.ip_ttl_bwd_max),
            (Some(128), Some(128))
        );
        assert_eq!(
            (row.ip_ttl_bwd_mean, row.ip_ttl_bwd_changes),
            (Some(128.0), Some(0))
        );
        let one_way = Packets::udp().push(forth()).finish::<State>(&NoOptions);
        assert_eq!(
            (one_way.ip_ttl_bwd_min, one_way.ip_ttl_bwd_mean),
            (None, None)
        );
        assert_eq!(
            (one_way.ip_ttl_bwd_max, one_way.ip_ttl_bwd_changes),
            (None, None)
        );
    }

    #[test]
    fn initial_ttls() {
        let pairs = [0, 32, 33, 64, 65, 128, 129, 255].map(initial_ttl);
        assert_eq!(pairs, [32, 32, 64, 64, 128, 128, 255, 255]);
    }

    #[test]
    fn the_first_tos_and_all_ecn_bits() {
        let flow = Packets::udp()
            .push(forth().tos(46 << 2))
            .push(back().tos(1))
            .push(forth().tos(2));
        let row = flow.clone().finish::<State>(&NoOptions);
        assert_eq!((row.ip_tos_value, row.ip_tos_unique_count), (Some(184), 3));
        assert_eq!((row.ip_dscp, row.ip_ecn, row.ip_version), (46, 3, 4));
        let row = flow.ipv6().finish::<State>(&NoOptions);
        assert_eq!((row.ip_tos_value, row.ip_tos_unique_count), (None, 0));
        assert_eq!((row.ip_dscp, row.ip_ecn, row.ip_version), (46, 3, 6));
        assert_eq!(
            (row.ip_flags, row.ip_id_gaps, row.ip_df_count),
            (None, None, 0)
        );
    }

    #[test]
    fn gaps_between_identifications() {
        let row = [1u16, 2, 4, 3, 0xFFFF, 1]
            .into_iter()
            .fold(Packets::udp(), |flow, id| flow.push(ipv4(forth(), id, 0)))
            .push(ipv4(back(), 700, 1))
            .push(ipv4(back(), 0, 2))
            .push(ipv4(back(), 701, 2))
            .finish::<State>(&NoOptions);
        // 2 to 4 and 65,535 to 1; 4 to 3 and 3 to 65,535 are steps back; the responder has none
        assert_eq!((row.ip_id_gaps, row.ip_flags), (Some(2), Some(3)));
        assert_eq!((row.ip_df_count, row.ip_df_ratio), (2, 2.0 / 9.0));
    }
}
