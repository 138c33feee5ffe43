//! Expressions in specs: derived columns, filters and routes from a capture to files, and what is said where they are wrong.

use crate::traffic::{Record, pcap, udp_frame};
use expect_test::{Expect, expect};
use jayflow::plan::explain;
use jayflow::spec::{Diagnostics, Loaded, Spec};
use jayflow::{Control, Plan, Report, run};
use std::path::{Path, PathBuf};

fn check(text: &str) -> Result<Spec, Diagnostics> {
    Loaded::text("spec.toml", text, PathBuf::new())?.check()
}

/// What is wrong with a spec that has this in its middle.
fn shows(middle: &str, expected: &Expect) {
    let text = format!("spec = 1\n\n[sources]\npath = \"a.pcap\"\n\n{middle}");
    let found = check(&text).expect_err("the spec is wrong");
    expected.assert_eq(&found.text(false));
}

/// Five flows of 1 to 5 packets, each a second apart.
fn traffic() -> Vec<Record> {
    let flow = |flow: u8| {
        (0..i64::from(flow)).map(move |packet| {
            let time = i64::from(flow) * 1_000_000 + packet * 1_000_000_000;
            (time, udp_frame(flow, 53))
        })
    };
    let mut all: Vec<Record> = (1..=5).flat_map(flow).collect();
    all.sort_by_key(|(time, _)| *time);
    all
}

/// A folder with the capture, after a run of this spec.
fn ran(spec: &str) -> (tempfile::TempDir, Report) {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("in.pcap"), pcap(&traffic())).unwrap();
    let text = format!("spec = 1\n[sources]\npath = \"in.pcap\"\n{spec}");
    std::fs::write(folder.path().join("spec.toml"), text).unwrap();
    let loaded = Loaded::file(&folder.path().join("spec.toml"))
        .unwrap()
        .unwrap();
    let plan = Plan::new(
        &loaded
            .check()
            .unwrap_or_else(|found| panic!("{}", found.text(false))),
    );
    let report = run(&plan, &Control::default()).unwrap();
    assert_eq!(report.books.imbalances(), Vec::<String>::new());
    (folder, report)
}

fn read(folder: &Path, name: &str) -> String {
    std::fs::read_to_string(folder.join(name)).unwrap()
}

#[test]
fn derived_columns_are_computed_of_features_and_packets() {
    let (folder, _) = ran("\
        [features]\nonly = [\"src_ip\"]\n\
        [features.derive]\n\
        rate = 'n / duration'\n\
        n = 'count()'\n\
        even = 'total_packets % 2 == 0'\n\
        gap = 'mean(delta(pkt.time))'\n\
        late = 'count(where pkt.index > 2)'\n\
        sum = 'fold(0, acc + pkt.index)'\n\
        who = 'text(src_ip) + \"!\"'\n\
        indices = 'list(pkt.index, limit=2)'\n\
        [sinks.out]\npath = \"out.csv\"\n");
    let expected = expect![[r#"
        src_ip,rate,n,even,gap,late,sum,who,indices
        192.0.2.1,,1,false,,0,1,192.0.2.1!,[1]
        192.0.2.2,2,2,true,1,0,3,192.0.2.2!,"[1,2]"
        192.0.2.3,1.5,3,false,1,1,6,192.0.2.3!,"[1,2]"
        192.0.2.4,1.3333333333333333,4,true,1,2,10,192.0.2.4!,"[1,2]"
        192.0.2.5,1.25,5,false,1,3,15,192.0.2.5!,"[1,2]"
    "#]];
    expected.assert_eq(&read(folder.path(), "out.csv"));
}

#[test]
fn rows_take_their_routes_and_are_counted_once() {
    let (folder, report) = ran("\
        [filters.size]\nroutes = { large = 'total_packets > 3', odd = 'total_packets % 2 == 1', rest = 'else' }\n\
        [filters.one]\ninput = \"size.odd\"\nwhere = 'src_ip == 192.0.2.3'\n\
        [sinks.large]\npath = \"large.csv\"\ninput = \"size.large\"\ncolumns = \"src_ip\"\n\
        [sinks.one]\npath = \"one.csv\"\ninput = \"one\"\ncolumns = \"src_ip\"\n\
        [sinks.both]\npath = \"both.csv\"\ninput = [\"size.rest\", \"size.odd\"]\ncolumns = \"src_ip\"\n\
        [sinks.some]\npath = \"some.csv\"\ninput = \"features\"\nwhere = 'src_ip in [192.0.2.2, 192.0.2.5..192.0.2.9]'\ncolumns = \"dst_ip\"\n");
    let read = |name| read(folder.path(), name);
    assert_eq!(read("large.csv"), "src_ip\n192.0.2.4\n192.0.2.5\n");
    assert_eq!(read("one.csv"), "src_ip\n192.0.2.3\n");
    assert_eq!(
        read("both.csv"),
        "src_ip\n192.0.2.1\n192.0.2.2\n192.0.2.3\n"
    );
    assert_eq!(read("some.csv"), "dst_ip\n192.0.2.53\n192.0.2.53\n");
    let size = &report.books.filters["size"];
    let passed: Vec<(&str, u64)> = size
        .passed
        .iter()
        .map(|(name, rows)| (name.as_str(), *rows))
        .collect();
    assert_eq!(passed, [("large", 2), ("odd", 2), ("rest", 1)]);
    assert_eq!((size.offered, size.copies, size.unrouted), (5, 0, 0));
    let some = report
        .books
        .sinks
        .iter()
        .find(|(name, _)| name.ends_with("some.csv"));
    let some = some.map(|(_, books)| (books.offered, books.filtered, books.written));
    assert_eq!(some, Some((5, 3, 2)));
}

#[test]
fn a_row_may_take_all_its_routes() {
    let (folder, report) = ran("\
        [filters.size]\nmode = \"all\"\nroutes = { large = 'total_packets > 3', odd = 'total_packets % 2 == 1' }\n\
        [sinks.large]\npath = \"large.csv\"\ninput = \"size.large\"\ncolumns = \"src_ip\"\n\
        [sinks.odd]\npath = \"odd.csv\"\ninput = \"size.odd\"\ncolumns = \"src_ip\"\n");
    assert_eq!(
        read(folder.path(), "large.csv"),
        "src_ip\n192.0.2.4\n192.0.2.5\n"
    );
    assert_eq!(
        read(folder.path(), "odd.csv"),
        "src_ip\n192.0.2.1\n192.0.2.3\n192.0.2.5\n"
    );
    let size = &report.books.filters["size"];
    assert_eq!((size.offered, size.copies, size.unrouted), (5, 1, 1));
}

#[test]
fn packets_may_be_left_out_of_all_flows() {
    let (folder, report) = ran("\
        [flows]\nwhere = 'pkt.src_ip in 192.0.2.4/31 and pkt.payload_len == 3'\n\
        [sinks.out]\npath = \"out.csv\"\ncolumns = [\"src_ip\", \"total_packets\"]\n");
    assert_eq!(
        read(folder.path(), "out.csv"),
        "src_ip,total_packets\n192.0.2.4,4\n192.0.2.5,5\n"
    );
    let packets = &report.books.packets;
    assert_eq!(
        (packets.read, packets.used, packets.skipped.total()),
        (15, 9, 6)
    );
}

#[test]
fn what_no_sink_wants_is_not_computed() {
    let text = "spec = 1\n[sources]\npath = \"a.pcap\"\n\
        [features]\ngroups = [\"tls\", \"timing\"]\n\
        [features.derive]\nsni = 'lower(tls_sni)'\nfast = 'packets_fwd / duration'\nlong = 'mean(pkt.len) > 100'\n\
        [filters.some]\nwhere = 'fast > 2'\n\
        [sinks]\npath = \"a.csv\"\ncolumns = [\"iat_mean\"]\n";
    let spec = check(text).unwrap_or_else(|found| panic!("{}", found.text(false)));
    let plan = Plan::new(&spec);
    let features = plan.features().unwrap();
    let columns: Vec<&str> = features.columns().map(|one| one.name.as_str()).collect();
    assert_eq!(columns, ["iat_mean", "duration", "packets_fwd", "fast"]);
    assert_eq!(features.plan.needs().payload, 0);
    let text = explain(&plan);
    assert!(
        text.contains("1 derived") && text.contains("filter   some"),
        "{text}"
    );
}

#[test]
fn faults_of_expressions_are_where_they_are() {
    shows(
        "[features.derive]\na = 'packet_bwd / packets_fwd'\nb = '''\n  count(where pkt.fwd and pkt.len = 0)'''\nc = \"mean(pkt.len where total_bytes > 1)\"\nd = 'e + 1'\ne = 'd - 1'\n\n[sinks]\npath = \"a.csv\"\n",
        &expect![[""]],
    );
    shows(
        "[filters.kinds]\nwhere = 'duration > 5'\nroutes = { tls = 'tls_sni == null', dns = 'dst_port' }\n\n[sinks.a]\npath = \"a.csv\"\n\n[sinks.b]\npath = \"b.csv\"\ninput = \"kinds\"\nwhere = 'pkt.len > 1'\n",
        &expect![[""]],
    );
    shows(
        "[filters.kinds]\nroutes = { tls = 'tls_detected', dns = 'else' }\n\n[filters.more]\ninput = \"more\"\n\n[sinks.a]\npath = \"a.csv\"\n\n[sinks.b]\npath = \"b.csv\"\ninput = \"kinds\"\n\n[sinks.c]\npath = \"c.csv\"\ninput = [\"kinds.tsl\", \"flows\", \"knids\"]\n",
        &expect![[""]],
    );
}
