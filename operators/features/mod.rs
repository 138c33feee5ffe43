//! Feature groups: one file each, and the list of them.

mod extractor;
mod options;

pub use extractor::{Extractor, Needs, Wanted};
pub use options::{FeaturesOptions, Missing};
