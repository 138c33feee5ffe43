//! Rows made by hand for the tests of the sinks: every type, nulls, empty lists.

use super::Description;
use crate::columns::{Address, Column, Columns, RowWriter, Values};
use crate::error::Error;
use crate::schema::{DataType, Feature, Profile, Scope, Split};
use std::fs::File;
use std::io::Read;

pub(super) fn feature(name: &str, data_type: DataType, nullable: bool) -> Feature {
    Feature {
        private: None,
        name: name.to_owned().into(),
        group: "sample".into(),
        data_type,
        unit: if name == "u64" { "bytes" } else { "" }.into(),
        null: nullable.then(|| "row 2".into()),
        default: "".into(),
        profile: Profile::Core,
        scope: Scope::Flow,
        split: Split::No,
        sequence: false,
        when: None,
        definition: format!("Definition of {name}.").into(),
        element: None,
        source: None,
        differs: None,
    }
}

/// The cells of [`rows`] as CSV reads them.
pub(super) const CELLS: [[&str; 17]; 3] = [
    [
        "true",
        "255",
        "65535",
        "4294967295",
        "18446744073709551615",
        "-128",
        "-32768",
        "-2147483648",
        "-9223372036854775808",
        "0.1",
        "say \"hi\", a\nb",
        "192.0.2.1",
        "000102030405060708090a0b0c0d0e0f",
        "1700000000.1234567",
        "[1,2]",
        r#"["a\"b","c,d"]"#,
        "[[60,0.0,1],[1500,0.25,-1]]",
    ],
    [
        "false",
        "0",
        "0",
        "0",
        "0",
        "0",
        "0",
        "0",
        "0",
        "5.0",
        "",
        "2001:db8::1",
        "ffffffffffffffffffffffffffffffff",
        "-0.5",
        "[]",
        r#"[""]"#,
        "[]",
    ],
    [""; 17],
];

pub(crate) fn rows() -> (Description, Columns) {
    let parts = vec![
        ("length".to_owned(), DataType::U32),
        ("gap".to_owned(), DataType::F64),
        ("direction".to_owned(), DataType::I8),
    ];
    let list = |item| DataType::List(Box::new(item));
    let types = [
        ("bool", DataType::Bool),
        ("u8", DataType::U8),
        ("u16", DataType::U16),
        ("u32", DataType::U32),
        ("u64", DataType::U64),
        ("i8", DataType::I8),
        ("i16", DataType::I16),
        ("i32", DataType::I32),
        ("i64", DataType::I64),
        ("f64", DataType::F64),
        ("text", DataType::Text),
        ("address", DataType::Address),
        ("id", DataType::Id),
        ("time", DataType::Time),
        ("numbers", list(DataType::U32)),
        ("names", list(DataType::Text)),
        ("splt", list(DataType::Struct(parts))),
    ];
    let schema: Vec<Feature> = types
        .into_iter()
        .map(|(name, data_type)| feature(name, data_type, true))
        .collect();
    let mut rows = Columns::new(&schema);
    let targets: Vec<Option<u32>> = (0..17).map(Some).collect();

    let mut four = [0; 16];
    four[..4].copy_from_slice(&[192, 0, 2, 1]);
    let mut six = [0; 16];
    (six[0], six[1], six[2], six[3], six[15]) = (0x20, 0x01, 0x0d, 0xb8, 1);
    let numbers = |items: &mut Column, new: &[u32]| {
        if let Values::U32(v) = &mut items.values {
            v.extend_from_slice(new);
        }
    };
    let names = |items: &mut Column, new: &[&str]| {
        if let Values::Text { ends, bytes } = &mut items.values {
            for name in new {
                bytes.extend_from_slice(name.as_bytes());
                ends.push(u32::try_from(bytes.len()).unwrap());
            }
        }
    };
    let splt = |items: &mut Column, new: &[(u32, f64, i8)]| {
        let Values::Struct(parts) = &mut items.values else {
            panic!("a struct");
        };
        for (length, gap, direction) in new {
            for (_, part) in parts.iter_mut() {
                match &mut part.values {
                    Values::U32(v) => v.push(*length),
                    Values::F64(v) => v.push(*gap),
                    Values::I8(v) => v.push(*direction),
                    other => panic!("{other:?}"),
                }
            }
        }
    };

    let mut out = RowWriter::new(&mut rows.columns, &targets);
    out.bool(true);
    out.u8(u8::MAX);
    out.u16(u16::MAX);
    out.u32(u32::MAX);
    out.u64(u64::MAX);
    out.i8(i8::MIN);
    out.i16(i16::MIN);
    out.i32(i32::MIN);
    out.i64(i64::MIN);
    out.f64(0.1);
    out.text("say \"hi\", a\nb");
    out.address(Address {
        family: 4,
        bytes: four,
    });
    out.id([0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15]);
    out.time(1_700_000_000_123_456_789);
    out.list(|items| numbers(items, &[1, 2]));
    out.list(|items| names(items, &["a\"b", "c,d"]));
    out.list(|items| splt(items, &[(60, 0.0, 1), (1500, 0.25, -1)]));

    let mut out = RowWriter::new(&mut rows.columns, &targets);
    out.bool(false);
    out.u8(0);
    out.u16(0);
    out.u32(0);
    out.u64(0);
    out.i8(0);
    out.i16(0);
    out.i32(0);
    out.i64(0);
    out.f64(5.0);
    out.text("");
    out.address(Address {
        family: 6,
        bytes: six,
    });
    out.id([255; 16]);
    out.time(-500_000_000);
    out.list(|_| ());
    out.list(|items| names(items, &[""]));
    out.list(|_| ());

    let mut out = RowWriter::new(&mut rows.columns, &targets);
    (0..17).for_each(|_| out.null());
    rows.keys = vec![(0, 0), (1, 0), (1, 1)];
    let description = Description {
        schema,
        metadata: vec![
            ("jayflow.spec".to_owned(), "sha256:00".to_owned()),
            ("jayflow.version".to_owned(), "0.1.0".to_owned()),
        ],
        is_undirected: false,
    };
    (description, rows)
}

/// Rows of two columns: `row`, counted from 0, and `text`.
pub(super) fn texts(texts: &[Option<&str>]) -> (Description, Columns) {
    let schema = vec![
        feature("row", DataType::U32, false),
        feature("text", DataType::Text, true),
    ];
    let mut rows = Columns::new(&schema);
    for (row, text) in (0_u32..).zip(texts) {
        rows.keys.push((0, u64::from(row)));
        let mut out = RowWriter::new(&mut rows.columns, &[Some(0), Some(1)]);
        out.u32(row);
        match text {
            Some(text) => out.text(text),
            None => out.null(),
        }
    }
    let metadata = Vec::new();
    (
        Description {
            schema,
            metadata,
            is_undirected: false,
        },
        rows,
    )
}

pub(super) fn names(description: &Description) -> Vec<String> {
    description
        .schema
        .iter()
        .map(|feature| feature.name.to_string())
        .collect()
}

/// The file that `write` commits at the path it is given.
pub(super) fn file(write: impl FnOnce(String) -> Result<u64, Error>) -> File {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("out");
    write(path.to_str().unwrap().to_owned()).unwrap();
    File::open(path).unwrap()
}

/// The bytes of [`file`].
pub(super) fn written(write: impl FnOnce(String) -> Result<u64, Error>) -> Vec<u8> {
    let mut bytes = Vec::new();
    file(write).read_to_end(&mut bytes).unwrap();
    bytes
}
