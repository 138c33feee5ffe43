//! The settings of `[decode]`.

use crate::options::{OptionError, OptionValue, Options, Setting, Size, Wrong};

/// Settings of `[decode]`: how frames become packets.
#[derive(Clone, Debug, Options)]
pub struct DecodeOptions {
    /// Tunnels to look into: `none`, `all`, or a list of `gre`, `ipip`, `6in4`, `vxlan`, `geneve`, `gtpu`, `teredo`.
    #[option(default = "none")]
    pub decap: Decap,
    /// `first-port`: later fragments join the flow of the first. `ignore`: they have no ports.
    #[option(default = "first-port")]
    pub fragments: Fragments,
    /// `drop-bad`: packets with a wrong checksum are skipped as `malformed`: of the IPv4 header, or of TCP, UDP, ICMP or ICMPv6 where the
    /// packet was captured whole and is no fragment. Captures of the sending host often have unfinished ones, which the network
    /// card completes.
    #[option(default = "ignore")]
    pub checksum: Checksum,
    /// Nested IP headers at most; deeper packets are skipped as `too_deep`.
    #[option(default = "16")]
    pub max_depth: u8,
    /// Bytes of each direction of a stream that parsers of application protocols read, 64 KiB at most.
    #[option(default = "16KiB")]
    pub payload_prefix: PayloadPrefix,
    /// Ports of DNS: messages are looked for where either port is one of these.
    #[option(default = "[53, 5353, 5355]")]
    pub dns_ports: Vec<u16>,
}

/// A number of bytes up to [`PayloadPrefix::LARGEST`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PayloadPrefix(pub u32);

impl PayloadPrefix {
    /// 64 KiB: what a flow may hold has a bound.
    pub const LARGEST: u32 = 1 << 16;
}

impl OptionValue for PayloadPrefix {
    fn kind() -> String {
        Size::kind()
    }
    fn read(setting: &Setting) -> Result<Self, OptionError> {
        let size = Size::read(setting)?.0;
        match u32::try_from(size) {
            Ok(bytes) if bytes <= Self::LARGEST => Ok(Self(bytes)),
            _ => Err(Wrong::Other(format!("expected 64KiB or less, found {size} bytes")).into()),
        }
    }
}

/// What happens to later fragments.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Options)]
pub enum Fragments {
    /// They join the flow of the first fragment.
    FirstPort,
    /// They have no ports.
    Ignore,
}

/// What becomes of packets with a wrong checksum.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Options)]
pub enum Checksum {
    /// No checksum is looked at.
    Ignore,
    /// They are skipped.
    DropBad,
}

/// A tunnel protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Options)]
pub enum Tunnel {
    /// Generic Routing Encapsulation (RFC 2784).
    Gre,
    /// IPv4 in IP (RFC 2003).
    Ipip,
    /// IPv6 in IP (RFC 4213).
    #[option(name = "6in4")]
    SixInFour,
    /// VXLAN (RFC 7348).
    Vxlan,
    /// Geneve (RFC 8926).
    Geneve,
    /// GTP-U (3GPP TS 29.281).
    Gtpu,
    /// Teredo (RFC 4380).
    Teredo,
}

impl Tunnel {
    /// Every tunnel protocol.
    pub const ALL: [Self; 7] = [
        Self::Gre,
        Self::Ipip,
        Self::SixInFour,
        Self::Vxlan,
        Self::Geneve,
        Self::Gtpu,
        Self::Teredo,
    ];
}

/// The tunnels that are taken off, one bit each.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Decap(u8);

impl Decap {
    /// Whether `tunnel` is taken off.
    pub const fn has(self, tunnel: Tunnel) -> bool {
        self.0 & 1 << tunnel as u8 != 0
    }

    /// Whether no tunnel is.
    pub const fn is_none(self) -> bool {
        self.0 == 0
    }
}

impl FromIterator<Tunnel> for Decap {
    fn from_iter<I: IntoIterator<Item = Tunnel>>(tunnels: I) -> Self {
        Self(
            tunnels
                .into_iter()
                .fold(0, |bits, tunnel| bits | 1 << tunnel as u8),
        )
    }
}

impl OptionValue for Decap {
    fn kind() -> String {
        "\"none\", \"all\" or a list of tunnels".to_owned()
    }

    fn choices() -> Vec<&'static str> {
        let mut choices = vec!["none", "all"];
        choices.extend(Tunnel::ALL.map(Tunnel::name));
        choices
    }

    fn read(setting: &Setting) -> Result<Self, OptionError> {
        match setting {
            Setting::Text(text) if text == "none" => Ok(Self::default()),
            Setting::Text(text) if text == "all" => Ok(Tunnel::ALL.into_iter().collect()),
            other => Vec::<Tunnel>::read(other)
                .map(|tunnels| tunnels.into_iter().collect())
                .map_err(|mut error| {
                    if let Wrong::Choice(what, choices) = &mut error.wrong {
                        "tunnel".clone_into(what);
                        choices.splice(0..0, ["none".to_owned(), "all".to_owned()]);
                    }
                    error
                }),
        }
    }
}
