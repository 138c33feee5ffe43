//! The tests of a spec, `[tests.*]`: what must be true of its rows for captures, or for packets that are written in the spec.
//!
//! A test runs the spec with other sources and with no sinks of its own. What a value must be is in `wanted.rs`, what is compared and how
//! it is told in `verdict.rs`, the packets in `packets.rs`.

mod options;
mod packets;
mod run;
mod verdict;
mod wanted;

pub use options::{Bound, Expectation, PacketOptions, TestOptions};
pub use packets::capture;
pub use run::run;
pub use wanted::{Wanted, wanted};

use crate::spec::Behind;
use operators::expressions::Typed;
use operators::views::rules::Plan;

/// A test whose names and values are right.
#[derive(Clone, Debug)]
pub struct Test {
    /// What it reads and how often it runs.
    pub options: TestOptions,
    /// The nodes whose rows are looked at.
    pub at: Vec<String>,
    /// What rows must have, for each entry of `expect`.
    pub expect: Vec<Expected>,
    /// What must be true of no row.
    pub none: Vec<Condition>,
    /// What must be true of all rows together.
    pub assert: Vec<Assertion>,
    /// The columns that joins have put behind those of its rows.
    pub behind: Behind,
}

/// What rows must have.
#[derive(Clone, Debug, Default)]
pub struct Expected {
    /// Which rows: all for which it is true; `None` = some row.
    pub condition: Option<Condition>,
    /// Columns and what they must be.
    pub columns: Vec<(String, Wanted)>,
}

/// A condition over all rows together: a view of one group of them, whose first column says whether it is true. The others, if there
/// are any, are its two sides.
#[derive(Clone, Debug)]
pub struct Assertion {
    /// As it is written.
    pub text: String,
    /// The texts of its sides.
    pub sides: Vec<String>,
    /// The view.
    pub rules: Plan,
}

/// A condition over rows.
#[derive(Clone, Debug)]
pub struct Condition {
    /// As it is written.
    pub text: String,
    /// What it means.
    pub typed: Typed,
    /// The columns that it is about, as sinks name them.
    pub columns: Vec<String>,
}
