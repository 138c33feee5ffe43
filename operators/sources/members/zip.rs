//! The directory of a zip archive (APPNOTE.TXT 6.3.10, with zip64): which files are in it and where, and the bytes of one of them.
//!
//! Read by hand: the crate for it keeps the directory whole in memory, and members of one name become one. Stored, deflated and zstd members
//! are read; encrypted ones, and those of other methods, are refused. A directory whose members overlap is refused as a whole: a few bytes
//! would stand for any number of them.

use super::super::archive::Broken;
use super::{Exact, How, LONGEST_NAME, MOST_MEMBERS, Member};
use crate::books::Refused;
use flate2::Crc;
use flate2::read::DeflateDecoder;
use std::fs::File;
use std::io::{self, BufReader, Read, Seek, SeekFrom};
use zstd::stream::read::Decoder as ZstdDecoder;

/// Bytes of the end of the directory, without its comment.
const END: usize = 22;
/// The end of the directory with the longest comment.
const LONGEST_END: u64 = 22 + 0xffff;
const LOCATOR: usize = 20;
const WIDE_END: usize = 56;
const ENTRY: usize = 46;
const LOCAL: usize = 30;

/// How the bytes of a member are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    /// As they are.
    Stored,
    /// Deflated (RFC 1951).
    Deflated,
    /// In Zstandard frames (RFC 8878).
    Zstd,
}

/// Whether bytes start a zip archive.
pub(super) fn is(bytes: &[u8]) -> bool {
    bytes.starts_with(b"PK\x03\x04") || bytes.starts_with(b"PK\x05\x06")
}

fn u16_at(bytes: &[u8], at: usize) -> u16 {
    let field = bytes.get(at..).and_then(|rest| rest.first_chunk());
    field.map_or(0, |field| u16::from_le_bytes(*field))
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    let field = bytes.get(at..).and_then(|rest| rest.first_chunk());
    field.map_or(0, |field| u32::from_le_bytes(*field))
}

fn u64_at(bytes: &[u8], at: usize) -> u64 {
    let field = bytes.get(at..).and_then(|rest| rest.first_chunk());
    field.map_or(0, |field| u64::from_le_bytes(*field))
}

fn damaged(what: &str) -> Broken {
    Broken::Damaged(what.to_owned())
}

/// Where the directory is: its place and bytes.
fn directory(file: &mut (impl Read + Seek)) -> Result<(u64, u64), Broken> {
    let length = file.seek(SeekFrom::End(0)).map_err(Broken::Failed)?;
    let from = length.saturating_sub(LONGEST_END);
    let mut tail = Vec::new();
    file.seek(SeekFrom::Start(from)).map_err(Broken::Failed)?;
    file.take(LONGEST_END)
        .read_to_end(&mut tail)
        .map_err(Broken::Failed)?;
    let is_end = |at: &usize| {
        let end = tail.get(*at..).unwrap_or_default();
        let comment = usize::from(u16_at(end, 20));
        end.starts_with(b"PK\x05\x06") && end.len() == END + comment
    };
    let at = (0..=tail.len().saturating_sub(END)).rev().find(is_end);
    let at = at.ok_or(Broken::Cut)?;
    let end = tail.get(at..).unwrap_or_default();
    let (size, place) = (u32_at(end, 12), u32_at(end, 16));
    if size != u32::MAX && place != u32::MAX && u16_at(end, 10) != u16::MAX {
        return Ok((place.into(), size.into()));
    }
    let locator = at.checked_sub(LOCATOR).and_then(|at| tail.get(at..));
    let Some(locator) = locator.filter(|locator| locator.starts_with(b"PK\x06\x07")) else {
        return Ok((place.into(), size.into()));
    };
    let mut wide = [0; WIDE_END];
    file.seek(SeekFrom::Start(u64_at(locator, 8)))
        .and_then(|_| file.read_exact(&mut wide))
        .map_err(|_| damaged("no end of its directory"))?;
    match wide.starts_with(b"PK\x06\x06") {
        true => Ok((u64_at(&wide, 48), u64_at(&wide, 40))),
        false => Err(damaged("no end of its directory")),
    }
}

/// Adds the files of an archive, in the order of its directory.
///
/// # Errors
/// Why the directory cannot be read to its end; the members before that are there.
pub(super) fn list(file: &mut (impl Read + Seek), members: &mut Vec<Member>) -> Result<(), Broken> {
    let (place, size) = directory(file)?;
    file.seek(SeekFrom::Start(place)).map_err(Broken::Failed)?;
    let mut input = BufReader::new(file.take(size));
    let mut spans = Vec::new();
    let mut left = size;
    let mut entries = 0;
    while left >= ENTRY as u64 {
        let mut entry = [0; ENTRY];
        input.read_exact(&mut entry).map_err(|_| Broken::Cut)?;
        if !entry.starts_with(b"PK\x01\x02") {
            return Err(damaged("an entry of its directory that is none"));
        }
        let lengths = [28, 30, 32].map(|at| usize::from(u16_at(&entry, at)));
        let [name, extra, comment] = lengths;
        let mut texts = vec![0; name + extra + comment];
        input.read_exact(&mut texts).map_err(|_| Broken::Cut)?;
        left = left.saturating_sub((ENTRY + texts.len()) as u64);
        let name = texts.get(..name).unwrap_or_default();
        let extra = texts
            .get(name.len()..name.len() + extra)
            .unwrap_or_default();
        let [bytes, packed, header] = sizes(&entry, extra);
        entries += 1;
        if entries > MOST_MEMBERS {
            return Err(Broken::Unsupported(format!(
                "more than {MOST_MEMBERS} members"
            )));
        }
        spans.push((header, packed));
        let mode = u32_at(&entry, 38) >> 16;
        let is_link = mode & 0xf000 == 0xa000;
        if name.ends_with(b"/") || is_link {
            continue;
        }
        let method = match u16_at(&entry, 10) {
            0 => Ok(Method::Stored),
            8 => Ok(Method::Deflated),
            93 => Ok(Method::Zstd),
            other => Err(format!("compressed by method {other}: unpack it")),
        };
        let is_encrypted = u16_at(&entry, 8) & 1 != 0;
        let how = match method {
            _ if is_encrypted => How::Refused(
                Refused::UnsupportedFormat,
                "encrypted: unpack it".to_owned(),
            ),
            Err(why) => How::Refused(Refused::UnsupportedFormat, why),
            Ok(method) => How::Zip {
                header,
                packed,
                method,
                checksum: u32_at(&entry, 16),
            },
        };
        let name = name.get(..LONGEST_NAME).unwrap_or(name);
        members.push(Member::new(name, bytes, how));
    }
    spans.sort_unstable();
    let overlap = spans.windows(2).any(|pair| match pair {
        [(header, packed), (next, _)] => header
            .checked_add(*packed)
            .and_then(|end| end.checked_add(LOCAL as u64))
            .is_none_or(|end| end > *next),
        _ => false,
    });
    if overlap {
        members.clear();
        return Err(damaged("members that overlap"));
    }
    Ok(())
}

/// Bytes of a member, packed bytes, and the place of its own header; large ones are in an extra field.
fn sizes(entry: &[u8; ENTRY], extra: &[u8]) -> [u64; 3] {
    let mut wide: &[u8] = &[];
    let mut rest = extra;
    while rest.len() >= 4 {
        let (kind, length) = (u16_at(rest, 0), usize::from(u16_at(rest, 2)));
        let field = rest.get(4..4 + length).unwrap_or_default();
        if kind == 1 {
            wide = field;
        }
        rest = rest.get(4 + length..).unwrap_or_default();
    }
    [24, 20, 42].map(|at| match u32_at(entry, at) {
        u32::MAX if wide.len() >= 8 => {
            let value = u64_at(wide, 0);
            wide = wide.get(8..).unwrap_or_default();
            value
        }
        value => value.into(),
    })
}

/// The bytes of a member.
///
/// # Errors
/// The file has no such member there.
pub(super) fn open(
    mut file: File,
    (header, packed): (u64, u64),
    method: Method,
    (bytes, checksum): (u64, u32),
) -> io::Result<Box<dyn Read + Send>> {
    let mut local = [0; LOCAL];
    file.seek(SeekFrom::Start(header))?;
    file.read_exact(&mut local)?;
    if !local.starts_with(b"PK\x03\x04") {
        return Err(io::Error::other(
            "its directory names a member that is not there",
        ));
    }
    let names = u64::from(u16_at(&local, 26)) + u64::from(u16_at(&local, 28));
    let at = header.saturating_add(LOCAL as u64 + names);
    file.seek(SeekFrom::Start(at))?;
    let input = file.take(packed);
    let input: Box<dyn Read + Send> = match method {
        Method::Stored => Box::new(input),
        Method::Deflated => Box::new(DeflateDecoder::new(input)),
        Method::Zstd => {
            let mut decoder = ZstdDecoder::new(input)?;
            decoder.window_log_max(27)?;
            Box::new(decoder)
        }
    };
    Ok(Box::new(Exact::new(
        input,
        bytes,
        Some((Crc::new(), checksum)),
    )))
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use flate2::write::DeflateEncoder;
    use std::io::{Cursor, Write as _};

    /// A member of an archive: name, method, packed bytes, bytes and checksum.
    fn part(name: &str, method: u16, bytes: &[u8]) -> (Vec<u8>, Vec<u8>) {
        let packed = match method {
            8 => {
                let mut encoder = DeflateEncoder::new(Vec::new(), flate2::Compression::best());
                encoder.write_all(bytes).unwrap();
                encoder.finish().unwrap()
            }
            93 => zstd::encode_all(bytes, 1).unwrap(),
            _ => bytes.to_vec(),
        };
        let mut crc = Crc::new();
        crc.update(bytes);
        let mut fields = vec![20, 0, 0, 0];
        fields.extend(method.to_le_bytes());
        fields.extend([0; 4]);
        for word in [crc.sum(), packed.len() as u32, bytes.len() as u32] {
            fields.extend(word.to_le_bytes());
        }
        fields.extend((name.len() as u16).to_le_bytes());
        fields.extend([0, 0]);
        let local = [b"PK\x03\x04", &fields[..], name.as_bytes(), &packed].concat();
        let entry = [b"PK\x01\x02\x14\x00", &fields[..], &[0; 10]].concat();
        (local, entry)
    }

    /// An archive of members: name, method, bytes.
    pub(crate) fn zip(members: &[(&str, u16, &[u8])]) -> Vec<u8> {
        let (mut out, mut directory) = (Vec::new(), Vec::new());
        for (name, method, bytes) in members {
            let (local, entry) = part(name, *method, bytes);
            directory.extend(entry);
            directory.extend((out.len() as u32).to_le_bytes());
            directory.extend(name.as_bytes());
            out.extend(local);
        }
        let place = out.len() as u32;
        out.extend(&directory);
        out.extend(b"PK\x05\x06\0\0\0\0");
        for count in [members.len() as u16; 2] {
            out.extend(count.to_le_bytes());
        }
        out.extend((directory.len() as u32).to_le_bytes());
        out.extend(place.to_le_bytes());
        out.extend([0, 0]);
        out
    }

    fn listed(bytes: &[u8]) -> (Vec<Member>, Option<Broken>) {
        let mut members = Vec::new();
        let ended = list(&mut Cursor::new(bytes), &mut members);
        (members, ended.err())
    }

    fn read(archive: &[u8], member: &Member) -> io::Result<Vec<u8>> {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(archive).unwrap();
        let How::Zip {
            header,
            packed,
            method,
            checksum,
        } = member.how
        else {
            panic!("{member:?}")
        };
        let mut all = Vec::new();
        open(file, (header, packed), method, (member.bytes, checksum))?.read_to_end(&mut all)?;
        Ok(all)
    }

    #[test]
    fn members_of_every_method() {
        let text = b"some bytes, some bytes, some bytes".repeat(100);
        let archive = zip(&[
            ("../a", 0, &text),
            ("d/", 0, b""),
            ("b", 8, &text),
            ("b", 93, &text),
            ("c", 12, &text),
            ("e", 0, b""),
        ]);
        let (members, ended) = listed(&archive);
        assert!(ended.is_none());
        let names: Vec<&str> = members.iter().map(|one| one.name.as_str()).collect();
        assert_eq!(names, ["../a", "b", "b", "c", "e"]);
        for member in &members[..3] {
            assert!(read(&archive, member).unwrap() == text);
        }
        assert!(matches!(&members[3].how, How::Refused(_, why) if why.contains("method 12")));
        assert!(read(&archive, &members[4]).unwrap().is_empty());
        // a comment behind the end
        let mut commented = archive;
        let end = commented.len() - 2;
        commented[end] = 3;
        commented.extend(b"PK\x05");
        assert_eq!(listed(&commented).0.len(), 5);
    }

    #[test]
    fn damage_is_told() {
        let text = b"some bytes, some bytes, some bytes".repeat(100);
        let archive = zip(&[("a", 8, &text), ("b", 0, &text)]);
        let (members, _) = listed(&archive);
        let mut wrong = archive.clone();
        let place = wrong.len() - 200;
        wrong[place] ^= 1;
        let error = read(&wrong, &members[1]).unwrap_err();
        assert!(error.to_string().contains("checksum"), "{error}");
        wrong[40] ^= 0xff;
        assert!(read(&wrong, &members[0]).is_err());
        let mut small = members[1].clone();
        small.bytes -= 1;
        let error = read(&archive, &small).unwrap_err();
        assert!(
            error.to_string().contains("more bytes than it says"),
            "{error}"
        );
        assert!(
            matches!(listed(&archive[..archive.len() - 30]), (found, Some(Broken::Cut)) if found.is_empty())
        );
        // both entries name one place
        let mut bomb = archive;
        let second = bomb.len() - END - 5;
        bomb[second..second + 4].copy_from_slice(&[0; 4]);
        assert!(
            matches!(listed(&bomb), (found, Some(Broken::Damaged(what))) if found.is_empty() && what.contains("overlap"))
        );
    }
}
