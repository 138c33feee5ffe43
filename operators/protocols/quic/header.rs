//! Headers of QUIC packets (RFC 8999 section 5.1, RFC 9000 section 17.2, RFC 9369 section 3.2) and names of versions.

use super::super::reader::Reader;
use std::borrow::Cow;

/// Version 1.
pub const V1: u32 = 1;
/// Version 2, and its number in the drafts.
pub const V2: [u32; 2] = [0x6b33_43cf, 0x709a_50c4];
/// Q046 has connection identifiers of another form.
const Q046: u32 = u32::from_be_bytes(*b"Q046");
/// Q050.
pub const Q050: u32 = u32::from_be_bytes(*b"Q050");
/// T050.
pub const T050: u32 = u32::from_be_bytes(*b"T050");
/// T051.
pub const T051: u32 = u32::from_be_bytes(*b"T051");

/// Bytes of a connection identifier at most.
const IDENTIFIER: usize = 20;
/// Bytes of a protected packet at least: where header protection is sampled.
const PROTECTED: u64 = 4 + 16;

/// What kind of packet a header opens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Initial.
    Initial,
    /// 0-RTT.
    ZeroRtt,
    /// Handshake.
    Handshake,
    /// Retry.
    Retry,
    /// Version negotiation.
    Negotiation,
    /// A short header behind a long one.
    Short,
}

/// The header of a packet and its place in the datagram.
#[derive(Clone, Copy, Debug)]
pub struct Header<'a> {
    /// What the packet is.
    pub kind: Kind,
    /// Its version; 0 in a version negotiation.
    pub version: u32,
    /// Destination connection identifier.
    pub dcid: &'a [u8],
    /// Source connection identifier.
    pub scid: &'a [u8],
    /// Where it starts.
    pub start: usize,
    /// Where the packet number starts.
    pub number: usize,
    /// Where the packet ends.
    pub end: usize,
}

/// The draft that a version stands for; those of mvfst too.
pub const fn draft(version: u32) -> Option<u8> {
    match version {
        0xff00_0000..=0xff00_00ff => {
            let [.., draft] = version.to_be_bytes();
            Some(draft)
        }
        0xface_b001 => Some(22),
        0xface_b002 | 0xface_b00e => Some(27),
        0xface_b011 | 0xface_b013 => Some(29),
        _ => None,
    }
}

/// Whether this is version 2.
pub const fn is_v2(version: u32) -> bool {
    version == V2[0] || version == V2[1]
}

/// Whether long headers of this version are read; reserved versions (RFC 9000 section 15) are.
const fn is_known(version: u32) -> bool {
    let is_draft = matches!(draft(version), Some(22..=34));
    let is_reserved = version & 0x0F0F_0F0F == 0x0A0A_0A0A;
    let is_google = matches!(version, Q050 | T050 | T051);
    version == V1 || is_v2(version) || is_draft || is_google || is_reserved
}

/// v1, v2, draft-29, gQUIC Q050 and the like.
pub fn version_name(version: u32) -> Cow<'static, str> {
    let bytes = version.to_be_bytes();
    match (version, bytes) {
        (V1, _) => "v1".into(),
        _ if is_v2(version) => "v2".into(),
        (0xff00_0000..=0xff00_00ff, [.., draft]) => format!("draft-{draft:02}").into(),
        (_, [b'Q' | b'T', b'0'..=b'9', b'0'..=b'9', b'0'..=b'9']) => {
            format!("gQUIC {}", bytes.map(char::from).iter().collect::<String>()).into()
        }
        _ => format!("0x{version:08x}").into(),
    }
}

/// The packets of a datagram that starts with a long header; a short header may be that of the last. `seen` are versions seen in
/// the flow.
pub fn packets<'a>(datagram: &'a [u8], seen: &[u32]) -> impl Iterator<Item = Header<'a>> {
    let mut at = 0;
    std::iter::from_fn(move || {
        let rest = datagram.get(at..).filter(|rest| !rest.is_empty())?;
        let first = rest.first().copied().unwrap_or_default();
        let header = match long_header(datagram, at, seen) {
            Some(header) => header,
            None if at > 0 && first & 0xC0 == 0x40 => Header {
                kind: Kind::Short,
                version: 0,
                dcid: &[],
                scid: &[],
                start: at,
                number: at,
                end: datagram.len(),
            },
            None => {
                at = datagram.len();
                return None;
            }
        };
        at = header.end;
        Some(header)
    })
}

fn long_header<'a>(datagram: &'a [u8], start: usize, seen: &[u32]) -> Option<Header<'a>> {
    let mut reader = Reader::new(datagram.get(start..)?);
    let (first, version) = (reader.u8()?, reader.u32()?);
    if first & 0x80 == 0 {
        return None;
    }
    if version == Q046 {
        return google_header(datagram, start, first, reader);
    }
    let is_fixed = first & 0x40 != 0;
    if version != 0 && !((is_fixed || seen.contains(&version)) && is_known(version)) {
        return None;
    }
    let (dcid, scid) = (reader.vector8()?, reader.vector8()?);
    if dcid.len() > IDENTIFIER || scid.len() > IDENTIFIER {
        return None;
    }
    let end = datagram.len();
    let header = |kind, number, end| Header {
        kind,
        version,
        dcid,
        scid,
        start,
        number,
        end,
    };
    if version == 0 {
        // nobody offers version 0, which stands for the negotiation itself (RFC 9000 section 15)
        let (list, rest) = reader.rest().as_chunks::<4>();
        let is_whole = !list.is_empty() && rest.is_empty() && !list.contains(&[0; 4]);
        return is_whole.then(|| header(Kind::Negotiation, end, end));
    }
    let kind = kind(first, version);
    if kind == Kind::Retry {
        // a token, and the last 16 bytes protect all
        let has_token = reader.rest().len() > 16;
        return has_token.then(|| header(kind, end, end));
    }
    if kind == Kind::Initial {
        reader.vector_varint()?;
    }
    let length = reader.varint()?;
    let number = reader.read_of(datagram);
    if length < PROTECTED || length > reader.rest().len() as u64 {
        return None;
    }
    let end = usize::try_from(length).ok()?.checked_add(number)?;
    Some(header(kind, number, end))
}

const fn kind(first: u8, version: u32) -> Kind {
    let bits = first >> 4 & 3;
    // version 2 counts from Retry
    match if is_v2(version) {
        bits.wrapping_sub(1) & 3
    } else {
        bits
    } {
        0 => Kind::Initial,
        1 => Kind::ZeroRtt,
        2 => Kind::Handshake,
        _ => Kind::Retry,
    }
}

/// Q046: lengths of connection identifiers are half bytes, 0 or 3 less than the length; the packet fills the datagram.
fn google_header<'a>(
    datagram: &'a [u8],
    start: usize,
    first: u8,
    mut reader: Reader<'a>,
) -> Option<Header<'a>> {
    let lengths = reader.u8()?;
    let length = |half: u8| {
        if half > 0 {
            usize::from(half).saturating_add(3)
        } else {
            0
        }
    };
    let dcid = reader.take(length(lengths >> 4))?;
    let scid = reader.take(length(lengths & 15))?;
    let is_packet = first & 0x40 != 0 && !reader.is_empty();
    is_packet.then(|| Header {
        kind: kind(first, Q046),
        version: Q046,
        dcid,
        scid,
        start,
        number: reader.read_of(datagram),
        end: datagram.len(),
    })
}
