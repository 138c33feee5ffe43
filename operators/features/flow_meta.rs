//! Who talked to whom, when and how much: key, times, counts and the header stack of a flow record.

use super::extractor::{Extractor, NoOptions, Wanted};
use crate::books::EndReason;
use crate::columns::{Address, Id, Time};
use crate::decode::{DecodeOptions, describe, stack};
use crate::flows::Flow;
use crate::packet::{Header, Packet, tcp};
use crate::schema::Features;
use crate::sources::InputName;
use crate::statistics::{SECOND, ratio, seconds};
use std::sync::Arc;

/// Columns of group `flow_meta`, in output order.
#[derive(Features)]
pub struct FlowMeta {
    /// Identifier of the flow record: the same in every run over the same capture (semantics: output order and identity).
    #[column(
        scope = "flow",
        profile = "OPTIONAL",
        when = "flow_id",
        private = "id",
        element = "148",
        differs = "flow-id"
    )]
    pub flow_id: Id,
    /// Which row of the flow record this is: a point of `early`, as it is written there, or `end`.
    #[column(scope = "flow", profile = "JF-EXTRA", when = "flows.early")]
    pub flow_stage: String,
    /// What observed the first packet, as `sensor` of its source says.
    #[column(
        scope = "flow",
        profile = "JF-EXTRA",
        when = "sources.sensor",
        null = "its source has no `sensor`"
    )]
    pub sensor: Option<String>,
    /// Initiator address.
    #[column(scope = "fwd", split = "no")]
    pub src_ip: Address,
    /// Responder address.
    #[column(scope = "bwd", split = "no")]
    pub dst_ip: Address,
    /// Initiator transport port (TCP, UDP, DCCP, SCTP, UDP-Lite); 0 for other protocols or where it was not captured.
    #[column(scope = "fwd", split = "no", element = "7")]
    pub src_port: u16,
    /// Responder transport port (TCP, UDP, DCCP, SCTP, UDP-Lite); 0 for other protocols or where it was not captured.
    #[column(scope = "bwd", split = "no", element = "11")]
    pub dst_port: u16,
    /// Service label of dst_port from a table of 45 ports; else "system" below 1024, "registered" below 49152, else "dynamic".
    #[column(scope = "bwd", split = "no")]
    pub dst_port_class: &'static str,
    /// 1 if dst_port is below 1024, 2 if below 49152, else 3.
    #[column(scope = "bwd", split = "no")]
    pub dst_port_class_num: u8,
    /// IP protocol number of the flow key: for IPv6 the upper-layer protocol after extension headers.
    #[column(scope = "flow", element = "4", differs = "first-header")]
    pub protocol: u8,
    /// Time of the first packet.
    #[column(unit = "s", scope = "flow", element = "156")]
    pub start_time: Time,
    /// Time of the last packet of the flow in processing order.
    #[column(unit = "s", scope = "flow", element = "157")]
    pub end_time: Time,
    /// end_time - start_time.
    #[column(unit = "s", scope = "flow", split = "yes")]
    pub duration: f64,
    /// Number of packets in the flow.
    #[column(unit = "packets")]
    pub total_packets: u64,
    /// Number of packets of the initiator.
    #[column(unit = "packets", scope = "fwd", element = "2")]
    pub packets_fwd: u64,
    /// Number of packets of the responder.
    #[column(unit = "packets", scope = "bwd")]
    pub packets_bwd: u64,
    /// Sum of the IP lengths of all packets (headers included, link layer excluded).
    #[column(unit = "bytes")]
    pub total_bytes: u64,
    /// Sum of the IP lengths of the packets of the initiator.
    #[column(unit = "bytes", scope = "fwd", element = "1")]
    pub bytes_fwd: u64,
    /// Sum of the IP lengths of the packets of the responder.
    #[column(unit = "bytes", scope = "bwd")]
    pub bytes_bwd: u64,
    /// Sum of the transport payload lengths of the initiator (wire lengths from headers).
    #[column(unit = "bytes", scope = "fwd", differs = "captured-lengths")]
    pub payload_bytes_fwd: u64,
    /// Sum of the transport payload lengths of the responder (wire lengths from headers).
    #[column(unit = "bytes", scope = "bwd", differs = "captured-lengths")]
    pub payload_bytes_bwd: u64,
    /// payload_bytes_fwd + payload_bytes_bwd.
    #[column(unit = "bytes", split = "is", differs = "captured-lengths")]
    pub payload_bytes_total: u64,
    /// packets_fwd / packets_bwd.
    #[column(
        null = "packets_bwd = 0",
        split = "no",
        default = "",
        differs = "division"
    )]
    pub packets_ratio: Option<f64>,
    /// bytes_fwd / bytes_bwd.
    #[column(
        null = "bytes_bwd = 0",
        split = "no",
        default = "",
        differs = "division"
    )]
    pub bytes_ratio: Option<f64>,
    /// total_packets / duration.
    #[column(
        unit = "1/s",
        null = "duration = 0",
        default = "",
        differs = "division"
    )]
    pub packets_per_second: Option<f64>,
    /// total_bytes / duration.
    #[column(
        unit = "B/s",
        null = "duration = 0",
        default = "",
        differs = "division"
    )]
    pub bytes_per_second: Option<f64>,
    /// total_bytes / total_packets.
    #[column(unit = "bytes")]
    pub avg_packet_size: f64,
    /// Alias of start_time.
    #[column(unit = "s", scope = "flow")]
    pub time_first: Time,
    /// Alias of end_time.
    #[column(unit = "s", scope = "flow")]
    pub time_last: Time,
    /// OR over TCP packets: 1 SYN without ACK (either direction); 2 SYN+ACK; 4 FIN by initiator; 8 FIN by responder; 16 RST;
    /// 64 if (1 and 2) and ((4 and 8) or 16); 0 for non-TCP.
    #[column(unit = "bitmap", scope = "flow")]
    pub flow_stat: u8,
    /// Number of labels in hdr_desc.
    #[column(unit = "count", scope = "flow", differs = "header-stack")]
    pub num_hdrs: u8,
    /// Dash-joined header stack of the first packet as parsed, such as ETH-VLAN-IP6-HBH-TCP.
    #[column(scope = "flow", differs = "header-stack")]
    pub hdr_desc: String,
    /// Why the record ended: idle, active, fin, rst, evicted, rule or eof.
    #[column(scope = "flow", null = "the record is still open", element = "136")]
    pub flow_end_reason: Option<&'static str>,
    /// 0, or one more than that of the record which the active timeout ended before this one.
    #[column(scope = "flow", unit = "count")]
    pub flow_segment: u32,
    /// Whether the first packet was a SYN+ACK, so that its receiver is the initiator.
    #[column(scope = "flow")]
    pub initiator_swapped: bool,
}

/// What is kept of an open record, beside the times, packets and bytes that the record has itself.
#[derive(Default)]
pub struct State {
    /// Payload bytes by direction.
    payload: [u64; 2],
    /// Header stack of the first packet; 0 before it, as no packet with a flow has none.
    stack: u64,
    /// What few records need.
    more: Option<Box<More>>,
    flags: u8,
}

/// What is kept of a record with a long header stack, and with `split` of every one.
#[derive(Default)]
struct More {
    /// Text and number of labels of the header stack, if it is too long to be packed.
    walked: Option<(String, u32)>,
    /// With `split`: times and counters of the packets seen here, which may be those of one direction.
    start: i64,
    end: i64,
    packets: [u64; 2],
    bytes: [u64; 2],
}

/// Bits of `flow_stat`.
mod stat {
    pub const SYN: u8 = 1;
    pub const SYN_ACK: u8 = 2;
    pub const FIN_FORWARD: u8 = 4;
    pub const FIN_BACKWARD: u8 = 8;
    pub const RST: u8 = 16;
    pub const COMPLETE: u8 = 64;
}

/// Bytes of a text in a row at most.
const LONGEST: usize = 4096;

/// What the plan fixes.
pub struct Plan {
    /// Whether the text of the header stack is wanted: the only part of a row that allocates.
    describe: bool,
    /// Whether `flow_id` is wanted, which is a SHA-256.
    id: bool,
    /// What `flow_stage` says, if it is wanted.
    stages: Arc<[String]>,
    /// What the inputs are called, if `sensor` is wanted.
    sources: Arc<[InputName]>,
    /// Whether the counters of the record are not those of the packets.
    split: bool,
    /// How packets were decoded, to walk a long header stack again.
    decode: DecodeOptions,
}

impl Plan {
    /// What the row of a point is called.
    fn stage(&self, stage: u8) -> String {
        let point = stage.checked_sub(1).map(usize::from);
        match point.map(|at| self.stages.get(at)) {
            Some(name) => name.cloned().unwrap_or_default(),
            None if self.stages.is_empty() => String::new(),
            None => "end".to_owned(),
        }
    }

    fn sensor(&self, flow: &Flow) -> Option<String> {
        let source = usize::try_from(flow.first >> Header::RECORD_BITS).ok()?;
        self.sources.get(source)?.sensor.clone()
    }
}

impl Extractor for State {
    type Features = FlowMeta;
    type Options = NoOptions;
    type Plan = Plan;

    fn plan(_: &NoOptions, wanted: &Wanted) -> Plan {
        Plan {
            describe: wanted.any(|name| name == "hdr_desc"),
            id: wanted.any(|name| name == "flow_id"),
            stages: match wanted.any(|name| name == "flow_stage") {
                true => Arc::clone(&wanted.stages),
                false => [].into(),
            },
            sources: match wanted.any(|name| name == "sensor") {
                true => Arc::clone(&wanted.sources),
                false => [].into(),
            },
            split: wanted.split,
            decode: wanted.decode.clone(),
        }
    }

    fn packet(&mut self, packet: &Packet<'_>, _: &Flow, plan: &Plan) {
        if self.stack == 0 {
            self.stack = packet.stack;
            if packet.stack == stack::UNPACKED {
                let (mut text, labels) =
                    describe(packet.frame(), packet.link, packet.wire_len, &plan.decode);
                if text.len() > LONGEST {
                    text.truncate(LONGEST - "…".len());
                    text.push('…');
                }
                self.more.get_or_insert_default().walked = Some((text, labels));
            }
        }
        let side = packet.direction as usize;
        self.payload[side] += u64::from(packet.payload_len);
        if plan.split {
            let more = self.more.get_or_insert_default();
            if more.packets == [0; 2] {
                more.start = packet.time;
            }
            more.end = packet.time;
            more.packets[side] += 1;
            more.bytes[side] += u64::from(packet.ip_len);
        }
        if packet.has(tcp::SYN) {
            self.flags |= if packet.has(tcp::ACK) {
                stat::SYN_ACK
            } else {
                stat::SYN
            };
        }
        if packet.has(tcp::FIN) {
            self.flags |= [stat::FIN_FORWARD, stat::FIN_BACKWARD][side];
        }
        if packet.has(tcp::RST) {
            self.flags |= stat::RST;
        }
    }

    fn heap_bytes(&self) -> usize {
        let text = |more: &More| more.walked.as_ref().map_or(0, |(text, _)| text.capacity());
        let more = |more: &More| size_of_val(more) + text(more);
        self.more.as_deref().map_or(0, more)
    }

    fn finish(&self, flow: &Flow, plan: &Plan) -> FlowMeta {
        let (source, destination) = (flow.initiator(), flow.responder());
        let none = More::default();
        let (by_packets, by_bytes, start, end) = if plan.split {
            let more = self.more.as_deref().unwrap_or(&none);
            (more.packets, more.bytes, more.start, more.end)
        } else {
            (flow.packets, flow.bytes, flow.start, flow.end)
        };
        let by_payload = self.payload;
        let [packets, bytes, payload] = [by_packets, by_bytes, by_payload].map(|[f, b]| f + b);
        let ns = end.abs_diff(start);
        let each = |total: u64| ratio(u128::from(total) * u128::from(SECOND), ns.into());
        FlowMeta {
            flow_id: Id(if plan.id { flow.id() } else { [0; 16] }),
            flow_stage: plan.stage(flow.stage),
            sensor: plan.sensor(flow),
            src_ip: source.address,
            dst_ip: destination.address,
            src_port: source.port,
            dst_port: destination.port,
            dst_port_class: port_class(destination.port),
            dst_port_class_num: port_range(destination.port),
            protocol: flow.key.protocol,
            start_time: Time(start),
            end_time: Time(end),
            duration: seconds(ns),
            total_packets: packets,
            packets_fwd: by_packets[0],
            packets_bwd: by_packets[1],
            total_bytes: bytes,
            bytes_fwd: by_bytes[0],
            bytes_bwd: by_bytes[1],
            payload_bytes_fwd: by_payload[0],
            payload_bytes_bwd: by_payload[1],
            payload_bytes_total: payload,
            packets_ratio: ratio(by_packets[0].into(), by_packets[1].into()),
            bytes_ratio: ratio(by_bytes[0].into(), by_bytes[1].into()),
            packets_per_second: each(packets),
            bytes_per_second: each(bytes),
            avg_packet_size: ratio(bytes.into(), packets.into()).unwrap_or_default(),
            time_first: Time(start),
            time_last: Time(end),
            flow_stat: if flow.is_tcp() {
                complete(self.flags)
            } else {
                0
            },
            num_hdrs: u8::try_from(self.labels()).unwrap_or(u8::MAX),
            hdr_desc: if plan.describe {
                self.description(flow.key.protocol)
            } else {
                String::new()
            },
            flow_end_reason: flow.end_reason.map(EndReason::name),
            flow_segment: flow.segment,
            initiator_swapped: flow.initiator_swapped,
        }
    }
}

impl State {
    /// The header stack, if it is too long to be packed: text and number of labels.
    fn walked(&self) -> Option<&(String, u32)> {
        self.more.as_deref()?.walked.as_ref()
    }

    /// Number of labels of the header stack.
    fn labels(&self) -> u32 {
        let walked = || self.walked().map(|(_, labels)| *labels);
        stack::count(self.stack).or_else(walked).unwrap_or(0)
    }

    /// The header stack as text.
    fn description(&self, protocol: u8) -> String {
        let walked = || self.walked().map(|(text, _)| text.clone());
        stack::text(self.stack, protocol)
            .or_else(walked)
            .unwrap_or_default()
    }
}

/// `flow_stat` with the bit of a connection that was seen from its start to its end.
const fn complete(flags: u8) -> u8 {
    let opened = stat::SYN | stat::SYN_ACK;
    let closed = stat::FIN_FORWARD | stat::FIN_BACKWARD;
    if flags & opened == opened && (flags & closed == closed || flags & stat::RST != 0) {
        flags | stat::COMPLETE
    } else {
        flags
    }
}

const fn port_range(port: u16) -> u8 {
    match port {
        0..1024 => 1,
        1024..49152 => 2,
        _ => 3,
    }
}

/// The label of a port (semantics: port classes).
const fn port_class(port: u16) -> &'static str {
    match port {
        20 => "ftp-data",
        21 => "ftp",
        22 => "ssh",
        23 => "telnet",
        25 => "smtp",
        53 => "dns",
        67 | 68 => "dhcp",
        69 => "tftp",
        80 => "http",
        110 => "pop3",
        119 => "nntp",
        123 => "ntp",
        143 => "imap",
        161 => "snmp",
        162 => "snmp-trap",
        443 => "https",
        445 => "smb",
        465 => "smtps",
        514 => "syslog",
        587 => "smtp-submission",
        636 => "ldaps",
        853 => "dns-over-tls",
        993 => "imaps",
        995 => "pop3s",
        1080 => "socks",
        1194 => "openvpn",
        1433 => "mssql",
        1521 => "oracle",
        1723 => "pptp",
        3306 => "mysql",
        3389 => "rdp",
        5060 => "sip",
        5061 => "sips",
        5222 => "xmpp",
        5432 => "postgresql",
        5900 => "vnc",
        6379 => "redis",
        6667 => "irc",
        8080 | 8888 => "http-alt",
        8443 => "https-alt",
        9000 => "php-fpm",
        9200 => "elasticsearch",
        27017 => "mongodb",
        _ => ["system", "registered", "dynamic"][port_range(port) as usize - 1],
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::features::testing::{Packets, back, forth};
    use std::time::Duration;

    #[test]
    fn a_whole_connection() {
        let row = Packets::tcp()
            .push(forth().at(Duration::ZERO).ip(60).flags(tcp::SYN))
            .push(
                back()
                    .at(Duration::from_millis(500))
                    .ip(60)
                    .flags(tcp::SYN | tcp::ACK),
            )
            .push(
                forth()
                    .at(Duration::from_secs(1))
                    .ip(140)
                    .payload_len(100)
                    .flags(tcp::FIN | tcp::ACK),
            )
            .push(
                back()
                    .at(Duration::from_secs(2))
                    .ip(40)
                    .flags(tcp::FIN | tcp::ACK),
            )
            .finish::<State>(&NoOptions);
        assert_eq!(row.duration, 2.0);
        assert_eq!(
            (row.total_packets, row.packets_fwd, row.packets_bwd),
            (4, 2, 2)
        );
        assert_eq!(
            (row.total_bytes, row.bytes_fwd, row.bytes_bwd),
            (300, 200, 100)
        );
        assert_eq!(
            (
                row.payload_bytes_fwd,
                row.payload_bytes_bwd,
                row.payload_bytes_total
            ),
            (100, 0, 100)
        );
        assert_eq!((row.packets_ratio, row.bytes_ratio), (Some(1.0), Some(2.0)));
        assert_eq!(
            (row.packets_per_second, row.bytes_per_second),
            (Some(2.0), Some(150.0))
        );
        assert_eq!(row.avg_packet_size, 75.0);
        assert_eq!(row.flow_stat, 1 | 2 | 4 | 8 | 64);
        assert_eq!(
            (row.src_port, row.dst_port, row.dst_port_class),
            (40_000, 443, "https")
        );
        assert_eq!(row.start_time, row.time_first);
        assert_eq!(row.end_time.0 - row.start_time.0, 2_000_000_000);
    }

    #[test]
    fn one_packet_has_no_rates() {
        let row = Packets::udp()
            .push(forth().ip(100))
            .finish::<State>(&NoOptions);
        assert_eq!(
            (row.packets_ratio, row.packets_per_second, row.duration),
            (None, None, 0.0)
        );
        assert_eq!((row.flow_stat, row.protocol), (0, 17));
    }

    #[test]
    fn flags_that_are_not_known_do_not_count() {
        let mut cut = forth().flags(tcp::RST);
        cut.header.marks = 0;
        assert_eq!(
            Packets::tcp()
                .push(cut)
                .finish::<State>(&NoOptions)
                .flow_stat,
            0
        );
    }

    #[test]
    fn header_stacks_are_described_however_long() {
        let stacked = |tags: usize| {
            // Ethernet, VLAN tags, IPv4 with UDP.
            let mut frame = vec![0; 12];
            frame.extend([0x81, 0x00, 0x00, 0x01].repeat(tags));
            frame.extend([0x08, 0x00, 0x45, 0, 0, 28, 0, 0, 0, 0, 64, 17, 0, 0]);
            frame.extend([10, 0, 0, 1, 10, 0, 0, 2, 0, 53, 0, 53, 0, 8, 0, 0]);
            frame
        };
        let of = |packet| {
            let row = Packets::udp().push(packet).finish::<State>(&NoOptions);
            (row.num_hdrs, row.hdr_desc)
        };
        let packed = stack::Label::ALL
            .iter()
            .position(|label| *label == stack::Label::Udp);
        let mut short = forth();
        short.header.stack = packed.expect("a label") as u64 + 1;
        assert_eq!(of(short), (1, "UDP".to_owned()));
        let mut long = forth().frame(&stacked(12));
        long.header.stack = stack::UNPACKED;
        long.header.link = 1;
        let description = format!("ETH-{}IP-UDP", "VLAN-".repeat(12));
        assert_eq!(of(long), (15, description));
    }

    #[test]
    fn ports_have_labels() {
        assert_eq!(
            [22, 1000, 1024, 49_151, 49_152, 27_017].map(port_class),
            [
                "ssh",
                "system",
                "registered",
                "registered",
                "dynamic",
                "mongodb"
            ]
        );
        assert_eq!([1023, 1024, 49_151, 49_152].map(port_range), [1, 2, 2, 3]);
    }
}
