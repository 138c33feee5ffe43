//! Shannon entropy and uniformity of byte counts.

use std::sync::LazyLock;

/// Largest sample whose terms are all in the table.
const KNOWN: usize = 512;

/// `c log2 c` for the counts that samples of the default size can have.
static TERMS: LazyLock<[f64; KNOWN + 1]> =
    LazyLock::new(|| std::array::from_fn(|count| term(count as u32)));

fn term(count: u32) -> f64 {
    if count == 0 {
        0.0
    } else {
        f64::from(count) * f64::from(count).log2()
    }
}

/// Shannon entropy in bits of the distribution with these counts, from 0 to 8; `None` without any. A single value has exactly 0.
pub fn entropy(counts: &[u32; 256]) -> Option<f64> {
    let n: u32 = counts.iter().sum();
    if n == 0 {
        return None;
    }
    if counts.contains(&n) {
        return Some(0.0);
    }
    // H = log2 n - (sum of c log2 c) / n
    let terms: &[f64; KNOWN + 1] = &TERMS;
    let sum = if n as usize <= KNOWN {
        sum(counts, |count| terms[(count as usize).min(KNOWN)])
    } else {
        sum(counts, term)
    };
    Some((f64::from(n).log2() - sum / f64::from(n)).clamp(0.0, 8.0))
}

/// The sum of a term of each count, as eight sums side by side: one alone would wait for itself 256 times.
#[inline]
fn sum(counts: &[u32; 256], term: impl Fn(u32) -> f64) -> f64 {
    let mut sums = [0.0; 8];
    for eight in counts.as_chunks::<8>().0 {
        for (sum, count) in sums.iter_mut().zip(eight) {
            *sum += term(*count);
        }
    }
    sums.iter().sum()
}

/// `1 - chi2 / (255 n)`: 1 where all bytes are equally frequent, 0 where there is one; `None` for fewer than 256 bytes.
pub fn uniformity(counts: &[u32; 256]) -> Option<f64> {
    let n: u64 = counts.iter().map(|count| u64::from(*count)).sum();
    if n < 256 {
        return None;
    }
    let square = |count: &u32| u64::from(*count) * u64::from(*count);
    // at most n * n
    let squares: u128 = if u32::try_from(n).is_ok() {
        counts.iter().map(square).sum::<u64>().into()
    } else {
        counts.iter().map(|count| u128::from(square(count))).sum()
    };
    let n = u128::from(n);
    // chi2 = 256 squares / n - n, so the whole is one quotient of integers.
    super::ratio(256 * (n * n - squares), 255 * n * n)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(bytes: &[u8]) -> [u32; 256] {
        let mut counts = [0; 256];
        bytes
            .iter()
            .for_each(|byte| counts[usize::from(*byte)] += 1);
        counts
    }

    #[test]
    fn known_entropies() {
        assert_eq!(entropy(&[0; 256]), None);
        assert_eq!(entropy(&of(b"aaaa")), Some(0.0));
        assert_eq!(entropy(&of(b"abab")), Some(1.0));
        assert_eq!(entropy(&[1; 256]), Some(8.0));
        let many = entropy(&[1000; 256]).expect("bytes");
        assert!((8.0 - many).abs() < 1e-14, "{many}");
        // 1/2, 1/4, 1/4
        assert_eq!(entropy(&of(b"aabc")), Some(1.5));
    }

    #[test]
    fn uniformity_ends_at_0_and_1() {
        assert_eq!(uniformity(&[1; 256]), Some(1.0));
        assert_eq!(uniformity(&of(&[7; 256])), Some(0.0));
        assert_eq!(uniformity(&of(&[7; 255])), None);
        // Two values of 128 each: chi2 = 2 * 127^2 + 254 = 32512.
        let two = [vec![1; 128], vec![2; 128]].concat();
        let expected = 1.0 - 32512.0 / (256.0 * 255.0);
        assert!((uniformity(&of(&two)).expect("256 bytes") - expected).abs() < 1e-15);
    }
}
