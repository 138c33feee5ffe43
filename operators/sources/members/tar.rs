//! The headers of a tar archive (POSIX.1-1988 ustar, POSIX.1-2001 pax, GNU long names and sizes): which files are in it and where.
//!
//! Read by hand: the crate for it keeps names of any claimed length in memory, and what an archive claims is bounded here. Nothing is
//! unpacked, so a name may be anything.

use super::super::archive::Broken;
use super::{Forward, How, LONGEST_NAME, MOST_MEMBERS, Member};
use crate::books::Refused;

/// Bytes of a header, and what every member is filled up to.
pub(super) const BLOCK: usize = 512;
/// Bytes of an extended header at most.
const LONGEST_EXTENSION: u64 = 1 << 20;

/// A header.
#[derive(Debug, PartialEq, Eq)]
struct Header {
    name: Vec<u8>,
    size: u64,
    kind: u8,
}

/// Whether bytes start a tar archive.
pub(super) fn is(bytes: &[u8]) -> bool {
    bytes.get(257..262) == Some(b"ustar")
}

/// Goes over an archive from its start and adds the files in it, as `how` says where their bytes are.
///
/// # Errors
/// Why it cannot be gone over to its end; the members before that are there.
pub(super) fn list(
    input: &mut dyn Forward,
    members: &mut Vec<Member>,
    how: impl Fn(u64) -> How,
) -> Result<(), Broken> {
    let mut at = 0_u64;
    // what extended headers say of the member behind them
    let (mut name, mut size) = (None, None);
    loop {
        let mut block = [0; BLOCK];
        let read = input.fill(&mut block)?;
        if read < BLOCK {
            // some writers leave the zeros at the end out
            return match read {
                0 if at > 0 => Ok(()),
                _ => Err(Broken::Cut),
            };
        }
        at += BLOCK as u64;
        let Some(header) = header(&block)? else {
            return Ok(());
        };
        let bytes = match (header.kind, size) {
            (b'L' | b'K' | b'x' | b'g', _) | (_, None) => header.size,
            (_, Some(size)) => size,
        };
        let filled = bytes
            .checked_next_multiple_of(BLOCK as u64)
            .filter(|filled| at.checked_add(*filled).is_some())
            .ok_or_else(|| Broken::Damaged(format!("a member of {bytes} bytes")))?;
        let mut left = filled;
        match header.kind {
            b'L' | b'x' => {
                let most = if header.kind == b'L' {
                    LONGEST_NAME as u64
                } else {
                    LONGEST_EXTENSION
                };
                if bytes > most {
                    let what = format!("an extended header of {bytes} bytes, of {most} at most");
                    return Err(Broken::Damaged(what));
                }
                let mut text = vec![0; usize::try_from(bytes).unwrap_or(0)];
                if input.fill(&mut text)? < text.len() {
                    return Err(Broken::Cut);
                }
                left -= bytes;
                if header.kind == b'L' {
                    name = Some(until_zero(&text).to_vec());
                } else {
                    for (key, value) in pax(&text) {
                        match key {
                            b"path" => name = Some(value.to_vec()),
                            b"size" => {
                                let number = std::str::from_utf8(value)
                                    .ok()
                                    .and_then(|text| text.parse().ok());
                                size = Some(number.ok_or_else(|| {
                                    Broken::Damaged("a size that is no number".to_owned())
                                })?);
                            }
                            _ => {}
                        }
                    }
                }
            }
            // of links that follow, and of all members: nothing that is asked for
            b'K' | b'g' => {}
            kind => {
                let name = name.take().unwrap_or(header.name);
                size = None;
                let is_file = matches!(kind, b'0' | b'\0' | b'7') && !name.ends_with(b"/");
                if is_file || kind == b'S' {
                    if members.len() >= MOST_MEMBERS {
                        return Err(Broken::Unsupported(format!(
                            "more than {MOST_MEMBERS} members"
                        )));
                    }
                    let how = match kind {
                        b'S' => How::Refused(
                            Refused::UnsupportedFormat,
                            "a file with holes: unpack it".to_owned(),
                        ),
                        _ => how(at),
                    };
                    members.push(Member::new(&name, bytes, how));
                    left -= bytes;
                    match input.skip(bytes) {
                        // its reader comes to the same fault, and tells it
                        Err(Broken::Cut | Broken::Damaged(_)) => return Ok(()),
                        skipped => skipped?,
                    }
                }
            }
        }
        input.skip(left)?;
        at += filled;
    }
}

/// A header; `None` = zeros, the end of the archive.
fn header(block: &[u8; BLOCK]) -> Result<Option<Header>, Broken> {
    let part = |from: usize, to: usize| block.get(from..to).unwrap_or_default();
    if block.iter().all(|byte| *byte == 0) {
        return Ok(None);
    }
    let damaged = |what: &str| Broken::Damaged(what.to_owned());
    // the checksum is that of the header with blanks in its own place
    let sum = |bytes: &[u8]| bytes.iter().map(|byte| u64::from(*byte)).sum::<u64>();
    let all = sum(part(0, 148)) + 8 * u64::from(b' ') + sum(part(156, BLOCK));
    if number(part(148, 156)) != Some(all) {
        return Err(damaged("a header with a wrong checksum"));
    }
    let size = number(part(124, 136)).ok_or_else(|| damaged("a header without a size"))?;
    let mut name = Vec::new();
    let prefix = until_zero(part(345, 500));
    if part(257, 263) == b"ustar\0" && !prefix.is_empty() {
        name.extend_from_slice(prefix);
        name.push(b'/');
    }
    name.extend_from_slice(until_zero(part(0, 100)));
    let kind = block.get(156).copied().unwrap_or_default();
    // directories, links and devices have no bytes, whatever they claim
    let size = if matches!(kind, b'1'..=b'6') { 0 } else { size };
    Ok(Some(Header { name, size, kind }))
}

/// A number of a header: octal digits, or with the highest bit set the bytes of a large one.
fn number(field: &[u8]) -> Option<u64> {
    match field.split_first() {
        Some((0x80, rest)) => rest.iter().try_fold(0_u64, |number, byte| {
            number.checked_mul(256)?.checked_add(u64::from(*byte))
        }),
        _ => {
            let text = std::str::from_utf8(until_zero(field)).ok()?.trim();
            u64::from_str_radix(text, 8)
                .ok()
                .filter(|_| !text.starts_with('+'))
        }
    }
}

fn until_zero(field: &[u8]) -> &[u8] {
    let end = memchr::memchr(0, field).unwrap_or(field.len());
    field.get(..end).unwrap_or_default()
}

/// The records of an extended header: `LENGTH KEY=VALUE\n`. Ends at the first that is none.
fn pax(text: &[u8]) -> impl Iterator<Item = (&[u8], &[u8])> {
    let mut rest = text;
    std::iter::from_fn(move || {
        let blank = memchr::memchr(b' ', rest)?;
        let length: usize = std::str::from_utf8(rest.get(..blank)?).ok()?.parse().ok()?;
        let record = rest.get(blank + 1..length)?.strip_suffix(b"\n")?;
        rest = rest.get(length..)?;
        let sign = memchr::memchr(b'=', record)?;
        Some((record.get(..sign)?, record.get(sign + 1..)?))
    })
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use std::io::Cursor;

    impl Forward for Cursor<Vec<u8>> {
        fn fill(&mut self, out: &mut [u8]) -> Result<usize, Broken> {
            super::super::fill(self, out)
        }

        fn skip(&mut self, bytes: u64) -> Result<(), Broken> {
            let to = self.position() + bytes;
            self.set_position(to);
            let is_there = to <= self.get_ref().len() as u64;
            is_there.then_some(()).ok_or(Broken::Cut)
        }
    }

    /// A member as `tar` writes it.
    pub(crate) fn member(name: &str, kind: u8, bytes: &[u8]) -> Vec<u8> {
        let mut block = [0; BLOCK];
        block[..name.len()].copy_from_slice(name.as_bytes());
        block[124..136].copy_from_slice(format!("{:011o}\0", bytes.len()).as_bytes());
        block[156] = kind;
        block[257..265].copy_from_slice(b"ustar\x0000");
        block[148..156].copy_from_slice(b"        ");
        let sum: u32 = block.iter().map(|byte| u32::from(*byte)).sum();
        block[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
        let mut out = block.to_vec();
        out.extend_from_slice(bytes);
        out.resize(out.len().next_multiple_of(BLOCK), 0);
        out
    }

    /// An archive of members.
    pub(crate) fn tar(members: &[(&str, &[u8])]) -> Vec<u8> {
        let mut out: Vec<u8> = members
            .iter()
            .flat_map(|(name, bytes)| member(name, b'0', bytes))
            .collect();
        out.resize(out.len() + 2 * BLOCK, 0);
        out
    }

    fn listed(bytes: &[u8]) -> (Vec<(String, u64, How)>, Option<Broken>) {
        let mut members = Vec::new();
        let mut input = Cursor::new(bytes.to_vec());
        let ended = list(&mut input, &mut members, |at| How::Plain { at });
        let members = members
            .into_iter()
            .map(|one| (one.name, one.bytes, one.how));
        (members.collect(), ended.err())
    }

    #[test]
    fn files_with_names_of_every_kind() {
        let long = "d/".repeat(80) + "long";
        let record = |text: &str| {
            let length = text.len() + 4;
            assert!((10..99).contains(&length));
            format!("{length} {text}\n")
        };
        let all = [
            member("d/", b'5', b""),
            member("d/a.pcap", b'0', b"abc"),
            member("link", b'2', b""),
            member("././@LongLink", b'L', format!("{long}\0").as_bytes()),
            member("cut", b'0', &[1; BLOCK]),
            member(
                "pax",
                b'x',
                (record("size=4") + &record("path=../b")).as_bytes(),
            ),
            member("b", b'0', b"four"),
            member("sparse", b'S', b""),
            vec![0; 2 * BLOCK],
            b"what follows the end is no matter".to_vec(),
        ]
        .concat();
        let (found, ended) = listed(&all);
        assert!(ended.is_none());
        let found: Vec<(String, u64)> = found
            .into_iter()
            .map(|(name, bytes, _)| (name, bytes))
            .collect();
        let expected = [("d/a.pcap", 3), (&long, 512), ("../b", 4), ("sparse", 0)];
        assert_eq!(
            found,
            expected.map(|(name, bytes)| (name.to_owned(), bytes))
        );
        let (found, _) = listed(&tar(&[("a", b"1"), ("b", b"2")]));
        assert_eq!(found[1].2, How::Plain { at: 3 * 512 });
    }

    #[test]
    fn what_is_claimed_is_bounded() {
        let mut huge = member("a", b'0', b"");
        huge[124..136].copy_from_slice(&[
            0x80, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
        ]);
        let fixed = |block: &mut Vec<u8>| {
            block[148..156].copy_from_slice(b"        ");
            let sum: u32 = block.iter().map(|byte| u32::from(*byte)).sum();
            block[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
        };
        fixed(&mut huge);
        assert!(matches!(listed(&huge), (found, Some(Broken::Damaged(_))) if found.is_empty()));
        let mut name = member("a", b'L', b"");
        name[124..136].copy_from_slice(b"77777777777\0");
        fixed(&mut name);
        let (_, ended) = listed(&name);
        assert!(matches!(ended, Some(Broken::Damaged(what)) if what.contains("8589934591 bytes")));
        // cut in a member: its reader tells the fault
        let whole = tar(&[("a", b"1"), ("b", &[2; 600])]);
        let (found, ended) = listed(&whole[..whole.len() - 2 * BLOCK - 500]);
        assert!(found.len() == 2 && ended.is_none());
        let (found, ended) = listed(&whole[..whole.len() - 2 * BLOCK - 300]);
        assert!(found.len() == 2 && matches!(ended, Some(Broken::Cut)));
        let mut wrong = whole;
        wrong[1024 + 3] ^= 1;
        assert!(matches!(listed(&wrong), (found, Some(Broken::Damaged(_))) if found.len() == 1));
        assert!(matches!(listed(b""), (_, Some(Broken::Cut))));
    }

    #[test]
    fn too_many_members_are_refused() {
        let mut all = member("a", b'0', b"").repeat(MOST_MEMBERS + 1);
        all.resize(all.len() + 2 * BLOCK, 0);
        let (found, ended) = listed(&all);
        assert!(matches!(ended, Some(Broken::Unsupported(_))));
        assert_eq!(found.len(), MOST_MEMBERS);
    }
}
