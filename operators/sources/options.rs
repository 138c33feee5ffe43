//! The settings of `[sources.N]` with `type = "pcap"`.

use super::{Moment, Sensor};
use crate::options::{Duration, Options};

/// Settings of a source of type `pcap`: capture files.
#[derive(Clone, Debug, Options)]
pub struct PcapOptions {
    /// A file (also a `.tar` or `.zip` of captures), a glob, a directory, or a list of such; `-` is standard input.
    #[option(required)]
    pub path: Vec<String>,
    /// Whether directories are read with all their subdirectories.
    #[option(default = "false")]
    pub recursive: bool,
    /// The order in which inputs are read and numbered: by `path`.
    #[option(default = "path")]
    pub order: InputOrder,
    /// What observed the packets: adds the column `sensor` with this text to all rows. It may hold `{name}`, the name of the source, and
    /// parts of the path of the input: `{path[0]}` is the last one before anything with `*`, `?` or `[` (of a directory its name, of
    /// a file that of its directory), `{path[1]}` the next one, and so on.
    #[option]
    pub sensor: Option<Sensor>,
    /// `none`: each input has its own flows. `all`: inputs are merged by time and flows span them.
    #[option(default = "none")]
    pub merge: Merge,
    /// What a partial or refused input does: `skip` (the rest goes on, exit code 3) or `fail` (the run fails before commit).
    #[option(default = "skip")]
    pub errors: Faulty,
    /// Whether a file is read on as it grows, until the run is stopped. It must be the only one.
    #[option(default = "false")]
    pub follow: bool,
    /// With `follow`: a file that has not grown for so long has ended.
    #[option]
    pub patience: Option<Duration>,
    /// Packets to read of each input at most.
    #[option]
    pub limit: Option<u64>,
    /// Packets before this time (RFC 3339, or seconds since 1970) are skipped as `filtered`.
    #[option]
    pub from: Option<Moment>,
    /// Packets from this time on are skipped as `filtered`.
    #[option]
    pub to: Option<Moment>,
}

/// The order in which inputs are read and numbered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Options)]
pub enum InputOrder {
    /// By path, whatever order they are named in.
    Path,
}

/// Whether flows span inputs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Options)]
pub enum Merge {
    /// Each input has its own flows.
    None,
    /// Inputs are merged by time and flows span them.
    All,
}

/// What a partial or refused input does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Options)]
pub enum Faulty {
    /// The rest goes on.
    Skip,
    /// The run fails before commit.
    Fail,
}
