//! Names and types: a tree to a typed tree, or what is wrong with it.

mod aggregate;
mod call;
mod context;
mod look_up;
mod operator;

pub use context::{Context, Field, Known};

use super::aggregates::{Aggregate, fields};
use super::eval::{self, Operation, Payload};
use super::fault::Fault;
use super::lookups::LookUp;
use super::syntax::{Binary, Expr, Kind, Span, Unary};
use super::types::{Constant, Type};

/// A typed expression.
#[derive(Clone, Debug, PartialEq)]
pub struct Typed {
    /// What it is.
    pub node: Node,
    /// Its type.
    pub kind: Type,
    /// Whether it can be null.
    pub null: bool,
}

/// What a typed expression is.
#[derive(Clone, Debug, PartialEq)]
pub enum Node {
    /// The value of a field: a column, a packet field, an aggregate.
    Load(u32),
    /// A value that is written out.
    Constant(Constant),
    /// An operation on values.
    Call(&'static Operation, Payload, Vec<Typed>),
}

impl Typed {
    /// A value that is written out.
    pub fn constant(value: Constant) -> Self {
        Self {
            kind: value.kind(),
            null: value == Constant::Null,
            node: Node::Constant(value),
        }
    }

    /// An operation on values.
    pub fn call(operation: &'static Operation, args: Vec<Self>, kind: Type) -> Self {
        Self::carrying(operation, Payload::None, args, kind)
    }

    /// An operation that carries something with it.
    pub fn carrying(
        operation: &'static Operation,
        payload: Payload,
        args: Vec<Self>,
        kind: Type,
    ) -> Self {
        let nulls: Vec<bool> = args.iter().map(|arg| arg.null).collect();
        let mut null = operation.nulls.of(&nulls);
        // a divisor that is written out is known
        let divides = [&eval::DIVIDE_FLOAT, &eval::DIVIDE_WHOLE, &eval::REMAINDER];
        if divides.contains(&operation)
            && let Some(Node::Constant(Constant::Int(1..) | Constant::Float(1.0..))) =
                args.get(1).map(|arg| &arg.node)
        {
            null = nulls.contains(&true);
        }
        Self {
            node: Node::Call(operation, payload, args),
            kind,
            null,
        }
    }

    /// The fields that it reads.
    pub fn loads(&self, each: &mut impl FnMut(u32)) {
        match &self.node {
            Node::Load(place) => each(*place),
            Node::Constant(_) => {}
            Node::Call(_, _, args) => args.iter().for_each(|arg| arg.loads(each)),
        }
    }

    /// The same as a value of another type, if that goes by itself: ints to floats, `null` to anything.
    pub fn promoted(self, kind: &Type) -> Self {
        match (&self.node, &self.kind, kind) {
            (Node::Constant(Constant::Int(value)), Type::Int, Type::Float) => {
                Self::constant(Constant::Float(*value as f64))
            }
            (_, Type::Int, Type::Float) => Self::call(&eval::INT_TO_FLOAT, vec![self], Type::Float),
            (_, Type::Null, _) => Self {
                kind: kind.clone(),
                ..self
            },
            _ => self,
        }
    }
}

/// A result, or the first fault.
pub type Checked<T> = Result<T, Box<Fault>>;

/// Where a checker is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// Over rows.
    Rows,
    /// Inside of an aggregate of this name, over packets.
    Aggregate(&'static str),
    /// Over packets, without flows: `flows.where`.
    Packets,
    /// Inside of an aggregate of this name, over the rows of a group.
    Group(&'static str),
    /// Over a packet and the aggregates of its record so far: `flows.end_when`.
    Ends,
}

/// The checker of one expression.
pub struct Checker<'a> {
    context: &'a Context,
    /// The text of the expression: messages quote it.
    text: &'a str,
    place: Place,
    /// The aggregates that were found so far, of all expressions of a node: equal ones are computed once.
    aggregates: &'a mut Vec<Aggregate>,
    /// The look-ups that were found so far; `None` where there are none.
    look_ups: Option<&'a mut Vec<LookUp>>,
    /// Inside of an aggregate: what `prev` and `delta` look at.
    previous: Vec<Typed>,
    /// Inside of `fold`: the type of `acc`.
    state: Option<Type>,
    /// Inside of the `where` of an aggregate.
    is_choosing: bool,
    /// Over groups: what their rows have.
    rows: Option<&'a Context>,
    /// Whether there are no messages of applications yet.
    before_messages: bool,
}

impl<'a> Checker<'a> {
    /// A checker of an expression over rows.
    pub fn rows(context: &'a Context, text: &'a str, aggregates: &'a mut Vec<Aggregate>) -> Self {
        Self {
            context,
            text,
            place: Place::Rows,
            aggregates,
            look_ups: None,
            previous: Vec::new(),
            state: None,
            is_choosing: false,
            rows: None,
            before_messages: false,
        }
    }

    /// A checker of an expression over groups, which have the names of `context`; aggregates are over their `rows`.
    pub fn groups(
        context: &'a Context,
        rows: &'a Context,
        text: &'a str,
        aggregates: &'a mut Vec<Aggregate>,
    ) -> Self {
        Self {
            rows: Some(rows),
            ..Self::rows(context, text, aggregates)
        }
    }

    /// A checker of an expression that ends records.
    pub fn ends(context: &'a Context, text: &'a str, aggregates: &'a mut Vec<Aggregate>) -> Self {
        Self {
            place: Place::Ends,
            before_messages: true,
            ..Self::rows(context, text, aggregates)
        }
    }

    /// A checker of an expression over packets that belong to no flow yet.
    pub fn packets(
        context: &'a Context,
        text: &'a str,
        aggregates: &'a mut Vec<Aggregate>,
    ) -> Self {
        Self {
            place: Place::Packets,
            ..Self::rows(context, text, aggregates)
        }
    }

    /// The same, where values of views can be looked up.
    #[must_use]
    pub fn looking(self, look_ups: &'a mut Vec<LookUp>) -> Self {
        Self {
            look_ups: Some(look_ups),
            ..self
        }
    }

    /// A truth; `what` it is for, as messages say it.
    ///
    /// # Errors
    /// The first fault.
    pub fn truth(&mut self, expr: &Expr, what: &str) -> Checked<Typed> {
        let typed = self.check(expr)?;
        match typed.kind {
            Type::Bool | Type::Null => Ok(typed.promoted(&Type::Bool)),
            ref other => {
                let message = format!("{what} needs a condition, found {other}");
                let fault = Fault::new("E0204", expr.at, message);
                let text = self.shown(expr);
                Err(Box::new(match other {
                    Type::Int | Type::Float => fault.help(format!("compare it: `{text} > 0`")),
                    Type::Text => fault.help(format!(
                        "compare it: `{text} == \"...\"`, or ask `{text} is not null`"
                    )),
                    _ => fault.help(format!("compare it, or ask `{text} is not null`")),
                }))
            }
        }
    }

    /// The text of a part, short enough for a message.
    fn shown(&self, expr: &Expr) -> &'a str {
        match expr.at.of(self.text) {
            text if text.len() <= 60 && !text.contains('\n') => text,
            _ => "x",
        }
    }

    /// The typed form of an expression.
    ///
    /// # Errors
    /// The first fault.
    pub fn check(&mut self, expr: &Expr) -> Checked<Typed> {
        let at = expr.at;
        match &expr.kind {
            Kind::Null => Ok(Typed::constant(Constant::Null)),
            Kind::Bool(value) => Ok(Typed::constant(Constant::Bool(*value))),
            Kind::Int(value) => Ok(Typed::constant(Constant::Int(*value))),
            Kind::Float(value) => Ok(Typed::constant(Constant::Float(*value + 0.0))),
            Kind::Text(text) => Ok(Typed::constant(Constant::Text(text.clone()))),
            Kind::Duration(ns) => Ok(Typed::constant(Constant::Duration(*ns))),
            Kind::Ip(address) => Ok(Typed::constant(Constant::Ip(*address))),
            Kind::Net(_) => {
                let message = "a network is no value: it stands behind `in`";
                let fault = Fault::new("E0207", at, message);
                let net = self.shown(expr);
                Err(Box::new(fault.help(format!("write `src_ip in {net}`"))))
            }
            Kind::Name(name) => self.name(name, at),
            Kind::Variable(name) => self.variable(name, at),
            Kind::Packet(name) => self.packet_field(name, at),
            Kind::Unary(Unary::Not, inner) => {
                let inner = self.truth(inner, "`not`")?;
                Ok(Typed::call(&eval::NOT, vec![inner], Type::Bool))
            }
            Kind::Unary(Unary::Negate, inner) => self.negated(inner),
            Kind::Binary(operator @ (Binary::And | Binary::Or), a, b) => {
                let what = format!("`{}`", operator.symbol());
                let args = vec![self.truth(a, &what)?, self.truth(b, &what)?];
                let operation = match operator {
                    Binary::And => &eval::AND,
                    _ => &eval::OR,
                };
                Ok(Typed::call(operation, args, Type::Bool))
            }
            Kind::Binary(operator, a, b) => self.binary(*operator, a, b, at),
            Kind::IsNull(inner, not) => {
                let inner = self.check(inner)?;
                let operation = match not {
                    true => &eval::IS_NOT_NULL,
                    false => &eval::IS_NULL,
                };
                let inner = inner.promoted(&Type::Bool);
                Ok(Typed::call(operation, vec![inner], Type::Bool))
            }
            Kind::In(value, set, not) => self.membership(value, set, *not),
            Kind::Matches(text, pattern, not) => self.matches(text, pattern, *not),
            Kind::Range(..) => {
                let fault = Fault::new("E0207", at, "a range stands only behind `in`");
                Err(Box::new(fault.help("write `dst_port in 1..1024`")))
            }
            Kind::Index(list, index) => self.index(list, index, at),
            Kind::Part(inner, name, place) => {
                if let Kind::Call(view, at, arguments) = &inner.kind
                    && view == "view"
                {
                    return self.look_up(*at, arguments, inner, (name, *place));
                }
                let inner = self.check(inner)?;
                let message = format!("a value of type {} has no part `{name}`", inner.kind);
                Err(Box::new(Fault::new("E0203", *place, message)))
            }
            Kind::If(test, then, other) => {
                let test = self.truth(test, "`if`")?;
                let then_typed = self.check(then)?;
                let other_typed = self.check(other)?;
                self.choose(test, then_typed, other_typed, other.at)
            }
            Kind::Case(arms, other) => {
                let mut chosen = self.check(other)?;
                let mut place = other.at;
                for (test, then) in arms.iter().rev() {
                    let test = self.truth(test, "`when`")?;
                    let then_typed = self.check(then)?;
                    chosen = self.choose(test, then_typed, chosen, place)?;
                    place = then.at;
                }
                Ok(chosen)
            }
            Kind::List(items) => self.list(items, at),
            Kind::Call(name, name_at, arguments) => self.call(name, *name_at, arguments, expr),
        }
    }

    fn choose(&self, test: Typed, then: Typed, other: Typed, at: Span) -> Checked<Typed> {
        let Some(kind) = then.kind.either(&other.kind) else {
            let message = format!(
                "the branches have different types: {} and {}",
                then.kind, other.kind
            );
            return Err(Box::new(Fault::new("E0205", at, message)));
        };
        let args = vec![test, then.promoted(&kind), other.promoted(&kind)];
        Ok(Typed::call(&eval::IF, args, kind))
    }

    fn list(&mut self, items: &[Expr], at: Span) -> Checked<Typed> {
        let mut typed = Vec::new();
        let mut kind = Type::Null;
        for item in items {
            let found = self.check(item)?;
            let Some(both) = kind.either(&found.kind) else {
                let message = format!(
                    "the entries of a list are of one type: {kind}, and here {}",
                    found.kind
                );
                return Err(Box::new(Fault::new("E0205", item.at, message)));
            };
            kind = both;
            typed.push(found);
        }
        if kind == Type::Null {
            let fault = Fault::new("E0206", at, "a list of nothing has no type");
            return Err(Box::new(fault.help("leave it out, or write its entries")));
        }
        let args = typed.into_iter().map(|item| item.promoted(&kind)).collect();
        Ok(Typed::call(&eval::LIST_OF, args, kind.list()))
    }

    fn variable(&self, name: &str, at: Span) -> Checked<Typed> {
        match self.context.variable(name) {
            Some(value) => Ok(Typed::constant(value.clone())),
            None => {
                let fault = Fault::new("E0501", at, format!("no variable `{name}` is declared"));
                let known = self.context.variables().map(|name| format!("${name}"));
                Err(Box::new(fault.known(known.collect())))
            }
        }
    }

    fn name(&mut self, name: &str, at: Span) -> Checked<Typed> {
        if let (true, Some(state)) = (name == "acc", self.state.clone()) {
            return Ok(Typed {
                node: Node::Load(fields::STATE),
                kind: state,
                null: true,
            });
        }
        let known = self.context.find(name);
        match (self.place, known) {
            (Place::Rows | Place::Group(_), Some(Known::Field(field))) => Ok(Typed {
                node: Node::Load(field.place),
                kind: field.kind.clone(),
                null: field.null,
            }),
            (Place::Rows | Place::Group(_), Some(Known::Fault(code, message, help))) => {
                let mut fault = Fault::new(code, at, message);
                fault.help.clone_from(help);
                Err(Box::new(fault))
            }
            (Place::Aggregate(aggregate), found) => {
                if let Some(field) = fields::of_flow(name) {
                    return Ok(field);
                }
                if found.is_none() {
                    return Err(self.unknown(name, at));
                }
                let message = format!(
                    "the flow column `{name}` is not known while packets are still arriving"
                );
                let fault = Fault::new("E0213", at, message);
                Err(Box::new(fault.help(format!(
                    "move it out of the aggregate: `{aggregate}({}) / {name}`",
                    if aggregate == "count" {
                        "where ..."
                    } else {
                        "..."
                    }
                ))))
            }
            (Place::Ends, found) => {
                if let Some(field) = fields::of_flow(name) {
                    return Ok(field);
                }
                if found.is_none() {
                    return Err(self.unknown(name, at));
                }
                let message = format!(
                    "the flow column `{name}` is not known while packets are still arriving"
                );
                let fault = Fault::new("E0213", at, message);
                Err(Box::new(fault.help(
                    "a rule reads fields of the packet and aggregates: `count() >= 100 or pkt.iat > 5s`",
                )))
            }
            (Place::Packets, Some(_)) => {
                let message =
                    format!("the flow column `{name}` is not known before there is a flow");
                let fault = Fault::new("E0213", at, message);
                let names = fields::names();
                let near = names.iter().find(|field| field.ends_with(name));
                Err(Box::new(match near {
                    Some(field) => fault.help(format!("packets have `pkt.{field}`")),
                    None => fault.help("packets have fields such as `pkt.dst_port`"),
                }))
            }
            _ => Err(self.unknown(name, at)),
        }
    }

    fn unknown(&self, name: &str, at: Span) -> Box<Fault> {
        if self.context.is_open() && self.place == Place::Rows {
            return Box::new(Fault::new("", at, format!("`{name}` is not known yet")));
        }
        let mut known = self.context.names();
        if !matches!(self.place, Place::Rows | Place::Group(_)) {
            known = fields::FIXED
                .iter()
                .map(|name| (*name).to_owned())
                .collect();
        }
        let mut fault = Fault::new("E0201", at, format!("unknown field `{name}`")).known(known);
        fault.help = Some(match self.place {
            Place::Rows | Place::Group(_) => self.context.advice().to_owned(),
            _ => "packet fields are written `pkt.len`".to_owned(),
        });
        Box::new(fault)
    }

    fn packet_field(&mut self, name: &str, at: Span) -> Checked<Typed> {
        let Some(field) = fields::find(name) else {
            let mut fault = Fault::new("E0202", at, format!("unknown packet field `pkt.{name}`"));
            let known = fields::names().into_iter();
            fault = fault.known(known.map(|name| format!("pkt.{name}")).collect());
            return Err(Box::new(fault));
        };
        if self.before_messages && fields::is_message(name) {
            let message = format!("`pkt.{name}` is not known yet where records end");
            let fault = Fault::new("E0202", at, message);
            return Err(Box::new(fault.help(
                "messages are read of the packets of records; here are the fields of headers",
            )));
        }
        match self.place {
            Place::Rows | Place::Group(_) => {
                let message = "a packet field has no single value for a flow";
                let fault = Fault::new("E0210", at, message);
                let field = format!("pkt.{name}");
                let kind = fields::find(name).map(|field| field.kind);
                Err(Box::new(fault.help(match kind {
                    Some(Type::Int | Type::Float | Type::Duration) => {
                        format!("aggregate it: `mean({field})`, `first({field})`, `sum({field})`")
                    }
                    Some(Type::Bool) => {
                        format!("aggregate it: `count(where {field})`, `any({field})`")
                    }
                    _ => format!("aggregate it: `first({field})`, `distinct({field})`"),
                })))
            }
            Place::Packets if !fields::is_stateless(name) => {
                let message = format!("`pkt.{name}` is not known before a packet has a flow");
                Err(Box::new(Fault::new("E0202", at, message)))
            }
            _ => Ok(field),
        }
    }
}
