//! What fuzzing starts from: captures cut to what each target reads.

use jayflow_operators::Books;
use jayflow_operators::columns::Columns;
use jayflow_operators::decode::{DecodeOptions, Decoder};
use jayflow_operators::features::catalogue;
use jayflow_operators::options::Setting;
use jayflow_operators::packet::{BlockPool, Header};
use jayflow_operators::schema::Feature;
use jayflow_operators::sinks::{Description, SinkOptions, open};
use jayflow_operators::sources::{Bounds, Reader};
use jayflow_operators::stored::kind::{push_null, push_value};
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
    seeds.insert("dtls", vec![handshake()]);
    for kind in ["csv", "jsonl", "parquet", "arrow"] {
        seeds.insert(kind, rows(kind));
    }
    let labels = "\u{feff}ip, from ,to,label\n10.0.0.1,2026-01-01 10:00:00,1767261600.5,\"a, b\"\n::1,,NaN,0x1f\n\n10.0.0.1,x\n";
    let lines = "{\"a\":\"b\\u00e9\",\"t\":1.25}\n\n{\"x\":[1,{\"y\":null}],\"t\":-0,\"a\":true}\n";
    for (kind, text) in [("csv", labels), ("jsonl", lines)] {
        seeds.entry(kind).or_default().push(text.into());
    }
    let list =
        "# bad\n10.0.0.1 # a host\n192.0.2.77/24\n2001:db8::/32\nEvil.example\n*.bad.test.\n";
    seeds.insert("list", vec![list.into()]);
    let archives = [
        include_bytes!("small.tar").to_vec(),
        include_bytes!("small.zip").to_vec(),
    ];
    seeds.insert("members", archives.to_vec());
    seeds.insert("mmdb", vec![include_bytes!("small.mmdb").to_vec()]);
    seeds
}

/// Datagrams of a handshake of DTLS 1.2 (RFC 6347), as `protocols::total::dtls` reads them.
fn handshake() -> Vec<u8> {
    let message = |kind: u8, number: u8, body: &[u8]| {
        let size = [0, 0, body.len() as u8];
        let head = [&[kind][..], &size, &[0, number, 0, 0, 0], &size].concat();
        let length = (head.len() as u16 + body.len() as u16).to_be_bytes();
        let record = [22, 0xfe, 0xfd, 0, 0, 0, 0, 0, 0, 0, number];
        [&record[..], &length, &head, body].concat()
    };
    let hello = |cookie: &[u8]| {
        let start = [
            &[0xfe, 0xfd][..],
            &[7; 32],
            &[0, cookie.len() as u8],
            cookie,
        ]
        .concat();
        let name = b"\0\0\0\x0e\0\x0c\0\0\x09a.example";
        let versions = b"\0\x2b\0\x05\x04\xfe\xfc\xfe\xfd";
        let rest = [&[0, 2, 0xc0, 0x2b, 1, 0, 0, 27][..], name, versions].concat();
        [start, rest].concat()
    };
    let answer = [&[0xfe, 0xfd][..], &[9; 32], &[0, 0xc0, 0x2b, 0]].concat();
    let exchange = [&[3, 0, 29, 32][..], &[6; 32]].concat();
    let chain = [0, 0, 6, 0, 0, 3, 0x30, 1, 0];
    let flight = [
        message(2, 1, &answer),
        message(11, 2, &chain),
        message(12, 3, &exchange),
        message(14, 4, &[]),
        vec![20, 0xfe, 0xfd, 0, 0, 0, 0, 0, 0, 0, 9, 0, 1, 1],
    ];
    let datagrams = [
        (0, message(1, 0, &hello(&[]))),
        (0x80, message(3, 0, &[0xfe, 0xff, 1, 5])),
        (0, message(1, 1, &hello(&[5]))),
        (0x80, flight.concat()),
    ];
    let framed = datagrams.into_iter().map(|(from, datagram)| {
        let [high, low] = (datagram.len() as u16).to_be_bytes();
        [vec![from | high, low], datagram].concat()
    });
    framed.collect::<Vec<_>>().concat()
}

/// Columns of the files of rows that fuzzing starts from.
const COLUMNS: [&str; 12] = [
    "src_ip",
    "dst_ip",
    "src_port",
    "dst_port",
    "start_time",
    "end_time",
    "total_packets",
    "total_bytes",
    "tls_detected",
    "tls_sni",
    "tls_ciphers",
    "bytes_ratio",
];

/// Files of rows of a kind, as its sink writes them.
fn rows(kind: &str) -> Vec<Vec<u8>> {
    let all = catalogue();
    let schema: Vec<Feature> = (COLUMNS.iter())
        .filter_map(|name| all.iter().find(|one| one.name == *name).cloned())
        .collect();
    let mut rows = Columns::new(&schema);
    for row in 0..4_u64 {
        rows.keys.push((row as i64, row));
        for (column, feature) in rows.columns.iter_mut().zip(&schema) {
            let text = match &*feature.name {
                "src_ip" => format!("10.0.0.{row}"),
                "dst_ip" => "2001:db8::1".to_owned(),
                "start_time" | "end_time" => format!("1700000000.00000000{row}"),
                "tls_detected" => "true".to_owned(),
                "tls_sni" => "a.example".to_owned(),
                "tls_ciphers" => "[4865, 10]".to_owned(),
                "bytes_ratio" => "0.25".to_owned(),
                _ => row.to_string(),
            };
            let is_null = row == 2 && feature.null.is_some();
            if is_null || !push_value(column, &text) {
                push_null(column);
            }
        }
    }
    let folder = tempfile::tempdir().expect("a temporary folder");
    let settings: &[(&str, &str)] = match kind {
        "parquet" => &[
            ("compression", "none"),
            ("compression", "zstd"),
            ("compression", "snappy"),
        ],
        "arrow" => &[("compression", "none"), ("compression", "zstd")],
        _ => &[("", "")],
    };
    let files = settings.iter().enumerate().map(|(number, (key, value))| {
        let path = folder.path().join(format!("{number}.{kind}"));
        let mut options = SinkOptions::of_kind(kind).expect("a kind of files");
        let place = Setting::Text(path.display().to_string());
        options.set("path", &place).expect("a path");
        if !key.is_empty() {
            let setting = Setting::Text((*value).to_owned());
            options.set(key, &setting).expect("a compression");
        }
        let description = Description {
            schema: schema.clone(),
            ..Description::default()
        };
        let mut sink = open(&options, &description, "1-0").expect("a sink");
        sink.write(rows.clone()).expect("rows");
        sink.commit().expect("a file");
        std::fs::read(&path).expect("the file")
    });
    files.collect()
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
