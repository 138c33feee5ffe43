//! `jayflow test` and the sections `[tests.*]`.

use expect_test::{Expect, expect};
use jayflow::spec::Loaded;
use std::path::{Path, PathBuf};
use std::process::Command;

/// A spec with two tests: an answered DNS query, and a TCP connection with data in both directions.
const SPEC: &str = r#"spec = 1

[sources]
path = "nothing.pcap"

[features]
groups = ["flow_meta", "tcp", "dns"]

[sinks]
path = "never.csv"

[tests.dns]
workers = [1, 4]
rows = 1
packets = [
  { src = "10.0.0.1:5000", dst = "10.0.0.2:53", udp = { payload = "hex:1234 0100 0001 0000 0000 0000 0161 0162 00 0001 0001" } },
  { t = "20ms", src = "10.0.0.2:53", dst = "10.0.0.1:5000", udp = { payload = "hex:1234 8180 0001 0000 0000 0000 0161 0162 00 0001 0001" } },
]
expect = { src_ip = "10.0.0.1", dst_port = 53, protocol = 17, duration = { value = 0.02, abs = 1e-6 }, packets_bwd = ">= 1", dns_query_name = "a.b" }

[tests.tcp]
rows = ">= 2"
packets = [
  { src = "[fd00::1]:4000", dst = "[fd00::2]:443", tcp = { flags = "S" } },
  { src = "[fd00::2]:443", dst = "[fd00::1]:4000", tcp = { flags = "SA", ack = 1 } },
  { src = "[fd00::1]:4000", dst = "[fd00::2]:443", tcp = { seq = 1, ack = 1 } },
  { src = "[fd00::1]:4000", dst = "[fd00::2]:443", tcp = { flags = "PA", seq = 1, ack = 1, payload = "hello" } },
  { src = "10.0.0.1", dst = "10.0.0.2", icmp = { id = 7 } },
]
expect = [
  { src_ip = "fd00::1", tcp_complete_handshake = true, packets_fwd = 3, payload_bytes_fwd = 5, dns_query_type = "null" },
  { protocol = 1 },
]
"#;

fn write(folder: &Path, name: &str, text: &str) {
    std::fs::write(folder.join(name), text).unwrap();
}

/// Standard output and error, and the exit code.
fn test(folder: &Path, arguments: &[&str]) -> (String, Option<i32>) {
    let out = Command::new(env!("CARGO_BIN_EXE_jayflow"))
        .arg("test")
        .args(arguments)
        .current_dir(folder)
        .output()
        .unwrap();
    let text = [out.stdout, out.stderr].concat();
    (String::from_utf8(text).unwrap(), out.status.code())
}

#[test]
fn packets_that_are_written_in_a_spec() {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), "a.toml", SPEC);
    let (text, code) = test(folder.path(), &["a.toml"]);
    assert_eq!(
        (text.as_str(), code),
        (
            "ok   a.toml dns\nok   a.toml tcp\n2 tests, 0 failed\n",
            Some(0)
        )
    );
    let files = std::fs::read_dir(folder.path()).unwrap().count();
    assert_eq!(files, 1, "nothing else is written");
    let (text, code) = test(folder.path(), &["a.toml", "--only", "tc", "-q"]);
    assert_eq!((text.as_str(), code), ("1 test, 0 failed\n", Some(0)));
    let (text, code) = test(folder.path(), &["a.toml", "--only", "xy"]);
    assert_eq!(code, Some(1), "{text}");
    let (text, code) = test(folder.path(), &["b.toml"]);
    assert_eq!(code, Some(2), "{text}");
}

#[test]
fn what_does_not_hold_is_told_with_the_columns_that_differ() {
    let folder = tempfile::tempdir().unwrap();
    let wrong = SPEC
        .replace("rows = 1", "rows = 2")
        .replace("dst_port = 53", "dst_port = 54")
        .replace("\"a.b\"", "\"a.c\"")
        .replace("payload_bytes_fwd = 5", "payload_bytes_fwd = \"< 5\"")
        .replace("protocol = 1 ", "protocol = 2 ");
    write(folder.path(), "a.toml", &wrong);
    let (text, code) = test(folder.path(), &["a.toml"]);
    assert_eq!(code, Some(1));
    expect![[r#"
        FAIL a.toml dns
             rows: 2 expected, found 1
             expect[0]: no row has these values; the nearest is row 1
               column          expected  found
               dst_port        54        53
               dns_query_name  "a.c"     "a.b"
        FAIL a.toml tcp
             expect[0]: no row has these values; the nearest is row 1
               column             expected  found
               payload_bytes_fwd  < 5       5
             expect[1]: no row has these values; the nearest is row 1
               column    expected  found
               protocol  2         6
        2 tests, 2 failed
    "#]]
    .assert_eq(&text);
}

/// Three flows: two DNS queries, of which one is answered, and a TCP connection that is refused.
const FLOWS: &str = r#"spec = 1

[sources]
path = "nothing.pcap"

[features]
groups = ["flow_meta", "dns"]
rename = { dst_port = "Dst Port", share = "Fwd Share" }
duration_unit = "ms"

[features.derive]
share = 'packets_fwd / total_packets'

[filters.kinds]
routes = { udp = 'protocol == 17', tcp = 'else' }

[sinks]
input = "kinds.udp"
path = "never.csv"

[tests.three]
workers = [1, 3]
packets = [
  { src = "10.0.0.1:5000", dst = "10.0.0.2:53", udp = { payload = "hex:1234 0100 0001 0000 0000 0000 0161 0162 00 0001 0001" } },
  { t = "20ms", src = "10.0.0.2:53", dst = "10.0.0.1:5000", udp = {} },
  { t = "30ms", src = "10.0.0.1:5001", dst = "10.0.0.3:53", udp = {} },
  { t = "40ms", src = "10.0.0.1:5002", dst = "10.0.0.4:80", tcp = { flags = "S" } },
  { t = "41ms", src = "10.0.0.4:80", dst = "10.0.0.1:5002", tcp = { flags = "RA" } },
]
"#;

#[test]
fn conditions_over_rows() {
    let folder = tempfile::tempdir().unwrap();
    let right = "rows = 2\n\
        expect = [{ where = 'dst_ip == 10.0.0.2', \"Dst Port\" = 53, duration = 20.0, \"Fwd Share\" = 0.5 }, \
        { where = 'duration < 1s', protocol = 17 }, { dst_ip = \"10.0.0.3\" }]\n\
        none = ['protocol == 6', 'count(where pkt.len > 1000) > 0']\n";
    write(folder.path(), "a.toml", &format!("{FLOWS}{right}"));
    let (text, code) = test(folder.path(), &["a.toml"]);
    let ok = "ok   a.toml three\n1 test, 0 failed\n";
    assert_eq!((text.as_str(), code), (ok, Some(0)));
    // any node that gives rows
    for (at, rows) in [("features", 3), ("kinds.tcp", 1), ("kinds.udp", 2)] {
        let more = format!("at = \"{at}\"\nrows = {rows}\n");
        write(folder.path(), "a.toml", &format!("{FLOWS}{more}"));
        assert_eq!(test(folder.path(), &["a.toml", "-q"]).1, Some(0), "{at}");
    }
    let wrong = "at = \"features\"\n\
        expect = [{ where = 'protocol == 17', duration = \"> 1\", dst_ip = \"10.0.0.2\" }, { where = 'dst_port == 22', protocol = 6 }]\n\
        none = ['share == 1.0 or duration > 15ms', 'protocol == 1', 'dns_query_name is not null']\n";
    write(folder.path(), "a.toml", &format!("{FLOWS}{wrong}"));
    let (text, code) = test(folder.path(), &["a.toml"]);
    assert_eq!(code, Some(1));
    expect![[r#"
        FAIL a.toml three
             expect[0]: 1 of the 2 rows for which `where` is true have other values
               column    expected    found
               duration  > 1         0.0
               dst_ip    "10.0.0.2"  "10.0.0.3"
             expect[1]: `where` is true for no row
             none[0]: `share == 1.0 or duration > 15ms` is true for 2 rows
               Fwd Share 0.5, duration 20.0
               Fwd Share 1.0, duration 0.0
             none[2]: `dns_query_name is not null` is true for 1 rows
               dns_query_name "a.b"
        1 test, 1 failed
    "#]]
    .assert_eq(&text);
}

#[test]
fn captures_and_golden_files() {
    let folder = tempfile::tempdir().unwrap();
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let spec = "spec = 1\n[sources]\npath = \"x\"\n[features]\ngroups = \"flow_meta\"\n[sinks]\npath = \"x.csv\"\n";
    write(folder.path(), "a.toml", spec);
    let sample = root.join("examples/sample.pcap");
    let tests = format!(
        "[tests.sample]\ninput = \"{}\"\ngolden = \"golden.csv\"\nworkers = [1, 2]\n",
        sample.display()
    );
    write(folder.path(), "a_test.toml", &tests);
    let (text, code) = test(folder.path(), &["a.toml"]);
    assert_eq!(code, Some(1));
    assert!(text.contains("golden.csv`; `--bless` writes it"), "{text}");
    assert_eq!(test(folder.path(), &["a.toml", "--bless"]).1, Some(0));
    assert_eq!(test(folder.path(), &["a.toml"]).1, Some(0));
    // Some columns are enough, and stay those when the file is written again.
    let golden = std::fs::read_to_string(folder.path().join("golden.csv")).unwrap();
    let header = golden.lines().next().unwrap();
    assert!(header.starts_with("src_ip,"), "{header}");
    let first = |line: &str| line.split(',').next().unwrap().to_owned();
    let few: String = golden.lines().map(|line| first(line) + "\n").collect();
    write(folder.path(), "golden.csv", &few);
    assert_eq!(test(folder.path(), &["a.toml", "--bless"]).1, Some(0));
    let again = std::fs::read_to_string(folder.path().join("golden.csv")).unwrap();
    assert_eq!(again, few);
    write(
        folder.path(),
        "golden.csv",
        &few.replacen("src_ip\n", "src_ip\n1.2.3.4\n", 1),
    );
    let (text, code) = test(folder.path(), &["a.toml"]);
    assert_eq!(code, Some(1));
    assert!(text.contains("rows expected, found"), "{text}");
    assert!(text.contains("src_ip  1.2.3.4"), "{text}");
    // A test of a capture that is not there does not hold.
    write(
        folder.path(),
        "a_test.toml",
        "[tests.none]\ninput = \"none.pcap\"\nrows = \">= 0\"\n",
    );
    let (text, code) = test(folder.path(), &["a.toml"]);
    assert_eq!(code, Some(1));
    assert!(text.contains("there is no file"), "{text}");
    write(folder.path(), "a_test.toml", "[tests.sample]\n");
    assert_eq!(test(folder.path(), &["a.toml"]).1, Some(2));
}

#[test]
fn wrong_tests() {
    let shows = |tests: &str, expected: &Expect| {
        let text = format!("spec = 1\n[sources]\npath = \"a\"\n[sinks]\npath = \"a.csv\"\n{tests}");
        let loaded = Loaded::text("spec.toml", text, PathBuf::new()).unwrap();
        expected.assert_eq(&loaded.check().unwrap_err().text(false));
    };
    shows(
        "[tests.a]\n[tests.b]\ninput = \"x\"\npackets = { src = \"10.0.0.1:1\", dst = \"fd00::1\", udp = {} }\nrows = \"many\"\nworkers = 0\n[tests.c]\npackets = [{ src = \"10.0.0.1\", dst = \"10.0.0.2\", icmp = {} }, { scr = \"x\", tcp = { flags = \"X\" } }]\nrows = 1\n[tests]\nrows = 1\n",
        &expect![[r#"
            error[E0803]: the test `a` has nothing to read
             --> spec.toml:6:8 (tests.a)
              |
            6 | [tests.a]
              |        ^
              = help: name a capture, `input`, or write `packets`
              = see `jayflow help E0803`

            error[E0802]: the test `a` says nothing about its rows
             --> spec.toml:6:8 (tests.a)
              |
            6 | [tests.a]
              |        ^
              = help: write `rows`, `expect`, `none`, `assert` or `golden`
              = see `jayflow help E0802`

            error[E0803]: the test `b` has both `input` and `packets`
             --> spec.toml:9:1 (tests.b.packets)
              |
            9 | packets = { src = "10.0.0.1:1", dst = "fd00::1", udp = {} }
              | ^^^^^^^
              = help: make two tests of it
              = see `jayflow help E0803`

            error[E0804]: the packet cannot be made: its ends need ports: `10.0.0.1:5000`
             --> spec.toml:9:11 (tests.b.packets[0])
              |
            9 | packets = { src = "10.0.0.1:1", dst = "fd00::1", udp = {} }
              |           ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
              = help: e.g. `{ src = "10.0.0.1:5000", dst = "10.0.0.2:53", udp = { payload = "hex:00" } }`
              = see `jayflow help E0804`

            error[E0008]: expected a whole number, or a comparison such as ">= 1", found "many"
              --> spec.toml:10:8 (tests.b.rows)
               |
            10 | rows = "many"
               |        ^^^^^^
               = help: `rows`: How many rows there are: `3`, or `">= 1"`
               = see `jayflow help E0008`

            error[E0008]: expected numbers of 1 or more
              --> spec.toml:11:11 (tests.b.workers)
               |
            11 | workers = 0
               |           ^
               = help: write the numbers of workers to run with, such as `[1, 4]`
               = see `jayflow help E0008`

            error[E0005]: unknown key `scr`
              --> spec.toml:13:65 (tests.c.packets[1].scr)
               |
            13 | packets = [{ src = "10.0.0.1", dst = "10.0.0.2", icmp = {} }, { scr = "x", tcp = { flags = "X" } }]
               |                                                                 ^^^
               = help: did you mean `src`?
               = see `jayflow help E0005`

            error[E0007]: expected a table, found an integer
              --> spec.toml:16:8 (tests.rows)
               |
            16 | rows = 1
               |        ^
               = help: write `[tests.rows]` and its keys below
               = see `jayflow help E0007`
        "#]],
    );
    shows(
        "[tests.a]\ninput = \"x\"\nat = \"feature\"\nexpect = [{ dst_prot = 1, dst_ip = 5, duration = \"long\", tcp_syn_count = true }, { src_port = { value = 1, within = 2 } }]\n[tests.b]\ninput = \"x\"\nexpect = { protocol = [6], nothing_like_it = 1 }\n",
        &expect![[r#"
            error[E0801]: no node `feature` gives rows
             --> spec.toml:8:6 (tests.a.at)
              |
            8 | at = "feature"
              |      ^^^^^^^^^
              = help: did you mean `features`?
              = see `jayflow help E0801`

            error[E0801]: the rows have no column `dst_prot`
             --> spec.toml:9:13 (tests.a.expect[0].dst_prot)
              |
            9 | expect = [{ dst_prot = 1, dst_ip = 5, duration = "long", tcp_syn_count = true }, { src_port = { value = 1, within = 2 } }]
              |             ^^^^^^^^
              = help: did you mean `dst_port`?
              = see `jayflow help E0801`

            error[E0007]: expected text, "null", or `{ value = "null" }` for that word, found an integer
             --> spec.toml:9:36 (tests.a.expect[0].dst_ip)
              |
            9 | expect = [{ dst_prot = 1, dst_ip = 5, duration = "long", tcp_syn_count = true }, { src_port = { value = 1, within = 2 } }]
              |                                    ^
              = help: `dst_ip`: Responder address.
              = see `jayflow help E0007`

            error[E0007]: expected a number, a comparison such as ">= 20", or "null", found text
             --> spec.toml:9:50 (tests.a.expect[0].duration)
              |
            9 | expect = [{ dst_prot = 1, dst_ip = 5, duration = "long", tcp_syn_count = true }, { src_port = { value = 1, within = 2 } }]
              |                                                  ^^^^^^
              = help: `duration`: end_time - start_time.
              = see `jayflow help E0007`

            error[E0007]: expected a number, a comparison such as ">= 20", or "null", found a boolean
             --> spec.toml:9:74 (tests.a.expect[0].tcp_syn_count)
              |
            9 | expect = [{ dst_prot = 1, dst_ip = 5, duration = "long", tcp_syn_count = true }, { src_port = { value = 1, within = 2 } }]
              |                                                                          ^^^^
              = help: `tcp_syn_count`: Packets with SYN set and ACK clear.
              = see `jayflow help E0007`

            error[E0007]: expected a value, or a table `{ value, abs }`, found a table
             --> spec.toml:9:95 (tests.a.expect[1].src_port)
              |
            9 | expect = [{ dst_prot = 1, dst_ip = 5, duration = "long", tcp_syn_count = true }, { src_port = { value = 1, within = 2 } }]
              |                                                                                               ^^^^^^^^^^^^^^^^^^^^^^^^^
              = help: `src_port`: Initiator transport port (TCP, UDP, DCCP, SCTP, UDP-Lite); 0 for other protocols or where it was not captured.
              = see `jayflow help E0007`

            error[E0007]: expected a number, a comparison such as ">= 20", or "null", found a list
              --> spec.toml:12:23 (tests.b.expect.protocol)
               |
            12 | expect = { protocol = [6], nothing_like_it = 1 }
               |                       ^^^
               = help: `protocol`: IP protocol number of the flow key: for IPv6 the upper-layer protocol after extension headers.
               = see `jayflow help E0007`

            error[E0801]: the rows have no column `nothing_like_it`
              --> spec.toml:12:28 (tests.b.expect.nothing_like_it)
               |
            12 | expect = { protocol = [6], nothing_like_it = 1 }
               |                            ^^^^^^^^^^^^^^^
               = help: `jayflow explain` lists the columns of the rows
               = see `jayflow help E0801`
        "#]],
    );
    shows(
        "[filters.a]\nroutes = { tls = 'dst_port == 443', rest = 'else' }\n\
        [tests.t]\ninput = \"x\"\nat = \"a\"\nexpect = { where = 'dst_prot == 1', protocol = 6 }\n\
        none = ['protocol', \"src_port = 1\"]\n[tests.b]\ninput = \"x\"\nexpect = [{ where = 'true' }]\nnone = []\n",
        &expect![[r#"
            error[E0201]: unknown field `dst_prot`
              --> spec.toml:11:21 (tests.t.expect.where)
               |
            11 | expect = { where = 'dst_prot == 1', protocol = 6 }
               |                     ^^^^^^^^
               = help: did you mean `dst_port`?
               = see `jayflow help E0201`

            error[E0204]: `none` needs a condition, found int
              --> spec.toml:12:10 (tests.t.none[0])
               |
            12 | none = ['protocol', "src_port = 1"]
               |          ^^^^^^^^
               = help: compare it: `protocol > 0`
               = see `jayflow help E0204`

            error[E0100]: `=` is not an operator
              --> spec.toml:12:31 (tests.t.none[1])
               |
            12 | none = ['protocol', "src_port = 1"]
               |                               ^
               = help: compare with `==`
               = see `jayflow help E0100`
        "#]],
    );
    shows(
        "input = \"a.tls\"\n[filters.a]\nroutes = { tls = 'dst_port == 443', rest = 'else' }\n\
        [tests.t]\ninput = \"x\"\nat = \"a\"\nexpect = { src_prt = 6 }\n",
        &expect![[r#"
            error[E0801]: no node `a` gives rows
              --> spec.toml:11:6 (tests.t.at)
               |
            11 | at = "a"
               |      ^^^
               = help: rows are given by `features`, `a.tls`, `a.rest`
               = see `jayflow help E0801`

            error[E0801]: the rows have no column `src_prt`
              --> spec.toml:12:12 (tests.t.expect.src_prt)
               |
            12 | expect = { src_prt = 6 }
               |            ^^^^^^^
               = help: did you mean `src_port`?
               = see `jayflow help E0801`
        "#]],
    );
    let two = "spec = 1\n[sources]\npath = \"a\"\n[filters.f]\nwhere = 'protocol == 6'\n[sinks.a]\ninput = \"f\"\npath = \"a.csv\"\n\
        [sinks.b]\ninput = \"features\"\npath = \"b.csv\"\n[tests.t]\ninput = \"x\"\nrows = 1\n";
    let loaded = Loaded::text("spec.toml", two.to_owned(), PathBuf::new()).unwrap();
    expect![[r#"
        error[E0303]: the test `t` could look at `features`, `f`
          --> spec.toml:12:8 (tests.t.at)
           |
        12 | [tests.t]
           |        ^
           = help: the sinks read different rows: say which, `at = "..."`
           = see `jayflow help E0303`
    "#]]
    .assert_eq(&loaded.check().unwrap_err().text(false));
}

/// Three flows; `dst_port` of two of them is 53.
const THREE: &str = r#"packets = [
  { src = "10.0.0.1:5000", dst = "10.0.0.2:53", udp = { payload = "ab" } },
  { src = "10.0.0.1:5001", dst = "10.0.0.2:53", udp = {} },
  { src = "10.0.0.1:5002", dst = "10.0.0.3:80", tcp = { flags = "S" } },
]
"#;

#[test]
fn assertions_are_over_all_rows_together() {
    let folder = tempfile::tempdir().unwrap();
    let spec = |assert: &str| {
        let text = format!(
            "spec = 1\n[sources]\npath = \"nothing.pcap\"\n[features.derive]\nlong = 'total_bytes > 29'\n\
            [filters.kind]\nroutes = {{ udp = 'protocol == 17', none = 'protocol == 1', rest = 'else' }}\n\
            [sinks.a]\ninput = \"kind.rest\"\npath = \"never.csv\"\n[sinks.b]\ninput = [\"kind.udp\", \"kind.none\"]\npath = \"b.csv\"\n\
            [tests.one]\nworkers = [1, 3]\n{assert}\n{THREE}"
        );
        write(folder.path(), "a.toml", &text);
        test(folder.path(), &["a.toml"])
    };
    let right = "at = \"features\"\nassert = ['count() == distinct(src_port)', 'count(where dst_port == 53) == 2 and any(long)', \
        'mean(dst_port) > 53', 'mode(dst_ip) == 10.0.0.2', 'max(total_packets) is not null', 'count() == distinct(flow_id)', \
        'distinct(flow_id where dst_port == 53) == 2 and count(flow_id) == 3', 'min(len(hex(flow_id))) == 32']";
    assert_eq!(
        spec(right),
        ("ok   a.toml one\n1 test, 0 failed\n".to_owned(), Some(0))
    );
    let wrong = "at = \"kind.udp\"\nassert = ['count() == distinct(dst_ip)', 'all(long)', 'min(total_bytes) < quantile(dst_port, 0.5)', 'mean(total_bytes) / 0 > 1']";
    expect![[r#"
        FAIL a.toml one
             assert[0]: `count() == distinct(dst_ip)` is false: count() is 2, distinct(dst_ip) is 1
             assert[1]: `all(long)` is false
             assert[3]: `mean(total_bytes) / 0 > 1` is null: mean(total_bytes) / 0 is null, 1 is 1
        1 test, 1 failed
    "#]]
    .assert_eq(&spec(wrong).0);
    // of no rows
    let none = "at = \"kind.none\"\nassert = ['count() == 0 and sum(total_bytes) == 0 and max(dst_port) is null', 'max(dst_port) > 1', 'count() > 0']";
    expect![[r#"
        FAIL a.toml one
             assert[1]: `max(dst_port) > 1` is null: max(dst_port) is null, 1 is 1
             assert[2]: `count() > 0` is false: count() is 0, 0 is 0
        1 test, 1 failed
    "#]]
    .assert_eq(&spec(none).0);
    let faults = "at = \"features\"\nassert = ['dst_port == 53', 'count()', 'count() == distnct(src_port)', 'count() = 1', 'lower(mode(tls_sni)) == \"a\"']";
    expect![[r#"
        error[E0201]: `dst_port` is not grouped by: a group has many values of it
          --> a.toml:17:12 (tests.one.assert[0])
           |
        17 | assert = ['dst_port == 53', 'count()', 'count() == distnct(src_port)', 'count() = 1', 'lower(mode(tls_sni)) == "a"']
           |            ^^^^^^^^
           = help: aggregate it, e.g. `max(dst_port)`, `distinct(dst_port)` or `first(dst_port)`
           = see `jayflow help E0201`

        error[E0204]: `assert` needs a condition, found int
          --> a.toml:17:30 (tests.one.assert[1])
           |
        17 | assert = ['dst_port == 53', 'count()', 'count() == distnct(src_port)', 'count() = 1', 'lower(mode(tls_sni)) == "a"']
           |                              ^^^^^^^
           = see `jayflow help E0204`

        error[E0109]: unknown function `distnct`
          --> a.toml:17:52 (tests.one.assert[2])
           |
        17 | assert = ['dst_port == 53', 'count()', 'count() == distnct(src_port)', 'count() = 1', 'lower(mode(tls_sni)) == "a"']
           |                                                    ^^^^^^^
           = help: docs/SPEC.md lists the functions
           = see `jayflow help E0109`

        error[E0100]: `=` is not an operator
          --> a.toml:17:81 (tests.one.assert[3])
           |
        17 | assert = ['dst_port == 53', 'count()', 'count() == distnct(src_port)', 'count() = 1', 'lower(mode(tls_sni)) == "a"']
           |                                                                                 ^
           = help: compare with `==`
           = see `jayflow help E0100`

        error[E0607]: texts and addresses that are joined or grouped can only be compared, by `==` and `!=`
          --> a.toml:17:88 (tests.one.assert[4])
           |
        17 | assert = ['dst_port == 53', 'count()', 'count() == distnct(src_port)', 'count() = 1', 'lower(mode(tls_sni)) == "a"']
           |                                                                                        ^^^^^^^^^^^^^^^^^^^^^^^^^^^
           = help: compare it in `where`, before rows are grouped
           = see `jayflow help E0607`
    "#]].assert_eq(&spec(faults).0);
}
