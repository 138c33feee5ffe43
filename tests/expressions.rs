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
        192.0.2.2,2.0,2,true,1.0,0,3,192.0.2.2!,"[1,2]"
        192.0.2.3,1.5,3,false,1.0,1,6,192.0.2.3!,"[1,2]"
        192.0.2.4,1.3333333333333333,4,true,1.0,2,10,192.0.2.4!,"[1,2]"
        192.0.2.5,1.25,5,false,1.0,3,15,192.0.2.5!,"[1,2]"
    "#]];
    expected.assert_eq(&read(folder.path(), "out.csv"));
}

#[test]
fn rows_take_their_routes_and_are_counted_once() {
    let (folder, report) = ran("\
        [filters.size]\nroutes = { large = 'total_packets > 3', odd = 'total_packets % 2 == 1', rest = 'else' }\n\
        [filters.one]\ninput = \"size.odd\"\nwhere = 'src_ip == 192.0.2.3'\n\
        [sinks.large]\npath = \"large.csv\"\ninput = \"size.large\"\ncolumns = \"src_ip\"\n\
        [sinks.third]\npath = \"one.csv\"\ninput = \"one\"\ncolumns = \"src_ip\"\n\
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
    let columns: Vec<&str> = features.columns().map(|one| &*one.name).collect();
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
        &expect![[r#"
            error[E0100]: `=` is not an operator
             --> spec.toml:9:35 (features.derive.b)
              |
            9 |   count(where pkt.fwd and pkt.len = 0)'''
              |                                   ^
              = help: compare with `==`
              = see `jayflow help E0100`

            error[E0305]: `d` depends on itself: d -> e -> d
              --> spec.toml:11:6 (features.derive.d)
               |
            11 | d = 'e + 1'
               |      ^
               = help: break the loop at one of them
               = see `jayflow help E0305`
        "#]],
    );
    shows(
        "[filters.kinds]\nwhere = 'duration > 5'\nroutes = { tls = 'tls_sni == null', dns = 'dst_port' }\n\n[sinks.a]\npath = \"a.csv\"\n\n[sinks.b]\npath = \"b.csv\"\ninput = \"kinds\"\nwhere = 'pkt.len > 1'\n",
        &expect![[r#"
            error[E0212]: a duration needs a unit
             --> spec.toml:7:21 (filters.kinds.where)
              |
            7 | where = 'duration > 5'
              |                     ^
              = help: write `5s` (seconds) or `5ms`
              = see `jayflow help E0212`

            warning[W0402]: rows that no route of `kinds` takes are left out
             --> spec.toml:8:1 (filters.kinds.routes)
              |
            8 | routes = { tls = 'tls_sni == null', dns = 'dst_port' }
              | ^^^^^^
              = help: add a route with `else`, or let this be so: they are counted
              = see `jayflow help W0402`

            error[E0208]: a comparison with null is always null
             --> spec.toml:8:19 (filters.kinds.routes.tls)
              |
            8 | routes = { tls = 'tls_sni == null', dns = 'dst_port' }
              |                   ^^^^^^^^^^^^^^^
              = help: write `tls_sni is null`
              = see `jayflow help E0208`

            error[E0204]: a route needs a condition, found int
             --> spec.toml:8:44 (filters.kinds.routes.dns)
              |
            8 | routes = { tls = 'tls_sni == null', dns = 'dst_port' }
              |                                            ^^^^^^^^
              = help: compare it: `dst_port > 0`
              = see `jayflow help E0204`

            error[E0210]: a packet field has no single value for a flow
              --> spec.toml:16:10 (sinks.b.where)
               |
            16 | where = 'pkt.len > 1'
               |          ^^^^^^^
               = help: aggregate it: `mean(pkt.len)`, `first(pkt.len)`, `sum(pkt.len)`
               = see `jayflow help E0210`
        "#]],
    );
    shows(
        "[filters.kinds]\nroutes = { tls = 'tls_detected', dns = 'else' }\n\n[filters.more]\ninput = \"more\"\n\n[sinks.a]\npath = \"a.csv\"\n\n[sinks.b]\npath = \"b.csv\"\ninput = \"kinds\"\n\n[sinks.c]\npath = \"c.csv\"\ninput = [\"kinds.tsl\", \"flows\", \"knids\"]\n",
        &expect![[r#"
            error[E0305]: `more` reads itself: more -> more
              --> spec.toml:10:9 (filters.more.input)
               |
            10 | input = "more"
               |         ^^^^^^
               = help: read another node
               = see `jayflow help E0305`

            error[E0303]: `a` could read `kinds.tls`, `kinds.dns`, `more`
              --> spec.toml:12:8 (sinks.a.input)
               |
            12 | [sinks.a]
               |        ^
               = help: name one, or a list of them: `input = "..."`
               = see `jayflow help E0303`

            error[E0303]: `kinds` has several outputs
              --> spec.toml:17:9 (sinks.b.input)
               |
            17 | input = "kinds"
               |         ^^^^^^^
               = help: name one: `kinds.tls`, `kinds.dns`
               = see `jayflow help E0303`

            error[E0302]: `kinds` has no output `tsl`
              --> spec.toml:21:10 (sinks.c.input[0])
               |
            21 | input = ["kinds.tsl", "flows", "knids"]
               |          ^^^^^^^^^^^
               = help: its outputs are `kinds.tls`, `kinds.dns`; add `tsl = 'else'`
               = see `jayflow help E0302`

            error[E0304]: a sink writes rows, and `flows` gives flow records
              --> spec.toml:21:23 (sinks.c.input[1])
               |
            21 | input = ["kinds.tsl", "flows", "knids"]
               |                       ^^^^^^^
               = help: read `features`, `kinds.tls`, `kinds.dns`, `more` here
               = see `jayflow help E0304`

            error[E0302]: no node is named `knids`
              --> spec.toml:21:32 (sinks.c.input[2])
               |
            21 | input = ["kinds.tsl", "flows", "knids"]
               |                                ^^^^^^^
               = help: read `features`, `kinds.tls`, `kinds.dns`, `more` here
               = see `jayflow help E0302`
        "#]],
    );
}
