//! Rows that wait: nothing is held for a null, and counts take as few bytes as they need.
//!
//! Most columns of a wide table are null in most rows (a flow has one application protocol), and most counts are small: packed, a
//! row takes about half the memory.

use super::view::Valid;
use super::{Batch, Column, Columns, FlowEdge, RowKey, Values, View, raw, span};
use serde::{Deserialize, Serialize};

/// A batch of rows that wait.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PackedColumns {
    keys: Vec<RowKey>,
    edges: Vec<FlowEdge>,
    columns: Vec<Packed>,
}

/// One column of them.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Packed {
    /// The values of the rows that are not null.
    values: Values,
    /// `None` = no row is null.
    ranks: Option<Ranks>,
}

/// For each row that is not null, how many such rows are before it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Ranks {
    /// A bit a row, the first one lowest; 1 = not null.
    #[serde(with = "raw")]
    words: Vec<u64>,
    /// For each word, the ones before it.
    #[serde(with = "raw")]
    before: Vec<u32>,
}

impl Ranks {
    fn new(mask: &[bool]) -> Self {
        let words = mask.chunks(64).map(|chunk| {
            let bits = (0..).zip(chunk);
            bits.fold(0, |word, (at, is)| word | (u64::from(*is) << at))
        });
        let words: Vec<u64> = words.collect();
        let mut ones = 0;
        let before = words.iter().map(|word| {
            let before = ones;
            ones += word.count_ones();
            before
        });
        let before = before.collect();
        Self { words, before }
    }

    /// The rank of a row; `None` = it is null.
    #[inline]
    pub(super) fn of(&self, row: u32) -> Option<u32> {
        let at = row as usize / 64;
        let (word, bit) = (self.words[at], 1 << (row % 64));
        (word & bit != 0).then(|| self.before[at] + (word & (bit - 1)).count_ones())
    }

    fn bytes(&self) -> usize {
        self.words.len() * 8 + self.before.len() * 4
    }
}

impl From<Column> for Packed {
    fn from(column: Column) -> Self {
        match column.valid.filter(|valid| valid.contains(&false)) {
            None => Self {
                values: narrow(column.values),
                ranks: None,
            },
            Some(valid) => Self {
                values: narrow(kept(column.values, &valid)),
                ranks: Some(Ranks::new(&valid)),
            },
        }
    }
}

impl Packed {
    /// To take rows from.
    pub fn view(&self) -> View<'_> {
        View::new(
            &self.values,
            self.ranks.as_ref().map_or(Valid::All, Valid::Ranks),
        )
    }

    fn bytes(&self) -> usize {
        self.values.bytes() + self.ranks.as_ref().map_or(0, Ranks::bytes)
    }
}

/// The values of the rows that the mask says.
fn kept(values: Values, mask: &[bool]) -> Values {
    /// Without a branch a row: which rows are null is hard to foretell.
    fn of<T: Copy>(values: &[T], mask: &[bool]) -> Vec<T> {
        let Some(first) = values.first() else {
            return Vec::new();
        };
        let count = mask.iter().filter(|is| **is).count();
        let mut kept = vec![*first; count + 1];
        let mut at = 0;
        for (value, is) in values.iter().zip(mask) {
            kept[at] = *value;
            at += usize::from(*is);
        }
        kept.truncate(count);
        kept
    }
    macro_rules! kept {
        ($($variant:ident)+) => {
            match values {
                $(Values::$variant(v) => Values::$variant(of(&v, mask)),)+
                Values::Text { ends, bytes } => {
                    debug_assert!(are_empty(&ends, mask), "under a null there is no text");
                    Values::Text { ends: of(&ends, mask), bytes }
                }
                Values::List { ends, items } => {
                    debug_assert!(are_empty(&ends, mask), "under a null there is no item");
                    Values::List { ends: of(&ends, mask), items }
                }
                Values::Struct(parts) => {
                    let parts = parts.into_iter().map(|(name, part)| {
                        let values = kept(part.values, mask);
                        (name, Column { values, valid: None })
                    });
                    Values::Struct(parts.collect())
                }
            }
        };
    }
    kept!(Bool U8 U16 U32 U64 I8 I16 I32 I64 F64 Address Id Time)
}

/// Whether nothing is held for the rows that the mask leaves out.
fn are_empty(ends: &[u32], mask: &[bool]) -> bool {
    let mut rows = (0..).zip(mask);
    rows.all(|(row, is)| *is || span(ends, row).is_empty())
}

/// The same values, in a narrower type where all are small; nothing more room than they need.
fn narrow(values: Values) -> Values {
    match values {
        Values::U64(v) => {
            let largest = v.iter().copied().fold(0, |a, b| a | b);
            #[expect(clippy::cast_possible_truncation, reason = "no value is larger")]
            if largest <= u64::from(u16::MAX) {
                Values::U16(v.iter().map(|value| *value as u16).collect())
            } else if largest <= u64::from(u32::MAX) {
                Values::U32(v.iter().map(|value| *value as u32).collect())
            } else {
                Values::U64(v)
            }
        }
        Values::Text { ends, mut bytes } => {
            bytes.shrink_to_fit();
            Values::Text { ends, bytes }
        }
        other => other,
    }
}

impl From<Columns> for PackedColumns {
    fn from(rows: Columns) -> Self {
        Self {
            keys: rows.keys,
            edges: rows.edges,
            columns: rows.columns.into_iter().map(Packed::from).collect(),
        }
    }
}

impl PackedColumns {
    /// Its columns, each by itself.
    pub fn into_columns(self) -> Vec<Packed> {
        self.columns
    }

    /// Bytes held, roughly: what a memory budget counts.
    pub fn bytes(&self) -> usize {
        let edges = self.edges.len() * size_of::<FlowEdge>();
        self.keys.len() * 16 + edges + self.columns.iter().map(Packed::bytes).sum::<usize>()
    }
}

impl Batch for PackedColumns {
    fn keys(&self) -> &[RowKey] {
        &self.keys
    }

    fn edges(&self) -> &[FlowEdge] {
        &self.edges
    }

    fn view(&self, column: usize) -> View<'_> {
        self.columns[column].view()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sinks::sample;
    use proptest::prelude::*;

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        /// Any rows of any type come back as they were, also through bytes, and take no more memory.
        #[test]
        fn packed_rows_are_the_same_rows(rows in proptest::collection::vec(0_usize..3, 1..200), picks in proptest::collection::vec(any::<prop::sample::Index>(), 0..300)) {
            let (description, sample) = sample::rows();
            let mut plain = Columns::new(&description.schema);
            rows.iter().for_each(|row| plain.push_from(&sample, *row));
            let picks: Vec<(u32, u32)> = picks.iter().map(|pick| (0, u32::try_from(pick.index(rows.len())).unwrap())).collect();
            let expected = plain.picked(&picks);
            let packed = PackedColumns::from(plain.clone());
            prop_assert!(packed.bytes() <= plain.bytes() + 24 * plain.columns.len());
            let packed: PackedColumns = bincode::deserialize(&bincode::serialize(&packed).unwrap()).unwrap();
            let mut found = Columns::new(&description.schema);
            found.gather(&[&packed], &picks);
            prop_assert_eq!(&found, &expected);
            let read: Columns = bincode::deserialize(&bincode::serialize(&plain).unwrap()).unwrap();
            prop_assert_eq!(read, plain);
        }
    }

    #[test]
    fn counts_are_as_wide_as_they_must_be() {
        for largest in [0, 65_535, 65_536, u64::from(u32::MAX), 1 << 32, u64::MAX] {
            let column = Column {
                values: Values::U64(vec![1, largest]),
                valid: None,
            };
            let packed = Packed::from(column.clone());
            let mut found = column.emptied();
            found.gather(&[packed.view()], &[(0, 0), (0, 1)]);
            assert_eq!(found, column);
            let width = (packed.bytes() / 2) as u32 * 8;
            assert!(width == 64 || largest < 1 << width);
            assert!(
                width == 16 || largest >= 1 << (width / 2),
                "{largest} in {width} bits"
            );
        }
    }
}
