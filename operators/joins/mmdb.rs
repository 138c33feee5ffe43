//! Databases of addresses in the format of MaxMind (.mmdb): what the record of an address says.
//!
//! A column is a path in the record, `country.iso_code` or `subdivisions.0.names.en`. Its type is that of the first record that has it; a
//! value of another type is null. The program brings no database.

use super::table::{LoadFault, Place};
use crate::columns::{Address, Column};
use crate::error::Error;
use crate::schema::DataType;
use crate::stored::guarded;
use crate::stored::kind::{push, push_null};
use maxminddb::{PathElement, Reader};
use serde_json::Value;
use std::fmt;
use std::net::IpAddr;
use std::path::Path;

/// Networks that are looked at for the type of a column.
const LOOKED: usize = 100_000;
/// Characters of a record that a message shows.
const SHOWN: usize = 200;

/// A database in memory.
pub struct Mmdb {
    reader: Reader<Vec<u8>>,
    paths: Vec<Vec<Step>>,
    types: Vec<DataType>,
    bytes: usize,
}

/// A step of a path.
#[derive(Clone, Debug)]
enum Step {
    Key(String),
    Index(usize),
}

impl fmt::Debug for Mmdb {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "Mmdb({}, {:?})",
            self.reader.metadata().database_type,
            self.paths
        )
    }
}

impl Mmdb {
    /// Reads a database and finds the types of these paths.
    ///
    /// # Errors
    /// It cannot be read, or has no record with one of the paths.
    pub fn load(path: &Path, columns: &[String]) -> Result<Self, Vec<LoadFault>> {
        let bytes = std::fs::read(path).map_err(|error| Error::file("read", path, error));
        let reader = bytes.and_then(|bytes| {
            let size = bytes.len();
            let wrong = |error: maxminddb::MaxMindDbError| {
                let text = format!("{} is no database of addresses: {error}", path.display());
                Error::new(text)
                    .help("a file in the format of MaxMind is expected, such as GeoLite2-ASN.mmdb")
            };
            let opened = guarded(|| Reader::from_source(bytes)).map_err(|why| {
                Error::new(format!(
                    "{} is no database of addresses: {why}",
                    path.display()
                ))
            })?;
            Ok((opened.map_err(wrong)?, size))
        });
        let (reader, bytes) = reader.map_err(|error| vec![LoadFault::Unreadable(error)])?;
        let steps = |path: &String| -> Vec<Step> {
            path.split('.')
                .map(|step| match step.parse() {
                    Ok(index) => Step::Index(index),
                    Err(_) => Step::Key(step.to_owned()),
                })
                .collect()
        };
        let mut database = Self {
            reader,
            paths: columns.iter().map(steps).collect(),
            types: Vec::new(),
            bytes,
        };
        let types = guarded(|| database.find_types(columns)).unwrap_or_else(|why| {
            let text = format!("{} is no database of addresses: {why}", path.display());
            Err(vec![LoadFault::Unreadable(Error::new(text))])
        });
        database.types = types?;
        Ok(database)
    }

    fn find_types(&self, columns: &[String]) -> Result<Vec<DataType>, Vec<LoadFault>> {
        let mut types: Vec<Option<DataType>> = vec![None; columns.len()];
        let mut shown = None;
        let networks = self.reader.networks(maxminddb::WithinOptions::default());
        let networks = networks.into_iter().flatten().take(LOOKED).flatten();
        for network in networks {
            let Ok(Some(record)) = network.decode::<Value>() else {
                continue;
            };
            for (known, path) in types.iter_mut().zip(&self.paths) {
                if known.is_none() {
                    *known = inside(&record, path).and_then(data_type);
                }
            }
            shown.get_or_insert_with(|| record.to_string());
            if types.iter().all(Option::is_some) {
                break;
            }
        }
        let shown = shown.unwrap_or_else(|| "none".to_owned());
        let shown: String = shown.chars().take(SHOWN).collect();
        let faults: Vec<LoadFault> = (0..)
            .zip(columns)
            .zip(&types)
            .filter(|(_, known)| known.is_none())
            .map(|((at, path), _)| LoadFault::NoPath {
                place: Place::Column(at),
                path: path.clone(),
                shown: shown.clone(),
            })
            .collect();
        if faults.is_empty() {
            Ok(types.into_iter().flatten().collect())
        } else {
            Err(faults)
        }
    }

    /// The type of each column.
    pub fn types(&self) -> &[DataType] {
        &self.types
    }

    /// Bytes held.
    pub const fn memory(&self) -> usize {
        self.bytes
    }

    /// Records of its search tree.
    pub fn entries(&self) -> u64 {
        u64::from(self.reader.metadata().node_count)
    }

    /// Adds what the record of an address says to a column each; gives whether there is a record. A database that cannot be read on
    /// has none.
    pub fn add(&self, address: Option<Address>, columns: &mut [Column]) -> bool {
        let look = |address: Address| self.reader.lookup(IpAddr::from(address)).ok();
        let found = address.and_then(|address| guarded(|| look(address)).ok().flatten());
        let found = found.filter(maxminddb::LookupResult::has_data);
        for (column, path) in columns.iter_mut().zip(&self.paths) {
            let value = found.as_ref().and_then(|found| {
                let path: Vec<PathElement<'_>> = path
                    .iter()
                    .map(|step| match step {
                        Step::Key(name) => PathElement::Key(name),
                        Step::Index(index) => PathElement::Index(*index),
                    })
                    .collect();
                let decoded = guarded(|| found.decode_path::<Value>(&path).ok());
                decoded.ok().flatten().flatten()
            });
            let added = value.is_some_and(|value| match &value {
                Value::String(text) => push(column, text),
                Value::Null => false,
                other => push(column, &other.to_string()),
            });
            if !added {
                push_null(column);
            }
        }
        found.is_some()
    }
}

fn inside<'v>(record: &'v Value, path: &[Step]) -> Option<&'v Value> {
    path.iter().try_fold(record, |value, step| match step {
        Step::Key(name) => value.get(name),
        Step::Index(index) => value.get(index),
    })
}

fn data_type(value: &Value) -> Option<DataType> {
    Some(match value {
        Value::Null => return None,
        Value::Bool(_) => DataType::Bool,
        Value::Number(number) if number.is_i64() => DataType::I64,
        Value::Number(number) if number.is_u64() => DataType::U64,
        Value::Number(_) => DataType::F64,
        Value::String(_) | Value::Array(_) | Value::Object(_) => DataType::Text,
    })
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::columns::Values;
    use crate::stored::kind::address;

    /// A database of IPv4 with a record each for 10.0.0.0/8 and 192.0.2.0/24, written by the format: a tree of 24-bit records, 16 bytes of
    /// zeros, data, marker, metadata.
    pub fn small() -> Vec<u8> {
        let text = |text: &str| {
            let mut out = vec![0x40 | u8::try_from(text.len()).unwrap()];
            out.extend(text.bytes());
            out
        };
        let map = |pairs: &[(&str, Vec<u8>)]| {
            let mut out = vec![0xe0 | u8::try_from(pairs.len()).unwrap()];
            for (key, value) in pairs {
                out.extend(text(key));
                out.extend(value);
            }
            out
        };
        let u32_of = |number: u32| {
            let mut out = vec![0xc4];
            out.extend(number.to_be_bytes());
            out
        };
        let u16_of = |number: u16| {
            let mut out = vec![0xa2];
            out.extend(number.to_be_bytes());
            out
        };
        let country = |code: &str| map(&[("iso_code", text(code))]);
        let first = map(&[("country", country("DE")), ("asn", u32_of(64_496))]);
        let second = map(&[("country", country("FR"))]);
        let data = [first.clone(), second].concat();
        let networks = [(0x0a00_0000_u32, 8, 0), (0xc000_0200, 24, first.len())];
        // a node has two records: the number of a node, or its own number = nothing, or data behind the tree
        let mut nodes: Vec<[Option<usize>; 2]> = vec![[None; 2]];
        let mut leaves = Vec::new();
        for (address, length, offset) in networks {
            let mut node = 0;
            for bit in 0..length {
                let side = usize::from(address >> (31 - bit) & 1 == 1);
                if bit + 1 == length {
                    leaves.push((node, side, offset));
                } else if let Some(next) = nodes[node][side] {
                    node = next;
                } else {
                    nodes.push([None; 2]);
                    let next = nodes.len() - 1;
                    nodes[node][side] = Some(next);
                    node = next;
                }
            }
        }
        let count = nodes.len();
        let mut out = Vec::new();
        for (at, node) in nodes.iter().enumerate() {
            for (side, next) in node.iter().enumerate() {
                let leaf = leaves
                    .iter()
                    .find(|(node, of, _)| (*node, *of) == (at, side));
                let record = match (next, leaf) {
                    (_, Some((_, _, offset))) => count + 16 + offset,
                    (Some(next), None) => *next,
                    (None, None) => count,
                };
                out.extend(&u32::try_from(record).unwrap().to_be_bytes()[1..]);
            }
        }
        out.extend([0; 16]);
        out.extend(data);
        out.extend(b"\xab\xcd\xefMaxMind.com");
        out.extend(map(&[
            ("node_count", u32_of(u32::try_from(count).unwrap())),
            ("record_size", u16_of(24)),
            ("ip_version", u16_of(4)),
            ("database_type", text("Test")),
            ("languages", vec![0x00, 0x04]),
            ("binary_format_major_version", u16_of(2)),
            ("binary_format_minor_version", u16_of(0)),
            ("build_epoch", vec![0x04, 0x02, 1, 2, 3, 4]),
            ("description", map(&[("en", text("made by a test"))])),
        ]));
        out
    }

    #[test]
    fn records_of_addresses() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.mmdb");
        std::fs::write(&path, small()).unwrap();
        let paths = ["country.iso_code".to_owned(), "asn".to_owned()];
        let database = Mmdb::load(&path, &paths).unwrap();
        assert_eq!(database.types(), [DataType::Text, DataType::I64]);
        let mut columns: Vec<Column> = database
            .types()
            .iter()
            .map(|one| Column::new(one, true))
            .collect();
        let found = ["10.1.2.3", "192.0.2.9", "192.0.3.9", "::1"]
            .map(|text| database.add(address(text), &mut columns));
        assert_eq!(found, [true, true, false, false]);
        assert!(!database.add(None, &mut columns));
        assert_eq!(
            columns[0].valid,
            Some(vec![true, true, false, false, false])
        );
        assert_eq!(
            columns[1].valid,
            Some(vec![true, false, false, false, false])
        );
        assert_eq!(columns[1].values, Values::I64(vec![64_496, 0, 0, 0, 0]));
        match &Mmdb::load(&path, &["city".to_owned(), paths[1].clone()]).unwrap_err()[..] {
            [
                LoadFault::NoPath {
                    place: Place::Column(0),
                    path,
                    shown,
                },
            ] => {
                assert_eq!(path, "city");
                assert!(shown.contains("DE"), "{shown}");
            }
            other => panic!("{other:?}"),
        }
        std::fs::write(&path, b"no database").unwrap();
        assert!(matches!(
            &Mmdb::load(&path, &[]).unwrap_err()[..],
            [LoadFault::Unreadable(_)]
        ));
    }

    #[test]
    fn a_damaged_database_gives_no_records_and_no_panic() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.mmdb");
        let whole = small();
        for at in 0..whole.len() {
            let mut bytes = whole.clone();
            bytes[at] ^= 0xff;
            std::fs::write(&path, &bytes).unwrap();
            if let Ok(database) = Mmdb::load(&path, &["asn".to_owned()]) {
                let mut columns = vec![Column::new(&database.types()[0], true)];
                database.add(address("10.1.2.3"), &mut columns);
                assert_eq!(columns[0].len(), 1);
            }
        }
    }
}
