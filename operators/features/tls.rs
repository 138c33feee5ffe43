//! What a TLS handshake shows (RFC 5246, RFC 8446), over TCP and inside QUIC, and one of DTLS (RFC 6347, RFC 9147).
//!
//! Only what is in clear, and only what lies wholly in the first `payload_prefix` bytes of a direction.

use super::extractor::{Extractor, Needs, NoOptions, Wanted};
#[cfg(feature = "ja4plus")]
use super::ja4plus;
use super::tls_certificate::{Leaf, TlsCertificate};
use super::tls_hello::{Answer, Offer, TlsHello};
use crate::flows::Flow;
use crate::packet::{Direction, Packet};
use crate::protocols::tls::{self, Certificates, ClientHello, Hellos, KeyExchange, ServerHello};
use crate::protocols::{Message, Protocols, quic, text};
use crate::schema::Features;
use std::borrow::Cow;

/// Columns of group `tls`, in output order. The client side is the initiator's if its direction has a ClientHello, else the other
/// one; the ServerHello is looked for on the other side.
#[derive(Features)]
#[features(source = "RFC 5246, RFC 8446")]
pub struct Tls {
    /// A ClientHello or ServerHello that parses wholly was seen: in the first `payload_prefix` bytes of either direction of a TCP
    /// stream, or a ClientHello decrypted from QUIC Initial packets, which then is the ClientHello of all tls columns (its
    /// ServerHello columns are null). With the setting `dtls` also in the DTLS messages of a UDP flow without such a ClientHello.
    #[column(scope = "flow", differs = "type-byte")]
    pub tls_detected: bool,
    /// Negotiated version: supported_versions of the ServerHello if present, else its legacy_version; if no ServerHello, the highest
    /// of 0x0300..0x0304 in the client supported_versions, else the highest other non-GREASE value there, else legacy_version. Of DTLS:
    /// 0xfeff, 0xfefd, 0xfefc; the lowest number is the highest version.
    #[column(
        scope = "flow",
        null = "no ClientHello and no ServerHello",
        differs = "legacy-version"
    )]
    pub tls_version: Option<u16>,
    /// Text of tls_version: "SSL 3.0","TLS 1.0".."TLS 1.3", "DTLS 1.0", "DTLS 1.2", "DTLS 1.3", else "Unknown (0xhhhh)".
    #[column(
        scope = "flow",
        null = "no ClientHello and no ServerHello",
        differs = "legacy-version"
    )]
    pub tls_version_str: Option<Cow<'static, str>>,
    /// Cipher suite of the first ServerHello that is not a HelloRetryRequest (this is "the ServerHello" everywhere).
    #[column(
        scope = "bwd",
        split = "no",
        null = "no ServerHello",
        differs = "captured-prefix"
    )]
    pub tls_cipher_suite: Option<u16>,
    /// Number of cipher suites offered, GREASE (RFC 8701) and 0x00FF/0x5600 signalling values included.
    #[column(
        unit = "count",
        scope = "fwd",
        split = "no",
        null = "no ClientHello",
        differs = "captured-prefix"
    )]
    pub tls_cipher_count: Option<u16>,
    /// Number of extensions in the ClientHello, GREASE included.
    #[column(
        unit = "count",
        scope = "fwd",
        split = "no",
        null = "no ClientHello",
        differs = "captured-prefix"
    )]
    pub tls_extension_count: Option<u16>,
    /// host_name of the server_name extension, lower-cased; bytes outside 0x21..0x7e and "%" as %XX.
    #[column(
        private = "name",
        scope = "fwd",
        split = "no",
        null = "no ClientHello or no server_name",
        differs = "captured-prefix"
    )]
    pub tls_sni: Option<String>,
    /// ALPN selected in the ServerHello if visible, else the first client offer (printable ASCII as it is, other bytes and "%" as
    /// %XX).
    #[column(
        scope = "flow",
        null = "no ALPN extension seen",
        differs = "offered-protocol"
    )]
    pub tls_alpn: Option<String>,
    /// MD5 hex of the JA3 string (legacy_version, ciphers, extensions, groups, point formats, decimal; GREASE removed: both bytes
    /// equal and 0x?a, RFC 8701) of the first complete ClientHello.
    #[column(
        scope = "fwd",
        split = "no",
        null = "no ClientHello",
        differs = "fingerprint-prefix",
        source = "Salesforce, JA3 and JA3S"
    )]
    pub ja3_hash: Option<String>,
    /// MD5 hex of the JA3S string (legacy_version, cipher, extensions in order).
    #[column(
        scope = "bwd",
        split = "no",
        null = "no ServerHello",
        differs = "fingerprint-prefix",
        source = "Salesforce, JA3 and JA3S"
    )]
    pub ja3s_hash: Option<String>,
    /// Packets that delivered the first byte of at least one handshake record (content type 22, version 3.x, encrypted ones included)
    /// of the first `payload_prefix` bytes, from the first hello of each direction on; 0 for QUIC and DTLS.
    #[column(unit = "packets", split = "no", differs = "handshake-bytes")]
    pub tls_handshake_packets: u64,
    /// Certificates in the first Certificate message of the server side (negotiated version <= TLS 1.2, in clear, whole in the first
    /// `payload_prefix` bytes).
    #[column(
        unit = "count",
        scope = "bwd",
        split = "no",
        null = "no whole Certificate message",
        differs = "certificates-prefix"
    )]
    pub tls_cert_count: Option<u16>,
    /// Sum of the DER lengths of those certificates.
    #[column(
        unit = "bytes",
        scope = "bwd",
        split = "no",
        null = "no whole Certificate message",
        differs = "certificates-prefix"
    )]
    pub tls_cert_total_length: Option<u32>,
    /// DER length of the leaf.
    #[column(
        unit = "bytes",
        scope = "bwd",
        split = "no",
        null = "no whole Certificate message or no certificate in it",
        differs = "certificates-prefix"
    )]
    pub tls_cert_first_length: Option<u32>,
    /// Alias of tls_cert_count.
    #[column(
        unit = "count",
        scope = "bwd",
        split = "no",
        null = "no whole Certificate message",
        differs = "certificates-prefix"
    )]
    pub tls_cert_chain_length: Option<u16>,
    /// legacy_session_id length of the ClientHello.
    #[column(unit = "bytes", scope = "fwd", split = "no", null = "no ClientHello")]
    pub tls_session_id_len: Option<u8>,
    /// ClientHello has session_ticket (35).
    #[column(
        scope = "fwd",
        split = "no",
        null = "no ClientHello",
        differs = "captured-prefix"
    )]
    pub tls_session_ticket_ext: Option<bool>,
    /// Resumption accepted: TLS 1.3 ServerHello carries pre_shared_key (41); TLS <=1.2 server echoes a non-empty session id equal to
    /// the client one, or sends ChangeCipherSpec without a ServerHelloDone before it after a non-empty session_ticket was offered.
    #[column(
        scope = "flow",
        null = "no ClientHello or no ServerHello",
        differs = "resumption"
    )]
    pub tls_session_resumed: Option<bool>,
    /// ClientHello has pre_shared_key (41).
    #[column(
        scope = "fwd",
        split = "no",
        null = "no ClientHello",
        differs = "captured-prefix"
    )]
    pub tls_psk_ext: Option<bool>,
    /// ClientHello has early_data (42).
    #[column(
        scope = "fwd",
        split = "no",
        null = "no ClientHello",
        differs = "captured-prefix"
    )]
    pub tls_early_data_ext: Option<bool>,
    /// Negotiated named group: ServerHello key_share group, else named curve of the ServerKeyExchange of an ECDHE suite, else null
    /// (finite-field DHE and RSA have none).
    #[column(scope = "flow", null = "none seen", differs = "client-share")]
    pub tls_key_exchange_group: Option<u16>,
    /// IANA name of the group, else "unknown(0xhhhh)".
    #[column(scope = "flow", null = "none seen", differs = "client-share")]
    pub tls_key_exchange_group_name: Option<Cow<'static, str>>,
    /// Length of the server key share or ECDHE public point * 8; for finite-field DHE the bit length of p.
    #[column(
        unit = "bits",
        scope = "flow",
        null = "none seen",
        differs = "client-share"
    )]
    pub tls_key_exchange_length: Option<u32>,
    /// An application data record (content type 23) was seen in both directions in their first `payload_prefix` bytes, from the first
    /// hello of each on; in TLS 1.3 encrypted handshake messages look the same. False for QUIC.
    #[column(
        profile = "JF-EXTRA",
        scope = "flow",
        null = "no ClientHello and no ServerHello"
    )]
    pub tls_established: Option<bool>,
    /// All tls columns come from DTLS. Never without the setting `dtls`.
    #[column(profile = "JF-EXTRA", scope = "flow", source = "RFC 6347, RFC 9147")]
    pub dtls: bool,
    #[part]
    pub hello: TlsHello,
    #[part]
    pub certificate: TlsCertificate,
    #[cfg(feature = "ja4plus")]
    #[part]
    pub plus: ja4plus::TlsPlus,
}

/// Types of extensions.
mod extension {
    pub const SESSION_TICKET: u16 = 35;
    pub const PRE_SHARED_KEY: u16 = 41;
    pub const EARLY_DATA: u16 = 42;
}

/// What is kept of an open record: nothing before its first message.
#[derive(Default)]
pub struct State(Option<Box<Facts>>);

#[derive(Default)]
struct Facts {
    transport: Transport,
    hellos: Hellos<Box<Client>, Box<Server>>,
    sides: [Side; 2],
}

/// What carries the handshake.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
enum Transport {
    #[default]
    Tcp,
    Quic,
    Dtls,
}

impl Transport {
    /// As JA4 writes it.
    const fn letter(self) -> char {
        match self {
            Self::Tcp => 't',
            Self::Quic => 'q',
            Self::Dtls => 'd',
        }
    }
}

/// What one direction said beside its hello.
#[derive(Default)]
struct Side {
    handshake_packets: u32,
    /// ChangeCipherSpec was sent, ServerHelloDone was before it.
    is_changed: bool,
    is_done: bool,
    /// The first Certificate message; the inner `None` = malformed.
    certificates: Option<Option<Certificates>>,
    /// The first certificate in it, if a column wants it.
    leaf: Option<Box<Leaf>>,
    #[cfg(feature = "ja4plus")]
    ja4x: Option<Box<[Box<str>]>>,
    has_application_data: bool,
    /// The first ServerKeyExchange behind the ServerHello.
    key_exchange: Option<Option<KeyExchange>>,
}

/// A session identifier and its length: equal bytes behind it are 0.
type SessionId = ([u8; 32], u8);

struct Client {
    version: u16,
    ciphers: u16,
    extensions: u16,
    session: SessionId,
    has_ticket_extension: bool,
    has_ticket: bool,
    has_key: bool,
    has_early_data: bool,
    ja3: [u8; 16],
    name: Option<Box<str>>,
    protocol: Option<Box<str>>,
    /// If a column wants it.
    offer: Option<Box<Offer>>,
}

struct Server {
    version: u16,
    cipher: u16,
    session: SessionId,
    has_key: bool,
    key_share: Option<(u16, u32)>,
    ja3s: [u8; 16],
    protocol: Option<Box<str>>,
    /// If a column wants it.
    answer: Option<Box<Answer>>,
    #[cfg(feature = "ja4plus")]
    ja4s: Option<Box<str>>,
}

/// What the plan fixes: the columns that cost something.
pub struct Plan {
    ja3: bool,
    ja3s: bool,
    name: bool,
    protocol: bool,
    hello: bool,
    certificate: bool,
    dtls: bool,
    #[cfg(feature = "ja4plus")]
    plus: bool,
}

fn session(bytes: &[u8]) -> SessionId {
    let mut id = [0; 32];
    id.iter_mut().zip(bytes).for_each(|(to, from)| *to = *from);
    (id, bytes.len() as u8)
}

fn count(items: usize) -> u16 {
    u16::try_from(items).unwrap_or(u16::MAX)
}

impl Client {
    fn new(hello: &ClientHello<'_>, transport: Transport, plan: &Plan) -> Self {
        let ticket = hello.extensions.body(extension::SESSION_TICKET);
        let protocol = || hello.extensions.protocols().next();
        Self {
            version: match transport {
                Transport::Dtls => hello.highest_datagram_version(),
                _ => hello.highest_version(),
            },
            ciphers: count(hello.ciphers().len()),
            extensions: count(hello.extensions.types().count()),
            session: session(hello.session_id),
            has_ticket_extension: ticket.is_some(),
            has_ticket: ticket.is_some_and(|ticket| !ticket.is_empty()),
            has_key: hello.extensions.has(extension::PRE_SHARED_KEY),
            has_early_data: hello.extensions.has(extension::EARLY_DATA),
            ja3: if plan.ja3 { tls::ja3(hello) } else { [0; 16] },
            name: hello.server_name().filter(|_| plan.name).map(host),
            protocol: plan.protocol.then(protocol).flatten().and_then(shown),
            offer: (plan.hello).then(|| Box::new(Offer::new(hello, transport.letter()))),
        }
    }
}

impl Server {
    fn new(
        hello: &ServerHello<'_>,
        #[cfg_attr(
            not(feature = "ja4plus"),
            expect(unused_variables, reason = "JA4S has it")
        )]
        transport: Transport,
        plan: &Plan,
    ) -> Self {
        let protocol = || hello.extensions.protocols().next();
        let key_share = hello.key_share();
        Self {
            version: hello.negotiated_version(),
            cipher: hello.cipher,
            session: session(hello.session_id),
            has_key: hello.extensions.has(extension::PRE_SHARED_KEY),
            key_share: key_share.map(|(group, bytes)| (group, 8 * bytes as u32)),
            ja3s: if plan.ja3s { tls::ja3s(hello) } else { [0; 16] },
            protocol: plan.protocol.then(protocol).flatten().and_then(shown),
            answer: plan.hello.then(|| Box::new(Answer::new(hello))),
            #[cfg(feature = "ja4plus")]
            ja4s: plan.plus.then(|| ja4plus::ja4s(hello, transport.letter())),
        }
    }
}

/// The name of a host as a column shows it.
fn host(name: &[u8]) -> Box<str> {
    text::visible(&name.to_ascii_lowercase()).into()
}

/// The name of a protocol as a column shows it; an empty one is none.
fn shown(protocol: &[u8]) -> Option<Box<str>> {
    (!protocol.is_empty()).then(|| text::visible(protocol).into())
}

impl Facts {
    /// Forgets what was told before and stands behind this in its handshake.
    fn forget(&mut self, message: &tls::Message<'_>, from: Direction) {
        let side = &mut self.sides[from as usize];
        match message {
            tls::Message::ClientHello(_) => self.hellos.forget_client(from),
            tls::Message::ServerHello(_) => self.hellos.forget_server(from),
            tls::Message::Certificate(_) => (side.certificates, side.leaf) = (None, None),
            tls::Message::ServerKeyExchange(_) => side.key_exchange = None,
            _ => {}
        }
    }

    fn message(&mut self, message: &tls::Message<'_>, from: Direction, plan: &Plan) {
        let transport = self.transport;
        let side = &mut self.sides[from as usize];
        match message {
            tls::Message::ClientHello(hello) => {
                self.hellos
                    .client(from, || Box::new(Client::new(hello, transport, plan)));
            }
            tls::Message::ServerHello(hello) => {
                self.hellos
                    .server(from, || Box::new(Server::new(hello, transport, plan)));
            }
            tls::Message::Certificate(body) => {
                if side.certificates.is_none() {
                    side.certificates = Some(tls::certificates(body));
                    let leaf = tls::certificate_list(body)
                        .next()
                        .filter(|_| plan.certificate);
                    side.leaf = leaf.map(|leaf| Box::new(Leaf::new(leaf)));
                    #[cfg(feature = "ja4plus")]
                    if plan.plus {
                        side.ja4x = Some(ja4plus::ja4x(body));
                    }
                }
            }
            tls::Message::ApplicationData => side.has_application_data = true,
            tls::Message::ServerKeyExchange(body) => {
                if let Some(server) = self.hellos.server_of(from) {
                    side.key_exchange
                        .get_or_insert_with(|| tls::key_exchange(body, server.cipher));
                }
            }
            tls::Message::ServerHelloDone => side.is_done = true,
            tls::Message::ChangeCipherSpec => side.is_changed = true,
            tls::Message::HandshakePacket => side.handshake_packets += 1,
            tls::Message::Record(..) => {}
        }
    }
}

impl Extractor for State {
    type Features = Tls;
    type Options = NoOptions;
    type Plan = Plan;

    fn needs(plan: &Plan) -> Needs {
        let protocols = Protocols::TLS.union(Protocols::QUIC);
        Needs::messages(match plan.dtls {
            true => protocols.union(Protocols::DTLS),
            false => protocols,
        })
    }

    fn plan(_: &NoOptions, wanted: &Wanted) -> Plan {
        let wants = |column: &str| wanted.any(|name| name == column);
        Plan {
            ja3: wants("ja3_hash"),
            ja3s: wants("ja3s_hash"),
            name: wants("tls_sni"),
            protocol: wants("tls_alpn"),
            hello: TlsHello::is_wanted(wanted),
            certificate: TlsCertificate::is_wanted(wanted),
            dtls: wanted.dtls,
            #[cfg(feature = "ja4plus")]
            plus: ja4plus::is_wanted::<ja4plus::TlsPlus>(wanted),
        }
    }

    fn packet(&mut self, _: &Packet<'_>, _: &Flow, _: &Plan) {}

    fn message(&mut self, message: &Message<'_>, from: Direction, _: i64, plan: &Plan) {
        let (message, transport, is_earlier) = match message {
            Message::Tls(message) => (*message, Transport::Tcp, false),
            Message::Quic(quic::Message::ClientHello(hello)) => {
                (tls::Message::ClientHello(*hello), Transport::Quic, false)
            }
            Message::Dtls(dtls) => (dtls.message, Transport::Dtls, dtls.is_earlier),
            _ => return,
        };
        let facts = self.0.get_or_insert_default();
        // of both, QUIC counts
        match (facts.transport, transport) {
            (Transport::Quic, Transport::Dtls) => return,
            (Transport::Dtls, Transport::Quic) => **facts = Facts::default(),
            _ => {}
        }
        facts.transport = transport;
        if is_earlier {
            facts.forget(&message, from);
        }
        facts.message(&message, from, plan);
    }

    fn finish(&self, flow: &Flow, _: &Plan) -> Tls {
        let facts = self.0.as_deref();
        let (client, server) = facts.map_or((None, None), |facts| facts.hellos.pair());
        let side = facts.and_then(|facts| {
            let side = facts.hellos.server_side()?;
            facts.sides.get(side as usize)
        });
        let packets = |facts: &Facts| facts.sides.iter().map(|side| side.handshake_packets).sum();
        let handshake_packets: u32 = facts.filter(|_| side.is_some()).map_or(0, packets);
        let version = server
            .map(|server| server.version)
            .or_else(|| client.map(|client| client.version));
        let is_dtls = facts.is_some_and(|facts| facts.transport == Transport::Dtls);
        let is_old = version.is_some_and(|version| match is_dtls {
            true => version != tls::DTLS13,
            false => version < tls::TLS13,
        });
        let server_side = side.filter(|_| server.is_some());
        let certificates = server_side.and_then(|side| side.certificates.flatten());
        let certificates = certificates.filter(|_| is_old);
        let leaf = server_side.and_then(|side| side.leaf.as_deref());
        let leaf = leaf.filter(|_| certificates.is_some());
        let is_established =
            |facts: &Facts| facts.sides.iter().all(|side| side.has_application_data);
        let key_share = server.and_then(|server| server.key_share);
        let exchange = match key_share {
            Some((group, bits)) => Some((Some(group), bits)),
            None => server_side
                .and_then(|side| side.key_exchange.flatten())
                .map(|exchange| (exchange.group, exchange.bits)),
        };
        let group = exchange.and_then(|(group, _)| group);
        let protocol = server.and_then(|server| server.protocol.as_deref());
        let protocol = protocol.or_else(|| client?.protocol.as_deref());
        let resumed = client.zip(server).map(|(client, server)| {
            if !is_old {
                return server.has_key;
            }
            let is_echoed = server.session.1 > 0 && server.session == client.session;
            let is_short = side.is_some_and(|side| side.is_changed && !side.is_done);
            is_echoed || client.has_ticket && is_short
        });
        Tls {
            tls_detected: side.is_some(),
            tls_version: version,
            tls_version_str: version.map(|version| match tls::version_name(version) {
                Some(name) => Cow::Borrowed(name),
                None => Cow::Owned(format!("Unknown (0x{version:04x})")),
            }),
            tls_cipher_suite: server.map(|server| server.cipher),
            tls_cipher_count: client.map(|client| client.ciphers),
            tls_extension_count: client.map(|client| client.extensions),
            tls_sni: client.and_then(|client| client.name.as_deref().map(str::to_owned)),
            tls_alpn: protocol.map(str::to_owned),
            ja3_hash: client.map(|client| text::hex(&client.ja3)),
            ja3s_hash: server.map(|server| text::hex(&server.ja3s)),
            tls_handshake_packets: handshake_packets.into(),
            tls_cert_count: certificates.map(|chain| chain.count),
            tls_cert_total_length: certificates.map(|chain| chain.bytes),
            tls_cert_first_length: certificates.and_then(|chain| chain.first),
            tls_cert_chain_length: certificates.map(|chain| chain.count),
            tls_session_id_len: client.map(|client| client.session.1),
            tls_session_ticket_ext: client.map(|client| client.has_ticket_extension),
            tls_session_resumed: resumed,
            tls_psk_ext: client.map(|client| client.has_key),
            tls_early_data_ext: client.map(|client| client.has_early_data),
            tls_key_exchange_group: group,
            tls_key_exchange_group_name: group.map(|group| match tls::group_name(group) {
                Some(name) => Cow::Borrowed(name),
                None => Cow::Owned(format!("unknown(0x{group:04x})")),
            }),
            tls_key_exchange_length: exchange.map(|(_, bits)| bits),
            tls_established: facts.filter(|_| side.is_some()).map(is_established),
            dtls: is_dtls && side.is_some(),
            hello: TlsHello::of(
                client.and_then(|client| client.offer.as_deref()),
                server.and_then(|server| server.answer.as_deref()),
            ),
            certificate: leaf.map_or_else(TlsCertificate::default, |leaf| {
                TlsCertificate::of(leaf, flow.start)
            }),
            #[cfg(feature = "ja4plus")]
            plus: ja4plus::TlsPlus {
                ja4s: server.and_then(|server| server.ja4s.as_deref().map(str::to_owned)),
                ja4x: server_side
                    .filter(|_| certificates.is_some())
                    .and_then(|side| side.ja4x.as_deref())
                    .map(|texts| texts.iter().map(|text| text.to_string()).collect()),
            },
        }
    }

    fn heap_bytes(&self) -> usize {
        let text = |text: &Option<Box<str>>| text.as_deref().map_or(0, str::len);
        self.0.as_deref().map_or(0, |facts| {
            let clients = facts.hellos.clients().map(|client| {
                let offer = client.offer.as_deref();
                let offer = offer.map_or(0, |offer| size_of_val(offer) + offer.heap_bytes());
                size_of::<Client>() + text(&client.name) + text(&client.protocol) + offer
            });
            let servers = facts.hellos.servers().map(|server| {
                let answer = server.answer.as_deref();
                let answer = answer.map_or(0, |answer| size_of_val(answer) + answer.heap_bytes());
                #[cfg(feature = "ja4plus")]
                let answer = answer + text(&server.ja4s);
                size_of::<Server>() + text(&server.protocol) + answer
            });
            let leaves = facts.sides.iter().filter_map(|side| side.leaf.as_deref());
            let leaves = leaves.map(|leaf| size_of_val(leaf) + leaf.heap_bytes());
            let parts = clients.chain(servers).chain(leaves);
            #[cfg(feature = "ja4plus")]
            let parts = {
                let texts = facts.sides.iter().filter_map(|side| side.ja4x.as_deref());
                parts.chain(texts.map(ja4plus::text_bytes))
            };
            size_of::<Facts>() + parts.sum::<usize>()
        })
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::Packets;
    use super::*;
    use crate::protocols::dtls;
    use Direction::{Backward, Forward};

    const ALL: Plan = Plan {
        ja3: true,
        ja3s: true,
        name: true,
        protocol: true,
        hello: true,
        certificate: true,
        dtls: true,
        #[cfg(feature = "ja4plus")]
        plus: true,
    };

    fn extension(kind: u16, body: &[u8]) -> Vec<u8> {
        let fields = [kind, body.len() as u16].map(u16::to_be_bytes).concat();
        [&fields, body].concat()
    }

    /// A hello with this session identifier; what follows are its suites or suite and compression, then its extensions.
    fn hello(session: &[u8], choice: &[u8], extensions: &[Vec<u8>]) -> Vec<u8> {
        let block = extensions.concat();
        let length = (block.len() as u16).to_be_bytes();
        let start = [&[3, 3][..], &[7; 32], &[session.len() as u8], session].concat();
        [&start, choice, &length[..], &block].concat()
    }

    fn client(session: &[u8], extensions: &[Vec<u8>]) -> Vec<u8> {
        hello(session, &[0, 4, 0x0a, 0x0a, 0xc0, 0x2f, 1, 0], extensions)
    }

    fn server(session: &[u8], suite: [u8; 2], extensions: &[Vec<u8>]) -> Vec<u8> {
        hello(session, &[suite[0], suite[1], 0], extensions)
    }

    /// The row of these messages.
    fn row(messages: &[(Direction, tls::Message<'_>)]) -> Tls {
        let mut state = State::default();
        for (from, message) in messages {
            state.message(&Message::Tls(*message), *from, 0, &ALL);
        }
        state.finish(&Packets::tcp().flow, &ALL)
    }

    fn read_client(body: &[u8]) -> tls::Message<'_> {
        tls::Message::ClientHello(ClientHello::read(body).expect("a hello"))
    }

    fn read_server(body: &[u8]) -> tls::Message<'_> {
        tls::Message::ServerHello(ServerHello::read(body).expect("a hello"))
    }

    #[test]
    fn a_handshake_of_tls_1_3() {
        let versions = extension(43, &[4, 0x7a, 0x7a, 3, 4]);
        let names = extension(16, b"\0\x05\x04x%\xff ");
        let body = client(
            &[1; 32],
            &[versions, names, extension(41, &[]), extension(42, &[])],
        );
        let chosen = [
            extension(43, &[3, 4]),
            extension(51, &[&[0x11, 0xec, 0, 4][..], &[0; 4]].concat()),
        ];
        let answer = server(&[1; 32], [0x13, 1], &chosen);
        let row = row(&[
            (Forward, tls::Message::HandshakePacket),
            (Forward, read_client(&body)),
            (Backward, tls::Message::HandshakePacket),
            (Backward, read_server(&answer)),
        ]);
        assert!(row.tls_detected);
        assert_eq!(row.tls_alpn.as_deref(), Some("x%25%FF%20"));
        assert_eq!(
            (row.tls_version, row.tls_version_str.as_deref()),
            (Some(0x304), Some("TLS 1.3"))
        );
        assert_eq!(
            (row.tls_cipher_suite, row.tls_cipher_count),
            (Some(0x1301), Some(2))
        );
        assert_eq!(
            (row.tls_extension_count, row.tls_session_id_len),
            (Some(4), Some(32))
        );
        assert_eq!(
            (row.tls_psk_ext, row.tls_early_data_ext),
            (Some(true), Some(true))
        );
        assert_eq!(
            row.tls_session_resumed,
            Some(false),
            "offered, not accepted"
        );
        assert_eq!(
            row.tls_key_exchange_group_name.as_deref(),
            Some("X25519MLKEM768")
        );
        assert_eq!(
            (row.tls_key_exchange_length, row.tls_cert_count),
            (Some(32), None)
        );
        assert_eq!(
            (row.tls_handshake_packets, row.tls_session_ticket_ext),
            (2, Some(false))
        );
    }

    #[test]
    fn a_handshake_of_tls_1_2() {
        let body = client(&[], &[extension(35, &[9])]);
        let answer = server(&[], [0xc0, 0x2f], &[extension(16, b"\0\x03\x02h2")]);
        let exchange = [&[3, 0, 23, 65][..], &[4; 65]].concat();
        let done = row(&[
            (Forward, read_client(&body)),
            (Backward, read_server(&answer)),
            (
                Backward,
                tls::Message::Certificate(&[0, 0, 5, 0, 0, 2, 1, 1]),
            ),
            (Backward, tls::Message::ServerKeyExchange(&exchange)),
            (Backward, tls::Message::ServerHelloDone),
            (Backward, tls::Message::ChangeCipherSpec),
        ]);
        assert_eq!(
            (done.tls_version, done.tls_alpn.as_deref()),
            (Some(0x303), Some("h2"))
        );
        assert_eq!(
            (done.tls_cert_count, done.tls_cert_total_length),
            (Some(1), Some(2))
        );
        assert_eq!(done.tls_key_exchange_group, Some(23));
        assert_eq!(done.tls_key_exchange_length, Some(520));
        assert_eq!(done.tls_session_resumed, Some(false));
        let short = row(&[
            (Forward, read_client(&body)),
            (Backward, read_server(&answer)),
            (Backward, tls::Message::ChangeCipherSpec),
        ]);
        assert_eq!(short.tls_session_resumed, Some(true), "by its ticket");
        let (body, answer) = (client(&[5; 4], &[]), server(&[5; 4], [0, 0x2f], &[]));
        let echo = row(&[
            (Forward, read_client(&body)),
            (Backward, read_server(&answer)),
        ]);
        assert_eq!(echo.tls_session_resumed, Some(true), "by its identifier");
    }

    #[test]
    fn who_is_the_client() {
        let (body, answer) = (client(&[], &[]), server(&[1], [0, 0x2f], &[]));
        let other = server(&[2], [0, 0x35], &[]);
        let turned = row(&[
            (Backward, read_client(&body)),
            (Forward, read_server(&answer)),
            (Backward, read_server(&other)),
        ]);
        assert_eq!(
            (turned.tls_cipher_suite, turned.tls_cipher_count),
            (Some(0x2f), Some(2))
        );
        let alone = row(&[(Backward, read_server(&answer))]);
        assert_eq!((alone.tls_cipher_suite, alone.ja3_hash), (Some(0x2f), None));
        assert_eq!(alone.tls_session_resumed, None);
        let none = row(&[(Forward, tls::Message::HandshakePacket)]);
        assert!(!none.tls_detected && none.tls_handshake_packets == 0);
    }

    #[test]
    fn a_handshake_of_dtls() {
        let told = |body: &[u8], versions: &[u8]| {
            let offered = extension(43, versions);
            let block = (offered.len() as u16).to_be_bytes();
            // as a client writes it, with a cookie
            let start = [&[0xfe, 0xfd][..], &[7; 32], &[0, 2, 5, 5]].concat();
            let suites = [0, 2, 0xc0, 0x2b, 1, 0];
            let hello = [&start, &suites[..], &block, &offered].concat();
            let hello = ClientHello::read_datagram(&hello).expect("a hello");
            let mut state = State::default();
            let mut tell = |message, from, is_earlier| {
                let message = dtls::Message {
                    message,
                    is_earlier,
                };
                state.message(&Message::Dtls(message), from, 0, &ALL);
            };
            tell(read_server(body), Backward, false);
            let exchange = [&[3, 0, 23, 65][..], &[4; 65]].concat();
            tell(tls::Message::ServerKeyExchange(&exchange), Backward, false);
            tell(
                tls::Message::Certificate(&[0, 0, 5, 0, 0, 2, 1, 1]),
                Backward,
                false,
            );
            tell(tls::Message::ClientHello(hello), Forward, false);
            state
        };
        let finish = |state: &State| state.finish(&Packets::udp().flow, &ALL);
        let mut answer = server(&[], [0xc0, 0x2b], &[]);
        (answer[0], answer[1]) = (0xfe, 0xfd);
        let row = finish(&told(&answer, &[4, 0xfe, 0xfd, 0xfe, 0xff]));
        assert!(row.tls_detected && row.dtls && row.tls_handshake_packets == 0);
        assert_eq!(row.tls_version_str.as_deref(), Some("DTLS 1.2"));
        assert_eq!(row.tls_cert_count, Some(1));
        assert_eq!(row.tls_key_exchange_group, Some(23));
        let ja4 = row.hello.ja4.as_deref().expect("a hello");
        assert!(ja4.starts_with("dd2i010100_"), "{ja4}");
        let choice = server(&[], [0x13, 1], &[extension(43, &[0xfe, 0xfc])]);
        let mut state = told(&choice, &[4, 0xfe, 0xfd, 0xfe, 0xfc]);
        let row = finish(&state);
        assert_eq!(row.tls_version_str.as_deref(), Some("DTLS 1.3"));
        assert_eq!(
            (row.tls_cert_count, row.tls_session_resumed),
            (None, Some(false))
        );
        let ja4 = row.hello.ja4.as_deref().expect("a hello");
        assert!(ja4.starts_with("dd3i010100_"), "{ja4}");
        // QUIC counts, whichever was first
        let body = client(&[], &[]);
        let hello = ClientHello::read(&body).expect("a hello");
        let message = Message::Quic(quic::Message::ClientHello(hello));
        state.message(&message, Forward, 0, &ALL);
        let row = finish(&state);
        assert!(row.tls_detected && !row.dtls && row.tls_cipher_suite.is_none());
    }
}
