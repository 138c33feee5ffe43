//! Packets in fragments, put together for the parsers of application protocols (RFC 791 section 3.2, RFC 8200 section 4.5): of bytes that
//! come twice the first ones count (semantics 2.7).
//!
//! One table an input, fed in record order, behind the one that gives fragments their flow. Only TCP and UDP whose own IP packet came in
//! fragments: one that was parted inside of its tunnel, not around it. Memory is bounded: 1,024 packets and 4 MiB of them, of the last 30 s
//! of the input's clock; the oldest goes first. What is given up is counted.

use super::fragment::{FragmentInfo, Key, LIFETIME};
use super::transport::protocol::{TCP, UDP};
use crate::books::{Anomaly, Books};
use crate::packet::{Header, marks};
use hashbrown::HashMap;
use std::collections::VecDeque;

/// Packets that are waited for.
const MOST: usize = 1024;

/// Bytes of them all, with what they cost.
const ROOM: usize = 4 << 20;

/// What a piece costs beyond its bytes.
const PIECE: usize = size_of::<Piece>();

/// An IP packet carries no more behind its headers: later fragments have offsets of 16 bits.
const LONGEST: u32 = 65_535;

/// Bytes that came one after the other, and belong so.
#[derive(Clone, Copy, Debug)]
struct Piece {
    /// Place in the packet.
    offset: u32,
    length: u32,
    /// Place among the bytes that have come.
    at: usize,
}

impl Piece {
    fn end(&self) -> u32 {
        self.offset.saturating_add(self.length)
    }
}

/// What a first fragment tells of the transport header.
#[derive(Clone, Copy, Debug)]
struct First {
    protocol: u8,
    /// Offset of the transport header behind the fragment header.
    transport: u32,
    seq: u32,
    flags: u16,
}

/// A packet of which some fragments have come.
#[derive(Clone, Debug, Default)]
struct Waiting {
    /// Clock at the fragment that came first.
    clock: i64,
    /// Tells it from earlier ones of the same key in `order`.
    number: u64,
    first: Option<First>,
    /// Bytes of the whole, once the last fragment has come.
    length: Option<u32>,
    /// In the order in which they came.
    bytes: Vec<u8>,
    /// By offset; they do not overlap.
    pieces: Vec<Piece>,
}

/// The packets of one input that are not whole.
#[derive(Clone, Debug, Default)]
pub struct Reassembly {
    waiting: HashMap<Key, Waiting, foldhash::fast::RandomState>,
    /// Keys, oldest first; those whose packet is gone are skipped.
    order: VecDeque<(u64, Key)>,
    number: u64,
    /// What they all hold.
    held: usize,
}

impl Reassembly {
    /// Takes a fragment; `frame` are its captured bytes, `is_known` says whether its flow is. Gives the payload of the packet that it
    /// makes whole; `header` then has its length, and for TCP the sequence number and flags of the first fragment (not marked as
    /// known).
    pub fn push(
        &mut self,
        header: &mut Header,
        fragment: &FragmentInfo,
        is_known: bool,
        frame: &[u8],
        books: &mut Books,
    ) -> Option<Vec<u8>> {
        self.forget(header.clock, books);
        let is_first = !header.is(marks::LATER_FRAGMENT);
        // inside of its tunnel there is another packet: what comes behind belongs to that
        let carries = matches!(header.protocol, TCP | UDP) && header.is(marks::FRAGMENT);
        let is_wanted = if is_first {
            fragment.whole && carries
        } else {
            // a first one that is still to come may say another protocol, behind further headers
            matches!(fragment.protocol, TCP | UDP) || fragment.family == 6
        };
        let start = usize::try_from(fragment.start).ok()?;
        let length = usize::try_from(fragment.length).ok()?;
        let data = frame.get(start..)?.get(..length)?;
        let end = fragment.offset.checked_add(fragment.length)?;
        if !is_wanted || end > LONGEST {
            return None;
        }
        let key = fragment.key();
        let number = self.number;
        let waiting = self.waiting.entry(key).or_insert_with(|| {
            self.number = number.wrapping_add(1);
            self.order.push_back((number, key));
            Waiting {
                clock: header.clock,
                number,
                ..Waiting::default()
            }
        });
        let before = waiting.held();
        if is_first && waiting.first.is_none() {
            waiting.first = Some(First {
                protocol: header.protocol,
                transport: header.transport.checked_sub(fragment.start)?,
                seq: header.seq,
                flags: header.tcp_flags,
            });
        }
        if !fragment.more {
            waiting.length.get_or_insert(end);
        }
        waiting.add(fragment.offset, data);
        self.held = self
            .held
            .saturating_add(waiting.held())
            .saturating_sub(before);
        if !waiting.is_whole() {
            self.fit(books);
            return None;
        }
        let waiting = self.take(&key)?;
        let Some((first, payload)) = waiting.payload().filter(|_| is_known) else {
            books.anomalies.add(Anomaly::FragmentLost);
            return None;
        };
        if first.protocol == TCP {
            (header.seq, header.tcp_flags) = (first.seq, first.flags);
        }
        header.whole = u32::try_from(payload.len()).ok()?;
        Some(payload)
    }

    /// Gives up what is not whole.
    pub fn end(&mut self, books: &mut Books) {
        let left = u64::try_from(self.waiting.len()).unwrap_or(u64::MAX);
        books.anomalies.add_many(Anomaly::FragmentLost, left);
        *self = Self::default();
    }

    /// Gives up what has waited for too long.
    fn forget(&mut self, clock: i64, books: &mut Books) {
        let is_over = |waiting: &Waiting| clock.saturating_sub(waiting.clock) > LIFETIME;
        while self.oldest().is_some_and(|(_, waiting)| is_over(waiting)) {
            self.give_up(books);
        }
    }

    /// Gives up the oldest ones as long as there are too many, or too many bytes.
    fn fit(&mut self, books: &mut Books) {
        while self.waiting.len() > MOST || self.held > ROOM {
            if self.oldest().is_none() {
                return;
            }
            self.give_up(books);
        }
        // keys of packets that are gone would pile up behind one that waits
        if self.order.len() > MOST.saturating_mul(2) {
            let waiting = &self.waiting;
            self.order
                .retain(|(number, key)| waiting.get(key).is_some_and(|one| one.number == *number));
        }
    }

    /// The packet that has waited longest.
    fn oldest(&mut self) -> Option<(Key, &Waiting)> {
        while let Some((number, key)) = self.order.front() {
            let current = self
                .waiting
                .get(key)
                .is_some_and(|one| one.number == *number);
            if current {
                break;
            }
            self.order.pop_front();
        }
        let (_, key) = self.order.front()?;
        self.waiting.get(key).map(|waiting| (*key, waiting))
    }

    fn give_up(&mut self, books: &mut Books) {
        if let Some((key, _)) = self.oldest() {
            self.take(&key);
            books.anomalies.add(Anomaly::FragmentLost);
        }
    }

    fn take(&mut self, key: &Key) -> Option<Waiting> {
        let waiting = self.waiting.remove(key)?;
        self.held = self.held.saturating_sub(waiting.held());
        Some(waiting)
    }
}

impl Waiting {
    fn held(&self) -> usize {
        let pieces = self.pieces.len().saturating_mul(PIECE);
        self.bytes.len().saturating_add(pieces)
    }

    /// Takes the bytes at `offset` that are not there yet.
    fn add(&mut self, offset: u32, data: &[u8]) {
        let length = u32::try_from(data.len()).unwrap_or(u32::MAX);
        let (mut at, end) = (offset, offset.saturating_add(length));
        let mut place = self.pieces.partition_point(|piece| piece.end() <= at);
        while at < end {
            let next = self.pieces.get(place).copied();
            let gap = next.map_or(end, |next| next.offset.min(end));
            let [from, to] = [at, gap].map(|place| usize::try_from(place.saturating_sub(offset)));
            if let (Ok(from), Ok(to)) = (from, to)
                && let Some(new) = data.get(from..to).filter(|new| !new.is_empty())
            {
                let piece = Piece {
                    offset: at,
                    length: gap.saturating_sub(at),
                    at: self.bytes.len(),
                };
                self.bytes.extend_from_slice(new);
                self.pieces.insert(place, piece);
                place = place.saturating_add(1);
            }
            let Some(next) = next else { return };
            at = next.end();
            place = place.saturating_add(1);
        }
    }

    /// Whether all is there.
    fn is_whole(&self) -> bool {
        let (Some(_), Some(length)) = (self.first, self.length) else {
            return false;
        };
        let mut at = 0;
        for piece in &self.pieces {
            if piece.offset != at || at >= length {
                break;
            }
            at = piece.end();
        }
        at >= length
    }

    /// The payload, of one that is whole; `None` where the transport header is none.
    fn payload(&self) -> Option<(First, Vec<u8>)> {
        let (first, length) = (self.first?, self.length?);
        let mut bytes = Vec::with_capacity(self.bytes.len());
        for piece in self.pieces.iter().take_while(|piece| piece.offset < length) {
            let from = self.bytes.get(piece.at..)?;
            let size = piece.length.min(length.saturating_sub(piece.offset));
            bytes.extend_from_slice(from.get(..usize::try_from(size).ok()?)?);
        }
        let transport = usize::try_from(first.transport).ok()?;
        let size = match first.protocol {
            // the header itself may have come in parts
            TCP => usize::from(bytes.get(transport.checked_add(12)?)? >> 4).saturating_mul(4),
            _ => 8,
        };
        let payload = bytes.get(transport.checked_add(size)?..)?.to_vec();
        Some((first, payload))
    }
}

#[cfg(test)]
mod tests {
    use super::super::generate::{extension, ipv4, ipv6, join, tcp, udp};
    use super::super::reference::record;
    use super::super::{DecodeOptions, Decoder, FragmentTable, Fragments};
    use super::*;
    use crate::sources::Record;
    use proptest::prelude::*;

    /// An input whose clock can be set.
    struct Source {
        decoder: Decoder,
        named: FragmentTable,
        reassembly: Reassembly,
        books: Books,
        clock: i64,
    }

    impl Source {
        fn new() -> Self {
            let options = DecodeOptions {
                fragments: Fragments::Reassemble,
                ..DecodeOptions::default()
            };
            Self {
                decoder: Decoder::new(&options),
                named: FragmentTable::default(),
                reassembly: Reassembly::default(),
                books: Books::default(),
                clock: 0,
            }
        }

        /// The header of a packet, and the payload that it makes whole.
        fn next(&mut self, frame: &[u8]) -> (Header, Option<Vec<u8>>) {
            let record = Record {
                clock: self.clock,
                ..record(101, frame)
            };
            let (mut header, mut fragment) = (super::super::blank(&record, 0), None);
            let decoder = &self.decoder;
            assert!(decoder.decode_into(
                &mut header,
                &mut fragment,
                &record,
                0,
                frame,
                &mut self.books
            ));
            let Some(fragment) = fragment else {
                return (header, None);
            };
            let books = &mut self.books;
            let is_known = self.named.apply(&mut header, &fragment, books);
            let reassembly = &mut self.reassembly;
            let whole = reassembly.push(&mut header, &fragment, is_known, frame, books);
            (header, whole)
        }

        fn whole(&mut self, frame: &[u8]) -> Option<Vec<u8>> {
            self.next(frame).1
        }

        fn lost(&self) -> u64 {
            self.books.anomalies.get(Anomaly::FragmentLost)
        }
    }

    /// A fragment of an IPv4 packet with this identification, at an offset in units of 8 bytes.
    fn part(id: u16, protocol: u8, offset: u16, more: bool, data: &[u8]) -> Vec<u8> {
        let mut packet = ipv4(protocol, &[], offset | u16::from(more) << 13, data);
        packet[4..6].copy_from_slice(&id.to_be_bytes());
        packet
    }

    #[test]
    fn a_datagram_is_whole_with_its_last_missing_part_in_any_order() {
        let datagram = udp(9, 53, b"abcdefghijklmnopqrstuvwxyz");
        let parts = [
            part(1, 17, 0, true, &datagram[..16]),
            part(1, 17, 2, true, &datagram[16..24]),
            part(1, 17, 3, false, &datagram[24..]),
        ];
        for order in [
            [0, 1, 2],
            [0, 2, 1],
            [1, 0, 2],
            [1, 2, 0],
            [2, 0, 1],
            [2, 1, 0],
        ] {
            let mut source = Source::new();
            for at in &order[..2] {
                let (header, whole) = source.next(&parts[*at]);
                assert_eq!((header.whole, whole), (0, None));
            }
            let (header, whole) = source.next(&parts[order[2]]);
            assert_eq!(whole.as_deref(), Some(&datagram[8..]), "{order:?}");
            assert_eq!(header.whole, 26);
            // all else is as it is without
            let own = parts[order[2]].len() as u32 - 20;
            let payload = if order[2] == 0 { own - 8 } else { own };
            assert_eq!((header.payload_len, header.src_port), (payload, 9));
            source.reassembly.end(&mut source.books);
            assert_eq!(source.lost(), 0);
        }
    }

    #[test]
    fn the_first_bytes_of_a_place_count() {
        let datagram = udp(9, 53, b"abcdefghijklmnopqrstuvwx");
        let mut source = Source::new();
        assert_eq!(source.whole(&part(1, 17, 0, true, &datagram[..16])), None);
        // over what is there, and what is not
        assert_eq!(
            source.whole(&part(1, 17, 1, true, b"ABCDEFGHIJKLMNOP")),
            None
        );
        assert_eq!(source.whole(&part(1, 17, 2, true, b"XXXXXXXX")), None);
        let last = part(1, 17, 2, false, b"YYYYYYYYqrstuvwx");
        assert_eq!(
            source.whole(&last).as_deref(),
            Some(&b"abcdefghIJKLMNOPqrstuvwx"[..])
        );
        // another one of the same number is a new one
        assert_eq!(source.whole(&last), None);
        assert_eq!(
            source
                .whole(&part(1, 17, 0, true, &datagram[..16]))
                .as_deref(),
            Some(&b"abcdefghYYYYYYYYqrstuvwx"[..])
        );
    }

    #[test]
    fn segments_have_the_numbers_of_their_first_part() {
        let segment = tcp(0x18, &[1, 1, 8, 10, 0, 0, 0, 1, 0, 0, 0, 2], b"payload!");
        let mut source = Source::new();
        // the options come in the second part
        assert_eq!(source.whole(&part(7, 6, 0, true, &segment[..24])), None);
        let (header, whole) = source.next(&part(7, 6, 3, false, &segment[24..]));
        assert_eq!(whole.as_deref(), Some(&b"payload!"[..]));
        assert_eq!((header.seq, header.tcp_flags), (0x0102_0304, 0x18));
        assert!(!header.is(marks::TCP_KNOWN), "columns do not see them");
    }

    #[test]
    fn fragments_of_ipv6_behind_further_headers() {
        let inside = extension(60, 17, &udp(9, 53, b"abcdefghijkl"));
        let fragment = |offset: u16, more: bool, data: &[u8]| {
            let mut header = extension(44, 60, data);
            header[2..4].copy_from_slice(&(offset << 3 | u16::from(more)).to_be_bytes());
            ipv6(44, &header)
        };
        let mut source = Source::new();
        assert_eq!(source.whole(&fragment(2, false, &inside[16..])), None);
        let (header, whole) = source.next(&fragment(0, true, &inside[..16]));
        assert_eq!(whole.as_deref(), Some(&b"abcdefghijkl"[..]));
        assert_eq!((header.protocol, header.whole), (17, 12));
    }

    #[test]
    fn what_does_not_come_is_given_up_and_counted() {
        let datagram = udp(9, 53, b"abcdefgh");
        let first = |id| part(id, 17, 0, true, &datagram[..8]);
        let last = |id| part(id, 17, 1, false, &datagram[8..]);
        let mut source = Source::new();
        source.next(&first(1));
        source.clock = LIFETIME;
        assert!(source.whole(&last(1)).is_some(), "30 s are not over");
        source.next(&first(2));
        source.clock += LIFETIME + 1;
        assert_eq!(source.whole(&last(2)), None);
        assert_eq!(source.lost(), 1);
        // a part that was not captured whole brings nothing
        let cut = first(3);
        let mut record = record(101, &cut);
        record.captured -= 1;
        record.clock = source.clock;
        let (mut header, mut fragment) = (super::super::blank(&record, 0), None);
        let books = &mut source.books;
        source
            .decoder
            .decode_into(&mut header, &mut fragment, &record, 0, &cut, books);
        let fragment = fragment.expect("a fragment");
        let frame = &cut[..cut.len() - 1];
        let reassembly = &mut source.reassembly;
        assert_eq!(
            reassembly.push(&mut header, &fragment, true, frame, books),
            None
        );
        assert_eq!(source.whole(&last(3)), None);
        // neither does a first part without its whole transport header, nor another protocol
        source.next(&part(4, 6, 0, true, &[9; 16]));
        source.next(&part(5, 1, 0, true, &[9; 16]));
        source.next(&part(5, 1, 2, false, &[9; 16]));
        // nor what would be longer than a packet can be
        source.next(&part(6, 17, 0x1FFF, true, &[9; 16]));
        assert_eq!(
            source.reassembly.waiting.len(),
            2,
            "the last parts of 2 and 3"
        );
        source.reassembly.end(&mut source.books);
        assert_eq!((source.lost(), source.reassembly.held), (3, 0));
    }

    #[test]
    fn the_table_is_bounded_and_gives_up_the_oldest() {
        let mut source = Source::new();
        let datagram = udp(9, 53, b"abcdefgh");
        for id in 0..=MOST {
            source.next(&part(id as u16, 17, 0, true, &datagram[..8]));
        }
        assert_eq!(source.lost(), 1);
        assert_eq!(source.whole(&part(0, 17, 1, false, b"abcdefgh")), None);
        assert_eq!(source.lost(), 2, "which takes a place of its own");
        assert!(source.whole(&part(2, 17, 1, false, b"abcdefgh")).is_some());
        assert!(
            source
                .whole(&part(MOST as u16, 17, 1, false, b"abcdefgh"))
                .is_some()
        );
        // by bytes: parts of 1,400
        let mut source = Source::new();
        for id in 0..500 {
            for at in 0..8 {
                source.next(&part(id, 17, 1 + at * 175, true, &[7; 1400]));
            }
        }
        assert!(source.reassembly.held <= ROOM);
        let held = source.reassembly.waiting.values().map(Waiting::held);
        assert_eq!(source.reassembly.held, held.sum::<usize>());
        assert_eq!(
            source.lost() as usize,
            500 - source.reassembly.waiting.len()
        );
        assert!(source.lost() > 100);
        // whole, but its flow is not known any more
        let mut source = Source::new();
        source.next(&part(1, 17, 0, true, &datagram[..8]));
        source.named = FragmentTable::default();
        assert_eq!(source.whole(&part(1, 17, 1, false, b"abcdefgh")), None);
        assert_eq!((source.lost(), source.reassembly.waiting.len()), (1, 0));
        // a number used for ever
        let mut source = Source::new();
        source.next(&part(1, 17, 0, true, &datagram[..8]));
        for _ in 0..5 * MOST {
            source.next(&part(2, 17, 0, true, &datagram[..8]));
            source.next(&part(2, 17, 1, false, b"abcdefgh"));
        }
        assert!(source.reassembly.order.len() <= 2 * MOST + 1);
        assert_eq!((source.lost(), source.reassembly.waiting.len()), (0, 1));
    }

    proptest! {
        /// Against an array of bytes, each with the first value that it got.
        #[test]
        fn any_parts_give_what_an_array_gives(
            parts in prop::collection::vec((0u16..12, 0usize..40, any::<bool>(), any::<u8>()), 1..14),
        ) {
            let mut source = Source::new();
            let mut place: Vec<Option<u8>> = vec![None; 200];
            let (mut length, mut has_first, mut is_done) = (None, false, false);
            let header = udp(9, 53, b"");
            for (offset, size, more, byte) in parts {
                let first = offset == 0;
                // a first part with less names no flow, and brings nothing
                let data = if first { join(&[&header, &vec![byte; size]]) } else { vec![byte; size] };
                if first && !more {
                    continue; // no fragment
                }
                let found = source.whole(&part(1, 17, offset, more, &data));
                if is_done {
                    continue; // a new one has begun
                }
                let at = usize::from(offset) * 8;
                for (to, from) in place[at..].iter_mut().zip(&data) {
                    to.get_or_insert(*from);
                }
                has_first |= first;
                if !more {
                    length.get_or_insert(at + data.len());
                }
                let whole = length.filter(|_| has_first).and_then(|length: usize| {
                    place[..length].iter().copied().collect::<Option<Vec<u8>>>()
                });
                let expected = whole.and_then(|whole| Some(whole.get(8..)?.to_vec()));
                is_done = expected.is_some();
                prop_assert_eq!(found, expected);
            }
        }
    }
}
