//! `check` and `recount` find what is broken on purpose.

use super::*;
use crate::mail::ids::{BlobId, Serial};
use crate::store::blob;
use crate::store::check::{Invariant, Report};
use crate::store::counters::{AccountCounters, Counters, MailboxCounters, StoreCounters};
use crate::store::record::{Stored, save_flags, scan_all};
use crate::store::schema::{
    ACCOUNT_KEYS, DEVICES, EXPUNGED, FLAGS, GROWTH, MAILBOX_NAMES, POP3_MARKS, PURGES, RECORDS,
    TOLD,
};
use crate::store::tx::Tx;
use crate::store::types::Level;

/// A store with two messages, and INBOX.
fn unsound(
    damage: impl Fn(&mut Tx<'_>, AccountId, MailboxId) -> Result<()> + Send + 'static,
) -> Store {
    let house = House::new();
    let inbox = house.mailbox("INBOX");
    house.fill(&inbox, 2);
    let account = house.account;
    // Not `Checked`: this one is meant to be broken.
    let store = (*house.store).clone();
    drop(house);
    store
        .0
        .commit(move |tx| damage(tx, account, inbox.id))
        .unwrap();
    store
}

#[track_caller]
fn check(
    expected: Invariant,
    damage: impl Fn(&mut Tx<'_>, AccountId, MailboxId) -> Result<()> + Send + 'static,
) {
    let report: Report = unsound(damage).check().unwrap();
    let found: Vec<Invariant> = report.violations.iter().map(|v| v.invariant).collect();
    assert!(found.contains(&expected), "{:?}", report.violations);
}

fn edit_counters(
    edit: impl Fn(&mut MailboxCounters) + Send + 'static,
) -> impl Fn(&mut Tx<'_>, AccountId, MailboxId) -> Result<()> + Send + 'static {
    move |tx, _, inbox| {
        let mut counters = MailboxCounters::load(tx, inbox)?;
        edit(&mut counters);
        counters.save(tx, inbox)
    }
}

fn first_serial(tx: &Tx<'_>, inbox: MailboxId) -> Result<Serial> {
    Ok(scan_all(tx, inbox)?[0].serial)
}

#[test]
fn wrong_counters_are_found() {
    check(Invariant::UidBelowNext, edit_counters(|c| c.uid_next = 2));
    check(Invariant::MailboxCounters, edit_counters(|c| c.unseen = 1));
    check(Invariant::MailboxCounters, edit_counters(|c| c.bytes += 1));
    check(Invariant::Usage, edit_counters(|c| c.messages = 7));
    check(Invariant::ExpungeLog, edit_counters(|c| c.expunge_rows = 1));
    check(
        Invariant::ModSeqOrder,
        edit_counters(|c| c.highest_modseq = ModSeq::MIN),
    );
    check(Invariant::ModSeqOrder, |tx, account, _| {
        let mut counters = AccountCounters::load(tx, account)?;
        counters.modseq = 1;
        counters.save(tx, account)
    });
    check(Invariant::Level, |tx, account, _| {
        let mut counters = AccountCounters::load(tx, account)?;
        counters.level = Level::Full;
        counters.save(tx, account)
    });
    check(Invariant::Remembered, |tx, _, _| {
        tx.write(GROWTH)?.insert((1, 99, 20_000), 5)?;
        Ok(())
    });
    check(Invariant::Remembered, |tx, _, _| {
        tx.write(TOLD)?.insert((1, 99), [1].as_slice())?;
        Ok(())
    });
    check(Invariant::UidValidity, |tx, _, _| {
        StoreCounters::default().save(tx, ())
    });
}

#[test]
fn broken_messages_are_found() {
    check(Invariant::RowAndRecord, |tx, _, inbox| {
        tx.write(FLAGS)?.remove((inbox.0, 1))?;
        Ok(())
    });
    check(Invariant::RowAndRecord, |tx, _, inbox| {
        let serial = first_serial(tx, inbox)?;
        tx.write(RECORDS)?.remove(serial.0)?;
        Ok(())
    });
    check(Invariant::Readable, |tx, _, inbox| {
        let serial = first_serial(tx, inbox)?;
        tx.write(RECORDS)?.insert(serial.0, [0xff; 3].as_slice())?;
        Ok(())
    });
    check(Invariant::Keywords, |tx, _, inbox| {
        let mut row = scan_all(tx, inbox)?[0];
        row.flags.keywords = 1;
        save_flags(tx, inbox, &row)
    });
    check(Invariant::BlobReferences, |tx, _, inbox| {
        let record = Stored::load(tx, first_serial(tx, inbox)?)?;
        blob::add_reference(tx, record.blob)
    });
    check(Invariant::BlobPresent, |tx, _, inbox| {
        let mut record = Stored::load(tx, first_serial(tx, inbox)?)?;
        record.blob = BlobId(999);
        record.save(tx)
    });
}

#[test]
fn broken_names_devices_and_marks_are_found() {
    check(Invariant::MailboxNames, |tx, account, _| {
        tx.write(MAILBOX_NAMES)?.remove((account.0, "Sent"))?;
        Ok(())
    });
    check(Invariant::Hierarchy, |tx, account, inbox| {
        tx.write(MAILBOX_NAMES)?
            .insert((account.0, "a/b"), inbox.0)?;
        Ok(())
    });
    check(Invariant::Addresses, |tx, account, _| {
        tx.write(ACCOUNT_KEYS)?
            .insert("b@haus.example", account.0)?;
        Ok(())
    });
    check(Invariant::Devices, |tx, account, _| {
        let row: &[u8] = b"";
        tx.write(DEVICES)?.insert((account.0 + 1, 1), row)?;
        Ok(())
    });
    check(Invariant::Pop3Marks, |tx, _, inbox| {
        let serial = first_serial(tx, inbox)?;
        let row: &[u8] = &[1, 0];
        tx.write(POP3_MARKS)?.insert((serial.0, 7), row)?;
        Ok(())
    });
    check(Invariant::Purges, |tx, account, inbox| {
        tx.write(PURGES)?.insert(inbox.0, account.0)?;
        Ok(())
    });
    check(Invariant::ExpungeLog, |tx, _, inbox| {
        let row: &[u8] = &[1, 0];
        tx.write(EXPUNGED)?.insert((inbox.0, 2), row)?;
        Ok(())
    });
}

#[test]
fn recount_repairs_what_counts_wrongly() {
    let store = unsound(edit_counters(|c| {
        (c.messages, c.unseen, c.uid_next) = (9, 0, 1);
    }));
    let differences = store.recount().unwrap();
    assert_eq!(differences.len(), 1, "{differences:?}");
    assert!(store.check().unwrap().is_sound());
    assert_eq!(store.recount(), Ok(Vec::new()));
}
