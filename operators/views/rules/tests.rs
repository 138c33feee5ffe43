//! Programs against plain sequential ones, while rows come and go, on one to three workers.

use super::*;
use crate::columns::{Address, Column, Columns, Values};
use crate::expressions::{Constant, Fault, Places, Type};
use differential_dataflow::input::Input as _;
use proptest::prelude::*;
use std::cell::Cell;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::mpsc::channel;
use timely::dataflow::operators::probe::Handle;

/// Who asks what numbers stand for hears nothing.
fn spell() -> crate::views::graph::Spell {
    std::rc::Rc::new(|_| Constant::Null)
}

/// A flow of the tests: addresses as numbers, port, start in ns, packets back.
pub(super) type Flow = (u8, u8, u16, i64, u64);
/// A row as it is told: addresses and numbers alike.
type Told = Vec<i64>;

pub(super) fn flows() -> Relation {
    let columns = [
        ("src_ip", Type::Ip),
        ("dst_ip", Type::Ip),
        ("dst_port", Type::Int),
        ("start_time", Type::Time),
        ("packets_bwd", Type::Int),
        ("name", Type::Text),
    ];
    let columns = (0..)
        .zip(columns)
        .map(|(place, (name, kind))| RelationColumn {
            name: name.to_owned(),
            null: kind == Type::Text,
            kind,
            place,
        });
    Relation {
        name: "flows".to_owned(),
        columns: columns.collect(),
        from: ReadFrom::Input(0),
    }
}

fn address(last: u8) -> Address {
    let mut bytes = [0; 16];
    bytes[..4].copy_from_slice(&[10, 0, 0, last]);
    Address { family: 4, bytes }
}

fn columns(flows: &[Flow]) -> Columns {
    let column = |values| Column {
        values,
        valid: None,
    };
    let (mut ends, mut bytes, mut valid) = (Vec::new(), Vec::new(), Vec::new());
    for (from, ..) in flows {
        // no name for every third host
        valid.push(from % 3 != 0);
        bytes.extend(
            format!("host{}", from % 4)
                .bytes()
                .filter(|_| from % 3 != 0),
        );
        ends.push(bytes.len() as u32);
    }
    Columns {
        // rows of one start stand in an order that is the same when they go
        keys: flows
            .iter()
            .map(|flow| {
                let place =
                    u64::from(flow.0) << 32 | u64::from(flow.1) << 24 | u64::from(flow.2) << 8;
                (flow.3, place | flow.4)
            })
            .collect(),
        edges: Vec::new(),
        columns: vec![
            column(Values::Address(
                flows.iter().map(|flow| address(flow.0)).collect(),
            )),
            column(Values::Address(
                flows.iter().map(|flow| address(flow.1)).collect(),
            )),
            column(Values::U16(flows.iter().map(|flow| flow.2).collect())),
            column(Values::Time(flows.iter().map(|flow| flow.3).collect())),
            column(Values::U64(flows.iter().map(|flow| flow.4).collect())),
            Column {
                values: Values::Text { ends, bytes },
                valid: Some(valid),
            },
        ],
    }
}

fn told(word: u64, kind: &Type, numbers: &Numbers) -> i64 {
    match kind {
        Type::Ip | Type::Text => match numbers.spell(word) {
            Constant::Ip(address) => i64::from(address.bytes[3]),
            Constant::Text(text) => text.trim_start_matches("host").parse().unwrap(),
            other => panic!("{other:?}"),
        },
        _ => word.cast_signed(),
    }
}

/// The relations after each tick, by name; each tick inserts flows and removes others.
fn run<R: Row>(
    text: &str,
    ticks: &[(Vec<Flow>, Vec<Flow>)],
    workers: usize,
    turns: u64,
) -> (Vec<BTreeMap<String, BTreeSet<Told>>>, bool) {
    let (plan, _) = compile(text, &[flows()], RuleOptions::default()).unwrap();
    let (after, numbers, is_whole) = run_plan::<R>(&plan, ticks, workers, turns);
    let after = after.into_iter().map(|relations| {
        let relations = relations.into_iter().zip(&plan.relations);
        let relations = relations.map(|(rows, made)| {
            let rows = rows.into_iter().map(|row| {
                let columns = made.columns.iter().enumerate();
                columns
                    .map(|(at, column)| told(row.word(at), &column.kind, &numbers))
                    .collect()
            });
            (made.name.clone(), rows.collect())
        });
        relations.collect()
    });
    (after.collect(), is_whole)
}

/// The rows of the relations of a plan after a tick.
type After<R> = Vec<BTreeSet<R>>;

/// The same of a plan, in words.
pub(super) fn run_plan<R: Row>(
    plan: &Plan,
    ticks: &[(Vec<Flow>, Vec<Flow>)],
    workers: usize,
    turns: u64,
) -> (Vec<After<R>>, Numbers, bool) {
    assert!(plan.width <= R::WIDTH);
    // all rows are turned into words in one place
    let mut numbers = Numbers::new(&plan.constants);
    let overflows = Cell::new(0);
    let places: Places = Arc::new((0..6).map(|place| (place, place as usize)).collect());
    let words: Vec<Vec<Vec<(R, isize)>>> = ticks
        .iter()
        .map(|(comes, goes)| {
            let sources = plan.sources.iter().map(|source| {
                let mut rows = Vec::new();
                for (flows, diff) in [(comes, 1), (goes, -1)] {
                    let taken =
                        take::<R>(source, &columns(flows), &places, &mut numbers, &overflows);
                    rows.extend(taken.into_iter().map(|(row, _)| (row, diff)));
                }
                rows
            });
            sources.collect()
        })
        .collect();
    let (send, receive) = channel();
    let (relations, count, plan) = (plan.relations.len(), ticks.len(), plan.clone());
    let config = timely::Config::process(workers);
    timely::execute(config, move |worker| {
        let probe = Handle::new();
        let send = send.clone();
        let mut sessions = worker.dataflow::<u64, _, _>(|scope| {
            let (sessions, sources): (Vec<_>, Vec<_>) = plan
                .sources
                .iter()
                .map(|_| scope.new_collection::<R, isize>())
                .unzip();
            let built = build(scope, &plan, &sources, |_| turns, &spell());
            for (at, rows) in built.relations.into_iter().enumerate() {
                let send = send.clone();
                rows.inspect(move |(row, tick, diff)| {
                    send.send((Some(at), *row, *tick, *diff)).unwrap();
                })
                .probe_with(&probe);
            }
            for (_, beyond) in built.beyond {
                let send = send.clone();
                beyond
                    .inspect(move |(row, tick, diff)| {
                        send.send((None, *row, *tick, *diff)).unwrap()
                    })
                    .probe_with(&probe);
            }
            sessions
        });
        for (tick, sources) in words.iter().enumerate() {
            for (session, rows) in sessions.iter_mut().zip(sources) {
                if worker.index() == 0 {
                    rows.iter()
                        .for_each(|(row, diff)| session.update(*row, *diff));
                }
                session.advance_to(tick as u64 + 1);
                session.flush();
            }
            worker.step_while(|| probe.less_than(&(tick as u64 + 1)));
        }
    })
    .unwrap();
    let mut changes: Vec<(Option<usize>, R, u64, isize)> = receive.into_iter().collect();
    changes.sort_unstable();
    let is_whole = changes.iter().all(|(relation, ..)| relation.is_some());
    let after = (0..count as u64).map(|tick| {
        let held = |at: usize| {
            let mut rows: BTreeMap<R, isize> = BTreeMap::new();
            for (_, row, _, diff) in changes
                .iter()
                .filter(|(relation, _, at_tick, _)| *relation == Some(at) && *at_tick <= tick)
            {
                *rows.entry(*row).or_default() += diff;
            }
            let rows = rows.into_iter().filter(|(row, times)| {
                assert!((0..2).contains(times), "{row:?} is there {times} times");
                *times > 0
            });
            rows.map(|(row, _)| row).collect()
        };
        (0..relations).map(held).collect()
    });
    (after.collect(), numbers, is_whole)
}

/// The flows after each tick.
pub(super) fn held(ticks: &[(Vec<Flow>, Vec<Flow>)]) -> Vec<Vec<Flow>> {
    let mut held: Vec<Flow> = Vec::new();
    let after = ticks.iter().map(|(comes, goes)| {
        held.extend(comes);
        for gone in goes {
            let at = held.iter().position(|flow| flow == gone).unwrap();
            held.remove(at);
        }
        held.clone()
    });
    after.collect()
}

const HOUR: i64 = 3_600_000_000_000;

const LATERAL: &str = "
hop(src, dst, t)  :- flows(src_ip: src, dst_ip: dst, dst_port: p, start_time: t, packets_bwd: b),
                     p in [22, 135, 445, 3389, 5985], b > 0, src != dst.
path(from, to, t)     :- hop(src: from, dst: to, t).
path(from, to, t: t2) :- path(from, to: mid, t: t1), hop(src: mid, dst: to, t: t2), t2 >= t1, t2 - t1 <= 1h.
spread(from, hosts: count(to)) :- path(from, to).
wide(from, hosts) :- spread(from, hosts), hosts >= 3.
first(from, to, t: min(t1)) :- path(from, to, t: t1).
";

/// The same by hand: chains of logins, followed one after the other.
fn lateral(flows: &[Flow]) -> BTreeMap<String, BTreeSet<Told>> {
    let ports = [22, 135, 445, 3389, 5985];
    let hops: BTreeSet<(u8, u8, i64)> = flows
        .iter()
        .filter(|(from, to, port, _, back)| ports.contains(port) && *back > 0 && from != to)
        .map(|(from, to, _, start, _)| (*from, *to, *start))
        .collect();
    let mut paths = BTreeSet::new();
    let mut todo: Vec<(u8, u8, i64)> = hops.iter().copied().collect();
    while let Some((from, to, at)) = todo.pop() {
        if paths.insert((from, to, at)) {
            for (mid, next, later) in &hops {
                if *mid == to && *later >= at && later - at <= HOUR {
                    todo.push((from, *next, *later));
                }
            }
        }
    }
    let mut spread: BTreeMap<u8, BTreeSet<u8>> = BTreeMap::new();
    let mut first: BTreeMap<(u8, u8), i64> = BTreeMap::new();
    for (from, to, at) in &paths {
        spread.entry(*from).or_default().insert(*to);
        let known = first.entry((*from, *to)).or_insert(*at);
        *known = (*known).min(*at);
    }
    let triple = |rows: &BTreeSet<(u8, u8, i64)>| {
        rows.iter()
            .map(|(a, b, t)| vec![i64::from(*a), i64::from(*b), *t])
            .collect()
    };
    let counts: BTreeSet<Told> = spread
        .iter()
        .map(|(from, to)| vec![i64::from(*from), to.len() as i64])
        .collect();
    let wide = counts.iter().filter(|row| row[1] >= 3).cloned().collect();
    [
        ("hop", triple(&hops)),
        ("path", triple(&paths)),
        ("spread", counts),
        ("wide", wide),
        (
            "first",
            first
                .iter()
                .map(|((a, b), t)| vec![i64::from(*a), i64::from(*b), *t])
                .collect(),
        ),
    ]
    .into_iter()
    .map(|(name, rows)| (name.to_owned(), rows))
    .collect()
}

const OTHERS: &str = "
# hosts, who talks to whom, how far, who is never answered, and what is bound in several ways
edge(a, b) :- flows(src_ip: a, dst_ip: b).
host(h: a) :- edge(a, b: _).
host(h: b) :- edge(a: _, b).
near(a, b, hops: min(n)) :- edge(a, b), n = 1.
near(a, b: c, hops: min(n + 1)) :- near(a, b, hops: n), edge(a: b, b: c), n <= 3.
quiet(h) :- host(h), not edge(a: h, b: _).
to_two(a) :- edge(a, b: 10.0.0.2), not edge(a: 10.0.0.2, b: a).
pairs(a, b) :- edge(a, b), edge(a: b, b: a), a != b.
load(a, bytes: sum(n), flows: count(), top: max(n)) :- flows(src_ip: a, start_time: _, packets_bwd: n, dst_ip: b).
named(n, b) :- flows(name: n, dst_ip: b), starts_with(n, \"host\"), not to_two(a: b).
even(n: x * 2) :- flows(packets_bwd: n), x = n + 1.
self(a) :- edge(a, b: a).
# counts over relations that are sets: of all of a row, of what a constant or a key leaves, of bindings, and where that is no set
reach(a, hosts: count(b)) :- edge(a, b).
into_two(n: count(a)) :- edge(a, b: 10.0.0.2).
selves(n: count(a)) :- edge(a, b: a).
fans(n: count(a)) :- reach(a, hosts: h), h > 1.
steps(a, ways: count(), mids: count(b), ends: count(c)) :- edge(a, b), edge(a: b, b: c).
ends(a, hosts: count(c)) :- edge(a, b), edge(a: b, b: c).
either(a, n: count(b)) :- edge(a, b).
either(a, n: count(b)) :- edge(a: b, b: a).
";

fn others(flows: &[Flow]) -> BTreeMap<String, BTreeSet<Told>> {
    let one = |value: &u8| i64::from(*value);
    let edges: BTreeSet<(u8, u8)> = flows.iter().map(|flow| (flow.0, flow.1)).collect();
    let hosts: BTreeSet<u8> = edges.iter().flat_map(|(a, b)| [*a, *b]).collect();
    let mut near: BTreeMap<(u8, u8), i64> = edges.iter().map(|edge| (*edge, 1)).collect();
    for hops in 2..=4 {
        for ((a, b), n) in near.clone() {
            for (from, to) in &edges {
                if *from == b && n == hops - 1 {
                    near.entry((a, *to)).or_insert(hops);
                }
            }
        }
    }
    let mut load: BTreeMap<u8, BTreeSet<(u64, u8)>> = BTreeMap::new();
    for (a, b, _, _, n) in flows {
        load.entry(*a).or_default().insert((*n, *b));
    }
    let pair = |(a, b): &(u8, u8)| vec![one(a), one(b)];
    let to_two: BTreeSet<u8> = edges
        .iter()
        .filter(|(a, b)| *b == 2 && !edges.contains(&(2, *a)))
        .map(|(a, _)| *a)
        .collect();
    let both = edges.iter().flat_map(|(a, b)| [(*a, *b), (*b, *a)]);
    let both: BTreeSet<(u8, u8)> = both.collect();
    let mut steps: BTreeMap<u8, Vec<(u8, u8)>> = BTreeMap::new();
    for (a, b) in &edges {
        for (_, c) in edges.iter().filter(|(from, _)| from == b) {
            steps.entry(*a).or_default().push((*b, *c));
        }
    }
    let counts = |pairs: &BTreeSet<(u8, u8)>| {
        let mut counts: BTreeMap<u8, i64> = BTreeMap::new();
        pairs
            .iter()
            .for_each(|(a, _)| *counts.entry(*a).or_default() += 1);
        counts
    };
    let rows_of = |counts: BTreeMap<u8, i64>| -> BTreeSet<Told> {
        counts.iter().map(|(a, n)| vec![one(a), *n]).collect()
    };
    // a count of nothing is no row
    let total =
        |n: usize| -> BTreeSet<Told> { (n > 0).then(|| vec![n as i64]).into_iter().collect() };
    let different = |all: &[(u8, u8)], of: fn(&(u8, u8)) -> u8| {
        let values: BTreeSet<u8> = all.iter().map(of).collect();
        values.len() as i64
    };
    let single = |rows: &mut dyn Iterator<Item = u8>| -> BTreeSet<Told> {
        rows.map(|row| vec![i64::from(row)]).collect()
    };
    [
        ("edge", edges.iter().map(pair).collect()),
        ("host", single(&mut hosts.iter().copied())),
        (
            "near",
            near.iter()
                .map(|((a, b), n)| vec![one(a), one(b), *n])
                .collect(),
        ),
        (
            "quiet",
            single(
                &mut hosts
                    .iter()
                    .copied()
                    .filter(|h| edges.iter().all(|(a, _)| a != h)),
            ),
        ),
        ("to_two", single(&mut to_two.iter().copied())),
        (
            "pairs",
            edges
                .iter()
                .filter(|(a, b)| a != b && edges.contains(&(*b, *a)))
                .map(pair)
                .collect(),
        ),
        (
            "load",
            load.iter()
                .map(|(a, rows)| {
                    let sum: u64 = rows.iter().map(|(n, _)| n).sum();
                    let top = rows.iter().map(|(n, _)| *n).max().unwrap();
                    vec![one(a), sum as i64, rows.len() as i64, top as i64]
                })
                .collect(),
        ),
        (
            "named",
            flows
                .iter()
                .filter(|flow| flow.0 % 3 != 0 && !to_two.contains(&flow.1))
                .map(|flow| vec![i64::from(flow.0 % 4), one(&flow.1)])
                .collect(),
        ),
        (
            "even",
            flows
                .iter()
                .map(|flow| vec![(flow.4 as i64 + 1) * 2])
                .collect(),
        ),
        ("reach", rows_of(counts(&edges))),
        (
            "into_two",
            total(edges.iter().filter(|(_, b)| *b == 2).count()),
        ),
        (
            "selves",
            total(edges.iter().filter(|(a, b)| a == b).count()),
        ),
        (
            "fans",
            total(counts(&edges).values().filter(|n| **n > 1).count()),
        ),
        (
            "steps",
            steps
                .iter()
                .map(|(a, all)| {
                    let (mids, ends) = (different(all, |one| one.0), different(all, |one| one.1));
                    vec![one(a), all.len() as i64, mids, ends]
                })
                .collect(),
        ),
        (
            "ends",
            steps
                .iter()
                .map(|(a, all)| vec![one(a), different(all, |one| one.1)])
                .collect(),
        ),
        ("either", rows_of(counts(&both))),
        (
            "self",
            single(&mut edges.iter().filter(|(a, b)| a == b).map(|(a, _)| *a)),
        ),
    ]
    .into_iter()
    .map(|(name, rows)| (name.to_owned(), rows))
    .collect()
}

prop_compose! {
    /// A few ticks; what goes has come before.
    pub(super) fn ticks()(
        flows in proptest::collection::vec(
            (0_u8..7, 0_u8..7, prop_oneof![Just(22_u16), Just(445), Just(80)], 0_i64..12, 0_u64..3), 1..30,
        ),
        stays in proptest::collection::vec((0_usize..4, 0_usize..4), 30),
    ) -> Vec<(Vec<Flow>, Vec<Flow>)> {
        let mut ticks = vec![(Vec::new(), Vec::new()); 6];
        for ((a, b, port, start, back), (comes, stays)) in flows.into_iter().zip(stays) {
            let flow = (a, b, port, start * HOUR / 3, back);
            ticks[comes].0.push(flow);
            ticks[(comes + 1 + stays).min(5)].1.push(flow);
        }
        ticks
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    #[test]
    fn programs_give_what_plain_ones_give_while_rows_come_and_go(ticks in ticks(), workers in 1_usize..4) {
        let held = held(&ticks);
        let (found, is_whole) = run::<[u64; 4]>(LATERAL, &ticks, workers, 1000);
        prop_assert!(is_whole);
        prop_assert_eq!(found, held.iter().map(|flows| lateral(flows)).collect::<Vec<_>>());
        let (found, is_whole) = run::<[u64; 8]>(OTHERS, &ticks, workers, 1000);
        prop_assert!(is_whole);
        prop_assert_eq!(found, held.iter().map(|flows| others(flows)).collect::<Vec<_>>());
    }
}

#[test]
fn a_recursion_without_an_end_is_ended_and_told() {
    let text = "up(n) :- flows(packets_bwd: n).\nup(n: n + 1) :- up(n).";
    let ticks = [(vec![(1, 2, 22, 0, 5)], Vec::new())];
    let (found, is_whole) = run::<[u64; 4]>(text, &ticks, 1, 10);
    assert!(!is_whole);
    assert!(
        found[0]["up"].contains(&vec![14]) && found[0]["up"].len() <= 12,
        "{found:?}"
    );
    let (_, warnings) = compile(text, &[flows()], RuleOptions::default()).unwrap();
    assert_eq!(warnings[0].code, "W0608");
}

fn faults(text: &str) -> Vec<(String, String, String)> {
    let found = compile(text, &[flows()], RuleOptions::default());
    let told = |fault: Fault| {
        (
            fault.code.to_owned(),
            fault.at.of(text).to_owned(),
            fault.message,
        )
    };
    found
        .err()
        .unwrap_or_default()
        .into_iter()
        .map(told)
        .collect()
}

#[test]
fn what_is_wrong_is_told() {
    for (text, code, at, message) in [
        (
            "a(x) :- flows(src_ip: y).",
            "E0601",
            "x",
            "`x` is not bound by any relation in this rule",
        ),
        (
            "a(x) :- flow(src_ip: x).",
            "E0302",
            "flow",
            "no relation is named `flow`",
        ),
        (
            "a(x) :- flows(src: x).",
            "E0201",
            "src",
            "`flows` has no column `src`",
        ),
        (
            "a(x) :- flows(src_ip: x), x > 1h.",
            "E0207",
            "x > 1h",
            "`>` compares ip with duration",
        ),
        (
            "a(x) :- flows(src_ip: x, dst_port: x).",
            "E0207",
            "x",
            "`x` is ip in one relation and int in another",
        ),
        (
            "a(x) :- flows(src_ip: x). b(y) :- flows(dst_port: y), a(x).",
            "E0603",
            "a(x)",
            "nothing joins `flows(...)` and `a(...)`: every row would meet every row",
        ),
        (
            "a(x) :- flows(src_ip: x), not b(x). b(x) :- a(x).",
            "E0602",
            "not b(x)",
            "negation inside a recursion: a -> not b -> a",
        ),
        (
            "a(x) :- flows(dst_port: x). a(x: count(y)) :- a(x: y).",
            "E0606",
            "x",
            "`x` of `a` is aggregated in one rule and not in the same way in another",
        ),
        (
            "p(a, b, t: min(s)) :- flows(src_ip: a, dst_ip: b, start_time: s).\n\
             p(a, b: c, t: min(s)) :- p(a, b, t), flows(src_ip: b, dst_ip: c, start_time: s), s - t <= 1h.",
            "E0604",
            "s - t <= 1h",
            "a smaller `t` can break this, so the recursion through `min` has no one end",
        ),
        (
            "a(x) :- a(x).",
            "E0607",
            "x",
            "no rule tells the type of `x`",
        ),
        (
            "flows(x) :- flows(src_ip: x).",
            "E0301",
            "flows",
            "`flows` is read: no rule can make it",
        ),
        (
            "a(x, n) :- flows(src_ip: x, dst_port: p, name: n), b(p, m), lower(n) == m. b(p, m) :- flows(dst_port: p, name: m).",
            "E0607",
            "lower(n) == m",
            "texts and addresses that are joined or grouped can only be compared, by `==` and `!=`",
        ),
    ] {
        let found = faults(text);
        let expected = (code.to_owned(), at.to_owned(), message.to_owned());
        assert_eq!(found.first(), Some(&expected), "{text}\n{found:?}");
    }
}

#[test]
fn conditions_on_one_row_are_computed_before_anything_is_joined() {
    let (plan, warnings) = compile(LATERAL, &[flows()], RuleOptions::default()).unwrap();
    assert_eq!(warnings, []);
    assert_eq!((plan.width, plan.sources.len()), (4, 1));
    let source = &plan.sources[0];
    assert_eq!((source.conditions, source.kinds.len()), (3, 3));
    let recursive: Vec<bool> = plan
        .strata
        .iter()
        .map(|stratum| stratum.is_recursive)
        .collect();
    assert_eq!(recursive, [false, true, false, false, false]);
}
