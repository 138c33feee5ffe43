//! Groups against plain loops over the rows that are left, while rows come and go, on one to three workers.

use super::tests::{Flow, flows, held, run_plan, ticks};
use super::*;
use crate::expressions::{Constant, Context, Field, Known, Type};
use proptest::prelude::*;
use std::collections::BTreeMap;

/// A value that a view shows.
#[derive(Clone, Debug)]
enum Shown {
    Int(i64),
    Float(f64),
    Text(String),
    Null,
    List(Vec<Shown>),
}

impl PartialEq for Shown {
    /// Floats may differ in their last digits: the plain loops round at each step.
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Int(a), Self::Int(b)) => a == b,
            (Self::Float(a), Self::Float(b)) => (a - b).abs() <= 1e-9 * a.abs().max(1.0),
            (Self::Text(a), Self::Text(b)) => a == b,
            (Self::Null, Self::Null) => true,
            (Self::List(a), Self::List(b)) => a == b,
            _ => false,
        }
    }
}

fn context() -> Context {
    let mut context = Context::new("");
    for column in flows().columns {
        let field = Field {
            place: column.place,
            kind: column.kind,
            null: column.null,
        };
        context.add(&column.name, Known::Field(field));
    }
    context
}

fn plan(form: &GroupForm<'_>) -> Plan {
    compile_group(form, &context(), &mut Vec::new()).unwrap()
}

fn shown(word: u64, kind: &Type, numbers: &Numbers) -> Shown {
    match kind {
        _ if word == NULL => Shown::Null,
        Type::Float => Shown::Float(f64::from_bits(word)),
        Type::Text | Type::Ip => match numbers.spell(word) {
            Constant::Ip(address) => Shown::Text(format!("10.{}", address.bytes[3])),
            Constant::Text(text) => Shown::Text(text),
            other => panic!("{other:?}"),
        },
        _ => Shown::Int(word.cast_signed()),
    }
}

/// The rows of the view after each tick, in the order of their keys, which are whole numbers or addresses.
fn run<R: Row>(
    form: &GroupForm<'_>,
    ticks: &[(Vec<Flow>, Vec<Flow>)],
    workers: usize,
) -> Vec<Vec<Vec<Shown>>> {
    let plan = plan(form);
    let (after, numbers, _) = run_plan::<R>(&plan, ticks, workers, 1);
    let made = &plan.relations[0];
    let after = after.into_iter().map(|mut relations| {
        let rows = relations.remove(0).into_iter().map(|row| {
            let columns = made.columns.iter().map(|column| match &column.kind {
                Type::List(item) => {
                    let words = (column.word..column.word + column.words).map(|at| row.word(at));
                    let words = words.take_while(|word| *word != NULL);
                    Shown::List(words.map(|word| shown(word, item, &numbers)).collect())
                }
                kind => shown(row.word(column.word), kind, &numbers),
            });
            columns.collect::<Vec<_>>()
        });
        let mut rows: Vec<Vec<Shown>> = rows.collect();
        rows.sort_by_key(|row| format!("{:?}", &row[..form.by.len()]));
        rows
    });
    after.collect()
}

/// The flows of each group, in the order of their starts.
fn grouped<K: Ord + Clone>(
    flows: &[Flow],
    key: impl Fn(&Flow) -> K,
    shown: impl Fn(&K) -> Vec<Shown>,
    row: impl Fn(&[Flow]) -> Vec<Shown>,
) -> Vec<Vec<Shown>> {
    let mut groups: BTreeMap<K, Vec<Flow>> = BTreeMap::new();
    for flow in flows {
        groups.entry(key(flow)).or_default().push(*flow);
    }
    let rows = groups.into_iter().map(|(key, mut flows)| {
        flows.sort_by_key(|flow| (flow.3, flow.0, flow.1, flow.2, flow.4));
        let keys = shown(&key);
        let count = keys.len();
        (
            count,
            keys.into_iter().chain(row(&flows)).collect::<Vec<_>>(),
        )
    });
    let mut rows: Vec<(usize, Vec<Shown>)> = rows.collect();
    rows.sort_by_key(|(count, row)| format!("{:?}", &row[..*count]));
    rows.into_iter().map(|(_, row)| row).collect()
}

fn int(value: usize) -> Shown {
    Shown::Int(value as i64)
}

fn ip(last: u8) -> Shown {
    Shown::Text(format!("10.{last}"))
}

/// No name for every third host.
fn name(flow: &Flow) -> Option<String> {
    (!flow.0.is_multiple_of(3)).then(|| format!("host{}", flow.0 % 4))
}

fn distinct<T: Ord>(values: impl Iterator<Item = T>) -> usize {
    values.collect::<std::collections::BTreeSet<T>>().len()
}

fn mean(values: &[f64]) -> Option<f64> {
    (!values.is_empty()).then(|| values.iter().sum::<f64>() / values.len() as f64)
}

fn float(value: Option<f64>) -> Shown {
    value.map_or(Shown::Null, Shown::Float)
}

fn variance(values: &[f64], ddof: f64) -> Option<f64> {
    let mean = mean(values)?;
    let squares: f64 = values
        .iter()
        .map(|value| (value - mean) * (value - mean))
        .sum();
    let by = values.len() as f64 - ddof;
    (by > 0.0).then(|| squares / by)
}

fn quantile(values: &[f64], q: f64) -> Option<f64> {
    let mut values = values.to_vec();
    values.sort_by(f64::total_cmp);
    let place = q * (values.len().checked_sub(1)?) as f64;
    let (low, high) = (
        values[place.floor() as usize],
        values[place.ceil() as usize],
    );
    Some(low + (high - low) * place.fract())
}

const SUMS: GroupForm<'static> = GroupForm {
    name: "v",
    inputs: 1,
    view: None,
    condition: Some("dst_port != 445 or packets_bwd > 0"),
    by: Vec::new(),
    select: Vec::new(),
    having: None,
    top: None,
};

fn counts() -> GroupForm<'static> {
    GroupForm {
        by: vec!["src_ip", "dst_port"],
        select: vec![
            ("n", "count()"),
            ("hosts", "distinct(dst_ip)"),
            ("failed", "count(where packets_bwd == 0)"),
            ("sum", "sum(packets_bwd)"),
            ("named", "count(name)"),
        ],
        ..SUMS
    }
}

fn plain_counts(flows: &[Flow]) -> Vec<Vec<Shown>> {
    let mut flows = flows.to_vec();
    flows.retain(|flow| flow.2 != 445 || flow.4 > 0);
    let key = |(from, port): &(u8, u16)| vec![ip(*from), int(usize::from(*port))];
    grouped(
        &flows,
        |flow| (flow.0, flow.2),
        key,
        |flows| {
            vec![
                int(flows.len()),
                int(distinct(flows.iter().map(|flow| flow.1))),
                int(flows.iter().filter(|flow| flow.4 == 0).count()),
                Shown::Int(flows.iter().map(|flow| flow.4 as i64).sum()),
                int(flows.iter().filter_map(name).count()),
            ]
        },
    )
}

fn moments() -> GroupForm<'static> {
    GroupForm {
        by: vec!["name"],
        select: vec![
            ("mean", "mean(packets_bwd / 3 where packets_bwd > 0)"),
            ("var", "var(dst_port)"),
            ("std", "std(packets_bwd, ddof=1)"),
            ("middle", "median(dst_port)"),
            ("most", "quantile(packets_bwd / 3, 0.9)"),
        ],
        ..GroupForm::default()
    }
}

fn plain_moments(flows: &[Flow]) -> Vec<Vec<Shown>> {
    let key = |name: &Option<String>| vec![name.clone().map_or(Shown::Null, Shown::Text)];
    grouped(flows, name, key, |flows| {
        let thirds: Vec<f64> = flows.iter().map(|flow| flow.4 as f64 / 3.0).collect();
        let some: Vec<f64> = thirds
            .iter()
            .copied()
            .filter(|third| *third > 0.0)
            .collect();
        let ports: Vec<f64> = flows.iter().map(|flow| f64::from(flow.2)).collect();
        let back: Vec<f64> = flows.iter().map(|flow| flow.4 as f64).collect();
        vec![
            float(mean(&some)),
            float(variance(&ports, 0.0)),
            float(variance(&back, 1.0).map(f64::sqrt)),
            float(quantile(&ports, 0.5)),
            float(quantile(&thirds, 0.9)),
        ]
    })
}

fn ends() -> GroupForm<'static> {
    GroupForm {
        by: vec!["dst_ip"],
        select: vec![
            ("first", "first(name)"),
            ("last", "last(src_ip)"),
            ("some", "list(src_ip, limit=3)"),
            ("back", "any(packets_bwd > 1)"),
            ("all", "all(packets_bwd > 0)"),
        ],
        ..GroupForm::default()
    }
}

fn plain_ends(flows: &[Flow]) -> Vec<Vec<Shown>> {
    grouped(
        flows,
        |flow| flow.1,
        |to| vec![ip(*to)],
        |flows| {
            vec![
                flows.iter().find_map(name).map_or(Shown::Null, Shown::Text),
                ip(flows.last().unwrap().0),
                Shown::List(flows.iter().take(3).map(|flow| ip(flow.0)).collect()),
                int(usize::from(flows.iter().any(|flow| flow.4 > 1))),
                int(usize::from(flows.iter().all(|flow| flow.4 > 0))),
            ]
        },
    )
}

fn others() -> GroupForm<'static> {
    GroupForm {
        by: vec!["src_ip"],
        select: vec![
            ("least", "min(packets_bwd)"),
            ("late", "max(start_time) - min(start_time)"),
            ("usual", "mode(dst_port)"),
            ("bits", "entropy(dst_ip)"),
        ],
        having: Some("usual != 80 and count() > 1"),
        ..GroupForm::default()
    }
}

fn plain_others(flows: &[Flow]) -> Vec<Vec<Shown>> {
    let mut rows = grouped(
        flows,
        |flow| flow.0,
        |from| vec![ip(*from)],
        |flows| {
            let times = |of: &dyn Fn(&Flow) -> u64| {
                let mut times: BTreeMap<u64, usize> = BTreeMap::new();
                flows
                    .iter()
                    .for_each(|flow| *times.entry(of(flow)).or_default() += 1);
                times
            };
            let ports = times(&|flow| u64::from(flow.2));
            let most = ports.values().max().unwrap();
            let usual = ports.iter().find(|(_, times)| *times == most).unwrap().0;
            let n = flows.len() as f64;
            let shares = times(&|flow| u64::from(flow.1))
                .into_values()
                .map(|times| times as f64 / n);
            let starts = || flows.iter().map(|flow| flow.3);
            vec![
                Shown::Int(flows.iter().map(|flow| flow.4 as i64).min().unwrap()),
                Shown::Int(starts().max().unwrap() - starts().min().unwrap()),
                Shown::Int(*usual as i64),
                Shown::Float(shares.map(|share| -share * share.log2()).sum()),
                int(flows.len()),
            ]
        },
    );
    rows.retain(|row| row[3] != Shown::Int(80) && row[5] != Shown::Int(1));
    rows.iter_mut().for_each(|row| drop(row.pop()));
    rows
}

fn firsts() -> GroupForm<'static> {
    GroupForm {
        by: vec!["src_ip", "dst_port"],
        select: vec![("n", "count()"), ("share", "sum(packets_bwd) / count()")],
        top: Some(("n", 2, vec!["dst_port"])),
        ..GroupForm::default()
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    #[test]
    fn groups_are_those_of_the_rows_that_are_left(ticks in ticks(), workers in 1_usize..4) {
        let held = held(&ticks);
        let plain = |of: fn(&[Flow]) -> Vec<Vec<Shown>>| held.iter().map(|flows| of(flows)).collect::<Vec<_>>();
        prop_assert_eq!(run::<[u64; 8]>(&counts(), &ticks, workers), plain(plain_counts));
        prop_assert_eq!(run::<[u64; 8]>(&moments(), &ticks, workers), plain(plain_moments));
        prop_assert_eq!(run::<[u64; 8]>(&ends(), &ticks, workers), plain(plain_ends));
        prop_assert_eq!(run::<[u64; 8]>(&others(), &ticks, workers), plain(plain_others));
    }

    #[test]
    fn the_first_groups_are_kept_and_ties_are_the_same_for_all(ticks in ticks(), workers in 1_usize..4) {
        let found = run::<[u64; 8]>(&firsts(), &ticks, workers);
        prop_assert_eq!(&found, &run::<[u64; 8]>(&firsts(), &ticks, 1));
        let all = GroupForm { top: None, ..firsts() };
        let all = run::<[u64; 8]>(&all, &ticks, 1);
        for (found, all) in found.into_iter().zip(all) {
            for port in [22, 80, 445] {
                let of = |rows: &[Vec<Shown>]| -> Vec<Vec<Shown>> {
                    rows.iter().filter(|row| row[1] == Shown::Int(port)).cloned().collect()
                };
                let number = |row: &Vec<Shown>| match row[2] { Shown::Int(n) => -n, _ => 0 };
                let (found, mut all) = (of(&found), of(&all));
                prop_assert!(found.iter().all(|row| all.contains(row)));
                all.sort_by_key(number);
                all.truncate(2);
                let mut numbers: Vec<i64> = found.iter().map(number).collect();
                numbers.sort_unstable();
                prop_assert_eq!(numbers, all.iter().map(number).collect::<Vec<_>>());
            }
        }
    }
}

#[test]
fn sums_of_huge_floats_leave_no_trace() {
    // 2^79 and 0.1: in floats the small one would be lost for good
    let form = GroupForm {
        by: vec!["dst_port"],
        select: vec![(
            "sum",
            "sum(if packets_bwd > 0 then 604462909807314587353088.0 else 0.1)",
        )],
        ..GroupForm::default()
    };
    let (huge, small) = ((1, 2, 22, 0, 1), (1, 2, 22, 0, 0));
    let ticks = [(vec![huge, small], Vec::new()), (Vec::new(), vec![huge])];
    let found = run::<[u64; 4]>(&form, &ticks, 2);
    assert_eq!(
        found[0],
        [[
            Shown::Int(22),
            Shown::Float(604_462_909_807_314_587_353_088.0)
        ]]
    );
    assert_eq!(found[1], [[Shown::Int(22), Shown::Float(0.1)]]);
}

/// What is wrong with a form: part, code, message.
fn wrong(form: &GroupForm<'_>) -> Vec<String> {
    let faults = compile_group(form, &context(), &mut Vec::new()).unwrap_err();
    let faults = faults.into_iter();
    faults
        .map(|(part, fault)| format!("{part:?} {} {}", fault.code, fault.message))
        .collect()
}

#[test]
fn what_is_wrong_is_told_all_at_once() {
    let form = GroupForm {
        condition: Some("packets_bwd"),
        by: vec!["src_ip", "nobody"],
        select: vec![
            ("a", "dst_port + 1"),
            ("b", "sum(name)"),
            ("c", "min(dst_ip)"),
            ("d", "runs(dst_port)"),
            ("e", "max(count())"),
            ("f", "sum(pkt.len)"),
        ],
        having: Some("dst_port > 1"),
        top: Some(("bytes", 2, vec!["dst_port"])),
        ..GroupForm::default()
    };
    let told = [
        "Where E0204 `where` needs a condition, found int",
        "By(1) E0201 unknown field `nobody`",
        "Select(0) E0201 `dst_port` is not grouped by: a group has many values of it",
        "Select(1) E0207 `sum` needs a number or a duration, found text",
        "Select(2) E0207 over the rows of a group `min` needs a number, a time or a duration, found ip",
        "Select(3) E0214 `runs` is over packets, and a group has rows",
        "Select(4) E0211 `count` is inside of another aggregate",
        "Select(5) E0210 a packet field has no single value for a flow",
        "Having E0201 `dst_port` is neither grouped by nor selected",
        "TopBy E0201 `bytes` is neither grouped by nor selected",
        "TopPer(0) E0201 `dst_port` is neither grouped by nor selected",
    ];
    assert_eq!(wrong(&form), told);
    let select = |select| GroupForm {
        by: vec!["src_ip"],
        select,
        ..GroupForm::default()
    };
    let wide = select(vec![("l", "list(dst_port, limit=9)")]);
    assert_eq!(
        wrong(&wide),
        ["Whole E0607 the view has to keep 10 values of a group, and can keep 8"]
    );
    let named = select(vec![("n", "first(name)"), ("l", "upper(first(name))")]);
    let only =
        "texts and addresses that are joined or grouped can only be compared, by `==` and `!=`";
    assert_eq!(wrong(&named), [format!("Select(1) E0607 {only}")]);
}
