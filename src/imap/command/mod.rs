//! The commands, one file each: `run(arguments, ctx) -> Reply`.
//!
//! A command writes untagged responses to `ctx.out` and says by its [`Reply`] how it ends. It neither reads input nor
//! writes its own tagged line: the session does, after it has told what else changed.

use crate::clock::Now;
use crate::imap::session::state::{Selected, State, User};
use crate::imap::session::task::Task;
use crate::imap::session::{Link, Services};
use crate::imap::syntax::command::CommandBody;
use crate::imap::syntax::response::{Code, Completion};
use crate::store::Error;

/// What a command may look at and change.
#[derive(Debug)]
pub struct Ctx<'a> {
    /// Store, doors and settings.
    pub services: &'a Services,
    /// Facts about the connection.
    pub link: &'a Link,
    /// Where the session stands.
    pub state: &'a mut State,
    /// Where responses go.
    pub out: &'a mut Vec<u8>,
    /// The time.
    pub now: Now,
}

/// How a command goes on after its `run`.
#[derive(Debug)]
pub enum Reply {
    /// It is complete; the session tells changes and writes the tagged line.
    Done(Completion),
    /// It goes on in pieces.
    Task(Box<Task>),
}

impl From<Completion> for Reply {
    fn from(completion: Completion) -> Self {
        Self::Done(completion)
    }
}

/// Carries out a command that needs nothing of the connection itself.
#[expect(
    clippy::needless_pass_by_value,
    reason = "commands own their arguments"
)]
pub fn run(body: CommandBody, _ctx: &mut Ctx<'_>) -> Reply {
    match body {
        CommandBody::Noop => Completion::ok("NOOP done").into(),
        other => Completion::bad(format!("{} is not possible now", other.name())).into(),
    }
}

impl Ctx<'_> {
    /// Who is logged in; the completion to answer with if nobody is.
    pub fn user(&mut self) -> Result<&mut User, Completion> {
        match self.state {
            State::Authenticated(user) => Ok(user),
            State::Selected(selected) => Ok(&mut selected.user),
            State::NotAuthenticated(_) => Err(Completion::bad("please log in first")),
            State::Logout => Err(Completion::bad("logged out")),
        }
    }

    /// The selected mailbox; the completion to answer with if there is none.
    pub fn selected(&mut self) -> Result<&mut Selected, Completion> {
        match self.state {
            State::Selected(selected) => Ok(selected),
            State::NotAuthenticated(_) | State::Authenticated(_) | State::Logout => {
                Err(Completion::bad("no mailbox is selected"))
            }
        }
    }
}

/// The answer to a command that the store did not carry out.
pub fn store_failure(error: &Error) -> Completion {
    let text = error.to_string();
    match error {
        Error::NotFound(_) => Completion::no(text).with(Code::NonExistent),
        Error::Exists(_) => Completion::no(text).with(Code::AlreadyExists),
        Error::Refused(_) => Completion::no(text).with(Code::Cannot),
        Error::Limit(_) => Completion::no(text).with(Code::Limit),
        Error::OverQuota | Error::Full => Completion::no(text).with(Code::OverQuota),
        Error::InUse | Error::Fault(_) => {
            Completion::no("the store cannot be read or written now").with(Code::Unavailable)
        }
    }
}
