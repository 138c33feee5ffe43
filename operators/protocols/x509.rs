//! X.509 certificates (RFC 5280): names, times, keys and algorithms of one in DER.
//!
//! Reads tags and lengths with the crate `der`, value by value, so that a certificate with one strange field still says the rest.
//! Checks no signature and no chain. Names of algorithms are those of RFC 3279, 4055, 5758, 8410.

use der::asn1::{AnyRef, GeneralizedTime, ObjectIdentifier, UtcTime};
use der::{Decode as _, Reader as _, SliceReader, Tag, TagNumber, Tagged as _};

/// Attributes of names (X.520).
const COMMON_NAME: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.4.3");
const ORGANIZATION: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.4.10");
/// Extension subjectAltName, and its choice dNSName.
const ALTERNATIVE_NAMES: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.29.17");
const DNS_NAME: Tag = Tag::ContextSpecific {
    constructed: false,
    number: TagNumber(2),
};
/// What extensions stand behind.
const EXTENSIONS: Tag = Tag::ContextSpecific {
    constructed: true,
    number: TagNumber(3),
};

/// What is read of a certificate; borrows from its bytes.
#[derive(Clone, Copy, Debug)]
pub struct Certificate<'a> {
    /// The serial number, as it is encoded.
    pub serial: &'a [u8],
    signature: &'a [u8],
    /// The name of who signed it.
    pub issuer: Name<'a>,
    validity: &'a [u8],
    /// Whose it is.
    pub subject: Name<'a>,
    key: &'a [u8],
    extensions: &'a [u8],
}

/// A distinguished name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Name<'a>(&'a [u8]);

/// The next value, whatever it is.
fn next<'a>(reader: &mut SliceReader<'a>) -> Option<AnyRef<'a>> {
    if reader.is_finished() {
        return None;
    }
    AnyRef::decode(reader).ok()
}

/// The content of the next value, which must have this tag.
fn of<'a>(reader: &mut SliceReader<'a>, tag: Tag) -> Option<&'a [u8]> {
    next(reader)
        .filter(|value| value.tag() == tag)
        .map(AnyRef::value)
}

fn reader(bytes: &[u8]) -> Option<SliceReader<'_>> {
    SliceReader::new(bytes).ok()
}

fn values(bytes: &[u8]) -> impl Iterator<Item = AnyRef<'_>> {
    let mut reader = reader(bytes);
    std::iter::from_fn(move || next(reader.as_mut()?))
}

/// The object identifier that a value is.
fn identifier(value: AnyRef<'_>) -> Option<ObjectIdentifier> {
    let content = Some(value.value()).filter(|_| value.tag() == Tag::ObjectIdentifier)?;
    ObjectIdentifier::from_bytes(content).ok()
}

impl<'a> Certificate<'a> {
    /// Reads a certificate; `None` where its fields do not follow each other as they must.
    pub fn read(der: &'a [u8]) -> Option<Self> {
        let mut whole = reader(of(&mut reader(der)?, Tag::Sequence)?)?;
        let mut fields = reader(of(&mut whole, Tag::Sequence)?)?;
        let mut serial = next(&mut fields)?;
        if serial.tag() != Tag::Integer {
            // a version before it; without one it is version 1
            serial = next(&mut fields).filter(|value| value.tag() == Tag::Integer)?;
        }
        let serial = serial.value();
        let signature = of(&mut fields, Tag::Sequence)?;
        let issuer = Name(of(&mut fields, Tag::Sequence)?);
        let validity = of(&mut fields, Tag::Sequence)?;
        let subject = Name(of(&mut fields, Tag::Sequence)?);
        let key = of(&mut fields, Tag::Sequence)?;
        // unique identifiers may come before them
        let extensions = std::iter::from_fn(|| next(&mut fields)).last();
        let extensions = extensions.filter(|value| value.tag() == EXTENSIONS);
        Some(Self {
            serial,
            signature,
            issuer,
            validity,
            subject,
            key,
            extensions: extensions.map_or(&[], AnyRef::value),
        })
    }

    /// When it begins and ends to be valid, s since 1970; `None` where a time cannot be read or is before 1970.
    pub fn validity(&self) -> [Option<i64>; 2] {
        let mut times = values(self.validity);
        [(); 2].map(|()| seconds(times.next()?))
    }

    /// The name of the algorithm it is signed with, else the dotted identifier.
    pub fn signature_algorithm(&self) -> Option<String> {
        algorithm(self.signature)
    }

    /// Kind and size of its key: `rsa 2048`, `ecdsa 256`, `ed25519 256`; else the dotted identifier of the algorithm.
    pub fn key(&self) -> Option<String> {
        let mut parts = values(self.key);
        let algorithm = parts.next().filter(|part| part.tag() == Tag::Sequence)?;
        let mut algorithm = values(algorithm.value());
        let kind = identifier(algorithm.next()?)?.to_string();
        // the first byte says how many bits of the last are unused
        let bits = parts.next().filter(|part| part.tag() == Tag::BitString);
        let bits = bits.and_then(|bits| bits.value().get(1..)).unwrap_or(&[]);
        let sized = |name: &str, size: Option<usize>| match size {
            Some(size) => format!("{name} {size}"),
            None => name.to_owned(),
        };
        Some(match kind.as_str() {
            "1.2.840.113549.1.1.1" | "1.2.840.113549.1.1.10" => sized("rsa", modulus(bits)),
            "1.2.840.10040.4.1" => {
                let prime = algorithm.next().filter(|part| part.tag() == Tag::Sequence);
                let prime = prime.and_then(|part| values(part.value()).next());
                sized("dsa", prime.and_then(|prime| length(prime)))
            }
            "1.2.840.10045.2.1" => {
                let curve = algorithm.next().and_then(identifier);
                sized(
                    "ecdsa",
                    curve.and_then(|curve| curve_size(&curve.to_string())),
                )
            }
            "1.3.101.112" => "ed25519 256".to_owned(),
            "1.3.101.113" => "ed448 456".to_owned(),
            _ => kind,
        })
    }

    /// The DNS names among its alternative names, in order.
    pub fn dns_names(&self) -> impl Iterator<Item = &'a [u8]> {
        let mut extensions = values(self.extensions).flat_map(|list| values(list.value()));
        let names = extensions.find_map(|extension| {
            let mut parts = values(extension.value());
            let kind = parts.next().and_then(identifier)?;
            // whether it is critical may come between
            let body = parts.last().filter(|_| kind == ALTERNATIVE_NAMES)?;
            let body = Some(body).filter(|body| body.tag() == Tag::OctetString)?;
            values(body.value()).next().map(AnyRef::value)
        });
        let names = values(names.unwrap_or(&[]));
        let names = names.filter(|name| name.tag() == DNS_NAME);
        names.map(AnyRef::value)
    }
}

impl<'a> Certificate<'a> {
    /// The kinds of its extensions in order: the content of their object identifiers.
    pub fn extension_kinds(&self) -> impl Iterator<Item = &'a [u8]> {
        let extensions = values(self.extensions).flat_map(|list| values(list.value()));
        extensions.filter_map(kind_of)
    }
}

/// The content of the object identifier that opens a sequence.
fn kind_of(sequence: AnyRef<'_>) -> Option<&[u8]> {
    let first = values(sequence.value()).next()?;
    (first.tag() == Tag::ObjectIdentifier).then(|| first.value())
}

impl<'a> Name<'a> {
    /// The kinds of its attributes in order: the content of their object identifiers.
    pub fn kinds(self) -> impl Iterator<Item = &'a [u8]> {
        let attributes = values(self.0).flat_map(|set| values(set.value()));
        attributes.filter_map(kind_of)
    }

    /// The bytes of the first attribute of this kind, as they are encoded.
    fn attribute(self, kind: ObjectIdentifier) -> Option<&'a [u8]> {
        let attributes = values(self.0).flat_map(|set| values(set.value()));
        let mut attributes = attributes.map(|attribute| values(attribute.value()));
        attributes.find_map(|mut parts| {
            let found = parts.next().and_then(identifier)?;
            parts.next().filter(|_| found == kind).map(AnyRef::value)
        })
    }

    /// The first common name.
    pub fn common_name(self) -> Option<&'a [u8]> {
        self.attribute(COMMON_NAME)
    }

    /// The first organization.
    pub fn organization(self) -> Option<&'a [u8]> {
        self.attribute(ORGANIZATION)
    }
}

/// A time, s since 1970.
fn seconds(time: AnyRef<'_>) -> Option<i64> {
    let since = match time.tag() {
        Tag::UtcTime => time.decode_as::<UtcTime>().ok()?.to_unix_duration(),
        Tag::GeneralizedTime => time.decode_as::<GeneralizedTime>().ok()?.to_unix_duration(),
        _ => return None,
    };
    i64::try_from(since.as_secs()).ok()
}

/// Bits of an integer above 0.
fn length(integer: AnyRef<'_>) -> Option<usize> {
    let bytes = Some(integer.value()).filter(|_| integer.tag() == Tag::Integer)?;
    let zeros = bytes.iter().take_while(|byte| **byte == 0).count();
    let bytes = bytes.get(zeros..)?;
    let first = bytes.first()?.leading_zeros() as usize;
    bytes.len().checked_mul(8)?.checked_sub(first)
}

/// Bits of the modulus of an RSA key.
fn modulus(key: &[u8]) -> Option<usize> {
    let key = values(key)
        .next()
        .filter(|key| key.tag() == Tag::Sequence)?;
    values(key.value()).next().and_then(length)
}

/// Bits of a named curve (RFC 5480, RFC 5639, SEC 2).
fn curve_size(curve: &str) -> Option<usize> {
    Some(match curve {
        "1.2.840.10045.3.1.1" => 192,
        "1.3.132.0.33" | "1.3.36.3.3.2.8.1.1.5" => 224,
        "1.2.840.10045.3.1.7" | "1.3.132.0.10" | "1.3.36.3.3.2.8.1.1.7" => 256,
        "1.3.36.3.3.2.8.1.1.9" => 320,
        "1.3.132.0.34" | "1.3.36.3.3.2.8.1.1.11" => 384,
        "1.3.36.3.3.2.8.1.1.13" => 512,
        "1.3.132.0.35" => 521,
        _ => return None,
    })
}

/// Name of the algorithm of a signature.
fn algorithm(sequence: &[u8]) -> Option<String> {
    let dotted = identifier(values(sequence).next()?)?.to_string();
    let name = match dotted.as_str() {
        "1.2.840.113549.1.1.2" => "md2WithRSAEncryption",
        "1.2.840.113549.1.1.4" => "md5WithRSAEncryption",
        "1.2.840.113549.1.1.5" => "sha1WithRSAEncryption",
        "1.2.840.113549.1.1.10" => "rsassaPss",
        "1.2.840.113549.1.1.11" => "sha256WithRSAEncryption",
        "1.2.840.113549.1.1.12" => "sha384WithRSAEncryption",
        "1.2.840.113549.1.1.13" => "sha512WithRSAEncryption",
        "1.2.840.113549.1.1.14" => "sha224WithRSAEncryption",
        "1.2.840.10040.4.3" => "dsa-with-SHA1",
        "2.16.840.1.101.3.4.3.2" => "dsa-with-SHA256",
        "1.2.840.10045.4.1" => "ecdsa-with-SHA1",
        "1.2.840.10045.4.3.1" => "ecdsa-with-SHA224",
        "1.2.840.10045.4.3.2" => "ecdsa-with-SHA256",
        "1.2.840.10045.4.3.3" => "ecdsa-with-SHA384",
        "1.2.840.10045.4.3.4" => "ecdsa-with-SHA512",
        "1.3.101.112" => "ED25519",
        "1.3.101.113" => "ED448",
        _ => return Some(dotted),
    };
    Some(name.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Made with OpenSSL 3.0: a P-256 key signed by an RSA key, names and an address, from 2026-11-30 03:20:57 on for 90 days.
    const LEAF: &str = concat!(
        "308201fa30820163a003020102020107300d06092a864886f70d01010b0500302d31163014060355040a0c0d4578616d706c6520547275",
        "73743113301106035504030c0a4578616d706c65204341301e170d3236313133303033323035375a170d3237303232383033323035375a",
        "3033310b30090603550406130258583110300e060355040a0c074578616d706c653112301006035504030c09612e6578616d706c653059",
        "301306072a8648ce3d020106082a8648ce3d03010703420004ee64b314d1852a88fa872ce4b3adc5a9240bb87148f163ff814476422906",
        "97922da09821696e6da5af189f76d93abf006d05b5f143e409a7ad7d80aa213de580a36b306930270603551d110420301e8209612e6578",
        "616d706c658704c0000201820b2a2e622e6578616d706c65301d0603551d0e04160414e9e49263f2bba90e4d3fe22eff4aa399f2ad4c6f",
        "301f0603551d23041830168014d18f7b2c2abe232a2c87773ef5a632273255b946300d06092a864886f70d01010b050003818100b71eff",
        "c29334b6c456ddb4d5dfa65da57eaac4d22d17e713ae464ea3bab1b7c4c15b2a4714beba2ce82a2a0a93309aee92750e9117dfdd8774fe",
        "328fb297d94bf45a02505e0eb17dc4cd2c8afedf7d3c1d7edcd42d16da9a4f811e125a01f9bcfc37bd5ce1fb9e0c0db41e7dbf7ae55927",
        "c85c0a40331280c250b5ca7f50854c",
    );
    /// The same, Ed25519, signed by itself.
    const SELF: &str = concat!(
        "308201213081d4a003020102020101300506032b6570300f310d300b06035504030c0473656c663020170d323631313330303332313436",
        "5a180f32303539313030383033323134365a300f310d300b06035504030c0473656c66302a300506032b65700321000e372ec732d09376",
        "9efa40e646d2bbbad115b17bfc1a9666bf47e9968a7c2442a3533051301d0603551d0e041604148d115b478cfbbcb0c2ef2a9876f0b1f9",
        "272a5925301f0603551d230418301680148d115b478cfbbcb0c2ef2a9876f0b1f9272a5925300f0603551d130101ff040530030101ff30",
        "0506032b657003410042aad2cd36fb7be1c85434750c7c7771ea1c647023b8726a2a08d8944960f73ab2e8367942ce5223e4d60045d17d",
        "57d1c01a161a355ee0f698565572dc436a02",
    );

    fn bytes(hex: &str) -> Vec<u8> {
        let digits = hex.as_bytes().chunks(2);
        let digits = digits.map(|pair| std::str::from_utf8(pair).expect("ASCII"));
        let bytes = digits.map(|pair| u8::from_str_radix(pair, 16).expect("digits"));
        bytes.collect()
    }

    #[test]
    fn a_certificate_says_what_openssl_says() {
        let der = bytes(LEAF);
        let leaf = Certificate::read(&der).expect("a certificate");
        assert_eq!(leaf.serial, [7]);
        assert_eq!(leaf.subject.common_name(), Some(&b"a.example"[..]));
        assert_eq!(leaf.subject.organization(), Some(&b"Example"[..]));
        assert_eq!(leaf.issuer.common_name(), Some(&b"Example CA"[..]));
        assert_eq!(leaf.issuer.organization(), Some(&b"Example Trust"[..]));
        assert_eq!(leaf.validity(), [Some(1_796_008_857), Some(1_803_784_857)]);
        assert_eq!(leaf.key().as_deref(), Some("ecdsa 256"));
        let signature = leaf.signature_algorithm();
        assert_eq!(signature.as_deref(), Some("sha256WithRSAEncryption"));
        let names: Vec<&[u8]> = leaf.dns_names().collect();
        assert_eq!(names, [&b"a.example"[..], b"*.b.example"]);
        assert_ne!(leaf.subject, leaf.issuer);
        let der = bytes(SELF);
        let own = Certificate::read(&der).expect("a certificate");
        assert_eq!(own.subject, own.issuer);
        assert_eq!(own.key().as_deref(), Some("ed25519 256"));
        assert_eq!(own.signature_algorithm().as_deref(), Some("ED25519"));
        assert_eq!(own.dns_names().count(), 0);
    }

    #[test]
    fn a_cut_certificate_is_none() {
        let der = bytes(LEAF);
        for end in 0..der.len() {
            assert!(Certificate::read(&der[..end]).is_none(), "{end} bytes");
        }
        assert!(Certificate::read(&[0x30, 0x03, 0x30, 0x01, 0x02]).is_none());
    }
}
