//! The part for the person, German and English: what happened to whom, why, what the other server said, what to do.

use super::{Dsn, Recipient, one_line};
use crate::mail::report::{Class, Event, Status};
use crate::store::types::Language;

/// Most characters of the original's subject that are shown.
const SUBJECT_CHARS_MAX: usize = 120;

/// Subject of the report; the worst decides.
pub(super) fn subject(dsn: &Dsn<'_>) -> &'static str {
    let worst = dsn.recipients.iter().map(|one| one.event).min();
    match (worst.unwrap_or(Event::Failed), dsn.language) {
        (Event::Failed | Event::Expired, Language::De) => {
            "Ihre Mail konnte nicht zugestellt werden"
        }
        (Event::Failed | Event::Expired, Language::En) => "Your mail could not be delivered",
        (Event::Delayed, Language::De) => "Ihre Mail ist noch unterwegs",
        (Event::Delayed, Language::En) => "Your mail has not arrived yet",
        (Event::Delivered, Language::De) => "Ihre Mail ist angekommen",
        (Event::Delivered, Language::En) => "Your mail has arrived",
        (Event::Relayed, Language::De) => "Ihre Mail wurde weitergegeben",
        (Event::Relayed, Language::En) => "Your mail was passed on",
    }
}

/// The whole text; lines end with LF.
pub(super) fn text(dsn: &Dsn<'_>) -> String {
    let mut text = about(dsn);
    for event in [
        Event::Failed,
        Event::Expired,
        Event::Delayed,
        Event::Delivered,
        Event::Relayed,
    ] {
        let mut of_event = dsn
            .recipients
            .iter()
            .filter(|one| one.event == event)
            .peekable();
        if of_event.peek().is_some() {
            text.push_str(intro(event, dsn.language));
            text.push_str("\n\n");
            text.extend(of_event.map(|one| recipient(one, dsn.language)));
            text.push_str(outro(event, dsn.language));
            text.push_str("\n\n");
        }
    }
    text.push_str(match dsn.language {
        Language::De => "Diesen Bericht hat Heimpost geschrieben, Ihr Mailserver.\n",
        Language::En => "This report was written by Heimpost, your mail server.\n",
    });
    text
}

/// Which mail it is about.
fn about(dsn: &Dsn<'_>) -> String {
    let subject = one_line(dsn.subject.unwrap_or_default());
    let subject: String = subject.chars().take(SUBJECT_CHARS_MAX).collect();
    match (subject.is_empty(), dsn.language) {
        (true, _) => String::new(),
        (false, Language::De) => format!("Betreff: {subject}\n\n"),
        (false, Language::En) => format!("Subject: {subject}\n\n"),
    }
}

fn intro(event: Event, language: Language) -> &'static str {
    match (event, language) {
        (Event::Failed, Language::De) => "Ihre Mail konnte nicht zugestellt werden an:",
        (Event::Failed, Language::En) => "Your mail could not be delivered to:",
        (Event::Expired, Language::De) => {
            "Ihre Mail konnte trotz vieler Versuche nicht zugestellt werden an:"
        }
        (Event::Expired, Language::En) => {
            "In spite of many attempts your mail could not be delivered to:"
        }
        (Event::Delayed, Language::De) => "Ihre Mail ist noch nicht angekommen bei:",
        (Event::Delayed, Language::En) => "Your mail has not arrived yet at:",
        (Event::Delivered, Language::De) => "Ihre Mail ist im Postfach von:",
        (Event::Delivered, Language::En) => "Your mail is in the mailbox of:",
        (Event::Relayed, Language::De) => "Ihre Mail wurde weitergegeben für:",
        (Event::Relayed, Language::En) => "Your mail was passed on for:",
    }
}

/// What follows from it, or what to do.
fn outro(event: Event, language: Language) -> &'static str {
    match (event, language) {
        (Event::Failed | Event::Expired, Language::De) => {
            "Es wird nicht weiter versucht. Wenn der Grund behoben ist, senden Sie die Mail\nbitte noch einmal."
        }
        (Event::Failed | Event::Expired, Language::En) => {
            "No further attempt is made. When the cause is out of the way, please send the\nmail again."
        }
        (Event::Delayed, Language::De) => {
            "Sie müssen nichts tun: Es wird weiter versucht. Gelingt es nicht, erfahren\nSie es auf diesem Weg."
        }
        (Event::Delayed, Language::En) => {
            "You need not do anything: more attempts follow. If they fail, you will hear\nof it in this way."
        }
        (Event::Delivered, Language::De) => "Ob sie gelesen wurde, sagt das nicht.",
        (Event::Delivered, Language::En) => "That does not say whether it was read.",
        (Event::Relayed, Language::De) => {
            "Der nächste Server hat sie angenommen. Ob sie ankommt, meldet er nicht."
        }
        (Event::Relayed, Language::En) => {
            "The next server has taken it. It does not report whether the mail arrives."
        }
    }
}

/// One recipient with the reason, and what the other server said.
fn recipient(one: &Recipient<'_>, language: Language) -> String {
    let mut text = format!("  {}\n", one.address);
    if matches!(one.event, Event::Delivered | Event::Relayed) {
        text.push('\n');
        return text;
    }
    text.extend(["    ", reason(one.status, language), "\n"]);
    if let (Some(remote), Some(reply)) = (one.remote, one.reply)
        && one.remote_has_spoken()
    {
        let remote = one_line(remote);
        text.extend(match language {
            Language::De => ["    Der Server ", &remote, " sagt:\n"],
            Language::En => ["    The server ", &remote, " says:\n"],
        });
        for line in reply.lines().map(one_line).filter(|line| !line.is_empty()) {
            text.extend(["      ", &line, "\n"]);
        }
    }
    text.push('\n');
    text
}

/// A sentence in German and in English.
type Words = (&'static str, &'static str);

/// If there was no talking to it.
const UNREACHABLE: Words = (
    "Der Server dort ist nicht zu erreichen.",
    "The server there cannot be reached.",
);

/// If no connection came about at all. A closed port 25 looks the same from here.
const NO_CONNECTION: Words = (
    "Der Server dort ist nicht zu erreichen. Geht es bei allen Empfängern so, sperrt wohl\n    \
     Ihr Internetanbieter den Versand (Port 25); dann hilft ein Smarthost.",
    "The server there cannot be reached. If it is so with all recipients, your internet\n    \
     provider seems to block sending (port 25); a smarthost helps then.",
);

/// If the way to it has to be encrypted and cannot be.
const NOT_ENCRYPTED: Words = (
    "Die Mail muss verschlüsselt übertragen werden, und das gelingt mit dem Server dort nicht.",
    "The mail has to travel encrypted, and with the server there that does not work.",
);

const NO_SUCH_DOMAIN: Words = (
    "Der Teil hinter dem @ nimmt keine Mail an, oder es gibt ihn nicht. Stimmt er?",
    "The part after the @ takes no mail, or does not exist. Is it right?",
);

const TOO_LARGE: Words = (
    "Die Mail ist zu groß für den Empfänger.",
    "The mail is too large for the recipient.",
);

const WRONG_KIND: Words = (
    "Der Server dort kann Mail dieser Art nicht annehmen.",
    "The server there cannot take mail of this kind.",
);

/// The reason in words, by RFC 3463 3 and its registry (RFC 5248).
fn reason(status: Status, language: Language) -> &'static str {
    let is_transient = status.class == Class::Transient;
    let (german, english) = match status.subject {
        1 => of_address(status.detail, is_transient),
        2 => of_mailbox(status.detail),
        3 => of_system(status.detail),
        4 => of_network(status.detail, is_transient),
        5 => of_dialog(status.detail),
        6 => of_content(status.detail),
        7 => of_policy(status.detail, is_transient),
        _ => of_dialog(0),
    };
    match language {
        Language::De => german,
        Language::En => english,
    }
}

fn of_address(detail: u16, is_transient: bool) -> Words {
    match detail {
        1 => (
            "Diese Adresse gibt es dort nicht. Ist sie richtig geschrieben?",
            "There is no such address there. Is it spelled right?",
        ),
        2 if is_transient => UNREACHABLE,
        2 | 10 => NO_SUCH_DOMAIN,
        3 => (
            "Die Adresse ist nicht richtig geschrieben.",
            "The address is not written correctly.",
        ),
        6 => (
            "Der Empfänger ist umgezogen und hat dort keine Adresse mehr.",
            "The recipient has moved and has no address there any more.",
        ),
        7 | 8 => (
            "Der Server dort nimmt von Ihrer Adresse keine Mail an.",
            "The server there takes no mail from your address.",
        ),
        _ => (
            "Mit dieser Adresse stimmt etwas nicht.",
            "Something is wrong with this address.",
        ),
    }
}

fn of_mailbox(detail: u16) -> Words {
    match detail {
        1 => (
            "Das Postfach dort nimmt keine Mail an.",
            "The mailbox there takes no mail.",
        ),
        2 => ("Das Postfach dort ist voll.", "The mailbox there is full."),
        3 => TOO_LARGE,
        _ => (
            "Das Postfach dort kann die Mail nicht annehmen.",
            "The mailbox there cannot take the mail.",
        ),
    }
}

fn of_system(detail: u16) -> Words {
    match detail {
        1 => (
            "Der Server dort hat keinen Platz mehr.",
            "The server there has no room left.",
        ),
        2 => (
            "Der Server dort nimmt zur Zeit keine Mail an.",
            "The server there takes no mail at present.",
        ),
        3 | 6 => WRONG_KIND,
        4 => TOO_LARGE,
        _ => of_dialog(0),
    }
}

fn of_network(detail: u16, is_transient: bool) -> Words {
    match detail {
        1 => NO_CONNECTION,
        3 if is_transient => (
            "Die Server dort waren nicht zu finden: Der Namensdienst (DNS) antwortet nicht.",
            "The servers there could not be found: the name service (DNS) does not answer.",
        ),
        4 if !is_transient => NO_SUCH_DOMAIN,
        5 => (
            "Der Server dort ist überlastet.",
            "The server there is overloaded.",
        ),
        6 => (
            "Die Mail lief im Kreis; eine Weiterleitung ist falsch eingerichtet.",
            "The mail went round in circles; some forwarding is set up wrongly.",
        ),
        _ => UNREACHABLE,
    }
}

fn of_dialog(detail: u16) -> Words {
    match detail {
        3 => (
            "Die Mail hat zu viele Empfänger.",
            "The mail has too many recipients.",
        ),
        _ => (
            "Der Server dort hat die Mail nicht angenommen.",
            "The server there did not take the mail.",
        ),
    }
}

/// RFC 6531 3.5 and RFC 6533: what has letters beyond ASCII in addresses or header.
fn of_content(detail: u16) -> Words {
    match detail {
        7..=10 => (
            "Adressen oder Betreff haben Buchstaben wie ä oder é, die der Server dort nicht versteht.",
            "Addresses or subject have letters such as ä or é, which the server there cannot handle.",
        ),
        _ => WRONG_KIND,
    }
}

fn of_policy(detail: u16, is_transient: bool) -> Words {
    match detail {
        4 | 5 | 10 | 11 => NOT_ENCRYPTED,
        8 | 9 => (
            "Heimpost darf dort nicht senden: Die Anmeldung wurde abgelehnt.",
            "Heimpost may not send there: the login was refused.",
        ),
        // RFC 7372, RFC 8616: DKIM, SPF, a name for the address.
        20..=29 => (
            "Der Server dort bezweifelt, dass die Mail von Ihnen kommt (SPF, DKIM oder DNS).",
            "The server there doubts that the mail comes from you (SPF, DKIM or DNS).",
        ),
        _ if is_transient => (
            "Der Server dort schiebt die Mail auf, etwa zum Schutz vor Spam.",
            "The server there puts the mail off, for instance against spam.",
        ),
        _ => (
            "Der Server dort lehnt die Mail nach seinen Regeln ab, etwa als Spam.",
            "The server there refuses the mail by its rules, for instance as spam.",
        ),
    }
}
