//! Text to words, each with its place. No word is longer than the text, and nothing is looked up.

use super::fault::Fault;
use super::syntax::{Net, Span};
use crate::columns::Address;
use crate::options::{SIZE_UNITS, TIME_UNITS, quantity};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Bytes of an expression at most.
pub const MAX_BYTES: usize = 1 << 16;

/// A word of an expression.
#[derive(Clone, Debug, PartialEq)]
pub enum Token {
    /// A name, or a word of the language.
    Name(String),
    /// `$name`.
    Variable(String),
    /// A whole number.
    Int(i64),
    /// Another number.
    Float(f64),
    /// Text without its quotes.
    Text(String),
    /// A length of time, ns.
    Duration(i64),
    /// An address.
    Ip(Address),
    /// A network.
    Net(Net),
    /// An operator or bracket.
    Sign(&'static str),
    /// The end of the text.
    End,
}

/// Longest first.
const SIGNS: [&str; 29] = [
    "==", "!=", "<=", ">=", "<<", ">>", "//", "??", "..", ":-", "+", "-", "*", "/", "%", "&", "|",
    "^", "<", ">", "=", "(", ")", "[", "]", ",", ".", ":", "!",
];

/// An address of either family.
pub fn address(ip: IpAddr) -> Address {
    match ip {
        IpAddr::V4(four) => {
            let mut bytes = [0; 16];
            bytes[..4].copy_from_slice(&four.octets());
            Address { family: 4, bytes }
        }
        IpAddr::V6(six) => Address {
            family: 6,
            bytes: six.octets(),
        },
    }
}

/// The words of a text, the last one is [`Token::End`].
///
/// # Errors
/// The first thing that is no word.
pub fn tokens(text: &str) -> Result<Vec<(Token, Span)>, Box<Fault>> {
    if text.len() > MAX_BYTES {
        let at = Span { start: 0, end: 0 };
        let message = format!("the expression is longer than {MAX_BYTES} bytes");
        return Err(Box::new(
            Fault::new("E0106", at, message)
                .help("take it apart: columns of `derive` may use each other"),
        ));
    }
    let mut found = Vec::new();
    let mut lexer = Lexer { text, at: 0 };
    loop {
        lexer.space();
        let start = lexer.at;
        let token = lexer.token()?;
        let end = lexer.at;
        let is_end = token == Token::End;
        found.push((token, Span { start, end }));
        if is_end {
            return Ok(found);
        }
    }
}

struct Lexer<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Lexer<'a> {
    fn rest(&self) -> &'a str {
        self.text.get(self.at..).unwrap_or_default()
    }

    /// The longest start of the rest whose characters pass.
    fn run(&self, pass: impl Fn(char) -> bool) -> &'a str {
        let rest = self.rest();
        let end = rest.find(|c| !pass(c)).unwrap_or(rest.len());
        &rest[..end]
    }

    /// Passes over space and comments.
    fn space(&mut self) {
        loop {
            self.at += self.run(char::is_whitespace).len();
            if !self.rest().starts_with('#') {
                return;
            }
            self.at += self.run(|c| c != '\n').len();
        }
    }

    fn token(&mut self) -> Result<Token, Box<Fault>> {
        let rest = self.rest();
        let Some(first) = rest.chars().next() else {
            return Ok(Token::End);
        };
        if matches!(first, '"' | '\'') {
            return self.quoted(first);
        }
        if let Some(token) = self.long_address()? {
            return Ok(token);
        }
        if first.is_ascii_digit() {
            return self.number();
        }
        let is_word = |c: char| c.is_ascii_alphanumeric() || c == '_';
        if first.is_ascii_alphabetic() || first == '_' {
            let word = self.run(is_word);
            self.at += word.len();
            return Ok(Token::Name(word.to_owned()));
        }
        if first == '$' {
            self.at += 1;
            let word = self.run(is_word);
            self.at += word.len();
            return Ok(Token::Variable(word.to_owned()));
        }
        if let Some(sign) = SIGNS.iter().find(|sign| rest.starts_with(**sign)) {
            self.at += sign.len();
            return Ok(Token::Sign(sign));
        }
        let end = self.at + first.len_utf8();
        let at = Span {
            start: self.at,
            end,
        };
        let fault = Fault::new("E0101", at, format!("`{first}` has no meaning here"));
        Err(Box::new(match first {
            ';' => fault.help("an expression is one value: it has no `;`"),
            '{' | '}' => fault.help("lists are written `[a, b]`"),
            _ => fault.help("text stands in quotes: \"...\""),
        }))
    }

    /// Text: up to the same quote, with nothing escaped.
    fn quoted(&mut self, quote: char) -> Result<Token, Box<Fault>> {
        let start = self.at;
        self.at += 1;
        let text = self.run(|c| c != quote);
        self.at += text.len();
        if !self.rest().starts_with(quote) {
            let at = Span {
                start,
                end: start + 1,
            };
            let fault = Fault::new("E0104", at, "the quote is not closed");
            return Err(Box::new(fault.help(
                "nothing is escaped in a text: one that has `\"` in it stands between `'`",
            )));
        }
        self.at += 1;
        Ok(Token::Text(text.to_owned()))
    }

    /// An IPv6 address or network, or a MAC address; anything else with colons is none of these.
    fn long_address(&mut self) -> Result<Option<Token>, Box<Fault>> {
        let word = self.run(|c| c.is_ascii_hexdigit() || c == ':' || c == '.');
        if word.matches(':').count() < 2 {
            return Ok(None);
        }
        let groups = || word.split(':');
        let is_mac = groups().count() == 6 && groups().all(|group| group.len() == 2);
        if is_mac {
            self.at += word.len();
            return Ok(Some(Token::Text(word.to_ascii_lowercase())));
        }
        match word.parse::<Ipv6Addr>() {
            Ok(six) => {
                self.at += word.len();
                self.network(address(six.into())).map(Some)
            }
            Err(_) => Ok(None),
        }
    }

    /// An address, or a network where `/` and digits follow at once.
    fn network(&mut self, address: Address) -> Result<Token, Box<Fault>> {
        let rest = self.rest();
        let digits = rest.strip_prefix('/').map_or(0, |rest| {
            rest.len() - rest.trim_start_matches(|c: char| c.is_ascii_digit()).len()
        });
        if digits == 0 {
            return Ok(Token::Ip(address));
        }
        let most = if address.family == 4 { 32 } else { 128 };
        let start = self.at;
        self.at += 1 + digits;
        let bits = rest[1..=digits].parse::<u8>().ok();
        match bits.filter(|bits| *bits <= most) {
            Some(bits) => Ok(Token::Net(Net { address, bits })),
            None => {
                let at = Span {
                    start,
                    end: self.at,
                };
                let message = format!("an address of this family has {most} bits");
                Err(Box::new(Fault::new("E0105", at, message)))
            }
        }
    }

    fn number(&mut self) -> Result<Token, Box<Fault>> {
        let start = self.at;
        let dotted = self.run(|c| c.is_ascii_digit() || c == '.');
        // two points are a range
        let dotted = dotted.split("..").next().unwrap_or(dotted);
        if let Ok(four) = dotted.parse::<Ipv4Addr>() {
            self.at += dotted.len();
            return self.network(address(four.into()));
        }
        let fault = |end: usize, message: String| Fault::new("E0105", Span { start, end }, message);
        let digits = |c: char| c.is_ascii_digit() || c == '_';
        if let Some(hex) = self.rest().strip_prefix("0x") {
            let length = hex.len()
                - hex
                    .trim_start_matches(|c: char| c.is_ascii_hexdigit())
                    .len();
            let text = &hex[..length];
            self.at += 2 + length;
            return i64::from_str_radix(text, 16).map(Token::Int).map_err(|_| {
                Box::new(fault(
                    self.at,
                    format!("`0x{text}` is no number of 63 bits"),
                ))
            });
        }
        self.at += self.run(digits).len();
        let mut is_float = false;
        // a range follows on a number: `1..5`
        let fraction = self.rest().strip_prefix('.');
        if fraction.is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_digit())) {
            self.at += 1;
            self.at += self.run(digits).len();
            is_float = true;
        }
        let exponent = self.rest().strip_prefix(['e', 'E']).map(|rest| {
            let sign = usize::from(rest.starts_with(['+', '-']));
            let digits = rest[sign..].len()
                - rest[sign..]
                    .trim_start_matches(|c: char| c.is_ascii_digit())
                    .len();
            (sign, digits)
        });
        if let Some((sign, digits)) = exponent.filter(|(_, digits)| *digits > 0) {
            self.at += 1 + sign + digits;
            is_float = true;
        }
        let plain = self.text.get(start..self.at).unwrap_or_default();
        let unit = self.run(|c| c.is_ascii_alphanumeric() || c == '_');
        if !unit.is_empty() {
            self.at += unit.len();
            let written = format!("{plain}{unit}");
            return match (
                quantity(&written, &TIME_UNITS),
                quantity(&written, &SIZE_UNITS),
            ) {
                (Some(ns), _) => Ok(Token::Duration(ns)),
                (None, Some(bytes)) => Ok(Token::Int(bytes)),
                (None, None) => {
                    let names = |units: &[(&str, i64)]| -> String {
                        let names: Vec<&str> = units.iter().rev().map(|(name, _)| *name).collect();
                        names.join(" ")
                    };
                    let message = format!("`{written}` is no number, and no number with a unit");
                    Err(Box::new(fault(self.at, message).help(format!(
                        "units of time are {}, of sizes {}",
                        names(&TIME_UNITS),
                        names(&SIZE_UNITS)
                    ))))
                }
            };
        }
        let number = plain.replace('_', "");
        if is_float {
            let value = number.parse::<f64>().ok().filter(|value| value.is_finite());
            return value.map(Token::Float).ok_or_else(|| {
                Box::new(fault(
                    self.at,
                    format!("`{plain}` is beyond what a float can hold"),
                ))
            });
        }
        number.parse().map(Token::Int).map_err(|_| {
            let message = format!("`{plain}` is beyond the whole numbers of 64 bits");
            Box::new(fault(self.at, message).help("write it as a float: `1e20`"))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str) -> Vec<Token> {
        let found = tokens(text).expect("words");
        found.into_iter().map(|(token, _)| token).collect()
    }

    fn one(text: &str) -> Token {
        let mut words = words(text);
        assert_eq!(words.len(), 2, "{words:?}");
        words.remove(0)
    }

    #[test]
    fn literals() {
        assert_eq!(one("1_000"), Token::Int(1000));
        assert_eq!(one("0x1F"), Token::Int(31));
        assert_eq!(one("1.5"), Token::Float(1.5));
        assert_eq!(one("1e3"), Token::Float(1000.0));
        assert_eq!(one("250ms"), Token::Duration(250_000_000));
        assert_eq!(one("1.5s"), Token::Duration(1_500_000_000));
        assert_eq!(one("64KiB"), Token::Int(65_536));
        assert_eq!(one("'a\"b'"), Token::Text("a\"b".to_owned()));
        assert_eq!(
            one("00:1A:2b:3c:4d:5e"),
            Token::Text("00:1a:2b:3c:4d:5e".to_owned())
        );
        let ip = |text: &str| address(text.parse().expect("an address"));
        assert_eq!(one("10.0.0.1"), Token::Ip(ip("10.0.0.1")));
        assert_eq!(one("fe80::1"), Token::Ip(ip("fe80::1")));
        assert_eq!(
            one("::/0"),
            Token::Net(Net {
                address: ip("::"),
                bits: 0
            })
        );
        assert_eq!(
            words("1..5")[..3],
            [Token::Int(1), Token::Sign(".."), Token::Int(5)]
        );
        assert_eq!(words("a # b\n c").len(), 3);
    }

    #[test]
    fn what_is_no_word() {
        let code = |text: &str| tokens(text).expect_err("no word").code;
        assert_eq!(code("a ; b"), "E0101");
        assert_eq!(code("\"a"), "E0104");
        assert_eq!(code("5 + 10x"), "E0105");
        assert_eq!(code("99999999999999999999"), "E0105");
        assert_eq!(code("10.0.0.0/33"), "E0105");
        assert_eq!(code(&" ".repeat(MAX_BYTES + 1)), "E0106");
    }
}
