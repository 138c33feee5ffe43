//! Where the processes of a run are: started here, named by a hosts file, or this one alone.
//!
//! A process that is started here is this program again, with the same arguments, told by its environment which one it is. It
//! gets its listening socket as standard input: so no port is free for a moment for somebody else, no file lies about, and a
//! refused call means that the other is gone.

use operators::Error;
use std::net::{SocketAddr, TcpListener, ToSocketAddrs as _};
use std::path::Path;
use std::process::{Child, Command, Stdio};

/// What a started process finds in its environment: its number, the workers of each, and the addresses of all, by spaces.
const PLACE: &str = "JAYFLOW_PLACE";

/// The place of a process that another one started.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Started {
    /// Its number.
    pub process: usize,
    /// Workers of each process.
    pub workers: usize,
    /// Where the processes listen.
    pub addresses: Vec<SocketAddr>,
}

impl Started {
    /// What the environment says; `None` = this process was not started by another one.
    ///
    /// # Errors
    /// It says something else: it is not for use by hand.
    pub fn from_environment() -> Result<Option<Self>, Error> {
        match std::env::var(PLACE) {
            Ok(text) => match Self::parse(&text) {
                Some(started) => Ok(Some(started)),
                None => Err(
                    Error::new(format!("{PLACE} is `{text}`, which is no place"))
                        .help("it is set for processes that this program starts: unset it"),
                ),
            },
            Err(_) => Ok(None),
        }
    }

    fn parse(text: &str) -> Option<Self> {
        let mut words = text.split(' ');
        let (process, workers) = (words.next()?.parse().ok()?, words.next()?.parse().ok()?);
        let addresses: Vec<SocketAddr> =
            words.map(|word| word.parse().ok()).collect::<Option<_>>()?;
        let is_place = process < addresses.len() && workers > 0;
        let are_here = addresses.iter().all(|address| address.ip().is_loopback());
        (is_place && are_here).then_some(Self {
            process,
            workers,
            addresses,
        })
    }

    fn text(&self) -> String {
        let mut text = format!("{} {}", self.process, self.workers);
        for address in &self.addresses {
            text.push_str(&format!(" {address}"));
        }
        text
    }

    /// The socket on which this process listens.
    ///
    /// # Errors
    /// It did not get one.
    pub fn listener(&self) -> Result<TcpListener, Error> {
        let own = self.addresses[self.process];
        inherited(own)
            .ok()
            .filter(|listener| listener.local_addr().is_ok_and(|address| address == own))
            .ok_or_else(|| {
                Error::new(format!("this process was not given {own} to listen on")).help(format!(
                    "{PLACE} is set for processes that this program starts: unset it"
                ))
            })
    }
}

/// Starts `processes - 1` others. Gives the place of this one, its listener, and the children.
///
/// # Errors
/// The system cannot.
pub fn start(
    processes: usize,
    workers: usize,
) -> Result<(Started, TcpListener, Vec<Child>), Error> {
    let failed =
        |error| Error::new(format!("cannot start another process: {error}")).because(error);
    // a started process that started others would never end
    if std::env::var_os(PLACE).is_some() {
        return Err(Error::new("a process of a run does not start others"));
    }
    let listeners: Vec<TcpListener> = (0..processes)
        .map(|_| TcpListener::bind("127.0.0.1:0"))
        .collect::<Result<_, _>>()
        .map_err(failed)?;
    let addresses = listeners
        .iter()
        .map(TcpListener::local_addr)
        .collect::<Result<_, _>>()
        .map_err(failed)?;
    let mut place = Started {
        process: 0,
        workers,
        addresses,
    };
    let program = std::env::current_exe().map_err(failed)?;
    let arguments: Vec<_> = std::env::args_os().skip(1).collect();
    let mut listeners = listeners.into_iter();
    let own = listeners.next();
    let mut children = Vec::new();
    for (process, listener) in (1..).zip(listeners) {
        place.process = process;
        // standard output stays: whether it is a terminal can be part of the spec
        let child = Command::new(&program)
            .args(&arguments)
            .env(PLACE, place.text())
            .stdin(handed(listener))
            .spawn();
        match child {
            Ok(child) => children.push(child),
            Err(error) => {
                end(&mut children);
                return Err(failed(error));
            }
        }
    }
    place.process = 0;
    let own = own.ok_or_else(|| Error::new("a run has at least one process"))?;
    Ok((place, own, children))
}

/// Ends children at once.
pub fn end(children: &mut [Child]) {
    for child in children {
        // an error means that it is gone already
        let _ = child.kill();
        let _ = child.wait();
    }
}

#[cfg(unix)]
fn handed(listener: TcpListener) -> Stdio {
    Stdio::from(std::os::fd::OwnedFd::from(listener))
}

#[cfg(unix)]
fn inherited(_: SocketAddr) -> std::io::Result<TcpListener> {
    use std::os::fd::AsFd as _;
    let socket = std::io::stdin().as_fd().try_clone_to_owned()?;
    Ok(TcpListener::from(socket))
}

#[cfg(not(unix))]
fn handed(_: TcpListener) -> Stdio {
    Stdio::null()
}

#[cfg(not(unix))]
fn inherited(own: SocketAddr) -> std::io::Result<TcpListener> {
    TcpListener::bind(own)
}

/// The addresses of a hosts file, one a line; empty lines and those that begin with `#` are left out.
///
/// # Errors
/// It cannot be read, names nobody, or an address that is none or not of this machine.
pub fn read_hosts(path: &Path) -> Result<Vec<SocketAddr>, Error> {
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
    let found: Vec<SocketAddr> = line
        .to_socket_addrs()
        .map_err(|error| wrong(&format!("is no address: {error}")))?
        .collect();
    let address = found
        .iter()
        .find(|address| address.is_ipv4())
        .or(found.first())
        .ok_or_else(|| wrong("is no address"))?;
    if address.ip().is_loopback() {
        return Ok(*address);
    }
    Err(wrong(
        "is not a loopback address: processes do not prove who they are yet, so a network could feed a run anything",
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_read_back_and_nothing_else() {
        let place = Started {
            process: 1,
            workers: 4,
            addresses: vec![
                ([127, 0, 0, 1], 2101).into(),
                "[::1]:2102".parse().expect("an address"),
            ],
        };
        assert_eq!(place.text(), "1 4 127.0.0.1:2101 [::1]:2102");
        assert_eq!(Started::parse(&place.text()), Some(place));
        for wrong in [
            "",
            "1",
            "0 1",
            "1 1 127.0.0.1:1",
            "0 0 127.0.0.1:1",
            "0 1 127.0.0.1",
            "0 1 192.0.2.1:1",
            "0 1  127.0.0.1:1",
        ] {
            assert_eq!(Started::parse(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn hosts_files() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("hosts");
        let read = |text: &str| {
            std::fs::write(&path, text).unwrap();
            read_hosts(&path).map_err(|error| error.to_string())
        };
        let both = read("# two\n127.0.0.1:2101\n\n  [::1]:2102 \n").unwrap();
        assert_eq!((both.len(), both[1].port()), (2, 2102));
        assert!(read("\n#\n").unwrap_err().ends_with("names no process"));
        assert!(read("127.0.0.1\n").unwrap_err().contains("is no address"));
        let far = read("127.0.0.1:1\n192.0.2.7:1\n").unwrap_err();
        assert!(
            far.starts_with("`192.0.2.7:1` is not a loopback address: "),
            "{far}"
        );
        std::fs::remove_file(&path).unwrap();
        assert!(read_hosts(&path).is_err());
    }
}
