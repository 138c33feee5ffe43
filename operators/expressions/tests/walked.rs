//! The functions of the table value by value, each as its definition says it, and all of them against the columns.

use super::Value::{self, Bool, Float, Int, Ip, List, Null, Text};
use super::{agrees, expression, finite, int, order, rows};
use crate::columns::Address;
use crate::expressions::functions::{FUNCTIONS, Form, Function, Kind};
use crate::expressions::types::Type;
use proptest::prelude::*;
use sha2::{Digest as _, Sha256};
use siphasher::sip::SipHasher24;
use std::hash::Hasher as _;
use std::net::IpAddr;

fn count(number: usize) -> Value {
    Int(number as i64)
}

fn text(text: &str) -> Value {
    Text(text.to_owned())
}

/// Year, month, day, and ns of the day, by going through the years.
fn calendar(ns: i64) -> (i64, usize, i64, i64) {
    const DAY: i64 = 86_400_000_000_000;
    let is_leap = |year: i64| year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let length = |year: i64| if is_leap(year) { 366 } else { 365 };
    let (mut days, mut year) = (ns.div_euclid(DAY), 1970);
    while days < 0 {
        year -= 1;
        days += length(year);
    }
    while days >= length(year) {
        days -= length(year);
        year += 1;
    }
    let february = if is_leap(year) { 29 } else { 28 };
    let months = [31, february, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
    let mut month = 0;
    while days >= months[month] {
        days -= months[month];
        month += 1;
    }
    (year, month + 1, days + 1, ns.rem_euclid(DAY))
}

fn date(ns: i64) -> String {
    let (year, month, day, _) = calendar(ns);
    format!("{year:04}-{month:02}-{day:02}")
}

fn moment(ns: i64) -> String {
    let in_day = calendar(ns).3;
    let seconds = in_day / 1_000_000_000;
    let (hour, minute, second) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    let fraction = format!(".{:09}", in_day % 1_000_000_000);
    let fraction = fraction.trim_end_matches('0').trim_end_matches('.');
    format!("{}T{hour:02}:{minute:02}:{second:02}{fraction}Z", date(ns))
}

fn distance(a: &str, b: &str) -> usize {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    let mut all = vec![vec![0; b.len() + 1]; a.len() + 1];
    for x in 0..=a.len() {
        for y in 0..=b.len() {
            all[x][y] = match (x, y) {
                (0, n) | (n, 0) => n,
                _ => {
                    let replaced = all[x - 1][y - 1] + usize::from(a[x - 1] != b[y - 1]);
                    replaced.min(all[x - 1][y] + 1).min(all[x][y - 1] + 1)
                }
            };
        }
    }
    all[a.len()][b.len()]
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// RFC 4648, section 4.
fn base64(bytes: &[u8]) -> String {
    const LETTERS: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let each = bytes.chunks(3).flat_map(|part| {
        let mut three = [0; 3];
        three[..part.len()].copy_from_slice(part);
        let bits = u32::from_be_bytes([0, three[0], three[1], three[2]]);
        (0..4).map(move |at| match at <= part.len() {
            true => LETTERS[(bits >> (18 - 6 * at)) as usize & 63] as char,
            false => '=',
        })
    });
    each.collect()
}

fn labels(name: &str) -> Vec<&str> {
    let name = name.strip_suffix('.').unwrap_or(name);
    match name {
        "" => Vec::new(),
        name => name.split('.').collect(),
    }
}

fn network(address: Address, bits: i64) -> Value {
    let width = if address.family == 4 { 32 } else { 128 };
    if !(0..=width).contains(&bits) {
        return Null;
    }
    let mut bytes = address.bytes;
    for bit in bits as usize..128 {
        bytes[bit / 8] &= !(0x80 >> (bit % 8));
    }
    Ip(Address { bytes, ..address })
}

fn power(a: i64, b: i64) -> Value {
    if b < 0 {
        return Null;
    }
    match a {
        0 | 1 => Int(if b == 0 { 1 } else { a }),
        -1 => Int(if b % 2 == 0 { 1 } else { -1 }),
        _ => {
            let all = (0..b.min(64)).try_fold(1_i128, |all, _| {
                all.checked_mul(i128::from(a)).filter(|all| *all != 0)
            });
            int(all)
        }
    }
}

fn there(list: &[Value]) -> impl Iterator<Item = &Value> {
    list.iter().filter(|one| **one != Null)
}

fn sum_float(list: &[Value]) -> f64 {
    there(list).fold(0.0, |sum, one| match one {
        Float(one) => sum + one,
        other => panic!("{other:?}"),
    })
}

fn sum_int(list: &[Value]) -> f64 {
    let all = there(list).map(|one| match one {
        Int(one) => i128::from(*one),
        other => panic!("{other:?}"),
    });
    all.sum::<i128>() as f64
}

/// The value of an operation on values of which none is null; `None` where the walker knows it itself.
pub(super) fn value(operation: &str, values: &[Value]) -> Option<Value> {
    Some(match (operation, values) {
        ("power_int", [Int(a), Int(b)]) => power(*a, *b),
        ("power_float", [Float(a), Float(b)]) => finite(a.powf(*b)),
        ("sign_float", [Float(a)]) => Int(if *a > 0.0 {
            1
        } else if *a < 0.0 {
            -1
        } else {
            0
        }),
        ("log10", [Float(a)]) => finite(a.log10()),
        ("ceil", [Float(a)]) => int(Some(a.ceil() as i128)),
        ("round_to", [Float(a), Int(digits)]) => {
            let scale = 10_f64.powi(digits.unsigned_abs().min(308) as i32);
            let scaled = if *digits < 0 { a / scale } else { a * scale };
            match digits {
                309.. => Float(*a),
                ..=-309 => Float(0.0),
                _ if !scaled.is_finite() => Float(*a),
                0.. => finite(scaled.round() / scale),
                _ => finite(scaled.round() * scale),
            }
        }
        ("to_duration", [Float(a)]) => int(Some((a * 1e9).round() as i128)),
        ("text_to_int", [Text(a)]) => a.trim().parse().map_or(Null, Int),
        ("text_to_float", [Text(a)]) => a.trim().parse().map_or(Null, finite),
        ("time_to_text", [Int(a)]) => Text(moment(*a)),
        ("float_to_text", [Float(a)]) => text(zmij::Buffer::new().format_finite(*a)),
        ("bool_to_text", [Bool(a)]) => text(if *a { "true" } else { "false" }),
        ("ip_to_text", [Ip(a)]) => Text(IpAddr::from(*a).to_string()),
        ("bytes_length", [Text(a)]) => count(a.len()),
        ("upper", [Text(a)]) => Text(a.to_uppercase()),
        ("trim", [Text(a)]) => text(a.trim()),
        ("ends_with", [Text(a), Text(b)]) => Bool(a.ends_with(b.as_str())),
        ("replace", [Text(a), Text(b), Text(c)]) => match b.as_str() {
            "" => text(a),
            b => Text(a.replace(b, c)),
        },
        ("split", [Text(a), Text(b)]) => match b.as_str() {
            "" => List(vec![text(a)]),
            b => List(a.split(b).map(text).collect()),
        },
        ("index_of", [Text(a), Text(b)]) => a
            .find(b.as_str())
            .map_or(Null, |at| count(a[..at].chars().count())),
        ("entropy", [Text(a)]) => {
            let mut counts = [0; 256];
            a.bytes().for_each(|byte| counts[usize::from(byte)] += 1);
            crate::statistics::entropy(&counts).map_or(Null, Float)
        }
        ("digits_ratio", [Text(a)]) => {
            let digits = a.chars().filter(char::is_ascii_digit).count();
            finite(digits as f64 / a.chars().count() as f64)
        }
        ("tld", [Text(a)]) => labels(a)
            .last()
            .map_or(Null, |last| Text(last.to_ascii_lowercase())),
        ("registered_domain", [Text(a)]) => {
            let lower = a.to_ascii_lowercase();
            let lower = lower.strip_suffix('.').unwrap_or(&lower);
            let domain = psl::domain(lower.as_bytes());
            let domain = domain.and_then(|domain| std::str::from_utf8(domain.as_bytes()).ok());
            let is_whole = |domain: &&str| domain.split('.').all(|label| !label.is_empty());
            domain.filter(is_whole).map_or(Null, text)
        }
        ("label_count", [Text(a)]) => count(labels(a).len()),
        ("max_label_len", [Text(a)]) => {
            let lengths = labels(a).into_iter().map(|label| label.chars().count());
            count(lengths.max().unwrap_or(0))
        }
        ("edit_distance", [Text(a), Text(b)]) => count(distance(a, b)),
        ("hex", [Text(a)]) => Text(hex(a.as_bytes())),
        ("base64", [Text(a)]) => Text(base64(a.as_bytes())),
        ("sha256", [Text(a)]) => Text(hex(&Sha256::digest(a.as_bytes()))),
        ("siphash", [Text(a)]) => {
            let mut hasher = SipHasher24::new();
            hasher.write(a.as_bytes());
            Int((hasher.finish() / 2) as i64)
        }
        ("ip_version", [Ip(a)]) => Int(a.family.into()),
        ("is_multicast", [Ip(a)]) => {
            let first = a.bytes[0];
            Bool(if a.family == 4 {
                first >> 4 == 14
            } else {
                first == 255
            })
        }
        ("network", [Ip(a), Int(bits)]) => network(*a, *bits),
        ("hour", [Int(a)]) => Int(calendar(*a).3 / 3_600_000_000_000),
        ("weekday", [Int(a)]) => {
            // Monday was the 5th of January 1970
            Int((a.div_euclid(86_400_000_000_000) - 4).rem_euclid(7))
        }
        ("date", [Int(a)]) => Text(date(*a)),
        ("floor_time", [Int(a), Int(b)]) => match b {
            ..=0 => Null,
            _ => int(Some(
                i128::from(*a).div_euclid((*b).into()) * i128::from(*b),
            )),
        },
        ("list_slice", [List(a), Int(from), Int(most)]) => {
            let from = match from {
                ..0 => (i128::from(*from) + a.len() as i128).max(0) as usize,
                _ => *from as usize,
            };
            let most = (*most).max(0) as usize;
            List(a.iter().skip(from).take(most).cloned().collect())
        }
        ("list_sort", [List(a)]) => {
            let mut all: Vec<Value> = there(a).cloned().collect();
            all.sort_by(order);
            List(all)
        }
        ("list_unique", [List(a)]) => {
            let mut all: Vec<Value> = Vec::new();
            for one in there(a) {
                if !all.iter().any(|known| order(known, one).is_eq()) {
                    all.push(one.clone());
                }
            }
            List(all)
        }
        ("list_sum_float", [List(a)]) => finite(sum_float(a)),
        ("list_mean_float", [List(a)]) => finite(sum_float(a) / there(a).count() as f64),
        ("list_mean_int", [List(a)]) => finite(sum_int(a) / there(a).count() as f64),
        ("list_mean_duration", [List(a)]) => match there(a).count() {
            0 => Null,
            n => int(Some((sum_int(a) / n as f64).round() as i128)),
        },
        ("list_min", [List(a)]) => {
            let least = there(a)
                .cloned()
                .reduce(|a, b| if order(&b, &a).is_lt() { b } else { a });
            least.unwrap_or(Null)
        }
        _ => return None,
    })
}

/// An expression that a function may be given there.
fn operand(kind: Kind, next: &mut dyn FnMut(usize) -> usize) -> String {
    let mut one = |kind: &Type| expression(kind, next, 1);
    match kind {
        Kind::Bool => one(&Type::Bool),
        Kind::Int => one(&Type::Int),
        Kind::Float => one(&Type::Float),
        Kind::Text => one(&Type::Text),
        Kind::Ip => one(&Type::Ip),
        Kind::Time => one(&Type::Time),
        Kind::Duration => one(&Type::Duration),
        Kind::Bytes => "e".to_owned(),
        Kind::ListInt => {
            ["l".to_owned(), format!("[{}, j, null, 3]", one(&Type::Int))][next(2)].clone()
        }
        Kind::ListFloat => format!("[{}, g, null, 0.5]", one(&Type::Float)),
        Kind::ListDuration => format!("[{}, d, 5s]", one(&Type::Duration)),
        Kind::ListText => format!("split({}, {})", one(&Type::Text), one(&Type::Text)),
        Kind::ListAny => {
            let kinds = [
                Kind::ListInt,
                Kind::ListFloat,
                Kind::ListDuration,
                Kind::ListText,
            ];
            operand(kinds[next(4)], next)
        }
        Kind::Item | Kind::First => panic!("{kind:?} is not taken"),
    }
}

fn call(function: &Function, form: &Form, next: &mut dyn FnMut(usize) -> usize) -> String {
    let mut operands: Vec<String> = form.takes.iter().map(|kind| operand(*kind, next)).collect();
    if form.usual.is_some() && next(2) == 0 {
        operands.pop();
    }
    if let (true, Some(kind)) = (function.folds, form.takes.last()) {
        let more = next(3);
        operands.extend((0..more).map(|_| operand(*kind, next)).collect::<Vec<_>>());
    }
    format!("{}({})", function.name, operands.join(", "))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]

    /// Every function, in every form, with random operands.
    #[test]
    fn functions_give_what_their_definitions_say(seed in prop::collection::vec(any::<u16>(), 300), rows in rows()) {
        let mut turns = seed.iter().cycle();
        let mut next = |below: usize| usize::from(*turns.next().expect("turns")) % below;
        for function in FUNCTIONS {
            for form in function.forms {
                agrees(&[call(function, form, &mut next)], &rows);
            }
        }
    }
}
