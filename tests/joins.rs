//! Joins in specs: labels, lists and databases beside rows, what is counted of them, and what is said where they are wrong.

use crate::program::{Folder, SAMPLE};
use crate::shared::shared;
use crate::traffic::{Record, fixed, pcap, records, udp_frame};
use expect_test::{Expect, expect};
use jayflow::plan::explain;
use jayflow::spec::{Diagnostics, Loaded};
use jayflow::{Control, Error, Plan, Report, run};
use proptest::prelude::*;
use std::path::{Path, PathBuf};

const SECOND: i64 = 1_000_000_000;

/// Five flows of a packet each, a second apart from the tenth second on, from 192.0.2.1 to 192.0.2.5.
fn traffic() -> Vec<Record> {
    let flow = |flow: u8| (i64::from(flow) * SECOND + 9 * SECOND, udp_frame(flow, 53));
    (1..=5).map(flow).collect()
}

fn settle(folder: &Path, spec: &str) -> Result<Plan, Diagnostics> {
    std::fs::write(folder.join("in.pcap"), pcap(&traffic())).unwrap();
    let text = format!("spec = 1\n[sources]\npath = \"in.pcap\"\n{spec}");
    std::fs::write(folder.join("spec.toml"), text).unwrap();
    let mut loaded = Loaded::file(&folder.join("spec.toml")).unwrap().unwrap();
    Ok(Plan::new(&loaded.settled()?))
}

/// A run of a spec over files with these texts.
fn ran(files: &[(&str, &str)], spec: &str) -> (tempfile::TempDir, Result<Report, Error>) {
    let folder = tempfile::tempdir().unwrap();
    for (name, text) in files {
        std::fs::write(folder.path().join(name), text).unwrap();
    }
    let plan = settle(folder.path(), spec).unwrap_or_else(|found| panic!("{}", found.text(false)));
    let report = run(&plan, &Control::default());
    if let Ok(report) = &report {
        assert_eq!(report.books.imbalances(), Vec::<String>::new());
    }
    (folder, report)
}

fn read(folder: &Path, name: &str) -> String {
    std::fs::read_to_string(folder.join(name)).unwrap()
}

const LABELS: &str = "from,to,port,Label,score\n192.0.2.1,192.0.2.53,1000,good,1\n192.0.2.2,192.0.2.53,1000,bad,2\n\
    192.0.2.2,192.0.2.53,1000,worse,7\n192.0.2.53,192.0.2.3,1001,back,\n";

const ON: &str = "on = { src_ip = \"from\", dst_ip = \"to\", src_port = \"port\" }\n";

#[test]
fn rows_get_labels_and_go_on_by_them() {
    let (folder, report) = ran(
        &[("labels.csv", LABELS)],
        &format!(
            "[features]\nonly = [\"dst_port\"]\n\
            [joins.labels]\nwith = \"csv\"\npath = \"labels.csv\"\n{ON}columns = {{ label = \"Label\", score = \"score\" }}\n\
            [filters.kinds]\ninput = \"labels\"\nroutes = {{ high = 'score * 2 > 3', low = 'label is not null', none = 'else' }}\n\
            [sinks.all]\ninput = \"labels\"\npath = \"all.csv\"\n\
            [sinks.high]\ninput = \"kinds.high\"\npath = \"high.csv\"\ncolumns = [\"label\", \"score\"]\n\
            [sinks.low]\ninput = [\"kinds.low\", \"kinds.none\"]\npath = \"low.csv\"\nwhere = 'label != \"bad\" or label is null'\n"
        ),
    );
    let report = report.unwrap();
    expect![[r#"
        dst_port,label,score
        1001,good,1
        1001,bad,2
        1001,,
        1001,,
        1001,,
    "#]]
    .assert_eq(&read(folder.path(), "all.csv"));
    assert_eq!(read(folder.path(), "high.csv"), "label,score\nbad,2\n");
    assert_eq!(read(folder.path(), "low.csv").lines().count(), 5);
    let books = &report.books.joins["labels"];
    assert_eq!((books.offered, books.matched, books.several), (5, 2, 1));
    let text = report.text(false);
    let line = text.lines().find(|line| line.contains("join")).unwrap();
    expect!["  join      labels: 2 matched, 3 not (1 by several lines); 4 lines, 4 used"]
        .assert_eq(line);
    assert!(report.json().contains("\"matched\": 2"));
}

#[test]
fn either_direction_and_several_lines() {
    let of = |keys: &str| {
        // the ports are those of the ends, so that they change places too
        let on = "on = { src_ip = \"from\", dst_ip = \"to\" }\n";
        let (folder, report) = ran(
            &[("labels.csv", LABELS)],
            &format!(
                "[features]\nonly = [\"src_ip\"]\n[joins.labels]\nwith = \"csv\"\npath = \"labels.csv\"\n{on}{keys}\
                [sinks.all]\npath = \"all.csv\"\n"
            ),
        );
        let books = report.unwrap().books.joins.remove("labels").unwrap();
        (read(folder.path(), "all.csv"), books)
    };
    let (rows, books) =
        of("columns = { label = \"Label\" }\neither_direction = true\nmany = \"all\"\n");
    expect![[r#"
        src_ip,label,match_reversed
        192.0.2.1,good,false
        192.0.2.2,bad,false
        192.0.2.2,worse,false
        192.0.2.3,back,true
        192.0.2.4,,
        192.0.2.5,,
    "#]]
    .assert_eq(&rows);
    assert_eq!((books.copies, books.reversed, books.unmatched), (1, 1, 2));
    let (rows, _) = of("columns = { label = \"Label\" }\nmode = \"inner\"\nmany = \"last\"\n");
    assert_eq!(rows, "src_ip,label\n192.0.2.1,good\n192.0.2.2,worse\n");
    let (rows, books) = of("mode = \"anti\"\neither_direction = true\n");
    assert_eq!(rows, "src_ip\n192.0.2.4\n192.0.2.5\n");
    assert_eq!((books.left_out, books.passed), (3, 2));
}

#[test]
fn too_little_matched_and_ambiguous_rows_fail_the_run_and_leave_nothing() {
    let failed = |keys: &str| {
        let (folder, report) = ran(
            &[("labels.csv", LABELS)],
            &format!(
                "[joins.labels]\nwith = \"csv\"\npath = \"labels.csv\"\n{ON}columns = {{ label = \"Label\" }}\n{keys}\
                [sinks.all]\npath = \"all.csv\"\n"
            ),
        );
        assert!(!folder.path().join("all.csv").exists() || report.is_ok());
        report.err().map(|error| error.to_string())
    };
    assert_eq!(failed("expect_matched = 0.4\n"), None);
    let told = failed("expect_matched = 0.41\n").unwrap();
    expect![[r#"
        [E0701] join labels: 2 of 5 rows matched, 40.0 %, and 41 % are expected
          join      labels: 2 matched, 3 not (1 by several lines); 4 lines, 4 used"#]]
    .assert_eq(&told);
    let told = failed("many = \"error\"\n").unwrap();
    expect!["join labels: 1 of 5 rows match several lines; the first, of 11.000000000, labels.csv:3 and labels.csv:4"]
        .assert_eq(&told);
}

#[test]
fn times_decide_between_lines() {
    let labels = "who,start,end,label\n192.0.2.1,1970-01-01 01:00:08,1970-01-01 01:00:10,a\n\
        192.0.2.1,1970-01-01 01:00:11,1970-01-01 01:00:12,b\n192.0.2.2,1970-01-01 01:00:12.5,1970-01-01 01:00:13,c\n\
        192.0.2.3,soon,1970-01-01 01:00:13,d\n";
    let of = |keys: &str| {
        let (folder, report) = ran(
            &[("labels.csv", labels)],
            &format!(
                "[features]\nonly = [\"src_ip\"]\n[joins.labels]\nwith = \"csv\"\npath = \"labels.csv\"\non = {{ src_ip = \"who\" }}\n\
                columns = \"label\"\n{keys}[sinks.all]\npath = \"all.csv\"\n"
            ),
        );
        let rows = read(folder.path(), "all.csv");
        let labels: Vec<String> = rows
            .lines()
            .skip(1)
            .map(|line| line[10..].to_owned())
            .collect();
        (labels, report.unwrap())
    };
    let (labels, report) =
        of("time = { from = \"start\", to = \"end\", zone = \"Africa/Lagos\" }\n");
    assert_eq!(labels, ["a", "", "", "", ""]);
    let text = report.text(false);
    assert!(text.contains("time_form 1"), "{text}");
    assert!(
        text.contains("  labels.csv:5: `soon` (time_form)"),
        "{text}"
    );
    let nearest = "time = { from = \"start\", zone = \"Africa/Lagos\", tolerance = \"1500ms\", format = \"%Y-%m-%d %H:%M:%S%.f\" }\n";
    assert_eq!(of(nearest).0, ["b", "c", "", "", ""]);
}

#[test]
fn tables_of_every_format_lists_and_domains() {
    let jsonl = "{\"ip\":\"192.0.2.1\",\"n\":1}\n{\"ip\":\"192.0.2.2\",\"n\":2.5,\"x\":true}\n";
    let (folder, _) = ran(
        &[("a.jsonl", jsonl), ("bad.txt", "192.0.2.4/31\n")],
        "[features]\nonly = [\"src_ip\"]\n\
        [joins.a]\nwith = \"jsonl\"\npath = \"a.jsonl\"\non = { src_ip = \"ip\" }\ncolumns = [\"n\", \"x\"]\n\
        [joins.bad]\ninput = \"a\"\nwith = \"list\"\npath = \"bad.txt\"\non = \"src_ip\"\n\
        [sinks.all]\ninput = \"bad\"\npath = \"all.csv\"\n\
        [sinks.kept]\ninput = \"bad\"\npath = \"all.parquet\"\n",
    );
    expect![[r#"
        src_ip,n,x,in_bad
        192.0.2.1,1.0,,false
        192.0.2.2,2.5,true,false
        192.0.2.3,,,false
        192.0.2.4,,,true
        192.0.2.5,,,true
    "#]]
    .assert_eq(&read(folder.path(), "all.csv"));
    // the table that was written is one to join with
    let again = "[features]\nonly = [\"src_ip\"]\n[joins.b]\nwith = \"parquet\"\npath = \"all.parquet\"\non = [\"src_ip\"]\n\
        columns = { m = \"n\", in_bad = \"in_bad\" }\n[sinks.more]\npath = \"more.csv\"\n";
    let plan = settle(folder.path(), again).unwrap();
    run(&plan, &Control::default()).unwrap();
    let rows = read(folder.path(), "more.csv");
    assert_eq!(rows.lines().nth(2), Some("192.0.2.2,2.5,false"));
    assert_eq!(rows.lines().nth(5), Some("192.0.2.5,,true"));
}

/// What is wrong with a spec that has this in its middle; with `files` they are looked at.
fn shows(files: &[(&str, &str)], middle: &str, expected: &Expect) {
    let folder = tempfile::tempdir().unwrap();
    for (name, text) in files {
        std::fs::write(folder.path().join(name), text).unwrap();
    }
    std::fs::write(folder.path().join("a.pcap"), pcap(&traffic())).unwrap();
    let text = format!(
        "spec = 1\n\n[sources]\npath = \"a.pcap\"\n\n{middle}\n[sinks]\npath = \"a.csv\"\n"
    );
    let mut loaded = Loaded::text("spec.toml", text, folder.path().to_owned()).unwrap();
    let found = match files {
        [] => loaded.check().map(|_| ()),
        _ => loaded.settled().map(|_| ()),
    };
    let found = found.expect_err("the spec is wrong");
    let text = found
        .text(false)
        .replace(&folder.path().display().to_string(), "DIR");
    expected.assert_eq(&text);
}

#[test]
fn what_is_wrong_is_found_before_a_file_is_opened() {
    shows(
        &[],
        "[joins.a]\nwith = \"csv\"\npath = \"a.csv\"\non = { src_i = \"a\", duration = \"b\" }\ncolumns = [\"total_packets\", \"a b\"]\n\
        either_direction = true\ntime = { row = \"src_port\", from = \"t\", zone = \"Europe/Berln\", format = [\"%d\", \"dd\"] }\n",
        &expect![[r#"
            error[E0201]: the rows have no column `src_i`
             --> spec.toml:9:8 (joins.a.on.src_i)
              |
            9 | on = { src_i = "a", duration = "b" }
              |        ^^^^^
              = help: did you mean `src_ip`?
              = see `jayflow help E0201`

            error[E0203]: `duration` is of type duration, which is not looked up
             --> spec.toml:9:21 (joins.a.on.duration)
              |
            9 | on = { src_i = "a", duration = "b" }
              |                     ^^^^^^^^
              = help: int, text, ip, bool and ids can; times go into `time`
              = see `jayflow help E0203`

            error[E0301]: there is a column named `total_packets` already
              --> spec.toml:10:12 (joins.a.columns[0])
               |
            10 | columns = ["total_packets", "a b"]
               |            ^^^^^^^^^^^^^^^
               = help: choose another name: `columns = { name = "name in the file" }`
               = see `jayflow help E0301`

            error[E0011]: `a b` cannot be the name of a column
              --> spec.toml:10:29 (joins.a.columns[1])
               |
            10 | columns = ["total_packets", "a b"]
               |                             ^^^^^
               = help: write `{ name = "name in the file" }`; a name has letters, digits and `_` and at most 63 characters
               = see `jayflow help E0011`

            error[E0008]: `on` has `src_i` and not `dst_i`, which is its other direction
              --> spec.toml:11:20 (joins.a.either_direction)
               |
            11 | either_direction = true
               |                    ^^^^
               = help: add `dst_i` to `on`
               = see `jayflow help E0008`

            error[E0006]: `time` needs the key `tolerance`
              --> spec.toml:12:1 (joins.a.time.tolerance)
               |
            12 | time = { row = "src_port", from = "t", zone = "Europe/Berln", format = ["%d", "dd"] }
               | ^^^^
               = help: say how far the nearest line may be, such as `tolerance = "1s"`, or name its end, `to`
               = see `jayflow help E0006`

            error[E0203]: `src_port` is of type int, not time
              --> spec.toml:12:16 (joins.a.time.row)
               |
            12 | time = { row = "src_port", from = "t", zone = "Europe/Berln", format = ["%d", "dd"] }
               |                ^^^^^^^^^^
               = help: `start_time` and `end_time` are times
               = see `jayflow help E0203`

            error[E0008]: there is no time zone `Europe/Berln`
              --> spec.toml:12:47 (joins.a.time.zone)
               |
            12 | time = { row = "src_port", from = "t", zone = "Europe/Berln", format = ["%d", "dd"] }
               |                                               ^^^^^^^^^^^^^^
               = help: did you mean `Europe/Berlin`?
               = see `jayflow help E0008`

            error[E0008]: `dd` is no form of times: it has no part of a time
              --> spec.toml:12:79 (joins.a.time.format[1])
               |
            12 | time = { row = "src_port", from = "t", zone = "Europe/Berln", format = ["%d", "dd"] }
               |                                                                               ^^^^
               = help: as of strptime: `%d/%m/%Y %H:%M:%S`, or one of `s`, `ms`, `us`, `ns`
               = see `jayflow help E0008`
        "#]],
    );
    shows(
        &[],
        "[joins.a]\nwith = \"view\"\non = \"a\"\npath = \"b\"\nreload = \"5m\"\n\n\
        [joins.b]\nwith = \"list\"\npath = \"a.txt\"\non = { dst_ip = \"ip\" }\nmany = \"all\"\n\n\
        [joins.c]\ninput = \"b\"\nwith = \"mmdb\"\npath = \"a.mmdb\"\non = \"dst_port\"\ncolumns = { in_b = \"x\" }\n",
        &expect![[r#"
            error[E0008]: rows are not joined with views yet
             --> spec.toml:7:8 (joins.a.with)
              |
            7 | with = "view"
              |        ^^^^^^
              = help: a join reads a file: one of `csv`, `jsonl`, `parquet`, `arrow`, `list`, `mmdb`
              = see `jayflow help E0008`

            error[E0005]: unknown key `reload`: files are read once, before the first packet
              --> spec.toml:10:1 (joins.a.reload)
               |
            10 | reload = "5m"
               | ^^^^^^
               = help: a file is read again only in live runs, which this version of jayflow does not have
               = see `jayflow help E0005`

            error[E0008]: a list has no columns to compare with
              --> spec.toml:15:6 (joins.b.on)
               |
            15 | on = { dst_ip = "ip" }
               |      ^^^^^^^^^^^^^^^^^
               = help: name the column of the rows alone: `on = "dst_ip"`
               = see `jayflow help E0008`

            error[E0008]: a list has no lines that could be compared so
              --> spec.toml:16:8 (joins.b.many)
               |
            16 | many = "all"
               |        ^^^^^
               = help: leave it out
               = see `jayflow help E0008`

            error[E0203]: `dst_port` is of type int, which is not looked up
              --> spec.toml:22:6 (joins.c.on)
               |
            22 | on = "dst_port"
               |      ^^^^^^^^^^
               = help: a database is joined on an address
               = see `jayflow help E0203`

            error[E0301]: there is a column named `in_b` already
              --> spec.toml:23:13 (joins.c.columns.in_b)
               |
            23 | columns = { in_b = "x" }
               |             ^^^^
               = help: choose another name: `columns = { name = "name in the file" }`
               = see `jayflow help E0301`
        "#]],
    );
}

#[test]
fn what_is_wrong_with_a_file_is_found_where_it_is_named() {
    shows(
        &[("labels.csv", LABELS)],
        "[joins.a]\nwith = \"csv\"\npath = [\"labels.csv\"]\non = { src_ip = \"From\" }\ncolumns = { label = \"label\" }\n\n\
        [joins.b]\ninput = \"a\"\nwith = \"csv\"\npath = \"lables.csv\"\non = [\"src_ip\"]\ncolumns = [\"x\"]\n",
        &expect![[r#"
            error[E0704]: the file has no column `From`
             --> spec.toml:9:17 (joins.a.on.src_ip)
              |
            9 | on = { src_ip = "From" }
              |                 ^^^^^^
              = help: did you mean `from`? header: from, to, port, ... (5 columns)
              = see `jayflow help E0704`

            error[E0704]: the file has no column `label`
              --> spec.toml:10:21 (joins.a.columns.label)
               |
            10 | columns = { label = "label" }
               |                     ^^^^^^^
               = help: did you mean `Label`? header: from, to, port, ... (5 columns)
               = see `jayflow help E0704`

            error[E0703]: there is no file `lables.csv`
              --> spec.toml:15:8 (joins.b.path)
               |
            15 | path = "lables.csv"
               |        ^^^^^^^^^^^^
               = help: the file `labels.csv` exists; paths are relative to the spec file
               = see `jayflow help E0703`
        "#]],
    );
    // the types of columns are in the file
    shows(
        &[("labels.csv", LABELS)],
        "[joins.a]\nwith = \"csv\"\npath = \"labels.csv\"\non = { src_ip = \"from\" }\ncolumns = { label = \"Label\" }\n\n\
        [filters.f]\ninput = \"a\"\nwhere = 'label > 3'\n",
        &expect![[r#"
            error[E0207]: `>` compares text with int
              --> spec.toml:14:10 (filters.f.where)
               |
            14 | where = 'label > 3'
               |          ^^^^^^^^^
               = see `jayflow help E0207`
        "#]],
    );
}

#[test]
fn the_plan_says_what_is_joined_and_what_it_holds() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("labels.csv"), LABELS).unwrap();
    let spec = format!(
        "[features]\nonly = [\"src_ip\"]\n[joins.labels]\nwith = \"csv\"\npath = \"labels.csv\"\n{ON}columns = {{ label = \"Label\" }}\n\
        [sinks.all]\npath = \"all.csv\"\n"
    );
    let plan = settle(folder.path(), &spec).unwrap();
    let text = explain(&plan).replace(&folder.path().display().to_string(), "DIR");
    let line = text.lines().find(|line| line.contains("csv DIR/")).unwrap();
    expect!["5 join     labels    from 4: csv DIR/labels.csv on src_ip = from, dst_ip = to, src_port = port; gives label; left rows, first of several lines; 4 entries, 290 B in each process"].assert_eq(line);
}

/// A spec with joins of each kind, the rows of each line with what they say.
const JOINS: &str = r#"
[joins.labels]
with = "csv"
path = "labels.csv"
on = { src_ip = "a", dst_ip = "b", src_port = "p", dst_port = "q", protocol = "proto" }
either_direction = true
many = "all"
columns = ["label", "score"]
time = { from = "t", tolerance = "2s", format = "s" }

[filters.some]
input = "labels"
where = 'score is null or score % 3 != 0'

[joins.bad]
input = "some"
with = "list"
path = "bad.txt"
on = "src_ip"
mode = "inner"
"#;

fn label_file() -> String {
    let mut text = "a,b,p,q,proto,t,label,score\n".to_owned();
    for line in 0..600_i64 {
        let (a, b, p, q) = (
            1 + line % 3,
            1 + line / 3 % 3,
            1000 + line / 9 % 3,
            1000 + line / 27 % 3,
        );
        let proto = ["tcp", "udp", "6", "icmp"][usize::try_from(line % 4).unwrap()];
        let t = 1_700_000_000 + line / 10;
        for (label, score) in [("L", line), ("M", line + 1)] {
            text.push_str(&format!(
                "192.0.2.{a},192.0.2.{b},{p},{q},{proto},{t}.5,{label}{line},{score}\n"
            ));
        }
    }
    text
}

fn joined(
    folder: &Path,
    traffic: &[Record],
    run_keys: &str,
    groups: &str,
) -> (String, jayflow_operators::Books) {
    std::fs::write(folder.join("in.pcap"), pcap(traffic)).unwrap();
    std::fs::write(folder.join("labels.csv"), label_file()).unwrap();
    std::fs::write(
        folder.join("bad.txt"),
        "192.0.2.1\n192.0.2.2/32\nfd00::/8\n",
    )
    .unwrap();
    let text = format!(
        "spec = 1\n[sources]\npath = \"in.pcap\"\n[features]\ngroups = {groups}\n{JOINS}\n[sinks.out]\npath = \"out.csv\"\noverwrite = true\n[run]\n{run_keys}\n"
    );
    std::fs::write(folder.join("spec.toml"), text).unwrap();
    let mut loaded = Loaded::file(&folder.join("spec.toml")).unwrap().unwrap();
    let spec = loaded
        .settled()
        .unwrap_or_else(|found| panic!("{}", found.text(false)));
    let report = run(&Plan::new(&spec), &Control::default()).unwrap();
    assert_eq!(report.books.imbalances(), Vec::<String>::new());
    (read(folder, "out.csv"), report.books)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(16))]

    #[test]
    fn joins_are_the_same_on_any_number_of_workers(
        traffic in records(120), workers in prop_oneof![Just(1usize), Just(2), Just(3)], epoch in prop_oneof![Just(1usize), Just(8192)],
        fused: bool, graph: bool,
    ) {
        let groups = if graph { "[\"flow_meta\", \"connection\"]" } else { "[\"flow_meta\"]" };
        let folder = tempfile::tempdir().unwrap();
        let plain = joined(folder.path(), &traffic, "workers = 1", groups);
        let other = joined(folder.path(), &traffic, &format!("workers = {workers}\nepoch = {epoch}\nfused = {fused}"), groups);
        prop_assert_eq!(plain.0, other.0);
        prop_assert_eq!(plain.1.joins, other.1.joins);
        prop_assert_eq!(plain.1.filters, other.1.filters);
    }
}

#[test]
fn joins_are_the_same_on_two_processes() {
    let traffic = fixed();
    let folder = Folder::new();
    let (alone, books) = joined(folder.path(), &traffic, "workers = 1", "[\"flow_meta\"]");
    let labels = &books.joins["labels"];
    assert!(
        labels.matched > 0 && labels.several > 0 && labels.reversed > 0 && labels.copies > 0,
        "{labels:?}"
    );
    let ended = folder.run("run spec.toml --processes 2 --summary books.json");
    assert_eq!(ended.code, Some(0), "{}", ended.err);
    assert!(folder.read("out.csv") == alone);
    let summary: serde_json::Value = serde_json::from_str(&folder.read("books.json")).unwrap();
    assert_eq!(summary["joins"]["labels"]["matched"], labels.matched);
    assert_eq!(summary["joins"]["labels"]["file"]["lines"], 1200);
}

#[test]
fn check_opens_no_file_and_deep_does() {
    let folder = Folder::new();
    std::fs::copy(SAMPLE, folder.path().join("in.pcap")).unwrap();
    folder.put(
        "spec.toml",
        "spec = 1\n[sources]\npath = \"in.pcap\"\n[joins.a]\nwith = \"csv\"\npath = \"no.csv\"\non = [\"src_ip\"]\ncolumns = [\"x\"]\n\
        [sinks]\npath = \"a.csv\"\nwhere = 'x > 3'\n",
    );
    assert_eq!(folder.run("check spec.toml").code, Some(0));
    for command in [
        "check spec.toml --deep",
        "run spec.toml",
        "explain spec.toml",
        "topology spec.toml",
    ] {
        let ended = folder.run(command);
        assert_eq!(ended.code, Some(2), "{command}: {}", ended.err);
        assert!(
            ended
                .err
                .contains("error[E0703]: there is no file `no.csv`"),
            "{}",
            ended.err
        );
    }
    folder.put("no.csv", "src_ip,x\n10.0.0.1,y\n");
    let ended = folder.run("check spec.toml --deep");
    assert_eq!(ended.code, Some(2));
    assert!(ended.err.contains("(sinks.where)"), "{}", ended.err);
    folder.put("no.csv", "src_ip,x\n10.0.0.1,5\n");
    assert_eq!(folder.run("check spec.toml --deep").code, Some(0));
}

/// Conversations by tshark as labels of our flows: every TCP and UDP flow has its line.
#[test]
fn flows_find_the_conversations_of_tshark() {
    let Some(shared) = shared() else { return };
    let pcaps = shared.join("pcaps");
    let index = std::fs::read_to_string(pcaps.join("INDEX.csv")).unwrap();
    let names = index
        .lines()
        .skip(1)
        .filter_map(|line| line.split(',').next());
    let (mut offered, mut matched, mut captures) = (0, 0, 0);
    for name in names.filter(|name| name.starts_with("dns/") || name.starts_with("tls/")) {
        let path = pcaps.join(name);
        let file = path.file_name().unwrap().to_string_lossy().into_owned();
        let truth = pcaps.join("truth").join(format!("{file}.jsonl"));
        let Ok(truth) = std::fs::read_to_string(&truth) else {
            continue;
        };
        let lines: Vec<&str> = truth
            .lines()
            .filter(|line| line.contains("\"k\":\"conv\""))
            .collect();
        if lines.is_empty() || truth.contains("_cut\"") || truth.contains("\"k\":\"inner\"") {
            continue;
        }
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("truth.jsonl"), lines.join("\n")).unwrap();
        let text = format!(
            "spec = 1\n[sources]\npath = {path:?}\n\
            [joins.tshark]\nwith = \"jsonl\"\npath = \"truth.jsonl\"\neither_direction = true\ncolumns = [\"t1\"]\n\
            on = {{ src_ip = \"a\", dst_ip = \"b\", src_port = \"ap\", dst_port = \"bp\", protocol = \"proto\" }}\n\
            time = {{ from = \"t0\", to = \"t1\", tolerance = \"1us\" }}\n\
            [filters.ports]\nwhere = 'protocol in [6, 17]'\n[sinks.out]\npath = \"out.csv\"\n"
        )
        .replace("[joins.tshark]", "[joins.tshark]\ninput = \"ports\"")
        .replace("[sinks.out]", "[sinks.out]\ninput = \"tshark\"");
        std::fs::write(folder.path().join("spec.toml"), text).unwrap();
        let mut loaded = Loaded::file(&folder.path().join("spec.toml"))
            .unwrap()
            .unwrap();
        let spec = loaded
            .settled()
            .unwrap_or_else(|found| panic!("{}", found.text(false)));
        let report = run(&Plan::new(&spec), &Control::default()).unwrap();
        let books = &report.books.joins["tshark"];
        offered += books.offered;
        matched += books.matched;
        captures += 1;
    }
    println!("{captures} captures: {matched} of {offered} flows have their conversation");
    assert!(captures > 10);
    assert!(matched * 100 >= offered * 98, "{matched} of {offered}");
}

#[test]
fn specs_with_joins_are_tested_like_others() {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("specs/label_join.toml");
    let folder = Folder::new();
    let ended = folder.run(&format!("test {}", path.display()));
    assert_eq!(
        ended.code,
        Some(0),
        "{}",
        String::from_utf8_lossy(&ended.out)
    );
}
