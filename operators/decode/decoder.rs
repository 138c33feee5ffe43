//! One frame to the fields of its packet, or to the reason why it is none. Plain, without timely; knows no flow.

use super::bytes::{Bytes, Skipped};
use super::fragment::{FragmentInfo, FragmentTable};
use super::options::{Checksum, Decap, DecodeOptions, Fragments, LinkTypes, Tunnel};
use super::stack::{Label, Labels};
use super::{checksum, fast, link, network, transport, tunnel};
use crate::books::{Anomaly, Books, Skip};
use crate::columns::Address;
use crate::packet::{Header, marks};
use crate::sources::Record;
use bytemuck::Zeroable;

/// Decodes the records of one source.
#[derive(Clone, Debug)]
pub struct Decoder {
    /// Link types that are read; `None` = all.
    links: Option<LinkTypes>,
    decap: Decap,
    max_depth: u8,
    /// Whether packets with a wrong checksum are none.
    verifies: bool,
    /// `None` where later fragments are left without ports.
    fragments: Option<FragmentTable>,
}

impl Decoder {
    /// A decoder with these settings that has seen no packet.
    pub fn new(options: &DecodeOptions) -> Self {
        Self {
            links: options.link_types.clone(),
            decap: options.decap,
            max_depth: options.max_depth,
            verifies: options.checksum == Checksum::DropBad,
            fragments: (options.fragments != Fragments::Ignore).then(FragmentTable::default),
        }
    }

    /// The header fields of the packet in a record of `block`; `None` is counted by its reason.
    ///
    /// Needs the records of its source in order, because of fragments. `hash` and the marks of the flow key stay 0.
    pub fn decode(
        &mut self,
        record: &Record,
        ord: u64,
        block: &[u8],
        books: &mut Books,
    ) -> Option<Header> {
        let mut header = blank(record, ord);
        let mut fragment = None;
        if !self.decode_into(&mut header, &mut fragment, record, ord, block, books) {
            return None;
        }
        if let (Some(fragment), Some(table)) = (fragment, &mut self.fragments) {
            table.apply(&mut header, &fragment, books);
        }
        Some(header)
    }

    /// The same without the fragment table, for records in any order: whoever has the packets of the source in order calls
    /// [`FragmentTable::apply`] with what is put into `fragment`. Gives whether the record is a packet.
    ///
    /// `header` is blank, and is filled where it is: one that is returned and moved costs as much again as reading it.
    /// `fragment` is `None` where the settings leave fragments alone.
    #[inline]
    pub fn decode_into(
        &self,
        header: &mut Header,
        fragment: &mut Option<FragmentInfo>,
        record: &Record,
        ord: u64,
        block: &[u8],
        books: &mut Books,
    ) -> bool {
        let frame = frame_of(record, block);
        *fragment = None;
        if let Some(links) = &self.links
            && !links.has(header.link)
            && !frame.is_empty()
        {
            books.packets.skipped.add(Skip::UnsupportedLinktype);
            return false;
        }
        let is_common = self.decap.is_none() && fast::decode(header, frame, books).is_some();
        let is_packet = is_common || {
            *header = blank(record, ord);
            self.decode_slowly(header, fragment, frame, books)
        };
        if !self.verifies || !is_packet || checksum::is_right(header, frame) {
            return is_packet;
        }
        *fragment = None;
        books.packets.skipped.add(Skip::Malformed);
        false
    }

    /// The general path, for every frame: fills in a blank header.
    #[inline(never)]
    pub(super) fn decode_slowly(
        &self,
        header: &mut Header,
        fragment: &mut Option<FragmentInfo>,
        frame: &[u8],
        books: &mut Books,
    ) -> bool {
        let mut walk = Walk::new(*header, 0);
        let read = walk.read(frame, self.decap, self.max_depth);
        for anomaly in Anomaly::ALL {
            if walk.anomalies & bit(*anomaly) != 0 {
                books.anomalies.add(*anomaly);
            }
        }
        if let Err(skipped) = read {
            books.packets.skipped.add(skipped.reason);
            if let Some(kind) = skipped.ethertype {
                let count = books.packets.ethertypes.entry(kind).or_default();
                *count = count.saturating_add(1);
            }
            return false;
        }
        *header = walk.header;
        header.stack = walk.labels;
        *fragment = walk.fragment.filter(|_| self.fragments.is_some());
        true
    }
}

/// The header stack of a frame as text, and the number of its labels: for stacks that are [`super::stack::UNPACKED`].
///
/// `wire_len` is that of the packet's [`Header`]; the settings are those it was decoded with.
pub fn describe(frame: &[u8], link: u16, wire_len: u32, options: &DecodeOptions) -> (String, u32) {
    let header = Header {
        link,
        wire_len,
        ..Header::zeroed()
    };
    let mut walk = Walk::new(header, (String::new(), 0));
    // of a packet that was admitted, the walk ends well; of any other, this is as far as it came
    let _ = walk.read(frame, options.decap, options.max_depth);
    walk.labels
}

/// The outermost tunnel of a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Outermost {
    /// What it is.
    pub tunnel: Tunnel,
    /// VNI of VXLAN and Geneve, TEID of GTP-U, key of GRE, where there is one.
    pub id: Option<u32>,
    /// Source of the packet around it.
    pub source: Address,
    /// Destination of the packet around it.
    pub destination: Address,
}

/// The outermost tunnel that a frame holds, whether tunnels are taken off or not: of a packet that was admitted.
///
/// `wire_len` is that of the packet's [`Header`]; `max_depth` that of the settings it was decoded with.
pub fn outermost_tunnel(
    frame: &[u8],
    link: u16,
    wire_len: u32,
    max_depth: u8,
) -> Option<Outermost> {
    let header = Header {
        link,
        wire_len,
        ..Header::zeroed()
    };
    let mut walk = Walk::new(header, First::default());
    // it may end within the tunnel, but not before
    let _ = walk.read(frame, Tunnel::ALL.into_iter().collect(), max_depth);
    let First(found) = walk.labels;
    let (tunnel, id) = found?;
    let outer = frame.get(usize::try_from(walk.header.outer).ok()?..)?;
    let (source, destination) = addresses(outer)?;
    Some(Outermost {
        tunnel,
        id,
        source,
        destination,
    })
}

/// Source and destination in an IP header.
fn addresses(header: &[u8]) -> Option<(Address, Address)> {
    let (family, at, octets) = match *header.first()? >> 4 {
        4 => (4, 12, 4),
        _ => (6, 8, 16),
    };
    let mut addresses = header.get(at..)?.chunks_exact(octets).map(|octets| {
        let mut bytes = [0; 16];
        bytes
            .iter_mut()
            .zip(octets)
            .for_each(|(to, from)| *to = *from);
        Address { family, bytes }
    });
    Some((addresses.next()?, addresses.next()?))
}

/// Keeps the first tunnel of a walk.
#[derive(Clone, Copy, Debug, Default)]
struct First(Option<(Tunnel, Option<u32>)>);

impl Labels for First {
    fn push(&mut self, _: Label, _: u8) {}

    fn tunnel(&mut self, tunnel: Tunnel, id: Option<u32>) {
        self.0.get_or_insert((tunnel, id));
    }
}

/// The captured bytes of a record.
fn frame_of<'a>(record: &Record, block: &'a [u8]) -> &'a [u8] {
    let rest = usize::try_from(record.offset)
        .ok()
        .and_then(|at| block.get(at..));
    let captured = usize::try_from(record.captured).ok();
    rest.zip(captured)
        .and_then(|(rest, captured)| rest.get(..captured))
        .unwrap_or(&[])
}

/// What is known before the first byte is looked at.
#[inline]
pub(super) fn blank(record: &Record, ord: u64) -> Header {
    Header {
        time: record.time,
        clock: record.clock,
        ord,
        wire_len: record.original.max(record.captured),
        captured: record.captured,
        frame: record.offset,
        link: record.link,
        ..Header::zeroed()
    }
}

const fn bit(anomaly: Anomaly) -> u32 {
    1 << anomaly as u8
}
const _: () = assert!(
    Anomaly::COUNT <= 32,
    "anomalies of a packet are bits of a u32"
);

/// What is known of a packet so far.
#[derive(Clone, Debug)]
pub(super) struct Walk<L> {
    pub header: Header,
    pub fragment: Option<FragmentInfo>,
    labels: L,
    anomalies: u32,
}

impl<L: Labels> Walk<L> {
    fn new(header: Header, labels: L) -> Self {
        Self {
            header,
            fragment: None,
            labels,
            anomalies: 0,
        }
    }

    /// Adds a header to the stack.
    pub fn push(&mut self, label: Label) {
        self.labels.push(label, self.header.protocol);
    }

    /// Notes a tunnel.
    pub fn tunnel(&mut self, tunnel: Tunnel, id: Option<u32>) {
        self.labels.tunnel(tunnel, id);
    }

    /// Notes an anomaly, once a packet.
    pub fn anomaly(&mut self, anomaly: Anomaly) {
        self.anomalies |= bit(anomaly);
    }

    fn read(&mut self, frame: &[u8], decap: Decap, max_depth: u8) -> Result<(), Skipped> {
        if frame.is_empty() {
            return Err(Skip::Empty.into());
        }
        let bytes = link::peel(self, Bytes::new(frame))?;
        let room = u64::from(self.header.wire_len).saturating_sub(bytes.at().into());
        let mut body = network::parse(self, bytes, room)?;
        while !decap.is_none() && !self.header.is(marks::LATER_FRAGMENT) {
            // A tunnel whose inside cannot be read is none: the walk goes on from here as if it had not been tried.
            let mut inner = self.clone();
            inner.go_inside();
            let Ok(bytes) = tunnel::enter(&mut inner, &body, decap) else {
                break;
            };
            let between = bytes.at().saturating_sub(body.bytes.at());
            let room = body.length.saturating_sub(between.into());
            let Ok(inside) = network::parse(&mut inner, bytes, room) else {
                break;
            };
            if inner.header.depth >= max_depth {
                return Err(Skip::TooDeep.into());
            }
            (*self, body) = (inner, inside);
        }
        transport::parse(self, &body);
        Ok(())
    }

    fn go_inside(&mut self) {
        if !self.header.is(marks::TUNNEL) {
            self.header.marks |= marks::TUNNEL;
            self.header.outer = self.header.network;
        }
        self.header.depth = self.header.depth.saturating_add(1);
    }
}
