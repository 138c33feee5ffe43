//! Community ID, version 1, seed 0: the same text for a conversation in every tool that knows it (Corelight's published
//! specification).

use crate::columns::Address;
use crate::decode::protocol::{ICMP, ICMPV6, SCTP, TCP, UDP};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sha1::{Digest as _, Sha1};

/// One end of a conversation: address and port.
pub type End = (Address, u16);

/// Pairs of message types that ask and answer.
const PAIRS_V4: [(u8, u8); 5] = [(8, 0), (13, 14), (15, 16), (17, 18), (10, 9)];
/// The same of ICMPv6.
const PAIRS_V6: [(u8, u8); 6] = [
    (128, 129),
    (130, 131),
    (133, 134),
    (135, 136),
    (139, 140),
    (144, 145),
];

/// The type of the other direction, if a message type has one.
fn counterpart(protocol: u8, kind: u8) -> Option<u8> {
    let pairs = if protocol == ICMP {
        &PAIRS_V4[..]
    } else {
        &PAIRS_V6[..]
    };
    pairs.iter().find_map(|(ask, answer)| match kind {
        kind if kind == *ask => Some(*answer),
        kind if kind == *answer => Some(*ask),
        _ => None,
    })
}

/// The id of a conversation, from one of its packets. For ICMP `icmp` is type and code of its first message, whose sender is
/// `source`; ports are those of TCP, UDP and SCTP.
pub fn community_id(protocol: u8, source: End, destination: End, icmp: (u8, u8)) -> String {
    let mut ends = [source, destination];
    let mut is_ordered = true;
    if matches!(protocol, ICMP | ICMPV6) {
        let (kind, code) = icmp;
        let other = counterpart(protocol, kind);
        is_ordered = other.is_some();
        ends[0].1 = kind.into();
        ends[1].1 = other.unwrap_or(code).into();
    }
    if is_ordered {
        ends.sort_by_key(|(address, port)| (address.bytes, *port));
    }
    let mut hash = Sha1::new();
    hash.update([0, 0]);
    ends.iter()
        .for_each(|(address, _)| hash.update(Address::octets(address)));
    hash.update([protocol, 0]);
    if matches!(protocol, TCP | UDP | SCTP | ICMP | ICMPV6) {
        ends.iter()
            .for_each(|(_, port)| hash.update(port.to_be_bytes()));
    }
    format!("1:{}", STANDARD.encode(hash.finalize()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn end(address: &str, port: u16) -> End {
        let address: std::net::IpAddr = address.parse().unwrap();
        let mut bytes = [0; 16];
        let family = match address {
            std::net::IpAddr::V4(address) => {
                bytes[..4].copy_from_slice(&address.octets());
                4
            }
            std::net::IpAddr::V6(address) => {
                bytes = address.octets();
                6
            }
        };
        (Address { family, bytes }, port)
    }

    /// The vectors that the specification publishes.
    #[test]
    fn published_vectors() {
        let tcp = (end("128.232.110.120", 34855), end("66.35.250.204", 80));
        assert_eq!(
            community_id(6, tcp.0, tcp.1, (0, 0)),
            "1:LQU9qZlK+B5F3KDmev6m5PMibrg="
        );
        assert_eq!(
            community_id(6, tcp.1, tcp.0, (0, 0)),
            "1:LQU9qZlK+B5F3KDmev6m5PMibrg="
        );
        let udp = (end("192.168.1.52", 54585), end("8.8.8.8", 53));
        assert_eq!(
            community_id(17, udp.0, udp.1, (0, 0)),
            "1:d/FP5EW3wiY1vCndhwleRRKHowQ="
        );
        let sctp = (end("192.168.170.8", 7), end("192.168.170.56", 80));
        assert_eq!(
            community_id(132, sctp.0, sctp.1, (0, 0)),
            "1:jQgCxbku+pNGw8WPbEc/TS/uTpQ="
        );
    }

    #[test]
    fn messages_that_ask_and_answer_are_one_conversation() {
        let (host, router) = (end("192.168.0.89", 0), end("192.168.0.1", 0));
        let id = "1:X0snYXpgwiv9TZtqg64sgzUn6Dk=";
        assert_eq!(community_id(1, host, router, (8, 0)), id);
        assert_eq!(community_id(1, router, host, (0, 0)), id);
        let neighbours = (
            end("fe80::200:86ff:fe05:80da", 0),
            end("fe80::260:97ff:fe07:69ea", 0),
        );
        assert_eq!(
            community_id(58, neighbours.0, neighbours.1, (135, 0)),
            "1:dGHyGvjMfljg6Bppwm3bg0LO8TY="
        );
        // a message without an answer keeps its ends, and its code
        assert_eq!(
            community_id(1, host, router, (3, 1)),
            "1:LXCfhMUFbYXe+CEMrQuZCbiLY3o="
        );
        assert_ne!(
            community_id(1, router, host, (3, 1)),
            "1:LXCfhMUFbYXe+CEMrQuZCbiLY3o="
        );
        // no port bytes but in protocols that the specification names
        let dccp = (end("10.0.0.1", 5), end("10.0.0.2", 6));
        assert_eq!(
            community_id(33, dccp.0, dccp.1, (0, 0)),
            "1:qKfrGVs14/VI2wLMVfhXXHfa6a0="
        );
    }
}
