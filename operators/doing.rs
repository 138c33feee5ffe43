//! What a worker is doing, for the message of a defect: a panic says where in the code, this says with which records.
//!
//! Set once a batch, never once a packet. Decides nothing.

use std::cell::Cell;

/// What the operator that runs has in hand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Doing {
    /// The name of the operator.
    pub operator: &'static str,
    /// The input, and its first and last record in hand.
    pub records: Option<(u32, u64, u64)>,
}

thread_local! {
    static DOING: Cell<Option<Doing>> = const { Cell::new(None) };
}

impl Doing {
    /// From now on this worker is in `operator`, with these records.
    pub fn begin(operator: &'static str, records: Option<(u32, u64, u64)>) {
        DOING.set(Some(Self { operator, records }));
    }

    /// What this worker was doing last.
    pub fn last() -> Option<Self> {
        DOING.get()
    }

    /// The same in words; `inputs` are the names of the inputs, in order.
    pub fn told(&self, inputs: &[String]) -> String {
        let operator = self.operator;
        match self.records {
            Some((input, first, last)) => {
                let name = inputs.get(input as usize).map_or("?", String::as_str);
                format!("in operator `{operator}` with records {first} to {last} of {name}")
            }
            None => format!("in operator `{operator}`"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_is_told() {
        Doing::begin("read", None);
        Doing::begin("decode", Some((1, 5, 80)));
        let doing = Doing::last().expect("it was set");
        let inputs = ["a.pcap".to_owned(), "b.pcap".to_owned()];
        assert_eq!(
            doing.told(&inputs),
            "in operator `decode` with records 5 to 80 of b.pcap"
        );
        assert!(doing.told(&[]).ends_with("of ?"));
        Doing::begin("sink", None);
        let told = Doing::last().map(|doing| doing.told(&[]));
        assert_eq!(told.as_deref(), Some("in operator `sink`"));
    }
}
