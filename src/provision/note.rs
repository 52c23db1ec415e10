//! What was not done as asked, in words: for the log, and for whoever puts the card into a computer. Pure.

use std::fmt;

use crate::auth::crypt::CryptError;
use crate::auth::password::PasswordError;

/// Longest name of a key that is repeated, in characters.
const KEY_CHARS_MAX: usize = 60;

/// One thing that was asked for and not done. Holds no values: they may be passwords.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Note {
    /// Its dotted key, or the file.
    pub key: String,
    /// Why.
    pub problem: Problem,
}

/// Why something was not done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Problem {
    /// No such key is known.
    Unknown,
    /// A key that means something to other systems.
    ForOthers,
    /// Commands are never run.
    Command,
    /// No text, or one with control characters.
    NoText,
    /// Neither true nor false.
    NoFlag,
    /// No name for a box.
    HostName,
    /// No name that an address can begin with.
    UserName,
    /// An account without password.
    NoPassword,
    /// A password against the rules.
    Password(PasswordError),
    /// A hash that cannot be used.
    Hash(CryptError),
    /// There are accounts already, or one of that name.
    HasAccount,
    /// SSH does not take passwords.
    SshPasswords,
    /// No SSH key, or one that is none.
    SshKeys,
    /// No name of a network.
    Ssid,
    /// No country.
    Country,
    /// A passphrase that cannot be one, or one too many or too few.
    Passphrase,
    /// A way of locking that is not known.
    KeyManagement,
    /// No such time zone.
    TimeZone,
    /// The card was customised by an Imager that does not know this system.
    OldImager,
    /// The file cannot be read as what it is.
    Unreadable(String),
}

impl Problem {
    /// Whether whoever wrote the card should hear of it.
    pub fn is_trouble(&self) -> bool {
        match self {
            Self::Unknown | Self::ForOthers | Self::Command | Self::HasAccount => false,
            Self::NoText
            | Self::NoFlag
            | Self::HostName
            | Self::UserName
            | Self::NoPassword
            | Self::Password(_)
            | Self::Hash(_)
            | Self::SshPasswords
            | Self::SshKeys
            | Self::Ssid
            | Self::Country
            | Self::Passphrase
            | Self::KeyManagement
            | Self::TimeZone
            | Self::OldImager
            | Self::Unreadable(_) => true,
        }
    }

    fn words(&self) -> (String, String) {
        let (german, english) = match self {
            Self::Unknown => ("unbekannt, nicht beachtet", "unknown, ignored"),
            Self::ForOthers => ("hier ohne Bedeutung", "means nothing here"),
            Self::Command => (
                "Befehle werden nie ausgef\u{fc}hrt",
                "commands are never run",
            ),
            Self::NoText => ("hier geh\u{f6}rt ein Text hin", "a text is right"),
            Self::NoFlag => ("true oder false ist richtig", "true or false is right"),
            Self::HostName => (
                "kein Name f\u{fc}r eine Box; richtig sind a bis z, Ziffern und Striche",
                "no name for a box; a to z, digits and dashes are right",
            ),
            Self::UserName => (
                "so kann keine Adresse anfangen; richtig ist etwa anna",
                "no address can begin so; anna, for instance, is right",
            ),
            Self::NoPassword => (
                "fehlt; richten Sie die Box auf ihrer Seite ein",
                "missing; set the box up on its page",
            ),
            Self::SshPasswords => (
                "SSH l\u{e4}sst nur Schl\u{fc}ssel herein, keine Passw\u{f6}rter",
                "SSH lets in keys only, never passwords",
            ),
            Self::SshKeys => (
                "ein Schl\u{fc}ssel fehlt oder ist keiner",
                "a key is missing, or is none",
            ),
            Self::Ssid => (
                "kein Name f\u{fc}r ein WLAN (1 bis 32 Bytes)",
                "no name for a wireless network (1 to 32 bytes)",
            ),
            Self::Country => (
                "kein Land; richtig ist etwa DE",
                "no country; DE, for instance, is right",
            ),
            Self::Passphrase => (
                "kein WLAN-Passwort (8 bis 63 Zeichen, bei offenen Netzen keines)",
                "no wireless password (8 to 63 characters, none for open networks)",
            ),
            Self::KeyManagement => (
                "richtig ist none, owe, wpa-psk oder sae",
                "none, owe, wpa-psk or sae is right",
            ),
            Self::TimeZone => (
                "keine Zeitzone; richtig ist etwa Europe/Berlin",
                "no time zone; Europe/Berlin, for instance, is right",
            ),
            Self::HasAccount => (
                "es gibt schon ein Postfach; es bleibt, wie es ist",
                "there is an account already, which stays as it is",
            ),
            Self::OldImager => (
                "ein alter Raspberry Pi Imager (1.x) hat hier Einstellungen hinterlassen, die diese Box nicht liest; \
                 nehmen Sie Imager 2 und unsere .rpi-imager-manifest-Datei, oder richten Sie die Box auf ihrer Seite ein",
                "an old Raspberry Pi Imager (1.x) has left settings here that this box does not read; \
                 use Imager 2 with our .rpi-imager-manifest file, or set the box up on its page",
            ),
            Self::Password(why) => return same(why),
            Self::Hash(why) => return same(why),
            Self::Unreadable(why) => return same(why),
        };
        (german.to_owned(), english.to_owned())
    }
}

/// What comes from a library is English in both.
fn same(why: &impl ToString) -> (String, String) {
    (why.to_string(), why.to_string())
}

impl Note {
    /// The key as it may be shown: whoever wrote it may have put anything there.
    fn shown_key(&self) -> String {
        let safe = |c: char| {
            if c.is_ascii_graphic() || c == ' ' {
                c
            } else {
                '?'
            }
        };
        self.key.chars().take(KEY_CHARS_MAX).map(safe).collect()
    }

    /// In German.
    pub fn german(&self) -> String {
        format!("{}: {}", self.shown_key(), self.problem.words().0)
    }
}

/// In English.
impl fmt::Display for Note {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.shown_key(), self.problem.words().1)
    }
}

/// The file for whoever puts the card into a computer; every editor shows it. `None` if there is nothing to tell.
pub fn page(about: &str, notes: &[Note]) -> Option<String> {
    let told: Vec<&Note> = notes
        .iter()
        .filter(|note| note.problem.is_trouble())
        .collect();
    if told.is_empty() {
        return None;
    }
    let mut lines = vec![format!("Heimpost: Das ging nicht ({about}):")];
    lines.extend(told.iter().map(|note| note.german()));
    lines.push(String::new());
    lines.push(format!("Heimpost: this did not work ({about}):"));
    lines.extend(told.iter().map(ToString::to_string));
    lines.push(String::new());
    Some(lines.join("\r\n"))
}
