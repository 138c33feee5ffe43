//! Round-trip times of TCP: of the handshake, by timestamps (RFC 7323), by acknowledgements (RFC 6298), as the capture point sees
//! them: from a packet to its answer.
//!
//! Nothing is smoothed, and no sample is left out for its size.

use super::extractor::{Extractor, Needs, NoOptions, Wanted};
use crate::flows::Flow;
use crate::packet::{Packet, marks, tcp};
use crate::protocols::handshake::Handshake;
use crate::protocols::sequence::{Numbering, Segment, Step, distance};
use crate::protocols::tcp_options::{Options, Timestamps};
use crate::schema::Features;
use crate::statistics::{Deviation, Moments, SECOND, TimeSpread, ratio, seconds};

/// Columns of group `tcp_rtt`, in output order.
#[derive(Features)]
#[features(profile = "JJ-EXTENDED", source = "RFC 6298, RFC 7323")]
pub struct TcpRtt {
    /// Time from the SYN to the ACK of tcp_complete_handshake. Null if that SYN or its SYN+ACK was seen more than once before
    /// (Karn's algorithm, RFC 6298 section 3).
    #[column(
        unit = "s",
        scope = "flow",
        null = "no complete handshake, or its SYN or SYN+ACK was repeated",
        differs = "doubled-half"
    )]
    pub tcp_rtt_handshake: Option<f64>,
    /// Minimum of the round-trip times by the timestamps option, both directions pooled (RFC 7323 section 4.1). A TSval waits
    /// with the time of its first segment that takes sequence numbers (payload, SYN, FIN) if it is newer (mod 2^32) than all of
    /// its direction before; while 64 wait, further ones are left out. A packet of the other direction whose acknowledgement
    /// number is above all before it, or the first one, gives a sample if its TSecr is a waiting TSval: the time since then; all
    /// waiting ones that are not newer than TSecr stop waiting. RST packets take no part.
    #[column(unit = "s", null = "no sample", differs = "repeated-echoes")]
    pub tcp_rtt_min: Option<f64>,
    /// Maximum of the round-trip times by the timestamps option, both directions pooled (RFC 7323 section 4.1): see tcp_rtt_min.
    #[column(unit = "s", null = "no sample", differs = "repeated-echoes")]
    pub tcp_rtt_max: Option<f64>,
    /// Arithmetic mean of the round-trip times by the timestamps option, both directions pooled (RFC 7323 section 4.1): see
    /// tcp_rtt_min.
    #[column(unit = "s", null = "no sample", differs = "repeated-echoes")]
    pub tcp_rtt_mean: Option<f64>,
    /// Number of the round-trip times by the timestamps option, both directions pooled (RFC 7323 section 4.1): see tcp_rtt_min.
    #[column(unit = "count", differs = "repeated-echoes")]
    pub tcp_rtt_samples: u64,
    /// Population standard deviation (divide by n) of the round-trip times by the timestamps option, both directions pooled (RFC
    /// 7323 section 4.1): see tcp_rtt_min.
    #[column(unit = "s", null = "no sample", differs = "repeated-echoes")]
    pub tcp_rtt_std: Option<f64>,
    /// Arithmetic mean of the absolute differences of consecutive samples (tcp_rtt_min) of the same direction, both directions
    /// pooled.
    #[column(
        unit = "s",
        null = "no direction with 2 samples",
        differs = "mixed-jitter"
    )]
    pub tcp_rtt_jitter_avg: Option<f64>,
    /// Minimum of the times from segment to acknowledgement, both directions pooled. A segment that takes sequence numbers waits
    /// if it ends above all before it in its direction, or is the first; one that starts below that end marks the waiting ones it
    /// overlaps as sent again; a restart of the numbering (tcp_seq_fwd_bytes_sent) forgets them. A packet of the other direction
    /// whose acknowledgement number is above all before it, or the first one, takes the waiting segments that end at or below it:
    /// the last of them gives the sample, unless one of them was sent again (Karn's algorithm, RFC 6298 section 3). While 64
    /// wait, further ones are left out, and the acknowledgement that reaches the end of the first such one gives no sample. RST
    /// packets take no part.
    #[column(unit = "s", null = "no sample", differs = "exact-acknowledgements")]
    pub tcp_rtt_ack_min: Option<f64>,
    /// Maximum of the times from segment to acknowledgement, both directions pooled: see tcp_rtt_ack_min.
    #[column(unit = "s", null = "no sample", differs = "exact-acknowledgements")]
    pub tcp_rtt_ack_max: Option<f64>,
    /// Arithmetic mean of the times from segment to acknowledgement, both directions pooled: see tcp_rtt_ack_min.
    #[column(unit = "s", null = "no sample", differs = "exact-acknowledgements")]
    pub tcp_rtt_ack_mean: Option<f64>,
    #[part]
    pub sides: TcpRttSides,
}

/// Further columns of group `tcp_rtt`, in output order: round trips on either side of the capture point.
#[derive(Default, Features)]
#[features(group = "tcp_rtt", profile = "JF-EXTRA", source = "RFC 6298")]
pub struct TcpRttSides {
    /// Time from the SYN to the SYN+ACK of tcp_complete_handshake, whether its ACK came or not: the way to the responder and
    /// back. Null if one of them was seen more than once (Karn's algorithm, RFC 6298 section 3).
    #[column(
        unit = "s",
        scope = "flow",
        null = "no SYN+ACK to a SYN, or one of them was repeated"
    )]
    pub tcp_rtt_syn_synack: Option<f64>,
    /// Time from the SYN+ACK to the ACK of tcp_complete_handshake: the way to the initiator and back. Null as
    /// tcp_rtt_handshake.
    #[column(
        unit = "s",
        scope = "flow",
        null = "no complete handshake, or its SYN or SYN+ACK was repeated"
    )]
    pub tcp_rtt_synack_ack: Option<f64>,
    /// the times from segment to acknowledgement of the segments of the initiator, the way to the responder and back: see
    /// tcp_rtt_ack_min.
    #[family(unit = "s", scope = "fwd", null = "no sample")]
    pub tcp_rtt_fwd: TimeSpread,
    /// the times from segment to acknowledgement of the segments of the responder, the way to the initiator and back: see
    /// tcp_rtt_ack_min.
    #[family(unit = "s", scope = "bwd", null = "no sample")]
    pub tcp_rtt_bwd: TimeSpread,
}

/// What is kept of an open record: something where it is TCP.
#[derive(Default)]
pub struct State(Option<Box<Times>>);

#[derive(Default)]
struct Times {
    handshake: Handshake<i64>,
    sides: [Side; 2],
    by_stamps: Moments,
    /// Sum and number of the differences of consecutive samples.
    jitter: (u64, u64),
    by_acks: Moments,
    /// The same samples by the direction of their segments, if somebody wants them.
    by_sides: Option<Box<[Moments; 2]>>,
}

/// One direction: what it sent that waits for an answer, and what it acknowledged.
#[derive(Default)]
struct Side {
    numbering: Numbering,
    /// The highest acknowledgement number it sent.
    acknowledged: Option<u32>,
    /// Its newest TSval.
    newest: Option<u32>,
    /// The last sample of a TSval that it sent, ns.
    last_sample: Option<u64>,
    ticks: Vec<Tick>,
    segments: Vec<Sent>,
    /// The end of the first segment that was left out.
    left_out: Option<u32>,
}

/// A TSval that waits for its echo.
struct Tick {
    value: u32,
    time: i64,
}

/// A segment that waits for its acknowledgement.
struct Sent {
    start: u32,
    end: u32,
    time: i64,
    again: bool,
}

/// What waits in one direction at most.
const WAITING: usize = 64;

/// A list that is empty gives its memory back if it had room for more than this.
const KEPT: usize = 8;

/// What the plan fixes: what is wanted.
pub struct Plan {
    handshake: bool,
    stamps: bool,
    acks: bool,
    sides: bool,
    deviation: Deviation,
}

impl Extractor for State {
    type Features = TcpRtt;
    type Options = NoOptions;
    type Plan = Plan;

    fn needs(plan: &Plan) -> Needs {
        Needs {
            headers: plan.stamps,
            ..Needs::NONE
        }
    }

    fn plan(_: &NoOptions, wanted: &Wanted) -> Plan {
        let is_handshake = |name: &str| {
            let legs = ["tcp_rtt_syn_synack", "tcp_rtt_synack_ack"];
            name == "tcp_rtt_handshake" || legs.contains(&name)
        };
        let is_side =
            |name: &str| name.starts_with("tcp_rtt_fwd_") || name.starts_with("tcp_rtt_bwd_");
        let is_ack = |name: &str| name.starts_with("tcp_rtt_ack") || is_side(name);
        Plan {
            handshake: wanted.any(is_handshake),
            stamps: wanted.any(|name| !is_handshake(name) && !is_ack(name)),
            acks: wanted.any(is_ack),
            sides: wanted.any(is_side),
            deviation: wanted.deviation,
        }
    }

    fn packet(&mut self, packet: &Packet<'_>, flow: &Flow, plan: &Plan) {
        if !flow.is_tcp() || !packet.is(marks::TCP_KNOWN) || packet.has(tcp::RST) {
            return;
        }
        let times = &mut **self.0.get_or_insert_default();
        if plan.handshake {
            times.handshake.packet(packet, packet.time);
        }
        if !plan.stamps && !plan.acks {
            return;
        }
        let stamps = if plan.stamps {
            Options::of(packet.transport_header()).timestamps()
        } else {
            None
        };
        if packet.has(tcp::ACK) {
            times.acknowledge(packet, stamps, plan);
        }
        times.send(packet, stamps, plan);
    }

    fn finish(&self, _: &Flow, plan: &Plan) -> TcpRtt {
        let none;
        let times = match &self.0 {
            Some(times) => times,
            None => {
                none = Times::default();
                &none
            }
        };
        let handshake = match times.handshake {
            Handshake::Complete {
                opened,
                completed,
                repeated: false,
                ..
            } => Some(seconds(completed.abs_diff(opened))),
            _ => None,
        };
        let legs = times.handshake.answer();
        let third = match times.handshake {
            Handshake::Complete { completed, .. } => Some(completed),
            _ => None,
        };
        let by_side = |side: usize| {
            let moments = times.by_sides.as_ref().map(|sides| &sides[side]);
            moments.map_or_else(TimeSpread::default, |moments| {
                TimeSpread::of(moments, plan.deviation)
            })
        };
        let (stamps, acks) = (&times.by_stamps, &times.by_acks);
        let (jitter, differences) = times.jitter;
        TcpRtt {
            tcp_rtt_handshake: handshake,
            tcp_rtt_min: stamps.min().map(seconds),
            tcp_rtt_max: stamps.max().map(seconds),
            tcp_rtt_mean: stamps.mean(SECOND),
            tcp_rtt_samples: stamps.count(),
            tcp_rtt_std: stamps.std(SECOND, plan.deviation),
            tcp_rtt_jitter_avg: ratio(jitter.into(), u128::from(differences) * u128::from(SECOND)),
            tcp_rtt_ack_min: acks.min().map(seconds),
            tcp_rtt_ack_max: acks.max().map(seconds),
            tcp_rtt_ack_mean: acks.mean(SECOND),
            sides: TcpRttSides {
                tcp_rtt_syn_synack: legs.map(|(syn, answer)| seconds(answer.abs_diff(syn))),
                tcp_rtt_synack_ack: legs
                    .zip(third)
                    .map(|((_, answer), third)| seconds(third.abs_diff(answer))),
                tcp_rtt_fwd: by_side(0),
                tcp_rtt_bwd: by_side(1),
            },
        }
    }

    fn heap_bytes(&self) -> usize {
        let side = |side: &Side| {
            side.ticks.capacity() * size_of::<Tick>() + side.segments.capacity() * size_of::<Sent>()
        };
        self.0.as_deref().map_or(0, |times| {
            let by_sides = times.by_sides.as_deref();
            size_of_val(times)
                + times.sides.iter().map(side).sum::<usize>()
                + by_sides.map_or(0, size_of_val)
        })
    }
}

impl Times {
    /// Takes the acknowledgement of a packet: measures what its receiver sent.
    fn acknowledge(&mut self, packet: &Packet<'_>, stamps: Option<Timestamps>, plan: &Plan) {
        let [forward, backward] = &mut self.sides;
        let (sender, receiver) = if packet.is_forward() {
            (forward, backward)
        } else {
            (backward, forward)
        };
        let before = sender.acknowledged;
        if before.is_some_and(|before| distance(packet.ack, before) <= 0) {
            return; // only an acknowledgement that advances measures anything
        }
        sender.acknowledged = Some(packet.ack);
        if let Some(stamps) = stamps {
            receiver.ticks.retain(|tick| {
                if tick.value == stamps.echo {
                    let sample = packet.time.abs_diff(tick.time);
                    self.by_stamps.push(sample);
                    if let Some(last) = receiver.last_sample.replace(sample) {
                        self.jitter.0 = self.jitter.0.wrapping_add(sample.abs_diff(last));
                        self.jitter.1 += 1;
                    }
                }
                distance(tick.value, stamps.echo) > 0
            });
            give_back(&mut receiver.ticks);
        }
        let (mut last, mut again) = (None, false);
        receiver.segments.retain(|sent| {
            let covered = distance(packet.ack, sent.end) >= 0;
            if covered {
                last = Some(sent.time);
                again |= sent.again;
            }
            !covered
        });
        give_back(&mut receiver.segments);
        let beyond = receiver
            .left_out
            .is_some_and(|end| distance(packet.ack, end) >= 0);
        if beyond {
            receiver.left_out = None;
        }
        if let Some(time) = last
            && !again
            && !beyond
        {
            let sample = packet.time.abs_diff(time);
            self.by_acks.push(sample);
            if plan.sides {
                // of the direction whose segment was acknowledged
                let side = 1 - packet.direction as usize;
                self.by_sides.get_or_insert_default()[side].push(sample);
            }
        }
    }

    /// Takes the segment of a packet, which waits for its answer.
    fn send(&mut self, packet: &Packet<'_>, stamps: Option<Timestamps>, plan: &Plan) {
        let at = packet.direction as usize;
        let segment = Segment::of(packet);
        let side = &mut self.sides[at];
        let step = side.numbering.take(&segment);
        if step == Step::Restart {
            side.segments = Vec::new();
            side.left_out = None;
            self.sides[1 - at].acknowledged = None;
        }
        if segment.length() == 0 {
            return;
        }
        let side = &mut self.sides[at];
        if let Some(Timestamps { value, .. }) = stamps
            && side.newest.is_none_or(|newest| distance(value, newest) > 0)
        {
            side.newest = Some(value);
            if side.ticks.len() < WAITING {
                let time = packet.time;
                side.ticks.push(Tick { value, time });
            }
        }
        if plan.acks {
            side.wait(&segment, step, packet.time);
        }
    }
}

impl Side {
    /// Lets a segment wait for its acknowledgement, and marks those of which it sends something again.
    fn wait(&mut self, segment: &Segment, step: Step, time: i64) {
        let (start, end) = (segment.start, segment.end());
        if let Step::Next(top) = step {
            if distance(start, top) < 0 {
                for sent in &mut self.segments {
                    sent.again |= distance(sent.start, end) < 0 && distance(start, sent.end) < 0;
                }
            }
            if distance(end, top) <= 0 {
                return;
            }
        }
        if self.segments.len() < WAITING {
            self.segments.push(Sent {
                start,
                end,
                time,
                again: false,
            });
        } else {
            self.left_out.get_or_insert(end);
        }
    }
}

/// Frees an empty list that was long.
fn give_back<T>(list: &mut Vec<T>) {
    if list.is_empty() && list.capacity() > KEPT {
        *list = Vec::new();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::features::testing::{Built, Packets, back, forth};
    use std::time::Duration;
    use tcp::{ACK, FIN, RST, SYN};

    fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    fn data(at: u64, start: u32, payload: u32) -> Built {
        let packet = forth().flags(ACK).seq(start, 1);
        packet.payload_len(payload).at(ms(at))
    }

    fn ack(at: u64, number: u32) -> Built {
        back().flags(ACK).seq(1, number).at(ms(at))
    }

    fn stamped(packet: Built, value: u32, echo: u32) -> Built {
        let options = [
            &[1, 1, 8, 10][..],
            &value.to_be_bytes(),
            &echo.to_be_bytes(),
        ];
        packet.options(&options.concat())
    }

    fn row(packets: impl IntoIterator<Item = Built>) -> TcpRtt {
        packets
            .into_iter()
            .fold(Packets::tcp(), Packets::push)
            .finish::<State>(&NoOptions)
    }

    #[test]
    fn time_of_the_handshake() {
        let syn = |at| forth().flags(SYN).seq(99, 0).at(ms(at));
        let answer = |at| back().flags(SYN | ACK).seq(499, 100).at(ms(at));
        let last = |at| forth().flags(ACK).seq(100, 500).at(ms(at));
        let of = |packets: &[Built]| row(packets.iter().copied()).tcp_rtt_handshake;
        assert_eq!(of(&[syn(0), answer(20), last(30)]), Some(0.03));
        assert_eq!(of(&[syn(0), answer(20)]), None);
        assert_eq!(
            of(&[syn(0), syn(10), answer(20), last(30)]),
            None,
            "a SYN twice"
        );
        assert_eq!(
            of(&[syn(0), answer(20), answer(25), last(30)]),
            None,
            "a SYN+ACK twice"
        );
        let other = forth().flags(SYN).seq(7, 0);
        assert_eq!(
            of(&[other, syn(10), answer(20), last(30)]),
            Some(0.02),
            "another SYN"
        );
    }

    #[test]
    fn times_by_acknowledgement() {
        let row = row([
            data(0, 0, 10),
            data(1, 10, 10),
            ack(50, 20),
            ack(60, 20),
            data(100, 20, 10),
            ack(130, 25),
            ack(160, 30),
        ]);
        // the last of both, and the one that was acknowledged in parts
        assert_eq!(
            (row.tcp_rtt_ack_min, row.tcp_rtt_ack_max),
            (Some(0.049), Some(0.06))
        );
        assert_eq!(row.tcp_rtt_ack_mean, Some(0.0545));
        assert_eq!(
            (row.tcp_rtt_samples, row.tcp_rtt_min, row.tcp_rtt_mean),
            (0, None, None)
        );
    }

    #[test]
    fn what_was_sent_again_measures_nothing() {
        let again = [
            data(0, 0, 10),
            data(40, 0, 10),
            data(41, 10, 10),
            ack(50, 20),
            data(60, 20, 1),
            ack(63, 21),
        ];
        let row = row(again);
        assert_eq!(
            (row.tcp_rtt_ack_min, row.tcp_rtt_ack_max),
            (Some(0.003), Some(0.003))
        );
    }

    #[test]
    fn syn_and_fin_are_acknowledged_and_rst_is_not_asked() {
        let row = row([
            forth().flags(SYN).seq(u32::MAX, 0),
            back().flags(RST | ACK).seq(0, 0).at(ms(1)),
            back().flags(SYN | ACK).seq(0, 0).at(ms(2)),
            forth().flags(FIN | ACK).seq(0, 1).at(ms(3)),
            ack(7, 1),
        ]);
        assert_eq!(
            (row.tcp_rtt_ack_min, row.tcp_rtt_ack_max),
            (Some(0.001), Some(0.004))
        );
        assert_eq!(row.tcp_rtt_ack_mean, Some(0.007 / 3.0));
    }

    #[test]
    fn a_new_numbering_forgets_the_old_one() {
        let row = row([
            data(0, 1_000_000, 10),
            ack(10, 1_000_005),
            forth().flags(SYN).seq(99, 0).at(ms(20)),
            back().flags(SYN | ACK).seq(0, 100).at(ms(25)),
        ]);
        assert_eq!(
            (row.tcp_rtt_ack_min, row.tcp_rtt_ack_max),
            (Some(0.005), Some(0.005))
        );
    }

    #[test]
    fn times_by_timestamps() {
        let row = row([
            stamped(data(0, 0, 10), 7, 0),
            stamped(data(5, 10, 10), 7, 0),
            stamped(ack(30, 10), 70, 7),
            stamped(ack(40, 20), 80, 7),
            stamped(data(50, 20, 10), 9, 80),
            stamped(ack(90, 30), 90, 9),
            stamped(ack(95, 30), 95, 9),
        ]);
        // the first segment with 7 until its first echo; 9; a pure acknowledgement's own stamp waits for nothing
        assert_eq!(
            (row.tcp_rtt_samples, row.tcp_rtt_min, row.tcp_rtt_max),
            (2, Some(0.03), Some(0.04))
        );
        assert_eq!(
            (row.tcp_rtt_mean, row.tcp_rtt_std),
            (Some(0.035), Some(0.005))
        );
        assert_eq!(row.tcp_rtt_jitter_avg, Some(0.01));
    }

    #[test]
    fn stamps_wrap_and_an_echo_passes_older_ones() {
        let row = row([
            stamped(data(0, 0, 10), u32::MAX, 0),
            stamped(data(5, 10, 10), 3, 0),
            stamped(data(6, 20, 10), 2, 0),
            stamped(ack(30, 20), 70, 3),
            stamped(ack(31, 30), 70, u32::MAX),
        ]);
        assert_eq!((row.tcp_rtt_samples, row.tcp_rtt_max), (1, Some(0.025)));
        assert_eq!(row.tcp_rtt_jitter_avg, None);
    }

    #[test]
    fn at_most_64_wait() {
        let many = (0..70).map(|n| stamped(data(n, 10 * n as u32, 10), n as u32 + 1, 0));
        let flow = many.fold(Packets::tcp(), Packets::push);
        assert!(flow.state::<State>(&NoOptions).heap_bytes() < 3 << 10);
        // of the 65th only the end is known; after it, times are known again
        let flow = flow
            .push(stamped(ack(100, 640), 1, 64))
            .push(stamped(ack(110, 650), 1, 65))
            .push(stamped(data(120, 700, 10), 99, 1))
            .push(stamped(ack(125, 710), 1, 99));
        let bytes = flow.state::<State>(&NoOptions).heap_bytes();
        assert!(bytes < 1 << 10, "{bytes}");
        let row = flow.finish::<State>(&NoOptions);
        assert_eq!(
            (row.tcp_rtt_ack_min, row.tcp_rtt_ack_max),
            (Some(0.005), Some(0.037))
        );
        assert_eq!(row.tcp_rtt_samples, 2);
    }

    #[test]
    fn other_protocols_hold_nothing() {
        let flow = Packets::udp().push(forth());
        assert_eq!(flow.state::<State>(&NoOptions).heap_bytes(), 0);
        let row = flow.finish::<State>(&NoOptions);
        assert_eq!((row.tcp_rtt_handshake, row.tcp_rtt_samples), (None, 0));
    }
}
