//! TCP windows: the field of the header, its changes, and its scale (RFC 9293 section 3.1, RFC 7323 section 2).
//!
//! A packet whose window was not captured takes no part.

use super::extractor::{Extractor, Needs, NoOptions, Wanted};
use crate::flows::Flow;
use crate::packet::{Packet, marks, tcp};
use crate::protocols::tcp_options::{LARGEST_SHIFT, Options};
use crate::schema::Features;
use crate::statistics::{Tally, ratio};

/// Columns of group `tcp_window`, in output order.
#[derive(Features)]
#[features(profile = "JJ-EXTENDED", source = "RFC 9293, RFC 7323")]
pub struct TcpWindow {
    /// Window field of the first packet of the initiator, not scaled.
    #[column(unit = "bytes", scope = "fwd", null = "not TCP or no packet forward")]
    pub tcp_init_win_fwd: Option<u16>,
    /// Window field of the first packet of the responder, not scaled.
    #[column(unit = "bytes", scope = "bwd", null = "not TCP or no packet backward")]
    pub tcp_init_win_bwd: Option<u16>,
    /// Shift of the first window scale option on a SYN or SYN+ACK of the initiator, 14 if larger (RFC 7323 section 2.3).
    #[column(scope = "fwd", null = "not TCP or no such option")]
    pub tcp_win_scale_fwd: Option<u8>,
    /// Shift of the first window scale option on a SYN or SYN+ACK of the responder, 14 if larger (RFC 7323 section 2.3).
    #[column(scope = "bwd", null = "not TCP or no such option")]
    pub tcp_win_scale_bwd: Option<u8>,
    /// Minimum window field over the packets of the initiator.
    #[column(unit = "bytes", scope = "fwd", null = "not TCP or no packet forward")]
    pub tcp_win_fwd_min: Option<u16>,
    /// Maximum window field over the packets of the initiator.
    #[column(unit = "bytes", scope = "fwd", null = "not TCP or no packet forward")]
    pub tcp_win_fwd_max: Option<u16>,
    /// Mean window field over the packets of the initiator.
    #[column(unit = "bytes", scope = "fwd", null = "not TCP or no packet forward")]
    pub tcp_win_fwd_mean: Option<f64>,
    /// Packets of the initiator with window 0, without those with RST.
    #[column(
        unit = "packets",
        scope = "fwd",
        null = "not TCP or no packet forward",
        differs = "reset-windows"
    )]
    pub tcp_win_fwd_zero_count: Option<u64>,
    /// Minimum window field over the packets of the responder.
    #[column(unit = "bytes", scope = "bwd", null = "not TCP or no packet backward")]
    pub tcp_win_bwd_min: Option<u16>,
    /// Maximum window field over the packets of the responder.
    #[column(unit = "bytes", scope = "bwd", null = "not TCP or no packet backward")]
    pub tcp_win_bwd_max: Option<u16>,
    /// Mean window field over the packets of the responder.
    #[column(unit = "bytes", scope = "bwd", null = "not TCP or no packet backward")]
    pub tcp_win_bwd_mean: Option<f64>,
    /// Packets of the responder with window 0, without those with RST.
    #[column(
        unit = "packets",
        scope = "bwd",
        null = "not TCP or no packet backward",
        differs = "reset-windows"
    )]
    pub tcp_win_bwd_zero_count: Option<u64>,
    /// Packets of the initiator whose window field is larger than that of its packet before.
    #[column(unit = "count", scope = "fwd", null = "not TCP")]
    pub tcp_win_fwd_up_count: Option<u64>,
    /// Packets of the initiator whose window field is smaller than that of its packet before.
    #[column(unit = "count", scope = "fwd", null = "not TCP")]
    pub tcp_win_fwd_down_count: Option<u64>,
    /// tcp_win_fwd_up_count + tcp_win_fwd_down_count.
    #[column(unit = "count", scope = "fwd", null = "not TCP")]
    pub tcp_win_fwd_change_count: Option<u64>,
    /// Packets of the responder whose window field is larger than that of its packet before.
    #[column(unit = "count", scope = "bwd", null = "not TCP")]
    pub tcp_win_bwd_up_count: Option<u64>,
    /// Packets of the responder whose window field is smaller than that of its packet before.
    #[column(unit = "count", scope = "bwd", null = "not TCP")]
    pub tcp_win_bwd_down_count: Option<u64>,
    /// tcp_win_bwd_up_count + tcp_win_bwd_down_count.
    #[column(unit = "count", scope = "bwd", null = "not TCP")]
    pub tcp_win_bwd_change_count: Option<u64>,
    /// Maximum window over the packets of the initiator without SYN: window field << tcp_win_scale_fwd, not shifted unless both
    /// sides sent the option (RFC 7323 section 2.2).
    #[column(
        unit = "bytes",
        scope = "fwd",
        null = "not TCP or no packet of the initiator without SYN",
        differs = "scaled-syn"
    )]
    pub tcp_scaled_win_fwd_max: Option<u64>,
    /// Maximum window over the packets of the responder without SYN: window field << tcp_win_scale_bwd, not shifted unless both
    /// sides sent the option (RFC 7323 section 2.2).
    #[column(
        unit = "bytes",
        scope = "bwd",
        null = "not TCP or no packet of the responder without SYN",
        differs = "scaled-syn"
    )]
    pub tcp_scaled_win_bwd_max: Option<u64>,
    /// (tcp_win_fwd_zero_count + tcp_win_bwd_zero_count) / total_packets.
    #[column(null = "not TCP", differs = "reset-windows")]
    pub tcp_zero_win_ratio: Option<f64>,
}

/// What is kept of an open record: something where it is TCP.
#[derive(Default)]
pub struct State(Option<Box<Windows>>);

#[derive(Default)]
struct Windows {
    counts: Tally<COUNTS>,
    sides: [Side; 2],
}

/// What is counted: places in a [`Tally`]. Those of the responder come right behind those of the initiator.
#[derive(Clone, Copy)]
enum Count {
    Packets,
    Known,
    Zero = 3,
    Up = 5,
    Down = 7,
}

const COUNTS: usize = Count::Down as usize + 2;

/// The windows of one direction.
#[derive(Default)]
struct Side {
    sum: u64,
    first: u16,
    last: u16,
    min: u16,
    max: u16,
    /// The largest one without SYN.
    without_syn: Option<u16>,
    /// The shift of the first window scale option on a SYN.
    scale: Option<u8>,
}

/// What the plan fixes.
pub struct Plan {
    scales: bool,
}

impl Extractor for State {
    type Features = TcpWindow;
    type Options = NoOptions;
    type Plan = Plan;

    fn needs(plan: &Plan) -> Needs {
        Needs {
            headers: plan.scales,
            ..Needs::NONE
        }
    }

    fn plan(_: &NoOptions, wanted: &Wanted) -> Plan {
        let of_scale = ["tcp_win_scale", "tcp_scaled_win"];
        Plan {
            scales: wanted.any(|name| of_scale.iter().any(|start| name.starts_with(start))),
        }
    }

    fn packet(&mut self, packet: &Packet<'_>, flow: &Flow, plan: &Plan) {
        if !flow.is_tcp() {
            return;
        }
        let at = packet.direction as usize;
        let Windows { counts, sides } = &mut **self.0.get_or_insert_default();
        counts.count(Count::Packets as usize, true);
        let side = &mut sides[at];
        if plan.scales && side.scale.is_none() && packet.has(tcp::SYN) {
            side.scale = Options::of(packet.transport_header()).window_scale();
        }
        if !packet.is(marks::WINDOW_KNOWN) {
            return;
        }
        let window = packet.window;
        if counts.of(Count::Known as usize + at) == 0 {
            (side.first, side.last, side.min) = (window, window, window);
        }
        counts.count(Count::Known as usize + at, true);
        counts.count(
            Count::Zero as usize + at,
            window == 0 && !packet.has(tcp::RST),
        );
        counts.count(Count::Up as usize + at, window > side.last);
        counts.count(Count::Down as usize + at, window < side.last);
        side.sum += u64::from(window);
        side.last = window;
        side.min = side.min.min(window);
        side.max = side.max.max(window);
        if !packet.has(tcp::SYN) {
            side.without_syn = side.without_syn.max(Some(window));
        }
    }

    fn finish(&self, flow: &Flow, _: &Plan) -> TcpWindow {
        let none;
        let windows = match &self.0 {
            Some(windows) => windows,
            None => {
                none = Windows::default();
                &none
            }
        };
        let count = |what: Count, at: usize| windows.counts.of(what as usize + at);
        let known = [0, 1].map(|at| count(Count::Known, at));
        let [forward, backward] = [0, 1].map(|at| (known[at] > 0).then_some(&windows.sides[at]));
        let mean = |at: usize| ratio(windows.sides[at].sum.into(), known[at].into());
        let zeros = [0, 1].map(|at| count(Count::Zero, at));
        let if_tcp = |what: Count, at: usize| flow.is_tcp().then(|| count(what, at));
        let changes = |at: usize| {
            let changes = count(Count::Up, at) + count(Count::Down, at);
            flow.is_tcp().then_some(changes)
        };
        let scales = [0, 1].map(|at| {
            windows.sides[at]
                .scale
                .map(|shift| shift.min(LARGEST_SHIFT))
        });
        let is_scaled = scales.iter().all(Option::is_some);
        let scaled = |at: usize| {
            let shift = scales[at].filter(|_| is_scaled).unwrap_or(0);
            let window = windows.sides[at].without_syn;
            window.map(|window| u64::from(window) << shift)
        };
        let packets = count(Count::Packets, 0);
        TcpWindow {
            tcp_init_win_fwd: forward.map(|side| side.first),
            tcp_init_win_bwd: backward.map(|side| side.first),
            tcp_win_scale_fwd: scales[0],
            tcp_win_scale_bwd: scales[1],
            tcp_win_fwd_min: forward.map(|side| side.min),
            tcp_win_fwd_max: forward.map(|side| side.max),
            tcp_win_fwd_mean: mean(0),
            tcp_win_fwd_zero_count: forward.map(|_| zeros[0]),
            tcp_win_bwd_min: backward.map(|side| side.min),
            tcp_win_bwd_max: backward.map(|side| side.max),
            tcp_win_bwd_mean: mean(1),
            tcp_win_bwd_zero_count: backward.map(|_| zeros[1]),
            tcp_win_fwd_up_count: if_tcp(Count::Up, 0),
            tcp_win_fwd_down_count: if_tcp(Count::Down, 0),
            tcp_win_fwd_change_count: changes(0),
            tcp_win_bwd_up_count: if_tcp(Count::Up, 1),
            tcp_win_bwd_down_count: if_tcp(Count::Down, 1),
            tcp_win_bwd_change_count: changes(1),
            tcp_scaled_win_fwd_max: scaled(0),
            tcp_scaled_win_bwd_max: scaled(1),
            tcp_zero_win_ratio: ratio(u128::from(zeros[0] + zeros[1]), packets.into()),
        }
    }

    fn heap_bytes(&self) -> usize {
        let bytes = |windows: &Windows| size_of_val(windows) + windows.counts.heap_bytes();
        self.0.as_deref().map_or(0, bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::features::testing::{Packets, back, forth};
    use tcp::{ACK, RST, SYN};

    const SCALE_7: [u8; 4] = [3, 3, 7, 1];

    #[test]
    fn windows_and_their_changes() {
        let row = [500u16, 500, 0, 900, 899]
            .into_iter()
            .fold(Packets::tcp(), |flow, window| {
                flow.push(forth().flags(ACK).window(window))
            })
            .push(back().flags(RST).window(0))
            .push(back().flags(ACK))
            .finish::<State>(&NoOptions);
        assert_eq!(
            (row.tcp_init_win_fwd, row.tcp_init_win_bwd),
            (Some(500), Some(0))
        );
        assert_eq!(
            (row.tcp_win_fwd_min, row.tcp_win_fwd_max),
            (Some(0), Some(900))
        );
        assert_eq!(
            (row.tcp_win_fwd_mean, row.tcp_win_bwd_mean),
            (Some(559.8), Some(0.0))
        );
        assert_eq!(
            (row.tcp_win_fwd_zero_count, row.tcp_win_bwd_zero_count),
            (Some(1), Some(0))
        );
        assert_eq!(
            (row.tcp_win_fwd_up_count, row.tcp_win_fwd_down_count),
            (Some(1), Some(2))
        );
        assert_eq!(
            (row.tcp_win_fwd_change_count, row.tcp_win_bwd_change_count),
            (Some(3), Some(0))
        );
        assert_eq!(row.tcp_zero_win_ratio, Some(1.0 / 7.0));
    }

    #[test]
    fn windows_are_scaled_if_both_sides_offer_it() {
        let opening = Packets::tcp()
            .push(forth().flags(SYN).window(65_535).options(&SCALE_7))
            .push(forth().flags(ACK).window(1000).options(&[3, 3, 9, 1]));
        let answer = back().flags(SYN | ACK).window(65_535);
        let flow = opening.clone().push(answer.options(&[3, 3, 255, 1]));
        let row = flow.finish::<State>(&NoOptions);
        assert_eq!(
            (row.tcp_win_scale_fwd, row.tcp_win_scale_bwd),
            (Some(7), Some(14))
        );
        assert_eq!(
            (row.tcp_scaled_win_fwd_max, row.tcp_scaled_win_bwd_max),
            (Some(128_000), None)
        );
        let row = opening.push(answer).finish::<State>(&NoOptions);
        assert_eq!(
            (row.tcp_win_scale_fwd, row.tcp_win_scale_bwd),
            (Some(7), None)
        );
        assert_eq!(row.tcp_scaled_win_fwd_max, Some(1000));
    }

    #[test]
    fn other_protocols_hold_nothing() {
        let flow = Packets::udp().push(forth());
        assert_eq!(flow.state::<State>(&NoOptions).heap_bytes(), 0);
        let row = flow.finish::<State>(&NoOptions);
        assert_eq!(
            (row.tcp_win_fwd_up_count, row.tcp_zero_win_ratio),
            (None, None)
        );
        assert_eq!(
            (row.tcp_init_win_fwd, row.tcp_win_bwd_zero_count),
            (None, None)
        );
    }
}
