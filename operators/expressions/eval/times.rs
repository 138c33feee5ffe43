//! Moments, in UTC.

use super::{TextBuilder, Vector, operations};

const DAY: i64 = 86_400_000_000_000;
const HOUR: i64 = 3_600_000_000_000;

/// Year, month and day of a number of days since 1970 (H. Hinnant, "chrono-compatible low-level date algorithms").
fn civil(days: i64) -> (i64, i64, i64) {
    let days = days + 719_468;
    let era = days.div_euclid(146_097);
    let day = days.rem_euclid(146_097);
    let year = (day - day / 1460 + day / 36_524 - day / 146_096) / 365;
    let of_year = day - (365 * year + year / 4 - year / 100);
    let month = (5 * of_year + 2) / 153;
    let of_month = of_year - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    let year = year + era * 400 + i64::from(month <= 2);
    (year, month, of_month)
}

operations! {
    HOUR_OF = "hour", Operands, |c| {
        c.numbers(c.ints(0).iter().map(|ns| ns.rem_euclid(DAY) / HOUR).collect())
    };
    /// 0 = Monday.
    WEEKDAY = "weekday", Operands, |c| {
        // 1970-01-01 was a Thursday
        c.numbers(c.ints(0).iter().map(|ns| (ns.div_euclid(DAY) + 3).rem_euclid(7)).collect())
    };
    DATE = "date", Operands, |c| {
        use std::io::Write as _;
        let mut texts = TextBuilder::default();
        for ns in c.ints(0) {
            let (year, month, day) = civil(ns.div_euclid(DAY));
            let _ = write!(texts.bytes(), "{year:04}-{month:02}-{day:02}");
            texts.end();
        }
        Vector::new(texts.data()).with(c.valid())
    };
    /// The last multiple of a duration since 1970.
    FLOOR_TIME = "floor_time", Always, |c| {
        let pairs = c.ints(0).iter().zip(c.ints(1));
        let floored = pairs.map(|(ns, step)| {
            if *step <= 0 { return None; }
            ns.checked_sub(ns.rem_euclid(*step))
        });
        c.optional(floored, false, super::Data::Int)
    };
}

#[cfg(test)]
mod tests {
    use super::civil;

    #[test]
    fn dates() {
        assert_eq!(civil(0), (1970, 1, 1));
        assert_eq!(civil(-1), (1969, 12, 31));
        assert_eq!(civil(19_782), (2024, 2, 29));
        assert_eq!(civil(19_783), (2024, 3, 1));
    }
}
