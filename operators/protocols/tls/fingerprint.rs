//! Fingerprints of hellos: JA3 and JA3S (Salesforce), JA4 (FoxIO). Values that stand for nothing (GREASE) are left out.

use super::hello::{ClientHello, ServerHello, is_grease};
use crate::protocols::text::{hex, push_decimal};
use md5::{Digest, Md5};
use sha2::Sha256;
use std::fmt::Write;

/// Numbers in decimal with `-` between them, GREASE left out, added to a text.
fn decimal(text: &mut String, numbers: impl Iterator<Item = u16>) {
    let mut separator = "";
    for number in numbers.filter(|number| !is_grease(*number)) {
        text.push_str(separator);
        push_decimal(text, number);
        separator = "-";
    }
}

/// The text of JA3: version, ciphers, extensions, groups and point formats.
pub fn ja3_text(hello: &ClientHello<'_>) -> String {
    let mut text = format!("{},", hello.version);
    decimal(&mut text, hello.ciphers());
    text.push(',');
    decimal(&mut text, hello.extensions.types());
    text.push(',');
    decimal(&mut text, hello.groups());
    text.push(',');
    decimal(
        &mut text,
        hello.point_formats().iter().copied().map(u16::from),
    );
    text
}

/// JA3 of a ClientHello: the MD5 of its text.
pub fn ja3(hello: &ClientHello<'_>) -> [u8; 16] {
    Md5::digest(ja3_text(hello)).into()
}

/// JA3S of a ServerHello: the MD5 of its text.
pub fn ja3s(hello: &ServerHello<'_>) -> [u8; 16] {
    Md5::digest(ja3s_text(hello)).into()
}

/// The text of JA3S: version, cipher and extensions, GREASE and all.
pub fn ja3s_text(hello: &ServerHello<'_>) -> String {
    let mut text = format!("{},{},", hello.version, hello.cipher);
    for (at, kind) in hello.extensions.types().enumerate() {
        let _ = write!(text, "{}{kind}", if at > 0 { "-" } else { "" });
    }
    text
}

/// JA4 of a ClientHello that came over TCP (`t`), QUIC (`q`) or DTLS (`d`).
pub fn ja4(hello: &ClientHello<'_>, transport: char) -> String {
    let (ciphers, extensions) = ja4_texts(hello);
    let hashed = |text: &str| match text {
        "" => "000000000000".to_owned(),
        text => {
            let digits = hex(&Sha256::digest(text));
            digits.get(..12).unwrap_or_default().to_owned()
        }
    };
    format!(
        "{}_{}_{}",
        ja4_start(hello, transport),
        hashed(&ciphers),
        hashed(&extensions)
    )
}

/// The same with the texts of the second and third part instead of their hashes.
pub fn ja4_r(hello: &ClientHello<'_>, transport: char) -> String {
    let (ciphers, extensions) = ja4_texts(hello);
    format!("{}_{ciphers}_{extensions}", ja4_start(hello, transport))
}

/// The first part of JA4.
fn ja4_start(hello: &ClientHello<'_>, transport: char) -> String {
    let offered = hello.versions().filter(|version| !is_grease(*version));
    // DTLS counts downwards
    let offered = match hello.version >> 8 {
        0xFE => offered.min(),
        _ => offered.max(),
    };
    let version = version_digits(offered.unwrap_or(hello.version));
    let name = if hello.extensions.has(0) { 'd' } else { 'i' };
    let count = |numbers: &mut dyn Iterator<Item = u16>| {
        numbers.filter(|number| !is_grease(*number)).count().min(99)
    };
    let ciphers = count(&mut hello.ciphers());
    let extensions = count(&mut hello.extensions.types());
    let protocol = match hello.extensions.protocols().next() {
        None | Some([]) => ['0', '0'],
        Some(name) => ends(name),
    };
    let [first, last] = protocol;
    format!("{transport}{version}{name}{ciphers:02}{extensions:02}{first}{last}")
}

/// A version in two characters.
pub(crate) fn version_digits(version: u16) -> &'static str {
    match version {
        0x0304 => "13",
        0x0303 => "12",
        0x0302 => "11",
        0x0301 => "10",
        0x0300 => "s3",
        0x0002 => "s2",
        0xFEFF => "d1",
        0xFEFD => "d2",
        0xFEFC => "d3",
        _ => "00",
    }
}

/// First and last character of the name of a protocol; of its hexadecimal form where one of them is no letter or digit.
pub(crate) fn ends(name: &[u8]) -> [char; 2] {
    let (first, last) = (name.first().copied(), name.last().copied());
    let (first, last) = (first.unwrap_or_default(), last.unwrap_or_default());
    if first.is_ascii_alphanumeric() && last.is_ascii_alphanumeric() {
        return [first, last].map(char::from);
    }
    let digit = |half: u8| char::from_digit(half.into(), 16).unwrap_or('0');
    [digit(first >> 4), digit(last & 15)]
}

/// The texts that JA4 hashes: sorted ciphers; sorted extensions without names of hosts and protocols, then signature algorithms.
fn ja4_texts(hello: &ClientHello<'_>) -> (String, String) {
    let hex = |numbers: &[u16]| {
        let texts: Vec<String> = numbers.iter().map(|n| format!("{n:04x}")).collect();
        texts.join(",")
    };
    let kept = |numbers: &mut dyn Iterator<Item = u16>| -> Vec<u16> {
        numbers.filter(|number| !is_grease(*number)).collect()
    };
    let mut ciphers = kept(&mut hello.ciphers());
    ciphers.sort_unstable();
    let mut extensions = kept(&mut hello.extensions.types());
    extensions.retain(|kind| !matches!(kind, 0 | 16));
    extensions.sort_unstable();
    let signatures = kept(&mut hello.signatures());
    let mut text = hex(&extensions);
    if !signatures.is_empty() && !text.is_empty() {
        text.push('_');
        text.push_str(&hex(&signatures));
    }
    (hex(&ciphers), text)
}
