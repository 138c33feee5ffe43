//! Crypto-PAn: addresses that share a prefix of n bits become addresses that share a prefix of n bits, and nothing else of them
//! is left to whoever has not got the key (Xu, Fan, Ammar, Moon: Prefix-preserving IP address anonymization, ICNP 2002).
//!
//! What it still tells: which hosts share a network, and how large it is; who knows one address knows its neighbours' prefixes.

use super::KEY;
use aes::Aes128;
use aes::cipher::{BlockCipherEncrypt as _, KeyInit as _};

/// Bytes of a block of AES, and of each half of the key.
const BLOCK: usize = KEY / 2;

/// A prefix-preserving permutation of byte strings of each length up to 16.
#[derive(Clone)]
pub struct CryptoPan {
    cipher: Aes128,
    pad: [u8; BLOCK],
}

impl CryptoPan {
    /// The permutation of a key: its first half is that of AES, its second half, encrypted, fills up what is encrypted.
    pub fn new(key: &[u8; KEY]) -> Self {
        let (mut first, mut second) = ([0; BLOCK], [0; BLOCK]);
        let halves = key.iter();
        for (byte, to) in halves.zip(first.iter_mut().chain(&mut second)) {
            *to = *byte;
        }
        let cipher = Aes128::new(&first.into());
        let mut pad = second.into();
        cipher.encrypt_block(&mut pad);
        Self {
            cipher,
            pad: pad.into(),
        }
    }

    /// What stands for an address of 1 to 16 bytes.
    pub fn permute<const N: usize>(&self, address: [u8; N]) -> [u8; N] {
        const { assert!(N <= BLOCK, "an address is at most a block long") };
        let mut out = address;
        let mut block = self.pad;
        for ((byte, pad), (at, mixed)) in
            address.iter().zip(self.pad).zip(out.iter_mut().enumerate())
        {
            for bit in 0..8 {
                // each bit is turned by what the bits before it encrypt to
                let known = !(0xFF_u8 >> bit);
                block[at] = byte & known | pad & !known;
                let mut encrypted = block.into();
                self.cipher.encrypt_block(&mut encrypted);
                *mixed ^= (encrypted[0] >> 7) << (7 - bit);
            }
            block[at] = *byte;
        }
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::net::{Ipv4Addr, Ipv6Addr};

    /// The key of the sample that the authors published with their program.
    const PUBLISHED: [u8; KEY] = [
        21, 34, 23, 141, 51, 164, 207, 128, 19, 10, 91, 22, 73, 144, 125, 16, 216, 152, 143, 131,
        121, 121, 101, 39, 98, 87, 76, 45, 42, 132, 34, 2,
    ];

    #[test]
    fn the_published_addresses() {
        let pan = CryptoPan::new(&PUBLISHED);
        for (address, expected) in [
            ("128.11.68.132", "135.242.180.132"),
            ("129.118.74.4", "134.136.186.123"),
            ("130.132.252.244", "133.68.164.234"),
            ("141.223.7.43", "141.167.8.160"),
            ("141.233.145.108", "141.129.237.235"),
            ("152.163.225.39", "151.140.114.167"),
            ("156.29.3.236", "147.225.12.42"),
            ("165.247.96.84", "162.9.99.234"),
            ("166.107.77.190", "160.132.178.185"),
            ("192.102.249.13", "252.138.62.131"),
        ] {
            let address: Ipv4Addr = address.parse().unwrap();
            let found = Ipv4Addr::from(pan.permute(address.octets()));
            assert_eq!(found.to_string(), expected, "{address}");
        }
        for (address, expected) in [
            ("::1", "78ff:f001:9fc0:20df:8380:b1f1:704:ed"),
            ("::2", "78ff:f001:9fc0:20df:8380:b1f1:704:ef"),
            ("2001:db8::1", "4401:2bc:603f:d91d:27f:ff8e:e6f1:dc1e"),
            ("2001:db8::2", "4401:2bc:603f:d91d:27f:ff8e:e6f1:dc1c"),
        ] {
            let address: Ipv6Addr = address.parse().unwrap();
            let found = Ipv6Addr::from(pan.permute(address.octets()));
            assert_eq!(found.to_string(), expected, "{address}");
        }
    }

    proptest! {
        #[test]
        fn prefixes_are_kept_exactly(a: u32, b: u32, shared in 0_u32..=32, key: [u8; KEY]) {
            // the first `shared` bits of b are those of a
            let mask = u32::MAX.checked_shr(shared).unwrap_or(0);
            let b = a & !mask | b & mask;
            let pan = CryptoPan::new(&key);
            let [left, right] = [a, b].map(|address| u32::from_be_bytes(pan.permute(address.to_be_bytes())));
            prop_assert_eq!((left ^ right).leading_zeros(), (a ^ b).leading_zeros());
        }
    }
}
