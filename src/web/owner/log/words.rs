//! Events as sentences in the visitor's language, and what is known of them besides.

use crate::store::events::{Event, Facts, Kind};
use crate::store::types::Language;
use crate::web::parts::Tone;
use crate::web::words::Lang;

/// An event as it is told.
pub(super) struct Told {
    /// A word that stands out.
    pub(super) mark: Option<(Tone, &'static str)>,
    /// What happened.
    pub(super) sentence: String,
}

/// Tells an event.
pub(super) fn tell(event: &Event, lang: Lang) -> Told {
    Told {
        mark: mark(event, lang),
        sentence: sentence(event, lang),
    }
}

fn mark(event: &Event, lang: Lang) -> Option<(Tone, &'static str)> {
    Some(match event.kind {
        Kind::Refused | Kind::TurnedAway => (Tone::Bad, lang.t("abgewiesen", "refused")),
        Kind::Deferred | Kind::PutOff => (Tone::Warn, lang.t("vertagt", "put off")),
        Kind::LoginFailed => (Tone::Warn, lang.t("Anmeldung", "login")),
        Kind::NoRoom => (Tone::Warn, lang.t("kein Platz", "no room")),
        Kind::SmarthostLogin | Kind::SendingTrouble | Kind::PanelTrouble => {
            (Tone::Bad, lang.t("Störung", "trouble"))
        }
        Kind::Backup if event.facts.code != "ok" => (Tone::Bad, lang.t("Sicherung", "backup")),
        Kind::Level if matches!(event.facts.code.as_str(), "full" | "fault") => {
            (Tone::Bad, lang.t("Speicher", "storage"))
        }
        Kind::Level if event.facts.code != "ok" => (Tone::Warn, lang.t("Speicher", "storage")),
        Kind::SentNotKept | Kind::Lost => (Tone::Warn, lang.t("Achtung", "note")),
        Kind::Received
        | Kind::Submitted
        | Kind::Sent
        | Kind::Level
        | Kind::HouseWrote
        | Kind::RoomMade
        | Kind::RoomReleased
        | Kind::RoomUndone
        | Kind::Button
        | Kind::DeviceAdded
        | Kind::DeviceRevoked
        | Kind::Backup
        | Kind::Started => return None,
    })
}

/// What sentences are made of.
struct Said<'a> {
    facts: &'a Facts,
    lang: Lang,
    from: String,
    to: String,
    count: String,
    bytes: String,
}

fn sentence(event: &Event, lang: Lang) -> String {
    let facts = &event.facts;
    let said = Said {
        facts,
        lang,
        from: sender(facts, lang),
        to: recipients(facts, lang),
        count: lang.number(facts.count),
        bytes: lang.amount(facts.bytes.unwrap_or_default()),
    };
    match lang.0 {
        Language::De => german(event.kind, &said),
        Language::En => english(event.kind, &said),
    }
}

/// In German.
fn german(kind: Kind, said: &Said<'_>) -> String {
    let Said {
        facts,
        lang,
        from,
        to,
        count,
        bytes,
    } = said;
    let (lang, text) = (*lang, facts.text.as_str());
    match kind {
        Kind::Received => format!("{to} bekam eine Mail von {from}."),
        Kind::Submitted => format!("{from} hat an {to} geschrieben."),
        Kind::Refused => format!("Eine Mail von {from} an {to} wurde abgewiesen: {text}"),
        Kind::Deferred => {
            format!("Eine Mail von {from} an {to} muss später wiederkommen: {text}")
        }
        Kind::Sent => format!(
            "Die Mail von {from} an {to} ist zugestellt{}.",
            host(facts, " an ")
        ),
        Kind::PutOff => {
            format!("Die Mail von {from} an {to} wird später noch einmal versucht: {text}")
        }
        Kind::TurnedAway => {
            format!("Die Mail von {from} an {to} wurde dort nicht angenommen: {text}")
        }
        Kind::SmarthostLogin => format!("Der Postausgang lehnt die Anmeldung ab: {text}"),
        Kind::NoRoom => {
            format!("Für {from} war kein Platz mehr, um etwas abzulegen ({text}).")
        }
        Kind::LoginFailed => format!(
            "Jemand an {} kam als {} nicht hinein: {}.",
            facts.peer,
            unknown(&facts.from, lang),
            why(text, lang)
        ),
        Kind::Level => level(facts, lang),
        Kind::HouseWrote => format!("Die Box hat an {to} geschrieben."),
        Kind::RoomMade => {
            format!("Platz gemacht: {count} Mails von {from} beiseitegelegt ({bytes}).")
        }
        Kind::RoomReleased => {
            format!("{count} beiseitegelegte Mails sind endgültig gelöscht ({bytes}).")
        }
        Kind::RoomUndone => {
            format!("{count} beiseitegelegte Mails sind wieder bei {from} ({bytes}).")
        }
        Kind::Button => "Jemand hat die Taste gedrückt.".to_owned(),
        Kind::SentNotKept => {
            format!("Eine Mail von {from} ging ohne Kopie in Gesendet hinaus: {text}")
        }
        Kind::SendingTrouble => format!("Mit dem Versand stimmt etwas nicht: {text}"),
        Kind::PanelTrouble => format!("LED oder Taste gehen nicht: {text}"),
        Kind::DeviceAdded => format!("Neues Gerät von {from}: {text}"),
        Kind::DeviceRevoked => {
            format!("Ein Gerät von {from} hat keinen Zugang mehr: {text}")
        }
        Kind::Backup if facts.code == "ok" => format!("Sicherung gemacht, {bytes}: {to}"),
        Kind::Backup => format!("Die Sicherung ist misslungen: {text}"),
        Kind::Started => "Die Box ist gestartet.".to_owned(),
        Kind::Lost => {
            format!("{count} Einträge fehlen hier: Es geschah zu viel auf einmal.")
        }
    }
}

/// In English.
fn english(kind: Kind, said: &Said<'_>) -> String {
    let Said {
        facts,
        lang,
        from,
        to,
        count,
        bytes,
    } = said;
    let (lang, text) = (*lang, facts.text.as_str());
    match kind {
        Kind::Received => format!("{to} got a mail from {from}."),
        Kind::Submitted => format!("{from} wrote to {to}."),
        Kind::Refused => format!("A mail from {from} to {to} was refused: {text}"),
        Kind::Deferred => {
            format!("A mail from {from} to {to} has to come again later: {text}")
        }
        Kind::Sent => format!(
            "The mail from {from} to {to} was delivered{}.",
            host(facts, " to ")
        ),
        Kind::PutOff => {
            format!("The mail from {from} to {to} is tried again later: {text}")
        }
        Kind::TurnedAway => {
            format!("The mail from {from} to {to} was not taken there: {text}")
        }
        Kind::SmarthostLogin => format!("The smarthost refuses the login: {text}"),
        Kind::NoRoom => {
            format!("There was no room for {from} to file something ({text}).")
        }
        Kind::LoginFailed => format!(
            "Somebody at {} did not get in as {}: {}.",
            facts.peer,
            unknown(&facts.from, lang),
            why(text, lang)
        ),
        Kind::Level => level(facts, lang),
        Kind::HouseWrote => format!("The box wrote to {to}."),
        Kind::RoomMade => {
            format!("Room was made: {count} mails of {from} set aside ({bytes}).")
        }
        Kind::RoomReleased => {
            format!("{count} mails that had been set aside are gone for good ({bytes}).")
        }
        Kind::RoomUndone => {
            format!("{count} mails that had been set aside are back with {from} ({bytes}).")
        }
        Kind::Button => "Somebody pressed the button.".to_owned(),
        Kind::SentNotKept => {
            format!("A mail of {from} went out without a copy in Sent: {text}")
        }
        Kind::SendingTrouble => format!("Something is wrong with sending: {text}"),
        Kind::PanelTrouble => format!("LED or button do not work: {text}"),
        Kind::DeviceAdded => format!("A new device of {from}: {text}"),
        Kind::DeviceRevoked => {
            format!("A device of {from} has no access any more: {text}")
        }
        Kind::Backup if facts.code == "ok" => format!("A backup was made, {bytes}: {to}"),
        Kind::Backup => format!("The backup failed: {text}"),
        Kind::Started => "The box started.".to_owned(),
        Kind::Lost => {
            format!("{count} entries are missing here: too much happened at once.")
        }
    }
}

fn level(facts: &Facts, lang: Lang) -> String {
    let whose = match (facts.from.as_str(), lang.code()) {
        ("", "de") => "Die Speicherkarte".to_owned(),
        ("", _) => "The card".to_owned(),
        (account, "de") => format!("Das Postfach {account}"),
        (account, _) => format!("The mailbox {account}"),
    };
    let state = match facts.code.as_str() {
        "notice" => lang.t("wird voll", "is filling up"),
        "warning" => lang.t("ist fast voll", "is almost full"),
        "full" => lang.t(
            "ist voll: Neue Post wartet draußen",
            "is full: new mail waits outside",
        ),
        "fault" => lang.t("lässt sich nicht beschreiben", "cannot be written"),
        _ => lang.t("hat wieder genug Platz", "has enough room again"),
    };
    let used = lang.amount(facts.bytes.unwrap_or_default());
    format!("{whose} {state} ({used}).")
}

fn sender(facts: &Facts, lang: Lang) -> String {
    match facts.from.as_str() {
        "" => lang
            .t("einem Mailserver (Bericht)", "a mail server (report)")
            .to_owned(),
        from => from.to_owned(),
    }
}

fn unknown(name: &str, lang: Lang) -> &str {
    match name {
        "" | "?" => lang.t(
            "jemand ohne gültige Adresse",
            "somebody without a valid address",
        ),
        name => name,
    }
}

fn why(text: &str, lang: Lang) -> &str {
    match text {
        "wrong name or password" => lang.t("Name oder Passwort falsch", text),
        "too many failures" => lang.t("zu viele Versuche", text),
        "not checked" => lang.t("gerade nicht zu prüfen", text),
        other => other,
    }
}

/// The first recipient, and how many there are besides.
fn recipients(facts: &Facts, lang: Lang) -> String {
    let Some(first) = facts.to.first() else {
        return lang.t("niemanden", "nobody").to_owned();
    };
    let more = facts.to.len() as u64 - 1 + u64::from(facts.more);
    match more {
        0 => first.clone(),
        more => format!(
            "{first} {} {more} {}",
            lang.t("und", "and"),
            lang.t("weitere", "more")
        ),
    }
}

fn host(facts: &Facts, word: &str) -> String {
    match facts.peer.as_str() {
        "" => String::new(),
        host => format!("{word}{host}"),
    }
}

/// What else is known, with its name.
pub(super) fn details(event: &Event, lang: Lang) -> Vec<(&'static str, String)> {
    let facts = &event.facts;
    let mut to = facts.to.join(", ");
    if facts.more > 0 {
        to = format!(
            "{to} {} {} {}",
            lang.t("und", "and"),
            facts.more,
            lang.t("weitere", "more")
        );
    }
    let bytes = facts.bytes.filter(|_| event.kind != Kind::Level);
    let code = facts.code.clone();
    let all = [
        (lang.t("Von", "From"), facts.from.clone()),
        (lang.t("An", "To"), to),
        (lang.t("Gegenstelle", "Other side"), facts.peer.clone()),
        (
            lang.t("Größe", "Size"),
            bytes.map(|bytes| lang.amount(bytes)).unwrap_or_default(),
        ),
        (lang.t("Code", "Code"), code),
        (lang.t("Wortlaut", "Words"), facts.text.clone()),
        (lang.t("Kennung", "Identifier"), facts.mail.clone()),
    ];
    all.into_iter()
        .filter(|(_, value)| !value.is_empty())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::types::Language;

    fn event(kind: Kind) -> Event {
        Event {
            id: 1,
            at: None,
            kind,
            times: 1,
            facts: Facts {
                from: "x@far.example".to_owned(),
                to: vec!["anna@home.test".to_owned(), "ben@home.test".to_owned()],
                more: 1,
                text: "No such mailbox".to_owned(),
                ..Facts::default()
            },
        }
    }

    #[test]
    fn every_event_is_a_sentence_in_both_languages() {
        for kind in Kind::ALL {
            let tell = |language| tell(&event(kind), Lang(language)).sentence;
            let (de, en) = (tell(Language::De), tell(Language::En));
            assert!(de != en && de.len() > 10 && en.len() > 10, "{de} {en}");
        }
        let said = tell(&event(Kind::Refused), Lang(Language::En)).sentence;
        let expected =
            "A mail from x@far.example to anna@home.test and 2 more was refused: No such mailbox";
        assert_eq!(said, expected);
    }

    #[test]
    fn a_report_has_no_sender() {
        let mut event = event(Kind::Received);
        event.facts.from.clear();
        event.facts.to.truncate(1);
        event.facts.more = 0;
        let said = tell(&event, Lang(Language::De)).sentence;
        assert_eq!(
            said,
            "anna@home.test bekam eine Mail von einem Mailserver (Bericht)."
        );
    }
}
