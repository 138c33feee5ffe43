//! Protocols above IP: bytes to messages that borrow from them, one file or folder a protocol, and the arithmetic of their numbers.
//!
//! Parsers know no flow and no timely, and never allocate by a length that the bytes claim.
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

pub mod handshake;
pub mod icmp;
pub mod mptcp;
pub mod sequence;
pub mod tcp_options;
