//! What a column is: its name, type, unit, definition and null rule.
//!
//! A group of features is a struct with `#[derive(Features)]`: field = column, field order = column order, type = type of the
//! column, `Option` = nullable, doc comment = definition. Everything else (schema, docs, selection, nulls, metadata of files) is
//! read from there.

use crate::columns::RowWriter;
pub use jayflow_derive::Features;
use serde::{Deserialize, Serialize};

/// The type of a column.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum DataType {
    /// `true` or `false`.
    Bool,
    /// Unsigned, 8 bits.
    U8,
    /// Unsigned, 16 bits.
    U16,
    /// Unsigned, 32 bits.
    U32,
    /// Unsigned, 64 bits: counts and sums.
    U64,
    /// Signed, 8 bits.
    I8,
    /// Signed, 16 bits.
    I16,
    /// Signed, 32 bits.
    I32,
    /// Signed, 64 bits.
    I64,
    /// IEEE 754 double, never NaN and never infinite.
    F64,
    /// UTF-8.
    Text,
    /// An IPv4 or IPv6 address, written in canonical form (RFC 5952).
    Address,
    /// 128 bits, written as 32 lower-case hexadecimal digits.
    Id,
    /// Nanoseconds since 1970; written as seconds in text formats, as a timestamp in binary ones.
    Time,
    /// A list of values of one type.
    List(Box<DataType>),
    /// Named parts.
    Struct(Vec<(String, DataType)>),
}

impl DataType {
    /// What is written for a null with `missing = "default"` where a column declares nothing else; empty where there is none.
    pub const fn default(&self) -> &'static str {
        match self {
            Self::Bool => "false",
            Self::List(_) => "[]",
            Self::Text | Self::Address | Self::Id | Self::Time | Self::Struct(_) => "",
            _ => "0",
        }
    }
}

/// Named feature sets; each contains those before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Profile {
    /// JJ-CORE.
    Core,
    /// JJ-EXTENDED.
    Extended,
    /// JJ-EXPERIMENTAL.
    Experimental,
    /// JF-EXTRA: beyond the reference's catalogue, there only where it is asked for.
    Extra,
    /// In no profile: switched on by an option.
    Optional,
}

impl Profile {
    /// Those that a spec can ask for.
    pub const NAMED: [Self; 4] = [Self::Core, Self::Extended, Self::Experimental, Self::Extra];

    /// The name without its origin, which a spec may use too.
    pub const fn short_name(self) -> &'static str {
        match self {
            Self::Core => "core",
            Self::Extended => "extended",
            Self::Experimental => "experimental",
            Self::Extra => "extra",
            Self::Optional => "optional",
        }
    }

    /// The name in specs and documents.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Core => "JJ-CORE",
            Self::Extended => "JJ-EXTENDED",
            Self::Experimental => "JJ-EXPERIMENTAL",
            Self::Extra => "JF-EXTRA",
            Self::Optional => "OPTIONAL",
        }
    }
}

/// Which packets of a flow a feature looks at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Scope {
    /// The flow as a whole; no packets of one direction alone.
    Flow,
    /// All packets.
    Both,
    /// The packets of the initiator.
    Fwd,
    /// The packets of the responder.
    Bwd,
    /// All flows of the initiator's node in the connection graph.
    Src,
    /// All flows of the responder's node in the connection graph.
    Dst,
}

/// What `split = true` does with a feature.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Split {
    /// Nothing: it has no meaning for one direction.
    No,
    /// Adds `NAME_fwd` and `NAME_bwd`, the same definition over the packets of one direction.
    Yes,
    /// Nothing: it is about one direction already.
    Is,
}

/// What a column tells about people, as `anonymise` of a sink sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Private {
    /// IP addresses.
    Address,
    /// MAC addresses, as text.
    Mac,
    /// Names: of servers, hosts, subjects of certificates.
    Name,
    /// Ids that are made of addresses, and of which addresses can be guessed.
    Id,
}

impl Private {
    /// What a column of this type is where its declaration says nothing.
    pub fn usual(data_type: &DataType) -> Option<Self> {
        match data_type {
            DataType::Address => Some(Self::Address),
            DataType::List(item) => Self::usual(item),
            _ => None,
        }
    }
}

/// One column: the declaration everything else is derived from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Feature {
    /// Name of the column.
    pub name: Text,
    /// Name of the group it belongs to.
    pub group: Text,
    /// Type of its values.
    pub data_type: DataType,
    /// Unit, empty where it has none.
    pub unit: Text,
    /// When it is null; `None` = never.
    pub null: Option<Text>,
    /// What it tells about people, if anything.
    pub private: Option<Private>,
    /// What is written for a null with `missing = "default"`, as text; empty in a column of numbers that keeps its nulls.
    pub default: Text,
    /// The smallest profile that has it.
    pub profile: Profile,
    /// Which packets it looks at.
    pub scope: Scope,
    /// What `split = true` does with it.
    pub split: Split,
    /// Whether it is a list of the first max_sequence_length things, which `pad` and `explode` concern.
    pub sequence: bool,
    /// The setting of `[features]` that switches it on; `None` = always on.
    pub when: Option<Text>,
    /// What it is, in one or two sentences.
    pub definition: Text,
    /// The IPFIX information element that means the same, if there is one.
    pub element: Option<u16>,
    /// The standard, paper or program that it is taken from, if there is one.
    pub source: Option<Text>,
    /// Where and why its values differ from those of the column of this name in the reference, if they do.
    pub differs: Option<Text>,
}

/// A text of a declaration: most are constants, and a schema is copied often.
pub type Text = std::borrow::Cow<'static, str>;

/// A list of columns, in output order.
pub type Schema = Vec<Feature>;

/// Whether all columns of a group are beyond the catalogue, so that naming the group asks for them.
pub fn is_beyond(group: &[Feature]) -> bool {
    group.iter().all(|one| one.profile == Profile::Extra)
}

/// The columns of a group. Implemented by `#[derive(Features)]`.
///
/// ```
/// use jayflow_operators::schema::Features;
///
/// #[derive(Features)]
/// struct Duration {
///     /// Time from the first packet to the last.
///     #[column(unit = "s", scope = "flow", split = "yes")]
///     duration: f64,
///     /// Bytes for each second.
///     #[column(unit = "B/s", null = "duration = 0")]
///     bytes_per_second: Option<f64>,
/// }
/// assert_eq!(Duration::GROUP, "duration");
/// assert_eq!(Duration::schema()[1].null.as_deref(), Some("duration = 0"));
/// ```
///
/// A column without a doc comment does not compile:
///
/// ```compile_fail
/// #[derive(jayflow_operators::schema::Features)]
/// struct Duration {
///     #[column(unit = "s")]
///     duration: f64,
/// }
/// ```
///
/// Nor does an `Option` that does not say when it is null:
///
/// ```compile_fail
/// #[derive(jayflow_operators::schema::Features)]
/// struct Duration {
///     /// Time from the first packet to the last.
///     #[column(unit = "s")]
///     duration: Option<f64>,
/// }
/// ```
///
/// Nor a `null` for a value that is always there:
///
/// ```compile_fail
/// #[derive(jayflow_operators::schema::Features)]
/// struct Duration {
///     /// Time from the first packet to the last.
///     #[column(unit = "s", null = "never")]
///     duration: f64,
/// }
/// ```
pub trait Features: 'static {
    /// Name of the group.
    const GROUP: &'static str;
    /// Every column of the group, in output order.
    fn schema() -> Schema;
    /// Writes one row: every column of `schema`, in its order.
    fn write(&self, out: &mut RowWriter<'_>);
}

/// The value of a bitmap column: bit 1 says whether the first claim holds, bit 2 the second, bit 4 the third.
pub fn bitmap<const N: usize>(claims: [bool; N]) -> u8 {
    const { assert!(N <= 8) };
    let claims = claims.iter().rev();
    claims.fold(0, |bits, claim| bits << 1 | u8::from(*claim))
}

/// A type that a column can hold.
pub trait Value {
    /// The type of the column.
    fn data_type() -> DataType;
    /// Whether the value may be absent.
    const NULLABLE: bool = false;
    /// Writes the value into the next column.
    fn write(&self, out: &mut RowWriter<'_>);
}

/// One column of a family.
#[derive(Clone, Debug)]
pub struct Member {
    /// Appended to the family's name after `_`.
    pub suffix: &'static str,
    /// Put before the family's definition: "Minimum of".
    pub phrase: &'static str,
    /// Type of the column.
    pub data_type: DataType,
}

/// Several columns with one definition: the statistics of one list of numbers.
pub trait Family {
    /// The columns, in output order.
    fn members() -> Vec<Member>;
    /// Writes every column of `members`, in order.
    fn write(&self, out: &mut RowWriter<'_>);
}
