//! Copies in Sent: filed with what is submitted, once, and giving way to what the client appends.

use std::time::Duration;

use super::spool::mail;
use super::*;
use crate::mail::flags::SpecialUse;
use crate::mail::ids::SpoolId;
use crate::mail::mime::Scanner;
use crate::store::schema::SENT_COPIES;
use crate::store::sent::{Kept, SENT_COPIES_MAX, SENT_COPY_DAYS_MAX, SENT_LOOKED_AT_MAX, SentCopy};

const DAY: Duration = Duration::from_hours(24);

fn body(id: &str) -> Vec<u8> {
    format!("Message-ID: {id}\r\nSubject: hello\r\n\r\nhello\r\n").into_bytes()
}

impl House {
    fn prepare_mail(&self, id: &str, filings: Vec<Filing>) -> Append {
        let mut scanner = Scanner::new();
        scanner.push(&body(id));
        Append {
            summary: scanner.finish().summary.encode(),
            ..self.prepare(&body(id), filings)
        }
    }

    /// Submits a mail to somebody elsewhere.
    fn submit(&self, id: &str) -> Kept {
        let append = Append {
            spool: vec![mail(&["b@x.example"])],
            ..self.prepare_mail(id, Vec::new())
        };
        let copy = SentCopy {
            account: self.account,
            prefix: b"Date: now\r\n".to_vec(),
            message_id: id.as_bytes().to_vec(),
            summary: append.summary.clone(),
        };
        let before = self.store.snapshot().unwrap().spool_len().unwrap();
        let (filed, kept) = self
            .store
            .submit(append, Vec::new(), copy, self.now())
            .unwrap();
        let after = self.store.snapshot().unwrap().spool_len().unwrap();
        assert_eq!((filed.len(), after), (0, before + 1), "it goes out");
        kept
    }

    /// A client appends a mail; its UID.
    fn client_appends(&self, to: &Mailbox, id: &str, flags: Flags) -> u32 {
        let append = self.prepare_mail(id, vec![filing(to, flags)]);
        let filed = self.store.append_own(append, id.as_bytes(), self.now());
        filed.unwrap()[0].uid.get()
    }

    fn seen(&self, mailbox: &Mailbox, number: u32) -> (u8, Vec<String>) {
        let snapshot = self.store.snapshot().unwrap();
        let mailbox = snapshot.mailbox(mailbox.id).unwrap().unwrap();
        let row = snapshot.rows(mailbox.id, uid(number), uid(number)).unwrap()[0];
        let named = mailbox.keywords.iter().enumerate();
        let set = named.filter(|(bit, _)| row.flags.keywords & 1 << bit != 0);
        let keywords = set.map(|(_, keyword)| keyword.as_str().to_owned());
        (row.flags.system.bits(), keywords.collect())
    }

    fn copies(&self) -> usize {
        use redb::ReadableTableMetadata;
        let snapshot = self.store.snapshot().unwrap();
        let copies = snapshot.read(SENT_COPIES).unwrap().len().unwrap();
        usize::try_from(copies).unwrap()
    }
}

fn is_filed(kept: &Kept) -> bool {
    matches!(kept, Kept::Filed(_))
}

fn seen() -> Flags {
    flags(SystemFlags::SEEN, &[])
}

#[test]
fn a_copy_is_filed_with_what_is_submitted() {
    let house = House::new();
    assert!(is_filed(&house.submit("<one@x>")));
    let house = house.reopen();
    let sent = house.mailbox("Sent");
    assert_eq!((sent.messages, sent.unseen), (1, 0));
    let snapshot = house.store.snapshot().unwrap();
    let row = snapshot.rows(sent.id, uid(1), uid(1)).unwrap()[0];
    let record = snapshot.record(row.serial).unwrap().unwrap();
    assert_eq!(record.prefix, b"Date: now\r\n");
    assert_eq!(record.bytes, 11 + body("<one@x>").len() as u64);
    let spooled = snapshot.spool(SpoolId(0), 1).unwrap();
    assert_eq!(spooled[0].blob, record.blob, "one blob for both");
}

#[test]
fn the_clients_copy_takes_its_place() {
    let house = House::new();
    house.submit("<one@x>");
    house.submit("<two@x>");
    let sent = house.mailbox("Sent");
    let done = flags(
        SystemFlags::ANSWERED.union(SystemFlags::DRAFT),
        &["$Forwarded", "red"],
    );
    house
        .store
        .update_flags(sent.id, &uids(&[1]), FlagAction::Add, &done, None)
        .unwrap();
    let before = house.mailbox("Sent").highest_modseq;
    let own = flags(SystemFlags::FLAGGED, &["blue", "red"]);
    assert_eq!(house.client_appends(&sent, " <one@x>", own), 3);
    assert_eq!(house.uids(sent.id), [2, 3]);
    let (system, mut keywords) = house.seen(&sent, 3);
    keywords.sort();
    let expected = SystemFlags::FLAGGED.union(SystemFlags::ANSWERED).bits();
    assert_eq!(
        (system, keywords),
        (
            expected,
            ["$Forwarded", "blue", "red"].map(str::to_owned).to_vec()
        )
    );
    let gone = house.store.snapshot().unwrap();
    let gone = gone.expunged_since(sent.id, before).unwrap();
    assert_eq!(gone, Some(uids(&[1])));
    assert_eq!(house.client_appends(&sent, "<one@x>", seen()), 4, "once");
    assert_eq!(house.uids(sent.id), [2, 3, 4]);
}

#[test]
fn other_mails_stay_apart() {
    let house = House::new();
    house.submit("<one@x>");
    let (sent, drafts) = (house.mailbox("Sent"), house.mailbox("Drafts"));
    house.client_appends(&sent, "<other@x>", seen());
    house.client_appends(&sent, "", seen());
    assert_eq!(house.uids(sent.id), [1, 2, 3]);
    house.client_appends(&drafts, "<one@x>", seen());
    assert_eq!(
        (house.uids(sent.id).len(), house.uids(drafts.id).len()),
        (3, 1)
    );
    house
        .store
        .move_messages(sent.id, &uids(&[1]), drafts.id, house.now())
        .unwrap();
    house.client_appends(&sent, "<one@x>", seen());
    assert_eq!(
        (house.uids(sent.id).len(), house.uids(drafts.id).len()),
        (3, 2)
    );
}

#[test]
fn nothing_is_filed_if_the_client_was_first() {
    let house = House::new();
    let sent = house.mailbox("Sent");
    house.client_appends(&sent, "<one@x>", seen());
    house.fill(&sent, u32::try_from(SENT_LOOKED_AT_MAX).unwrap() - 1);
    assert_eq!(house.submit("<one@x> (mine)"), Kept::There);
    house.fill(&sent, 1);
    assert!(is_filed(&house.submit("<one@x>")), "too long ago");
    assert_eq!(house.submit("<one@x>"), Kept::There, "sent again");
}

#[test]
fn a_full_account_sends_without_a_copy() {
    let house = House::new();
    house.store.set_quota(house.account, Some(1)).unwrap();
    assert!(is_filed(&house.submit("<one@x>")), "the one that fills it");
    assert_eq!(house.submit("<two@x>"), Kept::Refused(Error::OverQuota));
    assert_eq!(house.mailbox("Sent").messages, 1);
    let sent = house.mailbox("Sent");
    let append = house.prepare_mail("<one@x>", vec![filing(&sent, seen())]);
    let appended = house.store.append_own(append, b"<one@x>", house.now());
    assert_eq!(
        appended.map(|filed| filed.len()),
        Ok(1),
        "its size is free by then"
    );
    let append = house.prepare_mail("<three@x>", vec![filing(&sent, seen())]);
    let appended = house.store.append_own(append, b"<three@x>", house.now());
    assert_eq!(appended, Err(Error::OverQuota));
    assert_eq!(house.uids(sent.id), [2]);
}

#[test]
fn a_full_account_without_sent_gets_no_empty_one() {
    let house = House::new();
    let sent = house.mailbox("Sent").id;
    house.store.delete_mailbox(sent).unwrap();
    house.fill(&house.mailbox("INBOX"), 1);
    house.store.set_quota(house.account, Some(1)).unwrap();
    assert_eq!(house.submit("<one@x>"), Kept::Refused(Error::OverQuota));
    let snapshot = house.store.snapshot().unwrap();
    let sent = snapshot.mailbox_by_name(house.account, &name("Sent"));
    assert_eq!(sent, Ok(None));
}

#[test]
fn an_account_without_sent_gets_one() {
    let house = House::new();
    let store = &house.store;
    store
        .rename_mailbox(house.mailbox("Sent").id, &name("Gesendet"), house.now())
        .unwrap();
    house.submit("<one@x>");
    assert_eq!(house.mailbox("Gesendet").messages, 1, "by its special use");
    store.delete_mailbox(house.mailbox("Gesendet").id).unwrap();
    house.submit("<two@x>");
    let sent = house.mailbox("Sent");
    assert_eq!(sent.special_use, Some(SpecialUse::Sent));
    assert_eq!((sent.messages, sent.subscribed), (1, true));
    store.delete_mailbox(sent.id).unwrap();
    store
        .create_mailbox(house.account, &name("Sent"), None, house.now())
        .unwrap();
    house.submit("<three@x>");
    assert_eq!(house.mailbox("Sent").messages, 1, "by its name");
    let ben = House {
        account: AccountId(99),
        ..house
    };
    assert!(matches!(
        ben.submit("<four@x>"),
        Kept::Refused(Error::NotFound(_))
    ));
}

#[test]
fn copies_are_remembered_for_some_days_and_not_too_many() {
    let house = House::new();
    house.store.keep_age(house.now()).unwrap();
    house.submit("<one@x>");
    for _ in 0..=SENT_COPY_DAYS_MAX {
        house.clock.advance(DAY);
        house.store.keep_age(house.now()).unwrap();
    }
    house.submit("<two@x>");
    assert_eq!(house.copies(), 1);
    let sent = house.mailbox("Sent");
    house.client_appends(&sent, "<one@x>", seen());
    assert_eq!(house.uids(sent.id), [1, 2, 3], "too late");
    let most = u128::try_from(SENT_COPIES_MAX).unwrap();
    let account = house.account.0;
    let fill = house.store.0.commit(move |tx| {
        let mut table = tx.write(SENT_COPIES)?;
        for number in 0..most - 1 {
            table.insert((account, number), 1_000_000)?;
        }
        Ok(())
    });
    fill.unwrap();
    house.submit("<three@x>");
    assert_eq!(house.copies(), SENT_COPIES_MAX);
    house.client_appends(&sent, "<two@x>", seen());
    assert_eq!(house.uids(sent.id).len(), 5, "the oldest is forgotten");
    house.store.remove_account(house.account).unwrap();
    assert_eq!(house.copies(), 0);
}
