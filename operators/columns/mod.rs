//! Rows in columns, Arrow-shaped: what the flow operator makes and sinks write.

mod address;
mod packed;
mod raw;
mod view;
mod writer;

pub use address::Address;
pub use packed::{Packed, PackedColumns, Ranks};
use view::Valid;
pub use view::{Batch, View};
pub use writer::{Id, Item, RowWriter, Time};

use crate::schema::{DataType, Schema};
use rayon::iter::{
    IndexedParallelIterator as _, IntoParallelRefMutIterator as _, ParallelIterator as _,
};
use serde::{Deserialize, Serialize};

/// The values of one column, one entry a row. Null rows hold a zero value here and `false` in [`Column::valid`].
#[expect(missing_docs, reason = "the variants are those of DataType")]
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Values {
    Bool(#[serde(with = "raw::bools")] Vec<bool>),
    U8(#[serde(with = "raw")] Vec<u8>),
    U16(#[serde(with = "raw")] Vec<u16>),
    U32(#[serde(with = "raw")] Vec<u32>),
    U64(#[serde(with = "raw")] Vec<u64>),
    I8(#[serde(with = "raw")] Vec<i8>),
    I16(#[serde(with = "raw")] Vec<i16>),
    I32(#[serde(with = "raw")] Vec<i32>),
    I64(#[serde(with = "raw")] Vec<i64>),
    F64(#[serde(with = "raw")] Vec<f64>),
    /// `ends[i]` is the end of row i in `bytes`; it starts at the end of the row before.
    Text {
        #[serde(with = "raw")]
        ends: Vec<u32>,
        #[serde(with = "raw")]
        bytes: Vec<u8>,
    },
    Address(#[serde(with = "raw")] Vec<Address>),
    Id(#[serde(with = "raw")] Vec<[u8; 16]>),
    /// Nanoseconds since 1970.
    Time(#[serde(with = "raw")] Vec<i64>),
    /// `ends[i]` is the end of row i in `items`.
    List {
        #[serde(with = "raw")]
        ends: Vec<u32>,
        items: Box<Column>,
    },
    Struct(Vec<(String, Column)>),
}

/// One column of a batch of rows.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Column {
    /// The values.
    pub values: Values,
    /// One entry a row, `false` = null; `None` = no row is null.
    #[serde(with = "raw::mask")]
    pub valid: Option<Vec<bool>>,
}

impl Column {
    /// An empty column of this type.
    pub fn new(data_type: &DataType, nullable: bool) -> Self {
        let values = match data_type {
            DataType::Bool => Values::Bool(Vec::new()),
            DataType::U8 => Values::U8(Vec::new()),
            DataType::U16 => Values::U16(Vec::new()),
            DataType::U32 => Values::U32(Vec::new()),
            DataType::U64 => Values::U64(Vec::new()),
            DataType::I8 => Values::I8(Vec::new()),
            DataType::I16 => Values::I16(Vec::new()),
            DataType::I32 => Values::I32(Vec::new()),
            DataType::I64 => Values::I64(Vec::new()),
            DataType::F64 => Values::F64(Vec::new()),
            DataType::Text => Values::Text {
                ends: Vec::new(),
                bytes: Vec::new(),
            },
            DataType::Address => Values::Address(Vec::new()),
            DataType::Id => Values::Id(Vec::new()),
            DataType::Time => Values::Time(Vec::new()),
            DataType::List(item) => Values::List {
                ends: Vec::new(),
                items: Box::new(Self::new(item, false)),
            },
            DataType::Struct(parts) => Values::Struct(
                parts
                    .iter()
                    .map(|(name, part)| (name.clone(), Self::new(part, false)))
                    .collect(),
            ),
        };
        Self {
            values,
            valid: nullable.then(Vec::new),
        }
    }

    /// A column of the same type without rows.
    #[must_use]
    pub fn emptied(&self) -> Self {
        let values = match &self.values {
            Values::Bool(_) => Values::Bool(Vec::new()),
            Values::U8(_) => Values::U8(Vec::new()),
            Values::U16(_) => Values::U16(Vec::new()),
            Values::U32(_) => Values::U32(Vec::new()),
            Values::U64(_) => Values::U64(Vec::new()),
            Values::I8(_) => Values::I8(Vec::new()),
            Values::I16(_) => Values::I16(Vec::new()),
            Values::I32(_) => Values::I32(Vec::new()),
            Values::I64(_) => Values::I64(Vec::new()),
            Values::F64(_) => Values::F64(Vec::new()),
            Values::Text { .. } => Values::Text {
                ends: Vec::new(),
                bytes: Vec::new(),
            },
            Values::Address(_) => Values::Address(Vec::new()),
            Values::Id(_) => Values::Id(Vec::new()),
            Values::Time(_) => Values::Time(Vec::new()),
            Values::List { items, .. } => Values::List {
                ends: Vec::new(),
                items: Box::new(items.emptied()),
            },
            Values::Struct(parts) => Values::Struct(
                parts
                    .iter()
                    .map(|(name, part)| (name.clone(), part.emptied()))
                    .collect(),
            ),
        };
        Self {
            values,
            valid: self.valid.as_ref().map(|_| Vec::new()),
        }
    }

    /// Makes room for as many more rows; what texts and lists hold is not known.
    fn reserve(&mut self, rows: usize) {
        match &mut self.values {
            Values::Bool(v) => v.reserve(rows),
            Values::U8(v) => v.reserve(rows),
            Values::U16(v) => v.reserve(rows),
            Values::U32(v) => v.reserve(rows),
            Values::U64(v) => v.reserve(rows),
            Values::I8(v) => v.reserve(rows),
            Values::I16(v) => v.reserve(rows),
            Values::I32(v) => v.reserve(rows),
            Values::F64(v) => v.reserve(rows),
            Values::Text { ends, .. } | Values::List { ends, .. } => ends.reserve(rows),
            Values::Address(v) => v.reserve(rows),
            Values::Id(v) => v.reserve(rows),
            Values::I64(v) | Values::Time(v) => v.reserve(rows),
            Values::Struct(parts) => parts.iter_mut().for_each(|(_, part)| part.reserve(rows)),
        }
        if let Some(valid) = &mut self.valid {
            valid.reserve(rows);
        }
    }

    /// Number of rows.
    pub fn len(&self) -> usize {
        self.values.len()
    }

    /// Whether it has no row.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Whether row `row` is null.
    pub fn is_null(&self, row: usize) -> bool {
        self.valid
            .as_ref()
            .is_some_and(|valid| !valid.get(row).copied().unwrap_or(false))
    }

    /// Adds a row of the type's zero value: the value under a null.
    pub fn push_zero(&mut self) {
        match &mut self.values {
            Values::Bool(v) => v.push(false),
            Values::U8(v) => v.push(0),
            Values::U16(v) => v.push(0),
            Values::U32(v) => v.push(0),
            Values::U64(v) => v.push(0),
            Values::I8(v) => v.push(0),
            Values::I16(v) => v.push(0),
            Values::I32(v) => v.push(0),
            Values::F64(v) => v.push(0.0),
            Values::Text { ends, bytes } => ends.push(offset(bytes.len())),
            Values::Address(v) => v.push(Address::ZERO),
            Values::Id(v) => v.push([0; 16]),
            Values::I64(v) | Values::Time(v) => v.push(0),
            Values::List { ends, items } => ends.push(offset(items.len())),
            Values::Struct(parts) => parts.iter_mut().for_each(|(_, part)| part.push_zero()),
        }
    }

    /// Adds nulls up to this number of rows.
    #[cold]
    fn pad(&mut self, rows: usize) {
        match &mut self.values {
            Values::Bool(v) => v.resize(rows, false),
            Values::U8(v) => v.resize(rows, 0),
            Values::U16(v) => v.resize(rows, 0),
            Values::U32(v) => v.resize(rows, 0),
            Values::U64(v) => v.resize(rows, 0),
            Values::I8(v) => v.resize(rows, 0),
            Values::I16(v) => v.resize(rows, 0),
            Values::I32(v) => v.resize(rows, 0),
            Values::F64(v) => v.resize(rows, 0.0),
            Values::Text { ends, bytes } => ends.resize(rows, offset(bytes.len())),
            Values::Address(v) => v.resize(rows, Address::ZERO),
            Values::Id(v) => v.resize(rows, [0; 16]),
            Values::I64(v) | Values::Time(v) => v.resize(rows, 0),
            Values::List { ends, items } => ends.resize(rows, offset(items.len())),
            Values::Struct(parts) => parts.iter_mut().for_each(|(_, part)| part.pad(rows)),
        }
        if let Some(valid) = &mut self.valid {
            valid.resize(rows, false);
        }
    }

    /// Adds the value that `text` stands for in a declaration: a number, `true`, `[]`, or the text itself. Adds nothing and gives
    /// `false` where it stands for none, as the empty text does in a column of numbers.
    pub fn push_text(&mut self, text: &str) -> bool {
        fn read<T: std::str::FromStr>(text: &str, values: &mut Vec<T>) -> bool {
            text.parse().map(|value| values.push(value)).is_ok()
        }
        let added = match &mut self.values {
            Values::Bool(v) => read(text, v),
            Values::U8(v) => read(text, v),
            Values::U16(v) => read(text, v),
            Values::U32(v) => read(text, v),
            Values::U64(v) => read(text, v),
            Values::I8(v) => read(text, v),
            Values::I16(v) => read(text, v),
            Values::I32(v) => read(text, v),
            Values::I64(v) => read(text, v),
            Values::F64(v) => read(text, v),
            Values::Text { ends, bytes } => {
                bytes.extend_from_slice(text.as_bytes());
                ends.push(offset(bytes.len()));
                true
            }
            Values::List { ends, items } if text == "[]" => {
                ends.push(offset(items.len()));
                true
            }
            Values::List { .. }
            | Values::Address(_)
            | Values::Id(_)
            | Values::Time(_)
            | Values::Struct(_) => false,
        };
        if added && let Some(valid) = &mut self.valid {
            valid.push(true);
        }
        added
    }

    /// Adds row `row` of `other`, a column of the same type.
    ///
    /// # Panics
    /// If the types differ: both columns come from one schema.
    pub fn push_from(&mut self, other: &Self, row: usize) {
        match (&mut self.values, &other.values) {
            (Values::Bool(to), Values::Bool(from)) => to.push(from[row]),
            (Values::U8(to), Values::U8(from)) => to.push(from[row]),
            (Values::U16(to), Values::U16(from)) => to.push(from[row]),
            (Values::U32(to), Values::U32(from)) => to.push(from[row]),
            (Values::U64(to), Values::U64(from)) => to.push(from[row]),
            (Values::I8(to), Values::I8(from)) => to.push(from[row]),
            (Values::I16(to), Values::I16(from)) => to.push(from[row]),
            (Values::I32(to), Values::I32(from)) => to.push(from[row]),
            (Values::F64(to), Values::F64(from)) => to.push(from[row]),
            (Values::Address(to), Values::Address(from)) => to.push(from[row]),
            (Values::Id(to), Values::Id(from)) => to.push(from[row]),
            (Values::I64(to), Values::I64(from)) | (Values::Time(to), Values::Time(from)) => {
                to.push(from[row])
            }
            (
                Values::Text { ends, bytes },
                Values::Text {
                    ends: from,
                    bytes: source,
                },
            ) => {
                bytes.extend_from_slice(&source[span(from, row)]);
                ends.push(offset(bytes.len()));
            }
            (
                Values::List { ends, items },
                Values::List {
                    ends: from,
                    items: source,
                },
            ) => {
                for item in span(from, row) {
                    items.push_from(source, item);
                }
                ends.push(offset(items.len()));
            }
            (Values::Struct(parts), Values::Struct(from)) => {
                for ((_, part), (_, source)) in parts.iter_mut().zip(from) {
                    part.push_from(source, row);
                }
            }
            (to, from) => unreachable!("columns of one schema have one type: {to:?}, {from:?}"),
        }
        if let Some(valid) = &mut self.valid {
            valid.push(!other.is_null(row));
        }
    }

    /// To take rows from.
    pub fn view(&self) -> View<'_> {
        View::new(
            &self.values,
            self.valid.as_deref().map_or(Valid::All, Valid::Mask),
        )
    }

    /// Bytes held, roughly: what a memory budget counts.
    pub fn bytes(&self) -> usize {
        self.values.bytes() + self.valid.as_ref().map_or(0, Vec::len)
    }
}

impl Values {
    /// How many there are.
    fn len(&self) -> usize {
        match self {
            Self::Bool(v) => v.len(),
            Self::U8(v) => v.len(),
            Self::U16(v) => v.len(),
            Self::U32(v) => v.len(),
            Self::U64(v) => v.len(),
            Self::I8(v) => v.len(),
            Self::I16(v) => v.len(),
            Self::I32(v) => v.len(),
            Self::F64(v) => v.len(),
            Self::Text { ends, .. } | Self::List { ends, .. } => ends.len(),
            Self::Address(v) => v.len(),
            Self::Id(v) => v.len(),
            Self::I64(v) | Self::Time(v) => v.len(),
            Self::Struct(parts) => parts.first().map_or(0, |(_, part)| part.len()),
        }
    }

    /// Bytes held, roughly.
    fn bytes(&self) -> usize {
        match self {
            Values::Bool(v) => v.len(),
            Values::U8(v) => v.len(),
            Values::U16(v) => v.len() * 2,
            Values::U32(v) => v.len() * 4,
            Values::U64(v) => v.len() * 8,
            Values::I8(v) => v.len(),
            Values::I16(v) => v.len() * 2,
            Values::I32(v) => v.len() * 4,
            Values::F64(v) => v.len() * 8,
            Values::Text { ends, bytes } => ends.len() * 4 + bytes.len(),
            Values::Address(v) => v.len() * 17,
            Values::Id(v) => v.len() * 16,
            Values::I64(v) | Values::Time(v) => v.len() * 8,
            Values::List { ends, items } => ends.len() * 4 + items.bytes(),
            Values::Struct(parts) => parts.iter().map(|(_, part)| part.bytes()).sum(),
        }
    }
}

/// Where row `row` of a column with `ends` lies.
pub fn span(ends: &[u32], row: usize) -> std::ops::Range<usize> {
    let start = if row == 0 { 0 } else { ends[row - 1] as usize };
    start..ends[row] as usize
}

/// A length as an offset. A batch holds a few thousand rows of at most 4,096 bytes of text each, so it fits.
fn offset(length: usize) -> u32 {
    u32::try_from(length).expect("a batch is below 4 GiB")
}

/// Sort key of a row: (start time, source ordinal and record ordinal of the first packet). Total over an input.
pub type RowKey = (i64, u64);

/// A flow record as the connection graph sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct FlowEdge {
    /// Address of the initiator.
    pub from: Address,
    /// Address of the responder.
    pub to: Address,
    /// Port of the initiator.
    pub from_port: u16,
    /// Port of the responder.
    pub to_port: u16,
    /// Protocol of the flow; 0 where it is not known.
    pub protocol: u8,
    /// Packets, both directions.
    pub packets: u64,
    /// Sum of the IP lengths, both directions, bytes.
    pub bytes: u64,
    /// Time of the first packet, ns since 1970.
    pub start: i64,
    /// Time of the last packet, ns since 1970.
    pub end: i64,
    /// Clock at the last packet, ns since 1970: it decides which window the record is in.
    pub clock: i64,
}

/// A batch of rows.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Columns {
    /// One entry a row.
    pub keys: Vec<RowKey>,
    /// One entry a row where the connection graph is wanted, else none.
    pub edges: Vec<FlowEdge>,
    /// One entry a column of the schema the batch was made for.
    pub columns: Vec<Column>,
}

impl Columns {
    /// An empty batch of this schema.
    pub fn new(schema: &Schema) -> Self {
        let columns = schema
            .iter()
            .map(|feature| Column::new(&feature.data_type, feature.null.is_some()))
            .collect();
        Self {
            keys: Vec::new(),
            edges: Vec::new(),
            columns,
        }
    }

    /// An empty batch of this schema with room for as many rows.
    pub fn with_room(schema: &Schema, rows: usize) -> Self {
        let mut columns = Self::new(schema);
        columns.keys.reserve(rows);
        for column in &mut columns.columns {
            column.reserve(rows);
        }
        columns
    }

    /// Number of rows.
    pub fn rows(&self) -> usize {
        self.keys.len()
    }

    /// These columns, by their places, each named once; places that are none are left out, and so are the edges.
    #[must_use]
    pub fn select(self, places: &[usize]) -> Self {
        let mut columns: Vec<Option<Column>> = self.columns.into_iter().map(Some).collect();
        let taken = places
            .iter()
            .filter_map(|place| columns.get_mut(*place)?.take());
        Self {
            columns: taken.collect(),
            edges: Vec::new(),
            keys: self.keys,
        }
    }

    /// The rows that a mask with one entry a row says.
    #[must_use]
    pub fn filtered(&self, mask: &[bool]) -> Self {
        if !mask.contains(&false) {
            return self.clone();
        }
        let picks: Vec<(u32, u32)> = (0..)
            .zip(mask)
            .filter(|(_, is)| **is)
            .map(|(row, _)| (0, row))
            .collect();
        self.picked(&picks)
    }

    /// These rows, each as (0, row), in this order; a row may come several times.
    #[must_use]
    pub fn picked(&self, picks: &[(u32, u32)]) -> Self {
        let mut taken = Self {
            columns: self.columns.iter().map(Column::emptied).collect(),
            ..Self::default()
        };
        let rows = picks.iter().map(|(_, row)| *row as usize);
        taken
            .keys
            .extend(rows.clone().filter_map(|row| self.keys.get(row)));
        taken
            .edges
            .extend(rows.filter_map(|row| self.edges.get(row)));
        for (to, from) in taken.columns.iter_mut().zip(&self.columns) {
            to.gather(&[from.view()], picks);
        }
        taken
    }

    /// Adds row `row` of `other`, a batch of the same schema.
    pub fn push_from(&mut self, other: &Self, row: usize) {
        self.keys.push(other.keys[row]);
        self.edges.extend(other.edges.get(row));
        for (to, from) in self.columns.iter_mut().zip(&other.columns) {
            to.push_from(from, row);
        }
    }

    /// Adds rows of several batches of the same schema, each as (place in `sources`, row there); each column by whichever thread
    /// of the pool is free. A column that is without rows in all of them, as it is still to come, stays so.
    pub fn gather<Source: Batch>(&mut self, sources: &[&Source], picks: &[(u32, u32)]) {
        self.keys.extend(
            picks
                .iter()
                .map(|&(source, row)| sources[source as usize].keys()[row as usize]),
        );
        let edges = picks
            .iter()
            .filter_map(|&(source, row)| sources[source as usize].edges().get(row as usize));
        self.edges.extend(edges);
        let columns = self.columns.par_iter_mut().enumerate();
        columns.for_each(|(at, column)| {
            let views: Vec<View<'_>> = sources.iter().map(|source| source.view(at)).collect();
            if !views.iter().all(View::is_empty) {
                column.gather(&views, picks);
            }
        });
    }

    /// Adds the nulls that [`RowWriter::at`] left out.
    pub fn even(&mut self) {
        let rows = self.rows();
        for column in &mut self.columns {
            if column
                .valid
                .as_ref()
                .is_some_and(|valid| valid.len() < rows)
            {
                column.pad(rows);
            }
        }
    }

    /// Puts the columns of other groups, computed for the same rows, behind these.
    ///
    /// # Panics
    /// If the rows are not the same ones: both come from one run of the flow operator.
    pub fn join(&mut self, other: Self) {
        assert_eq!(
            self.keys, other.keys,
            "groups of one run have the same rows"
        );
        self.columns.extend(other.columns);
        if self.edges.is_empty() {
            self.edges = other.edges;
        }
    }

    /// Bytes held, roughly.
    pub fn bytes(&self) -> usize {
        let edges = self.edges.len() * size_of::<FlowEdge>();
        self.keys.len() * 16 + edges + self.columns.iter().map(Column::bytes).sum::<usize>()
    }
}

impl Batch for Columns {
    fn keys(&self) -> &[RowKey] {
        &self.keys
    }

    fn edges(&self) -> &[FlowEdge] {
        &self.edges
    }

    fn view(&self, column: usize) -> View<'_> {
        self.columns[column].view()
    }
}
