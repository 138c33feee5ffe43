//! What is counted, maintained by differences: a change of the records costs what it touches, not the whole graph.
//!
//! Counts and degrees are arrangements that forget what is not beyond the last tick; triangles come from `triangles.rs`. What
//! needs the whole graph is computed of a snapshot (`snapshot.rs`) and is no part of this.

use super::edge::Record;
use super::triangles::triangles;
use differential_dataflow::operators::{CountTotal as _, ThresholdTotal as _};
use differential_dataflow::{AsCollection as _, VecCollection};
use serde::{Deserialize, Serialize};
use timely::dataflow::StreamVec;
use timely::dataflow::operators::Concatenate as _;
use timely::dataflow::operators::vec::Map as _;

/// Flows, packets, bytes.
pub type Sums = (i64, i64, i64);

/// A count as it is shown: none is negative.
pub fn count(value: i64) -> u64 {
    u64::try_from(value).unwrap_or(0)
}

/// What is to be maintained beyond flows, packets and bytes of nodes and edges, which always are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Measures {
    /// Flows of each edge by the responder's port.
    pub edge_ports: bool,
    /// Distinct ports that a node connects to.
    pub ports: bool,
    /// Distinct nodes that a node connects to, and that connect to it.
    pub degrees: bool,
    /// Distinct neighbours of a node in the undirected graph.
    pub neighbours: bool,
    /// Triangles of a node in the undirected graph, and its neighbours.
    pub triangles: bool,
    /// The times of the flows of a node.
    pub times: bool,
}

impl Measures {
    /// Everything there is.
    pub const ALL: Self = Self {
        edge_ports: true,
        ports: true,
        degrees: true,
        neighbours: true,
        triangles: true,
        times: true,
    };

    /// What both need.
    #[must_use]
    pub const fn union(self, other: Self) -> Self {
        Self {
            edge_ports: self.edge_ports || other.edge_ports,
            ports: self.ports || other.ports,
            degrees: self.degrees || other.degrees,
            neighbours: self.neighbours || other.neighbours,
            triangles: self.triangles || other.triangles,
            times: self.times || other.times,
        }
    }
}

/// A value of the graph that has changed: with +1 it holds from the tick on, with -1 it no longer does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Fact {
    /// Flows that a node initiated.
    From(u32, Sums),
    /// Flows towards a node.
    To(u32, Sums),
    /// Flows of an edge.
    Edge(u32, u32, Sums),
    /// Flows of an edge to one port.
    Port(u32, u32, u16, i64),
    /// Distinct ports that a node connects to.
    Ports(u32, i64),
    /// Distinct nodes that a node connects to.
    Out(u32, i64),
    /// Distinct nodes that connect to a node.
    In(u32, i64),
    /// Distinct neighbours of a node, itself not counted.
    Degree(u32, i64),
    /// Triangles through a node.
    Triangles(u32, i64),
    /// The times of the flows of a node.
    Times(u32, Times),
}

impl Fact {
    /// The node that it is of, or both ends of the edge.
    pub const fn of(&self) -> (u32, Option<u32>) {
        match *self {
            Self::Edge(from, to, _) | Self::Port(from, to, ..) => (from, Some(to)),
            Self::From(node, _)
            | Self::To(node, _)
            | Self::Ports(node, _)
            | Self::Out(node, _)
            | Self::In(node, _)
            | Self::Degree(node, _)
            | Self::Triangles(node, _)
            | Self::Times(node, _) => (node, None),
        }
    }
}

/// The times of the flows in which a node is initiator or responder, each flow once.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Times {
    /// How many flows.
    pub flows: u64,
    /// The earliest start, ns since 1970.
    pub first: i64,
    /// The latest end, ns since 1970.
    pub last: i64,
    /// The mean of the starts, rounded down, as a distance from `first`, ns.
    pub mean: u64,
    /// Sum of the distances of the starts from that mean, ns.
    pub sum: i128,
    /// Sum of their squares, ns².
    pub squares: u128,
    /// The longest chain of starts whose neighbours are at most a second apart.
    pub chain: u64,
}

/// Starts that follow each other no later than this belong to one chain, ns.
const CHAIN: i64 = 1_000_000_000;

impl Times {
    /// Of (start, end, how often), in order of the starts; `None` without any.
    pub fn of(flows: impl Iterator<Item = (i64, i64, u64)> + Clone) -> Option<Self> {
        let (first, _, _) = flows.clone().next()?;
        // starts are in order, so no distance is negative
        let distance = |start: i64| start.abs_diff(first);
        let (mut count, mut last, mut total) = (0u64, i64::MIN, 0u128);
        let (mut chain, mut longest, mut before) = (0u64, 0u64, first);
        for (start, end, times) in flows.clone() {
            count += times;
            last = last.max(end);
            total += u128::from(distance(start)) * u128::from(times);
            let follows = start.abs_diff(before) <= CHAIN.unsigned_abs();
            chain = if follows { chain + times } else { times };
            longest = longest.max(chain);
            before = start;
        }
        let mean = u64::try_from(total / u128::from(count.max(1))).unwrap_or(u64::MAX);
        let (mut sum, mut squares) = (0i128, 0u128);
        for (start, _, times) in flows {
            let from_mean = i128::from(distance(start)) - i128::from(mean);
            sum += from_mean * i128::from(times);
            let square = from_mean.unsigned_abs().saturating_pow(2);
            squares = squares.saturating_add(square.saturating_mul(u128::from(times)));
        }
        Some(Self {
            flows: count,
            first,
            last,
            mean,
            sum,
            squares,
            chain: longest,
        })
    }

    /// From the earliest start to the latest end, ns.
    pub const fn span(&self) -> u64 {
        self.last.abs_diff(self.first)
    }

    /// Population standard deviation of the starts, seconds.
    #[expect(
        clippy::cast_precision_loss,
        reason = "the sums are about the mean: what is lost is the last bit"
    )]
    pub fn spread(&self) -> f64 {
        let flows = self.flows.max(1) as f64;
        let offset = self.sum as f64 / flows;
        let variance = self.squares as f64 / flows - offset * offset;
        variance.max(0.0).sqrt() / 1e9
    }
}

/// Maintains the facts of a collection of records. The facts of a tick are complete when the frontier has passed it.
pub fn maintain<'scope>(
    records: VecCollection<'scope, u64, Record, isize>,
    measures: Measures,
) -> StreamVec<'scope, u64, (Fact, u64, isize)> {
    let scope = records.scope();
    let mut facts = Vec::new();
    let from = weighed(&records, |record| record.from).count_total();
    facts.push(from.map(|(node, sums)| Fact::From(node, sums)).inner);
    let to = weighed(&records, |record| record.to).count_total();
    facts.push(to.map(|(node, sums)| Fact::To(node, sums)).inner);
    let edges = weighed(&records, |record| (record.from, record.to)).arrange_by_self_named("edges");
    let counted = edges.clone().count_total_core::<isize>();
    let counted = counted.map(|((from, to), sums)| Fact::Edge(from, to, sums));
    facts.push(counted.inner);
    if measures.edge_ports {
        let ports = records
            .clone()
            .map(|record| (record.from, record.to, record.port))
            .count_total();
        let ports = ports.map(|((from, to, port), flows)| Fact::Port(from, to, port, wide(flows)));
        facts.push(ports.inner);
    }
    if measures.ports {
        let ports = records.clone().map(|record| (record.from, record.port));
        let ports = ports.distinct_total().map(|(node, _)| node).count_total();
        let ports = ports.map(|(node, ports)| Fact::Ports(node, wide(ports)));
        facts.push(ports.inner);
    }
    let neighbours = measures.neighbours || measures.triangles;
    if measures.degrees || neighbours {
        let distinct = edges.distinct_total_core::<isize>();
        if measures.degrees {
            let out = distinct.clone().map(|(from, _)| from).count_total();
            facts.push(out.map(|(node, n)| Fact::Out(node, wide(n))).inner);
            let into = distinct.clone().map(|(_, to)| to).count_total();
            facts.push(into.map(|(node, n)| Fact::In(node, wide(n))).inner);
        }
        if neighbours {
            let pairs = distinct
                .filter(|(from, to)| from != to)
                .map(|(from, to)| (from.min(to), from.max(to)))
                .distinct_total();
            let degree = pairs.clone().flat_map(|(a, b)| [a, b]).count_total();
            facts.push(degree.map(|(node, n)| Fact::Degree(node, wide(n))).inner);
            if measures.triangles {
                let triangles = triangles(pairs).count_total();
                let triangles = triangles.map(|(node, n)| Fact::Triangles(node, wide(n)));
                facts.push(triangles.inner);
            }
        }
    }
    if measures.times {
        let touched = records.flat_map(|record| {
            let times = (record.start, record.end);
            let other = (record.from != record.to).then_some((record.to, times));
            [(record.from, times)].into_iter().chain(other)
        });
        let times = touched.reduce(|_, flows, out| {
            let flows = flows
                .iter()
                .map(|((start, end), times)| (*start, *end, times.unsigned_abs() as u64));
            out.extend(Times::of(flows).map(|times| (times, 1isize)));
        });
        facts.push(times.map(|(node, times)| Fact::Times(node, times)).inner);
    }
    scope.concatenate(facts)
}

/// The records by a key, each with its flow, packets and bytes as the difference: what is counted needs no value.
fn weighed<'scope, K: differential_dataflow::ExchangeData>(
    records: &VecCollection<'scope, u64, Record, isize>,
    key: impl Fn(&Record) -> K + 'static,
) -> VecCollection<'scope, u64, K, Sums> {
    let weighed = records.inner.clone().map(move |(record, tick, times)| {
        let times = wide(times);
        let sum = |value: u64| {
            i64::try_from(value)
                .unwrap_or(i64::MAX)
                .saturating_mul(times)
        };
        let sums = (times, sum(record.packets), sum(record.bytes));
        (key(&record), tick, sums)
    });
    weighed.as_collection()
}

const fn wide(count: isize) -> i64 {
    count as i64
}
