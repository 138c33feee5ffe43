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

/// A test whose names and values are right.
#[derive(Clone, Debug)]
pub struct Test {
    /// What it reads and how often it runs.
    pub options: TestOptions,
    /// What some row must have, for each entry of `expect`: columns and what they must be.
    pub expect: Vec<Vec<(String, Wanted)>>,
    /// The columns that joins have put behind those of its rows.
    pub behind: Behind,
}
