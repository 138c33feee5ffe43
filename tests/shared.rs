//! Where the reference material is that some tests compare with: `../shared` beside the repository, or `$JAYFLOW_SHARED`.
//! It is no part of the repository; tests that need it say so loudly where it is missing, and pass.

use std::io::Write;
use std::path::PathBuf;

/// The folder, if it is there.
pub fn shared() -> Option<PathBuf> {
    let beside = concat!(env!("CARGO_MANIFEST_DIR"), "/../shared");
    let folder = std::env::var_os("JAYFLOW_SHARED").unwrap_or_else(|| beside.into());
    let folder = PathBuf::from(folder);
    let found = folder.join("pcaps/INDEX.csv").is_file();
    if !found {
        skipped(&format!("no open captures in {}", folder.display()));
    }
    found.then_some(folder)
}

/// Says that a test has checked nothing.
pub fn skipped(why: &str) {
    // not eprintln: the test runner would keep it to itself
    let test = std::thread::current();
    let text = format!(
        "\nSKIPPED {}: {why}; nothing was compared\n",
        test.name().unwrap_or_default()
    );
    let _ = std::io::stderr().write_all(text.as_bytes());
}
