//! How far a run is: a bar on a terminal, a line now and then elsewhere.
//!
//! It only watches the counters that readers keep, ten times a second, from a thread of its own.

use crate::report::{size, thousands};
use crate::spec::Progress as When;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use operators::sources::Progress;
use std::io::IsTerminal as _;
use std::sync::Arc;
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// Time between two looks on a terminal, and between two lines elsewhere.
const LOOK: Duration = Duration::from_millis(100);
const LINE: Duration = Duration::from_secs(10);

/// With the size of all inputs, and without where only pipes are read.
const WITH_SIZE: &str = "reading   {bar:30} {percent:>3}%  {decimal_bytes}/{decimal_total_bytes}  {decimal_bytes_per_sec}  {msg}  eta {eta}";
const WITHOUT_SIZE: &str = "reading   {msg}";
/// What remains when all is read.
const WRITING: &str = "rows are sorted and written";

/// Shows how far a run is, until it is dropped.
pub struct Shown {
    /// Dropped to end the thread.
    stop: Option<Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Shown {
    /// Starts to show `progress`; `None` where nobody wants to see it.
    pub fn start(when: When, quiet: bool, progress: &Arc<Progress>) -> Option<Self> {
        let terminal = std::io::stderr().is_terminal();
        if quiet || when == When::Never || (when == When::Auto && !terminal) {
            return None;
        }
        let (stop, stopped) = channel();
        let progress = Arc::clone(progress);
        let thread = std::thread::spawn(move || {
            let mut face = if terminal { bar() } else { lines() };
            let (every, start) = (if terminal { LOOK } else { LINE }, Instant::now());
            while stopped.recv_timeout(every) == Err(RecvTimeoutError::Timeout) {
                face(Some(&progress), start.elapsed());
            }
            face(None, start.elapsed());
        });
        Some(Self {
            stop: Some(stop),
            thread: Some(thread),
        })
    }
}

impl Drop for Shown {
    /// The terminal is as before when this returns.
    fn drop(&mut self) {
        self.stop = None;
        if let Some(thread) = self.thread.take() {
            // it panics only where standard error is gone
            let _ = thread.join();
        }
    }
}

/// What shows the progress so far and the time it took; with `None` it goes away.
type Face = Box<dyn FnMut(Option<&Progress>, Duration)>;

fn bar() -> Face {
    let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr());
    let mut expected = None;
    Box::new(move |progress, elapsed| {
        let Some(progress) = progress else {
            bar.finish_and_clear();
            return;
        };
        let all = progress.expected();
        if expected != Some(all) {
            let template = if all > 0 { WITH_SIZE } else { WITHOUT_SIZE };
            if let Ok(style) = ProgressStyle::with_template(template) {
                bar.set_style(style.progress_chars("█▌ "));
            }
            bar.set_length(all);
            expected = Some(all);
        }
        bar.set_message(if is_read(progress) {
            WRITING.to_owned()
        } else {
            format!("{} pkt/s", rate(progress.packets(), elapsed))
        });
        bar.set_position(progress.bytes());
    })
}

fn lines() -> Face {
    Box::new(|progress, elapsed| {
        if let Some(progress) = progress {
            eprintln!("{}", line(progress, elapsed));
        }
    })
}

fn line(progress: &Progress, elapsed: Duration) -> String {
    let (bytes, all) = (progress.bytes(), progress.expected());
    let share = match all {
        0 => String::new(),
        all => format!(
            "{}% of {}, ",
            (u128::from(bytes) * 100 / u128::from(all)).min(100),
            size(all)
        ),
    };
    let packets = progress.packets();
    let last = if is_read(progress) {
        WRITING.to_owned()
    } else {
        format!("{} pkt/s", rate(packets, elapsed))
    };
    let (bytes, packets) = (size(bytes), thousands(packets));
    format!("reading: {share}{bytes} read, {packets} packets, {last}")
}

/// Whether all is read that has a size.
fn is_read(progress: &Progress) -> bool {
    progress.expected() > 0 && progress.bytes() >= progress.expected()
}

/// Packets a second.
#[expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "shown to people, and never negative"
)]
fn rate(packets: u64, elapsed: Duration) -> String {
    let rate = packets as f64 / elapsed.as_secs_f64().max(1e-3);
    match rate {
        rate if rate >= 1e6 => format!("{:.1} M", rate / 1e6),
        rate => thousands(rate as u64),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_says_how_far_it_is() {
        let progress = Progress::default();
        let after = Duration::from_secs(2);
        assert_eq!(
            line(&progress, after),
            "reading: 0 B read, 0 packets, 0 pkt/s"
        );
        progress.expect(4_000_000);
        assert_eq!(
            line(&progress, after),
            "reading: 0% of 4.0 MB, 0 B read, 0 packets, 0 pkt/s"
        );
        assert_eq!(rate(24_000_000, after), "12.0 M");
        assert_eq!(rate(2_469, after), "1,234");
    }

    #[test]
    fn templates_are_understood() {
        for template in [WITH_SIZE, WITHOUT_SIZE] {
            ProgressStyle::with_template(template).expect("a template of indicatif");
        }
    }
}
