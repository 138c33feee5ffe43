//! What expressions cost: a derived column a row, beside the same in plain Rust; a filtered aggregate of packets beside the group
//! that has it built in.

use crate::groups::events_through;
use crate::trace;
use divan::Bencher;
use divan::counter::ItemsCount;
use jayflow::{Loaded, Plan};
use jayflow_operators::columns::{Column, Columns, Values};
use jayflow_operators::features::FeaturePlan;
use std::path::PathBuf;

/// Rows of a batch, as the flow operator gives them.
const ROWS: usize = 1024;

/// Expressions of one column each.
const DERIVED: [(&str, &str); 4] = [
    ("rate", "total_bytes / duration"),
    ("share", "bytes_fwd / total_bytes"),
    (
        "choice",
        "if packets_bwd == 0 then null else bytes_bwd / packets_bwd",
    ),
    (
        "test",
        "dst_port in [22, 443, 8000..9000] and duration > 1s",
    ),
];

/// The plan of a spec with these derived columns.
fn plan(derived: &str) -> Plan {
    let text = format!(
        "spec = 1\n[sources]\npath = \"a.pcap\"\n[features]\ngroups = [\"flow_meta\"]\nderive = {{ {derived} }}\n[sinks]\npath = \"a.csv\"\n"
    );
    let loaded = Loaded::text("bench", text, PathBuf::new()).unwrap();
    Plan::new(&loaded.check().unwrap())
}

/// Rows of the features of a plan with numbers in every column.
fn rows(plan: &FeaturePlan) -> Columns {
    let mut rows = Columns::new(&plan.schema);
    rows.keys = (0..ROWS as u64).map(|row| (0, row)).collect();
    for column in &mut rows.columns {
        fill(column);
    }
    rows
}

fn fill(column: &mut Column) {
    for row in 0..ROWS {
        match &mut column.values {
            Values::U64(values) => values.push(row as u64 % 97),
            Values::U16(values) => values.push((row % 9001) as u16),
            Values::F64(values) => values.push(row as f64 / 7.0),
            _ => {
                column.push_zero();
            }
        }
        if let Some(valid) = &mut column.valid {
            valid.push(true);
        }
    }
}

#[divan::bench(args = DERIVED.map(|(name, _)| name))]
fn derived(bencher: Bencher<'_, '_>, name: &str) {
    let (_, text) = DERIVED.iter().find(|(known, _)| *known == name).unwrap();
    let plan = plan(&format!("{name} = '{text}'"));
    let features = plan.features().unwrap();
    let computer = features.computer().unwrap();
    let rows = rows(&features.plan);
    let bare = rows.columns.len();
    bencher
        .counter(ItemsCount::new(ROWS))
        .with_inputs(|| rows.clone())
        .bench_local_values(|mut rows| {
            computer.apply(&mut rows);
            rows.columns.split_off(bare)
        });
}

/// The same as `rate` and as `choice`, by hand.
#[divan::bench]
fn by_hand(bencher: Bencher<'_, '_>) {
    let bytes: Vec<u64> = (0..ROWS as u64).collect();
    let durations: Vec<f64> = (0..ROWS).map(|row| row as f64 / 7.0).collect();
    bencher.counter(ItemsCount::new(ROWS)).bench_local(|| {
        let rates = bytes.iter().zip(&durations).map(|(bytes, duration)| {
            let rate = *bytes as f64 / duration;
            if rate.is_finite() {
                (rate, true)
            } else {
                (0.0, false)
            }
        });
        let columns: (Vec<f64>, Vec<bool>) = rates.unzip();
        columns
    });
}

/// Check of a spec with 400 derived columns.
#[divan::bench]
fn check_of_400(bencher: Bencher<'_, '_>) {
    let derived: Vec<String> = (0..400)
        .map(|at| format!("c{at} = '(bytes_fwd + {at}) / total_bytes * {at} + packets_fwd'"))
        .collect();
    let text = format!(
        "spec = 1\n[sources]\npath = \"a.pcap\"\n[features.derive]\n{}\n[sinks]\npath = \"a.csv\"\n",
        derived.join("\n")
    );
    bencher.bench_local(|| {
        let loaded = Loaded::text("bench", text.as_str(), PathBuf::new()).unwrap();
        loaded.check().unwrap()
    });
}

/// Aggregates, each beside a column that a group has.
const AGGREGATES: [(&str, &str); 3] = [
    ("mean_fwd", "mean(pkt.len where pkt.fwd)"),
    (
        "count_payload",
        "count(where pkt.payload_len > 0 and pkt.fwd)",
    ),
    ("sum_bwd", "sum(pkt.payload_len where pkt.bwd)"),
];

#[divan::bench(sample_size = 1, sample_count = 20, args = AGGREGATES.map(|(name, _)| name))]
fn aggregate(bencher: Bencher<'_, '_>, name: &str) {
    let (_, text) = AGGREGATES.iter().find(|(known, _)| *known == name).unwrap();
    let plan = plan(&format!("{name} = '{text}'"));
    let mut plan = plan.features().unwrap().plan.clone();
    plan.restrict(|feature| feature.group == "aggregates");
    let count = ItemsCount::new(trace::packets());
    bencher.counter(count).bench(|| events_through(&plan));
}

/// One column of a group each: what is built in.
#[divan::bench(sample_size = 1, sample_count = 20, args = ["pkt_len_fwd_mean", "packets_with_payload_fwd", "payload_bytes_bwd"])]
fn built_in(bencher: Bencher<'_, '_>, column: &str) {
    let mut plan = trace::plan("all");
    plan.restrict(|feature| feature.name == column);
    assert_eq!(plan.schema.len(), 1, "{column}");
    let count = ItemsCount::new(trace::packets());
    bencher.counter(count).bench(|| events_through(&plan));
}
