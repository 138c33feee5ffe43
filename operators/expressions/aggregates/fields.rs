//! The fields of a packet, `pkt.NAME`: their types, and how they are read of a run of packets.

use super::notes::{Notes, Part};
use crate::columns::Address;
use crate::expressions::check::{Node, Typed};
use crate::expressions::types::Type;
use crate::expressions::vector::{Data, Texts, Vector};
use crate::packet::{Direction, Packet, marks, tcp};
use crate::protocols::tcp_options::{Options, kind};
use crate::protocols::{Protocols, icmp};

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

/// A run of packets, as fields are read of it.
#[derive(Clone, Copy)]
pub struct Sight<'a, 'r> {
    /// The packets.
    pub packets: &'r [Packet<'a>],
    /// What is known of each in its flow; nothing where there are no flows yet.
    pub seen: &'r [Seen],
    /// What messages say of them, where there are parsers.
    pub notes: Option<&'r Notes>,
}

/// What it takes to know a field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum From {
    /// The decoded header.
    Header,
    /// The packets before.
    Flow,
    /// The place of the packet in its flow.
    Seen,
    /// The captured transport header.
    Bytes,
    /// The captured payload.
    Payload,
    /// The messages of a protocol.
    Message(Part),
}

macro_rules! fields {
    ($($name:literal $kind:ident $null:literal $from:ident $how:ident $read:expr, $doc:literal;)+) => {
        /// Names, types, whether they can be null, what they come from, and what they are.
        const FIELDS: &[(&str, Type, bool, From, &str)] =
            &[$(($name, Type::$kind, $null, fields!(@from $from $read), $doc)),+];

        /// The values of a field for packets that lie in a run.
        pub fn read<'a>(place: u32, sight: Sight<'a, '_>) -> Vector<'a> {
            let mut at = 0;
            $(
                if place == at {
                    return fields!(@$how sight, $read);
                }
                at += 1;
            )+
            let _ = at;
            Vector::nulls(&Type::Null, sight.packets.len())
        }
    };
    (@from Message $part:expr) => { From::Message($part) };
    (@from $from:ident $read:expr) => { From::$from };
    (@int $sight:ident, $read:expr) => { ints($sight.packets, $read) };
    (@maybe $sight:ident, $read:expr) => { maybe($sight.packets, $read) };
    (@flag $sight:ident, $read:expr) => { Vector::bools($sight.packets.iter().map($read).collect()) };
    (@maybe_flag $sight:ident, $read:expr) => { maybe_flag($sight.packets, $read) };
    (@tcp_flag $sight:ident, $read:expr) => { tcp_flag($sight.packets, $read) };
    (@ip $sight:ident, $read:expr) => { ips($sight.packets, $read) };
    (@seen $sight:ident, $read:expr) => { of_seen($sight.seen, $read) };
    (@bytes $sight:ident, $read:expr) => { bytes($sight.packets, $read) };
    (@text $sight:ident, $part:expr) => { noted($sight, $part, &Type::Text) };
    (@note $sight:ident, $part:expr) => { noted($sight, $part, &Type::Int) };
    (@note_flag $sight:ident, $part:expr) => { noted($sight, $part, &Type::Bool) };
}

fields! {
    "time" Time false Flow int |packet| packet.time, "When it was captured; never before the packet before it in its flow.";
    "len" Int false Header int |packet| i64::from(packet.ip_len), "Bytes of the IP packet.";
    "payload_len" Int false Header int |packet| i64::from(packet.payload_len), "Bytes of the transport payload.";
    "wire_len" Int false Header int |packet| i64::from(packet.wire_len), "Bytes of the frame.";
    "dir" Int false Flow int |packet| if packet.is_forward() { 1 } else { -1 }, "1 forward, -1 backward.";
    "fwd" Bool false Flow flag Packet::is_forward, "Whether the initiator sent it.";
    "bwd" Bool false Flow flag |packet| packet.direction == Direction::Backward, "Whether the responder sent it.";
    "index" Int false Seen seen |seen| Some(seen.index), "Its number in its flow, from 1.";
    "iat" Duration true Seen seen |seen| Some(seen.gap).filter(|gap| *gap >= 0), "Time since the packet before in its flow; null for the first.";
    "iat_dir" Duration true Seen seen |seen| Some(seen.gap_of_direction).filter(|gap| *gap >= 0), "Time since the packet before in the same direction; null for the first.";
    "ttl" Int false Header int |packet| i64::from(packet.ttl), "TTL or hop limit.";
    "tos" Int false Header int |packet| i64::from(packet.tos), "TOS or traffic class.";
    "proto" Int false Header int |packet| i64::from(packet.protocol), "Number of the protocol above IP.";
    "src_ip" Ip false Header ip |packet| packet.src, "Source address of the packet.";
    "dst_ip" Ip false Header ip |packet| packet.dst, "Destination address of the packet.";
    "src_port" Int false Header int |packet| i64::from(packet.src_port), "Source port of the packet, 0 where there is none.";
    "dst_port" Int false Header int |packet| i64::from(packet.dst_port), "Destination port of the packet, 0 where there is none.";
    "vlan" Int true Header maybe |packet| packet.is(marks::VLAN).then(|| i64::from(packet.vlan)), "Outer VLAN id.";
    "frag" Bool false Header flag |packet| packet.is(marks::FRAGMENT), "Whether it is a fragment.";
    "frag_later" Bool false Header flag |packet| packet.is(marks::LATER_FRAGMENT), "Whether it is a later fragment, which has no ports.";
    "tcp.flags" Int true Header maybe |packet| packet.is(marks::TCP_KNOWN).then(|| i64::from(packet.tcp_flags)), "The flags as a number: FIN 1, SYN 2, RST 4, PSH 8, ACK 16, URG 32, ECE 64, CWR 128.";
    "tcp.seq" Int true Header maybe |packet| packet.is(marks::TCP_KNOWN).then(|| i64::from(packet.seq)), "Sequence number.";
    "tcp.ack" Int true Header maybe |packet| packet.is(marks::TCP_KNOWN).then(|| i64::from(packet.ack)), "Acknowledgement number.";
    "tcp.window" Int true Header maybe |packet| packet.is(marks::WINDOW_KNOWN).then(|| i64::from(packet.window)), "The window as it was sent, without its scale.";
    "tcp.syn" Bool true Header tcp_flag tcp::SYN, "SYN.";
    "tcp.fin" Bool true Header tcp_flag tcp::FIN, "FIN.";
    "tcp.rst" Bool true Header tcp_flag tcp::RST, "RST.";
    "tcp.psh" Bool true Header tcp_flag tcp::PSH, "PSH.";
    "tcp.ack_flag" Bool true Header tcp_flag tcp::ACK, "ACK.";
    "tcp.urg" Bool true Header tcp_flag tcp::URG, "URG.";
    "tcp.ece" Bool true Header tcp_flag tcp::ECE, "ECE.";
    "tcp.cwr" Bool true Header tcp_flag tcp::CWR, "CWR.";
    "tcp.mss" Int true Bytes maybe |packet| Some(options(packet)?.maximum_segment_size()?.into()), "The maximum segment size option, bytes; null where it has none.";
    "tcp.wscale" Int true Bytes maybe |packet| Some(options(packet)?.window_scale()?.into()), "The window scale option; null where it has none.";
    "tcp.sack" Bool true Bytes maybe_flag |packet| Some(options(packet)?.any(|one| one.kind == kind::SACK_PERMITTED || one.kind == kind::SACK)), "Whether it has the option SACK-permitted, or one with SACK blocks.";
    "icmp.type" Int true Bytes maybe |packet| Some(icmp_message(packet)?.kind.into()), "Type of a message of ICMP or ICMPv6.";
    "icmp.code" Int true Bytes maybe |packet| Some(icmp_message(packet)?.code.into()), "Code of a message of ICMP or ICMPv6.";
    "dns.qname" Text true Message text Part::DnsName, "Name of the first question, in lower case without the final dot.";
    "dns.qtype" Int true Message note Part::DnsType, "Type of the first question.";
    "dns.response" Bool true Message note_flag Part::DnsIsResponse, "Whether it is a response.";
    "dns.rcode" Int true Message note Part::DnsCode, "Code of a response.";
    "dns.answers" Int true Message note Part::DnsAnswers, "Answers that a response announces.";
    "tls.record_type" Int true Message note Part::TlsType, "Content type of a record of TLS over TCP: 20 to 24.";
    "tls.record_len" Int true Message note Part::TlsLength, "Bytes of the record behind its header.";
    "http2.frame_type" Int true Message note Part::FrameType, "Type of a frame of HTTP/2 in clear.";
    "http2.stream" Int true Message note Part::FrameStream, "Stream of the frame.";
    "payload" Bytes false Payload bytes Packet::payload, "Captured bytes of the payload.";
}

/// The options of a TCP header; `None` where it is no TCP, or was not captured to its end.
fn options<'a>(packet: &Packet<'a>) -> Option<Options<'a>> {
    let is_tcp = packet.is(marks::TCP_KNOWN);
    is_tcp.then(|| Options::whole(packet.transport_header()))?
}

fn icmp_message(packet: &Packet<'_>) -> Option<icmp::Message> {
    let is_icmp = [
        crate::decode::protocol::ICMP,
        crate::decode::protocol::ICMPV6,
    ];
    let is_icmp = is_icmp.contains(&packet.protocol) && !packet.is(marks::LATER_FRAGMENT);
    is_icmp.then(|| icmp::Message::read(packet.protocol, packet.transport_header()))?
}

fn noted(sight: Sight<'_, '_>, part: Part, kind: &Type) -> Vector<'static> {
    match sight.notes {
        Some(notes) => notes.read(part, sight.packets),
        None => Vector::nulls(kind, sight.packets.len()),
    }
}

fn ints(packets: &[Packet<'_>], read: impl Fn(&Packet<'_>) -> i64) -> Vector<'static> {
    Vector::ints(packets.iter().map(read).collect())
}

fn maybe(packets: &[Packet<'_>], read: impl Fn(&Packet<'_>) -> Option<i64>) -> Vector<'static> {
    let values: Vec<Option<i64>> = packets.iter().map(read).collect();
    optional(&values)
}

fn maybe_flag(
    packets: &[Packet<'_>],
    read: impl Fn(&Packet<'_>) -> Option<bool>,
) -> Vector<'static> {
    let values: Vec<Option<bool>> = packets.iter().map(read).collect();
    let valid: Vec<bool> = values.iter().map(Option::is_some).collect();
    let plain = values.into_iter().map(Option::unwrap_or_default).collect();
    Vector::bools(plain).with(valid.contains(&false).then_some(valid))
}

/// Whole numbers, null where there is none.
pub(super) fn optional(values: &[Option<i64>]) -> Vector<'static> {
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

/// The names of all fields, their types, and what they are.
pub fn described() -> impl Iterator<Item = (&'static str, &'static Type, &'static str)> {
    FIELDS
        .iter()
        .map(|(name, kind, _, _, doc)| (*name, kind, *doc))
}

/// Whether a field is known of a packet alone.
pub fn is_stateless(name: &str) -> bool {
    let field = FIELDS.iter().find(|(field, ..)| *field == name);
    field.is_some_and(|(_, _, _, from, _)| {
        matches!(from, From::Header | From::Bytes | From::Payload)
    })
}

fn from(place: u32) -> Option<From> {
    let place = usize::try_from(place).ok()?;
    FIELDS.get(place).map(|(_, _, _, from, _)| *from)
}

/// Whether a field is payload.
pub fn is_payload(place: u32) -> bool {
    from(place) == Some(From::Payload)
}

/// Whether a field is in the captured transport header.
pub fn is_bytes(place: u32) -> bool {
    from(place) == Some(From::Bytes)
}

/// Whether a field depends on the packets before.
pub fn is_seen(place: u32) -> bool {
    from(place) == Some(From::Seen)
}

/// Whether a field is the time since a packet before.
pub fn is_gap(place: u32) -> bool {
    let name = usize::try_from(place)
        .ok()
        .and_then(|place| FIELDS.get(place));
    name.is_some_and(|(name, ..)| ["iat", "iat_dir"].contains(name))
}

/// Whether a field is that of a message.
pub fn is_message(name: &str) -> bool {
    let field = FIELDS.iter().find(|(field, ..)| *field == name);
    field.is_some_and(|(_, _, _, from, _)| matches!(from, From::Message(_)))
}

/// The part of a message that a field is.
pub(super) fn part(place: u32) -> Option<Part> {
    match from(place)? {
        From::Message(part) => Some(part),
        _ => None,
    }
}

/// The protocol whose messages have a field.
pub fn protocol(place: u32) -> Protocols {
    part(place).map_or(Protocols::NONE, Part::protocol)
}

/// The name of a field, without `pkt.`.
pub fn name(place: u32) -> Option<&'static str> {
    let place = usize::try_from(place).ok()?;
    FIELDS.get(place).map(|(name, ..)| *name)
}

/// A field by its name, without `pkt.`.
pub fn find(name: &str) -> Option<Typed> {
    let at = FIELDS.iter().position(|(field, ..)| *field == name)?;
    let (_, kind, null, ..) = FIELDS.get(at)?;
    Some(Typed {
        node: Node::Load(u32::try_from(at).ok()?),
        kind: kind.clone(),
        null: *null,
    })
}
