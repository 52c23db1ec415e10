//! IMAP sessions on one store: several clients on a mailbox, and what ends a session.

mod client;

use std::collections::BTreeSet;

use heimpost::auth::Hashing;
use heimpost::delivery::intake::Intake;
use heimpost::mail::flags::{Flags, SystemFlags};
use heimpost::mail::ids::Uid;
use heimpost::mail::mailbox_name::MailboxName;
use heimpost::store::types::{Filing, Mailbox, MessageRow, QuotaRule};
use heimpost::store::{Append, Error, Options};
use proptest::prelude::*;

use client::{Client, House, Message};

fn inbox(house: &House) -> Mailbox {
    let snapshot = house.store.snapshot().unwrap();
    let inbox = snapshot.mailbox_by_name(house.account, &MailboxName::inbox());
    inbox.unwrap().unwrap()
}

/// The mailbox as a client ought to see it.
fn stored(house: &House) -> Vec<Message> {
    let inbox = inbox(house);
    let snapshot = house.store.snapshot().unwrap();
    let rows = snapshot.rows(inbox.id, Uid::MIN, Uid::MAX).unwrap();
    let message = |row: &MessageRow| Message {
        uid: row.uid.get(),
        flags: names(row, &inbox),
    };
    rows.iter().map(message).collect()
}

fn names(row: &MessageRow, inbox: &Mailbox) -> BTreeSet<String> {
    let system = SystemFlags::NAMED.iter();
    let system = system.filter(|(flag, _)| row.flags.system.contains(*flag));
    let keywords = inbox.keywords.iter().enumerate();
    let keywords = keywords.filter(|(bit, _)| row.flags.keywords >> bit & 1 == 1);
    system
        .map(|(_, name)| (*name).to_owned())
        .chain(keywords.map(|(_, keyword)| keyword.as_str().to_owned()))
        .collect()
}

#[derive(Debug, Clone)]
enum Act {
    Append,
    Store {
        at: usize,
        sign: char,
        silent: bool,
        flag: &'static str,
    },
    Fetch(usize),
    Move(usize),
    Copy(usize),
    Expunge,
    Noop,
}

const FLAGS: [&str; 5] = ["\\Seen", "\\Deleted", "\\Flagged", "Urgent", "$Forwarded"];

fn act() -> impl Strategy<Value = Act> {
    let store = (any::<usize>(), 0..2_usize, any::<bool>(), 0..FLAGS.len());
    prop_oneof![
        3 => Just(Act::Append),
        6 => store.prop_map(|(at, sign, silent, flag)| Act::Store {
            at,
            sign: ['+', '-'][sign],
            silent,
            flag: FLAGS[flag],
        }),
        2 => any::<usize>().prop_map(Act::Fetch),
        1 => any::<usize>().prop_map(Act::Move),
        1 => any::<usize>().prop_map(Act::Copy),
        1 => Just(Act::Expunge),
        2 => Just(Act::Noop),
    ]
}

fn perform(client: &mut Client, house: &House, act: &Act) {
    let count = client.messages.len();
    let seq = |at: usize| (count > 0).then(|| at % count + 1);
    let command = match act {
        Act::Append => Some("APPEND INBOX {4+}\r\na: b".to_owned()),
        Act::Store {
            at,
            sign,
            silent,
            flag,
        } => seq(*at).map(|seq| {
            if *silent {
                let flags = &mut client.messages[seq - 1].flags;
                match sign {
                    '+' => flags.insert((*flag).to_owned()),
                    _ => flags.remove(*flag),
                };
            }
            let silent = if *silent { ".SILENT" } else { "" };
            format!("STORE {seq} {sign}FLAGS{silent} ({flag})")
        }),
        Act::Fetch(at) => seq(*at).map(|seq| format!("FETCH {seq}:* (FLAGS BODY[TEXT])")),
        Act::Move(at) => seq(*at).map(|seq| format!("MOVE {seq} Archive")),
        Act::Copy(at) => seq(*at).map(|seq| format!("COPY {seq} INBOX")),
        Act::Expunge => Some("EXPUNGE".to_owned()),
        Act::Noop => Some("NOOP".to_owned()),
    };
    if let Some(command) = command {
        client.command(house, &command);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    /// Whatever two clients do to one mailbox, after a NOOP both see what the store has.
    #[test]
    fn two_clients_see_one_mailbox(acts in prop::collection::vec((0..2_usize, act()), 1..40)) {
        let house = House::new(None);
        let mut clients = [house.client_in_inbox(), house.client_in_inbox()];
        for (who, act) in &acts {
            perform(&mut clients[*who], &house, act);
        }
        for client in &mut clients {
            client.command(&house, "NOOP");
            prop_assert_eq!(&client.messages, &stored(&house));
        }
    }
}

#[test]
fn an_idle_client_follows_everything() {
    let house = House::new(None);
    let (mut phone, mut pc) = (house.client_in_inbox(), house.client_in_inbox());
    let hear = |house: &House, phone: &mut Client| {
        phone.settle(house);
        phone.hear(house);
    };
    pc.command(&house, "APPEND INBOX (\\Seen) {4+}\r\na: b");
    phone.command(&house, "NOOP");
    assert_eq!(phone.command(&house, "IDLE"), "+ idling\r\n");
    pc.command(&house, "STORE 1 +FLAGS (\\Flagged Urgent)");
    hear(&house, &mut phone);
    assert_eq!(phone.messages, stored(&house));
    pc.command(&house, "MOVE 1 Archive");
    hear(&house, &mut phone);
    assert!(phone.messages.is_empty());
}

/// 2500 messages take several windows of comparison and several batches of STORE and FETCH.
#[test]
fn a_large_mailbox_stays_in_step() {
    let house = House::new(None);
    let mut pc = house.client_in_inbox();
    for _ in 0..5 {
        pc.command(&house, "APPEND INBOX {4+}\r\na: b");
    }
    for _ in 0..9 {
        pc.command(&house, "COPY 1:* INBOX");
    }
    let mut phone = house.client_in_inbox();
    assert_eq!(phone.messages.len(), 5 << 9);
    pc.command(&house, "STORE 1:* +FLAGS.SILENT (\\Seen)");
    pc.command(&house, "STORE 3,1000:1003,2000:* +FLAGS.SILENT (\\Deleted)");
    phone.command(&house, "NOOP");
    assert_eq!(phone.messages, stored(&house));
    pc.command(&house, "EXPUNGE");
    assert!(
        phone
            .command(&house, "FETCH 1999:2001 FLAGS")
            .contains("NO [EXPUNGEISSUED]")
    );
    phone.command(&house, "NOOP");
    assert_eq!(phone.messages, stored(&house));
    assert_eq!(phone.messages.len(), 1994);
}

#[test]
fn a_changed_password_ends_its_sessions() {
    let house = House::new(None);
    let mut phone = house.client_in_inbox();
    house
        .auth
        .set_password(house.account, "new password", Hashing::Scram)
        .unwrap();
    phone.settle(&house);
    let said = phone.hear(&house);
    assert!(said.starts_with("* BYE the password was changed"), "{said}");
    assert!(phone.closed);
}

#[test]
fn a_removed_account_ends_its_sessions() {
    let house = House::new(None);
    let mut phone = house.client_in_inbox();
    house.store.remove_account(house.account).unwrap();
    phone.settle(&house);
    assert!(phone.hear(&house).starts_with("* BYE "));
    assert!(phone.closed);
}

#[test]
fn shutdown_says_bye() {
    let house = House::new(None);
    let mut phone = house.client_in_inbox();
    phone.command(&house, "IDLE");
    phone.shut_down(&house);
    assert_eq!(phone.hear(&house), "* BYE the server is shutting down\r\n");
    assert!(phone.closed);
}

/// The literal keeps its announced length although the message goes while it is sent, and the connection ends.
#[test]
fn a_message_that_goes_while_it_is_sent_breaks_no_framing() {
    let house = House::new(None);
    let mut pc = house.client_in_inbox();
    let body = "0123456789abcde\n".repeat(20_000);
    let bytes = body.len();
    pc.command(&house, &format!("APPEND INBOX {{{bytes}+}}\r\n{body}"));
    let mut phone = house.client_in_inbox();
    phone.send_and_take_a_piece(&house, "x UID FETCH 1 (BODY.PEEK[])\r\n");
    assert!(phone.received.len() < bytes);
    pc.command(&house, "STORE 1 +FLAGS.SILENT (\\Deleted)");
    pc.command(&house, "EXPUNGE");
    phone.settle(&house);
    let sent = String::from_utf8(std::mem::take(&mut phone.received)).unwrap();
    let (head, rest) = sent.split_once("\r\n").unwrap();
    assert_eq!(head, format!("* 1 FETCH (UID 1 BODY[] {{{bytes}}}"));
    let (literal, end) = rest.split_at(bytes);
    if literal == body {
        assert!(end.starts_with(")\r\n"), "{end}");
    } else {
        assert!(end.starts_with(")\r\nx NO [SERVERBUG] "), "{end}");
        assert!(end.contains("* BYE "));
        assert!(phone.closed);
    }
}

#[test]
fn a_full_account_takes_no_append() {
    let house = House::new(Some(10));
    let mut pc = house.client_in_inbox();
    let first = pc.command(&house, "APPEND INBOX {20+}\r\na: b\r\n\r\n0123456789\r\n");
    assert!(first.contains(" OK [APPENDUID "), "{first}");
    let second = pc.command(&house, "APPEND INBOX {20}");
    let reason = "a4 NO [OVERQUOTA] Your mailbox is full (20 of 10 Bytes).";
    assert!(second.contains(reason), "{second}");
    let copied = pc.command(&house, "COPY 1 Archive");
    assert!(copied.contains("NO [OVERQUOTA]"), "{copied}");
    let moved = pc.command(&house, "MOVE 1 Archive");
    assert!(moved.contains(" OK "), "{moved}");
}

/// Delivers mails that do not compress until the card is full.
fn fill_the_card(house: &House) {
    let mut state = 1_u64;
    let mut noise = || {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        (state >> 32).to_le_bytes()
    };
    for _ in 0..200 {
        let piece: Vec<u8> = (0..40_000).flat_map(|_| noise()).collect();
        let taken = Intake::begin(&house.store, None).and_then(|mut intake| {
            intake.write(&piece)?;
            intake.finish()
        });
        let filed = taken.and_then(|taken| {
            let append = Append {
                blob: taken.blob,
                summary: taken.summary,
                filings: vec![Filing {
                    mailbox: inbox(house).id,
                    flags: Flags::default(),
                    internal_date: house.now().stamp(),
                    prefix: Vec::new(),
                    quota: QuotaRule::Enforce,
                }],
                spool: Vec::new(),
            };
            house.store.append_all(vec![append], house.now())
        });
        match filed {
            Ok(_) => {}
            Err(Error::Full) => return,
            Err(error) => panic!("{error}"),
        }
    }
    panic!("there is no end to the card");
}

#[test]
fn a_card_that_fills_up_is_told_to_an_idle_client() {
    let options = Options {
        capacity_bytes_max: Some(20 << 20),
        reserve_bytes: 16 << 20,
        ..Options::default()
    };
    let house = House::on(&options, None);
    let mut phone = house.client();
    assert_eq!(phone.command(&house, "IDLE"), "+ idling\r\n");
    fill_the_card(&house);
    phone.settle(&house);
    let told = String::from_utf8(std::mem::take(&mut phone.received)).unwrap();
    let full = "* OK [ALERT] The memory card of Heimpost is full (";
    assert_eq!(told.matches(full).count(), 1, "{told}");
    // Below, at most once each.
    assert!(told.matches("* OK [ALERT] ").count() <= 3, "{told}");
    assert_eq!(phone.say(&house, "DONE\r\n"), "a2 OK IDLE done\r\n");
}

#[test]
fn silence_ends_an_append() {
    let house = House::new(None);
    let mut pc = house.client_in_inbox();
    assert!(pc.command(&house, "APPEND INBOX {20}").starts_with("+ "));
    house.advance(299);
    pc.time_out(&house);
    assert!(!pc.closed);
    house.advance(1);
    pc.time_out(&house);
    assert!(
        pc.hear(&house)
            .starts_with("* BYE the message did not arrive")
    );
    assert!(stored(&house).is_empty());
}

/// Pieces of commands and of nonsense, for lines that parse now and then.
const WORDS: [&str; 48] = [
    "FETCH",
    "STORE",
    "COPY",
    "MOVE",
    "UID",
    "SEARCH",
    "SELECT",
    "EXAMINE",
    "EXPUNGE",
    "APPEND",
    "IDLE",
    "DONE",
    "CLOSE",
    "UNSELECT",
    "NOOP",
    "STATUS",
    "LIST",
    "AUTHENTICATE",
    "LOGIN",
    "STARTTLS",
    "ENABLE",
    "CONDSTORE",
    "INBOX",
    "Archive",
    "\"",
    "\"\"",
    "1",
    "1:*",
    "*",
    "2,1:9",
    "0",
    "(",
    ")",
    "FLAGS",
    "+FLAGS.SILENT",
    "(\\Seen)",
    "BODY[]",
    "BODY[1.MIME]<0.3>",
    "BODY[HEADER.FIELDS (Subject)]",
    "(UID RFC822.SIZE ENVELOPE)",
    "BODYSTRUCTURE",
    "(CHANGEDSINCE 1)",
    "(UNCHANGEDSINCE 0)",
    "{3+}\r\nabc",
    "{2}\r\nab",
    "ALL",
    "\x01",
    "\u{fc}",
];

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    /// Nothing that a client sends breaks a session: whatever came before, the next command is answered.
    #[test]
    fn nonsense_is_answered(lines in prop::collection::vec(
        prop::collection::vec(0..WORDS.len(), 1..6), 1..12,
    )) {
        let house = House::new(None);
        let mut client = house.client_in_inbox();
        client.command(&house, "APPEND INBOX {4+}\r\na: b");
        for line in &lines {
            let words: Vec<&str> = line.iter().map(|word| WORDS[*word]).collect();
            client.say(&house, &format!("n {}\r\n", words.join(" ")));
        }
        // Ends whatever waits for more of a line: a literal, DONE, a SASL response.
        client.say(&house, "*\r\nDONE\r\nabcdef\r\n");
        let last = client.say(&house, "last NOOP\r\n");
        prop_assert!(client.closed || last.contains("last OK"), "{}", last);
    }
}
