//! The flows of fragments: the first fragment of a packet names them, the later ones have no ports (semantics 2.7).
//!
//! One table a source, fed in record order. Puts no packet together again (`reassemble.rs` does). Memory is bounded: 16,384 first fragments, of the last
//! 30 s of the source's clock.

use crate::books::{Anomaly, Books};
use crate::packet::{Header, marks};
use hashbrown::HashMap;
use std::collections::VecDeque;

/// First fragments that are remembered.
const MOST: usize = 16_384;

/// How long, ns of the source's clock.
pub(super) const LIFETIME: i64 = 30_000_000_000;

/// What the table needs of a fragment beyond its header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FragmentInfo {
    /// Source address in the fragment's IP header, as in [`Header`].
    pub src: [u8; 16],
    /// Destination address in the fragment's IP header.
    pub dst: [u8; 16],
    /// Identification.
    pub id: u32,
    /// IPv4 protocol, or next header of the IPv6 fragment header.
    pub protocol: u8,
    /// 4 or 6.
    pub family: u8,
    /// Place of its data in the packet, bytes.
    pub offset: u32,
    /// Whether there are fragments behind it.
    pub more: bool,
    /// Offset of its data in the frame, and their length on the wire.
    pub start: u32,
    /// See `start`.
    pub length: u32,
    /// Ports are captured and the transport header is not parted: a first fragment like that names its flow.
    pub whole: bool,
}

/// Addresses, identification, protocol, family.
pub(super) type Key = ([u8; 16], [u8; 16], u32, u8, u8);

impl FragmentInfo {
    pub(super) fn key(&self) -> Key {
        (self.src, self.dst, self.id, self.protocol, self.family)
    }
}

/// The flow of a first fragment.
#[derive(Clone, Copy, Debug)]
struct Named {
    clock: i64,
    /// Tells this entry from earlier ones of the same key in `order`.
    number: u64,
    src: [u8; 16],
    dst: [u8; 16],
    src_port: u16,
    dst_port: u16,
    protocol: u8,
    family: u8,
    depth: u8,
}

/// The first fragments of one source.
#[derive(Clone, Debug, Default)]
pub struct FragmentTable {
    named: HashMap<Key, Named, foldhash::fast::RandomState>,
    /// Keys, oldest first; those whose entry was replaced since are skipped.
    order: VecDeque<(u64, Key)>,
    number: u64,
}

impl FragmentTable {
    /// Remembers the flow of a first fragment; gives a later one the flow of its first, and counts it where that is not known. Gives
    /// whether it is.
    pub fn apply(
        &mut self,
        header: &mut Header,
        fragment: &FragmentInfo,
        books: &mut Books,
    ) -> bool {
        if !header.is(marks::LATER_FRAGMENT) {
            if fragment.whole {
                self.remember(header, fragment.key());
            }
            return fragment.whole;
        }
        let named = self.named.get(&fragment.key());
        match named.filter(|named| header.clock.saturating_sub(named.clock) <= LIFETIME) {
            Some(named) => {
                named.give(header);
                true
            }
            None => {
                books.anomalies.add(Anomaly::FragmentOrphan);
                false
            }
        }
    }

    fn remember(&mut self, header: &Header, key: Key) {
        self.number = self.number.wrapping_add(1);
        let named = Named {
            clock: header.clock,
            number: self.number,
            src: header.src,
            dst: header.dst,
            src_port: header.src_port,
            dst_port: header.dst_port,
            protocol: header.protocol,
            family: header.family,
            depth: header.depth,
        };
        self.named.insert(key, named);
        // Keys of replaced entries would pile up while one identification is used again and again.
        if self.order.len() >= MOST.saturating_mul(2) {
            let named = &self.named;
            self.order.retain(|(number, key)| {
                named.get(key).is_some_and(|named| named.number == *number)
            });
        }
        self.order.push_back((self.number, key));
        self.forget(header.clock);
    }

    /// Forgets what is over, then the oldest entry if there is one too many.
    fn forget(&mut self, clock: i64) {
        while let Some((number, key)) = self.order.front() {
            let current = self.named.get(key).filter(|named| named.number == *number);
            if let Some(named) = current {
                let over = clock.saturating_sub(named.clock) > LIFETIME;
                if !over && self.named.len() <= MOST {
                    return;
                }
                self.named.remove(key);
            }
            self.order.pop_front();
        }
    }
}

impl Named {
    /// Puts a later fragment into this flow.
    fn give(&self, header: &mut Header) {
        (header.src, header.dst) = (self.src, self.dst);
        (header.src_port, header.dst_port) = (self.src_port, self.dst_port);
        (header.protocol, header.family) = (self.protocol, self.family);
        // A first fragment is named by what was inside its tunnels: so the later ones are tunnelled too.
        if self.depth > header.depth {
            if !header.is(marks::TUNNEL) {
                header.marks |= marks::TUNNEL;
                header.outer = header.network;
            }
            header.depth = self.depth;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::generate::{extension, ipv4, ipv6, udp};
    use super::super::reference::record;
    use super::super::{DecodeOptions, Decoder, Fragments};
    use super::*;
    use crate::sources::Record;

    const SECOND: i64 = 1_000_000_000;

    /// A source whose clock can be set.
    struct Source {
        decoder: Decoder,
        books: Books,
        clock: i64,
    }

    impl Source {
        fn new(fragments: Fragments) -> Self {
            let options = DecodeOptions {
                fragments,
                ..DecodeOptions::default()
            };
            Self {
                decoder: Decoder::new(&options),
                books: Books::default(),
                clock: 0,
            }
        }

        /// Ports and protocol of the next packet.
        fn next(&mut self, frame: &[u8]) -> (u16, u16, u8) {
            let record = Record {
                clock: self.clock,
                ..record(101, frame)
            };
            let header = self.decoder.decode(&record, 0, frame, &mut self.books);
            let header = header.expect("a packet");
            (header.src_port, header.dst_port, header.protocol)
        }

        fn orphans(&self) -> u64 {
            self.books.anomalies.get(Anomaly::FragmentOrphan)
        }
    }

    fn with_id(id: u16, mut packet: Vec<u8>) -> Vec<u8> {
        packet[4..6].copy_from_slice(&id.to_be_bytes());
        packet
    }

    fn first(id: u16, port: u16) -> Vec<u8> {
        with_id(id, ipv4(17, &[], 0x2000, &udp(port, 53, b"abcdefgh")))
    }

    fn later(id: u16) -> Vec<u8> {
        with_id(id, ipv4(17, &[], 2, b"ijkl"))
    }

    #[test]
    fn later_fragments_join_the_flow_of_the_first() {
        let mut source = Source::new(Fragments::FirstPort);
        assert_eq!(source.next(&later(1)), (0, 0, 17));
        assert_eq!(source.orphans(), 1);
        assert_eq!(source.next(&first(1, 9)), (9, 53, 17));
        source.clock = 30 * SECOND;
        assert_eq!(source.next(&later(1)), (9, 53, 17));
        assert_eq!(source.next(&later(2)), (0, 0, 17));
        let mut other = later(1);
        other[19] = 3; // another destination
        assert_eq!(source.next(&other), (0, 0, 17));
        source.clock += 1;
        assert_eq!(source.next(&later(1)), (0, 0, 17), "30 s are over");
        assert_eq!(source.orphans(), 4);
    }

    #[test]
    fn a_new_first_fragment_replaces_and_renews() {
        let mut source = Source::new(Fragments::FirstPort);
        source.next(&first(1, 9));
        source.clock = 20 * SECOND;
        source.next(&first(1, 10));
        source.clock = 50 * SECOND;
        assert_eq!(source.next(&later(1)), (10, 53, 17));
    }

    #[test]
    fn a_parted_transport_header_names_no_flow() {
        let mut source = Source::new(Fragments::FirstPort);
        source.next(&with_id(1, ipv4(17, &[], 0x2000, &udp(9, 53, b"")[..7])));
        assert_eq!(source.next(&later(1)), (0, 0, 17));
        source.next(&with_id(2, ipv4(17, &[], 0x2000, &udp(9, 53, b""))));
        assert_eq!(source.next(&later(2)), (9, 53, 17));
        // whole by its length, but ports not captured
        source.next(&first(3, 9)[..23]);
        assert_eq!(source.next(&later(3)), (0, 0, 17));
        assert_eq!(source.orphans(), 2);
        for (protocol, whole) in [
            (1, 8),
            (6, 20),
            (33, 12),
            (58, 8),
            (132, 12),
            (136, 8),
            (47, 0),
        ] {
            for length in whole.max(1) - 1..=whole {
                let orphans = source.orphans();
                source.next(&ipv4(protocol, &[], 0x2000, &[9; 20][..length]));
                source.next(&ipv4(protocol, &[], 8, b"more"));
                assert_eq!(source.orphans() - orphans, u64::from(length < whole));
                source.clock += LIFETIME + 1;
            }
        }
    }

    #[test]
    fn ipv6_fragments_get_the_upper_layer_protocol() {
        let mut source = Source::new(Fragments::FirstPort);
        let mut inside = extension(44, 60, &extension(60, 17, &udp(9, 53, b"")));
        inside[3] = 1;
        assert_eq!(source.next(&ipv6(44, &inside)), (9, 53, 17));
        let mut inside = extension(44, 60, b"data");
        inside[3] = 0x10;
        assert_eq!(source.next(&ipv6(44, &inside)), (9, 53, 17));
        inside[7] ^= 1; // another identification
        assert_eq!(source.next(&ipv6(44, &inside)), (0, 0, 60));
    }

    #[test]
    fn fragments_can_be_left_alone() {
        let mut source = Source::new(Fragments::Ignore);
        source.next(&first(1, 9));
        assert_eq!(source.next(&later(1)), (0, 0, 17));
        assert_eq!(source.orphans(), 0);
    }

    #[test]
    fn the_table_is_bounded_and_forgets_the_oldest() {
        let mut source = Source::new(Fragments::FirstPort);
        for id in 0..=MOST {
            source.next(&first(id as u16, 9));
        }
        assert_eq!(source.next(&later(0)), (0, 0, 17));
        assert_eq!(source.next(&later(1)), (9, 53, 17));
        assert_eq!(source.next(&later(MOST as u16)), (9, 53, 17));
        // the second oldest is renewed, so the third oldest goes first
        source.next(&first(1, 10));
        source.next(&first(60_000, 9));
        assert_eq!(source.next(&later(1)), (10, 53, 17));
        assert_eq!(source.next(&later(2)), (0, 0, 17));
    }

    #[test]
    fn an_identification_used_for_ever_costs_nothing() {
        let mut table = FragmentTable::default();
        let mut header: Header = bytemuck::Zeroable::zeroed();
        let mut fragment = FragmentInfo {
            src: [1; 16],
            dst: [2; 16],
            id: 0,
            protocol: 17,
            family: 4,
            offset: 0,
            more: true,
            start: 0,
            length: 0,
            whole: true,
        };
        let mut books = Books::default();
        table.apply(&mut header, &fragment, &mut books);
        fragment.id = 1;
        for _ in 0..5 * MOST {
            table.apply(&mut header, &fragment, &mut books);
        }
        assert_eq!(table.named.len(), 2);
        assert!(table.order.len() <= 2 * MOST);
        // all is forgotten once it is over
        header.clock = LIFETIME + 1;
        table.apply(&mut header, &fragment, &mut books);
        assert_eq!((table.named.len(), table.order.len()), (1, 1));
    }
}
