//! Packets made by hand, for the tests of the groups.

use super::extractor::{Extractor, Wanted};
use crate::decode::DecodeOptions;
use crate::flows::{CloseState, ExtraKey, Flow, FlowKey};
use crate::packet::{Direction, Header, Packet, marks};
use crate::schema::Features;
use crate::statistics::Deviation;
use bytemuck::Zeroable;
use std::time::Duration;

/// Time of the first packet unless it says another.
pub const START: i64 = 1_700_000_000_000_000_000;

/// A packet without IP length, payload and flags, at the start.
#[derive(Clone, Copy)]
pub struct Built {
    pub header: Header,
    pub time: i64,
    pub direction: Direction,
    payload: [u8; 256],
}

fn built(direction: Direction) -> Built {
    let mut header = Header::zeroed();
    header.marks = marks::TCP_KNOWN;
    Built {
        header,
        time: START,
        direction,
        payload: [0; 256],
    }
}

/// A packet of the initiator.
pub fn forth() -> Built {
    built(Direction::Forward)
}

/// A packet of the responder.
pub fn back() -> Built {
    built(Direction::Backward)
}

impl Built {
    pub fn at(mut self, since_start: Duration) -> Self {
        self.time = START + since_start.as_nanos() as i64;
        self
    }
    pub fn ip(mut self, length: u32) -> Self {
        self.header.ip_len = length;
        self
    }
    pub fn payload_len(mut self, length: u32) -> Self {
        self.header.payload_len = length;
        self
    }
    pub fn payload(mut self, bytes: &[u8]) -> Self {
        self.payload[..bytes.len()].copy_from_slice(bytes);
        self.header.payload_len = bytes.len() as u32;
        self.header.payload_captured = bytes.len() as u32;
        self
    }
    /// The whole frame, instead of a payload.
    pub fn frame(mut self, bytes: &[u8]) -> Self {
        self.payload[..bytes.len()].copy_from_slice(bytes);
        self.header.captured = bytes.len() as u32;
        self.header.wire_len = bytes.len() as u32;
        self
    }
    /// A frame of these link, network and transport headers, all captured, without payload bytes.
    pub fn headers(mut self, link: &[u8], network: &[u8], transport: &[u8]) -> Self {
        let frame = [link, network, transport].concat();
        let header = &mut self.header;
        header.network = link.len() as u32;
        header.transport = (link.len() + network.len()) as u32;
        header.payload = frame.len() as u32;
        if link.len() >= 14 {
            header.marks |= marks::ETHERNET;
        }
        self.frame(&frame)
    }
    /// A TCP header with these options.
    pub fn options(self, options: &[u8]) -> Self {
        let mut tcp = [0; 20];
        tcp[12] = (((20 + options.len()) / 4) << 4) as u8;
        self.headers(&[], &[0x45; 20], &[&tcp, options].concat())
    }
    pub fn window(mut self, window: u16) -> Self {
        self.header.window = window;
        self.header.marks |= marks::WINDOW_KNOWN;
        self
    }
    pub fn ttl(mut self, ttl: u8) -> Self {
        self.header.ttl = ttl;
        self
    }
    pub fn tos(mut self, tos: u8) -> Self {
        self.header.tos = tos;
        self
    }
    pub fn vlan(mut self, vlan: u16) -> Self {
        self.header.vlan = vlan;
        self.header.marks |= marks::VLAN;
        self
    }
    pub fn marked(mut self, marks: u16) -> Self {
        self.header.marks = marks;
        self
    }
    pub fn flags(mut self, flags: u16) -> Self {
        self.header.tcp_flags = flags;
        self
    }
    pub fn seq(mut self, seq: u32, ack: u32) -> Self {
        self.header.seq = seq;
        self.header.ack = ack;
        self
    }
    pub fn packet(&self) -> Packet<'_> {
        Packet::new(&self.header, &self.payload, self.time, self.direction)
    }
}

/// The packets of a flow from 10.0.0.1:40000 to 10.0.0.2:443.
#[derive(Clone)]
pub struct Packets {
    pub flow: Flow,
    pub packets: Vec<Built>,
    sequence: usize,
    deviation: Deviation,
}

impl Packets {
    pub fn tcp() -> Self {
        Self::of(6)
    }

    pub fn udp() -> Self {
        Self::of(17)
    }

    pub fn of(protocol: u8) -> Self {
        let address = |last: u8| {
            let mut bytes = [0; 16];
            bytes[..4].copy_from_slice(&[10, 0, 0, last]);
            bytes
        };
        let flow = Flow {
            key: FlowKey {
                address_a: address(1),
                address_b: address(2),
                port_a: 40_000,
                port_b: 443,
                protocol,
                family: 4,
            },
            extra: ExtraKey::default(),
            hash: 0,
            ports: [40_000, 443],
            initiator_is_a: true,
            initiator_swapped: false,
            segment: 0,
            first: 7,
            last: 7,
            start: START,
            end: START,
            start_clock: START,
            last_clock: START,
            packets: [0; 2],
            bytes: [0; 2],
            close: CloseState::default(),
            end_reason: None,
            stage: 0,
            behind: 0,
            waits: 0,
        };
        Self {
            flow,
            packets: Vec::new(),
            sequence: 50,
            deviation: Deviation::Population,
        }
    }

    pub fn push(mut self, mut packet: Built) -> Self {
        let flow = &mut self.flow;
        let ports = [flow.key.port_a, flow.key.port_b];
        let (from, to) = match packet.direction {
            Direction::Forward => (0, 1),
            Direction::Backward => (1, 0),
        };
        (packet.header.src_port, packet.header.dst_port) = (ports[from], ports[to]);
        flow.start = self.packets.first().map_or(packet.time, |first| first.time);
        flow.end = packet.time;
        flow.packets[packet.direction as usize] += 1;
        flow.bytes[packet.direction as usize] += u64::from(packet.header.ip_len);
        self.packets.push(packet);
        self
    }

    pub fn ipv6(mut self) -> Self {
        self.flow.key.family = 6;
        self
    }

    /// `max_sequence_length`.
    pub fn sequence(mut self, sequence: usize) -> Self {
        self.sequence = sequence;
        self
    }

    /// `deviation`.
    pub fn deviation(mut self, deviation: Deviation) -> Self {
        self.deviation = deviation;
        self
    }

    fn plan<T: Extractor>(&self, options: &T::Options) -> T::Plan {
        let names = T::Features::schema()
            .into_iter()
            .map(|feature| feature.name.into());
        let names: Vec<String> = names.collect();
        let wanted = Wanted {
            columns: vec![true; names.len()],
            names,
            split: false,
            sequence: self.sequence,
            burst_threshold: 50_000_000,
            decode: DecodeOptions::default(),
            sources: [].into(),
            stages: [].into(),
            deviation: self.deviation,
            dtls: true,
        };
        T::plan(options, &wanted)
    }

    /// What an extractor keeps of these packets.
    pub fn state<T: Extractor>(&self, options: &T::Options) -> T {
        let plan = self.plan::<T>(options);
        let mut state = T::default();
        for packet in &self.packets {
            state.packet(&packet.packet(), &self.flow, &plan);
        }
        state
    }

    /// The columns that an extractor gives, all of them wanted.
    pub fn finish<T: Extractor>(self, options: &T::Options) -> T::Features {
        let plan = self.plan::<T>(options);
        self.state::<T>(options).finish(&self.flow, &plan)
    }
}
