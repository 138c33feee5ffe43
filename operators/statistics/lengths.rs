//! A histogram of packet lengths by direction: percentiles, and the most frequent length.
//!
//! Flows have few distinct lengths: eight are kept in place, more in a map, and with them counts beyond 32 bits. From 4,096 on, new
//! lengths are counted by sixteens.

use super::percentile;
use hashbrown::HashTable;

/// Distinct lengths kept in place.
const INLINE: usize = 8;

/// Distinct lengths kept exactly.
const EXACT: usize = 4096;

/// Lengths from here on share one entry once there are `EXACT`: only jumbograms (RFC 2675) are that long.
const LONGEST: u32 = 65_536;

/// Counts of packets by length and direction, in the order in which lengths were first seen.
#[derive(Clone, Debug, Default)]
pub struct Lengths {
    lengths: [u32; INLINE],
    counts: [[u32; 2]; INLINE],
    used: u8,
    more: Option<Box<More>>,
}

/// All entries, once they are too many to look through.
#[derive(Clone, Debug)]
struct More {
    entries: Vec<(u32, [u64; 2])>,
    /// Places in `entries`, by length.
    places: HashTable<u32>,
}

impl Lengths {
    /// Counts a packet of direction 0 (forward) or 1 (backward).
    #[inline]
    pub fn push(&mut self, length: u32, direction: usize) {
        if let Some(more) = &mut self.more {
            more.push(length, direction);
            return;
        }
        let used = usize::from(self.used);
        let known = self.lengths[..used].iter().position(|l| *l == length);
        let at = known.unwrap_or(used);
        if at < INLINE && self.counts[at][direction & 1] < u32::MAX {
            self.lengths[at] = length;
            self.counts[at][direction & 1] += 1;
            self.used = self.used.max(at as u8 + 1);
        } else {
            let mut more = Box::new(More::of(self.entries()));
            more.push(length, direction);
            self.more = Some(more);
        }
    }

    fn entries(&self) -> impl Iterator<Item = (u32, [u64; 2])> {
        let here = if self.more.is_some() {
            0
        } else {
            self.used.into()
        };
        let more = self.more.iter().flat_map(|more| &more.entries);
        self.lengths
            .iter()
            .copied()
            .zip(self.counts.map(|counts| counts.map(u64::from)))
            .take(here)
            .chain(more.copied())
    }

    /// The most frequent length and its number of packets; the one seen first if several are.
    pub fn dominant(&self) -> Option<(u32, u64)> {
        self.entries()
            .map(|(length, counts)| (length, Self::both(counts)))
            .reduce(|best, next| if next.1 > best.1 { next } else { best })
    }

    /// The lengths in ascending order, for percentiles.
    pub fn sorted(&self) -> SortedLengths {
        let mut entries: Vec<_> = self.entries().collect();
        entries.sort_unstable_by_key(|(length, _)| *length);
        SortedLengths(entries)
    }

    /// The count of both directions, for [`SortedLengths::percentile`].
    pub const fn both(counts: [u64; 2]) -> u64 {
        counts[0] + counts[1]
    }

    /// Heap bytes held.
    pub fn heap_bytes(&self) -> usize {
        self.more.as_ref().map_or(0, |more| {
            size_of::<More>()
                + more.entries.capacity() * size_of::<(u32, [u64; 2])>()
                + more.places.capacity() * size_of::<u32>()
        })
    }
}

fn hash(length: u32) -> u64 {
    // Fibonacci hashing, turned so that the mixed upper bits choose the place in the table. Lengths that collide on purpose are
    // few: there are 65,536 of them.
    u64::from(length)
        .wrapping_mul(0x9E37_79B9_7F4A_7C15)
        .rotate_left(20)
}

impl More {
    fn of(entries: impl Iterator<Item = (u32, [u64; 2])>) -> Self {
        let mut more = Self {
            entries: Vec::with_capacity(2 * INLINE),
            places: HashTable::with_capacity(2 * INLINE),
        };
        for (length, counts) in entries {
            *more.counts(length) = counts;
        }
        more
    }

    fn push(&mut self, length: u32, direction: usize) {
        let length = if self.entries.len() >= EXACT && self.find(length).is_none() {
            length.min(LONGEST) & !15 | 8
        } else {
            length
        };
        self.counts(length)[direction & 1] += 1;
    }

    fn find(&self, length: u32) -> Option<usize> {
        let place = self.places.find(hash(length), |place| {
            self.entries[*place as usize].0 == length
        });
        place.map(|place| *place as usize)
    }

    /// The counts of a length, which is added if it is new.
    fn counts(&mut self, length: u32) -> &mut [u64; 2] {
        let at = self.find(length).unwrap_or_else(|| {
            let at = self.entries.len();
            self.entries.push((length, [0; 2]));
            let entries = &self.entries;
            self.places.insert_unique(hash(length), at as u32, |place| {
                hash(entries[*place as usize].0)
            });
            at
        });
        &mut self.entries[at].1
    }
}

/// Lengths in ascending order with their counts by direction.
#[derive(Clone, Debug)]
pub struct SortedLengths(Vec<(u32, [u64; 2])>);

impl SortedLengths {
    /// How many there are; those that share an entry count as one.
    pub fn distinct(&self) -> u32 {
        u32::try_from(self.0.len()).unwrap_or(u32::MAX)
    }

    /// Shannon entropy of the lengths of both directions / that of as many equally frequent ones: 1 where all are equally frequent,
    /// 0 where there is only one.
    #[expect(clippy::cast_precision_loss, reason = "terms of a sum of floats")]
    pub fn evenness(&self) -> f64 {
        if self.0.len() < 2 {
            return 0.0;
        }
        let counts = self.0.iter().map(|(_, counts)| Lengths::both(*counts));
        let n = counts.clone().sum::<u64>() as f64;
        let terms = counts.map(|count| count as f64 / n).map(|p| -p * p.log2());
        (terms.sum::<f64>() / (self.0.len() as f64).log2()).clamp(0.0, 1.0)
    }

    /// The percentile `q` over the packets that `count` takes of each length; `None` if there is none.
    pub fn percentile(&self, q: u8, count: impl Fn([u64; 2]) -> u64) -> Option<f64> {
        let n = self.0.iter().map(|(_, counts)| count(*counts)).sum();
        percentile(n, q, 1, |rank| {
            let mut left = rank;
            for (length, counts) in &self.0 {
                match left.checked_sub(count(*counts)) {
                    Some(rest) => left = rest,
                    None => return u64::from(*length),
                }
            }
            0
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: fn([u64; 2]) -> u64 = Lengths::both;

    fn of(lengths: impl IntoIterator<Item = u32>) -> Lengths {
        let mut histogram = Lengths::default();
        lengths
            .into_iter()
            .for_each(|length| histogram.push(length, 0));
        histogram
    }

    #[test]
    fn few_lengths() {
        let mut histogram = of([60, 40, 40, 60, 1500]);
        histogram.push(52, 1);
        assert_eq!(histogram.dominant(), Some((60, 2)), "60 came before 40");
        let sorted = histogram.sorted();
        // 40 40 52 60 60 1500
        assert_eq!(sorted.percentile(50, ALL), Some(56.0));
        assert_eq!(sorted.percentile(50, |counts| counts[1]), Some(52.0));
        assert_eq!(sorted.percentile(50, |counts| counts[0]), Some(60.0));
        assert_eq!(Lengths::default().sorted().percentile(50, ALL), None);
        assert_eq!(Lengths::default().dominant(), None);
    }

    #[test]
    fn evenness_of_few_lengths() {
        let evenness = |lengths: &[u32]| of(lengths.iter().copied()).sorted().evenness();
        assert_eq!(evenness(&[]), 0.0);
        assert_eq!(evenness(&[40, 40]), 0.0);
        assert_eq!(evenness(&[40, 1500, 40, 1500]), 1.0);
        assert_eq!(evenness(&[1, 2, 3, 4, 1, 2, 3, 4]), 1.0);
        // 1/2, 1/4, 1/8, 1/8
        assert_eq!(evenness(&[4, 4, 4, 4, 2, 2, 1, 3]), 1.75 / 2.0);
        assert_eq!(of([7, 9, 7]).sorted().distinct(), 2);
    }

    #[test]
    fn the_map_continues_what_was_kept_in_place() {
        let lengths: Vec<u32> = (0..5000u32).map(|i| 40 + i * i % 997).collect();
        let histogram = of(lengths.iter().copied());
        let mut sorted = lengths.clone();
        sorted.sort_unstable();
        for q in [25, 50, 75, 90] {
            let exact = percentile(5000, q, 1, |rank| sorted[rank as usize].into());
            assert_eq!(histogram.sorted().percentile(q, ALL), exact);
        }
        let mut best = (0, 0);
        for length in &lengths {
            let count = lengths.iter().filter(|l| *l == length).count() as u64;
            if count > best.1 {
                best = (*length, count);
            }
        }
        assert_eq!(histogram.dominant(), Some(best));
    }

    #[test]
    fn the_map_takes_counts_beyond_32_bits() {
        let mut histogram = of([60, 40]);
        histogram.counts[1] = [u32::MAX - 1, 7];
        for _ in 0..3 {
            histogram.push(40, 0);
        }
        histogram.push(40, 1);
        let expected = [(60, [1, 0]), (40, [(1 << 32) + 1, 8])];
        assert!(histogram.entries().eq(expected));
        assert_eq!(histogram.dominant(), Some((40, (1 << 32) + 9)));
    }

    #[test]
    fn memory_is_bounded() {
        let histogram = of((0..200_000).chain([u32::MAX, u32::MAX]));
        let entries = histogram.sorted().0;
        assert!(entries.len() <= 2 * EXACT + 1, "{}", entries.len());
        assert_eq!(
            entries.iter().map(|(_, counts)| ALL(*counts)).sum::<u64>(),
            200_002
        );
        // 16 lengths share an entry: off by at most 8.
        let median = of(0..60_000).sorted().percentile(50, ALL).expect("packets");
        assert!((median - 29_999.5).abs() <= 8.0, "{median}");
    }
}
