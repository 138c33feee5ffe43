//! `flows.early`: the points at which a record gives a row before it ends.
//!
//! A point in packets is the packet of that number, which is in the row. A point in time is so long after the first packet, by the
//! clock of the capture: the packets before it are in the row, which there is if the record is open then, whether or not
//! anything comes later. So a row does not depend on when somebody looks.

use crate::options::{Duration, OptionError, OptionValue, Setting, Wrong, wrong_kind};
use std::fmt;

/// Points of a spec at most: a record remembers in a byte which are behind it.
pub const MOST: usize = 8;

/// A point in the life of a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// This packet, counted from 1.
    Packets(u64),
    /// So many ns after the first packet.
    Time(i64),
}

impl fmt::Display for Stage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Packets(1) => f.write_str("1 packet"),
            Self::Packets(packets) => write!(f, "{packets} packets"),
            Self::Time(ns) => Duration(*ns).fmt(f),
        }
    }
}

impl OptionValue for Stage {
    fn kind() -> String {
        "\"8 packets\" or a duration such as \"5s\"".to_owned()
    }

    fn read(setting: &Setting) -> Result<Self, OptionError> {
        let above =
            |text: &str| Wrong::Other(format!("expected a point behind the start, found `{text}`"));
        let Setting::Text(text) = setting else {
            return wrong_kind(&Self::kind(), setting);
        };
        let number = text
            .strip_suffix("packets")
            .or_else(|| text.strip_suffix("packet"))
            .map(|number| number.trim().parse::<u64>());
        match number {
            Some(Ok(0)) => Err(above(text).into()),
            Some(Ok(packets)) => Ok(Self::Packets(packets)),
            Some(Err(_)) => wrong_kind(&Self::kind(), setting),
            None => match Duration::read(setting)?.0 {
                ..=0 => Err(above(text).into()),
                ns => Ok(Self::Time(ns)),
            },
        }
    }
}

/// The points of a run, in the order of the spec.
#[derive(Clone, Debug, Default)]
pub struct Stages {
    packets: Vec<(u64, u8)>,
    /// By time.
    times: Vec<(i64, u8)>,
}

impl Stages {
    /// These points; those beyond [`MOST`] are left out, which `check` refuses.
    pub fn new(stages: &[Stage]) -> Self {
        let mut all = Self::default();
        for (at, stage) in (0..).zip(stages.iter().take(MOST)) {
            match stage {
                Stage::Packets(packets) => all.packets.push((*packets, at)),
                Stage::Time(ns) => all.times.push((*ns, at)),
            }
        }
        all.times.sort_unstable();
        all
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.packets.is_empty() && self.times.is_empty()
    }

    /// The points at this packet of a record, counted from 1.
    pub fn at_packet(&self, number: u64) -> impl Iterator<Item = u8> + '_ {
        let here = self
            .packets
            .iter()
            .filter(move |(packets, _)| *packets == number);
        here.map(|(_, at)| *at)
    }

    /// The first point in time that is not behind a record: when it is, and which.
    pub fn next(&self, start: i64, behind: u8) -> Option<(i64, u8)> {
        let mut ahead = self.times.iter().filter(|(_, at)| behind & (1 << at) == 0);
        ahead
            .next()
            .map(|(ns, at)| (start.saturating_add(*ns), *at))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn points_are_read_and_written() {
        let read = |text: &str| Stage::read(&Setting::Text(text.to_owned())).ok();
        assert_eq!(read("8 packets"), Some(Stage::Packets(8)));
        assert_eq!(read("1 packet"), Some(Stage::Packets(1)));
        assert_eq!(read("5s"), Some(Stage::Time(5_000_000_000)));
        for wrong in ["0 packets", "0s", "8", "packets", "-1 packets", "8 bytes"] {
            assert_eq!(read(wrong), None, "{wrong}");
        }
        for text in ["8 packets", "1 packet", "5s", "250ms"] {
            assert_eq!(
                read(text).map(|stage| stage.to_string()).as_deref(),
                Some(text)
            );
        }
    }

    #[test]
    fn points_in_time_come_one_after_the_other() {
        let stages = Stages::new(&[Stage::Time(50), Stage::Packets(3), Stage::Time(20)]);
        assert_eq!(stages.next(100, 0), Some((120, 2)));
        assert_eq!(stages.next(100, 1 << 2), Some((150, 0)));
        assert_eq!(stages.next(100, 1 << 2 | 1), None);
        assert_eq!(stages.at_packet(3).collect::<Vec<u8>>(), [1]);
        assert_eq!(stages.at_packet(2).count(), 0);
    }
}
