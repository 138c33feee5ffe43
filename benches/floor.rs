//! The least that any flow meter has to do: reads a pcap file, parses its headers by hand, folds packets and bytes into a hash
//! table of flows, and prints the totals. Every ratio of the benches is taken against this program in the same run.
//!
//! No timeouts, no rows, no tunnels; later fragments are flows of their own; little-endian files of Ethernet frames only.
//! `floor CAPTURE [read|parse]` stops after that stage.

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, Read};

/// Bytes read at a time.
const BLOCK: usize = 256 << 10;
const FILE_HEADER: usize = 24;
const RECORD_HEADER: usize = 16;

/// A flow, whichever way its packets run: `a` is the smaller end.
#[derive(PartialEq, Eq, Hash)]
struct Key {
    a: u128,
    b: u128,
    ports: u32,
    protocol: u8,
}

/// Packets and bytes of each direction.
#[derive(Default)]
struct Flow {
    packets: [u64; 2],
    bytes: [u64; 2],
}

/// What is counted of a packet.
struct Packet {
    key: Key,
    /// Whether it runs from b to a.
    backward: bool,
    ip_length: u32,
}

fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_be_bytes(*bytes.get(at..)?.first_chunk()?))
}

fn u32_le(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_le_bytes(*bytes.get(at..)?.first_chunk()?))
}

/// Ethernet, up to two VLAN tags, IPv4 or IPv6 with its extension headers, ports of TCP and UDP.
fn parse(frame: &[u8]) -> Option<Packet> {
    let mut at = 12;
    let mut kind = u16_at(frame, at)?;
    for _ in 0..2 {
        if matches!(kind, 0x8100 | 0x88a8) {
            at += 4;
            kind = u16_at(frame, at)?;
        }
    }
    let ip = frame.get(at + 2..)?;
    let (source, destination, protocol, ip_length, transport) = match kind {
        0x0800 => {
            let header: &[u8; 20] = ip.first_chunk()?;
            let address = |at: usize| Some(u32::from_be_bytes(*header.get(at..)?.first_chunk()?));
            let is_later_fragment = u16_at(header, 6)? & 0x1fff != 0;
            let start = usize::from(header[0] & 15) * 4;
            let length = u32::from(u16_at(header, 2)?);
            let (source, destination) = (address(12)?.into(), address(16)?.into());
            let protocol = if is_later_fragment { 0 } else { header[9] };
            (source, destination, protocol, length, start)
        }
        0x86dd => {
            let header: &[u8; 40] = ip.first_chunk()?;
            let address = |at: usize| Some(u128::from_be_bytes(*header.get(at..)?.first_chunk()?));
            let (protocol, start) = skip_extensions(ip, header[6])?;
            let length = u32::from(u16_at(header, 4)?) + 40;
            (address(8)?, address(24)?, protocol, length, start)
        }
        _ => return None,
    };
    let (from, to) = match protocol {
        6 | 17 => (u16_at(ip, transport)?, u16_at(ip, transport + 2)?),
        _ => (0, 0),
    };
    let backward = (source, from) > (destination, to);
    let (a, b, low, high) = if backward {
        (destination, source, to, from)
    } else {
        (source, destination, from, to)
    };
    let ports = u32::from(low) << 16 | u32::from(high);
    Some(Packet {
        key: Key {
            a,
            b,
            ports,
            protocol,
        },
        backward,
        ip_length,
    })
}

/// The protocol behind the extension headers of IPv6, and where it starts.
fn skip_extensions(ip: &[u8], mut protocol: u8) -> Option<(u8, usize)> {
    let mut start = 40;
    while matches!(protocol, 0 | 43 | 60) {
        protocol = *ip.get(start)?;
        start += 8 + usize::from(*ip.get(start + 1)?) * 8;
    }
    Some((protocol, start))
}

fn main() -> io::Result<()> {
    let wrong = |what: &str| io::Error::new(io::ErrorKind::InvalidInput, what);
    let mut arguments = std::env::args().skip(1);
    let usage = "usage: floor CAPTURE.pcap [read|parse]";
    let mut file = File::open(arguments.next().ok_or_else(|| wrong(usage))?)?;
    let stage = arguments.next().unwrap_or_default();
    let mut header = [0; FILE_HEADER];
    file.read_exact(&mut header)?;
    if !matches!(u32_le(&header, 0), Some(0xa1b2_c3d4 | 0xa1b2_3c4d)) {
        return Err(wrong("not a little-endian pcap file"));
    }
    let mut flows: HashMap<Key, Flow, foldhash::fast::RandomState> = HashMap::default();
    let (mut read, mut captured, mut parsed, mut bytes) = (0u64, 0u64, 0u64, 0u64);
    // room for the largest record beside a block
    let mut block = vec![0; 2 * BLOCK];
    let mut filled = 0;
    loop {
        let got = file.read(&mut block[filled..][..BLOCK])?;
        filled += got;
        let mut at = 0;
        while let Some(length) = u32_le(&block[..filled], at + 8) {
            let start = at + RECORD_HEADER;
            let Some(frame) = block[..filled].get(start..start + length as usize) else {
                break;
            };
            at = start + frame.len();
            read += 1;
            captured += u64::from(length);
            if stage == "read" {
                continue;
            }
            let Some(packet) = parse(frame) else {
                continue;
            };
            parsed += 1;
            bytes += u64::from(packet.ip_length);
            if stage == "parse" {
                continue;
            }
            let flow = flows.entry(packet.key).or_default();
            flow.packets[usize::from(packet.backward)] += 1;
            flow.bytes[usize::from(packet.backward)] += u64::from(packet.ip_length);
        }
        block.copy_within(at..filled, 0);
        filled -= at;
        if got == 0 {
            break;
        }
        if filled > BLOCK {
            return Err(wrong("a record larger than a block"));
        }
    }
    let both_ways = flows.values().filter(|flow| flow.packets[1] > 0).count();
    println!(
        "{read} packets read of {captured} bytes, {parsed} parsed of {bytes} bytes, {} flows, {both_ways} both ways",
        flows.len()
    );
    Ok(())
}
