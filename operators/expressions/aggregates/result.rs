//! What is said of an accumulator at the end: its value in the row.

use super::exact::quotient;
use super::scalar::Scalar;
use super::store::{Central, Store};
use super::{Aggregate, MAX_VALUES, Measure};
use crate::columns::{Column, Values};
use crate::expressions::types::Type;
use crate::statistics;
use num_bigint::BigInt;
use std::cell::Cell;
use std::collections::HashSet;

impl Store {
    /// Adds the result for a slot to a column; `overflows` counts whole numbers that are too large.
    pub fn finish(
        &self,
        aggregate: &Aggregate,
        slot: usize,
        column: &mut Column,
        overflows: &Cell<u64>,
    ) {
        let measure = &aggregate.measure;
        let is_duration = aggregate.kind == Type::Duration;
        let of_durations = aggregate
            .values
            .first()
            .is_some_and(|value| value.kind == Type::Duration);
        let narrow = |value: i128| {
            let narrow = i64::try_from(value).ok();
            overflows.set(overflows.get() + u64::from(narrow.is_none()));
            narrow.map(Scalar::Int)
        };
        let float = |value: Option<f64>| {
            let value = value.filter(|value| value.is_finite());
            value.map(|value| Scalar::Float(value + 0.0))
        };
        // of durations, which are ns: what is one goes on as such, other results are in s
        let scaled = |value: Option<f64>, power: i32| match (is_duration, of_durations) {
            (true, _) => value.and_then(|ns| narrow(ns.round() as i128)),
            (_, true) => float(value.map(|value| value / 1e9_f64.powi(power))),
            _ => float(value),
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
                Measure::Sum => narrow(*sum),
                _ if *count == 0 => None,
                _ if is_duration => {
                    let (sum, count) = (*sum, i128::from(*count));
                    narrow((2 * sum + count).div_euclid(2 * count))
                }
                _ => Some(Scalar::Float(mean(*sum, *count))),
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
            Self::Two(states) => states.get(slot).and_then(|two| match measure {
                Measure::Var(ddof) => scaled(two.variance(*ddof), 2),
                Measure::Std(ddof) => scaled(two.deviation(*ddof), 1),
                _ => float(two.variation()),
            }),
            Self::Four(states) => float(states.get(slot).and_then(|four| match measure {
                Measure::Skew => four.skew(),
                _ => four.kurtosis(),
            })),
            Self::Central(states) => {
                let central = states.get(slot);
                float(central.and_then(|central| central.value(measure)))
            }
            // of ns for each ns, or of ints for each 1e9 of them
            Self::Slope(states) => {
                let units = if of_durations { 1 } else { 1_000_000_000 };
                float(states.get(slot).and_then(|slope| slope.slope(units)))
            }
            Self::Line(states) => float(states.get(slot).and_then(|line| {
                let [spread, both] = line.sums;
                (spread > 0.0).then(|| both / spread)
            })),
            Self::Rate(states) => float(states.get(slot).and_then(|sum| {
                let span = u64::try_from(sum.last.checked_sub(sum.first)?).ok();
                let span = span.filter(|span| *span > 0)?;
                let units: u64 = if of_durations { 1 } else { 1_000_000_000 };
                let wholes = BigInt::from(sum.wholes) * units;
                Some(quotient(&wholes, &span.into())? + sum.floats / statistics::seconds(span))
            })),
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
fn mean(sum: i128, count: u64) -> f64 {
    let magnitude = statistics::ratio(sum.unsigned_abs(), count.into()).unwrap_or(0.0);
    if sum < 0 { -magnitude } else { magnitude }
}

impl Central {
    /// What is said of floats.
    fn value(&self, measure: &Measure) -> Option<f64> {
        let (n, [second, third, fourth]) = (self.n, self.sums);
        let variance = |ddof: u64| {
            let by = n - ddof as f64;
            (by > 0.0).then(|| (second / by).max(0.0))
        };
        match measure {
            Measure::Var(ddof) => variance(*ddof),
            Measure::Std(ddof) => variance(*ddof).map(f64::sqrt),
            Measure::Cv => {
                let variance = variance(0).filter(|_| self.mean != 0.0);
                variance.map(|variance| variance.sqrt() / self.mean)
            }
            Measure::Skew => (second > 0.0).then(|| n.sqrt() * third / (second * second.sqrt())),
            Measure::Kurtosis => (second > 0.0).then(|| n * fourth / (second * second) - 3.0),
            _ => None,
        }
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
            let share = place - below as f64;
            // not by their difference, which may be too large
            let value = match share {
                0.0 => low,
                share => low * (1.0 - share) + high * share,
            };
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
