//! The profile with which Apple's devices set an account up: IMAP and SMTP with the device's app password, and the box's
//! authority when the certificate is the box's own (Apple, Configuration Profile Reference: Email, Certificate).
//!
//! It is not signed. Its identifiers are made from box and device, so that fetching it again replaces it.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use maud::{Markup, PreEscaped, html};
use ring::digest::{SHA256, digest};

use super::{Server, Servers};
use crate::mail::address::Address;
use crate::mail::ids::DeviceId;

/// Media type that Apple's devices know.
pub(super) const CONTENT_TYPE: &str = "application/x-apple-aspen-config";

const YES: PreEscaped<&str> = PreEscaped("<true/>");
const NO: PreEscaped<&str> = PreEscaped("<false/>");

/// What a profile is made of.
#[derive(Clone, Copy, Debug)]
pub(super) struct Profile<'a> {
    pub(super) hostname: &'a str,
    pub(super) address: &'a Address,
    pub(super) device: DeviceId,
    pub(super) name: &'a str,
    pub(super) password: &'a str,
    pub(super) servers: &'a Servers,
    /// The authority's certificate, as it lies in PEM.
    pub(super) authority: Option<&'a [u8]>,
}

impl Profile<'_> {
    /// As an XML property list; `None` if IMAP or SMTP with TLS is not offered.
    pub(super) fn render(&self) -> Option<String> {
        let (imap, smtp) = (self.servers.imap.first()?, self.servers.smtp.first()?);
        let content = html! {
            dict {
                (text("PayloadDisplayName", &format!("Heimpost: {}", self.address)))
                (text("PayloadDescription", &format!("{} – {}", self.address, self.name)))
                (text("PayloadOrganization", self.hostname))
                (self.identity("profile", "Configuration"))
                key { "PayloadRemovalDisallowed" } (NO)
                key { "PayloadContent" }
                array {
                    @if let Some(der) = self.authority { (self.authority_payload(der)) }
                    (self.mail_payload(imap, smtp))
                }
            }
        };
        let front = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<!DOCTYPE plist PUBLIC \"-//Apple//DTD PLIST 1.0//EN\" \
             \"http://www.apple.com/DTDs/PropertyList-1.0.dtd\">\n<plist version=\"1.0\">";
        Some(format!("{front}{}</plist>\n", content.into_string()))
    }

    fn mail_payload(&self, imap: &Server, smtp: &Server) -> Markup {
        let address = self.address.to_string();
        html! {
            dict {
                (text("PayloadDisplayName", &address))
                (self.identity("mail", "com.apple.mail.managed"))
                (text("EmailAccountDescription", &address))
                (text("EmailAccountType", "EmailTypeIMAP"))
                (text("EmailAddress", &address))
                (server("Incoming", imap, &address, self.password))
                (server("Outgoing", smtp, &address, self.password))
                key { "SMIMEEnabled" } (NO)
            }
        }
    }

    fn authority_payload(&self, der: &[u8]) -> Markup {
        html! {
            dict {
                (text("PayloadDisplayName", &format!("Heimpost: {}", self.hostname)))
                (self.identity("authority", "com.apple.security.root"))
                (text("PayloadCertificateFileName", "heimpost.cer"))
                key { "PayloadContent" }
                data { (STANDARD.encode(der)) }
            }
        }
    }

    /// What every payload has.
    fn identity(&self, part: &str, kind: &str) -> Markup {
        let label = format!("{}/{}/{}/{part}", self.hostname, self.address, self.device);
        html! {
            (text("PayloadType", kind))
            key { "PayloadVersion" } integer { "1" }
            (text("PayloadIdentifier", &format!("{}.heimpost.{}.{part}", reversed(self.hostname), self.device)))
            (text("PayloadUUID", &uuid(&label)))
        }
    }
}

fn text(key: &str, value: &str) -> Markup {
    html! { key { (key) } string { (value) } }
}

fn server(side: &str, server: &Server, login: &str, password: &str) -> Markup {
    let key = |name: &str| format!("{side}{name}");
    html! {
        (text(&key("MailServerAuthentication"), "EmailAuthPassword"))
        (text(&key("MailServerHostName"), &server.host))
        key { (key("MailServerPortNumber")) } integer { (server.port) }
        key { (key("MailServerUseSSL")) }
        // Both kinds of TLS: the device finds out by the port which it is.
        (YES)
        (text(&key("MailServerUsername"), login))
        (text(&key("Password"), password))
    }
}

fn reversed(hostname: &str) -> String {
    hostname.rsplit('.').collect::<Vec<_>>().join(".")
}

/// A UUID that is the same for the same label (RFC 9562 5.8).
fn uuid(label: &str) -> String {
    let made = digest(&SHA256, label.as_bytes());
    let mut bytes = [0_u8; 16];
    for (to, from) in bytes.iter_mut().zip(made.as_ref()) {
        *to = *from;
    }
    let number = u128::from_be_bytes(bytes);
    let versioned = number & !(0xf << 76) | (8 << 76);
    let varied = versioned & !(0b11 << 62) | (0b10 << 62);
    let hex = format!("{varied:032X}");
    let mut out = String::new();
    for (at, digit) in hex.chars().enumerate() {
        if matches!(at, 8 | 12 | 16 | 20) {
            out.push('-');
        }
        out.push(digit);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::super::Security;
    use super::*;

    #[test]
    fn uuids_are_stable_and_of_version_8() {
        let one = uuid("a");
        assert_eq!(one, uuid("a"));
        assert_ne!(one, uuid("b"));
        assert_eq!(one.len(), 36);
        assert_eq!(one.as_bytes()[14], b'8');
        assert!(
            matches!(one.as_bytes()[19], b'8' | b'9' | b'A' | b'B'),
            "{one}"
        );
    }

    #[test]
    fn hostile_names_stay_text() {
        let server = Server {
            host: "mail.example.org".to_owned(),
            port: 993,
            security: Security::Tls,
        };
        let servers = Servers {
            imap: vec![server.clone()],
            pop3: Vec::new(),
            smtp: vec![server],
        };
        let profile = Profile {
            hostname: "mail.example.org",
            address: &Address::parse("anna@example.org").unwrap(),
            device: DeviceId(7),
            name: "</string><true/>&\"",
            password: "abcd-efgh",
            servers: &servers,
            authority: Some(b"der"),
        };
        let text = profile.render().unwrap();
        assert!(
            text.contains("&lt;/string&gt;&lt;true/&gt;&amp;&quot;"),
            "{text}"
        );
        assert!(text.contains("<data>ZGVy</data>"));
        assert!(
            text.contains("<key>IncomingMailServerUseSSL</key><true/>"),
            "{text}"
        );
        let nothing = Servers {
            imap: Vec::new(),
            ..servers.clone()
        };
        let without = Profile {
            servers: &nothing,
            ..profile
        };
        assert_eq!(without.render(), None);
    }
}
