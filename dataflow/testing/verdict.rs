//! Rows against what a test says of them, and the differences in words: of a row only the columns that differ.

use super::options::Bound;
use super::wanted::{Wanted, equal};
use super::{Assertion, Condition};
use operators::expressions::Type;
use operators::views::rules;
use serde_json::{Map, Value};
use std::fmt::Write as _;

/// A row: values by column.
pub type Row = Map<String, Value>;

/// Differences of one kind that are shown; the rest is counted.
const SHOWN: usize = 5;

/// Whether there are as many rows as there must be.
pub fn count(bound: Option<Bound>, rows: usize) -> Option<String> {
    bound
        .filter(|bound| !bound.holds(rows))
        .map(|bound| format!("rows: {bound} expected, found {rows}"))
}

/// Whether some row has these values; else how the nearest one differs.
pub fn expect(index: usize, columns: &[(String, Wanted)], rows: &[Row]) -> Option<String> {
    let nearest = rows
        .iter()
        .enumerate()
        .map(|(at, row)| (differing(columns, row), at))
        .min_by_key(|(differing, _)| differing.len());
    match nearest {
        Some((differing, _)) if differing.is_empty() => None,
        Some((differing, at)) => {
            let line = at + 1;
            let mut text =
                format!("expect[{index}]: no row has these values; the nearest is row {line}\n");
            text.push_str(&table(["column", "expected", "found"], &differing));
            Some(text)
        }
        None => Some(format!("expect[{index}]: there are no rows")),
    }
}

/// Whether all of these rows have these values, and there is one; else how they differ.
pub fn every(index: usize, columns: &[(String, Wanted)], rows: &[Row]) -> Option<String> {
    if rows.is_empty() {
        return Some(format!("expect[{index}]: `where` is true for no row"));
    }
    let differing = rows.iter().filter_map(|row| {
        let differing = differing(columns, row);
        let is_right = differing.is_empty();
        (!is_right).then(|| table(["column", "expected", "found"], &differing))
    });
    let found: Vec<String> = differing.collect();
    let text = told(&found)?;
    let (wrong, all) = (found.len(), rows.len());
    Some(format!(
        "expect[{index}]: {wrong} of the {all} rows for which `where` is true have other values\n{text}"
    ))
}

/// Whether there is no such row; else what the first ones have.
pub fn none(index: usize, condition: &Condition, rows: &[Row]) -> Option<String> {
    let found: Vec<String> = rows
        .iter()
        .map(|row| {
            // of a condition over what is not written the row is known by its first columns
            let first = || row.keys().take(4).collect::<Vec<_>>();
            let names = match condition.columns.is_empty() {
                true => first(),
                false => condition.columns.iter().collect(),
            };
            let cells = names.into_iter().map(|name| {
                let value = row.get(name).unwrap_or(&Value::Null);
                format!("{name} {value}")
            });
            format!("  {}", cells.collect::<Vec<_>>().join(", "))
        })
        .collect();
    let text = told(&found)?;
    Some(format!(
        "none[{index}]: `{}` is true for {} rows\n{text}",
        condition.text,
        rows.len()
    ))
}

/// Whether an assertion is true of all rows; else what its sides are.
pub fn assert(index: usize, assertion: &Assertion, row: &Row) -> Option<String> {
    let value = |name: &str| row.get(name).unwrap_or(&Value::Null);
    let found = match value("holds") {
        Value::Bool(true) => return None,
        Value::Bool(false) => "false",
        _ => "null",
    };
    let mut text = format!("assert[{index}]: `{}` is {found}", assertion.text);
    for (nth, (name, side)) in ["left", "right"]
        .into_iter()
        .zip(&assertion.sides)
        .enumerate()
    {
        let before = [": ", ", "][nth];
        let _ = write!(text, "{before}{side} is {}", value(name));
    }
    Some(text)
}

/// What an assertion says where there are no rows.
pub fn of_nothing(assertion: &Assertion) -> Row {
    let words = rules::of_nothing(&assertion.rules);
    let made = assertion.rules.relations.first();
    let columns = made.into_iter().flat_map(|made| &made.columns);
    let cells = columns.map(|column| {
        let word = words.get(column.word).copied().unwrap_or(rules::NULL);
        let value = match &column.kind {
            _ if word == rules::NULL => Value::Null,
            Type::Bool => Value::Bool(word != 0),
            Type::Float => Value::from(f64::from_bits(word)),
            _ => Value::from(word.cast_signed()),
        };
        (column.name.clone(), value)
    });
    cells.collect()
}

/// The columns of a row that are not what they must be.
fn differing(columns: &[(String, Wanted)], row: &Row) -> Vec<(String, String, String)> {
    columns
        .iter()
        .filter_map(|(name, wanted)| {
            let value = row.get(name).unwrap_or(&Value::Null);
            (!wanted.fits(value)).then(|| (name.clone(), wanted.to_string(), value.to_string()))
        })
        .collect()
}

/// How the rows of two runs differ.
pub fn differ(one: &[Row], other: &[Row]) -> Option<String> {
    let mut found = Vec::new();
    if one.len() != other.len() {
        found.push(format!("{} rows, not {}", other.len(), one.len()));
    }
    for (at, (one, other)) in one.iter().zip(other).enumerate() {
        let columns: Vec<String> = one
            .iter()
            .filter(|(name, value)| other.get(*name) != Some(value))
            .map(|(name, value)| {
                let other = other.get(name).unwrap_or(&Value::Null);
                format!("{name} {value} and {other}")
            })
            .collect();
        if !columns.is_empty() {
            found.push(format!("row {}: {}", at + 1, columns.join(", ")));
        }
    }
    told(&found)
}

/// How a table of text differs from the one that was kept: its columns are a part of ours.
pub fn golden(kept: &Table, ours: &Table) -> Option<String> {
    let places: Result<Vec<usize>, &String> = kept
        .header
        .iter()
        .map(|name| ours.header.iter().position(|our| our == name).ok_or(name))
        .collect();
    let places = match places {
        Ok(places) => places,
        Err(name) => {
            return Some(format!(
                "the golden file has the column `{name}`, the rows have not"
            ));
        }
    };
    let mut found = Vec::new();
    if kept.rows.len() != ours.rows.len() {
        found.push(format!(
            "{} rows expected, found {}",
            kept.rows.len(),
            ours.rows.len()
        ));
    }
    for (at, (kept_row, our_row)) in kept.rows.iter().zip(&ours.rows).enumerate() {
        let cells = kept.header.iter().zip(kept_row).zip(&places);
        let differing: Vec<(String, String, String)> = cells
            .filter_map(|((name, kept), place)| {
                let our = our_row.get(*place).map_or("", String::as_str);
                (!same(kept, our)).then(|| (name.clone(), kept.clone(), our.to_owned()))
            })
            .collect();
        if !differing.is_empty() {
            let line = at + 1;
            found.push(format!(
                "row {line}\n{}",
                table(["column", "expected", "found"], &differing)
            ));
        }
    }
    told(&found)
}

/// Two cells: equal as text or, within 1e-9, as numbers.
fn same(one: &str, other: &str) -> bool {
    let number = |text: &str| serde_json::from_str(text).ok().filter(Value::is_number);
    match (number(one), number(other)) {
        (Some(one), Some(other)) => equal(&one, &other),
        _ => one == other,
    }
}

/// The cells of a CSV file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Table {
    /// Names of the columns.
    pub header: Vec<String>,
    /// Cells, in the order of the header.
    pub rows: Vec<Vec<String>>,
}

impl Table {
    /// Reads one.
    ///
    /// # Errors
    /// It is no CSV.
    pub fn read(bytes: &[u8]) -> Result<Self, csv::Error> {
        let mut reader = csv::ReaderBuilder::new()
            .has_headers(false)
            .from_reader(bytes);
        let mut lines = reader
            .records()
            .map(|line| line.map(|line| line.iter().map(str::to_owned).collect::<Vec<String>>()));
        let header = lines.next().transpose()?.unwrap_or_default();
        let rows = lines.collect::<Result<_, _>>()?;
        Ok(Self { header, rows })
    }

    /// The columns that `header` names, of those there are; as a CSV file.
    pub fn part(&self, header: &[String]) -> Vec<u8> {
        let places: Vec<usize> = header
            .iter()
            .filter_map(|name| self.header.iter().position(|our| our == name))
            .collect();
        let mut out = csv::Writer::from_writer(Vec::new());
        for row in std::iter::once(&self.header).chain(&self.rows) {
            let cells = places
                .iter()
                .map(|place| row.get(*place).map_or("", String::as_str));
            // into memory, with as many cells in each line
            let _ = out.write_record(cells);
        }
        out.into_inner().unwrap_or_default()
    }
}

/// The first few of several differences.
fn told(found: &[String]) -> Option<String> {
    let (shown, more) = found.split_at(found.len().min(SHOWN));
    let mut text = shown.join("\n");
    if !more.is_empty() {
        let _ = write!(text, "\nand {} more", more.len());
    }
    (!found.is_empty()).then_some(text)
}

/// A small table for people.
fn table(header: [&str; 3], rows: &[(String, String, String)]) -> String {
    let rows: Vec<[&str; 3]> = std::iter::once(header)
        .chain(rows.iter().map(|(a, b, c)| [a.as_str(), b, c]))
        .collect();
    let width = |at: usize| {
        let widths = rows.iter().map(|row| row[at].chars().count());
        widths.max().unwrap_or(0)
    };
    let (first, second) = (width(0), width(1));
    let lines: Vec<String> = rows
        .iter()
        .map(|[a, b, c]| format!("  {a:first$}  {b:second$}  {c}"))
        .collect();
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Bound;
    use crate::testing::options::Comparison;
    use serde_json::json;

    fn rows(values: &Value) -> Vec<Row> {
        let rows = values.as_array().into_iter().flatten();
        rows.filter_map(|row| row.as_object().cloned()).collect()
    }

    #[test]
    fn the_nearest_row_is_told_with_what_differs() {
        let rows = rows(&json!([
            {"a": 1, "b": "x", "c": null}, {"a": 2, "b": "y", "c": 0.5},
        ]));
        let is = |value: Value| Wanted::Is(value);
        let columns = [
            ("a".to_owned(), is(json!(2))),
            ("b".to_owned(), is(json!("z"))),
            ("c".to_owned(), Wanted::Compare(Comparison::More, 0.4)),
        ];
        let text = expect(3, &columns, &rows).unwrap();
        assert_eq!(
            text,
            "expect[3]: no row has these values; the nearest is row 2\n  column  expected  found\n  b       \"z\"       \"y\""
        );
        assert_eq!(expect(0, &columns[2..], &rows), None);
        assert_eq!(
            expect(0, &columns, &[]).as_deref(),
            Some("expect[0]: there are no rows")
        );
    }

    #[test]
    fn runs_and_counts() {
        let one = rows(&json!([{"a": 1, "b": 2}, {"a": 1, "b": 2}]));
        let other = rows(&json!([{"a": 1, "b": 3}]));
        assert_eq!(
            differ(&one, &other).as_deref(),
            Some("1 rows, not 2\nrow 1: b 2 and 3")
        );
        assert_eq!(differ(&one, &one), None);
        let bound = Some(Bound(Comparison::Equal, 3));
        assert_eq!(
            count(bound, 2).as_deref(),
            Some("rows: 3 expected, found 2")
        );
        assert_eq!(count(None, 2), None);
    }

    #[test]
    fn golden_files_may_have_some_columns() {
        let ours = Table::read(b"a,b,c\n1,x,0.5\n2,\"y,\",0.25\n").unwrap();
        let kept = Table::read(b"c,b\n0.5000000000001,x\n0.25,\"y,\"\n").unwrap();
        assert_eq!(golden(&kept, &ours), None);
        let kept = Table::read(b"c,b\n0.6,x\n0.25,z\n").unwrap();
        assert_eq!(
            golden(&kept, &ours).as_deref(),
            Some(
                "row 1\n  column  expected  found\n  c       0.6       0.5\nrow 2\n  column  expected  found\n  b       z         y,"
            )
        );
        let kept = Table::read(b"d\n1\n").unwrap();
        assert!(golden(&kept, &ours).unwrap().contains("column `d`"));
        assert_eq!(
            ours.part(&["c".to_owned(), "b".to_owned()]),
            b"c,b\n0.5,x\n0.25,\"y,\"\n"
        );
    }
}
