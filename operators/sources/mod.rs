//! Captures to records.

mod record;

pub use record::{Chunk, Record};
