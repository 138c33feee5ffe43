//! The tree of an expression, each part with its place in the text. Nothing is known of names and types.

use crate::columns::Address;

/// A place in the text of an expression, in bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Span {
    /// First byte.
    pub start: usize,
    /// The byte after the last.
    pub end: usize,
}

impl Span {
    /// From the start of this one to the end of another one.
    #[must_use]
    pub const fn to(self, other: Self) -> Self {
        Self {
            start: self.start,
            end: other.end,
        }
    }

    /// What is there.
    pub fn of(self, text: &str) -> &str {
        text.get(self.start..self.end).unwrap_or_default()
    }
}

/// A network: an address and the number of its bits that count.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Net {
    /// Any address in it.
    pub address: Address,
    /// Leading bits that all its addresses share.
    pub bits: u8,
}

/// An expression.
#[derive(Clone, Debug, PartialEq)]
pub struct Expr {
    /// Where it is.
    pub at: Span,
    /// What it is.
    pub kind: Kind,
}

/// What an expression is.
#[derive(Clone, Debug, PartialEq)]
pub enum Kind {
    /// `null`.
    Null,
    /// `true`, `false`.
    Bool(bool),
    /// A whole number; sizes are such, in bytes.
    Int(i64),
    /// A number with a fraction, or with an exponent.
    Float(f64),
    /// Text in quotes.
    Text(String),
    /// A length of time, ns.
    Duration(i64),
    /// An address.
    Ip(Address),
    /// A network.
    Net(Net),
    /// A column.
    Name(String),
    /// `$name`: a variable of the spec.
    Variable(String),
    /// `pkt.name`, the name without `pkt.`.
    Packet(String),
    /// `-x`, `not x`.
    Unary(Unary, Box<Expr>),
    /// Two operands.
    Binary(Binary, Box<Expr>, Box<Expr>),
    /// `x is null`; true = `is not null`.
    IsNull(Box<Expr>, bool),
    /// `x in y`; true = `not in`.
    In(Box<Expr>, Box<Expr>, bool),
    /// `x matches y`; true = `not matches`.
    Matches(Box<Expr>, Box<Expr>, bool),
    /// `a..b`, both included; only behind `in`.
    Range(Box<Expr>, Box<Expr>),
    /// `x[i]`.
    Index(Box<Expr>, Box<Expr>),
    /// `x.name`.
    Part(Box<Expr>, String, Span),
    /// `if a then b else c`.
    If(Box<Expr>, Box<Expr>, Box<Expr>),
    /// `case when a then b .. else c end`.
    Case(Vec<(Expr, Expr)>, Box<Expr>),
    /// `[a, b]`.
    List(Vec<Expr>),
    /// `f(a, b)`: name, its place, arguments.
    Call(String, Span, Vec<Argument>),
}

/// An argument: `value`, `value where filter`, `where filter`, `name = value`.
#[derive(Clone, Debug, PartialEq)]
pub struct Argument {
    /// Its name, where it has one.
    pub name: Option<(String, Span)>,
    /// Its value; `None` only where there is a filter.
    pub value: Option<Expr>,
    /// Which packets count.
    pub filter: Option<Expr>,
}

/// Operators with one operand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unary {
    /// `-`
    Negate,
    /// `not`
    Not,
}

/// Operators with two operands.
#[expect(missing_docs, reason = "the symbols are the definition")]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Binary {
    Or,
    And,
    Equal,
    NotEqual,
    Less,
    LessEqual,
    Greater,
    GreaterEqual,
    Coalesce,
    Add,
    Subtract,
    Multiply,
    Divide,
    DivideWhole,
    Remainder,
    BitAnd,
    BitOr,
    BitXor,
    ShiftLeft,
    ShiftRight,
}

impl Binary {
    /// As it is written.
    pub const fn symbol(self) -> &'static str {
        match self {
            Self::Or => "or",
            Self::And => "and",
            Self::Equal => "==",
            Self::NotEqual => "!=",
            Self::Less => "<",
            Self::LessEqual => "<=",
            Self::Greater => ">",
            Self::GreaterEqual => ">=",
            Self::Coalesce => "??",
            Self::Add => "+",
            Self::Subtract => "-",
            Self::Multiply => "*",
            Self::Divide => "/",
            Self::DivideWhole => "//",
            Self::Remainder => "%",
            Self::BitAnd => "&",
            Self::BitOr => "|",
            Self::BitXor => "^",
            Self::ShiftLeft => "<<",
            Self::ShiftRight => ">>",
        }
    }

    /// Whether it compares.
    pub const fn compares(self) -> bool {
        matches!(
            self,
            Self::Equal
                | Self::NotEqual
                | Self::Less
                | Self::LessEqual
                | Self::Greater
                | Self::GreaterEqual
        )
    }
}

impl Expr {
    /// The conditions of which one is enough: those between `or`, in their order.
    pub fn either(&self) -> Vec<&Self> {
        let (mut found, mut ahead) = (Vec::new(), vec![self]);
        while let Some(next) = ahead.pop() {
            match &next.kind {
                Kind::Binary(Binary::Or, a, b) => ahead.extend([&**b, &**a]),
                _ => found.push(next),
            }
        }
        found
    }

    /// The expressions right inside of this one.
    pub fn parts(&self) -> Vec<&Self> {
        match &self.kind {
            Kind::Null
            | Kind::Bool(_)
            | Kind::Int(_)
            | Kind::Float(_)
            | Kind::Text(_)
            | Kind::Duration(_)
            | Kind::Ip(_)
            | Kind::Net(_)
            | Kind::Name(_)
            | Kind::Variable(_)
            | Kind::Packet(_) => Vec::new(),
            Kind::Unary(_, a) | Kind::IsNull(a, _) | Kind::Part(a, ..) => vec![a],
            Kind::Binary(_, a, b)
            | Kind::In(a, b, _)
            | Kind::Matches(a, b, _)
            | Kind::Range(a, b)
            | Kind::Index(a, b) => vec![a, b],
            Kind::If(a, b, c) => vec![a, b, c],
            Kind::Case(arms, other) => arms
                .iter()
                .flat_map(|(when, then)| [when, then])
                .chain([&**other])
                .collect(),
            Kind::List(items) => items.iter().collect(),
            Kind::Call(_, _, arguments) => arguments
                .iter()
                .flat_map(|argument| argument.value.iter().chain(&argument.filter))
                .collect(),
        }
    }

    /// Calls `each` for every column that is named, with its place, from left to right.
    pub fn names<'a>(&'a self, each: &mut impl FnMut(&'a str, Span)) {
        if let Kind::Name(name) = &self.kind {
            each(name, self.at);
        }
        for part in self.parts() {
            part.names(each);
        }
    }
}
