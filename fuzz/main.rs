//! The fuzz target that `FUZZ_TARGET` names, as a program of libFuzzer.
#![no_main]

mod targets;

use libfuzzer_sys::fuzz_target;
use std::sync::OnceLock;

static TARGET: OnceLock<targets::Target> = OnceLock::new();

fn chosen() -> targets::Target {
    let name = std::env::var("FUZZ_TARGET").unwrap_or_default();
    let names = targets::TARGETS.map(|(name, _)| name);
    let found = targets::TARGETS.into_iter().find(|(one, _)| *one == name);
    match found {
        Some((_, target)) => target,
        None => panic!("set FUZZ_TARGET to one of {names:?}"),
    }
}

fuzz_target!(|bytes: &[u8]| TARGET.get_or_init(chosen)(bytes));
