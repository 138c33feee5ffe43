//! Captures to records.

mod archive;
mod input;
mod list;
mod moment;
mod options;
mod pcap;
mod pcapng;
mod reader;
mod record;
mod walk;

pub use list::{ListError, first_time, list};
pub use moment::Moment;
pub use options::{Faulty, Merge, PcapOptions};
pub use reader::{Ending, Reader};
pub use record::{Chunk, Record};
pub use walk::Bounds;
