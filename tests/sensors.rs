//! What observed packets: the column `sensor`, and names of inputs in the flow key.

use crate::program::Folder;
use crate::traffic::{Record, pcap, udp_frame};
use jayflow::{Control, Loaded, Plan, Report, run};
use sha2::{Digest as _, Sha256};
use std::path::Path;

const START: i64 = 1_700_000_000_000_000_000;

/// UDP packets between the same two ends, so many ms after the start.
fn packets(at: &[i64]) -> Vec<u8> {
    let records: Vec<Record> = at
        .iter()
        .map(|at| (START + at * 1_000_000, udp_frame(1, 2)))
        .collect();
    pcap(&records)
}

/// A day of an archive: a directory a sensor, and a capture that lies beside them.
fn archive(folder: &Path) {
    for (file, at) in [
        ("day/east/a.pcap", [0, 40]),
        ("day/west/a.pcap", [10, 50]),
        ("day/west/b.pcap", [20, 60]),
        ("day/stray.pcap", [30, 70]),
    ] {
        let path = folder.join(file);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, packets(&at)).unwrap();
    }
}

/// Rows of a spec in a folder, without the header, and the report; `out.csv` is what it writes.
fn rows(folder: &Path, spec: &str) -> (Vec<String>, Report) {
    let path = folder.join("spec.toml");
    std::fs::write(&path, format!("spec = 1\n{spec}")).unwrap();
    let mut loaded = Loaded::file(&path).unwrap().unwrap();
    let checked = loaded.settled();
    let plan = Plan::new(&checked.unwrap_or_else(|found| panic!("{}", found.text(false))));
    let report = run(&plan, &Control::default()).unwrap();
    assert_eq!(report.books.imbalances(), Vec::<String>::new());
    let text = std::fs::read_to_string(folder.join("out.csv")).unwrap();
    (text.lines().map(str::to_owned).collect(), report)
}

const OUT: &str = "[sinks.out]\npath = \"out.csv\"\noverwrite = true\n";

#[test]
fn every_row_says_what_observed_it() {
    let folder = tempfile::tempdir().unwrap();
    archive(folder.path());
    let (rows, report) = rows(
        folder.path(),
        &format!(
            "[sources.taps]\npath = \"day/*/*.pcap\"\nsensor = \"{{name}}/{{path[1]}}\"\n[sources.plain]\npath = \"day/stray.pcap\"\n\
             [features]\nonly = [\"total_packets\"]\n{OUT}"
        ),
    );
    assert_eq!(
        rows,
        [
            "sensor,total_packets",
            "taps/east,2",
            "taps/west,2",
            "taps/west,2",
            ",2"
        ]
    );
    assert_eq!(report.exit_code(), 0);
}

#[test]
fn it_is_a_column_like_others_and_rows_keep_it() {
    let folder = tempfile::tempdir().unwrap();
    archive(folder.path());
    let sources = "[sources]\npath = \"day/*/*.pcap\"\nsensor = \"{path[1]}\"\n";
    let features = |keys: &str| {
        let spec = format!("{sources}[features]\nonly = [\"total_packets\"]\n{keys}\n{OUT}");
        rows(folder.path(), &spec).0
    };
    assert_eq!(
        features("drop = [\"sensor\"]"),
        ["total_packets", "2", "2", "2"]
    );
    assert_eq!(
        features("rename = { sensor = \"Tap\" }\nderive = { is_west = 'sensor == \"west\"' }"),
        [
            "Tap,total_packets,is_west",
            "east,2,false",
            "west,2,true",
            "west,2,true"
        ]
    );
    let filtered = format!(
        "{sources}[features]\ngroups = [\"size\"]\nonly = [\"pkt_len_max\"]\n[filters]\nwhere = 'sensor == \"west\"'\n{OUT}"
    );
    let filtered = rows(folder.path(), &filtered).0;
    assert_eq!(filtered, ["sensor,pkt_len_max", "west,31", "west,31"]);
    std::fs::rename(folder.path().join("out.csv"), folder.path().join("in.csv")).unwrap();
    let again = format!("[sources]\ntype = \"rows\"\npath = \"in.csv\"\n{OUT}");
    assert_eq!(rows(folder.path(), &again).0, filtered);
}

#[test]
fn an_input_without_the_part_is_refused_by_name() {
    let folder = tempfile::tempdir().unwrap();
    archive(folder.path());
    for merge in ["none", "all"] {
        let spec = format!(
            "[sources]\npath = \"day\"\nrecursive = true\nsensor = \"{{path[1]}}/{{path[2]}}\"\nmerge = \"{merge}\"\n\
             [flows]\nkey = [\"sensor\"]\n[features]\nonly = [\"total_packets\"]\n{OUT}[run]\nworkers = 2\n"
        );
        let (rows, report) = rows(folder.path(), &spec);
        assert_eq!(
            rows,
            [
                "sensor,total_packets",
                "east/a.pcap,2",
                "west/a.pcap,2",
                "west/b.pcap,2"
            ]
        );
        assert_eq!(report.exit_code(), 3);
        let [fault] = &report.books.inputs.faults[..] else {
            panic!("{:?}", report.books.inputs.faults)
        };
        assert!(fault.file.ends_with("day/stray.pcap"), "{fault:?}");
        assert_eq!(fault.reason, "no_sensor");
        assert!(fault.hint.contains("`{path[2]}`"), "{fault:?}");
    }
}

/// `flow_id` of the packets here by the definition: empty salt, family, ends, protocol, extra parts, start, segment, ordinal.
fn id(extra: &[u8], start: i64) -> String {
    let ends = [
        &[192, 0, 2, 1][..],
        &1000_u16.to_be_bytes(),
        &[192, 0, 2, 2],
        &1001_u16.to_be_bytes(),
    ];
    let bytes = [
        &[0, 0, 0, 0, 4][..],
        &ends.concat(),
        &[17],
        extra,
        &(START + start * 1_000_000).to_be_bytes(),
        &[0; 4],
        &[0; 8],
    ];
    let digest = Sha256::digest(bytes.concat());
    digest[..16]
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

#[test]
fn flows_of_different_sensors_and_sources_are_never_one() {
    let folder = tempfile::tempdir().unwrap();
    archive(folder.path());
    let sources = "[sources.taps]\npath = \"day/*/*.pcap\"\nsensor = \"{path[1]}\"\nmerge = \"all\"\n\
        [sources.plain]\npath = \"day/stray.pcap\"\nmerge = \"all\"\n";
    let rows = |sources: &str, key: &str, workers: usize| {
        let spec = format!(
            "{sources}[flows]\nkey = {key}\n[features]\nonly = [\"total_packets\"]\nflow_id = true\n{OUT}[run]\nworkers = {workers}\n"
        );
        rows(folder.path(), &spec).0
    };
    let named = |parts: &[&str]| {
        let parts = parts.iter().map(|part| {
            let length = u32::try_from(part.len()).unwrap();
            [&length.to_be_bytes(), part.as_bytes()].concat()
        });
        parts.collect::<Vec<_>>().concat()
    };
    let row = |extra: &[u8], start: i64, rest: &str| format!("{},{rest}", id(extra, start));
    for workers in [1, 3] {
        // one flow of all, with the sensor of its first packet
        assert_eq!(
            rows(sources, "[\"5tuple\"]", workers)[1..],
            [row(&[], 0, "east,8")]
        );
        assert_eq!(
            rows(sources, "[\"5tuple\", \"sensor\"]", workers)[1..],
            [
                row(&named(&["east"]), 0, "east,2"),
                row(&named(&["west"]), 10, "west,4"),
                row(&named(&[""]), 30, ",2"),
            ]
        );
        assert_eq!(
            rows(sources, "[\"source\"]", workers)[1..],
            [
                row(&named(&["taps"]), 0, "east,6"),
                row(&named(&["plain"]), 30, ",2"),
            ]
        );
        assert_eq!(
            rows(sources, "[\"vlan\", \"source\", \"sensor\"]", workers)[2..],
            [
                row(
                    &[&[255; 4], &named(&["west", "taps"])[..]].concat(),
                    10,
                    "west,4"
                ),
                row(&[&[255; 4], &named(&["", "plain"])[..]].concat(), 30, ",2"),
            ]
        );
    }
    // the id does not depend on which other inputs there are
    let west = "[sources]\npath = \"day/west/*.pcap\"\nsensor = \"west\"\nmerge = \"all\"\n";
    assert_eq!(
        rows(west, "[\"sensor\"]", 1)[1..],
        [row(&named(&["west"]), 10, "west,4")]
    );
}

#[test]
fn what_is_wrong_is_found_before() {
    let wrong = |sources: &str, rest: &str| {
        let text = format!("spec = 1\n[sources]\npath = \"a/*/*.pcap\"\n{sources}\n{rest}\n{OUT}");
        let loaded = Loaded::text("spec.toml", text, "".into()).unwrap();
        let found = loaded.check().expect_err("it is wrong");
        let told = found.list.iter().map(|one| {
            let help = one.help.as_deref().unwrap_or_default();
            format!("{} {} ({}; {help})", one.code, one.message, one.path)
        });
        told.collect::<Vec<_>>().join("\n")
    };
    let unknown = wrong("sensor = \"x-{nane}\"", "");
    assert!(
        unknown.starts_with("E0008 `{nane}` is not a placeholder: there are `{name}`, `{path[0]}`"),
        "{unknown}"
    );
    assert_eq!(
        wrong("sensor = \"{path[3]}\"", ""),
        "E0008 `a/*/*.pcap` has no part `{path[3]}` (sources.sensor; its last part is `{path[2]}`; `{path[0]}` is the last one that is fixed)"
    );
    assert_eq!(
        wrong("", "[flows]\nkey = [\"3tuple\", \"sensor\"]"),
        "E0008 `sensor` is part of the key, and no source has one (flows.key; give the sources a `sensor`, or leave it out)"
    );
    assert_eq!(
        wrong("", "[features]\nadd = [\"sensor\"]"),
        "E0201 `sensor` is only there with `sources.sensor` (features.add[0]; set `sources.sensor`)"
    );
    assert!(
        wrong("", "[filters]\nwhere = 'sensor is null'")
            .starts_with("E0201 unknown field `sensor`")
    );
    let rows = wrong("type = \"rows\"\nsensor = \"x\"", "");
    assert!(rows.starts_with("E0005 unknown key `sensor`"), "{rows}");
    let known = wrong("sensor = \"x\"", "[features]\ngroups = [\"tmiing\"]");
    assert!(!known.contains("sensor"), "{known}");
}

#[test]
fn a_test_has_the_sensor_of_the_first_source() {
    let folder = Folder::new();
    archive(folder.path());
    let spec = "spec = 1\n[sources.tap]\npath = \"none/*/*.pcap\"\nsensor = \"{name}-{path[1]}\"\n[flows]\nkey = [\"sensor\", \"source\"]\n\
        [sinks]\npath = \"never.csv\"\n\
        [tests.written]\npackets = [{ src = \"10.0.0.1:1\", dst = \"10.0.0.2:2\", udp = {} }]\nrows = 1\nexpect = { sensor = \"tap-written\" }\n\
        [tests.read]\ninput = \"day/*/a.pcap\"\nrows = 2\nworkers = [1, 2]\nexpect = [{ sensor = \"tap-east\" }, { sensor = \"tap-west\" }]\n";
    std::fs::write(folder.path().join("spec.toml"), spec).unwrap();
    let ended = folder.run("test spec.toml");
    let text = String::from_utf8(ended.out).unwrap() + &ended.err;
    assert!(text.ends_with("2 tests, 0 failed\n"), "{text}");
}
