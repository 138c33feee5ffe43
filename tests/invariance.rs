//! The same rows and the same books for any number of workers, epochs, chunks, splits and either form of the extractors.

use crate::traffic::{Record, pcap, records};
use jayflow::{Control, Loaded, Plan, run};
use jayflow_operators::Books;
use proptest::prelude::*;
use std::path::Path;

/// Rows as CSV and the books of a run over `inputs`, each a capture.
pub fn rows(inputs: &[Vec<Record>], spec: &str) -> (String, Books) {
    let folder = tempfile::tempdir().unwrap();
    let names: Vec<String> = (0..inputs.len())
        .map(|at| format!("\"{at:03}.pcap\""))
        .collect();
    for (at, input) in inputs.iter().enumerate() {
        std::fs::write(folder.path().join(format!("{at:03}.pcap")), pcap(input)).unwrap();
    }
    rows_of(
        folder.path(),
        &format!("path = [{}]", names.join(", ")),
        spec,
    )
}

/// The same over captures that are there; `source` is the keys of `[sources]`, `spec` further sections, where `SOURCE` ends
/// those that belong to the source.
fn rows_of(folder: &Path, source: &str, spec: &str) -> (String, Books) {
    let (source_keys, sections) = spec.split_once("SOURCE").unwrap_or(("", spec));
    let out = tempfile::tempdir().unwrap();
    let path = out.path().join("rows.csv");
    let text = format!(
        "spec = 1\n[sources]\n{source}\n{source_keys}\n[sinks.out]\npath = \"{}\"\n{sections}",
        path.display()
    );
    std::fs::write(folder.join("spec.toml"), text).unwrap();
    let loaded = Loaded::file(&folder.join("spec.toml")).unwrap().unwrap();
    let plan = Plan::new(&loaded.check().unwrap_or_else(|found| panic!("{found:?}")));
    let report = run(&plan, &Control::default()).unwrap();
    assert_eq!(report.books.imbalances(), Vec::<String>::new());
    let mut books = report.books;
    // the name of the output is that of this run
    let sinks: Vec<_> = std::mem::take(&mut books.sinks).into_values().collect();
    books
        .sinks
        .extend(sinks.into_iter().map(|sink| ("out".to_owned(), sink)));
    books
        .inputs
        .faults
        .iter_mut()
        .for_each(|fault| fault.file.clear());
    // `source_file` has the folder of this run
    let text = std::fs::read_to_string(path).unwrap();
    (text.replace(&folder.display().to_string(), ""), books)
}

const EVERYTHING: &str = "profile = \"JF-EXTRA\"\nflow_id = true\nsplit = true\nraw_sequences = true\nsplt = true\ndtls = true\n";

/// Derived columns of each kind, and filters with a sample and routes.
const EXPRESSIONS: &str = r#"
[features.derive]
up = 'bytes_fwd / total_bytes'
rate = 'total_bytes / duration'
middle = 'median(pkt.len)'
gap = 'mean(delta(pkt.time) where pkt.fwd)'
smooth = 'fold(0.0, 0.9 * acc + 0.1 * pkt.len where pkt.index > 1)'
pushes = 'count(where pkt.tcp.psh) + pushes_back'
pushes_back = 'count(where pkt.tcp.psh and pkt.bwd)'
peers = 'text(src_ip) + " " + text(dst_ip)'
lengths = 'list(pkt.len, limit=5)'
bits = 'entropy(pkt.len)'
spread = 'std(pkt.iat)'
many = 'distinct(pkt.payload_len where pkt.src_port == src_port) > 1'

[filters.kinds]
routes = { udp = 'protocol == 17', tcp = 'protocol == 6', rest = 'else' }

[filters.some]
input = ["kinds.tcp", "kinds.udp"]
sample = 0.7
"#;

/// Derived columns of messages, and of what looks back.
const MESSAGES: &str = r#"
[features.derive]
n = 'count()'
names = 'distinct(pkt.dns.qname)'
echoes = 'count(where pkt.icmp.type == 8)'
scales = 'list(pkt.tcp.wscale)'
steps = 'list(delta(pkt.index) where pkt.payload_len > 10, limit=4)'
elapsed = 'sum(pkt.time - start_time)'
huge = 'count(where pkt.len * 100000000000000000 > 0)'

"#;

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn workers_epochs_chunks_and_fusion_change_nothing(
        traffic in records(120), workers in prop_oneof![Just(1usize), Just(2), Just(3), Just(8)],
        epoch in prop_oneof![Just(1usize), Just(7), Just(4096)], chunk in prop_oneof![Just(1usize), Just(5), Just(4096)],
        fused: bool, max_flows in prop_oneof![Just(1usize << 20), Just(256)], active: bool,
        bidirectional in prop_oneof![3 => Just(true), 1 => Just(false)],
        fragments in prop_oneof![Just("first-port"), Just("reassemble")],
    ) {
        let flows = format!(
            "[decode]\nfragments = \"{fragments}\"\ndns_ports = [1000, 1001]\n[flows]\nmax_flows = {max_flows}\nactive_timeout = \"{}\"\nbidirectional = {bidirectional}\n",
            if active { "2s" } else { "off" }
        );
        let spec = |workers, epoch, chunk, fused| format!(
            "{flows}[features]\n{EVERYTHING}[run]\nworkers = {workers}\nepoch = {epoch}\nchunk = {chunk}\nfused = {fused}\n"
        );
        let inputs = [traffic];
        let plain = rows(&inputs, &spec(1, 8192, 4096, true));
        let other = rows(&inputs, &spec(workers, epoch, chunk, fused));
        prop_assert_eq!(&plain.0, &other.0);
        prop_assert_eq!(&plain.1, &other.1);
    }

    #[test]
    fn expressions_are_the_same_on_any_number_of_workers(
        traffic in records(120), workers in prop_oneof![Just(1usize), Just(2), Just(3), Just(8)],
        epoch in prop_oneof![Just(1usize), Just(7), Just(4096)], fused: bool, graph: bool, first: bool,
    ) {
        let first = if first { "dedup = [\"protocol\", \"dst_port\", \"up\"]\nlimit = 20\n" } else { "" };
        let groups = if graph { "[\"all\", \"connection\"]" } else { "[\"all\"]" };
        let spec = |workers, epoch, fused| format!(
            "input = \"some\"\nwhere = 'up is null or up >= 0'\n\
            [features]\ngroups = {groups}\n{EXPRESSIONS}{first}[run]\nworkers = {workers}\nepoch = {epoch}\nfused = {fused}\n"
        );
        let inputs = [traffic];
        let plain = rows(&inputs, &spec(1, 8192, true));
        let other = rows(&inputs, &spec(workers, epoch, fused));
        prop_assert_eq!(&plain.0, &other.0);
        prop_assert_eq!(&plain.1, &other.1);
        let filter = &plain.1.filters["kinds"];
        prop_assert_eq!(filter.offered, plain.1.flows.emitted.total());
    }

    #[test]
    fn early_rows_and_rules_are_the_same_on_any_number_of_workers(
        traffic in records(120), workers in prop_oneof![Just(1usize), Just(2), Just(3), Just(8)],
        epoch in prop_oneof![Just(1usize), Just(7), Just(4096)], chunk in prop_oneof![Just(1usize), Just(5), Just(4096)],
        fused: bool, max_flows in prop_oneof![Just(1usize << 20), Just(256)], idle in prop_oneof![Just("2s"), Just("60s")],
        rule in prop_oneof![Just(""), Just("end_when = 'count() >= 3'\n"), Just("end_when = 'sum(pkt.len) > 150 or pkt.iat > 1s'\n")],
    ) {
        let spec = |workers, epoch, chunk, fused| format!(
            "[flows]\nmax_flows = {max_flows}\nidle_timeout = \"{idle}\"\nearly = [\"2 packets\", \"1s\", \"30s\", \"3 packets\"]\n{rule}\
            [features]\n{EVERYTHING}{MESSAGES}[run]\nworkers = {workers}\nepoch = {epoch}\nchunk = {chunk}\nfused = {fused}\n"
        );
        let inputs = [traffic];
        let plain = rows(&inputs, &spec(1, 8192, 4096, true));
        let other = rows(&inputs, &spec(workers, epoch, chunk, fused));
        prop_assert_eq!(&plain.0, &other.0);
        prop_assert_eq!(&plain.1, &other.1);
        let flows = &plain.1.flows;
        prop_assert_eq!(plain.1.sinks["out"].offered, flows.emitted.total() + flows.early);
    }

    #[test]
    fn inputs_may_be_merged_on_any_number_of_workers(
        traffic in proptest::collection::vec(records(50), 1..5), workers in prop_oneof![Just(1usize), Just(2), Just(3)],
        epoch in prop_oneof![Just(1usize), Just(8192)], merge in prop_oneof![Just("none"), Just("all")],
        key in prop_oneof![2 => Just(""), 1 => Just("key = [\"sensor\"]\n"), 1 => Just("key = [\"2tuple\", \"vlan\", \"source\", \"sensor\"]\nmax_flows = 256\n")],
    ) {
        let spec = |workers, epoch| format!(
            "merge = \"{merge}\"\nsensor = \"tap {{path[1]}}\"\nSOURCE[flows]\n{key}[features]\n{EVERYTHING}[run]\nworkers = {workers}\nepoch = {epoch}\n"
        );
        let plain = rows(&traffic, &spec(1, 8192));
        let other = rows(&traffic, &spec(workers, epoch));
        prop_assert_eq!(&plain.0, &other.0);
        prop_assert_eq!(&plain.1, &other.1);
    }

    #[test]
    fn one_capture_may_be_cut_in_parts(traffic in records(100), cut in 0.0f64..1.0) {
        // time must run forward where it is cut, and no datagram be parted
        let mut traffic = traffic;
        traffic.sort_by_key(|(time, _)| *time);
        traffic.dedup_by_key(|(time, _)| *time);
        traffic.retain(|(_, frame)| frame[12..14] != [8, 0] || frame[20] & 0x3F == 0 && frame[21] == 0);
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, clippy::cast_precision_loss, reason = "a share of a length")]
        let at = (cut * traffic.len() as f64) as usize;
        let (first, second) = traffic.split_at(at);
        let spec = "merge = \"all\"\nSOURCE[features]\nsplit = true\n";
        let whole = rows(&[traffic.clone()], spec);
        let parts = rows(&[first.to_vec(), second.to_vec()], spec);
        prop_assert_eq!(whole.0, parts.0);
    }
}

#[test]
fn every_sink_gets_its_own_columns() {
    let folder = tempfile::tempdir().unwrap();
    let traffic: Vec<Record> = (0..5)
        .map(|at| (at * 1_000_000_000, crate::traffic::udp_frame(1, 2)))
        .collect();
    std::fs::write(folder.path().join("in.pcap"), pcap(&traffic)).unwrap();
    let spec = "spec = 1\n[sources]\npath = \"in.pcap\"\n\
        [sinks.a]\npath = \"a.csv\"\ncolumns = [\"src_ip\"]\n\
        [sinks.b]\npath = \"b.csv\"\ncolumns = [\"total_packets\", \"protocol\"]\n\
        [sinks.c]\npath = \"c.csv\"\ncolumns = [\"dst_ip\"]\n";
    std::fs::write(folder.path().join("spec.toml"), spec).unwrap();
    let loaded = Loaded::file(&folder.path().join("spec.toml"))
        .unwrap()
        .unwrap();
    run(&Plan::new(&loaded.check().unwrap()), &Control::default()).unwrap();
    let read = |name: &str| std::fs::read_to_string(folder.path().join(name)).unwrap();
    assert_eq!(read("a.csv"), "src_ip\n192.0.2.1\n");
    assert_eq!(read("b.csv"), "total_packets,protocol\n5,17\n");
    assert_eq!(read("c.csv"), "dst_ip\n192.0.2.2\n");
}

/// Captures of different kinds: fragments, tunnels, VLANs, clocks that run backward, containers, extension headers, SCTP, damage,
/// applications, Multipath TCP, ICMP, loss.
const CAPTURES: [&str; 17] = [
    "fragment/nDPI-ip_fragmented_garbage.pcap",
    "fragment/nDPI-dns_fragmented.pcap",
    "tunnel/tcpdump-various_gre.pcap",
    "tunnel/zeek-Teredo.pcap",
    "vlan/joyfuljay-vlan.cap",
    "vlan/zeek-mixed-vlan-mpls.pcap",
    "clock/nDPI-sites.pcapng",
    "clock/suricata-smb-eicar-file-segmentation-random.pcap",
    "container/pcap-parser-wireshark_samples-test.pcapng",
    "container/zeek-portmapper-many-unanswered-calls.pcapng.gz",
    "ipv6ext/zeek-ipv6-http-atomic-frag.pcap",
    "sctp/joyfuljay-sctp-addip.cap",
    "malformed/nDPI-fuzz-2006-06-26-2594.pcap",
    "app/nDPI-gnutella.pcap",
    "mptcp/tcpdump-mptcp-v0.pcap",
    "icmp/zeek-icmp6-nd-options.pcap",
    "tcp/zeek-reassembly.pcap",
];

/// One way to run: workers, records of an epoch and of a chunk, whether the extractors are fused.
type Way = (usize, usize, usize, bool);

/// Runs each open capture in each of these ways, without and with evictions: all give the rows and books of the plain one.
fn captures_are_the_same(captures: &[&str], ways: &[Way]) {
    let Some(shared) = crate::shared::shared() else {
        return;
    };
    for capture in captures {
        let source = format!("path = '{}'", shared.join("pcaps").join(capture).display());
        let decode = match capture.starts_with("fragment/") {
            true => "fragments = \"reassemble\"\n",
            false => "checksum = \"drop-bad\"\nlink_types = [\"ETHERNET\", \"LINUX_SLL\", 101]\n",
        };
        for max_flows in [1 << 20, 256] {
            let folder = tempfile::tempdir().unwrap();
            let run = |(workers, epoch, chunk, fused): Way| {
                let spec = format!(
                    "[decode]\ndecap = \"all\"\n{decode}[flows]\nmax_flows = {max_flows}\nkey = [\"5tuple\", \"vlan\"]\n\
                     [features]\n{EVERYTHING}[run]\nworkers = {workers}\nepoch = {epoch}\nchunk = {chunk}\nfused = {fused}\n"
                );
                rows_of(folder.path(), &source, &spec)
            };
            let plain = run((1, 8192, 4096, true));
            assert!(plain.0.lines().count() > 1, "{capture} has rows");
            for way in ways {
                let other = run(*way);
                assert!(
                    plain.0 == other.0,
                    "rows of {capture}: {way:?}, max_flows {max_flows}"
                );
                assert_eq!(
                    plain.1, other.1,
                    "books of {capture}: {way:?}, max_flows {max_flows}"
                );
            }
        }
    }
}

#[test]
fn open_captures_are_the_same_in_a_few_ways() {
    let ways = [
        (2, 4096, 5, true),
        (3, 7, 4096, false),
        (8, 4096, 4096, true),
        (1, 1, 1, false),
    ];
    captures_are_the_same(&CAPTURES, &ways);
}

#[test]
#[ignore = "slow: 12 ways to run each of 17 captures, with and without evictions"]
fn open_captures_are_the_same_in_all_ways() {
    let mut ways = Vec::new();
    for workers in [1, 2, 3, 8] {
        // every pair of an epoch and a chunk comes with some number of workers, both forms of the extractors with each
        for (at, epoch) in [1, 7, 4096].into_iter().enumerate() {
            let chunk = [1, 5, 4096][(at + workers) % 3];
            ways.push((workers, epoch, chunk, (at + workers) % 2 == 0));
        }
    }
    captures_are_the_same(&CAPTURES, &ways);
}

/// Offsets of the records of a pcap file, little-endian, and of its end.
fn offsets(file: &[u8]) -> Vec<usize> {
    assert!(matches!(
        file[..4],
        [0xd4, 0xc3, 0xb2, 0xa1] | [0x4d, 0x3c, 0xb2, 0xa1]
    ));
    let mut at = vec![24];
    while let Some(length) = file
        .get(at[at.len() - 1] + 8..)
        .and_then(<[u8]>::first_chunk)
    {
        at.push(at[at.len() - 1] + 16 + u32::from_le_bytes(*length) as usize);
    }
    at
}

#[test]
fn an_open_capture_may_be_cut_in_parts() {
    let Some(shared) = crate::shared::shared() else {
        return;
    };
    // time runs forward in these, and they have no fragments
    for capture in [
        "app/nDPI-gnutella.pcap",
        "app/nDPI-starcraft_battle.pcap",
        "dns/nDPI-dns-tunnel-iodine.pcap",
        "vlan/zeek-vlan-collisions.pcap",
        "tunnel/nDPI-vxlan.pcap",
    ] {
        let file = std::fs::read(shared.join("pcaps").join(capture)).unwrap();
        let at = offsets(&file);
        let folder = tempfile::tempdir().unwrap();
        let run = |parts: &[(usize, usize)], workers: usize| {
            let names = (0..parts.len()).map(|part| format!("{part}.pcap"));
            for (name, (from, to)) in names.clone().zip(parts) {
                let part = [&file[..24], &file[at[*from]..at[*to]]].concat();
                std::fs::write(folder.path().join(name), part).unwrap();
            }
            let names: Vec<String> = names.map(|name| format!("\"{name}\"")).collect();
            let source = format!("path = [{}]\nmerge = \"all\"", names.join(", "));
            let spec = format!(
                "[features]\nsplit = true\nraw_sequences = true\n[run]\nworkers = {workers}\n"
            );
            rows_of(folder.path(), &source, &spec).0
        };
        let records = at.len() - 1;
        let whole = run(&[(0, records)], 1);
        for (cut, workers) in [(1, 1), (records / 3, 2), (records / 2, 3), (records - 1, 2)] {
            let parts = run(&[(0, cut), (cut, records)], workers);
            assert!(whole == parts, "{capture} cut after record {cut}");
        }
    }
}

#[test]
fn the_form_of_columns_is_the_same_in_any_way() {
    let folder = tempfile::tempdir().unwrap();
    let sample = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/sample.pcap");
    let source = format!("path = '{sample}'");
    for form in ["", "explode = true\n"] {
        let rows = |workers: usize, fused: bool| {
            let spec = format!(
                "[features]\nprofile = \"extra\"\nraw_sequences = true\nsplt = true\nmax_sequence_length = 4\npad = -1\n\
                 {form}order = [\"dst_ip\", \"splt*\", \"*\"]\nrename = {{ src_ip = \"Src IP\" }}\n\
                 [run]\nworkers = {workers}\nfused = {fused}\n"
            );
            rows_of(folder.path(), &source, &spec)
        };
        let plain = rows(1, true);
        assert!(plain.0.starts_with("dst_ip,splt"), "{}", &plain.0[..60]);
        assert!(plain.0.lines().count() > 1, "the sample has rows");
        assert!(plain == rows(2, false) && plain == rows(3, true), "{form}");
    }
}

#[test]
fn every_sink_takes_columns_in_any_form() {
    let folder = tempfile::tempdir().unwrap();
    let sample = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/sample.pcap");
    for form in ["", "pad = -1", "explode = true", "explode = true\npad = 0"] {
        let mut spec = format!(
            "spec = 1\n[sources]\npath = '{sample}'\n[features]\nprofile = \"extra\"\nsplt = true\n{form}\n"
        );
        for kind in ["csv", "jsonl", "parquet", "arrow"] {
            let path = folder.path().join(format!("out.{kind}"));
            let path = path.display();
            spec += &format!("[sinks.{kind}_out]\npath = '{path}'\noverwrite = true\n");
        }
        std::fs::write(folder.path().join("spec.toml"), spec).unwrap();
        let loaded = Loaded::file(&folder.path().join("spec.toml")).unwrap();
        let loaded = loaded.unwrap();
        let plan = Plan::new(&loaded.check().unwrap_or_else(|found| panic!("{found:?}")));
        let report = run(&plan, &Control::default()).unwrap();
        assert_eq!(report.books.imbalances(), Vec::<String>::new());
        assert!(
            report.books.sinks.values().all(|sink| sink.written > 0),
            "{form}"
        );
    }
}

#[test]
fn settings_of_decode_reach_the_groups() {
    let folder = tempfile::tempdir().unwrap();
    let sample = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/sample.pcap");
    let source = format!("path = '{sample}'");
    let count = |decode: &str| {
        let spec = format!("[decode]\n{decode}\n[features]\nonly = [\"dns_detected\"]\n");
        let (rows, _) = rows_of(folder.path(), &source, &spec);
        rows.lines().filter(|row| row.starts_with("true")).count()
    };
    assert!(count("") > 0, "the sample has DNS");
    assert_eq!(count("dns_ports = [1]"), 0);
}
