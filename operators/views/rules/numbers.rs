//! Numbers for texts and addresses: rows of views hold these, the spelling is kept here, once, for as long as a row names it.
//!
//! A number is made of what it stands for, so that it does not depend on what came before; only where two would have the same one,
//! of 2^63, does the one that comes second get the next. It is not the order of what they stand for.

use crate::columns::Address;
use crate::expressions::Constant;
use siphasher::sip::SipHasher13;
use std::collections::HashMap;
use std::hash::Hasher as _;
use std::sync::Arc;

/// What a number stands for.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Spelling {
    Text(Arc<[u8]>),
    Ip(Address),
}

impl Spelling {
    /// Below 2^63, so that no number is the word of a null.
    fn number(&self) -> u64 {
        let mut hasher = SipHasher13::new();
        match self {
            Self::Text(text) => {
                hasher.write(&[0]);
                hasher.write(text);
            }
            Self::Ip(address) => {
                hasher.write(&[address.family]);
                hasher.write(address.octets());
            }
        }
        hasher.finish() >> 1
    }
}

/// Which number stands for what.
#[derive(Debug, Default)]
pub struct Numbers {
    numbers: HashMap<Spelling, u64>,
    /// What it stands for, and how many rows name it.
    spellings: HashMap<u64, (Spelling, u64)>,
}

impl Numbers {
    /// With numbers for what is written out in rules, in this order: they are never forgotten.
    pub fn new(constants: &[Constant]) -> Self {
        let mut numbers = Self::default();
        for constant in constants {
            numbers.constant(constant);
        }
        numbers
    }

    /// The number of a text or address that is written out; names it once more.
    pub fn constant(&mut self, constant: &Constant) -> u64 {
        match constant {
            Constant::Text(text) => self.text(text.as_bytes()),
            Constant::Ip(address) => self.ip(*address),
            _ => self.text(b""),
        }
    }

    /// The number of a text; names it once more.
    pub fn text(&mut self, text: &[u8]) -> u64 {
        self.give(Spelling::Text(Arc::from(text)))
    }

    /// The number of an address; names it once more.
    pub fn ip(&mut self, address: Address) -> u64 {
        self.give(Spelling::Ip(address))
    }

    fn give(&mut self, spelling: Spelling) -> u64 {
        let number = match self.numbers.get(&spelling) {
            Some(number) => *number,
            None => {
                let mut number = spelling.number();
                while self.spellings.contains_key(&number) {
                    number = (number + 1) % (1 << 63);
                }
                self.numbers.insert(spelling.clone(), number);
                self.spellings.insert(number, (spelling, 0));
                number
            }
        };
        if let Some((_, names)) = self.spellings.get_mut(&number) {
            *names += 1;
        }
        number
    }

    /// A row that named it is gone, and no result holds it any more.
    pub fn leave(&mut self, number: u64) {
        let Some((spelling, names)) = self.spellings.get_mut(&number) else {
            return;
        };
        *names -= 1;
        if *names == 0 {
            self.numbers.remove(spelling);
            self.spellings.remove(&number);
        }
    }

    /// What a number stands for.
    pub fn spell(&self, number: u64) -> Constant {
        match self.spellings.get(&number) {
            Some((Spelling::Text(text), _)) => {
                Constant::Text(String::from_utf8_lossy(text).into_owned())
            }
            Some((Spelling::Ip(address), _)) => Constant::Ip(*address),
            None => Constant::Null,
        }
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.spellings.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.spellings.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_no_row_names_is_forgotten() {
        let mut numbers = Numbers::new(&[Constant::Text("a".to_owned())]);
        let (a, b) = (numbers.text(b"a"), numbers.text(b"b"));
        assert_eq!((numbers.text(b"b"), numbers.len()), (b, 2));
        numbers.leave(b);
        assert_eq!(numbers.spell(b), Constant::Text("b".to_owned()));
        numbers.leave(b);
        numbers.leave(a);
        assert_eq!((numbers.len(), numbers.spell(b)), (1, Constant::Null));
        let ip = Address {
            family: 4,
            bytes: [0; 16],
        };
        let number = numbers.ip(ip);
        assert_eq!(numbers.spell(number), Constant::Ip(ip));
    }

    #[test]
    fn a_number_is_made_of_what_it_stands_for() {
        let (mut one, mut other) = (Numbers::default(), Numbers::default());
        let first = one.text(b"first");
        let (second, again) = (one.text(b"second"), other.text(b"second"));
        assert_eq!((second, other.text(b"first")), (again, first));
        assert_ne!(first, second);
        assert!(first.max(second) < crate::views::rules::plan::NULL);
    }
}
