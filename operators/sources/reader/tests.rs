//! Whole captures through the reader: any size of block gives the same records, every fault has its place and its fate.

use super::*;
use crate::books::Anomaly;
use proptest::prelude::*;
use std::io::{Cursor, Write};
use std::path::PathBuf;

/// A record as a test compares it: ordinal, bytes, original length, link type, time, clock.
type Seen = (u64, Vec<u8>, u32, u16, i64, i64);

struct Outcome {
    seen: Vec<Seen>,
    ending: Ending,
    books: Books,
}

fn drain(mut reader: Reader) -> Outcome {
    let (mut seen, mut books) = (Vec::new(), Books::default());
    let mut sequence = 0;
    while let Some(chunk) = reader.next(&mut books) {
        assert_eq!(chunk.sequence, sequence);
        assert!(!chunk.records.is_empty());
        sequence += 1;
        for (ordinal, record) in (chunk.first_record..).zip(&chunk.records) {
            let start = record.offset as usize;
            let bytes = chunk.block.bytes[start..start + record.captured as usize].to_vec();
            let Record {
                original,
                link,
                time,
                clock,
                ..
            } = *record;
            seen.push((ordinal, bytes, original, link, time, clock));
        }
        reader.recycle(chunk.records);
    }
    let ending = reader.end();
    Outcome {
        seen,
        ending,
        books,
    }
}

fn reader(file: &[u8], bounds: Bounds) -> Reader {
    let size = Some(file.len() as u64);
    let bytes = Box::new(Cursor::new(file.to_vec()));
    Reader::over(
        "x.pcap".to_owned(),
        bytes,
        size,
        0,
        BlockPool::default(),
        bounds,
    )
}

fn read(file: &[u8]) -> Outcome {
    drain(reader(file, Bounds::default()))
}

fn read_by(file: &[u8], block: usize) -> Outcome {
    drain(reader(file, Bounds::default()).with_block_size(block))
}

/// A little-endian pcap of frames with lengths `lengths`, one a second.
fn pcap(lengths: &[usize]) -> Vec<u8> {
    let mut file = vec![0xd4, 0xc3, 0xb2, 0xa1, 2, 0, 4, 0];
    for word in [0_u32, 0, 262_144, 1] {
        file.extend(word.to_le_bytes());
    }
    for (n, length) in lengths.iter().enumerate() {
        for word in [1000 + n as u32, 7, *length as u32, *length as u32] {
            file.extend(word.to_le_bytes());
        }
        file.extend((0..*length).map(|i| (i + n) as u8));
    }
    file
}

/// A pcapng block in little-endian order.
fn block(kind: u32, body: &[u8]) -> Vec<u8> {
    let length = 12 + body.len().next_multiple_of(4);
    let mut bytes = [kind, length as u32].map(u32::to_le_bytes).concat();
    bytes.extend(body);
    bytes.resize(length - 4, 0);
    bytes.extend((length as u32).to_le_bytes());
    bytes
}

/// A pcapng with the frames of `lengths`, an unknown block of `between` bytes before each.
fn pcapng(lengths: &[usize], between: usize) -> Vec<u8> {
    let words = |words: &[u32]| {
        words
            .iter()
            .flat_map(|w| w.to_le_bytes())
            .collect::<Vec<_>>()
    };
    let mut file = block(0x0a0d_0d0a, &words(&[0x1a2b_3c4d, 1, u32::MAX, u32::MAX]));
    file.extend(block(1, &words(&[1, 0])));
    for (n, length) in lengths.iter().enumerate() {
        file.extend(block(0xbad, &vec![0x5a; between]));
        let ticks = (1000 + n as u64) * 1_000_000 + 7;
        let (high, low) = ((ticks >> 32) as u32, ticks as u32);
        let mut body = words(&[0, high, low, *length as u32, *length as u32]);
        body.extend((0..*length).map(|i| (i + n) as u8));
        file.extend(block(6, &body));
    }
    file
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut out = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    out.write_all(bytes).expect("memory");
    out.finish().expect("memory")
}

fn partial(outcome: &Outcome) -> (Partial, Fault) {
    match &outcome.ending {
        Ending::Partial(reason, fault) => (*reason, fault.clone()),
        other => panic!("{other:?}"),
    }
}

fn refused(outcome: &Outcome) -> Refused {
    match &outcome.ending {
        Ending::Refused(reason, fault) => {
            assert!(outcome.seen.is_empty() && fault.record == 0 && !fault.hint.is_empty());
            *reason
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn every_size_of_block_gives_the_same_records() {
    let lengths = [60, 0, 1, 300, 59, 2000, 64];
    for file in [pcap(&lengths), pcapng(&lengths, 100), gzip(&pcap(&lengths))] {
        let whole = read(&file);
        assert_eq!(whole.ending, Ending::Whole);
        assert_eq!(whole.books.packets.read, lengths.len() as u64);
        let seen: Vec<_> = whole
            .seen
            .iter()
            .map(|(n, bytes, ..)| (*n, bytes.len()))
            .collect();
        assert_eq!(seen, (0..).zip(lengths).collect::<Vec<_>>());
        assert_eq!(whole.seen[6].4, 1_006_000_007_000);
        for size in (1..200).chain([1000, 3000]) {
            let parts = read_by(&file, size);
            assert_eq!(parts.ending, Ending::Whole, "{size}");
            assert_eq!(parts.seen, whole.seen, "{size}");
        }
    }
}

#[test]
fn a_record_larger_than_a_block_is_read_and_one_that_only_claims_to_be_costs_nothing() {
    let outcome = read_by(&pcap(&[262_144, 1]), 4096);
    assert_eq!(outcome.ending, Ending::Whole);
    assert_eq!(outcome.seen[0].1.len(), 262_144);
    // A block of 16 MiB in a file of 200 bytes.
    let mut file = pcapng(&[4], 4);
    let at = file.len() - 36;
    file[at + 4..at + 8].copy_from_slice(&(16_u32 << 20).to_le_bytes());
    let pool = BlockPool::default();
    let bytes = Box::new(Cursor::new(file));
    let reader = Reader::over(
        "x".to_owned(),
        bytes,
        None,
        0,
        pool.clone(),
        Bounds::default(),
    );
    let (reason, fault) = partial(&drain(reader.with_block_size(64)));
    assert_eq!(
        (reason, fault.offset, fault.bytes_unread),
        (Partial::Truncated, at as u64, 36)
    );
    assert!(pool.take().capacity() < 4096);
}

#[test]
fn cut_files_are_truncated_at_the_record() {
    // Where a file may end: behind headers, records, and blocks that are passed over.
    let files = [
        (pcap(&[5, 6]), vec![24, 45, 67]),
        (pcapng(&[4, 4], 8), vec![28, 48, 68, 104, 124, 160]),
    ];
    let ends_of_records = [45, 67, 104, 160];
    for (size, (file, ends)) in [1, 64, 4096]
        .into_iter()
        .flat_map(|n| files.iter().map(move |f| (n, f)))
    {
        for cut in ends[0]..=file.len() {
            let outcome = read_by(&file[..cut], size);
            let records = ends
                .iter()
                .filter(|end| **end <= cut && ends_of_records.contains(end));
            assert_eq!(outcome.books.packets.read, records.count() as u64, "{cut}");
            if ends.contains(&cut) {
                assert_eq!(outcome.ending, Ending::Whole, "{cut}");
                continue;
            }
            let (reason, fault) = partial(&outcome);
            let last = ends.iter().copied().filter(|end| *end < cut).max();
            assert_eq!(Some(fault.offset as usize), last, "{cut} {size}");
            assert_eq!(reason, Partial::Truncated, "{cut}");
            assert_eq!(fault.record, outcome.books.packets.read);
            assert_eq!(fault.offset + fault.bytes_unread, cut as u64);
            assert_eq!(fault.reason, "truncated");
        }
    }
    let (_, fault) = partial(&read(&pcap(&[5, 6])[..24 + 21 + 3]));
    assert_eq!((fault.offset, fault.record, fault.bytes_unread), (45, 1, 3));
    assert_eq!(fault.file, "x.pcap");
    assert!(
        fault.hint.contains("3 bytes into a record"),
        "{}",
        fault.hint
    );
}

#[test]
fn damage_ends_the_file_at_its_place() {
    let mut file = pcap(&[5, 6, 7]);
    file[45 + 8..45 + 12].copy_from_slice(&u32::MAX.to_le_bytes());
    let outcome = read(&file);
    let (reason, fault) = partial(&outcome);
    assert_eq!((reason, outcome.seen.len()), (Partial::Damaged, 1));
    let unread = file.len() as u64 - 45;
    assert_eq!(
        (fault.offset, fault.record, fault.bytes_unread),
        (45, 1, unread)
    );
    // An unknown block that claims more than 16 MiB and more than there is.
    let mut file = pcapng(&[4], 8);
    let at = file.len();
    file.extend([0xbad, 1 << 28, 0].map(u32::to_le_bytes).concat());
    for size in [16, 4096] {
        let (reason, fault) = partial(&read_by(&file, size));
        assert_eq!(
            (reason, fault.offset, fault.record),
            (Partial::Damaged, at as u64, 1)
        );
        assert_eq!(fault.bytes_unread, 12);
    }
}

#[test]
fn files_that_are_no_captures_are_refused_with_their_first_bytes() {
    for (file, reason, hint) in [
        (&b""[..], Refused::Empty, "no bytes"),
        (&b"abc"[..], Refused::NotACapture, "3 bytes are too few"),
        (
            &pcap(&[])[..10],
            Refused::NotACapture,
            "10 bytes are too few",
        ),
        (
            &b"Frame 1: 60 bytes"[..],
            Refused::NotACapture,
            "46 72 61 6d 65 20 (\"Frame \")",
        ),
        (&[0; 64][..], Refused::NotACapture, "editcap"),
        (&b"BZh91AY&SY"[..], Refused::UnsupportedFormat, "bunzip2"),
        (
            &b"PK\x03\x04\x14\x00\x00\x00"[..],
            Refused::UnsupportedFormat,
            "zip",
        ),
    ] {
        for size in [1, 4096] {
            let outcome = read_by(file, size);
            assert_eq!(refused(&outcome), reason);
            let Ending::Refused(_, fault) = &outcome.ending else {
                unreachable!()
            };
            assert!(fault.hint.contains(hint), "{}", fault.hint);
            assert_eq!(fault.bytes_unread, file.len() as u64);
        }
    }
    let mut tar = vec![b'a'; 512];
    tar[257..262].copy_from_slice(b"ustar");
    assert_eq!(refused(&read(&tar)), Refused::UnsupportedFormat);
    let twice = gzip(&gzip(&pcap(&[1])));
    assert_eq!(refused(&read(&twice)), Refused::UnsupportedFormat);
    assert_eq!(refused(&read(&gzip(b""))), Refused::Empty);
    let missing = Reader::open(
        Path::new("no/such/file"),
        0,
        BlockPool::default(),
        Bounds::default(),
    );
    assert_eq!(refused(&drain(missing)), Refused::Unreadable);
    let directory = Reader::open(Path::new("."), 0, BlockPool::default(), Bounds::default());
    assert_eq!(refused(&drain(directory)), Refused::Unreadable);
}

#[test]
fn broken_compression_gives_the_records_before_the_fault() {
    let plain = pcap(&[100; 3000]);
    let packed = gzip(&plain);
    for size in [100, 4096, 256 << 10] {
        let cut = read_by(&packed[..packed.len() / 2], size);
        let (reason, fault) = partial(&cut);
        assert_eq!(reason, Partial::Truncated);
        assert!(fault.record > 100 && fault.record == cut.seen.len() as u64);
        assert_eq!(fault.offset, 24 + 116 * fault.record);
        let mut wrong_sum = packed.clone();
        let at = wrong_sum.len() - 8;
        wrong_sum[at] ^= 1;
        let outcome = read_by(&wrong_sum, size);
        assert_eq!(
            (partial(&outcome).0, outcome.seen.len()),
            (Partial::Damaged, 3000)
        );
        assert!(partial(&outcome).1.hint.contains("gzip"));
    }
    // Nothing came out yet: still partial, as in the middle.
    assert_eq!(partial(&read(&packed[..12])).0, Partial::Truncated);
}

/// Gives `bytes`, then errors: of another kind first, that must be tried again.
struct Failing(Cursor<Vec<u8>>, bool);

impl Read for Failing {
    fn read(&mut self, out: &mut [u8]) -> std::io::Result<usize> {
        self.1 = !self.1;
        if self.1 {
            return Err(std::io::ErrorKind::Interrupted.into());
        }
        match self.0.read(out)? {
            0 => Err(std::io::Error::other("input/output error")),
            n => Ok(n),
        }
    }
}

#[test]
fn read_errors_and_changed_files() {
    let over = |bytes: Vec<u8>, size| {
        let failing = Box::new(Failing(Cursor::new(bytes), false));
        drain(Reader::over(
            "x".to_owned(),
            failing,
            size,
            0,
            BlockPool::default(),
            Bounds::default(),
        ))
    };
    let file = pcap(&[5, 6]);
    let outcome = over(file.clone(), Some(1000));
    let (reason, fault) = partial(&outcome);
    assert_eq!(
        (reason, fault.record, outcome.seen.len()),
        (Partial::ReadError, 2, 2)
    );
    assert_eq!(fault.bytes_unread, 1000 - file.len() as u64);
    assert_eq!(refused(&over(Vec::new(), None)), Refused::Unreadable);
    // The size at open is the end, also where more has come since.
    assert_eq!(over(file.clone(), Some(45)).ending, Ending::Whole);
    for file in [file.clone(), gzip(&file)[..30].to_vec()] {
        let shrunk = Box::new(Cursor::new(file));
        let reader = Reader::over(
            "x".to_owned(),
            shrunk,
            Some(1000),
            0,
            BlockPool::default(),
            Bounds::default(),
        );
        assert_eq!(partial(&drain(reader)).0, Partial::Changed);
    }
}

#[test]
fn a_file_that_shrinks_while_it_is_read_is_changed() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("a.pcap");
    std::fs::write(&path, pcap(&[1000; 100])).expect("a file");
    let reader = Reader::open(&path, 0, BlockPool::default(), Bounds::default());
    let mut reader = reader.with_block_size(10_000);
    let mut books = Books::default();
    reader.next(&mut books).expect("records");
    let file = std::fs::OpenOptions::new()
        .write(true)
        .open(&path)
        .expect("the file");
    file.set_len(20_000).expect("a shorter file");
    let outcome = drain(reader_behind_first(reader));
    assert_eq!(partial(&outcome).0, Partial::Changed);
}

/// The first chunk was taken already: its sequence number is forgotten.
fn reader_behind_first(mut reader: Reader) -> Reader {
    reader.sequence = 0;
    reader
}

#[test]
fn limit_and_times() {
    let file = pcap(&[5; 10]);
    for size in [8, 4096] {
        let bounds = Bounds {
            limit: 7,
            from: 1_002_000_007_000,
            to: Some(1_008_000_007_000),
            follow: None,
        };
        let outcome = drain(reader(&file, bounds).with_block_size(size));
        assert_eq!(outcome.ending, Ending::Whole);
        let ordinals: Vec<_> = outcome.seen.iter().map(|(n, ..)| *n).collect();
        assert_eq!(ordinals, [2, 3, 4, 5, 6]);
        assert_eq!(outcome.books.packets.read, 7);
        assert_eq!(outcome.books.packets.skipped.total(), 2);
    }
}

#[test]
fn a_reader_that_is_given_up_is_stopped() {
    let mut reader = reader(&pcap(&[1000; 100]), Bounds::default()).with_block_size(5000);
    let mut books = Books::default();
    let read = reader.next(&mut books).expect("records").records.len() as u64;
    assert_eq!(books.packets.read, read);
    let Ending::Partial(Partial::Stopped, fault) = reader.end() else {
        panic!("not stopped")
    };
    assert_eq!((fault.record, fault.offset), (read, 24 + 1016 * read));
    Ending::Partial(Partial::Stopped, fault).count(&mut books.inputs);
    assert_eq!(books.inputs.partial.total(), 1);
    assert_eq!(books.inputs.faults.len(), 1);
}

#[test]
fn blocks_are_used_again() {
    let pool = BlockPool::default();
    let bytes = Box::new(Cursor::new(pcap(&[1000; 1000])));
    let reader = Reader::over(
        "x".to_owned(),
        bytes,
        None,
        0,
        pool.clone(),
        Bounds::default(),
    );
    let outcome = drain(reader.with_block_size(10_000));
    assert_eq!(outcome.seen.len(), 1000);
    let mut blocks = 0;
    while pool.take().capacity() > 0 {
        blocks += 1;
    }
    assert!(blocks <= 2, "{blocks}");
}

fn shared(folder: &str) -> Option<PathBuf> {
    let root = std::env::var_os("JAYFLOW_SHARED").map_or_else(
        || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared"),
        PathBuf::from,
    );
    let path = root.join(folder);
    if !path.exists() {
        eprintln!(
            "SKIPPED: {} is absent; nothing was compared",
            path.display()
        );
        return None;
    }
    Some(path)
}

/// Captures for which the index says something else: records here, whether the file is whole, and why.
const DIFFERENCES: [(&str, u64, bool, &str); 2] = [
    (
        "malformed/joyfuljay-BT_USB_LinCooked_Eth_80211_RT.ntar",
        4785,
        false,
        "the other reader gives up at the first Bluetooth frame, which is none of a reader's business; the file is damaged later",
    ),
    (
        "malformed/tcpdump-dsa.pcap",
        8,
        true,
        "the other reader's message is about a link type it does not know",
    ),
];

#[test]
fn real_captures_have_as_many_records_as_other_readers_find() {
    let Some(root) = shared("pcaps") else { return };
    let mut index = csv::Reader::from_path(root.join("INDEX.csv")).expect("an index");
    let columns = index.headers().expect("a header").clone();
    let column = |row: &csv::StringRecord, name: &str| {
        let at = columns.iter().position(|column| column == name);
        row.get(at.expect("a column")).expect("a value").to_owned()
    };
    let mut wrong = Vec::new();
    let mut files = 0;
    for row in index.records() {
        let row = row.expect("a row");
        let (name, packets) = (column(&row, "file"), column(&row, "packets"));
        let path = root.join(&name);
        let open = || Reader::open(&path, 0, BlockPool::default(), Bounds::default());
        let outcome = drain(open());
        let is_sound = column(&row, "reader_message").is_empty();
        let (packets, is_sound) = DIFFERENCES.iter().find(|(file, ..)| *file == name).map_or(
            (packets.parse().unwrap_or(0), is_sound),
            |(_, n, whole, _)| (*n, *whole),
        );
        files += 1;
        let read = outcome.books.packets.read;
        if read != packets || is_sound != (outcome.ending == Ending::Whole) {
            wrong.push(format!("{name}: {read} of {packets}, {:?}", outcome.ending));
        }
        if path.metadata().is_ok_and(|about| about.len() < 50_000) {
            for size in [100, 1000] {
                assert_eq!(
                    drain(open().with_block_size(size)).seen,
                    outcome.seen,
                    "{name} {size}"
                );
            }
        }
    }
    assert!(wrong.is_empty() && files > 0, "{}", wrong.join("\n"));
}

/// What the books of the inputs say, as the kit writes it.
fn state(ending: &Ending) -> String {
    match ending {
        Ending::Whole => "whole".to_owned(),
        Ending::Partial(reason, _) => format!("partial:{}", reason.name()),
        Ending::Refused(reason, _) => format!("refused:{}", reason.name()),
    }
}

#[test]
fn hostile_captures_have_the_fate_that_the_kit_expects() {
    let Some(kit) = shared("reliability/hostile.py") else {
        return;
    };
    let directory = tempfile::tempdir().expect("a directory");
    let made = std::process::Command::new("python3")
        .arg("-B")
        .arg(&kit)
        .arg(directory.path())
        .stdout(std::process::Stdio::null())
        .status();
    if !made.is_ok_and(|status| status.success()) {
        eprintln!(
            "SKIPPED: python3 cannot run {}; nothing was compared",
            kit.display()
        );
        return;
    }
    let expected = directory.path().join("expected.csv");
    let mut expected = csv::Reader::from_path(expected).expect("a table");
    let (mut wrong, mut files) = (Vec::new(), 0);
    for row in expected.records() {
        let row = row.expect("a row");
        let file = directory.path().join(&row[1]);
        let mut reader = Reader::open(&file, 0, BlockPool::default(), Bounds::default());
        let mut books = Books::default();
        while let Some(chunk) = reader.next(&mut books) {
            reader.recycle(chunk.records);
        }
        let (state, read) = (state(&reader.end()), books.packets.read);
        if state != row[3] || (!row[4].is_empty() && read.to_string() != row[4]) {
            wrong.push(format!(
                "{}: {state} {read}, not {} {}",
                &row[0], &row[3], &row[4]
            ));
        }
        files += 1;
    }
    assert!(wrong.is_empty() && files >= 200, "{}", wrong.join("\n"));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    /// Any bytes, behind any magic, end; and the books say what was given.
    #[test]
    fn arbitrary_bytes_end(kind in 0..6_usize, bytes in prop::collection::vec(any::<u8>(), 0..600), size in 1..300_usize) {
        let start = match kind {
            0 => Vec::new(),
            1 => pcap(&[]),
            2 => pcap(&[3]),
            3 => b"\x0a\x0d\x0d\x0a".to_vec(),
            4 => pcapng(&[], 0),
            _ => b"\x1f\x8b\x08\x00".to_vec(),
        };
        let file = [start, bytes].concat();
        let outcome = read_by(&file, size);
        prop_assert_eq!(outcome.books.packets.read, outcome.seen.len() as u64);
        let whole = read(&file);
        prop_assert_eq!(&whole.seen, &outcome.seen);
        // How far a decoder has read ahead of the records depends on the block.
        let place = |ending: &Ending| match ending {
            Ending::Partial(reason, fault) if kind == 5 => {
                let (offset, hint) = (fault.offset, fault.hint.clone());
                Err((*reason, offset, hint))
            }
            other => Ok(other.clone()),
        };
        prop_assert_eq!(place(&whole.ending), place(&outcome.ending));
    }

    /// Damaged captures end, the same way for every size of block, and give what lies before the damage.
    #[test]
    fn mutated_captures_end(
        is_ng in any::<bool>(),
        lengths in prop::collection::vec(0..90_usize, 1..8),
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..5),
        size in 1..300_usize,
    ) {
        let sound = if is_ng { pcapng(&lengths, 12) } else { pcap(&lengths) };
        let mut file = sound.clone();
        for (at, value) in &changes {
            let at = at.index(file.len());
            file[at] = *value;
        }
        let first = sound.iter().zip(&file).position(|(a, b)| a != b).unwrap_or(sound.len());
        let outcome = read_by(&file, size);
        let whole = read(&file);
        prop_assert_eq!(&whole.seen, &outcome.seen);
        prop_assert_eq!(&whole.ending, &outcome.ending);
        let before = read(&sound[..first]).seen;
        prop_assert!(first < 60 || outcome.seen.len() >= before.len());
    }
}

#[test]
fn anomalies_of_records_are_counted() {
    let mut file = pcap(&[5, 6]);
    file[24 + 12..24 + 16].copy_from_slice(&2_u32.to_le_bytes()); // original length 2 of 5 captured bytes
    file[45..49].copy_from_slice(&1_u32.to_le_bytes()); // second 1, after second 1000
    let outcome = read(&file);
    assert_eq!(outcome.seen[0].2, 5);
    assert_eq!(outcome.seen[1].5, 1_000_000_007_000);
    assert_eq!(outcome.books.anomalies.get(Anomaly::OriginalLength), 1);
    assert_eq!(outcome.books.anomalies.get(Anomaly::TimeRegressions), 1);
}
