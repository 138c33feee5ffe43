use super::tar::tests::tar;
use super::zip::tests::zip;
use super::*;
use crate::Books;
use crate::packet::BlockPool;
use crate::sources::{Bounds, Ending, Reader};
use std::io::Write as _;

/// A capture of so many packets of a byte each.
fn pcap(packets: u32) -> Vec<u8> {
    let mut file = vec![0xd4, 0xc3, 0xb2, 0xa1, 2, 0, 4, 0];
    for word in [0_u32, 0, 262_144, 1] {
        file.extend(word.to_le_bytes());
    }
    for number in 0..packets {
        for word in [number, 0, 1, 1] {
            file.extend(word.to_le_bytes());
        }
        file.push(7);
    }
    file
}

fn packed(bytes: &[u8], kind: &str) -> Vec<u8> {
    match kind {
        "gz" => {
            let mut encoder =
                flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
            encoder.write_all(bytes).unwrap();
            encoder.finish().unwrap()
        }
        "zst" => zstd::encode_all(bytes, 1).unwrap(),
        "lz4" => {
            let mut encoder = lz4_flex::frame::FrameEncoder::new(Vec::new());
            encoder.write_all(bytes).unwrap();
            encoder.finish().unwrap()
        }
        "xz" => {
            let mut out = Vec::new();
            let mut encoder = liblzma::read::XzEncoder::new(bytes, 1);
            encoder.read_to_end(&mut out).unwrap();
            out
        }
        _ => bytes.to_vec(),
    }
}

/// What is read of a file with these bytes: name, packets and ending of each input.
fn read(bytes: &[u8], order: impl Fn(&mut Vec<CapturePath>)) -> Vec<(String, u64, String)> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("all");
    std::fs::write(&path, bytes).unwrap();
    let mut captures = in_archives(vec![path.clone()]);
    order(&mut captures);
    let streams = Streams::default();
    let read = captures.iter().map(|capture| {
        let mut books = Books::default();
        let mut reader = Reader::open_in(
            capture,
            &streams,
            0,
            BlockPool::default(),
            Bounds::default(),
            &Arc::default(),
        );
        while reader.next(&mut books).is_some() {}
        let name = capture.name();
        let name = name.strip_prefix(path.to_str().unwrap()).unwrap();
        let ending = match reader.end() {
            Ending::Whole => "whole".to_owned(),
            Ending::Partial(_, fault) | Ending::Refused(_, fault) => {
                format!("{}: {}", fault.reason, fault.hint)
            }
        };
        (name.to_owned(), books.packets.read, ending)
    });
    read.collect()
}

fn whole(name: &str, packets: u64) -> (String, u64, String) {
    (name.to_owned(), packets, "whole".to_owned())
}

#[test]
fn members_are_inputs_in_every_packing() {
    let (one, two) = (pcap(3), packed(&pcap(70_000), "gz"));
    let archive = tar(&[
        ("d/one.pcap", &one),
        ("../two.pcap.gz", &two),
        ("three", &one),
    ]);
    let expected = [
        whole("/d/one.pcap", 3),
        whole("/../two.pcap.gz", 70_000),
        whole("/three", 3),
    ];
    for kind in ["", "gz", "zst", "lz4", "xz"] {
        let bytes = packed(&archive, kind);
        assert_eq!(read(&bytes, |_| {}), expected, "{kind}");
        // in another order a stream is begun again
        let mut backwards = read(&bytes, |all| all.reverse());
        backwards.reverse();
        assert_eq!(backwards, expected, "{kind}");
    }
    let archive = zip(&[
        ("d/one.pcap", 8, &one),
        ("d/", 0, b""),
        ("../two.pcap.gz", 0, &two),
        ("three", 93, &one),
    ]);
    assert_eq!(read(&archive, |_| {}), expected);
}

#[test]
fn what_is_no_capture_is_refused_like_a_file_of_its_own() {
    let inner = tar(&[("a", &pcap(1))]);
    let archive = tar(&[
        ("notes.txt", b"no capture at all"),
        ("inner.tar", &inner),
        ("empty", b""),
        ("a.pcap", &pcap(2)),
    ]);
    for bytes in [archive.clone(), packed(&archive, "gz")] {
        let found = read(&bytes, |_| {});
        let starts = [
            "not_a_capture",
            "unsupported_format: a tar archive",
            "empty",
            "whole",
        ];
        for ((name, _, ending), start) in found.iter().zip(starts) {
            assert!(ending.starts_with(start), "{name}: {ending}");
        }
        assert_eq!(found.len(), 4);
    }
    let found = read(&tar(&[]), |_| {});
    assert_eq!(found.len(), 1, "{found:?}");
    let (_, _, ending) = &read(&zip(&[]), |_| {})[0];
    assert!(
        ending.starts_with("empty: an archive without files"),
        "{ending}"
    );
}

#[test]
fn a_cut_archive_gives_what_is_before_the_cut() {
    let archive = tar(&[("a", &pcap(3)), ("b", &pcap(100))]);
    let cut = &archive[..archive.len() - 1024 - 700];
    for bytes in [cut.to_vec(), packed(cut, "gz")] {
        let found = read(&bytes, |_| {});
        assert_eq!((found.len(), &found[0]), (2, &whole("/a", 3)));
        let told = "truncated: the archive stream ends early";
        assert!(found[1].1 > 0 && found[1].2.starts_with(told), "{found:?}");
    }
    // between members nobody else tells it
    let between = &archive[..1024 + 100];
    for bytes in [between.to_vec(), packed(between, "xz")] {
        let found = read(&bytes, |_| {});
        assert_eq!((found.len(), &found[0]), (2, &whole("/a", 3)));
        let told = "truncated: the archive ends early";
        assert!(found[1].2.starts_with(told), "{found:?}");
    }
    // one of which not even the first header comes out is a file like another
    let found = read(&packed(&archive, "zst")[..100], |_| {});
    assert!(found[0].2.starts_with("truncated: the zstd"), "{found:?}");
    let mut archive = zip(&[("a", 8, &pcap(300)), ("b", 0, &pcap(100))]);
    let place = archive.len() - 600;
    archive[place] ^= 0xff;
    let found = read(&archive, |_| {});
    assert_eq!(found[0], whole("/a", 300));
    assert!(found[1].2.starts_with("damaged"), "{found:?}");
}
