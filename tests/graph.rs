//! The connection graph in whole runs: the same columns for any number of workers and whatever waits on disk; tables that agree.

use crate::traffic::{Record, pcap, records};
use jayflow::{Control, Loaded, Plan, run};
use proptest::prelude::*;
use std::collections::BTreeMap;
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

const WINDOWS: [&str; 5] = [
    "",
    "window = { tumbling = \"3s\" }",
    "window = { sliding = \"10s\", step = \"2s\" }",
    "asof = true",
    "use_ports = true, communities = \"louvain\"",
];

proptest! {
    #![proptest_config(ProptestConfig::with_cases(10))]

    #[test]
    fn connection_columns_do_not_depend_on_how_a_run_is_made(
        traffic in proptest::collection::vec(records(80), 1..3), window in 0usize..5,
        workers in 2usize..4, epoch in prop_oneof![Just(1usize), Just(7)], fused: bool, merge in prop_oneof![Just("none"), Just("all")],
    ) {
        let folder = with(&traffic);
        let connection = ["temporal = true", WINDOWS[window]].into_iter().filter(|part| !part.is_empty());
        let connection: Vec<&str> = connection.collect();
        let spec = |run: &str| format!(
            "[sources]\npath = \"*.pcap\"\nmerge = \"{merge}\"\n[flows]\nidle_timeout = \"5s\"\n\
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
    fn changes_replayed_are_the_snapshots(traffic in records(120), table in prop_oneof![Just("nodes"), Just("edges"), Just("communities")]) {
        let folder = with(&[traffic]);
        let spec = |emit: &str| format!(
            "[sources]\npath = \"0.pcap\"\n[flows]\nidle_timeout = \"5s\"\n\
             [features]\nconnection = {{ window = {{ sliding = \"10s\", step = \"2s\" }} }}\n\
             [sinks.out]\ntype = \"graph\"\npath = \"out.csv\"\noverwrite = true\ntable = \"{table}\"\nemit = \"{emit}\"\n\
             metrics = [\"clustering\", \"kcore\", \"label_propagation\", \"pagerank\", \"betweenness\"]\n"
        );
        let snapshots = by_tick(&written(folder.path(), &spec("snapshot")));
        let changes = by_tick(&written(folder.path(), &spec("changes")));
        let mut state: BTreeMap<String, i64> = BTreeMap::new();
        let mut seen = 0;
        for (tick, rows) in &changes {
            for row in rows {
                let (diff, row) = row.split_once(',').unwrap();
                *state.entry(row.to_owned()).or_default() += diff.parse::<i64>().unwrap();
            }
            state.retain(|_, count| *count != 0);
            prop_assert!(state.values().all(|count| *count == 1));
            let replayed: Vec<&String> = state.keys().collect();
            let mut whole: Vec<&String> = snapshots.get(tick).into_iter().flatten().collect();
            whole.sort();
            seen += whole.len();
            prop_assert_eq!(replayed, whole, "at {}", tick);
        }
        prop_assert!(seen > 0);
    }
}

/// The rows of a table without their first column, by that column.
fn by_tick(text: &str) -> BTreeMap<String, Vec<String>> {
    let mut ticks: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for line in text.lines().skip(1) {
        let (tick, row) = line.split_once(',').unwrap();
        ticks
            .entry(tick.to_owned())
            .or_default()
            .push(row.to_owned());
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
fn rows_feed_nothing_but_graphs() {
    let text = "spec = 1\n[sources]\ntype = \"rows\"\npath = \"flows.csv\"\n[sinks.out]\npath = \"out.csv\"\n";
    let loaded = Loaded::text(
        "spec.toml".to_owned(),
        text.to_owned(),
        std::path::PathBuf::new(),
    )
    .unwrap();
    let found = format!("{:?}", loaded.check().unwrap_err());
    assert!(
        found.contains("writes flow rows, and there are no flows"),
        "{found}"
    );
}
