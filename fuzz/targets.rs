//! The list of fuzz targets, one a parser. The bodies are product code: files `total.rs` beside the parsers.

use jayflow::spec;
use jayflow_operators::stored::total::with_file;
use jayflow_operators::{decode, expressions, flows, joins, privacy, protocols, sources, stored};

/// What a target does with bytes: panics where something does not hold.
pub type Target = fn(&[u8]);

/// Bytes of a piece, a block, a buffer: what the last byte says.
fn size(bytes: &[u8]) -> usize {
    bytes.last().map_or(1, |last| usize::from(*last) + 1)
}

/// As a file of rows with this ending: as cells, as a source, as a table of a join.
fn rows(bytes: &[u8], ending: &str) {
    let read = |path: &std::path::Path| {
        if stored::total::rows(path, size(bytes)) {
            sources::total::written(path);
            joins::total::table(path, size(bytes));
        }
    };
    with_file(bytes, &format!("a.{ending}"), read).expect("a temporary file");
}

/// Name and body.
pub const TARGETS: [(&str, Target); 24] = [
    ("archive", |bytes| {
        sources::total::archive(bytes, size(bytes))
    }),
    ("members", sources::total::members),
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
    ("dtls", |bytes| protocols::total::dtls(bytes, size(bytes))),
    ("greeting", |bytes| {
        protocols::total::greeting(bytes, size(bytes))
    }),
    ("http", |bytes| protocols::total::http(bytes, size(bytes))),
    ("csv", |bytes| rows(bytes, "csv")),
    ("jsonl", |bytes| rows(bytes, "jsonl")),
    ("parquet", |bytes| rows(bytes, "parquet")),
    ("arrow", |bytes| rows(bytes, "arrow")),
    ("list", |bytes| {
        with_file(bytes, "a.txt", |path| joins::total::list(path, bytes)).expect("a file");
    }),
    ("mmdb", |bytes| {
        with_file(bytes, "a.mmdb", |path| joins::total::mmdb(path, bytes)).expect("a file");
    }),
    ("spec", spec::total::bytes),
    ("expression", expressions::total::text),
    ("anonymise", privacy::total::rows),
];
