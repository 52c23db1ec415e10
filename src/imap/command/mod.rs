//! The commands, one file each: `run(arguments, ctx) -> Reply`.
//!
//! A command writes untagged responses to `ctx.out` and says by its [`Reply`] how it ends. It neither reads input nor
//! writes its own tagged line: the session does, after it has told what else changed.

pub mod append;
pub mod authenticate;
pub mod capability;
pub mod close;
pub mod copy;
pub mod create;
pub mod delete;
pub mod enable;
pub mod expunge;
pub mod fetch;
pub mod id;
pub mod idle;
pub mod list;
pub mod login;
pub mod logout;
pub mod move_;
pub mod namespace;
pub mod noop;
pub mod quota;
pub mod rename;
pub mod search;
pub mod select;
pub mod starttls;
pub mod status;
pub mod store;
pub mod subscribe;
pub mod unselect;

use crate::auth::Request;
use crate::clock::Now;
use crate::imap::session::state::{Selected, State, User};
use crate::imap::session::task::Task;
use crate::imap::session::{Link, Services, tell};
use crate::imap::syntax::command::{CommandBody, Numbering};
use crate::imap::syntax::lexer::Dialect;
use crate::imap::syntax::response::{Code, Completion};
use crate::imap::view::Expunges;
use crate::mail::ids::AccountId;
use crate::mail::mailbox_name::MailboxName;
use crate::mail::secret::Secret;
use crate::maillog::{self, Log};
use crate::sasl::Mechanism;
use crate::space::{self, words};
use crate::store::types::{Mailbox, Subject};
use crate::store::{self as stores, Error};

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
    /// It waits for the driver to check these credentials.
    Verify(Request),
    /// It goes on as a SASL exchange, perhaps with an initial response.
    Exchange(Mechanism, Option<Secret<Vec<u8>>>),
    /// It is complete; then TLS begins.
    StartTls(Completion),
    /// The client idles.
    Idle,
    /// It is complete, and so is the session.
    Logout(Completion),
}

impl From<Completion> for Reply {
    fn from(completion: Completion) -> Self {
        Self::Done(completion)
    }
}

/// Carries out a command that needs nothing of the connection itself.
pub fn run(body: CommandBody, ctx: &mut Ctx<'_>) -> Reply {
    match body {
        CommandBody::Capability => capability::run(ctx),
        CommandBody::Create(create) => create::run(&create, ctx),
        CommandBody::Delete(name) => delete::run(&name, ctx),
        CommandBody::Enable(names) => enable::run(&names, ctx),
        CommandBody::GetQuota(root) => quota::get_quota(&root, ctx),
        CommandBody::GetQuotaRoot(name) => quota::get_quota_root(&name, ctx),
        CommandBody::Id(parameters) => id::run(&parameters, ctx),
        CommandBody::List(arguments) => list::list(&arguments, ctx),
        CommandBody::Lsub(arguments) => list::lsub(&arguments, ctx),
        CommandBody::Namespace => namespace::run(ctx),
        CommandBody::Rename(arguments) => rename::run(&arguments, ctx),
        CommandBody::SetQuota(_) => quota::set_quota(ctx),
        CommandBody::Status(arguments) => status::run(&arguments, ctx),
        CommandBody::Subscribe(name) => subscribe::subscribe(&name, ctx),
        CommandBody::Unsubscribe(name) => subscribe::unsubscribe(&name, ctx),
        CommandBody::Noop => noop::noop(),
        CommandBody::Check => noop::check(ctx),
        CommandBody::Logout => logout::run(),
        CommandBody::StartTls => starttls::run(ctx),
        CommandBody::Authenticate(authenticate) => authenticate::run(authenticate, ctx),
        CommandBody::Login(login) => login::run(&login, ctx),
        CommandBody::Select(select) => select::run(&select, ctx),
        CommandBody::Idle => idle::run(ctx),
        CommandBody::Close => close::run(ctx),
        CommandBody::Unselect => unselect::run(ctx),
        CommandBody::Expunge => expunge::run(ctx),
        CommandBody::UidExpunge(set) => expunge::run_uid(&set, ctx),
        CommandBody::Fetch(fetch) => fetch::run(fetch, ctx),
        CommandBody::Store(store) => store::run(store, ctx),
        CommandBody::Copy(copy) => copy::run(&copy, ctx),
        CommandBody::Move(copy) => move_::run(&copy, ctx),
        CommandBody::Search(search) => search::run(&search, ctx),
    }
}

/// Whether EXPUNGE may be sent before the command is complete: not while FETCH, STORE or SEARCH is answered, unless
/// by UID (RFC 3501 7.4.1, RFC 9051 7.5.1).
#[expect(
    clippy::wildcard_enum_match_arm,
    reason = "these three commands are the exception"
)]
pub fn expunges(body: &CommandBody) -> Expunges {
    let numbering = match body {
        CommandBody::Fetch(fetch) => fetch.numbering,
        CommandBody::Store(store) => store.numbering,
        CommandBody::Search(search) => search.numbering,
        _ => Numbering::Uid,
    };
    match numbering {
        Numbering::Sequence => Expunges::Withhold,
        Numbering::Uid => Expunges::Tell,
    }
}

/// The answer to a change of a mailbox that is open read-only.
fn read_only() -> Completion {
    Completion::no("the mailbox is open read-only").with(Code::ReadOnly)
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

    /// The selected mailbox and where responses go.
    pub fn selected_and_out(&mut self) -> Result<(&mut Selected, &mut Vec<u8>), Completion> {
        match self.state.selected_mut() {
            Some(selected) => Ok((selected, self.out)),
            None => Err(Completion::bad("no mailbox is selected")),
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

/// The mailbox of that name; the completion to answer with if there is none.
pub fn mailbox(name: &MailboxName, ctx: &mut Ctx<'_>) -> Result<Mailbox, Completion> {
    let account = ctx.user()?.account;
    let snapshot = ctx.services.store.snapshot();
    match snapshot.and_then(|snapshot| snapshot.mailbox_by_name(account, name)) {
        Ok(Some(mailbox)) => Ok(mailbox),
        Ok(None) => Err(Completion::no("no such mailbox").with(Code::NonExistent)),
        Err(error) => Err(store_failure(&error)),
    }
}

/// How the client reads mailbox names.
pub fn dialect(state: &State) -> Dialect {
    state
        .user()
        .map_or(Dialect::Utf7, |user| user.enabled.dialect)
}

/// The client showed that it knows CONDSTORE (RFC 7162 3.1).
pub fn enable_condstore(ctx: &mut Ctx<'_>) {
    tell::enable_condstore(ctx.state, ctx.out);
}

/// The answer to a command that makes mail and that the store did not carry out: for want of room, with the reason and
/// what to do, in the account's language.
pub fn not_stored(error: &Error, what: &'static str, ctx: &mut Ctx<'_>) -> Completion {
    let Ok(user) = ctx.user() else {
        return store_failure(error);
    };
    let account = user.account;
    let subject = match error {
        Error::OverQuota => Subject::Account(account),
        Error::Full => Subject::Card,
        Error::NotFound(_)
        | Error::Exists(_)
        | Error::Refused(_)
        | Error::Limit(_)
        | Error::InUse
        | Error::Fault(_) => return store_failure(error),
    };
    maillog::no_room(Log(&ctx.services.store, ctx.now), account, what);
    match no_room(subject, account, ctx) {
        Ok(Some(text)) => Completion::no(text).with(Code::OverQuota),
        Ok(None) | Err(_) => store_failure(error),
    }
}

/// Why there is no room; `None` if there is some by now.
fn no_room(subject: Subject, account: AccountId, ctx: &Ctx<'_>) -> stores::Result<Option<String>> {
    let store = &ctx.services.store;
    let state = space::of(store, subject, ctx.now)?;
    let account = store.snapshot()?.account(account)?;
    Ok(account.and_then(|account| words::alert(&state, &account, account.language)))
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
