//! Views in the form of rules: a small Datalog with named columns, turned into differential operators when the run starts. Views in
//! the form of groups become the same steps (`group.rs`).
//!
//! Relations are sets of rows without nulls: a row with a null in a column that a rule names is none to that rule, and a value that
//! cannot be computed gives no row. `count(x)` counts distinct values of `x`, `count()` and `sum(x)` go over the distinct bindings
//! of all variables of the body.

mod aggregate;
mod body;
mod build;
mod check;
mod compile;
mod graph_form;
mod group;
mod limit;
mod merge;
mod named;
mod nothing;
mod numbers;
mod packed;
mod parser;
mod plan;
mod sets;
mod strata;
mod syntax;
mod top;
mod totals;
mod weights;
mod words;

pub use build::{Built, Rows, build, none};
pub use check::{ReadFrom, Relation, RelationColumn};
pub use compile::{RuleOptions, compile};
pub use graph_form::{GraphForm, compile_graph};
pub use group::{GroupForm, OverView, Part, compile_group};
pub use limit::at_most;
pub use merge::{Member, merged};
pub use named::is_named;
pub use nothing::of_nothing;
pub use numbers::Numbers;
pub use parser::parse;
pub use plan::{Made, MadeColumn, NULL, Outer, Plan, Source};
pub use words::{Row, take, write, write_list};

#[cfg(test)]
mod group_tests;
#[cfg(test)]
mod tests;
