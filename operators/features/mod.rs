//! Feature groups: one file each, and the list of them.

mod extractor;

pub use extractor::{Extractor, Needs, Wanted};
