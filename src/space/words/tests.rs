//! The wording, and that it fits where it goes.

use super::*;
use crate::clock::Wall;
use crate::mail::ids::AccountId;
use crate::store::types::Fill;

const GB: u64 = 1 << 30;

fn state(subject: Subject, level: Level, used: u64, days_left: Option<u32>) -> State {
    State {
        subject,
        fill: Fill {
            level,
            used,
            limit: Some(5 * GB),
        },
        days_left,
    }
}

fn account(level: Level, used: u64, days_left: Option<u32>) -> State {
    state(Subject::Account(AccountId(1)), level, used, days_left)
}

fn anna() -> Account {
    Account {
        id: AccountId(1),
        address: Address::parse("anna@home.test").unwrap(),
        owner: false,
        language: Language::De,
        quota_bytes: None,
        created: Wall::FLOOR,
    }
}

#[test]
fn owners_are_not_sent_to_themselves() {
    let owner = Account {
        owner: true,
        ..anna()
    };
    let state = account(Level::Notice, 4 * GB, None);
    let got = |language| alert(&state, &owner, language).unwrap();
    assert_eq!(
        got(Language::En),
        "Your mailbox is 80 % full (4 of 5 GB). Delete mail that you no longer need and empty the Trash. For more space: \
         heimpost account quota anna@home.test QUOTA"
    );
    assert_eq!(
        got(Language::De),
        "Ihr Postfach ist zu 80 % voll (4 von 5 GB). Loeschen Sie Mails, die Sie nicht mehr brauchen, und leeren Sie den \
         Papierkorb. Mehr Platz gibt: heimpost account quota anna@home.test QUOTA"
    );
}

#[test]
fn amounts() {
    for (bytes, down, up) in [
        (0, "0 Bytes", "0 Bytes"),
        (1023, "1023 Bytes", "1023 Bytes"),
        (1024, "1 kB", "1 kB"),
        (4 * GB + GB / 8, "4,1 GB", "4,2 GB"),
        (5 * GB, "5 GB", "5 GB"),
        (154 << 20, "154 MB", "154 MB"),
        ((154 << 20) + 1, "154 MB", "155 MB"),
        (u64::MAX, "16777215 TB", "16777216 TB"),
    ] {
        assert_eq!(amount(bytes, Language::De), down);
        assert_eq!(amount_at_least(bytes, Language::De), up);
        assert_eq!(amount(bytes, Language::En), down.replace(',', "."));
    }
}

#[test]
fn spans() {
    for (days, de, en) in [
        (1, "einem Tag", "a day"),
        (18, "18 Tagen", "18 days"),
        (60, "60 Tagen", "60 days"),
        (100, "3 Monaten", "3 months"),
        (400, "13 Monaten", "13 months"),
    ] {
        assert_eq!(span(days, Language::De), de);
        assert_eq!(span(days, Language::En), en);
    }
}

#[test]
fn nothing_to_say() {
    let fine = account(Level::Ok, GB, Some(3));
    for language in [Language::De, Language::En] {
        assert_eq!(alert(&fine, &anna(), language), None);
        assert_eq!(advice(&fine, Whose::Yours, language), None);
        assert_eq!(meaning(Level::Ok, language), None);
    }
    let reason = reason(&fine, Whose::Yours, Language::En);
    assert_eq!(reason, "Your mailbox is 20 % full (1 of 5 GB).");
}

#[track_caller]
fn check_alert(state: &State, en: &str, de: &str) {
    let got = |language| alert(state, &anna(), language).unwrap();
    assert_eq!(got(Language::En), en);
    assert_eq!(got(Language::De), de);
}

#[test]
fn alerts() {
    check_alert(
        &account(Level::Notice, 41 * GB / 10, Some(18)),
        "Your mailbox is 81 % full (4 of 5 GB). It will be full in about 18 days. Delete mail that you no longer need \
         and empty the Trash. Or ask the owner of the box for a larger mailbox.",
        "Ihr Postfach ist zu 81 % voll (4 von 5 GB). Voraussichtlich ist der Platz in etwa 18 Tagen aufgebraucht. \
         Loeschen Sie Mails, die Sie nicht mehr brauchen, und leeren Sie den Papierkorb. Oder bitten Sie den Besitzer \
         des Geraets um ein groesseres Postfach.",
    );
    check_alert(
        &account(Level::Full, 5 * GB, Some(0)),
        "Your mailbox is full (5 of 5 GB). New mail has to wait outside. Its senders try again by themselves for several \
         days; nothing is lost if there is room by then. Delete at least 154 MB of mail and empty the Trash. Or ask the \
         owner of the box for a larger mailbox.",
        "Ihr Postfach ist voll (5 von 5 GB). Neue Mails muessen draussen warten. Die Absender versuchen es von selbst \
         mehrere Tage lang wieder; verloren geht nichts, wenn bis dahin Platz ist. Loeschen Sie Mails (mindestens 154 MB) \
         und leeren Sie den Papierkorb. Oder bitten Sie den Besitzer des Geraets um ein groesseres Postfach.",
    );
}

#[test]
fn alerts_are_short_and_ascii() {
    let levels = [Level::Notice, Level::Warning, Level::Full, Level::Fault];
    for level in levels {
        for subject in [Subject::Card, Subject::Account(AccountId(1))] {
            for language in [Language::De, Language::En] {
                let state = state(subject, level, 5 * GB - 1, Some(2));
                let alert = alert(&state, &anna(), language).unwrap();
                assert!(alert.len() <= 440, "{} {alert}", alert.len());
                assert!(
                    alert.chars().all(|c| c == ' ' || c.is_ascii_graphic()),
                    "{alert}"
                );
                assert!(!alert.contains('?'), "{alert}");
            }
        }
    }
}
