//! Sending: the same last step as of mail that a program submits.

use std::net::IpAddr;

use super::build::Built;
use super::{Relation, answered, draft, plan};
use crate::clock::Now;
use crate::delivery::confirm;
use crate::delivery::handover::{self, Author, Copies, House, Mail, Utf8};
use crate::delivery::local::{Envelope, Place};
use crate::mail::address::Address;
use crate::mail::compose;
use crate::mail::date::DateTime;
use crate::mail::flags::{Flags, Keyword, SystemFlags};
use crate::mail::ids::{AccountId, Serial};
use crate::mail::trace::{self, Greeting};
use crate::maillog::{self, Log, Taken};
use crate::store::Store;
use crate::store::types::FlagAction;
use crate::web::Sources;
use crate::web::mail::access;
use crate::web::mail::told::Elsewhere;
use crate::web::problem::Problem;

/// Files and spools it with its copy in Sent, and tells the mail log.
pub(super) fn send(
    sources: &Sources,
    account: AccountId,
    built: Built,
    from: IpAddr,
    now: Now,
) -> Result<Elsewhere, Problem> {
    let settings = &sources.settings;
    let router = plan::router(settings);
    let house = House {
        store: &sources.store,
        router: &router,
        names: confirm::House {
            hostname: &settings.hostname,
            language: settings.language,
        },
    };
    let Built { plan, received } = built;
    let (envelope, id, bytes) = (plan.envelope, plan.unique, received.bytes);
    let head = received_field(sources, &id, now);
    let keeps_copy = if settings.submission.sent_copy {
        Copies::Kept
    } else {
        Copies::Left
    };
    let mail = Mail {
        envelope: &envelope,
        smtputf8: utf8(&envelope),
        received,
        id: &id,
        author: Some(Author {
            account,
            keeps_copy,
            bcc: compose::bcc(&plan.bcc),
        }),
        place: Place::Inbox,
        head_here: head.clone(),
        head_elsewhere: head,
    };
    let done = handover::hand_over(&house, mail, now)?;
    let to: Vec<&Address> = envelope.to.iter().map(|to| &to.address).collect();
    let told = Taken {
        id: &id,
        from: &envelope.from,
        to: &to,
        bytes,
        copies: done.filed.len(),
        spooled: done.spooled,
        peer: from,
    };
    maillog::submitted(Log(&sources.store, now), &sources.tally, &told, account);
    Ok(if done.spooled > 0 {
        Elsewhere::Waits
    } else {
        Elsewhere::No
    })
}

/// RFC 6531 3.2: some address of it is beyond ASCII.
fn utf8(envelope: &Envelope) -> Utf8 {
    let from = envelope.from.iter();
    let mut all = envelope.to.iter().map(|to| &to.address).chain(from);
    if all.any(Address::smtputf8_needed) {
        Utf8::Wanted
    } else {
        Utf8::Unasked
    }
}

/// RFC 5321 4.4. Where our users are is nobody's matter but theirs.
fn received_field(sources: &Sources, id: &str, now: Now) -> Vec<u8> {
    let field = trace::received(&trace::Received {
        from: None,
        by: sources.settings.hostname.as_str(),
        greeting: Greeting::Page,
        tls: None,
        authenticated: true,
        id,
        recipient: None,
        date: DateTime::utc(now.stamp()),
    });
    field.into_bytes()
}

/// Marks what was answered, if it is there, and removes the draft; gives what was marked. The mail is sent already, so
/// nothing here fails it.
pub(super) fn tidy(
    store: &Store,
    account: AccountId,
    answers: &str,
    draft: Option<Serial>,
) -> Option<Serial> {
    let warn = |problem: &Problem| {
        tracing::warn!(%problem, "a mail was sent, and its draft or mark is not as it should be");
    };
    let _removed = draft::remove(store, account, draft).inspect_err(warn);
    let marked = mark(store, account, answers).inspect_err(warn);
    marked.unwrap_or_default()
}

fn mark(store: &Store, account: AccountId, answers: &str) -> Result<Option<Serial>, Problem> {
    let Some((relation, serial)) = answered(answers) else {
        return Ok(None);
    };
    let opened = match access::message(&store.snapshot()?, account, serial) {
        Ok(opened) => opened,
        Err(Problem::NotFound) => return Ok(None),
        Err(problem) => return Err(problem),
    };
    let flags = match relation {
        Relation::Reply => Flags {
            system: SystemFlags::ANSWERED,
            keywords: Vec::new(),
        },
        Relation::Forward => Flags {
            system: SystemFlags::empty(),
            keywords: Keyword::new("$Forwarded").into_iter().collect(),
        },
    };
    let uids = [opened.row.uid];
    store.update_flags(opened.mailbox.id, &uids, FlagAction::Add, &flags, None)?;
    Ok(Some(serial))
}
