//! Events as sentences in the visitor's language, and what is known of them besides.

use crate::store::events::{Event, Facts, Kind};
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

fn sentence(event: &Event, lang: Lang) -> String {
    let facts = &event.facts;
    let (from, to) = (sender(facts, lang), recipients(facts, lang));
    let (count, text) = (lang.number(facts.count), facts.text.as_str());
    let bytes = lang.amount(facts.bytes.unwrap_or_default());
    let is_german = lang.code() == "de";
    match (event.kind, is_german) {
        (Kind::Received, true) => format!("{to} bekam eine Mail von {from}."),
        (Kind::Received, false) => format!("{to} got a mail from {from}."),
        (Kind::Submitted, true) => format!("{from} hat an {to} geschrieben."),
        (Kind::Submitted, false) => format!("{from} wrote to {to}."),
        (Kind::Refused, true) => format!("Eine Mail von {from} an {to} wurde abgewiesen: {text}"),
        (Kind::Refused, false) => format!("A mail from {from} to {to} was refused: {text}"),
        (Kind::Deferred, true) => {
            format!("Eine Mail von {from} an {to} muss später wiederkommen: {text}")
        }
        (Kind::Deferred, false) => {
            format!("A mail from {from} to {to} has to come again later: {text}")
        }
        (Kind::Sent, true) => format!(
            "Die Mail von {from} an {to} ist zugestellt{}.",
            host(facts, " an ")
        ),
        (Kind::Sent, false) => format!(
            "The mail from {from} to {to} was delivered{}.",
            host(facts, " to ")
        ),
        (Kind::PutOff, true) => {
            format!("Die Mail von {from} an {to} wird später noch einmal versucht: {text}")
        }
        (Kind::PutOff, false) => {
            format!("The mail from {from} to {to} is tried again later: {text}")
        }
        (Kind::TurnedAway, true) => {
            format!("Die Mail von {from} an {to} wurde dort nicht angenommen: {text}")
        }
        (Kind::TurnedAway, false) => {
            format!("The mail from {from} to {to} was not taken there: {text}")
        }
        (Kind::SmarthostLogin, true) => format!("Der Postausgang lehnt die Anmeldung ab: {text}"),
        (Kind::SmarthostLogin, false) => format!("The smarthost refuses the login: {text}"),
        (Kind::NoRoom, true) => {
            format!("Für {from} war kein Platz mehr, um etwas abzulegen ({text}).")
        }
        (Kind::NoRoom, false) => {
            format!("There was no room for {from} to file something ({text}).")
        }
        (Kind::LoginFailed, true) => format!(
            "Jemand an {} kam als {} nicht hinein: {}.",
            facts.peer,
            unknown(&facts.from, lang),
            why(text, lang)
        ),
        (Kind::LoginFailed, false) => format!(
            "Somebody at {} did not get in as {}: {}.",
            facts.peer,
            unknown(&facts.from, lang),
            why(text, lang)
        ),
        (Kind::Level, _) => level(facts, lang),
        (Kind::HouseWrote, true) => format!("Die Box hat an {to} geschrieben."),
        (Kind::HouseWrote, false) => format!("The box wrote to {to}."),
        (Kind::RoomMade, true) => {
            format!("Platz gemacht: {count} Mails von {from} beiseitegelegt ({bytes}).")
        }
        (Kind::RoomMade, false) => {
            format!("Room was made: {count} mails of {from} set aside ({bytes}).")
        }
        (Kind::RoomReleased, true) => {
            format!("{count} beiseitegelegte Mails sind endgültig gelöscht ({bytes}).")
        }
        (Kind::RoomReleased, false) => {
            format!("{count} mails that had been set aside are gone for good ({bytes}).")
        }
        (Kind::RoomUndone, true) => {
            format!("{count} beiseitegelegte Mails sind wieder bei {from} ({bytes}).")
        }
        (Kind::RoomUndone, false) => {
            format!("{count} mails that had been set aside are back with {from} ({bytes}).")
        }
        (Kind::Button, true) => "Jemand hat die Taste gedrückt.".to_owned(),
        (Kind::Button, false) => "Somebody pressed the button.".to_owned(),
        (Kind::SentNotKept, true) => {
            format!("Eine Mail von {from} ging ohne Kopie in Gesendet hinaus: {text}")
        }
        (Kind::SentNotKept, false) => {
            format!("A mail of {from} went out without a copy in Sent: {text}")
        }
        (Kind::SendingTrouble, true) => format!("Mit dem Versand stimmt etwas nicht: {text}"),
        (Kind::SendingTrouble, false) => format!("Something is wrong with sending: {text}"),
        (Kind::PanelTrouble, true) => format!("LED oder Taste gehen nicht: {text}"),
        (Kind::PanelTrouble, false) => format!("LED or button do not work: {text}"),
        (Kind::DeviceAdded, true) => format!("Neues Gerät von {from}: {text}"),
        (Kind::DeviceAdded, false) => format!("A new device of {from}: {text}"),
        (Kind::DeviceRevoked, true) => {
            format!("Ein Gerät von {from} hat keinen Zugang mehr: {text}")
        }
        (Kind::DeviceRevoked, false) => {
            format!("A device of {from} has no access any more: {text}")
        }
        (Kind::Backup, true) if facts.code == "ok" => format!("Sicherung gemacht, {bytes}: {to}"),
        (Kind::Backup, false) if facts.code == "ok" => format!("A backup was made, {bytes}: {to}"),
        (Kind::Backup, true) => format!("Die Sicherung ist misslungen: {text}"),
        (Kind::Backup, false) => format!("The backup failed: {text}"),
        (Kind::Started, true) => "Die Box ist gestartet.".to_owned(),
        (Kind::Started, false) => "The box started.".to_owned(),
        (Kind::Lost, true) => {
            format!("{count} Einträge fehlen hier: Es geschah zu viel auf einmal.")
        }
        (Kind::Lost, false) => {
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

fn unknown<'a>(name: &'a str, lang: Lang) -> &'a str {
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
