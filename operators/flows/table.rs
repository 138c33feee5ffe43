//! Open flow records by key: which record a packet joins, and when records end (semantics: end of a flow).
//!
//! One table a worker. A *group* is a set of inputs whose packets share flows: with `merge = "none"` each input is one. The
//! table sees the packets of a group in one fixed order, so nothing it does depends on workers or batches.

use super::close::CloseState;
use super::eviction::Queue;
use super::expiry::{Calendar, Timeouts};
use super::flow::{ExtraKey, Flow};
use super::key::KeyRule;
use super::options::{Evict, FlowOptions, InitiatorRule, Terminate};
use super::stages::Stages;
use crate::books::{Books, EndReason, Skip};
use crate::expressions::aggregates::{Rule, RulePlan};
use crate::packet::{Header, Packet, marks, tcp};
use crate::slots::Slots;
use crate::sources::InputName;
use hashbrown::HashTable;
use std::collections::{HashMap, VecDeque};
use std::hash::BuildHasher;

/// Shards of a group: fixed, whatever the number of workers.
pub const SHARDS: usize = 256;
/// Packets handed to the extractors at a time: enough to hide a cache miss, few enough to stay in the second cache.
pub const RUN: usize = 256;
/// Records that give their rows at a time, where many end at once: at a leap in time, and when their input is exhausted.
const LEAVE: usize = 4096;

/// What is done with the packets of flows. Calls come in this order for each slot: `open`, `packets` any number of times,
/// `finish`.
pub trait Meter {
    /// A record was opened in `slot`.
    fn open(&mut self, slot: u32, flow: &Flow);
    /// Packets in processing order, each with the slot of its record; `flows` is indexed by slot and as of the end of the run.
    fn packets(&mut self, packets: &[Packet<'_>], slots: &[u32], flows: &Slots<Flow>);
    /// The record in `slot` gives a row and goes on.
    fn early(&mut self, slot: u32, flow: &Flow);
    /// The record in `slot` ended; it is free for another one afterwards.
    fn finish(&mut self, slot: u32, flow: &Flow);
    /// Puts down what went wrong since it was asked last.
    fn note(&mut self, _: &mut Books) {}
}

/// The open flow records of a worker.
#[derive(Debug)]
pub struct FlowTable {
    rule: KeyRule,
    settings: Settings,
    /// Seeded at random, so that nobody can choose keys that collide. Its order is never seen.
    seed: foldhash::fast::RandomState,
    groups: HashMap<u32, Group>,
    flows: Slots<Flow>,
    /// Calendar page of each slot's valid entry.
    pages: Slots<i64>,
    free: Vec<u32>,
    /// Rows that have yet to be given, in order.
    due: Vec<Due>,
    leaving: VecDeque<Leaving>,
    stages: Stages,
    /// What ends records beside the timeouts.
    ends: Option<Rule>,
}

/// A row that a record has yet to give.
#[derive(Clone, Copy, Debug)]
struct Due {
    slot: u32,
    /// The point of an early row, counted from 1; 0 = the record ended.
    stage: u8,
}

/// Packets that the extractors have yet to see, each with the slot of its record.
#[derive(Default)]
struct Run<'a> {
    packets: Vec<Packet<'a>>,
    slots: Vec<u32>,
}

/// The records of an input that is exhausted, on their way out.
#[derive(Debug)]
struct Leaving {
    group: Group,
    slots: std::vec::IntoIter<u32>,
    clock: i64,
}

#[derive(Clone, Copy, Debug)]
struct Settings {
    one_way: bool,
    timeouts: Timeouts,
    terminate: Terminate,
    initiator: InitiatorRule,
    evict: Evict,
    shard_limit: u32,
}

/// The open records of inputs that share flows.
#[derive(Debug)]
struct Group {
    index: HashTable<u32>,
    calendar: Calendar,
    counts: Box<[u32; SHARDS]>,
    /// Orders of the shards that were full once.
    queues: HashMap<u8, Queue>,
}

impl FlowTable {
    /// Bytes kept of each open record beside its features: the record, its page, and its entries of the index (with a byte to
    /// find it by) and of the calendar.
    pub const BYTES_PER_FLOW: usize =
        size_of::<Flow>() + size_of::<i64>() + size_of::<u32>() + 1 + size_of::<u32>();

    /// An empty table.
    pub fn new(options: &FlowOptions) -> Self {
        let settings = Settings {
            one_way: !options.bidirectional,
            timeouts: Timeouts {
                idle: options.idle_timeout,
                active: options.active_timeout.0.map(|duration| duration.0),
                linger: options.tcp_linger.0,
            },
            terminate: options.terminate,
            initiator: match options.bidirectional {
                true => options.initiator,
                false => InitiatorRule::First,
            },
            evict: options.evict,
            shard_limit: u32::try_from(options.max_flows.div_ceil(SHARDS as u64))
                .unwrap_or(u32::MAX)
                .max(1),
        };
        Self {
            rule: KeyRule::new(options),
            settings,
            seed: foldhash::fast::RandomState::default(),
            groups: HashMap::new(),
            flows: Slots::default(),
            pages: Slots::default(),
            free: Vec::new(),
            due: Vec::new(),
            leaving: VecDeque::new(),
            stages: Stages::new(&options.early),
            ends: None,
        }
    }

    /// The same, where the inputs are called so, by ordinal.
    #[must_use]
    pub fn naming(mut self, inputs: &[InputName]) -> Self {
        self.rule = self.rule.named(inputs);
        self
    }

    /// The same, where this rule ends records.
    #[must_use]
    pub fn ending(mut self, rule: Option<&RulePlan>) -> Self {
        self.ends = rule.map(RulePlan::rule);
        self
    }

    /// Number of open records.
    pub fn open(&self) -> usize {
        self.flows.len() - self.free.len()
    }

    /// Takes packets of `group` in processing order, each with its extra key parts and the bytes it points into.
    pub fn packets<'a>(
        &mut self,
        group: u32,
        mut packets: impl Iterator<Item = (&'a Header, &'a [u8], &'a [u8])>,
        meter: &mut impl Meter,
        books: &mut Books,
    ) {
        let timeouts = &self.settings.timeouts;
        let mut state = self.groups.remove(&group).unwrap_or_else(|| Group {
            index: HashTable::new(),
            calendar: Calendar::new(timeouts),
            counts: Box::new([0; SHARDS]),
            queues: HashMap::new(),
        });
        let mut next: Vec<(&'a Header, &'a [u8], &'a [u8])> = Vec::with_capacity(RUN);
        let mut run = Run {
            packets: Vec::with_capacity(RUN),
            slots: Vec::with_capacity(RUN),
        };
        loop {
            next.extend(packets.by_ref().take(RUN));
            if next.is_empty() {
                break;
            }
            self.warm(&state, &next);
            for (header, extra, arena) in next.drain(..) {
                let parts = (header, extra, arena);
                let Some(slot) = self.join(&mut state, &mut run, parts, meter, books) else {
                    books.packets.skipped.add(Skip::NoRoom);
                    continue;
                };
                books.packets.used += 1;
                books.bytes_used += u64::from(header.ip_len);
                let flow = &self.flows[slot as usize];
                let packet = Packet::new(header, arena, flow.end, flow.direction(header));
                if let Some(rule) = &mut self.ends
                    && rule.ends_with(&packet, slot, &self.flows)
                    && flow.end_reason.is_none()
                {
                    self.end(&mut state, slot, EndReason::Rule);
                }
                run.packets.push(packet);
                run.slots.push(slot);
            }
            self.close_run(&mut run, meter, books);
        }
        self.groups.insert(group, state);
    }

    /// Looks at the records that the packets of a run will join, one after the other without need of each other, so that the
    /// processor fetches them all at once. What is found here does not matter.
    fn warm(&self, group: &Group, packets: &[(&Header, &[u8], &[u8])]) {
        let mut seen = 0;
        for (header, ..) in packets {
            let hash = self.seed.hash_one(header.hash);
            if let Some(flow) = group
                .index
                .find(hash, |_| true)
                .and_then(|slot| self.flows.get(*slot as usize))
            {
                seen ^= flow.hash ^ flow.last;
            }
        }
        std::hint::black_box(seen);
    }

    /// Hands a run to the extractors, then lets records give the rows that are due: a few thousand at most.
    fn close_run(&mut self, run: &mut Run<'_>, meter: &mut impl Meter, books: &mut Books) {
        if !run.packets.is_empty() {
            meter.packets(&run.packets, &run.slots, &self.flows);
            run.packets.clear();
            run.slots.clear();
        }
        let mut due = std::mem::take(&mut self.due);
        for Due { slot, stage } in due.drain(..due.len().min(LEAVE)) {
            let flow = &mut self.flows[slot as usize];
            if stage > 0 {
                books.flows.early += 1;
                // as it was then: no packet has joined it since
                let reason = flow.end_reason.take();
                flow.stage = stage;
                meter.early(slot, flow);
                (flow.stage, flow.end_reason) = (0, reason);
                flow.waits = flow.waits.saturating_sub(1);
                continue;
            }
            let reason = flow.end_reason.unwrap_or(EndReason::Eof);
            books.flows.emitted.add(reason);
            books.flows.packets += flow.packets[0] + flow.packets[1];
            books.flows.bytes += flow.bytes[0] + flow.bytes[1];
            books.flows.open -= 1;
            meter.finish(slot, flow);
            flow.extra = ExtraKey::default();
            self.free.push(slot);
            if let Some(rule) = &mut self.ends {
                rule.close(slot);
            }
        }
        self.due = due;
        meter.note(books);
        if let Some(rule) = &mut self.ends {
            rule.note(books);
        }
    }

    /// Lets a record give the rows of the points in time that are behind it at `clock`, as far as it is open there.
    fn pass(&mut self, slot: u32, clock: i64) {
        if self.stages.is_empty() {
            return;
        }
        let flow = &mut self.flows[slot as usize];
        let open = self.settings.timeouts.deadline(flow);
        let until = open.map_or(clock, |open| open.min(clock));
        while let Some((point, at)) = self.stages.next(flow.start_clock, flow.behind)
            && point <= until
        {
            flow.behind |= 1 << at;
            flow.waits = flow.waits.saturating_add(1);
            self.due.push(Due {
                slot,
                stage: at + 1,
            });
        }
    }

    /// When a record is to be looked at again: when it is over by time, or gives an early row; `None` = never.
    fn wake(&self, flow: &Flow) -> Option<i64> {
        let point = self.stages.next(flow.start_clock, flow.behind);
        let point = point.map(|(point, _)| point);
        let deadline = self.settings.timeouts.deadline(flow);
        [point, deadline].into_iter().flatten().min()
    }

    /// The slot of the record that a packet joins; `None` = the shard is full and refuses.
    fn join(
        &mut self,
        group: &mut Group,
        run: &mut Run<'_>,
        (header, extra, arena): (&Header, &[u8], &[u8]),
        meter: &mut impl Meter,
        books: &mut Books,
    ) -> Option<u32> {
        let key = self.rule.key(header);
        let hash = self.seed.hash_one(header.hash);
        let flows = &self.flows;
        let found = group
            .index
            .find(hash, |slot| {
                let flow = &flows[*slot as usize];
                flow.key == key && (extra.is_empty() || *flow.extra == *extra)
            })
            .copied();
        let mut continued = None;
        if let Some(slot) = found {
            self.pass(slot, header.clock);
            match self.ends_before(slot, header, arena) {
                None => {
                    // what has yet to be made of the packets before
                    while self.flows[slot as usize].waits > 0 {
                        self.close_run(run, meter, books);
                    }
                    self.add(group, slot, header);
                    return Some(slot);
                }
                Some((reason, is_continued)) => {
                    continued = is_continued.then(|| self.flows[slot as usize].clone());
                    self.end(group, slot, reason);
                }
            }
        }
        if group.counts[usize::from(header.shard())] >= self.settings.shard_limit
            && !self.make_room(group, header, books)
        {
            return None;
        }
        let slot = self.open_flow(group, hash, key, extra, header, continued.as_ref());
        books.flows.opened += 1;
        books.flows.open += 1;
        books.flows.most_open.0 = books.flows.most_open.0.max(books.flows.open);
        meter.open(slot, &self.flows[slot as usize]);
        if let Some(rule) = &mut self.ends {
            rule.open(slot);
        }
        self.add(group, slot, header);
        Some(slot)
    }

    /// Why the record in `slot` ends before this packet of its key, if it does, and whether the next record continues it.
    /// The tests and their order: semantics, section 5.
    fn ends_before(&self, slot: u32, header: &Header, arena: &[u8]) -> Option<(EndReason, bool)> {
        let flow = &self.flows[slot as usize];
        if let Some(reason) = self.settings.timeouts.over(flow, header.clock) {
            return Some((reason, false));
        }
        if self.settings.terminate == Terminate::Tcp
            && flow.is_tcp()
            && header.has(tcp::SYN)
            // the first of an end that was called is a SYN+ACK: alone it tells that a new connection begins
            && (self.settings.one_way || !header.has(tcp::ACK))
        {
            let close = &flow.close;
            let is_closing = close.closed().is_some() || close.fin.is_any();
            if is_closing && close.isn.get(flow.direction(header) as usize) != Some(header.seq) {
                return Some((EndReason::Fin, false));
            }
        }
        let age = header.clock.saturating_sub(flow.start_clock);
        if self
            .settings
            .timeouts
            .active
            .is_some_and(|active| age >= active)
        {
            return Some((EndReason::Active, true));
        }
        let rule = self.ends.as_ref()?;
        let time = flow.end.max(header.time);
        let packet = Packet::new(header, arena, time, flow.direction(header));
        rule.ends_before(&packet, slot, &self.flows)
            .then_some((EndReason::Rule, false))
    }

    fn open_flow(
        &mut self,
        group: &mut Group,
        hash: u64,
        key: super::FlowKey,
        extra: &[u8],
        header: &Header,
        continued: Option<&Flow>,
    ) -> u32 {
        let (ports, initiator_is_a, initiator_swapped, segment, close) = match continued {
            Some(before) => (
                before.ports,
                before.initiator_is_a,
                before.initiator_swapped,
                before.segment.saturating_add(1),
                before.close.reopened(),
            ),
            None => {
                let (is_a, swapped) = self.initiator(header);
                let ports = match header.is(marks::FROM_B) {
                    true => [header.dst_port, header.src_port],
                    false => [header.src_port, header.dst_port],
                };
                (ports, is_a, swapped, 0, CloseState::default())
            }
        };
        let flow = Flow {
            key,
            extra: self.rule.extra(extra, header),
            hash: header.hash,
            ports,
            initiator_is_a,
            initiator_swapped,
            segment,
            first: header.ord,
            last: header.ord,
            start: header.time,
            end: header.time,
            start_clock: header.clock,
            last_clock: header.clock,
            packets: [0; 2],
            bytes: [0; 2],
            close,
            end_reason: None,
            stage: 0,
            behind: 0,
            waits: 0,
        };
        let deadline = self.settings.timeouts.deadline(&flow);
        let wake = self.wake(&flow);
        let slot = match self.free.pop() {
            Some(slot) => {
                self.flows[slot as usize] = flow;
                slot
            }
            None => {
                self.flows.push(flow);
                self.pages.push(i64::MIN);
                u32::try_from(self.flows.len() - 1)
                    .expect("fewer than 2^32 open flows fit into memory")
            }
        };
        self.pages[slot as usize] = wake.map_or(i64::MIN, |wake| group.calendar.note(slot, wake));
        let (flows, seed, shard) = (&self.flows, &self.seed, header.shard());
        group
            .index
            .insert_unique(hash, slot, |slot| seed.hash_one(flows[*slot as usize].hash));
        group.counts[usize::from(shard)] += 1;
        if let Some(queue) = group.queues.get_mut(&shard) {
            queue.insert(
                slot,
                self.settings.evict.rank(&self.flows[slot as usize]),
                deadline,
            );
        }
        slot
    }

    /// Whether endpoint a is the initiator of a record that starts with this packet, and whether that is not its sender.
    fn initiator(&self, header: &Header) -> (bool, bool) {
        let sender_is_a = !header.is(marks::FROM_B);
        if header.is(marks::LOOP) {
            return (true, false);
        }
        match self.settings.initiator {
            InitiatorRule::First => (sender_is_a, false),
            InitiatorRule::Syn => {
                let swapped = header.has(tcp::SYN) && header.has(tcp::ACK);
                (sender_is_a != swapped, swapped)
            }
            InitiatorRule::Port => {
                let swapped = header.src_port < header.dst_port;
                (sender_is_a != swapped, swapped)
            }
        }
    }

    /// Adds a packet to its record and brings the close state up to date.
    fn add(&mut self, group: &mut Group, slot: u32, header: &Header) {
        let flow = &mut self.flows[slot as usize];
        if self.settings.evict == Evict::Lru
            && !group.queues.is_empty()
            && let Some(queue) = group.queues.get_mut(&flow.shard())
        {
            queue.order.remove(&(flow.last_clock, flow.last));
            queue.order.insert((header.clock, header.ord), slot);
        }
        flow.end = flow.end.max(header.time);
        flow.last_clock = header.clock;
        flow.last = header.ord;
        let direction = flow.direction(header) as usize;
        flow.packets[direction] += 1;
        flow.bytes[direction] += u64::from(header.ip_len);
        for at in self.stages.at_packet(flow.packets[0] + flow.packets[1]) {
            flow.waits = flow.waits.saturating_add(1);
            self.due.push(Due {
                slot,
                stage: at + 1,
            });
        }
        if !flow.is_tcp() || !header.is(marks::TCP_KNOWN) {
            return;
        }
        match self.settings.terminate {
            Terminate::Never => {}
            Terminate::FinRst => {
                if header.tcp_flags & (tcp::FIN | tcp::RST) != 0
                    && flow.packets[0] + flow.packets[1] > 1
                {
                    self.end(
                        group,
                        slot,
                        if header.has(tcp::RST) {
                            EndReason::Rst
                        } else {
                            EndReason::Fin
                        },
                    );
                }
            }
            Terminate::Tcp => {
                if flow.close.update(header, direction, self.settings.one_way) {
                    self.note_close(group, slot);
                }
            }
        }
    }

    /// Notes the deadline of a record that closed: its linger may be over long before the idle timeout.
    fn note_close(&mut self, group: &mut Group, slot: u32) {
        let flow = &self.flows[slot as usize];
        let Some(deadline) = self.settings.timeouts.deadline(flow) else {
            return;
        };
        // a second entry, which makes the first one stale
        let wake = self.wake(flow).unwrap_or(deadline);
        self.pages[slot as usize] = group.calendar.note(slot, wake);
        if let Some(queue) = group.queues.get_mut(&flow.shard()) {
            queue.note(slot, Some(deadline));
        }
    }

    /// Ends the record in `slot`: it leaves the index now, and gives its row at the end of the run. A closed record keeps the
    /// reason of its close.
    fn end(&mut self, group: &mut Group, slot: u32, reason: EndReason) {
        let flow = &mut self.flows[slot as usize];
        flow.end_reason = Some(flow.close.closed().map_or(reason, |(_, closed)| closed));
        group.counts[usize::from(flow.shard())] -= 1;
        if let Some(queue) = group.queues.get_mut(&flow.shard()) {
            queue.order.remove(&self.settings.evict.rank(flow));
            queue.note(slot, None);
        }
        if let Ok(entry) = group
            .index
            .find_entry(self.seed.hash_one(flow.hash), |other| *other == slot)
        {
            entry.remove();
        }
        self.pages[slot as usize] = i64::MIN;
        self.due.push(Due { slot, stage: 0 });
    }

    /// Makes room in the full shard of a packet: ends what is over anyway, then evicts one record. False = refused.
    fn make_room(&mut self, group: &mut Group, header: &Header, books: &mut Books) -> bool {
        let shard = header.shard();
        if !group.queues.contains_key(&shard) {
            let mut queue = Queue::default();
            for slot in &group.index {
                let flow = &self.flows[*slot as usize];
                if flow.shard() == shard {
                    let deadline = self.settings.timeouts.deadline(flow);
                    queue.insert(*slot, self.settings.evict.rank(flow), deadline);
                }
            }
            group.queues.insert(shard, queue);
        }
        while let Some(queue) = group.queues.get_mut(&shard)
            && let Some((noted, slot)) = queue.deadlines.first().copied()
            && noted < header.clock
        {
            let flow = &self.flows[slot as usize];
            if let Some(reason) = self.settings.timeouts.over(flow, header.clock) {
                self.pass(slot, header.clock);
                self.end(group, slot, reason);
            } else {
                let deadline = self.settings.timeouts.deadline(flow);
                queue.note(slot, deadline);
            }
        }
        if group.counts[usize::from(shard)] < self.settings.shard_limit {
            return true;
        }
        books.max_flows_hit += 1;
        if self.settings.evict == Evict::Refuse {
            return false;
        }
        if let Some(slot) = group
            .queues
            .get(&shard)
            .and_then(|queue| queue.order.values().next().copied())
        {
            self.pass(slot, header.clock);
            self.end(group, slot, EndReason::Evicted);
        }
        true
    }

    /// Whether the record in `slot` is one of `group`. A calendar may still name a slot that a record of another group took over.
    fn holds(&self, group: &Group, slot: u32) -> bool {
        let is_alone = self.groups.is_empty() && self.leaving.is_empty();
        let hash = || self.seed.hash_one(self.flows[slot as usize].hash);
        is_alone || group.index.find(hash(), |other| *other == slot).is_some()
    }

    /// Ends every record of `group` that is over for any packet at `clock` or later.
    pub fn advance(&mut self, group: u32, clock: i64, meter: &mut impl Meter, books: &mut Books) {
        let Some(mut state) = self.groups.remove(&group) else {
            return;
        };
        while let Some((page, slots)) = state.calendar.due(clock) {
            for slot in slots {
                if self.pages[slot as usize] != page || !self.holds(&state, slot) {
                    continue;
                }
                self.pass(slot, clock);
                let flow = &self.flows[slot as usize];
                match self.settings.timeouts.over(flow, clock) {
                    Some(reason) => self.end(&mut state, slot, reason),
                    None => {
                        self.pages[slot as usize] = self
                            .wake(flow)
                            .map_or(i64::MIN, |wake| state.calendar.note(slot, wake));
                    }
                }
            }
        }
        self.groups.insert(group, state);
        self.close_run(&mut Run::default(), meter, books);
    }

    /// The input of `group` is exhausted, and `clock` is the clock after the last record of it: all its records are to end, by
    /// [`FlowTable::leave`].
    pub fn exhausted(&mut self, group: u32, clock: i64) {
        let Some(mut state) = self.groups.remove(&group) else {
            return;
        };
        let mut slots: Vec<u32> = state.index.iter().copied().collect();
        // by their first packet: the order of rows made here must not come from a hash table
        slots.sort_unstable_by_key(|slot| self.flows[*slot as usize].first);
        state.queues.clear();
        self.leaving.push_back(Leaving {
            group: state,
            slots: slots.into_iter(),
            clock,
        });
    }

    /// Lets a few thousand records that ended give their rows, those of exhausted inputs among them, so that these can go before
    /// the next ones come, and tells whether there are more.
    pub fn leave(&mut self, meter: &mut impl Meter, books: &mut Books) -> bool {
        if self.due.len() < LEAVE {
            self.end_exhausted();
        }
        self.close_run(&mut Run::default(), meter, books);
        !self.due.is_empty() || !self.leaving.is_empty()
    }

    fn end_exhausted(&mut self) {
        let Some(mut leaving) = self.leaving.pop_front() else {
            return;
        };
        for slot in leaving.slots.by_ref().take(LEAVE) {
            self.pass(slot, leaving.clock);
            let flow = &self.flows[slot as usize];
            let idle = self.settings.timeouts.idle.of(flow.key.protocol);
            let quiet = leaving.clock.saturating_sub(flow.last_clock);
            let reason = if idle.is_some_and(|timeout| quiet > timeout) {
                EndReason::Idle
            } else {
                EndReason::Eof
            };
            self.end(&mut leaving.group, slot, reason);
        }
        if leaving.slots.len() > 0 {
            self.leaving.push_front(leaving);
        }
    }
}
