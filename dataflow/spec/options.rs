//! Settings that belong to a whole spec: how it is run.

use operators::options::{Duration, Options, Size};

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
    /// How long the processes of a run wait for each other at the start.
    #[option(default = "30s")]
    pub wait: Duration,
    /// Records that go through the dataflow together.
    #[option(default = "4096")]
    pub chunk: usize,
    /// Packets of a source after which its progress is told to everybody.
    #[option(default = "8192")]
    pub epoch: usize,
    /// Memory at which the run stops; by default 80 % of what the machine or the cgroup has.
    #[option]
    pub memory: Option<Size>,
    /// Memory of each sorted sink for rows that wait for their place; the rest waits in files beside the output.
    #[option(default = "64MiB")]
    pub sort_memory: Size,
    /// Whether feature groups share one operator; `false` runs one timely operator each.
    #[option(default = "true")]
    pub fused: bool,
    /// Whether outputs also say the SHA-256 of each input, which is then read a second time.
    #[option(default = "false")]
    pub hash_inputs: bool,
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
