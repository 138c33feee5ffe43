//! The leaf certificate of a TLS handshake: columns of the group `tls` that the reference lacks.
//!
//! Only up to TLS 1.2, where certificates are in clear. No signature and no chain is checked. `tls.rs` says which is the leaf.

use super::extractor::Wanted;
use crate::protocols::text;
use crate::protocols::x509::Certificate;
use crate::schema::Features;
use sha2::{Digest as _, Sha256};

/// Further columns of group `tls`, in output order: of the first certificate in the Certificate message that tls_cert_count counts. Texts
/// are the bytes of their value, those outside 0x20..0x7e and "%" as %XX, 256 bytes at most.
#[derive(Default, Features)]
#[features(group = "tls", profile = "JF-EXTRA", source = "RFC 5280")]
pub struct TlsCertificate {
    /// First common name (2.5.4.3) of the subject.
    #[column(
        private = "name",
        scope = "bwd",
        split = "no",
        null = "no leaf that can be read or no common name in it"
    )]
    pub cert_subject_cn: Option<String>,
    /// First common name of the issuer.
    #[column(
        scope = "bwd",
        split = "no",
        null = "no leaf that can be read or no common name in it"
    )]
    pub cert_issuer_cn: Option<String>,
    /// First organization (2.5.4.10) of the issuer.
    #[column(
        scope = "bwd",
        split = "no",
        null = "no leaf that can be read or no organization in it"
    )]
    pub cert_issuer_o: Option<String>,
    /// DNS names of subjectAltName in order, 64 at most.
    #[column(
        private = "name",
        scope = "bwd",
        split = "no",
        null = "no leaf that can be read"
    )]
    pub cert_san_dns: Option<Vec<String>>,
    /// Start of the validity, since 1970.
    #[column(
        unit = "s",
        scope = "bwd",
        split = "no",
        null = "no leaf that can be read, or a time before 1970"
    )]
    pub cert_not_before: Option<i64>,
    /// End of the validity, since 1970.
    #[column(
        unit = "s",
        scope = "bwd",
        split = "no",
        null = "no leaf that can be read, or a time before 1970"
    )]
    pub cert_not_after: Option<i64>,
    /// cert_not_after - cert_not_before.
    #[column(
        unit = "days",
        scope = "bwd",
        split = "no",
        null = "one of them is null"
    )]
    pub cert_validity_days: Option<f64>,
    /// Kind and bits of the key: "rsa 2048", "dsa 1024", "ecdsa 256", "ed25519 256", "ed448 456"; without bits where they are not known;
    /// else the dotted object identifier.
    #[column(scope = "bwd", split = "no", null = "no leaf that can be read")]
    pub cert_key_type: Option<String>,
    /// Algorithm of the signature as RFC 3279, 4055, 5758 and 8410 name it ("sha256WithRSAEncryption"), else the dotted object
    /// identifier.
    #[column(scope = "bwd", split = "no", null = "no leaf that can be read")]
    pub cert_sig_alg: Option<String>,
    /// Subject and issuer are the same bytes.
    #[column(scope = "bwd", split = "no", null = "no leaf that can be read")]
    pub cert_self_signed: Option<bool>,
    /// SHA-256 of the leaf, hex.
    #[column(
        scope = "bwd",
        split = "no",
        null = "no whole Certificate message or no certificate in it"
    )]
    pub cert_sha256: Option<String>,
    /// start_time is before cert_not_before or behind cert_not_after (the clock of the capture, not that of the analysis).
    #[column(scope = "flow", null = "one of them is null")]
    pub cert_expired_at_start: Option<bool>,
}

/// Bytes kept of a text.
const TEXT: usize = 256;
/// Names kept.
const NAMES: usize = 64;

/// What is kept of a leaf.
pub struct Leaf {
    hash: [u8; 32],
    read: Option<Read>,
}

/// What could be read of it.
struct Read {
    subject: Option<Box<str>>,
    issuer: Option<Box<str>>,
    organization: Option<Box<str>>,
    names: Box<[Box<str>]>,
    validity: [Option<i64>; 2],
    key: Option<Box<str>>,
    signature: Option<Box<str>>,
    is_self_signed: bool,
}

fn shown(bytes: &[u8]) -> Box<str> {
    let bytes = bytes.get(..TEXT).unwrap_or(bytes);
    text::percent(bytes, |byte| matches!(byte, b' '..=b'~') && byte != b'%').into()
}

impl Leaf {
    /// Of a certificate in DER.
    pub fn new(der: &[u8]) -> Self {
        Self {
            hash: Sha256::digest(der).into(),
            read: Certificate::read(der).map(|certificate| Read {
                subject: certificate.subject.common_name().map(shown),
                issuer: certificate.issuer.common_name().map(shown),
                organization: certificate.issuer.organization().map(shown),
                names: certificate.dns_names().take(NAMES).map(shown).collect(),
                validity: certificate.validity(),
                key: certificate.key().map(Into::into),
                signature: certificate.signature_algorithm().map(Into::into),
                is_self_signed: certificate.issuer == certificate.subject,
            }),
        }
    }

    /// Heap bytes held.
    pub fn heap_bytes(&self) -> usize {
        self.read.as_ref().map_or(0, |read| {
            let texts = [&read.subject, &read.issuer, &read.organization];
            let texts = texts.into_iter().chain([&read.key, &read.signature]);
            let texts: usize = texts.flatten().map(|text| text.len()).sum();
            let names = read.names.iter();
            texts
                + names
                    .map(|name| size_of::<Box<str>>() + name.len())
                    .sum::<usize>()
        })
    }
}

impl TlsCertificate {
    /// Whether somebody wants one of the columns.
    pub fn is_wanted(wanted: &Wanted) -> bool {
        let columns = Self::schema();
        wanted.any(|name| columns.iter().any(|column| column.name == name))
    }

    /// The columns of a leaf in a record that starts at this time, ns since 1970.
    pub fn of(leaf: &Leaf, start: i64) -> Self {
        let cert_sha256 = Some(text::hex(&leaf.hash));
        let Some(read) = &leaf.read else {
            return Self {
                cert_sha256,
                ..Self::default()
            };
        };
        let text = |text: &Option<Box<str>>| text.as_deref().map(str::to_owned);
        let [before, after] = read.validity;
        let both = before.zip(after);
        let start = start.div_euclid(1_000_000_000);
        Self {
            cert_subject_cn: text(&read.subject),
            cert_issuer_cn: text(&read.issuer),
            cert_issuer_o: text(&read.organization),
            cert_san_dns: Some(read.names.iter().map(|name| name.to_string()).collect()),
            cert_not_before: before,
            cert_not_after: after,
            cert_validity_days: both.map(|(before, after)| (after - before) as f64 / 86_400.0),
            cert_key_type: text(&read.key),
            cert_sig_alg: text(&read.signature),
            cert_self_signed: Some(read.is_self_signed),
            cert_sha256,
            cert_expired_at_start: both.map(|(before, after)| !(before..=after).contains(&start)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_read_has_a_hash() {
        let row = TlsCertificate::of(&Leaf::new(b"abc"), 0);
        // FIPS 180-2 appendix B.1
        let hash = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!(row.cert_sha256.as_deref(), Some(hash));
        assert_eq!((row.cert_subject_cn, row.cert_san_dns), (None, None));
    }

    #[test]
    fn validity_is_that_of_the_capture() {
        let read = Read {
            subject: Some(shown(b"a%\xff b")),
            issuer: None,
            organization: None,
            names: Box::default(),
            validity: [Some(86_400), Some(3 * 86_400)],
            key: None,
            signature: None,
            is_self_signed: false,
        };
        let leaf = Leaf {
            hash: [0; 32],
            read: Some(read),
        };
        let at = |seconds: i64| TlsCertificate::of(&leaf, seconds * 1_000_000_000);
        assert_eq!(at(0).cert_expired_at_start, Some(true));
        assert_eq!(at(86_400).cert_expired_at_start, Some(false));
        assert_eq!(at(3 * 86_400).cert_expired_at_start, Some(false));
        assert_eq!(at(3 * 86_400 + 1).cert_expired_at_start, Some(true));
        assert_eq!(at(0).cert_validity_days, Some(2.0));
        assert_eq!(at(0).cert_subject_cn.as_deref(), Some("a%25%FF b"));
        assert!(leaf.heap_bytes() > 0);
    }
}
