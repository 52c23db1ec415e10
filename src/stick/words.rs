//! How it stands with the stick, in German and English, the same at every outlet.

use std::time::Duration;

use super::{Failure, Reason, Standing};
use crate::clock::Now;
use crate::space::words::{amount, amount_at_least};
use crate::store::types::Language;

fn t<'a>(language: Language, de: &'a str, en: &'a str) -> &'a str {
    match language {
        Language::De => de,
        Language::En => en,
    }
}

/// Why there was no good backup, and what to do.
pub fn problem(failure: &Failure, name: &str, language: Language) -> String {
    let t = |de, en| t(language, de, en);
    let text = match failure.reason {
        Reason::NotThere => t(
            "Der Stick NAME steckt nicht an der Box. Bitte stecken Sie ihn an.",
            "The stick NAME is not plugged into the box. Please plug it in.",
        ),
        Reason::Several => t(
            "An der Box stecken mehrere Sticks mit dem Namen NAME. Bitte lassen Sie nur einen stecken.",
            "Several sticks with the name NAME are plugged in. Please leave only one.",
        ),
        Reason::System => t(
            "Von NAME läuft die Box selbst. Bitte wählen Sie einen anderen Stick.",
            "The box itself runs from NAME. Please choose another stick.",
        ),
        Reason::FileSystem => t(
            "Mit dem Dateisystem des Sticks NAME kann die Box nicht umgehen. Bitte formatieren Sie ihn mit FAT32, exFAT oder ext4.",
            "The box cannot use the file system of the stick NAME. Please format it with FAT32, exFAT or ext4.",
        ),
        Reason::Mount => t(
            "Der Stick NAME lässt sich nicht öffnen. Stecken Sie ihn noch einmal an oder nehmen Sie einen anderen.",
            "The stick NAME cannot be opened. Plug it in again, or take another one.",
        ),
        Reason::ReadOnly => t(
            "Der Stick NAME ist schreibgeschützt.",
            "The stick NAME is write-protected.",
        ),
        Reason::Damaged => t(
            "Der Stick NAME ist beschädigt: Er gibt nicht zurück, was auf ihm steht. Bitte nehmen Sie einen anderen.",
            "The stick NAME is damaged: it does not give back what is on it. Please take another one.",
        ),
        Reason::Full => return full(failure, name, language),
        Reason::Write => t(
            "Beim Sichern ließ sich der Stick NAME nicht mehr beschreiben oder wurde abgezogen. Die Sicherung davor ist noch darauf.",
            "During the backup the stick NAME could not be written any more, or was pulled out. The backup before is still on it.",
        ),
        Reason::Unsound => t(
            "Die Sicherung auf NAME hat die Probe nicht bestanden.",
            "The backup on NAME did not pass its test.",
        ),
        Reason::BrokenOff => t(
            "Die Sicherung auf NAME ist abgebrochen.",
            "The backup on NAME broke off.",
        ),
    };
    text.replace("NAME", name)
}

fn full(failure: &Failure, name: &str, language: Language) -> String {
    let Some((needed, free)) = failure.room else {
        return match language {
            Language::De => format!("Der Stick {name} ist voll."),
            Language::En => format!("The stick {name} is full."),
        };
    };
    let (needed, free) = (amount_at_least(needed, language), amount(free, language));
    match language {
        Language::De => format!(
            "Auf dem Stick {name} ist zu wenig Platz: Die nächste Sicherung braucht {needed}, frei sind {free}. Machen Sie \
             dort Platz, oder nehmen Sie einen größeren."
        ),
        Language::En => format!(
            "There is too little room on the stick {name}: the next backup needs {needed}, {free} are free. Make room there, \
             or take a larger one."
        ),
    }
}

/// How old the last good backup is, as a sentence.
pub fn age(standing: &Standing, now: Now, language: Language) -> String {
    let name = &standing.record.name;
    match (&standing.record.good, standing.age(now), language) {
        (None, _, Language::De) => format!("Auf dem Stick {name} ist noch keine Sicherung."),
        (None, _, Language::En) => format!("There is no backup on the stick {name} yet."),
        (Some(_), None, Language::De) => {
            format!("Auf dem Stick {name} ist eine Sicherung, deren Alter nicht bekannt ist.")
        }
        (Some(_), None, Language::En) => {
            format!("There is a backup on the stick {name}, whose age is not known.")
        }
        (Some(_), Some(age), Language::De) => {
            format!(
                "Die letzte gute Sicherung auf dem Stick {name} ist {} alt.",
                span(age, language)
            )
        }
        (Some(_), Some(age), Language::En) => {
            format!(
                "The last good backup on the stick {name} is {} old.",
                span(age, language)
            )
        }
    }
}

/// A span in its largest unit: `3 hours`, `2 Tage`.
fn span(span: Duration, language: Language) -> String {
    let seconds = span.as_secs();
    let (count, one, many) = match seconds {
        0..3600 => (seconds / 60, ("Minute", "minute"), ("Minuten", "minutes")),
        3600..172_800 => (seconds / 3600, ("Stunde", "hour"), ("Stunden", "hours")),
        172_800.. => (seconds / 86_400, ("Tag", "day"), ("Tage", "days")),
    };
    let (de, en) = if count == 1 { one } else { many };
    format!("{count} {}", t(language, de, en))
}

/// The mail to an owner when the last good one is too old: subject and text.
pub fn letter(standing: &Standing, now: Now, language: Language) -> (String, String) {
    let name = &standing.record.name;
    let days = standing.limit.as_secs() / 86_400;
    let why = standing.failure();
    let why = why.map_or_else(
        || {
            t(
                language,
                "Es wurde seither keine versucht.",
                "None was tried since.",
            )
            .to_owned()
        },
        |failure| problem(failure, name, language),
    );
    let age = age(standing, now, language);
    match language {
        Language::De => (
            format!("Keine neue Sicherung auf dem Stick {name}"),
            format!(
                "{age}\n{why}\n\nHeimpost sichert jede Nacht auf diesen Stick, sobald er an der Box steckt. Sie wollten \
                 es wissen,\nwenn die letzte gute Sicherung \u{e4}lter als {days} Tage ist; die LED blitzt deshalb in Gruppen zu f\u{fc}nf.\n\n\
                 Auf der Seite der Box unter \u{201e}Sichern und Umziehen\u{201c} steht mehr. Dort k\u{f6}nnen Sie auch sofort sichern.\n"
            ),
        ),
        Language::En => (
            format!("No new backup on the stick {name}"),
            format!(
                "{age}\n{why}\n\nHeimpost backs up to this stick every night while it is plugged in. You wanted to know when \
                 the\nlast good backup is older than {days} days; that is why the LED flashes in groups of five.\n\n\
                 The box's page says more under \"Backup and moving\". There you can also back up at once.\n"
            ),
        ),
    }
}
