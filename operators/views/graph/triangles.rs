//! Triangles of an undirected graph, by intersecting the neighbours of the two ends of each edge that comes or goes.
//!
//! No wedge is stored. Every worker has the neighbours of all nodes (8 bytes an edge and worker, plus room to grow) and looks
//! for the triangles of its share of the edges: lists are then never sent, and a hub costs its neighbours nothing, as the shorter
//! list is looked up in the longer one.

use differential_dataflow::{AsCollection as _, VecCollection};
use std::collections::BTreeMap;
use timely::container::CapacityContainerBuilder;
use timely::dataflow::channels::pact::Pipeline;
use timely::dataflow::operators::generic::Operator as _;
use timely::dataflow::operators::vec::Broadcast as _;

/// An edge that comes (+1) or goes (-1).
type Change = (u32, u32, isize);

/// For each node, as many copies as it has triangles. `edges` are distinct, the smaller node first, and join different nodes.
pub fn triangles<'scope>(
    edges: VecCollection<'scope, u64, (u32, u32), isize>,
) -> VecCollection<'scope, u64, u32, isize> {
    let scope = edges.scope();
    let (worker, peers) = (scope.index() as u64, scope.peers() as u64);
    edges
        .inner
        .broadcast()
        .unary_frontier::<CapacityContainerBuilder<Vec<_>>, _, _, _>(
            Pipeline,
            "triangles",
            |_, _| {
                let mut neighbours = Neighbours::default();
                let mut waiting: BTreeMap<u64, Vec<Change>> = BTreeMap::new();
                let mut held = None;
                move |(input, frontier), output| {
                    input.for_each(|capability, changes| {
                        for ((a, b), tick, diff) in changes.drain(..) {
                            waiting.entry(tick).or_default().push((a, b, diff));
                        }
                        if let Some(capability) = capability.retain_least(0)
                            && held.as_ref().is_none_or(
                                |held: &timely::dataflow::operators::Capability<u64>| {
                                    capability.time() < held.time()
                                },
                            )
                        {
                            held = Some(capability);
                        }
                    });
                    let Some(capability) = &mut held else { return };
                    while let Some(tick) = waiting.first_entry()
                        && !frontier.frontier().less_equal(tick.key())
                    {
                        let (tick, changes) = tick.remove_entry();
                        let mut session = output.session(capability);
                        let is_mine = |a: u32, b: u32| spread(a, b) % peers == worker;
                        neighbours.change(changes, is_mine, |node, triangles| {
                            session.give((node, tick, triangles));
                        });
                    }
                    match waiting.keys().next() {
                        Some(tick) => capability.downgrade(tick),
                        None => held = None,
                    }
                }
            },
        )
        .as_collection()
}

/// Which worker looks at an edge: any mix of both ends, the same everywhere.
const fn spread(a: u32, b: u32) -> u64 {
    ((a as u64) << 32 | b as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 40
}

/// The neighbours of every node, in order.
#[derive(Debug, Default)]
struct Neighbours(Vec<Vec<u32>>);

impl Neighbours {
    /// Takes the edges that change at one tick, in any order, and tells how many triangles each node gains or loses by those of
    /// `is_mine`. All workers take the edges one after the other in the same order, so that each triangle is seen by exactly one.
    fn change(
        &mut self,
        mut changes: Vec<Change>,
        is_mine: impl Fn(u32, u32) -> bool,
        mut tell: impl FnMut(u32, isize),
    ) {
        changes.sort_unstable_by_key(|(a, b, diff)| (*diff, *a, *b));
        for (a, b, diff) in changes {
            if diff < 0 {
                self.remove(a, b);
                self.remove(b, a);
            }
            if is_mine(a, b) {
                let mut closed = 0;
                self.common(a, b, |node| {
                    closed += diff;
                    tell(node, diff);
                });
                if closed != 0 {
                    tell(a, closed);
                    tell(b, closed);
                }
            }
            if diff > 0 {
                self.add(a, b);
                self.add(b, a);
            }
        }
    }

    fn of(&self, node: u32) -> &[u32] {
        self.0.get(node as usize).map_or(&[], Vec::as_slice)
    }

    fn common(&self, a: u32, b: u32, mut found: impl FnMut(u32)) {
        let (few, many) = (self.of(a), self.of(b));
        let (few, mut many) = if few.len() > many.len() {
            (many, few)
        } else {
            (few, many)
        };
        for node in few {
            // the next one is not far where the lists are alike: doubling steps, then halving
            let mut step = 1;
            while many.get(step).is_some_and(|other| other < node) {
                step *= 2;
            }
            let reach = many.len().min(step + 1);
            let at = many[..reach].partition_point(|other| other < node);
            many = &many[at..];
            match many.first() {
                Some(other) if other == node => found(*node),
                Some(_) => {}
                None => return,
            }
        }
    }

    fn add(&mut self, node: u32, other: u32) {
        let at = node as usize;
        if self.0.len() <= at {
            self.0.resize_with(at + 1, Vec::new);
        }
        let list = &mut self.0[at];
        if let Err(place) = list.binary_search(&other) {
            list.insert(place, other);
        }
    }

    fn remove(&mut self, node: u32, other: u32) {
        if let Some(list) = self.0.get_mut(node as usize)
            && let Ok(place) = list.binary_search(&other)
        {
            list.remove(place);
            if list.is_empty() {
                *list = Vec::new();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_triangle_comes_with_its_last_edge_and_goes_with_any() {
        let mut neighbours = Neighbours::default();
        let mut told = Vec::new();
        let all = |_, _| true;
        neighbours.change(vec![(1, 2, 1), (0, 2, 1)], all, |node, n| {
            told.push((node, n))
        });
        assert_eq!(told, []);
        neighbours.change(vec![(0, 1, 1)], all, |node, n| told.push((node, n)));
        assert_eq!(told, [(2, 1), (0, 1), (1, 1)]);
        told.clear();
        neighbours.change(vec![(0, 2, -1), (0, 1, -1)], all, |node, n| {
            told.push((node, n))
        });
        assert_eq!(told, [(2, -1), (0, -1), (1, -1)]);
        assert_eq!(neighbours.of(0), &[] as &[u32]);
    }

    #[test]
    fn what_lists_share_is_found_wherever_it_lies() {
        let mut neighbours = Neighbours::default();
        for other in (0..1000).filter(|n| n % 7 == 0) {
            neighbours.add(2000, other);
        }
        for other in [0, 6, 7, 8, 700, 994, 999] {
            neighbours.add(2001, other);
        }
        let mut found = Vec::new();
        neighbours.common(2000, 2001, |node| found.push(node));
        assert_eq!(found, [0, 7, 700, 994]);
    }
}
