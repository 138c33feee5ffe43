//! Values of views in expressions over rows: `view("lateral.spread", src_ip).hosts`.
//!
//! A look-up is a field of the row, as a column is; what gives it its value is not known here.

use super::check::Typed;
use super::types::Type;

/// Where programs over rows find the first value that is looked up.
pub const LOOK_UPS: u32 = 1 << 25;

/// A view whose rows can be looked up.
#[derive(Clone, Debug)]
pub struct Viewed {
    /// Its name.
    pub name: String,
    /// What is in it; empty where it has faults of its own, which are told elsewhere.
    pub relations: Vec<ViewedRelation>,
    /// Whether it reads rows, which come behind all look-ups.
    pub reads_rows: bool,
}

/// A relation of it.
#[derive(Clone, Debug)]
pub struct ViewedRelation {
    /// Its name in the view.
    pub name: String,
    /// Names and types of its columns.
    pub columns: Vec<(String, Type)>,
    /// Places of the columns that tell its rows apart.
    pub keys: Vec<usize>,
}

/// A value of the row of a relation that has some key.
#[derive(Clone, Debug, PartialEq)]
pub struct LookUp {
    /// The view.
    pub view: String,
    /// The place of the relation in it.
    pub relation: usize,
    /// The key, in the order of the key columns and of their types.
    pub keys: Vec<Typed>,
    /// The place of the column.
    pub column: usize,
    /// Its type.
    pub kind: Type,
    /// As it was written.
    pub text: String,
}

impl LookUp {
    /// Whether both look at the same row.
    pub fn is_beside(&self, other: &Self) -> bool {
        (&self.view, self.relation, &self.keys) == (&other.view, other.relation, &other.keys)
    }
}
