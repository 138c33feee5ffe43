//! What an extractor is: a state per open flow record, fed packet by packet, that gives the columns of its group at the end.
//!
//! An extractor knows no other extractor, no timely, and not where its state lives.

use crate::decode::DecodeOptions;
use crate::flows::Flow;
use crate::options::Options;
use crate::packet::{Direction, Packet};
use crate::protocols::{Message, Protocols};
use crate::schema::Features;
use crate::sources::InputName;
use crate::statistics::Deviation;
use std::fmt::Debug;
use std::sync::Arc;

/// What an extractor reads of a packet beyond its [`crate::packet::Header`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Needs {
    /// Bytes of the payload of each packet, from its start.
    pub payload: u32,
    /// The captured link, network and transport headers.
    pub headers: bool,
    /// Application protocols whose messages it takes; they need all of the payload.
    pub protocols: Protocols,
}

impl Needs {
    /// Header fields only.
    pub const NONE: Self = Self {
        payload: 0,
        headers: false,
        protocols: Protocols::NONE,
    };

    /// Messages of these protocols.
    pub const fn messages(protocols: Protocols) -> Self {
        Self {
            payload: if protocols.is_empty() {
                0
            } else {
                u16::MAX as u32
            },
            headers: false,
            protocols,
        }
    }

    /// What it costs to have it, in a word: `fields` (decoded header fields), `headers` (the captured headers), `payload` (the
    /// first bytes of each packet), `messages` (streams put in order and parsed).
    pub fn class(&self) -> &'static str {
        match self {
            needs if !needs.protocols.is_empty() => "messages",
            needs if needs.payload > 0 => "payload",
            needs if needs.headers => "headers",
            _ => "fields",
        }
    }

    /// What is needed to serve both.
    #[must_use]
    pub fn union(self, other: Self) -> Self {
        Self {
            payload: self.payload.max(other.payload),
            headers: self.headers || other.headers,
            protocols: self.protocols.union(other.protocols),
        }
    }
}

/// The settings that all groups share, and which columns of this group somebody asked for.
#[derive(Clone, Debug)]
pub struct Wanted {
    /// One entry a column of the group, in the order of its schema. With `split`, a column is wanted if it or one of its two
    /// split columns is.
    pub columns: Vec<bool>,
    /// Names of the columns, in the same order.
    pub names: Vec<String>,
    /// Whether the extractor also runs over the packets of each direction alone: then the counters of the record are not those of
    /// the packets that it sees.
    pub split: bool,
    /// Longest list in a row (`max_sequence_length`).
    pub sequence: usize,
    /// The shortest gap that ends a burst, ns (`burst_threshold`).
    pub burst_threshold: u64,
    /// How packets are decoded.
    pub decode: DecodeOptions,
    /// What the inputs are called, by ordinal; none before it is known which there are.
    pub sources: Arc<[InputName]>,
    /// What the points are called at which records give rows before their end.
    pub stages: Arc<[String]>,
    /// What the columns of standard deviations divide by.
    pub deviation: Deviation,
    /// Whether DTLS counts as TLS.
    pub dtls: bool,
}

impl Wanted {
    /// Whether a column is wanted whose name passes `test`. For `plan`, not for packets: it compares names.
    pub fn any(&self, test: impl Fn(&str) -> bool) -> bool {
        self.columns
            .iter()
            .zip(&self.names)
            .any(|(wanted, name)| *wanted && test(name))
    }
}

/// No settings: for groups without keys of their own.
#[derive(Clone, Debug, Options)]
pub struct NoOptions;

/// A group of features: `Self` is what is kept of one open flow record; `Default` is the state before the first packet.
///
/// With `split = true` the same extractor also runs over the packets of each direction alone: it must count what it divides by,
/// and take from [`Flow`] only facts about the record as a whole.
pub trait Extractor: Default + 'static {
    /// The columns.
    type Features: Features;
    /// The settings, keys of `[features]`.
    type Options: Options + Clone + Debug + Send + Sync + 'static;
    /// What is fixed for the run: settings that packets and rows need, and which parts of the state are needed at all.
    type Plan: Send + Sync + 'static;

    /// Whether the group is computed only where it is named: `all` leaves it out.
    const NAMED_ONLY: bool = false;

    /// What is read of a packet beyond its header fields, given the plan.
    fn needs(_plan: &Self::Plan) -> Needs {
        Needs::NONE
    }

    /// Fixes settings and wanted columns for the run.
    fn plan(options: &Self::Options, wanted: &Wanted) -> Self::Plan;

    /// Takes the next packet of the record, in processing order. Must not allocate as a rule.
    ///
    /// `flow` is the record as of the end of a run of packets, so only what is fixed at its start may be taken from it: key,
    /// initiator, start, protocol.
    fn packet(&mut self, packet: &Packet<'_>, flow: &Flow, plan: &Self::Plan);

    /// Takes a message of one of the protocols in `needs`, in the order in which messages are whole, and the time of the packet that
    /// made it so, ns since 1970. The message of a packet may come before or after packets around it, so a state must not count the
    /// one by the other.
    fn message(&mut self, message: &Message<'_>, from: Direction, time: i64, plan: &Self::Plan) {
        let _ = (message, from, time, plan);
    }

    /// The columns as of now. Borrows: a row may be given early and again later. A column that the plan left out may have any
    /// value; so may all but counts and booleans where no packet was seen, as in a direction that is empty (not even NaN harms).
    fn finish(&self, flow: &Flow, plan: &Self::Plan) -> Self::Features;

    /// Heap bytes held by this state: what a record costs beyond its fixed part.
    fn heap_bytes(&self) -> usize {
        0
    }
}
