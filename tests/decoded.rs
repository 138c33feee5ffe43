//! What settings of `[decode]` do to rows: wrong checksums, link types.

use crate::traffic::{Record, pcap};
use etherparse::PacketBuilder;
use jayflow::{Control, Loaded, Plan, Report, run};
use jayflow_operators::books::Skip;
use std::path::Path;

const START: i64 = 1_700_000_000_000_000_000;

/// Rows of a spec over a capture, each cell by the name of its column; and the report.
fn rows(capture: &Path, spec: &str) -> (Vec<csv::StringRecord>, csv::StringRecord, Report) {
    let folder = tempfile::tempdir().unwrap();
    let path = capture.display();
    let text = format!("spec = 1\n[sources]\npath = '{path}'\n[sinks]\npath = \"out.csv\"\n{spec}");
    std::fs::write(folder.path().join("spec.toml"), text).unwrap();
    let loaded = Loaded::file(&folder.path().join("spec.toml")).unwrap();
    let checked = loaded.unwrap().check();
    let plan = Plan::new(&checked.unwrap_or_else(|found| panic!("{}", found.text(false))));
    let report = run(&plan, &Control::default()).unwrap();
    assert_eq!(report.books.imbalances(), Vec::<String>::new());
    let mut reader = csv::Reader::from_path(folder.path().join("out.csv")).unwrap();
    let names = reader.headers().unwrap().clone();
    let rows = reader.records().map(Result::unwrap).collect();
    (rows, names, report)
}

/// The values of a column.
fn column(names: &csv::StringRecord, rows: &[csv::StringRecord], name: &str) -> Vec<String> {
    let at = names.iter().position(|known| known == name).unwrap();
    rows.iter().map(|row| row[at].to_owned()).collect()
}

fn datagram(ends: [u8; 2], ports: [u16; 2], payload: &[u8]) -> Vec<u8> {
    let [from, to] = ends.map(|end| [10, 0, 0, end]);
    let builder = PacketBuilder::ethernet2([2; 6], [4; 6]).ipv4(from, to, 64);
    let mut frame = Vec::new();
    let udp = builder.udp(ports[0], ports[1]);
    udp.write(&mut frame, payload).unwrap();
    frame
}

#[test]
fn packets_with_wrong_checksums_are_left_out() {
    let folder = tempfile::tempdir().unwrap();
    let capture = folder.path().join("in.pcap");
    let right = datagram([1, 2], [4000, 53], b"hello");
    let wrong = |at: usize| {
        let mut frame = right.clone();
        frame[at] ^= 1;
        frame
    };
    // a right one; TTL and payload changed; without a checksum
    let mut none = wrong(43);
    none[40..42].fill(0);
    let frames = [right.clone(), wrong(22), wrong(43), none];
    let records: Vec<Record> = frames.map(|frame| (START, frame)).to_vec();
    std::fs::write(&capture, pcap(&records)).unwrap();
    for (checksum, used) in [("ignore", 4), ("drop-bad", 2)] {
        let spec = format!(
            "[decode]\nchecksum = \"{checksum}\"\n[features]\nonly = [\"total_packets\"]\n"
        );
        let (rows, names, report) = rows(&capture, &spec);
        assert_eq!(column(&names, &rows, "total_packets"), [used.to_string()]);
        let skipped = report.books.packets.skipped.get(Skip::Malformed);
        assert_eq!(skipped, 4 - used);
    }
}

#[test]
fn frames_of_other_link_types_are_left_out() {
    let folder = tempfile::tempdir().unwrap();
    let capture = folder.path().join("in.pcap");
    let records: Vec<Record> = vec![(START, datagram([1, 2], [4000, 53], b"hello"))];
    std::fs::write(&capture, pcap(&records)).unwrap();
    for (types, used) in [
        ("[\"ETHERNET\"]", 1),
        ("1", 1),
        ("[\"raw\", 1]", 1),
        ("\"RAW\"", 0),
        ("[228, 113]", 0),
    ] {
        let spec =
            format!("[decode]\nlink_types = {types}\n[features]\nonly = [\"total_packets\"]\n");
        let (rows, _, report) = rows(&capture, &spec);
        let skipped = report.books.packets.skipped.get(Skip::UnsupportedLinktype);
        assert_eq!((rows.len() as u64, skipped), (used, 1 - used), "{types}");
    }
    let wrong = |types: &str| {
        let text = format!(
            "spec = 1\n[sources]\npath = \"a\"\n[decode]\nlink_types = {types}\n[sinks]\npath = \"a.csv\"\n"
        );
        let loaded = Loaded::text("spec.toml", text, "".into()).unwrap();
        let found = loaded.check().expect_err("it is wrong");
        let one = &found.list[0];
        let help = one.help.clone().unwrap_or_default();
        (
            one.code,
            one.path.clone(),
            format!("{}; {help}", one.message),
        )
    };
    let (code, path, text) = wrong("[1, \"ETHERNETT\"]");
    assert_eq!((code, path.as_str()), ("E0008", "decode.link_types[1]"));
    let begin = "`ETHERNETT` is not a link type; did you mean `ETHERNET`? one of `NULL`";
    assert!(text.starts_with(begin), "{text}");
    let (code, _, text) = wrong("147");
    assert_eq!(code, "E0008");
    assert!(text.starts_with("147 is not the number"), "{text}");
    assert_eq!(wrong("[]").0, "E0008");
}
