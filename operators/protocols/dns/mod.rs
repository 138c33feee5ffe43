//! DNS messages (RFC 1035, 2181, 4343, 6891), over datagrams and over TCP.
//!
//! Names are checked when a message is read and written out only where somebody wants their text; so is the data of answers.

mod answers;

use super::joiner::{Joiner, Length};
use super::reader::Reader;
use std::fmt::Write;

/// Type of the record that extends the header (RFC 6891).
const OPT: u16 = 41;
/// Bytes of a name on the wire at most (RFC 1035 section 2.3.4).
const NAME: usize = 255;
/// Pointers of a name at most: as many as it can have labels. Without a limit a message of pointers to pointers costs the square
/// of its length.
const POINTERS: u32 = 127;

/// A message whose header and questions can be read.
#[derive(Clone, Copy, Debug)]
pub struct Message<'a> {
    bytes: &'a [u8],
    /// Identifier.
    pub id: u16,
    flags: u16,
    /// Announced questions, answers, authority and additional records.
    pub counts: [u16; 4],
    /// The first question.
    pub question: Option<Question<'a>>,
    /// Where the records start.
    records: usize,
}

/// What is asked for.
#[derive(Clone, Copy, Debug)]
pub struct Question<'a> {
    message: &'a [u8],
    at: usize,
    /// QTYPE.
    pub kind: u16,
}

/// What the records of a message say.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Records {
    /// Smallest and largest TTL of the answers, s.
    pub ttl: Option<(u32, u32)>,
    /// Upper bits of the response code, from the first OPT record.
    extended: u16,
}

/// A record.
struct Record<'a> {
    kind: u16,
    ttl: u32,
    /// Its data, and where in the message that starts.
    data: &'a [u8],
    data_at: usize,
}

impl<'a> Message<'a> {
    /// Reads a message. `None` where the header or a question cannot be read, and where nothing says that this is DNS: there must
    /// be a question, a readable record, or it is a response with none of either.
    pub fn read(bytes: &'a [u8]) -> Option<Self> {
        let mut reader = Reader::new(bytes);
        let (id, flags) = (reader.u16()?, reader.u16()?);
        let mut counts = [0; 4];
        for count in &mut counts {
            *count = reader.u16()?;
        }
        let mut message = Self {
            bytes,
            id,
            flags,
            counts,
            question: None,
            records: reader.read_of(bytes),
        };
        let [questions, ..] = counts;
        for _ in 0..questions {
            let at = message.records;
            let behind = name(bytes, at, |_| {})?;
            let kind = Reader::new(bytes.get(behind..)?).u16()?;
            message.question.get_or_insert(Question {
                message: bytes,
                at,
                kind,
            });
            message.records = behind.checked_add(4).filter(|end| *end <= bytes.len())?;
        }
        let empty = message.is_response() && counts == [0; 4];
        let is_dns = empty || questions > 0 || message.record(message.records).is_some();
        is_dns.then_some(message)
    }

    /// QR.
    pub const fn is_response(&self) -> bool {
        self.flags & 0x8000 != 0
    }

    /// TC.
    pub const fn is_truncated(&self) -> bool {
        self.flags & 0x0200 != 0
    }

    /// RD.
    pub const fn recursion_desired(&self) -> bool {
        self.flags & 0x0100 != 0
    }

    /// RA.
    pub const fn recursion_available(&self) -> bool {
        self.flags & 0x0080 != 0
    }

    /// RCODE, with the upper bits of the OPT record.
    pub const fn code(&self, records: &Records) -> u16 {
        records.extended << 4 | self.flags & 15
    }

    /// Reads the records, up to the first one that cannot be read.
    pub fn records(&self) -> Records {
        let [_, sections @ ..] = self.counts;
        let mut found = Records::default();
        let (mut at, mut has_opt) = (self.records, false);
        for (section, count) in sections.into_iter().enumerate() {
            for _ in 0..count {
                let Some((record, behind)) = self.record(at) else {
                    return found;
                };
                at = behind;
                if section == 0 {
                    let (low, high) = found.ttl.unwrap_or((record.ttl, record.ttl));
                    found.ttl = Some((low.min(record.ttl), high.max(record.ttl)));
                } else if section == 2 && record.kind == OPT && !has_opt {
                    has_opt = true;
                    let [extended, ..] = record.ttl.to_be_bytes();
                    found.extended = extended.into();
                }
            }
        }
        found
    }

    /// The record at `at`, and where the next one starts.
    fn record(&self, at: usize) -> Option<(Record<'a>, usize)> {
        let behind = name(self.bytes, at, |_| {})?;
        let mut reader = Reader::new(self.bytes.get(behind..)?);
        let (kind, _class, ttl) = (reader.u16()?, reader.u16()?, reader.u32()?);
        let length = reader.u16()?;
        let data_at = reader.read_of(self.bytes);
        let data = reader.take(length.into())?;
        let record = Record {
            kind,
            ttl,
            data,
            data_at,
        };
        Some((record, reader.read_of(self.bytes)))
    }
}

impl Question<'_> {
    /// Bytes of the labels of QNAME and of the dots between them.
    pub fn length(&self) -> u16 {
        let mut length = 0_u16;
        name(self.message, self.at, |label| {
            // a label has 63 bytes at most, a name 255
            let bytes = u16::try_from(label.len()).unwrap_or(u16::MAX);
            let dot = u16::from(length > 0);
            length = length.saturating_add(bytes).saturating_add(dot);
        });
        length
    }

    /// QNAME in lower case without the final dot, the root as `.`; `.` and `\` in a label with `\`, bytes that are not visible
    /// ASCII as `\DDD` (RFC 4343).
    pub fn name(&self) -> String {
        let mut text = String::new();
        self.write_name(&mut text);
        text
    }

    /// Adds [`Question::name`] to a text.
    pub fn write_name(&self, text: &mut String) {
        let start = text.len();
        name(self.message, self.at, |label| {
            write_label(text, start, label);
        });
        if text.len() == start {
            text.push('.');
        }
    }
}

/// Adds a label to the name that starts at `start` of a text.
fn write_label(text: &mut String, start: usize, label: &[u8]) {
    if text.len() > start {
        text.push('.');
    }
    for byte in label {
        match byte {
            b'.' | b'\\' => text.extend(['\\', char::from(*byte)]),
            0x21..=0x7e => text.push(char::from(byte.to_ascii_lowercase())),
            _ => {
                let _ = write!(text, "\\{byte:03}");
            }
        }
    }
}

/// Walks the labels of the name at `at`; where it ends. A pointer must point to before the name, and before the place that the
/// pointer before it led to.
fn name<'a>(message: &'a [u8], mut at: usize, mut label: impl FnMut(&'a [u8])) -> Option<usize> {
    let (mut limit, mut behind) = (at, None);
    let (mut length, mut pointers) = (1_usize, 0_u32);
    loop {
        let mut reader = Reader::new(message.get(at..)?);
        match reader.u8()? {
            0 => return behind.or(at.checked_add(1)),
            first if first & 0xC0 == 0xC0 => {
                let target = usize::from(first & 0x3F) << 8 | usize::from(reader.u8()?);
                behind = behind.or(at.checked_add(2));
                if target >= limit || pointers == POINTERS {
                    return None;
                }
                pointers = pointers.saturating_add(1);
                (at, limit) = (target, target);
            }
            first if first & 0xC0 != 0 => return None,
            first => {
                let taken = reader.take(first.into())?;
                let label_length = taken.len().saturating_add(1);
                length = label_length.saturating_add(length);
                if length > NAME {
                    return None;
                }
                label(taken);
                at = at.checked_add(label_length)?;
            }
        }
    }
}

/// One direction of a TCP connection (RFC 7766): messages behind a length of two bytes. Ends at the first that is not DNS.
#[derive(Debug, Default)]
pub struct Side(Joiner);

impl Side {
    /// Takes the next bytes and hands on each message that is whole now; false = this is not DNS.
    pub fn push(&mut self, bytes: &[u8], mut tell: impl FnMut(&Message<'_>)) -> bool {
        let length = |bytes: &[u8], _: usize| match Reader::new(bytes).u16() {
            Some(length) => Length::Known(usize::from(length).saturating_add(2)),
            None => Length::Unknown,
        };
        self.0.push(bytes, length, |framed| {
            let message = framed.get(2..).and_then(Message::read);
            message.inspect(&mut tell).is_some()
        })
    }

    /// Heap bytes held.
    pub fn heap_bytes(&self) -> usize {
        self.0.heap_bytes()
    }
}

/// Mnemonic of a record type (IANA, Domain Name System Parameters).
pub const fn type_name(kind: u16) -> Option<&'static str> {
    Some(match kind {
        1 => "A",
        2 => "NS",
        3 => "MD",
        4 => "MF",
        5 => "CNAME",
        6 => "SOA",
        7 => "MB",
        8 => "MG",
        9 => "MR",
        10 => "NULL",
        11 => "WKS",
        12 => "PTR",
        13 => "HINFO",
        14 => "MINFO",
        15 => "MX",
        16 => "TXT",
        17 => "RP",
        18 => "AFSDB",
        19 => "X25",
        20 => "ISDN",
        21 => "RT",
        22 => "NSAP",
        23 => "NSAP-PTR",
        24 => "SIG",
        25 => "KEY",
        26 => "PX",
        27 => "GPOS",
        28 => "AAAA",
        29 => "LOC",
        30 => "NXT",
        31 => "EID",
        32 => "NIMLOC",
        33 => "SRV",
        34 => "ATMA",
        35 => "NAPTR",
        36 => "KX",
        37 => "CERT",
        38 => "A6",
        39 => "DNAME",
        40 => "SINK",
        41 => "OPT",
        42 => "APL",
        43 => "DS",
        44 => "SSHFP",
        45 => "IPSECKEY",
        46 => "RRSIG",
        47 => "NSEC",
        48 => "DNSKEY",
        49 => "DHCID",
        50 => "NSEC3",
        51 => "NSEC3PARAM",
        52 => "TLSA",
        53 => "SMIMEA",
        55 => "HIP",
        56 => "NINFO",
        57 => "RKEY",
        58 => "TALINK",
        59 => "CDS",
        60 => "CDNSKEY",
        61 => "OPENPGPKEY",
        62 => "CSYNC",
        63 => "ZONEMD",
        64 => "SVCB",
        65 => "HTTPS",
        99 => "SPF",
        100 => "UINFO",
        101 => "UID",
        102 => "GID",
        103 => "UNSPEC",
        104 => "NID",
        105 => "L32",
        106 => "L64",
        107 => "LP",
        108 => "EUI48",
        109 => "EUI64",
        249 => "TKEY",
        250 => "TSIG",
        251 => "IXFR",
        252 => "AXFR",
        253 => "MAILB",
        254 => "MAILA",
        255 => "ANY",
        256 => "URI",
        257 => "CAA",
        258 => "AVC",
        259 => "DOA",
        260 => "AMTRELAY",
        32768 => "TA",
        32769 => "DLV",
        _ => return None,
    })
}

/// Mnemonic of a response code (IANA, Domain Name System Parameters).
pub const fn code_name(code: u16) -> Option<&'static str> {
    Some(match code {
        0 => "NOERROR",
        1 => "FORMERR",
        2 => "SERVFAIL",
        3 => "NXDOMAIN",
        4 => "NOTIMP",
        5 => "REFUSED",
        6 => "YXDOMAIN",
        7 => "YXRRSET",
        8 => "NXRRSET",
        9 => "NOTAUTH",
        10 => "NOTZONE",
        11 => "DSOTYPENI",
        16 => "BADVERS",
        17 => "BADKEY",
        18 => "BADTIME",
        19 => "BADMODE",
        20 => "BADNAME",
        21 => "BADALG",
        22 => "BADTRUNC",
        23 => "BADCOOKIE",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Id 1234, flags and counts, then the rest.
    fn message(flags: u16, counts: [u16; 4], rest: &[u8]) -> Vec<u8> {
        let mut bytes = vec![0x12, 0x34];
        bytes.extend(flags.to_be_bytes());
        bytes.extend(counts.iter().flat_map(|count| count.to_be_bytes()));
        bytes.extend(rest);
        bytes
    }

    const QUESTION: &[u8] = b"\x03wWw\x07EXAMPLE\x00\x00\x01\x00\x01";
    const ANSWER: &[u8] = b"\xc0\x0c\x00\x01\x00\x01\x00\x00\x00\x3c\x00\x04\xc0\x00\x02\x01";

    fn asked(rest: &[u8]) -> Option<String> {
        let bytes = message(0x0100, [1, 0, 0, 0], rest);
        Some(Message::read(&bytes)?.question?.name())
    }

    #[test]
    fn a_query_and_its_answer() {
        let bytes = message(0x0100, [1, 0, 0, 0], QUESTION);
        let query = Message::read(&bytes).expect("a query");
        assert!(!query.is_response() && query.recursion_desired());
        let question = query.question.expect("a question");
        assert_eq!(
            (question.name().as_str(), question.kind),
            ("www.example", 1)
        );

        let opt = b"\x00\x00\x29\x10\x00\x01\x00\x00\x00\x00\x00";
        let rest = [QUESTION, ANSWER, opt].concat();
        let bytes = message(0x8183, [1, 1, 0, 1], &rest);
        let response = Message::read(&bytes).expect("a response");
        assert!(response.is_response() && response.recursion_available());
        let records = response.records();
        assert_eq!((records.ttl, response.code(&records)), (Some((60, 60)), 19));
        assert_eq!(
            (type_name(65), code_name(19)),
            (Some("HTTPS"), Some("BADMODE"))
        );
    }

    #[test]
    fn records_end_at_the_first_that_is_cut() {
        let rest = [QUESTION, ANSWER, &ANSWER[..10]].concat();
        let bytes = message(0x8180, [1, 2, 0, 0], &rest);
        let response = Message::read(&bytes).expect("the question is enough");
        assert_eq!(response.records().ttl, Some((60, 60)));
        let bytes = message(0x8180, [0, 1, 0, 0], b"\x01");
        assert!(Message::read(&bytes).is_none(), "no question, no record");
        let bytes = message(0x8180, [0; 4], b"");
        assert!(Message::read(&bytes).is_some(), "a response without either");
        let bytes = message(0x0100, [0; 4], b"");
        assert!(Message::read(&bytes).is_none(), "a query without question");
    }

    #[test]
    fn names() {
        assert_eq!(asked(b"\x00\x00\x01\x00\x01").as_deref(), Some("."));
        assert_eq!(
            asked(b"\x03a.b\x02\xff\\\x03c d\x00\x00\x01\x00\x01").as_deref(),
            Some(r"a\.b.\255\\.c\032d")
        );
        assert_eq!(asked(b"\xc0\x0c\x00\x01\x00\x01"), None, "points to itself");
        assert_eq!(
            asked(b"\xc0\x12\x00\x01\x00\x01\x00"),
            None,
            "points forward"
        );
        assert_eq!(asked(b"\x40a\x00\x00\x01\x00\x01"), None, "no such label");
        let long = [&b"\x3f"[..], &[b'x'; 63]].concat().repeat(4);
        assert_eq!(asked(&[&long, &b"\x00\x00\x01\x00\x01"[..]].concat()), None);
    }

    #[test]
    fn a_stream_of_messages_ends_at_the_first_that_is_none() {
        let query = message(0x0100, [1, 0, 0, 0], QUESTION);
        let framed = [&(query.len() as u16).to_be_bytes()[..], &query].concat();
        for size in 1..framed.len() {
            let (mut side, mut seen) = (Side::default(), 0);
            for piece in framed.repeat(2).chunks(size) {
                assert!(side.push(piece, |_| seen += 1));
            }
            assert_eq!(seen, 2, "pieces of {size}");
            assert!(!side.push(b"\x00\x01\xff", |_| seen += 1));
        }
    }
}
