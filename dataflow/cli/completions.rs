//! `jayflow completions`.

use super::{Outcome, print};
use clap::Args;

/// Prints completions for a shell.
///
/// Example: `jayflow completions bash > ~/.local/share/bash-completion/completions/jayflow`
#[derive(Args, Debug)]
pub struct Completions {
    /// The shell.
    #[arg(value_enum)]
    shell: clap_complete::Shell,
}

impl Completions {
    /// Prints the completions.
    pub(super) fn run(&self) -> Outcome {
        let mut out = Vec::new();
        clap_complete::generate(self.shell, &mut super::command(), "jayflow", &mut out);
        print(&String::from_utf8_lossy(&out))
    }
}
