//! Settings that belong to a whole spec: how it is run, and what kinds of sinks there are.

use operators::options::{Options, Size};
use operators::sinks::{
    ArrowOptions, CsvOptions, JsonlOptions, ParquetOptions, Sort, StdoutOptions,
};

/// Settings of `[run]`: how the work is done. None of them can change a row.
#[derive(Clone, Debug, Options)]
pub struct RunOptions {
    /// Workers of each process; by default one a core.
    #[option]
    pub workers: Option<usize>,
    /// Processes on this machine.
    #[option(default = "1")]
    pub processes: usize,
    /// A file with one address a line, HOST:PORT: the processes of a run, each started by hand with `--process`.
    #[option]
    pub hosts: Option<String>,
    /// Records that go through the dataflow together.
    #[option(default = "4096")]
    pub chunk: usize,
    /// Packets of a source after which its progress is told to everybody.
    #[option(default = "8192")]
    pub epoch: usize,
    /// Memory at which the run stops; by default 80 % of what the machine or the cgroup has.
    #[option]
    pub memory: Option<Size>,
    /// Whether feature groups share one operator; `false` runs one timely operator each.
    #[option(default = "true")]
    pub fused: bool,
    /// Whether a progress bar is shown: `auto` (on a terminal), `always` or `never`.
    #[option(default = "auto")]
    pub progress: Progress,
}

/// Whether a progress bar is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Options)]
pub enum Progress {
    /// On a terminal.
    Auto,
    /// Also elsewhere.
    Always,
    /// Nowhere.
    Never,
}

/// The settings of a sink, by its type.
#[derive(Clone, Debug)]
pub enum SinkOptions {
    /// RFC 4180.
    Csv(CsvOptions),
    /// One JSON object a line.
    Jsonl(JsonlOptions),
    /// Apache Parquet.
    Parquet(ParquetOptions),
    /// Arrow IPC.
    Arrow(ArrowOptions),
    /// A readable table.
    Stdout(StdoutOptions),
}

impl SinkOptions {
    /// The type as it is written in a spec.
    pub const fn type_name(&self) -> &'static str {
        match self {
            Self::Csv(_) => "csv",
            Self::Jsonl(_) => "jsonl",
            Self::Parquet(_) => "parquet",
            Self::Arrow(_) => "arrow",
            Self::Stdout(_) => "stdout",
        }
    }

    /// The file; `None` where it writes none.
    pub fn path(&self) -> Option<&str> {
        match self {
            Self::Csv(options) => Some(&options.path),
            Self::Jsonl(options) => Some(&options.path),
            Self::Parquet(options) => Some(&options.path),
            Self::Arrow(options) => Some(&options.path),
            Self::Stdout(_) => None,
        }
    }

    /// The place of the path.
    pub(super) fn path_mut(&mut self) -> Option<&mut String> {
        match self {
            Self::Csv(options) => Some(&mut options.path),
            Self::Jsonl(options) => Some(&mut options.path),
            Self::Parquet(options) => Some(&mut options.path),
            Self::Arrow(options) => Some(&mut options.path),
            Self::Stdout(_) => None,
        }
    }

    /// Order of the rows.
    pub const fn sort(&self) -> Sort {
        match self {
            Self::Csv(options) => options.sort,
            Self::Jsonl(options) => options.sort,
            Self::Parquet(options) => options.sort,
            Self::Arrow(options) => options.sort,
            Self::Stdout(_) => Sort::Start,
        }
    }
}
