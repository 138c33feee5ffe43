//! Packets that are written in a spec, as a capture: Ethernet, IPv4 (RFC 791) or IPv6 (RFC 8200), and UDP, TCP or ICMP with right lengths and
//! checksums.
//!
//! What no test needs cannot be written: no options, no fragments, no tunnels. Those come from captures.

use super::options::{IcmpOptions, PacketOptions, TcpOptions};
use std::net::{IpAddr, SocketAddr};

/// Time of the start of a test: the first second of 2000.
const START: i64 = 946_684_800_000_000_000;
/// Time between two packets that do not say theirs.
const STEP: i64 = 1_000_000;
const FLAGS: [char; 8] = ['F', 'S', 'R', 'P', 'A', 'U', 'E', 'C'];

/// The packets as a pcap file with nanoseconds.
///
/// # Errors
/// One cannot be: which, and why.
pub fn capture(packets: &[PacketOptions]) -> Result<Vec<u8>, (usize, String)> {
    let mut out = Vec::new();
    // magic, version 2.4, zone, accuracy, the longest packet, Ethernet
    for word in [0xA1B2_3C4D_u32, 0x0004_0002, 0, 0, 262_144, 1] {
        out.extend_from_slice(&word.to_le_bytes());
    }
    let mut time = -STEP;
    for (index, packet) in packets.iter().enumerate() {
        let wrong = |why: String| (index, why);
        let given = packet.t.map(|t| t.0);
        let next = given.unwrap_or_else(|| time.saturating_add(STEP));
        time = next;
        let frame = frame(packet).map_err(wrong)?;
        let at = START.saturating_add(time);
        let seconds = u32::try_from(at / 1_000_000_000)
            .map_err(|_| wrong("its time is beyond what a capture can hold".to_owned()))?;
        let part = u32::try_from(at % 1_000_000_000).unwrap_or(0);
        let length = u32::try_from(frame.len()).unwrap_or(u32::MAX);
        for word in [seconds, part, length, length] {
            out.extend_from_slice(&word.to_le_bytes());
        }
        out.extend_from_slice(&frame);
    }
    Ok(out)
}

/// One end of a packet.
fn end(text: &str) -> Result<(IpAddr, Option<u16>), String> {
    if let Ok(end) = text.parse::<SocketAddr>() {
        return Ok((end.ip(), Some(end.port())));
    }
    match text.trim_matches(['[', ']']).parse() {
        Ok(address) => Ok((address, None)),
        Err(_) => Err(format!(
            "`{text}` is no address such as `10.0.0.1:5000` or `[fd00::1]:5000`"
        )),
    }
}

fn frame(packet: &PacketOptions) -> Result<Vec<u8>, String> {
    let (src, src_port) = end(&packet.src)?;
    let (dst, dst_port) = end(&packet.dst)?;
    let ports = || match (src_port, dst_port) {
        (Some(src), Some(dst)) => Ok([src.to_be_bytes(), dst.to_be_bytes()].concat()),
        _ => Err("its ends need ports: `10.0.0.1:5000`".to_owned()),
    };
    let is_ipv6 = src.is_ipv6();
    let (protocol, mut segment, checksum_at) = match (&packet.udp, &packet.tcp, &packet.icmp) {
        (Some(udp), None, None) => {
            let mut segment = ports()?;
            let length = length(8 + udp.payload.0.len())?;
            segment.extend_from_slice(&length.to_be_bytes());
            segment.extend_from_slice(&[0, 0]);
            segment.extend_from_slice(&udp.payload.0);
            (17, segment, 6)
        }
        (None, Some(tcp), None) => (6, tcp_segment(ports()?, tcp)?, 16),
        (None, None, Some(icmp)) => (if is_ipv6 { 58 } else { 1 }, icmp_message(icmp), 2),
        _ => return Err("it is one of `udp`, `tcp` and `icmp`".to_owned()),
    };
    let (src, dst) = match (src, dst) {
        (IpAddr::V4(src), IpAddr::V4(dst)) => (src.octets().to_vec(), dst.octets().to_vec()),
        (IpAddr::V6(src), IpAddr::V6(dst)) => (src.octets().to_vec(), dst.octets().to_vec()),
        _ => return Err("its ends are of two kinds of addresses".to_owned()),
    };
    let size = length(segment.len())?;
    // ICMP over IPv4 has no pseudo-header (RFC 792)
    let mut summed = Vec::new();
    if protocol != 1 {
        summed = [&src[..], &dst[..], &[0, protocol], &size.to_be_bytes()].concat();
    }
    summed.extend_from_slice(&segment);
    let mut sum = checksum(&summed);
    if protocol == 17 && sum == 0 {
        sum = 0xFFFF; // RFC 768: zero would mean none
    }
    if let Some(place) = segment.get_mut(checksum_at..checksum_at + 2) {
        place.copy_from_slice(&sum.to_be_bytes());
    }
    let kind: u16 = if is_ipv6 { 0x86DD } else { 0x0800 };
    let mut out = vec![2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1];
    out.extend_from_slice(&kind.to_be_bytes());
    if is_ipv6 {
        out.extend_from_slice(&[0x60, 0, 0, 0]);
        out.extend_from_slice(&size.to_be_bytes());
        out.extend_from_slice(&[protocol, packet.ttl]);
        out.extend_from_slice(&src);
        out.extend_from_slice(&dst);
    } else {
        let total = length(20 + segment.len())?.to_be_bytes();
        let [high, low] = total;
        let fixed = [
            0x45, 0, high, low, 0, 0, 0x40, 0, packet.ttl, protocol, 0, 0,
        ];
        let mut header = [&fixed[..], &src, &dst].concat();
        let sum = checksum(&header).to_be_bytes();
        if let Some(place) = header.get_mut(10..12) {
            place.copy_from_slice(&sum);
        }
        out.extend_from_slice(&header);
    }
    out.extend_from_slice(&segment);
    Ok(out)
}

fn length(bytes: usize) -> Result<u16, String> {
    u16::try_from(bytes).map_err(|_| format!("{bytes} bytes are too many for a packet"))
}

fn tcp_segment(ports: Vec<u8>, tcp: &TcpOptions) -> Result<Vec<u8>, String> {
    let mut flags = 0;
    for letter in tcp.flags.chars() {
        let Some(bit) = FLAGS
            .iter()
            .position(|flag| *flag == letter.to_ascii_uppercase())
        else {
            return Err(format!(
                "`{letter}` is no flag: they are F, S, R, P, A, U, E, C"
            ));
        };
        flags |= 1u8 << bit;
    }
    let mut segment = ports;
    segment.extend_from_slice(&tcp.seq.to_be_bytes());
    segment.extend_from_slice(&tcp.ack.to_be_bytes());
    segment.extend_from_slice(&[0x50, flags]);
    segment.extend_from_slice(&tcp.window.to_be_bytes());
    segment.extend_from_slice(&[0; 4]);
    segment.extend_from_slice(&tcp.payload.0);
    Ok(segment)
}

fn icmp_message(icmp: &IcmpOptions) -> Vec<u8> {
    let mut message = vec![icmp.kind, icmp.code, 0, 0];
    message.extend_from_slice(&icmp.id.to_be_bytes());
    message.extend_from_slice(&icmp.seq.to_be_bytes());
    message.extend_from_slice(&icmp.payload.0);
    message
}

/// The internet checksum (RFC 1071).
fn checksum(bytes: &[u8]) -> u16 {
    let words = bytes.chunks(2).map(|pair| match pair {
        [high, low] => u32::from(u16::from_be_bytes([*high, *low])),
        [high] => u32::from(u16::from_be_bytes([*high, 0])),
        _ => 0,
    });
    let mut sum: u32 = words.sum();
    while sum > 0xFFFF {
        sum = (sum & 0xFFFF) + (sum >> 16);
    }
    !u16::try_from(sum).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::super::options::UdpOptions;
    use super::*;
    use operators::options::{OptionValue as _, Setting};

    fn packet(src: &str, dst: &str) -> PacketOptions {
        PacketOptions {
            src: src.to_owned(),
            dst: dst.to_owned(),
            ..PacketOptions::default()
        }
    }

    #[test]
    fn a_datagram_by_hand() {
        let payload = Setting::Text("hex:6869".to_owned());
        let udp = UdpOptions {
            payload: super::super::options::Payload::read(&payload).unwrap(),
        };
        let packet = PacketOptions {
            udp: Some(udp),
            ..packet("10.0.0.1:5000", "10.0.0.2:53")
        };
        let out = capture(&[packet.clone(), packet]).unwrap();
        let first = &out[24 + 16..24 + 16 + 44];
        #[rustfmt::skip]
        let expected = [
            2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1, 8, 0,
            0x45, 0, 0, 30, 0, 0, 0x40, 0, 64, 17, 0x26, 0xCD, 10, 0, 0, 1, 10, 0, 0, 2,
            0x13, 0x88, 0, 53, 0, 10, 0x6F, 0xB1, 0x68, 0x69,
        ];
        assert_eq!(first, expected);
        // 1 ms later, in nanoseconds
        let second = &out[24 + 16 + 44..];
        assert_eq!(second[4..8], 1_000_000_u32.to_le_bytes());
    }

    #[test]
    fn checksums_add_up_to_nothing() {
        let tcp = TcpOptions {
            flags: "SA".to_owned(),
            ..TcpOptions::default()
        };
        let packet = PacketOptions {
            tcp: Some(tcp),
            ..packet("[fd00::1]:1", "[fd00::2]:2")
        };
        let out = capture(&[packet]).unwrap();
        let segment = &out[24 + 16 + 14 + 40..];
        let ends = &out[24 + 16 + 14 + 8..24 + 16 + 14 + 40];
        assert_eq!(segment[13], 0x12);
        let whole = [ends, &[0, 6, 0, 20], segment].concat();
        assert_eq!(checksum(&whole), 0);
    }

    #[test]
    fn what_cannot_be_is_said() {
        let icmp = |src, dst| PacketOptions {
            icmp: Some(IcmpOptions::default()),
            ..packet(src, dst)
        };
        assert!(capture(&[icmp("10.0.0.1", "10.0.0.2")]).is_ok());
        let (at, why) =
            capture(&[icmp("10.0.0.1", "10.0.0.2"), icmp("10.0.0.1", "fd00::1")]).unwrap_err();
        assert_eq!(
            (at, why.as_str()),
            (1, "its ends are of two kinds of addresses")
        );
        let none = capture(&[packet("10.0.0.1:1", "10.0.0.2:2")]).unwrap_err();
        assert!(none.1.contains("one of `udp`"));
        assert!(capture(&[icmp("x", "10.0.0.2")]).is_err());
        let tcp = PacketOptions {
            tcp: Some(TcpOptions::default()),
            ..packet("10.0.0.1", "10.0.0.2:2")
        };
        assert!(capture(&[tcp]).unwrap_err().1.contains("ports"));
    }
}
