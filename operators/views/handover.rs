//! What the gate hands to the join: rows that are ready as soon as their tick is counted. Both are on one worker.

use super::graph::Named;
use super::past::Pasts;
use crate::columns::Columns;
use crate::error::Error;
use crate::sinks::Sorted;
use std::cell::RefCell;
use std::collections::VecDeque;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Rows and the tick that they wait for.
pub struct Ready {
    /// Names that change, by tick.
    pub named: Vec<(u64, Vec<Named>)>,
    /// The last tick.
    pub last: u64,
    /// The rows.
    pub rows: Rows,
    /// What is known of them beside the graph.
    pub past: Pasts,
}

/// Rows that are ready.
pub enum Rows {
    /// None: only records have left.
    None,
    /// Of one tick.
    Of(Sorted),
    /// Each with its tick.
    Each(Columns, Vec<u64>),
}

/// Between gate and join.
pub struct Handover {
    /// In the order of their ticks.
    pub ready: VecDeque<Ready>,
    lost: Lost,
}

/// Whether rows that waited are lost.
pub(super) struct Lost {
    failed: Option<Error>,
    stop: Arc<AtomicBool>,
}

impl Lost {
    /// None so far; `stop` is set when some are, so that readers stop.
    pub const fn new(stop: Arc<AtomicBool>) -> Self {
        Self { failed: None, stop }
    }

    /// Tells that rows are lost: the run fails.
    pub fn fail(&mut self, error: Error) {
        self.stop.store(true, Ordering::Relaxed);
        self.failed.get_or_insert(error);
    }

    /// What failed, if anything.
    pub const fn take_error(&mut self) -> Option<Error> {
        self.failed.take()
    }
}

/// As both hold it.
pub type Shared = Rc<RefCell<Handover>>;

impl Handover {
    /// With nothing in it; `stop` is set when something fails, so that readers stop.
    pub fn new(stop: Arc<AtomicBool>) -> Shared {
        Rc::new(RefCell::new(Self {
            ready: VecDeque::new(),
            lost: Lost::new(stop),
        }))
    }

    /// Tells that rows are lost: the run fails.
    pub fn fail(&mut self, error: Error) {
        self.lost.fail(error);
        self.ready.clear();
    }

    /// What failed, if anything.
    pub const fn take_error(&mut self) -> Option<Error> {
        self.lost.take_error()
    }
}
