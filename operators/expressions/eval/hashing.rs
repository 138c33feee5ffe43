//! Hashes: of bytes (SHA-256, SipHash-2-4 without a key), and of several values to deal rows by.

use super::{Data, Input, TextBuilder, Vector, operations};
use sha2::{Digest as _, Sha256};
use siphasher::sip::{SipHasher13, SipHasher24};
use std::hash::Hasher as _;
use std::io::Write as _;

/// 63 bits, so that no hash is below 0.
const fn positive(hash: u64) -> i64 {
    (hash >> 1).cast_signed()
}

/// The bytes that stand for a value: its type, then the value, so that no two values have the same.
fn feed(hasher: &mut SipHasher13, vector: &Vector<'_>, row: usize) {
    if !vector.is_valid(row) {
        return hasher.write(&[0]);
    }
    match &vector.data {
        Data::Bool(v) => hasher.write(&[1, u8::from(v[row])]),
        Data::Int(v) => {
            hasher.write(&[2]);
            hasher.write(&v[row].to_be_bytes());
        }
        Data::Float(v) => {
            hasher.write(&[3]);
            hasher.write(&(v[row] + 0.0).to_bits().to_be_bytes());
        }
        Data::Text(v) => {
            let text = v.get(row);
            hasher.write(&[4]);
            hasher.write(&(text.len() as u64).to_be_bytes());
            hasher.write(text);
        }
        Data::Ip(v) => {
            hasher.write(&[5, v[row].family]);
            hasher.write(v[row].octets());
        }
        Data::List(v) => {
            let range = crate::columns::span(&v.ends, row);
            hasher.write(&[6]);
            hasher.write(&(range.len() as u64).to_be_bytes());
            range.for_each(|at| feed(hasher, &v.items, at));
        }
    }
}

fn seeded(input: &Input<'_>) -> Vector<'static> {
    let seeds = input.ints(0).iter().enumerate();
    let hashes = seeds.map(|(row, seed)| {
        let mut hasher = SipHasher13::new_with_keys(seed.cast_unsigned(), 0);
        for value in &input.args[1..] {
            feed(&mut hasher, value, row);
        }
        positive(hasher.finish())
    });
    Vector::ints(hashes.collect()).with(input.args[0].valid.as_deref().map(<[bool]>::to_vec))
}

operations! {
    /// A hash of values with a seed; a null is a value of its own.
    HASH = "hash", Never, seeded;
    SIPHASH = "siphash", Operands, |c| {
        let hash = |bytes: &[u8]| {
            let mut hasher = SipHasher24::new();
            hasher.write(bytes);
            positive(hasher.finish())
        };
        c.numbers(c.texts(0).iter().map(hash).collect())
    };
    SHA256 = "sha256", Operands, |c| {
        let mut texts = TextBuilder::default();
        for (row, bytes) in c.texts(0).iter().enumerate() {
            if c.args[0].is_valid(row) {
                for byte in Sha256::digest(bytes) {
                    let _ = write!(texts.bytes(), "{byte:02x}");
                }
            }
            texts.end();
        }
        Vector::new(texts.data()).with(c.valid())
    };
}
