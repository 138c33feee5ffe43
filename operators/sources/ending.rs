//! How the reading of an input ended, and why a file of another kind is refused.

use super::archive::Packing;
use super::walk::Stop;
use crate::books::{Fault, InputBooks, Partial, Refused};

/// How the reading of an input ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ending {
    /// Read to its end, or to the limit asked for.
    Whole,
    /// Read up to a fault.
    Partial(Partial, Fault),
    /// Not read at all.
    Refused(Refused, Fault),
}

impl Ending {
    /// Counts the fate of one input; `listed` is counted by whoever lists the inputs.
    pub fn count(&self, inputs: &mut InputBooks) {
        let fault = match self {
            Self::Whole => {
                inputs.whole += 1;
                return;
            }
            Self::Partial(reason, fault) => {
                inputs.partial.add(*reason);
                fault
            }
            Self::Refused(reason, fault) => {
                inputs.refused.add(*reason);
                fault
            }
        };
        inputs.faults.push(fault.clone());
    }
}

/// What other formats start with, and what to do about them.
const FOREIGN: [(&[u8], &str, &str); 8] = [
    (b"BZh", "a bzip2 file", "decompress it with `bunzip2`"),
    (
        b"PK\x03\x04",
        "a zip archive",
        "unpack it: only files on disk are looked into",
    ),
    (b"7z\xbc\xaf", "a 7z archive", "unpack it"),
    (
        b"\x02\x21\x4c\x18",
        "an lz4 file of the old format",
        "decompress it with `lz4 -d`",
    ),
    (
        b"snoop\0",
        "a snoop capture",
        "convert it with `editcap -F pcapng`",
    ),
    (
        b"GMBU",
        "a Network Monitor capture",
        "convert it with `editcap -F pcapng`",
    ),
    (
        b"RTSS",
        "a Network Monitor capture",
        "convert it with `editcap -F pcapng`",
    ),
    (
        b"XCP\0",
        "a NetXRay capture",
        "convert it with `editcap -F pcapng`",
    ),
];

/// Why a file that starts with `bytes` is refused.
pub(super) fn foreign(bytes: &[u8]) -> Stop {
    if let Some((_, what, advice)) = FOREIGN.iter().find(|(magic, ..)| bytes.starts_with(magic)) {
        return Stop::Refused(Refused::UnsupportedFormat, format!("{what}: {advice}"));
    }
    if bytes.get(257..262) == Some(b"ustar") {
        return Stop::Refused(
            Refused::UnsupportedFormat,
            "a tar archive: unpack it: only files on disk are looked into".to_owned(),
        );
    }
    let start = bytes.get(..Packing::MAGIC).unwrap_or(bytes);
    let hex: Vec<String> = start.iter().map(|byte| format!("{byte:02x}")).collect();
    Stop::Refused(
        Refused::NotACapture,
        format!(
            "it starts with {} (\"{}\"), which is no pcap, pcapng, gzip, zstd, lz4 or xz: \
             if it is a capture of another kind, convert it with `editcap -F pcapng`",
            hex.join(" "),
            start.escape_ascii()
        ),
    )
}
