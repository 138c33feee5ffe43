//! Where a flow record comes from, what it was on the wire, and what became of it: columns that other flow meters have and the
//! reference lacks.
//!
//! Times, counts, end reason and segment of a record are in `flow_meta`. No port says what a service is.

use super::extractor::{Extractor, Needs, NoOptions, Wanted};
use crate::decode::protocol::{ICMP, ICMPV6, TCP, UDP};
use crate::flows::{Endpoint, Flow};
use crate::packet::{Direction, Header, Packet, marks};
use crate::protocols::community_id::{End, community_id};
use crate::protocols::conversation::Conversation;

use crate::protocols::greeting::{self, Service};
use crate::protocols::{Message, Protocols, ssh, tls};
use crate::schema::Features;
use crate::sources::InputName;
use std::sync::Arc;

/// Columns of group `record`, in output order.
#[derive(Features)]
#[features(profile = "JF-EXTRA")]
pub struct Record {
    /// Community ID, version 1, seed 0: "1:" and the base64 form of a SHA-1 over addresses, protocol and ports, the same in all
    /// tools that know it. For ICMP the ports are type and type of the answer of the first message, for types without an answer
    /// type and code.
    #[column(
        scope = "flow",
        private = "id",
        source = "Corelight, Community ID Flow Hashing version 1"
    )]
    pub community_id: String,
    /// Name of the input that the first packet comes from, as it was given.
    #[column(scope = "flow")]
    pub source_file: String,
    /// Number of the first packet among the records of its input, from 0; records that are no packet of a flow count too.
    #[column(scope = "flow")]
    pub first_packet_ordinal: u64,
    /// Sum of the frame lengths of the initiator on the wire, link layer included (the larger of original and captured length).
    #[column(unit = "bytes", scope = "fwd")]
    pub wire_bytes_fwd: u64,
    /// Sum of the frame lengths of the responder on the wire, link layer included (the larger of original and captured length).
    #[column(unit = "bytes", scope = "bwd")]
    pub wire_bytes_bwd: u64,
    /// Application protocols that were recognised by their content, joined by ",": dhcp, dns (a valid message; a port is
    /// one of `dns_ports`), http (a first line or HTTP/2), quic, ssh (a line), tls (a ClientHello or ServerHello); by what both ends
    /// say first ftp, imap, pop3, smtp, telnet, by what one says mqtt, rdp, sip, smb, stun; ntp (a reply with the time stamp of the
    /// request).
    #[column(scope = "flow", null = "none was recognised")]
    pub service: Option<String>,
    /// What became of the conversation, as Zeek's conn_state: S0, S1, SF, REJ, S2, S3, RSTO, RSTR, RSTOS0, RSTRH, SH, SHR or OTH;
    /// UDP has SF, S0, SHR, other protocols OTH. Of the packets of this record alone.
    #[column(scope = "flow", source = "Zeek, base/protocols/conn")]
    pub conn_state: &'static str,
    /// Letters of what happened, in its order, as Zeek's history; upper case = initiator. Once for each end: d payload, a ACK
    /// alone, i FIN with RST, q SYN with FIN or RST; again with another sequence number: s SYN, h SYN+ACK, f FIN, r RST; the
    /// first, tenth, hundredth time and so on: t payload sent again, w window of 0, g acknowledged bytes that were not seen. ^ =
    /// initiator_swapped. At most 256 letters.
    #[column(
        scope = "flow",
        null = "neither TCP nor UDP, or no letter",
        source = "Zeek, base/protocols/conn"
    )]
    pub history: Option<String>,
}

/// What is kept of an open record.
#[derive(Default)]
pub struct State {
    /// Sums of frame lengths, by direction.
    wire: [u64; 2],
    conversation: Option<Box<Conversation>>,
    /// Type and code of the first ICMP message, and who sent it.
    icmp: Option<(u8, u8, Direction)>,
    services: Services,
    /// The time stamp of the last request that may be one of NTP; 0 = there was none.
    asked: u64,
}

/// Which protocols were recognised: bits in the order of [`SERVICES`].
#[derive(Clone, Copy, Default)]
struct Services(u32);

const SERVICES: [&str; 18] = [
    "dhcp", "dns", "dtls", "ftp", "http", "imap", "mqtt", "ntp", "pop3", "quic", "rdp", "sip",
    "smb", "smtp", "ssh", "stun", "telnet", "tls",
];

impl Services {
    /// Adds the protocol that a message shows. `asked` is the time stamp of the last request that may be one of NTP.
    fn see(&mut self, message: &Message<'_>, asked: &mut u64) {
        let name = match message {
            Message::Dhcp(_) => "dhcp",
            Message::Dns(_) => "dns",
            Message::Dtls(message) => match message.message {
                tls::Message::ClientHello(_) | tls::Message::ServerHello(_) => "dtls",
                _ => return,
            },
            Message::Greeting(greeting::Message::Is(service)) => match service {
                Service::Ftp => "ftp",
                Service::Imap => "imap",
                Service::Mqtt => "mqtt",
                Service::Pop3 => "pop3",
                Service::Rdp => "rdp",
                Service::Sip => "sip",
                Service::Smb => "smb",
                Service::Smtp => "smtp",
                Service::Stun => "stun",
                Service::Telnet => "telnet",
            },
            Message::Greeting(greeting::Message::Time { is_reply, stamp }) => {
                if !is_reply {
                    *asked = *stamp;
                    return;
                }
                if asked != stamp {
                    return;
                }
                "ntp"
            }
            Message::Http(_) => "http",
            Message::Quic(_) => "quic",
            Message::Ssh(ssh::Message::Line(_)) => "ssh",
            Message::Tls(tls::Message::ClientHello(_) | tls::Message::ServerHello(_)) => "tls",
            Message::Http1(_) | Message::Ssh(_) | Message::Tls(_) => return,
        };
        let place = SERVICES.iter().position(|service| *service == name);
        self.0 |= place.map_or(0, |place| 1 << place);
    }

    fn names(self) -> Option<String> {
        let names = SERVICES.iter().enumerate();
        let found = names.filter(|(bit, _)| self.0 >> bit & 1 != 0);
        let found: Vec<&str> = found.map(|(_, name)| *name).collect();
        (!found.is_empty()).then(|| found.join(","))
    }
}

/// What the plan fixes: which columns are wanted.
pub struct Plan {
    id: bool,
    service: bool,
    conversation: bool,
    sources: Arc<[InputName]>,
}

impl Extractor for State {
    type Features = Record;
    type Options = NoOptions;
    type Plan = Plan;

    fn needs(plan: &Plan) -> Needs {
        const ALL: Protocols = Protocols::DHCP
            .union(Protocols::GREETING)
            .union(Protocols::DNS)
            .union(Protocols::DTLS)
            .union(Protocols::HTTP)
            .union(Protocols::QUIC)
            .union(Protocols::SSH)
            .union(Protocols::TLS);
        let messages = Needs::messages(if plan.service { ALL } else { Protocols::NONE });
        Needs {
            headers: plan.id,
            ..messages
        }
    }

    fn plan(_: &NoOptions, wanted: &Wanted) -> Plan {
        Plan {
            id: wanted.any(|name| name == "community_id"),
            service: wanted.any(|name| name == "service"),
            conversation: wanted.any(|name| matches!(name, "conn_state" | "history")),
            sources: Arc::clone(&wanted.sources),
        }
    }

    fn packet(&mut self, packet: &Packet<'_>, flow: &Flow, plan: &Plan) {
        self.wire[packet.direction as usize] += u64::from(packet.wire_len);
        let protocol = flow.key.protocol;
        if plan.id && matches!(protocol, ICMP | ICMPV6) {
            self.icmp.get_or_insert_with(|| {
                let (kind, code) = match *packet.transport_header() {
                    [kind, code, ..] => (kind, code),
                    _ => (0, 0),
                };
                (kind, code, packet.direction)
            });
        }
        if plan.conversation {
            if protocol == UDP {
                self.conversation.get_or_insert_default().datagram(packet);
            } else if protocol == TCP && packet.is(marks::TCP_KNOWN) {
                self.conversation.get_or_insert_default().segment(packet);
            }
        }
    }

    fn message(&mut self, message: &Message<'_>, _: Direction, _: i64, _: &Plan) {
        self.services.see(message, &mut self.asked);
    }

    fn finish(&self, flow: &Flow, plan: &Plan) -> Record {
        let [wire_bytes_fwd, wire_bytes_bwd] = self.wire;
        let conversation = self.conversation.as_deref();
        let letters = conversation.map_or("", Conversation::history);
        let swapped = if flow.initiator_swapped { "^" } else { "" };
        let source = (flow.first >> Header::RECORD_BITS) as usize;
        Record {
            community_id: if plan.id {
                self.id(flow)
            } else {
                String::new()
            },
            source_file: plan
                .sources
                .get(source)
                .map_or_else(String::new, |one| one.file.clone()),
            first_packet_ordinal: Header::record_of(flow.first),
            wire_bytes_fwd,
            wire_bytes_bwd,
            service: self.services.names(),
            conn_state: match (conversation, flow.key.protocol) {
                (Some(conversation), TCP) => conversation.tcp_state(),
                (Some(conversation), _) => conversation.udp_state(),
                (None, _) => "OTH",
            },
            history: (!letters.is_empty()).then(|| format!("{swapped}{letters}")),
        }
    }

    fn heap_bytes(&self) -> usize {
        let conversation = self.conversation.as_deref();
        conversation.map_or(0, |one| size_of_val(one) + one.heap_bytes())
    }
}

impl State {
    fn id(&self, flow: &Flow) -> String {
        let end = |end: Endpoint| -> End { (end.address, end.port) };
        let mut ends = [end(flow.initiator()), end(flow.responder())];
        let (kind, code, from) = self.icmp.unwrap_or((0, 0, Direction::Forward));
        if from == Direction::Backward {
            ends.reverse();
        }
        community_id(flow.key.protocol, ends[0], ends[1], (kind, code))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::features::testing::{Built, Packets, back, forth};
    use crate::packet::tcp::{ACK, FIN, PSH, RST, SYN};

    fn row(packets: impl IntoIterator<Item = Built>) -> Record {
        let flow = packets.into_iter().fold(Packets::tcp(), Packets::push);
        flow.finish::<State>(&NoOptions)
    }

    /// `conn_state` and `history` of a TCP connection.
    fn became(packets: impl IntoIterator<Item = Built>) -> (&'static str, String) {
        let row = row(packets);
        (row.conn_state, row.history.unwrap_or_default())
    }

    fn of(state: &'static str, history: &str) -> (&'static str, String) {
        (state, history.to_owned())
    }

    /// SYN, SYN+ACK, ACK with ISNs 100 and 500.
    fn opening() -> Vec<Built> {
        vec![
            forth().flags(SYN).seq(100, 0),
            back().flags(SYN | ACK).seq(500, 101),
            forth().flags(ACK).seq(101, 501),
        ]
    }

    fn opened(then: &[Built]) -> (&'static str, String) {
        became(opening().into_iter().chain(then.iter().copied()))
    }

    #[test]
    fn the_wire_has_more_than_ip() {
        let row = Packets::udp()
            .push(forth().ip(28).frame(&[0; 60]))
            .push(back().ip(28).frame(&[0; 46]))
            .push(forth().ip(28).frame(&[0; 42]))
            .finish::<State>(&NoOptions);
        assert_eq!((row.wire_bytes_fwd, row.wire_bytes_bwd), (102, 46));
        assert_eq!(
            (row.first_packet_ordinal, row.source_file),
            (7, String::new())
        );
    }

    #[test]
    fn ids_are_those_of_other_tools() {
        // 10.0.0.1:40000 10.0.0.2:443, as computed by hand from the specification
        assert_eq!(
            row([forth()]).community_id,
            "1:UWHKJ/x6OQ1YiVv4rIl0t3yhjg8="
        );
        assert_eq!(row([back()]).community_id, "1:UWHKJ/x6OQ1YiVv4rIl0t3yhjg8=");
        let icmp = |kind: u8, code: u8, packet: Built| {
            let message = packet.headers(&[], &[0x45; 20], &[kind, code, 0, 0, 0, 0, 0, 0]);
            Packets::of(1)
                .push(message)
                .finish::<State>(&NoOptions)
                .community_id
        };
        assert_eq!(icmp(8, 0, forth()), "1:YcMyyWJfhc95EW1GfXt6jlZ3DiQ=");
        assert_eq!(
            icmp(0, 0, back()),
            "1:YcMyyWJfhc95EW1GfXt6jlZ3DiQ=",
            "the answer alone"
        );
        assert_ne!(
            icmp(3, 1, forth()),
            icmp(3, 1, back()),
            "no answer: its ends stay"
        );
    }

    #[test]
    fn connections_that_end_well() {
        let data = forth().flags(ACK | PSH).seq(101, 501).payload_len(10);
        let fins = [
            data,
            back().flags(ACK).seq(501, 111),
            forth().flags(FIN | ACK).seq(111, 501),
            back().flags(FIN | ACK).seq(501, 112),
            forth().flags(ACK).seq(112, 502),
        ];
        assert_eq!(opened(&fins), of("SF", "ShADaFf"));
        assert_eq!(opened(&fins[..3]), of("S2", "ShADaF"));
        assert_eq!(opened(&[fins[3]]), of("S3", "ShAf"));
        assert_eq!(opened(&[]), of("S1", "ShA"));
        // the same FIN is noted once, another one again
        let other = forth().flags(FIN | ACK).seq(300, 501);
        assert_eq!(opened(&[fins[2], fins[2], other]), of("S2", "ShAFF"));
    }

    #[test]
    fn connections_that_do_not_open() {
        let [syn, answer, _] = opening()[..] else {
            unreachable!()
        };
        let (rst, fin) = (
            forth().flags(RST).seq(101, 0),
            forth().flags(FIN).seq(101, 0),
        );
        assert_eq!(became([syn, syn]), of("S0", "S"));
        assert_eq!(became([syn, answer]), of("S1", "Sh"));
        assert_eq!(
            became([syn, back().flags(RST | ACK).seq(0, 101)]),
            of("REJ", "Sr")
        );
        assert_eq!(became([syn, rst]), of("RSTOS0", "SR"));
        assert_eq!(became([syn, fin]), of("SH", "SF"));
        assert_eq!(became([back().flags(RST)]), of("RSTRH", "r"));
        assert_eq!(
            became([back().flags(ACK).seq(1, 1), back().flags(FIN | ACK)]),
            of("SHR", "af")
        );
    }

    #[test]
    fn connections_that_are_reset() {
        let (ours, theirs) = (
            forth().flags(RST).seq(101, 0),
            back().flags(RST).seq(501, 0),
        );
        let data = forth().flags(ACK).seq(101, 501).payload_len(5);
        assert_eq!(opened(&[data, ours]), of("RSTO", "ShADR"));
        assert_eq!(opened(&[data, theirs]), of("RSTR", "ShADr"));
        // a FIN and then a RST is an end as any, if the other end closes too
        let fin = |end: Built| end.flags(FIN | ACK);
        let ends = [fin(forth().seq(101, 501)), ours, fin(back().seq(501, 102))];
        assert_eq!(opened(&ends), of("SF", "ShAFRf"));
        assert_eq!(became([forth().flags(FIN | RST)]), of("OTH", "I"));
        assert_eq!(became([forth().flags(SYN | FIN)]), of("SH", "Q"));
    }

    #[test]
    fn what_was_not_seen_from_the_start() {
        let data = |at: u32| forth().flags(ACK).seq(at, 900).payload_len(10);
        assert_eq!(
            became([data(10), back().flags(ACK).seq(900, 20)]),
            of("OTH", "Da")
        );
        let mut flow = Packets::tcp();
        flow.flow.initiator_swapped = true;
        let row = opening()[1..]
            .iter()
            .fold(flow, |flow, packet| flow.push(*packet));
        let row = row.finish::<State>(&NoOptions);
        assert_eq!(row.history.as_deref(), Some("^hA"));
        assert_eq!(row.conn_state, "S1");
    }

    #[test]
    fn letters_of_loss() {
        let data = |at: u32| forth().flags(ACK).seq(at, 501).payload_len(10);
        let acks = |upto: u32| back().flags(ACK).seq(501, upto);
        let again = vec![data(101); 11];
        assert_eq!(
            opened(&again),
            of("S1", "ShADTT"),
            "the first and the tenth"
        );
        assert_eq!(
            opened(&[data(101), data(121), acks(111)]),
            of("S1", "ShADa")
        );
        assert_eq!(
            opened(&[data(101), data(121), acks(131)]),
            of("S1", "ShADaG")
        );
        assert_eq!(
            opened(&[acks(400)]),
            of("S1", "ShAaG"),
            "nothing of it was seen"
        );
        assert_eq!(opened(&[acks(101).window(0)]), of("S1", "ShAaw"));
    }

    #[test]
    fn other_protocols() {
        let udp = |packets: &[Built]| {
            let flow = packets
                .iter()
                .fold(Packets::udp(), |flow, packet| flow.push(*packet));
            let row = flow.finish::<State>(&NoOptions);
            (row.conn_state, row.history.unwrap_or_default())
        };
        assert_eq!(udp(&[forth(), forth()]), of("S0", "D"));
        assert_eq!(udp(&[forth(), back(), back()]), of("SF", "Dd"));
        assert_eq!(udp(&[back()]), of("SHR", "d"));
        let row = Packets::of(47).push(forth()).finish::<State>(&NoOptions);
        assert_eq!((row.conn_state, row.history), ("OTH", None));
    }

    #[test]
    fn letters_are_bounded() {
        let numbers = (0..1000).map(|number| forth().flags(RST).seq(number, 0));
        let flow = numbers.fold(Packets::tcp(), Packets::push);
        let row = flow.clone().finish::<State>(&NoOptions);
        assert_eq!(row.history.map(|letters| letters.len()), Some(256));
        assert!(flow.state::<State>(&NoOptions).heap_bytes() < 1024);
    }
}
