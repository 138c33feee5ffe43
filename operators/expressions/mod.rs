//! The expression language: text to a typed tree, and that to instructions over columns.
//!
//! Nothing here knows a spec file. Expressions are total: what has no value is null, never NaN, infinite, or a failure.

pub mod aggregates;
mod capture_filter;
pub mod check;
pub(crate) mod eval;
mod fault;
pub mod functions;
pub(crate) mod lexer;
pub mod lookups;
mod parser;
mod parts;
mod program;
mod rows;
pub mod syntax;
#[cfg(test)]
mod tests;
#[doc(hidden)]
pub mod total;
mod types;
pub mod vector;

pub use capture_filter::capture_filter;
pub use check::{Checker, Context, Field, Known, Node, Typed};
pub use fault::Fault;
pub use parser::{KEYWORDS, parse};
pub use program::{Builder, Fields, Program};
pub use rows::{Computer, Derived, Places, RowProgram};
pub use types::{Constant, Type};

#[cfg(test)]
use lexer::address as syntax_address;
