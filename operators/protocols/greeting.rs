//! Protocols that are told by how they begin, and of which nothing more is read: FTP, IMAP, MQTT, POP3, RDP, SIP, SMB, SMTP and Telnet
//! over TCP, NTP, SIP and STUN over UDP.
//!
//! What both ends say first decides, or what one says where that is enough; no port does. More bytes never change what fewer have
//! told, so that no result depends on how a stream was cut.

use crate::packet::Direction;

/// A protocol that was recognised.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Service {
    /// File transfer (RFC 959).
    Ftp,
    /// Mail access (RFC 9051).
    Imap,
    /// Message queuing (MQTT 3.1 to 5).
    Mqtt,
    /// Mail access (RFC 1939).
    Pop3,
    /// Remote desktop (MS-RDPBCGR, section 2.2.1.1).
    Rdp,
    /// Session initiation (RFC 3261).
    Sip,
    /// File sharing (MS-SMB, MS-SMB2) over TCP.
    Smb,
    /// Mail transfer (RFC 5321).
    Smtp,
    /// Session traversal for NAT (RFC 8489).
    Stun,
    /// Terminal (RFC 854) that negotiates options.
    Telnet,
}

/// What is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Message {
    /// It is this protocol.
    Is(Service),
    /// It may be NTP (RFC 5905): a reply has the time stamp of its request.
    Time {
        /// Whether a server answers.
        is_reply: bool,
        /// The transmit time stamp of a request, the origin time stamp of a reply; not 0.
        stamp: u64,
    },
}

/// Bytes that are looked at.
const START: usize = 24;

/// How one direction begins.
#[derive(Clone, Copy, Debug, Default)]
struct Start {
    bytes: [u8; START],
    length: u8,
}

impl Start {
    fn push(&mut self, piece: &[u8]) {
        let room = self.bytes.get_mut(usize::from(self.length)..);
        for (place, byte) in room.unwrap_or_default().iter_mut().zip(piece) {
            *place = *byte;
            self.length = self.length.saturating_add(1);
        }
    }

    fn bytes(&self) -> &[u8] {
        self.bytes.get(..usize::from(self.length)).unwrap_or(&[])
    }

    /// Whether nothing that comes is looked at.
    fn is_over(&self) -> bool {
        usize::from(self.length) == START
    }
}

/// The two directions of a TCP connection.
#[derive(Clone, Copy, Debug, Default)]
pub struct Connection([Start; 2]);

impl Connection {
    /// Takes the next bytes of a direction; false = no more are wanted.
    pub fn push(&mut self, piece: &[u8], from: Direction, tell: &mut dyn FnMut(Message)) -> bool {
        from.of_mut(&mut self.0).push(piece);
        let [one, other] = &self.0;
        let found = by_both(one.bytes(), other.bytes())
            .or_else(|| by_both(other.bytes(), one.bytes()))
            .or_else(|| by_one(one.bytes()))
            .or_else(|| by_one(other.bytes()));
        found.map(Message::Is).into_iter().for_each(tell);
        found.is_none() && !(one.is_over() && other.is_over())
    }
}

/// Whether bytes begin with one of the words, in either case.
fn begins(bytes: &[u8], words: &[&str]) -> bool {
    words.iter().any(|word| {
        let start = bytes.get(..word.len());
        start.is_some_and(|start| start.eq_ignore_ascii_case(word.as_bytes()))
    })
}

fn by_both(client: &[u8], server: &[u8]) -> Option<Service> {
    let greets = begins(server, &["220 ", "220-"]);
    if greets && begins(client, &["EHLO ", "HELO ", "LHLO "]) {
        Some(Service::Smtp)
    } else if greets && begins(client, &["USER ", "AUTH ", "FEAT\r", "OPTS ", "SYST\r"]) {
        Some(Service::Ftp)
    } else if begins(server, &["+OK"])
        && begins(client, &["USER ", "APOP ", "CAPA\r", "AUTH", "STLS\r"])
    {
        Some(Service::Pop3)
    } else if begins(server, &["* OK", "* PREAUTH"]) && is_tagged(client) {
        Some(Service::Imap)
    } else {
        let ends = [client, server];
        let both = ends.iter().all(|end| options(end).is_some());
        both.then_some(Service::Telnet)
    }
}

fn by_one(bytes: &[u8]) -> Option<Service> {
    match bytes {
        [0, _, _, _, 0xFE | 0xFF, b'S', b'M', b'B', ..] => Some(Service::Smb),
        // a connection request of X.224 and what only remote desktop puts behind it
        [3, 0, _, _, _, 0xE0, 0, 0, _, _, 0, rest @ ..]
            if begins(rest, &["Cookie: msts"]) || matches!(rest, [1, _, 8, 0, ..]) =>
        {
            Some(Service::Rdp)
        }
        [0x10, rest @ ..] if is_connect(rest) => Some(Service::Mqtt),
        _ if options(bytes).is_some_and(|rest| options(rest).is_some()) => Some(Service::Telnet),
        _ if is_sip(bytes) => Some(Service::Sip),
        _ => None,
    }
}

/// What is behind the negotiation of an option of Telnet.
fn options(bytes: &[u8]) -> Option<&[u8]> {
    match bytes {
        [0xFF, 0xFB..=0xFE, _, rest @ ..] => Some(rest),
        _ => None,
    }
}

/// Whether this is a command of IMAP: a tag of letters and digits, a space, a letter.
fn is_tagged(bytes: &[u8]) -> bool {
    let tag = bytes
        .iter()
        .take_while(|byte| byte.is_ascii_alphanumeric())
        .count();
    let behind = bytes.get(tag..);
    tag > 0 && matches!(behind, Some([b' ', letter, ..]) if letter.is_ascii_alphabetic())
}

/// Whether this is what stands behind the type of a CONNECT of MQTT: a length of up to four bytes, the name of the protocol.
fn is_connect(bytes: &[u8]) -> bool {
    let more = bytes.iter().take_while(|byte| **byte >= 0x80).count();
    let name = bytes.get(more.saturating_add(1)..).unwrap_or(&[]);
    more < 4 && (name.starts_with(b"\0\x04MQTT") || name.starts_with(b"\0\x06MQIsdp"))
}

const METHODS: [&str; 14] = [
    "ACK",
    "BYE",
    "CANCEL",
    "INFO",
    "INVITE",
    "MESSAGE",
    "NOTIFY",
    "OPTIONS",
    "PRACK",
    "PUBLISH",
    "REFER",
    "REGISTER",
    "SUBSCRIBE",
    "UPDATE",
];

fn is_sip(bytes: &[u8]) -> bool {
    bytes.starts_with(b"SIP/2.0 ")
        || METHODS.iter().any(|method| {
            let behind = bytes.strip_prefix(method.as_bytes());
            behind.is_some_and(|behind| begins(behind, &[" sip:", " sips:"]))
        })
}

/// What a datagram tells.
pub fn datagram(bytes: &[u8]) -> Option<Message> {
    let word = |at: usize| bytes.get(at..)?.first_chunk().copied();
    let kind = *bytes.first()?;
    if is_sip(bytes) {
        return Some(Message::Is(Service::Sip));
    }
    // two bits of 0, a length in fours that is that of what is behind the header, the magic cookie
    let length =
        word(2).map(|[high, low, ..]: [u8; 4]| usize::from(u16::from_be_bytes([high, low])));
    if kind < 0x40
        && word(4) == Some([0x21, 0x12, 0xA4, 0x42])
        && length.is_some_and(|length| {
            length.is_multiple_of(4) && length.checked_add(20) == Some(bytes.len())
        })
    {
        return Some(Message::Is(Service::Stun));
    }
    let stamp = |at: usize| Some(u64::from_be_bytes(*bytes.get(at..)?.first_chunk()?));
    let last = stamp(40)?;
    let (is_reply, stamp) = match (kind >> 3 & 7, kind & 7) {
        (1..=4, 3) => (false, last),
        (1..=4, 4) => (true, stamp(24)?),
        _ => return None,
    };
    (stamp != 0).then_some(Message::Time { is_reply, stamp })
}

#[cfg(test)]
mod tests {
    use super::*;
    use Direction::{Backward, Forward};

    /// What a connection is taken for, in pieces of any size.
    fn of(client: &[u8], server: &[u8]) -> Option<Service> {
        let found = [1, 3, 100].map(|size| {
            let (mut connection, mut told) = (Connection::default(), None);
            let ends = [(Backward, server), (Forward, client)];
            let mut pieces = ends
                .iter()
                .flat_map(|(from, bytes)| bytes.chunks(size).map(|piece| (piece, *from)));
            pieces.all(|(piece, from)| {
                connection.push(piece, from, &mut |message| told = Some(message))
            });
            told
        });
        assert!(found.iter().all(|one| *one == found[0]), "{found:?}");
        found[0].map(|message| match message {
            Message::Is(service) => service,
            other => panic!("{other:?}"),
        })
    }

    #[test]
    fn by_what_both_ends_say() {
        let cases: [(&[u8], &[u8], Option<Service>); 10] = [
            (b"EHLO a\r\n", b"220 b ESMTP\r\n", Some(Service::Smtp)),
            (b"user a\r\n", b"220-b\r\n220 c\r\n", Some(Service::Ftp)),
            (b"CAPA\r\n", b"+OK\r\n", Some(Service::Pop3)),
            (b"a1 LOGIN b c\r\n", b"* OK d\r\n", Some(Service::Imap)),
            (b"\xff\xfd\x03\xff\xfb\x18", b"", Some(Service::Telnet)),
            (b"\xff\xfc\x24", b"\xff\xfd\x18", Some(Service::Telnet)),
            (b"EHLO a\r\n", b"250 b\r\n", None),
            (b"USER a\r\n", b"+ERR\r\n", None),
            (b"\xff\xfd\x03", b"login: ", None),
            (b"GET / HTTP/1.1\r\n", b"HTTP/1.1 200 OK\r\n", None),
        ];
        for (client, server, expected) in cases {
            assert_eq!(of(client, server), expected, "{client:?} {server:?}");
            assert_eq!(of(server, client), expected, "{client:?} {server:?}");
        }
    }

    #[test]
    fn by_what_one_end_says() {
        let cases: [(&[u8], Option<Service>); 10] = [
            (b"\0\0\0\x90\xfeSMB@", Some(Service::Smb)),
            (
                b"\x03\0\0\x13\x0e\xe0\0\0\0\0\0\x01\0\x08\0\x03",
                Some(Service::Rdp),
            ),
            (
                b"\x03\0\0\x2b\x26\xe0\0\0\0\0\0Cookie: mstshash=a\r\n",
                Some(Service::Rdp),
            ),
            (b"\x10\x8a\x01\0\x04MQTT\x04", Some(Service::Mqtt)),
            (b"\x10\x0e\0\x06MQIsdp\x03", Some(Service::Mqtt)),
            (b"REGISTER sip:a.example SIP/2.0\r\n", Some(Service::Sip)),
            (b"SIP/2.0 100 Trying\r\n", Some(Service::Sip)),
            (b"\x03\0\0\x16\x11\xe0\0\0\0\x01\0\xc0\x01\x0a", None),
            (b"\x10\xff\xff\xff\xff\0\x04MQTT", None),
            (b"REGISTER http:a", None),
        ];
        for (start, expected) in cases {
            assert_eq!(of(start, b""), expected, "{start:?}");
        }
    }

    #[test]
    fn datagrams() {
        let stun = [&[0, 1, 0, 4, 0x21, 0x12, 0xA4, 0x42][..], &[7; 16]].concat();
        assert_eq!(datagram(&stun), Some(Message::Is(Service::Stun)));
        assert_eq!(datagram(&stun[..23]), None, "cut");
        assert_eq!(
            datagram(b"OPTIONS sips:a SIP/2.0"),
            Some(Message::Is(Service::Sip))
        );
        let mut time = [0; 48];
        (time[0], time[24], time[47]) = (0x23, 1, 5);
        let told = |is_reply, stamp| Some(Message::Time { is_reply, stamp });
        assert_eq!(datagram(&time), told(false, 5));
        time[0] = 0x24;
        assert_eq!(datagram(&time), told(true, 1 << 56));
        time[24] = 0;
        assert_eq!(datagram(&time), None, "no time stamp");
        assert_eq!(datagram(&[0x25; 60]), None, "broadcast");
        assert_eq!(datagram(&[]), None);
    }
}
