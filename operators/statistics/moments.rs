//! Count, sum, sum of squares, least and largest of a list of whole numbers: mean and deviation without order effects.

use super::{Deviation, float, ratio};

/// The moments of a list; `Default` is the empty list. Merging two is the list of both.
///
/// The sum of the list must fit 64 bits: gaps between times of 64 bits do, and 2^32 lengths of 32 bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Moments {
    n: u64,
    sum: u64,
    squares: u128,
    min: u64,
    max: u64,
}

impl Default for Moments {
    fn default() -> Self {
        Self {
            n: 0,
            sum: 0,
            squares: 0,
            min: u64::MAX,
            max: 0,
        }
    }
}

impl Moments {
    /// Adds a value.
    #[inline]
    pub fn push(&mut self, value: u64) {
        self.n += 1;
        self.sum = self.sum.wrapping_add(value);
        self.squares = self
            .squares
            .wrapping_add(u128::from(value) * u128::from(value));
        self.min = self.min.min(value);
        self.max = self.max.max(value);
    }

    /// The list of `n` values with this sum, sum of squares, and least and largest value.
    pub const fn of_sums(n: u64, sum: u64, squares: u128, ends: (u64, u64)) -> Self {
        let (min, max) = if n > 0 { ends } else { (u64::MAX, 0) };
        Self {
            n,
            sum,
            squares,
            min,
            max,
        }
    }

    /// Adds every value of another list.
    #[must_use]
    pub fn merge(self, other: Self) -> Self {
        Self {
            n: self.n + other.n,
            sum: self.sum.wrapping_add(other.sum),
            squares: self.squares.wrapping_add(other.squares),
            min: self.min.min(other.min),
            max: self.max.max(other.max),
        }
    }

    /// How many values.
    pub const fn count(&self) -> u64 {
        self.n
    }

    /// Their sum.
    pub const fn sum(&self) -> u64 {
        self.sum
    }

    /// The least; `None` if there is none.
    pub fn min(&self) -> Option<u64> {
        (self.n > 0).then_some(self.min)
    }

    /// The largest; `None` if there is none.
    pub fn max(&self) -> Option<u64> {
        (self.n > 0).then_some(self.max)
    }

    /// The arithmetic mean, divided by `unit`; `None` for the empty list.
    pub fn mean(&self, unit: u64) -> Option<f64> {
        ratio(self.sum.into(), u128::from(self.n) * u128::from(unit))
    }

    /// The population variance; `None` for the empty list.
    pub fn variance(&self) -> Option<f64> {
        let (high, low) = self.spread();
        let n = u128::from(self.n);
        if high == 0 {
            ratio(low, n * n)
        } else {
            ratio(1, n * n).map(|part| wide(high, low) * part)
        }
    }

    /// The standard deviation, divided by `unit`; `None` for the empty list.
    pub fn std(&self, unit: u64, deviation: Deviation) -> Option<f64> {
        let (high, low) = self.spread();
        let n = u128::from(self.n);
        match deviation {
            _ if n == 0 => None,
            Deviation::Population => Some(wide(high, low).sqrt() / float(n * u128::from(unit))),
            Deviation::Sample if n == 1 => Some(0.0),
            Deviation::Sample => {
                let variance = wide(high, low) / float(n * (n - 1));
                Some(variance.sqrt() / float(unit.into()))
            }
        }
    }

    /// The coefficient of variation, standard deviation / mean; `None` if the mean is 0 or there is none.
    pub fn variation(&self) -> Option<f64> {
        let (high, low) = self.spread();
        (self.sum > 0).then(|| wide(high, low).sqrt() / float(self.sum.into()))
    }

    /// `n * S2 - S1^2` in 256 bits, upper half first: gaps of 50 years in a flow of 1,000 packets pass 128 bits.
    fn spread(&self) -> (u128, u128) {
        let n = u128::from(self.n);
        let upper = n * (self.squares >> 64);
        let (low, carry) = (upper << 64).overflowing_add(n * u128::from(self.squares as u64));
        let (low, borrow) = low.overflowing_sub(u128::from(self.sum) * u128::from(self.sum));
        let high = (upper >> 64) + u128::from(carry);
        (high.saturating_sub(borrow.into()), low)
    }
}

/// The f64 nearest to `high * 2^128 + low`, where `high` is below 2^65.
fn wide(high: u128, low: u128) -> f64 {
    if high == 0 {
        return float(low);
    }
    let shift = 128 - high.leading_zeros();
    let kept = high << (128 - shift) | low >> shift;
    let lost = low << (128 - shift) != 0;
    float(kept | u128::from(lost)) * super::power(shift.into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn of(values: &[u64]) -> Moments {
        let mut moments = Moments::default();
        values.iter().for_each(|value| moments.push(*value));
        moments
    }

    #[test]
    fn population_statistics() {
        let moments = of(&[2, 4, 4, 4, 5, 5, 7, 9]);
        assert_eq!(moments.mean(1), Some(5.0));
        assert_eq!(moments.variance(), Some(4.0));
        let std = |moments: &Moments, unit| moments.std(unit, Deviation::Population);
        assert_eq!(std(&moments, 1), Some(2.0));
        assert_eq!(std(&moments, 2), Some(1.0));
        assert_eq!(moments.variation(), Some(0.4));
        assert_eq!(
            (moments.min(), moments.max(), moments.sum()),
            (Some(2), Some(9), 40)
        );
    }

    #[test]
    fn samples_divide_by_one_less() {
        let sample = |values: &[u64], unit| of(values).std(unit, Deviation::Sample);
        assert_eq!(
            sample(&[2, 4, 4, 4, 5, 5, 7, 9], 1),
            Some((32.0f64 / 7.0).sqrt())
        );
        assert_eq!(sample(&[1, 3], 1), Some(2f64.sqrt()));
        assert_eq!(sample(&[1, 3], 2), Some(2f64.sqrt() / 2.0));
        assert_eq!((sample(&[5], 1), sample(&[], 1)), (Some(0.0), None));
    }

    #[test]
    fn empty_and_constant_lists_give_no_nan() {
        let empty = Moments::default();
        assert_eq!(
            (
                empty.mean(1),
                empty.variance(),
                empty.std(1, Deviation::Population),
                empty.variation(),
                empty.min()
            ),
            (None, None, None, None, None)
        );
        let zeros = of(&[0, 0, 0]);
        assert_eq!(
            (zeros.std(1, Deviation::Population), zeros.variation()),
            (Some(0.0), None)
        );
        // The textbook trap: a deviation of 0 at a mean of 2^60.
        assert_eq!(of(&[1 << 60; 7]).std(1, Deviation::Population), Some(0.0));
    }

    #[test]
    fn gaps_of_decades_do_not_overflow() {
        // n * S2 = 1,000 * (2^61)^2 needs 132 bits.
        let mut values = vec![0; 999];
        values.push(1 << 61);
        let std = of(&values).std(1, Deviation::Population).expect("a list");
        let expected = 2f64.powi(61) * (999.0f64).sqrt() / 1000.0;
        assert!((std / expected - 1.0).abs() < 1e-15, "{std} {expected}");
        let variance = of(&values).variance().expect("a list");
        assert!((variance / (expected * expected) - 1.0).abs() < 1e-15);
    }

    proptest! {
        #[test]
        fn merging_is_associative_and_free_of_order(
            a in prop::collection::vec(0u64..1 << 40, 0..20),
            b in prop::collection::vec(0u64..1 << 40, 0..20),
            c in prop::collection::vec(0u64..1 << 40, 0..20),
        ) {
            let (x, y, z) = (of(&a), of(&b), of(&c));
            prop_assert_eq!(x.merge(y).merge(z), x.merge(y.merge(z)));
            prop_assert_eq!(x.merge(y), y.merge(x));
            let mut all = [a, b, c].concat();
            prop_assert_eq!(x.merge(y).merge(z), of(&all));
            all.reverse();
            prop_assert_eq!(x.merge(y).merge(z), of(&all));
        }

        #[test]
        fn deviation_is_that_of_the_definition(values in prop::collection::vec(0u64..1_000_000, 1..50)) {
            let n = values.len() as f64;
            let mean = values.iter().sum::<u64>() as f64 / n;
            let plain = values.iter().map(|v| (*v as f64 - mean).powi(2)).sum::<f64>() / n;
            let exact = of(&values).variance().expect("a list");
            prop_assert!((exact - plain).abs() <= 1e-9 * plain.max(1.0), "{} {}", exact, plain);
        }
    }
}
