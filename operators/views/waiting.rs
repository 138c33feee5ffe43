//! Rows that wait for their tick: in columns, in memory up to a budget that all ticks share, beyond it on disk.

use crate::columns::{Columns, FlowEdge};
use crate::error::Error;
use crate::schema::Schema;
use crate::sinks::{Sorted, Sorter, Spool};
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

/// What waits on one worker, by tick.
pub(super) struct Waiting {
    schema: Schema,
    budget: usize,
    /// Where rows are that have no room: those of all ticks share few files.
    spool: Spool,
    open: BTreeMap<i64, Sorter>,
}

impl Waiting {
    /// Rows of this schema; what is beyond `budget` bytes goes to files of `folder`.
    pub fn new(schema: &Schema, budget: usize, folder: &Path) -> Self {
        Self {
            schema: schema.clone(),
            budget,
            spool: Spool::new(folder),
            open: BTreeMap::new(),
        }
    }

    /// Puts rows to their ticks, and tells which rows came to which. They stay in the batch that they came in until there is no room.
    pub fn push(
        &mut self,
        rows: Columns,
        tick_of: impl Fn(&FlowEdge) -> i64,
        mut each: impl FnMut(i64, &Columns, &[u32]),
    ) -> Result<(), Error> {
        let mut places: BTreeMap<i64, Vec<u32>> = BTreeMap::new();
        for (row, edge) in (0..).zip(&rows.edges) {
            places.entry(tick_of(edge)).or_default().push(row);
        }
        let batch = Arc::new(rows);
        for (tick, rows) in places {
            each(tick, &batch, &rows);
            let fresh = || Sorter::sharing(&self.schema, self.budget, &self.spool);
            self.open
                .entry(tick)
                .or_insert_with(fresh)
                .share(&batch, rows);
        }
        if self.bytes() > self.budget {
            self.make_room()?;
        }
        Ok(())
    }

    fn bytes(&self) -> usize {
        self.open.values().map(Sorter::bytes).sum()
    }

    /// Writes the largest to disk. A batch is free when nobody shares it.
    fn make_room(&mut self) -> Result<(), Error> {
        self.open.values_mut().for_each(Sorter::unshare);
        while self.bytes() > self.budget {
            let all = self.open.values_mut();
            let Some(largest) = all.max_by_key(|rows| rows.bytes()) else {
                break;
            };
            largest.spill()?;
        }
        Ok(())
    }

    /// The first tick that rows wait for.
    pub fn first(&self) -> Option<i64> {
        self.open.keys().next().copied()
    }

    /// The rows of a tick, in order.
    pub fn take(&mut self, tick: i64) -> Result<Option<Sorted>, Error> {
        self.open.remove(&tick).map(Sorter::finish).transpose()
    }
}
