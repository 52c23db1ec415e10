//! The last step of every mail that is taken, whether by SMTP or on a page: what submission adds, what goes to other hosts,
//! the copy in Sent and reports of success, all filed and spooled in one commit.

use super::confirm;
use super::intake::Received;
use super::local::{self, Delivered, Envelope, Message, Place};
use super::outbound::{Claim, Leaving};
use super::route::Router;
use super::{sent, submission};
use crate::clock::Now;
use crate::mail::address::Address;
use crate::mail::ids::AccountId;
use crate::mail::mime::Summary;
use crate::mail::mime::text::decode_words;
use crate::mail::transport::{BodyType, HeaderType};
use crate::store::sent::SentCopy;
use crate::store::{self, Append, Store};

/// Where it happens.
#[derive(Clone, Copy, Debug)]
pub struct House<'a> {
    /// Where mail is kept.
    pub store: &'a Store,
    /// Where mail goes.
    pub router: &'a Router,
    /// Name and language of reports.
    pub names: confirm::House<'a>,
}

/// Who submitted a mail.
#[derive(Clone, Debug)]
pub struct Author {
    /// The account.
    pub account: AccountId,
    /// Whether a copy is filed in Sent.
    pub keeps_copy: Copies,
    /// The `Bcc` field, which only that copy has; empty for nobody.
    pub bcc: Vec<u8>,
}

/// Whether copies of what is sent are filed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Copies {
    /// In Sent.
    Kept,
    /// By the author's program, if at all.
    Left,
}

/// A mail that has come in whole.
#[derive(Debug)]
pub struct Mail<'a> {
    /// From whom to whom.
    pub envelope: &'a Envelope,
    /// Whether header and addresses may be in UTF-8 (RFC 6531).
    pub smtputf8: Utf8,
    /// Its bytes.
    pub received: Received,
    /// Our identifier of it: letters and digits, never used before.
    pub id: &'a str,
    /// Who submitted it; `None` for mail of others.
    pub author: Option<Author>,
    /// Where it belongs in accounts.
    pub place: Place,
    /// Header fields in front of it for accounts here.
    pub head_here: Vec<u8>,
    /// The same for other hosts.
    pub head_elsewhere: Vec<u8>,
}

/// Whether a mail asked for SMTPUTF8.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Utf8 {
    /// It did.
    Wanted,
    /// It did not.
    Unasked,
}

/// What submission puts in front.
struct Additions {
    fields: Vec<u8>,
    /// Which knows of them.
    summary: Vec<u8>,
    /// For the author's Sent.
    copy: Option<SentCopy>,
}

/// Files and spools it. Errors are the store's; then nothing was done.
pub fn hand_over(house: &House<'_>, mail: Mail<'_>, now: Now) -> store::Result<Delivered> {
    let added = additions(house, &mail, now)?;
    let with_added = |head: &[u8]| [head, &added.fields].concat();
    let leaving = Leaving {
        head: with_added(&mail.head_elsewhere),
        account: mail.author.as_ref().map(|author| author.account),
        body: body(&mail.received, &added.fields),
        header: header(&mail, &added.fields),
        claim: claim(&mail.received, house.router),
    };
    let message = Message {
        head: with_added(&mail.head_here),
        place: mail.place,
        reports: reports(house, &mail, &leaving, now)?,
        leaving,
        copy: added.copy,
        blob: mail.received.blob,
        summary: added.summary,
    };
    let done = local::deliver(house.store, mail.envelope, message, now)?;
    for account in mail.envelope.to.iter().flat_map(|to| &to.targets.accounts) {
        house.store.note_taken(*account, &mail.envelope.from);
    }
    Ok(done)
}

fn additions(house: &House<'_>, mail: &Mail<'_>, now: Now) -> store::Result<Additions> {
    let summary = &mail.received.summary;
    let (Some(author), Ok(mut decoded)) = (&mail.author, Summary::decode(summary)) else {
        return Ok(Additions {
            fields: Vec::new(),
            summary: summary.clone(),
            copy: None,
        });
    };
    let named = named_author(house, mail, author)?;
    let names = (house.names.hostname, mail.id);
    let fields = submission::complete(&mut decoded.envelope, &named, names, now);
    // What programs write by themselves, such as read receipts, has the null sender.
    let is_kept = author.keeps_copy == Copies::Kept && mail.envelope.from.is_some();
    let copy = is_kept.then(|| sent::copy(author.account, &author.bcc, &fields, &decoded));
    Ok(Additions {
        fields,
        summary: decoded.encode(),
        copy,
    })
}

/// A mail without an author is from the address that it was sent as, or that its sender logged in as.
fn named_author(
    house: &House<'_>,
    mail: &Mail<'_>,
    author: &Author,
) -> store::Result<submission::Author> {
    if mail.received.facts.from_fields > 0 {
        return Ok(submission::Author::Named);
    }
    let account = || house.store.snapshot()?.account(author.account);
    let address = match &mail.envelope.from {
        Some(from) => Some(from.clone()),
        None => account()?.map(|account| account.address),
    };
    Ok(address.map_or(submission::Author::Named, submission::Author::Missing))
}

fn body(received: &Received, added: &[u8]) -> BodyType {
    if received.has_8bit || !added.is_ascii() {
        BodyType::EightBitMime
    } else {
        BodyType::SevenBit
    }
}

/// UTF-8 in the header of mail that did not say SMTPUTF8 is taken, as many programs write it, and goes on in the same
/// way: as 8BITMIME, for hosts without SMTPUTF8 too.
fn header(mail: &Mail<'_>, added: &[u8]) -> HeaderType {
    let facts = &mail.received.facts;
    let has_8bit = facts.has_8bit || facts.has_8bit_in_parts;
    // An address in UTF-8 is no address without it.
    if mail.smtputf8 == Utf8::Wanted && has_8bit || !added.is_ascii() {
        HeaderType::Utf8
    } else {
        HeaderType::Ascii
    }
}

/// Of several From fields nobody knows which one people will see.
fn claim(received: &Received, router: &Router) -> Claim {
    let facts = &received.facts;
    let is_ours = |author: Address| router.is_ours(author.domain());
    let mut authors = submission::authors(&facts.from).flatten();
    if facts.from_fields > 1 || authors.any(is_ours) {
        Claim::Ours
    } else {
        Claim::Others
    }
}

/// Mail that looks forged is not confirmed: its sender may be nobody who sent it.
fn reports(
    house: &House<'_>,
    mail: &Mail<'_>,
    leaving: &Leaving,
    now: Now,
) -> store::Result<Vec<Append>> {
    if mail.place == Place::Junk || !mail.envelope.to.iter().any(confirm::wants) {
        return Ok(Vec::new());
    }
    let received = &mail.received;
    let subject = Summary::decode(&received.summary).ok();
    let subject = subject.and_then(|summary| summary.envelope.subject);
    let told = confirm::Mail {
        envelope: mail.envelope,
        leaving,
        head: &received.head,
        subject: &decode_words(&subject.unwrap_or_default()),
        bytes: received.bytes,
    };
    let report = confirm::write(house.store, house.router, &house.names, &told, now)?;
    Ok(report.into_iter().collect())
}
