//! What an open flow record keeps: measured on a conversation that is made for it, so that nobody has to declare it.

use super::table::FlowTable;
use super::{FlowOptions, Fused, KeyRule};
use crate::books::Books;
use crate::decode::{DecodeOptions, Decoder, linktype};
use crate::features::FeaturePlan;
use crate::packet::Header;
use crate::sources::Record;
use etherparse::{PacketBuilder, TcpOptionElement};

/// What is kept of one open record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Kept {
    /// What keeps it: `flow record`, or the name of a group.
    pub name: &'static str,
    /// Bytes of every record, from its first packet on.
    pub fixed: usize,
    /// Bytes that the conversation has made it allocate.
    pub grown: usize,
}

/// What is kept of a TCP connection after this many packets: its handshake, then requests of 200 bytes and answers of 1,200 in
/// turn, 10 ms apart, in no protocol that has a parser.
pub fn typical(options: &FlowOptions, features: &FeaturePlan, packets: usize) -> Vec<Kept> {
    let mut open = Open::new(options, features);
    open.conversations(1, 0..packets);
    let groups = features.bytes_per_flow().into_iter();
    let grown = open.meter.extractors.heap_bytes_by_group();
    let record = Kept {
        name: "flow record",
        fixed: FlowTable::BYTES_PER_FLOW,
        grown: 0,
    };
    let group = |((name, fixed), grown)| Kept { name, fixed, grown };
    std::iter::once(record)
        .chain(groups.zip(grown).map(group))
        .collect()
}

/// A table with open records.
struct Open {
    rule: KeyRule,
    decoder: Decoder,
    table: FlowTable,
    meter: Fused,
    books: Books,
    records: u64,
}

impl Open {
    fn new(options: &FlowOptions, features: &FeaturePlan) -> Self {
        Self {
            rule: KeyRule::new(options),
            decoder: Decoder::new(&DecodeOptions::default()),
            table: FlowTable::new(options),
            meter: Fused::new(features),
            books: Books::default(),
            records: 0,
        }
    }

    /// Takes packets `numbers` of as many conversations, which run side by side: the first of each, the second of each.
    fn conversations(&mut self, count: u16, numbers: std::ops::Range<usize>) {
        for number in numbers {
            let mut batch = Batch::default();
            (0..count).for_each(|flow| batch.push(flow, number));
            self.take(&batch);
        }
    }

    fn take(&mut self, batch: &Batch) {
        let mut headers = Vec::with_capacity(batch.records.len());
        for record in &batch.records {
            let ord = Header::order(0, self.records);
            self.records += 1;
            let decoder = &mut self.decoder;
            if let Some(mut header) = decoder.decode(record, ord, &batch.bytes, &mut self.books) {
                self.rule.apply(&mut header, &[], &mut Vec::new());
                headers.push(header);
            }
        }
        let packets = headers
            .iter()
            .map(|header| (header, &[][..], &batch.bytes[..]));
        let (meter, books) = (&mut self.meter, &mut self.books);
        self.table.packets(0, packets, meter, books);
    }
}

/// Packets of conversations.
#[derive(Default)]
struct Batch {
    bytes: Vec<u8>,
    records: Vec<Record>,
}

impl Batch {
    /// Adds packet `number` of conversation `flow`.
    fn push(&mut self, flow: u16, number: usize) {
        let start = self.bytes.len();
        write_frame(&mut self.bytes, flow, number);
        let size = |bytes: usize| u32::try_from(bytes).unwrap_or(u32::MAX);
        let length = size(self.bytes.len() - start);
        let time = 10_000_000 * i64::from(size(number));
        self.records.push(Record {
            offset: size(start),
            captured: length,
            original: length,
            link: linktype::ETHERNET,
            time,
            clock: time,
        });
    }
}

/// Packet `number` of conversation `flow`.
fn write_frame(frame: &mut Vec<u8>, flow: u16, number: usize) {
    let is_forward = number.is_multiple_of(2);
    let [high, low] = flow.to_be_bytes();
    let (client, server) = ([10, 0, high, low], [192, 0, 2, 1]);
    let packet = PacketBuilder::ethernet2([2, 0, 0, 0, 0, 1], [2, 0, 0, 0, 0, 2]);
    let (packet, ports) = if is_forward {
        (packet.ipv4(client, server, 64), (40_000, 9_000))
    } else {
        (packet.ipv4(server, client, 57), (9_000, 40_000))
    };
    // after the handshake of three packets each side acknowledges all that the other has sent
    let exchanges = (number / 2) as u32;
    let (sent, received) = if is_forward {
        (exchanges.saturating_sub(2), exchanges.saturating_sub(1))
    } else {
        (exchanges.saturating_sub(1), exchanges.saturating_sub(1))
    };
    let (sent, received) = (2 + 200 * sent, 2 + 1_200 * received);
    let (seq, ack) = match (number, is_forward) {
        (0 | 1, _) => (1, sent),
        (_, true) => (sent, received),
        (_, false) => (received, sent),
    };
    let packet = packet.tcp(ports.0, ports.1, seq, 64_240);
    let options = [
        TcpOptionElement::MaximumSegmentSize(1_460),
        TcpOptionElement::SelectiveAcknowledgementPermitted,
        TcpOptionElement::WindowScale(7),
    ];
    let packet = match number {
        0 => packet.syn().options(&options),
        1 => packet.syn().ack(ack).options(&options),
        _ => {
            let times = [TcpOptionElement::Timestamp(
                number as u32,
                number as u32 - 1,
            )];
            packet.ack(ack).options(&times)
        }
    };
    let payload = match number {
        0..3 => 0,
        _ if is_forward => 200,
        _ => 1_200,
    };
    const BYTES: [u8; 1_200] = [0xA5; 1_200];
    if let Ok(packet) = packet {
        let written = packet.write(frame, BYTES.get(..payload).unwrap_or(&[]));
        debug_assert!(written.is_ok(), "a Vec takes every byte");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::features::FeatureSettings;
    use allocation_counter::measure;

    fn plan(groups: &[&str]) -> FeaturePlan {
        let mut settings = FeatureSettings::default();
        settings.shared.groups = groups.iter().map(|group| (*group).to_owned()).collect();
        settings.plan().unwrap()
    }

    #[test]
    fn what_is_said_is_what_is_allocated() {
        // as many as fill the index: it has room for 7 in 8 of a power of two
        const FLOWS: u16 = 7 * 1024;
        for packets in [1, 2, 20, 300] {
            let options = FlowOptions::default();
            let plan = plan(&["all"]);
            let said: usize = typical(&options, &plan, packets)
                .iter()
                .map(|kept| kept.fixed + kept.grown)
                .sum();
            let mut open = Open::new(&options, &plan);
            let found = measure(|| open.conversations(FLOWS, 0..packets));
            assert_eq!(open.table.open(), usize::from(FLOWS));
            let found = usize::try_from(found.bytes_current).unwrap() / usize::from(FLOWS);
            // the calendar keeps what it has room for, and pages have empty places
            assert!(
                found.abs_diff(said) <= said / 20,
                "{packets} packets: {found} bytes a flow, and {said} are said"
            );
        }
    }

    #[test]
    fn a_packet_allocates_nothing() {
        const FLOWS: u16 = 64;
        const MORE: usize = 200;
        let mut open = Open::new(&FlowOptions::default(), &plan(&["all"]));
        open.conversations(FLOWS, 0..1_100);
        let mut batch = Batch::default();
        for number in 1_100..1_100 + MORE {
            (0..FLOWS).for_each(|flow| batch.push(flow, number));
        }
        let found = measure(|| open.take(&batch));
        // what a batch needs, and lists that still double now and then
        let each = found.count_total as f64 / batch.records.len() as f64;
        assert!(each < 0.01, "{each} allocations a packet");
    }
}
