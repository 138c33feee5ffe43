//! What became of a conversation, in the words of the conn.log of Zeek: its state, and the letters of its history.
//!
//! Looks at flags, numbers, windows and lengths. Verifies no checksum (there is no letter `c`), and never guesses from ports who
//! started it. Source: the documentation of `conn_state` and `history` in Zeek's `base/protocols/conn`.

use super::coverage::Coverage;
use super::sequence::{Segment, distance};
use crate::packet::{Packet, marks, tcp};

/// Letters kept at most: only a peer that makes up numbers needs more.
const LETTERS: usize = 256;

/// A SYN or RST whose number is farther than this from the last one says nothing about how far its direction has come.
const TRUSTED: u32 = 1 << 20;

/// A conversation from its first packet on.
#[derive(Debug, Default)]
pub struct Conversation {
    /// Initiator and responder.
    ends: [End; 2],
    letters: Vec<u8>,
}

/// How far one end has come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Stage {
    /// It has sent nothing.
    #[default]
    Inactive,
    /// It has sent something, but no SYN.
    Partial,
    SynSent,
    /// The initiator opened with a SYN+ACK.
    SynAckSent,
    Established,
    /// It has sent a FIN.
    Closed,
    /// It has sent a RST.
    Reset,
}

#[derive(Debug, Default)]
struct End {
    stage: Stage,
    /// The stage before.
    before: Stage,
    /// Bits of [`once`].
    noted: u8,
    syn: Flag,
    rst: Flag,
    fin: Flag,
    /// Number behind the last byte it sent.
    top: Option<u32>,
    has_data: bool,
    coverage: Coverage,
    again: Scaled,
    zero_window: Scaled,
    gaps: Scaled,
}

/// Letters that are noted once for each end.
mod once {
    pub const DATA: u8 = 1;
    pub const ACK: u8 = 1 << 1;
    pub const CONTRADICTION: u8 = 1 << 2;
    pub const SEVERAL: u8 = 1 << 3;
}

/// A flag whose letter is noted again when it comes with another number: the last one.
#[derive(Debug, Default)]
struct Flag(Option<u32>);

impl Flag {
    /// Whether it is noted with this number.
    fn comes(&mut self, number: u32) -> bool {
        self.0.replace(number) != Some(number)
    }
}

/// Something that is noted the first, tenth, hundredth time and so on.
#[derive(Debug, Default)]
struct Scaled {
    count: u32,
    /// How often it has been noted.
    noted: u8,
}

impl Scaled {
    /// Counts one: whether it is noted.
    fn count(&mut self) -> bool {
        self.count = self.count.saturating_add(1);
        let is_noted = 10u32.checked_pow(self.noted.into()) == Some(self.count);
        self.noted = self.noted.saturating_add(is_noted.into());
        is_noted
    }
}

impl End {
    fn enter(&mut self, stage: Stage) {
        if self.stage != stage {
            self.before = self.stage;
            self.stage = stage;
        }
    }

    /// Notes a letter for the first time.
    fn once(&mut self, bit: u8) -> bool {
        let is_new = self.noted & bit == 0;
        self.noted |= bit;
        is_new
    }

    /// Takes what a segment covers: whether its payload was there already.
    fn advance(&mut self, packet: &Packet<'_>) -> bool {
        let is_jump = packet.has(tcp::SYN | tcp::RST);
        let payload = if packet.has(tcp::RST) {
            0
        } else {
            packet.payload_len
        };
        let segment = Segment {
            payload,
            ..Segment::of(packet)
        };
        let end = segment.end();
        let Some(top) = self.top else {
            self.top = Some(end);
            return false;
        };
        let step = distance(end, top);
        if is_jump && step.unsigned_abs() > TRUSTED || self.stage == Stage::Reset {
            return false;
        }
        if step > 0 {
            self.top = Some(end);
        }
        step <= 0 && packet.payload_len > 0
    }

    fn is_idle(&self) -> bool {
        matches!(self.stage, Stage::Inactive | Stage::Partial)
    }
}

impl Conversation {
    /// The end that sent a packet.
    fn sender(&mut self, packet: &Packet<'_>) -> &mut End {
        let [initiator, responder] = &mut self.ends;
        if packet.is_forward() {
            initiator
        } else {
            responder
        }
    }

    /// Takes a packet of a conversation over UDP.
    pub fn datagram(&mut self, packet: &Packet<'_>) {
        let end = self.sender(packet);
        end.stage = Stage::Established;
        if end.once(once::DATA) {
            self.note(b'D', packet);
        }
    }

    /// Takes a packet of a TCP connection whose flags are known.
    pub fn segment(&mut self, packet: &Packet<'_>) {
        self.flags(packet);
        let [forward, backward] = &mut self.ends;
        let (end, peer) = if packet.is_forward() {
            (forward, backward)
        } else {
            (backward, forward)
        };
        let is_closed = packet.is(marks::WINDOW_KNOWN)
            && packet.window == 0
            && !packet.has(tcp::RST)
            && peer.stage != Stage::Closed
            && end.stage != Stage::Reset;
        let zero_window = is_closed && end.zero_window.count();
        let again = end.advance(packet) && end.again.count();
        end.has_data |= packet.payload_len > 0;
        step(end, peer, packet);
        let gap = packet.has(tcp::ACK)
            && !packet.has(tcp::RST)
            && peer.coverage.skip_missing(packet.ack)
            && [end.stage, peer.stage] == [Stage::Established; 2]
            && peer.gaps.count();
        if !packet.has(tcp::RST) {
            end.coverage.segment(&Segment::of(packet));
        }
        for (is_so, letter) in [(zero_window, b'W'), (again, b'T')] {
            if is_so {
                self.note(letter, packet);
            }
        }
        if gap {
            // of the end that sent what is missing
            let letter = if packet.is_forward() { b'g' } else { b'G' };
            self.push(letter);
        }
    }

    /// Notes the letters of the flags.
    fn flags(&mut self, packet: &Packet<'_>) {
        let [syn, rst, fin] = [tcp::SYN, tcp::RST, tcp::FIN].map(|flag| packet.has(flag));
        let ack = packet.has(tcp::ACK);
        let end = self.sender(packet);
        let (is_noted, letter) = match (syn, rst, fin) {
            (_, true, true) => (end.once(once::CONTRADICTION), b'I'),
            (true, true, _) | (true, _, true) => (end.once(once::SEVERAL), b'Q'),
            (true, ..) => (end.syn.comes(packet.seq), if ack { b'H' } else { b'S' }),
            (_, true, _) => (end.rst.comes(packet.seq), b'R'),
            (.., true) => {
                let number = packet.seq.wrapping_add(packet.payload_len);
                (end.fin.comes(number), b'F')
            }
            _ if packet.payload_len > 0 => (end.once(once::DATA), b'D'),
            _ => (ack && end.once(once::ACK), b'A'),
        };
        if is_noted {
            self.note(letter, packet);
        }
    }

    /// Adds the letter of the sender of a packet.
    fn note(&mut self, letter: u8, packet: &Packet<'_>) {
        self.push(if packet.is_forward() {
            letter
        } else {
            letter.to_ascii_lowercase()
        });
    }

    fn push(&mut self, letter: u8) {
        if self.letters.len() < LETTERS {
            self.letters.push(letter);
        }
    }

    /// `history`, without a mark for ends that were exchanged; empty where nothing was noted.
    pub fn history(&self) -> &str {
        std::str::from_utf8(&self.letters).unwrap_or_default()
    }

    /// `conn_state` of a TCP connection.
    pub fn tcp_state(&self) -> &'static str {
        let [initiator, responder] = &self.ends;
        match (initiator.stage, responder.stage) {
            (Stage::SynSent | Stage::SynAckSent, Stage::Reset) => "REJ",
            (Stage::Reset, Stage::Reset) if !initiator.has_data && !responder.has_data => "REJ",
            (_, Stage::Reset) if initiator.is_idle() => "RSTRH",
            (_, Stage::Reset) => "RSTR",
            (Stage::Reset, _) if !responder.is_idle() => "RSTO",
            (Stage::Reset, _) if self.is_given_up() => "RSTOS0",
            (Stage::Reset, _) => "OTH",
            (Stage::Closed, Stage::Closed) => "SF",
            (Stage::Closed, _) if responder.is_idle() => "SH",
            (Stage::Closed, _) => "S2",
            (_, Stage::Closed) if initiator.is_idle() => "SHR",
            (_, Stage::Closed) => "S3",
            (Stage::SynSent, Stage::Inactive) => "S0",
            (Stage::Established, Stage::Established) => "S1",
            _ => "OTH",
        }
    }

    /// Whether the initiator sent a SYN and then a RST, and nothing between them that an open connection has.
    fn is_given_up(&self) -> bool {
        let mut letters = self.letters.iter();
        letters.next() == Some(&b'S')
            && letters.find(|letter| b"HAFGIQR".contains(letter)) == Some(&b'R')
    }

    /// `conn_state` of a conversation over UDP.
    pub fn udp_state(&self) -> &'static str {
        let [initiator, responder] = &self.ends;
        let is_active = |end: &End| end.stage == Stage::Established;
        match (is_active(initiator), is_active(responder)) {
            (true, true) => "SF",
            (true, false) => "S0",
            (false, true) => "SHR",
            (false, false) => "OTH",
        }
    }

    /// Heap bytes held.
    pub fn heap_bytes(&self) -> usize {
        let coverages = self.ends.iter().map(|end| end.coverage.heap_bytes());
        coverages.fold(self.letters.capacity(), usize::saturating_add)
    }
}

/// Where a packet takes its sender, and what it says of the other end.
fn step(end: &mut End, peer: &mut End, packet: &Packet<'_>) {
    let [syn, rst, fin] = [tcp::SYN, tcp::RST, tcp::FIN].map(|flag| packet.has(flag));
    let ack = packet.has(tcp::ACK);
    match end.stage {
        Stage::Inactive => {
            if syn && packet.is_forward() {
                end.enter(if ack {
                    Stage::SynAckSent
                } else {
                    Stage::SynSent
                });
            } else if syn {
                if peer.stage == Stage::SynSent {
                    peer.enter(Stage::Established);
                }
                end.enter(Stage::Established);
            }
            if fin {
                end.enter(Stage::Closed);
            }
            if rst {
                end.enter(Stage::Reset);
            }
            if end.stage != Stage::Inactive {
                return;
            }
            // some acknowledge a SYN before they answer it
            let is_early =
                !packet.is_forward() && packet.payload_len == 0 && peer.stage == Stage::SynSent;
            if ack && peer.stage == Stage::Established {
                end.enter(Stage::Established); // its SYN was missed
            } else if !is_early {
                end.enter(Stage::Partial);
            }
        }
        Stage::SynSent | Stage::SynAckSent => {
            if fin {
                end.enter(Stage::Closed);
            }
            if rst {
                end.enter(Stage::Reset);
            }
        }
        Stage::Established | Stage::Partial => {
            let is_first = end.stage == Stage::Partial && peer.stage == Stage::Inactive;
            if syn && !ack && is_first {
                end.enter(Stage::SynSent);
            }
            if fin && !rst {
                end.enter(Stage::Closed);
                if peer.stage == Stage::Reset && peer.before == Stage::Closed {
                    peer.enter(Stage::Closed); // a FIN and then a RST was an ordinary end
                }
            }
            if rst {
                end.enter(Stage::Reset);
            }
        }
        Stage::Closed if rst && peer.stage != Stage::Closed => end.enter(Stage::Reset),
        Stage::Closed | Stage::Reset => {}
    }
}
