//! The settings of `[decode]`.

use super::link::linktype;
use crate::options::{OptionError, OptionValue, Options, Setting, Size, Wrong, wrong_kind};

/// Settings of `[decode]`: how frames become packets.
#[derive(Clone, Debug, Options)]
pub struct DecodeOptions {
    /// Only frames of these link types are read: the names that `jayflow info` shows, or the numbers of pcap. Others are skipped as
    /// `unsupported_linktype`. By default all that are known.
    #[option]
    pub link_types: Option<LinkTypes>,
    /// Tunnels to look into: `none`, `all`, or a list of `gre`, `ipip`, `6in4`, `vxlan`, `geneve`, `gtpu`, `teredo`.
    #[option(default = "none")]
    pub decap: Decap,
    /// `first-port`: later fragments join the flow of the first. `reassemble`: so they do, and parsers of application protocols get the
    /// packet as a whole. `ignore`: they have no ports.
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

/// What happens to fragments.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Options)]
pub enum Fragments {
    /// They join the flow of the first fragment.
    FirstPort,
    /// The same, and parsers get the whole.
    Reassemble,
    /// They have no ports.
    Ignore,
}

/// Link types, by number; not none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LinkTypes(Vec<u16>);

impl LinkTypes {
    /// Whether this is one of them.
    pub fn has(&self, link: u16) -> bool {
        self.0.contains(&link)
    }
}

/// Those that one name or number stands for.
struct LinkType(Vec<u16>);

impl OptionValue for LinkType {
    fn kind() -> String {
        "the name of a link type, or its number".to_owned()
    }

    fn choices() -> Vec<&'static str> {
        let mut names: Vec<&str> = linktype::ALL
            .into_iter()
            .filter_map(linktype::name)
            .collect();
        names.dedup();
        names
    }

    fn read(setting: &Setting) -> Result<Self, OptionError> {
        let all = linktype::ALL.into_iter();
        match setting {
            Setting::Text(text) => {
                let is_named = |link: &u16| {
                    let name = linktype::name(*link);
                    name.is_some_and(|name| name.eq_ignore_ascii_case(text))
                };
                let found: Vec<u16> = all.filter(is_named).collect();
                if found.is_empty() {
                    let names = Self::choices().into_iter().map(str::to_owned);
                    return Err(Wrong::Choice("link type".to_owned(), names.collect()).into());
                }
                Ok(Self(found))
            }
            Setting::Int(number) => {
                let found: Vec<u16> = all.filter(|link| i64::from(*link) == *number).collect();
                if found.is_empty() {
                    let wrong = format!("{number} is not the number of a link type that is read");
                    return Err(Wrong::Other(wrong).into());
                }
                Ok(Self(found))
            }
            other => wrong_kind(&Self::kind(), other),
        }
    }
}

impl OptionValue for LinkTypes {
    fn kind() -> String {
        Vec::<LinkType>::kind()
    }

    fn choices() -> Vec<&'static str> {
        LinkType::choices()
    }

    fn read(setting: &Setting) -> Result<Self, OptionError> {
        let types = Vec::<LinkType>::read(setting)?;
        if types.is_empty() {
            return Err(
                Wrong::Other("the list is empty: no frame would be read".to_owned()).into(),
            );
        }
        Ok(Self(
            types
                .into_iter()
                .flat_map(|LinkType(links)| links)
                .collect(),
        ))
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    fn read(items: &[Setting]) -> Result<Vec<u16>, OptionError> {
        LinkTypes::read(&Setting::List(items.to_vec())).map(|LinkTypes(links)| links)
    }

    #[test]
    fn link_types_go_by_name_or_number() {
        let text = |text: &str| Setting::Text(text.to_owned());
        assert_eq!(
            read(&[text("RAW"), Setting::Int(1)]),
            Ok(vec![12, 14, 101, 1])
        );
        assert_eq!(read(&[text("linux_sll2")]), Ok(vec![276]));
        let one = LinkTypes::read(&Setting::Int(101)).expect("one alone");
        assert!(one.has(101) && !one.has(12));
        // every name that is shown stands for the numbers that it is shown for
        for link in linktype::ALL {
            let name = linktype::name(link).expect("what is read has a name");
            assert!(read(&[text(name)]).expect("a name").contains(&link));
        }
        let wrong = read(&[Setting::Int(1), text("ETHERNETT")]).unwrap_err();
        assert!(matches!(&wrong.wrong, Wrong::Choice(what, names)
            if what == "link type" && names.len() == 12));
        assert_eq!(wrong.at, [crate::options::Step::Index(1)]);
        for wrong in [
            vec![],
            vec![Setting::Int(147)],
            vec![Setting::Int(-1)],
            vec![Setting::Bool(true)],
        ] {
            assert!(read(&wrong).is_err());
        }
    }
}
