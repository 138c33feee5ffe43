//! The list of fuzz targets, one a parser. The bodies are product code: files `total.rs` beside the parsers.

use jayflow::spec;
use jayflow_operators::{decode, expressions, flows, privacy, protocols, sources};

/// What a target does with bytes: panics where something does not hold.
pub type Target = fn(&[u8]);

/// Bytes of a piece, a block, a buffer: what the last byte says.
fn size(bytes: &[u8]) -> usize {
    bytes.last().map_or(1, |last| usize::from(*last) + 1)
}

/// Name and body.
pub const TARGETS: [(&str, Target); 16] = [
    ("archive", |bytes| {
        sources::total::archive(bytes, size(bytes))
    }),
    ("pcap", |bytes| sources::total::pcap(bytes, size(bytes))),
    ("pcapng", |bytes| sources::total::pcapng(bytes, size(bytes))),
    ("decode", decode::total::frames),
    ("tcp_options", |bytes| {
        protocols::total::tcp_options(bytes, size(bytes))
    }),
    ("stream", flows::total::segments),
    ("tls", |bytes| protocols::total::tls(bytes, size(bytes))),
    ("quic", |bytes| protocols::total::quic(bytes, size(bytes))),
    ("ssh", |bytes| protocols::total::ssh(bytes, size(bytes))),
    ("dhcp", |bytes| protocols::total::dhcp(bytes, size(bytes))),
    ("dns", |bytes| protocols::total::dns(bytes, size(bytes))),
    ("greeting", |bytes| {
        protocols::total::greeting(bytes, size(bytes))
    }),
    ("http", |bytes| protocols::total::http(bytes, size(bytes))),
    ("spec", spec::total::bytes),
    ("expression", expressions::total::text),
    ("anonymise", privacy::total::rows),
];
