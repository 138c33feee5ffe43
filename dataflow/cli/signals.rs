//! Signals: the first stops a run well, the second at once.

use crate::{Control, Error};
use operators::sinks;
use signal_hook::consts::{SIGINT, SIGTERM, SIGXFSZ};
use signal_hook::iterator::Signals;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// From now on, SIGINT and SIGTERM stop the run that writes `outputs`: the first ends reading, and the files are whole; the
/// second ends the program, and no half file is left. A file size limit becomes an error of the write.
///
/// # Errors
/// The system has no room for a handler.
pub fn watch(outputs: Vec<PathBuf>, control: &Control) -> Result<(), Error> {
    let failed = |error: std::io::Error| Error::new("cannot watch for signals").because(error);
    signal_hook::flag::register(SIGXFSZ, Arc::new(AtomicBool::new(false))).map_err(failed)?;
    let mut signals = Signals::new([SIGINT, SIGTERM]).map_err(failed)?;
    let (stop, signal) = (Arc::clone(&control.stop), Arc::clone(&control.signal));
    std::thread::spawn(move || {
        let mut is_second = false;
        for received in signals.forever() {
            if is_second {
                outputs.iter().for_each(|path| sinks::discard(path));
                std::process::exit(128 + received);
            }
            is_second = true;
            signal.store(received, Ordering::Relaxed);
            stop.store(true, Ordering::Relaxed);
        }
    });
    Ok(())
}
