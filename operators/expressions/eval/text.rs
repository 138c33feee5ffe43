//! Texts and bytes. Lengths and places of texts count characters, those of bytes bytes. A text that would be longer than
//! [`LONGEST`] is null.

use super::{Data, Input, Lists, Payload, TextBuilder, Vector, operations};
use crate::columns::Address;
use crate::statistics;
use base64::Engine as _;
use std::borrow::Cow;
use std::io::Write as _;

/// Bytes of a text that an expression makes at most.
const LONGEST: usize = 1 << 16;

/// Characters of texts whose distance is computed at most: it costs their product.
const LONGEST_DISTANCE: usize = 1024;

/// The bytes as text: columns hold nothing else.
fn utf8(bytes: &[u8]) -> Cow<'_, str> {
    String::from_utf8_lossy(bytes)
}

fn length(text: &[u8]) -> usize {
    if text.is_ascii() {
        return text.len();
    }
    utf8(text).chars().count()
}

/// Texts of texts.
fn map(input: &Input<'_>, f: impl Fn(&[u8], &mut Vec<u8>)) -> Vector<'static> {
    let mut texts = Building::new(input);
    for (row, text) in input.texts(0).iter().enumerate() {
        texts.row(row, |out| f(text, out));
    }
    texts.done()
}

/// Texts that may be too long.
struct Building<'a, 'i> {
    input: &'a Input<'i>,
    texts: TextBuilder,
    valid: Option<Vec<bool>>,
}

impl<'a, 'i> Building<'a, 'i> {
    fn new(input: &'a Input<'i>) -> Self {
        Self {
            input,
            texts: TextBuilder::default(),
            valid: input.valid(),
        }
    }

    /// Writes the text of a row; under a null nothing is written.
    fn row(&mut self, row: usize, write: impl FnOnce(&mut Vec<u8>)) {
        let is_there = |valid: &Vec<bool>| valid.get(row).copied().unwrap_or(false);
        let is_valid = self.valid.as_ref().is_none_or(is_there);
        let bytes = self.texts.bytes();
        let start = bytes.len();
        if is_valid {
            write(bytes);
        }
        if bytes.len() - start > LONGEST {
            bytes.truncate(start);
            self.null(row);
            let overflows = self.input.overflows;
            overflows.set(overflows.get() + 1);
        }
        self.texts.end();
    }

    fn null(&mut self, row: usize) {
        let rows = self.input.rows;
        let valid = self.valid.get_or_insert_with(|| vec![true; rows]);
        if let Some(valid) = valid.get_mut(row) {
            *valid = false;
        }
    }

    fn done(self) -> Vector<'static> {
        Vector::new(self.texts.data()).with(self.valid)
    }
}

fn numbers(input: &Input<'_>, f: impl Fn(&[u8]) -> i64) -> Vector<'static> {
    input.numbers(input.texts(0).iter().map(f).collect())
}

fn pairs(input: &Input<'_>, f: impl Fn(&[u8], &[u8]) -> bool) -> Vector<'static> {
    let both = input.texts(0).iter().zip(input.texts(1).iter());
    input.truths(both.map(|(a, b)| f(a, b)).collect())
}

/// What is before the first place of a part in a text, and what is behind it.
fn around<'t>(text: &'t [u8], part: &[u8]) -> Option<(&'t [u8], &'t [u8])> {
    let (before, rest) = text.split_at_checked(memchr::memmem::find(text, part)?)?;
    Some((before, rest.get(part.len()..)?))
}

fn count(number: usize) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// Shannon entropy of the bytes, bits a byte.
fn entropy(bytes: &[u8]) -> Option<f64> {
    let mut counts = [0_u32; 256];
    for byte in bytes {
        counts[usize::from(*byte)] += 1;
    }
    statistics::entropy(&counts)
}

/// Letters to insert, remove or replace (Levenshtein).
fn distance(a: &str, b: &str) -> Option<i64> {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    if a.len().max(b.len()) > LONGEST_DISTANCE {
        return None;
    }
    // the distances of what was read of a to nothing, and to each beginning of b
    let (mut nothing, mut row) = (0, (1..=b.len()).collect::<Vec<usize>>());
    for x in &a {
        let mut corner = nothing;
        nothing += 1;
        let mut left = nothing;
        for (above, y) in row.iter_mut().zip(&b) {
            let replaced = corner + usize::from(x != y);
            corner = *above;
            *above = replaced.min(left + 1).min(corner + 1);
            left = *above;
        }
    }
    Some(count(row.last().copied().unwrap_or(nothing)))
}

/// The part of a text from character `from` (from its end where below 0), at most `most` characters.
fn substr(text: &str, from: i64, most: i64) -> &str {
    let from = match from {
        0.. => usize::try_from(from).unwrap_or(usize::MAX),
        _ => {
            let back = usize::try_from(from.unsigned_abs()).unwrap_or(usize::MAX);
            text.chars().count().saturating_sub(back)
        }
    };
    let most = usize::try_from(most).unwrap_or(0);
    let place = |characters: usize, text: &str| {
        text.char_indices()
            .nth(characters)
            .map_or(text.len(), |(at, _)| at)
    };
    let rest = text.get(place(from, text)..).unwrap_or_default();
    rest.get(..place(most, rest)).unwrap_or_default()
}

/// The labels of a name, without the root.
fn labels(name: &[u8]) -> impl Iterator<Item = &[u8]> {
    let name = name.strip_suffix(b".").unwrap_or(name);
    name.split(|byte| *byte == b'.')
        .filter(move |_| !name.is_empty())
}

fn optional_text(input: &Input<'_>, f: impl Fn(&[u8]) -> Option<Vec<u8>>) -> Vector<'static> {
    let mut texts = Building::new(input);
    for (row, text) in input.texts(0).iter().enumerate() {
        match f(text) {
            Some(found) => texts.row(row, |out| out.extend_from_slice(&found)),
            None => {
                texts.null(row);
                texts.texts.end();
            }
        }
    }
    texts.done()
}

/// The domain that somebody registered: one label more than its public suffix (https://publicsuffix.org). A label has a letter at
/// least.
fn registered(name: &[u8]) -> Option<Vec<u8>> {
    let lower = name.to_ascii_lowercase();
    let lower = lower.strip_suffix(b".").unwrap_or(&lower);
    let domain = psl::domain(lower)?;
    let mut labels = domain.as_bytes().split(|byte| *byte == b'.');
    (!labels.any(<[u8]>::is_empty)).then(|| domain.as_bytes().to_vec())
}

/// Texts of values of another type.
fn written<T: Copy>(
    input: &Input<'_>,
    values: &[T],
    write: impl Fn(T, &mut Vec<u8>),
) -> Vector<'static> {
    let mut texts = TextBuilder::default();
    for (row, value) in values.iter().enumerate() {
        if input.arg(0).is_valid(row) {
            write(*value, texts.bytes());
        }
        texts.end();
    }
    Vector::new(texts.data()).with(input.valid())
}

fn hex(bytes: &[u8], out: &mut Vec<u8>) {
    for byte in bytes {
        let _ = write!(out, "{byte:02x}");
    }
}

operations! {
    TEXT_LENGTH = "text_length", Operands, |c| numbers(c, |text| count(length(text)));
    BYTES_LENGTH = "bytes_length", Operands, |c| numbers(c, |bytes| count(bytes.len()));
    LOWER = "lower", Operands, |c| map(c, |text, out| out.extend(utf8(text).to_lowercase().bytes()));
    UPPER = "upper", Operands, |c| map(c, |text, out| out.extend(utf8(text).to_uppercase().bytes()));
    TRIM = "trim", Operands, |c| map(c, |text, out| out.extend(utf8(text).trim().bytes()));
    STARTS_WITH = "starts_with", Operands, |c| pairs(c, |text, part| text.starts_with(part));
    ENDS_WITH = "ends_with", Operands, |c| pairs(c, |text, part| text.ends_with(part));
    CONTAINS = "contains", Operands, |c| pairs(c, |text, part| around(text, part).is_some());
    REPLACE = "replace", Always, |c| {
        let mut texts = Building::new(c);
        let rows = c.texts(0).iter().zip(c.texts(1).iter()).zip(c.texts(2).iter());
        for (row, ((text, from), to)) in rows.enumerate() {
            texts.row(row, |out| {
                if from.is_empty() {
                    return out.extend_from_slice(text);
                }
                let start = out.len();
                let mut rest = text;
                while let Some((before, behind)) = around(rest, from).filter(|_| out.len() - start <= LONGEST) {
                    out.extend_from_slice(before);
                    out.extend_from_slice(to);
                    rest = behind;
                }
                out.extend_from_slice(rest);
            });
        }
        texts.done()
    };
    SUBSTR = "substr", Operands, |c| {
        let mut texts = Building::new(c);
        let rows = c.texts(0).iter().zip(c.ints(1)).zip(c.ints(2));
        for (row, ((text, from), most)) in rows.enumerate() {
            texts.row(row, |out| out.extend(substr(&utf8(text), *from, *most).bytes()));
        }
        texts.done()
    };
    /// The parts between the places where a text is found; an empty text splits nothing.
    SPLIT = "split", Operands, |c| {
        let (mut texts, mut ends, mut end) = (TextBuilder::default(), Vec::new(), 0_u32);
        for (text, by) in c.texts(0).iter().zip(c.texts(1).iter()) {
            let mut rest = text;
            while let Some((before, behind)) = around(rest, by).filter(|_| !by.is_empty()) {
                texts.push(before);
                end += 1;
                rest = behind;
            }
            texts.push(rest);
            end += 1;
            ends.push(end);
        }
        let items = Box::new(Vector::new(texts.data()));
        Vector::new(Data::List(Lists { ends: ends.into(), items })).with(c.valid())
    };
    /// Characters before the first place where a part is found; null where it is not.
    INDEX_OF = "index_of", Always, |c| {
        let both = c.texts(0).iter().zip(c.texts(1).iter());
        let found = both.map(|(text, part)| Some(count(length(around(text, part)?.0))));
        c.optional(found, false, Data::Int)
    };
    MATCHES = "matches", Operands, |c| {
        let Payload::Pattern(pattern) = c.payload else {
            unreachable!("checked: a pattern is carried along")
        };
        c.truths(c.texts(0).iter().map(|text| pattern.is_match(text)).collect())
    };
    CONCAT = "concat", Always, |c| {
        let mut texts = Building::new(c);
        for (row, (a, b)) in c.texts(0).iter().zip(c.texts(1).iter()).enumerate() {
            texts.row(row, |out| { out.extend_from_slice(a); out.extend_from_slice(b); });
        }
        texts.done()
    };
    ENTROPY = "entropy", Always, |c| {
        c.optional(c.texts(0).iter().map(entropy), false, Data::Float)
    };
    /// Digits by characters; null of an empty text.
    DIGITS_RATIO = "digits_ratio", Always, |c| {
        let ratio = |text: &[u8]| {
            let digits = text.iter().filter(|byte| byte.is_ascii_digit()).count();
            (!text.is_empty()).then(|| digits as f64 / length(text) as f64)
        };
        c.optional(c.texts(0).iter().map(ratio), false, Data::Float)
    };
    TLD = "tld", Always, |c| optional_text(c, |name| {
        labels(name).last().map(<[u8]>::to_ascii_lowercase)
    });
    REGISTERED_DOMAIN = "registered_domain", Always, |c| optional_text(c, registered);
    LABEL_COUNT = "label_count", Operands, |c| numbers(c, |name| count(labels(name).count()));
    MAX_LABEL_LEN = "max_label_len", Operands, |c| {
        numbers(c, |name| count(labels(name).map(length).max().unwrap_or(0)))
    };
    EDIT_DISTANCE = "edit_distance", Always, |c| {
        let both = c.texts(0).iter().zip(c.texts(1).iter());
        c.optional(both.map(|(a, b)| distance(&utf8(a), &utf8(b))), false, Data::Int)
    };
    HEX = "hex", Always, |c| map(c, hex);
    BASE64 = "base64", Always, |c| map(c, |bytes, out| {
        out.extend(base64::engine::general_purpose::STANDARD.encode(bytes).bytes());
    });
    INT_TO_TEXT = "int_to_text", Operands, |c| written(c, c.ints(0), |value, out| {
        let _ = write!(out, "{value}");
    });
    FLOAT_TO_TEXT = "float_to_text", Operands, |c| written(c, c.floats(0), |value, out| {
        out.extend(zmij::Buffer::new().format_finite(value).bytes());
    });
    BOOL_TO_TEXT = "bool_to_text", Operands, |c| written(c, c.bools(0), |value, out| {
        let _ = write!(out, "{value}");
    });
    IP_TO_TEXT = "ip_to_text", Operands, |c| written(c, c.ips(0), |value: Address, out| {
        let _ = write!(out, "{value}");
    });
    TEXT_TO_INT = "text_to_int", Always, |c| {
        c.optional(c.texts(0).iter().map(|text| utf8(text).trim().parse().ok()), false, Data::Int)
    };
    TEXT_TO_FLOAT = "text_to_float", Always, |c| {
        let read = |text: &[u8]| utf8(text).trim().parse().ok().filter(|value: &f64| value.is_finite());
        c.optional(c.texts(0).iter().map(read), false, Data::Float)
    };
}
