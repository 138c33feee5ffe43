//! What is kept of all open flows for one aggregate: an accumulator a slot, all of one kind, so that a run of packets is added
//! without asking for each what it is.

use super::scalar::Scalar;
use super::{Aggregate, MAX_VALUES, Measure};
use crate::columns::{Column, Values};
use crate::expressions::types::Type;
use crate::expressions::vector::{Data, Vector};
use crate::slots::Slots;
use crate::statistics;
use std::collections::HashSet;

/// Central moments of the values so far (P. Pebay, SAND2008-6212), in packet order.
#[derive(Clone, Debug, Default)]
pub(super) struct Central {
    n: f64,
    mean: f64,
    sums: [f64; 3],
}

impl Central {
    fn push(&mut self, value: f64) {
        let before = self.n;
        self.n += 1.0;
        let delta = value - self.mean;
        let part = delta / self.n;
        let term = delta * part * before;
        let [second, third, fourth] = &mut self.sums;
        self.mean += part;
        *fourth += term * part * part * (self.n * self.n - 3.0 * self.n + 3.0)
            + 6.0 * part * part * *second
            - 4.0 * part * *third;
        *third += term * part * (self.n - 2.0) - 3.0 * part * *second;
        *second += term;
    }
}

/// A line of least squares over time.
#[derive(Clone, Debug, Default)]
pub(super) struct Line {
    start: i64,
    n: f64,
    means: [f64; 2],
    /// Sums of products of the deviations: time with time, time with value.
    sums: [f64; 2],
}

/// One value of several.
#[derive(Clone, Debug, Default)]
pub(super) struct Chosen {
    value: Option<Scalar>,
    by: Option<Scalar>,
    seen: u64,
}

/// Runs of equal values.
#[derive(Clone, Debug, Default)]
pub(super) struct Runs {
    last: Option<Scalar>,
    length: i64,
    longest: i64,
    runs: i64,
}

/// The accumulators of an aggregate.
#[derive(Debug)]
pub(super) enum Store {
    Count(Slots<i64>),
    Sum(Slots<(i128, u64)>),
    FloatSum(Slots<(f64, u64)>),
    /// The smallest or the largest whole number, and whether there is one.
    Extreme(Slots<(i64, bool)>),
    Chosen(Slots<Chosen>),
    Central(Slots<Central>),
    Line(Slots<Line>),
    /// Sum of floats, or of ints as such; time of the first and of the last value.
    Rate(Slots<(f64, i128, i64, i64)>),
    Different(Slots<Option<HashSet<Scalar>>>),
    /// Values that are kept; one more than [`MAX_VALUES`] says that there were more.
    Values(Slots<Vec<Scalar>>),
    Bytes(Slots<Option<Box<[u32; 256]>>>),
    Histogram(Slots<Vec<i64>>),
    Runs(Slots<Runs>),
    /// Runs of packets, and the time of the last one.
    Bursts(Slots<(i64, i64)>),
}

impl Store {
    /// What is kept for this aggregate.
    pub fn new(aggregate: &Aggregate) -> Self {
        let kind = aggregate.values.first().map(|value| &value.kind);
        let whole = matches!(kind, Some(Type::Int | Type::Duration | Type::Time));
        match &aggregate.measure {
            Measure::Count | Measure::Any | Measure::All => Self::Count(Slots::default()),
            Measure::Sum | Measure::Mean if whole => Self::Sum(Slots::default()),
            Measure::Sum | Measure::Mean => Self::FloatSum(Slots::default()),
            Measure::Least | Measure::Greatest if whole => Self::Extreme(Slots::default()),
            Measure::Least
            | Measure::Greatest
            | Measure::First
            | Measure::Last
            | Measure::Nth(_)
            | Measure::ArgLeast
            | Measure::ArgGreatest
            | Measure::Fold => Self::Chosen(Slots::default()),
            Measure::Var(_) | Measure::Std(_) | Measure::Cv | Measure::Skew | Measure::Kurtosis => {
                Self::Central(Slots::default())
            }
            Measure::Slope => Self::Line(Slots::default()),
            Measure::Rate => Self::Rate(Slots::default()),
            Measure::Distinct => Self::Different(Slots::default()),
            Measure::Entropy if kind == Some(&Type::Bytes) => Self::Bytes(Slots::default()),
            Measure::Median
            | Measure::Quantile(_)
            | Measure::Mode
            | Measure::List(..)
            | Measure::Entropy => Self::Values(Slots::default()),
            Measure::Histogram(_) => Self::Histogram(Slots::default()),
            Measure::Runs | Measure::LongestRun => Self::Runs(Slots::default()),
            Measure::Bursts(_) => Self::Bursts(Slots::default()),
        }
    }

    /// Makes a slot ready, as it is before the first packet.
    pub fn reset(&mut self, slot: usize) {
        fn one<T: Default>(slots: &mut Slots<T>, slot: usize) {
            while slots.len() <= slot {
                slots.push(T::default());
            }
            if let Some(state) = slots.get_mut(slot) {
                *state = T::default();
            }
        }
        match self {
            Self::Count(slots) => one(slots, slot),
            Self::Sum(slots) => one(slots, slot),
            Self::FloatSum(slots) => one(slots, slot),
            Self::Extreme(slots) => one(slots, slot),
            Self::Chosen(slots) => one(slots, slot),
            Self::Central(slots) => one(slots, slot),
            Self::Line(slots) => one(slots, slot),
            Self::Rate(slots) => one(slots, slot),
            Self::Different(slots) => one(slots, slot),
            Self::Values(slots) => one(slots, slot),
            Self::Bytes(slots) => one(slots, slot),
            Self::Histogram(slots) => one(slots, slot),
            Self::Runs(slots) => one(slots, slot),
            Self::Bursts(slots) => one(slots, slot),
        }
    }

    /// Bytes of one accumulator, and of what all of them hold beyond.
    pub fn bytes(&self) -> (usize, usize) {
        fn one<T>(slots: &Slots<T>, heap: impl Fn(&T) -> usize) -> (usize, usize) {
            (size_of::<T>(), slots.iter().map(heap).sum())
        }
        let scalars = |values: &[Scalar]| -> usize {
            let each = values
                .iter()
                .map(|one| size_of::<Scalar>() + one.heap_bytes());
            each.sum()
        };
        let held = |one: &Option<Scalar>| one.as_ref().map_or(0, Scalar::heap_bytes);
        match self {
            Self::Count(slots) => one(slots, |_| 0),
            Self::Sum(slots) => one(slots, |_| 0),
            Self::FloatSum(slots) => one(slots, |_| 0),
            Self::Extreme(slots) => one(slots, |_| 0),
            Self::Chosen(slots) => one(slots, |state| held(&state.value) + held(&state.by)),
            Self::Central(slots) => one(slots, |_| 0),
            Self::Line(slots) => one(slots, |_| 0),
            Self::Rate(slots) => one(slots, |_| 0),
            Self::Different(slots) => one(slots, |state| {
                let all = state.iter().flatten();
                all.map(|one| 2 * size_of::<Scalar>() + one.heap_bytes())
                    .sum()
            }),
            Self::Values(slots) => one(slots, |state| scalars(state)),
            Self::Bytes(slots) => one(slots, |state| if state.is_some() { 1024 } else { 0 }),
            Self::Histogram(slots) => one(slots, |state| state.len() * 8),
            Self::Runs(slots) => one(slots, |state| held(&state.last)),
            Self::Bursts(slots) => one(slots, |_| 0),
        }
    }

    /// Adds the chosen packets of a run: `slots`, `times` and `values` have one entry a packet.
    pub fn add(
        &mut self,
        measure: &Measure,
        slots: &[u32],
        chosen: Option<&[bool]>,
        values: &[&Vector<'_>],
        times: &[i64],
    ) {
        let valid = values.first().and_then(|values| values.valid.as_deref());
        let is_in = |row: usize| {
            chosen.is_none_or(|chosen| chosen[row]) && valid.is_none_or(|valid| valid[row])
        };
        let rows = || {
            let slots = slots.iter().map(|slot| *slot as usize).enumerate();
            slots.filter(|(row, _)| is_in(*row))
        };
        let data = values.first().map(|values| &values.data);
        let scalar = |row: usize| Scalar::of(values[0], row);
        match (self, data) {
            (Self::Count(states), data) => match (measure, data) {
                (Measure::Any | Measure::All, Some(Data::Bool(truths))) => {
                    let wanted = *measure == Measure::Any;
                    for (row, slot) in rows() {
                        if let Some(state) = states.get_mut(slot) {
                            *state += i64::from(truths[row] == wanted);
                        }
                    }
                }
                _ => {
                    for (_, slot) in rows() {
                        if let Some(state) = states.get_mut(slot) {
                            *state += 1;
                        }
                    }
                }
            },
            (Self::Sum(states), Some(Data::Int(values))) => {
                for (row, slot) in rows() {
                    if let Some((sum, count)) = states.get_mut(slot) {
                        *sum += i128::from(values[row]);
                        *count += 1;
                    }
                }
            }
            (Self::FloatSum(states), Some(Data::Float(values))) => {
                for (row, slot) in rows() {
                    if let Some((sum, count)) = states.get_mut(slot) {
                        *sum += values[row];
                        *count += 1;
                    }
                }
            }
            (Self::Extreme(states), Some(Data::Int(values))) => {
                let least = *measure == Measure::Least;
                for (row, slot) in rows() {
                    if let Some((best, is_there)) = states.get_mut(slot) {
                        let value = values[row];
                        let better = if least { value < *best } else { value > *best };
                        if better || !*is_there {
                            (*best, *is_there) = (value, true);
                        }
                    }
                }
            }
            (Self::Chosen(states), _) => {
                for (row, slot) in rows() {
                    let Some(state) = states.get_mut(slot) else {
                        continue;
                    };
                    let seen = state.seen;
                    let by = values.get(1).and_then(|by| Scalar::of(by, row));
                    let value = || scalar(row);
                    let best =
                        |wanted_less: bool, new: &Option<Scalar>, old: &Option<Scalar>| match (
                            new, old,
                        ) {
                            (Some(new), Some(old)) if wanted_less => new < old,
                            (Some(new), Some(old)) => new > old,
                            (new, _) => new.is_some(),
                        };
                    let takes = match measure {
                        Measure::First => seen == 0,
                        Measure::Last => true,
                        Measure::Nth(n) => i64::try_from(seen).is_ok_and(|seen| seen == *n),
                        Measure::Least => best(true, &value(), &state.value),
                        Measure::Greatest => best(false, &value(), &state.value),
                        Measure::ArgLeast => best(true, &by, &state.by),
                        Measure::ArgGreatest => best(false, &by, &state.by),
                        _ => false,
                    };
                    state.seen += 1;
                    if takes {
                        state.value = value();
                        state.by = by;
                    }
                }
            }
            (Self::Central(states), Some(_)) => {
                for (row, slot) in rows() {
                    if let (Some(state), Some(value)) = (states.get_mut(slot), scalar(row)) {
                        state.push(value.number());
                    }
                }
            }
            (Self::Line(states), Some(_)) => {
                for (row, slot) in rows() {
                    if let (Some(state), Some(value)) = (states.get_mut(slot), scalar(row)) {
                        if state.n == 0.0 {
                            state.start = times[row];
                        }
                        let at = times[row].saturating_sub(state.start) as f64 / 1e9;
                        state.n += 1.0;
                        let value = value.number();
                        let off = [at - state.means[0], value - state.means[1]];
                        state.means[0] += off[0] / state.n;
                        state.means[1] += off[1] / state.n;
                        state.sums[0] += off[0] * (at - state.means[0]);
                        state.sums[1] += off[0] * (value - state.means[1]);
                    }
                }
            }
            (Self::Rate(states), Some(_)) => {
                for (row, slot) in rows() {
                    if let (Some(state), Some(value)) = (states.get_mut(slot), scalar(row)) {
                        let (floats, wholes, first, last) = state;
                        if *floats == 0.0 && *wholes == 0 && *first == 0 {
                            *first = times[row];
                        }
                        *last = times[row];
                        match value {
                            Scalar::Int(value) => *wholes += i128::from(value),
                            other => *floats += other.number(),
                        }
                    }
                }
            }
            (Self::Different(states), _) => {
                for (row, slot) in rows() {
                    if let (Some(state), Some(value)) = (states.get_mut(slot), scalar(row)) {
                        let all = state.get_or_insert_default();
                        if all.len() <= MAX_VALUES {
                            all.insert(value);
                        }
                    }
                }
            }
            (Self::Values(states), _) => {
                let most = match measure {
                    Measure::List(limit, _) => *limit,
                    _ => MAX_VALUES + 1,
                };
                for (row, slot) in rows() {
                    if let Some(state) = states.get_mut(slot).filter(|state| state.len() < most) {
                        state.extend(scalar(row));
                    }
                }
            }
            (Self::Bytes(states), Some(Data::Text(texts))) => {
                for ((row, slot), text) in slots
                    .iter()
                    .map(|slot| *slot as usize)
                    .enumerate()
                    .zip(texts.iter())
                {
                    if !is_in(row) || text.is_empty() {
                        continue;
                    }
                    if let Some(state) = states.get_mut(slot) {
                        let counts = state.get_or_insert_with(|| Box::new([0; 256]));
                        for byte in text {
                            let count = &mut counts[usize::from(*byte)];
                            *count = count.saturating_add(1);
                        }
                    }
                }
            }
            (Self::Histogram(states), _) => {
                let Measure::Histogram(edges) = measure else {
                    return;
                };
                for (row, slot) in rows() {
                    if let (Some(state), Some(value)) = (states.get_mut(slot), scalar(row)) {
                        state.resize(edges.len() + 1, 0);
                        let number = value.number();
                        state[edges.partition_point(|edge| *edge <= number)] += 1;
                    }
                }
            }
            (Self::Runs(states), _) => {
                for (row, slot) in rows() {
                    if let (Some(state), value) = (states.get_mut(slot), scalar(row)) {
                        if state.last == value {
                            state.length += 1;
                        } else {
                            (state.last, state.length) = (value, 1);
                            state.runs += 1;
                        }
                        state.longest = state.longest.max(state.length);
                    }
                }
            }
            (Self::Bursts(states), _) => {
                let Measure::Bursts(gap) = measure else {
                    return;
                };
                for (row, slot) in rows() {
                    if let Some((runs, last)) = states.get_mut(slot) {
                        let apart = times[row].saturating_sub(*last) >= *gap;
                        *runs += i64::from(*runs == 0 || apart);
                        *last = times[row];
                    }
                }
            }
            _ => debug_assert!(false, "checked: the values fit the measure"),
        }
    }

    /// The state of a `fold`.
    pub fn state(&self, slot: usize) -> Option<&Scalar> {
        match self {
            Self::Chosen(states) => states.get(slot).and_then(|state| state.value.as_ref()),
            _ => None,
        }
    }

    /// Whether a `fold` has seen a packet.
    pub fn has_begun(&self, slot: usize) -> bool {
        match self {
            Self::Chosen(states) => states.get(slot).is_some_and(|state| state.seen > 0),
            _ => false,
        }
    }

    /// Sets the state of a `fold`.
    pub fn set_state(&mut self, slot: usize, value: Option<Scalar>) {
        if let Self::Chosen(states) = self
            && let Some(state) = states.get_mut(slot)
        {
            state.value = value;
            state.seen += 1;
        }
    }

    /// Adds the result for a slot to a column.
    pub fn finish(&self, aggregate: &Aggregate, slot: usize, column: &mut Column) {
        let measure = &aggregate.measure;
        let is_duration = aggregate.kind == Type::Duration;
        let of_durations = aggregate
            .values
            .first()
            .is_some_and(|value| value.kind == Type::Duration);
        let float = |value: Option<f64>| {
            value.filter(|value| value.is_finite()).map(|value| {
                if is_duration {
                    Scalar::Int((value * 1e9).round() as i64)
                } else {
                    Scalar::Float(value)
                }
            })
        };
        let found: Option<Scalar> = match self {
            Self::Count(states) => {
                let count = states.get(slot).copied().unwrap_or(0);
                Some(match measure {
                    Measure::Any => Scalar::Bool(count > 0),
                    Measure::All => Scalar::Bool(count == 0),
                    _ => Scalar::Int(count),
                })
            }
            Self::Sum(states) => states.get(slot).and_then(|(sum, count)| match measure {
                Measure::Sum => i64::try_from(*sum).ok().map(Scalar::Int),
                _ if *count == 0 => None,
                _ if is_duration => {
                    let (sum, count) = (*sum, i128::from(*count));
                    let mean = (2 * sum + count).div_euclid(2 * count);
                    i64::try_from(mean).ok().map(Scalar::Int)
                }
                _ => Some(Scalar::Float(quotient(*sum, *count))),
            }),
            Self::FloatSum(states) => states.get(slot).and_then(|(sum, count)| match measure {
                Measure::Sum => float(Some(*sum)),
                _ => float((*count > 0).then(|| *sum / *count as f64)),
            }),
            Self::Extreme(states) => states
                .get(slot)
                .and_then(|(best, is_there)| is_there.then_some(Scalar::Int(*best))),
            Self::Chosen(states) => {
                let state = states.get(slot);
                match measure {
                    Measure::Fold if state.is_none_or(|state| state.seen == 0) => {
                        super::held::start(aggregate)
                    }
                    _ => state.and_then(|state| state.value.clone()),
                }
            }
            Self::Central(states) => {
                let scale = if of_durations { 1e9 } else { 1.0 };
                float(
                    states
                        .get(slot)
                        .and_then(|state| central(state, measure, scale)),
                )
            }
            Self::Line(states) => float(states.get(slot).and_then(|line| {
                let slope = (line.sums[0] > 0.0).then(|| line.sums[1] / line.sums[0]);
                slope.map(|slope| if of_durations { slope / 1e9 } else { slope })
            })),
            Self::Rate(states) => {
                float(states.get(slot).and_then(|(floats, wholes, first, last)| {
                    let span = last.saturating_sub(*first) as f64 / 1e9;
                    let sum = *floats + *wholes as f64 / if of_durations { 1e9 } else { 1.0 };
                    (span > 0.0).then(|| sum / span)
                }))
            }
            Self::Different(states) => {
                let count = states
                    .get(slot)
                    .and_then(Option::as_ref)
                    .map_or(0, HashSet::len);
                (count <= MAX_VALUES).then(|| Scalar::Int(i64::try_from(count).unwrap_or(i64::MAX)))
            }
            Self::Values(states) => {
                let values = states.get(slot).map_or(&[][..], Vec::as_slice);
                if let Measure::List(limit, pad) = measure {
                    let pads = limit.saturating_sub(values.len());
                    let pads = pad.map(|pad| std::iter::repeat_n(Scalar::Int(pad), pads));
                    let all = values.iter().cloned().chain(pads.into_iter().flatten());
                    return list(&all.collect::<Vec<_>>(), column);
                }
                if values.len() > MAX_VALUES {
                    None
                } else {
                    of_values(values, measure, is_duration)
                }
            }
            Self::Bytes(states) => {
                let counts = states.get(slot).and_then(Option::as_ref);
                float(counts.and_then(|counts| statistics::entropy(counts)))
            }
            Self::Histogram(states) => {
                let Measure::Histogram(edges) = measure else {
                    return;
                };
                let counts = states.get(slot).map_or(&[][..], Vec::as_slice);
                let counts = (0..=edges.len()).map(|at| counts.get(at).copied().unwrap_or(0));
                let counts: Vec<Scalar> = counts.map(Scalar::Int).collect();
                return list(&counts, column);
            }
            Self::Runs(states) => states.get(slot).map(|state| match measure {
                Measure::Runs => Scalar::Int(state.runs),
                _ => Scalar::Int(state.longest),
            }),
            Self::Bursts(states) => states.get(slot).map(|(runs, _)| Scalar::Int(*runs)),
        };
        Scalar::push(found.as_ref(), column);
    }
}

/// An exact sum by a count, rounded once.
fn quotient(sum: i128, count: u64) -> f64 {
    let magnitude = statistics::ratio(sum.unsigned_abs(), count.into()).unwrap_or(0.0);
    if sum < 0 { -magnitude } else { magnitude }
}

fn central(state: &Central, measure: &Measure, scale: f64) -> Option<f64> {
    let Central { n, mean, sums } = state;
    let variance = |ddof: i64| {
        let by = n - ddof as f64;
        (by > 0.0).then(|| (sums[0] / by).max(0.0) / scale / scale)
    };
    match measure {
        Measure::Var(ddof) => variance(*ddof),
        Measure::Std(ddof) => variance(*ddof).map(f64::sqrt),
        Measure::Cv => variance(0)
            .filter(|_| *mean != 0.0)
            .map(|var| var.sqrt() * scale / mean),
        Measure::Skew => (sums[0] > 0.0).then(|| n.sqrt() * sums[1] / (sums[0] * sums[0].sqrt())),
        Measure::Kurtosis => (sums[0] > 0.0).then(|| n * sums[2] / (sums[0] * sums[0]) - 3.0),
        _ => None,
    }
}

/// What is said of kept values.
fn of_values(values: &[Scalar], measure: &Measure, is_duration: bool) -> Option<Scalar> {
    let mut sorted = values.to_vec();
    sorted.sort();
    let runs = || sorted.chunk_by(|a, b| a == b);
    match measure {
        Measure::Mode => {
            // the first of the longest runs is the smallest value
            let longest =
                runs().reduce(|best, run| if run.len() > best.len() { run } else { best });
            longest.and_then(|run| run.first().cloned())
        }
        Measure::Entropy => {
            let n = values.len() as f64;
            let bits = runs().map(|run| {
                let share = run.len() as f64 / n;
                -share * share.log2()
            });
            (!values.is_empty()).then(|| Scalar::Float(bits.sum::<f64>() + 0.0))
        }
        _ => {
            let q = match measure {
                Measure::Quantile(q) => *q,
                _ => 0.5,
            };
            let last = values.len().checked_sub(1)?;
            let place = q * last as f64;
            let below = place.floor() as usize;
            let (low, high) = (sorted.get(below)?, sorted.get(below + 1));
            let (low, high) = (low.number(), high.map_or(low.number(), Scalar::number));
            let value = low + (high - low) * (place - below as f64);
            Some(match is_duration {
                true => Scalar::Int(value.round() as i64),
                false => Scalar::Float(value),
            })
        }
    }
}

fn list(values: &[Scalar], column: &mut Column) {
    if let Values::List { ends, items } = &mut column.values {
        values
            .iter()
            .for_each(|value| Scalar::push(Some(value), items));
        ends.push(u32::try_from(items.len()).unwrap_or(u32::MAX));
    }
    if let Some(valid) = &mut column.valid {
        valid.push(true);
    }
}
