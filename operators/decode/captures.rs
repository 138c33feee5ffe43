//! Test: every frame of the shared captures, where they are present, by the fast path, the general path and the reference.
//!
//! With `JAYFLOW_DUMP=FILE` the fields of every packet go there, one line each, to be held against another implementation.

use super::reference;
use super::{DecodeOptions, Decoder, describe, stack};
use crate::books::Books;
use crate::packet::{Header, marks};
use crate::sources::Record;
use std::fmt::Write as _;
use std::io::Write as _;
use std::path::{Path, PathBuf};

/// The shared captures, beside the repository or where `JAYFLOW_SHARED` says.
fn captures() -> Vec<PathBuf> {
    let beside = concat!(env!("CARGO_MANIFEST_DIR"), "/../../shared");
    let shared = std::env::var("JAYFLOW_SHARED").unwrap_or_else(|_| beside.to_owned());
    let mut found = Vec::new();
    let areas = std::fs::read_dir(Path::new(&shared).join("pcaps"));
    for area in areas.into_iter().flatten().flatten() {
        if area.file_name() == "truth" {
            continue;
        }
        let files = std::fs::read_dir(area.path());
        found.extend(
            files
                .into_iter()
                .flatten()
                .flatten()
                .map(|file| file.path()),
        );
    }
    if found.is_empty() {
        // not eprintln: the test runner would keep it to itself
        let text = format!("SKIPPED: no captures in {shared}/pcaps, nothing was compared\n");
        let _ = std::io::stderr().write_all(text.as_bytes());
    }
    found.sort();
    found
}

/// The records of a classic pcap file; none of any other file.
fn records(file: &[u8]) -> Vec<Record> {
    let read: fn([u8; 4]) -> u32 = match file.first_chunk() {
        Some([0xA1, 0xB2, 0xC3 | 0xCD, 0xD4 | 0x34] | [0xA1, 0xB2, 0x3C, 0x4D]) => {
            u32::from_be_bytes
        }
        Some([0xD4 | 0x34, 0xC3 | 0xCD, 0xB2, 0xA1] | [0x4D, 0x3C, 0xB2, 0xA1]) => {
            u32::from_le_bytes
        }
        _ => return Vec::new(),
    };
    let word = |at: usize| {
        file.get(at..)
            .and_then(<[u8]>::first_chunk)
            .map(|four| read(*four))
    };
    let tick = if word(0) == Some(0xA1B2_3C4D) {
        1
    } else {
        1000
    };
    let header = if word(0) == Some(0xA1B2_CD34) { 24 } else { 16 };
    let mut found: Vec<Record> = Vec::new();
    let mut at = 24;
    while let (Some(seconds), Some(part), Some(captured), Some(original)) =
        (word(at), word(at + 4), word(at + 8), word(at + 12))
    {
        let offset = at + header;
        at = offset + captured as usize;
        if captured > 262_144 || at > file.len() {
            break;
        }
        let time = i64::from(seconds) * 1_000_000_000 + i64::from(part) * tick;
        let clock = found.last().map_or(time, |last| last.clock.max(time));
        found.push(Record {
            offset: offset as u32,
            captured,
            original: original.max(captured),
            link: (word(20).unwrap_or(0) & 0x03FF_FFFF) as u16,
            time,
            clock,
        });
    }
    found
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn line(header: &Header, frame: &[u8], options: &DecodeOptions) -> String {
    let address = |bytes: &[u8; 16]| hex(&bytes[..if header.family == 4 { 4 } else { 16 }]);
    let known = |mark: u16, value: u32| {
        if header.is(mark) {
            value.to_string()
        } else {
            "-".to_owned()
        }
    };
    let labels = stack::text(header.stack, header.protocol);
    let labels = labels.unwrap_or_else(|| describe(frame, header.link, header.wire_len, options).0);
    let start = (header.payload - header.frame) as usize;
    [
        header.ord.to_string(),
        header.time.to_string(),
        header.clock.to_string(),
        header.link.to_string(),
        header.wire_len.to_string(),
        address(&header.src),
        address(&header.dst),
        header.protocol.to_string(),
        header.src_port.to_string(),
        header.dst_port.to_string(),
        header.ip_len.to_string(),
        header.payload_len.to_string(),
        header.ttl.to_string(),
        header.tos.to_string(),
        header.network.to_string(),
        header.transport.to_string(),
        known(marks::TCP_KNOWN, header.tcp_flags.into()),
        header.seq.to_string(),
        header.ack.to_string(),
        known(marks::WINDOW_KNOWN, header.window.into()),
        u8::from(header.is(marks::FRAGMENT)).to_string(),
        u8::from(header.is(marks::LATER_FRAGMENT)).to_string(),
        known(marks::VLAN, header.vlan.into()),
        known(marks::ICMP_ID, header.icmp_id.into()),
        u8::from(header.is(marks::ETHERNET)).to_string(),
        labels,
        header.payload_captured.to_string(),
        hex(&frame[start..start + (header.payload_captured as usize).min(8)]),
    ]
    .join(" ")
}

fn summary(books: &Books) -> String {
    let mut text = String::from("books");
    for (reason, count) in books.packets.skipped.nonzero() {
        let _ = write!(text, " {}={count}", reason.name());
    }
    for (anomaly, count) in books.anomalies.nonzero() {
        let _ = write!(text, " {}={count}", anomaly.name());
    }
    for (kind, count) in &books.packets.ethertypes {
        let _ = write!(text, " {kind:#06x}={count}");
    }
    text
}

#[test]
fn real_frames_are_read_alike_by_all_paths() {
    let dump = std::env::var("JAYFLOW_DUMP").ok();
    let mut lines = String::new();
    let mut decap = DecodeOptions::default();
    crate::options::Options::set(
        &mut decap,
        "decap",
        &crate::options::Setting::Text("all".into()),
    )
    .expect("a setting");
    for path in captures() {
        let file = std::fs::read(&path).expect("a readable capture");
        let name = path.file_name().expect("a name").to_string_lossy();
        if dump.is_some() {
            let _ = writeln!(lines, "file {name}");
        }
        let (options, mut books) = (DecodeOptions::default(), Books::default());
        let (mut decoder, mut inside) = (Decoder::new(&options), Decoder::new(&decap));
        let (mut used, mut read) = (0, 0);
        for (record, ord) in records(&file).iter().zip(0..) {
            let frame = &file[record.offset as usize..][..record.captured as usize];
            reference::agree(record, frame);
            inside.decode(record, ord, &file, &mut Books::default());
            read += 1;
            if let Some(header) = decoder.decode(record, ord, &file, &mut books) {
                used += 1;
                if dump.is_some() {
                    let _ = writeln!(lines, "{}", line(&header, frame, &options));
                }
            }
        }
        assert_eq!(read, used + books.packets.skipped.total(), "{name}");
        if dump.is_some() {
            let _ = writeln!(lines, "{}", summary(&books));
        }
    }
    if let Some(dump) = dump {
        std::fs::write(dump, lines).expect("a writable path");
    }
}
