//! TCP sequence numbers of each direction: bytes sent, retransmissions, holes, duplicate acknowledgements (RFC 9293, RFC 5681).
//!
//! Decides by numbers alone, never by times: what fills a hole is late or sent again, which are not told apart.

use super::extractor::{Extractor, NoOptions, Wanted};
use crate::flows::Flow;
use crate::packet::{Packet, marks, tcp};
use crate::protocols::coverage::{Brought, Coverage, Covered};
use crate::protocols::sequence::{Segment, distance};
use crate::schema::Features;
use crate::statistics::{Tally, ratio};

/// Columns of group `tcp_sequence`, in output order.
#[derive(Features)]
#[features(profile = "JJ-EXTENDED", source = "RFC 9293, RFC 5681")]
pub struct TcpSequence {
    /// Sequence number of the first SYN or SYN+ACK of the initiator.
    #[column(
        scope = "fwd",
        null = "not TCP or no SYN from the initiator",
        differs = "first-number"
    )]
    pub tcp_isn_fwd: Option<u32>,
    /// Sequence number of the first SYN or SYN+ACK of the responder.
    #[column(
        scope = "bwd",
        null = "not TCP or no SYN from the responder",
        differs = "first-number"
    )]
    pub tcp_isn_bwd: Option<u32>,
    /// Payload bytes of the initiator, each number of sequence space counted once: those above the highest end seen, and those
    /// that fill a recorded hole. Tracking starts at the first segment of the direction, and bytes below it are never new; a SYN
    /// with another sequence number than the last SYN restarts it, unless it is the first SYN seen and belongs right before that
    /// segment. RST segments take no part in this and the next three columns.
    #[column(
        unit = "bytes",
        scope = "fwd",
        null = "not TCP",
        differs = "repeated-numbers"
    )]
    pub tcp_seq_fwd_bytes_sent: Option<u64>,
    /// Segments of the initiator with payload that end at or below the highest end already seen and fill no recorded hole. A
    /// keep-alive (at most 1 byte, no SYN, no FIN, right below that end) is not one.
    #[column(
        unit = "packets",
        scope = "fwd",
        null = "not TCP",
        differs = "repeated-numbers"
    )]
    pub tcp_seq_fwd_retrans: Option<u64>,
    /// Segments of the initiator, those without payload too, that start above the highest end seen so far (SYN and FIN take one
    /// number each). Each records a hole; of more than 16 the oldest is forgotten.
    #[column(
        unit = "count",
        scope = "fwd",
        null = "not TCP",
        differs = "expected-number"
    )]
    pub tcp_seq_fwd_gaps: Option<u64>,
    /// Segments of the initiator that fill any part of a recorded hole: late or sent again.
    #[column(
        unit = "packets",
        scope = "fwd",
        null = "not TCP",
        differs = "expected-number"
    )]
    pub tcp_seq_fwd_ooo: Option<u64>,
    /// Payload bytes of the responder, each number of sequence space counted once: those above the highest end seen, and those
    /// that fill a recorded hole. Tracking starts at the first segment of the direction, and bytes below it are never new; a SYN
    /// with another sequence number than the last SYN restarts it, unless it is the first SYN seen and belongs right before that
    /// segment. RST segments take no part in this and the next three columns.
    #[column(
        unit = "bytes",
        scope = "bwd",
        null = "not TCP",
        differs = "repeated-numbers"
    )]
    pub tcp_seq_bwd_bytes_sent: Option<u64>,
    /// Segments of the responder with payload that end at or below the highest end already seen and fill no recorded hole. A
    /// keep-alive (at most 1 byte, no SYN, no FIN, right below that end) is not one.
    #[column(
        unit = "packets",
        scope = "bwd",
        null = "not TCP",
        differs = "repeated-numbers"
    )]
    pub tcp_seq_bwd_retrans: Option<u64>,
    /// Segments of the responder, those without payload too, that start above the highest end seen so far (SYN and FIN take one
    /// number each). Each records a hole; of more than 16 the oldest is forgotten.
    #[column(
        unit = "count",
        scope = "bwd",
        null = "not TCP",
        differs = "expected-number"
    )]
    pub tcp_seq_bwd_gaps: Option<u64>,
    /// Segments of the responder that fill any part of a recorded hole: late or sent again.
    #[column(
        unit = "packets",
        scope = "bwd",
        null = "not TCP",
        differs = "expected-number"
    )]
    pub tcp_seq_bwd_ooo: Option<u64>,
    /// Packets of the initiator with ACK.
    #[column(
        unit = "packets",
        scope = "fwd",
        null = "not TCP",
        differs = "acknowledgement-field"
    )]
    pub tcp_ack_fwd_count: Option<u64>,
    /// Duplicate acknowledgements of the initiator (RFC 5681 section 2): ACK without payload, SYN, FIN and RST, with
    /// acknowledgement number and window field of its packet with ACK before, while the other side has sent beyond that number.
    #[column(
        unit = "packets",
        scope = "fwd",
        null = "not TCP",
        differs = "acknowledgement-field",
        source = "RFC 5681 section 2"
    )]
    pub tcp_ack_fwd_dup: Option<u64>,
    /// Packets of the responder with ACK.
    #[column(
        unit = "packets",
        scope = "bwd",
        null = "not TCP",
        differs = "acknowledgement-field"
    )]
    pub tcp_ack_bwd_count: Option<u64>,
    /// Duplicate acknowledgements of the responder (RFC 5681 section 2): ACK without payload, SYN, FIN and RST, with
    /// acknowledgement number and window field of its packet with ACK before, while the other side has sent beyond that number.
    #[column(
        unit = "packets",
        scope = "bwd",
        null = "not TCP",
        differs = "acknowledgement-field",
        source = "RFC 5681 section 2"
    )]
    pub tcp_ack_bwd_dup: Option<u64>,
    /// tcp_seq_fwd_retrans + tcp_seq_bwd_retrans.
    #[column(
        unit = "packets",
        split = "is",
        null = "not TCP",
        differs = "repeated-numbers"
    )]
    pub tcp_total_retrans: Option<u64>,
    /// tcp_seq_fwd_ooo + tcp_seq_bwd_ooo.
    #[column(
        unit = "packets",
        split = "is",
        null = "not TCP",
        differs = "expected-number"
    )]
    pub tcp_total_ooo: Option<u64>,
    /// tcp_ack_fwd_dup + tcp_ack_bwd_dup.
    #[column(
        unit = "packets",
        split = "is",
        null = "not TCP",
        differs = "acknowledgement-field"
    )]
    pub tcp_total_dup_acks: Option<u64>,
    /// tcp_total_retrans / tcp_data_packets.
    #[column(null = "not TCP or tcp_data_packets = 0", differs = "repeated-numbers")]
    pub tcp_retrans_ratio: Option<f64>,
    /// Payload bytes of the initiator that were sent again: those below the highest end seen that fill no recorded hole. Those of
    /// keep-alives do not count; see tcp_seq_fwd_bytes_sent.
    #[column(unit = "bytes", scope = "fwd", null = "not TCP", profile = "JF-EXTRA")]
    pub tcp_retrans_bytes_fwd: Option<u64>,
    /// Payload bytes of the responder that were sent again: those below the highest end seen that fill no recorded hole. Those of
    /// keep-alives do not count; see tcp_seq_fwd_bytes_sent.
    #[column(unit = "bytes", scope = "bwd", null = "not TCP", profile = "JF-EXTRA")]
    pub tcp_retrans_bytes_bwd: Option<u64>,
}

/// What is kept of an open record: something where it is TCP.
#[derive(Default)]
pub struct State(Option<Box<Sequences>>);

#[derive(Default)]
struct Sequences {
    counts: Tally<COUNTS>,
    sides: [Side; 2],
}

/// What is counted: places in a [`Tally`]. Those of the responder come right behind those of the initiator.
#[derive(Clone, Copy)]
enum Count {
    /// Packets with payload, of both.
    Data,
    Retransmitted,
    Gaps = 3,
    Filling = 5,
    Acks = 7,
    Duplicates = 9,
    AgainBytes = 11,
}

const COUNTS: usize = Count::AgainBytes as usize + 2;

/// The numbers of one direction.
#[derive(Default)]
struct Side {
    isn: Option<u32>,
    coverage: Coverage,
    bytes: u64,
    /// Acknowledgement number and window of the last packet with ACK.
    last: Option<(u32, Option<u16>)>,
}

impl Extractor for State {
    type Features = TcpSequence;
    type Options = NoOptions;
    type Plan = ();

    fn plan(_: &NoOptions, _: &Wanted) {}

    fn packet(&mut self, packet: &Packet<'_>, flow: &Flow, (): &()) {
        if !flow.is_tcp() {
            return;
        }
        let Sequences { counts, sides } = &mut **self.0.get_or_insert_default();
        counts.count(Count::Data as usize, packet.payload_len > 0);
        if !packet.is(marks::TCP_KNOWN) {
            return;
        }
        let at = packet.direction as usize;
        let peer = sides[1 - at].coverage.top();
        let side = &mut sides[at];
        if !packet.has(tcp::RST) {
            let covered = side.segment(&Segment::of(packet));
            let missing = covered.brought == Brought::Missing;
            let again = covered.brought == Brought::Again;
            counts.count(Count::Gaps as usize + at, covered.gap);
            counts.add(Count::AgainBytes as usize + at, covered.again);
            counts.count(Count::Filling as usize + at, missing);
            counts.count(Count::Retransmitted as usize + at, again);
        }
        if packet.has(tcp::ACK) {
            counts.count(Count::Acks as usize + at, true);
            let duplicate = side.acknowledge(packet, peer);
            counts.count(Count::Duplicates as usize + at, duplicate);
        }
    }

    fn finish(&self, flow: &Flow, (): &()) -> TcpSequence {
        let none;
        let sequences = match &self.0 {
            Some(sequences) => sequences,
            None => {
                none = Sequences::default();
                &none
            }
        };
        let [forward, backward] = &sequences.sides;
        let count = |what: Count, at: usize| sequences.counts.of(what as usize + at);
        let both = |what: Count| count(what, 0) + count(what, 1);
        let value = |value: u64| flow.is_tcp().then_some(value);
        let data = count(Count::Data, 0);
        let retransmitted = both(Count::Retransmitted);
        TcpSequence {
            tcp_isn_fwd: forward.isn,
            tcp_isn_bwd: backward.isn,
            tcp_seq_fwd_bytes_sent: value(forward.bytes),
            tcp_seq_fwd_retrans: value(count(Count::Retransmitted, 0)),
            tcp_seq_fwd_gaps: value(count(Count::Gaps, 0)),
            tcp_seq_fwd_ooo: value(count(Count::Filling, 0)),
            tcp_seq_bwd_bytes_sent: value(backward.bytes),
            tcp_seq_bwd_retrans: value(count(Count::Retransmitted, 1)),
            tcp_seq_bwd_gaps: value(count(Count::Gaps, 1)),
            tcp_seq_bwd_ooo: value(count(Count::Filling, 1)),
            tcp_ack_fwd_count: value(count(Count::Acks, 0)),
            tcp_ack_fwd_dup: value(count(Count::Duplicates, 0)),
            tcp_ack_bwd_count: value(count(Count::Acks, 1)),
            tcp_ack_bwd_dup: value(count(Count::Duplicates, 1)),
            tcp_total_retrans: value(retransmitted),
            tcp_total_ooo: value(both(Count::Filling)),
            tcp_total_dup_acks: value(both(Count::Duplicates)),
            tcp_retrans_ratio: ratio(retransmitted.into(), data.into()),
            tcp_retrans_bytes_fwd: value(count(Count::AgainBytes, 0)),
            tcp_retrans_bytes_bwd: value(count(Count::AgainBytes, 1)),
        }
    }

    fn heap_bytes(&self) -> usize {
        self.0.as_deref().map_or(0, |sequences| {
            let sides = sequences.sides.iter();
            let holes: usize = sides.map(|side| side.coverage.heap_bytes()).sum();
            size_of_val(sequences) + sequences.counts.heap_bytes() + holes
        })
    }
}

impl Side {
    /// Takes the next segment: whether it left a hole, and what it brought.
    fn segment(&mut self, segment: &Segment) -> Covered {
        if segment.syn {
            self.isn.get_or_insert(segment.start);
        }
        let covered = self.coverage.segment(segment);
        self.bytes += covered.bytes;
        covered
    }

    /// Takes a packet with ACK: whether it is a duplicate. `peer` is how far the other side has come.
    fn acknowledge(&mut self, packet: &Packet<'_>, peer: Option<u32>) -> bool {
        let window = packet.is(marks::WINDOW_KNOWN).then_some(packet.window);
        let before = self.last.replace((packet.ack, window));
        packet.payload_len == 0
            && !packet.has(tcp::SYN | tcp::FIN | tcp::RST)
            && before == self.last
            && peer.is_some_and(|top| distance(top, packet.ack) > 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::features::testing::{Built, Packets, back, forth};
    use crate::protocols::coverage::HOLES;
    use proptest::prelude::*;
    use std::collections::BTreeMap;
    use tcp::{ACK, FIN, RST, SYN};

    fn sent(start: u32, payload: u32) -> Built {
        forth().flags(ACK).seq(start, 1).payload_len(payload)
    }

    fn row(packets: impl IntoIterator<Item = Built>) -> TcpSequence {
        packets
            .into_iter()
            .fold(Packets::tcp(), Packets::push)
            .finish::<State>(&NoOptions)
    }

    /// Bytes, retransmissions, holes and what filled them, of the initiator.
    fn forward(packets: impl IntoIterator<Item = Built>) -> [u64; 4] {
        let row = row(packets);
        [
            row.tcp_seq_fwd_bytes_sent,
            row.tcp_seq_fwd_retrans,
            row.tcp_seq_fwd_gaps,
            row.tcp_seq_fwd_ooo,
        ]
        .map(|value| value.expect("TCP"))
    }

    #[test]
    fn a_connection_without_loss() {
        let row = row([
            forth().flags(SYN).seq(u32::MAX, 0),
            back().flags(SYN | ACK).seq(500, 0),
            forth().flags(ACK).seq(0, 501),
            sent(0, 100),
            back().flags(ACK).seq(501, 100).payload_len(7),
            forth().flags(FIN | ACK).seq(100, 508),
            back().flags(FIN | ACK).seq(508, 101),
            forth().flags(ACK).seq(101, 509),
        ]);
        assert_eq!(
            (row.tcp_isn_fwd, row.tcp_isn_bwd),
            (Some(u32::MAX), Some(500))
        );
        assert_eq!(
            (row.tcp_seq_fwd_bytes_sent, row.tcp_seq_bwd_bytes_sent),
            (Some(100), Some(7))
        );
        assert_eq!(
            (
                row.tcp_total_retrans,
                row.tcp_total_ooo,
                row.tcp_total_dup_acks
            ),
            (Some(0), Some(0), Some(0))
        );
        assert_eq!(
            (row.tcp_seq_fwd_gaps, row.tcp_seq_bwd_gaps),
            (Some(0), Some(0))
        );
        assert_eq!(
            (row.tcp_ack_fwd_count, row.tcp_ack_bwd_count),
            (Some(4), Some(3))
        );
        assert_eq!(row.tcp_retrans_ratio, Some(0.0));
    }

    #[test]
    fn what_is_sent_again() {
        assert_eq!(forward([sent(0, 100), sent(0, 100)]), [100, 1, 0, 0]);
        assert_eq!(
            forward([sent(0, 100), sent(50, 100)]),
            [150, 0, 0, 0],
            "in part"
        );
        assert_eq!(
            forward([sent(0, 100), sent(99, 1), sent(99, 0)]),
            [100, 0, 0, 0],
            "keep-alives"
        );
        assert_eq!(forward([sent(0, 100), sent(98, 1)]), [100, 1, 0, 0]);
        let fin = forth().flags(FIN | ACK).seq(100, 1);
        assert_eq!(forward([sent(0, 100), fin, fin]), [100, 0, 0, 0]);
        assert_eq!(
            forward([sent(100, 10), sent(0, 100)]),
            [10, 1, 0, 0],
            "before the first"
        );
        let reset = forth().flags(RST).seq(5000, 0).payload_len(3);
        assert_eq!(forward([sent(0, 10), reset, sent(10, 10)]), [20, 0, 0, 0]);
    }

    #[test]
    fn bytes_that_are_sent_again() {
        let again = |packets: &[Built]| row(packets.iter().copied()).tcp_retrans_bytes_fwd;
        assert_eq!(
            again(&[sent(0, 100), sent(0, 100), sent(40, 10)]),
            Some(110)
        );
        assert_eq!(again(&[sent(0, 100), sent(50, 100)]), Some(50), "in part");
        assert_eq!(again(&[sent(0, 100), sent(99, 1)]), Some(0), "a keep-alive");
        let late = [sent(0, 10), sent(20, 10), sent(5, 20)];
        assert_eq!(again(&late), Some(10), "what was missing is not sent again");
        let other = [back().flags(ACK).seq(7, 0).payload_len(3); 2];
        assert_eq!(row(other).tcp_retrans_bytes_bwd, Some(3));
        let udp = Packets::udp().push(forth()).finish::<State>(&NoOptions);
        assert_eq!(udp.tcp_retrans_bytes_fwd, None);
    }

    #[test]
    fn holes_and_what_fills_them() {
        let late = [sent(0, 10), sent(20, 10), sent(10, 10), sent(10, 10)];
        assert_eq!(forward(late), [30, 1, 1, 1]);
        // an acknowledgement alone shows a hole; a part of it is filled, then the rest and more
        let parts = [sent(0, 10), sent(30, 0), sent(15, 5), sent(5, 30)];
        assert_eq!(forward(parts), [35, 0, 1, 2]);
        // a hole is not longer than the numbers that were skipped, across zero too
        let start = u32::MAX - 4;
        let wrapped = [sent(start, 5), sent(10, 5), sent(0, 10)];
        assert_eq!(forward(wrapped), [20, 0, 1, 1]);
    }

    #[test]
    fn of_17_holes_the_oldest_is_forgotten() {
        let odd = (0..18).map(|n| sent(20 * n, 10));
        let filled = forward(odd.chain([sent(10, 10), sent(30, 10)]));
        assert_eq!(filled, [190, 1, 17, 1]);
        // 16 holes, and the last is parted
        let odd = (0..17).map(|n| sent(20 * n, 10));
        let parted = forward(odd.chain([sent(315, 1), sent(10, 10), sent(310, 10)]));
        assert_eq!(parted, [180, 1, 16, 2]);
        let flow = (0..500).fold(Packets::tcp(), |flow, n| flow.push(sent(20 * n, 10)));
        let bytes = flow.state::<State>(&NoOptions).heap_bytes();
        assert!(bytes < 512, "{bytes}");
    }

    #[test]
    fn another_syn_starts_anew() {
        let syn = |start| forth().flags(SYN).seq(start, 0);
        let again = [syn(99), sent(100, 10), syn(99), sent(100, 10)];
        assert_eq!(forward(again), [10, 1, 0, 0]);
        let anew = [syn(99), sent(100, 10), syn(5000), sent(5001, 10)];
        assert_eq!(forward(anew), [20, 0, 0, 0]);
        assert_eq!(row(anew).tcp_isn_fwd, Some(99));
    }

    #[test]
    fn duplicate_acknowledgements() {
        let ack = |number, window| back().flags(ACK).seq(1, number).window(window);
        let duplicates = |packets: &[Built]| row(packets.iter().copied()).tcp_ack_bwd_dup;
        let data = [sent(0, 10), sent(10, 10)];
        let of = |acks: &[Built]| duplicates(&[&data[..], acks].concat());
        assert_eq!(of(&[ack(10, 5), ack(10, 5), ack(10, 5)]), Some(2));
        assert_eq!(of(&[ack(10, 5), ack(10, 6)]), Some(0), "the window moved");
        assert_eq!(of(&[ack(20, 5), ack(20, 5)]), Some(0), "nothing is missing");
        assert_eq!(
            of(&[ack(10, 5), ack(10, 5).payload_len(1)]),
            Some(0),
            "payload"
        );
        assert_eq!(
            duplicates(&[ack(10, 5), ack(10, 5)]),
            Some(0),
            "the other side is unseen"
        );
    }

    #[test]
    fn other_protocols_and_unknown_flags() {
        let flow = Packets::udp().push(forth());
        assert_eq!(flow.state::<State>(&NoOptions).heap_bytes(), 0);
        let row = flow.finish::<State>(&NoOptions);
        assert_eq!((row.tcp_isn_fwd, row.tcp_seq_fwd_bytes_sent), (None, None));
        assert_eq!((row.tcp_total_retrans, row.tcp_retrans_ratio), (None, None));
        let cut = sent(0, 10).marked(0);
        assert_eq!(forward([cut, sent(500, 10), sent(500, 10)]), [10, 1, 0, 0]);
    }

    /// The definition, with a place for every single number.
    #[derive(Default)]
    struct Model {
        top: Option<i64>,
        /// Missing numbers, by the hole they belong to.
        missing: BTreeMap<i64, usize>,
        counted: [u64; 4],
    }

    impl Model {
        fn segment(&mut self, start: i64, payload: i64, fin: bool) {
            let [bytes, again, gaps, filling] = &mut self.counted;
            let mut top = self.top.unwrap_or(start);
            if start > top {
                *gaps += 1;
                let hole = usize::try_from(*gaps).expect("few");
                self.missing
                    .extend((top..start).map(|number| (number, hole)));
                top = start;
            }
            let end = start + payload + i64::from(fin);
            let (mut fills, mut is_new) = (false, false);
            for number in start..end {
                let missing = self.missing.remove(&number).is_some();
                fills |= missing;
                is_new |= number >= top;
                let counts = (missing || number >= top) && number < start + payload;
                *bytes += u64::from(counts);
            }
            *filling += u64::from(fills);
            let keeps_alive = payload == 1 && !fin && start == top - 1;
            *again += u64::from(payload > 0 && !fills && !is_new && !keeps_alive);
            self.top = Some(top.max(end));
            self.forget();
        }

        /// Of more than 16 runs of missing numbers of one hole, the lowest goes.
        fn forget(&mut self) {
            let numbers: Vec<_> = self.missing.iter().map(|(n, hole)| (*n, *hole)).collect();
            let starts = (0..numbers.len()).filter(|at| {
                let before = at.checked_sub(1).map(|at| numbers[at]);
                before != Some((numbers[*at].0 - 1, numbers[*at].1))
            });
            let starts: Vec<_> = starts.map(|at| numbers[at].0).collect();
            if starts.len() > HOLES {
                let keep = starts[starts.len() - HOLES];
                self.missing.retain(|number, _| *number >= keep);
            }
        }
    }

    proptest! {
        #[test]
        fn it_is_the_definition(
            origin: u32,
            segments in prop::collection::vec((-200i64..3000, prop_oneof![Just(0i64), Just(1), 1i64..60], any::<bool>()), 1..120),
        ) {
            let mut model = Model::default();
            let mut packets = Vec::new();
            for (start, payload, fin) in segments {
                model.segment(start, payload, fin);
                let number = origin.wrapping_add_signed(start as i32);
                let flags = if fin { FIN | ACK } else { ACK };
                packets.push(sent(number, payload as u32).flags(flags));
            }
            prop_assert_eq!(forward(packets), model.counted);
        }
    }
}
