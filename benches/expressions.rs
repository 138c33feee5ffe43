//! What expressions cost: a derived column a row, beside the same in plain Rust; a filtered aggregate of packets beside the group
//! that has it built in.

use crate::groups::{events_through, told};
use crate::trace;
use divan::Bencher;
use divan::counter::ItemsCount;
use jayflow::{Loaded, Plan};
use jayflow_operators::columns::{Column, Columns, Values};
use jayflow_operators::features::FeaturePlan;
use jayflow_operators::flows::{Flow, Meter};
use jayflow_operators::packet::Packet;
use jayflow_operators::slots::Slots;
use std::path::PathBuf;
use std::time::{Duration, Instant};

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

/// Aggregates, each beside a column that a group has, and beside the same by hand.
const AGGREGATES: [(&str, &str, &str, Measure); 3] = [
    (
        "mean_fwd",
        "mean(pkt.len where pkt.fwd)",
        "pkt_len_fwd_mean",
        |packet| {
            let is_chosen = packet.is_forward();
            (is_chosen, u64::from(packet.ip_len))
        },
    ),
    (
        "count_payload",
        "count(where pkt.payload_len > 0 and pkt.fwd)",
        "packets_with_payload_fwd",
        |packet| (packet.payload_len > 0 && packet.is_forward(), 1),
    ),
    (
        "sum_bwd",
        "sum(pkt.payload_len where pkt.bwd)",
        "payload_bytes_bwd",
        |packet| (!packet.is_forward(), u64::from(packet.payload_len)),
    ),
];

/// Whether a packet is chosen, and its value.
type Measure = fn(&Packet<'_>) -> (bool, u64);

/// A sum and a count of each open record, and those of the records that have ended: what an extractor written for one column would
/// keep.
struct ByHand<F> {
    measure: F,
    open: Slots<(u64, u64)>,
    done: Vec<(u64, u64)>,
}

impl<F: Fn(&Packet<'_>) -> (bool, u64)> Meter for ByHand<F> {
    fn open(&mut self, slot: u32, _: &Flow) {
        match self.open.get_mut(slot as usize) {
            Some(used) => *used = (0, 0),
            None => self.open.push((0, 0)),
        }
    }
    fn packets(&mut self, packets: &[Packet<'_>], slots: &[u32], _: &Slots<Flow>) {
        for (packet, slot) in packets.iter().zip(slots) {
            let (is_chosen, value) = (self.measure)(packet);
            if is_chosen && let Some((sum, count)) = self.open.get_mut(*slot as usize) {
                *sum += value;
                *count += 1;
            }
        }
    }
    fn early(&mut self, _: u32, _: &Flow) {}
    fn finish(&mut self, slot: u32, _: &Flow) {
        self.done.extend(self.open.get(slot as usize));
    }
}

/// ns a packet: the median of some rounds.
fn time(mut round: impl FnMut()) -> f64 {
    let mut times: Vec<Duration> = (0..21)
        .map(|_| {
            let start = Instant::now();
            round();
            start.elapsed()
        })
        .collect();
    times.sort_unstable();
    times[10].as_secs_f64() * 1e9 / trace::packets() as f64
}

/// Prints what an aggregate costs beside the same by hand, and beside the group that has it built in. All of them are told the same
/// events; what the telling takes by itself is in each, and said first.
#[divan::bench(sample_size = 1, sample_count = 1, args = AGGREGATES.map(|(name, ..)| name))]
fn aggregate(bencher: Bencher<'_, '_>, name: &str) {
    let found = AGGREGATES.into_iter().find(|(known, ..)| *known == name);
    let (_, text, column, measure) = found.unwrap();
    let plan = plan(&format!("{name} = '{text}'"));
    let mut own = plan.features().unwrap().plan.clone();
    own.restrict(|feature| feature.group == "aggregates");
    let mut built_in = trace::plan("all");
    built_in.restrict(|feature| feature.name == column);
    assert_eq!((own.schema.len(), built_in.schema.len()), (1, 1), "{name}");
    let by_hand = || {
        let (open, done) = (Slots::default(), Vec::new());
        let mut meter = ByHand {
            measure,
            open,
            done,
        };
        told(&mut meter);
        meter.done
    };
    // that all three measure the same, or that it is none of them
    let rows = [events_through(&own), events_through(&built_in)];
    let values = |rows: &Columns| -> Vec<f64> {
        let column = &rows.columns[0];
        let values: Vec<f64> = match &column.values {
            Values::F64(values) => values.clone(),
            Values::I64(values) => values.iter().map(|value| *value as f64).collect(),
            Values::U64(values) => values.iter().map(|value| *value as f64).collect(),
            other => panic!("{other:?}"),
        };
        values
    };
    let [one, other] = rows.each_ref().map(values);
    assert!(one == other && one.iter().sum::<f64>() > 0.0, "{name}");
    assert_eq!(by_hand().len(), one.len(), "{name}");
    bencher.bench(|| {
        let nothing = ByHand {
            measure: |_: &Packet<'_>| (false, 0),
            open: Slots::default(),
            done: Vec::new(),
        };
        let mut nothing = nothing;
        let told_alone = time(|| {
            nothing.done.clear();
            told(&mut nothing);
        });
        let hand = time(|| drop(divan::black_box(by_hand())));
        let group = time(|| drop(divan::black_box(events_through(&built_in))));
        let own = time(|| drop(divan::black_box(events_through(&own))));
        println!(
            "{name}: {own:.1} ns a packet, by hand {hand:.1}, its group {group:.1}, telling alone {told_alone:.1}: {:.2} times by hand, {:.2} times its group",
            own / hand,
            own / group,
        );
    });
}
