//! What fuzzing starts from: captures cut to what each target reads.

use jayflow_operators::Books;
use jayflow_operators::decode::{DecodeOptions, Decoder};
use jayflow_operators::packet::{BlockPool, Header};
use jayflow_operators::sources::{Bounds, Reader};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Bytes of a seed at most: small ones are tried more often.
const MOST: usize = 4096;
/// Frames of a seed for `decode`.
const FRAMES: usize = 6;

/// Inputs by target.
pub type Seeds = BTreeMap<&'static str, Vec<Vec<u8>>>;

/// Seeds from all captures in these folders, and the specs beside them.
pub fn seeds(captures: &[PathBuf], specs: &Path) -> Seeds {
    let mut seeds = Seeds::new();
    for path in captures.iter().flat_map(|folder| files(folder)) {
        let Ok(bytes) = std::fs::read(&path) else {
            continue;
        };
        let start = bytes.get(..MOST.min(bytes.len())).unwrap_or(&[]);
        let target = match path.extension().and_then(|ending| ending.to_str()) {
            Some("pcap") => "pcap",
            Some("pcapng") => "pcapng",
            // cut streams come apart: a whole one, if it is small
            Some("gz" | "xz" | "zst" | "lz4") => "archive",
            _ => continue,
        };
        seeds.entry(target).or_default().push(start.to_vec());
        if target == "archive" && bytes.len() < 8 * MOST {
            seeds.entry(target).or_default().push(bytes);
        }
        cut(&path, &mut seeds);
    }
    for path in files(specs) {
        if let Ok(text) = std::fs::read(&path) {
            let set = [&text[..], b"\0idle_timeout=30s"].concat();
            seeds.entry("spec").or_default().extend([text, set]);
        }
    }
    let expressions = [
        "if i > 3 and t matches \"^a\" then f * 2 else null ?? 1.5",
        "count(where pkt.fwd and pkt.payload_len > 0) / 2 + std(delta(pkt.time), ddof=1) / 1s",
        "a in [10.0.0.0/8, ::1] or d not in [1s..2h] # a comment",
        "case when b then at(split(u, \".\"), -1) else lower(t) + text(i) end",
        "fold(0.0, 0.9 * acc + pkt.len where pkt.tcp.syn is not null)",
        "pkt.dst_port in 1..1024 and not pkt.frag",
    ];
    let expressions = expressions.map(|text| text.as_bytes().to_vec());
    seeds.insert("expression", expressions.to_vec());
    let addresses = b"\0\0k\xc0\0\x02\x01\xc0\0\x02\x02 02:00:5e:00:53:01\na.example\n";
    let sixes = b"\x01\x01k2001:db8::1 2001:db8::2 and the like";
    seeds.insert(
        "anonymise",
        vec![addresses.to_vec(), sixes.to_vec(), vec![b'0'; 64]],
    );
    seeds
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let mut files: Vec<PathBuf> = entries.map(|entry| entry.path()).collect();
    files.sort();
    files
}

/// One direction of a flow, by addresses and ports.
type Way = ([u8; 16], [u8; 16], u16, u16, u8);

fn way(header: &Header) -> (Way, bool) {
    let from = (header.src, header.src_port);
    let to = (header.dst, header.dst_port);
    let (low, high) = if from < to { (from, to) } else { (to, from) };
    ((low.0, high.0, low.1, high.1, header.protocol), from == low)
}

/// Adds frames, headers, datagrams and streams of a capture.
fn cut(path: &Path, seeds: &mut Seeds) {
    let mut reader = Reader::open(path, 0, BlockPool::default(), Bounds::default());
    let mut books = Books::default();
    let mut decoder = Decoder::new(&DecodeOptions::default());
    let mut frames = Vec::new();
    let mut segments: BTreeMap<Way, Vec<u8>> = BTreeMap::new();
    let mut streams: BTreeMap<(Way, bool), Vec<u8>> = BTreeMap::new();
    let mut add = |target: &'static str, bytes: Vec<u8>| {
        if !bytes.is_empty() {
            seeds.entry(target).or_default().push(bytes);
        }
    };
    while let Some(chunk) = reader.next(&mut books) {
        for (record, ord) in chunk.records.iter().zip(chunk.first_record..) {
            let (start, length) = (record.offset as usize, record.captured as usize);
            let frame = &chunk.block.bytes[start..start + length];
            frames.push((record.link, frame.to_vec()));
            let Some(header) = decoder.decode(record, ord, &chunk.block.bytes, &mut books) else {
                continue;
            };
            let place = header.payload as usize;
            let payload = &chunk.block.bytes[place..place + header.payload_captured as usize];
            let (flow, is_low) = way(&header);
            let ports = [header.src_port, header.dst_port];
            if header.protocol == 6 {
                let transport = start + header.transport as usize;
                add(
                    "tcp_options",
                    chunk.block.bytes[transport..place.max(transport)].to_vec(),
                );
                let segments = segments.entry(flow).or_default();
                for piece in payload.chunks(255) {
                    if segments.len() > MOST {
                        break;
                    }
                    segments.extend([0x50 | u8::from(is_low), piece.len() as u8]);
                    segments.extend(piece);
                }
                streams.entry((flow, is_low)).or_default().extend(payload);
            } else if header.protocol == 17 && ports.iter().any(|port| [53, 5353].contains(port)) {
                add("dns", payload.to_vec());
            } else if header.protocol == 17 && ports.iter().any(|port| [67, 68].contains(port)) {
                add("dhcp", payload.to_vec());
            } else if header.protocol == 17 && payload.first().is_some_and(|first| *first >= 0xC0) {
                add("quic", payload.to_vec());
            }
        }
    }
    for ((flow, _), mut stream) in streams {
        stream.truncate(MOST);
        add("greeting", stream.iter().copied().take(64).collect());
        let target = match stream.first() {
            Some(0x14..=0x18) => "tls",
            Some(b'S') if stream.starts_with(b"SSH-") => "ssh",
            Some(0) if [flow.2, flow.3].contains(&53) => "dns",
            Some(b'A'..=b'Z') => "http",
            _ => continue,
        };
        add(target, stream);
    }
    segments
        .into_values()
        .for_each(|segments| add("stream", segments));
    for frames in frames.chunks(FRAMES) {
        let mut seed = vec![match frames.first().map(|(link, _)| *link) {
            Some(101) => 4,
            _ => 0,
        }];
        for (_, frame) in frames {
            let length = frame.len().min(600);
            seed.extend((length as u16).to_be_bytes());
            seed.extend(&frame[..length]);
        }
        add("decode", seed);
    }
}
