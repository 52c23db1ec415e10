//! The commands outside of message bytes and logins, one function each: from a state and a command to a turn.

#![expect(
    clippy::wildcard_enum_match_arm,
    reason = "a command is out of order in every state but those that take it, and in new ones too"
)]

use crate::clock::Now;
use crate::delivery::local::{self, Recipient};
use crate::delivery::route::Route;
use crate::machine::Event;
use crate::mail::address::Address;
use crate::mail::transport::BodyType;
use crate::sasl::Mechanism;
use crate::smtp::command::{self, ClientName, Command, CommandError, InitialResponse};
use crate::smtp::reply::{Detail, Reply};
use crate::space::words;
use crate::store;

use super::incoming::{Chunk, Data};
use super::{Context, Role, State, TRANSACTIONS_MAX, Turn, auth, refusal, told};

/// What HELO or EHLO told.
#[derive(Clone, Debug)]
pub(super) struct Hello {
    pub(super) name: ClientName,
    pub(super) dialect: Dialect,
}

/// Which of the two it was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Dialect {
    /// HELO
    Smtp,
    /// EHLO
    Esmtp,
}

/// A transaction without recipients.
#[derive(Debug)]
pub(super) struct MailGiven {
    pub(super) hello: Hello,
    pub(super) mail: command::Mail,
}

/// A transaction with recipients, at least one.
#[derive(Debug)]
pub(super) struct Recipients {
    pub(super) given: MailGiven,
    pub(super) to: Vec<Recipient>,
}

/// Carries out a command that came in a state between commands.
pub(super) fn execute(state: State, command: Command, context: &mut Context, now: Now) -> Turn {
    match command {
        Command::Helo(name) => hello(name, Dialect::Smtp, context),
        Command::Ehlo(name) => hello(name, Dialect::Esmtp, context),
        Command::Mail(mail) => take_mail(state, mail, context, now),
        Command::Rcpt(rcpt) => take_rcpt(state, rcpt, context, now),
        Command::Data => take_data(state, context, now),
        Command::Bdat(chunk) if chunk.bytes > context.service.limits.read_bytes_max() => {
            Turn::new(State::Closed, too_large(context))
        }
        Command::Bdat(chunk) => Turn {
            state: State::Chunk(Chunk::begin(state, chunk, context, now)),
            reply: None,
            event: None,
        },
        Command::Rset => Turn::new(state.without_transaction(), ok("Reset")),
        Command::Noop => Turn::new(state, ok("OK")),
        Command::Help => Turn::new(state, Reply::new(214, Detail(0, 0), "See RFC 5321")),
        // RFC 5321 3.5.3, 7.3: names are not told.
        Command::Vrfy => Turn::new(state, Reply::new(252, Detail(0, 0), "Send mail, and see")),
        Command::Expn => Turn::new(state, Reply::new(502, Detail(5, 1), "Lists are not told")),
        Command::StartTls => start_tls(state, context),
        Command::Auth { mechanism, initial } => {
            let initial = initial.as_ref().map(InitialResponse::as_bytes);
            auth::start(state, &mechanism, initial, context)
        }
        Command::Quit => Turn::new(State::Closed, Reply::new(221, Detail(0, 0), "Goodbye")),
    }
}

pub(super) fn ok(text: &str) -> Reply {
    Reply::new(250, Detail(0, 0), text)
}

/// The reply to a command that the state does not allow.
pub(super) fn out_of_order(text: &str) -> Reply {
    Reply::new(503, Detail(5, 1), text)
}

/// The reply to a fault of ours, whose cause is for the log.
pub(super) fn fault(error: &store::Error) -> Reply {
    tracing::error!(%error, "smtp: store fault");
    Reply::new(451, Detail(3, 0), "Local problem, try again later")
}

impl State {
    /// The state that a transaction leaves behind.
    pub(super) fn without_transaction(self) -> Self {
        match self {
            Self::MailGiven(given) => Self::Identified(given.hello),
            Self::Recipients(recipients) => Self::Identified(recipients.given.hello),
            Self::Chunks(chunks) => Self::Identified(chunks.into_hello()),
            other => other,
        }
    }
}

/// RFC 5321 4.1.1.1; it also ends a transaction (4.1.4).
fn hello(name: ClientName, dialect: Dialect, context: &Context) -> Turn {
    let mut reply = Reply::plain(250, context.service.hostname.to_string());
    if dialect == Dialect::Esmtp {
        for capability in capabilities(context) {
            reply = reply.line(capability);
        }
    }
    Turn::new(State::Identified(Hello { name, dialect }), reply)
}

fn capabilities(context: &Context) -> Vec<String> {
    let limits = context.service.limits;
    let mut all = vec![
        "PIPELINING".to_owned(),
        format!("SIZE {}", limits.message_bytes_max),
        "8BITMIME".to_owned(),
        "SMTPUTF8".to_owned(),
        "DSN".to_owned(),
        "ENHANCEDSTATUSCODES".to_owned(),
        "CHUNKING".to_owned(),
        "BINARYMIME".to_owned(),
        format!(
            "LIMITS RCPTMAX={} MAILMAX={TRANSACTIONS_MAX}",
            limits.recipients_max
        ),
    ];
    if context.tls.is_none() {
        all.push("STARTTLS".to_owned());
    }
    let channel = context.channel();
    if context.service.role == Role::Submission
        && context.login.is_none()
        && channel.allows_plaintext()
    {
        let offers = channel.offers().chain([Mechanism::Login]);
        let names: Vec<&str> = offers.map(Mechanism::name).collect();
        all.push(format!("AUTH {}", names.join(" ")));
    }
    all
}

/// RFC 3207 4. [`super::Session`] refuses it if anything was sent behind it.
fn start_tls(state: State, context: &Context) -> Turn {
    if context.tls.is_some() {
        return Turn::new(state, out_of_order("TLS runs already"));
    }
    Turn {
        state: State::StartingTls,
        reply: Some(Reply::new(220, Detail(0, 0), "Ready to start TLS")),
        event: Some(Event::StartTls),
    }
}

fn take_mail(state: State, mail: command::Mail, context: &mut Context, now: Now) -> Turn {
    let hello = match state {
        State::Identified(hello) => hello,
        State::Greeted => return Turn::new(state, out_of_order("Send EHLO first")),
        other => return Turn::new(other, out_of_order("A mail is under way; RSET ends it")),
    };
    context.transactions += 1;
    if context.transactions > TRANSACTIONS_MAX {
        let text = "Too many mails in one connection";
        return Turn::new(State::Closed, Reply::new(421, Detail(5, 3), text));
    }
    if let Err(reply) = check_mail(&mail, context) {
        told::not_taken(&mail.from, &[], mail.size, &reply, context, now);
        return Turn::new(State::Identified(hello), reply);
    }
    let given = MailGiven { hello, mail };
    let reply = Reply::new(250, Detail(1, 0), "Sender OK");
    Turn::new(State::MailGiven(given), reply)
}

fn check_mail(mail: &command::Mail, context: &Context) -> Result<(), Reply> {
    match context.service.role {
        Role::Receive if mail.auth => {
            return Err(Reply::new(
                555,
                Detail(5, 4),
                "Parameter AUTH is not supported here",
            ));
        }
        Role::Receive => {}
        Role::Submission => check_sender(mail.from.as_ref(), context)?,
    }
    let Some(size) = mail.size else {
        return Ok(());
    };
    if size > context.service.limits.message_bytes_max {
        return Err(too_large(context));
    }
    // RFC 1870 6.1: room is asked for as early as it can be; the blob is not kept.
    match context.service.store.begin_blob(Some(size)) {
        Ok(_) => Ok(()),
        Err(error) => Err(store_refusal(&error)),
    }
}

/// RFC 6409 6.1. The null sender is for notifications that clients write, such as read receipts (RFC 8098 3).
fn check_sender(from: Option<&Address>, context: &Context) -> Result<(), Reply> {
    let Some(login) = &context.login else {
        let text = if context.channel().allows_plaintext() {
            "Authentication required"
        } else {
            "Authentication required; issue STARTTLS first"
        };
        return Err(Reply::new(530, Detail(7, 0), text));
    };
    let Some(from) = from else {
        return Ok(());
    };
    let service = &context.service;
    let snapshot = service.store.snapshot().map_err(|error| fault(&error))?;
    match service.router.may_send_as(&snapshot, login.account, from) {
        Ok(true) => Ok(()),
        Ok(false) if service.router.is_provisional() => Err(unsettled()),
        Ok(false) => {
            let text = "This sender address does not belong to the account that logged in";
            Err(Reply::new(550, Detail(7, 1), text))
        }
        Err(error) => Err(fault(&error)),
    }
}

pub(super) fn too_large(context: &Context) -> Reply {
    let limit = context.service.limits.message_bytes_max;
    let text = format!("Message too large, the limit is {limit} bytes");
    Reply::new(552, Detail(3, 4), text)
}

/// The reply when the store does not take a mail: for want of room it is put off (RFC 3463 3.3, 3.4).
pub(super) fn store_refusal(error: &store::Error) -> Reply {
    match error {
        store::Error::OverQuota => Reply::new(452, Detail(2, 2), words::ACCOUNT_FULL),
        store::Error::Full => Reply::new(452, Detail(3, 1), words::CARD_FULL),
        store::Error::Limit(_) => Reply::new(
            451,
            Detail(3, 1),
            "Too many mails wait to be sent, try again later",
        ),
        error => fault(error),
    }
}

fn take_rcpt(state: State, rcpt: command::Rcpt, context: &Context, now: Now) -> Turn {
    let mut recipients = match state {
        State::MailGiven(given) => Recipients {
            given,
            to: Vec::new(),
        },
        State::Recipients(recipients) => recipients,
        other => return Turn::new(other, out_of_order("Send MAIL first")),
    };
    let reply = match check_rcpt(&recipients, &rcpt, context, now) {
        Ok(found) => {
            if !recipients.to.iter().any(|to| to.address == found.address) {
                recipients.to.push(Recipient {
                    notify: rcpt.notify,
                    original: rcpt.original,
                    ..found
                });
            }
            Reply::new(250, Detail(1, 5), "Recipient OK")
        }
        Err(reply) => {
            let command::Mail { from, size, .. } = &recipients.given.mail;
            told::no_recipient(from, rcpt.to.address(), *size, &reply, context, now);
            reply
        }
    };
    let state = if recipients.to.is_empty() {
        State::MailGiven(recipients.given)
    } else {
        State::Recipients(recipients)
    };
    Turn::new(state, reply)
}

fn check_rcpt(
    so_far: &Recipients,
    rcpt: &command::Rcpt,
    context: &Context,
    now: Now,
) -> Result<Recipient, Reply> {
    let service = &context.service;
    let count_max = usize::try_from(service.limits.recipients_max).unwrap_or(usize::MAX);
    if so_far.to.len() >= count_max {
        return Err(Reply::new(452, Detail(5, 3), "Too many recipients"));
    }
    let command::Mail {
        from,
        size,
        smtputf8,
        ..
    } = &so_far.given.mail;
    let address = match &rcpt.to {
        command::Recipient::Address(address) if address.smtputf8_needed() && !smtputf8 => {
            return Err(refusal(&CommandError::NonAscii));
        }
        command::Recipient::Address(address) => Some(address.clone()),
        command::Recipient::Postmaster => service.router.postmaster(),
    };
    let found = find(address, context)?;
    match local::admit(&service.store, &found, size.unwrap_or(0)) {
        Ok(()) => Ok(found),
        Err(store::Error::NotFound(_)) => Err(unknown()),
        Err(error) => {
            if matches!(error, store::Error::OverQuota | store::Error::Full) {
                told::waits(from, &found, *size, context, now);
            }
            Err(store_refusal(&error))
        }
    }
}

fn find(address: Option<Address>, context: &Context) -> Result<Recipient, Reply> {
    let address = address.ok_or_else(unknown)?;
    let service = &context.service;
    let snapshot = service.store.snapshot().map_err(|error| fault(&error))?;
    let mut recipient = Recipient::new(address);
    match service.router.route(&snapshot, &recipient.address) {
        Ok(Route::Local(targets)) => Ok(Recipient {
            targets,
            ..recipient
        }),
        Ok(Route::Remote) if service.role == Role::Submission => {
            let address = recipient.address.clone();
            recipient.targets.remote.insert(address);
            Ok(recipient)
        }
        Ok(Route::Unknown) => Err(unknown()),
        Ok(Route::Remote) if service.router.is_provisional() => Err(unsettled()),
        Ok(Route::Remote) => Err(Reply::new(550, Detail(7, 1), "Relaying denied")),
        // RFC 3463 3.3: mailing list expansion problem.
        Ok(Route::Undeliverable(why)) => Err(Reply::new(550, Detail(2, 4), why)),
        Err(error) => Err(fault(&error)),
    }
}

/// The domain may be one of those that the owner has set, which are not known now. RFC 3463 3.4: other configuration error.
fn unsettled() -> Reply {
    let text = "The settings of this server cannot be read for now, try again later";
    Reply::new(451, Detail(3, 5), text)
}

fn unknown() -> Reply {
    Reply::new(550, Detail(1, 1), "No such mailbox here")
}

fn take_data(state: State, context: &Context, now: Now) -> Turn {
    match state {
        // RFC 3030 3
        State::Recipients(recipients) if recipients.given.mail.body == Some(BodyType::Binary) => {
            let reply = out_of_order("BODY=BINARYMIME needs BDAT");
            Turn::new(State::Recipients(recipients), reply)
        }
        State::Recipients(recipients) => Data::begin(recipients, context, now),
        State::MailGiven(_) => {
            let text = "No valid recipients";
            Turn::new(state, Reply::new(554, Detail(5, 1), text))
        }
        State::Chunks(_) => Turn::new(state, out_of_order("BDAT and DATA do not mix")),
        other => Turn::new(other, out_of_order("Send MAIL and RCPT first")),
    }
}
