//! Values to text: what CSV, JSON and the terminal share.
//!
//! Numbers are written by itoa and zmij (formatting by `std` was measured at 23 to 26 us a row of 387 values, by hand at about 6);
//! floats are in shortest round-trip form. No file format here: quoting of cells is CSV's, keys of objects are JSON Lines'.

use crate::columns::{Address, Column, Values, span};
use std::borrow::Cow;
use std::fmt::Write as _;
use std::io::Write;

/// The f64 nearest to `ns / 10^9`: seconds as every text format writes them.
pub fn seconds(ns: i64) -> f64 {
    let magnitude = crate::statistics::seconds(ns.unsigned_abs());
    if ns < 0 { -magnitude } else { magnitude }
}

/// Text without anything that a terminal obeys: the bytes of control, formatting and line characters as `\xNN`.
pub fn printable(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        let obeyed = c.is_control()
            || matches!(c, '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}');
        if obeyed {
            for byte in c.encode_utf8(&mut [0; 4]).bytes() {
                let _ = write!(out, "\\x{byte:02x}");
            }
        } else {
            out.push(c);
        }
    }
    out
}

/// Writes a whole number.
#[inline]
pub fn integer(out: &mut Vec<u8>, value: impl itoa::Integer) {
    out.extend_from_slice(itoa::Buffer::new().format(value).as_bytes());
}

/// Writes a finite float so that it reads back as the same double: `5.0`, `0.1`, `1e-7`.
#[inline]
pub fn float(out: &mut Vec<u8>, value: f64) {
    out.extend_from_slice(zmij::Buffer::new().format_finite(value).as_bytes());
}

/// Writes an address as its `Display` does; that of IPv4 by hand, as it is most of them.
pub fn address(out: &mut Vec<u8>, address: &Address) {
    if address.family != 4 {
        let _ = write!(out, "{address}"); // a Vec takes every byte
        return;
    }
    let [first, rest @ ..] = &address.bytes[..4] else {
        return;
    };
    integer(out, *first);
    for byte in rest {
        out.push(b'.');
        integer(out, *byte);
    }
}

/// Writes 128 bits as 32 lower-case hexadecimal digits.
pub fn id(out: &mut Vec<u8>, id: &[u8; 16]) {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    for byte in id {
        out.push(DIGITS[usize::from(byte >> 4)]);
        out.push(DIGITS[usize::from(byte & 15)]);
    }
}

/// The text of row `row`. It went in as `str`, so nothing is lost here.
pub fn text<'a>(ends: &[u32], bytes: &'a [u8], row: usize) -> Cow<'a, str> {
    String::from_utf8_lossy(&bytes[span(ends, row)])
}

/// Whether a row holds nothing to write: a null, or a float that no format has a number for (debug builds stop earlier).
#[inline]
pub fn is_absent(column: &Column, row: usize) -> bool {
    column.is_null(row) || matches!(&column.values, Values::F64(v) if !v[row].is_finite())
}

/// Writes one value without quotes and nulls: numbers, booleans, addresses (RFC 5952), ids, text as it is; times as seconds;
/// lists and structs as JSON arrays.
pub fn plain(out: &mut Vec<u8>, column: &Column, row: usize) {
    match &column.values {
        Values::Bool(v) => out.extend_from_slice(if v[row] { b"true" } else { b"false" }),
        Values::U8(v) => integer(out, v[row]),
        Values::U16(v) => integer(out, v[row]),
        Values::U32(v) => integer(out, v[row]),
        Values::U64(v) => integer(out, v[row]),
        Values::I8(v) => integer(out, v[row]),
        Values::I16(v) => integer(out, v[row]),
        Values::I32(v) => integer(out, v[row]),
        Values::I64(v) => integer(out, v[row]),
        Values::F64(v) => float(out, v[row]),
        Values::Time(v) => float(out, seconds(v[row])),
        Values::Text { ends, bytes } => out.extend_from_slice(&bytes[span(ends, row)]),
        Values::Address(v) => address(out, &v[row]),
        Values::Id(v) => id(out, &v[row]),
        Values::List { ends, items } => array(out, span(ends, row).map(|item| (&**items, item))),
        Values::Struct(parts) => array(out, parts.iter().map(|(_, part)| (part, row))),
    }
}

/// Writes one value as JSON. A struct is an array of its parts in order: `[60, 0.0, 1]`.
pub fn json(out: &mut Vec<u8>, column: &Column, row: usize) {
    if is_absent(column, row) {
        return out.extend_from_slice(b"null");
    }
    match &column.values {
        Values::Text { ends, bytes } => string(out, &text(ends, bytes, row)),
        Values::Address(_) | Values::Id(_) => {
            out.push(b'"');
            plain(out, column, row);
            out.push(b'"');
        }
        _ => plain(out, column, row),
    }
}

/// Writes a JSON string.
pub fn string(out: &mut Vec<u8>, text: &str) {
    serde_json::to_writer(out, text).expect("a Vec takes every byte, and str is a JSON string");
}

fn array<'a>(out: &mut Vec<u8>, values: impl Iterator<Item = (&'a Column, usize)>) {
    out.push(b'[');
    for (at, (column, row)) in values.enumerate() {
        if at > 0 {
            out.push(b',');
        }
        json(out, column, row);
    }
    out.push(b']');
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Whether `value` is the double nearest to ns / 10^9, by exact arithmetic on integers.
    fn is_nearest(ns: i64, value: f64) -> bool {
        if ns == 0 {
            return value == 0.0;
        }
        let bits = value.to_bits();
        let exponent = i32::try_from((bits >> 52) & 0x7ff).expect("11 bits") - 1075;
        let mantissa = i128::from((bits & ((1 << 52) - 1)) | (1 << 52)); // every quotient is a normal number
        let shift = -exponent; // value = mantissa / 2^shift; at most 82 for 1 ns
        assert!((0..=82).contains(&shift), "{ns}: {value}");
        let error = (i128::from(ns.unsigned_abs()) << shift) - mantissa * 1_000_000_000;
        // The distance to the next double below a power of two is half of that above.
        let below = if mantissa == 1 << 52 { 2 } else { 1 };
        let distance = if error < 0 { -error * below } else { error };
        let half = distance * 2 == 1_000_000_000;
        (value < 0.0) == (ns < 0) && (distance * 2 < 1_000_000_000 || half && mantissa % 2 == 0)
    }

    proptest! {
        #[test]
        fn seconds_are_the_nearest_double(ns in any::<i64>(), shift in 0_u32..63) {
            for ns in [ns, ns >> shift, (1 << 53) + (ns >> 40), 1_700_000_000_000_000_000 + (ns >> 20)] {
                prop_assert!(is_nearest(ns, seconds(ns)), "{ns}: {}", seconds(ns));
            }
        }

        #[test]
        fn floats_round_trip(bits in any::<u64>()) {
            let value = f64::from_bits(bits);
            prop_assume!(value.is_finite());
            let mut out = Vec::new();
            float(&mut out, value);
            let text = String::from_utf8(out).unwrap();
            prop_assert_eq!(text.parse::<f64>().unwrap().to_bits(), value.to_bits());
        }
    }

    #[test]
    fn seconds_where_two_roundings_differ_from_one() {
        for ns in [
            i64::MAX,
            i64::MIN,
            i64::MIN + 1,
            1,
            -1,
            0,
            (1 << 53) + 1,
            -(1 << 53) - 1,
        ] {
            assert!(is_nearest(ns, seconds(ns)), "{ns}");
        }
        let twice = (1 << 53..(1 << 53) + 1_000_000)
            .step_by(7)
            .filter(|ns| *ns as f64 / 1e9 != seconds(*ns));
        assert!(twice.count() > 0, "the exact way is needed");
        assert_eq!(seconds(1_500_000_000), 1.5);
        assert_eq!(seconds(-250_000_000), -0.25);
    }

    #[test]
    fn addresses_follow_rfc_5952() {
        let six = |text: &str| Address {
            family: 6,
            bytes: text.parse::<std::net::Ipv6Addr>().unwrap().octets(),
        };
        let mut four = [0; 16];
        four[..4].copy_from_slice(&[192, 0, 2, 1]);
        let all = [
            (
                Address {
                    family: 4,
                    bytes: four,
                },
                "192.0.2.1",
            ),
            (six("2001:0DB8:0:0:1:0:0:1"), "2001:db8::1:0:0:1"), // section 4.2.3: the first of two equal runs
            (six("2001:db8:0:1:1:1:1:1"), "2001:db8:0:1:1:1:1:1"), // section 4.2.2: one 0 field is not shortened
            (six("::ffff:192.0.2.1"), "::ffff:192.0.2.1"),
            (six("::"), "::"),
        ];
        for (address, expected) in all {
            let column = Column {
                values: Values::Address(vec![address]),
                valid: None,
            };
            let mut out = Vec::new();
            json(&mut out, &column, 0);
            assert_eq!(String::from_utf8(out).unwrap(), format!("\"{expected}\""));
        }
    }

    #[test]
    fn whole_doubles_have_a_point_and_no_number_is_null() {
        let column = Column {
            values: Values::F64(vec![5.0, f64::NAN, f64::INFINITY, -0.0]),
            valid: None,
        };
        let mut out = Vec::new();
        for row in 0..4 {
            json(&mut out, &column, row);
            out.push(b' ');
        }
        assert_eq!(out, b"5.0 null null -0.0 ");
    }
}
