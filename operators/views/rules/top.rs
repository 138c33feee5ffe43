//! The rows that are first by one of their words, of all or of those that agree in others.
//!
//! Rows are dealt into many heaps, of which each gives its first ones on, and these into fewer: a row that changes is compared with
//! those of its heaps, not with all.

use super::plan::NULL;
use super::words::{Row, order};
use crate::expressions::Type;
use differential_dataflow::VecCollection;
use std::cmp::Ordering;
use std::sync::Arc;

/// Which rows are kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Top {
    /// The binding that decides: the greatest come first, nulls last.
    pub by: usize,
    /// Its type.
    pub kind: Type,
    /// How many rows.
    pub n: usize,
    /// Of those that agree in these bindings.
    pub per: Vec<usize>,
}

impl Top {
    /// The order of two rows. Those that are alike in the word that decides are told apart by the others, as they are: of
    /// texts and addresses that is some order, and always the same one.
    fn order<R: Row>(&self, a: &R, b: &R) -> Ordering {
        let (one, other) = (a.word(self.by), b.word(self.by));
        let is_null = (one == NULL).cmp(&(other == NULL));
        let by = || order(other, one, &self.kind);
        is_null.then_with(by).then_with(|| a.cmp(b))
    }
}

/// How many heaps there are at each step.
const HEAPS: [u64; 3] = [1 << 16, 1 << 8, 1];

/// The first rows.
pub fn top<'scope, R: Row>(
    rows: VecCollection<'scope, u64, R, isize>,
    top: &Top,
) -> VecCollection<'scope, u64, R, isize> {
    let top = Arc::new(top.clone());
    HEAPS.iter().fold(rows, |rows, heaps| {
        let (keys, decides, heaps) = (Arc::clone(&top), Arc::clone(&top), *heaps);
        let keyed = rows.map(move |row| {
            let mut key = R::default();
            for (at, place) in keys.per.iter().enumerate() {
                key.set(at, row.word(*place));
            }
            ((key, heap(&row, heaps)), row)
        });
        let first = keyed.reduce(move |_, rows, out| {
            let mut all: Vec<&R> = rows.iter().map(|(row, _)| *row).collect();
            let n = decides.n;
            if all.len() > n {
                all.select_nth_unstable_by(n, |a, b| decides.order(*a, *b));
                all.truncate(n);
            }
            all.sort_unstable();
            out.extend(all.into_iter().map(|row| (*row, 1_isize)));
        });
        first.map(|(_, row)| row)
    })
}

/// The heap of a row: any, always the same, and those of few heaps are made of whole ones of more.
fn heap<R: Row>(row: &R, heaps: u64) -> u64 {
    let mixed = row
        .words()
        .iter()
        .fold(0x9e37_79b9_7f4a_7c15, |hash, word| {
            let mixed: u64 = (hash ^ word).wrapping_mul(0xff51_afd7_ed55_8ccd);
            mixed ^ (mixed >> 32)
        });
    mixed % heaps
}
