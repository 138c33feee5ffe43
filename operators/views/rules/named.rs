//! Texts and addresses in programs over words: numbers stand for them there, so only equality has a meaning.

use super::compile::Found;
use super::numbers::Numbers;
use crate::expressions::syntax::Span;
use crate::expressions::{Constant, Fault, Node, Type, Typed, eval};

/// Whether values of this type are told apart by numbers: their spelling is kept in one place.
pub fn is_named(kind: &Type) -> bool {
    matches!(kind, Type::Ip | Type::Text | Type::Bytes)
}

/// Whether a word can hold a value of this type. Bytes can only be told apart: no column of a view shows them.
pub fn fits_a_word(kind: &Type) -> bool {
    matches!(
        kind,
        Type::Bool | Type::Int | Type::Float | Type::Time | Type::Duration | Type::Ip | Type::Text
    )
}

/// What is written out, with the numbers that it has when the view runs.
pub(super) struct Named {
    constants: Vec<Constant>,
    numbers: Numbers,
    /// What to do where more is asked than equality.
    advice: &'static str,
}

impl Named {
    pub fn new(advice: &'static str) -> Self {
        Self {
            constants: Vec::new(),
            numbers: Numbers::default(),
            advice,
        }
    }

    /// Texts and addresses that are written out, in the order in which they get their numbers.
    pub fn constants(&self) -> &[Constant] {
        &self.constants
    }

    /// The number of a text or address that is written out.
    fn number(&mut self, constant: &Constant) -> u64 {
        if !self.constants.contains(constant) {
            self.constants.push(constant.clone());
        }
        self.numbers.constant(constant)
    }

    /// A typed expression over words: of texts and addresses it may only ask whether they are the same, or there.
    pub fn numbered(&mut self, typed: Typed, at: Span) -> Found<Typed> {
        let asks = [
            &eval::EQUAL,
            &eval::NOT_EQUAL,
            &eval::IS_NULL,
            &eval::IS_NOT_NULL,
        ];
        let Typed { node, kind, null } = typed;
        let node = match node {
            Node::Call(operation, payload, args)
                if asks.contains(&operation) && args.iter().all(|arg| is_named(&arg.kind)) =>
            {
                let plain = args.into_iter().map(|arg| match arg.node {
                    Node::Call(..) => Err(self.unnamed(at)),
                    _ => self.value(arg, at).map(|(value, _)| value),
                });
                Node::Call(operation, payload, plain.collect::<Result<_, _>>()?)
            }
            Node::Load(_) | Node::Constant(_) if is_named(&kind) => return Err(self.unnamed(at)),
            Node::Call(operation, payload, args) => {
                let args = args.into_iter().map(|arg| self.numbered(arg, at));
                Node::Call(operation, payload, args.collect::<Result<_, _>>()?)
            }
            plain => plain,
        };
        Ok(Typed { node, kind, null })
    }

    /// A value that becomes a word, and its type.
    pub fn value(&mut self, typed: Typed, at: Span) -> Found<(Typed, Type)> {
        let kind = typed.kind.clone();
        if !is_named(&kind) {
            return Ok((self.numbered(typed, at)?, kind));
        }
        let node = match typed.node {
            Node::Load(place) => Node::Load(place),
            Node::Constant(value) => {
                Node::Constant(Constant::Int(self.number(&value).cast_signed()))
            }
            Node::Call(..) => return Err(self.unnamed(at)),
        };
        let plain = Typed {
            node,
            kind: Type::Int,
            null: typed.null,
        };
        Ok((plain, kind))
    }

    fn unnamed(&self, at: Span) -> Box<Fault> {
        let message =
            "texts and addresses that are joined or grouped can only be compared, by `==` and `!=`";
        Box::new(Fault::new("E0607", at, message).help(self.advice))
    }
}
