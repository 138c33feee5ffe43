//! What is wrong with an expression, as a value. How it is shown is not known here.

use super::syntax::Span;

/// One fault of an expression.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// Its code: `E0201`.
    pub code: &'static str,
    /// Where, in bytes of the text.
    pub at: Span,
    /// What, in one line.
    pub message: String,
    /// What to do about it.
    pub help: Option<String>,
    /// What the marked text may be instead, where it is a name: for "did you mean".
    pub known: Vec<String>,
    /// What stands before a known name where one is written (`pkt.`).
    pub prefix: &'static str,
    /// What to put in the place of the marked text, where that is certain.
    pub edit: Option<String>,
}

impl Fault {
    /// A fault without advice.
    pub fn new(code: &'static str, at: Span, message: impl Into<String>) -> Self {
        Self {
            code,
            at,
            message: message.into(),
            help: None,
            known: Vec::new(),
            prefix: "",
            edit: None,
        }
    }

    /// The same with advice.
    #[must_use]
    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    /// The same with the names that would be right here.
    #[must_use]
    pub fn known(mut self, known: Vec<String>) -> Self {
        self.known = known;
        self
    }

    /// The same with what to write instead.
    #[must_use]
    pub fn edit(mut self, text: impl Into<String>) -> Self {
        self.edit = Some(text.into());
        self
    }
}
