//! The times between the packets of a biflow and of each of its directions, listed once: what percentiles of all three need.
//!
//! No moments: those are kept beside the lists, and two gaps or fewer are known from them.

use super::{Moments, Quantiles};

/// The gaps of all packets, of the forward ones and of the backward ones. `Default` is that of no gap.
#[derive(Clone, Debug)]
pub enum GapLists {
    /// Every gap since the packet before, in order, shifted left by one; the lowest bit is the direction of the later packet. The
    /// times follow from them, and so the gaps of each direction.
    Together(Vec<u64>),
    /// A list for all and for each direction: where one of them is too long to be exact, or a gap too long to be shifted.
    Apart(Box<[Quantiles; 3]>),
}

impl Default for GapLists {
    fn default() -> Self {
        Self::NONE
    }
}

/// A gap as it is listed.
fn entry(gap: u64, side: usize) -> Option<u64> {
    let is_short = gap >> (u64::BITS - 1) == 0;
    is_short.then_some(gap << 1 | (side as u64 & 1))
}

impl GapLists {
    /// Those of no gap, or of one.
    pub const NONE: Self = Self::Together(Vec::new());

    /// Adds a gap. A list is exact up to `exact` gaps, which is the same for the whole record.
    #[inline]
    pub fn push(&mut self, gap: Gap<'_>, exact: usize) {
        if let Self::Together(list) = self {
            if gap.all.count() == 0 {
                return; // the first one is known as long as it is the only one
            }
            let opening = || entry(gap.all.sum(), gap.second);
            let begun = !list.is_empty();
            let first = if begun { Some(0) } else { opening() };
            if let (Some(first), Some(entry)) = (first, entry(gap.length, gap.side))
                && list.len().max(1) < exact
            {
                if !begun {
                    list.reserve(8);
                    list.push(first);
                }
                list.push(entry);
                return;
            }
            *self = Self::Apart(Box::new(self.lists(gap.first)));
        }
        self.push_apart(&gap, exact);
    }

    fn push_apart(&mut self, gap: &Gap<'_>, exact: usize) {
        let Self::Apart(lists) = self else { return };
        let [all, sides @ ..] = &mut **lists;
        if gap.all.count() >= 2 {
            all.push(gap.length, gap.all, exact);
        }
        if let Some((length, moments)) = gap.own
            && moments.count() >= 2
        {
            sides[gap.side & 1].push(length, moments, exact);
        }
    }

    /// The list of all gaps and of those of each direction. `first` is the direction of the first packet.
    pub fn lists(&self, first: usize) -> [Quantiles; 3] {
        let gaps = match self {
            Self::Together(gaps) => gaps,
            Self::Apart(lists) => return (**lists).clone(),
        };
        let mut all = Vec::with_capacity(gaps.len());
        let mut sides = [const { Vec::new() }; 2];
        let mut last = [None; 2];
        let mut now = 0u64;
        last[first & 1] = Some(now);
        for entry in gaps {
            let (gap, side) = (entry >> 1, (entry & 1) as usize);
            now = now.wrapping_add(gap);
            all.push(gap);
            if let Some(last) = last[side].replace(now) {
                sides[side].push(now.wrapping_sub(last));
            }
        }
        let [forward, backward] = sides;
        [all, forward, backward].map(Quantiles::of)
    }

    /// Heap bytes held.
    pub fn heap_bytes(&self) -> usize {
        match self {
            Self::Together(gaps) => gaps.capacity() * size_of::<u64>(),
            Self::Apart(lists) => {
                size_of_val(&**lists) + lists.iter().map(Quantiles::heap_bytes).sum::<usize>()
            }
        }
    }
}

/// The time before a packet, and what came before it.
pub struct Gap<'a> {
    /// Since the last packet.
    pub length: u64,
    /// Direction of the packet.
    pub side: usize,
    /// Moments of the gaps of all packets before.
    pub all: &'a Moments,
    /// Since the last packet of this direction, if there was one, and the moments of this direction before.
    pub own: Option<(u64, &'a Moments)>,
    /// Direction of the first packet of the record.
    pub first: usize,
    /// Direction of the second one; need not be right later than at the third.
    pub second: usize,
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Three lists kept one by one, as the definition says.
    fn plain(packets: &[(u64, usize)]) -> [Vec<u64>; 3] {
        let mut lists = [const { Vec::new() }; 3];
        let mut last: [Option<u64>; 3] = [None; 3];
        for &(time, side) in packets {
            for which in [0, 1 + side] {
                if let Some(before) = last[which].replace(time) {
                    lists[which].push(time - before);
                }
            }
        }
        lists
    }

    fn listed(packets: &[(u64, usize)], exact: usize) -> (GapLists, [Moments; 3]) {
        let (mut lists, mut moments) = (GapLists::default(), [Moments::default(); 3]);
        let mut last: [Option<u64>; 3] = [None; 3];
        for (at, &(time, side)) in packets.iter().enumerate() {
            let before = last[0].replace(time);
            let own = last[1 + side].replace(time);
            let Some(before) = before else { continue };
            let gap = Gap {
                length: time - before,
                side,
                all: &moments[0],
                own: own.map(|own| (time - own, &moments[1 + side])),
                first: packets[0].1,
                second: if at <= 2 { packets[1].1 } else { 7 },
            };
            lists.push(gap, exact);
            moments[0].push(time - before);
            if let Some(own) = own {
                moments[1 + side].push(time - own);
            }
        }
        (lists, moments)
    }

    proptest! {
        #[test]
        fn percentiles_are_those_of_three_lists(
            steps in prop::collection::vec((prop_oneof![0u64..1000, 0..=u64::MAX / 32], 0usize..2), 1..30),
            exact in 1usize..40,
            last in prop_oneof![Just(0u64), Just(u64::MAX / 2)],
        ) {
            let mut now = 0;
            let mut packets: Vec<(u64, usize)> = Vec::new();
            for (gap, side) in steps {
                now += gap / 2;
                packets.push((now, side));
            }
            packets.push((now.saturating_add(last), 0));
            let (lists, moments) = listed(&packets, exact);
            let first = packets[0].1;
            for ((list, mut kept), moments) in plain(&packets).iter().zip(lists.lists(first)).zip(moments) {
                let mut own = Quantiles::NONE;
                let mut before = Moments::default();
                for value in list {
                    if before.count() >= 2 {
                        own.push(*value, &before, exact);
                    }
                    before.push(*value);
                }
                prop_assert_eq!(&before, &moments);
                prop_assert_eq!(
                    kept.percentiles(&moments, [1, 25, 50, 99], 1),
                    own.percentiles(&moments, [1, 25, 50, 99], 1)
                );
            }
        }
    }

    #[test]
    fn a_few_gaps_take_a_few_bytes() {
        let packets: Vec<(u64, usize)> = (0..20).map(|at| (at, at as usize % 2)).collect();
        assert_eq!(listed(&packets[..2], 1024).0.heap_bytes(), 0);
        assert_eq!(listed(&packets[..3], 1024).0.heap_bytes(), 64);
        assert_eq!(listed(&packets, 1024).0.heap_bytes(), 256);
    }
}
