//! Sums of powers of whole numbers, exact: what is made of them is rounded at the end, so that no order of packets shows in it.
//!
//! Of floats there are no exact sums here: they are added in the order of packets, which is total within a flow.

use num_bigint::{BigInt, BigUint, Sign};

/// A sum in two's complement, lowest word first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Wide<const WORDS: usize>([u64; WORDS]);

impl<const WORDS: usize> Default for Wide<WORDS> {
    fn default() -> Self {
        Self([0; WORDS])
    }
}

impl<const WORDS: usize> Wide<WORDS> {
    /// Adds a number, or takes it away; words beyond those of the number are 0.
    fn add(&mut self, number: &[u64], is_negative: bool) {
        let mut number = number.iter().copied();
        let mut carry = false;
        for word in &mut self.0 {
            let part = number.next().unwrap_or(0);
            let ((sum, one), (sum_of_carry, other));
            if is_negative {
                (sum, one) = word.overflowing_sub(part);
                (sum_of_carry, other) = sum.overflowing_sub(carry.into());
            } else {
                (sum, one) = word.overflowing_add(part);
                (sum_of_carry, other) = sum.overflowing_add(carry.into());
            }
            (*word, carry) = (sum_of_carry, one || other);
        }
    }

    /// The sum, where it fits.
    fn narrow(&self) -> Option<i128> {
        let [low, high, rest @ ..] = &self.0[..] else {
            return None;
        };
        let value = (u128::from(*high) << 64 | u128::from(*low)).cast_signed();
        let fill = if value < 0 { u64::MAX } else { 0 };
        rest.iter().all(|word| *word == fill).then_some(value)
    }

    fn big(&self) -> BigInt {
        let bytes: Vec<u8> = self.0.iter().flat_map(|word| word.to_le_bytes()).collect();
        BigInt::from_signed_bytes_le(&bytes)
    }
}

const fn words(number: u128) -> [u64; 2] {
    [number as u64, (number >> 64) as u64]
}

/// The product of two numbers of 64 and 128 bits.
fn product(a: u64, b: u128) -> [u64; 3] {
    let [low, high] = words(b);
    let [first, carry] = words(u128::from(a) * u128::from(low));
    let [second, third] = words(u128::from(a) * u128::from(high) + u128::from(carry));
    [first, second, third]
}

/// Count, sum and sum of squares of whole numbers.
#[derive(Clone, Copy, Debug, Default)]
pub struct Two {
    n: u64,
    sum: i128,
    squares: Wide<3>,
}

impl Two {
    pub fn push(&mut self, value: i64) {
        self.n += 1;
        self.sum += i128::from(value);
        let magnitude = u128::from(value.unsigned_abs());
        self.squares.add(&words(magnitude * magnitude), false);
    }

    /// `n * S2 - S1 * S1`: n * n times the variance of the population.
    fn spread(&self) -> BigInt {
        let small = || {
            let squares = i128::from(self.n).checked_mul(self.squares.narrow()?)?;
            squares.checked_sub(self.sum.checked_mul(self.sum)?)
        };
        small().map_or_else(
            || BigInt::from(self.n) * self.squares.big() - BigInt::from(self.sum).pow(2),
            BigInt::from,
        )
    }

    /// The variance; `None` of too few values.
    pub fn variance(&self, ddof: u64) -> Option<f64> {
        let by = self.n.checked_sub(ddof).filter(|by| *by > 0)?;
        quotient(&self.spread(), &(BigInt::from(self.n) * by))
    }

    /// The standard deviation.
    pub fn deviation(&self, ddof: u64) -> Option<f64> {
        let by = self.n.checked_sub(ddof).filter(|by| *by > 0)?;
        let spread = rounded(&self.spread())?;
        Some(match ddof {
            0 => spread.sqrt() / self.n as f64,
            _ => (spread / (self.n as f64 * by as f64)).sqrt(),
        })
    }

    /// Standard deviation by mean; `None` where the mean is 0.
    pub fn variation(&self) -> Option<f64> {
        let spread = rounded(&self.spread())?.sqrt();
        (self.sum != 0).then(|| spread / self.sum as f64)
    }
}

/// The same with sums of third and fourth powers.
#[derive(Clone, Copy, Debug, Default)]
pub struct Four {
    two: Two,
    cubes: Wide<4>,
    fourths: Wide<5>,
}

impl Four {
    pub fn push(&mut self, value: i64) {
        self.two.push(value);
        let magnitude = value.unsigned_abs();
        let square = u128::from(magnitude) * u128::from(magnitude);
        let cube = product(magnitude, square);
        self.cubes.add(&cube, value < 0);
        // cube * magnitude, word by word
        let mut carry = 0;
        let mut fourth = [0; 4];
        for (word, part) in fourth.iter_mut().zip(cube) {
            [*word, carry] = words(u128::from(part) * u128::from(magnitude) + u128::from(carry));
        }
        fourth[3] = carry;
        self.fourths.add(&fourth, false);
    }

    fn sums(&self) -> [BigInt; 4] {
        [
            BigInt::from(self.two.sum),
            self.two.squares.big(),
            self.cubes.big(),
            self.fourths.big(),
        ]
    }

    /// Skewness of the population; `None` where all values are equal.
    pub fn skew(&self) -> Option<f64> {
        let n = BigInt::from(self.two.n);
        let [s1, s2, s3, _] = self.sums();
        let third = &n * &n * s3 - BigInt::from(3) * &n * &s1 * s2 + BigInt::from(2) * s1.pow(3);
        let spread = rounded(&self.two.spread())?;
        (spread > 0.0).then_some(())?;
        Some(rounded(&third)? / (spread * spread.sqrt()))
    }

    /// Excess kurtosis of the population; `None` where all values are equal.
    pub fn kurtosis(&self) -> Option<f64> {
        let n = BigInt::from(self.two.n);
        let [s1, s2, s3, s4] = self.sums();
        let fourth = n.pow(3) * s4 - BigInt::from(4) * n.pow(2) * &s1 * s3
            + BigInt::from(6) * &n * s1.pow(2) * s2
            - BigInt::from(3) * s1.pow(4);
        let square = self.two.spread().pow(2);
        quotient(&(fourth - BigInt::from(3) * &square), &square)
    }
}

/// A line of least squares over time.
#[derive(Clone, Copy, Debug, Default)]
pub struct Slope {
    n: u64,
    start: i64,
    times: i128,
    squares: Wide<3>,
    values: i128,
    products: Wide<4>,
}

impl Slope {
    pub fn push(&mut self, time: i64, value: i64) {
        if self.n == 0 {
            self.start = time;
        }
        self.n += 1;
        let time = i128::from(time) - i128::from(self.start);
        self.times += time;
        self.values += i128::from(value);
        // times of a flow do not go back
        let magnitude = u64::try_from(time.unsigned_abs()).unwrap_or(u64::MAX);
        let square = u128::from(magnitude) * u128::from(magnitude);
        self.squares.add(&words(square), false);
        let product = u128::from(magnitude) * u128::from(value.unsigned_abs());
        self.products
            .add(&words(product), (time < 0) != (value < 0));
    }

    /// The slope, of `units` for the unit of time of 1 ns; `None` where all times are equal.
    pub fn slope(&self, units: u64) -> Option<f64> {
        let n = BigInt::from(self.n);
        let (times, values) = (BigInt::from(self.times), BigInt::from(self.values));
        let both = &n * self.products.big() - &times * values;
        let spread = n * self.squares.big() - times.pow(2);
        quotient(&(both * units), &spread)
    }
}

/// The quotient of two whole numbers, rounded once; `None` where the second is 0, or the quotient too large.
pub fn quotient(a: &BigInt, b: &BigInt) -> Option<f64> {
    let (sign, a, b) = (a.sign() * b.sign(), a.magnitude(), b.magnitude());
    if b.bits() == 0 {
        return None;
    }
    // so that the quotient has 66 bits or more
    let shift = (b.bits() + 66).saturating_sub(a.bits());
    let a = a << shift;
    let whole = &a / b;
    let is_exact = &whole * b == a;
    let value = nearest(&whole, !is_exact, i64::try_from(shift).ok()?)?;
    Some(if sign == Sign::Minus { -value } else { value })
}

/// The float nearest to a whole number; `None` where it is too large.
fn rounded(number: &BigInt) -> Option<f64> {
    let value = nearest(number.magnitude(), false, 0)?;
    Some(match number.sign() {
        Sign::Minus => -value,
        _ => value,
    })
}

/// The float nearest to `number / 2^shift`, which is a little more if `has_more`.
fn nearest(number: &BigUint, has_more: bool, shift: i64) -> Option<f64> {
    let excess = number.bits().saturating_sub(120);
    let top = number >> excess;
    let is_cut = number.trailing_zeros().is_some_and(|zeros| zeros < excess);
    let top = u128::try_from(top).ok()? | u128::from(is_cut || has_more);
    let exponent = i32::try_from(i64::try_from(excess).ok()?.checked_sub(shift)?).ok()?;
    // in two steps: a power of two may be beyond the floats where the product is not
    let half = exponent / 2;
    let value = top as f64 * 2_f64.powi(half) * 2_f64.powi(exponent - half);
    value.is_finite().then_some(value)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::statistics::{Deviation, Moments};
    use proptest::prelude::*;

    fn values() -> impl Strategy<Value = Vec<i64>> {
        let any = prop_oneof![-9..9_i64, any::<i64>(), Just(i64::MIN), Just(i64::MAX)];
        prop::collection::vec(any, 0..12)
    }

    fn two(values: &[i64]) -> Two {
        let mut all = Two::default();
        values.iter().for_each(|value| all.push(*value));
        all
    }

    fn four(values: &[i64]) -> Four {
        let mut all = Four::default();
        values.iter().for_each(|value| all.push(*value));
        all
    }

    /// n^k times the central moment k, of the definition.
    fn central(values: &[i64], k: u32) -> BigInt {
        let n = BigInt::from(values.len());
        let sum: BigInt = values.iter().map(|value| BigInt::from(*value)).sum();
        let each = values.iter().map(|value| (&n * *value - &sum).pow(k));
        // n * sum of (n x - S1)^k / n^k is n^k times it, and one n too many
        each.sum::<BigInt>()
    }

    #[test]
    fn quotients_are_nearest() {
        let of = |a: i128, b: i128| quotient(&a.into(), &b.into());
        assert_eq!(of(1, 3), Some(1.0 / 3.0));
        assert_eq!(of(-7, 2), Some(-3.5));
        assert_eq!(of(0, 5), Some(0.0));
        assert_eq!(of(5, 0), None);
        let odd = (1 << 53) + 1;
        assert_eq!(of(odd, 1), Some(9_007_199_254_740_992.0));
        assert_eq!(of(3 * odd + 1, 3), Some(9_007_199_254_740_994.0));
        let huge = BigInt::from(10).pow(400);
        assert_eq!(quotient(&huge, &BigInt::from(1)), None);
        assert_eq!(quotient(&BigInt::from(1), &huge), Some(0.0));
    }

    #[test]
    fn known_moments() {
        let values = [2, 4, 4, 4, 5, 5, 7, 9];
        assert_eq!(two(&values).variance(0), Some(4.0));
        assert_eq!(two(&values).variance(1), Some(32.0 / 7.0));
        assert_eq!(two(&values).deviation(0), Some(2.0));
        assert_eq!(two(&values).variation(), Some(0.4));
        assert_eq!(four(&values).skew(), Some(0.65625));
        assert_eq!(four(&values).kurtosis(), Some(-0.21875));
        assert_eq!(two(&[3]).variance(1), None);
        assert_eq!(two(&[]).variance(0), None);
        assert_eq!(four(&[5, 5]).skew(), None);
        assert_eq!(four(&[5, 5]).kurtosis(), None);
        let mut slope = Slope::default();
        for (time, value) in [(100, 1), (200, 3), (300, 5)] {
            slope.push(time, value);
        }
        assert_eq!(slope.slope(1_000_000_000), Some(2e7));
    }

    proptest! {
        #[test]
        fn moments_are_those_of_the_definition(values in values()) {
            let n = BigInt::from(values.len());
            let [m2, m3, m4] = [2, 3, 4].map(|k| central(&values, k));
            let (all, more) = (two(&values), four(&values));
            // var = m2 / n^3, of n^2 too much in each square and one n of the mean
            prop_assert_eq!(all.variance(0), quotient(&m2, &n.pow(3)));
            let kurtosis = quotient(&(&n * &m4 - BigInt::from(3) * m2.pow(2)), &m2.pow(2));
            prop_assert_eq!(more.kurtosis(), kurtosis);
            if let Some(skew) = more.skew() {
                // m3 / m2^1.5, times the root of n
                let root = |x: f64| x.sqrt();
                let (m2, m3) = (rounded(&m2).unwrap(), rounded(&m3).unwrap());
                let plain = m3 / (m2 * root(m2)) * root(values.len() as f64);
                prop_assert!((skew - plain).abs() <= 1e-12 * plain.abs(), "{} {}", skew, plain);
            }
            let mut turned = values.clone();
            turned.reverse();
            prop_assert_eq!(four(&turned).kurtosis(), more.kurtosis());
        }

        #[test]
        fn what_groups_say_is_the_same(values in prop::collection::vec(0_i64..1 << 40, 0..20)) {
            let mut moments = Moments::default();
            values.iter().for_each(|value| moments.push(value.unsigned_abs()));
            let all = two(&values);
            prop_assert_eq!(all.variance(0), moments.variance());
            prop_assert_eq!(all.deviation(0), moments.std(1, Deviation::Population));
            prop_assert_eq!(all.variation(), moments.variation());
        }

        #[test]
        fn slopes_are_those_of_the_definition(
            points in prop::collection::vec((0..i64::MAX, any::<i64>()), 0..9),
        ) {
            let mut line = Slope::default();
            points.iter().for_each(|(time, value)| line.push(*time, *value));
            let n = BigInt::from(points.len());
            let mean = |f: fn(&(i64, i64)) -> i64| -> BigInt {
                points.iter().map(|point| BigInt::from(f(point))).sum()
            };
            let (times, values) = (mean(|point| point.0), mean(|point| point.1));
            let both: BigInt = points
                .iter()
                .map(|(time, value)| (&n * *time - &times) * (&n * *value - &values))
                .sum();
            let spread: BigInt = points.iter().map(|(time, _)| (&n * *time - &times).pow(2)).sum();
            prop_assert_eq!(line.slope(1), quotient(&both, &spread));
        }
    }
}
