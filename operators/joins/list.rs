//! Lists: a text file with an address, network, domain or hash a line, and whether a value of a row is in it.
//!
//! Of addresses the networks count, the longest first; of texts the whole value and, from each of its dots on, what is behind: a domain
//! stands for everything below it. Letters are the same large or small. What is behind a `#` is a comment.

use crate::books::{FileBooks, LineSkip};
use crate::columns::{Address, Column, Values, span};
use crate::error::Error;
use crate::stored::open_lines;
use foldhash::fast::FixedState;
use ipnet::IpNet;
use std::collections::{BTreeSet, HashSet};
use std::io::{BufRead as _, BufReader};
use std::net::IpAddr;
use std::path::{Path, PathBuf};

/// A list in memory.
#[derive(Clone, Debug, Default)]
pub struct List {
    /// Networks by their first address, with the length of the prefix.
    networks: HashSet<(IpAddr, u8), FixedState>,
    /// The lengths of prefixes there are, the longest first: of IPv4, of IPv6.
    lengths: [Vec<u8>; 2],
    texts: HashSet<Box<str>, FixedState>,
    bytes: usize,
    /// How its lines were read.
    pub books: FileBooks,
}

impl List {
    /// Reads the files of a list; of addresses, or of texts.
    ///
    /// # Errors
    /// A file cannot be read.
    pub fn load(paths: &[PathBuf], of_addresses: bool) -> Result<Self, Error> {
        let mut list = Self::default();
        for path in paths {
            list.file(path, of_addresses)?;
        }
        let lengths = |is_v4: bool| {
            let of = list
                .networks
                .iter()
                .filter(|(first, _)| first.is_ipv4() == is_v4);
            let lengths: BTreeSet<u8> = of.map(|(_, length)| *length).collect();
            lengths.into_iter().rev().collect()
        };
        list.lengths = [lengths(true), lengths(false)];
        Ok(list)
    }

    fn file(&mut self, path: &Path, of_addresses: bool) -> Result<(), Error> {
        let failed = |error| Error::file("read", path, error);
        let mut input = BufReader::new(open_lines(path)?);
        let mut line = Vec::new();
        while input.read_until(b'\n', &mut line).map_err(failed)? > 0 {
            let text = String::from_utf8_lossy(&line).into_owned();
            line.clear();
            let entry = text.split('#').next().unwrap_or_default().trim();
            if entry.is_empty() {
                continue;
            }
            self.books.lines += 1;
            let is_new = if of_addresses {
                let Some(network) = network(entry) else {
                    self.books.skipped.add(LineSkip::NoKey);
                    continue;
                };
                self.networks
                    .insert((network.network(), network.prefix_len()))
            } else {
                let text = plain(entry.trim_start_matches("*.").trim_start_matches('.'));
                self.bytes += text.len();
                self.texts.insert(text.into())
            };
            self.books.used += u64::from(is_new);
            self.books.repeated += u64::from(!is_new);
        }
        Ok(())
    }

    /// Bytes held, roughly.
    pub fn memory(&self) -> usize {
        let networks = self.networks.capacity() * size_of::<(IpAddr, u8)>();
        networks + self.texts.capacity() * size_of::<Box<str>>() + self.bytes
    }

    /// Whether it has the value of a row; a null is in no list.
    pub fn has(&self, column: &Column, row: usize) -> bool {
        if column.is_null(row) {
            return false;
        }
        match &column.values {
            Values::Address(values) => values.get(row).is_some_and(|one| self.has_address(*one)),
            Values::Text { ends, bytes } => {
                let text = std::str::from_utf8(&bytes[span(ends, row)]);
                text.is_ok_and(|text| self.has_text(text))
            }
            _ => false,
        }
    }

    fn has_address(&self, address: Address) -> bool {
        let address = IpAddr::from(address);
        let lengths = &self.lengths[usize::from(address.is_ipv6())];
        lengths.iter().any(|length| {
            let network = IpNet::new(address, *length);
            network.is_ok_and(|network| self.networks.contains(&(network.network(), *length)))
        })
    }

    fn has_text(&self, text: &str) -> bool {
        let text = plain(text);
        let mut rest = text.as_str();
        loop {
            if self.texts.contains(rest) {
                return true;
            }
            match rest.split_once('.') {
                Some((_, behind)) if !behind.is_empty() => rest = behind,
                _ => return false,
            }
        }
    }
}

/// A text as it is compared: in small letters, without the dot at the end of a whole domain.
fn plain(text: &str) -> String {
    text.trim_end_matches('.').to_lowercase()
}

/// A network, or an address as one.
fn network(text: &str) -> Option<IpNet> {
    let network = text.parse::<IpNet>().ok();
    network.or_else(|| text.parse::<IpAddr>().ok().map(IpNet::from))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schema::DataType;
    use crate::stored::kind::push;

    fn has(text: &str, data_type: &DataType, values: &[&str]) -> Vec<bool> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("list.txt");
        std::fs::write(&path, text).unwrap();
        let list = List::load(&[path], *data_type == DataType::Address).unwrap();
        let books = &list.books;
        assert_eq!(
            books.lines,
            books.used + books.repeated + books.skipped.total()
        );
        let mut column = Column::new(data_type, false);
        values
            .iter()
            .for_each(|value| assert!(push(&mut column, value), "{value}"));
        (0..values.len())
            .map(|row| list.has(&column, row))
            .collect()
    }

    #[test]
    fn addresses_and_networks() {
        let text = "# bad ones\n10.0.0.1 # a host\n192.0.2.77/24\n2001:db8::/32\n\nevil.example\n10.0.0.1\n";
        let values = [
            "10.0.0.1",
            "10.0.0.2",
            "192.0.2.1",
            "192.0.3.1",
            "2001:db8:1::1",
            "2001:db9::1",
        ];
        let found = has(text, &DataType::Address, &values);
        assert_eq!(found, [true, false, true, false, true, false]);
        assert_eq!(
            has("0.0.0.0/0\n", &DataType::Address, &["1.2.3.4", "::1"]),
            [true, false]
        );
    }

    #[test]
    fn domains_and_hashes() {
        let text = "Evil.example\n*.bad.test.\n0123456789abcdef0123456789abcdef\n";
        let values = [
            "evil.example",
            "www.EVIL.example.",
            "notevil.example",
            "example",
            "a.b.bad.test",
            "0123456789ABCDEF0123456789abcdef",
            "",
            "..",
        ];
        let found = has(text, &DataType::Text, &values);
        assert_eq!(found, [true, true, false, false, true, true, false, false]);
    }
}
