//! What the messages of applications say of the packets of a run: of each packet the first message of a protocol that became whole
//! with it. A message in pieces is that of the packet that brought the last one.
//!
//! Messages come from `flows/application.rs` before the packets of the run do. The notes are columns that are used again for the
//! next run, so that nothing is allocated for a packet; without a field that reads them nothing is noted.

use super::fields;
use crate::expressions::eval::TextBuilder;
use crate::expressions::vector::Vector;
use crate::packet::{Direction, Packet};
use crate::protocols::{Message, Protocols, dns, http, tls};

/// Which field of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    DnsName,
    DnsType,
    DnsIsResponse,
    DnsCode,
    DnsAnswers,
    TlsType,
    TlsLength,
    FrameType,
    FrameStream,
}

impl Part {
    /// The protocol that it is of.
    pub const fn protocol(self) -> Protocols {
        match self {
            Self::DnsName
            | Self::DnsType
            | Self::DnsIsResponse
            | Self::DnsCode
            | Self::DnsAnswers => Protocols::DNS,
            Self::TlsType | Self::TlsLength => Protocols::TLS,
            Self::FrameType | Self::FrameStream => Protocols::HTTP,
        }
    }
}

/// The notes of a run of packets.
#[derive(Debug, Default)]
pub struct Notes {
    wants_code: bool,
    wants_name: bool,
    dns: Vec<Note<Dns>>,
    /// The names of `dns`, one behind the other.
    names: String,
    tls: Vec<Note<(u8, u16)>>,
    frames: Vec<Note<(u8, u32)>>,
}

/// A note, and of which packet of the run; in the order of packets.
#[derive(Clone, Copy, Debug)]
struct Note<T> {
    row: usize,
    from: Direction,
    told: T,
}

#[derive(Clone, Copy, Debug)]
struct Dns {
    /// Type of the first question, and where its name ends in the names.
    question: Option<(u16, usize)>,
    is_response: bool,
    code: u16,
    answers: u16,
}

/// Adds a note, if it is the first one of its packet and direction.
fn add<T>(notes: &mut Vec<Note<T>>, row: usize, from: Direction, told: impl FnOnce() -> T) {
    let known = |note: &&Note<T>| note.row == row;
    let mut of_packet = notes.iter().rev().take_while(known);
    if of_packet.all(|note| note.from != from) {
        let told = told();
        notes.push(Note { row, from, told });
    }
}

impl Notes {
    /// Notes for these fields.
    pub fn new(places: impl Iterator<Item = u32>) -> Self {
        let mut notes = Self::default();
        for part in places.filter_map(fields::part) {
            notes.wants_code |= part == Part::DnsCode;
            notes.wants_name |= part == Part::DnsName;
        }
        notes
    }

    /// Forgets the run.
    pub fn clear(&mut self) {
        self.dns.clear();
        self.names.clear();
        self.tls.clear();
        self.frames.clear();
    }

    /// Takes a message that became whole with packet `row` of the run.
    pub fn take(&mut self, row: usize, message: &Message<'_>, from: Direction) {
        match message {
            Message::Dns(message) => {
                let names = &mut self.names;
                let (wants_code, wants_name) = (self.wants_code, self.wants_name);
                add(&mut self.dns, row, from, || {
                    dns_note(message, wants_code, wants_name.then_some(names))
                });
            }
            Message::Tls(tls::Message::Record(kind, length)) => {
                add(&mut self.tls, row, from, || (*kind, *length));
            }
            Message::Http(http::Message::Frame(kind, stream)) => {
                add(&mut self.frames, row, from, || (*kind, *stream));
            }
            _ => {}
        }
    }

    /// The values of a field for the packets of the run; null where a packet has no such message.
    pub fn read(&self, part: Part, packets: &[Packet<'_>]) -> Vector<'static> {
        match part {
            Part::DnsName => self.dns_names(packets),
            Part::DnsType => ints(&self.dns, packets, |dns| {
                dns.question.map(|(kind, _)| kind.into())
            }),
            Part::DnsIsResponse => {
                let values = each(&self.dns, packets, |dns| Some(dns.is_response));
                let valid = values.iter().map(Option::is_some).collect();
                let values = values.into_iter().map(Option::unwrap_or_default);
                Vector::bools(values.collect()).with(Some(valid))
            }
            Part::DnsCode => ints(&self.dns, packets, |dns| {
                dns.is_response.then(|| dns.code.into())
            }),
            Part::DnsAnswers => ints(&self.dns, packets, |dns| {
                dns.is_response.then(|| dns.answers.into())
            }),
            Part::TlsType => ints(&self.tls, packets, |(kind, _)| Some((*kind).into())),
            Part::TlsLength => ints(&self.tls, packets, |(_, length)| Some((*length).into())),
            Part::FrameType => ints(&self.frames, packets, |(kind, _)| Some((*kind).into())),
            Part::FrameStream => ints(&self.frames, packets, |(_, stream)| Some((*stream).into())),
        }
    }

    fn dns_names(&self, packets: &[Packet<'_>]) -> Vector<'static> {
        let mut start = 0;
        let spans = self.dns.iter().map(|note| {
            let end = note.told.question.map_or(start, |(_, end)| end);
            let span = std::mem::replace(&mut start, end)..end;
            let told = note.told.question.map(|_| span);
            Note {
                row: note.row,
                from: note.from,
                told,
            }
        });
        let spans: Vec<Note<Option<std::ops::Range<usize>>>> = spans.collect();
        let mut texts = TextBuilder::default();
        let mut valid = Vec::with_capacity(packets.len());
        for span in each(&spans, packets, Clone::clone) {
            valid.push(span.is_some());
            let name = span.and_then(|span| self.names.as_bytes().get(span));
            texts.push(name.unwrap_or_default());
        }
        Vector::new(texts.data()).with(Some(valid))
    }

    /// Heap bytes held.
    pub fn heap_bytes(&self) -> usize {
        size_of::<Note<Dns>>() * self.dns.capacity()
            + size_of::<Note<(u8, u16)>>() * self.tls.capacity()
            + size_of::<Note<(u8, u32)>>() * self.frames.capacity()
            + self.names.capacity()
    }
}

fn dns_note(message: &dns::Message<'_>, wants_code: bool, names: Option<&mut String>) -> Dns {
    let question = message.question.map(|question| {
        let end = names.map_or(0, |names| {
            question.write_name(names);
            names.len()
        });
        (question.kind, end)
    });
    let [_, answers, ..] = message.counts;
    Dns {
        question,
        is_response: message.is_response(),
        // the upper bits are in a record at the end, which is a walk through all of them
        code: if wants_code && message.is_response() {
            message.code(&message.records())
        } else {
            0
        },
        answers,
    }
}

/// One entry a packet: what its note says.
fn each<T, U>(
    notes: &[Note<T>],
    packets: &[Packet<'_>],
    read: impl Fn(&T) -> Option<U>,
) -> Vec<Option<U>> {
    let mut rest = notes;
    let values = packets.iter().enumerate().map(|(row, packet)| {
        let own = rest.iter().take_while(|note| note.row <= row).count();
        let (here, behind) = rest.split_at(own);
        rest = behind;
        let mut here = here.iter().filter(|note| note.row == row);
        let note = here.find(|note| note.from == packet.direction)?;
        read(&note.told)
    });
    values.collect()
}

fn ints<T>(
    notes: &[Note<T>],
    packets: &[Packet<'_>],
    read: impl Fn(&T) -> Option<i64>,
) -> Vector<'static> {
    fields::optional(&each(notes, packets, read))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::expressions::vector::Data;
    use crate::packet::Header;
    use bytemuck::Zeroable as _;

    const QUERY: &[u8] = b"\x12\x34\x01\x00\0\x01\0\0\0\0\0\0\x01A\x02bc\0\0\x10\0\x01";
    const ANSWER: &[u8] =
        b"\x12\x34\x81\x83\0\x01\0\x02\0\0\0\0\x01x\0\0\x01\0\x01\xc0\x0c\0\x01\0\x01\0\0\0\x3c\0\x01a";

    #[test]
    fn the_first_message_of_a_packet_is_noted() {
        let headers = [Header::zeroed(); 4];
        let from = [
            Direction::Forward,
            Direction::Backward,
            Direction::Forward,
            Direction::Forward,
        ];
        let packets: Vec<Packet<'_>> = headers
            .iter()
            .zip(from)
            .map(|(header, from)| Packet::new(header, &[], 0, from))
            .collect();
        let mut notes = Notes::new((0..200).filter(|place| fields::part(*place).is_some()));
        let dns = |bytes| Message::Dns(dns::Message::read(bytes).expect("DNS"));
        notes.take(0, &dns(QUERY), Direction::Forward);
        notes.take(0, &dns(ANSWER), Direction::Forward);
        notes.take(1, &dns(ANSWER), Direction::Backward);
        // of the other side: not in this packet
        notes.take(2, &dns(ANSWER), Direction::Backward);
        notes.take(3, &dns(QUERY), Direction::Forward);
        let name = notes.read(Part::DnsName, &packets);
        let Data::Text(texts) = &name.data else {
            panic!("texts")
        };
        let texts: Vec<&[u8]> = texts.iter().collect();
        assert_eq!(texts, [&b"a.bc"[..], b"x", b"", b"a.bc"]);
        let valid = |part| {
            let values = notes.read(part, &packets);
            (0..4).map(|row| values.is_valid(row)).collect::<Vec<_>>()
        };
        assert_eq!(valid(Part::DnsName), [true, true, false, true]);
        assert_eq!(valid(Part::DnsCode), [false, true, false, false]);
        assert_eq!(valid(Part::TlsType), [false; 4]);
        let ints = |part| match notes.read(part, &packets).data {
            Data::Int(values) => values.to_vec(),
            other => panic!("{other:?}"),
        };
        assert_eq!(ints(Part::DnsType), [16, 1, 0, 16]);
        assert_eq!(ints(Part::DnsCode), [0, 3, 0, 0]);
        assert_eq!(ints(Part::DnsAnswers), [0, 2, 0, 0]);
        notes.clear();
        assert_eq!(notes.read(Part::DnsName, &packets).truths(), [false; 4]);
    }
}
