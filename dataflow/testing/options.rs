//! The settings of `[tests.N]`.

use operators::options::{
    Duration, OptionError, OptionValue, Options, Setting, Wrong, read_table, table_kind, wrong_kind,
};

/// A test of a spec.
#[derive(Clone, Debug, Options)]
pub struct TestOptions {
    /// The captures that are read instead of the sources: a file, a glob, a directory, or a list of such.
    #[option]
    pub input: Vec<String>,
    /// Packets to read instead: tables with `src`, `dst`, `t` and one of `udp`, `tcp`, `icmp`.
    #[option]
    pub packets: Vec<PacketOptions>,
    /// The node whose rows are looked at; by default the last one before the sinks.
    #[option]
    pub at: Option<String>,
    /// How many rows there are: `3`, or `">= 1"`.
    #[option]
    pub rows: Option<Bound>,
    /// Values that one row has: `{ dst_port = 53, duration = ">= 1", tls_sni = "null" }`, or a list of such, each for some row. With
    /// `where = "expression"` every row has them for which it is true, and there is one.
    #[option]
    pub expect: Vec<Expectation>,
    /// Expressions that are true for no row.
    #[option]
    pub none: Vec<String>,
    /// Expressions over all rows together that are true, of aggregates as views of groups have them: `"count() == distinct(src_port)"`.
    #[option]
    pub assert: Vec<String>,
    /// A CSV file with the rows; `jayflow test --bless` writes it. It may have some of the columns only.
    #[option]
    pub golden: Option<String>,
    /// Numbers of workers; the test runs with each, and the rows must be the same.
    #[option(default = "[1, 4]")]
    pub workers: Vec<usize>,
}

/// A packet of a test.
#[derive(Clone, Debug, Options)]
pub struct PacketOptions {
    /// When it is seen, from the start of the test on; by default 1 ms after the one before.
    #[option]
    pub t: Option<Duration>,
    /// Its sender: `10.0.0.1:5000`, `[fd00::1]:5000`, an address alone for ICMP.
    #[option(required)]
    pub src: String,
    /// Its receiver.
    #[option(required)]
    pub dst: String,
    /// Time to live, or hop limit.
    #[option(default = "64")]
    pub ttl: u8,
    /// A UDP datagram.
    #[option]
    pub udp: Option<UdpOptions>,
    /// A TCP segment.
    #[option]
    pub tcp: Option<TcpOptions>,
    /// An ICMP message.
    #[option]
    pub icmp: Option<IcmpOptions>,
}

/// A UDP datagram.
#[derive(Clone, Debug, Options)]
pub struct UdpOptions {
    /// What it carries.
    #[option]
    pub payload: Payload,
}

/// A TCP segment.
#[derive(Clone, Debug, Options)]
pub struct TcpOptions {
    /// Letters of its flags: F, S, R, P, A, U, E, C.
    #[option(default = "A")]
    pub flags: String,
    /// Sequence number.
    #[option(default = "0")]
    pub seq: u32,
    /// Acknowledgement number.
    #[option(default = "0")]
    pub ack: u32,
    /// Window.
    #[option(default = "65535")]
    pub window: u16,
    /// What it carries.
    #[option]
    pub payload: Payload,
}

/// An ICMP message.
#[derive(Clone, Debug, Options)]
pub struct IcmpOptions {
    /// Its type: 8 is an echo request, 128 one of ICMPv6.
    #[option(name = "type", default = "8")]
    pub kind: u8,
    /// Its code.
    #[option(default = "0")]
    pub code: u8,
    /// The identifier of an echo.
    #[option(default = "0")]
    pub id: u16,
    /// The sequence number of an echo.
    #[option(default = "0")]
    pub seq: u16,
    /// What it carries.
    #[option]
    pub payload: Payload,
}

macro_rules! tables {
    ($($name:ty)+) => { $(
        impl OptionValue for $name {
            fn kind() -> String {
                table_kind::<Self>()
            }
            fn read(setting: &Setting) -> Result<Self, OptionError> {
                read_table(setting)
            }
        }
    )+ };
}
tables! { PacketOptions UdpOptions TcpOptions IcmpOptions }

/// Bytes: text, or `hex:` and hexadecimal digits.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Payload(pub Vec<u8>);

impl OptionValue for Payload {
    fn kind() -> String {
        "text, or bytes such as \"hex:00ff\"".to_owned()
    }

    fn read(setting: &Setting) -> Result<Self, OptionError> {
        let Setting::Text(text) = setting else {
            return wrong_kind(&Self::kind(), setting);
        };
        let Some(digits) = text.strip_prefix("hex:") else {
            return Ok(Self(text.clone().into_bytes()));
        };
        let digits: Vec<u32> = digits
            .chars()
            .filter(|c| !c.is_ascii_whitespace())
            .map(|c| c.to_digit(16).unwrap_or(u32::MAX))
            .collect();
        let bytes = digits.chunks(2).map(|pair| match pair {
            [high, low] if *high < 16 && *low < 16 => u8::try_from(high * 16 + low).ok(),
            _ => None,
        });
        bytes.collect::<Option<Vec<u8>>>().map(Self).ok_or_else(|| {
            Wrong::Other(format!(
                "expected pairs of hexadecimal digits, found \"{text}\""
            ))
            .into()
        })
    }
}

/// How a number is compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Comparison {
    /// `==`.
    Equal,
    /// `!=`.
    Unequal,
    /// `<`.
    Less,
    /// `<=`.
    AtMost,
    /// `>`.
    More,
    /// `>=`.
    AtLeast,
}

impl Comparison {
    /// The comparison at the start of a text, and what is behind it.
    pub fn read(text: &str) -> Option<(Self, &str)> {
        let signs = [
            ("==", Self::Equal),
            ("!=", Self::Unequal),
            ("<=", Self::AtMost),
            (">=", Self::AtLeast),
            ("<", Self::Less),
            (">", Self::More),
        ];
        let text = text.trim();
        let (sign, found) = signs.iter().find(|(sign, _)| text.starts_with(sign))?;
        Some((*found, text[sign.len()..].trim()))
    }

    /// Whether it holds.
    pub fn holds(self, one: f64, other: f64) -> bool {
        match self {
            Self::Equal => one == other,
            Self::Unequal => one != other,
            Self::Less => one < other,
            Self::AtMost => one <= other,
            Self::More => one > other,
            Self::AtLeast => one >= other,
        }
    }

    /// As it is written.
    pub const fn sign(self) -> &'static str {
        match self {
            Self::Equal => "==",
            Self::Unequal => "!=",
            Self::Less => "<",
            Self::AtMost => "<=",
            Self::More => ">",
            Self::AtLeast => ">=",
        }
    }
}

/// How many rows there are.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Bound(pub Comparison, pub u32);

impl Bound {
    /// Whether so many are right.
    pub fn holds(self, rows: usize) -> bool {
        u32::try_from(rows).is_ok_and(|rows| self.0.holds(f64::from(rows), f64::from(self.1)))
    }
}

impl std::fmt::Display for Bound {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.0 {
            Comparison::Equal => write!(f, "{}", self.1),
            other => write!(f, "{} {}", other.sign(), self.1),
        }
    }
}

impl OptionValue for Bound {
    fn kind() -> String {
        "a whole number, or a comparison such as \">= 1\"".to_owned()
    }

    fn read(setting: &Setting) -> Result<Self, OptionError> {
        let text = match setting {
            Setting::Int(number) => number.to_string(),
            Setting::Text(text) => text.clone(),
            other => return wrong_kind(&Self::kind(), other),
        };
        let (comparison, number) = Comparison::read(&text).unwrap_or((Comparison::Equal, &text));
        let number = number
            .parse()
            .map_err(|_| Wrong::Other(format!("expected {}, found \"{text}\"", Self::kind())))?;
        Ok(Self(comparison, number))
    }
}

/// Columns and what they must be, as written.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Expectation(pub Vec<(String, Setting)>);

impl OptionValue for Expectation {
    fn kind() -> String {
        "a table { COLUMN }".to_owned()
    }

    fn read(setting: &Setting) -> Result<Self, OptionError> {
        match setting {
            Setting::Table(parts) => Ok(Self(parts.clone())),
            other => wrong_kind("a table { COLUMN = value }", other),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(text: &str) -> Setting {
        Setting::Text(text.to_owned())
    }

    #[test]
    fn payloads_and_bounds() {
        let payload = |written: &str| Payload::read(&text(written)).map(|one| one.0);
        assert_eq!(payload("hex: 00 fF"), Ok(vec![0, 255]));
        assert_eq!(payload("hex:"), Ok(Vec::new()));
        assert_eq!(payload("GET"), Ok(b"GET".to_vec()));
        for wrong in ["hex:0", "hex:0g", "hex:+1"] {
            assert!(payload(wrong).is_err(), "{wrong}");
        }
        let bound = |setting| Bound::read(&setting).ok();
        assert_eq!(bound(Setting::Int(3)), Some(Bound(Comparison::Equal, 3)));
        assert_eq!(bound(text(">= 1")), Some(Bound(Comparison::AtLeast, 1)));
        assert_eq!(bound(text("many")), None);
        assert_eq!(bound(Setting::Int(-1)), None);
        assert!(Bound(Comparison::Less, 2).holds(1) && !Bound(Comparison::Less, 2).holds(2));
    }
}
