//! The fields of a packet, `pkt.NAME`: their types, and how they are read of a run of packets.

use crate::columns::Address;
use crate::expressions::check::{Node, Typed};
use crate::expressions::types::Type;
use crate::expressions::vector::{Data, Texts, Vector};
use crate::packet::{Direction, Packet, marks, tcp};

/// Where programs over packets find what is fixed at the first packet.
pub const FLOW: u32 = 1 << 8;
/// Where they find the state of a `fold`.
pub const STATE: u32 = 1 << 9;
/// Where they find the values of the chosen packet before.
pub const PREVIOUS: u32 = 1 << 10;

/// Columns that are fixed at the first packet.
pub const FIXED: [&str; 6] = [
    "src_ip",
    "dst_ip",
    "src_port",
    "dst_port",
    "protocol",
    "start_time",
];

/// A column that is fixed at the first packet.
pub fn of_flow(name: &str) -> Option<Typed> {
    let at = FIXED.iter().position(|fixed| *fixed == name)?;
    let kind = match at {
        0 | 1 => Type::Ip,
        5 => Type::Time,
        _ => Type::Int,
    };
    Some(Typed {
        node: Node::Load(FLOW + u32::try_from(at).ok()?),
        kind,
        null: false,
    })
}

/// What is known of a packet in its flow beyond its header.
#[derive(Clone, Copy, Debug, Default)]
pub struct Seen {
    /// Place in the flow, from 1.
    pub index: i64,
    /// ns since the packet before, below 0 for the first one.
    pub gap: i64,
    /// ns since the packet before in the same direction, below 0 for the first one.
    pub gap_of_direction: i64,
}

macro_rules! fields {
    ($($name:literal $kind:ident $null:literal $how:ident $read:expr;)+) => {
        /// Names, types and whether they can be null.
        const FIELDS: &[(&str, Type, bool)] = &[$(($name, Type::$kind, $null)),+];

        /// The values of a field for packets that lie in a run.
        pub fn read<'a>(place: u32, packets: &[Packet<'a>], seen: &[Seen]) -> Vector<'a> {
            let mut at = 0;
            $(
                if place == at {
                    return fields!(@$how packets, seen, $read);
                }
                at += 1;
            )+
            let _ = at;
            Vector::nulls(&Type::Null, packets.len())
        }
    };
    (@int $packets:ident, $seen:ident, $read:expr) => { ints($packets, $read) };
    (@maybe $packets:ident, $seen:ident, $read:expr) => { maybe($packets, $read) };
    (@flag $packets:ident, $seen:ident, $read:expr) => { Vector::bools($packets.iter().map($read).collect()) };
    (@tcp_flag $packets:ident, $seen:ident, $read:expr) => { tcp_flag($packets, $read) };
    (@ip $packets:ident, $seen:ident, $read:expr) => { ips($packets, $read) };
    (@seen $packets:ident, $seen:ident, $read:expr) => { of_seen($seen, $read) };
    (@bytes $packets:ident, $seen:ident, $read:expr) => { bytes($packets, $read) };
}

fields! {
    "time" Time false int |packet| packet.time;
    "len" Int false int |packet| i64::from(packet.ip_len);
    "payload_len" Int false int |packet| i64::from(packet.payload_len);
    "wire_len" Int false int |packet| i64::from(packet.wire_len);
    "dir" Int false int |packet| if packet.is_forward() { 1 } else { -1 };
    "fwd" Bool false flag Packet::is_forward;
    "bwd" Bool false flag |packet| packet.direction == Direction::Backward;
    "index" Int false seen |seen| Some(seen.index);
    "iat" Duration true seen |seen| Some(seen.gap).filter(|gap| *gap >= 0);
    "iat_dir" Duration true seen |seen| Some(seen.gap_of_direction).filter(|gap| *gap >= 0);
    "ttl" Int false int |packet| i64::from(packet.ttl);
    "tos" Int false int |packet| i64::from(packet.tos);
    "proto" Int false int |packet| i64::from(packet.protocol);
    "src_ip" Ip false ip |packet| packet.src;
    "dst_ip" Ip false ip |packet| packet.dst;
    "src_port" Int false int |packet| i64::from(packet.src_port);
    "dst_port" Int false int |packet| i64::from(packet.dst_port);
    "vlan" Int true maybe |packet| packet.is(marks::VLAN).then(|| i64::from(packet.vlan));
    "frag" Bool false flag |packet| packet.is(marks::FRAGMENT);
    "frag_later" Bool false flag |packet| packet.is(marks::LATER_FRAGMENT);
    "tcp.flags" Int true maybe |packet| packet.is(marks::TCP_KNOWN).then(|| i64::from(packet.tcp_flags));
    "tcp.seq" Int true maybe |packet| packet.is(marks::TCP_KNOWN).then(|| i64::from(packet.seq));
    "tcp.ack" Int true maybe |packet| packet.is(marks::TCP_KNOWN).then(|| i64::from(packet.ack));
    "tcp.window" Int true maybe |packet| packet.is(marks::WINDOW_KNOWN).then(|| i64::from(packet.window));
    "tcp.syn" Bool true tcp_flag tcp::SYN;
    "tcp.fin" Bool true tcp_flag tcp::FIN;
    "tcp.rst" Bool true tcp_flag tcp::RST;
    "tcp.psh" Bool true tcp_flag tcp::PSH;
    "tcp.ack_flag" Bool true tcp_flag tcp::ACK;
    "tcp.urg" Bool true tcp_flag tcp::URG;
    "tcp.ece" Bool true tcp_flag tcp::ECE;
    "tcp.cwr" Bool true tcp_flag tcp::CWR;
    "payload" Bytes false bytes Packet::payload;
}

fn ints(packets: &[Packet<'_>], read: impl Fn(&Packet<'_>) -> i64) -> Vector<'static> {
    Vector::ints(packets.iter().map(read).collect())
}

fn maybe(packets: &[Packet<'_>], read: impl Fn(&Packet<'_>) -> Option<i64>) -> Vector<'static> {
    let values: Vec<Option<i64>> = packets.iter().map(read).collect();
    optional(&values)
}

fn optional(values: &[Option<i64>]) -> Vector<'static> {
    let valid: Vec<bool> = values.iter().map(Option::is_some).collect();
    let plain = values.iter().map(|value| value.unwrap_or(0)).collect();
    Vector::ints(plain).with(valid.contains(&false).then_some(valid))
}

fn of_seen(seen: &[Seen], read: impl Fn(&Seen) -> Option<i64>) -> Vector<'static> {
    let values: Vec<Option<i64>> = seen.iter().map(read).collect();
    optional(&values)
}

fn tcp_flag(packets: &[Packet<'_>], flag: u16) -> Vector<'static> {
    let valid: Vec<bool> = packets
        .iter()
        .map(|packet| packet.is(marks::TCP_KNOWN))
        .collect();
    let values = packets
        .iter()
        .map(|packet| packet.tcp_flags & flag != 0)
        .collect();
    Vector::bools(values).with(valid.contains(&false).then_some(valid))
}

fn ips(packets: &[Packet<'_>], read: impl Fn(&Packet<'_>) -> [u8; 16]) -> Vector<'static> {
    let address = |packet: &Packet<'_>| Address {
        family: packet.family,
        bytes: read(packet),
    };
    Vector::new(Data::Ip(packets.iter().map(address).collect()))
}

fn bytes<'a>(packets: &[Packet<'a>], read: impl Fn(&Packet<'a>) -> &'a [u8]) -> Vector<'a> {
    let (mut ends, mut all) = (Vec::new(), Vec::new());
    for packet in packets {
        all.extend_from_slice(read(packet));
        ends.push(u32::try_from(all.len()).unwrap_or(u32::MAX));
    }
    Vector::new(Data::Text(Texts {
        first: 0,
        ends: ends.into(),
        bytes: all.into(),
    }))
}

/// The names of all fields.
pub fn names() -> Vec<String> {
    FIELDS.iter().map(|(name, ..)| (*name).to_owned()).collect()
}

/// Whether a field is known of a packet alone.
pub fn is_stateless(name: &str) -> bool {
    !["dir", "fwd", "bwd", "index", "iat", "iat_dir", "time"].contains(&name)
}

/// Whether a field is payload.
pub fn is_payload(place: u32) -> bool {
    usize::try_from(place)
        .ok()
        .and_then(|place| FIELDS.get(place))
        .is_some_and(|(name, ..)| *name == "payload")
}

/// Whether a field depends on the packets before.
pub fn is_seen(place: u32) -> bool {
    usize::try_from(place)
        .ok()
        .and_then(|place| FIELDS.get(place))
        .is_some_and(|(name, ..)| ["index", "iat", "iat_dir"].contains(name))
}

/// A field by its name, without `pkt.`.
pub fn find(name: &str) -> Option<Typed> {
    let at = FIELDS.iter().position(|(field, ..)| *field == name)?;
    let (_, kind, null) = &FIELDS[at];
    Some(Typed {
        node: Node::Load(u32::try_from(at).ok()?),
        kind: kind.clone(),
        null: *null,
    })
}
