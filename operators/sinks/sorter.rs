//! Rows in the order of their keys, whatever order and batches they come in.
//!
//! Where rows go to several files, their last column is the number of the file, and comes before the key. Batches are held packed, up to a budget of bytes; beyond it they are written, sorted, as a run to disk (`spool.rs`). Runs are merged at
//! the end, and before that whenever `FAN_IN` of one size have come together, so memory stays bounded. Nothing here knows a sink.

use super::spool::{Run, Spool};
use crate::columns::{Batch, Column, Columns, FlowEdge, Packed, PackedColumns, RowKey, View};
use crate::error::Error;
use crate::schema::Schema;
use rayon::iter::{
    IndexedParallelIterator as _, IntoParallelRefMutIterator as _, ParallelIterator as _,
};
use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

/// Rows of a batch given out.
const BATCH: usize = 8_192;
/// Runs merged at once.
const FAN_IN: usize = 64;

/// Takes rows and gives them back sorted.
pub struct Sorter {
    schema: Schema,
    files: Files,
    budget: usize,
    fan_in: usize,
    spool: Spool,
    held: Vec<Share>,
    bytes: usize,
    /// Runs of one batch of memory, merged runs, runs of these.
    runs: Vec<Vec<Run>>,
}

/// Rows of a batch.
struct Share {
    batch: Rows,
    /// Those that are meant; `None` = all.
    rows: Option<Vec<u32>>,
}

enum Rows {
    /// Nobody else's.
    Own(PackedColumns),
    /// Of a batch that others have too.
    Shared(Arc<Columns>),
}

impl Rows {
    fn own(self) -> PackedColumns {
        match self {
            Self::Own(batch) => batch,
            Self::Shared(batch) => Arc::unwrap_or_clone(batch).into(),
        }
    }

    fn bytes(&self) -> usize {
        match self {
            Self::Own(batch) => batch.bytes(),
            Self::Shared(batch) => batch.bytes(),
        }
    }
}

impl Batch for Rows {
    fn keys(&self) -> &[RowKey] {
        match self {
            Self::Own(batch) => batch.keys(),
            Self::Shared(batch) => &batch.keys,
        }
    }

    fn edges(&self) -> &[FlowEdge] {
        match self {
            Self::Own(batch) => batch.edges(),
            Self::Shared(batch) => &batch.edges,
        }
    }

    fn view(&self, column: usize) -> View<'_> {
        match self {
            Self::Own(batch) => batch.view(column),
            Self::Shared(batch) => batch.view(column),
        }
    }
}

impl Sorter {
    /// A sorter of rows of `schema` that holds about `budget` bytes in memory and puts the rest into files of `folder`.
    pub fn new(schema: &Schema, budget: usize, folder: &Path) -> Self {
        Self::sharing(schema, budget, &Spool::new(folder))
    }

    /// The same with files that it shares with other sorters.
    pub fn sharing(schema: &Schema, budget: usize, spool: &Spool) -> Self {
        Self {
            schema: schema.clone(),
            files: Files(None),
            budget,
            fan_in: FAN_IN,
            spool: spool.clone(),
            held: Vec::new(),
            bytes: 0,
            runs: Vec::new(),
        }
    }

    /// The same for rows whose last column is the number of their file, U32: they come file by file.
    #[must_use]
    pub fn by_file(self) -> Self {
        let files = Files(self.schema.len().checked_sub(1));
        Self { files, ..self }
    }

    /// Takes rows, in any order.
    pub fn push(&mut self, rows: Columns) {
        if rows.rows() > 0 {
            let batch = PackedColumns::from(rows);
            self.bytes += batch.bytes();
            self.held.push(Share {
                batch: Rows::Own(batch),
                rows: None,
            });
        }
    }

    /// Takes these rows of a batch, without a copy, with their part of its bytes.
    pub fn share(&mut self, batch: &Arc<Columns>, rows: Vec<u32>) {
        self.bytes += part_of(batch, rows.len());
        self.held.push(Share {
            batch: Rows::Shared(Arc::clone(batch)),
            rows: Some(rows),
        });
    }

    /// Copies what it shares, so that nothing but its own rows is in memory for it.
    pub fn unshare(&mut self) {
        for share in &mut self.held {
            if let Some(rows) = share.rows.take() {
                let picks: Vec<(u32, u32)> = rows.into_iter().map(|row| (0, row)).collect();
                let mut own = Columns::with_room(&self.schema, picks.len());
                own.gather(&[&share.batch], &picks);
                share.batch = Rows::Own(own.into());
            }
        }
        self.bytes = self.held.iter().map(|share| share.batch.bytes()).sum();
    }

    /// Bytes of rows that it holds in memory.
    pub const fn bytes(&self) -> usize {
        self.bytes
    }

    /// Whether it holds more than its budget, and wants to [`Sorter::spill`].
    pub fn is_full(&self) -> bool {
        self.bytes > self.budget
    }

    /// Whether some of its rows are in files.
    pub fn has_spilled(&self) -> bool {
        self.runs.iter().any(|runs| !runs.is_empty())
    }

    /// The rows, sorted.
    ///
    /// # Errors
    /// A temporary file cannot be written or read.
    pub fn finish(mut self) -> Result<Sorted, Error> {
        let rows = if self.runs.is_empty() {
            Order::Held(Held::new(std::mem::take(&mut self.held), self.files))
        } else {
            self.spill()?;
            // merged runs are older: rows of one key stay in the order in which they came
            let runs = std::mem::take(&mut self.runs).into_iter().rev().flatten();
            Order::Merged(Merge::new(runs.collect(), &self.schema, self.files)?)
        };
        Ok(Sorted {
            schema: std::mem::take(&mut self.schema),
            rows,
        })
    }

    /// Writes what it holds to a file.
    ///
    /// # Errors
    /// A temporary file cannot be written.
    pub fn spill(&mut self) -> Result<(), Error> {
        if self.held.is_empty() {
            return Ok(());
        }
        let held = Held::new(std::mem::take(&mut self.held), self.files);
        let rows = held.order.len();
        let piece = self.piece(self.bytes / rows);
        self.bytes = 0;
        self.write(Order::Held(held), piece, 0)?;
        for level in 0.. {
            let Some(runs) = self
                .runs
                .get_mut(level)
                .filter(|runs| runs.len() >= self.fan_in)
            else {
                break;
            };
            let merge = Merge::new(std::mem::take(runs), &self.schema, self.files)?;
            self.write(Order::Merged(merge), piece, level + 1)?;
        }
        Ok(())
    }

    /// Rows of a piece of a run: a merge holds one piece of each run in memory.
    fn piece(&self, row_bytes: usize) -> usize {
        (self.budget / self.fan_in / row_bytes.max(1)).clamp(1, BATCH)
    }

    fn write(&mut self, mut rows: Order, piece: usize, level: usize) -> Result<(), Error> {
        let mut run = self.spool.run()?;
        while let Some(batch) = rows.next(&self.schema, piece, false)? {
            run.write(&batch.into())?;
        }
        if self.runs.len() == level {
            self.runs.push(Vec::new());
        }
        self.runs[level].push(run.finish()?);
        Ok(())
    }
}

/// Rows in the order of their keys, a batch at a time.
pub struct Sorted {
    schema: Schema,
    rows: Order,
}

impl Sorted {
    /// The next rows, at most so many.
    ///
    /// # Errors
    /// A temporary file cannot be read.
    pub fn next_rows(&mut self, rows: usize) -> Result<Option<Columns>, Error> {
        self.rows.next(&self.schema, rows, false)
    }

    /// The next rows of one file, at most so many; the next ones may be of the same.
    ///
    /// # Errors
    /// A temporary file cannot be read.
    pub fn next_of_file(&mut self, rows: usize) -> Result<Option<Columns>, Error> {
        self.rows.next(&self.schema, rows, true)
    }

    /// The rows column by column, where all are in memory: who takes a column after the other touches less memory at a time.
    ///
    /// # Errors
    /// Gives itself back where some are in files.
    pub fn by_column(self) -> Result<SortedColumns, Self> {
        match self.rows {
            Order::Held(Held { batches, order, .. }) => {
                let mut columns: Vec<Vec<Packed>> = Vec::new();
                columns.resize_with(self.schema.len(), || Vec::with_capacity(batches.len()));
                for batch in batches {
                    let batch = batch.own().into_columns();
                    for (parts, part) in columns.iter_mut().zip(batch) {
                        parts.push(part);
                    }
                }
                Ok(SortedColumns {
                    schema: self.schema,
                    columns,
                    order,
                })
            }
            rows @ Order::Merged(_) => Err(Self { rows, ..self }),
        }
    }
}

/// Rows in memory, each column by itself.
pub struct SortedColumns {
    schema: Schema,
    /// For each column of the schema, its parts in the batches that came.
    columns: Vec<Vec<Packed>>,
    /// For each row, its batch and its place there.
    order: Vec<(u32, u32)>,
}

impl SortedColumns {
    /// Number of rows.
    pub fn rows(&self) -> usize {
        self.order.len()
    }

    /// What `take` makes of these rows of each column, in order, with its own of `with`; each column in whichever thread is free.
    /// The last rows free what they were made of, and can be taken once.
    ///
    /// # Errors
    /// One of those of `take`.
    pub fn take<With: Send, Made: Send, Fault: Send>(
        &mut self,
        rows: Range<usize>,
        with: Vec<With>,
        take: impl Fn(With, Column) -> Result<Made, Fault> + Sync,
    ) -> Result<Vec<Made>, Fault> {
        let is_last = rows.end == self.order.len();
        let picks = &self.order[rows];
        let columns = self.columns.par_iter_mut().zip(&self.schema).zip(with);
        let made = columns.map(|((parts, feature), with)| {
            let mut column = Column::new(&feature.data_type, feature.null.is_some());
            column.gather(&parts.iter().map(Packed::view).collect::<Vec<_>>(), picks);
            if is_last {
                *parts = Vec::new();
            }
            take(with, column)
        });
        made.collect()
    }
}

impl Iterator for Sorted {
    type Item = Result<Columns, Error>;

    /// The next rows, about 8,192. An error is that of a temporary file that cannot be read; nothing sound follows it.
    fn next(&mut self) -> Option<Self::Item> {
        self.next_rows(BATCH).transpose()
    }
}

enum Order {
    Held(Held),
    Merged(Merge),
}

impl Order {
    /// With `one_file` the rows are all of the same.
    fn next(
        &mut self,
        schema: &Schema,
        rows: usize,
        one_file: bool,
    ) -> Result<Option<Columns>, Error> {
        match self {
            Self::Held(held) => Ok(held.next(schema, rows, one_file)),
            Self::Merged(merge) => merge.next(schema, rows, one_file),
        }
    }
}

/// The bytes of so many rows of a batch.
fn part_of(batch: &Columns, rows: usize) -> usize {
    (batch.bytes() / batch.rows().max(1)).saturating_mul(rows)
}

/// The column with the number of the file of a row, if there is one.
#[derive(Clone, Copy)]
struct Files(Option<usize>);

impl Files {
    /// The file of a row.
    fn of(self, batch: &impl Batch, row: u32) -> u32 {
        self.0.map_or(0, |column| batch.view(column).small(row))
    }
}

/// Batches in memory, and the order of their rows.
struct Held {
    batches: Vec<Rows>,
    order: Vec<(u32, u32)>,
    /// Where the rows of each file end, the last one first; none = there are no files.
    ends: Vec<usize>,
    given: usize,
}

impl Held {
    fn new(shares: Vec<Share>, files: Files) -> Self {
        let count = shares.iter().map(|share| {
            let rows = share.rows.as_ref();
            rows.map_or_else(|| share.batch.keys().len(), Vec::len)
        });
        let mut order: Vec<(RowKey, (u32, u32))> = Vec::with_capacity(count.sum());
        for (at, share) in (0_u32..).zip(&shares) {
            let keys = share.batch.keys();
            match &share.rows {
                None => {
                    let rows = (0_u32..).zip(keys);
                    order.extend(rows.map(|(row, key)| (*key, (at, row))));
                }
                Some(rows) => {
                    let rows = rows.iter();
                    order.extend(rows.map(|row| (keys[*row as usize], (at, *row))));
                }
            }
        }
        order.sort_unstable(); // early rows have the key of their record: what came first is first
        let batches: Vec<Rows> = shares.into_iter().map(|share| share.batch).collect();
        let mut ends = Vec::new();
        if files.0.is_some() {
            let file = |(batch, row): (u32, u32)| files.of(&batches[batch as usize], row);
            order.sort_by_cached_key(|(_, place)| file(*place));
            let pairs = order.windows(2).enumerate().rev();
            let last = pairs.filter(|(_, pair)| file(pair[0].1) != file(pair[1].1));
            ends.push(order.len());
            ends.extend(last.map(|(at, _)| at + 1));
        }
        Self {
            batches,
            order: order.into_iter().map(|(_, place)| place).collect(),
            ends,
            given: 0,
        }
    }

    fn next(&mut self, schema: &Schema, rows: usize, one_file: bool) -> Option<Columns> {
        while self.ends.last().is_some_and(|end| *end <= self.given) {
            self.ends.pop();
        }
        let most = match self.ends.last() {
            Some(end) if one_file => *end,
            _ => self.order.len(),
        };
        let end = most.min(self.given + rows);
        let picks = &self.order[self.given..end];
        self.given = end;
        (!picks.is_empty()).then(|| {
            let sources: Vec<&Rows> = self.batches.iter().collect();
            let mut batch = Columns::with_room(schema, picks.len());
            batch.gather(&sources, picks);
            batch
        })
    }
}

/// Sorted runs, read side by side.
struct Merge {
    runs: Vec<Run>,
    /// The piece of each run that is being given out.
    pieces: Vec<PackedColumns>,
    files: Files,
    /// The next row of each run: its file and key, the run, its place in the piece.
    heads: BinaryHeap<Reverse<(u32, RowKey, u32, u32)>>,
}

impl Merge {
    fn new(mut runs: Vec<Run>, schema: &Schema, files: Files) -> Result<Self, Error> {
        let mut pieces = Vec::with_capacity(runs.len());
        let mut heads = BinaryHeap::with_capacity(runs.len());
        for (at, run) in (0_u32..).zip(&mut runs) {
            let piece = run.next()?.unwrap_or_else(|| Columns::new(schema).into());
            let first = piece.keys().first();
            heads.extend(first.map(|key| Reverse((files.of(&piece, 0), *key, at, 0))));
            pieces.push(piece);
        }
        Ok(Self {
            runs,
            pieces,
            files,
            heads,
        })
    }

    fn next(
        &mut self,
        schema: &Schema,
        rows: usize,
        one_file: bool,
    ) -> Result<Option<Columns>, Error> {
        let mut batch = Columns::with_room(schema, rows);
        let mut picks = Vec::with_capacity(rows);
        let first = self.heads.peek().map(|Reverse((file, ..))| *file);
        while batch.rows() + picks.len() < rows {
            let is_other = |head: &Reverse<(u32, RowKey, u32, u32)>| Some(head.0.0) != first;
            if one_file && self.heads.peek().is_none_or(is_other) {
                break;
            }
            let Some(Reverse((_, _, run, row))) = self.heads.pop() else {
                break;
            };
            picks.push((run, row));
            let at = run as usize;
            let mut next = row + 1;
            if self.pieces[at].keys().len() == next as usize {
                self.give(&mut batch, &mut picks); // they point into the piece that ends here
                self.pieces[at] = self.runs[at]
                    .next()?
                    .unwrap_or_else(|| Columns::new(schema).into());
                next = 0;
            }
            let piece = &self.pieces[at];
            if let Some(key) = piece.keys().get(next as usize) {
                let file = self.files.of(piece, next);
                self.heads.push(Reverse((file, *key, run, next)));
            }
        }
        self.give(&mut batch, &mut picks);
        Ok((batch.rows() > 0).then_some(batch))
    }

    fn give(&self, batch: &mut Columns, picks: &mut Vec<(u32, u32)>) {
        let sources: Vec<&PackedColumns> = self.pieces.iter().collect();
        batch.gather(&sources, picks);
        picks.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sinks::sample;
    use proptest::prelude::*;

    /// The rows `places` of the sample rows again and again, under keys made of `keys`.
    fn batch(keys: &[RowKey], from: &Columns, schema: &Schema) -> Columns {
        let mut batch = Columns::new(schema);
        for key in keys {
            let row = usize::try_from(key.1 % 3).unwrap();
            batch.push_from(from, row);
            *batch.keys.last_mut().unwrap() = *key;
        }
        batch
    }

    fn sorted(
        mut sorter: Sorter,
        batches: impl IntoIterator<Item = Columns>,
    ) -> (Vec<RowKey>, Vec<Columns>, usize) {
        for rows in batches {
            sorter.push(rows);
            if sorter.is_full() {
                sorter.spill().unwrap();
            }
        }
        let levels = sorter.runs.len();
        let batches: Vec<Columns> = sorter.finish().unwrap().map(Result::unwrap).collect();
        let keys = batches
            .iter()
            .flat_map(|batch| batch.keys.clone())
            .collect();
        (keys, batches, levels)
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn any_batching_and_budget_gives_one_order(
            keys in proptest::collection::btree_set((-5_i64..5, any::<u64>()), 0..200),
            seed in proptest::collection::vec(any::<u32>(), 200),
            sizes in proptest::collection::vec(0_usize..20, 1..20),
            budget in prop_oneof![Just(0), 0_usize..20_000, Just(usize::MAX)],
            fan_in in 2_usize..5,
        ) {
            let (description, sample) = sample::rows();
            let schema = &description.schema;
            let expected: Vec<RowKey> = keys.into_iter().collect();
            let mut shuffled: Vec<(u32, RowKey)> = seed.into_iter().zip(expected.iter().copied()).collect();
            shuffled.sort_unstable();
            let mut left: Vec<RowKey> = shuffled.into_iter().map(|(_, key)| key).collect();
            let mut batches = Vec::new();
            for size in sizes.iter().cycle() {
                if left.is_empty() || sizes.iter().all(|size| *size == 0) {
                    break;
                }
                let rest = left.split_off(left.len().min(*size));
                batches.push(batch(&left, &sample, schema));
                left = rest;
            }
            if !left.is_empty() {
                batches.push(batch(&left, &sample, schema));
            }
            let folder = tempfile::tempdir().unwrap();
            let mut sorter = Sorter::new(schema, budget, folder.path());
            sorter.fan_in = fan_in;
            let (found, batches, _) = sorted(sorter, batches);
            prop_assert_eq!(&found, &expected);
            let mut all = Columns::new(schema);
            for rows in &batches {
                (0..rows.rows()).for_each(|row| all.push_from(rows, row));
            }
            prop_assert_eq!(all, batch(&expected, &sample, schema));
            prop_assert!(crate::sinks::file::tests::names(folder.path()).is_empty());
        }
    }

    #[test]
    fn many_runs_are_merged_in_levels_and_given_in_batches() {
        let (description, sample) = sample::rows();
        let schema = &description.schema;
        let folder = tempfile::tempdir().unwrap();
        let mut sorter = Sorter::new(schema, 1 << 16, folder.path());
        sorter.fan_in = 4;
        let expected: Vec<RowKey> = (0_u32..20_000)
            .map(|at| (i64::from(at / 2), u64::from(at)))
            .collect();
        let batches = (0..40).map(|part| {
            let keys: Vec<RowKey> = expected
                .iter()
                .rev()
                .copied()
                .skip(part)
                .step_by(40)
                .collect();
            batch(&keys, &sample, schema)
        });
        let (found, batches, levels) = sorted(sorter, batches);
        assert!(levels >= 3, "{levels} levels");
        assert!(found == expected);
        assert_eq!(batches[0].rows(), BATCH);
        assert_eq!(batches.len(), 3);
    }

    #[test]
    fn temporary_rows_are_invisible_and_a_missing_folder_is_named() {
        let (description, sample) = sample::rows();
        let folder = tempfile::tempdir().unwrap();
        let mut sorter = Sorter::new(&description.schema, 0, folder.path());
        sorter.push(sample.clone());
        sorter.spill().unwrap();
        assert_eq!(sorter.runs.len(), 1);
        assert!(crate::sinks::file::tests::names(folder.path()).is_empty());
        let mut sorter = Sorter::new(&description.schema, 0, &folder.path().join("none"));
        sorter.push(sample);
        let error = sorter.spill().unwrap_err();
        assert!(error.to_string().contains("none"), "{error}");
    }
}
