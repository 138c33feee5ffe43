//! Views of rules: what the windows hold, against a plain recomputation from the rows; the same on any number of workers.

use crate::program::Folder;
use crate::traffic::{Record, pcap, records};
use jayflow::{Control, Loaded, Plan, run};
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

const RULES: &str = "
talk(a, b, flows: count(t), top: max(p)) :- flows(src_ip: a, dst_ip: b, start_time: t, total_packets: p).
reach(a, b)    :- flows(src_ip: a, dst_ip: b).
reach(a, b: c) :- reach(a, b), flows(src_ip: b, dst_ip: c).
lonely(a)      :- flows(src_ip: a), not reach(a: _, b: a).
";

/// A flow: initiator, responder, start, end (ns), packets.
type Flow = (String, String, i64, i64, i64);
/// What a relation holds, by the end of the window (ns; 0 = no windows).
type Shown = BTreeMap<i64, BTreeSet<Vec<String>>>;

fn spec(window: &str, run: &str) -> String {
    let mut text = format!(
        "spec = 1\n[sources]\npath = \"in.pcap\"\n[views.v]\nwindow = {window}\nrules = '''{RULES}'''\n[run]\n{run}\n\
        [sinks.rows]\ninput = \"features\"\npath = \"rows.csv\"\noverwrite = true\n\
        columns = [\"src_ip\", \"dst_ip\", \"start_time\", \"end_time\", \"total_packets\"]\n"
    );
    for relation in ["talk", "reach", "lonely"] {
        for emit in ["snapshot", "changes"] {
            text.push_str(&format!(
                "[sinks.{relation}_{emit}]\ninput = \"v.{relation}\"\nemit = \"{emit}\"\noverwrite = true\n\
                path = \"{relation}_{emit}.csv\"\n"
            ));
        }
    }
    text
}

fn ns(seconds: &str) -> i64 {
    let (whole, part) = seconds.split_once('.').unwrap();
    whole.parse::<i64>().unwrap() * 1_000_000_000 + format!("{part:0<9}").parse::<i64>().unwrap()
}

/// The rows of a file, without its header.
fn lines(folder: &Path, name: &str) -> Vec<Vec<String>> {
    let text = std::fs::read_to_string(folder.join(name)).unwrap();
    let lines = text.lines().skip(1);
    lines
        .map(|line| line.split(',').map(str::to_owned).collect())
        .collect()
}

fn flows(folder: &Path) -> Vec<Flow> {
    let lines = lines(folder, "rows.csv").into_iter();
    let flow = |line: Vec<String>| {
        let packets = line[4].parse().unwrap();
        (
            line[0].clone(),
            line[1].clone(),
            ns(&line[2]),
            ns(&line[3]),
            packets,
        )
    };
    lines.map(flow).collect()
}

fn snapshots(folder: &Path, relation: &str, windowed: bool) -> Shown {
    let mut shown = Shown::new();
    for mut line in lines(folder, &format!("{relation}_snapshot.csv")) {
        let at = if windowed { ns(&line.remove(0)) } else { 0 };
        assert!(shown.entry(at).or_default().insert(line), "twice");
    }
    shown
}

/// What holds after each tick at which something changed.
fn replayed(folder: &Path, relation: &str, windowed: bool) -> Shown {
    let mut shown = Shown::new();
    let mut holds = BTreeSet::new();
    for mut line in lines(folder, &format!("{relation}_changes.csv")) {
        let at = if windowed { ns(&line.remove(0)) } else { 0 };
        match line.remove(0).as_str() {
            "1" => assert!(holds.insert(line), "comes twice"),
            "-1" => assert!(holds.remove(&line), "goes without having come"),
            other => panic!("diff {other}"),
        }
        shown.insert(at, holds.clone());
    }
    shown
}

/// The relations over some flows, by plain loops.
fn plain(flows: &[&Flow]) -> BTreeMap<&'static str, BTreeSet<Vec<String>>> {
    let pairs: BTreeSet<(&str, &str)> = flows
        .iter()
        .map(|flow| (flow.0.as_str(), flow.1.as_str()))
        .collect();
    let mut reach = pairs.clone();
    loop {
        let longer: Vec<_> = reach
            .iter()
            .flat_map(|(a, b)| {
                pairs
                    .iter()
                    .filter(move |(from, _)| from == b)
                    .map(|(_, c)| (*a, *c))
            })
            .filter(|pair| !reach.contains(pair))
            .collect();
        if longer.is_empty() {
            break;
        }
        reach.extend(longer);
    }
    let talk = pairs.iter().map(|(a, b)| {
        let of = || flows.iter().filter(|flow| flow.0 == *a && flow.1 == *b);
        let starts: BTreeSet<i64> = of().map(|flow| flow.2).collect();
        let top = of().map(|flow| flow.4).max().unwrap();
        vec![
            (*a).to_owned(),
            (*b).to_owned(),
            starts.len().to_string(),
            top.to_string(),
        ]
    });
    let lonely = pairs
        .iter()
        .filter(|(a, _)| reach.iter().all(|(_, b)| b != a));
    let pair = |(a, b): &(&str, &str)| vec![(*a).to_owned(), (*b).to_owned()];
    BTreeMap::from([
        ("talk", talk.collect()),
        (
            "lonely",
            lonely.map(|(a, _)| vec![(*a).to_owned()]).collect(),
        ),
        ("reach", reach.iter().map(pair).collect()),
    ])
}

const SECOND: i64 = 1_000_000_000;

/// What each window holds: a flow comes with the step in which its last packet came, and stays as long as the window is.
fn windows(flows: &[Flow], size: i64, step: i64) -> BTreeMap<i64, Vec<&Flow>> {
    let tick = |flow: &Flow| flow.3.div_euclid(step);
    let stays = size / step;
    let Some(last) = flows.iter().map(tick).max() else {
        return BTreeMap::new();
    };
    let ticks = flows
        .iter()
        .flat_map(|flow| [tick(flow), tick(flow) + stays]);
    let ticks: BTreeSet<i64> = ticks.filter(|tick| *tick <= last).collect();
    let held = |at: &i64| {
        let held = flows
            .iter()
            .filter(|flow| (tick(flow)..tick(flow) + stays).contains(at));
        ((at + 1) * step, held.collect())
    };
    ticks.iter().map(held).collect()
}

fn execute(folder: &Path, traffic: &[Record], text: &str) {
    std::fs::write(folder.join("in.pcap"), pcap(traffic)).unwrap();
    std::fs::write(folder.join("spec.toml"), text).unwrap();
    let loaded = Loaded::file(&folder.join("spec.toml")).unwrap().unwrap();
    let plan = Plan::new(&loaded.check().unwrap_or_else(|found| panic!("{found:?}")));
    let report = run(&plan, &Control::default()).unwrap();
    assert_eq!(report.books.imbalances(), Vec::<String>::new());
}

fn files(folder: &Path) -> BTreeMap<String, String> {
    let names = ["talk", "reach", "lonely"]
        .into_iter()
        .flat_map(|relation| ["snapshot", "changes"].map(|emit| format!("{relation}_{emit}.csv")));
    names
        .chain(["rows.csv".to_owned()])
        .map(|name| {
            (
                name.clone(),
                std::fs::read_to_string(folder.join(name)).unwrap(),
            )
        })
        .collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(20))]
    #[test]
    fn windows_hold_what_a_recomputation_gives(
        traffic in records(120), workers in 1usize..4, fused: bool, epoch in prop_oneof![Just(1usize), Just(7), Just(8192)],
        (size, step) in prop_oneof![Just((0, 0)), Just((60, 20)), Just((30, 30)), Just((300, 10))],
    ) {
        let mut traffic = traffic;
        traffic.sort_by_key(|(time, _)| *time); // then the clock of a packet is its time
        let window = match (size, step) {
            (0, _) => "\"all\"".to_owned(),
            (size, step) => format!("{{ sliding = \"{size}s\", step = \"{step}s\" }}"),
        };
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path();
        execute(path, &traffic, &spec(&window, "workers = 1"));
        let flows = flows(path);
        let windowed = size > 0;
        let held = match windowed {
            true => windows(&flows, size * SECOND, step * SECOND),
            false => BTreeMap::from([(0, flows.iter().collect())]),
        };
        for relation in ["talk", "reach", "lonely"] {
            let all: Shown = held.iter().map(|(at, flows)| (*at, plain(flows)[relation].clone())).collect();
            let filled: Shown = all.iter().filter(|(_, rows)| !rows.is_empty()).map(|(at, rows)| (*at, rows.clone())).collect();
            prop_assert_eq!(&snapshots(path, relation, windowed), &filled, "{}", relation);
            let mut before = BTreeSet::new();
            let changes = all.into_iter().filter(|(_, rows)| std::mem::replace(&mut before, rows.clone()) != *rows);
            prop_assert_eq!(replayed(path, relation, windowed), changes.collect::<Shown>(), "{}", relation);
        }
        let alone = files(path);
        execute(path, &traffic, &spec(&window, &format!("workers = {workers}\nepoch = {epoch}\nfused = {fused}")));
        prop_assert_eq!(files(path), alone);
    }
}

#[test]
fn views_are_the_same_on_two_processes() {
    use proptest::strategy::ValueTree as _;
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    let traffic: Vec<Record> = (0..10)
        .flat_map(|_| records(120).new_tree(&mut runner).unwrap().current())
        .collect();
    let folder = Folder::new();
    folder.put("in.pcap", pcap(&traffic));
    let text = spec("{ sliding = \"60s\", step = \"20s\" }", "workers = 1");
    folder.put("spec.toml", text);
    let run = |processes: usize| {
        let ended = folder.run(&format!("run spec.toml --processes {processes}"));
        assert_eq!(ended.code, Some(0), "{}", ended.err);
        files(folder.path())
    };
    let alone = run(1);
    assert!(alone["reach_changes.csv"].lines().count() > 3);
    assert!(run(2) == alone);
}

#[test]
fn a_recursion_without_an_end_fails_the_run_and_leaves_nothing() {
    let folder = Folder::new();
    folder.put("in.pcap", pcap(&[(1, crate::traffic::udp_frame(1, 2))]));
    folder.put(
        "spec.toml",
        "spec = 1\n[sources]\npath = \"in.pcap\"\n[views.v]\nmax_iterations = 9\nrules = '''\n\
        up(n) :- flows(total_packets: n).\nup(n: n + 1) :- up(n).'''\n[sinks.out]\ninput = \"v\"\npath = \"up.csv\"\n",
    );
    let ended = folder.run("run spec.toml");
    assert_eq!(ended.code, Some(1), "{}", ended.err);
    assert!(
        ended
            .err
            .contains("the recursion of the view `v` had no end after 9 turns"),
        "{}",
        ended.err
    );
    assert!(!folder.path().join("up.csv").exists());
}

#[test]
fn a_view_without_a_reader_and_a_wrong_emit_are_told() {
    let check = |sinks: &str| {
        let text = format!(
            "spec = 1\n[sources]\npath = \"a.pcap\"\n[views.v]\nrules = 'to(a) :- flows(dst_ip: a).'\n{sinks}"
        );
        let loaded = Loaded::text("spec.toml", text, std::path::PathBuf::new()).unwrap();
        let found = loaded.check();
        let list = found.map_or_else(|found| found.list, |spec| spec.warnings.list);
        let told = list.into_iter().map(|one| (one.code, one.path));
        told.collect::<Vec<_>>()
    };
    let unread = check("[sinks.rows]\npath = \"a.csv\"\n");
    assert_eq!(unread, [("W0401", "views.v".to_owned())]);
    let wrong = |emit: &str| {
        check(&format!(
            "[sinks.to]\npath = \"a.csv\"\ninput = \"v\"\nemit = {emit}\n"
        ))
    };
    assert_eq!(wrong("\"changes\""), []);
    assert_eq!(wrong("\"change\""), [("E0008", "sinks.to.emit".to_owned())]);
    assert_eq!(wrong("3"), [("E0007", "sinks.to.emit".to_owned())]);
}
