//! Puts any segments in order and asserts what must hold: the body of a fuzz target, and of the test that runs it.

use super::application::{Applications, Rules};
use super::close::CloseState;
use super::flow::{ExtraKey, Flow, FlowKey};
use super::stream::Stream;
use crate::decode::DecodeOptions;
use crate::packet::{Direction, Header, Packet, marks, tcp};
use crate::protocols::Protocols;
use crate::slots::Slots;
use bytemuck::Zeroable as _;

/// Bytes of a stream that are read.
const LIMIT: u32 = 2048;
/// Sequence number of the first byte: they go round soon.
const BASE: u32 = u32::MAX - 99;

/// As segments of a TCP connection: a byte that says how each lies to what its direction sent before, the number of its bytes, and
/// those. What comes out is, whatever the order, the byte that came first for each place, up to the first place that has none.
pub fn segments(bytes: &[u8]) {
    let segments = read(bytes);
    let mut sides = [Side::default(), Side::default()];
    for segment in &segments {
        sides[segment.from as usize].push(segment);
    }
    applications(&segments, 6);
    applications(&segments, 17);
}

struct Segment<'a> {
    header: Header,
    payload: &'a [u8],
    from: Direction,
}

impl Segment<'_> {
    fn packet(&self) -> Packet<'_> {
        Packet::new(&self.header, self.payload, 0, self.from)
    }
}

fn read(mut bytes: &[u8]) -> Vec<Segment<'_>> {
    let (mut segments, mut next) = (Vec::new(), [BASE; 2]);
    while let Some(([how, length], rest)) = bytes.split_first_chunk() {
        let (payload, rest) = rest.split_at(rest.len().min(usize::from(*length)));
        bytes = rest;
        let from = if how & 1 == 0 {
            Direction::Forward
        } else {
            Direction::Backward
        };
        let side = &mut next[from as usize];
        let step = match how >> 1 & 7 {
            0 | 1 => 0,
            2 => 7,
            3 => 200,
            4 => 7_u32.wrapping_neg(),
            5 => 100_u32.wrapping_neg(),
            6 => u32::from(*length).wrapping_neg(),
            _ => 1 << 30,
        };
        let mut header = Header::zeroed();
        (header.src_port, header.dst_port) = (53, 50_000);
        header.seq = side.wrapping_add(step);
        header.tcp_flags = match how >> 4 {
            0 => tcp::SYN,
            1 => tcp::RST,
            _ => tcp::ACK,
        };
        if how >> 4 != 2 {
            header.marks = marks::TCP_KNOWN;
        }
        header.payload_captured = payload.len() as u32;
        header.payload_len = header.payload_captured;
        // a jump of half the numbers is not gone on from
        if step != 1 << 30 {
            *side = header.seq.wrapping_add(header.payload_len);
        }
        segments.push(Segment {
            header,
            payload,
            from,
        });
    }
    segments
}

/// A direction as a table of places.
struct Side {
    stream: Stream,
    base: Option<u32>,
    places: Vec<Option<u8>>,
    told: Vec<u8>,
}

impl Default for Side {
    fn default() -> Self {
        Self {
            stream: Stream::default(),
            base: None,
            places: vec![None; LIMIT as usize],
            told: Vec::new(),
        }
    }
}

impl Side {
    fn push(&mut self, segment: &Segment<'_>) {
        let packet = segment.packet();
        let told = &mut self.told;
        self.stream.push(&packet, LIMIT, |piece| {
            assert!(!piece.bytes.is_empty());
            told.extend_from_slice(piece.bytes);
        });
        if !packet.has(tcp::RST) {
            let start = packet.seq.wrapping_add(packet.has(tcp::SYN).into());
            if self.base.is_none() && (packet.has(tcp::SYN) || packet.payload_len > 0) {
                self.base = Some(start);
            }
            let offset = start.wrapping_sub(self.base.unwrap_or(start));
            let first = i64::from(offset.cast_signed());
            for (at, byte) in (first..).zip(packet.payload()) {
                let place = usize::try_from(at)
                    .ok()
                    .and_then(|at| self.places.get_mut(at));
                if let Some(place) = place {
                    place.get_or_insert(*byte);
                }
            }
        }
        let places = self.places.iter().map_while(|byte| *byte);
        assert!(places.eq(self.told.iter().copied()), "{:?}", self.told);
        assert_eq!(self.stream.complete() as usize, self.told.len());
        // each byte that waits may be alone, in a vector that doubles
        assert!(self.stream.heap_bytes() <= 256 + 40 * LIMIT as usize);
    }
}

/// All protocols at once, on a port of DNS.
fn applications(segments: &[Segment<'_>], protocol: u8) {
    let protocols = [
        Protocols::DHCP,
        Protocols::DNS,
        Protocols::DTLS,
        Protocols::GREETING,
        Protocols::HTTP,
        Protocols::HTTP1,
        Protocols::QUIC,
        Protocols::SSH,
        Protocols::TLS,
    ];
    let wanted = protocols
        .into_iter()
        .fold(Protocols::NONE, Protocols::union);
    let mut applications = Applications::new(Rules::new(wanted, &DecodeOptions::default()));
    applications.open(0);
    let flows = Slots::from_iter([flow(protocol)]);
    let packets: Vec<Packet<'_>> = segments.iter().map(Segment::packet).collect();
    let mut messages = 0;
    for packet in &packets {
        let packet = std::slice::from_ref(packet);
        applications.packets(packet, &[0], &flows, |_, _, _| messages += 1);
    }
    let bytes: usize = segments.iter().map(|segment| segment.payload.len()).sum();
    assert!(messages <= 4 + 4 * bytes, "{messages} of {bytes} bytes");
    assert!(applications.heap_bytes() <= (64 << 10) + 256 * bytes);
    applications.close(0);
    assert_eq!(applications.heap_bytes(), 0);
}

fn flow(protocol: u8) -> Flow {
    Flow {
        key: FlowKey {
            address_a: [1; 16],
            address_b: [2; 16],
            port_a: 53,
            port_b: 50_000,
            protocol,
            family: 6,
        },
        extra: ExtraKey::default(),
        hash: 0,
        ports: [53, 50_000],
        initiator_is_a: true,
        initiator_swapped: false,
        segment: 0,
        first: 0,
        last: 0,
        start: 0,
        end: 0,
        start_clock: 0,
        last_clock: 0,
        packets: [0; 2],
        bytes: [0; 2],
        close: CloseState::default(),
        end_reason: None,
        stage: 0,
        behind: 0,
        waits: 0,
    }
}
