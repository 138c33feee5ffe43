//! DHCP for IPv4 (RFC 2131, RFC 2132): a datagram to its fields and options.
//!
//! The magic cookie tells it, not a port. BOOTP without a message type is refused. Options go on in the fields `file` and `sname`
//! where option 52 says so, and an option that comes in pieces is one (RFC 3396). DHCPv6 is another protocol, and not read.

use super::reader::Reader;

/// Where the options start: a header of 236 bytes and the cookie.
const HEADER: usize = 236;
const COOKIE: [u8; 4] = [99, 130, 83, 99];

/// Codes of options (RFC 2132).
pub mod code {
    /// Nothing.
    pub const PAD: u8 = 0;
    /// Name of the client.
    pub const HOST_NAME: u8 = 12;
    /// Address that the client asks for.
    pub const REQUESTED_ADDRESS: u8 = 50;
    /// How long the address is given for, seconds.
    pub const LEASE_TIME: u8 = 51;
    /// Which other fields hold options: 1 `file`, 2 `sname`, 3 both.
    pub const OVERLOAD: u8 = 52;
    /// Type of the message.
    pub const MESSAGE_TYPE: u8 = 53;
    /// Options that the client asks for.
    pub const PARAMETER_LIST: u8 = 55;
    /// What the client is.
    pub const VENDOR_CLASS: u8 = 60;
    /// The end.
    pub const END: u8 = 255;
}

/// Types of messages (RFC 2132 section 9.6).
pub mod kind {
    /// The server gives the address.
    pub const ACK: u8 = 5;
}

/// A message.
#[derive(Clone, Copy, Debug)]
pub struct Message<'a> {
    /// Whether a client, or a relay for it, sent it (`op` 1); else a server did.
    pub is_request: bool,
    /// Option 53: 1 DISCOVER, 2 OFFER, 3 REQUEST, 4 DECLINE, 5 ACK, 6 NAK, 7 RELEASE, 8 INFORM and those registered since.
    pub kind: u8,
    /// Link-layer address of the client, where it is one of Ethernet.
    pub client: Option<[u8; 6]>,
    /// Address that the server gives (`yiaddr`); zeros = none.
    pub given: [u8; 4],
    /// The fields that hold options, in the order in which they are read.
    fields: [&'a [u8]; 3],
}

impl<'a> Message<'a> {
    /// Reads a datagram.
    pub fn read(bytes: &'a [u8]) -> Option<Self> {
        let (header, rest) = bytes.split_at_checked(HEADER)?;
        let (cookie, options) = rest.split_first_chunk()?;
        if *cookie != COOKIE {
            return None;
        }
        let mut reader = Reader::new(header);
        let [operation, hardware, length, _hops] = reader.array()?;
        if !matches!(operation, 1 | 2) || length > 16 {
            return None;
        }
        // xid, secs, flags, ciaddr
        reader.take(12)?;
        let given = reader.array()?;
        // siaddr, giaddr
        reader.take(8)?;
        let client = reader.array::<16>()?;
        let (server_name, file) = (reader.take(64)?, reader.take(128)?);
        let own = |wanted| Options(options).find(|(code, _)| *code == wanted);
        let overload = own(code::OVERLOAD).map_or(0, |(_, value)| *value.first().unwrap_or(&0));
        let used = |bit: u8, field: &'a [u8]| if overload & bit > 0 { field } else { &[] };
        let (_, kind) = own(code::MESSAGE_TYPE)?;
        Some(Self {
            is_request: operation == 1,
            kind: *kind.first().filter(|kind| **kind > 0)?,
            client: client
                .first_chunk()
                .filter(|_| (hardware, length) == (1, 6))
                .copied(),
            given,
            fields: [options, used(1, file), used(2, server_name)],
        })
    }

    /// The value of an option, put together of its pieces.
    pub fn option(&self, wanted: u8) -> Option<Vec<u8>> {
        let options = self.fields.into_iter().flat_map(Options);
        options
            .filter(|(code, _)| *code == wanted)
            .map(|(_, piece)| piece.to_vec())
            .reduce(|one, next| [one, next].concat())
    }

    /// The same as a number.
    pub fn number(&self, wanted: u8) -> Option<u32> {
        let value = self.option(wanted)?;
        value.try_into().ok().map(u32::from_be_bytes)
    }
}

/// Options one after the other, up to the end mark or to the first one that does not fit.
struct Options<'a>(&'a [u8]);

impl<'a> Iterator for Options<'a> {
    type Item = (u8, &'a [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        let mut reader = Reader::new(self.0);
        loop {
            match reader.u8()? {
                code::PAD => {}
                code::END => {
                    self.0 = &[];
                    return None;
                }
                code => {
                    let value = reader.vector8();
                    self.0 = value.map_or(&[], |_| reader.rest());
                    return value.map(|value| (code, value));
                }
            }
        }
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// A message: operation, `yiaddr`, options.
    pub fn message(operation: u8, given: [u8; 4], options: &[u8]) -> Vec<u8> {
        let mut bytes = vec![0; HEADER];
        bytes[..4].copy_from_slice(&[operation, 1, 6, 0]);
        bytes[16..20].copy_from_slice(&given);
        bytes[28..34].copy_from_slice(&[0, 0x0b, 0x82, 1, 0xfc, 0x42]);
        [&bytes, &COOKIE[..], options].concat()
    }

    #[test]
    fn fields_and_options() {
        let bytes = message(
            2,
            [192, 168, 0, 10],
            b"\x35\x01\x05\x00\x33\x04\x00\x00\x0e\x10\x0c\x01a\xff\x0c\x01b",
        );
        let read = Message::read(&bytes).unwrap();
        assert!(!read.is_request);
        assert_eq!((read.kind, read.given), (kind::ACK, [192, 168, 0, 10]));
        assert_eq!(read.client, Some([0, 0x0b, 0x82, 1, 0xfc, 0x42]));
        assert_eq!(read.number(code::LEASE_TIME), Some(3600));
        assert_eq!(read.option(code::HOST_NAME).as_deref(), Some(&b"a"[..]));
        assert_eq!(read.option(code::VENDOR_CLASS), None);
    }

    #[test]
    fn options_in_pieces_and_in_other_fields() {
        let options = b"\x35\x01\x01\x3c\x01M\x34\x01\x03\x3c\x02SF\xff";
        let mut bytes = message(1, [0; 4], options);
        bytes[108..113].copy_from_slice(b"\x3c\x01T\x0c\xff"); // file: an option, one that does not fit
        bytes[44..48].copy_from_slice(b"\x0c\x02pc"); // sname
        let read = Message::read(&bytes).unwrap();
        assert_eq!(
            read.option(code::VENDOR_CLASS).as_deref(),
            Some(&b"MSFT"[..])
        );
        assert_eq!(read.option(code::HOST_NAME).as_deref(), Some(&b"pc"[..]));
    }

    #[test]
    fn other_datagrams_are_refused() {
        let whole = message(1, [0; 4], b"\x35\x01\x01");
        assert!(Message::read(&whole).is_some());
        for end in 0..whole.len() {
            assert!(Message::read(&whole[..end]).is_none(), "{end}");
        }
        assert!(Message::read(&message(3, [0; 4], b"\x35\x01\x01")).is_none());
        assert!(
            Message::read(&message(1, [0; 4], b"\x0c\x01a")).is_none(),
            "BOOTP"
        );
        assert!(Message::read(&message(1, [0; 4], b"\x35\x00")).is_none());
        let mut other = whole;
        other[HEADER] = 98;
        assert!(Message::read(&other).is_none(), "cookie");
    }
}
