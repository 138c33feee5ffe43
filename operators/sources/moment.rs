//! A moment as it is written in a spec: RFC 3339, or decimal seconds since 1970.
//!
//! Exact to the nanosecond; no time zone names, no calendars but the Gregorian one.

use crate::options::{OptionError, OptionValue, Setting, Wrong, wrong_kind};
use std::fmt;
use std::str::FromStr;

/// Nanoseconds since 1970.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Moment(pub i64);

impl FromStr for Moment {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        seconds(text)
            .or_else(|| rfc3339(text))
            .and_then(|ns| i64::try_from(ns).ok())
            .map(Self)
            .ok_or(())
    }
}

const SECOND: i128 = 1_000_000_000;
const NS: i64 = 1_000_000_000;

/// Ns of a decimal fraction: `5` is half a second. At most nine digits.
fn fraction(digits: &str) -> Option<i128> {
    ((1..=9).contains(&digits.len()) && digits.bytes().all(|b| b.is_ascii_digit()))
        .then(|| format!("{digits:0<9}").parse().ok())
        .flatten()
}

/// A number of exactly `length` digits.
fn number(digits: &str, length: usize) -> Option<i128> {
    (digits.len() == length && digits.bytes().all(|b| b.is_ascii_digit()))
        .then(|| digits.parse().ok())
        .flatten()
}

fn seconds(text: &str) -> Option<i128> {
    let (sign, digits) = text.strip_prefix('-').map_or((1, text), |rest| (-1, rest));
    let (whole, part) = match digits.split_once('.') {
        Some((whole, part)) => (whole, fraction(part)?),
        None => (digits, 0),
    };
    ((1..=18).contains(&whole.len()))
        .then(|| number(whole, whole.len()))
        .flatten()
        .map(|whole| sign * (whole * SECOND + part))
}

fn rfc3339(text: &str) -> Option<i128> {
    let (date, clock) = (text.get(..10)?, text.get(11..)?);
    matches!(text.get(10..11)?, "T" | "t" | " ").then_some(())?;
    let mut parts = date.splitn(3, '-');
    let mut part = |length| number(parts.next()?, length);
    let (year, month, day) = (part(4)?, part(2)?, part(2)?);
    let at = clock.find(['Z', 'z', '+', '-'])?;
    let (clock, zone) = (clock.get(..at)?, clock.get(at..)?);
    let zone = match zone {
        "Z" | "z" => 0,
        zone => {
            let (hours, minutes) = zone.get(1..)?.split_once(':')?;
            let minutes =
                within(number(hours, 2)?, 0, 23)? * 60 + within(number(minutes, 2)?, 0, 59)?;
            if zone.starts_with('-') {
                -minutes
            } else {
                minutes
            }
        }
    };
    let (clock, part) = match clock.split_once('.') {
        Some((clock, part)) => (clock, fraction(part)?),
        None => (clock, 0),
    };
    let mut parts = clock.splitn(3, ':');
    let mut part_of = |last| within(number(parts.next()?, 2)?, 0, last);
    // A leap second (60) is the first of the next minute, as in POSIX time.
    let (hour, minute, second) = (part_of(23)?, part_of(59)?, part_of(60)?);
    let days = days(year, within(month, 1, 12)?, day)?;
    Some((((days * 24 + hour) * 60 + minute - zone) * 60 + second) * SECOND + part)
}

fn within(value: i128, first: i128, last: i128) -> Option<i128> {
    (first..=last).contains(&value).then_some(value)
}

/// Days from 1970-01-01 to a day of the Gregorian calendar.
fn days(year: i128, month: i128, day: i128) -> Option<i128> {
    let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let length = match month {
        2 if leap => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    };
    let day = within(day, 1, length)?;
    // Years counted from March, so that the leap day is the last of its year.
    let (year, month) = if month > 2 {
        (year, month - 3)
    } else {
        (year - 1, month + 9)
    };
    let leaps = year.div_euclid(4) - year.div_euclid(100) + year.div_euclid(400);
    Some(year * 365 + leaps + (month * 153 + 2) / 5 + day - 1 - 719_468)
}

/// RFC 3339 in UTC, with as many digits of the second as it needs: none, three, six or nine.
impl fmt::Display for Moment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const DAY: i64 = 86_400;
        let (seconds, ns) = (self.0.div_euclid(NS), self.0.rem_euclid(NS));
        let (year, month, day) = date(seconds.div_euclid(DAY));
        let second = seconds.rem_euclid(DAY);
        let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
        write!(
            f,
            "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}"
        )?;
        match ns {
            0 => {}
            ns if ns % 1_000_000 == 0 => write!(f, ".{:03}", ns / 1_000_000)?,
            ns if ns % 1_000 == 0 => write!(f, ".{:06}", ns / 1_000)?,
            ns => write!(f, ".{ns:09}")?,
        }
        f.write_str("Z")
    }
}

/// The day of the Gregorian calendar that is so many days after 1970-01-01: the reverse of [`days`].
fn date(days: i64) -> (i64, i64, i64) {
    let days = days + 719_468;
    let (era, of_era) = (days.div_euclid(146_097), days.rem_euclid(146_097));
    let year = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    let month = (5 * of_year + 2) / 153;
    let day = of_year - (153 * month + 2) / 5 + 1;
    let (year, month) = if month < 10 {
        (year, month + 3)
    } else {
        (year + 1, month - 9)
    };
    (year + era * 400, month, day)
}

impl OptionValue for Moment {
    fn kind() -> String {
        "a time such as \"2026-01-31T08:00:00Z\", or seconds since 1970".to_owned()
    }

    fn read(setting: &Setting) -> Result<Self, OptionError> {
        match setting {
            Setting::Text(text) => text.parse().map_err(|()| {
                Wrong::Other(format!("expected {}, found \"{text}\"", Self::kind())).into()
            }),
            Setting::Int(seconds) => i64::try_from(i128::from(*seconds) * SECOND)
                .map(Self)
                .map_err(|_| Wrong::Other(format!("{seconds} s is out of range")).into()),
            // A float cannot hold today's time to the nanosecond.
            Setting::Float(seconds) => Err(Wrong::Other(format!(
                "write a fraction of a second as text: \"{seconds}\""
            ))
            .into()),
            other => wrong_kind(&Self::kind(), other),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_exact() {
        for (text, ns) in [
            ("0", 0),
            ("-1.5", -1_500_000_000),
            ("1700000000.000000001", 1_700_000_000_000_000_001),
            ("1970-01-01T00:00:00Z", 0),
            ("1969-12-31T23:59:59.999999999Z", -1),
            ("2000-02-29T12:00:00+02:00", 951_818_400_000_000_000),
            ("2023-11-14T22:13:20.5Z", 1_700_000_000_500_000_000),
            ("2023-11-14 17:13:20-05:00", 1_700_000_000_000_000_000),
            ("2016-12-31T23:59:60Z", 1_483_228_800_000_000_000),
            ("2106-02-07t06:28:15z", 4_294_967_295_000_000_000),
        ] {
            assert_eq!(text.parse(), Ok(Moment(ns)), "{text}");
        }
        for wrong in [
            "",
            "-",
            "1.",
            ".5",
            "1.0000000001",
            "1e9",
            "2023-11-14",
            "2023-02-29T00:00:00Z",
            "2023-13-01T00:00:00Z",
            "2023-01-01T24:00:00Z",
            "2023-01-01T00:00:00",
            "2023-01-01T00:00:00+0200",
            "9999-01-01T00:00:00Z",
            "2023-01-01T00:00:00.Z",
            "日本語日本語日本",
        ] {
            assert_eq!(wrong.parse::<Moment>(), Err(()), "{wrong}");
        }
    }

    #[test]
    fn moments_are_written_with_the_digits_they_need() {
        for (ns, text) in [
            (0, "1970-01-01T00:00:00Z"),
            (-1, "1969-12-31T23:59:59.999999999Z"),
            (951_818_400_000_000_000, "2000-02-29T10:00:00Z"),
            (1_700_000_000_500_000_000, "2023-11-14T22:13:20.500Z"),
            (1_700_000_000_000_001_000, "2023-11-14T22:13:20.000001Z"),
            (4_294_967_295_000_000_000, "2106-02-07T06:28:15Z"),
        ] {
            assert_eq!(Moment(ns).to_string(), text);
        }
    }

    proptest::proptest! {
        #[test]
        fn what_is_written_reads_back(ns in proptest::num::i64::ANY) {
            proptest::prop_assert_eq!(Moment(ns).to_string().parse(), Ok(Moment(ns)));
        }
    }
}
