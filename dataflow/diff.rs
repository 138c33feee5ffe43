//! Two tables compared: rows by key, values with tolerances. Pure: the files are read elsewhere, and told in `cli/diff.rs`.
//!
//! Rows of one key are compared in the order in which they stand. Formats write values differently (`1` and `1.0`, an empty cell and an empty
//! text, a list in a cell and as JSON), so values are compared as what they mean.

use glob::Pattern;
use serde_json::Value;
use std::collections::{BTreeMap, HashMap};

/// The columns that name a row, where nothing else is said: the first of these lists that both tables have.
const KEYS: [&[&str]; 4] = [
    &["flow_id", "start_time"],
    &[
        "src_ip",
        "dst_ip",
        "src_port",
        "dst_port",
        "protocol",
        "start_time",
    ],
    &["src_ip", "dst_ip", "src_port", "dst_port", "protocol"],
    &["node"],
];

/// A table in memory: `None` is an empty cell.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Table {
    /// Names of the columns.
    pub names: Vec<String>,
    /// One entry a row, in which one a column.
    pub rows: Vec<Vec<Option<String>>>,
}

/// How tables are compared.
#[derive(Clone, Debug, Default)]
pub struct Rules {
    /// The columns that name a row; `None` = as usual, and by their order where there is nothing that names them.
    pub key: Option<Vec<String>>,
    /// Columns that do not matter.
    pub ignore: Vec<Pattern>,
    /// Numbers are equal within this share of the larger one.
    pub relative: f64,
    /// Numbers are equal within this.
    pub absolute: f64,
}

/// A column in which rows differ.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Differing {
    /// In how many rows.
    pub rows: u64,
    /// The largest difference, of numbers.
    pub largest: Option<f64>,
    /// The first ones: key, and both values.
    pub first: Vec<(String, String, String)>,
}

/// What differs.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Difference {
    /// The columns that name a row; none = their order does.
    pub key: Vec<String>,
    /// Rows that both tables have.
    pub compared: u64,
    /// Columns that were compared.
    pub columns: usize,
    /// Columns that one table alone has: of the first, of the second.
    pub only_columns: [Vec<String>; 2],
    /// The keys of rows that one table alone has.
    pub only_rows: [Vec<String>; 2],
    /// The columns in which rows differ, in the order of the first table.
    pub differing: Vec<(String, Differing)>,
}

/// Differences of a column that are kept to be shown.
const KEPT: usize = 20;

impl Difference {
    /// Whether the rows are the same in the columns that both tables have.
    pub fn is_none(&self) -> bool {
        self.only_rows.iter().all(Vec::is_empty) && self.differing.is_empty()
    }
}

/// Compares two tables.
///
/// # Errors
/// What the rules name is not in both of them, or they have no column in common.
pub fn compare(one: &Table, other: &Table, rules: &Rules) -> Result<Difference, String> {
    let is_ignored = |name: &str| rules.ignore.iter().any(|glob| glob.matches(name));
    let both = |name: &str| Some((place(one, name)?, place(other, name)?));
    let key = key(one, other, rules)?;
    let mut found = Difference {
        key: key.clone(),
        ..Difference::default()
    };
    for (tables, only) in [(one, other), (other, one)]
        .into_iter()
        .zip(&mut found.only_columns)
    {
        let (own, against) = tables;
        let names = own
            .names
            .iter()
            .filter(|name| place(against, name).is_none());
        only.extend(names.filter(|name| !is_ignored(name)).cloned());
    }
    let compared: Vec<(&String, (usize, usize))> = one
        .names
        .iter()
        .filter(|name| !is_ignored(name) && !key.contains(name))
        .filter_map(|name| Some((name, both(name)?)))
        .collect();
    found.columns = compared.len();
    if compared.is_empty() && key.is_empty() {
        return Err("the files have no column in common".to_owned());
    }
    let keys: Vec<(usize, usize)> = key.iter().filter_map(|name| both(name)).collect();
    let firsts: Vec<usize> = keys.iter().map(|(first, _)| *first).collect();
    let seconds: Vec<usize> = keys.iter().map(|(_, second)| *second).collect();
    // the rows of each key of the second table, the last one first
    let mut left: HashMap<Vec<String>, Vec<usize>> = HashMap::new();
    for row in (0..other.rows.len()).rev() {
        left.entry(key_of(other, row, &seconds))
            .or_default()
            .push(row);
    }
    let mut differing: BTreeMap<usize, Differing> = BTreeMap::new();
    for row in 0..one.rows.len() {
        let key = key_of(one, row, &firsts);
        let Some(against) = left.get_mut(&key).and_then(Vec::pop) else {
            found.only_rows[0].push(key.join(" "));
            continue;
        };
        found.compared += 1;
        for (at, (_, (first, second))) in compared.iter().enumerate() {
            let cell = |table: &Table, row: usize, column: usize| -> Option<String> {
                table.rows.get(row)?.get(column)?.clone()
            };
            let (a, b) = (cell(one, row, *first), cell(other, against, *second));
            let Some(difference) = differs(a.as_deref(), b.as_deref(), rules) else {
                continue;
            };
            let column = differing.entry(at).or_default();
            column.rows += 1;
            if let Some(difference) = difference {
                column.largest = Some(
                    column
                        .largest
                        .map_or(difference, |most| most.max(difference)),
                );
            }
            if column.first.len() < KEPT {
                let text = |cell: Option<String>| cell.unwrap_or_else(|| "null".to_owned());
                column.first.push((key.join(" "), text(a), text(b)));
            }
        }
    }
    let mut rest: Vec<usize> = left.values().flatten().copied().collect();
    rest.sort_unstable();
    let rest = rest
        .into_iter()
        .map(|row| key_of(other, row, &seconds).join(" "));
    found.only_rows[1].extend(rest);
    found.differing = differing
        .into_iter()
        .filter_map(|(at, one)| Some((compared.get(at)?.0.clone(), one)))
        .collect();
    Ok(found)
}

fn place(table: &Table, name: &str) -> Option<usize> {
    table.names.iter().position(|own| own == name)
}

/// The columns that name a row.
fn key(one: &Table, other: &Table, rules: &Rules) -> Result<Vec<String>, String> {
    let has = |name: &str| place(one, name).is_some() && place(other, name).is_some();
    match &rules.key {
        Some(names) => match names.iter().find(|name| !has(name)) {
            Some(name) => Err(format!(
                "the column `{name}` of the key is not in both files"
            )),
            None => Ok(names.clone()),
        },
        None => {
            let mut usual = KEYS
                .iter()
                .filter(|names| names.iter().all(|name| has(name)));
            let usual = usual.next().copied().unwrap_or_default();
            Ok(usual.iter().map(|name| (*name).to_owned()).collect())
        }
    }
}

/// The key of a row, or its number.
fn key_of(table: &Table, row: usize, key: &[usize]) -> Vec<String> {
    if key.is_empty() {
        return vec![format!("row {}", row + 1)];
    }
    let cells = key.iter().map(|column| {
        let cell = table.rows.get(row).and_then(|row| row.get(*column));
        canonical(cell.and_then(Option::as_deref).unwrap_or_default())
    });
    cells.collect()
}

/// A value of a key as all formats write it: numbers without zeros behind.
fn canonical(text: &str) -> String {
    let is_decimal = text.contains('.')
        && text
            .bytes()
            .all(|byte| byte.is_ascii_digit() || b".-".contains(&byte));
    match is_decimal && text.matches('.').count() == 1 {
        true => text.trim_end_matches('0').trim_end_matches('.').to_owned(),
        false => text.to_owned(),
    }
}

/// Whether two cells differ, and of numbers by how much.
fn differs(one: Option<&str>, other: Option<&str>, rules: &Rules) -> Option<Option<f64>> {
    let (one, other) = (one.unwrap_or_default(), other.unwrap_or_default());
    if one == other || canonical(one) == canonical(other) {
        return None;
    }
    let value = |text: &str| serde_json::from_str::<Value>(text).ok();
    match (value(one), value(other)) {
        (Some(a), Some(b)) => match distance(&a, &b, rules) {
            Some((_, true)) => None,
            Some((difference, false)) => Some(Some(difference)),
            None => Some(None),
        },
        _ => Some(None),
    }
}

/// How far values are apart at most, and whether that is within the tolerances; `None` = they are no numbers or lists of such, of one shape.
fn distance(one: &Value, other: &Value, rules: &Rules) -> Option<(f64, bool)> {
    match (one, other) {
        (Value::Number(a), Value::Number(b)) => {
            if let (Some(a), Some(b)) = (a.as_i128(), b.as_i128())
                && a == b
            {
                return Some((0.0, true));
            }
            let (a, b) = (a.as_f64()?, b.as_f64()?);
            let difference = (a - b).abs();
            let allowed = rules.absolute.max(rules.relative * a.abs().max(b.abs()));
            Some((difference, difference <= allowed))
        }
        (Value::Array(a), Value::Array(b)) if a.len() == b.len() => {
            let mut all = (0.0_f64, true);
            for (a, b) in a.iter().zip(b) {
                let (difference, is_near) = distance(a, b, rules)?;
                all = (all.0.max(difference), all.1 && is_near);
            }
            Some(all)
        }
        (Value::Object(a), Value::Object(b)) if a.len() == b.len() => {
            let mut all = (0.0_f64, true);
            for (name, a) in a {
                let (difference, is_near) = distance(a, b.get(name)?, rules)?;
                all = (all.0.max(difference), all.1 && is_near);
            }
            Some(all)
        }
        (a, b) => (a == b).then_some((0.0, true)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(text: &str) -> Table {
        let mut lines = text.lines().map(|line| line.split('|').map(str::trim));
        let names = lines.next().unwrap().map(str::to_owned).collect();
        let cell = |text: &str| (!text.is_empty()).then(|| text.to_owned());
        let rows = lines.map(|line| line.map(cell).collect()).collect();
        Table { names, rows }
    }

    fn rules() -> Rules {
        Rules {
            relative: 1e-9,
            ..Rules::default()
        }
    }

    #[test]
    fn rows_are_found_by_their_key_in_any_order() {
        let one = table("id|n|x\n1|5|0.5\n2|6|1.0\n2|7|\n4|1|[1,2]");
        let other =
            table("x|id|n|more\n|2|6|z\n1|2|7|z\n0.5000000000001|1|5|z\n9|3|9|z\n[1.0, 2]|4|1|z");
        let key = Rules {
            key: Some(vec!["id".to_owned()]),
            ..rules()
        };
        let found = compare(&one, &other, &key).unwrap();
        assert_eq!((found.compared, found.columns), (4, 2));
        assert_eq!(found.only_columns, [vec![], vec!["more".to_owned()]]);
        assert_eq!(found.only_rows, [vec![], vec!["3".to_owned()]]);
        let names: Vec<_> = found
            .differing
            .iter()
            .map(|(name, one)| (name.as_str(), one.rows))
            .collect();
        assert_eq!(names, [("x", 2)]);
        let first = ("2".to_owned(), "1.0".to_owned(), "null".to_owned());
        assert_eq!(found.differing[0].1.first[0], first);
        assert!(!found.is_none());
    }

    #[test]
    fn tolerances_and_what_is_ignored() {
        let one = table("src_ip|n|t\na|100|1.50\nb|1|x");
        let other = table("src_ip|n|t\na|101|1.5\nb|1|y");
        let with = |relative: f64, absolute: f64, ignore: &[&str]| {
            let rules = Rules {
                key: None,
                ignore: ignore
                    .iter()
                    .map(|glob| Pattern::new(glob).unwrap())
                    .collect(),
                relative,
                absolute,
            };
            let found = compare(&one, &other, &rules).unwrap();
            found
                .differing
                .into_iter()
                .map(|(name, one)| (name, one.largest))
                .collect::<Vec<_>>()
        };
        let n = ("n".to_owned(), Some(1.0));
        let t = ("t".to_owned(), None);
        assert_eq!(with(1e-9, 0.0, &[]), [n.clone(), t.clone()]);
        assert_eq!(with(0.02, 0.0, &[]), std::slice::from_ref(&t));
        assert_eq!(with(0.0, 1.0, &[]), [t]);
        assert_eq!(with(0.0, 0.0, &["t*"]), [n]);
    }

    #[test]
    fn without_a_key_the_order_counts() {
        let one = table("a\n1\n2\n3");
        let found = compare(&one, &table("a\n1\n3"), &rules()).unwrap();
        assert_eq!(found.key, [""; 0]);
        assert_eq!(found.only_rows[0], ["row 3"]);
        assert_eq!(found.differing[0].1.first[0].0, "row 2");
        assert!(compare(&one, &one, &rules()).unwrap().is_none());
        assert!(compare(&one, &table("b\n1"), &rules()).is_err());
        let wrong = Rules {
            key: Some(vec!["c".to_owned()]),
            ..rules()
        };
        assert!(compare(&one, &one, &wrong).unwrap_err().contains("`c`"));
    }

    #[test]
    fn times_of_all_formats_are_one_key() {
        for (one, other) in [
            ("1.500000000", "1.5"),
            ("2.000000000", "2"),
            ("-0.250", "-0.25"),
        ] {
            assert_eq!(canonical(one), canonical(other));
        }
        assert_eq!(canonical("10.0.0.10"), "10.0.0.10");
        assert_eq!(canonical("100"), "100");
    }
}
