//! Integration tests: one binary, a module a theme.

mod invariance;
mod spec;
mod traffic;
