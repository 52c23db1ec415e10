//! Smarthosts of well-known providers, as data: `[relay] preset = "gmx"` is host, port and security in one word.
//!
//! Addresses are those that the providers tell their customers for mail programs; where a provider offers both ways, TLS
//! from the first byte is taken (RFC 8314 3.3). The hints say what trips people who have the right password.

use crate::mail::address::Domain;
use crate::queue::relay::RelayTls;
use crate::store::types::Language;

/// A provider.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Preset {
    /// What the settings call it.
    pub name: &'static str,
    /// Its smarthost.
    pub host: &'static str,
    /// Its port.
    pub port: u16,
    /// How the connection is made secure.
    pub tls: RelayTls,
    hint_de: &'static str,
    hint_en: &'static str,
}

/// All of them, by name.
pub const PRESETS: [Preset; 9] = [
    Preset {
        name: "gmail",
        host: "smtp.gmail.com",
        port: 465,
        tls: RelayTls::Implicit,
        hint_de: "Google verlangt ein App-Passwort; dafür muss die Bestätigung in zwei Schritten eingeschaltet sein.",
        hint_en: "Google wants an app password, which needs 2-step verification to be on.",
    },
    Preset {
        name: "gmx",
        host: "mail.gmx.net",
        port: 587,
        tls: RelayTls::StartTls,
        hint_de: "Erlauben Sie bei GMX unter Einstellungen den Zugriff über POP3 und IMAP. Mit \
                  Zwei-Faktor-Authentifizierung brauchen Sie ein anwendungsspezifisches Passwort.",
        hint_en: "Allow access by POP3 and IMAP in the settings of GMX. With two-factor authentication you need an \
                  application-specific password.",
    },
    Preset {
        name: "ionos",
        host: "smtp.ionos.de",
        port: 465,
        tls: RelayTls::Implicit,
        hint_de: "Benutzer ist die ganze Adresse, das Passwort das des Postfachs. IONOS nimmt nur Absender der Domain \
                  an, mit der Sie sich anmelden.",
        hint_en: "The user is the full address, the password that of the mailbox. IONOS takes senders of the domain \
                  that you log in with only.",
    },
    Preset {
        name: "mailbox.org",
        host: "smtp.mailbox.org",
        port: 465,
        tls: RelayTls::Implicit,
        hint_de: "Mit Zwei-Faktor-Authentifizierung brauchen Sie ein Anwendungspasswort.",
        hint_en: "With two-factor authentication you need an application password.",
    },
    Preset {
        name: "outlook",
        host: "smtp-mail.outlook.com",
        port: 587,
        tls: RelayTls::StartTls,
        hint_de: "Microsoft nimmt für private Postfächer seit September 2024 keine Anmeldung mit Passwort mehr an, auch \
                  nicht mit App-Passwort. Wählen Sie dann bitte einen anderen Anbieter zum Senden.",
        hint_en: "Since September 2024 Microsoft takes no logins with a password for private mailboxes, app passwords \
                  included. If so, please choose another provider for sending.",
    },
    Preset {
        name: "posteo",
        host: "posteo.de",
        port: 465,
        tls: RelayTls::Implicit,
        hint_de: "Benutzer ist die ganze Posteo-Adresse.",
        hint_en: "The user is the full Posteo address.",
    },
    Preset {
        name: "strato",
        host: "smtp.strato.de",
        port: 465,
        tls: RelayTls::Implicit,
        hint_de: "Benutzer ist die ganze Adresse, das Passwort das des Postfachs, nicht das des Kundenkontos.",
        hint_en: "The user is the full address, the password that of the mailbox, not that of the customer account.",
    },
    Preset {
        name: "t-online",
        host: "securesmtp.t-online.de",
        port: 465,
        tls: RelayTls::Implicit,
        hint_de: "Richten Sie im Kundencenter der Telekom ein Passwort für E-Mail-Programme ein; das der Website gilt \
                  hier nicht.",
        hint_en: "Set a password for e-mail programs in Telekom's customer centre; that of the website does not count \
                  here.",
    },
    Preset {
        name: "web.de",
        host: "smtp.web.de",
        port: 587,
        tls: RelayTls::StartTls,
        hint_de: "Erlauben Sie bei WEB.DE unter Einstellungen den Zugriff über POP3 und IMAP. Mit \
                  Zwei-Faktor-Authentifizierung brauchen Sie ein anwendungsspezifisches Passwort.",
        hint_en: "Allow access by POP3 and IMAP in the settings of WEB.DE. With two-factor authentication you need an \
                  application-specific password.",
    },
];

impl Preset {
    /// The one with this name.
    pub fn named(name: &str) -> Option<&'static Self> {
        PRESETS.iter().find(|preset| preset.name == name)
    }

    /// The one with this smarthost, however it came into the settings.
    pub fn of_host(host: &Domain) -> Option<&'static Self> {
        PRESETS.iter().find(|preset| preset.host == host.as_str())
    }

    /// What to look at when the login fails.
    pub fn hint(&self, language: Language) -> &'static str {
        match language {
            Language::De => self.hint_de,
            Language::En => self.hint_en,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_is_a_host_with_its_port() {
        assert!(PRESETS.is_sorted_by_key(|preset| preset.name));
        for preset in PRESETS {
            let host = Domain::parse(preset.host).unwrap();
            assert_eq!(host.as_str(), preset.host);
            assert_eq!(Preset::of_host(&host), Preset::named(preset.name));
            let port = if preset.tls == RelayTls::Implicit {
                465
            } else {
                587
            };
            assert_eq!(preset.port, port, "{}", preset.name);
            assert_ne!(preset.hint(Language::De), preset.hint(Language::En));
        }
    }
}
