//! Network flows and their features from packet captures, as a declarative dataflow.
//!
//! A spec declares where packets come from, how they become flow records, which features are computed and where rows go
//! ([`spec`]); a plan is what is left of it when everything that no sink wants is gone ([`plan`]); a run ends with its books
//! ([`report`]). The operators themselves are the crate `jayflow-operators`.

extern crate jayflow_operators as operators;

pub mod analysis;
pub mod cli;
mod cluster;
mod diff;
mod facts;
mod inputs;
mod matched;
pub mod memory;
pub mod plan;
pub mod provenance;
pub mod report;
pub mod run;
pub mod spec;
pub mod testing;
mod topology;

pub use cluster::Started;
pub use inputs::Layout;
pub use operators::Error;
pub use plan::Plan;
pub use report::Report;
pub use run::{Control, run};
pub use spec::{Diagnostics, Loaded, Spec};
