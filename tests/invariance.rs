//! The same rows and the same books for any number of workers, epochs, chunks, splits and either form of the extractors.

use crate::traffic::{Record, pcap, records};
use jayflow::{Control, Loaded, Plan, run};
use jayflow_operators::Books;
use proptest::prelude::*;
use std::path::Path;

/// Rows as CSV and the books of a run over `inputs`, each a capture.
fn rows(inputs: &[Vec<Record>], spec: &str) -> (String, Books) {
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
    (std::fs::read_to_string(path).unwrap(), books)
}

const EVERYTHING: &str = "flow_id = true\nsplit = true\nraw_sequences = true\nsplt = true\n";

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn workers_epochs_chunks_and_fusion_change_nothing(
        traffic in records(120), workers in prop_oneof![Just(1usize), Just(2), Just(3), Just(8)],
        epoch in prop_oneof![Just(1usize), Just(7), Just(4096)], chunk in prop_oneof![Just(1usize), Just(5), Just(4096)],
        fused: bool, max_flows in prop_oneof![Just(1usize << 20), Just(256)], active: bool,
    ) {
        let flows = format!("[flows]\nmax_flows = {max_flows}\nactive_timeout = \"{}\"\n", if active { "2s" } else { "off" });
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
    fn inputs_may_be_merged_on_any_number_of_workers(
        traffic in proptest::collection::vec(records(50), 1..5), workers in prop_oneof![Just(1usize), Just(2), Just(3)],
        epoch in prop_oneof![Just(1usize), Just(8192)], merge in prop_oneof![Just("none"), Just("all")],
    ) {
        let spec = |workers, epoch| format!(
            "merge = \"{merge}\"\nSOURCE[features]\n{EVERYTHING}[run]\nworkers = {workers}\nepoch = {epoch}\n"
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
        traffic.retain(|(_, frame)| frame[12..14] != [8, 0] || frame[20..22] == [0, 0]);
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
