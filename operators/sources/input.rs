//! The bytes of one input as the operating system gives them: a file up to the size it had when it was opened, a file that grows,
//! or a pipe.
//!
//! Files are read and never mapped: a mapped file that shrinks kills the process. Where bytes may have to be waited for, a thread
//! of its own reads: a read that waits could not be stopped, and the worker has other things to do.

use std::fs::File;
use std::io::{self, ErrorKind, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::time::{Duration, Instant};

/// Bytes read from a pipe at a time: as many as one holds on Linux.
const PIECE: usize = 64 << 10;
/// Pieces that wait at most.
const PIECES: usize = 16;
/// How often a wait for bytes looks whether the run was stopped, or a file has grown.
const LOOK: Duration = Duration::from_millis(50);

/// A file is read on as it grows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Follow {
    /// It is over when it has not grown for so long; `None` = when the run is stopped.
    pub patience: Option<Duration>,
}

/// An open input.
pub(super) struct Input {
    from: From,
    /// Bytes of the file when it was opened; `None` for pipes and devices.
    size: Option<u64>,
    /// Bytes that there should be, of what ends by itself.
    expected: Option<u64>,
    read: u64,
    shrank: bool,
    stopped: bool,
}

enum From {
    Bytes(Box<dyn Read + Send>),
    Pipe(Pipe),
}

impl Input {
    /// Opens a file, or standard input for `-`. `stop` ends the wait for bytes.
    pub(super) fn open(
        path: &Path,
        follow: Option<Follow>,
        stop: &Arc<AtomicBool>,
    ) -> io::Result<Self> {
        let pipe = |open| {
            Ok(Self::with(
                From::Pipe(Pipe::new(open, Arc::clone(stop))?),
                None,
            ))
        };
        if path == Path::new("-") {
            return pipe(Box::new(|| Ok(Box::new(io::stdin()))));
        }
        let about = path.metadata()?;
        if about.is_dir() {
            return Err(ErrorKind::IsADirectory.into());
        }
        if !about.is_file() {
            // to open a pipe already waits for somebody who writes
            let path = path.to_owned();
            return pipe(Box::new(move || opened(path)));
        }
        let file = File::open(path)?;
        if let Some(Follow { patience }) = follow {
            let growing = Growing {
                file,
                read: 0,
                patience,
                stop: Arc::clone(stop),
            };
            return pipe(Box::new(|| Ok(Box::new(growing))));
        }
        let size = file.metadata()?.len();
        Ok(Self::new(Box::new(file), Some(size)))
    }

    /// Bytes from anywhere; `size` is what they should be.
    pub(super) fn new(from: Box<dyn Read + Send>, size: Option<u64>) -> Self {
        Self::with(From::Bytes(from), size)
    }

    /// Bytes that should be so many, and end by themselves.
    pub(super) fn expecting(from: Box<dyn Read + Send>, bytes: u64) -> Self {
        Self {
            expected: Some(bytes),
            ..Self::new(from, None)
        }
    }

    const fn with(from: From, size: Option<u64>) -> Self {
        Self {
            from,
            size,
            expected: None,
            read: 0,
            shrank: false,
            stopped: false,
        }
    }

    /// Whether the file ended before the size it had when it was opened.
    pub(super) const fn shrank(&self) -> bool {
        self.shrank
    }

    /// Whether the run was stopped while this input was waited for.
    pub(super) const fn stopped(&self) -> bool {
        self.stopped
    }

    /// Bytes read so far.
    pub(super) const fn position(&self) -> u64 {
        self.read
    }

    /// Bytes of the whole input, as far as they are known.
    pub(super) fn size(&self) -> u64 {
        self.size.or(self.expected).unwrap_or(self.read)
    }
}

impl Input {
    /// The next bytes, 0 at the end; `None` = there are none yet, and none came for `patience`. Only who writes a pipe or a file
    /// that grows is waited for.
    pub(super) fn read_within(
        &mut self,
        buffer: &mut [u8],
        patience: Duration,
    ) -> io::Result<Option<usize>> {
        // A file that grows is read to the size it had.
        let left = self.size.map_or(u64::MAX, |size| size - self.read);
        let most = usize::try_from(left).map_or(buffer.len(), |left| left.min(buffer.len()));
        let buffer = buffer.get_mut(..most).unwrap_or_default();
        if buffer.is_empty() {
            return Ok(Some(0));
        }
        loop {
            let read = match &mut self.from {
                From::Bytes(from) => from.read(buffer),
                From::Pipe(pipe) => match pipe.read(buffer, patience) {
                    Ok(None) if pipe.stop.load(Ordering::Relaxed) => {
                        self.stopped = true;
                        return Err(io::Error::other("the run was stopped"));
                    }
                    Ok(None) => return Ok(None),
                    Ok(Some(n)) => Ok(n),
                    Err(error) => Err(error),
                },
            };
            match read {
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Ok(0) => {
                    self.shrank = self.size.is_some();
                    return Ok(Some(0));
                }
                Ok(n) => {
                    self.read += n as u64;
                    return Ok(Some(n));
                }
                Err(error) => return Err(error),
            }
        }
    }
}

impl Read for Input {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            if let Some(n) = self.read_within(buffer, LOOK)? {
                return Ok(n);
            }
        }
    }
}

/// Opens what a pipe is read from.
type Open = Box<dyn FnOnce() -> io::Result<Box<dyn Read>> + Send>;

fn opened(path: PathBuf) -> io::Result<Box<dyn Read>> {
    Ok(Box::new(File::open(path)?))
}

/// A file that is waited for at its end.
struct Growing {
    file: File,
    read: u64,
    patience: Option<Duration>,
    stop: Arc<AtomicBool>,
}

impl Read for Growing {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let since = Instant::now();
        loop {
            let n = self.file.read(buffer)?;
            self.read += n as u64;
            let is_over = || self.patience.is_some_and(|most| since.elapsed() >= most);
            if n > 0 || self.stop.load(Ordering::Relaxed) || is_over() {
                return Ok(n);
            }
            if self.file.metadata()?.len() < self.read {
                return Err(io::Error::other("the file became shorter"));
            }
            std::thread::sleep(LOOK);
        }
    }
}

/// A pipe or device.
struct Pipe {
    pieces: Receiver<io::Result<Vec<u8>>>,
    piece: io::Cursor<Vec<u8>>,
    stop: Arc<AtomicBool>,
}

impl Pipe {
    fn new(open: Open, stop: Arc<AtomicBool>) -> io::Result<Self> {
        let (filled, pieces) = sync_channel(PIECES);
        // it may wait for ever, and ends with the process
        std::thread::Builder::new()
            .name("pipe".to_owned())
            .spawn(move || fill(open, &filled))?;
        Ok(Self {
            pieces,
            piece: io::Cursor::default(),
            stop,
        })
    }

    /// The next bytes; 0 at the end, `None` = none came for `patience`.
    fn read(&mut self, buffer: &mut [u8], patience: Duration) -> io::Result<Option<usize>> {
        loop {
            let n = self.piece.read(buffer)?;
            if n > 0 {
                return Ok(Some(n));
            }
            match self.pieces.recv_timeout(patience) {
                Ok(piece) => self.piece = io::Cursor::new(piece?),
                Err(RecvTimeoutError::Disconnected) => return Ok(Some(0)),
                Err(RecvTimeoutError::Timeout) => return Ok(None),
            }
        }
    }
}

/// Reads a pipe to its end, its first error, or until nobody wants more.
fn fill(open: Open, filled: &SyncSender<io::Result<Vec<u8>>>) {
    let mut from = match open() {
        Ok(from) => from,
        Err(error) => {
            let _ = filled.send(Err(error));
            return;
        }
    };
    loop {
        let mut piece = vec![0; PIECE];
        let read = match from.read(&mut piece) {
            Ok(0) => return,
            Ok(n) => {
                piece.truncate(n);
                Ok(piece)
            }
            Err(error) if error.kind() == ErrorKind::Interrupted => continue,
            Err(error) => Err(error),
        };
        let is_last = read.is_err();
        if filled.send(read).is_err() || is_last {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pipe(from: impl Read + Send + 'static, stop: &Arc<AtomicBool>) -> Input {
        let open: Open = Box::new(|| Ok(Box::new(from)));
        let pipe = Pipe::new(open, Arc::clone(stop)).expect("a thread");
        Input::with(From::Pipe(pipe), None)
    }

    #[test]
    fn a_pipe_gives_its_bytes_then_its_error() {
        struct Broken;
        impl Read for Broken {
            fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
                Err(io::Error::other("broken"))
            }
        }
        let bytes: Vec<u8> = (0..200_000u32).map(|byte| byte as u8).collect();
        let mut input = pipe(
            io::Cursor::new(bytes.clone()).chain(Broken),
            &Arc::default(),
        );
        let mut read = Vec::new();
        let error = input.read_to_end(&mut read).expect_err("broken");
        assert_eq!(error.to_string(), "broken");
        assert_eq!((read == bytes, input.position()), (true, 200_000));
        let mut input = pipe(io::Cursor::new(bytes), &Arc::default());
        assert_eq!(
            io::copy(&mut input, &mut io::sink()).expect("bytes"),
            200_000
        );
        assert_eq!((input.shrank(), input.stopped()), (false, false));
    }

    #[test]
    #[cfg(unix)]
    fn the_wait_for_a_pipe_can_be_stopped() {
        let (reader, mut writer) = io::pipe().expect("a pipe");
        let stop = Arc::default();
        let mut input = pipe(reader, &stop);
        io::Write::write_all(&mut writer, b"ab").expect("room");
        let mut buffer = [0; 8];
        assert_eq!(input.read(&mut buffer).expect("bytes"), 2);
        stop.store(true, Ordering::Relaxed);
        assert!(input.read(&mut buffer).is_err());
        assert!(input.stopped());
    }
}
