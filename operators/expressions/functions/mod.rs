//! The functions of the language: one table; an entry is a name, its forms, what it does, and an example that is tested.

mod table;

pub use table::FUNCTIONS;

use super::eval::Operation;
use super::types::Type;

/// A function.
#[derive(Debug)]
pub struct Function {
    /// Its name.
    pub name: &'static str,
    /// What it may be given; the first one that fits is taken.
    pub forms: &'static [Form],
    /// Whether it takes any number of values, two at a time.
    pub folds: bool,
    /// What it does.
    pub doc: &'static str,
    /// An expression without columns, and what it gives.
    pub example: (&'static str, &'static str),
}

/// One way to call a function.
#[derive(Debug)]
pub struct Form {
    /// What it takes.
    pub takes: &'static [Kind],
    /// What it gives.
    pub gives: Kind,
    /// What is done.
    pub operation: &'static Operation,
    /// What the last operand is where it is left out.
    pub usual: Option<i64>,
}

/// A type as the table says it.
#[expect(missing_docs, reason = "the other names are those of the types")]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A list of anything.
    ListAny,
    /// The item of the list that is the first operand.
    Item,
    /// The type of the first operand.
    First,
    Bool,
    Int,
    Float,
    Text,
    Bytes,
    Ip,
    Time,
    Duration,
    ListInt,
    ListFloat,
    ListDuration,
    ListText,
}

impl Kind {
    /// Whether a value of this type will do.
    pub fn fits(self, found: &Type) -> bool {
        match self {
            Self::ListAny => matches!(found, Type::List(_)),
            _ => self.plain().as_ref() == Some(found),
        }
    }

    /// The type, given the operands.
    pub fn given(self, operands: &[Type]) -> Type {
        match (self, operands.first()) {
            (Self::First, Some(first)) => first.clone(),
            (Self::Item, Some(Type::List(item))) => (**item).clone(),
            _ => self.plain().unwrap_or(Type::Null),
        }
    }

    fn plain(self) -> Option<Type> {
        Some(match self {
            Self::Bool => Type::Bool,
            Self::Int => Type::Int,
            Self::Float => Type::Float,
            Self::Text => Type::Text,
            Self::Bytes => Type::Bytes,
            Self::Ip => Type::Ip,
            Self::Time => Type::Time,
            Self::Duration => Type::Duration,
            Self::ListInt => Type::Int.list(),
            Self::ListFloat => Type::Float.list(),
            Self::ListDuration => Type::Duration.list(),
            Self::ListText => Type::Text.list(),
            _ => return None,
        })
    }

    /// As messages say it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::First | Self::Item => "any",
            Self::ListAny => "list",
            Self::Bool => "bool",
            Self::Int => "int",
            Self::Float => "float",
            Self::Text => "text",
            Self::Bytes => "bytes",
            Self::Ip => "ip",
            Self::Time => "time",
            Self::Duration => "duration",
            Self::ListInt => "list<int>",
            Self::ListFloat => "list<float>",
            Self::ListDuration => "list<duration>",
            Self::ListText => "list<text>",
        }
    }
}

/// The function of this name.
pub fn find(name: &str) -> Option<&'static Function> {
    FUNCTIONS.iter().find(|function| function.name == name)
}
