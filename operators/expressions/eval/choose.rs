//! Truths, nulls and choices: three-valued logic (Kleene), `is null`, `if`, `??`.

use super::{Data, Input, Lists, Nulls, TextBuilder, Vector, operations};
use std::borrow::Cow;

/// `and`, or with `stop = true` `or`: false (true) decides, whatever the other one is.
fn logic(input: &Input<'_>, stop: bool) -> Vector<'static> {
    let (a, b) = (input.bools(0), input.bools(1));
    let values = a
        .iter()
        .zip(b)
        .map(|(a, b)| if stop { a | b } else { a & b });
    let (one, other) = (&input.arg(0).valid, &input.arg(1).valid);
    if one.is_none() && other.is_none() {
        return Vector::bools(values.collect());
    }
    let valid = |at: usize, row: usize| input.arg(at).is_valid(row);
    let mut truths = Vec::with_capacity(input.rows);
    let mut valids = Vec::with_capacity(input.rows);
    for (row, (a, b)) in a.iter().zip(b).enumerate() {
        let (has_a, has_b) = (valid(0, row), valid(1, row));
        let decided = has_a && *a == stop || has_b && *b == stop;
        truths.push(decided == stop);
        valids.push(decided || has_a && has_b);
    }
    Vector::bools(truths).with(Some(valids))
}

/// Rows of the one or of the other.
fn select(one: &Vector<'_>, other: &Vector<'_>, take: &[bool]) -> Vector<'static> {
    fn mix<T: Clone>(one: &[T], other: &[T], take: &[bool]) -> Cow<'static, [T]> {
        let pairs = one.iter().zip(other).zip(take);
        pairs
            .map(|((one, other), take)| if *take { one.clone() } else { other.clone() })
            .collect()
    }
    let data = match (&one.data, &other.data) {
        (Data::Bool(a), Data::Bool(b)) => Data::Bool(mix(a, b, take)),
        (Data::Int(a), Data::Int(b)) => Data::Int(mix(a, b, take)),
        (Data::Float(a), Data::Float(b)) => Data::Float(mix(a, b, take)),
        (Data::Ip(a), Data::Ip(b)) => Data::Ip(mix(a, b, take)),
        (Data::Text(a), Data::Text(b)) => {
            let mut texts = TextBuilder::default();
            for ((a, b), take) in a.iter().zip(b.iter()).zip(take) {
                texts.push(if *take { a } else { b });
            }
            texts.data()
        }
        (Data::List(a), Data::List(b)) => {
            let mut parts: Vec<Vector<'_>> = Vec::new();
            let mut ends = Vec::new();
            let mut end = 0;
            for ((a_range, b_range), take) in a.ranges().zip(b.ranges()).zip(take) {
                let part = if *take {
                    a.items.slice(a_range)
                } else {
                    b.items.slice(b_range)
                };
                end += part.len();
                parts.push(part);
                ends.push(u32::try_from(end).unwrap_or(u32::MAX));
            }
            let empty = a.items.slice(0..0).into_owned();
            Data::List(Lists {
                ends: ends.into(),
                items: Box::new(concat(empty, &parts)),
            })
        }
        _ => unreachable!("checked: both are of one type"),
    };
    let valid = match (&one.valid, &other.valid) {
        (None, None) => None,
        _ => Some(
            take.iter()
                .enumerate()
                .map(|(row, take)| {
                    if *take {
                        one.is_valid(row)
                    } else {
                        other.is_valid(row)
                    }
                })
                .collect(),
        ),
    };
    Vector::new(data).with(valid)
}

/// Vectors of one type behind each other.
pub fn concat(empty: Vector<'static>, parts: &[Vector<'_>]) -> Vector<'static> {
    let has_nulls = parts.iter().any(|part| part.valid.is_some());
    let valid = has_nulls.then(|| {
        parts
            .iter()
            .flat_map(|part| (0..part.len()).map(|row| part.is_valid(row)))
            .collect()
    });
    macro_rules! joined {
        ($variant:ident) => {
            Data::$variant(
                parts
                    .iter()
                    .flat_map(|part| match &part.data {
                        Data::$variant(values) => values.iter().copied(),
                        _ => unreachable!("checked: parts of one type"),
                    })
                    .collect(),
            )
        };
    }
    let data = match &empty.data {
        Data::Bool(_) => joined!(Bool),
        Data::Int(_) => joined!(Int),
        Data::Float(_) => joined!(Float),
        Data::Ip(_) => joined!(Ip),
        Data::Text(_) => {
            let mut texts = TextBuilder::default();
            for part in parts {
                if let Data::Text(part) = &part.data {
                    part.iter().for_each(|text| texts.push(text));
                }
            }
            texts.data()
        }
        Data::List(lists) => {
            let mut ends: Vec<u32> = Vec::new();
            let mut inner = Vec::new();
            let mut base = 0;
            for part in parts {
                if let Data::List(part) = &part.data {
                    ends.extend(part.ends.iter().map(|end| end + base));
                    base = ends.last().copied().unwrap_or(0);
                    inner.push(
                        part.items
                            .slice(0..part.ends.last().map_or(0, |end| *end as usize)),
                    );
                }
            }
            Data::List(Lists {
                ends: ends.into(),
                items: Box::new(concat((*lists.items).clone().into_owned(), &inner)),
            })
        }
    };
    Vector::new(data).with(valid)
}

operations! {
    /// The value itself.
    SELF = "self", Operands, |c| c.arg(0).clone().into_owned();
    AND = "and", Operands, |c| logic(c, false);
    OR = "or", Operands, |c| logic(c, true);
    NOT = "not", Operands, |c| c.truths(c.bools(0).iter().map(|a| !a).collect());
    IS_NULL = "is_null", Never, |c| {
        Vector::bools((0..c.rows).map(|row| !c.arg(0).is_valid(row)).collect())
    };
    IS_NOT_NULL = "is_not_null", Never, |c| {
        Vector::bools((0..c.rows).map(|row| c.arg(0).is_valid(row)).collect())
    };
    /// `if a then b else c`.
    IF = "if", Branches, |c| select(c.arg(1), c.arg(2), &c.arg(0).truths());
    /// `a ?? b`.
    COALESCE = "coalesce", Last, |c| {
        let take: Vec<bool> = (0..c.rows).map(|row| c.arg(0).is_valid(row)).collect();
        select(c.arg(0), c.arg(1), &take)
    };
}

impl Nulls {
    /// Whether a result can be null where the operands can be.
    pub fn of(self, operands: &[bool]) -> bool {
        match self {
            Self::Always => true,
            Self::Never => false,
            Self::Operands => operands.contains(&true),
            Self::Last => operands.last().copied().unwrap_or(false),
            Self::Branches => operands.iter().skip(1).any(|null| *null),
        }
    }
}
