//! Two nodes and the edges between them, which are looked at together: what changes of the one decides with the other whether the
//! nodes become neighbours.

use super::maintain::{Degrees, Sums};
use serde::{Deserialize, Serialize};
use std::cmp::Ordering;
use std::hash::{Hash, Hasher};

/// An edge. The two that lead there and back stand next to each other, and are kept by the same worker.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Ends {
    pub from: u32,
    pub to: u32,
}

impl Ends {
    /// Both edges between its nodes, that from the smaller one first; one to itself is there twice.
    pub fn both(&self) -> [Self; 2] {
        let (from, to) = (self.from.min(self.to), self.from.max(self.to));
        let back = Self { from: to, to: from };
        [Self { from, to }, back]
    }
}

impl Ord for Ends {
    fn cmp(&self, other: &Self) -> Ordering {
        let key = |ends: &Self| (ends.from.min(ends.to), ends.from.max(ends.to), ends.from);
        key(self).cmp(&key(other))
    }
}

impl PartialOrd for Ends {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Hash for Ends {
    fn hash<H: Hasher>(&self, state: &mut H) {
        (self.from.min(self.to), self.from.max(self.to)).hash(state);
    }
}

/// What changes between two nodes at a tick.
#[derive(Clone, Debug)]
pub(super) struct Pair {
    /// The edges there and back.
    pub edges: [Ends; 2],
    pub tick: u64,
    /// What their flows were, and what they are.
    pub before: [Sums; 2],
    pub now: [Sums; 2],
}

impl Pair {
    /// 1 where something comes that was not there, -1 where it goes.
    fn turn(before: bool, now: bool) -> i32 {
        i32::from(now) - i32::from(before)
    }

    /// The same of the edges there and back.
    fn turns(&self) -> [i32; 2] {
        let is_there = |sums: Sums| sums.0 != 0;
        let [there, back] = [0, 1].map(|at| (self.before[at], self.now[at]));
        [there, back].map(|(before, now)| Self::turn(is_there(before), is_there(now)))
    }

    /// The same of the two as neighbours; no node is one of its own.
    pub fn neighbours(&self) -> i32 {
        let [Ends { from, to }, _] = self.edges;
        if from == to {
            return 0;
        }
        let is_there = |sums: [Sums; 2]| sums.iter().any(|sums| sums.0 != 0);
        Self::turn(is_there(self.before), is_there(self.now))
    }

    /// What that makes of the degrees of both nodes, of those that are wanted.
    pub fn degrees(&self, directed: bool, neighbours: bool) -> [(u32, u64, Degrees); 2] {
        let [there, back] = self.turns().map(|turn| if directed { turn } else { 0 });
        let degree = if neighbours { self.neighbours() } else { 0 };
        let degrees = |out_degree, in_degree| Degrees {
            out_degree,
            in_degree,
            degree,
            ..Degrees::default()
        };
        let [Ends { from, to }, _] = self.edges;
        [
            (from, self.tick, degrees(there, back)),
            (to, self.tick, degrees(back, there)),
        ]
    }
}
