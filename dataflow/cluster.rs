//! The processes of a run: started here or by hand, connected to each other, each with its workers.
//!
//! Timely's own connect step takes any eight bytes for a worker and waits for a silent stranger without end. So the sockets are
//! made here: both sides say who they are and what they run, a stranger is dropped after three seconds, and a process that does
//! not come is named. Loopback addresses only: nothing is encrypted and nobody proves who he is.

use crate::plan::Plan;
use crate::run::Control;
use operators::Error;
use sha2::{Digest as _, Sha256};
use std::collections::BTreeMap;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream, ToSocketAddrs as _};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use timely::communication::allocator::zero_copy::initialize::initialize_networking_from_sockets;
use timely::communication::allocator::{AllocatorBuilder, ProcessBuilder};
use timely::communication::{Config, Hooks};
use timely::worker::Worker;

/// How long the processes of a run wait for each other.
const PATIENCE: Duration = Duration::from_secs(30);
/// How long a connection may take to say who it is.
const GREETING: Duration = Duration::from_secs(3);
/// First bytes of every greeting.
const MAGIC: [u8; 8] = *b"jayflow\x01";

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

/// The processes of a run, seen from one of them.
pub struct Cluster {
    place: Place,
    sockets: Vec<Option<TcpStream>>,
    children: Vec<Child>,
}

impl Cluster {
    /// Starts or joins the processes that the plan asks for.
    ///
    /// # Errors
    /// An address is not of this machine, a process does not come, or runs something else.
    pub fn of(plan: &Plan, control: &Control) -> Result<Self, Error> {
        let workers = workers(plan);
        let alone = Place {
            process: 0,
            processes: 1,
            workers,
        };
        match (&plan.run.hosts, control.process) {
            (Some(hosts), Some(process)) => {
                let addresses = read_hosts(Path::new(hosts))?;
                if process >= addresses.len() {
                    let message = format!(
                        "process {process} has no line in {hosts}, which has {}",
                        addresses.len()
                    );
                    return Err(
                        Error::new(message).help("processes are counted from 0, one a line")
                    );
                }
                let place = Place {
                    process,
                    processes: addresses.len(),
                    workers,
                };
                let sockets = connect(&addresses, place, &digest(plan, place))?;
                Ok(Self {
                    place,
                    sockets,
                    children: Vec::new(),
                })
            }
            (Some(_), None) => Err(Error::new(
                "a hosts file is given, but not which process this is",
            )
            .help("add `--process I`")),
            _ if plan.run.processes <= 1 => Ok(Self {
                place: alone,
                sockets: Vec::new(),
                children: Vec::new(),
            }),
            _ => {
                let place = Place {
                    processes: plan.run.processes,
                    ..alone
                };
                let addresses = free_addresses(place.processes)?;
                let mut cluster = Self {
                    place,
                    sockets: Vec::new(),
                    children: start(&addresses, workers)?,
                };
                cluster.sockets = connect(&addresses, place, &digest(plan, place))?;
                Ok(cluster)
            }
        }
    }

    /// Where this process stands.
    pub const fn place(&self) -> Place {
        self.place
    }

    /// Whether this process writes the output.
    pub const fn is_first(&self) -> bool {
        self.place.process == 0
    }

    /// The connections to the other processes, to shut them from outside of a worker.
    pub fn sockets(&self) -> Vec<TcpStream> {
        let sockets = self.sockets.iter().flatten();
        sockets
            .filter_map(|socket| socket.try_clone().ok())
            .collect()
    }

    /// Runs `work` on every worker of this process and gives what they came to.
    ///
    /// # Errors
    /// A worker panicked, or another process went away.
    pub fn execute<T: Send + 'static>(
        mut self,
        work: impl Fn(&mut Worker) -> T + Send + Sync + 'static,
    ) -> Result<Vec<T>, Error> {
        let workers = self.place.workers;
        let sockets = std::mem::take(&mut self.sockets);
        let process = self.place.process;
        // not returned through timely, which leaks what workers return if a thread beside them panicked
        let results = Arc::new(Mutex::new(BTreeMap::new()));
        let to = Arc::clone(&results);
        let work = move |worker: &mut Worker| {
            let result = work(worker);
            let mut results = to.lock().unwrap_or_else(PoisonError::into_inner);
            results.insert(worker.index(), result);
        };
        // a lost process makes timely's threads panic: here, and when their guards are dropped
        let ended = catch_unwind(AssertUnwindSafe(move || {
            let config = timely::WorkerConfig::default();
            let guards = if sockets.is_empty() {
                let communication = if workers == 1 {
                    Config::Thread
                } else {
                    Config::Process(workers)
                };
                let (builders, others) = communication.try_build()?;
                timely::execute::execute_from(builders, others, config, work)
            } else {
                let hooks = Hooks::default();
                let local = ProcessBuilder::new_typed_vector(
                    workers,
                    hooks.refill.clone(),
                    hooks.spill.clone(),
                );
                let (builders, guard) =
                    initialize_networking_from_sockets(local, sockets, process, workers, hooks)
                        .map_err(|error| error.to_string())?;
                let builders = builders.into_iter().map(AllocatorBuilder::Tcp).collect();
                timely::execute::execute_from(builders, Box::new(guard), config, work)
            }?;
            guards.join().into_iter().collect::<Result<(), String>>()
        }));
        let ended =
            ended.unwrap_or_else(|_| Err("a worker or another process went away".to_owned()));
        let mut results = results.lock().unwrap_or_else(PoisonError::into_inner);
        let results = std::mem::take(&mut *results).into_values().collect();
        ended.map(|()| results).map_err(|error| {
            Error::new(format!("the run failed: {error}"))
                .help("nothing was written; please report this with the inputs if it happens again")
        })
    }
}

impl Drop for Cluster {
    /// The processes that this one started end with it.
    fn drop(&mut self) {
        let end = Instant::now() + Duration::from_secs(5);
        for child in &mut self.children {
            while Instant::now() < end && matches!(child.try_wait(), Ok(None)) {
                std::thread::sleep(Duration::from_millis(10));
            }
            // an error means that it is gone already
            let _ = child.kill();
            let _ = child.wait();
        }
    }
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
        Some(hosts) => read_hosts(Path::new(hosts))?.len(),
        None => plan.run.processes.max(1),
    };
    Ok((processes, workers(plan)))
}

/// What all processes of a run must have in common.
fn digest(plan: &Plan, place: Place) -> [u8; 32] {
    let mut hash = Sha256::new();
    let layout = size_of::<operators::packet::Header>();
    hash.update(format!(
        "{} {layout} {} {} {}",
        env!("CARGO_PKG_VERSION"),
        place.processes,
        place.workers,
        plan.digest
    ));
    hash.finalize().into()
}

/// The addresses of a hosts file, one a line; empty lines and those that begin with `#` are left out.
fn read_hosts(path: &Path) -> Result<Vec<SocketAddr>, Error> {
    let text = std::fs::read_to_string(path).map_err(|error| Error::file("read", path, error))?;
    let lines = text
        .lines()
        .map(str::trim)
        .filter(|line| !line.is_empty() && !line.starts_with('#'));
    let addresses: Vec<SocketAddr> = lines.map(loopback).collect::<Result<_, _>>()?;
    if addresses.is_empty() {
        return Err(
            Error::new(format!("{} names no process", path.display())).help("one HOST:PORT a line")
        );
    }
    Ok(addresses)
}

fn loopback(line: &str) -> Result<SocketAddr, Error> {
    let wrong = |why: &str| {
        Error::new(format!("`{line}` {why}"))
            .help("lines of a hosts file are HOST:PORT, such as 127.0.0.1:2101")
    };
    let mut found = line
        .to_socket_addrs()
        .map_err(|error| wrong(&format!("is no address: {error}")))?;
    let address = found
        .find(SocketAddr::is_ipv4)
        .or_else(|| line.to_socket_addrs().ok()?.next());
    let address = address.ok_or_else(|| wrong("is no address"))?;
    if address.ip().is_loopback() {
        return Ok(address);
    }
    Err(wrong(
        "is not a loopback address: processes do not prove who they are yet, so a network could feed a run anything",
    ))
}

/// Addresses of this machine on which nobody listens.
fn free_addresses(number: usize) -> Result<Vec<SocketAddr>, Error> {
    let failed = |error| {
        Error::new(format!("cannot find a free port on this machine: {error}")).because(error)
    };
    let listeners: Vec<TcpListener> = (0..number)
        .map(|_| TcpListener::bind("127.0.0.1:0"))
        .collect::<Result<_, _>>()
        .map_err(failed)?;
    listeners
        .iter()
        .map(TcpListener::local_addr)
        .collect::<Result<_, _>>()
        .map_err(failed)
}

/// Starts the other processes: this program again, with the same arguments.
///
/// # Errors
/// The system cannot, or this process was itself started so: one that started others would never end.
fn start(addresses: &[SocketAddr], workers: usize) -> Result<Vec<Child>, Error> {
    if std::env::var_os(PROCESS).is_some() {
        return Err(Error::new("a process of a run does not start others"));
    }
    let failed =
        |error| Error::new(format!("cannot start another process: {error}")).because(error);
    let program = std::env::current_exe().map_err(failed)?;
    let folder = std::env::temp_dir();
    let hosts = folder.join(format!("jayflow-{}.hosts", std::process::id()));
    let lines: Vec<String> = addresses.iter().map(ToString::to_string).collect();
    std::fs::write(&hosts, lines.join("\n"))
        .map_err(|error| Error::file("write", &hosts, error))?;
    let arguments: Vec<_> = std::env::args_os().skip(1).collect();
    (1..addresses.len())
        .map(|process| {
            Command::new(&program)
                .args(&arguments)
                .env(HOSTS, &hosts)
                .env(PROCESS, process.to_string())
                .env(WORKERS, workers.to_string())
                .stdin(Stdio::null())
                .stdout(Stdio::null())
                .spawn()
                .map_err(failed)
        })
        .collect()
}

/// Where a process that [`start`] made finds the others, which one it is, and how many workers it has.
pub const HOSTS: &str = "JAYFLOW_HOSTS";
/// See [`HOSTS`].
pub const PROCESS: &str = "JAYFLOW_PROCESS";
/// See [`HOSTS`].
pub const WORKERS: &str = "JAYFLOW_WORKERS";

/// Connects to every other process: to those before this one, and from those behind it.
fn connect(
    addresses: &[SocketAddr],
    place: Place,
    digest: &[u8; 32],
) -> Result<Vec<Option<TcpStream>>, Error> {
    let deadline = Instant::now() + PATIENCE;
    let own = addresses[place.process];
    let listener = TcpListener::bind(own)
        .and_then(|listener| listener.set_nonblocking(true).map(|()| listener))
        .map_err(|error| Error::new(format!("cannot listen on {own}: {error}")).because(error))?;
    let mut sockets: Vec<Option<TcpStream>> = addresses.iter().map(|_| None).collect();
    let late = |process: usize| {
        let seconds = PATIENCE.as_secs();
        Error::new(format!("process {process} ({}) did not come within {seconds} s", addresses[process]))
            .help("start every process of the hosts file, with the same spec and the same number of workers")
    };
    for process in 0..place.process {
        sockets[process] = loop {
            if let Some(socket) = call(addresses[process], process, place, digest)? {
                break Some(socket);
            }
            if Instant::now() > deadline {
                return Err(late(process));
            }
            std::thread::sleep(Duration::from_millis(20));
        };
    }
    while let Some(missing) =
        (place.process + 1..addresses.len()).find(|process| sockets[*process].is_none())
    {
        match listener.accept() {
            Ok((socket, _)) => {
                if let Some((process, socket)) = answer(socket, place, digest)?
                    && sockets[process].is_none()
                {
                    sockets[process] = Some(socket);
                }
            }
            Err(_) if Instant::now() > deadline => return Err(late(missing)),
            Err(_) => std::thread::sleep(Duration::from_millis(20)),
        }
    }
    Ok(sockets)
}

/// A greeting: magic, process, digest.
type Greeting = [u8; 8 + 8 + 32];

fn greeting(process: usize, digest: &[u8; 32]) -> Greeting {
    let mut bytes = [0; 48];
    bytes[..8].copy_from_slice(&MAGIC);
    bytes[8..16].copy_from_slice(&(process as u64).to_le_bytes());
    bytes[16..].copy_from_slice(digest);
    bytes
}

/// Reads a greeting; `None` = it is none.
fn read_greeting(socket: &mut TcpStream) -> Option<(usize, [u8; 32])> {
    let mut bytes: Greeting = [0; 48];
    socket.read_exact(&mut bytes).ok()?;
    let process = u64::from_le_bytes(bytes[8..16].try_into().ok()?);
    (bytes[..8] == MAGIC).then_some((usize::try_from(process).ok()?, bytes[16..].try_into().ok()?))
}

fn other_run(process: usize) -> Error {
    Error::new(format!(
        "process {process} runs something else: another spec, version or number of workers"
    ))
    .help("start every process with the same program, spec and `--workers`")
}

/// Prepares a socket for the greeting, or (with `None`) for the run.
fn prepare(socket: &TcpStream, timeout: Option<Duration>) -> std::io::Result<()> {
    socket.set_nonblocking(false)?;
    socket.set_nodelay(true)?;
    socket.set_read_timeout(timeout)?;
    socket.set_write_timeout(timeout)
}

/// Calls a process before this one; `None` = it does not answer yet.
fn call(
    address: SocketAddr,
    process: usize,
    place: Place,
    digest: &[u8; 32],
) -> Result<Option<TcpStream>, Error> {
    let Ok(mut socket) = TcpStream::connect_timeout(&address, GREETING) else {
        return Ok(None);
    };
    let said = prepare(&socket, Some(GREETING))
        .and_then(|()| socket.write_all(&greeting(place.process, digest)));
    let Some((who, theirs)) = said.ok().and_then(|()| read_greeting(&mut socket)) else {
        return Ok(None);
    };
    if who != process || theirs != *digest {
        return Err(other_run(process));
    }
    Ok(prepare(&socket, None).is_ok().then_some(socket))
}

/// Answers a call from a process behind this one; `None` = it is a stranger.
fn answer(
    mut socket: TcpStream,
    place: Place,
    digest: &[u8; 32],
) -> Result<Option<(usize, TcpStream)>, Error> {
    if prepare(&socket, Some(GREETING)).is_err() {
        return Ok(None);
    }
    let Some((process, theirs)) = read_greeting(&mut socket) else {
        return Ok(None);
    };
    if process <= place.process
        || process >= place.processes
        || socket.write_all(&greeting(place.process, digest)).is_err()
    {
        return Ok(None);
    }
    if theirs != *digest {
        return Err(other_run(process));
    }
    Ok(prepare(&socket, None).is_ok().then_some((process, socket)))
}
