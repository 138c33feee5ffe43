//! Compressed captures, decompressed as a stream: gzip, zstd, lz4 frames and xz, each with any number of members.
//!
//! Told by magic bytes, never by name. Memory is bounded by the format's window, whatever the input claims. A damaged or cut
//! stream gives every byte that comes out before the fault. Archives of several files (tar, zip) are not looked into here.
//! RFC 1952 (gzip), RFC 8878 (zstd), the LZ4 frame format 1.6, the .xz file format 1.2.

use super::frame::Frame;
use super::input::Input;
use flate2::{Decompress, FlushDecompress, Status};
use liblzma::stream::{Action, Error as XzError, Status as XzStatus, Stream};
use lz4_flex::frame::FrameDecoder;
use std::io::{self, ErrorKind, Read};
use zstd::stream::raw::Decoder as ZstdDecoder;

/// Compressed bytes read at a time.
const BUFFER: usize = 256 << 10;
/// Memory an xz stream may ask for: `xz -9` needs 65 MiB.
const XZ_MEMORY: u64 = 256 << 20;

/// A compression format.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Packing {
    Gzip,
    Zstd,
    Lz4,
    Xz,
}

impl Packing {
    /// Bytes of the longest magic.
    pub(super) const MAGIC: usize = 6;

    /// The format of a stream that starts with `bytes`.
    pub(super) fn of(bytes: &[u8]) -> Option<Self> {
        match *bytes {
            [0x1f, 0x8b, ..] => Some(Self::Gzip),
            [0x28, 0xb5, 0x2f, 0xfd, ..] => Some(Self::Zstd),
            // Parallel zstd starts with a skippable frame.
            [0x50..=0x5f, 0x2a, 0x4d, 0x18, ..] => Some(Self::Zstd),
            [0x04, 0x22, 0x4d, 0x18, ..] => Some(Self::Lz4),
            [0xfd, b'7', b'z', b'X', b'Z', 0, ..] => Some(Self::Xz),
            _ => None,
        }
    }

    /// The name in messages.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Gzip => "gzip",
            Self::Zstd => "zstd",
            Self::Lz4 => "lz4",
            Self::Xz => "xz",
        }
    }
}

/// Why no more bytes come out.
#[derive(Debug)]
pub(super) enum Broken {
    /// The stream ends inside a member.
    Cut,
    /// What is wrong with the stream.
    Damaged(String),
    /// A variant that is not supported.
    Unsupported(String),
    /// The operating system failed to read.
    Failed(io::Error),
}

impl Broken {
    /// What an error of a stream means: of a member of an archive its kind says it.
    pub(super) fn of(error: io::Error) -> Self {
        match error.kind() {
            ErrorKind::UnexpectedEof => Self::Cut,
            ErrorKind::InvalidData => Self::Damaged(error.to_string()),
            ErrorKind::Unsupported => Self::Unsupported(error.to_string()),
            _ => Self::Failed(error),
        }
    }

    /// The same the other way.
    pub(super) fn into_io(self) -> io::Error {
        match self {
            Self::Cut => ErrorKind::UnexpectedEof.into(),
            Self::Damaged(what) => io::Error::new(ErrorKind::InvalidData, what),
            Self::Unsupported(what) => io::Error::new(ErrorKind::Unsupported, what),
            Self::Failed(error) => error,
        }
    }
}

/// The compressed bytes at hand.
pub(super) struct Packed {
    input: Input,
    buffer: Vec<u8>,
    /// Place of the first byte that no decoder has taken.
    pub at: usize,
    filled: usize,
    ended: bool,
    /// What a reader on top of this one ran into: its own error says less.
    broken: Option<Broken>,
}

impl Packed {
    /// The bytes at hand: `n` at least, where there are so many.
    pub(super) fn peek(&mut self, n: usize) -> Result<&[u8], Broken> {
        while self.left() < n && !self.ended {
            self.buffer.copy_within(self.at..self.filled, 0);
            self.filled -= self.at;
            self.at = 0;
            let room = self.buffer.get_mut(self.filled..).unwrap_or_default();
            match self.input.read(room).map_err(Broken::of)? {
                0 => self.ended = true,
                n => self.filled += n,
            }
        }
        Ok(self.buffer.get(self.at..self.filled).unwrap_or_default())
    }

    const fn left(&self) -> usize {
        self.filled - self.at
    }

    fn skip(&mut self, mut n: usize) -> Result<(), Broken> {
        while n > 0 {
            let step = self.peek(1)?.len().min(n);
            if step == 0 {
                return Err(Broken::Cut);
            }
            self.at += step;
            n -= step;
        }
        Ok(())
    }

    /// Goes to the next member; false at the end of the input. Zeros and skippable frames between members are passed over.
    fn next_member(&mut self, packing: Packing) -> Result<bool, Broken> {
        loop {
            match *self.peek(8)? {
                [] => return Ok(false),
                [0x50..=0x5f, 0x2a, 0x4d, 0x18, ref rest @ ..] => {
                    let length = u32::from_le_bytes(*rest.first_chunk().ok_or(Broken::Cut)?);
                    self.skip(8 + length as usize)?;
                }
                ref head if Packing::of(head) == Some(packing) => return Ok(true),
                [0, ..] => self.at += 1,
                ref head => {
                    let start = format!("{:02x?}", head.get(..4).unwrap_or(head));
                    return Err(Broken::Damaged(format!(
                        "bytes that belong to no {} stream follow its end: {start}",
                        packing.name()
                    )));
                }
            }
        }
    }
}

/// For decoders that pull: the end is an error, as they take a frame to be whole where its input ends.
impl Read for Packed {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let broken = match self.peek(1) {
            Ok([]) => Broken::Cut,
            Ok(bytes) => {
                let n = bytes.len().min(out.len());
                for (to, from) in out
                    .chunks_mut(n.max(1))
                    .zip([bytes.get(..n).unwrap_or_default()])
                {
                    to.copy_from_slice(from);
                }
                self.at += n;
                return Ok(n);
            }
            Err(broken) => broken,
        };
        self.broken = Some(broken);
        Err(io::Error::other("no more bytes"))
    }
}

/// What one step of a decoder did.
pub(super) struct Step {
    pub given: usize,
    /// Whether the member ended; else why the stream is broken.
    pub ended: Result<bool, Broken>,
}

/// The decoder of one member, with the bytes it reads.
enum Member {
    Gzip(Packed, Decompress),
    Zstd(Packed, ZstdDecoder<'static>, Frame),
    Xz(Packed, Stream),
    /// lz4 pulls its bytes.
    Lz4(FrameDecoder<Packed>),
    /// Only while the next member is started, and where that failed.
    Gone,
}

impl Member {
    fn start(packing: Packing, packed: Packed) -> Result<Self, Broken> {
        let failed = |error: io::Error| Broken::Unsupported(error.to_string());
        Ok(match packing {
            Packing::Gzip => Self::Gzip(packed, Decompress::new_gzip(15)),
            Packing::Zstd => Self::Zstd(
                packed,
                ZstdDecoder::new().map_err(failed)?,
                Frame::default(),
            ),
            Packing::Xz => {
                let stream = Stream::new_stream_decoder(XZ_MEMORY, 0);
                Self::Xz(packed, stream.map_err(|error| failed(error.into()))?)
            }
            Packing::Lz4 => Self::Lz4(FrameDecoder::new(packed)),
        })
    }

    fn packed(&self) -> Option<&Packed> {
        match self {
            Self::Gzip(packed, _) | Self::Zstd(packed, ..) | Self::Xz(packed, _) => Some(packed),
            Self::Lz4(decoder) => Some(decoder.get_ref()),
            Self::Gone => None,
        }
    }

    fn into_packed(self) -> Option<Packed> {
        match self {
            Self::Gzip(packed, _) | Self::Zstd(packed, ..) | Self::Xz(packed, _) => Some(packed),
            Self::Lz4(decoder) => Some(decoder.into_inner()),
            Self::Gone => None,
        }
    }

    fn step(&mut self, out: &mut [u8]) -> Result<Step, Broken> {
        let (packed, taken, step) = match self {
            Self::Gzip(packed, decoder) => {
                let input = packed.peek(1)?;
                let before = (decoder.total_in(), decoder.total_out());
                let result = decoder.decompress(input, out, FlushDecompress::None);
                let ended = result
                    .map(|status| status == Status::StreamEnd)
                    .map_err(|_| Broken::Damaged("wrong code or checksum".to_owned()));
                let given = (decoder.total_out() - before.1) as usize;
                let taken = (decoder.total_in() - before.0) as usize;
                (packed, taken, Step { given, ended })
            }
            Self::Xz(packed, decoder) => {
                let input = packed.peek(1)?;
                let before = (decoder.total_in(), decoder.total_out());
                let result = decoder.process(input, out, Action::Run);
                let ended = result
                    .map(|status| status == XzStatus::StreamEnd)
                    .map_err(|error| match error {
                        XzError::MemLimit => Broken::Unsupported(format!(
                            "it needs more than {} MiB of memory",
                            XZ_MEMORY >> 20
                        )),
                        XzError::Options => Broken::Unsupported(error.to_string()),
                        error => Broken::Damaged(error.to_string()),
                    });
                let given = (decoder.total_out() - before.1) as usize;
                let taken = (decoder.total_in() - before.0) as usize;
                (packed, taken, Step { given, ended })
            }
            Self::Zstd(packed, decoder, frame) => return frame.step(decoder, packed, out),
            Self::Lz4(decoder) => {
                let result = decoder.read(out);
                return match (result, decoder.get_mut().broken.take()) {
                    (Ok(given), _) => Ok(Step {
                        given,
                        ended: Ok(given == 0),
                    }),
                    (Err(_), Some(broken)) => Err(broken),
                    (Err(error), None) => Err(Broken::Damaged(error.to_string())),
                };
            }
            Self::Gone => return Err(Broken::Cut),
        };
        packed.at += taken;
        if taken == 0 && step.given == 0 && matches!(step.ended, Ok(false)) {
            // Neither decoder stands still while it has input and room.
            return Err(Broken::Cut);
        }
        Ok(step)
    }
}

/// A compressed input.
pub(super) struct Archive {
    packing: Packing,
    member: Member,
    /// Whether the decoder stands between members.
    between: bool,
    /// What the last step ran into behind the bytes it gave.
    broken: Option<Broken>,
}

impl Archive {
    /// The stream that starts with `head`, bytes of `input` that were read already.
    pub(super) fn new(packing: Packing, input: Input, head: &[u8]) -> Result<Self, Broken> {
        let mut buffer = head.to_vec();
        buffer.resize(BUFFER.max(head.len()), 0);
        let packed = Packed {
            input,
            buffer,
            at: 0,
            filled: head.len(),
            ended: false,
            broken: None,
        };
        Ok(Self {
            packing,
            member: Member::start(packing, packed)?,
            between: true,
            broken: None,
        })
    }

    /// The format.
    pub(super) const fn packing(&self) -> Packing {
        self.packing
    }

    /// The file that is read, and its bytes that no decoder has taken though they were read.
    pub(super) fn input(&self) -> Option<(&Input, u64)> {
        let packed = self.member.packed()?;
        Some((&packed.input, packed.left() as u64))
    }

    /// The next decompressed bytes, 0 at the end. Not to be called again after an error.
    pub(super) fn read(&mut self, out: &mut [u8]) -> Result<usize, Broken> {
        if let Some(broken) = self.broken.take() {
            return Err(broken);
        }
        loop {
            if self.between && !self.next_member()? {
                return Ok(0);
            }
            let Step { given, ended } = self.member.step(out)?;
            match ended {
                Ok(ended) => self.between = ended,
                Err(broken) if given == 0 => return Err(broken),
                Err(broken) => self.broken = Some(broken),
            }
            if given > 0 {
                return Ok(given);
            }
        }
    }

    /// Starts the next member with a fresh decoder; false at the end.
    fn next_member(&mut self) -> Result<bool, Broken> {
        let gone = std::mem::replace(&mut self.member, Member::Gone);
        let mut packed = gone.into_packed().ok_or(Broken::Cut)?;
        let more = packed.next_member(self.packing);
        self.member = Member::start(self.packing, packed)?;
        self.between = !matches!(more, Ok(true));
        more
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    /// Text whose parts differ, so that a lost one is seen.
    fn text(length: usize) -> Vec<u8> {
        (0_u32..)
            .flat_map(|n| (n.wrapping_mul(2_654_435_761) >> 7).to_le_bytes())
            .take(length)
            .collect()
    }

    fn pack(packing: Packing, bytes: &[u8]) -> Vec<u8> {
        match packing {
            Packing::Gzip => {
                let mut out =
                    flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
                out.write_all(bytes).expect("memory");
                out.finish().expect("memory")
            }
            Packing::Zstd => {
                let mut out = zstd::Encoder::new(Vec::new(), 1).expect("memory");
                out.include_checksum(true).expect("an encoder");
                out.write_all(bytes).expect("memory");
                out.finish().expect("memory")
            }
            Packing::Lz4 => {
                let info = lz4_flex::frame::FrameInfo::new()
                    .content_checksum(true)
                    .block_size(lz4_flex::frame::BlockSize::Max64KB);
                let mut out = lz4_flex::frame::FrameEncoder::with_frame_info(info, Vec::new());
                out.write_all(bytes).expect("memory");
                out.finish().expect("memory")
            }
            Packing::Xz => {
                let mut out = liblzma::write::XzEncoder::new(Vec::new(), 1);
                out.write_all(bytes).expect("memory");
                out.finish().expect("memory")
            }
        }
    }

    const ALL: [Packing; 4] = [Packing::Gzip, Packing::Zstd, Packing::Lz4, Packing::Xz];

    /// Everything that comes out, read in pieces of `piece`, and how it ended.
    fn unpack_by(packed: &[u8], piece: usize) -> (Vec<u8>, Result<(), Broken>) {
        let packing = Packing::of(packed).expect("a known magic");
        let (head, rest) = packed.split_at(packed.len().min(7));
        let input = Input::new(Box::new(io::Cursor::new(rest.to_vec())), None);
        let mut archive = match Archive::new(packing, input, head) {
            Ok(archive) => archive,
            Err(broken) => return (Vec::new(), Err(broken)),
        };
        let (mut out, mut buffer) = (Vec::new(), vec![0; piece]);
        loop {
            match archive.read(&mut buffer) {
                Ok(0) => return (out, Ok(())),
                Ok(n) => out.extend(&buffer[..n]),
                Err(broken) => return (out, Err(broken)),
            }
        }
    }

    fn unpack(packed: &[u8]) -> (Vec<u8>, Result<(), Broken>) {
        unpack_by(packed, 256 << 10)
    }

    #[test]
    fn members_padding_and_what_follows() {
        let (one, two) = (text(300_000), text(70));
        for packing in ALL {
            let mut packed = pack(packing, &one);
            for piece in [1000, 256 << 10] {
                let (out, end) = unpack_by(&packed, piece);
                assert!(end.is_ok() && out == one, "{packing:?} {end:?}");
            }
            packed.extend(pack(packing, &[]));
            packed.extend(pack(packing, &two));
            packed.extend([0; 64]);
            let (out, end) = unpack(&packed);
            assert!(
                end.is_ok() && out == [&one[..], &two].concat(),
                "{packing:?} {end:?}"
            );
            packed.push(7);
            let (out, end) = unpack(&packed);
            assert!(
                matches!(end, Err(Broken::Damaged(_))),
                "{packing:?} {end:?}"
            );
            assert_eq!(out.len(), one.len() + two.len());
        }
    }

    #[test]
    fn skippable_frames_are_passed_over() {
        let skippable = [&[0x5a, 0x2a, 0x4d, 0x18, 3, 0, 0, 0][..], &[9; 3]].concat();
        for packing in [Packing::Zstd, Packing::Lz4] {
            let frame = pack(packing, &text(10));
            let between = [&frame[..], &skippable, &frame].concat();
            let (out, end) = unpack(&between);
            assert!(end.is_ok() && out.len() == 20, "{packing:?} {end:?}");
        }
        let first = [&skippable[..], &pack(Packing::Zstd, &text(10))].concat();
        assert_eq!(unpack(&first).0.len(), 10);
    }

    #[test]
    fn a_cut_stream_gives_all_before_the_cut() {
        let whole = text(600_000);
        for packing in ALL {
            let packed = pack(packing, &whole);
            let mut last = 0;
            for cut in (2..packed.len())
                .step_by(packed.len() / 23)
                .chain([packed.len() - 1])
            {
                if Packing::of(&packed[..cut]) != Some(packing) {
                    continue;
                }
                let (out, end) = unpack(&packed[..cut]);
                assert!(matches!(end, Err(Broken::Cut)), "{packing:?} {cut} {end:?}");
                assert!(
                    whole.starts_with(&out) && out.len() >= last,
                    "{packing:?} {cut}"
                );
                last = out.len();
            }
            assert_eq!(last, whole.len(), "{packing:?}: only a checksum is missing");
        }
    }

    #[test]
    fn a_damaged_stream_gives_all_before_the_damage() {
        let whole = text(600_000);
        for packing in ALL {
            let packed = pack(packing, &whole);
            // The checksum at the end: of gzip before the length, of xz in the footer.
            for (at, least) in [
                (packed.len() - 6, whole.len() - 1),
                (packed.len() * 3 / 4, 1 << 16),
            ] {
                let mut damaged = packed.clone();
                damaged[at] ^= 0x55;
                let (out, end) = unpack(&damaged);
                assert!(
                    matches!(end, Err(Broken::Damaged(_) | Broken::Cut)),
                    "{packing:?} {end:?}"
                );
                let sound = whole.iter().zip(&out).take_while(|(a, b)| a == b).count();
                assert!(
                    sound >= least.min(whole.len() / 2),
                    "{packing:?}: {sound} of {least}"
                );
            }
        }
    }

    #[test]
    fn zstd_gives_every_block_before_a_damaged_one() {
        // Blocks of at most 128 KiB: raw ones, whose headers are the damage.
        let mut packed = vec![0x28, 0xb5, 0x2f, 0xfd, 0, 0x38];
        for block in 0..4_u8 {
            packed.extend(&(100_u32 << 3).to_le_bytes()[..3]);
            packed.extend([block; 100]);
        }
        packed.extend([0xff; 3]); // the last block, of the reserved type
        packed.resize(packed.len() + (0xff_ffff_usize >> 3), 0);
        let (out, end) = unpack(&packed);
        assert!(matches!(end, Err(Broken::Damaged(_))), "{end:?}");
        assert_eq!(out.len(), 400);
    }

    #[test]
    fn too_much_memory_is_refused() {
        // A zstd window of 2 GiB: exponent 21 in the window descriptor.
        let packed = [0x28, 0xb5, 0x2f, 0xfd, 0, 21 << 3, 1, 0, 0];
        assert!(matches!(unpack(&packed).1, Err(Broken::Unsupported(_))));
    }

    proptest::proptest! {
        #[test]
        fn damage_never_panics_or_loops(flips in proptest::collection::vec((0_usize..4000, 0_u8..=255), 1..6), cut in 7_usize..4000) {
            for packing in ALL {
                let mut packed = pack(packing, &text(5_000));
                packed.truncate(cut);
                for (at, value) in &flips {
                    if let Some(byte) = packed.get_mut(*at).filter(|_| *at > 6) {
                        *byte = *value;
                    }
                }
                let (out, _) = unpack(&packed);
                proptest::prop_assert!(out.len() < 1 << 26);
            }
        }
    }
}
