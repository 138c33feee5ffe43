//! Aggregates over the packets of a flow: what they take, and what they give.

use super::{Checked, Checker, Node, Place, Typed};
use crate::expressions::aggregates::{AGGREGATES, Aggregate, Measure, Named, Takes};
use crate::expressions::fault::Fault;
use crate::expressions::syntax::{Argument, Expr, Span};
use crate::expressions::types::Type;

impl Checker<'_> {
    pub(super) fn aggregate(
        &mut self,
        named: &'static Named,
        at: Span,
        arguments: &[Argument],
        whole: &Expr,
    ) -> Checked<Typed> {
        let name = named.name;
        if !self.context.has_packets() && self.rows.is_none() {
            let message = format!("`{name}` is over packets, which are not here any more");
            let fault = Fault::new("E0211", at, message);
            return Err(Box::new(fault.help(
                "give it a name in `[features.derive]`, and write the name here",
            )));
        }
        let (place, previous) = (self.place, std::mem::take(&mut self.previous));
        let context = self.context;
        self.place = match self.rows {
            None => Place::Aggregate(name),
            Some(rows) => {
                self.context = rows;
                Place::Group(name)
            }
        };
        let found = self.over_packets(named, arguments, whole);
        self.place = place;
        self.context = context;
        self.previous = previous;
        self.state = None;
        let found = found?;
        let (kind, null) = (found.kind.clone(), found.null);
        let known = self.aggregates.iter().position(|known| *known == found);
        let at = known.unwrap_or_else(|| {
            self.aggregates.push(found);
            self.aggregates.len() - 1
        });
        Ok(Typed {
            node: Node::Load(AGGREGATES + u32::try_from(at).unwrap_or(0)),
            kind,
            null,
        })
    }

    fn over_packets(
        &mut self,
        named: &'static Named,
        arguments: &[Argument],
        whole: &Expr,
    ) -> Checked<Aggregate> {
        let name = named.name;
        let mut filters = arguments.iter().filter_map(|one| one.filter.as_ref());
        let filter = filters.next();
        if let Some(second) = filters.next() {
            let fault = Fault::new("E0214", second.at, "a second `where`");
            return Err(Box::new(fault.help("join the conditions by `and`")));
        }
        let filter = match filter {
            Some(filter) => {
                self.is_choosing = true;
                let typed = self.truth(filter, "`where`");
                self.is_choosing = false;
                Some(typed?)
            }
            None => None,
        };
        let is_plain = |one: &&Argument| one.name.is_none() && one.value.is_some();
        let values: Vec<&Expr> = arguments
            .iter()
            .filter(is_plain)
            .filter_map(|one| one.value.as_ref())
            .collect();
        let (least, most) = named.takes.count();
        if !(least..=most).contains(&values.len()) {
            let takes = match (least, most) {
                (0, 0) => "no value".to_owned(),
                (0, 1) => "at most 1 value".to_owned(),
                (1, 1) => "1 value".to_owned(),
                (least, _) => format!("{least} values"),
            };
            return Err(Self::wrong_count(name, whole, &takes, values.len()));
        }
        let mut found = Aggregate {
            measure: named.measure.clone(),
            values: Vec::new(),
            previous: Vec::new(),
            filter,
            kind: Type::Int,
            null: true,
            text: whole.at.of(self.text).to_owned(),
        };
        let mut own = Vec::new();
        for argument in arguments {
            if let (Some((option, at)), Some(value)) = (&argument.name, &argument.value) {
                own.push((option.as_str(), *at, value));
            }
        }
        match named.takes {
            Takes::Parameter => {
                let (value, parameter) = (values[0], values[1]);
                own.insert(0, (named.options[0], parameter.at, parameter));
                found.values.push(self.check(value)?);
            }
            Takes::Fold => self.fold(&values, &mut found)?,
            _ => {
                for value in &values {
                    found.values.push(self.check(value)?);
                }
            }
        }
        for (option, at, value) in own {
            if !named.options.contains(&option) {
                let fault = Fault::new("E0214", at, format!("`{name}` has no argument `{option}`"));
                let known = named.options.iter().map(|name| (*name).to_owned());
                return Err(Box::new(fault.known(known.collect())));
            }
            self.option(&mut found.measure, name, option, value)?;
        }
        self.typed(name, &mut found, &values)?;
        found.previous = std::mem::take(&mut self.previous);
        Ok(found)
    }

    /// A value that is written out.
    fn option(
        &mut self,
        measure: &mut Measure,
        name: &str,
        option: &str,
        value: &Expr,
    ) -> Checked<()> {
        let typed = self.check(value)?;
        let constants = match &typed.node {
            Node::Constant(constant) => vec![constant.clone()],
            Node::Call(_, _, args) if matches!(typed.kind, Type::List(_)) => args
                .iter()
                .filter_map(|arg| match &arg.node {
                    Node::Constant(constant) => Some(constant.clone()),
                    _ => None,
                })
                .collect(),
            _ => Vec::new(),
        };
        measure.set(option, &constants).map_err(|expected| {
            if expected.contains("duration")
                && let Some(fault) = super::operator::unit_missing(value)
            {
                return fault;
            }
            let message = format!("`{option}` of `{name}` is {expected}");
            Box::new(Fault::new("E0214", value.at, message))
        })
    }

    fn fold(&mut self, values: &[&Expr], found: &mut Aggregate) -> Checked<()> {
        let (init, next) = (values[0], values[1]);
        let start = self.check(init)?;
        let is_written = matches!(start.node, Node::Constant(_));
        let holds = [Type::Bool, Type::Int, Type::Float, Type::Duration];
        if !is_written || !holds.contains(&start.kind) {
            let message = "`fold` starts from a number, duration or truth that is written out";
            return Err(Box::new(Fault::new("E0214", init.at, message)));
        }
        self.state = Some(start.kind.clone());
        let step = self.check(next)?;
        self.state = None;
        if !self.previous.is_empty() {
            let message = "`prev` and `delta` are not for `fold`: `acc` is what is known of before";
            return Err(Box::new(Fault::new("E0211", next.at, message)));
        }
        let step = step.promoted(&start.kind);
        if step.kind != start.kind {
            let message = format!(
                "`fold` starts with {} and goes on with {}",
                start.kind, step.kind
            );
            let fault = Fault::new("E0205", next.at, message);
            return Err(Box::new(match (&start.kind, &step.kind) {
                (Type::Int, Type::Float) => fault.help("start with a float: `0.0`"),
                _ => fault,
            }));
        }
        found.null = step.null || start.null;
        found.kind = start.kind.clone();
        found.values = vec![start, step];
        Ok(())
    }

    /// Type and nulls of the result, or why the values do not fit.
    fn typed(&mut self, name: &str, found: &mut Aggregate, values: &[&Expr]) -> Checked<()> {
        use Type::{Bool, Duration, Float, Int, Text, Time};
        let kind = found.values.first().map(|value| value.kind.clone());
        let needs = |what: &str, at: usize, found: &Type| {
            let expr = values[at];
            let message = format!("`{name}` needs {what}, found {found}");
            let fault = Fault::new("E0207", expr.at, message);
            let text = self.shown(expr);
            Box::new(match found {
                Text | Type::Bytes => fault.help(format!("its length is `len({text})`")),
                Type::Ip => {
                    fault.help(format!("count different addresses with `distinct({text})`"))
                }
                Bool => fault.help(format!("count with `count(where {text})`")),
                Time => fault.help(format!("gaps are `delta({text})`")),
                _ => fault,
            })
        };
        const NUMBERS: &str = "a number or a duration";
        let number = |kind: &Type| kind.is_number() || *kind == Duration;
        let Some(kind) = kind else {
            // `count()`, `bursts()`
            found.null = false;
            return Ok(());
        };
        let (gives, null) = match &found.measure {
            Measure::Count => (Int, false),
            Measure::Distinct => (Int, true),
            Measure::Sum if number(&kind) => (kind.clone(), true),
            Measure::Mean if number(&kind) => {
                (if kind == Duration { Duration } else { Float }, true)
            }
            Measure::Median | Measure::Quantile(_) if number(&kind) => {
                (if kind == Duration { Duration } else { Float }, true)
            }
            Measure::Std(_) if number(&kind) => {
                (if kind == Duration { Duration } else { Float }, true)
            }
            Measure::Var(_)
            | Measure::Cv
            | Measure::Skew
            | Measure::Kurtosis
            | Measure::Slope
            | Measure::Rate
                if number(&kind) =>
            {
                (Float, true)
            }
            Measure::Histogram(_) if number(&kind) => (Int.list(), false),
            Measure::Sum
            | Measure::Mean
            | Measure::Median
            | Measure::Quantile(_)
            | Measure::Std(_)
            | Measure::Var(_)
            | Measure::Cv
            | Measure::Skew
            | Measure::Kurtosis
            | Measure::Slope
            | Measure::Rate
            | Measure::Histogram(_) => {
                return Err(needs(NUMBERS, 0, &kind));
            }
            Measure::Any | Measure::All if kind == Bool => (Bool, false),
            Measure::Any | Measure::All => return Err(needs("a condition", 0, &kind)),
            Measure::Least
            | Measure::Greatest
            | Measure::First
            | Measure::Last
            | Measure::Nth(_)
            | Measure::Mode => (kind.clone(), true),
            Measure::Entropy => (Float, true),
            Measure::Runs | Measure::LongestRun => (Int, false),
            Measure::List(_, Some(_)) if kind != Int => {
                return Err(needs("an int to pad", 0, &kind));
            }
            Measure::List(..) => (kind.clone().list(), true),
            Measure::ArgLeast | Measure::ArgGreatest => (kind.clone(), true),
            Measure::Bursts(_) => (Int, false),
            Measure::Fold => return Ok(()),
        };
        if let Some(by) = found.values.get(1)
            && matches!(by.kind, Type::List(_) | Type::Null)
        {
            return Err(needs("a single value", 1, &by.kind.clone()));
        }
        if matches!(kind, Type::List(_) | Type::Null | Type::Net) {
            return Err(needs("a single value", 0, &kind));
        }
        if gives.column().is_none() {
            let expr = values[0];
            let message = format!("`{name}` cannot keep values of type {gives}");
            let text = self.shown(expr);
            let fault = Fault::new("E0206", expr.at, message);
            return Err(Box::new(
                fault.help(format!("write them as text: `{name}(hex({text}))`")),
            ));
        }
        found.kind = gives;
        found.null = null;
        Ok(())
    }
}
