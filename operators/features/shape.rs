//! The form in which sequences leave the flow operator: as lists, as padded lists, or as columns of their own.
//!
//! No value is computed here. Groups know nothing of it: they give the columns that they declare. Names and order are what sinks
//! see (`seen.rs`), not here.

use super::options::{FeaturesOptions, Missing};
use super::seen::is_duration;
use crate::columns::{Column, Columns, Values, span};
use crate::schema::{DataType, Feature, Schema, Split};
use std::borrow::Cow;

/// Where a column of the rows comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Pick {
    /// Its place among the columns that the groups give.
    pub column: usize,
    form: Form,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    /// As the group gives it.
    Whole,
    /// A list, padded.
    Padded,
    /// An entry of a list, or a part of that.
    Entry(usize, Option<usize>),
}

impl Pick {
    /// A column as the group gives it.
    pub const fn whole(column: usize) -> Self {
        Self {
            column,
            form: Form::Whole,
        }
    }

    /// The same from another place.
    pub const fn at(self, column: usize) -> Self {
        Self { column, ..self }
    }
}

/// What makes rows of the columns that the groups give.
#[derive(Clone, Debug)]
pub struct Shape {
    picks: Vec<Pick>,
    /// The columns of the rows.
    schema: Schema,
    length: usize,
    /// What stands for none, and the same in a column of durations: in seconds that which is this number in the unit of the sinks.
    pads: Option<[String; 2]>,
    /// The columns as they are, all in their order.
    is_plain: bool,
    /// For each pick, whether no other one takes of its column.
    is_alone: Vec<bool>,
}

impl Shape {
    pub(super) fn new(
        picks: Vec<Pick>,
        schema: Schema,
        columns: usize,
        options: &FeaturesOptions,
    ) -> Self {
        let plain = (0..columns).map(Pick::whole);
        let mut readers = vec![0; columns];
        for pick in &picks {
            readers[pick.column] += 1;
        }
        Self {
            is_alone: picks.iter().map(|pick| readers[pick.column] == 1).collect(),
            is_plain: plain.eq(picks.iter().copied()),
            picks,
            schema,
            length: options.max_sequence_length,
            pads: options.pad.map(|pad| {
                let duration = pad as f64 / options.duration_unit.in_a_second();
                [pad.to_string(), duration.to_string()]
            }),
        }
    }

    /// The rows of a batch that extractors made, in this form.
    #[must_use]
    pub fn apply(&self, mut rows: Columns) -> Columns {
        rows.even();
        if self.is_plain {
            return rows;
        }
        let picks = self.picks.iter().zip(&self.is_alone);
        let columns = picks.zip(&self.schema).map(|((pick, is_alone), feature)| {
            let column = &mut rows.columns[pick.column];
            match pick.form {
                Form::Whole if *is_alone => {
                    let emptied = column.emptied();
                    std::mem::replace(column, emptied)
                }
                Form::Whole => column.clone(),
                Form::Padded => self.padded(column, feature),
                Form::Entry(place, part) => self.entry(column, feature, place, part),
            }
        });
        let columns = columns.collect();
        Columns {
            columns,
            edges: rows.edges,
            keys: rows.keys,
        }
    }

    fn padded(&self, list: &Column, feature: &Feature) -> Column {
        let mut padded = Column::new(&feature.data_type, false);
        if let (
            Values::List { ends, items },
            Values::List {
                ends: to,
                items: out,
            },
        ) = (&list.values, &mut padded.values)
        {
            let items = widened(items, out);
            let pad = self.pad(feature);
            for row in 0..ends.len() {
                let range = span(ends, row);
                let missing = self.length.saturating_sub(range.len());
                range.for_each(|at| out.push_from(&items, at));
                (0..missing).for_each(|_| push_pad(out, pad));
                to.push(u32::try_from(out.len()).unwrap_or(u32::MAX));
            }
        }
        padded
    }

    /// What stands for none in this column.
    fn pad(&self, feature: &Feature) -> Option<&str> {
        let pads = self.pads.as_ref()?;
        Some(&pads[usize::from(is_duration(feature))])
    }

    fn entry(&self, list: &Column, feature: &Feature, place: usize, part: Option<usize>) -> Column {
        let mut entries = Column::new(&feature.data_type, feature.null.is_some());
        let Values::List { ends, items } = &list.values else {
            return entries;
        };
        let pad = self.pad(feature);
        let items = match (part, &items.values) {
            (Some(part), Values::Struct(parts)) => parts.get(part).map(|(_, part)| part),
            _ => Some(&**items),
        };
        let Some(items) = items.map(|items| widened(items, &entries)) else {
            return entries;
        };
        for row in 0..ends.len() {
            match span(ends, row).nth(place) {
                Some(at) => entries.push_from(&items, at),
                None if feature.null.is_none() => push_pad(&mut entries, pad),
                None => {
                    entries.push_zero();
                    if let Some(valid) = &mut entries.valid {
                        valid.push(false);
                    }
                }
            }
        }
        entries
    }
}

/// Adds a value that stands for none.
fn push_pad(out: &mut Column, pad: Option<&str>) {
    if let Values::Struct(parts) = &mut out.values {
        parts.iter_mut().for_each(|(_, part)| push_pad(part, pad));
    } else if !pad.is_some_and(|pad| out.push_text(pad)) {
        out.push_zero();
    }
}

/// A column of the type of another one, which has the same values or wider whole numbers.
fn widened<'a>(column: &'a Column, like: &Column) -> Cow<'a, Column> {
    fn wide<A: Copy, B: From<A>>(values: &[A]) -> Vec<B> {
        values.iter().map(|value| B::from(*value)).collect()
    }
    let values = match (&column.values, &like.values) {
        (Values::U8(from), Values::I16(_)) => Values::I16(wide(from)),
        (Values::U16(from), Values::I32(_)) => Values::I32(wide(from)),
        (Values::U32(from), Values::I64(_)) => Values::I64(wide(from)),
        (Values::Struct(from), Values::Struct(to)) => Values::Struct(
            from.iter()
                .zip(to)
                .map(|((name, from), (_, to))| (name.clone(), widened(from, to).into_owned()))
                .collect(),
        ),
        _ => return Cow::Borrowed(column),
    };
    let valid = column.valid.clone();
    Cow::Owned(Column { values, valid })
}

/// The type of values among which a negative number may stand.
fn signed(data_type: &DataType) -> DataType {
    match data_type {
        DataType::U8 => DataType::I16,
        DataType::U16 => DataType::I32,
        DataType::U32 => DataType::I64,
        DataType::Struct(parts) => DataType::Struct(
            parts
                .iter()
                .map(|(name, part)| (name.clone(), signed(part)))
                .collect(),
        ),
        other => other.clone(),
    }
}

/// The columns of the rows, from those that the groups give.
pub(super) fn shaped(columns: &[Feature], options: &FeaturesOptions) -> Vec<(Feature, Pick)> {
    let mut shaped = Vec::new();
    for (column, feature) in columns.iter().enumerate() {
        let mut feature = feature.clone();
        let whole = Pick::whole(column);
        let item = match &feature.data_type {
            DataType::List(item) if feature.sequence => (**item).clone(),
            _ => {
                shaped.push((feature, whole));
                continue;
            }
        };
        let item = if options.pad.is_some_and(|pad| pad < 0) {
            signed(&item)
        } else {
            item
        };
        if options.explode {
            entries(&feature, &item, options, |feature, form| {
                shaped.push((feature, Pick { column, form }));
            });
        } else if let Some(pad) = options.pad {
            feature.data_type = DataType::List(Box::new(item));
            feature.definition = format!(
                "{} Padded with {pad} to max_sequence_length entries.",
                feature.definition
            )
            .into();
            let form = Form::Padded;
            shaped.push((feature, Pick { column, form }));
        } else {
            shaped.push((feature, whole));
        }
    }
    shaped
}

/// The columns of the entries of a list.
fn entries(
    list: &Feature,
    item: &DataType,
    options: &FeaturesOptions,
    mut each: impl FnMut(Feature, Form),
) {
    let parts: Vec<(Option<usize>, String, &DataType)> = match item {
        DataType::Struct(parts) => (parts.iter().enumerate())
            .map(|(at, (name, part))| (Some(at), format!("_{name}"), part))
            .collect(),
        plain => vec![(None, String::new(), plain)],
    };
    for place in 0..options.max_sequence_length {
        for (part, suffix, data_type) in &parts {
            let mut feature = list.clone();
            feature.name = format!("{}_{place}{suffix}", list.name).into();
            feature.data_type = (*data_type).clone();
            feature.default = data_type.default().into();
            feature.null = (options.pad.is_none() && options.missing == Missing::Null)
                .then(|| format!("{} has no such entry", list.name).into());
            let of = part.map_or(String::new(), |_| format!("{} of ", &suffix[1..]));
            feature.definition = format!(
                "{of}entry {place} of {}, from 0: {}",
                list.name, list.definition
            )
            .into();
            feature.split = Split::No;
            feature.sequence = false;
            each(feature, Form::Entry(place, *part));
        }
    }
}
