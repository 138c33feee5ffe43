//! Reads any bytes as an input and asserts what must hold: the bodies of fuzz targets, and of the test that runs them.

use super::archive::{Archive, Broken, Packing};
use super::input::Input;
use super::pcap::Pcap;
use super::pcapng::Pcapng;
use super::{Bounds, Ending, Reader, Record};
use crate::Books;
use crate::packet::BlockPool;
use std::io::Cursor;
use std::path::Path;

/// Bytes that are decompressed at most: a few bytes may stand for a disk full of them.
const MOST: usize = 1 << 18;

/// As the stream of a compression format, which the first bytes choose: what comes out is the same by `size` bytes at a time.
pub fn archive(bytes: &[u8], size: usize) {
    let bytes = match Packing::of(bytes) {
        Some(_) => bytes.to_vec(),
        None => {
            let magics: [&[u8]; 4] = [
                &[0x1f, 0x8b, 8, 0],
                &[0x28, 0xb5, 0x2f, 0xfd],
                &[0x04, 0x22, 0x4d, 0x18],
                &[0xfd, b'7', b'z', b'X', b'Z', 0],
            ];
            let choice = bytes.first().map_or(0, |byte| usize::from(*byte));
            let magic = magics.get(choice % magics.len()).copied();
            [magic.unwrap_or_default(), bytes].concat()
        }
    };
    // one byte at a time would take minutes
    let (large, is_whole) = unpack(&bytes, MOST);
    let (small, is_too) = unpack(&bytes, size.max(16));
    let common = large.len().min(small.len());
    assert_eq!(large.get(..common), small.get(..common));
    if is_whole && is_too {
        assert_eq!(large.len(), small.len());
    }
}

/// What comes out, up to about `MOST` bytes, and whether that is all, and no fault.
fn unpack(bytes: &[u8], room: usize) -> (Vec<u8>, bool) {
    let Some(packing) = Packing::of(bytes) else {
        return (Vec::new(), false);
    };
    // the first bytes are at hand, the rest is read
    let (head, rest) = bytes.split_at(bytes.len().min(Packing::MAGIC));
    let input = Input::new(Box::new(Cursor::new(rest.to_vec())), None);
    let archive = Archive::new(packing, input, head);
    let is_unread = matches!(archive, Err(Broken::Failed(_)));
    assert!(!is_unread, "bytes in memory can be read");
    let Ok(mut archive) = archive else {
        return (Vec::new(), false);
    };
    let mut out = vec![0; room];
    let mut whole = Vec::new();
    while whole.len() < MOST {
        match archive.read(&mut out) {
            Ok(0) => return (whole, true),
            Ok(given) => whole.extend_from_slice(out.get(..given).unwrap_or_default()),
            Err(_) => return (whole, false),
        }
    }
    (whole, false)
}

/// As an archive of captures, of tar with the checksums that its headers have now: what is listed is bounded, and so is what each member
/// gives. The same comes out in any order.
pub fn members(bytes: &[u8]) {
    let mut bytes = bytes.to_vec();
    let (blocks, _) = bytes.as_chunks_mut::<512>();
    for block in blocks
        .iter_mut()
        .filter(|block| super::members::is_tar(&block[..]))
    {
        block[148..156].fill(b' ');
        let sum: u32 = block.iter().map(|byte| u32::from(*byte)).sum();
        block[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    }
    let all = crate::stored::total::with_file(&bytes, "all", |path| {
        let captures = super::in_archives(vec![path.to_owned()]);
        assert!((1..=65_537).contains(&captures.len()));
        let streams = super::Streams::default();
        let one = |capture: &super::CapturePath| super::members::some(capture, &streams, MOST);
        // a bomb is not opened for each of its members
        let some = captures.get(..captures.len().min(8)).unwrap_or_default();
        let forward: Vec<_> = some.iter().map(one).collect();
        let mut backward: Vec<_> = some.iter().rev().map(one).collect();
        backward.reverse();
        assert_eq!(forward, backward);
    });
    assert!(all.is_ok(), "a file can be written");
}

/// As a capture of the classic format.
pub fn pcap(bytes: &[u8], size: usize) {
    match bytes.first_chunk() {
        Some(magic) if Pcap::is(*magic) => capture(bytes, size),
        _ => capture(&[&[0xd4, 0xc3, 0xb2, 0xa1], bytes].concat(), size),
    }
}

/// As a capture of the format pcapng.
pub fn pcapng(bytes: &[u8], size: usize) {
    if bytes.starts_with(&Pcapng::MAGIC) {
        capture(bytes, size);
    } else {
        capture(&[&Pcapng::MAGIC, bytes].concat(), size);
    }
}

/// As rows that were written before: all columns have as many rows as keys, and edges of the graph have times and addresses.
pub fn written(path: &Path) {
    for edge in super::rows::edges(path).into_iter().flatten().take(MOST) {
        let Ok(edge) = edge else { break };
        assert!([4, 6].contains(&edge.from.family) && [4, 6].contains(&edge.to.family));
        assert_eq!(edge.clock, edge.end);
    }
    super::written::total(path, MOST);
}

/// Blocks of any size give the same records and the same end.
fn capture(bytes: &[u8], size: usize) {
    let (records, ending, books) = records(bytes, None);
    assert!(records.len() <= bytes.len());
    let parts = self::records(bytes, Some(size));
    assert_eq!(parts, (records, ending, books));
}

/// Number, bytes and times of each record, how it ended, and what was counted.
type Read = (Vec<(u64, Vec<u8>, Record)>, Ending, Books);

fn records(bytes: &[u8], block: Option<usize>) -> Read {
    let size = Some(bytes.len() as u64);
    let input = Box::new(Cursor::new(bytes.to_vec()));
    let name = "capture".to_owned();
    let (pool, bounds) = (BlockPool::default(), Bounds::default());
    let mut reader = Reader::over(name, input, size, 0, pool, bounds);
    if let Some(block) = block {
        reader = reader.with_block_size(block);
    }
    let (mut records, mut books) = (Vec::new(), Books::default());
    while let Some(chunk) = reader.next(&mut books) {
        for (ordinal, record) in (chunk.first_record..).zip(&chunk.records) {
            let start = record.offset as usize;
            let frame = chunk.block.bytes.get(start..).unwrap_or_default();
            let frame = frame.get(..record.captured as usize);
            assert!(frame.is_some(), "{record:?} lies in its block");
            assert!(record.captured <= record.original && record.time <= record.clock);
            let offset = 0;
            let record = Record { offset, ..*record };
            records.push((ordinal, frame.unwrap_or_default().to_vec(), record));
        }
    }
    let ending = reader.end();
    (records, ending, books)
}
