//! What the first payload bytes of each direction look like: entropy, uniformity, shares of kinds of bytes.

use super::extractor::{Extractor, Needs, Wanted};
use crate::flows::Flow;
use crate::options::Options;
use crate::packet::Packet;
use crate::schema::Features;
use crate::statistics::{entropy, ratio, uniformity};

/// Columns of group `entropy`, in output order. Samples: the first `entropy_sample` captured payload bytes of each direction, taken
/// packet by packet.
#[derive(Clone, Debug, Default, Features)]
#[features(
    profile = "JJ-EXTENDED",
    source = "Shannon, A Mathematical Theory of Communication, 1948"
)]
pub struct Entropy {
    /// Shannon entropy of the samples of both directions together.
    #[column(unit = "bits/byte", null = "no byte sampled")]
    pub entropy_payload: Option<f64>,
    /// Shannon entropy of the sample of the initiator.
    #[column(
        unit = "bits/byte",
        scope = "fwd",
        null = "no byte of the initiator sampled"
    )]
    pub entropy_initiator: Option<f64>,
    /// Shannon entropy of the sample of the responder.
    #[column(
        unit = "bits/byte",
        scope = "bwd",
        null = "no byte of the responder sampled"
    )]
    pub entropy_responder: Option<f64>,
    /// entropy_initiator / entropy_responder.
    #[column(
        null = "either sample empty, or entropy_responder = 0",
        differs = "division"
    )]
    pub entropy_ratio: Option<f64>,
    /// 1 - chi2 / (n * 255) where chi2 is the sum of (c_b - n/256)^2 / (n/256) over the byte values: 1 = uniform, 0 = one value.
    #[column(null = "fewer than 256 bytes sampled", differs = "uniformity")]
    pub byte_distribution_uniformity: Option<f64>,
    /// Share of bytes 0x20 to 0x7E, 0x09, 0x0A and 0x0D.
    #[column(null = "no byte sampled")]
    pub printable_ratio: Option<f64>,
    /// Share of bytes 0x00.
    #[column(null = "no byte sampled")]
    pub null_ratio: Option<f64>,
    /// Share of bytes from 0x80 on.
    #[column(null = "no byte sampled")]
    pub high_byte_ratio: Option<f64>,
    /// Length of the samples together.
    #[column(unit = "bytes", null = "no byte sampled")]
    pub payload_bytes_sampled: Option<u32>,
}

/// Settings of group `entropy`.
#[derive(Clone, Debug, Options)]
pub struct EntropyOptions {
    /// Payload bytes that are sampled of each direction.
    #[option(default = "256")]
    pub entropy_sample: u64,
}

/// What is kept of an open record: the samples, or what came out of them once both are full.
#[derive(Default)]
pub struct State {
    /// By direction, once there is a byte.
    samples: Option<Box<[Vec<u8>; 2]>>,
    done: Option<Box<Entropy>>,
}

/// What the plan fixes.
pub struct Plan {
    /// Bytes of a sample at most.
    limit: usize,
}

impl Extractor for State {
    type Features = Entropy;
    type Options = EntropyOptions;
    type Plan = Plan;

    fn needs(plan: &Plan) -> Needs {
        Needs {
            payload: u32::try_from(plan.limit).unwrap_or(u32::MAX),
            ..Needs::NONE
        }
    }

    fn plan(options: &EntropyOptions, _: &Wanted) -> Plan {
        // Counts of bytes are kept in 32 bits.
        let limit = options.entropy_sample.min(1 << 30);
        Plan {
            limit: limit as usize,
        }
    }

    fn packet(&mut self, packet: &Packet<'_>, _: &Flow, plan: &Plan) {
        if self.done.is_some() {
            return;
        }
        let payload = packet.payload();
        if payload.is_empty() || plan.limit == 0 {
            return;
        }
        let samples = self.samples.get_or_insert_default();
        let sample = &mut samples[packet.direction as usize];
        let taken = payload.len().min(plan.limit - sample.len());
        if taken == 0 {
            return;
        }
        sample.extend_from_slice(&payload[..taken]);
        if samples.iter().all(|sample| sample.len() == plan.limit) {
            self.done = Some(Box::new(self.evaluate()));
            self.samples = None;
        }
    }

    fn finish(&self, _: &Flow, _: &Plan) -> Entropy {
        match &self.done {
            Some(done) => Entropy::clone(done),
            None => self.evaluate(),
        }
    }

    fn heap_bytes(&self) -> usize {
        let samples = |samples: &[Vec<u8>; 2]| {
            size_of_val(samples) + samples.iter().map(Vec::capacity).sum::<usize>()
        };
        self.samples.as_deref().map_or(0, samples)
            + self.done.as_ref().map_or(0, |_| size_of::<Entropy>())
    }
}

impl State {
    fn evaluate(&self) -> Entropy {
        // most records of a scan have no payload
        let Some(samples) = self.samples.as_deref() else {
            return Entropy::default();
        };
        let [forward, backward] = [0, 1].map(|side| counts(&samples[side]));
        let mut all = forward;
        for (sum, count) in all.iter_mut().zip(&backward) {
            *sum += count;
        }
        let sum = |bytes: std::ops::RangeInclusive<usize>| all[bytes].iter().sum::<u32>();
        let n = sum(0..=255);
        let share = |count: u32| ratio(count.into(), n.into());
        let (initiator, responder) = (entropy(&forward), entropy(&backward));
        let both = match (initiator, responder) {
            (one, None) | (None, one) => one,
            _ => entropy(&all),
        };
        let quotient = |(a, b): (f64, f64)| (b > 0.0).then(|| a / b);
        Entropy {
            entropy_payload: both,
            entropy_initiator: initiator,
            entropy_responder: responder,
            entropy_ratio: initiator.zip(responder).and_then(quotient),
            byte_distribution_uniformity: uniformity(&all),
            printable_ratio: share(sum(0x20..=0x7E) + all[0x09] + all[0x0A] + all[0x0D]),
            null_ratio: share(all[0]),
            high_byte_ratio: share(sum(0x80..=0xFF)),
            payload_bytes_sampled: (n > 0).then_some(n),
        }
    }
}

fn counts(bytes: &[u8]) -> [u32; 256] {
    let mut counts = [0; 256];
    for byte in bytes {
        counts[usize::from(*byte)] += 1;
    }
    counts
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::features::testing::{Packets, back, forth};

    fn sample(entropy_sample: u64) -> EntropyOptions {
        EntropyOptions { entropy_sample }
    }

    #[test]
    fn samples_are_taken_by_direction() {
        let row = Packets::udp()
            .push(forth().payload(b"ab"))
            .push(back().payload(&[0, 0, 0x80, 0xFF]))
            .push(forth().payload(b"ab"))
            .finish::<State>(&sample(256));
        assert_eq!(
            (row.entropy_initiator, row.entropy_responder),
            (Some(1.0), Some(1.5))
        );
        assert_eq!(row.entropy_ratio, Some(1.0 / 1.5));
        // 2 2 2 1 1 of 8
        assert_eq!(row.entropy_payload, Some(2.25));
        assert_eq!(
            (row.printable_ratio, row.null_ratio, row.high_byte_ratio),
            (Some(0.5), Some(0.25), Some(0.25))
        );
        assert_eq!(
            (row.payload_bytes_sampled, row.byte_distribution_uniformity),
            (Some(8), None)
        );
    }

    #[test]
    fn samples_end_at_the_limit_and_are_freed_when_both_are_full() {
        let packets = Packets::udp()
            .push(forth().payload(b"aab"))
            .push(forth().payload(b"zzz"))
            .push(back().payload(b"cccc"))
            .push(back().payload(b"dddd"));
        let row = packets.clone().finish::<State>(&sample(4));
        assert_eq!(row.payload_bytes_sampled, Some(8));
        // aabz and cccc
        assert_eq!(
            (row.entropy_initiator, row.entropy_responder),
            (Some(1.5), Some(0.0))
        );
        assert_eq!(row.entropy_ratio, None, "the divisor is 0");
        let state = packets.state::<State>(&sample(4));
        assert!(state.done.is_some() && state.samples.is_none());
    }

    #[test]
    fn nothing_sampled_is_null() {
        for (packets, limit) in [
            (Packets::udp().push(forth()), 256),
            (Packets::udp().push(forth().payload(b"x")), 0),
        ] {
            let row = packets.finish::<State>(&sample(limit));
            assert_eq!(
                (
                    row.entropy_payload,
                    row.entropy_initiator,
                    row.entropy_ratio
                ),
                (None, None, None)
            );
            assert_eq!(
                (row.printable_ratio, row.payload_bytes_sampled),
                (None, None)
            );
        }
    }

    #[test]
    fn a_counter_is_uniform() {
        let bytes: Vec<u8> = (0..=255).collect();
        let row = Packets::udp()
            .push(forth().payload(&bytes))
            .finish::<State>(&sample(256));
        assert_eq!(
            (row.entropy_payload, row.byte_distribution_uniformity),
            (Some(8.0), Some(1.0))
        );
        assert_eq!(row.entropy_responder, None);
    }
}
