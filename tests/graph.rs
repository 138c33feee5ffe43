//! The connection graph in whole runs: the same columns for any number of workers and whatever waits on disk; tables that agree.

use crate::shared;
use crate::traffic::{Record, in_order, pcap, records};
use jayflow::{Control, Loaded, Plan, run};
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

/// Runs a spec in a folder and gives what it wrote to `out.csv`.
fn written(folder: &Path, spec: &str) -> String {
    std::fs::write(folder.join("spec.toml"), format!("spec = 1\n{spec}")).unwrap();
    let loaded = Loaded::file(&folder.join("spec.toml")).unwrap().unwrap();
    let plan = Plan::new(&loaded.check().unwrap_or_else(|found| panic!("{found:?}")));
    let report = run(&plan, &Control::default()).unwrap();
    assert_eq!(report.books.imbalances(), Vec::<String>::new());
    let sinks = report.books.sinks.values();
    assert!(sinks.clone().all(|sink| sink.offered == sink.written));
    std::fs::read_to_string(folder.join("out.csv")).unwrap()
}

/// A folder with captures.
fn with(inputs: &[Vec<Record>]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (at, input) in inputs.iter().enumerate() {
        std::fs::write(folder.path().join(format!("{at}.pcap")), pcap(input)).unwrap();
    }
    folder
}

const WINDOWS: [&str; 6] = [
    "",
    "window = { sliding = \"10s\", step = \"2s\", by = \"start_time\" }",
    "window = { tumbling = \"3s\" }",
    "window = { sliding = \"10s\", step = \"2s\" }",
    "asof = true",
    "use_ports = true, communities = \"louvain\"",
];

proptest! {
    #![proptest_config(ProptestConfig::with_cases(10))]

    #[test]
    fn connection_columns_do_not_depend_on_how_a_run_is_made(
        traffic in proptest::collection::vec(records(80), 1..3), window in 0usize..6, longest in prop_oneof![Just("off"), Just("4s")],
        workers in 2usize..4, epoch in prop_oneof![Just(1usize), Just(7)], fused: bool, merge in prop_oneof![Just("none"), Just("all")],
    ) {
        let folder = with(&traffic);
        let connection = ["temporal = true", WINDOWS[window]].into_iter().filter(|part| !part.is_empty());
        let connection: Vec<&str> = connection.collect();
        let spec = |run: &str| format!(
            "[sources]\npath = \"*.pcap\"\nmerge = \"{merge}\"\n[flows]\nidle_timeout = \"5s\"\nactive_timeout = \"{longest}\"\n\
             [features]\ngroups = [\"flow_meta\", \"connection\"]\nconnection = {{ {} }}\n\
             [sinks.out]\npath = \"out.csv\"\noverwrite = true\n[run]\n{run}",
            connection.join(", ")
        );
        let plain = written(folder.path(), &spec("workers = 1"));
        let other = written(folder.path(), &spec(&format!(
            "workers = {workers}\nepoch = {epoch}\nfused = {fused}\nsort_memory = \"1KB\"\n"
        )));
        prop_assert_eq!(plain, other);
    }

    #[test]
    fn tables_do_not_depend_on_how_a_run_is_made(
        mut traffic in records(80), quiet in 0i64..40, table in prop_oneof![Just("nodes"), Just("edges")],
        emit in prop_oneof![Just("final"), Just("snapshot"), Just("changes")],
        workers in 1usize..4, epoch in prop_oneof![Just(1usize), Just(7)], fused: bool,
    ) {
        // packets that belong to no flow move the clock
        let last = traffic.iter().map(|(time, _)| *time).max().unwrap_or(0);
        let arp = [&[2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 8, 6][..], &[0; 28]].concat();
        traffic.extend((0..3).map(|at| (last + at * quiet * 1_000_000_000, arp.clone())));
        let folder = with(&[traffic]);
        let spec = |run: &str| format!(
            "[sources]\npath = \"0.pcap\"\n[flows]\nidle_timeout = \"5s\"\n\
             [features]\nconnection = {{ window = {{ sliding = \"10s\", step = \"2s\" }} }}\n\
             [sinks.out]\ntype = \"graph\"\npath = \"out.csv\"\noverwrite = true\ntable = \"{table}\"\nemit = \"{emit}\"\n[run]\n{run}"
        );
        let plain = written(folder.path(), &spec("workers = 1"));
        let other = written(folder.path(), &spec(&format!("workers = {workers}\nepoch = {epoch}\nfused = {fused}\n")));
        prop_assert_eq!(plain, other);
    }

    #[test]
    fn changes_replayed_are_the_snapshots(traffic in records(120), table in prop_oneof![Just("nodes"), Just("edges"), Just("communities")]) {
        let folder = with(&[traffic]);
        let spec = |emit: &str| format!(
            "[sources]\npath = \"0.pcap\"\n[flows]\nidle_timeout = \"5s\"\n\
             [features]\nconnection = {{ window = {{ sliding = \"10s\", step = \"2s\" }} }}\n\
             [sinks.out]\ntype = \"graph\"\npath = \"out.csv\"\noverwrite = true\ntable = \"{table}\"\nemit = \"{emit}\"\n\
             metrics = [\"clustering\", \"kcore\", \"label_propagation\", \"pagerank\", \"betweenness\"]\n"
        );
        let snapshots = written(folder.path(), &spec("snapshot"));
        let changes = written(folder.path(), &spec("changes"));
        prop_assert!(replayed(&snapshots, &changes) > 0);
    }

    #[test]
    fn windows_by_start_hold_the_records_that_started_in_them(
        traffic in records(200), longest in prop_oneof![Just("off"), Just("4s")], workers in 1usize..3,
    ) {
        let folder = with(&[in_order(traffic)]);
        let spec = format!(
            "[sources]\npath = \"0.pcap\"\n[flows]\nidle_timeout = \"5s\"\nactive_timeout = \"{longest}\"\n\
             [features]\nonly = [\"src_ip\", \"start_time\", \"conn_src_total_flows\"]\n\
             connection = {{ window = {{ tumbling = \"3s\", by = \"start_time\" }} }}\ngroups = [\"flow_meta\", \"connection\"]\n\
             [sinks.out]\npath = \"out.csv\"\noverwrite = true\n[run]\nworkers = {workers}\n"
        );
        let text = written(folder.path(), &spec);
        let rows: Vec<Vec<&str>> = text.lines().skip(1).map(|line| line.split(',').collect()).collect();
        let window = |row: &[&str]| row[1].split('.').next().unwrap().parse::<i64>().unwrap().div_euclid(3);
        for row in &rows {
            let like = rows.iter().filter(|other| other[0] == row[0] && window(other) == window(row));
            prop_assert_eq!(row[2], like.count().to_string());
        }
    }

    #[test]
    fn the_last_records_are_those_that_ended_before(traffic in records(200), windowed: bool, workers in 1usize..3) {
        let folder = with(&[in_order(traffic)]);
        let window = if windowed { "window = { tumbling = \"3s\" }" } else { "" };
        let spec = format!(
            "[sources]\npath = \"0.pcap\"\n[flows]\nidle_timeout = \"5s\"\n\
             [features]\ngroups = [\"flow_meta\"]\nadd = [\"ct_*\", \"new_edge\", \"component_*\", \"fan_*\"]\nconnection = {{ {window} }}\n\
             [sinks.out]\npath = \"out.csv\"\noverwrite = true\n[run]\nworkers = {workers}\nsort_memory = \"1KB\"\n"
        );
        let text = written(folder.path(), &spec);
        let mut lines = text.lines();
        let names: Vec<&str> = lines.next().unwrap().split(',').collect();
        let place = |name: &str| names.iter().position(|found| *found == name).unwrap();
        let mut rows: Vec<Vec<&str>> = lines.map(|line| line.split(',').collect()).collect();
        // rows are in the order of their starts: those that end together stay in it
        let ns = |time: &str| {
            let (seconds, rest) = time.split_once('.').unwrap_or((time, ""));
            format!("{seconds}{rest:0<9}").parse::<u64>().unwrap()
        };
        rows.sort_by_key(|row| ns(row[place("end_time")]));
        for (at, row) in rows.iter().enumerate() {
            let last = &rows[at.saturating_sub(99)..=at];
            for (name, same) in [
                ("ct_dst_ltm", &["dst_ip"][..]),
                ("ct_src_ltm", &["src_ip"]),
                ("ct_srv_src", &["src_ip", "protocol", "dst_port"]),
                ("ct_srv_dst", &["dst_ip", "protocol", "dst_port"]),
                ("ct_dst_sport_ltm", &["dst_ip", "src_port"]),
                ("ct_src_dport_ltm", &["src_ip", "dst_port"]),
                ("ct_dst_src_ltm", &["src_ip", "dst_ip"]),
            ] {
                let like = |other: &&Vec<&str>| same.iter().all(|name| other[place(name)] == row[place(name)]);
                let count = last.iter().filter(like).count();
                prop_assert_eq!(row[place(name)], count.to_string(), "{} of row {}", name, at);
            }
            let edge = |row: &[&str]| (row[place("src_ip")].to_owned(), row[place("dst_ip")].to_owned());
            let is_new = rows[..at].iter().all(|other| edge(other) != edge(row));
            prop_assert_eq!(row[place("new_edge")], u8::from(is_new).to_string());
            prop_assert!(row[place("component_size")].parse::<u64>().unwrap() > 0);
        }
    }
}

/// Holds changes, replayed into a map, against the table at every tick; gives how many rows that were.
fn replayed(snapshots: &str, changes: &str) -> usize {
    let (snapshots, changes) = (by_tick(snapshots), by_tick(changes));
    let mut state: BTreeMap<&str, i64> = BTreeMap::new();
    let mut seen = 0;
    let nothing = Vec::new();
    let ticks: BTreeSet<&u64> = snapshots.keys().chain(changes.keys()).collect();
    for tick in ticks {
        for row in changes.get(tick).unwrap_or(&nothing) {
            let (diff, row) = row.split_once(',').unwrap();
            *state.entry(row).or_default() += diff.parse::<i64>().unwrap();
        }
        state.retain(|_, count| *count != 0);
        assert!(state.values().all(|count| *count == 1));
        let replayed: Vec<&str> = state.keys().copied().collect();
        let mut whole: Vec<&str> = (snapshots.get(tick).unwrap_or(&nothing).iter())
            .map(String::as_str)
            .collect();
        whole.sort_unstable();
        seen += whole.len();
        assert_eq!(replayed, whole, "at {} s", f64::from_bits(*tick));
    }
    seen
}

/// Open captures of many hosts or a long time.
const LONG: [&str; 8] = [
    "app/nDPI-gnutella.pcap",
    "app/nDPI-netflix.pcap",
    "container/pcap-parser-wireshark_samples-test.pcapng",
    "dns/nDPI-dnscrypt-v2-doh.pcap",
    "malformed/nDPI-fuzz-2006-06-26-2594.pcap",
    "scan/zeek-bruteforce.pcap",
    "tunnel/nDPI-capwap.pcap",
    "vpn/nDPI-tor.pcap",
];

#[test]
fn changes_of_open_captures_replayed_are_the_snapshots() {
    let Some(folder) = shared::shared() else {
        return;
    };
    let out = tempfile::tempdir().unwrap();
    let (mut seen, mut runs) = (0, 0);
    for capture in LONG {
        let path = folder.join("pcaps").join(capture);
        for (table, metrics) in [
            ("nodes", ""),
            ("nodes", "\"clustering\""),
            ("nodes", "\"louvain\""),
            ("edges", ""),
            ("communities", ""),
        ] {
            let spec = |emit: &str| {
                format!(
                    "[sources]\npath = '{}'\n[flows]\nidle_timeout = \"1s\"\n\
                 [features]\nconnection = {{ window = {{ sliding = \"6s\", step = \"2s\" }} }}\n\
                 [sinks.out]\ntype = \"graph\"\npath = \"out.csv\"\noverwrite = true\ntable = \"{table}\"\nemit = \"{emit}\"\n\
                 metrics = [{metrics}]\n",
                    path.display()
                )
            };
            seen += replayed(
                &written(out.path(), &spec("snapshot")),
                &written(out.path(), &spec("changes")),
            );
            runs += 1;
        }
    }
    println!(
        "{runs} tables of {} captures, {seen} rows at all ticks",
        LONG.len()
    );
    assert!(seen > 10_000, "{seen} rows");
}

/// The rows of a table without their first column, by that column.
fn by_tick(text: &str) -> BTreeMap<u64, Vec<String>> {
    let mut ticks: BTreeMap<u64, Vec<String>> = BTreeMap::new();
    for line in text.lines().skip(1) {
        let (tick, row) = line.split_once(',').unwrap();
        // as bits, times from 1970 on are in their order
        let tick = tick.parse::<f64>().unwrap().to_bits();
        ticks.entry(tick).or_default().push(row.to_owned());
    }
    ticks
}

const SAMPLE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/sample.pcap");

#[test]
fn rows_that_were_written_give_the_graph_of_their_capture() {
    let folder = tempfile::tempdir().unwrap();
    let graph = |source: &str, table: &str| {
        let spec = format!(
            "[sources]\n{source}\n[sinks.out]\ntype = \"graph\"\npath = \"out.csv\"\noverwrite = true\ntable = \"{table}\"\n\
             metrics = [\"clustering\", \"components\", \"kcore\", \"label_propagation\", \"louvain\", \"greedy\", \"pagerank\", \"betweenness\"]\n"
        );
        written(folder.path(), &spec)
    };
    for table in ["nodes", "edges", "communities"] {
        let capture = graph(&format!("path = '{SAMPLE}'"), table);
        assert!(capture.lines().count() > 2, "{capture}");
        for ending in ["csv", "jsonl", "parquet", "arrow"] {
            let rows = folder.path().join(format!("rows.{ending}"));
            let spec = format!(
                "[sources]\npath = '{SAMPLE}'\n[sinks.kept]\npath = 'rows.{ending}'\noverwrite = true\n\
                 [sinks.out]\npath = \"out.csv\"\noverwrite = true\ncolumns = \"src_ip\"\n"
            );
            written(folder.path(), &spec);
            let source = format!("type = \"rows\"\npath = '{}'", rows.display());
            assert_eq!(capture, graph(&source, table), "{ending}");
        }
    }
}

#[test]
fn rows_feed_graphs_or_sinks_of_rows_and_not_both() {
    let text = "spec = 1\n[sources]\ntype = \"rows\"\npath = \"flows.csv\"\n[sinks.out]\npath = \"out.csv\"\n[sinks.graph]\npath = \"out.dot\"\n";
    let loaded = Loaded::text(
        "spec.toml".to_owned(),
        text.to_owned(),
        std::path::PathBuf::new(),
    )
    .unwrap();
    let found = format!("{:?}", loaded.check().unwrap_err());
    assert!(
        found.contains("writes rows, other sinks the graph"),
        "{found}"
    );
}
