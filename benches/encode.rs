//! Rows to files, one format each, all columns.

use crate::trace;
use divan::Bencher;
use divan::counter::ItemsCount;
use jayflow_operators::options::Setting;
use jayflow_operators::sinks::{Description, SinkOptions, open};

#[divan::bench(sample_size = 1, sample_count = 20, args = ["csv", "jsonl", "parquet", "arrow"])]
fn encode(bencher: Bencher<'_, '_>, format: &str) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("rows");
    let mut options = SinkOptions::of_kind(format).unwrap();
    let path = Setting::Text(path.to_str().unwrap().to_owned());
    options.set("path", &path).unwrap();
    options.set("overwrite", &Setting::Bool(true)).unwrap();
    let description = Description {
        schema: trace::plan("all").schema,
        ..Description::default()
    };
    let count = ItemsCount::new(trace::rows().rows());
    let bencher = bencher.counter(count).with_inputs(|| trace::rows().clone());
    bencher.bench_values(|rows| {
        let mut sink = open(&options, &description, "bench").unwrap();
        sink.write(rows).unwrap();
        sink.commit().unwrap()
    });
}
