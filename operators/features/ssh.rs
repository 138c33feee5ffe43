//! What an SSH connection shows before it is encrypted (RFC 4253), and how much is encrypted.

use super::extractor::{Extractor, Needs, NoOptions, Wanted};
#[cfg(feature = "ja4plus")]
use super::ja4plus::{self, SshConnection, SshPlus};
use super::ssh_algorithms::{Lists, SshAlgorithms};
use crate::flows::Flow;
use crate::packet::{Direction, Packet};
use crate::protocols::{Message, Protocols, ssh, text};
use crate::schema::Features;

/// Columns of group `ssh`, in output order.
#[derive(Features)]
#[features(profile = "JJ-EXTENDED", source = "RFC 4253")]
pub struct Ssh {
    /// A whole line (up to LF, in the first `payload_prefix` bytes) starting "SSH-" and holding a second "-" opens the stream of
    /// either direction; other whole lines may come before it (RFC 4253 4.2).
    #[column(scope = "flow", differs = "ssh-banner")]
    pub ssh_detected: bool,
    /// Protocol version of the client line, else of the server line.
    #[column(scope = "flow", null = "no SSH line")]
    pub ssh_version: Option<String>,
    /// softwareversion of the initiator line up to the first space.
    #[column(scope = "fwd", split = "no", null = "no SSH line of the initiator")]
    pub ssh_client_software: Option<String>,
    /// softwareversion of the responder line up to the first space.
    #[column(scope = "bwd", split = "no", null = "no SSH line of the responder")]
    pub ssh_server_software: Option<String>,
    /// protoversion of the initiator line.
    #[column(scope = "fwd", split = "no", null = "no SSH line of the initiator")]
    pub ssh_client_version: Option<String>,
    /// protoversion of the responder line.
    #[column(scope = "bwd", split = "no", null = "no SSH line of the responder")]
    pub ssh_server_version: Option<String>,
    /// MD5 hex of kex;enc_c2s;mac_c2s;comp_c2s of the first KEXINIT of the initiator (name-lists as sent).
    #[column(
        scope = "fwd",
        split = "no",
        null = "no whole KEXINIT of the initiator",
        differs = "hassh-prefix",
        source = "Salesforce, HASSH"
    )]
    pub ssh_hassh: Option<String>,
    /// MD5 hex of kex;enc_s2c;mac_s2c;comp_s2c of the first KEXINIT of the responder.
    #[column(
        scope = "bwd",
        split = "no",
        null = "no whole KEXINIT of the responder",
        differs = "hassh-prefix",
        source = "Salesforce, HASSH"
    )]
    pub ssh_hassh_server: Option<String>,
    /// SSH binary packets (protocol 2.0 or 1.99) with message number 20..49 up to and with the first NEWKEYS (21) of their direction,
    /// whole in the first `payload_prefix` bytes, both directions.
    #[column(
        unit = "packets",
        split = "no",
        null = "not SSH",
        differs = "ssh-lengths"
    )]
    pub ssh_kex_packets: Option<u64>,
    /// TCP packets that carry a byte behind the first NEWKEYS of their direction (by sequence number, retransmissions included), from
    /// the packet on that completes the stream up to the end of that NEWKEYS.
    #[column(
        unit = "packets",
        split = "no",
        null = "not SSH",
        differs = "ssh-lengths"
    )]
    pub ssh_encrypted_packets: Option<u64>,
    #[part]
    pub algorithms: SshAlgorithms,
    #[cfg(feature = "ja4plus")]
    #[part]
    pub plus: SshPlus,
}

/// What the plan fixes.
pub struct Plan {
    /// Whether somebody wants the lists of algorithms.
    algorithms: bool,
    #[cfg(feature = "ja4plus")]
    plus: bool,
}

/// What is kept of an open record: nothing before its first message.
#[derive(Default)]
pub struct State(
    Option<Box<Facts>>,
    #[cfg(feature = "ja4plus")] SshConnection,
);

#[derive(Default)]
struct Facts {
    /// By direction: protocol and software version.
    lines: [Option<(Box<str>, Box<str>)>; 2],
    hashes: [Option<[u8; 16]>; 2],
    key_exchange: u64,
    encrypted: u64,
    /// If a column wants them.
    algorithms: Option<Box<Lists>>,
}

impl Extractor for State {
    type Features = Ssh;
    type Options = NoOptions;
    type Plan = Plan;

    fn needs(_: &Plan) -> Needs {
        Needs::messages(Protocols::SSH)
    }

    fn plan(_: &NoOptions, wanted: &Wanted) -> Plan {
        Plan {
            algorithms: SshAlgorithms::is_wanted(wanted),
            #[cfg(feature = "ja4plus")]
            plus: ja4plus::is_wanted::<SshPlus>(wanted),
        }
    }

    #[cfg(not(feature = "ja4plus"))]
    fn packet(&mut self, _: &Packet<'_>, _: &Flow, _: &Plan) {}

    #[cfg(feature = "ja4plus")]
    fn packet(&mut self, packet: &Packet<'_>, flow: &Flow, plan: &Plan) {
        if plan.plus && flow.is_tcp() && packet.is(crate::packet::marks::TCP_KNOWN) {
            self.1.packet(packet);
        }
    }

    fn message(&mut self, message: &Message<'_>, from: Direction, _: i64, plan: &Plan) {
        let Message::Ssh(message) = message else {
            return;
        };
        let facts = self.0.get_or_insert_default();
        let side = from as usize;
        match message {
            ssh::Message::Line(line) => {
                let texts = [line.version, line.software].map(|text| ssh::text(text).into());
                facts.lines[side].get_or_insert(texts.into());
            }
            ssh::Message::Kexinit(lists) => {
                if plan.algorithms {
                    let kept = facts.algorithms.get_or_insert_default();
                    kept.take(lists, from);
                }
                facts.hashes[side].get_or_insert_with(|| match from {
                    Direction::Forward => lists.hassh(),
                    Direction::Backward => lists.hassh_server(),
                });
            }
            ssh::Message::KeyExchange => facts.key_exchange += 1,
            ssh::Message::Encrypted => facts.encrypted += 1,
        }
    }

    fn finish(&self, _: &Flow, _: &Plan) -> Ssh {
        let facts = self.0.as_deref();
        let line = |side: usize| facts.and_then(|facts| facts.lines[side].as_ref());
        let hash = |side: usize| facts.and_then(|facts| facts.hashes[side]);
        let hex = |hash: [u8; 16]| text::hex(&hash);
        let version = |line: Option<&(Box<str>, Box<str>)>| line.map(|line| line.0.to_string());
        let software = |line: Option<&(Box<str>, Box<str>)>| line.map(|line| line.1.to_string());
        Ssh {
            ssh_detected: facts.is_some(),
            ssh_version: version(line(0).or(line(1))),
            ssh_client_software: software(line(0)),
            ssh_server_software: software(line(1)),
            ssh_client_version: version(line(0)),
            ssh_server_version: version(line(1)),
            ssh_hassh: hash(0).map(hex),
            ssh_hassh_server: hash(1).map(hex),
            ssh_kex_packets: facts.map(|facts| facts.key_exchange),
            ssh_encrypted_packets: facts.map(|facts| facts.encrypted),
            algorithms: facts
                .and_then(|facts| facts.algorithms.as_deref())
                .map_or_else(SshAlgorithms::default, Lists::columns),
            #[cfg(feature = "ja4plus")]
            plus: self.1.columns(),
        }
    }

    fn heap_bytes(&self) -> usize {
        let bytes = self.0.as_deref().map_or(0, |facts| {
            let lines = facts.lines.iter().flatten();
            let texts = lines.map(|(version, software)| version.len() + software.len());
            let algorithms = facts.algorithms.as_deref();
            let algorithms = algorithms.map_or(0, |lists| size_of_val(lists) + lists.heap_bytes());
            size_of::<Facts>() + texts.sum::<usize>() + algorithms
        });
        #[cfg(feature = "ja4plus")]
        let bytes = bytes + self.1.heap_bytes();
        bytes
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{Built, Packets, back, forth};
    use super::*;
    use crate::flows::{Applications, Rules};
    use crate::slots::Slots;

    #[test]
    fn packets_behind_newkeys_are_encrypted_whenever_they_are_sent() {
        const NEWKEYS: &[u8] = &[0, 0, 0, 12, 10, 21, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
        let line = b"SSH-2.0-x y\r\n";
        let start = line.len() as u32;
        let end = start + NEWKEYS.len() as u32;
        let flow = Packets::tcp()
            .push(forth().seq(0, 0).payload(line))
            .push(back().seq(0, 0).payload(b"SSH-1.99-z\n"))
            // comes too early: NEWKEYS is not whole
            .push(forth().seq(end, 0).payload(b"?"))
            .push(forth().seq(start, 0).payload(NEWKEYS))
            .push(forth().seq(end, 0).payload(b"?"))
            .push(forth().seq(end + 1, 0).payload_len(9))
            .push(forth().seq(start, 0).payload(NEWKEYS))
            .push(back().seq(99, 0).payload(b"?"))
            // beyond the first 4 GiB: each is 1 GiB further on
            .push(forth().seq(end + (1 << 30), 0).payload_len(9))
            .push(forth().seq(end + (2 << 30), 0).payload_len(9))
            .push(forth().seq(end.wrapping_add(3 << 30), 0).payload_len(9))
            .push(forth().seq(0, 0).payload_len(9));
        let plan = Plan {
            algorithms: true,
            #[cfg(feature = "ja4plus")]
            plus: true,
        };
        let rules = Rules::new(Protocols::SSH, &Default::default());
        let (mut state, mut applications) = (State::default(), Applications::new(rules));
        applications.open(0);
        let packets: Vec<Packet<'_>> = flow.packets.iter().map(Built::packet).collect();
        let flows = Slots::from_iter([flow.flow.clone()]);
        applications.packets(
            &packets,
            &vec![0; packets.len()],
            &flows,
            |told, message, from| {
                state.message(message, from, told.time, &plan);
            },
        );
        let row = state.finish(&flow.flow, &plan);
        assert_eq!(row.ssh_version.as_deref(), Some("2.0"));
        assert_eq!(row.ssh_client_software.as_deref(), Some("x"));
        assert_eq!(row.ssh_server_version.as_deref(), Some("1.99"));
        assert_eq!(
            (row.ssh_kex_packets, row.ssh_encrypted_packets),
            (Some(1), Some(6))
        );
        assert_eq!(row.ssh_hassh, None);
    }
}
