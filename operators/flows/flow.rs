//! The record of one open flow: key, direction, times, counters and close state.

use super::close::CloseState;
use super::key::flow_id;
use crate::books::EndReason;
use crate::columns::Address;
use crate::packet::{Direction, Header};
use std::ops::Deref;
use std::sync::Arc;

/// One end of a flow.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Endpoint {
    /// Its address.
    pub address: Address,
    /// Its transport port in the first packet, 0 where there is none.
    pub port: u16,
}

/// The key of a flow: what all its packets share, whichever way they run.
///
/// `a` is the smaller endpoint, by address bytes as a big-endian number, then port.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C)]
pub struct FlowKey {
    /// Address of the smaller endpoint; IPv4 in the first 4 bytes.
    pub address_a: [u8; 16],
    /// Address of the larger endpoint.
    pub address_b: [u8; 16],
    /// Port of the smaller endpoint.
    pub port_a: u16,
    /// Port of the larger endpoint.
    pub port_b: u16,
    /// Upper-layer protocol.
    pub protocol: u8,
    /// 4 or 6.
    pub family: u8,
}

/// The extra key parts of a flow as bytes: a word where there are none, as in most runs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ExtraKey(Option<Box<Parts>>);

#[derive(Clone, Debug, PartialEq, Eq)]
struct Parts {
    bytes: Box<[u8]>,
    /// What `flow_id` has in the place of the number at their end: the names that it stands for.
    names: Option<Arc<[u8]>>,
}

impl From<&[u8]> for ExtraKey {
    fn from(bytes: &[u8]) -> Self {
        let parts = || {
            Box::new(Parts {
                bytes: bytes.into(),
                names: None,
            })
        };
        Self((!bytes.is_empty()).then(parts))
    }
}

impl ExtraKey {
    /// Bytes of the number that stands for names.
    pub(super) const NUMBER: usize = size_of::<u32>();

    /// The same, where a number at their end stands for these names.
    pub(super) fn named(bytes: &[u8], names: Arc<[u8]>) -> Self {
        let mut key = Self::from(bytes);
        if let Some(parts) = &mut key.0 {
            parts.names = Some(names);
        }
        key
    }

    /// The bytes of `flow_id`: those that all packets have, and the names of their input.
    pub(super) fn written(&self) -> [&[u8]; 2] {
        let names = self.0.as_ref().and_then(|parts| parts.names.as_deref());
        match names {
            None => [self, &[]],
            Some(names) => {
                let fixed = self.len().saturating_sub(Self::NUMBER);
                [self.get(..fixed).unwrap_or(self), names]
            }
        }
    }
}

impl Deref for ExtraKey {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        self.0.as_ref().map_or(&[], |parts| &parts.bytes)
    }
}

/// An open flow record (RFC 7011, RFC 5103), as extractors see it.
#[derive(Clone, Debug)]
pub struct Flow {
    /// What its packets share.
    pub key: FlowKey,
    /// Extra key parts (VLAN, ICMP identifier, MACs, outer addresses, sensor, source); empty by default.
    pub extra: ExtraKey,
    /// SipHash-1-3 of the key bytes; its low 8 bits are the shard.
    pub hash: u64,
    /// Ports of a and b in the first packet: those of the key, where they belong to it.
    pub ports: [u16; 2],
    /// Whether endpoint a is the initiator.
    pub initiator_is_a: bool,
    /// Whether the first packet was sent by the responder (a SYN+ACK).
    pub initiator_swapped: bool,
    /// 0, or one more than that of the record which the active timeout ended.
    pub segment: u32,
    /// Source and record ordinal of the first packet: [`Header::ord`].
    pub first: u64,
    /// Source and record ordinal of the last packet.
    pub last: u64,
    /// `t` of the first packet, ns since 1970.
    pub start: i64,
    /// `t` of the last packet, ns since 1970.
    pub end: i64,
    /// Clock at the first packet.
    pub start_clock: i64,
    /// Clock at the last packet.
    pub last_clock: i64,
    /// Packets forward and backward.
    pub packets: [u64; 2],
    /// Sums of the IP length forward and backward, bytes.
    pub bytes: [u64; 2],
    /// TCP close state.
    pub close: CloseState,
    /// Why it ended; `None` while it is open.
    pub end_reason: Option<EndReason>,
    /// The point at which it gives the row that is being made, counted from 1; 0 at its end.
    pub stage: u8,
    /// The points that are behind it, a bit each.
    pub behind: u8,
    /// Rows of it that wait to be made, of the packets so far.
    pub waits: u8,
}

impl Flow {
    /// `flow_id`: 128 bits that stand for this record and no other, the same in every run.
    pub fn id(&self) -> [u8; 16] {
        let record = Header::record_of(self.first);
        let extra = self.extra.written();
        flow_id(&self.key, extra, self.start, self.segment, record)
    }

    /// The end that started the flow.
    pub fn initiator(&self) -> Endpoint {
        self.endpoint(self.initiator_is_a)
    }

    /// The other end.
    pub fn responder(&self) -> Endpoint {
        self.endpoint(!self.initiator_is_a)
    }

    fn endpoint(&self, a: bool) -> Endpoint {
        let (key, [port_a, port_b]) = (&self.key, self.ports);
        let (bytes, port) = if a {
            (key.address_a, port_a)
        } else {
            (key.address_b, port_b)
        };
        Endpoint {
            address: Address {
                family: key.family,
                bytes,
            },
            port,
        }
    }

    /// The direction of a packet of this flow.
    #[inline]
    pub fn direction(&self, packet: &Header) -> Direction {
        use crate::packet::marks::{FROM_B, LOOP};
        if packet.is(LOOP) || packet.is(FROM_B) != self.initiator_is_a {
            Direction::Forward
        } else {
            Direction::Backward
        }
    }

    /// The shard of the key, one of 256.
    pub const fn shard(&self) -> u8 {
        self.hash as u8
    }

    /// Whether the protocol is TCP.
    pub fn is_tcp(&self) -> bool {
        self.key.protocol == 6
    }
}
