//! Typed expressions taken apart and put together: conjuncts, other fields in the place of these.

use super::check::{Node, Typed};
use super::eval;
use super::types::Type;

impl Typed {
    /// The conditions that must all be true for this one to be true.
    pub fn conjuncts(&self) -> Vec<&Self> {
        match &self.node {
            Node::Call(operation, _, args) if **operation == eval::AND => {
                args.iter().flat_map(Self::conjuncts).collect()
            }
            _ => vec![self],
        }
    }

    /// The same over other fields; `None` where one of its fields has no other. Types and nulls of both must be the same.
    pub fn over(&self, field: &impl Fn(u32) -> Option<Self>) -> Option<Self> {
        let node = match &self.node {
            Node::Load(place) => return field(*place),
            Node::Constant(_) => return Some(self.clone()),
            Node::Call(operation, payload, args) => {
                let args: Option<Vec<Self>> = args.iter().map(|arg| arg.over(field)).collect();
                Node::Call(operation, payload.clone(), args?)
            }
        };
        Some(Self {
            node,
            kind: self.kind.clone(),
            null: self.null,
        })
    }

    /// Whether both are true.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        Self::call(&eval::AND, vec![self, other], Type::Bool)
    }

    /// Whether one of them is true.
    #[must_use]
    pub fn or(self, other: Self) -> Self {
        if self == other {
            return self;
        }
        Self::call(&eval::OR, vec![self, other], Type::Bool)
    }
}
