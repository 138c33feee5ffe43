//! Keys of Initial packets, and what they open (RFC 9001 section 5, RFC 9369 section 3.3).

use super::super::reader::Reader;
use super::header::{Header, Q050, T050, T051, V1, draft, is_v2};
use aes_gcm::aead::{AeadInOut, KeyInit};
use aes_gcm::aes::Aes128;
use aes_gcm::aes::cipher::BlockCipherEncrypt;
use aes_gcm::{Aes128Gcm, Nonce, Tag};
use hkdf::Hkdf;
use sha2::Sha256;

/// Salts by version.
fn salt(version: u32) -> Option<[u8; 20]> {
    let salt = match (version, draft(version)) {
        (V1, _) | (_, Some(33..)) => [
            0x38, 0x76, 0x2c, 0xf7, 0xf5, 0x59, 0x34, 0xb3, 0x4d, 0x17, 0x9a, 0xe6, 0xa4, 0xc8,
            0x0c, 0xad, 0xcc, 0xbb, 0x7f, 0x0a,
        ],
        _ if is_v2(version) => [
            0x0d, 0xed, 0xe3, 0xde, 0xf7, 0x00, 0xa6, 0xdb, 0x81, 0x93, 0x81, 0xbe, 0x6e, 0x26,
            0x9d, 0xcb, 0xf9, 0xbd, 0x2e, 0xd9,
        ],
        (_, Some(29..=32)) => [
            0xaf, 0xbf, 0xec, 0x28, 0x99, 0x93, 0xd2, 0x4c, 0x9e, 0x97, 0x86, 0xf1, 0x9c, 0x61,
            0x11, 0xe0, 0x43, 0x90, 0xa8, 0x99,
        ],
        (_, Some(23..=28)) => [
            0xc3, 0xee, 0xf7, 0x12, 0xc7, 0x2e, 0xbb, 0x5a, 0x11, 0xa7, 0xd2, 0x43, 0x2b, 0xb4,
            0x63, 0x65, 0xbe, 0xf9, 0xf5, 0x02,
        ],
        (_, Some(0..=22)) => [
            0x7f, 0xbc, 0xdb, 0x0e, 0x7c, 0x66, 0xbb, 0xe9, 0x19, 0x3a, 0x96, 0xcd, 0x21, 0x51,
            0x9e, 0xbd, 0x7a, 0x02, 0x64, 0x4a,
        ],
        (T051, _) => [
            0x7a, 0x4e, 0xde, 0xf4, 0xe7, 0xcc, 0xee, 0x5f, 0xa4, 0x50, 0x6c, 0x19, 0x12, 0x4f,
            0xc8, 0xcc, 0xda, 0x6e, 0x03, 0x3d,
        ],
        (T050, _) => [
            0x7f, 0xf5, 0x79, 0xe5, 0xac, 0xd0, 0x72, 0x91, 0x55, 0x80, 0x30, 0x4c, 0x43, 0xa2,
            0x36, 0x7c, 0x60, 0x48, 0x83, 0x10,
        ],
        (Q050, _) => [
            0x50, 0x45, 0x74, 0xef, 0xd0, 0x66, 0xfe, 0x2f, 0x9d, 0x94, 0x5c, 0xfc, 0xdb, 0xd3,
            0xa7, 0xf0, 0xd3, 0xb5, 0x6b, 0x45,
        ],
        _ => return None,
    };
    Some(salt)
}

/// What protects the Initial packets of one side.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Keys {
    key: [u8; 16],
    iv: [u8; 12],
    header: [u8; 16],
}

/// An Initial packet that was opened.
#[derive(Debug)]
pub struct Opened {
    /// Bytes of its packet number.
    pub number_length: u8,
    /// Its frames.
    pub payload: Vec<u8>,
}

impl Keys {
    /// Keys of the client that chose this connection identifier; `None` where the salt of the version is not known.
    pub fn client(version: u32, dcid: &[u8]) -> Option<Self> {
        Self::side(version, dcid, b"client in")
    }

    fn side(version: u32, dcid: &[u8], side: &[u8]) -> Option<Self> {
        let (_, initial) = Hkdf::<Sha256>::extract(Some(&salt(version)?), dcid);
        let secret: [u8; 32] = expand(&initial, &[side])?;
        let secret = Hkdf::from_prk(&secret).ok()?;
        let prefix: &[u8] = if is_v2(version) { b"quicv2 " } else { b"quic " };
        Some(Self {
            key: expand(&secret, &[prefix, b"key"])?,
            iv: expand(&secret, &[prefix, b"iv"])?,
            header: expand(&secret, &[prefix, b"hp"])?,
        })
    }

    /// Takes header protection off and opens the packet; `None` where it is not authentic.
    pub fn open(&self, datagram: &[u8], header: &Header<'_>) -> Option<Opened> {
        let sample = datagram
            .get(header.number.checked_add(4)?..)?
            .first_chunk::<16>()?;
        let mut mask = (*sample).into();
        Aes128::new(&self.header.into()).encrypt_block(&mut mask);
        let [first_mask, number_mask @ ..] = <[u8; 16]>::from(mask);
        let first = datagram.get(header.start)? ^ first_mask & 0x0F;
        let number_length = (first & 3).saturating_add(1);
        let payload = header.number.checked_add(number_length.into())?;
        let mut opened = datagram.get(header.start..payload)?.to_vec();
        *opened.first_mut()? = first;
        let number = opened.get_mut(header.number.checked_sub(header.start)?..)?;
        let mut nonce = self.iv;
        for (byte, mask) in number.iter_mut().zip(number_mask) {
            *byte ^= mask;
        }
        // the numbers of Initial packets are small: no more bytes than are sent
        for (byte, number) in nonce.iter_mut().rev().zip(number.iter().rev()) {
            *byte ^= number;
        }
        let sealed = datagram.get(payload..header.end)?;
        let (sealed, tag) = sealed.split_last_chunk::<16>()?;
        let mut payload = sealed.to_vec();
        Aes128Gcm::new(&self.key.into())
            .decrypt_inout_detached(
                &Nonce::from(nonce),
                &opened,
                payload.as_mut_slice().into(),
                &Tag::from(*tag),
            )
            .ok()?;
        Some(Opened {
            number_length,
            payload,
        })
    }
}

/// HKDF-Expand-Label with an empty context (RFC 8446 section 7.1); the label comes in parts.
fn expand<const N: usize>(secret: &Hkdf<Sha256>, label: &[&[u8]]) -> Option<[u8; N]> {
    const PREFIX: &[u8] = b"tls13 ";
    let parts = label.iter().map(|part| part.len());
    let length = parts.fold(PREFIX.len(), usize::saturating_add);
    let output = u16::try_from(N).ok()?.to_be_bytes();
    let length = [u8::try_from(length).ok()?];
    let mut info: Vec<&[u8]> = vec![&output, &length, PREFIX];
    info.extend(label);
    info.push(&[0]);
    let mut bytes = [0; N];
    secret.expand_multi_info(&info, &mut bytes).ok()?;
    Some(bytes)
}

/// Offset and bytes of each CRYPTO frame of an Initial packet, up to the first frame that may not be there.
pub fn crypto_frames(payload: &[u8], version: u32) -> impl Iterator<Item = (i64, &[u8])> {
    let crypto = if matches!(version, T050 | T051) {
        0x08
    } else {
        0x06
    };
    let mut reader = Reader::new(payload);
    std::iter::from_fn(move || {
        loop {
            match reader.varint()? {
                // PADDING, PING
                0x00 | 0x01 => {}
                // ACK, with counts of ECN
                kind @ (0x02 | 0x03) => {
                    reader.skip_varints(2)?;
                    let ranges = reader.varint()?;
                    reader.skip_varints(ranges.checked_mul(2)?.checked_add(1)?)?;
                    if kind == 0x03 {
                        reader.skip_varints(3)?;
                    }
                }
                kind if kind == crypto => {
                    let offset = reader.varint()?;
                    // 62 bits
                    return Some((offset.cast_signed(), reader.vector_varint()?));
                }
                // CONNECTION_CLOSE
                0x1C => {
                    reader.skip_varints(2)?;
                    reader.vector_varint()?;
                }
                _ => return None,
            }
        }
    })
}

#[cfg(test)]
impl Keys {
    /// The three keys in hexadecimal.
    pub fn hex(&self) -> [String; 3] {
        [&self.key[..], &self.iv, &self.header]
            .map(|key| key.iter().map(|byte| format!("{byte:02x}")).collect())
    }

    /// Protects a packet whose number of four bytes ends `packet` and starts at `number`.
    pub fn seal(&self, packet: &[u8], number: usize, payload: &[u8]) -> Vec<u8> {
        let mut nonce = self.iv;
        for (byte, number) in nonce[8..].iter_mut().zip(&packet[number..]) {
            *byte ^= number;
        }
        let mut sealed = payload.to_vec();
        let tag = Aes128Gcm::new(&self.key.into())
            .encrypt_inout_detached(&Nonce::from(nonce), packet, sealed.as_mut_slice().into())
            .expect("a short packet");
        let mut sealed = [packet, &sealed, tag.as_slice()].concat();
        let mut mask = <[u8; 16]>::try_from(&sealed[number + 4..number + 20])
            .expect("16 bytes")
            .into();
        Aes128::new(&self.header.into()).encrypt_block(&mut mask);
        sealed[0] ^= mask[0] & 0x0F;
        for (byte, mask) in sealed[number..number + 4].iter_mut().zip(&mask[1..]) {
            *byte ^= mask;
        }
        sealed
    }
}
