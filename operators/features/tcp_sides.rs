//! What each end of a TCP connection did: columns of the group `tcp` that the reference lacks.
//!
//! Only what somebody asked for is kept; `tcp.rs` keeps the state and feeds it.

use crate::packet::{Packet, marks, tcp};
use crate::schema::Features;

/// Further columns of group `tcp`, in output order.
#[derive(Default, Features)]
#[features(group = "tcp", profile = "JF-EXTRA", source = "RFC 9293")]
pub struct TcpSides {
    /// Packets of the initiator with SYN set and ACK clear.
    #[column(unit = "packets", scope = "fwd", null = "not TCP")]
    pub tcp_syn_count_fwd: Option<u64>,
    /// Packets of the initiator with SYN and ACK set.
    #[column(unit = "packets", scope = "fwd", null = "not TCP")]
    pub tcp_synack_count_fwd: Option<u64>,
    /// Packets of the initiator with FIN set.
    #[column(unit = "packets", scope = "fwd", null = "not TCP")]
    pub tcp_fin_count_fwd: Option<u64>,
    /// Packets of the initiator with RST set.
    #[column(unit = "packets", scope = "fwd", null = "not TCP")]
    pub tcp_rst_count_fwd: Option<u64>,
    /// Packets of the initiator with ACK set.
    #[column(unit = "packets", scope = "fwd", null = "not TCP")]
    pub tcp_ack_count_fwd: Option<u64>,
    /// Packets of the initiator with PSH set.
    #[column(unit = "packets", scope = "fwd", null = "not TCP")]
    pub tcp_psh_count_fwd: Option<u64>,
    /// Packets of the initiator with URG set.
    #[column(unit = "packets", scope = "fwd", null = "not TCP")]
    pub tcp_urg_count_fwd: Option<u64>,
    /// Packets of the initiator with ECE set.
    #[column(unit = "packets", scope = "fwd", null = "not TCP")]
    pub tcp_ece_count_fwd: Option<u64>,
    /// Packets of the initiator with CWR set.
    #[column(unit = "packets", scope = "fwd", null = "not TCP")]
    pub tcp_cwr_count_fwd: Option<u64>,
    /// Packets of the responder with SYN set and ACK clear.
    #[column(unit = "packets", scope = "bwd", null = "not TCP")]
    pub tcp_syn_count_bwd: Option<u64>,
    /// Packets of the responder with SYN and ACK set.
    #[column(unit = "packets", scope = "bwd", null = "not TCP")]
    pub tcp_synack_count_bwd: Option<u64>,
    /// Packets of the responder with FIN set.
    #[column(unit = "packets", scope = "bwd", null = "not TCP")]
    pub tcp_fin_count_bwd: Option<u64>,
    /// Packets of the responder with RST set.
    #[column(unit = "packets", scope = "bwd", null = "not TCP")]
    pub tcp_rst_count_bwd: Option<u64>,
    /// Packets of the responder with ACK set.
    #[column(unit = "packets", scope = "bwd", null = "not TCP")]
    pub tcp_ack_count_bwd: Option<u64>,
    /// Packets of the responder with PSH set.
    #[column(unit = "packets", scope = "bwd", null = "not TCP")]
    pub tcp_psh_count_bwd: Option<u64>,
    /// Packets of the responder with URG set.
    #[column(unit = "packets", scope = "bwd", null = "not TCP")]
    pub tcp_urg_count_bwd: Option<u64>,
    /// Packets of the responder with ECE set.
    #[column(unit = "packets", scope = "bwd", null = "not TCP")]
    pub tcp_ece_count_bwd: Option<u64>,
    /// Packets of the responder with CWR set.
    #[column(unit = "packets", scope = "bwd", null = "not TCP")]
    pub tcp_cwr_count_bwd: Option<u64>,
}

/// What is kept of an open record, if a column wants it.
#[derive(Default)]
pub struct Sides {
    /// By direction, in the order of [`kinds`].
    counts: [[u64; KINDS]; 2],
}

const KINDS: usize = 9;

/// What is counted of a packet with these flags: SYN, SYN+ACK, FIN, RST, ACK, PSH, URG, ECE, CWR.
fn kinds(flags: u16) -> [bool; KINDS] {
    let has = |flag: u16| flags & flag != 0;
    let (syn, ack) = (has(tcp::SYN), has(tcp::ACK));
    [
        syn && !ack,
        syn && ack,
        has(tcp::FIN),
        has(tcp::RST),
        ack,
        has(tcp::PSH),
        has(tcp::URG),
        has(tcp::ECE),
        has(tcp::CWR),
    ]
}

impl Sides {
    /// Takes a packet of a TCP connection.
    pub fn packet(&mut self, packet: &Packet<'_>) {
        if !packet.is(marks::TCP_KNOWN) {
            return;
        }
        let counts = &mut self.counts[packet.direction as usize];
        for (count, is_so) in counts.iter_mut().zip(kinds(packet.tcp_flags)) {
            *count += u64::from(is_so);
        }
    }

    /// The columns of a TCP connection.
    pub fn finish(&self) -> TcpSides {
        let [forward, backward] = self.counts.map(|counts| counts.map(Some));
        let [
            tcp_syn_count_fwd,
            tcp_synack_count_fwd,
            tcp_fin_count_fwd,
            tcp_rst_count_fwd,
            tcp_ack_count_fwd,
            tcp_psh_count_fwd,
            tcp_urg_count_fwd,
            tcp_ece_count_fwd,
            tcp_cwr_count_fwd,
        ] = forward;
        let [
            tcp_syn_count_bwd,
            tcp_synack_count_bwd,
            tcp_fin_count_bwd,
            tcp_rst_count_bwd,
            tcp_ack_count_bwd,
            tcp_psh_count_bwd,
            tcp_urg_count_bwd,
            tcp_ece_count_bwd,
            tcp_cwr_count_bwd,
        ] = backward;
        TcpSides {
            tcp_syn_count_fwd,
            tcp_synack_count_fwd,
            tcp_fin_count_fwd,
            tcp_rst_count_fwd,
            tcp_ack_count_fwd,
            tcp_psh_count_fwd,
            tcp_urg_count_fwd,
            tcp_ece_count_fwd,
            tcp_cwr_count_fwd,
            tcp_syn_count_bwd,
            tcp_synack_count_bwd,
            tcp_fin_count_bwd,
            tcp_rst_count_bwd,
            tcp_ack_count_bwd,
            tcp_psh_count_bwd,
            tcp_urg_count_bwd,
            tcp_ece_count_bwd,
            tcp_cwr_count_bwd,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::features::NoOptions;
    use crate::features::tcp::State;
    use crate::features::testing::{Packets, back, forth};
    use tcp::{ACK, CWR, ECE, FIN, PSH, RST, SYN, URG};

    #[test]
    fn flags_are_counted_by_direction() {
        let row = Packets::tcp()
            .push(forth().flags(SYN | ECE | CWR))
            .push(back().flags(SYN | ACK | ECE))
            .push(forth().flags(ACK | PSH | URG))
            .push(back().flags(ACK | FIN))
            .push(forth().flags(RST))
            .push(forth().flags(SYN).marked(0))
            .finish::<State>(&NoOptions)
            .sides;
        assert_eq!(
            (
                row.tcp_syn_count_fwd,
                row.tcp_synack_count_fwd,
                row.tcp_rst_count_fwd
            ),
            (Some(1), Some(0), Some(1))
        );
        assert_eq!(
            (
                row.tcp_psh_count_fwd,
                row.tcp_urg_count_fwd,
                row.tcp_cwr_count_fwd
            ),
            (Some(1), Some(1), Some(1))
        );
        assert_eq!(
            (
                row.tcp_ack_count_bwd,
                row.tcp_fin_count_bwd,
                row.tcp_ece_count_bwd
            ),
            (Some(2), Some(1), Some(1))
        );
        assert_eq!(
            (row.tcp_syn_count_bwd, row.tcp_synack_count_bwd),
            (Some(0), Some(1))
        );
        let udp = Packets::udp().push(forth()).finish::<State>(&NoOptions);
        assert_eq!(udp.sides.tcp_syn_count_fwd, None);
    }
}
