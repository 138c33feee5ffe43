//! The columns of a run, and the extractors that compute them: one set a worker, one state an open record.

use super::aggregated::Aggregated;
use super::connection::{Connection, ConnectionPlan};
use super::extractor::{Needs, Wanted};
use super::group::{Planned, Row, States, Targets};
use super::options::FeatureSettings;
use super::seen::Offered;
use super::shape::{Pick, Shape};
use crate::books::Books;
use crate::columns::{Column, Columns};
use crate::expressions::aggregates::{Aggregate, GROUP};
use crate::flows::{Applications, Flow, RUN, Rules};
use crate::packet::Packet;
use crate::protocols::Protocols;
use crate::schema::{Feature, Features as _, Schema};
use crate::slots::Slots;
use crate::sources::InputName;
use crate::views::graph::{Measures, edge_of};
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
    /// How many of them are written by sinks that name no columns; behind them is what only expressions read.
    pub visible: usize,
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
    /// What others than the rows need of the connection graph.
    graph: Option<Measures>,
    /// Whether views want the edges of records.
    edges: bool,
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
        let (schema, picks): (Schema, Vec<Pick>) = shaped.into_iter().unzip();
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
                    names: columns
                        .into_iter()
                        .map(|feature| feature.name.into())
                        .collect(),
                    split,
                    sequence: settings.shared.max_sequence_length,
                    burst_threshold: u64::try_from(settings.shared.burst_threshold.0).unwrap_or(0),
                    decode: settings.decode.clone(),
                    sources: Arc::clone(&settings.sources),
                    stages: Arc::clone(&settings.stages),
                    deviation: settings.shared.deviation,
                    dtls: settings.shared.dtls,
                })
            })?;
            Some(Part {
                name: group.name(),
                planned,
                split,
                targets: Arc::new(targets),
            })
        });
        let mut parts: Vec<Part> = parts.collect();
        parts.extend(aggregated(&settings, &origins));
        Self {
            parts,
            nulls: given.iter().map(null_of).collect(),
            visible: schema.len(),
            schema,
            picks,
            settings,
            given,
            origins,
            graph: None,
            edges: false,
        }
    }

    /// The same, of whose columns the first ones are written.
    #[must_use]
    pub(super) fn showing(self, visible: usize) -> Self {
        Self { visible, ..self }
    }

    /// The place of a feature among the columns, under its own name and as its group gives it.
    pub fn place(&self, name: &str) -> Option<usize> {
        let at = self.given.iter().position(|feature| feature.name == name)?;
        self.picks.iter().position(|pick| *pick == Pick::whole(at))
    }

    /// What sinks may write of these columns, each at its place.
    pub fn offered(&self) -> Vec<Offered> {
        let columns = self.schema.iter().zip(&self.picks).enumerate();
        let visible = columns.take(self.visible);
        visible
            .map(|(place, (feature, pick))| Offered {
                place,
                base: self.given[pick.column].name.to_string(),
                feature: feature.clone(),
            })
            .collect()
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
    pub fn name_sources(&mut self, names: Arc<[InputName]>) {
        self.settings.sources = names;
        self.restrict(|_| true);
    }

    /// Keeps only these columns. Groups that lose all of them vanish and cost nothing.
    pub fn restrict(&mut self, keep: impl Fn(&Feature) -> bool) {
        let schema = self.schema.iter().enumerate();
        let kept = schema
            .filter(|(_, feature)| keep(feature))
            .map(|(at, _)| at);
        self.keep(&kept.collect());
    }

    /// Keeps only the columns at these places.
    pub fn keep(&mut self, places: &BTreeSet<usize>) {
        let (graph, edges) = (self.graph, self.edges);
        let visible = places.range(..self.visible).count();
        let shaped = self.schema.drain(..).zip(self.picks.drain(..)).enumerate();
        let mut shaped: Vec<(Feature, Pick)> = shaped
            .filter(|(at, _)| places.contains(at))
            .map(|(_, one)| one)
            .collect();
        let used: BTreeSet<usize> = shaped.iter().map(|(_, pick)| pick.column).collect();
        for (_, pick) in &mut shaped {
            *pick = pick.at(used.range(..pick.column).count());
        }
        let given = self.given.drain(..).zip(self.origins.drain(..)).enumerate();
        let given = given
            .filter(|(at, _)| used.contains(at))
            .map(|(_, one)| one);
        let given = given.unzip();
        *self = Self::new(std::mem::take(&mut self.settings), given, shaped).showing(visible);
        (self.graph, self.edges) = (graph, edges);
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
        Self {
            edges: at == 0 && (self.edges || self.connection().is_some()),
            ..Self::new(self.settings.clone(), given, plain)
        }
    }

    /// For each group, and for the parsers of application protocols: bytes of the state of one open record, without its heap parts.
    pub fn bytes_per_flow(&self) -> Vec<(&'static str, usize)> {
        let bytes = |part: &Part| part.planned.state_bytes() * if part.split { 3 } else { 1 };
        let groups = self.parts.iter().map(|part| (part.name, bytes(part)));
        let parsers = ("protocols", Applications::BYTES_PER_FLOW);
        let parsers = (!self.needs().protocols.is_empty()).then_some(parsers);
        groups.chain(parsers).collect()
    }

    /// What the connection graph has to give, if a column of it is wanted.
    pub fn connection(&self) -> Option<ConnectionPlan> {
        let mut parts = self.parts.iter();
        let part = parts.find(|part| part.name == Connection::GROUP);
        let targets = match (part, self.graph) {
            // places among the columns that the groups give, to those in the rows
            (Some(part), _) => {
                let place = |given: u32| {
                    let mut picks = self.picks.iter();
                    let at = picks.position(|pick| pick.column == given as usize);
                    at.and_then(|at| u32::try_from(at).ok())
                };
                let given = part.targets[Side::All as usize].iter();
                given.map(|given| given.and_then(place)).collect()
            }
            (None, Some(_)) => Vec::new(),
            (None, None) => return None,
        };
        let options = self.settings.shared.connection.clone().unwrap_or_default();
        let nulls = self.schema.iter().map(null_of).collect();
        let mut plan = ConnectionPlan::new(options, &self.schema, targets, nulls);
        plan.measures = plan.measures.union(self.graph.unwrap_or_default());
        Some(plan)
    }

    /// Lets the edges of all records go to the connection graph, whether or not rows have columns of it.
    pub const fn want_graph(&mut self, measures: Measures) {
        self.graph = Some(measures);
    }

    /// Lets rows have the edges of their records, for views.
    pub const fn want_edges(&mut self) {
        self.edges = true;
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
            has_edges: self.edges || self.connection().is_some(),
            nulls: Arc::clone(&self.nulls),
        }
    }
}

/// The part of the columns that expressions measure, of which only those that are left are computed.
fn aggregated(settings: &FeatureSettings, origins: &[Origin]) -> Option<Part> {
    let group = settings.groups.len();
    let own = (0..)
        .zip(origins)
        .filter(|(_, origin)| origin.group == group);
    let (places, wanted): (Vec<u32>, Vec<Aggregate>) = own
        .filter_map(|(place, origin)| {
            Some((place, settings.aggregates.get(origin.column)?.clone()))
        })
        .unzip();
    let targets = [
        places.into_iter().map(Some).collect(),
        Vec::new(),
        Vec::new(),
    ];
    (!wanted.is_empty()).then(|| Part {
        name: GROUP,
        planned: Arc::new(Aggregated::new(wanted)),
        targets: Arc::new(targets),
        split: false,
    })
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
    /// Whether the connection graph wants the edge of each record.
    has_edges: bool,
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
            applications.packets(packets, slots, flows, |told, message, from| {
                let takes = |group: &&mut Running| group.protocols.has(message.protocol());
                for group in self.groups.iter_mut().filter(takes) {
                    group.states.message(told, message, from);
                }
            });
        }
        // found once for all groups
        for (packets, slots) in packets.chunks(RUN).zip(slots.chunks(RUN)) {
            let Some(first) = slots.first() else { continue };
            let mut own = [&flows[*first as usize]; RUN];
            for (own, slot) in own.iter_mut().zip(slots) {
                *own = &flows[*slot as usize];
            }
            for group in &mut self.groups {
                group.states.packets(packets, slots, &own[..slots.len()]);
            }
        }
    }

    /// Adds the row of the record in a slot, as of now, to a batch of [`FeaturePlan::batch`], which [`FeaturePlan::shape`] makes whole.
    pub fn finish(&self, slot: u32, flow: &Flow, rows: &mut Columns) {
        rows.keys.push((flow.start, flow.first));
        if self.has_edges {
            rows.edges.push(edge_of(flow));
        }
        for group in &self.groups {
            let mut row = Row {
                columns: &mut rows.columns,
                targets: &group.targets,
                nulls: &self.nulls,
                row: rows.keys.len() - 1,
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

    /// Puts down what went wrong since it was asked last.
    pub fn note(&mut self, books: &mut Books) {
        for group in &mut self.groups {
            group.states.note(books);
        }
    }

    /// For each entry of [`FeaturePlan::bytes_per_flow`]: heap bytes held beyond it by the states of open records.
    pub fn heap_bytes_by_group(&self) -> impl Iterator<Item = usize> + '_ {
        let groups = self.groups.iter().map(|group| group.states.heap_bytes());
        let parsers = self.applications.as_ref().map(Applications::heap_bytes);
        groups.chain(parsers)
    }
}
