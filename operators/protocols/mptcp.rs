//! The option of Multipath TCP (RFC 8684 section 3): its subtype.

use super::tcp_options::{TcpOption, kind};

/// Subtype of the option that opens a connection.
pub const MP_CAPABLE: u8 = 0;

/// Subtype of the option that adds a subflow.
pub const MP_JOIN: u8 = 1;

/// The subtype of an MPTCP option; `None` for every other, and where it is too short to have one.
pub fn subtype(option: TcpOption<'_>) -> Option<u8> {
    let first = option.value.first()?;
    (option.kind == kind::MPTCP).then_some(first >> 4)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_subtype_is_the_upper_half_of_the_third_byte() {
        let of = |kind, value| subtype(TcpOption { kind, value });
        assert_eq!(of(30, &[0x01, 0x81]), Some(MP_CAPABLE));
        assert_eq!(of(30, &[0x10]), Some(MP_JOIN));
        assert_eq!(of(30, &[]), None);
        assert_eq!(of(8, &[0x10]), None);
    }
}
