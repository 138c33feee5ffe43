//! When a TCP connection is closed (semantics: end of a flow, rules 3 and 4).

use crate::books::EndReason;
use crate::packet::{Header, tcp};

/// What the close rule (semantics: end of a flow, rules 3 and 4) remembers of a TCP connection; indexed by direction.
#[derive(Clone, Copy, Debug, Default)]
pub struct CloseState {
    /// Sequence number of the first SYN of each side.
    pub isn: FirstSeen,
    /// Acknowledgement number that acknowledges the first FIN of each side.
    pub fin: FirstSeen,
    /// Whether it was acknowledged.
    pub acked: [bool; 2],
    /// Why it is closed, once it is.
    reason: Option<EndReason>,
    /// Clock at the packet that closed it.
    at: i64,
}

impl CloseState {
    /// Clock at the closing packet and the reason, once closed.
    #[inline]
    pub fn closed(&self) -> Option<(i64, EndReason)> {
        self.reason.map(|reason| (self.at, reason))
    }

    /// Notes the closing packet.
    fn close(&mut self, clock: i64, reason: EndReason) {
        (self.at, self.reason) = (clock, Some(reason));
    }

    /// Takes a TCP packet whose flags are known; true if it is the one that closes the record. Who sees one direction alone
    /// (`one_way`) sees neither the other FIN nor what acknowledges its own: the FIN closes it then, and what its sender still
    /// acknowledges joins it while it lingers.
    pub(super) fn update(&mut self, header: &Header, direction: usize, one_way: bool) -> bool {
        let other = 1 - direction;
        if header.has(tcp::SYN) {
            self.isn.see(direction, header.seq);
        }
        if header.has(tcp::FIN) {
            let syn = u32::from(header.has(tcp::SYN));
            let end = header.seq.wrapping_add(header.payload_len);
            self.fin
                .see(direction, end.wrapping_add(syn).wrapping_add(1));
        }
        if header.has(tcp::ACK)
            && let Some(end) = self.fin.get(other)
            && header.ack.wrapping_sub(end) < 1 << 31
        {
            self.acked[other] = true;
        }
        if self.closed().is_some() {
            return false;
        }
        let reason = if header.has(tcp::RST) {
            EndReason::Rst
        } else if self.acked == [true; 2] || one_way && self.fin.get(direction).is_some() {
            EndReason::Fin
        } else {
            return false;
        };
        self.close(header.clock, reason);
        true
    }

    /// That of a record which goes on behind one cut by the active timeout: the numbers, but open.
    #[must_use]
    pub fn reopened(self) -> Self {
        Self {
            reason: None,
            ..self
        }
    }
}

/// A number of each direction, as it was seen first: narrower than two `Option`s.
#[derive(Clone, Copy, Debug, Default)]
pub struct FirstSeen {
    numbers: [u32; 2],
    is_seen: [bool; 2],
}

impl FirstSeen {
    /// That of a direction.
    #[inline]
    pub fn get(&self, direction: usize) -> Option<u32> {
        self.is_seen[direction].then_some(self.numbers[direction])
    }

    /// Takes a number, if it is the first of its direction.
    pub fn see(&mut self, direction: usize, number: u32) {
        if !self.is_seen[direction] {
            self.numbers[direction] = number;
            self.is_seen[direction] = true;
        }
    }

    /// Whether a direction has one.
    pub fn is_any(&self) -> bool {
        self.is_seen != [false; 2]
    }
}
