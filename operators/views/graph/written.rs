//! Tables of the graph as they are written, tick by tick: as they are, or what changed.
//!
//! Where a row depends on its own node or edge alone, changes come from the facts that changed and cost no more than these. Where
//! measures of the whole graph are wanted any row may change with any record, and whole tables are compared.

use super::measured::Measured;
use super::relations::{Emit, Key, Relation, Row};
use super::tables::Tables;
use crate::columns::{Columns, RowWriter, Time};
use crate::schema::Schema;
use std::collections::BTreeMap;

/// A table as it is written, tick by tick.
pub struct Written {
    relation: Relation,
    schema: Schema,
    targets: Vec<Option<u32>>,
    /// What holds, where changes are written.
    before: BTreeMap<Key, Row>,
}

impl Written {
    /// Nothing was written of it.
    pub fn new(relation: Relation) -> Self {
        let mut next = 0;
        let targets = relation.all().into_iter().map(|feature| {
            relation.has(&feature.name).then(|| {
                next += 1;
                next - 1
            })
        });
        Self {
            targets: targets.collect(),
            schema: relation.schema(),
            before: BTreeMap::new(),
            relation,
        }
    }

    /// Whether the rows of a tick are written; `is_last` = no other tick comes.
    pub const fn wants(&self, is_last: bool) -> bool {
        self.relation.only_last == is_last
    }

    /// Whether it is written by what changed in the tables, which have to keep track of that.
    pub fn is_by_difference(&self) -> bool {
        self.relation.emit == Emit::Changes && !self.relation.only_last && self.relation.is_local()
    }

    /// The rows to write of a tick that ends at `at`, ns, by what changed in the tables.
    pub fn changes(&mut self, tables: &Tables, at: i64) -> Columns {
        let time = self.time(at);
        let changed = self.changed(tables).into_iter();
        let rows: Vec<Row> = changed.map(|(row, diff)| row.at(time, diff)).collect();
        self.columns(&rows, at)
    }

    /// The rows that go (-1), then those that come (1), by what changed in the tables.
    fn changed(&mut self, tables: &Tables) -> Vec<(Row, i8)> {
        let (mut gone, mut come) = (Vec::new(), Vec::new());
        for key in tables.changed(self.relation.table) {
            let row = self.relation.row(&key, tables);
            let before = match &row {
                Some(row) => self.before.insert(key, row.clone()),
                None => self.before.remove(&key),
            };
            if before != row {
                gone.extend(before.map(|row| (row, -1)));
                come.extend(row.map(|row| (row, 1)));
            }
        }
        gone.append(&mut come);
        gone
    }

    /// The same of whole tables.
    fn compared(&mut self, rows: BTreeMap<Key, Row>) -> Vec<(Row, i8)> {
        let gone = self
            .before
            .iter()
            .filter(|(key, row)| rows.get(*key) != Some(*row));
        let mut out: Vec<(Row, i8)> = gone.map(|(_, row)| (row.clone(), -1)).collect();
        let come = rows
            .iter()
            .filter(|(key, row)| self.before.get(*key) != Some(*row));
        out.extend(come.map(|(_, row)| (row.clone(), 1)));
        self.before = rows;
        out
    }

    /// The rows that go (-1), then those that come (1) at a tick.
    pub(super) fn differences<'m>(
        &mut self,
        tables: &Tables,
        measured: impl FnOnce() -> &'m mut Measured,
    ) -> Vec<(Row, i8)> {
        match self.is_by_difference() {
            true => self.changed(tables),
            false => self.compared(self.relation.rows(tables, measured())),
        }
    }

    fn time(&self, at: i64) -> Option<Time> {
        Some(Time(at)).filter(|_| self.relation.is_windowed)
    }

    /// The rows to write of a tick that ends at `at`, ns.
    pub fn tick(&mut self, tables: &Tables, measured: &Measured, at: i64) -> Columns {
        let rows = self.relation.rows(tables, measured);
        let time = self.time(at);
        let mut out = Vec::new();
        if self.relation.emit == Emit::Changes {
            let changed = self.compared(rows).into_iter();
            out.extend(changed.map(|(row, diff)| row.at(time, diff)));
        } else {
            out.extend(rows.values().map(|row| row.at(time, 1)));
        }
        self.columns(&out, at)
    }

    fn columns(&self, rows: &[Row], at: i64) -> Columns {
        let mut columns = Columns::with_room(&self.schema, rows.len());
        for (row, place) in rows.iter().zip(0..) {
            columns.keys.push((at, place));
            row.write(&mut RowWriter::new(&mut columns.columns, &self.targets));
        }
        columns
    }
}
