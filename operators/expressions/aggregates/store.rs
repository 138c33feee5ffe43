//! What is kept of all open flows for one aggregate: an accumulator a slot, all of one kind, so that a run of packets is added
//! without asking for each what it is.

use super::exact::{Four, Slope, Two};
use super::scalar::Scalar;
use super::{Aggregate, MAX_VALUES, Measure};
use crate::expressions::types::Type;
use crate::expressions::vector::{Data, Vector};
use crate::slots::Slots;
use std::collections::HashSet;

/// Central moments of floats so far (P. Pebay, SAND2008-6212), in the order of packets, which is total within a flow.
#[derive(Clone, Debug, Default)]
pub(super) struct Central {
    pub n: f64,
    pub mean: f64,
    pub sums: [f64; 3],
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

/// A line of least squares over time, of floats in the order of packets.
#[derive(Clone, Debug, Default)]
pub(super) struct Line {
    start: i64,
    n: f64,
    means: [f64; 2],
    /// Sums of products of the deviations: time with time, time with value.
    pub sums: [f64; 2],
}

impl Line {
    fn push(&mut self, time: i64, value: f64) {
        if self.n == 0.0 {
            self.start = time;
        }
        let at = time.saturating_sub(self.start) as f64 / 1e9;
        self.n += 1.0;
        let [mean_at, mean] = &mut self.means;
        let (off_at, off) = (at - *mean_at, value - *mean);
        *mean_at += off_at / self.n;
        *mean += off / self.n;
        let [spread, both] = &mut self.sums;
        *spread += off_at * (at - *mean_at);
        *both += off_at * (value - *mean);
    }
}

/// A sum, and when it began and ended.
#[derive(Clone, Debug, Default)]
pub(super) struct Summed {
    pub floats: f64,
    pub wholes: i128,
    pub first: i64,
    pub last: i64,
    n: u64,
}

impl Summed {
    fn at(&mut self, time: i64) -> &mut Self {
        if self.n == 0 {
            self.first = time;
        }
        self.n += 1;
        self.last = time;
        self
    }
}

/// One value of several.
#[derive(Clone, Debug, Default)]
pub(super) struct Chosen {
    pub value: Option<Scalar>,
    by: Option<Scalar>,
    pub seen: u64,
}

impl Chosen {
    /// Takes the value of the next packet, and what decides between them.
    fn push(&mut self, measure: &Measure, value: Scalar, by: Option<Scalar>) {
        let (seen, least) = (
            self.seen,
            matches!(measure, Measure::Least | Measure::ArgLeast),
        );
        self.seen += 1;
        let is_better = |new: Option<&Scalar>, old: Option<&Scalar>| match (new, old) {
            (Some(new), Some(old)) if least => new < old,
            (Some(new), Some(old)) => new > old,
            (new, _) => new.is_some(),
        };
        let takes = match measure {
            Measure::First => seen == 0,
            Measure::Last => true,
            Measure::Nth(n) => i64::try_from(seen).is_ok_and(|seen| seen == *n),
            Measure::Least | Measure::Greatest => is_better(Some(&value), self.value.as_ref()),
            Measure::ArgLeast | Measure::ArgGreatest => is_better(by.as_ref(), self.by.as_ref()),
            _ => false,
        };
        if takes {
            (self.value, self.by) = (Some(value), by);
        }
    }
}

/// Runs of equal values.
#[derive(Clone, Debug, Default)]
pub(super) struct Runs {
    last: Option<Scalar>,
    length: i64,
    pub longest: i64,
    pub runs: i64,
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
    /// Variance and what follows from it, of ints and durations.
    Two(Slots<Two>),
    /// Higher moments of them.
    Four(Slots<Four>),
    Central(Slots<Central>),
    Slope(Slots<Slope>),
    Line(Slots<Line>),
    Rate(Slots<Summed>),
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
            Measure::Var(_) | Measure::Std(_) | Measure::Cv if whole => Self::Two(Slots::default()),
            Measure::Skew | Measure::Kurtosis if whole => Self::Four(Slots::default()),
            Measure::Var(_) | Measure::Std(_) | Measure::Cv | Measure::Skew | Measure::Kurtosis => {
                Self::Central(Slots::default())
            }
            Measure::Slope if whole => Self::Slope(Slots::default()),
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
            Self::Two(slots) => one(slots, slot),
            Self::Four(slots) => one(slots, slot),
            Self::Central(slots) => one(slots, slot),
            Self::Slope(slots) => one(slots, slot),
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
            Self::Two(slots) => one(slots, |_| 0),
            Self::Four(slots) => one(slots, |_| 0),
            Self::Central(slots) => one(slots, |_| 0),
            Self::Slope(slots) => one(slots, |_| 0),
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

    /// Adds the chosen packets of a run: `slots`, `times` and `values` have one entry a packet. Gives how many flows have more
    /// values now than are kept.
    pub fn add(
        &mut self,
        measure: &Measure,
        slots: &[u32],
        chosen: Option<&[bool]>,
        values: &[&Vector<'_>],
        times: &[i64],
    ) -> u64 {
        let first = values.first();
        let valid = first.and_then(|values| values.valid.as_deref());
        let both: Vec<bool>;
        let mask = match (chosen, valid) {
            (Some(chosen), Some(valid)) => {
                let pairs = chosen.iter().zip(valid);
                both = pairs.map(|(chosen, valid)| *chosen & *valid).collect();
                Some(&both[..])
            }
            (chosen, valid) => chosen.or(valid),
        };
        let run = Run { slots, mask };
        // values that are taken one by one are made only of rows that are in
        let rows = 0..slots.len();
        let scalar = |row: usize| first.and_then(|values| Scalar::of(values, row));
        let mut capped = 0;
        match (self, first.map(|values| &values.data)) {
            (Self::Count(states), Some(Data::Bool(truths)))
                if matches!(measure, Measure::Any | Measure::All) =>
            {
                let wanted = *measure == Measure::Any;
                run.each(states, truths.iter(), |state, truth| {
                    *state += i64::from(*truth == wanted);
                });
            }
            (Self::Count(states), _) => run.each(states, slots.iter(), |state, _| *state += 1),
            (Self::Sum(states), Some(Data::Int(values))) => {
                run.each(states, values.iter(), |(sum, count), value| {
                    *sum += i128::from(*value);
                    *count += 1;
                });
            }
            (Self::FloatSum(states), Some(Data::Float(values))) => {
                run.each(states, values.iter(), |(sum, count), value| {
                    *sum += *value;
                    *count += 1;
                });
            }
            (Self::Extreme(states), Some(Data::Int(values))) => {
                let least = *measure == Measure::Least;
                run.each(states, values.iter(), |(best, is_there), value| {
                    let is_better = if least { value < best } else { value > best };
                    if is_better || !*is_there {
                        (*best, *is_there) = (*value, true);
                    }
                });
            }
            (Self::Chosen(states), _) => {
                let by = values.get(1);
                run.each(states, rows, |state, row| {
                    if let Some(value) = scalar(row) {
                        state.push(measure, value, by.and_then(|by| Scalar::of(by, row)));
                    }
                });
            }
            (Self::Two(states), Some(Data::Int(values))) => {
                run.each(states, values.iter(), |state, value| state.push(*value));
            }
            (Self::Four(states), Some(Data::Int(values))) => {
                run.each(states, values.iter(), |state, value| state.push(*value));
            }
            (Self::Central(states), Some(Data::Float(values))) => {
                run.each(states, values.iter(), |state, value| state.push(*value));
            }
            (Self::Slope(states), Some(Data::Int(values))) => {
                let points = times.iter().zip(values.iter());
                run.each(states, points, |state, (time, value)| {
                    state.push(*time, *value)
                });
            }
            (Self::Line(states), Some(Data::Float(values))) => {
                let points = times.iter().zip(values.iter());
                run.each(states, points, |state, (time, value)| {
                    state.push(*time, *value)
                });
            }
            (Self::Rate(states), Some(Data::Int(values))) => {
                let points = times.iter().zip(values.iter());
                run.each(states, points, |state, (time, value)| {
                    state.at(*time).wholes += i128::from(*value);
                });
            }
            (Self::Rate(states), Some(Data::Float(values))) => {
                let points = times.iter().zip(values.iter());
                run.each(states, points, |state, (time, value)| {
                    state.at(*time).floats += *value;
                });
            }
            (Self::Different(states), _) => run.each(states, rows, |state, row| {
                let all = state.get_or_insert_default();
                if all.len() <= MAX_VALUES
                    && let Some(value) = scalar(row)
                {
                    let is_full = all.len() == MAX_VALUES;
                    capped += u64::from(all.insert(value) && is_full);
                }
            }),
            (Self::Values(states), _) => {
                let (most, is_list) = match measure {
                    Measure::List(limit, _) => (*limit, true),
                    _ => (MAX_VALUES + 1, false),
                };
                run.each(states, rows, |state, row| {
                    if state.len() < most {
                        state.extend(scalar(row));
                        capped += u64::from(!is_list && state.len() == most);
                    }
                });
            }
            (Self::Bytes(states), Some(Data::Text(texts))) => {
                run.each(states, texts.iter(), |state, text| {
                    if text.is_empty() {
                        return;
                    }
                    let counts = state.get_or_insert_with(|| Box::new([0; 256]));
                    for byte in text {
                        let count = &mut counts[usize::from(*byte)];
                        *count = count.saturating_add(1);
                    }
                });
            }
            (Self::Histogram(states), _) => {
                let Measure::Histogram(edges) = measure else {
                    return 0;
                };
                run.each(states, rows, |state, row| {
                    let Some(number) = scalar(row).map(|value| value.number()) else {
                        return;
                    };
                    state.resize(edges.len() + 1, 0);
                    let place = edges.partition_point(|edge| *edge <= number);
                    if let Some(count) = state.get_mut(place) {
                        *count += 1;
                    }
                });
            }
            (Self::Runs(states), _) => run.each(states, rows, |state, row| {
                let value = scalar(row);
                if state.last == value {
                    state.length += 1;
                } else {
                    (state.last, state.length) = (value, 1);
                    state.runs += 1;
                }
                state.longest = state.longest.max(state.length);
            }),
            (Self::Bursts(states), _) => {
                let Measure::Bursts(gap) = measure else {
                    return 0;
                };
                run.each(states, times.iter(), |(runs, last), time| {
                    let apart = time.saturating_sub(*last) >= *gap;
                    *runs += i64::from(*runs == 0 || apart);
                    *last = *time;
                });
            }
            _ => debug_assert!(false, "checked: the values fit the measure"),
        }
        capped
    }

    /// The state of a `fold`, once it has seen a packet.
    pub fn state(&self, slot: usize) -> Option<Option<&Scalar>> {
        let Self::Chosen(states) = self else {
            return None;
        };
        let state = states.get(slot).filter(|state| state.seen > 0)?;
        Some(state.value.as_ref())
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
}

/// Which packets of a run are added, and where.
struct Run<'a> {
    slots: &'a [u32],
    mask: Option<&'a [bool]>,
}

impl Run<'_> {
    /// Adds the value of each packet to the state of its slot.
    fn each<S, T>(
        &self,
        states: &mut Slots<S>,
        values: impl Iterator<Item = T>,
        mut add: impl FnMut(&mut S, T),
    ) {
        let rows = self.slots.iter().zip(values);
        let mut one = |slot: u32, value: T| {
            if let Some(state) = states.get_mut(slot as usize) {
                add(state, value);
            }
        };
        match self.mask {
            None => rows.for_each(|(slot, value)| one(*slot, value)),
            Some(mask) => {
                for ((slot, value), is_in) in rows.zip(mask) {
                    if *is_in {
                        one(*slot, value);
                    }
                }
            }
        }
    }
}
