//! Whole items of a stream that comes in pieces: bytes wait only for the item they belong to. Knows no protocol.

use memchr::memchr;

/// What the bytes from the start of an item say of its length.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Length {
    /// Too few to tell.
    Unknown,
    /// The item has so many bytes, at least one.
    Known(usize),
    /// They start no item: the stream is not of this protocol.
    Wrong,
}

/// Where the line ends that starts here, its LF included; so many of the bytes are known to hold no LF.
pub fn line_end(bytes: &[u8], searched: usize) -> Option<usize> {
    let end = memchr(b'\n', bytes.get(searched..)?)?;
    end.checked_add(searched)?.checked_add(1)
}

/// The start of an item whose end has not come.
#[derive(Clone, Debug, Default)]
pub struct Joiner {
    held: Vec<u8>,
    /// Bytes of `held` from which the length could not be told.
    searched: u32,
}

impl Joiner {
    /// Adds the next bytes of the stream and hands on each item that is whole now, until one says that no more are wanted. False
    /// = no more are wanted, or the bytes start no item; nothing is held then.
    ///
    /// `length` is given the bytes from the start of an item, and how many of them it was given before and could not tell from: who
    /// looks only behind those reads a stream that comes byte by byte once, and not once a byte.
    pub fn push(
        &mut self,
        bytes: &[u8],
        length: impl Fn(&[u8], usize) -> Length,
        mut item: impl FnMut(&[u8]) -> bool,
    ) -> bool {
        let Self { held, mut searched } = std::mem::take(self);
        let mut held = held;
        if !held.is_empty() {
            held.extend_from_slice(bytes);
        }
        let all = if held.is_empty() { bytes } else { &held };
        let mut rest = all;
        while !rest.is_empty() {
            match length(rest, searched as usize) {
                Length::Wrong => return false,
                Length::Unknown => {
                    searched = u32::try_from(rest.len()).unwrap_or(u32::MAX);
                    break;
                }
                Length::Known(length) => {
                    searched = 0;
                    let Some((whole, behind)) = rest.split_at_checked(length.max(1)) else {
                        break;
                    };
                    if !item(whole) {
                        return false;
                    }
                    rest = behind;
                }
            }
        }
        // nothing is left of most pieces: then no memory is either
        let left = rest.len();
        self.held = match all.len().saturating_sub(left) {
            _ if left == 0 => Vec::new(),
            0 if !held.is_empty() => held,
            _ => rest.to_vec(),
        };
        self.searched = searched;
        true
    }

    /// Heap bytes held.
    pub fn heap_bytes(&self) -> usize {
        self.held.capacity()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn items_are_whole_however_they_come() {
        let length = |bytes: &[u8], _: usize| match bytes {
            [0, ..] => Length::Wrong,
            [length, ..] => Length::Known((*length).into()),
            [] => Length::Unknown,
        };
        let stream = [1, 3, 8, 8, 2, 7, 4, 1, 1];
        for size in 1..=stream.len() {
            let (mut joiner, mut items) = (Joiner::default(), Vec::new());
            for piece in stream.chunks(size) {
                assert!(joiner.push(piece, length, |item| {
                    items.push(item.to_vec());
                    true
                }));
            }
            assert_eq!(
                items,
                [vec![1], vec![3, 8, 8], vec![2, 7]],
                "pieces of {size}"
            );
        }
        assert!(!Joiner::default().push(&[1, 0, 1], length, |_| true));
        assert!(!Joiner::default().push(&[1, 1], length, |_| false));
    }

    #[test]
    fn a_long_line_in_small_pieces_is_looked_at_once() {
        const BYTES: usize = 4096;
        let looked = std::cell::Cell::new(0);
        let length = |bytes: &[u8], searched: usize| {
            looked.set(looked.get() + bytes.len() - searched);
            line_end(bytes, searched).map_or(Length::Unknown, Length::Known)
        };
        let (mut joiner, mut lines) = (Joiner::default(), Vec::new());
        for piece in [b'x'; BYTES].chunks(1).chain([&b"\ny"[..]]) {
            joiner.push(piece, length, |line| {
                lines.push(line.len());
                true
            });
        }
        assert_eq!((lines, looked.get()), (vec![BYTES + 1], BYTES + 3));
        assert!(joiner.heap_bytes() < 16, "what was handed on is not held");
    }
}
