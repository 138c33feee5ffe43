use super::*;
use crate::sinks::file::tests::{names, with_room};
use crate::sinks::{Collector, CsvOptions, Sorter, sample};
use crate::stored::{Format, Reader};
use proptest::prelude::*;
use rayon::ThreadPoolBuilder;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

/// Rows of a number, an address-like text that only the path holds, and a key.
fn rows(of: &[(i64, Option<&str>)], from: u32) -> (Description, Columns) {
    let (mut description, mut rows) =
        sample::texts(&of.iter().map(|(_, text)| *text).collect::<Vec<_>>());
    for (at, (start, _)) in of.iter().enumerate() {
        rows.keys[at] = (*start, u64::from(from) + at as u64);
    }
    description.metadata = vec![(format!("{PREFIX}sink"), "out".to_owned())];
    (description, rows)
}

fn parts(folder: &Path, pattern: &str) -> Parts {
    Parts {
        folder: folder.to_owned(),
        pattern: Pattern::parse(pattern, "out").unwrap(),
        places: vec![1],
        written: 1,
        name: "out".to_owned(),
    }
}

fn options(kind: &str, overwrite: bool) -> SinkOptions {
    let mut options = SinkOptions::of_kind(kind).unwrap();
    options.set("overwrite", &Setting::Bool(overwrite)).unwrap();
    options
}

/// Writes batches as a run does, with so many bytes of rows in memory.
fn write(
    parts: &Parts,
    options: &SinkOptions,
    batches: &[Vec<(i64, Option<&str>)>],
    budget: usize,
) -> Result<u64, Error> {
    let (mut description, _) = rows(&[], 0);
    description.schema.truncate(1);
    let sink = open(parts, options, &description, "1-0")?;
    let spill = tempfile::tempdir().unwrap();
    let sorter = Sorter::new(&numbered(&description.schema), budget, spill.path()).by_file();
    let pool = Arc::new(ThreadPoolBuilder::new().num_threads(2).build().unwrap());
    let stop = Arc::new(AtomicBool::default());
    let mut collector = Collector::new("out".to_owned(), sink, None, Some(sorter), pool, stop);
    let mut books = crate::Books::default();
    let mut from = 0;
    for batch in batches {
        let (_, rows) = rows(batch, from);
        from += batch.len() as u32;
        collector.push(rows, &mut books);
    }
    let facts = [(format!("{PREFIX}books"), "{}".to_owned())];
    collector.finish(&facts)?;
    let count = collector.count().unwrap();
    let rows = collector.commit(&facts)?;
    let all: u64 = files(&parts.folder)
        .iter()
        .map(|path| fs::metadata(parts.folder.join(path)).unwrap().len())
        .sum();
    if !options.overwrites() {
        assert_eq!(
            (count.files, count.bytes),
            (files(&parts.folder).len() as u64, all)
        );
    }
    Ok(rows)
}

/// The files of rows below a folder, sorted.
fn files(folder: &Path) -> Vec<String> {
    fn walk(at: &Path, from: &Path, found: &mut Vec<String>) {
        for entry in fs::read_dir(at).unwrap().map(|entry| entry.unwrap().path()) {
            if entry.is_dir() {
                walk(&entry, from, found);
            } else {
                found.push(entry.strip_prefix(from).unwrap().display().to_string());
            }
        }
    }
    let mut found = Vec::new();
    walk(folder, folder, &mut found);
    found.retain(|path| !path.ends_with(".provenance.json"));
    found.sort();
    found
}

const DAY: i64 = 86_400_000_000_000;

#[test]
fn a_file_for_each_value_in_the_order_of_the_sink() {
    let folder = tempfile::tempdir().unwrap();
    let parts = parts(folder.path(), "day={start:%Y-%m-%d}/{text}.csv");
    let batches = [
        vec![(DAY + 5, Some("b")), (3, Some("a")), (2, None)],
        vec![(DAY, Some("b")), (1, Some("a")), (4, Some(".."))],
    ];
    assert_eq!(
        write(&parts, &options("csv", false), &batches, usize::MAX).unwrap(),
        6
    );
    let found = files(folder.path());
    let expected = [
        "day=1970-01-01/%2E%2E.csv",
        "day=1970-01-01/__HIVE_DEFAULT_PARTITION__.csv",
        "day=1970-01-01/a.csv",
        "day=1970-01-02/b.csv",
    ];
    assert_eq!(found, expected);
    let read = |path: &str| fs::read_to_string(folder.path().join(path)).unwrap();
    // the column of the path need not be written; the number is that of the row in its batch
    assert_eq!(read(expected[2]), "row\n1\n1\n");
    assert_eq!(read(expected[3]), "row\n0\n0\n");
    let beside = read("day=1970-01-02/b.csv.provenance.json");
    assert!(
        beside.contains("\"file\": \"day=1970-01-02/b.csv\",\n  \"books\": {}"),
        "{beside}"
    );
    // nothing is overwritten unasked, and nothing else is touched
    let error = write(&parts, &options("csv", false), &batches[..1], usize::MAX).unwrap_err();
    assert!(
        error.to_string().contains("exists and was not touched"),
        "{error}"
    );
    assert_eq!(files(folder.path()), expected);
    write(
        &parts,
        &options("csv", true),
        &[vec![(7, Some("a")), (8, Some("a"))]],
        0,
    )
    .unwrap();
    assert_eq!(files(folder.path()), expected);
    assert_eq!(read(expected[2]), "row\n0\n1\n");
    assert_eq!(names(folder.path()).len(), 2);
}

#[test]
fn a_disk_full_at_any_byte_leaves_what_was_there() {
    for kind in ["csv", "jsonl", "parquet", "arrow"] {
        let folder = tempfile::tempdir().unwrap();
        let parts = parts(folder.path(), &format!("{{text}}/a.{kind}"));
        // threads of the pool have room: the sink is driven here
        let write = |room: u64, overwrite: bool| {
            let (mut description, rows) = rows(&[(1, Some("a")), (2, Some("b"))], 0);
            description.schema.truncate(1);
            with_room(room, || -> Result<u64, Error> {
                let mut sink = open(&parts, &options(kind, overwrite), &description, "1-0")?;
                let mut sorter =
                    Sorter::new(&numbered(&description.schema), usize::MAX, folder.path())
                        .by_file();
                sorter.push(sink.place(rows)?);
                sink.write_sorted(sorter.finish()?)?;
                sink.commit()
            })
        };
        assert_eq!(write(u64::MAX, false).unwrap(), 2);
        let before = files(folder.path());
        let size = fs::metadata(folder.path().join(&before[0])).unwrap().len();
        for room in [0, 1, size / 2, size - 1] {
            let error = write(room, true).unwrap_err();
            assert!(error.to_string().contains("bytes"), "{kind} {room}");
            assert_eq!(files(folder.path()), before, "{kind} {room}");
            assert_eq!(names(folder.path()), ["a", "b"]);
        }
    }
}

#[test]
fn too_many_files_are_refused_with_what_to_do() {
    let folder = tempfile::tempdir().unwrap();
    let parts = parts(folder.path(), "{text}.csv");
    let texts: Vec<String> = (0..=MOST_FILES).map(|at| at.to_string()).collect();
    let batch: Vec<(i64, Option<&str>)> =
        texts.iter().map(|text| (0, Some(text.as_str()))).collect();
    let error = write(&parts, &options("csv", false), &[batch], usize::MAX).unwrap_err();
    assert!(
        error
            .to_string()
            .contains("would write more than 10000 files"),
        "{error}"
    );
    assert!(error.hint().unwrap().contains("`{start:%Y-%m-%d}`"));
    assert!(names(folder.path()).is_empty());
}

#[test]
fn names_that_no_file_can_have_are_refused_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let long = "x".repeat(300);
    let row = [vec![(1, Some(long.as_str()))]];
    let write = |pattern: &str| {
        let parts = parts(folder.path(), pattern);
        write(&parts, &options("csv", false), &row, usize::MAX)
    };
    let error = write("{b}-{b}.csv").unwrap_err();
    assert!(
        error.to_string().contains("bytes in one name, and 200"),
        "{error}"
    );
    assert!(names(folder.path()).is_empty());
    assert_eq!(write("{b}/{b}.csv").unwrap(), 1);
}

#[test]
fn no_rows_make_no_files() {
    let folder = tempfile::tempdir().unwrap();
    let parts = parts(folder.path(), "{text}.csv");
    assert_eq!(
        write(&parts, &SinkOptions::Csv(CsvOptions::default()), &[], 0).unwrap(),
        0
    );
    assert!(names(folder.path()).is_empty());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(16))]
    /// Any batches, any memory, every format: the same bytes, and the rows that went in.
    #[test]
    fn files_depend_on_their_rows_alone(
        all in proptest::collection::btree_set((0_i64..50, 0_usize..5), 0..60),
        sizes in proptest::collection::vec(1_usize..20, 1..5),
        budget in prop_oneof![Just(0), 0_usize..4_000],
        kind in prop_oneof![Just("csv"), Just("jsonl"), Just("parquet"), Just("arrow")],
    ) {
        const TEXTS: [Option<&str>; 5] = [Some("a"), Some("b"), None, Some("."), Some("c/d")];
        // the number of a row is its place in the batch: all in one is what the others are compared with
        let all: Vec<(i64, Option<&str>)> = all.into_iter().map(|(start, text)| (start, TEXTS[text])).collect();
        let made = |batches: &[Vec<(i64, Option<&str>)>], budget: usize| {
            let folder = tempfile::tempdir().unwrap();
            let mut parts = parts(folder.path(), &format!("{{text}}.{kind}"));
            parts.written = 2;
            parts.places = vec![1];
            let (description, _) = rows(&[], 0);
            let mut sink = open(&parts, &options(kind, false), &description, "1-0").unwrap();
            let mut sorter = Sorter::new(&numbered(&description.schema), budget, folder.path()).by_file();
            let mut from = 0;
            for batch in batches {
                let (_, mut rows) = rows(batch, 0);
                if let Values::U32(numbers) = &mut rows.columns[0].values {
                    numbers.iter_mut().for_each(|number| *number += from);
                }
                rows.keys.iter_mut().for_each(|key| key.1 += u64::from(from));
                from += batch.len() as u32;
                sorter.push(sink.place(rows).unwrap());
                if sorter.is_full() {
                    sorter.spill().unwrap();
                }
            }
            sink.write_sorted(sorter.finish().unwrap()).unwrap();
            assert_eq!(sink.commit().unwrap(), all.len() as u64);
            let found = files(folder.path()).into_iter();
            let found: BTreeMap<String, Vec<u8>> = found.map(|path| {
                let bytes = fs::read(folder.path().join(&path)).unwrap();
                (path, bytes)
            }).collect();
            let mut rows = BTreeSet::new();
            for path in found.keys() {
                let format = Format::of_path(Path::new(path)).unwrap();
                let mut reader = Reader::open(&folder.path().join(path), format).unwrap();
                while let Some(part) = reader.next(100).unwrap() {
                    for at in 0..part.lines.len() {
                        rows.insert(part.columns[0].get(at).unwrap().to_owned());
                    }
                }
            }
            assert_eq!(rows.len(), all.len());
            found
        };
        let whole = made(std::slice::from_ref(&all), usize::MAX);
        let mut left = &all[..];
        let mut batches = Vec::new();
        for size in sizes.iter().cycle() {
            if left.is_empty() { break; }
            let (batch, rest) = left.split_at(left.len().min(*size));
            batches.push(batch.to_vec());
            left = rest;
        }
        prop_assert!(made(&batches, budget) == whole);
    }
}
