//! Decodes any bytes and asserts what must hold of every header: the body of a fuzz target, and of tests.

use super::decoder::blank;
use super::{
    Checksum, Decap, DecodeOptions, Decoder, FragmentTable, Fragments, Reassembly, Tunnel,
    describe, fast, linktype, stack,
};
use crate::books::Books;
use crate::packet::Header;
use crate::sources::Record;

/// Link types of frames; the last one is not read.
const LINKS: [u16; 13] = [
    linktype::ETHERNET,
    linktype::NULL,
    linktype::PPP,
    12,
    101,
    linktype::PPP_HDLC,
    linktype::IEEE802_11,
    linktype::LOOP,
    linktype::LINUX_SLL,
    linktype::RADIOTAP,
    linktype::IPV6,
    linktype::LINUX_SLL2,
    147,
];

/// As a link type by number in `LINKS`, then frames: a length of two bytes each, whose highest bit says that the original was longer.
/// They come in this order to decoders that leave tunnels on, that take them off, and that look at
/// checksums; fragments are put together.
pub fn frames(bytes: &[u8]) {
    let Some((link, mut rest)) = bytes.split_first() else {
        return;
    };
    let link = LINKS.into_iter().cycle().nth((*link).into());
    let plain = DecodeOptions::default();
    let inside = DecodeOptions {
        decap: Tunnel::ALL.into_iter().collect::<Decap>(),
        ..plain.clone()
    };
    let joined = DecodeOptions {
        fragments: Fragments::Reassemble,
        ..inside.clone()
    };
    let judged = DecodeOptions {
        checksum: Checksum::DropBad,
        ..inside.clone()
    };
    let mut whole = Whole {
        decoder: Decoder::new(&joined),
        named: FragmentTable::default(),
        reassembly: Reassembly::default(),
        seen: 0,
    };
    let mut decoders = [&plain, &inside, &judged].map(|options| (options, Decoder::new(options)));
    let mut ord = 0_u64;
    while let Some(([high, low], behind)) = rest.split_first_chunk() {
        let length = usize::from(u16::from_be_bytes([high & 0x7F, *low]));
        let (frame, behind) = behind.split_at(length.min(behind.len()));
        rest = behind;
        let captured = u32::try_from(frame.len()).unwrap_or_default();
        let record = Record {
            offset: 0,
            captured,
            original: captured.saturating_add(u32::from(high >> 7).saturating_mul(1000)),
            link: link.unwrap_or_default(),
            time: 5,
            clock: 7,
        };
        agree(&record, frame);
        whole.take(&record, frame);
        ord = ord.saturating_add(1);
        for (options, decoder) in &mut decoders {
            let mut books = Books::default();
            let header = decoder.decode(&record, ord, frame, &mut books);
            assert_eq!(
                header.is_none(),
                books.packets.skipped.total() == 1,
                "each packet has one fate"
            );
            if let Some(header) = header {
                consistent(&header, frame, options);
            }
        }
    }
}

/// Puts fragments together.
struct Whole {
    decoder: Decoder,
    named: FragmentTable,
    reassembly: Reassembly,
    /// Captured bytes so far.
    seen: usize,
}

impl Whole {
    fn take(&mut self, record: &Record, frame: &[u8]) {
        self.seen = self.seen.saturating_add(frame.len());
        let mut books = Books::default();
        let (mut header, mut fragment) = (blank(record, 1), None);
        let decoder = &self.decoder;
        if !decoder.decode_into(&mut header, &mut fragment, record, 1, frame, &mut books) {
            return;
        }
        let Some(fragment) = fragment else { return };
        let is_known = self.named.apply(&mut header, &fragment, &mut books);
        let reassembly = &mut self.reassembly;
        if let Some(whole) = reassembly.push(&mut header, &fragment, is_known, frame, &mut books) {
            assert!(
                whole.len() <= self.seen,
                "no byte is made of nothing: {frame:02x?}"
            );
            assert_eq!(whole.len(), header.whole as usize);
        }
    }
}

/// Panics unless the fast path and the general path agree on this frame; gives what they say.
pub(super) fn agree(record: &Record, frame: &[u8]) -> (Option<Header>, Books) {
    let (mut books, mut fragment) = (Books::default(), None);
    let mut header = blank(record, 9);
    let options = DecodeOptions::default();
    let decoder = Decoder::new(&options);
    let used = decoder.decode_slowly(&mut header, &mut fragment, frame, &mut books);
    let mut counted = Books::default();
    let mut fast_header = blank(record, 9);
    if fast::decode(&mut fast_header, frame, &mut counted).is_some() {
        assert!(used && fragment.is_none(), "the fast path on {frame:02x?}");
        assert_eq!(header, fast_header, "the fast path on {frame:02x?}");
        assert_eq!(books, counted, "the books of the fast path on {frame:02x?}");
    } else {
        assert_eq!(
            counted,
            Books::default(),
            "given up, and counted {frame:02x?}"
        );
    }
    let header = used.then_some(header);
    if let Some(header) = &header {
        consistent(header, frame, &options);
    }
    (header, books)
}

/// What holds for every header.
fn consistent(header: &Header, frame: &[u8], options: &DecodeOptions) {
    let start = header.payload.checked_sub(header.frame);
    let payload = start
        .and_then(|start| frame.get(start as usize..))
        .and_then(|rest| rest.get(..header.payload_captured as usize));
    assert!(payload.is_some(), "payload beyond {frame:02x?}");
    assert!(header.payload_captured <= header.payload_len);
    assert!(header.network < header.transport && header.transport <= header.captured);
    let described = describe(frame, header.link, header.wire_len, options);
    match stack::text(header.stack, header.protocol) {
        Some(text) => assert_eq!(
            (text, stack::count(header.stack)),
            (described.0, Some(described.1))
        ),
        None => assert!(described.1 > stack::MOST || described.0.contains("PROTO140")),
    }
}
