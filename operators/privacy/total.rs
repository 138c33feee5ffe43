//! Makes any bytes anonymous and asserts what must hold: the body of a fuzz target, and of the test that runs it.

use super::{Addresses, Anonymise, Anonymiser, CryptoPan, KEY, Names, key_of, keyed};
use crate::columns::{Address, Column, Columns, Values};
use crate::schema::Private;

/// As a key, a method and values: addresses, and texts that lie behind each other, one for each line.
pub fn rows(bytes: &[u8]) {
    // as a file with a key, of which most are none
    if let Some(key) = key_of(bytes) {
        assert!([KEY, 2 * KEY].contains(&bytes.trim_ascii().len()) || bytes.len() == KEY);
        assert_eq!(key_of(&key), Some(key));
    }
    let Some(([how, family, key], rest)) = bytes.split_first_chunk() else {
        return;
    };
    let addresses = match how & 3 {
        0 => Addresses::Prefix,
        1 => Addresses::Pseudonym,
        2 => Addresses::Truncate,
        _ => Addresses::Drop,
    };
    let names = if how & 4 == 0 {
        Names::Pseudonym
    } else {
        Names::Keep
    };
    let kinds = [
        Private::Address,
        Private::Mac,
        Private::Name,
        Private::Name,
        Private::Id,
    ];
    let key = [*key; KEY];
    let anonymiser = Anonymiser {
        options: Anonymise {
            addresses,
            names,
            key_file: None,
            key: None,
        },
        pan: CryptoPan::new(&key),
        mac: keyed(&key),
        private: kinds.into_iter().map(Some).collect(),
    };
    let family = if family & 1 == 0 { 4 } else { 6 };
    let rows = columns(family, rest);
    let given = anonymiser.apply(rows.clone());
    assert_eq!(given, anonymiser.apply(rows.clone()), "the same each time");
    assert_eq!(given.keys, rows.keys);
    for ((column, old), kind) in given.columns.iter().zip(&rows.columns).zip(kinds) {
        assert_eq!((column.len(), &column.valid), (old.len(), &old.valid));
        texts(column, old, kind);
    }
    if let (Some(new), Some(old)) = (seen(&given), seen(&rows)) {
        let shared = |a: &Address, b: &Address| {
            let bits = u128::from_be_bytes(a.bytes) ^ u128::from_be_bytes(b.bytes);
            bits.leading_zeros()
        };
        for (new, old) in new.windows(2).zip(old.windows(2)) {
            if let ([new_a, new_b], [a, b], Addresses::Prefix) = (new, old, addresses) {
                assert_eq!(shared(new_a, new_b), shared(a, b), "{a} and {b}");
            }
        }
    }
}

fn columns(family: u8, bytes: &[u8]) -> Columns {
    let octets = if family == 4 { 4 } else { 16 };
    let addresses: Vec<Address> = bytes
        .chunks_exact(octets)
        .map(|chunk| {
            let mut bytes = [0; 16];
            bytes[..octets].copy_from_slice(chunk);
            Address { family, bytes }
        })
        .collect();
    let rows = addresses.len();
    let text = String::from_utf8_lossy(bytes);
    let mut lines = text.split('\n');
    let (mut ends, mut all) = (Vec::new(), Vec::new());
    for _ in 0..rows {
        all.extend_from_slice(lines.next().unwrap_or_default().as_bytes());
        ends.push(all.len() as u32);
    }
    let valid = Some(bytes.iter().map(|byte| byte & 1 == 0).take(rows).collect());
    let texts = Column {
        values: Values::Text { ends, bytes: all },
        valid: None,
    };
    let list = Column {
        values: Values::List {
            ends: (1..=rows as u32).collect(),
            items: Box::new(texts.clone()),
        },
        valid: None,
    };
    let ids = Values::Id(addresses.iter().map(|address| address.bytes).collect());
    Columns {
        edges: Vec::new(),
        keys: (0..rows as u64).map(|row| (0, row)).collect(),
        columns: vec![
            Column {
                values: Values::Address(addresses),
                valid,
            },
            texts.clone(),
            texts,
            list,
            Column {
                values: ids,
                valid: None,
            },
        ],
    }
}

fn seen(rows: &Columns) -> Option<&[Address]> {
    match &rows.columns.first()?.values {
        Values::Address(addresses) => Some(addresses),
        _ => None,
    }
}

/// Texts are UTF-8, and nothing stands for nothing alone.
fn texts(column: &Column, old: &Column, kind: Private) {
    match (&column.values, &old.values) {
        (Values::List { items, .. }, Values::List { items: old, .. }) => texts(items, old, kind),
        (
            Values::Text { ends, bytes },
            Values::Text {
                ends: old_ends,
                bytes: old,
            },
        ) => {
            let is_empty = |ends: &[u32], row| crate::columns::span(ends, row).is_empty();
            for row in 0..ends.len() {
                assert_eq!(is_empty(ends, row), is_empty(old_ends, row));
            }
            assert!(std::str::from_utf8(bytes).is_ok());
            // a MAC address may be its own network, and names may be kept
            let may_stay = matches!(kind, Private::Name | Private::Mac);
            assert!(old.is_empty() || may_stay || bytes != old);
        }
        _ => {}
    }
}
