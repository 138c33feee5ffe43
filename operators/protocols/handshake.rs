//! How far the opening of a TCP connection has come (RFC 9293 section 3.5).

use crate::packet::{Packet, tcp};

/// The opening of a connection. `T` is what is kept of the moment of a packet: `()`, or its time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Handshake<T> {
    /// No SYN of the initiator yet.
    #[default]
    Closed,
    /// The latest SYN of the initiator.
    Syn(Syn<T>),
    /// The same, and the latest SYN+ACK that acknowledges it.
    Answered(Syn<T>, Answer<T>),
    /// The initiator acknowledged the SYN+ACK.
    Complete {
        /// When the SYN was seen.
        opened: T,
        /// When the SYN+ACK was.
        answered: T,
        /// When the acknowledgement was.
        completed: T,
        /// Whether SYN or SYN+ACK had been seen more than once.
        repeated: bool,
    },
}

/// A SYN.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Syn<T> {
    /// When it was seen last.
    at: T,
    /// Its sequence number.
    isn: u32,
    /// The length of its payload.
    length: u32,
    /// Whether it or its answer was seen more than once.
    repeated: bool,
}

/// A SYN+ACK.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Answer<T> {
    /// When it was seen last.
    at: T,
    /// Its sequence number.
    isn: u32,
}

impl<T: Copy> Handshake<T> {
    /// When SYN and SYN+ACK were seen, unless one of them was seen more than once.
    pub fn answer(&self) -> Option<(T, T)> {
        match *self {
            Self::Answered(opening, answer) if !opening.repeated => Some((opening.at, answer.at)),
            Self::Complete {
                opened,
                answered,
                repeated: false,
                ..
            } => Some((opened, answered)),
            _ => None,
        }
    }

    /// Takes a packet with known flags. A SYN that is sent again keeps the answer to it.
    #[inline]
    pub fn packet(&mut self, packet: &Packet<'_>, at: T) {
        if matches!(self, Self::Complete { .. }) || packet.has(tcp::RST) {
            return;
        }
        let (syn, ack) = (packet.has(tcp::SYN), packet.has(tcp::ACK));
        match *self {
            Self::Syn(mut opening) | Self::Answered(mut opening, _) if !packet.is_forward() => {
                let acknowledged = packet.ack.wrapping_sub(opening.isn).wrapping_sub(1);
                if syn && ack && acknowledged <= opening.length {
                    opening.repeated |= matches!(self, Self::Answered(..));
                    let isn = packet.seq;
                    *self = Self::Answered(opening, Answer { at, isn });
                }
            }
            _ if !packet.is_forward() => {}
            _ if syn && !ack => self.open(packet, at),
            Self::Answered(opening, answer)
                if ack && !syn && packet.ack == answer.isn.wrapping_add(1) =>
            {
                *self = Self::Complete {
                    opened: opening.at,
                    answered: answer.at,
                    completed: at,
                    repeated: opening.repeated,
                };
            }
            _ => {}
        }
    }

    /// Takes a SYN of the initiator.
    fn open(&mut self, packet: &Packet<'_>, at: T) {
        let mut opening = Syn {
            at,
            isn: packet.seq,
            length: packet.payload_len,
            repeated: false,
        };
        let before = match self {
            Self::Syn(before) | Self::Answered(before, _) => Some(before.isn),
            _ => None,
        };
        opening.repeated = before == Some(packet.seq);
        *self = match *self {
            Self::Answered(_, answer) if opening.repeated => Self::Answered(opening, answer),
            _ => Self::Syn(opening),
        };
    }
}
