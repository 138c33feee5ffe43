//! Packets on their way through the dataflow: header fields beside one arena of captured bytes.
//!
//! A batch is two allocations whatever the number of packets, and crosses processes as two copies of memory.

use bytemuck::{Pod, Zeroable};
use std::sync::Arc;

/// Bits of [`Header::marks`].
pub mod marks {
    /// `seq`, `ack` and `tcp_flags` are known (14 bytes of the TCP header were captured).
    pub const TCP_KNOWN: u16 = 1;
    /// `window` is known (16 bytes of the TCP header were captured).
    pub const WINDOW_KNOWN: u16 = 1 << 1;
    /// The packet is a fragment.
    pub const FRAGMENT: u16 = 1 << 2;
    /// The packet is a fragment with an offset above 0: it has no transport header.
    pub const LATER_FRAGMENT: u16 = 1 << 3;
    /// The source endpoint is the larger one: the packet runs from b to a of its flow key.
    pub const FROM_B: u16 = 1 << 4;
    /// `vlan` is known.
    pub const VLAN: u16 = 1 << 5;
    /// `icmp_id` is known.
    pub const ICMP_ID: u16 = 1 << 6;
    /// Both endpoints are the same address and port.
    pub const LOOP: u16 = 1 << 7;
    /// The frame has an Ethernet header at `ethernet`.
    pub const ETHERNET: u16 = 1 << 8;
    /// The packet was inside `depth` tunnels that were taken off; the outermost IP header is at `outer`.
    pub const TUNNEL: u16 = 1 << 9;
}

/// TCP flag bits (RFC 9293 section 3.1).
pub mod tcp {
    #![expect(missing_docs, reason = "the names are the definition")]
    pub const FIN: u16 = 1;
    pub const SYN: u16 = 2;
    pub const RST: u16 = 4;
    pub const PSH: u16 = 8;
    pub const ACK: u16 = 16;
    pub const URG: u16 = 32;
    pub const ECE: u16 = 64;
    pub const CWR: u16 = 128;
}

/// The header fields of one packet, as every later operator reads them. Plain data of one fixed layout.
///
/// Addresses of IPv4 are the first 4 bytes, the rest 0. Offsets named `frame`, `payload` count from the start of the arena,
/// all others from the start of the frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Pod, Zeroable)]
#[repr(C)]
pub struct Header {
    /// The record's own time, ns since 1970.
    pub time: i64,
    /// The source's clock: largest time of its records so far, ns since 1970. Decides when flows end.
    pub clock: i64,
    /// Source ordinal (upper 24 bits) and record ordinal in the source (lower 40): see [`Header::ord`].
    pub ord: u64,
    /// SipHash-1-3 of the flow key; its low 8 bits are the shard.
    pub hash: u64,
    /// Header stack, 5 bits a label, outermost label in the highest bits in use; see `decode::stack`.
    pub stack: u64,
    /// Source address.
    pub src: [u8; 16],
    /// Destination address.
    pub dst: [u8; 16],
    /// TCP sequence number.
    pub seq: u32,
    /// TCP acknowledgement number.
    pub ack: u32,
    /// IP length `L`, bytes.
    pub ip_len: u32,
    /// Transport payload length `D` from headers, bytes.
    pub payload_len: u32,
    /// Wire length of the frame, bytes: the larger of original and captured length.
    pub wire_len: u32,
    /// Captured length of the frame, bytes.
    pub captured: u32,
    /// Start of the frame in the arena.
    pub frame: u32,
    /// Start of the captured payload in the arena.
    pub payload: u32,
    /// Captured payload bytes, at most `payload_len`.
    pub payload_captured: u32,
    /// Offset of the IP header in the frame.
    pub network: u32,
    /// Offset of the transport header in the frame.
    pub transport: u32,
    /// Offset of the innermost Ethernet header in the frame, with [`marks::ETHERNET`].
    pub ethernet: u32,
    /// Offset of the outermost IP header in the frame, with [`marks::TUNNEL`].
    pub outer: u32,
    /// Bytes of the payload of a packet whose last missing fragment this is: they stand in the arena right behind the frame. 0 where it
    /// is none, or nobody asked.
    pub whole: u32,
    /// Link type of the record (pcap).
    pub link: u16,
    /// Source port, 0 where there is none.
    pub src_port: u16,
    /// Destination port, 0 where there is none.
    pub dst_port: u16,
    /// TCP window field.
    pub window: u16,
    /// TCP flags with AE and the reserved bits (12 bits).
    pub tcp_flags: u16,
    /// Outer VLAN id.
    pub vlan: u16,
    /// ICMP or ICMPv6 identifier.
    pub icmp_id: u16,
    /// Bits of [`marks`].
    pub marks: u16,
    /// Protocol of the flow key: upper-layer protocol after extension headers.
    pub protocol: u8,
    /// 4 or 6.
    pub family: u8,
    /// TTL or hop limit.
    pub ttl: u8,
    /// TOS or traffic class.
    pub tos: u8,
    /// Tunnels taken off.
    pub depth: u8,
    /// Unused, 0.
    pub reserved: [u8; 3],
}

impl Header {
    /// Bits of `ord` that hold the record ordinal.
    pub const RECORD_BITS: u32 = 40;

    /// The place of a record in the total order of the input.
    pub const fn order(source: u32, record: u64) -> u64 {
        ((source as u64) << Self::RECORD_BITS) | record
    }

    /// Position of the source in the sorted list of inputs.
    pub const fn source(&self) -> u32 {
        (self.ord >> Self::RECORD_BITS) as u32
    }

    /// Number of the record in its source, from 0.
    pub const fn record(&self) -> u64 {
        Self::record_of(self.ord)
    }

    /// Number of a record in its source, from its place in the total order.
    pub const fn record_of(ord: u64) -> u64 {
        ord & ((1 << Self::RECORD_BITS) - 1)
    }

    /// Whether all these bits of [`marks`] are set.
    #[inline]
    pub const fn is(&self, marks: u16) -> bool {
        self.marks & marks == marks
    }

    /// Whether this TCP flag is known to be set; false where flags are not known.
    #[inline]
    pub const fn has(&self, flag: u16) -> bool {
        self.is(marks::TCP_KNOWN) && self.tcp_flags & flag != 0
    }

    /// The shard of the packet's flow, one of 256.
    #[inline]
    pub const fn shard(&self) -> u8 {
        self.hash as u8
    }
}

/// A block of captured bytes that goes back to its pool when the last reader drops it.
#[derive(Debug, Default)]
pub struct Block {
    /// The bytes.
    pub bytes: Vec<u8>,
    pool: Option<BlockPool>,
}

impl Drop for Block {
    fn drop(&mut self) {
        if let Some(pool) = self.pool.take() {
            pool.give_back(std::mem::take(&mut self.bytes));
        }
    }
}

impl From<Vec<u8>> for Block {
    fn from(bytes: Vec<u8>) -> Self {
        Self { bytes, pool: None }
    }
}

/// Blocks to read into, used again and again.
#[derive(Clone, Debug, Default)]
pub struct BlockPool(Arc<std::sync::Mutex<Vec<Vec<u8>>>>);

impl BlockPool {
    /// Blocks kept for later; more are freed.
    const KEPT: usize = 64;

    /// Bytes to fill: empty, with the capacity of an earlier use.
    pub fn take(&self) -> Vec<u8> {
        let mut bytes = self.used();
        bytes.clear();
        bytes
    }

    /// `length` bytes to overwrite: what an earlier use left in them stays, as clearing them costs as much as reading.
    pub fn take_to_fill(&self, length: usize) -> Vec<u8> {
        let mut bytes = self.used();
        bytes.resize(length, 0);
        bytes
    }

    fn used(&self) -> Vec<u8> {
        self.0
            .lock()
            .ok()
            .and_then(|mut free| free.pop())
            .unwrap_or_default()
    }

    /// A block of these bytes that comes back here when it is dropped.
    pub fn block(&self, bytes: Vec<u8>) -> Arc<Block> {
        Arc::new(Block {
            bytes,
            pool: Some(self.clone()),
        })
    }

    fn give_back(&self, bytes: Vec<u8>) {
        if let Ok(mut free) = self.0.lock()
            && free.len() < Self::KEPT
        {
            free.push(bytes);
        }
    }
}

/// Packets in processing order, all of one source, with the bytes their headers point into.
#[derive(Clone, Debug, Default)]
pub struct PacketBatch {
    /// One entry a packet.
    pub headers: Vec<Header>,
    /// Extra parts of the flow key, `stride` bytes a packet in packet order; empty where the key has none.
    pub extra: Vec<u8>,
    /// Bytes of `extra` that belong to one packet.
    pub stride: u32,
    /// What the headers' offsets point into.
    pub arena: Arc<Block>,
    /// Place of the batch among those of its source, in processing order.
    pub sequence: u64,
    /// Payload bytes of a packet that cross to another process at most: what somebody downstream reads.
    pub keep_payload: u32,
    /// Whether the bytes before the payload cross too.
    pub keep_headers: bool,
}

impl PacketBatch {
    /// A batch without packets that shares everything else with this one.
    pub fn empty_like(&self) -> Self {
        Self {
            headers: Vec::new(),
            extra: Vec::new(),
            arena: Arc::clone(&self.arena),
            ..*self
        }
    }

    /// The source of its packets; 0 where it has none.
    pub fn source(&self) -> u32 {
        self.headers.first().map_or(0, Header::source)
    }

    /// The extra key parts of packet `index`.
    #[inline]
    pub fn extra_of(&self, index: usize) -> &[u8] {
        let stride = self.stride as usize;
        self.extra
            .get(index * stride..(index + 1) * stride)
            .unwrap_or(&[])
    }
}

/// Direction of a packet in its flow record (RFC 5103).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Direction {
    /// From the initiator.
    Forward = 0,
    /// From the responder.
    Backward = 1,
}

impl Direction {
    /// Of two values, forward and backward, the one of this direction.
    #[inline]
    pub const fn of<T>(self, [forward, backward]: &[T; 2]) -> &T {
        match self {
            Self::Forward => forward,
            Self::Backward => backward,
        }
    }

    /// The same, to change it.
    #[inline]
    pub const fn of_mut<T>(self, [forward, backward]: &mut [T; 2]) -> &mut T {
        match self {
            Self::Forward => forward,
            Self::Backward => backward,
        }
    }
}

/// One packet of a flow, as an extractor sees it. Derefs to its [`Header`].
#[derive(Clone, Copy, Debug)]
pub struct Packet<'a> {
    header: &'a Header,
    arena: &'a [u8],
    /// Packet time `t`: the record's own time, but never below that of the packet before it in the same flow record.
    pub time: i64,
    /// Who sent it.
    pub direction: Direction,
}

impl<'a> Packet<'a> {
    /// A packet whose header points into `arena`.
    pub fn new(header: &'a Header, arena: &'a [u8], time: i64, direction: Direction) -> Self {
        Self {
            header,
            arena,
            time,
            direction,
        }
    }

    /// Captured payload bytes, at most `payload_len`; empty where none was captured or kept.
    pub fn payload(&self) -> &'a [u8] {
        let start = self.header.payload as usize;
        self.arena
            .get(start..start + self.header.payload_captured as usize)
            .unwrap_or(&[])
    }

    /// The payload of the packet in fragments that this one makes whole; empty where it makes none.
    pub fn whole(&self) -> &'a [u8] {
        let start = self.header.frame as usize + self.header.captured as usize;
        self.arena
            .get(start..start + self.header.whole as usize)
            .unwrap_or(&[])
    }

    /// The header of the packet in fragments that this one makes whole, as if it had come in one; `None` where it makes none.
    pub(crate) fn whole_header(&self) -> Option<Header> {
        if self.header.whole == 0 {
            return None;
        }
        let mut header = *self.header;
        header.marks &= !(marks::FRAGMENT | marks::LATER_FRAGMENT);
        if header.protocol == 6 {
            header.marks |= marks::TCP_KNOWN;
        }
        header.payload = header.frame.saturating_add(header.captured);
        (header.payload_len, header.payload_captured) = (header.whole, header.whole);
        Some(header)
    }

    /// The same packet with another header over the same bytes.
    pub(crate) const fn with_header<'h>(&self, header: &'h Header) -> Packet<'h>
    where
        'a: 'h,
    {
        Packet {
            header,
            arena: self.arena,
            time: self.time,
            direction: self.direction,
        }
    }

    /// Captured bytes of the frame from the link layer on.
    pub fn frame(&self) -> &'a [u8] {
        let start = self.header.frame as usize;
        self.arena
            .get(start..start + self.header.captured as usize)
            .unwrap_or(&[])
    }

    /// Captured bytes of the IP header with its options or extension headers; empty where headers were not kept.
    #[inline]
    pub fn network_header(&self) -> &'a [u8] {
        let (start, end) = (self.header.network, self.header.transport);
        self.frame()
            .get(start as usize..end as usize)
            .unwrap_or(&[])
    }

    /// Captured bytes of the transport header, all that was captured behind the IP header where the header does not tell its
    /// length; empty where there is none (a later fragment) or headers were not kept.
    #[inline]
    pub fn transport_header(&self) -> &'a [u8] {
        let start = self.header.transport as usize;
        let end = self.header.payload.saturating_sub(self.header.frame) as usize;
        self.frame().get(start..end).unwrap_or(&[])
    }

    /// Whether the initiator sent it.
    #[inline]
    pub fn is_forward(&self) -> bool {
        self.direction == Direction::Forward
    }
}

impl std::ops::Deref for Packet<'_> {
    type Target = Header;
    fn deref(&self) -> &Header {
        self.header
    }
}
