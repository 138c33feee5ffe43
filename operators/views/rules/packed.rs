//! Arrangements of rows: each list of rows holds only so many words of a row as its widest one has, so that what is looked for
//! is found in fewer lines of memory.
//!
//! Rows have 4 or 8 words, most relations two and their keys one. What is sorted and sent is a row as it is; only what an
//! arrangement keeps is packed. The order of packed rows is that of rows.

use super::words::Row;
use differential_dataflow::batcher::merge::MergeBatcher;
use differential_dataflow::batcher::merge::chunker::ContainerChunker;
use differential_dataflow::batcher::merge::vec::VecMerger;
use differential_dataflow::difference::Monoid;
use differential_dataflow::lattice::Lattice;
use differential_dataflow::operators::arrange::arrangement::arrange_core;
use differential_dataflow::operators::arrange::{Arranged, TraceAgent};
use differential_dataflow::trace::cursor::cursor_list;
use differential_dataflow::trace::implementations::ord_neu::{
    OrdKeyBatch, OrdKeyBuilder, OrdValBatch, OrdValBuilder,
};
use differential_dataflow::trace::implementations::spine_fueled::Spine;
use differential_dataflow::trace::implementations::{BatchContainer, OffsetList};
use differential_dataflow::trace::{Cursor as _, Navigable as _, TraceReader as _};
use differential_dataflow::{AsCollection as _, Data, ExchangeData, VecCollection};
use std::cmp::Ordering;
use std::marker::PhantomData;
use std::rc::Rc;
use timely::container::{CapacityContainerBuilder, PushInto};
use timely::dataflow::channels::pact::{Exchange, Pipeline};
use timely::dataflow::operators::generic::Operator as _;
use timely::dataflow::operators::vec::Map as _;
use timely::progress::{Antichain, Timestamp};

/// Rows of a list, each by its first words; those behind are 0 in all of them.
pub struct Packed<R> {
    /// Words of each row.
    width: usize,
    rows: usize,
    words: Vec<u64>,
    /// Every [`STEP`]th row once more, so that a search far ahead touches few lines of memory.
    steps: Vec<u64>,
    /// How many rows are expected, until the first one tells how wide they are.
    expected: usize,
    of: PhantomData<R>,
}

/// Rows from one that is kept twice to the next.
const STEP: usize = 32;

/// Rows ahead that are looked at one after the other, before a search goes further.
const NEAR: usize = 8;

/// A row of such a list: words behind the last are 0.
#[derive(Clone, Copy, Debug)]
pub struct Words<'a>(&'a [u64]);

impl Words<'_> {
    /// A word; 0 beyond the last.
    pub fn word(&self, at: usize) -> u64 {
        self.0.get(at).copied().unwrap_or(0)
    }

    /// The row.
    pub fn row<R: Row>(&self) -> R {
        let mut row = R::default();
        for (word, value) in row.words_mut().iter_mut().zip(self.0) {
            *word = *value;
        }
        row
    }
}

/// The order of rows of which words may have been left out.
fn order(a: &[u64], b: &[u64]) -> Ordering {
    let common = a.len().min(b.len());
    let rest = |words: &[u64]| words[common..].iter().any(|word| *word != 0);
    a[..common]
        .cmp(&b[..common])
        .then_with(|| rest(a).cmp(&rest(b)))
}

impl Ord for Words<'_> {
    fn cmp(&self, other: &Self) -> Ordering {
        order(self.0, other.0)
    }
}

impl PartialOrd for Words<'_> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Eq for Words<'_> {}

impl PartialEq for Words<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl<R: Row> PartialEq<&R> for Words<'_> {
    fn eq(&self, other: &&R) -> bool {
        order(self.0, other.words()).is_eq()
    }
}

impl<R> Packed<R> {
    /// Makes rows wider: those that are there have 0 in the new words.
    fn widen(&mut self, width: usize) {
        let before = self.width;
        let widened = |words: &[u64], rows: usize, expected: usize| {
            let mut wider = Vec::with_capacity(width * expected.max(rows + 1));
            if before > 0 {
                for row in words.chunks_exact(before) {
                    wider.extend_from_slice(row);
                    wider.resize(wider.len() + width - before, 0);
                }
            }
            wider.resize(rows * width, 0);
            wider
        };
        self.words = widened(&self.words, self.rows, self.expected);
        self.steps = widened(&self.steps, self.rows.div_ceil(STEP), self.expected / STEP);
        self.width = width;
    }

    fn push(&mut self, words: &[u64]) {
        if words.len() > self.width {
            let last = words.iter().rposition(|word| *word != 0);
            let used = last.map_or(0, |last| last + 1);
            if used > self.width {
                self.widen(used);
            }
        }
        let words = &words[..words.len().min(self.width)];
        let at = self.words.len();
        self.words.extend_from_slice(words);
        self.words.resize(at + self.width, 0);
        if self.rows.is_multiple_of(STEP) {
            self.steps.extend_from_slice(&self.words[at..]);
        }
        self.rows += 1;
    }

    /// How many of the rows `from..to` that are kept twice are before what is looked for, where those that are come first.
    fn steps_before(&self, from: usize, to: usize, is_before: impl Fn(Words<'_>) -> bool) -> usize {
        let is_before = |at: usize| {
            let start = at * self.width;
            is_before(Words(&self.steps[start..start + self.width]))
        };
        // twice as far each time: what is looked for is seldom far
        let (mut low, mut reach) = (from, 1);
        while low + reach <= to && is_before(low + reach - 1) {
            low += reach;
            reach *= 2;
        }
        let high = to.min(low + reach - 1);
        let rest = first_not(low, high, is_before);
        rest - from
    }
}

/// The first place of a range for which `holds` does not, where it does for those before and not for those behind.
fn first_not(mut low: usize, mut high: usize, holds: impl Fn(usize) -> bool) -> usize {
    while low < high {
        let middle = low.midpoint(high);
        match holds(middle) {
            true => low = middle + 1,
            false => high = middle,
        }
    }
    low
}

impl<R: Row> PushInto<R> for Packed<R> {
    fn push_into(&mut self, row: R) {
        self.push(row.words());
    }
}

impl<R: Row> BatchContainer for Packed<R> {
    type Owned = R;
    type ReadItem<'a> = Words<'a>;

    fn into_owned(item: Words<'_>) -> R {
        item.row()
    }

    fn push_ref(&mut self, item: Words<'_>) {
        self.push(item.0);
    }

    fn push_own(&mut self, item: &R) {
        self.push(item.words());
    }

    fn clear(&mut self) {
        self.words.clear();
        self.steps.clear();
        (self.rows, self.width) = (0, 0);
    }

    fn with_capacity(size: usize) -> Self {
        Self {
            width: 0,
            rows: 0,
            words: Vec::new(),
            steps: Vec::new(),
            expected: size,
            of: PhantomData,
        }
    }

    fn merge_capacity(one: &Self, other: &Self) -> Self {
        let mut merged = Self::with_capacity(one.rows + other.rows);
        merged.widen(one.width.max(other.width));
        merged
    }

    fn reborrow<'b, 'a: 'b>(item: Words<'a>) -> Words<'b> {
        item
    }

    fn index(&self, index: usize) -> Words<'_> {
        let start = index * self.width;
        Words(&self.words[start..start + self.width])
    }

    fn len(&self) -> usize {
        self.rows
    }

    fn advance<F: for<'a> Fn(Words<'a>) -> bool>(
        &self,
        start: usize,
        end: usize,
        function: F,
    ) -> usize {
        let near = end.min(start + NEAR);
        let is_before = |at: usize| function(self.index(at));
        if near == end || !is_before(near) {
            return (start..near).take_while(|at| is_before(*at)).count();
        }
        let next = near / STEP + 1;
        let steps = self.steps_before(next, end.div_ceil(STEP).max(next), &function);
        let (low, high) = match steps {
            0 => (near + 1, next * STEP),
            steps => ((next + steps - 1) * STEP + 1, (next + steps) * STEP),
        };
        first_not(low, end.min(high), is_before) - start
    }
}

type OfKeys<R, T, D> = (Packed<R>, Vec<()>, Vec<T>, Vec<D>, OffsetList);
type OfPairs<R, T> = (Packed<R>, Packed<R>, Vec<T>, Vec<isize>, OffsetList);
type KeyBuilder<R, T, D> = OrdKeyBuilder<OfKeys<R, T, D>, Vec<((R, ()), T, D)>>;
type PairBuilder<R, T> = OrdValBuilder<OfPairs<R, T>, Vec<((R, R), T, isize)>>;
type Batcher<V, T, D, B> = MergeBatcher<ContainerChunker<Vec<(V, T, D)>>, VecMerger<V, T, D>, B>;

/// A trace of rows.
pub type Keys<R, T, D> = TraceAgent<Spine<Rc<OrdKeyBatch<OfKeys<R, T, D>>>>>;

/// A trace of rows by other rows.
pub type Pairs<R, T> = TraceAgent<Spine<Rc<OrdValBatch<OfPairs<R, T>>>>>;

/// Rows that come and go.
type Rows<'scope, T, V, D = isize> = VecCollection<'scope, T, V, D>;

/// Which worker has a row: a sum of its words that differs where any of them does.
fn owner<R: Row>(row: &R) -> u64 {
    let words = row.words().iter();
    words.fold(0x9e37_79b9_7f4a_7c15, |hash: u64, word| {
        let mixed = (hash ^ word).wrapping_mul(0xff51_afd7_ed55_8ccd);
        mixed ^ (mixed >> 32)
    })
}

/// Rows, arranged.
pub fn by_self<'scope, T: Timestamp + Lattice, R: Row, D: ExchangeData + Monoid>(
    rows: Rows<'scope, T, R, D>,
    name: &str,
) -> Arranged<'scope, Keys<R, T, D>> {
    let rows = rows.inner.map(|(row, time, diff)| ((row, ()), time, diff));
    let pact = Exchange::new(|((row, ()), _, _): &((R, ()), T, D)| owner(row));
    arrange_core(
        rows,
        pact,
        name,
        Batcher::<_, _, _, KeyBuilder<R, T, D>>::new,
    )
}

/// Rows, arranged by others.
pub fn by_key<'scope, T: Timestamp + Lattice, R: Row>(
    rows: Rows<'scope, T, (R, R)>,
    name: &str,
) -> Arranged<'scope, Pairs<R, T>> {
    let pact = Exchange::new(|((key, _), _, _): &((R, R), T, isize)| owner(key));
    let batcher = Batcher::<_, _, _, PairBuilder<R, T>>::new;
    arrange_core(rows.inner, pact, name, batcher)
}

/// Each row once.
pub fn distinct<'scope, T: Timestamp + Lattice, R: Row>(
    rows: Rows<'scope, T, R>,
) -> Arranged<'scope, Keys<R, T, isize>> {
    by_self(rows, "arrange: distinct")
        .reduce_abelian::<_, KeyBuilder<R, T, isize>, _, Packed<R>, _>(
            "distinct",
            |_, _, rows| rows.push(((), 1)),
            |rows, key, changes| {
                rows.clear();
                let row = key.row();
                rows.extend(
                    changes
                        .drain(..)
                        .map(|((), time, diff)| ((row, ()), time, diff)),
                );
            },
        )
}

/// The rows of an arrangement.
pub fn rows<'scope, T: Timestamp + Lattice, R: Row>(
    arranged: Arranged<'scope, Keys<R, T, isize>>,
) -> Rows<'scope, T, R> {
    arranged.as_collection(|row, ()| row.row())
}

/// A row for each key, made of all that it has. `make` is asked for keys that have any.
pub fn reduce<'scope, T: Timestamp + Lattice, R: Row>(
    rows: Rows<'scope, T, (R, R)>,
    name: &str,
    mut make: impl FnMut(Words<'_>, &[(Words<'_>, isize)]) -> Option<R> + 'static,
) -> Arranged<'scope, Pairs<R, T>> {
    by_key(rows, "arrange: reduce").reduce_abelian::<_, PairBuilder<R, T>, _, Packed<R>, _>(
        name,
        move |key, rows, made| made.extend(make(key, rows).map(|row| (row, 1))),
        |rows, key, changes| {
            rows.clear();
            let key = key.row();
            rows.extend(
                changes
                    .drain(..)
                    .map(|(row, time, diff)| ((key, row), time, diff)),
            );
        },
    )
}

/// Each row once, at times that have one order.
pub fn distinct_total<'scope, R: Row>(rows: Rows<'scope, u64, R>) -> Rows<'scope, u64, R> {
    let arranged = by_self(rows, "arrange: distinct");
    changes(arranged, "distinct", |row, before, after: &isize| {
        let change = isize::from(*after != 0) - isize::from(*before != 0);
        [(change != 0).then(|| (row.row(), change)), None]
    })
}

/// Rows with the total of their differences, at times that have one order: `made` makes what is told of both.
pub fn totals<'scope, R: Row, D: ExchangeData + Monoid, X: Data>(
    rows: Rows<'scope, u64, R, D>,
    made: impl Fn(R, &D) -> X + 'static,
) -> Rows<'scope, u64, X> {
    let arranged = by_self(rows, "arrange: totals");
    changes(arranged, "totals", move |row, before, after| {
        let told = |total: &D| (!total.is_zero()).then(|| made(row.row(), total));
        [
            told(before).map(|row| (row, -1)),
            told(after).map(|row| (row, 1)),
        ]
    })
}

/// What changes when the total of a row does, which has been `before` and is `after`.
fn changes<'scope, R: Row, D: ExchangeData + Monoid, X: Data>(
    arranged: Arranged<'scope, Keys<R, u64, D>>,
    name: &str,
    tell: impl Fn(Words<'_>, &D, &D) -> [Option<(X, isize)>; 2] + 'static,
) -> Rows<'scope, u64, X> {
    let mut trace = arranged.trace.clone();
    let told = arranged
        .stream
        .unary::<CapacityContainerBuilder<Vec<_>>, _, _, _>(Pipeline, name, move |_, _| {
            let mut read = Antichain::from_elem(0);
            let mut times: Vec<(u64, D)> = Vec::new();
            move |input, output| {
                input.for_each(|capability, spans| {
                    let mut session = output.session(&capability);
                    for span in spans.drain(..) {
                        read.clone_from(span.upper());
                        let Some(batch) = &span.inner else { continue };
                        let held = trace.batches_through(span.lower().borrow());
                        let held = held.expect("what is still to be read is not compacted");
                        let (mut totals, held) = cursor_list(held);
                        let mut rows = batch.cursor();
                        while let Some(row) = rows.get_key(batch) {
                            let mut total = D::zero();
                            totals.seek_key(&held, row);
                            if totals.get_key(&held) == Some(row) {
                                totals.map_times(&held, |_, diff| total.plus_equals(diff));
                            }
                            rows.map_times(batch, |time, diff| times.push((*time, diff.clone())));
                            times.sort_by_key(|(time, _)| *time);
                            for (time, diff) in times.drain(..) {
                                let before = total.clone();
                                total.plus_equals(&diff);
                                let told = tell(row, &before, &total).into_iter().flatten();
                                session.give_iterator(told.map(|(row, diff)| (row, time, diff)));
                            }
                            rows.step_key(batch);
                        }
                    }
                });
                // what was read may be merged
                trace.advance_upper(&mut read);
                trace.set_logical_compaction(read.borrow());
                trace.set_physical_compaction(read.borrow());
            }
        });
    told.as_collection()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Rows whose last words are 0 more often than not.
    fn rows() -> impl Strategy<Value = Vec<[u64; 4]>> {
        let word = prop_oneof![Just(0), 0..3_u64, any::<u64>()];
        let row = (proptest::array::uniform4(word), 0..5_usize).prop_map(|(mut row, used)| {
            row[used..].fill(0);
            row
        });
        proptest::collection::vec(row, 0..40)
    }

    proptest! {
        #[test]
        fn packed_rows_are_the_rows_in_their_order(one in rows(), other in rows()) {
            let mut all = Packed::with_capacity(3);
            for row in &one {
                all.push_own(row);
            }
            prop_assert_eq!(all.len(), one.len());
            let mut narrow = Packed::with_capacity(0);
            for row in &other {
                narrow.push_into(*row);
            }
            let mut merged: Packed<[u64; 4]> = BatchContainer::merge_capacity(&all, &narrow);
            for at in 0..other.len() {
                merged.push_ref(narrow.index(at));
            }
            for (at, row) in one.iter().enumerate() {
                let packed = all.index(at);
                prop_assert_eq!(packed.row::<[u64; 4]>(), *row);
                prop_assert!(packed == row);
                for (place, other) in other.iter().enumerate() {
                    prop_assert_eq!(packed.cmp(&narrow.index(place)), row.cmp(other));
                    prop_assert_eq!(packed.cmp(&merged.index(place)), row.cmp(other));
                    prop_assert_eq!(packed == other, row == other);
                }
            }
        }

        #[test]
        fn a_search_finds_what_a_look_at_all_finds(
            mut all in proptest::collection::vec((0..200_u64, 0..3_u64), 0..400),
            (start, end) in (0..400_usize, 0..400_usize),
            of in 0..220_u64,
            is_wide in any::<bool>(),
        ) {
            all.sort_unstable();
            let mut rows = Packed::with_capacity(0);
            for (first, second) in &all {
                rows.push_into([*first, *second, 0, 0]);
            }
            if is_wide {
                rows.widen(3);
            }
            let end = end.min(all.len());
            let start = start.min(end);
            let is_before = |row: Words<'_>| row.word(0) < of;
            let found = all[start..end].iter().filter(|(first, _)| *first < of).count();
            prop_assert_eq!(rows.advance(start, end, is_before), found);
        }
    }
}
