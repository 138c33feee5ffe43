//! The operators of jayflow: everything a node of the dataflow does, in the order in which data runs.
//!
//! In a folder `mod.rs` holds the thin timely operator and the list; its siblings are plain Rust without timely, so they are
//! tested without a worker. Nothing here knows a spec file, a command line or a host name.

// The derive macros name this crate by its full name, also from inside.
extern crate self as jayflow_operators;

pub mod books;
pub mod columns;
pub mod container;
pub mod decode;
pub mod doing;
pub mod error;
pub mod expressions;
pub mod features;
pub mod filters;
pub mod flows;
pub mod joins;
pub mod options;
pub mod packet;
pub mod privacy;
pub mod protocols;
pub mod schema;
pub mod secret;
pub mod sinks;
pub mod slots;
pub mod sources;
pub mod statistics;
pub mod stored;
pub mod views;

pub use books::Books;
pub use error::Error;
