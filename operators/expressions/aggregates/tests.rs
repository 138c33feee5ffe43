//! Each aggregate against a plain evaluation over the packets of a flow, whatever the flows between them and wherever runs end.

use super::{Aggregate, HeldPlan, MAX_VALUES};
use crate::books::{Anomaly, Books};
use crate::columns::{Column, Values};
use crate::expressions::{Checker, Context, parse};
use crate::features::testing::Packets;
use crate::flows::Flow;
use crate::packet::{Direction, Header, Packet};
use crate::slots::Slots;
use bytemuck::Zeroable as _;
use proptest::prelude::*;

/// A packet, as the plain evaluation sees it.
#[derive(Clone, Debug)]
struct Plain {
    flow: usize,
    time: i64,
    fwd: bool,
    len: i64,
    payload: Vec<u8>,
}

#[derive(Clone, Debug)]
enum Value {
    Null,
    Bool(bool),
    Int(i64),
    Float(f64),
    List(Vec<i64>),
}

use Value::{Bool, Float, Int, List, Null};

fn int(value: Option<i64>) -> Value {
    value.map_or(Null, Int)
}

fn float(value: Option<f64>) -> Value {
    value.filter(|value| value.is_finite()).map_or(Null, Float)
}

/// Moment k around the mean.
fn central(values: &[f64], k: i32) -> f64 {
    let n = values.len() as f64;
    let mean = values.iter().sum::<f64>() / n;
    values
        .iter()
        .map(|value| (value - mean).powi(k))
        .sum::<f64>()
        / n
}

fn floats(values: &[i64]) -> Vec<f64> {
    values.iter().map(|value| *value as f64).collect()
}

fn skew(values: &[f64]) -> Option<f64> {
    (central(values, 2) > 0.0).then(|| central(values, 3) / central(values, 2).powf(1.5))
}

fn kurtosis(values: &[f64]) -> Option<f64> {
    (central(values, 2) > 0.0).then(|| central(values, 4) / central(values, 2).powi(2) - 3.0)
}

fn quantile(values: &[i64], q: f64) -> Option<f64> {
    let mut sorted = floats(values);
    sorted.sort_by(f64::total_cmp);
    let place = q * (sorted.len().checked_sub(1)?) as f64;
    let (low, high) = (place.floor() as usize, place.ceil() as usize);
    Some(sorted[low] + (sorted[high] - sorted[low]) * (place - place.floor()))
}

/// Bits, of how often each thing is there.
fn entropy<T: Ord + Copy>(values: &[T]) -> Option<f64> {
    let mut counts = std::collections::BTreeMap::new();
    for value in values {
        *counts.entry(*value).or_insert(0.0) += 1.0;
    }
    let n = values.len() as f64;
    let bits = counts
        .values()
        .map(|count: &f64| -count / n * (count / n).log2());
    (!values.is_empty()).then(|| bits.sum())
}

/// Lengths of the runs of equal values.
fn runs<T: PartialEq>(values: &[T]) -> Vec<usize> {
    values.chunk_by(|a, b| a == b).map(<[T]>::len).collect()
}

fn lens(packets: &[Plain]) -> Vec<i64> {
    packets.iter().map(|packet| packet.len).collect()
}

fn forward(packets: &[Plain]) -> Vec<Plain> {
    packets
        .iter()
        .filter(|packet| packet.fwd)
        .cloned()
        .collect()
}

fn gaps(packets: &[Plain]) -> Vec<i64> {
    packets
        .windows(2)
        .map(|two| two[1].time - two[0].time)
        .collect()
}

fn slope(points: &[(f64, f64)]) -> Option<f64> {
    let n = points.len() as f64;
    let (x, y) = (
        points.iter().map(|point| point.0).sum::<f64>() / n,
        points.iter().map(|point| point.1).sum::<f64>() / n,
    );
    let spread: f64 = points.iter().map(|point| (point.0 - x).powi(2)).sum();
    let both: f64 = points
        .iter()
        .map(|point| (point.0 - x) * (point.1 - y))
        .sum();
    (spread > 0.0).then(|| both / spread)
}

/// Of the first packet that is best by `key`: its place, from 1.
fn first_best(packets: &[Plain], key: impl Fn(&Plain) -> i64) -> Option<i64> {
    let best = packets.iter().map(&key).min()?;
    let at = packets.iter().position(|packet| key(packet) == best)?;
    i64::try_from(at + 1).ok()
}

type Evaluate = fn(&[Plain]) -> Value;

/// Aggregates, and what they are of the packets of a flow.
const CASES: &[(&str, Evaluate)] = &[
    ("count()", |p| Int(p.len() as i64)),
    ("count(where pkt.fwd)", |p| Int(forward(p).len() as i64)),
    ("count(pkt.iat)", |p| Int(gaps(p).len() as i64)),
    ("sum(pkt.len where pkt.fwd)", |p| {
        Int(lens(&forward(p)).iter().sum())
    }),
    ("sum(pkt.iat)", |p| Int(gaps(p).iter().sum())),
    ("sum(pkt.len * 0.5)", |p| {
        Float(floats(&lens(p)).iter().sum::<f64>() / 2.0)
    }),
    ("mean(pkt.len)", |p| {
        float(Some(floats(&lens(p)).iter().sum::<f64>() / p.len() as f64))
    }),
    ("mean(delta(pkt.time) where pkt.fwd)", |p| {
        let gaps = gaps(&forward(p));
        let sum: i64 = gaps.iter().sum();
        // the nearest ns, halves up
        int((!gaps.is_empty())
            .then(|| (2 * sum + gaps.len() as i64).div_euclid(2 * gaps.len() as i64)))
    }),
    ("min(pkt.iat)", |p| int(gaps(p).into_iter().min())),
    ("max(pkt.len where pkt.payload_len > 0)", |p| {
        int(p
            .iter()
            .filter(|p| !p.payload.is_empty())
            .map(|p| p.len)
            .max())
    }),
    ("max(pkt.len * 0.5)", |p| {
        float(lens(p).into_iter().max().map(|max| max as f64 / 2.0))
    }),
    ("var(pkt.len)", |p| {
        float(Some(central(&floats(&lens(p)), 2)))
    }),
    ("var(pkt.len, ddof=1)", |p| {
        let n = p.len() as f64;
        float(Some(central(&floats(&lens(p)), 2) * n / (n - 1.0)))
    }),
    ("var(pkt.len * 0.5)", |p| {
        float(Some(central(&floats(&lens(p)), 2) / 4.0))
    }),
    ("std(pkt.len)", |p| {
        float(Some(central(&floats(&lens(p)), 2).sqrt()))
    }),
    ("float(std(pkt.iat))", |p| {
        float(Some(central(&floats(&gaps(p)), 2).sqrt() / 1e9))
    }),
    ("var(pkt.iat)", |p| {
        float(Some(central(&floats(&gaps(p)), 2) / 1e18))
    }),
    ("cv(pkt.len)", |p| {
        let all = floats(&lens(p));
        float(Some(
            central(&all, 2).sqrt() / (all.iter().sum::<f64>() / all.len() as f64),
        ))
    }),
    ("skew(pkt.len)", |p| float(skew(&floats(&lens(p))))),
    ("skew(pkt.len * 0.5)", |p| float(skew(&floats(&lens(p))))),
    ("kurtosis(pkt.len)", |p| float(kurtosis(&floats(&lens(p))))),
    ("kurtosis(pkt.len * 0.5)", |p| {
        float(kurtosis(&floats(&lens(p))))
    }),
    ("median(pkt.len where pkt.bwd)", |p| {
        let bwd: Vec<i64> = p.iter().filter(|p| !p.fwd).map(|p| p.len).collect();
        float(quantile(&bwd, 0.5))
    }),
    ("quantile(pkt.len, 0.9)", |p| float(quantile(&lens(p), 0.9))),
    ("mode(pkt.len)", |p| {
        let mut sorted = lens(p);
        sorted.sort_unstable();
        let most = runs(&sorted).into_iter().max();
        let all = sorted.chunk_by(|a, b| a == b);
        int(most.and_then(|most| {
            all.into_iter()
                .find(|run| run.len() == most)
                .map(|run| run[0])
        }))
    }),
    ("distinct(pkt.len)", |p| {
        Int(lens(p)
            .into_iter()
            .collect::<std::collections::BTreeSet<_>>()
            .len() as i64)
    }),
    ("first(pkt.len where pkt.bwd)", |p| {
        int(p.iter().find(|p| !p.fwd).map(|p| p.len))
    }),
    ("last(pkt.len where pkt.bwd)", |p| {
        int(p.iter().rfind(|p| !p.fwd).map(|p| p.len))
    }),
    ("nth(pkt.len, 2)", |p| int(p.get(2).map(|p| p.len))),
    ("any(pkt.len > 1200)", |p| {
        Bool(p.iter().any(|p| p.len > 1200))
    }),
    ("all(pkt.len > 120 where pkt.fwd)", |p| {
        Bool(forward(p).iter().all(|p| p.len > 120))
    }),
    ("argmin(pkt.index, pkt.len)", |p| {
        int(first_best(p, |p| p.len))
    }),
    ("argmax(pkt.index, pkt.len)", |p| {
        int(first_best(p, |p| -p.len))
    }),
    ("list(pkt.len where pkt.fwd, limit=3)", |p| {
        List(lens(&forward(p)).into_iter().take(3).collect())
    }),
    ("entropy(pkt.len)", |p| float(entropy(&lens(p)))),
    ("entropy(pkt.payload where pkt.fwd)", |p| {
        let bytes: Vec<u8> = forward(p).into_iter().flat_map(|p| p.payload).collect();
        float(entropy(&bytes))
    }),
    ("histogram(pkt.len, edges=[100, 1000])", |p| {
        let among = |from: i64, to: i64| {
            lens(p)
                .iter()
                .filter(|len| (from..to).contains(len))
                .count() as i64
        };
        List(vec![among(0, 100), among(100, 1000), among(1000, i64::MAX)])
    }),
    ("slope(pkt.len)", |p| {
        let start = p.first().map_or(0, |p| p.time);
        let points: Vec<(f64, f64)> = p
            .iter()
            .map(|p| ((p.time - start) as f64 / 1e9, p.len as f64))
            .collect();
        float(slope(&points))
    }),
    ("slope(pkt.len * 0.5)", |p| {
        let start = p.first().map_or(0, |p| p.time);
        let points: Vec<(f64, f64)> = p
            .iter()
            .map(|p| ((p.time - start) as f64 / 1e9, p.len as f64 / 2.0))
            .collect();
        float(slope(&points))
    }),
    ("runs(pkt.fwd)", |p| {
        Int(runs(&p.iter().map(|p| p.fwd).collect::<Vec<_>>()).len() as i64)
    }),
    ("run_max(pkt.fwd)", |p| {
        let runs = runs(&p.iter().map(|p| p.fwd).collect::<Vec<_>>());
        Int(runs.into_iter().max().unwrap_or(0) as i64)
    }),
    ("bursts(gap=50ms)", |p| {
        let ends = gaps(p).into_iter().filter(|gap| *gap >= 50_000_000).count();
        Int(if p.is_empty() { 0 } else { ends as i64 + 1 })
    }),
    ("rate(pkt.len where pkt.fwd)", |p| {
        let p = forward(p);
        let span = p.last().map_or(0, |p| p.time) - p.first().map_or(0, |p| p.time);
        float((span > 0).then(|| lens(&p).iter().sum::<i64>() as f64 / (span as f64 / 1e9)))
    }),
    ("fold(0.0, 0.9 * acc + 0.1 * pkt.len where pkt.fwd)", |p| {
        Float(
            forward(p)
                .iter()
                .fold(0.0, |acc, p| 0.9 * acc + 0.1 * p.len as f64),
        )
    }),
    ("fold(0, if pkt.fwd then acc + 1 else 0)", |p| {
        Int(p.iter().fold(0, |acc, p| if p.fwd { acc + 1 } else { 0 }))
    }),
    ("sum(prev(pkt.len) where pkt.bwd)", |p| {
        let bwd: Vec<i64> = p.iter().filter(|p| !p.fwd).map(|p| p.len).collect();
        Int(bwd.iter().take(bwd.len().saturating_sub(1)).sum())
    }),
    ("max(abs(delta(pkt.len)))", |p| {
        int(lens(p).windows(2).map(|two| (two[1] - two[0]).abs()).max())
    }),
    ("sum(pkt.payload_len where pkt.index <= 2)", |p| {
        Int(p.iter().take(2).map(|p| p.payload.len() as i64).sum())
    }),
    ("min(pkt.iat_dir where pkt.fwd)", |p| {
        int(gaps(&forward(p)).into_iter().min())
    }),
];

fn packets() -> impl Strategy<Value = Vec<Plain>> {
    let gap = prop_oneof![
        0..3_i64,
        0..80_000_000_i64,
        Just(50_000_000),
        Just(49_999_999)
    ];
    let len = prop_oneof![40..44_i64, 40..1500_i64];
    let payload = prop::collection::vec(0..4_u8, 0..5);
    let packet = (0..3_usize, gap, any::<bool>(), len, payload);
    prop::collection::vec(packet, 0..60).prop_map(|all| {
        let mut now = 1_500_000_000_000_000_000;
        let each = all.into_iter().map(|(flow, gap, fwd, len, payload)| {
            now += gap;
            Plain {
                flow,
                time: now,
                fwd,
                len,
                payload,
            }
        });
        each.collect()
    })
}

/// The aggregates of an expression, which is nothing but one.
fn aggregate(text: &str) -> Aggregate {
    let text = text
        .strip_prefix("float(")
        .map_or(text, |text| &text[..text.len() - 1]);
    let context = Context::new("").with_packets();
    let mut aggregates = Vec::new();
    let tree = parse(text).unwrap_or_else(|fault| panic!("{text}: {fault:?}"));
    let checked = Checker::rows(&context, text, &mut aggregates).check(&tree);
    checked.unwrap_or_else(|fault| panic!("{text}: {fault:?}"));
    assert_eq!(aggregates.len(), 1, "{text}");
    aggregates.remove(0)
}

/// The columns of three flows, one a case, when runs end at these places; and the books.
fn columns(cases: &[&str], packets: &[Plain], ends: &[usize]) -> (Vec<Vec<Column>>, Books) {
    let aggregates: Vec<Aggregate> = cases.iter().map(|text| aggregate(text)).collect();
    let mut held = HeldPlan::new(aggregates.clone()).held();
    let flows: Slots<Flow> = (0..3).map(|_| Packets::udp().flow).collect();
    (0..3).for_each(|slot| held.open(slot));
    let mut arena = Vec::new();
    let headers: Vec<Header> = packets
        .iter()
        .map(|packet| {
            let mut header = Header::zeroed();
            header.ip_len = packet.len as u32;
            header.payload = arena.len() as u32;
            header.payload_len = packet.payload.len() as u32;
            header.payload_captured = header.payload_len;
            arena.extend_from_slice(&packet.payload);
            header
        })
        .collect();
    let all: Vec<Packet<'_>> = headers
        .iter()
        .zip(packets)
        .map(|(header, packet)| {
            let from = if packet.fwd {
                Direction::Forward
            } else {
                Direction::Backward
            };
            Packet::new(header, &arena, packet.time, from)
        })
        .collect();
    let slots: Vec<u32> = packets.iter().map(|packet| packet.flow as u32).collect();
    let mut start = 0;
    for end in ends.iter().copied().chain([all.len()]) {
        let end = end.clamp(start, all.len());
        for from in (start..end).step_by(1024) {
            let to = end.min(from + 1024);
            let slots = &slots[from..to];
            let flows: Vec<&Flow> = slots.iter().map(|slot| &flows[*slot as usize]).collect();
            held.packets(&all[from..to], slots, &flows);
        }
        start = end;
    }
    let rows = (0..3).map(|slot| {
        let mut columns: Vec<Column> = aggregates
            .iter()
            .map(|one| {
                let (kind, _) = one.kind.column().expect("a column");
                Column::new(&kind, true)
            })
            .collect();
        let targets: Vec<Option<u32>> = (0..columns.len() as u32).map(Some).collect();
        held.finish(slot, &targets, &mut columns);
        columns
    });
    let rows = rows.collect();
    let mut books = Books::default();
    held.note(&mut books);
    (rows, books)
}

fn value(column: &Column) -> Value {
    let is_there = column.valid.as_ref().is_none_or(|valid| valid[0]);
    match &column.values {
        _ if !is_there => Null,
        Values::Bool(v) => Bool(v[0]),
        Values::I64(v) | Values::Time(v) => Int(v[0]),
        Values::F64(v) => Float(v[0]),
        Values::List { items, .. } => match &items.values {
            Values::I64(v) => List(v.clone()),
            other => panic!("{other:?}"),
        },
        other => panic!("{other:?}"),
    }
}

/// Whether both are the same; durations are seconds in columns, and floats may differ in what a plain sum rounds.
fn agree(found: &Value, plain: &Value) -> bool {
    let near = |a: f64, b: f64| (a - b).abs() <= 1e-6 * b.abs().max(1e-3);
    match (found, plain) {
        (Null, Null) => true,
        (Bool(a), Bool(b)) => a == b,
        (Int(a), Int(b)) => a == b,
        (List(a), List(b)) => a == b,
        (Float(a), Float(b)) => near(*a, *b),
        (Float(seconds), Int(ns)) => *seconds == crate::expressions::vector::seconds(*ns),
        _ => false,
    }
}

#[test]
fn every_aggregate_is_among_the_cases() {
    for name in super::names() {
        let is_there = |(text, _): &&(&str, Evaluate)| text.contains(&format!("{name}("));
        assert!(CASES.iter().any(|case| is_there(&case)), "{name}");
    }
}

proptest! {
    #[test]
    fn aggregates_are_those_of_a_plain_evaluation(
        packets in packets(),
        ends in prop::collection::vec(0..60_usize, 0..6),
    ) {
        let cases: Vec<&str> = CASES.iter().map(|(text, _)| *text).collect();
        let mut ends = ends;
        ends.sort_unstable();
        let (rows, books) = columns(&cases, &packets, &ends);
        prop_assert_eq!(books.anomalies.total(), 0);
        for (flow, columns) in rows.iter().enumerate() {
            let own: Vec<Plain> = packets.iter().filter(|p| p.flow == flow).cloned().collect();
            for ((text, evaluate), column) in CASES.iter().zip(columns) {
                let (found, plain) = (value(column), evaluate(&own));
                prop_assert!(agree(&found, &plain), "{}: {:?}, not {:?}, of {:?}", text, found, plain, own);
            }
        }
        // to the last bit, wherever runs end
        let (whole, _) = columns(&cases, &packets, &[]);
        prop_assert_eq!(format!("{rows:?}"), format!("{whole:?}"));
    }
}

#[test]
fn what_is_too_much_is_null_and_counted() {
    let packet = |at: i64| Plain {
        flow: 0,
        time: at,
        fwd: true,
        len: at % (1 << 31),
        payload: Vec::new(),
    };
    let many: Vec<Plain> = (0..=MAX_VALUES as i64 + 3).map(packet).collect();
    let kept = [
        "median(pkt.len)",
        "mode(pkt.len)",
        "entropy(pkt.len)",
        "distinct(pkt.len)",
    ];
    let (rows, books) = columns(&kept, &many[..MAX_VALUES], &[]);
    assert_eq!(books.anomalies.total(), 0);
    assert!(rows[0].iter().all(|column| !matches!(value(column), Null)));
    let (rows, books) = columns(&kept, &many, &[7, 3000]);
    assert_eq!(books.anomalies.get(Anomaly::AggregateLimit), 4);
    assert!(rows[0].iter().all(|column| matches!(value(column), Null)));
    // the sum itself, and the products of the packets that are chosen and that are not
    let large = [
        "sum(pkt.len * 9000000000000000)",
        "count(pkt.len * 9000000000000000000 where pkt.bwd)",
    ];
    let (rows, books) = columns(&large, &[packet(1000), packet(1010), packet(1020)], &[1]);
    assert!(matches!(value(&rows[0][0]), Null));
    assert!(matches!(value(&rows[0][1]), Int(0)));
    assert_eq!(books.anomalies.get(Anomaly::ExpressionOverflow), 1 + 3);
}
