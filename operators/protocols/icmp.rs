//! ICMP (RFC 792, RFC 950) and ICMPv6 (RFC 4443, RFC 4861): what a message is for, and the numbers of queries and replies.
//!
//! Reads no quoted packets and no options.

use crate::decode::protocol::{ICMP, ICMPV6};

/// What a message is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names are those of the RFCs")]
pub enum Purpose {
    EchoRequest,
    EchoReply,
    /// Request or reply.
    Timestamp,
    Unreachable,
    TimeExceeded,
    Redirect,
    /// Anything else.
    Other,
}

impl Purpose {
    /// That of a message type of ICMP or ICMPv6, by IP protocol number.
    pub const fn of(protocol: u8, kind: u8) -> Self {
        match (protocol, kind) {
            (ICMP, 8) | (ICMPV6, 128) => Self::EchoRequest,
            (ICMP, 0) | (ICMPV6, 129) => Self::EchoReply,
            (ICMP, 13 | 14) => Self::Timestamp,
            (ICMP, 3) | (ICMPV6, 1) => Self::Unreachable,
            (ICMP, 11) | (ICMPV6, 3) => Self::TimeExceeded,
            (ICMP, 5) | (ICMPV6, 137) => Self::Redirect,
            _ => Self::Other,
        }
    }
}

/// A message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Message {
    /// Its type.
    pub kind: u8,
    /// Its code.
    pub code: u8,
    /// What it is for.
    pub purpose: Purpose,
    /// Identifier and sequence number of an echo or timestamp message, where captured.
    pub numbers: Option<(u16, u16)>,
}

impl Message {
    /// The message that starts with these bytes; `None` where type or code was not captured.
    pub fn read(protocol: u8, bytes: &[u8]) -> Option<Self> {
        let [kind, code, ..] = *bytes else {
            return None;
        };
        let purpose = Purpose::of(protocol, kind);
        let has_numbers = matches!(
            purpose,
            Purpose::EchoRequest | Purpose::EchoReply | Purpose::Timestamp
        );
        let numbers = bytes.get(4..).and_then(<[u8]>::first_chunk);
        let numbers = numbers
            .filter(|_| has_numbers)
            .map(|[a, b, c, d]| (u16::from_be_bytes([*a, *b]), u16::from_be_bytes([*c, *d])));
        Some(Self {
            kind,
            code,
            purpose,
            numbers,
        })
    }
}

/// Whether the IP protocol is ICMP or ICMPv6.
pub const fn is_icmp(protocol: u8) -> bool {
    matches!(protocol, ICMP | ICMPV6)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_of_both_protocols() {
        let bytes = [8, 0, 0, 0, 0x12, 0x34, 0, 7];
        let request = Message::read(ICMP, &bytes).expect("a message");
        assert_eq!(request.purpose, Purpose::EchoRequest);
        assert_eq!(request.numbers, Some((0x1234, 7)));
        // type 8 of ICMPv6 is not assigned
        let other = Message::read(ICMPV6, &bytes).expect("a message");
        assert_eq!((other.purpose, other.numbers), (Purpose::Other, None));
        let reply = Message::read(ICMPV6, &[129, 0, 0, 0, 0, 1, 0, 2]).expect("a message");
        assert_eq!(reply.numbers, Some((1, 2)));
        let unreachable = Message::read(ICMP, &[3, 13, 0, 0, 1, 2, 3, 4]).expect("a message");
        assert_eq!((unreachable.code, unreachable.numbers), (13, None));
    }

    #[test]
    fn a_cut_message_is_read_as_far_as_it_goes() {
        let bytes = [8, 0, 0, 0, 0x12, 0x34, 0, 7];
        assert_eq!(Message::read(ICMP, &bytes[..1]), None);
        for cut in 2..8 {
            let message = Message::read(ICMP, &bytes[..cut]).expect("a message");
            assert_eq!((message.kind, message.numbers), (8, None));
        }
    }
}
