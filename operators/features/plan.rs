//! The columns of a run, and the extractors that compute them: one set a worker, one state an open record.

use super::extractor::{Needs, Wanted};
use super::group::{Planned, Row, States, Targets};
use super::options::FeatureSettings;
use super::shape::{Pick, Shape};
use crate::columns::{Column, Columns};
use crate::flows::{Applications, Flow, Rules};
use crate::packet::Packet;
use crate::protocols::Protocols;
use crate::schema::{Feature, Schema};
use crate::slots::Slots;
use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;

/// Which packets of a flow a column looks at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Side {
    /// Those that the definition says.
    All,
    /// The definition, over the packets of the initiator.
    Forward,
    /// The definition, over the packets of the responder.
    Backward,
}

/// Where a column of the plan comes from.
#[derive(Clone, Copy, Debug)]
pub(super) struct Origin {
    /// Place of the group in the list of groups.
    pub group: usize,
    /// Place of the column in the schema of the group.
    pub column: usize,
    pub side: Side,
}

/// The columns that a run computes, and what it takes to compute them.
#[derive(Clone)]
pub struct FeaturePlan {
    /// The columns of the rows, in output order.
    pub schema: Schema,
    /// For each of them, where it comes from.
    picks: Vec<Pick>,
    settings: Box<FeatureSettings>,
    /// The columns that the groups give, in the order of the catalogue.
    given: Schema,
    /// One entry for each of these.
    origins: Vec<Origin>,
    /// The groups with a column in the schema.
    parts: Vec<Part>,
    /// One row with what stands for a null in each column that the groups give.
    nulls: Arc<[Column]>,
}

#[derive(Clone)]
struct Part {
    name: &'static str,
    planned: Arc<dyn Planned>,
    targets: Arc<Targets>,
    split: bool,
}

impl fmt::Debug for FeaturePlan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = self.schema.iter().map(|feature| &feature.name);
        f.debug_list().entries(names).finish()
    }
}

impl FeaturePlan {
    pub(super) fn new(
        settings: Box<FeatureSettings>,
        (given, origins): (Schema, Vec<Origin>),
        shaped: Vec<(Feature, Pick)>,
    ) -> Self {
        let (schema, picks) = shaped.into_iter().unzip();
        let groups = settings.groups.iter().enumerate();
        let parts = groups.filter_map(|(at, group)| {
            let columns = group.schema();
            let mut targets: Targets = std::array::from_fn(|_| vec![None; columns.len()]);
            for (place, origin) in (0..).zip(&origins).filter(|(_, origin)| origin.group == at) {
                targets[origin.side as usize][origin.column] = Some(place);
            }
            let wanted: Vec<bool> = (0..columns.len())
                .map(|column| targets.iter().any(|targets| targets[column].is_some()))
                .collect();
            let split = targets[1..].iter().flatten().any(Option::is_some);
            let planned = wanted.contains(&true).then(|| {
                group.plan(&Wanted {
                    columns: wanted,
                    names: columns.into_iter().map(|feature| feature.name).collect(),
                    split,
                    sequence: settings.shared.max_sequence_length,
                    burst_threshold: u64::try_from(settings.shared.burst_threshold.0).unwrap_or(0),
                    decode: settings.decode.clone(),
                    sources: Arc::clone(&settings.sources),
                    deviation: settings.shared.deviation,
                })
            })?;
            Some(Part {
                name: group.name(),
                planned,
                split,
                targets: Arc::new(targets),
            })
        });
        Self {
            parts: parts.collect(),
            nulls: given.iter().map(null_of).collect(),
            schema,
            picks,
            settings,
            given,
            origins,
        }
    }

    /// What makes rows of the columns that the groups give.
    pub fn shape(&self) -> Shape {
        let (picks, schema) = (self.picks.clone(), self.schema.clone());
        Shape::new(picks, schema, self.given.len(), &self.settings.shared)
    }

    /// A batch for the columns that the groups give, with room for as many rows.
    pub fn batch(&self, rows: usize) -> Columns {
        Columns::with_room(&self.given, rows)
    }

    /// Tells the groups what the inputs are called, by ordinal.
    pub fn name_sources(&mut self, names: Vec<String>) {
        self.settings.sources = names.into();
        self.restrict(|_| true);
    }

    /// Keeps only these columns. Groups that lose all of them vanish and cost nothing.
    pub fn restrict(&mut self, keep: impl Fn(&Feature) -> bool) {
        let shaped = self.schema.drain(..).zip(self.picks.drain(..));
        let mut shaped: Vec<(Feature, Pick)> =
            shaped.filter(|(feature, _)| keep(feature)).collect();
        let used: BTreeSet<usize> = shaped.iter().map(|(_, pick)| pick.column).collect();
        for (_, pick) in &mut shaped {
            *pick = pick.at(used.range(..pick.column).count());
        }
        let given = self.given.drain(..).zip(self.origins.drain(..)).enumerate();
        let given = given
            .filter(|(at, _)| used.contains(at))
            .map(|(_, one)| one);
        let given = given.unzip();
        *self = Self::new(std::mem::take(&mut self.settings), given, shaped);
    }

    /// What is read of a packet beyond its header fields.
    pub fn needs(&self) -> Needs {
        let parts = self.parts.iter().map(|part| part.planned.needs());
        parts.fold(Needs::NONE, Needs::union)
    }

    /// Names of the groups with a column in the schema, in column order.
    pub fn groups(&self) -> impl ExactSizeIterator<Item = &'static str> + '_ {
        self.parts.iter().map(|part| part.name)
    }

    /// The plan of one of these groups alone. Its rows are the columns of the group as it gives them; those of all groups side by
    /// side ([`Columns::join`]) are what [`FeaturePlan::shape`] makes the rows of this plan of.
    ///
    /// # Panics
    /// If there are fewer groups.
    #[must_use]
    pub fn group(&self, at: usize) -> Self {
        let name = self.parts[at].name;
        let given = self.given.iter().cloned().zip(self.origins.iter().copied());
        let given: (Schema, Vec<Origin>) =
            given.filter(|(feature, _)| feature.group == name).unzip();
        let plain = given.0.iter().cloned().enumerate();
        let plain = plain.map(|(at, feature)| (feature, Pick::whole(at)));
        let plain = plain.collect();
        Self::new(self.settings.clone(), given, plain)
    }

    /// For each group, and for the parsers of application protocols: bytes of the state of one open record, without its heap parts.
    pub fn bytes_per_flow(&self) -> Vec<(&'static str, usize)> {
        let bytes = |part: &Part| part.planned.state_bytes() * if part.split { 3 } else { 1 };
        let groups = self.parts.iter().map(|part| (part.name, bytes(part)));
        let parsers = ("protocols", Applications::BYTES_PER_FLOW);
        let parsers = (!self.needs().protocols.is_empty()).then_some(parsers);
        groups.chain(parsers).collect()
    }

    /// The extractors of one worker.
    pub fn extractors(&self) -> Extractors {
        let states = |part: &Part| Running {
            states: part.planned.states(part.split),
            targets: Arc::clone(&part.targets),
            protocols: part.planned.needs().protocols,
        };
        let protocols = self.needs().protocols;
        let rules = Rules::new(protocols, &self.settings.decode);
        Extractors {
            applications: (!protocols.is_empty()).then(|| Applications::new(rules)),
            groups: self.parts.iter().map(states).collect(),
            nulls: Arc::clone(&self.nulls),
        }
    }
}

/// One row with what stands for a null in this column.
fn null_of(feature: &Feature) -> Column {
    let mut column = Column::new(&feature.data_type, feature.null.is_some());
    if feature.null.is_some() || !column.push_text(&feature.default) {
        column.push_zero();
        if let Some(valid) = &mut column.valid {
            valid.push(false);
        }
    }
    column
}

/// The states of the open flow records of a worker: of each group, one a slot.
///
/// Slots are small numbers that the flow table hands out and takes back; memory is that of the largest one.
pub struct Extractors {
    /// The parsers of application protocols, if a group takes messages.
    applications: Option<Applications>,
    groups: Vec<Running>,
    nulls: Arc<[Column]>,
}

/// A group at work.
struct Running {
    states: Box<dyn States>,
    targets: Arc<Targets>,
    /// Those whose messages it takes.
    protocols: Protocols,
}

impl fmt::Debug for Extractors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "extractors of {} groups", self.groups.len())
    }
}

impl Extractors {
    /// Starts a record in a slot.
    pub fn open(&mut self, slot: u32) {
        if let Some(applications) = &mut self.applications {
            applications.open(slot);
        }
        for group in &mut self.groups {
            group.states.open(slot);
        }
    }

    /// Takes packets in processing order: `slots` has one entry a packet, `flows` one a slot.
    ///
    /// One call a group, so that its code and state stay in the cache for the whole run of packets.
    pub fn packets(&mut self, packets: &[Packet<'_>], slots: &[u32], flows: &Slots<Flow>) {
        debug_assert_eq!(packets.len(), slots.len());
        if let Some(applications) = &mut self.applications {
            applications.packets(packets, slots, flows, |slot, message, from, time| {
                let takes = |group: &&mut Running| group.protocols.has(message.protocol());
                for group in self.groups.iter_mut().filter(takes) {
                    group.states.message(slot, message, from, time);
                }
            });
        }
        for group in &mut self.groups {
            group.states.packets(packets, slots, flows);
        }
    }

    /// Adds the row of the record in a slot, as of now, to a batch of [`FeaturePlan::batch`].
    pub fn finish(&self, slot: u32, flow: &Flow, rows: &mut Columns) {
        rows.keys.push((flow.start, flow.first));
        for group in &self.groups {
            let mut row = Row {
                columns: &mut rows.columns,
                targets: &group.targets,
                nulls: &self.nulls,
            };
            group.states.finish(slot, flow, &mut row);
        }
    }

    /// Ends the record in a slot and frees what it holds.
    pub fn close(&mut self, slot: u32) {
        if let Some(applications) = &mut self.applications {
            applications.close(slot);
        }
        for group in &mut self.groups {
            group.states.close(slot);
        }
    }

    /// For each entry of [`FeaturePlan::bytes_per_flow`]: heap bytes held beyond it by the states of open records.
    pub fn heap_bytes_by_group(&self) -> impl Iterator<Item = usize> + '_ {
        let groups = self.groups.iter().map(|group| group.states.heap_bytes());
        let parsers = self.applications.as_ref().map(Applications::heap_bytes);
        groups.chain(parsers)
    }
}
