//! Times as published tables have them: forms of strptime, zones of the IANA database, 12-hour clocks without AM and PM.
//!
//! The zones are in the program, so that a table means the same on every machine. A local time that is none, or that there are two of
//! (when clocks are set), is never guessed: its line is left out and counted.

use super::options::{Hours, TimeOptions};
use crate::books::LineSkip;
use crate::sources::Moment;
use jiff::civil::DateTime;
use jiff::fmt::strtime::{self, BrokenDownTime};
use jiff::tz::{AmbiguousOffset, TimeZone, TimeZoneDatabase};
use std::sync::OnceLock;

/// Forms that are looked through for one that would fit.
const USUAL: [&str; 14] = [
    "%Y-%m-%d %H:%M:%S%.f",
    "%Y-%m-%dT%H:%M:%S%.f",
    "%Y-%m-%d %H:%M",
    "%Y/%m/%d %H:%M:%S%.f",
    "%Y/%m/%d %H:%M",
    "%d/%m/%Y %H:%M:%S%.f",
    "%d/%m/%Y %H:%M",
    "%m/%d/%Y %H:%M:%S%.f",
    "%m/%d/%Y %H:%M",
    "%d.%m.%Y %H:%M:%S%.f",
    "%d.%m.%Y %H:%M",
    "%d/%m/%Y %I:%M:%S %p",
    "%d %b %Y %H:%M:%S",
    "%a %b %d %H:%M:%S %Y",
];

fn zones() -> &'static TimeZoneDatabase {
    static ZONES: OnceLock<TimeZoneDatabase> = OnceLock::new();
    ZONES.get_or_init(TimeZoneDatabase::bundled)
}

/// Whether there is a zone of this name.
pub fn is_zone(name: &str) -> bool {
    zones().get(name).is_ok()
}

/// The names of all zones.
pub fn zone_names() -> Vec<String> {
    let names = zones().available();
    names.map(|name| name.as_str().to_owned()).collect()
}

/// Whether a text is a form of times; else why it is none.
///
/// # Errors
/// What is wrong with it.
pub fn is_form(form: &str) -> Result<(), String> {
    if unit(form).is_some() {
        return Ok(());
    }
    let some = DateTime::constant(2017, 7, 7, 15, 30, 1, 5).to_zoned_datetime(TimeZone::UTC);
    let some = some.map_err(|error| error.to_string())?;
    match strtime::format(form, &some) {
        Ok(text) if text == form => Err("it has no part of a time".to_owned()),
        Ok(_) => Ok(()),
        Err(error) => Err(error.to_string()),
    }
}

/// Ns of the numbers that a form stands for.
fn unit(form: &str) -> Option<i64> {
    Some(match form {
        "s" => 1_000_000_000,
        "ms" => 1_000_000,
        "us" => 1_000,
        "ns" => 1,
        _ => return None,
    })
}

/// What reads the times of a file.
#[derive(Clone, Debug)]
pub struct Clock {
    forms: Vec<String>,
    zone: TimeZone,
    hours: Option<Hours>,
}

impl Clock {
    /// That of these settings.
    pub fn new(options: &TimeOptions) -> Self {
        Self {
            forms: options.format.clone(),
            // the check of a spec has looked at the name
            zone: zones().get(&options.zone).unwrap_or(TimeZone::UTC),
            hours: options.hours12,
        }
    }

    /// Ns since 1970.
    ///
    /// # Errors
    /// Why it is no time, or no certain one.
    pub fn read(&self, text: &str) -> Result<i64, LineSkip> {
        if self.forms.is_empty() {
            if let Ok(Moment(ns)) = text.parse() {
                return Ok(ns);
            }
            let local: DateTime = text.parse().map_err(|_| LineSkip::TimeForm)?;
            return self.local(local);
        }
        let found = self.forms.iter().find_map(|form| match unit(form) {
            Some(size) => numbered(text, size).map(Ok),
            None => {
                let mut time = BrokenDownTime::parse(form, text).ok()?;
                Some(self.broken_down(&mut time))
            }
        });
        found.unwrap_or(Err(LineSkip::TimeForm))
    }

    fn broken_down(&self, time: &mut BrokenDownTime) -> Result<i64, LineSkip> {
        if let (Some(hours), Some(hour), None) = (self.hours, time.hour(), time.meridiem())
            && (1..=12).contains(&hour)
        {
            let minute = i64::from(time.minute().unwrap_or(0));
            let hour = [hour % 12, hour % 12 + 12]
                .into_iter()
                .find(|hour| (hours.from..hours.to).contains(&(i64::from(*hour) * 60 + minute)));
            let hour = hour.ok_or(LineSkip::TimeHours)?;
            time.set_hour(Some(hour)).map_err(|_| LineSkip::TimeForm)?;
        }
        if (time.offset().is_some() || time.timestamp().is_some())
            && let Ok(moment) = time.to_timestamp()
        {
            return nanoseconds(moment.as_nanosecond());
        }
        self.local(time.to_datetime().map_err(|_| LineSkip::TimeForm)?)
    }

    fn local(&self, time: DateTime) -> Result<i64, LineSkip> {
        let moment = self.zone.to_ambiguous_timestamp(time);
        match moment.offset() {
            AmbiguousOffset::Unambiguous { .. } => {
                let moment = moment.unambiguous().map_err(|_| LineSkip::TimeForm)?;
                nanoseconds(moment.as_nanosecond())
            }
            AmbiguousOffset::Gap { .. } => Err(LineSkip::TimeGap),
            AmbiguousOffset::Fold { .. } => Err(LineSkip::TimeAmbiguous),
        }
    }

    /// A form that would fit a text which those given do not.
    pub fn fitting(&self, text: &str) -> Option<String> {
        let fits = |form: &str| BrokenDownTime::parse(form, text).is_ok();
        let given = self.forms.iter();
        let nearly = given.flat_map(|form| {
            [
                ("%y", "%Y"),
                ("%Y", "%y"),
                ("%H:%M:%S", "%H:%M"),
                ("%H:%M", "%H:%M:%S"),
            ]
            .map(|(from, to)| form.replace(from, to))
        });
        let nearly: Vec<String> = nearly.collect();
        let usual = USUAL.iter().map(|form| (*form).to_owned());
        nearly.into_iter().chain(usual).find(|form| fits(form))
    }
}

fn nanoseconds(ns: i128) -> Result<i64, LineSkip> {
    i64::try_from(ns).map_err(|_| LineSkip::TimeForm)
}

/// A number of units since 1970, with a fraction or without.
fn numbered(text: &str, size: i64) -> Option<i64> {
    if size == 1_000_000_000 {
        return text.parse().ok().map(|Moment(ns)| ns);
    }
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    // a fraction of a unit that has no whole number of ns is cut off
    let digits = fraction.bytes().all(|byte| byte.is_ascii_digit());
    let mut part = 0;
    let mut place = size / 10;
    for digit in fraction.bytes().filter(|_| digits) {
        part += i64::from(digit - b'0') * place;
        place /= 10;
    }
    let negative = whole.starts_with('-');
    let ns = whole
        .parse::<i64>()
        .ok()
        .filter(|_| digits)?
        .checked_mul(size)?;
    ns.checked_add(if negative { -part } else { part })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn clock(forms: &[&str], zone: &str, hours: Option<(i64, i64)>) -> Clock {
        Clock::new(&TimeOptions {
            format: forms.iter().map(|form| (*form).to_owned()).collect(),
            zone: zone.to_owned(),
            hours12: hours.map(|(from, to)| Hours {
                from: from * 60,
                to: to * 60,
            }),
            ..TimeOptions::default()
        })
    }

    /// Seconds since 1970 of a time in UTC.
    fn utc(text: &str) -> i64 {
        let Ok(Moment(ns)) = text.parse() else {
            panic!("{text}")
        };
        ns
    }

    #[test]
    fn forms_and_zones() {
        let halifax = clock(
            &["%d/%m/%Y %H:%M:%S", "%d/%m/%Y %H:%M"],
            "America/Halifax",
            None,
        );
        // three hours behind in summer, four in winter
        assert_eq!(
            halifax.read("7/7/2017 3:30"),
            Ok(utc("2017-07-07T06:30:00Z"))
        );
        assert_eq!(
            halifax.read("07/12/2017 03:30:09"),
            Ok(utc("2017-12-07T07:30:09Z"))
        );
        assert_eq!(halifax.read("2017-07-07"), Err(LineSkip::TimeForm));
        assert_eq!(halifax.read("31/02/2017 3:30"), Err(LineSkip::TimeForm));
        // clocks are set forward at 2 on 12 March, back at 2 on 5 November
        assert_eq!(halifax.read("12/3/2017 2:30"), Err(LineSkip::TimeGap));
        assert_eq!(halifax.read("5/11/2017 1:30"), Err(LineSkip::TimeAmbiguous));
        assert_eq!(
            halifax.read("5/11/2017 2:30"),
            Ok(utc("2017-11-05T06:30:00Z"))
        );
        let ctu = clock(&["%Y/%m/%d %H:%M:%S%.f"], "UTC", None);
        assert_eq!(
            ctu.read("2011/08/18 09:56:28.155101"),
            Ok(utc("2011-08-18T09:56:28.155101Z"))
        );
        let zoned = clock(&["%Y-%m-%d %H:%M:%S %z"], "America/Halifax", None);
        assert_eq!(
            zoned.read("2017-07-07 03:30:00 +0200"),
            Ok(utc("2017-07-07T01:30:00Z"))
        );
        let plain = clock(&[], "Europe/Berlin", None);
        assert_eq!(
            plain.read("2017-07-07 03:30:00"),
            Ok(utc("2017-07-07T01:30:00Z"))
        );
        assert_eq!(
            plain.read("2017-07-07T03:30:00Z"),
            Ok(utc("2017-07-07T03:30:00Z"))
        );
        assert_eq!(
            plain.read("1499391000.000000001"),
            Ok(utc("2017-07-07T01:30:00Z") + 1)
        );
        assert_eq!(plain.read("soon"), Err(LineSkip::TimeForm));
    }

    #[test]
    fn numbers_since_1970() {
        for (form, text) in [
            ("s", "1.5"),
            ("ms", "1500"),
            ("us", "1500000"),
            ("ns", "1500000000"),
            ("ms", "1500.0000001"),
        ] {
            assert_eq!(
                clock(&[form], "UTC", None).read(text),
                Ok(1_500_000_000),
                "{form}"
            );
        }
        assert_eq!(clock(&["ms"], "UTC", None).read("-0.25"), Ok(-250_000));
        assert_eq!(
            clock(&["ms"], "UTC", None).read("1.x"),
            Err(LineSkip::TimeForm)
        );
        assert_eq!(
            clock(&["ms"], "UTC", None).read("9223372036854775807"),
            Err(LineSkip::TimeForm)
        );
    }

    #[test]
    fn clocks_of_twelve_hours() {
        let hours = clock(&["%d/%m/%Y %H:%M"], "UTC", Some((8, 20)));
        let at = |text: &str| hours.read(&format!("3/7/2017 {text}"));
        assert_eq!(at("8:00"), Ok(utc("2017-07-03T08:00:00Z")));
        assert_eq!(at("7:59"), Ok(utc("2017-07-03T19:59:00Z")));
        assert_eq!(at("12:10"), Ok(utc("2017-07-03T12:10:00Z")));
        assert_eq!(at("1:00"), Ok(utc("2017-07-03T13:00:00Z")));
        assert_eq!(
            at("15:00"),
            Ok(utc("2017-07-03T15:00:00Z")),
            "not on such a clock after all"
        );
        let short = clock(&["%d/%m/%Y %H:%M"], "UTC", Some((9, 17)));
        assert_eq!(short.read("3/7/2017 5:00"), Err(LineSkip::TimeHours));
    }

    #[test]
    fn names_and_forms_are_known_before() {
        assert!(is_zone("America/Halifax") && is_zone("UTC") && !is_zone("America/Halifx"));
        assert!(zone_names().iter().any(|name| name == "America/Halifax"));
        assert_eq!(is_form("%d/%m/%Y %H:%M:%S%.f"), Ok(()));
        assert_eq!(is_form("ms"), Ok(()));
        assert!(is_form("%d/%!").is_err() && is_form("dd/mm/yyyy").is_err());
        let clock = clock(&["%d/%m/%y %H:%M"], "UTC", None);
        assert_eq!(
            clock.fitting("7/7/2017 3:30").as_deref(),
            Some("%d/%m/%Y %H:%M")
        );
        assert_eq!(clock.fitting("soon"), None);
    }
}
