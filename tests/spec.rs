//! The spec language: every code has a case, every message a snapshot, and no text makes the check panic.

use expect_test::{Expect, expect};
use jayflow::Plan;
use jayflow::plan::{self, Drawing};
use jayflow::spec::codes::CODES;
use jayflow::spec::{Diagnostics, Loaded, SECTIONS, Spec, section_keys, sink_keys};
use jayflow_operators::sinks::SinkOptions;
use proptest::prelude::*;
use std::path::PathBuf;

/// Everything that is found in a text, with files looked at.
fn deep(text: &str) -> Result<Spec, Diagnostics> {
    let mut loaded = Loaded::text("spec.toml", text, PathBuf::new())?;
    let spec = loaded.check()?;
    loaded.check_deep(&spec)?;
    Ok(spec)
}

fn check(text: &str) -> Result<Spec, Diagnostics> {
    Loaded::text("spec.toml", text, PathBuf::new())?.check()
}

fn codes(found: &Diagnostics) -> Vec<&'static str> {
    found.list.iter().map(|one| one.code).collect()
}

/// The text of what is wrong with a spec.
fn shows(text: &str, expected: &Expect) {
    let found = check(text).expect_err("the spec is wrong");
    expected.assert_eq(&found.text(false));
}

/// A spec with this put in the middle.
fn with(middle: &str) -> String {
    format!("spec = 1\n\n[sources]\npath = \"a.pcap\"\n\n{middle}\n\n[sinks]\npath = \"a.csv\"\n")
}

#[test]
fn every_code_has_an_example_that_gives_it_and_one_that_does_not() {
    for code in CODES {
        // told at the end of a run
        if ["E0690", "E0691", "E0701"].contains(&code.code) {
            // where nothing of an earlier run is in the way
            let folder = tempfile::tempdir().expect("a folder");
            for name in ["examples/sample.pcap", "specs/label_join.csv"] {
                let to = folder.path().join(name);
                std::fs::create_dir_all(to.parent().expect("a folder")).expect("a folder");
                std::fs::copy(name, to).expect("a file of the repository");
            }
            let mut loaded =
                Loaded::text("spec.toml", code.wrong, folder.path().to_owned()).expect("TOML");
            let spec = loaded.settled().expect("the files are there");
            let ended = jayflow::run(&jayflow::Plan::new(&spec), &jayflow::Control::default());
            let error = ended.expect_err("the run fails").to_string();
            assert!(error.starts_with(&format!("[{}]", code.code)), "{error}");
            check(code.right).expect("a spec");
            continue;
        }
        let found = match check(code.wrong) {
            Ok(_) if ["E0414", "E0703", "E0704", "E0705"].contains(&code.code) => {
                deep(code.wrong).expect_err("no such file or folder")
            }
            Ok(_) if code.code == "E0507" => Loaded::text("spec.toml", code.wrong, PathBuf::new())
                .expect("TOML")
                .find_secrets(None, |_| None)
                .expect_err("no such secret"),
            Ok(spec) => spec.warnings,
            Err(found) => found,
        };
        assert_eq!(codes(&found), [code.code], "{}", found.text(false));
        match check(code.right) {
            Ok(spec) => assert_eq!(spec.warnings.list, [], "{}", code.code),
            Err(found) => panic!("{}:\n{}", code.code, found.text(false)),
        }
    }
}

#[test]
fn codes_in_the_program_are_explained() {
    let sources = [
        include_str!("../dataflow/spec/check/expressions.rs"),
        include_str!("../dataflow/spec/check/filters.rs"),
        include_str!("../dataflow/spec/check/graph.rs"),
        include_str!("../dataflow/spec/check/joins/mod.rs"),
        include_str!("../dataflow/spec/check/joins/written.rs"),
        include_str!("../dataflow/spec/check/keys.rs"),
        include_str!("../dataflow/spec/check/mod.rs"),
        include_str!("../dataflow/spec/check/nodes.rs"),
        include_str!("../dataflow/spec/check/outputs.rs"),
        include_str!("../dataflow/spec/check/sections.rs"),
        include_str!("../dataflow/spec/check/tests.rs"),
        include_str!("../dataflow/spec/check/variables.rs"),
        include_str!("../dataflow/spec/assign.rs"),
        include_str!("../dataflow/spec/extend.rs"),
        include_str!("../dataflow/spec/merge.rs"),
        include_str!("../dataflow/spec/secrets.rs"),
        include_str!("../dataflow/spec/files.rs"),
        include_str!("../dataflow/spec/tables.rs"),
        include_str!("../dataflow/spec/load.rs"),
    ];
    for source in sources {
        let program = source.split("#[cfg(test)]").next().unwrap_or_default();
        for part in program.split('"') {
            let is_code = part.len() == 5
                && part.starts_with(['E', 'W'])
                && part[1..].bytes().all(|byte| byte.is_ascii_digit());
            if is_code {
                assert!(CODES.iter().any(|code| code.code == part), "{part}");
            }
        }
    }
}

#[test]
fn unknown_keys_and_sections() {
    shows(
        "spec = 1\n[source]\npath = \"a.pcap\"\n[views.a]\nx = 1\n[sinks]\npath = \"a.csv\"\nextends = 1\n",
        &expect![[r#"
            error[E0005]: unknown section `source`
             --> spec.toml:2:2 (source)
              |
            2 | [source]
              |  ^^^^^^
              = help: did you mean `sources`?
              = see `jayflow help E0005`

            error[E0006]: `[views.a]` has neither `group_by` nor `rules` nor `graph`
             --> spec.toml:4:8 (views.a.group_by)
              |
            4 | [views.a]
              |        ^
              = help: write groups (`group_by`, `select`), a `graph`, or `rules`
              = see `jayflow help E0006`

            error[E0005]: unknown key `x` in `[views.a]`
             --> spec.toml:5:1 (views.a.x)
              |
            5 | x = 1
              | ^
              = help: its keys are `input`, `where`, `group_by`, `select`, `having`, `top`, `graph`, `metrics`, `rules`, `window`, `asof`, `allow_cross`, `max_iterations`, `max_rows`
              = see `jayflow help E0005`

            error[E0005]: unknown key `extends` in `[sinks]`
             --> spec.toml:8:1 (sinks.extends)
              |
            8 | extends = 1
              | ^^^^^^^
              = help: its keys are `type`, `input`, `columns`, `where`, `emit`, `every`, `path`, `header`, `delimiter`, `compression`, `sort`, `anonymise`, `provenance`, `overwrite`
              = see `jayflow help E0005`
        "#]],
    );
    shows(
        &with(
            "[flows]\nidel_timeout = \"1s\"\nkey = [\"5tuple\", \"vlna\"]\nsampling = { rat = 0.5 }",
        ),
        &expect![[r#"
            error[E0005]: unknown key `idel_timeout` in `[flows]`
             --> spec.toml:7:1 (flows.idel_timeout)
              |
            7 | idel_timeout = "1s"
              | ^^^^^^^^^^^^
              = help: did you mean `idle_timeout`?
              = see `jayflow help E0005`

            error[E0008]: `vlna` is not a key part
             --> spec.toml:8:18 (flows.key[1])
              |
            8 | key = ["5tuple", "vlna"]
              |                  ^^^^^^
              = help: did you mean `vlan`? one of `5tuple`, `3tuple`, `2tuple`, `vlan`, `tunnel`, `mac`, `sensor`, `source`
              = see `jayflow help E0008`

            error[E0005]: unknown key `rat`
             --> spec.toml:9:14 (flows.sampling.rat)
              |
            9 | sampling = { rat = 0.5 }
              |              ^^^
              = help: did you mean `rate`?
              = see `jayflow help E0005`
        "#]],
    );
}

#[test]
fn values() {
    shows(
        &with(
            "[flows]\nidle_timeout = { tcp = 60, udp = \"1s\" }\nterminate = true\nmax_flows = -1\nactive_timeout = \"1800\"\nsampling = { rate = 2 }",
        ),
        &expect![[r#"
            error[E0212]: a duration needs a unit
             --> spec.toml:7:24 (flows.idle_timeout.tcp)
              |
            7 | idle_timeout = { tcp = 60, udp = "1s" }
              |                        ^^
              = help: write `"60s"` (seconds) or `"60ms"`
              = see `jayflow help E0212`

            error[E0007]: expected text, found a boolean
             --> spec.toml:8:13 (flows.terminate)
              |
            8 | terminate = true
              |             ^^^^
              = help: one of `"tcp"`, `"fin-rst"`, `"never"`
              = see `jayflow help E0007`

            error[E0008]: expected a whole number from 0 to 18446744073709551615, found -1
             --> spec.toml:9:13 (flows.max_flows)
              |
            9 | max_flows = -1
              |             ^^
              = help: `max_flows`: Open records at most, over all 256 shards (of each source, with `merge = "none"`)
              = see `jayflow help E0008`

            error[E0212]: a duration needs a unit
              --> spec.toml:10:18 (flows.active_timeout)
               |
            10 | active_timeout = "1800"
               |                  ^^^^^^
               = help: write `"1800s"` or `"30m"`
               = see `jayflow help E0212`

            error[E0008]: expected a share from 0 to 1, found 2
              --> spec.toml:11:21 (flows.sampling.rate)
               |
            11 | sampling = { rate = 2 }
               |                     ^
               = help: `sampling`: Keeps a share of the flows: `{ rate = 0.1, by = "flow", seed = 0 }`, or of the packets with `by = "packet"`
               = see `jayflow help E0008`
        "#]],
    );
    shows(
        &with(
            "[decode]\ndecap = [\"gre\", \"vxlam\"]\nmax_depth = 300\n[run]\nworkers = 0\nmemory = 1000\nprogress = \"maybe\"",
        ),
        &expect![[r#"
            error[E0008]: `vxlam` is not a tunnel
             --> spec.toml:7:17 (decode.decap[1])
              |
            7 | decap = ["gre", "vxlam"]
              |                 ^^^^^^^
              = help: did you mean `vxlan`? one of `none`, `all`, `gre`, `ipip`, `6in4`, `vxlan`, `geneve`, `gtpu`, `teredo`
              = see `jayflow help E0008`

            error[E0008]: expected a whole number from 0 to 255, found 300
             --> spec.toml:8:13 (decode.max_depth)
              |
            8 | max_depth = 300
              |             ^^^
              = help: `max_depth`: Nested IP headers at most; deeper packets are skipped as `too_deep`
              = see `jayflow help E0008`

            error[E0008]: expected 1 or more, found 0
              --> spec.toml:10:11 (run.workers)
               |
            10 | workers = 0
               |           ^
               = help: leave it out for the default
               = see `jayflow help E0008`

            error[E0212]: a size needs a unit
              --> spec.toml:11:10 (run.memory)
               |
            11 | memory = 1000
               |          ^^^^
               = help: write `"1000B"` (bytes) or `"1000MiB"`
               = see `jayflow help E0212`

            error[E0008]: `maybe` is not a progress
              --> spec.toml:12:12 (run.progress)
               |
            12 | progress = "maybe"
               |            ^^^^^^^
               = help: one of `auto`, `always`, `never`
               = see `jayflow help E0008`
        "#]],
    );
}

#[test]
fn nodes() {
    shows(
        "spec = 1\n[sources]\npath = \"a\"\n[sources.b]\npath = \"b\"\n[flows.key]\nx = 1\n[[sinks]]\npath = \"a.csv\"\n[features.A]\n",
        &expect![[r#"
            error[E0009]: `[sources]` has the key `path` beside the source `b`
             --> spec.toml:3:1 (sources.path)
              |
            3 | path = "a"
              | ^^^^
              = help: give this source a name too: move the key below `[sources.NAME]`
              = see `jayflow help E0009`

            error[E0010]: `key` is a key of `[flows]` and cannot name a flow table
             --> spec.toml:6:8 (flows.key)
              |
            6 | [flows.key]
              |        ^^^
              = help: choose another name
              = see `jayflow help E0010`

            error[E0007]: expected a table, found a list
             --> spec.toml:8:1 (sinks)
              |
            8 | [[sinks]]
              | ^^^^^^^^^
              = help: write `[sinks.NAME]` for each instead of `[[sinks]]`
              = see `jayflow help E0007`

            error[E0011]: `A` cannot be the name of a feature set
              --> spec.toml:10:11 (features.A)
               |
            10 | [features.A]
               |           ^
               = help: a name has lower-case letters, digits and `_`, begins with a letter and has at most 63 characters
               = see `jayflow help E0011`
        "#]],
    );
    shows(
        "spec = 1\n[sources.a]\npath = \"a\"\n[flows.t]\ninput = [\"b\", \"features\"]\n[features.f]\ninput = \"a\"\n[sinks.a]\npath = \"a.csv\"\ninput = \"t\"\n",
        &expect![[r#"
            error[E0302]: no node is named `b`
             --> spec.toml:5:10 (flows.t.input[0])
              |
            5 | input = ["b", "features"]
              |          ^^^
              = help: read `a` here
              = see `jayflow help E0302`

            error[E0302]: no node is named `features`
             --> spec.toml:5:15 (flows.t.input[1])
              |
            5 | input = ["b", "features"]
              |               ^^^^^^^^^^
              = help: read `a` here
              = see `jayflow help E0302`

            error[E0304]: features are computed of flow records, and `a` gives packets
             --> spec.toml:7:9 (features.f.input)
              |
            7 | input = "a"
              |         ^^^
              = help: read `t` here
              = see `jayflow help E0304`

            error[E0304]: a sink writes rows, and `t` gives flow records
              --> spec.toml:10:9 (sinks.a.input)
               |
            10 | input = "t"
               |         ^^^
               = help: read `f` here
               = see `jayflow help E0304`
        "#]],
    );
    shows(
        "spec = 1\n[sources.flows]\npath = \"a\"\n[sinks.out]\npath = \"x.csv\"\n",
        &expect![[r#"
            error[E0301]: two nodes are named `flows`; the other is `[flows]` without a name of its own
             --> spec.toml:2:10 (sources.flows)
              |
            2 | [sources.flows]
              |          ^^^^^
              = help: nodes that can be read share one name space, sinks another: choose another name
              = see `jayflow help E0301`
        "#]],
    );
    shows(
        "spec = 1\n",
        &expect![[r#"
        error[E0306]: the spec has no source
         --> spec.toml:1:1 (sources)
          |
        1 | spec = 1
          | ^^^^
          = help: add `[sources]` with `path = "capture.pcap"`
          = see `jayflow help E0306`

        error[E0307]: the spec has no sink
         --> spec.toml:1:1 (sinks)
          |
        1 | spec = 1
          | ^^^^
          = help: add `[sinks.out]` with `path = "flows.csv"`
          = see `jayflow help E0307`
    "#]],
    );
}

#[test]
fn features() {
    shows(
        &with(
            "[features]\ngroups = [\"tcp\", \"timings\", \"-sise\"]\nprofile = \"JJ-COER\"\nburst_threshold = \"fast\"",
        ),
        &expect![[r#"
            error[E0008]: unknown feature group `timings`
             --> spec.toml:7:18 (features.groups[1])
              |
            7 | groups = ["tcp", "timings", "-sise"]
              |                  ^^^^^^^^^
              = help: did you mean `timing`? `jayflow schema --groups` lists all 29
              = see `jayflow help E0008`

            error[E0008]: unknown feature group `sise`
             --> spec.toml:7:29 (features.groups[2])
              |
            7 | groups = ["tcp", "timings", "-sise"]
              |                             ^^^^^^^
              = help: did you mean `size`? `jayflow schema --groups` lists all 29
              = see `jayflow help E0008`

            error[E0008]: unknown profile `JJ-COER`
             --> spec.toml:8:11 (features.profile)
              |
            8 | profile = "JJ-COER"
              |           ^^^^^^^^^
              = help: did you mean `JJ-CORE`?
              = see `jayflow help E0008`

            error[E0008]: expected a duration such as "60s", found "fast"
             --> spec.toml:9:19 (features.burst_threshold)
              |
            9 | burst_threshold = "fast"
              |                   ^^^^^^
              = help: `burst_threshold`: The shortest time between two packets that ends a burst and counts as idle
              = see `jayflow help E0008`
        "#]],
    );
    shows(
        &with(
            "[features]\ngroups = [\"timing\", \"size\"]\nonly = [\"iat_meen\", \"iat_*\", \"xyz_*\", \"src_ip\", \"splt\"]\ndrop = \"durration\"",
        ),
        &expect![[r#"
            error[E0201]: no feature is named `iat_meen`
             --> spec.toml:8:9 (features.only[0])
              |
            8 | only = ["iat_meen", "iat_*", "xyz_*", "src_ip", "splt"]
              |         ^^^^^^^^^^
              = help: did you mean `iat_mean`?
              = see `jayflow help E0201`

            error[E0201]: no feature matches `xyz_*`
             --> spec.toml:8:30 (features.only[2])
              |
            8 | only = ["iat_meen", "iat_*", "xyz_*", "src_ip", "splt"]
              |                              ^^^^^^^
              = help: `jayflow features` lists them
              = see `jayflow help E0201`

            error[E0201]: `src_ip` is of the group `flow_meta`, which `groups` leaves out
             --> spec.toml:8:39 (features.only[3])
              |
            8 | only = ["iat_meen", "iat_*", "xyz_*", "src_ip", "splt"]
              |                                       ^^^^^^^^
              = help: add `flow_meta` to `groups`
              = see `jayflow help E0201`

            error[E0201]: `splt` is only there with `splt = true`
             --> spec.toml:8:49 (features.only[4])
              |
            8 | only = ["iat_meen", "iat_*", "xyz_*", "src_ip", "splt"]
              |                                                 ^^^^^^
              = help: set `splt = true`
              = see `jayflow help E0201`

            error[E0201]: no feature is named `durration`
             --> spec.toml:9:8 (features.drop)
              |
            9 | drop = "durration"
              |        ^^^^^^^^^^^
              = help: did you mean `duration`?
              = see `jayflow help E0201`
        "#]],
    );
    shows(
        &with("[features]\nonly = \"iat_mean\"\ndrop = \"iat_mean\""),
        &expect![[r#"
            error[E0008]: the settings leave no column
             --> spec.toml:6:2 (features)
              |
            6 | [features]
              |  ^^^^^^^^
              = help: leave out `groups`, `only`, `drop` and `profile` for all
              = see `jayflow help E0008`
        "#]],
    );
}

#[test]
fn columns_of_sinks() {
    let sinks = |columns: &str| {
        format!(
            "spec = 1\n[sources]\npath = \"a\"\n[features]\nprofile = \"JJ-CORE\"\n[sinks.a]\npath = \"a.csv\"\ncolumns = {columns}\n[sinks.b]\npath = \"b.csv\"\ncolumns = [\"duration\", \"src_ip\"]\n"
        )
    };
    shows(
        &sinks("[\"src_pi\", 1, \"x*\", \"iat_*\"]"),
        &expect![[r#"
            error[E0411]: the rows have no column `src_pi`
             --> spec.toml:8:12 (sinks.a.columns[0])
              |
            8 | columns = ["src_pi", 1, "x*", "iat_*"]
              |            ^^^^^^^^
              = help: did you mean `src_ip`?
              = see `jayflow help E0411`

            error[E0007]: expected text, found an integer
             --> spec.toml:8:22 (sinks.a.columns[1])
              |
            8 | columns = ["src_pi", 1, "x*", "iat_*"]
              |                      ^
              = help: name a column, or write a glob such as `iat_*`
              = see `jayflow help E0007`

            error[E0411]: no column of the rows matches `x*`
             --> spec.toml:8:25 (sinks.a.columns[2])
              |
            8 | columns = ["src_pi", 1, "x*", "iat_*"]
              |                         ^^^^
              = help: `[features]` decides which columns there are; `jayflow explain` lists them
              = see `jayflow help E0411`
        "#]],
    );
    let spec = check(&sinks("[\"iat_m*\", \"dst_ip\"]")).expect("a right spec");
    let plan = Plan::new(&spec);
    let names: Vec<Vec<&str>> = plan
        .sinks()
        .map(|(_, sink)| plan.columns_of(sink).map(|one| &*one.name).collect())
        .collect();
    assert_eq!(names[1], ["duration", "src_ip"]);
    assert_eq!(names[0].last(), Some(&"dst_ip"));
    assert!(
        names[0].len() > 2
            && names[0][..names[0].len() - 1]
                .iter()
                .all(|name| name.starts_with("iat_m"))
    );
    let computed = &plan.features().expect("features").plan;
    let mut wanted: Vec<&str> = names.concat();
    wanted.sort_unstable();
    let mut schema: Vec<&str> = computed.schema.iter().map(|one| &*one.name).collect();
    schema.sort_unstable();
    assert_eq!(schema, wanted, "what no sink wants is not computed");
    assert_eq!(
        computed.groups().collect::<Vec<_>>(),
        ["flow_meta", "timing"]
    );
    expect![[r#"
        1 read     source    pcap a; each input has its own flows; an input is read and decompressed by one worker
        2 decode   decode    from 1: tunnels stay on, later fragments join the flow of the first
        3 flows    flows     from 2: by hash of 5tuple in 256 shards; 209 B/flow; idle 1m, active off, tcp linger 5s
        4 features features  from 3: flow_meta+timing (7 of 562 columns); 64 B/flow; payload not read
        5 sink     a         csv a.csv <- 4, 5 columns, sorted by start, encoded by a thread a worker, written by one
        6 sink     b         csv b.csv <- 4, 2 columns, sorted by start, encoded by a thread a worker, written by one
        7 columns; workers one a core, processes 1; 4096 records a chunk, 8192 packets an epoch; spec c796ae785fd0
    "#]].assert_eq(&plan::explain(&plan));
    expect![[r#"
        bytes a flow     always   and in a TCP connection, after 2, 20, 200 packets
        flow record         209         +0       +0       +0
        flow_meta            40         +0       +0       +0
        timing               24       +208     +512    +2304
        together            273       +208     +512    +2304
        273.0 MiB over all workers at max_flows = 1048576, 785.0 MiB of connections of 20 packets, for each input that is open (a worker opens one at a time)
    "#]]
    .assert_eq(&plan::memory(&plan));
}

#[test]
fn sinks() {
    shows(
        "spec = 1\n[sources]\npath = \"a\"\n[sinks.a]\npath = \"flows\"\n[sinks.b]\npath = \"x.csv\"\ndelimiter = \"ab\"\nrow_group = 5\n[sinks.c]\ntype = \"parkett\"\n[sinks.d]\npath = \"d.arrow\"\ncompression = \"snappy\"\n[sinks.e]\n",
        &expect![[r#"
            error[E0006]: the sink has no `type` and none follows from the path `flows`
             --> spec.toml:5:8 (sinks.a.type)
              |
            5 | path = "flows"
              |        ^^^^^^^
              = help: give the file an ending (.parquet .csv .jsonl .arrow) or set `type`
              = see `jayflow help E0006`

            error[E0008]: expected one character such as ",", ";" or a tab, found "ab"
             --> spec.toml:8:13 (sinks.b.delimiter)
              |
            8 | delimiter = "ab"
              |             ^^^^
              = help: `delimiter`: One character between cells
              = see `jayflow help E0008`

            error[E0005]: unknown key `row_group` in `[sinks.b]`
             --> spec.toml:9:1 (sinks.b.row_group)
              |
            9 | row_group = 5
              | ^^^^^^^^^
              = help: its keys are `type`, `input`, `columns`, `where`, `emit`, `every`, `path`, `header`, `delimiter`, `compression`, `sort`, `anonymise`, `provenance`, `overwrite`
              = see `jayflow help E0005`

            error[E0008]: `parkett` is not a type of sink
              --> spec.toml:11:8 (sinks.c.type)
               |
            11 | type = "parkett"
               |        ^^^^^^^^^
               = help: one of `csv`, `jsonl`, `parquet`, `arrow`, `stdout`, `graph`
               = see `jayflow help E0008`

            error[E0008]: `snappy` is not an arrow compression
              --> spec.toml:14:15 (sinks.d.compression)
               |
            14 | compression = "snappy"
               |               ^^^^^^^^
               = help: one of `none`, `zstd`, `lz4`
               = see `jayflow help E0008`

            error[E0006]: the sink has neither `path` nor `type`
              --> spec.toml:15:8 (sinks.e.type)
               |
            15 | [sinks.e]
               |        ^
               = help: give the file an ending (.parquet .csv .jsonl .arrow) or set `type`
               = see `jayflow help E0006`
        "#]],
    );
    shows(
        "spec = 1\n[sources]\npath = \"a\"\n[sinks.a]\npath = \"out/x.csv\"\n[sinks.b]\npath = \"out/./y/../x.csv\"\n[sinks.c]\ntype = \"stdout\"\n[sinks.d]\ntype = \"jsonl\"\npath = \"-\"\n",
        &expect![[r#"
            error[E0412]: the sink `a` writes `out/./y/../x.csv` too
             --> spec.toml:7:8 (sinks.b.path)
              |
            7 | path = "out/./y/../x.csv"
              |        ^^^^^^^^^^^^^^^^^^
              = help: give each sink a file of its own
              = see `jayflow help E0412`

            error[E0412]: the sink `c` writes standard output too
              --> spec.toml:12:8 (sinks.d.path)
               |
            12 | path = "-"
               |        ^^^
               = help: give each sink a file of its own
               = see `jayflow help E0412`
        "#]],
    );
}

#[test]
fn what_is_set_on_the_command_line_is_told_as_such() {
    let text = with("");
    let mut loaded = Loaded::text("spec.toml", text, PathBuf::new()).expect("TOML");
    loaded.set("flows.idle_timeout=30").expect("an assignment");
    loaded.set("flows.terminat=never").expect("an assignment");
    let found = loaded.check().expect_err("two faults");
    expect![[r#"
        error[E0212]: a duration needs a unit
         --> --set:1:20 (flows.idle_timeout)
          |
        1 | flows.idle_timeout=30
          |                    ^^
          = help: write `"30s"` (seconds) or `"30ms"`
          = see `jayflow help E0212`

        error[E0005]: unknown key `terminat` in `[flows]`
         --> --set:1:7 (flows.terminat)
          |
        1 | flows.terminat=never
          |       ^^^^^^^^
          = help: did you mean `terminate`?
          = see `jayflow help E0005`
    "#]]
    .assert_eq(&found.text(false));
}

#[test]
fn at_most_fifty() {
    let keys: String = (0..70).map(|n| format!("key_{n} = 1\n")).collect();
    let found = check(&with(&format!("[decode]\n{keys}"))).expect_err("70 faults");
    assert_eq!((found.list.len(), found.more), (50, 20));
    assert!(found.text(false).ends_with("\nand 20 more\n"));
}

#[test]
fn limits() {
    let at = |text: &str| codes(&check(text).expect_err("beyond a limit"));
    assert_eq!(at(&"# \n".repeat(400_000)), ["E0003"]);
    assert_eq!(
        at(&format!(
            "a = {}1{}",
            "{b=".repeat(1_000),
            "}".repeat(1_000)
        )),
        ["E0003"]
    );
    assert_eq!(at(&format!("[{}a]", "a.".repeat(70))), ["E0003"]);
    assert_eq!(at("spec = 1\n\u{0}"), ["E0001"]);
}

#[test]
fn paths_start_from_the_spec_file() {
    let spec = "spec = 1\n[sources]\npath = [\"a/*.pcap\", \"/b.pcap\", \"-\"]\n[sinks.x]\npath = \"x.csv\"\n[sinks.y]\ntype = \"csv\"\npath = \"-\"\n";
    let mut loaded = Loaded::text("dir/spec.toml", spec, PathBuf::from("dir")).expect("TOML");
    let checked = loaded.check().expect("a right spec");
    assert_eq!(
        checked.sources[0].options.path,
        ["dir/a/*.pcap", "/b.pcap", "-"]
    );
    let paths: Vec<_> = checked
        .sinks
        .iter()
        .map(|sink| (sink.options.label.as_str(), sink.options.options.path()))
        .collect();
    assert_eq!(paths, [("x.csv", Some("dir/x.csv")), ("-", Some("-"))]);
    // Those of the command line do not.
    loaded.set("sinks.x.path=z.csv").expect("an assignment");
    let checked = loaded.check().expect("a right spec");
    assert_eq!(checked.sinks[0].options.options.path(), Some("z.csv"));
}

#[test]
fn the_text_of_a_changed_spec_gives_the_same_plan() {
    let mut loaded = Loaded::text(
        "spec.toml",
        "# why\nspec = 1\n[sources]\npath = \"a.pcap\"\n[sinks.out]\npath = \"x.csv\"\n",
        PathBuf::new(),
    )
    .expect("TOML");
    let plain = Plan::new(&loaded.check().expect("a right spec"));
    assert!(plain.text.starts_with("# why"));
    loaded.set("flows.idle_timeout=30s").expect("an assignment");
    let changed = Plan::new(&loaded.check().expect("a right spec"));
    assert_ne!(changed.digest, plain.digest);
    let again = Plan::new(&check(&changed.text).expect("a right spec"));
    assert_eq!(again.digest, changed.digest);
    assert_eq!(plan::explain(&again), plan::explain(&changed));
}

const TWO: &str = "spec = 1
name = \"two sources, two sinks\"
[sources.a]
path = \"a.pcap\"
[sources.b]
path = [\"b/*.pcap\", \"c\\\"<x>\"]
merge = \"all\"
limit = 10
[sources.unread]
path = \"u.pcap\"
[decode]
decap = \"all\"
[flows.table]
input = [\"a\", \"b\"]
key = [\"5tuple\", \"vlan\"]
idle_timeout = { tcp = \"5m\", other = \"off\" }
[sinks.csv_out]
path = \"x.csv\"
[sinks.all]
path = \"x.parquet\"
sort = \"none\"
[run]
workers = 4
fused = false
";

#[test]
fn plans() {
    let spec = check(TWO).expect("a right spec");
    assert_eq!(codes(&spec.warnings), ["W0401"]);
    let plan = Plan::new(&spec);
    assert_eq!(plan.sources().count(), 2, "nobody reads the third");
    expect![[r#"
        1 read     a         pcap a.pcap; each input has its own flows; an input is read and decompressed by one worker
        2 read     b         pcap b/*.pcap, c"<x>; inputs merged by time; at most 10 packets of each input; an input is read and decompressed by one worker
        3 decode   decode    from 1, 2: tunnels come off, later fragments join the flow of the first
        4 flows    table     from 3: by hash of 5tuple+vlan in 256 shards; 209 B/flow; idle tcp 5m udp 1m icmp 1m other off, active off, tcp linger 5s
        5 features features  from 4: flow_meta+timing+size+tcp+tls+quic+http2+ssh+dns+padding+fingerprint+entropy+mac+ip_extended+ipv6_options+tcp_sequence+tcp_window+tcp_options+tcp_mptcp+tcp_rtt+tcp_fingerprint+icmp (384 of 562 columns); 592 B/flow; payload 65535 bytes of each packet, headers; an operator for each group
        6 sink     csv_out   csv x.csv <- 5, 384 columns, sorted by start, encoded by a thread a worker, written by one
        7 sink     all       parquet x.parquet <- 5, 384 columns, in the order of their ends, encoded by a thread a worker, written by one
        384 columns; workers 4, processes 1; 4096 records a chunk, 8192 packets an epoch; spec 2b6476805df6
    "#]].assert_eq(&plan::explain(&plan));
    expect![[r#"
        flowchart LR
            n1(["a<br/>a.pcap"])
            n2(["b<br/>b/*.pcap, c&quot;&lt;x&gt;"])
            n3["decode<br/>tunnels come off"]
            n4["table<br/>5tuple + vlan"]
            n5["features<br/>384 columns"]
            n6(["csv_out<br/>x.csv, 384 columns"])
            n7(["all<br/>x.parquet, 384 columns"])
            n1 -->|records| n3
            n2 -->|records| n3
            n3 -->|packets, by flow key| n4
            n4 -->|flow records| n5
            n5 -->|rows| n6
            n5 -->|rows| n7
    "#]]
    .assert_eq(&Drawing::logical(&plan).mermaid());
    expect![[r#"
        digraph jayflow {
            rankdir=LR;
            node [shape=box];
            n1 [label="a\na.pcap", style=rounded];
            n2 [label="b\nb/*.pcap, c\"<x>", style=rounded];
            n3 [label="decode\ntunnels come off"];
            n4 [label="table\n5tuple + vlan"];
            n5 [label="features\n384 columns"];
            n6 [label="csv_out\nx.csv, 384 columns", style=rounded];
            n7 [label="all\nx.parquet, 384 columns", style=rounded];
            n1 -> n3 [label="records"];
            n2 -> n3 [label="records"];
            n3 -> n4 [label="packets, by flow key"];
            n4 -> n5 [label="flow records"];
            n5 -> n6 [label="rows"];
            n5 -> n7 [label="rows"];
        }
    "#]]
    .assert_eq(&Drawing::logical(&plan).dot());
}

/// Texts that are almost specs.
fn mutated() -> impl Strategy<Value = String> {
    let pieces = prop::sample::select(vec![
        "[",
        "]",
        "[[",
        "{",
        "}",
        "=",
        "\"",
        "'",
        "\n",
        ".",
        ",",
        "#",
        "\\",
        "sources",
        "sinks",
        "flows",
        "features",
        "run",
        "decode",
        "input",
        "path",
        "type",
        "columns",
        "groups",
        "key",
        "idle_timeout",
        "sampling",
        "1",
        "-1",
        "1e400",
        "nan",
        "true",
        "[]",
        "{}",
        "\"-\"",
        "\"*\"",
        "\"[\"",
        "\"60\"",
        "\u{fe}",
        "é",
        "\u{202e}",
        "1979-05-27T07:32:00Z",
    ]);
    let base = prop::sample::select(
        CODES
            .iter()
            .flat_map(|code| [code.wrong, code.right])
            .chain([TWO])
            .collect::<Vec<_>>(),
    );
    let edits = prop::collection::vec((any::<prop::sample::Index>(), 0usize..6, pieces), 0..8);
    (base, edits).prop_map(|(base, edits)| {
        let mut text = base.to_owned();
        for (at, remove, piece) in edits {
            let at = text.floor_char_boundary(at.index(text.len() + 1));
            let end = text
                .floor_char_boundary((at + remove).min(text.len()))
                .max(at);
            text.replace_range(at..end, piece);
        }
        text
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_check_never_panics(text in mutated(), set in "[a-z._=\\[\"\\]{}0-9]{0,20}") {
        jayflow::spec::total::read(&text, &set);
    }
}

#[test]
fn a_key_of_one_type_of_sink_may_name_a_sink() {
    check("spec = 1\n[sources]\npath = \"a\"\n[sinks.metrics]\npath = \"a.csv\"\n[sinks.header]\npath = \"b.csv\"\n").expect("two sinks");
    let mixed = check(
        "spec = 1\n[sources]\npath = \"a\"\n[sinks]\npath = \"a.csv\"\n[sinks.header]\npath = \"b.csv\"\n",
    );
    assert_eq!(codes(&mixed.expect_err("a key of this sink")), ["E0010"]);
}

#[test]
fn every_key_can_be_set_from_outside() {
    let ends = |sinks: &str| format!("spec = 1\n[sources]\npath = \"a\"\n[sinks]\n{sinks}\n");
    let mut keys: Vec<(String, String)> = Vec::new();
    for section in &SECTIONS {
        let node = if section.named { ".x" } else { "" };
        for key in section_keys(section)
            .iter()
            .filter(|_| section.name != "sinks")
        {
            let path = format!("{}{node}.{}", section.name, key.name);
            keys.push((ends("path = \"a.csv\""), path));
        }
    }
    for kind in SinkOptions::KINDS {
        for key in sink_keys(Some(kind)) {
            let base = format!("type = \"{kind}\"\npath = \"a\"");
            let base = base.replace("\"stdout\"\npath = \"a\"", "\"stdout\"");
            keys.push((ends(&base), format!("sinks.{}", key.name)));
        }
    }
    assert!(keys.len() > 80);
    for (spec, path) in keys {
        let mut loaded = Loaded::text("spec.toml", spec, PathBuf::new()).expect("TOML");
        // No key takes this, so whoever reads it says so.
        let set = loaded.set(&format!("{path}={{ nonsense = [{{}}] }}"));
        let found = set.and_then(|()| loaded.check()).expect_err("nonsense");
        let told = found.list.iter().filter(|one| one.at.source == 1);
        let told: Vec<_> = told.map(|one| (one.code, one.path.as_str())).collect();
        assert!(!told.is_empty(), "{path}: {}", found.text(false));
        assert!(!told.contains(&("E0005", &path)), "{path} is not known");
    }
    let mut loaded = Loaded::text("spec.toml", with(""), PathBuf::new()).expect("TOML");
    loaded.set("name=a").expect("a key at the top");
    loaded.set("description=b").expect("a key at the top");
    assert_eq!(
        loaded.check().expect("a right spec").name.as_deref(),
        Some("a")
    );
    for key in ["extends", "include"] {
        let found = loaded
            .set(&format!("{key}=\"x\""))
            .expect_err("not from outside");
        assert_eq!(codes(&found), ["E0008"]);
    }
}

#[test]
fn derived_columns_that_nothing_uses_are_told() {
    let dropped = |rest: &str| {
        let text = format!(
            "spec = 1\n[sources]\npath = \"a.pcap\"\n[features.derive]\na = 'total_packets + 1'\nb = 'a * 2'\n\
            [sinks.out]\npath = \"a.csv\"\ncolumns = \"src_ip\"\n{rest}"
        );
        let warnings = check(&text).expect("a spec").warnings;
        let list = warnings.list.into_iter();
        list.map(|one| (one.code, one.path)).collect::<Vec<_>>()
    };
    let told = |names: &[&str]| {
        let names = names.iter();
        let told = names.map(|name| ("W0403", format!("features.derive.{name}")));
        told.collect::<Vec<_>>()
    };
    // `a` is read by `b` alone, which nothing reads
    assert_eq!(dropped(""), told(&["a", "b"]));
    assert_eq!(dropped("where = 'a > 3'\n"), told(&["b"]));
    assert_eq!(dropped("where = 'b > 3'\n"), []);
    assert_eq!(dropped("[sinks.all]\npath = \"b.csv\"\n"), []);
    let test = |rest: &str| dropped(&format!("[tests.t]\ninput = \"a.pcap\"\n{rest}\n"));
    assert_eq!(test("rows = 1"), told(&["a", "b"]));
    assert_eq!(test("expect = { a = 2 }"), told(&["b"]));
    assert_eq!(test("none = 'b > 3'"), []);
    assert_eq!(test("assert = 'sum(b) > 3'"), []);
    assert_eq!(test("golden = \"a.csv\""), []);
    let view = "[views.v]\ninput = \"features\"\ngroup_by = \"src_ip\"\nselect = { n = \"sum(a)\" }\n\
        [sinks.v]\ninput = \"v\"\npath = \"v.csv\"\n";
    assert_eq!(dropped(view), told(&["b"]));
}

#[test]
fn what_only_a_deep_check_finds() {
    let folder = tempfile::tempdir().unwrap();
    let put = |name: &str| std::fs::write(folder.path().join(name), "x").unwrap();
    put("in.pcap");
    put("there.csv");
    put("keys");
    let text = "spec = 1\n[sources]\npath = \"in.pcap\"\n\
        [sinks.a]\npath = \"there.csv\"\n[sinks.b]\npath = \"none/b.csv\"\n[sinks.c]\npath = \"c.csv\"\nanonymise = { key_file = \"key\" }\n\
        [sinks.d]\npath = \"d.csv\"\n[tests.one]\ninput = [\"in.pcap\", \"im.pcap\"]\nat = \"features\"\nrows = 1\n[tests.two]\ninput = \"*.pcapng\"\nrows = 1\n";
    let deep = |text: &str| {
        std::fs::write(folder.path().join("spec.toml"), text).unwrap();
        let mut loaded = Loaded::file(&folder.path().join("spec.toml"))
            .unwrap()
            .unwrap();
        let spec = loaded
            .check()
            .unwrap_or_else(|found| panic!("{}", found.text(false)));
        let found = loaded.check_deep(&spec).err();
        let text = found.map(|found| found.text(false)).unwrap_or_default();
        text.replace(&folder.path().display().to_string(), "DIR")
    };
    expect![[r#"
        error[E0414]: `DIR/there.csv` exists
         --> DIR/spec.toml:5:8 (sinks.a.path)
          |
        5 | path = "there.csv"
          |        ^^^^^^^^^^^
          = help: `overwrite = true` replaces it at the end, at once
          = see `jayflow help E0414`

        error[E0414]: there is no folder `DIR/none`
         --> DIR/spec.toml:7:8 (sinks.b.path)
          |
        7 | path = "none/b.csv"
          |        ^^^^^^^^^^^^
          = help: `mkdir -p DIR/none`, or choose another path
          = see `jayflow help E0414`

        error[E0703]: there is no file `key`
          --> DIR/spec.toml:10:26 (sinks.c.anonymise.key_file)
           |
        10 | anonymise = { key_file = "key" }
           |                          ^^^^^
           = help: the file `keys` exists; paths are relative to the spec file
           = see `jayflow help E0703`

        error[E0703]: there is no file `im.pcap`
          --> DIR/spec.toml:14:21 (tests.one.input[1])
           |
        14 | input = ["in.pcap", "im.pcap"]
           |                     ^^^^^^^^^
           = help: the file `in.pcap` exists; paths are relative to the spec file
           = see `jayflow help E0703`

        error[E0703]: no file matches `*.pcapng`
          --> DIR/spec.toml:18:9 (tests.two.input)
           |
        18 | input = "*.pcapng"
           |         ^^^^^^^^^^
           = help: look into the directory `DIR`; paths are relative to the spec file
           = see `jayflow help E0703`
    "#]]
    .assert_eq(&deep(text));
    let right = text
        .replace("there.csv\"", "there.csv\"\noverwrite = true")
        .replace("none/", "")
        .replace("\"key\"", "\"keys\"")
        .replace("im.pcap", "in.pcap")
        .replace("*.pcapng", "*.pcap");
    assert_eq!(deep(&right), "");
}
