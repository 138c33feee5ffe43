//! Bytes as text that can be read back: what a column shows of names that others chose. Numbers as text, without the ways round that
//! `write!` makes for each of them.

use std::fmt::Write;

/// Adds a number in decimal.
pub fn push_decimal(text: &mut String, number: impl itoa::Integer) {
    text.push_str(itoa::Buffer::new().format(number));
}

/// Adds a byte as two lower-case hexadecimal digits.
pub fn push_hex(text: &mut String, byte: u8) {
    for digit in [byte >> 4, byte & 15] {
        text.push(char::from_digit(digit.into(), 16).unwrap_or('0'));
    }
}

/// A link-layer address as lower-case hexadecimal digits with colons.
pub fn mac(address: [u8; 6]) -> String {
    let mut text = String::with_capacity(17);
    for (at, byte) in address.into_iter().enumerate() {
        if at > 0 {
            text.push(':');
        }
        push_hex(&mut text, byte);
    }
    text
}

/// The bytes that pass `plain` as they are, the others as `%XX`.
pub fn percent(bytes: &[u8], plain: impl Fn(u8) -> bool) -> String {
    let mut text = String::with_capacity(bytes.len());
    for byte in bytes {
        if byte.is_ascii() && plain(*byte) {
            text.push(char::from(*byte));
        } else {
            let _ = write!(text, "%{byte:02X}");
        }
    }
    text
}

/// Visible ASCII but for the per cent sign as it is, other bytes as `%XX`.
pub fn visible(bytes: &[u8]) -> String {
    percent(bytes, |byte| byte.is_ascii_graphic() && byte != b'%')
}

/// Bytes as lower-case hexadecimal digits.
pub fn hex(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len().saturating_mul(2));
    bytes.iter().for_each(|byte| push_hex(&mut text, *byte));
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_written_as_others_write_them() {
        for byte in 0..=u8::MAX {
            let mut text = String::new();
            push_hex(&mut text, byte);
            push_decimal(&mut text, u16::from(byte) * 257);
            assert_eq!(text, format!("{byte:02x}{}", u16::from(byte) * 257));
        }
    }

    #[test]
    fn every_byte_has_one_text() {
        assert_eq!(visible(b"h2%\x00 \xff"), "h2%25%00%20%FF");
        assert_eq!(percent(b"a b\t\x80", |byte| byte >= b' '), "a b%09%80");
    }
}
