//! Tests of a spec: what they read, and whether the columns they speak of are there and can be so.

use super::{Check, Raw};
use crate::spec::diagnostic::Diagnostic;
use crate::spec::load::Kind;
use crate::spec::sections::{Section, section_keys};
use crate::spec::suggest::{did_you_mean, list, nearest};
use crate::spec::{Behind, Node};
use crate::testing::{Test, TestOptions, Wanted, capture, wanted};
use operators::options::Step;
use operators::schema::Schema;

/// A test as it is written, and its settings.
pub(super) type Written<'a> = (Raw<'a>, TestOptions);

impl<'a> Check<'a> {
    /// The settings of every test.
    pub(super) fn test_options(&mut self) -> Vec<Written<'a>> {
        let keys = Section::named("tests")
            .map(section_keys)
            .unwrap_or_default();
        let raws = self.nodes("tests").into_iter();
        raws.map(|raw| {
            let mut options: TestOptions = self.options(&raw, &[], &keys);
            self.test_files(&raw, &mut options);
            self.test_packets(&raw, &options);
            if options.workers.contains(&0) || options.workers.is_empty() {
                let help = "write the numbers of workers to run with, such as `[1, 4]`";
                self.not_allowed(&raw, "workers", "expected numbers of 1 or more", help);
            }
            (raw, options)
        })
        .collect()
    }

    /// Paths as seen from the working directory.
    fn test_files(&mut self, raw: &Raw<'_>, options: &mut TestOptions) {
        if let Some(entry) = raw.entry("input") {
            let several = matches!(entry.value.kind, Kind::List(_));
            for (index, path) in options.input.iter_mut().enumerate() {
                let steps: &[Step] = if several { &[Step::Index(index)] } else { &[] };
                let at = entry.value.inner(steps).0.at;
                self.inside(at, &format!("{}.input", raw.path), path);
                *path = self.absolute(at, path);
            }
        }
        if let (Some(entry), Some(path)) = (raw.entry("golden"), &mut options.golden) {
            self.inside(entry.value.at, &format!("{}.golden", raw.path), path);
            *path = self.absolute(entry.value.at, path);
        }
    }

    /// Packets that can be made; a test has either those or captures, and something to compare.
    fn test_packets(&mut self, raw: &Raw<'_>, options: &TestOptions) {
        let is_said = |key: &str| raw.entry(key).is_some();
        match (is_said("input"), is_said("packets")) {
            (false, false) => {
                let message = format!("the test `{}` has nothing to read", raw.name);
                self.found.push(
                    Diagnostic::new("E0803", raw.at, &raw.path, message)
                        .help("name a capture, `input`, or write `packets`"),
                );
            }
            (true, true) => {
                let at = raw.entry("packets").map_or(raw.at, |entry| entry.at);
                let message = format!("the test `{}` has both `input` and `packets`", raw.name);
                self.found.push(
                    Diagnostic::new("E0803", at, format!("{}.packets", raw.path), message)
                        .help("make two tests of it"),
                );
            }
            _ => {}
        }
        if !["rows", "expect", "golden"].into_iter().any(is_said) {
            let message = format!("the test `{}` says nothing about its rows", raw.name);
            self.found.push(
                Diagnostic::new("E0802", raw.at, &raw.path, message)
                    .help("write `rows`, `expect` or `golden`"),
            );
        }
        if let (Some(entry), Err((index, why))) = (raw.entry("packets"), capture(&options.packets))
        {
            let several = matches!(entry.value.kind, Kind::List(_));
            let steps: &[Step] = if several { &[Step::Index(index)] } else { &[] };
            let at = entry.value.inner(steps).0.at;
            let place = format!("{}.packets[{index}]", raw.path);
            let message = format!("the packet cannot be made: {why}");
            self.found.push(
                Diagnostic::new("E0804", at, place, message)
                    .help("e.g. `{ src = \"10.0.0.1:5000\", dst = \"10.0.0.2:53\", udp = { payload = \"hex:00\" } }`"),
            );
        }
    }

    /// The tests with what they expect of the columns that there are. `points` are the nodes that give rows with what joins have put
    /// behind these, the features first; `last` is the one that all sinks read.
    pub(super) fn tests(
        &mut self,
        tests: Vec<Written<'_>>,
        schema: &Schema,
        points: &[(String, Behind)],
        last: &Option<String>,
    ) -> Vec<Node<Test>> {
        tests
            .into_iter()
            .map(|(raw, options)| {
                let at = options.at.as_ref().or(last.as_ref());
                let point = points.iter().find(|(name, _)| at == Some(name));
                if let (Some(entry), Some(at), None) = (raw.entry("at"), &options.at, point) {
                    let known = || points.iter().map(|(name, _)| name.as_str());
                    let place = format!("{}.at", raw.path);
                    let help = did_you_mean(at, known())
                        .unwrap_or_else(|| format!("rows are given by {}", list(known())));
                    let message = format!("no node `{at}` gives rows");
                    self.found
                        .push(Diagnostic::new("E0801", entry.value.at, place, message).help(help));
                }
                let (at, behind) = point.or(points.first()).cloned().unwrap_or_default();
                let all: Schema = schema.iter().chain(&behind.schema).cloned().collect();
                let expect = self.expectations(&raw, &options, &all);
                let test = Test {
                    options,
                    expect,
                    behind,
                };
                self.node(&raw, vec![at], test)
            })
            .collect()
    }

    fn expectations(
        &mut self,
        raw: &Raw<'_>,
        options: &TestOptions,
        schema: &Schema,
    ) -> Vec<Vec<(String, Wanted)>> {
        let Some(entry) = raw.entry("expect") else {
            return Vec::new();
        };
        let several = matches!(entry.value.kind, Kind::List(_));
        let mut all = Vec::new();
        for (index, expectation) in options.expect.iter().enumerate() {
            let mut columns = Vec::new();
            for (name, setting) in &expectation.0 {
                let mut steps = vec![Step::Key(name.clone())];
                let mut place = format!("{}.expect", raw.path);
                if several {
                    steps.insert(0, Step::Index(index));
                    place.push_str(&format!("[{index}]"));
                }
                let (value, key) = entry.value.inner(&steps);
                let place = format!("{place}.{name}");
                let Some(feature) = schema.iter().find(|feature| feature.name == *name) else {
                    let known = || schema.iter().map(|feature| feature.name.as_str());
                    let help = did_you_mean(name, known()).unwrap_or_else(|| {
                        "`jayflow explain` lists the columns of the rows".to_owned()
                    });
                    let at = key.unwrap_or(value.at);
                    let message = format!("the rows have no column `{name}`");
                    let fault = Diagnostic::new("E0801", at, place, message).help(help);
                    self.found.push(match nearest(name, known())[..] {
                        [one] => fault.edit(one),
                        _ => fault,
                    });
                    continue;
                };
                match wanted(&feature.data_type, setting) {
                    Ok(wanted) => columns.push((name.clone(), wanted)),
                    Err(expected) => {
                        let help = format!("`{name}`: {}", feature.definition);
                        self.wrong_type(value, &place, &expected, &help);
                    }
                }
            }
            all.push(columns);
        }
        all
    }
}
