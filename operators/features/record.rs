//! Where a flow record comes from and what it was on the wire: columns that other flow meters have and the reference lacks.
//!
//! Times, counts, end reason and segment of a record are in `flow_meta`.

use super::extractor::{Extractor, NoOptions, Wanted};
use crate::flows::Flow;
use crate::packet::{Header, Packet};
use crate::schema::Features;

/// Columns of group `record`, in output order.
#[derive(Features)]
#[features(profile = "JF-EXTRA")]
pub struct Record {
    /// Number of the first packet among the records of its source, from 0; records that are no packet of a flow count too.
    #[column(scope = "flow")]
    pub first_packet_ordinal: u64,
    /// Sum of the frame lengths of the initiator on the wire, link layer included (the larger of original and captured length).
    #[column(unit = "bytes", scope = "fwd")]
    pub wire_bytes_fwd: u64,
    /// Sum of the frame lengths of the responder on the wire, link layer included (the larger of original and captured length).
    #[column(unit = "bytes", scope = "bwd")]
    pub wire_bytes_bwd: u64,
}

/// What is kept of an open record.
#[derive(Default)]
pub struct State {
    /// Sums of frame lengths, by direction.
    wire: [u64; 2],
}

impl Extractor for State {
    type Features = Record;
    type Options = NoOptions;
    type Plan = ();

    fn plan(_: &NoOptions, _: &Wanted) {}

    fn packet(&mut self, packet: &Packet<'_>, _: &Flow, (): &()) {
        self.wire[packet.direction as usize] += u64::from(packet.wire_len);
    }

    fn finish(&self, flow: &Flow, (): &()) -> Record {
        let [wire_bytes_fwd, wire_bytes_bwd] = self.wire;
        Record {
            first_packet_ordinal: Header::record_of(flow.first),
            wire_bytes_fwd,
            wire_bytes_bwd,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::features::testing::{Packets, back, forth};

    #[test]
    fn the_wire_has_more_than_ip() {
        let row = Packets::udp()
            .push(forth().ip(28).frame(&[0; 60]))
            .push(back().ip(28).frame(&[0; 46]))
            .push(forth().ip(28).frame(&[0; 42]))
            .finish::<State>(&NoOptions);
        assert_eq!((row.wire_bytes_fwd, row.wire_bytes_bwd), (102, 46));
        assert_eq!(row.first_packet_ordinal, 7);
    }
}
