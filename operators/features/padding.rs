//! Signs of padding: constant lengths and rates, cells, header shares.
//!
//! Nothing here looks at payload: the columns are heuristics over lengths and times.

use super::extractor::{Extractor, NoOptions, Wanted};
use crate::flows::Flow;
use crate::packet::Packet;
use crate::schema::Features;
use crate::statistics::{Lengths, Moments, SECOND, ratio};

/// Columns of group `padding`, in output order.
#[derive(Features)]
#[features(profile = "JJ-EXPERIMENTAL")]
pub struct Padding {
    /// Alias of pkt_len_variance.
    #[column(unit = "bytes^2")]
    pub pkt_size_variance: f64,
    /// pkt_len_std / pkt_len_mean; 0 if the mean is 0.
    #[column]
    pub pkt_size_cv: f64,
    /// dominant_size_ratio >= 0.95.
    #[column]
    pub is_constant_size: bool,
    /// Alias of dominant_pkt_size.
    #[column(unit = "bytes")]
    pub dominant_size_mode: u32,
    /// Alias of dominant_pkt_ratio.
    #[column]
    pub dominant_size_ratio: f64,
    /// Number of distinct IP lengths; once there are 4,096, new ones are counted by sixteens.
    #[column(unit = "count")]
    pub unique_size_count: u32,
    /// Shannon entropy (base 2) of the distribution of IP lengths / log2(unique_size_count); 0 if there is one length only.
    #[column]
    pub size_entropy: f64,
    /// Population variance of the inter-arrival times of consecutive packets.
    #[column(unit = "s^2", null = "fewer than 2 packets")]
    pub iat_variance: Option<f64>,
    /// Population standard deviation / mean of the inter-arrival times; 0 if the mean is 0 (otherwise equals burstiness_index).
    #[column(null = "fewer than 2 packets")]
    pub iat_cv: Option<f64>,
    /// iat_cv <= 0.1 and at least 4 packets.
    #[column(null = "fewer than 2 packets", differs = "few-gaps")]
    pub is_constant_rate: Option<bool>,
    /// Packets with an IP length from 580 to 600.
    #[column(unit = "packets")]
    pub tor_cell_count: u64,
    /// tor_cell_count / total_packets.
    #[column]
    pub tor_cell_ratio: f64,
    /// tor_cell_ratio >= 0.7 and (one packet or pkt_size_cv < 0.1).
    #[column(split = "no")]
    pub is_tor_like: bool,
    /// burst_overhead_bytes / total_bytes: the share of headers; 0 if total_bytes = 0.
    #[column(null = "fewer than 2 packets", differs = "burst-padding")]
    pub burst_padding_ratio: Option<f64>,
    /// Sum of IP length - payload length over all packets.
    #[column(
        unit = "bytes",
        null = "fewer than 2 packets",
        differs = "burst-padding"
    )]
    pub burst_overhead_bytes: Option<i64>,
    /// Mean over all bursts (burst_count) of payload bytes / IP bytes of the burst, added in order of time; bursts without bytes
    /// are left out.
    #[column(
        null = "fewer than 2 packets",
        default = "1",
        differs = "captured-lengths"
    )]
    pub avg_burst_payload_efficiency: Option<f64>,
    /// min(1, 0.3 is_constant_size + 0.2 (dominant_size_ratio > 0.8) + 0.2 is_constant_rate + 0.3 is_tor_like).
    #[column(scope = "flow", differs = "few-gaps")]
    pub padding_score: f64,
}

/// What is kept of an open record.
#[derive(Default)]
pub struct State {
    /// Time of the last packet.
    last: i64,
    /// IP and payload length of the first packet.
    first: Option<(u32, u32)>,
    /// From the second packet on.
    sums: Option<Box<Sums>>,
}

#[derive(Default)]
struct Sums {
    lengths: Moments,
    payload: u64,
    cells: u64,
    gaps: Moments,
    burst: Burst,
    /// Sum over the bursts that are over of payload / bytes, and how many those are.
    efficiency: (f64, u64),
    histogram: Option<Box<Lengths>>,
}

/// Packets that follow each other closely.
#[derive(Clone, Copy, Default)]
struct Burst {
    bytes: u64,
    payload: u64,
}

impl Burst {
    /// Adds its part of payload to a sum.
    #[expect(clippy::cast_precision_loss, reason = "a share of a burst")]
    fn add_to(self, (sum, bursts): (f64, u64)) -> (f64, u64) {
        if self.bytes == 0 {
            return (sum, bursts);
        }
        (sum + self.payload as f64 / self.bytes as f64, bursts + 1)
    }
}

impl Sums {
    /// The state after one packet, or none.
    fn of(first: Option<(u32, u32)>, plan: &Plan) -> Self {
        let mut sums = Self {
            histogram: plan.histogram.then(Box::default),
            ..Self::default()
        };
        if let Some((length, payload)) = first {
            sums.push(length, payload);
        }
        sums
    }

    #[inline]
    fn push(&mut self, length: u32, payload: u32) {
        self.lengths.push(length.into());
        self.payload += u64::from(payload);
        self.cells += u64::from((580..=600).contains(&length));
        self.burst.bytes += u64::from(length);
        self.burst.payload += u64::from(payload);
        if let Some(histogram) = &mut self.histogram {
            histogram.push(length, 0);
        }
    }
}

/// What the plan fixes.
pub struct Plan {
    burst_threshold: u64,
    histogram: bool,
}

impl Extractor for State {
    type Features = Padding;
    type Options = NoOptions;
    type Plan = Plan;

    fn plan(_: &NoOptions, wanted: &Wanted) -> Plan {
        let of_histogram = [
            "is_constant_size",
            "dominant_size_mode",
            "dominant_size_ratio",
            "unique_size_count",
            "size_entropy",
            "padding_score",
        ];
        Plan {
            burst_threshold: wanted.burst_threshold,
            histogram: wanted.any(|name| of_histogram.contains(&name)),
        }
    }

    fn packet(&mut self, packet: &Packet<'_>, _: &Flow, plan: &Plan) {
        let before = std::mem::replace(&mut self.last, packet.time);
        if self.first.is_none() {
            self.first = Some((packet.ip_len, packet.payload_len));
            return;
        }
        let first = self.first;
        let sums = self
            .sums
            .get_or_insert_with(|| Box::new(Sums::of(first, plan)));
        let gap = packet.time.abs_diff(before);
        sums.gaps.push(gap);
        if gap >= plan.burst_threshold {
            let burst = std::mem::take(&mut sums.burst);
            sums.efficiency = burst.add_to(sums.efficiency);
        }
        sums.push(packet.ip_len, packet.payload_len);
    }

    fn finish(&self, _: &Flow, plan: &Plan) -> Padding {
        let single;
        let sums = match &self.sums {
            Some(sums) => sums,
            None => {
                single = Sums::of(self.first, plan);
                &single
            }
        };
        let packets = u128::from(sums.lengths.count());
        let many = sums.gaps.count() > 0;
        let share = |part: u64| ratio(part.into(), packets).unwrap_or_default();
        let bytes = sums.lengths.sum();
        let overhead = bytes.saturating_sub(sums.payload);
        let histogram = sums.histogram.as_deref();
        let (dominant, times) = histogram.and_then(Lengths::dominant).unwrap_or_default();
        let sorted = histogram.map(Lengths::sorted);
        let (size_cv, size_ratio, cells) = (
            sums.lengths.variation().unwrap_or_default(),
            share(times),
            share(sums.cells),
        );
        let iat_cv = many.then(|| sums.gaps.variation().unwrap_or_default());
        let constant_size = size_ratio >= 0.95;
        let constant_rate = iat_cv.map(|variation| variation <= 0.1 && packets >= 4);
        let tor_like = cells >= 0.7 && (packets == 1 || size_cv < 0.1);
        Padding {
            pkt_size_variance: sums.lengths.variance().unwrap_or_default(),
            pkt_size_cv: size_cv,
            is_constant_size: constant_size,
            dominant_size_mode: dominant,
            dominant_size_ratio: size_ratio,
            unique_size_count: sorted.as_ref().map_or(0, |sorted| sorted.distinct()),
            size_entropy: sorted.map_or(0.0, |sorted| sorted.evenness()),
            iat_variance: sums.gaps.variance().map(per_second_squared),
            iat_cv,
            is_constant_rate: constant_rate,
            tor_cell_count: sums.cells,
            tor_cell_ratio: cells,
            is_tor_like: tor_like,
            burst_padding_ratio: many
                .then(|| ratio(overhead.into(), bytes.into()).unwrap_or_default()),
            burst_overhead_bytes: many.then(|| i64::try_from(overhead).unwrap_or(i64::MAX)),
            avg_burst_payload_efficiency: efficiency(sums).filter(|_| many),
            padding_score: score([
                constant_size,
                size_ratio > 0.8,
                constant_rate.unwrap_or(false),
                tor_like,
            ]),
        }
    }

    fn heap_bytes(&self) -> usize {
        self.sums.as_deref().map_or(0, |sums| {
            let histogram = sums.histogram.as_deref();
            let histogram = histogram.map_or(0, |h| size_of_val(h) + h.heap_bytes());
            size_of_val(sums) + histogram
        })
    }
}

/// From ns^2 to s^2.
#[expect(clippy::cast_precision_loss, reason = "10^18 is a float")]
fn per_second_squared(variance: f64) -> f64 {
    variance / (SECOND * SECOND) as f64
}

/// The mean share of payload over all bursts, the one that is going on included.
#[expect(clippy::cast_precision_loss, reason = "a mean of shares")]
fn efficiency(sums: &Sums) -> Option<f64> {
    let (sum, bursts) = sums.burst.add_to(sums.efficiency);
    (bursts > 0).then(|| sum / bursts as f64)
}

/// The sum of the weights of the signs that are there, at most 1.
fn score(signs: [bool; 4]) -> f64 {
    let weights = [0.3, 0.2, 0.2, 0.3];
    let weighted = signs.into_iter().zip(weights);
    // not `sum`: that of nothing is -0
    let add = |sum: f64, (sign, weight): (bool, f64)| if sign { sum + weight } else { sum };
    weighted.fold(0.0, add).min(1.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::features::testing::{Packets, forth};
    use std::time::Duration;

    fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    #[test]
    fn cells_at_a_constant_rate() {
        let row = (0..5)
            .fold(Packets::tcp(), |flow, n| {
                flow.push(forth().at(ms(20 * n)).ip(590).payload_len(550))
            })
            .finish::<State>(&NoOptions);
        assert_eq!((row.pkt_size_variance, row.pkt_size_cv), (0.0, 0.0));
        assert_eq!(
            (row.dominant_size_mode, row.dominant_size_ratio),
            (590, 1.0)
        );
        assert_eq!((row.unique_size_count, row.size_entropy), (1, 0.0));
        assert_eq!((row.iat_variance, row.iat_cv), (Some(0.0), Some(0.0)));
        assert_eq!(
            (row.is_constant_size, row.is_constant_rate),
            (true, Some(true))
        );
        assert_eq!((row.tor_cell_count, row.tor_cell_ratio), (5, 1.0));
        assert_eq!((row.is_tor_like, row.padding_score), (true, 1.0));
        assert_eq!(
            (row.burst_overhead_bytes, row.burst_padding_ratio),
            (Some(200), Some(200.0 / 2950.0))
        );
        assert_eq!(row.avg_burst_payload_efficiency, Some(550.0 / 590.0));
    }

    #[test]
    fn bursts_of_different_efficiency() {
        let row = Packets::udp()
            .push(forth().ip(100).payload_len(72))
            .push(forth().at(ms(10)).ip(28))
            .push(forth().at(ms(60)).ip(1028).payload_len(1000))
            .push(forth().at(ms(200)).ip(28))
            .finish::<State>(&NoOptions);
        let expected = (72.0 / 128.0 + 1000.0 / 1028.0 + 0.0) / 3.0;
        assert_eq!(row.avg_burst_payload_efficiency, Some(expected));
        assert_eq!((row.unique_size_count, row.dominant_size_mode), (3, 28));
        assert_eq!(
            (row.size_entropy, row.is_constant_size),
            (1.5 / 3f64.log2(), false)
        );
        assert_eq!(
            (row.is_constant_rate, row.padding_score),
            (Some(false), 0.0)
        );
        assert!(row.padding_score.is_sign_positive());
        // 10, 50 and 140 ms: population variance of a mean of 66.67
        let variance = row.iat_variance.expect("gaps");
        assert!(
            (variance - 0.002_955_555_555_555).abs() < 1e-12,
            "{variance}"
        );
    }

    #[test]
    fn a_single_packet_has_no_times() {
        let flow = Packets::udp().push(forth().ip(600).payload_len(572));
        assert_eq!(flow.state::<State>(&NoOptions).heap_bytes(), 0);
        let row = flow.finish::<State>(&NoOptions);
        assert_eq!(
            (row.iat_variance, row.iat_cv, row.is_constant_rate),
            (None, None, None)
        );
        assert_eq!(
            (row.burst_padding_ratio, row.burst_overhead_bytes),
            (None, None)
        );
        assert_eq!(row.avg_burst_payload_efficiency, None);
        assert_eq!((row.tor_cell_count, row.is_tor_like), (1, true));
        assert_eq!((row.dominant_size_mode, row.is_constant_size), (600, true));
        assert_eq!(row.padding_score, 0.3 + 0.2 + 0.3);
    }
}
