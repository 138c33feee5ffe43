//! Protocols above IP: bytes to messages that borrow from them, one file or folder a protocol, and the arithmetic of their numbers.
//!
//! Parsers know no flow and no timely. Those of applications take what a flow brings piece by piece, keep the start of a message
//! whose end has not come and nothing else. None allocates by a length that the bytes claim; what they cannot read they refuse for good.
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

pub mod community_id;
pub mod conversation;
pub mod coverage;
pub mod dhcp;
pub mod dns;
pub mod dtls;
pub mod greeting;
pub mod handshake;
pub mod http;
pub mod icmp;
#[cfg(any(test, feature = "ja4plus"))]
pub mod ja4plus;
mod joiner;
pub mod mptcp;
mod prefix;
pub mod quic;
mod reader;
pub mod sequence;
pub mod ssh;
pub mod tcp_options;
pub mod text;
pub mod tls;
#[doc(hidden)]
pub mod total;
pub mod x509;

pub use prefix::{Piece, Prefix};

/// Bytes of several parts.
pub(crate) fn sum<const N: usize>(parts: [usize; N]) -> usize {
    parts.into_iter().fold(0, usize::saturating_add)
}

/// A set of protocols.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Protocols(u16);

impl Protocols {
    /// None of them.
    pub const NONE: Self = Self(0);
    /// DNS over UDP and TCP.
    pub const DNS: Self = Self(1);
    /// HTTP/1 and HTTP/2 in clear.
    pub const HTTP: Self = Self(2);
    /// QUIC.
    pub const QUIC: Self = Self(4);
    /// SSH.
    pub const SSH: Self = Self(8);
    /// TLS over TCP.
    pub const TLS: Self = Self(16);
    /// Messages of HTTP/1 in full.
    pub const HTTP1: Self = Self(32);
    /// DHCP for IPv4.
    pub const DHCP: Self = Self(64);
    /// Those that are told by how they begin.
    pub const GREETING: Self = Self(128);
    /// TLS over UDP.
    pub const DTLS: Self = Self(256);

    /// Those of both.
    #[must_use]
    pub const fn union(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Whether one of the others is among them.
    pub const fn has(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }

    /// Whether there is none.
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }
}

/// What a parser has read.
#[derive(Clone, Copy, Debug)]
pub enum Message<'a> {
    /// A DHCP message.
    Dhcp(dhcp::Message<'a>),
    /// A DNS message.
    Dns(dns::Message<'a>),
    /// A handshake message of DTLS.
    Dtls(dtls::Message<'a>),
    /// How a protocol begins of which nothing more is read.
    Greeting(greeting::Message),
    /// What opens a message of HTTP/1, or a frame of HTTP/2.
    Http(http::Message),
    /// A part of a message of HTTP/1.
    Http1(http::Part<'a>),
    /// A packet of QUIC, or what was found in it.
    Quic(quic::Message<'a>),
    /// A line or packet of SSH.
    Ssh(ssh::Message<'a>),
    /// A handshake message of TLS.
    Tls(tls::Message<'a>),
}

impl Message<'_> {
    /// The protocol it is of.
    pub const fn protocol(&self) -> Protocols {
        match self {
            Self::Dhcp(_) => Protocols::DHCP,
            Self::Dns(_) => Protocols::DNS,
            Self::Dtls(_) => Protocols::DTLS,
            Self::Greeting(_) => Protocols::GREETING,
            Self::Http(_) => Protocols::HTTP,
            Self::Http1(_) => Protocols::HTTP1,
            Self::Quic(_) => Protocols::QUIC,
            Self::Ssh(_) => Protocols::SSH,
            Self::Tls(_) => Protocols::TLS,
        }
    }
}
