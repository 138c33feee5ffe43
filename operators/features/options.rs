//! The settings of `[features]`: those that concern all groups, and with them the keys of each group (`quantile_exact`,
//! `entropy_sample`).

use super::group::Group;
use super::seen::DurationUnit;
use crate::decode::DecodeOptions;
use crate::expressions::aggregates::Aggregate;
use crate::options::{
    Duration, Key, OptionError, OptionValue, Options, Setting, Step, Wrong, read_table, table_kind,
    wrong_kind,
};
use crate::schema::Schema;
use crate::sources::InputName;
use crate::statistics::Deviation;
use crate::views::ConnectionOptions;
use std::sync::Arc;

/// Settings of `[features]`: which columns, and in which form.
#[derive(Clone, Debug, Options)]
pub struct FeaturesOptions {
    /// Groups in any order, `all`, or `-NAME` to take one out.
    #[option(default = "all")]
    pub groups: Vec<String>,
    /// Only these features: names or globs such as `iat_fwd_*`.
    #[option]
    pub only: Option<Vec<String>>,
    /// These features too, whatever `groups`, `only` and `profile` leave out: names or globs.
    #[option(default = "[]")]
    pub add: Vec<String>,
    /// Not these features: names or globs.
    #[option(default = "[]")]
    pub drop: Vec<String>,
    /// Only the features of a profile: JJ-CORE, JJ-EXTENDED, JJ-EXPERIMENTAL or JF-EXTRA, each with those before it. Those of JF-EXTRA
    /// are there only with that profile, where `only` or `add` names them, or where `groups` names a group of nothing else.
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
    /// The shortest time between two packets that ends a burst and counts as idle.
    #[option(default = "50ms")]
    pub burst_threshold: Duration,
    /// Sequences are filled up to `max_sequence_length` entries with this number. By default they are as long as they are.
    #[option]
    pub pad: Option<i64>,
    /// Sequences become columns `NAME_0`, `NAME_1` and so on, `max_sequence_length` of them, instead of a list.
    #[option(default = "false")]
    pub explode: bool,
    /// The order in which sinks see the columns, also derived ones: names and globs. Those that none of them names come at the end.
    #[option(default = "[]")]
    pub order: Vec<String>,
    /// What sinks call columns, also derived ones: any text. All else, expressions too, goes on to use the old names.
    #[option]
    pub rename: Renames,
    /// The unit of every column of durations in sinks: `s`, `ms`, `us`, or `ns` (whole numbers). Expressions have a type for
    /// durations and do not see it.
    #[option(default = "s")]
    pub duration_unit: DurationUnit,
    /// New columns, behind the others: a table `{ name = "expression" }`. They may use each other, and every feature, also such as
    /// are not written.
    #[option]
    pub derive: Expressions,
    /// What standard deviations (`*_std`) divide by: `population` (n), or `sample` (n - 1; 0 for one value).
    #[option(default = "population")]
    pub deviation: Deviation,
    /// What is written where a value is null: `null`, or the column's `default`.
    #[option(default = "null")]
    pub missing: Missing,
    /// The connection graph of the group `connection`: `window` (all records, tumbling or sliding),
    /// `use_ports`, `metrics`, `temporal`, `communities`, `asof`, `max_nodes` and `pivots` of betweenness.
    #[option]
    pub connection: Option<ConnectionOptions>,
    /// Whether the columns about TLS come from DTLS too, for UDP without QUIC: versions are then 0xfeff, 0xfefd or 0xfefc, and JA4
    /// starts with `d`.
    #[option(default = "false")]
    pub dtls: bool,
    /// What the group `tls` has beyond the catalogue: `{ ja4 = true }` adds the column `ja4`, as `add` does.
    #[option]
    pub tls: Option<TlsColumns>,
}

impl FeaturesOptions {
    /// The features that are added whatever else is left out.
    pub fn added(&self) -> Vec<String> {
        let mut added = self.add.clone();
        if self.tls.as_ref().is_some_and(|tls| tls.ja4) {
            added.push("ja4".to_owned());
            #[cfg(feature = "ja4plus")]
            added.push("ja4s".to_owned());
        }
        added
    }
}

/// Columns of the group `tls` that are there only where they are asked for.
#[derive(Clone, Debug, PartialEq, Eq, Options)]
pub struct TlsColumns {
    /// The fingerprint JA4 of the client; in builds with `ja4plus` also JA4S.
    #[option(default = "false")]
    pub ja4: bool,
}

impl OptionValue for TlsColumns {
    fn kind() -> String {
        table_kind::<Self>()
    }

    fn read(setting: &Setting) -> Result<Self, OptionError> {
        read_table(setting)
    }
}

/// New names of columns: pairs of the old and the new one.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Renames(pub Vec<(String, String)>);

impl OptionValue for Renames {
    fn kind() -> String {
        "a table { old = \"new\" }".to_owned()
    }

    fn read(setting: &Setting) -> Result<Self, OptionError> {
        let Setting::Table(parts) = setting else {
            return wrong_kind(&Self::kind(), setting);
        };
        let named = parts.iter().map(|(old, new)| {
            let new = String::read(new).and_then(|new| {
                if new.is_empty() || new.len() > 255 || new.contains(char::is_control) {
                    let wrong = "expected a name of 1 to 255 bytes without control characters";
                    return Err(Wrong::Other(wrong.to_owned()).into());
                }
                Ok(new)
            });
            new.map(|new| (old.clone(), new))
                .map_err(|error| error.inside(Step::Key(old.clone())))
        });
        named.collect::<Result<_, _>>().map(Self)
    }
}

/// Expressions by name, in the order in which they were written.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Expressions(pub Vec<(String, String)>);

impl OptionValue for Expressions {
    fn kind() -> String {
        "a table { name = \"expression\" }".to_owned()
    }

    fn read(setting: &Setting) -> Result<Self, OptionError> {
        let Setting::Table(parts) = setting else {
            return wrong_kind(&Self::kind(), setting);
        };
        let named = parts.iter().map(|(name, text)| match text {
            Setting::Text(text) => Ok((name.clone(), text.clone())),
            other => wrong_kind("an expression in quotes", other)
                .map_err(|error: OptionError| error.inside(Step::Key(name.clone()))),
        });
        named.collect::<Result<_, _>>().map(Self)
    }
}

/// What is written where a value is null.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Options)]
pub enum Missing {
    /// An empty cell, a JSON null, an Arrow null.
    Null,
    /// The default of the column.
    Default,
}

/// All settings of `[features]`; `Options` reads the keys of that section.
#[derive(Debug)]
pub struct FeatureSettings {
    /// How packets are decoded: what `[decode]` says, for the groups that read headers again.
    pub decode: DecodeOptions,
    /// Those that concern all groups.
    pub shared: FeaturesOptions,
    /// What the inputs are called, by ordinal; none before it is known which there are.
    pub(super) sources: Arc<[InputName]>,
    /// Whether some source says what its `sensor` is.
    pub has_sensor: bool,
    /// What the points are called at which records give rows before their end; none where they do not.
    pub stages: Arc<[String]>,
    /// Features that are computed whatever the others say, and not written: those that expressions read.
    pub hidden: Vec<String>,
    /// The columns of rows that were written before, where such are read: then nothing is computed.
    pub written: Option<Arc<Schema>>,
    /// What is measured of the packets of each record for expressions; columns of their own, behind the others.
    pub aggregates: Arc<[Aggregate]>,
    /// Every group with its own, in column order.
    pub(super) groups: Vec<Box<dyn Group>>,
}

impl Default for FeatureSettings {
    fn default() -> Self {
        Self {
            decode: DecodeOptions::default(),
            shared: FeaturesOptions::default(),
            sources: [].into(),
            has_sensor: false,
            stages: [].into(),
            written: None,
            hidden: Vec::new(),
            aggregates: [].into(),
            groups: super::groups(),
        }
    }
}

impl Clone for FeatureSettings {
    fn clone(&self) -> Self {
        Self {
            decode: self.decode.clone(),
            shared: self.shared.clone(),
            sources: Arc::clone(&self.sources),
            has_sensor: self.has_sensor,
            stages: Arc::clone(&self.stages),
            hidden: self.hidden.clone(),
            written: self.written.clone(),
            aggregates: Arc::clone(&self.aggregates),
            groups: self.groups.iter().map(|group| group.boxed()).collect(),
        }
    }
}

impl FeaturesOptions {
    /// Whether the setting that switches columns on is on; `None` if it is none of these.
    pub(super) fn switch(&self, name: &str) -> Option<bool> {
        match name {
            "flow_id" => Some(self.flow_id),
            // of other sections
            "flows.early" | "sources.sensor" => Some(false),
            "raw_sequences" => Some(self.raw_sequences),
            "splt" => Some(self.splt),
            "connection.temporal" => {
                let connection = self.connection.as_ref();
                Some(connection.is_some_and(|connection| connection.temporal))
            }
            _ => None,
        }
    }
}

impl Options for FeatureSettings {
    fn keys() -> Vec<Key> {
        let mut keys = FeaturesOptions::keys();
        keys.extend(super::groups().iter().flat_map(|group| group.keys()));
        keys
    }

    fn set(&mut self, key: &str, value: &Setting) -> Result<(), OptionError> {
        let known = |keys: Vec<Key>| keys.iter().any(|known| known.name == key);
        if known(FeaturesOptions::keys()) {
            return self.shared.set(key, value);
        }
        match self.groups.iter_mut().find(|group| known(group.keys())) {
            Some(group) => group.set(key, value),
            None => {
                let names = Self::keys().iter().map(|key| key.name.to_owned()).collect();
                Err(Wrong::UnknownKey(key.to_owned(), names).into())
            }
        }
    }
}
