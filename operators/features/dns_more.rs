//! All messages of a DNS flow: columns of the group `dns` that the reference lacks.
//!
//! Only what somebody asked for is kept. `dns.rs` feeds it and says which response is R.

use super::extractor::Wanted;
use crate::flows::Flow;
use crate::protocols::dns::Message;
use crate::schema::Features;
use crate::statistics::entropy;

/// Further columns of group `dns`, in output order.
#[derive(Default, Features)]
#[features(group = "dns", profile = "JF-EXTRA", source = "RFC 1035, RFC 3597")]
pub struct DnsMore {
    /// Valid messages with QR=0.
    #[column(unit = "count", scope = "flow", null = "not DNS")]
    pub dns_queries: Option<u32>,
    /// Valid messages with QR=1.
    #[column(unit = "count", scope = "flow", null = "not DNS")]
    pub dns_responses: Option<u32>,
    /// Data of the answer records of R in order, at most 32, up to the first unreadable one: A, AAAA as RFC 5952 text; CNAME, NS, PTR,
    /// DNAME as name text; MX "preference name"; SRV "priority weight port name"; TXT each string quoted (" and \ with \, bytes outside
    /// 0x20..0x7e as \DDD) joined by a space; every other type, and data that does not parse, "\# length hex" (RFC 3597).
    #[column(private = "name", scope = "flow", null = "no R")]
    pub dns_answers: Option<Vec<String>>,
    /// Time from the first query to the first response behind it with its identifier (R).
    #[column(
        unit = "s",
        scope = "flow",
        null = "no query, or no response with its identifier behind it"
    )]
    pub dns_rtt: Option<f64>,
    /// Queries without a response behind them that has their identifier; one that is sent again before its response does not count again.
    /// At most 64 wait at a time: a query beyond them counts as unanswered.
    #[column(unit = "count", scope = "flow", null = "not DNS")]
    pub dns_unanswered: Option<u32>,
    /// Length of the longest QNAME among the first questions of all messages: bytes of its labels and the dots between them.
    #[column(unit = "bytes", scope = "flow", null = "not DNS or no question")]
    pub dns_qname_len_max: Option<u16>,
    /// Entropy of the bytes of the labels of dns_query_name (as text, without the dots between) in front of its last two labels, which
    /// usually are the registered domain.
    #[column(
        unit = "bits",
        scope = "flow",
        null = "not DNS, no question or fewer than 3 labels"
    )]
    pub dns_qname_entropy: Option<f64>,
    /// "udp" or "tcp"; "mdns" or "llmnr" where a port is 5353 or 5355. Of what is encrypted: "dot" (RFC 7858) or "doq" (RFC 9250) where a
    /// ClientHello over TCP offers the protocol dot, or one over QUIC doq or a draft of it (ALPN; many clients of servers for dot offer none);
    /// "doh" (RFC 8484) where it offers h2, h3 or http/1.1 to a server that is, or is below, one of the names that likely_doh knows.
    #[column(
        scope = "flow",
        null = "not DNS, and no ClientHello that offers dot or doq, or HTTP to a known resolver"
    )]
    pub dns_transport: Option<&'static str>,
}

impl DnsMore {
    /// Whether somebody wants one of the columns.
    pub fn is_wanted(wanted: &Wanted) -> bool {
        let columns = Self::schema();
        wanted.any(|name| columns.iter().any(|column| column.name == name))
    }
}

/// Answers whose data is kept.
pub const ANSWERS: usize = 32;
/// Identifiers that wait for a response at most.
const WAITING: usize = 64;

/// What is kept of an open record.
#[derive(Default)]
pub struct Messages {
    queries: u32,
    responses: u32,
    waiting: Vec<u16>,
    /// Queries that had no place among those that wait.
    beyond: u32,
    /// When the first query came, and its identifier.
    first: Option<(i64, u16)>,
    rtt: Option<i64>,
    longest: Option<u16>,
}

impl Messages {
    /// Takes a message that is whole at this time, ns since 1970.
    pub fn take(&mut self, message: &Message<'_>, time: i64) {
        if let Some(question) = &message.question {
            self.longest = self.longest.max(Some(question.length()));
        }
        let id = message.id;
        if message.is_response() {
            self.responses = self.responses.saturating_add(1);
            self.waiting.retain(|waiting| *waiting != id);
            if let Some((start, _)) = self.first.filter(|(_, first)| *first == id) {
                self.rtt.get_or_insert(time.saturating_sub(start));
            }
            return;
        }
        self.queries = self.queries.saturating_add(1);
        self.first.get_or_insert((time, id));
        if self.waiting.contains(&id) {
            return;
        }
        if self.waiting.len() < WAITING {
            self.waiting.push(id);
        } else {
            self.beyond = self.beyond.saturating_add(1);
        }
    }

    /// The columns of a flow whose first question has this name, and R these answers.
    pub fn columns(&self, flow: &Flow, name: Option<&str>, answers: Option<&[String]>) -> DnsMore {
        let has = |port: u16| flow.ports.contains(&port);
        DnsMore {
            dns_queries: Some(self.queries),
            dns_responses: Some(self.responses),
            dns_answers: answers.map(<[String]>::to_vec),
            dns_rtt: self.rtt.map(|rtt| rtt as f64 / 1e9),
            dns_unanswered: Some(self.beyond.saturating_add(self.waiting.len() as u32)),
            dns_qname_len_max: self.longest,
            dns_qname_entropy: name.and_then(name_entropy),
            dns_transport: Some(match flow.is_tcp() {
                _ if has(5353) => "mdns",
                _ if has(5355) => "llmnr",
                true => "tcp",
                false => "udp",
            }),
        }
    }

    /// Heap bytes held.
    pub fn heap_bytes(&self) -> usize {
        self.waiting.capacity() * size_of::<u16>()
    }
}

/// Entropy of the bytes in front of the last two labels of a name; a dot that belongs to a label has a `\` before it.
fn name_entropy(name: &str) -> Option<f64> {
    let mut labels = vec![String::new()];
    let mut characters = name.chars();
    while let Some(character) = characters.next() {
        match character {
            '.' => labels.push(String::new()),
            character => {
                let escaped = (character == '\\').then(|| characters.next()).flatten();
                if let Some(label) = labels.last_mut() {
                    label.push(character);
                    label.extend(escaped);
                }
            }
        }
    }
    let kept = labels.len().checked_sub(2)?;
    let mut counts = [0; 256];
    for byte in labels.iter().take(kept).flat_map(|label| label.bytes()) {
        counts[usize::from(byte)] += 1;
    }
    entropy(&counts)
}

#[cfg(test)]
mod tests {
    use super::super::testing::Packets;
    use super::*;

    fn message(id: u8, flags: u8, name: &[u8]) -> Vec<u8> {
        let head = [0, id, flags, 0, 0, 1, 0, 0, 0, 0, 0, 0];
        [&head[..], name, &[0, 0, 1, 0, 1]].concat()
    }

    fn row(messages: &[(i64, Vec<u8>)]) -> DnsMore {
        let mut kept = Messages::default();
        for (time, bytes) in messages {
            kept.take(&Message::read(bytes).expect("DNS"), *time);
        }
        kept.columns(&Packets::udp().flow, Some("a.b.example.com"), None)
    }

    #[test]
    fn queries_wait_for_their_responses() {
        let row = row(&[
            (0, message(9, 0x80, b"\x01a")),
            (1_000_000_000, message(1, 0, b"\x03a.b\x01c")),
            (1_200_000_000, message(1, 0, b"\x01a")),
            (1_300_000_000, message(2, 0, b"\x01a")),
            (1_500_000_000, message(1, 0x80, b"\x01a")),
            (1_900_000_000, message(1, 0x80, b"\x01a")),
        ]);
        assert_eq!((row.dns_queries, row.dns_responses), (Some(3), Some(3)));
        assert_eq!((row.dns_rtt, row.dns_unanswered), (Some(0.5), Some(1)));
        assert_eq!(row.dns_qname_len_max, Some(5));
        assert_eq!(
            (row.dns_qname_entropy, row.dns_transport),
            (Some(1.0), Some("udp"))
        );
    }

    #[test]
    fn no_more_than_64_wait() {
        let queries: Vec<_> = (0..100).map(|id| (0, message(id, 0, b"\x01a"))).collect();
        assert_eq!(row(&queries).dns_unanswered, Some(100));
        let answers = (0..100).map(|id| (0, message(id, 0x80, b"\x01a")));
        let all: Vec<_> = queries.iter().cloned().chain(answers).collect();
        assert_eq!(row(&all).dns_unanswered, Some(36));
    }

    #[test]
    fn entropy_of_what_is_before_the_domain() {
        assert_eq!(name_entropy("example.com"), None);
        assert_eq!(name_entropy("aaaa.example.com"), Some(0.0));
        assert_eq!(name_entropy("ab.cd.example.com"), Some(2.0));
        // a dot that belongs to the label
        assert_eq!(name_entropy(r"a\.b.com"), None);
        assert_eq!(name_entropy("com"), None);
    }
}
