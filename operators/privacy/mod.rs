//! Rows without the addresses and names of people: the setting `anonymise` of a sink.
//!
//! Applied to the rows of one sink, after all features were computed on what was seen. There is no unkeyed hash: all of IPv4 can
//! be tried in minutes. What packets hold elsewhere (times, lengths, fingerprints) stays, and may tell a person all the same.

mod crypto_pan;
#[doc(hidden)]
pub mod total;

use crate::columns::{Address, Column, Columns, Values};
use crate::error::Error;
use crate::options::{OptionError, OptionValue, Options, Setting, Wrong, read_table, table_kind};
use crate::schema::{DataType, Feature, Private, Schema};
use crate::secret::Secret;
use crypto_pan::CryptoPan;
use hmac::{Hmac, KeyInit as _, Mac as _};
use rayon::iter::{
    IndexedParallelIterator as _, IntoParallelIterator as _, IntoParallelRefIterator as _,
    ParallelIterator as _,
};
use sha2::Sha256;
use std::path::Path;

/// Bytes of a key.
const KEY: usize = 32;

/// How rows are made anonymous.
#[derive(Clone, Debug, PartialEq, Options)]
pub struct Anonymise {
    /// What becomes of IP and MAC addresses, and of ids made of them.
    #[option(default = "prefix")]
    pub addresses: Addresses,
    /// What becomes of names: server names, DNS names, hosts, names in certificates.
    #[option(default = "keep")]
    pub names: Names,
    /// A file with the key: 32 bytes, or 64 hexadecimal digits. The same key gives the same rows; without one, the key of a run is
    /// random and kept nowhere.
    #[option]
    pub key_file: Option<String>,
    /// The key itself, as a secret: `"${secret:NAME}"`.
    #[option]
    pub key: Option<Secret>,
}

impl Anonymise {
    /// What is done, for who reads the rows; of the key only where it came from.
    pub fn facts(&self) -> serde_json::Value {
        let key = match (&self.key, &self.key_file) {
            (Some(_), _) => "secret",
            (None, Some(_)) => "file",
            (None, None) => "random",
        };
        serde_json::json!({
            "addresses": self.addresses.name(),
            "names": self.names.name(),
            "key": key,
        })
    }
}

/// What becomes of addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Options)]
pub enum Addresses {
    /// Other addresses, by Crypto-PAn: those that share a prefix still do.
    Prefix,
    /// 32 hexadecimal digits, the same for the same address (HMAC-SHA-256).
    Pseudonym,
    /// The network: the first 24 bits of an IPv4, 48 of an IPv6, 24 of a MAC address.
    Truncate,
    /// The columns are left out.
    Drop,
}

/// What becomes of names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Options)]
pub enum Names {
    /// They stay.
    Keep,
    /// 32 hexadecimal digits, the same for the same name (HMAC-SHA-256).
    Pseudonym,
    /// The columns are left out.
    Drop,
}

impl OptionValue for Anonymise {
    fn kind() -> String {
        table_kind::<Self>()
    }
    fn read(setting: &Setting) -> Result<Self, OptionError> {
        let read: Self = read_table(setting)?;
        if read.key.is_some() && read.key_file.is_some() {
            let twice = "`key` and `key_file` are both the key: keep one of the two";
            return Err(Wrong::Other(twice.to_owned()).into());
        }
        Ok(read)
    }
}

impl Anonymise {
    /// Whether a sink keeps this column.
    pub fn keeps(&self, feature: &Feature) -> bool {
        match feature.private {
            None => true,
            Some(Private::Name) => self.names != Names::Drop,
            Some(_) => self.addresses != Addresses::Drop,
        }
    }

    /// The columns that come out where these go in: pseudonyms of addresses are ids.
    pub fn schema(&self, schema: Schema) -> Schema {
        let mut schema = schema;
        for feature in &mut schema {
            if feature.data_type == DataType::Address && self.addresses == Addresses::Pseudonym {
                feature.data_type = DataType::Id;
            }
        }
        schema
    }
}

/// Makes rows anonymous.
pub struct Anonymiser {
    options: Anonymise,
    pan: CryptoPan,
    mac: Hmac<Sha256>,
    /// What each column holds.
    private: Vec<Option<Private>>,
}

impl Anonymiser {
    /// For rows of these columns.
    ///
    /// # Errors
    /// The key cannot be read, or there is no random number to be had.
    pub fn new(options: &Anonymise, schema: &Schema) -> Result<Self, Error> {
        let key = match (&options.key, &options.key_file) {
            (Some(secret), _) => secret_key(secret)?,
            (None, Some(path)) => read_key(Path::new(path))?,
            (None, None) => random_key()?,
        };
        Ok(Self {
            options: options.clone(),
            pan: CryptoPan::new(&key),
            mac: keyed(&key),
            private: schema.iter().map(|feature| feature.private).collect(),
        })
    }

    /// The rows, made anonymous; each column by whichever thread is free.
    #[must_use]
    pub fn apply(&self, rows: Columns) -> Columns {
        let columns = rows.columns.into_par_iter().zip(self.private.par_iter());
        let columns = columns.map(|(column, private)| match private {
            None => column,
            Some(private) => self.column(column, *private),
        });
        Columns {
            columns: columns.collect(),
            edges: Vec::new(),
            keys: rows.keys,
        }
    }

    fn column(&self, column: Column, private: Private) -> Column {
        let keeps = private == Private::Name && self.options.names == Names::Keep;
        let values = match column.values {
            values if keeps => values,
            Values::Address(values) => self.addresses(values),
            Values::Id(values) => {
                Values::Id(values.iter().map(|id| self.digest(b"id", id)).collect())
            }
            Values::Text { ends, bytes } => {
                let (mut new_ends, mut out) = (Vec::with_capacity(ends.len()), Vec::new());
                let mut start = 0;
                for end in &ends {
                    let text = bytes.get(start..*end as usize).unwrap_or(&[]);
                    self.text(&mut out, text, private);
                    new_ends.push(out.len() as u32); // a few thousand rows of 32 bytes
                    start = *end as usize;
                }
                Values::Text {
                    ends: new_ends,
                    bytes: out,
                }
            }
            Values::List { ends, items } => Values::List {
                ends,
                items: Box::new(self.column(*items, private)),
            },
            values => values, // numbers are not private; a test holds the declarations to it
        };
        Column {
            values,
            valid: column.valid,
        }
    }

    fn addresses(&self, values: Vec<Address>) -> Values {
        match self.options.addresses {
            Addresses::Pseudonym => Values::Id(
                values
                    .iter()
                    .map(|address| self.digest(b"address", address.octets()))
                    .collect(),
            ),
            Addresses::Prefix => {
                Values::Address(values.into_iter().map(|a| self.prefix(a)).collect())
            }
            Addresses::Truncate | Addresses::Drop => {
                Values::Address(values.into_iter().map(network).collect())
            }
        }
    }

    fn prefix(&self, address: Address) -> Address {
        let mut bytes = [0; 16];
        if address.family == 4 {
            let [a, b, c, d, ..] = address.bytes;
            bytes[..4].copy_from_slice(&self.pan.permute([a, b, c, d]));
        } else {
            bytes = self.pan.permute(address.bytes);
        }
        Address { bytes, ..address }
    }

    /// Writes what stands for a text; nothing for nothing.
    fn text(&self, out: &mut Vec<u8>, text: &[u8], private: Private) {
        if text.is_empty() {
            return;
        }
        let label: &[u8] = match private {
            Private::Mac => {
                if let Some(mac) = read_mac(text) {
                    return self.mac(out, mac);
                }
                b"mac"
            }
            Private::Name => b"name",
            Private::Id => b"id",
            Private::Address => b"address",
        };
        write_hex(out, &self.digest(label, text));
    }

    fn mac(&self, out: &mut Vec<u8>, mac: [u8; 6]) {
        let [a, b, c, ..] = mac;
        let mac = match self.options.addresses {
            Addresses::Pseudonym => return write_hex(out, &self.digest(b"mac", &mac)),
            Addresses::Prefix => self.pan.permute(mac),
            Addresses::Truncate | Addresses::Drop => [a, b, c, 0, 0, 0],
        };
        for (at, byte) in mac.iter().enumerate() {
            if at > 0 {
                out.push(b':');
            }
            write_hex(out, &[*byte]);
        }
    }

    /// 128 bits that stand for a value of one kind.
    fn digest(&self, kind: &[u8], value: &[u8]) -> [u8; 16] {
        let mut mac = self.mac.clone();
        mac.update(kind);
        mac.update(&[0]);
        mac.update(value);
        let digest = mac.finalize().into_bytes();
        digest.first_chunk().copied().unwrap_or_default()
    }
}

/// HMAC-SHA-256 with this key, which it fills up with zeros to a block (RFC 2104 section 2).
fn keyed(key: &[u8; KEY]) -> Hmac<Sha256> {
    let mut block = [0; 64];
    block[..KEY].copy_from_slice(key);
    Hmac::new(&block.into())
}

/// The network of an address.
fn network(mut address: Address) -> Address {
    let kept = if address.family == 4 { 3 } else { 6 };
    address
        .bytes
        .iter_mut()
        .skip(kept)
        .for_each(|byte| *byte = 0);
    address
}

fn read_mac(text: &[u8]) -> Option<[u8; 6]> {
    let text = std::str::from_utf8(text).ok()?;
    let mut mac = [0; 6];
    let mut parts = text.split(':');
    for byte in &mut mac {
        *byte = u8::from_str_radix(parts.next()?, 16).ok()?;
    }
    parts.next().is_none().then_some(mac)
}

fn write_hex(out: &mut Vec<u8>, bytes: &[u8]) {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    for byte in bytes {
        out.extend([byte >> 4, byte & 15].map(|digit| DIGITS[usize::from(digit)]));
    }
}

fn read_key(path: &Path) -> Result<[u8; KEY], Error> {
    let bytes = std::fs::read(path).map_err(|error| Error::file("read the key in", path, error))?;
    key_of(&bytes).ok_or_else(|| {
        Error::new(format!(
            "the key in {} has {} bytes",
            path.display(),
            bytes.len()
        ))
        .help("a key is 32 bytes, or 64 hexadecimal digits")
    })
}

fn secret_key(secret: &Secret) -> Result<[u8; KEY], Error> {
    let Some(value) = secret.value() else {
        return Err(Error::new(format!("the key `{secret}` was not looked up")));
    };
    key_of(value.as_bytes()).ok_or_else(|| {
        Error::new(format!("the key `{secret}` has {} bytes", value.len()))
            .help("a key is 32 bytes, or 64 hexadecimal digits")
    })
}

fn key_of(bytes: &[u8]) -> Option<[u8; KEY]> {
    if let Ok(key) = bytes.try_into() {
        return Some(key);
    }
    let digits = bytes.trim_ascii();
    let mut key = [0; KEY];
    if digits.len() != 2 * KEY {
        return None;
    }
    for (byte, pair) in key.iter_mut().zip(digits.chunks(2)) {
        let pair = std::str::from_utf8(pair)
            .ok()
            .filter(|pair| !pair.starts_with('+'))?;
        *byte = u8::from_str_radix(pair, 16).ok()?;
    }
    Some(key)
}

fn random_key() -> Result<[u8; KEY], Error> {
    let mut key = [0; KEY];
    getrandom::fill(&mut key)
        .map_err(|error| Error::new(format!("no random key to be had: {error}")).because(error))?;
    Ok(key)
}

#[cfg(test)]
mod tests;
