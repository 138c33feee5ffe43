//! Look-ups of views from rows: each value against a plain recomputation from the rows; the same on any number of workers and
//! processes, for any epochs, fused or not, behind the connection graph and from one view to the next.

use crate::program::{Folder, SAMPLE};
use crate::traffic::{in_order, pcap, records};
use jayflow::spec::{Diagnostics, Spec};
use jayflow::{Control, Loaded, Plan, run};
use proptest::prelude::*;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

const RULES: &str = "
talk(a, b, flows: count(t), top: max(p)) :- flows(src_ip: a, dst_ip: b, start_time: t, total_packets: p).
fan(a, hosts: count(b)) :- flows(src_ip: a, dst_ip: b, total_packets: p), p > 1.
sizes(n, nodes: count(a)) :- fan(a, hosts: n).
first(a, name, t: min(t)) :- flows(src_ip: a, dst_ip: b, start_time: t), name = if a < b then \"up\" else \"down\".
knows(a, b) :- flows(src_ip: a, dst_ip: b).
";
const RULES_OF_ADDRESSES: &str = "first(a, name, t: min(t)) :- flows(src_ip: a, protocol: p, start_time: t), name = if p == 6 then \"tcp\" else \"other\".";

/// The columns that are looked up, in the order in which they are written.
const DERIVED: &str = "
pair = 'view(\"v.talk\", src_ip, dst_ip).flows ?? 0'
back = 'view(\"v.talk\", dst_ip, src_ip).top'
hosts = 'view(\"v.fan\", src_ip).hosts'
alike = 'view(\"w.sizes\", coalesce(hosts, 0)).nodes'
since = 'start_time - view(\"v.first\", src_ip, kind).t'
kind = 'if protocol == 6 then \"tcp\" else \"other\"'
known = 'view(\"w.knows\", dst_ip, src_ip).b is not null'
";

fn rules() -> String {
    let lines = RULES.lines().filter(|line| !line.starts_with("first"));
    let lines: Vec<&str> = lines.chain([RULES_OF_ADDRESSES]).collect();
    lines.join("\n")
}

/// A spec whose rows look up views of these windows.
fn spec(capture: &str, [one, other]: [&str; 2], features: &str, run: &str) -> String {
    let rules = rules();
    format!(
        "spec = 1\n[sources]\npath = \"{capture}\"\n[features]\n{features}\n[features.derive]\n{DERIVED}\n\
        [views.v]\n{one}\nrules = '''{rules}'''\n[views.w]\n{other}\nrules = '''{rules}'''\n[run]\n{run}\n\
        [sinks.rows]\ninput = \"features\"\npath = \"rows.csv\"\noverwrite = true\n\
        columns = [\"src_ip\", \"dst_ip\", \"start_time\", \"end_time\", \"total_packets\", \"protocol\", \"pair\", \"back\", \"hosts\", \"alike\", \"since\", \"known\"]\n"
    )
}

fn check(text: &str) -> Result<Spec, Diagnostics> {
    Loaded::text("spec.toml", text, PathBuf::new())?.check()
}

fn execute(folder: &Path, text: &str) {
    std::fs::write(folder.join("spec.toml"), text).unwrap();
    let loaded = Loaded::file(&folder.join("spec.toml")).unwrap().unwrap();
    let checked = loaded.check();
    let plan = Plan::new(&checked.unwrap_or_else(|found| panic!("{}", found.text(false))));
    let report = run(&plan, &Control::default()).unwrap();
    assert_eq!(report.books.imbalances(), Vec::<String>::new());
}

fn read(folder: &Path) -> String {
    std::fs::read_to_string(folder.join("rows.csv")).unwrap()
}

const SECOND: i64 = 1_000_000_000;

fn ns(seconds: &str) -> i64 {
    let (whole, part) = seconds.split_once('.').unwrap();
    whole.parse::<i64>().unwrap() * SECOND + format!("{part:0<9}").parse::<i64>().unwrap()
}

/// A row: what of it the views read.
#[derive(Debug)]
struct Flow {
    from: String,
    to: String,
    start: i64,
    end: i64,
    packets: u64,
    kind: &'static str,
}

fn flows(text: &str) -> Vec<(Flow, Vec<String>)> {
    let lines = text.lines().skip(1);
    lines
        .map(|line| {
            let parts: Vec<String> = line.split(',').map(str::to_owned).collect();
            let flow = Flow {
                from: parts[0].clone(),
                to: parts[1].clone(),
                start: ns(&parts[2]),
                end: ns(&parts[3]),
                packets: parts[4].parse().unwrap(),
                kind: if parts[5] == "6" { "tcp" } else { "other" },
            };
            (flow, parts[6..].to_vec())
        })
        .collect()
}

/// A window: (size, step) in ns; `None` = as of the end of the input.
type Window = Option<(i64, i64)>;

/// The flows that a row sees: those of its window at the end of the step in which it ended.
fn seen<'a>(row: &Flow, flows: &[&'a Flow], window: Window) -> Vec<&'a Flow> {
    let Some((size, step)) = window else {
        return flows.to_vec();
    };
    let tick = |flow: &Flow| flow.end.div_euclid(step);
    let now = tick(row);
    let is_in = |flow: &&&Flow| (tick(flow)..tick(flow) + size / step).contains(&now);
    flows.iter().filter(is_in).copied().collect()
}

fn hosts(of: &str, flows: &[&Flow]) -> Option<usize> {
    let own = flows
        .iter()
        .filter(|flow| flow.from == of && flow.packets > 1);
    let to: BTreeSet<&str> = own.map(|flow| flow.to.as_str()).collect();
    (!to.is_empty()).then_some(to.len())
}

/// What a row looks up, by plain loops.
fn looked_up(row: &Flow, flows: &[&Flow], [one, other]: [Window; 2]) -> Vec<String> {
    let (v, w) = (seen(row, flows, one), seen(row, flows, other));
    let talk = |from: &str, to: &str| -> Vec<&Flow> {
        let own = v.iter().filter(|flow| flow.from == from && flow.to == to);
        own.copied().collect()
    };
    let starts: BTreeSet<i64> = talk(&row.from, &row.to)
        .iter()
        .map(|flow| flow.start)
        .collect();
    let text = |value: Option<u64>| value.map_or(String::new(), |value| value.to_string());
    let own = hosts(&row.from, &v);
    let nodes: BTreeSet<&str> = w.iter().map(|flow| flow.from.as_str()).collect();
    let alike = nodes
        .iter()
        .filter(|node| hosts(node, &w).is_some_and(|hosts| hosts == own.unwrap_or(0)));
    let alike = Some(alike.count() as u64).filter(|count| *count > 0);
    let kin = v
        .iter()
        .filter(|flow| flow.from == row.from && flow.kind == row.kind);
    let since = kin
        .map(|flow| flow.start)
        .min()
        .map(|first| (row.start - first) as f64 / 1e9);
    vec![
        starts.len().to_string(),
        text(
            talk(&row.to, &row.from)
                .iter()
                .map(|flow| flow.packets)
                .max(),
        ),
        text(own.map(|hosts| hosts as u64)),
        text(alike),
        since.map_or(String::new(), |since| format!("{since:?}")),
        w.iter()
            .any(|flow| flow.from == row.to && flow.to == row.from)
            .to_string(),
    ]
}

fn agrees(text: &str, windows: [Window; 2]) {
    let rows = flows(text);
    let all: Vec<&Flow> = rows.iter().map(|(flow, _)| flow).collect();
    for (flow, found) in &rows {
        let mut wanted = looked_up(flow, &all, windows);
        let mut found = found.clone();
        // a double of ns
        let [mine, its] = [&mut wanted, &mut found].map(|all| std::mem::take(&mut all[4]));
        assert_eq!(found, wanted, "{flow:?}");
        assert_eq!(mine.is_empty(), its.is_empty(), "{flow:?}");
        if !mine.is_empty() {
            let (mine, its): (f64, f64) = (mine.parse().unwrap(), its.parse().unwrap());
            assert!((mine - its).abs() < 1e-6, "{flow:?}: {mine} {its}");
        }
    }
}

/// Windows as a spec has them, and what they are.
fn windows() -> impl Strategy<Value = (&'static str, Window)> {
    prop_oneof![
        Just(("", None)),
        Just((
            "window = { tumbling = \"30s\" }",
            Some((30 * SECOND, 30 * SECOND))
        )),
        Just((
            "window = { sliding = \"60s\", step = \"20s\" }",
            Some((60 * SECOND, 20 * SECOND))
        )),
        Just((
            "window = { sliding = \"300s\", step = \"10s\" }",
            Some((300 * SECOND, 10 * SECOND))
        )),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(30))]
    #[test]
    fn rows_see_what_a_recomputation_gives(
        traffic in records(120), workers in 1usize..4, fused: bool, epoch in prop_oneof![Just(1usize), Just(7), Just(8192)],
        one in windows(), other in windows(), connection in prop_oneof![Just(""), Just("window = \"all\""), Just("window = { tumbling = \"20s\" }")],
    ) {
        let traffic = in_order(traffic);
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path();
        std::fs::write(path.join("in.pcap"), pcap(&traffic)).unwrap();
        execute(path, &spec("in.pcap", [one.0, other.0], "", "workers = 1"));
        let alone = read(path);
        agrees(&alone, [one.1, other.1]);
        let run = format!("workers = {workers}\nepoch = {epoch}\nfused = {fused}\nsort_memory = \"1KiB\"");
        execute(path, &spec("in.pcap", [one.0, other.0], "", &run));
        prop_assert_eq!(read(path), alone.clone());
        // rows that come back from the connection graph long after their tick
        if !connection.is_empty() {
            let graph = format!("groups = [\"all\", \"connection\"]\nconnection = {{ {connection} }}");
            let text = spec("in.pcap", [one.0, other.0], &graph, &run);
            let text = text.replace("\"known\"]", "\"known\", \"conn_src_total_flows\"]");
            execute(path, &text);
            let without = |line: &str| line.rsplit_once(',').unwrap().0.to_owned();
            let rows: Vec<String> = read(path).lines().map(without).collect();
            let before: Vec<String> = alone.lines().map(str::to_owned).collect();
            prop_assert_eq!(rows, before);
        }
    }
}

#[test]
fn rows_of_the_sample_see_what_a_recomputation_gives() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    let all: [(&str, Window); 4] = [
        ("", None),
        (
            "window = { tumbling = \"10s\" }",
            Some((10 * SECOND, 10 * SECOND)),
        ),
        (
            "window = { sliding = \"30s\", step = \"5s\" }",
            Some((30 * SECOND, 5 * SECOND)),
        ),
        (
            "window = { sliding = \"10s\", step = \"1s\" }",
            Some((10 * SECOND, SECOND)),
        ),
    ];
    let mut different = BTreeSet::new();
    for (at, one) in all.iter().enumerate() {
        let other = &all[(at + 1) % all.len()];
        execute(path, &spec(SAMPLE, [one.0, other.0], "", "workers = 2"));
        let text = read(path);
        assert_eq!(text.lines().count(), 192);
        agrees(&text, [one.1, other.1]);
        different.insert(text);
    }
    assert_eq!(different.len(), 4, "windows make a difference");
}

#[test]
fn values_are_the_same_on_two_processes() {
    let folder = Folder::new();
    let views = [
        "window = { sliding = \"30s\", step = \"5s\" }",
        "window = { tumbling = \"10s\" }",
    ];
    folder.put("spec.toml", spec(SAMPLE, views, "", "workers = 1"));
    let run = |processes: usize| {
        let ended = folder.run(&format!("run spec.toml --processes {processes}"));
        assert_eq!(ended.code, Some(0), "{}", ended.err);
        folder.read("rows.csv")
    };
    let alone = run(1);
    assert!(run(2) == alone);
}

#[test]
fn filters_and_sinks_look_up_and_unread_views_cost_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    let views = "[views.v]\nwindow = { tumbling = \"10s\" }\nrules = 'fan(a, hosts: count(b)) :- flows(src_ip: a, dst_ip: b).'\n\
        [views.unread]\nrules = 'to(a, n: count(b)) :- flows(src_ip: b, dst_ip: a).'\n";
    let text = format!(
        "spec = 1\n[sources]\npath = \"{SAMPLE}\"\n{views}\
        [features.derive]\nhosts = 'view(\"v\", src_ip).hosts'\nnobody = 'view(\"unread\", src_ip).n'\n\
        [filters.kind]\nroutes = {{ wide = 'view(\"v\", dst_ip).hosts > 2', rest = 'else' }}\n\
        [sinks.wide]\ninput = \"kind.wide\"\npath = \"wide.csv\"\ncolumns = [\"src_ip\", \"hosts\"]\n\
        [sinks.rest]\ninput = \"kind.rest\"\npath = \"rest.csv\"\ncolumns = [\"src_ip\", \"hosts\"]\n\
        [sinks.some]\ninput = \"features\"\npath = \"rows.csv\"\ncolumns = [\"dst_ip\", \"src_ip\", \"end_time\"]\nwhere = 'view(\"v\", dst_ip).hosts > 2'\n"
    );
    let spec = check(&text).unwrap();
    let plan = Plan::new(&spec);
    assert_eq!(
        plan.views().map(|(name, _)| name).collect::<Vec<_>>(),
        ["v"]
    );
    execute(path, &text);
    let lines = |name: &str| {
        std::fs::read_to_string(path.join(name))
            .unwrap()
            .lines()
            .count()
            - 1
    };
    let (wide, rest) = (lines("wide.csv"), lines("rest.csv"));
    assert_eq!(wide + rest, 191);
    assert_eq!(lines("rows.csv"), wide);
    assert!(wide > 0 && rest > 0);
}

/// What is wrong with a spec that looks this up.
fn told(derive: &str, views: &str) -> Vec<String> {
    let text = format!(
        "spec = 1\n[sources]\npath = \"a.pcap\"\n[features.derive]\n{derive}\n{views}\n[sinks]\npath = \"a.csv\"\n"
    );
    let found = check(&text).err().unwrap_or_default();
    let source = |at: &jayflow::spec::diagnostic::Span| text[at.start..at.end].to_owned();
    let one = |one: &jayflow::spec::Diagnostic| {
        let help = one.help.clone().unwrap_or_default();
        format!(
            "{} {} {} | {} | {help}",
            one.code,
            one.path,
            source(&one.at),
            one.message
        )
    };
    found.list.iter().map(one).collect()
}

#[test]
fn wrong_look_ups_are_told_where_they_are() {
    use expect_test::expect;
    let views = "[views.lateral]\nrules = '''\npath(from, to, t) :- flows(src_ip: from, dst_ip: to, start_time: t).\n\
        spread(from, hosts: count(to)) :- path(from, to).'''\n[views.one]\nrules = 'to(a, n: count()) :- flows(dst_ip: a).'\n";
    let wrong = [
        "view(\"laterel.spread\", src_ip).hosts",
        "view(\"lateral.sprea\", src_ip).hosts",
        "view(\"lateral\", src_ip).hosts",
        "view(\"lateral.spread\", src_ip).host",
        "view(\"lateral.spread\", src_ip, dst_ip).hosts",
        "view(\"lateral.spread\").hosts",
        "view(\"lateral.spread\", dst_port).hosts",
        "view(\"lateral.path\", src_ip).t",
        "view(\"one\", src_ip)",
        "view(\"one\", src_ip).n + \"x\"",
        "view(src_ip).n",
        "view(\"one\", src_ip where true).n",
        "mean(view(\"one\", pkt.src_ip).n)",
        "view(\"one\", src_op).n",
    ];
    let all: Vec<String> = wrong
        .iter()
        .flat_map(|text| told(&format!("x = '{text}'"), views))
        .collect();
    expect![[r#"
        E0302 features.derive.x "laterel.spread" | no view is named `laterel` | did you mean `lateral.spread`?
        E0302 features.derive.x "lateral.sprea" | `lateral` has no relation `sprea` | did you mean `lateral.spread`?
        E0303 features.derive.x "lateral" | `lateral` has several relations | name one: `lateral.path`, `lateral.spread`
        E0201 features.derive.x host | `lateral.spread` has no column `host` | did you mean `hosts`?
        E0214 features.derive.x view("lateral.spread", src_ip, dst_ip) | the key of `lateral.spread` is `from`, found 2 values | write `view("lateral.spread", from).column`
        E0214 features.derive.x view("lateral.spread") | the key of `lateral.spread` is `from`, found 0 values | write `view("lateral.spread", from).column`
        E0207 features.derive.x dst_port | `from` of `lateral.spread` is ip, found int | 
        E0214 features.derive.x view("lateral.path", src_ip) | the key of `lateral.path` has 3 parts, from, to, t; found 1 | nothing in it is aggregated, so that all of its columns are its key; let a rule or `group_by` gather its rows
        E0214 features.derive.x view("one", src_ip) | a look-up gives a row: name a column of it | write `view("one", src_ip).column`
        E0207 features.derive.x view("one", src_ip).n + "x" | `+` does not go with int and text | write it as text: `text(view("one", src_ip).n)`
        E0214 features.derive.x src_ip | the name of a view is written out | write `view("name", src_ip).column`
        E0214 features.derive.x view("one", src_ip where true) | a look-up takes the name of a view and its key | write `view("name", src_ip).column`
        E0214 features.derive.x view | a view can be looked up only for rows of flows | write it in `derive`, or in `where` of a filter or sink
        E0201 features.derive.x src_op | unknown field `src_op` | did you mean `src_ip`?"#]].assert_eq(&all.join("\n"));
    // of several at once all are told
    let several = told(
        "x = 'view(\"on\", src_ip).n'\ny = 'view(\"one\", 1).n'\nz = 'view(\"one\", src_ip).m'",
        views,
    );
    assert_eq!(several.len(), 3, "{several:#?}");
    // a look-up of a view that is wrong itself is no second fault
    let faulty = told(
        "x = 'view(\"one\", src_ip).n'",
        "[views.one]\nrules = 'to(a, n: count()) :- flow(dst_ip: a).'",
    );
    assert_eq!(faulty.len(), 1, "{faulty:#?}");
    let no_view = told("x = 'view(\"one\", src_ip).n'", "");
    expect![[r#"E0302 features.derive.x "one" | no view is named `one` | the spec has no view: add `[views.NAME]`"#]].assert_eq(&no_view.join("\n"));
    let as_of = told(
        "x = 'view(\"one\", src_ip).n'",
        "[views.one]\nasof = \"end\"\nrules = 'to(a, n: count()) :- flows(dst_ip: a).'",
    );
    expect![[r#"E0008 views.one.asof "end" | `asof = "end"` is the end of a window, and the view has none | add `window = { sliding = "300s", step = "10s" }`, or leave `asof` out"#]].assert_eq(&as_of.join("\n"));
    let own = told(
        "x = 'view(\"one\", src_ip).n ?? 0'",
        "[views.one]\ninput = \"features\"\nrules = 'to(a, n: count()) :- features(dst_ip: a).'",
    );
    expect![[r#"E0305 views.one.input "features" | `one` reads `features`, and `features` reads `one`: one -> features -> one | read `flows` here: the view needs no derived column"#]].assert_eq(&own.join("\n"));
}

#[test]
fn look_ups_of_one_step_wait_together() {
    let stages = |derive: &str| {
        let windows = [
            ("v", "window = { tumbling = \"10s\" }"),
            ("w", "window = { sliding = \"30s\", step = \"10s\" }"),
            ("u", "window = { tumbling = \"5s\" }"),
            ("all", ""),
            ("last", "window = { tumbling = \"5s\" }\nasof = \"input\""),
        ];
        let views = windows.map(|(name, window)| {
            format!(
                "[views.{name}]\n{window}\nrules = '''\nfan(a, n: count(b)) :- flows(src_ip: a, dst_ip: b).\n\
                by(n, k: count(a)) :- fan(a, n).'''\n"
            )
        });
        let text = format!(
            "spec = 1\n[sources]\npath = \"a.pcap\"\n[features.derive]\n{derive}\n{}[sinks]\npath = \"a.csv\"\n",
            views.concat()
        );
        let spec = check(&text).unwrap_or_else(|found| panic!("{}", found.text(false)));
        let plan = Plan::new(&spec);
        let steps = |plan: &Plan| {
            let stages = &plan.features().unwrap().look_ups.stages;
            let one = |stage: &jayflow_operators::views::look_ups::Stage| {
                (
                    stage.step.map(|ns| ns / SECOND),
                    stage.questions.len(),
                    stage.questions.iter().map(|one| one.values.len()).sum(),
                )
            };
            stages
                .iter()
                .map(one)
                .collect::<Vec<(Option<i64>, usize, usize)>>()
        };
        steps(&plan)
    };
    let same = "x = 'view(\"v.fan\", src_ip).n'\ny = 'view(\"w.fan\", src_ip).n'\nz = 'view(\"v.fan\", src_ip).n + 1'\nb = 'view(\"v.fan\", src_ip).a'";
    assert_eq!(stages(same), [(Some(10), 2, 3)]);
    let ends = "x = 'view(\"all.fan\", src_ip).n'\ny = 'view(\"last.fan\", src_ip).n'";
    assert_eq!(stages(ends), [(None, 2, 2)]);
    let apart = "x = 'view(\"v.fan\", src_ip).n'\ny = 'view(\"u.fan\", src_ip).n'";
    assert_eq!(stages(apart), [(Some(10), 1, 1), (Some(5), 1, 1)]);
    // a key that needs a value waits for it, and one of its step with it
    let chain = "x = 'view(\"v.fan\", src_ip).n'\ny = 'view(\"u.by\", x).k'\nz = 'view(\"v.by\", y).k'\nk = 'view(\"v.by\", x).k'";
    assert_eq!(
        stages(chain),
        [(Some(10), 2, 2), (Some(5), 1, 1), (Some(10), 1, 1)]
    );
}

#[test]
fn groups_are_looked_up_as_rules_are() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    for window in [
        "",
        "window = { tumbling = \"10s\" }",
        "window = { sliding = \"30s\", step = \"5s\" }",
    ] {
        for run in ["workers = 1", "workers = 3\nepoch = 50\nfused = false"] {
            let text = format!(
                "spec = 1\n[sources]\npath = \"{SAMPLE}\"\n[features]\nonly = [\"src_ip\", \"dst_ip\"]\n[features.derive]\n\
                hosts = 'view(\"group\", src_ip).hosts ?? 0'\nsame = 'hosts == view(\"rules\", src_ip).hosts'\n\
                flows = 'view(\"pair\", dst_ip, src_ip).flows ?? 0'\nalike = 'flows == (view(\"pairs\", dst_ip, src_ip).flows ?? 0)'\n\
                [views.group]\ninput = \"flows\"\ngroup_by = [\"src_ip\"]\nselect = {{ hosts = \"distinct(dst_ip)\" }}\n{window}\n\
                [views.pair]\ninput = \"flows\"\ngroup_by = [\"src_ip\", \"dst_ip\"]\nselect = {{ flows = \"count()\" }}\n{window}\n\
                [views.rules]\n{window}\nrules = 'fan(a, hosts: count(b)) :- flows(src_ip: a, dst_ip: b).'\n\
                [views.pairs]\n{window}\nrules = 'pair(a, b, flows: count()) :- flows(src_ip: a, dst_ip: b, start_time: t, src_port: p, dst_port: q, protocol: r, total_bytes: n).'\n\
                [run]\n{run}\n[sinks]\npath = \"rows.csv\"\noverwrite = true\n"
            );
            execute(path, &text);
            let rows = read(path);
            assert_eq!(rows.lines().count(), 192);
            for line in rows.lines().skip(1) {
                let parts: Vec<&str> = line.split(',').collect();
                assert_eq!((parts[3], parts[5]), ("true", "true"), "{window}: {line}");
                assert_ne!(parts[2], "0", "{line}");
            }
            let answered = |line: &&str| !line.ends_with(",0,true");
            assert!(rows.lines().skip(1).any(|line| answered(&line)), "{window}");
        }
    }
}
