//! Captures to records.

mod options;
mod record;

pub use options::{Faulty, Merge, PcapOptions};
pub use record::{Chunk, Record};
