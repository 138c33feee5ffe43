//! The settings of `[features]` that concern all groups. Each group adds its own keys (`burst_threshold`, `entropy_sample`).

use crate::options::Options;

/// Settings of `[features]`: which columns, and in which form.
#[derive(Clone, Debug, Options)]
pub struct FeaturesOptions {
    /// Groups in any order, `all`, or `-NAME` to take one out.
    #[option(default = "all")]
    pub groups: Vec<String>,
    /// Only these features: names or globs such as `iat_fwd_*`.
    #[option]
    pub only: Option<Vec<String>>,
    /// Not these features: names or globs.
    #[option(default = "[]")]
    pub drop: Vec<String>,
    /// Only the features of a profile: JJ-CORE, JJ-EXTENDED or JJ-EXPERIMENTAL, each with those before it.
    #[option]
    pub profile: Option<String>,
    /// Adds the column `flow_id`.
    #[option(default = "false")]
    pub flow_id: bool,
    /// Adds `NAME_fwd` and `NAME_bwd` for each feature that has a meaning for one direction.
    #[option(default = "false")]
    pub split: bool,
    /// Adds `iat_sequence`, `timestamp_sequence` and `pkt_len_sequence`.
    #[option(default = "false")]
    pub raw_sequences: bool,
    /// Adds `splt`, `splt_lengths`, `splt_times` and `splt_directions`.
    #[option(default = "false")]
    pub splt: bool,
    /// Entries of a list at most.
    #[option(default = "50")]
    pub max_sequence_length: usize,
    /// What is written where a value is null: `null`, or the column's `default`.
    #[option(default = "null")]
    pub missing: Missing,
}

/// What is written where a value is null.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Options)]
pub enum Missing {
    /// An empty cell, a JSON null, an Arrow null.
    Null,
    /// The default of the column.
    Default,
}
