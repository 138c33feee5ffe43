//! Calls of crates that read formats of files: where one panics on a damaged file, that is an error of the file and no defect of the run.
//!
//! Only what reads bytes of a file that somebody wrote runs in here; our own code has no excuse.

use std::any::Any;
use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind, set_hook, take_hook};
use std::sync::Once;

thread_local! {
    /// Calls that this thread is in.
    static INSIDE: Cell<u32> = const { Cell::new(0) };
}

/// Does the work; its panic is told as text and printed nowhere. What it worked on is not to be used after that.
///
/// # Errors
/// It panicked.
pub fn guarded<T>(work: impl FnOnce() -> T) -> Result<T, String> {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let others = take_hook();
        set_hook(Box::new(move |panic| {
            if INSIDE.get() == 0 {
                others(panic);
            }
        }));
    });
    INSIDE.set(INSIDE.get().saturating_add(1));
    let done = catch_unwind(AssertUnwindSafe(work));
    INSIDE.set(INSIDE.get().saturating_sub(1));
    done.map_err(|panic| format!("it is damaged ({})", said(&*panic)))
}

/// The text of a panic.
fn said(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<&str>().copied();
    let text = text.or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    text.unwrap_or("a panic without a message")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_is_an_error() {
        assert_eq!(guarded(|| 7), Ok(7));
        let told = guarded(|| -> u8 { panic!("no {}", "more") });
        assert_eq!(told, Err("it is damaged (no more)".to_owned()));
        let inner = guarded(|| guarded(|| -> u8 { panic!("inside") }).is_err());
        assert_eq!((inner, INSIDE.get()), (Ok(true), 0));
    }
}
