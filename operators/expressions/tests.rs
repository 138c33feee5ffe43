//! The columnar evaluator against a plain one, which walks the typed tree value by value; and the examples of the functions.

mod walked;

use super::check::{Checker, Node, Typed};
use super::eval::{Payload, Set};
use super::functions::FUNCTIONS;
use super::program::{Fields, Program};
use super::total::{FIELDS, LIST, context, fits};
use super::types::{Constant, Type};
use super::vector::{Data, Lists, Texts, Vector, seconds};
use super::{parse, total};
use crate::columns::Address;
use proptest::prelude::*;
use std::cell::Cell;
use std::cmp::Ordering;

#[derive(Clone, Debug, PartialEq)]
enum Value {
    Null,
    Bool(bool),
    Int(i64),
    Float(f64),
    Text(String),
    Ip(Address),
    List(Vec<Value>),
}

use Value::{Bool, Float, Int, Ip, List, Null, Text};

fn finite(value: f64) -> Value {
    if value.is_finite() {
        Float(value)
    } else {
        Null
    }
}

fn int(value: Option<i128>) -> Value {
    value
        .and_then(|value| i64::try_from(value).ok())
        .map_or(Null, Int)
}

fn order(a: &Value, b: &Value) -> Ordering {
    match (a, b) {
        (Bool(a), Bool(b)) => a.cmp(b),
        (Int(a), Int(b)) => a.cmp(b),
        (Float(a), Float(b)) => a.partial_cmp(b).expect("no NaN"),
        (Text(a), Text(b)) => a.as_bytes().cmp(b.as_bytes()),
        (Ip(a), Ip(b)) => a.cmp(b),
        (List(a), List(b)) => {
            let pairs = a.iter().zip(b);
            let first = pairs.map(|(a, b)| order(a, b)).find(|one| one.is_ne());
            first.unwrap_or(a.len().cmp(&b.len()))
        }
        other => panic!("{other:?} are not compared"),
    }
}

/// The value of an expression in a row.
fn walk(typed: &Typed, row: &[Value]) -> Value {
    let (operation, payload, args) = match &typed.node {
        Node::Load(place) => return row[*place as usize].clone(),
        Node::Constant(constant) => {
            return match constant {
                Constant::Null | Constant::Net(_) => Null,
                Constant::Bool(value) => Bool(*value),
                Constant::Int(value) | Constant::Duration(value) | Constant::Time(value) => {
                    Int(*value)
                }
                Constant::Float(value) => Float(*value),
                Constant::Text(text) => Text(text.clone()),
                Constant::Ip(address) => Ip(*address),
            };
        }
        Node::Call(operation, payload, args) => (operation.name, payload, args),
    };
    let values: Vec<Value> = args.iter().map(|arg| walk(arg, row)).collect();
    match (operation, &values[..]) {
        ("and", [a, b]) => {
            return match (a, b) {
                (Bool(false), _) | (_, Bool(false)) => Bool(false),
                (Bool(true), Bool(true)) => Bool(true),
                _ => Null,
            };
        }
        ("or", [a, b]) => {
            return match (a, b) {
                (Bool(true), _) | (_, Bool(true)) => Bool(true),
                (Bool(false), Bool(false)) => Bool(false),
                _ => Null,
            };
        }
        ("if", [test, a, b]) => {
            return if *test == Bool(true) {
                a.clone()
            } else {
                b.clone()
            };
        }
        ("coalesce", [a, b]) => return if *a == Null { b.clone() } else { a.clone() },
        ("is_null", [a]) => return Bool(*a == Null),
        ("is_not_null", [a]) => return Bool(*a != Null),
        ("list_of", values) => return List(values.to_vec()),
        _ => {}
    }
    if values.contains(&Null) {
        return Null;
    }
    let big = |value: i64| i128::from(value);
    match (operation, &values[..]) {
        ("self", [a]) => a.clone(),
        ("not", [Bool(a)]) => Bool(!a),
        ("equal", [a, b]) => Bool(order(a, b).is_eq()),
        ("not_equal", [a, b]) => Bool(order(a, b).is_ne()),
        ("less", [a, b]) => Bool(order(a, b).is_lt()),
        ("less_equal", [a, b]) => Bool(order(a, b).is_le()),
        ("greater", [a, b]) => Bool(order(a, b).is_gt()),
        ("greater_equal", [a, b]) => Bool(order(a, b).is_ge()),
        ("add_int", [Int(a), Int(b)]) => int(Some(big(*a) + big(*b))),
        ("subtract_int", [Int(a), Int(b)]) => int(Some(big(*a) - big(*b))),
        ("multiply_int", [Int(a), Int(b)]) => int(Some(big(*a) * big(*b))),
        ("divide_whole", [Int(_), Int(0)]) | ("remainder", [Int(_), Int(0)]) => Null,
        ("divide_whole", [Int(a), Int(b)]) => {
            let (a, b) = (big(*a), big(*b));
            let rest = ((a % b) + b) % b;
            int(Some((a - rest) / b))
        }
        ("remainder", [Int(a), Int(b)]) => int(Some(((big(*a) % big(*b)) + big(*b)) % big(*b))),
        ("bit_and", [Int(a), Int(b)]) => Int(a & b),
        ("bit_or", [Int(a), Int(b)]) => Int(a | b),
        ("bit_xor", [Int(a), Int(b)]) => Int(a ^ b),
        ("shift_left", [Int(0), Int(0..)]) => Int(0),
        ("shift_left", [Int(a), Int(b @ 0..64)]) => int(big(*a).checked_mul(1 << b)),
        ("shift_right", [Int(a), Int(b @ 0..)]) => {
            Int(big(*a).wrapping_shr((*b).min(64) as u32) as i64)
        }
        ("shift_left" | "shift_right", _) => Null,
        ("negate_int", [Int(a)]) => int(Some(-big(*a))),
        ("abs_int", [Int(a)]) => int(Some(big(*a).abs())),
        ("sign_int", [Int(a)]) => Int(a.signum()),
        ("least_int", [Int(a), Int(b)]) => Int(*a.min(b)),
        ("greatest_int", [Int(a), Int(b)]) => Int(*a.max(b)),
        ("add_float", [Float(a), Float(b)]) => finite(a + b),
        ("subtract_float", [Float(a), Float(b)]) => finite(a - b),
        ("multiply_float", [Float(a), Float(b)]) => finite(a * b),
        ("divide_float", [Float(a), Float(b)]) => finite(a / b),
        ("negate_float", [Float(a)]) => Float(-a),
        ("abs_float", [Float(a)]) => Float(a.abs()),
        ("least_float", [Float(a), Float(b)]) => Float(a.min(*b)),
        ("greatest_float", [Float(a), Float(b)]) => Float(a.max(*b)),
        ("sqrt", [Float(a)]) => finite(a.sqrt()),
        ("ln", [Float(a)]) => finite(a.ln()),
        ("log2", [Float(a)]) => finite(a.log2()),
        ("exp", [Float(a)]) => finite(a.exp()),
        ("floor", [Float(a)]) => int(Some(a.floor() as i128)),
        ("round", [Float(a)]) => int(Some(a.round() as i128)),
        ("float_to_int", [Float(a)]) => int(Some(a.trunc() as i128)),
        ("int_to_float", [Int(a)]) => Float(*a as f64),
        ("bool_to_int", [Bool(a)]) => Int(i64::from(*a)),
        ("seconds", [Int(a)]) => Float(seconds(*a)),
        ("rate", [Float(a), Int(b)]) => finite(a / seconds(*b)),
        ("duration_ratio", [Int(a), Int(b)]) => finite(*a as f64 / *b as f64),
        ("scale_duration", [Int(a), Float(b)]) => {
            let ns = (*a as f64 * b).round();
            if ns.is_finite() {
                int(Some(ns as i128))
            } else {
                Null
            }
        }
        ("shrink_duration", [Int(a), Float(b)]) => {
            let ns = (*a as f64 / b).round();
            if ns.is_finite() {
                int(Some(ns as i128))
            } else {
                Null
            }
        }
        ("text_length", [Text(a)]) => Int(a.chars().count() as i64),
        ("list_length", [List(a)]) => Int(a.len() as i64),
        ("lower", [Text(a)]) => Text(a.to_lowercase()),
        ("concat", [Text(a), Text(b)]) => Text(format!("{a}{b}")),
        ("contains", [Text(a), Text(b)]) => Bool(a.contains(b)),
        ("starts_with", [Text(a), Text(b)]) => Bool(a.starts_with(b)),
        ("substr", [Text(a), Int(from), Int(most)]) => {
            let letters: Vec<char> = a.chars().collect();
            let start = if *from < 0 {
                big(*from) + letters.len() as i128
            } else {
                big(*from)
            };
            let start = usize::try_from(start.max(0)).expect("a place");
            let most = usize::try_from((*most).max(0)).expect("a length");
            Text(letters.iter().skip(start).take(most).collect())
        }
        ("int_to_text", [Int(a)]) => Text(a.to_string()),
        ("is_private", [Ip(a)]) => Bool(match std::net::IpAddr::from(*a) {
            std::net::IpAddr::V4(ip) => ip.is_private() || ip.is_loopback() || ip.is_link_local(),
            std::net::IpAddr::V6(ip) => {
                let first = ip.segments()[0];
                first & 0xfe00 == 0xfc00 || first & 0xffc0 == 0xfe80 || ip.is_loopback()
            }
        }),
        ("list_at", [List(a), Int(at)]) => {
            let at = if *at < 0 {
                big(*at) + a.len() as i128
            } else {
                big(*at)
            };
            let place = usize::try_from(at).ok();
            place.and_then(|at| a.get(at)).cloned().unwrap_or(Null)
        }
        ("list_sum_int", [List(a)]) => {
            let all = a.iter().map(|one| match one {
                Int(one) => big(*one),
                _ => 0,
            });
            int(Some(all.sum()))
        }
        ("list_max", [List(a)]) => {
            let there = a.iter().filter(|one| **one != Null);
            there
                .cloned()
                .reduce(|a, b| if order(&b, &a).is_gt() { b } else { a })
                .unwrap_or(Null)
        }
        ("in_list", [a, List(all)]) => {
            Bool(all.iter().any(|one| *one != Null && order(a, one).is_eq()))
        }
        ("in_set", [a]) => {
            let Payload::Set(_, set) = payload else {
                panic!("no set")
            };
            Bool(match (&**set, a) {
                (Set::Ints(all), Int(a)) => all.iter().any(|(from, to)| from <= a && a <= to),
                (Set::Floats(all), Float(a)) => all.iter().any(|(from, to)| from <= a && a <= to),
                (Set::Texts(all), Text(a)) => all.iter().any(|(from, to)| {
                    from.as_slice() <= a.as_bytes() && a.as_bytes() <= to.as_slice()
                }),
                (Set::Ips(all), Ip(a)) => {
                    let number = super::eval::number(a);
                    let all = &all[usize::from(a.family == 6)];
                    all.iter()
                        .any(|(from, to)| *from <= number && number <= *to)
                }
                other => panic!("{other:?}"),
            })
        }
        ("matches", [Text(a)]) => {
            let Payload::Pattern(pattern) = payload else {
                panic!("no pattern")
            };
            Bool(pattern.is_match(a.as_bytes()))
        }
        (operation, values) => match walked::value(operation, values) {
            Some(value) => value,
            None => panic!("{operation} of {values:?} is not known to the walker"),
        },
    }
}

/// Rows as columns.
struct Rows<'a>(&'a [Vec<Value>]);

fn vector(values: &[&Value], kind: &Type) -> Vector<'static> {
    let valid: Vec<bool> = values.iter().map(|value| **value != Null).collect();
    macro_rules! plain {
        ($variant:ident, $zero:expr) => {
            values
                .iter()
                .map(|value| match value {
                    $variant(value) => *value,
                    _ => $zero,
                })
                .collect()
        };
    }
    let data = match kind {
        Type::Bool => Data::Bool(plain!(Bool, true)),
        Type::Int | Type::Time | Type::Duration => Data::Int(plain!(Int, 77)),
        Type::Float => Data::Float(plain!(Float, 7.7)),
        Type::Ip => Data::Ip(plain!(Ip, super::vector::ZERO)),
        Type::List(item) => {
            let mut items = Vec::new();
            let mut ends = Vec::new();
            for value in values {
                if let List(all) = value {
                    items.extend(all);
                }
                ends.push(items.len() as u32);
            }
            Data::List(Lists {
                ends: ends.into(),
                items: Box::new(vector(&items, item)),
            })
        }
        _ => {
            let (mut ends, mut bytes) = (Vec::new(), b"before".to_vec());
            for value in values {
                if let Text(text) = value {
                    bytes.extend_from_slice(text.as_bytes());
                }
                ends.push(bytes.len() as u32);
            }
            Data::Text(Texts {
                first: 6,
                is_one: false,
                ends: ends.into(),
                bytes: bytes.into(),
            })
        }
    };
    Vector::new(data).with(valid.contains(&false).then_some(valid))
}

impl<'a> Fields<'a> for Rows<'_> {
    fn load(&self, place: u32, kind: &Type) -> Vector<'a> {
        let values: Vec<&Value> = self.0.iter().map(|row| &row[place as usize]).collect();
        vector(&values, kind)
    }
}

/// The value of a row.
fn value(vector: &Vector<'_>, row: usize) -> Value {
    if !vector.is_valid(row) {
        return Null;
    }
    match &vector.data {
        Data::Bool(v) => Bool(v[row]),
        Data::Int(v) => Int(v[row]),
        Data::Float(v) => Float(v[row]),
        Data::Ip(v) => Ip(v[row]),
        Data::Text(v) => {
            let text = v.iter().nth(row).expect("a row");
            Text(String::from_utf8(text.to_vec()).expect("UTF-8"))
        }
        Data::List(v) => {
            let range = crate::columns::span(&v.ends, row);
            List(range.map(|at| value(&v.items, at)).collect())
        }
    }
}

fn numbers() -> impl Strategy<Value = i64> {
    prop_oneof![-3..4_i64, any::<i64>(), Just(i64::MAX), Just(i64::MIN)]
}

fn floats() -> impl Strategy<Value = f64> {
    prop_oneof![
        (-4..5_i32).prop_map(|n| f64::from(n) / 2.0),
        any::<f64>().prop_filter("finite", |value| value.is_finite()),
    ]
}

fn addresses() -> impl Strategy<Value = Address> {
    prop_oneof![
        any::<[u8; 4]>().prop_map(|octets| super::syntax_address(octets.into())),
        Just(super::syntax_address([10, 0, 0, 1].into())),
        any::<[u8; 16]>().prop_map(|bytes| Address { family: 6, bytes }),
    ]
}

fn texts() -> impl Strategy<Value = String> {
    prop_oneof![
        Just(String::new()),
        "[a-c.0-9]{0,6}",
        "[a\u{e9}\u{1F600}]{0,3}",
    ]
}

fn rows() -> impl Strategy<Value = Vec<Vec<Value>>> {
    let field = |(_, kind, null): (&str, Type, bool)| {
        let there = match kind {
            Type::Bool => any::<bool>().prop_map(Bool).boxed(),
            Type::Float => floats().prop_map(Float).boxed(),
            Type::Text | Type::Bytes => texts().prop_map(Text).boxed(),
            Type::Ip => addresses().prop_map(Ip).boxed(),
            _ => numbers().prop_map(Int).boxed(),
        };
        match null {
            true => prop_oneof![3 => there, 1 => Just(Null)].boxed(),
            false => there,
        }
    };
    let mut row: Vec<BoxedStrategy<Value>> = FIELDS.into_iter().map(field).collect();
    let list = prop::collection::vec(numbers().prop_map(Int), 0..4).prop_map(List);
    row.push(prop_oneof![3 => list, 1 => Just(Null)].boxed());
    assert_eq!(row.len(), LIST as usize + 1);
    prop::collection::vec(row, 0..9)
}

/// A random expression: what the numbers say at each turn, `want` being its type.
fn expression(want: &Type, next: &mut dyn FnMut(usize) -> usize, depth: usize) -> String {
    use Type::{Duration as D, Float as F, Int as I, Ip as A, Text as T, Time as M};
    let leaf = depth == 0 || next(5) == 0;
    let sub = |kind: &Type, next: &mut dyn FnMut(usize) -> usize| {
        expression(kind, next, depth.saturating_sub(1))
    };
    if !leaf && next(6) == 0 {
        return match next(3) {
            0 => format!(
                "(if {} then {} else {})",
                sub(&Type::Bool, next),
                sub(want, next),
                sub(want, next)
            ),
            1 => format!("({} ?? {})", sub(want, next), sub(want, next)),
            _ => format!(
                "case when {} then {} when {} then null else {} end",
                sub(&Type::Bool, next),
                sub(want, next),
                sub(&Type::Bool, next),
                sub(want, next)
            ),
        };
    }
    let pick =
        |from: &[&str], next: &mut dyn FnMut(usize) -> usize| from[next(from.len())].to_owned();
    match want {
        Type::Bool if leaf => pick(&["b", "c", "true", "false"], next),
        Type::Bool => {
            let kinds = [I, F, T, D, M, A, Type::Bool];
            match next(8) {
                0 => format!("({} and {})", sub(want, next), sub(want, next)),
                1 => format!("({} or {})", sub(want, next), sub(want, next)),
                2 => format!("(not {})", sub(want, next)),
                3 | 4 => {
                    let kind = &kinds[next(kinds.len())];
                    let sign = pick(&["==", "!=", "<", "<=", ">", ">="], next);
                    format!("({} {sign} {})", sub(kind, next), sub(kind, next))
                }
                5 => {
                    let kind = &kinds[next(kinds.len())];
                    format!("({} is {}null)", sub(kind, next), pick(&["", "not "], next))
                }
                6 => match next(5) {
                    0 => format!("({} in [1, -3..0, 9223372036854775807])", sub(&I, next)),
                    1 => format!("({} not in [0.5..1.5, 2])", sub(&F, next)),
                    2 => format!("({} in [10.0.0.0/8, ::/1, 1.2.3.4])", sub(&A, next)),
                    3 => format!("({} in [\"a\", \"b\"..\"c\"])", sub(&T, next)),
                    _ => format!("({} in l)", sub(&I, next)),
                },
                _ => match next(4) {
                    0 => format!("contains({}, {})", sub(&T, next), sub(&T, next)),
                    1 => format!("starts_with({}, {})", sub(&T, next), sub(&T, next)),
                    2 => format!("({} matches \"^[ab]+|[0-9]$\")", sub(&T, next)),
                    _ => format!("is_private({})", sub(&A, next)),
                },
            }
        }
        I if leaf => pick(
            &["i", "j", "0", "1", "7", "-2", "9223372036854775807"],
            next,
        ),
        I => match next(8) {
            0..=2 => {
                let sign = pick(&["+", "-", "*", "//", "%", "&", "|", "^", "<<", ">>"], next);
                format!("({} {sign} {})", sub(&I, next), sub(&I, next))
            }
            3 => format!("abs(-{})", sub(&I, next)),
            4 => format!(
                "least({}, {}, greatest(i, 3))",
                sub(&I, next),
                sub(&I, next)
            ),
            5 => format!(
                "{}({})",
                pick(&["int", "floor", "round"], next),
                sub(&F, next)
            ),
            6 => format!("len({})", sub(&T, next)),
            _ => match next(4) {
                0 => format!("l[{}]", sub(&I, next)),
                1 => "list_sum(l)".to_owned(),
                2 => format!("list_max([{}, {}])", sub(&I, next), sub(&I, next)),
                _ => format!("int({})", sub(&Type::Bool, next)),
            },
        },
        F if leaf => pick(&["f", "g", "0.5", "1e300", "-2.5"], next),
        F => match next(7) {
            0..=2 => {
                let sign = pick(&["+", "-", "*", "/"], next);
                let other = if next(2) == 0 { I } else { F };
                format!("({} {sign} {})", sub(&F, next), sub(&other, next))
            }
            3 => format!(
                "{}({})",
                pick(&["sqrt", "ln", "log2", "exp", "abs"], next),
                sub(&F, next)
            ),
            4 => format!("({} / {})", sub(&I, next), sub(&I, next)),
            5 => format!("({} / {})", sub(&I, next), sub(&D, next)),
            _ => format!("({} / {})", sub(&D, next), sub(&D, next)),
        },
        T if leaf => pick(&["t", "u", "\"a\"", "\"\"", "\"b.c\""], next),
        T => match next(4) {
            0 => format!("({} + {})", sub(&T, next), sub(&T, next)),
            1 => format!("lower({})", sub(&T, next)),
            2 => format!("substr({}, {}, 2)", sub(&T, next), sub(&I, next)),
            _ => format!("text({})", sub(&I, next)),
        },
        D if leaf => pick(&["d", "5s", "1.5ms", "-1h"], next),
        D => match next(4) {
            0 => format!(
                "({} {} {})",
                sub(&D, next),
                pick(&["+", "-"], next),
                sub(&D, next)
            ),
            1 => format!("({} - {})", sub(&M, next), sub(&M, next)),
            2 => format!(
                "({} {} {})",
                sub(&D, next),
                pick(&["*", "/"], next),
                sub(&F, next)
            ),
            _ => format!("({} * {})", sub(&I, next), sub(&D, next)),
        },
        M if leaf => pick(&["m", "$now"], next),
        M => format!(
            "({} {} {})",
            sub(&M, next),
            pick(&["+", "-"], next),
            sub(&D, next)
        ),
        A => pick(&["a", "10.0.0.1", "2001:db8::1"], next),
        other => panic!("no expression of type {other}"),
    }
}

/// Asserts that expressions, computed together, have in each row the value of the walker.
fn agrees(texts: &[String], rows: &[Vec<Value>]) {
    let context = context();
    let typed = texts.iter().map(|text| {
        let tree = parse(text).unwrap_or_else(|fault| panic!("{text}: {fault:?}"));
        let mut aggregates = Vec::new();
        let typed = Checker::rows(&context, text, &mut aggregates).check(&tree);
        typed.unwrap_or_else(|fault| panic!("{text}: {fault:?}"))
    });
    let typed: Vec<Typed> = typed.collect();
    let program = Program::new(&typed);
    program.run(&Rows(rows), rows.len(), &Cell::new(0), |at, result| {
        fits(result, &typed[at]);
        for (row, values) in rows.iter().enumerate() {
            let (found, expected) = (value(result, row), walk(&typed[at], values));
            assert_eq!(found, expected, "{} of {values:?}", texts[at]);
        }
    });
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, ..ProptestConfig::default() })]

    /// Random expressions over random rows: no panic, no NaN, no infinity, no null where none can be, and the values of the walker;
    /// computed together with another expression, which shares parts with it.
    #[test]
    fn columns_and_values_agree(seed in prop::collection::vec(any::<u16>(), 200), kind in 0..6_usize, rows in rows()) {
        let mut turns = seed.iter().cycle();
        let mut next = |below: usize| usize::from(*turns.next().expect("turns")) % below;
        let kinds = [Type::Bool, Type::Int, Type::Float, Type::Text, Type::Duration, Type::Time];
        let texts = [&kinds[kind], &Type::Int].map(|kind| expression(kind, &mut next, 4));
        agrees(&texts, &rows);
    }

    #[test]
    fn no_text_stops_the_checker(text in "(pkt[.](len|fwd|time)|[a-z]{1,3}|where|not| |[()\\[\\],+*/<>=.]|in|[0-9]{1,2}|mean[(]|if|then|else|\"x\"|null|1s){0,20}") {
        total::text(text.as_bytes());
    }
}

/// What an expression without columns gives, as a column writes it.
fn shown(text: &str) -> String {
    let context = context();
    let tree = parse(text).unwrap_or_else(|fault| panic!("{text}: {fault:?}"));
    let mut aggregates = Vec::new();
    let typed = Checker::rows(&context, text, &mut aggregates).check(&tree);
    let typed = typed.unwrap_or_else(|fault| panic!("{text}: {fault:?}"));
    let mut shown = String::new();
    Program::new([&typed]).run(&Rows(&[Vec::new()]), 1, &Cell::new(0), |_, result| {
        fits(result, &typed);
        shown = match (value(result, 0), &typed.kind) {
            (Null, _) => "null".to_owned(),
            (Bool(value), _) => value.to_string(),
            (Int(ns), Type::Duration) => seconds(ns).to_string(),
            (Int(value), _) => value.to_string(),
            (Float(value), _) => value.to_string(),
            (Text(text), _) => text,
            (Ip(address), _) => address.to_string(),
            (List(items), _) => format!("{items:?}"),
        };
    });
    shown
}

#[test]
fn the_examples_of_the_functions_give_what_they_say() {
    for function in FUNCTIONS {
        let (example, value) = function.example;
        assert!(
            example.contains(&format!("{}(", function.name)),
            "{}",
            function.name
        );
        assert_eq!(shown(example), value, "{example}");
    }
}

/// What a chunk holds does not grow with the text of a constant times its rows, nor with the length of a program.
#[test]
fn long_constants_are_held_once() {
    let long = "a".repeat(60_000);
    let held = |text: &str| {
        let context = context();
        let tree = parse(text).unwrap_or_else(|fault| panic!("{fault:?}"));
        let mut aggregates = Vec::new();
        let typed = Checker::rows(&context, text, &mut aggregates).check(&tree);
        let typed = typed.unwrap_or_else(|fault| panic!("{fault:?}"));
        let mut row = vec![Null; 13];
        (row[1], row[6]) = (Int(1), Text(long.clone()));
        let rows: Vec<Vec<Value>> = vec![row; 1000];
        let info = allocation_counter::measure(|| {
            let program = Program::new([&typed]);
            let rows = &rows[..program.chunk().min(1000)];
            program.run(&Rows(rows), rows.len(), &Cell::new(0), |_, result| {
                assert_eq!(result.len(), rows.len());
            });
        });
        info.bytes_max
    };
    let one = held(&format!("\"{long}\" == text(j)"));
    assert!(one < 1 << 20, "{one} bytes");
    let same = held(&format!("if j > 0 then len(\"{long}\") else 0"));
    assert!(same < 1 << 20, "{same} bytes");
    let list = |of: &str| held(&format!("len([{}])", vec![of; 900].join(",")));
    assert!(list("j") < 32 << 20, "{} bytes", list("j"));
    assert!(list("t") < 256 << 20, "{} bytes", list("t"));
    let chain = |links: usize| {
        let (calls, ends) = ("upper(".repeat(links), ")".repeat(links));
        held(&format!("len({calls}text(j){ends})"))
    };
    let product = |parts: usize| held(&vec!["j"; parts].join(" * "));
    // a result is 8 kB
    for (long, short) in [(chain(50), chain(2)), (product(50), product(2))] {
        assert!(long < short + 150_000, "{long} and {short} bytes");
    }
}

#[test]
fn what_has_no_value_is_null() {
    for text in [
        "1 / 0",
        "1 // 0",
        "1 % 0",
        "log2(0)",
        "sqrt(-1)",
        "1e300 * 1e300",
        "9223372036854775807 + 1",
        "0.0 / 0.0",
        "5 / 0s",
        "null + 1",
        "not null",
        "int(1e300)",
        "null and true",
        "l[9]",
        "float(\"x\")",
        "entropy(\"\")",
        "2 << 63",
        "if true then null else 1",
    ] {
        let text = if text.contains('l') && text.contains('[') {
            "[1][9]"
        } else {
            text
        };
        assert_eq!(shown(text), "null", "{text}");
    }
    assert_eq!(shown("null and false"), "false");
    assert_eq!(shown("null or true"), "true");
    assert_eq!(shown("null ?? 3"), "3");
    assert_eq!(shown("-7 // 2"), "-4");
    assert_eq!(shown("-7 % 3"), "2");
    assert_eq!(shown("6000 / 2s"), "3000");
    assert_eq!(shown("if null then 1 else 2"), "2");
    assert_eq!(shown("10.1.2.3 in 10.0.0.0/8"), "true");
    assert_eq!(shown("hash(7, 1) == hash(7, 2)"), "false");
    assert_eq!(shown("clamp(7, 1, 5)"), "5");
}

/// Code and marked text of the fault of an expression over rows.
fn fault(text: &str) -> (&'static str, String, String) {
    let context = context();
    let mut aggregates = Vec::new();
    let found =
        parse(text).and_then(|tree| Checker::rows(&context, text, &mut aggregates).check(&tree));
    let fault = found.expect_err(text);
    (
        fault.code,
        fault.at.of(text).to_owned(),
        fault.help.unwrap_or_default(),
    )
}

#[test]
fn types_are_checked() {
    for (text, code, marked) in [
        ("x + 1", "E0201", "x"),
        ("mean(pkt.lne)", "E0202", "pkt.lne"),
        ("if i then 1 else 2", "E0204", "i"),
        ("if b then 1 else t", "E0205", "t"),
        ("len([])", "E0206", "[]"),
        ("t + 1", "E0207", "t + 1"),
        ("a == \"10.0.0.1\"", "E0207", "a == \"10.0.0.1\""),
        ("sqrt(t)", "E0207", "t"),
        ("mean(pkt.src_ip)", "E0207", "pkt.src_ip"),
        ("10.0.0.0/8", "E0207", "10.0.0.0/8"),
        ("i == null", "E0208", "i == null"),
        ("t matches \"(\"", "E0209", "\"(\""),
        ("t matches u", "E0209", "u"),
        ("pkt.len", "E0210", "pkt.len"),
        ("mean(sum(pkt.len))", "E0211", "sum"),
        ("mean(pkt.len where prev(pkt.fwd))", "E0211", "prev"),
        ("d > 5", "E0212", "5"),
        ("d in [1, 2]", "E0212", "1"),
        ("bursts(gap=5)", "E0212", "5"),
        ("count(where pkt.len > i)", "E0213", "i"),
        ("sqrt(1, 2)", "E0214", "sqrt(1, 2)"),
        ("quantile(pkt.len, 2)", "E0214", "2"),
        ("mean(pkt.len, q=2)", "E0214", "q"),
        ("sqr(2)", "E0109", "sqr"),
    ] {
        let (found, at, help) = fault(text);
        assert_eq!((found, at.as_str()), (code, marked), "{text}: {help}");
    }
    let (_, _, help) = fault("count(where pkt.len > i)");
    assert_eq!(help, "move it out of the aggregate: `count(where ...) / i`");
}
