//! Deeds on a store in memory.

use super::carry;
use super::*;
use crate::clock::{Clock, Now, Wall};
use crate::mail::address::Address;
use crate::mail::flags::Flags;
use crate::mail::ids::{AccountId, Uid};
use crate::mail::mailbox_name::MailboxName;
use crate::store::types::{Filing, Language, QuotaRule};
use crate::store::{Append, NewAccount, Options, Store};
use crate::web::mail::told::Move;

const EN: Lang = Lang(Language::En);

struct House {
    store: Store,
    now: Now,
    anna: AccountId,
    bob: AccountId,
}

fn house() -> House {
    let store = Store::in_memory(&Options::default()).unwrap();
    let now = Clock::virtual_at(Wall(1_800_000_000)).now();
    let add = |name: &str| {
        let new = NewAccount {
            address: Address::parse(name).unwrap(),
            owner: false,
            language: Language::En,
            quota_bytes: None,
        };
        store.add_account(&new, now).unwrap().id
    };
    let (anna, bob) = (add("anna@home.test"), add("bob@home.test"));
    House {
        store,
        now,
        anna,
        bob,
    }
}

impl House {
    fn mailbox(&self, account: AccountId, name: &str) -> Mailbox {
        let name = MailboxName::parse(name).unwrap();
        let snapshot = self.store.snapshot().unwrap();
        snapshot.mailbox_by_name(account, &name).unwrap().unwrap()
    }

    /// A new mail in that mailbox.
    fn mail(&self, account: AccountId, mailbox: &str, system: SystemFlags) -> Serial {
        let mut blob = self.store.begin_blob(None).unwrap();
        blob.write(b"Subject: x\r\n\r\nx\r\n").unwrap();
        let append = Append {
            blob: blob.finish().unwrap(),
            summary: crate::mail::mime::Summary::default().encode(),
            filings: vec![Filing {
                mailbox: self.mailbox(account, mailbox).id,
                flags: Flags {
                    system,
                    keywords: Vec::new(),
                },
                internal_date: Wall(0),
                prefix: Vec::new(),
                quota: QuotaRule::Enforce,
            }],
            spool: Vec::new(),
        };
        let filed = self.store.append_all(vec![append], self.now).unwrap();
        filed[0][0].serial
    }

    fn carry(&self, deed: Deed, picks: &[Serial]) -> Result<(What, Vec<Move>), Problem> {
        carry::carry_out(&self.store, self.anna, deed, picks, (EN, self.now))
    }

    fn undo(&self, moves: &[Move]) -> What {
        carry::undo(&self.store, self.anna, moves, self.now).unwrap()
    }

    /// System flags and keywords of all messages there.
    fn flags(&self, account: AccountId, name: &str) -> Vec<(SystemFlags, Vec<String>)> {
        let mailbox = self.mailbox(account, name);
        let snapshot = self.store.snapshot().unwrap();
        let rows = snapshot.rows(mailbox.id, Uid::MIN, Uid::MAX).unwrap();
        let named = |bits: u64| {
            let all = mailbox.keywords.iter().enumerate();
            let set = all.filter(|(bit, _)| bits & (1 << bit) != 0);
            set.map(|(_, keyword)| keyword.as_str().to_owned())
                .collect()
        };
        rows.into_iter()
            .map(|row| (row.flags.system, named(row.flags.keywords)))
            .collect()
    }

    fn count(&self, name: &str) -> u32 {
        self.mailbox(self.anna, name).messages
    }
}

#[test]
fn what_is_filed_can_be_fetched_back_as_it_was() {
    let house = house();
    let both = SystemFlags::SEEN.union(SystemFlags::FLAGGED);
    let picks = [
        house.mail(house.anna, "INBOX", both),
        house.mail(house.anna, "Sent", SystemFlags::empty()),
    ];
    for (special, name) in [
        (SpecialUse::Trash, "Trash"),
        (SpecialUse::Archive, "Archive"),
        (SpecialUse::Junk, "Junk"),
    ] {
        let inbox = house.mailbox(house.anna, "INBOX").id;
        let sent = house.mailbox(house.anna, "Sent").id;
        let snapshot = house.store.snapshot().unwrap();
        let serial = |mailbox| snapshot.rows(mailbox, Uid::MIN, Uid::MAX).unwrap()[0].serial;
        let picks = [serial(inbox), serial(sent)];
        let (what, moves) = house.carry(Deed::File(special), &picks).unwrap();
        assert_eq!(what, What::Moved(2, name.to_owned()));
        assert_eq!((house.count("INBOX"), house.count(name)), (0, 2));
        assert_eq!(house.undo(&moves), What::Undone(2, 0), "{name}");
        assert_eq!(house.count(name), 0);
        assert_eq!(house.flags(house.anna, "INBOX"), [(both, Vec::new())]);
        let empty = [(SystemFlags::empty(), Vec::new())];
        assert_eq!(house.flags(house.anna, "Sent"), empty);
        assert_eq!(house.undo(&moves), What::Undone(0, 2), "only once");
    }
    let (what, _) = house.carry(Deed::File(SpecialUse::Trash), &picks).unwrap();
    assert_eq!(what, What::Nothing, "these serials are gone");
}

#[test]
fn junk_is_marked_for_filters_that_learn() {
    let house = house();
    let pick = house.mail(house.anna, "INBOX", SystemFlags::empty());
    house.carry(Deed::File(SpecialUse::Junk), &[pick]).unwrap();
    let mark = |mark: &str| [(SystemFlags::empty(), vec![mark.to_owned()])];
    assert_eq!(house.flags(house.anna, "Junk"), mark("$Junk"));
    let junk = house.mailbox(house.anna, "Junk").id;
    let snapshot = house.store.snapshot().unwrap();
    let row = snapshot.rows(junk, Uid::MIN, Uid::MAX).unwrap()[0];
    house.carry(Deed::NotJunk, &[row.serial]).unwrap();
    assert_eq!(house.flags(house.anna, "INBOX"), mark("$NotJunk"));
}

#[test]
fn undo_takes_what_others_left() {
    let house = house();
    let picks = [1, 2, 3].map(|_| house.mail(house.anna, "INBOX", SystemFlags::empty()));
    let from = house.mailbox(house.anna, "INBOX").id;
    house
        .store
        .create_mailbox(
            house.anna,
            &MailboxName::parse("Shop").unwrap(),
            None,
            house.now,
        )
        .unwrap();
    let shop = house.mailbox(house.anna, "Shop").id;
    house.carry(Deed::Move(shop), &picks).unwrap();
    let snapshot = house.store.snapshot().unwrap();
    let rows = snapshot.rows(shop, Uid::MIN, Uid::MAX).unwrap();
    let picks: Vec<Serial> = rows.iter().map(|row| row.serial).collect();
    let (_, moves) = house.carry(Deed::File(SpecialUse::Trash), &picks).unwrap();
    // Somebody reads one, fetches another back, and deletes the mailbox.
    let uids = &moves[0].uids;
    let seen = Flags {
        system: SystemFlags::SEEN,
        keywords: Vec::new(),
    };
    let trash = moves[0].to;
    let add = FlagAction::Add;
    house
        .store
        .update_flags(trash, &uids[..1], add, &seen, None)
        .unwrap();
    house
        .store
        .move_messages(trash, &uids[1..2], from, house.now)
        .unwrap();
    house.store.delete_mailbox(shop).unwrap();
    // A later mail in Trash is nobody's to undo.
    house.mail(house.anna, "Trash", SystemFlags::empty());
    assert_eq!(house.undo(&moves), What::Undone(2, 1));
    assert_eq!((house.count("INBOX"), house.count("Trash")), (3, 1));
    let read = house.flags(house.anna, "INBOX");
    let read = read.iter().filter(|(flags, _)| *flags == SystemFlags::SEEN);
    assert_eq!(read.count(), 1, "what others did stays");
}

#[test]
fn nobody_reaches_what_belongs_to_others() {
    let house = house();
    let bobs = house.mail(house.bob, "INBOX", SystemFlags::empty());
    let mine = house.mail(house.anna, "INBOX", SystemFlags::empty());
    let his_inbox = house.mailbox(house.bob, "INBOX").id;
    let his_trash = house.mailbox(house.bob, "Trash").id;
    for (deed, pick) in [
        (Deed::File(SpecialUse::Trash), bobs),
        (Deed::Flags(FlagAction::Add, SystemFlags::SEEN), bobs),
        (Deed::Delete, bobs),
        (Deed::Move(his_inbox), mine),
        (Deed::Empty(his_trash), mine),
    ] {
        let refused = house.carry(deed, &[mine, pick]).unwrap_err();
        assert_eq!(refused, Problem::NotFound, "{deed:?}");
    }
    let stray = Move {
        from: his_inbox,
        to: house.mailbox(house.bob, "INBOX").id,
        uids: vec![Uid::MIN],
        marks: Vec::new(),
    };
    assert_eq!(house.undo(&[stray]), What::Undone(0, 1));
    let nothing = [(SystemFlags::empty(), Vec::new())];
    assert_eq!(house.flags(house.bob, "INBOX"), nothing);
    assert_eq!(house.flags(house.anna, "INBOX"), nothing);
}

#[test]
fn only_trash_and_junk_are_emptied() {
    let house = house();
    house.mail(house.anna, "INBOX", SystemFlags::empty());
    for _ in 0..3 {
        house.mail(house.anna, "Trash", SystemFlags::empty());
    }
    let id = |name| house.mailbox(house.anna, name).id;
    let refused = house.carry(Deed::Empty(id("INBOX")), &[]).unwrap_err();
    assert_eq!(refused, Problem::NotFound);
    let (what, moves) = house.carry(Deed::Empty(id("Trash")), &[]).unwrap();
    assert_eq!((what, moves.len()), (What::Deleted(3), 0));
    assert_eq!((house.count("INBOX"), house.count("Trash")), (1, 0));
}

#[test]
fn missing_mailboxes_are_made() {
    let house = house();
    let trash = house.mailbox(house.anna, "Trash");
    house.store.delete_mailbox(trash.id).unwrap();
    let pick = house.mail(house.anna, "INBOX", SystemFlags::empty());
    house.carry(Deed::File(SpecialUse::Trash), &[pick]).unwrap();
    let made = house.mailbox(house.anna, "Trash");
    assert_eq!(
        (made.special_use, made.subscribed, made.messages),
        (Some(SpecialUse::Trash), true, 1)
    );
}

#[test]
fn the_path_keeps_its_query() {
    for (path, expected) in [
        ("/mail", "/mail?told=7"),
        ("/mail/box/3?before=9", "/mail/box/3?before=9&told=7"),
        ("/mail/box/3?told=6&q=a#x", "/mail/box/3?q=a&told=7"),
    ] {
        assert_eq!(with_told(path, 7), expected);
    }
}

#[test]
fn deeds_are_named() {
    let named = |deed: &str, target: &str| {
        let field = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        super::deed(&vec![field("deed", deed), field("target", target)]).ok()
    };
    let trash = Deed::File(SpecialUse::Trash);
    assert_eq!(named("trash", ""), Some(trash));
    assert_eq!(named("move:9", ""), Some(Deed::Move(MailboxId(9))));
    assert_eq!(named("move", "9"), Some(Deed::Move(MailboxId(9))));
    for bad in ["", "move", "move:", "move:-1", "move:99999999999", "x"] {
        assert_eq!(named(bad, "y"), None, "{bad}");
    }
}
