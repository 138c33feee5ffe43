//! The flows of fragments: the first fragment of a packet names them, the later ones have no ports (semantics 2.7).
//!
//! One table a source, fed in record order. Puts no packet together again. Memory is bounded: 16,384 first fragments, of the last
//! 30 s of the source's clock.

use crate::books::{Anomaly, Books};
use crate::packet::{Header, marks};
use hashbrown::HashMap;
use std::collections::VecDeque;

/// First fragments that are remembered.
const MOST: usize = 16_384;

/// How long, ns of the source's clock.
const LIFETIME: i64 = 30_000_000_000;

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
    /// Ports are captured and the transport header is not parted: a first fragment like that names its flow.
    pub whole: bool,
}

/// Addresses, identification, protocol, family.
type Key = ([u8; 16], [u8; 16], u32, u8, u8);

impl FragmentInfo {
    fn key(&self) -> Key {
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
    /// Remembers the flow of a first fragment; gives a later one the flow of its first, and counts it where that is not known.
    pub fn apply(&mut self, header: &mut Header, fragment: &FragmentInfo, books: &mut Books) {
        if !header.is(marks::LATER_FRAGMENT) {
            if fragment.whole {
                self.remember(header, fragment.key());
            }
            return;
        }
        let named = self.named.get(&fragment.key());
        match named.filter(|named| header.clock.saturating_sub(named.clock) <= LIFETIME) {
            Some(named) => named.give(header),
            None => books.anomalies.add(Anomaly::FragmentOrphan),
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
