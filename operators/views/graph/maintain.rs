//! What is counted, maintained by differences: a change of the records costs what it touches, not the whole graph.
//!
//! Counts and degrees are arrangements that forget what is not beyond the last tick; triangles come from `triangles.rs`. What
//! needs the whole graph is computed of a snapshot (`snapshot.rs`) and is no part of this.

use super::changes::changes;
use super::edge::Record;
use super::pair::{Ends, Pair};
use super::triangles::triangles;
use differential_dataflow::difference::{IsZero, Monoid, Semigroup};
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

/// What is counted of a node beside its flows. They are differences too, and no wider than they have to be: a graph in which a node
/// has 2,147,483,648 neighbours has no room in memory.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
pub struct Degrees {
    /// Distinct nodes that it connects to.
    pub out_degree: i32,
    /// Distinct nodes that connect to it.
    pub in_degree: i32,
    /// Distinct ports that it connects to.
    pub ports: i32,
    /// Distinct neighbours, itself not counted.
    pub degree: i32,
    /// Triangles through it.
    pub triangles: i64,
}

impl IsZero for Degrees {
    fn is_zero(&self) -> bool {
        *self == Self::default()
    }
}

impl Semigroup for Degrees {
    fn plus_equals(&mut self, other: &Self) {
        self.out_degree += other.out_degree;
        self.in_degree += other.in_degree;
        self.ports += other.ports;
        self.degree += other.degree;
        self.triangles += other.triangles;
    }
}

impl Monoid for Degrees {
    fn zero() -> Self {
        Self::default()
    }
}

/// A value of the graph that has changed: with +1 it holds from the tick on, in the place of what held of the same node, edge or
/// port; with -1 it no longer does. All but times are told once a tick, with -1 only where nothing takes their place.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Fact {
    /// Flows that a node initiated, and flows towards it.
    Flows(u32, Sums, Sums),
    /// Flows of an edge.
    Edge(u32, u32, Sums),
    /// Flows of an edge to one port.
    Port(u32, u32, u16, i64),
    /// What else is counted of a node.
    Degrees(u32, Degrees),
    /// The times of the flows of a node.
    Times(u32, Times),
}

impl Fact {
    /// The node that it is of, or both ends of the edge.
    pub const fn of(&self) -> (u32, Option<u32>) {
        match *self {
            Self::Edge(from, to, _) | Self::Port(from, to, ..) => (from, Some(to)),
            Self::Flows(node, ..) | Self::Degrees(node, _) | Self::Times(node, _) => (node, None),
        }
    }

    /// What is told where a count changes at a tick.
    fn told<R: PartialEq + IsZero>(
        tick: u64,
        before: &R,
        now: &R,
        fact: impl FnOnce(&R) -> Self,
    ) -> Option<(Self, u64, isize)> {
        if before == now {
            None
        } else if now.is_zero() {
            Some((fact(before), tick, -1))
        } else {
            Some((fact(now), tick, 1))
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
    // flows, packets and bytes are differences: what is counted needs no value
    let none = Sums::zero();
    let ends = records
        .inner
        .clone()
        .flat_map(move |(record, tick, times)| {
            let sums = sums(&record, times);
            let towards = (record.to, tick, (none, sums));
            [(record.from, tick, (sums, none)), towards]
        });
    let flows = ends.as_collection().arrange_by_self_named("flows of nodes");
    facts.push(changes(
        flows,
        "flows",
        alone,
        |&[node], tick, before, now| {
            let fact = |(from, to): &(Sums, Sums)| Fact::Flows(node, *from, *to);
            Fact::told(tick, &before[0], &now[0], fact)
        },
    ));
    let edges = records.inner.clone().map(|(record, tick, times)| {
        let Record { from, to, .. } = record;
        (Ends { from, to }, tick, sums(&record, times))
    });
    let edges = edges.as_collection().arrange_by_self_named("edges");
    let pairs = changes(edges, "pairs", Ends::both, |edges, tick, before, now| {
        let (before, now) = (*before, *now);
        Some(Pair {
            edges: *edges,
            tick,
            before,
            now,
        })
    });
    facts.push(pairs.clone().flat_map(|pair| {
        [0, 1].into_iter().filter_map(move |at| {
            let Ends { from, to } = pair.edges[at];
            let fact = |sums: &Sums| Fact::Edge(from, to, *sums);
            Fact::told(pair.tick, &pair.before[at], &pair.now[at], fact)
        })
    }));
    if measures.edge_ports {
        let ports = records
            .clone()
            .map(|record| (record.from, record.to, record.port));
        let ports = ports.arrange_by_self_named("ports of edges");
        let told = |&[(from, to, port)]: &[_; 1], tick, before: &[_; 1], now: &[_; 1]| {
            let fact = |flows: &isize| Fact::Port(from, to, port, wide(*flows));
            Fact::told(tick, &before[0], &now[0], fact)
        };
        facts.push(changes(ports, "flows of ports", alone, told));
    }
    let mut degrees = Vec::new();
    if measures.ports {
        let ports = records.clone().map(|record| (record.from, record.port));
        let ports = ports.arrange_by_self_named("ports of nodes");
        let told = |&[(node, _)]: &[_; 1], tick, before: &[isize; 1], now: &[isize; 1]| {
            let ports = i32::from(now[0] != 0) - i32::from(before[0] != 0);
            let degrees = Degrees {
                ports,
                ..Degrees::zero()
            };
            (ports != 0).then_some((node, tick, degrees))
        };
        degrees.push(changes(ports, "ports", alone, told));
    }
    let neighbours = measures.neighbours || measures.triangles;
    if measures.degrees || neighbours {
        let turns = pairs.clone().flat_map(move |pair| {
            let degrees = pair.degrees(measures.degrees, neighbours).into_iter();
            degrees.filter(|(.., degrees)| !degrees.is_zero())
        });
        degrees.push(turns);
    }
    if measures.triangles {
        let neighbours = pairs.flat_map(|pair| {
            let [Ends { from, to }, _] = pair.edges;
            let turn = pair.neighbours();
            (turn != 0).then_some(((from, to), pair.tick, turn as isize))
        });
        let found = triangles(neighbours.as_collection()).inner;
        degrees.push(found.map(|(node, tick, triangles)| {
            let triangles = wide(triangles);
            (
                node,
                tick,
                Degrees {
                    triangles,
                    ..Degrees::zero()
                },
            )
        }));
    }
    if !degrees.is_empty() {
        let degrees = scope.concatenate(degrees).as_collection();
        let degrees = degrees.arrange_by_self_named("degrees of nodes");
        facts.push(changes(
            degrees,
            "degrees",
            alone,
            |&[node], tick, before, now| {
                Fact::told(tick, &before[0], &now[0], |degrees| {
                    Fact::Degrees(node, *degrees)
                })
            },
        ));
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

/// Each key is told of by itself.
const fn alone<K: Copy>(key: &K) -> [K; 1] {
    [*key]
}

/// Flows, packets and bytes of a record that comes or goes.
fn sums(record: &Record, times: isize) -> Sums {
    let times = wide(times);
    let sum = |value: u64| {
        i64::try_from(value)
            .unwrap_or(i64::MAX)
            .saturating_mul(times)
    };
    (times, sum(record.packets), sum(record.bytes))
}

const fn wide(count: isize) -> i64 {
    count as i64
}
