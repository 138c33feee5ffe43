//! Commands around files of rows: `diff`, `validate`, `profiles`, `provenance`, `rerun`.

use crate::program::{Ended, Folder, SAMPLE};
use expect_test::expect;

const CUT_OFF: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/captures/cut-off.pcap");

/// What a command printed.
fn text(ended: &Ended) -> String {
    String::from_utf8(ended.out.clone()).unwrap()
}

/// Rows of a small capture in each format.
fn rows(folder: &Folder) {
    for kind in ["csv", "jsonl", "parquet", "arrow"] {
        let options = "-f flow_meta,iat_mean --splt --hash-inputs";
        folder
            .run(&format!("extract {SAMPLE} {options} -o a.{kind}"))
            .with_code(0);
    }
}

#[test]
fn rows_are_the_same_in_every_format() {
    let folder = Folder::new();
    rows(&folder);
    let kinds = ["csv", "jsonl", "parquet", "arrow"];
    for one in kinds {
        for other in kinds {
            let ended = folder
                .run(&format!("diff a.{one} a.{other} --tolerance 0"))
                .with_code(0);
            assert!(
                text(&ended).ends_with("no difference\n"),
                "{}",
                text(&ended)
            );
            assert!(
                text(&ended).contains("191 rows compared by src_ip,"),
                "{}",
                text(&ended)
            );
        }
    }
}

#[test]
fn only_what_differs_is_shown() {
    let folder = Folder::new();
    folder.put(
        "a.csv",
        "src_ip,dst_port,n,x\n10.0.0.1,1,5,0.5\n10.0.0.2,1,6,\n10.0.0.3,1,7,0.25\n",
    );
    folder.put(
        "b.jsonl",
        "{\"src_ip\":\"10.0.0.2\",\"n\":6,\"x\":1.5,\"more\":[1]}\n{\"src_ip\":\"10.0.0.1\",\"n\":8,\"x\":0.50000000000001,\"more\":null}\n\
        {\"src_ip\":\"10.0.0.9\",\"n\":8,\"x\":0.5}\n",
    );
    let ended = folder.run("diff a.csv b.jsonl --key src_ip").with_code(1);
    expect![[r#"
        a.csv: 3 rows
        b.jsonl: 3 rows
        2 rows compared by src_ip, 2 columns
        only in a.csv: columns dst_port
        only in a.csv: 1 rows
          10.0.0.3
        only in b.jsonl: columns more
        only in b.jsonl: 1 rows
          10.0.0.9
        n: 1 of 2 rows differ, by 3 at most
          5 and 8 at 10.0.0.1
        x: 1 of 2 rows differ
          null and 1.5 at 10.0.0.2
        they differ
    "#]]
    .assert_eq(&text(&ended));
    folder
        .run("diff a.csv b.jsonl --key src_ip --ignore n,x,dst_port,more")
        .with_code(1);
    folder.put(
        "c.csv",
        "src_ip,n\n10.0.0.3,7.000001\n10.0.0.1,5\n10.0.0.2,6\n",
    );
    folder
        .run("diff a.csv c.csv --key src_ip --tolerance 1e-6")
        .with_code(1);
    folder
        .run("diff a.csv c.csv --key src_ip --tolerance 1e-6 --common")
        .with_code(0);
    folder
        .run("diff a.csv c.csv --key src_ip --absolute 0.1 --common")
        .with_code(0);
    let ended = folder
        .run("diff a.csv c.csv --key src_ip --common --json")
        .with_code(1);
    let json: serde_json::Value = serde_json::from_slice(&ended.out).unwrap();
    assert_eq!(json["differing"][0]["column"], "n");
    assert_eq!(json["differ"], true);
    folder
        .run("diff a.csv c.csv --key dst_port")
        .with_code(2)
        .saying("`dst_port`");
    folder
        .run("diff a.csv none.csv")
        .with_code(2)
        .saying("none.csv");
    folder
        .run("diff a.csv a.txt")
        .with_code(2)
        .saying("by its name");
}

#[test]
fn a_capture_is_validated_against_rows() {
    let folder = Folder::new();
    folder
        .run(&format!(
            "extract {CUT_OFF} -f flow_meta --split -o a.parquet"
        ))
        .with_code(3);
    let ended = folder
        .run(&format!("validate {CUT_OFF} --expected a.parquet"))
        .with_code(0);
    assert!(
        text(&ended).ends_with("no difference\n"),
        "{}",
        text(&ended)
    );
    folder.put("spec.toml", "spec = 1\n[sources]\npath = \"x\"\n[features]\ngroups = \"flow_meta\"\n[flows]\nidle_timeout = \"1ms\"\n[sinks.a]\npath = \"a.csv\"\n[sinks.b]\npath = \"b.csv\"\n");
    let line = format!("validate {CUT_OFF} --expected a.parquet -s spec.toml");
    folder.run(&line).with_code(2).saying("several sinks");
    let ended = folder
        .run(&format!("{line} --sink a --ignore *_fwd,*_bwd"))
        .with_code(1);
    assert!(text(&ended).contains("flow_end_reason"), "{}", text(&ended));
    let line = format!("{line} --sink a --set flows.idle_timeout=60s --set features.split=true");
    folder.run(&line).with_code(0);
}

#[test]
fn an_output_is_made_again() {
    let folder = Folder::new();
    std::fs::copy(SAMPLE, folder.path().join("in.pcap")).unwrap();
    folder.put("spec.toml", "spec = 1\n[vars.t]\ntype = \"duration\"\ndefault = \"60s\"\n[sources]\npath = \"in.pcap\"\n[flows]\nidle_timeout = \"${t}\"\n[features]\ngroups = \"flow_meta\"\n[sinks.a]\npath = \"a.csv\"\n[sinks.b]\npath = \"b.parquet\"\ncolumns = [\"src_ip\", \"duration\"]\n");
    folder
        .run("run spec.toml --set t=1s --hash-inputs")
        .with_code(0);
    for name in ["a.csv", "b.parquet"] {
        let ended = folder.run(&format!("rerun {name}")).with_code(0);
        assert!(
            text(&ended).ends_with("no difference\n"),
            "{}",
            text(&ended)
        );
        assert!(ended.err.is_empty(), "{}", ended.err);
    }
    let spec = folder.run("provenance b.parquet --spec").with_code(0);
    let spec = text(&spec);
    assert!(spec.contains("default = \"1s\""), "{spec}");
    let json: serde_json::Value =
        serde_json::from_slice(&folder.run("provenance a.csv").out).unwrap();
    assert_eq!(json["inputs"][0]["name"], "in.pcap");
    assert_eq!(json["inputs"][0]["sha256"].as_str().unwrap().len(), 64);
    // somebody changed a row; then the input
    let changed = folder.read("a.csv").replacen("10.", "11.", 1);
    folder.put("a.csv", changed);
    folder.run("rerun a.csv").with_code(1);
    std::fs::copy(CUT_OFF, folder.path().join("in.pcap")).unwrap();
    folder
        .run("rerun b.parquet")
        .with_code(1)
        .saying("is not what it was");
    std::fs::remove_file(folder.path().join("in.pcap")).unwrap();
    folder.run("rerun b.parquet").with_code(2).saying("in.pcap");
    folder.put("c.csv", "a\n");
    folder
        .run("rerun c.csv")
        .with_code(2)
        .saying("c.csv.provenance.json");
}

#[test]
fn profiles_are_listed_shown_and_looked_for() {
    let folder = Folder::new();
    let list = text(&folder.run("profiles").with_code(0));
    for (name, features) in [
        // three are ours, beside the 151 and 299 of the reference
        ("JJ-CORE", "154"),
        ("JJ-EXTENDED", "302"),
    ] {
        let line = list.lines().find(|line| line.starts_with(name)).unwrap();
        assert!(line.ends_with(&format!("{features} features")), "{line}");
    }
    assert!(list.contains("\njoyfuljay "), "{list}");
    let shown = text(&folder.run("profiles show core").with_code(0));
    assert_eq!(shown.lines().count(), 154);
    let group = folder
        .run("profiles show JJ-CORE --group timing --json")
        .with_code(0);
    let group: serde_json::Value = serde_json::from_slice(&group.out).unwrap();
    assert!(
        group
            .as_array()
            .unwrap()
            .iter()
            .all(|one| one["group"] == "timing")
    );
    folder
        .run("profiles show cor")
        .with_code(2)
        .saying("no profile is named `cor`");
    folder
        .run(&format!("extract {CUT_OFF} --profile core -o a.csv"))
        .with_code(3);
    let ended = folder.run("profiles validate core a.csv").with_code(0);
    assert_eq!(text(&ended), "a.csv: 154 of the 154 columns of JJ-CORE\n");
    let ended = folder.run("profiles validate extended a.csv").with_code(1);
    assert_eq!(text(&ended).matches("is missing").count(), 302 - 154);
}
