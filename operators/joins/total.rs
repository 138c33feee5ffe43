//! Joins with any bytes as their file and asserts what must hold: the bodies of fuzz targets, and of the test that runs them.

use super::mmdb::Mmdb;
use super::table::{Table, TableOptions};
use super::{FileBooks, List, Part, TimeOptions};
use crate::columns::{Address, Column};
use crate::schema::DataType;
use crate::stored::kind::push;
use crate::stored::{Format, Reader};
use std::path::Path;

/// Ways of comparing the first column.
const PARTS: [Part; 6] = [
    Part::Text,
    Part::Int,
    Part::Protocol,
    Part::Address,
    Part::Id,
    Part::Bool,
];
/// Rows that are read at most: a few bytes may stand for millions of them.
const MOST: usize = 1 << 12;

/// Every line is used, repeated or skipped.
fn balanced(books: &FileBooks) {
    let told = books.used + books.repeated + books.skipped.total();
    assert_eq!(books.lines, told);
}

/// As a table: its first column is compared as `size` says, the next two are times, rows get the others. What a key of the file finds is
/// in the table.
pub fn table(path: &Path, size: usize) {
    let Some(format) = Format::of_path(path) else {
        return;
    };
    let Ok(mut reader) = Reader::open(path, format) else {
        return;
    };
    let names: Vec<String> = reader
        .headings()
        .iter()
        .map(|one| one.name.clone())
        .collect();
    let Some(first) = names.first() else { return };
    let mut rows = 0;
    while rows <= MOST
        && let Ok(Some(part)) = reader.next(MOST)
    {
        rows += part.lines.len();
    }
    if rows > MOST {
        return;
    }
    let part = PARTS.get(size % PARTS.len()).copied().unwrap_or(Part::Text);
    let time = names.get(1).map(|from| TimeOptions {
        row: "start_time".to_owned(),
        from: from.clone(),
        to: names.get(2).cloned(),
        format: Vec::new(),
        zone: "UTC".to_owned(),
        tolerance: None,
        hours12: None,
    });
    for time in [None, time] {
        let options = TableOptions {
            paths: vec![path.to_owned()],
            format,
            on: vec![(part, first.clone())],
            time,
            columns: names.get(3..).unwrap_or_default().to_vec(),
        };
        let Ok(table) = Table::load(&options) else {
            continue;
        };
        balanced(&table.books);
        assert_eq!(table.types().len(), options.columns.len());
        for column in table.columns() {
            assert_eq!(column.len() as u64, table.books.used);
        }
        found(&table, path, format, part);
    }
}

/// Looks for the keys of the file.
fn found(table: &Table, path: &Path, format: Format, part: Part) {
    let Ok(mut reader) = Reader::open(path, format) else {
        return;
    };
    reader.choose(vec![0]);
    let mut lines = Vec::new();
    while let Ok(Some(rows)) = reader.next(MOST) {
        let Some(cells) = rows.columns.first() else {
            return;
        };
        for row in 0..cells.len() {
            let mut key = Vec::new();
            if !cells.get(row).is_some_and(|text| part.read(text, &mut key)) {
                continue;
            }
            for time in [None, Some(0), Some(1_700_000_000_000_000_000)] {
                table.find(&key, time, &mut lines);
                assert!(lines.is_sorted());
                assert!(lines.iter().all(|line| u64::from(*line) < table.books.used));
            }
        }
    }
}

/// As a list: what a line says is in it.
pub fn list(path: &Path, text: &[u8]) {
    let text = String::from_utf8_lossy(text);
    for data_type in [DataType::Address, DataType::Text] {
        let of_addresses = data_type == DataType::Address;
        let Ok(list) = List::load(&[path.to_owned()], of_addresses) else {
            continue;
        };
        balanced(&list.books);
        let mut column = Column::new(&data_type, false);
        for line in text.lines() {
            push(
                &mut column,
                line.split('#').next().unwrap_or_default().trim(),
            );
        }
        for row in 0..column.len() {
            let is_in = list.has(&column, row);
            assert!(is_in || !of_addresses, "an address of the list is in it");
        }
    }
}

/// As a database of addresses: every row gets a value or a null in every column.
pub fn mmdb(path: &Path, bytes: &[u8]) {
    let wanted: [&[&str]; 4] = [&[], &["asn"], &["country.iso_code"], &["0"]];
    for columns in wanted {
        let names: Vec<String> = columns.iter().map(|name| (*name).to_owned()).collect();
        let Ok(database) = Mmdb::load(path, &names) else {
            continue;
        };
        let mut columns: Vec<Column> = (database.types().iter())
            .map(|data_type| Column::new(data_type, true))
            .collect();
        let last = bytes.last_chunk::<16>().copied().unwrap_or_default();
        let mut four = [0; 16];
        four.iter_mut()
            .zip([10, 1, 2, 3])
            .for_each(|(to, from)| *to = from);
        let addresses = [(4, four), (6, last), (6, [0; 16]), (4, [0; 16])];
        for (family, bytes) in addresses {
            database.add(Some(Address { family, bytes }), &mut columns);
        }
        database.add(None, &mut columns);
        assert!(
            columns
                .iter()
                .all(|column| column.len() == addresses.len() + 1)
        );
        assert!(database.entries() <= u64::from(u32::MAX) && database.memory() == bytes.len());
    }
}
