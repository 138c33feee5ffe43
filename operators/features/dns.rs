//! The first question of a flow and its answer (RFC 1035), over UDP, TCP and multicast (RFC 6762, RFC 4795).
//!
//! Of records only how many there are, their TTLs and the response code; `dns_more` has their data.

use super::dns_more::{ANSWERS, DnsMore, Messages};
use super::extractor::{Extractor, Needs, NoOptions, Wanted};
use super::fingerprint::is_resolver;
use crate::flows::Flow;
use crate::packet::{Direction, Packet};
use crate::protocols::tls::{self, ClientHello};
use crate::protocols::{Message, Protocols, dns, quic};
use crate::schema::Features;
use std::borrow::Cow;

/// Columns of group `dns`, in output order. A message is valid if its header and all questions can be read (compression pointers
/// strictly backward) and there is a question, a readable record, or it is a response with neither. R is the first response with
/// the identifier of the first query; if the flow has no query, the first response.
#[derive(Features)]
#[features(profile = "JJ-EXTENDED", source = "RFC 1035, RFC 6891")]
pub struct Dns {
    /// A valid DNS message was seen: UDP payload, or TCP message with length prefix; a port is one of `dns_ports`. Valid: header and
    /// all questions parse (compression pointers strictly backward), and there is a question, a readable record, or it is a
    /// response with all counts 0.
    #[column(scope = "flow", differs = "first-message")]
    pub dns_detected: bool,
    /// QNAME of the first question of the first query (if the flow has no query: of the first response), lower-cased, no final dot,
    /// root "."; "." and "\" in a label with "\", bytes outside 0x21..0x7e as \DDD (RFC 4343).
    #[column(
        private = "name",
        scope = "flow",
        null = "not DNS or no question",
        differs = "name-case"
    )]
    pub dns_query_name: Option<String>,
    /// QTYPE of that question.
    #[column(
        scope = "flow",
        null = "not DNS or no question",
        differs = "first-message"
    )]
    pub dns_query_type: Option<u16>,
    /// Mnemonic of QTYPE, else `TYPE<n>`.
    #[column(
        scope = "flow",
        null = "not DNS or no question",
        differs = "first-message"
    )]
    pub dns_query_type_str: Option<Cow<'static, str>>,
    /// RCODE, with the EDNS upper bits (RFC 6891), of R: the first response with the id of the first query; if the flow has no query,
    /// the first response.
    #[column(
        scope = "flow",
        null = "no R",
        default = "-1",
        differs = "first-message"
    )]
    pub dns_response_code: Option<i16>,
    /// Mnemonic of that RCODE, else `RCODE<n>`.
    #[column(scope = "flow", null = "no R", differs = "first-message")]
    pub dns_response_code_str: Option<Cow<'static, str>>,
    /// ANCOUNT of R (of the first query if there is no R).
    #[column(
        unit = "count",
        scope = "flow",
        null = "not DNS",
        differs = "first-message"
    )]
    pub dns_answer_count: Option<u16>,
    /// NSCOUNT of R.
    #[column(
        unit = "count",
        scope = "flow",
        null = "no R",
        differs = "first-message"
    )]
    pub dns_authority_count: Option<u16>,
    /// ARCOUNT of R (OPT included).
    #[column(
        unit = "count",
        scope = "flow",
        null = "no R",
        differs = "first-message"
    )]
    pub dns_additional_count: Option<u16>,
    /// Smallest TTL over the answer records of R (those before the first unreadable one).
    #[column(
        unit = "s",
        scope = "flow",
        null = "no answer record",
        differs = "first-message"
    )]
    pub dns_min_ttl: Option<u32>,
    /// Largest TTL over the answer records of R.
    #[column(
        unit = "s",
        scope = "flow",
        null = "no answer record",
        differs = "first-message"
    )]
    pub dns_max_ttl: Option<u32>,
    /// A query (QR=0) was seen.
    #[column(scope = "flow", null = "not DNS", differs = "first-message")]
    pub dns_is_query: Option<bool>,
    /// A response (QR=1) was seen.
    #[column(scope = "flow", null = "not DNS", differs = "first-message")]
    pub dns_is_response: Option<bool>,
    /// TC set in any response.
    #[column(scope = "flow", null = "not DNS", differs = "first-message")]
    pub dns_truncated: Option<bool>,
    /// RD of the first query.
    #[column(scope = "flow", null = "no query", differs = "first-message")]
    pub dns_recursion_desired: Option<bool>,
    /// RA of R.
    #[column(scope = "flow", null = "no R", differs = "first-message")]
    pub dns_recursion_available: Option<bool>,
    #[part]
    pub more: DnsMore,
}

/// Responses kept that come before the first query, one an identifier: more than an honest flow has.
const EARLY: usize = 16;

/// What is kept of an open record: nothing before its first message.
#[derive(Default)]
pub struct State(Option<Box<Facts>>);

#[derive(Clone, Copy)]
enum Encrypted {
    Tls,
    Quic,
    Https,
}

impl Encrypted {
    /// By the protocols that a client offers (ALPN), and for HTTP by the name of the server that it wants.
    fn of(message: &Message<'_>) -> Option<Self> {
        let offers =
            |hello: &ClientHello<'_>, is: fn(&[u8]) -> bool| hello.extensions.protocols().any(is);
        let (hello, own) = match message {
            Message::Tls(tls::Message::ClientHello(hello)) => {
                let is_own = offers(hello, |name| name == b"dot");
                (hello, is_own.then_some(Self::Tls))
            }
            Message::Quic(quic::Message::ClientHello(hello)) => {
                // the drafts had numbers behind it
                let is_quic = |name: &[u8]| name == b"doq" || name.starts_with(b"doq-i");
                (hello, offers(hello, is_quic).then_some(Self::Quic))
            }
            _ => return None,
        };
        let is_http = |name: &[u8]| matches!(name, b"h2" | b"h3" | b"http/1.1");
        own.or_else(|| (is_resolver(hello) && offers(hello, is_http)).then_some(Self::Https))
    }

    fn name(self) -> &'static str {
        match self {
            Self::Tls => "dot",
            Self::Quic => "doq",
            Self::Https => "doh",
        }
    }
}

#[derive(Default)]
struct Facts {
    /// DNS inside of TLS or QUIC: nothing else is known of it.
    encrypted: Option<Encrypted>,
    query: Option<Query>,
    /// The first question of the first query, else of the first response.
    question: Option<(String, u16)>,
    /// The first response of each identifier before the first query; behind it only R.
    responses: Vec<Response>,
    is_truncated: bool,
    has_response: bool,
    /// If a column wants them.
    all: Option<Box<Messages>>,
}

struct Query {
    id: u16,
    answers: u16,
    recursion_desired: bool,
}

struct Response {
    id: u16,
    code: u16,
    /// Answers, authority and additional records.
    counts: [u16; 3],
    ttl: Option<(u32, u32)>,
    recursion_available: bool,
    /// The data of the answers, if a column wants it.
    answers: Option<Box<[String]>>,
}

impl Facts {
    fn message(&mut self, message: &dns::Message<'_>, time: i64, plan: &Plan) {
        if plan.all {
            self.all.get_or_insert_default().take(message, time);
        }
        let question = || {
            let question = message.question.as_ref()?;
            let name = plan.name.then(|| question.name());
            Some((name.unwrap_or_default(), question.kind))
        };
        let id = message.id;
        if !message.is_response() {
            if self.query.is_none() {
                self.question = question();
                self.responses.retain(|response| response.id == id);
                self.query = Some(Query {
                    id,
                    answers: message.counts[1],
                    recursion_desired: message.recursion_desired(),
                });
            }
            return;
        }
        self.is_truncated |= message.is_truncated();
        if self.query.is_none() && !self.has_response {
            self.question = question();
        }
        self.has_response = true;
        let is_known = self.responses.iter().any(|response| response.id == id);
        let is_wanted = self.query.as_ref().is_none_or(|query| query.id == id);
        if is_wanted && !is_known && self.responses.len() < EARLY {
            let records = message.records();
            let [_, answers, authorities, additionals] = message.counts;
            self.responses.push(Response {
                id,
                code: message.code(&records),
                counts: [answers, authorities, additionals],
                ttl: records.ttl,
                recursion_available: message.recursion_available(),
                answers: (plan.answers).then(|| message.answers().take(ANSWERS).collect()),
            });
        }
    }
}

/// What the plan fixes.
pub struct Plan {
    /// Whether somebody wants the name, the only part that is allocated.
    name: bool,
    /// Whether somebody wants a column of all messages, and the data of answers.
    all: bool,
    answers: bool,
    /// Whether somebody wants to know of DNS that is encrypted.
    transport: bool,
}

impl Extractor for State {
    type Features = Dns;
    type Options = NoOptions;
    type Plan = Plan;

    fn needs(plan: &Plan) -> Needs {
        let encrypted = Protocols::TLS.union(Protocols::QUIC);
        Needs::messages(match plan.transport {
            true => Protocols::DNS.union(encrypted),
            false => Protocols::DNS,
        })
    }

    fn plan(_: &NoOptions, wanted: &Wanted) -> Plan {
        Plan {
            name: wanted.any(|name| ["dns_query_name", "dns_qname_entropy"].contains(&name)),
            all: DnsMore::is_wanted(wanted),
            answers: wanted.any(|name| name == "dns_answers"),
            transport: wanted.any(|name| name == "dns_transport"),
        }
    }

    fn packet(&mut self, _: &Packet<'_>, _: &Flow, _: &Plan) {}

    fn message(&mut self, message: &Message<'_>, _: Direction, time: i64, plan: &Plan) {
        if let Message::Dns(message) = message {
            self.0.get_or_insert_default().message(message, time, plan);
        } else if plan.transport
            && let Some(encrypted) = Encrypted::of(message)
        {
            let facts = self.0.get_or_insert_default();
            facts.encrypted.get_or_insert(encrypted);
        }
    }

    fn finish(&self, flow: &Flow, _: &Plan) -> Dns {
        let encrypted = self.0.as_deref().and_then(|facts| facts.encrypted);
        let facts = (self.0.as_deref()).filter(|facts| facts.query.is_some() || facts.has_response);
        let query = facts.and_then(|facts| facts.query.as_ref());
        let question = facts.and_then(|facts| facts.question.as_ref());
        let response = facts.and_then(|facts| facts.responses.first());
        let kind = question.map(|(_, kind)| *kind);
        let code = response.map(|response| response.code);
        let answers = response.map(|response| response.counts[0]);
        let all = facts.and_then(|facts| facts.all.as_deref());
        let name = question.map(|(name, _)| name.as_str());
        let data = response.and_then(|response| response.answers.as_deref());
        let text = |known: Option<&'static str>, prefix: &str, number: u16| match known {
            Some(name) => Cow::Borrowed(name),
            None => Cow::Owned(format!("{prefix}{number}")),
        };
        Dns {
            dns_detected: facts.is_some(),
            dns_query_name: question.map(|(name, _)| name.clone()),
            dns_query_type: kind,
            dns_query_type_str: kind.map(|kind| text(dns::type_name(kind), "TYPE", kind)),
            // 12 bits
            dns_response_code: code.map(u16::cast_signed),
            dns_response_code_str: code.map(|code| text(dns::code_name(code), "RCODE", code)),
            dns_answer_count: answers.or_else(|| query.map(|query| query.answers)),
            dns_authority_count: response.map(|response| response.counts[1]),
            dns_additional_count: response.map(|response| response.counts[2]),
            dns_min_ttl: response.and_then(|response| Some(response.ttl?.0)),
            dns_max_ttl: response.and_then(|response| Some(response.ttl?.1)),
            dns_is_query: facts.map(|facts| facts.query.is_some()),
            dns_is_response: facts.map(|facts| facts.has_response),
            dns_truncated: facts.map(|facts| facts.is_truncated),
            dns_recursion_desired: query.map(|query| query.recursion_desired),
            dns_recursion_available: response.map(|response| response.recursion_available),
            more: match all {
                Some(all) => all.columns(flow, name, data),
                None => DnsMore {
                    dns_transport: encrypted.map(Encrypted::name),
                    ..DnsMore::default()
                },
            },
        }
    }

    fn heap_bytes(&self) -> usize {
        self.0.as_deref().map_or(0, |facts| {
            let name = facts
                .question
                .as_ref()
                .map_or(0, |(name, _)| name.capacity());
            let answers = facts
                .responses
                .iter()
                .flat_map(|one| one.answers.as_deref());
            let answers = answers
                .flatten()
                .map(|text| size_of::<String>() + text.capacity());
            let all = facts.all.as_deref();
            let all = all.map_or(0, |all| size_of_val(all) + all.heap_bytes());
            let responses = facts.responses.capacity() * size_of::<Response>();
            size_of::<Facts>() + name + responses + answers.sum::<usize>() + all
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes(id: u8, flags: u16, counts: [u8; 4], rest: &[u8]) -> Vec<u8> {
        let mut bytes = vec![0, id];
        bytes.extend(flags.to_be_bytes());
        bytes.extend(counts.iter().flat_map(|count| [0, *count]));
        bytes.extend(rest);
        bytes
    }

    fn row(messages: &[Vec<u8>]) -> Dns {
        let plan = Plan {
            name: true,
            all: true,
            answers: true,
            transport: true,
        };
        let mut facts = Facts::default();
        for (bytes, time) in messages.iter().zip((0..).step_by(500_000_000)) {
            facts.message(&dns::Message::read(bytes).expect("DNS"), time, &plan);
        }
        let flow = super::super::testing::Packets::udp().flow;
        State(Some(Box::new(facts))).finish(&flow, &plan)
    }

    /// The transport of a flow whose client offers these protocols to a server of this name.
    fn transport(offers: &[&[u8]], is_quic: bool, name: &[u8]) -> Option<&'static str> {
        let names: Vec<u8> = offers
            .iter()
            .flat_map(|name| [&[name.len() as u8], *name].concat())
            .collect();
        let count = name.len() as u8;
        let block = [
            &[0, 0, 0, count + 5, 0, count + 3, 0, 0, count][..],
            name,
            &[0, 16, 0, names.len() as u8 + 2, 0, names.len() as u8][..],
            &names,
        ]
        .concat();
        let start = [&[3, 3][..], &[7; 32], &[0, 0, 2, 0x13, 1, 1, 0, 0]].concat();
        let body = [&start[..], &[block.len() as u8], &block].concat();
        let hello = ClientHello::read(&body).expect("a hello");
        let wanted = Plan {
            name: false,
            all: true,
            answers: false,
            transport: true,
        };
        let message = match is_quic {
            true => Message::Quic(quic::Message::ClientHello(hello)),
            false => Message::Tls(tls::Message::ClientHello(hello)),
        };
        let mut state = State::default();
        state.message(&message, Direction::Forward, 0, &wanted);
        let row = state.finish(&super::super::testing::Packets::tcp().flow, &wanted);
        assert!(!row.dns_detected);
        row.more.dns_transport
    }

    #[test]
    fn what_is_encrypted_is_known_by_its_protocol() {
        let other = b"a.example";
        assert_eq!(transport(&[b"h2", b"dot"], false, other), Some("dot"));
        assert_eq!(transport(&[b"doq"], true, other), Some("doq"));
        assert_eq!(transport(&[b"doq-i00"], true, other), Some("doq"));
        // each where it belongs
        assert_eq!(transport(&[b"doq", b"h2"], false, other), None);
        assert_eq!(transport(&[b"dot"], true, other), None);
        let resolver = b"mozilla.cloudflare-dns.com";
        assert_eq!(transport(&[b"h2"], false, resolver), Some("doh"));
        assert_eq!(transport(&[b"h3"], true, resolver), Some("doh"));
        assert_eq!(transport(&[b"http/1.1"], false, b"dns.google"), Some("doh"));
        assert_eq!(transport(&[b"dot", b"h2"], false, resolver), Some("dot"));
        assert_eq!(transport(&[b"smtp"], false, resolver), None);
        assert_eq!(transport(&[b"h2"], false, b"notdns.google"), None);
    }

    const A: &[u8] = b"\x01a\x00\x00\x01\x00\x01";
    const B: &[u8] = b"\x01b\x00\x00\x1c\x00\x01";
    const ANSWER: &[u8] = b"\xc0\x0c\x00\x01\x00\x01\x00\x00\x00\x3c\x00\x04\xc0\x00\x02\x01";

    #[test]
    fn the_answer_is_that_of_the_first_query() {
        let other = bytes(2, 0x8583, [1, 0, 0, 0], B);
        let query = bytes(1, 0x0100, [1, 0, 0, 0], A);
        let answer = bytes(1, 0x8180, [1, 1, 0, 0], &[A, ANSWER].concat());
        let row = row(&[other, query, answer.clone(), answer]);
        assert_eq!(row.dns_query_name.as_deref(), Some("a"));
        assert_eq!(row.dns_query_type_str.as_deref(), Some("A"));
        assert_eq!(row.dns_response_code_str.as_deref(), Some("NOERROR"));
        assert_eq!((row.dns_answer_count, row.dns_max_ttl), (Some(1), Some(60)));
        assert_eq!(
            (row.dns_is_query, row.dns_is_response),
            (Some(true), Some(true))
        );
        assert_eq!(row.dns_recursion_desired, Some(true));
        assert_eq!(row.dns_recursion_available, Some(true));
    }

    #[test]
    fn one_side_alone() {
        let query = row(&[bytes(1, 0, [1, 0, 0, 0], A)]);
        assert_eq!(
            (query.dns_response_code, query.dns_answer_count),
            (None, Some(0))
        );
        assert_eq!(query.dns_recursion_desired, Some(false));
        let first = bytes(2, 0x8203, [1, 0, 0, 0], B);
        let responses = row(&[first, bytes(1, 0x8180, [1, 0, 0, 0], A)]);
        assert_eq!(responses.dns_query_name.as_deref(), Some("b"));
        assert_eq!(
            (responses.dns_response_code, responses.dns_query_type),
            (Some(3), Some(28))
        );
        assert_eq!(responses.dns_truncated, Some(true));
        assert_eq!(responses.dns_recursion_desired, None);
    }
}
