//! The fuzz targets, each over what fuzzing starts from, over the same with damage and over random bytes; and what fuzzing found before.
//! `fuzz/README.md` says how to run them for long.

#[path = "../fuzz/corpus.rs"]
mod corpus;
#[path = "../fuzz/targets.rs"]
mod targets;

use std::panic::{RefUnwindSafe, catch_unwind};
use std::path::Path;
use targets::{TARGETS, Target};

/// Inputs of a target at most.
const INPUTS: usize = 120;

/// A generator of random numbers: the same ones in every run (xorshift, Marsaglia 2003).
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn below(&mut self, most: usize) -> usize {
        usize::try_from(self.next() % (most as u64).max(1)).unwrap()
    }

    /// A few bytes changed, perhaps cut off.
    fn damage(&mut self, bytes: &mut Vec<u8>) {
        for _ in 0..1 + self.below(4) {
            let place = self.below(bytes.len());
            if let Some(byte) = bytes.get_mut(place) {
                *byte = self.next() as u8;
            }
        }
        if self.below(4) == 0 {
            bytes.truncate(self.below(bytes.len()));
        }
    }
}

/// Runs a target; of an input that hurts it, says which.
fn run(name: &str, target: Target, bytes: &[u8])
where
    Target: RefUnwindSafe,
{
    if catch_unwind(|| target(bytes)).is_err() {
        let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        panic!("target {name} fails on {hex}");
    }
}

#[test]
fn no_input_hurts_a_target() {
    let repository = Path::new(env!("CARGO_MANIFEST_DIR"));
    let captures = ["tests/captures", "examples"].map(|folder| repository.join(folder));
    let seeds = corpus::seeds(&captures, &repository.join("specs"));
    let mut random = Random(0x9E37_79B9_7F4A_7C15);
    for (name, target) in TARGETS {
        let seeds = seeds
            .get(name)
            .unwrap_or_else(|| panic!("no seed for {name}"));
        for seed in seeds.iter().step_by(seeds.len().div_ceil(INPUTS)) {
            run(name, target, seed);
            let mut damaged = seed.clone();
            random.damage(&mut damaged);
            run(name, target, &damaged);
        }
        for _ in 0..INPUTS {
            let length = random.below(80);
            let bytes: Vec<u8> = (0..length).map(|_| random.next() as u8).collect();
            run(name, target, &bytes);
        }
    }
}

#[test]
fn what_fuzzing_found_stays_repaired() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/regressions");
    for (name, target) in TARGETS {
        let files = std::fs::read_dir(folder.join(name)).into_iter().flatten();
        for file in files.flatten() {
            run(name, target, &std::fs::read(file.path()).unwrap());
        }
    }
}
