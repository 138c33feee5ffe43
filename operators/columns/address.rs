//! IP addresses as values of a column.

use bytemuck::{Pod, Zeroable};
use serde::{Deserialize, Serialize};

/// An IP address.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, Pod, Zeroable,
)]
#[repr(C)]
pub struct Address {
    /// 4 or 6.
    pub family: u8,
    /// Big-endian; IPv4 in the first 4 bytes, the rest 0.
    pub bytes: [u8; 16],
}

impl Address {
    /// What stands under a null.
    pub const ZERO: Self = Self {
        family: 4,
        bytes: [0; 16],
    };

    /// The bytes of the address as on the wire: 4 or 16.
    pub fn octets(&self) -> &[u8] {
        if self.family == 4 {
            &self.bytes[..4]
        } else {
            &self.bytes
        }
    }
}

impl From<std::net::Ipv4Addr> for Address {
    fn from(address: std::net::Ipv4Addr) -> Self {
        let mut bytes = [0; 16];
        bytes[..4].copy_from_slice(&address.octets());
        Self { family: 4, bytes }
    }
}

impl From<Address> for std::net::IpAddr {
    fn from(address: Address) -> Self {
        let bytes = address.bytes;
        if address.family == 4 {
            Self::from([bytes[0], bytes[1], bytes[2], bytes[3]])
        } else {
            Self::from(bytes)
        }
    }
}

impl std::fmt::Display for Address {
    /// RFC 5952; IPv4-mapped addresses as `::ffff:a.b.c.d`.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        std::net::IpAddr::from(*self).fmt(f)
    }
}
