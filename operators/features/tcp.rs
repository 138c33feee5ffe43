//! TCP flags and connection state of a flow record (RFC 9293).
//!
//! Packets whose flags are not known (later fragments, cut headers) count in no column about flags.

use super::extractor::{Extractor, NoOptions, Wanted};
use super::tcp_sides::{Sides, TcpSides};
use crate::flows::Flow;
use crate::packet::{Packet, marks, tcp};
use crate::protocols::handshake::Handshake;
use crate::schema::{Features, bitmap};
use crate::statistics::ratio;

/// Columns of group `tcp`, in output order.
#[derive(Features)]
#[features(source = "RFC 9293")]
pub struct Tcp {
    /// protocol = 6.
    #[column(scope = "flow")]
    pub tcp_is_tcp: bool,
    /// Packets with SYN set and ACK clear.
    #[column(unit = "packets", null = "not TCP")]
    pub tcp_syn_count: Option<u64>,
    /// Packets with SYN and ACK set.
    #[column(unit = "packets", null = "not TCP")]
    pub tcp_synack_count: Option<u64>,
    /// Packets with FIN set.
    #[column(unit = "packets", null = "not TCP")]
    pub tcp_fin_count: Option<u64>,
    /// Packets with RST set.
    #[column(unit = "packets", null = "not TCP")]
    pub tcp_rst_count: Option<u64>,
    /// Packets with ACK set (SYN+ACK packets count too).
    #[column(unit = "packets", null = "not TCP")]
    pub tcp_ack_count: Option<u64>,
    /// Packets with PSH set.
    #[column(unit = "packets", null = "not TCP")]
    pub tcp_psh_count: Option<u64>,
    /// Packets with URG set.
    #[column(unit = "packets", null = "not TCP")]
    pub tcp_urg_count: Option<u64>,
    /// Packets with ECE set.
    #[column(unit = "packets", null = "not TCP")]
    pub tcp_ece_count: Option<u64>,
    /// Packets with CWR set.
    #[column(unit = "packets", null = "not TCP")]
    pub tcp_cwr_count: Option<u64>,
    /// In this order: an initiator SYN without ACK (the latest counts); a responder SYN+ACK that acknowledges its ISN+1 (up to
    /// ISN+1+D where the SYN carried data); an initiator segment with ACK, without SYN and RST, whose acknowledgement number is
    /// responder ISN+1.
    #[column(scope = "flow", null = "not TCP", differs = "two-packet-handshake")]
    pub tcp_complete_handshake: Option<bool>,
    /// FIN seen from both endpoints and no RST in an earlier packet than the FIN that completes the pair.
    #[column(scope = "flow", null = "not TCP", differs = "ended-by-fin")]
    pub tcp_graceful_close: Option<bool>,
    /// tcp_rst_count > 0.
    #[column(scope = "flow", null = "not TCP")]
    pub tcp_reset_close: Option<bool>,
    /// (tcp_syn_count + tcp_synack_count) / total_packets.
    #[column(null = "not TCP")]
    pub tcp_syn_ratio: Option<f64>,
    /// tcp_fin_count / total_packets.
    #[column(null = "not TCP")]
    pub tcp_fin_ratio: Option<f64>,
    /// tcp_rst_count / total_packets.
    #[column(null = "not TCP")]
    pub tcp_rst_ratio: Option<f64>,
    /// tcp_psh_count / total_packets.
    #[column(null = "not TCP")]
    pub tcp_psh_ratio: Option<f64>,
    /// Packets with payload (equals packets_with_payload for TCP flows).
    #[column(unit = "packets", null = "not TCP", differs = "captured-lengths")]
    pub tcp_data_packets: Option<u64>,
    /// Packets with ACK set, SYN, FIN and RST clear and without payload.
    #[column(unit = "packets", null = "not TCP", differs = "captured-lengths")]
    pub tcp_ack_only_packets: Option<u64>,
    /// Whether any packet has no flag of the low 8 at all; FIN+PSH+URG; FIN without ACK and without SYN; SYN+FIN; or SYN+RST.
    #[column(null = "not TCP")]
    pub tcp_flags_anomaly: Option<bool>,
    /// Whether a SYN without ACK was seen from the initiator.
    #[column(scope = "fwd", null = "not TCP")]
    pub tcp_initiator_syn: Option<bool>,
    /// Whether a SYN+ACK was seen from the responder.
    #[column(scope = "bwd", null = "not TCP")]
    pub tcp_responder_synack: Option<bool>,
    /// 1 initiator SYN; 2 responder SYN+ACK; 4 tcp_ack_count > tcp_synack_count; 8 initiator FIN; 16 responder FIN; 32 RST; 64 data
    /// packet; 128 anomaly.
    #[column(
        unit = "bitmap",
        scope = "flow",
        null = "not TCP",
        differs = "captured-lengths"
    )]
    pub tcp_fstat: Option<u8>,
    /// OR of the flag bytes of all packets (FIN 1, SYN 2, RST 4, PSH 8, ACK 16, URG 32, ECE 64, CWR 128).
    #[column(unit = "bitmap", split = "is", null = "not TCP")]
    pub tcp_flags_agg: Option<u16>,
    /// OR of the flag bytes of the packets of the initiator.
    #[column(unit = "bitmap", scope = "fwd", null = "not TCP", element = "6")]
    pub tcp_flags_fwd: Option<u16>,
    /// OR of the flag bytes of the packets of the responder.
    #[column(unit = "bitmap", scope = "bwd", null = "not TCP")]
    pub tcp_flags_bwd: Option<u16>,
    #[part]
    pub sides: TcpSides,
    /// How far the connection came, by the first that holds: CLOSED_FIN (tcp_graceful_close), CLOSED_RST (a RST), HALF_CLOSED (a
    /// FIN of one end), ESTABLISHED (tcp_complete_handshake, or a SYN+ACK of the responder and a packet with payload),
    /// SYN_RECEIVED (a SYN+ACK of the responder), SYN_SENT (a SYN of the initiator without ACK), else MIDSTREAM.
    #[column(scope = "flow", null = "not TCP", profile = "JF-EXTRA")]
    pub tcp_state_end: Option<&'static str>,
}

/// What is kept of an open record.
#[derive(Default)]
pub struct State {
    counts: Counts,
    /// OR of the flags, by direction.
    flags: [u8; 2],
    anomaly: bool,
    initiator_syn: bool,
    responder_syn_ack: bool,
    graceful: bool,
    /// Sides that sent a FIN before any RST, by direction.
    fins: [bool; 2],
    handshake: Handshake<()>,
}

/// What is needed beyond the state that every record has.
pub struct Plan {
    sides: bool,
}

/// What is counted: places in [`Counts`].
#[derive(Clone, Copy)]
enum Count {
    /// All packets: no other count is larger.
    Packets,
    Data,
    AckOnly,
    /// SYN without ACK.
    Syn,
    /// SYN with ACK.
    SynAck,
    Fin,
    Rst,
    Psh,
    Ack,
    Urg,
    Ece,
    Cwr,
}

/// How many there are.
const COUNTS: usize = Count::Cwr as usize + 1;

/// Numbers of packets, and what else few records need.
#[derive(Default)]
struct Counts {
    narrow: [u16; COUNTS],
    /// Few records have it.
    more: Option<Box<More>>,
}

#[derive(Default)]
struct More {
    /// What `narrow` had no room for.
    wide: [u64; COUNTS],
    /// If a column wants it, from the first packet on.
    sides: Sides,
}

impl Counts {
    /// Counts a packet. To be called before anything else of it is counted.
    #[inline]
    fn packet(&mut self) {
        if self.narrow[Count::Packets as usize] == u16::MAX {
            self.widen();
        }
        self.add(Count::Packets, true);
    }

    /// Counts what is so of this packet.
    #[inline]
    fn add(&mut self, what: Count, is_so: bool) {
        self.narrow[what as usize] += u16::from(is_so);
    }

    #[cold]
    fn widen(&mut self) {
        let more = self.more.get_or_insert_default();
        for (wide, narrow) in more.wide.iter_mut().zip(&mut self.narrow) {
            *wide += u64::from(std::mem::take(narrow));
        }
    }

    fn of(&self, what: Count) -> u64 {
        let wide = (self.more.as_ref()).map_or(0, |more| more.wide[what as usize]);
        wide + u64::from(self.narrow[what as usize])
    }
}

impl Extractor for State {
    type Features = Tcp;
    type Options = NoOptions;
    type Plan = Plan;

    fn plan(_: &NoOptions, wanted: &Wanted) -> Plan {
        let sides = TcpSides::schema();
        Plan {
            sides: wanted.any(|name| sides.iter().any(|one| one.name == name)),
        }
    }

    fn packet(&mut self, packet: &Packet<'_>, flow: &Flow, plan: &Plan) {
        if !flow.is_tcp() {
            return;
        }
        if plan.sides {
            let more = self.counts.more.get_or_insert_default();
            more.sides.packet(packet);
        }
        self.counts.packet();
        self.counts.add(Count::Data, packet.payload_len > 0);
        if !packet.is(marks::TCP_KNOWN) {
            return;
        }
        let flags = packet.tcp_flags & 0xFF;
        let has = |flag: u16| flags & flag != 0;
        let side = packet.direction as usize;
        let (syn, syn_ack) = (
            has(tcp::SYN) && !has(tcp::ACK),
            has(tcp::SYN) && has(tcp::ACK),
        );
        if has(tcp::FIN) && !self.seen(tcp::RST) {
            // Before this packet's own RST is noted: in the very packet of the completing FIN it comes too late to matter.
            self.fins[side] = true;
            self.graceful |= self.fins == [true; 2];
        }
        let counts = &mut self.counts;
        counts.add(Count::Syn, syn);
        counts.add(Count::SynAck, syn_ack);
        counts.add(Count::Fin, has(tcp::FIN));
        counts.add(Count::Rst, has(tcp::RST));
        counts.add(Count::Psh, has(tcp::PSH));
        counts.add(Count::Ack, has(tcp::ACK));
        counts.add(Count::Urg, has(tcp::URG));
        counts.add(Count::Ece, has(tcp::ECE));
        counts.add(Count::Cwr, has(tcp::CWR));
        let plain = has(tcp::ACK) && !has(tcp::SYN | tcp::FIN | tcp::RST);
        counts.add(Count::AckOnly, plain && packet.payload_len == 0);
        self.flags[side] |= flags as u8;
        self.anomaly |= is_anomaly(flags);
        self.initiator_syn |= syn && side == 0;
        self.responder_syn_ack |= syn_ack && side == 1;
        self.handshake.packet(packet, ());
    }

    fn finish(&self, flow: &Flow, plan: &Plan) -> Tcp {
        let is_tcp = flow.is_tcp();
        let packets = self.counts.of(Count::Packets);
        let count = |what: Count| is_tcp.then(|| self.counts.of(what));
        let claim = |claim: bool| is_tcp.then_some(claim);
        let share =
            |count: Option<u64>| count.and_then(|count| ratio(count.into(), packets.into()));
        let bits = |flags: u8| is_tcp.then_some(flags.into());
        let flags = self.flags.map(u16::from);
        let [syn, syn_ack] = [Count::Syn, Count::SynAck].map(count);
        let [fin, rst] = [Count::Fin, Count::Rst].map(count);
        let fstat = [
            self.initiator_syn,
            self.responder_syn_ack,
            count(Count::Ack) > syn_ack,
            flags[0] & tcp::FIN != 0,
            flags[1] & tcp::FIN != 0,
            self.seen(tcp::RST),
            count(Count::Data) > Some(0),
            self.anomaly,
        ];
        Tcp {
            tcp_is_tcp: is_tcp,
            tcp_syn_count: syn,
            tcp_synack_count: syn_ack,
            tcp_fin_count: fin,
            tcp_rst_count: rst,
            tcp_ack_count: count(Count::Ack),
            tcp_psh_count: count(Count::Psh),
            tcp_urg_count: count(Count::Urg),
            tcp_ece_count: count(Count::Ece),
            tcp_cwr_count: count(Count::Cwr),
            tcp_complete_handshake: claim(matches!(self.handshake, Handshake::Complete { .. })),
            tcp_graceful_close: claim(self.graceful),
            tcp_reset_close: claim(self.seen(tcp::RST)),
            tcp_syn_ratio: share(syn.zip(syn_ack).map(|(a, b)| a + b)),
            tcp_fin_ratio: share(fin),
            tcp_rst_ratio: share(rst),
            tcp_psh_ratio: share(count(Count::Psh)),
            tcp_data_packets: count(Count::Data),
            tcp_ack_only_packets: count(Count::AckOnly),
            tcp_flags_anomaly: claim(self.anomaly),
            tcp_initiator_syn: claim(self.initiator_syn),
            tcp_responder_synack: claim(self.responder_syn_ack),
            tcp_fstat: is_tcp.then(|| bitmap(fstat)),
            tcp_flags_agg: bits(self.flags[0] | self.flags[1]),
            tcp_flags_fwd: bits(self.flags[0]),
            tcp_flags_bwd: bits(self.flags[1]),
            sides: match &self.counts.more {
                Some(more) if plan.sides => more.sides.finish(),
                _ => TcpSides::default(),
            },
            tcp_state_end: is_tcp.then(|| self.end()),
        }
    }

    fn heap_bytes(&self) -> usize {
        let more = self.counts.more.as_deref();
        more.map_or(0, size_of_val)
    }
}

impl State {
    /// `tcp_state_end`.
    fn end(&self) -> &'static str {
        let answered = self.responder_syn_ack;
        let complete = matches!(self.handshake, Handshake::Complete { .. });
        let has_data = self.counts.of(Count::Data) > 0;
        match () {
            () if self.graceful => "CLOSED_FIN",
            () if self.seen(tcp::RST) => "CLOSED_RST",
            () if self.seen(tcp::FIN) => "HALF_CLOSED",
            () if complete || answered && has_data => "ESTABLISHED",
            () if answered => "SYN_RECEIVED",
            () if self.initiator_syn => "SYN_SENT",
            () => "MIDSTREAM",
        }
    }

    /// Whether a packet had this flag, one of the low eight.
    #[inline]
    fn seen(&self, flag: u16) -> bool {
        u16::from(self.flags[0] | self.flags[1]) & flag != 0
    }
}

/// Whether these are flags that no honest stack sends together.
const fn is_anomaly(flags: u16) -> bool {
    const fn all(flags: u16, bits: u16) -> bool {
        flags & bits == bits
    }
    flags & 0xFF == 0
        || all(flags, tcp::FIN | tcp::PSH | tcp::URG)
        || (flags & (tcp::FIN | tcp::ACK | tcp::SYN) == tcp::FIN)
        || all(flags, tcp::SYN | tcp::FIN)
        || all(flags, tcp::SYN | tcp::RST)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::features::testing::{Built, Packets, back, forth};
    use proptest::prelude::*;
    use tcp::{ACK, FIN, PSH, RST, SYN, URG};

    const ALL: [Count; COUNTS] = [
        Count::Packets,
        Count::Data,
        Count::AckOnly,
        Count::Syn,
        Count::SynAck,
        Count::Fin,
        Count::Rst,
        Count::Psh,
        Count::Ack,
        Count::Urg,
        Count::Ece,
        Count::Cwr,
    ];

    fn row(packets: impl IntoIterator<Item = Built>) -> Tcp {
        packets
            .into_iter()
            .fold(Packets::tcp(), Packets::push)
            .finish::<State>(&NoOptions)
    }

    /// SYN, SYN+ACK, ACK with ISNs 100 and 2^32 - 1.
    fn opening() -> [Built; 3] {
        [
            forth().flags(SYN).seq(100, 0),
            back().flags(SYN | ACK).seq(u32::MAX, 101),
            forth().flags(ACK).seq(101, 0),
        ]
    }

    #[test]
    fn a_whole_connection() {
        let row = row(opening().into_iter().chain([
            forth().flags(PSH | ACK).seq(101, 0).payload_len(10),
            back().flags(ACK).seq(0, 111),
            forth().flags(FIN | ACK).seq(111, 0),
            back().flags(FIN | ACK).seq(0, 112),
            forth().flags(ACK).seq(112, 1),
        ]));
        assert!(row.tcp_is_tcp);
        assert_eq!(
            (row.tcp_syn_count, row.tcp_synack_count, row.tcp_fin_count),
            (Some(1), Some(1), Some(2))
        );
        assert_eq!(
            (row.tcp_ack_count, row.tcp_psh_count, row.tcp_rst_count),
            (Some(7), Some(1), Some(0))
        );
        assert_eq!(row.tcp_complete_handshake, Some(true));
        assert_eq!(
            (row.tcp_graceful_close, row.tcp_reset_close),
            (Some(true), Some(false))
        );
        assert_eq!(
            (row.tcp_syn_ratio, row.tcp_fin_ratio),
            (Some(0.25), Some(0.25))
        );
        assert_eq!(
            (row.tcp_data_packets, row.tcp_ack_only_packets),
            (Some(1), Some(3))
        );
        assert_eq!(row.tcp_flags_anomaly, Some(false));
        assert_eq!(row.tcp_fstat, Some(1 | 2 | 4 | 8 | 16 | 64));
        assert_eq!(
            (row.tcp_flags_agg, row.tcp_flags_fwd, row.tcp_flags_bwd),
            (Some(27), Some(27), Some(19))
        );
    }

    #[test]
    fn handshakes_that_are_none() {
        let mut wrong_ack = opening();
        wrong_ack[1].header.ack = 100;
        assert_eq!(row(wrong_ack).tcp_complete_handshake, Some(false));
        let mut no_third = opening();
        no_third[2].header.ack = 1;
        assert_eq!(row(no_third).tcp_complete_handshake, Some(false));
        // A second SYN with another number voids the answer to the first.
        let [syn, answer, third] = opening();
        let again = forth().flags(SYN).seq(500, 0);
        assert_eq!(
            row([syn, answer, again, third]).tcp_complete_handshake,
            Some(false)
        );
        assert_eq!(
            row([syn, answer, syn, third]).tcp_complete_handshake,
            Some(true),
            "sent again"
        );
    }

    #[test]
    fn data_in_the_syn_may_be_acknowledged() {
        let [syn, answer, third] = opening();
        let mut answer = answer;
        answer.header.ack = 111;
        assert_eq!(
            row([syn.payload_len(10), answer, third]).tcp_complete_handshake,
            Some(true)
        );
        assert_eq!(
            row([syn.payload_len(9), answer, third]).tcp_complete_handshake,
            Some(false)
        );
    }

    #[test]
    fn a_reset_before_the_second_fin_is_not_graceful() {
        let [fin, other] = [forth().flags(FIN | ACK), back().flags(FIN | ACK)];
        let rst = back().flags(RST);
        assert_eq!(row([fin, rst, other]).tcp_graceful_close, Some(false));
        assert_eq!(row([fin, other, rst]).tcp_graceful_close, Some(true));
        assert_eq!(
            row([fin, back().flags(FIN | RST)]).tcp_graceful_close,
            Some(true)
        );
        assert_eq!(
            row([forth().flags(FIN | RST), other]).tcp_graceful_close,
            Some(false)
        );
        assert_eq!(row([fin, rst, other]).tcp_reset_close, Some(true));
    }

    #[test]
    fn how_far_a_connection_came() {
        let end = |packets: &[Built]| row(packets.iter().copied()).tcp_state_end;
        let [syn, answer, third] = opening();
        let data = back().flags(ACK).payload_len(5);
        assert_eq!(end(&[syn]), Some("SYN_SENT"));
        assert_eq!(end(&[syn.payload_len(5)]), Some("SYN_SENT"));
        assert_eq!(end(&[syn, answer]), Some("SYN_RECEIVED"));
        assert_eq!(end(&[syn, answer, third]), Some("ESTABLISHED"));
        assert_eq!(end(&[answer, data]), Some("ESTABLISHED"));
        assert_eq!(end(&[data]), Some("MIDSTREAM"));
        let fins = [forth(), back()].map(|packet| packet.flags(FIN | ACK));
        assert_eq!(end(&[syn, answer, third, fins[0]]), Some("HALF_CLOSED"));
        assert_eq!(end(&fins), Some("CLOSED_FIN"));
        let reset = back().flags(RST);
        assert_eq!(end(&[fins[0], fins[1], reset]), Some("CLOSED_FIN"));
        assert_eq!(end(&[fins[0], reset]), Some("CLOSED_RST"));
        let udp = Packets::udp().push(forth()).finish::<State>(&NoOptions);
        assert_eq!(udp.tcp_state_end, None);
    }

    #[test]
    fn anomalies() {
        for flags in [
            0,
            FIN,
            FIN | PSH | URG,
            FIN | PSH | URG | ACK,
            SYN | FIN,
            SYN | RST,
            SYN | FIN | ACK,
        ] {
            assert!(is_anomaly(flags), "{flags:#x}");
        }
        for flags in [
            SYN,
            SYN | ACK,
            ACK,
            FIN | ACK,
            RST,
            RST | ACK,
            PSH | ACK,
            PSH,
        ] {
            assert!(!is_anomaly(flags), "{flags:#x}");
        }
        assert!(is_anomaly(0x100), "the AE bit is not one of the low 8");
    }

    #[test]
    fn other_protocols_have_no_columns_and_unknown_flags_no_part() {
        let udp = Packets::udp()
            .push(forth().payload_len(5))
            .finish::<State>(&NoOptions);
        assert!(!udp.tcp_is_tcp);
        assert_eq!(
            (udp.tcp_syn_count, udp.tcp_data_packets, udp.tcp_fstat),
            (None, None, None)
        );
        let mut fragment = forth().flags(SYN).payload_len(5);
        fragment.header.marks = 0;
        let row = row([fragment, forth().flags(ACK)]);
        assert_eq!(
            (row.tcp_syn_count, row.tcp_data_packets, row.tcp_psh_ratio),
            (Some(0), Some(1), Some(0.0))
        );
        assert_eq!(
            (row.tcp_flags_agg, row.tcp_flags_anomaly),
            (Some(16), Some(false))
        );
    }

    proptest! {
        #[test]
        fn narrow_counts_are_wide_ones(
            runs in prop::collection::vec((any::<u16>(), 1u32..40_000), 1..8),
        ) {
            let (mut narrow, mut wide) = (Counts::default(), [0u64; COUNTS]);
            for (bits, times) in runs {
                for _ in 0..times {
                    narrow.packet();
                    wide[0] += 1;
                    for (at, what) in ALL.iter().enumerate().skip(1) {
                        narrow.add(*what, bits >> at & 1 != 0);
                        wide[at] += u64::from(bits >> at & 1);
                    }
                }
            }
            prop_assert_eq!(ALL.map(|what| narrow.of(what)), wide);
        }
    }
}
