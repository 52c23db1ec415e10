//! What should be done, worst first, each with one action.

use maud::{Markup, html};

use super::Glance;
use crate::queue::desk::Diagnosis;
use crate::space::words::{self, Whose};
use crate::stick::{self, Standing};
use crate::store::types::Level;
use crate::web::parts::{Tone, notice};
use crate::web::words::Lang;

/// A backup that is older is worth a word, in seconds: thirty days.
const BACKUP_OLD: i64 = 30 * 86_400;

/// Bytes of mail from which on a box without a backup hears of it.
const WORTH_A_BACKUP: u64 = 50 << 20;

/// One of them.
pub(super) struct Warning {
    tone: Tone,
    text: String,
    path: &'static str,
    action: &'static str,
}

impl Warning {
    pub(super) fn render(&self) -> Markup {
        let action = html! { a.button.second href=(self.path) { (self.action) } };
        notice(self.tone, &self.text, Some(&action))
    }

    fn rank(&self) -> u8 {
        match self.tone {
            Tone::Bad => 0,
            Tone::Warn => 1,
            Tone::Info | Tone::Good => 2,
        }
    }
}

/// All of them.
pub(super) fn all(lang: Lang, glance: &Glance) -> Vec<Warning> {
    let mut all: Vec<Warning> = [
        card(lang, glance),
        settings(lang, glance),
        sending(lang, glance),
        clock(lang, glance),
        certificate(lang, glance),
        backup(lang, glance),
    ]
    .into_iter()
    .flatten()
    .collect();
    all.extend(accounts(lang, glance));
    all.sort_by_key(Warning::rank);
    all
}

fn card(lang: Lang, glance: &Glance) -> Option<Warning> {
    let state = &glance.house.card;
    let level = state.fill.level;
    (level > Level::Ok).then(|| Warning {
        tone: Tone::of(level),
        text: sentences([
            Some(words::reason(state, Whose::Yours, lang.0)),
            words::outlook(state, lang.0),
            words::meaning(level, lang.0).map(str::to_owned),
        ]),
        path: "/box/storage",
        action: lang.t("Platz schaffen", "Make room"),
    })
}

fn accounts(lang: Lang, glance: &Glance) -> Vec<Warning> {
    let accounts = glance.house.accounts.iter();
    let concerned = accounts.filter(|(_, state)| state.fill.level > Level::Ok);
    let warning = concerned.map(|(account, state)| Warning {
        tone: Tone::of(state.fill.level),
        text: sentences([
            Some(words::reason(state, Whose::Of(&account.address), lang.0)),
            words::outlook(state, lang.0),
            words::meaning(state.fill.level, lang.0).map(str::to_owned),
        ]),
        path: "/box/accounts",
        action: lang.t("Zum Postfach", "To the account"),
    });
    warning.collect()
}

fn settings(lang: Lang, glance: &Glance) -> Option<Warning> {
    let trouble = glance.settings_trouble.as_ref()?;
    Some(Warning {
        tone: Tone::Bad,
        text: format!("{} {}", trouble.in_words(lang), trouble.cause()),
        path: "/box/device",
        action: lang.t("Zu den Einstellungen", "To the settings"),
    })
}

fn sending(lang: Lang, glance: &Glance) -> Option<Warning> {
    let diagnosis = glance.queue.diagnosis.as_ref()?;
    let text = match diagnosis {
        Diagnosis::Login(name) => format!(
            "{} {name} {}",
            lang.t("Der Postausgang", "The smarthost"),
            lang.t(
                "lehnt die Anmeldung ab. Prüfen Sie Benutzer und Passwort.",
                "refuses the login. Check user and password."
            )
        ),
        Diagnosis::Names => lang
            .t(
                "Die Namensserver (DNS) antworten nicht; Post an andere wartet.",
                "The name servers (DNS) do not answer; mail to others waits.",
            )
            .to_owned(),
        Diagnosis::Port25 => lang
            .t(
                "Ihr Internetanbieter sperrt wohl Port 25: Kein anderer Mailserver ist zu erreichen. Senden Sie über das Postfach Ihres Anbieters.",
                "Your internet provider seems to block port 25: no other mail server can be reached. Send through your provider's mail server.",
            )
            .to_owned(),
        Diagnosis::Smarthost(name) => format!(
            "{} {name} {}",
            lang.t("Der Postausgang", "The smarthost"),
            lang.t("ist nicht zu erreichen.", "cannot be reached.")
        ),
        Diagnosis::Stuck => lang
            .t(
                "Post wartet seit Stunden, und keine kommt hinaus.",
                "Mail has waited for hours, and none gets out.",
            )
            .to_owned(),
    };
    Some(Warning {
        tone: Tone::Bad,
        text,
        path: "/box/sending",
        action: lang.t("Zum Versand", "To sending"),
    })
}

fn clock(lang: Lang, glance: &Glance) -> Option<Warning> {
    glance.clock_trouble.then(|| Warning {
        tone: Tone::Warn,
        text: lang
            .t(
                "Kein Zeitserver hat bisher die Uhr gestellt. Das geschieht von selbst, sobald die Box im Internet ist.",
                "No time server has set the clock yet. That happens by itself once the box is on the internet.",
            )
            .to_owned(),
        path: "/box/device",
        action: lang.t("Zum Gerät", "To the device"),
    })
}

fn certificate(lang: Lang, glance: &Glance) -> Option<Warning> {
    glance.certificate_trouble.then(|| Warning {
        tone: Tone::Warn,
        text: lang
            .t(
                "Das Zertifikat läuft ab, oder das neue lässt sich nicht benutzen.",
                "The certificate runs out, or the new one cannot be used.",
            )
            .to_owned(),
        path: "/box/domain",
        action: lang.t("Zum Zertifikat", "To the certificate"),
    })
}

/// A stick that is named is the backup that counts.
fn backup(lang: Lang, glance: &Glance) -> Option<Warning> {
    match &glance.stick {
        Some(stick) => on_stick(lang, glance, stick),
        None => by_hand(lang, glance),
    }
}

fn on_stick(lang: Lang, glance: &Glance, stick: &Standing) -> Option<Warning> {
    let tone = match (stick.is_overdue(glance.now), stick.failure()) {
        (true, _) => Tone::Bad,
        (false, Some(_)) => Tone::Warn,
        (false, None) => return None,
    };
    let problem = stick
        .failure()
        .map(|failure| stick::words::problem(failure, &stick.record.name, lang.0));
    Some(Warning {
        tone,
        text: sentences([
            Some(stick::words::age(stick, glance.now, lang.0)),
            problem,
            None,
        ]),
        path: "/box/transfer",
        action: lang.t("Zur Sicherung", "To the backup"),
    })
}

fn by_hand(lang: Lang, glance: &Glance) -> Option<Warning> {
    let accounts = glance.house.accounts.iter();
    let mail: u64 = accounts.map(|(_, state)| state.fill.used).sum();
    let (tone, text) = match &glance.backup {
        None if mail < WORTH_A_BACKUP => return None,
        None => (
            Tone::Info,
            lang.t(
                "Es gibt noch keine Sicherung. Wenn die Karte stirbt, ist Ihre Post weg.",
                "There is no backup yet. If the card dies, your mail is gone.",
            ),
        ),
        Some(last)
            if last
                .tried
                .as_ref()
                .is_some_and(|tried| tried.problem.is_some()) =>
        {
            (
                Tone::Bad,
                lang.t(
                    "Die letzte Sicherung hat die Probe nicht bestanden. Machen Sie eine neue.",
                    "The last backup did not pass its test. Make a new one.",
                ),
            )
        }
        Some(last) => {
            let age = glance.now.wall?.0 - last.at?;
            if age < BACKUP_OLD {
                return None;
            }
            (
                Tone::Info,
                lang.t(
                    "Die letzte Sicherung ist mehr als einen Monat alt.",
                    "The last backup is more than a month old.",
                ),
            )
        }
    };
    Some(Warning {
        tone,
        text: text.to_owned(),
        path: "/box/transfer",
        action: lang.t("Sicherung machen", "Make a backup"),
    })
}

fn sentences(parts: [Option<String>; 3]) -> String {
    let parts: Vec<String> = parts.into_iter().flatten().collect();
    parts.join(" ")
}
