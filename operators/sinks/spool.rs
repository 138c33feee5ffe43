//! Rows that wait on disk: runs of batches, one behind the other in nameless temporary files, which the system removes whatever
//! becomes of the process.
//!
//! A file goes when its last run was read. However many runs there are, there are at most `FILES` files: beyond that the last one
//! goes on, and its room comes back later. Who shares a spool writes one run at a time.

use crate::columns::PackedColumns;
use crate::error::Error;
use lz4_flex::frame::{FrameDecoder, FrameEncoder};
use std::fs::File;
use std::io::{self, ErrorKind, Read, Seek as _, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, Weak};

/// Bytes of a file from which on the next run begins another one.
const ENOUGH: u64 = 64 << 20;
/// Files that are open at most.
const FILES: usize = 32;

/// Where runs are written.
#[derive(Clone)]
pub struct Spool {
    folder: PathBuf,
    files: Arc<Mutex<Files>>,
}

#[derive(Default)]
struct Files {
    /// Where the next run begins.
    last: Option<Arc<Segment>>,
    all: Vec<Weak<Segment>>,
}

/// A file and its bytes so far.
struct Segment(Mutex<(File, u64)>);

impl Spool {
    /// In a folder.
    pub fn new(folder: &Path) -> Self {
        Self {
            folder: folder.to_owned(),
            files: Arc::default(),
        }
    }

    /// A run to be written.
    ///
    /// # Errors
    /// No file can be made.
    pub fn run(&self) -> Result<NewRun, Error> {
        let mut files = self.files.lock().unwrap_or_else(PoisonError::into_inner);
        files.all.retain(|segment| segment.strong_count() > 0);
        let is_one_more = files.all.len() < FILES;
        let last = files.last.take();
        let segment = match last.filter(|last| !is_one_more || last.end() < ENOUGH) {
            Some(last) => last,
            None => {
                let file = tempfile::tempfile_in(&self.folder)
                    .map_err(|error| failed(&self.folder, 0, error))?;
                let segment = Arc::new(Segment(Mutex::new((file, 0))));
                files.all.push(Arc::downgrade(&segment));
                segment
            }
        };
        let at = segment.end();
        Ok(NewRun {
            out: FrameEncoder::new(Part {
                segment,
                at,
                end: u64::MAX,
            }),
            start: at,
            spool: self.clone(),
            pieces: 0,
            bytes: 0,
        })
    }
}

impl Segment {
    fn end(&self) -> u64 {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).1
    }
}

/// A stretch of a file, read or written from its start on.
struct Part {
    segment: Arc<Segment>,
    at: u64,
    end: u64,
}

impl Read for Part {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let left = usize::try_from(self.end - self.at).unwrap_or(usize::MAX);
        let most = buffer.len().min(left);
        let mut guard = (self.segment.0.lock()).unwrap_or_else(PoisonError::into_inner);
        let (file, _) = &mut *guard;
        file.seek(SeekFrom::Start(self.at))?;
        let n = file.read(&mut buffer[..most])?;
        self.at += n as u64;
        Ok(n)
    }
}

impl Write for Part {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut guard = (self.segment.0.lock()).unwrap_or_else(PoisonError::into_inner);
        let (file, end) = &mut *guard;
        file.seek(SeekFrom::Start(self.at))?;
        let n = file.write(bytes)?;
        self.at += n as u64;
        *end = self.at.max(*end);
        Ok(n)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A run that is being written: pieces, each its length in 8 bytes and a batch in bincode, all in one LZ4 frame.
pub struct NewRun {
    out: FrameEncoder<Part>,
    start: u64,
    spool: Spool,
    pieces: u64,
    bytes: u64,
}

/// A run to be read.
pub struct Run {
    input: FrameDecoder<Part>,
    folder: PathBuf,
    pieces: u64,
}

impl NewRun {
    /// Writes a piece.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn write(&mut self, rows: &PackedColumns) -> Result<(), Error> {
        let folder = &self.spool.folder;
        let piece = bincode::serialize(rows).map_err(|error| unreadable(folder, error))?;
        self.bytes += piece.len() as u64;
        self.out
            .write_all(&(piece.len() as u64).to_le_bytes())
            .and_then(|()| self.out.write_all(&piece))
            .map_err(|error| failed(folder, self.bytes, error))?;
        self.pieces += 1;
        Ok(())
    }

    /// Nothing more belongs to it.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn finish(self) -> Result<Run, Error> {
        let folder = self.spool.folder;
        let failed = |error| failed(&folder, self.bytes, error);
        let part = self.out.finish().map_err(|error| failed(error.into()))?;
        let mut files = (self.spool.files.lock()).unwrap_or_else(PoisonError::into_inner);
        files.last = Some(Arc::clone(&part.segment));
        let part = Part {
            at: self.start,
            end: part.at,
            segment: part.segment,
        };
        drop(files);
        Ok(Run {
            input: FrameDecoder::new(part),
            folder,
            pieces: self.pieces,
        })
    }
}

impl Run {
    /// The next piece; `None` at the end.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn next(&mut self) -> Result<Option<PackedColumns>, Error> {
        if self.pieces == 0 {
            return Ok(None);
        }
        self.pieces -= 1;
        let mut length = [0; 8];
        let mut piece = Vec::new();
        self.input
            .read_exact(&mut length)
            .and_then(|()| {
                let length = u64::from_le_bytes(length);
                (&mut self.input).take(length).read_to_end(&mut piece)
            })
            .map_err(|error| Error::file("read back temporary rows in", &self.folder, error))?;
        bincode::deserialize(&piece)
            .map(Some)
            .map_err(|error| unreadable(&self.folder, error))
    }
}

fn failed(folder: &Path, bytes: u64, error: io::Error) -> Error {
    let full = matches!(
        error.kind(),
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded | ErrorKind::FileTooLarge
    );
    let error = Error::file("write temporary rows to sort in", &folder.join(""), error);
    if full {
        error.help(format!(
            "make room (this part alone is {bytes} bytes before compression), or write with `sort = \"none\"`"
        ))
    } else {
        error
    }
}

fn unreadable(folder: &Path, error: bincode::Error) -> Error {
    Error::new(format!(
        "temporary rows in {} are not readable: {error}",
        folder.display()
    ))
    .because(error)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sinks::sample;

    #[test]
    fn many_runs_share_a_file_and_are_read_side_by_side() {
        let folder = tempfile::tempdir().unwrap();
        let spool = Spool::new(folder.path());
        let rows = PackedColumns::from(sample::rows().1);
        let run = |pieces: usize| {
            let mut run = spool.run().unwrap();
            (0..pieces).for_each(|_| run.write(&rows).unwrap());
            run.finish().unwrap()
        };
        let mut runs: Vec<Run> = (0..200).map(|at| run(at % 4)).collect();
        assert_eq!(spool.files.lock().unwrap().all.len(), 1);
        for turn in 0..4 {
            for (at, run) in runs.iter_mut().enumerate() {
                let expected = (turn < at % 4).then(|| rows.clone());
                assert_eq!(run.next().unwrap(), expected, "run {at}");
            }
        }
        // two that are written at once have files of their own
        let (first, second) = (spool.run().unwrap(), spool.run().unwrap());
        assert_eq!(spool.files.lock().unwrap().all.len(), 2);
        drop((first, second, runs));
        spool.files.lock().unwrap().last = None;
        drop(spool.run().unwrap());
        assert_eq!(spool.files.lock().unwrap().all.len(), 1);
    }

    #[test]
    fn files_are_few_however_much_is_written() {
        let folder = tempfile::tempdir().unwrap();
        let spool = Spool::new(folder.path());
        let rows = PackedColumns::from(sample::rows().1);
        let runs: Vec<Run> = (0..2 * FILES)
            .map(|_| {
                let mut run = spool.run().unwrap();
                run.write(&rows).unwrap();
                let run = run.finish().unwrap();
                let files = spool.files.lock().unwrap();
                files.last.as_ref().unwrap().0.lock().unwrap().1 += ENOUGH;
                run
            })
            .collect();
        assert_eq!(spool.files.lock().unwrap().all.len(), FILES);
        for mut run in runs {
            assert_eq!(run.next().unwrap().as_ref(), Some(&rows));
        }
    }
}
