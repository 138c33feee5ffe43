//! The memory guard: a run that grows over its limit ends with one message, before the system ends it without.
//!
//! It looks once a second, from a thread of its own, at what the system says of this process. Only Linux says it; elsewhere
//! there is no guard. What a run may hold in rows is bounded by counts (`max_flows`), never by this.

use crate::report::{size, thousands};
use operators::Error;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::time::Duration;

/// Time between two looks.
const LOOK: Duration = Duration::from_secs(1);

/// A process that is no larger has no need to give memory back.
const SMALL: u64 = 256 << 20;

/// Watches the memory of this process until it is dropped.
pub struct Guard {
    limit: Option<u64>,
    /// Bytes in use when the watch began.
    start: u64,
    needs: Needs,
    over: Over,
    /// Dropped to end the thread.
    _stop: Sender<()>,
}

/// What a run needs beside the state of open flows, bytes.
#[derive(Clone, Copy, Debug)]
pub struct Needs {
    /// Buffers, whatever the number of flows.
    pub fixed: u64,
    /// What a flow takes when it ends: with the input, all do at once.
    pub row: u64,
}

/// Whether memory ran out; shared with workers.
#[derive(Clone, Debug, Default)]
pub struct Over {
    /// Bytes in use when it did, else 0.
    used: Arc<AtomicU64>,
    /// Flows that were open then, over all workers.
    flows: Arc<AtomicU64>,
}

impl Over {
    /// Whether the run has to end.
    pub fn is_set(&self) -> bool {
        self.used.load(Ordering::Relaxed) > 0
    }

    /// Ends a worker that has this many flows open.
    pub fn end(&self, flows: u64) -> ! {
        self.flows.fetch_add(flows, Ordering::Relaxed);
        std::panic::resume_unwind(Box::new("out of memory"))
    }
}

/// Gives free memory back to the system.
///
/// glibc keeps what a thread frees for that thread: the room of rows that were read stays taken while other threads write them,
/// and a long capture would peak at the sum of both.
pub fn give_back() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    {
        #[expect(unsafe_code, reason = "glibc has no safe door to it")]
        // SAFETY: takes a number, touches only memory that nobody has allocated, and is safe to call from any thread.
        unsafe {
            libc::malloc_trim(0);
        }
    }
}

impl Guard {
    /// Starts to watch. `limit` is that of the whole run, by default 80 % of what there is; `processes` of this machine share it.
    ///
    /// With `arrangements`, free memory goes back to the system each time the process has grown by a quarter: an arrangement grows by
    /// merging, ever larger blocks take the place of those before, and glibc would keep as much as is in use.
    pub fn start(limit: Option<u64>, processes: usize, needs: Needs, arrangements: bool) -> Self {
        let limit = limit.or_else(|| available().map(|bytes| bytes / 5 * 4));
        let limit = limit.map(|bytes| bytes / processes.max(1) as u64);
        let (over, start) = (Over::default(), resident().unwrap_or(0));
        let (stop, stopped) = channel();
        if let Some(limit) = limit {
            let over = over.clone();
            std::thread::spawn(move || {
                let mut large = SMALL;
                loop {
                    let mut used = resident().unwrap_or(0);
                    if arrangements && used > large {
                        give_back();
                        used = resident().unwrap_or(0);
                        large = SMALL.max(used / 4 * 5);
                    }
                    if used > limit {
                        over.used.store(used, Ordering::Relaxed);
                        return;
                    }
                    if stopped.recv_timeout(LOOK) != Err(RecvTimeoutError::Timeout) {
                        return;
                    }
                }
            });
        }
        Self {
            limit,
            start,
            needs,
            over,
            _stop: stop,
        }
    }

    /// Tells workers whether memory ran out.
    pub fn over(&self) -> Over {
        self.over.clone()
    }

    /// The error of a run that memory ended; `None` = it did not.
    pub fn error(&self) -> Option<Error> {
        let used = self.over.used.load(Ordering::Relaxed);
        let flows = self.over.flows.load(Ordering::Relaxed);
        let limit = self.limit.filter(|_| used > 0)?;
        Some(error(limit, [self.start, used], flows, self.needs))
    }
}

/// What is in use beyond what was at the start is taken for the state of the open flows.
fn error(limit: u64, [start, used]: [u64; 2], flows: u64, needs: Needs) -> Error {
    let rows = u128::from(flows) * u128::from(needs.row);
    let grown = (u128::from(used.saturating_sub(start)) + rows).max(1);
    let room = u128::from(limit.saturating_sub(start + needs.fixed));
    // a tenth is left for what does not grow with the flows
    let fit = u128::from(flows) * room * 9 / (grown * 10);
    let message = format!(
        "out of memory: {} in use, of {} that the run may have, with {} flows open; nothing was written",
        size(used),
        size(limit),
        thousands(flows)
    );
    let help = match fit {
        0 => format!(
            "raise `memory` in `[run]`: beside the flows, packets on their way and rows that are sorted may take {}",
            size(needs.fixed)
        ),
        fit => format!(
            "`max_flows = {fit}` in `[flows]` would fit; or end flows earlier (`idle_timeout`), ask for fewer features, or raise `memory` in `[run]`"
        ),
    };
    Error::new(message).help(help)
}

/// Bytes that this process has in memory.
fn resident() -> Option<u64> {
    kilobytes(
        &std::fs::read_to_string("/proc/self/status").ok()?,
        "VmRSS:",
    )
}

/// Bytes that this process may have: of the machine, or of its group where that has less.
fn available() -> Option<u64> {
    let machine = kilobytes(&std::fs::read_to_string("/proc/meminfo").ok()?, "MemTotal:")?;
    let groups = std::fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
    let limit = group_limit(&groups, |path| std::fs::read_to_string(path).ok());
    Some(limit.map_or(machine, |limit| limit.min(machine)))
}

/// A line `name   123 kB` in bytes.
fn kilobytes(text: &str, name: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix(name))?;
    let number: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    number.checked_mul(1024)
}

/// The smallest limit of the control groups that a process is in, of version 2 (`0::/path`) or 1 (`7:memory:/path`).
fn group_limit(groups: &str, read: impl Fn(&Path) -> Option<String>) -> Option<u64> {
    let mut least = None;
    for line in groups.lines() {
        let (root, file, path) = match line.splitn(3, ':').collect::<Vec<_>>()[..] {
            ["0", "", path] => ("/sys/fs/cgroup", "memory.max", path),
            [_, "memory", path] => ("/sys/fs/cgroup/memory", "memory.limit_in_bytes", path),
            _ => continue,
        };
        for folder in Path::new(path.trim_start_matches('/')).ancestors() {
            let text = read(&Path::new(root).join(folder).join(file));
            // the text `max` and numbers near 2^63 are no limit
            let limit = text.and_then(|text| text.trim().parse::<u64>().ok());
            least = [least, limit].into_iter().flatten().min();
        }
    }
    least
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_are_those_of_the_machine_or_the_group() {
        assert_eq!(
            kilobytes("Name: a\nVmRSS:\t  2048 kB\n", "VmRSS:"),
            Some(2 << 20)
        );
        assert_eq!(kilobytes("VmRSS: many\n", "VmRSS:"), None);
        let files = |path: &Path| match path.to_str()? {
            "/sys/fs/cgroup/a/b/memory.max" => Some("max\n".to_owned()),
            "/sys/fs/cgroup/a/memory.max" => Some("3000\n".to_owned()),
            "/sys/fs/cgroup/memory.max" => Some("4000\n".to_owned()),
            "/sys/fs/cgroup/memory/x/memory.limit_in_bytes" => {
                Some("9223372036854771712\n".to_owned())
            }
            _ => None,
        };
        assert_eq!(group_limit("0::/a/b\n", files), Some(3000));
        assert_eq!(group_limit("0::/\n", files), Some(4000));
        assert_eq!(
            group_limit("3:cpu:/x\n7:memory:/x\n", files),
            Some(9_223_372_036_854_771_712)
        );
        assert_eq!(group_limit("", files), None);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn the_system_is_asked() {
        let (used, all) = (resident().unwrap(), available().unwrap());
        assert!(used > 100_000 && used < all, "{used} of {all}");
    }

    #[test]
    fn the_number_of_flows_that_fit_is_named() {
        // 1 GB beyond the start with a million flows: 1 kB each, and as much for their rows; 400 MB of room
        let needs = Needs {
            fixed: 0,
            row: 1_000,
        };
        let error = error(500_000_000, [100_000_000, 1_100_000_000], 1_000_000, needs);
        assert_eq!(
            error.to_string(),
            "out of memory: 1.1 GB in use, of 500.0 MB that the run may have, with 1,000,000 flows open; nothing was written"
        );
        assert!(
            error.hint().unwrap().starts_with("`max_flows = 180000`"),
            "{:?}",
            error.hint()
        );
        let fixed = 400_000_000;
        let needs = Needs { fixed, ..needs };
        let none = super::error(500_000_000, [100_000_000, 600_000_000], 7, needs);
        assert!(none.hint().unwrap().starts_with("raise `memory`"));
    }
}
