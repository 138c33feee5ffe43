//! The data of answer records as text, as zone files write it (RFC 1035 section 5, RFC 3597 section 5).
//!
//! Names may be compressed in the types that RFC 1035 knew, and are read so in SRV and DNAME too.

use super::super::reader::Reader;
use super::super::text::hex;
use super::{Message, name, write_label};
use std::fmt::Write;
use std::net::{Ipv4Addr, Ipv6Addr};

/// Types whose data is written out.
mod kind {
    pub const A: u16 = 1;
    pub const NS: u16 = 2;
    pub const CNAME: u16 = 5;
    pub const PTR: u16 = 12;
    pub const MX: u16 = 15;
    pub const TXT: u16 = 16;
    pub const AAAA: u16 = 28;
    pub const SRV: u16 = 33;
    pub const DNAME: u16 = 39;
}

impl<'a> Message<'a> {
    /// The data of the answers, up to the first record that cannot be read.
    pub fn answers(&self) -> impl Iterator<Item = String> + '_ {
        let mut at = self.records;
        let answers = (0..self.counts[1]).map_while(move |_| {
            let (record, behind) = self.record(at)?;
            at = behind;
            Some((record.kind, record.data_at, record.data))
        });
        answers.map(|(kind, at, data)| self.data(kind, at, data))
    }

    fn data(&self, kind: u16, at: usize, data: &[u8]) -> String {
        let mut reader = Reader::new(data);
        let known = match kind {
            kind::A => data
                .try_into()
                .ok()
                .map(|bytes: [u8; 4]| Ipv4Addr::from(bytes).to_string()),
            kind::AAAA => data
                .try_into()
                .ok()
                .map(|bytes: [u8; 16]| Ipv6Addr::from(bytes).to_string()),
            kind::NS | kind::CNAME | kind::PTR | kind::DNAME => self.name_text(at),
            kind::MX => reader.u16().and_then(|preference| {
                let name = self.name_text(at.checked_add(2)?)?;
                Some(format!("{preference} {name}"))
            }),
            kind::SRV => [(); 3]
                .map(|()| reader.u16())
                .into_iter()
                .collect::<Option<Vec<u16>>>()
                .and_then(|numbers| {
                    let name = self.name_text(at.checked_add(6)?)?;
                    let mut text = String::new();
                    for number in numbers {
                        let _ = write!(text, "{number} ");
                    }
                    Some(text + &name)
                }),
            kind::TXT => strings(data),
            _ => None,
        };
        known.unwrap_or_else(|| format!("\\# {} {}", data.len(), hex(data)))
    }

    fn name_text(&self, at: usize) -> Option<String> {
        let mut text = String::new();
        name(self.bytes, at, |label| write_label(&mut text, 0, label))?;
        Some(if text.is_empty() {
            ".".to_owned()
        } else {
            text
        })
    }
}

/// Strings of TXT, each in quotes; `None` where one is cut.
fn strings(data: &[u8]) -> Option<String> {
    let (mut reader, mut text) = (Reader::new(data), String::new());
    while !reader.is_empty() {
        let string = reader.vector8()?;
        text.push_str(if text.is_empty() { "\"" } else { " \"" });
        for byte in string {
            match byte {
                b'"' | b'\\' => text.extend(['\\', char::from(*byte)]),
                b' '..=b'~' => text.push(char::from(*byte)),
                _ => {
                    let _ = write!(text, "\\{byte:03}");
                }
            }
        }
        text.push('"');
    }
    Some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn data_is_written_out_whole() {
        let long = [0xab; 3000];
        let known = answers(&[
            (65280, &long),
            (16, &[&[200][..], &[b'x'; 200]].concat().repeat(8)),
        ]);
        assert_eq!(known[0], format!("\\# 3000 {}", "ab".repeat(3000)));
        assert_eq!(known[1].len(), 8 * 202 + 7);
    }

    /// The answers of a response to a question for `example.`, each type and data.
    fn answers(records: &[(u16, &[u8])]) -> Vec<String> {
        let mut bytes = vec![0, 1, 0x80, 0, 0, 1, 0, records.len() as u8, 0, 0, 0, 0];
        bytes.extend(b"\x07example\0\0\x01\0\x01");
        for (kind, data) in records {
            bytes.extend([0xc0, 12]);
            bytes.extend(kind.to_be_bytes());
            bytes.extend([0, 1, 0, 0, 0, 60]);
            bytes.extend((data.len() as u16).to_be_bytes());
            bytes.extend(*data);
        }
        Message::read(&bytes).expect("DNS").answers().collect()
    }

    #[test]
    fn data_of_every_known_type() {
        let six = [&[0x20, 1, 0x0d, 0xb8][..], &[0; 11], &[1]].concat();
        assert_eq!(
            answers(&[
                (1, &[192, 0, 2, 1]),
                (28, &six),
                (5, b"\x01A\xc0\x0c"),
                (2, b"\0"),
                (15, b"\0\x0a\x02mx\xc0\x0c"),
                (33, b"\0\x01\0\x02\x01\xbb\x01s\0"),
                (16, b"\x02a\"\x03b\\\xff\0"),
                (257, b"\0\x05issue"),
            ]),
            [
                "192.0.2.1",
                "2001:db8::1",
                "a.example",
                ".",
                "10 mx.example",
                "1 2 443 s",
                r#""a\"" "b\\\255" """#,
                r"\# 7 00056973737565",
            ]
        );
    }

    #[test]
    fn data_that_does_not_parse() {
        let found = answers(&[(1, &[1, 2, 3]), (5, b"\xc0\xff"), (16, &[9, 1]), (1, &[])]);
        assert_eq!(
            found,
            [r"\# 3 010203", r"\# 2 c0ff", r"\# 2 0901", r"\# 0 "]
        );
    }
}
