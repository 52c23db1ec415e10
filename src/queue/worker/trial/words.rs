//! How a trial ended, in plain words, with what to do about it.

use super::{Failure, What};
use crate::queue::presets::Preset;
use crate::queue::relay::{RelayTls, Smarthost};
use crate::store::types::Language;

/// Subject and text of the mail.
pub(super) fn mail(smarthost: &Smarthost, language: Language) -> (&'static str, String) {
    let host = &smarthost.host;
    match language {
        Language::De => (
            "Heimpost: Probemail",
            format!(
                "Diese Mail hat Ihre Heimpost über {host} gesendet.\n\n\
                 Wenn Sie sie lesen, funktioniert das Senden.\n"
            ),
        ),
        Language::En => (
            "Heimpost: test mail",
            format!(
                "Your Heimpost has sent this mail through {host}.\n\n\
                 If you can read it, sending works.\n"
            ),
        ),
    }
}

impl Failure {
    /// For the owner: what happened, and what to do, in two or three sentences.
    pub fn in_words(&self, smarthost: &Smarthost, language: Language) -> String {
        let mut words = match language {
            Language::De => german(self.what, smarthost),
            Language::En => english(self.what, smarthost),
        };
        let preset = Preset::of_host(&smarthost.host);
        if let (What::Password | What::NoLogin | What::Sender, Some(preset)) = (self.what, preset) {
            words.push(' ');
            words.push_str(preset.hint(language));
        }
        words
    }
}

fn german(what: What, smarthost: &Smarthost) -> String {
    let Smarthost { host, port, .. } = smarthost;
    match what {
        What::NoHost => format!("Es gibt keinen Server namens {host}. Prüfen Sie den Namen."),
        What::NoNames => {
            "Die Box kann gerade keine Namen nachschlagen. Prüfen Sie die Internetverbindung und \
                          versuchen Sie es noch einmal."
                .to_owned()
        }
        What::NoConnection => format!(
            "{host} nimmt auf Port {port} keine Verbindung an. Prüfen Sie Name, Port und die Internetverbindung."
        ),
        What::Silent => format!(
            "{host} antwortet auf Port {port} nicht. Prüfen Sie Name und Port; vielleicht sperrt auch der \
             Internetanbieter diesen Port."
        ),
        What::Certificate => format!(
            "{host} weist sich nicht richtig aus (Zertifikat). Das Passwort wurde nicht gesendet. Prüfen Sie den Namen des \
             Servers."
        ),
        What::Handshake | What::NoTls => format!(
            "Mit {host} kam auf Port {port} keine verschlüsselte Verbindung zustande. {} Das Passwort wurde nicht gesendet.",
            match smarthost.tls {
                RelayTls::Implicit => "Versuchen Sie STARTTLS, meist auf Port 587.",
                RelayTls::StartTls => "Versuchen Sie TLS von Anfang an, meist auf Port 465.",
                RelayTls::None => "Versuchen Sie STARTTLS oder TLS von Anfang an.",
            }
        ),
        What::Unwelcome => format!("{host} will mit dieser Box nicht sprechen."),
        What::Password => {
            format!("{host} lehnt die Anmeldung ab. Prüfen Sie Benutzer und Passwort.")
        }
        What::LoginLater => format!(
            "{host} nimmt gerade keine Anmeldung an. Warten Sie ein paar Minuten und versuchen Sie es noch einmal."
        ),
        What::NoLogin => format!(
            "Bei {host} kann sich die Box auf diesem Weg nicht anmelden. Prüfen Sie Port und Verschlüsselung."
        ),
        What::LoginMissing => {
            format!("{host} verlangt eine Anmeldung. Tragen Sie Benutzer und Passwort ein.")
        }
        What::Sender => format!(
            "Die Anmeldung klappt, aber {host} nimmt von Ihrer Absenderadresse keine Mail an. Erlauben Sie die Adresse beim \
             Anbieter, oder nehmen Sie diesen Server nur für die Adresse, die dort zu Hause ist."
        ),
        What::Recipient => {
            format!("Die Anmeldung klappt, aber {host} nimmt an Ihre Adresse keine Mail an.")
        }
        What::Message => {
            format!("Die Anmeldung klappt, aber {host} hat die Probemail nicht angenommen.")
        }
        What::Lost => {
            format!("Die Verbindung zu {host} ist abgebrochen. Versuchen Sie es noch einmal.")
        }
        What::Ours => {
            "Die Probe ist an der Box selbst gescheitert. Das Protokoll sagt mehr.".to_owned()
        }
    }
}

fn english(what: What, smarthost: &Smarthost) -> String {
    let Smarthost { host, port, .. } = smarthost;
    match what {
        What::NoHost => format!("There is no server called {host}. Check the name."),
        What::NoNames => {
            "The box cannot look up names right now. Check the internet connection and try again."
                .to_owned()
        }
        What::NoConnection => format!(
            "{host} takes no connection on port {port}. Check name, port and the internet connection."
        ),
        What::Silent => format!(
            "{host} does not answer on port {port}. Check name and port; the internet provider may also block that port."
        ),
        What::Certificate => format!(
            "{host} does not prove its name (certificate). The password was not sent. Check the name of the server."
        ),
        What::Handshake | What::NoTls => format!(
            "There was no encrypted connection with {host} on port {port}. {} The password was not sent.",
            match smarthost.tls {
                RelayTls::Implicit => "Try STARTTLS, mostly on port 587.",
                RelayTls::StartTls => "Try TLS from the start, mostly on port 465.",
                RelayTls::None => "Try STARTTLS, or TLS from the start.",
            }
        ),
        What::Unwelcome => format!("{host} does not want to talk to this box."),
        What::Password => format!("{host} refuses the login. Check user and password."),
        What::LoginLater => {
            format!("{host} takes no login right now. Wait a few minutes and try again.")
        }
        What::NoLogin => {
            format!("The box cannot log in at {host} this way. Check port and encryption.")
        }
        What::LoginMissing => format!("{host} wants a login. Enter user and password."),
        What::Sender => format!(
            "The login works, but {host} takes no mail from your sender address. Allow the address at the provider, or use \
             this server only for the address that is at home there."
        ),
        What::Recipient => {
            format!("The login works, but {host} takes no mail for your address.")
        }
        What::Message => format!("The login works, but {host} did not take the test mail."),
        What::Lost => format!("The connection to {host} broke. Try again."),
        What::Ours => "The test failed at the box itself. Its log says more.".to_owned(),
    }
}
