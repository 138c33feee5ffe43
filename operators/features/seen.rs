//! What sinks see of the rows: the order and the names of the columns, and the unit of durations.
//!
//! Rows travel with the names of the catalogue, durations in seconds, first the features and behind them what is derived: filters,
//! conditions and other expressions read them so, whatever `order`, `rename` and `duration_unit` say. A sink takes its columns out
//! of these rows ([`Projection`]) and sees them as [`FeaturesOptions::arrange`] says. Nothing here is on the way of rows that use
//! none of the three settings.

use super::options::FeaturesOptions;
use super::select::{Absence, Globs, SelectionError};
use crate::columns::{Column, Columns, Values};
use crate::options::Options;
use crate::schema::{DataType, Feature, Schema};
use std::collections::{HashMap, HashSet};

/// The unit of durations in what sinks write.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Options)]
pub enum DurationUnit {
    /// Seconds, as they are computed.
    #[default]
    S,
    /// Milliseconds.
    Ms,
    /// Microseconds.
    Us,
    /// Nanoseconds, whole numbers.
    Ns,
}

impl DurationUnit {
    /// How many of them are a second.
    pub const fn in_a_second(self) -> f64 {
        match self {
            Self::S => 1.0,
            Self::Ms => 1e3,
            Self::Us => 1e6,
            Self::Ns => 1e9,
        }
    }

    /// A duration in seconds. What is a whole number of nanoseconds, as differences of times are, is exactly that many of them in
    /// each unit: 0.001234 s are 1234 us, where the product is 1233.9999999999998.
    pub fn of_seconds(self, seconds: f64) -> f64 {
        let ns = (seconds * 1e9).round();
        match self {
            Self::S => seconds,
            Self::Ns => ns,
            _ if ns / 1e9 == seconds => ns / (1e9 / self.in_a_second()),
            _ => seconds * self.in_a_second(),
        }
    }

    /// The declaration of a column in this unit, if it is one of durations.
    fn declared(self, feature: &Feature) -> Option<Feature> {
        if self == Self::S || !is_duration(feature) {
            return None;
        }
        let mut feature = feature.clone();
        feature.unit = self.name().into();
        // an information element means one unit
        feature.element = None;
        if self == Self::Ns {
            feature.data_type = match feature.data_type {
                DataType::List(_) => DataType::List(Box::new(DataType::I64)),
                _ => DataType::I64,
            };
        }
        Some(feature)
    }

    /// Turns a column of durations in seconds into this unit.
    fn convert(self, column: &mut Column) {
        match &mut column.values {
            Values::F64(seconds) if self == Self::Ns => {
                column.values = Values::I64(seconds.iter().copied().map(whole).collect());
            }
            Values::F64(seconds) => {
                for value in seconds {
                    *value = self.of_seconds(*value);
                }
            }
            Values::List { items, .. } => self.convert(items),
            _ => {}
        }
    }
}

#[expect(
    clippy::cast_possible_truncation,
    reason = "a whole number; what is beyond an int becomes the largest one"
)]
fn whole(seconds: f64) -> i64 {
    DurationUnit::Ns.of_seconds(seconds) as i64
}

/// Whether a column has durations, as expressions see it too. The parts of `splt` stay as they are defined.
pub(super) fn is_duration(feature: &Feature) -> bool {
    let is_float = match &feature.data_type {
        DataType::List(item) => **item == DataType::F64,
        plain => *plain == DataType::F64,
    };
    is_float && feature.unit == "s"
}

/// A column of the rows that sinks may write.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Offered {
    /// Where it is in the rows.
    pub place: usize,
    /// The name that settings know it by: that of the catalogue, also of the list that it is an entry of, or of a derived column.
    pub base: String,
    /// Its declaration there.
    pub feature: Feature,
}

/// The columns that sinks may write, in their order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Seen {
    /// Where each is in the rows.
    pub places: Vec<usize>,
    /// Their declarations in the rows.
    pub plain: Schema,
    /// Their declarations as sinks see them.
    pub schema: Schema,
}

impl Seen {
    /// The same with columns behind them that sinks see as they are; `width` is the place of the first.
    #[must_use]
    pub fn with(&self, width: usize, behind: &Schema) -> Self {
        let mut all = self.clone();
        all.places.extend(width..width + behind.len());
        all.plain.extend(behind.iter().cloned());
        all.schema.extend(behind.iter().cloned());
        all
    }
}

impl FeaturesOptions {
    /// The columns that sinks may write, in the order, with the names and in the unit that these settings ask for; and every name
    /// in `order` and `rename` that stands for none, or for two.
    pub fn arrange(&self, offered: Vec<Offered>) -> (Seen, Vec<SelectionError>) {
        let mut errors = Vec::new();
        let mut shown = Seen::default();
        let names: HashMap<&str, (usize, &str)> = (self.rename.0.iter().enumerate())
            .map(|(index, (old, new))| (old.as_str(), (index, new.as_str())))
            .collect();
        let mut used = HashSet::new();
        // for each name, which entry of `rename` gave it
        let mut taken: HashMap<String, Option<usize>> = HashMap::new();
        let order = self.ordered(&offered, &mut errors);
        for at in order {
            let Offered {
                place,
                base,
                feature,
            } = &offered[at];
            let mut seen =
                (self.duration_unit.declared(feature)).unwrap_or_else(|| feature.clone());
            let own = names.get(&*feature.name);
            let renamed = own.or_else(|| names.get(base.as_str()));
            if let Some((index, new)) = renamed {
                used.insert(*index);
                // entries of a list keep their numbers
                let end = feature.name.strip_prefix(base.as_str());
                let end = end.filter(|_| own.is_none()).unwrap_or_default();
                seen.name = format!("{new}{end}").into();
            }
            let index = renamed.map(|(index, _)| *index);
            if let Some(other) = taken.insert(seen.name.to_string(), index) {
                let (key, index) = match index.or(other) {
                    Some(index) => ("rename", Some(index)),
                    None => ("derive", None),
                };
                errors.push(SelectionError {
                    key,
                    index,
                    name: seen.name.to_string(),
                    absence: Absence::Taken,
                    valid: Vec::new(),
                });
            }
            shown.places.push(*place);
            shown.plain.push(feature.clone());
            shown.schema.push(seen);
        }
        for (index, (old, _)) in self.rename.0.iter().enumerate() {
            if !used.contains(&index) {
                errors.push(self.left_out("rename", index, old, &offered));
            }
        }
        (shown, errors)
    }

    /// Places of the columns in the order that is asked for. Those that `order` does not name come at its `*`, or at the end.
    fn ordered(&self, offered: &[Offered], errors: &mut Vec<SelectionError>) -> Vec<usize> {
        let mut by_name: HashMap<&str, Vec<usize>> = HashMap::new();
        for (at, column) in offered.iter().enumerate() {
            by_name.entry(&column.base).or_default().push(at);
            if column.feature.name != column.base {
                by_name.entry(&column.feature.name).or_default().push(at);
            }
        }
        // what is named outright is taken by no glob
        let names = self.order.iter().map(String::as_str);
        let named: HashSet<usize> = names
            .filter_map(|name| by_name.get(name))
            .flatten()
            .copied()
            .collect();
        let mut is_left = vec![true; offered.len()];
        let mut order = Vec::with_capacity(offered.len());
        for (index, name) in self.order.iter().enumerate() {
            let (meant, is_known) = match by_name.get(name.as_str()) {
                Some(found) => (found.clone(), true),
                None => {
                    let globs = Globs::new(std::slice::from_ref(name));
                    let fits = |at: &usize| {
                        let column = &offered[*at];
                        globs.list(&column.base) || globs.list(&column.feature.name)
                    };
                    let found: Vec<usize> = (0..offered.len()).filter(fits).collect();
                    let is_known = !found.is_empty();
                    let free = found.into_iter().filter(|at| !named.contains(at));
                    (free.collect(), is_known)
                }
            };
            if !is_known {
                errors.push(self.left_out("order", index, name, offered));
            }
            order.extend(
                meant
                    .into_iter()
                    .filter(|at| std::mem::take(&mut is_left[*at])),
            );
        }
        order.extend((0..offered.len()).filter(|at| is_left[*at]));
        order
    }

    /// A name that is none of the columns.
    fn left_out(
        &self,
        key: &'static str,
        index: usize,
        name: &str,
        offered: &[Offered],
    ) -> SelectionError {
        let mut renames = self.rename.0.iter();
        let renamed = renames.find(|(old, new)| new == name && old != name);
        SelectionError {
            key,
            index: Some(index),
            name: name.to_owned(),
            absence: match renamed {
                Some((old, _)) => Absence::Renamed(old.clone()),
                None => Absence::LeftOut,
            },
            valid: offered.iter().map(|column| column.base.clone()).collect(),
        }
    }
}

/// What a sink takes of the rows.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Projection {
    /// Where its columns are in the rows.
    places: Vec<usize>,
    unit: DurationUnit,
    /// Which of its columns have durations.
    durations: Vec<usize>,
}

impl From<Vec<usize>> for Projection {
    /// Columns as they are.
    fn from(places: Vec<usize>) -> Self {
        Self {
            places,
            ..Self::default()
        }
    }
}

impl Projection {
    /// The columns at these places, which their sink sees as `schema` in a unit of durations.
    pub fn new(places: Vec<usize>, schema: &[Feature], unit: DurationUnit) -> Self {
        let in_unit = |feature: &Feature| unit != DurationUnit::S && feature.unit == unit.name();
        let columns = schema.iter().enumerate();
        let durations = columns.filter(|(_, feature)| in_unit(feature));
        Self {
            durations: durations.map(|(at, _)| at).collect(),
            places,
            unit,
        }
    }

    /// The rows as the sink sees them.
    #[must_use]
    pub fn of(&self, rows: Columns) -> Columns {
        let mut rows = rows.select(&self.places);
        for at in &self.durations {
            if let Some(column) = rows.columns.get_mut(*at) {
                self.unit.convert(column);
            }
        }
        rows
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::features::catalogue;

    #[test]
    fn whole_nanoseconds_are_exact_in_every_unit() {
        let all = [
            (0.001_234, 1.234, 1_234.0, 1_234_000.0),
            (0.1, 100.0, 100_000.0, 1e8),
            (1.000_000_001, 1_000.000_001, 1_000_000.001, 1_000_000_001.0),
            (0.0, 0.0, 0.0, 0.0),
            (-0.000_001, -0.001, -1.0, -1_000.0),
        ];
        for (s, ms, us, ns) in all {
            let of = |unit: DurationUnit| unit.of_seconds(s);
            assert_eq!(of(DurationUnit::S), s);
            assert_eq!(of(DurationUnit::Ms), ms);
            assert_eq!(of(DurationUnit::Us), us);
            assert_eq!(of(DurationUnit::Ns), ns);
        }
        // a mean has parts of nanoseconds, which stay
        let third = 1e-6 / 3.0;
        assert!((DurationUnit::Us.of_seconds(third) - 1.0 / 3.0).abs() < 1e-15);
        assert_eq!(whole(third), 333);
        assert_eq!(whole(f64::MAX), i64::MAX);
    }

    #[test]
    fn no_column_has_another_unit_of_durations() {
        for feature in catalogue() {
            let unit = &*feature.unit;
            assert!(!["ms", "us", "ns"].contains(&unit), "{}", feature.name);
        }
    }

    #[test]
    fn lists_and_nulls_stay_what_they_are() {
        let floats = |values: &[f64], valid: Option<Vec<bool>>| Column {
            values: Values::F64(values.to_vec()),
            valid,
        };
        let mut plain = floats(&[0.5, 0.0], Some(vec![true, false]));
        DurationUnit::Ns.convert(&mut plain);
        assert_eq!(plain.values, Values::I64(vec![500_000_000, 0]));
        assert_eq!(plain.valid, Some(vec![true, false]));
        let mut list = Column {
            values: Values::List {
                ends: vec![1, 1],
                items: Box::new(floats(&[0.25], None)),
            },
            valid: None,
        };
        DurationUnit::Ms.convert(&mut list);
        let items = Box::new(floats(&[250.0], None));
        let ends = vec![1, 1];
        assert_eq!(list.values, Values::List { ends, items });
    }
}
