//! What the headers of QUIC show (RFC 8999, RFC 9000), and the ClientHello in its Initial packets (RFC 9001).

use super::extractor::{Extractor, Needs, NoOptions, Wanted};
use crate::flows::Flow;
use crate::packet::{Direction, Packet};
use crate::protocols::quic::{self, Kind};
use crate::protocols::{Message, Protocols, text, tls};
use crate::schema::Features;
use std::borrow::Cow;

/// Columns of group `quic`, in output order.
#[derive(Features)]
#[features(profile = "JJ-EXTENDED", source = "RFC 9000, RFC 9001, RFC 9369")]
pub struct Quic {
    /// A UDP datagram starts with a valid long header: form and fixed bit; version known (v1; v2 0x6b3343cf, 0x709a50c4; drafts
    /// 22-34; mvfst 0xfaceb001, 002, 00e, 011, 013; Q046, Q050, T050, T051), reserved (0x?a?a?a?a) or 0 (negotiation with a whole
    /// version list); cid lengths <= 20; Length >= 20 and inside the datagram. Short headers alone never detect.
    #[column(scope = "flow", differs = "quic-bits")]
    pub quic_detected: bool,
    /// Version of the first long header that is not version negotiation.
    #[column(
        scope = "flow",
        null = "not QUIC or only version negotiation",
        differs = "quic-bits"
    )]
    pub quic_version: Option<u32>,
    /// v1, v2 (both v2 numbers), draft-NN (two digits), "gQUIC Qnnn" or "gQUIC Tnnn", else 0xhhhhhhhh.
    #[column(scope = "flow", null = "quic_version is null", differs = "quic-bits")]
    pub quic_version_str: Option<Cow<'static, str>>,
    /// Destination connection id length of the first Initial of the initiator.
    #[column(
        unit = "bytes",
        scope = "flow",
        null = "no Initial of the initiator",
        differs = "quic-bits"
    )]
    pub quic_dcid_len: Option<u8>,
    /// Source connection id length of the first Initial of the initiator.
    #[column(
        unit = "bytes",
        scope = "flow",
        null = "no Initial of the initiator",
        differs = "quic-bits"
    )]
    pub quic_scid_len: Option<u8>,
    /// Packet number length of the first Initial of the initiator after header-protection removal.
    #[column(
        unit = "bytes",
        scope = "flow",
        null = "it does not decrypt",
        differs = "protected-bits"
    )]
    pub quic_pn_length: Option<u8>,
    /// QUIC Initial packets of both directions (v1 type 0, v2 type 1), coalesced packets counted one by one. Once a version was seen
    /// in the flow its long headers count with the fixed bit cleared too (RFC 9287).
    #[column(
        unit = "packets",
        scope = "flow",
        null = "not QUIC",
        differs = "quic-types"
    )]
    pub quic_initial_packets: Option<u64>,
    /// A 0-RTT packet was seen.
    #[column(scope = "flow", null = "not QUIC", differs = "quic-types")]
    pub quic_0rtt_detected: Option<bool>,
    /// A Retry packet was seen.
    #[column(scope = "flow", null = "not QUIC", differs = "quic-types")]
    pub quic_retry_detected: Option<bool>,
    /// Spin bit (0x20) changed value in at least one direction among that direction's short-header packets in processing order:
    /// datagrams with form bit 0 after QUIC was detected, and short-header packets coalesced behind long ones.
    #[column(scope = "flow", null = "not QUIC", differs = "spin-bit")]
    pub quic_spin_bit: Option<bool>,
    /// ALPN first offer in the decrypted client Initial (RFC 9001 initial keys).
    #[column(
        scope = "flow",
        null = "no decrypted ClientHello or no ALPN in it",
        differs = "encrypted-initial"
    )]
    pub quic_alpn: Option<String>,
    /// SNI in the decrypted client Initial (text as tls_sni).
    #[column(
        private = "name",
        scope = "flow",
        null = "no decrypted ClientHello or no server_name in it",
        differs = "encrypted-initial"
    )]
    pub quic_sni: Option<String>,
    /// JA4 of the decrypted ClientHello; equals ja4 of a QUIC flow.
    #[column(
        profile = "JF-EXTRA",
        scope = "flow",
        null = "no decrypted ClientHello",
        source = "FoxIO, JA4"
    )]
    pub quic_ja4: Option<String>,
    /// JA3 hash of the same; equals ja3_hash of a QUIC flow.
    #[column(
        profile = "JF-EXTRA",
        scope = "flow",
        null = "no decrypted ClientHello",
        source = "Salesforce, JA3 and JA3S"
    )]
    pub quic_ja3: Option<String>,
    /// Destination connection id of the first Initial of the initiator, hex.
    #[column(
        profile = "JF-EXTRA",
        scope = "flow",
        null = "no Initial of the initiator"
    )]
    pub quic_client_dcid: Option<String>,
}

/// What is kept of an open record: nothing before its first long header.
#[derive(Default)]
pub struct State(Option<Box<Facts>>);

#[derive(Default)]
struct Facts {
    version: Option<u32>,
    /// Lengths of the connection identifiers of the first Initial of the initiator.
    identifiers: Option<(u8, u8)>,
    number_length: Option<u8>,
    initials: u64,
    has_zero_rtt: bool,
    has_retry: bool,
    is_spinning: bool,
    protocol: Option<Box<str>>,
    name: Option<Box<str>>,
    /// If a column wants them: JA4 and JA3, the connection identifier.
    fingerprints: Option<Box<(String, [u8; 16])>>,
    identifier: Option<Box<[u8]>>,
}

/// What the plan fixes: the columns that cost something.
pub struct Plan {
    fingerprints: bool,
    identifier: bool,
}

impl Facts {
    fn message(&mut self, message: &quic::Message<'_>, from: Direction, plan: &Plan) {
        match message {
            quic::Message::Packet(header) => {
                if header.kind != Kind::Negotiation {
                    self.version.get_or_insert(header.version);
                }
                self.has_zero_rtt |= header.kind == Kind::ZeroRtt;
                self.has_retry |= header.kind == Kind::Retry;
                if header.kind == Kind::Initial {
                    self.initials += 1;
                    if from == Direction::Forward {
                        // 20 bytes at most
                        let lengths = (header.dcid.len() as u8, header.scid.len() as u8);
                        if self.identifiers.is_none() && plan.identifier {
                            self.identifier = Some(header.dcid.into());
                        }
                        self.identifiers.get_or_insert(lengths);
                    }
                }
            }
            quic::Message::NumberLength(length) => self.number_length = Some(*length),
            quic::Message::Spin => self.is_spinning = true,
            quic::Message::ClientHello(hello) => {
                let protocol = hello.extensions.protocols().next();
                let protocol = protocol.filter(|protocol| !protocol.is_empty());
                self.protocol = protocol.map(|protocol| text::visible(protocol).into());
                let name = hello.server_name().map(<[u8]>::to_ascii_lowercase);
                self.name = name.map(|name| text::visible(&name).into());
                let fingerprints = || Box::new((tls::ja4(hello, 'q'), tls::ja3(hello)));
                self.fingerprints = plan.fingerprints.then(fingerprints);
            }
        }
    }
}

impl Extractor for State {
    type Features = Quic;
    type Options = NoOptions;
    type Plan = Plan;

    fn needs(_: &Plan) -> Needs {
        Needs::messages(Protocols::QUIC)
    }

    fn plan(_: &NoOptions, wanted: &Wanted) -> Plan {
        let wants = |columns: &[&str]| wanted.any(|name| columns.contains(&name));
        Plan {
            fingerprints: wants(&["quic_ja4", "quic_ja3"]),
            identifier: wants(&["quic_client_dcid"]),
        }
    }

    fn packet(&mut self, _: &Packet<'_>, _: &Flow, _: &Plan) {}

    fn message(&mut self, message: &Message<'_>, from: Direction, _: i64, plan: &Plan) {
        if let Message::Quic(message) = message {
            self.0.get_or_insert_default().message(message, from, plan);
        }
    }

    fn finish(&self, _: &Flow, _: &Plan) -> Quic {
        let facts = self.0.as_deref();
        let version = facts.and_then(|facts| facts.version);
        let identifiers = facts.and_then(|facts| facts.identifiers);
        let shown = |text: &Option<Box<str>>| text.as_deref().map(str::to_owned);
        let fingerprints = facts.and_then(|facts| facts.fingerprints.as_deref());
        Quic {
            quic_detected: facts.is_some(),
            quic_version: version,
            quic_version_str: version.map(quic::version_name),
            quic_dcid_len: identifiers.map(|(destination, _)| destination),
            quic_scid_len: identifiers.map(|(_, source)| source),
            quic_pn_length: facts.and_then(|facts| facts.number_length),
            quic_initial_packets: facts.map(|facts| facts.initials),
            quic_0rtt_detected: facts.map(|facts| facts.has_zero_rtt),
            quic_retry_detected: facts.map(|facts| facts.has_retry),
            quic_spin_bit: facts.map(|facts| facts.is_spinning),
            quic_alpn: facts.and_then(|facts| shown(&facts.protocol)),
            quic_sni: facts.and_then(|facts| shown(&facts.name)),
            quic_ja4: fingerprints.map(|(ja4, _)| ja4.clone()),
            quic_ja3: fingerprints.map(|(_, ja3)| text::hex(ja3)),
            quic_client_dcid: facts.and_then(|facts| facts.identifier.as_deref().map(text::hex)),
        }
    }

    fn heap_bytes(&self) -> usize {
        let text = |text: &Option<Box<str>>| text.as_deref().map_or(0, str::len);
        self.0.as_deref().map_or(0, |facts| {
            let fingerprints = facts.fingerprints.as_deref();
            let fingerprints = fingerprints.map_or(0, |both| size_of_val(both) + both.0.len());
            let identifier = facts.identifier.as_deref().map_or(0, <[u8]>::len);
            let texts = text(&facts.protocol) + text(&facts.name);
            size_of::<Facts>() + texts + fingerprints + identifier
        })
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::Packets;
    use super::*;
    use quic::Header;

    const PLAN: Plan = Plan {
        fingerprints: true,
        identifier: true,
    };

    #[test]
    fn headers_add_up() {
        let header = |kind, version| {
            quic::Message::Packet(Header {
                kind,
                version,
                dcid: &[0; 8],
                scid: &[0; 3],
                start: 0,
                number: 0,
                end: 0,
            })
        };
        let mut state = State::default();
        let mut feed = |message, from| state.message(&Message::Quic(message), from, 0, &PLAN);
        feed(header(Kind::Negotiation, 0), Direction::Backward);
        feed(header(Kind::Initial, 1), Direction::Forward);
        feed(quic::Message::NumberLength(2), Direction::Forward);
        feed(header(Kind::Initial, 1), Direction::Backward);
        feed(header(Kind::ZeroRtt, 1), Direction::Forward);
        let row = state.finish(&Packets::udp().flow, &PLAN);
        assert!(row.quic_detected);
        assert_eq!(
            (row.quic_version, row.quic_version_str.as_deref()),
            (Some(1), Some("v1"))
        );
        assert_eq!((row.quic_dcid_len, row.quic_scid_len), (Some(8), Some(3)));
        assert_eq!(
            (row.quic_pn_length, row.quic_initial_packets),
            (Some(2), Some(2))
        );
        assert_eq!(
            (row.quic_0rtt_detected, row.quic_retry_detected),
            (Some(true), Some(false))
        );
        assert_eq!((row.quic_spin_bit, row.quic_alpn), (Some(false), None));
        assert_eq!(row.quic_client_dcid.as_deref(), Some("0000000000000000"));
    }
}
