//! Integration tests: one binary, a module a theme.
#![expect(clippy::unwrap_used, reason = "a test that fails says so")]

mod agreement;
mod expressions;
mod fuzz;
mod golden;
mod graph;
mod invariance;
mod joins;
mod labels;
#[cfg(unix)]
mod live;
mod loading;
mod mistakes;
#[cfg(unix)]
mod processes;
#[cfg(unix)]
mod program;
mod reliability;
mod shared;
mod spec;
mod spec_tests;
#[cfg(unix)]
mod system;
mod traffic;
mod tutorial;
mod views;
