//! A message that has come in whole: what its header says against it, and its way into the store.
//!
//! What is for accounts and what is for other hosts is one commit, and the reply is made after it.

use crate::clock::Now;
use crate::delivery::handover::{self, Author, Copies, Utf8};
use crate::delivery::intake::Received;
use crate::delivery::local::{Delivered, Envelope, Place};
use crate::delivery::{confirm, outbound, submission};
use crate::mail::address::Address;
use crate::mail::date::DateTime;
use crate::mail::ids::AccountId;
use crate::mail::mime::EnvelopeAddress;
use crate::mail::trace::{self, Client, Greeting, HOPS_MAX};
use crate::smtp::reply::{Detail, Reply};
use crate::store;

use super::dialog::{Dialect, Hello, fault, ok, store_refusal};
use super::{Context, Role, Service, State, Turn, told};

/// A message and its envelope, all of it there.
#[derive(Debug)]
pub(super) struct Complete {
    pub(super) hello: Hello,
    pub(super) envelope: Envelope,
    /// Whether MAIL said SMTPUTF8.
    pub(super) smtputf8: bool,
    pub(super) received: Received,
    /// As they came.
    pub(super) bytes: u64,
}

/// What the verdict over a mail means for its filing.
#[derive(Debug, Default)]
pub(super) struct Judged {
    /// `Authentication-Results`, or nothing.
    pub(super) field: String,
    pub(super) place: Place,
}

impl Complete {
    /// It is not taken.
    pub(super) fn turn_away(self, reply: Reply, context: &Context, now: Now) -> Turn {
        let Envelope { from, to, .. } = &self.envelope;
        told::not_taken(from, to, Some(self.bytes), &reply, context, now);
        Turn::new(State::Identified(self.hello), reply)
    }

    /// What only the whole header shows.
    pub(super) fn check(&self, context: &Context) -> Result<(), Reply> {
        let facts = &self.received.facts;
        if facts.hops > HOPS_MAX {
            let text = "Too many hops, this mail goes in circles";
            return Err(Reply::new(554, Detail(4, 6), text));
        }
        // What our users send again by hand has such marks too, and goes in no circle by itself.
        if context.service.role == Role::Receive
            && outbound::has_been_through(&self.envelope.to, &facts.delivered_to)
        {
            let text = "This mail was forwarded from here before, it goes in circles";
            return Err(Reply::new(554, Detail(4, 6), text));
        }
        self.check_author(context)
    }

    /// RFC 6409 6.1, 8.1: what readers take for the author belongs to the account too, and so does who says to have sent it
    /// in the author's name; or who sends the mail of others again does (RFC 5322 3.6.6).
    fn check_author(&self, context: &Context) -> Result<(), Reply> {
        let (Role::Submission, Some(login)) = (context.service.role, &context.login) else {
            return Ok(());
        };
        let facts = &self.received.facts;
        if facts.from_fields > 1 {
            return Err(two_authors());
        }
        let is_own = |addresses: &[EnvelopeAddress]| {
            let authors = submission::authors(addresses);
            are_own(authors, login.account, &context.service).map_err(|error| fault(&error))
        };
        let is_author = is_own(&facts.from)?;
        if is_author && is_own(&facts.sender)? {
            return Ok(());
        }
        for again in [&facts.resent_from, &facts.resent_sender] {
            if submission::authors(again).next().is_some() && is_own(again)? {
                return Ok(());
            }
        }
        let field = if is_author { "Sender" } else { "From" };
        let text = format!(
            "The address in the field {field} does not belong to the account that logged in"
        );
        Err(Reply::new(550, Detail(7, 1), &text))
    }

    /// Files it and says so.
    pub(super) fn file(self, judged: &Judged, context: &mut Context, now: Now) -> Turn {
        let id = context.draw_id();
        let head = |from| {
            let mut head = judged.field.clone().into_bytes();
            head.extend(self.received_field(from, &id, context, now).into_bytes());
            head
        };
        let (head_here, head_elsewhere) = (
            head(Shown::Client),
            head(match context.service.role {
                Role::Receive => Shown::Client,
                Role::Submission => Shown::Nobody,
            }),
        );
        let (envelope, bytes) = (self.envelope, self.received.bytes);
        let mail = handover::Mail {
            envelope: &envelope,
            smtputf8: if self.smtputf8 {
                Utf8::Wanted
            } else {
                Utf8::Unasked
            },
            received: self.received,
            id: &id,
            author: context.author(),
            place: judged.place,
            head_here,
            head_elsewhere,
        };
        let reply = match handover::hand_over(&context.service.house(), mail, now) {
            Ok(done) => {
                told::taken(&envelope, &id, bytes, &done, context, now);
                taken(&id, &done)
            }
            Err(error) => {
                let reply = store_refusal(&error);
                let Envelope { from, to, .. } = &envelope;
                told::not_taken(from, to, Some(self.bytes), &reply, context, now);
                reply
            }
        };
        Turn::new(State::Identified(self.hello), reply)
    }

    fn received_field(&self, shown: Shown, id: &str, context: &Context, now: Now) -> String {
        let only: Option<&Address> = match self.envelope.to.as_slice() {
            [only] if self.smtputf8 || !only.address.smtputf8_needed() => Some(&only.address),
            _ => None,
        };
        let tls = context.tls.as_ref();
        let client = Client {
            helo: self.hello.name.as_str(),
            address: context.peer.address.ip(),
        };
        trace::received(&trace::Received {
            from: (shown == Shown::Client).then_some(client),
            by: context.service.hostname.as_str(),
            greeting: match self.hello.dialect {
                Dialect::Smtp => Greeting::Helo,
                Dialect::Esmtp if self.smtputf8 => Greeting::EhloUtf8,
                Dialect::Esmtp => Greeting::Ehlo,
            },
            tls: tls.map(|tls| (tls.version.as_str(), tls.cipher.as_str())),
            authenticated: context.login.is_some(),
            id,
            recipient: only.filter(|only| shown == Shown::Client || !only.smtputf8_needed()),
            date: DateTime::utc(now.stamp()),
        })
    }
}

/// RFC 5322 3.6: the field stands once. Of several, programs show one or the other, and rules of DMARC fit none.
pub(super) fn two_authors() -> Reply {
    let text = "The mail has several From fields; it must have one";
    Reply::new(550, Detail(7, 1), text)
}

/// Whether all of them are addresses that the account may send as.
fn are_own(
    mut authors: impl Iterator<Item = Option<Address>>,
    account: AccountId,
    service: &Service,
) -> store::Result<bool> {
    let snapshot = service.store.snapshot()?;
    authors.try_fold(true, |is_own, author| match author {
        Some(author) if is_own => service.router.may_send_as(&snapshot, account, &author),
        Some(_) | None => Ok(false),
    })
}

/// Whom a trace field names as where the mail came from. Where our users are is nobody's matter but theirs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Shown {
    Client,
    Nobody,
}

fn taken(id: &str, done: &Delivered) -> Reply {
    if done.spooled > 0 {
        ok(&format!("Queued as {id}"))
    } else {
        ok(&format!("Delivered as {id}"))
    }
}

impl Service {
    fn house(&self) -> handover::House<'_> {
        handover::House {
            store: &self.store,
            router: &self.router,
            names: confirm::House {
                hostname: &self.hostname,
                language: self.language,
            },
        }
    }
}

impl Context {
    /// Who logged in. Bcc was left out as the message came.
    fn author(&self) -> Option<Author> {
        let login = self.login.as_ref()?;
        Some(Author {
            account: login.account,
            keeps_copy: if self.service.keeps_sent {
                Copies::Kept
            } else {
                Copies::Left
            },
            bcc: Vec::new(),
        })
    }

    /// An identifier of a message that no other has: 10 bytes of a keyed hash, in hexadecimal.
    fn draw_id(&mut self) -> String {
        let drawn = self.nonces.draw();
        let bytes = drawn.iter().take(10);
        let id = bytes.fold(0_u128, |id, byte| id << 8 | u128::from(*byte));
        format!("{id:020x}")
    }
}
