//! The table against a plain model that knows neither calendar nor hash table: same records, same reasons, for random traffic,
//! clocks, batches and limits.

use super::*;
use crate::books::{Books, EndReason};
use crate::options::{Duration, Timeout};
use crate::packet::{Header, Packet, marks, tcp};
use crate::slots::Slots;
use bytemuck::Zeroable;
use proptest::prelude::*;
use std::collections::BTreeMap;

/// Writes down what ended, and that the packets of a slot come between its open and its finish.
#[derive(Default)]
struct Log {
    packets: BTreeMap<u32, Vec<(u64, i64)>>,
    ended: Vec<Ended>,
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Ended {
    first: u64,
    reason: EndReason,
    segment: u32,
    packets: Vec<(u64, i64)>,
    forward: u64,
}

impl Meter for Log {
    fn open(&mut self, slot: u32, _: &Flow) {
        assert!(
            self.packets.insert(slot, Vec::new()).is_none(),
            "slot {slot} is in use"
        );
    }
    fn packets(&mut self, packets: &[Packet<'_>], slots: &[u32], _: &Slots<Flow>) {
        for (packet, slot) in packets.iter().zip(slots) {
            self.packets
                .get_mut(slot)
                .expect("open before packets")
                .push((packet.ord, packet.time));
        }
    }
    fn early(&mut self, slot: u32, flow: &Flow) {
        let seen = self.packets[&slot].len() as u64;
        assert_eq!(seen, flow.packets[0] + flow.packets[1]);
        assert!(flow.stage > 0 && flow.end_reason.is_none());
    }
    fn finish(&mut self, slot: u32, flow: &Flow) {
        let packets = self.packets.remove(&slot).expect("open before finish");
        assert_eq!(packets.len() as u64, flow.packets[0] + flow.packets[1]);
        let reason = flow.end_reason.expect("an ended record has a reason");
        self.ended.push(Ended {
            first: flow.first,
            reason,
            segment: flow.segment,
            packets,
            forward: flow.packets[0],
        });
    }
}

/// The rules of the semantics, section 5, read aloud: every open record is looked at for every packet.
#[derive(Default)]
struct Model {
    open: Vec<(Vec<Header>, State)>,
    ended: Vec<Ended>,
}

#[derive(Clone, Default)]
struct State {
    segment: u32,
    forward_is_from_b: bool,
    isn: [Option<u32>; 2],
    fin: [Option<u32>; 2],
    acked: [bool; 2],
    closed: Option<(i64, EndReason)>,
}

impl Model {
    fn end(&mut self, at: usize, reason: EndReason) -> State {
        let (packets, state) = self.open.remove(at);
        let mut time = i64::MIN;
        let times = packets.iter().map(|packet| {
            time = time.max(packet.time);
            (packet.ord, time)
        });
        let times = times.collect();
        let forward = packets
            .iter()
            .filter(|packet| packet.is(marks::FROM_B) == state.forward_is_from_b)
            .count() as u64;
        let reason = state.closed.map_or(reason, |(_, reason)| reason);
        self.ended.push(Ended {
            first: packets[0].ord,
            reason,
            segment: state.segment,
            packets: times,
            forward,
        });
        state
    }

    fn packet(&mut self, packet: &Header, options: &FlowOptions) {
        let idle = options.idle_timeout.tcp;
        let is_idle = |last: &Header| idle.is_some_and(|idle| packet.clock - last.clock > idle);
        let linger = options.tcp_linger.0;
        let lingered = |state: &State| {
            state
                .closed
                .is_some_and(|(at, _)| packet.clock - at > linger)
        };
        let same = |other: &Header| other.hash == packet.hash;
        let mut state = State {
            forward_is_from_b: packet.is(marks::FROM_B),
            ..State::default()
        };
        if options.bidirectional && packet.has(tcp::SYN) && packet.has(tcp::ACK) {
            state.forward_is_from_b = !state.forward_is_from_b;
        }
        if let Some(at) = self.open.iter().position(|(packets, _)| same(&packets[0])) {
            let (packets, record) = &self.open[at];
            let last = packets.last().expect("a record has a packet");
            let side = usize::from(packet.is(marks::FROM_B) != record.forward_is_from_b);
            let closing = record.closed.is_some() || record.fin != [None; 2];
            let is_answer = packet.has(tcp::ACK) && options.bidirectional;
            let syn = packet.has(tcp::SYN) && !is_answer;
            if is_idle(last) {
                self.end(at, EndReason::Idle);
            } else if lingered(record) {
                self.end(at, EndReason::Eof);
            } else if options.terminate == Terminate::Tcp
                && closing
                && syn
                && record.isn[side] != Some(packet.seq)
            {
                self.end(at, EndReason::Fin);
            } else if options
                .active_timeout
                .0
                .is_some_and(|active| packet.clock - packets[0].clock >= active.0)
            {
                let before = self.end(at, EndReason::Active);
                state = State {
                    closed: None,
                    segment: before.segment + 1,
                    ..before
                };
            } else {
                return self.add(at, packet, options);
            }
        }
        let shard: Vec<usize> = (0..self.open.len())
            .filter(|at| self.open[*at].0[0].shard() == packet.shard())
            .collect();
        if shard.len() as u64 >= options.max_flows.div_ceil(256) {
            for at in shard.into_iter().rev() {
                let (packets, record) = &self.open[at];
                if is_idle(packets.last().expect("a record has a packet")) || lingered(record) {
                    self.end(at, EndReason::Idle);
                }
            }
            let shard: Vec<usize> = (0..self.open.len())
                .filter(|at| self.open[*at].0[0].shard() == packet.shard())
                .collect();
            if shard.len() as u64 >= options.max_flows.div_ceil(256) {
                let rank = |at: &usize| {
                    let packets = &self.open[*at].0;
                    let packet = if options.evict == Evict::Lru {
                        packets.last()
                    } else {
                        packets.first()
                    };
                    packet.map(|packet| (packet.clock, packet.ord))
                };
                if options.evict == Evict::Refuse {
                    return;
                }
                let at = shard
                    .into_iter()
                    .min_by_key(rank)
                    .expect("a full shard has a record");
                self.end(at, EndReason::Evicted);
            }
        }
        self.open.push((Vec::new(), state));
        self.add(self.open.len() - 1, packet, options);
    }

    fn add(&mut self, at: usize, packet: &Header, options: &FlowOptions) {
        let (packets, record) = &mut self.open[at];
        packets.push(*packet);
        let side = usize::from(packet.is(marks::FROM_B) != record.forward_is_from_b);
        match options.terminate {
            Terminate::Never => {}
            Terminate::FinRst => {
                if packets.len() > 1 && (packet.has(tcp::FIN) || packet.has(tcp::RST)) {
                    self.end(
                        at,
                        if packet.has(tcp::RST) {
                            EndReason::Rst
                        } else {
                            EndReason::Fin
                        },
                    );
                }
            }
            Terminate::Tcp => {
                if packet.has(tcp::SYN) {
                    record.isn[side].get_or_insert(packet.seq);
                }
                if packet.has(tcp::FIN) {
                    let end = packet.seq + packet.payload_len + u32::from(packet.has(tcp::SYN)) + 1;
                    record.fin[side].get_or_insert(end);
                }
                if packet.has(tcp::ACK) && record.fin[1 - side].is_some_and(|end| packet.ack >= end)
                {
                    record.acked[1 - side] = true;
                }
                if record.closed.is_none() && packet.has(tcp::RST) {
                    record.closed = Some((packet.clock, EndReason::Rst));
                } else if record.closed.is_none()
                    && match options.bidirectional {
                        true => record.acked == [true; 2],
                        false => record.fin != [None; 2],
                    }
                {
                    record.closed = Some((packet.clock, EndReason::Fin));
                }
            }
        }
    }

    fn eof(&mut self, clock: i64, options: &FlowOptions) {
        while let Some((packets, _)) = self.open.first() {
            let last = packets.last().expect("a record has a packet").clock;
            let idle = options
                .idle_timeout
                .tcp
                .is_some_and(|idle| clock - last > idle);
            self.end(
                0,
                if idle {
                    EndReason::Idle
                } else {
                    EndReason::Eof
                },
            );
        }
    }
}

/// Steps of time (now and then a leap), hosts, ports, flags and sequence numbers from small sets, so that things happen.
fn traffic() -> impl Strategy<Value = Vec<Header>> {
    let flags = prop_oneof![
        4 => Just(tcp::ACK), 2 => Just(tcp::SYN), 1 => Just(tcp::SYN | tcp::ACK), 2 => Just(tcp::FIN | tcp::ACK),
        1 => Just(tcp::RST), 1 => Just(0u16)
    ];
    let step = prop_oneof![8 => 0i64..3, 2 => 3i64..12, 1 => 12i64..80, 1 => -5i64..0];
    let packet = (
        step,
        0u8..3,
        0u16..4,
        any::<bool>(),
        flags,
        0u32..3,
        0u32..4,
    );
    proptest::collection::vec(packet, 1..200).prop_map(|packets| {
        let (mut time, mut clock) = (1_000i64, i64::MIN);
        let packets = packets.into_iter().enumerate().map(
            |(record, (step, host, port, turned, flags, seq, ack))| {
                time += step * 1_000_000_000;
                clock = clock.max(time);
                let mut header = Header {
                    time,
                    clock,
                    ord: record as u64,
                    family: 4,
                    protocol: 6,
                    ..Header::zeroed()
                };
                (header.tcp_flags, header.seq, header.ack) = (flags, seq, ack);
                header.marks |= marks::TCP_KNOWN;
                (
                    header.src[0],
                    header.src_port,
                    header.dst[0],
                    header.dst_port,
                ) = (10 + host, 1000 + port, 200, 80);
                if turned {
                    (header.src, header.dst) = (header.dst, header.src);
                    (header.src_port, header.dst_port) = (header.dst_port, header.src_port);
                }
                header
            },
        );
        packets.collect()
    })
}

fn options() -> impl Strategy<Value = FlowOptions> {
    let terminate = prop_oneof![3 => Just(Terminate::Tcp), 1 => Just(Terminate::FinRst), 1 => Just(Terminate::Never)];
    let evict = prop_oneof![Just(Evict::Lru), Just(Evict::Oldest), Just(Evict::Refuse)];
    let idle = prop_oneof![3 => Just(Some(10_000_000_000i64)), 1 => Just(None)];
    let active = prop_oneof![2 => Just(None), 1 => Just(Some(Duration(15_000_000_000)))];
    let both = prop_oneof![2 => Just(true), 1 => Just(false)];
    (terminate, evict, idle, active, 1u64..7, 0i64..6, both).prop_map(
        |(terminate, evict, idle, active, limit, linger, bidirectional)| FlowOptions {
            bidirectional,
            terminate,
            evict,
            idle_timeout: IdleTimeout {
                tcp: idle,
                udp: idle,
                icmp: idle,
                other: idle,
            },
            active_timeout: Timeout(active),
            max_flows: limit * 256,
            tcp_linger: Duration(linger * 1_000_000_000),
            ..FlowOptions::default()
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(600))]
    #[test]
    fn the_table_follows_the_rules(
        mut packets in traffic(), options in options(), batch in 1usize..40, advance: bool, groups in 1u32..4,
    ) {
        let rule = KeyRule::new(&options);
        for header in &mut packets {
            rule.apply(header, &[], &mut Vec::new());
            // few shards, so that they fill
            header.hash = header.hash & !0xff | header.hash & 1;
        }
        let (mut books, mut log) = (Books::default(), Log::default());
        let clock = packets.last().expect("there is a packet").clock + 3_000_000_000;
        // groups share the table, and know nothing of each other
        let group = |header: &Header| u32::from(header.src_port ^ header.dst_port) % groups;
        let mut models: Vec<Model> = (0..groups).map(|_| Model::default()).collect();
        packets.iter().for_each(|packet| models[group(packet) as usize].packet(packet, &options));
        models.iter_mut().for_each(|model| model.eof(clock, &options));
        let mut ended: Vec<Ended> = models.into_iter().flat_map(|model| model.ended).collect();

        let mut table = FlowTable::new(&options);
        for batch in packets.chunks(batch) {
            for of in 0..groups {
                let packets = batch.iter().filter(|header| group(header) == of);
                table.packets(of, packets.map(|header| (header, &[][..], &[][..])), &mut log, &mut books);
                if advance {
                    table.advance(of, batch.last().expect("a chunk is not empty").clock, &mut log, &mut books);
                }
            }
        }
        for of in 0..groups {
            table.exhausted(of, clock);
        }
        while table.leave(&mut log, &mut books) {}
        prop_assert_eq!(table.open(), 0);
        log.ended.sort();
        ended.sort();
        prop_assert_eq!(&log.ended, &ended);
        books.packets.read = packets.len() as u64;
        prop_assert_eq!(books.imbalances(), Vec::<String>::new());
    }
}
