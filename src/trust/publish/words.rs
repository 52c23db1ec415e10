//! Words about records: what each is for, and one plain instruction per finding.

use super::compare::Todo;
use super::{Facts, Finding, Purpose, Record};
use crate::store::types::Language::{self, De, En};
use crate::trust::signing::{OLD_KEYS_DAYS, Place};

/// What stands for the address that the box cannot know.
pub(super) fn public_address(language: Language) -> &'static str {
    match language {
        De => "<öffentliche Adresse Ihres Anschlusses>",
        En => "<public address of your connection>",
    }
}

/// What a record is for, in half a line.
pub fn note(record: &Record, language: Language) -> String {
    let (de, en) = match record.purpose {
        Purpose::Mail => ("hierher kommt die Mail", "where mail goes"),
        Purpose::Host => (
            "die Adresse dieses Rechners; mit IPv6 auch als AAAA. Der Router zeigt sie",
            "the address of this box; with IPv6 as AAAA too. The router shows it",
        ),
        Purpose::Reverse => (
            "der Name zur Adresse; den setzt der Internetanbieter",
            "the name of the address; the internet provider sets it",
        ),
        Purpose::Spf => (
            "wer für die Domain senden darf",
            "who may send for the domain",
        ),
        Purpose::Dkim(Place::Next) => (
            "neuer Schlüssel für Signaturen; gilt, sobald er veröffentlicht ist",
            "new key for signatures; signs once it is published",
        ),
        Purpose::Dkim(Place::Active) => ("Schlüssel für Signaturen", "key for signatures"),
        Purpose::Dkim(Place::Old) => {
            return match language {
                De => {
                    format!("alter Schlüssel; bleibt noch bis zu {OLD_KEYS_DAYS} Tage stehen")
                }
                En => format!("old key; stays for up to {OLD_KEYS_DAYS} days more"),
            };
        }
        Purpose::Dmarc => (
            "was mit gefälschter Mail geschehen soll",
            "what to do with forged mail",
        ),
        Purpose::Sts => ("Mail nur verschlüsselt", "mail by TLS only"),
        Purpose::StsHost => ("hier steht die Regel dazu", "where that policy is"),
        Purpose::TlsReports => (
            "wohin Berichte über Verschlüsselung gehen",
            "where reports about TLS go",
        ),
        Purpose::Dane => (
            "Schlüssel des Zertifikats; nützt nur mit DNSSEC",
            "key of the certificate; of use with DNSSEC only",
        ),
        Purpose::Issuer => (
            "wer Zertifikate ausstellen darf",
            "who may issue certificates",
        ),
        Purpose::Service => (
            "damit Mailprogramme den Server finden",
            "so that mail programs find the server",
        ),
    };
    match language {
        De => de.to_owned(),
        En => en.to_owned(),
    }
}

/// What to do about a finding, in a sentence or two; empty if there is nothing to do.
pub fn advice(finding: &Finding, facts: &Facts, language: Language) -> String {
    let record = &finding.record;
    let (name, kind) = (&record.name, record.kind);
    let value = record.value(language);
    match (&finding.todo, language) {
        (Todo::Nothing, _) => String::new(),
        (Todo::Add, De) if kind == "PTR" => format!(
            "Lassen Sie Ihren Internetanbieter für die Adresse der Box den Namen {value} eintragen (PTR)."
        ),
        (Todo::Add, En) if kind == "PTR" => {
            format!("Have your internet provider give the box's address the name {value} (PTR).")
        }
        (Todo::Add, De) => format!(
            "Legen Sie beim Anbieter Ihrer Domain einen {kind}-Eintrag für {name} an: {value}"
        ),
        (Todo::Add, En) => {
            format!("At the provider of your domain, add this {kind} record for {name}: {value}")
        }
        (Todo::Replace { found }, De) => {
            format!("Ändern Sie den {kind}-Eintrag von {name} von \"{found}\" in: {value}")
        }
        (Todo::Replace { found }, En) => {
            format!("Change the {kind} record of {name} from \"{found}\" to: {value}")
        }
        (Todo::Extend { whole }, De) => {
            format!("Ändern Sie den TXT-Eintrag von {name} in: {whole}")
        }
        (Todo::Extend { whole }, En) => format!("Change the TXT record of {name} to: {whole}"),
        (Todo::Close, De) => format!(
            "Der SPF-Eintrag von {name} erlaubt jedem das Senden. Ersetzen Sie ihn durch: {value}"
        ),
        (Todo::Close, En) => {
            format!("The SPF record of {name} lets everybody send. Put in its place: {value}")
        }
        (Todo::OneSpf { count }, De) => format!(
            "{name} hat {count} SPF-Einträge; Empfänger beachten dann keinen. Lassen Sie nur einen stehen: {value}"
        ),
        (Todo::OneSpf { count }, En) => format!(
            "{name} has {count} SPF records, and receivers heed none of them. Keep one only: {value}"
        ),
        (Todo::Strict, De) => format!(
            "Gut so zum Beobachten. Wenn Ihre Mail überall ankommt, setzen Sie den Eintrag von {name} auf: {value}"
        ),
        (Todo::Strict, En) => format!(
            "Fine for watching. Once your mail arrives everywhere, set the record of {name} to: {value}"
        ),
        (Todo::Later { why }, De) => {
            format!("Das DNS gab keine Antwort ({why}). Versuchen Sie es später noch einmal.")
        }
        (Todo::Later { why }, En) => format!("DNS gave no answer ({why}). Try again later."),
        (Todo::MailElsewhere { .. } | Todo::HomeAddress { .. }, _) => {
            arrival(finding, facts, language)
        }
        (Todo::Reverse { .. } | Todo::Dane | Todo::NoDnssec, _) => proof(finding, facts, language),
    }
}

/// About mail that does not get here.
fn arrival(finding: &Finding, facts: &Facts, language: Language) -> String {
    let Facts {
        domain, hostname, ..
    } = facts;
    let value = finding.record.value(language);
    match (&finding.todo, language) {
        (Todo::MailElsewhere { found }, De) => format!(
            "Mail an {domain} geht an \"{found}\" und kommt nicht hierher. Ändern Sie den MX-Eintrag in: {value}"
        ),
        (Todo::MailElsewhere { found }, En) => format!(
            "Mail to {domain} goes to \"{found}\" and not here. Change the MX record to: {value}"
        ),
        (Todo::HomeAddress { found }, De) => format!(
            "{hostname} zeigt auf {found}; diese Adresse gibt es nur in Ihrem Heimnetz. Tragen Sie die \
             öffentliche Adresse Ihres Anschlusses ein; Ihr Router zeigt sie."
        ),
        (Todo::HomeAddress { found }, En) => format!(
            "{hostname} points to {found}, which only your home network has. Enter the public address of your \
             connection; your router shows it."
        ),
        _ => String::new(),
    }
}

/// About what others want proved.
fn proof(finding: &Finding, facts: &Facts, language: Language) -> String {
    let Facts {
        domain, hostname, ..
    } = facts;
    let value = finding.record.value(language);
    match (&finding.todo, language) {
        (Todo::Reverse { address, found }, De) => {
            let has = match found {
                Some(found) => format!("heißt {found}"),
                None => "hat keinen Namen".to_owned(),
            };
            format!(
                "Die Adresse {address} {has}; viele Server nehmen dann keine Mail an. Lassen Sie Ihren Internetanbieter \
                 den Namen {hostname} eintragen (PTR), oder senden Sie über einen Anbieter ([relay])."
            )
        }
        (Todo::Reverse { address, found }, En) => {
            let has = match found {
                Some(found) => format!("is called {found}"),
                None => "has no name".to_owned(),
            };
            format!(
                "The address {address} {has}, and many servers take no mail then. Have your internet provider set the \
                 name {hostname} (PTR), or send through a provider ([relay])."
            )
        }
        (Todo::Dane, De) => format!(
            "Der TLSA-Eintrag gehört nicht zum Zertifikat; wer ihn prüft, schickt keine Mail. Ändern Sie ihn \
             sofort in: {value}"
        ),
        (Todo::Dane, En) => format!(
            "The TLSA record is not that of the certificate; who checks it sends no mail. Change it at once to: {value}"
        ),
        (Todo::NoDnssec, De) => {
            format!(
                "Nicht nötig: {domain} ist nicht mit DNSSEC signiert, ein TLSA-Eintrag nützt nichts."
            )
        }
        (Todo::NoDnssec, En) => {
            format!("Not needed: {domain} is not signed by DNSSEC, and a TLSA record is of no use.")
        }
        _ => String::new(),
    }
}
