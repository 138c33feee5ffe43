//! Lists: entries, parts, sums, order.

use super::choose::concat;
use super::{Data, Input, Lists, Vector, operations};
use std::cmp::Ordering;

/// Whether two entries are equal; both are there.
pub(in crate::expressions) fn same(a: &Vector<'_>, at: usize, b: &Vector<'_>, bt: usize) -> bool {
    entry_order(a, at, b, bt).is_eq()
}

fn entry_order(a: &Vector<'_>, at: usize, b: &Vector<'_>, bt: usize) -> Ordering {
    match (&a.data, &b.data) {
        (Data::Bool(a), Data::Bool(b)) => a.get(at).cmp(&b.get(bt)),
        (Data::Int(a), Data::Int(b)) => a.get(at).cmp(&b.get(bt)),
        (Data::Float(a), Data::Float(b)) => {
            a.get(at).partial_cmp(&b.get(bt)).unwrap_or(Ordering::Equal)
        }
        (Data::Ip(a), Data::Ip(b)) => a.get(at).cmp(&b.get(bt)),
        (Data::Text(a), Data::Text(b)) => a.get(at).cmp(b.get(bt)),
        (Data::List(_), Data::List(_)) => {
            let (Data::List(x), Data::List(y)) = (&a.data, &b.data) else {
                return Ordering::Equal;
            };
            let (mut left, mut right) = (range(x, at), range(y, bt));
            loop {
                match (left.next(), right.next()) {
                    (None, None) => return Ordering::Equal,
                    (None, Some(_)) => return Ordering::Less,
                    (Some(_), None) => return Ordering::Greater,
                    (Some(l), Some(r)) => match entry_order(&x.items, l, &y.items, r) {
                        Ordering::Equal => {}
                        other => return other,
                    },
                }
            }
        }
        _ => unreachable!("checked: both are of one type"),
    }
}

fn range(lists: &Lists<'_>, row: usize) -> std::ops::Range<usize> {
    crate::columns::span(&lists.ends, row)
}

/// Order of the lists of a row: entry by entry.
pub(super) fn order(a: &Vector<'_>, b: &Vector<'_>, row: usize) -> Ordering {
    entry_order(a, row, b, row)
}

/// Entries by their place, from 0; `None` is null.
fn gather(items: &Vector<'_>, places: &[Option<usize>]) -> Vector<'static> {
    let is_there = |at: &Option<usize>| at.is_some_and(|at| items.is_valid(at));
    let valid: Vec<bool> = places.iter().map(is_there).collect();
    let valid = valid.contains(&false).then_some(valid);
    macro_rules! pick {
        ($values:ident, $zero:expr) => {
            places
                .iter()
                .map(|at| at.and_then(|at| $values.get(at).copied()).unwrap_or($zero))
                .collect()
        };
    }
    let data = match &items.data {
        Data::Bool(v) => Data::Bool(pick!(v, false)),
        Data::Int(v) => Data::Int(pick!(v, 0)),
        Data::Float(v) => Data::Float(pick!(v, 0.0)),
        Data::Ip(v) => Data::Ip(pick!(v, crate::expressions::vector::ZERO)),
        Data::Text(v) => {
            let mut texts = super::TextBuilder::default();
            let spans: Vec<&[u8]> = v.iter().collect();
            for at in places {
                texts.push(at.and_then(|at| spans.get(at).copied()).unwrap_or_default());
            }
            texts.data()
        }
        Data::List(_) => {
            let parts: Vec<Vector<'_>> = places
                .iter()
                .map(|at| at.map_or_else(|| items.slice(0..0), |at| items.slice(at..at + 1)))
                .collect();
            concat(items.slice(0..0).into_owned(), &parts).data
        }
    };
    Vector::new(data).with(valid)
}

/// Lists of the entries at these places.
fn rebuilt(input: &Input<'_>, rows: &[Vec<usize>]) -> Vector<'static> {
    let lists = input.lists(0);
    let mut end = 0;
    let ends = rows.iter().map(|row| {
        end += row.len();
        u32::try_from(end).unwrap_or(u32::MAX)
    });
    let ends: Vec<u32> = ends.collect();
    let places: Vec<Option<usize>> = rows.iter().flatten().copied().map(Some).collect();
    Vector::new(Data::List(Lists {
        ends: ends.into(),
        items: Box::new(gather(&lists.items, &places)),
    }))
    .with(input.valid())
}

/// The place of entry `index` of a list; from its end where it is below 0.
fn place(range: &std::ops::Range<usize>, index: i64) -> Option<usize> {
    let length = i64::try_from(range.len()).ok()?;
    let at = if index < 0 {
        index.checked_add(length)?
    } else {
        index
    };
    let at = usize::try_from(at).ok().filter(|_| at < length)?;
    Some(range.start + at)
}

/// The valid entries of each list, one after the other.
fn entries<T: Copy>(
    input: &Input<'_>,
    values: &[T],
) -> impl Iterator<Item = std::vec::IntoIter<T>> {
    there(input).into_iter().map(|row| {
        let all = row.into_iter().filter_map(|at| values.get(at).copied());
        all.collect::<Vec<T>>().into_iter()
    })
}

/// The sum of whole numbers, exact.
fn sum(row: impl Iterator<Item = i64>) -> i128 {
    row.map(i128::from).sum()
}

/// Places of the valid entries of each list.
fn there(input: &Input<'_>) -> Vec<Vec<usize>> {
    let lists = input.lists(0);
    let rows = lists.ranges();
    rows.map(|range| range.filter(|at| lists.items.is_valid(*at)).collect())
        .collect()
}

/// The smallest entry, or the largest.
fn extreme(input: &Input<'_>, wanted: Ordering) -> Vector<'static> {
    let lists = input.lists(0);
    let best = |row: &Vec<usize>| {
        row.iter().copied().reduce(|best, at| {
            match entry_order(&lists.items, at, &lists.items, best) == wanted {
                true => at,
                false => best,
            }
        })
    };
    let places: Vec<Option<usize>> = there(input).iter().map(best).collect();
    let mut picked = gather(&lists.items, &places);
    if let Some(valid) = input.valid() {
        let own: Vec<bool> = valid
            .iter()
            .enumerate()
            .map(|(row, valid)| *valid && picked.is_valid(row))
            .collect();
        picked = picked.with(Some(own));
    }
    picked
}

operations! {
    LIST_LENGTH = "list_length", Operands, |c| {
        let lengths = c.lists(0).ranges().map(|range| i64::try_from(range.len()).unwrap_or(0));
        c.numbers(lengths.collect())
    };
    /// Entry i, from 0; from the end where i is below 0.
    LIST_AT = "list_at", Always, |c| {
        let lists = c.lists(0);
        let valid = c.valid();
        let places: Vec<Option<usize>> = lists.ranges().zip(c.ints(1)).enumerate().map(|(row, (range, index))| {
            let is_valid = valid.as_ref().is_none_or(|valid| valid.get(row).copied().unwrap_or(false));
            place(&range, *index).filter(|_| is_valid)
        }).collect();
        gather(&lists.items, &places)
    };
    /// Entries from i on, at most n.
    LIST_SLICE = "list_slice", Operands, |c| {
        let lists = c.lists(0);
        let rows = lists.ranges().zip(c.ints(1).iter().zip(c.ints(2)));
        let rows: Vec<Vec<usize>> = rows.map(|(range, (from, most))| {
            let length = i64::try_from(range.len()).unwrap_or(i64::MAX);
            let from = if *from < 0 { from.saturating_add(length).max(0) } else { *from };
            let from = usize::try_from(from).unwrap_or(usize::MAX);
            range.skip(from).take(usize::try_from(*most).unwrap_or(0)).collect()
        }).collect();
        rebuilt(c, &rows)
    };
    LIST_SORT = "list_sort", Operands, |c| {
        let items = &c.lists(0).items;
        let mut rows = there(c);
        rows.iter_mut().for_each(|row| row.sort_by(|a, b| entry_order(items, *a, items, *b)));
        rebuilt(c, &rows)
    };
    LIST_UNIQUE = "list_unique", Operands, |c| {
        let items = &c.lists(0).items;
        let mut rows = there(c);
        for row in &mut rows {
            row.sort_by(|a, b| entry_order(items, *a, items, *b).then(a.cmp(b)));
            row.dedup_by(|a, b| entry_order(items, *a, items, *b).is_eq());
            // the first of each, in the order of the list
            row.sort_unstable();
        }
        rebuilt(c, &rows)
    };
    LIST_MIN = "list_min", Always, |c| extreme(c, Ordering::Less);
    LIST_MAX = "list_max", Always, |c| extreme(c, Ordering::Greater);
    LIST_SUM_INT = "list_sum_int", Always, |c| {
        let Data::Int(values) = &c.lists(0).items.data else { unreachable!("checked: a list of whole numbers") };
        c.optional(entries(c, values).map(|row| i64::try_from(sum(row)).ok()), true, Data::Int)
    };
    LIST_SUM_FLOAT = "list_sum_float", Always, |c| {
        let Data::Float(values) = &c.lists(0).items.data else { unreachable!("checked: a list of floats") };
        c.finite(entries(c, values).map(|row| row.fold(0.0, |sum, value| sum + value)).collect())
    };
    LIST_MEAN_INT = "list_mean_int", Always, |c| {
        let Data::Int(values) = &c.lists(0).items.data else { unreachable!("checked: a list of whole numbers") };
        // of nothing 0 by 0, which is null
        c.finite(entries(c, values).map(|row| { let n = row.len() as f64; sum(row) as f64 / n }).collect())
    };
    LIST_MEAN_DURATION = "list_mean_duration", Always, |c| {
        let Data::Int(values) = &c.lists(0).items.data else { unreachable!("checked: a list of durations") };
        let means = entries(c, values).map(|row| {
            let n = row.len();
            (n > 0).then(|| (sum(row) as f64 / n as f64).round() as i64)
        });
        c.optional(means, false, Data::Int)
    };
    LIST_MEAN_FLOAT = "list_mean_float", Always, |c| {
        let Data::Float(values) = &c.lists(0).items.data else { unreachable!("checked: a list of floats") };
        let mean = |row: std::vec::IntoIter<f64>| { let n = row.len() as f64; row.fold(0.0, |sum, value| sum + value) / n };
        c.finite(entries(c, values).map(mean).collect())
    };
    /// `[a, b, c]`.
    LIST_OF = "list_of", Never, |c| {
        let count = c.args.len();
        let parts: Vec<Vector<'_>> = (0..c.rows)
            .flat_map(|row| c.args.iter().map(move |arg| arg.slice(row..row + 1)))
            .collect();
        let ends = (1..=c.rows).map(|row| u32::try_from(row * count).unwrap_or(u32::MAX));
        let empty = c.arg(0).slice(0..0).into_owned();
        Vector::new(Data::List(Lists { ends: ends.collect(), items: Box::new(concat(empty, &parts)) }))
    };
}
