//! The books of a run: every input, packet, flow and row has one counted fate.
//!
//! One `Books` per worker, plain `u64` counters behind enums; merging is addition, so totals do not depend on the number of
//! workers. Only the operator that decides a fate counts it. Adding a reason is one line in one of the lists below: the
//! summary, the messages and the tests follow.

pub use crate::joins::{FileBooks, JoinBooks};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

macro_rules! reasons {
    ($(#[$doc:meta])* $name:ident { $($(#[$reason_doc:meta])* $reason:ident = $text:literal,)+ }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[repr(u8)]
        pub enum $name { $($(#[$reason_doc])* $reason,)+ }

        impl $name {
            /// Every reason, in the order in which it is reported.
            pub const ALL: &'static [Self] = &[$(Self::$reason,)+];
            /// How many reasons there are.
            pub const COUNT: usize = Self::ALL.len();

            /// The name of this reason in summaries and metrics.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$reason => $text,)+ }
            }
        }

        impl Reason for $name {
            const ALL: &'static [Self] = Self::ALL;
            fn index(self) -> usize { self as usize }
            fn name(self) -> &'static str { self.name() }
        }
    };
}

/// A closed list of reasons that can be counted.
pub trait Reason: Copy + 'static {
    /// Every reason, in the order in which it is reported.
    const ALL: &'static [Self];
    /// The position of this reason in `ALL`.
    fn index(self) -> usize;
    /// The name of this reason in summaries and metrics.
    fn name(self) -> &'static str;
}

reasons! {
    /// Why the reading of an input ended before its end.
    Partial {
        /// The file ends inside a record.
        Truncated = "truncated",
        /// An impossible record or block.
        Damaged = "damaged",
        /// The operating system failed to read on.
        ReadError = "read_error",
        /// The file shrank or was replaced while it was read.
        Changed = "changed",
        /// A signal stopped the run.
        Stopped = "stopped",
    }
}
reasons! {
    /// Why an input was not read at all.
    Refused {
        /// No bytes.
        Empty = "empty",
        /// The first bytes belong to no capture format.
        NotACapture = "not_a_capture",
        /// A capture format or version that is not supported.
        UnsupportedFormat = "unsupported_format",
        /// Missing, or no permission.
        Unreadable = "unreadable",
        /// Its path has not the part that the `sensor` of its source asks for.
        NoSensor = "no_sensor",
    }
}
reasons! {
    /// Why a packet that was read joined no flow.
    Skip {
        /// No captured bytes.
        Empty = "empty",
        /// Not matched by the filter of the capture or of the spec, or outside of its times.
        Filtered = "filtered",
        /// Of a flow that every reader of the rows leaves out, by addresses, ports and protocol alone.
        Unwanted = "unwanted",
        /// Left out by the deterministic sampler.
        SampledOut = "sampled_out",
        /// No decoder for the link type, or none that the spec asks for.
        UnsupportedLinktype = "unsupported_linktype",
        /// ARP, LLDP, STP and the like.
        NotIp = "not_ip",
        /// More nested IP headers than `max_depth`.
        TooDeep = "too_deep",
        /// The captured bytes end inside the link or IP headers.
        Truncated = "truncated",
        /// IP headers that contradict themselves.
        Malformed = "malformed",
        /// A copy of a packet seen before, where the spec removes them.
        Duplicate = "duplicate",
        /// Later than the allowed lateness; live and remote sources only.
        Late = "late",
        /// The flow table is full and told to refuse.
        NoRoom = "no_room",
    }
}
reasons! {
    /// Why a flow record ended (IPFIX `flowEndReason`, information element 136).
    EndReason {
        /// No packet for the idle timeout.
        Idle = "idle",
        /// The record lived for the active timeout.
        Active = "active",
        /// Both sides sent FIN and both were acknowledged.
        Fin = "fin",
        /// A RST was seen.
        Rst = "rst",
        /// The flow table was full.
        Evicted = "evicted",
        /// The spec's own `end_when`.
        Rule = "rule",
        /// The input ended.
        Eof = "eof",
    }
}
reasons! {
    /// Why a flow record that ended gave no row.
    Discard {
        /// Fewer packets than the spec asks for.
        MinPackets = "min_packets",
        /// Not matched by the flow filter of the spec.
        FlowFilter = "flow_filter",
    }
}
reasons! {
    /// Why a sink did not write a row and will not.
    Reject {
        /// Larger than the destination takes.
        TooLarge = "too_large",
        /// The destination has another schema.
        Schema = "schema",
        /// The server said no.
        RefusedByServer = "refused_by_server",
    }
}
reasons! {
    /// Why a row was given up.
    Drop {
        /// The queue was full and told to drop.
        QueueFull = "queue_full",
        /// The destination failed and the sink was told to drop.
        OnError = "on_error",
    }
}
reasons! {
    /// Why a line of a file that rows are joined with matches none.
    LineSkip {
        /// A value that must be equal is missing, or is none of its kind.
        NoKey = "no_key",
        /// A time is missing.
        TimeMissing = "time_missing",
        /// A time has none of the forms.
        TimeForm = "time_form",
        /// A local time that was skipped when clocks were set forward.
        TimeGap = "time_gap",
        /// A local time that was there twice when clocks were set back.
        TimeAmbiguous = "time_ambiguous",
        /// A time of a 12-hour clock that is in none of its hours.
        TimeHours = "time_hours",
        /// An interval that ends before it starts.
        TimeOrder = "time_order",
    }
}
reasons! {
    /// Oddities of packets that are used all the same: any number a packet, never part of a sum.
    Anomaly {
        /// Fewer payload bytes captured than the headers announce.
        PayloadTruncated = "payload_truncated",
        /// Damaged IPv4 or IPv6 options.
        IpOptions = "ip_options",
        /// Damaged TCP options.
        TcpOptions = "tcp_options",
        /// The TCP header is cut, or its data offset contradicts the IP length.
        TcpHeader = "tcp_header",
        /// The UDP length field differs from the IP length.
        UdpLength = "udp_length",
        /// A later fragment whose first fragment was not seen.
        FragmentOrphan = "fragment_orphan",
        /// A packet in fragments that was not put together, though it should have been: not all came in time, or there was no room.
        FragmentLost = "fragment_lost",
        /// The IP length is beyond the end of the frame.
        IpLenOverrun = "ip_len_overrun",
        /// A record without a valid time.
        TimeMissing = "time_missing",
        /// A record earlier than the one before it in its source.
        TimeRegressions = "time_regressions",
        /// An original length below the captured length.
        OriginalLength = "original_length",
        /// A damaged option of a pcapng block.
        OptionDamaged = "option_damaged",
        /// Text from a packet that had to be escaped or cut.
        TextEscaped = "text_escaped",
        /// A reassembly buffer was full.
        BufferLimit = "buffer_limit",
        /// A number of an expression that was too large for its type, and is null.
        ExpressionOverflow = "expression_overflow",
        /// An aggregate of a flow with more values than it keeps, which is null.
        AggregateLimit = "aggregate_limit",
        /// Damaged TLS.
        Tls = "tls",
        /// Damaged DNS.
        Dns = "dns",
        /// Damaged QUIC.
        Quic = "quic",
        /// Damaged SSH.
        Ssh = "ssh",
        /// Damaged HTTP/2.
        Http2 = "http2",
    }
}

/// One counter for each reason of a list.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Counts<R> {
    counts: Vec<u64>,
    #[serde(skip)]
    reasons: std::marker::PhantomData<fn() -> R>,
}

impl<R: Reason> Default for Counts<R> {
    fn default() -> Self {
        Self {
            counts: vec![0; R::ALL.len()],
            reasons: std::marker::PhantomData,
        }
    }
}

impl<R: Reason> Counts<R> {
    /// Counts one.
    #[inline]
    pub fn add(&mut self, reason: R) {
        self.add_many(reason, 1);
    }

    /// Counts `n`.
    #[inline]
    pub fn add_many(&mut self, reason: R, n: u64) {
        if let Some(count) = self.counts.get_mut(reason.index()) {
            *count += n;
        }
    }

    /// How often `reason` was counted.
    pub fn get(&self, reason: R) -> u64 {
        self.counts.get(reason.index()).copied().unwrap_or(0)
    }

    /// The sum over all reasons.
    pub fn total(&self) -> u64 {
        self.counts.iter().sum()
    }

    /// The reasons that were counted at least once, with their counts, in the order of the list.
    pub fn nonzero(&self) -> impl Iterator<Item = (R, u64)> + '_ {
        R::ALL
            .iter()
            .map(|reason| (*reason, self.get(*reason)))
            .filter(|(_, count)| *count > 0)
    }

    /// Adds the counts of another worker.
    pub fn merge(&mut self, other: &Self) {
        for (mine, theirs) in self.counts.iter_mut().zip(&other.counts) {
            *mine += theirs;
        }
    }
}

/// What went wrong with one input, and where.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Fault {
    /// The input as it was named.
    pub file: String,
    /// Byte offset, in the uncompressed capture.
    pub offset: u64,
    /// Number of the record that could not be read, from 0.
    pub record: u64,
    /// A reason of [`Partial`] or [`Refused`].
    pub reason: String,
    /// Bytes of the file that were not read.
    pub bytes_unread: u64,
    /// What was found, and what to do about it.
    pub hint: String,
}

/// Fates of the inputs: `listed = whole + partial + refused + skipped`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct InputBooks {
    /// Inputs the spec names.
    pub listed: u64,
    /// Read to their end.
    pub whole: u64,
    /// Read up to a fault.
    pub partial: Counts<Partial>,
    /// Not read at all.
    pub refused: Counts<Refused>,
    /// Done in an earlier run.
    pub skipped: u64,
    /// Rows of files of rows, those outside of the times that are asked for left out.
    #[serde(default)]
    pub rows: u64,
    /// Every fault, in the order of the inputs.
    pub faults: Vec<Fault>,
}

/// Fates of the packets: `read = used + skipped`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PacketBooks {
    /// Records read.
    pub read: u64,
    /// Packets that joined a flow.
    pub used: u64,
    /// Packets that did not, by the first reason that applies.
    pub skipped: Counts<Skip>,
    /// EtherTypes of the packets skipped as `not_ip`, where they have one.
    pub ethertypes: BTreeMap<u16, u64>,
}

/// The most there was of something at once. It depends on how the work is shared, as no fate does, so books that differ in nothing
/// else are equal.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
pub struct Peak(pub u64);

impl PartialEq for Peak {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl Eq for Peak {}

/// Fates of the flow records: `opened = emitted + discarded + open`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct FlowBooks {
    /// Records opened.
    pub opened: u64,
    /// Records that gave a row, by their end.
    pub emitted: Counts<EndReason>,
    /// Records that gave none.
    pub discarded: Counts<Discard>,
    /// Records still open: 0 after a finished run.
    pub open: u64,
    /// The most records that were open at once, the sum over workers.
    #[serde(default)]
    pub most_open: Peak,
    /// Rows that records gave before their end.
    #[serde(default)]
    pub early: u64,
    /// Packets of all ended records.
    pub packets: u64,
    /// IP bytes of all ended records.
    pub bytes: u64,
}

/// Fates of the rows of one sink: `offered = filtered + written + rejected + dropped`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SinkBooks {
    /// Rows that reached the sink.
    pub offered: u64,
    /// Rows that its `where` left out.
    #[serde(default)]
    pub filtered: u64,
    /// Rows the destination confirmed.
    pub written: u64,
    /// Rows the destination refused.
    pub rejected: Counts<Reject>,
    /// Rows given up.
    pub dropped: Counts<Drop>,
}

/// Fates of the rows of one filter: `offered + copies = filtered + dedup + limit + unrouted + passed`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct FilterBooks {
    /// Rows that reached the filter.
    pub offered: u64,
    /// Rows that more than one route took, once for each further one.
    pub copies: u64,
    /// Rows that its condition or its sample left out.
    pub filtered: u64,
    /// Rows that an earlier one agrees with.
    #[serde(default)]
    pub dedup: u64,
    /// Rows behind as many as were asked for.
    #[serde(default)]
    pub limit: u64,
    /// Rows that no route took.
    pub unrouted: u64,
    /// Rows that went on, by route; the name is empty where there are none.
    pub passed: BTreeMap<String, u64>,
}

/// The books of one worker, or of a run when merged.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Books {
    /// Fates of the inputs.
    pub inputs: InputBooks,
    /// Fates of the packets.
    pub packets: PacketBooks,
    /// Fates of the flow records.
    pub flows: FlowBooks,
    /// Fates of the rows, by filter.
    #[serde(default)]
    pub filters: BTreeMap<String, FilterBooks>,
    /// Fates of the rows, by join.
    #[serde(default)]
    pub joins: BTreeMap<String, JoinBooks>,
    /// Fates of the rows, by sink.
    pub sinks: BTreeMap<String, SinkBooks>,
    /// Oddities, beside the books.
    pub anomalies: Counts<Anomaly>,
    /// Bytes of IP packets that joined a flow.
    pub bytes_used: u64,
    /// How often the limit on open flows ended one.
    pub max_flows_hit: u64,
}

impl FlowBooks {
    /// Rows of records: one at the end of each, and those before.
    pub fn rows(&self) -> u64 {
        self.emitted.total() + self.early
    }
}

impl Books {
    /// Adds the books of another worker.
    pub fn merge(&mut self, other: &Self) {
        self.inputs.listed += other.inputs.listed;
        self.inputs.whole += other.inputs.whole;
        self.inputs.partial.merge(&other.inputs.partial);
        self.inputs.refused.merge(&other.inputs.refused);
        self.inputs.skipped += other.inputs.skipped;
        self.inputs.rows += other.inputs.rows;
        self.inputs
            .faults
            .extend(other.inputs.faults.iter().cloned());
        self.inputs.faults.sort();
        self.packets.read += other.packets.read;
        self.packets.used += other.packets.used;
        self.packets.skipped.merge(&other.packets.skipped);
        for (kind, count) in &other.packets.ethertypes {
            *self.packets.ethertypes.entry(*kind).or_default() += count;
        }
        self.flows.opened += other.flows.opened;
        self.flows.emitted.merge(&other.flows.emitted);
        self.flows.discarded.merge(&other.flows.discarded);
        self.flows.open += other.flows.open;
        self.flows.most_open.0 += other.flows.most_open.0;
        self.flows.early += other.flows.early;
        self.flows.packets += other.flows.packets;
        self.flows.bytes += other.flows.bytes;
        for (name, filter) in &other.filters {
            let mine = self.filters.entry(name.clone()).or_default();
            mine.offered += filter.offered;
            mine.copies += filter.copies;
            mine.filtered += filter.filtered;
            mine.dedup += filter.dedup;
            mine.limit += filter.limit;
            mine.unrouted += filter.unrouted;
            for (route, rows) in &filter.passed {
                *mine.passed.entry(route.clone()).or_default() += rows;
            }
        }
        for (name, join) in &other.joins {
            self.joins.entry(name.clone()).or_default().merge(join);
        }
        for (name, sink) in &other.sinks {
            let mine = self.sinks.entry(name.clone()).or_default();
            mine.offered += sink.offered;
            mine.filtered += sink.filtered;
            mine.written += sink.written;
            mine.rejected.merge(&sink.rejected);
            mine.dropped.merge(&sink.dropped);
        }
        self.anomalies.merge(&other.anomalies);
        self.bytes_used += other.bytes_used;
        self.max_flows_hit += other.max_flows_hit;
    }

    /// The sums that do not hold, one sentence each; empty where the books balance.
    pub fn imbalances(&self) -> Vec<String> {
        let mut found = Vec::new();
        let mut check = |what: &str, left: u64, right: u64| {
            if left != right {
                found.push(format!("{what}: {left} is not {right}"));
            }
        };
        let inputs = &self.inputs;
        check(
            "inputs listed = whole + partial + refused + skipped",
            inputs.listed,
            inputs.whole + inputs.partial.total() + inputs.refused.total() + inputs.skipped,
        );
        check(
            "packets read = used + skipped",
            self.packets.read,
            self.packets.used + self.packets.skipped.total(),
        );
        let flows = &self.flows;
        check(
            "flows opened = emitted + discarded + open",
            flows.opened,
            flows.emitted.total() + flows.discarded.total() + flows.open,
        );
        if flows.open == 0 {
            check(
                "packets of all flows = packets used",
                flows.packets,
                self.packets.used,
            );
            check(
                "bytes of all flows = bytes used",
                flows.bytes,
                self.bytes_used,
            );
        }
        for (name, filter) in &self.filters {
            let passed: u64 = filter.passed.values().sum();
            check(
                &format!(
                    "rows of filter {name}: offered + copies = filtered + dedup + limit + unrouted + passed"
                ),
                filter.offered + filter.copies,
                filter.filtered + filter.dedup + filter.limit + filter.unrouted + passed,
            );
        }
        for (name, join) in &self.joins {
            for (what, left, right) in join.sums() {
                check(&format!("{what} of join {name}"), left, right);
            }
        }
        for (name, sink) in &self.sinks {
            check(
                &format!("rows of sink {name}: offered = filtered + written + rejected + dropped"),
                sink.offered,
                sink.filtered + sink.written + sink.rejected.total() + sink.dropped.total(),
            );
        }
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn merging_adds_and_balance_is_checked() {
        let mut a = Books::default();
        a.packets.read = 3;
        a.packets.used = 2;
        a.packets.skipped.add(Skip::NotIp);
        let mut b = a.clone();
        b.packets.skipped.add(Skip::Truncated);
        assert!(
            a.flows.open == 0 && !a.imbalances().is_empty(),
            "2 packets used, none in a flow"
        );
        a.flows.packets = 2;
        assert_eq!(a.imbalances(), Vec::<String>::new());
        a.merge(&b);
        assert_eq!(a.packets.skipped.get(Skip::NotIp), 2);
        assert_eq!(a.imbalances().len(), 2);
    }
}
