//! What a record shares with those that ended just before it: how many of the last hundred have its ends, ports or service (the
//! `ct` columns of UNSW-NB15), and whether its edge was there before.
//!
//! Records are taken in the order of the clock at their last packet, then of their start and place in the input: where time runs
//! forward that is the order of their ends. A service is protocol and port of the responder. Nothing here knows a window.

use super::graph::{Node, nodes_of};
use crate::columns::{Address, FlowEdge, RowKey};
use crate::features::Connection;
use hashbrown::{HashMap, HashSet};
use std::collections::VecDeque;

/// Records that are looked at, the last one included.
const RECENT: usize = 100;

/// What two records can have in common.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Trait {
    Target(Address),
    Source(Address),
    SourceService(Address, u8, u16),
    TargetService(Address, u8, u16),
    TargetAndSourcePort(Address, u16),
    SourceAndTargetPort(Address, u16),
    Both(Address, Address),
}

/// The traits of a record, in the order of the columns.
fn traits(edge: &FlowEdge) -> [Trait; 7] {
    let FlowEdge {
        from,
        to,
        from_port,
        to_port,
        protocol,
        ..
    } = *edge;
    [
        Trait::Target(to),
        Trait::Source(from),
        Trait::SourceService(from, protocol, to_port),
        Trait::TargetService(to, protocol, to_port),
        Trait::TargetAndSourcePort(to, from_port),
        Trait::SourceAndTargetPort(from, to_port),
        Trait::Both(from, to),
    ]
}

/// What is known of one record.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Past {
    /// Records with each of its traits, itself included.
    shared: [u8; 7],
    is_new: bool,
}

impl Past {
    /// Its columns; all others are empty.
    pub fn columns(self) -> Connection {
        let [target, source, source_service, target_service, ..] = self.shared.map(u32::from);
        let [.., source_port, target_port, both] = self.shared.map(u32::from);
        Connection {
            ct_dst_ltm: target,
            ct_src_ltm: source,
            ct_srv_src: source_service,
            ct_srv_dst: target_service,
            ct_dst_sport_ltm: source_port,
            ct_src_dport_ltm: target_port,
            ct_dst_src_ltm: both,
            new_edge: u8::from(self.is_new),
            ..Connection::default()
        }
    }
}

/// What is known of many records, by key.
#[derive(Clone, Debug, Default)]
pub struct Pasts(Vec<(RowKey, Past)>);

impl Pasts {
    /// That of a record; nothing where nobody asked.
    pub fn of(&self, key: &RowKey) -> Past {
        let at = self.0.binary_search_by_key(key, |(key, _)| *key);
        at.ok()
            .and_then(|at| self.0.get(at))
            .map_or_else(Past::default, |(_, past)| *past)
    }

    /// Those of some records, which are in order.
    pub fn part(&self, keys: &[RowKey]) -> Self {
        let known = keys.iter().filter(|_| !self.0.is_empty());
        Self(known.map(|key| (*key, self.of(key))).collect())
    }
}

/// The last records, and the edges of all.
#[derive(Debug, Default)]
pub struct Recent {
    last: VecDeque<[Trait; 7]>,
    counts: HashMap<Trait, u8, foldhash::fast::FixedState>,
    edges: HashSet<(Node, Node), foldhash::fast::FixedState>,
}

impl Recent {
    /// Bytes of a record until its tick comes, and of an edge that was seen, which is never forgotten.
    pub const BYTES: [usize; 2] = [
        size_of::<(RowKey, FlowEdge)>(),
        size_of::<(Node, Node)>() + 1,
    ];

    /// Takes records that end after all that were taken before, in any order.
    pub fn take(&mut self, mut records: Vec<(RowKey, FlowEdge)>, use_ports: bool) -> Pasts {
        records.sort_unstable_by_key(|(key, edge)| (edge.clock, *key));
        let records = records.into_iter();
        let mut pasts: Vec<(RowKey, Past)> = records
            .map(|(key, edge)| (key, self.next(&edge, use_ports)))
            .collect();
        pasts.sort_unstable_by_key(|(key, _)| *key);
        Pasts(pasts)
    }

    fn next(&mut self, edge: &FlowEdge, use_ports: bool) -> Past {
        if self.last.len() == RECENT {
            for gone in self.last.pop_front().into_iter().flatten() {
                if let Some(count) = self.counts.get_mut(&gone) {
                    *count -= 1;
                    if *count == 0 {
                        self.counts.remove(&gone);
                    }
                }
            }
        }
        let traits = traits(edge);
        self.last.push_back(traits);
        let shared = traits.map(|one| {
            let count = self.counts.entry(one).or_default();
            *count += 1; // 100 at most
            *count
        });
        Past {
            shared,
            is_new: self.edges.insert(nodes_of(edge, use_ports)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn edge((from, to, from_port, to_port, protocol): (u8, u8, u16, u16, u8)) -> FlowEdge {
        let address = |last| Address {
            family: 4,
            bytes: [last; 16],
        };
        FlowEdge {
            from: address(from),
            to: address(to),
            from_port,
            to_port,
            protocol,
            packets: 1,
            bytes: 60,
            start: 0,
            end: 0,
            clock: 0,
        }
    }

    proptest! {
        #[test]
        fn counts_are_those_of_the_last_hundred(
            ends in proptest::collection::vec((0u8..4, 0u8..4, 0u16..3, 0u16..3, 6u8..8), 1..300), cut in any::<prop::sample::Index>(),
        ) {
            let records: Vec<(RowKey, FlowEdge)> = (0i64..)
                .zip(&ends)
                .map(|(at, ends)| ((-at, 0), FlowEdge { clock: at, ..edge(*ends) }))
                .collect();
            let mut recent = Recent::default();
            let (first, second) = records.split_at(cut.index(records.len()));
            let parts = [first, second].map(|part| recent.take(part.iter().rev().copied().collect(), false));
            for (at, (key, record)) in records.iter().enumerate() {
                let part = &parts[usize::from(at >= first.len())];
                let like = |same: &dyn Fn(&FlowEdge) -> bool| {
                    let last = &records[at.saturating_sub(RECENT - 1)..=at];
                    u32::try_from(last.iter().filter(|(_, other)| same(other)).count()).unwrap()
                };
                let service = |other: &FlowEdge| (other.protocol, other.to_port) == (record.protocol, record.to_port);
                let both = |other: &FlowEdge| (other.from, other.to) == (record.from, record.to);
                let wanted = Connection {
                    ct_dst_ltm: like(&|other| other.to == record.to),
                    ct_src_ltm: like(&|other| other.from == record.from),
                    ct_srv_src: like(&|other| other.from == record.from && service(other)),
                    ct_srv_dst: like(&|other| other.to == record.to && service(other)),
                    ct_dst_sport_ltm: like(&|other| (other.to, other.from_port) == (record.to, record.from_port)),
                    ct_src_dport_ltm: like(&|other| (other.from, other.to_port) == (record.from, record.to_port)),
                    ct_dst_src_ltm: like(&both),
                    new_edge: u8::from(!records[..at].iter().any(|(_, other)| both(other))),
                    ..Connection::default()
                };
                prop_assert_eq!(part.of(key).columns(), wanted, "record {}", at);
            }
        }
    }

    #[test]
    fn nothing_is_known_where_nobody_asked() {
        assert_eq!(Pasts::default().of(&(0, 0)), Past::default());
    }
}
