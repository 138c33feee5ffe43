//! Kernels: one operation over the rows of a chunk. They are plain functions over arrays; which of them runs is decided at check.
//!
//! A kernel never fails: what has no value is null. Under a null it may compute anything but must not stop.

mod arithmetic;
mod choose;
mod compare;
mod hashing;
mod lists;
mod sets;
mod text;
mod times;

pub use arithmetic::*;
pub use choose::*;
pub use compare::*;
pub use hashing::*;
pub use lists::*;
pub use sets::*;
pub use text::*;
pub use times::*;

use super::vector::{Data, Lists, Texts, Vector};
use crate::columns::Address;
use std::borrow::Cow;
use std::cell::Cell;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

/// What a kernel is given.
pub struct Input<'a> {
    /// The operands, all of `rows` rows.
    pub args: &'a [&'a Vector<'a>],
    /// Number of rows.
    pub rows: usize,
    /// What the operation carries with it.
    pub payload: &'a Payload,
    /// Numbers that were too large for their type, of rows that have them.
    pub overflows: &'a Cell<u64>,
}

/// One operation over a chunk.
pub type Kernel = fn(&Input<'_>) -> Vector<'static>;

/// An operation of the language, beneath its overloads.
pub struct Operation {
    /// One of a kind.
    pub name: &'static str,
    /// What it does.
    pub kernel: Kernel,
    /// When its result can be null.
    pub nulls: Nulls,
}

/// When a result can be null.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Nulls {
    /// Where an operand is.
    Operands,
    /// Also elsewhere.
    Always,
    /// Never.
    Never,
    /// Where the last operand is, if it is null in itself (`??`).
    Last,
    /// Where an operand is; the first one counts as false (`if`).
    Branches,
}

impl fmt::Debug for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)
    }
}

impl PartialEq for Operation {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
    }
}

impl Eq for Operation {}

impl Hash for Operation {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.name.hash(state);
    }
}

/// What an operation carries with it beside its operands.
#[derive(Clone, Debug, Default)]
pub enum Payload {
    /// Nothing.
    #[default]
    None,
    /// A set of values: what it is written as, and the set.
    Set(Arc<str>, Arc<Set>),
    /// A compiled pattern.
    Pattern(Arc<regex::bytes::Regex>),
}

impl Payload {
    fn key(&self) -> &str {
        match self {
            Self::None => "",
            Self::Set(key, _) => key,
            Self::Pattern(pattern) => pattern.as_str(),
        }
    }
}

impl PartialEq for Payload {
    fn eq(&self, other: &Self) -> bool {
        self.key() == other.key()
    }
}

impl Eq for Payload {}

impl Hash for Payload {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.key().hash(state);
    }
}

/// Rows where all of them are valid.
pub(super) fn all_valid(args: &[&Vector<'_>]) -> Option<Vec<bool>> {
    let mut valids = args.iter().filter_map(|arg| arg.valid.as_deref());
    let mut both = valids.next()?.to_vec();
    for valid in valids {
        both.iter_mut()
            .zip(valid)
            .for_each(|(both, valid)| *both &= *valid);
    }
    Some(both)
}

impl<'a> Input<'a> {
    fn arg(&self, at: usize) -> &'a Vector<'a> {
        self.args[at]
    }

    fn ints(&self, at: usize) -> &'a [i64] {
        match &self.arg(at).data {
            Data::Int(values) => values,
            _ => unreachable!("checked: operand {at} is a whole number"),
        }
    }

    fn floats(&self, at: usize) -> &'a [f64] {
        match &self.arg(at).data {
            Data::Float(values) => values,
            _ => unreachable!("checked: operand {at} is a float"),
        }
    }

    fn bools(&self, at: usize) -> &'a [bool] {
        match &self.arg(at).data {
            Data::Bool(values) => values,
            _ => unreachable!("checked: operand {at} is a truth"),
        }
    }

    fn texts(&self, at: usize) -> &'a Texts<'a> {
        match &self.arg(at).data {
            Data::Text(values) => values,
            _ => unreachable!("checked: operand {at} is text"),
        }
    }

    fn ips(&self, at: usize) -> &'a [Address] {
        match &self.arg(at).data {
            Data::Ip(values) => values,
            _ => unreachable!("checked: operand {at} is an address"),
        }
    }

    fn lists(&self, at: usize) -> &'a Lists<'a> {
        match &self.arg(at).data {
            Data::List(values) => values,
            _ => unreachable!("checked: operand {at} is a list"),
        }
    }

    fn valid(&self) -> Option<Vec<bool>> {
        all_valid(self.args)
    }

    /// Values with their nulls: those of the operands, and those that are `None`. With `counted`, these are overflows.
    fn optional<T: Default + Clone + 'static>(
        &self,
        values: impl Iterator<Item = Option<T>>,
        counted: bool,
        data: impl FnOnce(Cow<'static, [T]>) -> Data<'static>,
    ) -> Vector<'static> {
        let mut valid = self.valid();
        let mut plain = Vec::with_capacity(self.rows);
        for (row, value) in values.enumerate() {
            if value.is_none() {
                let valid = valid.get_or_insert_with(|| vec![true; self.rows]);
                if let Some(valid) = valid.get_mut(row) {
                    let lost = counted && *valid;
                    self.overflows.set(self.overflows.get() + u64::from(lost));
                    *valid = false;
                }
            }
            plain.push(value.unwrap_or_default());
        }
        Vector::new(data(plain.into())).with(valid)
    }

    /// Floats, of which those that are no finite number are null.
    fn finite(&self, values: Vec<f64>) -> Vector<'static> {
        let mut valid = self.valid();
        if !values.iter().all(|value| value.is_finite()) {
            let valid = valid.get_or_insert_with(|| vec![true; self.rows]);
            valid
                .iter_mut()
                .zip(&values)
                .for_each(|(valid, value)| *valid &= value.is_finite());
        }
        // -0 and 0 are one value
        Vector::new(Data::Float(values.into())).with(valid)
    }

    fn truths(&self, values: Vec<bool>) -> Vector<'static> {
        Vector::bools(values).with(self.valid())
    }

    fn numbers(&self, values: Vec<i64>) -> Vector<'static> {
        Vector::ints(values).with(self.valid())
    }
}

/// A column of texts in the making.
#[derive(Default)]
pub(super) struct TextBuilder {
    ends: Vec<u32>,
    bytes: Vec<u8>,
}

impl TextBuilder {
    pub fn push(&mut self, text: &[u8]) {
        self.bytes.extend_from_slice(text);
        self.end();
    }

    /// Ends the text that was written into [`TextBuilder::bytes`].
    pub fn end(&mut self) {
        self.ends
            .push(u32::try_from(self.bytes.len()).unwrap_or(u32::MAX));
    }

    pub const fn bytes(&mut self) -> &mut Vec<u8> {
        &mut self.bytes
    }

    pub fn data(self) -> Data<'static> {
        Data::Text(Texts {
            first: 0,
            is_one: false,
            ends: self.ends.into(),
            bytes: self.bytes.into(),
        })
    }
}

/// Declares operations: `NAME = "name", when null, kernel;`.
macro_rules! operations {
    ($($(#[$doc:meta])* $name:ident = $text:literal, $nulls:ident, $kernel:expr;)+) => { $(
        $(#[$doc])*
        pub static $name: $crate::expressions::eval::Operation = $crate::expressions::eval::Operation {
            name: $text,
            kernel: $kernel,
            nulls: $crate::expressions::eval::Nulls::$nulls,
        };
    )+ };
}
pub(super) use operations;
