//! The one place that asks the operators which columns the settings of `[features]` give.

use operators::schema::Schema;

/// Settings of `[features]`.
pub type Settings = operators::features::FeaturesOptions;

/// A setting of `[features]` that names something that is not there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// The key: `groups`, `only`, `drop` or `profile`.
    pub key: &'static str,
    /// The place in its list.
    pub index: usize,
    /// The name as it was written.
    pub name: String,
    /// The names that may be there.
    pub known: Vec<String>,
}

/// The columns that these settings give, in output order.
///
/// # Errors
/// Names of groups, features or profiles that do not exist.
pub fn select(settings: &Settings) -> Result<Schema, Vec<Fault>> {
    let _ = settings;
    Ok(Schema::new())
}

/// Every feature there is, in output order.
pub fn catalogue() -> Schema {
    Schema::new()
}
