//! Reports to senders on their way: one is filed in the INBOX of a sender of the house, or spooled to one elsewhere.
//!
//! The text is `dsn`'s. A report uses the card's reserve and goes beyond quotas. It has the null sender, and there is none
//! about mail that had it.

use std::collections::BTreeSet;

use ring::rand::{SecureRandom, SystemRandom};

use super::dsn::{self, Dsn};
use super::local;
use super::route::{Route, Router, Targets};
use crate::clock::Now;
use crate::mail::address::Address;
use crate::mail::flags::Flags;
use crate::mail::ids::AccountId;
use crate::mail::mime::Scanner;
use crate::mail::report::Notify;
use crate::mail::trace;
use crate::mail::transport::{BodyType, HeaderType, Priority};
use crate::store::spool::{NewSpool, NewSpoolRecipient};
use crate::store::types::{Account, Filing, QuotaRule};
use crate::store::{self, Append, NewBlob, Store};

/// Random bytes in what makes a report different from all other mail.
const UNIQUE_BYTES: usize = 16;

/// Where a report goes; at least one of both.
struct Way {
    /// To the INBOXes of these accounts.
    accounts: Vec<Account>,
    /// To other hosts.
    remote: Vec<Address>,
}

/// Writes the report's bytes into the store, not filed yet. `original` gives the pieces of the message that it is about.
/// The language is that of the sender's account; the report's own is for senders elsewhere. `None` if its reader is of
/// our domains and does not exist (any more).
pub fn compose(
    store: &Store,
    router: &Router,
    report: &Dsn<'_>,
    original: &mut dyn Iterator<Item = store::Result<Vec<u8>>>,
    now: Now,
) -> store::Result<Option<Append>> {
    let Some(way) = way(store, router, report.to)? else {
        return Ok(None);
    };
    let language = way.accounts.first().map(|account| account.language);
    let report = Dsn {
        language: language.unwrap_or(report.language),
        ..report.clone()
    };
    let (blob, summary, body) = write(store, &report, original, now)?;
    let mut filings = Vec::new();
    for account in &way.accounts {
        filings.push(filing(store, account.id, report.to, now)?);
    }
    let spool = if way.remote.is_empty() {
        Vec::new()
    } else {
        vec![spooled(report.to, way.remote, body)]
    };
    Ok(Some(Append {
        blob,
        summary,
        filings,
        spool,
    }))
}

/// For [`Dsn::unique`].
pub fn unique() -> store::Result<String> {
    let mut bytes = [0; UNIQUE_BYTES];
    let filled = SystemRandom::new().fill(&mut bytes);
    filled.map_err(|_| store::Error::Fault("no randomness".to_owned()))?;
    Ok(format!("{:032x}", u128::from_be_bytes(bytes)))
}

fn way(store: &Store, router: &Router, to: &Address) -> store::Result<Option<Way>> {
    let snapshot = store.snapshot()?;
    let targets = match router.route(&snapshot, to)? {
        Route::Remote => Targets {
            remote: BTreeSet::from([to.clone()]),
            ..Targets::default()
        },
        Route::Unknown | Route::Undeliverable(_) => return Ok(None),
        Route::Local(targets) => targets,
    };
    let mut accounts = Vec::new();
    for id in targets.accounts {
        accounts.extend(snapshot.account(id)?);
    }
    let remote: Vec<Address> = targets.remote.into_iter().collect();
    let has_reader = !accounts.is_empty() || !remote.is_empty();
    Ok(has_reader.then_some(Way { accounts, remote }))
}

fn write(
    store: &Store,
    report: &Dsn<'_>,
    original: &mut dyn Iterator<Item = store::Result<Vec<u8>>>,
    now: Now,
) -> store::Result<(NewBlob, Vec<u8>, BodyType)> {
    let mut blob = store.begin_own_blob()?;
    let mut scanner = Scanner::new();
    let mut body = BodyType::SevenBit;
    dsn::write(report, original, now, &mut |piece| {
        if !piece.is_ascii() {
            body = BodyType::EightBitMime;
        }
        scanner.push(piece);
        blob.write(piece)
    })?;
    Ok((blob.finish()?, scanner.finish().summary.encode(), body))
}

fn filing(store: &Store, account: AccountId, to: &Address, now: Now) -> store::Result<Filing> {
    Ok(Filing {
        mailbox: local::inbox(store, account)?.id,
        flags: Flags::default(),
        internal_date: now.stamp(),
        prefix: [trace::return_path(&None), trace::delivered_to(to)]
            .concat()
            .into_bytes(),
        quota: QuotaRule::Exceed,
    })
}

/// RFC 3461 6.2: the null sender, and no NOTIFY but NEVER.
fn spooled(header_to: &Address, to: Vec<Address>, body: BodyType) -> NewSpool {
    let recipients = to.into_iter().map(|address| NewSpoolRecipient {
        address,
        notify: Some(Notify::NEVER),
        original: None,
    });
    let header = if header_to.smtputf8_needed() {
        HeaderType::Utf8
    } else {
        HeaderType::Ascii
    };
    NewSpool {
        prefix: Vec::new(),
        sender: None,
        account: None,
        priority: Priority::Notice,
        body,
        header,
        ret: None,
        envid: None,
        recipients: recipients.collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::{Clock, Wall};
    use crate::delivery::dsn::{Form, Original, Recipient};
    use crate::mail::address::Domain;
    use crate::mail::ids::{SpoolId, Uid};
    use crate::mail::mailbox_name::MailboxName;
    use crate::mail::report::{Event, Return, Status};
    use crate::store::types::Language;
    use crate::store::{NewAccount, Options};

    fn address(text: &str) -> Address {
        Address::parse(text).unwrap()
    }

    fn domain(text: &str) -> Domain {
        Domain::parse(text).unwrap()
    }

    /// A box with one German account that has no room at all.
    fn house(now: Now) -> (Store, Router) {
        let store = Store::in_memory(&Options::default()).unwrap();
        let new = NewAccount {
            address: address("anna@home.test"),
            owner: true,
            language: Language::De,
            quota_bytes: Some(1),
        };
        store.add_account(&new, now).unwrap();
        (store, Router::new(domain("home.test"), []))
    }

    /// Writes a report to `to` and files it; what arrived where, as text, or nowhere if there is nobody.
    fn reported(to: &str) -> (&'static str, String) {
        let now = Clock::virtual_at(Wall(1_800_000_000)).now();
        let (store, router) = house(now);
        let recipient = address("eve@far.test");
        let (to, hostname, unique) = (address(to), domain("mail.home.test"), unique().unwrap());
        let report = Dsn {
            to: &to,
            language: Language::En,
            reporting: &hostname,
            domain: &domain("home.test"),
            unique: &unique,
            arrived: now.wall,
            envelope_id: None,
            subject: Some("Grüße"),
            recipients: &[Recipient {
                address: &recipient,
                original: None,
                event: Event::Failed,
                status: Status::parse("5.1.1").unwrap(),
                remote: Some("mx.far.test"),
                reply: Some("550 5.1.1 no such user"),
                last_attempt: now.wall,
                retry_until: None,
            }],
            original: Original {
                returned: Return::Full,
                bytes: 13,
                whole_bytes_max: 100,
                form: Form::EightBit,
            },
        };
        let pieces = [b"Subject: a\r\n\r\n".to_vec(), "\u{e4}".as_bytes().to_vec()];
        let mut pieces = pieces.into_iter().map(Ok);
        let append = compose(&store, &router, &report, &mut pieces, now).unwrap();
        let Some(append) = append else {
            return ("nowhere", String::new());
        };
        let filed = store.append(vec![append], now).unwrap();
        assert!(filed.iter().flatten().all(Result::is_ok), "{filed:?}");
        found(&store)
    }

    fn found(store: &Store) -> (&'static str, String) {
        let snapshot = store.snapshot().unwrap();
        let mut bytes = Vec::new();
        if let Some(mail) = snapshot.spool(SpoolId(0), 1).unwrap().first() {
            assert_eq!(
                (&mail.new.sender, mail.new.body),
                (&None, BodyType::EightBitMime)
            );
            let mut reader = store.read_spooled(mail).unwrap();
            reader.read_at(0, 1 << 16, &mut bytes).unwrap();
            return ("spool", String::from_utf8(bytes).unwrap());
        }
        let account = snapshot.account_by_key("anna@home.test").unwrap().unwrap();
        let inbox = MailboxName::inbox();
        let inbox = snapshot.mailbox_by_name(account.id, &inbox).unwrap();
        let rows = snapshot
            .rows(inbox.unwrap().id, Uid::MIN, Uid::MAX)
            .unwrap();
        let record = snapshot.record(rows[0].serial).unwrap().unwrap();
        bytes.extend(&record.prefix);
        let mut reader = store.blob(record.blob).unwrap();
        reader.read_at(0, 1 << 16, &mut bytes).unwrap();
        ("inbox", String::from_utf8(bytes).unwrap())
    }

    #[test]
    fn a_sender_of_the_house_reads_it_in_his_language() {
        let (place, mail) = reported("anna+list@home.test");
        assert_eq!(place, "inbox");
        let front = "Return-Path: <>\r\nDelivered-To: anna+list@home.test\r\n";
        assert!(mail.starts_with(front), "{mail}");
        assert!(mail.contains("Content-Language: de\r\n"), "{mail}");
        assert!(mail.contains("\r\n\r\n\u{e4}\r\n--"), "{mail}");
    }

    #[test]
    fn a_sender_elsewhere_is_sent_it() {
        let (place, mail) = reported("otto@else.test");
        assert_eq!(place, "spool");
        assert!(mail.contains("Content-Language: en\r\n"), "{mail}");
        assert!(mail.contains("To: <otto@else.test>\r\n"), "{mail}");
    }

    #[test]
    fn nobody_reads_it_who_does_not_exist() {
        assert_eq!(reported("gone@home.test").0, "nowhere");
    }

    #[test]
    fn no_two_are_the_same() {
        let first = unique().unwrap();
        assert_eq!(first.len(), 2 * UNIQUE_BYTES);
        assert_ne!(first, unique().unwrap());
    }
}
