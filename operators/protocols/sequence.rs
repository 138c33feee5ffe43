//! Sequence numbers of TCP: their arithmetic (RFC 1982, RFC 9293 section 3.4), and the numbering of one direction.

use crate::packet::{Header, tcp};

/// How far `a` is ahead of `b`, mod 2^32; negative where it is behind.
#[inline]
pub const fn distance(a: u32, b: u32) -> i32 {
    a.wrapping_sub(b).cast_signed()
}

/// What a segment covers of sequence space: SYN, payload and FIN, in this order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Segment {
    /// Its first number.
    pub start: u32,
    /// Whether SYN takes a number.
    pub syn: bool,
    /// Bytes of payload.
    pub payload: u32,
    /// Whether FIN takes a number.
    pub fin: bool,
}

impl Segment {
    /// The segment of a packet with known flags.
    #[inline]
    pub const fn of(packet: &Header) -> Self {
        Self {
            start: packet.seq,
            syn: packet.has(tcp::SYN),
            payload: packet.payload_len,
            fin: packet.has(tcp::FIN),
        }
    }

    /// Numbers it covers.
    #[inline]
    pub const fn length(&self) -> u32 {
        self.payload
            .saturating_add(self.syn as u32)
            .saturating_add(self.fin as u32)
    }

    /// The number behind its last one.
    #[inline]
    pub const fn end(&self) -> u32 {
        self.start.wrapping_add(self.length())
    }
}

/// The numbers that one direction has used; the default is that of no segment.
#[derive(Clone, Copy, Debug, Default)]
pub struct Numbering {
    /// The highest end of a segment.
    top: u32,
    /// Sequence number of the first segment, or of the last SYN.
    start: u32,
    origin: Origin,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Origin {
    #[default]
    None,
    /// The numbering starts with the first segment that was seen.
    Seen,
    /// It starts with a SYN.
    Syn,
}

/// What a segment is to the numbering of its direction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// The first one.
    First,
    /// A SYN that starts another numbering: what came before says nothing about it.
    Restart,
    /// It continues; the highest end before it.
    Next(u32),
}

impl Numbering {
    /// Takes the next segment.
    ///
    /// A SYN restarts the numbering unless it repeats the last one, or is the first one seen and belongs right before the first
    /// segment.
    #[inline]
    pub fn take(&mut self, segment: &Segment) -> Step {
        let fits = match self.origin {
            Origin::None => false,
            Origin::Seen => !segment.syn || segment.start.wrapping_add(1) == self.start,
            Origin::Syn => !segment.syn || segment.start == self.start,
        };
        let step = match self.origin {
            Origin::None => Step::First,
            _ if fits => Step::Next(self.top),
            _ => Step::Restart,
        };
        if !fits {
            self.top = segment.start;
            self.start = segment.start;
            self.origin = Origin::Seen;
        }
        if segment.syn {
            self.start = segment.start;
            self.origin = Origin::Syn;
        }
        for number in [segment.start, segment.end()] {
            if distance(number, self.top) > 0 {
                self.top = number;
            }
        }
        step
    }

    /// Takes it that all numbers below this one were used.
    pub fn reach(&mut self, number: u32) {
        if distance(number, self.top) > 0 {
            self.top = number;
        }
    }

    /// The highest end so far; `None` before the first segment.
    #[inline]
    pub fn top(&self) -> Option<u32> {
        (self.origin != Origin::None).then_some(self.top)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn data(start: u32, payload: u32) -> Segment {
        Segment {
            start,
            syn: false,
            payload,
            fin: false,
        }
    }

    fn syn(start: u32) -> Segment {
        Segment {
            syn: true,
            ..data(start, 0)
        }
    }

    #[test]
    fn numbers_wrap() {
        assert_eq!(distance(5, u32::MAX - 4), 10);
        assert_eq!(distance(u32::MAX - 4, 5), -10);
        assert_eq!(distance(1 << 31, 0), i32::MIN);
        let mut numbering = Numbering::default();
        assert_eq!(
            (numbering.top(), numbering.take(&data(u32::MAX, 3))),
            (None, Step::First)
        );
        assert_eq!(numbering.top(), Some(2));
        assert_eq!(numbering.take(&data(u32::MAX - 9, 2)), Step::Next(2));
        assert_eq!(numbering.top(), Some(2), "it is older");
        // a segment nearly half the space ahead, whose end is more than that
        numbering.take(&data(i32::MAX.cast_unsigned(), 100));
        assert_eq!(numbering.top(), Some(i32::MAX.cast_unsigned() + 100));
    }

    #[test]
    fn a_new_syn_restarts() {
        let mut numbering = Numbering::default();
        numbering.take(&data(100, 10));
        // late, but it fits
        assert_eq!(numbering.take(&syn(99)), Step::Next(110));
        assert_eq!(numbering.take(&syn(99)), Step::Next(110));
        assert_eq!(numbering.take(&syn(100)), Step::Restart);
        assert_eq!(
            (numbering.top(), numbering.take(&syn(99))),
            (Some(101), Step::Restart)
        );
        assert_eq!(numbering.top(), Some(100));
    }

    #[test]
    fn syn_and_fin_take_a_number_each() {
        let whole = Segment {
            fin: true,
            ..data(7, 3)
        };
        assert_eq!((whole.length(), whole.end()), (4, 11));
        assert_eq!((syn(u32::MAX).length(), syn(u32::MAX).end()), (1, 0));
    }
}
