//! The records of a pcap file (draft-ietf-opsawg-pcap), also of the kinds with nanoseconds and of the patched kind with longer
//! record headers.
//!
//! The file header is read with pcap-parser. The record headers are not: it reads a patched file only in little-endian order
//! and knows nothing of the lengths that stood the other way round before version 2.3.

use super::walk::{Intake, MAX_RECORD, Order, SECOND, Stop};
use crate::books::Refused;
use pcap_parser::parse_pcap_header;

/// How to read the records of one file.
#[derive(Debug)]
pub(super) struct Pcap {
    order: Order,
    /// Bytes of a record header.
    header: usize,
    /// Ns of one unit of the fraction.
    tick: i64,
    link: u16,
    snap_length: u32,
    lengths: Lengths,
}

/// Which of the two lengths of a record stands first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Lengths {
    /// The captured one.
    CapturedFirst,
    /// The original one: before version 2.3.
    OriginalFirst,
    /// Version 2.3 was written both ways: the smaller one is the captured length.
    Smaller,
}

/// Magic number in the order of the file, ns of a tick, bytes of a record header.
const KINDS: [(u32, i64, usize); 3] = [
    (0xa1b2_c3d4, 1000, 16),
    (0xa1b2_3c4d, 1, 16),
    (0xa1b2_cd34, 1000, 24), // Alexey Kuznetzov's patched libpcap
];

impl Pcap {
    /// Bytes of the file header.
    pub(super) const HEADER: usize = 24;

    /// Byte order, tick and record header of a file that starts with `magic`; `None` where it is no pcap.
    fn kind(magic: [u8; 4]) -> Option<(Order, i64, usize)> {
        [Order::Little, Order::Big].into_iter().find_map(|order| {
            KINDS
                .iter()
                .find(|(number, ..)| *number == order.u32(magic))
                .map(|(_, tick, header)| (order, *tick, *header))
        })
    }

    /// Whether a file that starts with `magic` is a pcap.
    pub(super) fn is(magic: [u8; 4]) -> bool {
        Self::kind(magic).is_some()
    }

    /// Reads the file header at the start of `bytes`, of which there are at least [`Pcap::HEADER`].
    pub(super) fn open(bytes: &[u8]) -> Result<Self, Stop> {
        let not = || Stop::Refused(Refused::NotACapture, "the file header is cut".to_owned());
        let header: &[u8; Self::HEADER] = bytes.first_chunk().ok_or_else(not)?;
        let [a, b, c, d, ..] = *header;
        let (order, tick, record) = Self::kind([a, b, c, d]).ok_or_else(not)?;
        // pcap-parser knows the patched magic in one order only; all but the magic is alike.
        let mut plain = *header;
        let magic = match order {
            Order::Little => KINDS[0].0.to_le_bytes(),
            Order::Big => KINDS[0].0.to_be_bytes(),
        };
        if let Some(start) = plain.first_chunk_mut() {
            *start = magic;
        }
        let (_, parsed) = parse_pcap_header(&plain).map_err(|_| not())?;
        let (major, minor) = (parsed.version_major, parsed.version_minor);
        if major != 2 {
            return Err(Stop::Refused(
                Refused::UnsupportedFormat,
                format!(
                    "pcap version {major}.{minor}; versions 2.x are read: convert it with `editcap -F pcap`"
                ),
            ));
        }
        Ok(Self {
            order,
            header: record,
            tick,
            // The upper bits say whether frames end in a checksum; the IP length leaves it out.
            link: u16::try_from(parsed.network.0 & 0x03ff_ffff).unwrap_or(u16::MAX),
            snap_length: parsed.snaplen,
            lengths: match minor {
                0..=2 => Lengths::OriginalFirst,
                3 => Lengths::Smaller,
                _ => Lengths::CapturedFirst,
            },
        })
    }

    /// Captured bytes of a packet at most, as the file says; 0 = no limit.
    pub(super) const fn snap_length(&self) -> u32 {
        self.snap_length
    }

    /// Walks over the whole records of `bytes`, of which one starts at `at`; gives where it stopped, and why.
    pub(super) fn walk(&self, bytes: &[u8], mut at: usize, out: &mut Intake) -> (usize, Stop) {
        loop {
            if out.is_full() {
                return (at, Stop::Limit);
            }
            let rest = bytes.get(at..).unwrap_or_default();
            let Some([seconds, ticks, first, second]) = self
                .order
                .words::<4>(rest)
                .filter(|_| rest.len() >= self.header)
            else {
                return (at, Stop::More(self.header));
            };
            let (captured, original) = match self.lengths {
                Lengths::CapturedFirst => (first, second),
                Lengths::Smaller if first <= second => (first, second),
                Lengths::Smaller | Lengths::OriginalFirst => (second, first),
            };
            if captured > MAX_RECORD {
                return (
                    at,
                    Stop::Damaged(format!(
                        "a record of {captured} bytes, more than {MAX_RECORD}"
                    )),
                );
            }
            let whole = self.header + captured as usize;
            if rest.len() < whole {
                return (at, Stop::More(whole));
            }
            // 2^32 s and 2^32 ticks fit in 64 bits; a fraction above one second is carried.
            let time = i64::from(seconds) * SECOND + i64::from(ticks) * self.tick;
            out.push(at + self.header, captured, original, self.link, Some(time));
            at += whole;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sources::Record;

    /// A file header: magic and version as given, link type 1.
    fn header(order: Order, magic: u32, version: (u16, u16)) -> Vec<u8> {
        let u32 = |n: u32| match order {
            Order::Little => n.to_le_bytes(),
            Order::Big => n.to_be_bytes(),
        };
        let u16 = |n: u16| match order {
            Order::Little => n.to_le_bytes(),
            Order::Big => n.to_be_bytes(),
        };
        let mut bytes = u32(magic).to_vec();
        bytes.extend(u16(version.0));
        bytes.extend(u16(version.1));
        for word in [0, 0, 65_535, 0xf400_0001] {
            bytes.extend(u32(word));
        }
        bytes
    }

    fn walk(file: &[u8]) -> (Vec<Record>, usize, Stop) {
        let pcap = Pcap::open(file).expect("a pcap");
        let mut intake = Intake::default();
        let (at, stop) = pcap.walk(&file[Pcap::HEADER..], 0, &mut intake);
        intake.close_run();
        let records = intake.take_run().unwrap_or_default().records;
        (records, at, stop)
    }

    #[test]
    fn every_kind_in_both_orders() {
        for order in [Order::Little, Order::Big] {
            for (magic, tick, length) in KINDS {
                let mut file = header(order, magic, (2, 4));
                for word in [1_700_000_000_u32, 999_999, 2, 60] {
                    file.extend(match order {
                        Order::Little => word.to_le_bytes(),
                        Order::Big => word.to_be_bytes(),
                    });
                }
                file.resize(Pcap::HEADER + length, 0);
                file.extend([0xaa, 0xbb]);
                let (records, at, stop) = walk(&file);
                let time = 1_700_000_000 * SECOND + 999_999 * tick;
                let record = Record {
                    offset: length as u32,
                    captured: 2,
                    original: 60,
                    link: 1,
                    time,
                    clock: time,
                };
                assert_eq!((records, at), (vec![record], length + 2));
                assert!(matches!(stop, Stop::More(n) if n == length));
            }
        }
    }

    #[test]
    fn lengths_of_old_versions_stand_the_other_way_round() {
        let record = |first: u32, second: u32| {
            let mut bytes = [0_u32, 0, first, second].map(u32::to_le_bytes).concat();
            bytes.resize(18, 0);
            bytes
        };
        for (version, first, second) in [(2, 60, 2), (3, 60, 2), (3, 2, 60), (4, 2, 60)] {
            let mut file = header(Order::Little, KINDS[0].0, (2, version));
            file.extend(record(first, second));
            let (records, ..) = walk(&file);
            let lengths: Vec<_> = records.iter().map(|r| (r.captured, r.original)).collect();
            assert_eq!(lengths, [(2, 60)], "version 2.{version}");
        }
    }

    #[test]
    fn impossible_headers_stop_the_walk() {
        let file = header(Order::Little, KINDS[0].0, (9, 9));
        assert!(matches!(
            Pcap::open(&file),
            Err(Stop::Refused(Refused::UnsupportedFormat, _))
        ));
        for (captured, damaged) in [
            (MAX_RECORD, false),
            (MAX_RECORD + 1, true),
            (u32::MAX, true),
        ] {
            let mut file = header(Order::Little, KINDS[0].0, (2, 4));
            file.extend([0, 0, captured, captured].map(u32::to_le_bytes).concat());
            let (records, at, stop) = walk(&file);
            assert_eq!((records.len(), at), (0, 0));
            assert_eq!(matches!(stop, Stop::Damaged(_)), damaged, "{captured}");
        }
    }
}
