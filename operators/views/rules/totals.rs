//! What is made of rows that agree in some words: a row of these and of a value for each thing that is asked.
//!
//! What can be added up is kept as sums alone: counts, sums, means, variances, and how many different values there are, of which
//! each is kept once. For the rest the rows of a group are kept, and looked through when one of them changes. Needs times in one
//! order, so it stands outside of recursions.

use super::packed::{self, Words, by_key};
use super::plan::NULL;
use super::weights::{Weights, fixed, quotient, to_float, unfixed, variance};
use super::words::{Row, order};
use crate::expressions::Type;
use arrow::datatypes::i256;
use differential_dataflow::{AsCollection as _, VecCollection};
use std::collections::BTreeMap;
use std::sync::Arc;
use timely::dataflow::operators::vec::Map as _;

/// Rows that come and go at ticks.
type Rows<'scope, R> = VecCollection<'scope, u64, R, isize>;

/// What is made of the bindings that agree in some.
#[derive(Clone, Debug, PartialEq)]
pub struct Groups {
    /// What they agree in: these bindings are the first words of what comes out.
    pub by: Vec<usize>,
    /// The words behind them.
    pub folds: Vec<Fold>,
    /// The binding from which on two say where a row stands among the others; only some folds ask.
    pub order: Option<usize>,
}

impl Groups {
    /// How many words of each row are kept, for what cannot be added up.
    pub fn kept_words(&self) -> usize {
        let kept = self.folds.iter().filter(|fold| !fold.what.is_summed());
        let order = self.order.map_or(0, |_| 2);
        kept.filter(|fold| fold.of.is_some()).count() + order
    }
}

/// A value that is made of many.
#[derive(Clone, Debug, PartialEq)]
pub struct Fold {
    /// What is made.
    pub what: What,
    /// Of which binding; `None` = of the rows themselves.
    pub of: Option<usize>,
    /// The type of the binding.
    pub kind: Type,
}

/// What is made of many values. Nulls are none.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum What {
    /// How many.
    Count,
    /// How many different ones.
    Distinct,
    /// The sum; 0 of none.
    Sum,
    /// The mean.
    Mean,
    /// The variance: divided by n less this.
    Variance(u64),
    /// The standard deviation: divided by n less this.
    Deviation(u64),
    /// Whether one is true.
    Any,
    /// Whether none is false.
    All,
    /// The least.
    Least,
    /// The greatest.
    Greatest,
    /// With linear interpolation.
    Quantile(f64),
    /// The most frequent; of several the least.
    Mode,
    /// That of the first row.
    First,
    /// That of the last row.
    Last,
    /// Those of the first rows, so many; the others are null.
    List(usize),
    /// Shannon entropy, bits.
    Entropy,
}

impl What {
    /// Whether it is kept as sums.
    pub const fn is_summed(self) -> bool {
        use What::{All, Any, Count, Deviation, Distinct, Mean, Sum, Variance};
        matches!(
            self,
            Count | Distinct | Sum | Mean | Variance(_) | Deviation(_) | Any | All
        )
    }

    /// Whether it asks where a row stands among the others.
    pub const fn is_ordered(self) -> bool {
        matches!(self, Self::First | Self::Last | Self::List(_))
    }

    /// Whether it adds values up.
    pub const fn adds(self) -> bool {
        matches!(
            self,
            Self::Sum | Self::Mean | Self::Variance(_) | Self::Deviation(_)
        )
    }
}

impl Fold {
    /// How many words it gives.
    pub const fn words(&self) -> usize {
        match self.what {
            What::List(limit) => limit,
            _ => 1,
        }
    }
}

/// Where the words of a fold are among those that are added up.
#[derive(Clone, Copy, Debug)]
struct Place {
    /// How many values; the rows themselves are counted in word 0.
    count: usize,
    /// The first word of the sum, and how many there are.
    sum: (usize, usize),
    /// The same of the squares.
    squares: (usize, usize),
}

/// Pieces of sums and of squares: of floats, and of other numbers.
const PIECES: [(usize, usize); 2] = [(4, 7), (2, 4)];

/// The folds of a group with the places of what they add up.
struct Layout {
    groups: Groups,
    places: Vec<Option<Place>>,
    words: usize,
}

impl Layout {
    fn new(groups: &Groups) -> Self {
        let mut words = 1;
        let mut take = |count: usize| {
            words += count;
            (words - count, count)
        };
        let folds = groups.folds.iter();
        let places = folds.map(|fold| {
            let (sum, squares) = PIECES[usize::from(fold.kind != Type::Float)];
            fold.what.is_summed().then(|| Place {
                // a sum of nothing is 0: it need not know how many values there are
                count: match fold.of {
                    Some(_) if fold.what != What::Sum => take(1).0,
                    _ => 0,
                },
                sum: take(if fold.what.adds() { sum } else { 0 }),
                squares: take(match fold.what {
                    What::Variance(_) | What::Deviation(_) => squares,
                    _ => 0,
                }),
            })
        });
        Self {
            places: places.collect(),
            groups: groups.clone(),
            words,
        }
    }

    /// The folds that are added up of each row, with their places.
    fn summed(&self) -> impl Iterator<Item = (&Fold, Place)> {
        let folds = self.groups.folds.iter().zip(&self.places);
        folds.filter_map(|(fold, place)| Some((fold, (*place)?)))
    }

    /// What a row adds.
    fn weights<R: Row>(&self, row: &R) -> Weights {
        let mut weights = Weights::new(self.words);
        weights.add(0, 1);
        for (fold, place) in self.summed() {
            let Some(word) = fold.of.map(|at| row.word(at)).filter(|word| *word != NULL) else {
                continue;
            };
            let value = match fold.what {
                What::Distinct => continue,
                What::Any if word == 0 => continue,
                What::All if word != 0 => continue,
                What::Count | What::Any | What::All => None,
                _ => match number(word, &fold.kind) {
                    Some(value) => Some(i256::from_i128(value)),
                    None => continue,
                },
            };
            if fold.what != What::Sum {
                weights.add(place.count, 1);
            }
            if let Some(value) = value {
                weights.add_number(place.sum.0, value, 1);
                if place.squares.1 > 0 {
                    weights.add_number(place.squares.0, value.wrapping_mul(value), 1);
                }
            }
        }
        weights
    }

    /// The row of a group, but for what is not added up.
    fn row<R: Row>(&self, key: &R, weights: &Weights) -> R {
        let mut row = *key;
        let mut at = self.groups.by.len();
        for (fold, place) in self.groups.folds.iter().zip(&self.places) {
            if let Some(place) = place {
                row.set(at, total(fold, *place, weights));
            }
            at += fold.words();
        }
        row
    }
}

/// A value that is added: floats as multiples of 2^-32.
fn number(word: u64, kind: &Type) -> Option<i128> {
    match kind {
        Type::Float => fixed(f64::from_bits(word)),
        _ => Some(word.cast_signed().into()),
    }
}

/// A word of a float, if it is one.
fn float(value: f64) -> u64 {
    if value.is_finite() {
        (value + 0.0).to_bits()
    } else {
        NULL
    }
}

/// A word of a duration.
fn whole(value: i128) -> u64 {
    i64::try_from(value).map_or(NULL, i64::cast_unsigned)
}

fn total(fold: &Fold, place: Place, weights: &Weights) -> u64 {
    let count = weights.word(place.count);
    let number = |(at, words): (usize, usize)| weights.number(at, words);
    let is_float = fold.kind == Type::Float;
    let is_duration = fold.kind == Type::Duration;
    match fold.what {
        What::Any => u64::from(count > 0),
        What::All => u64::from(count == 0),
        What::Sum if is_float => float(unfixed(to_float(number(place.sum)))),
        What::Sum => number(place.sum).to_i128().map_or(NULL, whole),
        What::Mean if count == 0 => NULL,
        What::Mean if is_duration => {
            let n = i128::from(count);
            let sum = number(place.sum).to_i128();
            sum.map_or(NULL, |sum| whole((2 * sum + n).div_euclid(2 * n)))
        }
        What::Mean => {
            let mean = quotient(number(place.sum), count);
            float(if is_float { unfixed(mean) } else { mean })
        }
        What::Variance(ddof) | What::Deviation(ddof) => {
            let found = variance(number(place.sum), number(place.squares), count, ddof);
            let is_root = matches!(fold.what, What::Deviation(_));
            found.map_or(NULL, |found| match (is_root, is_float, is_duration) {
                (true, _, true) => whole(found.sqrt().round() as i128),
                (true, true, _) => float(unfixed(found.sqrt())),
                (true, ..) => float(found.sqrt()),
                // of durations in s^2
                (false, _, true) => float(found / 1e18),
                (false, true, _) => float(unfixed(unfixed(found))),
                (false, ..) => float(found),
            })
        }
        _ => count.cast_unsigned(),
    }
}

/// The rows of a group, as words: what each of them is there for, and how often there is such a row.
type Values<'a> = [(Words<'a>, isize)];

/// What is made of the rows of a group: words from `at` on, those that nothing is kept for left out. `order` is the word of
/// the rows from which on two say where they stand.
fn kept<R: Row>(folds: &[(usize, Fold)], order_at: usize, rows: &Values<'_>, made: &mut R) {
    for (place, (at, fold)) in folds.iter().enumerate() {
        let values = || {
            let values = rows.iter().map(|(row, times)| (row.word(place), *times));
            values.filter(|(word, _)| *word != NULL)
        };
        let by_kind = |a: &u64, b: &u64| order(*a, *b, &fold.kind);
        let in_order = || {
            // a row that is there several times is so many rows
            let each = rows.iter().flat_map(|(row, times)| {
                std::iter::repeat_n(*row, usize::try_from(*times).unwrap_or(0))
            });
            let mut all: Vec<Words<'_>> = each.collect();
            all.retain(|row| row.word(place) != NULL);
            all.sort_unstable_by_key(|row| {
                (row.word(order_at).cast_signed(), row.word(order_at + 1))
            });
            all
        };
        let ends = |row: &Words<'_>| (row.word(order_at).cast_signed(), row.word(order_at + 1));
        let there = || {
            rows.iter()
                .map(|(row, _)| *row)
                .filter(|row| row.word(place) != NULL)
        };
        let value = match fold.what {
            What::Least => values().map(|(word, _)| word).min_by(by_kind),
            What::Greatest => values().map(|(word, _)| word).max_by(by_kind),
            What::First => there().min_by_key(ends).map(|row| row.word(place)),
            What::Last => there().max_by_key(ends).map(|row| row.word(place)),
            What::List(limit) => {
                let all = in_order();
                for nth in 0..limit {
                    made.set(at + nth, all.get(nth).map_or(NULL, |row| row.word(place)));
                }
                continue;
            }
            What::Mode => {
                let mut all: Vec<(u64, isize)> = counted(values()).into_iter().collect();
                all.sort_unstable_by(|(a, times), (b, others)| {
                    others.cmp(times).then(by_kind(a, b))
                });
                all.first().map(|(word, _)| *word)
            }
            What::Entropy => entropy(counted(values()).into_values().collect()),
            What::Quantile(q) => {
                let mut all: Vec<(u64, isize)> = counted(values()).into_iter().collect();
                all.sort_unstable_by(|(a, _), (b, _)| by_kind(a, b));
                quantile(&all, q, &fold.kind)
            }
            _ => None,
        };
        made.set(*at, value.unwrap_or(NULL));
    }
}

/// How often each value is there.
fn counted(values: impl Iterator<Item = (u64, isize)>) -> BTreeMap<u64, isize> {
    let mut counts = BTreeMap::new();
    for (word, times) in values {
        *counts.entry(word).or_default() += times;
    }
    counts
}

fn entropy(mut counts: Vec<isize>) -> Option<u64> {
    // in an order that does not depend on the values
    counts.sort_unstable();
    let n = counts.iter().sum::<isize>() as f64;
    let bits = counts.iter().map(|count| {
        let share = *count as f64 / n;
        -share * share.log2()
    });
    (!counts.is_empty()).then(|| float(bits.sum::<f64>()))
}

/// Of values in their order, each with how often it is there.
fn quantile(values: &[(u64, isize)], q: f64, kind: &Type) -> Option<u64> {
    let value = |word: u64| match kind {
        Type::Float => f64::from_bits(word),
        _ => word.cast_signed() as f64,
    };
    let count: isize = values.iter().map(|(_, times)| times).sum();
    let last = count.checked_sub(1).filter(|last| *last >= 0)?;
    let place = q * last as f64;
    let below = place.floor() as isize;
    let at = |place: isize| {
        let mut seen = 0;
        let found = values.iter().find(|(_, times)| {
            seen += times;
            seen > place
        });
        found.map(|(word, _)| value(*word))
    };
    let low = at(below)?;
    let high = at(below + 1).unwrap_or(low);
    let found = low + (high - low) * (place - below as f64);
    Some(match kind {
        Type::Duration => whole(found.round() as i128),
        _ => float(found),
    })
}

/// The rows of all groups.
pub fn totals<'scope, R: Row>(rows: Rows<'scope, R>, groups: &Groups) -> Rows<'scope, R> {
    let layout = Arc::new(Layout::new(groups));
    let of = Arc::clone(&layout);
    let key = move |row: &R| {
        let mut key = R::default();
        for (at, place) in of.groups.by.iter().enumerate() {
            key.set(at, row.word(*place));
        }
        key
    };
    let is_count = |fold: &Fold| fold.what == What::Count && fold.of.is_none();
    if groups.folds.iter().all(is_count) {
        let words = groups.by.len()..groups.by.len() + groups.folds.len();
        return packed::totals(rows.map(move |row| key(&row)), move |mut row, count| {
            let count = count.cast_unsigned() as u64;
            words.clone().for_each(|at| row.set(at, count));
            row
        });
    }
    let (own, weigh) = (key.clone(), Arc::clone(&layout));
    let mut weights = rows
        .clone()
        .inner
        .map(move |(row, time, times)| {
            let weights = weigh.weights(&row);
            let weights = match times {
                1 => weights,
                times => weights.times(times as i64),
            };
            (own(&row), time, weights)
        })
        .as_collection();
    for (fold, place) in layout.summed() {
        let (What::Distinct, Some(of)) = (fold.what, fold.of) else {
            continue;
        };
        let (own, words, keys) = (key.clone(), layout.words, groups.by.len());
        let pairs = rows.clone().flat_map(move |row| {
            let value = row.word(of);
            let mut pair = own(&row);
            pair.set(keys, value);
            (value != NULL).then_some(pair)
        });
        let different = packed::distinct_total(pairs)
            .inner
            .map(move |(mut pair, time, times)| {
                pair.set(keys, 0);
                let mut weights = Weights::new(words);
                weights.add(place.count, times as i64);
                (pair, time, weights)
            });
        weights = weights.concat(different.as_collection());
    }
    let made = Arc::clone(&layout);
    let folds = groups.folds.iter().scan(groups.by.len(), |at, fold| {
        *at += fold.words();
        Some((*at - fold.words(), fold.clone()))
    });
    let folds: Vec<(usize, Fold)> = folds.filter(|(_, fold)| !fold.what.is_summed()).collect();
    if folds.is_empty() {
        return packed::totals(weights, move |key, weights| made.row(&key, weights));
    }
    let words: Vec<usize> = folds.iter().filter_map(|(_, fold)| fold.of).collect();
    let order = groups
        .order
        .filter(|_| folds.iter().any(|(_, fold)| fold.what.is_ordered()));
    let order_at = words.len();
    let places: Vec<usize> = words
        .into_iter()
        .chain(order.into_iter().flat_map(|at| [at, at + 1]))
        .collect();
    let keyed = rows.map(move |row| {
        let mut values = R::default();
        for (at, place) in places.iter().enumerate() {
            values.set(at, row.word(*place));
        }
        (key(&row), values)
    });
    let looked = packed::reduce(keyed, "groups", move |_, rows| {
        let mut made = R::default();
        kept(&folds, order_at, rows, &mut made);
        Some(made)
    });
    let counted = packed::totals(weights, move |key, weights| (key, made.row(&key, weights)));
    let counted = by_key(counted, "arrange: join");
    counted.join_core(looked, move |_, row: Words<'_>, kept: Words<'_>| {
        let mut row: R = row.row();
        let mut at = layout.groups.by.len();
        for fold in &layout.groups.folds {
            if !fold.what.is_summed() {
                (at..at + fold.words()).for_each(|at| row.set(at, kept.word(at)));
            }
            at += fold.words();
        }
        [row]
    })
}
