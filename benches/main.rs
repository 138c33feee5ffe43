//! The stages of the data path one by one, in memory, over one trace: `cargo bench [-- STAGE]`. Throughput is packets or rows a
//! second.
//!
//! The trace is the file that `JAYFLOW_TRACE` names, else the sample capture many times over. How a whole run compares with other
//! programs is what `run.py` measures.
#![expect(clippy::unwrap_used, reason = "a bench that fails says so")]

mod decode;
mod encode;
mod end_to_end;
mod exchange;
mod expressions;
mod flows;
mod groups;
mod read;
mod trace;
mod user_views;
mod views;

fn main() {
    divan::main();
}
