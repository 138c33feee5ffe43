//! A plan, run.

use crate::{Error, Plan, Report};

/// What surrounds a run and is no part of its spec.
#[derive(Clone, Debug, Default)]
pub struct Control {
    /// Which line of the hosts file this process is.
    pub process: Option<usize>,
    /// Whether a progress bar may be shown.
    pub progress: bool,
}

/// Runs a plan to its end.
///
/// # Errors
/// The run failed; nothing half-written is left.
pub fn run(_plan: &Plan, _control: &Control) -> Result<Report, Error> {
    Err(Error::new("not merged yet"))
}
