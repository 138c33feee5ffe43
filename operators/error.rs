//! The one error type of the operators.

use std::fmt;
use std::path::Path;

/// What failed, in one line without capital and full stop; the cause is its `source`.
#[derive(Debug)]
pub struct Error {
    message: String,
    help: Option<String>,
    cause: Option<Box<dyn std::error::Error + Send + Sync>>,
}

impl Error {
    /// A failure with this message.
    pub fn new(message: impl Into<String>) -> Self {
        Self {
            message: message.into(),
            help: None,
            cause: None,
        }
    }

    /// A failure to do `what` with the file `path`.
    pub fn file(what: &str, path: &Path, cause: std::io::Error) -> Self {
        Self::new(format!("cannot {what} {}: {cause}", path.display())).because(cause)
    }

    /// The same failure with what to do about it.
    #[must_use]
    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    /// The same failure with its cause.
    #[must_use]
    pub fn because(mut self, cause: impl std::error::Error + Send + Sync + 'static) -> Self {
        self.cause = Some(Box::new(cause));
        self
    }

    /// What to do about it, if something is known.
    pub fn hint(&self) -> Option<&str> {
        self.help.as_deref()
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.cause.as_deref().map(|cause| cause as _)
    }
}
