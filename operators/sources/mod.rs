//! Captures to records.

#![cfg_attr(
    not(test),
    deny(clippy::unwrap_used, clippy::expect_used, clippy::panic)
)]

mod archive;
mod ending;
mod frame;
mod input;
mod list;
mod moment;
mod options;
mod pcap;
mod pcapng;
mod reader;
mod record;
mod walk;

pub use ending::Ending;
pub use list::{ListError, first_time, list};
pub use moment::Moment;
pub use options::{Faulty, Merge, PcapOptions};
pub use reader::Reader;
pub use record::{Chunk, Record};
pub use walk::Bounds;
