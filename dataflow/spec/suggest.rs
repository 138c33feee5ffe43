//! "Did you mean": the names nearest to one that is not known.

/// The names that are nearest to `name`: at a Damerau distance of at most max(2, length / 3), at most three.
/// Where there is none, those that start with it.
pub fn nearest<'a>(name: &str, known: impl IntoIterator<Item = &'a str>) -> Vec<&'a str> {
    /// Longer names are no typing mistake of a known one, and the distance is quadratic.
    const LONGEST: usize = 128;
    let length = name.chars().count();
    if length > LONGEST {
        return Vec::new();
    }
    let limit = (length / 3).max(2);
    let mut starts = Vec::new();
    let mut near: Vec<(usize, &str)> = Vec::new();
    for candidate in known {
        let distance = distance(name, candidate);
        // A short name is within two changes of any other short name: something of it must be left.
        if distance <= limit && distance < length.max(2) {
            near.push((distance, candidate));
        } else if length >= 3 && candidate.starts_with(name) {
            starts.push(candidate);
        }
    }
    near.sort_by_key(|(distance, _)| *distance);
    let best = near.first().map_or(0, |(distance, _)| *distance);
    let mut names: Vec<&str> = near
        .into_iter()
        .filter(|(distance, _)| *distance == best)
        .map(|(_, candidate)| candidate)
        .collect();
    if names.is_empty() {
        names = starts;
    }
    names.dedup();
    names.truncate(3);
    names
}

/// "did you mean `a` or `b`?", or nothing.
pub fn did_you_mean<'a>(name: &str, known: impl IntoIterator<Item = &'a str>) -> Option<String> {
    let names = nearest(name, known);
    (!names.is_empty()).then(|| format!("did you mean {}?", either(&names)))
}

/// "`a`, `b` or `c`".
fn either(names: &[&str]) -> String {
    let quoted: Vec<String> = names.iter().map(|name| format!("`{name}`")).collect();
    match quoted.split_last() {
        Some((last, rest)) if !rest.is_empty() => format!("{} or {last}", rest.join(", ")),
        _ => quoted.concat(),
    }
}

/// "`a`, `b`, `c`".
pub fn list<'a>(names: impl IntoIterator<Item = &'a str>) -> String {
    let quoted: Vec<String> = names.into_iter().map(|name| format!("`{name}`")).collect();
    quoted.join(", ")
}

/// Damerau distance (optimal string alignment): letters inserted, removed, replaced, or two neighbours swapped.
fn distance(a: &str, b: &str) -> usize {
    let a: Vec<char> = a.chars().collect();
    let b: Vec<char> = b.chars().collect();
    let mut before: Vec<usize> = Vec::new();
    let mut last: Vec<usize> = (0..=b.len()).collect();
    for i in 1..=a.len() {
        let mut row = vec![i];
        for j in 1..=b.len() {
            let replaced = last[j - 1] + usize::from(a[i - 1] != b[j - 1]);
            let mut best = replaced.min(last[j] + 1).min(row[j - 1] + 1);
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                best = best.min(before[j - 2] + 1);
            }
            row.push(best);
        }
        before = std::mem::replace(&mut last, row);
    }
    last[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distances() {
        assert_eq!(distance("", "abc"), 3);
        assert_eq!(distance("idel", "idle"), 1);
        assert_eq!(distance("timings", "timing"), 1);
        assert_eq!(distance("zstandard", "zstd"), 5);
    }

    #[test]
    fn the_nearest_only() {
        let names = ["packets_fwd", "packets_bwd", "ja3_hash", "ja3s_hash"];
        assert_eq!(nearest("packet_bwd", names), ["packets_bwd"]);
        assert_eq!(nearest("ja3_hsh", names), ["ja3_hash"]);
        assert_eq!(nearest("ja3", names), ["ja3_hash", "ja3s_hash"]);
        assert_eq!(nearest("x", ["a", "bc"]), Vec::<&str>::new());
        assert_eq!(
            did_you_mean("ja3", names).as_deref(),
            Some("did you mean `ja3_hash` or `ja3s_hash`?")
        );
        assert_eq!(nearest(&"x".repeat(1 << 20), names), Vec::<&str>::new());
    }
}
