//! Bytes as text that can be read back: what a column shows of names that others chose.

use std::fmt::Write;

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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_byte_has_one_text() {
        assert_eq!(visible(b"h2%\x00 \xff"), "h2%25%00%20%FF");
        assert_eq!(percent(b"a b\t\x80", |byte| byte >= b' '), "a b%09%80");
    }
}
