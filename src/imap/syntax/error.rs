//! Why bytes are no command, in a form that can be answered.

use super::response::{Code, Completion};

/// What is wrong with a command and how it is answered.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ParseError {
    /// Not in the language: answered BAD, and counted.
    #[error("expected {expected} at byte {at}")]
    Syntax {
        /// What would be right there.
        expected: &'static str,
        /// Where, counted from the first byte of the command.
        at: usize,
    },
    /// No such command: answered BAD, and counted.
    #[error("unknown command")]
    UnknownCommand,
    /// A limit is reached: answered BAD, and counted.
    #[error("too many {0}")]
    Limit(&'static str),
    /// Text that is not what the client said it would be: answered BAD, and counted.
    #[error("{0}")]
    Text(&'static str),
    /// A string that is no name of a mailbox: answered NO, since the sentence is right.
    #[error("{0}")]
    MailboxName(String),
    /// A charset that SEARCH does not know: answered NO.
    #[error("unknown charset")]
    Charset,
}

impl ParseError {
    /// The completion to answer with.
    pub fn completion(&self) -> Completion {
        match self {
            Self::Syntax { .. } | Self::UnknownCommand | Self::Limit(_) | Self::Text(_) => {
                Completion::bad(self.to_string())
            }
            Self::MailboxName(_) => Completion::no(self.to_string()).with(Code::Cannot),
            Self::Charset => Completion::no(self.to_string()).with(Code::BadCharset),
        }
    }
}
