//! ClientHello and ServerHello (RFC 5246 section 7.4.1, RFC 8446 section 4.1) and the extensions that are read (RFC 6066, RFC
//! 7301, RFC 8422).

use super::super::reader::Reader;
use crate::packet::Direction;

/// The random of a ServerHello that is a HelloRetryRequest (RFC 8446 section 4.1.3).
const RETRY: [u8; 32] = [
    0xcf, 0x21, 0xad, 0x74, 0xe5, 0x9a, 0x61, 0x11, 0xbe, 0x1d, 0x8c, 0x02, 0x1e, 0x65, 0xb8, 0x91,
    0xc2, 0xa2, 0x11, 0x16, 0x7a, 0xbb, 0x8c, 0x5e, 0x07, 0x9e, 0x09, 0xe2, 0xc8, 0xa8, 0x33, 0x9c,
];

/// Bytes of a session identifier at most.
const SESSION_ID: usize = 32;

/// Whether this is a value that stands for nothing (RFC 8701): both bytes equal, the low half of each is 10.
pub const fn is_grease(value: u16) -> bool {
    value >> 8 == value & 0xFF && value & 0x0F == 0x0A
}

/// Numbers of two bytes each.
fn numbers(bytes: &[u8]) -> impl ExactSizeIterator<Item = u16> + Clone + '_ {
    let (pairs, _) = bytes.as_chunks();
    pairs.iter().map(|pair| u16::from_be_bytes(*pair))
}

/// The extensions of a hello.
#[derive(Clone, Copy, Debug, Default)]
pub struct Extensions<'a>(&'a [u8]);

impl<'a> Extensions<'a> {
    /// Reads the block behind a hello; none is as good as an empty one.
    fn read(mut reader: Reader<'a>) -> Option<Self> {
        if reader.is_empty() {
            return Some(Self::default());
        }
        let block = reader.vector16()?;
        let mut each = Reader::new(block);
        while !each.is_empty() {
            each.u16()?;
            each.vector16()?;
        }
        reader.is_empty().then_some(Self(block))
    }

    /// Type and body of each, in order.
    pub fn iter(self) -> impl Iterator<Item = (u16, &'a [u8])> + Clone {
        let mut reader = Reader::new(self.0);
        std::iter::from_fn(move || Some((reader.u16()?, reader.vector16()?)))
    }

    /// The types, in order.
    pub fn types(self) -> impl Iterator<Item = u16> + Clone + 'a {
        self.iter().map(|(kind, _)| kind)
    }

    /// The body of the first of this type.
    pub fn body(self, kind: u16) -> Option<&'a [u8]> {
        self.iter()
            .find_map(|(found, body)| (found == kind).then_some(body))
    }

    /// Whether there is one of this type.
    pub fn has(self, kind: u16) -> bool {
        self.body(kind).is_some()
    }

    /// The numbers of two bytes behind a length of two bytes; none where the body is malformed.
    fn list(self, kind: u16) -> impl Iterator<Item = u16> + Clone + 'a {
        let body = self
            .body(kind)
            .and_then(|body| Reader::new(body).vector16());
        numbers(even(body.unwrap_or(&[])))
    }

    /// Names of application protocols (RFC 7301), in order; none where the body is malformed.
    pub fn protocols(self) -> impl Iterator<Item = &'a [u8]> + Clone {
        let names = |body: &'a [u8]| {
            let names = Reader::new(body).vector16()?;
            let mut each = Reader::new(names);
            while !each.is_empty() {
                each.vector8()?;
            }
            Some(names)
        };
        let mut reader = Reader::new(self.body(16).and_then(names).unwrap_or(&[]));
        std::iter::from_fn(move || reader.vector8())
    }
}

/// The bytes, if they are pairs; else none.
fn even(bytes: &[u8]) -> &[u8] {
    if bytes.len().is_multiple_of(2) {
        bytes
    } else {
        &[]
    }
}

/// What a client offers.
#[derive(Clone, Copy, Debug)]
pub struct ClientHello<'a> {
    /// `legacy_version`.
    pub version: u16,
    /// `legacy_session_id`.
    pub session_id: &'a [u8],
    ciphers: &'a [u8],
    /// The extensions.
    pub extensions: Extensions<'a>,
}

impl<'a> ClientHello<'a> {
    /// Reads the body of the message; `None` where a length contradicts another.
    pub fn read(body: &'a [u8]) -> Option<Self> {
        Self::of(body, false)
    }

    /// Reads that of DTLS, which has a cookie (RFC 6347 section 4.2.1).
    pub fn read_datagram(body: &'a [u8]) -> Option<Self> {
        Self::of(body, true)
    }

    fn of(body: &'a [u8], has_cookie: bool) -> Option<Self> {
        let mut reader = Reader::new(body);
        let version = reader.u16()?;
        reader.take(32)?;
        let session_id = reader.vector8()?;
        if has_cookie {
            reader.vector8()?;
        }
        let ciphers = reader.vector16()?;
        let compressions = reader.vector8()?;
        let is_sound = session_id.len() <= SESSION_ID
            && !ciphers.is_empty()
            && ciphers.len().is_multiple_of(2)
            && !compressions.is_empty();
        Some(Self {
            version,
            session_id,
            ciphers,
            extensions: Extensions::read(reader)?,
        })
        .filter(|_| is_sound)
    }

    /// Cipher suites, in order.
    pub fn ciphers(&self) -> impl ExactSizeIterator<Item = u16> + Clone + 'a {
        numbers(self.ciphers)
    }

    /// Named groups.
    pub fn groups(&self) -> impl Iterator<Item = u16> + Clone + 'a {
        self.extensions.list(10)
    }

    /// Signature algorithms.
    pub fn signatures(&self) -> impl Iterator<Item = u16> + Clone + 'a {
        self.extensions.list(13)
    }

    /// Formats of points.
    pub fn point_formats(&self) -> &'a [u8] {
        let body = self.extensions.body(11);
        let formats = body.and_then(|body| Reader::new(body).vector8());
        formats.unwrap_or(&[])
    }

    /// `supported_versions`.
    pub fn versions(&self) -> impl Iterator<Item = u16> + Clone + 'a {
        let body = self.extensions.body(43);
        let list = body.and_then(|body| Reader::new(body).vector8());
        numbers(even(list.unwrap_or(&[])))
    }

    /// The host name of `server_name`; `None` where it is empty.
    pub fn server_name(&self) -> Option<&'a [u8]> {
        let mut reader = Reader::new(self.extensions.body(0)?);
        let mut names = Reader::new(reader.vector16()?);
        loop {
            let (kind, name) = (names.u8()?, names.vector16()?);
            if kind == 0 {
                return Some(name).filter(|name| !name.is_empty());
            }
        }
    }

    /// The highest version offered: of TLS, else the highest other one that stands for something, else `legacy_version`.
    pub fn highest_version(&self) -> u16 {
        let known = self
            .versions()
            .filter(|v| (0x0300..=super::TLS13).contains(v));
        let others = || self.versions().filter(|v| !is_grease(*v)).max();
        known.max().or_else(others).unwrap_or(self.version)
    }

    /// The highest version of DTLS offered, which has the lowest number, else `legacy_version`.
    pub fn highest_datagram_version(&self) -> u16 {
        let known = self.versions().filter(|version| version >> 8 == 0xFE);
        known.min().unwrap_or(self.version)
    }
}

/// What a server chose.
#[derive(Clone, Copy, Debug)]
pub struct ServerHello<'a> {
    /// `legacy_version`.
    pub version: u16,
    /// `legacy_session_id_echo`.
    pub session_id: &'a [u8],
    /// The cipher suite.
    pub cipher: u16,
    /// The extensions.
    pub extensions: Extensions<'a>,
}

impl<'a> ServerHello<'a> {
    /// Reads the body of the message; `None` where a length contradicts another.
    pub fn read(body: &'a [u8]) -> Option<Self> {
        let mut reader = Reader::new(body);
        let version = reader.u16()?;
        reader.take(32)?;
        let session_id = reader.vector8()?;
        let cipher = reader.u16()?;
        reader.u8()?;
        Some(Self {
            version,
            session_id,
            cipher,
            extensions: Extensions::read(reader)?,
        })
        .filter(|hello| hello.session_id.len() <= SESSION_ID)
    }

    /// Whether the body of a ServerHello message is that of a HelloRetryRequest.
    pub fn is_retry(body: &[u8]) -> bool {
        body.get(2..34).is_some_and(|random| random == RETRY)
    }

    /// The version that both use.
    pub fn negotiated_version(&self) -> u16 {
        let body = self.extensions.body(43);
        let selected = body.and_then(|body| Reader::new(body).u16());
        selected
            .filter(|version| *version != 0)
            .unwrap_or(self.version)
    }

    /// The group of its key share, and bytes of that.
    pub fn key_share(&self) -> Option<(u16, usize)> {
        let mut reader = Reader::new(self.extensions.body(51)?);
        Some((reader.u16()?, reader.vector16()?.len()))
    }
}

/// What is kept of the hellos of a connection, by direction, until it is known who is the client: the initiator if it sent a
/// ClientHello, else the other side. The ServerHello is that of the other side.
#[derive(Debug)]
pub struct Hellos<C, S> {
    clients: [Option<C>; 2],
    servers: [Option<S>; 2],
}

impl<C, S> Default for Hellos<C, S> {
    fn default() -> Self {
        Self {
            clients: [None, None],
            servers: [None, None],
        }
    }
}

impl<C, S> Hellos<C, S> {
    /// Keeps the first ClientHello of a direction.
    pub fn client(&mut self, from: Direction, hello: impl FnOnce() -> C) {
        from.of_mut(&mut self.clients).get_or_insert_with(hello);
    }

    /// Keeps the first ServerHello of a direction.
    pub fn server(&mut self, from: Direction, hello: impl FnOnce() -> S) {
        from.of_mut(&mut self.servers).get_or_insert_with(hello);
    }

    /// Forgets the ClientHello of a direction: another one goes before it.
    pub fn forget_client(&mut self, from: Direction) {
        *from.of_mut(&mut self.clients) = None;
    }

    /// Forgets the ServerHello of a direction: another one goes before it.
    pub fn forget_server(&mut self, from: Direction) {
        *from.of_mut(&mut self.servers) = None;
    }

    /// The ServerHello of a direction, whoever is the server.
    pub fn server_of(&self, from: Direction) -> Option<&S> {
        from.of(&self.servers).as_ref()
    }

    /// Every ClientHello.
    pub fn clients(&self) -> impl Iterator<Item = &C> {
        self.clients.iter().flatten()
    }

    /// Every ServerHello.
    pub fn servers(&self) -> impl Iterator<Item = &S> {
        self.servers.iter().flatten()
    }

    /// The direction of the server; `None` without a hello.
    pub fn server_side(&self) -> Option<Direction> {
        match (&self.clients, &self.servers) {
            ([Some(_), _], _) | ([None, None], [_, Some(_)]) => Some(Direction::Backward),
            ([None, Some(_)], _) | ([None, None], [Some(_), None]) => Some(Direction::Forward),
            ([None, None], [None, None]) => None,
        }
    }

    /// The ClientHello and the ServerHello.
    pub fn pair(&self) -> (Option<&C>, Option<&S>) {
        let ([client, other_client], [other_server, server]) = (&self.clients, &self.servers);
        match self.server_side() {
            Some(Direction::Backward) => (client.as_ref(), server.as_ref()),
            Some(Direction::Forward) => (other_client.as_ref(), other_server.as_ref()),
            None => (None, None),
        }
    }
}
