//! The bytes of one input as the operating system gives them: a file up to the size it had when it was opened, or a pipe.
//!
//! Files are read and never mapped: a mapped file that shrinks kills the process.

use std::fs::File;
use std::io::{self, ErrorKind, Read};
use std::path::Path;

/// An open input.
pub(super) struct Input {
    from: Box<dyn Read + Send>,
    /// Bytes of the file when it was opened; `None` for pipes and devices.
    size: Option<u64>,
    read: u64,
    shrank: bool,
}

impl Input {
    /// Opens a file, or standard input for `-`.
    pub(super) fn open(path: &Path) -> io::Result<Self> {
        if path == Path::new("-") {
            return Ok(Self::new(Box::new(io::stdin()), None));
        }
        let file = File::open(path)?;
        let about = file.metadata()?;
        if about.is_dir() {
            return Err(ErrorKind::IsADirectory.into());
        }
        let size = about.is_file().then_some(about.len());
        Ok(Self::new(Box::new(file), size))
    }

    /// Bytes from anywhere; `size` is what they should be.
    pub(super) fn new(from: Box<dyn Read + Send>, size: Option<u64>) -> Self {
        Self {
            from,
            size,
            read: 0,
            shrank: false,
        }
    }

    /// Whether the file ended before the size it had when it was opened.
    pub(super) const fn shrank(&self) -> bool {
        self.shrank
    }

    /// Bytes read so far.
    pub(super) const fn position(&self) -> u64 {
        self.read
    }

    /// Bytes of the whole input, as far as they are known.
    pub(super) fn size(&self) -> u64 {
        self.size.unwrap_or(self.read)
    }
}

impl Read for Input {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        // A file that grows is read to the size it had.
        let left = self.size.map_or(u64::MAX, |size| size - self.read);
        let most = usize::try_from(left).map_or(buffer.len(), |left| left.min(buffer.len()));
        let buffer = buffer.get_mut(..most).unwrap_or_default();
        if buffer.is_empty() {
            return Ok(0);
        }
        loop {
            match self.from.read(buffer) {
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Ok(0) => {
                    self.shrank = self.size.is_some();
                    return Ok(0);
                }
                Ok(n) => {
                    self.read += n as u64;
                    return Ok(n);
                }
                Err(error) => return Err(error),
            }
        }
    }
}
