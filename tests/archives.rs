//! Captures in archives: the rows and books of the same files in a directory, for any number of workers and processes.

use crate::program::Folder;
use crate::traffic::{Record, pcap, records};
use flate2::{Compression, Crc, write::GzEncoder};
use jayflow::{Control, Loaded, Plan, run};
use jayflow_operators::Books;
use proptest::prelude::*;
use std::io::Write as _;
use std::path::Path;

/// A tar archive of files.
fn tar(files: &[(String, Vec<u8>)]) -> Vec<u8> {
    let mut out = Vec::new();
    for (name, bytes) in files {
        let mut header = [0; 512];
        header[..name.len()].copy_from_slice(name.as_bytes());
        header[124..136].copy_from_slice(format!("{:011o}\0", bytes.len()).as_bytes());
        header[148..156].fill(b' ');
        header[156] = b'0';
        header[257..265].copy_from_slice(b"ustar\x0000");
        let sum: u32 = header.iter().map(|byte| u32::from(*byte)).sum();
        header[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
        out.extend(header);
        out.extend(bytes);
        out.resize(out.len().next_multiple_of(512), 0);
    }
    out.resize(out.len() + 1024, 0);
    out
}

/// A zip archive of files, stored.
fn zip(files: &[(String, Vec<u8>)]) -> Vec<u8> {
    let (mut out, mut directory) = (Vec::new(), Vec::new());
    for (name, bytes) in files {
        let mut crc = Crc::new();
        crc.update(bytes);
        let mut fields = vec![0; 10];
        let size = u32::try_from(bytes.len()).unwrap();
        fields.extend([crc.sum(), size, size].map(u32::to_le_bytes).concat());
        fields.extend((name.len() as u16).to_le_bytes());
        fields.extend([0, 0]);
        let place = u32::try_from(out.len()).unwrap();
        directory.extend(
            [
                b"PK\x01\x02\0\0",
                &fields[..],
                &[0; 10],
                &place.to_le_bytes(),
                name.as_bytes(),
            ]
            .concat(),
        );
        out.extend([b"PK\x03\x04", &fields[..], name.as_bytes(), bytes].concat());
    }
    let place = u32::try_from(out.len()).unwrap();
    let size = u32::try_from(directory.len()).unwrap();
    let count = (files.len() as u16).to_le_bytes();
    out.extend(&directory);
    out.extend(
        [
            b"PK\x05\x06\0\0\0\0",
            &count[..],
            &count,
            &size.to_le_bytes(),
            &place.to_le_bytes(),
            &[0, 0],
        ]
        .concat(),
    );
    out
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// Rows and books of a run; inputs are named by what is behind the last `/`.
fn rows(folder: &Path, path: &str, keys: &str, workers: usize) -> (String, Books) {
    let out = folder.join("rows.csv");
    let text = format!(
        "spec = 1\n[sources]\npath = \"{path}\"\n{keys}\n[features]\ngroups = [\"flow_meta\", \"timing\"]\nadd = [\"source_file\"]\n\
         [sinks.out]\npath = \"rows.csv\"\noverwrite = true\n[run]\nworkers = {workers}\nepoch = 16\nchunk = 8\n"
    );
    std::fs::write(folder.join("spec.toml"), text).unwrap();
    let loaded = Loaded::file(&folder.join("spec.toml")).unwrap().unwrap();
    let plan = Plan::new(
        &loaded
            .check()
            .unwrap_or_else(|found| panic!("{}", found.text(false))),
    );
    let report = run(&plan, &Control::default()).unwrap();
    assert_eq!(report.books.imbalances(), Vec::<String>::new());
    let mut books = report.books;
    for fault in &mut books.inputs.faults {
        fault.file = fault.file.rsplit('/').next().unwrap().to_owned();
    }
    let text = std::fs::read_to_string(out).unwrap();
    let head = format!("{}/", folder.display());
    let text = text
        .replace(&head, "")
        .replace("all.tar.gz/", "")
        .replace("all.tar/", "")
        .replace("all.zip/", "")
        .replace("day/", "");
    (text, books)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(6))]
    #[test]
    fn rows_and_books_are_those_of_files(inputs in proptest::collection::vec(records(60), 1..5)) {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("day")).unwrap();
        let files: Vec<(String, Vec<u8>)> = inputs.iter().enumerate().map(|(at, input): (usize, &Vec<Record>)| {
            let bytes = pcap(input);
            match at {
                2 => (format!("{at}.pcap.gz"), gzip(&bytes)),
                3 => (format!("{at}.pcap"), bytes[..bytes.len() - 7].to_vec()),
                _ => (format!("{at}.pcap"), bytes),
            }
        }).chain([("notes.txt".to_owned(), b"these are notes, and no capture".to_vec())]).collect();
        for (name, bytes) in &files {
            std::fs::write(folder.path().join("day").join(name), bytes).unwrap();
        }
        std::fs::write(folder.path().join("all.tar"), tar(&files)).unwrap();
        std::fs::write(folder.path().join("all.tar.gz"), gzip(&tar(&files))).unwrap();
        std::fs::write(folder.path().join("all.zip"), zip(&files)).unwrap();
        for keys in ["", "merge = \"all\"", "limit = 7"] {
            let expected = rows(folder.path(), "day", keys, 1);
            prop_assert_eq!(expected.1.inputs.listed, files.len() as u64);
            for archive in ["all.tar", "all.tar.gz", "all.zip"] {
                for workers in 1..=3 {
                    let found = rows(folder.path(), archive, keys, workers);
                    prop_assert_eq!(&found.0, &expected.0, "{} {} {}", archive, keys, workers);
                    prop_assert_eq!(&found.1, &expected.1, "{} {} {}", archive, keys, workers);
                }
            }
        }
    }
}

#[test]
fn several_processes_and_what_outputs_say() {
    let folder = Folder::new();
    let traffic = crate::traffic::fixed();
    let files: Vec<(String, Vec<u8>)> = traffic
        .chunks(100)
        .enumerate()
        .map(|(at, part)| (format!("d/{at}.pcap"), pcap(part)))
        .collect();
    folder.put("all.tar.gz", gzip(&tar(&files)));
    folder.put("all.zip", zip(&files));
    let mut before: Option<String> = None;
    for archive in ["all.tar.gz", "all.zip"] {
        for processes in 1..=2 {
            let out = format!("{archive}{processes}.csv");
            folder.run(&format!("extract {archive} -f flow_meta -o {out} -w 1 --processes {processes} --hash-inputs")).with_code(0);
            let rows = folder.read(&out);
            assert!(rows.lines().count() > 20);
            assert!(
                before.as_ref().is_none_or(|before| *before == rows),
                "{archive} {processes}"
            );
            before = Some(rows);
        }
        let told = folder
            .run(&format!("provenance {archive}1.csv"))
            .with_code(0);
        let told: serde_json::Value = serde_json::from_slice(&told.out).unwrap();
        let input = &told["inputs"][0];
        assert_eq!(
            (&input["name"], &input["members"]),
            (&archive.into(), &files.len().into())
        );
        let about = std::fs::metadata(folder.path().join(archive)).unwrap();
        assert_eq!(input["bytes"], about.len());
        assert_eq!(told["inputs"].as_array().unwrap().len(), 1);
        folder.run(&format!("rerun {archive}1.csv")).with_code(0);
        let told = folder.run(&format!("info {archive}")).with_code(0);
        let told = String::from_utf8(told.out).unwrap();
        assert!(told.starts_with(&format!("{archive}/d/0.pcap\n")), "{told}");
    }
}
