//! The same rows in every format.

use super::kind::{Seen, column};
use super::*;
use crate::columns::{Column, Values};
use std::fs;

const CSV: &[u8] = b"\xef\xbb\xbfip, port ,score,label,when,flag\n10.0.0.1, 443 ,1.5,a,7,true\n::1,80,,\"b, \xff\",0123,FALSE\n\n10.0.0.2,1,NaN\n";
const JSONL: &str = "{\"ip\":\"10.0.0.1\",\"port\":443,\"label\":\"a\"}\n\n{\"port\":80,\"score\":1.5,\"label\":\"7\",\"x\":[1,{\"a\":\"b\"}]}\n";

fn read(name: &str, bytes: &[u8], rows: usize) -> Result<(Vec<String>, Part), Error> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(name);
    fs::write(&path, bytes).unwrap();
    let mut reader = Reader::open(&path, Format::of_path(&path).unwrap())?;
    let names = reader
        .headings()
        .iter()
        .map(|one| one.name.clone())
        .collect();
    let mut all = Part::default();
    while let Some(part) = reader.next(rows)? {
        assert!(!part.lines.is_empty());
        all.lines.extend(part.lines);
        all.columns.resize(part.columns.len(), Cells::default());
        for (to, from) in all.columns.iter_mut().zip(&part.columns) {
            to.append(from);
        }
    }
    Ok((names, all))
}

fn seen(cells: &Cells) -> DataType {
    let mut seen = Seen::default();
    seen.look(cells);
    seen.data_type()
}

#[test]
fn tables_of_text() {
    for rows in [1, 2, 100] {
        let (names, part) = read("a.csv", CSV, rows).unwrap();
        assert_eq!(names, ["ip", "port", "score", "label", "when", "flag"]);
        assert_eq!(part.lines, [2, 3, 4]);
        let types: Vec<DataType> = part.columns.iter().map(seen).collect();
        let wanted = [
            DataType::Address,
            DataType::I64,
            DataType::F64,
            DataType::Text,
            DataType::Text, // 0123 is a code
            DataType::Bool,
        ];
        assert_eq!(types, wanted);
        assert_eq!(part.columns[3].get(1), Some("b, \u{fffd}"));
        assert_eq!(
            (part.columns[5].mark(2), part.columns[5].get(2)),
            (Mark::None, None)
        );
        let scores = column(&part.columns[2], &[0, 1, 2], &DataType::F64);
        assert_eq!(scores.valid, Some(vec![true, false, false]));
        assert_eq!(scores.values, Values::F64(vec![1.5, 0.0, 0.0]));
    }
}

#[test]
fn lines_of_json() {
    let (names, part) = read("a.jsonl", JSONL.as_bytes(), 1).unwrap();
    assert_eq!(names, ["ip", "port", "label", "score", "x"]);
    assert_eq!(part.lines, [1, 3]);
    assert_eq!(part.columns[4].get(1), Some("[1,{\"a\":\"b\"}]"));
    assert_eq!(
        seen(&part.columns[2]),
        DataType::Text,
        "a text of digits is text"
    );
    assert_eq!(seen(&part.columns[0]), DataType::Address);
    assert_eq!(seen(&part.columns[3]), DataType::F64);
    let error = read("a.jsonl", b"{}\n[1]\n", 9).unwrap_err();
    assert!(error.to_string().contains("line 2: "), "{error}");
    for name in ["a.parquet", "a.arrow"] {
        assert!(read(name, b"PAR1", 9).is_err(), "{name}");
    }
}

#[test]
fn columns_of_our_own_files_come_back() {
    use crate::sinks::{SinkOptions, open, sample};
    let (description, rows) = sample::rows();
    for kind in ["parquet", "arrow", "jsonl", "csv"] {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(format!("rows.{kind}"));
        let mut options = SinkOptions::of_kind(kind).unwrap();
        let text = crate::options::Setting::Text(path.display().to_string());
        options.set("path", &text).unwrap();
        let mut sink = open(&options, &description, "1-0").unwrap();
        sink.write(rows.clone()).unwrap();
        sink.commit().unwrap();
        let (names, part) = read(&format!("rows.{kind}"), &fs::read(&path).unwrap(), 3).unwrap();
        let known: Vec<&str> = description
            .schema
            .iter()
            .map(|one| one.name.as_ref())
            .collect();
        let mut names_known = names.clone();
        names_known.sort();
        let mut sorted = known.clone();
        sorted.sort_unstable();
        assert_eq!(names_known, sorted, "{kind}");
        let all: Vec<u32> = (0..u32::try_from(rows.rows()).unwrap()).collect();
        for (feature, values) in description.schema.iter().zip(&rows.columns) {
            if matches!(feature.data_type, DataType::List(_) | DataType::Struct(_)) {
                continue;
            }
            // an empty text is none in CSV
            if kind == "csv" && feature.data_type == DataType::Text {
                continue;
            }
            let at = names.iter().position(|name| *name == feature.name).unwrap();
            let back = column(&part.columns[at], &all, &feature.data_type);
            for row in 0..rows.rows() {
                assert_eq!(
                    back.is_null(row),
                    values.is_null(row),
                    "{kind} {} {row}",
                    feature.name
                );
            }
            // text has the digits of a float
            if feature.data_type == DataType::Time && ["csv", "jsonl"].contains(&kind) {
                let (Values::Time(back), Values::Time(values)) = (&back.values, &values.values)
                else {
                    panic!()
                };
                let mut pairs = back.iter().zip(values);
                assert!(
                    pairs.all(|(back, value)| back.abs_diff(*value) < 200),
                    "{kind}"
                );
                continue;
            }
            let mut bare: Column = values.clone();
            bare.valid = back.valid.clone();
            assert_eq!(back, bare, "{kind} {}", feature.name);
        }
    }
}
