//! Which mails are due, for whom, and what they say.

use super::*;
use crate::mail::address::Address;
use crate::mail::ids::AccountId;
use crate::store::types::Fill;

const GB: u64 = 1 << 30;

const LEVELS: [Level; 5] = [
    Level::Ok,
    Level::Notice,
    Level::Warning,
    Level::Full,
    Level::Fault,
];

#[test]
fn each_crossing_has_its_mail() {
    let reached = |level| Some(Due::Mails(Occasion::Reached(level)));
    let fine = Some(Due::Mails(Occasion::Fine));
    let flowing = Some(Due::Mails(Occasion::Flowing));
    let (notice, warning, full) = (
        reached(Level::Notice),
        reached(Level::Warning),
        reached(Level::Full),
    );
    let note = Some(Due::Note);
    // A row per level told, a column per level now.
    let table = [
        [None, notice, warning, full, None],
        [fine, None, warning, full, None],
        [fine, note, None, full, None],
        [fine, flowing, flowing, None, None],
        [fine, flowing, flowing, flowing, None],
    ];
    for (told, row) in LEVELS.into_iter().zip(table) {
        for (now, expected) in LEVELS.into_iter().zip(row) {
            assert_eq!(due(told, now), expected, "{told:?} -> {now:?}");
        }
    }
}

fn account(id: u32, owner: bool) -> Account {
    Account {
        id: AccountId(id),
        address: Address::parse(&format!("a{id}@home.test")).unwrap(),
        owner,
        language: Language::En,
        quota_bytes: None,
        created: Wall::FLOOR,
    }
}

#[test]
fn readers_are_the_account_and_the_owners() {
    let accounts = [account(1, true), account(2, false), account(3, true)];
    let other = accounts[1].address.clone();
    let first = accounts[0].address.clone();
    let check = |subject, expected: &[(u32, Whose<'_>)]| {
        let got: Vec<_> = readers(subject, &accounts)
            .into_iter()
            .map(|(account, whose)| (account.id.0, whose))
            .collect();
        assert_eq!(got, expected, "{subject:?}");
    };
    let third = accounts[2].address.clone();
    let own = [(1, Whose::OwnersOwn(&first)), (3, Whose::OwnersOwn(&third))];
    check(Subject::Card, &own);
    check(
        Subject::Account(AccountId(1)),
        &[(1, Whose::OwnersOwn(&first)), (3, Whose::Of(&first))],
    );
    check(
        Subject::Account(AccountId(2)),
        &[
            (1, Whose::Of(&other)),
            (2, Whose::Yours),
            (3, Whose::Of(&other)),
        ],
    );
    check(Subject::Account(AccountId(9)), &[]);
}

fn letter(occasion: Occasion, level: Level, used: u64, language: Language) -> Letter {
    let state = State {
        subject: Subject::Account(AccountId(2)),
        fill: Fill {
            level,
            used,
            limit: Some(5 * GB),
        },
        days_left: Some(18),
    };
    let anna = Address::parse("anna@home.test").unwrap();
    let berlin = TimeZone::get("Europe/Berlin").unwrap();
    let reader = Reader {
        language,
        whose: Whose::Of(&anna),
        time_zone: &berlin,
    };
    write(occasion, &state, &reader, &waiting())
}

fn waiting() -> Vec<Waiting> {
    let waiting = |from: Option<&str>, bytes| Waiting {
        from: from.map(|from| Address::parse(from).unwrap()),
        first: Wall(1_795_348_800),
        last: Wall(1_795_352_400),
        bytes,
        tries: 2,
    };
    vec![
        waiting(Some("bob@example.org"), Some(5 << 20)),
        waiting(None, None),
    ]
}

#[test]
fn full_in_english() {
    let letter = letter(
        Occasion::Reached(Level::Full),
        Level::Full,
        5 * GB,
        Language::En,
    );
    assert_eq!(
        letter.subject,
        "The mailbox anna@home.test is full: new mail has to wait"
    );
    insta::assert_snapshot!(letter.text, @r"
    Hello,

    The mailbox anna@home.test is full (5 of 5 GB).

    New mail has to wait outside. Its senders try again by themselves for several days; nothing is lost if there is room by then.

    Mail should be deleted there and the Trash emptied (at least 154 MB). To give it more space: heimpost account quota anna@home.test QUOTA

    Mail is waiting outside from:
    - bob@example.org, since 22 Nov 2026 13:00, 5 MB
    - a mail server (delivery report), since 22 Nov 2026 13:00

    Your Heimpost

    The box wrote this mail by itself. A reply reaches its owner.
    ");
}

#[test]
fn notice_in_german_lists_nobody() {
    let letter = letter(
        Occasion::Reached(Level::Notice),
        Level::Notice,
        41 * GB / 10,
        Language::De,
    );
    assert_eq!(
        letter.subject,
        "Das Postfach anna@home.test ist zu 81 % voll"
    );
    insta::assert_snapshot!(letter.text, @r"
    Guten Tag,

    Das Postfach anna@home.test ist zu 81 % voll (4 von 5 GB). Voraussichtlich ist der Platz in etwa 18 Tagen aufgebraucht.

    Mails kommen weiterhin an.

    Dort sollten Mails gelöscht und der Papierkorb geleert werden. Mehr Platz geben Sie dem Postfach mit: heimpost account quota anna@home.test QUOTA

    Ihr Heimpost

    Diese Mail hat das Gerät selbst geschrieben. Eine Antwort erreicht seinen Besitzer.
    ");
}

#[test]
fn fine_again_in_german() {
    let letter = letter(Occasion::Fine, Level::Ok, GB, Language::De);
    assert_eq!(
        letter.subject,
        "Das Postfach anna@home.test hat wieder genug Platz"
    );
    insta::assert_snapshot!(letter.text, @r"
    Guten Tag,

    Es ist wieder genug Platz. Das Postfach anna@home.test ist zu 20 % voll (1 von 5 GB).

    Draußen wartet Mail von:
    - bob@example.org, seit 22.11.2026 13:00, 5 MB
    - einem Mailserver (Zustellbericht), seit 22.11.2026 13:00

    Ihr Heimpost

    Diese Mail hat das Gerät selbst geschrieben. Eine Antwort erreicht seinen Besitzer.
    ");
}
