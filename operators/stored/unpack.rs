//! Files of lines that are compressed: gzip and Zstandard, told by their first bytes.
//!
//! Any number of members or frames. Memory is bounded by the window of the format and by the longest line: a few bytes may stand for a
//! disk full of them. What is damaged is an error; captures, which give what they can, are read elsewhere (`sources/archive.rs`).

use crate::error::Error;
use flate2::bufread::MultiGzDecoder;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::Path;
use zstd::stream::read::Decoder as ZstdDecoder;

/// Bytes read at a time.
const BUFFER: usize = 1 << 16;
/// Bytes of a line of a compressed file at most.
const LONGEST: usize = 64 << 20;
/// The largest window of Zstandard, as a power of two: that of `zstd --ultra -22`.
const WINDOW: u32 = 27;

/// Opens a file of lines, compressed or not.
///
/// # Errors
/// It cannot be read.
pub(crate) fn open(path: &Path) -> Result<Box<dyn Read>, Error> {
    let failed = |error| Error::file("read", path, error);
    let file = File::open(path).map_err(failed)?;
    let mut file = BufReader::with_capacity(BUFFER, file);
    let head = file.fill_buf().map_err(failed)?;
    Ok(match *head {
        [0x1f, 0x8b, ..] => Box::new(Lines::new(MultiGzDecoder::new(file))),
        [0x28, 0xb5, 0x2f, 0xfd, ..] => {
            let mut decoder = ZstdDecoder::with_buffer(file).map_err(failed)?;
            decoder.window_log_max(WINDOW).map_err(failed)?;
            Box::new(Lines::new(decoder))
        }
        _ => Box::new(file),
    })
}

/// The name of a file without the ending that says how it is compressed.
pub(crate) fn inner(name: &str) -> &str {
    let endings = [".gz", ".zst"];
    let of = |ending: &&str| {
        let (rest, end) = name.split_at_checked(name.len().checked_sub(ending.len())?)?;
        end.eq_ignore_ascii_case(ending).then_some(rest)
    };
    endings.iter().find_map(of).unwrap_or(name)
}

/// Bytes of which no line is too long.
struct Lines<R> {
    input: R,
    /// Bytes since the last end of a line.
    line: usize,
}

impl<R: Read> Lines<R> {
    fn new(input: R) -> Self {
        Self { input, line: 0 }
    }
}

impl<R: Read> Read for Lines<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let n = self.input.read(buffer)?;
        let read = buffer.get(..n).unwrap_or_default();
        self.line = match memchr::memrchr(b'\n', read) {
            Some(end) => n - end - 1,
            None => self.line + n,
        };
        match self.line > LONGEST {
            true => Err(io::Error::other(format!(
                "a line is longer than {} MiB",
                LONGEST >> 20
            ))),
            false => Ok(n),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use flate2::write::GzEncoder;
    use std::io::Write as _;

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), flate2::Compression::fast());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    fn read(bytes: &[u8]) -> io::Result<Vec<u8>> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a");
        std::fs::write(&path, bytes).unwrap();
        let mut all = Vec::new();
        open(&path).unwrap().read_to_end(&mut all)?;
        Ok(all)
    }

    #[test]
    fn members_and_frames_are_one_text() {
        let zstd = |text: &[u8]| zstd::encode_all(text, 1).unwrap();
        assert_eq!(read(b"a\nb").unwrap(), b"a\nb");
        assert_eq!(read(b"").unwrap(), b"");
        assert_eq!(read(&[gzip(b"a\n"), gzip(b"b")].concat()).unwrap(), b"a\nb");
        assert_eq!(read(&[zstd(b"a\n"), zstd(b"b")].concat()).unwrap(), b"a\nb");
    }

    #[test]
    fn damage_and_lines_without_end_are_errors() {
        let whole = gzip(b"some text\n");
        assert!(read(&whole[..whole.len() - 5]).is_err());
        let zstd = zstd::encode_all(&[b'a'; 1000][..], 1).unwrap();
        assert!(read(&zstd[..zstd.len() - 2]).is_err());
        let error = read(&gzip(&vec![0; LONGEST + BUFFER])).unwrap_err();
        assert!(error.to_string().contains("longer than 64 MiB"), "{error}");
    }

    #[test]
    fn the_inner_ending() {
        for (name, expected) in [
            ("a.csv.gz", "a.csv"),
            ("A.CSV.ZST", "A.CSV"),
            ("a.csv", "a.csv"),
            ("é.gz", "é"),
            ("gz", "gz"),
        ] {
            assert_eq!(inner(name), expected);
        }
    }
}
