//! The settings of `[joins.N]`.

use crate::filters::Share;
use crate::options::{
    Duration, OptionError, OptionValue, Options, Setting, Step, Wrong, read_table, table_kind,
    wrong_kind,
};
use crate::sinks::Delimiter;

/// What rows are joined with.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Options)]
pub enum With {
    /// Comma-separated values.
    #[default]
    Csv,
    /// One JSON object a line.
    Jsonl,
    /// A Parquet file.
    Parquet,
    /// An Arrow IPC file.
    Arrow,
    /// A text file with an address, network, domain or hash a line.
    List,
    /// A database of addresses in the format of MaxMind.
    Mmdb,
}

impl With {
    /// Whether it is a table of lines.
    pub const fn is_table(self) -> bool {
        !matches!(self, Self::List | Self::Mmdb)
    }
}

/// Which rows go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Options)]
pub enum JoinMode {
    /// All; what nothing matches has nulls.
    Left,
    /// Those that something matches.
    Inner,
    /// Those that nothing matches.
    Anti,
}

/// What a row gets that several lines match.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Options)]
pub enum Many {
    /// The first of them in the file.
    First,
    /// The last of them in the file.
    Last,
    /// The run fails.
    Error,
    /// A row for each of them, in the order of the file.
    All,
}

/// Names with what they stand for, in the order in which they were written. A name alone stands for itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Pairs(pub Vec<(String, String)>);

impl OptionValue for Pairs {
    fn kind() -> String {
        "a table { name = \"name in the file\" }, a name, or a list of names".to_owned()
    }

    fn read(setting: &Setting) -> Result<Self, OptionError> {
        let text = |setting: &Setting, step: Step| {
            String::read(setting).map_err(|error| error.inside(step))
        };
        let pairs = match setting {
            Setting::Text(name) => return Ok(Self(vec![(name.clone(), name.clone())])),
            Setting::Table(parts) => parts
                .iter()
                .map(|(name, of)| Ok((name.clone(), text(of, Step::Key(name.clone()))?)))
                .collect::<Result<_, OptionError>>()?,
            Setting::List(names) => (0..)
                .zip(names)
                .map(|(at, name)| {
                    let name = text(name, Step::Index(at))?;
                    Ok((name.clone(), name))
                })
                .collect::<Result<_, OptionError>>()?,
            other => return wrong_kind(&Self::kind(), other),
        };
        Ok(Self(pairs))
    }
}

/// When a line is true of a row.
#[derive(Clone, Debug, PartialEq, Options)]
pub struct TimeOptions {
    /// The column of the rows.
    #[option(default = "start_time")]
    pub row: String,
    /// The column of the file with the time, or with the start of an interval.
    #[option(required)]
    pub from: String,
    /// The column of the file with the end of an interval. Without it the nearest line within `tolerance` is taken.
    #[option]
    pub to: Option<String>,
    /// How times are written, as of strptime, or a list of such that are tried in order; `s`, `ms`, `us` and `ns` are numbers since 1970.
    /// By default RFC 3339, the same without a zone, or seconds since 1970.
    #[option(default = "[]")]
    pub format: Vec<String>,
    /// The zone of times that do not say theirs, of the IANA database.
    #[option(default = "UTC")]
    pub zone: String,
    /// How far a row may be from the time of a line, or outside of its interval.
    #[option]
    pub tolerance: Option<Duration>,
    /// Times are written on a 12-hour clock without AM and PM, and lie in these hours of the day: `08:00-20:00`.
    #[option]
    pub hours12: Option<Hours>,
}

impl OptionValue for TimeOptions {
    fn kind() -> String {
        table_kind::<Self>()
    }
    fn read(setting: &Setting) -> Result<Self, OptionError> {
        read_table(setting)
    }
}

/// A part of the day of at most 12 hours, in minutes; its end is not in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hours {
    /// Its first minute.
    pub from: i64,
    /// The minute after its last.
    pub to: i64,
}

impl OptionValue for Hours {
    fn kind() -> String {
        "hours of a day such as \"08:00-20:00\"".to_owned()
    }

    fn read(setting: &Setting) -> Result<Self, OptionError> {
        let text = String::read(setting)?;
        let minute = |text: &str| {
            let (hours, minutes) = text.trim().split_once(':')?;
            let (hours, minutes): (u8, u8) = (hours.parse().ok()?, minutes.parse().ok()?);
            let is_time = hours < 24 && minutes < 60 || (hours, minutes) == (24, 0);
            is_time.then_some(i64::from(hours) * 60 + i64::from(minutes))
        };
        let ends = text.split_once('-');
        let ends = ends.and_then(|(from, to)| Some((minute(from)?, minute(to)?)));
        let Some((from, to)) = ends else {
            let wrong = format!("expected {}, found \"{text}\"", Self::kind());
            return Err(Wrong::Other(wrong).into());
        };
        if from >= to || to - from > 12 * 60 {
            let wrong = "expected hours of one day, at most 12 of them: else no time is certain";
            return Err(Wrong::Other(wrong.to_owned()).into());
        }
        Ok(Self { from, to })
    }
}

/// Settings of a join.
#[derive(Clone, Debug, Options)]
pub struct JoinOptions {
    /// What rows are joined with.
    #[option(required)]
    pub with: With,
    /// Its file, a glob, or a list of such; several tables are one, in the order of their names.
    #[option(required)]
    pub path: Vec<String>,
    /// What must be equal: a table `{ column = "column of the file" }`, or names that both have. Of lists and databases the column
    /// that is looked up, of databases also both of `["src_ip", "dst_ip"]`.
    #[option(required)]
    pub on: Pairs,
    /// The columns that rows get: a table `{ column = "column of the file" }`, or names. Of databases the path in a record:
    /// `{ country = "country.iso_code" }`. A list gives `in_NAME`.
    #[option]
    pub columns: Pairs,
    /// When a line is true of a row: `row`, `from`, `to`, `format`, `zone`, `tolerance` and `hours12`.
    #[option]
    pub time: Option<TimeOptions>,
    /// Whether the line of a flow may have its ends the other way round; `match_reversed` says where it did.
    #[option(default = "false")]
    pub either_direction: bool,
    /// Which rows go on: all (`left`), those that something matches (`inner`), or the others (`anti`).
    #[option(default = "left")]
    pub mode: JoinMode,
    /// What a row gets that several lines match.
    #[option(default = "first")]
    pub many: Many,
    /// The run fails where a smaller share of the rows is matched.
    #[option]
    pub expect_matched: Option<Share>,
    /// What is between two values of CSV.
    #[option(default = ",")]
    pub delimiter: Delimiter,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_hours() {
        let text = |text: &str| Setting::Text(text.to_owned());
        let one = Pairs::read(&text("a")).unwrap();
        assert_eq!(one, Pairs::read(&Setting::List(vec![text("a")])).unwrap());
        let table = Setting::Table(vec![("a".to_owned(), text("B"))]);
        assert_eq!(
            Pairs::read(&table).unwrap().0,
            [("a".to_owned(), "B".to_owned())]
        );
        assert!(Pairs::read(&Setting::List(vec![Setting::Int(1)])).is_err());
        let hours = |written: &str| Hours::read(&text(written)).ok();
        assert_eq!(
            hours("08:00-20:00"),
            Some(Hours {
                from: 480,
                to: 1200
            })
        );
        assert_eq!(
            hours("12:30-24:00"),
            Some(Hours {
                from: 750,
                to: 1440
            })
        );
        for wrong in [
            "08:00",
            "08:00-20:01",
            "20:00-08:00",
            "8-20",
            "08:00-25:00",
            "08:60-09:00",
        ] {
            assert_eq!(hours(wrong), None, "{wrong}");
        }
    }
}
