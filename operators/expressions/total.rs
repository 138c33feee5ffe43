//! Reads any text as an expression and asserts what must hold: the body of a fuzz target, and of the test that runs it.

use super::check::{Checker, Context, Field, Known, Typed};
use super::program::{Fields, Program};
use super::types::{Constant, Type};
use super::vector::{Data, Lists, Texts, Vector};
use super::{Fault, parse};
use crate::columns::{Address, Column};
use std::cell::Cell;

/// The fields that any expression may use: a name, a type, whether it can be null.
pub(super) const FIELDS: [(&str, Type, bool); 12] = [
    ("i", Type::Int, true),
    ("j", Type::Int, false),
    ("f", Type::Float, true),
    ("g", Type::Float, false),
    ("b", Type::Bool, true),
    ("c", Type::Bool, false),
    ("t", Type::Text, true),
    ("u", Type::Text, false),
    ("d", Type::Duration, true),
    ("m", Type::Time, false),
    ("a", Type::Ip, true),
    ("e", Type::Bytes, false),
];

/// A field of lists besides.
pub(super) const LIST: u32 = FIELDS.len() as u32;

/// The names of these fields.
pub(super) fn context() -> Context {
    let mut context = Context::new("look at the list").with_packets();
    for (place, (name, kind, null)) in (0..).zip(FIELDS) {
        context.add(name, Known::Field(Field { place, kind, null }));
    }
    let list = Field {
        place: LIST,
        kind: Type::Int.list(),
        null: true,
    };
    context.add("l", Known::Field(list));
    context.set("now", Constant::Time(1_499_428_800_123_456_789));
    context
}

/// A text as an expression over rows with fields of every type, and over packets.
pub fn text(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let right = |fault: &Fault| {
        assert!(
            text.is_char_boundary(fault.at.start.min(text.len())),
            "{fault:?}"
        );
        assert!(
            fault.at.start <= fault.at.end && fault.at.end <= text.len(),
            "{fault:?}"
        );
        assert!(!fault.message.is_empty());
    };
    let tree = match parse(&text) {
        Ok(tree) => tree,
        Err(fault) => return right(&fault),
    };
    let context = context();
    let mut aggregates = Vec::new();
    match Checker::packets(&context, &text, &mut aggregates).check(&tree) {
        Ok(typed) => assert!(!format!("{typed:?}").is_empty()),
        Err(fault) => right(&fault),
    }
    match Checker::rows(&context, &text, &mut aggregates).check(&tree) {
        Ok(typed) if aggregates.is_empty() => run(&typed),
        Ok(_) => {}
        Err(fault) => right(&fault),
    }
}

/// A few rows with values at the edges.
fn run(typed: &Typed) {
    let program = Program::new([typed]);
    let overflows = Cell::new(0);
    program.run(&Edges(Edges::ROWS), Edges::ROWS, &overflows, |_, result| {
        assert_eq!(result.len(), Edges::ROWS);
        fits(result, typed);
    });
    program.run(&Edges(0), 0, &overflows, |_, result| {
        assert_eq!(result.len(), 0)
    });
}

/// Asserts that values are what was said of them.
pub(super) fn fits(result: &Vector<'_>, typed: &Typed) {
    if let Some(valid) = &result.valid {
        assert!(
            typed.null || !valid.contains(&false),
            "{typed:?} is never null"
        );
    }
    if let Data::Float(values) = &result.data {
        for (row, value) in values.iter().enumerate() {
            assert!(
                value.is_finite() || !result.is_valid(row),
                "{typed:?} gives {value}"
            );
        }
    }
    if let Some((data_type, _)) = typed.kind.column() {
        let mut column = Column::new(&data_type, typed.null);
        result.append_to(&mut column);
        assert_eq!(column.len(), result.len());
    }
}

struct Edges(usize);

impl Edges {
    const ROWS: usize = 4;
}

impl<'a> Fields<'a> for Edges {
    fn load(&self, place: u32, kind: &Type) -> Vector<'a> {
        let address = |family, byte| Address {
            family,
            bytes: [byte; 16],
        };
        let data = match kind {
            Type::Bool => Data::Bool(vec![true, false, true, false].into()),
            Type::Int | Type::Time | Type::Duration => {
                Data::Int(vec![0, i64::MAX, i64::MIN, 1_000_000_007].into())
            }
            Type::Float => Data::Float(vec![0.0, f64::MAX, -f64::MIN_POSITIVE, 0.5].into()),
            Type::Text | Type::Bytes => Data::Text(Texts {
                first: 0,
                is_one: false,
                ends: vec![0, 15, 17, 20].into(),
                bytes: "www.example.org\u{e9}1.x".as_bytes().to_vec().into(),
            }),
            Type::List(_) => Data::List(Lists {
                ends: vec![0, 3, 3, 4].into(),
                items: Box::new(Vector::ints(vec![3, i64::MAX, 3, -1])),
            }),
            _ => Data::Ip(
                vec![
                    address(4, 0),
                    address(4, 10),
                    address(6, 0xfd),
                    address(6, 0),
                ]
                .into(),
            ),
        };
        let valid = place
            .is_multiple_of(2)
            .then(|| vec![true, true, true, false]);
        Vector::new(data).with(valid).head(self.0).into_owned()
    }
}
