//! The spec language: a TOML text to typed settings, or everything that is wrong with it.
//!
//! `load` knows TOML and places, `check` the sections and their keys, `diagnostic` how faults are told. What the settings do is
//! not known here.

mod assign;
pub mod check;
pub mod codes;
pub mod diagnostic;
pub mod example;
mod extend;
pub mod files;
pub mod format;
pub mod layout;
pub mod load;
pub mod manual;
mod merge;
mod options;
mod origins;
pub mod presets;
pub mod reference;
pub mod schema;
mod secrets;
mod sections;
pub mod suggest;
mod tables;
mod tap;
#[doc(hidden)]
pub mod total;
pub mod variables;

pub use assign::Given;
pub use diagnostic::{Diagnostic, Diagnostics};
pub use extend::{Files, MAX_DEPTH, MAX_FILES};
pub use load::Loaded;
pub use options::{Progress, RunOptions};
pub use origins::Origin;
pub use secrets::Secrets;
pub use sections::{SECTIONS, Section, section_keys, sink_keys, source_types};
pub use tap::TAP;

use crate::testing::Test;
use operators::decode::DecodeOptions;
use operators::expressions::aggregates::RulePlan;
use operators::expressions::{Derived, Typed};
use operators::features::{FeaturePlan, FeatureSettings, Seen};
use operators::filters::{Mode, Route};
use operators::flows::FlowOptions;
use operators::joins::{JoinOptions, Joined, Part};
use operators::schema::Schema;
use operators::sinks::{Parts, SinkOptions, Sort};
use operators::sources::PcapOptions;
use operators::views::graph::Relation;
use operators::views::look_ups::LookUps;
use operators::views::rules::Plan;
use operators::views::{Shown, ViewOptions};
use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;
use variables::Variable;

/// The place of `flow_id` in expressions, where a sample needs it.
pub(crate) use check::FLOW_ID;

/// A node of a spec.
#[derive(Clone, Debug)]
pub struct Node<T> {
    /// Its name, one of a kind in the spec.
    pub name: String,
    /// The nodes it reads, by name; empty for sources.
    pub inputs: Vec<String>,
    /// Its settings.
    pub options: T,
}

/// A spec without errors.
#[derive(Clone, Debug)]
pub struct Spec {
    /// Its name, if it has one.
    pub name: Option<String>,
    /// What it is for, if it says so.
    pub description: Option<String>,
    /// Its variables, with what they stand for.
    pub variables: Vec<Variable>,
    /// Where packets come from, in the order of the text.
    pub sources: Vec<Node<PcapOptions>>,
    /// Whether the sources are rows that were written before.
    pub is_rows: bool,
    /// How frames become packets.
    pub decode: DecodeOptions,
    /// How packets become flow records.
    pub flows: Node<FlowOptions>,
    /// Which packets enter the flow table; `None` = all.
    pub condition: Option<Typed>,
    /// What ends flow records beside the timeouts.
    pub rule: Option<RulePlan>,
    /// Which columns are computed.
    pub features: Node<FeatureSettings>,
    /// The columns that the settings of `features` give.
    pub columns: FeaturePlan,
    /// How sinks see these and the derived ones.
    pub seen: Seen,
    /// The values of views that rows look up, behind these.
    pub look_ups: LookUps,
    /// The columns that are computed of others, behind these.
    pub derived: Derived,
    /// Where each column is in the rows, by the place that expressions know it by.
    pub places: HashMap<u32, usize>,
    /// Which rows go on, in the order of the text.
    pub filters: Vec<Node<Filter>>,
    /// Tables over flows, in the order of the text.
    pub views: Vec<Node<View>>,
    /// What files say of rows, in the order of the text.
    pub joins: Vec<Node<Join>>,
    /// Where rows go, in the order of the text.
    pub sinks: Vec<Node<Sink>>,
    /// What must be true of its rows.
    pub tests: Vec<Node<Test>>,
    /// How the work is done.
    pub run: RunOptions,
    /// The text that gives this spec: that of the file, or of everything laid over it.
    pub text: String,
    /// The folder that its paths start from, as seen from the working directory; empty = that one.
    pub base: String,
    /// What is probably not meant.
    pub warnings: Diagnostics,
}

impl Spec {
    /// How many columns rows have before joins put others behind them.
    pub fn width(&self) -> usize {
        self.columns.schema.len() + self.look_ups.values().count() + self.derived.schema.len()
    }
}

/// What a sink writes, and where.
#[derive(Clone, Debug)]
pub struct Sink {
    /// Its path as it was written, or its type.
    pub label: String,
    /// The settings of its type.
    pub options: SinkOptions,
    /// Positions of its columns in the rows, or in the schema of its table.
    pub columns: Vec<usize>,
    /// Their declarations as it sees them.
    pub schema: Schema,
    /// Only rows for which this is true are written.
    pub condition: Option<Typed>,
    /// Only so many rows are written; `None` = all.
    pub limit: Option<u64>,
    /// How its rows are shared between files, where its path holds values.
    pub parts: Option<SinkParts>,
    /// The table that it writes, if it is one of the connection graph or of a view.
    pub table: Option<Table>,
    /// The columns that joins have put behind those of its rows.
    pub behind: Behind,
}

/// How the rows of a sink are shared between files.
#[derive(Clone, Debug)]
pub struct SinkParts {
    /// The files.
    pub parts: Parts,
    /// Positions of the columns that its path holds and that are not written, as those of the sink.
    pub columns: Vec<usize>,
    /// Their declarations as the sink sees them.
    pub schema: Schema,
}

impl Sink {
    /// Whether its rows wait until all are there.
    pub fn is_sorted(&self) -> bool {
        self.parts.is_some() || self.options.sort() == Sort::Start
    }

    /// The columns that it takes: those that are written, then those that only its path holds.
    pub fn taken(&self) -> Schema {
        let hidden = self.parts.iter().flat_map(|of| &of.schema);
        self.schema.iter().chain(hidden).cloned().collect()
    }

    /// Their positions.
    pub fn places(&self) -> Vec<usize> {
        let hidden = self.parts.iter().flat_map(|of| &of.columns);
        self.columns.iter().chain(hidden).copied().collect()
    }

    /// The folder for rows that have to wait for their order.
    pub fn spill_folder(&self) -> PathBuf {
        match &self.parts {
            Some(of) => of.parts.folder.clone(),
            None => self.options.spill_folder(),
        }
    }
}

/// Columns that joins put behind the others.
#[derive(Clone, Debug, Default)]
pub struct Behind {
    /// Their declarations, in their order.
    pub schema: Schema,
    /// The place that expressions know each by.
    pub places: Vec<u32>,
}

/// What rows are joined with.
#[derive(Clone, Debug)]
pub struct Join {
    /// Its settings.
    pub options: JoinOptions,
    /// What must be equal: how it is compared, and the place of the column of the rows.
    pub on: Vec<(Part, u32)>,
    /// For each of `on`, that which it changes places with in the other direction; none = there is one direction.
    pub reversed: Vec<usize>,
    /// The place of the time of the rows.
    pub time: Option<u32>,
    /// The columns that it gives.
    pub gives: Behind,
    /// The columns of the joins before it.
    pub behind: Behind,
    /// Its files as they were read; `None` = nobody has looked at them, and the types of its columns are not known.
    pub joined: Option<Joined>,
}

/// Which rows go on.
#[derive(Clone, Debug)]
pub struct Filter {
    /// Conditions: first `where`, if there is one, then those of the routes.
    pub conditions: Vec<Typed>,
    /// Whether the first condition is `where`.
    pub has_where: bool,
    /// The share of the rows that go on.
    pub sample: Option<f64>,
    /// The columns of which no two rows have the same values, by the places that expressions know them by.
    pub dedup: Vec<u32>,
    /// How many rows go on at most.
    pub limit: Option<usize>,
    /// Its outputs; none = one without a name.
    pub routes: Vec<Route>,
    /// Which routes a row takes.
    pub mode: Mode,
    /// The columns that joins have put behind those of its rows.
    pub behind: Behind,
}

/// A view.
#[derive(Clone, Debug)]
pub struct View {
    /// Its settings.
    pub options: ViewOptions,
    /// What its rules do.
    pub rules: Arc<Plan>,
    /// The columns that joins have put behind those of its rows.
    pub behind: Behind,
}

/// What a table is of.
#[derive(Clone, Debug)]
pub enum TableOf {
    /// The connection graph.
    Graph(Relation),
    /// A view, by its name.
    View(String, Box<Shown>),
}

/// A table of the connection graph or of a view.
#[derive(Clone, Debug)]
pub struct Table {
    /// What is in it.
    pub of: TableOf,
    /// Its columns.
    pub schema: Schema,
}
