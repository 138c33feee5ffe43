//! Sums that rows add to and are taken from: whole numbers, so that what went leaves no trace and no order shows.
//!
//! A number is added as pieces of 32 bits with its sign, each in a word of its own. Words are added without carry: 2^31 rows fit,
//! and only when a total is read are its pieces put together.

use crate::statistics;
use arrow::datatypes::i256;
use differential_dataflow::difference::{Abelian, IsZero, Monoid, Semigroup};
use serde::{Deserialize, Serialize};

/// Words that are kept in place.
const HERE: usize = 4;

/// Bits of a piece.
const BITS: usize = 32;

/// Floats are added as multiples of 2^-32: this many make 1.
const ONE: f64 = 4_294_967_296.0;

/// Floats from here on, 2^80, are in no sum.
pub const LIMIT: f64 = 1_208_925_819_614_629_174_706_176.0;

/// What a row adds, or the total of many.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Weights {
    here: [i64; HERE],
    more: Vec<i64>,
}

impl Weights {
    /// Nothing, in this many words.
    pub fn new(words: usize) -> Self {
        Self {
            here: [0; HERE],
            more: vec![0; words.saturating_sub(HERE)],
        }
    }

    /// A word; 0 beyond the last.
    pub fn word(&self, at: usize) -> i64 {
        let found = self.here.get(at).or_else(|| self.more.get(at - HERE));
        found.copied().unwrap_or(0)
    }

    /// Adds to a word.
    pub fn add(&mut self, at: usize, value: i64) {
        let word = match self.here.get_mut(at) {
            Some(word) => Some(word),
            None => self.more.get_mut(at - HERE),
        };
        if let Some(word) = word {
            *word = word.wrapping_add(value);
        }
    }

    /// Adds a number, `times` times, to the words from `at` on.
    pub fn add_number(&mut self, at: usize, value: i256, times: i64) {
        let (magnitude, sign) = match value.is_negative() {
            true => (value.wrapping_neg(), times.wrapping_neg()),
            false => (value, times),
        };
        let (low, high) = magnitude.to_parts();
        for (half, bits) in [low, high.cast_unsigned()].into_iter().enumerate() {
            let pieces = 128 / BITS;
            for piece in 0..pieces {
                let part = (bits >> (BITS * piece)) as u32;
                if part != 0 {
                    self.add(
                        at + half * pieces + piece,
                        i64::from(part).wrapping_mul(sign),
                    );
                }
            }
        }
    }

    /// The number that `words` words from `at` on make.
    pub fn number(&self, at: usize, words: usize) -> i256 {
        let pieces = (at..at + words).map(|at| self.word(at)).enumerate();
        pieces.fold(i256::ZERO, |sum, (piece, word)| {
            let scale = i256::ONE << u8::try_from(BITS * piece).unwrap_or(u8::MAX);
            sum.wrapping_add(i256::from_i128(word.into()).wrapping_mul(scale))
        })
    }

    /// The same as many times over.
    #[must_use]
    pub fn times(mut self, times: i64) -> Self {
        let words = self.here.iter_mut().chain(&mut self.more);
        words.for_each(|word| *word = word.wrapping_mul(times));
        self
    }
}

impl IsZero for Weights {
    fn is_zero(&self) -> bool {
        self.here.iter().chain(&self.more).all(|word| *word == 0)
    }
}

impl Semigroup for Weights {
    fn plus_equals(&mut self, other: &Self) {
        for (word, other) in self.here.iter_mut().zip(&other.here) {
            *word = word.wrapping_add(*other);
        }
        if self.more.len() < other.more.len() {
            self.more.resize(other.more.len(), 0);
        }
        for (word, other) in self.more.iter_mut().zip(&other.more) {
            *word = word.wrapping_add(*other);
        }
    }
}

impl Monoid for Weights {
    fn zero() -> Self {
        Self::default()
    }
}

impl Abelian for Weights {
    fn negate(&mut self) {
        *self = std::mem::take(self).times(-1);
    }
}

/// A float as a multiple of 2^-32; `None` = it is too large for a sum.
pub fn fixed(value: f64) -> Option<i128> {
    // the product is exact, and below 2^112
    (value.abs() < LIMIT).then(|| (value * ONE).round_ties_even() as i128)
}

/// The number by 2^32, as floats are added.
pub fn unfixed(value: f64) -> f64 {
    value / ONE
}

/// A whole number as a float: the nearest one.
pub fn to_float(value: i256) -> f64 {
    let (low, high) = value.wrapping_abs().to_parts();
    let high = high.cast_unsigned();
    let magnitude = match high {
        0 => low as f64,
        _ => {
            // what is cut off only tells which way a tie is rounded
            let shift = 128 - high.leading_zeros();
            let top = match shift {
                128 => high,
                shift => high << (128 - shift) | low >> shift,
            };
            let rest = low.checked_shl(128 - shift).unwrap_or(0) != 0;
            (top | u128::from(rest)) as f64 * 2.0_f64.powi(shift.cast_signed())
        }
    };
    if value.is_negative() {
        -magnitude
    } else {
        magnitude
    }
}

/// A sum by a count.
pub fn quotient(sum: i256, count: i64) -> f64 {
    let by = count.unsigned_abs();
    match sum.wrapping_abs().to_parts() {
        (low, 0) => {
            let value = statistics::ratio(low, by.into()).unwrap_or(0.0);
            if sum.is_negative() { -value } else { value }
        }
        _ => to_float(sum) / by as f64,
    }
}

/// The variance of `count` numbers, of their sum and the sum of their squares: divided by `count - ddof`.
pub fn variance(sum: i256, squares: i256, count: i64, ddof: i64) -> Option<f64> {
    let by = count - ddof;
    if by <= 0 {
        return None;
    }
    let n = i256::from_i128(count.into());
    let exact = squares
        .checked_mul(n)
        .zip(sum.checked_mul(sum))
        .and_then(|(squares, sum)| squares.checked_sub(sum));
    let (count, by) = (count as f64, by as f64);
    Some(match exact {
        Some(deviations) => to_float(deviations) / count / by,
        None => {
            let mean = to_float(sum) / count;
            (to_float(squares) / by - mean * (mean * (count / by))).max(0.0)
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn totals_are_those_of_the_rows_that_are_left(
            rows in proptest::collection::vec((any::<i64>(), any::<i128>(), 0_u32..16), 1..60), gone in 0_usize..60,
        ) {
            // squares of floats have 224 bits, and their sum more
            let large = |value: i128, shift: u32| i256::from_i128(value).wrapping_mul(i256::from_i128(1 << (6 * shift)));
            let mut total = Weights::new(11);
            let weight = |(small, value, shift): &(i64, i128, u32)| {
                let mut weight = Weights::new(11);
                weight.add(0, 1);
                weight.add_number(1, i256::from_i128((*small).into()), 1);
                weight.add_number(3, large(*value, *shift), 1);
                weight
            };
            rows.iter().for_each(|row| total.plus_equals(&weight(row)));
            let (gone, left) = rows.split_at(gone.min(rows.len()));
            for row in gone {
                let mut weight = weight(row);
                weight.negate();
                total.plus_equals(&weight);
            }
            let mut expected = Weights::new(11);
            for row in left {
                expected.plus_equals(&weight(row));
            }
            prop_assert_eq!(total.is_zero(), left.is_empty());
            prop_assert_eq!(total.word(0), left.len() as i64);
            let smalls: i128 = left.iter().map(|row| i128::from(row.0)).sum();
            prop_assert_eq!(total.number(1, 2), i256::from_i128(smalls));
            let larges = left.iter().fold(i256::ZERO, |sum, row| sum.wrapping_add(large(row.1, row.2)));
            prop_assert_eq!(total.number(3, 8), larges);
            prop_assert_eq!(total, expected);
        }

        #[test]
        fn whole_numbers_are_the_nearest_floats(value: i128, shift in 0_i32..120) {
            prop_assert_eq!(to_float(i256::from_i128(value)), value as f64);
            let shifted = i256::from_i128(value).wrapping_mul(i256::ONE << shift as u8);
            prop_assert_eq!(to_float(shifted), value as f64 * 2.0_f64.powi(shift));
        }

        #[test]
        fn variances_are_those_of_floats(values in proptest::collection::vec(-1e6_f64..1e6, 1..40)) {
            let fixed: Vec<i256> = values.iter().map(|value| i256::from_i128(fixed(*value).unwrap())).collect();
            let sum = fixed.iter().fold(i256::ZERO, |sum, value| sum.wrapping_add(*value));
            let squares = fixed.iter().fold(i256::ZERO, |sum, value| sum.wrapping_add(value.wrapping_mul(*value)));
            let n = values.len() as f64;
            let mean = values.iter().sum::<f64>() / n;
            let plain = values.iter().map(|value| (value - mean) * (value - mean)).sum::<f64>() / n;
            let found = variance(sum, squares, values.len() as i64, 0).unwrap() / ONE / ONE;
            prop_assert!((found - plain).abs() <= 1e-9 * plain.max(1.0), "{} {}", found, plain);
            prop_assert!((unfixed(quotient(sum, values.len() as i64)) - mean).abs() <= 1e-9 * mean.abs().max(1.0));
        }
    }

    #[test]
    fn floats_from_a_limit_on_are_in_no_sum() {
        assert_eq!(fixed(1.5), Some(3 << 31));
        assert_eq!(fixed(-0.25), Some(-(1 << 30)));
        assert_eq!(fixed(LIMIT), None);
        assert_eq!(fixed(LIMIT / 2.0), Some(1 << 111));
        assert_eq!(variance(i256::ONE, i256::ONE, 1, 1), None);
    }
}
