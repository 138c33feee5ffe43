//! QUIC: long headers and the ClientHello in Initial packets (RFC 8999, RFC 9000, RFC 9001, RFC 9369; drafts 22 to 34, mvfst, gQUIC
//! from Q046 on).
//!
//! Only what the keys of Initial packets open is read, and only packets of the initiator are opened.

mod header;
mod initial;

pub use header::{Header, Kind, version_name};

use super::prefix::Prefix;
use super::sum;
use super::tls::{self, ClientHello};
use crate::packet::Direction;
use header::packets;
use initial::{Keys, crypto_frames};

/// What a datagram of a flow says.
#[derive(Clone, Copy, Debug)]
pub enum Message<'a> {
    /// A packet with a long header.
    Packet(Header<'a>),
    /// The first Initial of the initiator could be opened: the length of its packet number, bytes.
    NumberLength(u8),
    /// The spin bit changed in a direction (RFC 9000 section 17.4).
    Spin,
    /// The ClientHello is whole.
    ClientHello(ClientHello<'a>),
}

/// Versions kept of a flow: more than an honest one has.
const VERSIONS: usize = 8;
/// Keys kept of a flow, for the same reason.
const KEYS: usize = 4;

/// The bit of a short header that spins.
const SPIN: u8 = 0x20;

/// A flow in which a long header was seen.
#[derive(Debug, Default)]
pub struct Connection {
    /// Those seen, then 0: their packets may have the fixed bit cleared (RFC 9287).
    versions: [u32; VERSIONS],
    /// By direction, the spin bit of the last short header.
    spin: [Option<bool>; 2],
    /// Whether an Initial of the initiator was seen.
    has_initial: bool,
    /// The opening of the handshake, until the ClientHello is whole.
    handshake: Option<Box<Handshake>>,
    is_over: bool,
}

#[derive(Debug, Default)]
struct Handshake {
    keys: Vec<(u32, Keys)>,
    crypto: Prefix,
    /// What has come in order.
    bytes: Vec<u8>,
}

/// Whether a datagram may start with a long header: what most datagrams of other protocols fail.
#[inline]
pub fn may_open(datagram: &[u8]) -> bool {
    datagram.first().is_some_and(|first| first & 0x80 != 0)
        && packets(datagram, &[]).next().is_some()
}

impl Connection {
    /// Takes a datagram; `limit` is the number of bytes of the handshake that are read.
    pub fn datagram(
        &mut self,
        datagram: &[u8],
        from: Direction,
        limit: u32,
        tell: &mut impl FnMut(Message<'_>),
    ) {
        let seen = self.versions;
        let mut is_long = false;
        for header in packets(datagram, &seen) {
            if header.kind == Kind::Short {
                self.spin(datagram.get(header.start).copied(), from, tell);
                continue;
            }
            is_long = true;
            let mut places = self.versions.iter_mut();
            if let Some(place) = places.find(|seen| [0, header.version].contains(seen)) {
                *place = header.version;
            }
            tell(Message::Packet(header));
            if header.kind == Kind::Initial && from == Direction::Forward {
                self.initial(datagram, &header, limit, tell);
            }
        }
        if !is_long && datagram.first().is_some_and(|first| first & 0x80 == 0) {
            self.spin(datagram.first().copied(), from, tell);
        }
    }

    fn spin(&mut self, first: Option<u8>, from: Direction, tell: &mut impl FnMut(Message<'_>)) {
        let bit = first.map(|first| first & SPIN != 0);
        if let (Some(last), Some(bit)) = (*from.of(&self.spin), bit)
            && last != bit
        {
            tell(Message::Spin);
        }
        *from.of_mut(&mut self.spin) = bit;
    }

    /// Opens an Initial of the initiator and reads on in its handshake.
    fn initial(
        &mut self,
        datagram: &[u8],
        header: &Header<'_>,
        limit: u32,
        tell: &mut impl FnMut(Message<'_>),
    ) {
        let is_first = !std::mem::replace(&mut self.has_initial, true);
        if self.is_over {
            return;
        }
        let handshake = self.handshake.get_or_insert_default();
        // keys of an earlier connection identifier, then those of this packet's own: a new one after Retry or another version
        let same = |(version, _): &&(u32, Keys)| *version == header.version;
        let mut known = handshake.keys.iter().filter(same);
        let opened = match known.find_map(|(_, keys)| keys.open(datagram, header)) {
            Some(opened) => opened,
            None => {
                let Some(keys) = Keys::client(header.version, header.dcid) else {
                    return;
                };
                let Some(opened) = keys.open(datagram, header) else {
                    return;
                };
                if handshake.keys.len() < KEYS {
                    handshake.keys.push((header.version, keys));
                }
                opened
            }
        };
        if is_first {
            tell(Message::NumberLength(opened.number_length));
        }
        self.frames(&opened.payload, header.version, limit, tell);
    }

    /// Takes the frames of an Initial of the initiator that was opened.
    pub(super) fn frames(
        &mut self,
        frames: &[u8],
        version: u32,
        limit: u32,
        tell: &mut impl FnMut(Message<'_>),
    ) {
        let handshake = self.handshake.get_or_insert_default();
        let Handshake { crypto, bytes, .. } = &mut **handshake;
        for (offset, piece) in crypto_frames(frames, version) {
            crypto.push(offset, piece, limit, |piece| {
                bytes.extend_from_slice(piece.bytes);
            });
        }
        if let Some(hello) = whole_hello(bytes, limit) {
            if let Some(hello) = hello {
                tell(Message::ClientHello(hello));
            }
            self.is_over = true;
            self.handshake = None;
        }
    }

    /// Heap bytes held.
    pub fn heap_bytes(&self) -> usize {
        self.handshake.as_ref().map_or(0, |handshake| {
            let keys = handshake.keys.capacity();
            sum([
                size_of::<Handshake>(),
                keys.saturating_mul(size_of::<(u32, Keys)>()),
                handshake.crypto.heap_bytes(),
                handshake.bytes.capacity(),
            ])
        })
    }
}

/// The ClientHello that the handshake opens with, once that is decided; the inner `None` = there is none.
#[expect(clippy::option_option, reason = "not yet, never, found")]
fn whole_hello(bytes: &[u8], limit: u32) -> Option<Option<ClientHello<'_>>> {
    const CLIENT_HELLO: u8 = 1;
    let [kind, length @ ..] = *bytes.first_chunk::<4>()?;
    let [a, b, c] = length;
    let end = u32::from_be_bytes([0, a, b, c]).saturating_add(4);
    if kind != CLIENT_HELLO || end > limit {
        return Some(None);
    }
    let body = bytes.get(4..end as usize)?;
    Some(tls::client_hello(body))
}

#[cfg(test)]
mod tests;
