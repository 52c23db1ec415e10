//! The settings that the page offers, as data: key, meaning, what it may hold, and what it holds now.

use std::time::Duration;

use heimpost_board::Backend;

use super::kind::Kind;
use crate::config::ranges::{
    ARCHIVE_MONTHS_RANGE, ATTEMPTS_RANGE, CONNECTIONS_RANGE, MESSAGE_BYTES_RANGE, PERCENT_RANGE,
    QUOTA_RANGE, RECIPIENTS_RANGE, RESERVE_RANGE, ROOM_DAYS_RANGE,
};
use crate::config::{DmarcPolicy, Settings};
use crate::store::types::Language;

/// A text in German and English.
pub(super) type Both = (&'static str, &'static str);

/// Settings that are changed together.
#[derive(Debug)]
pub(super) struct Group {
    /// Its name in addresses.
    pub(super) name: &'static str,
    pub(super) title: Both,
    pub(super) entries: &'static [Entry],
}

/// One setting.
#[derive(Debug)]
pub(super) struct Entry {
    /// Dotted key.
    pub(super) key: &'static str,
    pub(super) label: Both,
    pub(super) hint: Both,
    pub(super) kind: Kind,
    /// What it holds in these settings, as it is typed; empty for nothing.
    pub(super) show: fn(&Settings) -> String,
}

impl Group {
    /// The one of this name.
    pub(super) fn named(name: &str) -> Option<&'static Self> {
        GROUPS.iter().find(|group| group.name == name)
    }
}

/// All of them; the first are shown open.
pub(super) const GROUPS: &[Group] = &[
    Group {
        name: "names",
        title: ("Name, Sprache und Zeit", "Name, language and time"),
        entries: &[
            Entry {
                key: "hostname",
                label: ("Name der Box", "Name of the box"),
                hint: (
                    "So stellt sie sich anderen Servern vor, etwa mail.example.org.",
                    "What it calls itself to other servers, such as mail.example.org.",
                ),
                kind: Kind::Domain,
                show: |settings| settings.hostname.to_string(),
            },
            Entry {
                key: "domains",
                label: ("Domains", "Domains"),
                hint: (
                    "Post an diese Domains kommt hier an; mehrere durch Leerzeichen getrennt.",
                    "Mail to these domains is stored here; separate several by spaces.",
                ),
                kind: Kind::Domains,
                show: |settings| {
                    let domains: Vec<_> =
                        settings.domains.iter().map(ToString::to_string).collect();
                    domains.join(" ")
                },
            },
            Entry {
                key: "language",
                label: ("Sprache der Box", "Language of the box"),
                hint: (
                    "In ihr schreibt die Box, wo ein Konto nichts anderes sagt.",
                    "The box writes in it where an account says nothing else.",
                ),
                kind: Kind::Choice(&[
                    ("de", ("Deutsch", "German")),
                    ("en", ("Englisch", "English")),
                ]),
                show: |settings| match settings.language {
                    Language::De => "de".to_owned(),
                    Language::En => "en".to_owned(),
                },
            },
            Entry {
                key: "time_zone",
                label: ("Zeitzone", "Time zone"),
                hint: (
                    "Etwa Europe/Berlin; leer ist die des Systems.",
                    "Such as Europe/Berlin; empty is the system's.",
                ),
                kind: Kind::TimeZone,
                show: |settings| {
                    settings
                        .time_zone
                        .iana_name()
                        .unwrap_or_default()
                        .to_owned()
                },
            },
        ],
    },
    Group {
        name: "room",
        title: ("Speicher und Platz schaffen", "Storage and making room"),
        entries: &[
            Entry {
                key: "account.quota_default",
                label: ("Platz für jedes Postfach", "Room for each account"),
                hint: (
                    "Für Postfächer ohne eigene Grenze, etwa 5G.",
                    "For accounts without a limit of their own, such as 5G.",
                ),
                kind: Kind::Size(QUOTA_RANGE),
                show: |settings| size(settings.account.quota_default),
            },
            Entry {
                key: "storage.notice_percent",
                label: ("Erster Hinweis bei", "First notice at"),
                hint: ("Prozent des Platzes.", "Percent of the room."),
                kind: Kind::Count(PERCENT_RANGE),
                show: |settings| settings.storage.thresholds.notice_percent.to_string(),
            },
            Entry {
                key: "storage.warning_percent",
                label: ("Warnung bei", "Warning at"),
                hint: ("Prozent des Platzes.", "Percent of the room."),
                kind: Kind::Count(PERCENT_RANGE),
                show: |settings| settings.storage.thresholds.warning_percent.to_string(),
            },
            Entry {
                key: "storage.reserve",
                label: ("Auf der Karte freihalten", "Keep free on the card"),
                hint: (
                    "Damit Löschen und die Post der Box selbst immer Platz haben.",
                    "So that deleting and the box's own mail always have room.",
                ),
                kind: Kind::Size(RESERVE_RANGE),
                show: |settings| size(settings.storage.reserve),
            },
            Entry {
                key: "room.trash_days",
                label: ("Papierkorb leeren nach", "Empty Trash after"),
                hint: (
                    "Tagen, wenn Platz geschaffen wird; 0 ist alles.",
                    "Days, when room is made; 0 is all of it.",
                ),
                kind: Kind::Count(ROOM_DAYS_RANGE),
                show: |settings| settings.room.trash_days.to_string(),
            },
            Entry {
                key: "room.junk_days",
                label: ("Spam leeren nach", "Empty Junk after"),
                hint: (
                    "Tagen, wenn Platz geschaffen wird; 0 ist alles.",
                    "Days, when room is made; 0 is all of it.",
                ),
                kind: Kind::Count(ROOM_DAYS_RANGE),
                show: |settings| settings.room.junk_days.to_string(),
            },
            Entry {
                key: "room.fetched_days",
                label: (
                    "Per POP3 Abgeholtes entfernen nach",
                    "Remove what POP3 has fetched after",
                ),
                hint: (
                    "Tagen, wenn Platz geschaffen wird; 0 ist alles.",
                    "Days, when room is made; 0 is all of it.",
                ),
                kind: Kind::Count(ROOM_DAYS_RANGE),
                show: |settings| settings.room.fetched_days.to_string(),
            },
            Entry {
                key: "room.archive_months",
                label: ("Altes ins Archiv nach", "Archive old mail after"),
                hint: (
                    "Monaten, nach Jahren geordnet; 0 ist nie.",
                    "Months, sorted by year; 0 is never.",
                ),
                kind: Kind::Count(ARCHIVE_MONTHS_RANGE),
                show: |settings| settings.room.archive_months.unwrap_or(0).to_string(),
            },
        ],
    },
    Group {
        name: "mail",
        title: ("Empfangen und Senden", "Receiving and sending"),
        entries: &[
            Entry {
                key: "submission.sent_copy",
                label: (
                    "Gesendetes in „Gesendet“ ablegen",
                    "File what is sent in Sent",
                ),
                hint: (
                    "Legt das Mailprogramm selbst eine Kopie ab, bleibt nur diese.",
                    "If the mail program files a copy itself, only that one stays.",
                ),
                kind: Kind::Switch,
                show: |settings| settings.submission.sent_copy.to_string(),
            },
            Entry {
                key: "receive.verify",
                label: (
                    "Absender prüfen (SPF, DKIM, DMARC)",
                    "Check senders (SPF, DKIM, DMARC)",
                ),
                hint: (
                    "Schützt vor gefälschten Absendern.",
                    "Protects from forged senders.",
                ),
                kind: Kind::Switch,
                show: |settings| settings.receive.verify.to_string(),
            },
            Entry {
                key: "receive.dmarc",
                label: ("Gefälschte Mail", "Forged mail"),
                hint: (
                    "Mail, von der die Domain ihres Absenders sagt, dass sie nicht von ihr ist.",
                    "Mail that its sender's domain says is not its own.",
                ),
                kind: Kind::Choice(&[
                    (
                        "obey",
                        (
                            "abweisen oder in den Spam, wie die Domain es will",
                            "refuse or file in Junk, as the domain wants",
                        ),
                    ),
                    ("mark", ("nur kennzeichnen", "only mark it")),
                ]),
                show: |settings| match settings.receive.dmarc {
                    DmarcPolicy::Obey => "obey".to_owned(),
                    DmarcPolicy::Mark => "mark".to_owned(),
                },
            },
            Entry {
                key: "limits.message_bytes_max",
                label: ("Größte Mail", "Largest mail"),
                hint: (
                    "Etwa 50M. Viele andere Server nehmen höchstens 25M an.",
                    "Such as 50M. Many other servers take 25M at most.",
                ),
                kind: Kind::Size(MESSAGE_BYTES_RANGE),
                show: |settings| size(settings.limits.message_bytes_max),
            },
            Entry {
                key: "limits.recipients_max",
                label: ("Höchstens so viele Empfänger", "Most recipients"),
                hint: ("Je Mail.", "Of one mail."),
                kind: Kind::Count(RECIPIENTS_RANGE),
                show: |settings| settings.limits.recipients_max.to_string(),
            },
        ],
    },
    Group {
        name: "queue",
        title: (
            "Wie lange es beim Senden versucht wird",
            "How long sending is tried",
        ),
        entries: &[
            Entry {
                key: "queue.retry_first",
                label: ("Zweiter Versuch nach", "Second try after"),
                hint: (
                    "Danach jedes Mal länger; etwa 1m oder 30s.",
                    "Longer each time after that; such as 1m or 30s.",
                ),
                kind: Kind::Span,
                show: |settings| span(settings.queue.policy.retry_first),
            },
            Entry {
                key: "queue.retry_max",
                label: (
                    "Höchstens so lange zwischen zwei Versuchen",
                    "Longest wait between two tries",
                ),
                hint: ("Etwa 2h.", "Such as 2h."),
                kind: Kind::Span,
                show: |settings| span(settings.queue.policy.retry_max),
            },
            Entry {
                key: "queue.delay_notice_after",
                label: (
                    "Dem Absender die Verspätung sagen nach",
                    "Tell the sender of the delay after",
                ),
                hint: ("Etwa 4h.", "Such as 4h."),
                kind: Kind::Span,
                show: |settings| span(settings.queue.policy.delay_notice_after),
            },
            Entry {
                key: "queue.lifetime",
                label: ("Aufgeben nach", "Give up after"),
                hint: ("Etwa 5d.", "Such as 5d."),
                kind: Kind::Span,
                show: |settings| span(settings.queue.policy.lifetime),
            },
            Entry {
                key: "queue.attempts_max",
                label: ("Versuche zur gleichen Zeit", "Tries at a time"),
                hint: ("Insgesamt.", "In all."),
                kind: Kind::Count(ATTEMPTS_RANGE),
                show: |settings| settings.queue.limits.attempts_max.to_string(),
            },
            Entry {
                key: "queue.per_destination_max",
                label: (
                    "Versuche zur gleichen Zeit an ein Ziel",
                    "Tries at a time for one destination",
                ),
                hint: (
                    "Viele Server mögen nicht mehr als ein paar.",
                    "Many servers do not like more than a few.",
                ),
                kind: Kind::Count(ATTEMPTS_RANGE),
                show: |settings| settings.queue.limits.per_destination_max.to_string(),
            },
        ],
    },
    Group {
        name: "limits",
        title: ("Verbindungen", "Connections"),
        entries: &[
            Entry {
                key: "limits.connections_max",
                label: ("Verbindungen zur gleichen Zeit", "Connections at a time"),
                hint: ("Aller Dienste zusammen.", "Of all services together."),
                kind: Kind::Count(CONNECTIONS_RANGE),
                show: |settings| settings.limits.connections_max.to_string(),
            },
            Entry {
                key: "limits.connections_per_address_max",
                label: ("Davon von einer Adresse", "Of these from one address"),
                hint: (
                    "Ein Mailprogramm braucht meist etwa fünf.",
                    "A mail program mostly needs about five.",
                ),
                kind: Kind::Count(CONNECTIONS_RANGE),
                show: |settings| settings.limits.connections_per_address_max.to_string(),
            },
        ],
    },
    Group {
        name: "panel",
        title: ("LED und Knopf einstellen", "Settings of LED and button"),
        entries: &[
            Entry {
                key: "panel.quiet",
                label: (
                    "Ruhig: statt Dauerlicht nur ab und zu ein kurzes Blinken",
                    "Quiet: a short blink now and then instead of steady light",
                ),
                hint: (
                    "Für Schlafzimmer. Wenn etwas ist, blinkt die Box wie sonst.",
                    "For bedrooms. If something is up, the box blinks as usual.",
                ),
                kind: Kind::Switch,
                show: |settings| settings.panel.quiet.to_string(),
            },
            Entry {
                key: "panel.backend",
                label: ("Wie die Pins erreicht werden", "How the pins are reached"),
                hint: (
                    "Von selbst passt es fast immer.",
                    "By itself is nearly always right.",
                ),
                kind: Kind::Choice(&[
                    ("auto", ("von selbst", "by itself")),
                    (
                        "linux-embedded-hal",
                        ("GPIO, erste Schnittstelle", "GPIO, first interface"),
                    ),
                    (
                        "gpiocdev",
                        ("GPIO, zweite Schnittstelle", "GPIO, second interface"),
                    ),
                    (
                        "leds-class",
                        (
                            "LED des Kernels, kein Knopf",
                            "a LED of the kernel's, no button",
                        ),
                    ),
                    (
                        "sim",
                        (
                            "keine Pins, nur hier auf der Seite",
                            "no pins, only here on the page",
                        ),
                    ),
                    ("off", ("gar nicht", "not at all")),
                ]),
                show: |settings| backend(settings.panel.board.backend).to_owned(),
            },
            Entry {
                key: "panel.led",
                label: ("Nummer der LED-Leitung", "Number of the LED's line"),
                hint: ("Leer ist die des Boards.", "Empty is the board's."),
                kind: Kind::Count((0, 1023)),
                show: |settings| number(settings.panel.board.led),
            },
            Entry {
                key: "panel.button",
                label: (
                    "Nummer der Leitung des Knopfs",
                    "Number of the button's line",
                ),
                hint: ("Leer ist die des Boards.", "Empty is the board's."),
                kind: Kind::Count((0, 1023)),
                show: |settings| number(settings.panel.board.button),
            },
            Entry {
                key: "panel.active_low",
                label: (
                    "Die LED leuchtet bei niedrigem Pegel",
                    "The LED is lit by a low level",
                ),
                hint: (
                    "Wenn sie dunkel ist, wo sie leuchten sollte.",
                    "If it is dark where it should be lit.",
                ),
                kind: Kind::Switch,
                show: |settings| settings.panel.board.led_active_low.to_string(),
            },
            Entry {
                key: "panel.button_active_low",
                label: ("Der Knopf zieht nach Masse", "The button pulls to ground"),
                hint: ("So ist es meist.", "It mostly does."),
                kind: Kind::Switch,
                show: |settings| settings.panel.board.button_active_low.to_string(),
            },
        ],
    },
];

fn backend(backend: Backend) -> &'static str {
    match backend {
        Backend::Auto => "auto",
        Backend::LinuxEmbeddedHal => "linux-embedded-hal",
        Backend::Gpiocdev => "gpiocdev",
        Backend::LedsClass => "leds-class",
        Backend::Sim => "sim",
        Backend::Off => "off",
    }
}

fn number(value: Option<u32>) -> String {
    value.map(|value| value.to_string()).unwrap_or_default()
}

/// As [`parse_bytes`](crate::config::parse_bytes) reads it, in the largest unit that is whole.
fn size(bytes: u64) -> String {
    let units = [(40, 'T'), (30, 'G'), (20, 'M'), (10, 'K')];
    let whole = units
        .into_iter()
        .find(|(shift, _)| bytes > 0 && bytes.trailing_zeros() >= *shift);
    whole.map_or_else(
        || bytes.to_string(),
        |(shift, unit)| format!("{}{unit}", bytes >> shift),
    )
}

/// As [`parse_span`](crate::config::ranges::parse_span) reads it.
fn span(span: Duration) -> String {
    let seconds = span.as_secs();
    let units = [(86_400, 'd'), (3600, 'h'), (60, 'm')];
    let whole = units
        .into_iter()
        .find(|(unit, _)| seconds > 0 && seconds.is_multiple_of(*unit));
    whole.map_or_else(
        || format!("{seconds}s"),
        |(unit, letter)| format!("{}{letter}", seconds / unit),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_are_written_as_they_are_read() {
        use crate::config::parse_bytes;
        use crate::config::ranges::parse_span;
        for bytes in [1 << 10, 5 << 30, 50 << 20, 1_000_001, 3 << 40] {
            assert_eq!(parse_bytes(&size(bytes)), Some(bytes));
        }
        assert_eq!(size(5 << 30), "5G");
        for seconds in [1, 60, 90, 7200, 5 * 86_400] {
            let time = Duration::from_secs(seconds);
            assert_eq!(parse_span(&span(time)), Some(time));
        }
        assert_eq!(span(Duration::from_hours(120)), "5d");
    }

    #[test]
    fn each_shows_what_the_settings_take() {
        let settings = Settings::desk();
        for entry in GROUPS.iter().flat_map(|group| group.entries) {
            let text = (entry.show)(&settings);
            assert!(entry.kind.read(&text).is_ok(), "{} = {text:?}", entry.key);
        }
    }
}
