//! The first bytes of a stream in order, whatever the order in which they come. Knows no protocol.
//!
//! Bytes that come in order are handed on as they are and never kept; only those behind a missing byte wait. Of a byte that comes
//! twice the first one counts.

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
    /// By offset; they do not overlap.
    spans: Vec<Span>,
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
        let needed = self.bytes.len() + bytes.len();
        if needed > self.bytes.capacity() {
            let room = (2 * self.bytes.len()).min(limit as usize).max(needed);
            self.bytes.reserve_exact(room - self.bytes.len());
        }
        self.bytes.extend_from_slice(bytes);
    }

    fn bytes_of(&self, span: &Span) -> &[u8] {
        let place = span.place as usize;
        let end = place + (span.end - span.start) as usize;
        self.bytes.get(place..end).unwrap_or(&[])
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
        self.packets += u32::from(!bytes.is_empty());
        let end = (offset.saturating_add(bytes.len() as i64)).clamp(0, limit.into()) as u32;
        let mut start = offset.clamp(self.complete.into(), limit.into()) as u32;
        let part = |start: u32, end: u32| {
            let place = |at: u32| usize::try_from(i64::from(at) - offset).unwrap_or(usize::MAX);
            bytes.get(place(start)..place(end)).unwrap_or(&[])
        };
        while start < end {
            // the bytes up to the next ones that are there
            let spans = self.waiting.as_ref().map_or(&[][..], |w| &w.spans);
            let next = spans.partition_point(|span| span.end <= start);
            let hole = match spans.get(next) {
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
                let place = waiting.bytes.len() as u32;
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
        let mut released = 0;
        for span in &waiting.spans {
            if span.start != self.complete {
                break;
            }
            tell(Piece {
                packet: span.packet,
                bytes: waiting.bytes_of(span),
            });
            self.complete = span.end;
            released += 1;
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
            size_of::<Waiting>()
                + waiting.bytes.capacity()
                + waiting.spans.capacity() * size_of::<Span>()
        })
    }
}
