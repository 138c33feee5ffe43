//! Moments, in UTC.

use super::{TextBuilder, Vector, operations};

const DAY: i64 = 86_400_000_000_000;
const HOUR: i64 = 3_600_000_000_000;
const SECOND: i64 = 1_000_000_000;

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

/// Writes a time: `2017-07-07T11:59:50.25Z`.
fn moment(ns: i64, out: &mut Vec<u8>) {
    use std::io::Write as _;
    let (year, month, day) = civil(ns.div_euclid(DAY));
    let in_day = ns.rem_euclid(DAY);
    let (seconds, fraction) = (in_day / SECOND, in_day % SECOND);
    let (hour, minute, second) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    let _ = write!(
        out,
        "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}"
    );
    if fraction != 0 {
        let _ = write!(out, ".{fraction:09}");
        while out.last() == Some(&b'0') {
            out.pop();
        }
    }
    out.push(b'Z');
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
    /// RFC 3339 with as many decimals as it takes.
    TIME_TO_TEXT = "time_to_text", Operands, |c| {
        let mut texts = TextBuilder::default();
        for ns in c.ints(0) {
            moment(*ns, texts.bytes());
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
    use super::{civil, moment};

    #[test]
    fn moments() {
        let shown = |ns| {
            let mut out = Vec::new();
            moment(ns, &mut out);
            String::from_utf8(out)
        };
        assert_eq!(shown(0).as_deref(), Ok("1970-01-01T00:00:00Z"));
        assert_eq!(shown(-1).as_deref(), Ok("1969-12-31T23:59:59.999999999Z"));
        // date -u -d 2017-07-07T11:59:50 +%s
        let ns = 1_499_428_790_250_000_000;
        assert_eq!(shown(ns).as_deref(), Ok("2017-07-07T11:59:50.25Z"));
    }

    #[test]
    fn dates() {
        assert_eq!(civil(0), (1970, 1, 1));
        assert_eq!(civil(-1), (1969, 12, 31));
        assert_eq!(civil(19_782), (2024, 2, 29));
        assert_eq!(civil(19_783), (2024, 3, 1));
    }
}
