//! The crate flowscope on a pcap file: 32 columns of each flow record, folded into totals; nothing is written.
//!
//! The fastest way through its public interface: packets borrowed from the reader instead of copied, no event a packet, a sweep
//! every ten seconds of the capture. The columns are what its tracker keeps by itself: key (5), start, end, packets and bytes of
//! each direction (4), gaps of the flow and of each direction (12), active and idle periods (8), end reason, TCP history.

use flowscope::correlate::WelfordStats;
use flowscope::extract::{FiveTuple, FiveTupleKey};
use flowscope::{
    EndReason, EventMask, FlowEvent, FlowStats, FlowTracker, FlowTrackerConfig, PacketView,
    Timestamp,
};
use pcap_file::pcap::PcapReader;
use std::fs::File;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::time::Duration;

/// Sums over the columns of all records, so that none of them is left out by the compiler.
#[derive(Debug, Default)]
struct Totals {
    flows: u64,
    packets: u64,
    bytes: u64,
    values: f64,
    keys: u64,
}

impl Totals {
    fn add(&mut self, key: &FiveTupleKey, stats: &FlowStats, reason: EndReason, history: &str) {
        self.flows += 1;
        self.packets += stats.packets_initiator + stats.packets_responder;
        self.bytes += stats.bytes_initiator + stats.bytes_responder;
        let mut hasher = DefaultHasher::new();
        key.hash(&mut hasher);
        self.keys ^= hasher.finish();
        self.values +=
            stats.started.to_duration().as_secs_f64() + stats.last_seen.to_duration().as_secs_f64();
        let five = [
            &stats.iat_flow,
            &stats.iat_initiator,
            &stats.iat_responder,
            &stats.active_periods,
            &stats.idle_periods,
        ];
        self.values += five.into_iter().map(four).sum::<f64>();
        self.values += (reason as u8 as f64) + history.len() as f64;
    }
}

/// Sum of the four columns of a family.
fn four(stats: &WelfordStats) -> f64 {
    stats.min() + stats.max() + stats.mean() + stats.variance_population().sqrt()
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let path = std::env::args()
        .nth(1)
        .ok_or("usage: flowscope CAPTURE.pcap")?;
    let mut reader = PcapReader::new(std::io::BufReader::with_capacity(
        256 << 10,
        File::open(path)?,
    ))?;
    let mut config =
        FlowTrackerConfig::default().with_event_filter(EventMask::all() - EventMask::ENDED);
    let minute = Duration::from_secs(60);
    config.idle_timeout_tcp = minute;
    config.idle_timeout_udp = minute;
    config.idle_timeout_other = minute;
    config.max_flows = 1 << 20;
    config.auto_sweep_interval = Some(Duration::from_secs(10));
    let mut tracker = FlowTracker::<FiveTuple>::with_config(FiveTuple::bidirectional(), config);
    let mut totals = Totals::default();
    let mut ended = |event: FlowEvent<FiveTupleKey>| {
        if let FlowEvent::Ended {
            key,
            reason,
            stats,
            history,
            ..
        } = event
        {
            totals.add(&key, &stats, reason, &history);
        }
    };
    let mut read = 0u64;
    while let Some(packet) = reader.next_packet() {
        let packet = packet?;
        read += 1;
        let time = Timestamp::new(
            packet.timestamp.as_secs() as u32,
            packet.timestamp.subsec_nanos(),
        );
        tracker
            .track(PacketView::new(&packet.data, time))
            .into_iter()
            .for_each(&mut ended);
    }
    tracker.finish().into_iter().for_each(&mut ended);
    println!("{read} packets read, {totals:?}");
    Ok(())
}
