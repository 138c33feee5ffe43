//! `[flows] where` in the language of capture filters (pcap-filter), where it can be said: for whoever captures what a spec reads.
//!
//! Exact for IP packets without VLAN tags and tunnels that are no later fragments: a capture filter sees one frame at a time. What it
//! cannot say (flags of TCP over IPv6, lengths, payload, arithmetic) has no text. No field that it can say is ever null.

use operators::expressions::parse;
use operators::expressions::syntax::{Binary, Expr, Kind, Unary};

/// The capture filter of a condition over packets; `None` = it cannot be said.
pub fn bpf(text: &str) -> Option<String> {
    said(&parse(text).ok()?)
}

fn said(expr: &Expr) -> Option<String> {
    match &expr.kind {
        Kind::Unary(Unary::Not, inner) => Some(negated(&said(inner)?)),
        Kind::Binary(operator @ (Binary::And | Binary::Or), a, b) => {
            let word = operator.symbol();
            Some(format!("({}) {word} ({})", said(a)?, said(b)?))
        }
        Kind::Binary(operator @ (Binary::Equal | Binary::NotEqual), a, b) => {
            let field = |expr: &Expr| matches!(expr.kind, Kind::Packet(_));
            let (name, value) = if field(a) { (a, b) } else { (b, a) };
            let text = one(name, value)?;
            Some(match operator {
                Binary::Equal => text,
                _ => negated(&text),
            })
        }
        Kind::In(name, set, not) => {
            let text = match &set.kind {
                Kind::List(items) => {
                    let all: Option<Vec<String>> =
                        items.iter().map(|item| one(name, item)).collect();
                    all.filter(|all| !all.is_empty())?.join(" or ")
                }
                _ => one(name, set)?,
            };
            Some(if *not { negated(&text) } else { text })
        }
        _ => None,
    }
}

fn negated(text: &str) -> String {
    format!("not ({text})")
}

/// A field that has a value, or one of a network or range.
fn one(name: &Expr, value: &Expr) -> Option<String> {
    let Kind::Packet(name) = &name.kind else {
        return None;
    };
    let (side, what) = match name.as_str() {
        "proto" => ("", "proto"),
        name => name.split_once('_')?,
    };
    let is_port = |port: i64| (1..=65_535).contains(&port);
    Some(match (side, what, &value.kind) {
        ("src" | "dst", "ip", Kind::Ip(address)) => format!("{side} host {address}"),
        ("src" | "dst", "ip", Kind::Net(net)) => format!("{side} net {}/{}", net.address, net.bits),
        // a packet without ports has 0 in these fields, and no port in a filter
        ("src" | "dst", "port", Kind::Int(port)) if is_port(*port) => format!("{side} port {port}"),
        ("src" | "dst", "port", Kind::Range(from, to)) => match (&from.kind, &to.kind) {
            (Kind::Int(from), Kind::Int(to)) if is_port(*from) && is_port(*to) && from <= to => {
                format!("{side} portrange {from}-{to}")
            }
            _ => return None,
        },
        ("", "proto", Kind::Int(1)) => "icmp".to_owned(),
        ("", "proto", Kind::Int(6)) => "tcp".to_owned(),
        ("", "proto", Kind::Int(17)) => "udp".to_owned(),
        ("", "proto", Kind::Int(58)) => "icmp6".to_owned(),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::bpf;

    #[test]
    fn what_a_capture_filter_can_say() {
        let said = [
            ("pkt.dst_port == 53", "dst port 53"),
            ("53 != pkt.src_port", "not (src port 53)"),
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
        ];
        for (text, wanted) in said {
            assert_eq!(bpf(text).as_deref(), Some(wanted), "{text}");
        }
        let unsaid = [
            "pkt.tcp.syn",
            "pkt.len > 100",
            "pkt.dst_port == 0",
            "pkt.dst_port in 0..10",
            "pkt.dst_port == $port",
            "pkt.dst_port == 53 and pkt.ttl > 3",
            "pkt.src_ip == pkt.dst_ip",
        ];
        for text in unsaid {
            assert_eq!(bpf(text), None, "{text}");
        }
    }
}
