//! When a flow record is over, and a calendar that notices it.
//!
//! Time here is the clock of the capture, never the wall clock. The calendar only decides when an end is noticed, never whether:
//! a record it ends would be ended, with the same reason, by the next packet of its key.

use super::flow::Flow;
use super::options::IdleTimeout;
use crate::books::EndReason;
use std::collections::BTreeMap;

/// The timeouts that end records.
#[derive(Clone, Copy, Debug)]
pub struct Timeouts {
    /// Idle timeouts by protocol, ns.
    pub idle: IdleTimeout,
    /// Active timeout, ns; `None` = off.
    pub active: Option<i64>,
    /// How long a closed TCP record waits, ns.
    pub linger: i64,
}

impl Timeouts {
    /// Why `flow` is over for a packet at `clock`, if it is: idle, or closed and past its linger.
    #[inline]
    pub fn over(&self, flow: &Flow, clock: i64) -> Option<EndReason> {
        let idle = self
            .idle
            .of(flow.key.protocol)
            .is_some_and(|timeout| clock.saturating_sub(flow.last_clock) > timeout);
        match flow.close.closed() {
            Some((at, reason)) => {
                (idle || clock.saturating_sub(at) > self.linger).then_some(reason)
            }
            None => idle.then_some(EndReason::Idle),
        }
    }

    /// The last clock at which `flow` is not over; `None` = never over by time.
    pub fn deadline(&self, flow: &Flow) -> Option<i64> {
        let idle = self
            .idle
            .of(flow.key.protocol)
            .map(|timeout| flow.last_clock.saturating_add(timeout));
        let linger = flow
            .close
            .closed()
            .map(|(at, _)| at.saturating_add(self.linger));
        [idle, linger].into_iter().flatten().min()
    }

    /// Width of a calendar page: a 64th of the shortest timeout, at least 1 ms.
    fn page(&self) -> i64 {
        let idle = [
            self.idle.tcp,
            self.idle.udp,
            self.idle.icmp,
            self.idle.other,
        ];
        let shortest = idle
            .into_iter()
            .flatten()
            .chain([self.linger])
            .filter(|timeout| *timeout > 0)
            .min();
        (shortest.unwrap_or(0) / 64).max(1_000_000)
    }
}

/// Flows by the page of their deadline. One valid entry a flow; nothing moves when a packet arrives: an entry that comes up is
/// looked at again and put where its flow's deadline is now. A leap of 136 years costs the same as one page.
#[derive(Debug)]
pub struct Calendar {
    page: i64,
    pages: BTreeMap<i64, Vec<u32>>,
}

impl Calendar {
    /// An empty calendar for these timeouts.
    pub fn new(timeouts: &Timeouts) -> Self {
        Self {
            page: timeouts.page(),
            pages: BTreeMap::new(),
        }
    }

    /// Notes `slot` under `deadline` and gives the page: an entry counts only while its flow remembers that page.
    pub fn note(&mut self, slot: u32, deadline: i64) -> i64 {
        let page = deadline.div_euclid(self.page);
        self.pages.entry(page).or_default().push(slot);
        page
    }

    /// Takes the entries of the first page that lies wholly before `clock`: the page and its slots.
    pub fn due(&mut self, clock: i64) -> Option<(i64, Vec<u32>)> {
        let entry = self.pages.first_entry()?;
        if *entry.key() >= clock.div_euclid(self.page) {
            return None;
        }
        Some(entry.remove_entry())
    }
}
