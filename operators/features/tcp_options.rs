//! TCP options of a flow (RFC 9293 section 3.1, RFC 7323, RFC 2018).
//!
//! The list of a packet ends at the end-of-list option and before an option that is cut; an option of a length that its kind does not
//! have counts as not seen.

use super::extractor::{Extractor, Needs, NoOptions, Wanted};
#[cfg(feature = "ja4plus")]
use super::ja4plus::{self, TcpHandshake, TcpPlus};
use crate::flows::Flow;
use crate::packet::{Packet, tcp};
use crate::protocols::tcp_options::{LARGEST_SHIFT, Options, Timestamps, kind};
use crate::schema::Features;
use crate::statistics::Tally;

/// Columns of group `tcp_options`, in output order.
#[derive(Features)]
#[features(profile = "JJ-EXTENDED", source = "RFC 9293, RFC 7323, RFC 2018")]
pub struct TcpOptions {
    /// Value of the first MSS option (kind 2) seen from the initiator.
    #[column(unit = "bytes", scope = "fwd", null = "not TCP or no such option")]
    pub tcp_mss_fwd: Option<u16>,
    /// Value of the first MSS option (kind 2) seen from the responder.
    #[column(unit = "bytes", scope = "bwd", null = "not TCP or no such option")]
    pub tcp_mss_bwd: Option<u16>,
    /// Alias of tcp_win_scale_fwd.
    #[column(scope = "fwd", null = "not TCP or no such option")]
    pub tcp_ws_fwd: Option<u8>,
    /// Alias of tcp_win_scale_bwd.
    #[column(scope = "bwd", null = "not TCP or no such option")]
    pub tcp_ws_bwd: Option<u8>,
    /// 1 if a SACK-permitted option (kind 4) was seen from the initiator.
    #[column(scope = "fwd", null = "not TCP")]
    pub tcp_sack_permitted_fwd: Option<u8>,
    /// 1 if a SACK-permitted option (kind 4) was seen from the responder.
    #[column(scope = "bwd", null = "not TCP")]
    pub tcp_sack_permitted_bwd: Option<u8>,
    /// Blocks in the SACK options (kind 5) of all packets.
    #[column(unit = "count", null = "not TCP", differs = "first-block")]
    pub tcp_sack_blocks_total: Option<u64>,
    /// 1 if a timestamp option (kind 8) was seen from the initiator.
    #[column(scope = "fwd", null = "not TCP")]
    pub tcp_ts_fwd_present: Option<u8>,
    /// TSval of the first packet of the initiator that has one.
    #[column(
        unit = "ticks",
        scope = "fwd",
        null = "no timestamp option from the initiator"
    )]
    pub tcp_ts_fwd_first: Option<u32>,
    /// TSval of the last packet of the initiator that has one.
    #[column(
        unit = "ticks",
        scope = "fwd",
        null = "no timestamp option from the initiator"
    )]
    pub tcp_ts_fwd_last: Option<u32>,
    /// (last - first) mod 2^32 of the TSvals of the initiator.
    #[column(
        unit = "ticks",
        scope = "fwd",
        null = "no timestamp option from the initiator"
    )]
    pub tcp_ts_fwd_diff: Option<u32>,
    /// TSecr of the first packet of the initiator that has the option.
    #[column(
        unit = "ticks",
        scope = "fwd",
        null = "no timestamp option from the initiator"
    )]
    pub tcp_ts_ecr_fwd_first: Option<u32>,
    /// 1 if a timestamp option (kind 8) was seen from the responder.
    #[column(scope = "bwd", null = "not TCP")]
    pub tcp_ts_bwd_present: Option<u8>,
    /// TSval of the first packet of the responder that has one.
    #[column(
        unit = "ticks",
        scope = "bwd",
        null = "no timestamp option from the responder"
    )]
    pub tcp_ts_bwd_first: Option<u32>,
    /// TSval of the last packet of the responder that has one.
    #[column(
        unit = "ticks",
        scope = "bwd",
        null = "no timestamp option from the responder"
    )]
    pub tcp_ts_bwd_last: Option<u32>,
    /// (last - first) mod 2^32 of the TSvals of the responder.
    #[column(
        unit = "ticks",
        scope = "bwd",
        null = "no timestamp option from the responder"
    )]
    pub tcp_ts_bwd_diff: Option<u32>,
    /// TSecr of the first packet of the responder that has the option.
    #[column(
        unit = "ticks",
        scope = "bwd",
        null = "no timestamp option from the responder"
    )]
    pub tcp_ts_ecr_bwd_first: Option<u32>,
    /// 1 MSS, 2 window scale, 4 SACK-permitted, 8 timestamps seen in either direction.
    #[column(unit = "bitmap", scope = "flow", split = "yes", null = "not TCP")]
    pub tcp_options_bitmap: Option<u8>,
    /// Packets with at least one option other than end of list and no operation.
    #[column(unit = "packets", null = "not TCP", differs = "option-packets")]
    pub tcp_options_pkt_count: Option<u64>,
    /// Option kinds of the first packet with SYN of the initiator, in order, joined by "-": no operation (1) and end of list (0)
    /// count each time, behind the first end of list only zero bytes do.
    #[column(
        scope = "fwd",
        null = "no SYN from the initiator whose header was captured",
        profile = "JF-EXTRA"
    )]
    pub tcp_option_kinds_fwd: Option<String>,
    /// The same of the first packet with SYN of the responder, which is a SYN+ACK as a rule.
    #[column(
        scope = "bwd",
        null = "no SYN from the responder whose header was captured",
        profile = "JF-EXTRA"
    )]
    pub tcp_option_kinds_bwd: Option<String>,
    #[cfg(feature = "ja4plus")]
    #[part]
    pub plus: TcpPlus,
}

/// What is kept of an open record: something where there was an option.
#[derive(Default)]
pub struct State(Option<Box<Seen>>);

#[derive(Default)]
struct Seen {
    counts: Tally<COUNTS>,
    sides: [Side; 2],
    /// OR of [`bit`] over the options that count.
    kinds: u8,
    /// `tcp_option_kinds_*`, if somebody wants them.
    lists: Option<Box<[Option<Box<str>>; 2]>>,
    #[cfg(feature = "ja4plus")]
    handshake: Option<Box<TcpHandshake>>,
}

/// What the plan fixes: whether somebody wants the kinds of a SYN.
pub struct Plan {
    lists: bool,
    #[cfg(feature = "ja4plus")]
    plus: bool,
}

/// What is counted: places in a [`Tally`].
enum Count {
    Packets,
    Blocks,
}

const COUNTS: usize = Count::Blocks as usize + 1;

/// The options of one direction.
#[derive(Default)]
struct Side {
    mss: Option<u16>,
    /// On a SYN.
    scale: Option<u8>,
    sack_permitted: bool,
    stamps: Option<Stamps>,
}

struct Stamps {
    first: Timestamps,
    last: u32,
}

/// The bit of a kind in `tcp_options_bitmap`.
mod bit {
    pub const MAXIMUM_SEGMENT_SIZE: u8 = 1;
    pub const WINDOW_SCALE: u8 = 2;
    pub const SACK_PERMITTED: u8 = 4;
    pub const TIMESTAMPS: u8 = 8;
}

impl Extractor for State {
    type Features = TcpOptions;
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
            lists: wanted.any(|name| name.starts_with("tcp_option_kinds")),
            #[cfg(feature = "ja4plus")]
            plus: ja4plus::is_wanted::<TcpPlus>(wanted),
        }
    }

    fn packet(&mut self, packet: &Packet<'_>, flow: &Flow, plan: &Plan) {
        if !flow.is_tcp() {
            return;
        }
        if plan.lists && packet.has(tcp::SYN) {
            self.list(packet);
        }
        #[cfg(feature = "ja4plus")]
        if plan.plus && packet.is(crate::packet::marks::TCP_KNOWN) {
            self.handshake(packet);
        }
        let options = Options::of(packet.transport_header());
        let mut rest = options;
        if rest.next().is_none() {
            return;
        }
        let seen = &mut **self.0.get_or_insert_default();
        let side = &mut seen.sides[packet.direction as usize];
        seen.counts.count(Count::Packets as usize, true);
        if let Some(stamps) = options.timestamps() {
            seen.kinds |= bit::TIMESTAMPS;
            let first = side.stamps.as_ref().map_or(stamps, |stamps| stamps.first);
            let last = stamps.value;
            side.stamps = Some(Stamps { first, last });
        }
        for option in options {
            match option.kind {
                kind::MAXIMUM_SEGMENT_SIZE => {
                    if let Some(size) = option.value_of(kind::MAXIMUM_SEGMENT_SIZE) {
                        seen.kinds |= bit::MAXIMUM_SEGMENT_SIZE;
                        side.mss.get_or_insert(u16::from_be_bytes(*size));
                    }
                }
                kind::WINDOW_SCALE => {
                    if let Some([shift]) = option.value_of(kind::WINDOW_SCALE) {
                        seen.kinds |= bit::WINDOW_SCALE;
                        if packet.has(tcp::SYN) {
                            side.scale.get_or_insert((*shift).min(LARGEST_SHIFT));
                        }
                    }
                }
                kind::SACK_PERMITTED => {
                    if let Some([]) = option.value_of(kind::SACK_PERMITTED) {
                        seen.kinds |= bit::SACK_PERMITTED;
                        side.sack_permitted = true;
                    }
                }
                kind::SACK => {
                    let blocks = option.sack_blocks();
                    seen.counts.add(Count::Blocks as usize, blocks.into());
                }
                _ => {}
            }
        }
    }

    fn finish(&self, flow: &Flow, _: &Plan) -> TcpOptions {
        let none;
        let seen = match &self.0 {
            Some(seen) => seen,
            None => {
                none = Seen::default();
                &none
            }
        };
        let claim = |claim: bool| flow.is_tcp().then_some(u8::from(claim));
        let count = |what: Count| flow.is_tcp().then(|| seen.counts.of(what as usize));
        let [forward, backward] = &seen.sides;
        let stamps = |side: &Side| {
            let stamps = side.stamps.as_ref()?;
            let (first, last) = (stamps.first.value, stamps.last);
            Some((first, last, last.wrapping_sub(first), stamps.first.echo))
        };
        let [ahead, behind] = [forward, backward].map(stamps);
        let listed = |side: usize| seen.lists.as_ref()?[side].as_deref().map(str::to_owned);
        TcpOptions {
            tcp_mss_fwd: forward.mss,
            tcp_mss_bwd: backward.mss,
            tcp_ws_fwd: forward.scale,
            tcp_ws_bwd: backward.scale,
            tcp_sack_permitted_fwd: claim(forward.sack_permitted),
            tcp_sack_permitted_bwd: claim(backward.sack_permitted),
            tcp_sack_blocks_total: count(Count::Blocks),
            tcp_ts_fwd_present: claim(ahead.is_some()),
            tcp_ts_fwd_first: ahead.map(|(first, ..)| first),
            tcp_ts_fwd_last: ahead.map(|(_, last, ..)| last),
            tcp_ts_fwd_diff: ahead.map(|(_, _, difference, _)| difference),
            tcp_ts_ecr_fwd_first: ahead.map(|(.., echo)| echo),
            tcp_ts_bwd_present: claim(behind.is_some()),
            tcp_ts_bwd_first: behind.map(|(first, ..)| first),
            tcp_ts_bwd_last: behind.map(|(_, last, ..)| last),
            tcp_ts_bwd_diff: behind.map(|(_, _, difference, _)| difference),
            tcp_ts_ecr_bwd_first: behind.map(|(.., echo)| echo),
            tcp_options_bitmap: flow.is_tcp().then_some(seen.kinds),
            tcp_options_pkt_count: count(Count::Packets),
            tcp_option_kinds_fwd: listed(0),
            tcp_option_kinds_bwd: listed(1),
            #[cfg(feature = "ja4plus")]
            plus: (seen.handshake.as_deref()).map_or_else(TcpPlus::default, TcpHandshake::columns),
        }
    }

    fn heap_bytes(&self) -> usize {
        let lists = |lists: &[Option<Box<str>>; 2]| {
            let texts = lists.iter().flatten().map(|text| text.len());
            size_of_val(lists) + texts.sum::<usize>()
        };
        let bytes = |seen: &Seen| {
            let lists = seen.lists.as_deref().map_or(0, lists);
            #[cfg(feature = "ja4plus")]
            let lists = lists
                + seen.handshake.as_deref().map_or(0, |handshake| {
                    size_of_val(handshake) + handshake.heap_bytes()
                });
            size_of_val(seen) + seen.counts.heap_bytes() + lists
        };
        self.0.as_deref().map_or(0, bytes)
    }
}

impl State {
    #[cfg(feature = "ja4plus")]
    fn handshake(&mut self, packet: &Packet<'_>) {
        let known = self.0.as_ref().is_some_and(|seen| seen.handshake.is_some());
        if known || TcpHandshake::starts(packet) {
            let seen = self.0.get_or_insert_default();
            seen.handshake.get_or_insert_default().packet(packet);
        }
    }

    /// Keeps the kinds of the options of a SYN.
    fn list(&mut self, packet: &Packet<'_>) {
        let header = packet.transport_header();
        let Some(kinds) = Options::whole(header).map(Options::kinds) else {
            return;
        };
        let lists = self.0.get_or_insert_default().lists.get_or_insert_default();
        lists[packet.direction as usize].get_or_insert_with(|| {
            let kinds: Vec<String> = kinds.map(|kind| kind.to_string()).collect();
            kinds.join("-").into()
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::features::testing::{Built, Packets, back, forth};
    use tcp::{ACK, SYN};

    fn stamped(packet: Built, value: u32, echo: u32) -> Built {
        let options = [
            &[1, 1, 8, 10][..],
            &value.to_be_bytes(),
            &echo.to_be_bytes(),
        ];
        packet.flags(ACK).options(&options.concat())
    }

    #[test]
    fn kinds_of_the_syn_in_order() {
        let kinds = |packets: &[Built]| {
            let flow = packets
                .iter()
                .fold(Packets::tcp(), |flow, packet| flow.push(*packet));
            let row = flow.finish::<State>(&NoOptions);
            (row.tcp_option_kinds_fwd, row.tcp_option_kinds_bwd)
        };
        let syn = forth()
            .flags(SYN)
            .options(&[2, 4, 5, 0xB4, 1, 3, 3, 7, 4, 2, 0, 0]);
        let answer = back().flags(SYN | ACK).options(&[2, 4, 5, 0xB4]);
        let again = forth().flags(SYN).options(&[1, 1, 1, 1]);
        let text = |text: &str| Some(text.to_owned());
        assert_eq!(
            kinds(&[syn, answer, again]),
            (text("2-1-3-4-0-0"), text("2"))
        );
        assert_eq!(kinds(&[forth().flags(SYN).options(&[])]), (text(""), None));
        let mut cut = syn;
        cut.header.payload -= 1;
        assert_eq!(
            kinds(&[cut, again]),
            (text("1-1-1-1"), None),
            "a cut header says nothing"
        );
        assert_eq!(kinds(&[stamped(forth(), 1, 1)]), (None, None));
    }

    #[test]
    fn options_of_both_sides() {
        let opening = [
            2, 4, 5, 0xB4, 4, 2, 8, 10, 0, 0, 0, 9, 0, 0, 0, 0, 1, 3, 3, 20,
        ];
        let two_blocks = [&[1, 1, 5, 18][..], &[0; 16]].concat();
        let row = Packets::tcp()
            .push(forth().flags(SYN).options(&opening))
            .push(back().flags(SYN | ACK).options(&[2, 4, 4, 0, 2, 4, 1, 1]))
            .push(stamped(forth(), u32::MAX, 77))
            .push(stamped(forth(), 3, 78))
            .push(back().flags(ACK).options(&two_blocks))
            .push(back().flags(ACK).options(&[3, 3, 5, 0]))
            .push(back().flags(ACK).options(&[1, 1, 1, 0]))
            .finish::<State>(&NoOptions);
        assert_eq!((row.tcp_mss_fwd, row.tcp_mss_bwd), (Some(1460), Some(1024)));
        assert_eq!((row.tcp_ws_fwd, row.tcp_ws_bwd), (Some(14), None));
        assert_eq!(
            (row.tcp_sack_permitted_fwd, row.tcp_sack_permitted_bwd),
            (Some(1), Some(0))
        );
        assert_eq!(
            (row.tcp_ts_fwd_present, row.tcp_ts_bwd_present),
            (Some(1), Some(0))
        );
        assert_eq!(
            (row.tcp_ts_fwd_first, row.tcp_ts_fwd_last),
            (Some(9), Some(3))
        );
        assert_eq!(row.tcp_ts_fwd_diff, Some(u32::MAX - 5));
        assert_eq!(
            (row.tcp_ts_ecr_fwd_first, row.tcp_ts_bwd_first),
            (Some(0), None)
        );
        assert_eq!(
            (row.tcp_sack_blocks_total, row.tcp_options_bitmap),
            (Some(2), Some(15))
        );
        assert_eq!(row.tcp_options_pkt_count, Some(6));
    }

    #[test]
    fn an_option_of_a_wrong_length_is_carried_and_not_seen() {
        let row = Packets::tcp()
            .push(forth().flags(SYN).options(&[2, 3, 5, 4, 3, 0, 3, 2]))
            .finish::<State>(&NoOptions);
        assert_eq!(
            (row.tcp_mss_fwd, row.tcp_sack_permitted_fwd),
            (None, Some(0))
        );
        assert_eq!(
            (row.tcp_options_bitmap, row.tcp_options_pkt_count),
            (Some(0), Some(1))
        );
    }

    #[test]
    fn flows_without_options_hold_nothing() {
        let flow = Packets::tcp().push(forth().flags(ACK).options(&[]));
        assert_eq!(flow.state::<State>(&NoOptions).heap_bytes(), 0);
        let row = flow.finish::<State>(&NoOptions);
        assert_eq!(
            (row.tcp_options_bitmap, row.tcp_ts_fwd_present),
            (Some(0), Some(0))
        );
        let row = Packets::udp().push(forth()).finish::<State>(&NoOptions);
        assert_eq!(
            (row.tcp_options_bitmap, row.tcp_sack_blocks_total),
            (None, None)
        );
    }
}
