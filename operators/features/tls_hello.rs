//! The hellos of a TLS handshake in full: columns of the group `tls` that the reference lacks.
//!
//! Only what somebody asked for is kept; `tls.rs` says which hello is whose.

use super::extractor::Wanted;
use crate::protocols::text;
use crate::protocols::tls::{self, ClientHello, ServerHello, is_grease};
use crate::schema::Features;
use std::borrow::Cow;

/// Further columns of group `tls`, in output order.
#[derive(Default, Features)]
#[features(group = "tls", profile = "JF-EXTRA", source = "RFC 5246, RFC 8446")]
pub struct TlsHello {
    /// The text that ja3_hash is made of: legacy_version, ciphers, extensions, groups and point formats joined by ",", values decimal
    /// joined by "-"; its first 4,096 characters.
    #[column(
        scope = "fwd",
        split = "no",
        null = "no ClientHello",
        source = "Salesforce, JA3 and JA3S"
    )]
    pub ja3_string: Option<String>,
    /// The text that ja3s_hash is made of: legacy_version, cipher and extensions in order, GREASE kept; its first 4,096
    /// characters.
    #[column(
        scope = "bwd",
        split = "no",
        null = "no ServerHello",
        source = "Salesforce, JA3 and JA3S"
    )]
    pub ja3s_string: Option<String>,
    /// JA4 of the ClientHello, a_b_c, GREASE left out of every list and count. a: t (TCP), q (QUIC) or d (DTLS); version = highest value
    /// of supported_versions (DTLS: lowest), else legacy_version: 0304 13, 0303 12, 0302 11, 0301 10, 0300 s3, 0002 s2, feff d1, fefd
    /// d2, fefc d3, else 00; d if extension 0 is there, else i; number of ciphers and of extensions, two digits, at most 99; first and last character of the first ALPN value, if
    /// one of the two is not an ASCII letter or digit the first and last hex digit of the whole value, 00 without ALPN. b: first 12 hex
    /// digits of SHA-256 of the ciphers (4 hex digits, sorted, joined by ","), 000000000000 if none. c: the same of the extensions
    /// without 0000 and 0010, sorted, then "_" and the signature_algorithms in order if there are any.
    #[column(
        scope = "fwd",
        split = "no",
        null = "no ClientHello",
        source = "FoxIO, JA4"
    )]
    pub ja4: Option<String>,
    /// JA4 with the texts of b and c instead of their hashes, its first 4,096 characters.
    #[column(
        scope = "fwd",
        split = "no",
        null = "no ClientHello",
        source = "FoxIO, JA4"
    )]
    pub ja4_r: Option<String>,
    /// Values of supported_versions of the ClientHello in order, GREASE left out, 512 at most.
    #[column(
        scope = "fwd",
        split = "no",
        null = "no ClientHello or no supported_versions in it"
    )]
    pub tls_versions_offered: Option<Vec<u16>>,
    /// Cipher suites offered in the ClientHello in order, GREASE included, 512 at most.
    #[column(scope = "fwd", split = "no", null = "no ClientHello")]
    pub tls_ciphers: Option<Vec<u16>>,
    /// Types of the extensions of the ClientHello in order, GREASE and repeated ones included, 512 at most.
    #[column(scope = "fwd", split = "no", null = "no ClientHello")]
    pub tls_extensions: Option<Vec<u16>>,
    /// Values of supported_groups (10) of the ClientHello in order, GREASE included, 512 at most.
    #[column(
        scope = "fwd",
        split = "no",
        null = "no ClientHello or no supported_groups in it"
    )]
    pub tls_groups: Option<Vec<u16>>,
    /// Values of signature_algorithms (13) of the ClientHello in order, GREASE included, 512 at most.
    #[column(
        scope = "fwd",
        split = "no",
        null = "no ClientHello or no signature_algorithms in it"
    )]
    pub tls_sig_algs: Option<Vec<u16>>,
    /// Names in the ALPN extension of the ClientHello in order (text as tls_alpn), 512 at most; empty without one.
    #[column(scope = "fwd", split = "no", null = "no ClientHello")]
    pub tls_alpn_offered: Option<Vec<String>>,
    /// IANA name of tls_cipher_suite, else "unknown(0xhhhh)".
    #[column(
        scope = "bwd",
        split = "no",
        null = "no ServerHello",
        source = "IANA, TLS Cipher Suites"
    )]
    pub tls_cipher_suite_name: Option<Cow<'static, str>>,
    /// ClientHello has encrypted_client_hello (0xfe0d), real or GREASE: they cannot be told apart; tls_sni is then that of the outer
    /// hello.
    #[column(scope = "fwd", split = "no", null = "no ClientHello")]
    pub tls_ech: Option<bool>,
}

/// Type of the extension encrypted_client_hello (RFC 9849).
const ENCRYPTED_HELLO: u16 = 0xFE0D;
/// Values kept of a list: no honest hello has more.
const VALUES: usize = 512;
/// Characters kept of a text.
const TEXT: usize = 4096;

/// What is kept of a ClientHello.
pub struct Offer {
    ja3: Box<str>,
    ja4: [Box<str>; 2],
    ciphers: Box<[u16]>,
    extensions: Box<[u16]>,
    versions: Option<Box<[u16]>>,
    groups: Option<Box<[u16]>>,
    signatures: Option<Box<[u16]>>,
    protocols: Box<[Box<str>]>,
    has_encrypted_hello: bool,
}

/// What is kept of a ServerHello.
pub struct Answer {
    ja3s: Box<str>,
    cipher: u16,
}

fn cut(mut text: String) -> Box<str> {
    // they are ASCII
    text.truncate(TEXT);
    text.into()
}

fn values(numbers: impl Iterator<Item = u16>) -> Box<[u16]> {
    numbers.take(VALUES).collect()
}

impl Offer {
    /// Of a hello that came over TCP (`t`), QUIC (`q`) or DTLS (`d`).
    pub fn new(hello: &ClientHello<'_>, transport: char) -> Self {
        let extensions = hello.extensions;
        let if_there = |kind: u16, numbers: &mut dyn Iterator<Item = u16>| {
            extensions.has(kind).then(|| values(numbers))
        };
        let protocols = extensions.protocols().take(VALUES);
        let protocols = protocols.map(|name| cut(text::visible(name)));
        Self {
            ja3: cut(tls::ja3_text(hello)),
            ja4: [tls::ja4(hello, transport), tls::ja4_r(hello, transport)].map(cut),
            ciphers: values(hello.ciphers()),
            extensions: values(extensions.types()),
            versions: if_there(
                43,
                &mut hello.versions().filter(|version| !is_grease(*version)),
            ),
            groups: if_there(10, &mut hello.groups()),
            signatures: if_there(13, &mut hello.signatures()),
            protocols: protocols.collect(),
            has_encrypted_hello: extensions.has(ENCRYPTED_HELLO),
        }
    }

    /// Heap bytes held.
    pub fn heap_bytes(&self) -> usize {
        let texts = self.ja3.len() + self.ja4.iter().map(|text| text.len()).sum::<usize>();
        let numbers = [&self.versions, &self.groups, &self.signatures];
        let numbers = numbers.into_iter().flatten();
        let numbers = numbers.chain([&self.ciphers, &self.extensions]);
        let names = self.protocols.iter();
        texts
            + numbers.map(|list| size_of_val(&**list)).sum::<usize>()
            + names
                .map(|name| size_of::<Box<str>>() + name.len())
                .sum::<usize>()
    }
}

impl Answer {
    /// Of a hello.
    pub fn new(hello: &ServerHello<'_>) -> Self {
        Self {
            ja3s: cut(tls::ja3s_text(hello)),
            cipher: hello.cipher,
        }
    }

    /// Heap bytes held.
    pub fn heap_bytes(&self) -> usize {
        self.ja3s.len()
    }
}

impl TlsHello {
    /// Whether somebody wants one of the columns.
    pub fn is_wanted(wanted: &Wanted) -> bool {
        let columns = Self::schema();
        wanted.any(|name| columns.iter().any(|column| column.name == name))
    }

    /// The columns of these hellos.
    pub fn of(offer: Option<&Offer>, answer: Option<&Answer>) -> Self {
        let list =
            |of: fn(&Offer) -> Option<&Box<[u16]>>| offer.and_then(of).map(|list| list.to_vec());
        let [ja4, ja4_r] = [0, 1].map(|at| offer.map(|offer| offer.ja4[at].to_string()));
        Self {
            ja3_string: offer.map(|offer| offer.ja3.to_string()),
            ja3s_string: answer.map(|answer| answer.ja3s.to_string()),
            ja4,
            ja4_r,
            tls_versions_offered: list(|offer| offer.versions.as_ref()),
            tls_ciphers: list(|offer| Some(&offer.ciphers)),
            tls_extensions: list(|offer| Some(&offer.extensions)),
            tls_groups: list(|offer| offer.groups.as_ref()),
            tls_sig_algs: list(|offer| offer.signatures.as_ref()),
            tls_alpn_offered: offer.map(|offer| {
                offer
                    .protocols
                    .iter()
                    .map(|name| name.to_string())
                    .collect()
            }),
            tls_cipher_suite_name: answer.map(|answer| match tls::cipher_name(answer.cipher) {
                Some(name) => Cow::Borrowed(name),
                None => Cow::Owned(format!("unknown(0x{:04x})", answer.cipher)),
            }),
            tls_ech: offer.map(|offer| offer.has_encrypted_hello),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn extension(kind: u16, body: &[u8]) -> Vec<u8> {
        let fields = [kind, body.len() as u16].map(u16::to_be_bytes).concat();
        [&fields, body].concat()
    }

    fn hello(choice: &[u8], extensions: &[Vec<u8>]) -> Vec<u8> {
        let block = extensions.concat();
        let length = (block.len() as u16).to_be_bytes();
        [&[3, 3][..], &[7; 32], &[0], choice, &length, &block].concat()
    }

    #[test]
    fn hellos_in_full() {
        let offered = hello(
            &[0, 6, 0x1a, 0x1a, 0x13, 0x01, 0xc0, 0x2f, 1, 0],
            &[
                extension(0x2a2a, &[]),
                extension(10, &[0, 4, 0x3a, 0x3a, 0, 29]),
                extension(13, &[0, 2, 4, 3]),
                extension(16, b"\0\x06\x02h2\x02a%"),
                extension(43, &[6, 0x0a, 0x0a, 3, 4, 3, 3]),
                extension(0xfe0d, &[0]),
            ],
        );
        let chosen = hello(&[0x13, 0x01, 0], &[extension(43, &[3, 4])]);
        let offer = Offer::new(&ClientHello::read(&offered).expect("a hello"), 'q');
        let answer = Answer::new(&ServerHello::read(&chosen).expect("a hello"));
        assert!(offer.heap_bytes() > 0 && answer.heap_bytes() == answer.ja3s.len());
        let row = TlsHello::of(Some(&offer), Some(&answer));
        assert_eq!(
            row.ja3_string.as_deref(),
            Some("771,4865-49199,10-13-16-43-65037,29,")
        );
        assert_eq!(row.ja3s_string.as_deref(), Some("771,4865,43"));
        assert_eq!(
            row.ja4_r.as_deref(),
            Some("q13i0205h2_1301,c02f_000a,000d,002b,fe0d_0403")
        );
        let (ja4, ja4_r) = (row.ja4.expect("JA4"), row.ja4_r.expect("JA4"));
        assert_eq!((ja4.len(), &ja4[..10]), (36, &ja4_r[..10]));
        assert_eq!(row.tls_versions_offered, Some(vec![0x0304, 0x0303]));
        assert_eq!(row.tls_ciphers, Some(vec![0x1a1a, 0x1301, 0xc02f]));
        assert_eq!(
            row.tls_extensions,
            Some(vec![0x2a2a, 10, 13, 16, 43, 0xfe0d])
        );
        assert_eq!(row.tls_groups, Some(vec![0x3a3a, 29]));
        assert_eq!(row.tls_sig_algs, Some(vec![0x0403]));
        assert_eq!(
            row.tls_alpn_offered,
            Some(vec!["h2".to_owned(), "a%25".to_owned()])
        );
        assert_eq!(
            row.tls_cipher_suite_name.as_deref(),
            Some("TLS_AES_128_GCM_SHA256")
        );
        assert_eq!(row.tls_ech, Some(true));
    }

    #[test]
    fn what_is_not_there_is_null() {
        let bare = hello(&[0, 2, 0, 0x2f, 1, 0], &[]);
        let offer = Offer::new(&ClientHello::read(&bare).expect("a hello"), 't');
        let row = TlsHello::of(Some(&offer), None);
        assert_eq!((row.tls_groups, row.tls_versions_offered), (None, None));
        assert_eq!(
            (row.tls_extensions, row.tls_ech),
            (Some(vec![]), Some(false))
        );
        assert_eq!((row.ja3s_string, row.tls_cipher_suite_name), (None, None));
        assert_eq!(row.tls_alpn_offered, Some(vec![]));
        assert_eq!(TlsHello::of(None, None).ja4, None);
    }
}
