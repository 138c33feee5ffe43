//! ICMP and ICMPv6 messages of a flow (RFC 792, RFC 4443): kinds, echo sequences and answers.
//!
//! Flows of other protocols hold nothing. Later fragments and cut messages have no type.

use super::extractor::{Extractor, Needs, NoOptions, Wanted};
use crate::flows::Flow;
use crate::packet::{Direction, Packet};
use crate::protocols::icmp::{Message, Purpose, is_icmp};
use crate::schema::{Features, bitmap};
use crate::statistics::{Distinct, ratio};

/// Columns of group `icmp`, in output order.
#[derive(Features)]
#[features(profile = "JJ-EXPERIMENTAL", source = "RFC 792, RFC 4443")]
pub struct Icmp {
    /// ICMP and ICMPv6 packets (protocol 1 or 58; later fragments and cut headers count here and have no type).
    #[column(unit = "packets", scope = "flow", split = "yes", differs = "no-icmpv6")]
    pub icmp_packet_count: u64,
    /// Echo requests (ICMP type 8, ICMPv6 type 128).
    #[column(
        unit = "packets",
        scope = "flow",
        split = "yes",
        null = "not ICMP",
        differs = "no-icmpv6"
    )]
    pub icmp_echo_request_count: Option<u64>,
    /// Echo replies (ICMP type 0, ICMPv6 type 129).
    #[column(
        unit = "packets",
        scope = "flow",
        split = "yes",
        null = "not ICMP",
        differs = "no-icmpv6"
    )]
    pub icmp_echo_reply_count: Option<u64>,
    /// Destination unreachable messages (ICMP type 3, ICMPv6 type 1).
    #[column(
        unit = "packets",
        scope = "flow",
        split = "yes",
        null = "not ICMP",
        differs = "no-icmpv6"
    )]
    pub icmp_dest_unreachable_count: Option<u64>,
    /// Time exceeded messages (ICMP type 11, ICMPv6 type 3).
    #[column(
        unit = "packets",
        scope = "flow",
        split = "yes",
        null = "not ICMP",
        differs = "no-icmpv6"
    )]
    pub icmp_time_exceeded_count: Option<u64>,
    /// Distinct pairs of type and code, 4,096 at most.
    #[column(
        unit = "count",
        scope = "flow",
        null = "not ICMP",
        differs = "no-icmpv6"
    )]
    pub icmp_unique_type_codes: Option<u16>,
    /// Most frequent type; ties go to the one that occurred first.
    #[column(
        scope = "flow",
        null = "not ICMP or no type captured",
        default = "-1",
        differs = "no-icmpv6"
    )]
    pub icmp_dominant_type: Option<i16>,
    /// Packets of that type.
    #[column(
        unit = "packets",
        scope = "flow",
        split = "yes",
        null = "not ICMP",
        differs = "no-icmpv6"
    )]
    pub icmp_dominant_type_count: Option<u64>,
    /// Answered echo requests / echo requests. Answered: a later echo reply of the other direction has the same identifier and sequence
    /// number; one reply answers every outstanding request with that pair; at most 64 requests are outstanding, the oldest goes first.
    #[column(
        scope = "flow",
        null = "not ICMP or no echo request",
        differs = "more-than-all"
    )]
    pub icmp_echo_success_ratio: Option<f64>,
    /// Distinct identifiers of echo and timestamp messages (ICMP types 0, 8, 13 and 14, ICMPv6 types 128 and 129), 4,096 at
    /// most.
    #[column(
        unit = "count",
        scope = "flow",
        null = "not ICMP",
        differs = "which-messages"
    )]
    pub icmp_unique_ids: Option<u32>,
    /// Smallest sequence number of echo requests and replies.
    #[column(
        scope = "flow",
        null = "not ICMP or no echo message",
        differs = "which-messages"
    )]
    pub icmp_seq_min: Option<u16>,
    /// Largest sequence number of echo requests and replies.
    #[column(
        scope = "flow",
        null = "not ICMP or no echo message",
        differs = "which-messages"
    )]
    pub icmp_seq_max: Option<u16>,
    /// Echo requests whose sequence number is more than 1 and less than 2^15 (mod 2^16) above that of the request before with the same
    /// identifier.
    #[column(
        unit = "count",
        scope = "flow",
        split = "yes",
        null = "not ICMP",
        differs = "sorted-numbers"
    )]
    pub icmp_seq_gaps: Option<u64>,
    /// 1 echo request; 2 echo reply; 4 unreachable; 8 time exceeded; 16 redirect (ICMP type 5, ICMPv6 type 137); 32 any
    /// other type.
    #[column(
        unit = "bitmap",
        scope = "flow",
        null = "not ICMP",
        differs = "no-icmpv6"
    )]
    pub icmp_stat: Option<u8>,
    /// icmp_packet_count / total_packets.
    #[column(scope = "flow", differs = "no-icmpv6")]
    pub icmp_ratio: f64,
    /// 1 if every packet is ICMP.
    #[column(scope = "flow", differs = "no-icmpv6")]
    pub is_icmp_only: u8,
}

/// What is kept of an open record: something where it is ICMP.
#[derive(Default)]
pub struct State(Option<Box<Messages>>);

#[derive(Default)]
struct Messages {
    packets: u64,
    /// Number of messages by type, in order of first occurrence.
    kinds: Vec<(u8, u64)>,
    /// Type and code.
    codes: Distinct<u16, 4>,
    /// Echo requests without answer: who sent them, identifier and sequence number.
    waiting: Vec<(Direction, (u16, u16))>,
    answered: u64,
    /// By identifier: sequence number of its last echo request. Sorted.
    ids: Vec<(u16, Option<u16>)>,
    /// Least and largest sequence number of echo messages.
    ends: Option<(u16, u16)>,
    gaps: u64,
}

/// Echo requests that wait for their answer.
const WAITING: usize = 64;

/// Identifiers that are told apart.
const IDS: usize = 4096;

/// What the plan fixes.
pub struct Plan {
    /// Whether anything beyond numbers of packets is wanted.
    messages: bool,
}

impl Extractor for State {
    type Features = Icmp;
    type Options = NoOptions;
    type Plan = Plan;

    fn needs(plan: &Plan) -> Needs {
        Needs {
            headers: plan.messages,
            ..Needs::NONE
        }
    }

    fn plan(_: &NoOptions, wanted: &Wanted) -> Plan {
        let of_packets = ["icmp_packet_count", "icmp_ratio", "is_icmp_only"];
        Plan {
            messages: wanted.any(|name| !of_packets.contains(&name)),
        }
    }

    fn packet(&mut self, packet: &Packet<'_>, flow: &Flow, plan: &Plan) {
        if !is_icmp(flow.key.protocol) {
            return;
        }
        let messages = self.0.get_or_insert_default();
        messages.packets += 1;
        if plan.messages
            && let Some(message) = Message::read(flow.key.protocol, packet.transport_header())
        {
            messages.push(&message, packet.direction);
        }
    }

    fn finish(&self, flow: &Flow, _: &Plan) -> Icmp {
        let protocol = flow.key.protocol;
        let is_icmp = is_icmp(protocol);
        let none;
        let messages = match &self.0 {
            Some(messages) => messages,
            None => {
                none = Messages::default();
                &none
            }
        };
        let of = |purpose: Purpose| {
            let kinds = messages.kinds.iter();
            let kinds = kinds.filter(|(kind, _)| Purpose::of(protocol, *kind) == purpose);
            kinds.map(|(_, count)| count).sum::<u64>()
        };
        let count = |purpose: Purpose| is_icmp.then(|| of(purpose));
        // the first of the largest
        let dominant = messages.kinds.iter().rev().max_by_key(|(_, count)| count);
        let requests = of(Purpose::EchoRequest);
        let stat = bitmap([
            requests > 0,
            of(Purpose::EchoReply) > 0,
            of(Purpose::Unreachable) > 0,
            of(Purpose::TimeExceeded) > 0,
            of(Purpose::Redirect) > 0,
            of(Purpose::Other) + of(Purpose::Timestamp) > 0,
        ]);
        Icmp {
            icmp_packet_count: messages.packets,
            icmp_echo_request_count: count(Purpose::EchoRequest),
            icmp_echo_reply_count: count(Purpose::EchoReply),
            icmp_dest_unreachable_count: count(Purpose::Unreachable),
            icmp_time_exceeded_count: count(Purpose::TimeExceeded),
            icmp_unique_type_codes: is_icmp.then(|| messages.codes.count()),
            icmp_dominant_type: dominant.map(|(kind, _)| i16::from(*kind)),
            icmp_dominant_type_count: is_icmp.then(|| dominant.map_or(0, |(_, count)| *count)),
            icmp_echo_success_ratio: ratio(messages.answered.into(), requests.into()),
            icmp_unique_ids: is_icmp.then(|| u32::try_from(messages.ids.len()).unwrap_or(u32::MAX)),
            icmp_seq_min: messages.ends.map(|(least, _)| least),
            icmp_seq_max: messages.ends.map(|(_, largest)| largest),
            icmp_seq_gaps: is_icmp.then_some(messages.gaps),
            icmp_stat: is_icmp.then_some(stat),
            icmp_ratio: if is_icmp { 1.0 } else { 0.0 },
            is_icmp_only: is_icmp.into(),
        }
    }

    fn heap_bytes(&self) -> usize {
        self.0.as_deref().map_or(0, |messages| {
            size_of_val(messages)
                + messages.codes.heap_bytes()
                + messages.kinds.capacity() * size_of::<(u8, u64)>()
                + messages.waiting.capacity() * size_of::<(Direction, (u16, u16))>()
                + messages.ids.capacity() * size_of::<(u16, Option<u16>)>()
        })
    }
}

impl Messages {
    fn push(&mut self, message: &Message, direction: Direction) {
        match self
            .kinds
            .iter_mut()
            .find(|(kind, _)| *kind == message.kind)
        {
            Some((_, count)) => *count += 1,
            None => self.kinds.push((message.kind, 1)),
        }
        let code = u16::from_be_bytes([message.kind, message.code]);
        self.codes.insert(code);
        let Some(numbers) = message.numbers else {
            return;
        };
        let (id, sequence) = numbers;
        let before = self.last_request(
            id,
            (message.purpose == Purpose::EchoRequest).then_some(sequence),
        );
        match message.purpose {
            Purpose::EchoRequest => {
                let step = before.map(|before| sequence.wrapping_sub(before));
                self.gaps += u64::from(step.is_some_and(|step| step > 1 && step < 1 << 15));
                if self.waiting.len() == WAITING {
                    self.waiting.remove(0);
                }
                self.waiting.push((direction, numbers));
            }
            Purpose::EchoReply => {
                let waiting = self.waiting.len();
                self.waiting
                    .retain(|(side, request)| *side == direction || *request != numbers);
                self.answered += (waiting - self.waiting.len()) as u64;
            }
            _ => return,
        }
        let (least, largest) = self.ends.unwrap_or((sequence, sequence));
        self.ends = Some((least.min(sequence), largest.max(sequence)));
    }

    /// The sequence number of the last request with this identifier, which is noted. `sequence` takes its place if this is a request.
    fn last_request(&mut self, id: u16, sequence: Option<u16>) -> Option<u16> {
        match self.ids.binary_search_by_key(&id, |(id, _)| *id) {
            Ok(at) => {
                let last = &mut self.ids.get_mut(at)?.1;
                let before = *last;
                *last = sequence.or(before);
                before
            }
            Err(at) => {
                if self.ids.len() < IDS {
                    self.ids.insert(at, (id, sequence));
                }
                None
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::features::testing::{Built, Packets, back, forth};

    fn message(packet: Built, kind: u8, code: u8, id: u16, sequence: u16) -> Built {
        let ([a, b], [c, d]) = (id.to_be_bytes(), sequence.to_be_bytes());
        packet.headers(&[], &[0x45; 20], &[kind, code, 0, 0, a, b, c, d])
    }

    fn request(id: u16, sequence: u16) -> Built {
        message(forth(), 8, 0, id, sequence)
    }

    fn reply(id: u16, sequence: u16) -> Built {
        message(back(), 0, 0, id, sequence)
    }

    fn row(packets: impl IntoIterator<Item = Built>) -> Icmp {
        packets
            .into_iter()
            .fold(Packets::of(1), Packets::push)
            .finish::<State>(&NoOptions)
    }

    #[test]
    fn requests_and_their_answers() {
        // one reply answers a request that was sent twice; a reply in the same direction answers none
        let row = row([
            request(7, 1),
            request(7, 1),
            reply(7, 1),
            request(7, 3),
            message(forth(), 0, 0, 7, 3),
            reply(8, 3),
        ]);
        assert_eq!(
            (row.icmp_packet_count, row.icmp_echo_request_count),
            (6, Some(3))
        );
        assert_eq!(
            (row.icmp_echo_reply_count, row.icmp_echo_success_ratio),
            (Some(3), Some(2.0 / 3.0))
        );
        assert_eq!(
            (row.icmp_unique_ids, row.icmp_unique_type_codes),
            (Some(2), Some(2))
        );
        assert_eq!(
            (row.icmp_seq_min, row.icmp_seq_max, row.icmp_seq_gaps),
            (Some(1), Some(3), Some(1))
        );
        assert_eq!(
            (row.icmp_dominant_type, row.icmp_dominant_type_count),
            (Some(8), Some(3))
        );
        assert_eq!(
            (row.icmp_stat, row.icmp_ratio, row.is_icmp_only),
            (Some(3), 1.0, 1)
        );
    }

    #[test]
    fn sequence_numbers_wrap_and_belong_to_their_identifier() {
        let row = row([
            request(1, 0xFFFF),
            request(2, 500),
            request(1, 0),
            request(2, 499),
            request(1, 2),
        ]);
        assert_eq!(
            (row.icmp_seq_gaps, row.icmp_echo_success_ratio),
            (Some(1), Some(0.0))
        );
    }

    #[test]
    fn at_most_64_requests_wait() {
        let requests = (0..65).map(|sequence| request(1, sequence));
        let row = row(requests.chain([reply(1, 0), reply(1, 1)]));
        assert_eq!(row.icmp_echo_success_ratio, Some(1.0 / 65.0));
    }

    #[test]
    fn errors_and_other_messages() {
        let row = row([
            message(back(), 3, 1, 0, 0),
            message(back(), 3, 3, 0, 0),
            message(back(), 11, 0, 0, 0),
            message(back(), 5, 1, 0, 0),
            message(forth(), 13, 0, 9, 1),
            forth(),
        ]);
        assert_eq!(
            (
                row.icmp_dest_unreachable_count,
                row.icmp_time_exceeded_count
            ),
            (Some(2), Some(1))
        );
        assert_eq!(
            (row.icmp_unique_type_codes, row.icmp_unique_ids),
            (Some(5), Some(1))
        );
        assert_eq!(
            (row.icmp_stat, row.icmp_seq_min),
            (Some(4 | 8 | 16 | 32), None)
        );
        assert_eq!(
            (row.icmp_packet_count, row.icmp_dominant_type),
            (6, Some(3))
        );
    }

    #[test]
    fn icmpv6_has_its_own_types() {
        let flow = Packets::of(58)
            .push(message(forth(), 128, 0, 1, 1))
            .push(message(back(), 129, 0, 1, 1))
            .push(message(back(), 3, 0, 1, 1))
            .push(message(back(), 137, 0, 1, 1));
        let row = flow.finish::<State>(&NoOptions);
        assert_eq!(row.icmp_echo_success_ratio, Some(1.0));
        assert_eq!(
            (row.icmp_time_exceeded_count, row.icmp_stat),
            (Some(1), Some(1 | 2 | 8 | 16))
        );
    }

    #[test]
    fn other_protocols_hold_nothing() {
        let flow = Packets::udp().push(forth());
        assert_eq!(flow.state::<State>(&NoOptions).heap_bytes(), 0);
        let row = flow.finish::<State>(&NoOptions);
        assert_eq!(
            (row.icmp_packet_count, row.icmp_echo_request_count),
            (0, None)
        );
        assert_eq!(
            (row.icmp_dominant_type, row.icmp_stat, row.is_icmp_only),
            (None, None, 0)
        );
    }
}
