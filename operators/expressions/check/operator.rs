//! Operators: which operation an operator is for operands of which types.

use super::{Checked, Checker, Node, Typed};
use crate::expressions::eval::{self, Operation, Payload, Set, ends, ranges};
use crate::expressions::fault::Fault;
use crate::expressions::syntax::{Binary, Expr, Kind, Net, Span};
use crate::expressions::types::{Constant, Type};
use std::sync::Arc;

/// Operation and type of an operator on operands of these types, none of which has to change.
fn operation(operator: Binary, a: &Type, b: &Type) -> Option<(&'static Operation, Type)> {
    use Type::{Duration, Float, Int, Text, Time};
    Some(match (operator, a, b) {
        (Binary::Add, Int, Int) => (&eval::ADD_INT, Int),
        (Binary::Add, Float, Float) => (&eval::ADD_FLOAT, Float),
        (Binary::Add, Duration, Duration) => (&eval::ADD_INT, Duration),
        (Binary::Add, Time, Duration) | (Binary::Add, Duration, Time) => (&eval::ADD_INT, Time),
        (Binary::Add, Text, Text) => (&eval::CONCAT, Text),
        (Binary::Subtract, Int, Int) => (&eval::SUBTRACT_INT, Int),
        (Binary::Subtract, Float, Float) => (&eval::SUBTRACT_FLOAT, Float),
        (Binary::Subtract, Duration, Duration) | (Binary::Subtract, Time, Time) => {
            (&eval::SUBTRACT_INT, Duration)
        }
        (Binary::Subtract, Time, Duration) => (&eval::SUBTRACT_INT, Time),
        (Binary::Multiply, Int, Int) => (&eval::MULTIPLY_INT, Int),
        (Binary::Multiply, Float, Float) => (&eval::MULTIPLY_FLOAT, Float),
        (Binary::Multiply, Duration, Int) | (Binary::Multiply, Int, Duration) => {
            (&eval::MULTIPLY_INT, Duration)
        }
        (Binary::Multiply, Duration, Float) => (&eval::SCALE_DURATION, Duration),
        (Binary::Divide, Float, Float) => (&eval::DIVIDE_FLOAT, Float),
        (Binary::Divide, Duration, Duration) => (&eval::DURATION_RATIO, Float),
        (Binary::Divide, Float, Duration) => (&eval::RATE, Float),
        (Binary::Divide, Duration, Float) => (&eval::SHRINK_DURATION, Duration),
        (Binary::DivideWhole, Int, Int) | (Binary::DivideWhole, Duration, Duration) => {
            (&eval::DIVIDE_WHOLE, Int)
        }
        (Binary::Remainder, Int, Int) => (&eval::REMAINDER, Int),
        (Binary::Remainder, Duration, Duration) => (&eval::REMAINDER, Duration),
        (Binary::BitAnd, Int, Int) => (&eval::BIT_AND, Int),
        (Binary::BitOr, Int, Int) => (&eval::BIT_OR, Int),
        (Binary::BitXor, Int, Int) => (&eval::BIT_XOR, Int),
        (Binary::ShiftLeft, Int, Int) => (&eval::SHIFT_LEFT, Int),
        (Binary::ShiftRight, Int, Int) => (&eval::SHIFT_RIGHT, Int),
        _ => return None,
    })
}

impl Checker<'_> {
    pub(super) fn negated(&mut self, inner: &Expr) -> Checked<Typed> {
        let typed = self.check(inner)?;
        let operation = match typed.kind {
            Type::Int | Type::Duration => &eval::NEGATE_INT,
            Type::Float => &eval::NEGATE_FLOAT,
            ref other => {
                let message = format!("`-` needs a number or a duration, found {other}");
                return Err(Box::new(Fault::new("E0207", inner.at, message)));
            }
        };
        let kind = typed.kind.clone();
        Ok(Typed::call(operation, vec![typed], kind))
    }

    pub(super) fn binary(
        &mut self,
        operator: Binary,
        a: &Expr,
        b: &Expr,
        at: Span,
    ) -> Checked<Typed> {
        if operator.compares() {
            return self.compared(operator, a, b, at);
        }
        let (left, right) = (self.check(a)?, self.check(b)?);
        if operator == Binary::Coalesce {
            let Some(kind) = left.kind.either(&right.kind) else {
                let message = format!(
                    "`??` needs values of one type, found {} and {}",
                    left.kind, right.kind
                );
                return Err(Box::new(Fault::new("E0205", at, message)));
            };
            let args = vec![left.promoted(&kind), right.promoted(&kind)];
            return Ok(Typed::call(&eval::COALESCE, args, kind));
        }
        self.arithmetic(operator, left, right, (a, b), at)
    }

    fn arithmetic(
        &self,
        operator: Binary,
        mut left: Typed,
        mut right: Typed,
        (a, b): (&Expr, &Expr),
        at: Span,
    ) -> Checked<Typed> {
        // `null` has the type of the other one
        left = left.promoted(&right.kind);
        right = right.promoted(&left.kind);
        let is_float = |typed: &Typed| typed.kind == Type::Float;
        let mixes = left.kind.is_number() && right.kind.is_number();
        let exact = operator != Binary::Divide && !is_float(&left) && !is_float(&right);
        if mixes && !exact {
            left = left.promoted(&Type::Float);
            right = right.promoted(&Type::Float);
        }
        match (operator, &left.kind, &right.kind) {
            (Binary::Multiply, Type::Float, Type::Duration) => {
                std::mem::swap(&mut left, &mut right)
            }
            (Binary::Divide, Type::Int, Type::Duration) => left = left.promoted(&Type::Float),
            (Binary::Divide, Type::Duration, Type::Int) => right = right.promoted(&Type::Float),
            _ => {}
        }
        if let Some((operation, kind)) = operation(operator, &left.kind, &right.kind) {
            return Ok(Typed::call(operation, vec![left, right], kind));
        }
        let symbol = operator.symbol();
        let (one, other) = (&left.kind, &right.kind);
        let with_unit = [(one, b), (other, a)]
            .into_iter()
            .find_map(|(kind, number)| {
                let is_sum = matches!(operator, Binary::Add | Binary::Subtract);
                (matches!(kind, Type::Duration | Type::Time) && is_sum).then_some(number)
            });
        if let Some(fault) = with_unit.and_then(unit_missing) {
            return Err(fault);
        }
        let message = format!("`{symbol}` does not go with {one} and {other}");
        let fault = Fault::new("E0207", at, message);
        Err(Box::new(match (one, other) {
            (Type::Text, _) | (_, Type::Text) if operator == Binary::Add => {
                let number = if *one == Type::Text { b } else { a };
                fault.help(format!("write it as text: `text({})`", self.shown(number)))
            }
            (Type::Bool, _) | (_, Type::Bool) => {
                let truth = if *one == Type::Bool { a } else { b };
                fault.help(format!("count it: `int({})`", self.shown(truth)))
            }
            (Type::Float, _) | (_, Type::Float) if one.is_number() && other.is_number() => fault
                .help(format!(
                    "`{symbol}` is of whole numbers: `int(x)` cuts the fraction off"
                )),
            _ => fault,
        }))
    }

    fn compared(&mut self, operator: Binary, a: &Expr, b: &Expr, at: Span) -> Checked<Typed> {
        for (value, other) in [(a, b), (b, a)] {
            if value.kind == Kind::Null {
                let fault = Fault::new("E0208", at, "a comparison with null is always null");
                let not = if operator == Binary::NotEqual {
                    "not "
                } else {
                    ""
                };
                let text = format!("{} is {not}null", self.shown(other));
                return Err(Box::new(fault.help(format!("write `{text}`")).edit(text)));
            }
        }
        let (left, right) = (self.check(a)?, self.check(b)?);
        let operation = match operator {
            Binary::Equal => &eval::EQUAL,
            Binary::NotEqual => &eval::NOT_EQUAL,
            Binary::Less => &eval::LESS,
            Binary::LessEqual => &eval::LESS_EQUAL,
            Binary::Greater => &eval::GREATER,
            _ => &eval::GREATER_EQUAL,
        };
        let Some(kind) = left.kind.either(&right.kind) else {
            return Err(self.unlike(operator.symbol(), (&left, a), (&right, b), at));
        };
        let args = vec![left.promoted(&kind), right.promoted(&kind)];
        Ok(Typed::call(operation, args, Type::Bool))
    }

    /// Two values of different types.
    fn unlike(
        &self,
        symbol: &str,
        (left, a): (&Typed, &Expr),
        (right, b): (&Typed, &Expr),
        at: Span,
    ) -> Box<Fault> {
        let number = match (&left.kind, &right.kind) {
            (Type::Duration, _) => Some(b),
            (_, Type::Duration) => Some(a),
            _ => None,
        };
        if let Some(fault) = number.and_then(unit_missing) {
            return fault;
        }
        let message = format!("`{symbol}` compares {} with {}", left.kind, right.kind);
        let fault = Fault::new("E0207", at, message);
        let text = |typed: &Typed| match &typed.node {
            Node::Constant(Constant::Text(text)) => Some(text.clone()),
            _ => None,
        };
        let written = text(left).map(|text| (text, &right.kind));
        let written = written.or_else(|| text(right).map(|text| (text, &left.kind)));
        Box::new(match written {
            Some((text, Type::Ip)) => {
                fault.help(format!("an address stands without quotes: `{text}`"))
            }
            Some((text, Type::Int | Type::Float | Type::Bool)) => {
                fault.help(format!("without quotes it is no text: `{text}`"))
            }
            _ => fault,
        })
    }

    /// `value in set`.
    pub(super) fn membership(&mut self, value: &Expr, set: &Expr, not: bool) -> Checked<Typed> {
        let typed = self.check(value)?;
        let items: Vec<&Expr> = match &set.kind {
            Kind::List(items) => items.iter().collect(),
            Kind::Range(..) | Kind::Net(_) | Kind::Variable(_) => vec![set],
            _ => {
                let list = self.check(set)?;
                return self.in_list(typed, list, (value, set), not);
            }
        };
        let mut members = Vec::new();
        let mut is_written = true;
        for item in &items {
            match self.member(item)? {
                Some(member) => members.push((member, *item)),
                None => is_written = false,
            }
        }
        if !is_written {
            let list = self.list(&items.into_iter().cloned().collect::<Vec<_>>(), set.at)?;
            return self.in_list(typed, list, (value, set), not);
        }
        let found = self.set(&typed, members)?;
        let typed = match found {
            Set::Floats(_) => typed.promoted(&Type::Float),
            _ => typed,
        };
        let payload = Payload::Set(format!("{found:?}").into(), Arc::new(found));
        let is_in = Typed::carrying(&eval::IN_SET, payload, vec![typed], Type::Bool);
        Ok(negated_if(is_in, not))
    }

    fn in_list(
        &self,
        value: Typed,
        list: Typed,
        (value_at, list_at): (&Expr, &Expr),
        not: bool,
    ) -> Checked<Typed> {
        let Type::List(item) = &list.kind else {
            let message = format!(
                "`in` needs a list, a range or a network, found {}",
                list.kind
            );
            let fault = Fault::new("E0207", list_at.at, message);
            return Err(Box::new(match list.kind {
                Type::Text => fault.help(format!(
                    "a text in a text is found by `contains({}, {})`",
                    self.shown(list_at),
                    self.shown(value_at)
                )),
                _ => fault.help("write `x in [1, 2]`, `x in 1..10`, `x in 10.0.0.0/8`"),
            }));
        };
        let item = (**item).clone();
        let Some(both) = item.either(&value.kind).filter(|both| *both == item) else {
            let message = format!("no value of type {} is in a {}", value.kind, list.kind);
            return Err(Box::new(Fault::new("E0207", value_at.at, message)));
        };
        let is_in = Typed::call(
            &eval::IN_LIST,
            vec![value.promoted(&both), list],
            Type::Bool,
        );
        Ok(negated_if(is_in, not))
    }

    /// The ends of a member of a set that is written out; `None` where it has to be computed.
    fn member(&mut self, item: &Expr) -> Checked<Option<(Constant, Constant)>> {
        if let Kind::Net(net) = item.kind {
            return Ok(Some((Constant::Net(net), Constant::Net(net))));
        }
        if let Kind::Range(from, to) = &item.kind {
            let (low, high) = (self.check(from)?, self.check(to)?);
            return match (low.node, high.node) {
                (Node::Constant(low), Node::Constant(high)) => Ok(Some((low, high))),
                _ => {
                    let message = "the ends of a range are written out";
                    let fault = Fault::new("E0207", item.at, message);
                    Err(Box::new(fault.help("write `x >= a and x <= b`")))
                }
            };
        }
        if item.kind == Kind::Null {
            let fault = Fault::new("E0208", item.at, "nothing is equal to null");
            return Err(Box::new(fault.help("write `x is null or x in [..]`")));
        }
        Ok(match self.check(item)?.node {
            Node::Constant(value) => Some((value.clone(), value)),
            _ => None,
        })
    }

    fn set(&self, value: &Typed, members: Vec<((Constant, Constant), &Expr)>) -> Checked<Set> {
        let number = |constant: &Constant| match constant {
            Constant::Int(value) => Some(*value as f64),
            Constant::Float(value) => Some(*value),
            _ => None,
        };
        let whole = |constant: &Constant| match (constant, &value.kind) {
            (Constant::Int(value), Type::Int)
            | (Constant::Duration(value), Type::Duration)
            | (Constant::Time(value), Type::Time) => Some(*value),
            _ => None,
        };
        let wrong = |item: &Expr, found: &Constant| {
            if let (Type::Duration, Some(fault)) = (&value.kind, unit_missing(item)) {
                return fault;
            }
            let message = format!("a value of type {} is never {}", value.kind, found.kind());
            let fault = Fault::new("E0207", item.at, message);
            Box::new(match (&value.kind, found) {
                (Type::Ip, Constant::Text(text)) => {
                    fault.help(format!("an address stands without quotes: `{text}`"))
                }
                _ => fault,
            })
        };
        let is_float = |(from, to): &(Constant, Constant)| {
            matches!(
                (from, to),
                (Constant::Float(_), _) | (_, Constant::Float(_))
            )
        };
        let floats = value.kind == Type::Float
            || value.kind == Type::Int && members.iter().any(|(member, _)| is_float(member));
        if floats {
            let mut all = Vec::new();
            for ((from, to), item) in &members {
                match (number(from), number(to)) {
                    (Some(from), Some(to)) => all.push((from, to)),
                    (Some(_), None) => return Err(wrong(item, to)),
                    _ => return Err(wrong(item, from)),
                }
            }
            return Ok(Set::Floats(ranges(all)));
        }
        match value.kind {
            Type::Int | Type::Duration | Type::Time => {
                let mut all = Vec::new();
                for ((from, to), item) in &members {
                    match (whole(from), whole(to)) {
                        (Some(from), Some(to)) => all.push((from, to)),
                        (Some(_), None) => return Err(wrong(item, to)),
                        _ => return Err(wrong(item, from)),
                    }
                }
                Ok(Set::Ints(ranges(all)))
            }
            Type::Text => {
                let mut all = Vec::new();
                for ((from, to), item) in &members {
                    match (from, to) {
                        (Constant::Text(from), Constant::Text(to)) => {
                            all.push((from.clone().into_bytes(), to.clone().into_bytes()));
                        }
                        (Constant::Text(_), other) | (other, _) => return Err(wrong(item, other)),
                    }
                }
                Ok(Set::Texts(ranges(all)))
            }
            Type::Ip => {
                let mut all = [Vec::new(), Vec::new()];
                for ((from, to), item) in &members {
                    let net = |constant: &Constant| match constant {
                        Constant::Net(net) => Some(*net),
                        Constant::Ip(address) => Some(Net {
                            address: *address,
                            bits: 128,
                        }),
                        _ => None,
                    };
                    let (Some(low), Some(high)) = (net(from), net(to)) else {
                        return Err(wrong(item, from));
                    };
                    if low.address.family != high.address.family {
                        return Err(wrong(item, to));
                    }
                    let family = usize::from(low.address.family != 4);
                    all[family].push((ends(&low).0, ends(&high).1));
                }
                Ok(Set::Ips(all.map(ranges)))
            }
            ref other => {
                let at = members.first().map_or(Span::default(), |(_, item)| item.at);
                let message = format!("`in` is not for values of type {other}");
                Err(Box::new(Fault::new("E0207", at, message)))
            }
        }
    }

    /// `text matches "pattern"`.
    pub(super) fn matches(&mut self, text: &Expr, pattern: &Expr, not: bool) -> Checked<Typed> {
        let typed = self.check(text)?;
        if !matches!(typed.kind, Type::Text | Type::Bytes | Type::Null) {
            let message = format!("`matches` needs text, found {}", typed.kind);
            let fault = Fault::new("E0207", text.at, message);
            return Err(Box::new(
                fault.help(format!("write `text({})`", self.shown(text))),
            ));
        }
        let written = self.check(pattern)?;
        let Node::Constant(Constant::Text(written)) = written.node else {
            let message = "the pattern of `matches` is a text that is written out";
            return Err(Box::new(Fault::new("E0209", pattern.at, message).help(
                "compare with `==`, or find a text in a text with `contains(a, b)`",
            )));
        };
        let compiled = regex::bytes::RegexBuilder::new(&written)
            .size_limit(1 << 20)
            .dfa_size_limit(1 << 20)
            .nest_limit(64)
            .build();
        let compiled = compiled.map_err(|error| {
            let error = error.to_string();
            let last = error.lines().last().unwrap_or_default();
            let reason = last.trim_start_matches("error: ").to_owned();
            let message = format!("the pattern is no regular expression: {reason}");
            Box::new(Fault::new("E0209", pattern.at, message))
        })?;
        let payload = Payload::Pattern(Arc::new(compiled));
        let typed = typed.promoted(&Type::Text);
        let found = Typed::carrying(&eval::MATCHES, payload, vec![typed], Type::Bool);
        Ok(negated_if(found, not))
    }

    pub(super) fn index(&mut self, list: &Expr, index: &Expr, at: Span) -> Checked<Typed> {
        let typed = self.check(list)?;
        let place = self.check(index)?;
        match (&typed.kind, &place.kind) {
            (Type::List(item), Type::Int) => {
                let item = (**item).clone();
                Ok(Typed::call(&eval::LIST_AT, vec![typed, place], item))
            }
            (Type::List(_), other) => {
                let message = format!("the place of an entry is an int, found {other}");
                Err(Box::new(Fault::new("E0207", index.at, message)))
            }
            (other, _) => {
                let message = format!("only lists have entries, found {other}");
                Err(Box::new(Fault::new("E0207", at, message)))
            }
        }
    }
}

fn negated_if(typed: Typed, not: bool) -> Typed {
    match not {
        true => Typed::call(&eval::NOT, vec![typed], Type::Bool),
        false => typed,
    }
}

/// A number where a duration is needed.
pub(super) fn unit_missing(number: &Expr) -> Option<Box<Fault>> {
    let text = match &number.kind {
        Kind::Int(value) => value.to_string(),
        Kind::Float(value) => value.to_string(),
        _ => return None,
    };
    let fault = Fault::new("E0212", number.at, "a duration needs a unit");
    let help = format!("write `{text}s` (seconds) or `{text}ms`");
    Some(Box::new(fault.help(help).edit(format!("{text}s"))))
}
