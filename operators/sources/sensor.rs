//! The text of the column `sensor`: what observed the packets of an input, made of fixed text, the name of the source and parts of
//! the path of the input.
//!
//! Knows paths as texts only: nothing is opened here but, for `.` and `..`, the directory whose name is asked for.

use super::PcapOptions;
use super::list::{Found, is_wild, parts};
use crate::options::{OptionError, OptionValue, Setting, Wrong};
use std::path::Path;

/// What is known of an input beside what is in it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct InputName {
    /// Its path, as it was given.
    pub file: String,
    /// The name of its source in the spec.
    pub source: String,
    /// What its source calls it, if it does.
    pub sensor: Option<String>,
}

/// What a source calls its inputs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sensor(Vec<Piece>);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Piece {
    Text(String),
    /// The name of the source.
    Name,
    /// A part of the path, counted from the last one that is fixed.
    Path(usize),
}

impl Sensor {
    /// The same, where the source has this name.
    #[must_use]
    pub fn named(self, source: &str) -> Self {
        let named = |piece| match piece {
            Piece::Name => Piece::Text(source.to_owned()),
            other => other,
        };
        Self(self.0.into_iter().map(named).collect())
    }

    /// The same, where all inputs have this text for each part of their path.
    #[must_use]
    pub fn without_path(self, text: &str) -> Self {
        let fixed = |piece| match piece {
            Piece::Path(_) => Piece::Text(text.to_owned()),
            other => other,
        };
        Self(self.0.into_iter().map(fixed).collect())
    }

    /// What it says of an input.
    ///
    /// # Errors
    /// Why it says nothing: a part that the path of the input does not have.
    pub fn of(&self, input: &Found) -> Result<String, String> {
        let mut text = String::new();
        for piece in &self.0 {
            match piece {
                Piece::Text(fixed) => text.push_str(fixed),
                Piece::Name => {}
                Piece::Path(at) => match input.part(*at) {
                    Some(part) => text.push_str(&part),
                    None => {
                        return Err(format!(
                            "its path has no part `{{path[{at}]}}`, which `sensor` asks for"
                        ));
                    }
                },
            }
        }
        Ok(text)
    }

    /// The first part that no input of this entry of `path` can have, and how many parts behind the fixed ones there are at most.
    pub fn beyond(&self, entry: &str, options: &PcapOptions) -> Option<(usize, usize)> {
        let most = most_parts(entry, options.recursive)?;
        let parts = self.0.iter().filter_map(|piece| match piece {
            Piece::Path(at) => Some(*at),
            _ => None,
        });
        let mut beyond = parts.filter(|at| entry == "-" || *at > most);
        beyond.next().map(|at| (at, most))
    }
}

/// Parts that paths of this entry have behind the fixed ones; `None` = any number.
fn most_parts(entry: &str, recursive: bool) -> Option<usize> {
    let parts: Vec<_> = parts(Path::new(entry)).collect();
    let wild = |part: &std::path::Component<'_>| is_wild(part.as_os_str());
    match parts.iter().position(wild) {
        _ if entry == "-" => Some(0),
        Some(at) if parts.iter().all(|part| part.as_os_str() != "**") => {
            Some(parts.len().saturating_sub(at))
        }
        None if !recursive => Some(1),
        _ => None,
    }
}

/// The placeholder that a text begins with, and what is behind it.
fn placeholder(text: &str) -> Option<(Piece, &str)> {
    let (inside, rest) = text.strip_prefix('{')?.split_once('}')?;
    let piece = match inside.strip_prefix("path[") {
        None if inside == "name" => Piece::Name,
        None => return None,
        Some(index) => {
            let digits = index.strip_suffix(']')?;
            let is_number = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
            Piece::Path(is_number.then(|| digits.parse().ok())??)
        }
    };
    Some((piece, rest))
}

impl OptionValue for Sensor {
    fn kind() -> String {
        String::kind()
    }

    fn read(setting: &Setting) -> Result<Self, OptionError> {
        let text = String::read(setting)?;
        let wrong = |text: String| Err(Wrong::Other(text).into());
        if text.is_empty() || text.len() > LONGEST || text.contains(char::is_control) {
            return wrong(format!(
                "expected a text of 1 to {LONGEST} bytes without control characters"
            ));
        }
        let (mut pieces, mut rest) = (Vec::new(), text.as_str());
        while let Some(at) = rest.find(['{', '}']) {
            let (fixed, behind) = rest.split_at(at);
            let Some((piece, behind)) = placeholder(behind) else {
                let end = behind.find('}').map_or(behind.len(), |end| end + 1);
                let written = behind.get(..end).unwrap_or(behind);
                return wrong(format!(
                    "`{written}` is not a placeholder: there are `{{name}}`, `{{path[0]}}`, `{{path[1]}}` and so on"
                ));
            };
            if !fixed.is_empty() {
                pieces.push(Piece::Text(fixed.to_owned()));
            }
            pieces.push(piece);
            rest = behind;
        }
        if !rest.is_empty() {
            pieces.push(Piece::Text(rest.to_owned()));
        }
        Ok(Self(pieces))
    }
}

/// Bytes of a sensor as it is written.
const LONGEST: usize = 255;

#[cfg(test)]
mod tests {
    use super::super::list::found;
    use super::*;

    fn sensor(text: &str) -> Result<Sensor, String> {
        Sensor::read(&Setting::Text(text.to_owned())).map_err(|error| match error.wrong {
            Wrong::Other(text) => text,
            other => format!("{other:?}"),
        })
    }

    #[test]
    fn placeholders_are_known_or_refused() {
        let pieces = sensor("tap-{name}-{path[12]}!").unwrap().0;
        let text = |text: &str| Piece::Text(text.to_owned());
        assert_eq!(
            pieces,
            [
                text("tap-"),
                Piece::Name,
                text("-"),
                Piece::Path(12),
                text("!")
            ]
        );
        for wrong in [
            "{}",
            "a{nane}",
            "{path}",
            "{path[]}",
            "{path[-1]}",
            "{path[+1]}",
            "{path[1}",
            "{path[99999999999999999999]}",
            "{name",
            "name}",
            "{{name}}",
        ] {
            let why = sensor(wrong).unwrap_err();
            assert!(why.contains("is not a placeholder"), "{wrong}: {why}");
        }
        assert!(sensor("a{nane} b").unwrap_err().starts_with("`{nane}` is"));
        assert!(sensor("").is_err() && sensor("a\nb").is_err());
        assert!(Sensor::read(&Setting::Int(1)).is_err());
    }

    #[test]
    fn parts_are_counted_from_the_last_fixed_one() {
        let folder = tempfile::tempdir().unwrap();
        let day = folder.path().join("arc[h]ive/2026-01-31");
        std::fs::create_dir_all(day.join("east/rack")).unwrap();
        for file in ["east/a.pcap", "east/rack/b.pcap", "c.pcap"] {
            std::fs::write(day.join(file), b"").unwrap();
        }
        let base = glob::Pattern::escape(&day.display().to_string());
        let said = |text: &str, path: &str, recursive: bool| {
            let options = PcapOptions {
                path: vec![path.to_owned()],
                recursive,
                ..PcapOptions::default()
            };
            let listed = found(&options, &day).unwrap();
            let sensor = sensor(text).unwrap().named("tap");
            let said = listed.iter().map(|input| sensor.of(input));
            said.map(|said| said.unwrap_or_else(|why| why))
                .collect::<Vec<_>>()
        };
        let all = "{name}:{path[0]}/{path[1]}";
        assert_eq!(said(all, "*/*.pcap", false), ["tap:2026-01-31/east"]);
        assert_eq!(said(all, "./*/*.pcap", false), ["tap:2026-01-31/east"]);
        assert_eq!(
            said(all, "east/../*/*.pcap", false),
            ["tap:2026-01-31/east"]
        );
        assert_eq!(said(all, "east/*.pcap", false), ["tap:east/a.pcap"]);
        // a file that is named, a glob that gives it and its directory say the same
        assert_eq!(said(all, "east/a.pcap", false), ["tap:east/a.pcap"]);
        assert_eq!(said(all, "east", false), ["tap:east/a.pcap"]);
        assert_eq!(said(all, "east/.", false), ["tap:east/a.pcap"]);
        assert_eq!(
            said("{path[2]}", ".", true),
            [
                "its path has no part `{path[2]}`, which `sensor` asks for",
                "a.pcap",
                "rack"
            ]
        );
        let absolute = format!("{base}/*/*.pcap");
        assert_eq!(said(all, &absolute, false), ["tap:2026-01-31/east"]);
        assert_eq!(said("{path[2]}", "**/*.pcap", false)[2], "rack");
    }

    #[test]
    fn what_no_path_can_have_is_known_before() {
        let beyond = |text: &str, path: &str, recursive: bool| {
            let options = PcapOptions {
                recursive,
                ..PcapOptions::default()
            };
            sensor(text).unwrap().beyond(path, &options)
        };
        assert_eq!(beyond("{path[2]}", "day/*/*.pcap", false), None);
        assert_eq!(beyond("{path[3]}", "day/*/*.pcap", false), Some((3, 2)));
        assert_eq!(beyond("{path[3]}", "day/**/*.pcap", false), None);
        assert_eq!(beyond("{path[1]}", "day", false), None);
        assert_eq!(beyond("{path[0]}{path[2]}", "day", false), Some((2, 1)));
        assert_eq!(beyond("{path[2]}", "day", true), None);
        assert_eq!(beyond("{path[0]}", "-", false), Some((0, 0)));
        assert_eq!(beyond("{name}", "-", false), None);
    }

    #[test]
    fn names_stand_for_what_a_test_has_not() {
        let sensor = sensor("{name}-{path[7]}").unwrap().named("tap");
        let anything = Found {
            path: "-".into(),
            fixed: 0,
        };
        assert!(sensor.of(&anything).is_err());
        assert_eq!(
            sensor.without_path("monday").of(&anything).as_deref(),
            Ok("tap-monday")
        );
    }
}
