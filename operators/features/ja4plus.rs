//! Fingerprints of the JA4+ family: columns of the groups `tls`, `http`, `ssh` and `tcp_options` that only builds with the cargo
//! feature `ja4plus` have, as the methods fall under the FoxIO License 1.1 (`protocols/ja4plus`).
//!
//! The groups feed what is kept here. Nothing is kept unless somebody asked for the column.

use super::extractor::Wanted;
use crate::packet::{Direction, Packet, marks, tcp};
use crate::protocols::http::Part;
use crate::protocols::ja4plus::{self, Answers, Request, Session};
use crate::protocols::tcp_options::Options;
use crate::protocols::tls::{ServerHello, certificate_list};
use crate::protocols::x509::Certificate;
use crate::schema::Features;

/// Certificates of a chain and parts of an SSH connection that have a fingerprint.
const LISTED: usize = 64;

/// Whether somebody wants a column of this struct.
pub fn is_wanted<T: Features>(wanted: &Wanted) -> bool {
    let columns = T::schema();
    wanted.any(|name| columns.iter().any(|column| column.name == name))
}

/// Further columns of group `tls`.
#[derive(Default, Features)]
#[features(group = "tls", profile = "JF-EXTRA", source = "FoxIO, JA4+")]
pub struct TlsPlus {
    /// JA4S of the ServerHello: "t", negotiated version, number of extensions, first and last character of the chosen ALPN as in ja4;
    /// the cipher suite, hex; first 12 hex digits of SHA-256 of the extensions in order, 000000000000 without. Those of QUIC are not
    /// read.
    #[column(scope = "bwd", split = "no", null = "no ServerHello")]
    pub ja4s: Option<String>,
    /// JA4X of each certificate in the Certificate message that tls_cert_count counts, 64 at most: first 12 hex digits of SHA-256 of the
    /// object identifiers (hex, joined by ",") of issuer, subject and extensions in order, 000000000000 where there is none. One that
    /// cannot be read is left out.
    #[column(scope = "bwd", split = "no", null = "no whole Certificate message")]
    pub ja4x: Option<Vec<String>>,
}

/// JA4S of a ServerHello that came over TCP (`t`) or DTLS (`d`).
pub fn ja4s(hello: &ServerHello<'_>, transport: char) -> Box<str> {
    ja4plus::ja4s(hello, transport).into()
}

/// JA4X of each certificate of a chain.
pub fn ja4x(chain: &[u8]) -> Box<[Box<str>]> {
    let read = certificate_list(chain)
        .take(LISTED)
        .filter_map(Certificate::read);
    read.map(|certificate| ja4plus::ja4x(&certificate).into())
        .collect()
}

/// Bytes of texts that are kept.
pub fn text_bytes(texts: &[Box<str>]) -> usize {
    texts
        .iter()
        .map(|text| size_of_val(text) + text.len())
        .sum()
}

/// A further column of group `http`.
#[derive(Default, Features)]
#[features(group = "http", profile = "JF-EXTRA", source = "FoxIO, JA4+")]
pub struct HttpPlus {
    /// JA4H of the request that http_method is of: method, version, whether there is a Cookie and a Referer, number of other fields,
    /// first four characters of the first language; then first 12 hex digits of SHA-256 of the names of those fields in order, of the
    /// names of cookies, sorted, and of the cookies, sorted by name, 000000000000 without cookies.
    #[column(
        scope = "fwd",
        split = "no",
        null = "no request of the initiator whose head is whole"
    )]
    pub ja4h: Option<String>,
}

/// The first request of the initiator.
#[derive(Default)]
pub enum FirstRequest {
    /// None so far.
    #[default]
    None,
    /// Its head is being read.
    Head(Box<Request>),
    /// Its head was whole.
    Whole(Box<str>),
}

impl FirstRequest {
    /// Takes what the initiator says.
    pub fn part(&mut self, part: &Part<'_>) {
        match (&mut *self, part) {
            (
                Self::None,
                Part::Request {
                    method, version, ..
                },
            ) => *self = Self::Head(Box::new(Request::new(method, *version))),
            (Self::Head(request), Part::Field { name, value }) => request.field(name, value),
            (Self::Head(request), Part::Body) => *self = Self::Whole(request.ja4h().into()),
            _ => {}
        }
    }

    /// The column.
    pub fn columns(&self) -> HttpPlus {
        let ja4h = match self {
            Self::Whole(text) => Some(text.to_string()),
            _ => None,
        };
        HttpPlus { ja4h }
    }

    /// Heap bytes held.
    pub fn heap_bytes(&self) -> usize {
        match self {
            Self::None => 0,
            Self::Head(request) => size_of::<Request>() + request.heap_bytes(),
            Self::Whole(text) => text.len(),
        }
    }
}

/// A further column of group `ssh`.
#[derive(Default, Features)]
#[features(group = "ssh", profile = "JF-EXTRA", source = "FoxIO, JA4+")]
pub struct SshPlus {
    /// JA4SSH of each 200 packets with payload, and of those left at the end, the first 64: commonest payload length of initiator and
    /// responder (the smallest of those, 0 without packets), their packets with payload, their packets with nothing but ACK. From the
    /// first packet on whose payload starts with "SSH-", but for acknowledgements: those before it count; packets that bring no new byte
    /// by their sequence number are left out.
    #[column(
        scope = "flow",
        split = "no",
        null = "not TCP, or no packet whose payload starts with \"SSH-\""
    )]
    pub ja4ssh: Option<Vec<String>>,
}

/// The packets of an SSH connection.
#[derive(Default)]
struct SshPackets {
    session: Session,
    /// By direction, the sequence number behind the last byte so far.
    ends: [Option<u32>; 2],
    done: Vec<String>,
}

/// A TCP connection that may be one of SSH.
#[derive(Default)]
pub struct SshConnection {
    /// By direction, the acknowledgements so far: there are some before it is known.
    early: [u16; 2],
    packets: Option<Box<SshPackets>>,
}

impl SshConnection {
    /// Takes a packet of TCP.
    pub fn packet(&mut self, packet: &Packet<'_>) {
        let from = packet.direction;
        let is_bare = || {
            let others = [tcp::SYN, tcp::FIN, tcp::RST];
            packet.has(tcp::ACK) && !others.iter().any(|flag| packet.has(*flag))
        };
        match &mut self.packets {
            Some(packets) if packet.payload_len > 0 => packets.packet(packet),
            Some(packets) if is_bare() => packets.session.acknowledgements(from, 1),
            None if packet.payload().starts_with(b"SSH-") => {
                let packets = self.packets.insert(Box::default());
                let [ahead, behind] = self.early;
                packets
                    .session
                    .acknowledgements(Direction::Forward, ahead.into());
                packets
                    .session
                    .acknowledgements(Direction::Backward, behind.into());
                packets.packet(packet);
            }
            None if packet.payload_len == 0 && is_bare() => {
                let count = from.of_mut(&mut self.early);
                *count = count.saturating_add(1);
            }
            _ => {}
        }
    }

    /// The column.
    pub fn columns(&self) -> SshPlus {
        let packets = self.packets.as_deref();
        packets.map_or_else(SshPlus::default, SshPackets::columns)
    }

    /// Heap bytes held.
    pub fn heap_bytes(&self) -> usize {
        self.packets
            .as_deref()
            .map_or(0, |packets| size_of::<SshPackets>() + packets.heap_bytes())
    }
}

impl SshPackets {
    /// Takes a packet with payload.
    fn packet(&mut self, packet: &Packet<'_>) {
        let from = packet.direction;
        let end = packet.seq.wrapping_add(packet.payload_len);
        let last = from.of_mut(&mut self.ends);
        if last.is_some_and(|last| end.wrapping_sub(last).cast_signed() <= 0) {
            return;
        }
        *last = Some(end);
        let text = self.session.packet(packet.payload_len, from);
        if self.done.len() < LISTED {
            self.done.extend(text);
        }
    }

    fn columns(&self) -> SshPlus {
        let rest = self.session.ja4ssh();
        let all = self.done.iter().cloned().chain(rest).take(LISTED);
        SshPlus {
            ja4ssh: Some(all.collect()),
        }
    }

    fn heap_bytes(&self) -> usize {
        let texts = self.done.iter().map(String::capacity).sum::<usize>();
        self.session.heap_bytes() + self.done.capacity() * size_of::<String>() + texts
    }
}

/// Further columns of group `tcp_options`.
#[derive(Default, Features)]
#[features(group = "tcp_options", profile = "JF-EXTRA", source = "FoxIO, JA4+")]
pub struct TcpPlus {
    /// JA4T of the first SYN without ACK of the initiator: window, kinds of options as in tcp_option_kinds_fwd, maximum segment size,
    /// window scale; 00 for what is not there.
    #[column(
        scope = "fwd",
        split = "no",
        null = "no SYN from the initiator whose header was captured"
    )]
    pub ja4t: Option<String>,
    /// JA4TS: the same of the first SYN+ACK of the responder; where it was sent again before another packet came, the seconds between,
    /// rounded, the first 10, each at most 120 after the one before, and with "R" those to a RST of the responder.
    #[column(
        scope = "bwd",
        split = "no",
        null = "no SYN+ACK from the responder whose header was captured"
    )]
    pub ja4ts: Option<String>,
}

/// The handshake of a TCP connection.
#[derive(Default)]
pub struct TcpHandshake {
    syn: Option<Box<str>>,
    answers: Option<Answers>,
}

impl TcpHandshake {
    /// Whether a packet can start one.
    pub fn starts(packet: &Packet<'_>) -> bool {
        packet.has(tcp::SYN) && packet.is(marks::WINDOW_KNOWN)
    }

    /// Takes a packet.
    pub fn packet(&mut self, packet: &Packet<'_>) {
        let (is_syn, is_ack) = (packet.has(tcp::SYN), packet.has(tcp::ACK));
        let options = Options::whole(packet.transport_header());
        let options = options.filter(|_| Self::starts(packet));
        match (packet.direction, &mut self.answers) {
            (Direction::Forward, _) if is_syn && !is_ack => {
                if let (None, Some(options)) = (&self.syn, options) {
                    self.syn = Some(ja4plus::syn(packet.window, options).into());
                }
            }
            (Direction::Backward, Some(answers)) if is_syn && is_ack => answers.again(packet.time),
            (Direction::Backward, none) if is_syn && is_ack => {
                *none = options.map(|options| Answers::new(packet.window, options, packet.time));
            }
            (Direction::Backward, Some(answers)) if packet.has(tcp::RST) => {
                answers.reset(packet.time);
            }
            (_, Some(answers)) => answers.end(),
            _ => {}
        }
    }

    /// The columns.
    pub fn columns(&self) -> TcpPlus {
        TcpPlus {
            ja4t: self.syn.as_deref().map(str::to_owned),
            ja4ts: self
                .answers
                .as_ref()
                .map(|answers| answers.ja4ts().to_owned()),
        }
    }

    /// Heap bytes held.
    pub fn heap_bytes(&self) -> usize {
        let answers = self.answers.as_ref().map_or(0, Answers::heap_bytes);
        self.syn.as_deref().map_or(0, str::len) + answers
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{back, forth};
    use super::*;
    use std::time::Duration;
    use tcp::{ACK, RST, SYN};

    #[test]
    fn handshakes() {
        let second = Duration::from_secs(1);
        let answer = back().flags(SYN | ACK).window(9).options(&[2, 4, 5, 0xb4]);
        let mut handshake = TcpHandshake::default();
        let syn = forth().flags(SYN).window(7).options(&[]);
        for packet in [syn, answer.at(second), answer.at(4 * second)] {
            handshake.packet(&packet.packet());
        }
        handshake.packet(&back().flags(RST).at(6 * second).packet());
        let row = handshake.columns();
        assert_eq!(row.ja4t.as_deref(), Some("7_00_00_00"));
        assert_eq!(row.ja4ts.as_deref(), Some("9_2_1460_00_3-R2"));
        let mut open = TcpHandshake::default();
        for packet in [answer, forth().flags(ACK), back().flags(RST)] {
            open.packet(&packet.packet());
        }
        assert_eq!(open.columns().ja4ts.as_deref(), Some("9_2_1460_00"));
    }

    #[test]
    fn packets_sent_again_are_none_of_ssh() {
        let line = forth().flags(ACK).seq(5, 0).payload(b"SSH-2.0-x\n");
        let mut packets = SshConnection::default();
        for packet in [
            forth().flags(ACK),
            forth().flags(ACK).payload(b"?"),
            line,
            line,
            back().flags(ACK),
            back().flags(ACK).payload(b"SSH-"),
        ] {
            packets.packet(&packet.packet());
        }
        let row = packets.columns();
        assert_eq!(row.ja4ssh, Some(vec!["c10s4_c1s1_c1s1".to_owned()]));
    }

    #[test]
    fn the_first_request_is_looked_at() {
        let mut first = FirstRequest::default();
        let mut messages = crate::protocols::http::Messages::default();
        let bytes = b"GET / HTTP/1.0\r\n\r\nPOST / HTTP/1.1\r\nA: b\r\n\r\n";
        messages.push(bytes, &mut |part| first.part(&part));
        let ja4h = first.columns().ja4h;
        assert_eq!(
            ja4h.as_deref(),
            Some("ge10nn000000_e3b0c44298fc_000000000000_000000000000")
        );
    }
}
