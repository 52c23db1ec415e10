//! The mails about the storage state: when one is due, who gets it, and what it says. Pure.
//!
//! People are written to once per crossing: on the way up at notice, warning and full, on the way down when mail flows
//! again and when all is fine. A level that was skipped is not told. A card that cannot be written cannot take a mail
//! about it either; LED, page and log tell of that.

use jiff::Timestamp;
use jiff::tz::TimeZone;

use super::State;
use super::words::{self, Whose};
use crate::clock::Wall;
use crate::store::types::{Account, Language, Level, Subject, Waiting};

/// Most waiting senders that a mail lists.
pub const WAITING_LISTED_MAX: usize = 20;

/// What a mail is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Occasion {
    /// This level was reached from below: notice, warning or full.
    Reached(Level),
    /// It was full, and takes mail again.
    Flowing,
    /// There is room enough again.
    Fine,
}

/// What is due when a level has changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Due {
    /// Mails.
    Mails(Occasion),
    /// Only a note of it, so that the way up is told again.
    Note,
}

/// What is due when people were last told `told` and the level is `now`.
pub fn due(told: Level, now: Level) -> Option<Due> {
    if now == told || now == Level::Fault {
        return None;
    }
    Some(match (told, now) {
        (_, Level::Ok) => Due::Mails(Occasion::Fine),
        (told, now) if now > told => Due::Mails(Occasion::Reached(now)),
        (Level::Full | Level::Fault, _) => Due::Mails(Occasion::Flowing),
        _ => Due::Note,
    })
}

/// Who is written to about `subject`, and what it is to them: the account itself and the owners, each once; about the
/// card the owners only.
pub fn readers(subject: Subject, accounts: &[Account]) -> Vec<(&Account, Whose<'_>)> {
    let about = match subject {
        Subject::Card => None,
        Subject::Account(id) => accounts.iter().find(|account| account.id == id),
    };
    if about.is_none() && subject != Subject::Card {
        return Vec::new();
    }
    let is_about = |account: &Account| about.is_some_and(|about| about.id == account.id);
    let readers = accounts
        .iter()
        .filter(|account| account.owner || is_about(account));
    readers
        .map(|account| match about {
            Some(about) if about.id != account.id => (account, Whose::Of(&about.address)),
            _ => (account, Whose::own(account)),
        })
        .collect()
}

/// A mail, not addressed yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Letter {
    /// Its subject.
    pub subject: String,
    /// Plain text, lines end with LF.
    pub text: String,
}

/// Who reads it.
#[derive(Clone, Debug)]
pub struct Reader<'a> {
    /// In which language.
    pub language: Language,
    /// What the mailbox is to them.
    pub whose: Whose<'a>,
    /// For dates.
    pub time_zone: &'a TimeZone,
}

/// Writes the mail. `waiting` is whose mail waits outside.
pub fn write(
    occasion: Occasion,
    state: &State,
    reader: &Reader<'_>,
    waiting: &[Waiting],
) -> Letter {
    let language = reader.language;
    let mut paragraphs = vec![
        greeting(language).to_owned(),
        opening(occasion, state, reader),
    ];
    if let Occasion::Reached(level) = occasion {
        paragraphs.extend(words::meaning(level, language).map(str::to_owned));
        paragraphs.extend(words::advice(state, reader.whose, language));
    }
    let lists = !matches!(occasion, Occasion::Reached(Level::Notice | Level::Warning));
    if lists && !waiting.is_empty() {
        paragraphs.push(waiting_list(waiting, reader));
    }
    paragraphs.push(closing(language).to_owned());
    Letter {
        subject: subject(occasion, state, reader),
        text: paragraphs.join("\n\n") + "\n",
    }
}

fn greeting(language: Language) -> &'static str {
    match language {
        Language::De => "Guten Tag,",
        Language::En => "Hello,",
    }
}

fn closing(language: Language) -> &'static str {
    match language {
        Language::De => {
            "Ihr Heimpost\n\nDiese Mail hat das Gerät selbst geschrieben. Eine Antwort erreicht seinen Besitzer."
        }
        Language::En => {
            "Your Heimpost\n\nThe box wrote this mail by itself. A reply reaches its owner."
        }
    }
}

fn opening(occasion: Occasion, state: &State, reader: &Reader<'_>) -> String {
    let language = reader.language;
    let mut sentences = Vec::new();
    match (occasion, language) {
        (Occasion::Reached(_), _) => {}
        (Occasion::Flowing, Language::De) => sentences.push(
            "Neue Mails kommen wieder an, und was draußen gewartet hat, folgt von selbst."
                .to_owned(),
        ),
        (Occasion::Flowing, Language::En) => sentences.push(
            "New mail arrives again, and what was waiting outside follows by itself.".to_owned(),
        ),
        (Occasion::Fine, Language::De) => sentences.push("Es ist wieder genug Platz.".to_owned()),
        (Occasion::Fine, Language::En) => sentences.push("There is enough room again.".to_owned()),
    }
    sentences.push(words::reason(state, reader.whose, language));
    if occasion != Occasion::Fine {
        sentences.extend(words::outlook(state, language));
    }
    sentences.join(" ")
}

fn subject(occasion: Occasion, state: &State, reader: &Reader<'_>) -> String {
    let what = name(state.subject, reader);
    let percent = state.fill.percent().unwrap_or_default();
    match (occasion, reader.language) {
        (Occasion::Reached(Level::Full), Language::De) => {
            format!("{what} ist voll: neue Mails müssen warten")
        }
        (Occasion::Reached(Level::Full), Language::En) => {
            format!("{what} is full: new mail has to wait")
        }
        (Occasion::Reached(Level::Warning), Language::De) => {
            format!("{what} ist fast voll ({percent} %)")
        }
        (Occasion::Reached(Level::Warning), Language::En) => {
            format!("{what} is almost full ({percent} %)")
        }
        (Occasion::Reached(_), Language::De) => format!("{what} ist zu {percent} % voll"),
        (Occasion::Reached(_), Language::En) => format!("{what} is {percent} % full"),
        (Occasion::Flowing, Language::De) => format!("{what} nimmt wieder Mails an"),
        (Occasion::Flowing, Language::En) => format!("{what} takes mail again"),
        (Occasion::Fine, Language::De) => format!("{what} hat wieder genug Platz"),
        (Occasion::Fine, Language::En) => format!("{what} has enough room again"),
    }
}

fn name(subject: Subject, reader: &Reader<'_>) -> String {
    match (subject, reader.whose, reader.language) {
        (Subject::Card, _, Language::De) => "Die Speicherkarte".to_owned(),
        (Subject::Card, _, Language::En) => "The memory card".to_owned(),
        (_, Whose::Yours | Whose::OwnersOwn(_), Language::De) => "Ihr Postfach".to_owned(),
        (_, Whose::Yours | Whose::OwnersOwn(_), Language::En) => "Your mailbox".to_owned(),
        (_, Whose::Of(address), Language::De) => format!("Das Postfach {address}"),
        (_, Whose::Of(address), Language::En) => format!("The mailbox {address}"),
    }
}

fn waiting_list(waiting: &[Waiting], reader: &Reader<'_>) -> String {
    let mut lines = vec![
        match reader.language {
            Language::De => "Draußen wartet Mail von:",
            Language::En => "Mail is waiting outside from:",
        }
        .to_owned(),
    ];
    let listed = waiting.iter().take(WAITING_LISTED_MAX);
    lines.extend(listed.map(|waiting| format!("- {}", sender(waiting, reader))));
    let more = waiting.len().saturating_sub(WAITING_LISTED_MAX);
    match (more, reader.language) {
        (0, _) => {}
        (more, Language::De) => lines.push(format!("- und {more} weiteren")),
        (more, Language::En) => lines.push(format!("- and {more} more")),
    }
    lines.join("\n")
}

/// `bob@example.org, since 22 Nov 2026 13:00, 4.1 MB`
fn sender(waiting: &Waiting, reader: &Reader<'_>) -> String {
    let language = reader.language;
    let (nobody, since) = match language {
        Language::De => ("einem Mailserver (Zustellbericht)", "seit"),
        Language::En => ("a mail server (delivery report)", "since"),
    };
    let from = match &waiting.from {
        Some(address) => address.to_string(),
        None => nobody.to_owned(),
    };
    let mut line = format!("{from}, {since} {}", date(waiting.first, reader));
    if let Some(bytes) = waiting.bytes {
        line.push_str(", ");
        line.push_str(&words::amount_at_least(bytes, language));
    }
    line
}

fn date(wall: Wall, reader: &Reader<'_>) -> String {
    let format = match reader.language {
        Language::De => "%d.%m.%Y %H:%M",
        Language::En => "%-d %b %Y %H:%M",
    };
    let stamp = Timestamp::from_second(wall.0).unwrap_or(Timestamp::UNIX_EPOCH);
    let zoned = stamp.to_zoned(reader.time_zone.clone());
    zoned.strftime(format).to_string()
}

#[cfg(test)]
mod tests;
