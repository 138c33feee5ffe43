//! Statistics of a flow that other flow meters give and the reference lacks: sums of gaps, active and idle periods, bulks, changes of
//! direction, goodput, the first payload bytes, and the first TLS records.
//!
//! Percentiles, histograms and bursts are in `timing` and `size`. What needs room is kept only where a column wants it.

use super::extractor::{Extractor, Needs, Wanted};
use crate::columns::{Column, Item, RowWriter, Values};
use crate::flows::{Flow, TcpStream};
use crate::options::{Duration, Options};
use crate::packet::{Direction, Packet, marks, tcp};
use crate::protocols::coverage::Coverage;
use crate::protocols::sequence::Segment;
use crate::protocols::{text, tls};
use crate::schema::{DataType, Features, Value};
use crate::statistics::{Deviation, Moments, SECOND, TimeSpread, ratio, seconds};

/// Columns of group `stats`, in output order.
#[derive(Features)]
#[features(profile = "JF-EXTRA")]
pub struct Stats {
    /// Sum of the inter-arrival times of consecutive packets of the initiator.
    #[column(unit = "s", scope = "fwd", null = "fewer than 2 packets forward")]
    pub iat_fwd_sum: Option<f64>,
    /// Sum of the inter-arrival times of consecutive packets of the responder.
    #[column(unit = "s", scope = "bwd", null = "fewer than 2 packets backward")]
    pub iat_bwd_sum: Option<f64>,
    /// the lengths of the active periods: maximal runs of packets whose inter-arrival times are at most activity_timeout, from the
    /// first packet to the last; a lone packet is one of 0 s, and the last one counts.
    #[family(unit = "s", null = "no packet", source = "CICFlowMeter, BasicFlow")]
    pub active: TimeSpread,
    /// the idle periods: inter-arrival times above activity_timeout.
    #[family(
        unit = "s",
        null = "no inter-arrival time above activity_timeout",
        source = "CICFlowMeter, BasicFlow"
    )]
    pub idle: TimeSpread,
    /// Bulks of the initiator: maximal runs of at least 4 packets with payload, each at most 1 s after the one before, without a
    /// packet with payload of the responder between them. Packets without payload are passed over.
    #[column(unit = "count", scope = "fwd", source = "CICFlowMeter, BasicFlow")]
    pub bulk_count_fwd: u64,
    /// Payload bytes in the bulks of the initiator.
    #[column(unit = "bytes", scope = "fwd")]
    pub bulk_bytes_fwd: u64,
    /// Packets in the bulks of the initiator.
    #[column(unit = "packets", scope = "fwd")]
    pub bulk_packets_fwd: u64,
    /// Sum over the bulks of the initiator of the time from the first packet to the last.
    #[column(unit = "s", scope = "fwd")]
    pub bulk_duration_fwd: f64,
    /// Bulks of the responder: see bulk_count_fwd.
    #[column(unit = "count", scope = "bwd", source = "CICFlowMeter, BasicFlow")]
    pub bulk_count_bwd: u64,
    /// Payload bytes in the bulks of the responder.
    #[column(unit = "bytes", scope = "bwd")]
    pub bulk_bytes_bwd: u64,
    /// Packets in the bulks of the responder.
    #[column(unit = "packets", scope = "bwd")]
    pub bulk_packets_bwd: u64,
    /// Sum over the bulks of the responder of the time from the first packet to the last.
    #[column(unit = "s", scope = "bwd")]
    pub bulk_duration_bwd: f64,
    /// Pairs of consecutive packets of different direction.
    #[column(unit = "count", scope = "flow")]
    pub direction_changes: u32,
    /// tcp_seq_fwd_bytes_sent / duration: payload bytes of the initiator, each number of sequence space counted once, a second.
    #[column(unit = "B/s", scope = "fwd", null = "not TCP, or duration = 0")]
    pub goodput_fwd: Option<f64>,
    /// tcp_seq_bwd_bytes_sent / duration: payload bytes of the responder, each number of sequence space counted once, a second.
    #[column(unit = "B/s", scope = "bwd", null = "not TCP, or duration = 0")]
    pub goodput_bwd: Option<f64>,
    /// The first `first_bytes` payload bytes of the initiator as captured, in lower-case hexadecimal digits: of TCP in the order of
    /// their sequence numbers up to the first that is missing, else in the order of the packets (later fragments left out).
    #[column(scope = "fwd", null = "no such byte", private = "name")]
    pub first_bytes_fwd: Option<String>,
    /// The first `first_bytes` payload bytes of the responder: see first_bytes_fwd.
    #[column(scope = "bwd", null = "no such byte", private = "name")]
    pub first_bytes_bwd: Option<String>,
    /// The first max_sequence_length TLS records of both directions of a TCP connection, in the order in which their headers were
    /// there: length, time since the record before in seconds (0 for the first), direction (+1 forward, -1 backward), content type
    /// (RFC 8446 section 5.1). Of the first `payload_prefix` bytes of each direction, from its first ClientHello or ServerHello on.
    #[column(scope = "flow", source = "RFC 8446 section 5.1", sequence)]
    pub splt_tls_records: Vec<Record>,
}

/// Settings of group `stats`.
#[derive(Clone, Debug, Options)]
pub struct StatsOptions {
    /// The longest time between two packets of one active period (`active_*`, `idle_*`).
    #[option(default = "5s")]
    pub activity_timeout: Duration,
    /// Payload bytes in `first_bytes_fwd` and `first_bytes_bwd`, 1,024 at most.
    #[option(default = "64")]
    pub first_bytes: u32,
}

/// One entry of `splt_tls_records`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Record {
    /// Bytes behind the header.
    pub length: u16,
    /// Time since the record before, seconds.
    pub time: f64,
    /// +1 forward, -1 backward.
    pub direction: i8,
    /// Content type.
    pub kind: u8,
}

impl Value for Record {
    fn data_type() -> DataType {
        DataType::Struct(vec![
            ("length".to_owned(), DataType::U16),
            ("time".to_owned(), DataType::F64),
            ("direction".to_owned(), DataType::I8),
            ("type".to_owned(), DataType::U8),
        ])
    }
    fn write(&self, out: &mut RowWriter<'_>) {
        out.structure(|column| self.push(column));
    }
}

impl Item for Record {
    fn push(&self, items: &mut Column) {
        if let Values::Struct(parts) = &mut items.values
            && let [(_, length), (_, time), (_, direction), (_, kind)] = &mut parts[..]
        {
            self.length.push(length);
            self.time.push(time);
            self.direction.push(direction);
            self.kind.push(kind);
        }
    }
}

/// What is kept of an open record.
#[derive(Default)]
pub struct State {
    /// Times of the first and the last packet of each direction; equal until there is a second one.
    spans: [Option<(i64, i64)>; 2],
    /// Directions with more than one packet.
    several: [bool; 2],
    /// Time and direction of the last packet.
    last: Option<(i64, Direction)>,
    changes: u32,
    periods: Option<Box<Periods>>,
    bulks: Option<Box<Bulks>>,
    goodput: Option<Box<[Good; 2]>>,
    opening: Option<Box<[Opening; 2]>>,
    records: Option<Box<Records>>,
}

/// Active and idle periods.
#[derive(Default)]
struct Periods {
    active: Moments,
    idle: Moments,
    /// Where the period that goes on started.
    start: i64,
}

/// Runs of packets with payload.
#[derive(Default)]
struct Bulks {
    run: Option<Run>,
    /// By direction.
    totals: [Totals; 2],
}

/// The run that goes on.
#[derive(Clone, Copy)]
struct Run {
    direction: Direction,
    packets: u64,
    bytes: u64,
    first: i64,
    last: i64,
}

#[derive(Clone, Copy, Default)]
struct Totals {
    count: u64,
    packets: u64,
    bytes: u64,
    time: u64,
}

/// Packets of a bulk at least, and the longest time between two of them, ns.
const BULK: (u64, u64) = (4, SECOND);

impl Totals {
    /// Adds a run, if it is a bulk.
    fn add(&mut self, run: Run) {
        if run.packets >= BULK.0 {
            self.count += 1;
            self.packets += run.packets;
            self.bytes += run.bytes;
            self.time += run.last.abs_diff(run.first);
        }
    }
}

impl Bulks {
    /// Takes a packet with payload.
    fn push(&mut self, packet: &Packet<'_>) {
        let next = Run {
            direction: packet.direction,
            packets: 1,
            bytes: packet.payload_len.into(),
            first: packet.time,
            last: packet.time,
        };
        match &mut self.run {
            Some(run)
                if run.direction == packet.direction
                    && packet.time.abs_diff(run.last) <= BULK.1 =>
            {
                run.packets += 1;
                run.bytes += next.bytes;
                run.last = next.last;
            }
            run => {
                if let Some(run) = run.replace(next) {
                    self.totals[run.direction as usize].add(run);
                }
            }
        }
    }

    /// The bulks of both directions, with the one that goes on.
    fn totals(&self) -> [Totals; 2] {
        let mut totals = self.totals;
        if let Some(run) = self.run {
            totals[run.direction as usize].add(run);
        }
        totals
    }
}

/// The numbers of a direction, and the payload bytes among them.
#[derive(Default)]
struct Good {
    coverage: Coverage,
    bytes: u64,
}

/// The first payload bytes of a direction.
#[derive(Default)]
struct Opening {
    stream: TcpStream,
    bytes: Vec<u8>,
}

impl Opening {
    fn push(&mut self, packet: &Packet<'_>, is_tcp: bool, limit: u32) {
        let Self { stream, bytes } = self;
        let missing = (limit as usize).saturating_sub(bytes.len());
        if missing == 0 {
            return;
        }
        if !is_tcp {
            let taken = packet.payload().iter().take(missing);
            bytes.extend(taken.filter(|_| !packet.is(marks::LATER_FRAGMENT)));
        } else if packet.is(marks::TCP_KNOWN) {
            stream.push(packet, limit, |piece| bytes.extend_from_slice(piece.bytes));
        }
    }

    fn digits(&self) -> Option<String> {
        (!self.bytes.is_empty()).then(|| text::hex(&self.bytes))
    }
}

/// The first TLS records.
#[derive(Default)]
struct Records {
    /// A direction that holds no more is gone.
    sides: [Option<Box<Reading>>; 2],
    is_over: [bool; 2],
    found: Vec<Seen>,
}

#[derive(Default)]
struct Reading {
    stream: TcpStream,
    tls: tls::Side,
}

/// A record, and when its header was there.
struct Seen {
    length: u16,
    kind: u8,
    direction: i8,
    time: i64,
}

impl Records {
    fn push(&mut self, packet: &Packet<'_>, plan: &Plan) {
        let at = packet.direction as usize;
        if self.is_over[at] {
            return;
        }
        let Reading { stream, tls } = &mut **self.sides[at].get_or_insert_default();
        let found = &mut self.found;
        let mut goes_on = true;
        stream.push(packet, plan.prefix, |piece| {
            goes_on &= tls.push(piece.bytes, piece.packet, &mut |message| {
                if let tls::Message::Record(kind, length) = message
                    && found.len() < plan.sequence
                {
                    found.push(Seen {
                        length,
                        kind,
                        direction: if packet.is_forward() { 1 } else { -1 },
                        time: packet.time,
                    });
                }
            });
        });
        if found.len() >= plan.sequence {
            self.is_over = [true; 2];
            self.sides = Default::default();
        } else if !goes_on || stream.complete() >= plan.prefix {
            self.is_over[at] = true;
            self.sides[at] = None;
        }
    }

    fn list(&self) -> Vec<Record> {
        let mut before = self.found.first().map_or(0, |first| first.time);
        let found = self.found.iter();
        found
            .map(|seen| Record {
                length: seen.length,
                time: seconds(
                    seen.time
                        .abs_diff(std::mem::replace(&mut before, seen.time)),
                ),
                direction: seen.direction,
                kind: seen.kind,
            })
            .collect()
    }
}

/// What the plan fixes.
pub struct Plan {
    /// ns.
    activity: u64,
    periods: bool,
    bulks: bool,
    goodput: bool,
    /// Bytes of each direction; 0 where nobody wants them.
    opening: u32,
    /// TLS records; 0 where nobody wants them.
    sequence: usize,
    prefix: u32,
    deviation: Deviation,
}

impl Extractor for State {
    type Features = Stats;
    type Options = StatsOptions;
    type Plan = Plan;

    fn needs(plan: &Plan) -> Needs {
        let records = if plan.sequence > 0 {
            u16::MAX.into()
        } else {
            0
        };
        Needs {
            payload: records.max(plan.opening),
            ..Needs::NONE
        }
    }

    fn plan(options: &StatsOptions, wanted: &Wanted) -> Plan {
        let begins = |start: &str| wanted.any(|name| name.starts_with(start));
        Plan {
            activity: u64::try_from(options.activity_timeout.0).unwrap_or(0),
            periods: begins("active_") || begins("idle_"),
            bulks: begins("bulk_"),
            goodput: begins("goodput_"),
            opening: if begins("first_bytes_") {
                options.first_bytes.min(1024)
            } else {
                0
            },
            sequence: if begins("splt_tls_records") {
                wanted.sequence
            } else {
                0
            },
            prefix: wanted.decode.payload_prefix.0,
            deviation: wanted.deviation,
        }
    }

    fn packet(&mut self, packet: &Packet<'_>, flow: &Flow, plan: &Plan) {
        let side = packet.direction as usize;
        let before = self.last.replace((packet.time, packet.direction));
        self.several[side] = self.spans[side].is_some();
        self.spans[side].get_or_insert((packet.time, 0)).1 = packet.time;
        if let Some((_, direction)) = before
            && direction != packet.direction
        {
            self.changes = self.changes.saturating_add(1);
        }
        if plan.periods {
            let periods = self.periods.get_or_insert_default();
            let last = before.map(|(time, _)| time);
            match last.map(|last| (last, packet.time.abs_diff(last))) {
                Some((last, gap)) if gap > plan.activity => {
                    periods.active.push(last.abs_diff(periods.start));
                    periods.idle.push(gap);
                    periods.start = packet.time;
                }
                Some(_) => {}
                None => periods.start = packet.time,
            }
        }
        if plan.bulks && packet.payload_len > 0 {
            self.bulks.get_or_insert_default().push(packet);
        }
        let is_tcp = flow.is_tcp();
        // a SYN says where a stream starts
        let is_read = packet.payload_len > 0 || is_tcp && packet.has(tcp::SYN);
        if plan.opening > 0 && is_read {
            let opening = self.opening.get_or_insert_default();
            opening[side].push(packet, is_tcp, plan.opening);
        }
        if !is_tcp || !packet.is(marks::TCP_KNOWN) {
            return;
        }
        if plan.goodput && !packet.has(tcp::RST) {
            let good = &mut self.goodput.get_or_insert_default()[side];
            good.bytes += good.coverage.segment(&Segment::of(packet)).bytes;
        }
        if plan.sequence > 0 && is_read {
            self.records.get_or_insert_default().push(packet, plan);
        }
    }

    fn finish(&self, flow: &Flow, plan: &Plan) -> Stats {
        let sum = |side: usize| {
            let (first, last) = self.spans[side].filter(|_| self.several[side])?;
            Some(seconds(last.abs_diff(first)))
        };
        let (mut active, mut idle) = (Moments::default(), Moments::default());
        if let (Some(periods), Some((last, _))) = (&self.periods, self.last) {
            (active, idle) = (periods.active, periods.idle);
            active.push(last.abs_diff(periods.start));
        }
        let bulks = self.bulks.as_ref().map(|bulks| bulks.totals());
        let [forward, backward] = bulks.unwrap_or_default();
        let goodput = |side: usize| {
            let bytes = self.goodput.as_ref().map_or(0, |good| good[side].bytes);
            let time = flow.end.abs_diff(flow.start);
            let rate = ratio(u128::from(bytes) * u128::from(SECOND), time.into());
            rate.filter(|_| flow.is_tcp())
        };
        let opening = |side: usize| self.opening.as_ref()?[side].digits();
        Stats {
            iat_fwd_sum: sum(0),
            iat_bwd_sum: sum(1),
            active: TimeSpread::of(&active, plan.deviation),
            idle: TimeSpread::of(&idle, plan.deviation),
            bulk_count_fwd: forward.count,
            bulk_bytes_fwd: forward.bytes,
            bulk_packets_fwd: forward.packets,
            bulk_duration_fwd: seconds(forward.time),
            bulk_count_bwd: backward.count,
            bulk_bytes_bwd: backward.bytes,
            bulk_packets_bwd: backward.packets,
            bulk_duration_bwd: seconds(backward.time),
            direction_changes: self.changes,
            goodput_fwd: goodput(0),
            goodput_bwd: goodput(1),
            first_bytes_fwd: opening(0),
            first_bytes_bwd: opening(1),
            splt_tls_records: (self.records.as_ref()).map_or(Vec::new(), |records| records.list()),
        }
    }

    fn heap_bytes(&self) -> usize {
        fn boxed<T>(one: Option<&T>, more: impl Fn(&T) -> usize) -> usize {
            one.map_or(0, |one| size_of_val(one) + more(one))
        }
        let good = |good: &[Good; 2]| good.iter().map(|side| side.coverage.heap_bytes()).sum();
        let opening = |opening: &[Opening; 2]| {
            let sides = opening.iter();
            sides
                .map(|side| side.stream.heap_bytes() + side.bytes.capacity())
                .sum()
        };
        let records = |records: &Records| {
            let sides = records.sides.iter().flatten();
            let reading = sides.map(|side| {
                size_of::<Reading>() + side.stream.heap_bytes() + side.tls.heap_bytes()
            });
            reading.sum::<usize>() + records.found.capacity() * size_of::<Seen>()
        };
        boxed(self.periods.as_deref(), |_| 0)
            + boxed(self.bulks.as_deref(), |_| 0)
            + boxed(self.goodput.as_deref(), good)
            + boxed(self.opening.as_deref(), opening)
            + boxed(self.records.as_deref(), records)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::features::testing::{Built, Packets, back, forth};
    use std::time::Duration as Time;
    use tcp::{ACK, SYN};

    fn ms(ms: u64) -> Time {
        Time::from_millis(ms)
    }

    fn options() -> StatsOptions {
        StatsOptions::default()
    }

    fn udp(packets: impl IntoIterator<Item = Built>) -> Stats {
        let flow = packets.into_iter().fold(Packets::udp(), Packets::push);
        flow.finish::<State>(&options())
    }

    #[test]
    fn sums_of_gaps_and_changes() {
        let row = udp([
            forth().at(ms(0)),
            back().at(ms(100)),
            back().at(ms(150)),
            forth().at(ms(400)),
            forth().at(ms(1000)),
            back().at(ms(1150)),
        ]);
        assert_eq!((row.iat_fwd_sum, row.iat_bwd_sum), (Some(1.0), Some(1.05)));
        assert_eq!(row.direction_changes, 3);
        let one = udp([forth(), back()]);
        assert_eq!((one.iat_fwd_sum, one.iat_bwd_sum), (None, None));
        // two packets at once have a gap of 0
        assert_eq!(udp([forth(), forth()]).iat_fwd_sum, Some(0.0));
    }

    #[test]
    fn active_and_idle_periods() {
        let at = |s: f64| forth().at(Time::from_secs_f64(s));
        // 0 1 6 | 12 | 18 19: a gap of exactly 5 s is not idle
        let row = udp([0.0, 1.0, 6.0, 12.0, 18.0, 19.0].map(at));
        let active = &row.active;
        assert_eq!((active.min, active.max), (Some(0.0), Some(6.0)));
        assert_eq!(active.mean, Some(7.0 / 3.0));
        // (36 + 0 + 1) / 3 - (7 / 3)^2
        let std = active.std.expect("periods");
        assert!((std - (62.0f64 / 9.0).sqrt()).abs() < 1e-12, "{std}");
        let idle = &row.idle;
        assert_eq!((idle.min, idle.max), (Some(6.0), Some(6.0)));
        assert_eq!((idle.mean, idle.std), (Some(6.0), Some(0.0)));
        let single = udp([at(3.0)]);
        assert_eq!(
            (single.active.mean, single.active.std),
            (Some(0.0), Some(0.0))
        );
        assert_eq!(single.idle, TimeSpread::default());
        let short = StatsOptions {
            activity_timeout: Duration(500_000_000),
            ..options()
        };
        let flow = [0.0, 1.0, 6.0].map(at).into_iter();
        let row = flow
            .fold(Packets::udp(), Packets::push)
            .finish::<State>(&short);
        assert_eq!((row.active.max, row.idle.mean), (Some(0.0), Some(3.0)));
    }

    #[test]
    fn bulks_are_runs_of_data() {
        let data = |end: Built, at: u64| end.at(ms(at)).payload_len(10);
        let four = |end: fn() -> Built, from: u64| (0..4).map(move |n| data(end(), from + 100 * n));
        let row = udp(four(forth, 0));
        assert_eq!((row.bulk_count_fwd, row.bulk_packets_fwd), (1, 4));
        assert_eq!((row.bulk_bytes_fwd, row.bulk_duration_fwd), (40, 0.3));
        assert_eq!((row.bulk_count_bwd, row.bulk_duration_bwd), (0, 0.0));
        // an acknowledgement of the other side does not end it, its data does; nor do three packets make one
        let acknowledged = four(forth, 0)
            .chain([back().at(ms(350))])
            .chain(four(forth, 400));
        assert_eq!(udp(acknowledged).bulk_packets_fwd, 8);
        let broken = four(forth, 0).take(3).chain([data(back(), 350)]);
        let row = udp(broken.chain(four(forth, 400).take(3)));
        assert_eq!((row.bulk_count_fwd, row.bulk_count_bwd), (0, 0));
        // 1 s is near enough, more is not
        let near = four(forth, 0).chain(four(forth, 1300));
        assert_eq!(udp(near).bulk_count_fwd, 1);
        let far = four(back, 0).chain(four(back, 1301));
        let row = udp(far);
        assert_eq!((row.bulk_count_bwd, row.bulk_bytes_bwd), (2, 80));
        assert_eq!((row.bulk_packets_bwd, row.bulk_duration_bwd), (8, 0.6));
    }

    #[test]
    fn goodput_counts_bytes_once() {
        let data =
            |at: u64, start: u32| forth().at(ms(at)).flags(ACK).seq(start, 1).payload_len(100);
        let flow = Packets::tcp()
            .push(data(0, 0))
            .push(data(500, 100))
            .push(data(1000, 100))
            .push(back().at(ms(2000)).flags(ACK).seq(1, 200));
        let row = flow.finish::<State>(&options());
        assert_eq!((row.goodput_fwd, row.goodput_bwd), (Some(100.0), Some(0.0)));
        let row = Packets::tcp().push(data(0, 0)).finish::<State>(&options());
        assert_eq!(row.goodput_fwd, None, "no time has passed");
        assert_eq!(udp([forth(), forth().at(ms(5))]).goodput_fwd, None);
    }

    #[test]
    fn first_bytes_in_order() {
        let few = StatsOptions {
            first_bytes: 5,
            ..options()
        };
        let row = Packets::udp()
            .push(forth().payload(b"ab"))
            .push(
                forth()
                    .payload(b"zz")
                    .marked(marks::FRAGMENT | marks::LATER_FRAGMENT),
            )
            .push(forth().payload(b"cdef"))
            .finish::<State>(&few);
        assert_eq!(row.first_bytes_fwd.as_deref(), Some("6162636465"));
        assert_eq!(row.first_bytes_bwd, None);
        let sent = |start: u32, bytes: &[u8]| back().flags(ACK).seq(start, 0).payload(bytes);
        let row = Packets::tcp()
            .push(back().flags(SYN | ACK).seq(9, 1))
            .push(sent(12, b"cdef"))
            .push(sent(10, b"abX"))
            .finish::<State>(&few);
        assert_eq!(
            row.first_bytes_bwd.as_deref(),
            Some("6162636465"),
            "by number"
        );
        let row = Packets::tcp()
            .push(sent(10, b"a"))
            .push(sent(12, b"c"))
            .finish::<State>(&few);
        assert_eq!(
            row.first_bytes_bwd.as_deref(),
            Some("61"),
            "up to what is missing"
        );
    }

    /// A TLS record.
    fn record(kind: u8, body: &[u8]) -> Vec<u8> {
        [&[kind, 3, 3, 0, body.len() as u8][..], body].concat()
    }

    #[test]
    fn tls_records_of_both_sides() {
        let hello = |kind: u8| {
            let body = [&[kind, 0, 0, 38, 3, 3][..], &[7; 32], &[0, 0x13, 1, 0]].concat();
            record(22, &body)
        };
        let sent = |end: Built, at: u64, start: u32, bytes: &[u8]| {
            end.at(ms(at)).flags(ACK).seq(start, 1).payload(bytes)
        };
        let client = [hello(1), record(20, &[1]), record(23, &[9; 50])].concat();
        let server = [hello(2), record(23, &[9; 70])].concat();
        let flow = Packets::tcp()
            .push(sent(forth(), 0, 1, &client[..20]))
            .push(sent(forth(), 10, 21, &client[20..55]))
            .push(sent(back(), 20, 1, &server))
            .push(sent(forth(), 50, 56, &client[55..]));
        let row = flow.clone().finish::<State>(&options());
        let of = |length, time, direction, kind| Record {
            length,
            time,
            direction,
            kind,
        };
        let all = [
            of(42, 0.0, 1, 22),
            of(1, 0.01, 1, 20),
            of(42, 0.01, -1, 22),
            of(70, 0.0, -1, 23),
            of(50, 0.03, 1, 23),
        ];
        assert_eq!(row.splt_tls_records, all);
        let row = flow.sequence(2).finish::<State>(&options());
        assert_eq!(row.splt_tls_records, all[..2]);
        let other = Packets::tcp().push(sent(forth(), 0, 1, b"GET / HTTP/1.1\r\n\r\n"));
        assert_eq!(other.finish::<State>(&options()).splt_tls_records, []);
    }

    #[test]
    fn nothing_is_kept_that_nobody_wants() {
        let names = ["direction_changes", "iat_fwd_sum"];
        let all: Vec<String> = Stats::schema()
            .into_iter()
            .map(|one| one.name.into())
            .collect();
        let wanted = Wanted {
            columns: all
                .iter()
                .map(|name| names.contains(&name.as_str()))
                .collect(),
            names: all,
            split: false,
            sequence: 50,
            burst_threshold: 0,
            decode: crate::decode::DecodeOptions::default(),
            sources: [].into(),
            stages: [].into(),
            deviation: Deviation::Population,
            dtls: false,
        };
        let plan = State::plan(&options(), &wanted);
        assert_eq!(State::needs(&plan), Needs::NONE);
        let mut state = State::default();
        let flow = Packets::tcp().push(forth().flags(ACK).payload(b"abc"));
        flow.packets
            .iter()
            .for_each(|packet| state.packet(&packet.packet(), &flow.flow, &plan));
        assert_eq!(state.heap_bytes(), 0);
    }
}
