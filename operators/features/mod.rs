//! Feature groups: one file each, and the list of them.
//!
//! A new group is a file with a `State` that implements [`Extractor`], a `mod` line and a line of the list.

mod aggregated;
#[cfg(test)]
mod applications;
mod connection;
mod dhcp;
mod differences;
mod dns;
mod dns_more;
mod entropy;
mod extractor;
mod fingerprint;
mod flow_meta;
mod group;
mod http;
mod http2;
mod icmp;
mod ip_extended;
mod ipv6_options;
#[cfg(any(test, feature = "ja4plus"))]
#[cfg_attr(
    not(feature = "ja4plus"),
    expect(
        dead_code,
        reason = "its tests run in every build; its groups feed it in some"
    )
)]
mod ja4plus;
mod mac;
mod options;
mod padding;
mod plan;
mod quic;
mod record;
mod seen;
mod select;
mod shape;
mod size;
mod ssh;
mod ssh_algorithms;
mod stats;
mod tcp;
mod tcp_fingerprint;
mod tcp_mptcp;
mod tcp_options;
mod tcp_rtt;
mod tcp_sequence;
mod tcp_sides;
mod tcp_window;
#[cfg(test)]
pub(crate) mod testing;
mod timing;
mod tls;
mod tls_certificate;
mod tls_hello;
mod tunnel;
mod vpn;

use crate::schema::{Feature, Profile, Schema};
use group::{Group, Settled};

pub use connection::{Connection, ConnectionPlan};
pub use differences::{DIFFERENCES, difference};
pub use entropy::EntropyOptions;
pub use extractor::{Extractor, Needs, NoOptions, Wanted};
pub use options::{Expressions, FeatureSettings, FeaturesOptions, Missing};
pub use plan::{Extractors, FeaturePlan};
pub use seen::{DurationUnit, Offered, Projection, Seen};
pub use select::{Absence, SelectionError};
pub use shape::Shape;
pub use stats::StatsOptions;
pub use timing::TimingOptions;

macro_rules! extractors {
    ($($state:ty,)+) => {
        /// Every group with its default settings, in column order.
        fn groups() -> Vec<Box<dyn Group>> {
            vec![$(Box::new(Settled::<$state>::default())),+]
        }
    };
}

extractors! {
    flow_meta::State,
    timing::State,
    size::State,
    tcp::State,
    tls::State,
    quic::State,
    http2::State,
    ssh::State,
    dns::State,
    padding::State,
    fingerprint::State,
    entropy::State,
    mac::State,
    ip_extended::State,
    ipv6_options::State,
    tcp_sequence::State,
    tcp_window::State,
    tcp_options::State,
    tcp_mptcp::State,
    tcp_rtt::State,
    tcp_fingerprint::State,
    icmp::State,
    connection::State,
    record::State,
    stats::State,
    http::State,
    vpn::State,
    tunnel::State,
    dhcp::State,
}

/// The names of all groups, in column order.
pub fn group_names() -> Vec<&'static str> {
    groups().iter().map(|group| group.name()).collect()
}

/// Every column there is, in output order; the columns that `split` adds left out.
pub fn catalogue() -> Schema {
    groups().iter().flat_map(|group| group.schema()).collect()
}

/// What it takes to have a column.
#[derive(Clone, Copy, Debug)]
pub struct Cost {
    /// What is read of each packet.
    pub needs: Needs,
    /// Bytes that its group keeps of each open record, without what is allocated.
    pub state: usize,
}

/// What it takes to have each column of [`catalogue`], in its order, when no other one is asked for.
pub fn costs() -> Vec<Cost> {
    let mut settings = FeatureSettings::default();
    let shared = &mut settings.shared;
    (shared.flow_id, shared.raw_sequences, shared.splt) = (true, true, true);
    shared.profile = Some(Profile::Extra.name().to_owned());
    settings.stages = [String::new()].into();
    settings.has_sensor = true;
    let whole = settings.plan().expect("a profile without other settings");
    let cost = |feature: Feature| {
        let mut plan = whole.clone();
        plan.restrict(|other| other.name == feature.name);
        let state = plan.bytes_per_flow().first().map_or(0, |(_, bytes)| *bytes);
        Cost {
            needs: plan.needs(),
            state,
        }
    };
    catalogue().into_iter().map(cost).collect()
}

#[cfg(test)]
mod tests;
