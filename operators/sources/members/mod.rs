//! Captures in archives: each file in a tar (also a compressed one) or zip archive is an input of its own, named `ARCHIVE/MEMBER`, in the
//! order of the archive.
//!
//! Nothing is unpacked: a member is read as a stream from its place. A compressed tar has no places, only what comes before: it is gone over
//! once to find its members, and again as they are read; who reads them in their order goes over it once ([`Streams`]). An archive in an archive
//! is a file like another, which its reader refuses. Bounds: `MOST_MEMBERS` members, names of `LONGEST_NAME` bytes, extended headers of
//! 1 MiB; what a member claims to hold is never believed before it comes.

mod tar;
mod zip;

use super::archive::{Archive, Broken, Packing};
use super::input::Input;
use crate::books::{Partial, Refused};
use flate2::Crc;
use std::collections::HashMap;
use std::fs::File;
use std::io::{self, ErrorKind, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use zip::Method;

/// Members of an archive at most.
const MOST_MEMBERS: usize = 65_536;
/// Bytes of the name of a member at most.
const LONGEST_NAME: usize = 65_535;
/// Bytes that are passed over at a time.
const PIECE: usize = 64 << 10;

/// Where a capture is: a file, or in an archive.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CapturePath {
    /// The file; `-` is standard input.
    pub file: PathBuf,
    /// Which member of it.
    pub member: Option<Arc<Member>>,
}

impl From<PathBuf> for CapturePath {
    fn from(file: PathBuf) -> Self {
        Self { file, member: None }
    }
}

impl CapturePath {
    /// Its name: that of the file, behind it that of the member.
    pub fn name(&self) -> String {
        let file = self.file.display();
        match self.member.as_deref() {
            Some(Member { name, .. }) if !name.is_empty() => format!("{file}/{name}"),
            _ => file.to_string(),
        }
    }

    /// Bytes of it, as far as they are known.
    pub fn bytes(&self) -> u64 {
        match &self.member {
            Some(member) => member.bytes,
            None => self.file.metadata().map_or(0, |about| about.len()),
        }
    }

    /// Whether it can only be reached over all that is before it in its file.
    pub fn is_in_stream(&self) -> bool {
        let member = self.member.as_deref();
        member.is_some_and(|member| matches!(member.how, How::Packed { .. }))
    }
}

/// A file in an archive.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Member {
    /// Its name there; empty where it stands for the rest of an archive that cannot be read.
    name: String,
    /// Bytes that it should have.
    bytes: u64,
    how: How,
}

impl Member {
    fn new(name: &[u8], bytes: u64, how: How) -> Self {
        Self {
            name: String::from_utf8_lossy(name).into_owned(),
            bytes,
            how,
        }
    }
}

/// How the bytes of a member are reached.
#[derive(Clone, Debug, PartialEq, Eq)]
enum How {
    /// They are at this place of the file.
    Plain { at: u64 },
    /// They are at this place of what comes out of the file.
    Packed { at: u64 },
    /// It has a header at this place of a zip archive.
    Zip {
        header: u64,
        packed: u64,
        method: Method,
        checksum: u32,
    },
    /// They cannot be read here.
    Refused(Refused, String),
    /// Nothing more can be found in the archive.
    Ended(Partial, String),
}

/// The captures in files: an archive gives its members, any other file itself. What cannot be opened is told by its reader.
pub fn in_archives(files: Vec<PathBuf>) -> Vec<CapturePath> {
    let mut captures = Vec::new();
    for file in files {
        let found = members(&file).unwrap_or_default();
        if found.is_empty() {
            captures.push(CapturePath::from(file));
            continue;
        }
        captures.extend(found.into_iter().map(|member| CapturePath {
            file: file.clone(),
            member: Some(Arc::new(member)),
        }));
    }
    captures
}

/// The members of an archive; none = it is no archive.
fn members(path: &Path) -> io::Result<Vec<Member>> {
    // a pipe can be read only once
    if !path.metadata()?.is_file() {
        return Ok(Vec::new());
    }
    let mut file = File::open(path)?;
    let mut head = Vec::new();
    (&file).take(tar::BLOCK as u64).read_to_end(&mut head)?;
    let mut members = Vec::new();
    let ended = if zip::is(&head) {
        zip::list(&mut file, &mut members)
    } else if tar::is(&head) {
        let length = file.metadata()?.len();
        file.seek(SeekFrom::Start(0))?;
        let mut input = Seeking { file, length };
        tar::list(&mut input, &mut members, |at| How::Plain { at })
    } else if Packing::of(&head).is_some() && is_packed_tar(path) {
        match Stream::open(path) {
            Ok(mut stream) => tar::list(&mut stream, &mut members, |at| How::Packed { at }),
            Err(broken) => Err(broken),
        }
    } else {
        return Ok(Vec::new());
    };
    let rest = |how| Member::new(b"", 0, how);
    match ended {
        Ok(()) if members.is_empty() => {
            members.push(rest(How::Refused(
                Refused::Empty,
                "an archive without files".to_owned(),
            )));
        }
        Ok(()) => {}
        Err(broken) => members.push(rest(match broken {
            Broken::Unsupported(what) => How::Refused(
                Refused::UnsupportedFormat,
                format!("an archive of {what}: unpack it"),
            ),
            Broken::Failed(error) => How::Ended(
                Partial::ReadError,
                format!("cannot read the archive on: {error}"),
            ),
            Broken::Damaged(what) => How::Ended(
                Partial::Damaged,
                format!("the archive is damaged ({what}): no file behind that is read"),
            ),
            Broken::Cut => How::Ended(Partial::Truncated, "the archive ends early".to_owned()),
        })),
    }
    Ok(members)
}

/// Whether a tar archive comes out of a compressed file.
fn is_packed_tar(path: &Path) -> bool {
    let mut block = [0; tar::BLOCK];
    let read = Stream::open(path).and_then(|mut stream| stream.fill(&mut block));
    read.is_ok_and(|read| read == block.len()) && tar::is(&block)
}

/// Bytes that are gone over.
trait Forward {
    /// Fills a buffer, less at the end.
    fn fill(&mut self, out: &mut [u8]) -> Result<usize, Broken>;
    /// Passes bytes over.
    fn skip(&mut self, bytes: u64) -> Result<(), Broken>;
}

fn fill(input: &mut impl Read, out: &mut [u8]) -> Result<usize, Broken> {
    let mut filled = 0;
    while let Some(room) = out.get_mut(filled..).filter(|room| !room.is_empty()) {
        match input.read(room) {
            Ok(0) => break,
            Ok(n) => filled += n,
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(Broken::of(error)),
        }
    }
    Ok(filled)
}

/// A file.
struct Seeking {
    file: File,
    length: u64,
}

impl Forward for Seeking {
    fn fill(&mut self, out: &mut [u8]) -> Result<usize, Broken> {
        fill(&mut self.file, out)
    }

    fn skip(&mut self, bytes: u64) -> Result<(), Broken> {
        let at = self.file.stream_position().map_err(Broken::Failed)?;
        let to = at.checked_add(bytes).filter(|to| *to <= self.length);
        let to = to.ok_or(Broken::Cut)?;
        self.file
            .seek(SeekFrom::Start(to))
            .map_err(Broken::Failed)?;
        Ok(())
    }
}

/// What comes out of a compressed file.
struct Stream {
    archive: Archive,
    /// Bytes that have come.
    at: u64,
}

impl Stream {
    fn open(path: &Path) -> Result<Self, Broken> {
        let mut file = File::open(path).map_err(Broken::Failed)?;
        let mut head = [0; Packing::MAGIC];
        let read = fill(&mut file, &mut head)?;
        let head = head.get(..read).unwrap_or_default();
        let packing = Packing::of(head).ok_or(Broken::Cut)?;
        let archive = Archive::new(packing, Input::new(Box::new(file), None), head)?;
        Ok(Self { archive, at: 0 })
    }
}

impl Forward for Stream {
    fn fill(&mut self, out: &mut [u8]) -> Result<usize, Broken> {
        let mut filled = 0;
        while let Some(room) = out.get_mut(filled..).filter(|room| !room.is_empty()) {
            match self.archive.read(room)? {
                0 => break,
                n => filled += n,
            }
        }
        self.at += filled as u64;
        Ok(filled)
    }

    fn skip(&mut self, mut bytes: u64) -> Result<(), Broken> {
        let mut piece = vec![0; PIECE];
        while bytes > 0 {
            let most = usize::try_from(bytes).map_or(PIECE, |bytes| bytes.min(PIECE));
            match self.fill(piece.get_mut(..most).unwrap_or_default())? {
                0 => return Err(Broken::Cut),
                n => bytes -= n as u64,
            }
        }
        Ok(())
    }
}

/// Compressed archives that are being read, each from where its last member was left.
#[derive(Clone, Default)]
pub struct Streams(Arc<Mutex<HashMap<PathBuf, Stream>>>);

impl Streams {
    /// A stream of a file at this place: one that was left before it, or a new one.
    fn at(&self, path: &Path, at: u64) -> Result<Stream, Broken> {
        let mut left = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let before = left.remove(path).filter(|stream| stream.at <= at);
        drop(left);
        let mut stream = before.map_or_else(|| Stream::open(path), Ok)?;
        stream.skip(at - stream.at)?;
        Ok(stream)
    }

    fn leave(&self, path: &Path, stream: Stream) {
        let mut left = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let is_further = left.get(path).is_none_or(|other| other.at < stream.at);
        if is_further {
            left.insert(path.to_owned(), stream);
        }
    }
}

impl std::fmt::Debug for Streams {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Streams")
    }
}

/// A member that is read out of a stream, which is left where it ends.
struct Within {
    stream: Option<Stream>,
    path: PathBuf,
    streams: Streams,
}

impl Read for Within {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let Some(stream) = &mut self.stream else {
            return Ok(0);
        };
        let read = stream.archive.read(out);
        // a stream that is broken is no use for the members behind it
        let read = read.inspect_err(|_| self.stream = None);
        let n = read.map_err(Broken::into_io)?;
        if let Some(stream) = &mut self.stream {
            stream.at += n as u64;
        }
        Ok(n)
    }
}

impl Drop for Within {
    fn drop(&mut self) {
        if let Some(stream) = self.stream.take() {
            self.streams.leave(&self.path, stream);
        }
    }
}

/// Exactly so many bytes, with their checksum.
struct Exact<R> {
    input: R,
    left: u64,
    checksum: Option<(Crc, u32)>,
}

impl<R: Read> Exact<R> {
    fn new(input: R, bytes: u64, checksum: Option<(Crc, u32)>) -> Self {
        Self {
            input,
            left: bytes,
            checksum,
        }
    }

    /// What is behind the last byte.
    fn end(&mut self) -> io::Result<usize> {
        let Some((crc, expected)) = self.checksum.take() else {
            return Ok(0);
        };
        let wrong = |what: &str| Err(io::Error::new(ErrorKind::InvalidData, what));
        if self.input.read(&mut [0])? > 0 {
            return wrong("more bytes than it says");
        }
        match crc.sum() == expected {
            true => Ok(0),
            false => wrong("wrong checksum"),
        }
    }
}

impl<R: Read> Read for Exact<R> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        if self.left == 0 || out.is_empty() {
            return match out.is_empty() {
                true => Ok(0),
                false => self.end(),
            };
        }
        let most = usize::try_from(self.left).map_or(out.len(), |left| left.min(out.len()));
        let out = out.get_mut(..most).unwrap_or_default();
        let read = self.input.read(out).map_err(|error| {
            // what the decoders of zip members say
            let is_told = error.raw_os_error().is_some()
                || matches!(
                    error.kind(),
                    ErrorKind::UnexpectedEof
                        | ErrorKind::Interrupted
                        | ErrorKind::InvalidData
                        | ErrorKind::Unsupported
                );
            match is_told {
                true => error,
                false => io::Error::new(ErrorKind::InvalidData, error.to_string()),
            }
        })?;
        if read == 0 {
            return Err(ErrorKind::UnexpectedEof.into());
        }
        if let Some((crc, _)) = &mut self.checksum {
            crc.update(out.get(..read).unwrap_or_default());
        }
        self.left -= read as u64;
        Ok(read)
    }
}

/// Why a member cannot be opened.
pub(super) enum Closed {
    Refused(Refused, String),
    Partial(Partial, String),
}

impl Member {
    /// Its bytes.
    pub(super) fn open(
        &self,
        path: &Path,
        streams: &Streams,
    ) -> Result<Box<dyn Read + Send>, Closed> {
        let unreadable = |error: io::Error| {
            Closed::Refused(Refused::Unreadable, format!("cannot open: {error}"))
        };
        let opened = || File::open(path);
        match &self.how {
            How::Plain { at } => {
                let mut file = opened().map_err(unreadable)?;
                file.seek(SeekFrom::Start(*at)).map_err(unreadable)?;
                Ok(Box::new(Exact::new(file, self.bytes, None)))
            }
            How::Packed { at } => {
                let stream = streams.at(path, *at);
                let stream = stream.map_err(|broken| match broken {
                    Broken::Failed(error) => unreadable(error),
                    Broken::Cut => Closed::Partial(
                        Partial::Truncated,
                        "the archive ends before this file".to_owned(),
                    ),
                    Broken::Damaged(what) | Broken::Unsupported(what) => Closed::Partial(
                        Partial::Damaged,
                        format!("the archive is damaged before this file ({what})"),
                    ),
                })?;
                let within = Within {
                    stream: Some(stream),
                    path: path.to_owned(),
                    streams: streams.clone(),
                };
                Ok(Box::new(Exact::new(within, self.bytes, None)))
            }
            How::Zip {
                header,
                packed,
                method,
                checksum,
            } => {
                let file = opened().map_err(unreadable)?;
                zip::open(file, (*header, *packed), *method, (self.bytes, *checksum))
                    .map_err(unreadable)
            }
            How::Refused(reason, why) => Err(Closed::Refused(*reason, why.clone())),
            How::Ended(reason, why) => Err(Closed::Partial(*reason, why.clone())),
        }
    }
}

/// Whether bytes start a tar archive.
pub(super) fn is_tar(bytes: &[u8]) -> bool {
    tar::is(bytes)
}

/// The first bytes of a member, and whether a fault came behind them: for [`super::total`].
pub(super) fn some(capture: &CapturePath, streams: &Streams, most: usize) -> (Vec<u8>, bool) {
    let mut bytes = Vec::new();
    let opened = capture
        .member
        .as_ref()
        .map(|member| member.open(&capture.file, streams));
    let Some(Ok(input)) = opened else {
        return (bytes, true);
    };
    let read = input.take(most as u64).read_to_end(&mut bytes);
    assert!(
        capture
            .member
            .as_ref()
            .is_none_or(|member| bytes.len() as u64 <= member.bytes)
    );
    (bytes, read.is_err())
}

#[cfg(test)]
mod tests;
