//! The state in words, German and English: the same reason and the same advice at every outlet.
//!
//! What is the matter ([`reason`]), when it will be full ([`outlook`]), what that means ([`meaning`]), what to do
//! ([`advice`]). [`alert`] has all of it for protocols, in ASCII. Sizes count in powers of 1024, as quotas are given.

use super::State;
use crate::mail::address::Address;
use crate::store::types::{Account, Language, Level, Subject};

/// Up to this many days are told as days, longer spans as months.
const TOLD_IN_DAYS_MAX: u32 = 60;

/// Days of a month, about.
const MONTH_DAYS: u32 = 30;

/// What other mail servers hear when an account is full; their users may read it in a report.
pub const ACCOUNT_FULL: &str = "The mailbox is full, which its owner knows; try again later";

/// What other mail servers hear when the card is full.
pub const CARD_FULL: &str = "The mail store is full, try again later";

/// What a mailbox is called when speaking to somebody.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Whose<'a> {
    /// The reader's own.
    Yours,
    /// The reader's own, who also owns the box.
    OwnersOwn(&'a Address),
    /// Somebody else's; the reader owns the box.
    Of(&'a Address),
}

impl<'a> Whose<'a> {
    /// What an account's own mailbox is to it.
    pub fn own(account: &'a Account) -> Self {
        if account.owner {
            Self::OwnersOwn(&account.address)
        } else {
            Self::Yours
        }
    }
}

/// What is the matter, as a sentence: `Your mailbox is 83 % full (4.1 of 5 GB).`
pub fn reason(state: &State, whose: Whose<'_>, language: Language) -> String {
    let what = what(state.subject, whose, language);
    let of = share(state, language);
    let percent = state.fill.percent();
    match (state.fill.level, percent, language) {
        (Level::Fault, _, Language::De) => {
            "Heimpost kann nicht auf seine Speicherkarte schreiben.".to_owned()
        }
        (Level::Fault, _, Language::En) => "Heimpost cannot write to its memory card.".to_owned(),
        (Level::Full, _, Language::De) => format!("{what} ist voll ({of})."),
        (Level::Full, _, Language::En) => format!("{what} is full ({of})."),
        (_, Some(percent), Language::De) => format!("{what} ist zu {percent} % voll ({of})."),
        (_, Some(percent), Language::En) => format!("{what} is {percent} % full ({of})."),
        (_, None, Language::De) => format!("{what} enthält {of}."),
        (_, None, Language::En) => format!("{what} holds {of}."),
    }
}

fn what(subject: Subject, whose: Whose<'_>, language: Language) -> String {
    match (subject, whose, language) {
        (Subject::Card, _, Language::De) => "Die Speicherkarte von Heimpost".to_owned(),
        (Subject::Card, _, Language::En) => "The memory card of Heimpost".to_owned(),
        (_, Whose::Yours | Whose::OwnersOwn(_), Language::De) => "Ihr Postfach".to_owned(),
        (_, Whose::Yours | Whose::OwnersOwn(_), Language::En) => "Your mailbox".to_owned(),
        (Subject::Account(_), Whose::Of(address), Language::De) => {
            format!("Das Postfach {address}")
        }
        (Subject::Account(_), Whose::Of(address), Language::En) => format!("The mailbox {address}"),
    }
}

/// `4.1 of 5 GB`
fn share(state: &State, language: Language) -> String {
    let used = state.fill.used;
    let Some(limit) = state.fill.limit else {
        return amount(used, language);
    };
    let of = match language {
        Language::De => "von",
        Language::En => "of",
    };
    let (used, limit) = (amount(used, language), amount(limit, language));
    match (used.split_once(' '), limit.split_once(' ')) {
        (Some((number, unit)), Some((_, same))) if unit == same => format!("{number} {of} {limit}"),
        _ => format!("{used} {of} {limit}"),
    }
}

/// When it will be full: `It will be full in about 18 days.` `None` if that is not foreseen, or has come.
pub fn outlook(state: &State, language: Language) -> Option<String> {
    let days = state.days_left.filter(|_| state.fill.level < Level::Full)?;
    let span = span(days, language);
    Some(match language {
        Language::De => format!("Voraussichtlich ist der Platz in etwa {span} aufgebraucht."),
        Language::En => format!("It will be full in about {span}."),
    })
}

/// A span for a forecast.
fn span(days: u32, language: Language) -> String {
    let months = (days + MONTH_DAYS / 2) / MONTH_DAYS;
    match (days, language) {
        (0 | 1, Language::De) => "einem Tag".to_owned(),
        (0 | 1, Language::En) => "a day".to_owned(),
        (2..=TOLD_IN_DAYS_MAX, Language::De) => format!("{days} Tagen"),
        (2..=TOLD_IN_DAYS_MAX, Language::En) => format!("{days} days"),
        (_, Language::De) => format!("{months} Monaten"),
        (_, Language::En) => format!("{months} months"),
    }
}

/// What that means for mail; `None` if all is well.
pub fn meaning(level: Level, language: Language) -> Option<&'static str> {
    Some(match (level, language) {
        (Level::Ok, _) => return None,
        (Level::Notice, Language::De) => "Mails kommen weiterhin an.",
        (Level::Notice, Language::En) => "Mail still arrives as usual.",
        (Level::Warning, Language::De) => {
            "Noch kommen Mails an. Ist der Platz verbraucht, müssen neue warten."
        }
        (Level::Warning, Language::En) => {
            "Mail still arrives. Once the space is used up, new mail has to wait."
        }
        (Level::Full, Language::De) => {
            "Neue Mails müssen draußen warten. Die Absender versuchen es von selbst mehrere Tage lang wieder; \
             verloren geht nichts, wenn bis dahin Platz ist."
        }
        (Level::Full, Language::En) => {
            "New mail has to wait outside. Its senders try again by themselves for several days; nothing is lost \
             if there is room by then."
        }
        (Level::Fault, Language::De) => {
            "Neue Mails müssen warten; was da ist, lässt sich meist noch lesen."
        }
        (Level::Fault, Language::En) => {
            "New mail has to wait; what is there can usually still be read."
        }
    })
}

/// What to do about it, as sentences; `None` if all is well.
pub fn advice(state: &State, whose: Whose<'_>, language: Language) -> Option<String> {
    let level = state.fill.level;
    if level == Level::Ok {
        return None;
    }
    if level == Level::Fault {
        return Some(fault_advice(language).to_owned());
    }
    let delete = delete(state, language);
    Some(match (state.subject, whose, language) {
        (Subject::Card, _, Language::De) => format!(
            "Halten Sie den Knopf am Gerät 3 Sekunden lang (oder: heimpost room), um Platz zu schaffen. {delete}"
        ),
        (Subject::Card, _, Language::En) => format!(
            "Hold the button of the box for 3 seconds (or run: heimpost room) to make room. {delete}"
        ),
        (Subject::Account(_), Whose::Yours, Language::De) => {
            format!("{delete} Oder bitten Sie den Besitzer des Geräts um ein größeres Postfach.")
        }
        (Subject::Account(_), Whose::Yours, Language::En) => {
            format!("{delete} Or ask the owner of the box for a larger mailbox.")
        }
        (Subject::Account(_), Whose::OwnersOwn(address), Language::De) => {
            format!("{delete} Mehr Platz gibt: heimpost account quota {address} QUOTA")
        }
        (Subject::Account(_), Whose::OwnersOwn(address), Language::En) => {
            format!("{delete} For more space: heimpost account quota {address} QUOTA")
        }
        (Subject::Account(_), Whose::Of(address), Language::De) => format!(
            "Dort sollten Mails gelöscht und der Papierkorb geleert werden{}. Mehr Platz geben Sie dem Postfach mit: \
             heimpost account quota {address} QUOTA",
            at_least(state, language)
        ),
        (Subject::Account(_), Whose::Of(address), Language::En) => format!(
            "Mail should be deleted there and the Trash emptied{}. To give it more space: heimpost account quota \
             {address} QUOTA",
            at_least(state, language)
        ),
    })
}

fn fault_advice(language: Language) -> &'static str {
    match language {
        Language::De => {
            "Der Besitzer des Geräts sollte nachsehen (heimpost status): Vielleicht ist die Karte defekt."
        }
        Language::En => {
            "The owner of the box should have a look (heimpost status): the card may be broken."
        }
    }
}

fn delete(state: &State, language: Language) -> String {
    match (state.fill.bytes_to_free(), language) {
        (0, Language::De) => {
            "Löschen Sie Mails, die Sie nicht mehr brauchen, und leeren Sie den Papierkorb."
                .to_owned()
        }
        (0, Language::En) => "Delete mail that you no longer need and empty the Trash.".to_owned(),
        (bytes, Language::De) => format!(
            "Löschen Sie Mails (mindestens {}) und leeren Sie den Papierkorb.",
            amount_at_least(bytes, language)
        ),
        (bytes, Language::En) => format!(
            "Delete at least {} of mail and empty the Trash.",
            amount_at_least(bytes, language)
        ),
    }
}

fn at_least(state: &State, language: Language) -> String {
    match (state.fill.bytes_to_free(), language) {
        (0, _) => String::new(),
        (bytes, Language::De) => format!(" (mindestens {})", amount_at_least(bytes, language)),
        (bytes, Language::En) => format!(" (at least {})", amount_at_least(bytes, language)),
    }
}

/// One line for protocols (ALERT, POP3 greeting, refusals), ASCII only, at most about 400 bytes: what is the matter,
/// what it means and what to do. `None` if all is well. For `account`, which may want another language than its mail.
pub fn alert(state: &State, account: &Account, language: Language) -> Option<String> {
    let whose = Whose::own(account);
    let advice = advice(state, whose, language)?;
    let mut sentences = vec![reason(state, whose, language)];
    sentences.extend(outlook(state, language));
    if state.fill.level >= Level::Full {
        sentences.extend(meaning(state.fill.level, language).map(str::to_owned));
    }
    sentences.push(advice);
    Some(ascii(&sentences.join(" ")))
}

/// German as ASCII has it; anything else that is not ASCII becomes a question mark.
pub fn ascii(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            'ä' => out.push_str("ae"),
            'ö' => out.push_str("oe"),
            'ü' => out.push_str("ue"),
            'Ä' => out.push_str("Ae"),
            'Ö' => out.push_str("Oe"),
            'Ü' => out.push_str("Ue"),
            'ß' => out.push_str("ss"),
            c if c == ' ' || c.is_ascii_graphic() => out.push(c),
            _ => out.push('?'),
        }
    }
    out
}

const UNITS: [&str; 5] = ["Bytes", "kB", "MB", "GB", "TB"];

/// A size for people, rounded down: `4.1 GB`, in German `4,1 GB`.
pub fn amount(bytes: u64, language: Language) -> String {
    sized(bytes, Rounding::Down, language)
}

/// As [`amount`], rounded up: whoever deletes that much has deleted enough.
pub fn amount_at_least(bytes: u64, language: Language) -> String {
    sized(bytes, Rounding::Up, language)
}

#[derive(Clone, Copy)]
enum Rounding {
    Down,
    Up,
}

fn sized(bytes: u64, rounding: Rounding, language: Language) -> String {
    let (mut scale, mut unit) = (1_u64, 0);
    while unit + 1 < UNITS.len() && bytes / scale >= 1024 {
        scale *= 1024;
        unit += 1;
    }
    let name = UNITS.get(unit).copied().unwrap_or("Bytes");
    let scaled = |steps: u128| {
        let steps_of = u128::from(bytes) * steps;
        match rounding {
            Rounding::Down => steps_of / u128::from(scale),
            Rounding::Up => steps_of.div_ceil(u128::from(scale)),
        }
    };
    let tenths = scaled(10);
    let point = match language {
        Language::De => ',',
        Language::En => '.',
    };
    if tenths >= 100 || tenths % 10 == 0 || unit == 0 {
        return format!("{} {name}", scaled(1));
    }
    format!("{}{point}{} {name}", tenths / 10, tenths % 10)
}

#[cfg(test)]
mod tests;
