//! What must be equal: keys of lines and of rows as bytes, and the lines of each key.

use crate::columns::{Column, Values, span};
use crate::expressions::Type;
use crate::stored::kind;
use foldhash::fast::FixedState;
use hashbrown::HashTable;
use std::hash::BuildHasher as _;

/// Names of IP protocols that published tables have instead of numbers.
const PROTOCOLS: [(&str, i64); 14] = [
    ("tcp", 6),
    ("udp", 17),
    ("icmp", 1),
    ("icmp6", 58),
    ("icmpv6", 58),
    ("ipv6-icmp", 58),
    ("igmp", 2),
    ("sctp", 132),
    ("gre", 47),
    ("esp", 50),
    ("ah", 51),
    ("ospf", 89),
    ("pim", 103),
    ("dccp", 33),
];

/// How values of a column are compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// Whole numbers; also written `443.0` or `0x01bb`.
    Int,
    /// Protocols: numbers, or names.
    Protocol,
    /// Texts, letter by letter.
    Text,
    /// Addresses.
    Address,
    /// Ids, as hexadecimal digits.
    Id,
    /// Truths.
    Bool,
}

impl Part {
    /// How values of a column of rows are compared; `None` = they cannot be.
    pub fn of(name: &str, kind: &Type) -> Option<Self> {
        Some(match kind {
            Type::Int if name == "protocol" => Self::Protocol,
            Type::Int => Self::Int,
            Type::Text => Self::Text,
            Type::Ip => Self::Address,
            Type::Bytes => Self::Id,
            Type::Bool => Self::Bool,
            _ => return None,
        })
    }

    /// Adds a value of a line to its key; `false` = it is none.
    pub fn read(self, text: &str, key: &mut Vec<u8>) -> bool {
        let mut read = || -> Option<()> {
            match self {
                Self::Int => key.extend(int(text)?.to_le_bytes()),
                Self::Protocol => {
                    let mut known = PROTOCOLS.iter();
                    let named = known.find(|(name, _)| text.eq_ignore_ascii_case(name));
                    let number = named.map(|(_, number)| *number).or_else(|| int(text))?;
                    key.extend(number.to_le_bytes());
                }
                Self::Text => put_text(text.as_bytes(), key),
                Self::Address => {
                    let address = kind::address(text)?;
                    key.push(address.family);
                    key.extend(address.bytes);
                }
                Self::Id => key.extend(kind::id(text)?),
                Self::Bool => {
                    let is = ["true", "1"]
                        .iter()
                        .any(|yes| text.eq_ignore_ascii_case(yes));
                    let no = ["false", "0"]
                        .iter()
                        .any(|no| text.eq_ignore_ascii_case(no));
                    if is == no {
                        return None;
                    }
                    key.push(u8::from(is));
                }
            }
            Some(())
        };
        read().is_some()
    }

    /// Adds the value of a row to its key; `false` = it is null, or too large for any line.
    pub fn take(self, column: &Column, row: usize, key: &mut Vec<u8>) -> bool {
        if column.is_null(row) {
            return false;
        }
        macro_rules! int {
            ($values:expr) => {
                key.extend(i64::from($values[row]).to_le_bytes())
            };
        }
        match &column.values {
            Values::Bool(v) => key.push(u8::from(v[row])),
            Values::U8(v) => int!(v),
            Values::U16(v) => int!(v),
            Values::U32(v) => int!(v),
            Values::I8(v) => int!(v),
            Values::I16(v) => int!(v),
            Values::I32(v) => int!(v),
            Values::I64(v) => int!(v),
            Values::U64(v) => match i64::try_from(v[row]) {
                Ok(number) => key.extend(number.to_le_bytes()),
                Err(_) => return false,
            },
            Values::Text { ends, bytes } => put_text(&bytes[span(ends, row)], key),
            Values::Address(v) => {
                key.push(v[row].family);
                key.extend(v[row].bytes);
            }
            Values::Id(v) => key.extend(v[row]),
            _ => return false,
        }
        true
    }
}

fn put_text(text: &[u8], key: &mut Vec<u8>) {
    key.extend((text.len() as u64).to_le_bytes());
    key.extend_from_slice(text);
}

fn int(text: &str) -> Option<i64> {
    if let Ok(number) = text.parse() {
        return Some(number);
    }
    if let Some(digits) = text.strip_prefix("0x") {
        return i64::from_str_radix(digits, 16).ok();
    }
    let (whole, fraction) = text.split_once('.')?;
    let is_whole = !fraction.is_empty() && fraction.bytes().all(|digit| digit == b'0');
    is_whole.then(|| whole.parse().ok())?
}

/// The lines of each key.
#[derive(Clone, Debug, Default)]
pub struct Index {
    keys: HashTable<u32>,
    bytes: Vec<u8>,
    /// The end of each key in `bytes`.
    ends: Vec<usize>,
    /// The end of the lines of each key in `lines`.
    line_ends: Vec<u32>,
    lines: Vec<u32>,
}

impl Index {
    fn key(bytes: &[u8], ends: &[usize], at: u32) -> Option<std::ops::Range<usize>> {
        let at = at as usize;
        let start = at
            .checked_sub(1)
            .map_or(Some(0), |before| ends.get(before).copied())?;
        let range = start..*ends.get(at)?;
        (range.end <= bytes.len()).then_some(range)
    }

    /// The number of a key, with those of keys that were not seen before behind the others.
    pub fn number(&mut self, key: &[u8]) -> u32 {
        let Self {
            keys, bytes, ends, ..
        } = self;
        let state = FixedState::default();
        let text = |at: u32| Self::key(bytes, ends, at).map_or(&[][..], |range| &bytes[range]);
        let hash = state.hash_one(key);
        if let Some(at) = keys.find(hash, |at| text(*at) == key) {
            return *at;
        }
        let at = u32::try_from(ends.len()).unwrap_or(u32::MAX);
        keys.insert_unique(hash, at, |at| state.hash_one(text(*at)));
        bytes.extend_from_slice(key);
        ends.push(bytes.len());
        at
    }

    /// Puts the lines to their keys; `numbers` has that of each line. Each key has its lines in the order of `before`.
    pub fn fill(&mut self, numbers: &[u32], before: impl Fn(&u32, &u32) -> std::cmp::Ordering) {
        let mut counts = vec![0_u32; self.ends.len() + 1];
        for number in numbers {
            counts[*number as usize + 1] += 1;
        }
        for at in 1..counts.len() {
            counts[at] += counts[at - 1];
        }
        let mut next = counts.clone();
        self.lines = vec![0; numbers.len()];
        for (line, number) in (0..).zip(numbers) {
            let place = &mut next[*number as usize];
            self.lines[*place as usize] = line;
            *place += 1;
        }
        self.line_ends = counts.split_off(1);
        let mut start = 0;
        for end in &self.line_ends {
            let end = *end as usize;
            self.lines[start..end].sort_by(&before);
            start = end;
        }
        self.bytes.shrink_to_fit();
    }

    /// The place of the lines of a key in [`Index::lines`].
    pub fn find(&self, key: &[u8]) -> Option<std::ops::Range<usize>> {
        let text = |at: u32| {
            let range = Self::key(&self.bytes, &self.ends, at);
            range.map_or(&[][..], |range| &self.bytes[range])
        };
        let hash = FixedState::default().hash_one(key);
        let at = *self.keys.find(hash, |at| text(*at) == key)? as usize;
        let start = at.checked_sub(1).map_or(0, |before| self.line_ends[before]);
        Some(start as usize..self.line_ends[at] as usize)
    }

    /// The lines, key by key.
    pub fn lines(&self) -> &[u32] {
        &self.lines
    }

    /// Bytes held, roughly.
    pub fn memory(&self) -> usize {
        let words = self.keys.capacity() + self.line_ends.len() + self.lines.len();
        self.bytes.len() + self.ends.len() * size_of::<usize>() + words * size_of::<u32>()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schema::DataType;

    #[test]
    fn lines_and_rows_come_to_the_same_keys() {
        let same = |part: Part, data_type: DataType, written: &str, value: &str| {
            let mut column = Column::new(&data_type, false);
            assert!(kind::push(&mut column, value), "{value}");
            let (mut line, mut row) = (Vec::new(), Vec::new());
            part.read(written, &mut line) && part.take(&column, 0, &mut row) && line == row
        };
        for written in ["443", "443.0", "0x1bb", "0443"] {
            assert!(same(Part::Int, DataType::U16, written, "443"), "{written}");
        }
        assert!(!same(Part::Int, DataType::U16, "443.5", "443"));
        assert!(!same(Part::Int, DataType::U16, "", "443"));
        assert!(same(Part::Protocol, DataType::U8, "UDP", "17"));
        assert!(same(Part::Protocol, DataType::U8, "17", "17"));
        assert!(same(
            Part::Address,
            DataType::Address,
            "2001:DB8:0:0::1",
            "2001:db8::1"
        ));
        assert!(!same(
            Part::Address,
            DataType::Address,
            "10.0.0.1",
            "::10.0.0.1"
        ));
        assert!(same(Part::Text, DataType::Text, "1:abc=", "1:abc="));
        assert!(!same(Part::Text, DataType::Text, "1:ABC=", "1:abc="));
        assert!(same(Part::Bool, DataType::Bool, "1", "true"));
        let id = "00ff00ff00ff00ff00ff00ff00ff00ff";
        assert!(same(Part::Id, DataType::Id, &id.to_uppercase(), id));
    }

    #[test]
    fn each_key_has_its_lines() {
        let mut index = Index::default();
        let keys: Vec<String> = (0..1000)
            .map(|line| format!("{}", line % 7 * 1000))
            .collect();
        let numbers: Vec<u32> = keys
            .iter()
            .map(|key| index.number(key.as_bytes()))
            .collect();
        index.fill(&numbers, |one, other| other.cmp(one));
        for (line, key) in keys.iter().enumerate() {
            let found = &index.lines()[index.find(key.as_bytes()).unwrap()];
            let known = (0..1000_u32)
                .rev()
                .filter(|other| *other as usize % 7 == line % 7);
            assert!(found.iter().copied().eq(known));
        }
        assert_eq!(index.find(b"1"), None);
        assert_eq!(Index::default().find(b""), None);
    }
}
