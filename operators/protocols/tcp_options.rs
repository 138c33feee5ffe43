//! The options of a TCP header (RFC 9293 section 3.1, RFC 7323, RFC 2018).
//!
//! The list ends at the end-of-list option and before the first option that is cut or claims less than two bytes. An option whose
//! length is not the one that its kind demands is in the list, and has no value.

/// Option kinds (IANA).
pub mod kind {
    #![expect(missing_docs, reason = "the names are the definition")]
    pub const END_OF_LIST: u8 = 0;
    pub const NO_OPERATION: u8 = 1;
    pub const MAXIMUM_SEGMENT_SIZE: u8 = 2;
    pub const WINDOW_SCALE: u8 = 3;
    pub const SACK_PERMITTED: u8 = 4;
    pub const SACK: u8 = 5;
    pub const TIMESTAMPS: u8 = 8;
    pub const MPTCP: u8 = 30;
}

/// The largest shift that counts (RFC 7323 section 2.3).
pub const LARGEST_SHIFT: u8 = 14;

/// The bytes of an option list: iterates over the options, the end-of-list option and paddings left out.
#[derive(Clone, Copy, Debug)]
pub struct Options<'a>(&'a [u8]);

/// One option.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TcpOption<'a> {
    /// Its kind.
    pub kind: u8,
    /// What follows kind and length.
    pub value: &'a [u8],
}

/// The two numbers of a timestamps option.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timestamps {
    /// TSval: the clock of the sender.
    pub value: u32,
    /// TSecr: the clock of the other side, as it was heard.
    pub echo: u32,
}

impl<'a> Options<'a> {
    /// The options of a captured TCP header; none if it was cut or its data offset is impossible.
    #[inline]
    pub fn of(header: &'a [u8]) -> Self {
        let offset = header.get(12).map_or(0, |byte| usize::from(byte >> 4) << 2);
        Self(header.get(20..offset).unwrap_or(&[]))
    }

    /// The options of a TCP header that was captured to its end; `None` if it was cut or its data offset is impossible.
    pub fn whole(header: &'a [u8]) -> Option<Self> {
        let offset = usize::from(header.get(12)? >> 4) << 2;
        header.get(20..offset).map(Self)
    }

    /// The bytes of the list.
    pub fn bytes(self) -> &'a [u8] {
        self.0
    }

    /// The kinds of all options in order, paddings included, as JA4T lists them: behind the first end-of-list option each further
    /// zero byte counts as one more, and anything else ends the list.
    pub fn kinds(self) -> impl Iterator<Item = u8> + 'a {
        let (mut rest, mut ended) = (self.0, false);
        std::iter::from_fn(move || {
            let (kind, behind) = rest.split_first()?;
            rest = match *kind {
                kind::END_OF_LIST => behind,
                _ if ended => return None,
                kind::NO_OPERATION => behind,
                _ => {
                    let length = behind.first().filter(|length| **length >= 2)?;
                    rest.get(usize::from(*length)..)?
                }
            };
            ended = *kind == kind::END_OF_LIST;
            Some(*kind)
        })
    }

    /// The value of the first option of this kind that is as long as its kind demands.
    #[inline]
    fn first<const N: usize>(mut self, kind: u8) -> Option<&'a [u8; N]> {
        self.find_map(|option| option.value_of(kind))
    }

    /// The maximum segment size, bytes.
    pub fn maximum_segment_size(self) -> Option<u16> {
        let value = self.first(kind::MAXIMUM_SEGMENT_SIZE);
        value.map(|bytes| u16::from_be_bytes(*bytes))
    }

    /// The window scale as it was sent: from [`LARGEST_SHIFT`] on, that one counts.
    pub fn window_scale(self) -> Option<u8> {
        let value = self.first(kind::WINDOW_SCALE);
        value.map(|[shift]| *shift)
    }

    /// The timestamps.
    #[inline]
    pub fn timestamps(self) -> Option<Timestamps> {
        // the usual form of all segments but a SYN (RFC 7323 appendix A)
        let [a, b, c, d, e, f, g, h] = match self.0 {
            [1, 1, kind::TIMESTAMPS, 10, rest @ ..] => rest.first_chunk(),
            _ => self.first(kind::TIMESTAMPS),
        }?;
        Some(Timestamps {
            value: u32::from_be_bytes([*a, *b, *c, *d]),
            echo: u32::from_be_bytes([*e, *f, *g, *h]),
        })
    }
}

impl<'a> Iterator for Options<'a> {
    type Item = TcpOption<'a>;

    #[inline]
    fn next(&mut self) -> Option<TcpOption<'a>> {
        loop {
            match *self.0 {
                [kind::NO_OPERATION, ref rest @ ..] => self.0 = rest,
                [kind, length, ..] if kind != kind::END_OF_LIST && length >= 2 => {
                    let (option, rest) = self.0.split_at_checked(length.into())?;
                    self.0 = rest;
                    let value = option.get(2..)?;
                    return Some(TcpOption { kind, value });
                }
                _ => return None,
            }
        }
    }
}

impl<'a> TcpOption<'a> {
    /// The value, if the option is of this kind and `N` bytes long.
    #[inline]
    pub fn value_of<const N: usize>(self, kind: u8) -> Option<&'a [u8; N]> {
        if self.kind == kind {
            self.value.try_into().ok()
        } else {
            None
        }
    }

    /// Number of blocks of a SACK option; 0 for every other.
    pub fn sack_blocks(self) -> u8 {
        if self.kind == kind::SACK && self.value.len().is_multiple_of(8) {
            u8::try_from(self.value.len() / 8).unwrap_or(u8::MAX)
        } else {
            0
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// MSS 1460, SACK permitted, timestamps 1 and 2, NOP, scale 7: as Linux opens a connection.
    const OPENING: [u8; 20] = [
        2, 4, 5, 0xB4, 4, 2, 8, 10, 0, 0, 0, 1, 0, 0, 0, 2, 1, 3, 3, 7,
    ];

    fn kinds(bytes: &[u8]) -> Vec<u8> {
        Options(bytes).map(|option| option.kind).collect()
    }

    #[test]
    fn options_of_an_opening() {
        let options = Options(&OPENING);
        assert_eq!(kinds(&OPENING), [2, 4, 8, 3]);
        assert_eq!(options.maximum_segment_size(), Some(1460));
        assert_eq!(options.window_scale(), Some(7));
        let stamps = Timestamps { value: 1, echo: 2 };
        assert_eq!(options.timestamps(), Some(stamps));
        let usual = [1, 1, 8, 10, 0, 0, 0, 1, 0, 0, 0, 2];
        assert_eq!(Options(&usual).timestamps(), Some(stamps));
        assert_eq!(Options(&usual[..11]).timestamps(), None);
    }

    #[test]
    fn the_list_ends_where_it_cannot_be_read() {
        assert_eq!(kinds(&[4, 2, 0, 4, 2]), [4]);
        assert_eq!(kinds(&[4, 2, 9, 1, 4, 2]), [4]);
        assert_eq!(kinds(&[4, 2, 9, 5, 4, 2]), [4]);
        assert_eq!(kinds(&[1, 1, 9]), [0; 0]);
        assert_eq!(kinds(&[]), [0; 0]);
    }

    #[test]
    fn kinds_with_paddings() {
        let all = |bytes| Options(bytes).kinds().collect::<Vec<_>>();
        assert_eq!(all(&OPENING), [2, 4, 8, 1, 3]);
        assert_eq!(all(&[4, 2, 0, 0]), [4, 0, 0]);
        assert_eq!(all(&[0, 0, 4, 2]), [0, 0]);
        assert_eq!(all(&[1, 9, 3]), [1]);
        assert_eq!(all(&[1, 9, 1, 1]), [1]);
    }

    #[test]
    fn an_option_of_a_wrong_length_has_no_value() {
        let bytes = [3, 4, 7, 7, 3, 3, 5, 2, 3, 9];
        assert_eq!(kinds(&bytes), [3, 3, 2]);
        assert_eq!(Options(&bytes).window_scale(), Some(5));
        assert_eq!(Options(&bytes).maximum_segment_size(), None);
    }

    #[test]
    fn blocks_of_selective_acknowledgements() {
        let blocks = |bytes: &[u8]| Options(bytes).map(TcpOption::sack_blocks).sum::<u8>();
        let two = [[5, 18].as_slice(), &[0; 16]].concat();
        assert_eq!(blocks(&two), 2);
        assert_eq!(blocks(&[5, 2]), 0);
        assert_eq!(blocks(&[5, 6, 0, 0, 0, 0]), 0);
        assert_eq!(blocks(&[8, 10, 0, 0, 0, 0, 0, 0, 0, 0]), 0);
    }

    #[test]
    fn options_lie_between_the_header_and_its_end() {
        let mut header = vec![0; 20];
        header[12] = 0x60;
        assert_eq!(Options::of(&header).bytes(), [0; 0], "cut");
        header.extend([4, 2, 1, 1, 9, 9]);
        assert_eq!(Options::of(&header).bytes(), [4, 2, 1, 1]);
        header[12] = 0x40;
        assert_eq!(Options::of(&header).bytes(), [0; 0], "no room for a header");
        assert_eq!(Options::of(&header[..12]).bytes(), [0; 0]);
    }
}
