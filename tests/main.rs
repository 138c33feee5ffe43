//! Integration tests: one binary, a module a theme.
#![expect(clippy::unwrap_used, reason = "a test that fails says so")]

mod agreement;
#[cfg(unix)]
mod archives;
#[cfg(unix)]
mod compare;
mod decoded;
mod dtls;
#[cfg(unix)]
mod explained;
mod expressions;
#[cfg(unix)]
mod files;
mod fuzz;
mod golden;
mod graph;
mod guides;
mod invariance;
mod joins;
mod labels;
#[cfg(unix)]
mod live;
mod loading;
#[cfg(unix)]
mod look_ups;
mod mistakes;
mod one_way;
mod packets;
#[cfg(unix)]
mod partitions;
#[cfg(unix)]
mod processes;
#[cfg(unix)]
mod program;
mod provenance;
mod push_down;
mod reliability;
mod rows;
mod sensors;
mod shared;
mod shipped;
mod spec;
mod spec_tests;
#[cfg(unix)]
mod system;
mod traffic;
mod tutorial;
mod view_chains;
mod view_graphs;
mod views;
