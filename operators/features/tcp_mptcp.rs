//! Multipath TCP (RFC 8684): who offers it.

use super::extractor::{Extractor, Needs, NoOptions, Wanted};
use crate::flows::Flow;
use crate::packet::{Packet, tcp};
use crate::protocols::mptcp::{MP_CAPABLE, MP_JOIN, subtype};
use crate::protocols::tcp_options::{Options, kind};
use crate::schema::{Features, bitmap};

/// Columns of group `tcp_mptcp`, in output order.
#[derive(Features)]
#[features(profile = "JJ-EXPERIMENTAL", source = "RFC 8684")]
pub struct TcpMptcp {
    /// 1 if any packet carries an MPTCP option (kind 30).
    #[column(scope = "flow", null = "not TCP", differs = "mptcp-subtype")]
    pub mptcp_detected: Option<u8>,
    /// 1 if a SYN of the initiator carries MP_CAPABLE (subtype 0).
    #[column(scope = "fwd", null = "not TCP", differs = "mptcp-subtype")]
    pub mptcp_capable_fwd: Option<u8>,
    /// 1 if a SYN of the responder carries MP_CAPABLE (subtype 0).
    #[column(scope = "bwd", null = "not TCP", differs = "mptcp-subtype")]
    pub mptcp_capable_bwd: Option<u8>,
    /// Packets with an MPTCP option (kind 30).
    #[column(unit = "packets", null = "not TCP", differs = "mptcp-subtype")]
    pub mptcp_option_count: Option<u64>,
    /// 1 mptcp_detected; 2 mptcp_capable_fwd; 4 mptcp_capable_bwd; 8 both of these.
    #[column(
        unit = "bitmap",
        scope = "flow",
        null = "not TCP",
        differs = "mptcp-subtype"
    )]
    pub mptcp_stat: Option<u8>,
    /// 1 if SYNs of both sides carried MP_CAPABLE, or both MP_JOIN (subtype 1): an additional subflow.
    #[column(scope = "flow", null = "not TCP", differs = "mptcp-subtype")]
    pub is_mptcp: Option<u8>,
}

/// What is kept of an open record: something where an MPTCP option was seen.
#[derive(Default)]
pub struct State(Option<Box<Seen>>);

#[derive(Default)]
struct Seen {
    packets: u64,
    /// Whether a SYN had MP_CAPABLE, by direction.
    capable: [bool; 2],
    /// Whether a SYN had MP_JOIN, by direction.
    join: [bool; 2],
}

impl Extractor for State {
    type Features = TcpMptcp;
    type Options = NoOptions;
    type Plan = ();

    fn needs((): &()) -> Needs {
        Needs {
            headers: true,
            ..Needs::NONE
        }
    }

    fn plan(_: &NoOptions, _: &Wanted) {}

    fn packet(&mut self, packet: &Packet<'_>, flow: &Flow, (): &()) {
        if !flow.is_tcp() {
            return;
        }
        let options = Options::of(packet.transport_header());
        let mut options = options
            .filter(|option| option.kind == kind::MPTCP)
            .peekable();
        if options.peek().is_none() {
            return;
        }
        let seen = self.0.get_or_insert_default();
        seen.packets += 1;
        if !packet.has(tcp::SYN) {
            return;
        }
        let side = packet.direction as usize;
        for option in options {
            seen.capable[side] |= subtype(option) == Some(MP_CAPABLE);
            seen.join[side] |= subtype(option) == Some(MP_JOIN);
        }
    }

    fn finish(&self, flow: &Flow, (): &()) -> TcpMptcp {
        let none;
        let seen = match &self.0 {
            Some(seen) => seen,
            None => {
                none = Seen::default();
                &none
            }
        };
        let claim = |claim: bool| flow.is_tcp().then_some(u8::from(claim));
        let detected = seen.packets > 0;
        let [forward, backward] = seen.capable;
        let both = forward && backward;
        TcpMptcp {
            mptcp_detected: claim(detected),
            mptcp_capable_fwd: claim(forward),
            mptcp_capable_bwd: claim(backward),
            mptcp_option_count: flow.is_tcp().then_some(seen.packets),
            mptcp_stat: flow
                .is_tcp()
                .then(|| bitmap([detected, forward, backward, both])),
            is_mptcp: claim(both || seen.join == [true; 2]),
        }
    }

    fn heap_bytes(&self) -> usize {
        self.0.as_deref().map_or(0, size_of_val)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::features::testing::{Packets, back, forth};
    use tcp::{ACK, SYN};

    /// MP_CAPABLE of version 1 without keys (RFC 8684 section 3.1).
    const CAPABLE: [u8; 4] = [30, 4, 0x01, 0x81];

    #[test]
    fn both_sides_are_capable() {
        let opening = Packets::tcp().push(forth().flags(SYN).options(&CAPABLE));
        let flow = opening
            .clone()
            .push(back().flags(SYN | ACK).options(&CAPABLE));
        let row = flow.finish::<State>(&NoOptions);
        assert_eq!((row.mptcp_detected, row.is_mptcp), (Some(1), Some(1)));
        assert_eq!(
            (row.mptcp_capable_fwd, row.mptcp_capable_bwd),
            (Some(1), Some(1))
        );
        assert_eq!(
            (row.mptcp_option_count, row.mptcp_stat),
            (Some(2), Some(15))
        );
        let row = opening
            .push(back().flags(ACK).options(&CAPABLE))
            .finish::<State>(&NoOptions);
        assert_eq!((row.mptcp_stat, row.is_mptcp), (Some(3), Some(0)));
        assert_eq!(row.mptcp_option_count, Some(2));
    }

    #[test]
    fn a_subflow_joins() {
        let join = [30, 12, 0x10, 0, 0, 0, 0, 0, 0, 0, 0, 0];
        let answer = [&[30, 16, 0x10][..], &[0; 13]].concat();
        let row = Packets::tcp()
            .push(forth().flags(SYN).options(&join))
            .push(back().flags(SYN | ACK).options(&answer))
            .finish::<State>(&NoOptions);
        assert_eq!((row.mptcp_stat, row.is_mptcp), (Some(1), Some(1)));
    }

    #[test]
    fn flows_without_it_hold_nothing() {
        let flow = Packets::tcp().push(forth().flags(SYN).options(&[2, 4, 5, 0xB4]));
        assert_eq!(flow.state::<State>(&NoOptions).heap_bytes(), 0);
        let row = flow.finish::<State>(&NoOptions);
        assert_eq!(
            (row.mptcp_detected, row.mptcp_option_count),
            (Some(0), Some(0))
        );
        let row = Packets::udp().push(forth()).finish::<State>(&NoOptions);
        assert_eq!((row.mptcp_detected, row.mptcp_stat), (None, None));
    }
}
