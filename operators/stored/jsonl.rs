//! JSON Lines: an object a line, each with the keys that it has. Numbers are kept as they are written: a time must not pass through a
//! float. Lists and objects are kept as their JSON.

use super::{Heading, Mark, Part, Rows, open_lines, unreadable};
use crate::error::Error;
use serde::Deserialize;
use serde::de::{Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;
use std::borrow::Cow;
use std::collections::HashMap;
use std::fmt;
use std::io::{BufRead as _, BufReader, Read};
use std::path::{Path, PathBuf};

struct Lines {
    reader: BufReader<Box<dyn Read>>,
    names: HashMap<String, usize>,
    line: u64,
    text: String,
    path: PathBuf,
}

/// A line: its keys with what stands there.
struct Object<'a>(Vec<(Cow<'a, str>, &'a RawValue)>);

impl<'de: 'a, 'a> Deserialize<'de> for Object<'a> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Keys;
        impl<'de> Visitor<'de> for Keys {
            type Value = Object<'de>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut pairs = Vec::new();
                while let Some(key) = map.next_key::<Key<'de>>()? {
                    pairs.push((key.0, map.next_value()?));
                }
                Ok(Object(pairs))
            }
        }
        from.deserialize_map(Keys)
    }
}

#[derive(Deserialize)]
struct Key<'a>(#[serde(borrow)] Cow<'a, str>);

/// The columns, those of all lines in the order in which they come, and rows of a file.
pub(super) fn open(path: &Path) -> Result<(Vec<Heading>, Box<dyn Rows>), Error> {
    let mut lines = Lines {
        reader: BufReader::new(open_lines(path)?),
        names: HashMap::new(),
        line: 0,
        text: String::new(),
        path: path.to_owned(),
    };
    let mut headings = Vec::new();
    while lines.read()? {
        for (key, _) in parse(&lines.text, &lines.path, lines.line)?.0 {
            if !lines.names.contains_key(&*key) {
                lines.names.insert(key.clone().into_owned(), headings.len());
                let name = key.into_owned();
                headings.push(Heading { name, kind: None });
            }
        }
    }
    lines.reader = BufReader::new(open_lines(path)?);
    lines.line = 0;
    Ok((headings, Box::new(lines)))
}

fn parse<'a>(text: &'a str, path: &Path, line: u64) -> Result<Object<'a>, Error> {
    serde_json::from_str(text).map_err(|error| unreadable(path, format!("line {line}: {error}")))
}

impl Lines {
    /// Reads the next line that is not empty; `false` = there is none.
    fn read(&mut self) -> Result<bool, Error> {
        loop {
            self.text.clear();
            let read = self.reader.read_line(&mut self.text);
            if read.map_err(|error| Error::file("read", &self.path, error))? == 0 {
                return Ok(false);
            }
            self.line += 1;
            if !self.text.trim().is_empty() {
                return Ok(true);
            }
        }
    }
}

impl Rows for Lines {
    fn fill(&mut self, chosen: &[usize], rows: usize, part: &mut Part) -> Result<bool, Error> {
        let mut values: Vec<Option<&RawValue>> = Vec::new();
        for _ in 0..rows {
            if !self.read()? {
                return Ok(false);
            }
            let Object(pairs) = parse(&self.text, &self.path, self.line)?;
            let mut found = vec![None; self.names.len()];
            for (key, value) in pairs {
                if let Some(place) = self.names.get(&*key).and_then(|at| found.get_mut(*at)) {
                    *place = Some(value);
                }
            }
            values.clear();
            part.lines.push(self.line);
            for (cells, place) in part.columns.iter_mut().zip(chosen) {
                match found.get(*place).copied().flatten().map(RawValue::get) {
                    None | Some("null") => cells.push(Mark::None, ""),
                    Some(text) if text.starts_with('"') => {
                        let text: String = serde_json::from_str(text).unwrap_or_default();
                        cells.push(Mark::Text, &text);
                    }
                    Some(text) => cells.push(Mark::Plain, text),
                }
            }
        }
        Ok(true)
    }
}
