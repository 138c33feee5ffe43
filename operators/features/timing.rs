//! Inter-arrival times, bursts and idle times of a biflow, and its first packets as sequences.

use super::extractor::{Extractor, Wanted};
use crate::columns::{Column, Item, RowWriter, Values};
use crate::flows::Flow;
use crate::options::Options;
use crate::packet::{Direction, Packet};
use crate::schema::{DataType, Features, Value};
use crate::statistics::{
    Deviation, Gap, GapLists, Moments, Quantiles, SECOND, Spread, Summary, ratio, seconds,
};

/// Columns of group `timing`, in output order.
#[derive(Features)]
pub struct Timing {
    /// the inter-arrival times of consecutive packets.
    #[family(unit = "s", null = "fewer than 2 packets")]
    pub iat: Summary,
    /// the inter-arrival times of consecutive packets of the initiator.
    #[family(unit = "s", scope = "fwd", null = "fewer than 2 packets forward")]
    pub iat_fwd: Spread,
    /// the inter-arrival times of consecutive packets of the responder.
    #[family(unit = "s", scope = "bwd", null = "fewer than 2 packets backward")]
    pub iat_bwd: Spread,
    /// Coefficient of variation of the inter-arrival times: population standard deviation / mean.
    #[column(null = "fewer than 2 packets, or mean inter-arrival time 0")]
    pub burstiness_index: Option<f64>,
    /// Coefficient of variation of the inter-arrival times of the initiator.
    #[column(
        scope = "fwd",
        null = "fewer than 2 packets forward, or their mean inter-arrival time 0"
    )]
    pub burstiness_index_fwd: Option<f64>,
    /// Coefficient of variation of the inter-arrival times of the responder.
    #[column(
        scope = "bwd",
        null = "fewer than 2 packets backward, or their mean inter-arrival time 0"
    )]
    pub burstiness_index_bwd: Option<f64>,
    /// Number of bursts: maximal runs of packets whose consecutive inter-arrival times are below burst_threshold; a lone packet is a
    /// burst of 1.
    #[column(unit = "count", differs = "lone-packet")]
    pub burst_count: u64,
    /// total_packets / burst_count.
    #[column(unit = "packets", differs = "lone-packet")]
    pub avg_burst_packets: f64,
    /// Mean over bursts of the time from the first packet of the burst to its last.
    #[column(unit = "s")]
    pub avg_burst_duration: f64,
    /// Largest number of packets in one burst.
    #[column(unit = "packets", differs = "lone-packet")]
    pub max_burst_packets: u64,
    /// Number of inter-arrival times of burst_threshold or more.
    #[column(unit = "count")]
    pub idle_count: u64,
    /// Mean of the inter-arrival times of burst_threshold or more.
    #[column(unit = "s", null = "idle_count = 0")]
    pub avg_idle_duration: Option<f64>,
    /// Largest inter-arrival time of burst_threshold or more.
    #[column(unit = "s", null = "idle_count = 0")]
    pub max_idle_duration: Option<f64>,
    /// Time of the first packet of the responder - start_time.
    #[column(unit = "s", scope = "bwd", split = "no", null = "no packet backward")]
    pub first_response_time: Option<f64>,
    /// The first max_sequence_length inter-arrival times.
    #[column(
        unit = "s",
        profile = "OPTIONAL",
        when = "raw_sequences",
        sequence,
        differs = "zero-padded"
    )]
    pub iat_sequence: Vec<f64>,
    /// Time since start_time of the first max_sequence_length packets.
    #[column(
        unit = "s",
        profile = "OPTIONAL",
        when = "raw_sequences",
        sequence,
        differs = "zero-padded"
    )]
    pub timestamp_sequence: Vec<f64>,
    /// For the first max_sequence_length packets: IP length, inter-arrival time in seconds (0 for the first packet), direction (+1
    /// forward, -1 backward).
    #[column(split = "no", profile = "OPTIONAL", when = "splt", sequence)]
    pub splt: Vec<Step>,
    /// The lengths of splt.
    #[column(
        unit = "bytes",
        split = "no",
        profile = "OPTIONAL",
        when = "splt",
        sequence
    )]
    pub splt_lengths: Vec<u32>,
    /// The inter-arrival times of splt.
    #[column(
        unit = "s",
        split = "no",
        profile = "OPTIONAL",
        when = "splt",
        sequence
    )]
    pub splt_times: Vec<f64>,
    /// The directions of splt.
    #[column(split = "no", profile = "OPTIONAL", when = "splt", sequence)]
    pub splt_directions: Vec<i8>,
}

/// Settings of group `timing`.
#[derive(Clone, Debug, Options)]
pub struct TimingOptions {
    /// Percentiles and medians of inter-arrival times are exact for lists up to this long; those of longer lists are within 1/256
    /// of the value and need little memory. 0 keeps every time, eight bytes each.
    #[option(default = "1024")]
    pub quantile_exact: usize,
}

/// One packet of `splt`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Step {
    /// IP length, bytes.
    pub length: u32,
    /// Time since the packet before, seconds.
    pub time: f64,
    /// +1 forward, -1 backward.
    pub direction: i8,
}

impl Value for Step {
    fn data_type() -> DataType {
        DataType::Struct(vec![
            ("length".to_owned(), DataType::U32),
            ("time".to_owned(), DataType::F64),
            ("direction".to_owned(), DataType::I8),
        ])
    }
    fn write(&self, out: &mut RowWriter<'_>) {
        out.structure(|column| self.push(column));
    }
}

impl Item for Step {
    fn push(&self, items: &mut Column) {
        if let Values::Struct(parts) = &mut items.values
            && let [(_, length), (_, time), (_, direction)] = &mut parts[..]
        {
            self.length.push(length);
            self.time.push(time);
            self.direction.push(direction);
        }
    }
}

/// What is kept of an open record.
#[derive(Default)]
pub struct State {
    /// Time of the last packet.
    last: i64,
    opening: Option<Opening>,
    /// From the second packet on.
    gaps: Option<Box<Gaps>>,
}

/// The first packet.
#[derive(Clone, Copy)]
struct Opening {
    /// IP length.
    length: u32,
    direction: Direction,
    /// Whether there was a packet of the other direction.
    is_answered: bool,
}

impl Opening {
    /// Whether there was a packet of this direction.
    fn has(self, side: usize) -> bool {
        self.is_answered || self.direction as usize == side
    }
}

/// The times between packets.
#[derive(Default)]
struct Gaps {
    all: Moments,
    /// By direction.
    sides: [Moments; 2],
    /// Time of the last packet, by direction.
    last: [i64; 2],
    idle_count: u64,
    idle_sum: u64,
    /// Packets of the burst that is going on.
    burst: u64,
    max_burst: u64,
    first_response: i64,
    lists: Option<Box<Lists>>,
}

/// What some plans want to be kept of some flows.
#[derive(Default)]
struct Lists {
    gaps: GapLists,
    /// The first packets, as far as sequences need them.
    first: Vec<Seen>,
}

/// The lists of a record that has none.
const NO_LISTS: &Lists = &Lists {
    gaps: GapLists::NONE,
    first: Vec::new(),
};

/// A packet that may enter a sequence.
struct Seen {
    time: i64,
    length: u32,
    direction: i8,
}

impl Gaps {
    /// The state after the first packet.
    fn of(time: i64, opening: Opening, plan: &Plan) -> Self {
        let mut gaps = Self {
            burst: 1,
            max_burst: 1,
            last: [time; 2],
            first_response: time,
            ..Self::default()
        };
        gaps.see(time, opening.length, opening.direction, plan);
        gaps
    }

    /// Takes the next packet, `length` after the one before.
    #[inline]
    fn push(&mut self, length: u64, packet: &Packet<'_>, opening: &mut Opening, plan: &Plan) {
        let side = packet.direction as usize;
        let first = opening.direction as usize;
        let is_known = opening.has(side);
        let own = packet.time.abs_diff(self.last[side]);
        // the first gap is known from the moments while it is the only one
        if plan.exact > 0 && self.all.count() > 0 {
            let gap = Gap {
                length,
                side,
                all: &self.all,
                own: is_known.then_some((own, &self.sides[side])),
                first,
                second: if opening.is_answered {
                    1 - first
                } else {
                    first
                },
            };
            let lists = self.lists.get_or_insert_default();
            lists.gaps.push(gap, plan.exact);
        }
        self.all.push(length);
        if length >= plan.threshold {
            self.idle_count += 1;
            self.idle_sum += length;
            self.burst = 1;
        } else {
            self.burst += 1;
        }
        self.max_burst = self.max_burst.max(self.burst);
        if is_known {
            self.sides[side].push(own);
        } else {
            opening.is_answered = true;
            if side == 1 {
                self.first_response = packet.time;
            }
        }
        self.last[side] = packet.time;
        self.see(packet.time, packet.ip_len, packet.direction, plan);
    }

    /// Keeps a packet if sequences need it.
    #[inline]
    fn see(&mut self, time: i64, length: u32, direction: Direction, plan: &Plan) {
        if plan.kept == 0 {
            return;
        }
        let first = &mut self.lists.get_or_insert_default().first;
        if first.len() < plan.kept {
            first.push(Seen {
                time,
                length,
                direction: match direction {
                    Direction::Forward => 1,
                    Direction::Backward => -1,
                },
            });
        }
    }
}

/// What the plan fixes.
pub struct Plan {
    threshold: u64,
    /// Gaps of a list kept one by one for percentiles; 0 where none are asked for.
    exact: usize,
    /// Whether percentiles of all gaps are asked for, and medians of those of a direction.
    percentiles: bool,
    medians: [bool; 2],
    /// Entries of a sequence at most.
    length: usize,
    /// Packets kept for sequences: `length` gaps need one more.
    kept: usize,
    sequences: bool,
    steps: bool,
    deviation: Deviation,
}

impl Extractor for State {
    type Features = Timing;
    type Options = TimingOptions;
    type Plan = Plan;

    fn plan(options: &TimingOptions, wanted: &Wanted) -> Plan {
        let sequences = wanted.any(|name| matches!(name, "iat_sequence" | "timestamp_sequence"));
        let steps = wanted.any(|name| name.starts_with("splt"));
        let percentiles = ["iat_median", "iat_p25", "iat_p75", "iat_p90", "iat_p99"];
        let percentiles = wanted.any(|name| percentiles.contains(&name));
        let medians = ["iat_fwd_median", "iat_bwd_median"];
        let medians = medians.map(|median| wanted.any(|name| name == median));
        Plan {
            threshold: wanted.burst_threshold,
            exact: match (percentiles || medians != [false; 2], options.quantile_exact) {
                (false, _) => 0,
                (true, 0) => usize::MAX,
                (true, exact) => exact,
            },
            percentiles,
            medians,
            length: wanted.sequence,
            kept: if sequences {
                wanted.sequence.saturating_add(1)
            } else if steps {
                wanted.sequence
            } else {
                0
            },
            sequences,
            steps,
            deviation: wanted.deviation,
        }
    }

    fn packet(&mut self, packet: &Packet<'_>, _: &Flow, plan: &Plan) {
        let before = std::mem::replace(&mut self.last, packet.time);
        let gap = packet.time.abs_diff(before);
        if let Some(opening) = &mut self.opening {
            let first = || Box::new(Gaps::of(before, *opening, plan));
            let gaps = self.gaps.get_or_insert_with(first);
            gaps.push(gap, packet, opening, plan);
        } else {
            self.opening = Some(Opening {
                length: packet.ip_len,
                direction: packet.direction,
                is_answered: false,
            });
        }
    }

    fn finish(&self, flow: &Flow, plan: &Plan) -> Timing {
        let few;
        let gaps = match (&self.gaps, self.opening) {
            (Some(gaps), _) => gaps,
            (None, Some(opening)) => {
                few = Gaps::of(self.last, opening, plan);
                &few
            }
            (None, None) => {
                few = Gaps::default();
                &few
            }
        };
        let lists = gaps.lists.as_deref().unwrap_or(NO_LISTS);
        let first = self.opening.map_or(0, |opening| opening.direction as usize);
        let [mut listed, mut listed_forward, mut listed_backward] = if plan.exact > 0 {
            lists.gaps.lists(first)
        } else {
            [Quantiles::NONE; 3]
        };
        let (all, [forward, backward]) = (&gaps.all, &gaps.sides);
        let packets = self.opening.map_or(0, |_| all.count() + 1);
        // Each gap that is idle time parts two bursts; all others lie inside of one.
        let bursts = gaps.idle_count + u64::from(packets > 0);
        let busy = all.sum() - gaps.idle_sum;
        let idle = |value: Option<f64>| value.filter(|_| gaps.idle_count > 0);
        let steps = if plan.steps {
            steps(&lists.first, plan.length)
        } else {
            Vec::new()
        };
        let (iat_sequence, timestamp_sequence) = if plan.sequences {
            let first = &lists.first;
            (
                between(first, plan.length),
                times(first, plan.length, flow.start),
            )
        } else {
            (Vec::new(), Vec::new())
        };
        Timing {
            iat: Summary::of(all, plan.percentiles.then_some(&mut listed), plan.deviation),
            iat_fwd: Spread::of(
                forward,
                plan.medians[0].then_some(&mut listed_forward),
                plan.deviation,
            ),
            iat_bwd: Spread::of(
                backward,
                plan.medians[1].then_some(&mut listed_backward),
                plan.deviation,
            ),
            burstiness_index: all.variation(),
            burstiness_index_fwd: forward.variation(),
            burstiness_index_bwd: backward.variation(),
            burst_count: bursts,
            avg_burst_packets: ratio(packets.into(), bursts.into()).unwrap_or_default(),
            avg_burst_duration: mean_seconds(busy, bursts).unwrap_or_default(),
            max_burst_packets: gaps.max_burst,
            idle_count: gaps.idle_count,
            avg_idle_duration: mean_seconds(gaps.idle_sum, gaps.idle_count),
            max_idle_duration: idle(all.max().map(seconds)),
            first_response_time: self
                .opening
                .filter(|opening| opening.has(1))
                .map(|_| seconds(gaps.first_response.abs_diff(flow.start))),
            iat_sequence,
            timestamp_sequence,
            splt_lengths: steps.iter().map(|step| step.length).collect(),
            splt_times: steps.iter().map(|step| step.time).collect(),
            splt_directions: steps.iter().map(|step| step.direction).collect(),
            splt: steps,
        }
    }

    fn heap_bytes(&self) -> usize {
        let lists = |lists: &Lists| {
            let first = lists.first.capacity() * size_of::<Seen>();
            size_of_val(lists) + lists.gaps.heap_bytes() + first
        };
        let gaps = |gaps: &Gaps| size_of_val(gaps) + gaps.lists.as_deref().map_or(0, lists);
        self.gaps.as_deref().map_or(0, gaps)
    }
}

fn between(first: &[Seen], length: usize) -> Vec<f64> {
    let pairs = first.windows(2).take(length);
    pairs
        .map(|pair| seconds(pair[1].time.abs_diff(pair[0].time)))
        .collect()
}

fn times(first: &[Seen], length: usize, start: i64) -> Vec<f64> {
    let seen = first.iter().take(length);
    seen.map(|seen| seconds(seen.time.abs_diff(start)))
        .collect()
}

fn steps(first: &[Seen], length: usize) -> Vec<Step> {
    let mut before = first.first().map_or(0, |seen| seen.time);
    let seen = first.iter().take(length);
    seen.map(|seen| Step {
        length: seen.length,
        time: seconds(
            seen.time
                .abs_diff(std::mem::replace(&mut before, seen.time)),
        ),
        direction: seen.direction,
    })
    .collect()
}

fn mean_seconds(sum: u64, n: u64) -> Option<f64> {
    ratio(sum.into(), u128::from(n) * u128::from(SECOND))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::features::testing::{Packets, back, forth};
    use std::time::Duration;

    fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    /// Gaps 10, 40, 50, 100 ms; forward at 0, 50, 200 ms; backward at 10, 100 ms.
    fn packets() -> Packets {
        Packets::udp()
            .push(forth().at(ms(0)).ip(100))
            .push(back().at(ms(10)).ip(200))
            .push(forth().at(ms(50)).ip(100))
            .push(back().at(ms(100)).ip(300))
            .push(forth().at(ms(200)).ip(100))
    }

    #[test]
    fn gaps_bursts_and_idle_times() {
        let row = packets().finish::<State>(&TimingOptions::default());
        assert_eq!(row.iat.min, Some(0.01));
        assert_eq!(row.iat.max, Some(0.1));
        assert_eq!(row.iat.mean, Some(0.05));
        assert_eq!(row.iat.median, Some(0.045));
        assert_eq!(row.iat.sum, Some(0.2));
        assert_eq!(row.iat.p25, Some(0.0325));
        // variance of 10, 40, 50, 100 around 50: (1600 + 100 + 0 + 2500) / 4 = 1050
        let std = 1050f64.sqrt() / 1000.0;
        assert!((row.iat.std.expect("gaps") - std).abs() < 1e-15);
        assert!((row.burstiness_index.expect("gaps") - std / 0.05).abs() < 1e-15);
        assert_eq!(
            (row.iat_fwd.min, row.iat_fwd.max, row.iat_fwd.median),
            (Some(0.05), Some(0.15), Some(0.1))
        );
        assert_eq!((row.iat_bwd.mean, row.iat_bwd.std), (Some(0.09), Some(0.0)));
        // 50 ms is not below the threshold: bursts {0, 10, 50}, {100}, {200}
        assert_eq!(
            (row.burst_count, row.max_burst_packets, row.idle_count),
            (3, 3, 2)
        );
        assert_eq!(row.avg_burst_packets, 5.0 / 3.0);
        assert_eq!(row.avg_burst_duration, 0.05 / 3.0);
        assert_eq!(
            (row.avg_idle_duration, row.max_idle_duration),
            (Some(0.075), Some(0.1))
        );
        assert_eq!(row.first_response_time, Some(0.01));
    }

    #[test]
    fn sequences_hold_the_first_packets() {
        let row = packets()
            .sequence(3)
            .finish::<State>(&TimingOptions::default());
        assert_eq!(row.iat_sequence, [0.01, 0.04, 0.05]);
        assert_eq!(row.timestamp_sequence, [0.0, 0.01, 0.05]);
        assert_eq!(row.splt_lengths, [100, 200, 100]);
        assert_eq!(row.splt_times, [0.0, 0.01, 0.04]);
        assert_eq!(row.splt_directions, [1, -1, 1]);
        assert_eq!(
            row.splt[1],
            Step {
                length: 200,
                time: 0.01,
                direction: -1
            }
        );
    }

    #[test]
    fn one_packet_is_one_burst() {
        let row = Packets::udp()
            .push(forth())
            .finish::<State>(&TimingOptions::default());
        assert_eq!(row.iat, Summary::default());
        assert_eq!(
            (
                row.burst_count,
                row.avg_burst_packets,
                row.avg_burst_duration
            ),
            (1, 1.0, 0.0)
        );
        assert_eq!(
            (row.idle_count, row.avg_idle_duration, row.max_idle_duration),
            (0, None, None)
        );
        assert_eq!(
            (row.burstiness_index, row.first_response_time),
            (None, None)
        );
    }

    #[test]
    fn quantile_exact_bounds_what_is_kept() {
        // gaps of 1, 2 .. 1,100 times 1,000,003 ns
        let mut packets = Packets::udp();
        for n in 0..=1100u64 {
            packets = packets.push(forth().at(Duration::from_nanos(n * (n + 1) / 2 * 1_000_003)));
        }
        let row = |quantile_exact| {
            let options = TimingOptions { quantile_exact };
            packets.clone().finish::<State>(&options)
        };
        let exact = row(0);
        assert_eq!(exact.iat.median, Some(0.550_501_651_5));
        assert_eq!(exact.iat_fwd.median, exact.iat.median);
        assert_eq!(
            (row(1100).iat, row(1100).iat_fwd),
            (exact.iat.clone(), exact.iat_fwd.clone())
        );
        for kept in [1, 64, 1024, 1099] {
            let row = row(kept);
            for (found, exact) in [
                (row.iat.median, exact.iat.median),
                (row.iat.p25, exact.iat.p25),
                (row.iat.p99, exact.iat.p99),
                (row.iat_fwd.median, exact.iat_fwd.median),
            ] {
                let (found, exact) = (found.expect("gaps"), exact.expect("gaps"));
                assert!(
                    (found - exact).abs() <= exact / 256.0,
                    "{found} for {exact}"
                );
                assert_ne!(found, exact, "the histogram was used");
            }
        }
        assert_eq!(
            row(1024).iat,
            packets.finish::<State>(&TimingOptions::default()).iat
        );
    }

    #[test]
    fn packets_at_one_time_have_no_variation() {
        let row = Packets::udp()
            .push(forth())
            .push(forth())
            .finish::<State>(&TimingOptions::default());
        assert_eq!(
            (row.iat.mean, row.burstiness_index, row.burst_count),
            (Some(0.0), None, 1)
        );
    }
}
