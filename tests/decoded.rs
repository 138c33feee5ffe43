//! What settings of `[decode]` do to rows: packets in fragments as a whole, wrong checksums, link types.

use crate::shared::shared;
use crate::traffic::{Record, pcap};
use etherparse::PacketBuilder;
use jayflow::{Control, Loaded, Plan, Report, run};
use jayflow_operators::books::{Anomaly, Skip};
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

/// An IPv4 packet in Ethernet as fragments, whose data begin at these places.
fn fragments(frame: &[u8], id: u16, places: &[usize]) -> Vec<Vec<u8>> {
    let body = &frame[34..];
    let ends = places[1..].iter().copied().chain([body.len()]);
    let parts = places.iter().zip(ends).map(|(from, to)| {
        let mut part = [&frame[..34], &body[*from..to]].concat();
        let length = u16::try_from(part.len() - 14).unwrap();
        part[16..18].copy_from_slice(&length.to_be_bytes());
        part[18..20].copy_from_slice(&id.to_be_bytes());
        let more = u16::from(to < body.len()) << 13;
        let field = u16::try_from(from / 8).unwrap() | more;
        part[20..22].copy_from_slice(&field.to_be_bytes());
        part
    });
    parts.collect()
}

/// A DNS response with a TXT record of two long texts.
fn response() -> Vec<u8> {
    let mut message = vec![0x12, 0x34, 0x81, 0x80, 0, 1, 0, 1, 0, 0, 0, 0];
    let question = [1, b'a', 1, b'b', 0, 0, 16, 0, 1];
    message.extend(question);
    message.extend([0xC0, 12, 0, 16, 0, 1, 0, 0, 0, 77, 0, 102]);
    for byte in [b'x', b'y'] {
        message.push(50);
        message.extend([byte; 50]);
    }
    message
}

fn query() -> Vec<u8> {
    let mut message = vec![0x12, 0x34, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0];
    message.extend([1, b'a', 1, b'b', 0, 0, 16, 0, 1]);
    message
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
fn parsers_get_the_whole_and_all_else_stays() {
    let folder = tempfile::tempdir().unwrap();
    let capture = folder.path().join("in.pcap");
    let whole = datagram([2, 1], [53, 4000], &response());
    let parts = fragments(&whole, 9, &[0, 24, 80]);
    // the first one comes first: who comes before it has no flow
    for order in [[0, 1, 2], [0, 2, 1]] {
        let mut packets = vec![datagram([1, 2], [4000, 53], &query())];
        packets.extend(order.map(|at| parts[at].clone()));
        let records: Vec<Record> = (0..)
            .map(|at| START + at * 1_000_000)
            .zip(packets)
            .collect();
        std::fs::write(&capture, pcap(&records)).unwrap();
        let with = |fragments: &str, run: &str| {
            let features = "[features]\nprofile = \"JF-EXTRA\"\nflow_id = true\n";
            rows(
                &capture,
                &format!("[decode]\nfragments = \"{fragments}\"\n{features}{run}"),
            )
        };
        let (plain, names, _) = with("first-port", "");
        let (joined, _, report) = with("reassemble", "");
        assert_eq!((plain.len(), joined.len()), (1, 1));
        assert_eq!(report.books.anomalies.get(Anomaly::FragmentLost), 0);
        let answers = |rows: &[csv::StringRecord]| column(&names, rows, "dns_answers").concat();
        assert!(!answers(&plain).contains("yyyy"), "{}", answers(&plain));
        assert!(answers(&joined).contains("yyyy"), "{}", answers(&joined));
        assert_eq!(column(&names, &joined, "dns_min_ttl"), ["77"]);
        assert_eq!(
            column(&names, &joined, "dns_rtt"),
            ["0.003"],
            "with the last one"
        );
        let differs = names.iter().zip(plain[0].iter().zip(&joined[0]));
        for (name, _) in differs.filter(|(_, (one, other))| one != other) {
            assert!(name.starts_with("dns_"), "{name}");
        }
        for run in [
            "[run]\nworkers = 3\nchunk = 1\n",
            "[run]\nworkers = 2\nepoch = 2\nfused = false\n",
        ] {
            let other = with("reassemble", run);
            assert_eq!(other.0, joined, "{run}");
            assert_eq!(other.2.books, report.books, "{run}");
        }
    }
}

#[test]
fn what_is_not_whole_at_the_end_is_counted() {
    let folder = tempfile::tempdir().unwrap();
    let capture = folder.path().join("in.pcap");
    let whole = datagram([2, 1], [53, 4000], &response());
    let parts = fragments(&whole, 9, &[0, 24, 80]);
    let records: Vec<Record> = [&parts[0], &parts[2]]
        .map(|part| (START, part.clone()))
        .to_vec();
    std::fs::write(&capture, pcap(&records)).unwrap();
    let lost = |columns: &str, run: &str| {
        let spec = format!(
            "[decode]\nfragments = \"reassemble\"\n[features]\nonly = [\"{columns}\"]\n{run}"
        );
        let (found, names, report) = rows(&capture, &spec);
        assert_eq!(column(&names, &found, columns).len(), 1);
        report.books.anomalies.get(Anomaly::FragmentLost)
    };
    assert_eq!(lost("dns_detected", ""), 1);
    assert_eq!(lost("dns_detected", "[run]\nworkers = 3\n"), 1);
    assert_eq!(lost("total_packets", ""), 0, "nobody asked for messages");
}

#[test]
fn answers_of_real_fragments_are_whole() {
    let Some(shared) = shared() else { return };
    let capture = shared.join("pcaps/fragment/zeek-ipv6-fragmented-dns.pcap");
    let of = |fragments: &str| {
        let spec = format!(
            "[decode]\nfragments = \"{fragments}\"\n[features]\nonly = [\"dns_answers\", \"dns_max_ttl\", \"total_packets\"]\n"
        );
        let (rows, names, _) = rows(&capture, &spec);
        ["total_packets", "dns_max_ttl"].map(|name| column(&names, &rows, name))
    };
    // the second answer comes in three parts
    let [packets, ttls] = of("first-port");
    assert_eq!(ttls.iter().filter(|ttl| !ttl.is_empty()).count(), 1);
    let [again, joined] = of("reassemble");
    assert_eq!(packets, again);
    assert_eq!(
        joined.iter().filter(|ttl| **ttl == "1").count(),
        2,
        "{joined:?}"
    );
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
