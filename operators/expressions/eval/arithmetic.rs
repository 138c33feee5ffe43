//! Numbers: sums, products, quotients, bits, roundings, conversions. Whole numbers that overflow and floats that are not finite
//! are null.

use super::{Data, Input, Vector, operations};

/// Whole numbers of one operand.
fn int1(input: &Input<'_>, f: impl Fn(i64) -> Option<i64>) -> Vector<'static> {
    let values = input.ints(0).iter().map(|a| f(*a));
    input.optional(values, true, Data::Int)
}

/// Whole numbers with the flag of overflow: without branches, as overflow is rare.
fn overflowing(input: &Input<'_>, f: impl Fn(i64, i64) -> (i64, bool)) -> Vector<'static> {
    let pairs = || input.ints(0).iter().zip(input.ints(1));
    let mut any = false;
    let values: Vec<i64> = pairs()
        .map(|(a, b)| {
            let (value, over) = f(*a, *b);
            any |= over;
            value
        })
        .collect();
    if !any {
        return input.numbers(values);
    }
    let values = pairs().map(|(a, b)| {
        let (value, over) = f(*a, *b);
        (!over).then_some(value)
    });
    input.optional(values, true, Data::Int)
}

/// Whole numbers of two operands, null where there is none.
fn int2(input: &Input<'_>, counted: bool, f: impl Fn(i64, i64) -> Option<i64>) -> Vector<'static> {
    let pairs = input.ints(0).iter().zip(input.ints(1));
    input.optional(pairs.map(|(a, b)| f(*a, *b)), counted, Data::Int)
}

fn float1(input: &Input<'_>, f: impl Fn(f64) -> f64) -> Vector<'static> {
    input.finite(input.floats(0).iter().map(|a| f(*a)).collect())
}

fn float2(input: &Input<'_>, f: impl Fn(f64, f64) -> f64) -> Vector<'static> {
    let pairs = input.floats(0).iter().zip(input.floats(1));
    input.finite(pairs.map(|(a, b)| f(*a, *b)).collect())
}

/// Float to whole number, null beyond its range.
fn whole(value: f64) -> Option<i64> {
    // 2^63 is the first float beyond
    (-9_223_372_036_854_775_808.0..9_223_372_036_854_775_808.0)
        .contains(&value)
        .then_some(value as i64)
}

/// Quotient rounded towards minus infinity, and the remainder of the sign of the divisor.
fn floored(a: i64, b: i64) -> Option<(i64, i64)> {
    let (quotient, rest) = (a.checked_div(b)?, a.checked_rem(b)?);
    match rest != 0 && (rest < 0) != (b < 0) {
        true => Some((quotient - 1, rest + b)),
        false => Some((quotient, rest)),
    }
}

fn quotient(a: f64, b: f64) -> f64 {
    if b == 0.0 { f64::NAN } else { a / b }
}

/// Per second: b is ns.
fn rate(a: f64, b: i64) -> f64 {
    quotient(a, crate::expressions::vector::seconds(b))
}

/// a shifted by b places; none by fewer than 0, all bits are gone beyond 63.
fn shifted_left(a: i64, b: i64) -> Option<i64> {
    if a == 0 && b >= 0 {
        return Some(0);
    }
    let places = u32::try_from(b).ok()?;
    let value = a.checked_shl(places)?;
    (value.checked_shr(places) == Some(a)).then_some(value)
}

fn shifted_right(a: i64, b: i64) -> Option<i64> {
    (b >= 0).then(|| a >> b.min(63))
}

/// A power of whole numbers.
fn power(a: i64, b: i64) -> Option<i64> {
    match (a, u32::try_from(b)) {
        (_, Ok(b)) => a.checked_pow(b),
        (0 | 1, Err(_)) if b > 0 => Some(a),
        (-1, Err(_)) if b > 0 => Some(if b % 2 == 0 { 1 } else { -1 }),
        _ => None,
    }
}

/// Half away from zero, to `digits` decimals.
fn rounded(value: f64, digits: i64) -> f64 {
    let Ok(digits @ -308..=308) = i32::try_from(digits) else {
        return if digits > 0 { value } else { 0.0 };
    };
    let scale = 10_f64.powi(digits.abs());
    let scaled = if digits >= 0 {
        value * scale
    } else {
        value / scale
    };
    if !scaled.is_finite() {
        return value;
    }
    let rounded = scaled.round();
    if digits >= 0 {
        rounded / scale
    } else {
        rounded * scale
    }
}

operations! {
    ADD_INT = "add_int", Always, |c| overflowing(c, i64::overflowing_add);
    SUBTRACT_INT = "subtract_int", Always, |c| overflowing(c, i64::overflowing_sub);
    MULTIPLY_INT = "multiply_int", Always, |c| overflowing(c, i64::overflowing_mul);
    /// Quotient of whole numbers, rounded down; null where the divisor is 0.
    DIVIDE_WHOLE = "divide_whole", Always, |c| int2(c, false, |a, b| Some(floored(a, b)?.0));
    REMAINDER = "remainder", Always, |c| int2(c, false, |a, b| {
        if b == -1 { Some(0) } else { Some(floored(a, b)?.1) }
    });
    BIT_AND = "bit_and", Operands, |c| c.numbers(c.ints(0).iter().zip(c.ints(1)).map(|(a, b)| a & b).collect());
    BIT_OR = "bit_or", Operands, |c| c.numbers(c.ints(0).iter().zip(c.ints(1)).map(|(a, b)| a | b).collect());
    BIT_XOR = "bit_xor", Operands, |c| c.numbers(c.ints(0).iter().zip(c.ints(1)).map(|(a, b)| a ^ b).collect());
    SHIFT_LEFT = "shift_left", Always, |c| int2(c, true, shifted_left);
    SHIFT_RIGHT = "shift_right", Always, |c| int2(c, true, shifted_right);
    NEGATE_INT = "negate_int", Always, |c| int1(c, i64::checked_neg);
    ABS_INT = "abs_int", Always, |c| int1(c, i64::checked_abs);
    SIGN_INT = "sign_int", Operands, |c| c.numbers(c.ints(0).iter().map(|a| a.signum()).collect());
    POWER_INT = "power_int", Always, |c| int2(c, true, power);
    LEAST_INT = "least_int", Operands, |c| c.numbers(c.ints(0).iter().zip(c.ints(1)).map(|(a, b)| *a.min(b)).collect());
    GREATEST_INT = "greatest_int", Operands, |c| c.numbers(c.ints(0).iter().zip(c.ints(1)).map(|(a, b)| *a.max(b)).collect());

    ADD_FLOAT = "add_float", Always, |c| float2(c, |a, b| a + b);
    SUBTRACT_FLOAT = "subtract_float", Always, |c| float2(c, |a, b| a - b);
    MULTIPLY_FLOAT = "multiply_float", Always, |c| float2(c, |a, b| a * b);
    DIVIDE_FLOAT = "divide_float", Always, |c| float2(c, quotient);
    NEGATE_FLOAT = "negate_float", Operands, |c| float1(c, |a| 0.0 - a);
    ABS_FLOAT = "abs_float", Operands, |c| float1(c, f64::abs);
    SIGN_FLOAT = "sign_float", Operands, |c| {
        let sign = |a: &f64| i64::from(*a > 0.0) - i64::from(*a < 0.0);
        c.numbers(c.floats(0).iter().map(sign).collect())
    };
    POWER_FLOAT = "power_float", Always, |c| float2(c, f64::powf);
    LEAST_FLOAT = "least_float", Operands, |c| float2(c, f64::min);
    GREATEST_FLOAT = "greatest_float", Operands, |c| float2(c, f64::max);
    SQRT = "sqrt", Always, |c| float1(c, f64::sqrt);
    EXP = "exp", Always, |c| float1(c, f64::exp);
    LN = "ln", Always, |c| float1(c, f64::ln);
    LOG2 = "log2", Always, |c| float1(c, f64::log2);
    LOG10 = "log10", Always, |c| float1(c, f64::log10);
    FLOOR = "floor", Always, |c| c.optional(c.floats(0).iter().map(|a| whole(a.floor())), true, Data::Int);
    CEIL = "ceil", Always, |c| c.optional(c.floats(0).iter().map(|a| whole(a.ceil())), true, Data::Int);
    ROUND = "round", Always, |c| c.optional(c.floats(0).iter().map(|a| whole(a.round())), true, Data::Int);
    ROUND_TO = "round_to", Operands, |c| {
        let pairs = c.floats(0).iter().zip(c.ints(1));
        c.finite(pairs.map(|(a, digits)| rounded(*a, *digits)).collect())
    };

    /// Whole number to float.
    INT_TO_FLOAT = "int_to_float", Operands, |c| {
        Vector::new(Data::Float(c.ints(0).iter().map(|a| *a as f64).collect())).with(c.valid())
    };
    /// Float to whole number, cut towards 0.
    FLOAT_TO_INT = "float_to_int", Always, |c| c.optional(c.floats(0).iter().map(|a| whole(a.trunc())), true, Data::Int);
    BOOL_TO_INT = "bool_to_int", Operands, |c| c.numbers(c.bools(0).iter().map(|a| i64::from(*a)).collect());
    /// ns to seconds.
    SECONDS = "seconds", Operands, |c| {
        let seconds = c.ints(0).iter().map(|ns| crate::expressions::vector::seconds(*ns));
        Vector::new(Data::Float(seconds.collect())).with(c.valid())
    };
    /// Seconds to ns.
    TO_DURATION = "to_duration", Always, |c| {
        let ns = c.floats(0).iter().map(|a| crate::expressions::vector::nanoseconds(*a));
        c.optional(ns, true, Data::Int)
    };
    /// A float a second: a number by ns.
    RATE = "rate", Always, |c| {
        c.finite(c.floats(0).iter().zip(c.ints(1)).map(|(a, b)| rate(*a, *b)).collect())
    };
    /// Quotient of two lengths of time.
    DURATION_RATIO = "duration_ratio", Always, |c| {
        let pairs = c.ints(0).iter().zip(c.ints(1));
        c.finite(pairs.map(|(a, b)| quotient(*a as f64, *b as f64)).collect())
    };
    /// ns by a float, rounded to the nearest ns.
    SCALE_DURATION = "scale_duration", Always, |c| {
        let pairs = c.ints(0).iter().zip(c.floats(1));
        c.optional(pairs.map(|(a, b)| whole((*a as f64 * b).round())), true, Data::Int)
    };
    SHRINK_DURATION = "shrink_duration", Always, |c| {
        let pairs = c.ints(0).iter().zip(c.floats(1));
        let ns = pairs.map(|(a, b)| whole(quotient(*a as f64, *b).round()));
        c.optional(ns, false, Data::Int)
    };
}
