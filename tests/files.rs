//! Files that specs name: lines that are compressed, and addresses that are no files.

use crate::program::{Folder, SAMPLE};
use expect_test::{Expect, expect};
use flate2::read::GzDecoder;
use jayflow::spec::Loaded;
use jayflow_operators::stored::{Format, Reader};
use std::io::Read as _;
use std::path::PathBuf;

/// What comes out of a gzip file.
fn gunzipped(folder: &Folder, name: &str) -> Vec<u8> {
    let path = folder.path().join(name);
    let bytes = std::fs::read(&path).unwrap();
    assert_eq!(bytes[..4], [0x1f, 0x8b, 8, 0], "no name, no text");
    assert_eq!(bytes[4..8], [0; 4], "no time");
    let mut all = Vec::new();
    GzDecoder::new(&bytes[..]).read_to_end(&mut all).unwrap();
    all
}

/// The cells of a file of rows.
fn cells(folder: &Folder, name: &str) -> Vec<Vec<Option<String>>> {
    let path = folder.path().join(name);
    let mut reader = Reader::open(&path, Format::of_path(&path).unwrap()).unwrap();
    let mut rows = Vec::new();
    while let Some(part) = reader.next(1000).unwrap() {
        rows.extend((0..part.lines.len()).map(|row| {
            let cells = part.columns.iter();
            cells
                .map(|cells| cells.get(row).map(str::to_owned))
                .collect()
        }));
    }
    rows
}

#[test]
fn lines_are_compressed_by_their_ending_or_as_asked() {
    let folder = Folder::new();
    folder.put("in.pcap", std::fs::read(SAMPLE).unwrap());
    let mut sinks = String::new();
    for (name, keys) in [
        ("csv", ""),
        ("jsonl", ""),
        ("csv.gz", ""),
        ("csv.zst", ""),
        ("jsonl.gz", ""),
        ("JSONL.ZST", ""),
        ("gz.txt", "type = \"csv\"\ncompression = \"gzip\"\n"),
        ("none.csv.gz", "compression = \"none\"\n"),
    ] {
        let node = name.replace('.', "_").to_lowercase();
        sinks += &format!("[sinks.s_{node}]\npath = \"a.{name}\"\n{keys}");
    }
    folder.put(
        "spec.toml",
        format!(
            "spec = 1\n[sources]\npath = \"in.pcap\"\n[features]\ngroups = [\"flow_meta\"]\n{sinks}"
        ),
    );
    let mut before: Option<[Vec<u8>; 2]> = None;
    for workers in 1..=3 {
        let out = format!("{workers}");
        std::fs::create_dir(folder.path().join(&out)).unwrap();
        let spec = folder
            .read("spec.toml")
            .replace("\"a.", &format!("\"{workers}/a."));
        folder.put("this.toml", spec);
        folder
            .run(&format!("run this.toml -w {workers}"))
            .with_code(0);
        let read = |name: &str| std::fs::read(folder.path().join(&out).join(name)).unwrap();
        let (csv, jsonl) = (read("a.csv"), read("a.jsonl"));
        assert_eq!(csv.iter().filter(|byte| **byte == b'\n').count(), 192);
        let named = |name: &str| format!("{workers}/{name}");
        assert!(gunzipped(&folder, &named("a.csv.gz")) == csv);
        assert!(gunzipped(&folder, &named("a.gz.txt")) == csv);
        assert!(gunzipped(&folder, &named("a.jsonl.gz")) == jsonl);
        assert!(read("a.none.csv.gz") == csv);
        for (packed, plain) in [("a.csv.zst", "a.csv"), ("a.JSONL.ZST", "a.jsonl")] {
            assert_eq!(read(packed)[..4], [0x28, 0xb5, 0x2f, 0xfd]);
            assert!(read(packed).len() * 2 < read(plain).len());
            assert!(cells(&folder, &named(packed)) == cells(&folder, &named(plain)));
        }
        let bytes = ["a.csv.gz", "a.csv.zst"].map(read);
        assert!(before.as_ref().is_none_or(|before| *before == bytes));
        before = Some(bytes);
    }
}

#[test]
fn compressed_lines_are_read_wherever_lines_are() {
    let folder = Folder::new();
    folder.put("in.pcap", std::fs::read(SAMPLE).unwrap());
    for ending in ["csv.gz", "jsonl.zst"] {
        let file = format!("a.{ending}");
        let features = "-f flow_meta,total_packets,total_bytes";
        folder
            .run(&format!(
                "extract in.pcap {features} -o a.parquet --overwrite"
            ))
            .with_code(0);
        folder
            .run(&format!("extract in.pcap {features} -o {file}"))
            .with_code(0);
        folder.run(&format!("diff {file} a.parquet")).with_code(0);
        folder
            .run(&format!("validate in.pcap --expected {file}"))
            .with_code(0);
        folder.run(&format!("rerun {file}")).with_code(0);
        let told = folder.run(&format!("provenance {file}")).with_code(0);
        assert!(String::from_utf8_lossy(&told.out).contains("\"sink\": \"out\""));
        let with = ending.split('.').next().unwrap();
        // rows as rows, rows as edges, rows as a table of a join
        for (name, spec) in [
            (
                "rows",
                format!(
                    "[sources]\ntype = \"rows\"\npath = \"{file}\"\n[sinks.out]\npath = \"back.{with}\"\noverwrite = true\n"
                ),
            ),
            (
                "graph",
                format!(
                    "[sources]\ntype = \"rows\"\npath = \"{file}\"\n[sinks.out]\ntype = \"graph\"\npath = \"graph.csv.gz\"\noverwrite = true\n"
                ),
            ),
            (
                "join",
                format!(
                    "[sources]\npath = \"in.pcap\"\n[features]\nonly = [\"src_port\"]\n[joins.j]\nwith = \"{with}\"\npath = \"{file}\"\non = [\"src_ip\", \"dst_ip\", \"src_port\"]\ncolumns = {{ packets = \"total_packets\" }}\nexpect_matched = 0.9\n[sinks.out]\npath = \"joined.csv\"\noverwrite = true\n"
                ),
            ),
        ] {
            folder.put(&format!("{name}.toml"), format!("spec = 1\n{spec}"));
            folder.run(&format!("run {name}.toml")).with_code(0);
        }
        folder
            .run(&format!("diff back.{with} a.parquet"))
            .with_code(0);
        assert!(folder.read("joined.csv").lines().count() > 150);
        assert!(gunzipped(&folder, "graph.csv.gz").starts_with(b"node,"));
    }
    // damage is an error with its file
    let mut bytes = std::fs::read(folder.path().join("a.csv.gz")).unwrap();
    bytes.truncate(bytes.len() / 2);
    folder.put("cut.csv.gz", bytes);
    folder
        .run("diff cut.csv.gz a.parquet")
        .with_code(2)
        .saying("cut.csv.gz");
}

#[test]
fn compressed_lines_to_a_pipe_come_out() {
    let folder = Folder::new();
    let ended = folder.run(&format!(
        "extract {SAMPLE} -o - -f flow_meta --set sinks.out.compression=\"gzip\""
    ));
    let ended = ended.with_code(0);
    let plain = folder.run(&format!("extract {SAMPLE} -o - -f flow_meta"));
    folder.put("out.gz", &ended.out);
    assert!(gunzipped(&folder, "out.gz") == plain.with_code(0).out);
}

fn shows(spec: &str, expected: &Expect) {
    let text = format!("spec = 1\n{spec}");
    let found = Loaded::text("spec.toml", text, PathBuf::new())
        .unwrap()
        .check();
    expected.assert_eq(&found.err().map_or(String::new(), |found| found.text(false)));
}

#[test]
fn an_address_is_no_file() {
    shows(
        "[sources]\npath = ['a.pcap', 's3://captures/day/*.pcap']\n[sinks.out]\npath = 'a.csv'\n",
        &expect![[r#"
            error[E0008]: `s3://captures/day/*.pcap` is an address (`s3:`), and this program reads and writes local files
             --> spec.toml:3:19 (sources.path)
              |
            3 | path = ['a.pcap', 's3://captures/day/*.pcap']
              |                   ^^^^^^^^^^^^^^^^^^^^^^^^^^
              = help: copy it here or mount it, and write its path
              = see `jayflow help E0008`
        "#]],
    );
    shows(
        "[sources]\npath = 'a.pcap'\n[sinks.out]\npath = 'gs://flows/{start:%F}.parquet'\n",
        &expect![[r#"
            error[E0008]: `gs://flows/{start:%F}.parquet` is an address (`gs:`), and this program reads and writes local files
             --> spec.toml:5:8 (sinks.out.path)
              |
            5 | path = 'gs://flows/{start:%F}.parquet'
              |        ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
              = help: copy it here or mount it, and write its path
              = see `jayflow help E0008`
        "#]],
    );
    shows(
        "[sources]\npath = 'file:///data/a.pcap'\n[joins.j]\nwith = 'csv'\npath = 'https://example.org/labels.csv'\non = 'src_ip'\n[sinks.out]\npath = 'a.csv'\n",
        &expect![[r#"
            error[E0008]: `file:///data/a.pcap` is an address (`file:`), and this program reads and writes local files
             --> spec.toml:3:8 (sources.path)
              |
            3 | path = 'file:///data/a.pcap'
              |        ^^^^^^^^^^^^^^^^^^^^^
              = help: write the path alone: `/data/a.pcap`
              = see `jayflow help E0008`

            error[E0008]: `https://example.org/labels.csv` is an address (`https:`), and this program reads and writes local files
             --> spec.toml:6:8 (joins.j.path)
              |
            6 | path = 'https://example.org/labels.csv'
              |        ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
              = help: copy it here or mount it, and write its path
              = see `jayflow help E0008`
        "#]],
    );
    shows(
        "[sources]\npath = 'odd:/a.pcap'\n[sinks.out]\npath = 'c://a.csv'\n",
        &expect![[""]],
    );
}
