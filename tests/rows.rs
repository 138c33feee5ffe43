//! What sinks see of rows: the order and names of columns, the unit of durations, the form of sequences.

use expect_test::{Expect, expect};
use jayflow::spec::{Diagnostics, Loaded, Spec};
use jayflow::{Control, Plan, Report, run};
use std::path::{Path, PathBuf};

fn check(text: &str) -> Result<Spec, Diagnostics> {
    Loaded::text("spec.toml", text, PathBuf::new())?.check()
}

/// What is wrong with a spec that ends so.
fn shows(rest: &str, expected: &Expect) {
    let text =
        format!("spec = 1\n[sources]\npath = \"a.pcap\"\n[sinks.out]\npath = \"out.csv\"\n{rest}");
    let found = check(&text).expect_err("the spec is wrong");
    expected.assert_eq(&found.text(false));
}

fn capture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/captures")
        .join(name)
}

/// A folder after a run of this spec over a capture.
fn ran(input: &Path, spec: &str) -> (tempfile::TempDir, Report) {
    let folder = tempfile::tempdir().unwrap();
    let text = format!("spec = 1\n[sources]\npath = '{}'\n{spec}", input.display());
    std::fs::write(folder.path().join("spec.toml"), text).unwrap();
    let loaded = Loaded::file(&folder.path().join("spec.toml"))
        .unwrap()
        .unwrap();
    let spec = loaded
        .check()
        .unwrap_or_else(|found| panic!("{}", found.text(false)));
    let report = run(&Plan::new(&spec), &Control::default()).unwrap();
    assert_eq!(report.books.imbalances(), Vec::<String>::new());
    (folder, report)
}

fn read(folder: &Path, name: &str) -> String {
    std::fs::read_to_string(folder.join(name)).unwrap()
}

const FORM: &str = r#"
[features]
only = ["dst_port", "duration", "total_bytes"]
order = ["size", "dst_port", "*"]
rename = { size = "Packet Size", dst_port = "Dst Port", rate = "Flow Bytes/s", protocol = "protocol_name", gap = "duration" , duration = "Flow Duration" }
duration_unit = "us"

[features.derive]
rate = 'total_bytes / duration'
size = 'total_bytes / total_packets'
gap = 'max(pkt.iat)'
protocol_name = 'if protocol == 6 then "tcp" else "other"'

[filters.long]
where = 'duration > 1s and rate > 0.0'
"#;

#[test]
fn sinks_see_names_order_and_unit() {
    let spec = FORM.replace(", protocol = \"protocol_name\"", "");
    let (folder, _) = ran(
        &capture("few.pcap"),
        &format!(
            "{spec}\n[sinks.all]\ninput = \"long\"\npath = \"all.csv\"\n\
        [sinks.few]\ninput = \"features\"\npath = \"few.jsonl\"\ncolumns = [\"Flow*\", \"duration\"]\nwhere = 'gap > 4s'\n"
        ),
    );
    let expected = expect![[r#"
        Packet Size,Dst Port,Flow Duration,total_bytes,Flow Bytes/s,duration,protocol_name
        60.15384615384615,7,4502009.0,782,173.7002302749728,4000424.0,tcp
        55.945945945945944,7,1085702.0,2070,1906.6005220585391,120454.0,tcp
        60.0,4444,3062420.0,240,78.36939413927547,1023990.0,tcp
        104.75,0,69071555.0,2933,42.46321079639802,52657470.0,other
        75.94594594594595,7,1085725.0,2810,2588.132353957033,120433.0,tcp
        40.0,0,10672114.0,160,14.992343597529036,8895990.0,other
        142.8,5353,9705612.0,1428,147.13137100473415,8000837.0,other
        40.0,0,4528099.0,160,35.334916484820674,3727899.0,other
        73.0,5353,1001445.0,146,145.789334411775,1001445.0,other
        58.625,7,3000950.0,469,156.2838434495743,3000383.0,tcp
    "#]];
    expected.assert_eq(&read(folder.path(), "all.csv"));
    let expected = expect![[r#"
        {"Flow Duration":4502009.0,"Flow Bytes/s":173.7002302749728,"duration":4000424.0}
        {"Flow Duration":69071555.0,"Flow Bytes/s":42.46321079639802,"duration":52657470.0}
        {"Flow Duration":10672114.0,"Flow Bytes/s":14.992343597529036,"duration":8895990.0}
        {"Flow Duration":9705612.0,"Flow Bytes/s":147.13137100473415,"duration":8000837.0}
    "#]];
    expected.assert_eq(&read(folder.path(), "few.jsonl"));
}

#[test]
fn ids_are_read_where_no_row_has_them() {
    let spec = |share: f64, switch: &str, columns: &str| {
        format!(
            "[features]\ngroups = [\"flow_meta\"]\n{switch}\nderive.id = 'hex(flow_id)'\n[filters.some]\nsample = {share:?}\n\
            [sinks.out]\ninput = \"some\"\npath = \"out.csv\"\ncolumns = [{columns}]\n"
        )
    };
    let rows = |share: f64, switch: &str, columns: &str| {
        let (folder, _) = ran(&capture("few.pcap"), &spec(share, switch, columns));
        let text = read(folder.path(), "out.csv");
        let mut lines: Vec<String> = text.lines().skip(1).map(str::to_owned).collect();
        lines.sort_unstable();
        lines
    };
    let written = rows(0.5, "flow_id = true", "\"flow_id\"");
    let derived = rows(0.5, "", "\"id\"");
    assert_eq!(derived, written);
    let all = rows(1.0, "", "\"id\"");
    assert!(
        !derived.is_empty() && derived.len() < all.len(),
        "{derived:?}"
    );
    assert!(derived.iter().all(|id| id.len() == 32));
}

#[test]
fn durations_have_the_unit_everywhere() {
    let spec = |unit: &str, more: &str| {
        format!(
            "[features]\nonly = [\"duration\", \"iat_mean\", \"iat_sequence\", \"splt_times\", \"total_bytes\"]\n\
            raw_sequences = true\nsplt = true\nmax_sequence_length = 3\nduration_unit = \"{unit}\"\n{more}\n\
            [features.derive]\ngaps = 'list(pkt.iat, limit=2)'\n[sinks.out]\npath = \"out.csv\"\n"
        )
    };
    for (unit, expected) in [
        (
            "s",
            expect![[r#"
            duration,total_bytes,iat_mean,iat_sequence,splt_times,gaps
            0.743607,464,0.247869,"[0.000017,0.299625,0.443965]","[0.0,0.000017,0.299625]","[0.000017,0.299625]"
            0.0,72,,"[-1.0,-1.0,-1.0]","[0.0,-1.0,-1.0]",[]
            0.0,72,,"[-1.0,-1.0,-1.0]","[0.0,-1.0,-1.0]",[]
        "#]],
        ),
        (
            "ms",
            expect![[r#"
            duration,total_bytes,iat_mean,iat_sequence,splt_times,gaps
            743.607,464,247.869,"[0.017,299.625,443.965]","[0.0,0.017,299.625]","[0.017,299.625]"
            0.0,72,,"[-1.0,-1.0,-1.0]","[0.0,-1.0,-1.0]",[]
            0.0,72,,"[-1.0,-1.0,-1.0]","[0.0,-1.0,-1.0]",[]
        "#]],
        ),
        (
            "us",
            expect![[r#"
            duration,total_bytes,iat_mean,iat_sequence,splt_times,gaps
            743607.0,464,247869.0,"[17.0,299625.0,443965.0]","[0.0,17.0,299625.0]","[17.0,299625.0]"
            0.0,72,,"[-1.0,-1.0,-1.0]","[0.0,-1.0,-1.0]",[]
            0.0,72,,"[-1.0,-1.0,-1.0]","[0.0,-1.0,-1.0]",[]
        "#]],
        ),
        (
            "ns",
            expect![[r#"
            duration,total_bytes,iat_mean,iat_sequence,splt_times,gaps
            743607000,464,247869000,"[17000,299625000,443965000]","[0,17000,299625000]","[17000,299625000]"
            0,72,,"[-1,-1,-1]","[0,-1,-1]",[]
            0,72,,"[-1,-1,-1]","[0,-1,-1]",[]
        "#]],
        ),
    ] {
        let (folder, _) = ran(&capture("few.pcap"), &spec(unit, "pad = -1"));
        let out = read(folder.path(), "out.csv");
        let lines: Vec<&str> = out.lines().take(4).collect();
        expected.assert_eq(&(lines.join("\n") + "\n"));
    }
    let (folder, _) = ran(&capture("few.pcap"), &spec("ns", "explode = true"));
    let out = read(folder.path(), "out.csv");
    let lines: Vec<&str> = out.lines().take(3).collect();
    let expected = expect![[r#"
        duration,total_bytes,iat_mean,iat_sequence_0,iat_sequence_1,iat_sequence_2,splt_times_0,splt_times_1,splt_times_2,gaps
        743607000,464,247869000,17000,299625000,443965000,0,17000,299625000,"[17000,299625000]"
        0,72,,,,,0,,,[]
    "#]];
    expected.assert_eq(&(lines.join("\n") + "\n"));
    // the unit and the type are in what describes the columns
    let checked = check(&format!(
        "spec = 1\n[sources]\npath = \"a.pcap\"\n{}",
        spec("ns", "")
    ));
    let checked = checked.unwrap_or_else(|found| panic!("{}", found.text(false)));
    let units: Vec<String> = Plan::new(&checked)
        .sinks()
        .flat_map(|(_, sink)| sink.schema.clone())
        .map(|one| format!("{} {} {:?}", one.name, one.unit, one.data_type))
        .collect();
    let expected = expect![[r#"
        duration ns I64
        total_bytes bytes U64
        iat_mean ns I64
        iat_sequence ns List(I64)
        splt_times ns List(I64)
        gaps ns List(I64)
    "#]];
    expected.assert_eq(&(units.join("\n") + "\n"));
}

#[test]
fn names_are_said_where_they_are_wrong() {
    shows(
        "[features]\nonly = [\"src_ip\", \"dst_ip\"]\norder = [\"Src\", \"dst_pi\"]\n\
        rename = { src_ip = \"Src\", dst_port = \"Dst\" }\n[features.derive]\nsame = 'Src == dst_ip'\n",
        &expect![[r#"
            error[E0201]: `Src` is what sinks call `src_ip`
             --> spec.toml:8:10 (features.order[0])
              |
            8 | order = ["Src", "dst_pi"]
              |          ^^^^^
              = help: `[features]` knows the old name: `src_ip`
              = see `jayflow help E0201`

            error[E0201]: `dst_pi` is none of the columns that the other settings leave
             --> spec.toml:8:17 (features.order[1])
              |
            8 | order = ["Src", "dst_pi"]
              |                 ^^^^^^^^
              = help: did you mean `dst_ip`?
              = see `jayflow help E0201`

            error[E0201]: `dst_port` is none of the columns that the other settings leave
             --> spec.toml:9:28 (features.rename.dst_port)
              |
            9 | rename = { src_ip = "Src", dst_port = "Dst" }
              |                            ^^^^^^^^
              = help: `jayflow schema --output SPEC` lists the columns there are
              = see `jayflow help E0201`

            error[E0201]: `Src` is what sinks call `src_ip`
              --> spec.toml:11:9 (features.derive.same)
               |
            11 | same = 'Src == dst_ip'
               |         ^^^
               = help: expressions know the old name: `src_ip`
               = see `jayflow help E0201`
        "#]],
    );
    shows(
        "[features]\nonly = [\"src_ip\", \"dst_ip\"]\norder = [\"from\", \"dst_pi\"]\n\
        rename = { src_ip = \"from\", dst_port = \"Dst\", dst_ip = \"from\" }\n",
        &expect![[r#"
            error[E0201]: `from` is what sinks call `src_ip`
             --> spec.toml:8:10 (features.order[0])
              |
            8 | order = ["from", "dst_pi"]
              |          ^^^^^^
              = help: `[features]` knows the old name: `src_ip`
              = see `jayflow help E0201`

            error[E0201]: `dst_pi` is none of the columns that the other settings leave
             --> spec.toml:8:18 (features.order[1])
              |
            8 | order = ["from", "dst_pi"]
              |                  ^^^^^^^^
              = help: did you mean `dst_ip`?
              = see `jayflow help E0201`

            error[E0201]: `dst_port` is none of the columns that the other settings leave
             --> spec.toml:9:29 (features.rename.dst_port)
              |
            9 | rename = { src_ip = "from", dst_port = "Dst", dst_ip = "from" }
              |                             ^^^^^^^^
              = help: `jayflow schema --output SPEC` lists the columns there are
              = see `jayflow help E0201`

            error[E0301]: two columns would have the name `from`
             --> spec.toml:9:56 (features.rename.dst_ip)
              |
            9 | rename = { src_ip = "from", dst_port = "Dst", dst_ip = "from" }
              |                                                        ^^^^^^
              = help: give each a name of its own, or leave one of them out
              = see `jayflow help E0301`
        "#]],
    );
    shows(
        "[features]\nonly = [\"src_ip\"]\nrename = { src_ip = \"from\" }\n\
        [features.derive]\nsame = 'from == dst_ip'\n[filters.f]\nwhere = 'from is not null'\n",
        &expect![[r#"
            error[E0201]: `from` is what sinks call `src_ip`
              --> spec.toml:10:9 (features.derive.same)
               |
            10 | same = 'from == dst_ip'
               |         ^^^^
               = help: expressions know the old name: `src_ip`
               = see `jayflow help E0201`

            error[E0201]: `from` is what sinks call `src_ip`
              --> spec.toml:12:10 (filters.f.where)
               |
            12 | where = 'from is not null'
               |          ^^^^
               = help: expressions know the old name: `src_ip`
               = see `jayflow help E0201`
        "#]],
    );
    shows(
        "[features]\nonly = \"splt_lengths\"\nsplt = true\nexplode = true\nduration_unit = \"sec\"\n\
        [features.derive]\nsplt_lengths_1 = '1'\n",
        &expect![[r#"
            error[E0008]: `sec` is not a duration unit
              --> spec.toml:10:17 (features.duration_unit)
               |
            10 | duration_unit = "sec"
               |                 ^^^^^
               = help: did you mean `s`? one of `s`, `ms`, `us`, `ns`
               = see `jayflow help E0008`

            error[E0301]: two columns would have the name `splt_lengths_1`
              --> spec.toml:11:1 (features.derive)
               |
            11 | [features.derive]
               | ^^^^^^^^^^^^^^^^^
               = help: give each a name of its own, or leave one of them out
               = see `jayflow help E0301`
        "#]],
    );
    shows(
        "[features]\nonly = \"splt_lengths\"\nsplt = true\nexplode = true\n\
        [features.derive]\nsplt_lengths_1 = '1'\n",
        &expect![[r#"
            error[E0301]: two columns would have the name `splt_lengths_1`
              --> spec.toml:10:1 (features.derive)
               |
            10 | [features.derive]
               | ^^^^^^^^^^^^^^^^^
               = help: give each a name of its own, or leave one of them out
               = see `jayflow help E0301`
        "#]],
    );
}

#[test]
fn a_table_may_be_of_derived_columns_alone() {
    let (folder, _) = ran(
        &capture("few.pcap"),
        "[features]\nonly = []\n[features.derive]\nn = 'count()'\n[sinks.out]\npath = \"out.csv\"\n",
    );
    assert!(read(folder.path(), "out.csv").starts_with("n\n"));
}

#[test]
fn the_first_rows_go_on_and_all_are_counted() {
    let spec = "[features]\nonly = [\"src_ip\", \"dst_ip\", \"protocol\"]\nrename = { protocol = \"p\" }\n\
        [features.derive]\nis_tcp = 'protocol == 6'\n\
        [filters.one]\nwhere = 'dst_port != 443'\ndedup = [\"protocol\", \"is_tcp\", \"mac_vlan_id\"]\n\
        [filters.few]\ninput = \"features\"\nlimit = 4\nroutes = { tcp = 'is_tcp', rest = 'else' }\n\
        [sinks.a]\ninput = \"one\"\npath = \"a.csv\"\n[sinks.b]\ninput = \"few.tcp\"\npath = \"b.csv\"\n\
        [sinks.c]\ninput = \"few.rest\"\npath = \"c.csv\"\n";
    let (folder, report) = ran(&capture("few.pcap"), spec);
    expect![[r#"
        src_ip,dst_ip,p,is_tcp
        ::,ff02::16,58,false
        192.0.2.10,192.0.2.53,17,false
        192.0.2.10,192.0.2.80,6,true
        192.0.2.30,192.0.2.80,6,true
        192.0.2.10,192.0.2.1,1,false
        192.0.2.20,192.0.2.1,1,false
        192.0.2.10,192.0.2.80,136,false
        192.0.2.1,224.0.0.22,2,false
    "#]]
    .assert_eq(&read(folder.path(), "a.csv"));
    let few =
        read(folder.path(), "b.csv").lines().count() + read(folder.path(), "c.csv").lines().count();
    assert_eq!(few, 4 + 2);
    let one = &report.books.filters["one"];
    let went = one.filtered + one.dedup + one.passed[""];
    assert!(one.dedup > 0 && one.filtered > 0 && one.limit == 0);
    assert_eq!(one.offered, went);
    let few = &report.books.filters["few"];
    assert_eq!((few.limit, few.dedup), (few.offered - 4, 0));
    let checked = check(&format!("spec = 1\n[sources]\npath = \"a.pcap\"\n{spec}"));
    let plan = Plan::new(&checked.unwrap_or_else(|found| panic!("{}", found.text(false))));
    let text = jayflow::plan::explain(&plan);
    let filters: Vec<&str> = text
        .lines()
        .filter(|line| line.contains("filter"))
        .collect();
    expect![[r#"
        5 filter   one       from 4: where; the first of each protocol, is_tcp, mac_vlan_id; at worker 0, when the input has ended; one output
        6 filter   few       from 4: the first 4; at worker 0, when the input has ended; to the first of tcp, rest
    "#]].assert_eq(&(filters.join("\n") + "\n"));
}

#[test]
fn wrong_first_rows() {
    shows(
        "[features]\nrename = { dst_ip = \"to\" }\n\
        [filters.a]\ndedup = [\"src_pi\", \"to\", \"splt\"]\nlimit = -1\n[filters.b]\ninput = \"a\"\nsample = 2\n",
        &expect![[r#"
            error[E0201]: unknown field `src_pi`
             --> spec.toml:9:11 (filters.a.dedup[0])
              |
            9 | dedup = ["src_pi", "to", "splt"]
              |           ^^^^^^
              = help: did you mean `src_ip`?
              = see `jayflow help E0201`

            error[E0201]: `to` is what sinks call `dst_ip`
             --> spec.toml:9:21 (filters.a.dedup[1])
              |
            9 | dedup = ["src_pi", "to", "splt"]
              |                     ^^
              = help: expressions know the old name: `dst_ip`
              = see `jayflow help E0201`

            error[E0201]: unknown field `splt`
             --> spec.toml:9:27 (filters.a.dedup[2])
              |
            9 | dedup = ["src_pi", "to", "splt"]
              |                           ^^^^
              = help: `jayflow features` lists the features there are
              = see `jayflow help E0201`

            error[E0008]: expected a whole number from 0 to 18446744073709551615, found -1
              --> spec.toml:10:9 (filters.a.limit)
               |
            10 | limit = -1
               |         ^^
               = help: `limit`: Only so many rows go on, the first by start
               = see `jayflow help E0008`

            error[E0008]: expected a share from 0 to 1, found 2
              --> spec.toml:13:10 (filters.b.sample)
               |
            13 | sample = 2
               |          ^
               = help: `sample`: Only this share of the rows goes on, by a hash of `flow_id`: the same rows in every run
               = see `jayflow help E0008`
        "#]],
    );
    let text = "spec = 1\n[sources]\npath = \"a.pcap\"\nfollow = true\n[filters]\ndedup = \"src_ip\"\nlimit = 3\n[sinks]\npath = \"a.csv\"\n";
    let found = check(text).expect_err("it follows");
    expect![[r#"
        error[E0413]: `dedup` takes the first rows, and `source` has no end
         --> spec.toml:6:1 (filters.dedup)
          |
        6 | dedup = "src_ip"
          | ^^^^^
          = help: read a file that is whole, or leave it out
          = see `jayflow help E0413`

        error[E0413]: `limit` takes the first rows, and `source` has no end
         --> spec.toml:7:1 (filters.limit)
          |
        7 | limit = 3
          | ^^^^^
          = help: read a file that is whole, or leave it out
          = see `jayflow help E0413`
    "#]]
    .assert_eq(&found.text(false));
}
