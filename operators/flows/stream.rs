//! The first bytes of a direction of a TCP connection, by sequence number (RFC 9293 section 3.4).
//!
//! No acknowledgement, window or checksum is looked at, and nothing before the first packet of the direction.

#![cfg_attr(
    not(test),
    warn(
        clippy::indexing_slicing,
        clippy::arithmetic_side_effects,
        clippy::cast_possible_truncation,
        clippy::expect_used,
        clippy::panic
    )
)]

use crate::packet::{Packet, tcp};
use crate::protocols::{Piece, Prefix};

/// One direction of a TCP connection.
#[derive(Debug, Default)]
pub struct Stream {
    /// Sequence number of byte 0, once a packet started the stream.
    base: Option<u32>,
    prefix: Prefix,
}

/// The sequence number of the first payload byte.
fn sequence(packet: &Packet<'_>) -> u32 {
    packet.seq.wrapping_add(u32::from(packet.has(tcp::SYN)))
}

impl Stream {
    /// Where a stream starts whose first packet this is: the first of its direction with SYN or payload.
    pub fn start(packet: &Packet<'_>) -> Option<u32> {
        let is_start = packet.has(tcp::SYN) || packet.payload_len > 0;
        is_start.then(|| sequence(packet))
    }

    /// A stream whose first byte has this sequence number, if that is known.
    pub fn new(base: Option<u32>) -> Self {
        Self {
            base,
            prefix: Prefix::default(),
        }
    }

    /// Where in the stream the payload of a packet starts: the offset nearest to `near` that its sequence number can mean.
    pub fn offset(&self, packet: &Packet<'_>, near: i64) -> i64 {
        let base = self.base.unwrap_or_else(|| sequence(packet));
        // sequence numbers go round: the low half says where
        let [.., a, b, c, d] = near.to_be_bytes();
        let there = base.wrapping_add(u32::from_be_bytes([a, b, c, d]));
        let distance = sequence(packet).wrapping_sub(there).cast_signed();
        near.saturating_add(distance.into())
    }

    /// Bytes from the start without a missing one.
    pub fn complete(&self) -> u32 {
        self.prefix.complete()
    }

    /// Takes a packet of this direction whose sequence number is known; hands on what is in order now, up to `limit` bytes from
    /// the start. A packet with RST brings nothing.
    pub fn push(&mut self, packet: &Packet<'_>, limit: u32, tell: impl FnMut(Piece<'_>)) {
        if packet.has(tcp::RST) {
            return;
        }
        if self.base.is_none() {
            self.base = Self::start(packet);
        }
        if self.base.is_some() {
            self.prefix
                .push(self.offset(packet, 0), packet.payload(), limit, tell);
        }
    }

    /// Heap bytes held.
    pub fn heap_bytes(&self) -> usize {
        self.prefix.heap_bytes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::features::testing::{Built, forth};
    use proptest::prelude::*;
    use tcp::{ACK, RST, SYN};

    /// The bytes of these packets in order, and for each the packet that brought it.
    fn read(packets: &[Built], limit: u32) -> (Vec<u8>, Vec<u32>) {
        let (mut stream, mut bytes, mut owners) = (Stream::default(), Vec::new(), Vec::new());
        for packet in packets {
            stream.push(&packet.packet(), limit, |piece| {
                bytes.extend_from_slice(piece.bytes);
                owners.extend(piece.bytes.iter().map(|_| piece.packet));
            });
        }
        (bytes, owners)
    }

    fn segment(sequence: u32, bytes: &[u8]) -> Built {
        forth().flags(ACK).seq(sequence, 0).payload(bytes)
    }

    #[test]
    fn order_overlaps_and_wrapping() {
        let syn = forth().flags(SYN).seq(100, 0);
        assert_eq!(
            read(&[syn, segment(104, b"def"), segment(101, b"abcD")], 99),
            (b"abcdef".to_vec(), vec![1, 1, 1, 0, 0, 0])
        );
        let wrap = [segment(u32::MAX - 1, b"abcd"), segment(2, b"ef")];
        assert_eq!(read(&wrap, 99).0, b"abcdef");
        let holes = [
            segment(1, b"a"),
            segment(3, b"c"),
            segment(5, b"e"),
            segment(2, b"bXdXf"),
        ];
        assert_eq!(
            read(&holes, 99),
            (b"abcdef".to_vec(), vec![0, 3, 1, 3, 2, 3])
        );
    }

    #[test]
    fn resets_gaps_limits_and_what_is_before_the_start() {
        let reset = segment(3, b"zz").flags(RST);
        assert_eq!(
            read(&[segment(1, b"ab"), reset, segment(3, b"cd")], 99).0,
            b"abcd"
        );
        assert_eq!(read(&[segment(1, b"ab"), segment(5, b"ef")], 99).0, b"ab");
        assert_eq!(read(&[segment(1, b"abcdef")], 4).0, b"abcd");
        assert_eq!(
            read(&[segment(10, b"cd"), segment(8, b"abXYef")], 99).0,
            b"cdef"
        );
        assert_eq!(read(&[forth().flags(ACK).seq(1, 0)], 99).0, b"");
    }

    proptest! {
        #[test]
        fn any_split_and_order_give_the_same_bytes(
            base: u32, length in 1usize..60, mut parts in prop::collection::vec((0usize..60, 1usize..12), 0..40), seed: u64,
        ) {
            let whole: Vec<u8> = (0..length as u8).collect();
            // every byte comes at least once
            parts.extend((0..length).step_by(7).map(|at| (at, 7)));
            let mut order: Vec<(u64, (usize, usize))> = parts
                .iter()
                .enumerate()
                .map(|(at, part)| ((at as u64).wrapping_mul(seed | 1).rotate_left(17), *part))
                .collect();
            order.sort_unstable();
            let syn = forth().flags(SYN).seq(base, 0);
            let packets = order.iter().filter_map(|(_, (at, size))| {
                let bytes = whole.get(*at..(at + size).min(length))?;
                Some(segment(base.wrapping_add(1 + *at as u32), bytes))
            });
            let packets: Vec<Built> = [syn].into_iter().chain(packets).collect();
            prop_assert_eq!(read(&packets, 1000).0, whole);
        }
    }
}
