//! Comparisons. Floats are equal bit for bit (0 and -0 are one value); texts are in the order of their bytes, addresses by family
//! and then as big-endian numbers.

use super::{Data, Input, Vector, operations};
use std::cmp::Ordering;

fn compare(input: &Input<'_>, is: impl Fn(Ordering) -> bool) -> Vector<'static> {
    macro_rules! pairs {
        ($a:expr, $b:expr, $order:expr) => {
            $a.zip($b).map(|(a, b)| is($order(a, b))).collect()
        };
    }
    let values: Vec<bool> = match (&input.arg(0).data, &input.arg(1).data) {
        (Data::Int(a), Data::Int(b)) => pairs!(a.iter(), b.iter(), Ord::cmp),
        // no float is NaN
        (Data::Float(a), Data::Float(b)) => pairs!(a.iter(), b.iter(), |a: &f64, b: &f64| {
            a.partial_cmp(b).unwrap_or(Ordering::Equal)
        }),
        (Data::Bool(a), Data::Bool(b)) => pairs!(a.iter(), b.iter(), Ord::cmp),
        (Data::Text(a), Data::Text(b)) => pairs!(a.iter(), b.iter(), Ord::cmp),
        (Data::Ip(a), Data::Ip(b)) => pairs!(a.iter(), b.iter(), Ord::cmp),
        (Data::List(_), Data::List(_)) => (0..input.rows)
            .map(|row| is(super::lists::order(input.arg(0), input.arg(1), row)))
            .collect(),
        _ => unreachable!("checked: both are of one type"),
    };
    input.truths(values)
}

operations! {
    EQUAL = "equal", Operands, |c| compare(c, Ordering::is_eq);
    NOT_EQUAL = "not_equal", Operands, |c| compare(c, Ordering::is_ne);
    LESS = "less", Operands, |c| compare(c, Ordering::is_lt);
    LESS_EQUAL = "less_equal", Operands, |c| compare(c, Ordering::is_le);
    GREATER = "greater", Operands, |c| compare(c, Ordering::is_gt);
    GREATER_EQUAL = "greater_equal", Operands, |c| compare(c, Ordering::is_ge);
}
