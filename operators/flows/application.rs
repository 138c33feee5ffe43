//! The application protocols of open flow records: packets to messages, for all groups that ask for them.
//!
//! Each protocol is looked for by itself, whatever others are wanted, so that no column depends on another group. Content decides
//! and not ports, but for DNS, whose messages have no mark of their own.

#![cfg_attr(
    not(test),
    warn(
        clippy::indexing_slicing,
        clippy::arithmetic_side_effects,
        clippy::cast_possible_truncation,
        clippy::expect_used,
        clippy::panic
    )
)]

use super::flow::Flow;
use super::stream::Stream;
use crate::decode::{DecodeOptions, Fragments};
use crate::packet::{Direction, Packet, marks, tcp};
use crate::protocols::{Message, Protocols, dhcp, dns, dtls, greeting, http, quic, ssh, sum, tls};
use crate::slots::Slots;

const TCP: u8 = 6;
const UDP: u8 = 17;

/// The packet that made a message whole.
#[derive(Clone, Copy, Debug)]
pub struct Told {
    /// Its place in the run of packets.
    pub row: usize,
    /// The slot of its record.
    pub slot: u32,
    /// Its time, ns since 1970.
    pub time: i64,
}

/// What is told of a flow: the message, and who sent it.
type Tell<'a> = dyn FnMut(&Message<'_>, Direction) + 'a;

/// Protocols that somebody asked for, and how they are looked for.
#[derive(Clone, Debug)]
pub struct Rules {
    wanted: Protocols,
    /// Bytes that are read of each direction of a stream.
    limit: u32,
    dns_ports: Vec<u16>,
    /// Whether packets in fragments are put together: the fragments themselves bring nothing then.
    joins_fragments: bool,
}

impl Rules {
    /// Looks for these protocols.
    pub fn new(wanted: Protocols, options: &DecodeOptions) -> Self {
        Self {
            wanted,
            limit: options.payload_prefix.0,
            dns_ports: options.dns_ports.clone(),
            joins_fragments: options.fragments == Fragments::Reassemble,
        }
    }

    fn wants_streams(&self, packet: &Packet<'_>, flow: &Flow) -> bool {
        let others = Protocols::HTTP.union(Protocols::SSH).union(Protocols::TLS);
        let others = others.union(Protocols::HTTP1).union(Protocols::GREETING);
        self.wanted.has(others) || self.may_want_dns(packet, flow)
    }

    fn wants_datagrams(&self, packet: &Packet<'_>, flow: &Flow) -> bool {
        let others = Protocols::DHCP.union(Protocols::GREETING);
        let others = others.union(Protocols::QUIC).union(Protocols::DTLS);
        self.wanted.has(others) || self.may_want_dns(packet, flow)
    }

    /// Whether DNS may be in a flow that starts with this packet: where ports are no part of the key, later ones may have others.
    fn may_want_dns(&self, packet: &Packet<'_>, flow: &Flow) -> bool {
        let without_ports = flow.key.port_a == 0 && flow.key.port_b == 0;
        self.wants_dns(packet) || without_ports && self.wanted.has(Protocols::DNS)
    }

    fn wants_dns(&self, packet: &Packet<'_>) -> bool {
        let ports = &self.dns_ports;
        self.wanted.has(Protocols::DNS)
            && (ports.contains(&packet.src_port) || ports.contains(&packet.dst_port))
    }
}

/// What is kept of the application of an open flow record.
#[derive(Debug, Default)]
enum State {
    /// Nothing was seen.
    #[default]
    New,
    /// TCP without a payload so far: by direction, the sequence number of the first byte where `known`. Most of a scan stays so.
    Opening { known: [bool; 2], base: [u32; 2] },
    /// TCP that may hold a protocol.
    Streams(Box<Connection>),
    /// UDP that may: every datagram is looked at.
    Datagrams,
    /// UDP in which a datagram of QUIC or DTLS was seen.
    Secured(Box<Secured>),
    /// Nothing is looked for any more.
    Closed,
}

/// The application protocols of the open flow records of a worker, by slot.
#[derive(Debug)]
pub struct Applications {
    rules: Rules,
    states: Slots<State>,
}

impl Applications {
    /// Bytes kept of each open record, without what is allocated.
    pub const BYTES_PER_FLOW: usize = size_of::<State>();

    /// No records.
    pub fn new(rules: Rules) -> Self {
        Self {
            rules,
            states: Slots::default(),
        }
    }

    /// Starts a record in a slot.
    pub fn open(&mut self, slot: u32) {
        // a slot that was in use is new since its close
        while self.states.len() <= slot as usize {
            self.states.push(State::default());
        }
    }

    /// Takes packets in processing order: `slots` has one entry a packet, `flows` one a slot. Tells the messages that are whole
    /// with each of them: of which packet, what, and who sent it.
    pub fn packets(
        &mut self,
        packets: &[Packet<'_>],
        slots: &[u32],
        flows: &Slots<Flow>,
        mut tell: impl FnMut(Told, &Message<'_>, Direction),
    ) {
        for (row, (packet, slot)) in packets.iter().zip(slots).enumerate() {
            let at = *slot as usize;
            if let Some(state) = self.states.get_mut(at)
                && !matches!(state, State::Closed)
                && let Some(flow) = flows.get(at)
            {
                let told = Told {
                    row,
                    slot: *slot,
                    time: packet.time,
                };
                state.packet(packet, flow, &self.rules, &mut |message, from| {
                    tell(told, message, from);
                });
            }
        }
    }

    /// Ends the record in a slot and frees what it holds.
    pub fn close(&mut self, slot: u32) {
        if let Some(state) = self.states.get_mut(slot as usize) {
            *state = State::default();
        }
    }

    /// Heap bytes held.
    pub fn heap_bytes(&self) -> usize {
        let bytes = |state: &State| match state {
            State::Streams(connection) => sum([size_of::<Connection>(), connection.heap_bytes()]),
            State::Secured(secured) => sum([size_of::<Secured>(), secured.heap_bytes()]),
            _ => 0,
        };
        self.states.iter().map(bytes).fold(0, usize::saturating_add)
    }
}

impl State {
    fn packet(&mut self, packet: &Packet<'_>, flow: &Flow, rules: &Rules, tell: &mut Tell<'_>) {
        if packet.is(marks::FRAGMENT) && rules.joins_fragments {
            if let Some(header) = packet.whole_header() {
                self.takes(&packet.with_header(&header), flow, rules, tell);
            }
            return;
        }
        self.takes(packet, flow, rules, tell);
    }

    fn takes(&mut self, packet: &Packet<'_>, flow: &Flow, rules: &Rules, tell: &mut Tell<'_>) {
        if let Self::New = self {
            *self = match flow.key.protocol {
                TCP if rules.wants_streams(packet, flow) => Self::Opening {
                    known: [false; 2],
                    base: [0; 2],
                },
                UDP if rules.wants_datagrams(packet, flow) => Self::Datagrams,
                _ => Self::Closed,
            };
        }
        match self {
            Self::Opening { known, base } => {
                if !packet.is(marks::TCP_KNOWN) || packet.has(tcp::RST) {
                    return;
                }
                let from = packet.direction;
                if !packet.payload().is_empty() {
                    let bases = [Direction::Forward, Direction::Backward];
                    let bases = bases.map(|from| from.of(known).then_some(*from.of(base)));
                    let mut connection = Box::new(Connection::new(bases, packet, rules));
                    if connection.packet(packet, rules, tell) {
                        *self = Self::Streams(connection);
                    } else {
                        *self = Self::Closed;
                    }
                } else if !*from.of(known)
                    && let Some(start) = Stream::start(packet)
                {
                    (*from.of_mut(known), *from.of_mut(base)) = (true, start);
                }
            }
            Self::Streams(connection) => {
                if packet.is(marks::TCP_KNOWN) && !connection.packet(packet, rules, tell) {
                    *self = Self::Closed;
                }
            }
            Self::Datagrams | Self::Secured(_) => self.datagram(packet, rules, tell),
            Self::New | Self::Closed => {}
        }
    }

    fn datagram(&mut self, packet: &Packet<'_>, rules: &Rules, tell: &mut Tell<'_>) {
        let payload = packet.payload();
        if payload.is_empty() || packet.is(marks::LATER_FRAGMENT) {
            return;
        }
        let from = packet.direction;
        if rules.wants_dns(packet)
            && let Some(message) = dns::Message::read(payload)
        {
            tell(&Message::Dns(message), from);
        }
        if rules.wanted.has(Protocols::DHCP)
            && let Some(message) = dhcp::Message::read(payload)
        {
            tell(&Message::Dhcp(message), from);
        }
        if rules.wanted.has(Protocols::GREETING)
            && let Some(message) = greeting::datagram(payload)
        {
            tell(&Message::Greeting(message), from);
        }
        let (has_quic, has_dtls) = match self {
            Self::Secured(secured) => (secured.quic.is_some(), secured.dtls.is_some()),
            _ => (false, false),
        };
        if !has_quic
            && rules.wanted.has(Protocols::QUIC)
            && quic::may_open(payload)
            && let Some(secured) = self.secured()
        {
            secured.quic = Some(quic::Connection::default());
        }
        if !has_dtls
            && rules.wanted.has(Protocols::DTLS)
            && dtls::may_open(payload)
            && let Some(secured) = self.secured()
        {
            secured.dtls = Some(Box::default());
        }
        if let Self::Secured(secured) = self {
            if let Some(quic) = &mut secured.quic {
                quic.datagram(payload, from, rules.limit, &mut |message| {
                    tell(&Message::Quic(message), from);
                });
            }
            if let Some(dtls) = &mut secured.dtls {
                dtls.datagram(payload, from, rules.limit, &mut |message| {
                    tell(&Message::Dtls(message), from);
                });
            }
        }
    }

    /// What is kept of QUIC and DTLS, from now on.
    fn secured(&mut self) -> Option<&mut Secured> {
        if let Self::Datagrams = self {
            *self = Self::Secured(Box::default());
        }
        match self {
            Self::Secured(secured) => Some(secured),
            _ => None,
        }
    }
}

/// The parsers of a UDP flow that keep something.
#[derive(Debug, Default)]
struct Secured {
    quic: Option<quic::Connection>,
    dtls: Option<Box<dtls::Connection>>,
}

impl Secured {
    fn heap_bytes(&self) -> usize {
        let quic = self.quic.as_ref().map_or(0, quic::Connection::heap_bytes);
        let dtls = self.dtls.as_deref().map_or(0, |connection| {
            sum([size_of::<dtls::Connection>(), connection.heap_bytes()])
        });
        sum([quic, dtls])
    }
}

/// The two streams of a TCP connection and the parsers that read them; a parser that is done or has refused is gone.
#[derive(Debug)]
struct Connection {
    sides: [Side; 2],
    /// HTTP is read both ways together.
    http: Option<http::Connection>,
    /// HTTP/1 in full, each way by itself; in one box, as most runs do not ask for it.
    messages: Option<Box<Both>>,
    /// How both ends begin.
    greeting: Option<Box<greeting::Connection>>,
}

/// The parsers of both directions.
type Both = [Option<http::Messages>; 2];

/// One direction.
#[derive(Debug)]
struct Side {
    stream: Stream,
    dns: Option<Box<dns::Side>>,
    ssh: Option<ssh::Side>,
    tls: Option<tls::Side>,
    encrypted: Option<Box<Encrypted>>,
}

/// The encrypted part of SSH, which goes on for the whole connection.
#[derive(Debug)]
struct Encrypted {
    /// Where in the stream it starts.
    start: i64,
    /// Where the packets seen so far end: sequence numbers go round every 4 GiB, and mean the place next to this one.
    end: i64,
}

impl Encrypted {
    fn new(start: u32) -> Self {
        let start = i64::from(start);
        Self { start, end: start }
    }

    /// Whether this packet of the stream carries a byte of it.
    fn holds(&mut self, packet: &Packet<'_>, stream: &Stream) -> bool {
        let start = stream.offset(packet, self.end);
        let end = start.saturating_add(packet.payload_len.into());
        self.end = self.end.max(end);
        packet.payload_len > 0 && end > self.start
    }
}

impl Connection {
    fn new(bases: [Option<u32>; 2], packet: &Packet<'_>, rules: &Rules) -> Self {
        Self {
            sides: bases.map(|base| Side {
                stream: Stream::new(base),
                dns: rules.wants_dns(packet).then(Default::default),
                ssh: rules.wanted.has(Protocols::SSH).then(Default::default),
                tls: rules.wanted.has(Protocols::TLS).then(Default::default),
                encrypted: None,
            }),
            http: rules.wanted.has(Protocols::HTTP).then(Default::default),
            messages: (rules.wanted.has(Protocols::HTTP1))
                .then(|| Box::new([(); 2].map(|()| Some(http::Messages::default())))),
            greeting: (rules.wanted.has(Protocols::GREETING)).then(Default::default),
        }
    }

    /// Takes a packet whose sequence number is known; false = no parser is left.
    fn packet(&mut self, packet: &Packet<'_>, rules: &Rules, tell: &mut Tell<'_>) -> bool {
        let from = packet.direction;
        let Self {
            sides,
            http,
            messages,
            greeting,
        } = self;
        let has_messages = messages
            .as_deref()
            .is_some_and(|both| from.of(both).is_some());
        let side = from.of_mut(sides);
        if side.reads(http.as_ref(), from) || has_messages || greeting.is_some() {
            let Side {
                stream,
                dns,
                ssh,
                tls,
                encrypted,
            } = side;
            stream.push(packet, rules.limit, |piece| {
                keep(dns, |dns| {
                    dns.push(piece.bytes, |message| tell(&Message::Dns(*message), from))
                });
                keep(tls, |tls| {
                    let tell = &mut |message: tls::Message<'_>| tell(&Message::Tls(message), from);
                    tls.push(piece.bytes, piece.packet, tell)
                });
                keep(ssh, |ssh| {
                    let tell = &mut |message: ssh::Message<'_>| tell(&Message::Ssh(message), from);
                    let goes_on = ssh.push(piece.bytes, tell);
                    *encrypted = ssh.encrypted_from().map(Encrypted::new).map(Box::new);
                    goes_on
                });
                if let Some(messages) = messages {
                    keep(from.of_mut(messages), |messages| {
                        messages.push(piece.bytes, &mut |part| tell(&Message::Http1(part), from))
                    });
                }
                keep(greeting, |greeting| {
                    let tell = &mut |message| tell(&Message::Greeting(message), from);
                    greeting.push(piece.bytes, from, tell)
                });
                if let Some(http) = http {
                    http.push(piece.bytes, from, &mut |message, from| {
                        tell(&Message::Http(message), from);
                    });
                }
            });
            if side.stream.complete() == rules.limit {
                (side.dns, side.ssh, side.tls) = (None, None, None);
                if let Some(messages) = messages {
                    *from.of_mut(messages) = None;
                }
                if let Some(http) = http {
                    http.end(from);
                }
            }
        }
        if http.as_ref().is_some_and(http::Connection::is_over) {
            *http = None;
        }
        if let Some([None, None]) = messages.as_deref() {
            *messages = None;
        }
        if let Some(encrypted) = &mut side.encrypted
            && encrypted.holds(packet, &side.stream)
        {
            tell(&Message::Ssh(ssh::Message::Encrypted), from);
        }
        let is_read = |side: &Side| {
            side.dns.is_some()
                || side.ssh.is_some()
                || side.tls.is_some()
                || side.encrypted.is_some()
        };
        self.http.is_some()
            || self.messages.is_some()
            || self.greeting.is_some()
            || self.sides.iter().any(is_read)
    }

    fn heap_bytes(&self) -> usize {
        let http = self.http.as_ref().map_or(0, http::Connection::heap_bytes);
        let messages = self.messages.as_deref().map_or(0, |both| {
            let [forward, backward] = both
                .each_ref()
                .map(|side| side.as_ref().map_or(0, http::Messages::heap_bytes));
            sum([size_of_val(both), forward, backward])
        });
        let [forward, backward] = &self.sides;
        let greeting = self
            .greeting
            .as_ref()
            .map_or(0, |_| size_of::<greeting::Connection>());
        sum([
            forward.heap_bytes(),
            backward.heap_bytes(),
            http,
            messages,
            greeting,
        ])
    }
}

/// Gives the parser something, if it is still there; it goes once it wants no more.
fn keep<T>(parser: &mut Option<T>, read: impl FnOnce(&mut T) -> bool) {
    if parser.as_mut().is_some_and(|parser| !read(parser)) {
        *parser = None;
    }
}

impl Side {
    /// Whether a parser reads this direction.
    fn reads(&self, http: Option<&http::Connection>, from: Direction) -> bool {
        let http = http.is_some_and(|http| http.is_read(from));
        http || self.dns.is_some() || self.ssh.is_some() || self.tls.is_some()
    }

    fn heap_bytes(&self) -> usize {
        let dns = self
            .dns
            .as_ref()
            .map_or(0, |dns| sum([size_of::<dns::Side>(), dns.heap_bytes()]));
        let ssh = self.ssh.as_ref().map_or(0, ssh::Side::heap_bytes);
        let tls = self.tls.as_ref().map_or(0, tls::Side::heap_bytes);
        let encrypted = self
            .encrypted
            .as_ref()
            .map_or(0, |_| size_of::<Encrypted>());
        sum([self.stream.heap_bytes(), dns, ssh, tls, encrypted])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn states_are_small() {
        assert_eq!(Applications::BYTES_PER_FLOW, 16);
        // a TCP connection with payload in which nothing was found yet
        assert!(
            size_of::<Connection>() <= 288,
            "{}",
            size_of::<Connection>()
        );
        assert!(size_of::<Secured>() <= 72);
    }
}
