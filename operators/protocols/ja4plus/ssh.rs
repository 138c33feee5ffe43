//! JA4SSH: lengths and numbers of 200 packets of an SSH connection.

use crate::packet::Direction;

/// Packets with payload of a fingerprint.
pub const PACKETS: u16 = 200;

/// The packets since the last fingerprint, by direction.
#[derive(Debug, Default)]
pub struct Session {
    /// Payload lengths and how often each was seen.
    lengths: [Vec<(u32, u16)>; 2],
    packets: [u16; 2],
    acknowledgements: [u32; 2],
}

impl Session {
    /// Takes a packet with payload; gives the fingerprint that it completes.
    pub fn packet(&mut self, length: u32, from: Direction) -> Option<String> {
        let lengths = from.of_mut(&mut self.lengths);
        match lengths.iter_mut().find(|(seen, _)| *seen == length) {
            Some((_, count)) => *count = count.saturating_add(1),
            None => lengths.push((length, 1)),
        }
        let count = from.of_mut(&mut self.packets);
        *count = count.saturating_add(1);
        let [ahead, behind] = self.packets;
        if ahead.saturating_add(behind) < PACKETS {
            return None;
        }
        let text = self.ja4ssh();
        *self = Self::default();
        text
    }

    /// Takes packets that only acknowledge.
    pub fn acknowledgements(&mut self, from: Direction, packets: u32) {
        let count = from.of_mut(&mut self.acknowledgements);
        *count = count.saturating_add(packets);
    }

    /// The fingerprint of what was seen since the last one; `None` without a packet with payload.
    pub fn ja4ssh(&self) -> Option<String> {
        let [ahead, behind] = self.packets;
        if ahead == 0 && behind == 0 {
            return None;
        }
        let [client, server] = self.lengths.each_ref().map(|lengths| mode(lengths));
        let [to, back] = self.acknowledgements;
        Some(format!("c{client}s{server}_c{ahead}s{behind}_c{to}s{back}"))
    }

    /// Heap bytes held.
    pub fn heap_bytes(&self) -> usize {
        let [ahead, behind] = self.lengths.each_ref().map(Vec::capacity);
        let entries = ahead.saturating_add(behind);
        entries.saturating_mul(size_of::<(u32, u16)>())
    }
}

/// The length seen most often, the smallest of those; 0 if there is none.
fn mode(lengths: &[(u32, u16)]) -> u32 {
    let least = |(length, count): &&(u32, u16)| (*count, std::cmp::Reverse(*length));
    lengths
        .iter()
        .max_by_key(least)
        .map_or(0, |(length, _)| *length)
}

#[cfg(test)]
mod tests {
    use super::*;
    use Direction::{Backward, Forward};

    #[test]
    fn modes_and_counts() {
        let mut session = Session::default();
        assert_eq!(session.ja4ssh(), None);
        // JA4SSH.md: 36 bytes 20 times, 128 bytes 10 times and 200 bytes 15 times: the mode is 36
        for (length, times) in [(128, 10), (36, 20), (200, 15)] {
            for _ in 0..times {
                assert_eq!(session.packet(length, Forward), None);
            }
        }
        for length in [100, 52, 52, 100] {
            session.packet(length, Backward);
        }
        session.acknowledgements(Backward, 1);
        assert_eq!(session.ja4ssh().as_deref(), Some("c36s52_c45s4_c0s1"));
    }

    #[test]
    fn two_hundred_make_one() {
        let mut session = Session::default();
        let texts: Vec<String> = (0..401)
            .filter_map(|_| session.packet(1460, Backward))
            .collect();
        assert_eq!(texts, ["c0s1460_c0s200_c0s0"; 2]);
        assert_eq!(session.ja4ssh().as_deref(), Some("c0s1460_c0s1_c0s0"));
    }
}
