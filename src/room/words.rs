//! Receipts in words, German and English: what went, from whom, how much, how to undo it, what the programs did.
//!
//! "Postfach" and "mailbox" mean an account's mail as a whole, as in all that people read; a mailbox of it is a folder.

use std::fmt::Write as _;

use super::plan::{Action, Item};
use super::programs::{End, Report};
use super::{Done, Policy, Receipt};
use crate::mail::address::Address;
use crate::space::House;
use crate::space::words::{self as space_words, Whose, amount, amount_at_least};
use crate::store::aside::ASIDE_DAYS_MAX;
use crate::store::aside::undo::{Outcome, Undone};
use crate::store::types::{Language, Level, Usage};

/// The subject of a receipt.
pub fn subject(receipt: &Receipt, language: Language) -> String {
    let size = || amount(receipt.bytes, language);
    match (receipt.messages, receipt.archived.messages, language) {
        (0, 0, Language::De) => "Platz schaffen: nichts konnte weg".to_owned(),
        (0, 0, Language::En) => "Making room: nothing could go".to_owned(),
        (0, moved, _) => format!("{}: {}", archived(language), mails(moved, language)),
        (gone, _, Language::De) => {
            format!("Platz geschaffen: {}, {}", mails(gone, language), size())
        }
        (gone, _, Language::En) => format!("Room made: {}, {}", mails(gone, language), size()),
    }
}

fn archived(language: Language) -> &'static str {
    match language {
        Language::De => "Archiviert",
        Language::En => "Archived",
    }
}

/// `12 mails`
fn mails(count: u64, language: Language) -> String {
    match (count, language) {
        (1, Language::De) => "1 Mail".to_owned(),
        (1, Language::En) => "1 mail".to_owned(),
        (count, Language::De) => format!("{count} Mails"),
        (count, Language::En) => format!("{count} mails"),
    }
}

/// `12 mails, 3.4 MB`
fn usage(usage: Usage, language: Language) -> String {
    let size = amount(usage.bytes, language);
    format!("{}, {size}", mails(usage.messages, language))
}

/// The receipt as a mail.
pub fn mail(receipt: &Receipt, policy: &Policy, house: &House, language: Language) -> String {
    let (greeting, closing) = match language {
        Language::De => ("Guten Tag,", "Ihr Heimpost"),
        Language::En => ("Hello,", "Your Heimpost"),
    };
    let text = text(receipt, policy, house, language);
    format!("{greeting}\n\n{text}\n\n{closing}\n")
}

/// The receipt itself, paragraphs with an empty line between them.
pub fn text(receipt: &Receipt, policy: &Policy, house: &House, language: Language) -> String {
    let mut paragraphs = vec![opening(receipt, policy, language)];
    paragraphs.extend(done_list(&receipt.done, language));
    paragraphs.extend(largest_list(receipt, language));
    paragraphs.extend(released(receipt, language));
    paragraphs.extend(undo_hint(receipt, language));
    paragraphs.extend(programs(&receipt.programs, language));
    paragraphs.push(state(house, language));
    paragraphs.join("\n\n")
}

fn opening(receipt: &Receipt, policy: &Policy, language: Language) -> String {
    if receipt.is_empty() {
        return nothing(receipt, policy, language);
    }
    let mut sentences = Vec::new();
    if receipt.messages > 0 {
        let gone = Usage {
            bytes: receipt.bytes,
            messages: receipt.messages,
        };
        let gone = usage(gone, language);
        sentences.push(match language {
            Language::De => format!("Es ist Platz geschaffen: {gone} sind weggeräumt."),
            Language::En => format!("Room was made: {gone} have been set aside."),
        });
    }
    if receipt.archived.messages > 0 {
        let moved = usage(receipt.archived, language);
        sentences.push(match language {
            Language::De => format!("Ins Archiv verschoben: {moved}."),
            Language::En => format!("Moved to the archive: {moved}."),
        });
    }
    sentences.join(" ")
}

fn nothing(receipt: &Receipt, policy: &Policy, language: Language) -> String {
    let mut lines = vec![
        match (receipt.clock_is_set, language) {
            (false, Language::De) => {
                "Es konnte nichts weg: Das Gerät kennt das Datum nicht, und so gilt keine Mail als alt. Es stellt seine \
                 Uhr, sobald es das Netz erreicht. Was weg darf:"
            }
            (false, Language::En) => {
                "Nothing could go: the box does not know the date, so no mail counts as old. It sets its clock as soon \
                 as it reaches the network. What may go:"
            }
            (true, Language::De) => "Es konnte nichts weg. Was weg darf:",
            (true, Language::En) => "Nothing could go. What may go:",
        }
        .to_owned(),
    ];
    let places = match language {
        Language::De => ["Papierkorb (Trash)", "Spam (Junk)", "Fetched"],
        Language::En => ["Trash", "Junk", "Fetched"],
    };
    let days = [policy.trash_days, policy.junk_days, policy.fetched_days];
    for (place, days) in places.iter().zip(days) {
        lines.push(format!("- {place}: {}", what_may_go(days, language)));
    }
    lines.join("\n")
}

fn what_may_go(days: u32, language: Language) -> String {
    match (days, language) {
        (0, Language::De) => "alles".to_owned(),
        (0, Language::En) => "all of it".to_owned(),
        (1, Language::De) => "was dort einen Tag liegt".to_owned(),
        (1, Language::En) => "what has been there for a day".to_owned(),
        (days, Language::De) => format!("was dort {days} Tage liegt"),
        (days, Language::En) => format!("what has been there for {days} days"),
    }
}

/// What was done, by account.
fn done_list(done: &[Done], language: Language) -> Vec<String> {
    let accounts = done.chunk_by(|a, b| a.account == b.account);
    let paragraph = |of_account: &[Done]| {
        let account = of_account.first().map(|done| done.account.to_string());
        let line = |done: &Done| line(done.mailbox.as_str(), &done.action, done.usage, language);
        let lines = of_account.iter().map(|done| format!("- {}", line(done)));
        let text: Vec<String> = account.into_iter().chain(lines).collect();
        text.join("\n")
    };
    accounts.map(paragraph).collect()
}

fn line(mailbox: &str, action: &Action, done: Usage, language: Language) -> String {
    let usage = usage(done, language);
    match (action, language) {
        (Action::SetAside, _) => format!("{mailbox}: {usage}"),
        (Action::Archive(to), Language::De) => {
            format!("{mailbox}: {usage} nach {}", to.as_str())
        }
        (Action::Archive(to), Language::En) => format!("{mailbox}: {usage} to {}", to.as_str()),
    }
}

/// What would help if nothing could go.
fn largest_list(receipt: &Receipt, language: Language) -> Vec<String> {
    if receipt.largest.is_empty() {
        return Vec::new();
    }
    let heading = match language {
        Language::De => "Was helfen würde: dort löschen, wo am meisten liegt.",
        Language::En => "What would help: deleting where there is most.",
    };
    let mut paragraphs = vec![heading.to_owned()];
    for (account, mailboxes) in &receipt.largest {
        let mut lines = vec![account.to_string()];
        for (name, of_mailbox) in mailboxes {
            lines.push(format!(
                "- {}: {}",
                name.as_str(),
                usage(*of_mailbox, language)
            ));
        }
        paragraphs.push(lines.join("\n"));
    }
    paragraphs
}

fn released(receipt: &Receipt, language: Language) -> Option<String> {
    if receipt.released.messages == 0 {
        return None;
    }
    let gone = usage(receipt.released, language);
    Some(match language {
        Language::De => {
            format!("Weil die Speicherkarte den Platz brauchte, endgültig gelöscht: {gone}.")
        }
        Language::En => format!("Deleted for good, because the card needed the space: {gone}."),
    })
}

fn undo_hint(receipt: &Receipt, language: Language) -> Option<String> {
    receipt.run?;
    Some(match language {
        Language::De => format!(
            "Rückgängig machen: auf der Seite „Speicher“ oder mit „heimpost room --undo“.\nDas geht {ASIDE_DAYS_MAX} Tage lang, solange die Speicherkarte den \
             Platz nicht braucht."
        ),
        Language::En => format!(
            "To undo it: on the page \"Storage\", or by \"heimpost room --undo\".\nThat works for {ASIDE_DAYS_MAX} days, as long as the card does not need \
             the space."
        ),
    })
}

fn programs(report: &Report, language: Language) -> Option<String> {
    if report == &Report::default() {
        return None;
    }
    let (heading, skipped) = match language {
        Language::De => ("Ihre Programme:", "nicht gestartet"),
        Language::En => ("Your programs:", "not run"),
    };
    let mut lines = vec![heading.to_owned()];
    for ran in &report.ran {
        lines.push(format!("- {}: {}", ran.name, end(&ran.end, language)));
        lines.extend(ran.lines.iter().map(|line| format!("    {line}")));
    }
    for (name, why) in &report.skipped {
        lines.push(format!("- {name}: {skipped} ({why})"));
    }
    Some(lines.join("\n"))
}

fn end(end: &End, language: Language) -> String {
    match (end, language) {
        (End::Exited(0), Language::De) => "fertig".to_owned(),
        (End::Exited(0), Language::En) => "done".to_owned(),
        (End::Exited(status), Language::De) => format!("gescheitert (Status {status})"),
        (End::Exited(status), Language::En) => format!("failed (status {status})"),
        (End::Killed(signal), Language::De) => format!("abgebrochen (Signal {signal})"),
        (End::Killed(signal), Language::En) => format!("killed (signal {signal})"),
        (End::TooLong, Language::De) => "dauerte zu lange und wurde beendet".to_owned(),
        (End::TooLong, Language::En) => "took too long and was ended".to_owned(),
        (End::NotStarted(why), Language::De) => format!("nicht gestartet ({why})"),
        (End::NotStarted(why), Language::En) => format!("not started ({why})"),
    }
}

/// How things stand: the card, and every account that has too much.
fn state(house: &House, language: Language) -> String {
    let mut sentences = vec![space_words::reason(&house.card, Whose::Yours, language)];
    for (account, state) in &house.accounts {
        if state.fill.level > Level::Ok {
            let whose = Whose::Of(&account.address);
            sentences.push(space_words::reason(state, whose, language));
        }
    }
    sentences.join("\n")
}

/// What a press would do, a line each, in English.
pub fn plan_lines(items: &[Item]) -> Vec<String> {
    let language = Language::En;
    let mut lines = Vec::new();
    for item in items {
        let line = line(item.name.as_str(), &item.action, item.usage, language);
        lines.push(format!("{}: {line}", item.account.address));
    }
    if lines.is_empty() {
        lines.push("nothing would go".to_owned());
    }
    lines
}

/// What an undo did to one account, in English.
pub fn undone_line(account: &Address, outcome: &Outcome) -> String {
    match *outcome {
        Outcome::Back {
            put_back,
            moved_back,
        } => {
            let mut line = format!("{account}: {} put back", usage(put_back, Language::En));
            if moved_back.messages > 0 {
                let moved = usage(moved_back, Language::En);
                write!(line, "; {moved} moved back to INBOX").ok();
            }
            line
        }
        Outcome::WouldBeFull {
            waiting,
            bytes_to_free,
        } => format!(
            "{account}: nothing put back ({} wait): the mailbox would be full. Delete at least {} there or raise its \
             quota (heimpost account quota), then run the same command again",
            usage(waiting, Language::En),
            amount_at_least(bytes_to_free, Language::En)
        ),
    }
}

/// What an undo could not bring back, in English.
pub fn undone_rest(undone: &Undone) -> Option<String> {
    (undone.released > 0).then(|| {
        let gone = mails(undone.released, Language::En);
        format!("{gone} of that run are gone for good: the card needed the space")
    })
}
