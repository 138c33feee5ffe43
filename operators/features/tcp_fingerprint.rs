//! What the first SYN and SYN+ACK of a flow say about the systems that sent them (JA4T), and how long those have been up.

use super::extractor::{Extractor, Needs, NoOptions, Wanted};
use crate::flows::Flow;
use crate::packet::{Packet, marks, tcp};
use crate::protocols::tcp_options::Options;
use crate::protocols::text::push_decimal;
use crate::schema::Features;
use crate::statistics::{SECOND, ratio};

/// Columns of group `tcp_fingerprint`, in output order.
#[derive(Features)]
#[features(profile = "JJ-EXPERIMENTAL")]
pub struct TcpFingerprint {
    /// JA4T of the first SYN without ACK of the initiator: window_kinds_mss_scale in decimal; kinds of all options in order
    /// joined by "-", NOP 1 and every EOL byte 0 included (the list ends at a cut option and at a non-zero byte behind EOL); "00"
    /// for no options, no MSS, no scale or scale 0.
    #[column(
        scope = "fwd",
        null = "no such packet or its window not captured",
        differs = "hash-of-ttl",
        source = "FoxIO, JA4T and JA4TS"
    )]
    pub tcp_fp_fwd: Option<String>,
    /// JA4TS of the first SYN+ACK of the responder: window_kinds_mss_scale in decimal; kinds of all options in order joined by
    /// "-", NOP 1 and every EOL byte 0 included (the list ends at a cut option and at a non-zero byte behind EOL); "00" for no
    /// options, no MSS, no scale or scale 0.
    #[column(
        scope = "bwd",
        null = "no such packet or its window not captured",
        differs = "hash-of-ttl",
        source = "FoxIO, JA4T and JA4TS"
    )]
    pub tcp_fp_bwd: Option<String>,
    /// Operating system by the packet used for tcp_fp_fwd: always "unknown", as there is no table of signatures yet.
    #[column(
        scope = "fwd",
        null = "no such packet",
        default = "unknown",
        differs = "old-systems"
    )]
    pub tcp_os_hint_fwd: Option<&'static str>,
    /// Operating system by the packet used for tcp_fp_bwd: always "unknown", as there is no table of signatures yet.
    #[column(
        scope = "bwd",
        null = "no such packet",
        default = "unknown",
        differs = "old-systems"
    )]
    pub tcp_os_hint_bwd: Option<&'static str>,
    /// First TSval of the initiator / rate / 3600. Rate: (last TSval - first TSval) mod 2^32 / the time between their packets (at
    /// least 1 s), taken as the one of 1, 10, 100, 250 and 1000 Hz that it differs from by at most 10 %. 1000 Hz gives null:
    /// systems that tick so start at a random offset for each connection.
    #[column(
        unit = "h",
        scope = "fwd",
        null = "no rate can be estimated, or it is 1000 Hz",
        differs = "random-offset"
    )]
    pub tcp_uptime_fwd: Option<f64>,
    /// First TSval of the responder / rate / 3600. Rate: (last TSval - first TSval) mod 2^32 / the time between their packets (at
    /// least 1 s), taken as the one of 1, 10, 100, 250 and 1000 Hz that it differs from by at most 10 %. 1000 Hz gives null:
    /// systems that tick so start at a random offset for each connection.
    #[column(
        unit = "h",
        scope = "bwd",
        null = "no rate can be estimated, or it is 1000 Hz",
        differs = "random-offset"
    )]
    pub tcp_uptime_bwd: Option<f64>,
    /// Window field of the SYN used for tcp_fp_fwd.
    #[column(unit = "bytes", scope = "fwd", null = "no such packet")]
    pub tcp_fp_fwd_window: Option<u16>,
    /// TTL of the SYN used for tcp_fp_fwd.
    #[column(unit = "hops", scope = "fwd", null = "no such packet")]
    pub tcp_fp_fwd_ttl: Option<u8>,
    /// MSS of the SYN used for tcp_fp_fwd.
    #[column(
        unit = "bytes",
        scope = "fwd",
        null = "no such packet or no MSS option"
    )]
    pub tcp_fp_fwd_mss: Option<u16>,
    /// Window scale as it was sent, above 14 too, of the SYN used for tcp_fp_fwd.
    #[column(scope = "fwd", null = "no such packet or no window scale option")]
    pub tcp_fp_fwd_ws: Option<u8>,
    /// Window field of the SYN+ACK used for tcp_fp_bwd.
    #[column(unit = "bytes", scope = "bwd", null = "no such packet")]
    pub tcp_fp_bwd_window: Option<u16>,
    /// TTL of the SYN+ACK used for tcp_fp_bwd.
    #[column(unit = "hops", scope = "bwd", null = "no such packet")]
    pub tcp_fp_bwd_ttl: Option<u8>,
    /// MSS of the SYN+ACK used for tcp_fp_bwd.
    #[column(
        unit = "bytes",
        scope = "bwd",
        null = "no such packet or no MSS option"
    )]
    pub tcp_fp_bwd_mss: Option<u16>,
    /// Window scale as it was sent, above 14 too, of the SYN+ACK used for tcp_fp_bwd.
    #[column(scope = "bwd", null = "no such packet or no window scale option")]
    pub tcp_fp_bwd_ws: Option<u8>,
}

/// What is kept of an open record: something where it is TCP with a SYN or timestamps.
#[derive(Default)]
pub struct State(Option<Box<Seen>>);

/// By direction.
#[derive(Default)]
struct Seen {
    openings: [Option<Box<Opening>>; 2],
    clocks: [Option<Clock>; 2],
}

/// A SYN of the initiator, or a SYN+ACK of the responder.
struct Opening {
    window: Option<u16>,
    mss: Option<u16>,
    scale: Option<u8>,
    ttl: u8,
    /// Number of option kinds, and the kinds: an option list is at most 40 bytes long.
    kinds: (u8, [u8; 40]),
}

/// Two readings of the timestamp clock, with the times of their packets.
struct Clock {
    first: u32,
    last: u32,
    first_time: i64,
    last_time: i64,
}

/// What the plan fixes.
pub struct Plan {
    openings: bool,
    clocks: bool,
}

impl Extractor for State {
    type Features = TcpFingerprint;
    type Options = NoOptions;
    type Plan = Plan;

    fn needs(_: &Plan) -> Needs {
        Needs {
            headers: true,
            ..Needs::NONE
        }
    }

    fn plan(_: &NoOptions, wanted: &Wanted) -> Plan {
        Plan {
            openings: wanted.any(|name| !name.starts_with("tcp_uptime")),
            clocks: wanted.any(|name| name.starts_with("tcp_uptime")),
        }
    }

    fn packet(&mut self, packet: &Packet<'_>, flow: &Flow, plan: &Plan) {
        if !flow.is_tcp() {
            return;
        }
        let options = Options::of(packet.transport_header());
        let at = packet.direction as usize;
        if plan.openings && packet.has(tcp::SYN) && packet.has(tcp::ACK) != packet.is_forward() {
            let opening = &mut self.0.get_or_insert_default().openings[at];
            opening.get_or_insert_with(|| Box::new(Opening::of(packet, options)));
        }
        if plan.clocks
            && let Some(stamps) = options.timestamps()
        {
            let (last, last_time) = (stamps.value, packet.time);
            let clock = &mut self.0.get_or_insert_default().clocks[at];
            let clock = clock.get_or_insert(Clock {
                first: last,
                last,
                first_time: last_time,
                last_time,
            });
            (clock.last, clock.last_time) = (last, last_time);
        }
    }

    fn finish(&self, _: &Flow, _: &Plan) -> TcpFingerprint {
        let opening = |at: usize| self.0.as_ref()?.openings[at].as_deref();
        let clock = |at: usize| self.0.as_ref()?.clocks[at].as_ref();
        let [forward, backward] = [0, 1].map(opening);
        let hint = |opening: Option<&Opening>| opening.map(|_| "unknown");
        TcpFingerprint {
            tcp_fp_fwd: forward.and_then(Opening::ja4t),
            tcp_fp_bwd: backward.and_then(Opening::ja4t),
            tcp_os_hint_fwd: hint(forward),
            tcp_os_hint_bwd: hint(backward),
            tcp_uptime_fwd: clock(0).and_then(Clock::uptime),
            tcp_uptime_bwd: clock(1).and_then(Clock::uptime),
            tcp_fp_fwd_window: forward.and_then(|opening| opening.window),
            tcp_fp_fwd_ttl: forward.map(|opening| opening.ttl),
            tcp_fp_fwd_mss: forward.and_then(|opening| opening.mss),
            tcp_fp_fwd_ws: forward.and_then(|opening| opening.scale),
            tcp_fp_bwd_window: backward.and_then(|opening| opening.window),
            tcp_fp_bwd_ttl: backward.map(|opening| opening.ttl),
            tcp_fp_bwd_mss: backward.and_then(|opening| opening.mss),
            tcp_fp_bwd_ws: backward.and_then(|opening| opening.scale),
        }
    }

    fn heap_bytes(&self) -> usize {
        self.0.as_deref().map_or(0, |seen| {
            let openings = seen.openings.iter().flatten();
            size_of_val(seen)
                + openings
                    .map(|opening| size_of_val(&**opening))
                    .sum::<usize>()
        })
    }
}

impl Opening {
    fn of(packet: &Packet<'_>, options: Options<'_>) -> Self {
        let mut kinds = (0, [0; 40]);
        for (place, kind) in kinds.1.iter_mut().zip(options.kinds()) {
            *place = kind;
            kinds.0 += 1;
        }
        Self {
            window: packet.is(marks::WINDOW_KNOWN).then_some(packet.window),
            mss: options.maximum_segment_size(),
            scale: options.window_scale(),
            ttl: packet.ttl,
            kinds,
        }
    }

    /// JA4T of a SYN, JA4TS of a SYN+ACK.
    fn ja4t(&self) -> Option<String> {
        const NONE: &str = "00";
        let mut text = String::with_capacity(32);
        let push = |text: &mut String, number: Option<u16>| match number {
            Some(number) => push_decimal(text, number),
            None => text.push_str(NONE),
        };
        push(&mut text, Some(self.window?));
        let (count, kinds) = &self.kinds;
        let mut mark = '_';
        for kind in kinds.iter().take((*count).into()) {
            text.push(mark);
            push(&mut text, Some((*kind).into()));
            mark = '-';
        }
        if *count == 0 {
            text.push('_');
            push(&mut text, None);
        }
        let scale = self.scale.filter(|scale| *scale > 0).map(u16::from);
        for number in [self.mss, scale] {
            text.push('_');
            push(&mut text, number);
        }
        Some(text)
    }
}

impl Clock {
    /// Rates of clocks, ticks in a second.
    const RATES: [u64; 5] = [1, 10, 100, 250, 1000];

    /// The rate of clocks that start anew with each connection.
    const RANDOM: u64 = 1000;

    /// How long the clock had been running at the first reading, hours.
    fn uptime(&self) -> Option<f64> {
        let span = self.last_time.abs_diff(self.first_time);
        if span < SECOND {
            return None;
        }
        let ticks = u128::from(self.last.wrapping_sub(self.first)) * u128::from(SECOND);
        let fits = |rate: &u64| {
            let expected = u128::from(*rate) * u128::from(span);
            ticks.abs_diff(expected) * 10 <= expected
        };
        let rate = Self::RATES.into_iter().find(fits);
        let rate = rate.filter(|rate| *rate != Self::RANDOM)?;
        ratio(self.first.into(), u128::from(rate * 3600))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::features::testing::{Built, Packets, back, forth};
    use std::time::Duration;
    use tcp::{ACK, SYN};

    #[test]
    fn fingerprints_of_both_sides() {
        let linux = [
            2, 4, 5, 0xB4, 4, 2, 8, 10, 0, 0, 0, 9, 0, 0, 0, 0, 1, 3, 3, 7,
        ];
        let row = Packets::tcp()
            .push(forth().flags(SYN).window(64_240).ttl(64).options(&linux))
            .push(forth().flags(SYN).window(1).options(&[]))
            .push(back().flags(SYN).window(2).options(&[]))
            .push(
                back()
                    .flags(SYN | ACK)
                    .window(8192)
                    .ttl(128)
                    .options(&[3, 3, 0, 0]),
            )
            .finish::<State>(&NoOptions);
        assert_eq!(row.tcp_fp_fwd.as_deref(), Some("64240_2-4-8-1-3_1460_7"));
        assert_eq!(row.tcp_fp_bwd.as_deref(), Some("8192_3-0_00_00"));
        assert_eq!(
            (row.tcp_fp_fwd_window, row.tcp_fp_fwd_ttl),
            (Some(64_240), Some(64))
        );
        assert_eq!(
            (row.tcp_fp_fwd_mss, row.tcp_fp_fwd_ws),
            (Some(1460), Some(7))
        );
        assert_eq!(
            (row.tcp_fp_bwd_window, row.tcp_fp_bwd_ttl),
            (Some(8192), Some(128))
        );
        assert_eq!((row.tcp_fp_bwd_mss, row.tcp_fp_bwd_ws), (None, Some(0)));
        assert_eq!(
            (row.tcp_os_hint_fwd, row.tcp_os_hint_bwd),
            (Some("unknown"), Some("unknown"))
        );
    }

    #[test]
    fn without_options_and_without_window() {
        let opening = forth().flags(SYN);
        let row = Packets::tcp()
            .push(opening.window(512).options(&[]))
            .finish::<State>(&NoOptions);
        assert_eq!(row.tcp_fp_fwd.as_deref(), Some("512_00_00_00"));
        assert_eq!(
            (row.tcp_fp_bwd, row.tcp_os_hint_bwd, row.tcp_fp_bwd_ttl),
            (None, None, None)
        );
        let row = Packets::tcp().push(opening).finish::<State>(&NoOptions);
        assert_eq!(
            (row.tcp_fp_fwd, row.tcp_os_hint_fwd),
            (None, Some("unknown"))
        );
        assert_eq!((row.tcp_fp_fwd_window, row.tcp_fp_fwd_ttl), (None, Some(0)));
    }

    fn stamped(seconds: u64, value: u32) -> Built {
        let options = [&[1, 1, 8, 10][..], &value.to_be_bytes(), &[0; 4]].concat();
        forth()
            .flags(ACK)
            .at(Duration::from_secs(seconds))
            .options(&options)
    }

    fn uptime(last: Built) -> Option<f64> {
        let flow = Packets::tcp().push(stamped(0, 3_600_000)).push(last);
        flow.finish::<State>(&NoOptions).tcp_uptime_fwd
    }

    #[test]
    fn uptime_from_the_rate_of_the_clock() {
        assert_eq!(uptime(stamped(10, 3_601_000)), Some(10.0), "100 Hz");
        assert_eq!(uptime(stamped(10, 3_601_100)), Some(10.0), "110 Hz");
        assert_eq!(uptime(stamped(10, 3_601_101)), None);
        assert_eq!(uptime(stamped(2, 3_600_500)), Some(4.0), "250 Hz");
        assert_eq!(uptime(stamped(2, 3_602_000)), None, "1000 Hz");
        assert_eq!(uptime(stamped(0, 3_600_100)), None, "too short");
    }

    #[test]
    fn flows_without_syn_and_timestamps_hold_nothing() {
        for flow in [Packets::tcp(), Packets::udp()] {
            let flow = flow.push(forth().flags(ACK).options(&[]));
            assert_eq!(flow.state::<State>(&NoOptions).heap_bytes(), 0);
        }
    }
}
