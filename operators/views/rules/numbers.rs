//! Numbers for texts and addresses: rows of views hold these, the spelling is kept here, once, for as long as a row names it.

use crate::columns::Address;
use crate::expressions::Constant;
use std::collections::HashMap;
use std::sync::Arc;

/// What a number stands for.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Spelling {
    Text(Arc<[u8]>),
    Ip(Address),
}

/// Which number stands for what.
#[derive(Debug, Default)]
pub struct Numbers {
    numbers: HashMap<Spelling, u64>,
    /// What it stands for, and how many rows name it.
    spellings: HashMap<u64, (Spelling, u64)>,
    next: u64,
}

impl Numbers {
    /// With numbers for what is written out in rules, from 0.
    pub fn new(constants: &[Constant]) -> Self {
        let mut numbers = Self::default();
        for constant in constants {
            match constant {
                Constant::Text(text) => numbers.text(text.as_bytes()),
                Constant::Ip(address) => numbers.ip(*address),
                _ => numbers.give(Spelling::Text(Arc::from([].as_slice()))),
            };
        }
        numbers
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
        let next = self.next;
        let number = *self.numbers.entry(spelling.clone()).or_insert(next);
        if number == next {
            self.next += 1;
            self.spellings.insert(number, (spelling, 0));
        }
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
        assert_eq!((a, b, numbers.text(b"b")), (0, 1, 1));
        numbers.leave(b);
        assert_eq!(numbers.spell(b), Constant::Text("b".to_owned()));
        numbers.leave(b);
        numbers.leave(a);
        assert_eq!((numbers.len(), numbers.spell(b)), (1, Constant::Null));
        assert_eq!(numbers.text(b"b"), 2, "no number is given twice");
        let ip = Address {
            family: 4,
            bytes: [0; 16],
        };
        let number = numbers.ip(ip);
        assert_eq!(numbers.spell(number), Constant::Ip(ip));
    }
}
