//! Frames to header fields: link layers, IP, transport headers, tunnels and fragments, by section 2 of the semantics.
//!
//! Nothing here panics or overflows on any bytes: no unchecked index, no unchecked arithmetic, no cast that cuts.
#![cfg_attr(
    not(test),
    warn(
        clippy::indexing_slicing,
        clippy::arithmetic_side_effects,
        clippy::cast_possible_truncation,
        clippy::expect_used,
        clippy::panic
    )
)]

mod bytes;
#[cfg(test)]
mod captures;
mod decoder;
mod fast;
mod fragment;
#[cfg(test)]
mod generate;
mod link;
mod network;
mod options;
#[cfg(test)]
mod properties;
#[cfg(test)]
mod reference;
pub mod stack;
mod transport;
mod tunnel;

pub use decoder::{Decoder, describe};
pub use fragment::{FragmentInfo, FragmentTable};
pub use link::{ethertype, linktype};
pub use options::{Decap, DecodeOptions, Fragments, Tunnel};
pub use transport::protocol;
