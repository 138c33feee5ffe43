//! TCP flags and connection state of a flow record (RFC 9293).
//!
//! Packets whose flags are not known (later fragments, cut headers) count in no column about flags.

use super::extractor::{Extractor, NoOptions, Wanted};
use crate::flows::Flow;
use crate::packet::{Packet, marks, tcp};
use crate::schema::Features;
use crate::statistics::ratio;

/// Columns of group `tcp`, in output order.
#[derive(Features)]
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
    #[column(scope = "flow", null = "not TCP")]
    pub tcp_complete_handshake: Option<bool>,
    /// FIN seen from both endpoints and no RST in an earlier packet than the FIN that completes the pair.
    #[column(scope = "flow", null = "not TCP")]
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
    #[column(unit = "packets", null = "not TCP")]
    pub tcp_data_packets: Option<u64>,
    /// Packets with ACK set, SYN, FIN and RST clear and without payload.
    #[column(unit = "packets", null = "not TCP")]
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
    #[column(unit = "bitmap", scope = "flow", null = "not TCP")]
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
}

/// What is kept of an open record.
#[derive(Default)]
pub struct State {
    packets: u64,
    data: u64,
    ack_only: u64,
    /// SYN without ACK.
    syn: u64,
    /// SYN with ACK.
    syn_ack: u64,
    fin: u64,
    rst: u64,
    psh: u64,
    ack: u64,
    urg: u64,
    ece: u64,
    cwr: u64,
    /// OR of the flags, by direction.
    flags: [u16; 2],
    anomaly: bool,
    initiator_syn: bool,
    responder_syn_ack: bool,
    handshake: Handshake,
    graceful: bool,
    /// Sides that sent a FIN before any RST, by direction.
    fins: [bool; 2],
}

/// How far the opening of a connection has come.
#[derive(Default)]
struct Handshake {
    /// Sequence number and payload length of the latest SYN of the initiator.
    syn: Option<(u32, u32)>,
    /// Sequence number of the latest SYN+ACK that acknowledges it.
    syn_ack: Option<u32>,
    complete: bool,
}

impl Extractor for State {
    type Features = Tcp;
    type Options = NoOptions;
    type Plan = ();

    fn plan(_: &NoOptions, _: &Wanted) {}

    fn packet(&mut self, packet: &Packet<'_>, flow: &Flow, (): &()) {
        if !flow.is_tcp() {
            return;
        }
        self.packets += 1;
        self.data += u64::from(packet.payload_len > 0);
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
        if has(tcp::FIN) && self.rst == 0 {
            // Before this packet's own RST is counted: in the very packet of the completing FIN it comes too late to matter.
            self.fins[side] = true;
            self.graceful |= self.fins == [true; 2];
        }
        self.syn += u64::from(syn);
        self.syn_ack += u64::from(syn_ack);
        self.fin += u64::from(has(tcp::FIN));
        self.rst += u64::from(has(tcp::RST));
        self.psh += u64::from(has(tcp::PSH));
        self.ack += u64::from(has(tcp::ACK));
        self.urg += u64::from(has(tcp::URG));
        self.ece += u64::from(has(tcp::ECE));
        self.cwr += u64::from(has(tcp::CWR));
        let plain = has(tcp::ACK) && !has(tcp::SYN | tcp::FIN | tcp::RST);
        self.ack_only += u64::from(plain && packet.payload_len == 0);
        self.flags[side] |= flags;
        self.anomaly |= is_anomaly(flags);
        self.initiator_syn |= syn && side == 0;
        self.responder_syn_ack |= syn_ack && side == 1;
        self.handshake.packet(packet);
    }

    fn finish(&self, flow: &Flow, (): &()) -> Tcp {
        let is_tcp = flow.is_tcp();
        let count = |count: u64| is_tcp.then_some(count);
        let claim = |claim: bool| is_tcp.then_some(claim);
        let share = |count: u64| count_share(count, self.packets).filter(|_| is_tcp);
        let bits = |flags: u16| is_tcp.then_some(flags);
        let fin = |side: usize| self.flags[side] & tcp::FIN != 0;
        let fstat = [
            self.initiator_syn,
            self.responder_syn_ack,
            self.ack > self.syn_ack,
            fin(0),
            fin(1),
            self.rst > 0,
            self.data > 0,
            self.anomaly,
        ];
        let fstat = fstat
            .iter()
            .rev()
            .fold(0, |bits, bit| bits << 1 | u8::from(*bit));
        Tcp {
            tcp_is_tcp: is_tcp,
            tcp_syn_count: count(self.syn),
            tcp_synack_count: count(self.syn_ack),
            tcp_fin_count: count(self.fin),
            tcp_rst_count: count(self.rst),
            tcp_ack_count: count(self.ack),
            tcp_psh_count: count(self.psh),
            tcp_urg_count: count(self.urg),
            tcp_ece_count: count(self.ece),
            tcp_cwr_count: count(self.cwr),
            tcp_complete_handshake: claim(self.handshake.complete),
            tcp_graceful_close: claim(self.graceful),
            tcp_reset_close: claim(self.rst > 0),
            tcp_syn_ratio: share(self.syn + self.syn_ack),
            tcp_fin_ratio: share(self.fin),
            tcp_rst_ratio: share(self.rst),
            tcp_psh_ratio: share(self.psh),
            tcp_data_packets: count(self.data),
            tcp_ack_only_packets: count(self.ack_only),
            tcp_flags_anomaly: claim(self.anomaly),
            tcp_initiator_syn: claim(self.initiator_syn),
            tcp_responder_synack: claim(self.responder_syn_ack),
            tcp_fstat: is_tcp.then_some(fstat),
            tcp_flags_agg: bits(self.flags[0] | self.flags[1]),
            tcp_flags_fwd: bits(self.flags[0]),
            tcp_flags_bwd: bits(self.flags[1]),
        }
    }
}

fn count_share(count: u64, packets: u64) -> Option<f64> {
    ratio(count.into(), packets.into())
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

impl Handshake {
    /// Takes a packet with known flags. A SYN that is sent again keeps the answer to it.
    fn packet(&mut self, packet: &Packet<'_>) {
        if self.complete || packet.has(tcp::RST) {
            return;
        }
        let (syn, ack) = (packet.has(tcp::SYN), packet.has(tcp::ACK));
        if !packet.is_forward() {
            let answers = self.syn.is_some_and(|(isn, length)| {
                packet.ack.wrapping_sub(isn).wrapping_sub(1) <= length
            });
            if syn && ack && answers {
                self.syn_ack = Some(packet.seq);
            }
        } else if syn && !ack {
            if self.syn.is_none_or(|(isn, _)| isn != packet.seq) {
                self.syn_ack = None;
            }
            self.syn = Some((packet.seq, packet.payload_len));
        } else if ack && !syn {
            self.complete = self
                .syn_ack
                .is_some_and(|isn| packet.ack == isn.wrapping_add(1));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::features::testing::{Built, Packets, back, forth};
    use tcp::{ACK, FIN, PSH, RST, SYN, URG};

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
}
