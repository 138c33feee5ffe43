//! The form in which columns leave the flow operator: their order and names, and their sequences as lists, as padded lists, or as
//! columns of their own.
//!
//! No value is computed here. Groups know nothing of it: they give the columns that they declare, in the order of the catalogue.

use super::options::{FeaturesOptions, Missing};
use super::select::{Absence, Globs, SelectionError};
use crate::columns::{Column, Columns, Values, span};
use crate::schema::{DataType, Feature, Schema, Split};
use std::borrow::Cow;
use std::collections::BTreeSet;

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
    pad: Option<String>,
    /// The columns as they are, all in their order.
    is_plain: bool,
}

impl Shape {
    pub(super) fn new(
        picks: Vec<Pick>,
        schema: Schema,
        columns: usize,
        options: &FeaturesOptions,
    ) -> Self {
        let plain = (0..columns).map(Pick::whole);
        Self {
            is_plain: plain.eq(picks.iter().copied()),
            picks,
            schema,
            length: options.max_sequence_length,
            pad: options.pad.map(|pad| pad.to_string()),
        }
    }

    /// The rows of a batch in this form.
    #[must_use]
    pub fn apply(&self, rows: Columns) -> Columns {
        if self.is_plain {
            return rows;
        }
        let columns = self.picks.iter().zip(&self.schema).map(|(pick, feature)| {
            let column = &rows.columns[pick.column];
            match pick.form {
                Form::Whole => column.clone(),
                Form::Padded => self.padded(column, feature),
                Form::Entry(place, part) => self.entry(column, feature, place, part),
            }
        });
        Columns {
            columns: columns.collect(),
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
            for row in 0..ends.len() {
                let range = span(ends, row);
                let missing = self.length.saturating_sub(range.len());
                range.for_each(|at| out.push_from(&items, at));
                (0..missing).for_each(|_| self.push_pad(out));
                to.push(u32::try_from(out.len()).unwrap_or(u32::MAX));
            }
        }
        padded
    }

    /// Adds a value that stands for none to a list.
    fn push_pad(&self, out: &mut Column) {
        if let Values::Struct(parts) = &mut out.values {
            parts.iter_mut().for_each(|(_, part)| self.push_pad(part));
        } else if !self.pad.as_ref().is_some_and(|pad| out.push_text(pad)) {
            out.push_zero();
        }
    }

    fn entry(&self, list: &Column, feature: &Feature, place: usize, part: Option<usize>) -> Column {
        let mut entries = Column::new(&feature.data_type, feature.null.is_some());
        let Values::List { ends, items } = &list.values else {
            return entries;
        };
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
                None if feature.null.is_none() => self.push_pad(&mut entries),
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
pub(super) fn shaped(
    columns: &[Feature],
    options: &FeaturesOptions,
    errors: &mut Vec<SelectionError>,
) -> Vec<(Feature, Pick)> {
    let mut shaped = Vec::new();
    for column in ordered(columns, options, errors) {
        let mut feature = columns[column].clone();
        if let Some((_, name)) = options
            .rename
            .0
            .iter()
            .find(|(old, _)| *old == feature.name)
        {
            feature.name.clone_from(name);
        }
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
            );
            let form = Form::Padded;
            shaped.push((feature, Pick { column, form }));
        } else {
            shaped.push((feature, whole));
        }
    }
    unique(columns, &shaped, options, errors);
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
            feature.name = format!("{}_{place}{suffix}", list.name);
            feature.data_type = (*data_type).clone();
            feature.default = data_type.default().to_owned();
            feature.null = (options.pad.is_none() && options.missing == Missing::Null)
                .then(|| format!("{} has no such entry", list.name));
            let of = part.map_or(String::new(), |_| format!("{} of ", &suffix[1..]));
            feature.definition = format!(
                "{of}entry {place} of {}, from 0: {}",
                list.name, list.definition
            );
            feature.split = Split::No;
            feature.sequence = false;
            each(feature, Form::Entry(place, *part));
        }
    }
}

/// Places of the columns in the order that is asked for. Those that `order` does not name come at its `*`, or at the end.
fn ordered(
    columns: &[Feature],
    options: &FeaturesOptions,
    errors: &mut Vec<SelectionError>,
) -> Vec<usize> {
    let names = &options.order;
    let mut left: Vec<usize> = (0..columns.len()).collect();
    // what is named outright is taken by no glob
    let named: BTreeSet<&str> = names.iter().map(String::as_str).collect();
    let mut order = Vec::new();
    for (index, name) in names.iter().enumerate() {
        let globs = Globs::new(std::slice::from_ref(name));
        let is_meant = |at: &usize| {
            let column = columns[*at].name.as_str();
            column == name || globs.list(column) && !named.contains(column)
        };
        let is_known = columns.iter().any(|column| globs.list(&column.name));
        if !is_known {
            errors.push(left_out("order", Some(index), name, columns));
        }
        order.extend(left.iter().copied().filter(is_meant));
        left.retain(|at| !is_meant(at));
    }
    order.extend(left);
    order
}

/// A name that is none of the columns.
fn left_out(
    key: &'static str,
    index: Option<usize>,
    name: &str,
    columns: &[Feature],
) -> SelectionError {
    SelectionError {
        key,
        index,
        name: name.to_owned(),
        absence: Absence::LeftOut,
        valid: columns.iter().map(|column| column.name.clone()).collect(),
    }
}

/// Reports what `rename` names that is not there, and columns that would have one name.
fn unique(
    columns: &[Feature],
    shaped: &[(Feature, Pick)],
    options: &FeaturesOptions,
    errors: &mut Vec<SelectionError>,
) {
    for (old, new) in &options.rename.0 {
        if !columns.iter().any(|column| column.name == *old) {
            errors.push(left_out("rename", None, old, columns));
        }
        let same = |feature: &&(Feature, Pick)| feature.0.name == *new;
        if shaped.iter().filter(same).count() > 1 {
            errors.push(SelectionError {
                key: "rename",
                index: None,
                name: new.clone(),
                absence: Absence::Taken,
                valid: Vec::new(),
            });
        }
    }
}
