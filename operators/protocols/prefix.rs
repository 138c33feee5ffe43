//! The first bytes of a stream in order, whatever the order in which they come. Knows no protocol.
//!
//! Bytes that come in order are handed on as they are and never kept; only those behind a missing byte wait. Of a byte that comes
//! twice the first one counts.

use super::sum;
use std::collections::VecDeque;

/// Bytes of the stream that follow those handed on before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Piece<'a> {
    /// Number of the packet that brought them, from 0 among those of the stream that brought bytes.
    pub packet: u32,
    /// The bytes.
    pub bytes: &'a [u8],
}

/// Bytes by their offset, up to a limit.
#[derive(Debug, Default)]
pub struct Prefix {
    /// Bytes handed on.
    complete: u32,
    packets: u32,
    waiting: Option<Box<Waiting>>,
}

/// Bytes behind a missing one.
#[derive(Debug, Default)]
struct Waiting {
    /// By offset; they do not overlap. They go at the front and come at either end as a rule.
    spans: VecDeque<Span>,
    /// What the spans lie in, in the order in which it came.
    bytes: Vec<u8>,
}

#[derive(Clone, Copy, Debug)]
struct Span {
    start: u32,
    end: u32,
    /// Place of its first byte.
    place: u32,
    packet: u32,
}

impl Waiting {
    /// Adds bytes; room for them doubles, but not beyond what may ever come.
    fn extend(&mut self, bytes: &[u8], limit: u32) {
        let needed = self.bytes.len().saturating_add(bytes.len());
        if needed > self.bytes.capacity() {
            let double = self.bytes.len().saturating_mul(2);
            let room = double.min(limit as usize).max(needed);
            let more = room.saturating_sub(self.bytes.len());
            self.bytes.reserve_exact(more);
        }
        self.bytes.extend_from_slice(bytes);
    }

    fn bytes_of(&self, span: &Span) -> &[u8] {
        let length = span.end.saturating_sub(span.start);
        let from = self.bytes.get(span.place as usize..).unwrap_or(&[]);
        from.get(..length as usize).unwrap_or(&[])
    }
}

impl Prefix {
    /// Bytes from the start without a missing one.
    pub fn complete(&self) -> u32 {
        self.complete
    }

    /// Takes the bytes of a packet, the first of them at `offset`; hands on what is in order now. Bytes before the start and from
    /// `limit` on are left out.
    pub fn push(&mut self, offset: i64, bytes: &[u8], limit: u32, mut tell: impl FnMut(Piece<'_>)) {
        let packet = self.packets;
        self.packets = packet.saturating_add(u32::from(!bytes.is_empty()));
        let within = |at: i64| u32::try_from(at.clamp(0, limit.into())).unwrap_or(limit);
        let length = i64::try_from(bytes.len()).unwrap_or(i64::MAX);
        let end = within(offset.saturating_add(length));
        let mut start = within(offset).max(self.complete);
        let part = |start: u32, end: u32| {
            let place = |at: u32| {
                let place = i64::from(at).saturating_sub(offset);
                usize::try_from(place).unwrap_or(usize::MAX)
            };
            bytes.get(place(start)..place(end)).unwrap_or(&[])
        };
        while start < end {
            // the bytes up to the next ones that are there
            let spans = self.waiting.as_ref().map(|waiting| &waiting.spans);
            let next = spans.map_or(0, |spans| spans.partition_point(|span| span.end <= start));
            let hole = match spans.and_then(|spans| spans.get(next)) {
                Some(span) if span.start <= start => {
                    start = span.end;
                    continue;
                }
                Some(span) => end.min(span.start),
                None => end,
            };
            if start == self.complete {
                let bytes = part(start, hole);
                tell(Piece { packet, bytes });
                self.complete = hole;
                self.release(&mut tell);
            } else {
                let waiting = self.waiting.get_or_insert_default();
                // no more wait than the limit says
                let place = u32::try_from(waiting.bytes.len()).unwrap_or(u32::MAX);
                waiting.extend(part(start, hole), limit);
                let span = Span {
                    start,
                    end: hole,
                    place,
                    packet,
                };
                waiting.spans.insert(next, span);
            }
            start = hole.max(self.complete);
        }
    }

    /// Hands on what waited for the bytes that have come.
    fn release(&mut self, tell: &mut impl FnMut(Piece<'_>)) {
        let Some(waiting) = &mut self.waiting else {
            return;
        };
        let mut released = 0_usize;
        for span in &waiting.spans {
            if span.start != self.complete {
                break;
            }
            tell(Piece {
                packet: span.packet,
                bytes: waiting.bytes_of(span),
            });
            self.complete = span.end;
            released = released.saturating_add(1);
        }
        if released == waiting.spans.len() {
            self.waiting = None;
        } else {
            waiting.spans.drain(..released);
        }
    }

    /// Heap bytes held.
    pub fn heap_bytes(&self) -> usize {
        self.waiting.as_ref().map_or(0, |waiting| {
            let spans = waiting.spans.capacity();
            sum([
                size_of::<Waiting>(),
                waiting.bytes.capacity(),
                spans.saturating_mul(size_of::<Span>()),
            ])
        })
    }
}
