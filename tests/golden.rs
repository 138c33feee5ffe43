//! What the program says, word for word, and the documents that are made of it. `UPDATE_EXPECT=1 cargo test` writes both again.

use expect_test::expect_file;
use std::path::Path;
use std::process::{Command, Stdio};

/// The program with these arguments, in the root of the repository: standard output, standard error, exit code.
fn told(arguments: &[&str]) -> (String, String, Option<i32>) {
    let out = Command::new(env!("CARGO_BIN_EXE_jayflow"))
        .args(arguments)
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .env_remove("COLUMNS")
        .stdin(Stdio::null())
        .output()
        .expect("the program starts");
    let text = |bytes| String::from_utf8(bytes).expect("text");
    (text(out.stdout), text(out.stderr), out.status.code())
}

/// What the program prints with these arguments; it must go well.
fn printed(arguments: &[&str]) -> String {
    let (out, errors, code) = told(arguments);
    assert_eq!(code, Some(0), "{errors}");
    out
}

/// A document with everything between its markers replaced.
fn with_generated(path: &str, generated: &str) -> String {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let text = std::fs::read_to_string(root.join(path)).expect("the document");
    let (from, to) = ("<!-- generated: from here", "<!-- generated: to here -->");
    let (before, rest) = text.split_once(from).expect("a marker");
    let (marker, rest) = rest.split_once('\n').expect("a whole line");
    let (_, after) = rest.split_once(to).expect("an end marker");
    format!("{before}{from}{marker}\n{generated}{to}{after}")
}

#[test]
fn the_documents_are_those_of_the_program() {
    let features = printed(&["schema", "--features", "--format", "md"]);
    expect_file!["../docs/FEATURES.md"].assert_eq(&with_generated("docs/FEATURES.md", &features));
    let differences = printed(&["schema", "--differences", "--format", "md"]);
    expect_file!["../docs/MIGRATING.md"]
        .assert_eq(&with_generated("docs/MIGRATING.md", &differences));
    let commands = jayflow::cli::manual();
    expect_file!["../docs/CLI.md"].assert_eq(&with_generated("docs/CLI.md", &commands));
    let keys = printed(&["schema", "--format", "md"]);
    expect_file!["../docs/SPEC.md"].assert_eq(&with_generated("docs/SPEC.md", &keys));
}

#[test]
fn plans() {
    let spec = ["specs/quickstart.toml", "--set", "run.workers=2"];
    let with = |before: &[&'static str]| printed(&[before, &spec[..]].concat());
    expect_file!["golden/explain.txt"].assert_eq(&with(&["explain"]));
    expect_file!["golden/explain-memory.txt"].assert_eq(&with(&["explain", "--memory"]));
    expect_file!["golden/topology.mermaid"].assert_eq(&with(&["topology"]));
    expect_file!["golden/topology-physical.mermaid"].assert_eq(&with(&["topology", "--physical"]));
    expect_file!["golden/topology-physical.dot"].assert_eq(&with(&[
        "topology",
        "--physical",
        "--format",
        "dot",
    ]));
}

#[test]
fn help() {
    expect_file!["golden/help.txt"].assert_eq(&printed(&["help"]));
    expect_file!["golden/extract-short-help.txt"].assert_eq(&printed(&["extract", "-h"]));
    expect_file!["golden/help-E0212.txt"].assert_eq(&printed(&["help", "E0212"]));
    expect_file!["golden/features-timing.txt"].assert_eq(&printed(&["features", "timing"]));
    expect_file!["golden/features-burst_count.txt"]
        .assert_eq(&printed(&["features", "burst_count"]));
}

#[test]
fn first_rows_of_the_sample() {
    let sample = ["extract", "examples/sample.pcap", "-q", "-w", "1"];
    let csv = printed(&[&sample[..], &["-o", "-"]].concat());
    let first: String = csv.split_inclusive('\n').take(6).collect();
    expect_file!["golden/rows.csv"].assert_eq(&first);
    let table = printed(&[&sample[..], &["--format", "stdout"]].concat());
    expect_file!["golden/rows.txt"].assert_eq(&table);
}

#[test]
fn what_captures_hold() {
    let sample = printed(&["info", "examples/sample.pcap"]);
    expect_file!["golden/info.txt"].assert_eq(&sample);
    let two = [
        "info",
        "tests/captures/cut-off.pcap",
        "tests/captures/two-sections.pcapng",
    ];
    let (text, _, code) = told(&two);
    assert_eq!(code, Some(3), "one is cut off");
    expect_file!["golden/info-two.txt"].assert_eq(&text);
    let (json, _, code) = told(&[&two[..], &["--json"]].concat());
    assert_eq!(code, Some(3));
    expect_file!["golden/info-two.json"].assert_eq(&json);
    let (text, _, code) = told(&["info", "Cargo.toml"]);
    assert_eq!(code, Some(4), "{text}");
    assert!(text.contains("not_a_capture"), "{text}");
    let (_, error, code) = told(&["info", "no/such.pcap"]);
    assert_eq!(code, Some(2));
    assert!(error.contains("no file matches `no/such.pcap`"), "{error}");
}

#[test]
fn a_run_that_needs_too_much_memory_ends_with_nothing_written() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("rows.csv");
    for workers in ["1", "3"] {
        let (_, error, code) = told(&[
            "extract",
            "examples/sample.pcap",
            "-o",
            out.to_str().unwrap(),
            "-w",
            workers,
            "--set",
            "run.memory=\"1MiB\"",
        ]);
        if cfg!(target_os = "linux") {
            assert_eq!(code, Some(1), "{error}");
            assert!(error.starts_with("error: out of memory: "), "{error}");
            assert!(error.contains("of 1.0 MB that the run may have"), "{error}");
            assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
        }
    }
}
