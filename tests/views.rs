//! Views of rules: what the windows hold, against a plain recomputation from the rows; the same on any number of workers.

use crate::program::Folder;
use crate::traffic::{Record, fixed, in_order, pcap, records};
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
        if window != "\"all\"" {
            text.push_str(&format!(
                "[sinks.{relation}_every]\ninput = \"v.{relation}\"\nemit = \"snapshot\"\nevery = \"2m\"\noverwrite = true\n\
                path = \"{relation}_every.csv\"\n"
            ));
        }
    }
    text
}

pub fn ns(seconds: &str) -> i64 {
    let (whole, part) = seconds.split_once('.').unwrap();
    whole.parse::<i64>().unwrap() * 1_000_000_000 + format!("{part:0<9}").parse::<i64>().unwrap()
}

/// The rows of a file, without its header.
pub fn lines(folder: &Path, name: &str) -> Vec<Vec<String>> {
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

fn snapshots(folder: &Path, name: &str, windowed: bool) -> Shown {
    let mut shown = Shown::new();
    for mut line in lines(folder, &format!("{name}.csv")) {
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

/// What each window holds: a flow comes with the step in which its last packet came (or its first), and stays as long as the window
/// is. Nobody looks behind the last packet of all.
fn windows(flows: &[Flow], size: i64, step: i64, by_start: bool) -> BTreeMap<i64, Vec<&Flow>> {
    let time = |flow: &Flow| if by_start { flow.2 } else { flow.3 };
    let tick = |flow: &Flow| time(flow).div_euclid(step);
    let stays = size / step;
    let Some(last) = flows.iter().map(|flow| flow.3.div_euclid(step)).max() else {
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

pub fn execute(folder: &Path, traffic: &[Record], text: &str) {
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
        .flat_map(|relation| {
            ["snapshot", "changes", "every"].map(|emit| format!("{relation}_{emit}.csv"))
        });
    names
        .filter(|name| folder.join(name).exists())
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
        by_start: bool, has_longest: bool,
    ) {
        let traffic = in_order(traffic);
        let by = if by_start { "start_time" } else { "end_time" };
        let spec = |window: &str, run: &str| match has_longest {
            true => spec(window, run).replace("[views.v]", "[flows]\nactive_timeout = \"40s\"\n[views.v]"),
            false => spec(window, run),
        };
        let window = match (size, step) {
            (0, _) => "\"all\"".to_owned(),
            (size, step) => format!("{{ sliding = \"{size}s\", step = \"{step}s\", by = \"{by}\" }}"),
        };
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path();
        execute(path, &traffic, &spec(&window, "workers = 1"));
        let flows = flows(path);
        let windowed = size > 0;
        let held = match windowed {
            true => windows(&flows, size * SECOND, step * SECOND, by_start),
            false => BTreeMap::from([(0, flows.iter().collect())]),
        };
        for relation in ["talk", "reach", "lonely"] {
            let all: Shown = held.iter().map(|(at, flows)| (*at, plain(flows)[relation].clone())).collect();
            let filled: Shown = all.iter().filter(|(_, rows)| !rows.is_empty()).map(|(at, rows)| (*at, rows.clone())).collect();
            prop_assert_eq!(&snapshots(path, &format!("{relation}_snapshot"), windowed), &filled, "{}", relation);
            if windowed {
                // the last of each two minutes
                let over = |at: i64| (at - 1).div_euclid(120 * SECOND) * 120 * SECOND + 120 * SECOND;
                let mut seldom: Shown = all.iter().map(|(at, rows)| (over(*at), rows.clone())).collect();
                seldom.retain(|_, rows| !rows.is_empty());
                prop_assert_eq!(snapshots(path, &format!("{relation}_every"), true), seldom, "{}", relation);
            }
            let mut before = BTreeSet::new();
            let changes = all.into_iter().filter(|(_, rows)| std::mem::replace(&mut before, rows.clone()) != *rows);
            prop_assert_eq!(replayed(path, relation, windowed), changes.collect::<Shown>(), "{}", relation);
        }
        let alone = files(path);
        execute(path, &traffic, &spec(&window, &format!("workers = {workers}\nepoch = {epoch}\nfused = {fused}")));
        prop_assert_eq!(files(path), alone);
    }
}

/// What a spec over fixed traffic writes on one process, and also does on two.
pub fn on_two_processes<T: PartialEq>(text: &str, files: impl Fn(&Path) -> T) -> T {
    let folder = Folder::new();
    folder.put("in.pcap", pcap(&fixed()));
    folder.put("spec.toml", text);
    let run = |processes: usize| {
        let ended = folder.run(&format!("run spec.toml --processes {processes}"));
        assert_eq!(ended.code, Some(0), "{}", ended.err);
        files(folder.path())
    };
    let alone = run(1);
    assert!(run(2) == alone);
    alone
}

#[test]
fn views_are_the_same_on_two_processes() {
    let text = spec("{ sliding = \"60s\", step = \"20s\" }", "workers = 1");
    let alone = on_two_processes(&text, files);
    assert!(alone["reach_changes.csv"].lines().count() > 3);
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
    let every = |rest: &str| check(&format!("[sinks.to]\npath = \"a.csv\"\n{rest}"));
    let never = [("E0410", "sinks.to.every".to_owned())];
    assert_eq!(every("every = \"1m\"\n")[..1], never);
    assert_eq!(every("input = \"v\"\nevery = \"1m\"\n"), never);
    let snapshot = "input = \"v\"\nemit = \"snapshot\"\nevery";
    assert_eq!(every(&format!("{snapshot} = \"1m\"\n")), never);
    assert_eq!(
        every(&format!("{snapshot} = 60\n")),
        [("E0212", "sinks.to.every".to_owned())]
    );
}

#[test]
fn windows_by_start_need_an_end_of_records_or_of_the_input() {
    let check = |source: &str, rest: &str| {
        let text = format!(
            "spec = 1\n[sources]\npath = \"a.pcap\"\n{source}\n[views.v]\nrules = 'to(a) :- flows(dst_ip: a).'\n\
            window = {{ tumbling = \"1m\", by = \"start_time\" }}\n[sinks.out]\ninput = \"v\"\npath = \"a.csv\"\n{rest}"
        );
        let loaded = Loaded::text("spec.toml", text, std::path::PathBuf::new()).unwrap();
        let found = loaded
            .check()
            .map_or_else(|found| found.list, |spec| spec.warnings.list);
        let told = found.into_iter().map(|one| (one.code, one.path));
        told.collect::<Vec<_>>()
    };
    let never = [("E0605", "views.v.window".to_owned())];
    assert_eq!(check("", ""), []);
    assert_eq!(check("follow = true", ""), never);
    let longest = "[flows]\nactive_timeout = \"5m\"\n";
    assert_eq!(check("follow = true", longest), []);
    let compared = "[features]\nadd = [\"new_edge\"]\nconnection = { window = { tumbling = \"1m\", by = \"start_time\" } }\n\
        [sinks.rows]\ninput = \"features\"\npath = \"b.csv\"\n";
    assert_eq!(
        check("", compared),
        [("E0008", "features.connection".to_owned())]
    );
}

#[test]
fn where_of_a_sink_is_over_the_columns_of_its_table() {
    let folder = tempfile::tempdir().unwrap();
    let sink = |name: &str, keys: &str| {
        format!("[sinks.{name}]\npath = \"{name}.csv\"\noverwrite = true\n{keys}\n")
    };
    let (view, graph) = (
        "input = \"v.talk\"\nemit =",
        "type = \"graph\"\nmetrics = [\"degree\"]\nemit =",
    );
    let few = "columns = [\"degree\"]\nwhere = 'degree >= $most and node != 192.0.2.1'";
    let mut text = spec("{ sliding = \"60s\", step = \"20s\" }", "workers = 2");
    text.push_str("[vars.most]\ntype = \"int\"\ndefault = 2\n");
    text.push_str("[features]\nconnection = { window = { sliding = \"60s\", step = \"20s\" } }\n");
    for (name, keys) in [
        ("all", format!("{view} \"changes\"")),
        (
            "some",
            format!("{view} \"changes\"\nwhere = 'flows > $most or diff == -1 and a == 192.0.2.1'"),
        ),
        ("nodes", format!("{graph} \"snapshot\"")),
        ("few", format!("{graph} \"snapshot\"\n{few}")),
    ] {
        text.push_str(&sink(name, &keys));
    }
    execute(folder.path(), &fixed(), &text);
    let lines = |name: &str| lines(folder.path(), &format!("{name}.csv"));
    let (all, some) = (lines("all"), lines("some"));
    // at, diff, a, b, flows
    let is_one = |line: &&Vec<String>| {
        line[4].parse::<u64>().unwrap() > 2 || line[1] == "-1" && line[2] == "192.0.2.1"
    };
    let expected: Vec<_> = all.iter().filter(is_one).cloned().collect();
    assert!(!some.is_empty() && some.len() < all.len());
    assert_eq!(some, expected);
    let header = std::fs::read_to_string(folder.path().join("nodes.csv")).unwrap();
    let header: Vec<&str> = header.lines().next().unwrap().split(',').collect();
    let place = |name: &str| header.iter().position(|one| *one == name).unwrap();
    let nodes = lines("nodes");
    let is_one = |line: &&Vec<String>| {
        line[place("degree")].parse::<u64>().unwrap() >= 2 && line[place("node")] != "192.0.2.1"
    };
    let expected: Vec<_> = nodes
        .iter()
        .filter(is_one)
        .map(|line| vec![line[place("degree")].clone()])
        .collect();
    assert!(!expected.is_empty() && expected.len() < nodes.len());
    assert_eq!(lines("few"), expected);
}

/// A view of groups over the rows of a filter, with a derived column, in all three ways of emitting.
const GROUPS: &str = "
[features.derive]
middle = 'total_bytes / total_packets'
[filters.some]
where = 'total_packets > 1'
[views.g]
input = \"some\"
group_by = [\"src_ip\", \"protocol\"]
select = {
  flows = \"count()\",
  peers = \"distinct(dst_ip)\",
  bytes = \"sum(total_bytes)\",
  mean = \"mean(middle)\",
  last = \"last(dst_port)\",
}
having = 'flows > 1 or protocol == 17'
top = { by = \"bytes\", n = 3, per = [\"protocol\"] }
";

fn group_spec(window: &str, run: &str) -> String {
    let mut text = format!(
        "spec = 1\n[sources]\npath = \"in.pcap\"\n{GROUPS}window = {window}\n[run]\n{run}\n\
        [sinks.rows]\ninput = \"some\"\npath = \"rows.csv\"\noverwrite = true\n\
        columns = [\"src_ip\", \"dst_ip\", \"start_time\", \"end_time\", \"total_packets\", \"protocol\", \"total_bytes\", \"dst_port\"]\n"
    );
    for emit in ["snapshot", "changes"] {
        text.push_str(&format!(
            "[sinks.{emit}]\ninput = \"g\"\nemit = \"{emit}\"\noverwrite = true\npath = \"g_{emit}.csv\"\n"
        ));
    }
    text
}

/// A row of the filter with its end, ns.
type Line = (i64, Vec<String>);

/// The groups of some rows, in the order of their starts: what `having` leaves, and of these the first by bytes, with ties.
fn plain_groups(lines: &[&Line]) -> BTreeMap<(String, String), Vec<String>> {
    let mut groups: BTreeMap<(String, String), Vec<&Vec<String>>> = BTreeMap::new();
    for (_, line) in lines {
        groups
            .entry((line[0].clone(), line[5].clone()))
            .or_default()
            .push(line);
    }
    let number = |text: &String| text.parse::<i64>().unwrap();
    groups.retain(|(_, protocol), lines| lines.len() > 1 || protocol == "17");
    let rows = groups.into_iter().map(|(key, lines)| {
        let peers: BTreeSet<&String> = lines.iter().map(|line| &line[1]).collect();
        let bytes: i64 = lines.iter().map(|line| number(&line[6])).sum();
        let means = lines
            .iter()
            .map(|line| number(&line[6]) as f64 / number(&line[4]) as f64);
        let mean = means.sum::<f64>() / lines.len() as f64;
        // rows of one start stand in the order of the file
        let last = lines.iter().max_by_key(|line| ns(&line[2])).unwrap();
        let shown = [
            lines.len().to_string(),
            peers.len().to_string(),
            bytes.to_string(),
            format!("{mean:.6}"),
            last[7].clone(),
        ];
        (key, shown.to_vec())
    });
    rows.collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(16))]
    #[test]
    fn groups_are_those_of_the_rows_that_a_filter_leaves(
        traffic in records(120), workers in 1usize..4, fused: bool, epoch in prop_oneof![Just(1usize), Just(7), Just(8192)],
        (size, step) in prop_oneof![Just((0, 0)), Just((60, 20)), Just((30, 30))],
    ) {
        let traffic = in_order(traffic);
        let window = match (size, step) {
            (0, _) => "\"all\"".to_owned(),
            (size, step) => format!("{{ sliding = \"{size}s\", step = \"{step}s\" }}"),
        };
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path();
        execute(path, &traffic, &group_spec(&window, "workers = 1"));
        let rows: Vec<Line> = lines(path, "rows.csv").into_iter().map(|line| (ns(&line[3]), line)).collect();
        let (size, step) = (size * SECOND, step * SECOND);
        let mut held: BTreeMap<i64, Vec<&Line>> = BTreeMap::new();
        if size == 0 {
            held.insert(0, rows.iter().collect());
        } else {
            let ticks: BTreeSet<i64> = rows.iter().map(|(end, _)| end.div_euclid(step)).collect();
            // the view goes on to its last row, or to what is an idle timeout before the end of the input
            let clock = traffic.iter().map(|(time, _)| *time).max().unwrap_or(0);
            let passed = (clock - 60 * SECOND).div_euclid(step) - 1;
            let last = ticks.iter().max().copied().unwrap_or(0).max(passed);
            let gone: BTreeSet<i64> = ticks.iter().map(|tick| tick + size / step).filter(|tick| *tick <= last).collect();
            for tick in ticks.union(&gone) {
                let is_in = |(end, _): &&Line| (end.div_euclid(step)..end.div_euclid(step) + size / step).contains(tick);
                held.insert((tick + 1) * step, rows.iter().filter(is_in).collect());
            }
        }
        let mut shown: BTreeMap<i64, BTreeMap<(String, String), Vec<String>>> = BTreeMap::new();
        for mut line in lines(path, "g_snapshot.csv") {
            let at = if size > 0 { ns(&line.remove(0)) } else { 0 };
            let rest = line.split_off(2);
            let mean: f64 = rest[3].parse().unwrap();
            let mut rest = rest;
            rest[3] = format!("{mean:.6}");
            shown.entry(at).or_default().insert((line[0].clone(), line[1].clone()), rest);
        }
        for (at, lines) in held {
            let all = plain_groups(&lines);
            let found = shown.remove(&at).unwrap_or_default();
            for (key, row) in &found {
                prop_assert_eq!(&row[..4], &all[key][..4]);
            }
            for protocol in ["6", "17", "1"] {
                let bytes = |rows: &BTreeMap<(String, String), Vec<String>>| {
                    let of = rows.iter().filter(|((_, own), _)| own == protocol);
                    let mut bytes: Vec<i64> = of.map(|(_, row)| -row[2].parse::<i64>().unwrap()).collect();
                    bytes.sort_unstable();
                    bytes.truncate(3);
                    bytes
                };
                prop_assert_eq!(bytes(&found), bytes(&all));
            }
        }
        prop_assert!(shown.is_empty());
        let files = || ["g_snapshot.csv", "g_changes.csv", "rows.csv"].map(|name| std::fs::read_to_string(path.join(name)).unwrap());
        let alone = files();
        execute(path, &traffic, &group_spec(&window, &format!("workers = {workers}\nepoch = {epoch}\nfused = {fused}")));
        prop_assert_eq!(files(), alone);
    }
}

#[test]
fn what_is_wrong_with_groups_is_told_where_it_is() {
    let check = |view: &str| {
        let text = format!(
            "spec = 1\n[sources]\npath = \"a.pcap\"\n[filters.kind]\nroutes = {{ tcp = \"protocol == 6\", rest = \"else\" }}\n\
            [views.v]\n{view}\n[sinks.out]\npath = \"a.csv\"\ninput = \"v\"\n[sinks.rest]\npath = \"b.csv\"\ninput = [\"kind.tcp\", \"kind.rest\"]\n"
        );
        let loaded = Loaded::text("spec.toml", text.clone(), std::path::PathBuf::new()).unwrap();
        let list = loaded
            .check()
            .map_or_else(|found| found.list, |spec| spec.warnings.list);
        let told = list.into_iter();
        told.map(|one| {
            format!(
                "{} {} `{}` {}",
                one.code,
                one.path,
                &text[one.at.start..one.at.end],
                one.message
            )
        })
        .collect::<Vec<_>>()
    };
    let right = "input = \"kind.tcp\"\ngroup_by = \"src_ip\"\nselect = { n = \"count()\" }";
    assert_eq!(check(right), Vec::<String>::new());
    let wrong = check(
        "input = \"features\"\ngroup_by = [\"src_ip\", \"dst_pot\"]\nwhere = 'total_packets'\n\
        select = { n = \"count(\", src_ip = \"count()\", m = \"min(src_ip)\" }\ntop = { by = \"k\" }",
    );
    assert_eq!(
        wrong,
        [
            "E0201 views.v.group_by[1] `dst_pot` unknown field `dst_pot`",
            "E0204 views.v.where `total_packets` `where` needs a condition, found int",
            "E0103 views.v.select.n `` the expression ends where a value should follow",
            "E0301 views.v.select.src_ip `src_ip` `src_ip` is grouped by, and selected under this name",
            "E0207 views.v.select.m `min(src_ip)` over the rows of a group `min` needs a number, a time or a duration, found ip",
            "E0201 views.v.top.by `k` `k` is neither grouped by nor selected",
        ]
    );
    let of_flows = check("group_by = [\"src_ip\", \"iat_mean\"]");
    assert_eq!(
        of_flows,
        [
            "E0201 views.v.group_by[1] `iat_mean` `flows` gives flow records, which have no `iat_mean`"
        ]
    );
    let forms = check("rules = 'a(x) :- flows(src_ip: x).'\ngroup_by = \"src_ip\"");
    assert_eq!(
        forms,
        ["E0607 views.v.group_by `group_by` a view of rules has no `group_by`"]
    );
    assert_eq!(
        check("window = \"all\""),
        ["E0006 views.v.group_by `v` `[views.v]` has neither `group_by` nor `rules` nor `graph`"]
    );
    let inputs = |input: &str| check(&format!("input = \"{input}\"\ngroup_by = \"src_ip\""));
    assert_eq!(
        inputs("kind"),
        ["E0303 views.v.input `\"kind\"` `kind` has several outputs"]
    );
    assert_eq!(
        inputs("source"),
        [
            "E0304 views.v.input `\"source\"` a view reads flow records or rows, and `source` gives packets"
        ]
    );
    assert_eq!(
        inputs("feature"),
        ["E0302 views.v.input `\"feature\"` no node is named `feature`"]
    );
}

#[test]
fn a_view_with_too_many_rows_fails_the_run_and_leaves_nothing() {
    let folder = Folder::new();
    let frames = [
        (1, crate::traffic::udp_frame(1, 2)),
        (2, crate::traffic::udp_frame(3, 4)),
    ];
    folder.put("in.pcap", pcap(&frames));
    let spec = |most: usize| {
        let text = "[views.v]\ngroup_by = \"src_ip\"\n[sinks.out]\ninput = \"v\"\npath = \"v.csv\"\noverwrite = true\n";
        let text = text.replace("group_by", &format!("max_rows = {most}\ngroup_by"));
        folder.put(
            "spec.toml",
            format!("spec = 1\n[sources]\npath = \"in.pcap\"\n{text}"),
        );
        folder.run("run spec.toml")
    };
    let ended = spec(1);
    assert_eq!(ended.code, Some(1), "{}", ended.err);
    assert!(
        ended.err.contains("the view `v` has more than 1 rows"),
        "{}",
        ended.err
    );
    assert!(!folder.path().join("v.csv").exists());
    assert_eq!(spec(2).code, Some(0));
    assert_eq!(lines(folder.path(), "v.csv").len(), 2);
}

#[test]
fn groups_are_the_same_on_two_processes() {
    let text = group_spec("{ sliding = \"60s\", step = \"20s\" }", "workers = 1");
    let alone = on_two_processes(&text, |folder| {
        ["g_snapshot.csv", "g_changes.csv"]
            .map(|name| std::fs::read_to_string(folder.join(name)).unwrap())
    });
    assert!(alone.iter().all(|text| text.lines().count() > 3));
}
