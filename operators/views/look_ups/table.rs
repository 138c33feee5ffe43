//! A relation as it is at one tick: rows by their key.

use super::told::{Answers, Cell, Cells, Told};
use crate::columns::{Column, Values};
use crate::expressions::{Constant, Type};
use crate::views::rules::{self, Made};
use hashbrown::HashMap;
use hashbrown::hash_map::Entry;

/// A relation.
pub struct Table {
    /// Its place among those that are told.
    place: usize,
    keys: Vec<usize>,
    /// The rows that have a key, each as often as it is there.
    rows: HashMap<Cells, Vec<(Cells, isize)>, foldhash::fast::FixedState>,
}

impl Table {
    /// An empty one.
    pub fn new(place: usize, made: &Made) -> Self {
        Self {
            place,
            keys: made.keys.clone(),
            rows: HashMap::default(),
        }
    }

    /// What is told of it.
    pub fn told<'a>(&self, answers: &'a Answers) -> Option<&'a Told> {
        answers.told.get(self.place)
    }

    /// Takes what is told before a time, or all.
    pub fn take(&mut self, before: Option<u64>, answers: &mut Answers) {
        let Some(told) = answers.told.get_mut(self.place) else {
            return;
        };
        let later = match before {
            Some(time) => told.changes.split_off(&time),
            None => Default::default(),
        };
        let changes = std::mem::replace(&mut told.changes, later);
        for (row, diff) in changes.into_values().flatten() {
            self.change(row, diff);
        }
    }

    fn change(&mut self, row: Cells, diff: isize) {
        let key: Cells = self
            .keys
            .iter()
            .filter_map(|at| row.get(*at).cloned())
            .collect();
        match self.rows.entry(key) {
            Entry::Vacant(entry) => {
                entry.insert(vec![(row, diff)]);
            }
            Entry::Occupied(mut entry) => {
                let rows = entry.get_mut();
                match rows.iter_mut().find(|(one, _)| *one == row) {
                    Some((_, times)) => *times += diff,
                    None => rows.push((row, diff)),
                }
                rows.retain(|(_, times)| *times != 0);
                if rows.is_empty() {
                    entry.remove();
                }
            }
        }
    }

    /// The row with this key.
    pub fn find(&self, key: &[Cell]) -> Option<&Cells> {
        let rows = self.rows.get(key)?;
        let mut there = rows.iter().filter(|(_, times)| *times > 0);
        there.next().map(|(row, _)| row)
    }
}

/// Adds a value to a column of its type; `None` = null.
pub fn write(cell: Option<&Cell>, kind: &Type, column: &mut Column) {
    let (word, spelling) = match cell {
        None => {
            column.push_zero();
            if let Some(valid) = &mut column.valid {
                valid.push(false);
            }
            return;
        }
        Some(Cell::Word(word)) => (*word, Constant::Null),
        Some(Cell::Text(text)) => {
            let text = String::from_utf8_lossy(text).into_owned();
            (0, Constant::Text(text))
        }
        Some(Cell::Ip(address)) => (0, Constant::Ip(*address)),
        Some(Cell::List(cells)) => {
            if let (Values::List { ends, items }, Type::List(item)) = (&mut column.values, kind) {
                cells.iter().for_each(|cell| write(Some(cell), item, items));
                ends.push(u32::try_from(items.len()).unwrap_or(u32::MAX));
            }
            if let Some(valid) = &mut column.valid {
                valid.push(true);
            }
            return;
        }
    };
    rules::write(word, kind, column, |_| spelling);
}
