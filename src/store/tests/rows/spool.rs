//! The spool: what enters with appends, what changes, what leaves.

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use super::*;
use crate::mail::ids::{BlobId, SpoolId};
use crate::mail::report::{Notify, Return};
use crate::mail::transport::{BodyType, HeaderType, Priority};
use crate::store::check::Invariant;
use crate::store::schema::{SPOOL, SPOOL_RECIPIENTS};
use crate::store::spool::{
    LastTry, NewSpool, NewSpoolRecipient, SPOOL_MAILS_MAX, SPOOL_RECIPIENTS_MAX, SpoolClock,
    SpoolMail, SpoolStage, SpoolState, SpoolUpdate,
};
use crate::wake::Wake;

const CLOCK: SpoolClock = SpoolClock {
    time: Duration::from_millis(1_500),
    wall: Some(START),
};

fn recipient(to: &str) -> NewSpoolRecipient {
    NewSpoolRecipient {
        address: address(to),
        notify: None,
        original: None,
    }
}

/// A mail of anna's to people elsewhere.
pub(in crate::store::tests) fn mail(to: &[&str]) -> NewSpool {
    NewSpool {
        prefix: b"Received: there\r\n".to_vec(),
        sender: Some(address("anna@haus.example")),
        account: None,
        priority: Priority::Mail,
        body: BodyType::SevenBit,
        header: HeaderType::Ascii,
        ret: None,
        envid: None,
        recipients: to.iter().map(|to| recipient(to)).collect(),
    }
}

fn state(stage: SpoolStage, attempts: u32) -> SpoolState {
    SpoolState {
        stage,
        attempts,
        delay_told: false,
        last: None,
    }
}

fn new_state() -> SpoolState {
    state(SpoolStage::Waiting(Duration::ZERO), 0)
}

fn changed(mail: SpoolId, states: Vec<(usize, SpoolState)>) -> SpoolUpdate {
    SpoolUpdate {
        mail,
        arrived: Duration::from_secs(1),
        states,
        is_over: false,
    }
}

fn over(mail: SpoolId) -> SpoolUpdate {
    SpoolUpdate {
        is_over: true,
        ..changed(mail, Vec::new())
    }
}

impl House {
    fn prepare_spooled(&self, filings: Vec<Filing>, spool: Vec<NewSpool>) -> Append {
        Append {
            spool,
            ..self.prepare(b"Subject: hello\r\n\r\nhello\r\n", filings)
        }
    }

    fn spool_one(&self, new: NewSpool) -> SpoolMail {
        let append = self.prepare_spooled(Vec::new(), vec![new]);
        self.store.append(vec![append], self.now()).unwrap();
        self.spool().pop().unwrap()
    }

    fn spool(&self) -> Vec<SpoolMail> {
        let snapshot = self.store.snapshot().unwrap();
        let mails = snapshot.spool(SpoolId(0), usize::MAX).unwrap();
        assert_eq!(snapshot.spool_len(), Ok(mails.len() as u64));
        mails
    }

    fn update(&self, updates: Vec<SpoolUpdate>, reports: Vec<Append>) -> Result<()> {
        self.store.update_spool(CLOCK, updates, reports, self.now())
    }
}

#[test]
fn a_mail_enters_with_its_local_copies() {
    let house = House::new();
    let woken = Arc::new(AtomicU32::new(0));
    let inside = Arc::clone(&woken);
    house.store.on_spool(Wake::new(move || {
        inside.fetch_add(1, Ordering::SeqCst);
    }));
    let inbox = house.mailbox("INBOX");
    house.fill(&inbox, 1);
    assert_eq!(woken.load(Ordering::SeqCst), 0);
    let (one, two) = (
        mail(&["b@x.example", "c@y.example"]),
        mail(&["d@z.example"]),
    );
    let filings = vec![filing(&inbox, Flags::default())];
    let append = house.prepare_spooled(filings, vec![one.clone(), two.clone()]);
    house.store.append(vec![append], house.now()).unwrap();
    assert_eq!(woken.load(Ordering::SeqCst), 1);
    let house = house.reopen();
    let mails = house.spool();
    let filed = house.store.snapshot().unwrap();
    let rows = filed.rows(inbox.id, uid(2), uid(2)).unwrap();
    let blob = filed.record(rows[0].serial).unwrap().unwrap().blob;
    for (mail, new) in mails.iter().zip([one, two]) {
        let expected = SpoolMail {
            id: mail.id,
            states: vec![new_state(); new.recipients.len()],
            new,
            blob,
            bytes: 42,
            spooled: START,
            arrived: None,
        };
        assert_eq!(*mail, expected);
        assert_eq!(filed.spool_mail(mail.id), Ok(Some(expected)));
    }
    assert_eq!(filed.spool(mails[1].id, 9), Ok(vec![mails[1].clone()]));
    assert_eq!(filed.spool(SpoolId(0), 1), Ok(vec![mails[0].clone()]));
    assert_eq!(filed.spool_clock(), Ok(SpoolClock::default()));
}

#[test]
fn what_is_refused_is_not_spooled() {
    let house = House::new();
    let inbox = house.mailbox("INBOX");
    let gone = Mailbox {
        id: MailboxId(99),
        ..inbox.clone()
    };
    let to = |mailbox| filing(mailbox, Flags::default());
    let prepare = |filings| house.prepare_spooled(filings, vec![mail(&["b@x.example"])]);
    let append = prepare(vec![to(&gone)]);
    let results = house.store.append(vec![append], house.now()).unwrap();
    assert!(results[0][0].is_err());
    let append = prepare(vec![to(&inbox), to(&gone)]);
    let refused = house.store.append_all(vec![append], house.now());
    assert!(refused.is_err());
    assert_eq!((house.spool(), house.uids(inbox.id)), (vec![], vec![]));
    let append = prepare(vec![to(&inbox), to(&gone)]);
    house.store.append(vec![append], house.now()).unwrap();
    assert_eq!((house.spool().len(), house.uids(inbox.id).len()), (1, 1));
}

#[test]
fn the_spool_has_limits() {
    let house = House::new();
    let inbox = house.mailbox("INBOX");
    let spool = |new: Vec<NewSpool>| {
        let append = house.prepare_spooled(vec![filing(&inbox, Flags::default())], new);
        house.store.append(vec![append], house.now()).map(drop)
    };
    assert!(matches!(spool(vec![mail(&[])]), Err(Error::Refused(_))));
    let many = vec!["b@x.example"; SPOOL_RECIPIENTS_MAX + 1];
    assert!(matches!(spool(vec![mail(&many)]), Err(Error::Limit(_))));
    let too_many = vec![mail(&["b@x.example"]); usize::try_from(SPOOL_MAILS_MAX).unwrap() + 1];
    assert!(matches!(spool(too_many), Err(Error::Limit(_))));
    assert_eq!(
        house.uids(inbox.id),
        [] as [u32; 0],
        "nothing is filed either"
    );
    assert_eq!(spool(vec![mail(&many[1..])]), Ok(()));
    assert_eq!(house.spool()[0].states.len(), SPOOL_RECIPIENTS_MAX);
}

#[test]
fn all_that_a_mail_has_comes_back() {
    let house = House::new();
    let notify = |success, failure, delay| {
        Some(Notify {
            success,
            failure,
            delay,
        })
    };
    let mut new = mail(&["b@x.example", "\"b c\"@[192.0.2.1]", "käthe@bücher.example"]);
    new.recipients[0].notify = Some(Notify::NEVER);
    new.recipients[1].notify = notify(true, false, true);
    new.recipients[2].notify = notify(false, true, false);
    new.recipients[1].original = Some(("rfc822".to_owned(), "Bob@X".to_owned()));
    for (priority, body, header, ret) in [
        (Priority::Notice, BodyType::SevenBit, HeaderType::Utf8, None),
        (
            Priority::Bulk,
            BodyType::EightBitMime,
            HeaderType::Ascii,
            Some(Return::Full),
        ),
        (
            Priority::Mail,
            BodyType::Binary,
            HeaderType::Ascii,
            Some(Return::Headers),
        ),
    ] {
        let new = NewSpool {
            sender: None,
            account: Some(house.account),
            priority,
            body,
            header,
            ret,
            envid: Some("QQ 314159".to_owned()),
            ..new.clone()
        };
        assert_eq!(house.spool_one(new.clone()).new, new);
    }
}

#[test]
fn all_that_came_of_attempts_comes_back() {
    let house = House::new();
    let last = LastTry {
        at: Some(START),
        host: Some("mx.x.example".to_owned()),
        status: "4.7.1".to_owned(),
        reply: "451 4.7.1 later, größer".to_owned(),
    };
    let bare = LastTry {
        at: None,
        host: None,
        ..last.clone()
    };
    let new = mail(&["b@x.example", "c@x.example", "d@x.example"]);
    let mail = house.spool_one(new).id;
    for (stage, attempts, delay_told, last) in [
        (SpoolStage::Waiting(Duration::MAX), u32::MAX, true, None),
        (SpoolStage::Held, 0, false, Some(last.clone())),
        (SpoolStage::Delivered, 1, false, Some(bare)),
        (SpoolStage::Failed, 7, true, Some(last)),
        (SpoolStage::Expired, 8, false, None),
        (SpoolStage::Removed, 9, true, None),
    ] {
        let state = SpoolState {
            stage,
            attempts,
            delay_told,
            last,
        };
        let update = changed(mail, vec![(1, state.clone())]);
        house.update(vec![update], Vec::new()).unwrap();
        let states = house.spool().pop().unwrap().states;
        assert_eq!(states, [new_state(), state, new_state()]);
    }
}

#[test]
fn updates_change_what_they_name() {
    let house = House::new();
    let one = house.spool_one(mail(&["b@x.example", "c@y.example"])).id;
    let two = house.spool_one(mail(&["d@z.example"])).id;
    let held = state(SpoolStage::Held, 2);
    let late = state(SpoolStage::Waiting(Duration::from_nanos(1_000_000_001)), 1);
    let updates = vec![
        changed(SpoolId(999), vec![(0, held.clone())]),
        changed(one, vec![(1, late.clone())]),
        changed(one, vec![(0, held.clone())]),
        over(two),
    ];
    house.update(updates, Vec::new()).unwrap();
    let house = house.reopen();
    let mails = house.spool();
    assert_eq!(mails.len(), 1);
    assert_eq!(mails[0].states, [held.clone(), late]);
    assert_eq!(mails[0].arrived, Some(Duration::from_secs(1)));
    assert_eq!(house.store.snapshot().unwrap().spool_clock(), Ok(CLOCK));
    let wrong = vec![over(one), changed(one, Vec::new()), over(two)];
    assert_eq!(house.update(wrong, Vec::new()), Ok(()));
    let three = house.spool_one(mail(&["e@x.example"])).id;
    assert!(three > two, "numbers are never used again");
    let wrong = vec![
        over(three),
        changed(house.spool_one(mail(&["f@x.example"])).id, vec![(1, held)]),
    ];
    assert!(matches!(
        house.update(wrong, Vec::new()),
        Err(Error::NotFound(_))
    ));
    assert_eq!(house.spool().len(), 2, "all or none");
}

#[test]
fn a_mail_that_is_over_gives_its_blob_up() {
    let house = House::new();
    let alone = house.spool_one(mail(&["b@x.example"]));
    let mut reader = house.store.read_spooled(&alone).unwrap();
    let shared = house.prepare_spooled(
        vec![filing(&house.mailbox("INBOX"), Flags::default())],
        vec![mail(&["b@x.example"])],
    );
    house.store.append(vec![shared], house.now()).unwrap();
    let shared = house.spool().pop().unwrap();
    house
        .update(vec![over(alone.id), over(shared.id)], Vec::new())
        .unwrap();
    assert_eq!(house.spool(), []);
    let mut bytes = Vec::new();
    assert_eq!(reader.read_at(0, 1000, &mut bytes), Ok(42));
    drop(reader);
    house.store.settle().unwrap();
    assert!(house.store.read_spooled(&alone).is_err());
    assert!(house.store.read_spooled(&shared).is_ok(), "INBOX has it");
}

#[test]
fn a_spooled_mail_is_read_in_pieces_with_its_prefix() {
    let house = House::new();
    let mail = house.spool_one(mail(&["b@x.example"]));
    let whole = "Received: there\r\nSubject: hello\r\n\r\nhello\r\n";
    let mut reader = house.store.read_spooled(&mail).unwrap();
    assert_eq!((reader.bytes(), mail.bytes), (42, 42));
    for piece in 1..=43 {
        let mut bytes = Vec::new();
        while let read @ 1.. = reader
            .read_at(bytes.len() as u64, piece, &mut bytes)
            .unwrap()
        {
            assert!(read <= piece);
        }
        assert_eq!(String::from_utf8(bytes).unwrap(), whole, "{piece}");
    }
}

#[test]
fn reports_go_with_what_causes_them() {
    let house = House::new();
    let inbox = house.mailbox("INBOX");
    house.store.set_quota(house.account, Some(0)).unwrap();
    let sent = house.spool_one(mail(&["b@x.example"])).id;
    let gone = Mailbox {
        id: MailboxId(99),
        ..inbox.clone()
    };
    let to = |mailbox| vec![filing(mailbox, Flags::default())];
    let reports = vec![
        house.prepare_spooled(to(&inbox), Vec::new()),
        house.prepare_spooled(to(&gone), Vec::new()),
        house.prepare_spooled(to(&gone), vec![mail(&["elsewhere@y.example"])]),
        house.prepare_spooled(Vec::new(), vec![mail(&["sender@y.example"])]),
    ];
    house.update(vec![over(sent)], reports).unwrap();
    assert_eq!(house.uids(inbox.id), [1], "beyond the quota");
    let mails = house.spool();
    let readers: Vec<&Address> = mails
        .iter()
        .map(|mail| &mail.new.recipients[0].address)
        .collect();
    assert_eq!(
        readers,
        [
            &address("elsewhere@y.example"),
            &address("sender@y.example")
        ]
    );
    let unfit = house.prepare_spooled(to(&inbox), vec![mail(&[])]);
    assert!(house.update(vec![over(mails[0].id)], vec![unfit]).is_err());
    assert_eq!((house.spool(), house.uids(inbox.id)), (mails, vec![1]));
}

#[test]
fn mail_of_an_account_that_is_removed_goes_out() {
    let house = House::new();
    let ben = house.add_account("ben@haus.example");
    let inbox = {
        let snapshot = house.store.snapshot().unwrap();
        snapshot.mailbox_by_name(ben, &name("INBOX")).unwrap()
    };
    let new = NewSpool {
        account: Some(ben),
        ..mail(&["b@x.example"])
    };
    let filings = vec![filing(&inbox.unwrap(), Flags::default())];
    let append = house.prepare_spooled(filings, vec![new]);
    house.store.append(vec![append], house.now()).unwrap();
    house.store.remove_account(ben).unwrap();
    assert_eq!(house.store.recount(), Ok(Vec::new()));
    let house = house.reopen();
    let mail = house.spool().pop().unwrap();
    assert_eq!(mail.new.account, Some(ben));
    assert!(house.store.read_spooled(&mail).is_ok());
}

#[test]
fn a_broken_spool_is_found() {
    let check = |expected: Invariant,
                 damage: fn(u64, &mut crate::store::tx::Tx<'_>) -> Result<()>| {
        let house = House::new();
        let id = house.spool_one(mail(&["b@x.example", "c@y.example"])).id.0;
        let store = (*house.store).clone();
        drop(house);
        store.0.commit(move |tx| damage(id, tx)).unwrap();
        let violations = store.check().unwrap().violations;
        let found = violations.iter().any(|one| one.invariant == expected);
        assert!(found, "{expected:?}: {violations:?}");
    };
    check(Invariant::Spool, |id, tx| {
        tx.write(SPOOL_RECIPIENTS)?.remove((id, 0))?;
        Ok(())
    });
    check(Invariant::Spool, |id, tx| {
        tx.write(SPOOL_RECIPIENTS)?
            .retain_in((id, 0)..(id, 9), |_, _| false)?;
        Ok(())
    });
    check(Invariant::Spool, |id, tx| {
        tx.write(SPOOL)?.remove(id)?;
        Ok(())
    });
    check(Invariant::BlobWanted, |id, tx| {
        tx.write(SPOOL)?.remove(id)?;
        Ok(())
    });
    check(Invariant::Readable, |id, tx| {
        tx.write(SPOOL)?.insert(id, [1].as_slice())?;
        Ok(())
    });
    check(Invariant::Readable, |id, tx| {
        tx.write(SPOOL_RECIPIENTS)?
            .insert((id, 0), [1].as_slice())?;
        Ok(())
    });
    check(Invariant::BlobReferences, |id, tx| {
        let row = crate::store::spool::MailRow::find(tx, SpoolId(id))?.unwrap();
        crate::store::blob::add_reference(tx, row.blob)
    });
    check(Invariant::BlobPresent, |id, tx| {
        let mut row = crate::store::spool::MailRow::find(tx, SpoolId(id))?.unwrap();
        row.blob = BlobId(999);
        row.save(tx, SpoolId(id))
    });
}
