//! Reading big-endian fields in order: each read gives `None` where the bytes end inside the field. Knows no protocol.

/// The bytes that are still to be read.
#[derive(Clone, Copy, Debug)]
pub struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    /// Reads from the start of `bytes`.
    pub const fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    /// What is left.
    pub const fn rest(self) -> &'a [u8] {
        self.0
    }

    /// Whether nothing is left.
    pub const fn is_empty(self) -> bool {
        self.0.is_empty()
    }

    /// How many bytes of `whole`, which this reads the end of, were read.
    pub const fn read_of(self, whole: &[u8]) -> usize {
        whole.len().saturating_sub(self.0.len())
    }

    /// The next `n` bytes.
    pub fn take(&mut self, n: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(n)?;
        self.0 = rest;
        Some(taken)
    }

    /// The next `N` bytes.
    pub fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (taken, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(*taken)
    }

    /// The next byte.
    pub fn u8(&mut self) -> Option<u8> {
        self.array().map(u8::from_be_bytes)
    }

    /// The next two bytes.
    pub fn u16(&mut self) -> Option<u16> {
        self.array().map(u16::from_be_bytes)
    }

    /// The next three bytes.
    pub fn u24(&mut self) -> Option<u32> {
        let [a, b, c] = self.array()?;
        Some(u32::from_be_bytes([0, a, b, c]))
    }

    /// The next four bytes.
    pub fn u32(&mut self) -> Option<u32> {
        self.array().map(u32::from_be_bytes)
    }

    /// The bytes behind a length of one byte.
    pub fn vector8(&mut self) -> Option<&'a [u8]> {
        let length = self.u8()?;
        self.take(length.into())
    }

    /// The bytes behind a length of two bytes.
    pub fn vector16(&mut self) -> Option<&'a [u8]> {
        let length = self.u16()?;
        self.take(length.into())
    }

    /// The bytes behind a length of three bytes.
    pub fn vector24(&mut self) -> Option<&'a [u8]> {
        let length = self.u24()?;
        self.take(length as usize)
    }

    /// The bytes behind a length of four bytes.
    pub fn vector32(&mut self) -> Option<&'a [u8]> {
        let length = self.u32()?;
        self.take(length as usize)
    }

    /// A number of variable length (RFC 9000 section 16).
    pub fn varint(&mut self) -> Option<u64> {
        let first = self.u8()?;
        let more = match first >> 6 {
            0 => 0,
            1 => 1,
            2 => 3,
            _ => 7,
        };
        let more = self.take(more)?;
        let number = more.iter().fold(u64::from(first & 0x3F), |number, byte| {
            number << 8 | u64::from(*byte)
        });
        Some(number)
    }

    /// Passes over so many numbers of variable length.
    pub fn skip_varints(&mut self, count: u64) -> Option<()> {
        for _ in 0..count {
            self.varint()?;
        }
        Some(())
    }

    /// The bytes behind a length of variable length.
    pub fn vector_varint(&mut self) -> Option<&'a [u8]> {
        let length = self.varint()?;
        self.take(usize::try_from(length).ok()?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_of_variable_length() {
        // RFC 9000 appendix A.1
        let varint = |bytes: &[u8]| Reader::new(bytes).varint();
        assert_eq!(
            varint(&[0xc2, 0x19, 0x7c, 0x5e, 0xff, 0x14, 0xe8, 0x8c]),
            Some(151_288_809_941_952_652)
        );
        assert_eq!(varint(&[0x9d, 0x7f, 0x3e, 0x7d]), Some(494_878_333));
        assert_eq!(varint(&[0x7b, 0xbd]), Some(15_293));
        assert_eq!(
            (varint(&[0x25]), varint(&[0x40, 0x25])),
            (Some(37), Some(37))
        );
        assert_eq!((varint(&[]), varint(&[0x40])), (None, None));
    }

    #[test]
    fn reads_end_where_the_bytes_end() {
        let mut reader = Reader::new(&[0, 0, 2, 7, 8, 9]);
        assert_eq!(reader.vector24(), Some(&[7, 8][..]));
        assert_eq!((reader.u16(), reader.rest()), (None, &[9][..]));
        assert_eq!((reader.vector8(), reader.is_empty()), (None, true));
        assert_eq!((reader.u8(), reader.take(0)), (None, Some(&[][..])));
    }
}
