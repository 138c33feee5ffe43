//! IP lengths and payload lengths of the packets of a biflow.

use super::extractor::{Extractor, NoOptions, Wanted};
use crate::flows::Flow;
use crate::packet::Packet;
use crate::schema::Features;
use crate::statistics::{Deviation, LengthSpread, LengthSummary, Lengths, Side, Sides, ratio};

/// Columns of group `size`, in output order.
#[derive(Features)]
pub struct Size {
    /// the IP lengths of all packets.
    #[family(unit = "bytes")]
    pub pkt_len: LengthSummary,
    /// the IP lengths of the packets of the initiator.
    #[family(unit = "bytes", scope = "fwd", null = "no packet forward")]
    pub pkt_len_fwd: LengthSpread,
    /// the IP lengths of the packets of the responder.
    #[family(unit = "bytes", scope = "bwd", null = "no packet backward")]
    pub pkt_len_bwd: LengthSpread,
    /// Minimum of the payload lengths of all packets (packets without payload count as 0).
    #[column(unit = "bytes", differs = "captured-lengths")]
    pub payload_len_min: u32,
    /// Maximum of the payload lengths of all packets.
    #[column(unit = "bytes", differs = "captured-lengths")]
    pub payload_len_max: u32,
    /// Arithmetic mean of the payload lengths of all packets (packets without payload count as 0).
    #[column(unit = "bytes", differs = "captured-lengths")]
    pub payload_len_mean: f64,
    /// Population standard deviation (divide by n) of the payload lengths of all packets.
    #[column(unit = "bytes", differs = "captured-lengths")]
    pub payload_len_std: f64,
    /// Arithmetic mean of the payload lengths of the packets of the initiator.
    #[column(
        unit = "bytes",
        scope = "fwd",
        null = "no packet forward",
        differs = "captured-lengths"
    )]
    pub payload_len_fwd_mean: Option<f64>,
    /// Population standard deviation (divide by n) of the payload lengths of the packets of the initiator.
    #[column(
        unit = "bytes",
        scope = "fwd",
        null = "no packet forward",
        differs = "captured-lengths"
    )]
    pub payload_len_fwd_std: Option<f64>,
    /// Arithmetic mean of the payload lengths of the packets of the responder.
    #[column(
        unit = "bytes",
        scope = "bwd",
        null = "no packet backward",
        differs = "captured-lengths"
    )]
    pub payload_len_bwd_mean: Option<f64>,
    /// Population standard deviation (divide by n) of the payload lengths of the packets of the responder.
    #[column(
        unit = "bytes",
        scope = "bwd",
        null = "no packet backward",
        differs = "captured-lengths"
    )]
    pub payload_len_bwd_std: Option<f64>,
    /// Packets with payload.
    #[column(unit = "packets", differs = "captured-lengths")]
    pub packets_with_payload: u64,
    /// Packets of the initiator with payload.
    #[column(unit = "packets", scope = "fwd", differs = "captured-lengths")]
    pub packets_with_payload_fwd: u64,
    /// Packets of the responder with payload.
    #[column(unit = "packets", scope = "bwd", differs = "captured-lengths")]
    pub packets_with_payload_bwd: u64,
    /// (total_packets - packets_with_payload) / total_packets.
    #[column(differs = "captured-lengths")]
    pub header_only_ratio: f64,
    /// Population variance of the IP lengths of all packets.
    #[column(unit = "bytes^2")]
    pub pkt_len_variance: f64,
    /// Most frequent IP length; ties go to the one that occurred first.
    #[column(unit = "bytes")]
    pub dominant_pkt_size: u32,
    /// Packets of dominant_pkt_size / total_packets.
    #[column]
    pub dominant_pkt_ratio: f64,
    /// Alias of payload_bytes_fwd.
    #[column(unit = "bytes", scope = "fwd", differs = "captured-lengths")]
    pub l7_bytes_fwd: u64,
    /// Alias of payload_bytes_bwd.
    #[column(unit = "bytes", scope = "bwd", differs = "captured-lengths")]
    pub l7_bytes_bwd: u64,
    /// Alias of payload_bytes_total.
    #[column(unit = "bytes", split = "is", differs = "captured-lengths")]
    pub l7_bytes_total: u64,
    /// Minimum of the payload lengths of the packets of the initiator that have payload.
    #[column(
        unit = "bytes",
        scope = "fwd",
        null = "no packet forward has payload",
        differs = "captured-lengths"
    )]
    pub l7_pkt_min_fwd: Option<u32>,
    /// Maximum of the payload lengths of the packets of the initiator that have payload.
    #[column(
        unit = "bytes",
        scope = "fwd",
        null = "no packet forward has payload",
        differs = "captured-lengths"
    )]
    pub l7_pkt_max_fwd: Option<u32>,
    /// Minimum of the payload lengths of the packets of the responder that have payload.
    #[column(
        unit = "bytes",
        scope = "bwd",
        null = "no packet backward has payload",
        differs = "captured-lengths"
    )]
    pub l7_pkt_min_bwd: Option<u32>,
    /// Maximum of the payload lengths of the packets of the responder that have payload.
    #[column(
        unit = "bytes",
        scope = "bwd",
        null = "no packet backward has payload",
        differs = "captured-lengths"
    )]
    pub l7_pkt_max_bwd: Option<u32>,
    /// (packets_fwd - packets_bwd) / total_packets, from -1 to 1.
    #[column(split = "no")]
    pub pkt_asymmetry: f64,
    /// (bytes_fwd - bytes_bwd) / total_bytes, from -1 to 1; 0 if total_bytes = 0.
    #[column(split = "no")]
    pub byte_asymmetry: f64,
    /// IP length, negative for packets of the responder, of the first max_sequence_length packets.
    #[column(
        unit = "bytes",
        split = "no",
        profile = "OPTIONAL",
        when = "raw_sequences",
        sequence,
        differs = "direction-by-address"
    )]
    pub pkt_len_sequence: Vec<i32>,
}

/// What is kept of an open record.
#[derive(Default)]
pub struct State {
    sides: Sides,
    /// What the plan wants to be listed, from the second packet on: the length of a single packet is known.
    lists: Option<Box<Lists>>,
}

#[derive(Default)]
struct Lists {
    histogram: Lengths,
    /// The first lengths, for a sequence.
    first: Vec<i32>,
}

impl Lists {
    #[inline]
    fn push(&mut self, length: u32, side: usize, plan: &Plan) {
        if plan.histogram {
            self.histogram.push(length, side);
        }
        if self.first.len() < plan.sequence {
            let length = i32::try_from(length).unwrap_or(i32::MAX);
            self.first.push(if side == 0 { length } else { -length });
        }
    }

    /// The lists of a single packet, or of none.
    fn of(sides: &[Side; 2], plan: &Plan) -> Self {
        let mut lists = Self::default();
        for (at, side) in sides.iter().enumerate() {
            if let Some(length) = side.lengths.min() {
                lists.push(length as u32, at, plan);
            }
        }
        lists
    }
}

/// What the plan fixes.
pub struct Plan {
    histogram: bool,
    sequence: usize,
    deviation: Deviation,
}

impl Extractor for State {
    type Features = Size;
    type Options = NoOptions;
    type Plan = Plan;

    fn plan(_: &NoOptions, wanted: &Wanted) -> Plan {
        let of_histogram = |name: &str| {
            let percentile = ["_median", "_p25", "_p75", "_p90"];
            name.starts_with("dominant") || percentile.iter().any(|end| name.ends_with(end))
        };
        Plan {
            histogram: wanted.any(of_histogram),
            sequence: if wanted.any(|name| name == "pkt_len_sequence") {
                wanted.sequence
            } else {
                0
            },
            deviation: wanted.deviation,
        }
    }

    fn packet(&mut self, packet: &Packet<'_>, _: &Flow, plan: &Plan) {
        let side = packet.direction as usize;
        if plan.histogram || plan.sequence > 0 {
            match &mut self.lists {
                Some(lists) => lists.push(packet.ip_len, side, plan),
                None if self.sides.is_empty() => {}
                None => {
                    let lists = self
                        .lists
                        .insert(Box::new(Lists::of(&self.sides.both(), plan)));
                    lists.push(packet.ip_len, side, plan);
                }
            }
        }
        self.sides.push(packet.ip_len, packet.payload_len, side);
    }

    fn finish(&self, _: &Flow, plan: &Plan) -> Size {
        let sides = self.sides.both();
        let [data_forward, data_backward] = sides;
        let (forward, backward) = (data_forward.lengths, data_backward.lengths);
        let all = forward.merge(backward);
        let data = data_forward.payloads.merge(data_backward.payloads);
        let present = data_forward.present + data_backward.present;
        let single;
        let lists = match &self.lists {
            Some(lists) => lists,
            None => {
                single = Lists::of(&sides, plan);
                &single
            }
        };
        let packets = u128::from(all.count());
        let sorted = plan.histogram.then(|| lists.histogram.sorted());
        let sorted = sorted.as_ref();
        let (dominant, times) = lists.histogram.dominant().unwrap_or_default();
        let length = |value: Option<u64>| u32::try_from(value.unwrap_or(0)).unwrap_or(u32::MAX);
        Size {
            pkt_len: LengthSummary::of(&all, sorted, plan.deviation),
            pkt_len_fwd: LengthSpread::of(&forward, sorted, 0, plan.deviation),
            pkt_len_bwd: LengthSpread::of(&backward, sorted, 1, plan.deviation),
            payload_len_min: length(data.min()),
            payload_len_max: length(data.max()),
            payload_len_mean: data.mean(1).unwrap_or_default(),
            payload_len_std: data.std(1, plan.deviation).unwrap_or_default(),
            payload_len_fwd_mean: data_forward.payloads.mean(1),
            payload_len_fwd_std: data_forward.payloads.std(1, plan.deviation),
            payload_len_bwd_mean: data_backward.payloads.mean(1),
            payload_len_bwd_std: data_backward.payloads.std(1, plan.deviation),
            packets_with_payload: present,
            packets_with_payload_fwd: data_forward.present,
            packets_with_payload_bwd: data_backward.present,
            header_only_ratio: ratio(packets - u128::from(present), packets).unwrap_or_default(),
            pkt_len_variance: all.variance().unwrap_or_default(),
            dominant_pkt_size: dominant,
            dominant_pkt_ratio: ratio(times.into(), packets).unwrap_or_default(),
            l7_bytes_fwd: data_forward.payloads.sum(),
            l7_bytes_bwd: data_backward.payloads.sum(),
            l7_bytes_total: data.sum(),
            l7_pkt_min_fwd: data_forward.shortest,
            l7_pkt_max_fwd: data_forward.longest(),
            l7_pkt_min_bwd: data_backward.shortest,
            l7_pkt_max_bwd: data_backward.longest(),
            pkt_asymmetry: asymmetry(forward.count(), backward.count()),
            byte_asymmetry: asymmetry(forward.sum(), backward.sum()),
            pkt_len_sequence: lists.first.clone(),
        }
    }

    fn heap_bytes(&self) -> usize {
        let lists = |lists: &Lists| {
            let first = lists.first.capacity() * size_of::<i32>();
            size_of_val(lists) + lists.histogram.heap_bytes() + first
        };
        self.sides.heap_bytes() + self.lists.as_deref().map_or(0, lists)
    }
}

/// `(a - b) / (a + b)`, 0 for 0 and 0.
fn asymmetry(a: u64, b: u64) -> f64 {
    let part = ratio(a.abs_diff(b).into(), u128::from(a) + u128::from(b)).unwrap_or_default();
    if a < b { -part } else { part }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::features::testing::{Packets, back, forth};

    #[test]
    fn lengths_of_both_directions() {
        let row = Packets::udp()
            .push(forth().ip(40))
            .push(forth().ip(100).payload_len(60))
            .push(back().ip(1500).payload_len(1460))
            .push(forth().ip(40))
            .sequence(3)
            .finish::<State>(&NoOptions);
        let all = &row.pkt_len;
        assert_eq!(
            (all.min, all.max, all.mean, all.median),
            (40, 1500, 420.0, 70.0)
        );
        // 40 40 100 1500: ranks 0.75, 2.25, 2.7
        assert_eq!((all.p25, all.p75, all.p90), (40.0, 450.0, 1080.0));
        // (380^2 + 320^2 + 1080^2 + 380^2) / 4
        assert_eq!(row.pkt_len_variance, 389_400.0);
        assert_eq!(all.std, 389_400f64.sqrt());
        assert_eq!(
            (
                row.pkt_len_fwd.min,
                row.pkt_len_fwd.max,
                row.pkt_len_fwd.median
            ),
            (Some(40), Some(100), Some(40.0))
        );
        assert_eq!(
            (
                row.pkt_len_bwd.mean,
                row.pkt_len_bwd.std,
                row.pkt_len_bwd.median
            ),
            (Some(1500.0), Some(0.0), Some(1500.0))
        );
        assert_eq!(
            (
                row.payload_len_min,
                row.payload_len_max,
                row.payload_len_mean
            ),
            (0, 1460, 380.0)
        );
        assert_eq!(
            (row.payload_len_fwd_mean, row.payload_len_bwd_mean),
            (Some(20.0), Some(1460.0))
        );
        assert_eq!(
            (
                row.packets_with_payload,
                row.packets_with_payload_fwd,
                row.packets_with_payload_bwd
            ),
            (2, 1, 1)
        );
        assert_eq!(row.header_only_ratio, 0.5);
        assert_eq!((row.dominant_pkt_size, row.dominant_pkt_ratio), (40, 0.5));
        assert_eq!(
            (row.l7_bytes_fwd, row.l7_bytes_bwd, row.l7_bytes_total),
            (60, 1460, 1520)
        );
        assert_eq!(
            (row.l7_pkt_min_fwd, row.l7_pkt_max_fwd),
            (Some(60), Some(60))
        );
        assert_eq!(
            (row.pkt_asymmetry, row.byte_asymmetry),
            (0.5, (180.0 - 1500.0) / 1680.0)
        );
        assert_eq!(row.pkt_len_sequence, [40, 100, -1500]);
    }

    #[test]
    fn deviations_may_be_those_of_a_sample() {
        let row = Packets::udp()
            .push(forth().ip(40))
            .push(forth().ip(100).payload_len(60))
            .push(back().ip(70))
            .deviation(Deviation::Sample)
            .finish::<State>(&NoOptions);
        assert_eq!((row.pkt_len.std, row.pkt_len_variance), (30.0, 600.0));
        assert_eq!(row.pkt_len_fwd.std, Some(1800f64.sqrt()));
        assert_eq!(
            (row.pkt_len_bwd.std, row.payload_len_std),
            (Some(0.0), 1200f64.sqrt())
        );
    }

    #[test]
    fn a_direction_without_packets_or_payload_is_null() {
        let row = Packets::udp()
            .push(forth().ip(28))
            .finish::<State>(&NoOptions);
        assert_eq!(row.pkt_len_bwd, LengthSpread::default());
        assert_eq!(
            (
                row.payload_len_bwd_mean,
                row.l7_pkt_min_fwd,
                row.l7_pkt_max_fwd
            ),
            (None, None, None)
        );
        assert_eq!((row.pkt_asymmetry, row.byte_asymmetry), (1.0, 1.0));
    }

    #[test]
    fn packets_without_length_have_no_asymmetry() {
        assert_eq!(asymmetry(0, 0), 0.0);
        assert_eq!(asymmetry(0, 5), -1.0);
    }
}
