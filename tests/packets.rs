//! What specs say of packets: messages in them, early rows, rules that end records.

use crate::shared::{shared, skipped};
use crate::traffic::{Record, pcap, udp_frame};
use jayflow::{Control, Loaded, Plan, Report, run};
use std::path::Path;
use std::process::Command;

/// Rows of a spec over a capture, as CSV cells, the header first; and the report.
fn rows(capture: &Path, spec: &str) -> (Vec<Vec<String>>, Report) {
    let folder = tempfile::tempdir().unwrap();
    let text = format!(
        "spec = 1\n[sources]\npath = \"{}\"\n[sinks.out]\npath = \"out.csv\"\n{spec}",
        capture.display()
    );
    let path = folder.path().join("spec.toml");
    std::fs::write(&path, text).unwrap();
    let loaded = Loaded::file(&path).unwrap().unwrap();
    let checked = loaded.check();
    let plan = Plan::new(&checked.unwrap_or_else(|found| panic!("{}", found.text(false))));
    let report = run(&plan, &Control::default()).unwrap();
    assert_eq!(report.books.imbalances(), Vec::<String>::new());
    let mut reader = csv::ReaderBuilder::new()
        .has_headers(false)
        .from_path(folder.path().join("out.csv"))
        .unwrap();
    let cells = reader.records().map(|record| {
        let record = record.unwrap();
        record.iter().map(str::to_owned).collect()
    });
    (cells.collect(), report)
}

fn sample() -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/sample.pcap")
}

/// Each pair of columns is the same in every row; how often it is not empty.
fn agree(rows: &[Vec<String>], pairs: &[(&str, &str)]) -> Vec<usize> {
    let (names, rows) = rows.split_first().unwrap();
    let place = |name: &str| names.iter().position(|known| known == name).unwrap();
    let each = pairs.iter().map(|(one, other)| {
        let (a, b) = (place(one), place(other));
        for row in rows {
            assert_eq!(row[a], row[b], "{one} and {other} of {row:?}");
        }
        rows.iter().filter(|row| !row[a].is_empty()).count()
    });
    each.collect()
}

#[test]
fn messages_are_those_that_groups_read() {
    let spec = r#"
[features]
groups = ["flow_meta", "dns"]
add = ["dns_queries", "dns_responses"]
[features.derive]
name = 'first(pkt.dns.qname)'
type = 'first(pkt.dns.qtype)'
queries = 'count(where not pkt.dns.response)'
queries_of_group = 'dns_queries ?? 0'
responses = 'count(where pkt.dns.response)'
responses_of_group = 'dns_responses ?? 0'
frames = 'count(pkt.http2.frame_type)'
records = 'count(pkt.tls.record_type)'
hello = 'first(pkt.tls.record_type)'
longest_record = 'max(pkt.tls.record_len)'
echoes = 'count(where pkt.icmp.type in [8, 128])'
codes = 'count(pkt.icmp.code where not pkt.frag)'
is_icmp = 'count(where pkt.proto in [1, 58] and not pkt.frag)'
"#;
    let (rows, _) = rows(&sample(), spec);
    let named = agree(
        &rows,
        &[
            ("name", "dns_query_name"),
            ("type", "dns_query_type"),
            ("queries", "queries_of_group"),
            ("responses", "responses_of_group"),
            ("codes", "is_icmp"),
        ],
    );
    assert!(named[0] > 50, "{named:?}");
    let place = |name: &str| rows[0].iter().position(|known| known == name).unwrap();
    let cells = |name: &str| {
        let at = place(name);
        rows[1..]
            .iter()
            .map(move |row| row[at].as_str())
            .collect::<Vec<_>>()
    };
    let number = |text: &&str| text.parse::<u64>().unwrap_or(0);
    // tests/captures/README.md: 152 and 16 of DNS and 13 of mDNS, less those in fragments
    let messages: u64 = cells("queries")
        .iter()
        .chain(&cells("responses"))
        .map(number)
        .sum();
    assert!((165..=181).contains(&messages), "{messages}");
    assert!(
        cells("hello")
            .iter()
            .all(|kind| ["", "21", "22"].contains(kind))
    );
    assert!(cells("hello").iter().filter(|kind| **kind == "22").count() > 10);
    assert!(cells("longest_record").iter().map(number).max() > Some(1000));
    assert!(cells("echoes").iter().map(number).sum::<u64>() > 20);
}

#[test]
fn options_of_tcp_are_those_that_groups_read() {
    let spec = "[features]\ngroups = [\"flow_meta\", \"tcp_options\"]\n[features.derive]\n\
        mss = 'first(pkt.tcp.mss where pkt.fwd)'\n\
        scale = 'first(pkt.tcp.wscale where pkt.fwd)'\n\
        sack = 'any(pkt.tcp.sack where pkt.fwd)'\n\
        syns = 'count(where pkt.tcp.syn)'\n";
    let (rows, _) = rows(&sample(), spec);
    let place = |name: &str| rows[0].iter().position(|known| known == name).unwrap();
    let (mss, scale, sack) = (place("mss"), place("scale"), place("sack"));
    let of = |at: usize, what: &str| rows[1..].iter().filter(|row| row[at] == what).count();
    assert!(
        of(mss, "1460") + of(mss, "1440") > 30,
        "{}",
        of(mss, "1460")
    );
    assert!(
        rows[1..]
            .iter()
            .filter(|row| !row[scale].is_empty())
            .count()
            > 30
    );
    assert!(of(sack, "true") > 30 && of(sack, "false") > 30);
    // an option is only where a SYN is
    let syns = place("syns");
    assert!(
        rows[1..]
            .iter()
            .all(|row| row[mss].is_empty() || row[syns] != "0")
    );
}

#[test]
fn a_spec_without_messages_parses_none() {
    let plan = |derive: &str| {
        let text = format!(
            "spec = 1\n[sources]\npath = \"a.pcap\"\n[features]\nonly = [\"src_ip\"]\nderive = {{ x = '{derive}' }}\n[sinks]\npath = \"a.csv\"\n"
        );
        let loaded = Loaded::text("spec.toml", text, std::path::PathBuf::new()).unwrap();
        let plan = Plan::new(&loaded.check().unwrap());
        let needs = plan.features().unwrap().plan.needs();
        (needs.payload, needs.headers, needs.class())
    };
    assert_eq!(plan("count(where pkt.fwd)"), (0, false, "fields"));
    assert_eq!(
        plan("count(where pkt.icmp.type == 8)"),
        (0, true, "headers")
    );
    assert_eq!(plan("count(pkt.dns.qname)"), (65535, false, "messages"));
}

/// The example spec of the reference material, over the capture that its test means. The values are those of a plain reading of
/// the capture; `suspect` wants an entropy above 3.5, which the names do not have as they are written (lower case, other bytes as
/// `\DDD`).
#[test]
fn the_spec_of_dns_tunnels_measures_a_tunnel() {
    let Some(shared) = shared() else { return };
    let capture = shared.join("pcaps/dns/nDPI-dns-tunnel-iodine.pcap");
    if !capture.exists() {
        return skipped("of the capture of a DNS tunnel");
    }
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("fixtures")).unwrap();
    std::fs::copy(capture, folder.path().join("fixtures/iodine.pcap")).unwrap();
    let spec = std::fs::read_to_string(shared.join("specs/06_dns_tunnels.toml")).unwrap();
    let (spec, _) = spec.split_once("[tests.iodine]").unwrap();
    let spec = format!(
        "{spec}[tests.iodine]\ninput = \"fixtures/iodine.pcap\"\nat = \"features\"\nworkers = [1, 3]\n\
        expect = {{ dst_port = 53, queries = 222, names = 222, domains = 1, names_per_domain = 222.0, \
        name_len = 88.85585585585585, name_entropy = 3.426602524091004, max_label = 192, suspect = false }}\n"
    );
    std::fs::write(folder.path().join("spec.toml"), spec).unwrap();
    let out = Command::new(env!("CARGO_BIN_EXE_jayflow"))
        .args(["test", "spec.toml"])
        .current_dir(folder.path())
        .output()
        .unwrap();
    let text = String::from_utf8([out.stdout, out.stderr].concat()).unwrap();
    assert_eq!(out.status.code(), Some(0), "{text}");
}

/// Flow n of 5 has n packets, a second apart, the first n ms behind the start.
fn seconds_apart(folder: &Path) -> std::path::PathBuf {
    let flow = |flow: u8| {
        (0..i64::from(flow)).map(move |packet| {
            let time = i64::from(flow) * 1_000_000 + packet * 1_000_000_000;
            (time, udp_frame(flow, 53))
        })
    };
    let mut all: Vec<Record> = (1..=5).flat_map(flow).collect();
    all.sort_by_key(|(time, _)| *time);
    let path = folder.join("in.pcap");
    std::fs::write(&path, pcap(&all)).unwrap();
    path
}

/// The cells of each row, in one text.
fn told(rows: &[Vec<String>]) -> String {
    let lines: Vec<String> = rows.iter().map(|row| row.join(" ")).collect();
    lines.join("\n")
}

#[test]
fn records_give_rows_before_their_end() {
    let folder = tempfile::tempdir().unwrap();
    let capture = seconds_apart(folder.path());
    let (rows, report) = rows(
        &capture,
        "[flows]\nearly = [\"2 packets\", \"2s\"]\n[features]\nonly = [\"src_ip\", \"total_packets\", \"flow_end_reason\"]\n\
        [features.derive]\nsum = 'sum(pkt.index)'\nis_last = 'flow_stage == \"end\"'\n",
    );
    // what comes at 2 s is not in the row of 2 s, and flow 1 is still open then
    let expected = "\
flow_stage src_ip total_packets flow_end_reason sum is_last
2s 192.0.2.1 1  1 false
end 192.0.2.1 1 eof 1 true
2 packets 192.0.2.2 2  3 false
2s 192.0.2.2 2  3 false
end 192.0.2.2 2 eof 3 true
2 packets 192.0.2.3 2  3 false
2s 192.0.2.3 2  3 false
end 192.0.2.3 3 eof 6 true
2 packets 192.0.2.4 2  3 false
2s 192.0.2.4 2  3 false
end 192.0.2.4 4 eof 10 true
2 packets 192.0.2.5 2  3 false
2s 192.0.2.5 2  3 false
end 192.0.2.5 5 eof 15 true";
    assert_eq!(told(&rows), expected);
    assert_eq!(
        (report.books.flows.early, report.books.flows.opened),
        (9, 5)
    );
}

#[test]
fn a_point_behind_the_end_gives_no_row() {
    let folder = tempfile::tempdir().unwrap();
    let capture = seconds_apart(folder.path());
    let (rows, _) = rows(
        &capture,
        "[flows]\nidle_timeout = \"1500ms\"\nearly = [\"2s\", \"5s\"]\n[features]\nonly = [\"src_ip\", \"total_packets\"]\n",
    );
    // flow 1 is over at 1.5 s, flow 2 at 2.5 s; the input ends before 5 s
    let early: Vec<&Vec<String>> = rows.iter().filter(|row| row[0] == "2s").collect();
    let early: Vec<(&str, &str)> = early.iter().map(|row| (&*row[1], &*row[2])).collect();
    let expected = [
        ("192.0.2.2", "2"),
        ("192.0.2.3", "2"),
        ("192.0.2.4", "2"),
        ("192.0.2.5", "2"),
    ];
    assert_eq!(early, expected);
    assert!(rows.iter().all(|row| row[0] != "5s"));
}

#[test]
fn rules_end_records() {
    let folder = tempfile::tempdir().unwrap();
    let capture = seconds_apart(folder.path());
    let run = |rule: &str| {
        let (rows, _) = rows(
            &capture,
            &format!(
                "input = \"five\"\n[flows]\nend_when = '{rule}'\n[features]\nonly = [\"total_packets\", \"flow_end_reason\"]\n[filters.five]\nwhere = 'src_ip == 192.0.2.5'\n"
            ),
        );
        rows[1..]
            .iter()
            .map(|row| row.join(" "))
            .collect::<Vec<_>>()
            .join(", ")
    };
    assert_eq!(run("count() >= 2"), "2 rule, 2 rule, 1 eof");
    assert_eq!(run("count() == 5"), "5 rule");
    assert_eq!(
        run("pkt.iat > 500ms"),
        "1 rule, 1 rule, 1 rule, 1 rule, 1 eof"
    );
    assert_eq!(run("pkt.iat > 2s"), "5 eof");
    // over the packets before: the third one ends the record before it
    assert_eq!(
        run("pkt.iat > 500ms and count() >= 2"),
        "2 rule, 2 rule, 1 eof"
    );
    assert_eq!(run("count() >= 3 or pkt.iat > 2s"), "3 rule, 2 eof");
    assert_eq!(
        run("pkt.src_ip == 192.0.2.5 and pkt.index == 4"),
        "4 rule, 1 eof"
    );
    assert_eq!(run("sum(pkt.len where pkt.fwd) >= 93"), "3 rule, 2 eof");
}

/// What is wrong with a spec that has this in its middle.
fn wrong(middle: &str) -> String {
    let text =
        format!("spec = 1\n[sources]\npath = \"a.pcap\"\n{middle}\n[sinks]\npath = \"a.csv\"\n");
    let checked = Loaded::text("spec.toml", text, std::path::PathBuf::new()).unwrap();
    checked.check().expect_err("the spec is wrong").text(false)
}

#[test]
fn what_is_wrong_with_points_and_rules_is_told() {
    let tells = |middle: &str, parts: &[&str]| {
        let text = wrong(middle);
        for part in parts {
            assert!(text.contains(part), "{part} is not in\n{text}");
        }
        let faults = text.matches("error[").count();
        assert_eq!(faults, parts.len(), "{text}");
    };
    tells(
        "[flows]\nearly = [\"8 packets\", \"0s\"]\nend_when = 'count() >= 100 or duration > 5s'",
        &[
            "expected a point behind the start, found `0s`",
            "error[E0213]: the flow column `duration` is not known while packets are still arriving\n --> spec.toml:6:31 (flows.end_when)",
        ],
    );
    tells(
        "[flows]\nearly = [\"5s\", \"8 packets\", \"5s\"]\nend_when = 'pkt.len > 5 or count(pkt.dns.qname) > 5'",
        &[
            "`5s` is there twice\n --> spec.toml:5:9 (flows.early)",
            "error[E0202]: `pkt.dns.qname` is not known yet where records end",
        ],
    );
    tells(
        "[flows]\nearly = \"5s\"\nend_when = 'pkt.iat > 5'\n[features]\ngroups = [\"connection\"]",
        &[
            "the connection graph would count a record once for each of its rows\n --> spec.toml:5:9 (flows.early)",
            "error[E0212]: a duration needs a unit",
        ],
    );
    tells(
        "[flows]\nend_when = 'count()'",
        &["error[E0204]: `end_when` needs a condition, found int"],
    );
}
