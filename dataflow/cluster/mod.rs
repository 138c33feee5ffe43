//! The processes of a run: started here or by hand, connected to each other, each with its workers.
//!
//! Timely's own connect step takes any eight bytes for a worker and waits for a silent stranger without end. So the sockets are
//! made here (`meet`) and handed over. Loopback addresses only: nothing is encrypted and nobody proves who he is.

mod failure;
mod meet;
mod start;

pub use failure::Failure;
pub use start::Started;

use crate::plan::Plan;
use crate::run::Control;
use failure::{Link, THREADS};
use meet::{Digest, Meeting};
use operators::Error;
use sha2::{Digest as _, Sha256};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::path::Path;
use std::process::Child;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};
use timely::communication::allocator::zero_copy::initialize::initialize_networking_from_sockets;
use timely::communication::allocator::{AllocatorBuilder, ProcessBuilder};
use timely::communication::{Config, Hooks};
use timely::worker::Worker;

/// Where a process stands among those of its run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// This process, from 0.
    pub process: usize,
    /// All processes.
    pub processes: usize,
    /// Workers of each.
    pub workers: usize,
}

/// Why a run ended that is not at fault itself: the cause of its error.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Ended {
    /// Another process went away.
    #[error("another process went away")]
    Lost,
    /// A signal came before the processes had met.
    #[error("stopped by a signal")]
    Stopped,
}

impl Ended {
    /// Whether an error says so.
    pub fn of(error: &Error) -> Option<Self> {
        std::error::Error::source(error)?.downcast_ref().copied()
    }
}

/// The processes of a run, seen from one of them.
pub struct Cluster {
    place: Place,
    links: Vec<Option<Link>>,
    failure: Failure,
    children: Vec<Child>,
}

impl Cluster {
    /// Starts or joins the processes that the plan asks for. `inputs` is what all of them must find alike.
    ///
    /// # Errors
    /// An address is not of this machine, a process does not come, or runs something else.
    pub fn of(
        plan: &Plan,
        control: &Control,
        inputs: impl Fn(Place) -> String,
    ) -> Result<Self, Error> {
        let workers = workers(plan);
        let mut cluster = Self {
            place: Place {
                process: 0,
                processes: 1,
                workers,
            },
            links: Vec::new(),
            failure: Failure::new(Arc::clone(&control.stop)),
            children: Vec::new(),
        };
        let (started, listener) = if let Some(started) = &control.started {
            (started.clone(), started.listener()?)
        } else if let Some(by_hand) = by_hand(plan, control, workers)? {
            let own = by_hand.addresses[by_hand.process];
            let listener = TcpListener::bind(own).map_err(|error| {
                Error::new(format!("cannot listen on {own}: {error}"))
                    .because(error)
                    .help("is this process running already?")
            })?;
            (by_hand, listener)
        } else if plan.run.processes > 1 {
            let (own, listener, children) = start::start(plan.run.processes, workers)?;
            cluster.children = children;
            (own, listener)
        } else {
            return Ok(cluster);
        };
        cluster.place = Place {
            process: started.process,
            processes: started.addresses.len(),
            workers: started.workers,
        };
        let meeting = Meeting {
            place: cluster.place,
            digest: digest(plan, cluster.place, &inputs(cluster.place)),
            patience: Duration::from_nanos(plan.run.wait.0.unsigned_abs()),
            all_listen: control.started.is_some(),
            addresses: started.addresses,
        };
        let children = &mut cluster.children;
        let sockets = meeting.hold(&listener, || {
            if control.stop.load(Ordering::Relaxed) {
                return Err(
                    Error::new("stopped before all processes had come").because(Ended::Stopped)
                );
            }
            all_live(children)
        })?;
        let links = sockets.into_iter().enumerate();
        cluster.links = links
            .map(|(process, socket)| {
                Some(Link {
                    socket: socket?,
                    process,
                    failure: cluster.failure.clone(),
                })
            })
            .collect();
        Ok(cluster)
    }

    /// Where this process stands.
    pub const fn place(&self) -> Place {
        self.place
    }

    /// Whether this process writes the output.
    pub const fn is_first(&self) -> bool {
        self.place.process == 0
    }

    /// Runs `work` on every worker of this process and gives what they came to. Between the steps of a worker `work` must ask
    /// the failure whether to go on. `inputs` are the names of the inputs, in order, for the message of a defect.
    ///
    /// # Errors
    /// A worker panicked, or another process went away.
    pub fn execute<T: Send + 'static>(
        mut self,
        inputs: Vec<String>,
        work: impl Fn(&mut Worker, &Failure) -> T + Send + Sync + 'static,
    ) -> Result<Vec<T>, Error> {
        let links = std::mem::take(&mut self.links);
        let sockets = links.iter().flatten().map(|link| link.socket.try_clone());
        let sockets: Vec<TcpStream> = sockets.filter_map(Result::ok).collect();
        let (place, failure) = (self.place, self.failure.clone());
        let watched = failure.clone();
        let work = move |worker: &mut Worker| watched.watch(&inputs, || work(worker, &watched));
        // a lost process makes timely's threads panic, and then the one that waits for them
        let waiting = std::thread::Builder::new()
            .name(format!("{THREADS}run"))
            .spawn(move || run(place, links, work));
        let done = waiting
            .map_err(|error| Error::new(format!("cannot start a thread: {error}")).because(error))?
            .join();
        let said = match done {
            Ok(Ok(done)) => return Ok(done),
            Ok(Err(said)) => said,
            Err(_) => "a thread panicked".to_owned(),
        };
        // threads that still wait for the others hold their sockets open: these must hear of it now
        for socket in sockets {
            // an error means that it is closed
            let _ = socket.shutdown(Shutdown::Both);
        }
        Err(failure.error(&said))
    }
}

impl Drop for Cluster {
    /// The processes that this one started end with it.
    fn drop(&mut self) {
        self.links.clear(); // they hear of it by this
        let end = Instant::now() + Duration::from_secs(5);
        for child in &mut self.children {
            while Instant::now() < end && matches!(child.try_wait(), Ok(None)) {
                std::thread::sleep(Duration::from_millis(5));
            }
        }
        start::end(&mut self.children);
    }
}

/// The place of a process that is started by hand; `None` = the plan names no hosts.
///
/// # Errors
/// The hosts file is wrong, or has no line for this process.
pub fn by_hand(plan: &Plan, control: &Control, workers: usize) -> Result<Option<Started>, Error> {
    let Some(hosts) = &plan.run.hosts else {
        return match control.process {
            Some(_) => Err(Error::new("`--process` is given, but no hosts file")
                .help("add `--hosts FILE`, with one HOST:PORT a line")),
            None => Ok(None),
        };
    };
    let addresses = start::read_hosts(Path::new(hosts))?;
    let lines = addresses.len();
    match control.process {
        Some(process) if process < lines => Ok(Some(Started {
            process,
            workers,
            addresses,
        })),
        Some(process) => Err(Error::new(format!(
            "process {process} has no line in {hosts}, which has {lines}"
        ))
        .help("processes are counted from 0, one a line")),
        None => Err(
            Error::new("a hosts file is given, but not which process this is")
                .help("add `--process I`"),
        ),
    }
}

/// Whether no child has ended.
fn all_live(children: &mut [Child]) -> Result<(), Error> {
    for (process, child) in (1..).zip(children) {
        if let Ok(Some(status)) = child.try_wait() {
            return Err(Error::new(format!(
                "process {process} ended before the run began ({status})"
            )));
        }
    }
    Ok(())
}

/// Workers of each process.
fn workers(plan: &Plan) -> usize {
    let cores = || std::thread::available_parallelism().map_or(1, usize::from);
    plan.run.workers.unwrap_or_else(cores).max(1)
}

/// Processes, and workers of each.
///
/// # Errors
/// The hosts file cannot be read.
pub fn size(plan: &Plan) -> Result<(usize, usize), Error> {
    let processes = match &plan.run.hosts {
        Some(hosts) => start::read_hosts(Path::new(hosts))?.len(),
        None => plan.run.processes.max(1),
    };
    Ok((processes, workers(plan)))
}

/// What all processes of a run must have in common.
fn digest(plan: &Plan, place: Place, inputs: &str) -> Digest {
    let mut hash = Sha256::new();
    let layout = size_of::<operators::packet::Header>();
    hash.update(format!(
        "{} {layout} {} {} {} {inputs}",
        env!("CARGO_PKG_VERSION"),
        place.processes,
        place.workers,
        plan.digest
    ));
    hash.finalize().into()
}

/// Starts timely's threads and waits for the workers.
fn run<T: Send + 'static>(
    place: Place,
    links: Vec<Option<Link>>,
    work: impl Fn(&mut Worker) -> T + Send + Sync + 'static,
) -> Result<Vec<T>, String> {
    let (builders, others) = if links.is_empty() {
        let communication = match place.workers {
            1 => Config::Thread,
            workers => Config::Process(workers),
        };
        communication.try_build()?
    } else {
        let hooks = Hooks::default();
        let (refill, spill) = (hooks.refill.clone(), hooks.spill.clone());
        let local = ProcessBuilder::new_typed_vector(place.workers, refill, spill);
        let (builders, guard) =
            initialize_networking_from_sockets(local, links, place.process, place.workers, hooks)
                .map_err(|error| error.to_string())?;
        let builders = builders.into_iter().map(AllocatorBuilder::Tcp).collect();
        let guard: Box<dyn std::any::Any + Send> = Box::new(guard);
        (builders, guard)
    };
    let mut config = timely::WorkerConfig::default();
    operators::views::graph::merge_when_idle(&mut config);
    let guards = timely::execute::execute_from(builders, others, config, work)?;
    guards.join().into_iter().collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use operators::doing::Doing;
    use timely::dataflow::operators::generic::operator::source;

    fn alone(workers: usize) -> Cluster {
        Cluster {
            place: Place {
                process: 0,
                processes: 1,
                workers,
            },
            links: Vec::new(),
            failure: Failure::new(Default::default()),
            children: Vec::new(),
        }
    }

    #[test]
    fn a_panic_of_one_worker_ends_all_with_one_error() {
        for workers in [1, 2, 3] {
            let error = alone(workers)
                .execute(vec!["a.pcap".to_owned()], |worker, failure| {
                    let index = worker.index();
                    worker.dataflow::<u64, _, _>(|scope| {
                        source::<_, timely::container::CapacityContainerBuilder<Vec<u64>>, _, _>(
                            scope,
                            "test",
                            |capability, _| {
                                move |_| {
                                    Doing::begin("test", Some((0, 3, 9)));
                                    assert!(index > 0, "out of luck");
                                    let _ = &capability;
                                }
                            },
                        );
                    });
                    while worker.has_dataflows() {
                        worker.step_or_park(Some(Duration::from_millis(10)));
                        failure.check();
                    }
                })
                .expect_err("a worker panicked");
            let said = error.to_string();
            let wanted =
                "the run failed by a defect of jayflow: out of luck (dataflow/cluster/mod.rs:";
            assert!(said.starts_with(wanted), "{said}");
            let wanted = ", in operator `test` with records 3 to 9 of a.pcap; nothing was written";
            assert!(said.ends_with(wanted), "{said}");
            assert_eq!(Ended::of(&error), None);
        }
    }
}
