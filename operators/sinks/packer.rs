//! Bytes to a file, compressed where its settings say so: gzip (RFC 1952) or Zstandard (RFC 8878), by one thread.
//!
//! One member, one frame, no time in it and no name: the same bytes make the same file. Reading is not done here (`stored/unpack.rs`).

use super::TextCompression;
use super::file::WholeFile;
use crate::error::Error;
use flate2::write::GzEncoder;
use flate2::{Compression as Level, GzBuilder};
use std::io::{self, Write};
use zstd::stream::write::Encoder as ZstdEncoder;

/// A file with what compresses its bytes.
pub enum Packer {
    /// As they come.
    Plain(WholeFile),
    /// A gzip member.
    Gzip(GzEncoder<WholeFile>),
    /// A Zstandard frame.
    Zstd(ZstdEncoder<'static, WholeFile>),
}

impl Packer {
    /// For a file in this form.
    ///
    /// # Errors
    /// There is no memory for it.
    pub fn new(file: WholeFile, compression: TextCompression) -> Result<Self, Error> {
        Ok(match compression {
            TextCompression::None => Self::Plain(file),
            TextCompression::Gzip => Self::Gzip(GzBuilder::new().write(file, Level::default())),
            TextCompression::Zstd => {
                let encoder = ZstdEncoder::new(file, zstd::DEFAULT_COMPRESSION_LEVEL);
                Self::Zstd(encoder.map_err(|error| {
                    Error::new(format!("cannot compress: {error}")).because(error)
                })?)
            }
        })
    }

    /// The file.
    pub fn file(&self) -> &WholeFile {
        match self {
            Self::Plain(file) => file,
            Self::Gzip(encoder) => encoder.get_ref(),
            Self::Zstd(encoder) => encoder.get_ref(),
        }
    }

    fn out(&mut self) -> &mut dyn Write {
        match self {
            Self::Plain(file) => file,
            Self::Gzip(encoder) => encoder,
            Self::Zstd(encoder) => encoder,
        }
    }

    /// Writes and empties `piece`.
    ///
    /// # Errors
    /// The system failed.
    pub fn put(&mut self, piece: &mut Vec<u8>) -> Result<(), Error> {
        let written = self.out().write_all(piece);
        written.map_err(|error| self.file().failed(error))?;
        piece.clear();
        Ok(())
    }

    /// Lets all that was put be read from where it was written.
    ///
    /// # Errors
    /// The system failed.
    pub fn flush(&mut self) -> Result<(), Error> {
        let flushed = self.out().flush();
        flushed.map_err(|error| self.file().failed(error))
    }

    /// Gives the file its name.
    ///
    /// # Errors
    /// The system failed, or the path was taken during the run; nothing was left behind.
    pub fn commit(mut self) -> Result<(), Error> {
        let ended: io::Result<()> = match &mut self {
            Self::Plain(_) => Ok(()),
            Self::Gzip(encoder) => encoder.try_finish(),
            Self::Zstd(encoder) => encoder.do_finish(),
        };
        ended.map_err(|error| self.file().failed(error))?;
        match &mut self {
            Self::Plain(file) => file.commit(),
            Self::Gzip(encoder) => encoder.get_mut().commit(),
            Self::Zstd(encoder) => encoder.get_mut().commit(),
        }
    }
}
