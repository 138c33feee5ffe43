//! What outputs say of how they were made.

use expect_test::expect;
use jayflow::provenance::Provenance;
use jayflow::spec::Loaded;
use jayflow::{Control, Plan, run};
use std::path::Path;

/// Runs a spec in a folder that has a copy of a capture.
fn ran(folder: &Path, sinks: &str, workers: usize) {
    let capture = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/captures/cut-off.pcap");
    std::fs::copy(capture, folder.join("in.pcap")).unwrap();
    std::fs::write(folder.join("key"), [7; 32]).unwrap();
    let spec = format!(
        "spec = 1 # how it was made\n[sources]\npath = \"in.pcap\"\n[features]\ngroups = [\"flow_meta\"]\n{sinks}"
    );
    std::fs::write(folder.join("spec.toml"), spec).unwrap();
    let mut loaded = Loaded::file(&folder.join("spec.toml")).unwrap().unwrap();
    let secret = |_: &str| Some("01".repeat(32));
    loaded.find_secrets(None, secret).unwrap();
    let spec = loaded
        .check()
        .unwrap_or_else(|found| panic!("{}", found.text(false)));
    let mut plan = Plan::new(&spec);
    plan.run.workers = Some(workers);
    let report = run(&plan, &Control::default()).unwrap();
    assert_eq!(report.books.imbalances(), Vec::<String>::new());
}

const SINKS: &str = "[run]\nhash_inputs = true\n[filters.f]\nwhere = 'protocol == 17'\n\
    [sinks.csv]\npath = \"a.csv\"\nanonymise = { addresses = \"truncate\", key = \"${secret:K}\" }\n\
    [sinks.lines]\npath = \"a.jsonl\"\n[sinks.parquet]\npath = \"a.parquet\"\n[sinks.arrow]\npath = \"a.arrow\"\n\
    [sinks.none]\npath = \"b.csv\"\nprovenance = false\n";

#[test]
fn every_output_says_how_it_was_made() {
    let folder = tempfile::tempdir().unwrap();
    ran(folder.path(), SINKS, 1);
    let read = |name: &str| Provenance::read(&folder.path().join(name));
    let csv = read("a.csv").unwrap();
    let text = csv
        .json()
        .replace(&folder.path().display().to_string(), "DIR");
    expect![[r#"
        {
          "version": "0.1.0",
          "spec_sha256": "16d2d2dfcb913b5d84ff65ea1b288c31be530475596005c90bca0f345a7d295f",
          "base": "DIR",
          "sink": "csv",
          "columns_sha256": "7b1eddc46ce9021eb5f04d06eb553fa5b0461caeeac654e25e94c0beff2b685f",
          "flow_key": "5tuple: Addresses, ports and protocol.",
          "privacy": {
            "addresses": "truncate",
            "key": "secret",
            "names": "keep"
          },
          "inputs": [
            {
              "bytes": 81087,
              "name": "DIR/in.pcap",
              "sha256": "c6fd781d6d0c2b6d2a7006babf6e26a3eedacffe02581494b61785e64781ab86"
            }
          ],
          "books": {
            "anomalies": {},
            "ethertypes": {
              "0x0806": 25
            },
            "filters": {
              "f": {
                "copies": 0,
                "dedup": 0,
                "filtered": 0,
                "limit": 0,
                "offered": 22,
                "passed": {
                  "": 22
                },
                "unrouted": 0
              }
            },
            "flows": {
              "bytes": 15386,
              "discarded": {},
              "emitted": {
                "eof": 6,
                "idle": 16
              },
              "open": 0,
              "opened": 22,
              "packets": 66
            },
            "inputs": {
              "faults": [
                {
                  "bytes_unread": 55,
                  "file": "DIR/in.pcap",
                  "hint": "the file ends 55 bytes into a record; the records before it were read: copy it again if the original is longer",
                  "offset": 81032,
                  "reason": "truncated",
                  "record": 564
                }
              ],
              "listed": 1,
              "partial": {
                "truncated": 1
              },
              "refused": {},
              "skipped": 0,
              "whole": 0
            },
            "limits_hit": {
              "max_flows": 0
            },
            "packets": {
              "read": 564,
              "skipped": {
                "not_ip": 25,
                "unwanted": 473
              },
              "used": 66
            },
            "rows": 22,
            "sinks": {
              "a.arrow": {
                "dropped": {},
                "offered": 22,
                "rejected": {}
              },
              "a.csv": {
                "dropped": {},
                "offered": 22,
                "rejected": {}
              },
              "a.jsonl": {
                "dropped": {},
                "offered": 22,
                "rejected": {}
              },
              "a.parquet": {
                "dropped": {},
                "offered": 22,
                "rejected": {}
              },
              "b.csv": {
                "dropped": {},
                "offered": 22,
                "rejected": {}
              }
            }
          },
          "spec": "spec = 1 # how it was made\n[sources]\npath = \"in.pcap\"\n[features]\ngroups = [\"flow_meta\"]\n[run]\nhash_inputs = true\n[filters.f]\nwhere = 'protocol == 17'\n[sinks.csv]\npath = \"a.csv\"\nanonymise = { addresses = \"truncate\", key = \"${secret:K}\" }\n[sinks.lines]\npath = \"a.jsonl\"\n[sinks.parquet]\npath = \"a.parquet\"\n[sinks.arrow]\npath = \"a.arrow\"\n[sinks.none]\npath = \"b.csv\"\nprovenance = false\n"
        }
    "#]].assert_eq(&text);
    assert_eq!(read("a.csv.provenance.json").unwrap(), csv);
    for name in ["a.jsonl", "a.parquet", "a.arrow"] {
        let made = read(name).unwrap();
        let differs = |key: &&str| made.get(key) != csv.get(key);
        let keys = [
            "version",
            "spec",
            "spec_sha256",
            "base",
            "flow_key",
            "columns_sha256",
            "inputs",
            "books",
            "sink",
            "privacy",
        ];
        let differing: Vec<&str> = keys.into_iter().filter(differs).collect();
        let value =
            |key: &str| serde_json::from_str::<serde_json::Value>(made.get(key).unwrap()).unwrap();
        let of_csv =
            |key: &str| serde_json::from_str::<serde_json::Value>(csv.get(key).unwrap()).unwrap();
        assert_eq!(value("books"), of_csv("books"), "{name}");
        assert_eq!(value("inputs"), of_csv("inputs"), "{name}");
        let rest: Vec<&str> = differing
            .into_iter()
            .filter(|key| !["books", "inputs"].contains(key))
            .collect();
        assert_eq!(rest, ["sink", "privacy"], "{name}");
    }
    let error = read("b.csv").unwrap_err();
    assert!(
        error.hint().unwrap().contains("provenance = false"),
        "{error}"
    );
    assert!(read("c.csv").unwrap_err().to_string().contains("c.csv"));
    // no file holds the key
    for entry in std::fs::read_dir(folder.path()).unwrap().flatten() {
        let bytes = std::fs::read(entry.path()).unwrap();
        let secret = "01".repeat(32).into_bytes();
        assert!(
            !bytes.windows(secret.len()).any(|some| some == secret),
            "{:?}",
            entry.path()
        );
    }
}

#[test]
fn two_runs_give_the_same_bytes_on_any_number_of_workers() {
    let folder = tempfile::tempdir().unwrap();
    // in one folder, as its name is in what they say
    let all = |workers: usize| {
        ran(folder.path(), SINKS, workers);
        let files = std::fs::read_dir(folder.path()).unwrap().flatten();
        let mut files: Vec<(String, Vec<u8>)> = files
            .map(|entry| {
                let bytes = std::fs::read(entry.path()).unwrap();
                std::fs::remove_file(entry.path()).unwrap();
                (entry.file_name().into_string().unwrap(), bytes)
            })
            .collect();
        files.sort();
        files
    };
    let one = all(1);
    assert_eq!(one.len(), 10);
    for workers in [1, 2, 3] {
        let other = all(workers);
        for ((name, bytes), (_, others)) in one.iter().zip(&other) {
            assert!(bytes == others, "{name} on {workers}");
        }
    }
}

#[test]
fn a_run_that_fails_leaves_nothing_beside() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("a.csv"), "precious").unwrap();
    let capture = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/captures/few.pcap");
    let spec = format!(
        "spec = 1\n[sources]\npath = '{}'\n[sinks]\npath = \"a.csv\"\n",
        capture.display()
    );
    std::fs::write(folder.path().join("spec.toml"), spec).unwrap();
    let loaded = Loaded::file(&folder.path().join("spec.toml"))
        .unwrap()
        .unwrap();
    let plan = Plan::new(&loaded.check().unwrap());
    assert!(run(&plan, &Control::default()).is_err());
    let mut names: Vec<_> = std::fs::read_dir(folder.path())
        .unwrap()
        .flatten()
        .map(|entry| entry.file_name())
        .collect();
    names.sort();
    assert_eq!(names, ["a.csv", "spec.toml"]);
}
