//! Aggregates over the rows of a group: what is kept for each, and whether it can be null.

use super::compile::Found;
use super::named::{fits_a_word, is_named};
use super::totals::What;
use crate::expressions::aggregates::{Aggregate, Measure};
use crate::expressions::syntax::Span;
use crate::expressions::{Constant, Fault, Type, Typed, eval};

/// What is taken of a row for an aggregate: its value, or null where its `where` does not hold.
pub(super) fn argument(aggregate: &Aggregate) -> Option<Typed> {
    let value = aggregate.values.first();
    match (value, &aggregate.filter) {
        (None, None) => None,
        (Some(value), None) => Some(value.clone()),
        (value, Some(filter)) => {
            let value = value.map_or_else(|| Typed::constant(Constant::Bool(true)), Clone::clone);
            let null = Typed::constant(Constant::Null).promoted(&value.kind);
            let kind = value.kind.clone();
            Some(Typed::call(
                &eval::IF,
                vec![filter.clone(), value, null],
                kind,
            ))
        }
    }
}

/// Whether an aggregate over a group, which has a row at least, can have no value.
pub(super) fn can_be_null(aggregate: &Aggregate) -> bool {
    let can_lack = argument(aggregate).is_some_and(|value| value.null);
    match aggregate.measure {
        Measure::Count | Measure::Distinct | Measure::Any | Measure::All | Measure::List(..) => {
            false
        }
        Measure::Sum => aggregate.kind != Type::Float, // too large
        Measure::Var(ddof) | Measure::Std(ddof) => can_lack || ddof > 0 || is_float(aggregate),
        Measure::Mean => can_lack || is_float(aggregate),
        _ => can_lack,
    }
}

/// A float may be too large to be added.
fn is_float(aggregate: &Aggregate) -> bool {
    let value = aggregate.values.first();
    value.is_some_and(|value| value.kind == Type::Float)
}

/// What is made, if a view can.
pub(super) fn what(aggregate: &Aggregate, at: Span) -> Found<What> {
    let kind = aggregate.values.first().map(|value| &value.kind);
    let wrong = |needs: &str, kind: &Type| {
        let name = aggregate.text.split('(').next().unwrap_or_default().trim();
        let message = format!("over the rows of a group `{name}` needs {needs}, found {kind}");
        Err(Box::new(Fault::new("E0207", at, message)))
    };
    let is_told_apart = matches!(aggregate.measure, Measure::Count | Measure::Distinct);
    if let Some(kind) = kind
        && !fits_a_word(kind)
        && !(is_told_apart && is_named(kind))
    {
        return wrong("a single plain value", kind);
    }
    Ok(match &aggregate.measure {
        Measure::Count => What::Count,
        Measure::Distinct => What::Distinct,
        Measure::Sum => What::Sum,
        Measure::Mean => What::Mean,
        Measure::Var(ddof) => What::Variance(*ddof),
        Measure::Std(ddof) => What::Deviation(*ddof),
        Measure::Any => What::Any,
        Measure::All => What::All,
        Measure::Least | Measure::Greatest => match kind {
            Some(kind @ (Type::Text | Type::Ip)) => {
                return wrong("a number, a time or a duration", kind);
            }
            _ if aggregate.measure == Measure::Least => What::Least,
            _ => What::Greatest,
        },
        Measure::Median => What::Quantile(0.5),
        Measure::Quantile(q) => What::Quantile(*q),
        Measure::Mode => What::Mode,
        Measure::First => What::First,
        Measure::Last => What::Last,
        Measure::List(limit, None) => What::List(*limit),
        Measure::List(_, Some(_)) => {
            let message = "a list of the rows of a group is not padded";
            let help = "leave `pad` out: it is for lists of packets";
            return Err(Box::new(Fault::new("E0214", at, message).help(help)));
        }
        Measure::Entropy => What::Entropy,
        _ => {
            let name = aggregate.text.split('(').next().unwrap_or_default().trim();
            let message = format!("`{name}` is over packets, and a group has rows");
            let help = "over rows there are count, sum, mean, min, max, var, std, distinct, median, quantile, mode, first, last, \
                list, entropy, any and all";
            return Err(Box::new(Fault::new("E0214", at, message).help(help)));
        }
    })
}
