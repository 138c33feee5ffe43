//! The records of a pcapng file (draft-ietf-opsawg-pcapng): sections, interfaces, and the three kinds of packet blocks.
//!
//! Every other block is passed over unread, secrets included. Options are read with pcap-parser, one at a time and only those
//! of interfaces. Blocks are not: pcap-parser collects the options of every packet in a list, and knows no obsolete packet
//! block.

use super::walk::{Intake, MAX_RECORD, Order, SECOND, Stop};
use crate::books::{Partial, Refused};
use pcap_parser::pcapng::{OptionCode, PcapNGOption, parse_option_be, parse_option_le};
use pcap_parser::{EPB_MAGIC, IDB_MAGIC, PcapError, SHB_MAGIC, SPB_MAGIC};

/// Type of the obsolete packet block.
const PB_MAGIC: u32 = 2;
/// Bytes of a block that is read as a whole, at most.
const MAX_BLOCK: u32 = 16 << 20;
/// Interfaces of a section at most.
const MAX_INTERFACES: usize = 1 << 20;

/// One interface of a section.
#[derive(Clone, Copy, Debug)]
struct Interface {
    /// `if_tsoffset`, s.
    offset: i64,
    snaplen: u32,
    link: u16,
    /// `if_tsresol` as written: ticks of a second are 10^n, or 2^n with the highest bit set.
    resolution: u8,
}

impl Interface {
    /// Time of `ticks`, rounded down to ns; `None` outside of 64 bits.
    fn time(&self, ticks: u64) -> Option<i64> {
        const SCALE: [i64; 10] = {
            let mut scale = [SECOND; 10];
            let mut at = 1;
            while at < scale.len() {
                scale[at] = scale[at - 1] / 10;
                at += 1;
            }
            scale
        };
        let second = i128::from(SECOND);
        let ticks = i128::from(ticks);
        let ns = match (self.resolution, SCALE.get(usize::from(self.resolution))) {
            (_, Some(scale)) => ticks * i128::from(*scale),
            (binary @ 128.., _) => (ticks * second) >> (binary & 127),
            // More ticks than 128 bits hold leave no whole ns.
            (decimal, _) => 10_i128
                .checked_pow(u32::from(decimal))
                .map_or(0, |per_second| ticks * second / per_second),
        };
        i64::try_from(ns + i128::from(self.offset) * second).ok()
    }
}

/// A block that is passed over without being held.
#[derive(Debug)]
struct Passing {
    length: u32,
    /// Bytes up to its second length.
    left: usize,
}

/// What a walk keeps of the blocks behind it.
#[derive(Debug)]
pub(super) struct Pcapng {
    order: Order,
    interfaces: Vec<Interface>,
    passing: Option<Passing>,
}

impl Pcapng {
    /// The first bytes of a section, in either byte order.
    pub(super) const MAGIC: [u8; 4] = SHB_MAGIC.to_le_bytes();

    pub(super) const fn new() -> Self {
        Self {
            order: Order::Little,
            interfaces: Vec::new(),
            passing: None,
        }
    }

    /// Bytes already walked over of the block the walk stands in.
    pub(super) fn inside(&self) -> u64 {
        self.passing.as_ref().map_or(0, |block| {
            (u64::from(block.length) - 4).saturating_sub(block.left as u64)
        })
    }

    /// Whether the walk stands in a block, and what it is if the file ends there.
    pub(super) fn unfinished(&self) -> Option<Partial> {
        self.passing.as_ref().map(|block| {
            if block.length > MAX_BLOCK {
                Partial::Damaged
            } else {
                Partial::Truncated
            }
        })
    }

    /// Captured bytes of a packet at most, for each interface of the section; 0 = no limit.
    pub(super) fn snap_lengths(&self) -> impl Iterator<Item = u32> + '_ {
        self.interfaces.iter().map(|interface| interface.snaplen)
    }

    /// Walks over the whole blocks of `bytes` from `at` on; gives where it stopped, and why.
    pub(super) fn walk(&mut self, bytes: &[u8], mut at: usize, out: &mut Intake) -> (usize, Stop) {
        loop {
            let rest = bytes.get(at..).unwrap_or_default();
            match self.step(at, rest, out) {
                Ok(length) => at += length,
                Err(stop) => return (at, stop),
            }
        }
    }

    /// Walks over the block, or the part of a block that is passed over, at the start of `rest`; gives its length.
    #[inline]
    fn step(&mut self, at: usize, rest: &[u8], out: &mut Intake) -> Result<usize, Stop> {
        if self.passing.is_some() {
            return self.pass(rest);
        }
        if out.is_full() {
            return Err(Stop::Limit);
        }
        if rest.starts_with(&Self::MAGIC) {
            self.section(rest)?;
        }
        let Some([kind, length, _]) = self.order.words(rest) else {
            return Err(Stop::More(12));
        };
        if length < 12 || length % 4 != 0 {
            return Err(damaged(format!("a block of {length} bytes")));
        }
        let is_read = matches!(
            kind,
            SHB_MAGIC | IDB_MAGIC | EPB_MAGIC | SPB_MAGIC | PB_MAGIC
        );
        let whole = length as usize;
        if is_read && length > MAX_BLOCK {
            return Err(damaged(format!(
                "a block of {length} bytes, more than {MAX_BLOCK}"
            )));
        }
        let Some(block) = rest.get(..whole) else {
            if is_read {
                return Err(Stop::More(whole));
            }
            let left = whole - 4;
            self.passing = Some(Passing { length, left });
            return self.pass(rest);
        };
        let (inner, trailer) = block.split_at(whole - 4);
        self.check_trailer(length, trailer)?;
        let body = inner.get(8..).unwrap_or_default();
        match kind {
            EPB_MAGIC | PB_MAGIC | SPB_MAGIC => self.packet(kind, at + 8, body, out)?,
            IDB_MAGIC => self.interface(body, out)?,
            SHB_MAGIC => self.check_version(body)?,
            _ => {}
        }
        Ok(whole)
    }

    /// The second length of a block must equal the first.
    fn check_trailer(&self, length: u32, trailer: &[u8]) -> Result<(), Stop> {
        match self.order.words(trailer) {
            Some([second]) if second == length => Ok(()),
            Some([second]) => Err(damaged(format!(
                "a block whose two lengths differ: {length} and {second}"
            ))),
            None => Err(Stop::More(4)),
        }
    }

    /// Passes over what `rest` has of a block that is not read.
    fn pass(&mut self, rest: &[u8]) -> Result<usize, Stop> {
        let Some(block) = &mut self.passing else {
            return Ok(0);
        };
        if block.left > 0 && !rest.is_empty() {
            let step = block.left.min(rest.len());
            block.left -= step;
            return Ok(step);
        }
        let length = block.length;
        self.check_trailer(length, rest)?;
        self.passing = None;
        Ok(4)
    }

    /// Takes the byte order from the section header at the start of `rest`; interfaces are counted anew.
    fn section(&mut self, rest: &[u8]) -> Result<(), Stop> {
        let Some(magic) = rest.get(8..).and_then(|rest| rest.first_chunk()) else {
            return Err(Stop::More(12));
        };
        self.order = if Order::Little.u32(*magic) == 0x1a2b_3c4d {
            Order::Little
        } else if Order::Big.u32(*magic) == 0x1a2b_3c4d {
            Order::Big
        } else {
            return Err(damaged(format!(
                "a section whose byte-order magic is {magic:02x?}"
            )));
        };
        self.interfaces.clear();
        Ok(())
    }

    /// The version in the body of a section header must be one whose blocks are known.
    fn check_version(&self, body: &[u8]) -> Result<(), Stop> {
        let Some(major) = body.get(4..).and_then(|body| body.first_chunk()) else {
            return Err(damaged("a section header that is too short".to_owned()));
        };
        match self.order.u16(*major) {
            1 => Ok(()),
            major => Err(Stop::Refused(
                Refused::UnsupportedFormat,
                format!(
                    "pcapng version {major}; version 1 is read: convert it with `editcap -F pcapng`"
                ),
            )),
        }
    }

    fn interface(&mut self, body: &[u8], out: &mut Intake) -> Result<(), Stop> {
        let Some((head, mut options)) = body.split_first_chunk::<8>() else {
            return Err(damaged("an interface block that is too short".to_owned()));
        };
        if self.interfaces.len() >= MAX_INTERFACES {
            return Err(damaged(format!("more than {MAX_INTERFACES} interfaces")));
        }
        let [a, b, _, _, snaplen @ ..] = *head;
        let mut interface = Interface {
            offset: 0,
            snaplen: self.order.u32(snaplen),
            link: self.order.u16([a, b]),
            resolution: 6,
        };
        while !options.is_empty() {
            let parse = match self.order {
                Order::Little => parse_option_le::<PcapError<&[u8]>>,
                Order::Big => parse_option_be::<PcapError<&[u8]>>,
            };
            let Ok((rest, option)) = parse(options) else {
                out.option_damaged(); // it claims more than there is
                break;
            };
            if option.code == OptionCode::EndOfOpt {
                break;
            }
            if self.take(&option, &mut interface).is_none() {
                out.option_damaged();
            }
            options = rest;
        }
        self.interfaces.push(interface);
        Ok(())
    }

    /// Takes an option of an interface; `None` where it has the wrong length.
    fn take(&self, option: &PcapNGOption<'_>, interface: &mut Interface) -> Option<()> {
        let value = option.as_bytes().ok()?;
        match option.code {
            OptionCode::IfTsresol => [interface.resolution] = value.try_into().ok()?,
            OptionCode::IfTsoffset => {
                let bytes: [u8; 8] = value.try_into().ok()?;
                interface.offset = match self.order {
                    Order::Little => i64::from_le_bytes(bytes),
                    Order::Big => i64::from_be_bytes(bytes),
                };
            }
            _ => {}
        }
        Some(())
    }

    /// Takes the packet of a packet block whose body is at `at` of the bytes.
    #[inline]
    fn packet(&self, kind: u32, at: usize, body: &[u8], out: &mut Intake) -> Result<(), Stop> {
        let short = || damaged("a packet block that is too short".to_owned());
        let room = |start: usize| body.len().saturating_sub(start);
        let (interface, ticks, captured, original, start) = if kind == SPB_MAGIC {
            let [original] = self.order.words(body).ok_or_else(short)?;
            let interface = self.described(0)?;
            let snaplen = match interface.snaplen {
                0 => u32::MAX,
                snaplen => snaplen,
            };
            // A block is at most 16 MiB.
            let captured = original.min(snaplen).min(room(4) as u32);
            (interface, None, captured, original, 4)
        } else {
            let [index, high, low, captured, original] =
                self.order.words(body).ok_or_else(short)?;
            let index = match (kind, body.first_chunk()) {
                (PB_MAGIC, Some(index)) => u32::from(self.order.u16(*index)),
                _ => index,
            };
            let ticks = (u64::from(high) << 32) | u64::from(low);
            (self.described(index)?, Some(ticks), captured, original, 20)
        };
        if captured > MAX_RECORD || captured as usize > room(start) {
            return Err(damaged(format!(
                "a packet of {captured} bytes in a block of {}",
                body.len() + 12
            )));
        }
        let time = ticks.and_then(|ticks| interface.time(ticks));
        out.push(at + start, captured, original, interface.link, time);
        Ok(())
    }

    #[inline]
    fn described(&self, index: u32) -> Result<&Interface, Stop> {
        self.interfaces.get(index as usize).ok_or_else(|| {
            damaged(format!(
                "a packet of interface {index}, which is not described"
            ))
        })
    }
}

fn damaged(what: String) -> Stop {
    Stop::Damaged(what)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Books;
    use crate::books::Anomaly;

    /// A block: type and length, body padded to 32 bits, length.
    fn block(order: Order, kind: u32, body: &[u8]) -> Vec<u8> {
        let length = 12 + body.len().next_multiple_of(4);
        let mut bytes = words(order, &[kind, length as u32]);
        bytes.extend(body);
        bytes.resize(length - 4, 0);
        bytes.extend(words(order, &[length as u32]));
        bytes
    }

    fn words(order: Order, words: &[u32]) -> Vec<u8> {
        let bytes = |word: &u32| match order {
            Order::Little => word.to_le_bytes(),
            Order::Big => word.to_be_bytes(),
        };
        words.iter().flat_map(bytes).collect()
    }

    /// Section header, version 1.0, length not given.
    fn section(order: Order) -> Vec<u8> {
        let version = match order {
            Order::Little => 1,
            Order::Big => 1 << 16,
        };
        let body = words(order, &[0x1a2b_3c4d, version, u32::MAX, u32::MAX]);
        block(order, SHB_MAGIC, &body)
    }

    /// Interface of link type 1 with these options.
    fn interface(order: Order, snaplen: u32, options: &[u8]) -> Vec<u8> {
        let link = match order {
            Order::Little => 1,
            Order::Big => 1 << 16,
        };
        let mut body = words(order, &[link, snaplen]);
        body.extend(options);
        block(order, IDB_MAGIC, &body)
    }

    /// Enhanced packet of two captured bytes.
    fn packet(order: Order, ticks: u64) -> Vec<u8> {
        let (high, low) = ((ticks >> 32) as u32, ticks as u32);
        let mut body = words(order, &[0, high, low, 2, 60]);
        body.extend([0xaa, 0xbb]);
        block(order, EPB_MAGIC, &body)
    }

    struct Walked {
        /// Offset, captured, original, time.
        records: Vec<(u32, u32, u32, i64)>,
        at: usize,
        stop: Stop,
        books: Books,
    }

    fn walk(file: &[u8]) -> Walked {
        let (mut ng, mut intake) = (Pcapng::new(), Intake::default());
        let (at, stop) = ng.walk(file, 0, &mut intake);
        let mut books = Books::default();
        intake.count(&mut books);
        intake.close_run();
        let records = intake.take_run().unwrap_or_default().records;
        let records = records
            .iter()
            .map(|r| (r.offset, r.captured, r.original, r.time))
            .collect();
        Walked {
            records,
            at,
            stop,
            books,
        }
    }

    #[test]
    fn sections_of_both_orders_with_all_three_packet_blocks() {
        let mut file = Vec::new();
        let mut expected = Vec::new();
        for order in [Order::Little, Order::Big] {
            file.extend(section(order));
            file.extend(interface(order, 0, &[]));
            file.extend(block(order, 0xbad, &[1; 5]));
            expected.push((file.len() as u32 + 28, 2, 60, 1_700_000_000_000_000_000));
            file.extend(packet(order, 1_700_000_000_000_000));
            // Simple packet: no time of its own.
            expected.push((file.len() as u32 + 12, 3, 3, 1_700_000_000_000_000_000));
            file.extend(block(
                order,
                SPB_MAGIC,
                &[&words(order, &[3])[..], &[1, 2, 3]].concat(),
            ));
            // Obsolete packet: interface and drops are 16 bits each.
            let mut body = words(order, &[0, 0, 7, 1, 1]);
            body.push(9);
            expected.push((file.len() as u32 + 28, 1, 1, 7_000));
            file.extend(block(order, PB_MAGIC, &body));
        }
        let walked = walk(&file);
        assert_eq!(walked.records, expected);
        assert_eq!(walked.at, file.len());
        assert!(matches!(walked.stop, Stop::More(12)));
        assert_eq!(walked.books.anomalies.get(Anomaly::TimeMissing), 2);
    }

    #[test]
    fn a_simple_packet_is_cut_at_the_snaplen() {
        let order = Order::Little;
        let mut file = section(order);
        file.extend(interface(order, 2, &[]));
        file.extend(block(order, SPB_MAGIC, &[3, 0, 0, 0, 1, 2, 3]));
        let (_, captured, original, _) = walk(&file).records[0];
        assert_eq!((captured, original), (2, 3));
    }

    #[test]
    fn time_resolutions_and_offsets() {
        let time = |resolution, offset, ticks| {
            Interface {
                offset,
                snaplen: 0,
                link: 1,
                resolution,
            }
            .time(ticks)
        };
        assert_eq!(time(0, 0, 5), Some(5 * SECOND));
        assert_eq!(time(6, 0, 1_000_001), Some(1_000_001_000));
        assert_eq!(time(9, -1, 1), Some(1 - SECOND));
        assert_eq!(time(12, 0, 1_999), Some(1), "rounded down");
        assert_eq!(time(127, 0, u64::MAX), Some(0));
        assert_eq!(time(128, 0, 3), Some(3 * SECOND));
        assert_eq!(time(128 + 1, 0, 3), Some(1_500_000_000));
        assert_eq!(time(255, 0, u64::MAX), Some(0));
        assert_eq!(time(6, 0, u64::MAX), None, "the year 586,524");
        assert_eq!(time(6, i64::MIN, 0), None);
    }

    #[test]
    fn options_are_read_until_the_first_damaged_one() {
        let order = Order::Little;
        let resolution = [9, 0, 1, 0, 9, 0, 0, 0];
        let offset = [14, 0, 8, 0, 1, 0, 0, 0, 0, 0, 0, 0];
        let name = [2, 0, 2, 0, b'e', b'0', 0, 0];
        let run = |options: &[u8]| {
            let mut file = section(order);
            file.extend(interface(order, 0, options));
            file.extend(packet(order, 1_000));
            let walked = walk(&file);
            let damaged = walked.books.anomalies.get(Anomaly::OptionDamaged);
            (walked.records[0].3, damaged)
        };
        let all = [&name[..], &resolution, &offset, &[0; 4]].concat();
        assert_eq!(run(&all), (SECOND + 1_000, 0));
        assert_eq!(
            run(&[&[0; 4], &resolution[..]].concat()),
            (1_000_000, 0),
            "behind the end"
        );
        assert_eq!(run(&[9, 0, 0xff, 0xff]), (1_000_000, 1));
        assert_eq!(
            run(&[9, 0, 2, 0, 9, 9, 0, 0]),
            (1_000_000, 1),
            "wrong length"
        );
    }

    #[test]
    fn impossible_blocks_stop_the_walk() {
        let order = Order::Little;
        let start = [section(order), interface(order, 0, &[])].concat();
        let with = |change: fn(&mut Vec<u8>)| {
            let mut bytes = packet(order, 0);
            change(&mut bytes);
            walk(&[&start[..], &bytes].concat())
        };
        let damages: [fn(&mut Vec<u8>); 7] = [
            |b| b[4..8].copy_from_slice(&0_u32.to_le_bytes()),
            |b| b[4..8].copy_from_slice(&11_u32.to_le_bytes()),
            |b| b[4..8].copy_from_slice(&37_u32.to_le_bytes()),
            |b| b[4..8].copy_from_slice(&(MAX_BLOCK + 4).to_le_bytes()),
            |b| b[8..12].copy_from_slice(&4_000_000_000_u32.to_le_bytes()), // interface
            |b| b[20..24].copy_from_slice(&5_u32.to_le_bytes()),            // captured
            |b| *b.last_mut().expect("a trailer") = 1,
        ];
        for (index, damage) in damages.into_iter().enumerate() {
            let walked = with(damage);
            assert!(
                matches!(walked.stop, Stop::Damaged(_)),
                "{index}: {:?}",
                walked.stop
            );
            assert_eq!(
                (walked.at, walked.records.len()),
                (start.len(), 0),
                "{index}"
            );
        }
        let walked = with(|b| b.truncate(20));
        assert!(matches!(walked.stop, Stop::More(36)), "{:?}", walked.stop);
        let walked = walk(&block(order, SHB_MAGIC, &words(order, &[0x1234_5678])));
        assert!(matches!(walked.stop, Stop::Damaged(_)));
        let walked = walk(&block(order, SHB_MAGIC, &words(order, &[0x1a2b_3c4d, 2])));
        assert!(matches!(
            walked.stop,
            Stop::Refused(Refused::UnsupportedFormat, _)
        ));
    }

    #[test]
    fn blocks_that_are_not_read_are_never_held() {
        let order = Order::Little;
        let (mut ng, mut intake) = (Pcapng::new(), Intake::default());
        ng.walk(&section(order), 0, &mut intake);
        // A custom block of 4 GiB: its header, then piece by piece.
        let length = u32::MAX - 3;
        let (at, stop) = ng.walk(&words(order, &[0xbad, length, 7]), 0, &mut intake);
        assert_eq!((at, ng.inside()), (12, 12));
        assert!(matches!(stop, Stop::More(4)));
        assert_eq!(ng.unfinished(), Some(Partial::Damaged));
        let piece = vec![0; 1 << 20];
        while ng.inside() + (1 << 20) < u64::from(length) - 4 {
            assert_eq!(ng.walk(&piece, 0, &mut intake).0, piece.len());
        }
        let mut rest = vec![0; (u64::from(length) - 4 - ng.inside()) as usize];
        rest.extend(words(order, &[length]));
        assert_eq!(ng.walk(&rest, 0, &mut intake).0, rest.len());
        assert_eq!(ng.unfinished(), None);
    }
}
