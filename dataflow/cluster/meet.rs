//! How the processes of a run find each other: each calls those before it and is called by those behind it.
//!
//! Caller and called say who they are and what they run, then the caller confirms; only then a connection counts. Each caller
//! that has not confirmed has a thread and three seconds, so a stranger delays nobody. Nothing is encrypted here and nobody
//! proves who he is: addresses are those of this machine.

use super::{Ended, Place};
use operators::Error;
use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::mpsc::{Sender, channel};
use std::time::{Duration, Instant};

/// How long a connection may take to say who it is.
const GREETING: Duration = Duration::from_secs(3);
/// Callers at a time that have not said who they are; more are dropped.
const STRANGERS: usize = 64;
/// First bytes of every greeting.
const MAGIC: [u8; 8] = *b"jayflow\x01";
/// What a caller says at last.
const CONFIRMED: u8 = 1;

/// What all processes of a run must have in common.
pub type Digest = [u8; 32];

/// Who meets whom.
pub struct Meeting {
    /// This process.
    pub place: Place,
    /// Where the processes listen, by their number.
    pub addresses: Vec<SocketAddr>,
    /// What they all run.
    pub digest: Digest,
    /// How long they wait for each other.
    pub patience: Duration,
    /// Whether all listened before this one started: who does not then, is gone.
    pub all_listen: bool,
}

impl Meeting {
    /// Connects to every other process; the place of this one stays empty. `watch` is asked now and then whether to go on.
    ///
    /// # Errors
    /// A process does not come or runs something else, or `watch` says so.
    pub fn hold(
        &self,
        listener: &TcpListener,
        mut watch: impl FnMut() -> Result<(), Error>,
    ) -> Result<Vec<Option<TcpStream>>, Error> {
        let failed = |error| Error::new(format!("cannot listen: {error}")).because(error);
        listener.set_nonblocking(true).map_err(failed)?;
        let deadline = Instant::now() + self.patience;
        let mut sockets: Vec<Option<TcpStream>> = self.addresses.iter().map(|_| None).collect();
        let (met, meetings) = channel();
        let strangers = Arc::new(());
        loop {
            watch()?;
            for (process, address) in self.addresses.iter().enumerate().take(self.place.process) {
                if sockets[process].is_none() {
                    sockets[process] = self.call(*address, process)?;
                }
            }
            while let Ok((caller, _)) = listener.accept() {
                self.answer(caller, &met, &strangers);
            }
            for meeting in meetings.try_iter() {
                let (process, caller) = meeting?;
                sockets[process].get_or_insert(caller);
            }
            for (process, socket) in sockets.iter_mut().enumerate() {
                if socket.as_ref().is_some_and(is_closed) {
                    if self.all_listen {
                        return Err(lost(process));
                    }
                    *socket = None; // started by hand, it may be started again
                }
            }
            let others = (0..sockets.len()).filter(|process| *process != self.place.process);
            let missing: Vec<usize> = others
                .filter(|process| sockets[*process].is_none())
                .collect();
            if missing.is_empty() {
                return Ok(sockets);
            }
            if Instant::now() > deadline {
                return Err(self.late(&missing));
            }
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    fn late(&self, missing: &[usize]) -> Error {
        let names: Vec<String> = missing
            .iter()
            .map(|process| format!("process {process} ({})", self.addresses[*process]))
            .collect();
        let seconds = self.patience.as_secs_f64();
        Error::new(format!("{} did not come within {seconds} s", names.join(", ")))
            .help("start every process of the hosts file, with the same program and spec; `run.wait` is how long they wait")
    }

    /// Calls a process before this one; `None` = it does not answer yet.
    fn call(&self, address: SocketAddr, process: usize) -> Result<Option<TcpStream>, Error> {
        let mut socket = match TcpStream::connect_timeout(&address, GREETING) {
            Ok(socket) => socket,
            Err(error) if self.all_listen && error.kind() == ErrorKind::ConnectionRefused => {
                return Err(lost(process));
            }
            Err(_) => return Ok(None),
        };
        let heard = prepare(&socket, Some(GREETING))
            .and_then(|()| socket.write_all(&self.greeting()))
            .ok()
            .and_then(|()| read_greeting(&mut socket));
        let Some((who, digest)) = heard else {
            return Ok(None);
        };
        if who != process || digest != self.digest {
            return Err(self.other_run(process, &digest));
        }
        let confirmed = socket
            .write_all(&[CONFIRMED])
            .and_then(|()| prepare(&socket, None));
        Ok(confirmed.is_ok().then_some(socket))
    }

    /// Answers a caller in a thread of its own, which sends it on when it is a process behind this one.
    fn answer(
        &self,
        mut caller: TcpStream,
        met: &Sender<Result<(usize, TcpStream), Error>>,
        strangers: &Arc<()>,
    ) {
        if Arc::strong_count(strangers) > STRANGERS {
            return;
        }
        let (met, stranger) = (met.clone(), Arc::clone(strangers));
        let own = Self {
            addresses: Vec::new(),
            ..*self
        };
        std::thread::spawn(move || {
            let _stranger = stranger;
            let heard = prepare(&caller, Some(GREETING))
                .ok()
                .and_then(|()| read_greeting(&mut caller));
            let Some((process, digest)) = heard else {
                return;
            };
            let is_behind = (own.place.process + 1..own.place.processes).contains(&process);
            if !is_behind || caller.write_all(&own.greeting()).is_err() {
                return;
            }
            let meeting = if digest == own.digest {
                let mut last = [0];
                let confirmed = caller.read_exact(&mut last);
                if confirmed.is_err() || last != [CONFIRMED] || prepare(&caller, None).is_err() {
                    return;
                }
                Ok((process, caller))
            } else {
                Err(own.other_run(process, &digest))
            };
            // nobody listens any more once all have met
            let _ = met.send(meeting);
        });
    }

    fn greeting(&self) -> Greeting {
        let mut bytes = [0; 48];
        bytes[..8].copy_from_slice(&MAGIC);
        bytes[8..16].copy_from_slice(&(self.place.process as u64).to_le_bytes());
        bytes[16..].copy_from_slice(&self.digest);
        bytes
    }

    fn other_run(&self, process: usize, theirs: &Digest) -> Error {
        Error::new(format!(
            "process {process} runs something else (digest {}, here {})",
            short(theirs),
            short(&self.digest)
        ))
        .help("start every process with the same program, spec, inputs and number of workers")
    }
}

/// Magic, process, digest.
type Greeting = [u8; 8 + 8 + 32];

/// Reads a greeting; `None` = it is none.
fn read_greeting(socket: &mut TcpStream) -> Option<(usize, Digest)> {
    let mut bytes: Greeting = [0; 48];
    socket.read_exact(&mut bytes).ok()?;
    let process = u64::from_le_bytes(bytes[8..16].try_into().ok()?);
    (bytes[..8] == MAGIC).then_some((usize::try_from(process).ok()?, bytes[16..].try_into().ok()?))
}

/// Whether the other side has closed a connection on which nothing was read yet.
fn is_closed(socket: &TcpStream) -> bool {
    let mut byte = [0];
    let peeked = socket
        .set_nonblocking(true)
        .and_then(|()| socket.peek(&mut byte));
    let is_open = match peeked {
        Ok(bytes) => bytes > 0,
        Err(error) => error.kind() == ErrorKind::WouldBlock,
    };
    !is_open || socket.set_nonblocking(false).is_err()
}

fn lost(process: usize) -> Error {
    Error::new(format!("process {process} went away")).because(Ended::Lost)
}

fn short(digest: &Digest) -> String {
    digest[..4]
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

/// Prepares a socket for the greeting, or (with `None`) for the run.
fn prepare(socket: &TcpStream, timeout: Option<Duration>) -> std::io::Result<()> {
    socket.set_nonblocking(false)?;
    socket.set_nodelay(true)?;
    socket.set_read_timeout(timeout)?;
    socket.set_write_timeout(timeout)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::thread::spawn;

    fn meetings(processes: usize) -> Vec<(TcpListener, Meeting)> {
        let listeners: Vec<TcpListener> = (0..processes)
            .map(|_| TcpListener::bind("127.0.0.1:0").unwrap())
            .collect();
        let addresses: Vec<SocketAddr> = listeners
            .iter()
            .map(|listener| listener.local_addr().unwrap())
            .collect();
        let meeting = |process| Meeting {
            place: Place {
                process,
                processes,
                workers: 1,
            },
            addresses: addresses.clone(),
            digest: [7; 32],
            patience: Duration::from_secs(20),
            all_listen: false,
        };
        listeners
            .into_iter()
            .enumerate()
            .map(|(process, listener)| (listener, meeting(process)))
            .collect()
    }

    fn hold(
        (listener, meeting): (TcpListener, Meeting),
    ) -> std::thread::JoinHandle<Result<Vec<Option<TcpStream>>, String>> {
        spawn(move || {
            let met = meeting.hold(&listener, || Ok(()));
            met.map_err(|error| error.to_string())
        })
    }

    #[test]
    fn strangers_delay_nobody() {
        let mut all = meetings(3);
        let address = all[0].1.addresses[0];
        // silent ones, garbage, a greeting of a place that is taken, and one that is never confirmed
        let silent: Vec<TcpStream> = (0..20)
            .map(|_| TcpStream::connect(address).unwrap())
            .collect();
        let mut garbage = TcpStream::connect(address).unwrap();
        garbage.write_all(&[0; 200]).unwrap();
        for process in [0, 1, 9] {
            let mut bytes = all[0].1.greeting();
            bytes[8] = process;
            let mut stranger = TcpStream::connect(address).unwrap();
            stranger.write_all(&bytes).unwrap();
        }
        let start = Instant::now();
        let last = all.pop().unwrap();
        let held: Vec<_> = all.into_iter().map(hold).collect();
        std::thread::sleep(Duration::from_millis(100));
        let mut sockets = hold(last).join().unwrap().unwrap();
        let mut others: Vec<_> = held
            .into_iter()
            .map(|one| one.join().unwrap().unwrap())
            .collect();
        assert!(start.elapsed() < GREETING);
        assert!(sockets[2].is_none() && others[0][0].is_none() && others[1][1].is_none());
        // the connections are those of the processes
        for (process, socket) in sockets.iter_mut().take(2).flatten().enumerate() {
            socket.write_all(&[process as u8]).unwrap();
            let mut byte = [9];
            let other = others[process][2].as_mut().unwrap();
            other.read_exact(&mut byte).unwrap();
            assert_eq!(byte, [process as u8]);
        }
        drop(silent);
    }

    #[test]
    fn who_does_not_come_is_named() {
        let mut all = meetings(3);
        for (_, meeting) in &mut all {
            meeting.patience = Duration::from_millis(50);
        }
        let lonely = all[1].1.addresses[0];
        drop(all.remove(0));
        let said = hold(all.remove(0)).join().unwrap().unwrap_err();
        assert!(said.contains(&format!("process 0 ({lonely})")), "{said}");
        assert!(said.contains("process 2 (127.0.0.1:"), "{said}");
        assert!(said.ends_with("did not come within 0.05 s"), "{said}");
        let (listener, mut gone) = all.remove(0);
        gone.all_listen = true;
        let error = gone.hold(&listener, || Ok(())).unwrap_err();
        assert_eq!(error.to_string(), "process 0 went away");
    }

    #[test]
    fn another_run_is_refused_on_both_sides() {
        let mut all = meetings(2);
        all[1].1.digest = [8; 32];
        let held: Vec<_> = all.into_iter().map(hold).collect();
        let said: Vec<String> = held
            .into_iter()
            .map(|one| one.join().unwrap().unwrap_err())
            .collect();
        assert_eq!(
            said,
            [
                "process 1 runs something else (digest 08080808, here 07070707)",
                "process 0 runs something else (digest 07070707, here 08080808)"
            ]
        );
    }

    #[test]
    fn a_meeting_can_be_left() {
        let (listener, meeting) = meetings(2).remove(0);
        let error = meeting
            .hold(&listener, || Err(Error::new("enough")))
            .unwrap_err();
        assert_eq!(error.to_string(), "enough");
    }
}
