//! The settings of `[filters.N]`.

use crate::features::Expressions;
use crate::options::{OptionError, OptionValue, Options, Setting, Wrong};

/// Which routes a row takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Options)]
pub enum Mode {
    /// The first whose condition holds.
    First,
    /// All whose conditions hold.
    All,
}

/// A share from 0 to 1.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Share(pub f64);

impl OptionValue for Share {
    fn kind() -> String {
        "a share from 0 to 1".to_owned()
    }

    fn read(setting: &Setting) -> Result<Self, OptionError> {
        let share = f64::read(setting)?;
        if (0.0..=1.0).contains(&share) {
            return Ok(Self(share));
        }
        Err(Wrong::Other(format!("expected {}, found {share}", Self::kind())).into())
    }
}

/// Settings of a filter.
#[derive(Clone, Debug, Options)]
pub struct FilterOptions {
    /// Only the rows for which this expression is true go on.
    #[option(name = "where")]
    pub condition: Option<String>,
    /// Only this share of the rows goes on, by a hash of `flow_id`: the same rows in every run.
    #[option]
    pub sample: Option<Share>,
    /// Of rows that have the same values in these columns only the first goes on, by start. Not while an input still grows.
    #[option(default = "[]")]
    pub dedup: Vec<String>,
    /// Only so many rows go on, the first by start. Not while an input still grows.
    #[option]
    pub limit: Option<usize>,
    /// Outputs: a table `{ name = "expression" }`, read as `FILTER.name`. `else` as expression takes the rows of no other route.
    #[option]
    pub routes: Expressions,
    /// Which routes a row takes: the `first` whose expression is true, or `all`.
    #[option(default = "first")]
    pub mode: Mode,
}
