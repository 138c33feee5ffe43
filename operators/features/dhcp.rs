//! What a client and a server say in DHCP (RFC 2131): who asks, as what, and what it is given.
//!
//! A DISCOVER goes to all and an OFFER to the address that it offers: they are flows of their own, and each has what it says.

use super::extractor::{Extractor, Needs, NoOptions, Wanted};
use crate::columns::Address;
use crate::flows::Flow;
use crate::packet::{Direction, Packet};
use crate::protocols::dhcp::{self, code, kind};
use crate::protocols::text::{mac, push_decimal};
use crate::protocols::{Message, Protocols, ssh};
use crate::schema::Features;
use std::net::Ipv4Addr;

/// Columns of group `dhcp`, in output order. A message is a UDP datagram with the magic cookie of RFC 2131 and a message type, on any
/// port; a request is one with `op` 1, whichever way it goes.
#[derive(Features)]
#[features(profile = "JF-EXTRA", source = "RFC 2131, RFC 2132")]
pub struct Dhcp {
    /// Type of the first message (option 53): 1 DISCOVER, 2 OFFER, 3 REQUEST, 4 DECLINE, 5 ACK, 6 NAK, 7 RELEASE, 8 INFORM.
    #[column(scope = "flow", null = "not DHCP")]
    pub dhcp_msg_type: Option<u8>,
    /// Messages of both directions.
    #[column(unit = "count", scope = "flow", null = "not DHCP")]
    pub dhcp_messages: Option<u32>,
    /// Ethernet address of the client (`chaddr`) in the first message, lower-case hex with colons.
    #[column(
        private = "mac",
        scope = "flow",
        null = "not DHCP, or a client without Ethernet"
    )]
    pub dhcp_client_mac: Option<String>,
    /// Name of the client: option 12 of the first request that has it. Bytes outside 0x20..0x7e are shown as %XX.
    #[column(private = "name", scope = "flow", null = "no request has it")]
    pub dhcp_hostname: Option<String>,
    /// What the client is: option 60 of the first request that has it. Bytes outside 0x20..0x7e are shown as %XX.
    #[column(scope = "flow", null = "no request has it")]
    pub dhcp_vendor_class: Option<String>,
    /// Options that the client asks for, as it orders them: option 55 of the first request that has it, in decimal with commas between. It
    /// is known to tell systems apart.
    #[column(scope = "flow", null = "no request has it")]
    pub dhcp_param_list: Option<String>,
    /// Address that the client asks for: option 50 of the first request that has it.
    #[column(scope = "flow", null = "no request has it")]
    pub dhcp_requested_ip: Option<Address>,
    /// Address that the first ACK gives (`yiaddr`).
    #[column(scope = "flow", null = "no ACK, or none that gives an address")]
    pub dhcp_given_ip: Option<Address>,
    /// How long it gives it for: option 51 of the first ACK that has it.
    #[column(unit = "s", scope = "flow", null = "no ACK has it")]
    pub dhcp_lease: Option<u32>,
}

/// What is kept of an open record: nothing before its first message.
#[derive(Default)]
pub struct State(Option<Box<Facts>>);

#[derive(Default)]
struct Facts {
    kind: u8,
    messages: u32,
    client: Option<[u8; 6]>,
    hostname: Option<Vec<u8>>,
    vendor_class: Option<Vec<u8>>,
    parameters: Option<Vec<u8>>,
    requested: Option<u32>,
    given: Option<u32>,
    lease: Option<u32>,
}

impl Facts {
    fn message(&mut self, message: &dhcp::Message<'_>) {
        if self.messages == 0 {
            (self.kind, self.client) = (message.kind, message.client);
        }
        self.messages = self.messages.saturating_add(1);
        if message.is_request {
            let keep = |kept: &mut Option<Vec<u8>>, code| {
                if kept.is_none() {
                    *kept = message.option(code);
                }
            };
            keep(&mut self.hostname, code::HOST_NAME);
            keep(&mut self.vendor_class, code::VENDOR_CLASS);
            keep(&mut self.parameters, code::PARAMETER_LIST);
            let requested = || message.number(code::REQUESTED_ADDRESS);
            self.requested = self.requested.or_else(requested);
        } else if message.kind == kind::ACK {
            let given = Some(u32::from_be_bytes(message.given)).filter(|given| *given != 0);
            self.given = self.given.or(given);
            let lease = || message.number(code::LEASE_TIME);
            self.lease = self.lease.or_else(lease);
        }
    }
}

/// Bytes in decimal with commas between.
fn list(bytes: &[u8]) -> String {
    let mut text = String::new();
    for byte in bytes {
        if !text.is_empty() {
            text.push(',');
        }
        push_decimal(&mut text, *byte);
    }
    text
}

impl Extractor for State {
    type Features = Dhcp;
    type Options = NoOptions;
    type Plan = ();

    fn needs((): &()) -> Needs {
        Needs::messages(Protocols::DHCP)
    }

    fn plan(_: &NoOptions, _: &Wanted) {}

    fn packet(&mut self, _: &Packet<'_>, _: &Flow, (): &()) {}

    fn message(&mut self, message: &Message<'_>, _: Direction, _: i64, (): &()) {
        if let Message::Dhcp(message) = message {
            self.0.get_or_insert_default().message(message);
        }
    }

    fn finish(&self, _: &Flow, (): &()) -> Dhcp {
        let facts = self.0.as_deref();
        let address = |value: u32| Address::from(Ipv4Addr::from_bits(value));
        Dhcp {
            dhcp_msg_type: facts.map(|facts| facts.kind),
            dhcp_messages: facts.map(|facts| facts.messages),
            dhcp_client_mac: facts.and_then(|facts| facts.client).map(mac),
            dhcp_hostname: facts.and_then(|facts| facts.hostname.as_deref().map(ssh::text)),
            dhcp_vendor_class: facts.and_then(|facts| facts.vendor_class.as_deref().map(ssh::text)),
            dhcp_param_list: facts.and_then(|facts| facts.parameters.as_deref().map(list)),
            dhcp_requested_ip: facts.and_then(|facts| facts.requested).map(address),
            dhcp_given_ip: facts.and_then(|facts| facts.given).map(address),
            dhcp_lease: facts.and_then(|facts| facts.lease),
        }
    }

    fn heap_bytes(&self) -> usize {
        self.0.as_deref().map_or(0, |facts| {
            let texts = [&facts.hostname, &facts.vendor_class, &facts.parameters];
            let bytes = texts.into_iter().flatten().map(Vec::capacity);
            size_of::<Facts>() + bytes.sum::<usize>()
        })
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::Packets;
    use super::*;
    use crate::protocols::dhcp::tests::message;

    fn row(messages: &[Vec<u8>]) -> Dhcp {
        let mut state = State::default();
        for bytes in messages {
            let message = dhcp::Message::read(bytes).unwrap();
            state.message(&Message::Dhcp(message), Direction::Forward, 0, &());
        }
        state.finish(&Packets::udp().flow, &())
    }

    #[test]
    fn what_a_client_asks_for_and_is_given() {
        let discover = b"\x35\x01\x01\x32\x04\x0a\x00\x00\x05\x0c\x04pc\xff1\x37\x03\x01\x03\x06";
        let request = b"\x35\x01\x03\x0c\x05other\x3c\x08MSFT 5.0";
        let offer = b"\x35\x01\x02\x33\x04\x00\x00\x00\x01";
        let ack = b"\x35\x01\x05\x33\x04\x00\x01\x51\x80";
        let row = row(&[
            message(1, [0; 4], discover),
            message(2, [10, 0, 0, 9], offer),
            message(1, [0; 4], request),
            message(2, [10, 0, 0, 5], ack),
            message(2, [10, 0, 0, 6], ack),
        ]);
        assert_eq!((row.dhcp_msg_type, row.dhcp_messages), (Some(1), Some(5)));
        assert_eq!(row.dhcp_client_mac.as_deref(), Some("00:0b:82:01:fc:42"));
        assert_eq!(row.dhcp_hostname.as_deref(), Some("pc%FF1"));
        assert_eq!(row.dhcp_vendor_class.as_deref(), Some("MSFT 5.0"));
        assert_eq!(row.dhcp_param_list.as_deref(), Some("1,3,6"));
        let address = |last| Some(Address::from(Ipv4Addr::new(10, 0, 0, last)));
        assert_eq!(
            (row.dhcp_requested_ip, row.dhcp_given_ip),
            (address(5), address(5))
        );
        assert_eq!(row.dhcp_lease, Some(86_400));
    }

    #[test]
    fn what_nobody_says_is_null() {
        let bare = row(&[message(2, [0; 4], b"\x35\x01\x05")]);
        assert_eq!(bare.dhcp_msg_type, Some(5));
        assert_eq!((bare.dhcp_given_ip, bare.dhcp_lease), (None, None));
        assert_eq!((bare.dhcp_hostname, bare.dhcp_requested_ip), (None, None));
        assert_eq!(row(&[]).dhcp_messages, None);
    }
}
