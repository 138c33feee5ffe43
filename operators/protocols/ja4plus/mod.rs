//! JA4S, JA4H, JA4X, JA4SSH, JA4T and JA4TS (FoxIO, JA4+ technical details), written from their published descriptions.
//!
//! These methods fall under the FoxIO License 1.1, which limits commercial use, and are patent pending: they are only in builds with
//! the cargo feature `ja4plus`. JA4 itself is free of that and lies beside JA3 in `tls`.

mod http;
mod ssh;
mod tcp;

pub use http::Request;
pub use ssh::{PACKETS, Session};
pub use tcp::{Answers, syn};

use super::text::hex;
use super::tls::{self, ServerHello};
use super::x509::Certificate;
use sha2::{Digest, Sha256};

/// The first 12 hexadecimal digits of a hash.
fn digits(hash: &[u8]) -> String {
    hex(hash.get(..6).unwrap_or(hash))
}

/// The same of the SHA-256 of a text; zeros for the empty one.
fn hashed(text: &str) -> String {
    match text {
        "" => "000000000000".to_owned(),
        text => digits(&Sha256::digest(text)),
    }
}

/// JA4S of a ServerHello that came over TCP (`t`), QUIC (`q`) or DTLS (`d`).
pub fn ja4s(hello: &ServerHello<'_>, transport: char) -> String {
    let kinds = || hello.extensions.types();
    let list: Vec<String> = kinds().map(|kind| format!("{kind:04x}")).collect();
    let version = tls::version_digits(hello.negotiated_version());
    let [first, last] = match hello.extensions.protocols().next() {
        None | Some([]) => ['0', '0'],
        Some(name) => tls::ends(name),
    };
    let count = list.len().min(99);
    let (cipher, hash) = (hello.cipher, hashed(&list.join(",")));
    format!("{transport}{version}{count:02}{first}{last}_{cipher:04x}_{hash}")
}

/// JA4X of a certificate: the object identifiers of issuer, subject and extensions.
pub fn ja4x(certificate: &Certificate<'_>) -> String {
    let text = |kinds: &mut dyn Iterator<Item = &[u8]>| {
        let kinds: Vec<String> = kinds.map(hex).collect();
        hashed(&kinds.join(","))
    };
    [
        text(&mut certificate.issuer.kinds()),
        text(&mut certificate.subject.kinds()),
        text(&mut certificate.extension_kinds()),
    ]
    .join("_")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hashes_as_published() {
        // JA4S.md, JA4X.md
        assert_eq!(hashed("0005,0017,ff01,0000"), "4e8089b08790");
        assert_eq!(hashed("550403,550406,550408,55040a"), "96a6439c8f5c");
        assert_eq!(hashed("551d0f,551d25,551d11"), "aae71e8db6d7");
        assert_eq!(hashed(""), "000000000000");
    }

    #[test]
    fn a_server_as_published() {
        let extensions = [
            &[0, 5, 0, 0][..],
            &[0, 0x17, 0, 0],
            &[0xff, 1, 0, 1, 0],
            &[0, 0, 0, 0],
        ]
        .concat();
        let length = (extensions.len() as u16).to_be_bytes();
        let body = [
            &[3, 3][..],
            &[7; 32],
            &[0, 0xc0, 0x30, 0],
            &length,
            &extensions,
        ]
        .concat();
        let hello = ServerHello::read(&body).expect("a hello");
        assert_eq!(ja4s(&hello, 't'), "t120400_c030_4e8089b08790");
        let bare = [&[3, 1][..], &[7; 32], &[0, 0, 0x2f, 0]].concat();
        let hello = ServerHello::read(&bare).expect("a hello");
        assert_eq!(ja4s(&hello, 't'), "t100000_002f_000000000000");
    }

    #[test]
    fn a_certificate() {
        let tlv = |tag: u8, body: &[u8]| [&[tag, body.len() as u8][..], body].concat();
        let attribute = |kind: u8| {
            let pair = [tlv(6, &[0x55, 4, kind]), tlv(12, b"x")].concat();
            tlv(0x31, &tlv(0x30, &pair))
        };
        let name = |kinds: &[u8]| {
            let sets: Vec<u8> = kinds.iter().flat_map(|kind| attribute(*kind)).collect();
            tlv(0x30, &sets)
        };
        let extension = |kind: u8| tlv(0x30, &[tlv(6, &[0x55, 0x1d, kind]), tlv(4, b"")].concat());
        let list = tlv(0x30, &[0x0f, 0x25, 0x11].map(extension).concat());
        let fields = [
            tlv(2, &[1]),
            tlv(0x30, b""),
            name(&[3, 6, 8, 10]),
            tlv(0x30, b""),
            name(&[]),
            tlv(0x30, b""),
            tlv(0xa3, &list),
        ]
        .concat();
        let der = tlv(0x30, &tlv(0x30, &fields));
        let certificate = Certificate::read(&der).expect("a certificate");
        assert_eq!(ja4x(&certificate), "96a6439c8f5c_000000000000_aae71e8db6d7");
    }
}
