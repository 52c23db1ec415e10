//! Why a mail still waits, as people understand it. Pure.
//!
//! Judged by the status code of the last attempt (RFC 3463) rather than by its words, which each host chooses; those are
//! shown beside it as they are.

use crate::queue::desk::Turn;
use crate::queue::worker::PORT_BLOCKED;
use crate::store::spool::LastTry;
use crate::web::words::Lang;

/// Why it waits for a recipient, in one sentence.
pub(super) fn why(turn: Turn, way: &str, last: Option<&LastTry>, lang: Lang) -> String {
    if turn == Turn::Held {
        let text = lang.t(
            "Sie haben die Mail angehalten.",
            "You are holding the mail back.",
        );
        return text.to_owned();
    }
    let Some(last) = last else {
        let text = lang.t(
            "Sie ist neu und noch nicht versucht worden.",
            "It is new and was not tried yet.",
        );
        return text.to_owned();
    };
    match &last.host {
        Some(host) => said_by(host, last, lang),
        None => unreached(way, last, lang),
    }
}

/// No host was reached.
fn unreached(way: &str, last: &LastTry, lang: Lang) -> String {
    if last.reply.starts_with(PORT_BLOCKED) {
        let text = lang.t(
            "Kein Server antwortet auf Port 25; vermutlich sperrt Ihr Internetanbieter ihn.",
            "No server answers on port 25; your internet provider probably blocks it.",
        );
        return text.to_owned();
    }
    let (de, en) = match status(&last.status) {
        (4, 3) => (
            "Der Name {} lässt sich gerade nicht nachschlagen.",
            "The name {} cannot be looked up right now.",
        ),
        (7, 8) => (
            "Der Smarthost {} lehnt die Anmeldung ab.",
            "The smarthost {} refuses the login.",
        ),
        (3, 5) => (
            "Der Smarthost {} steht nicht mehr in den Einstellungen.",
            "The smarthost {} is not in the settings any more.",
        ),
        (4, 1) => ("{} ist nicht zu erreichen.", "{} cannot be reached."),
        (7, 4 | 5 | 10) => (
            "Mit {} kam keine sichere Verbindung zustande.",
            "There was no secure connection with {}.",
        ),
        _ => (
            "Beim Senden an {} ging etwas schief.",
            "Something went wrong while sending to {}.",
        ),
    };
    lang.t(de, en).replacen("{}", way, 1)
}

/// A host answered, or broke off.
fn said_by(host: &str, last: &LastTry, lang: Lang) -> String {
    let words = last.reply.to_lowercase();
    let is_greylisting = words.contains("greylist") || words.contains("graylist");
    let (de, en) = match status(&last.status) {
        _ if is_greylisting => (
            "{} bittet um etwas Geduld, wie es bei neuen Absendern üblich ist (Greylisting).",
            "{} asks for some patience, as is usual with new senders (greylisting).",
        ),
        (7, 8) => (
            "{} lehnt die Anmeldung ab. Prüfen Sie Benutzer und Passwort.",
            "{} refuses the login. Check user and password.",
        ),
        (2, 2) => (
            "Das Postfach des Empfängers bei {} ist voll.",
            "The recipient's mailbox at {} is full.",
        ),
        (3, 1) => ("Der Server {} ist voll.", "The server {} is full."),
        (7, 4 | 5 | 10) => (
            "Mit {} kam keine sichere Verbindung zustande.",
            "There was no secure connection with {}.",
        ),
        (4, _) => (
            "Die Verbindung mit {} ist abgebrochen.",
            "The connection with {} broke.",
        ),
        (7, _) => (
            "{} will die Mail aus Vorsicht noch nicht annehmen.",
            "{} does not take the mail yet, as a precaution.",
        ),
        _ => (
            "{} nimmt die Mail gerade nicht an.",
            "{} does not take the mail right now.",
        ),
    };
    lang.t(de, en).replacen("{}", host, 1)
}

/// Subject and detail of an enhanced status code.
fn status(text: &str) -> (u16, u16) {
    let mut parts = text
        .split('.')
        .skip(1)
        .map(|part| part.parse().unwrap_or(0));
    (parts.next().unwrap_or(0), parts.next().unwrap_or(0))
}

/// When a recipient's turn is, in words.
pub(super) fn when(turn: Turn, lang: Lang) -> String {
    match turn {
        Turn::In(wait) if wait.is_zero() => lang.t("gleich", "in a moment").to_owned(),
        Turn::In(wait) => format!("in {}", lang.span(wait)),
        Turn::Now => lang.t("gerade jetzt", "right now").to_owned(),
        Turn::Held => lang.t("angehalten", "held").to_owned(),
        Turn::Over => lang.t("erledigt", "done").to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::store::types::Language;

    fn check(host: Option<&str>, status: &str, reply: &str, expected: &str) {
        let last = LastTry {
            at: None,
            host: host.map(str::to_owned),
            status: status.to_owned(),
            reply: reply.to_owned(),
        };
        let turn = Turn::In(Duration::from_mins(1));
        let told = why(turn, "far.test", Some(&last), Lang(Language::En));
        assert_eq!(told, expected, "{status} {reply}");
    }

    #[test]
    fn reasons() {
        let mx = Some("mx.test");
        let blocked = format!("{PORT_BLOCKED}; many do");
        check(
            None,
            "4.4.1",
            &blocked,
            "No server answers on port 25; your internet provider probably blocks it.",
        );
        check(None, "4.4.1", "refused", "far.test cannot be reached.");
        check(
            None,
            "4.4.3",
            "servfail",
            "The name far.test cannot be looked up right now.",
        );
        check(
            mx,
            "4.2.0",
            "450 4.2.0 Greylisted, come back",
            "mx.test asks for some patience, as is usual with new senders (greylisting).",
        );
        check(
            mx,
            "4.2.2",
            "452",
            "The recipient's mailbox at mx.test is full.",
        );
        check(
            mx,
            "4.4.2",
            "the connection was cut",
            "The connection with mx.test broke.",
        );
        check(
            mx,
            "4.0.0",
            "421 busy",
            "mx.test does not take the mail right now.",
        );
        check(
            mx,
            "nonsense",
            "",
            "mx.test does not take the mail right now.",
        );
        check(
            mx,
            "4.7.8",
            "535",
            "mx.test refuses the login. Check user and password.",
        );
        let held = why(Turn::Held, "x", None, Lang(Language::De));
        assert_eq!(held, "Sie haben die Mail angehalten.");
    }
}
