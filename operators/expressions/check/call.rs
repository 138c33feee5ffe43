//! Calls: functions over values; aggregates are told apart from them here.

use super::{Checked, Checker, Node, Place, Typed};
use crate::expressions::aggregates::{self, fields};
use crate::expressions::eval;
use crate::expressions::fault::Fault;
use crate::expressions::functions::{FUNCTIONS, Form, Function, find};
use crate::expressions::syntax::{Argument, Expr, Kind, Span};
use crate::expressions::types::{Constant, Type};

/// Functions that are no entry of the table: they take values of any type.
const OTHERS: [&str; 6] = ["coalesce", "clamp", "hash", "prev", "delta", "view"];

impl Checker<'_> {
    pub(super) fn call(
        &mut self,
        name: &str,
        at: Span,
        arguments: &[Argument],
        whole: &Expr,
    ) -> Checked<Typed> {
        if let Some(measure) = aggregates::find(name) {
            let is_scalar = find(name).is_some();
            let over_packets = arguments.iter().any(|argument| {
                argument.filter.is_some() || argument.value.as_ref().is_some_and(reads_packets)
            });
            match self.place {
                Place::Rows if over_packets || !is_scalar || self.rows.is_some() => {
                    return self.aggregate(measure, at, arguments, whole);
                }
                Place::Aggregate(_) if !is_scalar => {
                    let message = format!("`{name}` is inside of another aggregate");
                    let fault = Fault::new("E0211", at, message);
                    return Err(Box::new(fault.help(
                        "aggregates do not nest; values inside of one are those of a packet",
                    )));
                }
                Place::Group(_) if over_packets || !is_scalar => {
                    let message = format!("`{name}` is inside of another aggregate");
                    let fault = Fault::new("E0211", at, message);
                    return Err(Box::new(fault.help(
                        "aggregates do not nest: give one over packets a name in `[features.derive]`",
                    )));
                }
                Place::Packets if !is_scalar => {
                    let message =
                        format!("`{name}` is over the packets of a flow, and there is none yet");
                    return Err(Box::new(Fault::new("E0211", at, message)));
                }
                _ => {}
            }
        }
        for argument in arguments {
            if let Some((name, at)) = &argument.name {
                let message = format!("no argument is named `{name}` here");
                return Err(Box::new(Fault::new("E0214", *at, message)));
            }
            if let Some(filter) = &argument.filter {
                let message = format!("`{name}` takes no `where`: it is no aggregate");
                return Err(Box::new(Fault::new("E0214", filter.at, message)));
            }
        }
        let values: Vec<&Expr> = arguments
            .iter()
            .filter_map(|argument| argument.value.as_ref())
            .collect();
        match (name, find(name)) {
            (_, Some(function)) => self.function(function, &values, whole),
            ("coalesce", _) => self.coalesce(&values, whole),
            ("clamp", _) => self.clamp(&values, whole),
            ("hash", _) => self.hash(&values, whole),
            ("prev" | "delta", _) => self.previous(name, at, &values, whole),
            ("view", _) => {
                let message = "a look-up gives a row: name a column of it";
                let text = self.shown(whole);
                let fault = Fault::new("E0214", whole.at, message);
                Err(Box::new(fault.help(format!("write `{text}.column`"))))
            }
            _ => {
                let all = FUNCTIONS.iter().map(|function| function.name);
                let mut known: Vec<String> = all.chain(OTHERS).map(str::to_owned).collect();
                if self.place == Place::Rows && self.context.has_packets() {
                    known.extend(aggregates::names().map(str::to_owned));
                }
                let fault = Fault::new("E0109", at, format!("unknown function `{name}`"));
                let fault = fault.help("docs/SPEC.md lists the functions");
                Err(Box::new(fault.known(known)))
            }
        }
    }

    pub(super) fn wrong_count(name: &str, whole: &Expr, takes: &str, found: usize) -> Box<Fault> {
        let values = match found {
            1 => "1 value".to_owned(),
            found => format!("{found} values"),
        };
        let message = format!("`{name}` takes {takes}, found {values}");
        Box::new(Fault::new("E0214", whole.at, message))
    }

    fn function(
        &mut self,
        function: &'static Function,
        values: &[&Expr],
        whole: &Expr,
    ) -> Checked<Typed> {
        let name = function.name;
        let mut typed = values
            .iter()
            .map(|value| self.check(value))
            .collect::<Checked<Vec<_>>>()?;
        if function.folds {
            if typed.len() < 2 {
                let takes = "2 or more values";
                return Err(Self::wrong_count(name, whole, takes, typed.len()));
            }
            let mut rest = typed.into_iter().zip(values);
            let Some((mut all, _)) = rest.next() else {
                return Err(Self::wrong_count(name, whole, "values", 0));
            };
            for (next, value) in rest {
                all = Self::apply(function, vec![all, next], &[values[0], value])?;
            }
            return Ok(all);
        }
        let fits = |form: &Form| {
            form.takes.len() == typed.len()
                || form.usual.is_some() && form.takes.len() == typed.len() + 1
        };
        let Some(form) = function.forms.iter().find(|form| fits(form)) else {
            let counts = function.forms.iter().map(|form| match form.usual {
                Some(_) => format!("{} or {}", form.takes.len() - 1, form.takes.len()),
                None => form.takes.len().to_string(),
            });
            let mut counts: Vec<String> = counts.collect();
            counts.dedup();
            let takes = format!("{} values", counts.join(" or "));
            return Err(Self::wrong_count(name, whole, &takes, typed.len()));
        };
        let missing = form.takes.len() > typed.len();
        if let Some(usual) = form.usual.filter(|_| missing) {
            typed.push(Typed::constant(Constant::Int(usual)));
        }
        Self::apply(function, typed, values)
    }

    /// The first form of a function that fits as it is, or else with ints as floats.
    fn apply(function: &'static Function, typed: Vec<Typed>, values: &[&Expr]) -> Checked<Typed> {
        let kinds: Vec<Type> = typed.iter().map(|typed| typed.kind.clone()).collect();
        let fits = |form: &Form, promotes: bool| {
            form.takes.len() == kinds.len()
                && form.takes.iter().zip(&kinds).all(|(takes, kind)| {
                    takes.fits(kind)
                        || *kind == Type::Null
                        || promotes && *kind == Type::Int && takes.fits(&Type::Float)
                })
        };
        let mut forms = function.forms.iter();
        let exact = forms.find(|form| fits(form, false));
        let form = exact.or_else(|| function.forms.iter().find(|form| fits(form, true)));
        if let Some(form) = form {
            let args: Vec<Typed> = typed
                .into_iter()
                .zip(form.takes)
                .map(|(typed, takes)| typed.promoted(&takes.given(&kinds)))
                .collect();
            let kinds: Vec<Type> = args.iter().map(|arg| arg.kind.clone()).collect();
            return Ok(Typed::call(form.operation, args, form.gives.given(&kinds)));
        }
        let same = || {
            function
                .forms
                .iter()
                .filter(|form| form.takes.len() == kinds.len())
        };
        let wrong = kinds.iter().enumerate().position(|(at, kind)| {
            !same().any(|form| {
                form.takes.get(at).is_some_and(|takes| {
                    takes.fits(kind) || *kind == Type::Int && takes.fits(&Type::Float)
                })
            })
        });
        let at = wrong.unwrap_or(0);
        let mut takes: Vec<&str> = same()
            .filter_map(|form| form.takes.get(at))
            .map(|takes| takes.name())
            .collect();
        takes.dedup();
        let place = values.get(at).map_or(Span::default(), |value| value.at);
        let message = match wrong {
            Some(_) => format!(
                "`{}` needs {}, found {}",
                function.name,
                takes.join(" or "),
                kinds[at]
            ),
            None => {
                let kinds: Vec<String> = kinds.iter().map(Type::to_string).collect();
                format!(
                    "`{}` does not take {} together",
                    function.name,
                    kinds.join(" and ")
                )
            }
        };
        Err(Box::new(Fault::new("E0207", place, message)))
    }

    fn coalesce(&mut self, values: &[&Expr], whole: &Expr) -> Checked<Typed> {
        let Some((last, first)) = values.split_last() else {
            return Err(Self::wrong_count("coalesce", whole, "1 or more values", 0));
        };
        let mut chosen = self.check(last)?;
        for value in first.iter().rev() {
            let typed = self.check(value)?;
            let Some(kind) = typed.kind.either(&chosen.kind) else {
                let message = format!(
                    "`coalesce` needs values of one type, found {} and {}",
                    typed.kind, chosen.kind
                );
                return Err(Box::new(Fault::new("E0205", value.at, message)));
            };
            let args = vec![typed.promoted(&kind), chosen.promoted(&kind)];
            chosen = Typed::call(&eval::COALESCE, args, kind);
        }
        Ok(chosen)
    }

    fn clamp(&mut self, values: &[&Expr], whole: &Expr) -> Checked<Typed> {
        let [value, low, high] = values else {
            return Err(Self::wrong_count("clamp", whole, "3 values", values.len()));
        };
        let (Some(greatest), Some(least)) = (find("greatest"), find("least")) else {
            return Err(Self::wrong_count("clamp", whole, "3 values", values.len()));
        };
        let pair = vec![self.check(value)?, self.check(low)?];
        let above = Self::apply(greatest, pair, &[value, low])?;
        let pair = vec![above, self.check(high)?];
        Self::apply(least, pair, &[value, high])
    }

    fn hash(&mut self, values: &[&Expr], whole: &Expr) -> Checked<Typed> {
        if values.len() < 2 {
            let takes = "a seed and 1 or more values";
            return Err(Self::wrong_count("hash", whole, takes, values.len()));
        }
        let typed = values
            .iter()
            .map(|value| {
                let typed = self.check(value)?;
                Ok(typed.promoted(&Type::Bool))
            })
            .collect::<Checked<Vec<_>>>()?;
        if !matches!(typed[0].node, Node::Constant(Constant::Int(_))) {
            let fault = Fault::new(
                "E0214",
                values[0].at,
                "the seed of `hash` is an int that is written out",
            );
            return Err(Box::new(fault.help("write `hash(7, src_ip, dst_ip)`")));
        }
        Ok(Typed::call(&eval::HASH, typed, Type::Int))
    }

    /// `prev(x)` and `delta(x)`: of the packet before this one, of those that are chosen.
    fn previous(&mut self, name: &str, at: Span, values: &[&Expr], whole: &Expr) -> Checked<Typed> {
        let [value] = values else {
            return Err(Self::wrong_count(name, whole, "1 value", values.len()));
        };
        if !matches!(self.place, Place::Aggregate(_)) || self.is_choosing {
            let message = match self.is_choosing {
                true => format!(
                    "`{name}` looks at the packets that `where` has chosen, and cannot choose them"
                ),
                false => format!("`{name}` stands only inside of an aggregate"),
            };
            let fault = Fault::new("E0211", at, message);
            return Err(Box::new(fault.help(
                "write `mean(delta(pkt.time) where pkt.fwd)`; `pkt.iat` is the gap to the packet before",
            )));
        }
        let before = self.previous.len();
        let now = self.check(value)?;
        if self.previous.len() > before || reads_state(&now) {
            let message = format!("`{name}` is inside of another look back");
            return Err(Box::new(Fault::new("E0211", at, message)));
        }
        if matches!(now.kind, Type::List(_) | Type::Null) {
            let message = format!("`{name}` needs a single value, found {}", now.kind);
            return Err(Box::new(Fault::new("E0207", value.at, message)));
        }
        let known = self.previous.iter().position(|known| *known == now);
        let place = known.unwrap_or_else(|| {
            self.previous.push(now.clone());
            self.previous.len() - 1
        });
        let earlier = Typed {
            node: Node::Load(fields::PREVIOUS + u32::try_from(place).unwrap_or(0)),
            kind: now.kind.clone(),
            null: true,
        };
        if name == "prev" {
            return Ok(earlier);
        }
        let (operation, kind) = match now.kind {
            Type::Int => (&eval::SUBTRACT_INT, Type::Int),
            Type::Float => (&eval::SUBTRACT_FLOAT, Type::Float),
            Type::Time | Type::Duration => (&eval::SUBTRACT_INT, Type::Duration),
            ref other => {
                let message =
                    format!("`delta` needs a number, a duration or a time, found {other}");
                return Err(Box::new(Fault::new("E0207", value.at, message)));
            }
        };
        Ok(Typed::call(operation, vec![now, earlier], kind))
    }
}

fn reads_state(typed: &Typed) -> bool {
    let mut reads = false;
    typed.loads(&mut |place| reads |= place == fields::STATE);
    reads
}

/// Whether a field of a packet is named in it.
fn reads_packets(expr: &Expr) -> bool {
    let is_previous = |name: &str| name == "prev" || name == "delta";
    match &expr.kind {
        Kind::Packet(_) => true,
        Kind::Call(name, ..) if is_previous(name) => true,
        _ => expr.parts().into_iter().any(reads_packets),
    }
}
