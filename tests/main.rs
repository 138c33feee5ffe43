//! Integration tests: one binary, a module a theme.
#![expect(clippy::unwrap_used, reason = "a test that fails says so")]

mod agreement;
mod invariance;
mod shared;
mod spec;
mod traffic;
