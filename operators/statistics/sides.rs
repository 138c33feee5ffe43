//! What is kept of the lengths of the packets of one direction, in a narrow form that grows into a wide one.

use super::Moments;

/// Lengths of any number of packets.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Side {
    /// Of the IP lengths.
    pub lengths: Moments,
    /// Of the payload lengths.
    pub payloads: Moments,
    /// Packets with payload.
    pub present: u64,
    /// The shortest payload.
    pub shortest: Option<u32>,
}

impl Side {
    fn push(&mut self, length: u32, payload: u32) {
        self.lengths.push(length.into());
        self.payloads.push(payload.into());
        if payload > 0 {
            self.present += 1;
            self.shortest = Some(self.shortest.map_or(payload, |least| least.min(payload)));
        }
    }

    fn merge(self, other: Self) -> Self {
        Self {
            lengths: self.lengths.merge(other.lengths),
            payloads: self.payloads.merge(other.payloads),
            present: self.present + other.present,
            shortest: self.shortest.into_iter().chain(other.shortest).min(),
        }
    }

    /// The longest payload.
    pub fn longest(&self) -> Option<u32> {
        let longest = self.payloads.max().filter(|length| *length > 0);
        longest.and_then(|length| u32::try_from(length).ok())
    }
}

/// Lengths of fewer than 2^16 packets, all lengths below 2^16: sums fit 32 bits, and sums of squares 48.
#[derive(Clone, Copy, Debug)]
struct Narrow {
    squares: u64,
    payload_squares: u64,
    sum: u32,
    payload_sum: u32,
    packets: u16,
    present: u16,
    min: u16,
    max: u16,
    /// One less than the shortest payload.
    below_shortest: u16,
    payload_max: u16,
}

impl Default for Narrow {
    fn default() -> Self {
        Self {
            squares: 0,
            payload_squares: 0,
            sum: 0,
            payload_sum: 0,
            packets: 0,
            present: 0,
            min: u16::MAX,
            max: 0,
            below_shortest: u16::MAX,
            payload_max: 0,
        }
    }
}

impl Narrow {
    /// Adds a packet; `false` if it does not fit.
    #[inline]
    fn push(&mut self, length: u32, payload: u32) -> bool {
        if (length | payload) > u32::from(u16::MAX) || self.packets == u16::MAX {
            return false;
        }
        self.packets += 1;
        self.sum += length;
        self.squares += u64::from(length) * u64::from(length);
        self.min = self.min.min(length as u16);
        self.max = self.max.max(length as u16);
        self.present += u16::from(payload > 0);
        self.payload_sum += payload;
        self.payload_squares += u64::from(payload) * u64::from(payload);
        // no payload wraps to the largest number, which changes no minimum
        self.below_shortest = self.below_shortest.min((payload as u16).wrapping_sub(1));
        self.payload_max = self.payload_max.max(payload as u16);
        true
    }

    fn widen(&self) -> Side {
        let n = u64::from(self.packets);
        let moments = |sum: u32, squares: u64, min: u16, max: u16| {
            Moments::of_sums(n, sum.into(), squares.into(), (min.into(), max.into()))
        };
        let shortest = (self.present > 0).then(|| u32::from(self.below_shortest) + 1);
        let least = if self.present < self.packets {
            0
        } else {
            self.below_shortest.wrapping_add(1)
        };
        Side {
            lengths: moments(self.sum, self.squares, self.min, self.max),
            payloads: moments(
                self.payload_sum,
                self.payload_squares,
                least,
                self.payload_max,
            ),
            present: self.present.into(),
            shortest,
        }
    }
}

/// Lengths of both directions.
#[derive(Debug, Default)]
pub struct Sides {
    narrow: [Narrow; 2],
    /// The packets that `narrow` had no room for.
    wide: Option<Box<[Side; 2]>>,
}

impl Sides {
    /// Adds a packet of direction 0 (forward) or 1 (backward).
    #[inline]
    pub fn push(&mut self, length: u32, payload: u32, direction: usize) {
        if !self.narrow[direction & 1].push(length, payload) {
            self.widen(length, payload, direction & 1);
        }
    }

    #[cold]
    fn widen(&mut self, length: u32, payload: u32, direction: usize) {
        let narrow = std::mem::take(&mut self.narrow[direction]);
        let wide = &mut self.wide.get_or_insert_default()[direction];
        *wide = wide.merge(narrow.widen());
        wide.push(length, payload);
    }

    /// Forward and backward.
    pub fn both(&self) -> [Side; 2] {
        let narrow = self.narrow.map(|narrow| narrow.widen());
        match &self.wide {
            Some(wide) => [0, 1].map(|side| wide[side].merge(narrow[side])),
            None => narrow,
        }
    }

    /// Whether there is no packet yet.
    pub fn is_empty(&self) -> bool {
        self.wide.is_none() && self.narrow.iter().all(|narrow| narrow.packets == 0)
    }

    /// Heap bytes held.
    pub fn heap_bytes(&self) -> usize {
        self.wide.as_ref().map_or(0, |wide| size_of_val(&**wide))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn check(packets: impl IntoIterator<Item = (u32, u32, usize)>) {
        let (mut narrow, mut wide) = (Sides::default(), [Side::default(); 2]);
        assert!(narrow.is_empty());
        for (length, payload, direction) in packets {
            narrow.push(length, payload, direction);
            wide[direction].push(length, payload);
            assert!(!narrow.is_empty());
        }
        assert_eq!(narrow.both(), wide);
    }

    #[test]
    fn more_packets_than_fit_are_widened() {
        let largest = u32::from(u16::MAX);
        check((0..200_000).map(|n| (largest, largest, n % 3 / 2)));
        check((0..70_000).map(|n| (largest - n % 7, n % 2 * (largest - n % 5), 0)));
        check([
            (0, 0, 1),
            (u32::MAX, u32::MAX, 1),
            (1, 1, 1),
            (1 << 16, 0, 0),
        ]);
    }

    fn length() -> impl Strategy<Value = u32> {
        prop_oneof![0u32..4, 0u32..1600, 65_530u32..65_540, any::<u32>()]
    }

    proptest! {
        #[test]
        fn narrow_is_wide(packets in prop::collection::vec((length(), length(), 0usize..2), 0..40)) {
            check(packets);
        }
    }
}
