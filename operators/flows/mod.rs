//! Packets to flow records.

mod flow;
mod options;

pub use flow::{CloseState, Endpoint, Flow, FlowKey};
pub use options::{
    Evict, FlowOptions, IcmpKey, IdleTimeout, InitiatorRule, KeyPart, Sampling, Terminate,
};
