//! What ended a run from inside: a worker that panicked, or a process that went away. The first cause is the one that is told.
//!
//! Timely passes failures on by panics of its threads, and each would print a message and a backtrace of its own. So panics of
//! these threads are kept here and not printed. Nothing here ends a process.

use super::Ended;
use operators::Error;
use operators::doing::Doing;
use std::any::Any;
use std::cell::RefCell;
use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind, set_hook, take_hook};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, Once, PoisonError};
use timely::communication::allocator::zero_copy::stream::Stream;

/// Threads whose panics are kept: timely's own, and the one that waits for them.
pub(super) const THREADS: &str = "timely:";

thread_local! {
    /// What the last panic of this thread said, and where.
    static LAST: RefCell<Option<String>> = const { RefCell::new(None) };
}

/// Why a run failed; the same for all threads of a process.
#[derive(Clone, Debug, Default)]
pub struct Failure {
    cause: Arc<Mutex<Option<Cause>>>,
    /// A worker of this process panicked: the others would wait for it without end.
    is_over: Arc<AtomicBool>,
    /// Makes readers stop.
    stop: Arc<AtomicBool>,
}

#[derive(Clone, Debug)]
enum Cause {
    Panic(String),
    Lost(usize),
}

impl Failure {
    /// No failure yet; `stop` is set by one.
    pub(super) fn new(stop: Arc<AtomicBool>) -> Self {
        static ONCE: Once = Once::new();
        ONCE.call_once(|| {
            let others = take_hook();
            set_hook(Box::new(move |panic| {
                let thread = std::thread::current();
                if !thread.name().is_some_and(|name| name.starts_with(THREADS)) {
                    return others(panic);
                }
                let text = said(panic.payload());
                let text = panic.location().map_or(text.clone(), |place| {
                    format!("{text} ({}:{})", place.file(), place.line())
                });
                LAST.set(Some(text));
            }));
        });
        Self {
            stop,
            ..Self::default()
        }
    }

    fn first(&self, cause: Cause) {
        self.stop.store(true, Ordering::Relaxed);
        let mut first = self.cause.lock().unwrap_or_else(PoisonError::into_inner);
        first.get_or_insert(cause);
    }

    /// Unwinds this worker if another one of the process has panicked; called between the steps of a worker.
    pub fn check(&self) {
        if self.is_over.load(Ordering::Relaxed) {
            resume_unwind(Box::new("another worker panicked"));
        }
    }

    /// Does the work of a worker; its panic is noted and passed on. `inputs` are the names of the inputs, in order.
    pub(super) fn watch<T>(&self, inputs: &[String], work: impl FnOnce() -> T) -> T {
        catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|payload| {
            let mut text = LAST.take().unwrap_or_else(|| said(&*payload));
            if let Some(doing) = Doing::last() {
                text = format!("{text}, {}", doing.told(inputs));
            }
            self.first(Cause::Panic(text));
            self.is_over.store(true, Ordering::Relaxed);
            resume_unwind(payload)
        })
    }

    /// The failure as an error; `otherwise` is what is told where no cause is known.
    pub(super) fn error(&self, otherwise: &str) -> Error {
        let cause = self.cause.lock().unwrap_or_else(PoisonError::into_inner);
        match &*cause {
            Some(Cause::Lost(process)) => Error::new(format!(
                "the run failed: process {process} went away; nothing was written"
            ))
            .because(Ended::Lost)
            .help(
                "its own last words say why; without any, it was killed: look for the out-of-memory killer",
            ),
            Some(Cause::Panic(text)) => defect(text),
            None => defect(otherwise),
        }
    }
}

fn defect(text: &str) -> Error {
    Error::new(format!(
        "the run failed by a defect of jayflow: {text}; nothing was written"
    ))
    .help("please report this line, with the inputs if you can share them")
}

/// The text of a panic.
fn said(payload: &(dyn Any + Send)) -> String {
    let text = payload
        .downcast_ref::<&str>()
        .copied()
        .or_else(|| payload.downcast_ref::<String>().map(String::as_str));
    text.unwrap_or("a panic without a message").to_owned()
}

/// The connection to another process, which notes that it was closed. At the end of a good run all are closed, and nobody asks.
pub(super) struct Link {
    pub(super) socket: TcpStream,
    pub(super) process: usize,
    pub(super) failure: Failure,
}

impl Link {
    fn noted(&self, done: io::Result<usize>) -> io::Result<usize> {
        let is_closed = match &done {
            Ok(bytes) => *bytes == 0,
            Err(error) => error.kind() != io::ErrorKind::Interrupted,
        };
        if is_closed {
            self.failure.first(Cause::Lost(self.process));
        }
        done
    }
}

impl Read for Link {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let done = self.socket.read(into);
        self.noted(done)
    }
}

impl Write for Link {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let done = self.socket.write(bytes);
        self.noted(done)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.socket.flush()
    }
}

impl Stream for Link {
    fn try_clone(&self) -> io::Result<Self> {
        Ok(Self {
            socket: self.socket.try_clone()?,
            process: self.process,
            failure: self.failure.clone(),
        })
    }

    fn set_nonblocking(&self, nonblocking: bool) -> io::Result<()> {
        self.socket.set_nonblocking(nonblocking)
    }

    fn shutdown(&self, how: Shutdown) -> io::Result<()> {
        self.socket.shutdown(how)
    }
}
