//! Packets to flow records.

mod expiry;
mod flow;
mod key;
mod options;
mod table;

pub use expiry::Timeouts;
pub use flow::{CloseState, Endpoint, Flow, FlowKey};
pub use key::{KeyRule, flow_id};
pub use options::{
    Evict, FlowOptions, IcmpKey, IdleTimeout, InitiatorRule, KeyPart, Sampling, Terminate,
};
pub use table::{FlowTable, Meter, SHARDS};

#[cfg(test)]
mod model;
