//! Properties of decoding over generated frames: the paths agree, no bytes hurt, and more bytes never mean fewer packets.

use super::generate::{Frame, frames};
use super::reference::{self, agree};
use super::{DecodeOptions, Decoder, describe, stack};
use crate::books::{Books, Skip};
use crate::options::{Options, Setting};
use crate::packet::{Header, marks};
use crate::sources::Record;
use proptest::prelude::*;

fn inside_tunnels() -> DecodeOptions {
    let mut options = DecodeOptions::default();
    let all = Setting::Text("all".to_owned());
    options.set("decap", &all).expect("a known setting");
    options
}

fn record(frame: &Frame) -> Record {
    Record {
        original: frame.original,
        ..reference::record(frame.link, &frame.bytes)
    }
}

fn decode(options: &DecodeOptions, record: &Record, block: &[u8]) -> (Option<Header>, Books) {
    let mut books = Books::default();
    let header = Decoder::new(options).decode(record, 3, block, &mut books);
    let counted = u64::from(header.is_some()) + books.packets.skipped.total();
    assert_eq!(counted, 1, "each packet has one fate");
    (header, books)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 8192, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn all_paths_agree(frame in frames(2)) {
        agree(&record(&frame), &frame.bytes);
    }

    #[test]
    fn any_bytes_of_any_link_type_are_survived(
        link in prop::sample::select(vec![0, 1, 9, 12, 50, 101, 105, 108, 113, 127, 228, 229, 276, 147]),
        bytes in prop::collection::vec(any::<u8>(), 0..120),
    ) {
        let frame = reference::record(link, &bytes);
        agree(&frame, &bytes);
        decode(&inside_tunnels(), &frame, &bytes);
    }

    #[test]
    fn tunnels_keep_to_the_frame(frame in frames(4)) {
        let (options, whole) = (inside_tunnels(), record(&frame));
        let (header, _) = decode(&options, &whole, &frame.bytes);
        let Some(header) = header else { return Ok(()) };
        prop_assert!(header.payload + header.payload_captured <= header.captured);
        prop_assert!(header.payload_captured <= header.payload_len);
        prop_assert_eq!(header.depth > 0, header.is(marks::TUNNEL));
        prop_assert!(header.depth == 0 || header.outer < header.network);
        let described = describe(&frame.bytes, frame.link, frame.original, &options);
        match stack::text(header.stack, header.protocol) {
            Some(text) => prop_assert_eq!(text, described.0),
            None => prop_assert!(described.1 > stack::MOST || described.0.contains("PROTO140")),
        }
        // the outermost header is the one that is read without looking into tunnels
        let (outer, _) = decode(&DecodeOptions::default(), &whole, &frame.bytes);
        let outer = outer.expect("a packet is one with and without its tunnels");
        prop_assert_eq!(outer.network, if header.depth > 0 { header.outer } else { header.network });
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1024, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn more_captured_bytes_never_mean_fewer_packets(frame in frames(3)) {
        for options in [DecodeOptions::default(), inside_tunnels()] {
            let mut before: Option<Header> = None;
            for captured in 1..=frame.bytes.len() {
                let cut = Record { captured: captured as u32, ..record(&frame) };
                let (header, books) = decode(&options, &cut, &frame.bytes[..captured]);
                agree(&cut, &frame.bytes[..captured]);
                if books.packets.skipped.get(Skip::TooDeep) > 0 {
                    break;
                }
                if let Some(before) = before {
                    let header = header.expect("used with fewer bytes");
                    if header.depth == before.depth {
                        prop_assert_eq!(header.ip_len, before.ip_len);
                        prop_assert!(header.payload_captured >= before.payload_captured || !before.is(marks::TCP_KNOWN));
                    }
                }
                before = header;
            }
        }
    }
}
