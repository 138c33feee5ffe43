//! Conditions over packets in the language of capture filters (pcap-filter), where they can be said: for whoever captures what a spec
//! reads.
//!
//! Exact for IP packets without VLAN tags and tunnels that are no later fragments: a capture filter sees one frame at a time. What it
//! cannot say (flags of TCP over IPv6, lengths, payload, arithmetic) has no text. No field that it can say is ever null.

use super::aggregates::fields;
use super::check::{Node, Typed};
use super::eval::{self, Payload, Set};
use super::types::Constant;
use crate::columns::Address;

/// The capture filter of a condition over packets; `None` = it cannot be said.
pub fn capture_filter(condition: &Typed) -> Option<String> {
    let Node::Call(operation, payload, args) = &condition.node else {
        return None;
    };
    let two = || {
        Some((
            capture_filter(args.first()?)?,
            capture_filter(args.get(1)?)?,
        ))
    };
    Some(match *operation {
        operation if *operation == eval::NOT => negated(&capture_filter(args.first()?)?),
        operation if *operation == eval::AND => {
            let (one, other) = two()?;
            format!("({one}) and ({other})")
        }
        operation if *operation == eval::OR => {
            let (one, other) = two()?;
            format!("({one}) or ({other})")
        }
        operation if *operation == eval::EQUAL => equal(args)?,
        operation if *operation == eval::NOT_EQUAL => negated(&equal(args)?),
        operation if *operation == eval::IN_SET => among(args.first()?, payload)?,
        _ => return None,
    })
}

fn negated(text: &str) -> String {
    format!("not ({text})")
}

/// A field that has a value.
fn equal(args: &[Typed]) -> Option<String> {
    let (field, value) = match args {
        [field, value] | [value, field] if matches!(field.node, Node::Load(_)) => (field, value),
        _ => return None,
    };
    let field = Field::of(field)?;
    match &value.node {
        Node::Constant(Constant::Int(value)) => field.between(*value, *value),
        Node::Constant(Constant::Ip(address)) => {
            let number = eval::number(address);
            field.addresses(address.family, number, number)
        }
        _ => None,
    }
}

/// A field that has one of some values.
fn among(field: &Typed, set: &Payload) -> Option<String> {
    let (field, Payload::Set(_, set)) = (Field::of(field)?, set) else {
        return None;
    };
    let all: Option<Vec<String>> = match &**set {
        Set::Ints(ranges) => ranges
            .iter()
            .map(|(from, to)| field.between(*from, *to))
            .collect(),
        Set::Ips(families) => [4, 6]
            .into_iter()
            .zip(families)
            .flat_map(|(family, ranges)| {
                ranges
                    .iter()
                    .map(move |(from, to)| field.addresses(family, *from, *to))
            })
            .collect(),
        _ => None,
    };
    Some(all.filter(|all| !all.is_empty())?.join(" or "))
}

/// What a filter can ask of a packet.
#[derive(Clone, Copy)]
enum Field {
    /// An address, of `src` or `dst`.
    Address(&'static str),
    /// A port, of `src` or `dst`.
    Port(&'static str),
    /// The protocol above IP.
    Protocol,
}

impl Field {
    fn of(field: &Typed) -> Option<Self> {
        let Node::Load(place) = field.node else {
            return None;
        };
        Some(match fields::name(place)? {
            "src_ip" => Self::Address("src"),
            "dst_ip" => Self::Address("dst"),
            "src_port" => Self::Port("src"),
            "dst_port" => Self::Port("dst"),
            "proto" => Self::Protocol,
            _ => return None,
        })
    }

    fn between(self, from: i64, to: i64) -> Option<String> {
        // a packet without ports has 0 in these fields, and no port in a filter
        let is_port = |port: i64| (1..=65_535).contains(&port);
        match self {
            Self::Port(side) if is_port(from) && from == to => Some(format!("{side} port {from}")),
            Self::Port(side) if is_port(from) && is_port(to) => {
                Some(format!("{side} portrange {from}-{to}"))
            }
            Self::Protocol if from == to => {
                let name = match from {
                    1 => "icmp",
                    6 => "tcp",
                    17 => "udp",
                    58 => "icmp6",
                    _ => return None,
                };
                Some(name.to_owned())
            }
            _ => None,
        }
    }

    /// The addresses of a family between two of them, as numbers, where these are one, or a network.
    fn addresses(self, family: u8, from: u128, to: u128) -> Option<String> {
        let Self::Address(side) = self else {
            return None;
        };
        let (width, shift) = if family == 4 { (32, 96) } else { (128, 0) };
        let address = Address {
            family,
            bytes: (from << shift).to_be_bytes(),
        };
        let free = (to - from).count_ones();
        let is_network =
            (to - from).trailing_ones() == free && from.trailing_zeros().min(width) >= free;
        match free {
            0 => Some(format!("{side} host {address}")),
            _ if is_network => Some(format!("{side} net {address}/{}", width - free)),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::capture_filter;
    use crate::expressions::{Checker, Constant, Context, parse};

    fn said(text: &str) -> Option<String> {
        let mut context = Context::new("");
        context.set("port", Constant::Int(853));
        let mut none = Vec::new();
        let checked = Checker::packets(&context, text, &mut none).truth(&parse(text).unwrap(), "");
        capture_filter(&checked.unwrap())
    }

    #[test]
    fn what_a_capture_filter_can_say() {
        let sayable = [
            ("pkt.dst_port == 53", "dst port 53"),
            ("53 != pkt.src_port", "not (src port 53)"),
            ("pkt.dst_port == $port", "dst port 853"),
            (
                "pkt.proto == 6 and not (pkt.src_ip in 10.0.0.0/8 or pkt.dst_ip == 2001:db8::1)",
                "(tcp) and (not ((src net 10.0.0.0/8) or (dst host 2001:db8::1)))",
            ),
            (
                "pkt.dst_port in [22, 80..90]",
                "dst port 22 or dst portrange 80-90",
            ),
            (
                "pkt.dst_ip not in [192.0.2.1, 192.0.2.2]",
                "not (dst host 192.0.2.1 or dst host 192.0.2.2)",
            ),
            (
                "pkt.dst_ip in [fe80::/10, 0.0.0.0/0]",
                "dst net 0.0.0.0/0 or dst net fe80::/10",
            ),
        ];
        for (text, wanted) in sayable {
            assert_eq!(said(text).as_deref(), Some(wanted), "{text}");
        }
        let unsaid = [
            "pkt.tcp.syn",
            "pkt.len > 100",
            "pkt.dst_port == 0",
            "pkt.dst_port in 0..10",
            "pkt.dst_port in []",
            "pkt.dst_port == 53 and pkt.ttl > 3",
            "pkt.src_ip == pkt.dst_ip",
            "pkt.src_ip in 10.0.0.1..10.0.0.4",
        ];
        for text in unsaid {
            assert_eq!(said(text), None, "{text}");
        }
    }
}
