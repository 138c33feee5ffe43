//! Tests of a spec: what they read, and whether the columns they speak of are there and can be so.

use super::expressions::Rows;
use super::joins::Joins;
use super::{Check, Raw};
use crate::spec::diagnostic::{Diagnostic, Span};
use crate::spec::load::{Kind, Value};
use crate::spec::sections::{Section, section_keys};
use crate::spec::suggest::{did_you_mean, list, nearest};
use crate::spec::{Behind, Node, Sink};
use crate::testing::{Assertion, Condition, Expected, Test, TestOptions, Wanted, capture, wanted};
use operators::expressions::{Fault, Type, parse, syntax};
use operators::features::Seen;
use operators::options::{Setting, Step};
use operators::views::rules::{GroupForm, compile_group};

/// A test as it is written, its settings, and its conditions: those of `expect` by their places there, and those of `none`.
pub(super) struct Written<'a> {
    raw: Raw<'a>,
    options: TestOptions,
    expect: Vec<Option<Condition>>,
    none: Vec<Condition>,
    assert: Vec<Assertion>,
}

impl<'a> Written<'a> {
    /// The test as it is written.
    pub(super) const fn raw(&self) -> &Raw<'a> {
        &self.raw
    }
}

impl<'a> Check<'a> {
    /// The settings of every test, and what their conditions read of the rows; `usual` is what joins have put behind those that are
    /// looked at where a test does not say which.
    pub(super) fn test_options(
        &mut self,
        rows: &mut Rows,
        joins: &Joins<'_>,
        usual: &Behind,
    ) -> Vec<Written<'a>> {
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
            let outer = match &options.at {
                Some(at) => rows.enter(joins, &joins.after(at)),
                None => rows.enter(joins, usual),
            };
            let (expect, none) = self.test_conditions(rows, &raw, &options);
            let assert = self.assertions(rows, &raw, &options);
            rows.leave(outer);
            Written {
                raw,
                options,
                expect,
                none,
                assert,
            }
        })
        .collect()
    }

    /// The conditions over rows: `where` of each entry of `expect`, and `none`.
    fn test_conditions(
        &mut self,
        rows: &mut Rows,
        raw: &Raw<'_>,
        options: &TestOptions,
    ) -> (Vec<Option<Condition>>, Vec<Condition>) {
        let mut expect = vec![None; options.expect.len()];
        if let Some(entry) = raw.entry("expect") {
            for (index, found) in expect.iter_mut().enumerate() {
                let (steps, place) = item(&entry.value, index);
                let value = entry.value.inner(&steps).0;
                let condition = value.entries().into_iter().flatten();
                let mut condition = condition.filter(|entry| entry.name == "where");
                if let Some(condition) = condition.next() {
                    let path = format!("{}.expect{place}.where", raw.path);
                    *found = self.test_condition(rows, &condition.value, &path, "`where`");
                }
            }
        }
        let mut none = Vec::new();
        if let Some(entry) = raw.entry("none") {
            for index in 0..options.none.len() {
                let (steps, place) = item(&entry.value, index);
                let value = entry.value.inner(&steps).0;
                let path = format!("{}.none{place}", raw.path);
                none.extend(self.test_condition(rows, value, &path, "`none`"));
            }
        }
        (expect, none)
    }

    /// The conditions over all rows together.
    fn assertions(
        &mut self,
        rows: &mut Rows,
        raw: &Raw<'_>,
        options: &TestOptions,
    ) -> Vec<Assertion> {
        let Some(entry) = raw.entry("assert") else {
            return Vec::new();
        };
        let mut all = Vec::new();
        for (index, text) in options.assert.iter().enumerate() {
            let (steps, place) = item(&entry.value, index);
            let value = entry.value.inner(&steps).0;
            let path = format!("{}.assert{place}", raw.path);
            let found = match assertion(text, rows) {
                Ok(found) => found,
                Err(fault) => {
                    self.expression_fault(&fault, value, &path);
                    continue;
                }
            };
            for source in &found.rules.sources {
                rows.read(source.program.loads());
            }
            all.push(found);
        }
        all
    }

    fn test_condition(
        &mut self,
        rows: &mut Rows,
        value: &Value,
        path: &str,
        what: &str,
    ) -> Option<Condition> {
        let typed = self.condition(rows, value, path, what)?;
        let text = value.text().unwrap_or_default();
        let mut columns: Vec<String> = Vec::new();
        if let Ok(tree) = parse(text) {
            tree.names(&mut |name, _| {
                if !columns.iter().any(|known| known == name) {
                    columns.push(name.to_owned());
                }
            });
        }
        Some(Condition {
            text: text.split_whitespace().collect::<Vec<_>>().join(" "),
            typed,
            columns,
        })
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
        let is_silent = [options.none.is_empty(), options.assert.is_empty()];
        let is_silent = options.expect.is_empty() && is_silent == [true; 2];
        if is_silent && !["rows", "golden"].into_iter().any(is_said) {
            let message = format!("the test `{}` says nothing about its rows", raw.name);
            self.found.push(
                Diagnostic::new("E0802", raw.at, &raw.path, message)
                    .help("write `rows`, `expect`, `none`, `assert` or `golden`"),
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
    /// behind these, `seen` is what is before that, in so many places, and `usual` are the nodes before the sinks.
    pub(super) fn tests(
        &mut self,
        tests: Vec<Written<'_>>,
        (seen, width): (&Seen, usize),
        points: &[(String, Behind)],
        usual: &[String],
    ) -> Vec<Node<Test>> {
        let nodes: Vec<String> = points.iter().map(|(name, _)| name.clone()).collect();
        tests
            .into_iter()
            .map(|test| {
                let Written { raw, options, .. } = &test;
                let at = match (raw.entry("at"), &options.at) {
                    (Some(entry), Some(at)) => {
                        if !nodes.contains(at) {
                            self.no_rows(entry.value.at, &format!("{}.at", raw.path), at, &nodes);
                        }
                        vec![at.clone()]
                    }
                    _ => usual.to_vec(),
                };
                if at.is_empty() {
                    let message = format!(
                        "the test `{}` could look at {}",
                        raw.name,
                        list(nodes.iter().map(String::as_str))
                    );
                    let path = format!("{}.at", raw.path);
                    self.found.push(
                        Diagnostic::new("E0303", raw.at, path, message)
                            .help("the sinks read different rows: say which, `at = \"...\"`"),
                    );
                }
                let point = points.iter().find(|(name, _)| at.first() == Some(name));
                let behind = point.map_or_else(Behind::default, |(_, behind)| behind.clone());
                let seen = seen.with(width, &behind.schema);
                let expect = self.expectations(&test, &seen);
                let shown = |mut condition: Condition| {
                    let names = condition.columns.iter().filter_map(|name| {
                        let at = seen.plain.iter().position(|one| one.name == *name)?;
                        Some(seen.schema[at].name.to_string())
                    });
                    condition.columns = names.collect();
                    condition
                };
                let checked = Test {
                    options: test.options,
                    at: at.clone(),
                    expect,
                    none: test.none.into_iter().map(shown).collect(),
                    assert: test.assert,
                    behind,
                };
                self.node(&test.raw, at, checked)
            })
            .collect()
    }

    fn no_rows(&mut self, at: Span, path: &str, name: &str, nodes: &[String]) {
        let known = || nodes.iter().map(String::as_str);
        let help = did_you_mean(name, known())
            .unwrap_or_else(|| format!("rows are given by {}", list(known())));
        let message = format!("no node `{name}` gives rows");
        let fault = Diagnostic::new("E0801", at, path, message).help(help);
        self.found.push(match nearest(name, known())[..] {
            [one] => fault.edit(format!("\"{one}\"")),
            _ => fault,
        });
    }

    fn expectations(&mut self, test: &Written<'_>, seen: &Seen) -> Vec<Expected> {
        let Written {
            raw,
            options,
            expect,
            ..
        } = test;
        let Some(entry) = raw.entry("expect") else {
            return Vec::new();
        };
        let mut all = Vec::new();
        for (index, expectation) in options.expect.iter().enumerate() {
            let (steps, place) = item(&entry.value, index);
            let place = format!("{}.expect{place}", raw.path);
            let mut expected = Expected {
                condition: expect.get(index).cloned().flatten(),
                columns: Vec::new(),
            };
            for (name, setting) in expectation.0.iter().filter(|(name, _)| name != "where") {
                let mut steps = steps.clone();
                steps.push(Step::Key(name.clone()));
                let (value, key) = entry.value.inner(&steps);
                let place = format!("{place}.{name}");
                expected.columns.extend(
                    self.expectation(
                        name,
                        setting,
                        seen,
                        (value, key.unwrap_or(value.at)),
                        &place,
                    )
                    .map(|wanted| (name.clone(), wanted)),
                );
            }
            if expectation.0.iter().all(|(name, _)| name == "where") {
                let at = entry.value.inner(&steps).0.at;
                self.found.push(
                    Diagnostic::new("E0802", at, place, "nothing is said of these rows")
                        .help("write columns and their values: `{ dst_port = 53 }`"),
                );
            }
            all.push(expected);
        }
        all
    }

    /// What a column must be; `at` is its value and its name.
    fn expectation(
        &mut self,
        name: &str,
        setting: &Setting,
        seen: &Seen,
        (value, at): (&Value, Span),
        place: &str,
    ) -> Option<Wanted> {
        let Some(feature) = seen.schema.iter().find(|feature| feature.name == *name) else {
            let known = || seen.schema.iter().map(|feature| &*feature.name);
            let old = seen.plain.iter().position(|feature| feature.name == *name);
            let help = match old {
                Some(at) => format!("sinks call it `{}`", seen.schema[at].name),
                None => did_you_mean(name, known()).unwrap_or_else(|| {
                    "`jayflow explain` lists the columns of the rows".to_owned()
                }),
            };
            let message = format!("the rows have no column `{name}`");
            let fault = Diagnostic::new("E0801", at, place, message).help(help);
            self.found.push(match nearest(name, known())[..] {
                [one] if old.is_none() => fault.edit(one),
                _ => fault,
            });
            return None;
        };
        match wanted(&feature.data_type, setting) {
            Ok(wanted) => Some(wanted),
            Err(expected) => {
                let help = format!("`{name}`: {}", feature.definition);
                self.wrong_type(value, place, &expected, &help);
                None
            }
        }
    }
}

/// A condition over all rows together, as a view of one group.
fn assertion(text: &str, rows: &mut Rows) -> Result<Assertion, Box<Fault>> {
    let sides = match parse(text)?.kind {
        syntax::Kind::Binary(by, one, other) if by.compares() => [&one, &other]
            .map(|side| side.at.of(text).to_owned())
            .into(),
        _ => Vec::new(),
    };
    let mut made = |sides: &[String]| {
        let named = ["left", "right"].into_iter();
        let sides = named.zip(sides.iter().map(String::as_str));
        let form = GroupForm {
            inputs: 1,
            select: [("holds", text)].into_iter().chain(sides).collect(),
            ..GroupForm::default()
        };
        compile_group(&form, &rows.context, &mut rows.aggregates)
    };
    // sides that are no values of a view are not told
    let found = made(&sides).map(|rules| (rules, sides));
    let found = found.or_else(|_| made(&[]).map(|rules| (rules, Vec::new())));
    let (rules, sides) = found.map_err(|mut faults| Box::new(faults.swap_remove(0).1))?;
    let kind = rules
        .relations
        .first()
        .and_then(|made| made.columns.first());
    match kind.map(|column| &column.kind) {
        Some(Type::Bool) => Ok(Assertion {
            text: text.split_whitespace().collect::<Vec<_>>().join(" "),
            sides,
            rules,
        }),
        found => {
            let found = found.map_or_else(|| "nothing".to_owned(), Type::to_string);
            let at = syntax::Span {
                start: 0,
                end: text.len(),
            };
            let message = format!("`assert` needs a condition, found {found}");
            Err(Box::new(Fault::new("E0204", at, message)))
        }
    }
}

/// The nodes before the sinks of rows: what all of them read; none where they read different ones.
pub(super) fn before_sinks(sinks: &[Node<Sink>], features: &str) -> Vec<String> {
    let rows = sinks.iter().filter(|sink| sink.options.table.is_none());
    let mut inputs = rows.map(|sink| &sink.inputs);
    match inputs.next() {
        None => vec![features.to_owned()],
        Some(first) if inputs.all(|other| other == first) => first.clone(),
        Some(_) => Vec::new(),
    }
}

/// Where an item of a list is, or the value that stands for a list of one; and how its path goes on.
fn item(value: &Value, index: usize) -> (Vec<Step>, String) {
    match value.kind {
        Kind::List(_) => (vec![Step::Index(index)], format!("[{index}]")),
        _ => (Vec::new(), String::new()),
    }
}
