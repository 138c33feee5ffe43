//! Packets to flow records.

mod flow;

pub use flow::{CloseState, Endpoint, Flow, FlowKey};
