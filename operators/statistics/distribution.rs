//! The percentiles of a list of whole numbers in bounded memory: exact to a number of values, then to 1 in 256.
//!
//! Beyond that number a log-linear histogram (as in HdrHistogram) takes over. No random sketch: a row must not depend on a seed.

use super::{Moments, percentile};

/// Buckets of each power of two: a bucket is at most 1/256 of its values wide.
const SUB: u64 = 256;

/// Bits of an entry of the histogram that hold its count.
const COUNT_BITS: u32 = 48;

/// What is kept of a list for its percentiles, beside its moments; `Default` is that of the empty list.
///
/// Nothing up to two values: they are the least and the largest.
#[derive(Clone, Debug)]
pub enum Quantiles {
    /// Every value.
    Exact(Vec<u64>),
    /// Bucket in the upper 16 bits, values in it in the lower 48; ascending, no empty bucket.
    Buckets(Vec<u64>),
}

impl Default for Quantiles {
    fn default() -> Self {
        Self::NONE
    }
}

impl Quantiles {
    /// Those of a list of up to two values.
    pub const NONE: Self = Self::Exact(Vec::new());

    /// Those of a list.
    pub fn of(values: Vec<u64>) -> Self {
        if values.len() > 2 {
            Self::Exact(values)
        } else {
            Self::NONE
        }
    }

    /// Adds a value to the list that has had these moments, of two values or more. `exact`, the same for the whole list, is how
    /// many values are kept one by one, so that percentiles of a list up to that long are exact.
    pub fn push(&mut self, value: u64, before: &Moments, exact: usize) {
        match self {
            Self::Exact(values) => {
                if values.is_empty() {
                    values.reserve(8);
                    values.extend(before.min().into_iter().chain(before.max()));
                }
                if values.len() < exact {
                    values.push(value);
                } else {
                    let mut buckets = Vec::new();
                    for kept in values.iter().chain([&value]) {
                        count(&mut buckets, *kept);
                    }
                    *self = Self::Buckets(buckets);
                }
            }
            Self::Buckets(buckets) => count(buckets, value),
        }
    }

    /// These percentiles of the list with these moments, divided by `unit`; `None` for the empty list. One sort for all of them,
    /// in place.
    pub fn percentiles<const N: usize>(
        &mut self,
        moments: &Moments,
        q: [u8; N],
        unit: u64,
    ) -> [Option<f64>; N] {
        let n = moments.count();
        match self {
            Self::Exact(values) if values.is_empty() => {
                let ends = [moments.min(), moments.max()];
                let value = |rank| ends[usize::from(rank > 0)].unwrap_or(0);
                q.map(|q| percentile(n, q, unit, value))
            }
            Self::Exact(values) => {
                values.sort_unstable();
                let value = |rank| values.get(rank as usize).copied().unwrap_or(0);
                q.map(|q| percentile(n, q, unit, value))
            }
            Self::Buckets(buckets) => {
                let ends = (moments.min(), moments.max());
                let (min, max) = (ends.0.unwrap_or(0), ends.1.unwrap_or(u64::MAX));
                let value = |rank| at_rank(buckets, rank).clamp(min, max);
                q.map(|q| percentile(n, q, unit, value))
            }
        }
    }

    /// Heap bytes held.
    pub fn heap_bytes(&self) -> usize {
        match self {
            Self::Exact(values) => values.capacity() * size_of::<u64>(),
            Self::Buckets(buckets) => buckets.capacity() * size_of::<u64>(),
        }
    }
}

/// The bucket of a value: numbers below `2 SUB` have one of their own, each power of two above has `SUB`.
fn bucket(value: u64) -> u16 {
    let shift = u64::from((value / SUB).checked_ilog2().unwrap_or(0));
    (shift * SUB + (value >> shift)) as u16
}

/// The least value of a bucket and the number of values that fall into it.
fn range(bucket: u16) -> (u64, u64) {
    let shift = (u64::from(bucket) / SUB).saturating_sub(1);
    ((u64::from(bucket) - shift * SUB) << shift, 1 << shift)
}

fn count(buckets: &mut Vec<u64>, value: u64) {
    let bucket = bucket(value);
    match buckets.binary_search_by_key(&bucket, |entry| (entry >> COUNT_BITS) as u16) {
        Ok(at) => buckets[at] += 1,
        Err(at) => buckets.insert(at, u64::from(bucket) << COUNT_BITS | 1),
    }
}

/// The value of a rank: those of one bucket stand at equal distances in it.
fn at_rank(buckets: &[u64], rank: u64) -> u64 {
    let mut before = 0;
    for entry in buckets {
        let (bucket, count) = (
            (entry >> COUNT_BITS) as u16,
            entry & ((1 << COUNT_BITS) - 1),
        );
        if rank < before + count {
            let (low, width) = range(bucket);
            let place = u128::from(2 * (rank - before) + 1) * u128::from(width);
            return low + (place / u128::from(2 * count)) as u64;
        }
        before += count;
    }
    u64::MAX
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[derive(Default)]
    struct Distribution {
        moments: Moments,
        quantiles: Quantiles,
    }

    impl Distribution {
        fn percentiles<const N: usize>(&self, q: [u8; N], unit: u64) -> [Option<f64>; N] {
            self.quantiles.clone().percentiles(&self.moments, q, unit)
        }
        fn heap_bytes(&self) -> usize {
            self.quantiles.heap_bytes()
        }
    }

    fn of(values: &[u64]) -> Distribution {
        exact_to(1024, values)
    }

    fn exact_to(exact: usize, values: &[u64]) -> Distribution {
        let mut list = Distribution::default();
        for value in values {
            if list.moments.count() >= 2 {
                list.quantiles.push(*value, &list.moments, exact);
            }
            list.moments.push(*value);
        }
        list
    }

    /// The definition, on a sorted list.
    fn plain(values: &[u64], q: f64) -> f64 {
        let mut sorted = values.to_vec();
        sorted.sort_unstable();
        let rank = (sorted.len() - 1) as f64 * q / 100.0;
        let (low, high) = (sorted[rank.floor() as usize], sorted[rank.ceil() as usize]);
        low as f64 + (high as f64 - low as f64) * (rank - rank.floor())
    }

    #[test]
    fn short_lists() {
        assert_eq!(Distribution::default().percentiles([50], 1), [None]);
        assert_eq!(of(&[7]).percentiles([25, 50, 99], 1), [Some(7.0); 3]);
        assert_eq!(of(&[9, 5]).percentiles([25, 50], 1), [Some(6.0), Some(7.0)]);
        assert_eq!(of(&[9, 5, 6]).percentiles([50], 1), [Some(6.0)]);
        assert_eq!(of(&[9, 5]).heap_bytes(), 0);
    }

    #[test]
    fn percentiles_change_kind_behind_the_last_exact_value() {
        let values: Vec<u64> = (0..10).map(|n| 1_000_003 * n).collect();
        let exact = Some(plain(&values, 90.0));
        for (kept, is_exact) in [(1, false), (2, false), (9, false), (10, true), (11, true)] {
            let [found] = exact_to(kept, &values).percentiles([90], 1);
            assert_eq!(found == exact, is_exact, "{kept} values kept: {found:?}");
        }
    }

    #[test]
    fn buckets_tile_the_numbers() {
        for shift in 0..64 {
            for near in [-1i64, 0, 1] {
                let value = (1u64 << shift).saturating_add_signed(near);
                let (low, width) = range(bucket(value));
                assert!(
                    low <= value && value - low < width,
                    "{value} in {low}+{width}"
                );
                assert!(width == 1 || width <= low / SUB, "{low}+{width}");
            }
        }
        let (low, width) = range(bucket(u64::MAX));
        assert_eq!(low + (width - 1), u64::MAX);
    }

    #[test]
    fn long_lists_are_off_by_less_than_1_in_256() {
        // 100,000 values over nine powers of ten, and as many of few distinct ones.
        let mut seed = 1u64;
        let mut next = || {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            seed >> 33
        };
        let wide: Vec<u64> = (0..100_000).map(|_| next() >> (next() % 31)).collect();
        let narrow: Vec<u64> = (0..100_000).map(|_| 1_000_003 * (next() % 5)).collect();
        for values in [wide, narrow] {
            let list = of(&values);
            assert!(list.heap_bytes() < 128 << 10, "{}", list.heap_bytes());
            let [all] = exact_to(usize::MAX, &values).percentiles([90], 1);
            let (all, exact) = (all.expect("a list"), plain(&values, 90.0));
            assert!((all - exact).abs() <= exact * 1e-12, "{all} for {exact}");
            for (q, found) in [1u8, 25, 50, 75, 90, 99]
                .into_iter()
                .zip(list.percentiles([1, 25, 50, 75, 90, 99], 1))
            {
                let (found, exact) = (found.expect("a list"), plain(&values, q.into()));
                assert!(
                    (found - exact).abs() <= exact / 256.0,
                    "p{q}: {found} for {exact}"
                );
            }
        }
    }

    #[test]
    fn extreme_values_stay_in_range() {
        let mut values = vec![u64::MAX; 2];
        values.extend(vec![0; 2000]);
        let [median, largest] = of(&values).percentiles([50, 100], 1);
        assert_eq!(median, Some(0.0));
        let largest = largest.expect("a list") / u64::MAX as f64;
        assert!((1.0 - 1.0 / 256.0..=1.0).contains(&largest), "{largest}");
    }

    proptest! {
        #[test]
        fn exact_and_free_of_order_up_to_the_limit(mut values in prop::collection::vec(0u64..1 << 45, 1..200)) {
            let list = of(&values).percentiles([25, 50, 75, 90, 99], 1);
            for (q, found) in [25.0, 50.0, 75.0, 90.0, 99.0].into_iter().zip(list) {
                let (found, exact) = (found.expect("a list"), plain(&values, q));
                prop_assert!((found - exact).abs() <= 1e-9 * exact, "{} {}", found, exact);
            }
            values.reverse();
            prop_assert_eq!(of(&values).percentiles([25, 50, 75, 90, 99], 1), list);
        }
    }
}
