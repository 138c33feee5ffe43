//! Rows that were written before, read back as rows; `jayflow label` over them and over captures.

use crate::program::{Folder, SAMPLE};
use expect_test::expect;

/// Labels of some flows of the sample, one with its ends the other way round.
const LABELS: &str = "Src IP,Source Port,Dst IP,Destination Port,Protocol,Timestamp,Label\n\
    192.0.2.20,60518,192.0.2.80,80,tcp,1795575094.1,web\n192.0.2.80,443,192.0.2.20,61260,6,1795575094.7,tls\n\
    192.0.2.30,58364,192.0.2.80,80,6,1795575000,late\n";

fn with_rows(ending: &str) -> Folder {
    let folder = Folder::new();
    let ended = folder.run(&format!(
        "extract {SAMPLE} -o rows.{ending} -f flow_meta,timing,dns,tls"
    ));
    assert_eq!(ended.code, Some(0), "{}", ended.err);
    folder
}

#[test]
fn rows_of_every_format_come_back_as_they_were() {
    for ending in ["csv", "jsonl", "parquet", "arrow"] {
        let folder = with_rows(ending);
        folder.put(
            "spec.toml",
            format!("spec = 1\n[sources]\ntype = \"rows\"\npath = \"rows.{ending}\"\n[sinks]\npath = \"again.{ending}\"\n"),
        );
        for workers in [1, 3] {
            let ended = folder.run(&format!(
                "run spec.toml --workers {workers} --set sinks.overwrite=true"
            ));
            assert_eq!(ended.code, Some(0), "{}", ended.err);
            assert!(ended.err.contains("  rows      191 read"), "{}", ended.err);
            if ["csv", "jsonl"].contains(&ending) {
                assert!(
                    folder.read(&format!("again.{ending}"))
                        == folder.read(&format!("rows.{ending}")),
                    "{ending}"
                );
            }
        }
    }
}

#[test]
fn durations_of_another_unit_are_not_taken_for_seconds() {
    let folder = Folder::new();
    for ending in ["csv", "parquet"] {
        folder.put(
            "made.toml",
            format!("spec = 1\n[sources]\npath = '{SAMPLE}'\n[features]\nduration_unit = \"ms\"\n[sinks]\npath = \"rows.{ending}\"\n"),
        );
        assert_eq!(folder.run("run made.toml").code, Some(0));
        folder.put(
            "spec.toml",
            format!("spec = 1\n[sources]\ntype = \"rows\"\npath = \"rows.{ending}\"\n[sinks]\npath = \"again.csv\"\n"),
        );
        let ended = folder.run("run spec.toml");
        assert_eq!(ended.code, Some(2), "{}", ended.err);
        let told = format!("rows.{ending} are in ms, and rows are read with seconds");
        assert!(ended.err.contains(&told), "{}", ended.err);
    }
}

#[test]
fn rows_are_filtered_derived_and_chosen_like_others() {
    let folder = with_rows("parquet");
    folder.put(
        "spec.toml",
        "spec = 1\n[sources]\ntype = \"rows\"\npath = \"rows.parquet\"\n\
        [features.derive]\nrate = 'total_bytes / duration'\n\
        [filters.web]\nwhere = 'dst_port == 80 and protocol == 6 and src_ip in 192.0.2.0/24'\n\
        [sinks]\npath = \"web.csv\"\ncolumns = [\"src_ip\", \"src_port\", \"rate\"]\n",
    );
    let ended = folder.run("run spec.toml");
    assert_eq!(ended.code, Some(0), "{}", ended.err);
    let rows = folder.read("web.csv");
    assert!(
        rows.starts_with("src_ip,src_port,rate\n192.0.2.10,58430,"),
        "{rows}"
    );
    assert!(
        rows.lines()
            .skip(1)
            .all(|line| line.starts_with("192.0.2.")),
        "{rows}"
    );
    // nobody has looked at the file: its columns are not known, and no name is wrong yet
    assert_eq!(
        folder
            .run("check spec.toml --set filters.web.where=nothing>3")
            .code,
        Some(0)
    );
    let ended = folder.run("check spec.toml --deep --set filters.web.where=nothing>3");
    assert!(
        ended.err.contains("unknown field `nothing`"),
        "{}",
        ended.err
    );
    let ended = folder.run("explain spec.toml");
    let out = String::from_utf8(ended.out).unwrap();
    assert!(
        out.contains("rows rows.parquet") && !out.contains("decode"),
        "{out}"
    );
    let ended = folder.run("topology spec.toml --physical");
    let out = String::from_utf8(ended.out).unwrap();
    assert!(!out.contains("flow table"), "{out}");
}

#[test]
fn labels_come_to_captures_and_to_rows() {
    let capture = {
        let folder = Folder::new();
        folder.put("labels.csv", LABELS);
        let ended = folder.run(&format!(
            "label {SAMPLE} --labels labels.csv -o out.csv -f flow_meta --columns kind=Label"
        ));
        assert_eq!(ended.code, Some(0), "{}", ended.err);
        assert!(
            ended
                .err
                .contains("2 matched, 189 not (1 in the other direction); 3 lines, 3 used"),
            "{}",
            ended.err
        );
        folder.read("out.csv")
    };
    let line = capture
        .lines()
        .find(|line| line.contains(",61260,"))
        .unwrap();
    assert!(line.ends_with(",tls,true"), "{line}");
    let folder = with_rows("parquet");
    folder.put("labels.csv", LABELS);
    let ended = folder.run(
        "label rows.parquet --labels labels.csv --mode inner -o out.csv --expect-matched 0.01",
    );
    assert_eq!(ended.code, Some(0), "{}", ended.err);
    let rows = folder.read("out.csv");
    let ends: Vec<&str> = rows
        .lines()
        .skip(1)
        .map(|line| &line[line.len() - 9..])
        .collect();
    assert_eq!(ends, ["web,false", ",tls,true"]);
    let ended =
        folder.run("label rows.parquet --labels labels.csv -o more.csv --expect-matched 0.5");
    assert_eq!(ended.code, Some(1));
    assert!(ended.err.contains("E0701"), "{}", ended.err);
    assert!(!folder.path().join("more.csv").exists());
    let ended = folder.run("label rows.parquet --labels labels.csv --print-spec");
    expect![[r#"
        spec = 1

        [sources]
        type = "rows"
        path = ["rows.parquet"]

        [joins.labels]
        with = "csv"
        path = "labels.csv"
        on = { src_ip = "Src IP", dst_ip = "Dst IP", src_port = "Source Port", dst_port = "Destination Port", protocol = "Protocol" }
        either_direction = true
        time = { from = "Timestamp", tolerance = "1s" }
        columns = { label = "Label" }

        [sinks.out]
        type = "csv"
        path = "-"
    "#]]
    .assert_eq(&String::from_utf8(ended.out).unwrap());
}

#[test]
fn labels_by_community_id_and_tables_that_are_not_understood() {
    let folder = Folder::new();
    let ended = folder.run(&format!(
        "extract {SAMPLE} -o ids.csv -f flow_meta --set features.add=community_id"
    ));
    assert_eq!(ended.code, Some(0), "{}", ended.err);
    let ids = folder.read("ids.csv");
    let header = ids
        .lines()
        .next()
        .unwrap()
        .split(',')
        .position(|name| name == "community_id")
        .unwrap();
    let id = ids
        .lines()
        .find(|line| line.contains(",60518,"))
        .unwrap()
        .split(',')
        .nth(header)
        .unwrap()
        .to_owned();
    folder.put("labels.csv", format!("community_id,label\n{id},web\n"));
    let ended = folder.run("label ids.csv --labels labels.csv --mode inner -o out.csv");
    assert_eq!(ended.code, Some(0), "{}", ended.err);
    assert!(
        folder
            .read("out.csv")
            .lines()
            .nth(1)
            .unwrap()
            .ends_with(",web")
    );
    let ended = folder.run(&format!(
        "label {SAMPLE} --labels labels.csv --mode inner -o flows.csv -f flow_meta"
    ));
    assert_eq!(ended.code, Some(0), "{}", ended.err);
    assert_eq!(folder.read("flows.csv").lines().count(), 2);
    folder.put("odd.csv", "who,what\n1,2\n");
    let ended = folder.run("label ids.csv --labels odd.csv");
    assert_eq!(ended.code, Some(2));
    assert!(
        ended
            .err
            .contains("`--on src_ip=COLUMN,...`; its columns are who, what"),
        "{}",
        ended.err
    );
    let ended = folder.run(&format!("label ids.csv {SAMPLE} --labels labels.csv"));
    assert_eq!(ended.code, Some(2));
}
