//! Tables over flows that are kept up to date as records come into their window and leave it.

mod clock;
mod feed;
mod gate;
pub mod graph;
mod handover;
mod join;
pub mod look_ups;
mod options;
mod past;
pub mod rules;
mod table;
mod waiting;
mod windowed;

pub use feed::{Between, FeedPlan, Inflow, Inlet, SharedBetween, feed};
pub use gate::{GatePlan, Session, gate};
pub use graph::Emit;
pub use handover::{Handover, Shared};
pub use join::{Joined, join};
pub use options::{
    AsOf, BetweennessOptions, By, Communities, ConnectionOptions, GraphOptions, Measure,
    TopOptions, ViewOptions, Window,
};
pub use past::Recent;
pub use table::{Drawn, Shown, table};
