//! Sinks whose path holds values: which files there are, what is in them, and what is said where a path is wrong.

use crate::program::{Folder, SAMPLE, STOP};
use crate::traffic::{Record, fixed, pcap, records};
use expect_test::{Expect, expect};
use jayflow::provenance::Provenance;
use jayflow::spec::Loaded;
use jayflow::{Control, Error, Plan, Report, run};
use proptest::prelude::*;
use std::collections::BTreeMap;
use std::path::Path;

/// A run of a spec in a folder with `in.pcap`.
fn ran(folder: &Path, spec: &str) -> Result<Report, Error> {
    let text = format!("spec = 1\n[sources]\npath = \"in.pcap\"\n{spec}");
    std::fs::write(folder.join("spec.toml"), text).unwrap();
    let mut loaded = Loaded::file(&folder.join("spec.toml")).unwrap().unwrap();
    let spec = loaded
        .settled()
        .unwrap_or_else(|found| panic!("{}", found.text(false)));
    let report = run(&Plan::new(&spec), &Control::default())?;
    assert_eq!(report.books.imbalances(), Vec::<String>::new());
    Ok(report)
}

/// The files of rows below a folder, with their text.
fn tree(folder: &Path) -> BTreeMap<String, String> {
    fn walk(at: &Path, from: &Path, found: &mut BTreeMap<String, String>) {
        for entry in std::fs::read_dir(at).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                walk(&path, from, found);
            } else if !path.to_str().unwrap().ends_with(".provenance.json") {
                let name = path.strip_prefix(from).unwrap().display().to_string();
                let text = String::from_utf8_lossy(&std::fs::read(&path).unwrap()).into_owned();
                found.insert(name, text);
            }
        }
    }
    let mut found = BTreeMap::new();
    walk(folder, folder, &mut found);
    found
}

fn sorted<'t>(texts: impl Iterator<Item = &'t String>) -> Vec<&'t str> {
    let mut lines: Vec<&str> = texts.flat_map(|text| text.lines().skip(1)).collect();
    lines.sort_unstable();
    lines
}

const FEATURES: &str = "[features]\ngroups = [\"flow_meta\", \"timing\"]\n\
    derive = { kind = 'if protocol == 6 then \"tcp\" else if total_packets > 1 then \"a/b\" else null' }\n";

proptest! {
    #![proptest_config(ProptestConfig::with_cases(8))]
    /// The union of the files is what one file would hold, and each keeps its order, for any number of workers.
    #[test]
    fn files_are_the_rows_of_one(traffic in records(120), sort in prop_oneof![Just("start"), Just("none")]) {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("in.pcap"), pcap(&traffic)).unwrap();
        let mut trees = Vec::new();
        for workers in 1..=3 {
            let (out, plain) = (format!("out{workers}"), format!("plain{workers}.csv"));
            std::fs::create_dir(folder.path().join(&out)).unwrap();
            let report = ran(folder.path(), &format!(
                "{FEATURES}[sinks.parts]\npath = \"{out}/at={{start:%H%M}}/{{kind}}-{{src_ip}}.csv\"\nsort = \"{sort}\"\n\
                 [sinks.plain]\npath = \"{plain}\"\n[run]\nworkers = {workers}\nsort_memory = \"4KB\"\n"
            )).unwrap();
            let found = tree(&folder.path().join(&out));
            let whole = std::fs::read_to_string(folder.path().join(&plain)).unwrap();
            prop_assert_eq!(sorted(found.values()), sorted(std::iter::once(&whole)));
            prop_assert_eq!(report.outputs[0].files, Some(found.len() as u64));
            let head = whole.lines().next().unwrap();
            let places: BTreeMap<&str, usize> = whole.lines().zip(0..).collect();
            for (path, text) in &found {
                prop_assert_eq!(text.lines().next().unwrap(), head);
                let rows: Vec<usize> = text.lines().skip(1).map(|line| places[line]).collect();
                prop_assert!(!rows.is_empty() && rows.is_sorted(), "{path}");
            }
            trees.push(found);
        }
        prop_assert!(trees.iter().all(|tree| *tree == trees[0]));
    }
}

#[test]
fn every_format_and_reading_back() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    std::fs::write(at("in.pcap"), pcap(&fixed())).unwrap();
    let mut sinks = String::new();
    for kind in ["csv", "jsonl", "parquet", "arrow"] {
        std::fs::create_dir(at(kind)).unwrap();
        sinks += &format!(
            "[sinks.{kind}]\npath = \"{kind}/{{protocol}}/{{name}}.{kind}\"\ncolumns = [\"src_ip\", \"start_time\", \"total_bytes\"]\n"
        );
    }
    ran(folder.path(), &format!("{FEATURES}{sinks}[sinks.plain]\npath = \"plain.csv\"\ncolumns = [\"src_ip\", \"start_time\", \"total_bytes\"]\n")).unwrap();
    let plain = std::fs::read_to_string(at("plain.csv")).unwrap();
    for kind in ["csv", "jsonl", "parquet", "arrow"] {
        let names: Vec<String> = tree(&at(kind)).into_keys().collect();
        let expected = ["1", "17", "6"].map(|protocol| format!("{protocol}/{kind}.{kind}"));
        assert_eq!(names, expected);
        // the column of the path is not in the files, and nothing is taken from the path
        for path in [
            format!("{kind}\"\nrecursive = true"),
            format!("{kind}/*/*.{kind}\""),
        ] {
            std::fs::write(at("back.toml"), format!("spec = 1\n[sources]\ntype = \"rows\"\npath = \"{path}\n[sinks.out]\npath = \"back.csv\"\noverwrite = true\n")).unwrap();
            let mut loaded = Loaded::file(&at("back.toml")).unwrap().unwrap();
            let spec = loaded
                .settled()
                .unwrap_or_else(|found| panic!("{}", found.text(false)));
            run(&Plan::new(&spec), &Control::default()).unwrap();
            let back = std::fs::read_to_string(at("back.csv")).unwrap();
            assert_eq!(
                sorted([&back].into_iter()),
                sorted([&plain].into_iter()),
                "{kind}"
            );
        }
        let made = Provenance::read(&at(&format!("{kind}/17/{kind}.{kind}"))).unwrap();
        assert_eq!(made.get("file"), Some(format!("17/{kind}.{kind}").as_str()));
        assert!(made.get("books").is_some() && made.get("inputs").is_some());
    }
}

#[test]
fn a_path_tells_nothing_that_the_rows_hide() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("in.pcap"), pcap(&fixed())).unwrap();
    std::fs::write(folder.path().join("key"), [7; 32]).unwrap();
    for (addresses, shown) in [("truncate", "192.0.2.0"), ("pseudonym", "")] {
        let out = folder.path().join(addresses);
        std::fs::create_dir(&out).unwrap();
        ran(folder.path(), &format!(
            "{FEATURES}[sinks.out]\npath = \"{addresses}/{{src_ip}}.csv\"\nanonymise = {{ addresses = \"{addresses}\", key_file = \"key\" }}\n"
        )).unwrap();
        let found = tree(&out);
        assert!(
            found.contains_key(&format!("{shown}.csv")) || shown.is_empty(),
            "{:?}",
            found.keys()
        );
        for (path, text) in &found {
            let name = path.strip_suffix(".csv").unwrap();
            assert!(!name.contains("192.0.2.1"));
            assert!(
                text.lines()
                    .skip(1)
                    .all(|line| line.starts_with(&name.replace("%3A", ":"))),
                "{path}"
            );
        }
    }
}

#[test]
fn tables_of_views_are_shared_too() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("in.pcap"), pcap(&fixed())).unwrap();
    std::fs::create_dir(folder.path().join("out")).unwrap();
    ran(folder.path(), "[views.talk]\ninput = \"flows\"\ngroup_by = [\"src_ip\", \"protocol\"]\nselect = { n = 'count()' }\n\
        [sinks.parts]\ninput = \"talk\"\npath = \"out/{protocol}.csv\"\n[sinks.plain]\ninput = \"talk\"\npath = \"plain.csv\"\n").unwrap();
    let found = tree(&folder.path().join("out"));
    let plain = std::fs::read_to_string(folder.path().join("plain.csv")).unwrap();
    assert!(found.len() > 2, "{:?}", found.keys());
    assert_eq!(sorted(found.values()), sorted([&plain].into_iter()));
}

fn shows(sinks: &str, expected: &Expect) {
    let text = format!("spec = 1\n[sources]\npath = \"a.pcap\"\n{sinks}");
    let loaded = Loaded::text("spec.toml", text, std::path::PathBuf::new()).unwrap();
    let found = match loaded.check() {
        Ok(_) => String::new(),
        Err(found) => found.text(false),
    };
    expected.assert_eq(&found);
}

#[test]
fn what_is_wrong_with_a_path() {
    let sink = |path: &str| format!("[sinks.out]\npath = '{path}'\n");
    shows(
        &sink("out/{src_port}-{dst_prt}.csv"),
        &expect![[r#"
        error[E0201]: the rows have no column `dst_prt`, whose value would be in the path
         --> spec.toml:5:25 (sinks.out.path)
          |
        5 | path = 'out/{src_port}-{dst_prt}.csv'
          |                         ^^^^^^^
          = help: did you mean `dst_port`?
          = see `jayflow help E0201`
    "#]],
    );
    shows(
        &sink("out/{duration}.csv"),
        &expect![[r#"
        error[E0207]: a path holds whole numbers, texts and addresses, and `duration` is a number with a fraction
         --> spec.toml:5:14 (sinks.out.path)
          |
        5 | path = 'out/{duration}.csv'
          |              ^^^^^^^^
          = help: derive a column that has few values: `derive = { class = '...' }`
          = see `jayflow help E0207`
    "#]],
    );
    shows(
        &sink("out/{start_time}.csv"),
        &expect![[r#"
        error[E0207]: a path holds whole numbers, texts and addresses, and `start_time` is a time
         --> spec.toml:5:14 (sinks.out.path)
          |
        5 | path = 'out/{start_time}.csv'
          |              ^^^^^^^^^^
          = help: for the start of a flow write `{start:%Y-%m-%d}`
          = see `jayflow help E0207`
    "#]],
    );
    shows(
        &sink("out/{worker}.csv"),
        &expect![[r#"
        error[E0008]: the rows of a sink are written by one worker, whatever the number of them
         --> spec.toml:5:13 (sinks.out.path)
          |
        5 | path = 'out/{worker}.csv'
          |             ^^^^^^^^
          = help: leave `{worker}` out, or name a column: `{protocol}`
          = see `jayflow help E0008`
    "#]],
    );
    shows(
        &sink("out/{start:%Y-%E}.csv"),
        &expect![[r#"
        error[E0008]: `%Y-%E` is no form of a time: found unrecognized specifier directive `E`
         --> spec.toml:5:13 (sinks.out.path)
          |
        5 | path = 'out/{start:%Y-%E}.csv'
          |             ^^^^^^^^^^^^^
          = help: `%Y-%m-%d` is a day, `%H` an hour, as `strftime` has them
          = see `jayflow help E0008`
    "#]],
    );
    shows(
        &sink("out/{start}.csv"),
        &expect![[r#"
        error[E0008]: `{start}` has no form
         --> spec.toml:5:13 (sinks.out.path)
          |
        5 | path = 'out/{start}.csv'
          |             ^^^^^^^
          = help: say which part of the time: `{start:%Y-%m-%d}`
          = see `jayflow help E0008`
    "#]],
    );
    shows(
        &sink("out/{src_ip}/../x.csv"),
        &expect![[r#"
        error[E0008]: below its fixed beginning a path has names, and no `.`, `..` or empty one
         --> spec.toml:5:8 (sinks.out.path)
          |
        5 | path = 'out/{src_ip}/../x.csv'
          |        ^^^^^^^^^^^^^^^^^^^^^^^
          = help: write such names before the first `{`
          = see `jayflow help E0008`
    "#]],
    );
    shows(
        &sink("out/{src_ip.csv"),
        &expect![[r#"
        error[E0008]: `{` has no `}`
         --> spec.toml:5:13 (sinks.out.path)
          |
        5 | path = 'out/{src_ip.csv'
          |             ^^^^^^^^^^^
          = help: `{name}` is the place of a value; a brace in the name of a file is written `{{`
          = see `jayflow help E0008`
    "#]],
    );
    shows(
        "[sinks.out]\ntype = 'graph'\npath = 'out/{src_ip}.csv'\n",
        &expect![[r#"
            error[E0008]: a graph sink writes one file: its path holds no values
             --> spec.toml:6:8 (sinks.out.path)
              |
            6 | path = 'out/{src_ip}.csv'
              |        ^^^^^^^^^^^^^^^^^^
              = help: write the name of one file
              = see `jayflow help E0008`
        "#]],
    );
    shows(
        "[sinks.out]\npath = 'out/{src_ip}.csv'\nanonymise = { addresses = 'drop' }\n",
        &expect![[r#"
            error[E0411]: `anonymise` leaves `src_ip` out, and the path would tell it
             --> spec.toml:5:14 (sinks.out.path)
              |
            5 | path = 'out/{src_ip}.csv'
              |              ^^^^^^
              = help: leave it out of the path too
              = see `jayflow help E0411`
        "#]],
    );
    shows(
        "[sinks.a]\npath = 'out/{src_ip}.csv'\n[sinks.b]\npath = 'out/{start:%Y}.csv'\n[sinks.c]\npath = 'out/c.csv'\n",
        &expect![[r#"
            error[E0412]: the sink `a` can write the same file: its path is `out/{src_ip}.csv`
             --> spec.toml:7:8 (sinks.b.path)
              |
            7 | path = 'out/{start:%Y}.csv'
              |        ^^^^^^^^^^^^^^^^^^^^
              = help: let the names of their files begin differently
              = see `jayflow help E0412`

            error[E0412]: the sink `a` can write the same file: its path is `out/{src_ip}.csv`
             --> spec.toml:9:8 (sinks.c.path)
              |
            9 | path = 'out/c.csv'
              |        ^^^^^^^^^^^
              = help: let the names of their files begin differently
              = see `jayflow help E0412`
        "#]],
    );
    shows(
        "[views.v]\ninput = 'flows'\ngroup_by = ['src_ip']\nselect = { n = 'count()' }\n[sinks.out]\ninput = 'v'\npath = 'out/{start:%H}/{src_i}.csv'\n",
        &expect![[r#"
            error[E0201]: `start` is the start of a flow, and these rows are those of a table
              --> spec.toml:10:14 (sinks.out.path)
               |
            10 | path = 'out/{start:%H}/{src_i}.csv'
               |              ^^^^^^^^
               = help: name a column of the rows
               = see `jayflow help E0201`

            error[E0201]: the rows have no column `src_i`, whose value would be in the path
              --> spec.toml:10:25 (sinks.out.path)
               |
            10 | path = 'out/{start:%H}/{src_i}.csv'
               |                         ^^^^^
               = help: did you mean `src_ip`?
               = see `jayflow help E0201`
        "#]],
    );
    // all is well
    shows(
        "[sinks.a]\npath = 'out/a-{src_ip}.csv'\n[sinks.b]\npath = 'out/b-{src_ip}.csv'\n[sinks.c]\npath = 'out/{name}.{{x}}.csv'\n",
        &expect![[""]],
    );
}

#[test]
fn several_processes_write_the_files_of_one() {
    let folder = Folder::new();
    let traffic: Vec<Record> = fixed();
    folder.put("in.pcap", pcap(&traffic));
    let mut trees = Vec::new();
    for processes in 1..=2 {
        let out = format!("out{processes}");
        std::fs::create_dir(folder.path().join(&out)).unwrap();
        folder.run(&format!("extract in.pcap -f flow_meta -o {out}/{{protocol}}/{{src_ip}}.csv -w 1 --processes {processes}")).with_code(0);
        trees.push(tree(&folder.path().join(&out)));
    }
    assert!(trees[0].len() > 5 && trees[0] == trees[1]);
}

#[test]
fn made_again_and_never_overwritten_unasked() {
    let folder = Folder::new();
    folder.put("in.pcap", std::fs::read(SAMPLE).unwrap());
    std::fs::create_dir(folder.path().join("out")).unwrap();
    let run = "extract in.pcap -f flow_meta -o out/{protocol}.csv";
    let ended = folder.run(run).with_code(0);
    assert!(ended.err.contains(" files  "), "{}", ended.err);
    let before = tree(&folder.path().join("out"));
    folder.run("rerun out/17.csv").with_code(0);
    folder.run("rerun out/6.csv").with_code(0);
    folder.run("provenance out/6.csv").with_code(0);
    let ended = folder.run(run).with_code(1);
    assert!(
        ended.err.contains("exists and was not touched"),
        "{}",
        ended.err
    );
    assert!(tree(&folder.path().join("out")) == before);
    folder.run(&format!("{run} --overwrite")).with_code(0);
    assert!(tree(&folder.path().join("out")) == before);
    // a limit of the size of files: nothing is left over of a run that fails
    std::fs::create_dir(folder.path().join("full")).unwrap();
    let ended =
        folder.run_shell("ulimit -f 1; \"$JAYFLOW\" extract in.pcap -o full/{protocol}.csv");
    assert_eq!(ended.code, Some(1), "{}", ended.err);
    assert!(tree(&folder.path().join("full")).is_empty());
    assert_eq!(
        std::fs::read_dir(folder.path().join("full"))
            .unwrap()
            .count(),
        0
    );
}

#[test]
fn runs_that_are_stopped_or_killed_leave_nothing_half() {
    let folder = Folder::new();
    let arguments = "extract - -o {protocol}.csv";
    let mut running = folder.start(arguments, b"");
    folder.wait_for(".out.");
    running.signal("INT");
    // it may have ended by the first
    let line = format!("kill -INT {} 2> /dev/null; true", running.id());
    folder.run_shell(&line).with_code(0);
    running.end(STOP).with_code(130);
    assert_eq!(folder.names(), [""; 0]);
    let mut running = folder.start(arguments, b"");
    folder.wait_for(".out.");
    running.signal("KILL");
    assert_eq!(running.end(STOP).code, None);
    assert_eq!(folder.names().len(), 1);
    // the next run sweeps; one that lives keeps what it has
    let sample = std::fs::read(SAMPLE).unwrap();
    let mut living = folder.start(arguments, &sample[..100_000]);
    folder.wait_for(&format!(".out.{}-", living.id()));
    assert_eq!(folder.names().len(), 1);
    std::fs::create_dir(folder.path().join("other")).unwrap();
    folder
        .run(&format!("extract {SAMPLE} -o other/{{protocol}}.csv"))
        .with_code(0);
    std::thread::sleep(std::time::Duration::from_millis(100));
    living.signal("TERM");
    living.end(STOP).with_code(143);
    let names = folder.names();
    assert!(names.contains(&"6.csv".to_owned()), "{names:?}");
    assert!(
        names.iter().all(|name| !name.ends_with(".partial")),
        "{names:?}"
    );
}
