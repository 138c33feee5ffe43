//! Frames to header fields.

mod options;

pub use options::{DecodeOptions, Fragments, Tunnel};
