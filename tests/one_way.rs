//! Flows of one direction: each row is a half of a row of both, and TCP closes each half by itself.

use crate::program::Folder;
use crate::shared::shared;
use jayflow::{Control, Loaded, Plan, run};
use std::path::Path;

/// Rows over a capture, as cells, without the header.
fn rows(capture: &Path, flows: &str) -> Vec<Vec<String>> {
    let folder = tempfile::tempdir().unwrap();
    let text = format!(
        "spec = 1\n[sources]\npath = '{}'\n[flows]\n{flows}\n[features]\n\
         only = [\"???_ip\", \"???_port\", \"protocol\", \"packets_?wd\", \"bytes_?wd\", \"initiator_swapped\"]\n\
         add = [\"community_id\"]\nflow_id = true\n[sinks]\npath = \"out.csv\"\n",
        capture.display()
    );
    std::fs::write(folder.path().join("spec.toml"), text).unwrap();
    let loaded = Loaded::file(&folder.path().join("spec.toml")).unwrap();
    let checked = loaded.unwrap().check();
    let plan = Plan::new(&checked.unwrap_or_else(|found| panic!("{}", found.text(false))));
    let report = run(&plan, &Control::default()).unwrap();
    assert_eq!(report.books.imbalances(), Vec::<String>::new());
    let mut reader = csv::Reader::from_path(folder.path().join("out.csv")).unwrap();
    let names = "flow_id,src_ip,dst_ip,src_port,dst_port,protocol,packets_fwd,packets_bwd,bytes_fwd,bytes_bwd,initiator_swapped,community_id";
    assert_eq!(
        reader
            .headers()
            .unwrap()
            .iter()
            .collect::<Vec<_>>()
            .join(","),
        names
    );
    let cells = reader.records().map(|record| {
        let record = record.unwrap();
        record.iter().map(str::to_owned).collect()
    });
    cells.collect()
}

/// Without what ends records, so that those of both kinds are of the same packets.
const WHOLE: &str = "terminate = \"never\"\nidle_timeout = \"off\"\n";

#[test]
fn each_is_a_half_of_a_record_of_both_directions() {
    let sample = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/sample.pcap");
    let mut captures = vec![sample];
    if let Some(shared) = shared() {
        let names = [
            "app/nDPI-gnutella.pcap",
            "fragment/nDPI-dns_fragmented.pcap",
            "tunnel/tcpdump-various_gre.pcap",
            "icmp/zeek-icmp6-ping.pcap",
        ];
        captures.extend(names.map(|name| shared.join("pcaps").join(name)));
    }
    for capture in captures {
        let both = rows(&capture, WHOLE);
        let mut halves: Vec<Vec<String>> = Vec::new();
        for row in &both {
            let half = |places: [usize; 7]| {
                let cells = places.iter().map(|at| row[*at].clone());
                // the ids of ICMP messages depend on what was asked first
                let community = Some(row[11].clone()).filter(|_| row[5] == "6" || row[5] == "17");
                cells.chain(community).collect::<Vec<_>>()
            };
            let [there, back] = [[1, 2, 3, 4, 5, 6, 8], [2, 1, 4, 3, 5, 7, 9]].map(half);
            halves.extend([there, back].into_iter().filter(|half| half[5] != "0"));
        }
        let alone = rows(&capture, &format!("{WHOLE}bidirectional = false\n"));
        let mut found: Vec<Vec<String>> = Vec::new();
        for row in &alone {
            assert_eq!(
                [&*row[7], &row[9], &row[10]],
                ["0", "0", "false"],
                "{row:?}"
            );
            let cells = [1, 2, 3, 4, 5, 6, 8].map(|at| row[at].clone());
            let community = Some(row[11].clone()).filter(|_| row[5] == "6" || row[5] == "17");
            found.push(cells.into_iter().chain(community).collect());
        }
        halves.sort();
        found.sort();
        assert!(both.len() < alone.len(), "{}", capture.display());
        assert!(halves == found, "{}", capture.display());
        let mut ids: Vec<&String> = alone.iter().map(|row| &row[0]).collect();
        ids.sort();
        ids.dedup();
        assert_eq!(ids.len(), alone.len(), "{}", capture.display());
    }
}

/// A connection that is closed by both ends, with the last acknowledgements; then the same ports again, 6 s later in all.
const CONNECTIONS: &str = r#"
packets = [
  { src = "10.0.0.1:4000", dst = "10.0.0.2:80", tcp = { flags = "S", seq = 100 } },
  { src = "10.0.0.2:80", dst = "10.0.0.1:4000", tcp = { flags = "SA", seq = 500, ack = 101 } },
  { src = "10.0.0.1:4000", dst = "10.0.0.2:80", tcp = { flags = "A", seq = 101, ack = 501 } },
  { src = "10.0.0.1:4000", dst = "10.0.0.2:80", tcp = { flags = "FA", seq = 101, ack = 501 } },
  { src = "10.0.0.2:80", dst = "10.0.0.1:4000", tcp = { flags = "PA", seq = 501, ack = 102, payload = "late" } },
  { src = "10.0.0.1:4000", dst = "10.0.0.2:80", tcp = { flags = "A", seq = 102, ack = 505 } },
  { src = "10.0.0.2:80", dst = "10.0.0.1:4000", tcp = { flags = "FA", seq = 505, ack = 102 } },
  { src = "10.0.0.1:4000", dst = "10.0.0.2:80", tcp = { flags = "A", seq = 102, ack = 506 } },
  { t = "3s", src = "10.0.0.1:4000", dst = "10.0.0.2:80", tcp = { flags = "S", seq = 9000 } },
  { src = "10.0.0.2:80", dst = "10.0.0.1:4000", tcp = { flags = "SA", seq = 7000, ack = 9001 } },
  { src = "10.0.0.2:80", dst = "10.0.0.1:4000", tcp = { flags = "SA", seq = 7000, ack = 9001 } },
  { src = "10.0.0.1:4000", dst = "10.0.0.2:80", tcp = { flags = "RA", seq = 9001, ack = 7001 } },
]
"#;

#[test]
fn tcp_closes_each_direction_by_its_own_fin_or_rst() {
    let folder = Folder::new();
    let spec = format!(
        "spec = 1\n[sources]\npath = \"none.pcap\"\n[flows]\nbidirectional = false\n[sinks]\npath = \"never.csv\"\n\
         [tests.two]{CONNECTIONS}workers = [1, 2]\nrows = 4\nexpect = [\n\
         {{ src_port = 4000, total_packets = 5, flow_end_reason = \"fin\", packets_bwd = 0, packets_ratio = \"null\" }},\n\
         {{ src_port = 80, total_packets = 3, flow_end_reason = \"fin\", initiator_swapped = false }},\n\
         {{ src_port = 4000, total_packets = 2, flow_end_reason = \"rst\" }},\n\
         {{ src_port = 80, total_packets = 2, flow_end_reason = \"eof\" }},\n]\n"
    );
    std::fs::write(folder.path().join("spec.toml"), spec).unwrap();
    let ended = folder.run("test spec.toml");
    let text = String::from_utf8(ended.out).unwrap() + &ended.err;
    assert!(text.ends_with("1 test, 0 failed\n"), "{text}");
}

#[test]
fn what_has_no_meaning_there_is_an_error() {
    let check = |flows: &str| {
        let text = format!(
            "spec = 1\n[sources]\npath = \"a\"\n[flows]\nbidirectional = false\n{flows}\n[sinks]\npath = \"a.csv\"\n"
        );
        Loaded::text("spec.toml", text, "".into()).unwrap().check()
    };
    let found = check("initiator = \"port\"").expect_err("it has no meaning");
    let one = &found.list[0];
    assert_eq!((one.code, one.path.as_str()), ("E0008", "flows.initiator"));
    check("initiator = \"syn\"").expect("without effect");
}
