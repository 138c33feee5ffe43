//! Families of columns: the statistics that the groups give of a list of numbers, with their names.

use super::{Deviation, Lengths, Moments, Quantiles, SECOND, SortedLengths, seconds};
use crate::columns::RowWriter;
use crate::schema::{Family, Member, Value};

macro_rules! family {
    ($(#[$doc:meta])* $name:ident { $($field:ident: $type:ty = $phrase:literal,)+ }) => {
        $(#[$doc])*
        #[derive(Clone, Debug, Default, PartialEq)]
        pub struct $name { $(#[doc = concat!($phrase, " the list.")] pub $field: $type,)+ }

        impl Family for $name {
            fn members() -> Vec<Member> {
                vec![$(Member {
                    suffix: stringify!($field),
                    phrase: $phrase,
                    data_type: <$type as Value>::data_type(),
                },)+]
            }
            fn write(&self, out: &mut RowWriter<'_>) {
                $(self.$field.write(out);)+
            }
        }
    };
}

family! {
    /// Ten statistics of times in seconds; null for an empty list.
    Summary {
        min: Option<f64> = "Minimum of",
        max: Option<f64> = "Maximum of",
        mean: Option<f64> = "Arithmetic mean of",
        std: Option<f64> = "Population standard deviation (divide by n) of",
        median: Option<f64> = "50th percentile (linear interpolation, R type 7) of",
        sum: Option<f64> = "Sum of",
        p25: Option<f64> = "25th percentile (R type 7) of",
        p75: Option<f64> = "75th percentile (R type 7) of",
        p90: Option<f64> = "90th percentile (R type 7) of",
        p99: Option<f64> = "99th percentile (R type 7) of",
    }
}
family! {
    /// Five statistics of times in seconds; null for an empty list.
    Spread {
        min: Option<f64> = "Minimum of",
        max: Option<f64> = "Maximum of",
        mean: Option<f64> = "Arithmetic mean of",
        std: Option<f64> = "Population standard deviation (divide by n) of",
        median: Option<f64> = "50th percentile (linear interpolation, R type 7) of",
    }
}
family! {
    /// Four statistics of times in seconds; null for an empty list.
    TimeSpread {
        min: Option<f64> = "Minimum of",
        mean: Option<f64> = "Arithmetic mean of",
        max: Option<f64> = "Maximum of",
        std: Option<f64> = "Population standard deviation (divide by n) of",
    }
}
family! {
    /// Eight statistics of lengths in bytes, of a list that is never empty.
    LengthSummary {
        min: u32 = "Minimum of",
        max: u32 = "Maximum of",
        mean: f64 = "Arithmetic mean of",
        std: f64 = "Population standard deviation (divide by n) of",
        median: f64 = "50th percentile (R type 7) of",
        p25: f64 = "25th percentile (R type 7) of",
        p75: f64 = "75th percentile (R type 7) of",
        p90: f64 = "90th percentile (R type 7) of",
    }
}
family! {
    /// Five statistics of lengths in bytes; null for an empty list.
    LengthSpread {
        min: Option<u32> = "Minimum of",
        max: Option<u32> = "Maximum of",
        mean: Option<f64> = "Arithmetic mean of",
        std: Option<f64> = "Population standard deviation (divide by n) of",
        median: Option<f64> = "50th percentile (R type 7) of",
    }
}

impl Summary {
    /// The statistics of a list of ns. Without `quantiles` there are no percentiles: nobody asked for one.
    pub fn of(moments: &Moments, quantiles: Option<&mut Quantiles>, deviation: Deviation) -> Self {
        let percentiles = |quantiles: &mut Quantiles| {
            quantiles.percentiles(moments, [50, 25, 75, 90, 99], SECOND)
        };
        let [median, p25, p75, p90, p99] = quantiles.map_or([None; 5], percentiles);
        Self {
            min: moments.min().map(seconds),
            max: moments.max().map(seconds),
            mean: moments.mean(SECOND),
            std: moments.std(SECOND, deviation),
            median,
            sum: (moments.count() > 0).then(|| seconds(moments.sum())),
            p25,
            p75,
            p90,
            p99,
        }
    }
}

impl Spread {
    /// The statistics of a list of ns. Without `quantiles` there is no median: nobody asked for it.
    pub fn of(moments: &Moments, quantiles: Option<&mut Quantiles>, deviation: Deviation) -> Self {
        let percentiles = |quantiles: &mut Quantiles| quantiles.percentiles(moments, [50], SECOND);
        let [median] = quantiles.map_or([None], percentiles);
        Self {
            min: moments.min().map(seconds),
            max: moments.max().map(seconds),
            mean: moments.mean(SECOND),
            std: moments.std(SECOND, deviation),
            median,
        }
    }
}

impl TimeSpread {
    /// The statistics of a list of ns.
    pub fn of(moments: &Moments, deviation: Deviation) -> Self {
        Self {
            min: moments.min().map(seconds),
            mean: moments.mean(SECOND),
            max: moments.max().map(seconds),
            std: moments.std(SECOND, deviation),
        }
    }
}

/// A length, which came from 32 bits.
fn length(value: u64) -> u32 {
    u32::try_from(value).unwrap_or(u32::MAX)
}

impl LengthSummary {
    /// The statistics of lengths: `moments` and `lengths` are of the same packets. Without `lengths` percentiles are 0: nobody
    /// asked for one.
    pub fn of(moments: &Moments, lengths: Option<&SortedLengths>, deviation: Deviation) -> Self {
        let percentile = |q| {
            let found = lengths.and_then(|lengths| lengths.percentile(q, Lengths::both));
            found.unwrap_or_default()
        };
        Self {
            min: moments.min().map(length).unwrap_or_default(),
            max: moments.max().map(length).unwrap_or_default(),
            mean: moments.mean(1).unwrap_or_default(),
            std: moments.std(1, deviation).unwrap_or_default(),
            median: percentile(50),
            p25: percentile(25),
            p75: percentile(75),
            p90: percentile(90),
        }
    }
}

impl LengthSpread {
    /// The statistics of the lengths of one direction: `moments` are of its packets, `lengths` of all, if somebody asked for the
    /// median.
    pub fn of(
        moments: &Moments,
        lengths: Option<&SortedLengths>,
        direction: usize,
        deviation: Deviation,
    ) -> Self {
        Self {
            min: moments.min().map(length),
            max: moments.max().map(length),
            mean: moments.mean(1),
            std: moments.std(1, deviation),
            median: lengths
                .and_then(|lengths| lengths.percentile(50, |counts| counts[direction & 1])),
        }
    }
}
