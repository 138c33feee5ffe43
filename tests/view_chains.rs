//! Views that read each other: every window holds what a plain recomputation gives, the same on any number of workers and processes.

use crate::program::Folder;
use crate::traffic::{in_order, pcap, records};
use crate::views::{execute, lines, ns, on_two_processes};
use jayflow::Loaded;
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

/// A view of groups, one over it, rules over both, and one over the rows of a filter that reads a view which those rows look up.
const VIEWS: &str = "
[features.derive]
hosts = 'view(\"b\", protocol).hosts ?? 0'
[filters.some]
where = 'total_packets > 1'
[views.c]
input = [\"flows\", \"a\", \"b\"]
rules = '''
big(h, p)      :- a(src_ip: h, protocol: p, peers: n), b.b(protocol: p, most: n).
met(x, y)      :- big(h: x, p: _), flows(src_ip: x, dst_ip: y).
reach(x, y)    :- met(x, y).
reach(x, y: z) :- reach(x, y), met(x: y, y: z).
'''
[views.d]
input = [\"some\", \"a\"]
rules = 'seen(h, n) :- some(src_ip: h), a(src_ip: h, flows: n, protocol: _).'
[views.b]
input = \"a\"
where = 'flows > 1'
group_by = \"protocol\"
select = { hosts = \"distinct(src_ip)\", most = \"max(peers)\", bytes = \"sum(bytes where peers > 1)\" }
[views.a]
group_by = [\"src_ip\", \"protocol\"]
select = { flows = \"count()\", peers = \"distinct(dst_ip)\", bytes = \"sum(total_bytes)\" }
";

/// The relations, each with the view that it is of.
const RELATIONS: [(&str, &str); 5] = [
    ("a", "a"),
    ("b", "b"),
    ("big", "c.big"),
    ("reach", "c.reach"),
    ("seen", "d"),
];

fn spec(window: &str, run: &str) -> String {
    let views = VIEWS.replace("[views.a]\n", &format!("[views.a]\nwindow = {window}\n"));
    let mut text = format!(
        "spec = 1\n[sources]\npath = \"in.pcap\"\n{views}[run]\n{run}\n\
        [sinks.rows]\ninput = \"features\"\npath = \"rows.csv\"\noverwrite = true\n\
        columns = [\"src_ip\", \"dst_ip\", \"protocol\", \"end_time\", \"total_packets\", \"total_bytes\", \"hosts\"]\n"
    );
    for (name, relation) in RELATIONS {
        for emit in ["snapshot", "changes"] {
            text.push_str(&format!(
                "[sinks.{name}_{emit}]\ninput = \"{relation}\"\nemit = \"{emit}\"\noverwrite = true\npath = \"{name}_{emit}.csv\"\n"
            ));
        }
    }
    text
}

/// A row of `rows.csv`, and the rows of a relation as they are written.
type Line = Vec<String>;
type Rows = BTreeSet<Line>;

fn number(text: &str) -> i64 {
    text.parse().unwrap()
}

/// The relations over some flows, by plain loops.
fn plain(flows: &[&Line]) -> BTreeMap<&'static str, Rows> {
    let mut groups: BTreeMap<(&str, &str), Vec<&&Line>> = BTreeMap::new();
    for flow in flows {
        groups.entry((&flow[0], &flow[2])).or_default().push(flow);
    }
    // host, protocol, flows, peers, bytes
    let a: Vec<(&str, &str, i64, i64, i64)> = groups
        .iter()
        .map(|((host, protocol), flows)| {
            let peers: BTreeSet<&String> = flows.iter().map(|flow| &flow[1]).collect();
            let bytes = flows.iter().map(|flow| number(&flow[5])).sum();
            (
                *host,
                *protocol,
                flows.len() as i64,
                peers.len() as i64,
                bytes,
            )
        })
        .collect();
    let protocols: BTreeSet<&str> = a.iter().filter(|row| row.2 > 1).map(|row| row.1).collect();
    let b: Vec<(&str, i64, i64, i64)> = protocols
        .into_iter()
        .map(|protocol| {
            let of = || a.iter().filter(|row| row.1 == protocol && row.2 > 1);
            let most = of().map(|row| row.3).max().unwrap();
            let bytes = of().filter(|row| row.3 > 1).map(|row| row.4).sum();
            (protocol, of().count() as i64, most, bytes)
        })
        .collect();
    let big: BTreeSet<(&str, &str)> = a
        .iter()
        .filter(|row| b.iter().any(|other| (other.0, other.2) == (row.1, row.3)))
        .map(|row| (row.0, row.1))
        .collect();
    let met: BTreeSet<(&str, &str)> = flows
        .iter()
        .filter(|flow| big.iter().any(|(host, _)| *host == flow[0]))
        .map(|flow| (flow[0].as_str(), flow[1].as_str()))
        .collect();
    let mut reach = met.clone();
    loop {
        let longer = reach.iter().flat_map(|(x, y)| {
            let on = met.iter().filter(move |(from, _)| from == y);
            on.map(move |(_, z)| (*x, *z))
        });
        let longer: Vec<_> = longer.filter(|pair| !reach.contains(pair)).collect();
        if longer.is_empty() {
            break;
        }
        reach.extend(longer);
    }
    let seen: Rows = flows
        .iter()
        .filter(|flow| number(&flow[4]) > 1)
        .flat_map(|flow| {
            let rows = a.iter().filter(|row| row.0 == flow[0]);
            rows.map(|row| vec![row.0.to_owned(), row.2.to_string()])
        })
        .collect();
    let pairs = |pairs: &BTreeSet<(&str, &str)>| -> Rows {
        let pairs = pairs.iter();
        pairs
            .map(|(one, other)| vec![(*one).to_owned(), (*other).to_owned()])
            .collect()
    };
    let numbers = |names: &[&str], numbers: &[i64]| -> Line {
        let names = names.iter().map(|name| (*name).to_owned());
        names.chain(numbers.iter().map(i64::to_string)).collect()
    };
    BTreeMap::from([
        (
            "a",
            a.iter()
                .map(|row| numbers(&[row.0, row.1], &[row.2, row.3, row.4]))
                .collect(),
        ),
        (
            "b",
            b.iter()
                .map(|row| numbers(&[row.0], &[row.1, row.2, row.3]))
                .collect(),
        ),
        ("big", pairs(&big)),
        ("reach", pairs(&reach)),
        ("seen", seen),
    ])
}

/// What each window holds, by its end.
pub fn windows(flows: &[Line], size: i64, step: i64) -> BTreeMap<i64, Vec<&Line>> {
    if size == 0 {
        return BTreeMap::from([(0, flows.iter().collect())]);
    }
    let tick = |flow: &Line| ns(&flow[3]).div_euclid(step);
    let last = flows.iter().map(tick).max().unwrap_or(0);
    let stays = size / step;
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

fn files(folder: &Path) -> Vec<(String, String)> {
    let names = RELATIONS
        .into_iter()
        .flat_map(|(name, _)| ["snapshot", "changes"].map(|emit| format!("{name}_{emit}.csv")));
    names
        .chain(["rows.csv".to_owned()])
        .map(|name| {
            let text = std::fs::read_to_string(folder.join(&name)).unwrap();
            (name, text)
        })
        .collect()
}

const SECOND: i64 = 1_000_000_000;

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]
    #[test]
    fn every_view_of_a_chain_holds_what_a_recomputation_gives(
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
        execute(path, &traffic, &spec(&window, "workers = 1"));
        let flows = lines(path, "rows.csv");
        let held = windows(&flows, size * SECOND, step * SECOND);
        for (name, _) in RELATIONS {
            let all = held.iter().map(|(at, flows)| (*at, plain(flows)[name].clone()));
            let filled: BTreeMap<i64, Rows> = all.filter(|(_, rows)| !rows.is_empty()).collect();
            let mut shown: BTreeMap<i64, Rows> = BTreeMap::new();
            for mut line in lines(path, &format!("{name}_snapshot.csv")) {
                let at = if size > 0 { ns(&line.remove(0)) } else { 0 };
                prop_assert!(shown.entry(at).or_default().insert(line), "twice");
            }
            prop_assert_eq!(shown, filled, "{}", name);
        }
        // what rows look up is the view as of the end of their step
        let end = |line: &Line| if size > 0 { (ns(&line[3]).div_euclid(step * SECOND) + 1) * step * SECOND } else { 0 };
        for line in &flows {
            let b = &plain(&held[&end(line)])["b"];
            let hosts = b.iter().find(|row| row[0] == line[2]).map_or("0", |row| &row[1]);
            prop_assert_eq!(&line[6], hosts);
        }
        let alone = files(path);
        execute(path, &traffic, &spec(&window, &format!("workers = {workers}\nepoch = {epoch}\nfused = {fused}")));
        prop_assert_eq!(files(path), alone);
    }
}

#[test]
fn chains_are_the_same_on_two_processes() {
    let text = spec("{ sliding = \"60s\", step = \"20s\" }", "workers = 1");
    let alone = on_two_processes(&text, files);
    assert!(alone.iter().all(|(_, text)| text.lines().count() > 3));
}

#[test]
fn explain_says_that_views_run_together() {
    let folder = Folder::new();
    folder.put("spec.toml", spec("\"all\"", "workers = 1"));
    let text = String::from_utf8(folder.run("explain spec.toml").out).unwrap();
    for part in [
        "in the dataflow of the view that it reads; window all; incremental: 2 sums",
        "at worker 0, 1 reading of them, and 2 relations of views, in one dataflow with these",
    ] {
        assert!(text.contains(part), "{text}");
    }
}

#[test]
fn what_is_wrong_with_views_over_views_is_told_where_it_is() {
    let check = |view: &str| {
        let text = format!(
            "spec = 1\n[sources]\npath = \"a.pcap\"\n[views.a]\nwindow = {{ tumbling = \"60s\" }}\ngroup_by = \"src_ip\"\n\
            select = {{ n = \"count()\", names = \"list(dst_ip, limit=2)\" }}\n[views.r]\nrules = '''\n\
            one(x) :- flows(src_ip: x).\ntwo(x) :- flows(dst_ip: x).'''\n[views.v]\n{view}\n\
            [sinks.out]\npath = \"a.csv\"\ninput = \"v\"\n[sinks.a]\npath = \"b.csv\"\ninput = \"a\"\n[sinks.r]\npath = \"c.csv\"\ninput = \"r.one\"\n"
        );
        let loaded = Loaded::text("spec.toml", text.clone(), "".into()).unwrap();
        let list = loaded
            .check()
            .map_or_else(|found| found.list, |spec| spec.warnings.list);
        let told = list.into_iter().map(|one| {
            let place = &text[one.at.start..one.at.end];
            let help = one.help.unwrap_or_default();
            format!(
                "{} {} `{place}` {}; {help}",
                one.code, one.path, one.message
            )
        });
        told.collect::<Vec<_>>()
    };
    let none = Vec::<String>::new();
    assert_eq!(check("input = \"a\"\ngroup_by = \"n\""), none);
    assert_eq!(check("input = \"r.two\"\ngroup_by = \"x\""), none);
    let rules =
        "input = [\"flows\", \"r\"]\nrules = 'v(x) :- r.one(x), not r.two(x), flows(src_ip: x).'";
    assert_eq!(check(rules), none);
    let one = |view: &str| {
        let told = check(view);
        assert_eq!(told.len(), 1, "{told:?}");
        told.into_iter().next().unwrap()
    };
    let found = [
        "input = \"a\"\nwindow = { tumbling = \"30s\" }\ngroup_by = \"n\"",
        "input = \"a\"\nwindow = \"all\"\ngroup_by = \"n\"",
        "input = [\"a\", \"r\"]\nrules = 'v(x) :- a(src_ip: x), r.one(x).'",
        "input = \"r\"\ngroup_by = \"x\"",
        "input = \"r.tow\"\ngroup_by = \"x\"",
        "input = [\"a\", \"flows\"]\ngroup_by = \"src_ip\"",
        "input = \"a\"\ngroup_by = \"names\"",
        "input = \"a\"\ngroup_by = \"n\"\nselect = { first = \"first(src_ip)\" }",
        "input = \"a\"\ngroup_by = \"n\"\nwhere = 'is_private(src_ip)'",
        "input = \"a\"\ngroup_by = \"n\"\nwhere = 'count(where pkt.fwd) > 1'",
        "rules = 'v(x) :- a(src_ip: x).'",
        "input = \"v\"\ngroup_by = \"x\"",
        "input = \"av\"\ngroup_by = \"x\"",
    ]
    .map(one);
    expect_test::expect![[r#"
        E0607 views.v.window `{ tumbling = "30s" }` `v` has the window `tumbling 30s`, and `a`, which it reads, the window `tumbling 1m`; a view has the window of the view that it reads: leave `window` out, or give both the same
        E0607 views.v.window `"all"` `v` has no window, and `a`, which it reads, the window `tumbling 1m`; a view has the window of the view that it reads: leave `window` out, or give both the same
        E0607 views.v.input[0] `"a"` `a` has the window `tumbling 1m`, and `r` no window; views that are read together have one window
        E0303 views.v.input `"r"` `r` has several relations; name one, as `r.NAME`: `one`, `two`
        E0302 views.v.input `"r.tow"` `r` has no relation `tow`; did you mean `two`?
        E0304 views.v.input[0] `"a"` groups are made of rows, or of one relation of a view, and of nothing else with it; write the view as rules, which may read several relations
        E0207 views.v.group_by `names` `names` is list<ip>: no view over it can read it; select a single value in the view that is read, such as `mode` or `min`
        E0214 views.v.select.first `first(src_ip)` `first` needs an order, and the rows of a view have none; take `min` or `max` of a time, or `mode`
        E0607 views.v.where `is_private(src_ip)` texts and addresses that are joined or grouped can only be compared, by `==` and `!=`; compare it in the view that is read, where its rows come in
        E0211 views.v.where `count` `count` is over packets, which are not here any more; give it a name in `[features.derive]`, and write the name here
        E0302 views.v.rules `a` no relation is named `a`; add `a` to the `input` of the view
        E0305 views.v.input `"v"` `v` reads itself: v -> v; read `flows` here: the view needs no derived column
        E0302 views.v.input `"av"` no node is named `av`; did you mean `a`?"#]].assert_eq(&found.join("\n"));
}

#[test]
fn views_in_a_circle_are_told_with_the_loop() {
    let text = "spec = 1\n[sources]\npath = \"a.pcap\"\n[views.a]\ninput = \"c\"\ngroup_by = \"x\"\n\
        [views.b]\ninput = \"a\"\ngroup_by = \"x\"\n[views.c]\ninput = \"b\"\ngroup_by = \"x\"\n[sinks.out]\npath = \"a.csv\"\ninput = \"c\"\n";
    let loaded = Loaded::text("spec.toml", text, "".into()).unwrap();
    let found = loaded.check().unwrap_err();
    expect_test::expect![[r#"
        error[E0305]: `a` reads itself: a -> c -> b -> a
         --> spec.toml:5:9 (views.a.input)
          |
        5 | input = "c"
          |         ^^^
          = help: read `flows` here: the view needs no derived column
          = see `jayflow help E0305`
    "#]]
    .assert_eq(&found.text(false));
}

#[test]
fn a_limit_names_the_view_that_is_too_large() {
    let folder = Folder::new();
    let frames = [
        (1, crate::traffic::udp_frame(1, 2)),
        (2, crate::traffic::udp_frame(3, 4)),
    ];
    folder.put("in.pcap", pcap(&frames));
    folder.put(
        "spec.toml",
        "spec = 1\n[sources]\npath = \"in.pcap\"\n[views.a]\ngroup_by = \"src_ip\"\nmax_rows = 2\n[views.b]\ninput = \"a\"\n\
        group_by = \"src_ip\"\nmax_rows = 1\n[sinks.out]\ninput = \"b\"\npath = \"v.csv\"\n",
    );
    let ended = folder.run("run spec.toml");
    assert_eq!(ended.code, Some(1), "{}", ended.err);
    assert!(
        ended
            .err
            .contains("[E0691] the view `b` has more than 1 rows"),
        "{}",
        ended.err
    );
}
