//! A place in captured bytes: reads ahead and moves on, and says `Cut` where the capture ends. Knows no protocol.

use crate::books::Skip;

/// The captured bytes end before what was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cut;

/// Why a frame is no packet, and its EtherType where that is the reason.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Skipped {
    /// The reason.
    pub reason: Skip,
    /// EtherType of a frame that is not IP.
    pub ethertype: Option<u16>,
}

impl From<Skip> for Skipped {
    fn from(reason: Skip) -> Self {
        Self {
            reason,
            ethertype: None,
        }
    }
}

impl From<Cut> for Skipped {
    fn from(_: Cut) -> Self {
        Skip::Truncated.into()
    }
}

/// The rest of a frame, and where in the frame it starts.
#[derive(Clone, Copy, Debug)]
pub struct Bytes<'a> {
    rest: &'a [u8],
    at: u32,
}

impl<'a> Bytes<'a> {
    /// A whole frame.
    pub fn new(frame: &'a [u8]) -> Self {
        Self { rest: frame, at: 0 }
    }

    /// Offset of the rest in the frame.
    pub fn at(self) -> u32 {
        self.at
    }

    /// The rest.
    pub fn rest(self) -> &'a [u8] {
        self.rest
    }

    /// Bytes left.
    pub fn len(self) -> usize {
        self.rest.len()
    }

    /// Fails if fewer than `n` bytes are left.
    pub fn need(self, n: usize) -> Result<(), Cut> {
        if n <= self.len() { Ok(()) } else { Err(Cut) }
    }

    /// `N` bytes from `offset` on.
    pub fn array<const N: usize>(self, offset: usize) -> Result<[u8; N], Cut> {
        let found = self.rest.get(offset..).and_then(<[u8]>::first_chunk);
        found.copied().ok_or(Cut)
    }

    /// The byte at `offset`.
    pub fn u8(self, offset: usize) -> Result<u8, Cut> {
        self.rest.get(offset).copied().ok_or(Cut)
    }

    /// The big-endian number at `offset`.
    pub fn u16(self, offset: usize) -> Result<u16, Cut> {
        self.array(offset).map(u16::from_be_bytes)
    }

    /// The big-endian number at `offset`.
    pub fn u32(self, offset: usize) -> Result<u32, Cut> {
        self.array(offset).map(u32::from_be_bytes)
    }

    /// What is left behind the next `n` bytes.
    pub fn skip(self, n: usize) -> Result<Self, Cut> {
        let rest = self.rest.get(n..).ok_or(Cut)?;
        let at = self.at.saturating_add(u32::try_from(n).map_err(|_| Cut)?);
        Ok(Self { rest, at })
    }

    /// At most `n` bytes of the rest.
    pub fn first(self, n: u64) -> Self {
        let kept = usize::try_from(n).ok().and_then(|n| self.rest.get(..n));
        Self {
            rest: kept.unwrap_or(self.rest),
            ..self
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_end_where_the_bytes_end() {
        let bytes = Bytes::new(&[1, 2, 3, 4, 5]);
        assert_eq!(bytes.u32(1), Ok(0x0203_0405));
        assert_eq!(bytes.u32(2), Err(Cut));
        assert_eq!(bytes.u16(usize::MAX), Err(Cut));
        assert_eq!(bytes.need(5), Ok(()));
        assert_eq!(bytes.need(6), Err(Cut));
        let end = bytes.skip(5).expect("five bytes");
        assert_eq!((end.at(), end.len(), end.u8(0)), (5, 0, Err(Cut)));
        assert!(bytes.skip(6).is_err());
        assert_eq!(bytes.first(2).rest(), [1, 2]);
        assert_eq!(bytes.first(u64::MAX).rest(), bytes.rest());
    }
}
