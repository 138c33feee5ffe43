//! Each kind of column under each setting.

use super::*;
use crate::features::catalogue;
use proptest::prelude::*;

const KEYS: [u8; KEY] = [7; KEY];

fn anonymiser(addresses: Addresses, names: Names) -> Anonymiser {
    Anonymiser {
        options: Anonymise {
            addresses,
            names,
            key_file: None,
            key: None,
        },
        pan: CryptoPan::new(&KEYS),
        mac: keyed(&KEYS),
        private: Vec::new(),
    }
}

fn address(text: &str) -> Address {
    let mut bytes = [0; 16];
    match text.parse().unwrap() {
        std::net::IpAddr::V4(four) => bytes[..4].copy_from_slice(&four.octets()),
        std::net::IpAddr::V6(six) => bytes = six.octets(),
    }
    Address {
        family: if text.contains(':') { 6 } else { 4 },
        bytes,
    }
}

fn texts(column: &Column) -> Vec<String> {
    let Values::Text { ends, bytes } = &column.values else {
        panic!("{column:?}");
    };
    (0..ends.len())
        .map(|row| String::from_utf8(bytes[crate::columns::span(ends, row)].to_vec()).unwrap())
        .collect()
}

fn column(values: &[&str]) -> Column {
    let mut column = Column::new(&DataType::Text, true);
    for value in values {
        column.push_text(value);
    }
    column
}

#[test]
fn addresses_by_every_method() {
    let seen = vec![address("192.0.2.77"), address("2001:db8:1:2::9")];
    let of = |method| anonymiser(method, Names::Keep).addresses(seen.clone());
    let Values::Address(truncated) = of(Addresses::Truncate) else {
        panic!()
    };
    assert_eq!(truncated, [address("192.0.2.0"), address("2001:db8:1::")]);
    let Values::Address(mapped) = of(Addresses::Prefix) else {
        panic!()
    };
    assert!(
        mapped
            .iter()
            .zip(&seen)
            .all(|(new, old)| new.family == old.family && new != old)
    );
    assert_eq!(mapped[0].bytes[4..], [0; 12]);
    let Values::Id(ids) = of(Addresses::Pseudonym) else {
        panic!()
    };
    assert_ne!(ids[0], ids[1]);
    let other = Anonymiser {
        mac: keyed(&[8; KEY]),
        ..anonymiser(Addresses::Pseudonym, Names::Keep)
    };
    assert!(
        other.addresses(seen) != Values::Id(ids),
        "another key, other ids"
    );
}

#[test]
fn macs_names_and_ids() {
    let macs = column(&["02:00:5e:00:53:01", "", "not a mac"]);
    let of = |method, private, column: &Column| {
        texts(&anonymiser(method, Names::Pseudonym).column(column.clone(), private))
    };
    let truncated = of(Addresses::Truncate, Private::Mac, &macs);
    assert_eq!(truncated[..2], ["02:00:5e:00:00:00", ""]);
    assert_eq!(truncated[2].len(), 32, "never as it was");
    let mapped = of(Addresses::Prefix, Private::Mac, &macs);
    assert!(mapped[0].len() == 17 && mapped[0] != "02:00:5e:00:53:01");
    assert_eq!(of(Addresses::Pseudonym, Private::Mac, &macs)[0].len(), 32);
    let names = column(&["example.com", "", "example.com", "example.org"]);
    let hidden = of(Addresses::Prefix, Private::Name, &names);
    assert_eq!((hidden[0].len(), hidden[1].len()), (32, 0));
    assert!(hidden[0] == hidden[2] && hidden[0] != hidden[3]);
    let kept = anonymiser(Addresses::Prefix, Names::Keep).column(names.clone(), Private::Name);
    assert_eq!(kept, names);
    let ids = Column {
        values: Values::Id(vec![[1; 16]]),
        valid: None,
    };
    for method in [Addresses::Prefix, Addresses::Truncate] {
        let hidden = anonymiser(method, Names::Keep).column(ids.clone(), Private::Id);
        assert_ne!(hidden, ids, "an id is made of addresses");
    }
}

#[test]
fn everything_private_is_of_a_type_that_can_be_hidden() {
    fn can_be(data_type: &DataType) -> bool {
        match data_type {
            DataType::Address | DataType::Id | DataType::Text => true,
            DataType::List(item) => can_be(item),
            _ => false,
        }
    }
    for feature in catalogue() {
        let is_open = feature.private.is_none();
        assert!(is_open || can_be(&feature.data_type), "{}", feature.name);
        assert!(
            !is_open || feature.data_type != DataType::Address,
            "{}",
            feature.name
        );
    }
    let all = Anonymise {
        addresses: Addresses::Drop,
        names: Names::Drop,
        key_file: None,
        key: None,
    };
    let left = catalogue().into_iter().filter(|feature| all.keeps(feature));
    for feature in left {
        let is_address =
            feature.name.ends_with("_ip") || feature.name == "mac_src" || feature.name == "mac_dst";
        assert!(!is_address, "{}", feature.name);
    }
}

#[test]
fn a_key_is_32_bytes_or_64_digits() {
    assert_eq!(key_of(&[9; KEY]), Some([9; KEY]));
    assert_eq!(key_of("0a".repeat(32).as_bytes()), Some([10; KEY]));
    assert_eq!(
        key_of(format!("{}\n", "FF".repeat(32)).as_bytes()),
        Some([255; KEY])
    );
    for bad in [
        &b""[..],
        &[0; 31],
        &[0; 33],
        "0g".repeat(32).as_bytes(),
        "+1".repeat(32).as_bytes(),
    ] {
        assert_eq!(key_of(bad), None, "{bad:?}");
    }
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("key");
    std::fs::write(&path, "short").unwrap();
    let error = read_key(&path).unwrap_err().to_string();
    assert!(error.contains("key has 5 bytes"), "{error}");
    assert_ne!(random_key().unwrap(), random_key().unwrap());
}

proptest! {
    #[test]
    fn any_text_is_read_as_a_mac_or_not(text: Vec<u8>) {
        let mut out = Vec::new();
        anonymiser(Addresses::Prefix, Names::Pseudonym).text(&mut out, &text, Private::Mac);
        prop_assert!(matches!(out.len(), 0 | 17 | 32));
    }
}
