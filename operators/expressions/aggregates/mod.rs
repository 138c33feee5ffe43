//! Aggregates over the packets of a flow: which there are, and what is kept of a flow for each.

mod exact;
pub mod fields;
mod held;
mod notes;
mod result;
mod rule;
mod scalar;
mod store;
#[cfg(test)]
mod tests;

pub use held::{Held, HeldPlan};
pub use rule::{Rule, RulePlan};

use super::check::Typed;
use super::types::{Constant, Type};
use crate::schema::{DataType, Feature, Private, Profile, Scope, Split};

/// Where programs over rows find the first aggregate.
pub const AGGREGATES: u32 = 1 << 24;

/// Values that an aggregate keeps of one flow at most; beyond, its result is null.
pub const MAX_VALUES: usize = 65_536;

/// An aggregate of a spec: a measure of the values of some packets.
#[derive(Clone, Debug)]
pub struct Aggregate {
    /// What is measured.
    pub measure: Measure,
    /// Of each packet.
    pub values: Vec<Typed>,
    /// What is also known of the chosen packet before: [`fields::PREVIOUS`] and following.
    pub previous: Vec<Typed>,
    /// Which packets are chosen; `None` = all.
    pub filter: Option<Typed>,
    /// The type of the result.
    pub kind: Type,
    /// Whether the result can be null.
    pub null: bool,
    /// As it was written.
    pub text: String,
}

impl PartialEq for Aggregate {
    /// Whether both give the same, however they are written.
    fn eq(&self, other: &Self) -> bool {
        (&self.measure, &self.values, &self.previous, &self.filter)
            == (
                &other.measure,
                &other.values,
                &other.previous,
                &other.filter,
            )
    }
}

/// What is measured.
#[derive(Clone, Debug, PartialEq)]
pub enum Measure {
    /// Packets, or values that are not null.
    Count,
    /// Different values.
    Distinct,
    /// The sum; 0 of none.
    Sum,
    /// The mean.
    Mean,
    /// The smallest value.
    Least,
    /// The largest value.
    Greatest,
    /// The variance: divided by n less this.
    Var(u64),
    /// The standard deviation: divided by n less this.
    Std(u64),
    /// Standard deviation by mean.
    Cv,
    /// Skewness of the population.
    Skew,
    /// Excess kurtosis of the population.
    Kurtosis,
    /// The value in the middle.
    Median,
    /// A quantile, with linear interpolation.
    Quantile(f64),
    /// The most frequent value; of several the smallest.
    Mode,
    /// The first value.
    First,
    /// The last value.
    Last,
    /// Value n, from 0.
    Nth(i64),
    /// Whether it is true once.
    Any,
    /// Whether it is never false.
    All,
    /// The value where another one is smallest, first of several.
    ArgLeast,
    /// The value where another one is largest, first of several.
    ArgGreatest,
    /// The first values, so many; with what fills the list up to that.
    List(usize, Option<i64>),
    /// Shannon entropy of the values, bits; of bytes, of all bytes.
    Entropy,
    /// Values below the first edge, between each two, and from the last on.
    Histogram(Vec<f64>),
    /// Slope of the line of least squares over time, a second.
    Slope,
    /// The longest run of equal values.
    LongestRun,
    /// Runs of equal values.
    Runs,
    /// Runs of packets with gaps below this, ns.
    Bursts(i64),
    /// The sum by the seconds between the first and the last value.
    Rate,
    /// A state that goes from packet to packet.
    Fold,
}

/// What a measure is given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Takes {
    /// Nothing.
    Nothing,
    /// Nothing or a value.
    Perhaps,
    /// A value.
    Value,
    /// A value, and what decides.
    Two,
    /// A value, and its first option.
    Parameter,
    /// A start and a step.
    Fold,
}

impl Takes {
    /// Values at least and at most.
    pub const fn count(self) -> (usize, usize) {
        match self {
            Self::Nothing => (0, 0),
            Self::Perhaps => (0, 1),
            Self::Value => (1, 1),
            Self::Two | Self::Parameter | Self::Fold => (2, 2),
        }
    }
}

/// A measure under its name.
#[derive(Debug)]
pub struct Named {
    /// Its name.
    pub name: &'static str,
    /// What it is given.
    pub takes: Takes,
    /// The names of its options.
    pub options: &'static [&'static str],
    /// What it measures, with the usual options.
    pub measure: Measure,
    /// What it is.
    pub doc: &'static str,
}

macro_rules! measures {
    ($($name:literal $takes:ident [$($option:literal),*] $measure:expr, $doc:literal;)+) => {
        /// Every aggregate.
        pub static MEASURES: &[Named] = &[$(Named {
            name: $name, takes: Takes::$takes, options: &[$($option),*], measure: $measure, doc: $doc,
        },)+];
    };
}

measures! {
    "count" Perhaps [] Measure::Count, "Packets; with a value, those where it is not null.";
    "distinct" Value [] Measure::Distinct, "Different values.";
    "sum" Value [] Measure::Sum, "The sum, exact; 0 of no value.";
    "mean" Value [] Measure::Mean, "The mean, exact until one rounding.";
    "min" Value [] Measure::Least, "The smallest value.";
    "max" Value [] Measure::Greatest, "The largest value.";
    "var" Value ["ddof"] Measure::Var(0), "The variance; `ddof=1` divides by n - 1. Of durations in s^2.";
    "std" Value ["ddof"] Measure::Std(0), "The standard deviation; `ddof=1` divides by n - 1.";
    "cv" Value [] Measure::Cv, "Standard deviation by mean.";
    "skew" Value [] Measure::Skew, "Skewness of the population.";
    "kurtosis" Value [] Measure::Kurtosis, "Excess kurtosis of the population.";
    "median" Value [] Measure::Median, "The value in the middle.";
    "quantile" Parameter ["q"] Measure::Quantile(0.5), "`quantile(x, 0.9)`, with linear interpolation.";
    "mode" Value [] Measure::Mode, "The most frequent value; of several the smallest.";
    "first" Value [] Measure::First, "The first value.";
    "last" Value [] Measure::Last, "The last value.";
    "nth" Parameter ["n"] Measure::Nth(0), "`nth(x, 2)`: the third value.";
    "any" Value [] Measure::Any, "Whether the condition holds for a packet.";
    "all" Value [] Measure::All, "Whether the condition fails for no packet.";
    "argmin" Two [] Measure::ArgLeast, "`argmin(x, y)`: x of the first packet with the smallest y.";
    "argmax" Two [] Measure::ArgGreatest, "`argmax(x, y)`: x of the first packet with the largest y.";
    "list" Value ["limit", "pad"] Measure::List(50, None), "The first values, `limit=50` of them; `pad=-1` fills the list up to that.";
    "entropy" Value [] Measure::Entropy, "Shannon entropy of the values, bits; of bytes, of all bytes.";
    "histogram" Value ["edges"] Measure::Histogram(Vec::new()), "`histogram(x, edges=[100, 1000])`: values below 100, from 100, from 1000.";
    "slope" Value [] Measure::Slope, "Slope of the line of least squares over time, a second.";
    "run_max" Value [] Measure::LongestRun, "The longest run of equal values.";
    "runs" Value [] Measure::Runs, "Runs of equal values.";
    "bursts" Nothing ["gap"] Measure::Bursts(50_000_000), "Runs of packets with gaps below `gap=50ms`.";
    "rate" Value [] Measure::Rate, "The sum by the seconds between the first and the last value.";
    "fold" Fold [] Measure::Fold, "`fold(0.0, 0.9*acc + 0.1*pkt.len)`: what `acc` is after the last packet.";
}

/// The measure of this name.
pub fn find(name: &str) -> Option<&'static Named> {
    MEASURES.iter().find(|named| named.name == name)
}

/// The names of all measures.
pub fn names() -> impl Iterator<Item = &'static str> {
    MEASURES.iter().map(|named| named.name)
}

impl Measure {
    /// Sets an option to values that are written out; what it should be, if it is not that.
    pub(super) fn set(&mut self, option: &str, values: &[Constant]) -> Result<(), &'static str> {
        let number = |value: &Constant| match value {
            Constant::Int(value) => Some(*value as f64),
            Constant::Float(value) => Some(*value),
            Constant::Duration(ns) => Some(*ns as f64),
            _ => None,
        };
        match (self, option, values) {
            (Self::Var(ddof) | Self::Std(ddof), _, [Constant::Int(value @ (0 | 1))]) => {
                *ddof = value.unsigned_abs();
            }
            (Self::Var(_) | Self::Std(_), ..) => return Err("0 or 1"),
            (Self::Quantile(q), _, [value]) => {
                match number(value).filter(|q| (0.0..=1.0).contains(q)) {
                    Some(value) => *q = value,
                    None => return Err("a number from 0 to 1"),
                }
            }
            (Self::Nth(n), _, [Constant::Int(value @ 0..)]) => *n = *value,
            (Self::Nth(_), ..) => return Err("an int from 0"),
            (Self::List(_, pad), "pad", [Constant::Int(value)]) => *pad = Some(*value),
            (Self::List(..), "pad", _) => return Err("an int"),
            (Self::List(limit, _), _, [Constant::Int(value)]) => {
                match usize::try_from(*value)
                    .ok()
                    .filter(|n| (1..=MAX_VALUES).contains(n))
                {
                    Some(value) => *limit = value,
                    None => return Err("an int from 1 to 65536"),
                }
            }
            (Self::List(..), ..) => return Err("an int from 1 to 65536"),
            (Self::Histogram(edges), _, values) => {
                let found: Option<Vec<f64>> = values.iter().map(number).collect();
                let rising = |edges: &Vec<f64>| {
                    !edges.is_empty()
                        && edges.len() <= 1024
                        && edges.windows(2).all(|two| two[0] < two[1])
                };
                match found.filter(rising) {
                    Some(found) => *edges = found,
                    None => return Err("a list of rising numbers that are written out"),
                }
            }
            (Self::Bursts(gap), _, [Constant::Duration(ns @ 1..)]) => *gap = *ns,
            (Self::Bursts(_), ..) => return Err("a duration above 0"),
            _ => return Err("a single value"),
        }
        Ok(())
    }
}

impl Aggregate {
    /// Its column.
    pub fn feature(&self) -> Feature {
        let (data_type, unit) = self.kind.column().unwrap_or((DataType::Bool, ""));
        let null = self.null.then(|| "no value, or too large".to_owned());
        declared(
            self.text.clone(),
            GROUP,
            &self.text,
            (data_type, unit),
            null,
        )
    }
}

/// The group of the columns that only expressions read.
pub const GROUP: &str = "aggregates";

/// A column that a spec declares.
pub fn declared(
    name: String,
    group: &str,
    text: &str,
    (data_type, unit): (DataType, &str),
    null: Option<String>,
) -> Feature {
    Feature {
        name: name.into(),
        group: group.to_owned().into(),
        unit: unit.to_owned().into(),
        null: null.map(Into::into),
        private: Private::usual(&data_type),
        default: "".into(),
        data_type,
        profile: Profile::Optional,
        scope: Scope::Flow,
        split: Split::No,
        sequence: false,
        when: None,
        definition: text.split_whitespace().collect::<Vec<_>>().join(" ").into(),
        element: None,
        source: None,
        differs: None,
    }
}
