//! Rows to files: one file a type, and the list of them.

mod arrow;
mod csv;
mod file;
mod graph;
mod jsonl;
mod lines;
mod options;
mod packer;
mod parquet;
mod parts;
mod pattern;
mod provenance;
mod record_batch;
#[cfg(test)]
pub(crate) mod sample;
mod sink;
mod sorter;
mod spool;
mod staged;
mod stdout;
mod text;

use crate::books::{Anomaly, Books};
use crate::columns::Columns;
use crate::container::{Deal, each_batch};
use crate::doing::Doing;
use crate::error::Error;
use crate::expressions::RowProgram;
use crate::features::Projection;
use crate::options::{Key, OptionError, Options, Setting};
use crate::privacy::{Anonymise, Anonymiser};
use crate::schema::Schema;
use crate::views::ConnectionOptions;
use crate::views::graph::Relation;
pub use file::{WholeFile, discard, folder, is_closed_pipe, sweep};
pub use graph::{GraphFormat, GraphOptions};
pub use options::{
    ArrowCompression, ArrowOptions, Compression, CsvOptions, Delimiter, JsonlOptions,
    ParquetOptions, RowGroup, Sort, StdoutOptions, TextCompression,
};
pub use parts::{MOST_FILES, Parts, numbered, open as open_parts};
pub use pattern::{NAMES as PATTERN_NAMES, NULL as NULL_IN_PATHS, Pattern, PatternFault, is_value};
pub use provenance::{DURATION_UNIT, Fact, PREFIX, Sidecar, beside, facts, to_json};
use rayon::ThreadPool;
pub use sink::{Description, FileCount, Sink};
pub use sorter::{Sorted, SortedColumns, Sorter};
pub use spool::Spool;
pub use staged::sweep_staged;
use std::cell::RefCell;
use std::path::Path;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
#[cfg(test)]
pub(crate) use text::plain as plain_text;
pub use text::printable;
use timely::dataflow::Stream;
use timely::dataflow::channels::pact::DistributorPact;
use timely::dataflow::operators::generic::builder_rc::OperatorBuilder;

macro_rules! kinds {
    ($($(#[$doc:meta])* $kind:ident($options:ident) = $name:literal,)+) => {
        /// The settings of a sink, by its type.
        #[derive(Clone, Debug)]
        pub enum SinkOptions { $($(#[$doc])* $kind($options),)+ }

        impl SinkOptions {
            /// The types there are, as specs name them.
            pub const KINDS: &'static [&'static str] = &[$($name,)+];

            /// The settings of a sink of type `kind` with nothing set; `None` if there is no such type.
            pub fn of_kind(kind: &str) -> Option<Self> {
                match kind {
                    $($name => Some(Self::$kind(Default::default())),)+
                    _ => None,
                }
            }

            /// Its type, as specs name it.
            pub const fn kind(&self) -> &'static str {
                match self { $(Self::$kind(_) => $name,)+ }
            }

            /// The keys of this type.
            pub fn keys(&self) -> Vec<Key> {
                match self { $(Self::$kind(_) => $options::keys(),)+ }
            }

            /// Sets `key`, which is one of `keys`.
            ///
            /// # Errors
            /// As [`Options::set`].
            pub fn set(&mut self, key: &str, value: &Setting) -> Result<(), OptionError> {
                match self { $(Self::$kind(options) => options.set(key, value),)+ }
            }
        }
    };
}
kinds! {
    /// Comma-separated values.
    Csv(CsvOptions) = "csv",
    /// One JSON object a line.
    Jsonl(JsonlOptions) = "jsonl",
    /// A Parquet file.
    Parquet(ParquetOptions) = "parquet",
    /// An Arrow IPC file.
    Arrow(ArrowOptions) = "arrow",
    /// A table on a terminal.
    Stdout(StdoutOptions) = "stdout",
    /// The connection graph, as tables or as a graph.
    Graph(GraphOptions) = "graph",
}

impl SinkOptions {
    /// The file it writes; `-` is standard output, and `None` a type without a path.
    pub fn path(&self) -> Option<&str> {
        match self {
            Self::Csv(options) => Some(&options.path),
            Self::Jsonl(options) => Some(&options.path),
            Self::Parquet(options) => Some(&options.path),
            Self::Arrow(options) => Some(&options.path),
            Self::Graph(options) => Some(&options.path),
            Self::Stdout(_) => None,
        }
    }

    /// What it takes of the connection graph; `None` = it takes rows.
    pub fn relation(&self, connection: &ConnectionOptions) -> Option<Relation> {
        match self {
            Self::Graph(options) => Some(options.relation(connection)),
            _ => None,
        }
    }

    /// The order in which it wants its rows. The table picks its rows by key itself.
    pub fn sort(&self) -> Sort {
        match self {
            Self::Csv(options) => options.sort,
            Self::Jsonl(options) => options.sort,
            Self::Parquet(options) => options.sort,
            Self::Arrow(options) => options.sort,
            // tables come in order, the graph too
            Self::Stdout(_) | Self::Graph(_) => Sort::None,
        }
    }

    /// The file beside which stands how it was made; `None` where that is not wanted, is in the file itself, or has no place.
    pub fn sidecar(&self) -> Option<&Path> {
        let (path, is_wanted) = match self {
            Self::Csv(options) => (&options.path, options.provenance),
            Self::Jsonl(options) => (&options.path, options.provenance),
            Self::Graph(options) => (
                &options.path,
                options.provenance && !options.format().has_metadata(),
            ),
            Self::Parquet(_) | Self::Arrow(_) | Self::Stdout(_) => return None,
        };
        (is_wanted && !file::leads_out(path)).then_some(Path::new(path))
    }

    /// Whether its rows are out as soon as they are there: to a stream, and in no order that has to be waited for.
    pub fn is_prompt(&self) -> bool {
        self.sort() == Sort::None && self.path().is_some_and(file::leads_out)
    }

    /// Whether an existing file is replaced.
    pub const fn overwrites(&self) -> bool {
        match self {
            Self::Csv(options) => options.overwrite,
            Self::Jsonl(options) => options.overwrite,
            Self::Parquet(options) => options.overwrite,
            Self::Arrow(options) => options.overwrite,
            Self::Graph(options) => options.overwrite,
            Self::Stdout(_) => true,
        }
    }

    /// How its rows are made anonymous, if they are.
    pub const fn anonymise(&self) -> Option<&Anonymise> {
        match self {
            Self::Csv(options) => options.anonymise.as_ref(),
            Self::Jsonl(options) => options.anonymise.as_ref(),
            Self::Parquet(options) => options.anonymise.as_ref(),
            Self::Arrow(options) => options.anonymise.as_ref(),
            Self::Stdout(options) => options.anonymise.as_ref(),
            Self::Graph(options) => options.anonymise.as_ref(),
        }
    }

    /// The columns it gets where the spec names none; `None` = all.
    pub fn usual_columns(&self, schema: &Schema) -> Option<Vec<usize>> {
        matches!(self, Self::Stdout(_)).then(|| stdout::columns(schema))
    }

    /// The folder for rows that have to wait for their order: beside the file, else that for temporary files.
    pub fn spill_folder(&self) -> std::path::PathBuf {
        match self.path() {
            Some(path) if path != "-" => folder(Path::new(path)).to_owned(),
            _ => std::env::temp_dir(),
        }
    }
}

/// Opens a sink. `run` is part of the names of its files until they are whole: the same for no two living runs, without a dot.
///
/// # Errors
/// The path exists and may not be replaced, or cannot be written.
pub fn open(
    options: &SinkOptions,
    description: &Description,
    run: &str,
) -> Result<Box<dyn Sink>, Error> {
    match options {
        SinkOptions::Csv(options) => csv::open(options, description, run),
        SinkOptions::Jsonl(options) => jsonl::open(options, description, run),
        SinkOptions::Parquet(options) => parquet::open(options, description, run),
        SinkOptions::Arrow(options) => arrow::open(options, description, run),
        SinkOptions::Stdout(options) => stdout::open(options, description),
        SinkOptions::Graph(options) => graph::open(options, description, run),
    }
}

/// A sink that writes nothing and confirms every row: for runs whose rows nobody wants.
pub fn nothing() -> Box<dyn Sink> {
    Box::new(Nothing(0))
}

struct Nothing(u64);

impl Sink for Nothing {
    fn write(&mut self, rows: Columns) -> Result<(), Error> {
        self.0 += rows.rows() as u64;
        Ok(())
    }

    fn commit(self: Box<Self>) -> Result<u64, Error> {
        Ok(self.0)
    }

    fn abort(self: Box<Self>) {}
}

/// The type of sink that the name of a file implies: of lines also where they are compressed, `.csv.gz`.
pub fn kind_of_path(path: &str) -> Option<&'static str> {
    let inner = crate::stored::inner(path);
    if inner.len() < path.len() {
        let kind = kind_of_path(inner).filter(|kind| ["csv", "jsonl"].contains(kind));
        return kind.filter(|_| crate::stored::inner(inner) == inner);
    }
    let extension = Path::new(path).extension()?.to_str()?;
    let graph = ["graphml", "dot", "gv"];
    if graph
        .iter()
        .any(|ending| extension.eq_ignore_ascii_case(ending))
    {
        return Some("graph");
    }
    ["csv", "jsonl", "parquet", "arrow"]
        .into_iter()
        .find(|kind| extension.eq_ignore_ascii_case(kind))
}

/// A sink with the rows on their way to it. Lives on the one worker that writes.
pub struct Collector {
    name: String,
    sink: Box<dyn Sink>,
    /// `None` = rows are written as they are.
    anonymiser: Option<Anonymiser>,
    /// `None` = rows are written as they come.
    sorter: Option<Sorter>,
    /// What stands beside the file.
    sidecar: Option<Sidecar>,
    /// Rows that are still taken; `None` = all.
    left: Option<usize>,
    /// The threads that sort, encode and compress.
    pool: Arc<ThreadPool>,
    /// Set when the sink fails, so that readers stop.
    stop: Arc<AtomicBool>,
    failed: Option<Error>,
}

impl Collector {
    /// A collector for `sink`; `name` is that of its destination in the books, `pool` does the work that is worth it.
    pub fn new(
        name: String,
        sink: Box<dyn Sink>,
        anonymiser: Option<Anonymiser>,
        sorter: Option<Sorter>,
        pool: Arc<ThreadPool>,
        stop: Arc<AtomicBool>,
    ) -> Self {
        Self {
            name,
            sink,
            anonymiser,
            sorter,
            sidecar: None,
            left: None,
            pool,
            stop,
            failed: None,
        }
    }

    /// The same with something beside its file.
    #[must_use]
    pub fn beside(self, sidecar: Option<Sidecar>) -> Self {
        Self { sidecar, ..self }
    }

    /// The same, that takes only the first rows that come: the others are counted.
    #[must_use]
    pub fn limited(self, rows: Option<u64>) -> Self {
        let left = rows.map(|rows| usize::try_from(rows).unwrap_or(usize::MAX));
        Self { left, ..self }
    }

    /// The name of the destination.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Whether some of its rows wait in files.
    pub fn has_spilled(&self) -> bool {
        self.sorter.as_ref().is_some_and(Sorter::has_spilled)
    }

    fn push(&mut self, rows: Columns, books: &mut Books) {
        Doing::begin("sink", None);
        books.sinks.entry(self.name.clone()).or_default().offered += rows.rows() as u64;
        if self.failed.is_some() {
            return;
        }
        let rows = match &mut self.left {
            Some(left) => {
                let taken = rows.rows().min(*left);
                *left -= taken;
                let out = (rows.rows() - taken) as u64;
                books.sinks.entry(self.name.clone()).or_default().filtered += out;
                let mask: Vec<bool> = (0..rows.rows()).map(|row| row < taken).collect();
                rows.filtered(&mask)
            }
            None => rows,
        };
        let rows = match &self.anonymiser {
            Some(anonymiser) => self.pool.install(|| anonymiser.apply(rows)),
            None => rows,
        };
        let taken = match &mut self.sorter {
            Some(sorter) => self.sink.place(rows).and_then(|rows| {
                sorter.push(rows);
                if sorter.is_full() {
                    self.pool.install(|| sorter.spill())
                } else {
                    Ok(())
                }
            }),
            None => self.pool.install(|| self.sink.write(rows)),
        };
        if let Err(error) = taken {
            self.stop.store(true, Ordering::Relaxed);
            self.failed = Some(error);
        }
    }

    /// Writes what waits for its place in the order, with what is known of the run now that it is over. The rows are then complete, but
    /// not under their final name.
    ///
    /// # Errors
    /// The sink failed, now or before.
    pub fn finish(&mut self, facts: &[Fact]) -> Result<(), Error> {
        if let Some(error) = self.failed.take() {
            return Err(error);
        }
        self.sink.tell(facts)?;
        let Some(sorter) = self.sorter.take() else {
            return Ok(());
        };
        let sink = &mut self.sink;
        self.pool.install(|| sink.write_sorted(sorter.finish()?))
    }

    /// The files that were made, where there are several.
    pub fn count(&self) -> Option<FileCount> {
        self.sink.count()
    }

    /// Makes the rows appear, and what stands beside them with these facts, and gives how many the destination confirmed.
    ///
    /// # Errors
    /// The sink failed; nothing was left behind.
    pub fn commit(self, facts: &[Fact]) -> Result<u64, Error> {
        let sink = self.sink;
        self.pool.install(|| match self.sidecar {
            Some(sidecar) => sidecar.with(facts, || sink.commit()),
            None => sink.commit(),
        })
    }

    /// Removes what was written.
    pub fn abort(self) {
        self.sink.abort();
    }
}

/// Operator `sink`: takes the columns a sink wants, in the form it wants, and brings their rows to the worker that writes. `columns`
/// are places in the rows of the stream; `collector` is `None` on all workers but the first.
pub fn collect(
    rows: Stream<'_, u64, Columns>,
    columns: impl Into<Projection>,
    condition: Option<(String, RowProgram)>,
    collector: Option<Rc<RefCell<Collector>>>,
    books: Rc<RefCell<Books>>,
) {
    let own = Rc::clone(&books);
    let columns = columns.into();
    let projected = each_batch("project", rows, move |rows| match &condition {
        Some((name, condition)) => {
            columns.of(chosen(&rows, name, condition, &mut own.borrow_mut()))
        }
        None => columns.of(rows),
    });
    let mut builder = OperatorBuilder::new("sink".to_owned(), projected.scope());
    let mut input = builder.new_input(projected, DistributorPact(|_| Deal::new(|_: &Columns| 0)));
    builder.build(move |_| {
        move |_| {
            input.for_each(|_, rows| {
                if let Some(collector) = &collector {
                    collector
                        .borrow_mut()
                        .push(std::mem::take(rows), &mut books.borrow_mut());
                }
            });
        }
    });
}

/// The rows that the `where` of a sink lets through; the others are counted.
fn chosen(rows: &Columns, sink: &str, condition: &RowProgram, books: &mut Books) -> Columns {
    let (mut truths, overflows) = condition.truths(rows, 1);
    let mask = truths.pop().unwrap_or_default();
    let out = mask.iter().filter(|is| !**is).count() as u64;
    let sink = books.sinks.entry(sink.to_owned()).or_default();
    sink.offered += out;
    sink.filtered += out;
    books
        .anomalies
        .add_many(Anomaly::ExpressionOverflow, overflows);
    rows.filtered(&mask)
}

#[cfg(test)]
mod tests {
    use super::file::tests::{names, with_room};
    use super::*;
    use std::fs;

    /// Every type of sink that writes a file, at `path`.
    fn all(path: &Path, overwrite: bool) -> Vec<SinkOptions> {
        let path = Setting::Text(path.to_str().unwrap().to_owned());
        let kinds = SinkOptions::KINDS.iter().filter(|kind| **kind != "stdout");
        kinds
            .map(|kind| {
                let mut options = SinkOptions::of_kind(kind).unwrap();
                options.set("path", &path).unwrap();
                options.set("overwrite", &Setting::Bool(overwrite)).unwrap();
                options
            })
            .chain(["gzip", "zstd"].map(|compression| {
                let mut options = SinkOptions::of_kind("csv").unwrap();
                let compression = Setting::Text(compression.to_owned());
                options.set("path", &path).unwrap();
                options.set("compression", &compression).unwrap();
                options.set("overwrite", &Setting::Bool(overwrite)).unwrap();
                options
            }))
            .collect()
    }

    fn write(options: &SinkOptions) -> Result<u64, Error> {
        let (description, rows) = sample::texts(&[Some("a"), None, Some("=1\n")]);
        let mut sink = open(options, &description, "1-0")?;
        sink.write(rows)?;
        sink.commit()
    }

    #[test]
    fn a_disk_full_at_any_byte_leaves_what_was_there() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("out");
        for options in all(&path, true) {
            fs::write(&path, "old").unwrap();
            assert_eq!(write(&options).unwrap(), 3);
            let size = fs::metadata(&path).unwrap().len();
            fs::write(&path, "old").unwrap();
            for room in 0..size {
                let error = with_room(room, || write(&options)).unwrap_err();
                let kind = options.kind();
                assert!(
                    error.to_string().contains("out: "),
                    "{kind} {room}: {error}"
                );
                assert!(
                    error.to_string().contains(&format!("after {room} bytes")),
                    "{kind}: {error}"
                );
                assert!(
                    error
                        .hint()
                        .is_some_and(|hint| hint.contains("bytes are needed")),
                    "{kind} {room}"
                );
                assert_eq!(names(folder.path()), ["out"]);
                assert_eq!(fs::read(&path).unwrap(), b"old");
            }
            with_room(size, || write(&options)).unwrap();
        }
    }

    #[test]
    fn an_abort_leaves_nothing_and_an_existing_path_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("out");
        let (description, rows) = sample::rows();
        for options in all(&path, false) {
            let mut sink = open(&options, &description, "1-0").unwrap();
            sink.write(rows.clone()).unwrap();
            assert_eq!(names(folder.path()), ["out.1-0.partial"]);
            sink.abort();
            assert!(names(folder.path()).is_empty());
            fs::write(&path, "old").unwrap();
            let error = open(&options, &description, "1-0").err().unwrap();
            assert!(
                error.hint().unwrap().contains("overwrite = true"),
                "{error}"
            );
            assert_eq!(names(folder.path()), ["out"]);
            fs::remove_file(&path).unwrap();
        }
    }

    #[test]
    fn no_rows_make_a_whole_file() {
        let folder = tempfile::tempdir().unwrap();
        let (description, _) = sample::rows();
        for options in all(&folder.path().join("out"), true) {
            let sink = open(&options, &description, "1-0").unwrap();
            assert_eq!(sink.commit().unwrap(), 0, "{}", options.kind());
            assert_eq!(names(folder.path()), ["out"]);
        }
    }

    #[test]
    fn names_imply_types() {
        for kind in ["csv", "jsonl", "parquet", "arrow"] {
            assert_eq!(kind_of_path(&format!("a.b/flows.{kind}")), Some(kind));
            assert_eq!(SinkOptions::of_kind(kind).unwrap().kind(), kind);
        }
        assert_eq!(kind_of_path("A.CSV"), Some("csv"));
        for (path, kind) in [("a.csv.gz", "csv"), ("a.jsonl.zst", "jsonl")] {
            assert_eq!(kind_of_path(path), Some(kind));
        }
        for none in ["a.parquet.gz", "a.gz", "a.csv.gz.gz"] {
            assert_eq!(kind_of_path(none), None, "{none}");
        }
        for none in ["-", "flows", "flows.txt", "csv", ".csv"] {
            assert_eq!(kind_of_path(none), None, "{none}");
        }
        assert!(SinkOptions::of_kind("kafka").is_none());
        assert!(
            SinkOptions::of_kind("csv")
                .unwrap()
                .keys()
                .iter()
                .any(|key| key.name == "delimiter")
        );
    }
}
