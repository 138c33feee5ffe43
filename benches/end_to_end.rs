//! A whole run of a shipped spec, from a file to a Parquet file: `core` and `quickstart` (all groups) on one worker and on two.

use crate::trace;
use divan::Bencher;
use divan::counter::ItemsCount;
use jayflow::{Control, Loaded, Plan, run};

#[divan::bench(sample_size = 1, sample_count = 10, args = [("core", 1), ("core", 2), ("quickstart", 1), ("quickstart", 2)])]
fn end_to_end(bencher: Bencher<'_, '_>, (spec, workers): (&str, u32)) {
    let folder = tempfile::tempdir().unwrap();
    let input = folder.path().join("trace.pcap");
    std::fs::write(&input, trace::capture()).unwrap();
    let shipped = format!("{}/specs/{spec}.toml", env!("CARGO_MANIFEST_DIR"));
    let shipped = std::fs::read_to_string(shipped).unwrap();
    // the features of the shipped spec; its source and its sinks are others here
    let start = shipped.find("[features]").unwrap();
    let end = shipped.find("[sinks").unwrap();
    let text = format!(
        "spec = 1\n[sources]\npath = {input:?}\n{}[sinks.out]\npath = {:?}\noverwrite = true\n[run]\nworkers = {workers}\n",
        &shipped[start..end],
        folder.path().join("rows.parquet"),
    );
    let file = folder.path().join("spec.toml");
    std::fs::write(&file, text).unwrap();
    let loaded = Loaded::file(&file).unwrap().unwrap();
    let plan = Plan::new(&loaded.check().expect("a good spec"));
    let count = ItemsCount::new(trace::records());
    bencher
        .counter(count)
        .bench(|| run(&plan, &Control::default()).unwrap());
}
