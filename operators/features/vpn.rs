//! Whether a flow is that of a virtual private network, by what its handshake shows: WireGuard (the protocol paper, section 5.4) and
//! OpenVPN (its wire protocol, draft-ietf-opsawg-openvpn).
//!
//! No port is looked at, and nothing is decrypted. OpenVPN is not told where its handshake was not seen both ways.

use super::extractor::{Extractor, Needs, NoOptions, Wanted};
use crate::decode::protocol;
use crate::flows::Flow;
use crate::packet::{Packet, marks};
use crate::schema::Features;

/// Columns of group `vpn`, in output order.
#[derive(Features)]
#[features(profile = "JF-EXTRA")]
pub struct Vpn {
    /// A UDP datagram is a handshake message of WireGuard: an initiation (type 1, 148 bytes), a response (type 2, 92 bytes) or a cookie
    /// (type 3, 64 bytes), with three zero bytes behind the type; or two datagrams of one direction, one behind the other, are transport
    /// data (type 4 with three zero bytes, 32 bytes or more, a multiple of 16) for the same receiver with a counter that goes up.
    #[column(scope = "flow", source = "Donenfeld, WireGuard, section 5.4")]
    pub wireguard: bool,
    /// The first payload of the initiator is a hard reset of an OpenVPN client (opcode 1, 7 or 10, key 0, a session id that is not 0, 14
    /// bytes at least), and the first of the responder one of a server (opcode 2 or 8) with another session id. Over TCP both stand behind
    /// the length of their packet, which is that of the payload or less.
    #[column(scope = "flow", source = "OpenVPN, wire protocol")]
    pub openvpn: bool,
}

/// Bytes that are looked at: type, receiver and counter of WireGuard; length, opcode and session id of OpenVPN are fewer.
const LOOKED_AT: u32 = 16;

/// What is kept of an open record.
#[derive(Default)]
pub struct State {
    is_wireguard: bool,
    /// By direction, receiver and counter of the last datagram, if that may be transport data of WireGuard.
    data: [Option<(u32, u64)>; 2],
    /// By direction, the first payload.
    first: [First; 2],
}

/// What the first payload of a direction is to OpenVPN.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
enum First {
    /// There was none.
    #[default]
    None,
    Client(u64),
    Server(u64),
    Other,
}

/// Bytes of a hard reset at least: opcode, session id, number of acknowledgements, packet id.
const RESET: u32 = 1 + 8 + 1 + 4;

impl First {
    /// Of a payload with this many bytes, the first of which are here.
    fn of(bytes: &[u8], length: u32) -> Self {
        let Some(([opcode, session @ ..], _)) = bytes.split_first_chunk::<9>() else {
            return Self::Other;
        };
        let session = u64::from_be_bytes(*session);
        // the lower three bits are the number of the key, 0 at first
        match opcode {
            _ if length < RESET || session == 0 => Self::Other,
            0x08 | 0x38 | 0x50 => Self::Client(session),
            0x10 | 0x40 => Self::Server(session),
            _ => Self::Other,
        }
    }

    /// The same over TCP.
    fn of_stream(bytes: &[u8], length: u32) -> Self {
        match bytes.split_first_chunk() {
            Some((packet, rest)) => {
                let packet = u32::from(u16::from_be_bytes(*packet));
                if packet.checked_add(2).is_some_and(|end| end <= length) {
                    Self::of(rest, packet)
                } else {
                    Self::Other
                }
            }
            None => Self::Other,
        }
    }
}

/// Whether this is a handshake message of WireGuard.
fn is_handshake(bytes: &[u8], length: u32) -> bool {
    matches!(
        (bytes, length),
        ([1, 0, 0, 0, ..], 148) | ([2, 0, 0, 0, ..], 92) | ([3, 0, 0, 0, ..], 64)
    )
}

/// Receiver and counter of transport data of WireGuard.
fn transport_data(bytes: &[u8], length: u32) -> Option<(u32, u64)> {
    let (head, rest) = bytes.split_first_chunk()?;
    let (receiver, rest) = rest.split_first_chunk()?;
    let counter = u64::from_le_bytes(*rest.first_chunk()?);
    let is_data = *head == [4, 0, 0, 0] && length >= 32 && length.is_multiple_of(16);
    is_data.then_some((u32::from_le_bytes(*receiver), counter))
}

impl Extractor for State {
    type Features = Vpn;
    type Options = NoOptions;
    type Plan = ();

    fn needs((): &()) -> Needs {
        Needs {
            payload: LOOKED_AT,
            ..Needs::NONE
        }
    }

    fn plan(_: &NoOptions, _: &Wanted) {}

    fn packet(&mut self, packet: &Packet<'_>, flow: &Flow, (): &()) {
        let (bytes, length) = (packet.payload(), packet.payload_len);
        if length == 0 || packet.is(marks::LATER_FRAGMENT) {
            return;
        }
        let is_udp = flow.key.protocol == protocol::UDP;
        if is_udp && !self.is_wireguard {
            let last = &mut self.data[packet.direction as usize];
            let data = transport_data(bytes, length);
            let follows = last
                .zip(data)
                .is_some_and(|((receiver, last), (to, counter))| receiver == to && counter > last);
            *last = data;
            self.is_wireguard = follows || is_handshake(bytes, length);
        }
        let first = &mut self.first[packet.direction as usize];
        if *first == First::None {
            *first = match flow.key.protocol {
                protocol::UDP => First::of(bytes, length),
                protocol::TCP => First::of_stream(bytes, length),
                _ => First::Other,
            };
        }
    }

    fn finish(&self, _: &Flow, (): &()) -> Vpn {
        let openvpn = match self.first {
            [First::Client(client), First::Server(server)] => client != server,
            _ => false,
        };
        Vpn {
            wireguard: self.is_wireguard,
            openvpn,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{Packets, back, forth};
    use super::*;

    fn message(kind: u8, length: usize) -> Vec<u8> {
        let mut bytes = vec![0; length];
        bytes[0] = kind;
        bytes
    }

    #[test]
    fn handshakes_of_wireguard() {
        let of = |kind, length| {
            let packet = forth().payload(&message(kind, length));
            Packets::udp()
                .push(packet)
                .finish::<State>(&NoOptions)
                .wireguard
        };
        assert!(of(1, 148) && of(2, 92) && of(3, 64));
        assert!(
            !of(1, 147) && !of(2, 148) && !of(4, 64),
            "other lengths, data"
        );
        let tcp = Packets::tcp().push(forth().payload(&message(1, 148)));
        assert!(!tcp.finish::<State>(&NoOptions).wireguard);
    }

    #[test]
    fn transport_data_of_wireguard() {
        let data = |receiver: u8, counter: u8, length: usize| {
            let mut bytes = message(4, length);
            (bytes[4], bytes[8]) = (receiver, counter);
            forth().payload(&bytes)
        };
        let of = |one, two| {
            let flow = Packets::udp().push(one).push(two);
            flow.finish::<State>(&NoOptions).wireguard
        };
        assert!(of(data(1, 5, 32), data(1, 7, 96)));
        assert!(!of(data(1, 5, 32), data(1, 5, 32)), "the same counter");
        assert!(!of(data(1, 5, 32), data(2, 6, 32)), "another receiver");
        assert!(!of(data(1, 5, 32), data(1, 6, 40)), "not padded");
        assert!(
            !of(data(1, 5, 32), back().payload(&message(4, 32))),
            "other ways"
        );
    }

    /// A hard reset without authentication: session id, no acknowledgement, packet id 0.
    fn reset(opcode: u8, session: u8) -> Vec<u8> {
        [&[opcode][..], &[session; 8], &[0; 5]].concat()
    }

    #[test]
    fn handshakes_of_openvpn() {
        let of = |client: &[u8], server: &[u8]| {
            let flow = Packets::udp().push(forth().payload(client));
            let flow = flow
                .push(back().payload(server))
                .push(forth().payload(b"x"));
            flow.finish::<State>(&NoOptions).openvpn
        };
        assert!(of(&reset(0x38, 7), &reset(0x40, 8)));
        assert!(!of(&reset(0x38, 7), &reset(0x40, 7)), "the same session");
        assert!(!of(&reset(0x40, 7), &reset(0x38, 8)), "turned round");
        assert!(!of(&reset(0x39, 7), &reset(0x40, 8)), "another key");
        assert!(!of(&reset(0x38, 0), &reset(0x40, 8)), "no session");
        assert!(!of(&reset(0x38, 7)[..13], &reset(0x40, 8)), "cut");
        let framed = |reset: Vec<u8>| [&[0, 14][..], &reset].concat();
        let tcp = Packets::tcp()
            .push(forth())
            .push(forth().payload(&framed(reset(0x38, 7))))
            .push(back().payload(&framed(reset(0x40, 8))));
        assert!(tcp.finish::<State>(&NoOptions).openvpn);
        let bare = Packets::tcp()
            .push(forth().payload(&reset(0x38, 7)))
            .push(back().payload(&reset(0x40, 8)));
        assert!(!bare.finish::<State>(&NoOptions).openvpn);
    }
}
