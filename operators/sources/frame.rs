//! The parts of a zstd frame, one at a time to the decoder (RFC 8878 section 3.1.1).
//!
//! libzstd does not say what it gave in a call that fails; with one part a call, that is nothing. It decodes nothing itself.

use super::archive::{Broken, Packed, Step};
use zstd::stream::raw::{Decoder, Operation};

/// The place in a frame.
#[derive(Debug, Default)]
pub(super) struct Frame {
    part: Part,
    /// Bytes of the part that the decoder has not taken.
    left: usize,
    has_checksum: bool,
    /// Whether the last step filled its output, so that there may be more.
    is_pending: bool,
}

/// Parts of a zstd frame (RFC 8878 section 3.1.1).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Part {
    #[default]
    Start,
    Header,
    Block,
    LastBlock,
    Checksum,
}

impl Frame {
    /// Goes to the next part; false at the end of the frame.
    fn advance(&mut self, packed: &mut Packed) -> Result<bool, Broken> {
        (self.part, self.left) = match self.part {
            Part::Start => {
                let [_, _, _, _, descriptor, ..] = *packed.peek(5)? else {
                    return Err(Broken::Cut);
                };
                self.has_checksum = descriptor & 4 != 0;
                let is_single = descriptor & 0x20 != 0;
                let window = usize::from(!is_single);
                let dictionary = [0, 1, 2, 4][usize::from(descriptor & 3)];
                let content = match descriptor >> 6 {
                    0 => usize::from(is_single),
                    size => 1 << size,
                };
                (Part::Header, 5 + window + dictionary + content)
            }
            Part::Header | Part::Block => {
                let [a, b, c, ..] = *packed.peek(3)? else {
                    return Err(Broken::Cut);
                };
                let header = u32::from_le_bytes([a, b, c, 0]);
                let content = match (header >> 1) & 3 {
                    1 => 1, // one byte, repeated
                    _ => (header >> 3) as usize,
                };
                let part = if header & 1 == 0 {
                    Part::Block
                } else {
                    Part::LastBlock
                };
                (part, 3 + content)
            }
            Part::LastBlock if self.has_checksum => (Part::Checksum, 4),
            Part::LastBlock | Part::Checksum => return Ok(false),
        };
        Ok(true)
    }

    /// Decodes what is left of a part, or the next one.
    pub(super) fn step(
        &mut self,
        decoder: &mut Decoder<'static>,
        packed: &mut Packed,
        out: &mut [u8],
    ) -> Result<Step, Broken> {
        loop {
            if self.left == 0 && !self.is_pending && !self.advance(packed)? {
                let (given, ended) = (0, Ok(true));
                return Ok(Step { given, ended });
            }
            let bytes = if self.left == 0 { &[] } else { packed.peek(1)? };
            let input = bytes.get(..self.left).unwrap_or(bytes);
            if input.is_empty() && !self.is_pending {
                return Err(Broken::Cut);
            }
            let status = decoder.run_on_buffers(input, out).map_err(|error| {
                if self.part == Part::Header {
                    Broken::Unsupported(error.to_string())
                } else {
                    Broken::Damaged(error.to_string())
                }
            })?;
            packed.at += status.bytes_read;
            self.left -= status.bytes_read;
            self.is_pending = status.bytes_written == out.len();
            if status.bytes_written > 0 {
                let (given, ended) = (status.bytes_written, Ok(false));
                return Ok(Step { given, ended });
            }
        }
    }
}
