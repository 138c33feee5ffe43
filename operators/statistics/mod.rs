//! Statistics of whole numbers: exact until one rounding at the end, whatever the order of the values.
//!
//! Nothing here knows packets or flows. Results are finite or absent, never NaN.

mod distinct;
mod distribution;
mod entropy;
mod families;
mod gaps;
mod lengths;
mod moments;
mod sides;
mod tally;

use crate::options::Options;

pub use distinct::Distinct;
pub use distribution::Quantiles;
pub use entropy::{entropy, uniformity};
pub use families::{LengthSpread, LengthSummary, Spread, Summary, TimeSpread};
pub use gaps::{Gap, GapLists};
pub use lengths::{Lengths, SortedLengths};
pub use moments::Moments;
pub use sides::{Side, Sides};
pub use tally::Tally;

/// What a standard deviation divides the sum of squares by.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Options)]
pub enum Deviation {
    /// The number of values, n.
    #[default]
    Population,
    /// n - 1; the deviation of one value is 0.
    Sample,
}

/// Nanoseconds of a second.
pub const SECOND: u64 = 1_000_000_000;

/// The f64 nearest to `ns / 10^9`.
#[expect(
    clippy::cast_precision_loss,
    reason = "`ratio` takes over from 2^53 on"
)]
pub fn seconds(ns: u64) -> f64 {
    if ns < 1 << 53 {
        ns as f64 / SECOND as f64
    } else {
        ratio(ns.into(), SECOND.into()).unwrap_or_default()
    }
}

/// The f64 nearest to `a / b`; `None` if b is 0. From `b = 2^64` on it may be off by two units in the last place.
pub fn ratio(a: u128, b: u128) -> Option<f64> {
    const EXACT: u128 = 1 << 53;
    if b == 0 {
        None
    } else if a < EXACT && b < EXACT || b >> 64 != 0 {
        Some(float(a) / float(b))
    } else {
        // At least 64 bits of the quotient, the last of them raised where anything follows: it rounds as the whole would.
        let shift = a.leading_zeros().min(127);
        let shifted = a << shift;
        let quotient = (shifted / b) | u128::from(!shifted.is_multiple_of(b));
        Some(float(quotient) * power(-i64::from(shift)))
    }
}

/// The f64 nearest to `value`. Nearly all values are narrow, and those that are not take a call.
#[expect(clippy::cast_precision_loss, reason = "rounding is what it is for")]
#[inline]
fn float(value: u128) -> f64 {
    i64::try_from(value).map_or_else(|_| value as f64, |narrow| narrow as f64)
}

/// 2 to the power of `exponent`, which is far from the limits of f64.
fn power(exponent: i64) -> f64 {
    f64::from_bits(((1023 + exponent) as u64) << 52)
}

/// The percentile `q` of `n` sorted values by linear interpolation at rank `(n - 1) q / 100` (R type 7), divided by `unit`;
/// `value` gives the value of a rank from 0. `None` if n is 0.
fn percentile(n: u64, q: u8, unit: u64, mut value: impl FnMut(u64) -> u64) -> Option<f64> {
    let rank = n.checked_sub(1)? * u64::from(q);
    let (below, rest) = (rank / 100, rank % 100);
    let low = u128::from(value(below));
    if rest == 0 {
        return ratio(low, unit.into());
    }
    let high = u128::from(value(below + 1));
    ratio(
        low * u128::from(100 - rest) + high * u128::from(rest),
        100 * u128::from(unit),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ratios_are_nearest() {
        assert_eq!(ratio(1, 0), None);
        assert_eq!(ratio(0, 7), Some(0.0));
        assert_eq!(ratio(1, 3), Some(1.0 / 3.0));
        // 2^53 + 1 is halfway between two floats and goes to the even one; a third of 3 * (2^53 + 1) must do the same.
        let odd = (1u128 << 53) + 1;
        assert_eq!(ratio(odd, 1), Some(9_007_199_254_740_992.0));
        assert_eq!(ratio(3 * odd, 3), Some(9_007_199_254_740_992.0));
        // One third more is above the half and goes up.
        assert_eq!(ratio(3 * odd + 1, 3), Some(9_007_199_254_740_994.0));
        assert_eq!(ratio(u128::MAX, 1), Some(2f64.powi(128)));
        assert_eq!(seconds(1_500_000_000), 1.5);
        assert_eq!(seconds(u64::MAX), 18_446_744_073.709_553);
    }

    #[test]
    fn percentiles_interpolate_like_r_type_7() {
        let sorted = [10, 20, 40, 80];
        let of = |q| percentile(4, q, 1, |rank| sorted[rank as usize]);
        assert_eq!(of(0), Some(10.0));
        assert_eq!(of(50), Some(30.0));
        assert_eq!(of(25), Some(17.5));
        assert_eq!(of(90), Some(68.0));
        assert_eq!(of(100), Some(80.0));
        assert_eq!(percentile(0, 50, 1, |_| 0), None);
        assert_eq!(
            percentile(2, 50, SECOND, |rank| [1, 2][rank as usize]),
            Some(1.5e-9)
        );
    }
}
