//! Whole items of a stream that comes in pieces: bytes wait only for the item they belong to. Knows no protocol.

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

/// The start of an item whose end has not come.
#[derive(Clone, Debug, Default)]
pub struct Joiner(Vec<u8>);

impl Joiner {
    /// Adds the next bytes of the stream and hands on each item that is whole now, until one says that no more are wanted. False
    /// = no more are wanted, or the bytes start no item; nothing is held then.
    pub fn push(
        &mut self,
        bytes: &[u8],
        length: impl Fn(&[u8]) -> Length,
        mut item: impl FnMut(&[u8]) -> bool,
    ) -> bool {
        let mut held = std::mem::take(&mut self.0);
        if !held.is_empty() {
            held.extend_from_slice(bytes);
        }
        let mut rest = if held.is_empty() { bytes } else { &held };
        while !rest.is_empty() {
            match length(rest) {
                Length::Wrong => return false,
                Length::Unknown => break,
                Length::Known(length) => {
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
        self.0 = rest.to_vec();
        true
    }

    /// Heap bytes held.
    pub fn heap_bytes(&self) -> usize {
        self.0.capacity()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn items_are_whole_however_they_come() {
        let length = |bytes: &[u8]| match bytes {
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
}
